/* test/sim/run.c - the run: starts, turns, faults, stops. See sim.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "ring/check.h"
#include "sim.h"
#include "stages/pipeline_parts.h"

#define UTC_NS UINT64_C(1700000000000000000)
#define TURN_NS_MAX 10000u
#define WAITING 100u /* times as fast passes time while the disk is full */
#define START_TRIES 50u
#define DRAIN_STEPS_MAX 400000u
/* Streams of random numbers: one for each turn, each start and so on; see stream. */
enum stream { STREAM_DISK = 2, STREAM_NETWORK, STREAM_TURN, STREAM_START, STREAM_TRIES, STREAM_FAILURE };

enum stop { GOES_ON = 0, STOP_KILL, STOP_POWER, STOP_CLEAN };

/* The state of a stream: its number, and which turn, start ... it is. */
static uint64_t stream(const struct sim *sim, enum stream which, uint64_t number)
{
    return sim_mix(sim_mix(sim->plan->seed, which), number);
}

static uint64_t utc_ns(void *context)
{
    return ((const struct sim *)context)->utc_ns;
}

static uint64_t monotonic_ns(void *context)
{
    return ((const struct sim *)context)->monotonic_ns;
}

static void say(void *context, const char *line)
{
    const struct sim *sim = context;
    if (strncmp(line, "journal:", 8) == 0 && !strstr(line, " s: ")) /* how long it took is not of this world */
        sim_trace_say(&sim->trace, "%s", line);
}

/* Starting. */

void sim_make_symbol(struct pit_pipeline_symbol *symbol, uint32_t number, const struct sim_plan *plan)
{
    *symbol = (struct pit_pipeline_symbol){
        .definition = {.price_min = 1,
                       .price_max = 2000,
                       .quantity_max = 1000,
                       .orders_max = plan->orders_max,
                       .levels_max = plan->orders_max > 8 ? 8 : plan->orders_max,
                       .tick_mantissa = 1,
                       .lot_mantissa = 1,
                       .tick_decimals = 2},
        .matcher = PIT_MATCHER_ROUND_ROBIN,
    };
    snprintf(symbol->definition.name, sizeof symbol->definition.name, "SYM%u", number);
}

void sim_make_accounts(struct pit_gateway_account accounts[SIM_CLIENTS_MAX], const struct sim_plan *plan)
{
    for (uint32_t i = 0; i < plan->clients; i++) {
        accounts[i] = (struct pit_gateway_account){.account = i + 1, .operates = i == 0};
        if (plan->keyed) {
            accounts[i].key_bytes = SIM_KEY_BYTES;
            sim_client_key(i + 1, accounts[i].key);
        }
    }
}

enum pit_old_segments sim_old_segments(const struct sim_plan *plan, uint64_t *random)
{
    static const enum pit_old_segments old[] = {
        PIT_OLD_SEGMENTS_KEEP,   PIT_OLD_SEGMENTS_COMPRESS, PIT_OLD_SEGMENTS_REMOVE, PIT_OLD_SEGMENTS_REMOVE,
        PIT_OLD_SEGMENTS_REMOVE, PIT_OLD_SEGMENTS_REMOVE,   PIT_OLD_SEGMENTS_REMOVE, PIT_OLD_SEGMENTS_REMOVE};
    return plan->retires ? old[sim_below(random, sizeof old / sizeof *old)] : PIT_OLD_SEGMENTS_KEEP;
}

uint64_t sim_capacity(const struct sim_disk *disk, const struct sim_plan *plan, uint64_t *random)
{
    uint64_t capacity = sim_disk_used(disk) + sim_below(random, plan->segment_bytes * 2);
    uint64_t less = plan->segment_bytes + plan->segment_bytes / 4;
    return capacity > less ? capacity - less : 1;
}

/* The configuration may change from start to start: matchers, limits, a symbol more, another band. */
static struct pit_pipeline_config configure(struct sim *sim, const char *const *address)
{
    uint64_t random = stream(sim, STREAM_START, sim->figures.starts);
    if (sim->figures.starts > 0 && sim->symbols_count < SIM_SYMBOLS_ROOM && sim_chance(&random, 10)) {
        sim_make_symbol(&sim->symbols[sim->symbols_count], sim->symbols_count, sim->plan);
        sim->symbols_count++;
    }
    if (sim_chance(&random, 15))
        sim->symbols[0].definition.price_max = sim_chance(&random, 50) ? 1003 : 2000;
    for (uint32_t i = 0; i < sim->clients.count; i++)
        sim->clients.client[i].symbols = sim->symbols_count;
    struct pit_pipeline_config config = {
        .name = SIM_NAME,
        .directory = SIM_DIRECTORY,
        .symbols = sim->symbols,
        .symbols_count = sim->symbols_count,
        .addresses = address,
        .addresses_count = 1,
        .accounts = sim->accounts,
        .accounts_count = sim->plan->clients,
        .limits = {.sessions_max = 8, .receive_bytes = PIT_GATEWAY_RECEIVE_BYTES_MIN, .logon_ms = 20},
        .close_ms = 1,
        .market_data = true,
        .threads = PIT_THREADS_SHARED,
        .wait = PIT_WAIT_SPIN,
        .input_slots = sim->plan->input_slots,
        .output_slots = sim->plan->output_slots,
        .session_slots = 32,
        .event_slots = 4096,
        .prefault = PIT_PREFAULT_NONE,
        .segment_bytes = sim->plan->segment_bytes,
        .sync = sim->plan->sync,
        .disk = &sim->disk.table,
        .clock = &sim->clock,
        .network = &sim->network.table,
        .notes = {.say = say, .context = sim},
    };
    config.matchers = 1 + (uint32_t)sim_below(&random, 3);
    config.limits.turn_messages = 1 + (uint32_t)sim_below(&random, 40);
    config.limits.requests_max = sim_chance(&random, 20) ? 4 : 0;
    config.limits.rate_max = sim_chance(&random, 10) ? 20000 : 0;
    config.limits.heartbeat_ms = sim_chance(&random, 30) ? 20 : 0;
    config.limits.overload_ms = 1 + (uint32_t)sim_below(&random, 5);
    if (sim_chance(&random, 60)) {
        config.snapshots.every = 1 + sim_below(&random, 60);
        config.snapshots.keep = 1 + (uint32_t)sim_below(&random, 3);
        config.snapshots.old_segments = sim_old_segments(sim->plan, &random);
    }
    config.reserve_bytes = sim_chance(&random, 30) ? sim->plan->segment_bytes / 4 : 0;
    config.cancels_bytes = sim_chance(&random, 30) ? sim->plan->segment_bytes / 4 : 0;
    config.outbox_bytes = PIT_EGRESS_OUTBOX_BYTES_MIN << sim_below(&random, 4);
    return config;
}

/* A journal that is never synced survives its process, not the machine. */
static bool may_lose_power(const struct sim *sim)
{
    return sim->plan->sync != PIT_JOURNAL_SYNC_NEVER;
}

/* The disk is full no more. */
static void make_room(struct sim *sim)
{
    sim->disk.capacity = sim->full_until = 0;
}

/* The world after a start that failed: what was injected is taken away again. The pristine bytes are there for the next
 * try, which then has no excuse. */
static void after_refusal(struct sim *sim, uint64_t *random)
{
    sim->figures.refused++;
    make_room(sim);
    sim_disk_restart(&sim->disk, sim_chance(random, 30) && may_lose_power(sim));
    sim_disk_heal(&sim->disk);
}

/* One try to start. True: it runs, or the contract is broken. */
static bool try_start(struct sim *sim, uint64_t *random)
{
    static const char *const address = "unix:/sim.sock";
    struct pit_pipeline_config config = configure(sim, &address);
    struct pit_error error = {0};
    sim_network_restart(&sim->network);
    sim->figures.starts++;
    sim->mercy = sim_disk_mercy(&sim->disk);
    uint64_t triggered = sim->disk.triggered;
    bool excused = sim->disk.damage_count > 0 || sim->disk.lies_count > 0;
    int code = pit_pipeline_create(&sim->pipeline, &config, &error);
    sim_trace_note(&sim->trace, "start", (uint64_t)-code, sim->disk.stopped, sim->disk.damage_count);
    if (sim->disk.stopped) {
        if (code == 0)
            pit_pipeline_destroy(sim->pipeline);
        sim->pipeline = NULL;
        sim_disk_restart(&sim->disk, sim->disk.stopped == SIM_DISK_POWERLESS);
        sim->figures.crashes++;
        return false;
    }
    if (code < 0) {
        sim->pipeline = NULL;
        sim_trace_say(&sim->trace, "%s", error.text);
        if (!excused && sim->disk.triggered == triggered)
            sim_violation(&sim->model, "nothing was damaged, and yet it does not start: %.800s", error.text);
        after_refusal(sim, random);
        return sim->model.violation[0] != 0;
    }
    sim_check_start(sim);
    return true;
}

/* Starts, however often it takes. */
static void start(struct sim *sim)
{
    uint64_t random = stream(sim, STREAM_TRIES, sim->step);
    if (sim->flips) {
        sim_disk_flip(&sim->disk, sim->flips, sim->flips_seed);
        sim->flips = 0;
    }
    for (uint32_t i = 0; !try_start(sim, &random); i++) {
        if (i == START_TRIES)
            sim_disk_disarm(&sim->disk);
        if (i > START_TRIES) {
            sim_violation(&sim->model, "it does not start, however often it is tried");
            return;
        }
    }
    if (sim->model.violation[0])
        return;
    sim->agents_count = pit_pipeline_agents(sim->pipeline);
    memset(sim->stalled_until, 0, sizeof sim->stalled_until);
    for (uint32_t i = 0; i < sim->agents_count; i++) {
        const struct pit_agent *agent = pit_pipeline_agent(sim->pipeline, i);
        struct pit_error error;
        if (agent->init && agent->init(agent->state, &error) != 0)
            sim_violation(&sim->model, "agent %s does not begin: %s", agent->name, error.text);
    }
    sim_check_depth(sim);
}

/* Stopping. */

void sim_count_snapshots(struct sim_figures *figures, const struct pit_pipeline *pipeline)
{
    if (!pipeline->snapshots)
        return;
    struct pit_snapshots_figures snapshots = pit_snapshots_figures(pipeline->snapshots);
    figures->snapshots += snapshots.written;
    figures->old_segments += snapshots.segments;
}

/* What ends a run of the pipeline. */
static void destroy(struct sim *sim)
{
    sim_count_snapshots(&sim->figures, sim->pipeline);
    pit_pipeline_destroy(sim->pipeline);
    sim->pipeline = NULL;
}

static void crash(struct sim *sim, bool power)
{
    power = power && may_lose_power(sim);
    sim->disk.stopped = power ? SIM_DISK_POWERLESS : SIM_DISK_KILLED;
    sim->network.stopped = true;
    sim_trace_note(&sim->trace, power ? "power-cut" : "kill", 0, 0, 0);
    sim_check_seen(sim);
    sim_clients_cut_off(&sim->clients);
    destroy(sim);
    sim_disk_restart(&sim->disk, power);
    sim->figures.crashes++;
}

/* The journal has failed: the process ends by itself. Then perhaps the power goes too. */
static void give_up(struct sim *sim)
{
    uint64_t random = stream(sim, STREAM_FAILURE, sim->step);
    struct pit_error error = {0};
    pit_pipeline_failed(sim->pipeline, &error);
    sim_trace_note(&sim->trace, "failed", (uint64_t)-error.code, 0, 0);
    sim_trace_say(&sim->trace, "%s", error.text);
    sim_check_seen(sim);
    sim_clients_cut_off(&sim->clients);
    destroy(sim);
    make_room(sim);
    sim_disk_restart(&sim->disk, sim_chance(&random, 50) && may_lose_power(sim));
    sim->figures.crashes++;
}

/* Turns. */

static void look_at_input(struct sim *sim)
{
    const struct pit_ring *input = sim->pipeline->input;
    uint64_t published = pit_ring_published(input);
    while (sim->model.count < published && !sim->model.violation[0]) {
        const struct pit_command *command = pit_ring_slot(input, sim->model.count + 1);
        sim_trace_note(&sim->trace, "command", command->sequence, command->account, command->kind);
        sim_model_entered(&sim->model, command);
    }
}

static void turn_agent(struct sim *sim, uint32_t number)
{
    const struct pit_agent *agent = pit_pipeline_agent(sim->pipeline, number);
    if (sim->stalled_until[number] > sim->step)
        return;
    uint32_t did = agent->do_work(agent->state);
    if (did)
        sim_trace_note(&sim->trace, "turn", number, did, 0);
    if (number == sim->pipeline->front)
        look_at_input(sim);
}

/* How often an agent gets its turn. */
static uint32_t weight(const struct sim *sim, uint32_t number)
{
    const struct pit_pipeline *pipeline = sim->pipeline;
    bool fills = number == pipeline->front || number == pipeline->journaler_agent || number == pipeline->disk_agent;
    return sim->plan->rolls ? (fills ? 16 : 3) : sim->plan->weights[number];
}

/* One turn of one agent, or of one client that reads. */
static void turn(struct sim *sim)
{
    uint64_t random = stream(sim, STREAM_TURN, sim->step);
    uint64_t passed = 200 + sim_below(&random, TURN_NS_MAX);
    if (sim->full_until)
        passed *= WAITING; /* whoever waits for space looks again in a second */
    sim->trace.step = ++sim->step;
    sim->monotonic_ns += passed;
    sim->utc_ns += passed;
    if (sim->full_until && sim->step >= sim->full_until)
        make_room(sim);
    uint64_t weights = 8;
    for (uint32_t i = 0; i < sim->agents_count; i++)
        weights += weight(sim, i);
    uint64_t dice = sim_below(&random, weights);
    for (uint32_t i = 0; i < sim->agents_count; i++) {
        if (dice < weight(sim, i)) {
            turn_agent(sim, i);
            return;
        }
        dice -= weight(sim, i);
    }
    uint32_t reader = (uint32_t)sim_below(&random, sim->clients.count);
    sim_client_read(&sim->clients, reader, sim->step, sim_chance(&random, 50) ? SIZE_MAX : sim_below(&random, 400));
}

/* Faults. */

static void jump_clock(struct sim *sim, uint64_t random)
{
    uint64_t jump = UINT64_C(1000000) << sim_below(&random, 23); /* a millisecond to two hours */
    switch (sim_below(&random, 3)) {
    case 0:
        sim->utc_ns -= jump;
        break;
    case 1:
        sim->utc_ns += jump;
        break;
    default: /* the machine slept, or the process did */
        sim->utc_ns += jump;
        sim->monotonic_ns += jump;
    }
}

static void arm(struct sim *sim, enum sim_fault_kind kind, uint64_t random)
{
    struct sim_armed armed = {.fault = sim_fault_of_disk(kind), .rolls = sim->plan->rolls && sim_chance(&random, 60)};
    bool writes = kind == SIM_KILL_IN_DISK || kind == SIM_POWER_IN_DISK || kind == SIM_WRITE_EIO;
    armed.blocks = writes && !armed.rolls && sim_chance(&random, 60);
    armed.count = sim_below(&random, writes && !armed.rolls && !armed.blocks ? 50 : 6);
    armed.seed = random;
    if (armed.fault == SIM_DISK_POWER && !may_lose_power(sim))
        armed.fault = SIM_DISK_KILL;
    sim_disk_arm(&sim->disk, &armed);
}

static enum stop inject(struct sim *sim, const struct sim_fault *fault)
{
    uint32_t stalled;
    uint64_t random = fault->seed;
    sim_trace_note(&sim->trace, "fault", fault->kind, 0, 0);
    sim_trace_say(&sim->trace, "fault: %s", sim_fault_name(fault->kind));
    switch (fault->kind) {
    case SIM_KILL:
        return STOP_KILL;
    case SIM_POWER:
        return STOP_POWER;
    case SIM_FLIP:
        sim->flips = 1 + (uint32_t)sim_below(&random, 3);
        sim->flips_seed = random;
        return STOP_POWER;
    case SIM_STOP:
        return STOP_CLEAN;
    case SIM_CLOCK:
        jump_clock(sim, random);
        return GOES_ON;
    case SIM_FULL:
        sim->disk.capacity = sim_capacity(&sim->disk, sim->plan, &random);
        sim->full_until = sim->step + sim_below(&random, sim->plan->rolls ? 40000 : 6000);
        return GOES_ON;
    case SIM_SLOW:
        sim->stalled_until[sim->pipeline->disk_agent] = sim->step + sim_below(&random, 3000);
        return GOES_ON;
    case SIM_STALL:
        stalled = (uint32_t)sim_below(&random, sim->agents_count);
        sim->stalled_until[stalled] = sim->step + sim_below(&random, 3000);
        return GOES_ON;
    default:
        arm(sim, fault->kind, random);
        return GOES_ON;
    }
}

/* What the plan has for this step. */
static enum stop follow_plan(struct sim *sim)
{
    const struct sim_plan *plan = sim->plan;
    while (sim->action_next < plan->actions_count && plan->actions[sim->action_next].step <= sim->step)
        sim_client_act(&sim->clients, &plan->actions[sim->action_next++]);
    while (sim->fault_next < plan->faults_count && plan->faults[sim->fault_next].step <= sim->step) {
        enum stop stop = inject(sim, &plan->faults[sim->fault_next++]);
        if (stop != GOES_ON)
            return stop;
    }
    return GOES_ON;
}

/* True when the run of the pipeline has ended otherwise than cleanly. */
static bool ended(struct sim *sim)
{
    if (sim->disk.stopped)
        crash(sim, sim->disk.stopped == SIM_DISK_POWERLESS);
    else if (pit_pipeline_failed(sim->pipeline, NULL) && sim->step % 16 == 0)
        give_up(sim);
    return sim->pipeline == NULL;
}

static void stop_cleanly(struct sim *sim)
{
    const char *waits_for = "";
    sim_trace_note(&sim->trace, "drain", 0, 0, 0);
    pit_pipeline_drain(sim->pipeline);
    for (uint32_t i = 0; waits_for && !sim->model.violation[0]; i++) {
        if (i == DRAIN_STEPS_MAX) {
            sim_violation(&sim->model, "a clean stop does not come to its end: %s", waits_for);
            return;
        }
        turn(sim);
        if (ended(sim))
            return;
        waits_for = pit_pipeline_undrained(sim->pipeline);
    }
    if (sim->model.violation[0])
        return;
    for (uint32_t i = 0; i < sim->agents_count; i++) {
        const struct pit_agent *agent = pit_pipeline_agent(sim->pipeline, i);
        if (agent->close && i != sim->pipeline->publisher_agent)
            agent->close(agent->state);
    }
    const struct pit_agent *publisher = pit_pipeline_agent(sim->pipeline, sim->pipeline->publisher_agent);
    while (publisher->do_work(publisher->state)) /* its images may come later than its events */
        sim->monotonic_ns += TURN_NS_MAX;
    sim_clients_cut_off(&sim->clients);
    sim_check_stop(sim);
    publisher->close(publisher->state);
    destroy(sim);
    sim_disk_restart(&sim->disk, false);
    sim->figures.clean_stops++;
}

static void run_pipeline(struct sim *sim)
{
    while (sim->step < sim->plan->steps && !sim->model.violation[0]) {
        enum stop stop = follow_plan(sim);
        if (stop == STOP_CLEAN)
            stop_cleanly(sim);
        else if (stop != GOES_ON)
            crash(sim, stop == STOP_POWER);
        if (!sim->pipeline)
            return;
        turn(sim);
        if (ended(sim))
            return;
    }
}

static void open_world(struct sim *sim, const struct sim_plan *plan, bool print)
{
    memset(sim, 0, sizeof *sim);
    sim->plan = plan;
    sim->trace.print = print;
    sim->utc_ns = UTC_NS;
    sim->monotonic_ns = UINT64_C(1000000000);
    sim->clock = (struct pit_clock){.context = sim, .utc_ns = utc_ns, .monotonic_ns = monotonic_ns};
    sim_disk_open(&sim->disk, &sim->trace, &sim->monotonic_ns, &sim->utc_ns, stream(sim, STREAM_DISK, 0));
    sim->disk.direct_refused = plan->direct_refused;
    sim_network_open(&sim->network, &sim->trace, stream(sim, STREAM_NETWORK, 0));
    sim_model_open(&sim->model, plan->clients);
    struct sim_link link = sim_network_link(&sim->network);
    sim_clients_open(&sim->clients, plan, &link, &sim->model, &sim->trace);
    sim->symbols_count = plan->symbols;
    for (uint32_t i = 0; i < plan->symbols; i++)
        sim_make_symbol(&sim->symbols[i], i, plan);
    sim_make_accounts(sim->accounts, plan);
}

static void close_world(struct sim *sim)
{
    sim->disk.stopped = SIM_DISK_KILLED;
    pit_pipeline_destroy(sim->pipeline);
    sim_clients_close(&sim->clients);
    sim_model_close(&sim->model);
    sim_network_close(&sim->network);
    sim_disk_close(&sim->disk);
}

/* However the plan ended: a clean stop, and one more start, in a world without faults. */
static void conclude(struct sim *sim)
{
    sim_disk_disarm(&sim->disk);
    make_room(sim);
    for (uint32_t tries = 0; tries < 3 && !sim->model.violation[0]; tries++) {
        if (!sim->pipeline)
            start(sim);
        if (!sim->model.violation[0] && tries < 2)
            stop_cleanly(sim);
    }
}

void sim_run(const struct sim_plan *plan, bool print, struct sim_result *result)
{
    struct sim *sim = malloc(sizeof *sim);
    PIT_CHECK(sim);
    open_world(sim, plan, print);
    while (sim->step < plan->steps && !sim->model.violation[0]) {
        if (!sim->pipeline)
            start(sim);
        if (!sim->model.violation[0])
            run_pipeline(sim);
    }
    conclude(sim);
    memset(result, 0, sizeof *result);
    memcpy(result->violation, sim->model.violation, sizeof result->violation);
    sim->figures.steps = result->steps = sim->step;
    sim->figures.commands = sim->model.count;
    sim->figures.acknowledged = sim->model.acknowledged;
    sim->figures.faults = sim->disk.triggered;
    result->figures = sim->figures;
    result->hash = sim_mix(sim->trace.hash, sim->model.count);
    close_world(sim);
    free(sim);
}
