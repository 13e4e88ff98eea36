/* stages/histogram.c - reading histograms; recording is inline in histogram.h. */
#include "stages/histogram.h"

#define PARTS_WHOLE 1000000u

uint64_t pit_histogram_bucket_ns(uint32_t bucket)
{
    uint32_t shift = bucket >> PIT_HISTOGRAM_BITS;
    if (shift == 0)
        return bucket;
    /* The buckets of shift s >= 1 are the values whose top 6 bits are 32 .. 63, shifted left by s - 1. */
    uint64_t top = (bucket & ((1u << PIT_HISTOGRAM_BITS) - 1)) + (1u << PIT_HISTOGRAM_BITS);
    return ((top + 1) << (shift - 1)) - 1;
}

void pit_histogram_snapshot(struct pit_histogram *copy, const struct pit_histogram *live)
{
    copy->count = 0;
    copy->max_ns = pit_word_load_relaxed(&live->max_ns);
    for (uint32_t i = 0; i < PIT_HISTOGRAM_BUCKETS; i++) {
        copy->buckets[i] = pit_word_load_relaxed(&live->buckets[i]);
        copy->count += copy->buckets[i];
    }
}

void pit_histogram_difference(struct pit_histogram *difference, const struct pit_histogram *newer,
                              const struct pit_histogram *older)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < PIT_HISTOGRAM_BUCKETS; i++) {
        difference->buckets[i] = newer->buckets[i] - older->buckets[i];
        count += difference->buckets[i];
    }
    difference->count = count;
    difference->max_ns = newer->max_ns;
}

void pit_histogram_merge(struct pit_histogram *whole, const struct pit_histogram *part)
{
    for (uint32_t i = 0; i < PIT_HISTOGRAM_BUCKETS; i++)
        whole->buckets[i] += part->buckets[i];
    whole->count += part->count;
    if (part->max_ns > whole->max_ns)
        whole->max_ns = part->max_ns;
}

uint64_t pit_histogram_percentile(const struct pit_histogram *histogram, uint32_t parts)
{
    if (histogram->count == 0)
        return 0;
    /* The smallest number of values that is at least parts of a million of them, without 64-bit overflow. */
    uint64_t whole = histogram->count / PARTS_WHOLE;
    uint64_t rest = histogram->count % PARTS_WHOLE;
    uint64_t rank = whole * parts + (rest * parts + PARTS_WHOLE - 1) / PARTS_WHOLE;
    if (rank == 0)
        rank = 1;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < PIT_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen < rank)
            continue;
        uint64_t ns = pit_histogram_bucket_ns(i);
        return i == PIT_HISTOGRAM_BUCKETS - 1 || ns > histogram->max_ns ? histogram->max_ns : ns;
    }
    return histogram->max_ns;
}

struct pit_histogram_summary pit_histogram_summarise(const struct pit_histogram *histogram)
{
    return (struct pit_histogram_summary){
        .count = histogram->count,
        .p50_ns = pit_histogram_percentile(histogram, 500000),
        .p90_ns = pit_histogram_percentile(histogram, 900000),
        .p99_ns = pit_histogram_percentile(histogram, 990000),
        .p999_ns = pit_histogram_percentile(histogram, 999000),
        .max_ns = pit_histogram_percentile(histogram, PARTS_WHOLE),
    };
}
