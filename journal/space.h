/* journal/space.h - lack of space in the journal's file system, which is the one failure that passes: the alarm that
 * one agent of the journal raises while it has no space and clears when it has.
 *
 * Writer: the agent it belongs to. Reader of on, and of the words: any thread. Progress: wait-free but for the disk's.
 */
#ifndef PIT_JOURNAL_SPACE_H
#define PIT_JOURNAL_SPACE_H

#include <stdbool.h>

#include "journal/segment.h"
#include "ring/sequence.h"

#define PIT_JOURNAL_RETRY_NS UINT64_C(1000000000) /* between two tries while there is no space */

struct pit_journal_alarm {
    struct pit_sequence on; /* 1 = there is no space */
    uint64_t free;          /* words: bytes free at the last try, UINT64_MAX = nobody knows */
    uint64_t wanted;        /* bytes that would do */
    uint64_t times;         /* that it was raised */
    uint64_t retry_ns;      /* monotonic; the writer's own */
};

/* True for the errors of a full file system and of a full quota. */
bool pit_journal_lacks_space(int code);

/* Bytes free to this process in the directory's file system; UINT64_MAX where the disk does not say. */
uint64_t pit_journal_free_bytes(const struct pit_journal_files *files);

/* There was no space: raises the alarm, or says that it lasts. Returns true if it was off. */
bool pit_journal_alarm_raise(struct pit_journal_alarm *alarm, const struct pit_journal_files *files, uint64_t wanted);

/* Its writer: true while the next try is not due. */
bool pit_journal_alarm_waits(const struct pit_journal_alarm *alarm, const struct pit_journal_files *files);

/* There is space. Returns true if it was on. */
bool pit_journal_alarm_clear(struct pit_journal_alarm *alarm, const struct pit_journal_files *files);

/* Any thread. */
bool pit_journal_alarm_on(const struct pit_journal_alarm *alarm);

#endif
