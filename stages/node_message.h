/* stages/node_message.h - what the nodes of a cluster say to each other, inside the frames of stages/peers.h.
 *
 *   | kind u32 | zero u32 | body |
 *
 * Integers are little-endian. A message of a kind that a node does not know is dropped.
 */
#ifndef PIT_STAGES_NODE_MESSAGE_H
#define PIT_STAGES_NODE_MESSAGE_H

#include <stdint.h>

enum pit_node_message_kind {
    PIT_NODE_MESSAGE_ENGINE = 1, /* body: the consensus engine's */
    PIT_NODE_MESSAGE_DIGEST = 2, /* body: struct pit_node_digest */
    /* 16 .. 31: transfer of snapshots (stages/transfer.h). 32 .. 47: questions of an operator. */
};

struct pit_node_message {
    uint32_t kind;
    uint32_t zero;
};
_Static_assert(sizeof(struct pit_node_message) == 8, "what follows is as aligned as the message");

/* What the matchers of a node have come to at a marked sequence. */
struct pit_node_digest {
    uint64_t sequence; /* every command up to here is in it; a multiple of PIT_JOURNAL_DIGEST_EVERY */
    uint64_t events;
    uint64_t events_count;
};
_Static_assert(sizeof(struct pit_node_digest) == 24, "no holes");

#endif
