/* tools/adapter/recorded_reports.c - an engine that has its reports ready, the right ones: what carrying them costs by
 * itself. It matches while messages are prepared, and what it does with a message that is due is to copy its events, as
 * a book had written them, to where the book of the engine beside it writes.
 *
 * The benchmark forbids to match then, and says of every run that it is not valid: the book is not empty when the clock
 * starts. What is not prepared, and what is more than there is room for, ends the run with words on stderr.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tools/adapter/driven_book.h"
#include "tools/adapter/export.h"
#include "tools/adapter/outlet.h"

struct line {
    _Alignas(64) uint8_t bytes[PIT_EVENT_LINE_BYTES];
};

#define LINES_MAX (PIT_BENCH_MESSAGES_MAX / 2 * 3 + 64)
#define LINES_AHEAD 16u

/* Where the book writes one message's events, before they are recorded. */
#define SLOTS 256u

static struct recording {
    struct pit_driven_book book;
    struct pit_event slots[SLOTS];
    struct pit_event_sink sink;
    uint64_t taken;     /* events before this one are recorded */
    struct line *lines; /* of the events, in their order */
    uint32_t *end;      /* by message: the line behind its last event */
    uint32_t lines_count;
    uint32_t messages;
    uint32_t line; /* the next to be copied */
    uint32_t message;
    struct pit_event_sink *out;
    struct pit_outlet *outlet;
} recording;

static void record(void)
{
    for (; recording.taken != recording.sink.next; recording.taken++) {
        const struct pit_event *event = &recording.slots[recording.taken % SLOTS];
        const uint32_t lines = pit_event_lines(event);
        if (recording.lines_count + lines > LINES_MAX) {
            fprintf(stderr, "pitline adapter: more than %u lines of events\n", LINES_MAX);
            abort();
        }
        memcpy(&recording.lines[recording.lines_count], event, lines * sizeof(struct line));
        recording.lines_count += lines;
    }
}

static void make_room(struct pit_event_sink *sink)
{
    record();
    sink->limit = sink->next + SLOTS;
}

PIT_EXPORT void engine_init(uint64_t nonce, const struct pit_bench_outlet *table, void *handle)
{
    recording = (struct recording){.book = pit_driven_book_open(nonce), .outlet = pit_outlet_open(table, handle)};
    recording.sink = (struct pit_event_sink){.slots = recording.slots, .mask = SLOTS - 1, .make_room = make_room};
    recording.lines = pit_driven_book_take(&recording.book, (LINES_MAX + LINES_AHEAD) * sizeof(struct line));
    recording.end = pit_driven_book_take(&recording.book, PIT_BENCH_MESSAGES_MAX * sizeof recording.end[0]);
    recording.out = pit_outlet_sink(recording.outlet);
}

PIT_EXPORT void engine_shutdown(void)
{
    pit_outlet_close(recording.outlet);
    pit_driven_book_close(&recording.book);
}

PIT_EXPORT void engine_prebuild(uint8_t kind, const void *message)
{
    if (recording.messages == PIT_BENCH_MESSAGES_MAX) {
        fprintf(stderr, "pitline adapter: more than %u messages\n", PIT_BENCH_MESSAGES_MAX);
        abort();
    }
    struct pit_command command = {0};
    pit_driven_make(&recording.book, &command, kind, message);
    pit_driven_carry_out(&recording.book, &command, &recording.sink);
    record();
    recording.end[recording.messages++] = recording.lines_count;
}

static inline void copy_event(void)
{
    const struct line *line = &recording.lines[recording.line];
    const uint32_t lines = pit_event_lines((const struct pit_event *)line);
    __builtin_prefetch(line + LINES_AHEAD);
    struct pit_event *event =
        lines > 1 ? pit_event_sink_claim_wide(recording.out) : pit_event_sink_claim(recording.out);
    memcpy(event, line, sizeof *line);
    if (lines > 1)
        memcpy(&event->command, line + 1, sizeof *line);
    recording.line += lines;
}

static inline void copy_message(void)
{
    if (recording.message == recording.messages) {
        fprintf(stderr, "pitline adapter: a message was not prepared\n");
        abort();
    }
    for (const uint32_t end = recording.end[recording.message++]; recording.line != end;)
        copy_event();
}

PIT_EXPORT void engine_on_new_order(const struct pit_bench_new *order)
{
    (void)order;
    copy_message();
}

PIT_EXPORT void engine_on_cancel(const struct pit_bench_cancel *cancel)
{
    (void)cancel;
    copy_message();
}

PIT_EXPORT void engine_on_modify(const struct pit_bench_modify *modify)
{
    (void)modify;
    copy_message();
}

#ifdef PIT_BENCH_BATCHES
PIT_EXPORT void engine_on_batch(const struct pit_bench_message *messages, uint32_t count)
{
    (void)messages;
    while (count--)
        copy_message();
}
#endif

PIT_EXPORT void engine_flush(void)
{
    pit_outlet_publish(recording.outlet);
}

/* Of the book as it is after all messages: so the benchmark sees at once that it was not empty when the clock started.
 * To tell its depth would take time that is not counted, in which the other thread catches up. */

PIT_EXPORT int64_t engine_query_best_bid(void)
{
    return pit_driven_best(&recording.book, PIT_SIDE_BUY, INT64_MIN);
}

PIT_EXPORT int64_t engine_query_best_ask(void)
{
    return pit_driven_best(&recording.book, PIT_SIDE_SELL, INT64_MAX);
}

PIT_EXPORT uint64_t engine_query_depth_at(int64_t price, uint8_t side)
{
    (void)price;
    (void)side;
    return 0;
}
