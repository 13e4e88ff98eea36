/* stages/pipeline_build.c - numbers the agents, plans their threads, and builds journal, rings and stages.
 *
 *   front ══ input ring ══▶ journaler, matchers ══ output rings ══▶ back, publisher
 *   front ══ sessions ══▶ back               matchers ══ digests ══▶ journaler
 *
 * On a node of a cluster:
 *
 *   front ══ intake ring ══▶ replicator ══ input ring ══▶ matchers     matchers ══ digests ══▶ replicator
 *
 * front and back are gateway and egress, or without sockets source and sink.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ring/check.h"
#include "stages/pipeline_parts.h"

static uint32_t add_agent(struct pit_topology_request *request, const char *name, bool blocks)
{
    struct pit_topology_agent *agent = &request->agents[request->agents_count];
    snprintf(agent->name, sizeof agent->name, "%s", name);
    agent->blocks = blocks;
    return request->agents_count++;
}

static bool snapshots_planned(const struct pit_pipeline_config *config)
{
    return config->snapshots.every || config->snapshots.seconds;
}

/* In the order of their turns on a shared thread: what came in goes as far as it can in one round. */
static void number_agents(struct pit_pipeline *pipeline)
{
    struct pit_topology_request *request = &pipeline->request;
    bool local = pipeline->config.ends != NULL;
    pipeline->front = add_agent(request, local ? "source" : "gateway", false);
    pipeline->journaler_agent =
        add_agent(request, pit_pipeline_clustered(pipeline) ? "replicator" : "journaler", false);
    for (uint32_t k = 0; k < pipeline->config.matchers; k++) {
        char name[PIT_AGENT_NAME_BYTES];
        snprintf(name, sizeof name, "matcher-%u", (uint8_t)k);
        pipeline->matchers[k].agent = add_agent(request, name, false);
    }
    pipeline->back = add_agent(request, local ? "sink" : "egress", false);
    pipeline->publisher_agent = UINT32_MAX;
    if (pipeline->config.market_data)
        pipeline->publisher_agent = add_agent(request, "publisher", false);
    pipeline->disk_agent = add_agent(request, "journal-disk", true);
    pipeline->preparer_agent = add_agent(request, "journal-next", true);
    if (pit_pipeline_clustered(pipeline)) {
        pipeline->past_agent = add_agent(request, "journal-past", true);
        pipeline->transfer_agent = add_agent(request, "transfer", true);
    }
    if (snapshots_planned(&pipeline->config)) {
        pipeline->snapshots_agent = add_agent(request, "snapshots", true);
        request->agents[pipeline->snapshots_agent].background = true;
    }
}

static int allowed_cpus(const struct pit_pipeline_config *config, cpu_set_t *cpus, struct pit_error *error)
{
    if (sched_getaffinity(0, sizeof *cpus, cpus) != 0)
        return pit_error_set(error, -errno, "cannot tell which CPUs may be used: %s", strerror(errno));
    if (CPU_COUNT(&config->cpus) > 0)
        CPU_AND(cpus, cpus, &config->cpus);
    return 0;
}

/* Numbers the agents and plans their threads. */
static int plan(struct pit_pipeline *pipeline, struct pit_error *error)
{
    const struct pit_pipeline_config *config = &pipeline->config;
    struct pit_topology_request *request = &pipeline->request;
    request->mode = config->threads;
    request->wait = config->wait;
    request->pin = config->pin;
    request->priority = config->priority;
    request->groups = config->groups;
    request->groups_count = config->groups_count;
    number_agents(pipeline);
    int code = allowed_cpus(config, &request->cpus, error);
    return code ? code : pit_topology_plan(&pipeline->topology, request, error);
}

int pit_pipeline_topology(const struct pit_pipeline_config *config, struct pit_topology *topology,
                          struct pit_error *error)
{
    struct pit_pipeline *pipeline = aligned_alloc(PIT_SEQUENCE_BYTES, sizeof *pipeline);
    if (!pipeline)
        return pit_error_set(error, -ENOMEM, "no memory for a plan");
    memset(pipeline, 0, sizeof *pipeline);
    pipeline->config = *config;
    int code = plan(pipeline, error);
    *topology = pipeline->topology;
    free(pipeline);
    return code;
}

int pit_pipeline_plan(struct pit_pipeline *pipeline, struct pit_error *error)
{
    const struct pit_pipeline_config *config = &pipeline->config;
    int code = plan(pipeline, error);
    if (code)
        return code;
    int lacking = CPU_COUNT(&config->cpus) > 0 ? CPU_COUNT(&config->cpus) - CPU_COUNT(&pipeline->request.cpus) : 0;
    if (lacking > 0)
        pit_pipeline_say(pipeline, "threads: %d of the %d configured CPUs may not be used by this process", lacking,
                         CPU_COUNT(&config->cpus));
    pit_pipeline_say(pipeline, "threads: %s", pit_threads_mode_name(pipeline->topology.mode));
    for (uint32_t i = 0; i < pipeline->topology.notes_count; i++)
        pit_pipeline_say(pipeline, "threads: %s", pipeline->topology.notes[i]);
    for (uint32_t t = 0; t < pipeline->topology.threads_count; t++) {
        char text[256];
        pit_topology_describe(&pipeline->topology, &pipeline->request, t, text, sizeof text);
        pit_pipeline_say(pipeline, "  %s", text);
    }
    return pit_runner_create(&pipeline->runner, &pipeline->topology, &pipeline->control, error);
}

static int open_journal(struct pit_pipeline *pipeline, struct pit_error *error)
{
    struct pit_journal_options options = {
        .directory = pipeline->config.directory,
        .segment_bytes = pipeline->config.segment_bytes,
        .sync = pipeline->config.sync,
        .reserve_bytes = pipeline->config.reserve_bytes,
        .cancels_bytes = pipeline->config.cancels_bytes,
        .disk_bell = pit_runner_bell(pipeline->runner, pipeline->disk_agent),
        .journaler_bell = pit_runner_bell(pipeline->runner, pipeline->journaler_agent),
    };
    pit_pipeline_allocate_near(pipeline, pipeline->journaler_agent);
    int code = pit_journal_open(&pipeline->journal, pipeline->disk, &options, &pipeline->end, error);
    if (code == 0)
        pit_pipeline_say(pipeline, "journal: writes with %s", pit_journal_method(pipeline->journal));
    return code;
}

static int make_rings(struct pit_pipeline *pipeline, struct pit_error *error)
{
    const struct pit_pipeline_config *config = &pipeline->config;
    bool clustered = pit_pipeline_clustered(pipeline);
    pipeline->input =
        pit_pipeline_ring(pipeline, clustered ? pipeline->journaler_agent : pipeline->front, config->input_slots,
                          sizeof(struct pit_command), pipeline->end.sequence + 1, error);
    if (!pipeline->input)
        return error->code;
    if (clustered)
        pipeline->intake_ring =
            pit_pipeline_ring(pipeline, pipeline->front, config->input_slots, sizeof(struct pit_command), 1, error);
    if (clustered && !pipeline->intake_ring)
        return error->code;
    if (!config->ends)
        pipeline->sessions = pit_pipeline_ring(pipeline, pipeline->front, config->session_slots,
                                               sizeof(struct pit_session_note), 1, error);
    if (!config->ends && !pipeline->sessions)
        return error->code;
    for (uint32_t k = 0; k < config->matchers; k++) {
        struct pit_pipeline_matcher *matcher = &pipeline->matchers[k];
        matcher->output =
            pit_pipeline_ring(pipeline, matcher->agent, config->output_slots, PIT_EVENT_LINE_BYTES, 1, error);
        if (!matcher->output)
            return error->code;
        matcher->digests =
            pit_pipeline_ring(pipeline, matcher->agent, PIT_DIGEST_SLOTS, sizeof(struct pit_digest_note), 1, error);
        if (!matcher->digests)
            return error->code;
    }
    return 0;
}

/* Or the replicator, in its place. */
static int make_journaler(struct pit_pipeline *pipeline, struct pit_error *error)
{
    struct pit_ring *digests[PIT_MATCHERS_MAX];
    struct pit_bell *bells[PIT_MATCHERS_MAX];
    uint32_t bells_count = 0;
    uint32_t thread = pit_topology_thread_of(&pipeline->topology, pipeline->journaler_agent);
    for (uint32_t k = 0; k < pipeline->config.matchers; k++) {
        uint32_t other = pit_topology_thread_of(&pipeline->topology, pipeline->matchers[k].agent);
        digests[k] = pipeline->matchers[k].digests;
        if (other != thread && pipeline->topology.threads[other].wait == PIT_WAIT_SLEEP)
            bells[bells_count++] = pit_runner_bell(pipeline->runner, pipeline->matchers[k].agent);
    }
    struct pit_journaler_config config = {
        .journal = pipeline->journal,
        .input = pipeline->input,
        .durable = &pipeline->durable,
        .intake = &pipeline->intake,
        .digests = digests,
        .matchers = pipeline->config.matchers,
        .control = &pipeline->control,
        .bells = bells,
        .bells_count = bells_count,
    };
    pit_pipeline_allocate_near(pipeline, pipeline->journaler_agent);
    int code = pit_pipeline_clustered(pipeline) ? pit_pipeline_make_replicator(pipeline, bells, bells_count, error)
                                                : pit_journaler_create(&pipeline->journaler, &config, error);
    if (code)
        return code;
    if (pipeline->journaler) {
        struct pit_agent agent = pit_journaler_agent(pipeline->journaler);
        pit_runner_place(pipeline->runner, pipeline->journaler_agent, &agent);
    }
    struct pit_agent disk = pit_journaler_disk_agent(pipeline->journal);
    struct pit_agent preparer = pit_journaler_preparer_agent(pipeline->journal);
    disk.wakes = pit_pipeline_clustered(pipeline);
    pit_runner_place(pipeline->runner, pipeline->disk_agent, &disk);
    pit_runner_place(pipeline->runner, pipeline->preparer_agent, &preparer);
    pit_runner_feeds(pipeline->runner, pipeline->front, pipeline->journaler_agent);
    return 0;
}

static int make_matcher(struct pit_pipeline *pipeline, uint32_t number, struct pit_error *error)
{
    struct pit_pipeline_matcher *matcher = &pipeline->matchers[number];
    if (!pit_ring_reader_add(pipeline->input, &matcher->input))
        return pit_error_set(error, -EINVAL, "matcher %u: the input ring has too many readers", number);
    uint32_t readers[2] = {pipeline->back, pipeline->publisher_agent};
    uint32_t readers_count = pipeline->publisher_agent == UINT32_MAX ? 1 : 2;
    struct pit_matcher_config config = {
        .name = pipeline->request.agents[matcher->agent].name,
        .number = number,
        .matchers = pipeline->config.matchers,
        .owners = pipeline->owners,
        .owners_count = pipeline->definitions_count,
        .market = matcher->market,
        .input = matcher->input,
        .output = matcher->output,
        .digests = matcher->digests,
        .relief = pit_runner_relief(pipeline->runner, matcher->agent, readers, readers_count),
        .control = &pipeline->control,
    };
    pit_barrier_init(&config.barrier);
    pit_barrier_add(&config.barrier, &pipeline->durable);
    pit_pipeline_allocate_near(pipeline, matcher->agent);
    int code = pit_matcher_create(&matcher->stage, &config, error);
    if (code)
        return code;
    struct pit_agent agent = pit_matcher_agent(matcher->stage);
    pit_runner_place(pipeline->runner, matcher->agent, &agent);
    for (uint32_t i = 0; i < readers_count; i++)
        pit_runner_feeds(pipeline->runner, matcher->agent, readers[i]);
    return 0;
}

static int make_local(struct pit_pipeline *pipeline, struct pit_error *error)
{
    struct pit_ring *outputs[PIT_MATCHERS_MAX];
    for (uint32_t k = 0; k < pipeline->config.matchers; k++)
        outputs[k] = pipeline->matchers[k].output;
    bool clustered = pit_pipeline_clustered(pipeline);
    struct pit_local_config config = {
        .ends = *pipeline->config.ends,
        .input = clustered ? pipeline->intake_ring : pipeline->input,
        .node = clustered ? &pipeline->node_board : NULL,
        .intake = &pipeline->intake_board,
        .outputs = outputs,
        .outputs_count = pipeline->config.matchers,
        .startup = pipeline->startup,
        .startup_count = clustered ? 0 : pipeline->startup_count,
        .time_ns_min = pipeline->last_time_ns,
        .clock = pipeline->config.clock,
        .control = &pipeline->control,
    };
    pit_pipeline_allocate_near(pipeline, pipeline->front);
    int code = pit_local_create(&pipeline->local, &config, error);
    if (code)
        return code;
    struct pit_agent source = pit_local_source_agent(pipeline->local);
    struct pit_agent sink = pit_local_sink_agent(pipeline->local);
    pit_runner_place(pipeline->runner, pipeline->front, &source);
    pit_runner_place(pipeline->runner, pipeline->back, &sink);
    return 0;
}

static int make_egress(struct pit_pipeline *pipeline, struct pit_error *error)
{
    struct pit_egress_source sources[PIT_MATCHERS_MAX];
    for (uint32_t k = 0; k < pipeline->config.matchers; k++)
        sources[k] = (struct pit_egress_source){.output = pipeline->matchers[k].output,
                                                .cursor = pipeline->matchers[k].input.cursor};
    struct pit_egress_config config = {
        .network = pipeline->config.network,
        .clock = pipeline->config.clock,
        .sessions = pipeline->sessions,
        .sources = sources,
        .sources_count = pipeline->config.matchers,
        .sessions_max = pipeline->config.limits.sessions_max,
        .outbox_bytes = pipeline->config.outbox_bytes,
        .close_ms = pipeline->config.close_ms,
        .node = pit_pipeline_clustered(pipeline) ? &pipeline->node_board : NULL,
        .results = pipeline->results,
    };
    pit_pipeline_allocate_near(pipeline, pipeline->back);
    int code = pit_egress_create(&pipeline->egress, &config, error);
    if (code)
        return code;
    struct pit_agent agent = pit_egress_agent(pipeline->egress);
    pit_runner_place(pipeline->runner, pipeline->back, &agent);
    return 0;
}

/* For challenges: whoever passes a disk in says what is random. */
static void disk_random(void *context, void *bytes, size_t count)
{
    const struct pit_disk *disk = context;
    PIT_CHECK(disk->random(disk->context, bytes, count) == 0); /* without randomness there is no challenge */
}

static int make_gateway(struct pit_pipeline *pipeline, struct pit_error *error)
{
    bool clustered = pit_pipeline_clustered(pipeline);
    struct pit_gateway_cluster cluster = {.node = &pipeline->node_board,
                                          .intake = &pipeline->intake_board,
                                          .covered = &pit_egress_counters(pipeline->egress)->covered};
    for (uint32_t node = 1; node <= pipeline->config.cluster.nodes; node++)
        cluster.clients[node] = pipeline->config.cluster.of[node].clients;
    struct pit_gateway_config config = {
        .network = pipeline->config.network,
        .clock = pipeline->config.clock,
        .control = &pipeline->control,
        .input = clustered ? pipeline->intake_ring : pipeline->input,
        .cluster = clustered ? &cluster : NULL,
        .sessions = pipeline->sessions,
        .board = pit_egress_board(pipeline->egress),
        .intake = &pipeline->intake,
        .name = pipeline->config.name,
        .addresses = pipeline->config.addresses,
        .addresses_count = pipeline->config.addresses_count,
        .accounts = pipeline->config.accounts,
        .accounts_count = pipeline->config.accounts_count,
        .symbols = pipeline->definitions,
        .symbols_count = pipeline->definitions_count,
        .startup = pipeline->startup,
        .startup_count = clustered ? 0 : pipeline->startup_count,
        .time_ns_min = pipeline->last_time_ns,
        .limits = pipeline->config.limits,
        .random = disk_random,
        .random_context = (void *)(uintptr_t)pipeline->disk,
    };
    pit_pipeline_allocate_near(pipeline, pipeline->front);
    int code = pit_gateway_create(&pipeline->gateway, &config, error);
    if (code)
        return code;
    struct pit_agent agent = pit_gateway_agent(pipeline->gateway);
    pit_runner_place(pipeline->runner, pipeline->front, &agent);
    pit_runner_feeds(pipeline->runner, pipeline->front, pipeline->back);
    return 0;
}

struct loading {
    struct pit_publisher *publisher;
    struct pit_error *error;
    uint32_t symbol;
    int code;
};

static bool load_order(void *context, const struct pit_resting_order *order)
{
    struct loading *loading = context;
    loading->code = pit_publisher_load_order(loading->publisher, loading->symbol, order, loading->error);
    return loading->code == 0;
}

/* Gives the publisher the recovered books. */
static int load_publisher(struct pit_pipeline *pipeline, struct pit_error *error)
{
    for (uint32_t symbol = 0; symbol < pipeline->recovered.symbols; symbol++) {
        const struct pit_book *book = pit_market_book(pipeline->matchers[pipeline->owners[symbol]].market, symbol);
        struct pit_publisher_past *past = &pipeline->past[symbol];
        past->state = pit_book_state(book);
        struct loading loading = {.publisher = pipeline->publisher, .error = error, .symbol = symbol};
        loading.code = pit_publisher_load_symbol(pipeline->publisher, symbol, pit_book_definition(book), past, error);
        if (loading.code == 0)
            pit_book_walk(book, PIT_SIDE_BUY, load_order, &loading);
        if (loading.code == 0)
            pit_book_walk(book, PIT_SIDE_SELL, load_order, &loading);
        if (loading.code)
            return loading.code;
    }
    return 0;
}

static int make_publisher(struct pit_pipeline *pipeline, struct pit_error *error)
{
    struct pit_ring *rings[PIT_MATCHERS_MAX];
    for (uint32_t k = 0; k < pipeline->config.matchers; k++)
        rings[k] = pipeline->matchers[k].output;
    int code =
        pit_pipeline_arena(pipeline, &pipeline->publisher_memory.arena, "depth", pipeline->publisher_agent, error);
    if (code)
        return code;
    struct pit_publisher_config config = {
        .name = pipeline->config.name,
        .readable_by = pipeline->config.readable_by,
        .event_slots = pipeline->config.event_slots,
        .symbols_max = pipeline->definitions_count,
        .clock = pipeline->config.clock,
        .rings = rings,
        .rings_count = pipeline->config.matchers,
        .memory = pit_pipeline_reserve(&pipeline->publisher_memory),
    };
    pit_pipeline_allocate_near(pipeline, pipeline->publisher_agent);
    code = pit_publisher_create(&pipeline->publisher, &config, error);
    if (code == 0)
        code = load_publisher(pipeline, error);
    if (code)
        return code;
    struct pit_agent agent = pit_publisher_agent(pipeline->publisher);
    pit_runner_place(pipeline->runner, pipeline->publisher_agent, &agent);
    return 0;
}

static int make_snapshots(struct pit_pipeline *pipeline, struct pit_error *error)
{
    struct pit_snapshots_config config = {
        .disk = pipeline->disk,
        .clock = pipeline->config.clock,
        .directory = pipeline->config.directory,
        .journal = pipeline->journal,
        .durable = &pipeline->durable,
        .control = &pipeline->control,
        .hold = &pipeline->hold,
        .direct = pit_journal_direct(pipeline->journal),
        .begun_with = pipeline->recovered.snapshot,
        .begun_with_ns = pipeline->recovered.snapshot_ns,
        .plan = pipeline->config.snapshots,
    };
    int code = pit_snapshots_create(&pipeline->snapshots, &config, error);
    if (code)
        return code;
    struct pit_agent agent = pit_snapshots_agent(pipeline->snapshots);
    pit_runner_place(pipeline->runner, pipeline->snapshots_agent, &agent);
    pit_pipeline_say(pipeline, "snapshots: a replica writes them; its books take as much memory as the matchers' do");
    return 0;
}

int pit_pipeline_build(struct pit_pipeline *pipeline, struct pit_error *error)
{
    int code = pit_pipeline_clustered(pipeline) ? 0 : open_journal(pipeline, error);
    if (code == 0)
        code = make_rings(pipeline, error);
    if (code == 0)
        code = make_journaler(pipeline, error);
    for (uint32_t k = 0; k < pipeline->config.matchers && code == 0; k++)
        code = make_matcher(pipeline, k, error);
    if (code == 0)
        code = pipeline->config.ends ? make_local(pipeline, error) : make_egress(pipeline, error);
    if (code == 0 && !pipeline->config.ends)
        code = make_gateway(pipeline, error);
    if (code == 0 && pipeline->config.market_data)
        code = make_publisher(pipeline, error);
    if (code == 0)
        code = pit_pipeline_set_aside(pipeline, error);
    if (code == 0 && snapshots_planned(&pipeline->config))
        code = make_snapshots(pipeline, error);
    pit_pipeline_allocate_near(pipeline, UINT32_MAX);
    if (code == 0)
        pit_pipeline_describe_memory(pipeline);
    return code;
}
