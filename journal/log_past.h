/* journal/log_past.h - reads committed entries of a cluster's log back from the disk, for nodes that are behind.
 *
 * Threads:  the log's asks and gets; another one, of its own, blocks in pit_log_past_work. One request at a time.
 * Progress: asking never blocks.
 * Memory:   PIT_LOG_PAST_CURSORS places in the log, one for each node that may be behind; each holds entries of less
 *           than PIT_LOG_PAST_BYTES and what one mark of the log commits at once, and a reader's window.
 */
#ifndef PIT_JOURNAL_LOG_PAST_H
#define PIT_JOURNAL_LOG_PAST_H

#include "journal/log.h"

#define PIT_LOG_PAST_CURSORS 4u
#define PIT_LOG_PAST_BYTES (UINT64_C(4) << 20)

struct pit_log_past;

/* bell: rung when there is something to read; may be NULL. direct: the log is written past the kernel's cache. NULL: no
 * memory. Nothing is read yet. */
struct pit_log_past *pit_log_past_create(const struct pit_disk *disk, const char *directory, bool direct,
                                         struct pit_bell *bell);
void pit_log_past_destroy(struct pit_log_past *past);

/* The log's thread: as pit_log_read. */
int pit_log_past_ask(struct pit_log_past *past, uint64_t index, struct pit_log_entry *entries, uint32_t max,
                     uint64_t *before_term);

/* The other thread: reads what was asked for. Returns 1 if anything was. */
uint32_t pit_log_past_work_on(struct pit_log_past *past);

#endif
