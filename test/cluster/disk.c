/* test/cluster/disk.c - a node's disk. Writes become durable one after the other; until then a crash may take them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ring/check.h"
#include "test/cluster/world.h"

/* Durable state. */

static void drop_from(struct disk *disk, uint64_t index)
{
    while (disk->count >= index && disk->count > 0)
        free(disk->entries[--disk->count].payload);
}

static void put(struct disk *disk, const struct pit_consensus_entry *entry, uint64_t chain)
{
    PIT_CHECK(entry->index == disk->count + 1);
    if (disk->count == disk->room) {
        disk->room = disk->room ? disk->room * 2 : 256;
        disk->entries = realloc(disk->entries, disk->room * sizeof *disk->entries);
        PIT_CHECK(disk->entries);
    }
    void *payload = malloc(entry->bytes);
    PIT_CHECK(payload);
    memcpy(payload, entry->payload, entry->bytes);
    disk->entries[disk->count++] = (struct disk_entry){
        .term = entry->term,
        .chain = chain,
        .kind = entry->kind,
        .bytes = entry->bytes,
        .payload = payload,
    };
}

/* The oldest write becomes durable, of an append the first entries. */
void disk_settle(struct disk *disk, uint32_t entries)
{
    struct disk_write *write = disk->writes;
    if (write->count == 0)
        drop_from(disk, write->first);
    for (uint32_t i = 0; i < entries; i++)
        put(disk, &write->entries[i], write->chains[i]);
    disk->ticket = write->ticket;
    disk->writes = write->next;
    if (!disk->writes)
        disk->writes_end = &disk->writes;
    free(write);
}

void disk_settle_all(struct disk *disk)
{
    while (disk->writes)
        disk_settle(disk, disk->writes->count);
}

static void written(struct world *world, struct event *event);

/* Whatever is asked for by now is one write. */
static void begin_write(struct disk *disk)
{
    struct world *world = disk->world;
    if (disk->busy || !disk->writes)
        return;
    disk->busy = true;
    uint64_t took_ns = world_between(world, 50 * MICROSECOND, 1500 * MICROSECOND) + disk->slow_ns;
    if (world_chance(world, 20))
        took_ns += world_between(world, 0, 40 * MILLISECOND);
    world_later(world, world->now_ns + took_ns, disk->node, written)->value = disk->asked;
}

static void written(struct world *world, struct event *event)
{
    struct node *node = &world->node[event->node];
    struct disk *disk = &node->disk;
    if (event->generation != node->generation || !node->consensus)
        return;
    uint64_t done = disk->journal ? disk_journal_turn(disk) : event->value;
    while (disk->writes && disk->writes->ticket <= done)
        disk_settle(disk, disk->writes->count);
    disk->busy = false;
    begin_write(disk);
    world_note(world, event->value);
    pit_consensus_work(node->consensus);
    node_attend(node);
}

/* The table. */

/* A call that fails may have done its work all the same. 0: go on; 1: do it, then fail; -1: fail. */
static int failing(struct disk *disk)
{
    if (disk->journal)
        return 0; /* the disk below it fails */
    if (disk->failed)
        return -1;
    if (disk->fail_in == 0 || --disk->fail_in > 0)
        return 0;
    disk->failed = true;
    world_tell(disk->world, "node %u: its disk fails", disk->node);
    return world_chance(disk->world, 500) ? 1 : -1;
}

struct pit_consensus_entry disk_entry(const struct disk *disk, uint64_t index)
{
    const struct disk_entry *entry = &disk->entries[index - 1];
    return (struct pit_consensus_entry){
        .index = index,
        .term = entry->term,
        .kind = entry->kind,
        .bytes = entry->bytes,
        .payload = entry->payload,
    };
}

static int load(void *context, uint64_t *term, uint64_t *vote, struct pit_consensus_base *base,
                int (*each)(void *argument, const struct pit_consensus_entry *entry), void *argument,
                struct pit_error *error)
{
    struct disk *disk = context;
    if (disk->damaged)
        return pit_error_set(error, -EBADMSG, "the log is damaged");
    if (disk->journal)
        return disk_journal_load(disk, term, vote, base, each, argument, error);
    *term = disk->term;
    *vote = disk->vote;
    *base = (struct pit_consensus_base){.index = disk->base};
    if (disk->base > 0)
        base->term = disk->entries[disk->base - 1].term;
    for (uint64_t i = disk->base; i < disk->count; i++) {
        struct pit_consensus_entry told = disk_entry(disk, i + 1);
        int code = each(argument, &told);
        if (code != 0)
            return code;
    }
    return 0;
}

static void remember(struct disk *disk, uint64_t term, uint64_t chain)
{
    if (disk->log_count == disk->log_room) {
        disk->log_room = disk->log_room ? disk->log_room * 2 : 256;
        disk->log = realloc(disk->log, disk->log_room * sizeof *disk->log);
        PIT_CHECK(disk->log);
    }
    disk->log[disk->log_count++] = (struct disk_mark){.term = term, .chain = chain};
}

static int begin(void *context, uint64_t term, uint64_t vote, const struct pit_consensus_entry *first)
{
    struct disk *disk = context;
    PIT_CHECK(disk->count == 0 && disk->term == 0 && !disk->writes);
    uint64_t chain = checks_chain(0, first);
    put(disk, first, chain);
    remember(disk, first->term, chain);
    disk->term = term;
    disk->vote = vote;
    checks_written(disk, first->index, first->term, chain);
    return disk->journal ? disk_journal_begin(disk, term, vote, first) : 0;
}

static int keep_vote(void *context, uint64_t term, uint64_t vote)
{
    struct disk *disk = context;
    if (disk->journal)
        return disk_journal_keep_vote(disk, term, vote);
    int fails = failing(disk);
    if (fails >= 0) {
        checks_voted(disk, term, vote);
        if (disk->world->vote_flushes)
            disk_settle_all(disk);
        disk->term = term;
        disk->vote = vote;
    }
    return fails == 0 ? 0 : -EIO;
}

static void queue(struct disk *disk, struct disk_write *write)
{
    *disk->writes_end = write;
    disk->writes_end = &write->next;
    disk->asked = write->ticket;
    begin_write(disk);
}

static int append(void *context, uint64_t ticket, const struct pit_consensus_entry *entries, uint32_t count)
{
    struct disk *disk = context;
    if (disk->full)
        return -ENOSPC;
    int fails = failing(disk);
    if (fails < 0)
        return -EIO;
    PIT_CHECK(count >= 1 && count <= PIT_CONSENSUS_ENTRIES_MAX);
    struct disk_write *write = malloc(sizeof *write + count * (sizeof *entries + sizeof *write->chains));
    PIT_CHECK(write);
    write->chains = (uint64_t *)&write->entries[count];
    write->next = NULL;
    write->ticket = ticket;
    write->first = entries[0].index;
    write->count = count;
    for (uint32_t i = 0; i < count; i++) {
        PIT_CHECK(entries[i].index == disk->log_count + 1);
        uint64_t before = disk->log_count ? disk->log[disk->log_count - 1].chain : 0;
        write->entries[i] = entries[i];
        write->chains[i] = checks_chain(before, &entries[i]);
        remember(disk, entries[i].term, write->chains[i]);
        checks_written(disk, entries[i].index, entries[i].term, write->chains[i]);
    }
    queue(disk, write);
    if (disk->journal)
        return disk_journal_append(disk, ticket, entries, count);
    if (fails == 0)
        return 0;
    disk_settle_all(disk); /* after this call the payloads are the engine's again */
    return -EIO;
}

static int truncate_log(void *context, uint64_t ticket, uint64_t index)
{
    struct disk *disk = context;
    int fails = failing(disk);
    if (fails < 0)
        return -EIO;
    PIT_CHECK(index > 1 && index <= disk->log_count);
    checks_truncated(disk, index);
    disk->log_count = index - 1;
    struct disk_write *write = calloc(1, sizeof *write);
    PIT_CHECK(write);
    write->ticket = ticket;
    write->first = index;
    queue(disk, write);
    if (disk->journal)
        return disk_journal_truncate(disk, ticket, index);
    return fails == 0 ? 0 : -EIO;
}

static int64_t durable(void *context)
{
    struct disk *disk = context;
    return disk->failed ? -EIO : (int64_t)disk->ticket;
}

static int32_t read_entries(void *context, uint64_t index, struct pit_consensus_entry *entries, uint32_t max,
                            uint64_t *before_term)
{
    struct disk *disk = context;
    struct world *world = disk->world;
    if (disk->failed)
        return -EIO;
    if (index < disk->first)
        return -ENODATA;
    uint64_t end = index + max - 1;
    while (end > disk->committed && end <= disk->count && disk->entries[end - 1].kind == PIT_CONSENSUS_BARRIER)
        end--; /* that one is committed, too, is not told to the state machine */
    if (max == 0 || end > disk->count || end > disk->committed) {
        world_violation(world, "reread: node %u reads %u entries from %lu on; %lu are durable, %lu committed",
                        disk->node, max, index, disk->count, disk->committed);
        return -EIO;
    }
    if (disk->journal)
        return disk_journal_read(disk, index, entries, max, before_term);
    if (world_chance(world, 300))
        return 0;
    uint32_t count = (uint32_t)world_between(world, 1, max < 8 ? max : 8);
    for (uint32_t i = 0; i < count; i++)
        entries[i] = disk_entry(disk, index + i);
    world->reread += count;
    *before_term = index > 1 ? disk->entries[index - 2].term : 0;
    return (int32_t)count;
}

void disk_choose_base(struct disk *disk)
{
    struct world *world = disk->world;
    if (disk->damaged || disk->committed == 0)
        return;
    if (disk->journal) {
        disk->base = disk_journal_base(disk);
        return;
    }
    disk->base = world_chance(world, 300) ? 0 : world_between(world, 0, disk->committed);
    if (disk->base < disk->first - 1)
        disk->base = disk->first - 1;
}

void disk_remove(struct disk *disk)
{
    uint64_t last = disk->committed < disk->count ? disk->committed : disk->count;
    if (!disk->journal && disk->first < last)
        disk->first = world_between(disk->world, disk->first, last);
}

struct pit_consensus_storage disk_storage(struct disk *disk)
{
    return (struct pit_consensus_storage){
        .context = disk,
        .load = load,
        .begin = begin,
        .keep_vote = keep_vote,
        .append = append,
        .truncate = truncate_log,
        .durable = durable,
        .read = read_entries,
    };
}

void disk_begin(struct disk *disk, struct world *world, uint32_t node)
{
    *disk = (struct disk){.world = world, .node = node, .first = 1};
    disk->writes_end = &disk->writes;
    if (world->journals)
        disk_journal_create(disk);
}

void disk_crash(struct disk *disk)
{
    struct world *world = disk->world;
    if (disk->journal)
        disk_journal_crash(disk);
    while (!disk->journal && disk->writes && world_chance(world, 600))
        disk_settle(disk, disk->writes->count);
    if (!disk->journal && disk->writes && disk->writes->count > 0 && world_chance(world, 500))
        disk_settle(disk, (uint32_t)world_between(world, 0, disk->writes->count));
    while (disk->writes) {
        struct disk_write *write = disk->writes;
        disk->writes = write->next;
        free(write);
    }
    disk->writes_end = &disk->writes;
    if (disk->committed > disk->count)
        disk->committed = disk->count; /* what is said to be committed is written after it */
    disk->log_count = 0;
    for (uint64_t i = 0; i < disk->count; i++)
        remember(disk, disk->entries[i].term, disk->entries[i].chain);
    disk->ticket = disk->asked = 0;
    disk->busy = false;
    disk->failed = false;
    disk->fail_in = 0;
}

static void empty(struct disk *disk)
{
    PIT_CHECK(!disk->writes);
    drop_from(disk, 1);
    disk->log_count = disk->base = disk->committed = 0;
    disk->first = 1;
    disk->damaged = false;
}

void disk_lose(struct disk *disk)
{
    if (disk->count > disk->lost_count) {
        disk->lost = realloc(disk->lost, disk->count * sizeof *disk->lost);
        PIT_CHECK(disk->lost);
        disk->lost_count = disk->count;
    }
    for (uint64_t i = 0; i < disk->count; i++)
        disk->lost[i] = (struct disk_mark){.term = disk->entries[i].term, .chain = disk->entries[i].chain};
    empty(disk);
    disk->term = disk->vote = 0;
    if (disk->journal)
        disk_journal_lose(disk);
}

/* Of the first command after an entry. */
static uint64_t sequence_after(const struct disk *disk, uint64_t index)
{
    uint64_t sequence = 1;
    while (index > 0 && disk->entries[index - 1].kind != PIT_CONSENSUS_COMMANDS)
        index--;
    const struct disk_entry *entry = index > 0 ? &disk->entries[index - 1] : NULL;
    for (uint32_t at = 0; entry && at < entry->bytes;) {
        struct pit_command command = {0};
        memcpy(&command, (const uint8_t *)entry->payload + at, 64);
        sequence = command.sequence + 1;
        at += (uint32_t)pit_command_bytes(&command);
    }
    return sequence;
}

void disk_install(struct disk *disk, const struct disk *donor, uint64_t base)
{
    uint64_t term = disk->term, vote = disk->vote;
    disk_lose(disk);
    for (uint64_t index = 1; index <= base; index++) {
        struct pit_consensus_entry entry = disk_entry(donor, index);
        put(disk, &entry, donor->entries[index - 1].chain);
        remember(disk, entry.term, donor->entries[index - 1].chain);
    }
    disk->base = disk->committed = base;
    disk->first = base + 1;
    disk->term = term > donor->entries[base - 1].term ? term : donor->entries[base - 1].term;
    disk->vote = vote == PIT_CONSENSUS_REJOINING ? PIT_CONSENSUS_REJOINING : term == disk->term ? vote : 0;
    if (disk->journal)
        disk_journal_install(disk, sequence_after(disk, base));
}

void disk_end(struct disk *disk)
{
    disk_crash(disk);
    if (disk->journal)
        disk_journal_destroy(disk);
    drop_from(disk, 1);
    free(disk->entries);
    free(disk->log);
    free(disk->lost);
}
