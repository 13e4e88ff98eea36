/* test/cluster/lives.c - nodes that lose their logs, or are given others: a disk that is damaged, a snapshot installed.
 */
#include <stdlib.h>
#include <string.h>

#include "ring/check.h"
#include "test/cluster/world.h"

/* At most a minority has lost promises and has not caught up. */
bool lives_may_damage(const struct node *node)
{
    const struct world *world = node->world;
    uint32_t unfit = node->unfit ? 0 : 1;
    for (uint32_t number = 1; number <= world->nodes; number++)
        unfit += world->node[number].unfit;
    return unfit <= world->nodes / 2;
}

/* While it is down, a bit of its log turns over. */
void lives_damage(struct world *world, struct node *node, uint64_t down_ms)
{
    if (!node->consensus || !lives_may_damage(node))
        return;
    node_stop(node, world->now_ns + world_between(world, 1, down_ms) * MILLISECOND);
    node->disk.damaged = true;
    node->unfit = true;
    world_tell(world, "node %u: its log is damaged", node->number);
}

/* What it has refused to load is taken away. */
void lives_lose(struct node *node)
{
    node->life++;
    disk_lose(&node->disk);
    world_tell(node->world, "node %u begins anew, in its life %u", node->number, node->life);
}

static void install(struct world *world, struct event *event)
{
    struct node *node = &world->node[event->value];
    const struct node *donor = &world->node[world_between(world, 1, world->nodes)];
    const struct disk *disk = &node->disk;
    uint64_t base = donor->disk.committed < donor->disk.count ? donor->disk.committed : donor->disk.count;
    bool has = base > 0 && disk->log_count >= base && disk->log[base - 1].chain == donor->disk.log[base - 1].chain;
    node->installing = false;
    /* What it has after an entry that is another one than is committed can never be committed: no promise goes with it.
     */
    if (!node->consensus || donor == node || donor->disk.damaged || base <= disk->committed || has)
        return;
    node_stop(node, world->now_ns + world_between(world, 1, 50) * MILLISECOND);
    world->installed++;
    disk_install(&node->disk, &donor->disk, base);
    world_tell(world, "node %u is given node %u's state up to entry %lu", node->number, donor->number, base);
}

void lives_attend(struct node *leader, const struct pit_consensus_state *state)
{
    struct world *world = leader->world;
    for (uint32_t number = 1; number <= world->nodes; number++) {
        struct node *node = &world->node[number];
        if (!(state->needs_snapshot & 1u << number) || node->installing)
            continue;
        node->installing = true;
        world_later(world, world->now_ns + world_between(world, 5, 100) * MILLISECOND, 0, install)->value = number;
    }
}
