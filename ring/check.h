/* ring/check.h - assertions that stay.
 *
 * PIT_CHECK is on in every build: for format boundaries and for invariants looked at once a batch. PIT_HOT_CHECK is on
 * in debug and sanitizer builds only. A failed check traps: the core dump or the debugger shows where. (A trap, not a
 * message: book/ may call nothing.)
 */
#ifndef PIT_RING_CHECK_H
#define PIT_RING_CHECK_H

#define PIT_CHECK(condition)                                                                                           \
    do {                                                                                                               \
        if (__builtin_expect(!(condition), 0))                                                                         \
            __builtin_trap();                                                                                          \
    } while (0)

#ifdef PIT_HOT_CHECKS
#define PIT_HOT_CHECK(condition) PIT_CHECK(condition)
#else
#define PIT_HOT_CHECK(condition)                                                                                       \
    do {                                                                                                               \
    } while (0)
#endif

#endif
