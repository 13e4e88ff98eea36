/* tools/adapter/engine.c - a public benchmark drives one book of the pipeline (docs/benchmark.md).
 *
 * Every message is one command, applied before the call returns. The book differs from what the benchmark asks for in
 * one point: an order whose modification neither changes its price nor adds to it keeps its place in the queue. Such an
 * order is taken out and put in again, so that it loses it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "book/book.h"
#include "memory/arena.h"
#include "tools/adapter/export.h"
#include "tools/adapter/outlet.h"
#include "tools/adapter/report.h"

static const struct pit_symbol_definition symbol = {
    .name = "BENCHMARK",
    .price_min = PIT_PRICE_MIN,
    .price_max = PIT_PRICE_MAX,
    .quantity_max = UINT32_MAX,
    .orders_max = 1u << 21,
    .levels_max = 1u << 20,
    .tick_mantissa = 5, /* 0.005 */
    .tick_decimals = 3,
    .lot_mantissa = 1,
};

static struct pit_engine {
    struct pit_command command; /* the next one; line 1 and what no message sets stay 0 */
    struct pit_book *book;
    struct pit_event_sink *sink;
    struct pit_outlet *outlet;
    struct pit_arena *arena;
    uint64_t refused; /* new orders, which the benchmark has no report for */
} engine;

static void give_up(const char *why)
{
    fprintf(stderr, "pitline adapter: %s\n", why);
    abort();
}

PIT_EXPORT void engine_init(uint64_t nonce, const struct pit_bench_outlet *table, void *handle)
{
    engine = (struct pit_engine){0};
    const struct pit_arena_options options = {
        .name = "book", .node = PIT_ARENA_NODE_ANY, .huge = true, .prefault_bytes_max = SIZE_MAX};
    struct pit_error error = {0};
    if (pit_arena_create(&engine.arena, &options, &error))
        give_up(error.text);
    void *memory = pit_arena_take(engine.arena, pit_book_bytes(&symbol), 128);
    if (!memory)
        give_up("no memory for the book");
    engine.book = pit_book_create(memory, 0, &symbol, nonce);
    engine.outlet = pit_outlet_open(table, handle);
    engine.sink = pit_outlet_sink(engine.outlet);
}

PIT_EXPORT void engine_shutdown(void)
{
    pit_outlet_close(engine.outlet);
    pit_arena_destroy(engine.arena);
    if (engine.refused)
        fprintf(stderr, "pitline adapter: %llu new orders were refused, without a report\n",
                (unsigned long long)engine.refused);
    engine = (struct pit_engine){0};
}

/* Applies the command in its place, and returns its last event. Kind, side and time in force are stored as one word, as
 * which the book reads them: it would wait for bytes to leave the store buffer. */
static inline __attribute__((always_inline)) const struct pit_event *
apply(enum pit_command_kind kind, uint8_t side, enum pit_tif tif, uint64_t id, uint64_t number)
{
    struct pit_command *command = &engine.command;
    command->sequence++;
    command->time_ns = number;
    const uint32_t manner = (uint32_t)kind | (uint32_t)side << 8 | (uint32_t)tif << 16;
    memcpy(&command->kind, &manner, sizeof manner);
    pit_bench_name_order(command, id);
    pit_book_apply(engine.book, command, engine.sink);
    return &engine.sink->slots[(engine.sink->next - 1) & engine.sink->mask];
}

PIT_EXPORT void engine_on_new_order(const struct pit_bench_new *order)
{
    struct pit_command *command = &engine.command;
    command->price = order->price;
    command->quantity = order->quantity;
    const enum pit_tif tif = order->ioc ? PIT_TIF_IOC : PIT_TIF_GTC;
    if (apply(PIT_COMMAND_NEW, order->side, tif, order->id, order->number)->kind == PIT_EVENT_REJECTED)
        engine.refused++;
    pit_outlet_message_done(engine.outlet);
}

PIT_EXPORT void engine_on_cancel(const struct pit_bench_cancel *cancel)
{
    apply(PIT_COMMAND_CANCEL, 0, PIT_TIF_GTC, cancel->id, cancel->number);
    pit_outlet_message_done(engine.outlet);
}

/* Out and in again, at the price and quantity it has: nothing trades, and nothing is reported. */
static void requeue(const struct pit_bench_modify *modify)
{
    struct pit_command *command = &engine.command;
    command->request = PIT_BENCH_REQUEUE;
    apply(PIT_COMMAND_CANCEL, 0, PIT_TIF_GTC, modify->id, modify->number);
    apply(PIT_COMMAND_NEW, modify->side, PIT_TIF_GTC, modify->id, modify->number);
    command->request = PIT_BENCH_MESSAGE;
}

PIT_EXPORT void engine_on_modify(const struct pit_bench_modify *modify)
{
    struct pit_command *command = &engine.command;
    command->price = modify->price;
    command->quantity = modify->quantity;
    const struct pit_event *last = apply(PIT_COMMAND_REPLACE, 0, PIT_TIF_GTC, modify->id, modify->number);
    if (__builtin_expect(last->kind == PIT_EVENT_REPLACED && last->flags & PIT_EVENT_KEPT, 0))
        requeue(modify);
    pit_outlet_message_done(engine.outlet);
}

PIT_EXPORT void engine_flush(void)
{
    pit_outlet_publish(engine.outlet);
}

PIT_EXPORT int64_t engine_query_best_bid(void)
{
    int64_t price;
    return pit_book_best(engine.book, PIT_SIDE_BUY, &price) ? price : INT64_MIN;
}

PIT_EXPORT int64_t engine_query_best_ask(void)
{
    int64_t price;
    return pit_book_best(engine.book, PIT_SIDE_SELL, &price) ? price : INT64_MAX;
}

PIT_EXPORT uint64_t engine_query_depth_at(int64_t price, uint8_t side)
{
    return side <= PIT_SIDE_SELL ? pit_book_depth(engine.book, side, price) : 0;
}
