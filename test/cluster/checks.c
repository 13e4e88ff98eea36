/* test/cluster/checks.c - what must hold whatever goes wrong.
 *
 *   log matching          two logs that have an entry of the same index and term have the same entries up to there
 *   one leader            in each term at most one node leads
 *   votes are kept        a term never falls, and in one term a node votes for one
 *   own term              a leader counts copies of entries of its own term only
 *   on a majority         what is committed for the first time is on the disks of a majority
 *   never lost, changed   what is committed stays on the disks of a majority, and is the same everywhere, after
 * restarts too once                  no proposal is committed twice; one that was acknowledged is committed where it
 * was said same state            at the same index every market has the same digest it goes on            when nothing
 * goes wrong any more, all nodes agree on all of it, and new commands are committed
 */
#include <stdlib.h>
#include <string.h>

#include "ring/check.h"
#include "test/cluster/world.h"

#define PLACES (4u * WORLD_ENTRIES_MAX) /* of entries written in one run, a power of two */

struct place {
    uint64_t index, term, chain;
};

struct matching {
    struct place places[PLACES];
    uint32_t used[PLACES / 2];
    uint32_t count;
};

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t x = (a ^ b) * UINT64_C(0x9e3779b97f4a7c15);
    return x ^ x >> 32;
}

uint64_t checks_chain(uint64_t before, const struct pit_consensus_entry *entry)
{
    uint64_t chain = mix(mix(before, entry->index), entry->term << 8 | entry->kind);
    const uint8_t *bytes = entry->payload;
    for (uint32_t at = 0; at < entry->bytes; at += 8) {
        uint64_t word;
        memcpy(&word, bytes + at, sizeof word);
        chain = mix(chain, word);
    }
    return chain;
}

void checks_begin(struct world *world)
{
    if (!world->matching)
        world->matching = calloc(1, sizeof *world->matching);
    PIT_CHECK(world->matching);
}

void checks_end(struct world *world)
{
    struct matching *matching = world->matching;
    for (uint32_t i = 0; i < matching->count; i++)
        matching->places[matching->used[i]] = (struct place){0};
    matching->count = 0;
}

static struct place *find(struct matching *matching, uint64_t index, uint64_t term)
{
    uint32_t at = (uint32_t)mix(mix(1, index), term) & (PLACES - 1);
    while (matching->places[at].index && (matching->places[at].index != index || matching->places[at].term != term))
        at = (at + 1) & (PLACES - 1);
    return &matching->places[at];
}

void checks_written(struct disk *disk, uint64_t index, uint64_t term, uint64_t chain)
{
    struct world *world = disk->world;
    struct matching *matching = world->matching;
    struct place *place = find(matching, index, term);
    if (place->index == 0) {
        PIT_CHECK(matching->count < PLACES / 2);
        matching->used[matching->count++] = (uint32_t)(place - matching->places);
        *place = (struct place){.index = index, .term = term, .chain = chain};
    } else if (place->chain != chain) {
        world_violation(world, "log matching: node %u has another log up to entry %lu of term %lu", disk->node, index,
                        term);
    }
}

void checks_voted(struct disk *disk, uint64_t term, uint64_t vote)
{
    if (term < disk->term ||
        (term == disk->term && disk->vote != 0 && disk->vote != PIT_CONSENSUS_REJOINING && vote != disk->vote))
        world_violation(disk->world, "votes: node %u votes for %lu in term %lu after %lu in %lu", disk->node, vote,
                        term, disk->vote, disk->term);
}

/* Of those that a node has lost, and not caught up with, nobody makes anything any more; the entry rests on them all
 * the same. */
static uint32_t copies(const struct world *world, uint64_t index, uint64_t chain)
{
    uint32_t count = 0;
    for (uint32_t number = 1; number <= world->nodes; number++) {
        const struct node *node = &world->node[number];
        const struct disk *disk = &node->disk;
        bool here = disk->count >= index && disk->entries[index - 1].chain == chain;
        bool lost = node->unfit && disk->lost_count >= index && disk->lost[index - 1].chain == chain;
        count += here || lost;
    }
    return count;
}

/* A node may truncate a copy of a committed entry, as long as it is none of the majority: one that has not heard of the
 * later leader yet which committed it, but of an earlier one that does not have it. */
void checks_truncated(struct disk *disk, uint64_t index)
{
    struct world *world = disk->world;
    for (uint64_t i = index; i <= disk->log_count && i <= WORLD_ENTRIES_MAX; i++) {
        uint64_t chain = disk->log[i - 1].chain;
        if (!world->truth[i].known || world->truth[i].chain != chain)
            continue;
        bool own = disk->count >= i && disk->entries[i - 1].chain == chain;
        if (copies(world, i, chain) - own <= world->nodes / 2)
            world_violation(world, "lost: node %u truncates from %lu on, and %lu is committed and on too few others",
                            disk->node, index, i);
    }
}

void checks_committed(struct node *node, const struct pit_consensus_entry *entry, uint64_t tag)
{
    struct world *world = node->world;
    const struct disk *disk = &node->disk;
    PIT_CHECK(entry->index <= WORLD_ENTRIES_MAX);
    if (entry->index <= node->delivered || entry->index > disk->log_count) {
        world_violation(world, "order: node %u does entry %lu after %lu", node->number, entry->index, node->delivered);
        return;
    }
    uint64_t chain = disk->log[entry->index - 1].chain;
    uint64_t before = entry->index > 1 ? disk->log[entry->index - 2].chain : 0;
    if (checks_chain(before, entry) != chain)
        world_violation(world, "changed: node %u does another entry %lu than it wrote", node->number, entry->index);
    struct pit_digest digest =
        entry->index % 32 ? pit_market_event_digest(node->market) : pit_market_full_digest(node->market);
    world_note(world, digest.events);
    struct truth *truth = &world->truth[entry->index];
    if (!truth->known) {
        uint32_t count = copies(world, entry->index, chain);
        if (count <= world->nodes / 2)
            world_violation(world, "majority: node %u takes entry %lu for committed, and it is on %u disks",
                            node->number, entry->index, count);
        *truth = (struct truth){
            .chain = chain,
            .events = digest.events,
            .state = digest.state,
            .sequence = node->sequence,
            .tag = tag,
            .known = true,
        };
        if (entry->index > world->highest)
            world->highest = entry->index;
        else
            world_violation(world, "order: entry %lu is committed first after %lu", entry->index, world->highest);
    } else if (truth->chain != chain) {
        world_violation(world, "changed: node %u does another entry %lu than others did", node->number, entry->index);
    } else if (truth->events != digest.events || truth->state != digest.state || truth->sequence != node->sequence) {
        world_violation(world, "state: node %u has another state after entry %lu", node->number, entry->index);
    }
}

void checks_answered(struct node *node, uint64_t tag, enum pit_consensus_outcome outcome, uint64_t index)
{
    struct world *world = node->world;
    if (outcome == PIT_CONSENSUS_UNKNOWN) {
        world->unknown++;
        return;
    }
    world->acknowledged++;
    if (!world->truth[index].known || world->truth[index].tag != tag)
        world_violation(world, "acknowledged: proposal %lu is not what entry %lu holds", tag, index);
}

void checks_state(struct node *node, const struct pit_consensus_state *state)
{
    struct world *world = node->world;
    if (state->committed < node->committed)
        world_violation(world, "commit: node %u falls from %lu to %lu", node->number, node->committed,
                        state->committed);
    if (state->committed > node->committed && node->led && state->role == PIT_CONSENSUS_LEADER &&
        node->disk.log[state->committed - 1].term != state->term)
        world_violation(world, "own term: node %u leads in term %lu and counts copies of an entry of term %lu",
                        node->number, state->term, node->disk.log[state->committed - 1].term);
    node->committed = state->committed;
    node->led = state->role == PIT_CONSENSUS_LEADER;
    world_note(world, state->committed << 20 ^ state->term << 4 ^ state->role);
    PIT_CHECK(state->term < WORLD_TERMS_MAX);
    if (state->role != PIT_CONSENSUS_LEADER)
        return;
    uint32_t *leader = &world->leader_of[state->term];
    if (*leader == 0) {
        *leader = node->number;
        world->elections++;
        world->handed += world->heir == node->number;
        world->heir = 0;
        faults_elected(node);
        world_tell(world, "node %u leads in term %lu, log %lu, committed %lu", node->number, state->term, state->last,
                   state->committed);
    } else if (*leader != node->number) {
        world_violation(world, "leaders: nodes %u and %u both lead in term %lu", *leader, node->number, state->term);
    }
}

static void check_tags(struct world *world)
{
    uint8_t *seen = calloc(world->next_tag + 1, 1);
    PIT_CHECK(seen);
    for (uint64_t index = 1; index <= world->highest; index++) {
        const struct truth *truth = &world->truth[index];
        if (truth->known && (truth->tag == 0 || truth->tag > world->next_tag || seen[truth->tag]++))
            world_violation(world, "once: proposal %lu is committed again as entry %lu", truth->tag, index);
    }
    free(seen);
}

static void tell_states(struct world *world)
{
    for (uint32_t number = 1; number <= world->nodes; number++) {
        const struct node *node = &world->node[number];
        if (!node->consensus)
            continue;
        struct pit_consensus_state state = pit_consensus_state(node->consensus);
        world_tell(
            world,
            "node %u: role %d ready %d leader %u term %lu last %lu durable %lu committed %lu; refused %lu waited "
            "%lu bounded %lu postponed %lu cut %lu",
            number, (int)state.role, state.ready, state.leader, state.term, state.last, state.durable, state.committed,
            state.refused, state.waited, state.bounded, state.postponed, state.cut);
    }
}

void checks_agreed(struct world *world)
{
    tell_states(world);
    const struct node *leader = &world->node[node_leading(world)];
    if (!leader->consensus) {
        world_violation(world, "it goes on: nobody leads");
        return;
    }
    for (uint32_t number = 1; number <= world->nodes; number++) {
        const struct node *node = &world->node[number];
        if (!node->consensus || node->unfit || node->committed != leader->committed ||
            node->delivered != world->highest) {
            world_violation(world, "it goes on: node %u has done %lu of %lu, committed %lu of %lu", number,
                            node->delivered, world->highest, node->committed, leader->committed);
            return;
        }
    }
    const struct pit_consensus_state state = pit_consensus_state(leader->consensus);
    if (!state.ready || state.committed != state.last || leader->proposed_term != state.term)
        world_violation(world, "it goes on: the leader has committed %lu of %lu and serves nobody", state.committed,
                        state.last);
    check_tags(world);
}
