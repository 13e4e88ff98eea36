/* stages/cluster.h - a node of a cluster: what it is told (the configuration's cluster:), and how it is doing.
 *
 * A cluster is 3 or 5 pipelines that agree on every command before they match it. docs/replication.md says what that
 * gives. Nodes are numbered from 1 and stay the same for the cluster's whole life.
 */
#ifndef PIT_STAGES_CLUSTER_H
#define PIT_STAGES_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PIT_CLUSTER_NODES_MAX 5u
#define PIT_CLUSTER_ELECTION_MS 300u
#define PIT_CLUSTER_HEARTBEAT_MS 50u

struct pit_cluster_node {
    const char *address; /* where the other nodes reach it: tcp:HOST:PORT or unix:PATH */
    const char *clients; /* where its clients reach it: what clients of other nodes are told when it leads */
};

/* Zeros mean the default in brackets. */
struct pit_cluster_config {
    uint32_t node;                                         /* this one, 1 .. nodes; 0 = no cluster: a single node */
    uint32_t nodes;                                        /* 3 or 5 */
    struct pit_cluster_node of[PIT_CLUSTER_NODES_MAX + 1]; /* from 1 on */
    uint8_t id[16];                                        /* the same on every node, and in no other cluster */
    const uint8_t *key;                                    /* which every node has, and nobody else: 16 .. 1024 bytes */
    size_t key_bytes;
    uint32_t election_ms;  /* silence of the leader after which an election begins, up to twice that
                              [PIT_CLUSTER_ELECTION_MS] */
    uint32_t heartbeat_ms; /* [PIT_CLUSTER_HEARTBEAT_MS] */
    uint64_t memory_bytes; /* of committed entries kept in memory, for nodes a little behind: the others get what they
                              lack from the disk [PIT_CONSENSUS_MEMORY_BYTES] */
    uint32_t chunk_bytes;  /* of a snapshot sent to another node at once [PIT_TRANSFER_CHUNK_BYTES, and no more] */
    bool begin;            /* an empty directory is a new cluster: said once, at the very first start of its nodes */
    bool rejoin; /* an empty directory is a node that has lost its disk: it does not vote before it has caught up */
};

enum pit_cluster_role {
    PIT_CLUSTER_FOLLOWER = 1,
    PIT_CLUSTER_CANDIDATE = 2,
    PIT_CLUSTER_LEADER = 3,
    PIT_CLUSTER_STOPPED = 4, /* it has failed, and says nothing to anybody */
};

/* Of one other node, as this one sees it. */
struct pit_cluster_peer_figures {
    bool reached;      /* a connection to it carries messages */
    uint64_t matched;  /* leader: index up to which its log is known to be ours */
    uint64_t heard_ns; /* monotonic time of the last message from it, 0 = none */
};

/* How a node is doing; any thread. */
struct pit_cluster_figures {
    enum pit_cluster_role role;
    bool ready;     /* leads, and takes commands */
    bool rejoining; /* it has lost its log, and does not vote before it has caught up */
    uint32_t node, nodes;
    uint32_t leader; /* 0 = not known */
    uint64_t term;
    uint64_t last, durable, committed;       /* indexes of the log */
    uint64_t sequence;                       /* of the last committed command */
    uint64_t digest_sequence, digest_events; /* the newest digest of its own */
    uint64_t elections;                      /* times this node began to lead */
    uint64_t memory_bytes;                   /* entries held in memory */
    uint64_t receives, receives_of;     /* bytes of another node's snapshot: what is here, and all; 0: none comes */
    uint64_t sends_to, sends, sends_of; /* to which node a snapshot goes, 0: to none; bytes that went, and all */
    uint64_t strangers, impostors;      /* connections to and from this node whose other end did not prove the key, */
    uint64_t bad_frames;                /* closed for bytes that are none of a node's, */
    uint64_t accepts_failed;            /* and tries to take one that came to nothing: no file handle for it, ... */
    struct pit_cluster_peer_figures peers[PIT_CLUSTER_NODES_MAX + 1];
};

#endif
