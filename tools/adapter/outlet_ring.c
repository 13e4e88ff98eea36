/* tools/adapter/outlet_ring.c - events go through an output ring; whoever takes them out makes reports of them.
 *
 *   book ──▶ sink ──▶ struct pit_ring of the lines of struct pit_event ──▶ drain ──▶ reports
 */
#include <stdio.h>
#include <stdlib.h>

#include "memory/arena.h"
#include "ring/ring.h"
#include "ring/wait.h"
#include "tools/adapter/export.h"
#include "tools/adapter/outlet.h"
#include "tools/adapter/report.h"

/* How many lines of events the writer gathers before the other side sees them. */
#define BATCH 64u

struct pit_outlet {
    /* The writer's. */
    _Alignas(PIT_SEQUENCE_BYTES) struct pit_event_sink sink;
    struct pit_ring *ring;
    uint64_t published; /* slots before this one are visible to the reader */
    uint32_t room_min;  /* how much must be free before a full ring is written to again */
    /* The other thread's. */
    _Alignas(PIT_SEQUENCE_BYTES) struct pit_ring_reader reader;
    uint64_t refused; /* new orders */
    struct pit_arena *arena;
};

/* Room for one batch. The reader's cursor is on another core's line: it is looked at when what was seen of it last does
 * not suffice, and a full ring is left until a good part of it is free. */
static void make_room(struct pit_event_sink *sink)
{
    struct pit_outlet *outlet = sink->context;
    pit_outlet_publish(outlet);
    if (pit_ring_room(outlet->ring, BATCH) < BATCH) {
        struct pit_wait wait;
        pit_wait_init(&wait, PIT_WAIT_YIELD, NULL);
        while (pit_ring_room(outlet->ring, outlet->room_min) < outlet->room_min)
            pit_wait_idle(&wait);
    }
    sink->limit = sink->next + BATCH;
}

static uint32_t slots_for(uint32_t reports_min)
{
    uint32_t slots = 8 * BATCH;
    while (slots < reports_min && slots < PIT_RING_SLOTS_MAX)
        slots *= 2;
    return slots;
}

static bool lay_out(struct pit_outlet *outlet, uint32_t slots)
{
    const size_t bytes = pit_ring_bytes(slots, PIT_EVENT_LINE_BYTES);
    const struct pit_arena_options options = {
        .name = "reports", .node = PIT_ARENA_NODE_ANY, .huge = true, .prefault_bytes_max = SIZE_MAX};
    struct pit_error error = {0};
    if (pit_arena_create(&outlet->arena, &options, &error)) {
        fprintf(stderr, "pitline adapter: %s\n", error.text);
        return false;
    }
    void *memory = pit_arena_take(outlet->arena, bytes, PIT_SEQUENCE_BYTES);
    outlet->ring = memory ? pit_ring_create(memory, slots, PIT_EVENT_LINE_BYTES, 1) : NULL;
    if (!outlet->ring) {
        fprintf(stderr, "pitline adapter: no memory for a ring of %u lines of events\n", slots);
        pit_arena_destroy(outlet->arena);
        return false;
    }
    return pit_ring_reader_add(outlet->ring, &outlet->reader);
}

static void *create(uint32_t reports_min)
{
    struct pit_outlet *outlet = aligned_alloc(PIT_SEQUENCE_BYTES, sizeof *outlet);
    if (!outlet)
        return NULL;
    *outlet = (struct pit_outlet){0};
    const uint32_t slots = slots_for(reports_min);
    if (slots < reports_min || !lay_out(outlet, slots)) {
        free(outlet);
        return NULL;
    }
    outlet->sink = (struct pit_event_sink){.slots = pit_ring_slot(outlet->ring, 0),
                                           .mask = slots - 1,
                                           .next = 1,
                                           .limit = 1, /* the first event looks for room */
                                           .lines = 1,
                                           .make_room = make_room,
                                           .context = outlet};
    outlet->published = 1;
    outlet->room_min = slots / 64 > BATCH ? slots / 64 : BATCH;
    return outlet;
}

static void destroy(void *handle)
{
    struct pit_outlet *outlet = handle;
    pit_bench_tell_refused(outlet->refused);
    pit_arena_destroy(outlet->arena);
    free(outlet);
}

static void flush(void *handle)
{
    pit_outlet_publish(handle);
}

/* Goes on until there is a report or no event: nothing taken out says that nothing is there. */
static uint32_t drain(void *handle, struct pit_bench_report *reports, uint32_t max)
{
    struct pit_outlet *outlet = handle;
    struct pit_ring_reader *reader = &outlet->reader;
    uint32_t made = 0;
    while (made == 0) {
        const uint32_t ready = pit_ring_poll_run(reader, max);
        if (ready == 0)
            break;
        uint32_t done = 0;
        while (done < ready) {
            const struct pit_event *event = pit_ring_slot(reader->ring, reader->next + done);
            made += pit_bench_report(event, &reports[made], &outlet->refused);
            done += pit_event_lines(event);
        }
        pit_ring_release_run(reader, done);
    }
    return made;
}

/* Nothing is pushed: the book writes into the ring. */
static const struct pit_bench_outlet table = {.create = create, .drain = drain, .flush = flush, .destroy = destroy};

PIT_EXPORT const struct pit_bench_outlet *engine_get_transport(void)
{
    return &table;
}

struct pit_outlet *pit_outlet_open(const struct pit_bench_outlet *given, void *handle)
{
    if (given != &table) {
        fprintf(stderr, "pitline adapter: this library brings its own queue; for another one take the other library\n");
        abort();
    }
    return handle;
}

/* Reports may still be taken out: the benchmark destroys what it had created. */
void pit_outlet_close(struct pit_outlet *outlet)
{
    pit_outlet_publish(outlet);
}

struct pit_event_sink *pit_outlet_sink(struct pit_outlet *outlet)
{
    return &outlet->sink;
}

void pit_outlet_publish(struct pit_outlet *outlet)
{
    const uint64_t ready = outlet->sink.next - outlet->published;
    if (ready == 0)
        return;
    const uint64_t first = pit_ring_claim(outlet->ring, (uint32_t)ready);
    PIT_CHECK(first == outlet->published); /* room was seen before the slots were written */
    pit_ring_publish_run(outlet->ring, first, (uint32_t)ready);
    outlet->published += ready;
}
