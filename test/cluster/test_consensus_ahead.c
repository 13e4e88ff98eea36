/* test/cluster/test_consensus_ahead.c - one engine that leads, and whose disk is behind those of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "test/cluster/solo.h"

#define MEMORY_BYTES 16384u
#define PAYLOAD_BYTES 256u
#define AHEAD_MAX (MEMORY_BYTES / 2 / (PAYLOAD_BYTES + PIT_CONSENSUS_ENTRY_OVERHEAD_BYTES))

static struct solo solo;

static struct pit_consensus_state state(void)
{
    return pit_consensus_state(solo.consensus);
}

static void propose(uint64_t count)
{
    uint8_t payload[PAYLOAD_BYTES];
    memset(payload, 1, sizeof payload);
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(pit_consensus_propose(solo.consensus, payload, sizeof payload, i), 0);
}

/* It is ready, and from now on its disk stands still. Everybody has the barrier, entry 2. */
static uint64_t lead(uint32_t nodes)
{
    struct pit_consensus_options options = solo_options(&solo, 1, nodes);
    struct pit_error error;
    solo = (struct solo){.now_ns = 1000000000};
    options.memory_bytes = MEMORY_BYTES;
    assert_int_equal(pit_consensus_open(&solo.consensus, &options, &error), 0);
    uint64_t term = solo_elect(&solo);
    solo_pass(&solo, 1);
    for (uint32_t node = 2; node <= nodes; node++)
        solo_acknowledge(&solo, node, term, 2);
    assert_true(state().ready);
    solo.stalled = true;
    return term;
}

static void write_all(void)
{
    solo.stalled = false;
    solo_pass(&solo, 1);
    assert_int_equal(state().durable, state().last);
}

static void commits_what_a_majority_of_the_others_has(uint32_t nodes)
{
    uint64_t term = lead(nodes);
    uint32_t last = nodes / 2 + 2; /* with this one the others are a majority */
    propose(3);
    for (uint32_t node = 2; node < last; node++)
        solo_acknowledge(&solo, node, term, 5);
    assert_int_equal(state().committed, 2);
    solo_acknowledge(&solo, last, term, 4);
    assert_int_equal(state().committed, 4);
    assert_int_equal(solo.answered, 2);
    assert_int_equal(state().durable, 2);
    assert_int_equal(state().ahead, 2);
    solo_acknowledge(&solo, last, term, 5);
    assert_int_equal(state().committed, 5);
    write_all();
    assert_int_equal(state().ahead, 3);
    propose(1); /* and now with its own disk again */
    solo_pass(&solo, 1);
    for (uint32_t node = 2; node < last; node++)
        solo_acknowledge(&solo, node, term, 6);
    assert_int_equal(state().committed, 6);
    assert_int_equal(state().ahead, 3);
    solo_close(&solo);
}

static void a_majority_of_the_others_is_enough(void **unused)
{
    (void)unused;
    commits_what_a_majority_of_the_others_has(3);
    commits_what_a_majority_of_the_others_has(5);
}

static void a_barrier_waits_for_its_own_disk(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 3);
    solo.stalled = true;
    uint64_t term = solo_elect(&solo);
    solo_pass(&solo, 1);
    for (int i = 0; i < 2; i++) {
        solo_acknowledge(&solo, 2, term, 2);
        solo_acknowledge(&solo, 3, term, 2);
        assert_int_equal(state().committed, i == 0 ? 1 : 2);
        solo.stalled = false;
        solo_pass(&solo, 1);
    }
    assert_int_equal(state().waited, 2);
    assert_int_equal(state().ahead, 0);
    solo_close(&solo);
}

static uint64_t claimed(uint32_t to)
{
    const struct solo_sent *sent = solo_last(&solo, to, RAFT_IO_APPEND_ENTRIES_RESULT);
    assert_non_null(sent);
    assert_int_equal(sent->message.append_entries_result.rejected, 0);
    return sent->message.append_entries_result.last_log_index;
}

static void what_it_claims_when_it_follows_is_on_its_disk(void **unused)
{
    (void)unused;
    uint64_t term = lead(3);
    propose(3);
    solo_acknowledge(&solo, 2, term, 5);
    solo_acknowledge(&solo, 3, term, 5);
    assert_int_equal(state().committed, 5);
    solo_append(&solo, 2, term + 1, 5, term, 5, NULL, 0);
    assert_int_equal(state().role, PIT_CONSENSUS_FOLLOWER);
    assert_int_equal(claimed(2), 2);
    solo_append(&solo, 2, term + 1, 5, term, 5, (uint64_t[]){term + 1}, 1);
    solo_append(&solo, 2, term + 1, 6, term + 1, 6, NULL, 0);
    assert_int_equal(claimed(2), 2);
    write_all();
    assert_int_equal(claimed(2), 6);
    solo_append(&solo, 2, term + 1, 6, term + 1, 6, NULL, 0);
    assert_int_equal(state().committed, 6);
    solo_close(&solo);
}

/* A proposal that it had alone is replaced, when what it has is written. */
static void what_is_not_committed_is_replaced_as_ever(void **unused)
{
    (void)unused;
    uint64_t term = lead(3);
    propose(3);
    solo_acknowledge(&solo, 2, term, 4);
    solo_acknowledge(&solo, 3, term, 4);
    assert_int_equal(state().committed, 4);
    solo_append(&solo, 2, term + 1, 4, term, 4, (uint64_t[]){term + 1}, 1);
    assert_int_equal(state().postponed, 1);
    assert_int_equal(solo.unknown, 0); /* it was not even heard */
    write_all();
    solo_append(&solo, 2, term + 1, 4, term, 4, (uint64_t[]){term + 1}, 1);
    assert_int_equal(solo.unknown, 1);
    solo_pass(&solo, 1);
    assert_int_equal(solo.terms[5], term + 1);
    assert_int_equal(claimed(2), 5);
    solo_close(&solo);
}

/* It goes on without its disk for half of its memory; nothing of that is forgotten. */
static void a_disk_that_stands_still_stops_it_when_its_memory_is_full(void **unused)
{
    (void)unused;
    uint64_t term = lead(3);
    solo.stalled = false;
    for (uint64_t i = 0; i < 100; i++) { /* so that there was something to forget */
        propose(1);
        solo_pass(&solo, 1);
        solo_acknowledge(&solo, 2, term, state().last);
        solo_acknowledge(&solo, 3, term, state().last);
    }
    assert_int_equal(state().committed, 102);
    solo.stalled = true;
    for (uint64_t i = 0; i < 2 * AHEAD_MAX; i++) {
        propose(1);
        solo_acknowledge(&solo, 2, term, state().last);
        solo_acknowledge(&solo, 3, term, state().last);
        for (uint64_t index = state().durable + 1; index <= state().last; index++)
            assert_non_null(pit_raft_memory_entry(solo.consensus, index));
    }
    assert_int_equal(state().committed, 102 + AHEAD_MAX);
    assert_int_equal(state().durable, 102);
    solo_pass(&solo, 20);
    assert_int_equal(state().committed, 102 + AHEAD_MAX);
    write_all();
    assert_int_equal(state().committed, 102 + 2 * AHEAD_MAX);
    assert_true(state().memory_bytes <= MEMORY_BYTES + 1024);
    solo_close(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_majority_of_the_others_is_enough),
        cmocka_unit_test(a_barrier_waits_for_its_own_disk),
        cmocka_unit_test(what_it_claims_when_it_follows_is_on_its_disk),
        cmocka_unit_test(what_is_not_committed_is_replaced_as_ever),
        cmocka_unit_test(a_disk_that_stands_still_stops_it_when_its_memory_is_full),
    };
    return cmocka_run_group_tests_name("consensus_ahead", tests, NULL, NULL);
}
