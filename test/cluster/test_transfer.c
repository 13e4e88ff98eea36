/* test/cluster/test_transfer.c - snapshots between the nodes of a cluster, over a network that loses, doubles, delays
 * and reorders, with nodes that stop and begin again, lose power, and say what they must not. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/journal/fixture.h"
#include "test/journal/memory_disk.h"
#include "test/replay/node_log.h"

#include "journal/block.h"
#include "stages/transfer.h"

#define NODES 3u
#define LETTERS_MAX 4096u
#define MS UINT64_C(1000000)

struct letter {
    uint32_t from, to;
    uint64_t at_ns;
    size_t count;
    uint8_t *bytes;
};

struct world;

struct end {
    struct world *world;
    uint32_t node;
    char directory[16];
    struct memory_disk memories[2]; /* before a loss of power and after it, in turn */
    struct memory_disk *memory;
    struct pit_transfer *transfer; /* NULL: it does not run */
    struct pit_transfer_place place;
    struct pit_sequence hold;
    uint64_t disk_ns, disk_from_ns; /* how long a job takes; when the next may be done */
};

struct world {
    uint64_t now_ns, random;
    struct end end[NODES + 1];
    struct letter letters[LETTERS_MAX];
    uint32_t letters_count;
    uint32_t loss, twice;  /* of a thousand */
    uint64_t delay_ns;     /* at most */
    uint32_t spoil;        /* chunks of a thousand whose bytes are changed, checksum and all */
    uint64_t most_waiting; /* bytes on their way at once */
    struct pit_control control;
    uint32_t chunk_bytes; /* 0: as it is */
};

static struct world world;
static struct node_log leader;

static uint64_t dice(uint64_t sides)
{
    return fixture_random(&world.random) % sides;
}

static void post(struct end *end, uint32_t to, const struct iovec *pieces, uint32_t count, size_t bytes)
{
    if (world.letters_count == LETTERS_MAX || dice(1000) < world.loss)
        return;
    struct letter *letter = &world.letters[world.letters_count++];
    *letter = (struct letter){.from = end->node,
                              .to = to,
                              .at_ns = world.now_ns + (world.delay_ns ? dice(world.delay_ns) : 0),
                              .count = bytes,
                              .bytes = malloc(bytes)};
    size_t at = 0;
    for (uint32_t i = 0; i < count; at += pieces[i++].iov_len)
        memcpy(letter->bytes + at, pieces[i].iov_base, pieces[i].iov_len);
    struct pit_transfer_message message;
    memcpy(&message, letter->bytes, sizeof message);
    if (message.kind != PIT_TRANSFER_CHUNK || dice(1000) >= world.spoil)
        return;
    letter->bytes[sizeof message + dice(message.bytes)] ^= 1;
    message.crc = pit_journal_crc_without(letter->bytes, bytes, offsetof(struct pit_transfer_message, crc));
    memcpy(letter->bytes, &message, sizeof message);
}

static bool send_letter(void *context, uint32_t to, const struct iovec *pieces, uint32_t count, size_t bytes)
{
    struct end *end = context;
    assert_true(to >= 1 && to <= NODES && to != end->node);
    post(end, to, pieces, count, bytes);
    if (dice(1000) < world.twice)
        post(end, to, pieces, count, bytes);
    uint64_t waiting = 0;
    for (uint32_t i = 0; i < world.letters_count; i++)
        waiting += world.letters[i].count;
    world.most_waiting = waiting > world.most_waiting ? waiting : world.most_waiting;
    return dice(1000) >= world.loss / 4; /* there was no room, as far as it knows */
}

static uint64_t now_ns(void *context)
{
    (void)context;
    return world.now_ns;
}

static void open_end(struct end *end)
{
    struct pit_error error = {0};
    const struct pit_transfer_options options = {.node = end->node,
                                                 .nodes = NODES,
                                                 .directory = end->directory,
                                                 .disk = &end->memory->disk,
                                                 .hold = &end->hold,
                                                 .network = {.context = end, .send = send_letter},
                                                 .clock = {.monotonic_ns = now_ns},
                                                 .chunk_bytes = world.chunk_bytes,
                                                 .control = &end->world->control};
    if (pit_transfer_open(&end->transfer, &options, &error) != 0)
        fail_msg("%s", error.text);
}

static void close_end(struct end *end)
{
    pit_transfer_close(end->transfer);
    end->transfer = NULL;
}

/* Its process ends and begins again, or the machine loses power. */
static void restart(struct end *end, bool power)
{
    close_end(end);
    if (power) {
        struct memory_disk *after = &end->memories[end->memory == end->memories];
        memory_disk_crash(after, end->memory);
        after->cache = true;
        memory_disk_free(end->memory);
        end->memory = after;
    }
    open_end(end);
}

static void deliver(uint32_t place)
{
    struct letter letter = world.letters[place];
    world.letters[place] = world.letters[--world.letters_count];
    struct end *end = &world.end[letter.to];
    if (end->transfer)
        pit_transfer_receive(end->transfer, letter.from, letter.bytes, letter.count);
    free(letter.bytes);
}

static void pass(uint64_t ms)
{
    for (const uint64_t until = world.now_ns + ms * MS; world.now_ns < until; world.now_ns += MS) {
        for (uint32_t i = 0; i < world.letters_count;)
            if (world.letters[i].at_ns <= world.now_ns)
                deliver(i);
            else
                i++;
        for (uint32_t node = 1; node <= NODES; node++) {
            struct end *end = &world.end[node];
            for (uint32_t turns = 0; end->transfer && turns < 3; turns++) {
                pit_transfer_work(end->transfer, &end->place);
                if (world.now_ns >= end->disk_from_ns && pit_transfer_disk_work(end->transfer))
                    end->disk_from_ns = world.now_ns + end->disk_ns;
            }
        }
    }
}

static bool has_it(uint32_t node)
{
    return pit_transfer_installed(world.end[node].transfer, NULL);
}

/* Until a node has it; false: it took too long. */
static bool wait_for(uint32_t node, uint64_t ms)
{
    for (uint64_t i = 0; i < ms && !has_it(node); i += 10)
        pass(10);
    return has_it(node);
}

/* Node 1 leads, with a snapshot of some chunks. The others are empty. */
static int begin(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    world.random = fixture_seed() | 1;
    world.now_ns = 1;
    pit_sequence_store(&world.control.phase, PIT_PHASE_RUN);
    for (uint32_t node = 1; node <= NODES; node++) {
        struct end *end = &world.end[node];
        *end = (struct end){.world = &world, .node = node, .place.leader = 1};
        snprintf(end->directory, sizeof end->directory, "node-%u", node);
        end->memory = end->memories;
        memory_disk_init(end->memory, fixture_random(&world.random));
        end->memory->cache = true;
    }
    struct end *end = &world.end[1];
    node_log_begin(&leader, &end->memory->disk, end->directory, fixture_random(&world.random));
    leader.lines = NODE_LOG_LINES_MAX;
    leader.rests = true;
    node_log_run(&leader, 40);
    node_log_snapshot(&leader);
    end->place = (struct pit_transfer_place){.leads = true, .leader = 1, .needs = 1u << 2, .committed = leader.index};
    for (uint32_t node = 1; node <= NODES; node++)
        open_end(&world.end[node]);
    return 0;
}

static int end(void **state)
{
    (void)state;
    node_log_end(&leader);
    for (uint32_t node = 1; node <= NODES; node++) {
        close_end(&world.end[node]);
        memory_disk_free(world.end[node].memory);
    }
    for (uint32_t i = 0; i < world.letters_count; i++)
        free(world.letters[i].bytes);
    return 0;
}

/* The node begins anew, and has the leader's state. */
static void check_installed(uint32_t node)
{
    struct end *end = &world.end[node];
    struct pit_install_outcome outcome;
    struct pit_error error = {0};
    close_end(end);
    if (pit_install_finish(&end->memory->disk, end->directory, NODE_LOG_SEGMENT, &outcome, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(outcome.sequence, leader.live.sequence);
    const struct node_log_found found = node_log_find(&end->memory->disk, end->directory);
    const struct pit_digest digest = pit_market_full_digest(leader.live.market);
    assert_memory_equal(&found.digest, &digest, sizeof digest);
    assert_int_equal(found.sequence, leader.live.sequence);
    open_end(end);
}

/* A stop does not wait until a large snapshot has been read. */
static void nothing_is_read_any_more_when_the_pipeline_stops(void **state)
{
    (void)state;
    char text[PIT_TRANSFER_WARNING_BYTES];
    pit_sequence_store(&world.control.phase, PIT_PHASE_STOP);
    assert_false(wait_for(2, 20000));
    assert_int_equal(pit_transfer_figures(world.end[1].transfer).sent, 0);
    assert_false(pit_transfer_warning(world.end[1].transfer, text));
    pit_sequence_store(&world.control.phase, PIT_PHASE_RUN);
    assert_true(wait_for(2, 20000));
    check_installed(2);
}

static void a_node_gets_the_snapshot_it_needs(void **state)
{
    (void)state;
    world.delay_ns = 2 * MS;
    assert_true(wait_for(2, 20000));
    pass(1000);
    const struct pit_transfer_figures sent = pit_transfer_figures(world.end[1].transfer);
    const struct pit_transfer_figures received = pit_transfer_figures(world.end[2].transfer);
    print_message("# %lu bytes\n", received.bytes);
    assert_true(received.bytes > PIT_TRANSFER_CHUNK_BYTES);
    assert_int_equal(sent.served, 1);
    assert_int_equal(sent.sent, received.received);
    assert_int_equal(received.received, received.bytes);
    assert_true(world.most_waiting < 2 * PIT_TRANSFER_CHUNK_BYTES);
    assert_int_equal(received.bad + sent.bad, 0);
    assert_true(world.end[1].hold.value > 0); /* for the log after the snapshot */
    world.now_ns += PIT_TRANSFER_HOLD_MS * MS;
    world.end[1].place.needs = 0;
    pass(1000);
    assert_int_equal(world.end[1].hold.value, 0);
    assert_false(has_it(3));
    check_installed(2);
}

/* A node whose disk takes long is not silent: nobody gives up, and each chunk is sent once. */
static void a_slow_disk_gets_there(void **state)
{
    (void)state;
    world.delay_ns = 2 * MS;
    world.end[2].disk_ns = PIT_TRANSFER_BUSY_MS * MS - 1000 * MS;
    const uint64_t begun_ns = world.now_ns;
    pass(100);
    for (uint32_t i = 0; i < 40 * 60 && !has_it(2); i++) {
        assert_int_equal(pit_transfer_figures(world.end[1].transfer).to, 2);
        pass(1000);
    }
    assert_true(has_it(2));
    pass(1000);
    const struct pit_transfer_figures sent = pit_transfer_figures(world.end[1].transfer);
    const struct pit_transfer_figures received = pit_transfer_figures(world.end[2].transfer);
    print_message("# %lu bytes in %lu s\n", received.bytes, (world.now_ns - begun_ns) / (1000 * MS));
    assert_int_equal(sent.served, 1);
    assert_int_equal(sent.sent, received.bytes);
    assert_int_equal(received.received, received.bytes);
    check_installed(2);
}

/* It says that it is busy for a while: a disk that hangs keeps no other node waiting. */
static void a_disk_that_hangs_keeps_nobody_waiting(void **state)
{
    (void)state;
    world.end[1].place.needs = 1u << 2 | 1u << 3;
    world.end[2].disk_from_ns = UINT64_MAX;
    assert_true(wait_for(3, PIT_TRANSFER_BUSY_MS + 20000));
    assert_false(has_it(2));
    check_installed(3);
    world.end[2].disk_from_ns = 0;
    assert_true(wait_for(2, 40000));
    check_installed(2);
}

/* So is the disk that is read. */
static void a_slow_disk_to_read_from_gets_there(void **state)
{
    (void)state;
    world.delay_ns = 2 * MS;
    world.end[1].disk_ns = PIT_TRANSFER_BUSY_MS * MS - 1000 * MS;
    while (pit_transfer_figures(world.end[2].transfer).bytes == 0)
        pass(1000);
    for (uint32_t i = 0; i < 40 * 60 && !has_it(2); i++) {
        assert_true(pit_transfer_figures(world.end[2].transfer).bytes > 0); /* it does not give up */
        pass(1000);
    }
    assert_true(has_it(2));
    check_installed(2);
}

/* One that never hangs and hardly gets on does not keep the others waiting for ever. */
static void a_node_that_hardly_gets_on_is_given_up(void **state)
{
    (void)state;
    world.chunk_bytes = 16384;
    restart(&world.end[1], false);
    world.end[1].place.needs = 1u << 2 | 1u << 3;
    world.end[2].disk_ns = PIT_TRANSFER_BUSY_MS * MS - 1000 * MS;
    pass(1000);
    assert_int_equal(pit_transfer_figures(world.end[1].transfer).to, 2);
    pass(PIT_TRANSFER_HOLD_MS - 2000);
    assert_int_equal(pit_transfer_figures(world.end[1].transfer).to, 2);
    assert_true(world.end[1].hold.value > 0);
    assert_true(wait_for(3, 60000));
    const struct pit_transfer_figures received = pit_transfer_figures(world.end[2].transfer);
    assert_true(received.received >= 5 * 16384); /* and what it has is not lost */
    check_installed(3);
    world.end[1].place.needs = 1u << 2;
    world.end[2].disk_ns = 0;
    assert_true(wait_for(2, PIT_TRANSFER_BUSY_MS + 20000));
    check_installed(2);
}

static void two_nodes_are_served_one_after_the_other(void **state)
{
    (void)state;
    world.end[1].place.needs = 1u << 2 | 1u << 3;
    world.delay_ns = 2 * MS;
    bool both = false;
    for (uint32_t i = 0; i < 20000 && !(has_it(2) && has_it(3)); i++) {
        pass(1);
        const struct pit_transfer_figures two = pit_transfer_figures(world.end[2].transfer);
        const struct pit_transfer_figures three = pit_transfer_figures(world.end[3].transfer);
        both |= !has_it(2) && !has_it(3) && two.bytes && three.bytes;
    }
    assert_true(has_it(2) && has_it(3));
    assert_false(both);
    check_installed(2);
    check_installed(3);
}

static void who_does_not_lead_offers_nothing(void **state)
{
    (void)state;
    world.end[1].place.leads = false;
    pass(3000);
    assert_int_equal(pit_transfer_figures(world.end[2].transfer).bytes, 0);
    world.end[1].place.leads = true;
    pass(3);
    world.end[1].place.leads = false; /* in the midst of it */
    pass(3000);
    assert_false(has_it(2));
    assert_int_equal(pit_transfer_figures(world.end[1].transfer).to, 0);
    pass(2 * PIT_TRANSFER_SILENCE_MS);
    assert_int_equal(pit_transfer_figures(world.end[2].transfer).bytes, 0);
    world.end[1].place.leads = true;
    assert_true(wait_for(2, 20000));
    check_installed(2);
}

static void a_node_whose_log_came_after_all_wants_it_no_more(void **state)
{
    (void)state;
    world.delay_ns = 20 * MS;
    while (pit_transfer_figures(world.end[2].transfer).offset == 0)
        pass(1);
    world.end[2].place.committed = leader.index;
    pass(30000);
    assert_false(has_it(2));
    assert_int_equal(pit_transfer_figures(world.end[2].transfer).bytes, 0);
    assert_int_equal(pit_transfer_figures(world.end[1].transfer).served, 0);
}

/* Loss, delay, doubles, stops, losses of power, and newer snapshots meanwhile. */
static void whatever_happens_it_gets_there(void **state)
{
    (void)state;
    world.loss = 50 + (uint32_t)dice(250);
    world.twice = (uint32_t)dice(200);
    world.delay_ns = 1 + dice(300) * MS;
    const bool renewed = dice(2);
    for (uint32_t i = 0; i < 60; i++) {
        pass(50 + dice(1000));
        const uint64_t what = dice(8);
        if (what == 0)
            restart(&world.end[1], false);
        else if (what < 4)
            restart(&world.end[2], what == 3);
        else if (what == 4 && renewed && leader.payloads_count < 200) {
            node_log_run(&leader, 3);
            node_log_snapshot(&leader);
            world.end[1].place.committed = leader.index;
            restart(&world.end[1], false);
        }
    }
    world.loss = world.twice = 0;
    pass(PIT_TRANSFER_RETRY_MS + 500);
    assert_true(wait_for(2, 60000));
    struct pit_install_offer offer;
    pit_transfer_installed(world.end[2].transfer, &offer);
    if (offer.sequence == leader.live.sequence)
        check_installed(2);
}

static void a_transfer_goes_on_where_it_was(void **state)
{
    (void)state;
    while (pit_transfer_figures(world.end[2].transfer).offset <= 2 * PIT_INSTALL_SYNC_BYTES)
        pass(1);
    restart(&world.end[2], true); /* of what is not durable, the length of the file may be lost as well */
    restart(&world.end[1], false);
    assert_true(wait_for(2, 20000));
    const struct pit_transfer_figures received = pit_transfer_figures(world.end[2].transfer);
    assert_true(received.received <= received.bytes - PIT_INSTALL_SYNC_BYTES + PIT_TRANSFER_CHUNK_BYTES);
    check_installed(2);
}

static int begin_large(void **state)
{
    begin(state);
    node_log_run(&leader, 160);
    node_log_snapshot(&leader);
    world.end[1].place.committed = leader.index;
    return 0;
}

static void what_is_changed_on_the_way_is_thrown_away(void **state)
{
    (void)state;
    char text[PIT_TRANSFER_WARNING_BYTES];
    world.spoil = 1000;
    pass(3000);
    assert_false(has_it(2));
    assert_true(pit_transfer_warning(world.end[2].transfer, text));
    assert_non_null(strstr(text, "its hash is not the one that was offered"));
    world.spoil = 0;
    assert_true(wait_for(2, 30000));
    check_installed(2);
}

static void messages_of_anything_cost_a_counter(void **state)
{
    (void)state;
    static uint8_t bytes[sizeof(struct pit_transfer_message) + 4096];
    world.delay_ns = 5 * MS;
    for (uint32_t i = 0; i < 20000; i++) {
        size_t count = dice(sizeof bytes + 1);
        struct end *to = &world.end[1 + dice(NODES)];
        struct pit_transfer_message message = {.kind = 15 + (uint32_t)dice(7)};
        for (size_t at = 0; at < count; at += 8)
            memcpy(bytes + at, &(uint64_t){fixture_random(&world.random)}, count - at < 8 ? count - at : 8);
        if (dice(4) && count >= sizeof message) { /* nearly right */
            message.offer =
                (struct pit_install_offer){.sequence = dice(3),
                                           .index = dice(1000),
                                           .term = dice(3),
                                           .bytes = dice(2) ? dice(1u << 20) : fixture_random(&world.random),
                                           .hash = dice(4)};
            if (message.kind == PIT_TRANSFER_OFFER && dice(100))
                message.kind = PIT_TRANSFER_CHUNK; /* or it would be busy with those that nobody serves */
            message.offset = dice(2) ? dice(1u << 20) : fixture_random(&world.random);
            message.bytes = dice(3) ? (uint32_t)(count - sizeof message) : (uint32_t)fixture_random(&world.random);
            memcpy(bytes, &message, sizeof message);
            message.crc = pit_journal_crc_without(bytes, count, offsetof(struct pit_transfer_message, crc));
            memcpy(bytes, &message, sizeof message);
        }
        pit_transfer_receive(to->transfer, (uint32_t)dice(6), bytes, count);
        if (i % 100 == 0)
            pass(1);
    }
    assert_true(pit_transfer_figures(world.end[2].transfer).bad > 1000);
    if (pit_transfer_figures(world.end[1].transfer).bytes) /* it leads: whatever it was offered */
        fail();
    assert_true(wait_for(2, 60000));
    check_installed(2);
}

static void without_a_snapshot_people_are_told_once(void **state)
{
    (void)state;
    char text[PIT_TRANSFER_WARNING_BYTES];
    struct end *one = &world.end[1];
    char name[64];
    snprintf(name, sizeof name, "%s/snapshot-%020lu.pit", one->directory, leader.live.sequence);
    assert_int_equal(one->memory->disk.unlink(one->memory, name), 0);
    pass(20000);
    assert_true(pit_transfer_warning(one->transfer, text));
    assert_non_null(strstr(text, "node 2 needs log that this node has no more, and there is no snapshot"));
    pass(20000);
    assert_false(pit_transfer_warning(one->transfer, text));
    node_log_snapshot(&leader);
    assert_true(wait_for(2, 20000));
    check_installed(2);
}

static void a_full_disk_is_told_and_tried_again(void **state)
{
    (void)state;
    char text[PIT_TRANSFER_WARNING_BYTES];
    struct memory_disk *memory = world.end[2].memory;
    memory->capacity = PIT_TRANSFER_CHUNK_BYTES;
    pass(3000);
    assert_false(has_it(2));
    assert_true(pit_transfer_warning(world.end[2].transfer, text));
    assert_non_null(strstr(text, "No space left"));
    memory->capacity = 0;
    assert_true(wait_for(2, 30000));
    check_installed(2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_node_gets_the_snapshot_it_needs, begin, end),
        cmocka_unit_test_setup_teardown(nothing_is_read_any_more_when_the_pipeline_stops, begin, end),
        cmocka_unit_test_setup_teardown(a_slow_disk_gets_there, begin, end),
        cmocka_unit_test_setup_teardown(a_disk_that_hangs_keeps_nobody_waiting, begin, end),
        cmocka_unit_test_setup_teardown(a_slow_disk_to_read_from_gets_there, begin, end),
        cmocka_unit_test_setup_teardown(a_node_that_hardly_gets_on_is_given_up, begin, end),
        cmocka_unit_test_setup_teardown(two_nodes_are_served_one_after_the_other, begin, end),
        cmocka_unit_test_setup_teardown(who_does_not_lead_offers_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_node_whose_log_came_after_all_wants_it_no_more, begin, end),
        cmocka_unit_test_setup_teardown(a_transfer_goes_on_where_it_was, begin_large, end),
        cmocka_unit_test_setup_teardown(what_is_changed_on_the_way_is_thrown_away, begin, end),
        cmocka_unit_test_setup_teardown(messages_of_anything_cost_a_counter, begin, end),
        cmocka_unit_test_setup_teardown(without_a_snapshot_people_are_told_once, begin, end),
        cmocka_unit_test_setup_teardown(a_full_disk_is_told_and_tried_again, begin, end),
        cmocka_unit_test_setup_teardown(whatever_happens_it_gets_there, begin, end),
        cmocka_unit_test_setup_teardown(whatever_happens_it_gets_there, begin, end),
        cmocka_unit_test_setup_teardown(whatever_happens_it_gets_there, begin, end),
        cmocka_unit_test_setup_teardown(whatever_happens_it_gets_there, begin, end),
    };
    return cmocka_run_group_tests_name("transfer", tests, NULL, NULL);
}
