/* test/load/test_book.c - the book rebuilt from reports against the book that made them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test/load/venue.h"
#include "tools/flow.h"
#include "tools/load_book.h"

static void take(void *context, uint32_t session, const struct pit_report *report)
{
    (void)session;
    assert_int_equal(pit_load_book_apply(context, report), 0);
}

/* The levels of one side of the real book, looked for one by one in the rebuilt one. */
struct comparison {
    const struct pit_load_book *rebuilt;
    int64_t price;
    uint64_t quantity;
    uint32_t levels;
    enum pit_side side;
};

static void comparison_level(struct comparison *comparison)
{
    if (comparison->quantity > 0)
        assert_int_equal(pit_load_book_quantity(comparison->rebuilt, comparison->side, comparison->price),
                         comparison->quantity);
}

static bool comparison_visit(void *context, const struct pit_resting_order *order)
{
    struct comparison *comparison = context;
    if (order->price != comparison->price) {
        comparison_level(comparison);
        comparison->price = order->price;
        comparison->quantity = 0;
        comparison->levels++;
    }
    comparison->quantity += order->quantity;
    return true;
}

static void assert_same(const struct pit_book *book, const struct pit_load_book *rebuilt, bool whole)
{
    assert_int_equal(pit_book_orders(book), pit_load_book_orders(rebuilt));
    for (enum pit_side side = PIT_SIDE_BUY; side <= PIT_SIDE_SELL; side++) {
        int64_t best = 0, found = 0;
        assert_int_equal(pit_book_best(book, side, &best), pit_load_book_best(rebuilt, side, &found));
        assert_int_equal(best, found);
        if (whole) {
            struct comparison comparison = {.rebuilt = rebuilt, .side = side};
            pit_book_walk(book, side, comparison_visit, &comparison);
            comparison_level(&comparison);
        }
    }
}

static void reports_rebuild_the_book_after_every_request(void **state)
{
    (void)state;
    uint64_t seed = venue_seed("rebuild");
    for (uint32_t i = 0; pit_flow_names[i]; i++) {
        struct venue *venue = venue_open_band(1, 1u << 18, PIT_PRICE_MIN, PIT_PRICE_MAX, 1u << 18);
        struct pit_load_book *rebuilt = pit_load_book_create();
        struct pit_flow_options options = {
            .name = pit_flow_names[i], .seed = seed, .symbols = 1, .accounts = 2, .resting = 1500};
        struct pit_flow *flow;
        assert_int_equal(pit_flow_create(&flow, &options, NULL), 0);
        for (uint32_t n = 0; n < 60000; n++) {
            struct pit_flow_operation operation;
            pit_flow_next(flow, &operation);
            struct pit_load_request request = {.client_id = operation.order,
                                               .price = operation.price,
                                               .quantity = operation.quantity,
                                               .session = operation.account,
                                               .kind = operation.kind,
                                               .side = operation.side,
                                               .tif = operation.tif,
                                               .market = operation.market,
                                               .post_only = operation.post_only};
            venue_apply(venue, &request, take, rebuilt);
            assert_same(venue_book(venue, 0), rebuilt, n % 1000 == 0);
        }
        pit_flow_destroy(flow);
        pit_load_book_destroy(rebuilt);
        venue_close(venue);
    }
}

static struct pit_report rests(uint64_t order_id, enum pit_side side, int64_t price, uint64_t quantity)
{
    return (struct pit_report){.kind = PIT_REPORT_ACCEPTED,
                               .rests = true,
                               .order_id = order_id,
                               .side = (uint8_t)side,
                               .price = price,
                               .quantity = quantity};
}

static void impossible(struct pit_report report)
{
    struct pit_load_book *book = pit_load_book_create();
    struct pit_report bid = rests(1, PIT_SIDE_BUY, 100, 10), ask = rests(2, PIT_SIDE_SELL, 102, 10);
    assert_int_equal(pit_load_book_apply(book, &bid), 0);
    assert_int_equal(pit_load_book_apply(book, &ask), 0);
    assert_int_equal(pit_load_book_apply(book, &report), -EPROTO);
    pit_load_book_destroy(book);
}

static void reports_that_contradict_each_other_are_noticed(void **state)
{
    (void)state;
    struct pit_report trade = {.kind = PIT_REPORT_TRADE, .order_id = 1, .price = 100, .quantity = 4, .leaves = 6};
    impossible(rests(1, PIT_SIDE_BUY, 99, 1));   /* a second order of one id */
    impossible(rests(3, PIT_SIDE_BUY, 102, 1));  /* crossed */
    impossible(rests(3, PIT_SIDE_SELL, 100, 1)); /* crossed */
    impossible(rests(3, PIT_SIDE_BUY, 99, 0));   /* nothing */
    impossible(rests(0, PIT_SIDE_BUY, 99, 1));   /* no id */
    trade.leaves = 5;                            /* does not add up */
    impossible(trade);
    trade.leaves = 6;
    trade.order_id = 9; /* rests nowhere */
    impossible(trade);
    trade.order_id = 1;
    trade.price = 101; /* not where it rests */
    impossible(trade);
    impossible((struct pit_report){.kind = PIT_REPORT_TRADE, .order_id = 1, .price = 100, .quantity = 11});
    impossible((struct pit_report){.kind = PIT_REPORT_CANCELLED, .order_id = 1, .quantity = 9});
    impossible((struct pit_report){.kind = PIT_REPORT_REDUCED, .order_id = 1, .quantity = 11});
    impossible((struct pit_report){.kind = PIT_REPORT_REPLACED,
                                   .order_id = 1,
                                   .rests = true,
                                   .price_old = 99,
                                   .quantity_old = 10,
                                   .price = 98,
                                   .quantity = 10});
}

static void aggressors_and_orders_that_never_rested_leave_the_book_alone(void **state)
{
    (void)state;
    struct pit_load_book *book = pit_load_book_create();
    struct pit_report reports[] = {
        rests(1, PIT_SIDE_SELL, 100, 10),
        {.kind = PIT_REPORT_ACCEPTED, .order_id = 2, .side = PIT_SIDE_BUY, .price = 100, .quantity = 4},
        {.kind = PIT_REPORT_TRADE, .order_id = 1, .side = PIT_SIDE_SELL, .price = 100, .quantity = 4, .leaves = 6},
        {.kind = PIT_REPORT_TRADE, .order_id = 2, .aggressor = true, .price = 100, .quantity = 4},
        {.kind = PIT_REPORT_ACCEPTED, .order_id = 3, .side = PIT_SIDE_BUY, .price = 99, .quantity = 5},
        {.kind = PIT_REPORT_CANCELLED, .order_id = 3, .side = PIT_SIDE_BUY, .price = 99, .quantity = 5},
        {.kind = PIT_REPORT_REJECTED, .order_id = 1, .quantity = 77},
    };
    for (uint32_t i = 0; i < sizeof reports / sizeof reports[0]; i++)
        assert_int_equal(pit_load_book_apply(book, &reports[i]), 0);
    assert_int_equal(pit_load_book_orders(book), 1);
    assert_int_equal(pit_load_book_quantity(book, PIT_SIDE_SELL, 100), 6);
    assert_int_equal(pit_load_book_quantity(book, PIT_SIDE_BUY, 100), 0);
    int64_t price;
    assert_false(pit_load_book_best(book, PIT_SIDE_BUY, &price));
    pit_load_book_destroy(book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_rebuild_the_book_after_every_request),
        cmocka_unit_test(reports_that_contradict_each_other_are_noticed),
        cmocka_unit_test(aggressors_and_orders_that_never_rested_leave_the_book_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
