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

static __attribute__((noinline)) void push_when_there_is_room(const struct pit_outlet *outlet,
                                                              const struct pit_bench_report *report)
{
    struct pit_wait wait;
    pit_wait_init(&wait, PIT_WAIT_YIELD, NULL);
    do
        pit_wait_idle(&wait);
    while (!outlet->table->push(outlet->handle, report));
}

void pit_outlet_publish(struct pit_outlet *outlet)
{
    const struct pit_bench_outlet *table = outlet->table;
    void *handle = outlet->handle;
    const uint64_t end = outlet->sink.next;
    for (uint64_t at = outlet->pushed; at != end; at++) {
        struct pit_bench_report report;
        if (pit_bench_report(&outlet->slots[at % SLOTS], &report, &outlet->refused) &&
            __builtin_expect(!table->push(handle, &report), 0))
            push_when_there_is_room(outlet, &report);
    }
    outlet->pushed = end;
}
