/* replay/replay.c - commands from a journal's records into markets, and what they computed against what was journaled.
 */
#include "replay/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/snapshot.h"
#include "ring/check.h"

#define SINK_SLOTS 256u    /* small: the events of a command stay in the nearest cache */
#define PREFETCH_AHEAD 10u /* commands between the prefetch and the use of what it brings */
#define PENDING_MIN 64u

/* An event digest as it was at a multiple of PIT_JOURNAL_DIGEST_EVERY. The live run journals its own some time after
 * the command, so several may wait for theirs. */
struct pending {
    uint64_t sequence;
    uint64_t events;
    uint64_t events_count;
};

struct replay {
    struct pit_event_sink sink; /* first: aligned with the slots it points to */
    const struct pit_replay_options *options;
    struct pit_replay_result *result;
    struct pit_market *market;         /* of the command in progress */
    const struct pit_command *command; /* in progress */
    uint64_t counted;                  /* events before this one are counted and delivered */
    bool event_stop;                   /* the event function has had enough */
    uint64_t until, until_ns;          /* as in the options, all ones where they say nothing */
    bool until_reached;
    uint64_t progress_next;
    struct pending *pending;
    size_t pending_first, pending_count, pending_room;
    uint64_t agreed;                /* the last sequence whose digest was compared and equal */
    uint16_t home[PIT_SYMBOLS_MAX]; /* by symbol: 1 + the place of its market once it is defined there, else 0 */
    struct pit_event slots[SINK_SLOTS];
};

/* Counts the events that are complete, and hands them out. */
static void deliver(struct replay *replay)
{
    const struct pit_replay_options *options = replay->options;
    struct pit_replay_result *result = replay->result;
    for (; replay->counted != replay->sink.next; replay->counted++) {
        struct pit_event *event = &replay->slots[replay->counted & (SINK_SLOTS - 1)];
        result->trades += event->kind == PIT_EVENT_TRADE;
        result->rejects += event->kind == PIT_EVENT_REJECTED;
        if (options->event && !replay->event_stop) {
            event->sequence = replay->counted; /* not in the digests */
            if (!options->event(options->event_context, replay->command, event))
                replay->event_stop = true;
        }
    }
}

/* The sink is full in the midst of a command: every event in it is complete. */
static void make_room(struct pit_event_sink *sink)
{
    struct replay *replay = sink->context;
    pit_market_fold(replay->market, sink);
    deliver(replay);
    sink->limit = sink->next + SINK_SLOTS;
}

/* The market that keeps a defined symbol, or NULL. */
static inline struct pit_market *home_of(const struct replay *replay, uint32_t symbol)
{
    uint32_t place = symbol < PIT_SYMBOLS_MAX ? replay->home[symbol] : 0;
    return place ? replay->options->markets[place - 1] : NULL;
}

/* A command whose symbol has no home: a first definition, or nonsense. */
static void apply_homeless(struct replay *replay, const struct pit_command *command)
{
    const struct pit_replay_options *options = replay->options;
    uint32_t place = options->assign ? options->assign(options->assign_context, command->symbol) : 0;
    PIT_CHECK(place < options->markets_count && place < UINT16_MAX);
    replay->market = options->markets[place];
    pit_market_apply(replay->market, command, &replay->sink);
    if (pit_market_book(replay->market, command->symbol))
        replay->home[command->symbol] = (uint16_t)(place + 1);
}

static inline void apply(struct replay *replay, const struct pit_command *command)
{
    if (command->kind == PIT_COMMAND_SYMBOL && replay->options->defining)
        replay->options->defining(replay->options->defining_context, command);
    replay->command = command;
    replay->market = home_of(replay, command->symbol);
    if (replay->market)
        pit_market_apply(replay->market, command, &replay->sink);
    else
        apply_homeless(replay, command);
    deliver(replay);
}

static struct pit_digest whole_digest(const struct pit_replay_options *options, bool full)
{
    struct pit_digest whole = {0};
    for (uint32_t i = 0; i < options->markets_count; i++) {
        struct pit_digest part =
            full ? pit_market_full_digest(options->markets[i]) : pit_market_event_digest(options->markets[i]);
        pit_digest_add(&whole, &part);
    }
    return whole;
}

static int pending_add(struct replay *replay, uint64_t sequence, struct pit_error *error)
{
    if (replay->pending_first && replay->pending_first + replay->pending_count == replay->pending_room) {
        memmove(replay->pending, replay->pending + replay->pending_first,
                replay->pending_count * sizeof *replay->pending);
        replay->pending_first = 0;
    }
    if (replay->pending_count == replay->pending_room) {
        size_t room = replay->pending_room ? 2 * replay->pending_room : PENDING_MIN;
        struct pending *more = realloc(replay->pending, room * sizeof *more);
        if (!more)
            return pit_error_set(error, -ENOMEM, "replay: no memory for %zu digests", room);
        replay->pending = more;
        replay->pending_room = room;
    }
    struct pit_digest digest = whole_digest(replay->options, false);
    replay->pending[replay->pending_first + replay->pending_count++] =
        (struct pending){.sequence = sequence, .events = digest.events, .events_count = digest.events_count};
    return 0;
}

static int differs(struct replay *replay, const struct pit_journal_digest *live, const struct pit_digest *here,
                   struct pit_error *error)
{
    replay->result->differs_at = live->sequence;
    replay->result->differs_after = replay->agreed;
    bool in_events = live->events != here->events || live->events_count != here->events_count;
    if (in_events)
        return pit_error_set(error, -EILSEQ,
                             "the digest at sequence %lu differs: the live run had %lu events with digest %016lx, the "
                             "replay %lu with %016lx. The first command that went otherwise lies after %lu",
                             live->sequence, live->events_count, live->events, here->events_count, here->events,
                             replay->agreed);
    return pit_error_set(error, -EILSEQ,
                         "the state at sequence %lu differs: the live run had %lu resting orders with digest %016lx, "
                         "the replay %lu with %016lx, though all events are equal",
                         live->sequence, live->orders, live->state, here->orders, here->state);
}

/* A digest record of the journal against what was computed here. */
static int compare(struct replay *replay, const struct pit_journal_digest *live, struct pit_error *error)
{
    struct pit_digest here = {.state = live->state, .orders = live->orders};
    if (live->sequence < replay->options->from)
        return 0; /* older than where this began */
    if (live->sequence > replay->result->last_sequence && !replay->until_reached)
        return pit_error_set(error, -EBADMSG,
                             "the journal has a digest of sequence %lu before that command (it is at %lu)",
                             live->sequence, replay->result->last_sequence);
    if (live->full && live->sequence == replay->result->last_sequence) {
        here = whole_digest(replay->options, true);
    } else {
        while (replay->pending_count && replay->pending[replay->pending_first].sequence < live->sequence) {
            replay->pending_first++; /* the live run was killed before it journaled this one */
            replay->pending_count--;
        }
        const struct pending *pending = replay->pending + replay->pending_first;
        if (replay->pending_count == 0 || pending->sequence != live->sequence)
            return 0; /* nothing was computed here for that sequence */
        here.events = pending->events;
        here.events_count = pending->events_count;
        replay->pending_first++;
        replay->pending_count--;
    }
    replay->result->digests_compared++;
    if (live->events != here.events || live->events_count != here.events_count || live->state != here.state ||
        live->orders != here.orders)
        return differs(replay, live, &here, error);
    replay->agreed = live->sequence;
    return 0;
}

static int digest_record(struct replay *replay, const struct pit_journal_record *record, struct pit_error *error)
{
    if (!replay->options->verify)
        return 0;
    struct pit_journal_digest live;
    if (record->bytes != sizeof live)
        return pit_error_set(error, -EBADMSG, "block %lu: a digest record of %u bytes; %zu were expected",
                             record->block, record->bytes, sizeof live);
    memcpy(&live, record->payload, sizeof live);
    return compare(replay, &live, error);
}

/* A command goes on where the last one was. */
static int step(struct replay *replay, const struct pit_journal_record *record, uint64_t sequence,
                struct pit_error *error)
{
    const struct pit_replay_result *result = replay->result;
    if (result->last_sequence && sequence != result->last_sequence + 1)
        return pit_error_set(error, -EBADMSG, "block %lu: sequence %lu follows sequence %lu", record->block, sequence,
                             result->last_sequence);
    return 0;
}

static void note(struct pit_replay_result *result, const struct pit_journal_record *record,
                 const struct pit_command *command)
{
    result->last_command = pit_snapshot_command_digest(command);
    result->last_block = record->block;
}

/* Passes over the commands that the markets have already. *at: where in the record the others begin. */
static int skip_known(struct replay *replay, const struct pit_journal_record *record, uint32_t *at,
                      struct pit_error *error)
{
    const struct pit_replay_options *options = replay->options;
    struct pit_replay_result *result = replay->result;
    const struct pit_command *command;
    if (result->skipped == 0 && result->last_sequence < options->from)
        result->skipped = record->first_sequence - 1; /* in segments that were passed over */
    while (result->last_sequence < options->from && (command = pit_journal_record_command(record, at))) {
        int code = step(replay, record, command->sequence, error);
        if (code)
            return code;
        result->skipped++;
        result->last_sequence = command->sequence;
        result->last_time_ns = command->time_ns;
        if (command->sequence < options->from)
            continue;
        note(result, record, command);
        bool same = command->sequence == options->from && result->last_command == options->from_command &&
                    (options->from_block == 0 || options->from_block == record->block);
        if (!same)
            return pit_error_set(error, -ESTALE,
                                 "the snapshot of sequence %lu is not of this journal: the command with this sequence "
                                 "is another one",
                                 options->from);
        if (options->verify && options->from % PIT_JOURNAL_DIGEST_EVERY == 0)
            return pending_add(replay, options->from, error);
    }
    return 0;
}

/* Applies one record's commands. 0, also when it stopped early. */
static int commands_record(struct replay *replay, const struct pit_journal_record *record, struct pit_error *error)
{
    const struct pit_replay_options *options = replay->options;
    struct pit_replay_result *result = replay->result;
    const struct pit_command *command;
    const struct pit_command *coming;
    uint32_t at = 0;
    int code = skip_known(replay, record, &at, error);
    if (code)
        return code;
    const bool limited = options->until || options->until_ns;
    uint32_t ahead = at;
    for (uint32_t i = 0; i < PREFETCH_AHEAD; i++)
        pit_journal_record_command(record, &ahead);
    while ((command = pit_journal_record_command(record, &at))) {
        uint64_t sequence = command->sequence;
        if ((code = step(replay, record, sequence, error)))
            return code;
        if (limited && (sequence > replay->until || command->time_ns > replay->until_ns)) {
            replay->until_reached = true;
            return 0;
        }
        if ((coming = pit_journal_record_command(record, &ahead))) {
            struct pit_market *market = home_of(replay, coming->symbol);
            if (market)
                pit_market_prefetch(market, coming);
        }
        apply(replay, command);
        result->commands++;
        result->kinds[command->kind < 8 ? command->kind : 0]++;
        result->last_sequence = sequence;
        result->last_time_ns = command->time_ns;
        if (options->verify && sequence % PIT_JOURNAL_DIGEST_EVERY == 0 && pending_add(replay, sequence, error))
            return -ENOMEM;
        if (replay->event_stop)
            return 0;
    }
    replay->until_reached = result->last_sequence == replay->until;
    return 0;
}

/* The same, and remembers the last of them. */
static int commands_noted(struct replay *replay, const struct pit_journal_record *record, struct pit_error *error)
{
    const uint64_t before = replay->result->commands;
    const int code = commands_record(replay, record, error);
    if (replay->result->commands != before)
        note(replay->result, record, replay->command);
    return code;
}

static void show_progress(struct replay *replay, const struct pit_journal_reader *reader)
{
    const struct pit_replay_options *options = replay->options;
    if (!options->progress || replay->result->commands < replay->progress_next)
        return;
    uint64_t done;
    uint64_t total;
    pit_journal_reader_progress(reader, &done, &total);
    options->progress(options->progress_context, done, total, replay->result->commands);
    replay->progress_next = replay->result->commands + (options->progress_every ? options->progress_every : 1);
}

/* Past until the commands are left alone, but the digests of what was applied may still come. */
static bool more_wanted(const struct replay *replay)
{
    if (replay->event_stop)
        return false;
    return !replay->until_reached || (replay->options->verify && replay->pending_count > 0);
}

/* The journal may begin right after the command whose state the markets hold. */
static int stand_before_first(struct replay *replay, const struct pit_journal_reader *reader, struct pit_error *error)
{
    const struct pit_replay_options *options = replay->options;
    struct pit_replay_result *result = replay->result;
    uint64_t block, first;
    pit_journal_reader_beginning(reader, &block, &first);
    if (options->from == 0 || options->from_block || first != options->from + 1)
        return 0;
    result->skipped = result->last_sequence = options->from;
    result->last_time_ns = options->from_time_ns;
    result->last_command = options->from_command;
    return options->verify && options->from % PIT_JOURNAL_DIGEST_EVERY == 0 ? pending_add(replay, options->from, error)
                                                                            : 0;
}

static int read_through(struct replay *replay, struct pit_journal_reader *reader, struct pit_error *error)
{
    while (more_wanted(replay)) {
        struct pit_journal_record record;
        int code = pit_journal_reader_next(reader, &record, error);
        if (code < 0)
            return code;
        if (code == 0) {
            replay->result->end = pit_journal_reader_end(reader);
            if (replay->result->end.time_ns == 0)
                replay->result->end.time_ns = replay->result->last_time_ns; /* of the snapshot */
            break;
        }
        if (record.kind == PIT_JOURNAL_DIGEST)
            code = digest_record(replay, &record, error);
        else if (!replay->until_reached)
            code = commands_noted(replay, &record, error);
        if (code < 0)
            return code;
        show_progress(replay, reader);
    }
    replay->result->stopped = replay->until_reached || replay->event_stop;
    return 0;
}

/* Symbols that the markets have already. */
static void find_homes(struct replay *replay)
{
    const struct pit_replay_options *options = replay->options;
    for (uint32_t i = 0; i < options->markets_count; i++)
        for (uint32_t symbol = 0; symbol < pit_market_symbols(options->markets[i]); symbol++)
            if (pit_market_book(options->markets[i], symbol))
                replay->home[symbol] = (uint16_t)(i + 1);
}

int pit_replay(const struct pit_disk *disk, const char *directory, const struct pit_replay_options *options,
               struct pit_replay_result *result, struct pit_error *error)
{
    *result = (struct pit_replay_result){0};
    PIT_CHECK(options->markets_count >= 1);
    PIT_CHECK(!options->until || options->from <= options->until);
    struct pit_journal_reader *reader = NULL;
    _Static_assert(PIT_JOURNAL_FROM_THERE == 0, "from_block says so");
    int code = pit_journal_reader_open_at(&reader, disk, directory,
                                          options->from ? options->from_block : PIT_JOURNAL_FROM_FIRST, error);
    if (code < 0)
        return code;
    struct replay *replay = aligned_alloc(128, (sizeof *replay + 127) / 128 * 128);
    if (!replay) {
        pit_journal_reader_close(reader);
        return pit_error_set(error, -ENOMEM, "replay: no memory for %zu bytes", sizeof *replay);
    }
    memset(replay, 0, sizeof *replay);
    replay->options = options;
    replay->result = result;
    replay->agreed = options->from;
    replay->until = options->until ? options->until : UINT64_MAX;
    replay->until_ns = options->until_ns ? options->until_ns : UINT64_MAX;
    find_homes(replay);
    const uint64_t first = 1 + whole_digest(options, false).events_count;
    replay->counted = first;
    replay->progress_next = options->progress_every;
    replay->sink = (struct pit_event_sink){.slots = replay->slots,
                                           .mask = SINK_SLOTS - 1,
                                           .next = first,
                                           .limit = first + SINK_SLOTS,
                                           .folded = first,
                                           .make_room = make_room,
                                           .context = replay};
    code = stand_before_first(replay, reader, error);
    if (code == 0)
        code = read_through(replay, reader, error);
    result->events = replay->sink.next - first;
    if (code == 0 && result->last_sequence < options->from)
        code = pit_error_set(error, -ESTALE,
                             "the snapshot of sequence %lu is not of this journal: it ends at sequence %lu",
                             options->from, result->last_sequence);
    pit_journal_reader_close(reader);
    free(replay->pending);
    free(replay);
    return code;
}
