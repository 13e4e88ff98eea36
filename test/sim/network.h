/* test/sim/network.h - stream sockets in memory that move any number of bytes at a time. One thread.
 *
 * The stages use the table; the simulated clients use the link. Handles are not used again within one run of
 * the pipeline; sim_network_restart, when the process has stopped, breaks every connection and begins anew.
 */
#ifndef PIT_TEST_SIM_NETWORK_H
#define PIT_TEST_SIM_NETWORK_H

#include "link.h"
#include "trace.h"
#include "wire/network.h"

#define SIM_SOCKETS_MAX 1024u

/* One direction of a connection. */
struct sim_pipe {
    uint8_t *bytes;
    size_t read, write, room;
};

enum sim_socket_kind { SIM_SOCKET_NONE = 0, SIM_SOCKET_LISTENER, SIM_SOCKET_CONNECTION, SIM_SOCKET_POLLER };

struct sim_socket {
    enum sim_socket_kind kind;
    bool waiting;  /* connected, not accepted yet */
    bool finished; /* the client sends no more */
    bool gone;     /* the client is away: sending to it fails */
    bool deaf;     /* the client takes nothing for now */
    bool shut;     /* the server shut it down */
    bool closed;   /* the server closed it */
    uint32_t watchers;
    struct sim_pipe to_server, to_client;
};

struct sim_network {
    struct pit_network table;
    struct sim_trace *trace;
    uint64_t random;
    struct sim_socket sockets[SIM_SOCKETS_MAX]; /* handle 0 is not used */
    int next;
    int pollers[8];
    int pollers_count;
    bool stopped; /* the process is no more: nothing moves */
};

void sim_network_open(struct sim_network *network, struct sim_trace *trace, uint64_t seed);
void sim_network_restart(struct sim_network *network);
void sim_network_close(struct sim_network *network);

/* What the clients use. */
struct sim_link sim_network_link(struct sim_network *network);

#endif
