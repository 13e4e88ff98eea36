/* stages/pipeline_cluster.c - what makes a pipeline a node of a cluster: its log in place of a journal, the replicator
 * in place of the journaler, the intake ring before it. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "stages/pipeline_parts.h"

#define WAIT_NS 20000
#define KEEP_BYTES                                                                                                     \
    (UINT64_C(2) << 20) /* of committed entries that the engine begins with: for nodes a little behind                 \
                         */

bool pit_pipeline_clustered(const struct pit_pipeline *pipeline)
{
    return pipeline->config.cluster.node != 0;
}

int pit_pipeline_check_cluster(const struct pit_pipeline_config *config, struct pit_error *error)
{
    const struct pit_cluster_config *cluster = &config->cluster;
    if (cluster->node == 0)
        return 0;
    if (cluster->nodes != 3 && cluster->nodes != 5)
        return pit_error_set(error, -EINVAL, "cluster: a cluster has 3 or 5 nodes, not %u", cluster->nodes);
    if (cluster->node > cluster->nodes)
        return pit_error_set(error, -EINVAL, "cluster: node %u is none of 1 to %u", cluster->node, cluster->nodes);
    if (!cluster->key)
        return pit_error_set(error, -EINVAL, "cluster: there is no key");
    for (uint32_t node = 1; node <= cluster->nodes; node++) {
        const struct pit_cluster_node *one = &cluster->of[node];
        if (!one->address)
            return pit_error_set(error, -EINVAL, "cluster: node %u has no address", node);
        if (one->clients && strlen(one->clients) >= PIT_WIRE_TEXT_BYTES)
            return pit_error_set(error, -EINVAL,
                                 "cluster: the address for clients of node %u is longer than %u characters", node,
                                 PIT_WIRE_TEXT_BYTES - 1);
    }
    if (cluster->begin && cluster->rejoin)
        return pit_error_set(error, -EINVAL,
                             "cluster: a new cluster has no node that has lost its disk: begin and "
                             "rejoin exclude each other");
    return 0;
}

/* What the first record says: of a cluster's log or not. False: there is no record. */
static bool first_record(const struct pit_pipeline *pipeline, bool *of_log)
{
    struct pit_journal_reader *reader;
    struct pit_journal_record record;
    struct pit_error unread;
    if (pit_journal_reader_open_log(&reader, pipeline->disk, pipeline->config.directory, PIT_JOURNAL_FROM_THERE,
                                    &unread) != 0)
        return false; /* none, or one whose reading tells what is wrong with it */
    bool any = pit_journal_reader_next(reader, &record, &unread) == 1;
    *of_log = any && pit_journal_record_of_log(record.kind);
    pit_journal_reader_close(reader);
    return any;
}

int pit_pipeline_check_directory(const struct pit_pipeline *pipeline, struct pit_error *error)
{
    bool of_log = false;
    if (!first_record(pipeline, &of_log) || of_log == pit_pipeline_clustered(pipeline))
        return 0;
    if (of_log)
        return pit_error_set(error, -EINVAL,
                             "the journal in %s is the log of a cluster's node: configure the cluster (cluster:), or "
                             "use another data directory",
                             pipeline->config.directory);
    return pit_error_set(error, -EINVAL,
                         "the journal in %s was written by a pipeline without a cluster: a node needs a directory of "
                         "its own, empty at first",
                         pipeline->config.directory);
}

/* The replicator waits for the disk. Where the disk's agent has no thread of its own (yet), it is run here. */
static void wait_for_disk(void *context)
{
    struct pit_pipeline *pipeline = context;
    if (pit_sequence_load(&pipeline->threads_run)) {
        nanosleep(&(struct timespec){.tv_nsec = WAIT_NS}, NULL);
        return;
    }
    struct pit_journal *journal = pit_log_journal(pipeline->log);
    pit_journal_disk_work(journal);
    pit_journal_prepare_work(journal);
}

/* A stop does not wait for a disk that is full. The vote that was to be kept is then not given. */
static bool has_to_leave(void *context)
{
    const struct pit_pipeline *pipeline = context;
    return pit_control_phase(&pipeline->control) == PIT_PHASE_STOP;
}

/* Entries for nodes that are behind come from the disk: reading them blocks. */
static uint32_t read_past(void *state)
{
    return pit_log_past_work(state);
}

int pit_pipeline_open_log(struct pit_pipeline *pipeline, struct pit_error *error)
{
    const uint64_t memory_bytes = pipeline->config.cluster.memory_bytes;
    struct pit_log_options options = {
        .directory = pipeline->config.directory,
        .segment_bytes = pipeline->config.segment_bytes,
        .sync = pipeline->config.sync,
        .reserve_bytes = pipeline->config.reserve_bytes,
        .cancels_bytes = pipeline->config.cancels_bytes,
        .disk_bell = pit_runner_bell(pipeline->runner, pipeline->disk_agent),
        .log_bell = pit_runner_bell(pipeline->runner, pipeline->journaler_agent),
        .past_bell = pit_runner_bell(pipeline->runner, pipeline->past_agent),
        .keep_bytes = memory_bytes ? memory_bytes / 4 : KEEP_BYTES,
        .locked = true,
        .wait = wait_for_disk,
        .leave = has_to_leave,
        .wait_context = pipeline,
    };
    pit_pipeline_allocate_near(pipeline, pipeline->journaler_agent);
    int code = pit_log_open(&pipeline->log, pipeline->disk, &options, error);
    if (code)
        return code;
    pipeline->journal = pit_log_journal(pipeline->log);
    pit_pipeline_say(pipeline, "log: writes with %s", pit_journal_method(pipeline->journal));
    const struct pit_agent past = {.name = "journal-past", .state = pipeline->log, .do_work = read_past, .wakes = true};
    pit_runner_place(pipeline->runner, pipeline->past_agent, &past);
    return 0;
}

/* An operator wants a snapshot, or to know of the newest. */
static int answer_snapshot(void *context, bool begin, uint64_t *newest, struct pit_error *error)
{
    struct pit_pipeline *pipeline = context;
    if (!pipeline->snapshots)
        return pit_error_set(error, -ENOTSUP, "this node writes no snapshots: its configuration has none (snapshots:)");
    if (begin)
        pit_snapshots_ask(pipeline->snapshots, pit_sequence_load(&pipeline->durable));
    *newest = pit_snapshots_figures(pipeline->snapshots).sequence;
    return 0;
}

int pit_pipeline_make_replicator(struct pit_pipeline *pipeline, struct pit_bell *const *bells, uint32_t bells_count,
                                 struct pit_error *error)
{
    struct pit_ring *digests[PIT_MATCHERS_MAX];
    for (uint32_t k = 0; k < pipeline->config.matchers; k++)
        digests[k] = pipeline->matchers[k].digests;
    struct pit_replicator_config config = {
        .cluster = &pipeline->config.cluster,
        .log = pipeline->log,
        .directory = pipeline->config.directory,
        .network = pipeline->config.network,
        .clock = pipeline->config.clock,
        .disk = pipeline->disk,
        .intake = pipeline->intake_ring,
        .intake_board = &pipeline->intake_board,
        .input = pipeline->input,
        .durable = &pipeline->durable,
        .room = &pipeline->intake,
        .board = &pipeline->node_board,
        .digests = digests,
        .matchers = pipeline->config.matchers,
        .control = &pipeline->control,
        .bell = pit_runner_bell(pipeline->runner, pipeline->journaler_agent),
        .transfer_hold = &pipeline->hold,
        .transfer_bell = pit_runner_bell(pipeline->runner, pipeline->transfer_agent),
        .bells = bells,
        .bells_count = bells_count,
        .symbols = pipeline->definitions,
        .symbols_count = pipeline->definitions_count,
        .startup = pipeline->startup,
        .startup_count = pipeline->startup_count,
        .name = pipeline->config.name,
        .snapshot = answer_snapshot,
        .snapshot_context = pipeline,
        .sequence = pipeline->end.sequence,
        .time_ns = pipeline->last_time_ns,
    };
    int code = pit_replicator_create(&pipeline->replicator, &config, error);
    if (code == 0)
        code = pit_pipeline_rejoined(pipeline, error);
    if (code)
        return code;
    struct pit_agent agent = pit_replicator_agent(pipeline->replicator);
    struct pit_agent transfer = pit_transfer_disk_agent(pit_replicator_transfer(pipeline->replicator));
    pit_runner_place(pipeline->runner, pipeline->journaler_agent, &agent);
    pit_runner_place(pipeline->runner, pipeline->transfer_agent, &transfer);
    pit_pipeline_say(pipeline, "cluster: node %u of %u, on %s", pipeline->config.cluster.node,
                     pipeline->config.cluster.nodes,
                     pipeline->config.cluster.of[pipeline->config.cluster.node].address);
    return 0;
}

bool pit_pipeline_cluster(const struct pit_pipeline *pipeline, struct pit_cluster_figures *figures)
{
    *figures = (struct pit_cluster_figures){0};
    if (!pipeline->replicator)
        return false;
    pit_replicator_figures(pipeline->replicator, figures);
    return true;
}
