#include "stages/replicator.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "stages/replicator_parts.h"

#define RECONNECT_MS 50u
#define PROVE_MS 2000u
#define STALL_MS 2000u
#define QUIET_NS UINT64_C(100000000) /* without an entry: what is committed is written */
#define QUEUE_BYTES (UINT64_C(16) << 20)
#define UNANSWERED_BYTES ((uint64_t)PIT_REPLICATOR_FLIGHT * PIT_REPLICATOR_BATCH_BYTES)

void pit_replicator_fail(struct pit_replicator *replicator, int code, const char *format, ...)
{
    if (replicator->stopped)
        return;
    va_list arguments;
    va_start(arguments, format);
    replicator->error.code = code;
    vsnprintf(replicator->error.text, sizeof replicator->error.text, format, arguments);
    va_end(arguments);
    replicator->stopped = true;
    pit_word_store_release(&replicator->config.board->leads, 0);
    pit_sequence_store(&replicator->failed, 1);
}

/* Links. */

/* What the engine sends goes in an envelope. */
static bool send_engine(void *context, uint32_t node, const struct iovec *pieces, uint32_t count, size_t bytes)
{
    struct pit_replicator *replicator = context;
    const struct pit_consensus_network links = pit_peers_network(replicator->peers);
    struct pit_node_message head = {.kind = PIT_NODE_MESSAGE_ENGINE};
    struct iovec all[1 + PIT_CONSENSUS_PIECES_MAX];
    if (count > PIT_CONSENSUS_PIECES_MAX || bytes > PIT_CONSENSUS_MESSAGE_BYTES_MAX - sizeof head)
        return false;
    all[0] = (struct iovec){.iov_base = &head, .iov_len = sizeof head};
    memcpy(&all[1], pieces, count * sizeof *pieces);
    return links.send(links.context, node, all, count + 1, bytes + sizeof head);
}

static void received(void *argument, uint32_t from, const void *bytes, size_t count)
{
    struct pit_replicator *replicator = argument;
    struct pit_node_message head;
    if (count < sizeof head || replicator->stopped)
        return;
    memcpy(&head, bytes, sizeof head);
    const void *body = (const uint8_t *)bytes + sizeof head;
    size_t body_bytes = count - sizeof head;
    replicator->heard_ns[from] = replicator->now_ns;
    if (head.kind == PIT_NODE_MESSAGE_ENGINE && body_bytes > 0)
        pit_consensus_receive(replicator->consensus, from, body, body_bytes);
    else if (head.kind == PIT_NODE_MESSAGE_DIGEST)
        pit_replicator_hear_digest(replicator, from, body, body_bytes);
    else if (head.kind >= PIT_TRANSFER_OFFER && head.kind <= PIT_TRANSFER_REFUSED)
        pit_transfer_receive(replicator->transfer, from, bytes, count);
}

static void lost(void *argument, uint32_t from)
{
    const struct pit_replicator *replicator = argument;
    if (!replicator->stopped)
        pit_consensus_lost(replicator->consensus, from);
}

/* What operators ask. */

static void answer_figures(void *context, struct pit_cluster_figures *figures)
{
    pit_replicator_figures(context, figures);
}

static int answer_transfer(void *context, uint32_t node, struct pit_error *error)
{
    struct pit_replicator *replicator = context;
    int code = pit_consensus_transfer(replicator->consensus, node);
    if (code == -EPERM)
        return pit_error_set(error, code, "node %u leads, and is not ready yet or hands over already: ask again",
                             replicator->node);
    return code ? pit_error_set(error, code, "node %u cannot hand over to node %u: %s", replicator->node, node,
                                strerror(-code))
                : 0;
}

static int answer_snapshot(void *context, bool begin, uint64_t *newest, struct pit_error *error)
{
    const struct pit_replicator_config *config = &((struct pit_replicator *)context)->config;
    return config->snapshot(config->snapshot_context, begin, newest, error);
}

static void prepare_operators(struct pit_replicator *replicator)
{
    replicator->operators = (struct pit_operators){
        .handler = {.context = replicator,
                    .figures = answer_figures,
                    .transfer = answer_transfer,
                    .snapshot = answer_snapshot},
        .name = replicator->config.name,
        .version = PIT_VERSION,
        .clock = replicator->clock,
        .started_ns = replicator->clock.monotonic_ns(replicator->clock.context),
    };
}

/* The agent. */

static void begin_leading(struct pit_replicator *replicator, const struct pit_consensus_state *state)
{
    replicator->part = PIT_REPLICATOR_DEFINES;
    replicator->term = state->term;
    replicator->defining = 0;
    replicator->proposed_sequence = replicator->sequence;
    replicator->proposed_time_ns = replicator->time_ns;
    replicator->epoch++;
}

static void end_leading(struct pit_replicator *replicator)
{
    replicator->part = PIT_REPLICATOR_FOLLOWS;
    pit_word_store_release(&replicator->config.board->leads, 0);
}

/* Follows the engine's role, and tells others. Returns how much there was to do. */
static uint32_t follow(struct pit_replicator *replicator, const struct pit_consensus_state *state)
{
    struct pit_node_board *board = replicator->config.board;
    uint32_t done = 0;
    if (board->leader != state->leader)
        pit_word_store_relaxed(&board->leader, state->leader);
    if (replicator->part != PIT_REPLICATOR_FOLLOWS && (!state->ready || state->term != replicator->term)) {
        end_leading(replicator);
        done++;
    }
    /* Sequences go on behind all that it has proposed. After a handing over that came to nothing, some of that may
     * still be under way, in the same term. */
    if (replicator->part == PIT_REPLICATOR_FOLLOWS && state->ready && replicator->in_flight == 0) {
        begin_leading(replicator, state);
        done++;
    }
    if (replicator->part == PIT_REPLICATOR_DEFINES && pit_replicator_define(replicator)) {
        replicator->part = PIT_REPLICATOR_LEADS;
        pit_word_store_release(&board->leads, replicator->epoch);
        done++;
    }
    return done;
}

static void show(struct pit_replicator *replicator, const struct pit_consensus_state *state)
{
    const struct pit_transfer_figures transfer = pit_transfer_figures(replicator->transfer);
    const struct pit_peers_counters links = pit_peers_counters(replicator->peers);
    struct pit_cluster_figures figures = {
        .role = (enum pit_cluster_role)state->role,
        .ready = replicator->part == PIT_REPLICATOR_LEADS,
        .rejoining = state->rejoining,
        .node = replicator->node,
        .nodes = replicator->nodes,
        .leader = state->leader,
        .term = state->term,
        .last = state->last,
        .durable = state->durable,
        .committed = state->committed,
        .sequence = replicator->sequence,
        .digest_sequence = replicator->newest.sequence,
        .digest_events = replicator->newest.events,
        .elections = replicator->epoch,
        .memory_bytes = state->memory_bytes,
        .receives = transfer.offset,
        .receives_of = transfer.bytes,
        .sends_to = transfer.to,
        .sends = transfer.sending,
        .sends_of = transfer.whole,
        .strangers = links.strangers,
        .impostors = links.impostors,
        .bad_frames = links.bad_frames + links.bad_questions,
        .accepts_failed = links.accepts_failed,
    };
    if (replicator->stopped)
        figures.role = PIT_CLUSTER_STOPPED;
    for (uint32_t node = 1; node <= replicator->nodes; node++) {
        figures.peers[node].reached = node != replicator->node && pit_peers_reaches(replicator->peers, node);
        figures.peers[node].heard_ns = replicator->heard_ns[node];
        figures.peers[node].matched = state->matched[node];
    }
    uint64_t words[sizeof figures / sizeof(uint64_t)];
    memcpy(words, &figures, sizeof figures);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (replicator->shown[i] != words[i])
            pit_word_store_relaxed(&replicator->shown[i], words[i]);
}

/* Tells the gateway what there is room for behind all that is on its way. */
static void tell_room(struct pit_replicator *replicator)
{
    static const enum pit_intake of_room[] = {[PIT_JOURNAL_ROOM_ALL] = PIT_INTAKE_ALL,
                                              [PIT_JOURNAL_ROOM_CANCELS] = PIT_INTAKE_CANCELS,
                                              [PIT_JOURNAL_ROOM_NONE] = PIT_INTAKE_NONE};
    struct pit_journal *journal = pit_log_journal(replicator->config.log);
    enum pit_intake room = PIT_INTAKE_ALL;
    if (pit_journal_short_of_space(journal)) {
        uint64_t ahead = pit_ring_behind(replicator->config.intake, replicator->intake.next - 1);
        uint64_t bytes = ahead * PIT_REPLICATOR_LINE_BYTES + replicator->in_flight * PIT_REPLICATOR_BATCH_BYTES;
        room = of_room[pit_journal_room(journal, bytes)];
    }
    if (replicator->config.room->value != (uint64_t)room)
        pit_sequence_store(replicator->config.room, room);
}

/* In DRAIN, once all that was taken is decided: this is the end. */
static uint32_t finish(struct pit_replicator *replicator)
{
    uint64_t end = pit_word_load_acquire(&replicator->config.intake_board->end);
    if (end == 0 || replicator->intake.next < end || replicator->in_flight > 0 ||
        pit_replicator_backlog(replicator) > 0)
        return 0;
    pit_sequence_store(&replicator->finished, replicator->sequence + 1);
    return 1;
}

/* What is committed is written with what comes next. When nothing comes, it is written after a while, so that those who
 * read the log, and the next start, know. */
static void learn_committed(struct pit_replicator *replicator, uint64_t committed)
{
    pit_log_committed(replicator->config.log, committed);
    if (committed != replicator->committed) {
        replicator->committed = committed;
        replicator->committed_ns = replicator->now_ns;
        replicator->committed_told = false;
    } else if (!replicator->committed_told && replicator->now_ns - replicator->committed_ns >= QUIET_NS) {
        replicator->committed_told = pit_log_tell_committed(replicator->config.log);
    }
}

/* Hears the others and the disk, and goes on. */
static uint32_t take_part(struct pit_replicator *replicator)
{
    if (pit_replicator_backlog(replicator) > PIT_REPLICATOR_BACKLOG_BYTES) {
        pit_replicator_count(&replicator->counters.delayed, 1);
        return 0;
    }
    replicator->now_ns = replicator->clock.monotonic_ns(replicator->clock.context);
    uint32_t done = pit_peers_work(replicator->peers) + pit_consensus_work(replicator->consensus);
    struct pit_error error = {0};
    if (pit_consensus_failed(replicator->consensus, &error))
        pit_replicator_fail(replicator, error.code, "%s", error.text);
    if (replicator->stopped)
        return 1;
    struct pit_consensus_state state = pit_consensus_state(replicator->consensus);
    pit_peers_term(replicator->peers, state.term);
    learn_committed(replicator, state.committed);
    done += follow(replicator, &state);
    done += pit_replicator_work_transfer(replicator, &state);
    if (pit_control_phase(replicator->config.control) == PIT_PHASE_RUN)
        done += pit_replicator_prove(replicator);
    return done + pit_replicator_take(replicator);
}

static uint32_t do_work(void *state)
{
    struct pit_replicator *replicator = state;
    if (replicator->stopped)
        return 0;
    uint32_t done = pit_replicator_deliver(replicator);
    if (pit_sequence_load(&replicator->finished) == 0) {
        done += take_part(replicator);
        done += pit_replicator_deliver(replicator);
        if (pit_control_phase(replicator->config.control) != PIT_PHASE_RUN)
            done += finish(replicator);
    } else if (pit_log_durable(replicator->config.log) >= 0 && replicator->final_digest &&
               pit_journal_idle(pit_log_journal(replicator->config.log)) && replicator->drained.value == 0) {
        pit_sequence_store(&replicator->drained, 1);
        done++;
    }
    done += pit_replicator_add_digests(replicator);
    tell_room(replicator);
    struct pit_consensus_state now = pit_consensus_state(replicator->consensus);
    show(replicator, &now);
    return done;
}

static void park(void *state, uint64_t timeout_ns)
{
    struct pit_replicator *replicator = state;
    pit_peers_park(replicator->peers, timeout_ns);
}

static int watch(void *state, int handle)
{
    struct pit_replicator *replicator = state;
    return pit_peers_watch(replicator->peers, handle);
}

static int handle(void *state)
{
    struct pit_replicator *replicator = state;
    return pit_peers_poller(replicator->peers);
}

struct pit_agent pit_replicator_agent(struct pit_replicator *replicator)
{
    return (struct pit_agent){.name = "replicator",
                              .state = replicator,
                              .do_work = do_work,
                              .park = park,
                              .watch = watch,
                              .handle = handle,
                              .wakes = true};
}

/* Opening. */

static int random_bytes(void *argument, void *bytes, size_t count)
{
    const struct pit_disk *disk = argument;
    return disk->random(disk->context, bytes, count);
}

static uint64_t random_bits(void *argument)
{
    uint64_t bits = 0;
    PIT_CHECK(random_bytes(argument, &bits, sizeof bits) == 0); /* without chance elections have no end */
    return bits;
}

static int open_peers(struct pit_replicator *replicator, const struct pit_cluster_config *cluster,
                      struct pit_error *error)
{
    struct pit_peers_options options = {
        .node = cluster->node,
        .nodes = cluster->nodes,
        .key = cluster->key,
        .key_bytes = cluster->key_bytes,
        .queue_bytes = QUEUE_BYTES,
        .reconnect_ms = RECONNECT_MS,
        .prove_ms = PROVE_MS,
        .stall_ms = STALL_MS,
        .network = replicator->config.network,
        .clock = replicator->clock,
        .random = random_bytes,
        .random_argument = (void *)(uintptr_t)replicator->config.disk,
        .received = received,
        .received_argument = replicator,
        .lost = lost,
        .lost_argument = replicator,
        .asked = pit_operators_asked,
        .asked_argument = &replicator->operators,
    };
    prepare_operators(replicator);
    _Static_assert(sizeof options.cluster == sizeof cluster->id, "an id of a cluster");
    memcpy(options.cluster, cluster->id, sizeof options.cluster);
    for (uint32_t node = 1; node <= cluster->nodes; node++)
        options.addresses[node] = cluster->of[node].address;
    int code = pit_peers_open(&replicator->peers, &options, error);
    replicator->operators.peers = replicator->peers;
    return code;
}

static int open_engine(struct pit_replicator *replicator, const struct pit_cluster_config *cluster,
                       struct pit_error *error)
{
    struct pit_consensus_options options = {
        .node = cluster->node,
        .nodes = cluster->nodes,
        .begin = cluster->begin,
        .rejoin = cluster->rejoin,
        .election_ms = cluster->election_ms ? cluster->election_ms : PIT_CLUSTER_ELECTION_MS,
        .heartbeat_ms = cluster->heartbeat_ms ? cluster->heartbeat_ms : PIT_CLUSTER_HEARTBEAT_MS,
        .memory_bytes = cluster->memory_bytes,
        .flight_bytes = PIT_CONSENSUS_FLIGHT_BYTES_MAX,
        .unanswered_bytes = UNANSWERED_BYTES,
        .storage = pit_consensus_journal(replicator->config.log),
        .network = {.context = replicator, .send = send_engine},
        .machine = {.context = replicator, .committed = pit_replicator_committed, .answered = pit_replicator_answered},
        .clock = replicator->clock,
        .random = random_bits,
        .random_argument = (void *)(uintptr_t)replicator->config.disk,
    };
    return pit_consensus_open(&replicator->consensus, &options, error);
}

static int join_rings(struct pit_replicator *replicator, const struct pit_replicator_config *config,
                      struct pit_error *error)
{
    if (!pit_ring_reader_add(config->intake, &replicator->intake))
        return pit_error_set(error, -ENOSPC, "the intake ring has no room for the replicator: at most %u readers",
                             PIT_RING_READERS_MAX);
    for (uint32_t i = 0; i < config->matchers; i++)
        if (!pit_ring_reader_add(config->digests[i], &replicator->digests[i]))
            return pit_error_set(error, -ENOSPC, "digest ring %u has no room for the replicator: at most %u readers", i,
                                 PIT_RING_READERS_MAX);
    if (pit_ring_published(config->input) != config->sequence)
        return pit_error_set(error, -EINVAL, "the input ring begins with sequence %llu, the log goes on with %llu",
                             (unsigned long long)pit_ring_published(config->input) + 1,
                             (unsigned long long)config->sequence + 1);
    return 0;
}

static int check_config(const struct pit_replicator_config *config, struct pit_error *error)
{
    if (config->matchers < 1 || config->matchers > PIT_REPLICATOR_MATCHERS_MAX)
        return pit_error_set(error, -EINVAL, "%u matchers, but the replicator adds up the digests of at most %u",
                             config->matchers, PIT_REPLICATOR_MATCHERS_MAX);
    if (config->bells_count > PIT_REPLICATOR_BELLS_MAX)
        return pit_error_set(error, -EINVAL, "%u bells, but the replicator rings at most %u", config->bells_count,
                             PIT_REPLICATOR_BELLS_MAX);
    return 0;
}

/* Copies what create's caller may forget. */
static int fill(struct pit_replicator *replicator, const struct pit_replicator_config *config)
{
    uint32_t symbols = config->symbols_count;
    replicator->config = *config;
    replicator->config.cluster = NULL;
    replicator->config.digests = NULL;
    replicator->config.bells = NULL;
    replicator->config.symbols = NULL;
    replicator->config.startup = NULL;
    replicator->node = config->cluster->node;
    replicator->nodes = config->cluster->nodes;
    replicator->clock = *config->clock;
    replicator->sequence = replicator->delivered = config->sequence;
    replicator->time_ns = config->time_ns;
    for (uint32_t i = 0; i < config->bells_count; i++)
        replicator->bells[i] = config->bells[i];
    replicator->symbols_count = symbols;
    replicator->symbols = calloc(symbols + 1, sizeof *replicator->symbols);
    replicator->defined = calloc(symbols + 1, sizeof *replicator->defined);
    uint32_t room = pit_log_entry_max(config->log);
    replicator->batch_max = room < PIT_REPLICATOR_BATCH_BYTES ? room : PIT_REPLICATOR_BATCH_BYTES;
    replicator->batch = aligned_alloc(PIT_REPLICATOR_LINE_BYTES, PIT_REPLICATOR_BATCH_BYTES);
    if (!replicator->symbols || !replicator->defined || !replicator->batch)
        return -ENOMEM;
    for (uint32_t i = 0; i < symbols; i++) {
        replicator->symbols[i] = config->symbols[i];
        replicator->defined[i] = true;
    }
    for (uint32_t i = 0; i < config->startup_count; i++) {
        PIT_CHECK(config->startup[i].symbol < symbols);
        replicator->defined[config->startup[i].symbol] = false;
    }
    return 0;
}

int pit_replicator_create(struct pit_replicator **created, const struct pit_replicator_config *config,
                          struct pit_error *error)
{
    int code = check_config(config, error);
    if (code)
        return code;
    struct pit_replicator *replicator = aligned_alloc(PIT_SEQUENCE_BYTES, sizeof *replicator);
    if (!replicator)
        return pit_error_set(error, -ENOMEM, "no memory for the replicator");
    memset(replicator, 0, sizeof *replicator);
    code = fill(replicator, config);
    if (code)
        pit_error_set(error, code, "no memory for the replicator");
    if (code == 0)
        code = join_rings(replicator, config, error);
    if (code == 0) {
        pit_sequence_store(config->durable, config->sequence);
        pit_sequence_store(config->room, PIT_INTAKE_ALL);
        code = open_peers(replicator, config->cluster, error);
    }
    if (code == 0)
        code = pit_replicator_open_transfer(replicator, config->cluster, error);
    if (code == 0)
        code = open_engine(replicator, config->cluster, error);
    if (code) {
        pit_replicator_destroy(replicator);
        return code;
    }
    struct pit_consensus_state state = pit_consensus_state(replicator->consensus);
    show(replicator, &state);
    *created = replicator;
    return 0;
}

void pit_replicator_destroy(struct pit_replicator *replicator)
{
    if (!replicator)
        return;
    if (replicator->consensus)
        pit_consensus_close(replicator->consensus);
    if (replicator->peers)
        pit_peers_close(replicator->peers);
    pit_transfer_close(replicator->transfer);
    free(replicator->backlog);
    free(replicator->batch);
    free(replicator->defined);
    free(replicator->symbols);
    free(replicator);
}

/* Questions of any thread. */

const struct pit_replicator_counters *pit_replicator_counters(const struct pit_replicator *replicator)
{
    return &replicator->counters;
}

void pit_replicator_figures(const struct pit_replicator *replicator, struct pit_cluster_figures *figures)
{
    uint64_t words[sizeof *figures / sizeof(uint64_t)];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        words[i] = pit_word_load_relaxed(&replicator->shown[i]);
    memcpy(figures, words, sizeof *figures);
}

bool pit_replicator_finished(const struct pit_replicator *replicator, uint64_t *last)
{
    uint64_t finished = pit_sequence_load(&replicator->finished);
    if (finished == 0)
        return false;
    *last = finished - 1;
    return true;
}

bool pit_replicator_drained(const struct pit_replicator *replicator)
{
    return pit_sequence_load(&replicator->drained) != 0;
}

bool pit_replicator_failed(const struct pit_replicator *replicator, struct pit_error *error)
{
    if (pit_sequence_load(&replicator->failed) == 0)
        return false;
    if (error)
        *error = replicator->error;
    return true;
}
