/* test/stages/test_resume.c - no request of a session that resumes is done twice, and each is answered. */
#include "rig.h"

#include <string.h>

static void send_order(struct rig *rig, int client, uint32_t request)
{
    const struct pit_message order = rig_new(request, 0);
    fake_send(rig->fake, client, &order);
}

static void send_orders(struct rig *rig, int client, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        send_order(rig, client, first + i);
    rig_settle(rig);
}

static void send_kind(struct rig *rig, int client, enum pit_message_kind kind)
{
    const struct pit_message message = rig_message(kind);
    fake_send(rig->fake, client, &message);
    rig_settle(rig);
}

/* Logged on and resumed; the account's last request was that. */
static int resume(struct rig *rig, uint32_t account, uint32_t last)
{
    const int client = rig_logon(rig, account);
    send_kind(rig, client, PIT_MESSAGE_RESUME);
    const struct pit_message resumed = rig_expect(rig, client, PIT_MESSAGE_RESUMED);
    assert_int_equal(resumed.request, last);
    assert_int_equal(resumed.window, PIT_RESULTS_WINDOW);
    return client;
}

static void match_all(struct rig *rig)
{
    do
        rig_settle(rig);
    while (rig_match(rig, 100));
    rig_settle(rig);
}

static void expect_accepted(struct rig *rig, int client, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, first + i);
    rig_expect_nothing(rig, client);
}

static void expect_result(struct rig *rig, int client, uint32_t request, uint8_t outcome, enum pit_reason reason,
                          uint64_t sequence)
{
    const struct pit_message result = rig_expect(rig, client, PIT_MESSAGE_RESULT);
    assert_int_equal(result.request, request);
    assert_int_equal(result.outcome, outcome);
    assert_int_equal(result.reason, reason);
    assert_int_equal(result.sequence, sequence);
    assert_int_equal(result.order_id, outcome == PIT_MESSAGE_ACCEPTED ? sequence : 0);
    assert_int_equal(result.open, outcome == PIT_MESSAGE_ACCEPTED ? 7 : 0);
}

static uint64_t commands(const struct rig *rig)
{
    return pit_gateway_counters(rig->gateway)->commands;
}

/* The connection breaks before the reports are read; the orders come again in a new session. */
static void repeated_requests_are_answered_not_done(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int client = resume(rig, 1, 0);
    send_orders(rig, client, 1, 5);
    rig->fake->handles[client].broken = true;
    match_all(rig);
    client = resume(rig, 1, 5);
    send_orders(rig, client, 3, 4); /* 3, 4, 5 again, and 6 */
    match_all(rig);
    assert_int_equal(commands(rig), 6);
    for (uint32_t request = 3; request <= 5; request++)
        expect_result(rig, client, request, PIT_MESSAGE_ACCEPTED, PIT_REASON_NONE, request);
    expect_accepted(rig, client, 6, 1);
    assert_int_equal(pit_gateway_counters(rig->gateway)->repeats, 3);
    assert_int_equal(pit_egress_counters(rig->egress)->repeats, 3);
    rig_destroy(rig);
}

/* As many as are kept, at once, and more than a small outbox holds: who takes them gets them all. */
static void all_that_is_kept_comes_through_a_small_outbox(void **state)
{
    (void)state;
    const uint64_t sequence = UINT64_C(1) << 60; /* numbers that take much room */
    const uint32_t request = UINT32_C(1) << 30, count = PIT_RESULTS_WINDOW - 1;
    struct rig *rig = rig_create(&(struct rig_options){.first = sequence, .outbox_bytes = PIT_EGRESS_OUTBOX_BYTES_MIN});
    int client = resume(rig, 1, 0);
    for (uint32_t i = 0; i < count; i++) {
        send_order(rig, client, request + i);
        match_all(rig);
    }
    rig->fake->handles[client].broken = true;
    client = resume(rig, 1, request + count - 1);
    send_orders(rig, client, request, count);
    match_all(rig);
    for (uint32_t i = 0; i < count; i++)
        expect_result(rig, client, request + i, PIT_MESSAGE_ACCEPTED, PIT_REASON_NONE, sequence + i);
    assert_int_equal(pit_egress_counters(rig->egress)->sessions_slow, 0);
    rig_destroy(rig);
}

/* A session whose commands are still being matched is waited for: RESUMED and RESULT know of them. */
static void older_session_is_heard_out_first(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    const int older = resume(rig, 1, 0);
    send_orders(rig, older, 1, 3);
    const int client = rig_connect(rig);
    struct pit_message logon = rig_message(PIT_MESSAGE_LOGON);
    fake_send(rig->fake, client, &logon);
    send_kind(rig, client, PIT_MESSAGE_RESUME);
    send_orders(rig, client, 1, 4); /* without waiting for anything */
    rig_expect_nothing(rig, client);
    match_all(rig);
    for (uint32_t request = 1; request <= 3; request++)
        assert_int_equal(rig_expect(rig, older, PIT_MESSAGE_ACCEPTED).request, request);
    rig_expect_bye(rig, older, PIT_REASON_REQUESTED);
    rig_expect(rig, client, PIT_MESSAGE_WELCOME);
    for (uint32_t i = 0; i < RIG_SYMBOLS; i++)
        rig_expect(rig, client, PIT_MESSAGE_SYMBOL);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_RESUMED).request, 3);
    for (uint32_t request = 1; request <= 3; request++)
        expect_result(rig, client, request, PIT_MESSAGE_ACCEPTED, PIT_REASON_NONE, request);
    expect_accepted(rig, client, 4, 1);
    assert_int_equal(commands(rig), 4);
    rig_destroy(rig);
}

/* The answer to a request of the same session may still be due: the repeat waits for it, and what follows with it. */
static void repeat_in_the_same_session_waits_for_the_answer(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    const int client = resume(rig, 1, 0);
    send_orders(rig, client, 1, 2);
    send_order(rig, client, 1);
    send_orders(rig, client, 3, 1);
    rig_expect_nothing(rig, client);
    assert_int_equal(commands(rig), 2);
    match_all(rig);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, 1);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, 2);
    expect_result(rig, client, 1, PIT_MESSAGE_ACCEPTED, PIT_REASON_NONE, 1);
    expect_accepted(rig, client, 3, 1);
    rig_destroy(rig);
}

static void number_that_was_passed_over_is_told_as_such(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int client = resume(rig, 1, 0);
    send_orders(rig, client, 10, 1);
    send_orders(rig, client, 12, 1);
    match_all(rig);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, 10);
    expect_accepted(rig, client, 12, 1);
    send_orders(rig, client, 11, 1);
    expect_result(rig, client, 11, PIT_MESSAGE_REJECTED, PIT_REASON_NOT_TAKEN, 0);
    fake_finish(rig->fake, client);
    rig_settle(rig);
    client = resume(rig, 1, 12);
    send_orders(rig, client, 11, 1);
    expect_result(rig, client, 11, PIT_MESSAGE_REJECTED, PIT_REASON_NOT_TAKEN, 0);
    assert_int_equal(commands(rig), 2);
    rig_destroy(rig);
}

/* Results leave the window; then nobody knows. */
static void result_that_is_not_kept_any_more_is_told_as_such(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int client = resume(rig, 1, 0);
    for (uint32_t first = 1; first <= 300; first += 100) {
        send_orders(rig, client, first, 100);
        match_all(rig);
        expect_accepted(rig, client, first, 100);
    }
    fake_finish(rig->fake, client);
    rig_settle(rig);
    client = resume(rig, 1, 300);
    send_orders(rig, client, 44, 2);
    expect_result(rig, client, 44, 0, PIT_REASON_NOT_KEPT, 0);
    expect_result(rig, client, 45, PIT_MESSAGE_ACCEPTED, PIT_REASON_NONE, 45);
    assert_int_equal(commands(rig), 300);
    rig_destroy(rig);
}

/* What the gateway refuses was not taken: the number may come again, unless a later one was taken. */
static void refused_number_may_be_used_again(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    const int client = resume(rig, 1, 0);
    struct pit_message stranger = rig_new(1, 99);
    fake_send(rig->fake, client, &stranger);
    rig_settle(rig);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_REJECTED).reason, PIT_REASON_UNKNOWN_SYMBOL);
    send_orders(rig, client, 1, 1);
    match_all(rig);
    expect_accepted(rig, client, 1, 1);

    stranger.request = 2;
    fake_send(rig->fake, client, &stranger);
    send_orders(rig, client, 3, 1);
    match_all(rig);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_REJECTED).request, 2);
    expect_accepted(rig, client, 3, 1);
    send_orders(rig, client, 2, 1);
    expect_result(rig, client, 2, PIT_MESSAGE_REJECTED, PIT_REASON_NOT_TAKEN, 0);
    assert_int_equal(commands(rig), 2);
    rig_destroy(rig);
}

/* No refusal may say of a request that was done that it was not. */
static void repeats_are_never_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.limits = {.rate_max = 4}});
    int client = resume(rig, 1, 0);
    send_orders(rig, client, 1, 2);
    match_all(rig);
    fake_finish(rig->fake, client);
    rig_settle(rig);
    client = resume(rig, 1, 2);
    pit_sequence_store(&rig->intake, PIT_INTAKE_NONE);
    struct pit_message bad = rig_new(1, 99); /* it is not looked at again */
    bad.price = INT64_MAX;
    for (uint32_t i = 0; i < 4; i++)
        fake_send(rig->fake, client, &bad);
    send_orders(rig, client, 1, 4);
    for (uint32_t i = 0; i < 4; i++)
        expect_result(rig, client, 1, PIT_MESSAGE_ACCEPTED, PIT_REASON_NONE, 1);
    expect_result(rig, client, 1, PIT_MESSAGE_ACCEPTED, PIT_REASON_NONE, 1);
    expect_result(rig, client, 2, PIT_MESSAGE_ACCEPTED, PIT_REASON_NONE, 2);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_REJECTED).reason, PIT_REASON_THROTTLED);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_REJECTED).reason, PIT_REASON_THROTTLED);
    rig_expect_nothing(rig, client);

    /* The same while the pipeline stops; after the goodbye there is silence. */
    rig_phase(rig, PIT_PHASE_DRAIN);
    send_orders(rig, client, 2, 1);
    expect_result(rig, client, 2, PIT_MESSAGE_ACCEPTED, PIT_REASON_NONE, 2);
    rig_expect_bye(rig, client, PIT_REASON_SHUTTING_DOWN);
    rig_destroy(rig);
}

static void session_that_does_not_resume_is_as_ever(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    const int client = rig_logon(rig, 1);
    send_orders(rig, client, 5, 1);
    send_orders(rig, client, 5, 1);
    send_orders(rig, client, 2, 1);
    match_all(rig);
    assert_int_equal(commands(rig), 3);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, 5);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, 5);
    expect_accepted(rig, client, 2, 1);
    rig_destroy(rig);
}

static void resume_comes_once_and_first(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int client = resume(rig, 1, 0);
    send_kind(rig, client, PIT_MESSAGE_RESUME);
    rig_expect_bye(rig, client, PIT_REASON_BAD_REQUEST);
    client = rig_logon(rig, 1);
    send_orders(rig, client, 1, 1);
    send_kind(rig, client, PIT_MESSAGE_RESUME);
    match_all(rig);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, 1);
    rig_expect_bye(rig, client, PIT_REASON_BAD_REQUEST);
    rig_destroy(rig);
}

static void numbers_go_round_at_the_gateway(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int client = resume(rig, 1, 0);
    send_orders(rig, client, UINT32_MAX - 1, 2);
    send_orders(rig, client, 1, 1);
    match_all(rig);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, UINT32_MAX - 1);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, UINT32_MAX);
    expect_accepted(rig, client, 1, 1);
    fake_finish(rig->fake, client);
    rig_settle(rig);
    client = resume(rig, 1, 1);
    send_orders(rig, client, UINT32_MAX, 1);
    expect_result(rig, client, UINT32_MAX, PIT_MESSAGE_ACCEPTED, PIT_REASON_NONE, 2);
    rig_destroy(rig);
}

/* Results are kept of so many accounts, those with the lowest numbers. */
static void account_of_which_nothing_is_kept_cannot_resume(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.results_accounts = 2});
    for (uint32_t account = 5; account <= 6; account++) {
        const int client = resume(rig, account, 0);
        send_orders(rig, client, 1, 1);
        match_all(rig);
        expect_accepted(rig, client, 1, 1);
    }
    const int refused = rig_logon(rig, 7);
    send_kind(rig, refused, PIT_MESSAGE_RESUME);
    rig_expect_bye(rig, refused, PIT_REASON_OVERLOADED);
    resume(rig, 4, 0);
    rig_destroy(rig);
}

/* A client that sends anything again and again, over many sessions: each number is done at most once, and each that was
 * done is answered the same. */
static void nothing_is_done_twice_whatever_is_sent(void **state)
{
    (void)state;
    uint64_t random = rig_seed();
    struct rig *rig = rig_create(&(struct rig_options){0});
    uint64_t done[4000] = {0}; /* by request: the sequence it was answered with */
    uint32_t top = 0, last = 0;
    int client = resume(rig, 1, 0);
    for (uint32_t round = 0; round < 1500; round++) {
        const uint32_t back = (uint32_t)(rig_random(&random) % 40);
        uint32_t request = top > back ? top - back : 1;
        for (uint64_t n = rig_random(&random) % 20; n > 0; n--, request += rig_random(&random) % 8 ? 1 : 2) {
            send_order(rig, client, request);
            top = request > top ? request : top;
        }
        for (uint64_t n = rig_random(&random) % 4; n > 0; n--) {
            rig_settle(rig);
            rig_match(rig, (uint32_t)(rig_random(&random) % 10));
        }
        struct pit_message answer;
        while (fake_receive(rig->fake, client, &answer)) {
            if (answer.kind == PIT_MESSAGE_RESULT && answer.outcome != PIT_MESSAGE_ACCEPTED) {
                assert_int_equal(done[answer.request], 0);
                continue;
            }
            assert_true(answer.request < 4000);
            assert_true(answer.kind == PIT_MESSAGE_RESULT
                            ? done[answer.request] == 0 || done[answer.request] == answer.sequence
                            : done[answer.request] == 0);
            done[answer.request] = answer.sequence;
            last = pit_request_after(answer.request, last) ? answer.request : last;
        }
        if (rig_random(&random) % 10 == 0) {
            fake_finish(rig->fake, client);
            match_all(rig);
            client = rig_logon(rig, 1);
            send_kind(rig, client, PIT_MESSAGE_RESUME);
            top = rig_expect(rig, client, PIT_MESSAGE_RESUMED).request;
            assert_false(pit_request_after(last, top));
        }
        if (top > 3900)
            break;
    }
    assert_true(top > 1000);
    match_all(rig);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeated_requests_are_answered_not_done),
        cmocka_unit_test(all_that_is_kept_comes_through_a_small_outbox),
        cmocka_unit_test(older_session_is_heard_out_first),
        cmocka_unit_test(repeat_in_the_same_session_waits_for_the_answer),
        cmocka_unit_test(number_that_was_passed_over_is_told_as_such),
        cmocka_unit_test(result_that_is_not_kept_any_more_is_told_as_such),
        cmocka_unit_test(refused_number_may_be_used_again),
        cmocka_unit_test(repeats_are_never_refused),
        cmocka_unit_test(session_that_does_not_resume_is_as_ever),
        cmocka_unit_test(resume_comes_once_and_first),
        cmocka_unit_test(numbers_go_round_at_the_gateway),
        cmocka_unit_test(account_of_which_nothing_is_kept_cannot_resume),
        cmocka_unit_test(nothing_is_done_twice_whatever_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
