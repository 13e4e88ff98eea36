/* test/stages/test_gateway.c - sessions, logon and what enters the input ring. */
#include "rig.h"

#include <errno.h>
#include <string.h>

static void gateway_puts_startup_commands_first(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.startup = 2, .first = 101, .input_slots = 4});
    struct pit_command command;
    int client = rig_logon(rig, 5);
    struct pit_message order = rig_new(1, 0);
    for (uint32_t i = 0; i < 3; i++)
        fake_send(rig->fake, client, &order);
    rig_settle(rig);
    assert_true(pit_gateway_started(rig->gateway));
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(rig_take(rig, &command));
        assert_int_equal(command.sequence, 101 + i);
        assert_int_equal(command.kind, PIT_COMMAND_SYMBOL);
        assert_int_equal(command.account, 0);
        assert_int_equal(command.symbol, 1 + i);
        assert_int_equal(command.time_ns, RIG_UTC_NS);
        assert_int_equal(pit_command_bytes(&command), 128);
        assert_memory_equal(&command.definition, &rig->symbols[1 + i], sizeof command.definition);
    }
    assert_true(rig_take(rig, &command));
    assert_int_equal(command.kind, PIT_COMMAND_NEW);
    rig_destroy(rig);
}

static void gateway_waits_with_sessions_until_startup_commands_fit(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.startup = 3, .input_slots = 4});
    struct pit_command command;
    for (uint32_t i = 0; i < 3; i++)
        rig_settle(rig);
    assert_true(pit_gateway_started(rig->gateway));
    assert_int_equal(pit_gateway_counters(rig->gateway)->commands, 3);
    assert_true(rig_take(rig, &command));
    rig_destroy(rig);
}

/* Every kind of request, its fields, and zeros where a kind has none. */
static void gateway_turns_requests_into_commands(void **state)
{
    (void)state;
    const struct pit_gateway_account accounts[] = {{.account = 9, .operates = true}};
    struct rig *rig = rig_create(&(struct rig_options){.accounts = accounts, .accounts_count = 1});
    int client = rig_logon(rig, 9);
    struct pit_message messages[6] = {rig_new(1, 2), rig_new(2, 1)};
    messages[1].flags = PIT_COMMAND_MARKET;
    messages[1].tif = PIT_TIF_IOC;
    messages[1].price = 123; /* a market order has no price */
    messages[1].side = PIT_SIDE_BUY;
    for (uint32_t i = 2; i < 6; i++)
        messages[i] = (struct pit_message){.request = i + 1,
                                           .symbol = 1,
                                           .order_id = 77,
                                           .client_id = 88,
                                           .quantity = 5,
                                           .price = 6,
                                           .flags = PIT_COMMAND_POST_ONLY,
                                           .state = PIT_STATE_HALTED};
    messages[2].kind = PIT_MESSAGE_CANCEL;
    messages[3].kind = PIT_MESSAGE_REDUCE;
    messages[4].kind = PIT_MESSAGE_REPLACE;
    messages[5].kind = PIT_MESSAGE_STATE;
    for (uint32_t i = 0; i < 6; i++)
        fake_send(rig->fake, client, &messages[i]);
    rig_settle(rig);
    static const struct pit_command expected[] = {
        {.kind = PIT_COMMAND_NEW,
         .client_id = 1001,
         .price = 500,
         .quantity = 7,
         .symbol = 2,
         .side = PIT_SIDE_SELL,
         .flags = PIT_COMMAND_POST_ONLY},
        {.kind = PIT_COMMAND_NEW,
         .client_id = 1002,
         .quantity = 7,
         .symbol = 1,
         .tif = PIT_TIF_IOC,
         .flags = PIT_COMMAND_MARKET},
        {.kind = PIT_COMMAND_CANCEL, .order_id = 77, .client_id = 88, .symbol = 1},
        {.kind = PIT_COMMAND_REDUCE, .order_id = 77, .client_id = 88, .symbol = 1, .quantity = 5},
        {.kind = PIT_COMMAND_REPLACE,
         .order_id = 77,
         .client_id = 88,
         .symbol = 1,
         .quantity = 5,
         .price = 6,
         .flags = PIT_COMMAND_POST_ONLY},
        {.kind = PIT_COMMAND_STATE, .symbol = 1, .quantity = PIT_STATE_HALTED},
    };
    for (uint32_t i = 0; i < 6; i++) {
        struct pit_command command, wanted = expected[i];
        wanted.sequence = i + 1;
        wanted.time_ns = RIG_UTC_NS;
        wanted.account = 9;
        wanted.request = i + 1;
        assert_true(rig_take(rig, &command));
        assert_memory_equal(&command, &wanted, 64);
    }
    rig_expect_nothing(rig, client);
    rig_destroy(rig);
}

static void gateway_time_never_falls(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.time_ns_min = RIG_UTC_NS + 500});
    int client = rig_logon(rig, 1);
    struct pit_message order = rig_new(1, 0);
    static const int64_t steps[] = {0, 2000, -1500, 600, 5000};
    static const uint64_t expected[] = {500, 2000, 2000, 2000, 6100};
    for (uint32_t i = 0; i < 5; i++) {
        struct pit_command command;
        rig->utc_ns += (uint64_t)steps[i];
        fake_send(rig->fake, client, &order);
        rig_settle(rig);
        assert_true(rig_take(rig, &command));
        assert_int_equal(command.time_ns, RIG_UTC_NS + expected[i]);
    }
    rig_destroy(rig);
}

static void gateway_takes_frames_in_pieces(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int client = rig_logon(rig, 1);
    struct pit_message order = rig_new(1, 0);
    uint8_t frame[PIT_WIRE_FRAME_BYTES_MAX];
    size_t count = pit_message_encode(&order, frame, sizeof frame);
    struct pit_command command;
    for (size_t i = 0; i < count; i++) {
        assert_false(rig_take(rig, &command));
        fake_write(rig->fake, client, frame + i, 1);
        rig_settle(rig);
    }
    assert_true(rig_take(rig, &command));
    assert_int_equal(command.request, 1);
    rig_destroy(rig);
}

static void gateway_answers_what_it_refuses(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int client = rig_logon(rig, 1);
    struct pit_message unknown = rig_new(11, RIG_SYMBOLS);
    fake_send(rig->fake, client, &unknown);
    struct pit_message halt = {.kind = PIT_MESSAGE_STATE, .request = 12, .state = PIT_STATE_HALTED};
    fake_send(rig->fake, client, &halt);
    struct pit_message cancel = {
        .kind = PIT_MESSAGE_CANCEL, .request = 13, .symbol = 70000, .order_id = 4, .client_id = 5};
    fake_send(rig->fake, client, &cancel);
    rig_settle(rig);
    struct pit_message answer = rig_expect(rig, client, PIT_MESSAGE_REJECTED);
    assert_int_equal(answer.reason, PIT_REASON_UNKNOWN_SYMBOL);
    assert_int_equal(answer.request, 11);
    assert_int_equal(answer.client_id, 1011);
    assert_int_equal(answer.symbol, RIG_SYMBOLS);
    assert_int_equal(answer.sequence, 0);
    assert_int_equal(answer.rejected_kind, PIT_MESSAGE_NEW);
    assert_int_equal(answer.flags, PIT_EVENT_LAST);
    answer = rig_expect(rig, client, PIT_MESSAGE_REJECTED);
    assert_int_equal(answer.reason, PIT_REASON_NOT_PERMITTED);
    assert_int_equal(answer.request, 12);
    assert_int_equal(answer.rejected_kind, PIT_MESSAGE_STATE);
    answer = rig_expect(rig, client, PIT_MESSAGE_REJECTED);
    assert_int_equal(answer.request, 13);
    assert_int_equal(answer.rejected_kind, PIT_MESSAGE_CANCEL);
    struct pit_command command;
    assert_false(rig_take(rig, &command));
    assert_int_equal(pit_gateway_counters(rig->gateway)->rejected_not_permitted, 1);
    rig_destroy(rig);
}

static void gateway_rejects_a_field_out_of_range_and_goes_on(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int client = rig_logon(rig, 1);
    /* NEW with side 9: [3, request, symbol, client_id, side, tif, flags, price, quantity] */
    static const uint8_t frame[] = {0, 0, 0, 10, 0x99, 3, 21, 0, 7, 9, 0, 0, 50, 1};
    fake_write(rig->fake, client, frame, sizeof frame);
    struct pit_message order = rig_new(22, 0);
    fake_send(rig->fake, client, &order);
    rig_settle(rig);
    struct pit_message answer = rig_expect(rig, client, PIT_MESSAGE_REJECTED);
    assert_int_equal(answer.reason, PIT_REASON_BAD_REQUEST);
    assert_int_equal(answer.request, 21);
    struct pit_command command;
    assert_true(rig_take(rig, &command));
    assert_int_equal(command.request, 22);
    assert_false(rig_take(rig, &command));
    rig_destroy(rig);
}

static void gateway_answers_heartbeats(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int client = rig_logon(rig, 1);
    struct pit_message heartbeat = {.kind = PIT_MESSAGE_HEARTBEAT, .token = 4711};
    fake_send(rig->fake, client, &heartbeat);
    heartbeat.token = 0;
    fake_send(rig->fake, client, &heartbeat);
    rig_settle(rig);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_HEARTBEAT).token, 4711);
    rig_expect_nothing(rig, client);
    rig_destroy(rig);
}

static void gateway_wants_a_logon_first(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int client = rig_connect(rig);
    struct pit_message order = rig_new(1, 0);
    fake_send(rig->fake, client, &order);
    rig_settle(rig);
    rig_expect_bye(rig, client, PIT_REASON_BAD_REQUEST);
    struct pit_command command;
    assert_false(rig_take(rig, &command));
    rig_destroy(rig);
}

static void gateway_refuses_account_zero_and_other_versions(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int client = rig_connect(rig);
    static const uint8_t frame[] = {0, 0, 0, 5, 0x94, 1, 1, 0, 0xa0}; /* LOGON of account 0 */
    fake_write(rig->fake, client, frame, sizeof frame);
    int other = rig_connect(rig);
    static const uint8_t old[] = {0, 0, 0, 5, 0x94, 1, 2, 1, 0xa0}; /* of version 2 */
    fake_write(rig->fake, other, old, sizeof old);
    rig_settle(rig);
    struct pit_message bye = rig_expect(rig, client, PIT_MESSAGE_BYE);
    assert_true(bye.reason == PIT_REASON_NOT_PERMITTED || bye.reason == PIT_REASON_BAD_REQUEST);
    rig_expect_bye(rig, other, PIT_REASON_BAD_REQUEST);
    assert_int_equal(pit_gateway_counters(rig->gateway)->logons, 0);
    rig_destroy(rig);
}

static const struct pit_gateway_account keyed[] = {
    {.account = 3, .key_bytes = 16, .key = "0123456789abcde"},
    {.account = 4, .key_bytes = 16, .key = "another key, yes", .operates = true},
};

static int prove(struct rig *rig, uint32_t account, const char *key)
{
    int client = fake_connect(rig->fake);
    rig_settle(rig);
    struct pit_message challenge = rig_expect(rig, client, PIT_MESSAGE_CHALLENGE);
    assert_int_equal(challenge.flags, PIT_CHALLENGE_PROOF);
    struct pit_message logon = rig_message(PIT_MESSAGE_LOGON), proof = {.kind = PIT_MESSAGE_PROOF};
    logon.account = account;
    fake_send(rig->fake, client, &logon);
    pit_wire_proof((const uint8_t *)key, 16, challenge.nonce, account, proof.proof);
    fake_send(rig->fake, client, &proof);
    rig_settle(rig);
    return client;
}

static void gateway_admits_who_proves_the_key(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.accounts = keyed, .accounts_count = 2});
    int client = prove(rig, 3, "0123456789abcde");
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_WELCOME).account, 3);
    int operator= prove(rig, 4, "another key, yes");
    assert_int_equal(rig_expect(rig, operator, PIT_MESSAGE_WELCOME).account, 4);
    assert_int_equal(pit_gateway_counters(rig->gateway)->logons, 2);
    rig_destroy(rig);
}

static void gateway_shows_no_difference_between_wrong_proof_and_unknown_account(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.accounts = keyed, .accounts_count = 2});
    int wrong = prove(rig, 3, "0123456789abcdf");
    int unknown = prove(rig, 99, "0123456789abcde");
    int nobody = prove(rig, 99, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    assert_true(rig_closed(rig, wrong) && rig_closed(rig, unknown));
    rig_expect_bye(rig, nobody, PIT_REASON_NOT_PERMITTED);
    struct pit_message a = rig_expect(rig, wrong, PIT_MESSAGE_BYE), b = rig_expect(rig, unknown, PIT_MESSAGE_BYE);
    assert_int_equal(a.reason, PIT_REASON_NOT_PERMITTED);
    assert_int_equal(b.reason, a.reason);
    assert_string_equal(a.text, b.text);
    assert_int_equal(pit_gateway_counters(rig->gateway)->logons_failed, 3);
    rig_destroy(rig);
}

static void gateway_challenges_everyone_anew(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.accounts = keyed, .accounts_count = 2});
    int first = fake_connect(rig->fake), second = fake_connect(rig->fake);
    rig_settle(rig);
    struct pit_message a = rig_expect(rig, first, PIT_MESSAGE_CHALLENGE);
    struct pit_message b = rig_expect(rig, second, PIT_MESSAGE_CHALLENGE);
    assert_memory_not_equal(a.nonce, b.nonce, sizeof a.nonce);
    rig_destroy(rig);
}

static void gateway_closes_the_older_session_of_an_account(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int older = rig_logon(rig, 6);
    struct pit_message order = rig_new(1, 0);
    fake_send(rig->fake, older, &order);
    rig_settle(rig);
    int newer = rig_connect(rig);
    struct pit_message logon = rig_message(PIT_MESSAGE_LOGON);
    logon.account = 6;
    fake_send(rig->fake, newer, &logon);
    rig_settle(rig);
    rig_expect_nothing(rig, newer); /* the older one's order is not answered yet */
    assert_false(rig_closed(rig, older));
    assert_int_equal(rig_match(rig, 10), 1);
    rig_settle(rig);
    assert_int_equal(rig_expect(rig, older, PIT_MESSAGE_ACCEPTED).request, 1);
    rig_expect_bye(rig, older, PIT_REASON_REQUESTED);
    assert_int_equal(rig_expect(rig, newer, PIT_MESSAGE_WELCOME).account, 6);
    order.request = 2;
    fake_send(rig->fake, newer, &order);
    rig_settle(rig);
    assert_int_equal(rig_match(rig, 10), 1);
    rig_settle(rig);
    for (uint32_t i = 0; i < RIG_SYMBOLS; i++)
        rig_expect(rig, newer, PIT_MESSAGE_SYMBOL);
    assert_int_equal(rig_expect(rig, newer, PIT_MESSAGE_ACCEPTED).request, 2);
    rig_destroy(rig);
}

static void gateway_keeps_a_slow_disks_answers_from_the_newer_session(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.close_ms = 100});
    int older = rig_logon(rig, 6);
    struct pit_message order = rig_new(1, 0);
    fake_send(rig->fake, older, &order);
    rig_settle(rig);
    int newer = rig_connect(rig);
    struct pit_message logon = rig_message(PIT_MESSAGE_LOGON);
    logon.account = 6;
    fake_send(rig->fake, newer, &logon);
    rig_settle(rig);
    for (uint32_t i = 0; i < 3; i++) { /* much longer than close_ms: it is not the client that is slow */
        rig_sleep_ms(rig, 1000);
        rig_settle(rig);
    }
    rig_expect_nothing(rig, older);
    rig_expect_nothing(rig, newer);
    assert_int_equal(rig_match(rig, 10), 1);
    rig_settle(rig);
    assert_int_equal(rig_expect(rig, older, PIT_MESSAGE_ACCEPTED).request, 1);
    rig_expect_bye(rig, older, PIT_REASON_REQUESTED);
    rig_expect(rig, newer, PIT_MESSAGE_WELCOME);
    for (uint32_t i = 0; i < RIG_SYMBOLS; i++)
        rig_expect(rig, newer, PIT_MESSAGE_SYMBOL);
    rig_expect_nothing(rig, newer);
    rig_destroy(rig);
}

static void gateway_lets_the_last_of_many_logons_win(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int clients[4] = {rig_logon(rig, 6)};
    struct pit_message order = rig_new(1, 0), logon = rig_message(PIT_MESSAGE_LOGON);
    fake_send(rig->fake, clients[0], &order);
    rig_settle(rig);
    logon.account = 6;
    for (uint32_t i = 1; i < 4; i++) {
        clients[i] = rig_connect(rig);
        fake_send(rig->fake, clients[i], &logon);
        rig_settle(rig);
    }
    rig_expect_bye(rig, clients[1], PIT_REASON_REQUESTED);
    rig_expect_bye(rig, clients[2], PIT_REASON_REQUESTED);
    rig_expect_nothing(rig, clients[3]);
    rig_match(rig, 10);
    rig_settle(rig);
    rig_expect(rig, clients[0], PIT_MESSAGE_ACCEPTED);
    rig_expect_bye(rig, clients[0], PIT_REASON_REQUESTED);
    rig_expect(rig, clients[3], PIT_MESSAGE_WELCOME);
    assert_int_equal(pit_gateway_counters(rig->gateway)->sessions, 1);
    rig_destroy(rig);
}

static void gateway_reports_everything_before_a_half_closed_client_goes(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.limits = {.turn_messages = 10}});
    int client = rig_logon(rig, 2);
    for (uint32_t i = 1; i <= 100; i++) {
        struct pit_message order = rig_new(i, 0);
        fake_send(rig->fake, client, &order);
    }
    fake_write(rig->fake, client, "\0\0\0\x20\x99", 5); /* and a frame that never ends */
    fake_finish(rig->fake, client);
    rig_settle(rig);
    assert_false(rig_closed(rig, client));
    assert_int_equal(rig_match(rig, 99), 99);
    rig_settle(rig);
    assert_false(rig_closed(rig, client));
    assert_int_equal(rig_match(rig, 99), 1);
    rig_settle(rig);
    for (uint32_t i = 1; i <= 100; i++)
        assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, i);
    rig_expect_nothing(rig, client);
    assert_true(rig_closed(rig, client));
    assert_int_equal(pit_gateway_counters(rig->gateway)->sessions, 0);
    rig_destroy(rig);
}

static void gateway_answers_a_logout_after_all_reports(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int client = rig_logon(rig, 2);
    struct pit_message order = rig_new(1, 0), logout = {.kind = PIT_MESSAGE_LOGOUT};
    fake_send(rig->fake, client, &order);
    fake_send(rig->fake, client, &logout);
    rig_settle(rig);
    rig_expect_nothing(rig, client);
    rig_match(rig, 1);
    rig_settle(rig);
    rig_expect(rig, client, PIT_MESSAGE_ACCEPTED);
    rig_expect_bye(rig, client, PIT_REASON_REQUESTED);
    rig_destroy(rig);
}

static void gateway_drains(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.first = 11});
    int client = rig_logon(rig, 2), idle = rig_logon(rig, 3), fresh = rig_connect(rig);
    struct pit_message order = rig_new(1, 0);
    fake_send(rig->fake, client, &order);
    rig_settle(rig);
    uint64_t last = 0;
    assert_false(pit_gateway_intake_closed(rig->gateway, &last));
    rig_phase(rig, PIT_PHASE_DRAIN);
    int late = fake_connect(rig->fake);
    order.request = 2;
    fake_send(rig->fake, client, &order);
    rig_settle(rig);
    assert_true(pit_gateway_intake_closed(rig->gateway, &last));
    assert_int_equal(last, 11);
    assert_false(pit_gateway_drained(rig->gateway));
    assert_true(rig->fake->handles[late].waiting);
    struct pit_message refusal = rig_expect(rig, client, PIT_MESSAGE_REJECTED);
    assert_int_equal(refusal.reason, PIT_REASON_SHUTTING_DOWN);
    assert_int_equal(refusal.request, 2);
    order.request = 3;
    fake_send(rig->fake, client, &order);
    rig_settle(rig);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_REJECTED).request, 3);
    assert_int_equal(rig_match(rig, 10), 1);
    rig_settle(rig);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, 1);
    rig_expect_bye(rig, client, PIT_REASON_SHUTTING_DOWN);
    rig_expect_bye(rig, idle, PIT_REASON_SHUTTING_DOWN);
    rig_expect_bye(rig, fresh, PIT_REASON_SHUTTING_DOWN);
    assert_true(pit_gateway_drained(rig->gateway));
    assert_true(pit_egress_flushed(rig->egress, last));
    assert_false(rig_match(rig, 10));
    rig_destroy(rig);
}

/* The last command of one session trades with the order of another: that one hears of it before it is closed. */
static void gateway_drains_other_sessions_trades(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int maker = rig_logon(rig, 2), taker = rig_logon(rig, 3);
    struct pit_message order = rig_new(1, 0);
    fake_send(rig->fake, taker, &order);
    rig_settle(rig);
    rig_phase(rig, PIT_PHASE_DRAIN);
    rig_settle(rig);
    assert_false(rig_closed(rig, maker));
    struct pit_command command;
    struct pit_event trade = {.kind = PIT_EVENT_TRADE,
                              .account = 2,
                              .taker_account = 3,
                              .command = 1,
                              .quantity = 1,
                              .flags = PIT_EVENT_WIDE | PIT_EVENT_LAST};
    rig_event(rig, &trade);
    assert_true(rig_take(rig, &command));
    rig_settle(rig);
    rig_expect(rig, maker, PIT_MESSAGE_TRADE);
    rig_expect_bye(rig, maker, PIT_REASON_SHUTTING_DOWN);
    rig_expect(rig, taker, PIT_MESSAGE_TRADE);
    rig_expect_bye(rig, taker, PIT_REASON_SHUTTING_DOWN);
    rig_destroy(rig);
}

static void gateway_says_nothing_behind_the_farewell(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int client = rig_logon(rig, 2);
    rig->fake->handles[client].takes = 0;
    rig_phase(rig, PIT_PHASE_DRAIN);
    rig_settle(rig);
    struct pit_message order = rig_new(1, 0);
    fake_send(rig->fake, client, &order);
    rig_settle(rig);
    rig->fake->handles[client].takes = SIZE_MAX;
    rig_sleep_ms(rig, 1);
    rig_settle(rig);
    rig_expect_bye(rig, client, PIT_REASON_SHUTTING_DOWN);
    rig_destroy(rig);
}

static void gateway_drains_though_a_client_takes_nothing(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.close_ms = 100});
    int client = rig_logon(rig, 2);
    struct pit_message order = rig_new(1, 0);
    rig->fake->handles[client].takes = 0;
    fake_send(rig->fake, client, &order);
    rig_settle(rig);
    rig_match(rig, 1);
    rig_phase(rig, PIT_PHASE_DRAIN);
    rig_settle(rig);
    assert_false(pit_gateway_drained(rig->gateway));
    rig_sleep_ms(rig, 101);
    rig_settle(rig);
    assert_true(pit_gateway_drained(rig->gateway));
    assert_true(rig_closed(rig, client));
    assert_int_equal(pit_egress_counters(rig->egress)->sessions_late, 1);
    rig_destroy(rig);
}

static void gateway_refuses_configurations_that_make_no_sense(void **state)
{
    (void)state;
    struct pit_gateway_account mixed[2] = {keyed[0], {.account = 8}};
    struct pit_gateway_account zero = {.account = 0};
    struct pit_gateway_account weak = {.account = 8, .key_bytes = 8};
    const struct rig_options bad[] = {
        {.address = "tcp:0.0.0.0:7001"},          {.address = "udp:127.0.0.1:7001"},
        {.accounts = mixed, .accounts_count = 2}, {.accounts = &zero, .accounts_count = 1},
        {.accounts = &weak, .accounts_count = 1}, {.limits = {.receive_bytes = 100}},
        {.limits = {.turn_messages = 1u << 20}},  {.session_slots = 8},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct rig *rig = NULL;
        struct pit_error error = {0};
        if (rig_try(&rig, &bad[i], &error) != -EINVAL)
            fail_msg("configuration %zu was not refused", i);
        assert_true(strlen(error.text) > 10);
    }
    struct rig *rig =
        rig_create(&(struct rig_options){.address = "tcp:0.0.0.0:7001", .accounts = keyed, .accounts_count = 2});
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gateway_puts_startup_commands_first),
        cmocka_unit_test(gateway_waits_with_sessions_until_startup_commands_fit),
        cmocka_unit_test(gateway_turns_requests_into_commands),
        cmocka_unit_test(gateway_time_never_falls),
        cmocka_unit_test(gateway_takes_frames_in_pieces),
        cmocka_unit_test(gateway_answers_what_it_refuses),
        cmocka_unit_test(gateway_rejects_a_field_out_of_range_and_goes_on),
        cmocka_unit_test(gateway_answers_heartbeats),
        cmocka_unit_test(gateway_wants_a_logon_first),
        cmocka_unit_test(gateway_refuses_account_zero_and_other_versions),
        cmocka_unit_test(gateway_admits_who_proves_the_key),
        cmocka_unit_test(gateway_shows_no_difference_between_wrong_proof_and_unknown_account),
        cmocka_unit_test(gateway_challenges_everyone_anew),
        cmocka_unit_test(gateway_closes_the_older_session_of_an_account),
        cmocka_unit_test(gateway_keeps_a_slow_disks_answers_from_the_newer_session),
        cmocka_unit_test(gateway_lets_the_last_of_many_logons_win),
        cmocka_unit_test(gateway_reports_everything_before_a_half_closed_client_goes),
        cmocka_unit_test(gateway_answers_a_logout_after_all_reports),
        cmocka_unit_test(gateway_drains),
        cmocka_unit_test(gateway_drains_other_sessions_trades),
        cmocka_unit_test(gateway_says_nothing_behind_the_farewell),
        cmocka_unit_test(gateway_drains_though_a_client_takes_nothing),
        cmocka_unit_test(gateway_refuses_configurations_that_make_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
