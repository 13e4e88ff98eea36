/* tools/adapter/outlet_queue.c - events become reports here and go into the queue the benchmark brings along.
 *
 *   book ──▶ sink ──▶ some struct pit_event ──▶ reports ──▶ the benchmark's push
 */
#include <stdio.h>
#include <stdlib.h>

#include "ring/check.h"
#include "ring/wait.h"
#include "tools/adapter/outlet.h"
#include "tools/adapter/report.h"

/* How many events the writer gathers before reports of them are pushed. Each push is seen at once, by a reader that
 * asks all the time for the line that is written: many in a row are cheaper than a few now and then. */
#define SLOTS 8192u

/* How many reports are made before they are pushed: a copy of what was written a moment ago would wait for it to leave
 * the store buffer. */
#define REPORTS 16u

struct pit_outlet {
    _Alignas(128) struct pit_event slots[SLOTS];
    struct pit_event_sink sink;
    uint64_t pushed;  /* events before this one are in the queue */
    uint64_t refused; /* new orders */
    const struct pit_bench_outlet *table;
    void *handle;
};

static void make_room(struct pit_event_sink *sink)
{
    pit_outlet_publish(sink->context);
    sink->limit = sink->next + SLOTS;
}

struct pit_outlet *pit_outlet_open(const struct pit_bench_outlet *table, void *handle)
{
    struct pit_outlet *outlet = aligned_alloc(128, (sizeof *outlet + 127) / 128 * 128);
    if (!outlet) {
        fprintf(stderr, "pitline adapter: no memory\n");
        abort();
    }
    *outlet = (struct pit_outlet){
        .sink = {.slots = outlet->slots, .mask = SLOTS - 1, .make_room = make_room, .context = outlet},
        .table = table,
        .handle = handle,
    };
    return outlet;
}

void pit_outlet_close(struct pit_outlet *outlet)
{
    pit_bench_tell_refused(outlet->refused);
    free(outlet);
}

struct pit_event_sink *pit_outlet_sink(struct pit_outlet *outlet)
{
    return &outlet->sink;
}

static void push(const struct pit_outlet *outlet, const struct pit_bench_report *report)
{
    if (outlet->table->push(outlet->handle, report))
        return;
    struct pit_wait wait;
    pit_wait_init(&wait, PIT_WAIT_YIELD, NULL);
    do
        pit_wait_idle(&wait);
    while (!outlet->table->push(outlet->handle, report));
}

static uint32_t make_reports(struct pit_outlet *outlet, struct pit_bench_report reports[REPORTS])
{
    uint32_t count = 0;
    for (; outlet->pushed != outlet->sink.next && count < REPORTS; outlet->pushed++)
        count += pit_bench_report(&outlet->slots[outlet->pushed % SLOTS], &reports[count], &outlet->refused);
    return count;
}

void pit_outlet_publish(struct pit_outlet *outlet)
{
    _Alignas(64) struct pit_bench_report reports[REPORTS];
    uint32_t count;
    while ((count = make_reports(outlet, reports)))
        for (uint32_t i = 0; i < count; i++)
            push(outlet, &reports[i]);
}
