/* stages/peers.c - opens, works and closes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stages/peers_parts.h"

#define READY_MAX 32 /* handles found ready in one turn; when there are more, all are looked at */
#define LOOK_MS 5u

struct pit_peer_frame pit_peers_frame(const struct pit_peers *peers, uint32_t from, uint32_t to, uint64_t number)
{
    return (struct pit_peer_frame){
        .magic = PIT_PEER_FRAME_MAGIC,
        .cluster = pit_peer_cluster_half(peers->options.cluster),
        .number = number,
        .from = (uint8_t)from,
        .to = (uint8_t)to,
    };
}

void pit_peers_hang_up(struct pit_peers *peers, int *handle)
{
    const struct pit_network *network = peers->options.network;
    if (*handle < 0)
        return;
    if (handle != &peers->listener || !peers->deaf)
        network->poller_remove(network->context, peers->poller, *handle);
    network->close(network->context, *handle);
    *handle = -1;
}

static int check_options(const struct pit_peers_options *options, struct pit_error *error)
{
    if (options->nodes < 2 || options->nodes > PIT_CONSENSUS_NODES_MAX || options->node < 1 ||
        options->node > options->nodes)
        return pit_error_set(error, -EINVAL, "node %u of %u is none", options->node, options->nodes);
    if (options->key_bytes < PIT_PEER_KEY_BYTES_MIN || options->key_bytes > PIT_PEERS_KEY_BYTES_MAX)
        return pit_error_set(error, -EINVAL, "the cluster's key has %zu bytes; it must have %u to %u",
                             options->key_bytes, PIT_PEER_KEY_BYTES_MIN, PIT_PEERS_KEY_BYTES_MAX);
    if (options->queue_bytes < PIT_PEERS_QUEUE_BYTES_MIN)
        return pit_error_set(error, -EINVAL, "queue_bytes is %llu; it must be at least %llu, room for a message",
                             (unsigned long long)options->queue_bytes, (unsigned long long)PIT_PEERS_QUEUE_BYTES_MIN);
    if (options->reconnect_ms < 1 || options->prove_ms < 1 || options->stall_ms < 1)
        return pit_error_set(error, -EINVAL, "reconnect_ms, prove_ms and stall_ms must be at least 1");
    for (uint32_t node = 1; node <= options->nodes; node++) {
        bool local;
        int code = pit_network_address_local(options->addresses[node], &local, error);
        if (code < 0)
            return code;
        if (strlen(options->addresses[node]) >= PIT_PEERS_ADDRESS_BYTES)
            return pit_error_set(error, -EINVAL, "address \"%s\" is too long", options->addresses[node]);
    }
    return 0;
}

static int allocate(struct pit_peers *peers)
{
    for (uint32_t node = 1; node <= peers->options.nodes; node++) {
        if (node == peers->options.node)
            continue;
        peers->out[node].queue = malloc(peers->options.queue_bytes);
        peers->in[node].buffer = malloc(PIT_PEERS_BUFFER_BYTES);
        if (!peers->out[node].queue || !peers->in[node].buffer)
            return -ENOMEM;
    }
    return 0;
}

static void keep_options(struct pit_peers *peers, const struct pit_peers_options *options)
{
    peers->options = *options;
    memcpy(peers->key, options->key, options->key_bytes);
    peers->options.key = peers->key;
    for (uint32_t node = 1; node <= options->nodes; node++) {
        strcpy(peers->addresses[node], options->addresses[node]); /* fits: check_options */
        peers->options.addresses[node] = peers->addresses[node];
        pit_network_address_host(peers->addresses[node], peers->hosts[node], sizeof peers->hosts[node]);
    }
    for (uint32_t node = 0; node <= PIT_CONSENSUS_NODES_MAX; node++)
        peers->out[node].handle = peers->in[node].handle = -1;
    for (uint32_t i = 0; i < PIT_PEERS_STRANGERS_MAX; i++)
        peers->strangers[i].handle = -1;
    for (uint32_t i = 0; i < PIT_PEERS_OPERATORS_MAX; i++)
        peers->operators[i].handle = -1;
    if (options->operator_ms == 0)
        peers->options.operator_ms = PIT_PEERS_OPERATOR_MS;
    peers->listener = peers->poller = -1;
}

int pit_peers_open(struct pit_peers **opened, const struct pit_peers_options *options, struct pit_error *error)
{
    int code = check_options(options, error);
    if (code < 0)
        return code;
    struct pit_peers *peers = calloc(1, sizeof *peers);
    if (!peers)
        return pit_error_set(error, -ENOMEM, "no memory for the links to the other nodes");
    const struct pit_network *network = options->network;
    keep_options(peers, options);
    code = allocate(peers);
    if (code < 0)
        pit_error_set(error, code, "no memory for the links to the other nodes");
    if (code == 0) {
        peers->poller = network->poller_create(network->context);
        code = peers->poller < 0
                   ? pit_error_set(error, peers->poller, "cannot watch sockets: %s", strerror(-peers->poller))
                   : 0;
    }
    if (code == 0) {
        peers->listener = network->listen(network->context, peers->addresses[options->node], error);
        code = peers->listener < 0 ? peers->listener
                                   : network->poller_add(network->context, peers->poller, peers->listener);
    }
    if (code < 0) {
        pit_peers_close(peers);
        return code;
    }
    *opened = peers;
    return 0;
}

void pit_peers_close(struct pit_peers *peers)
{
    const struct pit_network *network = peers->options.network;
    for (uint32_t node = 1; node <= peers->options.nodes; node++) {
        pit_peers_hang_up(peers, &peers->out[node].handle);
        pit_peers_hang_up(peers, &peers->in[node].handle);
        free(peers->out[node].queue);
        free(peers->in[node].buffer);
    }
    for (uint32_t i = 0; i < PIT_PEERS_STRANGERS_MAX; i++)
        pit_peers_hang_up(peers, &peers->strangers[i].handle);
    for (uint32_t i = 0; i < PIT_PEERS_OPERATORS_MAX; i++)
        pit_peers_hang_up(peers, &peers->operators[i].handle);
    pit_peers_hang_up(peers, &peers->listener);
    if (peers->poller >= 0)
        network->close(network->context, peers->poller);
    free(peers);
}

struct pit_consensus_network pit_peers_network(struct pit_peers *peers)
{
    return (struct pit_consensus_network){.context = peers, .send = pit_peers_out_send};
}

void pit_peers_term(struct pit_peers *peers, uint64_t term)
{
    peers->term = term;
}

void pit_peers_listen(struct pit_peers *peers, bool on)
{
    const struct pit_network *network = peers->options.network;
    peers->deaf = !on;
    if (!on)
        network->poller_remove(network->context, peers->poller, peers->listener);
    else if (network->poller_add(network->context, peers->poller, peers->listener) < 0)
        peers->deaf = true;
}

/* Finds out which handles have something. Now and then all are taken to have: time limits are looked at there. */
static void look(struct pit_peers *peers)
{
    const struct pit_network *network = peers->options.network;
    struct pit_network_ready ready[READY_MAX];
    int count = network->poll(network->context, peers->poller, ready, READY_MAX, 0);
    bool all = count < 0 || count == READY_MAX || pit_peers_over(peers, peers->looked_ns, LOOK_MS);
    if (all)
        peers->looked_ns = pit_peers_now_ns(peers);
    if (all && peers->deaf)
        pit_peers_listen(peers, true);
    peers->others_ready = all;
    for (uint32_t node = 1; node <= peers->options.nodes; node++)
        peers->in[node].ready = peers->out[node].ready = all;
    for (uint32_t n = 0; n < PIT_PEERS_STRANGERS_MAX; n++)
        peers->strangers[n].ready = all;
    for (int i = 0; i < count && !all; i++) {
        bool found = false;
        for (uint32_t node = 1; node <= peers->options.nodes; node++) {
            bool in = peers->in[node].handle == ready[i].handle, out = peers->out[node].handle == ready[i].handle;
            peers->in[node].ready |= in;
            peers->out[node].ready |= out;
            found |= in || out;
        }
        for (uint32_t n = 0; n < PIT_PEERS_STRANGERS_MAX && !found; n++) {
            found = peers->strangers[n].handle == ready[i].handle;
            peers->strangers[n].ready |= found;
        }
        peers->others_ready |= !found;
    }
}

uint32_t pit_peers_work(struct pit_peers *peers)
{
    look(peers);
    uint32_t done = 0;
    if (peers->others_ready)
        done += pit_peers_in_accept(peers) + pit_peers_operators_work(peers);
    done += pit_peers_in_work(peers);
    for (uint32_t node = 1; node <= peers->options.nodes; node++) {
        if (node != peers->options.node)
            done += pit_peers_out_work(peers, node);
    }
    return done;
}

void pit_peers_park(struct pit_peers *peers, uint64_t timeout_ns)
{
    const struct pit_network *network = peers->options.network;
    struct pit_network_ready ready[READY_MAX];
    network->poll(network->context, peers->poller, ready, READY_MAX, timeout_ns);
}

int pit_peers_watch(struct pit_peers *peers, int handle)
{
    const struct pit_network *network = peers->options.network;
    return network->poller_add(network->context, peers->poller, handle);
}

int pit_peers_poller(const struct pit_peers *peers)
{
    return peers->poller;
}

bool pit_peers_reaches(const struct pit_peers *peers, uint32_t node)
{
    return peers->out[node].handle >= 0 && peers->out[node].state == PIT_PEERS_TALKS;
}

struct pit_peers_counters pit_peers_counters(const struct pit_peers *peers)
{
    return peers->counters;
}

int pit_peers_listener(const struct pit_peers *peers)
{
    return peers->listener;
}
