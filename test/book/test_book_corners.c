/* test/book/test_book_corners.c - where two rules meet: what other engines have been seen to get wrong. */
#include "test/book/support.h"

#define ORDERS 64u
#define LEVELS 4u

static int open_desk(void **state)
{
    struct pit_symbol_definition definition = desk_definition(ORDERS, LEVELS);
    definition.quantity_max = UINT64_C(1) << 62;
    *state = desk_open(&definition);
    return 0;
}

static int close_desk(void **state)
{
    desk_close(*state);
    return 0;
}

static void expect_refused(struct desk *desk, struct pit_command command, enum pit_reason reason)
{
    desk_send(desk, command);
    desk_expect_rejected(desk, command, reason);
}

static void depth_of_more_than_64_bits_is_as_much_as_there_is_room_for(void **state)
{
    struct desk *desk = *state;
    const uint64_t much = UINT64_C(1) << 62;
    const uint64_t first = desk_send(desk, order(SELL, 5, much));
    for (uint32_t i = 1; i < 3; i++)
        desk_send(desk, order(SELL, 5, much));
    assert_int_equal(pit_book_depth(desk->book, SELL, 5), 3 * much);
    desk_send(desk, order(SELL, 5, much));
    assert_int_equal(pit_book_depth(desk->book, SELL, 5), UINT64_MAX);
    desk_sound(desk);
    desk_send(desk, by(2, tif(PIT_TIF_FOK, order(BUY, 5, much - 1))));
    assert_int_equal(desk->event[1].kind, PIT_EVENT_TRADE);
    assert_int_equal(pit_book_depth(desk->book, SELL, 5), 3 * much + 1);
    desk_send(desk, by(2, tif(PIT_TIF_FOK, order(BUY, 5, 2))));
    assert_int_equal(desk->event[1].order_id, first);
    assert_int_equal(pit_book_orders(desk->book), 3);
    assert_int_equal(pit_book_depth(desk->book, SELL, 5), 3 * much - 1);
    desk_sound(desk);
}

/* Filled in part, reduced, filled in part, replaced to what is open: it never left its place. */
static void head_of_a_queue_stays_there_through_all_that_takes_from_it(void **state)
{
    struct desk *desk = *state;
    const uint64_t first = desk_send(desk, order(BUY, 100, 10));
    desk_send(desk, order(BUY, 100, 10));
    desk_send(desk, by(2, tif(PIT_TIF_IOC, order(SELL, 100, 2))));
    desk_send(desk, reduce(first, 1));
    desk_send(desk, by(2, tif(PIT_TIF_IOC, order(SELL, 100, 2))));
    desk_send(desk, replace(first, 100, 5));
    assert_int_equal(desk->event[0].flags & PIT_EVENT_KEPT, PIT_EVENT_KEPT);
    desk_send(desk, by(2, tif(PIT_TIF_IOC, order(SELL, 100, 5))));
    assert_int_equal(desk->event[1].kind, PIT_EVENT_TRADE);
    assert_int_equal(desk->event[1].order_id, first);
    assert_int_equal(desk->event[1].leaves, 0);
    desk_sound(desk);
}

/* The aggressor empties the only level of the other side and rests at that very price, with every level in use. */
static void aggressor_rests_at_the_price_it_emptied(void **state)
{
    struct desk *desk = *state;
    for (uint32_t i = 1; i < LEVELS; i++)
        desk_send(desk, order(BUY, 90 - (int64_t)i, 1));
    desk_send(desk, by(2, order(SELL, 100, 3)));
    const uint64_t taker = desk_send(desk, order(BUY, 100, 5));
    assert_int_equal(desk->event[desk->events - 1].kind, PIT_EVENT_RESTED);
    assert_int_equal(pit_book_depth(desk->book, BUY, 100), 2);
    assert_int_equal(pit_book_levels(desk->book), LEVELS);
    desk_sound(desk);
    expect_refused(desk, order(BUY, 99, 1), PIT_REASON_LEVELS_FULL);
    desk_send(desk, cancel(taker));
    assert_int_equal(desk->event[0].kind, PIT_EVENT_CANCELLED);
    desk_send(desk, by(2, order(SELL, 100, 1)));
    assert_int_equal(pit_book_depth(desk->book, SELL, 100), 1);
    desk_sound(desk);
}

static void fok_takes_exactly_what_is_there_and_not_one_lot_more(void **state)
{
    struct desk *desk = *state;
    for (int64_t price = 100; price < 103; price++)
        for (uint32_t i = 0; i < 3; i++)
            desk_send(desk, by(2, order(SELL, price, 4)));
    desk_send(desk, tif(PIT_TIF_FOK, order(BUY, 101, 25)));
    assert_int_equal(desk->events, 2);
    assert_int_equal(desk->event[1].reason, PIT_REASON_FOK_UNFILLABLE);
    desk_send(desk, tif(PIT_TIF_FOK, order(BUY, 101, 24)));
    assert_int_equal(desk->events, 1 + 6);
    assert_int_equal(desk->event[6].flags & PIT_EVENT_TAKER_DONE, PIT_EVENT_TAKER_DONE);
    assert_int_equal(pit_book_orders(desk->book), 3);
    desk_sound(desk);
}

static void post_only_replace_is_measured_at_the_other_sides_best(void **state)
{
    struct desk *desk = *state;
    const uint64_t bid = desk_send(desk, order(BUY, 99, 1));
    const uint64_t ask = desk_send(desk, by(2, order(SELL, 100, 1)));
    expect_refused(desk, flagged(PIT_COMMAND_POST_ONLY, replace(bid, 100, 1)), PIT_REASON_WOULD_TRADE);
    desk_send(desk, flagged(PIT_COMMAND_POST_ONLY, replace(bid, 99, 2))); /* its own price, a tick from the ask */
    assert_int_equal(desk->event[0].kind, PIT_EVENT_REPLACED);
    desk_send(desk, by(2, cancel(ask)));
    desk_send(desk, flagged(PIT_COMMAND_POST_ONLY, replace(bid, 100, 2)));
    assert_int_equal(desk->event[0].kind, PIT_EVENT_REPLACED);
    desk_sound(desk);
}

/* Swept away, its client id is free at once; the exchange's id stays the dead order's. */
static void client_id_comes_back_within_a_sweep(void **state)
{
    struct desk *desk = *state;
    const uint64_t dead = desk_send(desk, named(7, order(BUY, 100, 1)));
    desk_send(desk, by(2, order(SELL, 100, 1)));
    desk_send(desk, named(7, order(BUY, 100, 1)));
    assert_int_equal(desk->event[0].kind, PIT_EVENT_ACCEPTED);
    expect_refused(desk, named(7, order(BUY, 98, 1)), PIT_REASON_DUPLICATE_ID);
    expect_refused(desk, cancel(dead), PIT_REASON_UNKNOWN_ORDER);
    desk_send(desk, named(7, cancel(0)));
    assert_int_equal(desk->event[0].kind, PIT_EVENT_CANCELLED);
    assert_int_equal(pit_book_orders(desk->book), 0);
    desk_sound(desk);
}

#define book_test(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        book_test(depth_of_more_than_64_bits_is_as_much_as_there_is_room_for),
        book_test(head_of_a_queue_stays_there_through_all_that_takes_from_it),
        book_test(aggressor_rests_at_the_price_it_emptied),
        book_test(fok_takes_exactly_what_is_there_and_not_one_lot_more),
        book_test(post_only_replace_is_measured_at_the_other_sides_best),
        book_test(client_id_comes_back_within_a_sweep),
    };
    return cmocka_run_group_tests_name("book_corners", tests, NULL, NULL);
}
