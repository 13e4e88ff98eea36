/* tools/load.c - `pitline load`: order flow over the real wire; the arguments. See tools/load.h. */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stages/clock.h"
#include "tools/arguments.h"
#include "tools/load.h"
#include "tools/tools.h"

#define LOAD_WINDOW 2048u
#define LOAD_WINDOW_RESUME 255u /* no more is kept for those who ask again */
#define LOAD_COUNT_FLOW UINT64_C(1000000)
#define LOAD_ID_YEAR_2020_NS (UINT64_C(1577836800) * UINT64_C(1000000000))

enum {
    LOAD_ADDRESS = 'a',
    LOAD_BITSTAMP = 256,
    LOAD_ITCH,
    LOAD_FLOW,
    LOAD_ACCOUNT,
    LOAD_ACCOUNTS,
    LOAD_KEY,
    LOAD_KEY_FILE,
    LOAD_SEED,
    LOAD_RATE,
    LOAD_COUNT,
    LOAD_SYMBOLS,
    LOAD_WINDOW_OPTION,
    LOAD_ACKS,
    LOAD_ID_BASE,
    LOAD_LIST_SYMBOLS,
    LOAD_RESUME,
    LOAD_GIVE_UP,
    LOAD_QUIET = 'q',
};

static const struct argp_option load_options[] = {
    {"bitstamp", LOAD_BITSTAMP, "FILE", 0,
     "A recorded order feed (plain or .xz): its creates and cancels go in, its trades and books are compared", 1},
    {"itch", LOAD_ITCH, "FILE", 0, "NASDAQ TotalView-ITCH 5.0 BinaryFILE (plain or .gz)", 1},
    {"flow", LOAD_FLOW, "NAME", 0,
     "Synthetic flow: exchange, itch-like, mixed, static, normal, swing-25, swing-40, flash-crash, old, wide, sweep or "
     "depth",
     1},
    {"list-symbols", LOAD_LIST_SYMBOLS, 0, 0, "With --itch: only print the --symbol arguments for pitline run", 1},
    {"address", LOAD_ADDRESS, "ADDRESS", 0, "tcp:HOST:PORT or unix:PATH (default " PIT_TOOLS_ADDRESS_DEFAULT ")", 2},
    {"resume", LOAD_RESUME, 0, 0,
     "Outlive the server: find it again, or the one that leads (--address A,B,C), send again what is unanswered, and "
     "count whether everything is answered once",
     2},
    {"give-up", LOAD_GIVE_UP, "MS", 0, "With --resume: stop when there is no server for so long (default 30000)", 2},
    {"account", LOAD_ACCOUNT, "N", 0, "The first account (default 1)", 2},
    {"accounts", LOAD_ACCOUNTS, "N", 0, "So many accounts, each with a session (default 1)", 2},
    {"key", LOAD_KEY, "HEX", 0, "The key of all accounts", 2},
    {"key-file", LOAD_KEY_FILE, "FILE", 0, "Lines `ACCOUNT HEX`, or `HEX` for every account", 2},
    {"seed", LOAD_SEED, "N", 0, "With --flow: another seed, another flow (default 1)", 3},
    {"count", LOAD_COUNT, "N", 0, "At most so many requests; 0 = no limit (default: 1000000 of a flow, all of a file)",
     3},
    {"rate", LOAD_RATE, "N", 0, "Requests a second, whatever comes back (default: as fast as the window allows)", 3},
    {"window", LOAD_WINDOW_OPTION, "N", 0, "Unanswered requests a session at most (default 2048; with --resume 255)",
     3},
    {"symbols", LOAD_SYMBOLS, "N|NAME,..", 0, "The pipeline's first N symbols, or these (default: all)", 3},
    {"id-base", LOAD_ID_BASE, "N", 0,
     "Client ids start here (default: from the time, so that two loads do not collide; --bitstamp: 0)", 3},
    {"acks", LOAD_ACKS, "FILE", 0, "Append every acknowledgement and trade as a JSON line", 4},
    {"quiet", LOAD_QUIET, 0, 0, "No progress line a second", 4},
    {0},
};

static void load_check_flow(const char *name, struct argp_state *state)
{
    const struct pit_flow_options options = {.name = name, .symbols = 1, .accounts = 1};
    struct pit_flow_band band;
    struct pit_error error;
    if (pit_flow_band(&options, &band, &error) != 0)
        argp_error(state, "%s", error.text);
}

static void load_check(struct pit_load_options *options, bool counted, struct argp_state *state)
{
    if ((options->bitstamp != NULL) + (options->itch != NULL) + (options->flow != NULL) != 1)
        argp_error(state, "one of --bitstamp, --itch and --flow is wanted");
    if (options->flow)
        load_check_flow(options->flow, state);
    if (options->bitstamp && options->accounts != 1)
        argp_error(state, "--bitstamp needs one account: only then is the order of its reports the order of the book");
    if (options->resume && options->bitstamp)
        argp_error(state, "--bitstamp needs every report, and --resume may miss some");
    if (options->give_up_ms && !options->resume)
        argp_error(state, "--give-up goes with --resume");
    if (options->window == 0)
        options->window = options->resume ? LOAD_WINDOW_RESUME : LOAD_WINDOW;
    if (options->resume && options->window > LOAD_WINDOW_RESUME)
        argp_error(state, "--window %u: with --resume there can be %u", options->window, LOAD_WINDOW_RESUME);
    if (options->list_symbols && !options->itch)
        argp_error(state, "--list-symbols goes with --itch");
    if (options->key && options->key_file)
        argp_error(state, "--key and --key-file exclude each other");
    if ((uint64_t)options->account + options->accounts - 1 > UINT32_MAX)
        argp_error(state, "--account %u --accounts %u: there are no such accounts", options->account,
                   options->accounts);
    if (options->flow && !counted)
        options->count = LOAD_COUNT_FLOW;
}

struct load_arguments {
    struct pit_load_options *options;
    bool counted;
};

static error_t load_parse(int key, char *argument, struct argp_state *state)
{
    struct load_arguments *arguments = state->input;
    struct pit_load_options *options = arguments->options;
    switch (key) {
    case LOAD_ADDRESS:
        options->address = argument;
        break;
    case LOAD_BITSTAMP:
        options->bitstamp = argument;
        break;
    case LOAD_ITCH:
        options->itch = argument;
        break;
    case LOAD_FLOW:
        options->flow = argument;
        break;
    case LOAD_ACCOUNT:
        options->account = (uint32_t)pit_argument_number(state, "account", argument, 1, UINT32_MAX);
        break;
    case LOAD_ACCOUNTS:
        options->accounts = (uint32_t)pit_argument_number(state, "accounts", argument, 1, PIT_LOAD_ACCOUNTS_MAX);
        break;
    case LOAD_KEY:
        options->key = argument;
        break;
    case LOAD_KEY_FILE:
        options->key_file = argument;
        break;
    case LOAD_SEED:
        options->seed = pit_argument_number(state, "seed", argument, 0, UINT64_MAX);
        break;
    case LOAD_RATE:
        options->rate = pit_argument_number(state, "rate", argument, 1, 1000000000);
        break;
    case LOAD_COUNT:
        options->count = pit_argument_number(state, "count", argument, 0, UINT64_MAX);
        arguments->counted = true;
        break;
    case LOAD_SYMBOLS:
        options->symbols = argument;
        break;
    case LOAD_WINDOW_OPTION:
        options->window = (uint32_t)pit_argument_number(state, "window", argument, 1, PIT_LOAD_WINDOW_MAX);
        break;
    case LOAD_ACKS:
        options->acks = argument;
        break;
    case LOAD_ID_BASE:
        options->id_base = pit_argument_number(state, "id-base", argument, 0, UINT64_MAX / 2);
        options->id_base_given = true;
        break;
    case LOAD_RESUME:
        options->resume = true;
        break;
    case LOAD_GIVE_UP:
        options->give_up_ms = (uint32_t)pit_argument_number(state, "give-up", argument, 1, UINT32_MAX);
        break;
    case LOAD_LIST_SYMBOLS:
        options->list_symbols = true;
        break;
    case LOAD_QUIET:
        options->quiet = true;
        break;
    case ARGP_KEY_END:
        load_check(options, arguments->counted, state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp load_argp = {
    .options = load_options,
    .parser = load_parse,
    .doc = "Sends order flow to a running pipeline and reports what came back.\v"
           "Exit status: 0 when everything was sent and answered, 1 when it was not, 2 when the arguments are wrong.",
};

/* Nanoseconds since 2020 and room for eight ids in each: as long as a load sends fewer than eight orders a nanosecond,
 * no later one uses ids of an earlier one, not even within the same second. */
static uint64_t load_id_base(void)
{
    const struct pit_clock *clock = pit_clock_machine();
    return (clock->utc_ns(clock->context) - LOAD_ID_YEAR_2020_NS) << 3;
}

int pit_tool_load(int argc, char **argv)
{
    struct pit_load_options options = {.address = PIT_TOOLS_ADDRESS_DEFAULT, .account = 1, .accounts = 1, .seed = 1};
    struct load_arguments arguments = {.options = &options};
    argp_err_exit_status = 2;
    argp_parse(&load_argp, argc, argv, 0, NULL, &arguments);
    if (options.list_symbols)
        return pit_load_itch_symbols(options.itch, stdout);
    if (!options.id_base_given && !options.bitstamp)
        options.id_base = load_id_base();
    struct pit_load load;
    struct pit_error error = {0};
    int status;
    if (pit_load_open(&load, &options, &error) != 0) {
        fprintf(stderr, "pitline load: %s\n", error.text);
        status = 1;
    } else if (options.flow) {
        status = pit_load_flow(&load);
    } else if (options.bitstamp) {
        status = pit_load_bitstamp(&load);
    } else {
        status = pit_load_itch(&load);
    }
    pit_load_close(&load);
    return status;
}
