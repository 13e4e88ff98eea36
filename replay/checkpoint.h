/* replay/checkpoint.h - the state of a market, kept in memory and had back.
 *
 * It is a snapshot (journal/snapshot.h) on a disk that is a piece of memory: written and read by the same functions,
 * checksums and all, about 40 bytes for each resting order. One thread.
 */
#ifndef PIT_REPLAY_CHECKPOINT_H
#define PIT_REPLAY_CHECKPOINT_H

#include "book/market.h"
#include "pitline/error.h"

struct pit_checkpoint {
    uint8_t *bytes; /* NULL: holds nothing */
    size_t used;
    size_t room;
    uint64_t sequence; /* the state after this command */
    uint64_t time_ns;  /* of it */
    uint64_t block;    /* of the journal, that holds it; the caller's */
};

/* Keeps the market's state after the command with that sequence (at least 1) and time; block is left to the caller. 0;
 * -ENOSPC: it takes more than bytes_max; -ENOMEM. After an error the checkpoint holds nothing. */
int pit_checkpoint_take(struct pit_checkpoint *checkpoint, struct pit_market *market, uint64_t sequence,
                        uint64_t time_ns, size_t bytes_max, struct pit_error *error);

/* Puts the state into a market without symbols. room: how many bytes a book may still have (pit_snapshot_target). 0;
 * -ENOMEM: no room for a book; after an error the market is of no use. */
int pit_checkpoint_restore(const struct pit_checkpoint *checkpoint, struct pit_market *market,
                           size_t (*room)(void *context), void *room_context, struct pit_error *error);

void pit_checkpoint_free(struct pit_checkpoint *checkpoint);

#endif
