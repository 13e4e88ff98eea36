/* stages/consensus_journal.h - the journal (journal/log.h) as the storage half of stages/consensus.h. Same thread as
 * the engine. */
#ifndef PIT_STAGES_CONSENSUS_JOURNAL_H
#define PIT_STAGES_CONSENSUS_JOURNAL_H

#include "journal/log.h"
#include "stages/consensus.h"

/* The log is open as long as the engine is. */
struct pit_consensus_storage pit_consensus_journal(struct pit_log *log);

#endif
