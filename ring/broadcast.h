/* ring/broadcast.h - one writer, lossy readers, in memory that other processes may map.
 *
 * Writer:   exactly one thread; it never looks at the readers and never waits.
 * Readers:  any number, in any process, with read-only mappings; one that falls a whole ring behind is lapped, knows it
 *           at once, and goes on with the oldest entries that are not about to be overwritten (an eighth of the ring
 *           is left as a head start).
 * Progress: every call is wait-free.
 * Memory:   PIT_BROADCAST_SLOT_BYTES a slot, zeroed; the caller maps it.
 *
 *   slot:  | sequence (8) | payload: 7 words of 8 bytes |
 *
 * A slot's sequence is 0 while the writer changes it and the entry's sequence once it is whole, so a reader copies the
 * payload between two looks at it (a seqlock per slot): equal and expected - a good copy; newer - lapped.
 */
#ifndef PIT_RING_BROADCAST_H
#define PIT_RING_BROADCAST_H

#include <stdint.h>

#define PIT_BROADCAST_SLOT_BYTES 64u
#define PIT_BROADCAST_WORDS 7u

struct pit_broadcast_slot {
    uint64_t sequence;
    uint64_t words[PIT_BROADCAST_WORDS];
};
_Static_assert(sizeof(struct pit_broadcast_slot) == PIT_BROADCAST_SLOT_BYTES, "a slot is one cache line");

/* Writer's private state. */
struct pit_broadcast_writer {
    struct pit_broadcast_slot *slots;
    uint64_t mask; /* slot count - 1; the count is a power of two */
    uint64_t next; /* sequence of the next entry, from 1 on */
};

/* Reader's private state. */
struct pit_broadcast_reader {
    const struct pit_broadcast_slot *slots;
    uint64_t mask;
    uint64_t next;
};

enum pit_broadcast_result {
    PIT_BROADCAST_EMPTY = 0, /* nothing newer yet */
    PIT_BROADCAST_READ = 1,  /* words holds entry reader->next - 1 */
    PIT_BROADCAST_LAPPED = 2 /* entries were lost; reader->next has moved to the oldest that is safe to read */
};

void pit_broadcast_writer_init(struct pit_broadcast_writer *writer, struct pit_broadcast_slot *slots, uint64_t count);

/* Publishes one entry and returns its sequence. */
uint64_t pit_broadcast_write(struct pit_broadcast_writer *writer, const uint64_t words[PIT_BROADCAST_WORDS]);

/* A reader that starts at sequence next (1 = from the first; use the writer's published sequence + 1 for "from now").
 */
void pit_broadcast_reader_init(struct pit_broadcast_reader *reader, const struct pit_broadcast_slot *slots,
                               uint64_t count, uint64_t next);

/* Takes the next entry. On PIT_BROADCAST_LAPPED, *lost is how many entries were skipped. */
enum pit_broadcast_result pit_broadcast_read(struct pit_broadcast_reader *reader, uint64_t words[PIT_BROADCAST_WORDS],
                                             uint64_t *lost);

/* Seqlock over an array of words, for images that are rewritten in place (one writer). version is even when whole. */
void pit_image_write(uint64_t *version, uint64_t *words, const uint64_t *from, uint32_t count);

/* Copies an image; returns its version (even), or 0 when the writer was in the midst of it, or has never written it:
 * try again. */
uint64_t pit_image_read(const uint64_t *version, const uint64_t *words, uint64_t *to, uint32_t count);

#endif
