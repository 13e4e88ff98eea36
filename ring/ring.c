/* ring/ring.c - laying rings out, and the writer's look at its readers. The hot paths are inline in ring.h. */
#include "ring/ring.h"

#include <string.h>

static bool shape_valid(uint32_t slots, uint32_t slot_bytes)
{
    if (slots < PIT_RING_SLOTS_MIN || slots > PIT_RING_SLOTS_MAX || (slots & (slots - 1)))
        return false;
    return slot_bytes >= 64 && slot_bytes <= 4096 && slot_bytes % 64 == 0;
}

size_t pit_ring_bytes(uint32_t slots, uint32_t slot_bytes)
{
    if (!shape_valid(slots, slot_bytes))
        return 0;
    size_t bytes = sizeof(struct pit_ring) + (size_t)slots * slot_bytes + PIT_RING_OVERHANG_BYTES;
    return (bytes + PIT_SEQUENCE_BYTES - 1) / PIT_SEQUENCE_BYTES * PIT_SEQUENCE_BYTES;
}

struct pit_ring *pit_ring_create(void *memory, uint32_t slots, uint32_t slot_bytes, uint64_t first)
{
    if (!memory || (uintptr_t)memory % PIT_SEQUENCE_BYTES || !shape_valid(slots, slot_bytes))
        return NULL;
    if (first < 1 || first == PIT_SEQUENCE_NONE)
        return NULL;
    struct pit_ring *ring = memory;
    memset(ring, 0, sizeof *ring);
    ring->mask = slots - 1;
    ring->slot_bytes = slot_bytes;
    ring->first = first;
    ring->next = first;
    ring->limit = first + slots;
    ring->published.value = first - 1;
    /* 0 is nobody's sequence; and the memory is touched. */
    memset(pit_ring_slot(ring, 0), 0, (size_t)slots * slot_bytes + PIT_RING_OVERHANG_BYTES);
    return ring;
}

bool pit_ring_reader_add(struct pit_ring *ring, struct pit_ring_reader *reader)
{
    PIT_CHECK(ring->next == ring->first);
    if (ring->readers == PIT_RING_READERS_MAX)
        return false;
    reader->ring = ring;
    reader->cursor = &ring->cursors[ring->readers];
    reader->cursor->value = ring->first - 1;
    reader->next = ring->first;
    reader->seen = ring->first;
    ring->readers++;
    return true;
}

uint64_t pit_ring_slowest(const struct pit_ring *ring)
{
    if (ring->readers == 0)
        return pit_ring_published(ring);
    uint64_t slowest = pit_sequence_load(&ring->cursors[0]);
    for (uint32_t i = 1; i < ring->readers; i++) {
        uint64_t cursor = pit_sequence_load(&ring->cursors[i]);
        if (cursor < slowest)
            slowest = cursor;
    }
    return slowest;
}

void pit_ring_look(struct pit_ring *ring)
{
    uint64_t slowest = pit_ring_slowest(ring);
    PIT_CHECK(slowest + 1 <= ring->next && ring->next - slowest <= ring->mask + 2);
    ring->limit = slowest + ring->mask + 2;
}

void pit_barrier_init(struct pit_barrier *barrier)
{
    memset(barrier, 0, sizeof *barrier);
}

bool pit_barrier_add(struct pit_barrier *barrier, const struct pit_sequence *sequence)
{
    if (barrier->count == PIT_BARRIER_SEQUENCES_MAX)
        return false;
    barrier->sequences[barrier->count++] = sequence;
    barrier->seen = 0;
    return true;
}

uint64_t pit_barrier_reached(struct pit_barrier *barrier, uint64_t wanted)
{
    if (barrier->seen >= wanted)
        return barrier->seen;
    uint64_t smallest = PIT_SEQUENCE_NONE;
    for (uint32_t i = 0; i < barrier->count; i++) {
        uint64_t value = pit_sequence_load(barrier->sequences[i]);
        if (value < smallest)
            smallest = value;
    }
    barrier->seen = smallest;
    return smallest;
}
