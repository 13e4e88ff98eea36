/* test/cluster/solo.c - one engine alone: a test plays its peers, its disk and its clock by hand. */
#include "test/cluster/solo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int load(void *context, uint64_t *term, uint64_t *vote, struct pit_consensus_base *base,
                int (*each)(void *argument, const struct pit_consensus_entry *entry), void *argument,
                struct pit_error *error)
{
    struct solo *solo = context;
    (void)error;
    *term = solo->term;
    *vote = solo->vote;
    *base = solo->base;
    if (solo->count == 0 || base->index > 0)
        return 0;
    struct pit_consensus_entry first = {
        .index = 1, .term = 1, .kind = PIT_CONSENSUS_MEMBERS, .bytes = solo->first_bytes, .payload = solo->first};
    return each(argument, &first);
}

static int begin(void *context, uint64_t term, uint64_t vote, const struct pit_consensus_entry *first)
{
    struct solo *solo = context;
    PIT_CHECK(first->bytes <= sizeof solo->first);
    memcpy(solo->first, first->payload, first->bytes);
    solo->first_bytes = first->bytes;
    solo->count = 1;
    solo->terms[1] = solo->term = term;
    solo->vote = vote;
    return 0;
}

static int keep_vote(void *context, uint64_t term, uint64_t vote)
{
    struct solo *solo = context;
    solo->term = term;
    solo->vote = vote;
    return 0;
}

static int append(void *context, uint64_t ticket, const struct pit_consensus_entry *entries, uint32_t count)
{
    struct solo *solo = context;
    if (solo->fail_append)
        return solo->fail_append;
    for (uint32_t i = 0; i < count; i++) {
        PIT_CHECK(entries[i].index == solo->count + 1 && solo->count < SOLO_ENTRIES_MAX);
        solo->terms[++solo->count] = entries[i].term;
    }
    solo->asked = ticket;
    return 0;
}

static int truncate_log(void *context, uint64_t ticket, uint64_t index)
{
    struct solo *solo = context;
    solo->count = index - 1;
    solo->asked = ticket;
    return 0;
}

static int64_t durable(void *context)
{
    struct solo *solo = context;
    if (!solo->stalled)
        solo->durable = solo->asked;
    return (int64_t)solo->durable;
}

/* Entries as solo_append makes them. */
static int32_t read_entries(void *context, uint64_t index, struct pit_consensus_entry *entries, uint32_t max,
                            uint64_t *before_term)
{
    static uint64_t payloads[PIT_CONSENSUS_ENTRIES_MAX][2];
    struct solo *solo = context;
    if (index <= solo->removed)
        return -ENODATA;
    if (solo->reading)
        return 0;
    PIT_CHECK(max >= 1 && max <= PIT_CONSENSUS_ENTRIES_MAX && index + max - 1 <= solo->count);
    for (uint32_t i = 0; i < max; i++) {
        payloads[i][0] = index + i;
        payloads[i][1] = solo->terms[index + i];
        entries[i] = (struct pit_consensus_entry){
            .index = index + i,
            .term = solo->terms[index + i],
            .kind = PIT_CONSENSUS_COMMANDS,
            .bytes = sizeof payloads[i],
            .payload = payloads[i],
        };
    }
    if (index == 1)
        entries[0] = (struct pit_consensus_entry){1, 1, PIT_CONSENSUS_MEMBERS, solo->first_bytes, solo->first};
    *before_term = solo->spoiled_term ? solo->spoiled_term : solo->terms[index - 1];
    return (int32_t)max;
}

static bool send_message(void *context, uint32_t node, const struct iovec *pieces, uint32_t count, size_t bytes)
{
    struct solo *solo = context;
    if (solo->no_room)
        return false;
    PIT_CHECK(solo->sent_count < SOLO_SENT_MAX);
    uint8_t *all = malloc(bytes);
    PIT_CHECK(all);
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(all + at, pieces[i].iov_base, pieces[i].iov_len);
        at += pieces[i].iov_len;
    }
    PIT_CHECK(at == bytes);
    struct pit_raft_note note;
    if (pit_raft_decode_note(all, bytes, &note)) {
        solo->note = note;
        free(all);
        return true;
    }
    struct solo_sent *sent = &solo->sent[solo->sent_count++];
    *sent = (struct solo_sent){.to = node, .bytes = bytes};
    PIT_CHECK(pit_raft_decode(all, bytes, &sent->message) == 0);
    sent->entries = sent->message.type == RAFT_IO_APPEND_ENTRIES ? sent->message.append_entries.n_entries : 0;
    pit_raft_discard(&sent->message);
    free(all);
    return true;
}

static void committed(void *context, const struct pit_consensus_entry *entry)
{
    struct solo *solo = context;
    PIT_CHECK(entry->index > solo->committed_last && entry->index <= SOLO_ENTRIES_MAX);
    memcpy(&solo->committed[entry->index], entry->payload, 8);
    solo->committed_last = entry->index;
}

static void answered(void *context, uint64_t tag, enum pit_consensus_outcome outcome, uint64_t index)
{
    struct solo *solo = context;
    (void)tag, (void)index;
    *(outcome == PIT_CONSENSUS_COMMITTED ? &solo->answered : &solo->unknown) += 1;
}

static uint64_t monotonic_ns(void *context)
{
    return ((const struct solo *)context)->now_ns;
}

static uint64_t random_bits(void *argument)
{
    (void)argument;
    return 7;
}

struct pit_consensus_options solo_options(struct solo *solo, uint32_t node, uint32_t nodes)
{
    return (struct pit_consensus_options){
        .node = node,
        .nodes = nodes,
        .begin = true,
        .election_ms = 150,
        .heartbeat_ms = 40,
        .flight_bytes = 8192,
        .unanswered_bytes = 1 << 20,
        .storage = {solo, load, begin, keep_vote, append, truncate_log, durable, read_entries},
        .network = {solo, send_message},
        .machine = {solo, committed, answered},
        .clock = {.context = solo, .monotonic_ns = monotonic_ns},
        .random = random_bits,
        .random_argument = solo,
    };
}

void solo_open(struct solo *solo, uint32_t node, uint32_t nodes)
{
    *solo = (struct solo){.now_ns = 1000000000};
    struct pit_consensus_options options = solo_options(solo, node, nodes);
    struct pit_error error;
    PIT_CHECK(pit_consensus_open(&solo->consensus, &options, &error) == 0);
}

void solo_close(struct solo *solo)
{
    pit_consensus_close(solo->consensus);
}

void solo_pass(struct solo *solo, uint64_t milliseconds)
{
    for (uint64_t i = 0; i < milliseconds; i++) {
        solo->now_ns += 1000000;
        pit_consensus_work(solo->consensus);
    }
}

void solo_hear(struct solo *solo, uint32_t from, const struct raft_message *message)
{
    uint32_t entries = message->type == RAFT_IO_APPEND_ENTRIES ? message->append_entries.n_entries : 0;
    uint8_t headers[PIT_RAFT_HEADER_BYTES + PIT_CONSENSUS_ENTRIES_MAX * PIT_RAFT_ENTRY_HEADER_BYTES];
    struct iovec pieces[PIT_CONSENSUS_PIECES_MAX];
    size_t bytes, at = 0;
    uint32_t count = pit_raft_encode(message, entries, headers, pieces, &bytes);
    uint8_t *all = malloc(bytes);
    PIT_CHECK(all);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(all + at, pieces[i].iov_base, pieces[i].iov_len);
        at += pieces[i].iov_len;
    }
    if (solo->spoil)
        bytes = solo->spoil(all, bytes);
    pit_consensus_receive(solo->consensus, from, all, bytes);
    free(all);
}

void solo_append(struct solo *solo, uint32_t leader, uint64_t term, uint64_t previous, uint64_t previous_term,
                 uint64_t commit, const uint64_t *terms, uint32_t count)
{
    struct raft_entry entries[PIT_CONSENSUS_ENTRIES_MAX];
    uint64_t payloads[PIT_CONSENSUS_ENTRIES_MAX][2];
    for (uint32_t i = 0; i < count; i++) {
        payloads[i][0] = previous + 1 + i;
        payloads[i][1] = terms[i];
        entries[i] = (struct raft_entry){
            .term = terms[i], .type = RAFT_COMMAND, .buf = {.base = payloads[i], .len = sizeof payloads[i]}};
    }
    struct raft_message message = {.type = RAFT_IO_APPEND_ENTRIES};
    message.append_entries = (struct raft_append_entries){
        .term = term,
        .prev_log_index = previous,
        .prev_log_term = previous_term,
        .leader_commit = commit,
        .entries = count ? entries : NULL,
        .n_entries = count,
    };
    solo_hear(solo, leader, &message);
}

void solo_acknowledge(struct solo *solo, uint32_t from, uint64_t term, uint64_t last)
{
    struct raft_message message = {.type = RAFT_IO_APPEND_ENTRIES_RESULT};
    message.append_entries_result = (struct raft_append_entries_result){.term = term, .last_log_index = last};
    solo_hear(solo, from, &message);
}

uint64_t solo_elect(struct solo *solo)
{
    for (int round = 0; round < 2; round++) { /* whether it may ask, then for the vote */
        if (round == 0)
            while (pit_consensus_state(solo->consensus).role != PIT_CONSENSUS_CANDIDATE)
                solo_pass(solo, 1);
        struct pit_consensus_state state = pit_consensus_state(solo->consensus);
        struct raft_message vote = {.type = RAFT_IO_REQUEST_VOTE_RESULT};
        vote.request_vote_result = (struct raft_request_vote_result){
            .term = round == 0 ? state.term + 1 : state.term,
            .vote_granted = true,
            .pre_vote = round == 0 ? raft_tribool_true : raft_tribool_false,
        };
        for (uint32_t node = 1; node <= solo->consensus->options.nodes; node++) {
            if (node != solo->consensus->options.node &&
                pit_consensus_state(solo->consensus).role == PIT_CONSENSUS_CANDIDATE)
                solo_hear(solo, node, &vote);
        }
    }
    PIT_CHECK(pit_consensus_state(solo->consensus).role == PIT_CONSENSUS_LEADER);
    return pit_consensus_state(solo->consensus).term;
}

const struct solo_sent *solo_last(const struct solo *solo, uint32_t to, unsigned short kind)
{
    for (uint32_t i = solo->sent_count; i > 0; i--) {
        const struct solo_sent *sent = &solo->sent[i - 1];
        if (sent->to == to && sent->message.type == kind)
            return sent;
    }
    return NULL;
}
