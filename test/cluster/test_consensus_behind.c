/* test/cluster/test_consensus_behind.c - one engine that keeps little of its log in memory: where it starts, what it
 * sends to a node that needs more, what it makes of a request for what it has forgotten. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "test/cluster/solo.h"

#define MEMORY_BYTES 16384u

static struct solo solo;

static struct pit_consensus_state state(void)
{
    return pit_consensus_state(solo.consensus);
}

static void open_engine(uint64_t base, uint64_t term)
{
    struct pit_consensus_options options = solo_options(&solo, 1, 3);
    struct pit_error error;
    solo = (struct solo){.now_ns = 1000000000, .term = term, .count = base, .base = {base, term}};
    for (uint64_t i = 1; i <= base; i++)
        solo.terms[i] = i == 1 ? 1 : term;
    options.memory_bytes = MEMORY_BYTES;
    options.begin = base == 0;
    assert_int_equal(pit_consensus_open(&solo.consensus, &options, &error), 0);
}

static void propose(uint64_t count)
{
    uint8_t payload[256];
    memset(payload, 1, sizeof payload);
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(pit_consensus_propose(solo.consensus, payload, sizeof payload, i), 0);
}

/* It leads, and commits count entries together with node 2. Node 3 has said nothing yet. */
static uint64_t lead(uint64_t count)
{
    uint64_t term = solo_elect(&solo);
    solo_pass(&solo, 1);
    solo_acknowledge(&solo, 2, term, state().last);
    assert_true(state().ready);
    for (uint64_t i = 0; i < count; i++) {
        propose(1);
        solo_pass(&solo, 1);
        solo_acknowledge(&solo, 2, term, state().last);
    }
    assert_int_equal(state().committed, state().last);
    return term;
}

static void refuse(uint32_t from, uint64_t term, uint64_t before, uint64_t last)
{
    struct raft_message message = {.type = RAFT_IO_APPEND_ENTRIES_RESULT};
    message.append_entries_result =
        (struct raft_append_entries_result){.term = term, .rejected = before, .last_log_index = last};
    solo_hear(&solo, from, &message);
}

static void follow(uint64_t count)
{
    for (uint64_t i = state().last; i <= count; i++) {
        solo_append(&solo, 2, 2, i, i == 1 ? 1 : 2, i, (uint64_t[]){2}, 1);
        solo_pass(&solo, 1);
    }
}

static void goes_on_from_a_base(void **unused)
{
    (void)unused;
    open_engine(10, 4);
    assert_int_equal(state().committed, 10);
    assert_int_equal(state().last, 10);
    solo_append(&solo, 2, 5, 10, 4, 10, (uint64_t[]){5, 5}, 2);
    solo_pass(&solo, 1);
    assert_int_equal(solo.committed_last, 0);
    solo_append(&solo, 2, 5, 12, 5, 12, NULL, 0);
    assert_int_equal(solo.committed_last, 12);
    assert_int_equal(solo.committed[11], 11);
    assert_int_equal(solo.committed[10], 0);
    solo_close(&solo);
    open_engine(10, 4);
    uint64_t term = lead(3);
    assert_int_equal(solo.committed_last, 14); /* the barrier is 11 */
    assert_int_equal(solo.terms[11], term);
    solo_close(&solo);
}

static void a_base_that_cannot_be_is_refused(void **unused)
{
    (void)unused;
    struct pit_consensus *consensus;
    struct pit_error error;
    solo = (struct solo){.term = 3, .count = 5, .base = {5, 4}};
    struct pit_consensus_options options = solo_options(&solo, 1, 3);
    assert_int_equal(pit_consensus_open(&consensus, &options, &error), -EBADMSG);
    solo.base = (struct pit_consensus_base){5, 0};
    assert_int_equal(pit_consensus_open(&consensus, &options, &error), -EBADMSG);
}

static void memory_is_bounded_on_the_leader_and_on_followers(void **unused)
{
    (void)unused;
    uint64_t most = 0;
    open_engine(0, 0);
    uint64_t term = solo_elect(&solo);
    solo_pass(&solo, 1);
    solo_acknowledge(&solo, 2, term, 2);
    for (uint64_t i = 0; i < 1000; i++) {
        propose(1);
        solo_pass(&solo, 1);
        solo_acknowledge(&solo, 2, term, state().last);
        most = state().memory_bytes > most ? state().memory_bytes : most;
    }
    assert_int_equal(solo.answered, 1000);
    assert_true(most > MEMORY_BYTES / 2 && most < MEMORY_BYTES + 2048);
    solo_close(&solo);
    most = 0;
    open_engine(0, 0);
    for (uint64_t i = 1; i < 1000; i++) {
        solo_append(&solo, 2, 2, i, i == 1 ? 1 : 2, i, (uint64_t[]){2}, 1);
        solo_pass(&solo, 1);
        most = state().memory_bytes > most ? state().memory_bytes : most;
    }
    assert_int_equal(solo.committed_last, 999);
    assert_true(most > MEMORY_BYTES / 2 && most < MEMORY_BYTES + 2048);
    solo_close(&solo);
}

/* Each request with entries to node 3 since *seen must be the log's; returns the end of the last that begins at most
 * after has. */
static uint64_t taken(uint32_t *seen, uint64_t term, uint64_t has)
{
    for (; *seen < solo.sent_count; (*seen)++) {
        const struct solo_sent *sent = &solo.sent[*seen];
        const struct raft_append_entries *request = &sent->message.append_entries;
        if (sent->to != 3 || sent->message.type != RAFT_IO_APPEND_ENTRIES)
            continue;
        uint64_t end = request->prev_log_index + sent->entries;
        assert_int_equal(request->term, term);
        assert_int_equal(request->prev_log_term, solo.terms[request->prev_log_index]);
        assert_true(request->leader_commit <= end && request->leader_commit <= state().committed);
        if (request->prev_log_index <= has && end > has)
            has = end;
    }
    return has;
}

static void a_node_far_behind_gets_what_it_lacks_from_the_disk(void **unused)
{
    (void)unused;
    open_engine(0, 0);
    uint64_t term = lead(1000), has = 1;
    uint32_t seen = solo.sent_count;
    solo.reading = true;
    refuse(3, term, solo_last(&solo, 3, RAFT_IO_APPEND_ENTRIES)->message.append_entries.prev_log_index, 1);
    solo_pass(&solo, 50);
    assert_int_equal(taken(&seen, term, has), 1); /* nothing is read yet; but it hears that there is a leader */
    assert_true(solo_last(&solo, 3, RAFT_IO_APPEND_ENTRIES)->entries == 0);
    solo.reading = false;
    for (int i = 0; i < 2000 && has < state().last; i++) {
        has = taken(&seen, term, has);
        solo_acknowledge(&solo, 3, term, has);
        solo_acknowledge(&solo, 2, term, state().last);
        solo_pass(&solo, 1);
    }
    assert_int_equal(has, 1002);
    assert_true(state().reread > 900 && state().reread < 1002); /* the rest was in memory */
    assert_int_equal(state().needs_snapshot, 0);
    solo_close(&solo);
}

static void one_request_is_under_way_until_the_logs_are_known_to_meet(void **unused)
{
    (void)unused;
    open_engine(0, 0);
    follow(1000);
    uint64_t term = lead(10);
    refuse(3, term, solo_last(&solo, 3, RAFT_IO_APPEND_ENTRIES)->message.append_entries.prev_log_index, 100);
    solo_pass(&solo, 20);
    const struct solo_sent *sent = solo_last(&solo, 3, RAFT_IO_APPEND_ENTRIES);
    assert_int_equal(sent->message.append_entries.prev_log_index, 100);
    assert_int_equal(sent->message.append_entries.prev_log_term, 2);
    uint32_t count = solo.sent_count;
    refuse(3, term, 77, 60); /* late, of something else */
    refuse(3, term, 78, 60);
    assert_int_equal(solo.sent_count, count);
    refuse(3, term, 100, 40); /* its entry 100 is another one */
    sent = solo_last(&solo, 3, RAFT_IO_APPEND_ENTRIES);
    assert_int_equal(sent->message.append_entries.prev_log_index, 40);
    assert_true(sent->entries > 0);
    count = solo.sent_count;
    refuse(3, term, 100, 40); /* the same again */
    assert_int_equal(solo.sent_count, count);
    solo_close(&solo);
}

static void what_the_disk_has_no_more_needs_a_snapshot(void **unused)
{
    (void)unused;
    open_engine(0, 0);
    uint64_t term = lead(1000);
    solo.removed = 500;
    refuse(3, term, solo_last(&solo, 3, RAFT_IO_APPEND_ENTRIES)->message.append_entries.prev_log_index, 1);
    solo_pass(&solo, 50);
    assert_int_equal(state().needs_snapshot, 1u << 3);
    uint32_t seen = solo.sent_count;
    for (int i = 0; i < 100; i++) {
        solo_pass(&solo, 5);
        solo_acknowledge(&solo, 2, term, state().last);
        solo_acknowledge(&solo, 3, term, 0);
    }
    assert_int_equal(taken(&seen, term, 1), 1);
    assert_int_equal(state().role, PIT_CONSENSUS_LEADER);
    /* It was given a snapshot of somebody's, and says so when it hears that somebody leads. */
    solo_acknowledge(&solo, 3, term, 700);
    assert_int_equal(state().needs_snapshot, 0);
    assert_true(taken(&seen, term, 700) > 700);
    solo_close(&solo);
}

static void a_disk_that_gives_something_else_stops_it(void **unused)
{
    (void)unused;
    open_engine(0, 0);
    uint64_t term = lead(1000);
    uint32_t seen = solo.sent_count;
    solo.spoiled_term = term + 1;
    refuse(3, term, solo_last(&solo, 3, RAFT_IO_APPEND_ENTRIES)->message.append_entries.prev_log_index, 100);
    solo_pass(&solo, 10);
    struct pit_error error;
    assert_true(pit_consensus_failed(solo.consensus, &error));
    assert_int_equal(error.code, -EBADMSG);
    assert_int_equal(taken(&seen, term, 100), 100);
    solo_close(&solo);
}

/* A follower that has forgotten what it is sent again: it has it. */
static void what_is_committed_is_not_compared_again(void **unused)
{
    (void)unused;
    open_engine(0, 0);
    follow(499);
    uint64_t known = solo.consensus->raft.log.snapshot.last_index;
    assert_true(solo.consensus->raft.log.offset > 10);
    /* Another leader, which begins with entry 1, or somewhere before. */
    solo_append(&solo, 3, 3, 0, 0, 0, NULL, 0);
    const struct raft_append_entries_result *result =
        &solo_last(&solo, 3, RAFT_IO_APPEND_ENTRIES_RESULT)->message.append_entries_result;
    assert_int_equal(result->rejected, 0);
    assert_int_equal(result->last_log_index, known);
    uint64_t terms[PIT_CONSENSUS_ENTRIES_MAX];
    for (uint32_t i = 0; i < PIT_CONSENSUS_ENTRIES_MAX; i++)
        terms[i] = 2;
    solo_append(&solo, 3, 3, 5, 2, 0, terms, 3);
    assert_int_equal(state().last, 500);
    solo_append(&solo, 3, 3, known - 200, 2, 600, terms, 201);
    assert_int_equal(state().last, 500);
    assert_int_equal(state().refused, 0);
    assert_int_equal(pit_consensus_failed(solo.consensus, NULL), false);
    /* One that is not of this log. */
    for (uint32_t i = 0; i < PIT_CONSENSUS_ENTRIES_MAX; i++)
        terms[i] = 3;
    solo_append(&solo, 3, 3, known - 200, 2, 600, terms, 201);
    struct pit_error error;
    assert_true(pit_consensus_failed(solo.consensus, &error));
    assert_int_equal(error.code, -EPROTO);
    solo_close(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on_from_a_base),
        cmocka_unit_test(a_base_that_cannot_be_is_refused),
        cmocka_unit_test(memory_is_bounded_on_the_leader_and_on_followers),
        cmocka_unit_test(a_node_far_behind_gets_what_it_lacks_from_the_disk),
        cmocka_unit_test(one_request_is_under_way_until_the_logs_are_known_to_meet),
        cmocka_unit_test(what_the_disk_has_no_more_needs_a_snapshot),
        cmocka_unit_test(a_disk_that_gives_something_else_stops_it),
        cmocka_unit_test(what_is_committed_is_not_compared_again),
    };
    return cmocka_run_group_tests_name("consensus_behind", tests, NULL, NULL);
}
