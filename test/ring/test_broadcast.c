/* test/ring/test_broadcast.c - lossy readers: what they read is right, and what they lost they know. */
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
#include <sys/mman.h>
#include <unistd.h>

#include "ring/broadcast.h"
#include "ring/sequence.h"

static uint64_t word_of(uint64_t sequence, uint32_t i)
{
    return (sequence + i) * UINT64_C(0x9e3779b97f4a7c15) ^ i;
}

static void write_one(struct pit_broadcast_writer *writer)
{
    uint64_t words[PIT_BROADCAST_WORDS];
    for (uint32_t i = 0; i < PIT_BROADCAST_WORDS; i++)
        words[i] = word_of(writer->next, i);
    uint64_t expected = writer->next;
    uint64_t sequence = pit_broadcast_write(writer, words);
    if (sequence != expected)
        abort();
}

static uint64_t check(const uint64_t words[PIT_BROADCAST_WORDS], uint64_t sequence)
{
    uint64_t wrong = 0;
    for (uint32_t i = 0; i < PIT_BROADCAST_WORDS; i++)
        wrong += words[i] != word_of(sequence, i);
    return wrong;
}

static struct pit_broadcast_slot *slots_make(uint64_t count)
{
    struct pit_broadcast_slot *slots = aligned_alloc(64, count * sizeof *slots);
    assert_non_null(slots);
    memset(slots, 0, count * sizeof *slots);
    return slots;
}

static void reader_follows_the_writer(void **state)
{
    (void)state;
    struct pit_broadcast_slot *slots = slots_make(8);
    struct pit_broadcast_writer writer;
    struct pit_broadcast_reader reader;
    uint64_t words[PIT_BROADCAST_WORDS];
    uint64_t lost = 0;
    pit_broadcast_writer_init(&writer, slots, 8);
    pit_broadcast_reader_init(&reader, slots, 8, 1);
    for (uint64_t sequence = 1; sequence <= 100; sequence++) {
        assert_int_equal(pit_broadcast_read(&reader, words, &lost), PIT_BROADCAST_EMPTY);
        write_one(&writer);
        assert_int_equal(pit_broadcast_read(&reader, words, &lost), PIT_BROADCAST_READ);
        assert_int_equal(reader.next, sequence + 1);
        assert_int_equal(check(words, sequence), 0);
    }
    assert_int_equal(lost, 0);
    free(slots);
}

static void reader_a_whole_ring_behind_is_not_lapped_yet(void **state)
{
    (void)state;
    struct pit_broadcast_slot *slots = slots_make(8);
    struct pit_broadcast_writer writer;
    struct pit_broadcast_reader reader;
    uint64_t words[PIT_BROADCAST_WORDS];
    uint64_t lost = 0;
    pit_broadcast_writer_init(&writer, slots, 8);
    pit_broadcast_reader_init(&reader, slots, 8, 1);
    for (int i = 0; i < 8; i++)
        write_one(&writer);
    for (uint64_t sequence = 1; sequence <= 8; sequence++) {
        assert_int_equal(pit_broadcast_read(&reader, words, &lost), PIT_BROADCAST_READ);
        assert_int_equal(check(words, sequence), 0);
    }
    assert_int_equal(pit_broadcast_read(&reader, words, &lost), PIT_BROADCAST_EMPTY);
    free(slots);
}

/* Whatever the distance and the ring, what was read and what was lost add up, and the newest entry is never lost. */
static void lapped_reader_knows_the_number_lost(void **state)
{
    (void)state;
    for (uint64_t count = 2; count <= 64; count *= 2) {
        for (uint64_t behind = count + 1; behind <= 5 * count + 3; behind++) {
            struct pit_broadcast_slot *slots = slots_make(count);
            struct pit_broadcast_writer writer;
            struct pit_broadcast_reader reader;
            uint64_t words[PIT_BROADCAST_WORDS];
            uint64_t lost = 0;
            pit_broadcast_writer_init(&writer, slots, count);
            pit_broadcast_reader_init(&reader, slots, count, 1);
            for (uint64_t i = 0; i < behind; i++)
                write_one(&writer);
            assert_int_equal(pit_broadcast_read(&reader, words, &lost), PIT_BROADCAST_LAPPED);
            assert_int_equal(lost, reader.next - 1);
            assert_true(lost >= behind - count && reader.next <= behind);
            assert_true(reader.next > behind - count); /* still there */
            assert_true(behind - reader.next + 1 >= count / 2);
            assert_true(reader.next - (behind - count + 1) >= count / 8); /* the head start */
            uint64_t got = 0;
            while (pit_broadcast_read(&reader, words, &lost) == PIT_BROADCAST_READ) {
                assert_int_equal(check(words, reader.next - 1), 0);
                got++;
            }
            assert_int_equal(got + lost, behind);
            free(slots);
        }
    }
}

static void reader_from_another_read_only_mapping_reads_the_same(void **state)
{
    (void)state;
    const uint64_t count = 64;
    int file = memfd_create("pit-test-broadcast", MFD_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, (off_t)(count * PIT_BROADCAST_SLOT_BYTES)), 0);
    void *mine = mmap(NULL, count * PIT_BROADCAST_SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    void *theirs = mmap(NULL, count * PIT_BROADCAST_SLOT_BYTES, PROT_READ, MAP_SHARED, file, 0);
    assert_true(mine != MAP_FAILED && theirs != MAP_FAILED);
    struct pit_broadcast_writer writer;
    struct pit_broadcast_reader reader;
    uint64_t words[PIT_BROADCAST_WORDS];
    uint64_t lost = 0;
    pit_broadcast_writer_init(&writer, mine, count);
    pit_broadcast_reader_init(&reader, theirs, count, 1);
    for (uint64_t sequence = 1; sequence <= 1000; sequence++) {
        write_one(&writer);
        assert_int_equal(pit_broadcast_read(&reader, words, &lost), PIT_BROADCAST_READ);
        assert_int_equal(check(words, sequence), 0);
    }
    munmap(mine, count * PIT_BROADCAST_SLOT_BYTES);
    munmap(theirs, count * PIT_BROADCAST_SLOT_BYTES);
    close(file);
}

#define STREAM 1000000u

struct stream {
    struct pit_broadcast_slot *slots;
    uint64_t count;
};

struct listener {
    struct stream *stream;
    uint32_t lazy; /* yields so often, to fall behind */
    uint64_t read, lost, laps, wrong;
};

static void *stream_writer(void *argument)
{
    struct stream *stream = argument;
    struct pit_broadcast_writer writer;
    pit_broadcast_writer_init(&writer, stream->slots, stream->count);
    for (uint32_t i = 0; i < STREAM; i++) {
        write_one(&writer);
        if (i % 512 == 0)
            sched_yield();
    }
    return NULL;
}

static void *stream_listener(void *argument)
{
    struct listener *listener = argument;
    struct pit_broadcast_reader reader;
    pit_broadcast_reader_init(&reader, listener->stream->slots, listener->stream->count, 1);
    uint64_t words[PIT_BROADCAST_WORDS];
    while (reader.next <= STREAM) {
        uint64_t before = reader.next;
        uint64_t lost = 0;
        switch (pit_broadcast_read(&reader, words, &lost)) {
        case PIT_BROADCAST_READ:
            listener->wrong += check(words, before);
            listener->wrong += reader.next != before + 1;
            listener->read++;
            if (listener->lazy && listener->read % listener->lazy == 0)
                sched_yield();
            break;
        case PIT_BROADCAST_LAPPED:
            listener->wrong += lost == 0 || reader.next != before + lost;
            listener->lost += lost;
            listener->laps++;
            break;
        case PIT_BROADCAST_EMPTY:
            listener->wrong += reader.next != before;
            sched_yield();
            break;
        }
    }
    return NULL;
}

static void lapped_readers_never_see_a_torn_or_wrong_payload(void **state)
{
    (void)state;
    const uint64_t counts[] = {2, 8, 1024};
    for (size_t c = 0; c < 3; c++) {
        struct stream stream = {.slots = slots_make(counts[c]), .count = counts[c]};
        struct listener listeners[3];
        memset(listeners, 0, sizeof listeners);
        pthread_t threads[4];
        for (uint32_t i = 0; i < 3; i++) {
            listeners[i].stream = &stream;
            listeners[i].lazy = i * 10;
            assert_int_equal(pthread_create(&threads[i], NULL, stream_listener, &listeners[i]), 0);
        }
        assert_int_equal(pthread_create(&threads[3], NULL, stream_writer, &stream), 0);
        for (uint32_t i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        for (uint32_t i = 0; i < 3; i++) {
            assert_int_equal(listeners[i].wrong, 0);
            assert_int_equal(listeners[i].read + listeners[i].lost, STREAM);
            print_message("# %lu slots, reader %u: read %lu, lost %lu in %lu laps\n", (unsigned long)counts[c], i,
                          (unsigned long)listeners[i].read, (unsigned long)listeners[i].lost,
                          (unsigned long)listeners[i].laps);
        }
        free(stream.slots);
    }
}

#define IMAGE_WORDS 70u
#define IMAGES 50000u

struct image {
    uint64_t version;
    uint64_t words[IMAGE_WORDS];
};

static void *image_writer(void *argument)
{
    struct image *image = argument;
    uint64_t words[IMAGE_WORDS];
    for (uint64_t i = 1; i <= IMAGES; i++) {
        for (uint32_t w = 0; w < IMAGE_WORDS; w++)
            words[w] = word_of(i, w);
        pit_image_write(&image->version, image->words, words, IMAGE_WORDS);
        if (i % 256 == 0)
            sched_yield();
    }
    return NULL;
}

static void image_is_whole_or_refused(void **state)
{
    (void)state;
    static struct image image;
    uint64_t words[IMAGE_WORDS];
    assert_int_equal(pit_image_read(&image.version, image.words, words, IMAGE_WORDS), 0); /* nothing yet */
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, image_writer, &image), 0);
    uint64_t last = 0;
    uint64_t wrong = 0;
    while (last < 2 * IMAGES) {
        uint64_t version = pit_image_read(&image.version, image.words, words, IMAGE_WORDS);
        if (version == 0) {
            sched_yield();
            continue;
        }
        wrong += version < last || version % 2;
        for (uint32_t w = 0; w < IMAGE_WORDS; w++)
            wrong += words[w] != word_of(version / 2, w);
        last = version;
    }
    pthread_join(writer, NULL);
    assert_int_equal(wrong, 0);
}

/* The words come from the version itself: what is copied is what a reader would see in the midst of it. */
static void image_is_marked_before_it_changes(void **state)
{
    (void)state;
    uint64_t version = 8;
    uint64_t word = 0;
    pit_image_write(&version, &word, &version, 1);
    assert_int_equal(word, 9);
    assert_int_equal(version, 10);
}

static void image_left_half_written_is_refused_until_rewritten(void **state)
{
    (void)state;
    uint64_t from[2] = {1, 2};
    uint64_t to[2] = {0, 0};
    uint64_t words[2] = {9, 9};
    uint64_t version = 7; /* its writer died in the midst of it */
    assert_int_equal(pit_image_read(&version, words, to, 2), 0);
    pit_image_write(&version, words, from, 2);
    assert_int_equal(pit_image_read(&version, words, to, 2), 8);
    assert_int_equal(to[1], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader_follows_the_writer),
        cmocka_unit_test(reader_a_whole_ring_behind_is_not_lapped_yet),
        cmocka_unit_test(lapped_reader_knows_the_number_lost),
        cmocka_unit_test(reader_from_another_read_only_mapping_reads_the_same),
        cmocka_unit_test(lapped_readers_never_see_a_torn_or_wrong_payload),
        cmocka_unit_test(image_is_whole_or_refused),
        cmocka_unit_test(image_is_marked_before_it_changes),
        cmocka_unit_test(image_left_half_written_is_refused_until_rewritten),
    };
    return cmocka_run_group_tests_name("broadcast", tests, NULL, NULL);
}
