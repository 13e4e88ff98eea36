/* test/sim/cluster.h - one run of a whole cluster: 3 or 5 pipelines as they are shipped, each with a clock and a disk
 * of its own, on one network, called turn by turn as a seed says.
 *
 *   plan ──▶ run:  starts ─▶ turns of nodes' agents, of clients, faults ─▶ everything heals ─▶ all agree, and go on
 *
 *   cluster_plan.c     what a seed means             cluster_node.c     a node: starts, stops, its turns
 *   cluster_run.c      the run: time, turns, end     cluster_fault.c    what goes wrong, and for how long
 *   cluster_network.c  the network                   cluster_client.c   which node a client asks, and when it gives up
 *   cluster_check.c    what must hold
 *
 * The model is that of a single node (model.h), which fits: a command enters when the first node puts it into its input
 * ring, and from then on it is committed. There is one order for all nodes; nothing is ever taken back.
 */
#ifndef PIT_TEST_SIM_CLUSTER_H
#define PIT_TEST_SIM_CLUSTER_H

#include "cluster_network.h"
#include "sim.h"

#define CLUSTER_TERMS_MAX 4096u
#define CLUSTER_ENTRIES_MAX 8192u /* of the log: of later ones it is not checked where they are */
#define CLUSTER_DIGESTS_MAX 4096u

struct cluster_digest {
    uint64_t sequence;
    struct pit_digest digest;
};

struct cluster_node {
    struct cluster *cluster;
    uint32_t number;  /* 1 .. */
    char name[16];    /* of its market data */
    char address[32]; /* for the other nodes */
    char clients[32]; /* for clients */
    struct sim_disk disk;
    struct pit_clock clock;
    uint64_t monotonic_ns, utc_ns; /* as it has them */
    int64_t drift;                 /* of a million nanoseconds so many more pass for it */
    uint64_t drift_until_ns;

    struct pit_pipeline *pipeline; /* NULL: it does not run */
    uint32_t agents_count;
    uint64_t stalled_until_ns[PIT_AGENTS_MAX];
    uint64_t paused_until_ns;
    uint64_t full_until_ns; /* 0: the disk has room */
    uint64_t restart_ns;    /* while it does not run */
    uint64_t away_until;    /* step: it does not start before */
    bool draining;
    uint64_t drain_until_ns;
    bool begun;        /* its log has begun */
    bool lost;         /* it has lost its disk once: its log may be empty although it is no new cluster */
    uint64_t starts;   /* tries */
    uint32_t refusals; /* in a row */
    uint32_t flips;    /* at the next start */
    uint64_t flips_seed;
    bool doubted;       /* something was wrong with its disk in this start, or in one before it that did not succeed */
    uint64_t triggered; /* faults of the disk before it started */
    bool excused;       /* it may fail */
    uint64_t looked;    /* last sequence of its input ring that was looked at */
    uint64_t struck_at_ns; /* 0: never */
    enum sim_fault_kind struck_by;
    uint64_t struck_seed;
    uint64_t committed;            /* index, as it said last */
    uint8_t journal_id[16];        /* of its log, as it was at its last start; zeros: it has none */
    bool mends;                    /* it has lost its log, and has not begun with a snapshot since */
    uint64_t kept_term, kept_vote; /* when it stopped */
    uint64_t stored;               /* while it does not run: entries on its disk, and their terms; 0: no more known */
    uint64_t terms[CLUSTER_ENTRIES_MAX];
    uint64_t gone; /* entries that were on a disk which it has lost: their acknowledgements may still be counted */
    uint64_t gone_terms[CLUSTER_ENTRIES_MAX];
    uint64_t term; /* in which it was last seen leading */
};

struct cluster {
    const struct sim_plan *plan;
    struct sim_trace trace;
    struct sim_model model;
    struct sim_clients clients;
    struct cluster_network network;
    struct sim_figures figures;
    struct cluster_node node[PIT_CLUSTER_NODES_MAX + 1]; /* from 1 on */
    struct pit_gateway_account accounts[SIM_CLIENTS_MAX];
    struct pit_pipeline_symbol symbols[SIM_SYMBOLS_ROOM];
    uint64_t now_ns;
    uint64_t step;
    uint32_t fault_next, action_next;
    uint64_t heals_ns; /* the network; 0: it is well */
    bool calm;         /* no faults any more */
    uint32_t idle;     /* turns in a row in which nothing was done */

    bool closing;                      /* whoever stops does not start again */
    uint64_t quiet_ns;                 /* when nothing can be on its way any more */
    uint64_t quiet_count;              /* of commands, as long as nothing came */
    uint32_t entered[SIM_CLIENTS_MAX]; /* the last request of each account that entered while something was wrong */

    uint64_t committed;                            /* the last entry that any node has taken for committed */
    uint64_t committed_terms[CLUSTER_ENTRIES_MAX]; /* 0: not known */
    uint32_t leader_of[CLUSTER_TERMS_MAX];
    struct cluster_digest digests[CLUSTER_DIGESTS_MAX]; /* of whole pipelines, by sequence % CLUSTER_DIGESTS_MAX */

    struct {
        uint32_t node;     /* that it was sent to; 0: any */
        uint32_t tries;    /* to connect */
        uint64_t since_ns; /* of its connection */
        uint64_t asked_ns; /* first bytes sent after it heard something */
        uint64_t heard_ns; /* last bytes */
        uint64_t again_ns; /* it does not try before */
    } asks[SIM_CLIENTS_MAX];
};

/* As sim_run. */
void cluster_run(const struct sim_plan *plan, bool print, struct sim_result *result);

/* Streams of random numbers: one for each turn, each start and so on. */
enum cluster_stream {
    CLUSTER_STREAM_DISK = 20,
    CLUSTER_STREAM_NETWORK,
    CLUSTER_STREAM_TURN,
    CLUSTER_STREAM_START,
    CLUSTER_STREAM_AFTER,
    CLUSTER_STREAM_HASTE,
};

uint64_t cluster_stream(const struct cluster *cluster, enum cluster_stream which, uint64_t number);

/* ---- cluster_node.c ---- */

void cluster_node_open(struct cluster *cluster, uint32_t number);
void cluster_node_close(struct cluster_node *node);

/* Starts it; if that fails it is tried again later, at restart_ns. */
void cluster_node_start(struct cluster_node *node);

/* The process or the machine stops, and starts again some time later. */
void cluster_node_stop(struct cluster_node *node, bool power);

/* Its log is gone. What it has acknowledged of it may still be counted. */
void cluster_node_lose_log(struct cluster_node *node);

/* It stops, and its disk is empty when it starts again. */
void cluster_node_lose_disk(struct cluster_node *node);

/* A clean stop begins. */
void cluster_node_drain(struct cluster_node *node);

/* One turn of one agent. Returns how much it did. */
uint32_t cluster_node_turn(struct cluster_node *node, uint32_t agent);

/* What has become of it by itself: it stopped within the disk, failed, or has drained. */
void cluster_node_attend(struct cluster_node *node);

/* The node that leads, by the highest term; 0: none. */
uint32_t cluster_leading(const struct cluster *cluster);

/* ---- cluster_fault.c ---- */

void cluster_fault_strike(struct cluster *cluster, const struct sim_fault *fault);

/* A node has begun to lead. */
void cluster_fault_elected(struct cluster_node *node);

/* Ends what has lasted long enough. */
void cluster_fault_pass(struct cluster *cluster);

/* Ends all of them; whoever does not run starts. */
void cluster_fault_end(struct cluster *cluster);

/* ---- cluster_client.c ---- */

struct sim_link cluster_client_link(struct cluster *cluster);
void cluster_client_act(struct cluster *cluster, const struct sim_action *action);

/* ---- cluster_check.c ---- */

/* It was created: what it recovered, what stands on its disk. */
void cluster_check_start(struct cluster_node *node);

/* It stops: what is on its disk. */
void cluster_check_remember(struct cluster_node *node);

/* It has had a turn: what came into its input ring, and whether it leads. */
void cluster_check_turn(struct cluster_node *node);

/* If it has done everything in its input ring: digest and books. */
void cluster_check_state(struct cluster_node *node);

/* It runs, and no event is on its way: its market data. */
void cluster_check_depth(struct cluster_node *node);

/* A replay of its journal, up to last (see check.h), against the model and against its digest. */
void cluster_check_journal(struct cluster_node *node, uint64_t last);

/* NULL when all nodes have done everything there is; else what is missing. */
const char *cluster_check_apart(struct cluster *cluster);

#endif
