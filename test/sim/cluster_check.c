/* test/sim/cluster_check.c - what must hold in a simulated cluster. See cluster.h.
 *
 *   order     every node puts the same commands into its input ring, in the same order, once (model.h: and what clients
 *             read is what the plain matcher makes of that order)
 *   state     nodes that have done the same commands have the same digest, and the books of the plain matcher
 *   leaders   one node at most leads in a term
 *   commits   what is committed is on the disks of a majority, and in the term of the leader that counted
 *   journal   what stands on a node's disk is that order, as far as the node knows it, and no more
 */
#include <inttypes.h>
#include <string.h>

#include "check.h"
#include "cluster.h"
#include "journal/log_anchors.h"
#include "journal/snapshot.h"
#include "market_files.h"
#include "stages/consensus_raft.h"
#include "stages/pipeline_parts.h"
#include "stages/replicator_parts.h"

#define IMAGES_NS 100000u

static struct sim_subject subject_of(const struct cluster_node *node)
{
    return (struct sim_subject){.model = &node->cluster->model,
                                .disk = &node->disk.table,
                                .pipeline = node->pipeline,
                                .files = sim_market_files(node->name),
                                .learns = true};
}

/* Order. */

/* The next command of a node, after *last: the first node that has it says what it is. */
static void take_command(struct cluster_node *node, const struct pit_command *command, uint64_t *last,
                         const char *where)
{
    struct sim_model *model = &node->cluster->model;
    uint64_t sequence = *last + 1;
    if (command->sequence != sequence) {
        sim_violation(model, "node %u: command %" PRIu64 " comes after %" PRIu64 " %s", node->number, command->sequence,
                      *last, where);
        return;
    }
    *last = sequence;
    if (sequence == model->count + 1) {
        sim_trace_note(&node->cluster->trace, "command", sequence, command->account, command->kind);
        sim_model_entered(model, command);
        if (!model->violation[0])
            sim_model_seen(model, sequence);
    } else if (memcmp(command, &model->command[sequence - 1].command, pit_command_bytes(command)) != 0) {
        const struct pit_command *first = &model->command[sequence - 1].command;
        sim_violation(model,
                      "node %u has another command %" PRIu64 " %s (account %u, request %u) than a node before it "
                      "(account %u, request %u)",
                      node->number, sequence, where, command->account, command->request, first->account,
                      first->request);
    }
}

/* Journal. */

void cluster_check_journal(struct cluster_node *node, uint64_t last)
{
    struct sim_subject subject = subject_of(node);
    node->disk.quiet = true;
    uint64_t segments = sim_compare_replay(&subject, last);
    if (segments > node->cluster->figures.segments)
        node->cluster->figures.segments = segments;
    node->disk.quiet = false;
}

/* Leaders and majorities. */

/* Whether an entry is on a node's disk; of a node that does not run, when it stopped. */
static bool has_entry(const struct cluster_node *node, uint64_t index, uint64_t term)
{
    if (index <= node->gone && node->gone_terms[index] == term)
        return true;
    if (!node->pipeline)
        return index <= node->stored && (node->terms[index] == term || node->terms[index] == 0);
    const struct pit_consensus *consensus = node->pipeline->replicator->consensus;
    uint64_t known = pit_raft_term_of(consensus, index);
    return index <= consensus->written && (known == term || known == 0); /* 0: committed long ago */
}

void cluster_check_remember(struct cluster_node *node)
{
    const struct pit_consensus *consensus = node->pipeline->replicator->consensus;
    node->stored = consensus->written;
    if (node->stored >= CLUSTER_ENTRIES_MAX)
        node->stored = CLUSTER_ENTRIES_MAX - 1;
    for (uint64_t index = 1; index <= node->stored; index++)
        node->terms[index] = pit_raft_term_of(consensus, index);
    node->kept_term = consensus->raft.current_term;
    node->kept_vote = consensus->raft.voted_for;
}

/* It has started: what was on its disk is there. */
static void look_at_disk(struct cluster_node *node)
{
    const struct pit_consensus *consensus = node->pipeline->replicator->consensus;
    uint64_t last = pit_consensus_state(consensus).last;
    for (uint64_t index = 1; index <= node->stored; index++) {
        uint64_t term = pit_raft_term_of(consensus, index);
        if (index > last || (term && node->terms[index] && term != node->terms[index])) {
            sim_violation(&node->cluster->model,
                          "node %u had entry %" PRIu64 " of term %" PRIu64 " on its disk, and has lost it",
                          node->number, index, node->terms[index]);
            return;
        }
    }
}

static int compare_entry(void *argument, const struct pit_log_entry *entry)
{
    struct cluster_node *node = argument;
    const struct sim_model *model = &node->cluster->model;
    const struct pit_journal_record record = {
        .kind = PIT_JOURNAL_COMMANDS, .payload = entry->payload, .bytes = entry->bytes};
    const struct pit_command *command;
    uint32_t at = 0;
    while (entry->kind == PIT_LOG_COMMANDS && (command = pit_journal_record_command(&record, &at)))
        if (command->sequence == 0 || command->sequence > model->count ||
            memcmp(command, &model->command[command->sequence - 1].command, pit_command_bytes(command)) != 0)
            sim_violation(&node->cluster->model,
                          "node %u begins with entry %" PRIu64 ", whose command %" PRIu64
                          " is not the one that entered",
                          node->number, entry->index, command->sequence);
    return 0;
}

/* The entry that came with a snapshot: a replay passes over most of it. */
static void look_at_entries(struct cluster_node *node)
{
    struct pit_log_extent extent;
    struct pit_error error = {0};
    if (pit_log_read_committed(&node->disk.table, SIM_DIRECTORY, compare_entry, node, &extent, &error) != 0)
        sim_violation(&node->cluster->model, "node %u: its new log is not to be read: %.800s", node->number,
                      error.text);
}

/* Its log begins with another node's snapshot, whose last command is in this entry. Where the entry was there, others
 * may have counted on what came after it. */
static void look_at_install(struct cluster_node *node, uint64_t index)
{
    struct cluster *cluster = node->cluster;
    bool known = index < CLUSTER_ENTRIES_MAX && index <= node->stored;
    cluster->figures.installs++;
    cluster->figures.repairs += node->mends;
    node->mends = false;
    sim_trace_note(&cluster->trace, "installed", node->number, index, node->stored);
    if (index > cluster->committed)
        sim_violation(&cluster->model, "node %u begins with entry %" PRIu64 "; what is committed ends at %" PRIu64,
                      node->number, index, cluster->committed);
    else if (known && !node->doubted &&
             (node->terms[index] == 0 || node->terms[index] == cluster->committed_terms[index]))
        sim_violation(&cluster->model,
                      "node %u begins with another node's snapshot at entry %" PRIu64 ", which was in its own log",
                      node->number, index);
    look_at_entries(node);
}

/* It has another log than at its last start: it was put aside, or a snapshot has taken its place. */
static void look_at_new_log(struct cluster_node *node, const uint8_t journal_id[16])
{
    static const uint8_t none[16];
    struct cluster *cluster = node->cluster;
    struct pit_log_anchor anchor = {0};
    bool had = memcmp(node->journal_id, none, sizeof none) != 0;
    memcpy(node->journal_id, journal_id, sizeof node->journal_id);
    if (pit_log_anchor_read(&node->disk.table, SIM_DIRECTORY, 1, &anchor) != 1)
        sim_violation(&cluster->model, "node %u: its new log does not begin", node->number);
    if (anchor.index) {
        look_at_install(node, anchor.index + 1);
    } else if (had && !node->doubted) {
        sim_violation(&cluster->model, "nothing was damaged, and yet node %u has put its log aside", node->number);
    } else if (had) {
        node->mends = true;
        cluster->figures.damaged++;
        sim_trace_note(&cluster->trace, "set-aside", node->number, node->stored, 0);
    }
    if (node->doubted)
        cluster_node_lose_log(node); /* what it has acknowledged may still be counted */
    node->stored = 0;
}

static void look_at_log(struct cluster_node *node)
{
    uint8_t journal_id[16];
    struct pit_error error;
    if (pit_snapshot_journal_id(&node->disk.table, SIM_DIRECTORY, journal_id, &error) != 0)
        sim_violation(&node->cluster->model, "node %u: its log has no name: %.800s", node->number, error.text);
    else if (memcmp(journal_id, node->journal_id, sizeof journal_id) != 0)
        look_at_new_log(node, journal_id);
    look_at_disk(node);
}

/* Promises are kept: the term does not fall, and there are no two votes in one. */
static void look_at_vote(struct cluster_node *node)
{
    const struct raft *raft = &node->pipeline->replicator->consensus->raft;
    bool excused = node->doubted || node->mends || node->kept_term == 0;
    if (!excused && (raft->current_term < node->kept_term ||
                     (raft->current_term == node->kept_term && node->kept_vote && raft->voted_for != node->kept_vote)))
        sim_violation(&node->cluster->model,
                      "node %u had voted for node %" PRIu64 " in term %" PRIu64 "; now it is for node %" PRIu64
                      " in term %" PRIu64,
                      node->number, node->kept_vote, node->kept_term, (uint64_t)raft->voted_for,
                      (uint64_t)raft->current_term);
}

/* What is said to be committed is on the disks of a majority. */
static void look_at_majority(struct cluster_node *node, uint64_t index)
{
    struct cluster *cluster = node->cluster;
    uint64_t term = pit_raft_term_of(node->pipeline->replicator->consensus, index);
    uint32_t count = 0;
    if (index < CLUSTER_ENTRIES_MAX)
        cluster->committed_terms[index] = term;
    for (uint32_t number = 1; number <= cluster->plan->nodes && term && index < CLUSTER_ENTRIES_MAX; number++)
        count += has_entry(&cluster->node[number], index, term);
    if (term && index < CLUSTER_ENTRIES_MAX && count <= cluster->plan->nodes / 2)
        sim_violation(&cluster->model,
                      "node %u takes entry %" PRIu64 " of term %" PRIu64 " for committed, which is on %u disks of %u",
                      node->number, index, term, count, cluster->plan->nodes);
}

static void look_at_commits(struct cluster_node *node, const struct pit_cluster_figures *figures)
{
    struct cluster *cluster = node->cluster;
    if (figures->committed > cluster->committed) {
        while (cluster->committed < figures->committed)
            look_at_majority(node, ++cluster->committed);
    }
    if (figures->committed > node->committed && figures->role == PIT_CLUSTER_LEADER && node->term == figures->term) {
        uint64_t term = pit_raft_term_of(node->pipeline->replicator->consensus, figures->committed);
        if (term && term != figures->term)
            sim_violation(&cluster->model,
                          "node %u leads in term %" PRIu64 " and counts copies of entry %" PRIu64 " of term %" PRIu64,
                          node->number, figures->term, figures->committed, term);
    }
    node->committed = figures->committed;
}

static void look_who_leads(struct cluster_node *node)
{
    struct cluster *cluster = node->cluster;
    struct pit_cluster_figures figures;
    if (!pit_pipeline_cluster(node->pipeline, &figures))
        return;
    look_at_commits(node, &figures);
    if (figures.role != PIT_CLUSTER_LEADER || figures.term == node->term)
        return;
    node->term = figures.term;
    uint32_t *leader = &cluster->leader_of[figures.term % CLUSTER_TERMS_MAX];
    sim_trace_note(&cluster->trace, "leads", node->number, figures.term, figures.last);
    if (*leader && *leader != node->number)
        sim_violation(&cluster->model, "nodes %u and %u both lead in term %" PRIu64, *leader, node->number,
                      figures.term);
    *leader = node->number;
    cluster->figures.elections++;
    cluster_fault_elected(node);
}

void cluster_check_turn(struct cluster_node *node)
{
    const struct pit_ring *input = node->pipeline->input;
    uint64_t published = pit_ring_published(input);
    while (node->looked < published && !node->cluster->model.violation[0])
        take_command(node, pit_ring_slot(input, node->looked + 1), &node->looked, "in its input ring");
    look_who_leads(node);
}

/* State. */

/* Has it done everything in its input ring? */
static bool is_done(const struct cluster_node *node)
{
    const struct pit_pipeline *pipeline = node->pipeline;
    uint64_t published = pit_ring_published(pipeline->input);
    for (uint32_t k = 0; k < pipeline->config.matchers; k++)
        if (pit_sequence_load(pipeline->matchers[k].input.cursor) < published)
            return false;
    return true;
}

static void compare_digest(struct cluster_node *node, uint64_t sequence)
{
    struct cluster *cluster = node->cluster;
    struct pit_digest digest = pit_pipeline_digest(node->pipeline);
    struct cluster_digest *known = &cluster->digests[sequence % CLUSTER_DIGESTS_MAX];
    if (known->sequence == sequence && memcmp(&known->digest, &digest, sizeof digest) != 0)
        sim_violation(&cluster->model,
                      "node %u has the digest %" PRIx64 "/%" PRIx64 " after command %" PRIu64
                      ", where another had %" PRIx64 "/%" PRIx64,
                      node->number, digest.events, digest.state, sequence, known->digest.events, known->digest.state);
    *known = (struct cluster_digest){.sequence = sequence, .digest = digest};
}

void cluster_check_state(struct cluster_node *node)
{
    struct sim_model *model = &node->cluster->model;
    uint64_t sequence = pit_ring_published(node->pipeline->input);
    if (sequence == 0 || !is_done(node) || model->violation[0])
        return;
    compare_digest(node, sequence);
    struct sim_subject subject = subject_of(node);
    if (sequence != model->applied)
        return;
    sim_compare_books(&subject);
    if (sequence == model->count)
        sim_compare_results(&subject);
}

void cluster_check_depth(struct cluster_node *node)
{
    const struct pit_agent *publisher = pit_pipeline_agent(node->pipeline, node->pipeline->publisher_agent);
    while (publisher->do_work(publisher->state)) /* its images may come later than its events */
        node->monotonic_ns += IMAGES_NS;
    struct sim_subject subject = subject_of(node);
    if (!subject.files)
        sim_violation(&node->cluster->model, "node %u shows no market data", node->number);
    sim_compare_depth(&subject);
}

/* Agreement. */

static const char *lacks(const struct cluster_node *node)
{
    const struct pit_pipeline *pipeline = node->pipeline;
    if (!pipeline)
        return "a node does not run";
    if (pit_ring_published(pipeline->input) != node->cluster->model.count)
        return "a node lacks commands";
    if (!is_done(node))
        return "a node has commands to match";
    for (uint32_t k = 0; k < pipeline->config.matchers; k++)
        if (pit_ring_slowest(pipeline->matchers[k].output) != pit_ring_published(pipeline->matchers[k].output))
            return "a node has events to report or to publish";
    return NULL;
}

/* Asked after every step: what costs least to see comes first. */
const char *cluster_check_apart(struct cluster *cluster)
{
    for (uint32_t number = 1; number <= cluster->plan->nodes; number++) {
        const char *lacking = lacks(&cluster->node[number]);
        if (lacking)
            return lacking;
    }
    uint32_t leading = cluster_leading(cluster);
    struct pit_cluster_figures figures;
    if (leading == 0)
        return "nobody leads";
    pit_pipeline_cluster(cluster->node[leading].pipeline, &figures);
    if (!figures.ready)
        return "the node that leads takes no commands";
    if (figures.committed != figures.last)
        return "the node that leads has entries that are not committed";
    return NULL;
}

/* The start. */

void cluster_check_start(struct cluster_node *node)
{
    struct cluster *cluster = node->cluster;
    const struct pit_pipeline_recovered *recovered = pit_pipeline_recovered(node->pipeline);
    sim_trace_note(&cluster->trace, "recovered", node->number, recovered->last_sequence, cluster->model.count);
    /* A start does not read all of the log, and damage in the rest stays. */
    sim_disk_heal(&node->disk);
    node->disk.quiet = true;
    look_at_log(node);
    look_at_vote(node);
    node->disk.quiet = false;
    cluster_check_journal(node, SIM_ALL_THERE_IS);
    node->looked = recovered->last_sequence;
    if (!cluster->model.violation[0])
        cluster_check_state(node);
}
