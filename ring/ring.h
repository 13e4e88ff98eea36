/* ring/ring.h - one writer, gating readers.
 *
 * Writer:   exactly one thread claims and publishes.
 * Readers:  each owns one cursor; the writer never laps the slowest.
 * Progress: publish, poll and release are wait-free; a claim fails at once when the slowest reader is a lap behind.
 * Memory:   the caller's block, aligned to PIT_SEQUENCE_BYTES; nothing is allocated here.
 *
 *   | struct pit_ring (writer's line, reader cursors) | slot 0 | slot 1 | ... |
 *
 * A slot is a whole number of cache lines and starts with a 64-bit word: the sequence of what it holds. The writer
 * stores it last (release), so a reader finds new entries by looking at the slot alone; cursors exist for gating. That
 * word belongs to pit_ring_publish: whoever fills a slot must leave it alone, or readers would see half a slot.
 * Sequences are 64-bit, rise by one and start wherever the caller says (after a recovery: where the journal ended).
 *
 * Where an entry may take several slots, all of them are the entry's, and readers go by what the ring says is
 * published: pit_ring_publish_run, pit_ring_poll_run and pit_ring_release_run take the place of the three without _run,
 * for all entries of a ring. Behind the last slot there is room for PIT_RING_OVERHANG_BYTES, so that an entry which
 * begins in it goes on there; the first slot of the next lap is left out.
 */
#ifndef PIT_RING_RING_H
#define PIT_RING_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/check.h"
#include "ring/sequence.h"

#define PIT_RING_SLOTS_MIN 4u
#define PIT_RING_SLOTS_MAX (1u << 24)
#define PIT_RING_READERS_MAX 8u
#define PIT_RING_OVERHANG_BYTES 64u

struct pit_ring {
    /* Set by pit_ring_create and pit_ring_reader_add; only read afterwards. */
    _Alignas(PIT_SEQUENCE_BYTES) uint64_t mask; /* slots - 1 */
    uint64_t slot_bytes;
    uint64_t first; /* sequence of the first entry */
    uint32_t readers;
    uint32_t zero;
    /* The writer's own. */
    _Alignas(PIT_SEQUENCE_BYTES) uint64_t next; /* the next sequence to claim */
    uint64_t limit; /* the first sequence that may not be claimed as far as the writer knows; the readers' cursors are
                       looked at again only when a claim would pass it */
    struct pit_sequence published;
    struct pit_sequence cursors[PIT_RING_READERS_MAX];
};
_Static_assert(sizeof(struct pit_ring) % PIT_SEQUENCE_BYTES == 0, "the slots start on their own lines");

/* A reader's private state; lives with the reader, one thread. */
struct pit_ring_reader {
    struct pit_ring *ring;
    struct pit_sequence *cursor; /* in the ring: the last sequence this reader has finished with */
    uint64_t next;               /* the sequence it reads next */
    uint64_t seen;               /* with runs: sequences before this one are published, as far as it knows */
};

/* Bytes for a ring of slots (a power of two, PIT_RING_SLOTS_MIN..MAX) of slot_bytes (a multiple of 64, at most 4096).
 * Returns 0 when the arguments are out of range. */
size_t pit_ring_bytes(uint32_t slots, uint32_t slot_bytes);

/* Lays a ring out in memory (pit_ring_bytes of it, aligned to PIT_SEQUENCE_BYTES). The first entry will have sequence
 * first (>= 1). Returns NULL when the arguments are out of range. Runs before any thread uses the ring. */
struct pit_ring *pit_ring_create(void *memory, uint32_t slots, uint32_t slot_bytes, uint64_t first);

/* Adds a gating reader that starts at the ring's first sequence. Runs before the writer publishes anything. Returns
 * false when PIT_RING_READERS_MAX readers exist. */
bool pit_ring_reader_add(struct pit_ring *ring, struct pit_ring_reader *reader);

static inline uint32_t pit_ring_slots(const struct pit_ring *ring)
{
    return (uint32_t)(ring->mask + 1);
}

/* The slot of a sequence. The writer may touch it between claim and publish, a reader between poll and release. */
static inline void *pit_ring_slot(const struct pit_ring *ring, uint64_t sequence)
{
    return (uint8_t *)(uintptr_t)(ring + 1) + (sequence & ring->mask) * ring->slot_bytes;
}

/* Any thread: the slowest reader's cursor; what the writer may not lap. Without readers the last sequence published. */
uint64_t pit_ring_slowest(const struct pit_ring *ring);

/* Writer: looks at the readers' cursors and moves limit. */
void pit_ring_look(struct pit_ring *ring);

/* Writer: how many slots can be claimed now without lapping a reader, at most want. Looks at the readers' cursors only
 * when its cached view of them does not already cover want. A writer that has just found the ring full does well to
 * wait for room for many before it goes on: otherwise it fetches the slowest reader's cursor for every slot. */
static inline uint32_t pit_ring_room(struct pit_ring *ring, uint32_t want)
{
    if (ring->limit - ring->next < want)
        pit_ring_look(ring);
    uint64_t room = ring->limit - ring->next;
    return room < want ? (uint32_t)room : want;
}

/* Writer: reserves the next n slots (1 <= n <= capacity). Returns the first sequence, or PIT_SEQUENCE_NONE when a
 * reader is a full lap behind. Readers see nothing until pit_ring_publish. */
static inline uint64_t pit_ring_claim(struct pit_ring *ring, uint32_t n)
{
    PIT_HOT_CHECK(n >= 1 && n <= ring->mask + 1);
    if (ring->limit - ring->next < n) {
        pit_ring_look(ring);
        if (ring->limit - ring->next < n)
            return PIT_SEQUENCE_NONE;
    }
    uint64_t first = ring->next;
    ring->next = first + n;
    return first;
}

/* Writer: makes n claimed slots from first on visible, all at once: a reader that waits looks at the first, which comes
 * last. So it gets them all, and the writer waits once at most for a line that the reader has just looked at. */
static inline void pit_ring_publish(struct pit_ring *ring, uint64_t first, uint32_t n)
{
    PIT_HOT_CHECK(n >= 1 && first == ring->published.value + 1 && first + n <= ring->next);
    uint8_t *const slots = pit_ring_slot(ring, 0);
    const uint64_t mask = ring->mask, slot_bytes = ring->slot_bytes; /* once: a store may be to anything */
    for (uint64_t sequence = first + n; sequence-- != first;)        /* after the rest of the slot */
        pit_word_store_release((uint64_t *)(slots + (sequence & mask) * slot_bytes), sequence);
    pit_sequence_store(&ring->published, first + n - 1);
}

/* Writer: the last sequence published (first - 1 when none). Any thread may call it. */
static inline uint64_t pit_ring_published(const struct pit_ring *ring)
{
    return pit_sequence_load(&ring->published);
}

/* Any thread: how many entries behind that sequence, which a reader has come to, are published. A reader may be ahead
 * of that: it looks at the slots, which are written before the ring's own word. Then it is 0. */
static inline uint64_t pit_ring_behind(const struct pit_ring *ring, uint64_t sequence)
{
    const uint64_t published = pit_ring_published(ring);
    return published > sequence ? published - sequence : 0;
}

/* Reader: how many entries from reader->next on are published, at most max. The entries are
 * pit_ring_slot(ring, reader->next ... reader->next + n - 1). */
static inline uint32_t pit_ring_poll(struct pit_ring_reader *reader, uint32_t max)
{
    uint32_t n = 0;
    while (n < max && pit_word_load_acquire(pit_ring_slot(reader->ring, reader->next + n)) == reader->next + n)
        n++;
    return n;
}

/* Reader: finished with the next n entries; moves reader->next and the gating cursor. */
static inline void pit_ring_release(struct pit_ring_reader *reader, uint32_t n)
{
    PIT_HOT_CHECK(n == 0 ||
                  pit_word_load_relaxed(pit_ring_slot(reader->ring, reader->next + n - 1)) == reader->next + n - 1);
    reader->next += n;
    pit_sequence_store(reader->cursor, reader->next - 1);
}

/* Writer: makes n claimed slots from first on visible: whole entries. */
static inline void pit_ring_publish_run(struct pit_ring *ring, uint64_t first, uint32_t n)
{
    PIT_HOT_CHECK(n >= 1 && first == ring->published.value + 1 && first + n <= ring->next);
    pit_sequence_store(&ring->published, first + n - 1);
}

/* Reader: how many slots from reader->next on are published, at most max. The last may be the beginning of an entry,
 * which is then published as a whole. The ring's word, on another core's line, is looked at when all that was seen is
 * read. */
static inline uint32_t pit_ring_poll_run(struct pit_ring_reader *reader, uint32_t max)
{
    if (reader->seen == reader->next)
        reader->seen = pit_ring_published(reader->ring) + 1;
    const uint64_t ready = reader->seen - reader->next;
    return ready < max ? (uint32_t)ready : max;
}

/* Reader: finished with the next n slots: whole entries. */
static inline void pit_ring_release_run(struct pit_ring_reader *reader, uint32_t n)
{
    PIT_HOT_CHECK(n <= reader->seen - reader->next);
    reader->next += n;
    pit_sequence_store(reader->cursor, reader->next - 1);
}

/* A barrier is a set of sequences a reader must not pass: the smallest of them. One thread owns the struct. */
#define PIT_BARRIER_SEQUENCES_MAX 4u

struct pit_barrier {
    const struct pit_sequence *sequences[PIT_BARRIER_SEQUENCES_MAX];
    uint32_t count;
    uint64_t seen; /* the last minimum found: looked up again only when it does not suffice */
};

void pit_barrier_init(struct pit_barrier *barrier);
bool pit_barrier_add(struct pit_barrier *barrier, const struct pit_sequence *sequence);

/* The last sequence every member has reached, if that is at least wanted; otherwise the current minimum (< wanted). */
uint64_t pit_barrier_reached(struct pit_barrier *barrier, uint64_t wanted);

#endif
