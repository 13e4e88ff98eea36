/* test/sim/network.c - see network.h. */
#include "network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "ring/check.h"

static void pipe_put(struct sim_pipe *pipe, const void *bytes, size_t count)
{
    if (pipe->write + count > pipe->room) {
        pipe->room = (pipe->write + count) * 2 + 256;
        pipe->bytes = realloc(pipe->bytes, pipe->room);
        PIT_CHECK(pipe->bytes);
    }
    memcpy(pipe->bytes + pipe->write, bytes, count);
    pipe->write += count;
}

static size_t pipe_take(struct sim_pipe *pipe, void *bytes, size_t max)
{
    size_t count = pipe->write - pipe->read < max ? pipe->write - pipe->read : max;
    if (count)
        memcpy(bytes, pipe->bytes + pipe->read, count);
    pipe->read += count;
    if (pipe->read == pipe->write)
        pipe->read = pipe->write = 0;
    return count;
}

static struct sim_socket *at(struct sim_network *network, int handle, enum sim_socket_kind kind)
{
    PIT_CHECK(handle > 0 && handle < network->next && network->sockets[handle].kind == kind);
    PIT_CHECK(!network->sockets[handle].closed);
    return &network->sockets[handle];
}

static int new_socket(struct sim_network *network, enum sim_socket_kind kind)
{
    if (network->next == (int)SIM_SOCKETS_MAX)
        return -EMFILE;
    network->sockets[network->next].kind = kind;
    return network->next++;
}

static int network_listen(void *context, const char *address, struct pit_error *error)
{
    (void)address;
    (void)error;
    return new_socket(context, SIM_SOCKET_LISTENER);
}

static int network_accept(void *context, int listener, char *peer, size_t peer_bytes)
{
    struct sim_network *network = context;
    at(network, listener, SIM_SOCKET_LISTENER);
    if (network->stopped)
        return -EAGAIN;
    for (int i = 1; i < network->next; i++) {
        if (!network->sockets[i].waiting)
            continue;
        network->sockets[i].waiting = false;
        snprintf(peer, peer_bytes, "client %d", i);
        sim_trace_note(network->trace, "accept", (uint64_t)i, 0, 0);
        return i;
    }
    return -EAGAIN;
}

static int network_connect(void *context, const char *address, struct pit_error *error)
{
    (void)context;
    return pit_error_set(error, -EOPNOTSUPP, "%s: stages do not connect", address);
}

/* At most count, sometimes less. */
static size_t some(struct sim_network *network, size_t count)
{
    return sim_chance(&network->random, 70) ? count : 1 + sim_below(&network->random, count);
}

static int64_t network_receive(void *context, int handle, void *bytes, size_t count)
{
    struct sim_network *network = context;
    struct sim_socket *socket = at(network, handle, SIM_SOCKET_CONNECTION);
    size_t have = socket->to_server.write - socket->to_server.read;
    if (network->stopped)
        return -EAGAIN;
    if (socket->gone && sim_chance(&network->random, 50))
        return -ECONNRESET;
    if (have == 0)
        return socket->shut || socket->finished || socket->gone ? 0 : -EAGAIN;
    if (sim_chance(&network->random, 10))
        return -EAGAIN;
    return (int64_t)pipe_take(&socket->to_server, bytes, some(network, have < count ? have : count));
}

static int64_t network_send(void *context, int handle, const void *bytes, size_t count)
{
    struct sim_network *network = context;
    struct sim_socket *socket = at(network, handle, SIM_SOCKET_CONNECTION);
    if (network->stopped)
        return -EAGAIN;
    if (socket->gone || socket->shut)
        return -EPIPE;
    if (count == 0)
        return 0;
    if (socket->deaf || sim_chance(&network->random, 10))
        return -EAGAIN;
    size_t moved = some(network, count);
    pipe_put(&socket->to_client, bytes, moved);
    sim_trace_note(network->trace, "send", (uint64_t)handle, moved, 0);
    return (int64_t)moved;
}

static void network_shutdown(void *context, int handle)
{
    at(context, handle, SIM_SOCKET_CONNECTION)->shut = true;
}

static void network_close(void *context, int handle)
{
    struct sim_network *network = context;
    PIT_CHECK(handle > 0 && handle < network->next && !network->sockets[handle].closed);
    network->sockets[handle].closed = true;
}

static int network_poller_create(void *context)
{
    struct sim_network *network = context;
    int handle = new_socket(network, SIM_SOCKET_POLLER);
    PIT_CHECK(network->pollers_count < 8);
    network->pollers[network->pollers_count++] = handle;
    return handle;
}

static uint32_t poller_bit(const struct sim_network *network, int poller)
{
    for (int i = 0; i < network->pollers_count; i++)
        if (network->pollers[i] == poller)
            return 1u << i;
    PIT_CHECK(false);
    return 0;
}

static int network_poller_add(void *context, int poller, int handle)
{
    struct sim_network *network = context;
    uint32_t bit = poller_bit(network, poller);
    PIT_CHECK(!network->sockets[handle].closed && !(network->sockets[handle].watchers & bit));
    network->sockets[handle].watchers |= bit;
    return 0;
}

static void network_poller_remove(void *context, int poller, int handle)
{
    struct sim_network *network = context;
    uint32_t bit = poller_bit(network, poller);
    PIT_CHECK(network->sockets[handle].watchers & bit);
    network->sockets[handle].watchers &= ~bit;
}

static bool readable(const struct sim_network *network, const struct sim_socket *socket)
{
    if (socket->kind == SIM_SOCKET_CONNECTION)
        return socket->to_server.write > socket->to_server.read || socket->finished || socket->shut || socket->gone;
    for (int i = 1; i < network->next; i++)
        if (network->sockets[i].waiting)
            return true;
    return false;
}

static int network_poll(void *context, int poller, struct pit_network_ready *ready, int max, uint64_t timeout_ns)
{
    struct sim_network *network = context;
    uint32_t bit = poller_bit(network, poller);
    int count = 0;
    (void)timeout_ns; /* time does not pass here */
    for (int i = 1; i < network->next && count < max && !network->stopped; i++) {
        const struct sim_socket *socket = &network->sockets[i];
        if (!socket->closed && (socket->watchers & bit) && readable(network, socket))
            ready[count++] = (struct pit_network_ready){.handle = i, .readable = true};
    }
    return count;
}

void sim_network_open(struct sim_network *network, struct sim_trace *trace, uint64_t seed)
{
    memset(network, 0, sizeof *network);
    network->trace = trace;
    network->random = seed;
    network->next = 1;
    network->table = (struct pit_network){
        .context = network,
        .listen = network_listen,
        .accept = network_accept,
        .connect = network_connect,
        .receive = network_receive,
        .send = network_send,
        .shutdown = network_shutdown,
        .close = network_close,
        .poller_create = network_poller_create,
        .poller_add = network_poller_add,
        .poller_remove = network_poller_remove,
        .poll = network_poll,
    };
}

void sim_network_close(struct sim_network *network)
{
    for (uint32_t i = 0; i < SIM_SOCKETS_MAX; i++) {
        free(network->sockets[i].to_server.bytes);
        free(network->sockets[i].to_client.bytes);
    }
}

void sim_network_restart(struct sim_network *network)
{
    struct sim_trace *trace = network->trace;
    uint64_t random = network->random;
    sim_network_close(network);
    sim_network_open(network, trace, random);
}

/* The clients' side. */

static int client_connect(void *context, uint32_t client)
{
    struct sim_network *network = context;
    bool listened = false;
    (void)client;
    for (int i = 1; i < network->next; i++)
        listened = listened || (network->sockets[i].kind == SIM_SOCKET_LISTENER && !network->sockets[i].closed);
    if (!listened)
        return -1;
    int handle = new_socket(network, SIM_SOCKET_CONNECTION);
    if (handle < 0)
        return -1;
    network->sockets[handle].waiting = true;
    return handle;
}

static void client_write(void *context, int handle, const void *bytes, size_t count)
{
    struct sim_network *network = context;
    pipe_put(&network->sockets[handle].to_server, bytes, count);
}

static size_t client_take(void *context, int handle, void *bytes, size_t max)
{
    struct sim_network *network = context;
    return pipe_take(&network->sockets[handle].to_client, bytes, max);
}

static size_t client_waiting(void *context, int handle)
{
    const struct sim_pipe *pipe = &((struct sim_network *)context)->sockets[handle].to_client;
    return pipe->write - pipe->read;
}

static bool client_ended(void *context, int handle)
{
    const struct sim_socket *socket = &((struct sim_network *)context)->sockets[handle];
    return (socket->shut || socket->closed) && socket->to_client.read == socket->to_client.write;
}

static void client_leave(void *context, int handle)
{
    ((struct sim_network *)context)->sockets[handle].gone = true;
}

static void client_deaf(void *context, int handle, bool deaf)
{
    ((struct sim_network *)context)->sockets[handle].deaf = deaf;
}

struct sim_link sim_network_link(struct sim_network *network)
{
    return (struct sim_link){
        .context = network,
        .connect = client_connect,
        .write = client_write,
        .take = client_take,
        .waiting = client_waiting,
        .ended = client_ended,
        .leave = client_leave,
        .deaf = client_deaf,
    };
}
