/* test/ring/bench_ring.c - what a hand-over costs on this machine: printed, not asserted.
 *
 *   one thread     claim, fill, publish, poll, read, release by turns, in batches: the instructions alone
 *   two threads    throughput from a writer to a reader, each waiting in its own way
 *   round trip     one entry there and one back between two threads
 *
 * On a machine with fewer free cores than threads the last two measure the scheduler.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ring/ring.h"
#include "ring/wait.h"

#define SLOTS 4096u

struct entry {
    uint64_t sequence;
    uint64_t words[15];
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static struct pit_ring *ring_make(struct pit_ring_reader *reader)
{
    void *memory = aligned_alloc(PIT_SEQUENCE_BYTES, pit_ring_bytes(SLOTS, sizeof(struct entry)));
    struct pit_ring *ring = memory ? pit_ring_create(memory, SLOTS, sizeof(struct entry), 1) : NULL;
    if (!ring || !pit_ring_reader_add(ring, reader))
        abort();
    return ring;
}

/* Fills line 0 of up to n entries. Returns how many there was room for. */
static uint32_t put(struct pit_ring *ring, uint32_t n)
{
    n = pit_ring_room(ring, n);
    if (n == 0)
        return 0;
    uint64_t first = pit_ring_claim(ring, n);
    for (uint32_t i = 0; i < n; i++) {
        struct entry *entry = pit_ring_slot(ring, first + i);
        for (int w = 0; w < 7; w++)
            entry->words[w] = first + i;
    }
    pit_ring_publish(ring, first, n);
    return n;
}

static uint32_t take(struct pit_ring_reader *reader, uint32_t n, uint64_t *sum)
{
    n = pit_ring_poll(reader, n);
    if (n == 0)
        return 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct entry *entry = pit_ring_slot(reader->ring, reader->next + i);
        *sum += entry->words[0] + entry->words[6];
    }
    pit_ring_release(reader, n);
    return n;
}

static void one_thread(uint32_t batch)
{
    const uint64_t entries = 20000000;
    struct pit_ring_reader reader;
    struct pit_ring *ring = ring_make(&reader);
    uint64_t sum = 0;
    double start = now_s();
    for (uint64_t done = 0; done < entries; done += batch) {
        put(ring, batch);
        take(&reader, batch, &sum);
    }
    double s = now_s() - start;
    printf("one thread, batches of %3u: %7.1f M entries/s  (%llu)\n", batch, (double)entries / s / 1e6,
           (unsigned long long)sum % 10);
    free(ring);
}

struct pair {
    struct pit_ring_reader there, back;
    enum pit_wait_kind kind;
    struct pit_bell *bells[2];
    uint64_t entries;
    uint32_t batch;
};

static void *drain_main(void *argument)
{
    struct pair *pair = argument;
    struct pit_wait wait;
    uint64_t sum = 0;
    pit_wait_init(&wait, pair->kind, NULL);
    for (uint64_t done = 0; done < pair->entries;) {
        uint32_t n = take(&pair->there, pair->batch, &sum);
        done += n;
        if (n)
            pit_wait_reset(&wait);
        else
            pit_wait_idle(&wait);
    }
    return NULL;
}

static void two_threads(const char *name, enum pit_wait_kind kind, uint32_t batch)
{
    struct pair pair = {.kind = kind, .entries = 5000000, .batch = batch};
    struct pit_ring *ring = ring_make(&pair.there);
    struct pit_wait wait;
    pthread_t thread;
    pit_wait_init(&wait, kind, NULL);
    double start = now_s();
    if (pthread_create(&thread, NULL, drain_main, &pair))
        abort();
    for (uint64_t done = 0; done < pair.entries;) {
        uint64_t left = pair.entries - done;
        uint32_t n = put(ring, left < batch ? (uint32_t)left : batch);
        done += n;
        if (n)
            pit_wait_reset(&wait);
        else
            pit_wait_idle(&wait);
    }
    pthread_join(thread, NULL);
    double s = now_s() - start;
    printf("two threads, %-7s, batches of %3u: %7.1f M entries/s\n", name, batch, (double)pair.entries / s / 1e6);
    free(ring);
}

/* Waits for one entry of reader's ring, then writes one to the other ring and rings its bell, so many times. */
static void bounce(struct pit_ring_reader *reader, struct pit_ring *to, enum pit_wait_kind kind,
                   struct pit_bell *const bells[2], uint64_t times, bool serve)
{
    struct pit_wait wait;
    uint64_t sum = 0;
    pit_wait_init(&wait, kind, bells[0]);
    if (serve) {
        put(to, 1);
        if (kind == PIT_WAIT_SLEEP)
            pit_bell_ring(bells[1]);
    }
    for (uint64_t done = 0; done < times;) {
        pit_wait_listen(&wait);
        if (!take(reader, 1, &sum)) {
            pit_wait_idle(&wait);
            continue;
        }
        pit_wait_reset(&wait);
        done++;
        if (serve && done == times)
            break;
        put(to, 1);
        if (kind == PIT_WAIT_SLEEP)
            pit_bell_ring(bells[1]);
    }
}

static void *bounce_main(void *argument)
{
    struct pair *pair = argument;
    struct pit_bell *bells[2] = {pair->bells[1], pair->bells[0]};
    bounce(&pair->there, pair->back.ring, pair->kind, bells, pair->entries, false);
    return NULL;
}

static void round_trip(const char *name, enum pit_wait_kind kind, uint64_t times)
{
    static _Alignas(PIT_BELL_BYTES) uint8_t memory[2][PIT_BELL_BYTES];
    struct pair pair = {.kind = kind, .entries = times};
    struct pit_ring *there = ring_make(&pair.there);
    struct pit_ring *back = ring_make(&pair.back);
    pair.bells[0] = pit_bell_create(memory[0]);
    pair.bells[1] = pit_bell_create(memory[1]);
    pthread_t thread;
    if (pthread_create(&thread, NULL, bounce_main, &pair))
        abort();
    double start = now_s();
    bounce(&pair.back, there, kind, pair.bells, times, true);
    double s = now_s() - start;
    pthread_join(thread, NULL);
    printf("round trip, %-7s: %9.0f ns\n", name, s / (double)times * 1e9);
    free(there);
    free(back);
}

int main(void)
{
    one_thread(1);
    one_thread(16);
    one_thread(256);
    two_threads("spin", PIT_WAIT_SPIN, 1);
    two_threads("spin", PIT_WAIT_SPIN, 256);
    two_threads("yield", PIT_WAIT_YIELD, 256);
    round_trip("spin", PIT_WAIT_SPIN, 200000);
    round_trip("yield", PIT_WAIT_YIELD, 100000);
    round_trip("sleep", PIT_WAIT_SLEEP, 20000);
    return 0;
}
