/* test/ring/test_ring.c - the ring and its barriers on one thread: every promise of ring/ring.h that needs no second.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ring/ring.h"

struct entry {
    uint64_t sequence;
    uint64_t value;
    uint8_t rest[48];
};

static struct pit_ring *ring_make(uint32_t slots, uint32_t slot_bytes, uint64_t first)
{
    size_t bytes = pit_ring_bytes(slots, slot_bytes);
    void *memory = aligned_alloc(PIT_SEQUENCE_BYTES, bytes);
    assert_non_null(memory);
    memset(memory, 0xa5, bytes); /* the ring must not count on zeroed memory */
    struct pit_ring *ring = pit_ring_create(memory, slots, slot_bytes, first);
    assert_non_null(ring);
    return ring;
}

static void put(struct pit_ring *ring, uint64_t value)
{
    uint64_t sequence = pit_ring_claim(ring, 1);
    assert_true(sequence != PIT_SEQUENCE_NONE);
    struct entry *entry = pit_ring_slot(ring, sequence);
    entry->value = value;
    pit_ring_publish(ring, sequence, 1);
}

static void ring_refuses_shapes_out_of_range(void **state)
{
    (void)state;
    assert_int_equal(pit_ring_bytes(2, 64), 0);
    assert_int_equal(pit_ring_bytes(12, 64), 0);
    assert_int_equal(pit_ring_bytes(PIT_RING_SLOTS_MAX * 2, 64), 0);
    assert_int_equal(pit_ring_bytes(8, 0), 0);
    assert_int_equal(pit_ring_bytes(8, 96), 0);
    assert_int_equal(pit_ring_bytes(8, 4096 + 64), 0);
    assert_true(pit_ring_bytes(8, 128) >= 8 * 128);
    assert_int_equal(pit_ring_bytes(4, 64) % PIT_SEQUENCE_BYTES, 0);
    _Alignas(PIT_SEQUENCE_BYTES) static uint8_t memory[65536];
    assert_null(pit_ring_create(NULL, 8, 128, 1));
    assert_null(pit_ring_create(memory + 64, 8, 128, 1));
    assert_null(pit_ring_create(memory, 8, 128, 0));
    assert_null(pit_ring_create(memory, 7, 128, 1));
    assert_non_null(pit_ring_create(memory, 8, 128, 1));
}

static void ring_slots_are_whole_lines_and_wrap(void **state)
{
    (void)state;
    struct pit_ring *ring = ring_make(8, 192, 1);
    assert_int_equal(pit_ring_slots(ring), 8);
    for (uint64_t s = 1; s <= 8; s++) {
        assert_int_equal((uintptr_t)pit_ring_slot(ring, s) % 64, 0);
        assert_ptr_equal(pit_ring_slot(ring, s), pit_ring_slot(ring, s + 8));
        assert_ptr_not_equal(pit_ring_slot(ring, s), pit_ring_slot(ring, s + 1));
    }
    uint8_t *low = pit_ring_slot(ring, 0);
    uint8_t *high = pit_ring_slot(ring, 7);
    assert_true(low >= (uint8_t *)(ring + 1));
    assert_true(high + 192 <= (uint8_t *)ring + pit_ring_bytes(8, 192));
    free(ring);
}

static void reader_sees_nothing_before_publish(void **state)
{
    (void)state;
    struct pit_ring *ring = ring_make(8, 64, 1);
    struct pit_ring_reader reader;
    assert_true(pit_ring_reader_add(ring, &reader));
    assert_int_equal(pit_ring_poll(&reader, 8), 0);
    uint64_t first = pit_ring_claim(ring, 3);
    assert_int_equal(first, 1);
    assert_int_equal(pit_ring_poll(&reader, 8), 0);
    assert_int_equal(pit_ring_published(ring), 0);
    pit_ring_publish(ring, first, 2);
    assert_int_equal(pit_ring_poll(&reader, 8), 2);
    assert_int_equal(pit_ring_poll(&reader, 1), 1);
    assert_int_equal(pit_ring_published(ring), 2);
    pit_ring_publish(ring, 3, 1);
    assert_int_equal(pit_ring_poll(&reader, 8), 3);
    free(ring);
}

/* Between the last slot of a publication and the ring's own word a reader may already be through with it. */
static void none_is_behind_a_reader_that_is_ahead(void **state)
{
    (void)state;
    struct pit_ring *ring = ring_make(8, 64, 1);
    struct pit_ring_reader reader;
    assert_true(pit_ring_reader_add(ring, &reader));
    put(ring, 1);
    assert_int_equal(pit_ring_behind(ring, 0), 1);
    assert_int_equal(pit_ring_claim(ring, 2), 2);
    for (uint64_t sequence = 3; sequence >= 2; sequence--)
        pit_word_store_release(pit_ring_slot(ring, sequence), sequence);
    assert_int_equal(pit_ring_poll(&reader, 8), 3);
    pit_ring_release(&reader, 3);
    assert_int_equal(pit_ring_behind(ring, pit_ring_slowest(ring)), 0);
    pit_ring_publish(ring, 2, 2);
    assert_int_equal(pit_ring_behind(ring, 1), 2);
    free(ring);
}

/* Entries of several slots: readers go by the ring's word, whatever stands in the slots. */
static void runs_are_seen_by_the_rings_word_alone(void **state)
{
    (void)state;
    struct pit_ring *ring = ring_make(4, 64, 1);
    struct pit_ring_reader fast, slow;
    assert_true(pit_ring_reader_add(ring, &fast));
    assert_true(pit_ring_reader_add(ring, &slow));
    assert_int_equal(pit_ring_claim(ring, 3), 1);
    for (uint64_t slot = 1; slot <= 3; slot++)
        *(uint64_t *)pit_ring_slot(ring, slot) = slot; /* as if each had been published */
    assert_int_equal(pit_ring_poll_run(&fast, 4), 0);
    pit_ring_publish_run(ring, 1, 3);
    assert_int_equal(pit_ring_poll_run(&fast, 4), 3);
    assert_int_equal(pit_ring_poll_run(&fast, 2), 2);
    pit_ring_release_run(&fast, 3); /* more than the last poll gave: an entry that began in its last slot */
    assert_int_equal(pit_ring_poll_run(&fast, 4), 0);
    assert_true(pit_ring_claim(ring, 2) == PIT_SEQUENCE_NONE); /* the slow one */
    assert_int_equal(pit_ring_poll_run(&slow, 4), 3);
    pit_ring_release_run(&slow, 1);
    assert_int_equal(pit_ring_claim(ring, 2), 4);
    pit_ring_publish_run(ring, 4, 2);
    assert_int_equal(pit_ring_poll_run(&slow, 4), 2); /* of what it saw before; the rest it sees then */
    pit_ring_release_run(&slow, 2);
    assert_int_equal(pit_ring_poll_run(&slow, 4), 2);
    assert_int_equal(pit_ring_behind(ring, pit_ring_slowest(ring)), 2);
    /* Behind the last slot there is room. */
    uint8_t *last = pit_ring_slot(ring, 3);
    memset(last, 0x77, 64 + PIT_RING_OVERHANG_BYTES);
    assert_true(last + 64 + PIT_RING_OVERHANG_BYTES <= (uint8_t *)ring + pit_ring_bytes(4, 64));
    free(ring);
}

static void claim_fails_until_the_slowest_reader_moves(void **state)
{
    (void)state;
    struct pit_ring *ring = ring_make(4, 64, 1);
    struct pit_ring_reader fast;
    struct pit_ring_reader slow;
    assert_true(pit_ring_reader_add(ring, &fast));
    assert_true(pit_ring_reader_add(ring, &slow));
    for (uint64_t i = 1; i <= 4; i++)
        put(ring, i);
    assert_true(pit_ring_claim(ring, 1) == PIT_SEQUENCE_NONE);
    pit_ring_release(&fast, pit_ring_poll(&fast, 4));
    assert_true(pit_ring_claim(ring, 1) == PIT_SEQUENCE_NONE);
    assert_int_equal(pit_ring_slowest(ring), 0);
    pit_ring_release(&slow, 2);
    assert_int_equal(pit_ring_slowest(ring), 2);
    assert_true(pit_ring_claim(ring, 3) == PIT_SEQUENCE_NONE); /* a failed claim takes nothing */
    assert_int_equal(pit_ring_room(ring, 4), 2);
    assert_int_equal(pit_ring_room(ring, 1), 1);
    assert_int_equal(pit_ring_claim(ring, 2), 5);
    assert_int_equal(pit_ring_room(ring, 4), 0);
    free(ring);
}

static void ring_starts_at_any_sequence(void **state)
{
    (void)state;
    const uint64_t firsts[] = {1, 2, 7, 8, 9, 4097, UINT64_C(1) << 40, (UINT64_C(1) << 63) - 3};
    for (size_t f = 0; f < sizeof firsts / sizeof firsts[0]; f++) {
        struct pit_ring *ring = ring_make(8, 64, firsts[f]);
        struct pit_ring_reader reader;
        assert_true(pit_ring_reader_add(ring, &reader));
        assert_true(pit_ring_published(ring) == firsts[f] - 1);
        assert_true(pit_ring_slowest(ring) == firsts[f] - 1);
        assert_int_equal(pit_ring_poll(&reader, 8), 0);
        for (uint64_t i = 0; i < 50; i++) {
            put(ring, i);
            assert_int_equal(pit_ring_poll(&reader, 8), 1);
            assert_true(reader.next == firsts[f] + i);
            const struct entry *entry = pit_ring_slot(ring, reader.next);
            assert_int_equal(entry->value, i);
            assert_true(entry->sequence == firsts[f] + i);
            pit_ring_release(&reader, 1);
        }
        free(ring);
    }
}

static void ring_takes_so_many_readers_and_no_more(void **state)
{
    (void)state;
    struct pit_ring *ring = ring_make(4, 64, 1);
    struct pit_ring_reader readers[PIT_RING_READERS_MAX];
    struct pit_ring_reader beyond;
    for (uint32_t i = 0; i < PIT_RING_READERS_MAX; i++)
        assert_true(pit_ring_reader_add(ring, &readers[i]));
    assert_false(pit_ring_reader_add(ring, &beyond));
    for (uint64_t i = 0; i < 4; i++)
        put(ring, i);
    for (uint32_t i = 0; i < PIT_RING_READERS_MAX; i++) {
        assert_true(pit_ring_claim(ring, 1) == PIT_SEQUENCE_NONE);
        pit_ring_release(&readers[i], pit_ring_poll(&readers[i], 4));
    }
    assert_int_equal(pit_ring_claim(ring, 4), 5);
    free(ring);
}

static void ring_without_readers_never_fills(void **state)
{
    (void)state;
    struct pit_ring *ring = ring_make(4, 64, 10);
    for (uint64_t i = 0; i < 100; i++)
        put(ring, i);
    assert_int_equal(pit_ring_published(ring), 109);
    free(ring);
}

/* A model: a queue of what was published and not yet released by each of two readers. */
static void ring_agrees_with_a_model(void **state)
{
    (void)state;
    const char *given = getenv("PIT_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)time(NULL);
    print_message("# PIT_SEED=%u\n", seed);
    struct pit_ring *ring = ring_make(16, 64, 1000);
    struct pit_ring_reader readers[2];
    uint64_t claimed = 999;
    uint64_t published = 999;
    uint64_t released[2] = {999, 999};
    assert_true(pit_ring_reader_add(ring, &readers[0]));
    assert_true(pit_ring_reader_add(ring, &readers[1]));
    for (int turn = 0; turn < 200000; turn++) {
        uint32_t n = (uint32_t)rand_r(&seed) % 16 + 1;
        uint64_t slowest = released[0] < released[1] ? released[0] : released[1];
        uint64_t room = 16 - (claimed - slowest);
        uint32_t what = (uint32_t)rand_r(&seed) % 4;
        if (what == 0) {
            uint64_t first = pit_ring_claim(ring, n);
            assert_true(first == (n <= room ? claimed + 1 : PIT_SEQUENCE_NONE));
            for (uint32_t i = 0; first != PIT_SEQUENCE_NONE && i < n; i++)
                ((struct entry *)pit_ring_slot(ring, first + i))->value = (first + i) * 3;
            claimed += n <= room ? n : 0;
        } else if (what == 1) {
            n = n <= claimed - published ? n : (uint32_t)(claimed - published);
            if (n)
                pit_ring_publish(ring, published + 1, n);
            published += n;
            assert_true(pit_ring_published(ring) == published);
        } else {
            struct pit_ring_reader *reader = &readers[what - 2];
            uint64_t waiting = published - released[what - 2];
            n = pit_ring_poll(reader, n) < n ? pit_ring_poll(reader, n) : n;
            assert_true(n <= waiting);
            for (uint32_t i = 0; i < n; i++)
                assert_true(((struct entry *)pit_ring_slot(ring, reader->next + i))->value == (reader->next + i) * 3);
            pit_ring_release(reader, n);
            released[what - 2] += n;
            assert_int_equal(pit_ring_poll(reader, 100), waiting - n);
        }
    }
    assert_true(published > 10000);
    free(ring);
}

static void barrier_is_the_smallest_member(void **state)
{
    (void)state;
    static struct pit_sequence members[PIT_BARRIER_SEQUENCES_MAX];
    struct pit_barrier barrier;
    pit_barrier_init(&barrier);
    for (uint32_t i = 0; i < PIT_BARRIER_SEQUENCES_MAX; i++) {
        pit_sequence_store(&members[i], 10 + i);
        assert_true(pit_barrier_add(&barrier, &members[i]));
    }
    struct pit_sequence more = {0};
    assert_false(pit_barrier_add(&barrier, &more));
    assert_int_equal(pit_barrier_reached(&barrier, 1), 10);
    assert_int_equal(pit_barrier_reached(&barrier, 11), 10);
    pit_sequence_store(&members[0], 50);
    assert_int_equal(pit_barrier_reached(&barrier, 10), 10); /* what it knows suffices: no look */
    assert_int_equal(pit_barrier_reached(&barrier, 11), 11);
    pit_sequence_store(&members[1], 50);
    assert_int_equal(pit_barrier_reached(&barrier, 60), 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_refuses_shapes_out_of_range),
        cmocka_unit_test(ring_slots_are_whole_lines_and_wrap),
        cmocka_unit_test(reader_sees_nothing_before_publish),
        cmocka_unit_test(none_is_behind_a_reader_that_is_ahead),
        cmocka_unit_test(runs_are_seen_by_the_rings_word_alone),
        cmocka_unit_test(claim_fails_until_the_slowest_reader_moves),
        cmocka_unit_test(ring_starts_at_any_sequence),
        cmocka_unit_test(ring_takes_so_many_readers_and_no_more),
        cmocka_unit_test(ring_without_readers_never_fills),
        cmocka_unit_test(ring_agrees_with_a_model),
        cmocka_unit_test(barrier_is_the_smallest_member),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
