/* test/cluster/test_consensus_transfer.c - one engine that hands over, or is handed over to. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "test/cluster/solo.h"

static struct solo solo;

static struct pit_consensus_state state(void)
{
    return pit_consensus_state(solo.consensus);
}

static int propose(void)
{
    uint64_t payload = 77;
    return pit_consensus_propose(solo.consensus, &payload, 8, 1);
}

static uint64_t lead(uint32_t nodes)
{
    solo_open(&solo, 1, nodes);
    uint64_t term = solo_elect(&solo);
    solo_pass(&solo, 1);
    for (uint32_t node = 2; node <= nodes; node++)
        solo_acknowledge(&solo, node, term, 2);
    assert_true(state().ready);
    return term;
}

static void only_a_ready_leader_hands_over_and_to_another(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 3);
    assert_int_equal(pit_consensus_transfer(solo.consensus, 2), -EPERM);
    solo_close(&solo);
    lead(3);
    assert_int_equal(pit_consensus_transfer(solo.consensus, 1), -EINVAL);
    assert_int_equal(pit_consensus_transfer(solo.consensus, 0), -EINVAL);
    assert_int_equal(pit_consensus_transfer(solo.consensus, 4), -EINVAL);
    assert_true(state().ready);
    solo_close(&solo);
}

static void it_waits_until_the_other_has_everything(void **unused)
{
    (void)unused;
    uint64_t term = lead(3);
    assert_int_equal(propose(), 0);
    assert_int_equal(pit_consensus_transfer(solo.consensus, 2), 0);
    assert_false(state().ready);
    assert_int_equal(propose(), -EPERM);
    assert_int_equal(pit_consensus_transfer(solo.consensus, 3), -EPERM);
    solo_pass(&solo, 20);
    solo_acknowledge(&solo, 3, term, 3); /* committed, but node 2 does not have it */
    solo_pass(&solo, 20);
    assert_int_equal(state().role, PIT_CONSENSUS_LEADER);
    assert_int_equal(solo.note.kind, 0);
    solo_acknowledge(&solo, 2, term, 3);
    assert_int_equal(state().role, PIT_CONSENSUS_FOLLOWER);
    assert_int_equal(solo.note.kind, PIT_RAFT_NOTE_TAKE_OVER);
    assert_int_equal(solo.note.words[0], term);
    assert_int_equal(solo.note.words[1], 2);
    assert_int_equal(solo.answered, 1);
    assert_int_equal(solo.unknown, 0);
    /* It votes for the other one at once, as for anybody who has everything. */
    struct raft_message vote = {.type = RAFT_IO_REQUEST_VOTE};
    vote.request_vote =
        (struct raft_request_vote){.term = term + 1, .candidate_id = 2, .last_log_index = 3, .last_log_term = term};
    solo_hear(&solo, 2, &vote);
    assert_true(solo_last(&solo, 2, RAFT_IO_REQUEST_VOTE_RESULT)->message.request_vote_result.vote_granted);
    solo_close(&solo);
}

static void it_leads_on_when_the_other_does_not_get_there(void **unused)
{
    (void)unused;
    uint64_t term = lead(3);
    assert_int_equal(propose(), 0);
    assert_int_equal(pit_consensus_transfer(solo.consensus, 2), 0);
    for (int i = 0; i < 40; i++) {
        solo_pass(&solo, 5);
        solo_acknowledge(&solo, 3, term, 3);
    }
    assert_true(state().ready);
    assert_int_equal(solo.note.kind, 0);
    assert_int_equal(propose(), 0);
    solo_close(&solo);
}

static void whose_turn_it_is_campaigns_at_once_and_asks_first(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 3);
    solo_append(&solo, 2, 5, 1, 1, 1, (uint64_t[]){5}, 1);
    solo_pass(&solo, 1);
    struct pit_raft_note note = {.kind = PIT_RAFT_NOTE_TAKE_OVER, .words = {5, 1}};
    pit_consensus_receive(solo.consensus, 3, &note, sizeof note); /* node 3 does not lead */
    note.words[0] = 4;
    pit_consensus_receive(solo.consensus, 2, &note, sizeof note); /* of an older term */
    solo_pass(&solo, 50);
    assert_int_equal(state().role, PIT_CONSENSUS_FOLLOWER);
    assert_int_equal(state().leader, 2);
    note.words[0] = 5;
    pit_consensus_receive(solo.consensus, 2, &note, sizeof note);
    solo_append(&solo, 2, 5, 2, 5, 2, NULL, 0); /* late */
    solo_pass(&solo, 25);
    assert_int_equal(state().role, PIT_CONSENSUS_CANDIDATE);
    const struct raft_request_vote *request = &solo_last(&solo, 3, RAFT_IO_REQUEST_VOTE)->message.request_vote;
    assert_true(request->pre_vote);
    assert_false(request->disrupt_leader);
    assert_int_equal(request->term, 6);
    solo_close(&solo);
}

static void the_others_forget_that_there_is_a_leader(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 3);
    solo_append(&solo, 2, 5, 1, 1, 1, (uint64_t[]){5}, 1);
    solo_pass(&solo, 1);
    struct raft_message vote = {.type = RAFT_IO_REQUEST_VOTE};
    vote.request_vote = (struct raft_request_vote){
        .term = 6, .candidate_id = 3, .last_log_index = 2, .last_log_term = 5, .pre_vote = true};
    solo_hear(&solo, 3, &vote);
    assert_false(solo_last(&solo, 3, RAFT_IO_REQUEST_VOTE_RESULT)->message.request_vote_result.vote_granted);
    struct pit_raft_note note = {.kind = PIT_RAFT_NOTE_TAKE_OVER, .words = {5, 3}};
    pit_consensus_receive(solo.consensus, 2, &note, sizeof note);
    assert_int_equal(state().leader, 0);
    solo_hear(&solo, 3, &vote);
    assert_true(solo_last(&solo, 3, RAFT_IO_REQUEST_VOTE_RESULT)->message.request_vote_result.vote_granted);
    solo_pass(&solo, 100);
    assert_int_equal(state().role, PIT_CONSENSUS_FOLLOWER); /* it is not its turn */
    solo_close(&solo);
}

/* A leader that nobody hears: for how long may it take orders? */
static void a_leader_without_a_majority_serves_nobody_after_two_timeouts(void **unused)
{
    (void)unused;
    uint64_t term = lead(5);
    for (int i = 0; i < 100; i++) {
        solo_pass(&solo, 10);
        solo_acknowledge(&solo, 2, term, 2);
        solo_acknowledge(&solo, 3, term, 2);
    }
    assert_true(state().ready);
    for (int i = 0; i < 31; i++) { /* 310 ms, of which two timeouts are 300; one is no majority of five with it */
        solo_pass(&solo, 10);
        solo_acknowledge(&solo, 2, term, 2);
    }
    assert_false(state().ready);
    assert_int_equal(state().role == PIT_CONSENSUS_LEADER, 0);
    assert_int_equal(propose(), -EPERM);
    solo_close(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_ready_leader_hands_over_and_to_another),
        cmocka_unit_test(it_waits_until_the_other_has_everything),
        cmocka_unit_test(it_leads_on_when_the_other_does_not_get_there),
        cmocka_unit_test(whose_turn_it_is_campaigns_at_once_and_asks_first),
        cmocka_unit_test(the_others_forget_that_there_is_a_leader),
        cmocka_unit_test(a_leader_without_a_majority_serves_nobody_after_two_timeouts),
    };
    return cmocka_run_group_tests_name("consensus_transfer", tests, NULL, NULL);
}
