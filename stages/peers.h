/* stages/peers.h - the links between the nodes of a cluster: the network half of stages/consensus.h.
 *
 * Each node connects to each other one and sends there; what the others send comes on the connections they have made. A
 * connection carries messages when both ends have proved that they have the cluster's key (stages/peer_frame.h).
 *
 * Thread:   one, the engine's.
 * Progress: nothing blocks. What cannot be sent now is lost: the engine sends it again.
 * Memory:   allocated at the start: a queue for each node one sends to, room for one message of each one hears, and a
 *           few hundred bytes for each stranger.
 * Trust:    nothing is believed of a connection before its proof; then it may speak for its own node alone. Bytes that
 * are none of this cost a counter and the connection they came on. What follows the proofs is checked for damage and
 * not encrypted or signed: the network between the nodes is to be a private one.
 *
 * Strangers have places by host: whoever comes often takes its own again. Of two the one goes that has not said HELLO
 * as a node does, or the older. So a flood of connections keeps a node out only if it comes from that node's host, and
 * knows the cluster's id.
 *
 * Operators (stages/operator.h) connect like nodes and prove the same key, as number 0. They ask, are answered on the
 * same connection, and can say nothing that counts as a node's word. What they may take up is bounded on its own.
 */
#ifndef PIT_STAGES_PEERS_H
#define PIT_STAGES_PEERS_H

#include "stages/consensus.h"
#include "stages/peer_frame.h"
#include "wire/network.h"

#define PIT_PEERS_STRANGERS_HOST 16u /* connections without a proof from one host; one more, and one of them goes */
/* In all, for more hosts than there can be other nodes: where all are taken, one goes whose host is no node's. */
#define PIT_PEERS_STRANGERS_MAX (PIT_PEERS_STRANGERS_HOST * PIT_CONSENSUS_NODES_MAX)
#define PIT_PEERS_KEY_BYTES_MAX 1024u
#define PIT_PEERS_ADDRESS_BYTES 128u
#define PIT_PEERS_OPERATORS_MAX 8u /* at a time; one more, and who has been silent longest goes */
#define PIT_PEERS_OPERATOR_MS 10000u
#define PIT_PEERS_QUESTION_BYTES_MAX 256u /* longer ones are no questions */
#define PIT_PEERS_ANSWER_BYTES_MAX 1024u
#define PIT_PEERS_ANSWERS_BYTES 8192u /* waiting to be taken by one operator, with their headers */
#define PIT_PEERS_QUEUE_BYTES_MIN (PIT_CONSENSUS_MESSAGE_BYTES_MAX + 4096)

struct pit_peers_options {
    uint32_t node, nodes;                               /* as the engine's */
    const char *addresses[PIT_CONSENSUS_NODES_MAX + 1]; /* from 1 on; its own is where it listens */
    uint8_t cluster[PIT_PEER_CLUSTER_BYTES];            /* the same on every node, and in no other cluster */
    const uint8_t *key;                                 /* PIT_PEER_KEY_BYTES_MIN .. PIT_PEERS_KEY_BYTES_MAX bytes */
    size_t key_bytes;
    uint64_t queue_bytes;  /* waiting to be sent to one node: PIT_PEERS_QUEUE_BYTES_MIN or more */
    uint32_t reconnect_ms; /* between two tries to connect to a node; 1 or more */
    uint32_t prove_ms;     /* a connection without a proof may last so long */
    uint32_t stall_ms;     /* one that takes nothing of what waits for it, or acknowledges nothing, may last so long */
    const struct pit_network *network;
    struct pit_clock clock;                                   /* monotonic_ns is used */
    int (*random)(void *argument, void *bytes, size_t count); /* for nonces: not to be guessed. 0 or a negative errno */
    void *random_argument;
    void (*received)(void *argument, uint32_t from, const void *bytes, size_t count);
    void *received_argument;
    /* The connection from a node has ended, from its end or on the way; all that came on it has been received. May be
     * NULL. */
    void (*lost)(void *argument, uint32_t from);
    void *lost_argument;
    /* A question of an operator, who is known by token until it has gone. NULL: operators are strangers. */
    void (*asked)(void *argument, uint64_t token, const void *bytes, size_t count);
    void *asked_argument;
    uint32_t operator_ms; /* an operator's connection on which nothing moves may last so long; 0 =
                             PIT_PEERS_OPERATOR_MS */
};

struct pit_peers_counters {
    uint64_t sent, received; /* messages */
    uint64_t lost;           /* not taken: no connection, or no room */
    uint64_t connected;      /* connections of ours that came to carry messages */
    uint64_t accepted;       /* of others */
    uint64_t accepts_failed; /* tries to take a connection: no handle for it, ... It waits, and is tried again */
    uint64_t strangers;      /* accepted connections that ended without a proof */
    uint64_t impostors;      /* connections of ours to somebody who has not got the key */
    uint64_t bad_frames;     /* connections closed for bytes that are no frame of theirs */
    uint64_t stalled;        /* connections closed because nothing moved */
    uint64_t operators;      /* that have proved the key */
    uint64_t questions;      /* of theirs */
    uint64_t answers;        /* taken for them */
    uint64_t answers_lost;   /* not taken: the operator has gone, or there is no room */
    uint64_t bad_questions;  /* operators closed for bytes that are no frame of theirs */
    uint64_t sent_away;      /* operators closed for silence, or for one more */
};

struct pit_peers;

/* Listens, and begins to connect. 0, or with error's text: -EINVAL: an option; -ENOMEM; the network's. */
int pit_peers_open(struct pit_peers **peers, const struct pit_peers_options *options, struct pit_error *error);
void pit_peers_close(struct pit_peers *peers);

/* What the engine sends with. */
struct pit_consensus_network pit_peers_network(struct pit_peers *peers);

/* The term that frames say from now on. */
void pit_peers_term(struct pit_peers *peers, uint64_t term);

/* Accepts, connects, proves, sends and receives what goes without waiting. Returns how much. */
uint32_t pit_peers_work(struct pit_peers *peers);

/* Sleeps until something comes in, timeout_ns at most. */
void pit_peers_park(struct pit_peers *peers, uint64_t timeout_ns);

/* One more handle that ends a park. 0 or a negative errno. And what a park sleeps on: readable when there is something
 * to do. */
int pit_peers_watch(struct pit_peers *peers, int handle);
int pit_peers_poller(const struct pit_peers *peers);

/* Answers a question, at once or later; bytes: 1 .. PIT_PEERS_ANSWER_BYTES_MAX. False: the operator has gone, or takes
 * nothing and has no more room: the answer is lost. */
bool pit_peers_answer(struct pit_peers *peers, uint64_t token, const void *bytes, size_t count);

/* Whether a connection to the node carries messages now. */
bool pit_peers_reaches(const struct pit_peers *peers, uint32_t node);

struct pit_peers_counters pit_peers_counters(const struct pit_peers *peers);

/* The handle it listens on. */
int pit_peers_listener(const struct pit_peers *peers);

#endif
