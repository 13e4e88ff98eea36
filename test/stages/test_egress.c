/* test/stages/test_egress.c - who is told what, slow clients, closing behind the last report. */
#include "rig.h"

#include <stdlib.h>
#include <string.h>

static struct pit_event event_of(enum pit_event_kind kind, uint32_t account)
{
    return (struct pit_event){.sequence = 50,
                              .time_ns = RIG_UTC_NS,
                              .order_id = 50,
                              .client_id = 60,
                              .price = 70,
                              .quantity = 80,
                              .account = account,
                              .symbol = 1,
                              .request = 9,
                              .kind = (uint8_t)kind,
                              .side = PIT_SIDE_SELL};
}

static struct pit_event trade_of(uint32_t maker, uint32_t taker, uint8_t flags)
{
    struct pit_event event = event_of(PIT_EVENT_TRADE, maker);
    event.flags = PIT_EVENT_WIDE | flags;
    event.sequence = 51;
    event.leaves = 3;
    event.taker_order_id = 51;
    event.taker_client_id = 61;
    event.taker_leaves = 4;
    event.taker_account = taker;
    event.number = 2;
    return event;
}

static void egress_tells_a_trade_to_both_sides(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int maker = rig_logon(rig, 1), taker = rig_logon(rig, 2);
    struct pit_event event = trade_of(1, 2, PIT_EVENT_LAST | PIT_EVENT_TAKER_DONE);
    rig_event(rig, &event);
    rig_settle(rig);
    struct pit_message report = rig_expect(rig, maker, PIT_MESSAGE_TRADE);
    assert_int_equal(report.request, 0);
    assert_int_equal(report.flags, 0);
    assert_int_equal(report.order_id, 50);
    assert_int_equal(report.client_id, 60);
    assert_int_equal(report.side, PIT_SIDE_BUY);
    assert_int_equal(report.liquidity, 0);
    assert_int_equal(report.leaves, 3);
    assert_int_equal(report.sequence, 51);
    report = rig_expect(rig, taker, PIT_MESSAGE_TRADE);
    assert_int_equal(report.request, 9);
    assert_int_equal(report.flags, PIT_EVENT_LAST);
    assert_int_equal(report.order_id, 51);
    assert_int_equal(report.client_id, 61);
    assert_int_equal(report.side, PIT_SIDE_SELL);
    assert_int_equal(report.liquidity, 1);
    assert_int_equal(report.leaves, 4);
    assert_int_equal(report.price, 70);
    assert_int_equal(report.quantity, 80);
    assert_int_equal(report.number, 2);
    assert_int_equal(report.symbol, 1);
    assert_int_equal(report.time_ns, RIG_UTC_NS);
    rig_expect_nothing(rig, maker);
    rig_expect_nothing(rig, taker);
    rig_destroy(rig);
}

static void egress_marks_the_last_report_when_maker_and_taker_are_one(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int client = rig_logon(rig, 1);
    struct pit_event event = trade_of(1, 1, PIT_EVENT_LAST);
    rig_event(rig, &event);
    rig_settle(rig);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_TRADE).flags, 0);
    struct pit_message report = rig_expect(rig, client, PIT_MESSAGE_TRADE);
    assert_int_equal(report.flags, PIT_EVENT_LAST);
    assert_int_equal(report.liquidity, 1);
    rig_destroy(rig);
}

/* Each kind of event, its report, and the command's sequence that later events of a command take from earlier ones. */
static void egress_reports_every_kind_to_the_requester(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int client = rig_logon(rig, 1), other = rig_logon(rig, 2);
    struct pit_event event = event_of(PIT_EVENT_ACCEPTED, 1);
    rig_event(rig, &event);
    event = event_of(PIT_EVENT_RESTED, 1);
    event.flags = PIT_EVENT_LAST;
    rig_event(rig, &event);
    event = event_of(PIT_EVENT_REPLACED, 1);
    event.flags = PIT_EVENT_WIDE | PIT_EVENT_KEPT | PIT_EVENT_RESTS | PIT_EVENT_LAST;
    event.sequence = 52;
    event.price_old = 71;
    event.quantity_old = 81;
    rig_event(rig, &event);
    event = event_of(PIT_EVENT_REDUCED, 1);
    event.flags = PIT_EVENT_WIDE | PIT_EVENT_LAST;
    event.sequence = 53;
    event.quantity_old = 82;
    rig_event(rig, &event);
    event = event_of(PIT_EVENT_CANCELLED, 1);
    event.reason = PIT_REASON_IOC_REMAINDER;
    event.flags = PIT_EVENT_LAST;
    event.sequence = 54;
    rig_event(rig, &event);
    event = event_of(PIT_EVENT_REJECTED, 1);
    event.reason = PIT_REASON_WOULD_TRADE;
    event.side = PIT_COMMAND_REPLACE;
    event.flags = PIT_EVENT_LAST;
    event.sequence = 55;
    rig_event(rig, &event);
    event = event_of(PIT_EVENT_STATE, 1);
    event.quantity = PIT_STATE_HALTED;
    event.flags = PIT_EVENT_LAST;
    event.sequence = 56;
    rig_event(rig, &event);
    rig_settle(rig);
    struct pit_message report = rig_expect(rig, client, PIT_MESSAGE_ACCEPTED);
    assert_int_equal(report.sequence, 50);
    assert_int_equal(report.flags, 0);
    assert_int_equal(report.side, PIT_SIDE_SELL);
    report = rig_expect(rig, client, PIT_MESSAGE_RESTED);
    assert_int_equal(report.sequence, 50);
    assert_int_equal(report.flags, PIT_EVENT_LAST);
    report = rig_expect(rig, client, PIT_MESSAGE_REPLACED);
    assert_int_equal(report.sequence, 52);
    assert_int_equal(report.flags, PIT_EVENT_LAST | PIT_EVENT_KEPT | PIT_EVENT_RESTS);
    assert_int_equal(report.price_old, 71);
    assert_int_equal(report.quantity_old, 81);
    report = rig_expect(rig, client, PIT_MESSAGE_REDUCED);
    assert_int_equal(report.sequence, 53);
    assert_int_equal(report.quantity_old, 82);
    report = rig_expect(rig, client, PIT_MESSAGE_CANCELLED);
    assert_int_equal(report.reason, PIT_REASON_IOC_REMAINDER);
    assert_int_equal(report.sequence, 54);
    report = rig_expect(rig, client, PIT_MESSAGE_REJECTED);
    assert_int_equal(report.reason, PIT_REASON_WOULD_TRADE);
    assert_int_equal(report.sequence, 55);
    assert_int_equal(report.rejected_kind, PIT_MESSAGE_REPLACE);
    report = rig_expect(rig, client, PIT_MESSAGE_STATE_CHANGED);
    assert_int_equal(report.state, PIT_STATE_HALTED);
    assert_int_equal(report.sequence, 56);
    rig_expect_nothing(rig, client);
    rig_expect_nothing(rig, other);
    assert_int_equal(pit_egress_counters(rig->egress)->commands, 6);
    rig_destroy(rig);
}

static void egress_drops_what_concerns_nobody_who_is_there(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int client = rig_logon(rig, 1);
    struct pit_event event = trade_of(7, 8, PIT_EVENT_LAST);
    rig_event(rig, &event);
    event = event_of(PIT_EVENT_DEFINED, 0);
    event.flags = PIT_EVENT_WIDE | PIT_EVENT_LAST;
    rig_event(rig, &event);
    rig_settle(rig);
    rig_expect_nothing(rig, client);
    assert_int_equal(pit_egress_counters(rig->egress)->reports_homeless, 2);
    assert_int_equal(pit_egress_counters(rig->egress)->trades, 1);
    rig_destroy(rig);
}

static void egress_knows_an_account_before_its_first_report(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int client = fake_connect(rig->fake);
    struct pit_message logon = rig_message(PIT_MESSAGE_LOGON), order = rig_new(1, 0);
    fake_send(rig->fake, client, &logon);
    fake_send(rig->fake, client, &order);
    for (uint32_t i = 0; i < 100 && rig_match(rig, 1) == 0; i++) {
        rig_gateway(rig); /* egress is only let in until the session is live */
        if (pit_gateway_counters(rig->gateway)->commands == 0)
            rig_egress(rig);
    }
    rig_egress(rig);
    rig_expect(rig, client, PIT_MESSAGE_CHALLENGE);
    rig_expect(rig, client, PIT_MESSAGE_WELCOME);
    for (uint32_t i = 0; i < RIG_SYMBOLS; i++)
        rig_expect(rig, client, PIT_MESSAGE_SYMBOL);
    rig_expect(rig, client, PIT_MESSAGE_ACCEPTED);
    rig_destroy(rig);
}

static void egress_shuts_down_a_slow_client_and_no_other(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.outbox_bytes = 4096});
    int slow = rig_logon(rig, 1), quick = rig_logon(rig, 2);
    rig->fake->handles[slow].takes = 100;
    struct pit_event event = trade_of(1, 2, PIT_EVENT_LAST);
    for (uint32_t i = 0; i < 200; i++) {
        rig_event(rig, &event);
        rig_settle(rig);
        rig_expect(rig, quick, PIT_MESSAGE_TRADE);
    }
    assert_true(rig->fake->handles[slow].shut);
    assert_true(rig_closed(rig, slow));
    assert_false(rig_closed(rig, quick));
    const struct pit_egress_counters *counters = pit_egress_counters(rig->egress);
    assert_int_equal(counters->sessions_slow, 1);
    assert_int_equal(counters->sessions, 1);
    assert_int_equal(counters->backlog_bytes, 0);
    assert_int_equal(fake_unread(rig->fake, slow), 100);
    rig_logon(rig, 1);
    rig_destroy(rig);
}

static void egress_gives_up_a_broken_connection(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int broken = rig_logon(rig, 1), other = rig_logon(rig, 2);
    rig->fake->handles[broken].broken = true;
    struct pit_event event = trade_of(1, 2, PIT_EVENT_LAST);
    rig_event(rig, &event);
    rig_settle(rig);
    rig_expect(rig, other, PIT_MESSAGE_TRADE);
    assert_true(rig_closed(rig, broken));
    assert_int_equal(pit_egress_counters(rig->egress)->sessions_broken, 1);
    rig_destroy(rig);
}

/* A client that takes a few bytes at a time gets every report whole, across the end of its outbox. */
static void egress_tells_nothing_behind_the_farewell(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int client = rig_logon(rig, 1);
    rig->fake->handles[client].takes = 0;
    struct pit_message logout = rig_message(PIT_MESSAGE_LOGOUT);
    fake_send(rig->fake, client, &logout);
    rig_settle(rig);
    struct pit_event trade = trade_of(1, 2, PIT_EVENT_LAST | PIT_EVENT_TAKER_DONE);
    rig_event(rig, &trade);
    rig_settle(rig);
    assert_false(rig_closed(rig, client));
    rig->fake->handles[client].takes = SIZE_MAX;
    rig_sleep_ms(rig, 1);
    rig_settle(rig);
    rig_expect_bye(rig, client, PIT_REASON_REQUESTED);
    rig_destroy(rig);
}

static void egress_sends_on_where_a_send_stopped(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.outbox_bytes = 4096});
    int client = rig_logon(rig, 1);
    uint64_t random = rig_seed();
    uint64_t sent = 0, received = 0;
    struct pit_message report;
    for (uint32_t round = 0; round < 3000; round++) {
        if (fake_unread(rig->fake, client) < 500 && pit_egress_counters(rig->egress)->backlog_bytes < 3000) {
            struct pit_event event = event_of(PIT_EVENT_ACCEPTED, 1);
            event.quantity = ++sent;
            event.price = (int64_t)(rig_random(&random) >> (3 + rig_random(&random) % 60));
            event.flags = PIT_EVENT_LAST;
            rig_event(rig, &event);
        }
        rig->fake->handles[client].takes = rig_random(&random) % 97;
        rig_sleep_ms(rig, 1);
        rig_settle(rig);
        while (fake_receive(rig->fake, client, &report))
            assert_int_equal(report.quantity, ++received);
    }
    rig->fake->handles[client].takes = SIZE_MAX;
    rig_sleep_ms(rig, 1);
    rig_settle(rig);
    while (fake_receive(rig->fake, client, &report))
        assert_int_equal(report.quantity, ++received);
    assert_int_equal(received, sent);
    assert_true(sent > 500);
    assert_int_equal(pit_egress_counters(rig->egress)->backlog_bytes, 0);
    rig_destroy(rig);
}

static void egress_says_when_everything_is_flushed(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.first = 7});
    int client = rig_logon(rig, 1);
    struct pit_message order = rig_new(1, 0);
    fake_send(rig->fake, client, &order);
    rig_settle(rig);
    assert_true(pit_egress_flushed(rig->egress, 6));
    assert_false(pit_egress_flushed(rig->egress, 7));
    rig->fake->handles[client].takes = 0;
    rig_match(rig, 1);
    rig_settle(rig);
    assert_false(pit_egress_flushed(rig->egress, 7));
    rig->fake->handles[client].takes = SIZE_MAX;
    rig_sleep_ms(rig, 1);
    rig_settle(rig);
    assert_true(pit_egress_flushed(rig->egress, 7));
    rig_destroy(rig);
}

static void egress_measures_from_the_commands_time_to_its_last_report(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    rig_logon(rig, 1);
    struct pit_event event = event_of(PIT_EVENT_ACCEPTED, 1);
    rig->utc_ns = RIG_UTC_NS + 1000;
    rig_event(rig, &event);
    event = event_of(PIT_EVENT_RESTED, 1);
    event.flags = PIT_EVENT_LAST;
    rig_event(rig, &event);
    rig_settle(rig);
    rig->utc_ns = RIG_UTC_NS - 1000; /* a clock that was stepped back */
    event = event_of(PIT_EVENT_REJECTED, 1);
    event.flags = PIT_EVENT_LAST;
    rig_event(rig, &event);
    rig_settle(rig);
    static struct pit_histogram latency;
    pit_histogram_snapshot(&latency, pit_egress_latency(rig->egress));
    assert_int_equal(latency.count, 2);
    assert_int_equal(latency.buckets[pit_histogram_bucket(1000)], 1);
    assert_int_equal(latency.buckets[0], 1);
    rig_destroy(rig);
}

/* Two matchers: a session may only go when both have done its last command and both rings are read. */
static void egress_waits_for_every_matcher_before_it_ends_a_session(void **state)
{
    (void)state;
    struct fake_network *fake = fake_network_create();
    struct rig *rig = rig_create(&(struct rig_options){0}); /* for its clock */
    struct pit_sequence cursors[2] = {{.value = 0}, {.value = 0}};
    void *memory[3];
    struct pit_ring *rings[3];
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t slot_bytes = i == 2 ? sizeof(struct pit_session_note) : PIT_EVENT_LINE_BYTES;
        memory[i] = aligned_alloc(PIT_SEQUENCE_BYTES, pit_ring_bytes(1024, slot_bytes));
        rings[i] = pit_ring_create(memory[i], 1024, slot_bytes, 1);
    }
    struct pit_egress_source sources[2] = {{rings[0], &cursors[0]}, {rings[1], &cursors[1]}};
    struct pit_egress_config config = {.network = &fake->table,
                                       .clock = &rig->clock,
                                       .sessions = rings[2],
                                       .sources = sources,
                                       .sources_count = 2,
                                       .sessions_max = 1,
                                       .results = rig->results};
    struct pit_egress *egress = NULL;
    struct pit_error error;
    assert_int_equal(pit_egress_create(&egress, &config, &error), 0);
    struct pit_agent agent = pit_egress_agent(egress);
    int client = fake_connect(fake);
    static const enum pit_session_note_kind kinds[] = {PIT_SESSION_OPEN, PIT_SESSION_LOGON, PIT_SESSION_CLOSE};
    for (uint32_t i = 0; i < 3; i++) {
        uint64_t sequence = pit_ring_claim(rings[2], 1);
        struct pit_session_note *note = pit_ring_slot(rings[2], sequence);
        note->kind = kinds[i];
        note->session = 0;
        note->socket = client;
        note->account = 1;
        note->command = 10;
        pit_ring_publish(rings[2], sequence, 1);
    }
    const struct pit_session_board *board = pit_egress_board(egress);
    agent.do_work(egress);
    agent.do_work(egress);
    pit_sequence_store(&cursors[0], 10);
    agent.do_work(egress);
    agent.do_work(egress);
    assert_int_equal(board->ended, 0);
    /* The second matcher publishes more than one turn takes, then moves its cursor. */
    for (uint32_t i = 0; i < 1000; i++) {
        uint64_t slot = pit_ring_claim(rings[1], 1);
        struct pit_event event = event_of(PIT_EVENT_ACCEPTED, 1);
        event.quantity = i + 1;
        event.flags = PIT_EVENT_LAST;
        memcpy(pit_ring_slot(rings[1], slot), &event, PIT_EVENT_LINE_BYTES);
        pit_ring_publish_run(rings[1], slot, 1);
    }
    pit_sequence_store(&cursors[1], 10);
    for (uint32_t i = 0; i < 10; i++)
        agent.do_work(egress);
    assert_int_equal(board->ended, 3);
    struct pit_message report = {0};
    uint64_t received = 0;
    while (fake_receive(fake, client, &report))
        assert_int_equal(report.quantity, ++received);
    assert_int_equal(received, 1000);
    pit_egress_destroy(egress);
    fake_network_destroy(fake);
    rig_destroy(rig);
    for (uint32_t i = 0; i < 3; i++)
        free(memory[i]);
}

/* A clock that lets the matcher do one more command while egress is in the midst of its turn. */
static uint64_t match_meanwhile(void *context)
{
    struct rig *rig = context;
    rig_match(rig, 1);
    return rig->utc_ns;
}

static void egress_does_not_take_a_cursor_for_events_that_came_after_its_look(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){0});
    int client = rig_logon(rig, 1);
    struct pit_message order = rig_new(1, 0), logout = {.kind = PIT_MESSAGE_LOGOUT};
    for (order.request = 1; order.request <= 20; order.request++)
        fake_send(rig->fake, client, &order);
    fake_send(rig->fake, client, &logout);
    rig_settle(rig);
    rig_match(rig, 1);
    rig->clock.utc_ns = match_meanwhile;
    rig_settle(rig);
    for (uint32_t i = 1; i <= 20; i++)
        assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, i);
    rig_expect_bye(rig, client, PIT_REASON_REQUESTED);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(egress_tells_a_trade_to_both_sides),
        cmocka_unit_test(egress_marks_the_last_report_when_maker_and_taker_are_one),
        cmocka_unit_test(egress_reports_every_kind_to_the_requester),
        cmocka_unit_test(egress_drops_what_concerns_nobody_who_is_there),
        cmocka_unit_test(egress_knows_an_account_before_its_first_report),
        cmocka_unit_test(egress_shuts_down_a_slow_client_and_no_other),
        cmocka_unit_test(egress_gives_up_a_broken_connection),
        cmocka_unit_test(egress_tells_nothing_behind_the_farewell),
        cmocka_unit_test(egress_sends_on_where_a_send_stopped),
        cmocka_unit_test(egress_says_when_everything_is_flushed),
        cmocka_unit_test(egress_measures_from_the_commands_time_to_its_last_report),
        cmocka_unit_test(egress_does_not_take_a_cursor_for_events_that_came_after_its_look),
        cmocka_unit_test(egress_waits_for_every_matcher_before_it_ends_a_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
