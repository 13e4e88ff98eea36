/* stages/transfer_parts.h - what the two sides of a transfer share, and how they have the disk read and written.
 *
 * A job is handed to the disk agent and comes back: posted is the replicator's, done the agent's. While they are equal
 * the job is the replicator's, else the agent's. Its kind is NONE when what came of it has been seen. A node sends or
 * receives, never both: a job is of the side that is not NONE.
 */
#ifndef PIT_STAGES_TRANSFER_PARTS_H
#define PIT_STAGES_TRANSFER_PARTS_H

#include "journal/disk_layer.h"
#include "ring/sequence.h"
#include "stages/transfer.h"

_Static_assert(PIT_TRANSFER_OFFER_MS < PIT_TRANSFER_ASK_MS, "who asks again and again is offered something in between");

enum pit_transfer_job_kind {
    PIT_TRANSFER_JOB_NONE = 0,
    PIT_TRANSFER_JOB_SOURCE, /* opens this node's newest snapshot: offer */
    PIT_TRANSFER_JOB_READ,   /* reads the chunk at offset */
    PIT_TRANSFER_JOB_BEGIN,  /* begins to receive offer, or goes on: offset */
    PIT_TRANSFER_JOB_PUT,    /* writes the chunk */
    PIT_TRANSFER_JOB_VERIFY, /* looks at a piece of what is whole */
    PIT_TRANSFER_JOB_CLOSE,  /* lets go of source and install */
};

struct pit_transfer_job {
    enum pit_transfer_job_kind kind;
    struct pit_install_offer offer;
    uint64_t offset;
    uint64_t block; /* of a source */
    uint32_t bytes; /* in the chunk */
    int code;       /* what came of it */
    struct pit_error error;
};

/* What this node sends. */
struct pit_transfer_out {
    enum { PIT_TRANSFER_OUT_NONE, PIT_TRANSFER_OUT_OPENS, PIT_TRANSFER_OUT_SERVES } state;
    uint32_t to;
    struct pit_install_offer offer;
    bool wanted;                                   /* it has asked for the chunk at offset */
    uint64_t offset, first;                        /* that it asked for last, and at first */
    uint64_t opened_ns;                            /* when this snapshot was first offered */
    uint64_t offered_ns, heard_ns;                 /* the last offer; the last message of that node */
    uint64_t rest_ns[PIT_CONSENSUS_NODES_MAX + 1]; /* not before that, by node */
    uint64_t retry_ns;                             /* not before that, for all */
    uint64_t held_ns;                              /* until then the log stays; 0 = nothing is held */
    bool told;                                     /* that there is nothing to send */
};

/* What this node receives. */
struct pit_transfer_in {
    enum {
        PIT_TRANSFER_IN_NONE,
        PIT_TRANSFER_IN_BEGINS,
        PIT_TRANSFER_IN_ASKS,
        PIT_TRANSFER_IN_PUTS,
        PIT_TRANSFER_IN_VERIFIES,
        PIT_TRANSFER_IN_INSTALLED
    } state;
    uint32_t from;
    struct pit_install_offer offer;
    uint64_t offset;   /* the next that is wanted */
    uint64_t asked_ns; /* the last ASK */
    uint64_t heard_ns; /* the last chunk or offer, or when what it brought was on the disk */
    uint64_t retry_ns; /* no offer is taken before that */
};

struct pit_transfer {
    struct pit_disk_layer disk; /* first: the disk, until the pipeline stops, so that nothing takes long then */
    struct pit_sequence posted, done;
    struct pit_sequence warned, heard; /* the text may be written while they are equal */
    struct pit_sequence installed;     /* 1: in.offer is there, and changes no more */
    struct pit_transfer_options options;
    char *directory;
    struct pit_transfer_place place;
    struct pit_transfer_job job;
    uint64_t posted_ns; /* when it was handed over */
    bool closes;        /* source and install are to be closed when the job is done */
    struct pit_transfer_out out;
    struct pit_transfer_in in;
    struct pit_transfer_figures figures; /* words, relaxed */
    char warning[PIT_TRANSFER_WARNING_BYTES];
    /* The disk agent's. */
    struct pit_install_source *source;
    struct pit_install *install;
    /* The job's: room for a message, and the bytes of a chunk behind it. */
    _Alignas(64) uint8_t packet[sizeof(struct pit_transfer_message) + PIT_TRANSFER_CHUNK_BYTES];
};

static inline uint8_t *pit_transfer_chunk(struct pit_transfer *transfer)
{
    return transfer->packet + sizeof(struct pit_transfer_message);
}

static inline uint64_t pit_transfer_now(const struct pit_transfer *transfer)
{
    return transfer->options.clock.monotonic_ns(transfer->options.clock.context);
}

/* True when the time since a moment is longer. */
static inline bool pit_transfer_since(const struct pit_transfer *transfer, uint64_t since_ns, uint32_t ms)
{
    return pit_transfer_now(transfer) - since_ns >= ms * UINT64_C(1000000);
}

/* A job can be handed over. */
static inline bool pit_transfer_idle(const struct pit_transfer *transfer)
{
    return transfer->job.kind == PIT_TRANSFER_JOB_NONE && !transfer->closes;
}

static inline void pit_transfer_count(uint64_t *word, uint64_t more)
{
    pit_word_store_relaxed(word, *word + more);
}

/* transfer.c */

/* Hands a job over: idle, and the job's fields are filled in. */
void pit_transfer_post(struct pit_transfer *transfer, enum pit_transfer_job_kind kind);

/* A message without bytes. False: there was no room for it. */
bool pit_transfer_say(struct pit_transfer *transfer, uint32_t to, enum pit_transfer_kind kind,
                      const struct pit_install_offer *offer, uint64_t offset);

__attribute__((format(printf, 2, 3))) void pit_transfer_warn(struct pit_transfer *transfer, const char *format, ...);

/* transfer_out.c: each turn; what came of a job; what the other node says. */
uint32_t pit_transfer_out_work(struct pit_transfer *transfer);
void pit_transfer_out_done(struct pit_transfer *transfer, enum pit_transfer_job_kind kind);
void pit_transfer_out_hear(struct pit_transfer *transfer, uint32_t from, const struct pit_transfer_message *message);

/* transfer_in.c: likewise. bytes: behind a chunk's header. */
uint32_t pit_transfer_in_work(struct pit_transfer *transfer);
void pit_transfer_in_done(struct pit_transfer *transfer, enum pit_transfer_job_kind kind);
void pit_transfer_in_hear(struct pit_transfer *transfer, uint32_t from, const struct pit_transfer_message *message,
                          const void *bytes);

#endif
