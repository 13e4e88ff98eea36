/* stages/histogram.h - how long things took: counts in log-linear buckets.
 *
 * Writer:   one thread records.
 * Readers:  any thread takes a snapshot at any time; the counts of a snapshot may be a few records apart in age.
 * Progress: every function is wait-free; recording is a few integer instructions and two relaxed stores.
 * Memory:   the struct itself, PIT_HISTOGRAM_BUCKETS words; zeroed memory is an empty histogram.
 *
 * Values below 64 ns have a bucket each; above, every power of two is cut into 32 equal buckets, so a value is known to
 * 1/32 (3 %). Values of PIT_HISTOGRAM_NS_MAX (about 18 minutes) and more share the last bucket; max_ns stays exact.
 */
#ifndef PIT_STAGES_HISTOGRAM_H
#define PIT_STAGES_HISTOGRAM_H

#include <stdint.h>

#include "ring/sequence.h"

#define PIT_HISTOGRAM_BITS 5u
#define PIT_HISTOGRAM_BITS_MAX 40u
#define PIT_HISTOGRAM_NS_MAX ((UINT64_C(1) << PIT_HISTOGRAM_BITS_MAX) - 1)
#define PIT_HISTOGRAM_BUCKETS ((PIT_HISTOGRAM_BITS_MAX - PIT_HISTOGRAM_BITS + 1u) << PIT_HISTOGRAM_BITS)

struct pit_histogram {
    uint64_t count;
    uint64_t max_ns; /* the largest value recorded since the start; a difference keeps the newer one's */
    uint64_t buckets[PIT_HISTOGRAM_BUCKETS];
};

/* The bucket of a value. */
static inline uint32_t pit_histogram_bucket(uint64_t ns)
{
    if (ns > PIT_HISTOGRAM_NS_MAX)
        ns = PIT_HISTOGRAM_NS_MAX;
    if (ns < (UINT64_C(1) << PIT_HISTOGRAM_BITS))
        return (uint32_t)ns;
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(ns) - PIT_HISTOGRAM_BITS;
    return (shift << PIT_HISTOGRAM_BITS) + (uint32_t)(ns >> shift);
}

/* Writer: counts one value. */
static inline void pit_histogram_record(struct pit_histogram *histogram, uint64_t ns)
{
    uint64_t *bucket = &histogram->buckets[pit_histogram_bucket(ns)];
    pit_word_store_relaxed(bucket, *bucket + 1);
    pit_word_store_relaxed(&histogram->count, histogram->count + 1);
    if (ns > histogram->max_ns)
        pit_word_store_relaxed(&histogram->max_ns, ns);
}

/* The largest value that falls into a bucket. */
uint64_t pit_histogram_bucket_ns(uint32_t bucket);

/* Any thread: a copy of a histogram that may be being written; its count is the sum of its buckets. */
void pit_histogram_snapshot(struct pit_histogram *copy, const struct pit_histogram *live);

/* What was recorded between two snapshots of one histogram: difference = newer - older (may be either of them). */
void pit_histogram_difference(struct pit_histogram *difference, const struct pit_histogram *newer,
                              const struct pit_histogram *older);

/* Adds part to whole; both are private copies. */
void pit_histogram_merge(struct pit_histogram *whole, const struct pit_histogram *part);

/* The value that parts of a million of the values do not exceed (500000 = p50, 999000 = p99.9), rounded up to the end
 * of its bucket but never above max_ns; 0 when nothing was recorded. For snapshots, not for a live histogram. */
uint64_t pit_histogram_percentile(const struct pit_histogram *histogram, uint32_t parts);

/* The percentiles people ask for, in nanoseconds. */
struct pit_histogram_summary {
    uint64_t count;
    uint64_t p50_ns, p90_ns, p99_ns, p999_ns;
    uint64_t max_ns; /* of a difference: the end of its highest bucket in use */
};

struct pit_histogram_summary pit_histogram_summarise(const struct pit_histogram *histogram);

#endif
