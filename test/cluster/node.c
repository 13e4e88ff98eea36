/* test/cluster/node.c - a node: the engine, the market that does what is committed, and what clients ask of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ring/check.h"
#include "test/cluster/world.h"

#define SLOTS 1024u
#define SYMBOLS 2u

/* Time and chance, as the node has them. */

static uint64_t monotonic_ns(void *context)
{
    const struct node *node = context;
    int64_t now_ns = (int64_t)node->world->now_ns;
    return (uint64_t)(now_ns + now_ns / 1000000 * node->drift_ppm) + node->monotonic_ahead_ns;
}

uint64_t node_utc_ns(const struct node *node)
{
    return (uint64_t)((int64_t)(UINT64_C(1700000000) * 1000 * MILLISECOND + node->world->now_ns) + node->utc_ahead_ns);
}

static uint64_t random_bits(void *argument)
{
    return world_random(argument);
}

/* The state machine. */

static void *reserve(void *context, size_t bytes, size_t alignment)
{
    struct node *node = context;
    size_t at = (node->memory_used + alignment - 1) / alignment * alignment;
    PIT_CHECK(alignment <= 4096 && at + bytes <= WORLD_MARKET_BYTES);
    node->memory_used = at + bytes;
    return node->memory + at;
}

static void make_room(struct pit_event_sink *sink)
{
    struct node *node = sink->context;
    pit_market_fold(node->market, sink);
    sink->limit = sink->next + SLOTS;
}

static void begin_market(struct node *node)
{
    if (!node->memory) {
        node->memory = aligned_alloc(4096, WORLD_MARKET_BYTES);
        PIT_CHECK(node->memory);
        node->memory_used = WORLD_MARKET_BYTES;
    }
    if (!node->world->slots) {
        node->world->slots = aligned_alloc(4096, SLOTS * sizeof *node->world->slots);
        PIT_CHECK(node->world->slots);
    }
    memset(node->memory, 0, node->memory_used);
    node->memory_used = 0;
    node->market = pit_market_create(&(struct pit_reserve){.reserve = reserve, .context = node});
    node->sink = (struct pit_event_sink){
        .slots = node->world->slots,
        .mask = SLOTS - 1,
        .limit = SLOTS,
        .make_room = make_room,
        .context = node,
    };
    node->delivered = node->sequence = node->time_ns = node->committed = 0;
    node->led = false;
}

static void committed(void *context, const struct pit_consensus_entry *entry)
{
    struct node *node = context;
    struct world *world = node->world;
    const uint8_t *at = entry->payload, *end = at + entry->bytes;
    uint64_t tag = 0;
    while (at < end) {
        struct pit_command command = {0};
        memcpy(&command, at, 64);
        memcpy(&command, at, pit_command_bytes(&command));
        at += pit_command_bytes(&command);
        if (tag == 0)
            tag = command.client_id >> 8;
        if (command.sequence != node->sequence + 1 || command.time_ns < node->time_ns)
            world_violation(world, "sequence: node %u, entry %lu has command %lu after %lu, or time falls",
                            node->number, entry->index, command.sequence, node->sequence);
        node->sequence = command.sequence;
        node->time_ns = command.time_ns;
        pit_market_apply(node->market, &command, &node->sink);
        node->sink.limit = node->sink.next + SLOTS;
    }
    world->delivered++;
    checks_committed(node, entry, tag);
    node->delivered = entry->index;
    if (node->disk.committed < entry->index)
        node->disk.committed = entry->index;
}

static void answered(void *context, uint64_t tag, enum pit_consensus_outcome outcome, uint64_t index)
{
    checks_answered(context, tag, outcome, index);
}

/* Running. */

static void wake(struct world *world, struct event *event)
{
    struct node *node = &world->node[event->node];
    if (event->generation != node->generation || !node->consensus)
        return;
    uint64_t again_ns = world->now_ns + WORLD_HEARTBEAT_MS * MILLISECOND / 4;
    pit_consensus_work(node->consensus);
    node_attend(node);
    if (node->consensus)
        world_later(world, again_ns, node->number, wake);
}

/* As a snapshot of the market would: what the engine does not tell. */
static void restore(struct node *node)
{
    node->committed = node->disk.base;
    for (uint64_t index = 1; index <= node->disk.base; index++) {
        struct pit_consensus_entry entry = disk_entry(&node->disk, index);
        if (entry.kind == PIT_CONSENSUS_COMMANDS)
            committed(node, &entry);
    }
}

void node_start(struct node *node)
{
    struct world *world = node->world;
    begin_market(node);
    disk_choose_base(&node->disk);
    restore(node);
    struct pit_consensus_options options = {
        .node = node->number,
        .nodes = world->nodes,
        .begin = node->disk.count == 0 && node->life == 0,
        .rejoin = node->life > 0,
        .election_ms = WORLD_ELECTION_MS,
        .heartbeat_ms = WORLD_HEARTBEAT_MS,
        .flight_bytes = 8192,
        .unanswered_bytes = 65536,
        .memory_bytes = world->memory_bytes,
        .storage = disk_storage(&node->disk),
        .network = {.context = node, .send = world_send},
        .machine = {.context = node, .committed = committed, .answered = answered},
        .clock = {.context = node, .monotonic_ns = monotonic_ns},
        .random = random_bits,
        .random_argument = world,
    };
    struct pit_error error = {0};
    node->generation++;
    node->proposed_term = 0;
    node->ahead = 0;
    node->meant_to_stop = false;
    node->restart_ns = 0;
    int code = pit_consensus_open(&node->consensus, &options, &error);
    if (code == -EBADMSG && node->disk.damaged) {
        lives_lose(node);
        begin_market(node);
        options.begin = false;
        options.rejoin = true;
        code = pit_consensus_open(&node->consensus, &options, &error);
    }
    if (code != 0) {
        node->consensus = NULL;
        world_violation(world, "start: node %u does not: %s", node->number, error.text);
        return;
    }
    world_tell(world, "node %u runs, %lu entries on disk", node->number, node->disk.count);
    world_later(world, world->now_ns + world_between(world, 0, 10 * MILLISECOND), node->number, wake);
}

static void restart(struct world *world, struct event *event)
{
    struct node *node = &world->node[event->node];
    if (!node->consensus && node->restart_ns == event->value)
        node_start(node);
}

static void lose_link(struct world *world, struct event *event)
{
    struct node *node = &world->node[event->node];
    if (!node->consensus || event->generation != node->generation)
        return;
    pit_consensus_lost(node->consensus, (uint32_t)event->value);
    node_attend(node);
}

void node_lost(struct node *node)
{
    struct world *world = node->world;
    for (uint32_t other = 1; other <= world->nodes; other++)
        if (other != node->number && !world->cut[node->number][other] && world_chance(world, 700))
            world_later(world, world->now_ns + world_between(world, 0, 5 * MILLISECOND), other, lose_link)->value =
                node->number;
}

void node_stop(struct node *node, uint64_t restart_ns)
{
    struct world *world = node->world;
    if (!node->consensus)
        return;
    world_tell(world, "node %u stops", node->number);
    world->crashes++;
    disk_crash(&node->disk);
    node->generation++;
    struct pit_consensus *consensus = node->consensus;
    node->consensus = NULL;
    pit_consensus_close(consensus);
    node->paused_until_ns = 0;
    node->disk.full = false;
    node->restart_ns = restart_ns;
    node_lost(node);
    world_later(world, restart_ns, node->number, restart)->value = restart_ns;
}

/* The disk first: what is being written is the engine's memory. */
void node_end(struct node *node)
{
    struct pit_consensus *consensus = node->consensus;
    node->consensus = NULL;
    disk_end(&node->disk);
    if (consensus)
        pit_consensus_close(consensus);
}

void node_attend(struct node *node)
{
    struct world *world = node->world;
    struct pit_consensus_state state = pit_consensus_state(node->consensus);
    checks_state(node, &state);
    if (node->disk.committed < state.committed)
        node->disk.committed = state.committed;
    if (node->disk.journal && !node->disk.failed)
        disk_journal_committed(&node->disk, state.committed);
    world->ahead += state.ahead - node->ahead;
    node->ahead = state.ahead;
    world->rejoined += node->unfit && !state.rejoining;
    node->unfit = state.rejoining;
    lives_attend(node, &state);
    if (state.role != PIT_CONSENSUS_STOPPED)
        return;
    struct pit_error error = {0};
    pit_consensus_failed(node->consensus, &error);
    world_tell(world, "node %u has stopped: %s", node->number, error.text);
    if (!node->disk.failed && !node->disk.full)
        world_violation(world, "stopped: node %u, and no disk fails: %s", node->number, error.text);
    node_stop(node, world->now_ns + world_between(world, 5, 800) * MILLISECOND);
}

uint32_t node_leading(const struct world *world)
{
    uint32_t leading = 0;
    uint64_t term = 0;
    for (uint32_t number = 1; number <= world->nodes; number++) {
        const struct node *node = &world->node[number];
        if (!node->consensus)
            continue;
        struct pit_consensus_state state = pit_consensus_state(node->consensus);
        if (state.role == PIT_CONSENSUS_LEADER && state.term >= term) {
            leading = number;
            term = state.term;
        }
    }
    return leading;
}

/* Clients. */

static struct pit_command definition(uint32_t symbol)
{
    struct pit_command command = {.kind = PIT_COMMAND_SYMBOL, .flags = PIT_COMMAND_WIDE, .symbol = symbol};
    command.definition = (struct pit_symbol_definition){
        .name = "A",
        .price_min = 1,
        .price_max = 1000,
        .quantity_max = 1000,
        .orders_max = 128,
        .levels_max = 32,
        .tick_mantissa = 1,
        .lot_mantissa = 1,
    };
    command.definition.name[0] = (char)('A' + symbol);
    return command;
}

static struct pit_command any_command(struct world *world, const struct node *node)
{
    if (node->proposed_sequence < SYMBOLS)
        return definition((uint32_t)node->proposed_sequence);
    uint64_t dice = world_between(world, 0, 9);
    struct pit_command command = {
        .account = 1 + (uint32_t)world_between(world, 0, 3),
        .symbol = (uint32_t)world_between(world, 0, SYMBOLS - 1),
        .kind = dice < 7   ? PIT_COMMAND_NEW
                : dice < 9 ? PIT_COMMAND_CANCEL
                           : PIT_COMMAND_REPLACE,
        .side = (uint8_t)world_between(world, 0, 1),
        .price = (int64_t)world_between(world, 95, 105),
        .quantity = world_between(world, 1, 50),
    };
    if (command.kind != PIT_COMMAND_NEW)
        command.order_id = world_between(world, 1, node->proposed_sequence);
    return command;
}

/* One batch, stamped as a leader stamps it: the next sequences, and a time that never falls. */
static void ask(struct node *node, uint64_t term)
{
    struct world *world = node->world;
    if (node->proposed_term != term) {
        /* It is ready: everything that its log held before has been done. */
        node->proposed_term = term;
        node->proposed_sequence = node->sequence;
        node->proposed_time_ns = node->time_ns;
    }
    uint8_t payload[WORLD_COMMANDS_MAX * sizeof(struct pit_command)];
    size_t bytes = 0;
    uint64_t sequence = node->proposed_sequence, time_ns = node->proposed_time_ns;
    uint64_t tag = world->next_tag + 1;
    uint64_t count = world_between(world, 1, world->commands_most);
    for (uint64_t i = 0; i < count; i++) {
        struct pit_command command = any_command(world, node);
        uint64_t utc_ns = node_utc_ns(node);
        node->proposed_time_ns = utc_ns > node->proposed_time_ns ? utc_ns : node->proposed_time_ns;
        command.sequence = ++node->proposed_sequence;
        command.time_ns = node->proposed_time_ns;
        command.client_id = tag << 8 | i;
        memcpy(payload + bytes, &command, pit_command_bytes(&command));
        bytes += pit_command_bytes(&command);
    }
    world->next_tag = tag; /* also if it is refused: one that fails may be on the disk all the same */
    if (pit_consensus_propose(node->consensus, payload, bytes, tag) != 0) {
        node->proposed_sequence = sequence;
        node->proposed_time_ns = time_ns;
    }
    node_attend(node);
}

void node_clients(struct world *world, struct event *event)
{
    (void)event;
    if (!world->loaded)
        return;
    for (uint32_t number = 1; number <= world->nodes; number++) {
        struct node *node = &world->node[number];
        if (!node->consensus || node->paused_until_ns > world->now_ns || !world_chance(world, 800))
            continue;
        struct pit_consensus_state state = pit_consensus_state(node->consensus);
        if (state.ready && world->highest + 1000 < WORLD_ENTRIES_MAX)
            ask(node, state.term);
    }
    world_later(world, world->now_ns + world_between(world, 1, world->client_gap_ns), 0, node_clients);
}
