/* test/stages/test_replicator.c - three replicators alone, on one thread and a clock of the test's: what goes into an
 * intake ring comes out of every input ring, or out of none. */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "journal/format.h"
#include "replay/rejoin.h"
#include "stages/node_message.h"
#include "stages/peers.h"
#include "stages/replicator.h"
#include "test/journal/memory_disk.h"

#define NODES 3u
#define SLOTS 4096u
#define STEPS_MAX 60000u /* milliseconds of the test's clock for each thing that is waited for */
#define UTC_NS UINT64_C(1700000000000000000)

struct node {
    uint32_t number;
    struct memory_disk disk;
    struct pit_log *log;
    struct pit_replicator *replicator;
    struct pit_agent agent;
    struct pit_ring *intake, *input, *digests;
    struct pit_ring_reader reader; /* of the input ring: the matcher's */
    struct pit_sequence durable, room;
    _Alignas(64) struct pit_node_board board;
    _Alignas(64) struct pit_intake_board intake_board;
    struct pit_control control;
    struct pit_symbol_definition symbols[2];
    bool still;   /* gets no turns */
    bool unread;  /* its matcher takes nothing */
    uint64_t sum; /* over what its matcher has taken */
    uint64_t taken, time_ns, first_client_id, symbols_taken;
};

static char root[64];
static struct node nodes[NODES + 1];
static uint64_t now_ns;
static struct pit_cluster_config cluster;
static char addresses[NODES + 1][112];
static struct pit_peers *third; /* node 3, where the test plays it */

static uint64_t monotonic_ns(void *context)
{
    (void)context;
    return now_ns;
}

static uint64_t utc_ns(void *context)
{
    (void)context;
    return UTC_NS + now_ns;
}

static const struct pit_clock test_clock = {.monotonic_ns = monotonic_ns, .utc_ns = utc_ns};

static struct pit_ring *make_ring(uint32_t slots, uint32_t slot_bytes)
{
    size_t bytes = pit_ring_bytes(slots, slot_bytes);
    void *memory = aligned_alloc(PIT_SEQUENCE_BYTES, bytes);
    assert_non_null(memory);
    memset(memory, 0, bytes);
    return pit_ring_create(memory, slots, slot_bytes, 1);
}

static void run_disk(void *context)
{
    struct node *node = context;
    pit_journal_disk_work(pit_log_journal(node->log));
    pit_journal_prepare_work(pit_log_journal(node->log));
}

static void open_node(struct node *node)
{
    struct pit_error error = {0};
    struct pit_log_options log = {
        .directory = "log", .segment_bytes = PIT_JOURNAL_SEGMENT_BYTES_MIN, .wait = run_disk, .wait_context = node};
    memory_disk_init(&node->disk, node->number * 77);
    if (pit_log_open(&node->log, &node->disk.disk, &log, &error) != 0)
        fail_msg("%s", error.text);
    node->intake = make_ring(SLOTS, sizeof(struct pit_command));
    node->input = make_ring(SLOTS, sizeof(struct pit_command));
    node->digests = make_ring(64, sizeof(struct pit_digest_note));
    assert_true(pit_ring_reader_add(node->input, &node->reader));
    pit_sequence_store(&node->control.phase, PIT_PHASE_RUN);
    cluster.node = node->number;
    struct pit_command startup[2] = {{.symbol = 0}, {.symbol = 1}};
    struct pit_replicator_config config = {
        .cluster = &cluster,
        .log = node->log,
        .directory = "node",
        .network = pit_network_machine(),
        .clock = &test_clock,
        .disk = &node->disk.disk,
        .intake = node->intake,
        .intake_board = &node->intake_board,
        .input = node->input,
        .durable = &node->durable,
        .room = &node->room,
        .board = &node->board,
        .digests = &node->digests,
        .matchers = 1,
        .control = &node->control,
        .symbols = node->symbols,
        .symbols_count = 2,
        .startup = startup,
        .startup_count = 2,
        .name = "test",
    };
    if (pit_replicator_create(&node->replicator, &config, &error) != 0)
        fail_msg("%s", error.text);
    node->agent = pit_replicator_agent(node->replicator);
}

static int prepare(void **state)
{
    (void)state;
    static const uint8_t key[] = "a key that three replicators have";
    strcpy(root, "/tmp/pitline-replicator-XXXXXX");
    assert_non_null(mkdtemp(root));
    cluster = (struct pit_cluster_config){
        .nodes = NODES, .id = "replicators", .key = key, .key_bytes = sizeof key, .begin = true};
    memset(nodes, 0, sizeof nodes);
    now_ns = 1000000000;
    for (uint32_t number = 1; number <= NODES; number++) {
        snprintf(addresses[number], sizeof addresses[number], "unix:%s/%u", root, number);
        cluster.of[number].address = addresses[number];
        nodes[number].number = number;
        for (uint32_t symbol = 0; symbol < 2; symbol++)
            nodes[number].symbols[symbol] = (struct pit_symbol_definition){.name = {(char)('A' + symbol)},
                                                                           .price_min = 1,
                                                                           .price_max = 1000,
                                                                           .quantity_max = 1000,
                                                                           .orders_max = 100,
                                                                           .levels_max = 100,
                                                                           .tick_mantissa = 1,
                                                                           .lot_mantissa = 1};
    }
    return 0;
}

static void open_all(void)
{
    for (uint32_t number = 1; number <= NODES; number++)
        open_node(&nodes[number]);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static int tidy(void **state)
{
    (void)state;
    if (third)
        pit_peers_close(third);
    third = NULL;
    for (uint32_t number = 1; number <= NODES; number++) {
        struct node *node = &nodes[number];
        if (!node->log)
            continue;
        pit_replicator_destroy(node->replicator);
        pit_log_close(node->log);
        memory_disk_free(&node->disk);
        free(node->intake);
        free(node->input);
        free(node->digests);
    }
    return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* The matcher's part: only what is durable. */
static void match(struct node *node)
{
    uint64_t durable = pit_sequence_load(&node->durable);
    while (!node->unread && node->reader.next <= durable) {
        const struct pit_command *command = pit_ring_slot(node->input, node->reader.next);
        assert_int_equal(command->sequence, node->reader.next);
        assert_true(command->time_ns >= node->time_ns);
        node->time_ns = command->time_ns;
        node->sum = (node->sum ^ command->sequence ^ command->time_ns ^ command->client_id) * 0x100000001b3;
        node->taken++;
        if (command->kind == PIT_COMMAND_SYMBOL)
            node->symbols_taken++;
        else if (node->first_client_id == 0)
            node->first_client_id = command->client_id;
        pit_ring_release(&node->reader, 1);
    }
}

static void step(void)
{
    now_ns += 1000000;
    if (third)
        pit_peers_work(third);
    for (uint32_t number = 1; number <= NODES; number++) {
        struct node *node = &nodes[number];
        if (node->still || !node->log)
            continue;
        node->agent.do_work(node->agent.state);
        run_disk(node);
        match(node);
    }
}

static void steps(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        step();
}

static struct node *leader(void)
{
    for (uint32_t number = 1; number <= NODES; number++)
        if (!nodes[number].still && nodes[number].log && pit_word_load_acquire(&nodes[number].board.leads))
            return &nodes[number];
    return NULL;
}

static struct node *await_leader(void)
{
    for (uint32_t i = 0; i < STEPS_MAX && !leader(); i++)
        step();
    assert_non_null(leader());
    return leader();
}

static struct node *other_than(const struct node *node)
{
    return &nodes[node->number % NODES + 1];
}

/* What the gateway does when it sees an epoch. */
static void see_epoch(struct node *node)
{
    pit_word_store_release(&node->intake_board.first, pit_ring_published(node->intake) + 1);
    pit_word_store_release(&node->intake_board.epoch, pit_word_load_acquire(&node->board.leads));
}

static void put_at(struct node *node, uint64_t client_id, uint64_t time_ns)
{
    uint64_t number = pit_ring_claim(node->intake, 1);
    assert_true(number != PIT_SEQUENCE_NONE);
    struct pit_command *command = pit_ring_slot(node->intake, number);
    memset((uint8_t *)command + 8, 0, sizeof *command - 8);
    command->kind = PIT_COMMAND_NEW;
    command->account = 1;
    command->client_id = client_id;
    command->time_ns = time_ns;
    pit_ring_publish(node->intake, number, 1);
}

static void put(struct node *node, uint64_t client_id)
{
    put_at(node, client_id, utc_ns(NULL));
}

/* Until every matcher that is not still has taken so many. */
static void await_taken(uint64_t taken)
{
    for (uint32_t i = 0; i < STEPS_MAX; i++) {
        bool all = true;
        for (uint32_t number = 1; number <= NODES; number++)
            all &= nodes[number].still || nodes[number].unread || nodes[number].taken >= taken;
        if (all)
            return;
        step();
    }
    fail_msg("not all nodes have taken %lu commands", taken);
}

static void assert_same(void)
{
    for (uint32_t number = 2; number <= NODES; number++) {
        assert_int_equal(nodes[number].taken, nodes[1].taken);
        assert_int_equal(nodes[number].sum, nodes[1].sum);
    }
}

static void every_node_gets_the_same_commands_in_one_order(void **state)
{
    (void)state;
    open_all();
    struct node *first = await_leader();
    see_epoch(first);
    for (uint64_t i = 1; i <= 3000; i++)
        put(first, i);
    await_taken(2 + 3000);
    assert_same();
    assert_int_equal(nodes[1].symbols_taken, 2); /* each defined once, before all others */
    assert_int_equal(nodes[1].first_client_id, 1);
}

static struct pit_cluster_figures state_of(const struct node *node)
{
    struct pit_cluster_figures figures;
    pit_replicator_figures(node->replicator, &figures);
    return figures;
}

static uint64_t proved(const struct node *node)
{
    return pit_word_load_acquire(&node->board.proved);
}

static void leader_proves_that_it_leads_as_often_as_it_is_asked(void **state)
{
    (void)state;
    open_all();
    struct node *first = await_leader();
    see_epoch(first);
    for (uint64_t asked = 1; asked <= 20; asked++) {
        put(first, asked);
        pit_word_store_release(&first->intake_board.asked, asked);
        steps(50);
        assert_int_equal(proved(first), asked);
        assert_true(pit_word_load_relaxed(&first->board.proved_sequence) >= 2 + asked - 1);
    }
    await_taken(2 + 20);
}

static void proofs_hold_no_orders_up(void **state)
{
    (void)state;
    open_all();
    struct node *first = await_leader();
    see_epoch(first);
    const uint64_t before = state_of(first).last;
    for (uint64_t i = 1; i <= 3000; i++) {
        pit_word_store_release(&first->intake_board.asked, i);
        if (i % 10 == 0)
            put(first, i);
        step();
        assert_true(first->taken + 5 >= 2 + i / 10);
        assert_true(i < 100 || proved(first) >= i - 100);
    }
    assert_true(state_of(first).last - before <= 300 + 3000 / 10 + 10);
}

static void leader_that_was_replaced_while_it_stood_still_proves_nothing(void **state)
{
    (void)state;
    open_all();
    struct node *first = await_leader();
    see_epoch(first);
    first->still = true;
    steps(3000);
    assert_non_null(leader()); /* of the others */
    first->still = false;
    pit_word_store_release(&first->intake_board.asked, 1);
    assert_int_not_equal(pit_word_load_acquire(&first->board.leads), 0); /* as far as it knows */
    steps(3000);
    assert_int_equal(pit_word_load_acquire(&first->board.leads), 0);
    assert_int_equal(proved(first), 0);
}

static void commands_of_before_the_epoch_was_seen_are_dropped(void **state)
{
    (void)state;
    open_all();
    struct node *first = await_leader();
    for (uint64_t i = 1; i <= 10; i++)
        put(first, i);
    steps(100);
    assert_int_equal(pit_replicator_counters(first->replicator)->dropped, 10);
    put(first, 11); /* published before the board says so: stale too */
    see_epoch(first);
    put(first, 12);
    await_taken(3);
    assert_int_equal(pit_replicator_counters(first->replicator)->dropped, 11);
    assert_int_equal(nodes[1].first_client_id, 12);
    assert_same();
}

static void commands_of_a_node_that_follows_are_dropped(void **state)
{
    (void)state;
    open_all();
    struct node *other = other_than(await_leader());
    put(other, 1);
    steps(100);
    assert_int_equal(pit_replicator_counters(other->replicator)->dropped, 1);
    assert_int_equal(nodes[1].taken, 2);
}

static void time_never_falls_whatever_the_leaders_clock_says(void **state)
{
    (void)state;
    open_all();
    struct node *first = await_leader();
    see_epoch(first);
    put_at(first, 1, UTC_NS * 2);
    put_at(first, 2, 5);
    await_taken(4);
    assert_int_equal(nodes[1].time_ns, UTC_NS * 2);
    first->still = true;
    struct node *second = await_leader();
    see_epoch(second);
    put(second, 3); /* of a clock that is behind by decades: match looks at the time */
    await_taken(5);
    assert_int_equal(second->time_ns, UTC_NS * 2);
    first->still = false;
    await_taken(5);
    assert_same();
}

static void new_leader_goes_on_where_the_old_one_was(void **state)
{
    (void)state;
    open_all();
    struct node *first = await_leader();
    see_epoch(first);
    for (uint64_t i = 1; i <= 100; i++)
        put(first, i);
    await_taken(102);
    first->still = true;
    struct node *second = await_leader();
    assert_int_equal(state_of(second).sequence, 102);
    see_epoch(second);
    for (uint64_t i = 101; i <= 200; i++)
        put(second, i);
    await_taken(202);
    first->still = false;
    await_taken(202);
    assert_same();
    for (uint32_t i = 0; i < 1000 && pit_word_load_relaxed(&first->board.leads); i++)
        step();
    assert_int_equal(pit_word_load_relaxed(&first->board.leads), 0);
    assert_int_equal(pit_word_load_relaxed(&first->board.leader), second->number);
}

static void slow_matchers_hold_up_their_own_node_alone(void **state)
{
    (void)state;
    open_all();
    struct node *first = await_leader(), *slow = other_than(first);
    const uint64_t commands = 2 * PIT_REPLICATOR_BACKLOG_BYTES / 64;
    slow->unread = true;
    see_epoch(first);
    for (uint64_t i = 1; i <= commands;) {
        for (uint32_t n = 0; n < 1024 && i <= commands && pit_ring_room(first->intake, 1); n++)
            put(first, i++);
        step();
    }
    await_taken(2 + commands);
    assert_true(pit_replicator_counters(slow->replicator)->delayed > 0);
    assert_true(pit_replicator_counters(slow->replicator)->committed <= SLOTS);
    assert_ptr_equal(leader(), first);
    slow->unread = false;
    await_taken(2 + commands);
    assert_same();
}

/* It proposes nothing more, and goes on leading: the others hear it. */
static void leader_whose_matchers_stand_still_leads_on(void **state)
{
    (void)state;
    open_all();
    struct node *first = await_leader();
    uint64_t put_so_far = 0;
    first->unread = true;
    see_epoch(first);
    for (uint32_t i = 0; i < 3000; i++) { /* ten election timeouts */
        while (pit_ring_room(first->intake, 1))
            put(first, ++put_so_far);
        step();
        assert_ptr_equal(leader(), first);
    }
    assert_int_equal(pit_replicator_counters(first->replicator)->delayed, 0);
    assert_int_equal(pit_replicator_counters(first->replicator)->committed, SLOTS);
    assert_in_range(put_so_far, 2 * SLOTS, 2 * SLOTS + PIT_REPLICATOR_FLIGHT * PIT_REPLICATOR_BATCH_BYTES / 64);
    first->unread = false;
    await_taken(2 + put_so_far);
    assert_ptr_equal(leader(), first);
    assert_int_equal(pit_word_load_relaxed(&first->board.leads), 1);
    assert_same();
}

static void leader_defines_the_price_band_that_its_configuration_has(void **state)
{
    (void)state;
    for (uint32_t number = 1; number <= NODES; number++)
        nodes[number].symbols[1].price_max = 1000 + number;
    open_all();
    struct node *first = await_leader();
    await_taken(2);
    first->still = true;
    struct node *second = await_leader();
    await_taken(3); /* symbol 1 with the other band; symbol 0 is as it was */
    assert_int_equal(state_of(second).sequence, 3);
    assert_int_equal(second->symbols_taken, 3);
}

static void drain_ends_with_everything_that_was_taken(void **state)
{
    (void)state;
    open_all();
    struct node *first = await_leader();
    see_epoch(first);
    for (uint64_t i = 1; i <= 500; i++)
        put(first, i);
    uint64_t last = 0;
    pit_sequence_store(&first->control.phase, PIT_PHASE_DRAIN);
    steps(100);
    assert_false(pit_replicator_finished(first->replicator, &last)); /* there may be more in the ring yet */
    pit_word_store_release(&first->intake_board.end, 501);
    for (uint32_t i = 0; i < STEPS_MAX && !pit_replicator_finished(first->replicator, &last); i++)
        step();
    assert_int_equal(last, 502);
    await_taken(502);
    assert_false(pit_replicator_drained(first->replicator));
    uint64_t number = pit_ring_claim(first->digests, 1);
    struct pit_digest_note *note = pit_ring_slot(first->digests, number);
    note->command = last;
    note->full = 1;
    pit_ring_publish(first->digests, number, 1);
    for (uint32_t i = 0; i < STEPS_MAX && !pit_replicator_drained(first->replicator); i++)
        step();
    assert_true(pit_replicator_drained(first->replicator));
}

/* A matcher's digest of a marked sequence. */
static void note_digest_of(struct node *node, uint64_t sequence, uint64_t events)
{
    uint64_t number = pit_ring_claim(node->digests, 1);
    struct pit_digest_note *note = pit_ring_slot(node->digests, number);
    memset((uint8_t *)note + 8, 0, sizeof *note - 8);
    note->command = sequence;
    note->events = events;
    note->events_count = 20000;
    pit_ring_publish(node->digests, number, 1);
}

/* Of the first. */
static void note_digest(struct node *node, uint64_t events)
{
    note_digest_of(node, PIT_JOURNAL_DIGEST_EVERY, events);
}

/* So many commands that the first digest is due. */
static struct node *come_to_a_digest(void)
{
    struct node *first = await_leader();
    see_epoch(first);
    for (uint64_t i = 1; i <= PIT_JOURNAL_DIGEST_EVERY;) {
        for (uint32_t n = 0; n < 1024 && i <= PIT_JOURNAL_DIGEST_EVERY && pit_ring_room(first->intake, 1); n++)
            put(first, i++);
        step();
    }
    await_taken(PIT_JOURNAL_DIGEST_EVERY + 2);
    return leader();
}

static void equal_digests_are_no_news(void **state)
{
    (void)state;
    open_all();
    struct node *first = come_to_a_digest();
    for (uint32_t number = 1; number <= NODES; number++)
        note_digest(&nodes[number], 42);
    steps(3000);
    for (uint32_t number = 1; number <= NODES; number++)
        assert_false(pit_replicator_failed(nodes[number].replicator, NULL));
    assert_int_equal(state_of(first).digest_sequence, PIT_JOURNAL_DIGEST_EVERY);
    assert_int_equal(state_of(first).digest_events, 42);
    assert_int_equal(pit_replicator_counters(first->replicator)->compared, 2);
}

static void node_that_differs_stops_and_says_where(void **state)
{
    (void)state;
    for (uint32_t who = 0; who < 2; who++) { /* a follower, then the leader */
        open_all();
        struct node *first = come_to_a_digest();
        struct node *wrong = who == 0 ? other_than(first) : first;
        wrong->disk.fail_directory_sync_code = who == 0 ? 0 : -EIO;
        for (uint32_t number = 1; number <= NODES; number++)
            note_digest(&nodes[number], &nodes[number] == wrong ? 41 : 42);
        steps(3000);
        struct pit_error error = {0};
        for (uint32_t number = 1; number <= NODES; number++)
            assert_int_equal(pit_replicator_failed(nodes[number].replicator, &error), &nodes[number] == wrong);
        assert_true(pit_replicator_failed(wrong->replicator, &error));
        assert_int_equal(error.code, -ENOTRECOVERABLE);
        assert_non_null(strstr(error.text, who == 0 ? "sequence 16384, and takes no" : "cannot be noted there"));
        char where[PIT_REJOIN_TEXT_BYTES]; /* so that it knows at the next start */
        assert_int_equal(pit_rejoin_differed(&wrong->disk.disk, "node", where, &error), 1);
        assert_int_equal(pit_word_load_relaxed(&wrong->board.leads), 0);
        await_leader(); /* the two others go on */
        if (who == 0)
            tidy(NULL), prepare(NULL);
    }
}

static void follower_that_differs_from_its_leader_stops_when_nobody_tells_who_is_wrong(void **state)
{
    (void)state;
    open_all();
    struct node *first = come_to_a_digest();
    struct node *second = other_than(first);
    other_than(second)->still = true;
    note_digest(first, 42);
    note_digest(second, 41);
    steps(3000);
    assert_true(pit_replicator_failed(second->replicator, NULL));
    assert_false(pit_replicator_failed(first->replicator, NULL));
}

/* Node 3, by hand. */

static int any_bytes(void *argument, void *bytes, size_t count)
{
    (void)argument;
    static uint8_t next;
    for (size_t i = 0; i < count; i++)
        ((uint8_t *)bytes)[i] = next++;
    return 0;
}

static void hear_nothing(void *argument, uint32_t from, const void *bytes, size_t count)
{
    (void)argument, (void)from, (void)bytes, (void)count;
}

static void play_third(void)
{
    struct pit_error error = {0};
    struct pit_peers_options options = {.node = 3,
                                        .nodes = NODES,
                                        .key = cluster.key,
                                        .key_bytes = cluster.key_bytes,
                                        .queue_bytes = PIT_PEERS_QUEUE_BYTES_MIN,
                                        .reconnect_ms = 10,
                                        .prove_ms = 60000,
                                        .stall_ms = 60000,
                                        .network = pit_network_machine(),
                                        .clock = test_clock,
                                        .random = any_bytes,
                                        .received = hear_nothing};
    memcpy(options.cluster, cluster.id, sizeof options.cluster);
    for (uint32_t number = 1; number <= NODES; number++)
        options.addresses[number] = addresses[number];
    if (pit_peers_open(&third, &options, &error) != 0)
        fail_msg("%s", error.text);
    nodes[3].still = true;
}

/* Node 3 says to both others what it has come to at a sequence. */
static void tell_digest(uint64_t sequence, uint64_t events)
{
    struct pit_node_message head = {.kind = PIT_NODE_MESSAGE_DIGEST};
    struct pit_node_digest digest = {.sequence = sequence, .events = events, .events_count = 20000};
    struct iovec pieces[] = {{&head, sizeof head}, {&digest, sizeof digest}};
    const struct pit_consensus_network links = pit_peers_network(third);
    for (uint32_t number = 1; number < NODES; number++) {
        for (uint32_t i = 0; i < STEPS_MAX && !pit_peers_reaches(third, number); i++)
            step();
        assert_true(links.send(links.context, number, pieces, 2, sizeof head + sizeof digest));
    }
}

/* It has told of a sequence that nobody will come to; what it says after that decides who of the others is wrong. */
static void what_a_node_says_last_counts_whatever_it_has_said_before(void **state)
{
    (void)state;
    open_node(&nodes[1]);
    open_node(&nodes[2]);
    play_third();
    struct node *first = come_to_a_digest(), *second = &nodes[3 - first->number];
    tell_digest((UINT64_C(1) + (UINT64_C(1) << 40) * PIT_REPLICATOR_DIGESTS) * PIT_JOURNAL_DIGEST_EVERY, 1);
    tell_digest(PIT_JOURNAL_DIGEST_EVERY, 42);
    steps(10);
    note_digest(first, 41);
    note_digest(second, 42);
    steps(3000);
    assert_true(pit_replicator_failed(first->replicator, NULL));
    assert_false(pit_replicator_failed(second->replicator, NULL));
}

static void it_stops_too_when_the_leader_has_told_so_much_since_that_the_digest_is_no_longer_kept(void **state)
{
    (void)state;
    open_all();
    struct node *first = come_to_a_digest();
    struct node *second = other_than(first);
    other_than(second)->still = true;
    note_digest(first, 42);
    note_digest(second, 41);
    steps(100);
    assert_false(pit_replicator_failed(second->replicator, NULL));
    note_digest_of(first, (PIT_REPLICATOR_DIGESTS + 1) * PIT_JOURNAL_DIGEST_EVERY, 43); /* it takes the same place */
    steps(3000);
    assert_true(pit_replicator_failed(second->replicator, NULL));
    assert_false(pit_replicator_failed(first->replicator, NULL));
}

/* The matchers of all nodes take, while so many more commands go into the leader's ring as it lets in. */
static void trade(struct node *first, uint64_t *client_id, uint32_t count)
{
    for (uint32_t i = 0; i < STEPS_MAX && count > 0; i++) {
        for (uint32_t n = 0; n < 256 && count > 0 && pit_ring_room(first->intake, 1); n++, count--)
            put(first, ++*client_id);
        step();
    }
    assert_int_equal(count, 0);
}

static void give_space(struct node *node)
{
    node->disk.capacity = 0;
    node->disk.clock_ns += UINT64_C(10000000000); /* it tries again now and then */
}

static void leader_with_a_full_disk_says_so_and_goes_on_when_there_is_space(void **state)
{
    (void)state;
    open_all();
    struct node *first = await_leader();
    uint64_t client_id = 0;
    see_epoch(first);
    trade(first, &client_id, 1000);
    await_taken(2 + client_id);
    assert_int_equal(pit_sequence_load(&first->room), PIT_INTAKE_ALL);
    first->disk.capacity = memory_disk_used(&first->disk) + 4096;
    while (pit_sequence_load(&first->room) == PIT_INTAKE_ALL && client_id < 200000)
        trade(first, &client_id, 1000);
    assert_int_not_equal(pit_sequence_load(&first->room), PIT_INTAKE_ALL);
    steps(2000);
    assert_ptr_equal(leader(), first); /* what it can do for its clients, it still does */
    assert_false(pit_replicator_failed(first->replicator, NULL));
    give_space(first);
    await_taken(2 + client_id);
    assert_int_equal(pit_sequence_load(&first->room), PIT_INTAKE_ALL);
    trade(first, &client_id, 1000);
    await_taken(2 + client_id);
    assert_same();
}

static void follower_with_a_full_disk_holds_nobody_up_and_catches_up(void **state)
{
    (void)state;
    open_all();
    struct node *first = await_leader(), *full = other_than(first);
    uint64_t client_id = 0;
    see_epoch(first);
    trade(first, &client_id, 1000);
    await_taken(2 + client_id);
    full->disk.capacity = memory_disk_used(&full->disk) + 4096;
    full->unread = true;              /* it is not waited for below */
    trade(first, &client_id, 160000); /* more than its prepared segments have room for */
    await_taken(2 + client_id);
    assert_ptr_equal(leader(), first);
    assert_true(pit_journal_short_of_space(pit_log_journal(full->log)));
    assert_true(state_of(full).durable < state_of(first).committed);
    give_space(full);
    full->unread = false;
    await_taken(2 + client_id);
    assert_same();
}

int main(void)
{
#define EACH(name) cmocka_unit_test_setup_teardown(name, prepare, tidy)
    const struct CMUnitTest tests[] = {
        EACH(every_node_gets_the_same_commands_in_one_order),
        EACH(leader_proves_that_it_leads_as_often_as_it_is_asked),
        EACH(proofs_hold_no_orders_up),
        EACH(leader_that_was_replaced_while_it_stood_still_proves_nothing),
        EACH(commands_of_before_the_epoch_was_seen_are_dropped),
        EACH(commands_of_a_node_that_follows_are_dropped),
        EACH(time_never_falls_whatever_the_leaders_clock_says),
        EACH(new_leader_goes_on_where_the_old_one_was),
        EACH(slow_matchers_hold_up_their_own_node_alone),
        EACH(leader_whose_matchers_stand_still_leads_on),
        EACH(leader_defines_the_price_band_that_its_configuration_has),
        EACH(drain_ends_with_everything_that_was_taken),
        EACH(leader_with_a_full_disk_says_so_and_goes_on_when_there_is_space),
        EACH(follower_with_a_full_disk_holds_nobody_up_and_catches_up),
        EACH(equal_digests_are_no_news),
        EACH(node_that_differs_stops_and_says_where),
        EACH(follower_that_differs_from_its_leader_stops_when_nobody_tells_who_is_wrong),
        EACH(what_a_node_says_last_counts_whatever_it_has_said_before),
        EACH(it_stops_too_when_the_leader_has_told_so_much_since_that_the_digest_is_no_longer_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
