/* test/memory/test_arena.c - arenas: zeroed, aligned, bounded, and honest about what was not possible. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "memory/arena.h"

#define MIB ((size_t)1 << 20)

static struct pit_arena *arena_make(struct pit_arena_options options)
{
    struct pit_arena *arena = NULL;
    struct pit_error error = {0};
    assert_int_equal(pit_arena_create(&arena, &options, &error), 0);
    return arena;
}

static bool all_zero(const uint8_t *bytes, size_t count)
{
    return bytes[0] == 0 && (count == 1 || memcmp(bytes, bytes + 1, count - 1) == 0);
}

static void blocks_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    const char *given = getenv("PIT_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)time(NULL);
    print_message("# PIT_SEED=%u\n", seed);
    struct pit_arena *arena = arena_make((struct pit_arena_options){.name = "test", .node = PIT_ARENA_NODE_ANY});
    enum { BLOCKS = 400 };
    static struct {
        uint8_t *start;
        size_t bytes;
    } blocks[BLOCKS];
    size_t taken = 0;
    for (int i = 0; i < BLOCKS; i++) {
        size_t alignment = (size_t)1 << ((unsigned)rand_r(&seed) % 13);
        size_t bytes = (size_t)rand_r(&seed) % (i % 50 == 0 ? 5 * MIB : 60000) + 1;
        uint8_t *block = pit_arena_take(arena, bytes, alignment);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % alignment, 0);
        assert_true(all_zero(block, bytes)); /* or it overlaps one that was filled below */
        memset(block, i % 255 + 1, bytes);
        blocks[i].start = block;
        blocks[i].bytes = bytes;
        taken += bytes;
    }
    for (int i = 0; i < BLOCKS; i++) {
        assert_int_equal(blocks[i].start[0], i % 255 + 1);
        assert_int_equal(blocks[i].start[blocks[i].bytes - 1], i % 255 + 1);
    }
    struct pit_arena_statistics statistics = pit_arena_statistics(arena);
    assert_int_equal(statistics.blocks, BLOCKS);
    assert_true(statistics.bytes_used >= taken);
    assert_true(statistics.bytes_mapped >= statistics.bytes_used);
    assert_true(statistics.bytes_huge + statistics.bytes_transparent <= statistics.bytes_mapped);
    pit_arena_destroy(arena);
}

static void arena_refuses_what_would_pass_its_bound(void **state)
{
    (void)state;
    struct pit_arena *arena =
        arena_make((struct pit_arena_options){.name = "test", .bytes_max = 8 * MIB, .node = PIT_ARENA_NODE_ANY});
    assert_int_equal(pit_arena_room(arena), 8 * MIB);
    assert_null(pit_arena_take(arena, 8 * MIB + 1, 64));
    assert_null(pit_arena_take(arena, SIZE_MAX, 64));
    assert_int_equal(pit_arena_statistics(arena).bytes_used, 0);
    assert_non_null(pit_arena_take(arena, 3 * MIB, 64));
    assert_int_equal(pit_arena_room(arena), 4 * MIB);
    assert_null(pit_arena_take(arena, 5 * MIB, 64));
    assert_non_null(pit_arena_take(arena, 4 * MIB, 64));
    assert_int_equal(pit_arena_statistics(arena).bytes_mapped, 8 * MIB);
    assert_non_null(pit_arena_take(arena, MIB, 64)); /* what the first block left of its chunk */
    assert_int_equal(pit_arena_room(arena), 0);
    assert_null(pit_arena_take(arena, 1, 1));
    pit_arena_destroy(arena);
}

static void arena_refuses_senseless_arguments(void **state)
{
    (void)state;
    struct pit_arena *arena = NULL;
    struct pit_error error = {0};
    struct pit_arena_options options = {.name = "big", .bytes_max = PIT_ARENA_BYTES_MAX + 1, .node = -1};
    assert_int_equal(pit_arena_create(&arena, &options, &error), -EINVAL);
    assert_null(arena);
    assert_non_null(strstr(error.text, "big"));
    options = (struct pit_arena_options){.bytes_first = 4 * MIB, .bytes_max = 2 * MIB, .node = -1};
    assert_int_equal(pit_arena_create(&arena, &options, &error), -EINVAL);
    options = (struct pit_arena_options){.node = -2};
    assert_int_equal(pit_arena_create(&arena, &options, &error), -EINVAL);
    arena = arena_make((struct pit_arena_options){.node = PIT_ARENA_NODE_ANY});
    assert_null(pit_arena_take(arena, 0, 64));
    assert_null(pit_arena_take(arena, 64, 0));
    assert_null(pit_arena_take(arena, 64, 48));
    assert_null(pit_arena_take(arena, 64, 2 * PIT_ARENA_ALIGNMENT_MAX));
    assert_non_null(pit_arena_take(arena, 64, PIT_ARENA_ALIGNMENT_MAX));
    pit_arena_destroy(arena);
    pit_arena_destroy(NULL);
}

/* What is resident says nothing under the sanitizers: their shadow memory is, too. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RESIDENT_IS_MINE 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RESIDENT_IS_MINE 0
#endif
#endif
#ifndef RESIDENT_IS_MINE
#define RESIDENT_IS_MINE 1
#endif

#if RESIDENT_IS_MINE
static size_t resident_bytes(void)
{
    unsigned long total = 0;
    unsigned long resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &total, &resident), 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void large_blocks_cost_memory_only_where_they_are_touched(void **state)
{
    (void)state;
    struct pit_arena *arena = arena_make((struct pit_arena_options){.name = "test", .node = PIT_ARENA_NODE_ANY});
    size_t before = resident_bytes();
    uint8_t *block = pit_arena_take(arena, 512 * MIB, 128);
    assert_non_null(block);
    block[300 * MIB] = 1;
    assert_true(resident_bytes() - before < 64 * MIB);
    pit_arena_destroy(arena);
    arena = arena_make((struct pit_arena_options){
        .name = "test", .bytes_first = 64 * MIB, .prefault_bytes_max = 64 * MIB, .node = PIT_ARENA_NODE_ANY});
    assert_true(resident_bytes() - before >= 60 * MIB);
    assert_int_equal(pit_arena_statistics(arena).bytes_prefaulted, 64 * MIB);
    assert_non_null(pit_arena_take(arena, 128 * MIB, 128)); /* beyond what is touched at once */
    assert_int_equal(pit_arena_statistics(arena).bytes_prefaulted, 64 * MIB);
    pit_arena_destroy(arena);
}

#endif

/* Whatever this machine has: the arena works, and its line and its numbers say the same. */
static void wishes_that_cannot_be_met_are_told_not_fatal(void **state)
{
    (void)state;
    char text[PIT_ARENA_TEXT_BYTES];
    struct pit_arena *arena = arena_make((struct pit_arena_options){
        .name = "wishes", .bytes_first = 4 * MIB, .node = 4000, .huge = true, .prefault_bytes_max = SIZE_MAX});
    uint8_t *block = pit_arena_take(arena, 4 * MIB, 128);
    assert_non_null(block);
    assert_true(all_zero(block, 4 * MIB));
    struct pit_arena_statistics statistics = pit_arena_statistics(arena);
    assert_int_equal(statistics.node, PIT_ARENA_NODE_ANY);
    assert_true(statistics.node_error < 0);
    assert_true((statistics.bytes_huge == 0) == (statistics.huge_error != 0));
    pit_arena_describe(arena, text);
    print_message("# %s\n", text);
    assert_non_null(strstr(text, "wishes: 4.0 of 4.0 MiB used"));
    assert_non_null(strstr(text, "not placed"));
    if (statistics.huge_error)
        assert_non_null(strstr(text, "reserved huge pages ("));
    pit_arena_destroy(arena);

    arena = arena_make((struct pit_arena_options){.name = "node 0", .bytes_first = 2 * MIB, .node = 0});
    statistics = pit_arena_statistics(arena);
    assert_true((statistics.node == 0) == (statistics.node_error == 0));
    assert_non_null(strstr(pit_arena_describe(arena, text), statistics.node == 0 ? "on node 0" : "not placed"));
    print_message("# %s\n", text);
    pit_arena_destroy(arena);
}

/* Ten thousand symbols with room for many orders each: address space is cheap, huge pages under all of it are not. */
static void huge_pages_end_where_they_would_waste_memory(void **state)
{
    (void)state;
    struct pit_arena *arena =
        arena_make((struct pit_arena_options){.name = "many", .node = PIT_ARENA_NODE_ANY, .huge = true});
    for (int i = 0; i < 8; i++)
        assert_non_null(pit_arena_take(arena, (size_t)1 << 30, 128));
    struct pit_arena_statistics statistics = pit_arena_statistics(arena);
    assert_true(statistics.bytes_mapped >= (size_t)8 << 30);
    assert_true(statistics.bytes_huge + statistics.bytes_transparent <= PIT_ARENA_HUGE_BYTES_MAX);
    pit_arena_destroy(arena);

    arena = arena_make((struct pit_arena_options){.name = "plain", .node = PIT_ARENA_NODE_ANY});
    assert_non_null(pit_arena_take(arena, 4 * MIB, 128));
    assert_int_equal(pit_arena_statistics(arena).bytes_transparent, 0);
    pit_arena_destroy(arena);
}

static void market_reserve_gives_zeroed_blocks(void **state)
{
    (void)state;
    struct pit_arena *arena = arena_make((struct pit_arena_options){.name = "books", .node = PIT_ARENA_NODE_ANY});
    struct pit_reserve reserve = pit_arena_reserve(arena);
    uint8_t *first = reserve.reserve(reserve.context, 1000, 128);
    memset(first, 0xff, 1000);
    uint8_t *second = reserve.reserve(reserve.context, 1000, 128);
    assert_true(second >= first + 1000 || second + 1000 <= first);
    assert_int_equal((uintptr_t)second % 128, 0);
    assert_true(all_zero(second, 1000));
    pit_arena_destroy(arena);
}

static void market_reserve_beyond_the_bound_ends_the_process_with_a_message(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct pit_arena_options options = {.name = "books", .bytes_max = 2 * MIB, .node = PIT_ARENA_NODE_ANY};
        struct pit_arena *arena = NULL;
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        if (pit_arena_create(&arena, &options, NULL))
            _exit(1);
        struct pit_reserve reserve = pit_arena_reserve(arena);
        reserve.reserve(reserve.context, 3 * MIB, 128);
        _exit(0);
    }
    close(ends[1]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    char text[1024] = {0};
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
    assert_non_null(strstr(text, "memory for books"));
    assert_non_null(strstr(text, "orders_max"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_zeroed_aligned_and_apart),
        cmocka_unit_test(arena_refuses_what_would_pass_its_bound),
        cmocka_unit_test(arena_refuses_senseless_arguments),
#if RESIDENT_IS_MINE
        cmocka_unit_test(large_blocks_cost_memory_only_where_they_are_touched),
#endif
        cmocka_unit_test(wishes_that_cannot_be_met_are_told_not_fatal),
        cmocka_unit_test(huge_pages_end_where_they_would_waste_memory),
        cmocka_unit_test(market_reserve_gives_zeroed_blocks),
        cmocka_unit_test(market_reserve_beyond_the_bound_ends_the_process_with_a_message),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
