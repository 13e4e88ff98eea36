/* test/sim/cluster_run.c - the run of a cluster: time, turns, and its end. See cluster.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "random.h"
#include "ring/check.h"
#include "stages/pipeline_parts.h"

#define MICROSECOND UINT64_C(1000)
#define MILLISECOND UINT64_C(1000000)
#define CALM_TURN_NS_MAX 10000u
#define IDLE_TURNS 16u /* nothing was done in so many: everybody is asked, and then time goes on */
#define IDLE_NS (500 * MICROSECOND)
#define QUIET_NS (100 * MILLISECOND)
#define AGREE_NS (20000 * MILLISECOND)
#define AGREE_STEPS_MAX 3000000u
#define ASKING_EVERY 40u   /* steps, at first */
#define ASKING_SLOWER 100u /* the longer it takes the more seldom, by so much of it: what is asked has to be done */

uint64_t cluster_stream(const struct cluster *cluster, enum cluster_stream which, uint64_t number)
{
    return sim_mix(sim_mix(cluster->plan->seed, which), number);
}

/* Time. */

static void pass(struct cluster *cluster, uint64_t ns)
{
    cluster->now_ns += ns;
    for (uint32_t number = 1; number <= cluster->plan->nodes; number++) {
        struct cluster_node *node = &cluster->node[number];
        uint64_t its_ns = node->drift ? (uint64_t)((int64_t)ns + (int64_t)ns * node->drift / 1000000) : ns;
        node->monotonic_ns += its_ns;
        node->utc_ns += its_ns;
    }
    cluster_fault_pass(cluster);
    for (uint32_t number = 1; number <= cluster->plan->nodes; number++) {
        struct cluster_node *node = &cluster->node[number];
        bool waits = !node->pipeline && !cluster->closing && cluster->step >= node->away_until;
        if (waits && node->restart_ns <= cluster->now_ns && !cluster->model.violation[0])
            cluster_node_start(node);
    }
}

/* Nobody has anything to do: until something arrives, or for a moment. */
static void pass_idle(struct cluster *cluster)
{
    uint64_t next_ns = cluster_network_next_ns(&cluster->network);
    uint64_t ns = next_ns - cluster->now_ns < IDLE_NS ? next_ns - cluster->now_ns : IDLE_NS;
    pass(cluster, ns);
}

/* Turns. */

static uint32_t turn_of(struct cluster *cluster, uint32_t number, uint32_t agent)
{
    struct cluster_node *node = &cluster->node[number];
    return node->pipeline && agent < node->agents_count ? cluster_node_turn(node, agent) : 0;
}

static uint32_t turn_of_client(struct cluster *cluster, uint64_t *random)
{
    uint32_t reader = (uint32_t)sim_below(random, cluster->clients.count);
    uint64_t moved = cluster->network.moved;
    sim_client_read(&cluster->clients, reader, cluster->step,
                    sim_chance(random, 50) ? SIZE_MAX : sim_below(random, 400));
    return cluster->network.moved != moved;
}

/* Every agent and every client in turn, until one has something to do. */
static uint32_t ask_everybody(struct cluster *cluster, uint64_t *random)
{
    uint32_t did = 0;
    for (uint32_t agent = 0; agent < PIT_AGENTS_MAX && did == 0; agent++)
        for (uint32_t number = 1; number <= cluster->plan->nodes && did == 0; number++)
            did = turn_of(cluster, number, agent);
    for (uint32_t i = 0; i < cluster->clients.count && did == 0; i++) {
        uint64_t moved = cluster->network.moved;
        sim_client_read(&cluster->clients, i, cluster->step, SIZE_MAX);
        did = cluster->network.moved != moved;
    }
    (void)random;
    return did;
}

/* How often an agent of a node gets its turn: other stages are slow on other nodes, and none when all is well. */
static uint64_t weight(const struct cluster *cluster, uint32_t number, uint32_t agent)
{
    return cluster->calm ? 1 : cluster->plan->weights[(agent + number * 5) % PIT_AGENTS_MAX];
}

/* One of a node's agents, by their weights. */
static uint32_t turn_of_node(struct cluster *cluster, uint32_t number, uint64_t *random)
{
    const struct cluster_node *node = &cluster->node[number];
    uint64_t weights = 0;
    if (!node->pipeline)
        return 0;
    for (uint32_t i = 0; i < node->agents_count; i++)
        weights += weight(cluster, number, i);
    uint64_t dice = sim_below(random, weights);
    for (uint32_t i = 0; i < node->agents_count; i++) {
        if (dice < weight(cluster, number, i))
            return turn_of(cluster, number, i);
        dice -= weight(cluster, number, i);
    }
    return 0;
}

static uint32_t anybodys_turn(struct cluster *cluster, uint64_t *random)
{
    uint64_t weights = 2;
    for (uint32_t number = 1; number <= cluster->plan->nodes; number++)
        weights += cluster->plan->node_weights[number];
    uint64_t dice = sim_below(random, weights);
    for (uint32_t number = 1; number <= cluster->plan->nodes; number++) {
        if (dice < cluster->plan->node_weights[number])
            return turn_of_node(cluster, number, random);
        dice -= cluster->plan->node_weights[number];
    }
    return turn_of_client(cluster, random);
}

static void turn(struct cluster *cluster)
{
    uint64_t random = cluster_stream(cluster, CLUSTER_STREAM_TURN, cluster->step);
    cluster->trace.step = ++cluster->step;
    uint32_t turn_ns_max = cluster->plan->turn_ns_max;
    if (cluster->calm && turn_ns_max > CALM_TURN_NS_MAX)
        turn_ns_max = CALM_TURN_NS_MAX;
    pass(cluster, 200 + sim_below(&random, turn_ns_max));
    if (cluster->model.violation[0])
        return;
    cluster->idle = anybodys_turn(cluster, &random) ? 0 : cluster->idle + 1;
    if (cluster->idle < IDLE_TURNS)
        return;
    cluster->idle = 0;
    if (!ask_everybody(cluster, &random)) {
        pass_idle(cluster);
        cluster->idle = IDLE_TURNS - 2; /* it may go on like that */
    }
}

/* What the plan has for this step. */
static void follow_plan(struct cluster *cluster)
{
    const struct sim_plan *plan = cluster->plan;
    while (cluster->action_next < plan->actions_count && plan->actions[cluster->action_next].step <= cluster->step)
        cluster_client_act(cluster, &plan->actions[cluster->action_next++]);
    while (cluster->fault_next < plan->faults_count && plan->faults[cluster->fault_next].step <= cluster->step)
        cluster_fault_strike(cluster, &plan->faults[cluster->fault_next++]);
}

/* The end. */

/* Turns until check says NULL, with or without clients that ask. */
static void go_on_until(struct cluster *cluster, const char *(*check)(struct cluster *cluster), bool asking,
                        const char *what)
{
    uint64_t until_ns = cluster->now_ns + AGREE_NS, until_step = cluster->step + AGREE_STEPS_MAX;
    uint64_t random = cluster_stream(cluster, CLUSTER_STREAM_AFTER, cluster->step);
    uint64_t since_step = cluster->step, next_step = since_step;
    const char *waits_for = "";
    while (waits_for && !cluster->model.violation[0]) {
        if (cluster->now_ns > until_ns || cluster->step > until_step) {
            sim_violation(&cluster->model, "%s: %s", what, waits_for);
            return;
        }
        if (asking && cluster->step >= next_step) {
            next_step = cluster->step + ASKING_EVERY + (cluster->step - since_step) / ASKING_SLOWER;
            struct sim_action action = {.step = cluster->step,
                                        .seed = sim_random(&random),
                                        .client = (uint32_t)sim_below(&random, cluster->clients.count),
                                        .kind = SIM_ORDERS};
            cluster_client_act(cluster, &action);
        }
        turn(cluster);
        waits_for = check(cluster);
    }
}

/* Has everybody who asks something been answered since all went well? */
static const char *check_answered(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->clients.count; i++)
        if (cluster->model.account[i].entered <= cluster->entered[i])
            return "a client has no command in the log";
    return NULL;
}

/* Nothing is on its way any more. */
static const char *check_quiet(struct cluster *cluster)
{
    const char *apart = cluster_check_apart(cluster);
    if (apart)
        return apart;
    if (cluster->quiet_count != cluster->model.count || cluster->quiet_ns == 0)
        cluster->quiet_ns = cluster->now_ns + QUIET_NS;
    cluster->quiet_count = cluster->model.count;
    if (cluster->now_ns < cluster->quiet_ns)
        return "it is not quiet yet";
    return NULL;
}

static const char *check_stopped(struct cluster *cluster)
{
    for (uint32_t number = 1; number <= cluster->plan->nodes; number++)
        if (cluster->node[number].pipeline)
            return pit_pipeline_undrained(cluster->node[number].pipeline);
    return NULL;
}

static void hear_everybody(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->clients.count; i++) {
        struct sim_client *client = &cluster->clients.client[i];
        client->deaf_until = 0;
        sim_client_read(&cluster->clients, i, cluster->step, SIZE_MAX);
        if (client->live)
            sim_model_told_all(&cluster->model, client->account);
        uint32_t unanswered = sim_model_unanswered(&cluster->model, client->account, 0);
        if (client->live && client->resumes && unanswered)
            sim_violation(&cluster->model, "all is well, and request %u of account %u is not answered", unanswered,
                          client->account);
    }
}

/* All has healed: everybody runs, agrees, and goes on; then all stop. */
static void conclude(struct cluster *cluster)
{
    cluster_fault_end(cluster);
    go_on_until(cluster, cluster_check_apart, false, "all is well, and the nodes do not come to agree");
    for (uint32_t i = 0; i < cluster->clients.count; i++) {
        cluster->entered[i] = cluster->model.account[i].entered;
        cluster->clients.client[i].deaf_until = 0;
    }
    go_on_until(cluster, check_answered, true, "all is well, and orders are not taken");
    go_on_until(cluster, check_quiet, false, "all is well, and the nodes do not end up the same");
    if (cluster->model.violation[0])
        return;
    hear_everybody(cluster);
    for (uint32_t number = 1; number <= cluster->plan->nodes && !cluster->model.violation[0]; number++) {
        cluster_check_state(&cluster->node[number]);
        cluster_check_depth(&cluster->node[number]);
    }
    if (cluster->model.violation[0])
        return;
    cluster->closing = true;
    for (uint32_t number = 1; number <= cluster->plan->nodes; number++)
        cluster_node_drain(&cluster->node[number]);
    go_on_until(cluster, check_stopped, false, "a clean stop does not come to its end");
}

static void open_world(struct cluster *cluster, const struct sim_plan *plan, bool print)
{
    memset(cluster, 0, sizeof *cluster);
    cluster->plan = plan;
    cluster->trace.print = print;
    cluster->now_ns = MILLISECOND;
    cluster_network_open(&cluster->network, plan->nodes, &cluster->trace, &cluster->now_ns,
                         cluster_stream(cluster, CLUSTER_STREAM_NETWORK, 0));
    cluster->network.delay_ns = plan->delay_ns;
    cluster->network.window = plan->window;
    sim_model_open(&cluster->model, plan->clients);
    struct sim_link link = cluster_client_link(cluster);
    sim_clients_open(&cluster->clients, plan, &link, &cluster->model, &cluster->trace);
    for (uint32_t i = 0; i < plan->symbols; i++)
        sim_make_symbol(&cluster->symbols[i], i, plan);
    sim_make_accounts(cluster->accounts, plan);
    for (uint32_t number = 1; number <= plan->nodes; number++)
        cluster_node_open(cluster, number);
}

static void close_world(struct cluster *cluster)
{
    for (uint32_t number = 1; number <= cluster->plan->nodes; number++)
        cluster_node_close(&cluster->node[number]);
    sim_clients_close(&cluster->clients);
    sim_model_close(&cluster->model);
    cluster_network_close(&cluster->network);
}

static void tell(struct cluster *cluster, struct sim_result *result)
{
    memset(result, 0, sizeof *result);
    memcpy(result->violation, cluster->model.violation, sizeof result->violation);
    cluster->figures.steps = result->steps = cluster->step;
    cluster->figures.commands = cluster->model.count;
    cluster->figures.acknowledged = cluster->model.told;
    cluster->figures.repeats = cluster->model.repeated;
    for (uint32_t number = 1; number <= cluster->plan->nodes; number++)
        cluster->figures.faults += cluster->node[number].disk.triggered;
    result->figures = cluster->figures;
    result->hash = sim_mix(cluster->trace.hash, cluster->model.count);
}

void cluster_run(const struct sim_plan *plan, bool print, struct sim_result *result)
{
    struct cluster *cluster = malloc(sizeof *cluster);
    PIT_CHECK(cluster);
    open_world(cluster, plan, print);
    while (cluster->step < plan->steps && !cluster->model.violation[0]) {
        follow_plan(cluster);
        turn(cluster);
    }
    if (!cluster->model.violation[0])
        conclude(cluster);
    tell(cluster, result);
    close_world(cluster);
    free(cluster);
}
