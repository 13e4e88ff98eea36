/* test/sim/cluster_plan.c - what a seed means for a cluster. See plan.h. */
#include <string.h>

#include "plan.h"
#include "random.h"

/* Often the one that leads, because that is where things can go wrong. */
static uint32_t victim(const struct sim_plan *plan, uint64_t *random)
{
    return sim_chance(random, 50) ? 0 : 1 + (uint32_t)sim_below(random, plan->nodes);
}

/* What takes away, or changes, what a node's disk held: in one run only one node meets with that. A node that lost its
 * log has to get it from the others, and a majority of them must have it. */
static bool is_damage(enum sim_fault_kind kind)
{
    return kind == SIM_FLIP || kind == SIM_READ_FLIP || kind == SIM_READ_ELSEWHERE || kind == SIM_DISK_GONE;
}

/* A fault that shows more when another follows. */
static void add_company(struct sim_plan *plan, uint64_t step, enum sim_fault_kind kind, uint32_t node, uint64_t *random)
{
    uint64_t soon = step + sim_below(random, 600);
    uint64_t seed = sim_random(random);
    bool coin = sim_chance(random, 50);
    switch (kind) {
    case SIM_KILL:
    case SIM_POWER:
        if (sim_chance(random, 30))
            sim_plan_add_fault(plan, soon, coin ? SIM_KILL_IN_DISK : SIM_POWER_IN_DISK, seed, node);
        break;
    case SIM_READ_EIO:
    case SIM_READ_FLIP:
    case SIM_READ_ELSEWHERE:
        sim_plan_add_fault(plan, soon, coin ? SIM_KILL : SIM_POWER, seed, node);
        break;
    case SIM_SYNC_EIO:
    case SIM_WRITE_EIO:
    case SIM_FULL:
    case SIM_CUT:
    case SIM_PAUSE:
        if (sim_chance(random, 40))
            sim_plan_add_fault(plan, soon, coin ? SIM_KILL : SIM_POWER, seed, victim(plan, random));
        break;
    default:
        break;
    }
}

static bool is_of_clusters(enum sim_fault_kind kind)
{
    return kind != SIM_WRITE_LOST && kind != SIM_WRITE_ELSEWHERE;
}

/* A node that is away while the log goes on, and perhaps another that needs all of it when its beginning is gone. */
static void add_absence(struct sim_plan *plan, uint32_t unlucky, uint64_t *random)
{
    uint64_t step = sim_below(random, plan->steps / 2);
    uint32_t node = victim(plan, random);
    sim_plan_add_fault(plan, step, SIM_AWAY, sim_random(random), node);
    if (!sim_chance(random, 70))
        return;
    step = plan->steps / 2 + sim_below(random, plan->steps / 2);
    enum sim_fault_kind kind = sim_chance(random, 50) ? SIM_DISK_GONE : SIM_FLIP;
    sim_plan_add_fault(plan, step, kind, sim_random(random), unlucky);
}

/* Each seed has its own choice of faults: what is always there together hides what happens alone. */
static void make_faults(struct sim_plan *plan, uint64_t *random)
{
    enum sim_fault_kind kinds[SIM_FAULT_KINDS];
    uint32_t kinds_count = 0;
    for (uint32_t kind = 0; kind < SIM_FAULT_KINDS; kind++)
        if (is_of_clusters((enum sim_fault_kind)kind) && sim_chance(random, 40))
            kinds[kinds_count++] = (enum sim_fault_kind)kind;
    if (kinds_count == 0)
        kinds[kinds_count++] = SIM_KILL;
    uint32_t unlucky = 1 + (uint32_t)sim_below(random, plan->nodes);
    uint64_t wanted = 1 + sim_below(random, 12);
    for (uint64_t i = 0; i < wanted; i++) {
        enum sim_fault_kind kind = kinds[sim_below(random, kinds_count)];
        uint64_t step = sim_below(random, plan->steps);
        uint32_t node = is_damage(kind) ? unlucky : victim(plan, random);
        sim_plan_add_fault(plan, step, kind, sim_random(random), node);
        add_company(plan, step, kind, node, random);
    }
    if (plan->retires)
        add_absence(plan, unlucky, random);
    sim_plan_sort(plan);
}

/* A hundred blocks have to be written, by a leader that stays one for a while. */
static void fill_segments(struct sim_plan *plan, uint64_t steps, uint64_t *random)
{
    plan->steps = steps ? steps : 50000;
    plan->clients = SIM_CLIENTS_MAX;
    plan->burst_max = (uint32_t)SIM_ONE_OF(random, 1, 3, 10);
    plan->turn_ns_max = (uint32_t)SIM_ONE_OF(random, 5000, 10000, 20000);
    plan->delay_ns = (uint32_t)SIM_ONE_OF(random, 5000, 5000, 50000);
    plan->haste = (uint32_t)SIM_ONE_OF(random, 0, 0, 20);
    for (size_t i = 0; i < sizeof plan->weights / sizeof plan->weights[0]; i++)
        plan->weights[i] = (uint32_t)SIM_ONE_OF(random, 4, 16, 16, 16);
}

void cluster_plan_make(struct sim_plan *plan, uint64_t seed, uint32_t nodes, uint64_t steps)
{
    uint64_t random = sim_mix(sim_mix(seed, 2), nodes);
    memset(plan, 0, sizeof *plan);
    plan->seed = seed;
    plan->nodes = nodes;
    plan->steps = steps ? steps : SIM_ONE_OF(&random, 15000, 30000, 40000);
    plan->clients = 1 + (uint32_t)sim_below(&random, SIM_CLIENTS_MAX);
    plan->symbols = 1 + (uint32_t)sim_below(&random, SIM_SYMBOLS_MAX);
    plan->burst_max = (uint32_t)SIM_ONE_OF(&random, 1, 3, 10, 40);
    plan->orders_max = (uint32_t)SIM_ONE_OF(&random, 4, 16, 64);
    plan->input_slots = (uint32_t)SIM_ONE_OF(&random, 64, 256, 1024);
    plan->output_slots = (uint32_t)SIM_ONE_OF(&random, 16, 64, 1024);
    plan->sync = sim_chance(&random, 60) ? PIT_JOURNAL_SYNC_AUTO : PIT_JOURNAL_SYNC_DATA;
    plan->direct_refused = sim_chance(&random, 10);
    plan->keyed = sim_chance(&random, 50);
    plan->retires = sim_chance(&random, 55);
    plan->segment_bytes = plan->retires ? PIT_JOURNAL_SEGMENT_BYTES_LEAST
                                        : SIM_ONE_OF(&random, PIT_JOURNAL_SEGMENT_BYTES_LEAST, UINT64_C(512) << 10,
                                                     PIT_JOURNAL_SEGMENT_BYTES_MIN);
    plan->chunk_bytes = (uint32_t)SIM_ONE_OF(&random, 0, 512, 4 << 10, 32 << 10);
    for (size_t i = 0; i < sizeof plan->weights / sizeof plan->weights[0]; i++)
        plan->weights[i] = (uint32_t)SIM_ONE_OF(&random, 1, 4, 16, 16);
    for (uint32_t node = 1; node <= nodes; node++)
        plan->node_weights[node] = (uint32_t)SIM_ONE_OF(&random, 1, 4, 4, 4);
    plan->turn_ns_max = (uint32_t)SIM_ONE_OF(&random, 5000, 30000, 100000, 300000);
    plan->election_ms = (uint32_t)SIM_ONE_OF(&random, 50, 100);
    plan->delay_ns = (uint32_t)SIM_ONE_OF(&random, 5000, 50000, 500000);
    plan->window = (uint32_t)SIM_ONE_OF(&random, 4 << 10, 64 << 10, 256 << 10);
    plan->haste = (uint32_t)SIM_ONE_OF(&random, 0, 20, 50, 90);
    plan->memory_bytes = (uint32_t)SIM_ONE_OF(&random, 0, 1 << 10, 4 << 10, 32 << 10);
    plan->resumes = sim_chance(&random, 60);
    if (plan->retires)
        fill_segments(plan, steps, &random);
    make_faults(plan, &random);
    sim_plan_actions(plan, plan->retires ? SIM_ONE_OF(&random, 10, 15) : SIM_ONE_OF(&random, 4, 10, 25, 60), &random);
}
