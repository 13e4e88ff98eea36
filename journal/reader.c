#include "journal/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/block.h"
#include "journal/log_anchors.h"
#include "journal/log_view.h"
#include "journal/tail.h"
#include "journal/unpack.h"

#define WINDOW_BYTES ((size_t)8 << 20)   /* one read; large enough that the disk streams */
#define BESIDE_BYTES ((size_t)256 << 10) /* one read beside the writer; small enough that it hardly waits behind it */
#define DOUBT_NS UINT64_C(50000000)      /* how long damage is doubted: a live journal's block may be half written */

struct pit_journal_reader {
    struct pit_unpack unpack;
    const struct pit_disk *disk; /* on which compressed segments look like others */
    char directory[PIT_JOURNAL_PATH_BYTES];

    uint64_t *segments; /* first block numbers of the files that exist, rising */
    uint32_t segments_count;

    uint32_t current; /* which of segments is open; valid when file >= 0 */
    int file;
    uint64_t segment_bytes;
    uint64_t offset;                /* where the next block starts */
    uint64_t block_offset;          /* where the last one starts; 0 = none in this segment */
    struct pit_journal_place place; /* what it must be */
    uint64_t first_block;           /* of what is read */
    uint64_t first_sequence;
    uint8_t journal_id[16];
    uint64_t time_ns;

    size_t read_bytes;   /* in one go, if not more is needed */
    uint32_t open_flags; /* of segments */
    uint8_t *window;
    uint64_t window_offset;
    uint64_t window_filled;
    uint8_t *scratch; /* one block */

    const uint8_t *block; /* the block being handed out */
    uint32_t block_at;
    uint32_t block_used;
    uint64_t block_number;

    bool raw;                  /* a cluster's log is given out as it stands, */
    bool from_first;           /* and is to begin with the first command */
    struct pit_log_view *view; /* otherwise as this has it; NULL until it is known to be one */
    bool ended;
    bool doubted; /* damage was seen here: look again before saying so */
    uint64_t doubted_first_ns;
    uint64_t doubted_last_ns;
    uint64_t torn_bytes;
    uint64_t missing_bytes;
    uint64_t bytes_before; /* of the segments before the current one */
    uint64_t bytes_total;
};

/* The list of segments. */

/* Lists the directory again; the open segment keeps its place. *changed: the list differs. */
static int list_segments(struct pit_journal_reader *reader, bool *changed, struct pit_error *error)
{
    uint32_t count_before = reader->segments_count;
    uint64_t last_before = count_before ? reader->segments[count_before - 1] : 0;
    uint64_t open_number = reader->file >= 0 ? reader->segments[reader->current] : 0;
    uint64_t *numbers;
    int64_t count = pit_journal_segments(reader->disk, reader->directory, &numbers);
    if (count < 0)
        return pit_error_set(error, (int)count, "%s: cannot list the journal's directory: %s", reader->directory,
                             strerror((int)-count));
    free(reader->segments);
    reader->segments = numbers;
    reader->segments_count = (uint32_t)count;
    *changed =
        reader->segments_count != count_before || (count_before && reader->segments[count_before - 1] != last_before);
    if (open_number) {
        uint32_t place = 0;
        while (place < reader->segments_count && reader->segments[place] != open_number)
            place++;
        if (place == reader->segments_count)
            return pit_error_set(error, -EAGAIN, "%s: segment %020lu.journal was removed while it was being read",
                                 reader->directory, open_number);
        reader->current = place;
    }
    return 0;
}

static int open_file(const struct pit_journal_reader *reader, uint64_t number, struct pit_error *error)
{
    char name[PIT_JOURNAL_NAME_BYTES];
    char path[PIT_JOURNAL_PATH_BYTES];
    pit_journal_segment_name(name, number);
    if (!pit_journal_path(path, reader->directory, name))
        return pit_error_set(error, -ENAMETOOLONG, "%s: the directory's name is too long", reader->directory);
    int file = reader->disk->open(reader->disk->context, path, reader->open_flags);
    if (file == -EINVAL && (reader->open_flags & PIT_DISK_BYPASS))
        file = reader->disk->open(reader->disk->context, path, PIT_DISK_READ);
    if (file == -ENOENT) /* not the same as no journal */
        return pit_error_set(error, -EAGAIN, "%s: removed while it was about to be read", path);
    if (file == -EBADMSG)
        return pit_error_set(error, file,
                             "%s" PIT_COMPRESSED_END ": damaged: the table at its end is not one. Nothing was changed. "
                             "Restore this file from a copy or from a replica",
                             path);
    if (file < 0)
        return pit_error_set(error, file, "%s: cannot open: %s", path, strerror(-file));
    return file;
}

static int read_failed(const struct pit_journal_reader *reader, uint64_t number, uint64_t offset, int code,
                       struct pit_error *error)
{
    if (code == -EBADMSG)
        return pit_error_set(error, code,
                             "%s/%020lu.journal" PIT_COMPRESSED_END
                             ": damaged: what stands there for offset %lu of the segment cannot be unpacked. Nothing "
                             "was changed. Restore this file from a copy or from a replica",
                             reader->directory, number, offset);
    return pit_error_set(error, code,
                         "%s/%020lu.journal: cannot read at offset %lu: %s. If the disk is failing, restore the file "
                         "from a copy or a replica",
                         reader->directory, number, offset, strerror(-code));
}

/* Damage. */

/* To cut a node's log is no way out: it may have voted, and acknowledged, what would be cut off. */
#define LOG_DAMAGED                                                                                                    \
    "This log of a cluster's node is damaged; nothing was changed. Restore the file from a copy made after the node "  \
    "had stopped, or put the directory away and let the node get everything from the others (rejoin)"

static bool of_log(const struct pit_journal_reader *reader)
{
    return reader->raw || reader->place.sort == PIT_JOURNAL_SORT_LOG;
}

/* The open segment does not go on at offset, and found says why that is not the journal's end. missing: there may
 * have been one more segment after it. */
static int damaged_block(const struct pit_journal_reader *reader, const char *wrong, const char *found, bool missing,
                         struct pit_error *error)
{
    const char *directory = reader->directory;
    uint64_t number = reader->segments[reader->current];
    if (of_log(reader))
        return pit_error_set(error, -EBADMSG,
                             "%s/%020lu.journal, offset %lu: %s (block %lu was expected), yet %s. " LOG_DAMAGED,
                             directory, number, reader->offset, wrong, reader->place.number, found);
    return pit_error_set(
        error, -EBADMSG,
        "%s/%020lu.journal, offset %lu: %s (block %lu was expected), yet %s. The journal is damaged; nothing was "
        "changed. Restore %s from a copy or from a replica. To go on knowingly without the commands "
        "after sequence %lu: keep a copy of the directory, cut this file (truncate -s %lu) and remove the segments "
        "after it",
        directory, number, reader->offset, wrong, reader->place.number, found,
        missing ? "this file, or the missing one," : "this file", reader->place.sequence - 1, reader->offset);
}

/* Segment number cannot be read at all, and found says why it is not one that was just being begun. */
static int damaged_segment(const struct pit_journal_reader *reader, uint64_t number, int code, const char *wrong,
                           const char *found, struct pit_error *error)
{
    if (of_log(reader) && code == -EBADMSG)
        return pit_error_set(error, code, "%s/%020lu.journal, offset 0: %s%s%s. " LOG_DAMAGED, reader->directory,
                             number, wrong, *found ? ", yet " : "", found);
    return pit_error_set(
        error, code,
        "%s/%020lu.journal, offset 0: %s%s%s. The journal cannot be read from here on; nothing was changed. Restore "
        "this file from a copy or from a replica. To go on knowingly without the commands after sequence %lu: keep a "
        "copy of the directory, then remove this segment and those after it",
        reader->directory, number, wrong, *found ? ", yet " : "", found, reader->place.sequence - 1);
}

/* Reading blocks. */

/* Makes the bytes at offset available, as many as there are up to need. Returns how many, or negative. */
static int64_t window_at(struct pit_journal_reader *reader, uint64_t offset, uint64_t need, const uint8_t **bytes)
{
    uint64_t end = reader->window_offset + reader->window_filled;
    if (offset < reader->window_offset || offset + need > end) {
        const size_t count = need > reader->read_bytes ? (size_t)need : reader->read_bytes;
        int64_t got = reader->disk->read(reader->disk->context, reader->file, reader->window, count, offset);
        if (got < 0)
            return got;
        reader->window_offset = offset;
        reader->window_filled = (uint64_t)got;
    }
    uint64_t have = reader->window_filled - (offset - reader->window_offset);
    *bytes = reader->window + (offset - reader->window_offset);
    return (int64_t)(have < need ? have : need);
}

/* The same, zeros standing for what the file is too short to have. 0: nothing is there at all. */
static int64_t window_padded(struct pit_journal_reader *reader, uint64_t offset, uint64_t need, const uint8_t **bytes)
{
    int64_t have = window_at(reader, offset, need, bytes);
    if (have <= 0 || (uint64_t)have == need)
        return have;
    memset(reader->window + have, 0, need - (uint64_t)have); /* too little was there, so the window begins at offset */
    return (int64_t)need;
}

static void window_forget(struct pit_journal_reader *reader)
{
    reader->window_offset = 0;
    reader->window_filled = 0;
}

/* Tries to enter the block at offset. 1: entered; 0: there is none, *wrong says why; negative: cannot read. */
static int enter_block(struct pit_journal_reader *reader, const char **wrong)
{
    const uint8_t *bytes = NULL;
    uint64_t room = reader->segment_bytes - reader->offset;
    if (room < PIT_JOURNAL_PAGE_BYTES) {
        *wrong = "the segment is full";
        return 0;
    }
    int64_t have = window_padded(reader, reader->offset, PIT_JOURNAL_PAGE_BYTES, &bytes);
    if (have < 0)
        return (int)have;
    if ((uint64_t)have == PIT_JOURNAL_PAGE_BYTES) {
        uint32_t claims = pit_journal_block_claims(bytes, reader->place.journal_id, room);
        if (claims)
            have = window_padded(reader, reader->offset, claims, &bytes);
        if (have < 0)
            return (int)have;
    }
    uint64_t time_ns = reader->time_ns;
    *wrong = pit_journal_block_check(bytes, (uint64_t)have, &reader->place, &time_ns);
    if (*wrong)
        return 0;
    const struct pit_journal_block_header *header = (const struct pit_journal_block_header *)bytes;
    reader->block = bytes;
    reader->block_at = sizeof *header;
    reader->block_used = header->used;
    reader->block_number = header->number;
    reader->place.sort = reader->place.sort ? reader->place.sort : pit_journal_block_sort(bytes);
    reader->time_ns = time_ns;
    reader->block_offset = reader->offset;
    reader->offset += header->bytes;
    reader->place.number++;
    reader->place.sequence += header->commands;
    reader->place.previous_crc = header->crc;
    reader->ended = false;
    reader->doubted = false;
    reader->torn_bytes = 0;
    reader->missing_bytes = 0;
    return 1;
}

/* Segments. */

/* Which of segments comes after the open one, or is the first to be read. */
static uint32_t following(const struct pit_journal_reader *reader)
{
    if (reader->file >= 0)
        return reader->current + 1;
    uint32_t place = 0;
    while (place < reader->segments_count && reader->segments[place] < reader->place.number)
        place++;
    return place;
}

static int64_t read_page(struct pit_journal_reader *reader, int file, uint64_t offset)
{
    int64_t got = reader->disk->read(reader->disk->context, file, reader->scratch, PIT_JOURNAL_PAGE_BYTES, offset);
    if (got >= 0)
        memset(reader->scratch + got, 0, PIT_JOURNAL_PAGE_BYTES - (size_t)got);
    return got;
}

/* A segment's header is whole: does it continue the journal? */
static const char *segment_place_check(const struct pit_journal_reader *reader,
                                       const struct pit_journal_segment_header *header, uint64_t number)
{
    if (header->first_block != number)
        return "the segment's header says another number than its name";
    if (reader->file >= 0 && memcmp(header->journal_id, reader->journal_id, sizeof reader->journal_id) != 0)
        return "the segment belongs to another journal";
    if (header->previous_crc != reader->place.previous_crc)
        return "the segment does not continue the segment before (the chain of checksums is broken)";
    if (header->first_sequence != reader->place.sequence)
        return "the segment's first sequence does not follow the segment before";
    return NULL;
}

static void switch_to(struct pit_journal_reader *reader, uint32_t place, int file,
                      const struct pit_journal_segment_header *header)
{
    if (reader->file >= 0) {
        reader->bytes_before += reader->segment_bytes;
        reader->disk->close(reader->disk->context, reader->file);
    }
    reader->file = file;
    reader->current = place;
    reader->segment_bytes = header->segment_bytes;
    reader->offset = PIT_JOURNAL_PAGE_BYTES;
    reader->block_offset = 0;
    memcpy(reader->journal_id, header->journal_id, sizeof reader->journal_id);
    reader->place.journal_id = pit_journal_id_half(reader->journal_id);
    reader->doubted = false;
    window_forget(reader);
}

/* A segment whose header page is not whole stands where the journal goes on: it was just being begun when everything
 * stopped, or it is damaged. The header is durable before the first block is written, so behind one that is not whole
 * there can only be zeros. 0: just begun, *extent is how far it reaches. */
static int judge_begun(struct pit_journal_reader *reader, int file, uint64_t number, const char *wrong,
                       uint64_t *extent, struct pit_error *error)
{
    struct pit_journal_tail tail;
    char found[160];
    window_forget(reader);
    int result = pit_journal_tail_scan(reader->disk, file, 0, reader->place.journal_id, reader->window, WINDOW_BYTES,
                                       reader->scratch, &tail);
    if (result < 0)
        return read_failed(reader, number, 0, result, error);
    *extent = tail.extent;
    if (tail.block_offset) {
        snprintf(found, sizeof found, "block %lu is whole at offset %lu", tail.block_number, tail.block_offset);
        return damaged_segment(reader, number, -EBADMSG, wrong, found, error);
    }
    if (tail.extent > PIT_JOURNAL_PAGE_BYTES) {
        snprintf(found, sizeof found, "there is data up to offset %lu, and nothing is written before the header is",
                 tail.extent);
        return damaged_segment(reader, number, -EBADMSG, wrong, found, error);
    }
    if (number != reader->segments[reader->segments_count - 1])
        return damaged_segment(reader, number, -EBADMSG, wrong, "other segments follow it", error);
    return 0;
}

/* Goes on in the next segment if it continues the journal. 1: switched; 0: there is none to go on in, *begun is how far
 * one reaches that was just being begun (0: there is none, or it is empty). */
static int enter_segment(struct pit_journal_reader *reader, uint64_t *begun, struct pit_error *error)
{
    uint32_t place = following(reader);
    *begun = 0;
    if (place >= reader->segments_count || reader->segments[place] != reader->place.number)
        return 0;
    uint64_t number = reader->segments[place];
    int file = open_file(reader, number, error);
    if (file < 0)
        return file;
    int64_t got = read_page(reader, file, 0);
    int result = 0;
    if (got < 0) {
        result = read_failed(reader, number, 0, (int)got, error);
    } else {
        struct pit_journal_segment_header header;
        bool whole;
        const char *wrong = pit_journal_segment_check(reader->scratch, &whole);
        memcpy(&header, reader->scratch, sizeof header);
        if (wrong && whole && header.version != PIT_JOURNAL_VERSION)
            result = pit_journal_other_version(reader->directory, number, header.version, error);
        else if (wrong && whole)
            result = damaged_segment(reader, number, -EBADMSG, wrong, "", error);
        else if (wrong)
            result = judge_begun(reader, file, number, wrong, begun, error);
        else if ((wrong = segment_place_check(reader, &header, number)))
            result = damaged_segment(reader, number, -EBADMSG, wrong, "", error);
        else
            result = 1;
        if (result == 1)
            switch_to(reader, place, file, &header);
    }
    if (result != 1)
        reader->disk->close(reader->disk->context, file);
    return result;
}

/* The end. */

#define FOUND_BYTES 240

/* Damage was seen: is it to be looked at again? A live journal may have grown between two looks, and a block that is
 * just being written may look like a damaged one. (A clock that stands still is a simulation's: two looks will do.) */
static bool doubt(struct pit_journal_reader *reader)
{
    uint64_t now = reader->disk->monotonic_ns(reader->disk->context);
    bool again = !reader->doubted || (now != reader->doubted_last_ns && now - reader->doubted_first_ns < DOUBT_NS);
    if (!reader->doubted)
        reader->doubted_first_ns = now;
    reader->doubted_last_ns = now;
    reader->doubted = true;
    return again;
}

/* Something stands where the next block would, within a block's length: found says why it is not an unfinished write,
 * or is empty. */
static int judge_torn(struct pit_journal_reader *reader, char found[FOUND_BYTES])
{
    uint64_t last;
    int64_t got = reader->disk->read(reader->disk->context, reader->file, reader->scratch, PIT_JOURNAL_BLOCK_BYTES_MAX,
                                     reader->offset);
    if (got < 0)
        return (int)got;
    size_t odd = (size_t)got % PIT_JOURNAL_PAGE_BYTES;
    memset(reader->scratch + got, 0, odd ? PIT_JOURNAL_PAGE_BYTES - odd : 0);
    const char *against = pit_journal_tail_unfinished(reader->scratch, (size_t)got, &reader->place, &last);
    if (against && last)
        snprintf(found, FOUND_BYTES, "%s: sequences %lu to %lu are at stake", against, reader->place.sequence, last);
    else if (against)
        snprintf(found, FOUND_BYTES, "%s: sequences from %lu on are at stake", against, reader->place.sequence);
    return 0;
}

/* What stands after the last block of the open segment: *torn bytes of an unfinished write, or found says what else. */
static int judge_rest(struct pit_journal_reader *reader, uint64_t *torn, char found[FOUND_BYTES])
{
    struct pit_journal_tail tail;
    window_forget(reader);
    int result = pit_journal_tail_scan(reader->disk, reader->file, reader->offset, reader->place.journal_id,
                                       reader->window, WINDOW_BYTES, reader->scratch, &tail);
    if (result < 0)
        return result;
    int64_t size = reader->disk->size(reader->disk->context, reader->file);
    if (size < 0)
        return (int)size;
    reader->missing_bytes = (uint64_t)size < reader->segment_bytes ? reader->segment_bytes - (uint64_t)size : 0;
    *torn = tail.extent - reader->offset;
    if (tail.block_offset)
        snprintf(found, FOUND_BYTES, "block %lu is whole at offset %lu", tail.block_number, tail.block_offset);
    else if (*torn > PIT_JOURNAL_BLOCK_BYTES_MAX)
        snprintf(found, FOUND_BYTES, "there is data up to offset %lu, more than an unfinished write leaves",
                 tail.extent);
    else if (*torn > 0)
        result = judge_torn(reader, found);
    return result;
}

/* Nothing goes on from here: is it the journal's end? 0: yes; 1: cannot say, the journal grew or looks damaged: look
 * again; negative: damage. begun: see enter_segment. */
static int judge_end(struct pit_journal_reader *reader, const char *wrong, uint64_t begun, struct pit_error *error)
{
    char found[FOUND_BYTES] = "";
    uint64_t torn = 0;
    int result = reader->file >= 0 ? judge_rest(reader, &torn, found) : 0;
    if (result < 0)
        return read_failed(reader, reader->segments[reader->current], reader->offset, result, error);
    bool changed = false;
    result = list_segments(reader, &changed, error);
    if (result < 0)
        return result;
    uint32_t next = following(reader);
    bool missing = !*found && next < reader->segments_count && reader->segments[next] != reader->place.number;
    if (missing)
        snprintf(found, sizeof found,
                 "segment %020lu.journal says that the journal went on to block %lu, and there is no segment "
                 "%020lu.journal",
                 reader->segments[next], reader->segments[next] - 1, reader->place.number);
    if ((*found || changed) && doubt(reader))
        return 1;
    if (*found && reader->file < 0)
        return pit_error_set(error, -EBADMSG,
                             "%s: the first segment, %020lu.journal, is missing: %s. If it was removed because "
                             "snapshots stand for it, begin with one (--from-snapshot); otherwise restore it from a "
                             "copy or from a replica. Nothing was changed",
                             reader->directory, reader->place.number, found);
    if (*found)
        return damaged_block(reader, wrong, found, missing, error);
    reader->torn_bytes = torn + begun;
    reader->ended = true;
    reader->doubted = false;
    return 0;
}

/* Enters the next block, wherever it is. 1: done; 0: the end; negative: damage. */
static int advance(struct pit_journal_reader *reader, struct pit_error *error)
{
    for (;;) {
        const char *wrong = "";
        uint64_t begun;
        int result = 0;
        if (reader->file >= 0) {
            result = enter_block(reader, &wrong);
            if (result == 0 && reader->window_offset != reader->offset) {
                window_forget(reader); /* what the window holds may be older than a live journal's next block */
                result = enter_block(reader, &wrong);
            }
            if (result < 0)
                return read_failed(reader, reader->segments[reader->current], reader->offset, result, error);
            if (result == 1)
                return 1;
        }
        result = enter_segment(reader, &begun, error);
        if (result < 0)
            return result;
        if (result == 1)
            continue;
        result = judge_end(reader, wrong, begun, error);
        if (result <= 0)
            return result;
    }
}

/* Once the end was reached: has the journal grown? A look at one page and at the list, not at the whole tail. */
static int has_grown(struct pit_journal_reader *reader, bool *grown, struct pit_error *error)
{
    *grown = false;
    if (reader->file >= 0 && reader->segment_bytes - reader->offset >= PIT_JOURNAL_PAGE_BYTES) {
        int64_t got = read_page(reader, reader->file, reader->offset);
        if (got < 0)
            return read_failed(reader, reader->segments[reader->current], reader->offset, (int)got, error);
        *grown = pit_journal_block_claims(reader->scratch, reader->place.journal_id, PIT_JOURNAL_BLOCK_BYTES_MAX) != 0;
    }
    if (*grown)
        return 0;
    return list_segments(reader, grown, error);
}

/* The functions of the header. */

/* Makes segments[place] the one to begin with. 1: done; 0: its header is not whole, or not this segment's. */
static int begin_with(struct pit_journal_reader *reader, uint32_t place, struct pit_error *error)
{
    uint64_t number = reader->segments[place];
    int file = open_file(reader, number, error);
    if (file < 0)
        return file;
    int64_t got = read_page(reader, file, 0);
    reader->disk->close(reader->disk->context, file);
    if (got < 0)
        return read_failed(reader, number, 0, (int)got, error);
    struct pit_journal_segment_header header;
    bool whole;
    const char *wrong = pit_journal_segment_check(reader->scratch, &whole);
    memcpy(&header, reader->scratch, sizeof header);
    if (wrong || header.first_block != number)
        return 0;
    reader->place.number = number;
    reader->place.sequence = header.first_sequence;
    reader->place.previous_crc = header.previous_crc;
    reader->first_block = number;
    reader->first_sequence = header.first_sequence;
    return 1;
}

/* Passes over the segments before the one that holds block. */
static int find_beginning(struct pit_journal_reader *reader, uint64_t block, struct pit_error *error)
{
    if (block == PIT_JOURNAL_FROM_FIRST)
        return 0;
    if (block == PIT_JOURNAL_FROM_THERE)
        block = reader->segments[0];
    uint32_t place = 0;
    while (place + 1 < reader->segments_count && reader->segments[place + 1] <= block)
        place++;
    if (reader->segments[place] > block)
        return 0; /* it is missing, which is found as if reading began with the first */
    int found = 0;
    for (uint32_t left = place + 1; left > 0 && found == 0; left--)
        found = begin_with(reader, left - 1, error);
    return found < 0 ? found : 0;
}

/* Adds up how much there is to read. */
static int measure(struct pit_journal_reader *reader, struct pit_error *error)
{
    const struct pit_disk *disk = reader->disk;
    for (uint32_t i = following(reader); i < reader->segments_count; i++) {
        int file = open_file(reader, reader->segments[i], error);
        int64_t bytes = file < 0 ? file : disk->size(disk->context, file);
        if (file >= 0)
            disk->close(disk->context, file);
        if (bytes < 0)
            return (int)bytes;
        reader->bytes_total += (uint64_t)bytes;
    }
    return 0;
}

int pit_journal_reader_open_log(struct pit_journal_reader **result, const struct pit_disk *disk, const char *directory,
                                uint64_t block, struct pit_error *error)
{
    struct pit_journal_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return pit_error_set(error, -ENOMEM, "no memory for reading the journal");
    pit_unpack_init(&reader->unpack, disk);
    reader->disk = &reader->unpack.layer.disk;
    reader->file = -1;
    reader->raw = true;
    reader->read_bytes = WINDOW_BYTES;
    reader->open_flags = PIT_DISK_READ;
    reader->place.number = 1;
    reader->place.sequence = 1;
    reader->first_block = 1;
    reader->first_sequence = 1;
    reader->window = aligned_alloc(PIT_JOURNAL_PAGE_BYTES, WINDOW_BYTES);
    reader->scratch = aligned_alloc(PIT_JOURNAL_PAGE_BYTES, PIT_JOURNAL_BLOCK_BYTES_MAX);
    bool changed;
    int code = 0;
    if (!reader->window || !reader->scratch)
        code = pit_error_set(error, -ENOMEM, "no memory for reading the journal (%zu bytes)", WINDOW_BYTES);
    else if ((size_t)snprintf(reader->directory, sizeof reader->directory, "%s", directory) >= sizeof reader->directory)
        code = pit_error_set(error, -ENAMETOOLONG, "%s: the directory's name is too long", directory);
    else
        code = list_segments(reader, &changed, error);
    if (code == 0 && reader->segments_count == 0)
        code =
            pit_error_set(error, -ENOENT, "%s: there is no journal in it (no file like %020d.journal)", directory, 1);
    if (code == 0)
        code = find_beginning(reader, block, error);
    if (code == 0)
        code = measure(reader, error);
    if (code < 0) {
        pit_journal_reader_close(reader);
        return code;
    }
    *result = reader;
    return 0;
}

/* A cluster's log does not begin with what its segment's header says. */
static int find_beginning_of_log(struct pit_journal_reader *reader, const struct pit_disk *disk,
                                 struct pit_error *error)
{
    struct pit_log_anchor anchor;
    int code = pit_log_anchor_read(reader->disk, reader->directory, reader->first_block, &anchor);
    if (code != 1)
        return 0; /* whatever is wrong there, reading finds it */
    reader->first_sequence = anchor.at.next_sequence;
    code = pit_log_view_beginning(disk, reader->directory, reader->first_block, &reader->first_sequence, error);
    return code == -ENOMEM ? code : 0;
}

int pit_journal_reader_open_at(struct pit_journal_reader **result, const struct pit_disk *disk, const char *directory,
                               uint64_t block, struct pit_error *error)
{
    struct pit_journal_reader *reader;
    int code = pit_journal_reader_open_log(&reader, disk, directory, block, error);
    if (code < 0)
        return code;
    reader->raw = false;
    reader->from_first = block == PIT_JOURNAL_FROM_FIRST;
    if (!reader->from_first)
        code = find_beginning_of_log(reader, disk, error);
    if (code < 0)
        pit_journal_reader_close(reader);
    else
        *result = reader;
    return code;
}

int pit_journal_reader_open(struct pit_journal_reader **reader, const struct pit_disk *disk, const char *directory,
                            struct pit_error *error)
{
    return pit_journal_reader_open_at(reader, disk, directory, PIT_JOURNAL_FROM_FIRST, error);
}

void pit_journal_reader_beside(struct pit_journal_reader *reader, bool direct)
{
    reader->read_bytes = BESIDE_BYTES;
    if (direct)
        reader->open_flags |= PIT_DISK_BYPASS;
}

/* The next record as it stands. */
static int next_record(struct pit_journal_reader *reader, struct pit_journal_record *record, struct pit_error *error)
{
    while (reader->block_at >= reader->block_used) {
        bool grown = true;
        int result = reader->ended ? has_grown(reader, &grown, error) : 0;
        if (result < 0 || !grown)
            return result;
        result = advance(reader, error);
        if (result <= 0)
            return result;
    }
    const struct pit_journal_record_header *header =
        (const struct pit_journal_record_header *)(reader->block + reader->block_at);
    *record = (struct pit_journal_record){
        .kind = (enum pit_journal_record_kind)header->kind,
        .index = header->index,
        .term = header->term,
        .first_sequence = header->first_sequence,
        .count = header->count,
        .payload = header + 1,
        .bytes = header->bytes,
        .block = reader->block_number,
    };
    reader->block_at += pit_journal_record_room(header->bytes);
    return 1;
}

/* What is read is a cluster's log. */
static int begin_view(struct pit_journal_reader *reader, const struct pit_journal_record *anchor,
                      struct pit_error *error)
{
    if (reader->from_first && anchor->first_sequence > 1)
        return pit_error_set(error, -EBADMSG,
                             "%s: this log of a cluster's node begins after entry %lu, with sequence %lu: a snapshot "
                             "stands for what is before. Begin with one (--from-snapshot). Nothing was changed",
                             reader->directory, anchor->index, anchor->first_sequence);
    reader->view = calloc(1, sizeof *reader->view);
    return reader->view ? 0 : pit_error_set(error, -ENOMEM, "no memory for reading the journal");
}

int pit_journal_reader_next(struct pit_journal_reader *reader, struct pit_journal_record *record,
                            struct pit_error *error)
{
    const char *wrong = NULL;
    int code = reader->view ? pit_log_view_give(reader->view, record, &wrong) : 0;
    while (code == 0) {
        code = next_record(reader, record, error);
        if (code <= 0 || reader->raw || reader->place.sort != PIT_JOURNAL_SORT_LOG)
            return code;
        code = reader->view ? 0 : begin_view(reader, record, error);
        if (code < 0)
            return code;
        code = pit_log_view_take(reader->view, record, &wrong);
        if (code == 0)
            code = pit_log_view_give(reader->view, record, &wrong);
    }
    if (code < 0)
        pit_error_set(error, code, "%s: block %lu: %s. The log cannot be used; nothing was changed", reader->directory,
                      record->block, wrong);
    return code;
}

const struct pit_command *pit_journal_record_command(const struct pit_journal_record *record, uint32_t *at)
{
    if (record->kind != PIT_JOURNAL_COMMANDS || *at >= record->bytes)
        return NULL;
    const struct pit_command *command = (const struct pit_command *)((const uint8_t *)record->payload + *at);
    *at += pit_command_bytes(command);
    return command;
}

void pit_journal_reader_beginning(const struct pit_journal_reader *reader, uint64_t *block, uint64_t *sequence)
{
    *block = reader->first_block;
    *sequence = reader->first_sequence;
}

uint64_t pit_journal_reader_block(const struct pit_journal_reader *reader)
{
    return reader->block_number;
}

struct pit_journal_end pit_journal_reader_end(const struct pit_journal_reader *reader)
{
    struct pit_journal_end end = {
        .blocks = reader->place.number - 1,
        .sequence = reader->place.sequence - 1,
        .time_ns = reader->time_ns,
        .torn_bytes = reader->torn_bytes,
        .crc = reader->place.previous_crc,
    };
    if (reader->view) {
        end.sequence = reader->view->image.committed_sequence;
        end.time_ns = reader->view->time_ns;
    }
    if (reader->file >= 0) {
        memcpy(end.journal_id, reader->journal_id, sizeof end.journal_id);
        end.segment_first_block = reader->segments[reader->current];
        end.segment_bytes = reader->segment_bytes;
        end.offset = reader->offset;
        end.block_offset = reader->block_offset;
        end.missing_bytes = reader->missing_bytes;
        end.segments = reader->current + 1;
    }
    return end;
}

void pit_journal_reader_progress(const struct pit_journal_reader *reader, uint64_t *done, uint64_t *total)
{
    uint64_t at = reader->bytes_before + (reader->file >= 0 ? reader->offset : 0);
    *total = reader->bytes_total;
    *done = reader->ended || at > *total ? *total : at;
}

void pit_journal_reader_close(struct pit_journal_reader *reader)
{
    if (!reader)
        return;
    if (reader->file >= 0)
        reader->disk->close(reader->disk->context, reader->file);
    pit_unpack_end(&reader->unpack);
    if (reader->view)
        pit_log_view_end(reader->view);
    free(reader->view);
    free(reader->segments);
    free(reader->window);
    free(reader->scratch);
    free(reader);
}
