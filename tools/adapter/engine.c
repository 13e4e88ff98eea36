/* tools/adapter/engine.c - a public benchmark drives one book of the pipeline (docs/benchmark.md).
 *
 * Every message is one command, applied before the call returns. As the gateway does in the pipeline, the benchmark's
 * preparation makes commands of the messages before they are due; a message that was not prepared is made one when it
 * comes.
 */
#include "tools/adapter/driven_book.h"
#include "tools/adapter/export.h"
#include "tools/adapter/outlet.h"

/* Line 0 of a command: all that is prepared, and all that the book looks at. */
struct line {
    _Alignas(64) uint8_t bytes[64];
};

#define PREPARED_AHEAD 8u /* messages */

static struct pit_engine {
    struct pit_driven_book book;
    struct pit_event_sink *sink;
    struct pit_outlet *outlet;
    struct pit_command command; /* of a message that was not prepared; line 1 stays 0 */
    struct line *prepared;      /* in the order of the messages */
    uint32_t prepared_count;
    uint32_t next; /* message, of those prepared; all of them come before any other */
} engine;

PIT_EXPORT void engine_init(uint64_t nonce, const struct pit_bench_outlet *table, void *handle)
{
    engine = (struct pit_engine){.book = pit_driven_book_open(nonce), .outlet = pit_outlet_open(table, handle)};
    engine.prepared =
        pit_driven_book_take(&engine.book, (PIT_BENCH_MESSAGES_MAX + PREPARED_AHEAD) * sizeof(struct line));
    engine.sink = pit_outlet_sink(engine.outlet);
}

PIT_EXPORT void engine_shutdown(void)
{
    pit_outlet_close(engine.outlet);
    pit_driven_book_close(&engine.book);
    engine = (struct pit_engine){0};
}

PIT_EXPORT void engine_prebuild(uint8_t kind, const void *message)
{
    if (engine.prepared_count < PIT_BENCH_MESSAGES_MAX)
        pit_driven_make(&engine.book, (struct pit_command *)&engine.prepared[engine.prepared_count++], kind, message);
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

/* The command of a message that is due. */
static inline const struct pit_command *due(uint8_t kind, const void *message)
{
    if (prepared())
        return next_prepared();
    pit_driven_make(&engine.book, &engine.command, kind, message);
    return &engine.command;
}

PIT_EXPORT void engine_on_new_order(const struct pit_bench_new *order)
{
    pit_book_apply(engine.book.book, due(PIT_BENCH_MESSAGE_NEW, order), engine.sink);
}

PIT_EXPORT void engine_on_cancel(const struct pit_bench_cancel *cancel)
{
    pit_book_apply(engine.book.book, due(PIT_BENCH_MESSAGE_CANCEL, cancel), engine.sink);
}

PIT_EXPORT void engine_on_modify(const struct pit_bench_modify *modify)
{
    pit_driven_carry_out_replace(&engine.book, due(PIT_BENCH_MESSAGE_MODIFY, modify), engine.sink);
}

#ifdef PIT_BENCH_BATCHES
/* As the matcher does with what stands in its ring. */
PIT_EXPORT void engine_on_batch(const struct pit_bench_message *messages, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        pit_driven_carry_out(&engine.book, due(messages[i].kind, &messages[i].order), engine.sink);
}
#endif

PIT_EXPORT void engine_flush(void)
{
    pit_outlet_publish(engine.outlet);
}

PIT_EXPORT int64_t engine_query_best_bid(void)
{
    return pit_driven_best(&engine.book, PIT_SIDE_BUY, INT64_MIN);
}

PIT_EXPORT int64_t engine_query_best_ask(void)
{
    return pit_driven_best(&engine.book, PIT_SIDE_SELL, INT64_MAX);
}

PIT_EXPORT uint64_t engine_query_depth_at(int64_t price, uint8_t side)
{
    return side <= PIT_SIDE_SELL ? pit_book_depth(engine.book.book, side, price) : 0;
}
