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
 * order rests now, what belongs to a requeue, and that a new order was refused, which is counted in *refused. Most
 * kinds come in no order that could be guessed, and differ in the report's kind alone. */
static inline bool pit_bench_report(const struct pit_event *event, struct pit_bench_report *report, uint64_t *refused)
{
    static const uint8_t kinds[16] = {[PIT_EVENT_ACCEPTED] = 1 + PIT_BENCH_ORDERED,
                                      [PIT_EVENT_TRADE] = 1 + PIT_BENCH_TRADED,
                                      [PIT_EVENT_CANCELLED] = 1 + PIT_BENCH_CANCELLED,
                                      [PIT_EVENT_REPLACED] = 1 + PIT_BENCH_MODIFIED,
                                      [PIT_EVENT_REJECTED] = 1 + PIT_BENCH_MODIFY_REFUSED};
    const uint8_t kind = kinds[event->kind & 15];
    if (event->request == PIT_BENCH_REQUEUE || kind == 0)
        return false;
    *report = (struct pit_bench_report){
        .kind = (uint8_t)(kind - 1),
        .side = event->side,
        .number = event->time_ns,
        .id = pit_bench_order_named(event->client_id, event->account),
        .price = event->price,
        .quantity = (uint32_t)event->quantity,
    };
    if (event->kind == PIT_EVENT_TRADE) {
        report->maker_id = report->id;
        report->taker_id = pit_bench_order_named(event->taker_client_id, event->taker_account);
        report->id = report->taker_id;
    } else if (event->kind == PIT_EVENT_REJECTED) {
        report->side = 0;
        if (pit_event_rejected_kind(event) == PIT_COMMAND_CANCEL)
            report->kind = PIT_BENCH_CANCEL_REFUSED;
        *refused += pit_event_rejected_kind(event) == PIT_COMMAND_NEW;
        return pit_event_rejected_kind(event) != PIT_COMMAND_NEW;
    }
    return true;
}

/* For people, at the end. */
static inline void pit_bench_tell_refused(uint64_t refused)
{
    if (refused)
        fprintf(stderr, "pitline adapter: %" PRIu64 " new orders were refused, without a report\n", refused);
}

#endif
