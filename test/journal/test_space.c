/* A disk that fills up: the journal waits, loses nothing, and goes on by itself. On a disk in memory. */
#include "fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/block.h"
#include "memory_disk.h"

#define SALT 21
#define MIB (UINT64_C(1) << 20)
#define SECOND_NS UINT64_C(1000000000)
#define BLOCK_COMMANDS 3000u /* about 200 KiB */

struct venue {
    struct memory_disk memory;
    struct pit_journal *journal;
    uint64_t next; /* sequence to append next */
    uint64_t seed;
};

static struct venue venue;

static void open_venue(struct memory_disk *memory, const struct pit_journal_options *more)
{
    struct pit_journal_options options = *more;
    struct pit_journal_end end = {0};
    struct pit_error error = {0};
    options.directory = DIRECTORY;
    if (options.segment_bytes == 0)
        options.segment_bytes = SEGMENT_BYTES;
    int result = fixture_read(&memory->disk, DIRECTORY, SALT, &end, NULL, &error);
    if (result < 0)
        assert_int_equal(result, -ENOENT);
    if (pit_journal_open(&venue.journal, &memory->disk, &options, &end, &error) < 0)
        fail_msg("%s", error.text);
    venue.next = end.sequence + 1;
}

static void begin(uint64_t capacity, const struct pit_journal_options *options)
{
    memset(&venue, 0, sizeof venue);
    memory_disk_init(&venue.memory, 5);
    venue.memory.capacity = capacity;
    open_venue(&venue.memory, options);
}

/* With a cache that a power failure loses. */
static void begin_with_cache(enum pit_journal_sync sync)
{
    memset(&venue, 0, sizeof venue);
    memory_disk_init(&venue.memory, 5);
    venue.memory.cache = true;
    venue.memory.torn = true;
    open_venue(&venue.memory, &(struct pit_journal_options){.sync = sync});
}

static void expect_good(void)
{
    struct pit_error error = {0};
    if (pit_journal_failed(venue.journal, &error))
        fail_msg("%s", error.text);
}

/* One turn of each agent; commands of them are appended, if there is room in the block. */
static void turn(uint32_t commands)
{
    for (uint32_t i = 0; i < commands; i++) {
        struct pit_command command = fixture_command(venue.next, SALT);
        venue.next += pit_journal_append(venue.journal, &command);
    }
    pit_journal_commit(venue.journal);
    pit_journal_disk_work(venue.journal);
    pit_journal_prepare_work(venue.journal);
}

/* Goes on until a block waits for space. */
static void fill(uint32_t commands)
{
    for (uint32_t i = 0; !pit_journal_space(venue.journal).waits; i++) {
        assert_true(i < 100000);
        turn(commands);
        expect_good();
    }
}

/* Goes on until everything appended is durable. */
static void settle(void)
{
    for (uint32_t i = 0; !pit_journal_idle(venue.journal); i++) {
        assert_true(i < 10000);
        turn(0);
        expect_good();
    }
    assert_int_equal(pit_journal_durable(venue.journal), venue.next - 1);
}

static uint64_t sequence_found(struct memory_disk *memory)
{
    struct pit_journal_end end;
    struct pit_error error = {0};
    if (fixture_read(&memory->disk, DIRECTORY, SALT, &end, NULL, &error) < 0)
        fail_msg("%s", error.text);
    return end.sequence;
}

static void end_venue(void)
{
    pit_journal_close(venue.journal);
    assert_int_equal(sequence_found(&venue.memory), venue.next - 1);
    memory_disk_free(&venue.memory);
}

/* The venue waits. A process that stops now leaves what is durable; and nothing of the next segment is left lying. */
static void expect_waiting(void)
{
    struct memory_disk stopped;
    memory_disk_copy(&stopped, &venue.memory);
    assert_int_equal(sequence_found(&stopped), pit_journal_durable(venue.journal));
    memory_disk_free(&stopped);
    assert_null(memory_disk_file(&venue.memory, DIRECTORY "/" PIT_JOURNAL_NEXT_NAME));
    assert_null(memory_disk_file(&venue.memory, DIRECTORY "/" PIT_JOURNAL_URGENT_NAME));
    assert_int_equal(pit_journal_room(venue.journal, 0), PIT_JOURNAL_ROOM_NONE);
}

static void full_at(uint64_t capacity, uint32_t commands)
{
    begin(capacity, &(struct pit_journal_options){0});
    fill(commands);
    assert_true(memory_disk_used(&venue.memory) <= capacity);
    assert_true(pit_journal_durable(venue.journal) < venue.next - 1);
    expect_waiting();
    uint64_t durable = pit_journal_durable(venue.journal);
    uint64_t wanted = memory_disk_used(&venue.memory) + SEGMENT_BYTES;
    /* A byte too little is too little. */
    venue.memory.capacity = wanted - 1;
    for (uint32_t i = 0; i < 20; i++) {
        venue.memory.clock_ns += SECOND_NS;
        turn(0);
    }
    expect_good();
    assert_int_equal(pit_journal_durable(venue.journal), durable);
    expect_waiting();
    /* And enough is enough, for a segment. */
    venue.memory.capacity = wanted;
    venue.memory.clock_ns += SECOND_NS;
    settle();
    venue.memory.capacity = 0;
    venue.memory.clock_ns += SECOND_NS;
    for (uint32_t i = 0; i < 30; i++)
        turn(commands);
    settle();
    assert_false(pit_journal_space(venue.journal).alarm);
    assert_int_equal(pit_journal_room(venue.journal, 0), PIT_JOURNAL_ROOM_ALL);
    end_venue();
}

static void a_disk_full_at_any_place_waits_and_goes_on(void **state)
{
    (void)state;
    for (uint64_t capacity = SEGMENT_BYTES; capacity <= 3 * SEGMENT_BYTES; capacity += 7 * MIB / 16)
        full_at(capacity, BLOCK_COMMANDS);
    static const int64_t around[] = {-4096, -1, 0, 1, 4096};
    for (uint64_t segments = 1; segments <= 3; segments++)
        for (size_t i = segments == 1 ? 2 : 0; i < sizeof around / sizeof around[0]; i++)
            full_at((uint64_t)((int64_t)(segments * SEGMENT_BYTES) + around[i]), 7000);
}

/* Small blocks fill a segment to its last page, so the wait begins with a block of one page. */
static void the_last_page_is_used_before_a_block_waits(void **state)
{
    (void)state;
    begin(SEGMENT_BYTES, &(struct pit_journal_options){0});
    fill(1);
    assert_int_equal(pit_journal_space(venue.journal).left, 0);
    assert_int_equal(pit_journal_durable(venue.journal), SEGMENT_BYTES / PIT_JOURNAL_PAGE_BYTES - 1);
    expect_waiting();
    venue.memory.capacity = 0;
    venue.memory.clock_ns += SECOND_NS;
    settle();
    end_venue();
}

static void nothing_is_tried_more_than_once_a_second(void **state)
{
    (void)state;
    begin(SEGMENT_BYTES * 3 / 2, &(struct pit_journal_options){0});
    venue.memory.disk.free_bytes = NULL; /* so that only trying tells */
    fill(BLOCK_COMMANDS);
    for (uint32_t second = 0; second < 5; second++) {
        uint64_t before = venue.memory.writes;
        for (uint32_t i = 0; i < 20; i++)
            turn(0);
        assert_int_equal(venue.memory.writes, before);
        expect_waiting();
        venue.memory.clock_ns += SECOND_NS;
        for (uint32_t i = 0; i < 8; i++)
            turn(0);
        assert_true(venue.memory.writes > before);
    }
    assert_int_equal(pit_journal_space(venue.journal).free, UINT64_MAX);
    venue.memory.capacity = 0;
    venue.memory.clock_ns += SECOND_NS;
    settle();
    end_venue();
}

/* One write or sync of a run, whichever, finds no space, and the next second it does. write_code or sync_code. Returns
 * false when the run ended before. */
static bool one_refusal(uint64_t number, int write_code, int sync_code, enum pit_journal_sync sync)
{
    begin_with_cache(sync);
    venue.memory.fail_write_code = write_code;
    venue.memory.fail_write_in = write_code ? number : 0;
    venue.memory.fail_sync_code = sync_code;
    venue.memory.fail_sync_in = sync_code ? number : 0;
    struct memory_disk after;
    for (uint32_t i = 0; i < 32; i++) {
        turn(i < 28 ? BLOCK_COMMANDS : 0);
        if (pit_journal_space(venue.journal).alarm && i % 3 == 0) {
            uint64_t durable = pit_journal_durable(venue.journal);
            memory_disk_crash(&after, &venue.memory);
            assert_in_range(sequence_found(&after), durable, venue.next - 1);
            memory_disk_free(&after);
        }
        venue.memory.clock_ns += SECOND_NS / 2;
        expect_good();
    }
    settle();
    /* What was done again is on the disk and not in the cache alone. */
    memory_disk_crash(&after, &venue.memory);
    assert_int_equal(sequence_found(&after), venue.next - 1);
    memory_disk_free(&after);
    bool met = write_code ? venue.memory.fail_write_in == 0 : venue.memory.fail_sync_code == 0;
    end_venue();
    return met;
}

static void a_single_refusal_anywhere_is_made_good(void **state)
{
    (void)state;
    uint64_t writes = 1, syncs = 1, data_syncs = 1;
    while (one_refusal(writes, writes % 2 ? -ENOSPC : -EDQUOT, 0, PIT_JOURNAL_SYNC_AUTO))
        writes += STEP == 1 ? 1 : 7;
    while (one_refusal(syncs, 0, -ENOSPC, PIT_JOURNAL_SYNC_AUTO))
        syncs++;
    while (one_refusal(data_syncs, 0, syncs % 2 ? -ENOSPC : -EDQUOT, PIT_JOURNAL_SYNC_DATA))
        data_syncs += STEP == 1 ? 1 : 7;
    print_message("# refused: %lu writes, %lu and %lu syncs\n", writes, syncs, data_syncs);
    assert_true(writes > 30 && syncs > 2 && data_syncs > 30);
}

/* After a sync of the directory that failed, a second one says nothing about the first. */
static void a_directory_that_cannot_be_synced_is_final(void **state)
{
    (void)state;
    struct pit_error error = {0};
    begin(0, &(struct pit_journal_options){0});
    venue.memory.fail_directory_sync_code = -ENOSPC;
    for (uint32_t i = 0; !pit_journal_failed(venue.journal, &error); i++) {
        assert_true(i < 1000);
        turn(BLOCK_COMMANDS);
    }
    assert_int_equal(error.code, -ENOSPC);
    assert_non_null(strstr(error.text, "syncing the directory failed: No space left on device"));
    assert_non_null(strstr(error.text, "Free some space"));
    uint64_t durable = pit_journal_durable(venue.journal);
    pit_journal_close(venue.journal);
    venue.memory.fail_directory_sync_code = 0;
    assert_int_equal(sequence_found(&venue.memory), durable);
    fixture_goes_on(&venue.memory.disk, SALT, durable);
    memory_disk_free(&venue.memory);
}

static void another_failure_while_a_block_waits_is_final(void **state)
{
    (void)state;
    struct pit_error error = {0};
    begin(0, &(struct pit_journal_options){0});
    turn(BLOCK_COMMANDS);
    uint64_t durable = pit_journal_durable(venue.journal);
    venue.memory.fail_write_code = -EDQUOT;
    venue.memory.fail_write_in = 1;
    turn(BLOCK_COMMANDS);
    expect_good();
    assert_true(pit_journal_space(venue.journal).waits);
    uint64_t writes = venue.memory.writes;
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(pit_journal_disk_work(venue.journal), 0);
    assert_int_equal(venue.memory.writes, writes); /* not before its second is over */
    venue.memory.fail_write_code = -EIO;
    venue.memory.fail_write_in = 1;
    venue.memory.clock_ns += SECOND_NS;
    pit_journal_disk_work(venue.journal);
    assert_true(pit_journal_failed(venue.journal, &error));
    assert_int_equal(error.code, -EIO);
    assert_int_equal(pit_journal_durable(venue.journal), durable);
    pit_journal_close(venue.journal);
    memory_disk_free(&venue.memory);
}

/* There is space again when the next segment is prepared, but something else goes wrong, once: the block that waits for
 * a segment is not to wait for ever. */
static void another_failure_of_the_preparer_ends_the_waiting(void **state)
{
    (void)state;
    begin(2 * SEGMENT_BYTES - 1, &(struct pit_journal_options){0});
    fill(BLOCK_COMMANDS);
    assert_true(pit_journal_space(venue.journal).alarm);
    venue.memory.capacity = 0;
    venue.memory.clock_ns += SECOND_NS;
    venue.memory.fail_write_code = -EIO;
    venue.memory.fail_write_in = 1;
    assert_int_equal(pit_journal_prepare_work(venue.journal), 1);
    assert_int_equal(venue.memory.fail_write_in, 0);
    expect_good();
    for (uint32_t i = 0; i < 10; i++) {
        venue.memory.clock_ns += SECOND_NS;
        turn(0);
    }
    settle();
    assert_false(pit_journal_space(venue.journal).waits);
    assert_int_equal(pit_journal_room(venue.journal, 0), PIT_JOURNAL_ROOM_ALL);
    end_venue();
}

/* The same block goes to the same place again and again, torn each time, and may be cut short by a power failure. */
static void a_block_torn_at_every_try_is_never_half_there(void **state)
{
    (void)state;
    uint64_t seed = fixture_seed();
    begin(0, &(struct pit_journal_options){0});
    venue.memory.random_state = seed;
    turn(BLOCK_COMMANDS);
    settle();
    uint64_t durable = pit_journal_durable(venue.journal);
    venue.memory.torn = true;
    venue.memory.fail_write_code = -ENOSPC;
    for (uint32_t i = 0; i < 40; i++) {
        struct memory_disk after;
        venue.memory.fail_write_in = 1;
        venue.memory.clock_ns += SECOND_NS;
        for (uint32_t n = 0; i == 0 && n < 500; n++) {
            struct pit_command command = fixture_command(venue.next, SALT);
            venue.next += pit_journal_append(venue.journal, &command);
        }
        pit_journal_commit(venue.journal);
        pit_journal_disk_work(venue.journal);
        expect_good();
        assert_int_equal(pit_journal_durable(venue.journal), durable);
        memory_disk_copy(&after, &venue.memory);
        uint64_t found = sequence_found(&after);
        assert_true(found == durable || found == venue.next - 1);
        fixture_goes_on(&after.disk, SALT, found);
        memory_disk_free(&after);
    }
    venue.memory.clock_ns += SECOND_NS;
    settle();
    end_venue();
}

static void room_is_kept_for_cancels_and_then_for_the_last(void **state)
{
    (void)state;
    begin(SEGMENT_BYTES * 3 / 2, &(struct pit_journal_options){.cancels_bytes = MIB});
    enum pit_journal_room before = PIT_JOURNAL_ROOM_ALL;
    uint64_t began[3] = {0}; /* what was left when each began */
    for (uint32_t i = 0; before != PIT_JOURNAL_ROOM_NONE; i++) {
        assert_true(i < 10000);
        turn(60);
        enum pit_journal_room room = pit_journal_room(venue.journal, 0);
        assert_true(room >= before);
        if (room != before)
            began[room] = pit_journal_space(venue.journal).left;
        before = room;
    }
    assert_true(began[PIT_JOURNAL_ROOM_CANCELS] < 2 * MIB && began[PIT_JOURNAL_ROOM_CANCELS] >= 2 * MIB - 8192);
    assert_true(began[PIT_JOURNAL_ROOM_NONE] < MIB && began[PIT_JOURNAL_ROOM_NONE] >= MIB - 8192);
    assert_false(pit_journal_space(venue.journal).waits);
    /* What is on its way counts as if it were written. */
    assert_int_equal(pit_journal_room(venue.journal, 100 * MIB), PIT_JOURNAL_ROOM_NONE);
    /* What was taken before, and a last digest, still fit. */
    turn(BLOCK_COMMANDS);
    struct pit_digest digest = {1, 2, 3, 4};
    assert_true(pit_journal_append_digest(venue.journal, venue.next - 1, &digest, true));
    settle();
    assert_false(pit_journal_space(venue.journal).waits);
    end_venue();
}

/* Both agents leave the reserve alone: the preparer, and the disk agent that has to do without one. */
static void the_reserve_stays_free(void **state)
{
    (void)state;
    for (int preparer = 0; preparer < 2; preparer++) {
        begin(4 * SEGMENT_BYTES, &(struct pit_journal_options){.reserve_bytes = MIB + 1});
        while (!pit_journal_space(venue.journal).alarm) {
            for (uint32_t i = 0; i < BLOCK_COMMANDS; i++) {
                struct pit_command command = fixture_command(venue.next, SALT);
                venue.next += pit_journal_append(venue.journal, &command);
            }
            pit_journal_commit(venue.journal);
            pit_journal_disk_work(venue.journal);
            for (int i = 0; i < 5 * preparer; i++)
                pit_journal_prepare_work(venue.journal);
            assert_true(memory_disk_used(&venue.memory) + MIB + 1 <= venue.memory.capacity);
            expect_good();
        }
        struct pit_journal_space space = pit_journal_space(venue.journal);
        assert_int_equal(space.wanted, SEGMENT_BYTES + MIB + 1);
        assert_int_equal(space.free, SEGMENT_BYTES);
        assert_int_equal(space.times, 1);
        venue.memory.capacity += MIB + 1;
        venue.memory.clock_ns += SECOND_NS;
        settle();
        end_venue();
    }
}

/* The current segment was made smaller than the next one is going to be: to wait until it is half full would be for
 * ever. */
static void a_waiting_block_hurries_the_preparer(void **state)
{
    (void)state;
    begin(0, &(struct pit_journal_options){0});
    turn(BLOCK_COMMANDS);
    settle();
    pit_journal_close(venue.journal);
    venue.memory.capacity = SEGMENT_BYTES + 5 * SEGMENT_BYTES;
    open_venue(&venue.memory, &(struct pit_journal_options){.segment_bytes = 4 * SEGMENT_BYTES});
    for (uint32_t i = 0; i < 60; i++)
        turn(BLOCK_COMMANDS);
    settle();
    assert_true(memory_disk_used(&venue.memory) > 5 * SEGMENT_BYTES - 1);
    end_venue();
}

static void a_start_on_a_full_disk_goes_on_in_what_is_left(void **state)
{
    (void)state;
    begin(0, &(struct pit_journal_options){0});
    turn(BLOCK_COMMANDS);
    settle();
    pit_journal_close(venue.journal);
    venue.memory.capacity = memory_disk_used(&venue.memory);
    struct pit_error error = {0};
    int lock = pit_journal_lock(&venue.memory.disk, DIRECTORY, &error);
    assert_true(lock >= 0); /* without its number in it */
    open_venue(&venue.memory, &(struct pit_journal_options){0});
    struct pit_journal_space space = pit_journal_space(venue.journal);
    assert_true(space.alarm && !space.waits);
    assert_int_equal(space.free, 0);
    assert_int_equal(space.wanted, SEGMENT_BYTES);
    assert_int_equal(pit_journal_room(venue.journal, 0), PIT_JOURNAL_ROOM_ALL);
    turn(BLOCK_COMMANDS);
    settle();
    fill(BLOCK_COMMANDS);
    expect_waiting();
    venue.memory.capacity = 0;
    venue.memory.clock_ns += SECOND_NS;
    settle();
    pit_journal_unlock(&venue.memory.disk, lock);
    end_venue();
}

static void a_new_journal_on_a_full_disk_is_refused_and_leaves_nothing(void **state)
{
    (void)state;
    for (uint64_t capacity = 1; capacity < SEGMENT_BYTES; capacity += MIB - 1) {
        struct pit_journal_options options = {.directory = DIRECTORY, .segment_bytes = SEGMENT_BYTES};
        struct pit_journal_end nothing = {0};
        struct pit_error error = {0};
        struct pit_journal *journal;
        char free_text[64];
        memset(&venue, 0, sizeof venue);
        memory_disk_init(&venue.memory, 7);
        venue.memory.capacity = capacity;
        assert_int_equal(pit_journal_open(&journal, &venue.memory.disk, &options, &nothing, &error), -ENOSPC);
        snprintf(free_text, sizeof free_text, "(%lu bytes are free)", capacity);
        assert_non_null(strstr(error.text, free_text));
        assert_non_null(strstr(error.text, "Free some space"));
        assert_int_equal(memory_disk_used(&venue.memory), 0);
        memory_disk_free(&venue.memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_full_at_any_place_waits_and_goes_on),
        cmocka_unit_test(the_last_page_is_used_before_a_block_waits),
        cmocka_unit_test(nothing_is_tried_more_than_once_a_second),
        cmocka_unit_test(a_single_refusal_anywhere_is_made_good),
        cmocka_unit_test(a_directory_that_cannot_be_synced_is_final),
        cmocka_unit_test(another_failure_while_a_block_waits_is_final),
        cmocka_unit_test(another_failure_of_the_preparer_ends_the_waiting),
        cmocka_unit_test(a_block_torn_at_every_try_is_never_half_there),
        cmocka_unit_test(room_is_kept_for_cancels_and_then_for_the_last),
        cmocka_unit_test(the_reserve_stays_free),
        cmocka_unit_test(a_waiting_block_hurries_the_preparer),
        cmocka_unit_test(a_start_on_a_full_disk_goes_on_in_what_is_left),
        cmocka_unit_test(a_new_journal_on_a_full_disk_is_refused_and_leaves_nothing),
    };
    return cmocka_run_group_tests_name("space", tests, NULL, NULL);
}
