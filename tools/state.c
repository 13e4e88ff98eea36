/* tools/state.c - `pitline halt SYMBOL` and `pitline resume SYMBOL`: an operator's orders about trading, over the wire.
 */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/load.h"
#include "tools/tools.h"

#define STATE_ANSWER_NS UINT64_C(10000000000)

enum { STATE_ADDRESS = 'a', STATE_ACCOUNT = 256, STATE_KEY, STATE_KEY_FILE };

struct state_arguments {
    struct pit_load_options options; /* for the keys */
    const char *symbol;
};

static const struct argp_option state_options[] = {
    {"address", STATE_ADDRESS, "ADDRESS", 0, "tcp:HOST:PORT or unix:PATH (default " PIT_TOOLS_ADDRESS_DEFAULT ")", 0},
    {"account", STATE_ACCOUNT, "N", 0, "The operator's account (default 1)", 0},
    {"key", STATE_KEY, "HEX", 0, "Its key", 0},
    {"key-file", STATE_KEY_FILE, "FILE", 0, "Lines `ACCOUNT HEX`, or `HEX` for every account", 0},
    {0},
};

static error_t state_parse(int key, char *argument, struct argp_state *state)
{
    struct state_arguments *arguments = state->input;
    char *end;
    unsigned long number;
    switch (key) {
    case STATE_ADDRESS:
        arguments->options.address = argument;
        return 0;
    case STATE_ACCOUNT:
        number = strtoul(argument, &end, 10);
        if (*end != 0 || end == argument || number < 1 || number > UINT32_MAX)
            argp_error(state, "--account %s: a number from 1 to %u is wanted", argument, UINT32_MAX);
        arguments->options.account = (uint32_t)number;
        return 0;
    case STATE_KEY:
        arguments->options.key = argument;
        return 0;
    case STATE_KEY_FILE:
        arguments->options.key_file = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->symbol)
            argp_error(state, "one SYMBOL is enough");
        arguments->symbol = argument;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which SYMBOL?");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Waits for the answer to the request. 0, or a negative errno with the reason. */
static int state_answer(struct pit_client *client, uint32_t request, const char *symbol, struct pit_error *error)
{
    struct pit_report report;
    int got;
    while ((got = pit_client_poll(client, &report, STATE_ANSWER_NS)) > 0) {
        if (report.kind == PIT_REPORT_BYE)
            return pit_error_set(error, -EPIPE, "the server said goodbye: %s", report.text ? report.text : "");
        if (report.request != request)
            continue;
        if (report.kind == PIT_REPORT_REJECTED && report.reason == PIT_REASON_NOT_PERMITTED)
            return pit_error_set(error, -EPERM,
                                 "%s: refused (not_permitted): the account is no operator's. Take one that the "
                                 "pipeline's configuration lists under accounts with operates: true",
                                 symbol);
        if (report.kind == PIT_REPORT_REJECTED)
            return pit_error_set(error, -EPERM, "%s: refused: %s", symbol,
                                 pit_reason_name((enum pit_reason)report.reason));
        if (report.kind == PIT_REPORT_STATE)
            return 0;
    }
    if (got == 0)
        return pit_error_set(error, -ETIMEDOUT, "%s: no answer in ten seconds; whether it was done is unknown", symbol);
    return pit_error_set(error, got, "%s: the connection ended before the answer; whether it was done is unknown",
                         symbol);
}

static int state_send(const struct state_arguments *arguments, enum pit_trading_state wanted, struct pit_error *error)
{
    uint8_t key[PIT_WIRE_KEY_BYTES_MAX];
    int key_bytes = pit_load_key(&arguments->options, arguments->options.account, key, error);
    if (key_bytes < 0)
        return key_bytes;
    struct pit_client *client;
    struct pit_client_options options = {.address = arguments->options.address,
                                         .account = arguments->options.account,
                                         .key = key_bytes > 0 ? key : NULL,
                                         .key_bytes = (size_t)key_bytes,
                                         .name = "pitline operator"};
    int code = pit_client_open(&client, &options, error);
    explicit_bzero(key, sizeof key);
    if (code != 0)
        return code;
    const struct pit_client_symbol *symbol = pit_client_find(client, arguments->symbol);
    if (symbol)
        code = state_answer(client, pit_client_state(client, symbol->symbol, wanted), arguments->symbol, error);
    else
        code = pit_error_set(error, -ENOENT, "the pipeline has no symbol '%s'", arguments->symbol);
    pit_client_close(client);
    return code;
}

static int state_run(int argc, char **argv, enum pit_trading_state wanted, const char *doc)
{
    const struct argp argp = {.options = state_options, .parser = state_parse, .args_doc = "SYMBOL", .doc = doc};
    struct state_arguments arguments = {.options = {.address = PIT_TOOLS_ADDRESS_DEFAULT, .account = 1}};
    struct pit_error error = {0};
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (state_send(&arguments, wanted, &error) != 0) {
        fprintf(stderr, "pitline %s: %s\n", wanted == PIT_STATE_HALTED ? "halt" : "resume", error.text);
        return 1;
    }
    printf("%s is %s\n", arguments.symbol, pit_trading_state_name(wanted));
    return 0;
}

int pit_tool_halt(int argc, char **argv)
{
    return state_run(argc, argv, PIT_STATE_HALTED,
                     "Halts trading in a symbol: new orders and replaces are refused, cancels and reduces work.");
}

int pit_tool_resume(int argc, char **argv)
{
    return state_run(argc, argv, PIT_STATE_OPEN, "Resumes trading in a halted symbol.");
}
