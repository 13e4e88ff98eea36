/* test/stages/test_gateway_node.c - gateway and egress of a cluster's node: clients are let on only while it leads. */
#include <string.h>

#include "rig.h"

static struct rig *make_rig(void)
{
    return rig_create(&(struct rig_options){.node = true});
}

/* The node leads, and has proved it once and for all; up to a sequence, all is in its log. */
static void lead(struct rig *rig, uint64_t epoch, uint64_t sequence)
{
    pit_word_store_relaxed(&rig->node.proved_sequence, sequence);
    pit_word_store_release(&rig->node.proved, UINT64_MAX);
    pit_word_store_release(&rig->node.leads, epoch);
    rig_settle(rig);
}

/* What a client hears that logs on where it cannot. */
static void expect_redirected(struct rig *rig, const char *address)
{
    int client = rig_connect(rig);
    struct pit_message logon = rig_message(PIT_MESSAGE_LOGON);
    fake_send(rig->fake, client, &logon);
    rig_settle(rig);
    struct pit_message bye = rig_expect(rig, client, PIT_MESSAGE_BYE);
    assert_int_equal(bye.reason, PIT_REASON_NOT_LEADER);
    assert_string_equal(bye.text, address);
    assert_true(rig_closed(rig, client));
}

static void send_new(struct rig *rig, int client, uint32_t request)
{
    struct pit_message order = rig_new(request, 0);
    fake_send(rig->fake, client, &order);
    rig_settle(rig);
}

static void node_that_follows_tells_who_leads(void **state)
{
    (void)state;
    struct rig *rig = make_rig();
    rig_settle(rig);
    expect_redirected(rig, "");
    pit_word_store_relaxed(&rig->node.leader, 3);
    expect_redirected(rig, "unix:/third");
    pit_word_store_relaxed(&rig->node.leader, 1);
    expect_redirected(rig, "unix:/first");
    assert_int_equal(pit_gateway_counters(rig->gateway)->redirected, 3);
    rig_destroy(rig);
}

static void node_that_leads_takes_orders_and_says_from_where_on(void **state)
{
    (void)state;
    struct rig *rig = make_rig();
    lead(rig, 1, 0);
    assert_int_equal(rig->intakes.epoch, 1);
    assert_int_equal(rig->intakes.first, 1);
    int client = rig_logon(rig, 1);
    send_new(rig, client, 1);
    assert_int_equal(rig_match(rig, 10), 1);
    rig_settle(rig);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, 1);
    lead(rig, 2, 1);
    assert_int_equal(rig->intakes.epoch, 2);
    assert_int_equal(rig->intakes.first, 2);
    rig_destroy(rig);
}

static void sessions_end_when_the_node_no_longer_leads(void **state)
{
    (void)state;
    struct rig *rig = make_rig();
    lead(rig, 1, 0);
    int first = rig_logon(rig, 1), second = rig_logon(rig, 2);
    send_new(rig, first, 1); /* and nobody ever learns what became of it */
    pit_word_store_relaxed(&rig->node.leader, 2);
    lead(rig, 0, 0);
    for (uint32_t i = 0; i < 2; i++) {
        struct pit_message bye = rig_expect(rig, i ? second : first, PIT_MESSAGE_BYE);
        assert_int_equal(bye.reason, PIT_REASON_NOT_LEADER);
        assert_string_equal(bye.text, "unix:/second");
        assert_true(rig_closed(rig, i ? second : first));
    }
    expect_redirected(rig, "unix:/second");
    rig_destroy(rig);
}

static void sessions_of_an_epoch_end_though_the_next_begins_unnoticed(void **state)
{
    (void)state;
    struct rig *rig = make_rig();
    lead(rig, 1, 0);
    int client = rig_logon(rig, 1);
    send_new(rig, client, 1);
    lead(rig, 3, 0);
    rig_expect_bye(rig, client, PIT_REASON_NOT_LEADER);
    assert_int_equal(rig->intakes.epoch, 3);
    assert_int_equal(rig->intakes.first, 2);
    rig_destroy(rig);
}

static void clients_wait_until_what_was_before_the_epoch_is_told(void **state)
{
    (void)state;
    struct rig *rig = make_rig();
    lead(rig, 1, 0);
    int before = rig_logon(rig, 1);
    send_new(rig, before, 1);
    lead(rig, 0, 0);
    lead(rig, 2, 1); /* that order was committed after all, and is not matched yet */
    int client = rig_connect(rig);
    struct pit_message logon = rig_message(PIT_MESSAGE_LOGON);
    fake_send(rig->fake, client, &logon);
    rig_settle(rig);
    rig_expect_nothing(rig, client);
    assert_int_equal(rig_match(rig, 10), 1);
    rig_settle(rig);
    rig_expect(rig, client, PIT_MESSAGE_WELCOME); /* and no report of an order that is not its own */
    for (uint32_t i = 0; i < RIG_SYMBOLS; i++)
        rig_expect(rig, client, PIT_MESSAGE_SYMBOL);
    rig_expect_nothing(rig, client);
    rig_destroy(rig);
}

/* A client that logs on, and is not waited for. */
static int log_on(struct rig *rig, uint32_t account)
{
    int client = rig_connect(rig);
    struct pit_message logon = rig_message(PIT_MESSAGE_LOGON);
    logon.account = account;
    fake_send(rig->fake, client, &logon);
    rig_settle(rig);
    return client;
}

static void expect_welcome(struct rig *rig, int client)
{
    rig_expect(rig, client, PIT_MESSAGE_WELCOME);
    for (uint32_t i = 0; i < RIG_SYMBOLS; i++)
        rig_expect(rig, client, PIT_MESSAGE_SYMBOL);
}

static void prove(struct rig *rig, uint64_t asked, uint64_t sequence)
{
    pit_word_store_relaxed(&rig->node.proved_sequence, sequence);
    pit_word_store_release(&rig->node.proved, asked);
    rig_settle(rig);
}

/* Whoever was replaced may not know it yet: what it knows is old, and its reports may have been told by another. */
static void logon_waits_for_proof_that_the_node_leads(void **state)
{
    (void)state;
    struct rig *rig = make_rig();
    lead(rig, 1, 0);
    int before = rig_logon(rig, 3);
    assert_int_equal(rig->intakes.asked, 1);
    prove(rig, 1, 0);
    int client = log_on(rig, 1);
    assert_int_equal(rig->intakes.asked, 2);
    int other = log_on(rig, 2);
    assert_int_equal(rig->intakes.asked, 3);
    rig_expect_nothing(rig, client);
    prove(rig, 2, 0);
    expect_welcome(rig, client);
    rig_expect_nothing(rig, other);
    send_new(rig, before, 1);
    prove(rig, 3, 1); /* by then that order was in the log, and it is not matched yet */
    rig_expect_nothing(rig, other);
    prove(rig, 9, 1000); /* a later one, of others */
    assert_int_equal(rig_match(rig, 10), 1);
    rig_settle(rig);
    expect_welcome(rig, other);
    rig_destroy(rig);
}

static void no_proof_is_left_over_for_the_next_epoch(void **state)
{
    (void)state;
    struct rig *rig = make_rig();
    lead(rig, 1, 0);
    prove(rig, 0, 0);
    int client = log_on(rig, 1);
    lead(rig, 0, 0);
    prove(rig, 0, 0);
    rig_expect_bye(rig, client, PIT_REASON_NOT_LEADER);
    lead(rig, 2, 0);
    prove(rig, 0, 0);
    client = log_on(rig, 1);
    prove(rig, 1, 0);
    rig_expect_nothing(rig, client);
    prove(rig, 2, 0);
    expect_welcome(rig, client);
    rig_destroy(rig);
}

static void logout_waits_for_as_many_answers_as_there_were_requests(void **state)
{
    (void)state;
    struct rig *rig = make_rig();
    lead(rig, 1, 0);
    int client = rig_logon(rig, 1);
    for (uint32_t i = 1; i <= 3; i++)
        send_new(rig, client, i);
    struct pit_message logout = {.kind = PIT_MESSAGE_LOGOUT};
    fake_send(rig->fake, client, &logout);
    rig_settle(rig);
    assert_int_equal(rig_match(rig, 2), 2);
    rig_settle(rig);
    for (uint32_t i = 1; i <= 2; i++)
        assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, i);
    rig_expect_nothing(rig, client);
    assert_false(rig_closed(rig, client));
    assert_int_equal(rig_match(rig, 2), 1);
    rig_settle(rig);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, 3);
    rig_expect_bye(rig, client, PIT_REASON_REQUESTED);
    rig_destroy(rig);
}

static void logout_does_not_wait_for_a_node_that_leads_no_more(void **state)
{
    (void)state;
    struct rig *rig = make_rig();
    lead(rig, 1, 0);
    int client = rig_logon(rig, 1);
    send_new(rig, client, 1);
    struct pit_message logout = {.kind = PIT_MESSAGE_LOGOUT};
    fake_send(rig->fake, client, &logout);
    rig_settle(rig);
    rig_expect_nothing(rig, client);
    lead(rig, 0, 0);
    rig_expect_bye(rig, client, PIT_REASON_REQUESTED);
    rig_destroy(rig);
}

static void drain_says_where_the_intake_ends(void **state)
{
    (void)state;
    struct rig *rig = make_rig();
    lead(rig, 1, 0);
    int client = rig_logon(rig, 1);
    send_new(rig, client, 1);
    assert_int_equal(rig->intakes.end, 0);
    rig_phase(rig, PIT_PHASE_DRAIN);
    rig_settle(rig);
    assert_int_equal(rig->intakes.end, 2);
    assert_false(pit_gateway_drained(rig->gateway));
    rig_match(rig, 1);
    rig_settle(rig);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, 1);
    rig_expect_bye(rig, client, PIT_REASON_SHUTTING_DOWN);
    rig_settle(rig);
    assert_true(pit_gateway_drained(rig->gateway));
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(node_that_follows_tells_who_leads),
        cmocka_unit_test(node_that_leads_takes_orders_and_says_from_where_on),
        cmocka_unit_test(sessions_end_when_the_node_no_longer_leads),
        cmocka_unit_test(sessions_of_an_epoch_end_though_the_next_begins_unnoticed),
        cmocka_unit_test(clients_wait_until_what_was_before_the_epoch_is_told),
        cmocka_unit_test(logon_waits_for_proof_that_the_node_leads),
        cmocka_unit_test(no_proof_is_left_over_for_the_next_epoch),
        cmocka_unit_test(logout_waits_for_as_many_answers_as_there_were_requests),
        cmocka_unit_test(logout_does_not_wait_for_a_node_that_leads_no_more),
        cmocka_unit_test(drain_says_where_the_intake_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
