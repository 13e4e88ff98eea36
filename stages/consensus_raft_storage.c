/* stages/consensus_raft_storage.c - raft_io's storage on struct pit_consensus_storage. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stages/consensus_raft.h"

static struct pit_consensus *consensus_of(struct raft_io *io)
{
    return io->impl;
}

/* The log, as it is read at the start. */
struct loading {
    struct pit_consensus *consensus;
    struct pit_consensus_base base;
    struct raft_entry *entries;
    size_t count, room;
};

static int refuse_entry(const struct pit_consensus_entry *entry, const struct loading *loading)
{
    const struct pit_consensus *consensus = loading->consensus;
    uint64_t before = loading->count ? loading->entries[loading->count - 1].term : loading->base.term;
    bool first = entry->index == 1;
    bool members = entry->kind == PIT_CONSENSUS_MEMBERS;
    if (entry->index != loading->base.index + loading->count + 1 || entry->term == 0 || entry->term < before ||
        entry->kind < PIT_CONSENSUS_COMMANDS || entry->kind > PIT_CONSENSUS_MEMBERS || first != members ||
        !pit_raft_payload_fits(entry->kind, entry->payload, entry->bytes))
        return -EBADMSG;
    if (members && (entry->bytes != consensus->members_bytes ||
                    memcmp(entry->payload, consensus->members, entry->bytes) != 0 || entry->term != 1))
        return -EBADMSG;
    return 0;
}

static int load_entry(void *argument, const struct pit_consensus_entry *entry)
{
    struct loading *loading = argument;
    int code = refuse_entry(entry, loading);
    if (code != 0)
        return code;
    if (loading->count == loading->room) {
        size_t room = loading->room ? loading->room * 2 : 1024;
        struct raft_entry *entries = raft_realloc(loading->entries, room * sizeof *entries);
        if (!entries)
            return -ENOMEM;
        loading->entries = entries;
        loading->room = room;
    }
    void *payload = raft_malloc(entry->bytes);
    if (!payload)
        return -ENOMEM;
    memcpy(payload, entry->payload, entry->bytes);
    pit_raft_memory_add(loading->consensus, entry->bytes);
    loading->entries[loading->count++] = (struct raft_entry){
        .term = entry->term,
        .type = (unsigned short)entry->kind,
        .buf = {.base = payload, .len = entry->bytes},
    };
    return 0;
}

/* To the core a base is a snapshot with nothing in it. */
static struct raft_snapshot *snapshot_of(const struct pit_consensus *consensus, const struct pit_consensus_base *base)
{
    struct raft_snapshot *snapshot = raft_calloc(1, sizeof *snapshot);
    if (!snapshot)
        return NULL;
    *snapshot = (struct raft_snapshot){.index = base->index, .term = base->term, .configuration_index = 1};
    snapshot->n_bufs = 1;
    snapshot->bufs = raft_calloc(1, sizeof *snapshot->bufs);
    if (snapshot->bufs && pit_raft_members(consensus, &snapshot->configuration) == 0)
        return snapshot;
    raft_configuration_close(&snapshot->configuration);
    raft_free(snapshot->bufs);
    raft_free(snapshot);
    return NULL;
}

int pit_raft_storage_load(struct raft_io *io, raft_term *term, raft_id *voted_for, struct raft_snapshot **snapshot,
                          raft_index *start_index, struct raft_entry *entries[], size_t *entries_count)
{
    struct pit_consensus *consensus = consensus_of(io);
    const struct pit_consensus_storage *storage = &consensus->options.storage;
    struct loading loading = {.consensus = consensus};
    struct pit_error error = {0};
    uint64_t kept_term = 0, vote = 0;
    int code = storage->load(storage->context, &kept_term, &vote, &loading.base, load_entry, &loading, &error);
    const struct pit_consensus_base *base = &loading.base;
    uint64_t last_term = loading.count ? loading.entries[loading.count - 1].term : base->term;
    if (code == 0 && (last_term == 0 || kept_term < last_term || (base->index == 0) != (base->term == 0) ||
                      (vote > consensus->options.nodes && vote != PIT_CONSENSUS_REJOINING)))
        code = -EBADMSG;
    *snapshot = NULL;
    if (code == 0 && base->index > 0 && !(*snapshot = snapshot_of(consensus, base)))
        code = -ENOMEM;
    if (code != 0) {
        for (size_t i = 0; i < loading.count; i++)
            raft_free(loading.entries[i].buf.base);
        raft_free(loading.entries);
        return pit_raft_fail(consensus, code, "the log of node %u cannot be taken over after entry %llu: %s",
                             consensus->options.node, (unsigned long long)(base->index + loading.count),
                             error.code ? error.text : "it is damaged, or not one of this cluster");
    }
    *term = consensus->kept_term = kept_term;
    *voted_for = vote == PIT_CONSENSUS_REJOINING ? 0 : vote;
    *start_index = base->index + 1;
    *entries = loading.entries;
    *entries_count = loading.count;
    consensus->written = base->index + loading.count;
    consensus->next_index = consensus->written + 1;
    consensus->counted = base->index;
    return 0;
}

int pit_raft_storage_bootstrap(struct raft_io *io, const struct raft_configuration *configuration)
{
    (void)configuration; /* it is the one that members was made of */
    struct pit_consensus *consensus = consensus_of(io);
    const struct pit_consensus_storage *storage = &consensus->options.storage;
    struct pit_consensus_entry first = {
        .index = 1,
        .term = 1,
        .kind = PIT_CONSENSUS_MEMBERS,
        .bytes = consensus->members_bytes,
        .payload = consensus->members,
    };
    uint64_t vote = consensus->rejoin.active ? PIT_CONSENSUS_REJOINING : 0;
    int code = storage->begin(storage->context, 1, vote, &first);
    return code == 0 ? 0 : pit_raft_fail(consensus, code, "a new log cannot be begun: %s", strerror(-code));
}

static int keep_vote(struct pit_consensus *consensus, uint64_t vote)
{
    const struct pit_consensus_storage *storage = &consensus->options.storage;
    if (consensus->failure.code)
        return RAFT_IOERR;
    int code = storage->keep_vote(storage->context, consensus->kept_term, vote);
    return code == 0 ? 0 : pit_raft_fail(consensus, code, "term and vote cannot be kept: %s", strerror(-code));
}

int pit_raft_storage_set_term(struct raft_io *io, raft_term term)
{
    struct pit_consensus *consensus = consensus_of(io);
    consensus->kept_term = term;
    return keep_vote(consensus, consensus->rejoin.active ? PIT_CONSENSUS_REJOINING : 0);
}

bool pit_raft_storage_vote(struct pit_consensus *consensus, uint32_t node)
{
    PIT_CHECK(consensus->kept_term == consensus->raft.current_term);
    if (keep_vote(consensus, node) != 0)
        return false;
    consensus->raft.voted_for = node;
    return true;
}

int pit_raft_storage_set_vote(struct raft_io *io, raft_id node)
{
    /* The term is the last one set: the core's own may lag behind it here. */
    return keep_vote(consensus_of(io), node);
}

/* Appends. */

static struct pit_raft_append *append_at(const struct pit_consensus *consensus, uint32_t place)
{
    return &consensus->appends[(consensus->appends_first + place) & (consensus->appends_room - 1)];
}

static bool make_room(struct pit_consensus *consensus)
{
    if (consensus->appends_count < consensus->appends_room)
        return true;
    uint32_t room = consensus->appends_room ? consensus->appends_room * 2 : 64;
    struct pit_raft_append *appends = malloc(room * sizeof *appends);
    if (!appends)
        return false;
    for (uint32_t i = 0; i < consensus->appends_count; i++)
        appends[i] = *append_at(consensus, i);
    free(consensus->appends);
    consensus->appends = appends;
    consensus->appends_room = room;
    consensus->appends_first = 0;
    return true;
}

int pit_raft_storage_append(struct raft_io *io, struct raft_io_append *request, const struct raft_entry entries[],
                            unsigned count, raft_io_append_cb callback)
{
    struct pit_consensus *consensus = consensus_of(io);
    const struct pit_consensus_storage *storage = &consensus->options.storage;
    if (consensus->failure.code)
        return RAFT_IOERR;
    PIT_CHECK(count >= 1 && count <= PIT_CONSENSUS_ENTRIES_MAX);
    struct pit_consensus_entry ours[PIT_CONSENSUS_ENTRIES_MAX];
    for (unsigned i = 0; i < count; i++)
        ours[i] = (struct pit_consensus_entry){
            .index = consensus->next_index + i,
            .term = entries[i].term,
            .kind = entries[i].type,
            .bytes = (uint32_t)entries[i].buf.len,
            .payload = pit_raft_payload(&entries[i]),
        };
    if (!make_room(consensus))
        return pit_raft_fail(consensus, -ENOMEM, "no memory to remember an append");
    int code = storage->append(storage->context, consensus->ticket + 1, ours, count);
    if (code != 0)
        return pit_raft_fail(consensus, code, "entries from %llu on cannot be written: %s",
                             (unsigned long long)consensus->next_index, strerror(-code));
    uint64_t before = consensus->memory_bytes;
    for (unsigned i = 0; i < count; i++)
        pit_raft_memory_add(consensus, ours[i].bytes);
    request->cb = callback;
    consensus->next_index += count;
    *append_at(consensus, consensus->appends_count++) = (struct pit_raft_append){
        .request = request,
        .ticket = ++consensus->ticket,
        .last = consensus->next_index - 1,
        .bytes = consensus->memory_bytes - before,
    };
    return 0;
}

int pit_raft_storage_truncate(struct raft_io *io, raft_index index)
{
    struct pit_consensus *consensus = consensus_of(io);
    const struct pit_consensus_storage *storage = &consensus->options.storage;
    if (consensus->failure.code)
        return RAFT_IOERR;
    int code = storage->truncate(storage->context, consensus->ticket + 1, index);
    if (code != 0)
        return pit_raft_fail(consensus, code, "entries from %llu on cannot be taken back: %s",
                             (unsigned long long)index, strerror(-code));
    pit_raft_memory_truncate(consensus, index);
    consensus->ticket++;
    consensus->next_index = index;
    if (consensus->written >= index)
        consensus->written = index - 1;
    return 0;
}

/* What the core has been told of, and is durable. */
static void forget_done(struct pit_consensus *consensus)
{
    while (consensus->appends_told > 0 && consensus->appends_durable > 0) {
        consensus->appends_first = (consensus->appends_first + 1) & (consensus->appends_room - 1);
        consensus->appends_count--;
        consensus->appends_told--;
        consensus->appends_durable--;
    }
}

bool pit_raft_storage_look(struct pit_consensus *consensus)
{
    const struct pit_consensus_storage *storage = &consensus->options.storage;
    int64_t durable = storage->durable(storage->context);
    if (durable < 0) {
        pit_raft_fail(consensus, (int)durable, "the log cannot be written: %s", strerror((int)-durable));
        return false;
    }
    PIT_CHECK((uint64_t)durable >= consensus->durable && (uint64_t)durable <= consensus->ticket);
    consensus->durable = (uint64_t)durable;
    while (consensus->appends_durable < consensus->appends_count) {
        const struct pit_raft_append *append = append_at(consensus, consensus->appends_durable);
        if (append->ticket > consensus->durable)
            break;
        consensus->written = append->last;
        consensus->appends_durable++;
        if (!append->request)
            consensus->ahead_bytes -= append->bytes;
    }
    forget_done(consensus);
    return true;
}

/* Whether the core may take an append for written. What it takes for written and is not is in memory: that has its
 * limit. */
static bool may_tell(const struct pit_consensus *consensus, const struct pit_raft_append *append)
{
    if (append->ticket <= consensus->durable && append->last <= pit_raft_guard_own_disk(consensus))
        return true;
    return append->last <= pit_raft_guard_other_disks(consensus) &&
           consensus->ahead_bytes + append->bytes <= consensus->options.memory_bytes / 2;
}

uint32_t pit_raft_storage_complete(struct pit_consensus *consensus)
{
    uint32_t done = 0;
    while (consensus->appends_told < consensus->appends_count && !consensus->failure.code) {
        struct pit_raft_append *append = append_at(consensus, consensus->appends_told);
        if (!may_tell(consensus, append))
            break;
        struct raft_io_append *request = append->request;
        append->request = NULL;
        if (append->ticket > consensus->durable) {
            consensus->ahead_bytes += append->bytes;
            consensus->ahead++;
        }
        consensus->appends_told++;
        forget_done(consensus);
        request->cb(request, 0);
        pit_raft_network_settle(consensus);
        done++;
    }
    return done;
}

void pit_raft_storage_abandon(struct pit_consensus *consensus)
{
    for (; consensus->appends_count > 0; consensus->appends_count--) {
        struct raft_io_append *request = append_at(consensus, 0)->request;
        consensus->appends_first = (consensus->appends_first + 1) & (consensus->appends_room - 1);
        if (request)
            request->cb(request, 0);
    }
}
