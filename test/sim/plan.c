/* test/sim/plan.c - see plan.h. */
#include "plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "ring/check.h"

static const char *const fault_names[SIM_FAULT_KINDS] = {
    [SIM_KILL] = "kill",
    [SIM_POWER] = "power-cut",
    [SIM_KILL_IN_DISK] = "kill-in-disk",
    [SIM_POWER_IN_DISK] = "power-cut-in-disk",
    [SIM_WRITE_EIO] = "write-error",
    [SIM_SYNC_EIO] = "sync-error",
    [SIM_READ_EIO] = "read-error",
    [SIM_READ_FLIP] = "read-flip",
    [SIM_READ_ELSEWHERE] = "read-elsewhere",
    [SIM_WRITE_LOST] = "write-lost",
    [SIM_WRITE_ELSEWHERE] = "write-elsewhere",
    [SIM_FLIP] = "power-cut-and-flip",
    [SIM_FULL] = "disk-full",
    [SIM_SLOW] = "disk-slow",
    [SIM_STALL] = "stage-stalls",
    [SIM_CLOCK] = "clock-jumps",
    [SIM_STOP] = "clean-stop",
    [SIM_CUT] = "cut-off",
    [SIM_DIVIDE] = "network-divided",
    [SIM_BREAK] = "connections-break",
    [SIM_LAG] = "network-slow",
    [SIM_PAUSE] = "node-pauses",
    [SIM_DRIFT] = "clock-drifts",
    [SIM_BLACKOUT] = "all-lose-power",
    [SIM_DISK_GONE] = "disk-gone",
    [SIM_HAND_OVER] = "hands-over",
    [SIM_AWAY] = "long-away",
};

static const char *const action_names[SIM_ACTION_KINDS] = {
    [SIM_CONNECT] = "connect", [SIM_ORDERS] = "orders", [SIM_VANISH] = "vanish",
    [SIM_LOGOUT] = "logout",   [SIM_DEAF] = "deaf",     [SIM_GARBAGE] = "garbage",
};

const char *sim_fault_name(enum sim_fault_kind kind)
{
    return fault_names[kind];
}

static int by_step(const void *a, const void *b)
{
    const struct sim_fault *left = a, *right = b;
    return left->step < right->step ? -1 : left->step > right->step;
}

void sim_plan_add_fault(struct sim_plan *plan, uint64_t step, enum sim_fault_kind kind, uint64_t seed, uint32_t node)
{
    if (plan->faults_count < SIM_FAULTS_MAX)
        plan->faults[plan->faults_count++] = (struct sim_fault){.step = step, .seed = seed, .kind = kind, .node = node};
}

void sim_plan_sort(struct sim_plan *plan)
{
    qsort(plan->faults, plan->faults_count, sizeof *plan->faults, by_step);
}

static void add_fault(struct sim_plan *plan, uint64_t step, enum sim_fault_kind kind, uint64_t seed)
{
    sim_plan_add_fault(plan, step, kind, seed, 0);
}

/* What shows only when two faults meet: a start that is itself cut short; a failed sync, a new start, and then the
 * power goes; bits that change while nobody looks. */
static void add_company(struct sim_plan *plan, uint64_t step, enum sim_fault_kind kind, uint64_t *random)
{
    uint64_t soon = step + sim_below(random, 300);
    uint64_t seed = sim_random(random);
    bool coin = sim_chance(random, 50);
    switch (kind) {
    case SIM_KILL:
    case SIM_POWER:
    case SIM_KILL_IN_DISK:
    case SIM_POWER_IN_DISK:
        if (sim_chance(random, 40))
            add_fault(plan, step, coin ? SIM_KILL_IN_DISK : SIM_POWER_IN_DISK, seed);
        break;
    case SIM_FULL:
        add_fault(plan, soon, coin ? SIM_STOP : SIM_KILL, seed);
        break;
    case SIM_SYNC_EIO:
    case SIM_WRITE_EIO:
        if (sim_chance(random, 60))
            add_fault(plan, soon, SIM_POWER, seed);
        break;
    case SIM_READ_EIO:
    case SIM_READ_FLIP:
    case SIM_READ_ELSEWHERE:
    case SIM_WRITE_LOST:
    case SIM_WRITE_ELSEWHERE:
        add_fault(plan, soon, coin ? SIM_KILL : SIM_POWER, seed);
        break;
    default:
        break;
    }
}

/* Each seed has its own choice of faults: what is always there together hides what happens alone. */
static void make_faults(struct sim_plan *plan, uint64_t *random)
{
    enum sim_fault_kind kinds[SIM_FAULT_KINDS_OF_ONE];
    uint32_t kinds_count = 0;
    for (uint32_t kind = 0; kind < SIM_FAULT_KINDS_OF_ONE; kind++)
        if (sim_chance(random, 40))
            kinds[kinds_count++] = (enum sim_fault_kind)kind;
    if (kinds_count == 0)
        kinds[kinds_count++] = SIM_POWER;
    uint64_t wanted = 1 + sim_below(random, 12);
    for (uint64_t i = 0; i < wanted; i++) {
        enum sim_fault_kind kind = kinds[sim_below(random, kinds_count)];
        uint64_t step = sim_below(random, plan->steps);
        add_fault(plan, step, kind, sim_random(random));
        add_company(plan, step, kind, random);
    }
    sim_plan_sort(plan);
}

void sim_plan_actions(struct sim_plan *plan, uint64_t between, uint64_t *random)
{
    uint64_t step = 0;
    for (uint32_t client = 0; client < plan->clients; client++)
        plan->actions[plan->actions_count++] =
            (struct sim_action){.step = step, .client = client, .kind = SIM_CONNECT, .seed = sim_random(random)};
    while (plan->actions_count < SIM_ACTIONS_MAX) {
        step += 1 + sim_below(random, between * 2);
        if (step >= plan->steps)
            break;
        uint64_t dice = sim_below(random, 1000);
        enum sim_action_kind kind = dice < 940   ? SIM_ORDERS
                                    : dice < 970 ? SIM_CONNECT
                                    : dice < 980 ? SIM_VANISH
                                    : dice < 986 ? SIM_LOGOUT
                                    : dice < 994 ? SIM_DEAF
                                                 : SIM_GARBAGE;
        uint32_t client = (uint32_t)sim_below(random, plan->clients);
        plan->actions[plan->actions_count++] =
            (struct sim_action){.step = step, .client = client, .kind = kind, .seed = sim_random(random)};
    }
}

void sim_plan_make(struct sim_plan *plan, uint64_t seed, uint32_t nodes, uint64_t steps)
{
    if (nodes) {
        cluster_plan_make(plan, seed, nodes, steps);
        return;
    }
    uint64_t random = sim_mix(seed, 1), apart = sim_mix(seed, 3);
    memset(plan, 0, sizeof *plan);
    plan->seed = seed;
    plan->steps = SIM_ONE_OF(&random, 1500, 3000, 6000, 12000, 30000);
    if (steps)
        plan->steps = steps;
    plan->clients = 1 + (uint32_t)sim_below(&random, SIM_CLIENTS_MAX);
    plan->symbols = 1 + (uint32_t)sim_below(&random, SIM_SYMBOLS_MAX);
    plan->burst_max = (uint32_t)SIM_ONE_OF(&random, 1, 3, 10, 40);
    plan->orders_max = (uint32_t)SIM_ONE_OF(&random, 4, 16, 64);
    plan->input_slots = (uint32_t)SIM_ONE_OF(&random, 16, 64, 1024);
    plan->output_slots = (uint32_t)SIM_ONE_OF(&random, 16, 64, 1024);
    plan->sync = sim_chance(&random, 60) ? PIT_JOURNAL_SYNC_AUTO : PIT_JOURNAL_SYNC_DATA;
    if (sim_chance(&random, 5))
        plan->sync = PIT_JOURNAL_SYNC_NEVER; /* power cuts are kills then: it holds for processes alone */
    plan->direct_refused = sim_chance(&random, 10);
    plan->keyed = sim_chance(&random, 50);
    plan->rolls = sim_chance(&random, 20);
    if (plan->rolls && !steps) {
        plan->steps = 30000;
        plan->burst_max = 1;
    }
    plan->retires = sim_chance(&apart, 30);
    plan->segment_bytes = plan->retires ? PIT_JOURNAL_SEGMENT_BYTES_LEAST : PIT_JOURNAL_SEGMENT_BYTES_MIN;
    for (size_t i = 0; i < sizeof plan->weights / sizeof plan->weights[0]; i++)
        plan->weights[i] = (uint32_t)SIM_ONE_OF(&random, 1, 4, 16, 16);
    make_faults(plan, &random);
    sim_plan_actions(plan, plan->rolls ? 3 : SIM_ONE_OF(&random, 4, 10, 25, 60), &random);
}

static void print_fault(const struct sim_plan *plan, const struct sim_fault *fault, FILE *to)
{
    fprintf(to, "  step %6" PRIu64 "  %s", fault->step, fault_names[fault->kind]);
    if (plan->nodes && fault->node)
        fprintf(to, ", node %u", fault->node);
    else if (plan->nodes)
        fprintf(to, ", whoever leads");
    fprintf(to, "\n");
}

void sim_plan_print(const struct sim_plan *plan, FILE *to)
{
    static const char *const ways[] = {[PIT_JOURNAL_SYNC_AUTO] = "O_DIRECT|O_DSYNC",
                                       [PIT_JOURNAL_SYNC_DATA] = "fdatasync",
                                       [PIT_JOURNAL_SYNC_NEVER] = "never synced"};
    fprintf(to, "seed %" PRIu64 ": %" PRIu64 " steps, %u clients, %u symbols of %u orders, bursts of %u, %s%s, %s\n",
            plan->seed, plan->steps, plan->clients, plan->symbols, plan->orders_max, plan->burst_max, ways[plan->sync],
            plan->direct_refused ? " (O_DIRECT is refused)" : "", plan->keyed ? "keys" : "no keys");
    if (plan->nodes)
        fprintf(to,
                "%u nodes, elections after %u ms, %u us a turn, packets take %u us, %u bytes fit into a way, segments "
                "of %" PRIu64 " bytes%s\n",
                plan->nodes, plan->election_ms, plan->turn_ns_max / 1000, plan->delay_ns / 1000, plan->window,
                plan->segment_bytes, plan->retires ? ", old ones are removed" : "");
    fprintf(to, "%u faults:\n", plan->faults_count);
    for (uint32_t i = 0; i < plan->faults_count; i++)
        print_fault(plan, &plan->faults[i], to);
    fprintf(to, "%u actions of clients%s\n", plan->actions_count, plan->actions_count > 40 ? ", the first 40:" : ":");
    for (uint32_t i = 0; i < plan->actions_count && i < 40; i++)
        fprintf(to, "  step %6" PRIu64 "  client %u  %s\n", plan->actions[i].step, plan->actions[i].client,
                action_names[plan->actions[i].kind]);
}

enum sim_disk_fault sim_fault_of_disk(enum sim_fault_kind kind)
{
    static const enum sim_disk_fault faults[SIM_FAULT_KINDS] = {
        [SIM_KILL_IN_DISK] = SIM_DISK_KILL,
        [SIM_POWER_IN_DISK] = SIM_DISK_POWER,
        [SIM_WRITE_EIO] = SIM_DISK_WRITE_EIO,
        [SIM_SYNC_EIO] = SIM_DISK_SYNC_EIO,
        [SIM_READ_EIO] = SIM_DISK_READ_EIO,
        [SIM_READ_FLIP] = SIM_DISK_READ_FLIP,
        [SIM_READ_ELSEWHERE] = SIM_DISK_READ_ELSEWHERE,
        [SIM_WRITE_LOST] = SIM_DISK_WRITE_LOST,
        [SIM_WRITE_ELSEWHERE] = SIM_DISK_WRITE_ELSEWHERE,
    };
    return faults[kind];
}
