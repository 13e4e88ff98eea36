/* test/cluster/test_consensus_turn.c - one engine that follows, and whose leader is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "test/cluster/solo.h"

static struct solo solo;

static struct pit_consensus_state state(void)
{
    return pit_consensus_state(solo.consensus);
}

/* Node of so many follows node 2 in term 5. */
static void follow(uint32_t node, uint32_t nodes)
{
    solo_open(&solo, node, nodes);
    solo_append(&solo, 2, 5, 1, 1, 1, (uint64_t[]){5}, 1);
    solo_pass(&solo, 1);
    assert_int_equal(state().leader, 2);
}

/* Whether it would vote for a node that has everything. */
static bool would_vote(uint32_t candidate)
{
    struct raft_message vote = {.type = RAFT_IO_REQUEST_VOTE};
    vote.request_vote = (struct raft_request_vote){
        .term = 6, .candidate_id = candidate, .last_log_index = 2, .last_log_term = 5, .pre_vote = true};
    solo_hear(&solo, candidate, &vote);
    return solo_last(&solo, candidate, RAFT_IO_REQUEST_VOTE_RESULT)->message.request_vote_result.vote_granted;
}

/* How long it follows from now on. */
static uint64_t follows_ms(void)
{
    uint64_t milliseconds = 0;
    for (; state().role == PIT_CONSENSUS_FOLLOWER && milliseconds < 1000; milliseconds++)
        solo_pass(&solo, 1);
    return milliseconds;
}

static void followers_of_a_leader_that_is_gone_ask_one_after_the_other(void **unused)
{
    (void)unused;
    static const uint32_t places[][3] = {{3, 3, 1}, {1, 3, 2}, {3, 5, 1}, {4, 5, 2}, {5, 5, 3}, {1, 5, 4}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        follow(places[i][0], places[i][1]);
        pit_consensus_lost(solo.consensus, 2);
        assert_int_equal(state().leader, 0);
        uint64_t waited = follows_ms(), turn = places[i][2] * 150 / 6;
        assert_in_range(waited, turn, turn + 10); /* it looks each 10 ms */
        const struct raft_request_vote *request =
            &solo_last(&solo, places[i][0] == 1 ? 3 : 1, RAFT_IO_REQUEST_VOTE)->message.request_vote;
        assert_true(request->pre_vote);
        assert_false(request->disrupt_leader);
        solo_close(&solo);
    }
}

static void a_leader_that_is_heard_again_leads_on(void **unused)
{
    (void)unused;
    follow(3, 3);
    pit_consensus_lost(solo.consensus, 2);
    solo_pass(&solo, 10);
    solo_append(&solo, 2, 5, 2, 5, 2, NULL, 0);
    assert_int_equal(state().leader, 2);
    assert_true(follows_ms() >= 150);
    solo_close(&solo);
}

static void only_the_leaders_going_counts_and_only_for_those_who_follow(void **unused)
{
    (void)unused;
    follow(3, 3);
    pit_consensus_lost(solo.consensus, 1);
    pit_consensus_lost(solo.consensus, 3);
    pit_consensus_lost(solo.consensus, 0);
    pit_consensus_lost(solo.consensus, 9);
    assert_int_equal(state().leader, 2);
    assert_true(follows_ms() >= 150);
    solo_close(&solo);
    solo_open(&solo, 1, 3);
    uint64_t term = solo_elect(&solo);
    pit_consensus_lost(solo.consensus, 1);
    pit_consensus_lost(solo.consensus, 2);
    solo_pass(&solo, 100);
    assert_int_equal(state().role, PIT_CONSENSUS_LEADER);
    assert_int_equal(state().term, term);
    solo_close(&solo);
}

/* In its turn it is somebody else's follower already. */
static void a_turn_is_over_with_its_term(void **unused)
{
    (void)unused;
    follow(1, 3);
    pit_consensus_lost(solo.consensus, 2);
    solo_pass(&solo, 10);
    struct raft_message vote = {.type = RAFT_IO_REQUEST_VOTE};
    vote.request_vote =
        (struct raft_request_vote){.term = 6, .candidate_id = 3, .last_log_index = 2, .last_log_term = 5};
    solo_hear(&solo, 3, &vote);
    assert_true(solo_last(&solo, 3, RAFT_IO_REQUEST_VOTE_RESULT)->message.request_vote_result.vote_granted);
    assert_true(follows_ms() >= 140);
    solo_close(&solo);
}

static uint32_t asked(uint32_t to)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < solo.sent_count; i++)
        count += solo.sent[i].to == to && solo.sent[i].message.type == RAFT_IO_REQUEST_VOTE;
    return count;
}

static void who_gets_no_answer_asks_again_soon(void **unused)
{
    (void)unused;
    follow(3, 3);
    pit_consensus_lost(solo.consensus, 2);
    follows_ms();
    assert_int_equal(asked(1), 1);
    solo_pass(&solo, 150 / 2 + 3 * 150 / 12 - 10);
    assert_int_equal(asked(1), 1);
    solo_pass(&solo, 20);
    assert_int_equal(asked(1), 2);
    const struct raft_request_vote *request = &solo_last(&solo, 1, RAFT_IO_REQUEST_VOTE)->message.request_vote;
    assert_true(request->pre_vote);
    assert_int_equal(request->term, 6);
    assert_int_equal(state().term, 5);
    /* A vote that is asked for takes its time: that is how votes that were split do not get split again. */
    struct raft_message yes = {.type = RAFT_IO_REQUEST_VOTE_RESULT};
    yes.request_vote_result =
        (struct raft_request_vote_result){.term = 6, .vote_granted = true, .pre_vote = raft_tribool_true};
    solo_hear(&solo, 1, &yes);
    assert_int_equal(state().term, 6);
    assert_int_equal(asked(1), 3);
    solo_pass(&solo, 145);
    assert_int_equal(asked(1), 3);
    solo_close(&solo);
}

static void nobody_is_refused_for_the_sake_of_a_leader_that_is_gone(void **unused)
{
    (void)unused;
    follow(1, 3);
    assert_false(would_vote(3));
    pit_consensus_lost(solo.consensus, 2);
    assert_true(would_vote(3));
    solo_close(&solo);
}

static void nor_for_one_that_has_been_silent_for_an_election_timeout(void **unused)
{
    (void)unused;
    follow(1, 3);
    solo_pass(&solo, 140);
    assert_false(would_vote(3));
    solo_pass(&solo, 10);
    assert_int_equal(state().role, PIT_CONSENSUS_FOLLOWER);
    assert_true(would_vote(3));
    solo_append(&solo, 2, 5, 2, 5, 2, NULL, 0); /* it leads on all the same */
    assert_int_equal(state().leader, 2);
    assert_false(would_vote(3));
    solo_close(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(followers_of_a_leader_that_is_gone_ask_one_after_the_other),
        cmocka_unit_test(a_leader_that_is_heard_again_leads_on),
        cmocka_unit_test(only_the_leaders_going_counts_and_only_for_those_who_follow),
        cmocka_unit_test(a_turn_is_over_with_its_term),
        cmocka_unit_test(who_gets_no_answer_asks_again_soon),
        cmocka_unit_test(nobody_is_refused_for_the_sake_of_a_leader_that_is_gone),
        cmocka_unit_test(nor_for_one_that_has_been_silent_for_an_election_timeout),
    };
    return cmocka_run_group_tests_name("consensus_turn", tests, NULL, NULL);
}
