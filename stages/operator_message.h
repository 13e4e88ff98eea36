/* stages/operator_message.h - what operators ask a node of a cluster, and what it answers, as bytes.
 *
 * A question is one message (stages/peers.h) that begins with its kind; the answer begins with the same kind. Integers
 * are little-endian, texts end with a zero. Lengths are exact: a node that does not know a question answers
 * PIT_OPERATOR_ANSWER with -ENOSYS.
 */
#ifndef PIT_STAGES_OPERATOR_MESSAGE_H
#define PIT_STAGES_OPERATOR_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "stages/cluster.h"

enum pit_operator_kind {
    PIT_OPERATOR_STATUS = 32,   /* how is the node doing? answered by a struct pit_operator_status */
    PIT_OPERATOR_TRANSFER = 33, /* let that node lead: only the leader can. pit_operator_answer */
    PIT_OPERATOR_SNAPSHOT = 34, /* write one now, or only tell of the newest. pit_operator_answer */
};

struct pit_operator_question {
    uint32_t kind;
    uint32_t zero;
    uint32_t node; /* TRANSFER: to whom */
    uint32_t look; /* SNAPSHOT: 1 = write none */
};
_Static_assert(sizeof(struct pit_operator_question) == 16, "no holes");

struct pit_operator_answer {
    uint32_t kind;
    int32_t code;      /* 0: it is begun; or a negative errno, and text says why */
    uint64_t sequence; /* SNAPSHOT: of the newest there is, 0 = none */
    char text[240];
};
_Static_assert(sizeof(struct pit_operator_answer) == 256, "no holes");

#define PIT_OPERATOR_NEVER UINT64_MAX

struct pit_operator_peer {
    uint64_t matched;
    uint64_t heard_ago_ns; /* PIT_OPERATOR_NEVER */
    uint32_t reached;
    uint32_t zero;
};

struct pit_operator_status {
    uint32_t kind;
    uint32_t zero;
    uint32_t node, nodes;
    uint32_t role; /* enum pit_cluster_role */
    uint32_t ready;
    uint32_t leader;
    uint32_t rejoining;
    uint64_t uptime_ns;
    uint64_t term, last, durable, committed, sequence;
    uint64_t digest_sequence, digest_events;
    uint64_t elections, memory_bytes;
    uint64_t receives, receives_of, sends_to, sends, sends_of; /* as in struct pit_cluster_figures */
    struct pit_operator_peer peers[PIT_CLUSTER_NODES_MAX + 1]; /* from 1 on; of itself nothing */
    char version[32];                                          /* of the program */
    char name[72];                                             /* of the pipeline */
};
_Static_assert(sizeof(struct pit_operator_peer) == 24, "no holes");
_Static_assert(sizeof(struct pit_operator_status) == 152 + 6 * 24 + 104, "no holes");

#endif
