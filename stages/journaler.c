#include "stages/journaler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COMMANDS_MAX 512u   /* copied in one turn */
#define DIGESTS_MAX 8u      /* digest records appended in one turn */
#define DIGEST_PATIENCE 32u /* idle turns before a digest gets a block of its own */

struct pit_journaler {
    struct pit_journaler_config config;
    struct pit_bell *bells[PIT_JOURNALER_BELLS_MAX];
    struct pit_ring_reader input;
    struct pit_ring_reader digests[PIT_JOURNALER_MATCHERS_MAX];

    uint64_t durable;      /* as last stored */
    uint64_t copied;       /* last command in a block */
    uint64_t full_at;      /* command of the last full digest appended */
    uint32_t idle_turns;   /* since the last command */
    bool commands_waiting; /* in the block being filled */
    bool digests_waiting;
    bool full_waiting; /* a full digest is appended and not yet known to be durable */
    bool stopped;
    struct pit_error error; /* before the word failed */

    struct pit_journaler_counters counters;
    /* Answers for other threads, released. Sequence + 1, 0 = none yet. */
    struct pit_sequence settled;
    struct pit_sequence drained;
    struct pit_sequence failed;
};

static int create_readers(struct pit_journaler *journaler, struct pit_error *error)
{
    const struct pit_journaler_config *config = &journaler->config;
    if (!pit_ring_reader_add(config->input, &journaler->input))
        return pit_error_set(error, -ENOSPC, "the input ring has no room for the journaler: at most %u readers",
                             PIT_RING_READERS_MAX);
    for (uint32_t i = 0; i < config->matchers; i++)
        if (!pit_ring_reader_add(config->digests[i], &journaler->digests[i]))
            return pit_error_set(error, -ENOSPC, "digest ring %u has no room for the journaler: at most %u readers", i,
                                 PIT_RING_READERS_MAX);
    if (journaler->input.next != journaler->durable + 1)
        return pit_error_set(error, -EINVAL, "the input ring begins with sequence %lu, the journal goes on with %lu",
                             journaler->input.next, journaler->durable + 1);
    return 0;
}

int pit_journaler_create(struct pit_journaler **result, const struct pit_journaler_config *config,
                         struct pit_error *error)
{
    if (config->matchers > PIT_JOURNALER_MATCHERS_MAX)
        return pit_error_set(error, -EINVAL, "%u matchers, but the journaler adds up the digests of at most %u",
                             config->matchers, PIT_JOURNALER_MATCHERS_MAX);
    if (config->bells_count > PIT_JOURNALER_BELLS_MAX)
        return pit_error_set(error, -EINVAL, "%u bells, but the journaler rings at most %u", config->bells_count,
                             PIT_JOURNALER_BELLS_MAX);
    struct pit_journaler *journaler = aligned_alloc(PIT_SEQUENCE_BYTES, sizeof *journaler);
    if (!journaler)
        return pit_error_set(error, -ENOMEM, "no memory for the journaler");
    memset(journaler, 0, sizeof *journaler);
    journaler->config = *config;
    for (uint32_t i = 0; i < config->bells_count; i++)
        journaler->bells[i] = config->bells[i];
    journaler->durable = pit_journal_durable(config->journal);
    journaler->copied = journaler->durable;
    int code = create_readers(journaler, error);
    if (code < 0) {
        free(journaler);
        return code;
    }
    pit_sequence_store(config->durable, journaler->durable);
    if (config->intake)
        pit_sequence_store(config->intake, PIT_INTAKE_ALL);
    pit_sequence_store(&journaler->settled, journaler->durable + 1);
    if (config->matchers == 0)
        pit_sequence_store(&journaler->drained, journaler->durable + 1);
    *result = journaler;
    return 0;
}

void pit_journaler_destroy(struct pit_journaler *journaler)
{
    free(journaler);
}

static void count(uint64_t *word, uint64_t more)
{
    pit_word_store_relaxed(word, *word + more);
}

static void stop(struct pit_journaler *journaler)
{
    journaler->stopped = true;
    pit_sequence_store(&journaler->failed, 1);
}

/* Tells the matchers how far the disk is. */
static uint32_t announce(struct pit_journaler *journaler)
{
    uint64_t durable = pit_journal_durable(journaler->config.journal);
    if (durable == journaler->durable)
        return 0;
    journaler->durable = durable;
    pit_sequence_store(journaler->config.durable, durable);
    for (uint32_t i = 0; i < journaler->config.bells_count; i++)
        pit_bell_ring(journaler->bells[i]);
    return 1;
}

/* Tells the gateway what there is room for behind all that it has published. */
static void tell_intake(struct pit_journaler *journaler)
{
    static const enum pit_intake of_room[] = {[PIT_JOURNAL_ROOM_ALL] = PIT_INTAKE_ALL,
                                              [PIT_JOURNAL_ROOM_CANCELS] = PIT_INTAKE_CANCELS,
                                              [PIT_JOURNAL_ROOM_NONE] = PIT_INTAKE_NONE};
    enum pit_intake intake = PIT_INTAKE_ALL;
    if (!journaler->config.intake)
        return;
    if (pit_journal_short_of_space(journaler->config.journal)) {
        uint64_t ahead = pit_ring_behind(journaler->config.input, journaler->durable);
        intake = of_room[pit_journal_room(journaler->config.journal, ahead * PIT_CACHE_LINE_BYTES)];
    }
    if (journaler->config.intake->value != (uint64_t)intake)
        pit_sequence_store(journaler->config.intake, intake);
}

static uint32_t copy_commands(struct pit_journaler *journaler)
{
    struct pit_ring_reader *reader = &journaler->input;
    uint32_t ready = pit_ring_poll(reader, COMMANDS_MAX);
    uint32_t n = 0;
    while (n < ready) {
        const struct pit_command *command = pit_ring_slot(reader->ring, reader->next + n);
        if (!pit_journal_append(journaler->config.journal, command))
            break;
        n++;
    }
    if (n < ready)
        count(&journaler->counters.stalls, 1);
    if (n == 0)
        return 0;
    pit_ring_release(reader, n);
    journaler->copied += n;
    journaler->commands_waiting = true;
    count(&journaler->counters.commands, n);
    return n;
}

static bool notes_agree(const struct pit_digest_note *first, const struct pit_digest_note *note)
{
    return first->command == note->command && first->full == note->full;
}

/* When every matcher has handed its digest for a command over: adds them up and appends the sum. Returns 1 if it did.
 * A matcher has done a command only after it became durable, so the command stands before its digest in the journal. */
static uint32_t add_digests(struct pit_journaler *journaler)
{
    const struct pit_digest_note *first = NULL;
    struct pit_digest whole = {0};
    for (uint32_t i = 0; i < journaler->config.matchers; i++) {
        struct pit_ring_reader *reader = &journaler->digests[i];
        if (pit_ring_poll(reader, 1) == 0)
            return 0;
        const struct pit_digest_note *note = pit_ring_slot(reader->ring, reader->next);
        const struct pit_digest part = {note->events, note->events_count, note->state, note->orders};
        pit_digest_add(&whole, &part);
        first = first ? first : note;
        if (notes_agree(first, note))
            continue;
        pit_error_set(
            &journaler->error, -EPROTO,
            "the journal has stopped: matcher 0 hands over its digest for command %lu, matcher %u for command "
            "%lu. This is a fault in pitline: please report it",
            first->command, i, note->command);
        stop(journaler);
        return 0;
    }
    if (!first || !pit_journal_append_digest(journaler->config.journal, first->command, &whole, first->full != 0))
        return 0;
    journaler->digests_waiting = true;
    if (first->full) {
        journaler->full_at = first->command;
        journaler->full_waiting = true;
    }
    for (uint32_t i = 0; i < journaler->config.matchers; i++)
        pit_ring_release(&journaler->digests[i], 1);
    count(&journaler->counters.digests, 1);
    return 1;
}

/* A digest alone is not worth making commands wait for its write: it goes when there are none for a while. */
static uint32_t commit(struct pit_journaler *journaler, bool draining)
{
    bool worth = journaler->commands_waiting ||
                 (journaler->digests_waiting && (draining || journaler->idle_turns >= DIGEST_PATIENCE));
    if (!worth || !pit_journal_commit(journaler->config.journal))
        return 0;
    journaler->commands_waiting = false;
    journaler->digests_waiting = false;
    count(&journaler->counters.commits, 1);
    return 1;
}

static void answer(struct pit_journaler *journaler)
{
    if (!pit_journal_idle(journaler->config.journal))
        return;
    if (journaler->settled.value != journaler->copied + 1)
        pit_sequence_store(&journaler->settled, journaler->copied + 1);
    uint64_t drained = journaler->config.matchers == 0 ? journaler->copied + 1 : journaler->drained.value;
    if (journaler->full_waiting) {
        drained = journaler->full_at + 1;
        journaler->full_waiting = false;
    }
    if (drained != journaler->drained.value)
        pit_sequence_store(&journaler->drained, drained);
}

static uint32_t do_work(void *state)
{
    struct pit_journaler *journaler = state;
    if (journaler->stopped)
        return 0;
    if (pit_journal_failed(journaler->config.journal, &journaler->error)) {
        stop(journaler);
        return 1;
    }
    uint32_t work = announce(journaler);
    tell_intake(journaler);
    uint32_t copied = copy_commands(journaler);
    for (uint32_t i = 0; i < DIGESTS_MAX && add_digests(journaler); i++)
        work++;
    journaler->idle_turns = copied ? 0 : journaler->idle_turns + 1;
    bool draining = pit_control_phase(journaler->config.control) != PIT_PHASE_RUN;
    work += copied + commit(journaler, draining);
    answer(journaler);
    return work;
}

struct pit_agent pit_journaler_agent(struct pit_journaler *journaler)
{
    return (struct pit_agent){.name = "journaler", .state = journaler, .do_work = do_work};
}

static uint32_t disk_work(void *state)
{
    return pit_journal_disk_work(state);
}

static uint32_t prepare_work(void *state)
{
    return pit_journal_prepare_work(state);
}

struct pit_agent pit_journaler_disk_agent(struct pit_journal *journal)
{
    return (struct pit_agent){.name = "journal-disk", .state = journal, .do_work = disk_work};
}

struct pit_agent pit_journaler_preparer_agent(struct pit_journal *journal)
{
    return (struct pit_agent){.name = "journal-next", .state = journal, .do_work = prepare_work};
}

const struct pit_journaler_counters *pit_journaler_counters(const struct pit_journaler *journaler)
{
    return &journaler->counters;
}

bool pit_journaler_settled(const struct pit_journaler *journaler, uint64_t sequence)
{
    return pit_sequence_load(&journaler->settled) == sequence + 1;
}

bool pit_journaler_drained(const struct pit_journaler *journaler, uint64_t sequence)
{
    return pit_journaler_settled(journaler, sequence) && pit_sequence_load(&journaler->drained) == sequence + 1;
}

bool pit_journaler_failed(const struct pit_journaler *journaler, struct pit_error *error)
{
    if (pit_sequence_load(&journaler->failed) == 0)
        return false;
    if (error)
        *error = journaler->error;
    return true;
}
