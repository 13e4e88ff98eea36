#include "journal/log_past.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/log_anchors.h"
#include "journal/log_image.h"
#include "journal/unpack.h"
#include "ring/check.h"
#include "ring/sequence.h"

/* A place in the log. It belongs to the reading thread while it is the one asked for, otherwise to the asking one. */
struct cursor {
    struct pit_journal_reader *reader; /* NULL: it is nowhere */
    struct pit_log_image image;
    uint64_t index; /* asked for */
    uint64_t used;  /* when it was last asked; 0 = never */
    int code;       /* what came of it: 0 or negative */
    bool told;      /* nobody has been told so yet */
};

struct pit_log_past {
    struct pit_sequence asked; /* asking thread */
    struct pit_sequence done;  /* reading thread */
    const struct pit_disk *disk;
    char directory[PIT_JOURNAL_PATH_BYTES];
    bool direct;
    struct pit_bell *bell;
    struct cursor cursors[PIT_LOG_PAST_CURSORS];
    struct cursor *at; /* the one asked for */
    uint64_t asked_count, uses;
};

/* The reading thread. */

static void leave(struct cursor *cursor)
{
    pit_journal_reader_close(cursor->reader);
    pit_log_image_free(&cursor->image);
    cursor->reader = NULL;
}

/* The last segment before which an entry with a lower index stands. 0; -ENODATA: there is none; others. */
static int find_segment(struct pit_log_past *past, uint64_t index, uint64_t *block)
{
    struct pit_unpack unpack;
    struct pit_log_anchor anchor;
    uint64_t *numbers = NULL;
    int code = -ENODATA;
    pit_unpack_init(&unpack, past->disk);
    int64_t count = pit_journal_segments(&unpack.layer.disk, past->directory, &numbers);
    int64_t low = 0, high = count; /* what is known to be committed rises from segment to segment */
    while (count > 0 && high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        int got = pit_log_anchor_read(&unpack.layer.disk, past->directory, numbers[middle], &anchor);
        if (got < 0 && got != -ENOENT) {
            count = got;
            break;
        }
        if (got == 1 && anchor.at.committed < index)
            low = middle;
        else
            high = middle;
    }
    for (; count > 0 && low >= 0; low--) {
        int got = pit_log_anchor_read(&unpack.layer.disk, past->directory, numbers[low], &anchor);
        if (got < 0 || (got == 1 && anchor.index < index)) {
            *block = numbers[low];
            code = got < 0 ? got : 0;
            break;
        }
    }
    free(numbers);
    pit_unpack_end(&unpack);
    if (count < 0)
        return (int)count;
    return code == -ENOENT ? -ENODATA : code;
}

static int go_to(struct pit_log_past *past, struct cursor *cursor)
{
    uint64_t block;
    leave(cursor);
    int code = find_segment(past, cursor->index, &block);
    if (code == 0)
        code = pit_journal_reader_open_log(&cursor->reader, past->disk, past->directory, block, NULL);
    if (code == 0)
        pit_journal_reader_beside(cursor->reader, past->direct);
    return code;
}

static void drop_before(struct cursor *cursor)
{
    struct pit_log_image *image = &cursor->image;
    while (image->taken + 1 < cursor->index && pit_log_image_first(image))
        pit_log_image_drop_first(image);
}

/* Reads on until enough is there, or the log ends. */
static int read_on(struct cursor *cursor)
{
    struct pit_log_image *image = &cursor->image;
    struct pit_journal_record record;
    int code = 1;
    drop_before(cursor);
    while (image->taken + 1 < cursor->index || image->committed_bytes < PIT_LOG_PAST_BYTES) {
        code = pit_journal_reader_next(cursor->reader, &record, NULL);
        if (code <= 0)
            return code;
        if (pit_log_image_take(image, &record, &code))
            return code;
        drop_before(cursor);
    }
    return 0;
}

uint32_t pit_log_past_work_on(struct pit_log_past *past)
{
    uint64_t asked = pit_sequence_load(&past->asked);
    if (asked == past->done.value)
        return 0;
    struct cursor *cursor = past->at;
    int code = 0;
    bool there = cursor->reader && cursor->image.anchored && cursor->image.taken < cursor->index;
    if (there)
        code = read_on(cursor);
    if (!there || code == -EAGAIN) { /* segments were removed meanwhile */
        code = go_to(past, cursor);
        if (code == 0)
            code = read_on(cursor);
    }
    if (code < 0)
        leave(cursor);
    cursor->code = code == -EAGAIN ? -ENODATA : code;
    cursor->told = false;
    pit_sequence_store(&past->done, asked);
    return 1;
}

/* The asking thread. */

static bool holds(const struct cursor *cursor, uint64_t index)
{
    const struct pit_log_image *image = &cursor->image;
    return cursor->reader && index > image->taken && index <= image->committed;
}

static int give(struct cursor *cursor, uint64_t index, struct pit_log_entry *entries, uint32_t max,
                uint64_t *before_term)
{
    const struct pit_log_image *image = &cursor->image;
    uint32_t count = 0;
    *before_term = index - 1 == image->taken ? image->taken_term : pit_log_image_at(image, index - 1)->entry.term;
    for (; count < max && index + count <= image->committed; count++)
        entries[count] = pit_log_image_at(image, index + count)->entry;
    return (int)count;
}

/* The place from which to read on to index: one that is there, or the one not asked for the longest time. */
static struct cursor *choose(struct pit_log_past *past, uint64_t index)
{
    struct cursor *best = &past->cursors[0];
    for (uint32_t i = 0; i < PIT_LOG_PAST_CURSORS; i++) {
        struct cursor *cursor = &past->cursors[i];
        if (cursor->index == index || (cursor->reader && cursor->image.committed + 1 == index))
            return cursor;
        if (cursor->used < best->used)
            best = cursor;
    }
    return best;
}

int pit_log_past_ask(struct pit_log_past *past, uint64_t index, struct pit_log_entry *entries, uint32_t max,
                     uint64_t *before_term)
{
    PIT_CHECK(index > 0 && max > 0);
    const bool reading = pit_sequence_load(&past->done) != past->asked_count;
    for (uint32_t i = 0; i < PIT_LOG_PAST_CURSORS; i++) {
        struct cursor *cursor = &past->cursors[i];
        if (reading && cursor == past->at)
            continue;
        if (holds(cursor, index)) {
            cursor->used = ++past->uses;
            return give(cursor, index, entries, max, before_term);
        }
        if (cursor->index == index && cursor->code < 0 && !cursor->told) {
            cursor->told = true;
            return cursor->code;
        }
    }
    if (reading)
        return 0;
    past->at = choose(past, index);
    past->at->index = index;
    past->at->used = ++past->uses;
    pit_sequence_store(&past->asked, ++past->asked_count);
    if (past->bell)
        pit_bell_ring(past->bell);
    return 0;
}

struct pit_log_past *pit_log_past_create(const struct pit_disk *disk, const char *directory, bool direct,
                                         struct pit_bell *bell)
{
    struct pit_log_past *past = aligned_alloc(PIT_SEQUENCE_BYTES, sizeof *past);
    if (!past)
        return NULL;
    memset(past, 0, sizeof *past);
    past->disk = disk;
    past->direct = direct;
    past->bell = bell;
    PIT_CHECK(strlen(directory) < sizeof past->directory);
    strcpy(past->directory, directory);
    return past;
}

void pit_log_past_destroy(struct pit_log_past *past)
{
    if (!past)
        return;
    for (uint32_t i = 0; i < PIT_LOG_PAST_CURSORS; i++)
        leave(&past->cursors[i]);
    free(past);
}
