/* tools/replay.c - pitline replay: rebuilds what a journal says, looks at it, and changes nothing. */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pitline/market_data.h"
#include "replay/replay.h"
#include "tools/arguments.h"
#include "tools/moment.h"
#include "tools/order_life.h"
#include "tools/past.h"
#include "tools/replay_print.h"
#include "tools/tools.h"

#define PROGRESS_EVERY 1000000u
#define DEPTH_DEFAULT 10u
#define EVENTS_BUFFER_BYTES ((size_t)1 << 20)

struct arguments {
    const char *directory;
    bool verify;
    struct pit_moment until;
    bool from_snapshot;
    uint64_t snapshot; /* the one wanted, 0 = the newest */
    const char *book;
    uint64_t depth;
    bool order_given;
    struct pit_order_name order;
    bool json;
    const char *events;
};

enum { KEY_UNTIL = 256, KEY_BOOK, KEY_DEPTH, KEY_EVENTS, KEY_FROM_SNAPSHOT, KEY_ORDER, KEY_CLIENT_ORDER };

static const struct argp_option options[] = {
    {"verify", 'v', NULL, 0, "Compare with the digests that the live run journaled", 0},
    {"until", KEY_UNTIL, "SEQ|TIME", 0,
     "Stop after this sequence, or after the last command not later than this time, in UTC: "
     "2026-11-21T09:30:00.123456789Z, or less of it, or @NANOSECONDS since 1970",
     0},
    {"from-snapshot", KEY_FROM_SNAPSHOT, "SEQ", OPTION_ARG_OPTIONAL,
     "Begin with the newest snapshot, or the one of this sequence", 0},
    {"book", KEY_BOOK, "SYMBOL", 0, "Print the symbol's book at that point", 0},
    {"depth", KEY_DEPTH, "N", 0, "Price levels of each side in it (default 10, 0 = all)", 0},
    {"order", KEY_ORDER, "ID", 0, "Tell the life of the order with this exchange id", 0},
    {"client-order", KEY_CLIENT_ORDER, "ACCOUNT:ID", 0, "The same, of all orders with this client id", 0},
    {"json", 'j', NULL, 0, "Lines of JSON: the order's life, the book's levels, the result", 0},
    {"events", KEY_EVENTS, "FILE", 0, "Write every event as a line of JSON; - is standard output", 0},
    {0},
};

static void parse_until(struct arguments *arguments, const char *text, struct argp_state *state)
{
    const char *wanted = pit_moment_parse(text, &arguments->until);
    if (wanted)
        argp_error(state, "--until: '%s' is not %s", text, wanted);
}

static void parse_order(struct arguments *arguments, int key, const char *text, struct argp_state *state)
{
    if (arguments->order_given)
        argp_error(state, "one of --order and --client-order, once");
    arguments->order_given = true;
    if (key == KEY_ORDER)
        arguments->order.order_id = pit_argument_number(state, "order", text, 1, UINT64_MAX);
    else if (!pit_order_name_parse(text, &arguments->order))
        argp_error(state, "--client-order: '%s' is not an account and a client id, like 7:1001", text);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'v':
        arguments->verify = true;
        return 0;
    case KEY_UNTIL:
        parse_until(arguments, text, state);
        return 0;
    case KEY_ORDER:
    case KEY_CLIENT_ORDER:
        parse_order(arguments, key, text, state);
        return 0;
    case 'j':
        arguments->json = true;
        return 0;
    case KEY_FROM_SNAPSHOT:
        arguments->from_snapshot = true;
        arguments->snapshot = text ? pit_argument_number(state, "from-snapshot", text, 1, UINT64_MAX) : 0;
        return 0;
    case KEY_BOOK:
        arguments->book = text;
        return 0;
    case KEY_DEPTH:
        arguments->depth = pit_argument_number(state, "depth", text, 0, UINT64_MAX);
        return 0;
    case KEY_EVENTS:
        arguments->events = text;
        return 0;
    case ARGP_KEY_END:
        if (arguments->json && arguments->events && strcmp(arguments->events, "-") == 0)
            argp_error(state, "--json and --events - both want standard output: write the events to a file");
        return pit_argument_directory(state, key, text, &arguments->directory);
    default:
        return pit_argument_directory(state, key, text, &arguments->directory);
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "DIR",
    .doc =
        "Rebuild the state of a pipeline from the journal in DIR, without touching it. DIR may be in use: the replay "
        "then ends at the last whole block.\v"
        "The last line is for scripts: events-digest X state-digest X commands N. Equal journals give equal digests "
        "on every machine, also from a snapshot on. With --events - the report goes to standard error. With "
        "--from-snapshot counts and events are of the commands after the snapshot; one that is damaged or not this "
        "journal's is passed over with a warning.\n\n"
        "Exit status: 0 the journal was replayed; 1 it could not be, or --verify found a difference; 2 the "
        "arguments are wrong.",
};

struct tool {
    struct arguments arguments;
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
    const struct arguments *arguments = &tool->arguments;
    for (uint32_t symbol = 0; symbol < pit_market_symbols(tool->past.market); symbol++) {
        const struct pit_book *book = pit_market_book(tool->past.market, symbol);
        if (!book || strncmp(pit_book_definition(book)->name, arguments->book, PIT_SYMBOL_NAME_BYTES) != 0)
            continue;
        if (arguments->json)
            pit_book_json_print(report, &tool->json, book, result->last_sequence, arguments->depth);
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
    const struct arguments *arguments = &tool->arguments;
    const uint64_t from = tool->past.from.sequence;
    bool found = !tool->life || pit_order_life_end(tool->life, "pitline replay", result->last_sequence);
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
    const struct arguments *arguments = &tool->arguments;
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
    const struct arguments *arguments = &tool->arguments;
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

int pit_tool_replay(int argc, char **argv)
{
    static struct tool tool; /* zeroed; the arena's memory is large, this is not */
    tool.arguments.depth = DEPTH_DEFAULT;
    argp_err_exit_status = 2;
    if (argp_parse(&argp, argc, argv, 0, NULL, &tool.arguments))
        return 2;
    int status = prepare(&tool) ? 1 : replay(&tool);
    pit_order_life_destroy(tool.life);
    pit_past_end(&tool.past);
    return status;
}
