/* tools/replay.c - pitline replay: rebuilds what a journal says, looks at it, and changes nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pitline/market_data.h"
#include "replay/replay.h"
#include "tools/past.h"
#include "tools/replay_arguments.h"
#include "tools/replay_print.h"
#include "tools/tools.h"
#include "tools/travel.h"

#define PROGRESS_EVERY 1000000u
#define EVENTS_BUFFER_BYTES ((size_t)1 << 20)

struct tool {
    struct pit_replay_arguments arguments;
    struct pit_past past;
    struct pit_order_life *life;
    FILE *events;
    struct pit_json json;
    uint64_t event_command; /* sequence of the last event's command, and the event's number in it */
    uint32_t event_number;
    int events_error; /* errno of writing them */
    bool progress_shown;
};

static bool write_event(struct tool *tool, const struct pit_command *command, const struct pit_event *event)
{
    tool->event_number = command->sequence == tool->event_command ? tool->event_number + 1 : 0;
    tool->event_command = command->sequence;
    const struct pit_book *book = pit_market_book(tool->past.market, event->symbol);
    pit_event_to_json(&tool->json, command->sequence, tool->event_number, event,
                      book ? pit_book_definition(book) : NULL);
    if (pit_json_end(&tool->json, tool->events) == 0)
        return true;
    tool->events_error = errno;
    return false;
}

static bool take_event(void *context, const struct pit_command *command, const struct pit_event *event)
{
    struct tool *tool = context;
    if (tool->life)
        pit_order_life_event(tool->life, command, event);
    return !tool->events || write_event(tool, command, event);
}

static void begun(void *context)
{
    struct tool *tool = context;
    if (tool->life)
        pit_order_life_begin(tool->life, tool->past.market, tool->past.from.sequence, tool->past.from.time_ns);
}

static void show_progress(void *context, uint64_t done, uint64_t total, uint64_t commands)
{
    struct tool *tool = context;
    tool->progress_shown = true;
    fprintf(stderr, "\r%3u %%  %.1f M commands ", total ? (unsigned)(done * 100 / total) : 0, (double)commands / 1e6);
    fflush(stderr);
}

static double seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) * 1e-9;
}

static int open_events(struct tool *tool)
{
    const char *path = tool->arguments.events;
    if (!path)
        return 0;
    tool->events = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    if (!tool->events) {
        fprintf(stderr, "pitline replay: cannot write events to %s: %s\n", path, strerror(errno));
        return -1;
    }
    setvbuf(tool->events, NULL, _IOFBF, EVENTS_BUFFER_BYTES);
    return 0;
}

/* Says whether every event was written. */
static bool close_events(struct tool *tool)
{
    if (!tool->events)
        return true;
    bool flushed = tool->events == stdout ? fflush(stdout) == 0 : fclose(tool->events) == 0;
    if (!flushed && !tool->events_error)
        tool->events_error = errno;
    tool->events = NULL;
    if (!tool->events_error)
        return true;
    fprintf(stderr, "pitline replay: cannot write events to %s: %s\n", tool->arguments.events,
            strerror(tool->events_error));
    return false;
}

static bool print_book(struct tool *tool, const struct pit_replay_result *result, FILE *report)
{
    const struct pit_replay_arguments *arguments = &tool->arguments;
    for (uint32_t symbol = 0; symbol < pit_market_symbols(tool->past.market); symbol++) {
        const struct pit_book *book = pit_market_book(tool->past.market, symbol);
        if (!book || strncmp(pit_book_definition(book)->name, arguments->book, PIT_SYMBOL_NAME_BYTES) != 0)
            continue;
        if (arguments->json)
            pit_book_json_print(report, &tool->json, book, result->last_sequence, arguments->depth, NULL);
        else
            pit_book_print(report, book, result->last_sequence, result->last_time_ns, arguments->depth);
        return true;
    }
    fprintf(stderr, "pitline replay: no symbol '%s' at sequence %lu; known: ", arguments->book, result->last_sequence);
    pit_symbols_print(stderr, tool->past.market);
    return false;
}

/* What was found. replayed: all of it was, up to where it was to stop. False: something asked for is not there. */
static bool tell(struct tool *tool, const struct pit_replay_result *result, bool replayed, double seconds, FILE *report)
{
    const struct pit_replay_arguments *arguments = &tool->arguments;
    const uint64_t from = tool->past.from.sequence;
    struct pit_error why;
    bool found = !tool->life || pit_order_life_end(tool->life, result->last_sequence, &why) == 0;
    if (!found)
        fprintf(stderr, "pitline replay: %s\n", why.text);
    struct pit_digest digest = pit_market_full_digest(tool->past.market);
    if (!arguments->json) {
        if (from)
            fprintf(report, "snapshot  of sequence %lu, %lu resting orders\n", from, tool->past.from.orders);
        pit_replay_print(report, result, &digest, seconds, &arguments->until);
        if (replayed && arguments->verify)
            pit_replay_verified_print(report, result);
    }
    found &= !arguments->book || print_book(tool, result, report);
    if (!replayed)
        return found;
    if (arguments->json)
        pit_replay_json_print(report, &tool->json, result, &digest, from, seconds);
    else
        fprintf(report, "events-digest %016lx state-digest %016lx commands %lu\n", digest.events, digest.state,
                result->commands + result->skipped);
    return found;
}

static int replay(struct tool *tool)
{
    const struct pit_replay_arguments *arguments = &tool->arguments;
    FILE *report = tool->events == stdout ? stderr : stdout;
    struct pit_replay_options replay_options = {
        .until = arguments->until.sequence,
        .until_ns = arguments->until.time_ns,
        .verify = arguments->verify,
        .event = tool->events || tool->life ? take_event : NULL,
        .event_context = tool,
        .progress = isatty(STDERR_FILENO) ? show_progress : NULL,
        .progress_context = tool,
        .progress_every = PROGRESS_EVERY,
    };
    struct pit_replay_result result;
    struct pit_error error = {0};
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int code = pit_past_replay(&tool->past, arguments->directory, &replay_options, &result, &error);
    double seconds = seconds_since(&start);
    if (tool->progress_shown)
        fprintf(stderr, "\r                              \r");
    bool written = close_events(tool);
    if (code < 0)
        fprintf(stderr, "pitline replay: %s\n", error.text);
    if (code < 0 && result.commands == 0)
        return 1;
    bool found = tell(tool, &result, code == 0 && written, seconds, report);
    bool told = fflush(report) == 0;
    return code == 0 && written && found && told ? 0 : 1;
}

/* Makes what the run needs. */
static int prepare(struct tool *tool)
{
    const struct pit_replay_arguments *arguments = &tool->arguments;
    struct pit_error error = {0};
    tool->past = (struct pit_past){.tool = "pitline replay",
                                   .from_snapshot = arguments->from_snapshot,
                                   .wanted = arguments->snapshot,
                                   .begun = begun,
                                   .begun_context = tool};
    if (open_events(tool))
        return -1;
    if (arguments->order_given) {
        tool->life =
            pit_order_life_create(&arguments->order, arguments->json, tool->events == stdout ? stderr : stdout);
        if (!tool->life) {
            fprintf(stderr, "pitline replay: no memory\n");
            return -1;
        }
    }
    if (pit_past_begin(&tool->past, &error)) {
        fprintf(stderr, "pitline replay: %s\n", error.text);
        return -1;
    }
    return 0;
}

static int travel(const struct pit_replay_arguments *arguments)
{
    struct pit_travel_options options = {
        .directory = arguments->directory,
        .until = arguments->until,
        .snapshots = arguments->from_snapshot || arguments->step,
        .snapshot_worth = arguments->from_snapshot,
        .checkpoint_bytes_max = (size_t)arguments->memory_mib << 20,
        .book = arguments->book,
        .depth = arguments->depth,
        .json = arguments->json,
        .what_if = arguments->what_if,
        .go_on = arguments->go_on,
        .go_on_from = arguments->go_on_from,
        .go_on_until = arguments->go_on_until,
        .differences = arguments->differences,
    };
    if (arguments->step)
        return pit_travel_step(&options);
    if (options.until.sequence == 0 && options.until.time_ns == 0)
        options.until.sequence = UINT64_MAX; /* the end */
    return pit_travel_what_if(&options);
}

int pit_tool_replay(int argc, char **argv)
{
    static struct tool tool; /* zeroed; the arena's memory is large, this is not */
    if (pit_replay_arguments_parse(&tool.arguments, argc, argv))
        return 2;
    if (tool.arguments.step || tool.arguments.what_if)
        return travel(&tool.arguments);
    int status = prepare(&tool) ? 1 : replay(&tool);
    pit_order_life_destroy(tool.life);
    pit_past_end(&tool.past);
    return status;
}
