/* Compressed segments: they read like the segments they were, damage in them is found, and a crash at any step of
 * making or removing one loses nothing. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "journal/block.h"
#include "journal/compressed.h"
#include "journal/disk_layer.h"
#include "journal/retention.h"
#include "journal/snapshot.h"
#include "journal/unpack.h"
#include "memory_disk.h"

#define SALT 9
#define COMMANDS 190000u /* three segments and a bit */
#define SEGMENTS_MAX 16u

static uint64_t seed;

struct written {
    uint64_t blocks, sequence;
    uint64_t first_blocks[SEGMENTS_MAX]; /* by segment */
    uint32_t segments;
};

/* A journal of some segments, all of it durable. */
static void write_journal(struct memory_disk *disk, struct written *written)
{
    memory_disk_init(disk, seed);
    disk->cache = true;
    struct pit_journal *journal = fixture_open(&disk->disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
    uint64_t sequence = 1;
    while (sequence < COMMANDS)
        fixture_block(journal, &sequence, 9000, SALT);
    pit_journal_close(journal);
    disk->disk.sync_directory(disk->disk.context, DIRECTORY);
    struct pit_journal_end end;
    struct pit_error error;
    assert_int_equal(fixture_read(&disk->disk, DIRECTORY, SALT, &end, NULL, &error), 0);
    *written = (struct written){.blocks = end.blocks, .sequence = end.sequence};
    for (uint64_t block = 1; block <= end.blocks; block++) {
        char name[PIT_JOURNAL_NAME_BYTES], path[64];
        pit_journal_segment_name(name, block);
        snprintf(path, sizeof path, DIRECTORY "/%s", name);
        if (memory_disk_file(disk, path))
            written->first_blocks[written->segments++] = block;
    }
    assert_true(written->segments >= 4);
}

static struct memory_file *file_of(struct memory_disk *disk, uint64_t first_block, bool compressed)
{
    char name[PIT_COMPRESSED_NAME_BYTES], path[64];
    if (compressed)
        pit_compressed_name(name, first_block);
    else
        pit_journal_segment_name(name, first_block);
    snprintf(path, sizeof path, DIRECTORY "/%s", name);
    return memory_disk_file(disk, path);
}

/* All of the journal is there, and reads from any block on. */
static void assert_whole(struct memory_disk *disk, const struct written *written)
{
    struct pit_journal_end end;
    struct pit_error error = {0};
    if (fixture_read(&disk->disk, DIRECTORY, SALT, &end, NULL, &error))
        fail_msg("%s", error.text);
    assert_int_equal(end.sequence, written->sequence);
    assert_int_equal(end.blocks, written->blocks);
    assert_int_equal(end.segments, written->segments);
}

static void make(struct memory_disk *disk, uint64_t first_block)
{
    struct pit_error error = {0};
    if (pit_compressed_make(&disk->disk, DIRECTORY, first_block, &error))
        fail_msg("%s", error.text);
}

static void compressed_segments_read_like_the_segments_they_were(void **state)
{
    (void)state;
    static struct memory_disk disk;
    struct written written;
    uint8_t id[2][16];
    struct pit_error error = {0};
    write_journal(&disk, &written);
    assert_int_equal(pit_snapshot_journal_id(&disk.disk, DIRECTORY, id[0], &error), 0);
    for (uint32_t i = 0; i + 1 < written.segments; i++) {
        make(&disk, written.first_blocks[i]);
        assert_null(file_of(&disk, written.first_blocks[i], false));
        assert_non_null(file_of(&disk, written.first_blocks[i], true));
        assert_true(file_of(&disk, written.first_blocks[i], true)->size < SEGMENT_BYTES / 2);
        assert_whole(&disk, &written);
    }
    assert_int_equal(pit_snapshot_journal_id(&disk.disk, DIRECTORY, id[1], &error), 0);
    assert_memory_equal(id[0], id[1], sizeof id[0]);
    for (uint32_t i = 0; i < written.segments; i++) {
        struct pit_journal_reader *reader;
        struct pit_journal_record record;
        uint64_t block, sequence;
        if (pit_journal_reader_open_at(&reader, &disk.disk, DIRECTORY, written.first_blocks[i] + 1, &error))
            fail_msg("%s", error.text);
        pit_journal_reader_beginning(reader, &block, &sequence);
        assert_int_equal(block, written.first_blocks[i]);
        int more;
        while ((more = pit_journal_reader_next(reader, &record, &error)) == 1)
            ;
        assert_int_equal(more, 0);
        assert_int_equal(pit_journal_reader_end(reader).sequence, written.sequence);
        pit_journal_reader_close(reader);
    }
    fixture_goes_on(&disk.disk, SALT, written.sequence);
    memory_disk_free(&disk);
}

static void any_zstd_reader_gives_the_segment_back(void **state)
{
    (void)state;
    static struct memory_disk disk;
    struct written written;
    write_journal(&disk, &written);
    const struct memory_file *plain = file_of(&disk, 1, false);
    uint8_t *segment = malloc(plain->size), *back = malloc(plain->size + 1);
    const size_t bytes = plain->size;
    memcpy(segment, plain->bytes, bytes);
    make(&disk, 1);
    const struct memory_file *compressed = file_of(&disk, 1, true);
    ZSTD_inBuffer in = {.src = compressed->bytes, .size = compressed->size};
    ZSTD_outBuffer out = {.dst = back, .size = bytes + 1};
    ZSTD_DStream *stream = ZSTD_createDStream();
    while (in.pos < in.size)
        assert_false(ZSTD_isError(ZSTD_decompressStream(stream, &out, &in)));
    ZSTD_freeDStream(stream);
    assert_int_equal(out.pos, bytes);
    assert_memory_equal(back, segment, bytes);
    free(segment);
    free(back);
    memory_disk_free(&disk);
}

static void segment_in_both_forms_is_read_as_it_is(void **state)
{
    (void)state;
    static struct memory_disk disk, before;
    struct written written;
    write_journal(&disk, &written);
    memory_disk_copy(&before, &disk);
    make(&disk, 1);
    struct memory_file *compressed = file_of(&disk, 1, true);
    int file = before.disk.open(before.disk.context, compressed->path, PIT_DISK_WRITE | PIT_DISK_CREATE);
    assert_true(file >= 0);
    before.disk.write(before.disk.context, file, compressed->bytes, compressed->size, 0);
    assert_whole(&before, &written);
    compressed = file_of(&before, 1, true);
    memset(compressed->bytes, 0, compressed->size);
    assert_whole(&before, &written);
    struct pit_error error = {0};
    assert_int_equal(pit_retention_step(&before.disk, DIRECTORY, PIT_OLD_SEGMENTS_COMPRESS, written.blocks, &error), 1);
    assert_null(file_of(&before, 1, false)); /* compressed anew */
    assert_whole(&before, &written);
    memory_disk_free(&before);
    memory_disk_free(&disk);
}

/* Reads a compressed file whole. 0 when it is bytes. */
static int read_all(const struct pit_disk *disk, const char *path, const uint8_t *bytes, size_t count, uint8_t *room)
{
    struct pit_compressed *compressed;
    int code = pit_compressed_open(&compressed, disk, path);
    if (code)
        return code;
    int64_t got =
        pit_compressed_segment_bytes(compressed) == count ? pit_compressed_read(compressed, room, count, 0) : -EBADMSG;
    pit_compressed_close(compressed);
    if (got < 0)
        return (int)got;
    assert_int_equal(got, count);
    assert_memory_equal(room, bytes, count);
    return 0;
}

static void every_changed_byte_and_every_cut_is_found(void **state)
{
    (void)state;
    static struct memory_disk disk;
    const size_t count = 2 * PIT_COMPRESSED_FRAME_BYTES + 5000;
    uint8_t *bytes = calloc(count, 1), *room = malloc(count);
    struct pit_error error = {0};
    uint64_t random = seed;
    memory_disk_init(&disk, seed);
    for (size_t i = 0; i < 100; i++)
        bytes[fixture_random(&random) % count] = (uint8_t)fixture_random(&random);
    int file =
        disk.disk.open(disk.disk.context, DIRECTORY "/00000000000000000001.journal", PIT_DISK_WRITE | PIT_DISK_CREATE);
    assert_int_equal(disk.disk.write(disk.disk.context, file, bytes, count, 0), 0);
    if (pit_compressed_make(&disk.disk, DIRECTORY, 1, &error))
        fail_msg("%s", error.text);
    struct memory_file *compressed = file_of(&disk, 1, true);
    const size_t size = compressed->size;
    assert_int_equal(read_all(&disk.disk, compressed->path, bytes, count, room), 0);
    uint64_t harmless = 0;
    for (size_t at = 0; at < size; at += STEP)
        for (uint8_t bit = 1; bit; bit = (uint8_t)(bit << 3)) { /* bits 0, 3, 6 */
            compressed->bytes[at] ^= bit;
            const int code = read_all(&disk.disk, compressed->path, bytes, count, room);
            if (code != 0)
                assert_int_equal(code, -EBADMSG);
            harmless += code == 0; /* then read_all has compared every byte */
            compressed->bytes[at] ^= bit;
        }
    assert_true(harmless * 20 < size);
    for (size_t cut = 0; cut < size; cut += STEP) {
        compressed->size = cut;
        assert_int_equal(read_all(&disk.disk, compressed->path, bytes, count, room), -EBADMSG);
    }
    compressed->size = size;
    print_message("# %zu bytes, %lu changes harmless\n", size, harmless);
    free(bytes);
    free(room);
    memory_disk_free(&disk);
}

static void damaged_compressed_segment_is_named(void **state)
{
    (void)state;
    static struct memory_disk disk;
    struct written written;
    struct pit_journal_end end;
    struct pit_error error = {0};
    write_journal(&disk, &written);
    make(&disk, 1);
    struct memory_file *compressed = file_of(&disk, 1, true);
    compressed->bytes[compressed->size / 2] ^= 1;
    assert_int_equal(fixture_read(&disk.disk, DIRECTORY, SALT, &end, NULL, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "00000000000000000001.journal.zst: damaged"));
    compressed->bytes[compressed->size / 2] ^= 1;
    compressed->bytes[compressed->size - 1] ^= 1;
    assert_int_equal(fixture_read(&disk.disk, DIRECTORY, SALT, &end, NULL, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "00000000000000000001.journal.zst: damaged"));
    memory_disk_free(&disk);
}

/* A disk that stops, with the machine, at its so manieth change. */
struct stopping {
    struct pit_disk_layer layer;
    uint64_t left;
};

static bool stops(void *context)
{
    struct stopping *stopping = context;
    if (stopping->left == 0)
        return true;
    stopping->left--;
    return false;
}

static int stopping_write(void *context, int file, const void *bytes, size_t count, uint64_t offset)
{
    const struct pit_disk *disk = ((struct stopping *)context)->layer.under;
    return stops(context) ? -EIO : disk->write(disk->context, file, bytes, count, offset);
}

static int stopping_sync(void *context, int file)
{
    const struct pit_disk *disk = ((struct stopping *)context)->layer.under;
    return stops(context) ? -EIO : disk->sync(disk->context, file);
}

static int stopping_sync_directory(void *context, const char *path)
{
    const struct pit_disk *disk = ((struct stopping *)context)->layer.under;
    return stops(context) ? -EIO : disk->sync_directory(disk->context, path);
}

static int stopping_rename(void *context, const char *from, const char *to)
{
    const struct pit_disk *disk = ((struct stopping *)context)->layer.under;
    return stops(context) ? -EIO : disk->rename(disk->context, from, to);
}

static int stopping_unlink(void *context, const char *path)
{
    const struct pit_disk *disk = ((struct stopping *)context)->layer.under;
    return stops(context) ? -EIO : disk->unlink(disk->context, path);
}

static void stopping_init(struct stopping *stopping, const struct pit_disk *under, uint64_t left)
{
    pit_disk_layer_init(&stopping->layer, under);
    stopping->left = left;
    stopping->layer.disk.write = stopping_write;
    stopping->layer.disk.sync = stopping_sync;
    stopping->layer.disk.sync_directory = stopping_sync_directory;
    stopping->layer.disk.rename = stopping_rename;
    stopping->layer.disk.unlink = stopping_unlink;
}

/* Retires all it can, until the machine stops at the k-th change. False: it did not. */
static bool retire(struct memory_disk *disk, enum pit_old_segments what, uint64_t block, uint64_t k)
{
    struct stopping stopping;
    struct pit_error error = {0};
    int code;
    stopping_init(&stopping, &disk->disk, k);
    while ((code = pit_retention_step(&stopping.layer.disk, DIRECTORY, what, block, &error)) == 1)
        ;
    return code < 0;
}

static void crash_while_compressing_loses_nothing(void **state)
{
    (void)state;
    bool stopped = true;
    uint64_t k;
    for (k = seed % 2; stopped; k += STEP > 1 ? 5 : 2) {
        static struct memory_disk disk, after;
        struct written written;
        write_journal(&disk, &written);
        stopped = retire(&disk, PIT_OLD_SEGMENTS_COMPRESS, written.first_blocks[2], k);
        memory_disk_crash(&after, &disk);
        assert_whole(&after, &written);
        assert_false(retire(&after, PIT_OLD_SEGMENTS_COMPRESS, written.first_blocks[2], UINT64_MAX));
        assert_null(file_of(&after, written.first_blocks[0], false));
        assert_null(file_of(&after, written.first_blocks[1], false));
        assert_non_null(file_of(&after, written.first_blocks[2], false));
        assert_whole(&after, &written);
        memory_disk_free(&disk);
        memory_disk_free(&after);
    }
    assert_true(k > 20);
    print_message("# stopped at up to %lu changes\n", k);
}

static void crash_while_removing_leaves_no_gap(void **state)
{
    (void)state;
    bool stopped = true;
    for (uint64_t k = 0; stopped; k++) {
        for (uint32_t round = 0; round < 2; round++) {
            static struct memory_disk disk, after;
            struct written written;
            struct pit_error error = {0};
            write_journal(&disk, &written);
            if (round % 2)
                make(&disk, written.first_blocks[1]);
            stopped = retire(&disk, PIT_OLD_SEGMENTS_REMOVE, written.first_blocks[2] + 1, k);
            memory_disk_crash(&after, &disk);
            struct pit_journal_reader *reader;
            struct pit_journal_record record;
            uint64_t block, sequence;
            if (pit_journal_reader_open_at(&reader, &after.disk, DIRECTORY, PIT_JOURNAL_FROM_THERE, &error))
                fail_msg("%s", error.text);
            pit_journal_reader_beginning(reader, &block, &sequence);
            assert_true(block <= written.first_blocks[2]);
            int more;
            while ((more = pit_journal_reader_next(reader, &record, &error)) == 1)
                ;
            if (more < 0)
                fail_msg("%s", error.text);
            assert_int_equal(pit_journal_reader_end(reader).sequence, written.sequence);
            pit_journal_reader_close(reader);
            memory_disk_free(&disk);
            memory_disk_free(&after);
        }
    }
}

static void only_what_lies_wholly_before_the_block_is_touched(void **state)
{
    (void)state;
    static struct memory_disk disk, copy;
    struct written written;
    write_journal(&disk, &written);
    for (uint32_t what = PIT_OLD_SEGMENTS_KEEP; what <= PIT_OLD_SEGMENTS_REMOVE; what++)
        for (uint64_t block = 0; block <= written.blocks + 1; block++) {
            memory_disk_copy(&copy, &disk);
            assert_false(retire(&copy, (enum pit_old_segments)what, block, UINT64_MAX));
            for (uint32_t i = 0; i < written.segments; i++) {
                const bool old =
                    what != PIT_OLD_SEGMENTS_KEEP && i + 1 < written.segments && written.first_blocks[i + 1] <= block;
                assert_int_equal(file_of(&copy, written.first_blocks[i], false) != NULL, !old);
                assert_int_equal(file_of(&copy, written.first_blocks[i], true) != NULL,
                                 old && what == PIT_OLD_SEGMENTS_COMPRESS);
            }
            memory_disk_free(&copy);
        }
    memory_disk_free(&disk);
}

static void disk_that_fails_leaves_the_segment(void **state)
{
    (void)state;
    static struct memory_disk disk;
    struct written written;
    struct pit_error error = {0};
    write_journal(&disk, &written);
    disk.fail_write_code = -ENOSPC;
    disk.fail_write_in = 2;
    assert_int_equal(pit_retention_step(&disk.disk, DIRECTORY, PIT_OLD_SEGMENTS_COMPRESS, written.blocks, &error),
                     -ENOSPC);
    assert_non_null(strstr(error.text, "00000000000000000001.journal"));
    disk.fail_write_in = 0;
    assert_null(memory_disk_file(&disk, DIRECTORY "/" PIT_COMPRESSED_TEMPORARY_NAME));
    assert_null(file_of(&disk, 1, true));
    assert_whole(&disk, &written);
    memory_disk_free(&disk);
}

static void names_are_told_apart(void **state)
{
    (void)state;
    char name[PIT_COMPRESSED_NAME_BYTES];
    pit_compressed_name(name, 77);
    assert_string_equal(name, "00000000000000000077.journal.zst");
    assert_int_equal(pit_compressed_number(name), 77);
    assert_int_equal(pit_compressed_number("00000000000000000077.journal"), 0);
    assert_int_equal(pit_compressed_number("00000000000000000077.journal.zst.zst"), 0);
    assert_int_equal(pit_compressed_number("0077.journal.zst"), 0);
    assert_int_equal(pit_compressed_number(".zst"), 0);
    assert_int_equal(pit_journal_segment_number(name), 0);
}

int main(void)
{
    seed = fixture_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_told_apart),
        cmocka_unit_test(compressed_segments_read_like_the_segments_they_were),
        cmocka_unit_test(any_zstd_reader_gives_the_segment_back),
        cmocka_unit_test(segment_in_both_forms_is_read_as_it_is),
        cmocka_unit_test(every_changed_byte_and_every_cut_is_found),
        cmocka_unit_test(damaged_compressed_segment_is_named),
        cmocka_unit_test(only_what_lies_wholly_before_the_block_is_touched),
        cmocka_unit_test(disk_that_fails_leaves_the_segment),
        cmocka_unit_test(crash_while_compressing_loses_nothing),
        cmocka_unit_test(crash_while_removing_leaves_no_gap),
    };
    return cmocka_run_group_tests_name("compressed", tests, NULL, NULL);
}
