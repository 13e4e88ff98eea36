/* stages/replicator_deliver.c - the replicator's way from committed entries to the input ring. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stages/replicator_parts.h"

/* Copies whole commands into the input ring as far as there is room. Returns how many bytes that took. */
static size_t put(struct pit_replicator *replicator, const uint8_t *bytes, size_t count)
{
    struct pit_ring *input = replicator->config.input;
    const size_t skip = sizeof(uint64_t); /* the slot's first word is the ring's: it is the command's sequence too */
    uint32_t room = pit_ring_room(input, (uint32_t)(count / PIT_REPLICATOR_LINE_BYTES));
    uint64_t next = pit_ring_published(input) + 1;
    uint32_t filled = 0;
    size_t at = 0;
    while (at < count && filled < room) {
        const struct pit_command *command = (const struct pit_command *)(const void *)(bytes + at);
        uint32_t size = pit_command_bytes(command);
        PIT_HOT_CHECK(command->sequence == next + filled);
        memcpy((uint8_t *)pit_ring_slot(input, next + filled) + skip, bytes + at + skip, size - skip);
        at += size;
        filled++;
    }
    if (filled > 0) {
        next = pit_ring_claim(input, filled);
        pit_ring_publish(input, next, filled);
        pit_replicator_count(&replicator->counters.committed, filled);
    }
    return at;
}

/* Keeps commands until there is room. */
static void keep(struct pit_replicator *replicator, const uint8_t *bytes, size_t count)
{
    size_t waiting = pit_replicator_backlog(replicator);
    if (replicator->backlog_end + count > replicator->backlog_room) {
        size_t room = replicator->backlog_room ? replicator->backlog_room : PIT_REPLICATOR_BATCH_BYTES;
        while (room < 2 * (waiting + count)) /* so that what waits is moved seldom */
            room *= 2;
        uint8_t *backlog = replicator->backlog;
        if (room != replicator->backlog_room)
            backlog = malloc(room);
        if (!backlog) {
            pit_replicator_fail(replicator, -ENOMEM, "no memory for %zu bytes of committed commands", room);
            return;
        }
        if (waiting > 0)
            memmove(backlog, replicator->backlog + replicator->backlog_first, waiting);
        if (backlog != replicator->backlog)
            free(replicator->backlog);
        replicator->backlog = backlog;
        replicator->backlog_room = room;
        replicator->backlog_first = 0;
        replicator->backlog_end = waiting;
    }
    memcpy(replicator->backlog + replicator->backlog_end, bytes, count);
    replicator->backlog_end += count;
}

/* A definition in the log: it must be what the configuration says, but for the price band. */
static bool learn_symbol(struct pit_replicator *replicator, const struct pit_command *command)
{
    const struct pit_symbol_definition *theirs = &command->definition;
    if (command->symbol >= replicator->symbols_count) {
        pit_replicator_fail(replicator, -EINVAL,
                            "the cluster has a symbol %.15s (number %u), which the configuration of this node does not "
                            "have: all nodes need the same symbols in the same order",
                            theirs->name, command->symbol);
        return false;
    }
    const struct pit_symbol_definition *ours = &replicator->symbols[command->symbol];
    struct pit_symbol_definition same = *ours;
    same.price_min = theirs->price_min;
    same.price_max = theirs->price_max;
    if (memcmp(&same, theirs, sizeof same) != 0) {
        pit_replicator_fail(replicator, -EINVAL,
                            "symbol number %u is %.15s in the cluster and %.15s in the configuration of this node, or "
                            "differs in more than its price band: all nodes need the same symbols in the same order",
                            command->symbol, theirs->name, ours->name);
        return false;
    }
    replicator->defined[command->symbol] = ours->price_min == theirs->price_min && ours->price_max == theirs->price_max;
    return true;
}

/* Looks at a committed batch. Returns where its commands begin that recovery has not applied, or count + 1: it cannot
 * be. */
static size_t look(struct pit_replicator *replicator, const struct pit_consensus_entry *entry)
{
    const uint8_t *bytes = entry->payload;
    size_t count = entry->bytes, fresh = 0;
    for (size_t at = 0; at < count;) {
        const struct pit_command *command = (const struct pit_command *)(const void *)(bytes + at);
        size_t left = count - at;
        bool whole = left >= PIT_REPLICATOR_LINE_BYTES && left >= pit_command_bytes(command);
        bool known = whole && command->sequence <= replicator->config.sequence;
        if (!whole || (!known && command->sequence != replicator->sequence + 1)) {
            pit_replicator_fail(replicator, -EBADMSG,
                                "entry %llu of the log is no batch of commands after sequence %llu: this is a fault in "
                                "pitline, or the log is damaged",
                                (unsigned long long)entry->index, (unsigned long long)replicator->sequence);
            return count + 1;
        }
        if (command->kind == PIT_COMMAND_SYMBOL && pit_command_bytes(command) > PIT_REPLICATOR_LINE_BYTES &&
            !learn_symbol(replicator, command))
            return count + 1;
        at += pit_command_bytes(command);
        if (known) {
            fresh = at;
            continue;
        }
        replicator->sequence++;
        replicator->time_ns = command->time_ns;
    }
    return fresh;
}

void pit_replicator_committed(void *context, const struct pit_consensus_entry *entry)
{
    struct pit_replicator *replicator = context;
    if (replicator->stopped)
        return;
    size_t at = look(replicator, entry);
    if (at > entry->bytes)
        return;
    const uint8_t *bytes = entry->payload;
    pit_replicator_count(&replicator->counters.batches, 1);
    if (pit_replicator_backlog(replicator) == 0)
        at += put(replicator, bytes + at, entry->bytes - at);
    if (at < entry->bytes)
        keep(replicator, bytes + at, entry->bytes - at);
}

uint32_t pit_replicator_deliver(struct pit_replicator *replicator)
{
    size_t waiting = pit_replicator_backlog(replicator);
    if (waiting > 0) {
        replicator->backlog_first += put(replicator, replicator->backlog + replicator->backlog_first, waiting);
        if (pit_replicator_backlog(replicator) == 0)
            replicator->backlog_first = replicator->backlog_end = 0;
    }
    uint64_t published = pit_ring_published(replicator->config.input);
    uint32_t done = (uint32_t)(published - replicator->delivered);
    if (done == 0)
        return 0;
    replicator->delivered = published;
    pit_sequence_store(replicator->config.durable, published);
    for (uint32_t i = 0; i < replicator->config.bells_count; i++)
        pit_bell_ring(replicator->bells[i]);
    return done;
}
