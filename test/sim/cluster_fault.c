/* test/sim/cluster_fault.c - what goes wrong in a simulated cluster, and for how long. See cluster.h. */
#include <string.h>

#include "cluster.h"
#include "random.h"
#include "stages/pipeline_parts.h"
#include "stages/replicator_parts.h"

#define MILLISECOND UINT64_C(1000000)

/* Some multiple of the time after which an election begins: shorter and longer than that. */
static uint64_t a_while_ns(const struct cluster *cluster, uint64_t *random)
{
    return (1 + sim_below(random, (uint64_t)cluster->plan->election_ms * 5)) * MILLISECOND;
}

/* The network. */

static void heal_network(struct cluster *cluster)
{
    memset(cluster->network.cut, 0, sizeof cluster->network.cut);
    cluster->network.delay_ns = cluster->plan->delay_ns;
    cluster->network.window = cluster->plan->window;
    cluster->heals_ns = 0;
    sim_trace_note(&cluster->trace, "network-heals", 0, 0, 0);
}

static void lasts(struct cluster *cluster, uint64_t *random)
{
    uint64_t until_ns = cluster->now_ns + a_while_ns(cluster, random);
    cluster->heals_ns = until_ns > cluster->heals_ns ? until_ns : cluster->heals_ns;
}

static void cut_off(struct cluster *cluster, uint32_t node, uint64_t random)
{
    uint64_t way = sim_below(&random, 3); /* hears nobody, is heard by nobody, both */
    bool clients_too = sim_chance(&random, 30);
    for (uint32_t other = clients_too ? 0 : 1; other <= cluster->plan->nodes; other++) {
        if (other == node)
            continue;
        cluster->network.cut[other][node] |= way != 1;
        cluster->network.cut[node][other] |= way != 0;
    }
    lasts(cluster, &random);
}

static void divide(struct cluster *cluster, uint64_t random)
{
    uint64_t sides = sim_random(&random);
    for (uint32_t one = 1; one <= cluster->plan->nodes; one++)
        for (uint32_t other = 1; other <= cluster->plan->nodes; other++)
            cluster->network.cut[one][other] |= (sides >> one & 1) != (sides >> other & 1);
    lasts(cluster, &random);
}

static void break_connections(struct cluster *cluster, uint32_t node, uint64_t random)
{
    for (uint32_t other = 0; other <= cluster->plan->nodes; other++)
        if (other != node && sim_chance(&random, 60))
            cluster_network_break(&cluster->network, node, other);
}

static void make_slow(struct cluster *cluster, uint64_t random)
{
    cluster->network.delay_ns = (1 + sim_below(&random, cluster->plan->election_ms / 2)) * MILLISECOND;
    if (sim_chance(&random, 50))
        cluster->network.window = 1 + sim_below(&random, 8192);
    lasts(cluster, &random);
}

/* Nodes. */

static void arm(struct cluster_node *node, enum sim_fault_kind kind, uint64_t random)
{
    struct sim_armed armed = {.fault = sim_fault_of_disk(kind)};
    bool writes = kind == SIM_KILL_IN_DISK || kind == SIM_POWER_IN_DISK || kind == SIM_WRITE_EIO;
    armed.rolls = writes && node->cluster->plan->retires && sim_chance(&random, 30);
    armed.blocks = writes && !armed.rolls && sim_chance(&random, 60);
    armed.count = sim_below(&random, writes && !armed.blocks ? 50 : 6);
    armed.seed = random;
    sim_disk_arm(&node->disk, &armed);
}

static void jump_clock(struct cluster_node *node, uint64_t random)
{
    uint64_t jump = MILLISECOND << sim_below(&random, 23); /* a millisecond to two hours */
    switch (sim_below(&random, 3)) {
    case 0:
        node->utc_ns -= jump;
        break;
    case 1:
        node->utc_ns += jump;
        break;
    default: /* the machine slept, or the process did */
        node->utc_ns += jump;
        node->monotonic_ns += jump;
    }
}

static void fill_disk(struct cluster_node *node, uint64_t random)
{
    node->disk.capacity = sim_capacity(&node->disk, node->cluster->plan, &random);
    node->full_until_ns = node->cluster->now_ns + a_while_ns(node->cluster, &random);
}

/* What happens to a node that runs. */
static void strike_running(struct cluster_node *node, enum sim_fault_kind kind, uint64_t random)
{
    struct cluster *cluster = node->cluster;
    uint64_t until_ns = cluster->now_ns + a_while_ns(cluster, &random);
    switch (kind) {
    case SIM_FLIP:
        node->flips = 1 + (uint32_t)sim_below(&random, 3);
        node->flips_seed = random;
        cluster_node_stop(node, true);
        break;
    case SIM_STOP:
        if (!node->draining)
            cluster_node_drain(node);
        break;
    case SIM_FULL:
        fill_disk(node, random);
        break;
    case SIM_SLOW:
        node->stalled_until_ns[node->pipeline->disk_agent] = until_ns;
        break;
    case SIM_STALL:
        node->stalled_until_ns[sim_below(&random, node->agents_count)] = until_ns;
        break;
    case SIM_PAUSE:
        node->paused_until_ns = until_ns;
        break;
    default:
        cluster_node_stop(node, kind == SIM_POWER);
    }
}

static void black_out(struct cluster *cluster)
{
    for (uint32_t number = 1; number <= cluster->plan->nodes; number++)
        if (cluster->node[number].pipeline)
            cluster_node_stop(&cluster->node[number], true);
}

/* The disks of all nodes but the one that leads stand still: it goes on leading, and nothing more is committed. */
static void stand_still(struct cluster *cluster, uint32_t leading, uint64_t random)
{
    uint64_t election_ns = (uint64_t)cluster->plan->election_ms * MILLISECOND;
    uint64_t until_ns = cluster->now_ns + election_ns + sim_below(&random, election_ns);
    for (uint32_t number = 1; number <= cluster->plan->nodes; number++) {
        struct cluster_node *node = &cluster->node[number];
        if (node->pipeline && number != leading && node->stalled_until_ns[node->pipeline->disk_agent] < until_ns)
            node->stalled_until_ns[node->pipeline->disk_agent] = until_ns;
    }
}

/* What an operator's question does. Often it comes to nothing, with something under way. */
static void hand_over(struct cluster *cluster, uint64_t random)
{
    uint32_t leading = cluster_leading(cluster), to = 1 + (uint32_t)sim_below(&random, cluster->plan->nodes);
    struct pit_error error;
    if (leading == 0 || to == leading)
        return;
    const struct pit_operator_handler *handler = &cluster->node[leading].pipeline->replicator->operators.handler;
    int code = handler->transfer(handler->context, to, &error);
    sim_trace_note(&cluster->trace, "hand-over", leading, to, (uint64_t)-code);
    if (code == 0 && sim_chance(&random, 50))
        stand_still(cluster, leading, random);
}

static void go_away(struct cluster_node *node, uint64_t random)
{
    const struct cluster *cluster = node->cluster;
    node->away_until = cluster->step + cluster->plan->steps / 4 + sim_below(&random, cluster->plan->steps / 2);
    if (node->pipeline)
        cluster_node_stop(node, sim_chance(&random, 50));
}

static void drift(struct cluster_node *node, uint64_t random)
{
    static const int64_t drifts[] = {-500000, -100000, -200, 200, 100000, 1000000};
    node->drift = drifts[sim_below(&random, sizeof drifts / sizeof *drifts)];
    node->drift_until_ns = node->cluster->now_ns + 3 * a_while_ns(node->cluster, &random);
}

static void strike(struct cluster *cluster, struct cluster_node *node, enum sim_fault_kind kind, uint64_t random)
{
    sim_trace_note(&cluster->trace, "fault", kind, node->number, cluster_leading(cluster));
    sim_trace_say(&cluster->trace, "fault: %s, node %u", sim_fault_name(kind), node->number);
    switch (kind) {
    case SIM_CUT:
        cut_off(cluster, node->number, random);
        break;
    case SIM_DIVIDE:
        divide(cluster, random);
        break;
    case SIM_BREAK:
        break_connections(cluster, node->number, random);
        break;
    case SIM_LAG:
        make_slow(cluster, random);
        break;
    case SIM_BLACKOUT:
        black_out(cluster);
        break;
    case SIM_HAND_OVER:
        hand_over(cluster, random);
        break;
    case SIM_DISK_GONE:
        if (node->begun)
            cluster_node_lose_disk(node);
        break;
    case SIM_AWAY:
        go_away(node, random);
        break;
    case SIM_DRIFT:
        drift(node, random);
        break;
    case SIM_CLOCK:
        jump_clock(node, random);
        break;
    case SIM_KILL:
    case SIM_POWER:
    case SIM_FLIP:
    case SIM_STOP:
    case SIM_FULL:
    case SIM_SLOW:
    case SIM_STALL:
    case SIM_PAUSE:
        if (node->pipeline)
            strike_running(node, kind, random);
        break;
    default:
        arm(node, kind, random);
    }
}

void cluster_fault_strike(struct cluster *cluster, const struct sim_fault *fault)
{
    uint32_t number = fault->node ? fault->node : cluster_leading(cluster);
    if (number == 0)
        number = 1 + (uint32_t)(fault->seed % cluster->plan->nodes);
    strike(cluster, &cluster->node[number], fault->kind, fault->seed);
}

/* Entries of a new leader that stay alone on its disk, or reach a few, are what guards are for. */
void cluster_fault_elected(struct cluster_node *node)
{
    static const enum sim_fault_kind kinds[] = {SIM_KILL, SIM_POWER, SIM_CUT, SIM_CUT, SIM_SLOW, SIM_LAG};
    struct cluster *cluster = node->cluster;
    uint64_t random = cluster_stream(cluster, CLUSTER_STREAM_HASTE, cluster->step);
    if (cluster->calm || !sim_chance(&random, cluster->plan->haste))
        return;
    node->struck_at_ns = cluster->now_ns + sim_below(&random, 3 * MILLISECOND);
    node->struck_by = kinds[sim_below(&random, sizeof kinds / sizeof *kinds)];
    node->struck_seed = random;
}

/* Time. */

static void pass_node(struct cluster_node *node)
{
    uint64_t now_ns = node->cluster->now_ns;
    if (node->full_until_ns && now_ns >= node->full_until_ns)
        node->disk.capacity = node->full_until_ns = 0;
    if (node->drift && now_ns >= node->drift_until_ns)
        node->drift = 0;
    if (node->struck_at_ns && now_ns >= node->struck_at_ns) {
        node->struck_at_ns = 0;
        strike(node->cluster, node, node->struck_by, node->struck_seed);
    }
}

void cluster_fault_pass(struct cluster *cluster)
{
    if (cluster->heals_ns && cluster->now_ns >= cluster->heals_ns)
        heal_network(cluster);
    for (uint32_t number = 1; number <= cluster->plan->nodes; number++)
        pass_node(&cluster->node[number]);
}

void cluster_fault_end(struct cluster *cluster)
{
    cluster->calm = true;
    heal_network(cluster);
    for (uint32_t number = 1; number <= cluster->plan->nodes; number++) {
        struct cluster_node *node = &cluster->node[number];
        sim_disk_disarm(&node->disk);
        node->disk.capacity = node->full_until_ns = node->paused_until_ns = node->struck_at_ns = 0;
        node->drift = 0;
        node->away_until = 0;
        memset(node->stalled_until_ns, 0, sizeof node->stalled_until_ns);
        if (!node->pipeline && node->restart_ns > cluster->now_ns + MILLISECOND)
            node->restart_ns = cluster->now_ns + MILLISECOND;
    }
    sim_trace_note(&cluster->trace, "calm", cluster->now_ns / 1000, 0, 0);
}
