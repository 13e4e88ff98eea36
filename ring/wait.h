/* ring/wait.h - how a thread waits when none of its agents has work: spin, then yield, then sleep on a bell.
 *
 * A bell belongs to one sleeping thread; any thread rings it. Ringing costs one atomic add when nobody sleeps and a
 * futex wake (20 to 40 us across cores) when somebody does, so each thread's ladder says how far down it may go:
 * spinning is for threads that own their core, sleeping for those that are truly idle.
 *
 * The bell is Concurrency Kit's event count (ck_ec). A sleep always has a time limit.
 *
 * A thread that sleeps on sockets can have a handle (an eventfd) among them that its bell writes to meanwhile.
 */
#ifndef PIT_RING_WAIT_H
#define PIT_RING_WAIT_H

#include <stdbool.h>
#include <stdint.h>

enum pit_wait_kind {
    PIT_WAIT_SPIN = 1,  /* never leaves the core */
    PIT_WAIT_YIELD = 2, /* spins a little, then gives the core to others, never sleeps */
    PIT_WAIT_SLEEP = 3, /* spins, yields for a while, then sleeps until the bell rings or the time limit passes */
};

struct pit_bell; /* opaque, PIT_BELL_BYTES of the caller's memory, 128-byte aligned */
#define PIT_BELL_BYTES 128

struct pit_bell *pit_bell_create(void *memory);

/* Any thread: wakes the owner if it sleeps; otherwise makes its next sleep return at once. */
void pit_bell_ring(struct pit_bell *bell);

/* From now on ringing also writes to an eventfd while the owner sleeps on that (pit_wait_doze). Before any thread rings
 * it. -1: no more. */
void pit_bell_attach(struct pit_bell *bell, int handle);

/* One thread's ladder. */
struct pit_wait {
    enum pit_wait_kind kind;
    uint32_t spins;        /* turns spent spinning before the first yield */
    uint32_t yields;       /* turns spent yielding before the first sleep */
    uint64_t sleep_ns_max; /* longest single sleep */
    struct pit_bell *bell; /* may be NULL unless kind is PIT_WAIT_SLEEP */
    uint32_t turn;         /* idle turns since the last work */
    uint64_t heard;        /* the bell's count when the owner last looked for work */
};

void pit_wait_init(struct pit_wait *wait, enum pit_wait_kind kind, struct pit_bell *bell);

/* Owner: call at the start of a turn, before looking for work: a ring after this point ends the coming sleep. */
void pit_wait_listen(struct pit_wait *wait);

/* Owner: the turn found work. */
void pit_wait_reset(struct pit_wait *wait);

/* Owner: the turn found none: goes one step down the ladder. Returns true when the step it took was a sleep. */
bool pit_wait_idle(struct pit_wait *wait);

/* Owner, before and after it sleeps on the handle of its bell: a ring after pit_wait_listen ends that sleep. False: it
 * has rung already, do not sleep. */
bool pit_wait_doze(struct pit_wait *wait);
void pit_wait_wake(struct pit_wait *wait);

/* True when the next pit_wait_idle would sleep: lets a thread that must watch sockets sleep on those instead. */
bool pit_wait_would_sleep(const struct pit_wait *wait);

#endif
