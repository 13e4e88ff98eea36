/* test/adapter/test_recorded_reports.c - the engine for comparison that has its reports ready: they are the right ones,
 * and each comes when its message is due. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tools/adapter/interface.h"

#define BUY 0
#define SELL 1

struct bench {
    const struct pit_bench_outlet *table;
    void *outlet;
};

static void expect(struct bench *bench, enum pit_bench_report_kind kind, uint64_t number, uint64_t id,
                   uint32_t quantity, uint64_t maker_id)
{
    struct pit_bench_report report;
    assert_int_equal(bench->table->drain(bench->outlet, &report, 1), 1);
    assert_int_equal(report.kind, kind);
    assert_int_equal(report.number, number);
    assert_int_equal(report.id, id);
    assert_int_equal(report.quantity, quantity);
    assert_int_equal(report.maker_id, maker_id);
}

static void expect_no_more(struct bench *bench)
{
    struct pit_bench_report report;
    assert_int_equal(bench->table->drain(bench->outlet, &report, 1), 0);
}

static void recorded_reports_come_when_their_message_is_due(void **state)
{
    (void)state;
    struct bench bench = {.table = engine_get_transport()};
    bench.outlet = bench.table->create(1024);
    engine_init(7, bench.table, bench.outlet);
    const struct pit_bench_message messages[] = {
        {.kind = PIT_BENCH_MESSAGE_NEW, .order = {.id = 1, .number = 11, .price = 100, .quantity = 5, .side = BUY}},
        {.kind = PIT_BENCH_MESSAGE_NEW, .order = {.id = 2, .number = 12, .price = 100, .quantity = 5, .side = BUY}},
        {.kind = PIT_BENCH_MESSAGE_MODIFY, .modify = {.id = 1, .number = 13, .price = 100, .quantity = 3, .side = BUY}},
        {.kind = PIT_BENCH_MESSAGE_NEW,
         .order = {.id = 3, .number = 14, .price = 90, .quantity = 6, .side = SELL, .ioc = 1}},
        {.kind = PIT_BENCH_MESSAGE_CANCEL, .cancel = {.id = 1, .number = 15}},
    };
    for (uint32_t i = 0; i < 5; i++)
        engine_prebuild(messages[i].kind, &messages[i].order);
    engine_flush();
    expect_no_more(&bench);

    engine_on_new_order(&messages[0].order);
    engine_on_new_order(&messages[1].order);
    engine_on_modify(&messages[2].modify); /* loses its place, without a report of that */
    engine_flush();
    expect(&bench, PIT_BENCH_ORDERED, 11, 1, 5, 0);
    expect(&bench, PIT_BENCH_ORDERED, 12, 2, 5, 0);
    expect(&bench, PIT_BENCH_MODIFIED, 13, 1, 3, 0);
    expect_no_more(&bench);

    engine_on_batch(&messages[3], 2);
    engine_flush();
    expect(&bench, PIT_BENCH_ORDERED, 14, 3, 6, 0);
    expect(&bench, PIT_BENCH_TRADED, 14, 3, 5, 2);
    expect(&bench, PIT_BENCH_TRADED, 14, 3, 1, 1);
    expect(&bench, PIT_BENCH_CANCELLED, 15, 1, 2, 0);
    expect_no_more(&bench);
    engine_shutdown();
    bench.table->destroy(bench.outlet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_reports_come_when_their_message_is_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
