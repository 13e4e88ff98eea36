/* tools/tail.c - pitline tail: prints a running pipeline's market data, from another process and without slowing it. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "pitline/market_data.h"
#include "ring/sequence.h"
#include "tools/arguments.h"
#include "tools/tail_print.h"
#include "tools/tools.h"

#define NAME_DEFAULT "pitline"
#define LEVELS_DEFAULT 10u
#define SYMBOLS_WANTED_MAX 64u
#define EVENTS_AT_ONCE 1024u
#define IDLE_NS_MIN UINT64_C(1000000)
#define IDLE_NS_MAX UINT64_C(10000000)
#define OPEN_AGAIN_NS UINT64_C(50000000)
#define STATUS_NS UINT64_C(200000000) /* between two looks at the writer's sign of life */
#define REDRAW_NS UINT64_C(100000000)
#define DEPTH_WAIT_NS UINT64_C(1000000000) /* for images that have caught up with what was lost */

#define KEY_BOOK 'b'
#define KEY_FROM_START 256

static const struct argp_option options[] = {
    {"symbol", 's', "SYMBOL", 0, "Only this symbol. May be given several times", 0},
    {"format", 'f', "FORMAT", 0, "text (the default), or json: one object a line", 0},
    {"book", KEY_BOOK, NULL, 0, "Show the depth of the book, kept up to date, in place of single events", 0},
    {"levels", 'l', "N", 0, "Levels of each side, 1 to 20 (default 10)", 0},
    {"count", 'n', "N", 0, "End after N events, or with --book after N redraws", 0},
    {"from-start", KEY_FROM_START, NULL, 0,
     "Begin with the oldest events that are still there, not with what happens from now on", 0},
    {0},
};

struct arguments {
    const char *name;
    const char *wanted[SYMBOLS_WANTED_MAX];
    uint32_t wanted_count;
    enum pit_tail_format format;
    uint32_t levels;
    uint64_t count; /* 0 = no end */
    bool book;
    bool from_start;
};

/* A symbol of the run that is being read. */
struct tail_symbol {
    bool known;
    bool wanted;
    struct pit_md_symbol definition;
    uint64_t in_depth; /* events up to here are in the depth printed last, or drawn last */
};

struct tail {
    struct arguments arguments;
    struct pit_md *md; /* NULL: none is open */
    struct tail_symbol *symbols;
    uint64_t printed;
    uint64_t idle_ns;
    uint64_t status_next_ns;
    uint64_t redraw_next_ns;
    enum pit_md_status status; /* the last one said */
    bool waiting_said;
    bool opened_before;
    bool terminal;
    bool drawn;
    int write_error; /* errno of the first write that failed */
};

/* Set by the signal handler, read by the loop. */
static uint64_t asked_to_end;

static void on_signal(int number)
{
    (void)number;
    pit_word_store_relaxed(&asked_to_end, 1);
}

static bool ending(struct tail *tail)
{
    if (tail->write_error == 0 && ferror(stdout))
        tail->write_error = errno;
    return pit_word_load_relaxed(&asked_to_end) != 0 || tail->write_error != 0 ||
           (tail->arguments.count > 0 && tail->printed >= tail->arguments.count);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A signal ends it early. */
static void sleep_ns(uint64_t ns)
{
    fflush(stdout);
    struct timespec time = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    nanosleep(&time, NULL);
}

__attribute__((format(printf, 2, 3))) static void say(const struct tail *tail, const char *format, ...)
{
    char text[PIT_ERROR_TEXT_BYTES];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    fflush(stdout);
    fprintf(stderr, "pitline tail: %s%s\n", text, tail->drawn && tail->terminal ? "\033[K" : "");
}

/* Symbols. */

static bool wanted(const struct arguments *arguments, const char *name)
{
    for (uint32_t i = 0; i < arguments->wanted_count; i++)
        if (strcmp(arguments->wanted[i], name) == 0)
            return true;
    return arguments->wanted_count == 0;
}

/* The symbol of an id, or NULL when there is no such. */
static struct tail_symbol *look_up(struct tail *tail, uint32_t id)
{
    if (id >= PIT_SYMBOLS_MAX)
        return NULL;
    struct tail_symbol *symbol = &tail->symbols[id];
    if (!symbol->known) {
        if (pit_md_symbol(tail->md, id, &symbol->definition) != 0)
            return NULL;
        symbol->known = true;
        symbol->wanted = wanted(&tail->arguments, symbol->definition.name);
    }
    return symbol;
}

static void say_unknown_symbols(struct tail *tail)
{
    for (uint32_t i = 0; i < tail->arguments.wanted_count; i++)
        if (pit_md_find(tail->md, tail->arguments.wanted[i]) < 0)
            say(tail, "%s has no symbol %s yet", tail->arguments.name, tail->arguments.wanted[i]);
}

/* An image that has caught up with the events skipped. Waits for it, but not for ever: its writer may be dead. */
static int wait_for_depth(struct tail *tail, uint32_t id, struct pit_md_depth *depth, uint64_t until_ns)
{
    int result;
    while ((result = pit_md_depth(tail->md, id, depth)) == -EAGAIN && now_ns() < until_ns && !ending(tail))
        sleep_ns(IDLE_NS_MIN);
    return result;
}

static void print_depths(struct tail *tail)
{
    uint32_t count = pit_md_symbols(tail->md);
    uint64_t until_ns = now_ns() + DEPTH_WAIT_NS; /* for all of them together */
    for (uint32_t id = 0; id < count && !ending(tail); id++) {
        struct tail_symbol *symbol = look_up(tail, id);
        struct pit_md_depth depth;
        if (!symbol || !symbol->wanted)
            continue;
        int result = wait_for_depth(tail, id, &depth, until_ns);
        if (result == -EAGAIN)
            say(tail, "the pipeline does not bring the depth of %s up to date", symbol->definition.name);
        if (result != 0)
            continue;
        symbol->in_depth = depth.event_sequence;
        pit_tail_print_depth(tail->arguments.format, &depth, &symbol->definition, tail->arguments.levels);
    }
}

/* Life and death of the pipeline. */

/* Opens the pipeline's market data. 1: open; 0: none yet; negative: never. */
static int open_market_data(struct tail *tail)
{
    struct pit_error error;
    int result = pit_md_open(&tail->md, tail->arguments.name, &error);
    if (result == -ENOENT) {
        if (!tail->waiting_said)
            say(tail, "waiting for a pipeline named %s to start", tail->arguments.name);
        tail->waiting_said = true;
        return 0;
    }
    if (result != 0) {
        say(tail, "%s", error.text);
        return result;
    }
    memset(tail->symbols, 0, PIT_SYMBOLS_MAX * sizeof *tail->symbols);
    bool started = tail->waiting_said || tail->opened_before;
    if (started)
        say(tail, "%s has started", tail->arguments.name);
    if (started || tail->arguments.from_start)
        pit_md_seek_oldest(tail->md);
    tail->status = PIT_MD_RUNNING;
    tail->status_next_ns = 0;
    tail->redraw_next_ns = 0;
    tail->waiting_said = false;
    tail->opened_before = true;
    tail->drawn = false;
    say_unknown_symbols(tail);
    if (tail->arguments.book)
        return 1;
    if (tail->arguments.format == PIT_TAIL_JSON)
        pit_tail_print_open(tail->arguments.name, pit_md_position(tail->md));
    if (!tail->arguments.from_start)
        print_depths(tail);
    else if (pit_md_position(tail->md) > 1)
        say(tail, "the first %" PRIu64 " events are gone: the event ring holds no more", pit_md_position(tail->md) - 1);
    return 1;
}

static void look_at_status(struct tail *tail, uint64_t now)
{
    if (now < tail->status_next_ns)
        return;
    tail->status_next_ns = now + STATUS_NS;
    enum pit_md_status status = pit_md_status(tail->md);
    if (status == PIT_MD_REPLACED) {
        pit_md_close(tail->md);
        tail->md = NULL;
        return;
    }
    if (status == tail->status)
        return;
    tail->status = status;
    if (status == PIT_MD_STOPPED)
        say(tail, "%s has stopped; waiting for it to start again", tail->arguments.name);
    else if (status == PIT_MD_SILENT)
        say(tail, "%s shows no sign of life: it was killed, or hangs", tail->arguments.name);
    else
        say(tail, "%s is alive again", tail->arguments.name);
}

/* Events. */

static void print_event(struct tail *tail, const struct pit_md_event *event)
{
    struct tail_symbol *symbol = look_up(tail, event->symbol);
    if (!symbol || !symbol->wanted)
        return;
    bool in_depth = event->sequence <= symbol->in_depth;
    if (in_depth && event->kind != PIT_MD_TRADE)
        return;
    pit_tail_print_event(tail->arguments.format, event, &symbol->definition, in_depth);
    tail->printed++;
}

/* Returns how many events it read. */
static uint32_t read_events(struct tail *tail)
{
    struct pit_md_event event;
    uint32_t read = 0;
    while (read < EVENTS_AT_ONCE && !ending(tail)) {
        int64_t result = pit_md_next(tail->md, &event);
        if (result == 0)
            break;
        read++;
        if (result > 0) {
            print_event(tail, &event);
        } else {
            pit_tail_print_lapped(tail->arguments.format, (uint64_t)-result);
            print_depths(tail);
        }
    }
    return read;
}

/* The ladder. */

static uint32_t terminal_rows(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

/* Draws every wanted symbol's book; what does not fit a terminal is counted. */
static void draw(struct tail *tail, uint32_t symbols)
{
    const char *each_end = tail->terminal ? "\033[K\n" : "\n";
    uint32_t rows = tail->terminal ? terminal_rows() : UINT32_MAX;
    uint32_t used = 0;
    uint32_t hidden = 0;
    if (tail->terminal)
        fputs(tail->drawn ? "\033[H" : "\033[2J\033[H", stdout);
    for (uint32_t id = 0; id < symbols; id++) {
        struct tail_symbol *symbol = look_up(tail, id);
        struct pit_md_depth depth;
        if (!symbol || !symbol->wanted || pit_md_depth(tail->md, id, &depth) != 0)
            continue;
        if (tail->arguments.format == PIT_TAIL_JSON) {
            if (depth.event_sequence != symbol->in_depth || !tail->drawn)
                pit_tail_print_depth(PIT_TAIL_JSON, &depth, &symbol->definition, tail->arguments.levels);
        } else if (used > 0 && used + tail->arguments.levels + 4 > rows) {
            hidden++;
        } else {
            pit_tail_print_ladder(&depth, &symbol->definition, tail->arguments.levels, each_end);
            fputs(each_end, stdout);
            used += tail->arguments.levels + 3;
        }
        symbol->in_depth = depth.event_sequence;
    }
    if (hidden > 0)
        printf("%u more symbols do not fit: choose with --symbol%s", hidden, each_end);
    if (tail->terminal)
        fputs("\033[J", stdout);
    tail->drawn = true;
    tail->printed++;
}

/* Redraws when a book has changed, not more often than people can see. Returns 1 if it did. */
static uint32_t watch_books(struct tail *tail)
{
    uint64_t now = now_ns();
    if (now < tail->redraw_next_ns)
        return 0;
    tail->redraw_next_ns = now + REDRAW_NS;
    uint32_t symbols = pit_md_symbols(tail->md);
    bool changed = false;
    bool any = false;
    for (uint32_t id = 0; id < symbols && !changed; id++) {
        struct tail_symbol *symbol = look_up(tail, id);
        struct pit_md_depth depth;
        if (!symbol || !symbol->wanted || pit_md_depth(tail->md, id, &depth) != 0)
            continue;
        any = true;
        changed = depth.event_sequence != symbol->in_depth;
    }
    if (!changed && (tail->drawn || !any))
        return 0;
    draw(tail, symbols);
    return 1;
}

/* Arguments. */

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 's':
        if (arguments->wanted_count == SYMBOLS_WANTED_MAX)
            argp_error(state, "at most %u symbols can be chosen", SYMBOLS_WANTED_MAX);
        arguments->wanted[arguments->wanted_count++] = text;
        return 0;
    case 'f':
        if (strcmp(text, "text") != 0 && strcmp(text, "json") != 0)
            argp_error(state, "--format %s: text or json is wanted", text);
        arguments->format = strcmp(text, "json") == 0 ? PIT_TAIL_JSON : PIT_TAIL_TEXT;
        return 0;
    case KEY_BOOK:
        arguments->book = true;
        return 0;
    case 'l':
        arguments->levels = (uint32_t)pit_argument_number(state, "levels", text, 1, PIT_MD_LEVELS);
        return 0;
    case 'n':
        arguments->count = pit_argument_number(state, "count", text, 1, UINT64_MAX);
        return 0;
    case KEY_FROM_START:
        arguments->from_start = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_error(state, "one name, not also '%s'", text);
        arguments->name = text;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[NAME]",
    .doc = "Print the market data of the pipeline NAME (default: " NAME_DEFAULT
           ") as it happens: trades, changes of the book, or with --book the book itself. It waits for the pipeline to "
           "appear and stays when it is restarted; the pipeline never waits for it.\v"
           "Whoever reads too slowly is lapped: the number of events lost is printed, then the depth of every symbol, "
           "and it goes on from there. In JSON an event marked in_depth is a trade that this depth holds already.\n\n"
           "Exit status: 0 it ended as asked (--count, a signal, or nobody reads the output any more); 1 it could not "
           "go on; 2 the arguments are wrong.",
};

static void handle_signals(void)
{
    /* A write goes on, so that the last line is whole; who waits for a reader that is stuck signals again. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action = (struct sigaction){.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &action, NULL);
}

/* One turn. 0, or a negative errno when there is no sense in going on. */
static int turn(struct tail *tail)
{
    if (!tail->md) {
        int opened = open_market_data(tail);
        if (opened == 0)
            sleep_ns(OPEN_AGAIN_NS);
        return opened < 0 ? opened : 0;
    }
    uint32_t done = tail->arguments.book ? watch_books(tail) : read_events(tail);
    if (done > 0) {
        tail->idle_ns = IDLE_NS_MIN;
        return 0;
    }
    look_at_status(tail, now_ns());
    sleep_ns(tail->idle_ns);
    tail->idle_ns = tail->idle_ns * 2 < IDLE_NS_MAX ? tail->idle_ns * 2 : IDLE_NS_MAX;
    return 0;
}

int pit_tool_tail(int argc, char **argv)
{
    struct tail tail = {
        .arguments = {.name = NAME_DEFAULT, .format = PIT_TAIL_TEXT, .levels = LEVELS_DEFAULT},
        .idle_ns = IDLE_NS_MIN,
        .status = PIT_MD_RUNNING,
    };
    argp_err_exit_status = 2;
    if (argp_parse(&argp, argc, argv, 0, NULL, &tail.arguments))
        return 2;
    tail.symbols = calloc(PIT_SYMBOLS_MAX, sizeof *tail.symbols);
    if (!tail.symbols) {
        say(&tail, "no memory");
        return 1;
    }
    tail.terminal = tail.arguments.book && tail.arguments.format == PIT_TAIL_TEXT && isatty(STDOUT_FILENO);
    handle_signals();
    int result = 0;
    while (result == 0 && !ending(&tail))
        result = turn(&tail);
    if (tail.write_error == 0 && fflush(stdout) != 0)
        tail.write_error = errno;
    if (tail.write_error != 0 && tail.write_error != EPIPE) {
        fprintf(stderr, "pitline tail: cannot write: %s\n", strerror(tail.write_error));
        result = -EIO;
    }
    pit_md_close(tail.md);
    free(tail.symbols);
    return result == 0 ? 0 : result == -EINVAL ? 2 : 1;
}
