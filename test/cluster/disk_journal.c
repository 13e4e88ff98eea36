/* test/cluster/disk_journal.c - the real journal below a node's disk. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ring/check.h"
#include "stages/consensus_journal.h"
#include "test/cluster/world.h"
#include "test/journal/memory_disk.h"

struct disk_journal {
    struct memory_disk memories[2]; /* before a crash and after it, in turn */
    struct memory_disk *memory;
    struct pit_log *log;
    struct pit_consensus_storage storage;
    uint64_t vote_term, vote; /* being kept when it failed; 0 = none */
};

static void give_way(void *context)
{
    struct disk_journal *journal = context;
    pit_journal_disk_work(pit_log_journal(journal->log));
    pit_journal_prepare_work(pit_log_journal(journal->log));
}

/* What a call says; a failure is the disk's. */
static int outcome(struct disk *disk, int code)
{
    if (code < 0)
        disk->failed = true;
    return code;
}

static void open_log(struct disk *disk)
{
    struct disk_journal *journal = disk->journal;
    struct pit_error error = {0};
    struct pit_log_options options = {
        .directory = "log",
        .segment_bytes = PIT_JOURNAL_SEGMENT_BYTES_MIN,
        .keep_bytes = disk->world->keep_bytes,
        .wait = give_way,
        .wait_context = journal,
    };
    if (pit_log_open(&journal->log, &journal->memory->disk, &options, &error) == 0) {
        journal->storage = pit_consensus_journal(journal->log);
        return;
    }
    journal->log = NULL;
    world_violation(disk->world, "journal: node %u cannot open it: %s", disk->node, error.text);
}

static void begin_memory(struct disk *disk, bool direct)
{
    struct memory_disk *memory = disk->journal->memory;
    memory->cache = true;
    memory->torn = true;
    memory->direct_refused_at_open = !direct;
    memory->fail_write_code = -EIO;
}

void disk_journal_create(struct disk *disk)
{
    disk->journal = calloc(1, sizeof *disk->journal);
    PIT_CHECK(disk->journal);
    disk->journal->memory = disk->journal->memories;
    memory_disk_init(disk->journal->memory, world_random(disk->world) | 1);
    begin_memory(disk, world_chance(disk->world, 500));
    open_log(disk);
}

void disk_journal_destroy(struct disk *disk)
{
    if (disk->journal->log)
        pit_log_close(disk->journal->log);
    memory_disk_free(disk->journal->memory);
    free(disk->journal);
    disk->journal = NULL;
}

void disk_journal_lose(struct disk *disk)
{
    struct disk_journal *journal = disk->journal;
    bool direct = !journal->memory->direct_refused_at_open;
    if (journal->log)
        pit_log_close(journal->log);
    memory_disk_free(journal->memory);
    memory_disk_init(journal->memory, world_random(disk->world) | 1);
    begin_memory(disk, direct);
    open_log(disk);
}

void disk_journal_install(struct disk *disk, uint64_t first_sequence)
{
    const struct disk_entry *members = &disk->entries[0];
    struct pit_log_base base = {.index = disk->base, .term = disk->entries[disk->base - 1].term};
    int code = pit_log_begin_at(disk->journal->log, disk->term, disk->vote, base, first_sequence, members->payload,
                                members->bytes);
    if (code != 0)
        world_violation(disk->world, "journal: node %u cannot begin at entry %lu: %d", disk->node, base.index, code);
}

int32_t disk_journal_read(struct disk *disk, uint64_t index, struct pit_consensus_entry *entries, uint32_t max,
                          uint64_t *before_term)
{
    const struct pit_consensus_storage *storage = &disk->journal->storage;
    if (world_chance(disk->world, 700))
        pit_log_past_work(disk->journal->log);
    int32_t count = storage->read(storage->context, index, entries, max, before_term);
    if (count == 0)
        give_way(disk->journal); /* it may have to write first what is committed */
    disk->world->reread += count > 0 ? (uint32_t)count : 0;
    for (int32_t i = 0; i < count; i++) {
        uint64_t before = entries[i].index > 1 ? disk->entries[entries[i].index - 2].chain : 0;
        if (entries[i].index != index + (uint64_t)i ||
            checks_chain(before, &entries[i]) != disk->entries[entries[i].index - 1].chain)
            world_violation(disk->world, "reread: node %u reads another entry %lu than it wrote", disk->node,
                            entries[i].index);
    }
    return count;
}

void disk_journal_fail(struct disk *disk, uint64_t writes)
{
    disk->journal->memory->fail_write_in = writes;
}

uint64_t disk_journal_turn(struct disk *disk)
{
    struct disk_journal *journal = disk->journal;
    give_way(journal);
    int64_t durable = pit_log_durable(journal->log);
    outcome(disk, (int)(durable < 0 ? durable : 0));
    return durable < 0 ? 0 : (uint64_t)durable;
}

int disk_journal_load(struct disk *disk, uint64_t *term, uint64_t *vote, struct pit_consensus_base *base,
                      int (*each)(void *argument, const struct pit_consensus_entry *entry), void *argument,
                      struct pit_error *error)
{
    const struct pit_consensus_storage *storage = &disk->journal->storage;
    return storage->load(storage->context, term, vote, base, each, argument, error);
}

int disk_journal_begin(struct disk *disk, uint64_t term, uint64_t vote, const struct pit_consensus_entry *first)
{
    const struct pit_consensus_storage *storage = &disk->journal->storage;
    return outcome(disk, storage->begin(storage->context, term, vote, first));
}

int disk_journal_keep_vote(struct disk *disk, uint64_t term, uint64_t vote)
{
    struct disk_journal *journal = disk->journal;
    checks_voted(disk, term, vote);
    int code = outcome(disk, journal->storage.keep_vote(journal->storage.context, term, vote));
    if (code < 0) {
        journal->vote_term = term;
        journal->vote = vote;
        return code;
    }
    disk_settle_all(disk); /* votes stand in the row of writes */
    disk->term = term;
    disk->vote = vote;
    return 0;
}

int disk_journal_append(struct disk *disk, uint64_t ticket, const struct pit_consensus_entry *entries, uint32_t count)
{
    const struct pit_consensus_storage *storage = &disk->journal->storage;
    return outcome(disk, storage->append(storage->context, ticket, entries, count));
}

int disk_journal_truncate(struct disk *disk, uint64_t ticket, uint64_t index)
{
    const struct pit_consensus_storage *storage = &disk->journal->storage;
    return outcome(disk, storage->truncate(storage->context, ticket, index));
}

void disk_journal_committed(struct disk *disk, uint64_t index)
{
    pit_log_committed(disk->journal->log, index);
}

/* What is found. */

struct found {
    uint64_t term, vote, count, chain;
};

static int pass(void *argument, const struct pit_consensus_entry *entry)
{
    (void)argument, (void)entry;
    return 0;
}

uint64_t disk_journal_base(struct disk *disk)
{
    struct pit_consensus_base base = {0};
    struct pit_error error;
    uint64_t term, vote;
    if (disk->journal->log)
        disk_journal_load(disk, &term, &vote, &base, pass, NULL, &error);
    return base.index;
}

static int found_entry(void *argument, const struct pit_consensus_entry *entry)
{
    struct found *found = argument;
    found->chain = checks_chain(found->chain, entry);
    found->count++;
    return 0;
}

static bool is_found(const struct disk *disk, const struct found *found, uint64_t count, uint64_t chain)
{
    return found->term == disk->term && found->vote == disk->vote && found->count == count &&
           (count == 0 || found->chain == chain);
}

static uint64_t chain_now(const struct disk *disk)
{
    return disk->count ? disk->entries[disk->count - 1].chain : 0;
}

/* Lets the writes become durable that the journal has; false: it has something else. */
static bool follow(struct disk *disk, const struct found *found)
{
    while (!is_found(disk, found, disk->count, chain_now(disk))) {
        struct disk_write *write = disk->writes;
        if (!write)
            break;
        uint32_t part = 0;
        while (part < write->count && !is_found(disk, found, disk->count + part, part ? write->chains[part - 1] : 0))
            part++;
        disk_settle(disk, part);
    }
    if (is_found(disk, found, disk->count, chain_now(disk)))
        return true;
    disk->term = disk->journal->vote_term;
    disk->vote = disk->journal->vote;
    return disk->term && is_found(disk, found, disk->count, chain_now(disk));
}

void disk_journal_crash(struct disk *disk)
{
    struct disk_journal *journal = disk->journal;
    struct memory_disk *after = &journal->memories[journal->memory == journal->memories];
    struct found found = {0};
    struct pit_consensus_base base = {0};
    struct pit_error error;
    if (!journal->log)
        return;
    bool direct = !journal->memory->direct_refused_at_open;
    memory_disk_crash(after, journal->memory);
    pit_log_close(journal->log);
    memory_disk_free(journal->memory);
    journal->memory = after;
    begin_memory(disk, direct);
    open_log(disk);
    if (!journal->log)
        return;
    found.count = disk_journal_base(disk);
    if (found.count > disk->count) {
        world_violation(disk->world, "journal: node %u finds entry %lu committed, of %lu", disk->node, found.count,
                        disk->count);
        return;
    }
    found.chain = found.count ? disk->entries[found.count - 1].chain : 0;
    disk_journal_load(disk, &found.term, &found.vote, &base, found_entry, &found, &error);
    if (!follow(disk, &found))
        world_violation(disk->world, "journal: node %u finds term %lu, vote %lu, %lu entries, which it never had",
                        disk->node, found.term, found.vote, found.count);
    journal->vote_term = 0;
}
