/* stages/peers_parts.h - what the parts of stages/peers.h share: peers.c opens, works and closes, peers_out.c are the
 * connections to others, peers_in.c those from them, peers_operators.c those of operators. */
#ifndef PIT_STAGES_PEERS_PARTS_H
#define PIT_STAGES_PEERS_PARTS_H

#include "ring/check.h"
#include "stages/peers.h"

/* To one node. */
struct pit_peers_out {
    int handle; /* -1: none */
    bool ready; /* it may have something, in this turn */
    enum { PIT_PEERS_GREETS = 1, PIT_PEERS_TALKS = 2 } state;
    uint64_t since_ns; /* of the connection; then of the last byte that went while some waited */
    uint64_t retry_ns; /* no try before */
    struct pit_peer_hello hello;
    struct pit_peer_challenge challenge; /* being received */
    uint32_t challenge_filled;
    uint64_t number; /* of the last frame queued */
    uint8_t *queue;  /* from first to first + count */
    uint64_t first, count;
};

/* From one node. */
struct pit_peers_in {
    int handle; /* -1: none */
    bool ready; /* it may have something, in this turn */
    uint64_t number;
    uint8_t *buffer; /* a frame, and what came with it */
    size_t filled;
};

struct pit_peers_stranger {
    int handle; /* -1: free */
    bool ready; /* it may have something, in this turn */
    char host[PIT_PEERS_ADDRESS_BYTES];
    uint64_t since_ns;
    struct pit_peer_challenge challenge; /* sent; its proof is ours */
    bool challenged;
    uint32_t filled;
    uint8_t bytes[sizeof(struct pit_peer_hello) + PIT_PEER_PROOF_BYTES];
};

struct pit_peers_operator {
    int handle;        /* -1: free */
    uint32_t serial;   /* of the connection: with the place, its token */
    uint64_t since_ns; /* something moved */
    uint64_t heard, said;
    size_t filled;
    uint8_t question[sizeof(struct pit_peer_frame) + PIT_PEERS_QUESTION_BYTES_MAX];
    size_t first, count; /* of answers that wait */
    uint8_t answers[PIT_PEERS_ANSWERS_BYTES];
};

struct pit_peers {
    struct pit_peers_options options;
    uint8_t key[PIT_PEERS_KEY_BYTES_MAX];
    char addresses[PIT_CONSENSUS_NODES_MAX + 1][PIT_PEERS_ADDRESS_BYTES];
    char hosts[PIT_CONSENSUS_NODES_MAX + 1][PIT_PEERS_ADDRESS_BYTES]; /* of these */
    int listener, poller;
    bool others_ready; /* in this turn: the listener, operators */
    bool deaf;         /* a connection could not be taken: the listener is not watched for a while */
    uint64_t looked_ns;
    uint64_t term;
    struct pit_peers_out out[PIT_CONSENSUS_NODES_MAX + 1];
    struct pit_peers_in in[PIT_CONSENSUS_NODES_MAX + 1];
    struct pit_peers_stranger strangers[PIT_PEERS_STRANGERS_MAX];
    struct pit_peers_operator operators[PIT_PEERS_OPERATORS_MAX];
    uint32_t operators_serial;
    struct pit_peers_counters counters;
};

#define PIT_PEERS_BUFFER_BYTES (sizeof(struct pit_peer_frame) + PIT_CONSENSUS_MESSAGE_BYTES_MAX)

static inline uint64_t pit_peers_now_ns(const struct pit_peers *peers)
{
    return peers->options.clock.monotonic_ns(peers->options.clock.context);
}

static inline bool pit_peers_over(const struct pit_peers *peers, uint64_t since_ns, uint32_t milliseconds)
{
    return pit_peers_now_ns(peers) - since_ns >= (uint64_t)milliseconds * 1000000;
}

/* What a frame from one node to another must say; bytes and term are open. */
struct pit_peer_frame pit_peers_frame(const struct pit_peers *peers, uint32_t from, uint32_t to, uint64_t number);

/* Forgets and closes a handle; -1 from then on. */
void pit_peers_hang_up(struct pit_peers *peers, int *handle);

/* Watches the listener, or not for a while: until the time limits are looked at. */
void pit_peers_listen(struct pit_peers *peers, bool on);

/* peers_out.c */

bool pit_peers_out_send(void *context, uint32_t node, const struct iovec *pieces, uint32_t count, size_t bytes);
uint32_t pit_peers_out_work(struct pit_peers *peers, uint32_t node); /* connects, proves, sends, gives up */

/* peers_operators.c */

void pit_peers_operators_take(struct pit_peers *peers, int handle); /* a connection that has proved the key */
uint32_t pit_peers_operators_work(struct pit_peers *peers);

/* peers_in.c */

uint32_t pit_peers_in_accept(struct pit_peers *peers);
uint32_t pit_peers_in_work(struct pit_peers *peers); /* hears strangers and nodes */

#endif
