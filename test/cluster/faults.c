/* test/cluster/faults.c - what goes wrong, and when it ends. */
#include <string.h>

#include "test/cluster/world.h"

static uint32_t victim(struct world *world)
{
    uint32_t leading = node_leading(world);
    if (leading && world_chance(world, 600))
        return leading;
    return (uint32_t)world_between(world, 1, world->nodes);
}

static void crash(struct world *world, struct node *node)
{
    node_stop(node, world->now_ns + world_between(world, 5, 800) * MILLISECOND);
}

static void heal_network(struct world *world, struct event *event)
{
    (void)event;
    world_tell(world, "the network heals");
    world_heal_network(world);
}

static void isolate(struct world *world, struct node *node)
{
    uint64_t way = world_between(world, 0, 2); /* hears nobody, is heard by nobody, both */
    for (uint32_t other = 1; other <= world->nodes; other++) {
        if (other == node->number)
            continue;
        world->cut[other][node->number] |= way != 1;
        world->cut[node->number][other] |= way != 0;
    }
    world_tell(world, "node %u is cut off, way %lu", node->number, way);
    world_later(world, world->now_ns + world_between(world, 30, 700) * MILLISECOND, 0, heal_network);
}

static void divide(struct world *world, struct node *node)
{
    (void)node;
    uint64_t side = world_random(world);
    for (uint32_t a = 1; a <= world->nodes; a++) {
        for (uint32_t b = 1; b <= world->nodes; b++)
            world->cut[a][b] |= (side >> a & 1) != (side >> b & 1);
    }
    world_tell(world, "the network is divided: %lx", side & 0x3e);
    world_later(world, world->now_ns + world_between(world, 30, 700) * MILLISECOND, 0, heal_network);
}

static void disturb(struct world *world, struct node *node)
{
    (void)node;
    world->loss_permille = (uint32_t)world_between(world, 0, 200);
    world->twice_permille = (uint32_t)world_between(world, 0, 100);
    world->late_permille = (uint32_t)world_between(world, 0, 300);
    world->delay_ns = world_between(world, 1, 40) * MILLISECOND;
    world_tell(world, "the network is bad");
    world_later(world, world->now_ns + world_between(world, 100, 900) * MILLISECOND, 0, heal_network);
}

static void pause_node(struct world *world, struct node *node)
{
    node->paused_until_ns = world->now_ns + world_between(world, 10, 700) * MILLISECOND;
    world_tell(world, "node %u is paused until %.3f", node->number, (double)node->paused_until_ns / 1e6);
}

static void jump_clock(struct world *world, struct node *node)
{
    node->monotonic_ahead_ns += world_between(world, 10, 1500) * MILLISECOND;
    node->utc_ahead_ns += (int64_t)world_between(world, 0, 20000 * MILLISECOND) - (int64_t)(10000 * MILLISECOND);
    world_tell(world, "node %u: its clocks jump", node->number);
}

static void quicken(struct world *world, struct event *event)
{
    world->node[event->node].disk.slow_ns = 0;
}

static void slow_disk(struct world *world, struct node *node)
{
    node->disk.slow_ns = world_between(world, 1, 300) * MILLISECOND;
    world_tell(world, "node %u: its disk takes %lu ms longer", node->number, node->disk.slow_ns / MILLISECOND);
    world_later(world, world->now_ns + world_between(world, 100, 900) * MILLISECOND, node->number, quicken);
}

static void fill_disk(struct world *world, struct node *node)
{
    node->disk.full = true;
    world_tell(world, "node %u: its disk is full", node->number);
}

static void fail_disk(struct world *world, struct node *node)
{
    uint64_t in = world_between(world, 1, 30);
    if (node->disk.journal)
        disk_journal_fail(&node->disk, in);
    else
        node->disk.fail_in = in;
}

static void remove_old(struct world *world, struct node *node)
{
    (void)world;
    disk_remove(&node->disk);
    world_tell(world, "node %u removes entries before %lu", node->number, node->disk.first);
}

static void damage(struct world *world, struct node *node)
{
    lives_damage(world, node, 800);
}

static struct node *other(struct world *world, const struct node *node)
{
    uint64_t number = world_between(world, 1, world->nodes - 1);
    return &world->node[number < node->number ? number : number + 1];
}

static void spring(struct world *world, struct event *event)
{
    struct node *node = &world->node[event->node];
    if (world->calm || !node->consensus || event->generation != node->generation)
        return;
    if (world_chance(world, 500))
        crash(world, node);
    else
        isolate(world, node);
}

/* What a node has acknowledged to a leader, which the others do not know of, is lost; then the leader is. */
static void ambush(struct world *world, struct node *leader)
{
    struct node *node = other(world, leader);
    if (!lives_may_damage(node))
        return;
    if (world_chance(world, 500))
        slow_disk(world, leader);
    for (uint32_t number = 1; number <= world->nodes; number++) {
        if (number != node->number && number != leader->number && world_chance(world, 700))
            world->cut[leader->number][number] = true;
    }
    lives_damage(world, node, 30);
    world_later(world, world->now_ns + world_between(world, 10, 300) * MILLISECOND, leader->number, spring);
    world_later(world, world->now_ns + world_between(world, 10, 200) * MILLISECOND, 0, heal_network);
}

static void hand_over(struct world *world, struct node *node)
{
    struct node *heir = other(world, node);
    if (pit_consensus_transfer(node->consensus, heir->number) != 0)
        return;
    world->heir = heir->number;
    world_tell(world, "node %u hands over to node %u", node->number, heir->number);
    node_attend(node);
}

static void break_links(struct world *world, struct node *node)
{
    world_tell(world, "node %u: its links break", node->number);
    node_lost(node);
}

struct fault {
    uint32_t weight;
    void (*strike)(struct world *world, struct node *node);
};

static const struct fault faults[] = {
    {24, crash},    {20, isolate},  {6, divide},     {8, disturb}, {8, pause_node}, {5, jump_clock}, {8, slow_disk},
    {3, fill_disk}, {6, fail_disk}, {6, remove_old}, {6, damage},  {10, ambush},    {12, hand_over}, {6, break_links},
};

static void strike(struct world *world, struct event *event)
{
    if (world->calm)
        return;
    uint32_t weights = 0;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        weights += faults[i].weight;
    uint64_t dice = world_between(world, 1, weights);
    const struct fault *fault = faults;
    while (dice > fault->weight)
        dice -= fault++->weight;
    struct node *node = &world->node[victim(world)];
    if (node->consensus)
        fault->strike(world, node);
    world_later(world, world->now_ns + world_between(world, 1 * MILLISECOND, event->value), 0, strike)->value =
        event->value;
}

static void strike_elected(struct world *world, struct event *event)
{
    struct node *node = &world->node[event->node];
    if (world->calm || !node->consensus || event->generation != node->generation)
        return;
    switch (event->value) {
    case 0:
        crash(world, node);
        break;
    case 1:
        isolate(world, node);
        break;
    case 2:
        slow_disk(world, node);
        break;
    default: /* it has somebody's vote, who does not know it any more, and hears others again */
        world_heal_network(world);
        isolate(world, node);
        lives_damage(world, other(world, node), 30);
    }
}

void faults_elected(struct node *node)
{
    struct world *world = node->world;
    if (world->calm || !world_chance(world, world->haste_permille))
        return;
    uint64_t at_ns = world->now_ns + world_between(world, 0, 20 * MILLISECOND);
    uint64_t value = world_between(world, 0, 3);
    world_later(world, at_ns, node->number, strike_elected)->value = value;
}

void faults_begin(struct world *world, uint64_t until_ns)
{
    (void)until_ns;
    world->haste_permille = (uint32_t)world_between(world, 0, 2) * 400;
    uint64_t gap_ns = world_between(world, 60, 500) * MILLISECOND;
    world_later(world, world->now_ns + 250 * MILLISECOND, 0, strike)->value = gap_ns;
}

void faults_end(struct world *world)
{
    world->calm = true;
    world_heal_network(world);
    for (uint32_t number = 1; number <= world->nodes; number++) {
        struct node *node = &world->node[number];
        node->paused_until_ns = 0;
        node->disk.full = false;
        node->disk.fail_in = 0;
        if (node->disk.journal)
            disk_journal_fail(&node->disk, 0);
        node->disk.slow_ns = 0;
        if (!node->consensus && !world->violation[0])
            node_start(node);
    }
    world_tell(world, "calm");
}
