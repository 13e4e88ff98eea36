/* test/adapter/test_adapter.c - what a benchmark sees of the book, message by message. Built twice: with our ring, and
 * with a queue of the benchmark's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "ring/ring.h"
#include "tools/adapter/interface.h"

#define BUY 0
#define SELL 1
#define BID_NONE INT64_MIN
#define ASK_NONE INT64_MAX
#define REPORTS_MAX 64

#ifdef BENCHMARK_QUEUE
/* A queue as a benchmark might bring it along: very short, so that it is full now and then. */
#define QUEUE_SLOTS 4u

struct queue {
    struct pit_ring *ring;
    struct pit_ring_reader reader;
};

static void *queue_create(uint32_t reports_min)
{
    (void)reports_min;
    struct queue *queue = calloc(1, sizeof *queue);
    queue->ring = pit_ring_create(aligned_alloc(128, pit_ring_bytes(QUEUE_SLOTS, 128)), QUEUE_SLOTS, 128, 1);
    assert_true(pit_ring_reader_add(queue->ring, &queue->reader));
    return queue;
}

static int queue_push(void *handle, const struct pit_bench_report *report)
{
    struct queue *queue = handle;
    uint64_t sequence = pit_ring_claim(queue->ring, 1);
    if (sequence == PIT_SEQUENCE_NONE)
        return 0;
    memcpy((uint8_t *)pit_ring_slot(queue->ring, sequence) + 64, report, sizeof *report);
    pit_ring_publish(queue->ring, sequence, 1);
    return 1;
}

static uint32_t queue_drain(void *handle, struct pit_bench_report *reports, uint32_t max)
{
    struct queue *queue = handle;
    uint32_t count = pit_ring_poll(&queue->reader, max);
    for (uint32_t i = 0; i < count; i++)
        memcpy(&reports[i], (uint8_t *)pit_ring_slot(queue->ring, queue->reader.next + i) + 64, sizeof reports[i]);
    pit_ring_release(&queue->reader, count);
    return count;
}

static void queue_flush(void *handle)
{
    (void)handle;
}

static void queue_destroy(void *handle)
{
    struct queue *queue = handle;
    free(queue->ring);
    free(queue);
}

static const struct pit_bench_outlet queue_table = {
    .create = queue_create, .push = queue_push, .drain = queue_drain, .flush = queue_flush, .destroy = queue_destroy};

static const struct pit_bench_outlet *outlet_table(void)
{
    return &queue_table;
}
#else
static const struct pit_bench_outlet *outlet_table(void)
{
    return engine_get_transport();
}
#endif

struct bench {
    const struct pit_bench_outlet *table;
    void *outlet;
    uint64_t number;
};

static int start(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    bench->table = outlet_table();
    bench->outlet = bench->table->create(1024);
    assert_non_null(bench->outlet);
    bench->number = 1000;
    engine_init(7, bench->table, bench->outlet);
    *state = bench;
    return 0;
}

static int stop(void **state)
{
    struct bench *bench = *state;
    engine_shutdown();
    bench->table->destroy(bench->outlet);
    free(bench);
    return 0;
}

static uint64_t order(struct bench *bench, uint64_t id, uint8_t side, uint32_t quantity, int64_t price, uint8_t ioc)
{
    const struct pit_bench_new message = {
        .id = id, .number = ++bench->number, .price = price, .quantity = quantity, .side = side, .ioc = ioc};
    engine_on_new_order(&message);
    return bench->number;
}

static uint64_t cancel(struct bench *bench, uint64_t id)
{
    const struct pit_bench_cancel message = {.id = id, .number = ++bench->number};
    engine_on_cancel(&message);
    return bench->number;
}

static uint64_t modify(struct bench *bench, uint64_t id, uint8_t side, uint32_t quantity, int64_t price)
{
    const struct pit_bench_modify message = {
        .id = id, .number = ++bench->number, .price = price, .quantity = quantity, .side = side};
    engine_on_modify(&message);
    return bench->number;
}

/* Takes out what is there and compares it, byte for byte. */
static void expect_reports(struct bench *bench, const struct pit_bench_report *expected, uint32_t count)
{
    struct pit_bench_report reports[REPORTS_MAX];
    uint32_t got = 0, more;
    engine_flush();
    bench->table->flush(bench->outlet);
    while ((more = bench->table->drain(bench->outlet, reports + got, REPORTS_MAX - got)))
        got += more;
    assert_int_equal(got, count);
    for (uint32_t i = 0; i < count; i++)
        assert_memory_equal(&reports[i], &expected[i], sizeof reports[i]);
}

#define expect(bench, ...)                                                                                             \
    expect_reports(bench, (const struct pit_bench_report[]){__VA_ARGS__},                                              \
                   sizeof((const struct pit_bench_report[]){__VA_ARGS__}) / sizeof(struct pit_bench_report))

static struct pit_bench_report ordered(uint64_t number, uint64_t id, uint8_t side, uint32_t quantity, int64_t price)
{
    return (struct pit_bench_report){
        .kind = PIT_BENCH_ORDERED, .side = side, .number = number, .id = id, .price = price, .quantity = quantity};
}

static struct pit_bench_report traded(uint64_t number, uint64_t taker, uint8_t side, uint64_t maker, uint32_t quantity,
                                      int64_t price)
{
    return (struct pit_bench_report){.kind = PIT_BENCH_TRADED,
                                     .side = side,
                                     .number = number,
                                     .id = taker,
                                     .price = price,
                                     .quantity = quantity,
                                     .maker_id = maker,
                                     .taker_id = taker};
}

static struct pit_bench_report gone(uint64_t number, uint64_t id, uint8_t side, uint32_t quantity, int64_t price)
{
    struct pit_bench_report report = ordered(number, id, side, quantity, price);
    report.kind = PIT_BENCH_CANCELLED;
    return report;
}

static struct pit_bench_report modified(uint64_t number, uint64_t id, uint8_t side, uint32_t quantity, int64_t price)
{
    struct pit_bench_report report = ordered(number, id, side, quantity, price);
    report.kind = PIT_BENCH_MODIFIED;
    return report;
}

static void order_trades_and_the_rest_of_it_stands_in_the_book(void **state)
{
    struct bench *bench = *state;
    uint64_t first = order(bench, 1, SELL, 10, 100, 0);
    expect(bench, ordered(first, 1, SELL, 10, 100));
    uint64_t second = order(bench, 2, BUY, 15, 105, 0);
    expect(bench, ordered(second, 2, BUY, 15, 105), traded(second, 2, BUY, 1, 10, 100));
    assert_int_equal(engine_query_best_bid(), 105);
    assert_int_equal(engine_query_best_ask(), ASK_NONE);
    assert_int_equal(engine_query_depth_at(105, BUY), 5);
    assert_int_equal(engine_query_depth_at(105, SELL), 0);
    assert_int_equal(engine_query_depth_at(100, SELL), 0);
}

static void remainder_of_an_ioc_order_is_cancelled(void **state)
{
    struct bench *bench = *state;
    uint64_t first = order(bench, 1, BUY, 10, 100, 0), second = order(bench, 2, SELL, 12, 99, 1);
    expect(bench, ordered(first, 1, BUY, 10, 100), ordered(second, 2, SELL, 12, 99),
           traded(second, 2, SELL, 1, 10, 100), gone(second, 2, SELL, 2, 99));
    assert_int_equal(engine_query_best_bid(), BID_NONE);
    assert_int_equal(engine_query_best_ask(), ASK_NONE);
}

static void cancel_and_modify_of_an_order_that_is_gone_are_refused(void **state)
{
    struct bench *bench = *state;
    uint64_t first = order(bench, 1, BUY, 10, 100, 0), second = cancel(bench, 1);
    expect(bench, ordered(first, 1, BUY, 10, 100), gone(second, 1, BUY, 10, 100));
    uint64_t third = cancel(bench, 1), fourth = modify(bench, 1, BUY, 5, 101), fifth = cancel(bench, 99);
    struct pit_bench_report reports[REPORTS_MAX];
    engine_flush();
    uint32_t got = 0, more;
    while ((more = bench->table->drain(bench->outlet, reports + got, REPORTS_MAX - got)))
        got += more;
    assert_int_equal(got, 3);
    assert_int_equal(reports[0].kind, PIT_BENCH_CANCEL_REFUSED);
    assert_int_equal(reports[0].number, third);
    assert_int_equal(reports[0].id, 1);
    assert_int_equal(reports[1].kind, PIT_BENCH_MODIFY_REFUSED);
    assert_int_equal(reports[1].number, fourth);
    assert_int_equal(reports[1].id, 1);
    assert_int_equal(reports[2].kind, PIT_BENCH_CANCEL_REFUSED);
    assert_int_equal(reports[2].number, fifth);
    assert_int_equal(reports[2].id, 99);
}

static void id_is_free_again_when_its_order_is_gone(void **state)
{
    struct bench *bench = *state;
    uint64_t first = order(bench, 5, BUY, 10, 100, 0), second = cancel(bench, 5),
             third = order(bench, 5, SELL, 7, 200, 0);
    expect(bench, ordered(first, 5, BUY, 10, 100), gone(second, 5, BUY, 10, 100), ordered(third, 5, SELL, 7, 200));
    assert_int_equal(engine_query_best_bid(), BID_NONE);
    assert_int_equal(engine_query_best_ask(), 200);
}

static void every_id_names_an_order_even_zero(void **state)
{
    struct bench *bench = *state;
    uint64_t zero = order(bench, 0, BUY, 1, 100, 0), one = order(bench, 1, BUY, 2, 99, 0),
             last = order(bench, UINT64_MAX, BUY, 3, 98, 0);
    expect(bench, ordered(zero, 0, BUY, 1, 100), ordered(one, 1, BUY, 2, 99), ordered(last, UINT64_MAX, BUY, 3, 98));
    uint64_t taker = order(bench, 2, SELL, 6, 98, 0);
    expect(bench, ordered(taker, 2, SELL, 6, 98), traded(taker, 2, SELL, 0, 1, 100), traded(taker, 2, SELL, 1, 2, 99),
           traded(taker, 2, SELL, UINT64_MAX, 3, 98));
    uint64_t resting = order(bench, 3, SELL, 4, 50, 0), zero_again = order(bench, 0, BUY, 4, 50, 0);
    expect(bench, ordered(resting, 3, SELL, 4, 50), ordered(zero_again, 0, BUY, 4, 50),
           traded(zero_again, 0, BUY, 3, 4, 50));
}

static void modified_order_trades_at_the_price_of_what_it_meets(void **state)
{
    struct bench *bench = *state;
    uint64_t first = order(bench, 1, SELL, 10, 100, 0), second = order(bench, 2, BUY, 10, 90, 0),
             third = modify(bench, 2, BUY, 12, 105);
    expect(bench, ordered(first, 1, SELL, 10, 100), ordered(second, 2, BUY, 10, 90), modified(third, 2, BUY, 12, 105),
           traded(third, 2, BUY, 1, 10, 100));
    assert_int_equal(engine_query_depth_at(105, BUY), 2);
}

/* The book would leave an order that only shrinks where it is; the benchmark says that it goes to the end. */
static void modified_order_always_loses_its_place(void **state)
{
    struct bench *bench = *state;
    uint64_t first = order(bench, 1, BUY, 10, 100, 0), second = order(bench, 2, BUY, 10, 100, 0);
    expect(bench, ordered(first, 1, BUY, 10, 100), ordered(second, 2, BUY, 10, 100));
    uint64_t third = modify(bench, 1, BUY, 4, 100);
    expect(bench, modified(third, 1, BUY, 4, 100));
    assert_int_equal(engine_query_depth_at(100, BUY), 14);
    uint64_t fourth = modify(bench, 2, BUY, 10, 100);
    expect(bench, modified(fourth, 2, BUY, 10, 100));
    uint64_t fifth = order(bench, 3, SELL, 14, 100, 1);
    expect(bench, ordered(fifth, 3, SELL, 14, 100), traded(fifth, 3, SELL, 1, 4, 100),
           traded(fifth, 3, SELL, 2, 10, 100));
}

static void order_out_of_the_range_of_prices_leaves_the_book_alone(void **state)
{
    struct bench *bench = *state;
    order(bench, 1, SELL, 10, INT64_MAX, 0);
    expect_reports(bench, NULL, 0);
    assert_int_equal(engine_query_best_ask(), ASK_NONE);
    assert_int_equal(engine_query_depth_at(INT64_MAX, SELL), 0);
    assert_int_equal(engine_query_depth_at(INT64_MIN, BUY), 0);
    assert_int_equal(engine_query_depth_at(100, 2), 0);
}

#define LONG_MESSAGES 20000u

/* Commands are made ahead, the book stays empty; what was not prepared comes after. */
static void prepared_messages_do_what_they_say_when_they_are_due(void **state)
{
    struct bench *bench = *state;
    const struct pit_bench_new first = {.id = 1, .number = 1001, .price = 100, .quantity = 5, .side = BUY};
    const struct pit_bench_new second = {.id = 2, .number = 1002, .price = 100, .quantity = 5, .side = BUY};
    const struct pit_bench_modify same = {.id = 1, .number = 1003, .price = 100, .quantity = 5, .side = BUY};
    const struct pit_bench_new taker = {.id = 3, .number = 1004, .price = 90, .quantity = 6, .side = SELL, .ioc = 1};
    const struct pit_bench_cancel last = {.id = 1, .number = 1005};
    engine_prebuild(PIT_BENCH_MESSAGE_NEW, &first);
    engine_prebuild(PIT_BENCH_MESSAGE_NEW, &second);
    engine_prebuild(PIT_BENCH_MESSAGE_MODIFY, &same);
    engine_prebuild(PIT_BENCH_MESSAGE_NEW, &taker);
    engine_prebuild(PIT_BENCH_MESSAGE_CANCEL, &last);
    assert_int_equal(engine_query_best_bid(), BID_NONE);
    expect_reports(bench, NULL, 0);
    engine_on_new_order(&first);
    engine_on_new_order(&second);
    engine_on_modify(&same); /* loses its place */
    expect(bench, ordered(1001, 1, BUY, 5, 100), ordered(1002, 2, BUY, 5, 100), modified(1003, 1, BUY, 5, 100));
    engine_on_new_order(&taker);
    expect(bench, ordered(1004, 3, SELL, 6, 90), traded(1004, 3, SELL, 2, 5, 100), traded(1004, 3, SELL, 1, 1, 100));
    engine_on_cancel(&last);
    expect(bench, gone(1005, 1, BUY, 4, 100));
}

static void message_that_was_not_prepared_comes_after_those_that_were(void **state)
{
    struct bench *bench = *state;
    const struct pit_bench_new first = {.id = 1, .number = 1001, .price = 100, .quantity = 5, .side = BUY};
    engine_prebuild(PIT_BENCH_MESSAGE_NEW, &first);
    engine_on_new_order(&first);
    const uint64_t more = order(bench, 2, SELL, 2, 101, 0);
    expect(bench, ordered(1001, 1, BUY, 5, 100), ordered(more, 2, SELL, 2, 101));
    assert_int_equal(engine_query_best_ask(), 101);
}

#ifdef PIT_BENCH_BATCHES
/* Prepared or not, a batch is its messages one after the other. */
static void batch_is_its_messages_in_a_row(void **state)
{
    struct bench *bench = *state;
    const struct pit_bench_message messages[] = {
        {.kind = PIT_BENCH_MESSAGE_NEW, .order = {.id = 1, .number = 1001, .price = 100, .quantity = 5, .side = BUY}},
        {.kind = PIT_BENCH_MESSAGE_NEW, .order = {.id = 2, .number = 1002, .price = 100, .quantity = 5, .side = BUY}},
        {.kind = PIT_BENCH_MESSAGE_MODIFY,
         .modify = {.id = 1, .number = 1003, .price = 100, .quantity = 3, .side = BUY}}, /* loses its place */
        {.kind = PIT_BENCH_MESSAGE_NEW,
         .order = {.id = 3, .number = 1004, .price = 90, .quantity = 6, .side = SELL, .ioc = 1}},
        {.kind = PIT_BENCH_MESSAGE_CANCEL, .cancel = {.id = 1, .number = 1005}},
    };
    for (uint32_t i = 0; i < 2; i++)
        engine_prebuild(messages[i].kind, &messages[i].order);
    engine_on_batch(messages, 3);
    expect(bench, ordered(1001, 1, BUY, 5, 100), ordered(1002, 2, BUY, 5, 100), modified(1003, 1, BUY, 3, 100));
    assert_int_equal(engine_query_depth_at(100, BUY), 8);
    engine_on_batch(messages + 3, 2);
    expect(bench, ordered(1004, 3, SELL, 6, 90), traded(1004, 3, SELL, 2, 5, 100), traded(1004, 3, SELL, 1, 1, 100),
           gone(1005, 1, BUY, 2, 100));
    engine_on_batch(messages, 0);
    expect_reports(bench, NULL, 0);
}
#endif

struct taker_out {
    struct bench *bench;
    uint64_t reports;
    uint64_t trades;
    uint64_t number; /* of the last report */
    int in_order;
};

/* The second thread, until it has seen the report that ends the run. */
static void *take_out(void *context)
{
    struct taker_out *taker = context;
    struct pit_bench_report reports[16];
    taker->in_order = 1;
    for (int ended = 0; !ended;) {
        uint32_t count = taker->bench->table->drain(taker->bench->outlet, reports, 16);
        for (uint32_t i = 0; i < count; i++) {
            taker->in_order &= reports[i].number >= taker->number;
            taker->number = reports[i].number;
            taker->reports++;
            taker->trades += reports[i].kind == PIT_BENCH_TRADED;
            ended |= reports[i].kind == PIT_BENCH_CANCEL_REFUSED;
        }
        if (!count)
            pit_spin_pause();
    }
    return NULL;
}

/* Many times what the ring or queue holds; one message alone gives more than that. */
static void more_reports_than_there_is_room_for_all_arrive_in_order(void **state)
{
    struct bench *bench = *state;
    struct taker_out taker = {.bench = bench};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, take_out, &taker), 0);
    for (uint32_t i = 0; i < LONG_MESSAGES; i++)
        order(bench, i, SELL, 1, 100 + i % 7, 0);
    order(bench, LONG_MESSAGES, BUY, LONG_MESSAGES, 106, 0);
    cancel(bench, UINT64_MAX);
    engine_flush();
    pthread_join(thread, NULL);
    assert_true(taker.in_order);
    assert_int_equal(taker.trades, LONG_MESSAGES);
    assert_int_equal(taker.reports, 2 * LONG_MESSAGES + 2);
    assert_int_equal(engine_query_best_ask(), ASK_NONE);
}

#define adapter_test(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        adapter_test(prepared_messages_do_what_they_say_when_they_are_due),
        adapter_test(message_that_was_not_prepared_comes_after_those_that_were),
        adapter_test(order_trades_and_the_rest_of_it_stands_in_the_book),
        adapter_test(remainder_of_an_ioc_order_is_cancelled),
        adapter_test(cancel_and_modify_of_an_order_that_is_gone_are_refused),
        adapter_test(id_is_free_again_when_its_order_is_gone),
        adapter_test(every_id_names_an_order_even_zero),
        adapter_test(modified_order_trades_at_the_price_of_what_it_meets),
        adapter_test(modified_order_always_loses_its_place),
        adapter_test(order_out_of_the_range_of_prices_leaves_the_book_alone),
#ifdef PIT_BENCH_BATCHES
        adapter_test(batch_is_its_messages_in_a_row),
#endif
        adapter_test(more_reports_than_there_is_room_for_all_arrive_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
