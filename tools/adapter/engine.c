/* tools/adapter/engine.c - a public benchmark drives one book of the pipeline (docs/benchmark.md).
 *
 * Every message is one command, applied before the call returns. As the gateway does in the pipeline, the benchmark's
 * preparation makes commands of the messages before they are due; a message that was not prepared is made one when it
 * comes.
 *
 * The book differs from what the benchmark asks for in one point: an order whose modification neither changes its price
 * nor adds to it keeps its place in the queue. Such an order is taken out and put in again, so that it loses it.
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

/* Line 0 of a command: all that is prepared, and all that the book looks at. */
struct line {
    _Alignas(64) uint8_t bytes[64];
};

#define PREPARED_MAX (1u << 24)
#define PREPARED_AHEAD 8u /* messages */
#define SEQUENCES 2u      /* a message may take: see requeue */

static struct pit_engine {
    struct pit_book *book;
    struct pit_event_sink *sink;
    struct pit_outlet *outlet;
    struct pit_command command; /* of a message that was not prepared; line 1 stays 0 */
    struct line *prepared;      /* in the order of the messages */
    uint32_t prepared_count;
    uint32_t next;     /* message, of those prepared; all of them come before any other */
    uint64_t sequence; /* of the command made last */
    struct pit_arena *arena;
} engine;

static void give_up(const char *why)
{
    fprintf(stderr, "pitline adapter: %s\n", why);
    abort();
}

static void *take(size_t bytes)
{
    void *memory = pit_arena_take(engine.arena, bytes, 128);
    if (!memory)
        give_up("no memory");
    return memory;
}

PIT_EXPORT void engine_init(uint64_t nonce, const struct pit_bench_outlet *table, void *handle)
{
    engine = (struct pit_engine){0};
    const size_t bytes = pit_book_bytes(&symbol);
    const struct pit_arena_options options = {
        .name = "book", .node = PIT_ARENA_NODE_ANY, .huge = true, .prefault_bytes_max = 2 * bytes};
    struct pit_error error = {0};
    if (pit_arena_create(&engine.arena, &options, &error))
        give_up(error.text);
    engine.book = pit_book_create(take(bytes), 0, &symbol, nonce);
    engine.prepared =
        take((PREPARED_MAX + PREPARED_AHEAD) * sizeof(struct line)); /* touched as messages are prepared */
    engine.outlet = pit_outlet_open(table, handle);
    engine.sink = pit_outlet_sink(engine.outlet);
}

PIT_EXPORT void engine_shutdown(void)
{
    pit_outlet_close(engine.outlet);
    pit_arena_destroy(engine.arena);
    engine = (struct pit_engine){0};
}

/* Fills what every command has. Kind, side and time in force are stored as one word, as which the book reads them: it
 * would wait for bytes to leave the store buffer. */
static struct pit_command *name(struct pit_command *command, enum pit_command_kind kind, uint8_t side, enum pit_tif tif,
                                uint64_t id, uint64_t number)
{
    command->sequence = engine.sequence += SEQUENCES;
    command->time_ns = number;
    const uint32_t manner = (uint32_t)kind | (uint32_t)side << 8 | (uint32_t)tif << 16;
    memcpy(&command->kind, &manner, sizeof manner);
    pit_bench_name_order(command, id);
    return command;
}

static const struct pit_command *make_new(struct pit_command *command, const struct pit_bench_new *order)
{
    command->price = order->price;
    command->quantity = order->quantity;
    return name(command, PIT_COMMAND_NEW, order->side, order->ioc ? PIT_TIF_IOC : PIT_TIF_GTC, order->id,
                order->number);
}

static const struct pit_command *make_cancel(struct pit_command *command, const struct pit_bench_cancel *cancel)
{
    return name(command, PIT_COMMAND_CANCEL, 0, PIT_TIF_GTC, cancel->id, cancel->number);
}

static const struct pit_command *make_replace(struct pit_command *command, const struct pit_bench_modify *modify)
{
    command->price = modify->price;
    command->quantity = modify->quantity;
    return name(command, PIT_COMMAND_REPLACE, modify->side, PIT_TIF_GTC, modify->id, modify->number);
}

static const struct pit_command *make(struct pit_command *command, uint8_t kind, const void *message)
{
    if (kind == PIT_BENCH_MESSAGE_NEW)
        return make_new(command, message);
    if (kind == PIT_BENCH_MESSAGE_CANCEL)
        return make_cancel(command, message);
    return make_replace(command, message);
}

PIT_EXPORT void engine_prebuild(uint8_t kind, const void *message)
{
    if (engine.prepared_count < PREPARED_MAX)
        make((struct pit_command *)&engine.prepared[engine.prepared_count++], kind, message);
}

static inline bool prepared(void)
{
    return __builtin_expect(engine.next < engine.prepared_count, 1);
}

/* A line that comes soon is asked for; nobody looks at what is in it. */
static inline const struct pit_command *next_prepared(void)
{
    __builtin_prefetch(&engine.prepared[engine.next + PREPARED_AHEAD]);
    return (const struct pit_command *)&engine.prepared[engine.next++];
}

/* Out and in again, at the price and quantity it has: nothing trades, and nothing is reported. The order's new id is
 * the sequence that was left free for it. */
static __attribute__((noinline)) void requeue(const struct pit_command *replace)
{
    struct pit_command again = {0};
    memcpy(&again, replace, sizeof(struct line));
    again.request = PIT_BENCH_REQUEUE;
    again.kind = PIT_COMMAND_CANCEL;
    pit_book_apply(engine.book, &again, engine.sink);
    again.sequence++;
    again.kind = PIT_COMMAND_NEW;
    pit_book_apply(engine.book, &again, engine.sink);
}

static inline bool kept_its_place(const struct pit_event *answer)
{
    return answer->kind == PIT_EVENT_REPLACED && answer->flags & PIT_EVENT_KEPT;
}

static inline void carry_out(const struct pit_command *command)
{
    pit_book_apply(engine.book, command, engine.sink);
}

static inline void carry_out_replace(const struct pit_command *command)
{
    const struct pit_event *answer = pit_event_sink_at(engine.sink, engine.sink->next);
    carry_out(command);
    if (__builtin_expect(kept_its_place(answer), 0))
        requeue(command);
}

PIT_EXPORT void engine_on_new_order(const struct pit_bench_new *order)
{
    carry_out(prepared() ? next_prepared() : make_new(&engine.command, order));
}

PIT_EXPORT void engine_on_cancel(const struct pit_bench_cancel *cancel)
{
    carry_out(prepared() ? next_prepared() : make_cancel(&engine.command, cancel));
}

PIT_EXPORT void engine_on_modify(const struct pit_bench_modify *modify)
{
    carry_out_replace(prepared() ? next_prepared() : make_replace(&engine.command, modify));
}

#ifdef PIT_BENCH_BATCHES
static inline void carry_out_any(const struct pit_command *command)
{
    if (command->kind == PIT_COMMAND_REPLACE)
        carry_out_replace(command);
    else
        carry_out(command);
}

/* As the matcher does with what stands in its ring. */
PIT_EXPORT void engine_on_batch(const struct pit_bench_message *messages, uint32_t count)
{
    uint32_t done = 0;
    for (; done < count && prepared(); done++)
        carry_out_any(next_prepared());
    for (; done < count; done++)
        carry_out_any(make(&engine.command, messages[done].kind, &messages[done].order));
}
#endif

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
