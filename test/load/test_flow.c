/* test/load/test_flow.c - the synthetic flows against a real market. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test/load/venue.h"
#include "tools/flow.h"

#define ACCOUNTS 3u
#define WINDOW_FLOWS 3u /* the first of all: exchange, itch-like, mixed */

struct run {
    struct venue *venue;
    struct pit_flow *flow;
    struct pit_flow_band band;
    uint32_t symbols;
    uint64_t kinds[5], gtc, ioc, fok, market, post_only;
    uint64_t trades, rejected;
    bool feedback;
};

static struct run run_open(const char *name, uint64_t seed, uint32_t symbols, uint32_t resting, bool feedback)
{
    struct run run = {.symbols = symbols, .feedback = feedback};
    struct pit_flow_options options = {
        .name = name, .seed = seed, .symbols = symbols, .accounts = ACCOUNTS, .resting = resting, .feedback = feedback};
    struct pit_error error;
    assert_int_equal(pit_flow_create(&run.flow, &options, &error), 0);
    assert_int_equal(pit_flow_band(&options, &run.band, &error), 0);
    run.venue = venue_open_band(symbols, 1u << 18, run.band.price_min, run.band.price_max, 1u << 18);
    return run;
}

static void run_close(struct run *run)
{
    pit_flow_destroy(run->flow);
    venue_close(run->venue);
}

static void run_take(void *context, uint32_t session, const struct pit_report *report)
{
    struct run *run = context;
    (void)session;
    run->trades += report->kind == PIT_REPORT_TRADE && report->aggressor;
    run->rejected += report->kind == PIT_REPORT_REJECTED;
    bool gone = report->kind == PIT_REPORT_CANCELLED ||
                (report->kind == PIT_REPORT_REJECTED && report->reason == PIT_REASON_UNKNOWN_ORDER) ||
                (report->kind == PIT_REPORT_TRADE && report->leaves == 0);
    if (run->feedback && gone)
        pit_flow_gone(run->flow, report->client_id);
}

static struct pit_load_request run_request(const struct pit_flow_operation *operation)
{
    return (struct pit_load_request){.client_id = operation->order,
                                     .price = operation->price,
                                     .quantity = operation->quantity,
                                     .session = operation->account,
                                     .symbol = operation->symbol,
                                     .kind = operation->kind,
                                     .side = operation->side,
                                     .tif = operation->tif,
                                     .market = operation->market,
                                     .post_only = operation->post_only};
}

static void run_check(const struct run *run, const struct pit_flow_operation *operation)
{
    assert_true(operation->symbol < run->symbols);
    assert_true(operation->account < ACCOUNTS);
    assert_true(operation->quantity <= run->band.quantity_max);
    assert_true(operation->kind == PIT_FLOW_CANCEL || operation->quantity > 0);
    if (operation->kind == PIT_FLOW_REPLACE || (operation->kind == PIT_FLOW_NEW && !operation->market))
        assert_true(operation->price >= run->band.price_min && operation->price <= run->band.price_max);
}

/* Sends so many operations in order. */
static void run_send(struct run *run, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct pit_flow_operation operation;
        pit_flow_next(run->flow, &operation);
        run_check(run, &operation);
        run->kinds[operation.kind]++;
        if (operation.kind == PIT_FLOW_NEW) {
            run->gtc += operation.tif == PIT_TIF_GTC;
            run->ioc += operation.tif == PIT_TIF_IOC;
            run->fok += operation.tif == PIT_TIF_FOK;
            run->market += operation.market;
            run->post_only += operation.post_only;
        }
        struct pit_load_request request = run_request(&operation);
        venue_apply(run->venue, &request, run_take, run);
    }
}

static void run_forget(struct run *run)
{
    memset(run->kinds, 0, sizeof run->kinds);
    run->gtc = run->ioc = run->fok = run->market = run->post_only = run->trades = run->rejected = 0;
}

static uint32_t run_resting(const struct run *run)
{
    uint32_t orders = 0;
    for (uint32_t symbol = 0; symbol < run->symbols; symbol++)
        orders += pit_book_orders(venue_book(run->venue, symbol));
    return orders;
}

/* That share of all operations, in per mille, give or take a few. */
static void assert_share(uint64_t part, uint64_t whole, uint32_t per_mille, uint32_t tolerance)
{
    uint64_t share = (part * 1000 + whole / 2) / whole;
    assert_in_range(share, per_mille > tolerance ? per_mille - tolerance : 0, per_mille + tolerance);
}

static void exchange_flow_keeps_its_mix_and_its_thousand_orders_on_750_prices(void **state)
{
    (void)state;
    struct run run = run_open("exchange", venue_seed("exchange"), 1, 0, false);
    assert_int_equal(pit_flow_filling(run.flow), 1000);
    run_send(&run, pit_flow_filling(run.flow));
    assert_int_equal(run_resting(&run), 1000);
    assert_int_equal(run.trades, 0);
    run_forget(&run);
    const uint64_t count = 400000;
    uint64_t levels = 0, orders = 0, looks = 0;
    for (uint64_t sent = 0; sent < count; sent += 1000) {
        run_send(&run, 1000);
        levels += pit_book_levels(venue_book(run.venue, 0));
        orders += run_resting(&run);
        looks++;
    }
    assert_share(run.gtc, count, 90, 5);
    assert_share(run.ioc, count, 30, 2);
    assert_share(run.kinds[PIT_FLOW_CANCEL], count, 60, 5);
    assert_share(run.kinds[PIT_FLOW_REPLACE], count, 820, 3);
    assert_in_range(orders / looks, 900, 1100);
    assert_in_range(levels / looks, 680, 820);
    assert_share(run.trades, count, 30, 20);
    run_close(&run);
}

static void itch_like_flow_keeps_its_mix_and_its_hundred_thousand_orders(void **state)
{
    (void)state;
    struct run run = run_open("itch-like", venue_seed("itch-like"), 4, 0, false);
    assert_int_equal(pit_flow_filling(run.flow), 100000);
    run_send(&run, pit_flow_filling(run.flow));
    assert_int_equal(run_resting(&run), 100000);
    run_forget(&run);
    const uint64_t count = 400000;
    run_send(&run, count);
    assert_share(run.gtc, count, 450, 12);
    assert_share(run.ioc, count, 50, 2);
    assert_share(run.kinds[PIT_FLOW_CANCEL], count, 450, 12);
    assert_share(run.kinds[PIT_FLOW_REPLACE], count, 50, 2);
    assert_in_range(run_resting(&run), 90000, 110000);
    assert_true(run.trades > count / 50);
    run_close(&run);
}

static void mixed_flow_has_everything(void **state)
{
    (void)state;
    struct run run = run_open("mixed", venue_seed("mixed"), 2, 0, false);
    run_send(&run, 100000);
    assert_true(run.gtc > 1000 && run.ioc > 1000 && run.fok > 1000 && run.market > 100 && run.post_only > 100);
    assert_true(run.kinds[PIT_FLOW_CANCEL] > 1000 && run.kinds[PIT_FLOW_REDUCE] > 1000 &&
                run.kinds[PIT_FLOW_REPLACE] > 1000);
    run_close(&run);
}

static void in_order_nothing_is_refused_and_the_flow_knows_what_rests(void **state)
{
    (void)state;
    uint64_t seed = venue_seed("in order");
    for (uint32_t i = 0; pit_flow_names[i]; i++) {
        struct run run = run_open(pit_flow_names[i], seed, 3, 3000, false);
        for (uint32_t turn = 0; turn < 60; turn++) {
            run_send(&run, 1000);
            assert_int_equal(pit_flow_resting(run.flow), run_resting(&run));
        }
        assert_int_equal(run.rejected, 0);
        run_close(&run);
    }
}

static void same_options_give_the_same_flow_and_another_seed_another(void **state)
{
    (void)state;
    for (uint32_t i = 0; pit_flow_names[i]; i++) {
        struct pit_flow *flows[3];
        struct pit_error error;
        for (uint32_t f = 0; f < 3; f++) {
            struct pit_flow_options options = {
                .name = pit_flow_names[i], .seed = f == 2 ? 8 : 7, .symbols = 2, .accounts = 5, .resting = 500};
            assert_int_equal(pit_flow_create(&flows[f], &options, &error), 0);
        }
        uint32_t different = 0;
        for (uint32_t n = 0; n < 20000; n++) {
            struct pit_flow_operation a = {0}, b = {0}, c = {0};
            pit_flow_next(flows[0], &a);
            pit_flow_next(flows[1], &b);
            pit_flow_next(flows[2], &c);
            assert_memory_equal(&a, &b, sizeof a);
            different += memcmp(&a, &c, sizeof a) != 0;
        }
        assert_true(different > 19000);
        for (uint32_t f = 0; f < 3; f++)
            pit_flow_destroy(flows[f]);
    }
}

/* Sessions race: operations of different accounts overtake each other by up to a few hundred places. */
struct race {
    struct pit_flow_operation queues[ACCOUNTS][256];
    uint32_t first[ACCOUNTS], waiting[ACCOUNTS];
};

static void race_step(struct run *run, struct race *race, uint64_t *random)
{
    *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    uint32_t account = (uint32_t)(*random >> 33) % ACCOUNTS;
    if (race->waiting[account] == 0)
        return;
    struct pit_load_request request = run_request(&race->queues[account][race->first[account]++ % 256]);
    race->waiting[account]--;
    venue_apply(run->venue, &request, run_take, run);
}

static void with_feedback_the_flow_stays_in_step_when_sessions_race(void **state)
{
    (void)state;
    uint64_t random = venue_seed("race");
    for (uint32_t i = 0; pit_flow_names[i]; i++) {
        struct run run = run_open(pit_flow_names[i], random, 2, 2000, true);
        struct race race = {0};
        const uint32_t count = i < WINDOW_FLOWS ? 300000 : 100000;
        for (uint32_t n = 0; n < count; n++) {
            struct pit_flow_operation operation;
            pit_flow_next(run.flow, &operation);
            uint32_t account = operation.account;
            while (race.waiting[account] == 256)
                race_step(&run, &race, &random);
            race.queues[account][(race.first[account] + race.waiting[account]++) % 256] = operation;
            race_step(&run, &race, &random);
        }
        /* Where most orders go within a few messages of their coming, a race takes the order from many a cancel; but
         * never rests more than the flow has entries for, live or presumed filled. */
        assert_share(run.rejected, count, 0, i < WINDOW_FLOWS ? 40 : 120);
        assert_in_range(run_resting(&run), 1200, i < WINDOW_FLOWS ? 3500 : 2 * (1000 * 3 / 2 + 4096));

        run_close(&run);
    }
}

static void gone_takes_any_number(void **state)
{
    (void)state;
    struct run run = run_open("mixed", 1, 1, 100, true);
    uint64_t random = venue_seed("gone");
    for (uint32_t i = 0; i < 200000; i++) {
        struct pit_flow_operation operation;
        pit_flow_next(run.flow, &operation);
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        pit_flow_gone(run.flow, i & 1 ? random : operation.order - (random >> 60));
        pit_flow_gone(run.flow, i & 1 ? 0 : UINT64_MAX);
    }
    run_close(&run);
}

static void create_refuses_what_it_cannot_do(void **state)
{
    (void)state;
    struct pit_flow *flow;
    struct pit_error error = {0};
    struct pit_flow_options options = {.name = "nothing", .symbols = 1, .accounts = 1};
    assert_int_equal(pit_flow_create(&flow, &options, &error), -EINVAL);
    assert_non_null(strstr(error.text, "itch-like"));
    options.name = "exchange";
    options.symbols = 0;
    assert_int_equal(pit_flow_create(&flow, &options, &error), -EINVAL);
    options.symbols = PIT_SYMBOLS_MAX + 1;
    assert_int_equal(pit_flow_create(&flow, &options, &error), -EINVAL);
    options.symbols = 1;
    options.accounts = 0;
    assert_int_equal(pit_flow_create(&flow, &options, &error), -EINVAL);
    options.accounts = 1;
    options.resting = PIT_ORDERS_MAX + 1;
    assert_int_equal(pit_flow_create(&flow, &options, &error), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchange_flow_keeps_its_mix_and_its_thousand_orders_on_750_prices),
        cmocka_unit_test(itch_like_flow_keeps_its_mix_and_its_hundred_thousand_orders),
        cmocka_unit_test(mixed_flow_has_everything),
        cmocka_unit_test(in_order_nothing_is_refused_and_the_flow_knows_what_rests),
        cmocka_unit_test(same_options_give_the_same_flow_and_another_seed_another),
        cmocka_unit_test(with_feedback_the_flow_stays_in_step_when_sessions_race),
        cmocka_unit_test(gone_takes_any_number),
        cmocka_unit_test(create_refuses_what_it_cannot_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
