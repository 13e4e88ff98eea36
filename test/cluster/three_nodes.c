/* test/cluster/three_nodes.c - the parts together: three engines on real journals and real sockets, each with a thread
 * and a disk thread, in one process. Whoever leads proposes batches until enough are acknowledged; then all three must
 * have done the same, and every batch that was acknowledged once.
 *
 *   three_nodes DIRECTORY [BATCHES [FLIGHT [COMMANDS [STOPS]]]]
 *
 * BATCHES of so many COMMANDS of 64 bytes, FLIGHT of them under way at once. STOPS: so many times whoever leads is
 * stopped at once, without a word to the others or its disk, and begins again when another one leads.
 *
 * Prints how fast that was, how long a batch took from being proposed to being committed, and how long it took from a
 * stop to the next batch acknowledged.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ring/check.h"
#include "stages/consensus_journal.h"
#include "stages/peers.h"

#define NODES 3u
#define LINE 64u
#define FLIGHT_MAX 1024u
#define PATIENCE_NS (UINT64_C(60) * 1000000000) /* for each step */
#define BETWEEN_STOPS 20u                       /* acknowledged batches */
#define WORDS_MAX (UINT64_C(1) << 22)

struct seat {
    uint32_t number;
    struct pit_log *log;
    struct pit_peers *peers;
    struct pit_consensus *consensus;
    pthread_t thread, disk_thread;
    uint64_t random;
    /* The node's thread. */
    uint64_t next_tag, in_flight;
    uint64_t proposed_ns[FLIGHT_MAX * 2];
    uint8_t *payload;
    uint64_t *words, words_count; /* of the batches done: the first word of each */
    uint64_t hash;
    /* Others look at these. */
    uint64_t delivered, hash_told, ready;
    uint64_t stop; /* the controller's */
};

static struct seat seats[NODES + 1];
static const char *root;
static uint64_t batches = 200, flight = 4, commands = 256, stops;
static uint64_t acknowledged, unknown, enough, first_ns, last_ns;
static uint64_t *took_ns, *acknowledged_words; /* of each acknowledged batch, up to WORDS_MAX */

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static uint64_t monotonic_ns(void *context)
{
    (void)context;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t random_bits(void *argument)
{
    uint64_t *state = argument;
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 8;
}

static int random_bytes(void *argument, void *bytes, size_t count)
{
    const struct pit_disk *disk = argument;
    return disk->random(disk->context, bytes, count);
}

static void doze(void *context)
{
    (void)context;
    nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
}

static void *run_disk(void *argument)
{
    struct seat *seat = argument;
    struct pit_journal *journal = pit_log_journal(seat->log);
    while (!load(&seat->stop)) {
        if (pit_journal_disk_work(journal) == 0 && pit_journal_prepare_work(journal) == 0 &&
            pit_log_past_work(seat->log) == 0)
            doze(NULL);
    }
    return NULL;
}

static void committed(void *context, const struct pit_consensus_entry *entry)
{
    struct seat *seat = context;
    uint64_t word;
    PIT_CHECK(seat->words_count < WORDS_MAX);
    memcpy(&seat->words[seat->words_count++], entry->payload, sizeof word);
    for (uint32_t at = 0; at < entry->bytes; at += LINE) {
        memcpy(&word, (const uint8_t *)entry->payload + at, sizeof word);
        seat->hash = (seat->hash ^ word ^ entry->index) * UINT64_C(0x100000001b3);
    }
    store(&seat->hash_told, seat->hash);
    store(&seat->delivered, entry->index);
}

static void answered(void *context, uint64_t tag, enum pit_consensus_outcome outcome, uint64_t index)
{
    struct seat *seat = context;
    (void)index;
    seat->in_flight--;
    if (outcome != PIT_CONSENSUS_COMMITTED) {
        store(&unknown, load(&unknown) + 1);
        return;
    }
    uint64_t now_ns = monotonic_ns(NULL), count = load(&acknowledged);
    PIT_CHECK(count < WORDS_MAX);
    took_ns[count] = now_ns - seat->proposed_ns[tag % (FLIGHT_MAX * 2)];
    acknowledged_words[count] = tag << 16 | seat->number;
    store(&last_ns, now_ns);
    store(&acknowledged, count + 1);
}

static void propose(struct seat *seat)
{
    while (seat->in_flight < flight && !load(&enough) && (stops || load(&acknowledged) + seat->in_flight < batches)) {
        uint64_t tag = ++seat->next_tag;
        for (uint64_t i = 0; i < commands; i++) {
            uint64_t word = tag << 16 | i << 4 | seat->number;
            memcpy(seat->payload + i * LINE, &word, sizeof word);
        }
        seat->proposed_ns[tag % (FLIGHT_MAX * 2)] = monotonic_ns(NULL);
        if (load(&first_ns) == 0)
            store(&first_ns, seat->proposed_ns[tag % (FLIGHT_MAX * 2)]);
        seat->in_flight++;
        if (pit_consensus_propose(seat->consensus, seat->payload, commands * LINE, tag) != 0) {
            seat->in_flight--;
            return;
        }
    }
}

static void *run_node(void *argument)
{
    struct seat *seat = argument;
    while (!load(&seat->stop)) {
        uint32_t done = pit_peers_work(seat->peers) + pit_consensus_work(seat->consensus);
        struct pit_consensus_state state = pit_consensus_state(seat->consensus);
        pit_peers_term(seat->peers, state.term);
        pit_log_committed(seat->log, state.committed);
        store(&seat->ready, state.ready);
        if (state.ready)
            propose(seat);
        if (done == 0)
            pit_peers_park(seat->peers, 50000);
    }
    return NULL;
}

static void received(void *argument, uint32_t from, const void *bytes, size_t count)
{
    pit_consensus_receive(((const struct seat *)argument)->consensus, from, bytes, count);
}

static void fail(const char *what, const struct pit_error *error)
{
    printf("%s: %s\n", what, error->text);
    exit(1);
}

static void open_seat(struct seat *seat, bool begin)
{
    char place[512], addresses[NODES + 1][512];
    struct pit_error error = {0};
    seat->hash = seat->words_count = 0;
    store(&seat->stop, 0);
    store(&seat->delivered, 0);
    snprintf(place, sizeof place, "%s/%u", root, seat->number);
    struct pit_log_options log = {
        .directory = place, .segment_bytes = UINT64_C(16) << 20, .keep_bytes = PIT_LOG_KEEP_ALL, .wait = doze};
    if (pit_log_open(&seat->log, pit_disk_machine(), &log, &error) != 0)
        fail("log", &error);
    struct pit_peers_options peers = {
        .node = seat->number,
        .nodes = NODES,
        .cluster = "three nodes ...",
        .key = (const uint8_t *)"a key of thirty-two bytes, no less",
        .key_bytes = 32,
        .queue_bytes = UINT64_C(16) << 20,
        .reconnect_ms = 10,
        .prove_ms = 2000,
        .stall_ms = 2000,
        .network = pit_network_machine(),
        .clock = {.monotonic_ns = monotonic_ns},
        .random = random_bytes,
        .random_argument = (void *)(uintptr_t)pit_disk_machine(),
        .received = received,
        .received_argument = seat,
    };
    for (uint32_t node = 1; node <= NODES; node++) {
        snprintf(addresses[node], sizeof addresses[node], "unix:%s/node%u", root, node);
        peers.addresses[node] = addresses[node];
    }
    if (pit_peers_open(&seat->peers, &peers, &error) != 0)
        fail("peers", &error);
    /* begin waits for the disk agent, so that runs first. */
    pthread_create(&seat->disk_thread, NULL, run_disk, seat);
    struct pit_consensus_options options = {
        .node = seat->number,
        .nodes = NODES,
        .begin = begin,
        .election_ms = stops ? 300 : 1000,
        .heartbeat_ms = 50,
        .flight_bytes = PIT_CONSENSUS_FLIGHT_BYTES_MAX,
        .unanswered_bytes = UINT64_C(64) << 20,
        .storage = pit_consensus_journal(seat->log),
        .network = pit_peers_network(seat->peers),
        .machine = {.context = seat, .committed = committed, .answered = answered},
        .clock = {.monotonic_ns = monotonic_ns},
        .random = random_bits,
        .random_argument = &seat->random,
    };
    if (pit_consensus_open(&seat->consensus, &options, &error) != 0)
        fail("consensus", &error);
    pthread_create(&seat->thread, NULL, run_node, seat);
}

/* At once: nothing that waits is written or sent any more. */
static void close_seat(struct seat *seat)
{
    store(&seat->stop, 1);
    pthread_join(seat->thread, NULL);
    pthread_join(seat->disk_thread, NULL);
    store(&seat->ready, 0);
    pit_consensus_close(seat->consensus);
    pit_peers_close(seat->peers);
    pit_log_close(seat->log);
}

static bool agreed(void)
{
    uint64_t delivered = load(&seats[1].delivered);
    for (uint32_t node = 2; node <= NODES; node++) {
        if (load(&seats[node].delivered) != delivered || load(&seats[node].hash_told) != load(&seats[1].hash_told))
            return false;
    }
    return delivered >= load(&acknowledged);
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* Until something is so; false: it takes too long. */
static bool wait_for(bool (*is_so)(uint64_t than), uint64_t than)
{
    uint64_t began_ns = monotonic_ns(NULL);
    while (!is_so(than)) {
        if (monotonic_ns(NULL) - began_ns > PATIENCE_NS)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    return true;
}

static bool more_acknowledged(uint64_t than)
{
    return load(&acknowledged) > than;
}

static bool all_agree(uint64_t unused)
{
    (void)unused;
    return agreed();
}

static struct seat *leader(void)
{
    for (uint32_t node = 1; node <= NODES; node++)
        if (load(&seats[node].ready))
            return &seats[node];
    return NULL;
}

static bool somebody_leads(uint64_t unused)
{
    (void)unused;
    return leader() != NULL;
}

/* Whoever leads is stopped, and comes back when another one has served a batch. */
static bool stop_leader(uint64_t *failover_ns)
{
    struct seat *seat = NULL;
    while (!seat) {
        if (!wait_for(more_acknowledged, load(&acknowledged) + BETWEEN_STOPS) || !wait_for(somebody_leads, 0))
            return false;
        seat = leader();
    }
    uint64_t began_ns = monotonic_ns(NULL);
    close_seat(seat);
    bool good = wait_for(more_acknowledged, load(&acknowledged));
    *failover_ns = monotonic_ns(NULL) - began_ns;
    open_seat(seat, false);
    return good;
}

/* Each node has done what was acknowledged, and nothing twice. */
static bool once(void)
{
    for (uint32_t node = 1; node <= NODES; node++) {
        const struct seat *seat = &seats[node];
        qsort(seat->words, seat->words_count, sizeof *seat->words, compare);
        for (uint64_t i = 1; i < seat->words_count; i++) {
            if (seat->words[i] == seat->words[i - 1])
                return printf("node %u: batch %016" PRIx64 " is there twice\n", node, seat->words[i]), false;
        }
        for (uint64_t i = 0; i < acknowledged; i++) {
            if (!bsearch(&acknowledged_words[i], seat->words, seat->words_count, sizeof *seat->words, compare))
                return printf("node %u: batch %016" PRIx64 " is lost\n", node, acknowledged_words[i]), false;
        }
    }
    return true;
}

static void tell(uint64_t *failover_ns)
{
    double seconds = (double)(last_ns - first_ns) / 1e9;
    qsort(took_ns, acknowledged, sizeof *took_ns, compare);
    printf("%" PRIu64 " batches of %" PRIu64 " commands, %" PRIu64 " under way, %" PRIu64
           " unknown: %.3f M commands/s; a "
           "batch took %.3f ms (p50), %.3f ms (p99)\n",
           acknowledged, commands, flight, unknown, (double)(acknowledged * commands) / seconds / 1e6,
           (double)took_ns[acknowledged / 2] / 1e6, (double)took_ns[acknowledged * 99 / 100] / 1e6);
    if (stops == 0)
        return;
    qsort(failover_ns, stops, sizeof *failover_ns, compare);
    printf("%" PRIu64 " stops of the leader: %.0f ms (p50), %.0f ms (longest) to the next batch acknowledged\n", stops,
           (double)failover_ns[stops / 2] / 1e6, (double)failover_ns[stops - 1] / 1e6);
}

static bool take_arguments(int count, char **arguments)
{
    uint64_t *numbers[] = {&batches, &flight, &commands, &stops};
    for (int i = 2; i < count && i < 6; i++)
        *numbers[i - 2] = strtoull(arguments[i], NULL, 10);
    root = count > 1 ? arguments[1] : NULL;
    return root && batches >= 1 && batches <= WORDS_MAX / 2 && flight >= 1 && flight <= FLIGHT_MAX && commands >= 1 &&
           commands * LINE <= PIT_CONSENSUS_ENTRY_BYTES_MAX && stops <= 10000;
}

int main(int count, char **arguments)
{
    if (!take_arguments(count, arguments))
        return fprintf(stderr, "three_nodes DIRECTORY [BATCHES [FLIGHT [COMMANDS [STOPS]]]]\n"), 2;
    took_ns = calloc(WORDS_MAX, sizeof *took_ns);
    acknowledged_words = calloc(WORDS_MAX, sizeof *acknowledged_words);
    uint64_t *failover_ns = calloc(stops + 1, sizeof *failover_ns);
    PIT_CHECK(took_ns && acknowledged_words && failover_ns);
    for (uint32_t node = 1; node <= NODES; node++) {
        struct seat *seat = &seats[node];
        *seat = (struct seat){.number = node, .random = monotonic_ns(NULL) * node | 1};
        seat->payload = calloc(commands, LINE);
        seat->words = calloc(WORDS_MAX, sizeof *seat->words);
        PIT_CHECK(seat->payload && seat->words);
        open_seat(seat, true);
    }
    bool good = true;
    for (uint64_t i = 0; i < stops && good; i++)
        good = stop_leader(&failover_ns[i]);
    good = good && wait_for(more_acknowledged, batches - 1);
    store(&enough, 1);
    good = good && wait_for(all_agree, 0);
    for (uint32_t node = 1; node <= NODES; node++) {
        close_seat(&seats[node]);
        printf("node %u: entry %" PRIu64 ", hash %016" PRIx64 "\n", node, seats[node].delivered, seats[node].hash);
    }
    good = good && once();
    if (good)
        tell(failover_ns);
    for (uint32_t node = 1; node <= NODES; node++) {
        free(seats[node].payload);
        free(seats[node].words);
    }
    free(took_ns);
    free(acknowledged_words);
    free(failover_ns);
    return good ? 0 : 1;
}
