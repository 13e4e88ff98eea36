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
 * stores it last (release), so a reader finds new entries by looking at the slot alone; cursors exist for gating.
 * Sequences are 64-bit, rise by one and start wherever the caller says (after a recovery: where the journal ended).
 */
#ifndef PIT_RING_RING_H
#define PIT_RING_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/sequence.h"

#define PIT_RING_SLOTS_MIN 4u
#define PIT_RING_SLOTS_MAX (1u << 24)
#define PIT_RING_READERS_MAX 8u

struct pit_ring;

/* A reader's private state; lives with the reader, one thread. */
struct pit_ring_reader {
    struct pit_ring *ring;
    struct pit_sequence *cursor; /* in the ring: the last sequence this reader has finished with */
    uint64_t next;               /* the sequence it reads next */
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

uint32_t pit_ring_slots(const struct pit_ring *ring);

/* The slot of a sequence. The writer may touch it between claim and publish, a reader between poll and release. */
void *pit_ring_slot(const struct pit_ring *ring, uint64_t sequence);

/* Writer: how many slots can be claimed now without lapping a reader, at most want. Looks at the readers' cursors only
 * when its cached view of them does not already cover want. */
uint32_t pit_ring_room(struct pit_ring *ring, uint32_t want);

/* Writer: reserves the next n slots (1 <= n <= capacity). Returns the first sequence, or PIT_SEQUENCE_NONE when a
 * reader is a full lap behind. Readers see nothing until pit_ring_publish. */
uint64_t pit_ring_claim(struct pit_ring *ring, uint32_t n);

/* Writer: makes n claimed slots from first on visible, in order. */
void pit_ring_publish(struct pit_ring *ring, uint64_t first, uint32_t n);

/* Writer: the last sequence published (first - 1 when none). Any thread may call it. */
uint64_t pit_ring_published(const struct pit_ring *ring);

/* Reader: how many entries from reader->next on are published, at most max. The entries are
 * pit_ring_slot(ring, reader->next ... reader->next + n - 1). */
uint32_t pit_ring_poll(struct pit_ring_reader *reader, uint32_t max);

/* Reader: finished with the next n entries; moves reader->next and the gating cursor. */
void pit_ring_release(struct pit_ring_reader *reader, uint32_t n);

/* Any thread: the slowest reader's cursor; what the writer may not lap. */
uint64_t pit_ring_slowest(const struct pit_ring *ring);

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
