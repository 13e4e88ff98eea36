/* test/cluster/world.c - time, events, random numbers, the network. */
#include "test/cluster/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring/check.h"

struct letter {
    uint32_t from, life;
    size_t bytes;
    uint8_t text[];
};

uint64_t world_random(struct world *world)
{
    uint64_t x = world->random_state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

uint64_t world_between(struct world *world, uint64_t least, uint64_t most)
{
    return least + world_random(world) % (most - least + 1);
}

bool world_chance(struct world *world, uint32_t permille)
{
    return world_random(world) % 1000 < permille;
}

void world_note(struct world *world, uint64_t value)
{
    world->trace = (world->trace ^ value) * UINT64_C(0x100000001b3);
    world->trace ^= world->trace >> 29;
}

void world_violation(struct world *world, const char *format, ...)
{
    if (world->violation[0])
        return;
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *colon = strchr(text, ':');
    if (world->passed_over && colon && strlen(world->passed_over) == (size_t)(colon - text) &&
        !memcmp(world->passed_over, text, (size_t)(colon - text)))
        return;
    snprintf(world->violation, sizeof world->violation, "at %.3f ms: %s", (double)world->now_ns / 1e6, text);
}

void world_tell(struct world *world, const char *format, ...)
{
    if (!world->telling)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("%10.3f  ", (double)world->now_ns / 1e6);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

/* Events: a heap by time, then by order. */

static bool before(const struct event *a, const struct event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

struct event *world_later(struct world *world, uint64_t at_ns, uint32_t node,
                          void (*happen)(struct world *world, struct event *event))
{
    if (world->events_count == world->events_room) {
        world->events_room = world->events_room ? world->events_room * 2 : 1024;
        world->events = realloc(world->events, world->events_room * sizeof *world->events);
        PIT_CHECK(world->events);
    }
    struct event event = {
        .at_ns = at_ns,
        .order = world->order++,
        .happen = happen,
        .node = node,
        .generation = world->node[node].generation,
    };
    uint32_t place = world->events_count++;
    while (place > 0 && before(&event, &world->events[(place - 1) / 2])) {
        world->events[place] = world->events[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    world->events[place] = event;
    return &world->events[place];
}

static struct event take(struct world *world)
{
    struct event first = world->events[0], last = world->events[--world->events_count];
    uint32_t place = 0;
    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= world->events_count)
            break;
        if (child + 1 < world->events_count && before(&world->events[child + 1], &world->events[child]))
            child++;
        if (!before(&world->events[child], &last))
            break;
        world->events[place] = world->events[child];
        place = child;
    }
    world->events[place] = last;
    return first;
}

/* The network. */

static void arrive(struct world *world, struct event *event)
{
    struct node *node = &world->node[event->node];
    struct letter *letter = event->letter;
    uint32_t *heard = &node->heard[letter->from];
    if (node->consensus && !world->cut[letter->from][node->number] && letter->life >= *heard) {
        *heard = letter->life; /* the connection of an older life is closed now */
        world_note(world, letter->from << 8 | letter->bytes << 16);
        pit_consensus_receive(node->consensus, letter->from, letter->text, letter->bytes);
        node_attend(node);
    }
    free(letter);
}

bool world_send(void *context, uint32_t to, const struct iovec *pieces, uint32_t count, size_t bytes)
{
    struct node *node = context;
    struct world *world = node->world;
    PIT_CHECK(to >= 1 && to <= world->nodes && to != node->number && bytes <= PIT_CONSENSUS_MESSAGE_BYTES_MAX);
    if (world_chance(world, world->loss_permille / 2))
        return false; /* no room */
    uint32_t copies = world_chance(world, world->twice_permille) ? 2 : 1;
    for (uint32_t i = 0; i < copies; i++) {
        if (world->cut[node->number][to] || world_chance(world, world->loss_permille))
            continue;
        struct letter *letter = malloc(sizeof *letter + bytes);
        PIT_CHECK(letter);
        letter->from = node->number;
        letter->life = node->life;
        letter->bytes = 0;
        for (uint32_t k = 0; k < count; k++) {
            memcpy(letter->text + letter->bytes, pieces[k].iov_base, pieces[k].iov_len);
            letter->bytes += pieces[k].iov_len;
        }
        PIT_CHECK(letter->bytes == bytes);
        uint64_t delay_ns = world_between(world, 20 * MICROSECOND, world->delay_ns);
        if (world_chance(world, world->late_permille))
            delay_ns += world_between(world, 0, 400 * MILLISECOND);
        world_later(world, world->now_ns + delay_ns, to, arrive)->letter = letter;
    }
    return true;
}

void world_heal_network(struct world *world)
{
    memset(world->cut, 0, sizeof world->cut);
    world->loss_permille = world->twice_permille = world->late_permille = 0;
    world->delay_ns = MILLISECOND;
}

/* The loop. */

void world_begin(struct world *world, uint64_t seed, uint32_t nodes)
{
    struct event *events = world->events;
    struct pit_event *slots = world->slots;
    struct matching *matching = world->matching;
    uint8_t *memory[WORLD_NODES_MAX + 1];
    size_t memory_used[WORLD_NODES_MAX + 1];
    for (uint32_t number = 1; number <= WORLD_NODES_MAX; number++) {
        memory[number] = world->node[number].memory;
        memory_used[number] = world->node[number].memory_used;
    }
    uint32_t room = world->events_room;
    bool telling = world->telling;
    const char *passed_over = world->passed_over;
    bool journals = world->journals;
    memset(world, 0, sizeof *world);
    world->events = events;
    world->events_room = room;
    world->slots = slots;
    world->matching = matching;
    world->telling = telling;
    world->passed_over = passed_over;
    world->journals = journals;
    world->seed = seed;
    world->random_state = seed * UINT64_C(0xd1342543de82ef95) + nodes;
    world->nodes = nodes;
    for (uint32_t number = 1; number <= WORLD_NODES_MAX; number++) {
        world->node[number].memory = memory[number];
        world->node[number].memory_used = memory_used[number];
    }
    world->commands_most = WORLD_COMMANDS_MAX;
    world->keep_bytes = world_chance(world, 250) ? UINT64_MAX : world_between(world, 0, 8192);
    world->memory_bytes = world_chance(world, 250) ? 1 << 20 : world_between(world, 1, 8192);
    world_heal_network(world);
    checks_begin(world);
    world->vote_flushes = world_chance(world, 500);
    for (uint32_t number = 1; number <= nodes; number++) {
        struct node *node = &world->node[number];
        node->world = world;
        node->number = number;
        node->drift_ppm = (int64_t)world_between(world, 0, 100000) - 50000;
        node->utc_ahead_ns = (int64_t)world_between(world, 0, 2000 * MILLISECOND);
        disk_begin(&node->disk, world, number);
        node_start(node);
    }
}

void world_end(struct world *world)
{
    for (uint32_t number = 1; number <= world->nodes; number++)
        node_end(&world->node[number]);
    for (uint32_t i = 0; i < world->events_count; i++)
        free(world->events[i].letter);
    world->events_count = 0;
    checks_end(world);
}

void world_free(struct world *world)
{
    for (uint32_t number = 1; number <= WORLD_NODES_MAX; number++)
        free(world->node[number].memory);
    free(world->events);
    free(world->slots);
    free(world->matching);
}

void world_run(struct world *world, uint64_t until_ns)
{
    while (world->events_count > 0 && world->events[0].at_ns <= until_ns && !world->violation[0]) {
        struct event event = take(world);
        world->now_ns = event.at_ns;
        const struct node *node = &world->node[event.node];
        if (event.node && node->paused_until_ns > world->now_ns) {
            struct event *again = world_later(world, node->paused_until_ns, event.node, event.happen);
            again->letter = event.letter;
            again->generation = event.generation;
            again->value = event.value;
            continue;
        }
        world->happened++;
        world_note(world, event.at_ns ^ event.node);
        event.happen(world, &event);
        if (world->happened == WORLD_EVENTS_MAX)
            world_violation(world, "storm: %u events, and no end", WORLD_EVENTS_MAX);
    }
    if (!world->violation[0])
        world->now_ns = until_ns;
}

void world_live(struct world *world)
{
    uint64_t faults_ns = 3000 * MILLISECOND;
    world->client_gap_ns = world_between(world, 4, 24) * MILLISECOND;
    world->loaded = true;
    world_later(world, world->now_ns + 200 * MILLISECOND, 0, node_clients);
    faults_begin(world, faults_ns);
    world_run(world, faults_ns);
    faults_end(world);
    /* Time to elect a leader whatever has gone on, to get clients served, and to pass on what is missing. */
    world_run(world, world->now_ns + 2000 * MILLISECOND);
    world->loaded = false;
    world_run(world, world->now_ns + 500 * MILLISECOND);
    if (!world->violation[0])
        checks_agreed(world);
}
