/* test/stages/test_histogram.c - buckets and percentiles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stages/histogram.h"

static void histogram_buckets_join_without_gap_or_overlap(void **state)
{
    (void)state;
    uint64_t first = 0;
    for (uint32_t i = 0; i < PIT_HISTOGRAM_BUCKETS; i++) {
        uint64_t last = pit_histogram_bucket_ns(i);
        assert_true(last >= first);
        assert_int_equal(pit_histogram_bucket(first), i);
        assert_int_equal(pit_histogram_bucket(last), i);
        assert_true(last - first <= first / 32); /* known to 1/32 */
        first = last + 1;
    }
    assert_int_equal(first, PIT_HISTOGRAM_NS_MAX + 1);
    assert_int_equal(pit_histogram_bucket(UINT64_MAX), PIT_HISTOGRAM_BUCKETS - 1);
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void histogram_percentiles_are_those_of_the_sorted_values(void **state)
{
    (void)state;
    enum { VALUES = 20000 };
    static uint64_t values[VALUES];
    static struct pit_histogram histogram;
    uint64_t random = 88172645463325252u;
    for (uint32_t i = 0; i < VALUES; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        values[i] = random >> (24 + random % 30);
        pit_histogram_record(&histogram, values[i]);
    }
    qsort(values, VALUES, sizeof values[0], ascending);
    static const uint32_t parts[] = {1, 500000, 900000, 990000, 999000, 1000000};
    for (uint32_t i = 0; i < 6; i++) {
        uint64_t rank = (VALUES * (uint64_t)parts[i] + 999999) / 1000000;
        uint64_t exact = values[rank - 1], given = pit_histogram_percentile(&histogram, parts[i]);
        assert_true(given >= exact && given <= exact + exact / 32);
    }
    struct pit_histogram_summary summary = pit_histogram_summarise(&histogram);
    assert_int_equal(summary.count, VALUES);
    assert_int_equal(summary.max_ns, values[VALUES - 1]);
    assert_int_equal(summary.p50_ns, pit_histogram_percentile(&histogram, 500000));
}

static void histogram_difference_is_what_came_between(void **state)
{
    (void)state;
    static struct pit_histogram live, before, after, difference, whole;
    for (uint32_t i = 0; i < 100; i++)
        pit_histogram_record(&live, 1000000);
    pit_histogram_snapshot(&before, &live);
    for (uint32_t i = 0; i < 50; i++)
        pit_histogram_record(&live, 40);
    pit_histogram_snapshot(&after, &live);
    assert_int_equal(after.count, 150);
    pit_histogram_difference(&difference, &after, &before);
    struct pit_histogram_summary summary = pit_histogram_summarise(&difference);
    assert_int_equal(summary.count, 50);
    assert_int_equal(summary.p50_ns, 40);
    assert_int_equal(summary.max_ns, 40);
    pit_histogram_merge(&whole, &before);
    pit_histogram_merge(&whole, &difference);
    assert_memory_equal(&whole, &after, sizeof whole);
    pit_histogram_difference(&after, &after, &before); /* in place */
    assert_int_equal(after.count, 50);
}

static void histogram_of_nothing_has_no_percentiles(void **state)
{
    (void)state;
    static struct pit_histogram histogram;
    assert_int_equal(pit_histogram_percentile(&histogram, 500000), 0);
    pit_histogram_record(&histogram, UINT64_MAX);
    assert_true(pit_histogram_percentile(&histogram, 500000) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histogram_buckets_join_without_gap_or_overlap),
        cmocka_unit_test(histogram_percentiles_are_those_of_the_sorted_values),
        cmocka_unit_test(histogram_difference_is_what_came_between),
        cmocka_unit_test(histogram_of_nothing_has_no_percentiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
