/* tools/journal_diff.c - pitline journal diff: the first command in which two journals differ. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "journal/reader.h"
#include "tools/journal_tools.h"

#define TOOL "pitline journal diff"

struct arguments {
    const char *directories[2];
    uint32_t count;
    bool ignore_time;
};

enum { KEY_IGNORE_TIME = 256 };

static const struct argp_option options[] = {
    {"ignore-time", KEY_IGNORE_TIME, NULL, 0, "Commands that differ in their times alone are equal", 0},
    {0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case KEY_IGNORE_TIME:
        arguments->ignore_time = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->count == 2)
            argp_error(state, "two directories, not also '%s'", text);
        arguments->directories[arguments->count++] = text;
        return 0;
    case ARGP_KEY_END:
        if (arguments->count < 2)
            argp_error(state, "which two directories?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "A B",
    .doc = "Compare the commands of the journals in A and B, and show the first that differs, field by field. How the "
           "commands lie in blocks and segments does not matter, nor do digests. Both may be in use: they end at their "
           "last whole blocks then.\v"
           "Two live runs of the same commands differ in their times: --ignore-time. The first line is for scripts: "
           "equal commands N; differ sequence N; prefix A commands N or prefix B commands N, where the one named ends "
           "and the other goes on.\n\n"
           "Exit status: 0 equal; 1 they differ, or one goes on where the other ends; 2 the arguments are wrong, or a "
           "journal is damaged before a difference, or not there.",
};

/* One of the two journals. */
struct side {
    const char *directory;
    struct pit_journal_reader *reader;
    struct pit_journal_record record;
    uint32_t at; /* in the record */
    const struct pit_command *command;
    struct pit_journal_symbols symbols;
    struct pit_journal_fields fields;
    struct pit_journal_beginning beginning;
    struct pit_error error;
};

/* The next command of a side. 1: side->command is it; 0: there is none; negative: damage. */
static int step(struct side *side)
{
    for (;;) {
        side->command = pit_journal_record_command(&side->record, &side->at);
        if (side->command) {
            pit_journal_symbols_see(&side->symbols, side->command);
            return 1;
        }
        side->at = 0;
        int more = pit_journal_reader_next(side->reader, &side->record, &side->error);
        if (more != 1) {
            side->record = (struct pit_journal_record){.kind = PIT_JOURNAL_DIGEST};
            return more;
        }
    }
}

static bool equal(const struct pit_command *a, const struct pit_command *b, bool ignore_time)
{
    const size_t after_time = offsetof(struct pit_command, order_id);
    uint32_t bytes = pit_command_bytes(a);
    return bytes == pit_command_bytes(b) && a->sequence == b->sequence && (ignore_time || a->time_ns == b->time_ns) &&
           memcmp((const uint8_t *)a + after_time, (const uint8_t *)b + after_time, bytes - after_time) == 0;
}

static const struct pit_journal_field *find(const struct pit_journal_fields *fields, const char *name)
{
    for (uint32_t i = 0; i < fields->count; i++)
        if (strcmp(fields->fields[i].name, name) == 0)
            return &fields->fields[i];
    return NULL;
}

static void print_field(const char *name, const struct pit_journal_field *a, const struct pit_journal_field *b,
                        bool ignore_time)
{
    bool same = a && b && strcmp(a->value, b->value) == 0;
    bool ignored = !same && ignore_time && strcmp(name, "time_ns") == 0;
    printf("%c %-18s %-24s %s\n", same || ignored ? ' ' : '!', name, a ? a->value : "-", b ? b->value : "-");
}

static void take_apart(struct side *side)
{
    pit_journal_command_fields(&side->fields, side->command,
                               pit_journal_symbols_find(&side->symbols, side->command->symbol));
}

/* Every field of either, in the order of the first; those that differ are marked. */
static void print_difference(struct side sides[2], bool ignore_time)
{
    printf("differ sequence %lu\n\n", sides[0].command->sequence);
    take_apart(&sides[0]);
    take_apart(&sides[1]);
    printf("  %-18s %-24s %s\n", "", "A", "B");
    for (uint32_t i = 0; i < sides[0].fields.count; i++) {
        const struct pit_journal_field *field = &sides[0].fields.fields[i];
        print_field(field->name, field, find(&sides[1].fields, field->name), ignore_time);
    }
    for (uint32_t i = 0; i < sides[1].fields.count; i++) {
        const struct pit_journal_field *field = &sides[1].fields.fields[i];
        if (!find(&sides[0].fields, field->name))
            print_field(field->name, NULL, field, ignore_time);
    }
    printf("\nA is %s\nB is %s\n", sides[0].directory, sides[1].directory);
}

/* The next command of a side from a sequence on; before it there is nothing to compare with. */
static int step_to(struct side *side, uint64_t sequence)
{
    int more;
    do
        more = step(side);
    while (more == 1 && side->command->sequence < sequence);
    return more;
}

static int compare(struct side sides[2], bool ignore_time)
{
    const uint64_t first = sides[0].beginning.sequence > sides[1].beginning.sequence ? sides[0].beginning.sequence
                                                                                     : sides[1].beginning.sequence;
    uint64_t commands = 0;
    for (;;) {
        int more[2] = {step_to(&sides[0], first), step_to(&sides[1], first)};
        for (uint32_t i = 0; i < 2; i++) {
            if (more[i] >= 0)
                continue;
            fprintf(stderr, TOOL ": equal up to sequence %lu, where %s can no longer be read. %s\n",
                    first - 1 + commands, sides[i].directory, sides[i].error.text);
            return 2;
        }
        if (more[0] == 0 && more[1] == 0) {
            printf("equal commands %lu\n", commands);
            return 0;
        }
        if (more[0] != more[1]) {
            printf("prefix %c commands %lu\n\n%s ends there; %s goes on\n", more[0] ? 'B' : 'A', commands,
                   sides[more[0] ? 1 : 0].directory, sides[more[0] ? 0 : 1].directory);
            return 1;
        }
        if (!equal(sides[0].command, sides[1].command, ignore_time)) {
            print_difference(sides, ignore_time);
            return 1;
        }
        commands++;
    }
}

static int begin(struct side *side, const char *directory)
{
    side->directory = directory;
    side->record.kind = PIT_JOURNAL_DIGEST; /* no command in it */
    int result = pit_journal_symbols_begin(&side->symbols);
    if (result < 0)
        pit_error_set(&side->error, result, "no memory for the symbols' definitions");
    else
        result = pit_journal_tool_open(&side->reader, directory, &side->symbols, &side->beginning, &side->error);
    if (result < 0)
        fprintf(stderr, TOOL ": %s\n", side->error.text);
    else if (side->beginning.snapshot)
        fprintf(stderr, TOOL ": %s begins with sequence %lu; what came before was removed, and is not compared\n",
                directory, side->beginning.sequence);
    return result;
}

int pit_journal_tool_diff(int argc, char **argv)
{
    static struct side sides[2]; /* zeroed */
    struct arguments arguments = {0};
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
        return 2;
    pit_journal_tool_ignore_pipe();
    int status = 2;
    if (begin(&sides[0], arguments.directories[0]) == 0 && begin(&sides[1], arguments.directories[1]) == 0)
        status = compare(sides, arguments.ignore_time);
    int written = pit_journal_tool_flush(TOOL, 0);
    for (uint32_t i = 0; i < 2; i++) {
        pit_journal_symbols_end(&sides[i].symbols);
        pit_journal_reader_close(sides[i].reader);
    }
    return written == 0 || written == -EPIPE ? status : 2;
}
