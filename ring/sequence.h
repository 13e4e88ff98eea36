/* ring/sequence.h - the only file that orders memory between threads.
 *
 * A sequence is a 64-bit counter alone on its cache lines: one thread writes it, any thread reads it. Everything the
 * writer did before pit_sequence_store is visible to whoever loads that value with pit_sequence_load.
 *
 * A word is the same thing for a 64-bit field inside a larger shared structure (the sequence in a ring slot, a seqlock,
 * a counter read by another thread).
 *
 * Progress: every function here is wait-free.
 *
 * Two builds of one contract. Normally the accesses are Concurrency Kit's (ck_pr_load_64, ck_pr_store_64 and its
 * fences). ThreadSanitizer sees neither inline assembly nor fences, so under it the same functions are the compiler's
 * acquire loads and release stores, which it does see. Nothing outside this file issues an atomic or a fence.
 */
#ifndef PIT_RING_SEQUENCE_H
#define PIT_RING_SEQUENCE_H

#include <ck_pr.h>
#include <stdint.h>

/* No sequence: what a claim returns when there is no room. Sequences start at 1; 0 means "nothing yet". */
#define PIT_SEQUENCE_NONE UINT64_MAX

/* Two lines, so that the adjacent-line prefetcher does not make neighbours share. */
#define PIT_CACHE_LINE_BYTES 64
#define PIT_SEQUENCE_BYTES 128

struct pit_sequence {
    _Alignas(PIT_SEQUENCE_BYTES) uint64_t value;
    uint8_t padding[PIT_SEQUENCE_BYTES - sizeof(uint64_t)];
};
_Static_assert(sizeof(struct pit_sequence) == PIT_SEQUENCE_BYTES, "a sequence owns its lines");

#if defined(__SANITIZE_THREAD__)
#define PIT_UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PIT_UNDER_TSAN 1
#endif
#endif

/* Reads a word; later reads of this thread are not moved before it. */
static inline uint64_t pit_word_load_acquire(const uint64_t *word)
{
#ifdef PIT_UNDER_TSAN
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
#else
    uint64_t value = ck_pr_load_64(word);
    ck_pr_fence_acquire(); /* pairs with the release in the writer's store of this word */
    return value;
#endif
}

/* Writes a word; no earlier read or write of this thread is moved after it. */
static inline void pit_word_store_release(uint64_t *word, uint64_t value)
{
#ifdef PIT_UNDER_TSAN
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
#else
    ck_pr_fence_release(); /* what the word announces is written before the word */
    ck_pr_store_64(word, value);
#endif
}

/* Reads or writes a word without ordering anything else: for statistics and for the payload of a seqlock. */
static inline uint64_t pit_word_load_relaxed(const uint64_t *word)
{
#ifdef PIT_UNDER_TSAN
    return __atomic_load_n(word, __ATOMIC_RELAXED);
#else
    return ck_pr_load_64(word);
#endif
}

static inline void pit_word_store_relaxed(uint64_t *word, uint64_t value)
{
#ifdef PIT_UNDER_TSAN
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
#else
    ck_pr_store_64(word, value);
#endif
}

/* Writes count words, none of which is seen before this thread's earlier stores: the payload of a seqlock, written
 * after its version was marked as changing. */
static inline void pit_words_store(uint64_t *to, const uint64_t *from, uint32_t count)
{
#ifdef PIT_UNDER_TSAN
    for (uint32_t i = 0; i < count; i++)
        __atomic_store_n(&to[i], from[i], __ATOMIC_RELEASE);
#else
    ck_pr_fence_store(); /* the mark is visible before any word changes */
    for (uint32_t i = 0; i < count; i++)
        ck_pr_store_64(&to[i], from[i]);
#endif
}

/* Reads count words; later reads of this thread are not moved before them: the payload of a seqlock, read before the
 * second look at its version. */
static inline void pit_words_load(uint64_t *to, const uint64_t *from, uint32_t count)
{
#ifdef PIT_UNDER_TSAN
    for (uint32_t i = 0; i < count; i++)
        to[i] = __atomic_load_n(&from[i], __ATOMIC_ACQUIRE);
#else
    for (uint32_t i = 0; i < count; i++)
        to[i] = ck_pr_load_64(&from[i]);
    ck_pr_fence_load();   /* every word was read before the version is looked at again */
#endif
}

/* What this thread has stored is visible before it loads anything more: for two threads that each store a word and then
 * look at the other's. */
static inline void pit_words_settle(void)
{
#ifdef PIT_UNDER_TSAN
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#else
    ck_pr_fence_memory(); /* a store before it and a load after it do not change places */
#endif
}

/* Tells the core that this thread is spinning. Orders nothing. */
static inline void pit_spin_pause(void)
{
    ck_pr_stall();
}

static inline uint64_t pit_sequence_load(const struct pit_sequence *sequence)
{
    return pit_word_load_acquire(&sequence->value);
}

static inline void pit_sequence_store(struct pit_sequence *sequence, uint64_t value)
{
    pit_word_store_release(&sequence->value, value);
}

#endif
