/* stages/snapshots.c - see snapshots.h. */
#include "stages/snapshots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "journal/disk_layer.h"
#include "journal/snapshot.h"
#include "memory/arena.h"
#include "replay/follow.h"

#define TURN_COMMANDS 8192u             /* applied in one turn: a stop waits no longer */
#define LUMP_COMMANDS 16384u            /* so far it stays behind: what it reads is large enough to be worth it */
#define RETRY_NS UINT64_C(60000000000)  /* after the replica had to be thrown away */
#define PIECE_BYTES ((size_t)256 << 10) /* of a segment that is read to be compressed */
#define REST_NS_MAX 50000000
#define NEVER UINT64_MAX

struct pit_snapshots {
    struct pit_disk_layer disk; /* first: fails when the pipeline stops, so that nothing takes long then */
    struct pit_snapshots_config config;

    /* The replica; follower NULL = there is none. */
    struct pit_arena *arena;
    struct pit_market *market;
    struct pit_snapshot_past *past;
    struct pit_results *results;
    struct pit_follower *follower;
    uint8_t journal_id[16];
    uint64_t applied;

    uint64_t goal;     /* sequence to write the next snapshot at; 0 = none is due */
    uint64_t until;    /* sequence to go to meanwhile */
    uint64_t last;     /* sequence of the last snapshot */
    uint64_t last_ns;  /* monotonic: when it was tried */
    uint64_t retry_ns; /* monotonic: not before that; NEVER: no more */
    uint64_t old;      /* segments before this block are old; 0 = none are known to be */
    bool unhurried;    /* what is done now may take its time */

    struct pit_snapshots_figures figures; /* words, relaxed */
    struct pit_sequence asked;            /* somebody wants a snapshot with at least this command */
    /* Warnings: warned is the agent's, heard the controller's; the text may be written while they are equal. */
    struct pit_sequence warned;
    struct pit_sequence heard;
    char warning[PIT_SNAPSHOTS_WARNING_BYTES];
};

/* The disk, until the pipeline stops. */

static uint64_t now_ns(const struct pit_snapshots *snapshots)
{
    return snapshots->config.clock->monotonic_ns(snapshots->config.clock->context);
}

static bool stopping(const struct pit_snapshots *snapshots)
{
    return pit_control_phase(snapshots->config.control) == PIT_PHASE_STOP;
}

/* What is not urgent leaves the disk to the journal for twice as long as it had it. */
static void rest(const struct pit_snapshots *snapshots, uint64_t begun_ns)
{
    if (!snapshots->unhurried)
        return;
    const uint64_t ns = 2 * (now_ns(snapshots) - begun_ns);
    if (ns == 0)
        return; /* a clock that stands still is a simulation's */
    nanosleep(&(struct timespec){.tv_nsec = ns < REST_NS_MAX ? (long)ns : REST_NS_MAX}, NULL);
}

static int64_t read_or_leave(void *context, int file, void *bytes, size_t count, uint64_t offset)
{
    const struct pit_snapshots *snapshots = context;
    const struct pit_disk *disk = snapshots->disk.under;
    size_t done = 0;
    while (done < count) {
        const size_t left = count - done, piece = snapshots->unhurried && left > PIECE_BYTES ? PIECE_BYTES : left;
        const uint64_t begun_ns = now_ns(snapshots);
        const int64_t got = stopping(snapshots)
                                ? -ECANCELED
                                : disk->read(disk->context, file, (uint8_t *)bytes + done, piece, offset + done);
        if (got < 0)
            return got;
        rest(snapshots, begun_ns);
        done += (size_t)got;
        if ((size_t)got < piece)
            break;
    }
    return (int64_t)done;
}

static int write_or_leave(void *context, int file, const void *bytes, size_t count, uint64_t offset)
{
    const struct pit_snapshots *snapshots = context;
    const struct pit_disk *disk = snapshots->disk.under;
    return stopping(snapshots) ? -ECANCELED : disk->write(disk->context, file, bytes, count, offset);
}

static int sync_and_rest(void *context, int file)
{
    const struct pit_snapshots *snapshots = context;
    const struct pit_disk *disk = snapshots->disk.under;
    const uint64_t begun_ns = now_ns(snapshots);
    const int code = disk->sync(disk->context, file);
    rest(snapshots, begun_ns);
    return code;
}

/* What is told. */

static void set(uint64_t *word, uint64_t value)
{
    pit_word_store_relaxed(word, value);
}

static void warn(struct pit_snapshots *snapshots, const char *text, const char *then)
{
    set(&snapshots->figures.failed, snapshots->figures.failed + 1);
    if (pit_sequence_load(&snapshots->heard) != snapshots->warned.value)
        return; /* the last one was not heard yet */
    snprintf(snapshots->warning, sizeof snapshots->warning, "snapshots: warning: %.800s. %s", text, then);
    pit_sequence_store(&snapshots->warned, snapshots->warned.value + 1);
}

static void warn_of_file(void *context, const char *text)
{
    warn(context, text, "An older one is used, or none");
}

/* The replica. */

static void drop_replica(struct pit_snapshots *snapshots)
{
    pit_follower_close(snapshots->follower);
    pit_arena_destroy(snapshots->arena);
    pit_results_destroy(snapshots->results);
    free(snapshots->past);
    snapshots->follower = NULL;
    snapshots->arena = NULL;
    snapshots->past = NULL;
    snapshots->results = NULL;
    snapshots->goal = snapshots->until = snapshots->applied = 0;
}

/* Throws the replica away: begun anew later, or never. */
static void give_up(struct pit_snapshots *snapshots, const struct pit_error *error)
{
    const bool differs = error->code == -EILSEQ;
    drop_replica(snapshots);
    if (error->code == -ECANCELED)
        return; /* the pipeline stops */
    snapshots->retry_ns = differs ? NEVER : now_ns(snapshots) + RETRY_NS;
    warn(snapshots, error->text,
         differs ? "There will be no more snapshots until the next start; please report it"
                 : "Orders are taken as ever; snapshots are tried again in a minute");
}

static int make_books(struct pit_snapshots *snapshots, struct pit_error *error)
{
    const struct pit_arena_options options = {.name = "books of the replica", .node = PIT_ARENA_NODE_ANY};
    int code = pit_arena_create(&snapshots->arena, &options, error);
    if (code)
        return code;
    const struct pit_reserve reserve = pit_arena_reserve(snapshots->arena);
    snapshots->market = pit_market_create(&reserve);
    uint64_t secret;
    code = snapshots->config.disk->random(snapshots->config.disk->context, &secret, sizeof secret);
    if (code)
        return pit_error_set(error, code, "no random numbers: %s", strerror(-code));
    pit_market_keep_secret(snapshots->market, secret);
    snapshots->past = calloc(PIT_SYMBOLS_MAX, sizeof *snapshots->past);
    return snapshots->past ? pit_results_create(&snapshots->results, 0, error)
                           : pit_error_set(error, -ENOMEM, "no memory for %u symbols", PIT_SYMBOLS_MAX);
}

static size_t room(void *context)
{
    const struct pit_snapshots *snapshots = context;
    return pit_arena_room(snapshots->arena);
}

/* Fills the books from the newest good snapshot of at most that sequence. from->sequence 0: there is none. */
static int load(struct pit_snapshots *snapshots, uint64_t at_most, struct pit_snapshot_header *from,
                struct pit_error *error)
{
    const struct pit_disk *disk = &snapshots->disk.disk;
    const char *directory = snapshots->config.directory;
    int code =
        pit_snapshot_newest(disk, directory, snapshots->journal_id, at_most, warn_of_file, snapshots, from, error);
    if (code == -ENOENT) {
        *from = (struct pit_snapshot_header){0};
        return 0;
    }
    if (code)
        return code;
    const struct pit_snapshot_target target = {.markets = &snapshots->market,
                                               .markets_count = 1,
                                               .room = room,
                                               .room_context = snapshots,
                                               .past = snapshots->past,
                                               .results = snapshots->results};
    return pit_snapshot_load(disk, directory, from->sequence, &target, from, error);
}

static int begin_replica(struct pit_snapshots *snapshots, struct pit_error *error)
{
    const char *directory = snapshots->config.directory;
    struct pit_snapshot_header from;
    int code = pit_snapshot_journal_id(&snapshots->disk.disk, directory, snapshots->journal_id, error);
    if (code == 0)
        code = make_books(snapshots, error);
    /* What the pipeline itself passed over at its start is not of use here either; with none it had the whole. */
    if (code == 0)
        code = load(snapshots, snapshots->last, &from, error);
    if (code == 0)
        code = pit_follower_open(&snapshots->follower, &snapshots->disk.disk, directory, snapshots->market,
                                 snapshots->past, snapshots->results, from.sequence ? &from : NULL,
                                 snapshots->config.direct, error);
    if (code)
        return code;
    snapshots->applied = from.sequence;
    set(&snapshots->figures.applied, from.sequence);
    return 0;
}

static uint32_t begin(struct pit_snapshots *snapshots)
{
    struct pit_error error = {0};
    if (snapshots->retry_ns && (snapshots->retry_ns == NEVER || now_ns(snapshots) < snapshots->retry_ns))
        return 0;
    if (begin_replica(snapshots, &error))
        give_up(snapshots, &error);
    return 1;
}

/* Goes on towards a sequence. */
static uint32_t follow(struct pit_snapshots *snapshots, uint64_t until)
{
    struct pit_error error = {0};
    const int64_t done = pit_follower_step(snapshots->follower, until, TURN_COMMANDS, &error);
    if (done < 0) {
        give_up(snapshots, &error);
        return 1;
    }
    struct pit_snapshot_header position;
    pit_follower_position(snapshots->follower, &position);
    snapshots->applied = position.sequence;
    set(&snapshots->figures.applied, position.sequence);
    set(&snapshots->figures.memory, pit_arena_statistics(snapshots->arena).bytes_mapped);
    return (uint32_t)done;
}

/* Old segments. */

/* Segments before the oldest snapshot that is kept are old, if it is good. */
static int find_old(struct pit_snapshots *snapshots, uint64_t oldest, struct pit_error *error)
{
    struct pit_snapshot_header header;
    if (oldest == 0 || snapshots->config.plan.old_segments == PIT_OLD_SEGMENTS_KEEP)
        return 0;
    int code = pit_snapshot_check(&snapshots->disk.disk, snapshots->config.directory, oldest, &header, error);
    if (code)
        return code;
    if (memcmp(header.journal_id, snapshots->journal_id, sizeof header.journal_id) != 0)
        return pit_error_set(error, -EBADMSG, "%s: the snapshot of sequence %lu is of another journal",
                             snapshots->config.directory, oldest);
    snapshots->old = header.block;
    return 0;
}

/* What another node is going to need is not removed. */
static uint64_t not_held(const struct pit_snapshots *snapshots)
{
    const uint64_t hold = snapshots->config.hold ? pit_sequence_load(snapshots->config.hold) : 0;
    const bool removes = snapshots->config.plan.old_segments == PIT_OLD_SEGMENTS_REMOVE;
    return removes && hold && hold < snapshots->old ? hold : snapshots->old;
}

/* Compresses or removes one of them. */
static void retire_segment(struct pit_snapshots *snapshots)
{
    struct pit_error error = {0};
    snapshots->unhurried = true;
    const int code = pit_retention_step(&snapshots->disk.disk, snapshots->config.directory,
                                        snapshots->config.plan.old_segments, not_held(snapshots), &error);
    snapshots->unhurried = false;
    if (code == 1)
        set(&snapshots->figures.segments, snapshots->figures.segments + 1);
    else
        snapshots->old = 0;
    if (code < 0 && code != -ECANCELED)
        warn(snapshots, error.text, "It stays; it is tried again after the next snapshot");
}

/* Snapshots. */

static void count_snapshot(struct pit_snapshots *snapshots, const struct pit_snapshot_header *header, uint64_t took_ns)
{
    struct pit_snapshots_figures *figures = &snapshots->figures;
    set(&figures->sequence, header->sequence);
    set(&figures->created_ns, header->created_ns);
    set(&figures->bytes, header->bytes);
    set(&figures->took_ns, took_ns);
    set(&figures->written, figures->written + 1);
}

static void write_snapshot(struct pit_snapshots *snapshots)
{
    const struct pit_disk *disk = &snapshots->disk.disk;
    const char *directory = snapshots->config.directory;
    struct pit_snapshot_header header;
    struct pit_error error = {0};
    const uint64_t begun_ns = now_ns(snapshots);
    snapshots->goal = 0;
    snapshots->last = snapshots->applied;
    pit_follower_position(snapshots->follower, &header);
    memcpy(header.journal_id, snapshots->journal_id, sizeof header.journal_id);
    int code = pit_snapshot_write(disk, directory, &snapshots->market, 1, snapshots->past, snapshots->results, &header,
                                  &error);
    snapshots->last_ns = now_ns(snapshots);
    if (code == 0) {
        uint64_t oldest, removed;
        count_snapshot(snapshots, &header, snapshots->last_ns - begun_ns);
        code = pit_snapshot_prune_below(disk, directory, header.sequence, snapshots->config.plan.keep, &oldest,
                                        &removed, &error);
        if (code == 0)
            code = find_old(snapshots, oldest, &error);
    }
    if (code && code != -ECANCELED)
        warn(snapshots, error.text, "Orders are taken as ever; the next snapshot is tried when it is due");
}

/* What the replica has read is on the disk: it would be there after a loss of power. */
static bool stands(const struct pit_snapshots *snapshots)
{
    return pit_follower_block(snapshots->follower) <= pit_journal_stored(snapshots->config.journal);
}

/* Is one due, and where? */
static void set_goal(struct pit_snapshots *snapshots, uint64_t durable)
{
    const struct pit_snapshots_plan *plan = &snapshots->config.plan;
    const uint64_t asked = pit_sequence_load(&snapshots->asked);
    const uint64_t multiple = plan->every ? durable / plan->every * plan->every : 0;
    if (multiple > snapshots->last && multiple >= snapshots->applied)
        snapshots->goal = multiple;
    else if (plan->seconds && durable > snapshots->last &&
             now_ns(snapshots) - snapshots->last_ns >= plan->seconds * UINT64_C(1000000000))
        snapshots->goal = durable;
    else if (asked > snapshots->last && durable >= asked)
        snapshots->goal = durable;
}

static uint32_t do_work(void *state)
{
    struct pit_snapshots *snapshots = state;
    if (pit_control_phase(snapshots->config.control) != PIT_PHASE_RUN)
        return 0; /* what is left to do is for the others */
    if (!snapshots->follower)
        return begin(snapshots);
    const uint64_t durable = pit_sequence_load(snapshots->config.durable);
    if (!snapshots->goal)
        set_goal(snapshots, durable);
    if (snapshots->goal && snapshots->applied == snapshots->goal) {
        if (!stands(snapshots))
            return 0;
        write_snapshot(snapshots);
        return 1;
    }
    if (snapshots->goal)
        return follow(snapshots, snapshots->goal);
    if (snapshots->applied >= snapshots->until && durable - snapshots->applied >= LUMP_COMMANDS)
        snapshots->until = durable;
    if (snapshots->applied < snapshots->until)
        return follow(snapshots, snapshots->until);
    if (!snapshots->old)
        return 0;
    retire_segment(snapshots);
    return 1;
}

static void close_replica(void *state)
{
    drop_replica(state);
}

/* The functions of the header. */

int pit_snapshots_create(struct pit_snapshots **result, const struct pit_snapshots_config *config,
                         struct pit_error *error)
{
    if (config->plan.every == 0 && config->plan.seconds == 0)
        return pit_error_set(error, -EINVAL, "snapshots are due neither by count nor by time");
    struct pit_snapshots *snapshots = aligned_alloc(PIT_SEQUENCE_BYTES, sizeof *snapshots);
    if (!snapshots)
        return pit_error_set(error, -ENOMEM, "no memory for snapshots");
    memset(snapshots, 0, sizeof *snapshots);
    snapshots->config = *config;
    if (snapshots->config.plan.keep == 0)
        snapshots->config.plan.keep = PIT_SNAPSHOTS_KEEP_DEFAULT;
    pit_disk_layer_init(&snapshots->disk, config->disk);
    snapshots->disk.disk.read = read_or_leave;
    snapshots->disk.disk.write = write_or_leave;
    snapshots->disk.disk.sync = sync_and_rest;
    snapshots->last = config->begun_with;
    snapshots->last_ns = now_ns(snapshots);
    snapshots->figures.sequence = config->begun_with;
    snapshots->figures.created_ns = config->begun_with_ns;
    *result = snapshots;
    return 0;
}

struct pit_agent pit_snapshots_agent(struct pit_snapshots *snapshots)
{
    return (struct pit_agent){.name = "snapshots", .state = snapshots, .do_work = do_work, .close = close_replica};
}

void pit_snapshots_ask(struct pit_snapshots *snapshots, uint64_t sequence)
{
    if (sequence > snapshots->asked.value)
        pit_sequence_store(&snapshots->asked, sequence);
}

struct pit_snapshots_figures pit_snapshots_figures(const struct pit_snapshots *snapshots)
{
    const struct pit_snapshots_figures *words = &snapshots->figures;
    return (struct pit_snapshots_figures){
        .sequence = pit_word_load_relaxed(&words->sequence),
        .created_ns = pit_word_load_relaxed(&words->created_ns),
        .bytes = pit_word_load_relaxed(&words->bytes),
        .took_ns = pit_word_load_relaxed(&words->took_ns),
        .applied = pit_word_load_relaxed(&words->applied),
        .written = pit_word_load_relaxed(&words->written),
        .failed = pit_word_load_relaxed(&words->failed),
        .segments = pit_word_load_relaxed(&words->segments),
        .memory = pit_word_load_relaxed(&words->memory),
    };
}

bool pit_snapshots_warning(struct pit_snapshots *snapshots, char text[PIT_SNAPSHOTS_WARNING_BYTES])
{
    const uint64_t warned = pit_sequence_load(&snapshots->warned);
    if (warned == snapshots->heard.value)
        return false;
    memcpy(text, snapshots->warning, PIT_SNAPSHOTS_WARNING_BYTES);
    pit_sequence_store(&snapshots->heard, warned);
    return true;
}

void pit_snapshots_destroy(struct pit_snapshots *snapshots)
{
    if (!snapshots)
        return;
    drop_replica(snapshots);
    free(snapshots);
}
