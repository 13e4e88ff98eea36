/* test/book/test_book.c - what each command gives, event by event. */
#include "test/book/support.h"

static int open_desk(void **state)
{
    const struct pit_symbol_definition definition = desk_definition(8, 4);
    *state = desk_open(&definition);
    return 0;
}

static int close_desk(void **state)
{
    desk_sound(*state);
    desk_close(*state);
    return 0;
}

#define RESTS_LAST (PIT_EVENT_RESTS | PIT_EVENT_LAST)
#define TAKER_LAST (PIT_EVENT_WIDE | PIT_EVENT_TAKER_DONE | PIT_EVENT_LAST)
#define MARKET PIT_COMMAND_MARKET
#define POST_ONLY PIT_COMMAND_POST_ONLY

/* What arrives and rests. */

static void order_without_counterpart_rests_whole(void **state)
{
    struct desk *desk = *state;
    uint64_t id = desk_send(desk, named(77, by(3, order(BUY, 100, 10))));
    desk_expect(desk, {.kind = PIT_EVENT_ACCEPTED,
                       .side = BUY,
                       .flags = RESTS_LAST,
                       .order_id = id,
                       .client_id = 77,
                       .price = 100,
                       .quantity = 10,
                       .account = 3});
    int64_t price;
    assert_true(pit_book_best(desk->book, BUY, &price));
    assert_int_equal(price, 100);
    assert_false(pit_book_best(desk->book, SELL, &price));
    assert_int_equal(pit_book_orders(desk->book), 1);
    assert_int_equal(pit_book_levels(desk->book), 1);
}

static void aggressor_trades_at_the_makers_price(void **state)
{
    struct desk *desk = *state;
    uint64_t maker = desk_send(desk, named(11, by(2, order(SELL, 100, 10))));
    uint64_t taker = desk_send(desk, named(22, by(3, order(BUY, 105, 4))));
    desk_expect(desk,
                {.kind = PIT_EVENT_ACCEPTED,
                 .side = BUY,
                 .order_id = taker,
                 .client_id = 22,
                 .price = 105,
                 .quantity = 4,
                 .account = 3},
                {.kind = PIT_EVENT_TRADE,
                 .side = BUY,
                 .flags = TAKER_LAST,
                 .order_id = maker,
                 .client_id = 11,
                 .price = 100,
                 .quantity = 4,
                 .account = 2,
                 .leaves = 6,
                 .taker_order_id = taker,
                 .taker_client_id = 22,
                 .taker_account = 3});
}

static void aggressor_takes_best_price_first_then_oldest(void **state)
{
    struct desk *desk = *state;
    uint64_t worse = desk_send(desk, order(BUY, 99, 5));
    uint64_t first = desk_send(desk, order(BUY, 100, 5));
    uint64_t second = desk_send(desk, order(BUY, 100, 5));
    uint64_t taker = desk_send(desk, by(2, order(SELL, 99, 12)));
    desk_expect(
        desk, {.kind = PIT_EVENT_ACCEPTED, .side = SELL, .order_id = taker, .price = 99, .quantity = 12, .account = 2},
        {.kind = PIT_EVENT_TRADE,
         .side = SELL,
         .flags = PIT_EVENT_WIDE,
         .order_id = first,
         .price = 100,
         .quantity = 5,
         .account = 1,
         .taker_order_id = taker,
         .taker_leaves = 7,
         .taker_account = 2},
        {.kind = PIT_EVENT_TRADE,
         .side = SELL,
         .flags = PIT_EVENT_WIDE,
         .order_id = second,
         .price = 100,
         .quantity = 5,
         .account = 1,
         .taker_order_id = taker,
         .taker_leaves = 2,
         .taker_account = 2,
         .number = 1},
        {.kind = PIT_EVENT_TRADE,
         .side = SELL,
         .flags = TAKER_LAST,
         .order_id = worse,
         .price = 99,
         .quantity = 2,
         .account = 1,
         .leaves = 3,
         .taker_order_id = taker,
         .taker_account = 2,
         .number = 2});
}

static void aggressor_rests_what_is_left(void **state)
{
    struct desk *desk = *state;
    uint64_t maker = desk_send(desk, order(SELL, 100, 3));
    uint64_t taker = desk_send(desk, by(2, order(BUY, 100, 10)));
    desk_expect(
        desk, {.kind = PIT_EVENT_ACCEPTED, .side = BUY, .order_id = taker, .price = 100, .quantity = 10, .account = 2},
        {.kind = PIT_EVENT_TRADE,
         .side = BUY,
         .flags = PIT_EVENT_WIDE,
         .order_id = maker,
         .price = 100,
         .quantity = 3,
         .account = 1,
         .taker_order_id = taker,
         .taker_leaves = 7,
         .taker_account = 2},
        {.kind = PIT_EVENT_RESTED,
         .side = BUY,
         .flags = PIT_EVENT_LAST,
         .order_id = taker,
         .price = 100,
         .quantity = 7,
         .account = 2});
    int64_t price;
    assert_true(pit_book_best(desk->book, BUY, &price));
    assert_int_equal(price, 100);
    assert_false(pit_book_best(desk->book, SELL, &price));
}

static void aggressor_stops_at_its_limit(void **state)
{
    struct desk *desk = *state;
    desk_send(desk, order(SELL, 100, 3));
    desk_send(desk, order(SELL, 102, 3));
    uint64_t taker = desk_send(desk, order(BUY, 101, 5));
    assert_int_equal(desk->events, 3);
    assert_int_equal(desk->event[2].kind, PIT_EVENT_RESTED);
    assert_int_equal(desk->event[2].order_id, taker);
    assert_int_equal(desk->event[2].quantity, 2);
}

/* Immediate orders. */

static void ioc_remainder_is_cancelled(void **state)
{
    struct desk *desk = *state;
    uint64_t maker = desk_send(desk, order(SELL, 100, 3));
    uint64_t taker = desk_send(desk, tif(PIT_TIF_IOC, named(5, by(2, order(BUY, 100, 10)))));
    desk_expect(desk,
                {.kind = PIT_EVENT_ACCEPTED,
                 .side = BUY,
                 .order_id = taker,
                 .client_id = 5,
                 .price = 100,
                 .quantity = 10,
                 .account = 2},
                {.kind = PIT_EVENT_TRADE,
                 .side = BUY,
                 .flags = PIT_EVENT_WIDE,
                 .order_id = maker,
                 .price = 100,
                 .quantity = 3,
                 .account = 1,
                 .taker_order_id = taker,
                 .taker_client_id = 5,
                 .taker_leaves = 7,
                 .taker_account = 2},
                {.kind = PIT_EVENT_CANCELLED,
                 .side = BUY,
                 .flags = PIT_EVENT_LAST,
                 .reason = PIT_REASON_IOC_REMAINDER,
                 .order_id = taker,
                 .client_id = 5,
                 .price = 100,
                 .quantity = 7,
                 .account = 2});
    assert_int_equal(pit_book_orders(desk->book), 0);
}

static void ioc_without_counterpart_is_cancelled_whole(void **state)
{
    struct desk *desk = *state;
    uint64_t id = desk_send(desk, tif(PIT_TIF_IOC, order(SELL, 100, 10)));
    desk_expect(desk,
                {.kind = PIT_EVENT_ACCEPTED, .side = SELL, .order_id = id, .price = 100, .quantity = 10, .account = 1},
                {.kind = PIT_EVENT_CANCELLED,
                 .side = SELL,
                 .flags = PIT_EVENT_LAST,
                 .reason = PIT_REASON_IOC_REMAINDER,
                 .order_id = id,
                 .price = 100,
                 .quantity = 10,
                 .account = 1});
}

static void fok_that_cannot_fill_trades_nothing(void **state)
{
    struct desk *desk = *state;
    desk_send(desk, order(SELL, 100, 3));
    desk_send(desk, order(SELL, 101, 3));
    desk_send(desk, order(SELL, 103, 9));
    uint64_t id = desk_send(desk, tif(PIT_TIF_FOK, order(BUY, 102, 7)));
    desk_expect(desk,
                {.kind = PIT_EVENT_ACCEPTED, .side = BUY, .order_id = id, .price = 102, .quantity = 7, .account = 1},
                {.kind = PIT_EVENT_CANCELLED,
                 .side = BUY,
                 .flags = PIT_EVENT_LAST,
                 .reason = PIT_REASON_FOK_UNFILLABLE,
                 .order_id = id,
                 .price = 102,
                 .quantity = 7,
                 .account = 1});
    assert_int_equal(pit_book_orders(desk->book), 3);
}

static void fok_that_can_fill_trades_wholly(void **state)
{
    struct desk *desk = *state;
    desk_send(desk, order(BUY, 100, 3));
    desk_send(desk, order(BUY, 99, 3));
    desk_send(desk, tif(PIT_TIF_FOK, order(SELL, 99, 6)));
    assert_int_equal(desk->events, 3);
    assert_int_equal(desk->event[2].flags, TAKER_LAST);
    assert_int_equal(pit_book_orders(desk->book), 0);
}

static void market_order_takes_any_price(void **state)
{
    struct desk *desk = *state;
    uint64_t cheap = desk_send(desk, order(SELL, 1, 3));
    uint64_t dear = desk_send(desk, order(SELL, 1000, 3));
    uint64_t id = desk_send(desk, flagged(MARKET, tif(PIT_TIF_IOC, order(BUY, -5, 7))));
    desk_expect(desk, {.kind = PIT_EVENT_ACCEPTED, .side = BUY, .order_id = id, .quantity = 7, .account = 1},
                {.kind = PIT_EVENT_TRADE,
                 .side = BUY,
                 .flags = PIT_EVENT_WIDE,
                 .order_id = cheap,
                 .price = 1,
                 .quantity = 3,
                 .account = 1,
                 .taker_order_id = id,
                 .taker_leaves = 4,
                 .taker_account = 1},
                {.kind = PIT_EVENT_TRADE,
                 .side = BUY,
                 .flags = PIT_EVENT_WIDE,
                 .order_id = dear,
                 .price = 1000,
                 .quantity = 3,
                 .account = 1,
                 .taker_order_id = id,
                 .taker_leaves = 1,
                 .taker_account = 1,
                 .number = 1},
                {.kind = PIT_EVENT_CANCELLED,
                 .side = BUY,
                 .flags = PIT_EVENT_LAST,
                 .reason = PIT_REASON_IOC_REMAINDER,
                 .order_id = id,
                 .quantity = 1,
                 .account = 1});
}

static void market_order_on_an_empty_book_is_cancelled(void **state)
{
    struct desk *desk = *state;
    for (uint8_t side = BUY; side <= SELL; side++) {
        desk_send(desk, flagged(MARKET, tif(PIT_TIF_IOC, order(side, 0, 7))));
        assert_int_equal(desk->events, 2);
        assert_int_equal(desk->event[1].reason, PIT_REASON_IOC_REMAINDER);
        desk_send(desk, flagged(MARKET, tif(PIT_TIF_FOK, order(side, 0, 7))));
        assert_int_equal(desk->events, 2);
        assert_int_equal(desk->event[1].reason, PIT_REASON_FOK_UNFILLABLE);
    }
}

static void post_only_rests_when_it_would_not_trade(void **state)
{
    struct desk *desk = *state;
    desk_send(desk, order(SELL, 100, 3));
    desk_send(desk, flagged(POST_ONLY, order(BUY, 99, 3)));
    assert_int_equal(desk->events, 1);
    assert_int_equal(desk->event[0].flags, RESTS_LAST);
}

static void post_only_that_would_trade_is_rejected(void **state)
{
    struct desk *desk = *state;
    desk_send(desk, order(SELL, 100, 3));
    struct pit_command crossed = flagged(POST_ONLY, named(9, order(BUY, 100, 3)));
    desk_send(desk, crossed);
    desk_expect_rejected(desk, crossed, PIT_REASON_WOULD_TRADE);
    assert_int_equal(pit_book_orders(desk->book), 1);
}

/* Cancel and reduce. */

static void cancel_takes_the_whole_order_out(void **state)
{
    struct desk *desk = *state;
    uint64_t id = desk_send(desk, named(9, order(SELL, 100, 3)));
    desk_send(desk, cancel(id));
    desk_expect(desk, {.kind = PIT_EVENT_CANCELLED,
                       .side = SELL,
                       .flags = PIT_EVENT_LAST,
                       .reason = PIT_REASON_REQUESTED,
                       .order_id = id,
                       .client_id = 9,
                       .price = 100,
                       .quantity = 3,
                       .account = 1});
    assert_int_equal(pit_book_orders(desk->book), 0);
    assert_int_equal(pit_book_levels(desk->book), 0);
    desk_send(desk, cancel(id));
    desk_expect_rejected(desk, cancel(id), PIT_REASON_UNKNOWN_ORDER);
}

static void cancel_finds_the_order_by_client_id(void **state)
{
    struct desk *desk = *state;
    uint64_t mine = desk_send(desk, named(9, order(SELL, 100, 3)));
    desk_send(desk, named(9, by(2, order(SELL, 100, 4))));
    desk_send(desk, named(9, cancel(0)));
    assert_int_equal(desk->event[0].order_id, mine);
    desk_send(desk, named(9, cancel(0)));
    desk_expect_rejected(desk, named(9, cancel(0)), PIT_REASON_UNKNOWN_ORDER);
    desk_send(desk, named(9, by(2, cancel(0))));
    assert_int_equal(desk->event[0].quantity, 4);
}

static void cancel_of_no_id_at_all_is_rejected(void **state)
{
    struct desk *desk = *state;
    desk_send(desk, order(SELL, 100, 3));
    desk_send(desk, cancel(0));
    desk_expect_rejected(desk, cancel(0), PIT_REASON_UNKNOWN_ORDER);
}

static void somebody_elses_order_looks_like_none(void **state)
{
    struct desk *desk = *state;
    uint64_t id = desk_send(desk, named(9, order(SELL, 100, 3)));
    const struct pit_command tries[] = {by(2, cancel(id)), by(2, reduce(id, 1)), by(2, replace(id, 100, 1)),
                                        by(2, named(9, cancel(0)))};
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        desk_send(desk, tries[i]);
        desk_expect_rejected(desk, tries[i], PIT_REASON_UNKNOWN_ORDER);
    }
    assert_int_equal(pit_book_orders(desk->book), 1);
}

static void reduce_takes_lots_off_and_keeps_the_place(void **state)
{
    struct desk *desk = *state;
    uint64_t first = desk_send(desk, named(4, order(SELL, 100, 10)));
    desk_send(desk, order(SELL, 100, 10));
    desk_send(desk, reduce(first, 4));
    desk_expect(desk, {.kind = PIT_EVENT_REDUCED,
                       .side = SELL,
                       .flags = PIT_EVENT_WIDE | PIT_EVENT_LAST,
                       .order_id = first,
                       .client_id = 4,
                       .price = 100,
                       .quantity = 6,
                       .account = 1,
                       .quantity_old = 10});
    desk_send(desk, by(2, order(BUY, 100, 1)));
    assert_int_equal(desk->event[1].order_id, first);
    assert_int_equal(desk->event[1].leaves, 5);
}

static void reduce_by_everything_or_more_cancels(void **state)
{
    struct desk *desk = *state;
    for (uint64_t more = 0; more < 2; more++) {
        uint64_t id = desk_send(desk, order(SELL, 100, 10));
        desk_send(desk, reduce(id, more ? UINT64_MAX : 10));
        desk_expect(desk, {.kind = PIT_EVENT_CANCELLED,
                           .side = SELL,
                           .flags = PIT_EVENT_LAST,
                           .reason = PIT_REASON_REQUESTED,
                           .order_id = id,
                           .price = 100,
                           .quantity = 10,
                           .account = 1});
    }
    assert_int_equal(pit_book_orders(desk->book), 0);
}

/* Replace. */

static void replace_to_less_keeps_the_place(void **state)
{
    struct desk *desk = *state;
    uint64_t first = desk_send(desk, order(SELL, 100, 10));
    desk_send(desk, order(SELL, 100, 10));
    for (uint64_t quantity = 10; quantity >= 9; quantity--) {
        desk_send(desk, replace(first, 100, quantity));
        desk_expect(desk, {.kind = PIT_EVENT_REPLACED,
                           .side = SELL,
                           .flags = PIT_EVENT_WIDE | RESTS_LAST | PIT_EVENT_KEPT,
                           .order_id = first,
                           .price = 100,
                           .quantity = quantity,
                           .account = 1,
                           .quantity_old = 10,
                           .price_old = 100});
    }
    desk_send(desk, by(2, order(BUY, 100, 1)));
    assert_int_equal(desk->event[1].order_id, first);
}

static void replace_to_more_loses_the_place(void **state)
{
    struct desk *desk = *state;
    uint64_t first = desk_send(desk, order(SELL, 100, 10));
    uint64_t second = desk_send(desk, order(SELL, 100, 10));
    desk_send(desk, replace(first, 100, 11));
    desk_expect(desk, {.kind = PIT_EVENT_REPLACED,
                       .side = SELL,
                       .flags = PIT_EVENT_WIDE | RESTS_LAST,
                       .order_id = first,
                       .price = 100,
                       .quantity = 11,
                       .account = 1,
                       .quantity_old = 10,
                       .price_old = 100});
    desk_send(desk, by(2, order(BUY, 100, 1)));
    assert_int_equal(desk->event[1].order_id, second);
}

static void replace_to_another_price_loses_the_place(void **state)
{
    struct desk *desk = *state;
    uint64_t first = desk_send(desk, order(SELL, 100, 10));
    uint64_t second = desk_send(desk, order(SELL, 101, 10));
    desk_send(desk, replace(first, 101, 5));
    desk_expect(desk, {.kind = PIT_EVENT_REPLACED,
                       .side = SELL,
                       .flags = PIT_EVENT_WIDE | RESTS_LAST,
                       .order_id = first,
                       .price = 101,
                       .quantity = 5,
                       .account = 1,
                       .quantity_old = 10,
                       .price_old = 100});
    assert_int_equal(pit_book_levels(desk->book), 1);
    desk_send(desk, by(2, order(BUY, 101, 1)));
    assert_int_equal(desk->event[1].order_id, second);
}

static void replace_that_crosses_trades_and_rests_the_rest(void **state)
{
    struct desk *desk = *state;
    uint64_t bid = desk_send(desk, by(2, order(BUY, 99, 4)));
    uint64_t ask = desk_send(desk, named(6, order(SELL, 100, 10)));
    desk_send(desk, replace(ask, 99, 12));
    desk_expect(desk,
                {.kind = PIT_EVENT_REPLACED,
                 .side = SELL,
                 .flags = PIT_EVENT_WIDE,
                 .order_id = ask,
                 .client_id = 6,
                 .price = 99,
                 .quantity = 12,
                 .account = 1,
                 .quantity_old = 10,
                 .price_old = 100},
                {.kind = PIT_EVENT_TRADE,
                 .side = SELL,
                 .flags = PIT_EVENT_WIDE,
                 .order_id = bid,
                 .price = 99,
                 .quantity = 4,
                 .account = 2,
                 .taker_order_id = ask,
                 .taker_client_id = 6,
                 .taker_leaves = 8,
                 .taker_account = 1},
                {.kind = PIT_EVENT_RESTED,
                 .side = SELL,
                 .flags = PIT_EVENT_LAST,
                 .order_id = ask,
                 .client_id = 6,
                 .price = 99,
                 .quantity = 8,
                 .account = 1});
    desk_send(desk, named(6, cancel(0)));
    assert_int_equal(desk->event[0].order_id, ask);
}

static void replace_that_crosses_may_trade_wholly(void **state)
{
    struct desk *desk = *state;
    desk_send(desk, by(2, order(BUY, 99, 40)));
    uint64_t ask = desk_send(desk, named(6, order(SELL, 100, 10)));
    desk_send(desk, replace(ask, 98, 12));
    assert_int_equal(desk->events, 2);
    assert_int_equal(desk->event[1].flags, TAKER_LAST);
    desk_send(desk, cancel(ask));
    desk_expect_rejected(desk, cancel(ask), PIT_REASON_UNKNOWN_ORDER);
    desk_send(desk, named(6, order(SELL, 100, 10)));
    assert_int_equal(desk->event[0].kind, PIT_EVENT_ACCEPTED);
}

static void post_only_replace_that_would_trade_changes_nothing(void **state)
{
    struct desk *desk = *state;
    desk_send(desk, by(2, order(BUY, 99, 4)));
    uint64_t first = desk_send(desk, order(SELL, 100, 10));
    desk_send(desk, order(SELL, 100, 10));
    struct pit_command crossed = flagged(POST_ONLY, replace(first, 99, 5));
    desk_send(desk, crossed);
    desk_expect_rejected(desk, crossed, PIT_REASON_WOULD_TRADE);
    desk_send(desk, by(2, order(BUY, 100, 1)));
    assert_int_equal(desk->event[1].order_id, first);
    assert_int_equal(desk->event[1].leaves, 9);
}

static void client_id_is_free_again_when_its_order_is_gone(void **state)
{
    struct desk *desk = *state;
    desk_send(desk, named(5, order(SELL, 100, 10)));
    struct pit_command again = named(5, order(SELL, 101, 10));
    desk_send(desk, again);
    desk_expect_rejected(desk, again, PIT_REASON_DUPLICATE_ID);
    desk_send(desk, tif(PIT_TIF_IOC, again));
    desk_expect_rejected(desk, tif(PIT_TIF_IOC, again), PIT_REASON_DUPLICATE_ID);
    desk_send(desk, by(2, order(BUY, 100, 10)));
    assert_int_equal(desk->event[1].leaves, 0);
    desk_send(desk, again);
    assert_int_equal(desk->event[0].kind, PIT_EVENT_ACCEPTED);
}

struct visit {
    uint64_t seen[8];
    uint32_t count;
    uint32_t stop;
};

static bool visit(void *context, const struct pit_resting_order *resting)
{
    struct visit *visits = context;
    visits->seen[visits->count++] = resting->order_id;
    return visits->count != visits->stop;
}

static void visitor_sees_price_time_order_and_may_stop(void **state)
{
    struct desk *desk = *state;
    uint64_t a = desk_send(desk, order(BUY, 100, 1));
    uint64_t b = desk_send(desk, order(BUY, 102, 1));
    uint64_t c = desk_send(desk, order(BUY, 100, 1));
    uint64_t d = desk_send(desk, order(SELL, 110, 1));
    struct visit bids = {0}, asks = {0}, two = {.stop = 2};
    pit_book_walk(desk->book, BUY, visit, &bids);
    assert_int_equal(bids.count, 3);
    assert_int_equal(bids.seen[0], b);
    assert_int_equal(bids.seen[1], a);
    assert_int_equal(bids.seen[2], c);
    pit_book_walk(desk->book, SELL, visit, &asks);
    assert_int_equal(asks.count, 1);
    assert_int_equal(asks.seen[0], d);
    pit_book_walk(desk->book, BUY, visit, &two);
    assert_int_equal(two.count, 2);
}

static void depth_is_what_is_open_at_a_price_of_a_side(void **state)
{
    struct desk *desk = *state;
    desk_send(desk, order(BUY, 100, 5));
    desk_send(desk, order(BUY, 100, 7));
    desk_send(desk, order(BUY, 99, 1));
    desk_send(desk, by(2, order(SELL, 100, 3)));
    assert_int_equal(pit_book_depth(desk->book, BUY, 100), 9);
    assert_int_equal(pit_book_depth(desk->book, BUY, 99), 1);
    assert_int_equal(pit_book_depth(desk->book, SELL, 100), 0);
    assert_int_equal(pit_book_depth(desk->book, BUY, 98), 0);
    assert_int_equal(pit_book_depth(desk->book, BUY, INT64_MIN), 0);
    assert_int_equal(pit_book_depth(desk->book, SELL, INT64_MAX), 0);
}

#define book_test(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        book_test(order_without_counterpart_rests_whole),
        book_test(aggressor_trades_at_the_makers_price),
        book_test(aggressor_takes_best_price_first_then_oldest),
        book_test(aggressor_rests_what_is_left),
        book_test(aggressor_stops_at_its_limit),
        book_test(ioc_remainder_is_cancelled),
        book_test(ioc_without_counterpart_is_cancelled_whole),
        book_test(fok_that_cannot_fill_trades_nothing),
        book_test(fok_that_can_fill_trades_wholly),
        book_test(market_order_takes_any_price),
        book_test(market_order_on_an_empty_book_is_cancelled),
        book_test(post_only_rests_when_it_would_not_trade),
        book_test(post_only_that_would_trade_is_rejected),
        book_test(cancel_takes_the_whole_order_out),
        book_test(cancel_finds_the_order_by_client_id),
        book_test(cancel_of_no_id_at_all_is_rejected),
        book_test(somebody_elses_order_looks_like_none),
        book_test(reduce_takes_lots_off_and_keeps_the_place),
        book_test(reduce_by_everything_or_more_cancels),
        book_test(replace_to_less_keeps_the_place),
        book_test(replace_to_more_loses_the_place),
        book_test(replace_to_another_price_loses_the_place),
        book_test(replace_that_crosses_trades_and_rests_the_rest),
        book_test(replace_that_crosses_may_trade_wholly),
        book_test(post_only_replace_that_would_trade_changes_nothing),
        book_test(client_id_is_free_again_when_its_order_is_gone),
        book_test(visitor_sees_price_time_order_and_may_stop),
        book_test(depth_is_what_is_open_at_a_price_of_a_side),
    };
    return cmocka_run_group_tests_name("book", tests, NULL, NULL);
}
