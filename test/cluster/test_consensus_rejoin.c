/* test/cluster/test_consensus_rejoin.c - one engine that has lost its log, and one that leads such a node. */
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

static void rejoin(void)
{
    struct pit_consensus_options options = solo_options(&solo, 1, 3);
    struct pit_error error;
    solo = (struct solo){.now_ns = 1000000000};
    options.begin = false;
    options.rejoin = true;
    assert_int_equal(pit_consensus_open(&solo.consensus, &options, &error), 0);
    assert_true(state().rejoining);
    solo_pass(&solo, 20);
}

static void tell(uint32_t from, uint64_t life, uint64_t term, bool leads, uint64_t committed)
{
    struct pit_raft_note note = {.kind = PIT_RAFT_NOTE_TOLD, .words = {life, term, leads, committed}};
    pit_consensus_receive(solo.consensus, from, &note, sizeof note);
}

static uint64_t life(void)
{
    assert_int_equal(solo.note.kind, PIT_RAFT_NOTE_BEGUN);
    return solo.note.words[0];
}

static void is_asked_for(void **unused)
{
    (void)unused;
    struct pit_consensus *consensus;
    struct pit_error error;
    solo = (struct solo){0};
    struct pit_consensus_options options = solo_options(&solo, 1, 3);
    options.rejoin = true;
    assert_int_equal(pit_consensus_open(&consensus, &options, &error), -EINVAL); /* begins, too */
    options.begin = false;
    solo.term = 3; /* a log that has lost its entries, and not its vote */
    solo.vote = 2;
    assert_int_equal(pit_consensus_open(&consensus, &options, &error), -EBADMSG);
    rejoin();
    assert_int_equal(solo.vote, PIT_CONSENSUS_REJOINING);
    solo_close(&solo);
    options.rejoin = false; /* it goes on with that when it starts again */
    assert_int_equal(pit_consensus_open(&solo.consensus, &options, &error), 0);
    assert_true(state().rejoining);
    solo_close(&solo);
}

static void votes_for_nobody_and_does_not_campaign(void **unused)
{
    (void)unused;
    rejoin();
    solo_pass(&solo, 5000);
    assert_int_equal(state().role, PIT_CONSENSUS_FOLLOWER);
    assert_null(solo_last(&solo, 2, RAFT_IO_REQUEST_VOTE));
    struct raft_message vote = {.type = RAFT_IO_REQUEST_VOTE};
    vote.request_vote =
        (struct raft_request_vote){.term = 9, .candidate_id = 2, .last_log_index = 9, .last_log_term = 8};
    solo_hear(&solo, 2, &vote);
    vote.request_vote.pre_vote = true;
    solo_hear(&solo, 2, &vote);
    assert_null(solo_last(&solo, 2, RAFT_IO_REQUEST_VOTE_RESULT));
    assert_int_equal(state().term, 1);
    solo_close(&solo);
}

static void acknowledges_what_is_committed_and_no_more(void **unused)
{
    (void)unused;
    rejoin();
    solo_append(&solo, 2, 5, 1, 1, 2, (uint64_t[]){5, 5, 5}, 3);
    solo_pass(&solo, 1);
    const struct raft_append_entries_result *result =
        &solo_last(&solo, 2, RAFT_IO_APPEND_ENTRIES_RESULT)->message.append_entries_result;
    assert_int_equal(result->rejected, 0);
    assert_int_equal(result->last_log_index, 2);
    assert_int_equal(solo.count, 4);
    assert_int_equal(solo.vote, PIT_CONSENSUS_REJOINING); /* in term 5, too */
    solo_close(&solo);
}

static void takes_part_when_everybody_has_answered_and_it_has_everything(void **unused)
{
    (void)unused;
    rejoin();
    solo_append(&solo, 2, 5, 1, 1, 3, (uint64_t[]){5, 5, 5}, 3);
    solo_pass(&solo, 1);
    tell(2, life() + 1, 5, true, 4); /* an answer to somebody else */
    tell(3, life() + 1, 5, false, 0);
    tell(2, life(), 5, true, 4);
    solo_append(&solo, 2, 5, 4, 5, 4, NULL, 0);
    assert_int_equal(state().committed, 4);
    assert_true(state().rejoining); /* node 3 may know of somebody who leads in a later term */
    tell(3, life(), 6, false, 4);
    assert_true(state().rejoining); /* and does */
    solo_append(&solo, 3, 7, 4, 5, 4, (uint64_t[]){7}, 1);
    solo_pass(&solo, 1);
    tell(3, life(), 7, true, 5);
    assert_true(state().rejoining);
    solo_append(&solo, 3, 7, 5, 7, 5, NULL, 0);
    assert_false(state().rejoining);
    assert_int_equal(solo.term, 7);
    assert_int_equal(solo.vote, 3);
    /* From now on like others. */
    solo_append(&solo, 3, 7, 5, 7, 5, (uint64_t[]){7}, 1);
    solo_pass(&solo, 1);
    assert_int_equal(solo_last(&solo, 3, RAFT_IO_APPEND_ENTRIES_RESULT)->message.append_entries_result.last_log_index,
                     6);
    solo_pass(&solo, 500);
    assert_int_equal(state().role, PIT_CONSENSUS_CANDIDATE);
    solo_close(&solo);
}

static void a_leader_forgets_what_such_a_node_had_acknowledged(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 3);
    uint64_t term = solo_elect(&solo);
    solo_pass(&solo, 1);
    solo_acknowledge(&solo, 2, term, 2);
    solo_acknowledge(&solo, 3, term, 2);
    assert_true(state().ready);
    solo.stalled = true;
    uint64_t payload = 77;
    assert_int_equal(pit_consensus_propose(solo.consensus, &payload, 8, 1), 0);
    solo_acknowledge(&solo, 3, term, 3); /* it has it, and loses it */
    struct pit_raft_note note = {.kind = PIT_RAFT_NOTE_BEGUN, .words = {99}};
    pit_consensus_receive(solo.consensus, 3, &note, sizeof note);
    assert_int_equal(solo.note.kind, PIT_RAFT_NOTE_TOLD);
    assert_int_equal(solo.note.words[0], 99);
    assert_int_equal(solo.note.words[1], term);
    assert_int_equal(solo.note.words[2], 1);
    assert_int_equal(solo.note.words[3], 2);
    solo.stalled = false;
    solo_pass(&solo, 20);
    assert_int_equal(state().committed, 2);
    solo_acknowledge(&solo, 3, term, 1); /* what it says in this life counts */
    solo_acknowledge(&solo, 3, term, 3);
    assert_int_equal(state().committed, 3);
    pit_consensus_receive(solo.consensus, 3, &note, sizeof note); /* the same life: nothing is forgotten */
    assert_int_equal(pit_consensus_propose(solo.consensus, &payload, 8, 1), 0);
    solo_acknowledge(&solo, 3, term, 4);
    pit_consensus_receive(solo.consensus, 3, &note, sizeof note);
    solo_pass(&solo, 1);
    assert_int_equal(state().committed, 4);
    solo_close(&solo);
}

static void who_asks_in_an_old_term_learns_of_the_new_one(void **unused)
{
    (void)unused;
    solo_open(&solo, 1, 3);
    struct raft_message vote = {.type = RAFT_IO_REQUEST_VOTE};
    vote.request_vote =
        (struct raft_request_vote){.term = 6, .candidate_id = 3, .last_log_index = 1, .last_log_term = 1};
    solo_hear(&solo, 3, &vote);
    assert_int_equal(state().term, 6);
    vote.request_vote = (struct raft_request_vote){
        .term = 5, .candidate_id = 2, .last_log_index = 9, .last_log_term = 4, .pre_vote = true};
    solo_hear(&solo, 2, &vote);
    const struct raft_request_vote_result *result =
        &solo_last(&solo, 2, RAFT_IO_REQUEST_VOTE_RESULT)->message.request_vote_result;
    assert_false(result->vote_granted);
    assert_int_equal(result->term, 6);
    solo_close(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_asked_for),
        cmocka_unit_test(votes_for_nobody_and_does_not_campaign),
        cmocka_unit_test(acknowledges_what_is_committed_and_no_more),
        cmocka_unit_test(takes_part_when_everybody_has_answered_and_it_has_everything),
        cmocka_unit_test(a_leader_forgets_what_such_a_node_had_acknowledged),
        cmocka_unit_test(who_asks_in_an_old_term_learns_of_the_new_one),
    };
    return cmocka_run_group_tests_name("consensus_rejoin", tests, NULL, NULL);
}
