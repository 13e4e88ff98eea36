/* tools/adapter/report.h - a message as a command of the book, and an event of the book as a report.
 *
 *   id        client_id, of account 1; id 0, which is no client_id, is client_id 1 of account 2
 *   number    time_ns: a clock that ticks once a message
 *   request   what the command is for (enum pit_bench_request): the book hands it back with every event
 *
 * No state: used by the writer, or by the thread that takes reports out.
 */
#ifndef PIT_TOOLS_ADAPTER_REPORT_H
#define PIT_TOOLS_ADAPTER_REPORT_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "book/event.h"
#include "tools/adapter/interface.h"

enum pit_bench_request {
    PIT_BENCH_MESSAGE = 0, /* the events are reported */
    PIT_BENCH_REQUEUE = 1, /* part of a modify that was reported already */
};

#define PIT_BENCH_ACCOUNT 1u
#define PIT_BENCH_ACCOUNT_ID_ZERO 2u

static inline void pit_bench_name_order(struct pit_command *command, uint64_t id)
{
    command->client_id = id + (id == 0);
    command->account = PIT_BENCH_ACCOUNT + (id == 0);
}

static inline uint64_t pit_bench_order_named(uint64_t client_id, uint32_t account)
{
    return client_id - (account == PIT_BENCH_ACCOUNT_ID_ZERO);
}

/* The report's kind of an event that is accepted, cancelled or replaced. */
static inline enum pit_bench_report_kind pit_bench_plain_kind(const struct pit_event *event)
{
    _Static_assert(PIT_EVENT_ACCEPTED >> 1 == PIT_BENCH_ORDERED && PIT_EVENT_CANCELLED >> 1 == PIT_BENCH_CANCELLED &&
                       PIT_EVENT_REPLACED >> 1 == PIT_BENCH_MODIFIED,
                   "the kinds stand in the same order");
    return (enum pit_bench_report_kind)(event->kind >> 1);
}

static inline bool pit_bench_kind_is_plain(const struct pit_event *event)
{
    const uint32_t kinds = 1u << PIT_EVENT_ACCEPTED | 1u << PIT_EVENT_CANCELLED | 1u << PIT_EVENT_REPLACED;
    return kinds >> (event->kind & 31) & 1;
}

/* One of those, of a message, and of an order with an id that is not 0. */
static inline bool pit_bench_plain(const struct pit_event *event)
{
    return pit_bench_kind_is_plain(event) && event->request == PIT_BENCH_MESSAGE && event->account == PIT_BENCH_ACCOUNT;
}

/* A report is written in pairs of words, each stored in one piece: it is copied at once, and a load of two words that
 * were stored apart waits until both have left the store buffer. */
static inline void pit_bench_put(struct pit_bench_report *report, size_t at, uint64_t first, uint64_t second)
{
    typedef uint64_t pair __attribute__((vector_size(16)));
    const pair both = {first, second};
    memcpy((uint8_t *)report + at, &both, sizeof both);
}

_Static_assert(offsetof(struct pit_bench_report, side) == 1 && offsetof(struct pit_bench_report, number) == 8 &&
                   offsetof(struct pit_bench_report, id) == 16 && offsetof(struct pit_bench_report, price) == 24 &&
                   offsetof(struct pit_bench_report, quantity) == 32 &&
                   offsetof(struct pit_bench_report, maker_id) == 40 &&
                   offsetof(struct pit_bench_report, taker_id) == 48 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "these are the words of a report");

/* Every byte of a report. maker_id, taker_id: 0 but in a trade. */
static inline void pit_bench_fill(struct pit_bench_report *report, const struct pit_event *event,
                                  enum pit_bench_report_kind kind, uint8_t side, uint64_t id, uint64_t maker_id,
                                  uint64_t taker_id)
{
    pit_bench_put(report, 0, kind | (uint64_t)side << 8, event->time_ns);
    pit_bench_put(report, 16, id, (uint64_t)event->price);
    pit_bench_put(report, 32, (uint32_t)event->quantity, maker_id);
    pit_bench_put(report, 48, taker_id, 0);
}

/* What pit_bench_report does for an event that is not plain. */
static inline bool pit_bench_report_other(const struct pit_event *event, struct pit_bench_report *report,
                                          uint64_t *refused)
{
    const uint64_t id = pit_bench_order_named(event->client_id, event->account);
    if (event->request == PIT_BENCH_REQUEUE)
        return false;
    if (event->kind == PIT_EVENT_TRADE) {
        const uint64_t taker_id = pit_bench_order_named(event->taker_client_id, event->taker_account);
        pit_bench_fill(report, event, PIT_BENCH_TRADED, event->side, taker_id, id, taker_id);
        return true;
    }
    if (event->kind == PIT_EVENT_REJECTED) {
        const uint8_t of = pit_event_rejected_kind(event);
        pit_bench_fill(report, event, of == PIT_COMMAND_CANCEL ? PIT_BENCH_CANCEL_REFUSED : PIT_BENCH_MODIFY_REFUSED, 0,
                       id, 0, 0);
        *refused += of == PIT_COMMAND_NEW;
        return of != PIT_COMMAND_NEW;
    }
    pit_bench_fill(report, event, pit_bench_plain_kind(event), event->side, id, 0, 0);
    return pit_bench_kind_is_plain(event);
}

/* Fills report, every byte of it. Returns false for an event that the benchmark has no report for: that the rest of an
 * order rests now, what belongs to a requeue, and that a new order was refused, which is counted in *refused.
 *
 * Most are plain: they come in no order that could be guessed, and differ in the report's kind alone. */
static inline bool pit_bench_report(const struct pit_event *event, struct pit_bench_report *report, uint64_t *refused)
{
    if (__builtin_expect(!pit_bench_plain(event), 0))
        return pit_bench_report_other(event, report, refused);
    pit_bench_fill(report, event, pit_bench_plain_kind(event), event->side, event->client_id, 0, 0);
    return true;
}

/* For people, at the end. */
static inline void pit_bench_tell_refused(uint64_t refused)
{
    if (refused)
        fprintf(stderr, "pitline adapter: %" PRIu64 " new orders were refused, without a report\n", refused);
}

#endif
