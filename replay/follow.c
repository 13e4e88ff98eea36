/* replay/follow.c - see follow.h. */
#include "replay/follow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/reader.h"
#include "ring/check.h"

#define SINK_SLOTS 256u    /* small: the events of a command stay in the nearest cache */
#define PREFETCH_AHEAD 10u /* commands between the prefetch and the use of what it brings */
#define NOTED_MAX 1024u    /* digests that wait for the journal's: more than matchers and journaler have under way */

/* What the market's event digest was at a multiple of PIT_JOURNAL_DIGEST_EVERY. */
struct noted {
    uint64_t sequence;
    uint64_t events;
    uint64_t events_count;
};

struct pit_follower {
    struct pit_event_sink sink; /* first: aligned with the slots it points to */
    struct pit_market *market;
    struct pit_snapshot_past *past;
    struct pit_results *results;
    struct pit_result progress; /* of the command that is applied */
    uint64_t applying;          /* its sequence */
    struct pit_journal_reader *reader;
    struct pit_journal_record record;
    uint32_t at, ahead; /* in it: the next command, and the next to prefetch for */
    uint64_t counted;   /* events before this one are counted */
    uint64_t from;      /* of the snapshot; commands up to there are passed over */
    uint64_t from_block, from_command;
    const struct pit_command *last; /* in the record; NULL = position is up to date */
    struct pit_snapshot_header position;
    uint64_t noted_first, noted_next;
    struct noted noted[NOTED_MAX];
    struct pit_event slots[SINK_SLOTS];
};

/* Counts the trades of complete events, as the publisher of a live run does, and keeps results as its egress does. */
static void count(struct pit_follower *follower)
{
    for (; follower->counted != follower->sink.next; follower->counted++) {
        const struct pit_event *event = &follower->slots[follower->counted & (SINK_SLOTS - 1)];
        pit_results_add(follower->results, &follower->progress, event, follower->applying);
        if (event->kind != PIT_EVENT_TRADE || event->symbol >= PIT_SYMBOLS_MAX)
            continue;
        struct pit_snapshot_past *past = &follower->past[event->symbol];
        past->trades++;
        past->last_price = event->price;
        past->last_quantity = event->quantity;
    }
}

/* The sink is full in the midst of a command: every event in it is complete. */
static void make_room(struct pit_event_sink *sink)
{
    struct pit_follower *follower = sink->context;
    pit_market_fold(follower->market, sink);
    count(follower);
    sink->limit = sink->next + SINK_SLOTS;
}

static void note_digest(struct pit_follower *follower, uint64_t sequence)
{
    const struct pit_digest digest = pit_market_event_digest(follower->market);
    follower->noted[follower->noted_next++ % NOTED_MAX] =
        (struct noted){.sequence = sequence, .events = digest.events, .events_count = digest.events_count};
    if (follower->noted_next - follower->noted_first > NOTED_MAX)
        follower->noted_first++;
}

/* A digest of the journal against what the market's was there. */
static int compare(struct pit_follower *follower, struct pit_error *error)
{
    struct pit_journal_digest live;
    memcpy(&live, follower->record.payload, sizeof live);
    while (follower->noted_first != follower->noted_next) {
        const struct noted *here = &follower->noted[follower->noted_first % NOTED_MAX];
        if (here->sequence > live.sequence)
            return 0; /* older than where this began */
        follower->noted_first++;
        if (here->sequence < live.sequence)
            continue; /* the live run was killed before it journaled this one */
        if (here->events == live.events && here->events_count == live.events_count)
            return 0;
        return pit_error_set(error, -EILSEQ,
                             "the digest at sequence %lu differs: the live run had %lu events with digest %016lx, the "
                             "replica %lu with %016lx",
                             live.sequence, live.events_count, live.events, here->events_count, here->events);
    }
    return 0;
}

static void settle_position(struct pit_follower *follower)
{
    if (!follower->last)
        return;
    follower->position.sequence = follower->last->sequence;
    follower->position.block = follower->record.block;
    follower->position.time_ns = follower->last->time_ns;
    follower->position.command = pit_snapshot_command_digest(follower->last);
    follower->last = NULL;
}

/* Goes on to the next record with commands. 1: done; 0: the journal ends; negative: error. */
static int next_record(struct pit_follower *follower, struct pit_error *error)
{
    settle_position(follower); /* it points into the record */
    for (;;) {
        const int more = pit_journal_reader_next(follower->reader, &follower->record, error);
        if (more <= 0) {
            follower->record = (struct pit_journal_record){.kind = PIT_JOURNAL_DIGEST};
            return more;
        }
        if (follower->record.kind == PIT_JOURNAL_COMMANDS)
            break;
        const int code = compare(follower, error);
        if (code)
            return code;
    }
    follower->at = follower->ahead = 0;
    for (uint32_t i = 0; i < PREFETCH_AHEAD; i++)
        pit_journal_record_command(&follower->record, &follower->ahead);
    return 1;
}

/* One that the market has already. */
static int pass_over(struct pit_follower *follower, const struct pit_command *command, struct pit_error *error)
{
    if (command->sequence < follower->from)
        return 0;
    settle_position(follower);
    if (command->sequence != follower->from || follower->position.command != follower->from_command ||
        (follower->from_block && follower->record.block != follower->from_block))
        return pit_error_set(error, -ESTALE,
                             "the snapshot of sequence %lu is not of this journal: the command with this sequence is "
                             "another one",
                             follower->from);
    follower->from = 0;
    if (command->sequence % PIT_JOURNAL_DIGEST_EVERY == 0)
        note_digest(follower, command->sequence);
    return 0;
}

static void apply(struct pit_follower *follower, const struct pit_command *command)
{
    const struct pit_command *coming = pit_journal_record_command(&follower->record, &follower->ahead);
    if (coming)
        pit_market_prefetch(follower->market, coming);
    follower->applying = command->sequence;
    pit_market_apply(follower->market, command, &follower->sink);
    count(follower);
    if (command->sequence % PIT_JOURNAL_DIGEST_EVERY == 0)
        note_digest(follower, command->sequence);
}

static uint64_t reached(const struct pit_follower *follower)
{
    return follower->last ? follower->last->sequence : follower->position.sequence;
}

int64_t pit_follower_step(struct pit_follower *follower, uint64_t until, uint32_t limit, struct pit_error *error)
{
    uint32_t done = 0;
    while (done < limit && reached(follower) < until) {
        const struct pit_command *command = pit_journal_record_command(&follower->record, &follower->at);
        if (!command) {
            const int more = next_record(follower, error);
            if (more < 0)
                return more;
            if (more == 0)
                break;
            continue;
        }
        follower->last = command;
        done++;
        if (!follower->from) {
            apply(follower, command);
            continue;
        }
        const int code = pass_over(follower, command, error);
        if (code)
            return code;
    }
    settle_position(follower);
    return done;
}

void pit_follower_position(const struct pit_follower *follower, struct pit_snapshot_header *header)
{
    *header = follower->position;
}

uint64_t pit_follower_block(const struct pit_follower *follower)
{
    return pit_journal_reader_block(follower->reader);
}

int pit_follower_open(struct pit_follower **result, const struct pit_disk *disk, const char *directory,
                      struct pit_market *market, struct pit_snapshot_past *past, struct pit_results *results,
                      const struct pit_snapshot_header *from, bool direct, struct pit_error *error)
{
    struct pit_follower *follower = aligned_alloc(128, (sizeof *follower + 127) / 128 * 128);
    if (!follower)
        return pit_error_set(error, -ENOMEM, "no memory for following the journal");
    memset(follower, 0, sizeof *follower);
    const int code = pit_journal_reader_open_at(&follower->reader, disk, directory,
                                                from ? from->block : PIT_JOURNAL_FROM_FIRST, error);
    if (code) {
        free(follower);
        return code;
    }
    pit_journal_reader_beside(follower->reader, direct);
    follower->market = market;
    follower->past = past;
    follower->results = results;
    follower->record.kind = PIT_JOURNAL_DIGEST; /* no command in it */
    if (from) {
        follower->from = from->sequence;
        follower->from_block = from->block;
        follower->from_command = from->command;
        follower->position = *from;
        uint64_t block, first_sequence;
        pit_journal_reader_beginning(follower->reader, &block, &first_sequence);
        if (from->block == 0 && first_sequence == from->sequence + 1) {
            follower->from = 0; /* the journal begins right after it */
            if (from->sequence % PIT_JOURNAL_DIGEST_EVERY == 0)
                note_digest(follower, from->sequence);
        }
    }
    const uint64_t first = 1 + pit_market_event_digest(market).events_count;
    follower->counted = first;
    follower->sink = (struct pit_event_sink){.slots = follower->slots,
                                             .mask = SINK_SLOTS - 1,
                                             .next = first,
                                             .limit = first + SINK_SLOTS,
                                             .folded = first,
                                             .make_room = make_room,
                                             .context = follower};
    *result = follower;
    return 0;
}

void pit_follower_close(struct pit_follower *follower)
{
    if (!follower)
        return;
    pit_journal_reader_close(follower->reader);
    free(follower);
}
