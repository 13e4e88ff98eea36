/* test/sim/cluster_network.c - see cluster_network.h. */
#include "cluster_network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "ring/check.h"

#define DELAY_NS 30000u
#define WINDOW_BYTES (256u << 10)

static struct cluster_end *end_at(struct cluster_network *network, int handle, enum cluster_end_kind kind)
{
    PIT_CHECK(handle > 0 && handle < (int)network->ends_count && network->ends[handle].kind == kind);
    PIT_CHECK(!network->ends[handle].closed);
    return &network->ends[handle];
}

static int number_of(const struct cluster_network *network, const struct cluster_end *end)
{
    return (int)(end - network->ends);
}

static int new_end(struct cluster_network *network, enum cluster_end_kind kind, uint32_t owner)
{
    uint32_t place = 1;
    while (place < network->ends_count && network->ends[place].kind != CLUSTER_END_FREE)
        place++;
    if (place == CLUSTER_ENDS_MAX)
        return -EMFILE;
    network->ends_count = place == network->ends_count ? place + 1 : network->ends_count;
    struct cluster_end *end = &network->ends[place];
    uint8_t *bytes = end->bytes;
    size_t room = end->room;
    *end = (struct cluster_end){.kind = kind, .owner = owner, .bytes = bytes, .room = room};
    return (int)place;
}

static bool is_cut(const struct cluster_network *network, uint32_t from, uint32_t to)
{
    return network->cut[from][to];
}

/* When a packet that leaves now is there. */
static uint64_t arrival_ns(struct cluster_network *network)
{
    return *network->now_ns + network->delay_ns + sim_below(&network->random, network->delay_ns + 1);
}

/* Not before what was sent earlier. */
static uint64_t arrival_after(struct cluster_network *network, const struct cluster_end *to)
{
    uint64_t arrives_ns = arrival_ns(network);
    uint64_t last_ns = to->flights_count ? to->flights[to->flights_count - 1].arrives_ns : 0;
    return arrives_ns > last_ns ? arrives_ns : last_ns;
}

static bool is_there(const struct cluster_network *network, const struct cluster_end *end, uint64_t at_ns)
{
    return at_ns != 0 && at_ns <= *network->now_ns && !is_cut(network, end->far, end->owner);
}

static bool was_reset(const struct cluster_network *network, const struct cluster_end *end)
{
    return is_there(network, end, end->resets_ns);
}

/* Bytes that can be read. */
static size_t readable_bytes(const struct cluster_network *network, const struct cluster_end *end)
{
    uint64_t until = end->read;
    if (is_cut(network, end->far, end->owner))
        return 0;
    for (uint32_t i = 0; i < end->flights_count && end->flights[i].arrives_ns <= *network->now_ns; i++)
        until = end->flights[i].until;
    return (size_t)(until - end->read);
}

static bool stream_ended(const struct cluster_network *network, const struct cluster_end *end)
{
    return end->read == end->write && is_there(network, end, end->ends_ns);
}

static void put(struct cluster_network *network, struct cluster_end *to, const void *bytes, size_t count)
{
    size_t held = (size_t)(to->write - to->read);
    if (to->first + held + count > to->room) {
        if (to->first)
            memmove(to->bytes, to->bytes + to->first, held);
        to->first = 0;
        if (held + count > to->room) {
            to->room = (held + count) * 2;
            to->bytes = realloc(to->bytes, to->room);
            PIT_CHECK(to->bytes);
        }
    }
    memcpy(to->bytes + to->first + held, bytes, count);
    to->write += count;
    uint64_t arrives_ns = arrival_after(network, to);
    if (to->flights_count == CLUSTER_FLIGHTS_MAX) /* one packet more than there can be travels with the last */
        to->flights[--to->flights_count].arrives_ns = arrives_ns;
    to->flights[to->flights_count++] = (struct cluster_flight){.until = to->write, .arrives_ns = arrives_ns};
    network->moved += count;
}

static size_t take(struct cluster_network *network, struct cluster_end *end, void *bytes, size_t count)
{
    if (count)
        memcpy(bytes, end->bytes + end->first, count);
    end->first += count;
    end->read += count;
    if (end->read == end->write)
        end->first = 0;
    uint32_t gone = 0;
    while (gone < end->flights_count && end->flights[gone].until <= end->read)
        gone++;
    memmove(end->flights, end->flights + gone, (end->flights_count - gone) * sizeof *end->flights);
    end->flights_count -= gone;
    network->moved += count;
    return count;
}

/* At most count, sometimes less. */
static size_t some(struct cluster_network *network, size_t count)
{
    return sim_chance(&network->random, 70) ? count : 1 + sim_below(&network->random, count);
}

/* The far end learns that this one is no more. */
static void tell_other(struct cluster_network *network, struct cluster_end *end, bool reset)
{
    if (end->other == 0)
        return;
    struct cluster_end *other = &network->ends[end->other];
    uint64_t at_ns = arrival_after(network, other);
    if (reset && other->resets_ns == 0)
        other->resets_ns = at_ns;
    else if (other->ends_ns == 0)
        other->ends_ns = at_ns;
    other->other = 0;
    end->other = 0;
}

static void free_end(struct cluster_network *network, struct cluster_end *end)
{
    (void)network;
    end->kind = CLUSTER_END_FREE;
}

/* The stages' side. */

static int network_listen(void *context, const char *address, struct pit_error *error)
{
    struct cluster_port *port = context;
    int handle = new_end(port->network, CLUSTER_END_LISTENER, port->machine);
    if (handle < 0)
        return pit_error_set(error, handle, "%s: no room", address);
    snprintf(port->network->ends[handle].address, CLUSTER_ADDRESS_BYTES, "%s", address);
    return handle;
}

static int network_accept(void *context, int listener, char *peer, size_t peer_bytes)
{
    struct cluster_port *port = context;
    struct cluster_network *network = port->network;
    end_at(network, listener, CLUSTER_END_LISTENER);
    for (uint32_t i = 1; i < network->ends_count && !port->stopped; i++) {
        struct cluster_end *end = &network->ends[i];
        if (end->kind != CLUSTER_END_CONNECTION || end->listener != listener || !is_there(network, end, end->since_ns))
            continue;
        end->listener = 0;
        end->established = true;
        snprintf(peer, peer_bytes, "machine %u", end->far);
        sim_trace_note(network->trace, "accept", port->machine, i, end->far);
        return (int)i;
    }
    return -EAGAIN;
}

static int find_listener(const struct cluster_network *network, const char *address)
{
    for (uint32_t i = 1; i < network->ends_count; i++)
        if (network->ends[i].kind == CLUSTER_END_LISTENER && strcmp(network->ends[i].address, address) == 0)
            return (int)i;
    return 0;
}

/* A connection from a machine to a listener, both ends of it. */
static int join(struct cluster_network *network, uint32_t machine, int listener)
{
    int near = new_end(network, CLUSTER_END_CONNECTION, machine);
    int far = near < 0 ? near : new_end(network, CLUSTER_END_CONNECTION, network->ends[listener].owner);
    if (far < 0) {
        if (near > 0)
            free_end(network, &network->ends[near]);
        return far;
    }
    struct cluster_end *one = &network->ends[near], *other = &network->ends[far];
    one->other = far;
    one->far = other->owner;
    other->other = near;
    other->far = machine;
    other->listener = listener;
    other->since_ns = arrival_ns(network);
    one->since_ns = other->since_ns + network->delay_ns + 1;
    return near;
}

static int network_connect(void *context, const char *address, struct pit_error *error)
{
    struct cluster_port *port = context;
    struct cluster_network *network = port->network;
    if (port->stopped)
        return pit_error_set(error, -ENETDOWN, "%s: this machine has stopped", address);
    int listener = find_listener(network, address);
    if (listener)
        return join(network, port->machine, listener);
    if (sim_chance(&network->random, 50))
        return pit_error_set(error, -ECONNREFUSED, "%s: nobody listens", address);
    return new_end(network, CLUSTER_END_CONNECTION, port->machine); /* and never an answer */
}

static bool established(const struct cluster_network *network, struct cluster_end *end)
{
    if (!end->established && is_there(network, end, end->since_ns) && !is_cut(network, end->owner, end->far))
        end->established = true;
    return end->established;
}

static int64_t network_receive(void *context, int handle, void *bytes, size_t count)
{
    struct cluster_port *port = context;
    struct cluster_network *network = port->network;
    if (port->stopped)
        return -EAGAIN;
    struct cluster_end *end = end_at(network, handle, CLUSTER_END_CONNECTION);
    if (end->shut)
        return 0;
    if (was_reset(network, end))
        return -ECONNRESET;
    if (!established(network, end))
        return -EAGAIN;
    size_t have = readable_bytes(network, end);
    if (have == 0)
        return stream_ended(network, end) ? 0 : -EAGAIN;
    if (count == 0 || sim_chance(&network->random, 10))
        return -EAGAIN;
    size_t moved = take(network, end, bytes, some(network, have < count ? have : count));
    sim_trace_note(network->trace, "receive", port->machine, (uint64_t)handle, moved);
    return (int64_t)moved;
}

/* Nobody is there any more, and this end does not know it yet: what it sends is lost. */
static int64_t swallow(const struct cluster_network *network, struct cluster_end *end, size_t count)
{
    if (is_there(network, end, end->ends_ns))
        return -EPIPE;
    uint64_t room = network->window > end->swallowed ? network->window - end->swallowed : 0;
    uint64_t moved = count < room ? count : room;
    end->swallowed += moved;
    return moved ? (int64_t)moved : -EAGAIN;
}

static int64_t send_bytes(struct cluster_network *network, struct cluster_end *end, const void *bytes, size_t count)
{
    if (end->shut)
        return -EPIPE;
    if (was_reset(network, end))
        return -ECONNRESET;
    if (!established(network, end))
        return -EAGAIN;
    if (count == 0)
        return 0;
    count = some(network, count);
    if (end->other == 0)
        return swallow(network, end, count);
    struct cluster_end *to = &network->ends[end->other];
    uint64_t held = to->write - to->read;
    if (held >= network->window || to->deaf)
        return -EAGAIN;
    size_t moved = count < network->window - held ? count : (size_t)(network->window - held);
    put(network, to, bytes, moved);
    return (int64_t)moved;
}

static int64_t network_send(void *context, int handle, const void *bytes, size_t count)
{
    struct cluster_port *port = context;
    struct cluster_network *network = port->network;
    if (port->stopped || sim_chance(&network->random, 5))
        return -EAGAIN;
    struct cluster_end *end = end_at(network, handle, CLUSTER_END_CONNECTION);
    int64_t moved = send_bytes(network, end, bytes, count);
    if (moved > 0)
        sim_trace_note(network->trace, "send", port->machine, (uint64_t)handle, (uint64_t)moved);
    return moved;
}

static void shut(struct cluster_network *network, struct cluster_end *end)
{
    end->shut = true;
    if (end->other && network->ends[end->other].ends_ns == 0)
        network->ends[end->other].ends_ns = arrival_after(network, &network->ends[end->other]);
}

static void network_shutdown(void *context, int handle)
{
    struct cluster_port *port = context;
    if (!port->stopped)
        shut(port->network, end_at(port->network, handle, CLUSTER_END_CONNECTION));
}

static void network_close(void *context, int handle)
{
    struct cluster_port *port = context;
    struct cluster_network *network = port->network;
    if (port->stopped)
        return;
    PIT_CHECK(handle > 0 && handle < (int)network->ends_count && network->ends[handle].owner == port->machine);
    struct cluster_end *end = &network->ends[handle];
    PIT_CHECK(end->kind != CLUSTER_END_FREE);
    if (end->kind == CLUSTER_END_LISTENER) {
        for (uint32_t i = 1; i < network->ends_count; i++)
            if (network->ends[i].kind == CLUSTER_END_CONNECTION && network->ends[i].listener == handle) {
                tell_other(network, &network->ends[i], true);
                free_end(network, &network->ends[i]);
            }
    }
    if (end->kind == CLUSTER_END_CONNECTION)
        tell_other(network, end, end->read != end->write);
    free_end(network, end);
}

static int network_poller_create(void *context)
{
    struct cluster_port *port = context;
    return new_end(port->network, CLUSTER_END_POLLER, port->machine);
}

static int network_poller_add(void *context, int poller, int handle)
{
    struct cluster_port *port = context;
    struct cluster_end *end = &port->network->ends[handle];
    end_at(port->network, poller, CLUSTER_END_POLLER);
    PIT_CHECK(end->kind != CLUSTER_END_FREE && end->owner == port->machine && end->poller == 0);
    end->poller = poller;
    return 0;
}

static void network_poller_remove(void *context, int poller, int handle)
{
    struct cluster_port *port = context;
    if (port->stopped)
        return;
    PIT_CHECK(port->network->ends[handle].poller == poller);
    port->network->ends[handle].poller = 0;
}

static bool readable(const struct cluster_network *network, const struct cluster_end *end)
{
    if (end->kind == CLUSTER_END_CONNECTION)
        return end->shut || readable_bytes(network, end) > 0 || stream_ended(network, end) || was_reset(network, end);
    for (uint32_t i = 1; i < network->ends_count; i++) {
        const struct cluster_end *other = &network->ends[i];
        if (other->kind == CLUSTER_END_CONNECTION && other->listener == number_of(network, end) &&
            is_there(network, other, other->since_ns))
            return true;
    }
    return false;
}

static int network_poll(void *context, int poller, struct pit_network_ready *ready, int max, uint64_t timeout_ns)
{
    struct cluster_port *port = context;
    struct cluster_network *network = port->network;
    int count = 0;
    (void)timeout_ns; /* time does not pass here */
    for (uint32_t i = 1; i < network->ends_count && count < max && !port->stopped; i++) {
        const struct cluster_end *end = &network->ends[i];
        if (end->kind != CLUSTER_END_FREE && end->poller == poller && readable(network, end))
            ready[count++] = (struct pit_network_ready){.handle = (int)i, .readable = true};
    }
    return count;
}

/* The whole. */

void cluster_network_open(struct cluster_network *network, uint32_t nodes, struct sim_trace *trace,
                          const uint64_t *now_ns, uint64_t seed)
{
    memset(network, 0, sizeof *network);
    network->trace = trace;
    network->now_ns = now_ns;
    network->random = seed;
    network->nodes = nodes;
    network->delay_ns = DELAY_NS;
    network->window = WINDOW_BYTES;
    network->ends = calloc(CLUSTER_ENDS_MAX, sizeof *network->ends);
    network->ends_count = 1;
    PIT_CHECK(network->ends);
    for (uint32_t machine = 0; machine <= nodes; machine++) {
        struct cluster_port *port = &network->port[machine];
        port->network = network;
        port->machine = machine;
        port->table = (struct pit_network){
            .context = port,
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
}

void cluster_network_close(struct cluster_network *network)
{
    for (uint32_t i = 0; i < CLUSTER_ENDS_MAX; i++)
        free(network->ends[i].bytes);
    free(network->ends);
}

void cluster_network_stop(struct cluster_network *network, uint32_t node, bool power)
{
    network->port[node].stopped = true;
    network->powerless[node] = power;
    for (uint32_t i = 1; i < network->ends_count; i++) {
        struct cluster_end *end = &network->ends[i];
        if (end->kind == CLUSTER_END_FREE || end->owner != node)
            continue;
        if (end->kind == CLUSTER_END_CONNECTION && power && end->other) {
            network->ends[end->other].silent = true;
            network->ends[end->other].other = 0;
        } else if (end->kind == CLUSTER_END_CONNECTION) {
            tell_other(network, end, end->read != end->write || sim_chance(&network->random, 50));
        }
        free_end(network, end);
    }
}

void cluster_network_start(struct cluster_network *network, uint32_t node)
{
    network->port[node].stopped = false;
    network->powerless[node] = false;
    for (uint32_t i = 1; i < network->ends_count; i++) {
        struct cluster_end *end = &network->ends[i];
        if (end->kind == CLUSTER_END_CONNECTION && end->silent && end->far == node) {
            end->silent = false; /* whatever was sent to it in the meantime is answered with a reset */
            end->resets_ns = arrival_ns(network);
        }
    }
}

void cluster_network_break(struct cluster_network *network, uint32_t one, uint32_t other)
{
    for (uint32_t i = 1; i < network->ends_count; i++) {
        struct cluster_end *end = &network->ends[i];
        if (end->kind != CLUSTER_END_CONNECTION || end->resets_ns ||
            !((end->owner == one && end->far == other) || (end->owner == other && end->far == one)))
            continue;
        end->resets_ns = arrival_ns(network);
        end->other = 0;
    }
}

/* The clients' side. */

int cluster_network_dial(struct cluster_network *network, const char *address)
{
    int listener = find_listener(network, address);
    return listener ? join(network, 0, listener) : -1;
}

void cluster_network_write(struct cluster_network *network, int handle, const void *bytes, size_t count)
{
    struct cluster_end *end = end_at(network, handle, CLUSTER_END_CONNECTION);
    if (end->other && !was_reset(network, end))
        put(network, &network->ends[end->other], bytes, count); /* what waits for the connection waits in the kernel */
}

size_t cluster_network_take(struct cluster_network *network, int handle, void *bytes, size_t max)
{
    struct cluster_end *end = end_at(network, handle, CLUSTER_END_CONNECTION);
    if (was_reset(network, end))
        return 0;
    size_t have = readable_bytes(network, end);
    return take(network, end, bytes, have < max ? have : max);
}

size_t cluster_network_waiting(const struct cluster_network *network, int handle)
{
    return readable_bytes(network, &network->ends[handle]);
}

bool cluster_network_ended(const struct cluster_network *network, int handle)
{
    const struct cluster_end *end = &network->ends[handle];
    return stream_ended(network, end) || was_reset(network, end);
}

void cluster_network_leave(struct cluster_network *network, int handle)
{
    struct cluster_end *end = end_at(network, handle, CLUSTER_END_CONNECTION);
    tell_other(network, end, end->read != end->write || sim_chance(&network->random, 50));
    free_end(network, end);
}

static void earlier(uint64_t now_ns, uint64_t at_ns, uint64_t *next_ns)
{
    if (at_ns > now_ns && at_ns < *next_ns)
        *next_ns = at_ns;
}

uint64_t cluster_network_next_ns(const struct cluster_network *network)
{
    uint64_t next_ns = UINT64_MAX, now_ns = *network->now_ns;
    for (uint32_t i = 1; i < network->ends_count; i++) {
        const struct cluster_end *end = &network->ends[i];
        if (end->kind != CLUSTER_END_CONNECTION || is_cut(network, end->far, end->owner))
            continue;
        for (uint32_t k = 0; k < end->flights_count; k++)
            if (end->flights[k].arrives_ns > now_ns) {
                earlier(now_ns, end->flights[k].arrives_ns, &next_ns);
                break;
            }
        if (!end->established)
            earlier(now_ns, end->since_ns, &next_ns);
        earlier(now_ns, end->ends_ns, &next_ns);
        earlier(now_ns, end->resets_ns, &next_ns);
    }
    return next_ns;
}
