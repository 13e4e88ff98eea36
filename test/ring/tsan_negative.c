/* test/ring/tsan_negative.c - the negative control: shows that ThreadSanitizer sees through ring/sequence.h.
 *
 * One writer hands plain data to one reader through the ring. Built with SEEDED_BUG the slot's sequence is stored
 * without release, as a mistake in the ring would: ThreadSanitizer must report a data race. Built without, the same
 * program must be clean. tsan_control.sh judges both.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "ring/ring.h"

#define ENTRIES 20000u
#define SLOTS 16u

struct entry {
    uint64_t sequence;
    uint64_t value;
    uint8_t rest[48];
};

static void publish(struct pit_ring *ring, uint64_t sequence)
{
#ifdef SEEDED_BUG
    pit_word_store_relaxed(pit_ring_slot(ring, sequence), sequence);
    pit_word_store_relaxed(&ring->published.value, sequence);
#else
    pit_ring_publish(ring, sequence, 1);
#endif
}

static void *reader_main(void *argument)
{
    struct pit_ring_reader *reader = argument;
    uint64_t sum = 0;
    for (uint32_t seen = 0; seen < ENTRIES;) {
        uint32_t n = pit_ring_poll(reader, SLOTS);
        if (n == 0) {
            sched_yield();
            continue;
        }
        for (uint32_t i = 0; i < n; i++)
            sum += ((const struct entry *)pit_ring_slot(reader->ring, reader->next + i))->value;
        pit_ring_release(reader, n);
        seen += n;
    }
    printf("sum %llu\n", (unsigned long long)sum);
    return NULL;
}

int main(void)
{
    struct pit_ring *ring = pit_ring_create(aligned_alloc(PIT_SEQUENCE_BYTES, pit_ring_bytes(SLOTS, 64)), SLOTS, 64, 1);
    struct pit_ring_reader reader;
    pthread_t thread;
    if (!ring || !pit_ring_reader_add(ring, &reader) || pthread_create(&thread, NULL, reader_main, &reader))
        return 2;
    for (uint32_t i = 0; i < ENTRIES;) {
        uint64_t sequence = pit_ring_claim(ring, 1);
        if (sequence == PIT_SEQUENCE_NONE) {
            sched_yield();
            continue;
        }
        ((struct entry *)pit_ring_slot(ring, sequence))->value = ++i;
        publish(ring, sequence);
    }
    pthread_join(thread, NULL);
    free(ring);
    return 0;
}
