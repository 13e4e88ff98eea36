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
#include <stdio.h>

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

/* Fills report, every byte of it. Returns false for an event that the benchmark has no report for: that the rest of an
 * order rests now, what belongs to a requeue, and that a new order was refused, which is counted in *refused. */
static inline bool pit_bench_report(const struct pit_event *event, struct pit_bench_report *report, uint64_t *refused)
{
    if (event->request == PIT_BENCH_REQUEUE)
        return false;
    *report = (struct pit_bench_report){
        .side = event->side,
        .number = event->time_ns,
        .id = pit_bench_order_named(event->client_id, event->account),
        .price = event->price,
        .quantity = (uint32_t)event->quantity,
    };
    switch (event->kind) {
    case PIT_EVENT_ACCEPTED:
        report->kind = PIT_BENCH_ORDERED;
        return true;
    case PIT_EVENT_TRADE:
        report->kind = PIT_BENCH_TRADED;
        report->maker_id = report->id;
        report->taker_id = pit_bench_order_named(event->taker_client_id, event->taker_account);
        report->id = report->taker_id;
        return true;
    case PIT_EVENT_CANCELLED:
        report->kind = PIT_BENCH_CANCELLED;
        return true;
    case PIT_EVENT_REPLACED:
        report->kind = PIT_BENCH_MODIFIED;
        return true;
    case PIT_EVENT_REJECTED:
        report->kind =
            pit_event_rejected_kind(event) == PIT_COMMAND_CANCEL ? PIT_BENCH_CANCEL_REFUSED : PIT_BENCH_MODIFY_REFUSED;
        report->side = 0;
        *refused += pit_event_rejected_kind(event) == PIT_COMMAND_NEW;
        return pit_event_rejected_kind(event) != PIT_COMMAND_NEW;
    default:
        return false;
    }
}

/* For people, at the end. */
static inline void pit_bench_tell_refused(uint64_t refused)
{
    if (refused)
        fprintf(stderr, "pitline adapter: %" PRIu64 " new orders were refused, without a report\n", refused);
}

#endif
