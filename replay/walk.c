/* replay/walk.c - moves along a journal; see walk.h. */
#include "replay/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/reader.h"
#include "journal/snapshot.h"
#include "memory/arena.h"
#include "replay/checkpoint.h"
#include "ring/check.h"

#define SINK_SLOTS 256u
#define PREFETCH_AHEAD 10u
#define APART_PER_ORDER 4u /* commands between two checkpoints for each resting order */

struct pit_walk {
    struct pit_event_sink sink; /* first: aligned with the slots it points to */
    struct pit_walk_options options;
    uint8_t journal_id[16];
    uint64_t first; /* the sequence with which the journal begins; above 1: what was before was removed */
    struct pit_journal_reader *reader;
    struct pit_journal_record record;
    uint32_t at;                    /* in the record: where the next command is, */
    uint32_t ahead;                 /* and the one to be asked for */
    const struct pit_command *next; /* peeked at; NULL: not yet */
    struct pit_arena *arena;
    struct pit_market *market;
    uint64_t sequence, time_ns, block; /* of the last command applied */
    uint64_t counted;                  /* events before this one are delivered */
    const struct pit_command *command;
    void (*event)(void *context, const struct pit_command *command, const struct pit_event *event);
    void *event_context;
    struct pit_checkpoint checkpoints[PIT_WALK_CHECKPOINTS_MAX]; /* rising */
    uint32_t checkpoints_count;
    uint64_t look_at; /* the sequence at which a checkpoint is considered */
    struct pit_walk_statistics statistics;
    struct pit_event slots[SINK_SLOTS];
};

/* A place that is wanted: all ones where it does not matter. */
struct target {
    uint64_t sequence;
    uint64_t time_ns;
};

static bool beyond(const struct target *target, uint64_t sequence, uint64_t time_ns)
{
    return sequence > target->sequence || time_ns > target->time_ns;
}

/* Events. */

static void deliver(struct pit_walk *walk)
{
    for (; walk->counted != walk->sink.next; walk->counted++) {
        struct pit_event *event = &walk->slots[walk->counted & (SINK_SLOTS - 1)];
        event->sequence = walk->counted;
        if (walk->event)
            walk->event(walk->event_context, walk->command, event);
    }
}

static void make_room(struct pit_event_sink *sink)
{
    struct pit_walk *walk = sink->context;
    pit_market_fold(walk->market, sink);
    deliver(walk);
    sink->limit = sink->next + SINK_SLOTS;
}

/* The market. */

static size_t room(void *context)
{
    const struct pit_walk *walk = context;
    return pit_arena_room(walk->arena);
}

static int renew_market(struct pit_walk *walk, struct pit_error *error)
{
    const struct pit_arena_options options = {.name = "walk", .node = PIT_ARENA_NODE_ANY};
    pit_arena_destroy(walk->arena);
    walk->arena = NULL;
    walk->market = NULL;
    const int code = pit_arena_create(&walk->arena, &options, error);
    if (code)
        return code;
    const struct pit_reserve reserve = pit_arena_reserve(walk->arena);
    walk->market = pit_market_create(&reserve);
    return 0;
}

/* The market is what it was after that command. */
static void stand(struct pit_walk *walk, uint64_t sequence, uint64_t time_ns, uint64_t block)
{
    const uint64_t first = 1 + pit_market_event_digest(walk->market).events_count;
    walk->sequence = sequence;
    walk->time_ns = time_ns;
    walk->block = block;
    walk->counted = first;
    walk->look_at = sequence + PIT_WALK_EVERY_MIN;
    walk->sink = (struct pit_event_sink){.slots = walk->slots,
                                         .mask = SINK_SLOTS - 1,
                                         .next = first,
                                         .limit = first + SINK_SLOTS,
                                         .folded = first,
                                         .make_room = make_room,
                                         .context = walk};
}

/* The journal. */

static void forget_record(struct pit_walk *walk)
{
    walk->record = (struct pit_journal_record){0};
    walk->next = NULL;
    walk->at = walk->ahead = 0;
}

int pit_walk_peek(struct pit_walk *walk, const struct pit_command **command, struct pit_error *error)
{
    while (!walk->next) {
        if (walk->record.payload)
            walk->next = pit_journal_record_command(&walk->record, &walk->at);
        if (walk->next)
            break;
        walk->at = walk->ahead = 0;
        const int code = pit_journal_reader_next(walk->reader, &walk->record, error);
        if (code <= 0) {
            walk->record = (struct pit_journal_record){0};
            return code;
        }
        for (uint32_t i = 0; i < PREFETCH_AHEAD; i++)
            pit_journal_record_command(&walk->record, &walk->ahead);
    }
    *command = walk->next;
    return 1;
}

/* Reads the journal anew, from the segment with that block on, up to the command with that sequence, which must have
 * that digest (0: any). 0; -ESTALE: it has not; others. */
static int seek(struct pit_walk *walk, uint64_t sequence, uint64_t block, uint64_t digest, struct pit_error *error)
{
    pit_journal_reader_close(walk->reader);
    walk->reader = NULL;
    forget_record(walk);
    int code = pit_journal_reader_open_at(&walk->reader, walk->options.disk, walk->options.directory,
                                          sequence ? block : PIT_JOURNAL_FROM_FIRST, error);
    if (code)
        return code;
    const struct pit_command *command = NULL;
    uint64_t first_block, first;
    pit_journal_reader_beginning(walk->reader, &first_block, &first);
    const bool before_first = block == PIT_JOURNAL_FROM_THERE && first == sequence + 1;
    for (uint64_t seen = before_first ? sequence : 0; seen < sequence; seen = command->sequence) {
        while (walk->record.first_sequence + walk->record.count <= sequence) {
            walk->next = NULL;
            walk->at = 0;
            code = pit_journal_reader_next(walk->reader, &walk->record, error);
            if (code < 0)
                return code;
            if (code == 0)
                return pit_error_set(error, -ESTALE, "the journal in %s ends before sequence %lu",
                                     walk->options.directory, sequence);
        }
        code = pit_walk_peek(walk, &command, error);
        if (code <= 0)
            return code < 0 ? code : pit_error_set(error, -ESTALE, "sequence %lu is not in the journal", sequence);
        walk->next = NULL;
    }
    walk->ahead = walk->at;
    for (uint32_t i = 0; i < PREFETCH_AHEAD && walk->record.payload; i++)
        pit_journal_record_command(&walk->record, &walk->ahead);
    if (command && digest && pit_snapshot_command_digest(command) != digest)
        return pit_error_set(error, -ESTALE,
                             "the snapshot of sequence %lu is not of this journal: the command with "
                             "this sequence is another one",
                             sequence);
    return 0;
}

/* Checkpoints. */

static uint64_t resting_orders(const struct pit_market *market)
{
    uint64_t orders = 0;
    for (uint32_t symbol = 0; symbol < pit_market_symbols(market); symbol++) {
        const struct pit_book *book = pit_market_book(market, symbol);
        orders += book ? pit_book_orders(book) : 0;
    }
    return orders;
}

/* How many checkpoints there are up to a place. */
static uint32_t checkpoints_up_to(const struct pit_walk *walk, const struct target *target)
{
    uint32_t count = walk->checkpoints_count;
    while (count && beyond(target, walk->checkpoints[count - 1].sequence, walk->checkpoints[count - 1].time_ns))
        count--;
    return count;
}

static void drop_every_second(struct pit_walk *walk)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < walk->checkpoints_count; i++) {
        if (i % 2 == 1) {
            walk->checkpoints[kept++] = walk->checkpoints[i];
            continue;
        }
        walk->statistics.checkpoint_bytes -= walk->checkpoints[i].used;
        pit_checkpoint_free(&walk->checkpoints[i]);
    }
    walk->checkpoints_count = kept;
    walk->statistics.distance *= 2;
}

/* One that cannot be had is done without. */
static void take_checkpoint(struct pit_walk *walk, uint32_t place)
{
    struct pit_checkpoint taken;
    if (pit_checkpoint_take(&taken, walk->market, walk->sequence, walk->time_ns, walk->options.checkpoint_bytes_max,
                            NULL)) {
        walk->statistics.distance *= 2;
        return;
    }
    taken.block = walk->block;
    memmove(walk->checkpoints + place + 1, walk->checkpoints + place, (walk->checkpoints_count - place) * sizeof taken);
    walk->checkpoints[place] = taken;
    walk->checkpoints_count++;
    walk->statistics.checkpoint_bytes += taken.used;
    while (walk->checkpoints_count == PIT_WALK_CHECKPOINTS_MAX ||
           walk->statistics.checkpoint_bytes > walk->options.checkpoint_bytes_max)
        drop_every_second(walk);
}

/* Far enough from the last one, and from the next if it has been here before? */
static void consider_checkpoint(struct pit_walk *walk)
{
    const struct target here = {walk->sequence, UINT64_MAX};
    const uint32_t place = checkpoints_up_to(walk, &here);
    const uint64_t last = place ? walk->checkpoints[place - 1].sequence : 0;
    const uint64_t next = place < walk->checkpoints_count ? walk->checkpoints[place].sequence : UINT64_MAX;
    uint64_t apart = APART_PER_ORDER * resting_orders(walk->market);
    if (apart < walk->statistics.distance)
        apart = walk->statistics.distance;
    if (walk->sequence - last >= apart && next - walk->sequence >= apart)
        take_checkpoint(walk, place);
    walk->look_at = walk->sequence + PIT_WALK_EVERY_MIN;
}

/* Forward. */

static void apply(struct pit_walk *walk, const struct pit_command *command)
{
    const struct pit_command *coming = pit_journal_record_command(&walk->record, &walk->ahead);
    if (coming)
        pit_market_prefetch(walk->market, coming);
    walk->command = command;
    pit_market_apply(walk->market, command, &walk->sink);
    deliver(walk);
    walk->sequence = command->sequence;
    walk->time_ns = command->time_ns;
    walk->block = walk->record.block;
    walk->next = NULL;
    walk->statistics.applied++;
    if (walk->sequence >= walk->look_at)
        consider_checkpoint(walk);
}

int pit_walk_next(struct pit_walk *walk, struct pit_error *error)
{
    const struct pit_command *command;
    const int code = pit_walk_peek(walk, &command, error);
    if (code == 1)
        apply(walk, command);
    return code;
}

static int forward(struct pit_walk *walk, const struct target *target, struct pit_error *error)
{
    for (;;) {
        if (walk->sequence == target->sequence)
            return 0;
        const struct pit_command *command;
        const int code = pit_walk_peek(walk, &command, error);
        if (code <= 0)
            return code < 0 ? code : 1;
        if (beyond(target, command->sequence, command->time_ns))
            return 0;
        apply(walk, command);
    }
}

/* Back, or far forward: to a state that is there. */

/* Puts the state of a snapshot in place of the one here. */
static int load(struct pit_walk *walk, const struct pit_snapshot_header *found, struct pit_error *error)
{
    const struct pit_snapshot_target into = {
        .markets = &walk->market, .markets_count = 1, .room = room, .room_context = walk};
    struct pit_snapshot_header header;
    int code = renew_market(walk, error);
    if (code == 0)
        code = pit_snapshot_load(walk->options.disk, walk->options.directory, found->sequence, &into, &header, error);
    if (code == 0)
        code = seek(walk, header.sequence, header.block, header.command, error);
    if (code == 0)
        stand(walk, header.sequence, header.time_ns, header.block);
    return code;
}

/* Loads the newest good snapshot up to the target, if it is after more_than. 1; 0: there is none. *lost: the state that
 * was here is no more. */
static int load_newest(struct pit_walk *walk, const struct target *target, uint64_t more_than, bool *lost,
                       struct pit_error *error)
{
    struct target limit = *target;
    while (limit.sequence > more_than) {
        struct pit_snapshot_header found;
        int code = pit_snapshot_newest(walk->options.disk, walk->options.directory, walk->journal_id, limit.sequence,
                                       walk->options.warn, walk->options.warn_context, &found, error);
        if (code == -ENOENT || (code == 0 && found.sequence <= more_than))
            return 0;
        if (code)
            return code;
        if (found.sequence + 1 < walk->first)
            return 0; /* the commands after it are no more */
        limit.sequence = found.sequence - 1;
        if (found.time_ns > target->time_ns)
            continue;
        *lost = true;
        code = load(walk, &found, error);
        if (code == 0) {
            walk->statistics.loaded++;
            return 1;
        }
        if (code == -ENOMEM)
            return code;
        if (walk->options.warn)
            walk->options.warn(walk->options.warn_context, error->text);
    }
    return 0;
}

/* Puts the state of a checkpoint, or NULL: before the first command, in place of the one here. */
static int restore(struct pit_walk *walk, const struct pit_checkpoint *checkpoint, struct pit_error *error)
{
    int code = renew_market(walk, error);
    if (code == 0 && checkpoint)
        code = pit_checkpoint_restore(checkpoint, walk->market, room, walk, error);
    if (code == 0)
        code = seek(walk, checkpoint ? checkpoint->sequence : 0, checkpoint ? checkpoint->block : 0, 0, error);
    if (code)
        return code;
    if (checkpoint)
        stand(walk, checkpoint->sequence, checkpoint->time_ns, checkpoint->block);
    else
        stand(walk, 0, 0, 0);
    walk->statistics.restored += checkpoint != NULL;
    return 0;
}

/* No state is there to begin with: what the journal began with was removed, and no snapshot stands for it. */
static int out_of_reach(const struct pit_walk *walk, struct pit_error *error)
{
    return pit_error_set(error, -ERANGE,
                         "the journal in %s begins with sequence %lu, what was before has been removed, and %s",
                         walk->options.directory, walk->first,
                         walk->options.snapshots ? "no snapshot that could stand for it is early enough"
                                                 : "without a snapshot (--from-snapshot) nothing stands for it");
}

static int move(struct pit_walk *walk, const struct target *target, struct pit_error *error)
{
    const bool back = beyond(target, walk->sequence, walk->time_ns);
    const uint32_t count = checkpoints_up_to(walk, target);
    const struct pit_checkpoint *checkpoint = count ? &walk->checkpoints[count - 1] : NULL;
    const uint64_t kept = checkpoint ? checkpoint->sequence : 0;
    const uint64_t known = back || kept > walk->sequence ? kept : walk->sequence;
    const bool nowhere = known == 0 && walk->first > 1; /* without a snapshot */
    bool lost = false;
    int code = 0;
    if (walk->options.snapshots)
        code = load_newest(walk, target, nowhere ? 0 : known + walk->options.snapshot_worth, &lost, error);
    if (code == 0 && nowhere)
        return lost ? pit_error_set(error, -ENODATA, "no snapshot in %s is good", walk->options.directory)
                    : out_of_reach(walk, error);
    if (code == 0 && (lost || back || kept > walk->sequence + walk->statistics.distance))
        code = restore(walk, checkpoint, error);
    return code < 0 ? code : forward(walk, target, error);
}

int pit_walk_to(struct pit_walk *walk, uint64_t sequence, struct pit_error *error)
{
    const struct target target = {sequence, UINT64_MAX};
    return move(walk, &target, error);
}

int pit_walk_to_time(struct pit_walk *walk, uint64_t time_ns, struct pit_error *error)
{
    const struct target target = {UINT64_MAX, time_ns};
    return move(walk, &target, error);
}

/* The rest of the header. */

static int find_beginning(struct pit_walk *walk, struct pit_error *error)
{
    struct pit_journal_reader *reader = NULL;
    uint64_t block;
    const int code =
        pit_journal_reader_open_at(&reader, walk->options.disk, walk->options.directory, PIT_JOURNAL_FROM_THERE, error);
    if (code)
        return code;
    pit_journal_reader_beginning(reader, &block, &walk->first);
    pit_journal_reader_close(reader);
    return 0;
}

int pit_walk_open(struct pit_walk **result, const struct pit_walk_options *options, struct pit_error *error)
{
    struct pit_walk *walk = aligned_alloc(128, (sizeof *walk + 127) / 128 * 128);
    if (!walk)
        return pit_error_set(error, -ENOMEM, "no memory to walk along a journal");
    memset(walk, 0, sizeof *walk);
    walk->options = *options;
    if (!walk->options.checkpoint_bytes_max)
        walk->options.checkpoint_bytes_max = PIT_WALK_BYTES_DEFAULT;
    if (!walk->options.snapshot_worth)
        walk->options.snapshot_worth = PIT_WALK_SNAPSHOT_WORTH;
    walk->statistics.distance = PIT_WALK_EVERY_MIN;
    int code = renew_market(walk, error);
    if (code == 0)
        code = find_beginning(walk, error);
    if (code == 0)
        code = seek(walk, 0, 0, 0, error);
    if (code == 0 && options->snapshots)
        code = pit_snapshot_journal_id(options->disk, options->directory, walk->journal_id, error);
    if (code) {
        pit_walk_close(walk);
        return code;
    }
    stand(walk, 0, 0, 0);
    *result = walk;
    return 0;
}

void pit_walk_close(struct pit_walk *walk)
{
    if (!walk)
        return;
    for (uint32_t i = 0; i < walk->checkpoints_count; i++)
        pit_checkpoint_free(&walk->checkpoints[i]);
    pit_journal_reader_close(walk->reader);
    pit_arena_destroy(walk->arena);
    free(walk);
}

void pit_walk_listen(struct pit_walk *walk,
                     void (*event)(void *context, const struct pit_command *command, const struct pit_event *event),
                     void *context)
{
    walk->event = event;
    walk->event_context = context;
}

uint64_t pit_walk_sequence(const struct pit_walk *walk)
{
    return walk->sequence;
}

uint64_t pit_walk_time_ns(const struct pit_walk *walk)
{
    return walk->time_ns;
}

struct pit_market *pit_walk_market(const struct pit_walk *walk)
{
    return walk->market;
}

struct pit_walk_statistics pit_walk_statistics(const struct pit_walk *walk)
{
    struct pit_walk_statistics statistics = walk->statistics;
    statistics.checkpoints = walk->checkpoints_count;
    return statistics;
}

struct pit_market *pit_walk_fork(struct pit_walk *walk, const struct pit_reserve *memory,
                                 size_t (*room_of)(void *context), void *room_context, struct pit_error *error)
{
    struct pit_market *market = pit_market_create(memory);
    if (walk->sequence == 0)
        return market;
    struct pit_checkpoint checkpoint;
    int code = pit_checkpoint_take(&checkpoint, walk->market, walk->sequence, walk->time_ns, SIZE_MAX, error);
    if (code == 0)
        code = pit_checkpoint_restore(&checkpoint, market, room_of, room_context, error);
    pit_checkpoint_free(&checkpoint);
    return code ? NULL : market;
}
