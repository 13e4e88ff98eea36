/* test/stages/test_gateway_limits.c - the gateway's limits and the answers to those who reach them. */
#include "rig.h"

#include <errno.h>
#include <string.h>

static void send_orders(struct rig *rig, int client, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct pit_message order = rig_new(first + i, 0);
        fake_send(rig->fake, client, &order);
    }
}

static uint32_t take_all(struct rig *rig)
{
    struct pit_command command;
    uint32_t count = 0;
    while (rig_take(rig, &command))
        count++;
    return count;
}

static int logon_keyed(struct rig *rig, uint32_t account, const uint8_t key[16])
{
    int client = fake_connect(rig->fake);
    rig_settle(rig);
    struct pit_message challenge = rig_expect(rig, client, PIT_MESSAGE_CHALLENGE);
    struct pit_message logon = rig_message(PIT_MESSAGE_LOGON), proof = rig_message(PIT_MESSAGE_PROOF);
    logon.account = account;
    pit_wire_proof(key, 16, challenge.nonce, account, proof.proof);
    fake_send(rig->fake, client, &logon);
    fake_send(rig->fake, client, &proof);
    rig_settle(rig);
    rig_expect(rig, client, PIT_MESSAGE_WELCOME);
    return client;
}

static void gateway_tells_one_too_many_politely(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.limits = {.sessions_max = 2}});
    int first = rig_logon(rig, 1), second = rig_logon(rig, 2);
    int third = fake_connect(rig->fake);
    rig_settle(rig);
    rig_expect_bye(rig, third, PIT_REASON_OVERLOADED);
    fake_finish(rig->fake, first);
    rig_settle(rig);
    assert_true(rig_closed(rig, first));
    rig_logon(rig, 3);
    assert_false(rig_closed(rig, second));
    assert_int_equal(pit_gateway_counters(rig->gateway)->sessions_refused, 1);
    rig_destroy(rig);
}

/* However often one host connects, in one turn: it takes its own places, and another's logon goes on. */
static void gateway_lets_a_flood_from_one_host_take_places_of_that_host(void **state)
{
    (void)state;
    static const struct pit_gateway_account keyed[] = {{.account = 1, .key_bytes = 16}};
    struct rig *rig =
        rig_create(&(struct rig_options){.limits = {.sessions_max = 3}, .accounts = keyed, .accounts_count = 1});
    struct pit_message logon = rig_message(PIT_MESSAGE_LOGON);
    int flood[40];
    for (uint32_t i = 0; i < 20; i++) {
        flood[i] = fake_connect(rig->fake);
        rig->fake->handles[flood[i]].host = 7;
    }
    rig_settle(rig);
    int client = fake_connect(rig->fake);
    rig->fake->handles[client].host = 8;
    rig_settle(rig);
    for (uint32_t i = 20; i < 40; i++) {
        flood[i] = fake_connect(rig->fake);
        rig->fake->handles[flood[i]].host = 7;
    }
    rig_settle(rig);
    assert_false(rig_closed(rig, client));
    assert_true(pit_gateway_counters(rig->gateway)->sessions_displaced > 30);
    struct pit_message challenge = rig_expect(rig, client, PIT_MESSAGE_CHALLENGE);
    struct pit_message proof = rig_message(PIT_MESSAGE_PROOF);
    pit_wire_proof(keyed[0].key, 16, challenge.nonce, 1, proof.proof);
    fake_send(rig->fake, client, &logon);
    fake_send(rig->fake, client, &proof);
    rig_settle(rig);
    rig_expect(rig, client, PIT_MESSAGE_WELCOME);
    rig_destroy(rig);
}

/* Who never logs on keeps nobody out, however often it connects; who has logged on is never asked to go. */
static void gateway_ends_the_oldest_that_has_not_logged_on_to_make_room(void **state)
{
    (void)state;
    static const struct pit_gateway_account keyed[] = {{.account = 1, .key_bytes = 16},
                                                       {.account = 2, .key_bytes = 16}};
    struct rig *rig =
        rig_create(&(struct rig_options){.limits = {.sessions_max = 3}, .accounts = keyed, .accounts_count = 2});
    int live = logon_keyed(rig, 1, keyed[0].key);
    int silent = rig_connect(rig), halfway = rig_connect(rig);
    struct pit_message logon = rig_message(PIT_MESSAGE_LOGON);
    fake_send(rig->fake, halfway, &logon); /* and no proof */
    rig_settle(rig);
    int newer = rig_connect(rig);
    rig_expect_bye(rig, silent, PIT_REASON_OVERLOADED);
    assert_false(rig_closed(rig, halfway));
    int newest = rig_connect(rig);
    rig_expect_bye(rig, halfway, PIT_REASON_OVERLOADED);
    assert_false(rig_closed(rig, newer) || rig_closed(rig, newest) || rig_closed(rig, live));
    assert_int_equal(pit_gateway_counters(rig->gateway)->sessions_displaced, 2);
    assert_int_equal(pit_gateway_counters(rig->gateway)->sessions_refused, 0);
    rig_destroy(rig);
}

static void gateway_lets_a_client_log_on_amid_those_that_never_do(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.limits = {.sessions_max = 4}});
    for (uint32_t i = 0; i < 100; i++)
        fake_connect(rig->fake);
    int client = rig_logon(rig, 1);
    for (uint32_t i = 0; i < 100; i++)
        fake_connect(rig->fake);
    rig_settle(rig);
    assert_false(rig_closed(rig, client));
    send_orders(rig, client, 1, 1);
    rig_settle(rig);
    assert_int_equal(take_all(rig), 1);
    rig_destroy(rig);
}

/* However many come at once, each is told why it must go. */
static void gateway_tells_everyone_of_a_storm(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.limits = {.sessions_max = 1}});
    rig_logon(rig, 1);
    int storm[100];
    for (uint32_t i = 0; i < 100; i++)
        storm[i] = fake_connect(rig->fake);
    rig_settle(rig);
    for (uint32_t i = 0; i < 100; i++)
        rig_expect_bye(rig, storm[i], PIT_REASON_OVERLOADED);
    rig_destroy(rig);
}

static void gateway_survives_a_storm_of_connections(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.limits = {.sessions_max = 2}});
    int client = rig_logon(rig, 1);
    int storm[100];
    for (uint32_t i = 0; i < 100; i++)
        storm[i] = fake_connect(rig->fake);
    rig_settle(rig);
    uint32_t open = 0;
    for (uint32_t i = 0; i < 100; i++)
        open += !rig_closed(rig, storm[i]);
    assert_int_equal(open, 1);
    send_orders(rig, client, 1, 1);
    rig_settle(rig);
    assert_int_equal(take_all(rig), 1);
    rig_destroy(rig);
}

static void gateway_throttles_a_session_but_not_the_others(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.limits = {.rate_max = 100}});
    int greedy = rig_logon(rig, 1), modest = rig_logon(rig, 2);
    send_orders(rig, greedy, 1, 150);
    send_orders(rig, modest, 1, 10);
    rig_settle(rig);
    assert_int_equal(take_all(rig), 110);
    for (uint32_t i = 101; i <= 150; i++) {
        struct pit_message answer = rig_expect(rig, greedy, PIT_MESSAGE_REJECTED);
        assert_int_equal(answer.reason, PIT_REASON_THROTTLED);
        assert_int_equal(answer.request, i);
    }
    rig_expect_nothing(rig, modest);
    rig_sleep_ms(rig, 100);
    send_orders(rig, greedy, 200, 20);
    rig_settle(rig);
    assert_int_equal(take_all(rig), 10);
    assert_int_equal(pit_gateway_counters(rig->gateway)->rejected_throttled, 60);
    rig_destroy(rig);
}

static void gateway_lets_a_throttled_client_show_life_and_say_goodbye(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.limits = {.rate_max = 10}});
    int client = rig_logon(rig, 1);
    struct pit_message sign = {.kind = PIT_MESSAGE_HEARTBEAT, .token = 77}, logout = {.kind = PIT_MESSAGE_LOGOUT};
    for (uint32_t i = 0; i < 5; i++)
        fake_send(rig->fake, client, &sign);
    send_orders(rig, client, 1, 6); /* the heartbeats have taken half of the burst */
    fake_send(rig->fake, client, &sign);
    fake_send(rig->fake, client, &logout);
    rig_settle(rig);
    assert_int_equal(rig_match(rig, 10), 5);
    rig_settle(rig);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_HEARTBEAT).token, 77);
    struct pit_message answer = rig_expect(rig, client, PIT_MESSAGE_REJECTED);
    assert_int_equal(answer.reason, PIT_REASON_THROTTLED);
    assert_int_equal(answer.request, 6);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_HEARTBEAT).token, 77);
    for (uint32_t i = 1; i <= 5; i++)
        assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, i);
    rig_expect_bye(rig, client, PIT_REASON_REQUESTED);
    rig_destroy(rig);
}

static void gateway_closes_a_malformed_client_and_no_other(void **state)
{
    (void)state;
    static const char *const frames[] = {
        "\x00\x00\x00\x03\x92\x63\x01",         /* a kind that is none */
        "\x00\x00\x00\x03\xc0\xc0\xc0",         /* no array */
        "\x00\x00\x00\x02\x91\x21",             /* a server's message */
        "\x00\x00\x00\x05\x94\x01\x01\x01\xa0", /* a second logon */
        "\xff\xff\xff\xff",                     /* a frame of 4 GiB */
        "\x00\x00\x00\x00",                     /* a frame of nothing */
    };
    static const size_t sizes[] = {7, 7, 6, 9, 4, 4};
    struct rig *rig = rig_create(&(struct rig_options){0});
    int good = rig_logon(rig, 1);
    for (uint32_t i = 0; i < 6; i++) {
        int bad = rig_logon(rig, 2);
        send_orders(rig, bad, 1, 1);
        fake_write(rig->fake, bad, frames[i], sizes[i]);
        send_orders(rig, bad, 2, 1); /* nobody reads this any more */
        rig_settle(rig);
        assert_int_equal(rig_match(rig, 10), 1);
        rig_settle(rig);
        rig_expect(rig, bad, PIT_MESSAGE_ACCEPTED);
        rig_expect_bye(rig, bad, PIT_REASON_BAD_REQUEST);
    }
    assert_int_equal(pit_gateway_counters(rig->gateway)->malformed, 6);
    send_orders(rig, good, 1, 1);
    rig_settle(rig);
    assert_int_equal(take_all(rig), 1);
    rig_destroy(rig);
}

static void gateway_does_not_wait_for_a_logon_for_ever(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.limits = {.logon_ms = 1000}});
    int live = rig_logon(rig, 1), silent = rig_connect(rig);
    rig_sleep_ms(rig, 999);
    rig_settle(rig);
    rig_expect_nothing(rig, silent);
    rig_sleep_ms(rig, 20);
    rig_settle(rig);
    rig_expect_bye(rig, silent, PIT_REASON_NOT_PERMITTED);
    assert_false(rig_closed(rig, live));
    assert_int_equal(pit_gateway_counters(rig->gateway)->logons_late, 1);
    rig_destroy(rig);
}

static void gateway_closes_silent_sessions(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.limits = {.heartbeat_ms = 1000}});
    int silent = rig_logon(rig, 1), lively = rig_logon(rig, 2);
    struct pit_message sign = {.kind = PIT_MESSAGE_HEARTBEAT, .token = 0};
    for (uint32_t i = 0; i < 2; i++) {
        rig_sleep_ms(rig, 1010);
        fake_send(rig->fake, lively, &sign);
        rig_settle(rig);
        assert_int_equal(rig_expect(rig, silent, PIT_MESSAGE_HEARTBEAT).token, 0);
        rig_expect_nothing(rig, silent);
    }
    rig_sleep_ms(rig, 1010);
    rig_settle(rig);
    rig_expect_bye(rig, silent, PIT_REASON_NONE);
    assert_false(rig_closed(rig, lively));
    assert_int_equal(pit_gateway_counters(rig->gateway)->sessions_silent, 1);
    rig_destroy(rig);
}

static void gateway_closes_silent_sessions_after_the_pipeline_was_stuck(void **state)
{
    (void)state;
    struct rig *rig =
        rig_create(&(struct rig_options){.input_slots = 16, .limits = {.heartbeat_ms = 1000, .overload_ms = 100}});
    int client = rig_logon(rig, 1);
    send_orders(rig, client, 1, 20);
    rig_settle(rig);
    rig_sleep_ms(rig, 150);
    rig_settle(rig);
    rig_match(rig, 100);
    rig_settle(rig);
    for (uint32_t i = 0; i < 300; i++) {
        rig_sleep_ms(rig, 20);
        rig_settle(rig);
    }
    assert_true(rig_closed(rig, client));
    assert_int_equal(pit_gateway_counters(rig->gateway)->sessions_silent, 1);
    assert_true(pit_gateway_counters(rig->gateway)->stalled_ns < UINT64_C(1000000000));
    rig_destroy(rig);
}

static void gateway_gives_every_session_its_turn(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.limits = {.turn_messages = 5}});
    int flood = rig_logon(rig, 1), other = rig_logon(rig, 2);
    send_orders(rig, flood, 1, 500);
    send_orders(rig, other, 1, 3);
    rig_gateway(rig);
    uint32_t of_flood = 0, of_other = 0;
    struct pit_command command;
    while (rig_take(rig, &command))
        command.account == 1 ? of_flood++ : of_other++;
    assert_int_equal(of_flood, 5);
    assert_int_equal(of_other, 3);
    rig_destroy(rig);
}

static void gateway_shares_scarce_room_between_sessions(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.input_slots = 16});
    int first = rig_logon(rig, 1), second = rig_logon(rig, 2);
    send_orders(rig, first, 1, 200);
    send_orders(rig, second, 1, 200);
    uint32_t taken[2] = {0, 0};
    struct pit_command command;
    for (uint32_t i = 0; i < 200; i++) {
        rig_gateway(rig);
        for (uint32_t n = 0; n < 2 && rig_take(rig, &command); n++)
            taken[command.account - 1]++;
    }
    assert_int_equal(taken[0] + taken[1], 400);
    struct pit_message order = rig_new(1, 0);
    for (uint32_t i = 0; i < 1000; i++) {
        fake_send(rig->fake, first, &order);
        fake_send(rig->fake, second, &order);
    }
    taken[0] = taken[1] = 0;
    for (uint32_t i = 0; i < 500; i++) {
        rig_gateway(rig);
        for (uint32_t n = 0; n < 2 && rig_take(rig, &command); n++)
            taken[command.account - 1]++;
    }
    assert_true(taken[0] > 200 && taken[1] > 200);
    rig_destroy(rig);
}

static void gateway_waits_for_room_in_the_input_ring(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.input_slots = 16, .limits = {.overload_ms = 100}});
    int client = rig_logon(rig, 1);
    send_orders(rig, client, 1, 40);
    rig_settle(rig);
    rig_expect_nothing(rig, client);
    assert_int_equal(pit_gateway_counters(rig->gateway)->commands, 16);
    assert_int_equal(pit_gateway_counters(rig->gateway)->stalls, 1);
    uint32_t expected = 1;
    struct pit_command command;
    while (expected <= 40) {
        assert_true(rig_take(rig, &command));
        assert_int_equal(command.request, expected++);
        rig_settle(rig);
    }
    assert_false(rig_take(rig, &command));
    rig_expect_nothing(rig, client);
    rig_destroy(rig);
}

static void gateway_rejects_when_the_pipeline_is_stuck_and_goes_on_when_it_is_not(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.input_slots = 16, .limits = {.overload_ms = 100}});
    int client = rig_logon(rig, 1);
    send_orders(rig, client, 1, 20);
    rig_settle(rig);
    rig_sleep_ms(rig, 99);
    rig_settle(rig);
    rig_expect_nothing(rig, client);
    rig_sleep_ms(rig, 2);
    rig_settle(rig);
    for (uint32_t i = 17; i <= 20; i++) {
        struct pit_message answer = rig_expect(rig, client, PIT_MESSAGE_REJECTED);
        assert_int_equal(answer.reason, PIT_REASON_OVERLOADED);
        assert_int_equal(answer.request, i);
    }
    assert_int_equal(rig_match(rig, 100), 16);
    send_orders(rig, client, 21, 1);
    rig_settle(rig);
    assert_int_equal(rig_match(rig, 100), 1);
    rig_settle(rig);
    for (uint32_t i = 1; i <= 16; i++)
        assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, i);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, 21);
    assert_int_equal(pit_gateway_counters(rig->gateway)->rejected_overloaded, 4);
    rig_destroy(rig);
}

/* Answers outnumber the slots of the session ring: the gateway stops parsing until egress has taken them. */
static void gateway_waits_for_room_in_the_session_ring(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.session_slots = 16});
    int client = rig_logon(rig, 1);
    for (uint32_t i = 1; i <= 2000; i++) {
        struct pit_message order = rig_new(i, 1000);
        fake_send(rig->fake, client, &order);
    }
    for (uint32_t i = 0; i < 50; i++)
        rig_gateway(rig);
    assert_true(pit_gateway_counters(rig->gateway)->rejected_unknown_symbol < 1000);
    assert_true(pit_gateway_counters(rig->gateway)->notes_full > 0);
    rig_settle(rig);
    for (uint32_t i = 1; i <= 2000; i++)
        assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_REJECTED).request, i);
    rig_destroy(rig);
}

static void gateway_stops_reading_from_a_client_with_too_many_unanswered_requests(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.limits = {.requests_max = 50}});
    int greedy = rig_logon(rig, 1), other = rig_logon(rig, 2);
    send_orders(rig, greedy, 1, 120);
    send_orders(rig, other, 1, 10);
    rig_settle(rig);
    assert_int_equal(pit_gateway_counters(rig->gateway)->commands, 60);
    uint32_t matched = 0;
    for (uint32_t more; (more = rig_match(rig, 7)); rig_settle(rig))
        matched += more;
    assert_int_equal(matched, 130);
    for (uint32_t i = 1; i <= 120; i++)
        assert_int_equal(rig_expect(rig, greedy, PIT_MESSAGE_ACCEPTED).request, i);
    rig_destroy(rig);
}

static void gateway_stops_reading_from_a_client_that_does_not_read(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.outbox_bytes = 8192});
    int client = rig_logon(rig, 1);
    rig->fake->handles[client].takes = 0;
    for (uint32_t i = 1; i <= 400; i += 4) {
        send_orders(rig, client, i, 4);
        rig_settle(rig);
        rig_match(rig, 100);
        rig_settle(rig);
    }
    assert_true(pit_gateway_counters(rig->gateway)->commands < 200);
    assert_int_equal(pit_gateway_counters(rig->gateway)->paused, 1);
    assert_false(rig_closed(rig, client));
    rig->fake->handles[client].takes = SIZE_MAX;
    do {
        rig_sleep_ms(rig, 20);
        rig_settle(rig);
    } while (rig_match(rig, 4));
    for (uint32_t i = 1; i <= 400; i++)
        assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, i);
    rig_destroy(rig);
}

static void gateway_closes_a_client_whose_connection_broke_while_it_was_not_read(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.limits = {.requests_max = 5}});
    int client = rig_logon(rig, 1);
    send_orders(rig, client, 1, 20);
    rig_settle(rig);
    rig->fake->handles[client].broken = true;
    rig_match(rig, 3);
    rig_settle(rig);
    rig_sleep_ms(rig, 20);
    rig_match(rig, 20);
    rig_settle(rig);
    assert_true(rig_closed(rig, client));
    rig_logon(rig, 1);
    rig_destroy(rig);
}

static void gateway_does_not_spin_on_a_connection_it_has_no_handle_for(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int before = rig_logon(rig, 1);
    rig->fake->fail_accept = EMFILE;
    int client = fake_connect(rig->fake);
    rig->fake->accepts = 0;
    for (int i = 0; i < 100; i++)
        rig_settle(rig);
    assert_int_equal(rig->fake->accepts, 1);
    assert_int_equal(pit_gateway_counters(rig->gateway)->accepts_failed, 1);
    send_orders(rig, before, 1, 1); /* the others go on */
    rig_settle(rig);
    rig_match(rig, 1);
    rig_settle(rig);
    rig_expect(rig, before, PIT_MESSAGE_ACCEPTED);

    rig->fake->fail_accept = 0;
    rig_sleep_ms(rig, 20);
    rig_settle(rig);
    rig_expect(rig, client, PIT_MESSAGE_CHALLENGE);
    rig_destroy(rig);
}

static void gateway_drains_though_it_has_no_handle_for_a_connection(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    rig->fake->fail_accept = ENFILE;
    fake_connect(rig->fake);
    rig_settle(rig);
    rig_phase(rig, PIT_PHASE_DRAIN);
    rig_sleep_ms(rig, 20);
    rig_settle(rig);
    assert_true(pit_gateway_drained(rig->gateway));
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gateway_tells_one_too_many_politely),
        cmocka_unit_test(gateway_ends_the_oldest_that_has_not_logged_on_to_make_room),
        cmocka_unit_test(gateway_lets_a_flood_from_one_host_take_places_of_that_host),
        cmocka_unit_test(gateway_lets_a_client_log_on_amid_those_that_never_do),
        cmocka_unit_test(gateway_tells_everyone_of_a_storm),
        cmocka_unit_test(gateway_survives_a_storm_of_connections),
        cmocka_unit_test(gateway_does_not_spin_on_a_connection_it_has_no_handle_for),
        cmocka_unit_test(gateway_drains_though_it_has_no_handle_for_a_connection),
        cmocka_unit_test(gateway_throttles_a_session_but_not_the_others),
        cmocka_unit_test(gateway_lets_a_throttled_client_show_life_and_say_goodbye),
        cmocka_unit_test(gateway_closes_a_malformed_client_and_no_other),
        cmocka_unit_test(gateway_does_not_wait_for_a_logon_for_ever),
        cmocka_unit_test(gateway_closes_silent_sessions),
        cmocka_unit_test(gateway_closes_silent_sessions_after_the_pipeline_was_stuck),
        cmocka_unit_test(gateway_gives_every_session_its_turn),
        cmocka_unit_test(gateway_shares_scarce_room_between_sessions),
        cmocka_unit_test(gateway_waits_for_room_in_the_input_ring),
        cmocka_unit_test(gateway_rejects_when_the_pipeline_is_stuck_and_goes_on_when_it_is_not),
        cmocka_unit_test(gateway_waits_for_room_in_the_session_ring),
        cmocka_unit_test(gateway_stops_reading_from_a_client_with_too_many_unanswered_requests),
        cmocka_unit_test(gateway_stops_reading_from_a_client_that_does_not_read),
        cmocka_unit_test(gateway_closes_a_client_whose_connection_broke_while_it_was_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
