/* ring/wait.c - the ladder of waiting, and the bell at its foot. */
#include "ring/wait.h"

#include <ck_ec.h>
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ring/check.h"
#include "ring/sequence.h"

#define WAIT_SPINS 256u
#define WAIT_YIELDS 256u
#define WAIT_SLEEP_NS 10000000u

struct pit_bell {
    _Alignas(PIT_BELL_BYTES) struct ck_ec64 count;
    uint64_t dozing; /* 1: the owner sleeps on the handle, or is about to */
    int64_t handle;  /* -1: none */
    uint8_t padding[PIT_BELL_BYTES - sizeof(struct ck_ec64) - 16];
};
_Static_assert(sizeof(struct pit_bell) == PIT_BELL_BYTES, "a bell owns its lines");

static int bell_gettime(const struct ck_ec_ops *ops, struct timespec *out)
{
    (void)ops;
    return clock_gettime(CLOCK_MONOTONIC, out);
}

/* The futex word is the low half of the count: every ring changes it, and so does the "somebody sleeps" bit. */
static void futex_wait(const void *word, uint32_t expected, const struct timespec *deadline)
{
    /* The bitset form takes an absolute time on the monotonic clock. Any return is fine: the caller looks again. */
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected, deadline, NULL, FUTEX_BITSET_MATCH_ANY);
}

static void bell_wait32(const struct ck_ec_wait_state *state, const uint32_t *word, uint32_t expected,
                        const struct timespec *deadline)
{
    (void)state;
    futex_wait(word, expected, deadline);
}

static void bell_wait64(const struct ck_ec_wait_state *state, const uint64_t *word, uint64_t expected,
                        const struct timespec *deadline)
{
    (void)state;
    const uint8_t *low = (const uint8_t *)word;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    low += 4;
#endif
    futex_wait(low, (uint32_t)expected, deadline);
}

static void bell_wake32(const struct ck_ec_ops *ops, const uint32_t *word)
{
    (void)ops;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void bell_wake64(const struct ck_ec_ops *ops, const uint64_t *word)
{
    (void)ops;
    const uint8_t *low = (const uint8_t *)word;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    low += 4;
#endif
    syscall(SYS_futex, low, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static const struct ck_ec_ops bell_ops = {
    .gettime = bell_gettime,
    .wait32 = bell_wait32,
    .wait64 = bell_wait64,
    .wake32 = bell_wake32,
    .wake64 = bell_wake64,
};

/* Several threads ring one bell; and the form for a single one is invisible to ThreadSanitizer. */
static const struct ck_ec_mode bell_mode = {.ops = &bell_ops, .single_producer = false};

struct pit_bell *pit_bell_create(void *memory)
{
    PIT_CHECK(memory && (uintptr_t)memory % PIT_BELL_BYTES == 0);
    struct pit_bell *bell = memory;
    memset(bell, 0, sizeof *bell);
    ck_ec64_init(&bell->count, 0);
    bell->handle = -1;
    return bell;
}

void pit_bell_ring(struct pit_bell *bell)
{
    int saved = errno;
    ck_ec64_inc(&bell->count, &bell_mode);
    if (bell->handle >= 0) {
        pit_words_settle(); /* the owner says that it dozes, then looks at the count */
        if (pit_word_load_relaxed(&bell->dozing))
            eventfd_write((int)bell->handle, 1);
    }
    errno = saved;
}

void pit_bell_attach(struct pit_bell *bell, int handle)
{
    bell->handle = handle;
}

void pit_wait_init(struct pit_wait *wait, enum pit_wait_kind kind, struct pit_bell *bell)
{
    PIT_CHECK(kind != PIT_WAIT_SLEEP || bell);
    *wait = (struct pit_wait){
        .kind = kind, .spins = WAIT_SPINS, .yields = WAIT_YIELDS, .sleep_ns_max = WAIT_SLEEP_NS, .bell = bell};
    pit_wait_listen(wait);
}

void pit_wait_listen(struct pit_wait *wait)
{
    if (wait->kind == PIT_WAIT_SLEEP)
        wait->heard = ck_ec64_value(&wait->bell->count);
}

void pit_wait_reset(struct pit_wait *wait)
{
    wait->turn = 0;
}

bool pit_wait_would_sleep(const struct pit_wait *wait)
{
    return wait->kind == PIT_WAIT_SLEEP && wait->turn >= wait->spins && wait->turn - wait->spins >= wait->yields;
}

bool pit_wait_doze(struct pit_wait *wait)
{
    pit_word_store_relaxed(&wait->bell->dozing, 1);
    pit_words_settle(); /* who rings counts, then looks whether the owner dozes */
    if (ck_ec64_value(&wait->bell->count) == wait->heard)
        return true;
    pit_word_store_relaxed(&wait->bell->dozing, 0);
    return false;
}

void pit_wait_wake(struct pit_wait *wait)
{
    eventfd_t unread;
    int saved = errno;
    pit_word_store_relaxed(&wait->bell->dozing, 0);
    eventfd_read((int)wait->bell->handle, &unread); /* it does not wait: see whoever made it */
    errno = saved;
}

/* Returns when the bell has rung since wait->heard, or after sleep_ns_max. */
static void bell_sleep(struct pit_wait *wait)
{
    int saved = errno;
    struct timespec limit = {.tv_sec = (time_t)(wait->sleep_ns_max / 1000000000u),
                             .tv_nsec = (long)(wait->sleep_ns_max % 1000000000u)};
    struct timespec deadline;
    if (ck_ec_deadline(&deadline, &bell_mode, &limit) == 0)
        ck_ec64_wait(&wait->bell->count, &bell_mode, wait->heard, &deadline);
    errno = saved;
}

bool pit_wait_idle(struct pit_wait *wait)
{
    if (pit_wait_would_sleep(wait)) {
        bell_sleep(wait);
        return true;
    }
    if (wait->kind == PIT_WAIT_SPIN || wait->turn < wait->spins)
        pit_spin_pause();
    else
        sched_yield();
    if (wait->turn < UINT32_MAX)
        wait->turn++;
    return false;
}
