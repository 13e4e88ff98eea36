/* stages/consensus_raft.c - C-Raft 0.15.0 behind stages/consensus.h: open, close, propose, receive, work. */
#include "stages/consensus_raft.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)PIT_CONSENSUS_COMMANDS == (int)RAFT_COMMAND && (int)PIT_CONSENSUS_BARRIER == (int)RAFT_BARRIER &&
                   (int)PIT_CONSENSUS_MEMBERS == (int)RAFT_CHANGE,
               "kinds of entries are the core's");
_Static_assert(PIT_CONSENSUS_FLIGHT_BYTES_MAX + PIT_CONSENSUS_ENTRY_BYTES_MAX + (64u << 10) <=
                   PIT_CONSENSUS_MESSAGE_BYTES_MAX,
               "what may be under way fits into a message");

/* In the log a node goes by its number; where it is reached is not the log's business. */
static const char *const node_names[PIT_CONSENSUS_NODES_MAX + 1] = {"", "1", "2", "3", "4", "5"};

int pit_raft_fail(struct pit_consensus *consensus, int code, const char *format, ...)
{
    if (consensus->failure.code)
        return RAFT_IOERR;
    va_list arguments;
    va_start(arguments, format);
    consensus->failure.code = code;
    vsnprintf(consensus->failure.text, sizeof consensus->failure.text, format, arguments);
    va_end(arguments);
    return RAFT_IOERR;
}

uint64_t pit_raft_term_of(const struct pit_consensus *consensus, uint64_t index)
{
    const struct raft_log *log = &consensus->raft.log;
    const struct raft_entry *entry = pit_raft_memory_entry(consensus, index);
    if (entry)
        return entry->term;
    return index > 0 && index == log->snapshot.last_index ? log->snapshot.last_term : 0;
}

struct raft_progress *pit_raft_progress(const struct pit_consensus *consensus, uint32_t node)
{
    const struct raft *raft = &consensus->raft;
    PIT_CHECK(node >= 1 && node <= consensus->options.nodes);
    if (raft->state != RAFT_LEADER || !raft->leader_state.progress)
        return NULL;
    PIT_CHECK(raft->configuration.n == consensus->options.nodes && raft->configuration.servers[node - 1].id == node);
    return &raft->leader_state.progress[node - 1];
}

static bool has_zero_line(const uint8_t *payload, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += 64) {
        uint64_t any = 0, word;
        for (size_t k = at; k < bytes && k < at + 64 && any == 0; k += sizeof word) {
            memcpy(&word, payload + k, sizeof word);
            any |= word;
        }
        if (any == 0)
            return true;
    }
    return false;
}

bool pit_raft_payload_fits(uint32_t kind, const void *payload, size_t bytes)
{
    if (bytes == 0 || bytes % 8 != 0 || bytes > PIT_CONSENSUS_ENTRY_BYTES_MAX)
        return false;
    return kind == PIT_CONSENSUS_BARRIER ? bytes == 8 && has_zero_line(payload, bytes) : !has_zero_line(payload, bytes);
}

const void *pit_raft_payload(const struct raft_entry *entry)
{
    static const uint64_t barrier;
    PIT_CHECK(entry->type != RAFT_BARRIER || entry->buf.len == sizeof barrier);
    return entry->type == RAFT_BARRIER ? &barrier : entry->buf.base;
}

/* raft_io: what is neither storage nor network. */

static int io_init(struct raft_io *io, raft_id id, const char *address)
{
    (void)io, (void)id, (void)address;
    return 0;
}

static void io_close(struct raft_io *io, raft_io_close_cb callback)
{
    pit_raft_storage_abandon(io->impl);
    pit_raft_network_settle(io->impl);
    callback(io);
}

static int io_start(struct raft_io *io, unsigned milliseconds, raft_io_tick_cb tick, raft_io_recv_cb receive)
{
    (void)milliseconds;
    struct pit_consensus *consensus = io->impl;
    consensus->tick = tick;
    consensus->receive = receive;
    return 0;
}

static int io_recover(struct raft_io *io, const struct raft_configuration *configuration)
{
    (void)io, (void)configuration;
    return RAFT_INVALID; /* the nodes of a cluster are what they are */
}

/* The core wants to send a snapshot: it goes back to probing, and consensus_raft_behind.c sends what is missing. */
static int io_snapshot_get(struct raft_io *io, struct raft_io_snapshot_get *request, raft_io_snapshot_get_cb callback)
{
    (void)io, (void)request, (void)callback;
    return RAFT_NOTFOUND;
}

static raft_time io_time(struct raft_io *io)
{
    const struct pit_consensus *consensus = io->impl;
    return consensus->options.clock.monotonic_ns(consensus->options.clock.context) / 1000000;
}

static int io_random(struct raft_io *io, int least, int below)
{
    const struct pit_consensus *consensus = io->impl;
    uint64_t range = (uint64_t)(below - least);
    return least + (int)(consensus->options.random(consensus->options.random_argument) % range);
}

static void fill_io(struct pit_consensus *consensus)
{
    consensus->io = (struct raft_io){
        .version = 2,
        .impl = consensus,
        .init = io_init,
        .close = io_close,
        .load = pit_raft_storage_load,
        .start = io_start,
        .bootstrap = pit_raft_storage_bootstrap,
        .recover = io_recover,
        .set_term = pit_raft_storage_set_term,
        .set_vote = pit_raft_storage_set_vote,
        .send = pit_raft_network_send,
        .append = pit_raft_storage_append,
        .truncate = pit_raft_storage_truncate,
        .snapshot_put = pit_raft_memory_put,
        .snapshot_get = io_snapshot_get,
        .time = io_time,
        .random = io_random,
    };
}

/* raft_fsm. */

static int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buffer, void **result)
{
    struct pit_consensus *consensus = fsm->data;
    const struct pit_consensus_machine *machine = &consensus->options.machine;
    uint64_t index = consensus->raft.last_applied + 1; /* the core counts on after this call */
    struct pit_consensus_entry entry = {
        .index = index,
        .term = pit_raft_term_of(consensus, index),
        .kind = PIT_CONSENSUS_COMMANDS,
        .bytes = (uint32_t)buffer->len,
        .payload = buffer->base,
    };
    machine->committed(machine->context, &entry);
    pit_raft_memory_committed(consensus, index);
    *result = NULL;
    return 0;
}

/* The base of the log: there is nothing in it. */
static int fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buffer)
{
    (void)fsm, (void)buffer;
    return 0;
}

/* Opening. */

static int check_options(const struct pit_consensus_options *options, struct pit_error *error)
{
    if (options->nodes != 3 && options->nodes != 5)
        return pit_error_set(error, -EINVAL, "a cluster has 3 or 5 nodes, not %u", options->nodes);
    if (options->node < 1 || options->node > options->nodes)
        return pit_error_set(error, -EINVAL, "node %u is none of 1 to %u", options->node, options->nodes);
    if (options->election_ms < 50 || options->election_ms > 60000)
        return pit_error_set(error, -EINVAL, "election_ms is %u; it must be 50 to 60000", options->election_ms);
    if (options->heartbeat_ms < 1 || options->heartbeat_ms > options->election_ms / 3)
        return pit_error_set(error, -EINVAL, "heartbeat_ms is %u; it must be 1 to %u, a third of election_ms",
                             options->heartbeat_ms, options->election_ms / 3);
    if (options->begin && options->rejoin)
        return pit_error_set(error, -EINVAL, "node %u cannot both begin a new cluster and rejoin one", options->node);
    if (options->flight_bytes < 4096 || options->flight_bytes > PIT_CONSENSUS_FLIGHT_BYTES_MAX)
        return pit_error_set(error, -EINVAL, "flight_bytes is %llu; it must be 4096 to %llu",
                             (unsigned long long)options->flight_bytes,
                             (unsigned long long)PIT_CONSENSUS_FLIGHT_BYTES_MAX);
    return 0;
}

int pit_raft_members(const struct pit_consensus *consensus, struct raft_configuration *configuration)
{
    raft_configuration_init(configuration);
    for (uint32_t node = 1; node <= consensus->options.nodes; node++) {
        if (raft_configuration_add(configuration, node, node_names[node], RAFT_VOTER) != 0)
            return -ENOMEM;
    }
    return 0;
}

/* The first entry, the same bytes on every node: the core's own encoding (a byte, a count, and for each node id, name
 * and role), filled up with zeros. */
static int encode_members(struct pit_consensus *consensus, struct raft_configuration *configuration)
{
    struct raft_buffer buffer = {0};
    size_t used = 9;
    if (pit_raft_members(consensus, configuration) != 0)
        return -ENOMEM;
    for (uint32_t node = 1; node <= consensus->options.nodes; node++)
        used += 8 + strlen(node_names[node]) + 1 + 1;
    if (raft_configuration_encode(configuration, &buffer) != 0)
        return -ENOMEM;
    PIT_CHECK(buffer.len <= sizeof consensus->members && buffer.len % 8 == 0 && used <= buffer.len);
    memcpy(consensus->members, buffer.base, used);
    consensus->members_bytes = (uint32_t)buffer.len;
    raft_free(buffer.base);
    return 0;
}

static int count_entry(void *argument, const struct pit_consensus_entry *entry)
{
    (void)entry;
    (*(uint64_t *)argument)++;
    return 0;
}

static int check_empty(const struct pit_consensus *consensus, uint64_t term, uint64_t vote, struct pit_error *error)
{
    if (term != 0 || vote != 0)
        return pit_error_set(error, -EBADMSG, "node %u has voted in term %llu, yet its log is empty: it is damaged",
                             consensus->options.node, (unsigned long long)term);
    if (!consensus->options.begin)
        return pit_error_set(error, -ENODATA,
                             "node %u has no log. If this is a new cluster, say so; if the node has lost its disk, it "
                             "must not vote as if it had promised nothing: let it rejoin",
                             consensus->options.node);
    return 0;
}

/* A log that is empty is begun, if that was asked for. */
static int begin(struct pit_consensus *consensus, const struct raft_configuration *configuration,
                 struct pit_error *error)
{
    const struct pit_consensus_storage *storage = &consensus->options.storage;
    struct pit_consensus_base base = {0};
    uint64_t term = 0, vote = 0, entries = 0;
    int code = storage->load(storage->context, &term, &vote, &base, count_entry, &entries, error);
    if (code != 0)
        return code;
    bool empty = entries == 0 && base.index == 0;
    if (vote == PIT_CONSENSUS_REJOINING || (empty && consensus->options.rejoin && term == 0))
        consensus->rejoin = (struct pit_raft_rejoin){
            .active = true,
            .life = consensus->options.random(consensus->options.random_argument),
        };
    if (!empty)
        return 0;
    if (!consensus->rejoin.active && (code = check_empty(consensus, term, vote, error)) != 0)
        return code;
    if (raft_bootstrap(&consensus->raft, configuration) != 0)
        return pit_error_set(error, consensus->failure.code, "%s", consensus->failure.text);
    return 0;
}

static int start(struct pit_consensus *consensus, struct pit_error *error)
{
    struct raft *raft = &consensus->raft;
    struct raft_configuration configuration;
    int code = encode_members(consensus, &configuration);
    if (code == 0)
        code = begin(consensus, &configuration, error);
    raft_configuration_close(&configuration);
    if (code != 0)
        return code;
    raft_set_election_timeout(raft, consensus->options.election_ms);
    raft_set_heartbeat_timeout(raft, consensus->options.heartbeat_ms);
    raft_set_snapshot_threshold(raft, UINT32_MAX);
    raft_set_pre_vote(raft, true);
    if (raft_start(raft) == 0)
        return 0;
    if (!consensus->failure.code)
        pit_raft_fail(consensus, -EBADMSG, "the engine refuses the log: %s", raft_errmsg(raft));
    return pit_error_set(error, consensus->failure.code, "%s", consensus->failure.text);
}

int pit_consensus_open(struct pit_consensus **opened, const struct pit_consensus_options *options,
                       struct pit_error *error)
{
    int code = check_options(options, error);
    if (code != 0)
        return code;
    struct pit_consensus *consensus = calloc(1, sizeof *consensus);
    if (!consensus)
        return pit_error_set(error, -ENOMEM, "no memory for the consensus engine");
    consensus->options = *options;
    if (consensus->options.memory_bytes == 0)
        consensus->options.memory_bytes = PIT_CONSENSUS_MEMORY_BYTES;
    consensus->fsm = (struct raft_fsm){
        .version = 1,
        .data = consensus,
        .apply = fsm_apply,
        .snapshot = pit_raft_memory_snapshot,
        .restore = fsm_restore,
    };
    fill_io(consensus);
    if (raft_init(&consensus->raft, &consensus->io, &consensus->fsm, options->node, node_names[options->node]) != 0) {
        free(consensus);
        return pit_error_set(error, -ENOMEM, "no memory for the consensus engine");
    }
    code = start(consensus, error);
    if (code != 0) {
        pit_consensus_close(consensus);
        return code;
    }
    *opened = consensus;
    return 0;
}

void pit_consensus_close(struct pit_consensus *consensus)
{
    raft_close(&consensus->raft, NULL);
    PIT_CHECK(consensus->unanswered == 0);
    free(consensus->appends);
    free(consensus);
}

/* Running. */

/* After each call of the core. */
static void finish(struct pit_consensus *consensus)
{
    pit_raft_network_settle(consensus);
    pit_raft_guard_leader(consensus);
    pit_raft_network_settle(consensus);
    pit_raft_memory_committed(consensus, consensus->raft.last_applied); /* barriers: the core tells of batches alone */
    if (consensus->raft.state == RAFT_UNAVAILABLE)
        pit_raft_fail(consensus, -EPROTO, "the engine has stopped in term %llu: what another node sent cannot be: %s",
                      (unsigned long long)consensus->raft.current_term, raft_errmsg(&consensus->raft));
}

static void proposal_done(struct pit_raft_proposal *proposal, int status, uint64_t index)
{
    struct pit_consensus *consensus = proposal->consensus;
    const struct pit_consensus_machine *machine = &consensus->options.machine;
    consensus->unanswered--;
    consensus->unanswered_bytes -= proposal->bytes;
    machine->answered(machine->context, proposal->tag, status == 0 ? PIT_CONSENSUS_COMMITTED : PIT_CONSENSUS_UNKNOWN,
                      status == 0 ? index : 0);
    free(proposal);
}

static void batch_done(struct raft_apply *request, int status, void *result)
{
    (void)result;
    proposal_done((struct pit_raft_proposal *)request, status, request->index);
}

static void barrier_done(struct raft_barrier *request, int status)
{
    proposal_done((struct pit_raft_proposal *)request, status, request->index);
}

static bool is_ready(const struct pit_consensus *consensus)
{
    return consensus->raft.state == RAFT_LEADER && consensus->ready_term == consensus->raft.current_term &&
           !pit_raft_transfer_pending(consensus);
}

static int may_propose(const struct pit_consensus *consensus, size_t bytes)
{
    if (consensus->failure.code)
        return -EIO;
    if (!is_ready(consensus))
        return -EPERM;
    if (consensus->unanswered == PIT_CONSENSUS_TAGS_MAX ||
        (consensus->unanswered > 0 && consensus->unanswered_bytes + bytes > consensus->options.unanswered_bytes))
        return -EAGAIN;
    return 0;
}

/* After the core was asked to take a proposal. */
static int proposed(struct pit_consensus *consensus, struct pit_raft_proposal *proposal, bool taken)
{
    if (taken) {
        consensus->unanswered++;
        consensus->unanswered_bytes += proposal->bytes;
    } else {
        free(proposal);
    }
    finish(consensus);
    if (taken)
        return 0;
    return consensus->failure.code ? -EIO : -ENOMEM;
}

int pit_consensus_propose(struct pit_consensus *consensus, const void *payload, size_t bytes, uint64_t tag)
{
    if (consensus->failure.code)
        return -EIO;
    if (bytes > PIT_CONSENSUS_ENTRY_BYTES_MAX)
        return -EMSGSIZE;
    if (!pit_raft_payload_fits(PIT_CONSENSUS_COMMANDS, payload, bytes))
        return -EINVAL;
    const int code = may_propose(consensus, bytes);
    if (code)
        return code;
    struct raft_buffer buffer = {.base = raft_malloc(bytes), .len = bytes};
    struct pit_raft_proposal *proposal = malloc(sizeof *proposal);
    bool taken = buffer.base && proposal;
    if (taken) {
        memcpy(buffer.base, payload, bytes);
        *proposal = (struct pit_raft_proposal){.consensus = consensus, .tag = tag, .bytes = bytes};
        taken = raft_apply(&consensus->raft, &proposal->batch, &buffer, 1, batch_done) == 0;
    }
    if (!taken)
        raft_free(buffer.base);
    return proposed(consensus, proposal, taken);
}

int pit_consensus_confirm(struct pit_consensus *consensus, uint64_t tag)
{
    const int code = may_propose(consensus, 0);
    if (code)
        return code;
    struct pit_raft_proposal *proposal = malloc(sizeof *proposal);
    bool taken = proposal;
    if (taken) {
        *proposal = (struct pit_raft_proposal){.consensus = consensus, .tag = tag};
        taken = raft_barrier(&consensus->raft, &proposal->barrier, barrier_done) == 0;
    }
    return proposed(consensus, proposal, taken);
}

static void give(struct pit_consensus *consensus, uint32_t from, struct raft_message *message)
{
    message->server_id = from;
    message->server_address = node_names[from];
    consensus->receive(&consensus->io, message);
}

static void receive_append(struct pit_consensus *consensus, uint32_t from, struct raft_message *message)
{
    if (!pit_raft_memory_overlap(consensus, message)) {
        pit_raft_fail(consensus, -EPROTO, "node %u leads in term %llu with another entry %llu than is committed here",
                      from, (unsigned long long)message->append_entries.term,
                      (unsigned long long)consensus->raft.log.snapshot.last_index);
        pit_raft_discard(message);
        return;
    }
    if (pit_raft_guard_truncation_waits(consensus, &message->append_entries)) {
        consensus->postponed++;
        pit_raft_discard(message);
        return;
    }
    pit_raft_guard_comparing(consensus, &message->append_entries);
    give(consensus, from, message);
    pit_raft_guard_compared(consensus);
}

/* Of acknowledgements that a new leader could not count yet the last of each node is kept: without it nothing more
 * would be sent there before the next heartbeat. */
static void hold(struct pit_consensus *consensus, uint32_t from, const struct raft_append_entries_result *result)
{
    struct pit_raft_peer *peer = &consensus->peers[from];
    peer->held = true;
    peer->acknowledgement = *result;
    consensus->waited++;
}

static void hear_held(struct pit_consensus *consensus)
{
    const struct raft *raft = &consensus->raft;
    if (raft->state == RAFT_LEADER && pit_raft_guard_acknowledgements_wait(consensus))
        return;
    for (uint32_t node = 1; node <= consensus->options.nodes && !consensus->failure.code; node++) {
        struct pit_raft_peer *peer = &consensus->peers[node];
        struct raft_message message = {.type = RAFT_IO_APPEND_ENTRIES_RESULT};
        message.append_entries_result = peer->acknowledgement;
        bool counts = peer->held && raft->state == RAFT_LEADER && peer->acknowledgement.term == raft->current_term;
        peer->held = false;
        if (!counts)
            continue;
        give(consensus, node, &message);
        finish(consensus);
    }
}

static void receive_result(struct pit_consensus *consensus, uint32_t from, struct raft_message *message)
{
    struct raft_append_entries_result *result = &message->append_entries_result;
    if (consensus->raft.state == RAFT_LEADER) {
        if (result->rejected != 0)
            pit_raft_network_look_back(consensus, result);
        pit_raft_network_acknowledged(consensus, from, result);
        if (result->rejected == 0 && result->term == consensus->raft.current_term &&
            pit_raft_guard_acknowledgements_wait(consensus)) {
            hold(consensus, from, result);
            return;
        }
    }
    give(consensus, from, message);
}

/* After whatever was heard, or written. */
static void look(struct pit_consensus *consensus)
{
    hear_held(consensus);
    pit_raft_rejoin_look(consensus);
    pit_raft_transfer_look(consensus);
}

static void receive_note(struct pit_consensus *consensus, uint32_t from, const struct pit_raft_note *note)
{
    if (note->kind == PIT_RAFT_NOTE_BEGUN)
        pit_raft_rejoin_begun(consensus, from, note);
    else if (note->kind == PIT_RAFT_NOTE_TOLD)
        pit_raft_rejoin_told(consensus, from, note);
    else
        pit_raft_transfer_told(consensus, from, note);
}

int pit_consensus_transfer(struct pit_consensus *consensus, uint32_t node)
{
    if (consensus->failure.code)
        return -EIO;
    return is_ready(consensus) ? pit_raft_transfer_begin(consensus, node) : -EPERM;
}

void pit_consensus_receive(struct pit_consensus *consensus, uint32_t from, const void *bytes, size_t count)
{
    if (consensus->failure.code || !pit_raft_storage_look(consensus))
        return;
    pit_raft_storage_complete(consensus);
    struct raft_message message;
    struct pit_raft_note note;
    bool known = from >= 1 && from <= consensus->options.nodes && from != consensus->options.node;
    if (known && !consensus->failure.code && pit_raft_decode_note(bytes, count, &note)) {
        receive_note(consensus, from, &note);
        return;
    }
    if (!known || pit_raft_decode(bytes, count, &message) != 0) {
        consensus->refused++;
        return;
    }
    if (pit_raft_rejoin_ignores(consensus, &message))
        return;
    if (consensus->failure.code || !pit_raft_network_admits(consensus, from, &message)) {
        consensus->refused++;
        pit_raft_discard(&message);
        return;
    }
    if (message.type == RAFT_IO_REQUEST_VOTE)
        pit_raft_turn_asked(consensus);
    if (message.type == RAFT_IO_APPEND_ENTRIES)
        receive_append(consensus, from, &message);
    else if (message.type == RAFT_IO_APPEND_ENTRIES_RESULT)
        receive_result(consensus, from, &message);
    else
        give(consensus, from, &message);
    finish(consensus);
    pit_raft_storage_complete(consensus);
    look(consensus);
    pit_raft_behind_send(consensus);
}

void pit_consensus_lost(struct pit_consensus *consensus, uint32_t node)
{
    if (!consensus->failure.code && node >= 1 && node <= consensus->options.nodes)
        pit_raft_turn_lost(consensus, node);
}

uint32_t pit_consensus_work(struct pit_consensus *consensus)
{
    if (consensus->failure.code || !pit_raft_storage_look(consensus))
        return 0;
    uint32_t done = pit_raft_storage_complete(consensus);
    uint64_t now_ns = consensus->options.clock.monotonic_ns(consensus->options.clock.context);
    if (now_ns >= consensus->tick_due_ns && !consensus->failure.code) {
        consensus->tick_due_ns = now_ns + (uint64_t)consensus->options.heartbeat_ms * 1000000 / 4;
        pit_raft_rejoin_tick(consensus);
        pit_raft_turn_tick(consensus);
        consensus->tick(&consensus->io);
        pit_raft_turn_ticked(consensus);
        finish(consensus);
        done += 1 + pit_raft_storage_complete(consensus);
    }
    look(consensus);
    return done + pit_raft_behind_send(consensus);
}

struct pit_consensus_state pit_consensus_state(const struct pit_consensus *consensus)
{
    /* The core's questions take it as not const and change nothing. */
    struct raft *raft = (struct raft *)(uintptr_t)&consensus->raft;
    struct pit_consensus_state state = {
        .role = PIT_CONSENSUS_FOLLOWER,
        .ready = is_ready(consensus),
        .term = raft->current_term,
        .last = raft_last_index(raft),
        .durable = consensus->written,
        .committed = raft->commit_index,
        .rejoining = consensus->rejoin.active,
        .memory_bytes = consensus->memory_bytes,
        .needs_snapshot = raft->state == RAFT_LEADER ? consensus->needs_snapshot : 0,
        .refused = consensus->refused,
        .waited = consensus->waited,
        .bounded = consensus->bounded,
        .postponed = consensus->postponed,
        .cut = consensus->cut,
        .reread = consensus->reread,
        .ahead = consensus->ahead,
    };
    raft_id leader = 0;
    const char *address = NULL;
    raft_leader(raft, &leader, &address);
    state.leader = (uint32_t)leader;
    if (raft->state == RAFT_LEADER)
        state.role = PIT_CONSENSUS_LEADER;
    else if (raft->state == RAFT_CANDIDATE)
        state.role = PIT_CONSENSUS_CANDIDATE;
    for (unsigned i = 0; raft->state == RAFT_LEADER && i < raft->configuration.n; i++)
        if (raft->configuration.servers[i].id != raft->id)
            state.matched[raft->configuration.servers[i].id] = raft->leader_state.progress[i].match_index;
    if (consensus->failure.code) {
        state.role = PIT_CONSENSUS_STOPPED;
        state.ready = false;
        state.leader = 0;
    }
    return state;
}

bool pit_consensus_failed(const struct pit_consensus *consensus, struct pit_error *error)
{
    if (consensus->failure.code && error)
        *error = consensus->failure;
    return consensus->failure.code != 0;
}

const char *pit_consensus_engine(void)
{
    return "C-Raft 0.15.0";
}
