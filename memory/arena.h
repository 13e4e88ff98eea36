/* memory/arena.h - large zeroed blocks that live as long as their owner, on the right node and the right pages.
 *
 * Writer:   one thread at a time takes memory (a stage's init, a replay, a matcher defining a symbol); what was taken
 *           belongs to the taker.
 * Progress: pit_arena_take maps pages now and then, so it is for initialisation, not for hot paths.
 * Memory:   mapped from the kernel in chunks, never moved, given back only by pit_arena_destroy. It is lazily touched:
 *           a large block costs address space until it is written, unless it is to be touched at once.
 *
 *   | chunk: taken ... | room |   | chunk made for one large block |   ...
 *
 * What was wished for and is not possible here (huge pages, a node) is not an error: the arena does without and
 * pit_arena_describe says so in words for people.
 */
#ifndef PIT_MEMORY_ARENA_H
#define PIT_MEMORY_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "book/market.h"
#include "pitline/error.h"

#define PIT_ARENA_NODE_ANY (-1)
#define PIT_ARENA_BYTES_MAX ((size_t)1 << 44)      /* in one arena, when its options say nothing */
#define PIT_ARENA_HUGE_BYTES_MAX ((size_t)4 << 30) /* of one arena on huge pages: see options.huge */
#define PIT_ARENA_CHUNK_BYTES ((size_t)2 << 20)
#define PIT_ARENA_ALIGNMENT_MAX ((size_t)2 << 20)
#define PIT_ARENA_NAME_BYTES 32u
#define PIT_ARENA_TEXT_BYTES 512u

struct pit_arena;

struct pit_arena_options {
    const char *name;   /* for people; cut to PIT_ARENA_NAME_BYTES - 1 */
    size_t bytes_first; /* size of the first chunk, mapped at once; 0 = when the first block is taken */
    size_t bytes_max;   /* in all chunks together; 0 = PIT_ARENA_BYTES_MAX */
    int node;           /* prefer this NUMA node's memory, or PIT_ARENA_NODE_ANY */
    bool huge;          /* try the kernel's reserved huge pages first (vm.nr_hugepages), else transparent ones; beyond
                           PIT_ARENA_HUGE_BYTES_MAX mapped, ordinary ones: thousands of large blocks, each hardly
                           touched, would otherwise take 2 MiB for every page in use. false: ordinary pages only */
    size_t prefault_bytes_max; /* touch every page when a chunk is mapped, as long as no more than this is mapped in
                                  all: 0 = never, SIZE_MAX = always */
};

/* 0; -EINVAL: options out of range; -ENOMEM: the kernel gives no memory. */
int pit_arena_create(struct pit_arena **arena, const struct pit_arena_options *options, struct pit_error *error);
void pit_arena_destroy(struct pit_arena *arena);

/* Zeroed bytes, aligned to alignment (a power of two up to PIT_ARENA_ALIGNMENT_MAX). NULL: bytes is 0, alignment is
 * none, bytes_max would be passed, or the kernel gives no memory; the arena is unchanged then. */
void *pit_arena_take(struct pit_arena *arena, size_t bytes, size_t alignment);

/* How many bytes a single block could still have before bytes_max is passed. */
size_t pit_arena_room(const struct pit_arena *arena);

/* The arena as a market's source of memory. A market cannot be refused: a block that cannot be had ends the process
 * with a message on stderr. Who lets others define symbols compares pit_book_bytes with pit_arena_room first. */
struct pit_reserve pit_arena_reserve(struct pit_arena *arena);

struct pit_arena_statistics {
    size_t bytes_mapped;      /* in chunks */
    size_t bytes_used;        /* taken, with the padding of alignment */
    size_t bytes_huge;        /* of bytes_mapped: on reserved huge pages */
    size_t bytes_transparent; /* of bytes_mapped: the kernel was asked for transparent huge pages and may give them */
    size_t bytes_max;
    uint64_t chunks;
    uint64_t blocks;         /* taken */
    int node;                /* as asked; PIT_ARENA_NODE_ANY where it was not or could not be granted */
    int node_error;          /* 0, or the negative errno with which placement was refused */
    int huge_error;          /* likewise for reserved huge pages */
    size_t bytes_prefaulted; /* of bytes_mapped: touched when mapped */
};
struct pit_arena_statistics pit_arena_statistics(const struct pit_arena *arena);

/* One line for people: what the arena has, and what was wished for and not possible. Returns text. */
char *pit_arena_describe(const struct pit_arena *arena, char text[PIT_ARENA_TEXT_BYTES]);

#endif
