/* tools/adapter/only_reports.c - an engine that answers every message with one report and matches nothing: what
 * carrying the reports costs by itself. It takes batches, and its events have as many lines, as those of the engine
 * beside it.
 *
 * Its reports are of the right kind and number, and wrong: the benchmark says so.
 */
#include <string.h>

#include "tools/adapter/export.h"
#include "tools/adapter/outlet.h"
#include "tools/adapter/report.h"

static struct pit_outlet *outlet;
static struct pit_event_sink *sink;

PIT_EXPORT void engine_init(uint64_t nonce, const struct pit_bench_outlet *table, void *handle)
{
    (void)nonce;
    outlet = pit_outlet_open(table, handle);
    sink = pit_outlet_sink(outlet);
}

PIT_EXPORT void engine_shutdown(void)
{
    pit_outlet_close(outlet);
}

static inline void report(struct pit_event *event, enum pit_event_kind kind, uint8_t flags, uint64_t id,
                          uint64_t number, int64_t price, uint64_t quantity)
{
    event->sequence = number;
    event->time_ns = number;
    event->order_id = id;
    event->client_id = id;
    event->price = price;
    event->quantity = quantity;
    const uint64_t words[2] = {PIT_BENCH_ACCOUNT, (uint64_t)kind << 32 | (uint64_t)flags << 56};
    memcpy(&event->account, &words[0], sizeof words[0]);
    memcpy(&event->request, &words[1], sizeof words[1]);
}

PIT_EXPORT void engine_on_new_order(const struct pit_bench_new *order)
{
    report(pit_event_sink_claim(sink), PIT_EVENT_ACCEPTED, PIT_EVENT_LAST, order->id, order->number, order->price,
           order->quantity);
}

PIT_EXPORT void engine_on_cancel(const struct pit_bench_cancel *cancel)
{
    report(pit_event_sink_claim(sink), PIT_EVENT_CANCELLED, PIT_EVENT_LAST, cancel->id, cancel->number, 0, 0);
}

PIT_EXPORT void engine_on_modify(const struct pit_bench_modify *modify)
{
    struct pit_event *event = pit_event_sink_claim_wide(sink);
    report(event, PIT_EVENT_REPLACED, PIT_EVENT_LAST | PIT_EVENT_WIDE, modify->id, modify->number, modify->price,
           modify->quantity);
    memset(&event->command, 0, PIT_EVENT_LINE_BYTES);
}

#ifdef PIT_BENCH_BATCHES
PIT_EXPORT void engine_on_batch(const struct pit_bench_message *messages, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct pit_bench_message *message = &messages[i];
        if (message->kind == PIT_BENCH_MESSAGE_NEW)
            engine_on_new_order(&message->order);
        else if (message->kind == PIT_BENCH_MESSAGE_CANCEL)
            engine_on_cancel(&message->cancel);
        else
            engine_on_modify(&message->modify);
    }
}
#endif

PIT_EXPORT void engine_flush(void)
{
    pit_outlet_publish(outlet);
}

PIT_EXPORT int64_t engine_query_best_bid(void)
{
    return INT64_MIN;
}

PIT_EXPORT int64_t engine_query_best_ask(void)
{
    return INT64_MAX;
}

PIT_EXPORT uint64_t engine_query_depth_at(int64_t price, uint8_t side)
{
    (void)price;
    (void)side;
    return 0;
}
