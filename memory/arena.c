/* memory/arena.c - chunks of mapped memory, handed out from their start to their end. */
#include "memory/arena.h"

#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring/check.h"

#define HUGE_BYTES ((size_t)2 << 20)

/* The bookkeeping lives outside the mapped memory, so that a block may have a whole chunk to itself. */
struct chunk {
    struct chunk *next;
    uint8_t *start;
    size_t bytes;
    size_t used;
};

struct pit_arena {
    char name[PIT_ARENA_NAME_BYTES];
    struct chunk *chunks; /* newest first; only the first is looked at for room */
    size_t bytes_max;
    int node;
    bool huge;
    size_t prefault_bytes_max;
    struct pit_arena_statistics statistics;
};

static size_t round_up(size_t value, size_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* Maps bytes (a multiple of HUGE_BYTES), aligned so that huge pages fit. Returns NULL and errno. */
static uint8_t *map_aligned(size_t bytes)
{
    uint8_t *wide =
        mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (wide == MAP_FAILED)
        return NULL;
    size_t before = (HUGE_BYTES - (uintptr_t)wide % HUGE_BYTES) % HUGE_BYTES;
    if (before)
        munmap(wide, before);
    munmap(wide + before + bytes, HUGE_BYTES - before);
    return wide + before;
}

/* Reserved huge pages. Without MAP_NORESERVE: the kernel refuses here what it could not give at the first touch. */
static uint8_t *map_huge(struct pit_arena *arena, size_t bytes)
{
    uint8_t *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    if (start == MAP_FAILED) {
        arena->statistics.huge_error = -errno;
        return NULL;
    }
    if ((uintptr_t)start % HUGE_BYTES) { /* a machine whose huge pages are smaller */
        munmap(start, bytes);
        arena->statistics.huge_error = -ENOTSUP;
        return NULL;
    }
    return start;
}

/* Prefers the arena's node for the pages. A preference, not a binding: memory elsewhere is better than none. */
static void place(struct pit_arena *arena, uint8_t *start, size_t bytes)
{
    if (arena->node == PIT_ARENA_NODE_ANY)
        return;
    int result = 0;
    if (numa_available() < 0) {
        result = -ENOSYS;
    } else if (arena->node > numa_max_node()) {
        result = -ENODEV;
    } else {
        struct bitmask *nodes = numa_allocate_nodemask();
        numa_bitmask_setbit(nodes, (unsigned)arena->node);
        if (mbind(start, bytes, MPOL_PREFERRED, nodes->maskp, nodes->size + 1, 0))
            result = -errno;
        numa_bitmask_free(nodes);
    }
    arena->statistics.node_error = result;
    arena->statistics.node = result ? PIT_ARENA_NODE_ANY : arena->node;
}

static void prefault(uint8_t *start, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
    if (madvise(start, bytes, MADV_POPULATE_WRITE) == 0)
        return;
#endif
    memset(start, 0, bytes);
}

/* Adds a chunk with room for at least bytes. */
static int chunk_add(struct pit_arena *arena, size_t bytes)
{
    size_t left = arena->bytes_max - arena->statistics.bytes_mapped;
    if (bytes > left)
        return -ENOMEM;
    bytes = round_up(bytes < PIT_ARENA_CHUNK_BYTES ? PIT_ARENA_CHUNK_BYTES : bytes, HUGE_BYTES);
    if (bytes > left)
        return -ENOMEM;
    struct chunk *chunk = calloc(1, sizeof *chunk);
    if (!chunk)
        return -ENOMEM;
    chunk->bytes = bytes;
    bool huge = arena->huge && arena->statistics.bytes_mapped + bytes <= PIT_ARENA_HUGE_BYTES_MAX;
    if (huge)
        chunk->start = map_huge(arena, bytes);
    if (chunk->start) {
        arena->statistics.bytes_huge += bytes;
    } else {
        chunk->start = map_aligned(bytes);
        if (!chunk->start) {
            free(chunk);
            return -ENOMEM;
        }
        if (madvise(chunk->start, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) == 0 && huge)
            arena->statistics.bytes_transparent += bytes;
    }
    place(arena, chunk->start, bytes);
    if (arena->statistics.bytes_mapped + bytes <= arena->prefault_bytes_max) {
        prefault(chunk->start, bytes);
        arena->statistics.bytes_prefaulted += bytes;
    }
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->statistics.bytes_mapped += bytes;
    arena->statistics.chunks++;
    return 0;
}

int pit_arena_create(struct pit_arena **arena, const struct pit_arena_options *options, struct pit_error *error)
{
    *arena = NULL;
    size_t bytes_max = options->bytes_max ? options->bytes_max : PIT_ARENA_BYTES_MAX;
    if (bytes_max > PIT_ARENA_BYTES_MAX || options->bytes_first > bytes_max || options->node < PIT_ARENA_NODE_ANY)
        return pit_error_set(
            error, -EINVAL, "memory for %s: %zu bytes at first, %zu at most, node %d: out of range (at most %zu bytes)",
            options->name ? options->name : "?", options->bytes_first, bytes_max, options->node, PIT_ARENA_BYTES_MAX);
    struct pit_arena *made = calloc(1, sizeof *made);
    if (!made)
        return pit_error_set(error, -ENOMEM, "memory: none for the description of an arena");
    strncpy(made->name, options->name ? options->name : "memory", sizeof made->name - 1);
    made->bytes_max = bytes_max / HUGE_BYTES * HUGE_BYTES;
    if (made->bytes_max < bytes_max)
        made->bytes_max += HUGE_BYTES; /* whole chunks: the bound is rounded up */
    made->node = options->node;
    made->huge = options->huge;
    made->prefault_bytes_max = options->prefault_bytes_max;
    made->statistics.bytes_max = made->bytes_max;
    made->statistics.node = PIT_ARENA_NODE_ANY;
    if (options->bytes_first && chunk_add(made, options->bytes_first)) {
        pit_arena_destroy(made);
        return pit_error_set(
            error, -ENOMEM,
            "memory for %s: the kernel gives no %zu bytes; ask for less (rings, orders_max, levels_max) "
            "or allow the process more (ulimit -v, the control group's memory.max)",
            options->name ? options->name : "?", options->bytes_first);
    }
    *arena = made;
    return 0;
}

void pit_arena_destroy(struct pit_arena *arena)
{
    if (!arena)
        return;
    for (struct chunk *chunk = arena->chunks; chunk;) {
        struct chunk *next = chunk->next;
        munmap(chunk->start, chunk->bytes);
        free(chunk);
        chunk = next;
    }
    free(arena);
}

/* The block's bytes from the first chunk, or NULL when they do not fit. */
static void *take_from_first(struct pit_arena *arena, size_t bytes, size_t alignment)
{
    struct chunk *chunk = arena->chunks;
    if (!chunk)
        return NULL;
    size_t from = round_up(chunk->used, alignment); /* chunks start on a multiple of every alignment allowed */
    if (from > chunk->bytes || chunk->bytes - from < bytes)
        return NULL;
    arena->statistics.bytes_used += from + bytes - chunk->used;
    arena->statistics.blocks++;
    chunk->used = from + bytes;
    return chunk->start + from;
}

void *pit_arena_take(struct pit_arena *arena, size_t bytes, size_t alignment)
{
    if (bytes == 0 || alignment == 0 || (alignment & (alignment - 1)) || alignment > PIT_ARENA_ALIGNMENT_MAX)
        return NULL;
    void *block = take_from_first(arena, bytes, alignment);
    if (block)
        return block;
    struct chunk *old = arena->chunks;
    if (chunk_add(arena, bytes))
        return NULL;
    block = take_from_first(arena, bytes, alignment);
    PIT_CHECK(block);
    struct chunk *made = arena->chunks;
    if (old && old->bytes - old->used > made->bytes - made->used) { /* the roomier one stays in front */
        made->next = old->next;
        old->next = made;
        arena->chunks = old;
    }
    return block;
}

size_t pit_arena_room(const struct pit_arena *arena)
{
    size_t left = arena->bytes_max - arena->statistics.bytes_mapped;
    size_t front = arena->chunks ? arena->chunks->bytes - arena->chunks->used : 0;
    return left > front ? left : front;
}

static void *reserve_or_end(void *context, size_t bytes, size_t alignment)
{
    struct pit_arena *arena = context;
    void *block = pit_arena_take(arena, bytes, alignment);
    if (!block) {
        dprintf(
            STDERR_FILENO,
            "pitline: memory for %s: %zu bytes wanted (alignment %zu), %zu mapped of %zu allowed: ending. Lower the "
            "symbols' orders_max and levels_max, or give the process more memory\n",
            arena->name, bytes, alignment, arena->statistics.bytes_mapped, arena->bytes_max);
        abort();
    }
    return block;
}

struct pit_reserve pit_arena_reserve(struct pit_arena *arena)
{
    return (struct pit_reserve){.reserve = reserve_or_end, .context = arena};
}

struct pit_arena_statistics pit_arena_statistics(const struct pit_arena *arena)
{
    return arena->statistics;
}

/* Adds to the text, cutting what does not fit. */
__attribute__((format(printf, 3, 4))) static size_t add(char *text, size_t at, const char *format, ...)
{
    if (at >= PIT_ARENA_TEXT_BYTES)
        return at;
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text + at, PIT_ARENA_TEXT_BYTES - at, format, arguments);
    va_end(arguments);
    return n < 0 ? at : at + (size_t)n;
}

static double mib(size_t bytes)
{
    return (double)bytes / (1024.0 * 1024.0);
}

char *pit_arena_describe(const struct pit_arena *arena, char text[PIT_ARENA_TEXT_BYTES])
{
    const struct pit_arena_statistics *s = &arena->statistics;
    size_t at = add(text, 0, "%s: %.1f of %.1f MiB used", arena->name, mib(s->bytes_used), mib(s->bytes_mapped));
    if (s->bytes_huge)
        at = add(text, at, ", %.1f on reserved huge pages", mib(s->bytes_huge));
    if (s->bytes_transparent)
        at = add(text, at, ", %.1f on transparent huge pages where the kernel has them", mib(s->bytes_transparent));
    size_t plain = s->bytes_mapped - s->bytes_huge - s->bytes_transparent;
    if (plain)
        at = add(text, at, ", %.1f on ordinary pages", mib(plain));
    if (s->huge_error == -ENOMEM)
        at = add(text, at, "; not enough reserved huge pages (raise vm.nr_hugepages)");
    else if (s->huge_error)
        at = add(text, at, "; no reserved huge pages (%s)", strerror(-s->huge_error));
    if (s->node != PIT_ARENA_NODE_ANY)
        at = add(text, at, "; on node %d", s->node);
    else if (s->node_error == -ENOSYS)
        at = add(text, at, "; not placed: this kernel has no NUMA");
    else if (s->node_error == -ENODEV)
        at = add(text, at, "; not placed: there is no node %d", arena->node);
    else if (s->node_error)
        at = add(text, at, "; not placed on node %d (%s)", arena->node, strerror(-s->node_error));
    if (s->bytes_prefaulted)
        add(text, at, "; %.1f touched", mib(s->bytes_prefaulted));
    return text;
}
