/* test/cluster/test_consensus.c - one engine, its peers, its disk and its clock played by hand: what it must not say,
 * and when. The whole cluster, with everything that goes wrong, is cluster_sim.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "test/cluster/solo.h"

static struct solo solo;

static uint64_t claimed(uint32_t to)
{
    const struct solo_sent *sent = solo_last(&solo, to, RAFT_IO_APPEND_ENTRIES_RESULT);
    assert_non_null(sent);
    assert_int_equal(sent->message.append_entries_result.rejected, 0);
    return sent->message.append_entries_result.last_log_index;
}

static struct pit_consensus_state state(void)
{
    return pit_consensus_state(solo.consensus);
}

static void propose(uint64_t count, uint64_t bytes)
{
    static uint8_t payload[65536];
    memset(payload, 1, sizeof payload);
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(pit_consensus_propose(solo.consensus, payload, bytes, i), 0);
}

static void refuses_options_that_make_no_cluster(void **unused)
{
    (void)unused;
    struct pit_consensus *consensus;
    struct pit_error error;
    struct pit_consensus_options options = solo_options(&solo, 1, 4);
    assert_int_equal(pit_consensus_open(&consensus, &options, &error), -EINVAL);
    assert_string_equal(error.text, "a cluster has 3 or 5 nodes, not 4");
    options = solo_options(&solo, 4, 3);
    assert_int_equal(pit_consensus_open(&consensus, &options, &error), -EINVAL);
    options = solo_options(&solo, 1, 3);
    options.heartbeat_ms = options.election_ms;
    assert_int_equal(pit_consensus_open(&consensus, &options, &error), -EINVAL);
    options = solo_options(&solo, 1, 3);
    options.flight_bytes = 1;
    assert_int_equal(pit_consensus_open(&consensus, &options, &error), -EINVAL);
}

static void an_empty_disk_is_no_node_unless_a_cluster_begins(void **unused)
{
    (void)unused;
    solo = (struct solo){0};
    struct pit_consensus *consensus;
    struct pit_error error;
    struct pit_consensus_options options = solo_options(&solo, 1, 3);
    options.begin = false;
    assert_int_equal(pit_consensus_open(&consensus, &options, &error), -ENODATA);
    assert_non_null(strstr(error.text, "must not vote"));
    options.begin = true;
    assert_int_equal(pit_consensus_open(&consensus, &options, &error), 0);
    pit_consensus_close(consensus);
    options.begin = false; /* now it has one */
    assert_int_equal(pit_consensus_open(&consensus, &options, &error), 0);
    pit_consensus_close(consensus);
    options.nodes = 5; /* but not of this cluster */
    assert_int_equal(pit_consensus_open(&consensus, &options, &error), -EBADMSG);
}

static void serves_when_its_barrier_is_committed_and_not_before(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 3);
    uint64_t payload = 77;
    assert_int_equal(pit_consensus_propose(solo.consensus, &payload, 8, 1), -EPERM);
    uint64_t term = solo_elect(&solo);
    assert_int_equal(pit_consensus_propose(solo.consensus, &payload, 8, 1), -EPERM);
    solo_pass(&solo, 1);
    solo_acknowledge(&solo, 2, term, 2);
    assert_true(state().ready);
    assert_int_equal(pit_consensus_propose(solo.consensus, &payload, 7, 1), -EINVAL);
    uint64_t zeros[8] = {0};
    assert_int_equal(pit_consensus_propose(solo.consensus, zeros, sizeof zeros, 1), -EINVAL);
    assert_int_equal(pit_consensus_propose(solo.consensus, &payload, 8, 1), 0);
    solo_pass(&solo, 1);
    assert_int_equal(solo.answered, 0);
    solo_acknowledge(&solo, 3, term, 3);
    assert_int_equal(solo.answered, 1);
    assert_int_equal(solo.committed[3], 77);
    solo_close(&solo);
}

static void it_confirms_that_it_leads_when_others_have_heard_it_since(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 3);
    assert_int_equal(pit_consensus_confirm(solo.consensus, 1), -EPERM);
    uint64_t term = solo_elect(&solo);
    solo_pass(&solo, 1);
    solo_acknowledge(&solo, 2, term, 2);
    propose(1, 8);
    solo_pass(&solo, 1);
    solo_acknowledge(&solo, 2, term, 3);
    assert_int_equal(solo.answered, 1);
    assert_int_equal(pit_consensus_confirm(solo.consensus, 7), 0);
    solo_pass(&solo, 1);
    solo_acknowledge(&solo, 2, term, 3); /* said before it was asked */
    assert_int_equal(solo.answered, 1);
    solo_acknowledge(&solo, 2, term, 4);
    assert_int_equal(solo.answered, 2);
    assert_int_equal(solo.unknown, 0);
    assert_int_equal(solo.committed_last, 3); /* no command came of it */
    assert_int_equal(pit_consensus_confirm(solo.consensus, 8), 0);
    solo_append(&solo, 3, term + 1, 4, term, 4, (uint64_t[]){term + 1}, 1); /* it was replaced meanwhile */
    assert_int_equal(solo.unknown, 1);
    solo_close(&solo);
}

static void a_new_leader_counts_no_copies_before_its_barrier_is_on_its_disk(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 3);
    solo_append(&solo, 2, 2, 1, 1, 1, (uint64_t[]){2, 2}, 2);
    solo_pass(&solo, 1);
    solo.stalled = true;
    uint64_t term = solo_elect(&solo);
    /* Entries 2 and 3 are on two disks of three, but of an older term. */
    solo_acknowledge(&solo, 3, term, 3);
    assert_int_equal(state().waited, 1);
    assert_int_equal(state().committed, 1);
    solo.stalled = false;
    solo_pass(&solo, 1);
    assert_int_equal(state().committed, 1);
    solo_acknowledge(&solo, 3, term, 3); /* now it counts, but for nothing: the barrier is entry 4 */
    assert_int_equal(state().committed, 1);
    solo_acknowledge(&solo, 3, term, 4);
    assert_int_equal(state().committed, 4);
    assert_int_equal(solo.committed_last, 3);
    solo_close(&solo);
}

static void what_a_new_leader_could_not_count_yet_it_remembers(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 3);
    solo.stalled = true;
    uint64_t term = solo_elect(&solo);
    solo_acknowledge(&solo, 2, term, 1);
    solo_pass(&solo, 1);
    assert_int_equal(state().waited, 1);
    assert_int_equal(solo_last(&solo, 2, RAFT_IO_APPEND_ENTRIES)->entries, 0);
    solo.stalled = false;
    solo_pass(&solo, 1);
    assert_int_equal(solo_last(&solo, 2, RAFT_IO_APPEND_ENTRIES)->entries, 1); /* not at the next heartbeat */
    assert_int_equal(solo_last(&solo, 3, RAFT_IO_APPEND_ENTRIES)->entries, 0);
    solo_acknowledge(&solo, 2, term, 2);
    assert_true(state().ready);
    solo_close(&solo);
}

static void a_follower_claims_what_was_compared_and_no_more(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 3);
    solo_append(&solo, 2, 2, 1, 1, 1, (uint64_t[]){2, 2, 2}, 3);
    solo_pass(&solo, 1);
    assert_int_equal(claimed(2), 4);
    /* A new leader that shares the first entry only. */
    solo_append(&solo, 3, 3, 1, 1, 1, NULL, 0);
    assert_int_equal(claimed(3), 1);
    assert_int_equal(state().last, 4);
    assert_int_equal(state().bounded, 1);
    solo_append(&solo, 3, 3, 2, 2, 1, NULL, 0);
    assert_int_equal(claimed(3), 2);
    solo_close(&solo);
}

static void a_write_that_ends_under_another_leader_claims_nothing(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 3);
    solo.stalled = true;
    solo_append(&solo, 2, 2, 1, 1, 1, (uint64_t[]){2, 2, 2}, 3);
    solo_append(&solo, 3, 3, 1, 1, 1, NULL, 0);
    solo.stalled = false;
    solo_pass(&solo, 1);
    assert_int_equal(claimed(3), 1);
    solo_close(&solo);
}

static void a_late_request_of_an_older_term_claims_nothing(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 3);
    solo_append(&solo, 2, 3, 1, 1, 1, (uint64_t[]){3, 3}, 2);
    solo_pass(&solo, 1);
    assert_int_equal(claimed(2), 3);
    solo.stalled = true;
    solo_append(&solo, 2, 3, 3, 3, 1, (uint64_t[]){3}, 1);
    /* Node 2 led in term 2 as well, and this comes only now. */
    solo_append(&solo, 2, 2, 0, 0, 0, NULL, 0);
    assert_int_equal(claimed(2), 0);
    solo_close(&solo);
}

static void nothing_is_truncated_that_is_still_being_written(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 3);
    solo.stalled = true;
    solo_append(&solo, 2, 2, 1, 1, 1, (uint64_t[]){2, 2}, 2);
    solo_append(&solo, 3, 3, 1, 1, 1, (uint64_t[]){3}, 1);
    assert_int_equal(state().postponed, 1);
    assert_int_equal(solo.count, 3);
    solo.stalled = false;
    solo_pass(&solo, 1);
    solo_append(&solo, 3, 3, 1, 1, 1, (uint64_t[]){3}, 1);
    solo_pass(&solo, 1);
    assert_int_equal(solo.count, 2);
    assert_int_equal(solo.terms[2], 3);
    assert_int_equal(claimed(3), 2);
    solo_close(&solo);
}

static void commit_is_never_past_what_was_compared(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 3);
    solo_append(&solo, 2, 2, 1, 1, 1, (uint64_t[]){2, 2, 2}, 3);
    solo_pass(&solo, 1);
    /* Entries 3 and 4 here are not the new leader's, whatever it has committed. */
    solo_append(&solo, 3, 3, 2, 2, 4, NULL, 0);
    assert_int_equal(state().committed, 2);
    solo_close(&solo);
}

/* The leader's disk is at once, the followers are behind: at every moment its last entry is on its own disk alone. */
static void run_ahead(uint32_t nodes, uint32_t alive)
{
    solo_open(&solo, 1, nodes);
    uint64_t term = solo_elect(&solo);
    solo_pass(&solo, 1);
    for (uint32_t node = 2; node <= alive; node++)
        solo_acknowledge(&solo, node, term, 2);
    assert_true(state().ready);
    for (uint64_t i = 0; i < 200; i++) {
        propose(1, 64);
        solo_pass(&solo, 1);
        for (uint32_t node = 2; node <= alive && i >= 10; node++)
            solo_acknowledge(&solo, node, term, 2 + i - 10 + (node == alive ? 0 : 5));
    }
    assert_int_equal(state().last, 202);
    assert_int_equal(state().committed, 2 + 199 - 10);
    solo_close(&solo);
}

static void a_leader_ahead_of_its_followers_commits_as_they_acknowledge(void **unused)
{
    (void)unused;
    run_ahead(3, 2);
    run_ahead(5, 3); /* the slower of two is the third disk; two nodes are dead */
}

static void followers_that_die_leave_the_others_to_decide(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 5);
    uint64_t term = solo_elect(&solo);
    solo_pass(&solo, 1);
    for (uint32_t node = 2; node <= 5; node++)
        solo_acknowledge(&solo, node, term, 2);
    propose(20, 64);
    solo_pass(&solo, 1);
    solo_acknowledge(&solo, 2, term, 12); /* its last word */
    solo_acknowledge(&solo, 3, term, 22); /* its last word too */
    assert_int_equal(state().committed, 12);
    solo_acknowledge(&solo, 4, term, 20);
    assert_int_equal(state().committed, 20);
    propose(5, 64);
    solo_pass(&solo, 1);
    solo_acknowledge(&solo, 4, term, 27);
    assert_int_equal(state().committed, 22);
    solo_acknowledge(&solo, 5, term, 27);
    assert_int_equal(state().committed, 27);
    solo_close(&solo);
}

static void what_is_under_way_to_a_silent_node_is_bounded(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 3);
    uint64_t term = solo_elect(&solo);
    solo_pass(&solo, 1);
    solo_acknowledge(&solo, 2, term, 2);
    solo_acknowledge(&solo, 3, term, 2);
    size_t silent = 0;
    uint32_t seen = solo.sent_count;
    for (uint64_t i = 0; i < 1000; i++) { /* a second; 1024 bytes each millisecond; node 3 says nothing */
        propose(1, 1024);
        solo_pass(&solo, 1);
        solo_acknowledge(&solo, 2, term, 3 + i);
    }
    for (; seen < solo.sent_count; seen++) {
        if (solo.sent[seen].to == 3 && solo.sent[seen].entries > 0)
            silent += solo.sent[seen].bytes;
    }
    assert_int_equal(state().committed, 1002);
    assert_true(state().cut > 0);
    /* Once more each election timeout: at most that often is it taken for lost. */
    assert_true(silent <= 8 * 8192);
    /* It wakes up, and gets all of it, a flight after the other. */
    uint64_t has = 2;
    for (int round = 0; round < 3000 && has < 1002; round++) {
        const struct solo_sent *sent = solo_last(&solo, 3, RAFT_IO_APPEND_ENTRIES);
        const struct raft_append_entries *request = &sent->message.append_entries;
        if (request->prev_log_index <= has && request->prev_log_index + sent->entries > has)
            has = request->prev_log_index + sent->entries;
        solo_acknowledge(&solo, 3, term, has);
        solo_acknowledge(&solo, 2, term, 1002);
        solo_pass(&solo, 1);
    }
    assert_int_equal(has, 1002);
    solo_close(&solo);
}

static void too_much_without_an_answer_is_refused(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 3);
    uint64_t term = solo_elect(&solo);
    solo_pass(&solo, 1);
    solo_acknowledge(&solo, 2, term, 2);
    static uint8_t payload[(1 << 19) + 8];
    memset(payload, 1, sizeof payload);
    assert_int_equal(pit_consensus_propose(solo.consensus, payload, sizeof payload, 1), -EMSGSIZE);
    assert_int_equal(pit_consensus_propose(solo.consensus, payload, 1 << 19, 1), 0);
    assert_int_equal(pit_consensus_propose(solo.consensus, payload, 1 << 19, 2), 0);
    assert_int_equal(pit_consensus_propose(solo.consensus, payload, 8, 3), -EAGAIN);
    solo_pass(&solo, 1);
    solo_acknowledge(&solo, 2, term, 3);
    assert_int_equal(solo.answered, 1);
    assert_int_equal(pit_consensus_propose(solo.consensus, payload, 8, 3), 0);
    /* Nobody hears it any more: it steps down, and does not know what becomes of them. */
    solo_pass(&solo, 400);
    assert_int_equal(state().role == PIT_CONSENSUS_LEADER, 0);
    assert_int_equal(solo.unknown, 2);
    solo_close(&solo);
}

static void a_disk_that_fails_stops_it_for_good(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 3);
    solo.fail_append = -ENOSPC;
    uint32_t sent = solo.sent_count;
    solo_append(&solo, 2, 2, 1, 1, 1, (uint64_t[]){2}, 1);
    struct pit_error error;
    assert_true(pit_consensus_failed(solo.consensus, &error));
    assert_int_equal(error.code, -ENOSPC);
    assert_string_equal(error.text, "entries from 2 on cannot be written: No space left on device");
    solo.fail_append = 0;
    solo_append(&solo, 2, 2, 1, 1, 1, (uint64_t[]){2}, 1);
    solo_pass(&solo, 1000);
    assert_int_equal(solo.sent_count, sent);
    assert_int_equal(state().role, PIT_CONSENSUS_STOPPED);
    assert_int_equal(pit_consensus_propose(solo.consensus, "12345678", 8, 1), -EIO);
    solo_close(&solo);
}

static void what_no_right_node_sends_is_counted_and_dropped(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 3);
    struct raft_message vote = {.type = RAFT_IO_REQUEST_VOTE};
    vote.request_vote = (struct raft_request_vote){.term = 9, .candidate_id = 2, .last_log_index = 9};
    solo_hear(&solo, 3, &vote); /* asks for another */
    vote.request_vote.disrupt_leader = true;
    solo_hear(&solo, 2, &vote);                                     /* nobody may do that */
    solo_hear(&solo, 1, &vote);                                     /* we did not send that */
    solo_hear(&solo, 4, &vote);                                     /* there are three */
    pit_consensus_receive(solo.consensus, 2, "nonsense", 8);        /* not even a message */
    solo_append(&solo, 2, 2, 0, 0, 0, (uint64_t[]){1}, 1);          /* other members */
    solo_append(&solo, 2, 2, 1, 1, 0, (uint64_t[]){3}, 1);          /* an entry of a term to come */
    solo_append(&solo, 2, 4, 1, 1, 0, (uint64_t[]){4, 3}, 2);       /* terms that fall */
    solo_append(&solo, 2, 4, UINT64_MAX, 1, 0, (uint64_t[]){4}, 1); /* an index that is none */
    assert_int_equal(state().refused, 9);
    assert_int_equal(state().term, 1);
    assert_int_equal(state().last, 1);
    uint64_t term = solo_elect(&solo);
    solo_append(&solo, 2, term, 1, 1, 0, (uint64_t[]){term}, 1); /* a second leader */
    assert_int_equal(state().refused, 10);
    assert_int_equal(state().role, PIT_CONSENSUS_LEADER);
    solo_close(&solo);
}

static uint64_t dice_state;

static uint64_t dice(void)
{
    dice_state ^= dice_state << 13;
    dice_state ^= dice_state >> 7;
    dice_state ^= dice_state << 17;
    return dice_state >> 8;
}

static size_t spoil(uint8_t *bytes, size_t count)
{
    uint64_t changes = dice() % 4;
    for (uint64_t i = 0; i < changes; i++)
        bytes[dice() % (dice() % 2 ? count : 64)] ^= (uint8_t)(1u << dice() % 8);
    return dice() % 8 ? count : dice() % (count + 1);
}

/* Of a node that has the key and lies, or is broken. It may stop this one, which then says so; nothing else. */
static void whatever_the_bytes_are_it_stays_in_one_piece(void **unused)
{
    (void)unused;
    const char *given = getenv("PIT_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    dice_state = given ? strtoull(given, NULL, 10) : (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    printf("# PIT_SEED=%lu\n", dice_state);
    dice_state |= 1;
    uint64_t refused = 0, stopped = 0;
    for (int life = 0; life < 1000; life++) {
        solo_open(&solo, 1, 3);
        if (dice() % 3 == 0)
            solo_elect(&solo);
        solo.spoil = spoil;
        for (int i = 0; i < 100 && !pit_consensus_failed(solo.consensus, NULL); i++) {
            uint64_t term = state().term + dice() % 2, last = state().last, committed = state().committed;
            uint64_t previous = committed + dice() % (last - committed + 1);
            struct raft_message message = {.type = RAFT_IO_REQUEST_VOTE_RESULT};
            message.request_vote_result = (struct raft_request_vote_result){.term = term, .vote_granted = true};
            switch (dice() % 5) {
            case 0:
            case 1:
                solo_append(&solo, 2, term, previous, solo.terms[previous], previous + dice() % 3,
                            (uint64_t[]){term, term, term}, (uint32_t)(dice() % 4));
                break;
            case 2:
                solo_acknowledge(&solo, 2, term, last);
                break;
            case 3:
                solo_hear(&solo, 3, &message);
                break;
            default:
                message.type = RAFT_IO_REQUEST_VOTE;
                message.request_vote = (struct raft_request_vote){
                    .term = term + 1, .candidate_id = 3, .last_log_index = last, .last_log_term = term};
                solo_hear(&solo, 3, &message);
            }
            solo_pass(&solo, 1 + dice() % 30);
            struct pit_consensus_state now_state = state();
            assert_true(now_state.committed <= now_state.last);
            assert_int_equal(solo.count, now_state.last);
        }
        refused += state().refused;
        stopped += pit_consensus_failed(solo.consensus, NULL);
        solo_close(&solo);
    }
    assert_true(refused > 1000);
    assert_true(stopped < 900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_options_that_make_no_cluster),
        cmocka_unit_test(an_empty_disk_is_no_node_unless_a_cluster_begins),
        cmocka_unit_test(serves_when_its_barrier_is_committed_and_not_before),
        cmocka_unit_test(it_confirms_that_it_leads_when_others_have_heard_it_since),
        cmocka_unit_test(a_new_leader_counts_no_copies_before_its_barrier_is_on_its_disk),
        cmocka_unit_test(what_a_new_leader_could_not_count_yet_it_remembers),
        cmocka_unit_test(a_follower_claims_what_was_compared_and_no_more),
        cmocka_unit_test(a_write_that_ends_under_another_leader_claims_nothing),
        cmocka_unit_test(a_late_request_of_an_older_term_claims_nothing),
        cmocka_unit_test(nothing_is_truncated_that_is_still_being_written),
        cmocka_unit_test(commit_is_never_past_what_was_compared),
        cmocka_unit_test(a_leader_ahead_of_its_followers_commits_as_they_acknowledge),
        cmocka_unit_test(followers_that_die_leave_the_others_to_decide),
        cmocka_unit_test(what_is_under_way_to_a_silent_node_is_bounded),
        cmocka_unit_test(too_much_without_an_answer_is_refused),
        cmocka_unit_test(a_disk_that_fails_stops_it_for_good),
        cmocka_unit_test(what_no_right_node_sends_is_counted_and_dropped),
        cmocka_unit_test(whatever_the_bytes_are_it_stays_in_one_piece),
    };
    return cmocka_run_group_tests_name("consensus", tests, NULL, NULL);
}
