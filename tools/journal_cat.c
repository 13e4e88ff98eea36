/* tools/journal_cat.c - pitline journal cat: a journal's commands as lines of JSON. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "journal/reader.h"
#include "tools/arguments.h"
#include "tools/journal_tools.h"
#include "tools/json.h"

#define TOOL "pitline journal cat"
#define BUFFER_BYTES ((size_t)1 << 20)

struct arguments {
    const char *directory;
    uint64_t from;
    uint64_t to; /* UINT64_MAX: to the end */
    const char *symbol;
    uint64_t account;
    bool account_given;
    bool digests;
};

enum { KEY_FROM = 256, KEY_TO, KEY_DIGESTS };

static const struct argp_option options[] = {
    {"from", KEY_FROM, "SEQ", 0, "Begin with this sequence", 0},
    {"to", KEY_TO, "SEQ", 0, "End with this sequence", 0},
    {"symbol", 's', "NAME", 0, "Only commands for this symbol", 0},
    {"account", 'a', "N", 0, "Only commands of this account; 0 is the exchange itself", 0},
    {"digests", KEY_DIGESTS, NULL, 0, "Also the digests that the live run journaled, where they stand", 0},
    {0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case KEY_FROM:
        arguments->from = pit_argument_number(state, "from", text, 1, UINT64_MAX);
        return 0;
    case KEY_TO:
        arguments->to = pit_argument_number(state, "to", text, 1, UINT64_MAX);
        return 0;
    case 's':
        arguments->symbol = text;
        return 0;
    case 'a':
        arguments->account = pit_argument_number(state, "account", text, 0, UINT32_MAX);
        arguments->account_given = true;
        return 0;
    case KEY_DIGESTS:
        arguments->digests = true;
        return 0;
    case ARGP_KEY_END:
        if (arguments->from > arguments->to)
            argp_error(state, "--from %lu lies after --to %lu", arguments->from, arguments->to);
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
        "Print the commands of the journal in DIR in their order, each as a line of JSON. Prices and quantities stand "
        "there as exact decimals, and as ticks and lots. DIR may be in use: it ends at the last whole block then.\v"
        "A field that a kind of command does not use is left out unless something stands in it.\n\n"
        "Exit status: 0 everything asked for was printed, or nobody reads the output any more; 1 the journal is "
        "damaged (what comes before is printed) or there is none; 2 the arguments are wrong.",
};

struct tool {
    struct arguments arguments;
    struct pit_journal_symbols symbols;
    struct pit_journal_fields fields;
    struct pit_json json;
    bool symbol_met;
    int broken; /* errno of the first write that failed */
};

static void end_line(struct tool *tool)
{
    if (pit_json_end(&tool->json, stdout) < 0)
        tool->broken = errno ? errno : EIO;
}

static void print_command(struct tool *tool, const struct pit_command *command,
                          const struct pit_symbol_definition *definition)
{
    pit_journal_command_fields(&tool->fields, command, definition);
    pit_journal_fields_json(&tool->json, &tool->fields);
    end_line(tool);
}

static void print_digest(struct tool *tool, const struct pit_journal_digest *digest)
{
    char hex[17];
    snprintf(hex, sizeof hex, "%016lx", digest->events);
    pit_json_begin(&tool->json);
    pit_json_text(&tool->json, "digest", hex);
    pit_json_unsigned(&tool->json, "sequence", digest->sequence);
    pit_json_unsigned(&tool->json, "events", digest->events_count);
    pit_json_bool(&tool->json, "full", digest->full != 0);
    if (digest->full) {
        snprintf(hex, sizeof hex, "%016lx", digest->state);
        pit_json_text(&tool->json, "state", hex);
        pit_json_unsigned(&tool->json, "orders", digest->orders);
    }
    end_line(tool);
}

static bool wanted(struct tool *tool, const struct pit_command *command, const struct pit_symbol_definition *definition)
{
    const struct arguments *arguments = &tool->arguments;
    if (arguments->symbol) {
        if (!definition || strncmp(definition->name, arguments->symbol, PIT_SYMBOL_NAME_BYTES) != 0)
            return false;
        tool->symbol_met = true;
    }
    return command->sequence >= arguments->from &&
           (!arguments->account_given || command->account == arguments->account);
}

/* False when all that was asked for is printed, or nothing more can be. */
static bool print_record(struct tool *tool, const struct pit_journal_record *record)
{
    const struct arguments *arguments = &tool->arguments;
    if (record->kind == PIT_JOURNAL_DIGEST) {
        struct pit_journal_digest digest;
        memcpy(&digest, record->payload, sizeof digest);
        if (arguments->digests && record->first_sequence > arguments->from)
            print_digest(tool, &digest);
        return tool->broken == 0;
    }
    uint32_t at = 0;
    const struct pit_command *command;
    while ((command = pit_journal_record_command(record, &at)) && command->sequence <= arguments->to) {
        pit_journal_symbols_see(&tool->symbols, command);
        const struct pit_symbol_definition *definition = pit_journal_symbols_find(&tool->symbols, command->symbol);
        if (wanted(tool, command, definition))
            print_command(tool, command, definition);
        if (tool->broken)
            return false;
    }
    uint64_t next = record->first_sequence + record->count;
    return !command && (next <= arguments->to || arguments->digests); /* digests stand behind the commands */
}

static int cat(struct tool *tool, struct pit_journal_reader *reader)
{
    const struct arguments *arguments = &tool->arguments;
    struct pit_journal_record record;
    struct pit_error error = {0};
    int more = 1;
    while (more == 1) {
        more = pit_journal_reader_next(reader, &record, &error);
        if (more == 1 && !print_record(tool, &record))
            break;
    }
    int written = pit_journal_tool_flush(TOOL, tool->broken);
    if (written == -EPIPE)
        return 0;
    if (more < 0) {
        fprintf(stderr, TOOL ": %s\n", error.text);
        return 1;
    }
    if (more == 0) {
        struct pit_journal_end end = pit_journal_reader_end(reader);
        if (end.torn_bytes)
            fprintf(stderr, TOOL ": after sequence %lu come %lu bytes of an unfinished write\n", end.sequence,
                    end.torn_bytes);
        if (arguments->from > end.sequence && arguments->from > 1)
            fprintf(stderr, TOOL ": the journal ends with sequence %lu\n", end.sequence);
        if (arguments->symbol && !tool->symbol_met)
            fprintf(stderr, TOOL ": no symbol '%s' in the journal\n", arguments->symbol);
    }
    return written == 0 ? 0 : 1;
}

int pit_journal_tool_cat(int argc, char **argv)
{
    static struct tool tool; /* zeroed */
    tool.arguments.to = UINT64_MAX;
    if (argp_parse(&argp, argc, argv, 0, NULL, &tool.arguments))
        return 2;
    struct pit_journal_reader *reader = NULL;
    struct pit_journal_beginning beginning;
    struct pit_error error = {0};
    int status = 1;
    pit_journal_tool_ignore_pipe();
    setvbuf(stdout, NULL, _IOFBF, BUFFER_BYTES);
    if (pit_journal_symbols_begin(&tool.symbols) < 0) {
        fprintf(stderr, TOOL ": no memory for the symbols' definitions\n");
    } else if (pit_journal_tool_open(&reader, tool.arguments.directory, &tool.symbols, &beginning, &error) < 0) {
        fprintf(stderr, TOOL ": %s\n", error.text);
    } else {
        if (tool.arguments.from < beginning.sequence && beginning.snapshot)
            fprintf(stderr, TOOL ": the journal begins with sequence %lu; what came before was removed\n",
                    beginning.sequence);
        status = cat(&tool, reader);
    }
    pit_journal_symbols_end(&tool.symbols);
    pit_journal_reader_close(reader);
    return status;
}
