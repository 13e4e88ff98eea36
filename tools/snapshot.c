/* tools/snapshot.c - pitline snapshot: writes down the state at a sequence, beside the journal it is of.
 *
 * A process of its own: it reads the journal as any reader does, applies what has come since the last snapshot, and
 * nothing of it touches the pipeline that may be writing there.
 */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/arguments.h"
#include "tools/json.h"
#include "tools/past.h"
#include "tools/tools.h"

#define TOOL "pitline snapshot"

struct arguments {
    const char *directory;
    uint64_t at;
    uint64_t keep;
    bool json;
};

enum { KEY_AT = 256, KEY_KEEP };

static const struct argp_option options[] = {
    {"at", KEY_AT, "SEQ", 0, "The state after this sequence (default: the journal's last)", 0},
    {"keep", KEY_KEEP, "N", 0, "Then remove all snapshots but the N newest", 0},
    {"json", 'j', NULL, 0, "One JSON object instead of lines for people", 0},
    {0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case KEY_AT:
        arguments->at = pit_argument_number(state, "at", text, 1, UINT64_MAX);
        return 0;
    case KEY_KEEP:
        arguments->keep = pit_argument_number(state, "keep", text, 1, UINT64_MAX);
        return 0;
    case 'j':
        arguments->json = true;
        return 0;
    default:
        return pit_argument_directory(state, key, text, &arguments->directory);
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "DIR",
    .doc = "Write a snapshot of the state that the journal in DIR comes to, into DIR. The journal is only read and "
           "applied, "
           "from the newest good snapshot on; DIR may be in use by a running pipeline.\v"
           "The digests in the journal are compared on the way: a state that is not the live run's is not written. A "
           "snapshot that is damaged is passed over with a warning. pitline run and replay --from-snapshot begin with "
           "one.\n\n"
           "Exit status: 0 there is a snapshot of that sequence; 1 there is not, and why; 2 the arguments are wrong.",
};

struct tool {
    struct arguments arguments;
    struct pit_past past;
    struct pit_json json;
    struct pit_result progress; /* of the command that is applied */
};

/* What the publisher of a live run would know of the symbol, and its egress of the request. */
static bool count(void *context, const struct pit_command *command, const struct pit_event *event)
{
    struct tool *tool = context;
    pit_results_add(tool->past.results, &tool->progress, event, command->sequence);
    if (event->kind == PIT_EVENT_TRADE && event->symbol < PIT_SYMBOLS_MAX) {
        struct pit_snapshot_past *past = &tool->past.past[event->symbol];
        past->trades++;
        past->last_price = event->price;
        past->last_quantity = event->quantity;
    }
    return true;
}

/* What was done, to be told. */
struct outcome {
    struct pit_snapshot_header header;
    bool written; /* false: it was there already */
    uint64_t applied;
    uint64_t removed;
    double seconds;
};

static void tell(struct tool *tool, const struct outcome *outcome)
{
    const struct pit_snapshot_header *header = &outcome->header;
    char name[PIT_SNAPSHOT_NAME_BYTES];
    pit_snapshot_name(name, header->sequence);
    if (tool->arguments.json) {
        char seconds[32], digest[32];
        snprintf(seconds, sizeof seconds, "%.3f", outcome->seconds);
        pit_json_begin(&tool->json);
        pit_json_text(&tool->json, "file", name);
        pit_json_bool(&tool->json, "written", outcome->written);
        pit_json_unsigned(&tool->json, "sequence", header->sequence);
        pit_json_unsigned(&tool->json, "symbols", header->symbols);
        pit_json_unsigned(&tool->json, "orders", header->orders);
        pit_json_unsigned(&tool->json, "bytes", header->bytes);
        pit_json_unsigned(&tool->json, "accounts", header->accounts);
        pit_json_unsigned(&tool->json, "results", header->results);
        snprintf(digest, sizeof digest, "%016lx", header->results_digest);
        pit_json_text(&tool->json, "results_digest", digest);
        pit_json_unsigned(&tool->json, "from", tool->past.from.sequence);
        pit_json_unsigned(&tool->json, "commands", outcome->applied);
        pit_json_unsigned(&tool->json, "removed", outcome->removed);
        pit_json_value(&tool->json, "seconds", seconds);
        pit_json_end(&tool->json, stdout);
        return;
    }
    printf("snapshot  %s/%s%s\n", tool->arguments.directory, name, outcome->written ? "" : " (was there already)");
    printf("sequence  %lu\n", header->sequence);
    printf("resting   %lu orders in %lu symbols\n", header->orders, header->symbols);
    printf("results   %lu of requests of %lu accounts, digest %016lx\n", header->results, header->accounts,
           header->results_digest);
    printf("size      %lu bytes\n", header->bytes);
    if (tool->past.from.sequence)
        printf("commands  %lu applied after the snapshot of sequence %lu\n", outcome->applied,
               tool->past.from.sequence);
    else
        printf("commands  %lu applied from the first on\n", outcome->applied);
    printf("time      %.3f s\n", outcome->seconds);
    if (tool->arguments.keep)
        printf("removed   %lu older snapshot%s\n", outcome->removed, outcome->removed == 1 ? "" : "s");
}

static int write_state(struct tool *tool, const struct pit_replay_result *result, struct outcome *outcome,
                       struct pit_error *error)
{
    const char *directory = tool->arguments.directory;
    outcome->applied = result->commands;
    if (result->commands == 0 && tool->past.from.sequence) {
        outcome->header = tool->past.from;
        return 0;
    }
    outcome->header = (struct pit_snapshot_header){.sequence = result->last_sequence,
                                                   .block = result->last_block,
                                                   .time_ns = result->last_time_ns,
                                                   .command = result->last_command};
    int code = pit_snapshot_journal_id(pit_disk_machine(), directory, outcome->header.journal_id, error);
    if (code == 0)
        code = pit_snapshot_write(pit_disk_machine(), directory, &tool->past.market, 1, tool->past.past,
                                  tool->past.results, &outcome->header, error);
    outcome->written = code == 0;
    return code;
}

static int snapshot(struct tool *tool, struct outcome *outcome, struct pit_error *error)
{
    const struct arguments *arguments = &tool->arguments;
    struct pit_replay_options replay_options = {
        .until = arguments->at, .verify = true, .event = count, .event_context = tool};
    struct pit_replay_result result;
    int code = pit_past_replay(&tool->past, arguments->directory, &replay_options, &result, error);
    if (code)
        return code;
    if (result.last_sequence == 0)
        return pit_error_set(error, -ENODATA, "the journal in %s has no command yet", arguments->directory);
    if (result.last_sequence < arguments->at)
        return pit_error_set(error, -ENODATA, "the journal in %s ends at sequence %lu, before %lu",
                             arguments->directory, result.last_sequence, arguments->at);
    code = write_state(tool, &result, outcome, error);
    if (code == 0 && arguments->keep)
        code = pit_snapshot_prune(pit_disk_machine(), arguments->directory, arguments->keep, &outcome->removed, error);
    return code;
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int pit_tool_snapshot(int argc, char **argv)
{
    static struct tool tool; /* zeroed; large */
    argp_err_exit_status = 2;
    if (argp_parse(&argp, argc, argv, 0, NULL, &tool.arguments))
        return 2;
    struct pit_error error = {0};
    struct outcome outcome = {0};
    const double begun = now_s();
    tool.past = (struct pit_past){.tool = TOOL, .from_snapshot = true};
    int code = pit_results_create(&tool.past.results, 0, &error);
    if (code == 0)
        code = pit_past_begin(&tool.past, &error);
    if (code == 0) {
        code = snapshot(&tool, &outcome, &error);
        outcome.seconds = now_s() - begun;
        if (code == 0)
            tell(&tool, &outcome);
        pit_past_end(&tool.past);
    }
    pit_results_destroy(tool.past.results);
    if (code)
        fprintf(stderr, TOOL ": %s\n", error.text);
    return code == 0 && fflush(stdout) == 0 ? 0 : 1;
}
