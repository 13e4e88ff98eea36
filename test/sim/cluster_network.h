/* test/sim/cluster_network.h - the network of a simulated cluster: stream sockets between machines, on virtual time.
 *
 * A connection has two ends, each owned by a machine: 1 .. nodes are the cluster's, 0 is where all clients are. What
 * one end writes the other can read after a while, as much of it at a time as chance gives; a way that is cut moves
 * nothing until it is whole again. A connection takes so many bytes that are not read yet, and then no more. Nothing is
 * lost or changes places within a connection; what is lost is the end of one that breaks.
 *
 * A process that stops closes its ends, and those who talk to it notice after a while. A machine that stops says
 * nothing until it runs again.
 *
 * Handles are numbers of ends, the same ones for all machines. One thread.
 */
#ifndef PIT_TEST_SIM_CLUSTER_NETWORK_H
#define PIT_TEST_SIM_CLUSTER_NETWORK_H

#include "stages/cluster.h"
#include "trace.h"
#include "wire/network.h"

#define CLUSTER_MACHINES (PIT_CLUSTER_NODES_MAX + 1)
#define CLUSTER_ENDS_MAX 1024u
#define CLUSTER_FLIGHTS_MAX 256u
#define CLUSTER_ADDRESS_BYTES 32u

enum cluster_end_kind { CLUSTER_END_FREE = 0, CLUSTER_END_LISTENER, CLUSTER_END_POLLER, CLUSTER_END_CONNECTION };

/* Bytes on their way: everything up to a place of the stream arrives at a time. */
struct cluster_flight {
    uint64_t until, arrives_ns;
};

struct cluster_end {
    enum cluster_end_kind kind;
    uint32_t owner;
    int other;                           /* the other end; 0: it does not exist any more, or never did */
    uint32_t far;                        /* the machine of the other end */
    char address[CLUSTER_ADDRESS_BYTES]; /* a listener's */
    int poller;                          /* that watches it; 0: none */
    int listener;                        /* whose accept has not given it out yet; 0: it is open */
    bool closed;                         /* by its owner */
    bool established;
    bool shut;         /* both ways, by its owner */
    bool deaf;         /* a client that reads nothing */
    bool silent;       /* the other machine is without power */
    uint64_t since_ns; /* connecting: when the answer is here; accepting: when the wish is */
    uint64_t ends_ns;  /* of the stream; 0: it goes on */
    uint64_t resets_ns;
    uint64_t swallowed; /* bytes sent to nobody */
    /* What comes in: bytes read .. write of the stream stand in the buffer from first on. */
    uint8_t *bytes;
    size_t first, room;
    uint64_t read, write;
    struct cluster_flight flights[CLUSTER_FLIGHTS_MAX];
    uint32_t flights_count;
};

/* A machine's own table. */
struct cluster_port {
    struct pit_network table;
    struct cluster_network *network;
    uint32_t machine;
    bool stopped; /* nothing moves, and what is closed was closed before */
};

struct cluster_network {
    struct sim_trace *trace;
    const uint64_t *now_ns;
    uint64_t random;
    uint32_t nodes;
    struct cluster_port port[CLUSTER_MACHINES];
    bool powerless[CLUSTER_MACHINES];
    bool cut[CLUSTER_MACHINES][CLUSTER_MACHINES]; /* from, to */
    uint64_t delay_ns;                            /* of a packet: up to twice that */
    uint64_t window;                              /* bytes that one way of a connection takes */
    struct cluster_end *ends;                     /* from 1 on */
    uint32_t ends_count;
    uint64_t moved; /* bytes, in all */
};

void cluster_network_open(struct cluster_network *network, uint32_t nodes, struct sim_trace *trace,
                          const uint64_t *now_ns, uint64_t seed);
void cluster_network_close(struct cluster_network *network);

/* Before a node's pipeline is destroyed, because its process or its machine has stopped; and before it starts again. */
void cluster_network_stop(struct cluster_network *network, uint32_t node, bool power);
void cluster_network_start(struct cluster_network *network, uint32_t node);

/* All connections between two machines break. */
void cluster_network_break(struct cluster_network *network, uint32_t one, uint32_t other);

/* A client's connection to a listening address of a node, or -1: nobody listens there. */
int cluster_network_dial(struct cluster_network *network, const char *address);

/* The rest of the clients' side: see link.h. */
void cluster_network_write(struct cluster_network *network, int handle, const void *bytes, size_t count);
size_t cluster_network_take(struct cluster_network *network, int handle, void *bytes, size_t max);
size_t cluster_network_waiting(const struct cluster_network *network, int handle);
bool cluster_network_ended(const struct cluster_network *network, int handle);
void cluster_network_leave(struct cluster_network *network, int handle);

/* The next time at which something arrives that is not here yet; UINT64_MAX: nothing is on its way. */
uint64_t cluster_network_next_ns(const struct cluster_network *network);

#endif
