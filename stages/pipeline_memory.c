/* stages/pipeline_memory.c - where a pipeline's memory comes from: arenas near the threads that use it. */
#include <errno.h>
#include <numa.h>
#include <string.h>
#include <unistd.h>

#include "ring/broadcast.h"
#include "stages/depth.h"
#include "stages/pipeline_parts.h"

static bool several_nodes(void)
{
    return numa_available() >= 0 && numa_num_configured_nodes() > 1;
}

int pit_pipeline_node(const struct pit_pipeline *pipeline, uint32_t agent)
{
    if (!several_nodes())
        return PIT_ARENA_NODE_ANY;
    const cpu_set_t *cpus = &pipeline->topology.threads[pit_topology_thread_of(&pipeline->topology, agent)].cpus;
    int node = PIT_ARENA_NODE_ANY;
    for (int cpu = 0; cpu < (int)CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET((size_t)cpu, cpus))
            continue;
        int of_cpu = numa_node_of_cpu(cpu);
        if (node != PIT_ARENA_NODE_ANY && of_cpu != node)
            return PIT_ARENA_NODE_ANY;
        node = of_cpu;
    }
    return node;
}

void pit_pipeline_allocate_near(const struct pit_pipeline *pipeline, uint32_t agent)
{
    if (!several_nodes())
        return;
    int node = agent == UINT32_MAX ? PIT_ARENA_NODE_ANY : pit_pipeline_node(pipeline, agent);
    if (node == PIT_ARENA_NODE_ANY)
        numa_set_localalloc();
    else
        numa_set_preferred(node);
}

int pit_pipeline_arena(const struct pit_pipeline *pipeline, struct pit_arena **arena, const char *name, uint32_t agent,
                       struct pit_error *error)
{
    static const size_t prefault_bytes[] = {
        [PIT_PREFAULT_AUTO] = PIT_PREFAULT_AUTO_BYTES, [PIT_PREFAULT_ALL] = SIZE_MAX, [PIT_PREFAULT_NONE] = 0};
    struct pit_arena_options options = {
        .name = name,
        .node = pit_pipeline_node(pipeline, agent),
        .huge = pipeline->config.huge_pages,
        .prefault_bytes_max = prefault_bytes[pipeline->config.prefault],
    };
    return pit_arena_create(arena, &options, error);
}

static struct pit_arena *ring_arena(struct pit_pipeline *pipeline, uint32_t agent, struct pit_error *error)
{
    int node = pit_pipeline_node(pipeline, agent);
    for (uint32_t i = 0; i < pipeline->arenas_count; i++)
        if (pipeline->arena_nodes[i] == node)
            return pipeline->arenas[i];
    struct pit_arena *arena = NULL;
    if (pit_pipeline_arena(pipeline, &arena, "rings", agent, error) != 0)
        return NULL;
    pipeline->arena_nodes[pipeline->arenas_count] = node;
    pipeline->arenas[pipeline->arenas_count++] = arena;
    return arena;
}

struct pit_ring *pit_pipeline_ring(struct pit_pipeline *pipeline, uint32_t agent, uint32_t slots, uint32_t slot_bytes,
                                   uint64_t first, struct pit_error *error)
{
    size_t bytes = pit_ring_bytes(slots, slot_bytes);
    if (bytes == 0) {
        pit_error_set(error, -EINVAL, "a ring of %u slots: the number must be a power of two from %u to %u", slots,
                      PIT_RING_SLOTS_MIN, PIT_RING_SLOTS_MAX);
        return NULL;
    }
    struct pit_arena *arena = ring_arena(pipeline, agent, error);
    void *memory = arena ? pit_arena_take(arena, bytes, PIT_SEQUENCE_BYTES) : NULL;
    if (arena && !memory)
        pit_error_set(error, -ENOMEM, "no memory for a ring of %zu MiB; make it smaller", bytes >> 20);
    return memory ? pit_ring_create(memory, slots, slot_bytes, first) : NULL;
}

static size_t padded(size_t bytes)
{
    return (bytes + 127) / 128 * 128;
}

/* A reserve: first from what was set aside. */
static void *take(void *context, size_t bytes, size_t alignment)
{
    struct pit_books_memory *memory = context;
    if (alignment <= 128 && padded(bytes) <= memory->aside_bytes) {
        void *block = memory->aside;
        memory->aside += padded(bytes);
        memory->aside_bytes -= padded(bytes);
        return block;
    }
    struct pit_reserve arena = pit_arena_reserve(memory->arena);
    return arena.reserve(arena.context, bytes, alignment);
}

struct pit_reserve pit_pipeline_reserve(struct pit_books_memory *memory)
{
    return (struct pit_reserve){.reserve = take, .context = memory};
}

int pit_pipeline_markets(struct pit_pipeline *pipeline, struct pit_error *error)
{
    for (uint32_t k = 0; k < pipeline->config.matchers; k++) {
        struct pit_pipeline_matcher *matcher = &pipeline->matchers[k];
        char name[PIT_ARENA_NAME_BYTES];
        snprintf(name, sizeof name, "books of matcher %u", k);
        int code = pit_pipeline_arena(pipeline, &matcher->memory.arena, name, matcher->agent, error);
        if (code)
            return code;
        struct pit_reserve reserve = pit_pipeline_reserve(&matcher->memory);
        matcher->market = pit_market_create(&reserve);
        uint64_t secret;
        code = pipeline->disk->random(pipeline->disk->context, &secret, sizeof secret);
        if (code)
            return pit_error_set(error, code, "no random numbers: %s", strerror(-code));
        pit_market_keep_secret(matcher->market, secret);
    }
    return 0;
}

static int set_aside(struct pit_books_memory *memory, size_t bytes, struct pit_error *error)
{
    if (bytes == 0)
        return 0;
    memory->aside = pit_arena_take(memory->arena, bytes, 128);
    if (!memory->aside)
        return pit_error_set(error, -ENOMEM,
                             "no memory for the books of new symbols: %zu MiB; lower their orders_max or levels_max",
                             bytes >> 20);
    memory->aside_bytes = bytes;
    return 0;
}

int pit_pipeline_set_aside(struct pit_pipeline *pipeline, struct pit_error *error)
{
    size_t book_bytes[PIT_MATCHERS_MAX] = {0};
    size_t depth_bytes = 0;
    for (uint32_t i = 0; i < pipeline->startup_count; i++) {
        const struct pit_command *command = &pipeline->startup[i];
        uint32_t owner = pipeline->owners[command->symbol];
        if (pit_market_book(pipeline->matchers[owner].market, command->symbol))
            continue;
        book_bytes[owner] += padded(pit_book_bytes(&command->definition));
        depth_bytes += padded(pit_depth_bytes(&command->definition));
    }
    int code = 0;
    for (uint32_t k = 0; k < pipeline->config.matchers && code == 0; k++)
        code = set_aside(&pipeline->matchers[k].memory, book_bytes[k], error);
    if (code == 0 && pipeline->publisher_memory.arena)
        code = set_aside(&pipeline->publisher_memory, depth_bytes, error);
    return code;
}

static void add_statistics(struct pit_arena_statistics *sum, const struct pit_arena *arena)
{
    if (!arena)
        return;
    struct pit_arena_statistics one = pit_arena_statistics(arena);
    sum->bytes_mapped += one.bytes_mapped;
    sum->bytes_huge += one.bytes_huge;
    sum->bytes_transparent += one.bytes_transparent;
    sum->bytes_prefaulted += one.bytes_prefaulted;
    if (one.node_error)
        sum->node_error = one.node_error;
    if (one.huge_error)
        sum->huge_error = one.huge_error;
}

/* With the market data's event ring, which is in shared memory. */
static size_t rings_bytes(const struct pit_pipeline_config *config)
{
    size_t bytes = pit_ring_bytes(config->input_slots, sizeof(struct pit_command));
    if (config->cluster.node)
        bytes *= 2; /* and the intake ring */
    if (!config->ends)
        bytes += pit_ring_bytes(config->session_slots, sizeof(struct pit_session_note));
    if (config->market_data)
        bytes += (size_t)config->event_slots * PIT_BROADCAST_SLOT_BYTES;
    return bytes + config->matchers * (pit_ring_bytes(config->output_slots, PIT_EVENT_LINE_BYTES) +
                                       pit_ring_bytes(PIT_DIGEST_SLOTS, sizeof(struct pit_digest_note)));
}

char *pit_pipeline_describe_rings(const struct pit_pipeline_config *config, char text[PIT_PIPELINE_RINGS_BYTES])
{
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    size_t bytes = rings_bytes(config), machine = pages > 0 && page_bytes > 0 ? (size_t)pages * (size_t)page_bytes : 0;
    int used = snprintf(text, PIT_PIPELINE_RINGS_BYTES, "%zu MiB", bytes >> 20);
    if (machine && bytes > machine / 2)
        snprintf(text + used, PIT_PIPELINE_RINGS_BYTES - (size_t)used,
                 " (they fill up, and this machine has %zu MiB in all: make them smaller)", machine >> 20);
    return text;
}

void pit_pipeline_describe_memory(const struct pit_pipeline *pipeline)
{
    struct pit_arena_statistics sum = {0};
    for (uint32_t i = 0; i < pipeline->arenas_count; i++)
        add_statistics(&sum, pipeline->arenas[i]);
    for (uint32_t k = 0; k < pipeline->config.matchers; k++)
        add_statistics(&sum, pipeline->matchers[k].memory.arena);
    add_statistics(&sum, pipeline->publisher_memory.arena);
    char what[320], rings[PIT_PIPELINE_RINGS_BYTES];
    snprintf(what, sizeof what, "%zu MiB of address space set aside, %zu MiB of it touched in advance; rings %s",
             sum.bytes_mapped >> 20, sum.bytes_prefaulted >> 20, pit_pipeline_describe_rings(&pipeline->config, rings));
    if (!pipeline->config.huge_pages)
        pit_pipeline_say(pipeline, "memory: %s; ordinary pages, as configured", what);
    else if (sum.huge_error == 0)
        pit_pipeline_say(pipeline, "memory: %s; %zu MiB on reserved huge pages", what, sum.bytes_huge >> 20);
    else
        pit_pipeline_say(pipeline, "memory: %s; no reserved huge pages for %zu MiB (raise vm.nr_hugepages), %s", what,
                         (sum.bytes_mapped - sum.bytes_huge) >> 20,
                         sum.bytes_transparent ? "transparent ones where the kernel has them"
                                               : "ordinary ones instead");
    if (sum.node_error)
        pit_pipeline_say(pipeline, "memory: not all of it could be placed near its thread (%s)",
                         strerror(-sum.node_error));
    else if (several_nodes())
        pit_pipeline_say(pipeline, "memory: placed near its threads where those stay on one NUMA node");
}

void pit_pipeline_free_memory(struct pit_pipeline *pipeline)
{
    for (uint32_t i = 0; i < pipeline->arenas_count; i++)
        pit_arena_destroy(pipeline->arenas[i]);
    for (uint32_t k = 0; k < pipeline->config.matchers; k++)
        pit_arena_destroy(pipeline->matchers[k].memory.arena);
    pit_arena_destroy(pipeline->publisher_memory.arena);
}
