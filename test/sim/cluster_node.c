/* test/sim/cluster_node.c - a node of a simulated cluster: its start, its turns, its ends. See cluster.h. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "check.h"
#include "cluster.h"
#include "random.h"
#include "ring/check.h"
#include "stages/pipeline_parts.h"

#define MILLISECOND UINT64_C(1000000)
#define UTC_NS UINT64_C(1700000000000000000)
#define MONOTONIC_NS UINT64_C(1000000000)
#define REFUSALS_MAX 50u
#define DRAIN_NS (500 * MILLISECOND)
#define RESTART_MS_MAX 200u

static const uint8_t cluster_key[32] = "the key of the simulated cluster";

static uint64_t utc_ns(void *context)
{
    return ((const struct cluster_node *)context)->utc_ns;
}

static uint64_t monotonic_ns(void *context)
{
    return ((const struct cluster_node *)context)->monotonic_ns;
}

static void say(void *context, const char *line)
{
    struct cluster_node *node = context;
    bool of_this_world =
        strncmp(line, "journal:", 8) == 0 || strncmp(line, "log:", 4) == 0 || strncmp(line, "cluster:", 8) == 0;
    if (of_this_world && !strstr(line, " s: ")) /* how long it took is not of this world */
        sim_trace_say(&node->cluster->trace, "node %u: %s", node->number, line);
}

/* A node waits for space with everything that it does: it gets it, a second later. */
static void pass_a_second(void *context)
{
    struct cluster_node *node = context;
    node->monotonic_ns += 1000 * MILLISECOND;
    node->utc_ns += 1000 * MILLISECOND;
    node->disk.capacity = node->full_until_ns = 0;
    sim_trace_note(&node->cluster->trace, "room-at-last", node->number, 0, 0);
}

static void open_disk(struct cluster_node *node)
{
    struct cluster *cluster = node->cluster;
    sim_disk_open(&node->disk, &cluster->trace, &node->monotonic_ns, &node->utc_ns,
                  sim_mix(cluster_stream(cluster, CLUSTER_STREAM_DISK, node->number), node->starts));
    node->disk.direct_refused = cluster->plan->direct_refused;
    node->disk.patience = pass_a_second;
    node->disk.patience_context = node;
}

void cluster_node_open(struct cluster *cluster, uint32_t number)
{
    struct cluster_node *node = &cluster->node[number];
    node->cluster = cluster;
    node->number = number;
    snprintf(node->name, sizeof node->name, "node-%u", number);
    snprintf(node->address, sizeof node->address, "unix:/node-%u.sock", number);
    snprintf(node->clients, sizeof node->clients, "unix:/clients-%u.sock", number);
    node->utc_ns = UTC_NS + number * 3 * MILLISECOND; /* no two clocks agree */
    node->monotonic_ns = MONOTONIC_NS * number;
    node->clock = (struct pit_clock){.context = node, .utc_ns = utc_ns, .monotonic_ns = monotonic_ns};
    open_disk(node);
}

void cluster_node_close(struct cluster_node *node)
{
    node->disk.stopped = SIM_DISK_KILLED;
    node->cluster->network.port[node->number].stopped = true;
    pit_pipeline_destroy(node->pipeline);
    sim_disk_close(&node->disk);
}

/* Starting. */

static void configure_cluster(const struct cluster_node *node, struct pit_cluster_config *config)
{
    const struct cluster *cluster = node->cluster;
    *config = (struct pit_cluster_config){
        .node = node->number,
        .nodes = cluster->plan->nodes,
        .id = "simulated",
        .key = cluster_key,
        .key_bytes = sizeof cluster_key,
        .election_ms = cluster->plan->election_ms,
        .heartbeat_ms = cluster->plan->election_ms / 5,
        .memory_bytes = cluster->plan->memory_bytes,
        .chunk_bytes = cluster->plan->chunk_bytes,
        .begin = !node->begun && !node->lost,
        .rejoin = node->lost,
    };
    for (uint32_t number = 1; number <= cluster->plan->nodes; number++)
        config->of[number] = (struct pit_cluster_node){.address = cluster->node[number].address,
                                                       .clients = cluster->node[number].clients};
}

/* From start to start the configuration changes, but for what all nodes must have the same. */
static struct pit_pipeline_config configure(struct cluster_node *node, const char *const *address)
{
    struct cluster *cluster = node->cluster;
    const struct sim_plan *plan = cluster->plan;
    uint64_t random = sim_mix(cluster_stream(cluster, CLUSTER_STREAM_START, node->number), node->starts);
    struct pit_pipeline_config config = {
        .name = node->name,
        .directory = SIM_DIRECTORY,
        .symbols = cluster->symbols,
        .symbols_count = plan->symbols,
        .addresses = address,
        .addresses_count = 1,
        .accounts = cluster->accounts,
        .accounts_count = plan->clients,
        .limits = {.sessions_max = 8, .receive_bytes = PIT_GATEWAY_RECEIVE_BYTES_MIN, .logon_ms = 100},
        .close_ms = 5,
        .market_data = true,
        .threads = PIT_THREADS_SHARED,
        .wait = PIT_WAIT_SPIN,
        .input_slots = plan->input_slots,
        .output_slots = plan->output_slots,
        .session_slots = 32,
        .event_slots = 4096,
        .prefault = PIT_PREFAULT_NONE,
        .segment_bytes = plan->segment_bytes,
        .sync = plan->sync,
        .disk = &node->disk.table,
        .clock = &node->clock,
        .network = &cluster->network.port[node->number].table,
        .notes = {.say = say, .context = node},
    };
    configure_cluster(node, &config.cluster);
    config.matchers = 1 + (uint32_t)sim_below(&random, 3);
    config.limits.turn_messages = 1 + (uint32_t)sim_below(&random, 40);
    config.limits.requests_max = sim_chance(&random, 20) ? 4 : 0;
    config.limits.overload_ms = 1 + (uint32_t)sim_below(&random, 5);
    if (sim_chance(&random, plan->retires ? 95 : 60)) {
        config.snapshots.every = 1 + sim_below(&random, 60);
        config.snapshots.keep = 1 + (uint32_t)sim_below(&random, 3);
        config.snapshots.old_segments = sim_old_segments(plan, &random);
    }
    config.outbox_bytes = PIT_EGRESS_OUTBOX_BYTES_MIN << sim_below(&random, 4);
    return config;
}

static void restart_later(struct cluster_node *node, uint64_t *random)
{
    node->restart_ns = node->cluster->now_ns + (1 + sim_below(random, RESTART_MS_MAX)) * MILLISECOND;
    if (node->cluster->calm)
        node->restart_ns = node->cluster->now_ns + MILLISECOND;
}

static uint64_t after(const struct cluster_node *node)
{
    const struct cluster *cluster = node->cluster;
    return sim_mix(sim_mix(cluster_stream(cluster, CLUSTER_STREAM_AFTER, cluster->step), node->number), node->starts);
}

void cluster_node_lose_log(struct cluster_node *node)
{
    if (node->stored > node->gone) {
        node->gone = node->stored;
        memcpy(node->gone_terms, node->terms, sizeof node->terms);
    }
    node->stored = 0;
}

/* It does not start: what was injected is taken away again, so that the next try has no excuse. */
static void after_refusal(struct cluster_node *node, int code, const struct pit_error *error)
{
    struct cluster *cluster = node->cluster;
    uint64_t random = after(node);
    enum sim_disk_stop stopped = node->disk.stopped;
    node->pipeline = NULL;
    cluster_network_stop(&cluster->network, node->number, stopped == SIM_DISK_POWERLESS);
    if (stopped == SIM_DISK_RUNS) {
        sim_trace_say(&cluster->trace, "node %u: %s", node->number, error->text);
        if (!node->excused && node->disk.triggered == node->triggered)
            sim_violation(&cluster->model, "nothing was damaged, and yet node %u does not start: %s (%.700s)",
                          node->number, strerror(-code), error->text);
        cluster->figures.refused++;
        node->disk.capacity = node->full_until_ns = 0;
    } else {
        cluster->figures.crashes++;
    }
    if (++node->refusals > REFUSALS_MAX)
        sim_disk_disarm(&node->disk);
    sim_disk_restart(&node->disk,
                     stopped == SIM_DISK_POWERLESS || (stopped == SIM_DISK_RUNS && sim_chance(&random, 30)));
    if (stopped == SIM_DISK_RUNS)
        sim_disk_heal(&node->disk);
    restart_later(node, &random);
}

static void begin_agents(struct cluster_node *node)
{
    node->agents_count = pit_pipeline_agents(node->pipeline);
    memset(node->stalled_until_ns, 0, sizeof node->stalled_until_ns);
    for (uint32_t i = 0; i < node->agents_count; i++) {
        const struct pit_agent *agent = pit_pipeline_agent(node->pipeline, i);
        struct pit_error error;
        if (agent->init && agent->init(agent->state, &error) != 0)
            sim_violation(&node->cluster->model, "node %u: agent %s does not begin: %s", node->number, agent->name,
                          error.text);
    }
}

void cluster_node_start(struct cluster_node *node)
{
    struct cluster *cluster = node->cluster;
    struct pit_error error = {0};
    const char *address = node->clients;
    if (node->flips)
        sim_disk_flip(&node->disk, node->flips, node->flips_seed);
    node->flips = 0;
    cluster_network_start(&cluster->network, node->number);
    struct pit_pipeline_config config = configure(node, &address);
    node->starts++;
    node->restart_ns = 0;
    node->draining = false;
    node->paused_until_ns = 0;
    node->term = node->committed = 0;
    node->triggered = node->disk.triggered;
    node->excused = node->disk.damage_count > 0;
    cluster->figures.starts++;
    int code = pit_pipeline_create(&node->pipeline, &config, &error);
    sim_trace_note(&cluster->trace, "start", node->number, (uint64_t)-code, node->disk.stopped);
    node->doubted = node->doubted || node->excused || node->disk.triggered != node->triggered;
    if (code == 0 && node->disk.stopped) {
        cluster->network.port[node->number].stopped = true;
        pit_pipeline_destroy(node->pipeline);
    }
    if (code < 0 || node->disk.stopped) {
        after_refusal(node, code, &error);
        return;
    }
    node->begun = true;
    node->refusals = 0;
    cluster_check_start(node);
    node->doubted = false;
    if (!cluster->model.violation[0])
        begin_agents(node);
}

/* Stopping. */

/* What it has done since its start. */
static void count(const struct cluster_node *node)
{
    const struct pit_pipeline *pipeline = node->pipeline;
    struct sim_figures *figures = &node->cluster->figures;
    struct pit_transfer_figures transfer = pit_transfer_figures(pit_replicator_transfer(pipeline->replicator));
    figures->transfers += transfer.installed;
    sim_count_snapshots(figures, pipeline);
}

static void end(struct cluster_node *node, bool power)
{
    struct cluster *cluster = node->cluster;
    uint64_t random = after(node);
    count(node);
    cluster_check_state(node);
    cluster_check_remember(node);
    node->disk.stopped = power ? SIM_DISK_POWERLESS : SIM_DISK_KILLED;
    cluster->network.port[node->number].stopped = true;
    pit_pipeline_destroy(node->pipeline);
    node->pipeline = NULL;
    cluster_network_stop(&cluster->network, node->number, power);
    sim_disk_restart(&node->disk, power);
    restart_later(node, &random);
}

void cluster_node_stop(struct cluster_node *node, bool power)
{
    sim_trace_note(&node->cluster->trace, power ? "power-cut" : "kill", node->number, 0, 0);
    node->cluster->figures.crashes++;
    end(node, power);
}

void cluster_node_lose_disk(struct cluster_node *node)
{
    if (node->pipeline)
        cluster_node_stop(node, true);
    sim_disk_close(&node->disk);
    open_disk(node);
    node->lost = node->mends = true;
    memset(node->journal_id, 0, sizeof node->journal_id);
    cluster_node_lose_log(node);
}

/* Its journal or its engine has failed: the process ends by itself. Then perhaps the power goes too. */
static void give_up(struct cluster_node *node)
{
    struct cluster *cluster = node->cluster;
    uint64_t random = after(node);
    struct pit_error error = {0};
    pit_pipeline_failed(node->pipeline, &error);
    sim_trace_note(&cluster->trace, "failed", node->number, (uint64_t)-error.code, 0);
    sim_trace_say(&cluster->trace, "node %u: %s", node->number, error.text);
    bool installed = error.code == -ESTALE; /* another node's snapshot, in place of a log that nobody has any more */
    if (!installed && node->disk.triggered == node->triggered && node->disk.capacity == 0)
        sim_violation(&cluster->model, "nothing is wrong with its disk, and yet node %u stops: %.800s", node->number,
                      error.text);
    node->disk.capacity = node->full_until_ns = 0;
    cluster->figures.failures++;
    end(node, sim_chance(&random, 50));
    uint64_t limit = sim_chance(&random, 70) ? 8192 : UINT64_MAX;
    if (installed && !cluster->calm && sim_chance(&random, 40)) /* it lies there for a while */
        sim_disk_flip_in(&node->disk, SIM_DIRECTORY "/install.whole", limit, random);
}

void cluster_node_drain(struct cluster_node *node)
{
    sim_trace_note(&node->cluster->trace, "drain", node->number, 0, 0);
    node->draining = true;
    node->drain_until_ns = node->cluster->now_ns + DRAIN_NS;
    pit_pipeline_drain(node->pipeline);
}

/* Everything is done: the agents leave. */
static void stop_cleanly(struct cluster_node *node)
{
    struct cluster *cluster = node->cluster;
    for (uint32_t i = 0; i < node->agents_count; i++) {
        const struct pit_agent *agent = pit_pipeline_agent(node->pipeline, i);
        if (agent->close)
            agent->close(agent->state);
    }
    sim_trace_note(&cluster->trace, "stop", node->number, node->looked, 0);
    cluster->figures.clean_stops++;
    cluster_check_journal(node, node->looked);
    end(node, false);
}

/* What it has to tell people. */
static void hear_warnings(struct cluster_node *node)
{
    char text[PIT_SNAPSHOTS_WARNING_BYTES];
    while (pit_pipeline_warning(node->pipeline, text))
        sim_trace_say(&node->cluster->trace, "node %u: %s", node->number, text);
}

void cluster_node_attend(struct cluster_node *node)
{
    if (node->disk.stopped)
        cluster_node_stop(node, node->disk.stopped == SIM_DISK_POWERLESS);
    else if (pit_pipeline_failed(node->pipeline, NULL))
        give_up(node);
    else if (node->draining && !pit_pipeline_undrained(node->pipeline))
        stop_cleanly(node);
    else if (node->draining && node->cluster->now_ns > node->drain_until_ns)
        cluster_node_stop(node, false); /* whoever waited for it is tired of waiting */
}

/* Turns. */

uint32_t cluster_node_turn(struct cluster_node *node, uint32_t number)
{
    struct cluster *cluster = node->cluster;
    const struct pit_agent *agent = pit_pipeline_agent(node->pipeline, number);
    if (node->paused_until_ns > cluster->now_ns || node->stalled_until_ns[number] > cluster->now_ns)
        return 0;
    uint32_t did = agent->do_work(agent->state);
    if (did)
        sim_trace_note(&cluster->trace, "turn", node->number, number, did);
    if (did)
        hear_warnings(node);
    if (number == node->pipeline->journaler_agent)
        cluster_check_turn(node);
    if (did || node->draining)
        cluster_node_attend(node);
    return did;
}

uint32_t cluster_leading(const struct cluster *cluster)
{
    uint32_t leading = 0;
    uint64_t term = 0;
    for (uint32_t number = 1; number <= cluster->plan->nodes; number++) {
        struct pit_cluster_figures figures;
        const struct cluster_node *node = &cluster->node[number];
        if (!node->pipeline || !pit_pipeline_cluster(node->pipeline, &figures))
            continue;
        if (figures.role == PIT_CLUSTER_LEADER && figures.term >= term) {
            leading = number;
            term = figures.term;
        }
    }
    return leading;
}
