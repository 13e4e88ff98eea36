/* replay/install_build.c - a journal and a snapshot of it, made from a stream that was received.
 *
 * It may be a long time since it was received. Its hash is looked at again, with its front as it stands in memory: what
 * is used was looked at, whatever another look at the disk would show; the snapshot has a hash of its own. So it is
 * what the other node sent. What that sent is looked at all the same, before the log is asked to write anything of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/block.h"
#include "journal/disk_layer.h"
#include "journal/log_image.h"
#include "journal/snapshot.h"
#include "memory/arena.h"
#include "replay/install_parts.h"

/* The part of an open file that is a snapshot, as a disk on which every file is that one. */
struct slice {
    struct pit_disk_layer layer; /* first */
    int file;
    uint64_t from, bytes;
};

struct build {
    const struct pit_disk *disk;
    char directory[PIT_JOURNAL_PATH_BYTES]; /* of what is made */
    int file;
    const struct pit_install_offer *offer;
    struct pit_install_head head;
    uint8_t *members, *entry;          /* one block; entry is aligned as a record's payload */
    uint64_t command, command_time_ns; /* digest and time of the snapshot's last command, as the entry has it */
    struct pit_arena *arena;
    struct pit_market *market;
    struct pit_snapshot_past *past;
    struct pit_results *results;
    struct pit_snapshot_header snapshot;
};

static int slice_open(void *context, const char *path, uint32_t flags)
{
    const struct slice *slice = context;
    (void)path, (void)flags;
    return slice->file;
}

static int slice_close(void *context, int file)
{
    (void)context, (void)file;
    return 0;
}

static int64_t slice_read(void *context, int file, void *bytes, size_t count, uint64_t offset)
{
    const struct slice *slice = context;
    const struct pit_disk *under = slice->layer.under;
    if (offset >= slice->bytes)
        return 0;
    const uint64_t left = slice->bytes - offset;
    return under->read(under->context, file, bytes, count < left ? count : (size_t)left, slice->from + offset);
}

static int64_t slice_size(void *context, int file)
{
    const struct slice *slice = context;
    (void)file;
    return (int64_t)slice->bytes;
}

/* What is wrong with the stream. */
static int useless(const struct build *build, const char *wrong, struct pit_error *error)
{
    return pit_error_set(error, -EBADMSG, "the snapshot of sequence %lu that another node sent is of no use: %s",
                         build->offer->sequence, wrong);
}

const char *pit_install_head_check(const struct pit_install_head *head, const struct pit_install_offer *offer)
{
    if (head->magic != PIT_INSTALL_HEAD_MAGIC)
        return "it does not begin as one";
    if (head->sequence != offer->sequence || head->index != offer->index || head->term != offer->term)
        return "it is another one than was offered";
    if (head->sequence == 0 || head->index < 2 || head->previous_term == 0 || head->previous_term > head->term ||
        head->first_sequence == 0 || head->first_sequence > head->sequence)
        return "its place in the log cannot be";
    if (head->members_bytes == 0 || head->members_bytes > PIT_LOG_MEMBERS_BYTES_MAX || head->members_bytes % 8 != 0 ||
        head->entry_bytes == 0 || head->entry_bytes > PIT_LOG_ENTRY_BYTES_MAX || head->entry_bytes % 64 != 0)
        return "its parts have lengths that cannot be";
    if (head->snapshot_bytes > PIT_INSTALL_BYTES_MAX ||
        offer->bytes != sizeof *head + head->members_bytes + head->entry_bytes + head->snapshot_bytes)
        return "its length is not that of its parts";
    return NULL;
}

/* The entry must be commands with sequences from first_sequence on, and have the snapshot's last among them. */
static const char *look_at_entry(struct build *build)
{
    const struct pit_install_head *head = &build->head;
    uint64_t sequence = head->first_sequence;
    for (uint32_t at = 0; at < head->entry_bytes; sequence++) {
        const struct pit_command *command = (const struct pit_command *)(build->entry + at);
        const size_t bytes = pit_command_bytes(command);
        if (command->sequence != sequence || bytes > head->entry_bytes - at)
            return "its entry is no row of commands";
        if (sequence == head->sequence) {
            build->command = pit_snapshot_command_digest(command);
            build->command_time_ns = command->time_ns;
        }
        at += (uint32_t)bytes;
    }
    return sequence > head->sequence ? NULL : "its entry does not have the snapshot's last command";
}

static int check_stream(const struct build *build)
{
    const struct pit_install_head *head = &build->head;
    XXH3_state_t hash __attribute__((aligned(64)));
    XXH3_64bits_reset(&hash);
    XXH3_64bits_update(&hash, head, sizeof *head);
    XXH3_64bits_update(&hash, build->members, head->members_bytes);
    XXH3_64bits_update(&hash, build->entry, head->entry_bytes);
    return pit_install_check(build->disk, build->file, build->offer, &hash, build->offer->bytes - head->snapshot_bytes);
}

static int read_front(struct build *build, struct pit_error *error)
{
    const uint64_t from = PIT_INSTALL_PAGE_BYTES;
    const struct pit_disk *disk = build->disk;
    int code = pit_install_read(disk, build->file, &build->head, sizeof build->head, from);
    if (code)
        return pit_error_set(error, code, "cannot read the snapshot that was received: %s", strerror(-code));
    const char *wrong = pit_install_head_check(&build->head, build->offer);
    if (wrong)
        return useless(build, wrong, error);
    const size_t members_room = (build->head.members_bytes + 63u) & ~(size_t)63;
    build->members = aligned_alloc(64, members_room + build->head.entry_bytes);
    if (!build->members)
        return pit_error_set(error, -ENOMEM, "no memory to install a snapshot");
    build->entry = build->members + members_room;
    code = pit_install_read(disk, build->file, build->members, build->head.members_bytes, from + sizeof build->head);
    if (code == 0)
        code = pit_install_read(disk, build->file, build->entry, build->head.entry_bytes,
                                from + sizeof build->head + build->head.members_bytes);
    if (code == 0)
        code = check_stream(build);
    if (code == -EBADMSG)
        return useless(build, "it was damaged since it was received", error);
    if (code)
        return pit_error_set(error, code, "cannot read the snapshot that was received: %s", strerror(-code));
    wrong = look_at_entry(build);
    return wrong ? useless(build, wrong, error) : 0;
}

/* The state, whose digest is compared with the one written down. */

static size_t room(void *context)
{
    const struct build *build = context;
    return pit_arena_room(build->arena);
}

static int make_books(struct build *build, struct pit_error *error)
{
    const struct pit_arena_options options = {.name = "books of a snapshot", .node = PIT_ARENA_NODE_ANY};
    const int code = pit_arena_create(&build->arena, &options, error);
    if (code)
        return code;
    const struct pit_reserve reserve = pit_arena_reserve(build->arena);
    build->market = pit_market_create(&reserve);
    build->past = calloc(PIT_SYMBOLS_MAX, sizeof *build->past);
    return build->past ? pit_results_create(&build->results, 0, error)
                       : pit_error_set(error, -ENOMEM, "no memory to install a snapshot");
}

static int load_state(struct build *build, struct pit_error *error)
{
    struct slice slice = {.file = build->file,
                          .from = PIT_INSTALL_PAGE_BYTES + build->offer->bytes - build->head.snapshot_bytes,
                          .bytes = build->head.snapshot_bytes};
    pit_disk_layer_init(&slice.layer, build->disk);
    slice.layer.disk.open = slice_open;
    slice.layer.disk.close = slice_close;
    slice.layer.disk.read = slice_read;
    slice.layer.disk.size = slice_size;
    const struct pit_snapshot_target target = {.markets = &build->market,
                                               .markets_count = 1,
                                               .room = room,
                                               .room_context = build,
                                               .past = build->past,
                                               .results = build->results};
    int code = pit_snapshot_load(&slice.layer.disk, build->directory, build->offer->sequence, &target, &build->snapshot,
                                 error);
    if (code == 0 && build->snapshot.command != build->command)
        code = useless(build, "its last command is not the one in its entry", error);
    return code;
}

/* The log: it begins after the entry before, and has the one. */

static void give_way(void *context)
{
    struct pit_log **log = context;
    pit_journal_prepare_work(pit_log_journal(*log));
    pit_journal_disk_work(pit_log_journal(*log));
}

static int write_log(const struct build *build, struct pit_log **log, uint64_t term, uint64_t vote)
{
    const struct pit_install_head *head = &build->head;
    const struct pit_log_base base = {.index = head->index - 1, .term = head->previous_term};
    const struct pit_log_entry entry = {.index = head->index,
                                        .term = head->term,
                                        .kind = PIT_LOG_COMMANDS,
                                        .bytes = head->entry_bytes,
                                        .payload = build->entry};
    int code = pit_log_begin_at(*log, term, vote, base, head->first_sequence, build->members, head->members_bytes);
    if (code == 0)
        code = pit_log_append(*log, 1, &entry, 1);
    int64_t durable = code;
    while (durable == 0 && (durable = pit_log_durable(*log)) == 0)
        give_way(log);
    if (durable < 0)
        return (int)durable;
    pit_log_committed(*log, head->index);
    return pit_log_keep_vote(*log, term, vote); /* the same again: behind it stands what is committed */
}

static int make_log(const struct build *build, uint64_t term, uint64_t vote, uint64_t segment_bytes,
                    struct pit_error *error)
{
    struct pit_log *log = NULL;
    const struct pit_log_options options = {
        .directory = build->directory, .segment_bytes = segment_bytes, .wait = give_way, .wait_context = &log};
    int code = pit_log_open(&log, build->disk, &options, error);
    if (code)
        return code;
    code = write_log(build, &log, term, vote);
    struct pit_error why;
    if (code && pit_log_failed(log, &why))
        pit_error_set(error, code, "%s", why.text);
    else if (code)
        pit_error_set(error, code, "cannot write the log in %s: %s", build->directory, strerror(-code));
    pit_log_close(log);
    return code;
}

/* Which block of the new journal has the entry. */
static int find_block(const struct build *build, uint64_t *block, struct pit_error *error)
{
    struct pit_log_image image = {0};
    struct pit_journal_end end;
    int code = pit_log_image_open(&image, build->disk, build->directory, PIT_LOG_KEEP_ALL, &end, error);
    const struct pit_log_held *held = code ? NULL : pit_log_image_first(&image);
    if (held && held->entry.index == build->head.index && image.last == build->head.index)
        *block = held->block;
    else if (code == 0)
        code = pit_error_set(error, -EIO, "the log just written in %s does not read back: it ends at index %lu",
                             build->directory, image.last);
    pit_log_image_free(&image);
    return code;
}

static int make(struct build *build, uint64_t term, uint64_t vote, uint64_t segment_bytes, struct pit_error *error)
{
    int code = read_front(build, error);
    if (code == 0)
        code = make_books(build, error);
    if (code == 0)
        code = load_state(build, error);
    if (code == 0)
        code = make_log(build, term, vote, segment_bytes, error);
    if (code == 0)
        code = find_block(build, &build->snapshot.block, error);
    if (code == 0)
        code = pit_snapshot_journal_id(build->disk, build->directory, build->snapshot.journal_id, error);
    if (code)
        return code;
    return pit_snapshot_write(build->disk, build->directory, &build->market, 1, build->past, build->results,
                              &build->snapshot, error);
}

int pit_install_build(const struct pit_disk *disk, const char *directory, int file,
                      const struct pit_install_offer *offer, uint64_t term, uint64_t vote, uint64_t segment_bytes,
                      struct pit_error *error)
{
    struct build build = {.disk = disk, .file = file, .offer = offer};
    if (!pit_journal_path(build.directory, directory, PIT_INSTALL_DIRECTORY))
        return pit_error_set(error, -ENAMETOOLONG, "the directory's name is too long: %s", directory);
    const int code = make(&build, term, vote, segment_bytes, error);
    pit_arena_destroy(build.arena);
    pit_results_destroy(build.results);
    free(build.past);
    free(build.members);
    return code;
}
