/* test/ring/test_ring_threads.c - the ring between threads: small rings, so that every run wraps thousands of times and
 * writer and readers keep meeting each other's limits. Threads count what is wrong; the test looks when they are done.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ring/ring.h"
#include "ring/wait.h"

#define ENTRIES 150000u
#define READERS 3u

struct entry {
    uint64_t sequence;
    uint64_t words[15];
};

struct run {
    struct pit_ring *ring;
    uint64_t first;
    unsigned seed;
};

struct member {
    struct run *run;
    struct pit_ring_reader reader;
    struct pit_barrier barrier; /* of the one that waits behind the others */
    unsigned seed;
    uint64_t wrong;
    uint64_t seen;
    uint64_t *trace; /* plain memory this reader fills before it releases, for whoever waits behind it */
    const uint64_t *behind[2];
};

static uint64_t word_of(uint64_t sequence, uint32_t i)
{
    return (sequence ^ (i * UINT64_C(0x9e3779b97f4a7c15))) * UINT64_C(0xbf58476d1ce4e5b9);
}

static void fill(struct entry *entry, uint64_t sequence)
{
    for (uint32_t i = 0; i < 15; i++)
        entry->words[i] = word_of(sequence, i);
}

static uint64_t check(const struct entry *entry, uint64_t sequence)
{
    uint64_t wrong = entry->sequence != sequence;
    for (uint32_t i = 0; i < 15; i++)
        wrong += entry->words[i] != word_of(sequence, i);
    return wrong;
}

static void *writer_main(void *argument)
{
    struct member *member = argument;
    struct pit_ring *ring = member->run->ring;
    struct pit_wait wait;
    pit_wait_init(&wait, PIT_WAIT_YIELD, NULL);
    wait.spins = 4;
    for (uint64_t done = 0; done < ENTRIES;) {
        uint32_t n = (uint32_t)rand_r(&member->seed) % pit_ring_slots(ring) + 1;
        if (n > ENTRIES - done)
            n = (uint32_t)(ENTRIES - done);
        uint64_t first = pit_ring_claim(ring, n);
        if (first == PIT_SEQUENCE_NONE) {
            pit_wait_idle(&wait);
            continue;
        }
        pit_wait_reset(&wait);
        member->wrong += first != member->run->first + done;
        for (uint32_t i = 0; i < n; i++)
            fill(pit_ring_slot(ring, first + i), first + i);
        pit_ring_publish(ring, first, n);
        done += n;
    }
    return NULL;
}

/* Lets the others run ahead now and then, as far as the ring lets them. */
static void dawdle(struct member *member)
{
    uint32_t turns = rand_r(&member->seed) % 256 == 0 ? 20 : 0;
    while (turns--)
        sched_yield();
}

/* Waits until there is something to read. */
static uint32_t await(struct member *member, uint32_t (*poll)(struct pit_ring_reader *reader, uint32_t max))
{
    struct pit_wait wait;
    pit_wait_init(&wait, PIT_WAIT_YIELD, NULL);
    wait.spins = 4;
    uint32_t n;
    while ((n = poll(&member->reader, (uint32_t)rand_r(&member->seed) % 20 + 1)) == 0)
        pit_wait_idle(&wait);
    dawdle(member);
    return n;
}

static void *reader_main(void *argument)
{
    struct member *member = argument;
    while (member->seen < ENTRIES) {
        const uint32_t n = await(member, pit_ring_poll);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t sequence = member->reader.next + i;
            member->wrong += sequence != member->run->first + member->seen;
            member->wrong += check(pit_ring_slot(member->run->ring, sequence), sequence);
            if (member->trace)
                member->trace[member->seen] = sequence;
            member->seen++;
        }
        pit_ring_release(&member->reader, n);
    }
    return NULL;
}

/* The two above with entries of one or two slots: which, is in the entry, whose first word is its own. */

static uint32_t slots_of(uint64_t entry)
{
    return 1 + entry % 3 % 2;
}

static void fill_run(uint64_t *words, uint64_t entry)
{
    words[0] = slots_of(entry);
    for (uint32_t i = 1; i < slots_of(entry) * 8; i++)
        words[i] = word_of(entry, i);
}

static uint64_t check_run(const uint64_t *words, uint64_t entry)
{
    uint64_t wrong = words[0] != slots_of(entry);
    for (uint32_t i = 1; i < slots_of(entry) * 8; i++)
        wrong += words[i] != word_of(entry, i);
    return wrong;
}

static void publish_written(struct member *member, uint64_t *published, uint64_t end)
{
    const uint32_t slots = (uint32_t)(end - *published);
    if (slots == 0)
        return;
    member->wrong += pit_ring_claim(member->run->ring, slots) != *published;
    pit_ring_publish_run(member->run->ring, *published, slots);
    *published = end;
}

static void *run_writer_main(void *argument)
{
    struct member *member = argument;
    struct pit_ring *ring = member->run->ring;
    uint64_t slot = member->run->first, published = slot;
    for (uint64_t done = 0; done < ENTRIES; done++) {
        const uint32_t wanted = (uint32_t)(slot - published) + slots_of(done);
        if (pit_ring_room(ring, wanted) < wanted)
            publish_written(member, &published, slot);
        while (pit_ring_room(ring, slots_of(done)) < slots_of(done))
            sched_yield();
        fill_run(pit_ring_slot(ring, slot), done);
        slot += slots_of(done);
        if (rand_r(&member->seed) % 4 == 0)
            publish_written(member, &published, slot);
    }
    publish_written(member, &published, slot);
    return NULL;
}

static void *run_reader_main(void *argument)
{
    struct member *member = argument;
    while (member->seen < ENTRIES) {
        const uint32_t ready = await(member, pit_ring_poll_run);
        uint32_t done = 0;
        while (done < ready) {
            member->wrong += check_run(pit_ring_slot(member->run->ring, member->reader.next + done), member->seen);
            done += slots_of(member->seen++);
        }
        pit_ring_release_run(&member->reader, done);
    }
    return NULL;
}

/* Reads only what both others have released, without looking at the slots' own sequences first. */
static void *behind_main(void *argument)
{
    struct member *member = argument;
    struct pit_ring *ring = member->run->ring;
    struct pit_wait wait;
    pit_wait_init(&wait, PIT_WAIT_YIELD, NULL);
    wait.spins = 4;
    while (member->seen < ENTRIES) {
        uint64_t reached = pit_barrier_reached(&member->barrier, member->reader.next);
        if (reached < member->reader.next) {
            pit_wait_idle(&wait);
            continue;
        }
        pit_wait_reset(&wait);
        uint32_t n = (uint32_t)(reached - member->reader.next + 1);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t sequence = member->reader.next + i;
            member->wrong += check(pit_ring_slot(ring, sequence), sequence);
            member->wrong += member->behind[0][member->seen] != sequence;
            member->wrong += member->behind[1][member->seen] != sequence;
            member->seen++;
        }
        pit_ring_release(&member->reader, n);
    }
    return NULL;
}

static void run_make(struct run *run, uint32_t slots, uint32_t slot_bytes, uint64_t first, unsigned seed)
{
    void *memory = aligned_alloc(PIT_SEQUENCE_BYTES, pit_ring_bytes(slots, slot_bytes));
    assert_non_null(memory);
    *run = (struct run){.ring = pit_ring_create(memory, slots, slot_bytes, first), .first = first};
    run->seed = seed;
}

static unsigned seed_of_this_run(void)
{
    const char *given = getenv("PIT_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)time(NULL);
    print_message("# PIT_SEED=%u\n", seed);
    return seed;
}

static void let_them_run(const uint32_t *shapes, uint32_t shapes_count, uint32_t slot_bytes, uint64_t slots_written,
                         void *(*writer)(void *), void *(*reader)(void *))
{
    unsigned seed = seed_of_this_run();
    for (size_t shape = 0; shape < shapes_count; shape++) {
        struct run run;
        run_make(&run, shapes[shape], slot_bytes, shape == 0 ? 1 : 12345 + shape, seed);
        struct member members[READERS + 1];
        memset(members, 0, sizeof members);
        pthread_t threads[READERS + 1];
        for (uint32_t i = 0; i <= READERS; i++) {
            members[i].run = &run;
            members[i].seed = seed + i;
            if (i < READERS)
                assert_true(pit_ring_reader_add(run.ring, &members[i].reader));
        }
        for (uint32_t i = 0; i <= READERS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, i < READERS ? reader : writer, &members[i]), 0);
        for (uint32_t i = 0; i <= READERS; i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(members[i].wrong, 0);
            if (i < READERS)
                assert_int_equal(members[i].seen, ENTRIES);
        }
        assert_int_equal(pit_ring_slowest(run.ring), run.first + slots_written - 1);
        free(run.ring);
    }
}

static void every_reader_gets_every_entry_whole_and_in_order(void **state)
{
    (void)state;
    const uint32_t shapes[] = {4, 8, 256};
    let_them_run(shapes, 3, sizeof(struct entry), ENTRIES, writer_main, reader_main);
}

static void every_reader_gets_entries_of_several_slots_whole_and_in_order(void **state)
{
    (void)state;
    const uint32_t shapes[] = {4, 256};
    let_them_run(shapes, 2, 64, ENTRIES + ENTRIES / 3, run_writer_main, run_reader_main);
}

static void reader_behind_a_barrier_sees_what_the_others_did_first(void **state)
{
    (void)state;
    unsigned seed = seed_of_this_run();
    struct run run;
    run_make(&run, 16, sizeof(struct entry), 77, seed);
    struct member members[4];
    memset(members, 0, sizeof members);
    for (uint32_t i = 0; i < 4; i++) {
        members[i].run = &run;
        members[i].seed = seed + i;
        if (i < 3)
            assert_true(pit_ring_reader_add(run.ring, &members[i].reader));
    }
    pit_barrier_init(&members[2].barrier);
    for (uint32_t i = 0; i < 2; i++) {
        members[i].trace = calloc(ENTRIES, sizeof(uint64_t));
        assert_non_null(members[i].trace);
        members[2].behind[i] = members[i].trace;
        assert_true(pit_barrier_add(&members[2].barrier, members[i].reader.cursor));
    }
    void *(*const mains[4])(void *) = {reader_main, reader_main, behind_main, writer_main};
    pthread_t threads[4];
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, mains[i], &members[i]), 0);
    for (uint32_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(members[i].wrong, 0);
    }
    assert_int_equal(members[2].seen, ENTRIES);
    free(members[0].trace);
    free(members[1].trace);
    free(run.ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reader_gets_every_entry_whole_and_in_order),
        cmocka_unit_test(every_reader_gets_entries_of_several_slots_whole_and_in_order),
        cmocka_unit_test(reader_behind_a_barrier_sees_what_the_others_did_first),
    };
    return cmocka_run_group_tests_name("ring_threads", tests, NULL, NULL);
}
