/* tools/replay_arguments.c - see replay_arguments.h. */
#include "tools/replay_arguments.h"

#include <argp.h>
#include <string.h>

#include "tools/arguments.h"

#define DEPTH_DEFAULT 10u
#define DIFFERENCES_DEFAULT 10u

enum {
    KEY_UNTIL = 256,
    KEY_BOOK,
    KEY_DEPTH,
    KEY_EVENTS,
    KEY_FROM_SNAPSHOT,
    KEY_ORDER,
    KEY_CLIENT_ORDER,
    KEY_STEP,
    KEY_MEMORY,
    KEY_WHAT_IF,
    KEY_GO_ON,
    KEY_GO_ON_UNTIL,
    KEY_DIFFERENCES
};

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
    {0, 0, 0, 0, "What would have been:", 1},
    {"what-if", KEY_WHAT_IF, "FILE", 0,
     "Apply the commands in FILE, lines as pitline journal cat prints them, to the state at --until (default: the "
     "end); "
     "- is standard input",
     1},
    {"go-on", KEY_GO_ON, "SEQ", OPTION_ARG_OPTIONAL,
     "Then go on with the journal, from this sequence (default: the next), and tell what turns out otherwise", 1},
    {"go-on-until", KEY_GO_ON_UNTIL, "SEQ|TIME", 0, "Go on up to there (default: the journal's end)", 1},
    {"differences", KEY_DIFFERENCES, "N", 0, "Print so many commands with another outcome (default 10)", 1},
    {0, 0, 0, 0, "Step by step:", 2},
    {"step", KEY_STEP, NULL, 0, "Move forward and back with commands from standard input; 'help' lists them", 2},
    {"memory", KEY_MEMORY, "MIB", 0, "For states kept on the way, to step back from (default 256)", 2},
    {0},
};

static void parse_moment(struct pit_moment *moment, const char *option, const char *text, struct argp_state *state)
{
    const char *wanted = pit_moment_parse(text, moment);
    if (wanted)
        argp_error(state, "--%s: '%s' is not %s", option, text, wanted);
}

static void parse_order(struct pit_replay_arguments *arguments, int key, const char *text, struct argp_state *state)
{
    if (arguments->order_given)
        argp_error(state, "one of --order and --client-order, once");
    arguments->order_given = true;
    if (key == KEY_ORDER)
        arguments->order.order_id = pit_argument_number(state, "order", text, 1, UINT64_MAX);
    else if (!pit_order_name_parse(text, &arguments->order))
        argp_error(state, "--client-order: '%s' is not an account and a client id, like 7:1001", text);
}

/* The keys of --what-if and --step. */
static error_t parse_travel(int key, char *text, struct argp_state *state)
{
    struct pit_replay_arguments *arguments = state->input;
    switch (key) {
    case KEY_STEP:
        arguments->step = true;
        return 0;
    case KEY_MEMORY:
        arguments->memory_mib = pit_argument_number(state, "memory", text, 1, UINT32_MAX);
        return 0;
    case KEY_WHAT_IF:
        arguments->what_if = text;
        return 0;
    case KEY_GO_ON:
        arguments->go_on = true;
        arguments->go_on_from = text ? pit_argument_number(state, "go-on", text, 1, UINT64_MAX) : 0;
        return 0;
    case KEY_GO_ON_UNTIL:
        parse_moment(&arguments->go_on_until, "go-on-until", text, state);
        return 0;
    case KEY_DIFFERENCES:
        arguments->differences = pit_argument_number(state, "differences", text, 0, UINT64_MAX);
        arguments->differences_given = true;
        return 0;
    default:
        return pit_argument_directory(state, key, text, &arguments->directory);
    }
}

/* What does not go together. */
static void check(const struct pit_replay_arguments *arguments, struct argp_state *state)
{
    const char *travel = arguments->step ? "--step" : arguments->what_if ? "--what-if" : NULL;
    if (arguments->json && arguments->events && strcmp(arguments->events, "-") == 0)
        argp_error(state, "--json and --events - both want standard output: write the events to a file");
    if (arguments->step && arguments->what_if)
        argp_error(state, "one of --step and --what-if");
    if (!arguments->what_if && (arguments->go_on || arguments->differences_given))
        argp_error(state, "--go-on and --differences are for --what-if");
    if (!arguments->go_on && (arguments->go_on_until.sequence || arguments->go_on_until.time_ns))
        argp_error(state, "--go-on-until is for --go-on");
    if (!arguments->step && arguments->memory_mib)
        argp_error(state, "--memory is for --step");
    if (travel && (arguments->events || arguments->verify || arguments->order_given || arguments->snapshot))
        argp_error(state, "--events, --verify, --order, --client-order and --from-snapshot=SEQ do not go with %s",
                   travel);
    if (arguments->step && arguments->book)
        argp_error(state, "--book does not go with --step: 'book SYMBOL' is one of its commands");
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct pit_replay_arguments *arguments = state->input;
    switch (key) {
    case 'v':
        arguments->verify = true;
        return 0;
    case KEY_UNTIL:
        parse_moment(&arguments->until, "until", text, state);
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
        check(arguments, state);
        return pit_argument_directory(state, key, text, &arguments->directory);
    default:
        return parse_travel(key, text, state);
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
        "Exit status: 0 done; 1 the journal could not be replayed, --verify found a difference, or what was asked for "
        "is not there or not right; 2 the arguments are wrong.",
};

int pit_replay_arguments_parse(struct pit_replay_arguments *arguments, int argc, char **argv)
{
    *arguments = (struct pit_replay_arguments){.depth = DEPTH_DEFAULT, .differences = DIFFERENCES_DEFAULT};
    argp_err_exit_status = 2;
    return argp_parse(&argp, argc, argv, 0, NULL, arguments);
}
