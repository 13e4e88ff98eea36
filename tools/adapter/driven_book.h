/* tools/adapter/driven_book.h - the book that the benchmark drives: its memory, its commands, and how they are carried
 * out.
 *
 * The book differs from what the benchmark asks for in one point: an order whose modification neither changes its price
 * nor adds to it keeps its place in the queue. Such an order is taken out and put in again, so that it loses it.
 *
 * Writer:   the thread that calls the engine. What is not possible ends the process, with words on stderr.
 */
#ifndef PIT_TOOLS_ADAPTER_DRIVEN_BOOK_H
#define PIT_TOOLS_ADAPTER_DRIVEN_BOOK_H

#include <string.h>

#include "book/book.h"
#include "memory/arena.h"
#include "tools/adapter/report.h"

/* Messages that are prepared; others are made commands when they come. */
#ifndef PIT_BENCH_MESSAGES_MAX
#define PIT_BENCH_MESSAGES_MAX (1u << 22)
#endif

#define PIT_BENCH_SEQUENCES 2u /* a message may take: see pit_driven_requeue */

struct pit_driven_book {
    struct pit_book *book;
    uint64_t sequence; /* of the command made last */
    struct pit_arena *arena;
};

/* An empty book, every page of it touched. */
struct pit_driven_book pit_driven_book_open(uint64_t nonce);
void pit_driven_book_close(struct pit_driven_book *book);

/* Memory that lives as long as the book, aligned to 128, zeroed, every page of it touched. */
void *pit_driven_book_take(struct pit_driven_book *book, size_t bytes);

/* Fills what every command has. Kind, side and time in force are stored as one word, as which the book reads them: it
 * would wait for bytes to leave the store buffer. */
static inline void pit_driven_name(struct pit_driven_book *book, struct pit_command *command,
                                   enum pit_command_kind kind, uint8_t side, enum pit_tif tif, uint64_t id,
                                   uint64_t number)
{
    command->sequence = book->sequence += PIT_BENCH_SEQUENCES;
    command->time_ns = number;
    const uint32_t manner = (uint32_t)kind | (uint32_t)side << 8 | (uint32_t)tif << 16;
    memcpy(&command->kind, &manner, sizeof manner);
    pit_bench_name_order(command, id);
}

static inline void pit_driven_make_new(struct pit_driven_book *book, struct pit_command *command,
                                       const struct pit_bench_new *order)
{
    command->price = order->price;
    command->quantity = order->quantity;
    pit_driven_name(book, command, PIT_COMMAND_NEW, order->side, order->ioc ? PIT_TIF_IOC : PIT_TIF_GTC, order->id,
                    order->number);
}

static inline void pit_driven_make_cancel(struct pit_driven_book *book, struct pit_command *command,
                                          const struct pit_bench_cancel *cancel)
{
    command->price = 0;
    command->quantity = 0;
    pit_driven_name(book, command, PIT_COMMAND_CANCEL, 0, PIT_TIF_GTC, cancel->id, cancel->number);
}

static inline void pit_driven_make_replace(struct pit_driven_book *book, struct pit_command *command,
                                           const struct pit_bench_modify *modify)
{
    command->price = modify->price;
    command->quantity = modify->quantity;
    pit_driven_name(book, command, PIT_COMMAND_REPLACE, modify->side, PIT_TIF_GTC, modify->id, modify->number);
}

/* Makes a message a command: those fields of line 0 that it has something for; the others must be 0. kind: enum
 * pit_bench_message_kind. */
static inline void pit_driven_make(struct pit_driven_book *book, struct pit_command *command, uint8_t kind,
                                   const void *message)
{
    if (kind == PIT_BENCH_MESSAGE_NEW)
        pit_driven_make_new(book, command, message);
    else if (kind == PIT_BENCH_MESSAGE_CANCEL)
        pit_driven_make_cancel(book, command, message);
    else
        pit_driven_make_replace(book, command, message);
}

/* The order of a replacement out and in again, at the side, price and quantity it has: nothing trades, and nothing is
 * reported. The order's new id is the sequence that was left free for it. */
void pit_driven_requeue(struct pit_driven_book *book, const struct pit_command *replace, uint8_t side,
                        struct pit_event_sink *sink);

static inline bool pit_driven_kept_its_place(const struct pit_event *answer)
{
    return answer->kind == PIT_EVENT_REPLACED && answer->flags & PIT_EVENT_KEPT;
}

/* A command that is a replacement. */
static inline void pit_driven_carry_out_replace(struct pit_driven_book *book, const struct pit_command *command,
                                                struct pit_event_sink *sink)
{
    const struct pit_event *answer = pit_event_sink_at(sink, sink->next);
    pit_book_apply(book->book, command, sink);
    if (__builtin_expect(pit_driven_kept_its_place(answer), 0))
        pit_driven_requeue(book, command, answer->side, sink);
}

/* Any command that pit_driven_make makes. */
static inline void pit_driven_carry_out(struct pit_driven_book *book, const struct pit_command *command,
                                        struct pit_event_sink *sink)
{
    if (command->kind == PIT_COMMAND_REPLACE)
        pit_driven_carry_out_replace(book, command, sink);
    else
        pit_book_apply(book->book, command, sink);
}

/* The best price of a side, or, where nobody stands, none. */
static inline int64_t pit_driven_best(const struct pit_driven_book *book, enum pit_side side, int64_t none)
{
    int64_t price;
    return pit_book_best(book->book, side, &price) ? price : none;
}

#endif
