#include "journal/log_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/block.h"

static const uint64_t barrier_payload; /* what a barrier has, and no disk keeps */

static uint64_t bytes_of(const struct pit_log_held *held)
{
    return sizeof(struct pit_journal_record_header) + held->entry.bytes;
}

static void forget(struct pit_log_held *held)
{
    if (held->entry.kind != PIT_LOG_BARRIER)
        free((void *)(uintptr_t)held->entry.payload);
}

void pit_log_image_free(struct pit_log_image *image)
{
    for (uint64_t index = image->taken + 1; index <= image->last; index++)
        forget(pit_log_image_at(image, index));
    free(image->held);
    free(image->members);
    *image = (struct pit_log_image){0};
}

const struct pit_log_held *pit_log_image_first(const struct pit_log_image *image)
{
    return image->taken < image->committed ? pit_log_image_at(image, image->taken + 1) : NULL;
}

void pit_log_image_drop_first(struct pit_log_image *image)
{
    struct pit_log_held *first = pit_log_image_at(image, image->taken + 1);
    image->taken++;
    image->taken_term = first->entry.term;
    image->taken_next = first->next_sequence;
    image->committed_bytes -= bytes_of(first);
    forget(first);
}

static bool make_room(struct pit_log_image *image)
{
    if (image->last - image->taken < image->room)
        return true;
    uint64_t room = image->room ? image->room * 2 : 256;
    struct pit_log_held *held = malloc(room * sizeof *held);
    if (!held)
        return false;
    for (uint64_t index = image->taken + 1; index <= image->last; index++)
        held[index & (room - 1)] = *pit_log_image_at(image, index);
    free(image->held);
    image->held = held;
    image->room = room;
    return true;
}

/* A copy; NULL: no memory. */
static void *copy(const void *payload, uint64_t bytes)
{
    void *made = aligned_alloc(64, (bytes + 63) & ~UINT64_C(63));
    if (made)
        memcpy(made, payload, bytes);
    return made;
}

static const char *keep_members(struct pit_log_image *image, const void *payload, uint64_t bytes, int *code)
{
    void *members = copy(payload, bytes);
    *code = -ENOMEM;
    if (!members)
        return "no memory";
    free(image->members);
    image->members = members;
    image->members_bytes = bytes;
    return NULL;
}

static const char *add(struct pit_log_image *image, const struct pit_journal_record *record, int *code)
{
    if (record->index != image->last + 1)
        return "an entry's index does not follow the one before";
    if (record->term == 0 || record->term < image->last_term || record->term > image->term)
        return "an entry's term cannot be";
    if (!make_room(image)) {
        *code = -ENOMEM;
        return "no memory";
    }
    struct pit_log_held held = {
        .entry =
            {
                .index = record->index,
                .term = record->term,
                .kind = PIT_LOG_BARRIER,
                .bytes = sizeof barrier_payload,
                .payload = &barrier_payload,
            },
        .first_sequence = record->first_sequence,
        .next_sequence = record->first_sequence + record->count,
        .count = record->count,
        .block = record->block,
    };
    const char *wrong = NULL;
    if ((int)record->kind == PIT_JOURNAL_LOG_MEMBERS)
        wrong = keep_members(image, record->payload, record->bytes, code);
    if (wrong)
        return wrong;
    if ((int)record->kind != PIT_JOURNAL_LOG_BARRIER) {
        held.entry.kind = (int)record->kind == PIT_JOURNAL_LOG_ENTRY ? PIT_LOG_COMMANDS : PIT_LOG_MEMBERS;
        held.entry.bytes = record->bytes;
        held.entry.payload = copy(record->payload, record->bytes);
        if (!held.entry.payload) {
            *code = -ENOMEM;
            return "no memory";
        }
    }
    image->last++;
    image->last_term = record->term;
    image->next_sequence = held.next_sequence;
    *pit_log_image_at(image, image->last) = held;
    return NULL;
}

/* Does what a record says of the entry with that index agree with what is known of it? */
static bool agrees(const struct pit_log_image *image, uint64_t index, uint64_t term, uint64_t next_sequence)
{
    const struct pit_log_held *held;
    if (index < image->taken)
        return true; /* nothing is known */
    if (index == image->taken)
        return (term == 0 || term == image->taken_term) && next_sequence == image->taken_next;
    held = pit_log_image_at(image, index);
    return (term == 0 || term == held->entry.term) && next_sequence == held->next_sequence;
}

static const char *truncate_from(struct pit_log_image *image, const struct pit_journal_record *record)
{
    uint64_t index = record->index;
    if (index == 0 || index > image->last)
        return "it truncates entries that are not there";
    if (index <= image->committed)
        return "it truncates entries that were committed";
    if (!agrees(image, index - 1, record->term, record->first_sequence))
        return "a truncation does not know the entry before it";
    for (; image->last >= index && image->last > image->taken; image->last--)
        forget(pit_log_image_at(image, image->last));
    image->last = index - 1;
    image->last_term = record->term;
    image->next_sequence = record->first_sequence;
    if (image->taken > image->last) { /* those that were never read */
        image->taken = image->last;
        image->taken_term = image->last_term;
        image->taken_next = image->next_sequence;
    }
    return NULL;
}

static const char *vote(struct pit_log_image *image, uint64_t term, uint64_t node)
{
    if (term < image->term)
        return "the term falls";
    if (term == image->term && image->vote != 0 && image->vote != PIT_LOG_REJOINING && node != image->vote)
        return "there are two votes in one term";
    image->term = term;
    image->vote = node;
    return NULL;
}

static const char *commit(struct pit_log_image *image, const struct pit_journal_record *record)
{
    uint64_t index = record->index;
    if (index > image->last || index < image->committed)
        return "it says that entries are committed which are not there, or no longer";
    if (!agrees(image, index, 0, record->first_sequence))
        return "it does not know the entries that it says are committed";
    for (uint64_t i = image->committed + 1; i <= index; i++)
        if (i > image->taken)
            image->committed_bytes += bytes_of(pit_log_image_at(image, i));
    image->committed = index;
    image->committed_sequence = record->first_sequence - 1;
    return NULL;
}

static const char *digest(const struct pit_log_image *image, const struct pit_journal_record *record)
{
    struct pit_journal_digest digest;
    memcpy(&digest, record->payload, sizeof digest);
    return digest.sequence > image->committed_sequence
               ? "there is a digest of commands that are not known to be committed"
               : NULL;
}

/* The first one says where the image begins; each later one, what it must have come to. */
static const char *anchor(struct pit_log_image *image, const struct pit_journal_record *record, int *code)
{
    struct pit_journal_log_anchor at;
    memcpy(&at, record->payload, sizeof at);
    const uint8_t *members = (const uint8_t *)record->payload + sizeof at;
    if (image->anchored) {
        bool same = record->index == image->last && record->term == image->last_term &&
                    at.next_sequence == image->next_sequence && at.vote_term == image->term && at.vote == image->vote &&
                    at.committed == image->committed && at.committed_sequence == image->committed_sequence &&
                    at.members_bytes == image->members_bytes &&
                    (at.members_bytes == 0 || memcmp(members, image->members, at.members_bytes) == 0);
        return same ? NULL : "what a segment begins with is not what the segment before came to";
    }
    if (at.next_sequence == 0 || at.committed > record->index || record->term > at.vote_term)
        return "what the segment begins with contradicts itself";
    if (at.members_bytes) {
        const char *wrong = keep_members(image, members, at.members_bytes, code);
        if (wrong)
            return wrong;
    }
    image->anchored = true;
    image->taken = image->last = record->index;
    image->taken_term = image->last_term = record->term;
    image->taken_next = image->next_sequence = at.next_sequence;
    image->committed = at.committed;
    image->committed_sequence = at.committed_sequence;
    image->term = at.vote_term;
    image->vote = at.vote;
    return NULL;
}

const char *pit_log_image_take(struct pit_log_image *image, const struct pit_journal_record *record, int *code)
{
    *code = -EBADMSG;
    if ((int)record->kind == PIT_JOURNAL_LOG_ANCHOR)
        return anchor(image, record, code);
    if (!image->anchored)
        return "it holds records of a single node, or of nobody: it is no cluster's log";
    switch ((int)record->kind) {
    case PIT_JOURNAL_LOG_ENTRY:
    case PIT_JOURNAL_LOG_BARRIER:
    case PIT_JOURNAL_LOG_MEMBERS:
        return add(image, record, code);
    case PIT_JOURNAL_LOG_TRUNCATION:
        return truncate_from(image, record);
    case PIT_JOURNAL_LOG_VOTE:
        return vote(image, record->term, record->index);
    case PIT_JOURNAL_LOG_COMMITTED:
        return commit(image, record);
    case PIT_JOURNAL_DIGEST:
        return digest(image, record);
    default:
        return "it holds records of a single node: it is no cluster's log";
    }
}
