/* test/book/test_newcomers.c - an order with a client id is found by its order id at any time of its life, whether the
 * table of order ids has it yet or not. PIT_SEED repeats a run. */
#include "book/newcomers.h"

#include "test/book/support.h"

#define ORDERS 4000u

static int open_desk(void **state)
{
    struct pit_symbol_definition definition = desk_definition(ORDERS, 1000);
    struct desk *desk = desk_open(&definition);
    *state = desk;
    return 0;
}

static int close_desk(void **state)
{
    desk_close(*state);
    return 0;
}

/* A buy of three lots with a client id of its own. */
static uint64_t send_named(struct desk *desk, int64_t price)
{
    return desk_send(desk, named(desk->sequence + 1000000, order(BUY, price, 3)));
}

static void expect_live(struct desk *desk, uint64_t order_id)
{
    desk_send(desk, reduce(order_id, 1));
    assert_int_equal(desk->events, 1);
    assert_int_equal(desk->event[0].kind, PIT_EVENT_REDUCED);
    assert_int_equal(desk->event[0].order_id, order_id);
    desk_sound(desk);
}

static void expect_cancelled(struct desk *desk, uint64_t order_id)
{
    desk_send(desk, cancel(order_id));
    assert_int_equal(desk->events, 1);
    assert_int_equal(desk->event[0].kind, PIT_EVENT_CANCELLED);
    assert_int_equal(desk->event[0].order_id, order_id);
    desk_sound(desk);
}

static void expect_gone(struct desk *desk, uint64_t order_id)
{
    desk_send(desk, cancel(order_id));
    desk_expect_rejected(desk, cancel(order_id), PIT_REASON_UNKNOWN_ORDER);
    desk_sound(desk);
}

static const uint32_t others[] = {0, 1, PIT_NEWCOMERS - 1, PIT_NEWCOMERS, PIT_NEWCOMERS + 1, 2 * PIT_NEWCOMERS, 1000};
#define OTHERS (sizeof others / sizeof others[0])

static void order_is_found_however_many_came_after_it(void **state)
{
    struct desk *desk = *state;
    for (size_t i = 0; i < OTHERS; i++) {
        const uint64_t order_id = send_named(desk, 100);
        for (uint32_t n = 0; n < others[i]; n++)
            send_named(desk, 101);
        expect_live(desk, order_id);
        expect_cancelled(desk, order_id);
        expect_gone(desk, order_id);
    }
}

/* The others come and go at once, so that all of them have the same slot. */
static void order_is_found_when_the_others_did_not_stay(void **state)
{
    struct desk *desk = *state;
    for (size_t i = 0; i < OTHERS; i++) {
        const uint64_t order_id = send_named(desk, 100);
        for (uint32_t n = 0; n < others[i]; n++)
            expect_cancelled(desk, send_named(desk, 101));
        expect_live(desk, order_id);
        expect_cancelled(desk, order_id);
        for (uint32_t n = 0; n < others[i]; n++)
            expect_gone(desk, order_id + 1 + 2 * n);
    }
}

static void order_is_found_after_it_moved(void **state)
{
    struct desk *desk = *state;
    for (size_t i = 0; i < OTHERS; i++) {
        const uint64_t order_id = send_named(desk, 100);
        for (uint32_t n = 0; n < others[i]; n++) {
            send_named(desk, 101);
            if (n % 50 == 0)
                desk_send(desk, replace(order_id, 100 + n % 2, 4));
        }
        desk_send(desk, replace(order_id, 102, 4));
        expect_live(desk, order_id);
        expect_cancelled(desk, order_id);
    }
}

/* It leaves, trades, and what is left rests again under its id: once more a newcomer, and maybe in another slot. */
static void order_is_found_after_it_traded_and_rested_again(void **state)
{
    struct desk *desk = *state;
    for (size_t before = 0; before < OTHERS; before++) {
        for (size_t after = 0; after < OTHERS - 1; after++) {
            const uint64_t order_id = send_named(desk, 100);
            for (uint32_t n = 0; n < others[before] && before < OTHERS - 1; n++)
                expect_cancelled(desk, send_named(desk, 99));
            desk_send(desk, by(2, order(SELL, 200, 1)));
            desk_send(desk, replace(order_id, 200, 3));
            assert_int_equal(desk->events, 3);
            assert_int_equal(desk->event[1].kind, PIT_EVENT_TRADE);
            assert_int_equal(desk->event[2].kind, PIT_EVENT_RESTED);
            for (uint32_t n = 0; n < others[after]; n++)
                expect_cancelled(desk, send_named(desk, 99));
            expect_live(desk, order_id);
            expect_cancelled(desk, order_id);
            expect_gone(desk, order_id);
        }
    }
}

/* The slot of an order that went is the next one's, with or without a client id: each is found by its own id only. */
static void order_in_a_newcomers_place_is_found_by_its_own_id(void **state)
{
    struct desk *desk = *state;
    for (int has_name = 0; has_name < 2; has_name++) {
        for (size_t i = 0; i < OTHERS; i++) {
            const uint64_t first = send_named(desk, 100);
            expect_cancelled(desk, first);
            const uint64_t second = has_name ? send_named(desk, 100) : desk_send(desk, order(BUY, 100, 3));
            for (uint32_t n = 0; n < others[i]; n++)
                send_named(desk, 101);
            expect_gone(desk, first);
            expect_live(desk, second);
            expect_cancelled(desk, second);
            const uint64_t third = send_named(desk, 100);
            expect_gone(desk, first);
            expect_gone(desk, second);
            expect_cancelled(desk, third);
        }
    }
}

struct live {
    uint64_t order_id[ORDERS];
    uint32_t count;
    uint64_t gone[ORDERS]; /* the last ones */
    uint32_t gone_count;
};

static void live_remove(struct live *live, uint32_t at)
{
    live->gone[live->gone_count++ % ORDERS] = live->order_id[at];
    live->order_id[at] = live->order_id[--live->count];
}

/* Mostly short lives, now and then a long one; sells take the oldest at the best price. */
static void orders_are_found_as_long_as_they_live(void **state)
{
    struct desk *desk = *state;
    uint64_t random = seed_choose("orders_are_found_as_long_as_they_live");
    struct live *live = calloc(1, sizeof *live);
    assert_non_null(live);
    for (uint32_t step = 0; step < 60000; step++) {
        const uint64_t dice = random_below(&random, 100);
        const uint32_t most = step / 10000 % 2 ? 40 : ORDERS;
        if (live->count == 0 || (live->count < most && dice < 50)) {
            const int64_t price = 1 + (int64_t)random_below(&random, 900);
            live->order_id[live->count++] =
                random_below(&random, 4) ? send_named(desk, price) : desk_send(desk, order(BUY, price, 3));
            continue;
        }
        /* The youngest ones mostly. */
        uint32_t at = live->count - 1 - (uint32_t)random_below(&random, live->count < 100 ? live->count : 100);
        if (random_below(&random, 4) == 0)
            at = (uint32_t)random_below(&random, live->count);
        if (dice < 60) {
            desk_send(desk, replace(live->order_id[at], 1 + (int64_t)random_below(&random, 900), 3));
            assert_int_equal(desk->event[0].kind, PIT_EVENT_REPLACED);
        } else if (dice < 65) { /* out, a trade, and in again */
            desk_send(desk, by(2, order(SELL, 950, 1)));
            desk_send(desk, replace(live->order_id[at], 950, 4));
            assert_int_equal(desk->event[desk->events - 1].kind, PIT_EVENT_RESTED);
            desk_send(desk, replace(live->order_id[at], 1 + (int64_t)random_below(&random, 900), 3));
            assert_int_equal(desk->event[0].kind, PIT_EVENT_REPLACED);
        } else if (dice < 68 && live->gone_count) {
            const uint32_t kept = live->gone_count < ORDERS ? live->gone_count : ORDERS;
            const uint64_t order_id = live->gone[random_below(&random, kept)];
            desk_send(desk, cancel(order_id));
            desk_expect_rejected(desk, cancel(order_id), PIT_REASON_UNKNOWN_ORDER);
        } else {
            desk_send(desk, cancel(live->order_id[at]));
            assert_int_equal(desk->event[0].kind, PIT_EVENT_CANCELLED);
            assert_int_equal(desk->event[0].order_id, live->order_id[at]);
            live_remove(live, at);
        }
        if (step % 997 == 0)
            desk_sound(desk);
    }
    desk_sound(desk);
    assert_int_equal(pit_book_orders(desk->book), live->count);
    for (uint32_t i = 0; i < live->count; i++) {
        desk_send(desk, cancel(live->order_id[i]));
        assert_int_equal(desk->event[0].kind, PIT_EVENT_CANCELLED);
    }
    assert_int_equal(pit_book_orders(desk->book), 0);
    desk_sound(desk);
    free(live);
}

#define book_test(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        book_test(order_is_found_however_many_came_after_it),
        book_test(order_is_found_when_the_others_did_not_stay),
        book_test(order_is_found_after_it_moved),
        book_test(order_is_found_after_it_traded_and_rested_again),
        book_test(order_in_a_newcomers_place_is_found_by_its_own_id),
        book_test(orders_are_found_as_long_as_they_live),
    };
    return cmocka_run_group_tests_name("newcomers", tests, NULL, NULL);
}
