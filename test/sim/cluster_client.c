/* test/sim/cluster_client.c - which node of a cluster a client asks, and when it gives up waiting. See cluster.h.
 *
 * A client asks the node it was sent to, or one after the other. It does not resend: what it has asked in a session
 * that ended may be done or not.
 */
#include <string.h>

#include "cluster.h"

#define MILLISECOND UINT64_C(1000000)
#define PATIENCE_NS (60 * MILLISECOND)
#define PAUSE_NS (15 * MILLISECOND) /* before it asks again when nobody knows who leads */

static int connect_to_node(void *context, uint32_t client)
{
    struct cluster *cluster = context;
    uint32_t number = cluster->asks[client].node;
    if (number == 0)
        number = 1 + (client + cluster->asks[client].tries++) % cluster->plan->nodes;
    int handle = cluster_network_dial(&cluster->network, cluster->node[number].clients);
    if (handle < 0) {
        cluster->asks[client].node = 0;
        cluster->asks[client].again_ns = cluster->now_ns + PAUSE_NS;
    }
    cluster->asks[client].since_ns = cluster->now_ns;
    cluster->asks[client].asked_ns = cluster->asks[client].heard_ns = cluster->now_ns;
    sim_trace_note(&cluster->trace, "connect", client, number, (uint64_t)(handle > 0));
    return handle;
}

/* Which client has this handle. */
static uint32_t client_of(const struct cluster *cluster, int handle)
{
    uint32_t client = 0;
    while (client < cluster->clients.count && cluster->clients.client[client].handle != handle)
        client++;
    return client < cluster->clients.count ? client : 0;
}

static void write_bytes(void *context, int handle, const void *bytes, size_t count)
{
    struct cluster *cluster = context;
    uint32_t client = client_of(cluster, handle);
    if (cluster->asks[client].asked_ns <= cluster->asks[client].heard_ns)
        cluster->asks[client].asked_ns = cluster->now_ns;
    cluster_network_write(&cluster->network, handle, bytes, count);
}

static size_t take_bytes(void *context, int handle, void *bytes, size_t max)
{
    struct cluster *cluster = context;
    size_t count = cluster_network_take(&cluster->network, handle, bytes, max);
    if (count)
        cluster->asks[client_of(cluster, handle)].heard_ns = cluster->now_ns;
    return count;
}

static size_t waiting(void *context, int handle)
{
    return cluster_network_waiting(&((struct cluster *)context)->network, handle);
}

static bool ended(void *context, int handle)
{
    return cluster_network_ended(&((struct cluster *)context)->network, handle);
}

static void leave(void *context, int handle)
{
    cluster_network_leave(&((struct cluster *)context)->network, handle);
}

static void set_deaf(void *context, int handle, bool deaf)
{
    ((struct cluster *)context)->network.ends[handle].deaf = deaf;
}

/* The text of BYE not_leader is the address of the node that leads, or nothing. */
static void farewell(void *context, uint32_t client, const struct pit_message *bye)
{
    struct cluster *cluster = context;
    if (bye->reason != PIT_REASON_NOT_LEADER)
        return;
    cluster->figures.redirects++;
    cluster->asks[client].node = 0;
    for (uint32_t number = 1; number <= cluster->plan->nodes; number++)
        if (strcmp(bye->text, cluster->node[number].clients) == 0)
            cluster->asks[client].node = number;
    if (cluster->asks[client].node == 0)
        cluster->asks[client].again_ns = cluster->now_ns + PAUSE_NS;
    if (bye->text[0] && cluster->asks[client].node == 0)
        sim_violation(&cluster->model, "client %u is sent to \"%s\", which is no node", client, bye->text);
    sim_trace_note(&cluster->trace, "redirect", client, cluster->asks[client].node, 0);
}

struct sim_link cluster_client_link(struct cluster *cluster)
{
    return (struct sim_link){
        .context = cluster,
        .connect = connect_to_node,
        .write = write_bytes,
        .take = take_bytes,
        .waiting = waiting,
        .ended = ended,
        .leave = leave,
        .deaf = set_deaf,
        .farewell = farewell,
    };
}

void cluster_client_act(struct cluster *cluster, const struct sim_action *action)
{
    struct sim_action act = *action;
    if (act.client >= cluster->clients.count)
        return;
    const struct sim_client *client = &cluster->clients.client[act.client];
    if (client->handle < 0 && cluster->now_ns < cluster->asks[act.client].again_ns)
        return;
    uint64_t asked_ns = cluster->asks[act.client].asked_ns, heard_ns = cluster->asks[act.client].heard_ns;
    bool waits = !client->live || asked_ns > heard_ns;
    uint64_t since_ns = client->live ? asked_ns : cluster->asks[act.client].since_ns;
    if (client->handle >= 0 && waits && cluster->now_ns - since_ns > PATIENCE_NS) {
        cluster->asks[act.client].node = 0;
        act.kind = SIM_CONNECT;
    }
    sim_client_act(&cluster->clients, &act);
}
