/* stages/transfer.h - the node that leads gives its snapshot to a node whose missing log is nowhere any more.
 *
 *   leads                                        behind
 *     OFFER    which stream there is       ──▶
 *              ◀── ASK      from this offset on, a chunk at a time
 *     CHUNK    256 KiB of it at most       ──▶
 *              ◀── ASK      ... or, while its disk is busy, from the stream's end on: nothing for now
 *              ◀── DONE     all of it is there and its hash is right;  or REFUSED: not wanted
 *
 * What travels and what becomes of it: replay/install.h. Everything may get lost, come twice, late or in another order:
 * an offer is made again until somebody asks, what is asked for and does not come is asked for again, and either side
 * goes on after a restart of the other. One node at a time is served; what waits to be sent to it is one chunk. The log
 * that the node needs after the snapshot is not removed for a while, or it would have to be sent the next one.
 *
 * Threads:  the replicator's calls everything but disk_work, and never waits for a disk; disk_work is an agent's that
 *           blocks. installed, warning and figures: any thread, warning only one.
 * Memory:   a chunk.
 * Trust:    a node of the cluster is believed that its snapshot is one. What it sends is checked all the same: a stream
 *           whose hash is wrong, that is no snapshot, or whose books have another digest, is thrown away.
 */
#ifndef PIT_STAGES_TRANSFER_H
#define PIT_STAGES_TRANSFER_H

#include "journal/disk.h"
#include "replay/install.h"
#include "ring/wait.h"
#include "stages/agent.h"
#include "stages/clock.h"
#include "stages/consensus.h"

#define PIT_TRANSFER_CHUNK_BYTES (256u << 10)
#define PIT_TRANSFER_OFFER_MS 400u    /* between two offers that nobody answers */
#define PIT_TRANSFER_ASK_MS 500u      /* between two tries to get the same chunk */
#define PIT_TRANSFER_SILENCE_MS 5000u /* of the other side: then this one looks for another */
#define PIT_TRANSFER_BUSY_MS 60000u   /* a disk may take so long for one chunk before its node counts as silent */
#define PIT_TRANSFER_RETRY_MS 5000u   /* after something went wrong */
#define PIT_TRANSFER_HOLD_MS 600000u  /* the log after a snapshot is not removed, from its last chunk on */
/* Ten minutes (PIT_TRANSFER_HOLD_MS) after it has begun, a node that has taken less than this is given up: others wait,
 * and the log is held. */
#define PIT_TRANSFER_BYTES_MS_MIN 64u
#define PIT_TRANSFER_WARNING_BYTES 1024u

enum pit_transfer_kind { /* of a message between nodes */
                         PIT_TRANSFER_OFFER = 16,
                         PIT_TRANSFER_ASK = 17,
                         PIT_TRANSFER_CHUNK = 18,
                         PIT_TRANSFER_DONE = 19,
                         PIT_TRANSFER_REFUSED = 20,
};

/* Each message is one of these; behind it in a CHUNK are bytes of the stream. Integers are little-endian. */
struct pit_transfer_message {
    uint32_t kind;
    uint32_t zero;
    struct pit_install_offer offer; /* which stream this is about */
    uint64_t offset;                /* ASK, CHUNK: in the stream */
    uint32_t bytes;                 /* CHUNK: that follow, 1 .. PIT_TRANSFER_CHUNK_BYTES */
    uint32_t crc;                   /* CRC-32C of this header, with this field zero, and the bytes */
};
_Static_assert(sizeof(struct pit_transfer_message) == 64, "no holes");

struct pit_transfer_options {
    uint32_t node, nodes;  /* as the engine's */
    const char *directory; /* of the node's journal */
    const struct pit_disk *disk;
    struct pit_consensus_network network; /* sends whole messages to a node */
    struct pit_clock clock;               /* monotonic_ns is used */
    uint32_t chunk_bytes;                 /* sent at once, at most; 0 = PIT_TRANSFER_CHUNK_BYTES, and no more */
    struct pit_bell *disk_bell;           /* rung when there is something for disk_work; may be NULL */
    struct pit_sequence *hold;         /* gets the block from which on the journal is to stay, 0 = none; may be NULL */
    struct pit_bell *bell;             /* rung when disk_work has done something; may be NULL */
    const struct pit_control *control; /* in PIT_PHASE_STOP nothing more is read; NULL: there is no such time */
};

/* What the replicator knows. */
struct pit_transfer_place {
    bool leads;
    uint32_t leader;    /* 0 = not known */
    uint32_t needs;     /* leads: bit n: node n, which can be reached, needs what this node's log has no more */
    uint64_t committed; /* index up to which this node's own log is known to be committed */
};

struct pit_transfer_figures {
    uint64_t sent, received;     /* bytes of streams */
    uint64_t served, installed;  /* streams that another node, this node has whole */
    uint64_t bad;                /* messages that no right node sends, and chunks that were damaged */
    uint64_t offset, bytes;      /* of the stream being received, 0 = none is */
    uint64_t to, sending, whole; /* node being served, 0 = none; how far it has asked; bytes of the stream */
};

struct pit_transfer;

/* 0; -ENOMEM; -ENAMETOOLONG. The directory's name is copied. */
int pit_transfer_open(struct pit_transfer **transfer, const struct pit_transfer_options *options,
                      struct pit_error *error);

/* When nobody calls disk_work any more. What was received stays. */
void pit_transfer_close(struct pit_transfer *transfer);

/* Each turn. Returns how much it did. */
uint32_t pit_transfer_work(struct pit_transfer *transfer, const struct pit_transfer_place *place);

/* A message of one of the kinds above. Whatever the bytes are: what no right node sends is dropped and counted. */
void pit_transfer_receive(struct pit_transfer *transfer, uint32_t from, const void *bytes, size_t count);

/* Reads and writes what there is to be; blocks. */
uint32_t pit_transfer_disk_work(struct pit_transfer *transfer);
struct pit_agent pit_transfer_disk_agent(struct pit_transfer *transfer);

/* True when a stream is there as a whole: the node is to begin anew, with pit_install_finish. */
bool pit_transfer_installed(const struct pit_transfer *transfer, struct pit_install_offer *offer);

/* Something to tell people since the last call. False: nothing. */
bool pit_transfer_warning(struct pit_transfer *transfer, char text[PIT_TRANSFER_WARNING_BYTES]);

struct pit_transfer_figures pit_transfer_figures(const struct pit_transfer *transfer);

#endif
