/* test/sim/network.h - stream sockets in memory that move any number of bytes at a time. One thread.
 *
 * The stages use the table; the simulated clients use the functions below. Handles are not used again within one run of
 * the pipeline; sim_network_restart, when the process has stopped, breaks every connection and begins anew.
 */
#ifndef PIT_TEST_SIM_NETWORK_H
#define PIT_TEST_SIM_NETWORK_H

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

/* A client connects: a handle, or -1 while nobody listens. */
int sim_network_connect(struct sim_network *network);

void sim_network_write(struct sim_network *network, int handle, const void *bytes, size_t count);

/* Takes at most max of what has come for the client. */
size_t sim_network_take(struct sim_network *network, int handle, void *bytes, size_t max);

/* True when nothing will come for the client any more. */
bool sim_network_ended(const struct sim_network *network, int handle);

#endif
