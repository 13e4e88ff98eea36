/* tools/journal_verify.c - pitline journal verify: reads all of a journal and says whether it is sound. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "journal/reader.h"
#include "tools/arguments.h"
#include "tools/journal_tools.h"

#define TOOL "pitline journal verify"
#define PROGRESS_EVERY 1000000u

struct arguments {
    const char *directory;
    bool quiet;
};

static const struct argp_option options[] = {
    {"quiet", 'q', NULL, 0, "Print nothing of a sound journal", 0},
    {0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'q':
        arguments->quiet = true;
        return 0;
    default:
        return pit_argument_directory(state, key, text, &arguments->directory);
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "DIR",
    .doc =
        "Read every byte of the journal in DIR: checksums, the chain of blocks, the order of sequences, the bounds of "
        "every record; count what is in it, and say where the first damage is. DIR may be in use: it ends at the "
        "last whole block then.\v"
        "An unfinished write at the end (a torn tail) is no damage: nothing in it was ever acknowledged, and the next "
        "start cuts it off. The last line is for scripts: sound commands N torn-bytes N, or damaged commands N, the "
        "commands before the damage. Whether a replay computes what the live run computed is another question: "
        "pitline replay --verify.\n\n"
        "Exit status: 0 sound; 1 damaged, or the disk cannot read it; 2 the arguments are wrong, or there is no "
        "journal.",
};

struct counts {
    uint64_t commands;
    uint64_t kinds[8]; /* by enum pit_command_kind; 0: unknown */
    uint64_t digests;
    uint64_t digests_full;
    uint64_t last_digest; /* the sequence it names */
    uint64_t first_time_ns;
    uint64_t last_time_ns;
    uint64_t earlier_at; /* the first command with an earlier time than the one before; 0 = none */
};

static void count_record(struct counts *counts, const struct pit_journal_record *record)
{
    if (record->kind == PIT_JOURNAL_DIGEST) {
        struct pit_journal_digest digest;
        memcpy(&digest, record->payload, sizeof digest);
        counts->digests++;
        counts->digests_full += digest.full != 0;
        counts->last_digest = digest.sequence;
        return;
    }
    uint32_t at = 0;
    const struct pit_command *command;
    while ((command = pit_journal_record_command(record, &at))) {
        if (counts->commands == 0)
            counts->first_time_ns = command->time_ns;
        else if (command->time_ns < counts->last_time_ns && counts->earlier_at == 0)
            counts->earlier_at = command->sequence;
        counts->last_time_ns = command->time_ns;
        counts->commands++;
        counts->kinds[command->kind <= PIT_COMMAND_STATE ? command->kind : 0]++;
    }
}

static void print_counts(const struct counts *counts, const struct pit_journal_beginning *beginning)
{
    static const char *const names[] = {"unknown", "new", "cancel", "reduce", "replace", "symbol", "state"};
    char times[2][PIT_JOURNAL_TIME_BYTES];
    printf("commands  %lu", counts->commands);
    if (counts->commands)
        printf(", sequence %lu to %lu", beginning->sequence, beginning->sequence + counts->commands - 1);
    fputs("\n         ", stdout);
    for (uint32_t kind = 1; kind <= PIT_COMMAND_STATE; kind++)
        printf(" %s %lu%s", names[kind], counts->kinds[kind], kind < PIT_COMMAND_STATE ? "," : "");
    if (counts->kinds[0])
        printf(", %s %lu", names[0], counts->kinds[0]);
    printf("\ndigests   %lu", counts->digests);
    if (counts->digests)
        printf(", the last of sequence %lu; clean stops %lu", counts->last_digest, counts->digests_full);
    fputc('\n', stdout);
    if (counts->commands)
        printf("times     %s to %s\n", pit_journal_time(times[0], counts->first_time_ns),
               pit_journal_time(times[1], counts->last_time_ns));
    if (counts->earlier_at)
        printf("          not rising throughout: sequence %lu is earlier than the one before\n", counts->earlier_at);
}

static void print_end(const struct pit_journal_end *end, const struct pit_journal_beginning *beginning)
{
    const uint64_t blocks = end->blocks - beginning->block + 1;
    printf("journal   %lu block%s in %lu segment%s, every one whole\n", blocks, blocks == 1 ? "" : "s", end->segments,
           end->segments == 1 ? "" : "s");
    if (beginning->snapshot)
        printf(
            "          what came before sequence %lu was removed; the snapshot of sequence %lu, which is good, stands "
            "for it\n",
            beginning->sequence, beginning->snapshot);
    if (end->torn_bytes)
        printf("          then %lu bytes of a torn tail at %020lu.journal, offset %lu: an unfinished write, no "
               "damage;\n          the next start cuts it off\n",
               end->torn_bytes, end->segment_first_block, end->offset);
}

static void show_progress(const struct pit_journal_reader *reader, bool done)
{
    uint64_t bytes, total;
    pit_journal_reader_progress(reader, &bytes, &total);
    if (done)
        fputs("\r      \r", stderr);
    else
        fprintf(stderr, "\r%3u %%", total ? (unsigned)(bytes * 100 / total) : 0);
    fflush(stderr);
}

static int verify(const struct arguments *arguments, struct pit_journal_reader *reader,
                  const struct pit_journal_beginning *beginning)
{
    struct counts counts = {0};
    struct pit_journal_record record;
    struct pit_error error = {0};
    const bool progress = isatty(STDERR_FILENO);
    uint64_t progress_next = PROGRESS_EVERY;
    int more;
    while ((more = pit_journal_reader_next(reader, &record, &error)) == 1) {
        count_record(&counts, &record);
        if (!progress || counts.commands < progress_next)
            continue;
        show_progress(reader, false);
        progress_next = counts.commands + PROGRESS_EVERY;
    }
    if (progress && progress_next > PROGRESS_EVERY)
        show_progress(reader, true);
    if (more < 0) {
        fprintf(stderr, TOOL ": %s\n", error.text);
        puts("before the damage:");
        print_counts(&counts, beginning);
        printf("damaged commands %lu\n", counts.commands);
    } else if (!arguments->quiet) {
        struct pit_journal_end end = pit_journal_reader_end(reader);
        print_end(&end, beginning);
        print_counts(&counts, beginning);
        printf("sound commands %lu torn-bytes %lu\n", counts.commands, end.torn_bytes);
    }
    int written = pit_journal_tool_flush(TOOL, 0);
    return more == 0 && (written == 0 || written == -EPIPE) ? 0 : 1;
}

int pit_journal_tool_verify(int argc, char **argv)
{
    struct arguments arguments = {0};
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
        return 2;
    struct pit_journal_reader *reader = NULL;
    struct pit_error error = {0};
    struct pit_journal_beginning beginning;
    if (pit_journal_tool_open(&reader, arguments.directory, NULL, &beginning, &error) < 0) {
        fprintf(stderr, TOOL ": %s\n", error.text);
        return 2;
    }
    pit_journal_tool_ignore_pipe();
    int status = verify(&arguments, reader, &beginning);
    pit_journal_reader_close(reader);
    return status;
}
