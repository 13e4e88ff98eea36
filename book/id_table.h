/* book/id_table.h - from an id to the order that lives under it.
 *
 * An open-addressing table of live orders only: linear probing, at most half full, deletion by shifting back (so there
 * are no tombstones and the table knows nothing of orders long gone). An entry holds 32 bits of the id's hash and the
 * order's slot; the id itself stands in the order, and the caller compares it.
 *
 *   entry:  | hash (32) | order slot (32), never 0 |     0 = empty
 *
 * The table starts small and doubles as orders come to rest, so that a quiet book stays within a few cache lines
 * whatever its limit. Doubling is spread over the following inserts, a few entries each: there is never a pause. While
 * it lasts an id is in the old table or in the new one.
 *
 * Nothing ever walks the table to decide anything: its order is invisible. So the hash may have a secret in it: without
 * one, a client who knows this file can choose ids that all stand in one run, and every lookup near it becomes linear.
 *
 * Writer:   the owner of the book.
 * Memory:   the caller's zeroed block, 12 bytes for each entry of the largest table.
 * Progress: constant number of steps on average; the longest run of neighbours at worst.
 */
#ifndef PIT_BOOK_ID_TABLE_H
#define PIT_BOOK_ID_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/check.h"

#define PIT_ID_TABLE_START 256u /* entries of a fresh table, where the limit is not smaller */
#define PIT_ID_TABLE_MOVES 4u   /* steps of a doubling that each insert makes: 3 are enough */

struct pit_id_table {
    uint64_t *entries;
    uint32_t mask;
    uint32_t count;        /* in both tables */
    uint64_t *old_entries; /* being emptied from old_next upwards; NULL when no doubling is under way */
    uint32_t old_mask;
    uint32_t old_next;
    uint64_t *area[2]; /* tables lie in them by turns; area 0 takes the largest */
    uint32_t entries_max;
    uint32_t area_now;
    uint64_t secret;
};

/* Two words and the table's secret into 32 well-mixed bits: the folded 128-bit product. */
static inline uint32_t pit_id_hash(const struct pit_id_table *table, uint64_t id, uint32_t owner)
{
    const uint64_t secret = table->secret, turned = secret << 32 | secret >> 32;
    const uint64_t spread = (owner * UINT64_C(0x9fb21c651e98df25)) ^ UINT64_C(0xa0761d6478bd642f) ^ turned;
    const unsigned __int128 product = (unsigned __int128)(id ^ UINT64_C(0xe7037ed1a0b428db) ^ secret) * (spread | 1);
    return (uint32_t)((uint64_t)(product >> 64) ^ (uint64_t)product);
}

static inline uint64_t pit_id_entry(uint32_t hash, uint32_t slot)
{
    return (uint64_t)hash << 32 | slot;
}

/* Entries of the largest table for so many orders: a power of two, at least twice as many. */
static inline uint32_t pit_id_table_entries_max(uint32_t orders_max)
{
    uint32_t entries = 2;
    while (entries < 2 * orders_max)
        entries *= 2;
    return entries;
}

static inline size_t pit_id_table_bytes(uint32_t orders_max)
{
    size_t entries = pit_id_table_entries_max(orders_max);
    return (entries + entries / 2) * sizeof(uint64_t);
}

/* Lays out an empty table in zeroed memory of pit_id_table_bytes, aligned to 64. */
static inline void pit_id_table_create(struct pit_id_table *table, void *memory, uint32_t orders_max, uint64_t secret)
{
    uint32_t entries = pit_id_table_entries_max(orders_max), area = 0;
    *table = (struct pit_id_table){.entries_max = entries, .secret = secret};
    table->area[0] = memory;
    table->area[1] = table->area[0] + entries;
    while (entries > PIT_ID_TABLE_START) {
        entries /= 2;
        area ^= 1;
    }
    table->area_now = area;
    table->entries = table->area[area];
    table->mask = entries - 1;
}

/* Puts an entry into one table, which has room. */
static inline void pit_id_entries_put(uint64_t *entries, uint32_t mask, uint64_t entry)
{
    uint32_t at = (uint32_t)(entry >> 32) & mask;
    while (entries[at])
        at = (at + 1) & mask;
    entries[at] = entry;
}

/* Empties a place and shifts the following entries back, so that none is cut off from the place its hash names. */
static inline void pit_id_entries_clear(uint64_t *entries, uint32_t mask, uint32_t at)
{
    uint32_t gap = at;
    for (;;) {
        at = (at + 1) & mask;
        uint64_t entry = entries[at];
        if (!entry)
            break;
        uint32_t home = (uint32_t)(entry >> 32) & mask;
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            entries[gap] = entry;
            gap = at;
        }
    }
    entries[gap] = 0;
}

/* Goes on with a doubling: looks at one place of the old table, or moves one entry. */
static inline void pit_id_table_move(struct pit_id_table *table)
{
    uint64_t entry = table->old_entries[table->old_next];
    if (entry) {
        pit_id_entries_clear(table->old_entries, table->old_mask, table->old_next);
        pit_id_entries_put(table->entries, table->mask, entry);
    } else if (table->old_next++ == table->old_mask) {
        table->old_entries = NULL;
    }
}

static inline void pit_id_table_double(struct pit_id_table *table)
{
    PIT_CHECK(!table->old_entries); /* the last one ended long ago: PIT_ID_TABLE_MOVES sees to it */
    table->old_entries = table->entries;
    table->old_mask = table->mask;
    table->old_next = 0;
    table->area_now ^= 1;
    table->entries = table->area[table->area_now]; /* all zero: its last table was emptied entry by entry */
    table->mask = 2 * table->mask + 1;
}

/* Adds an order. Its id must not be in the table, and at most orders_max may be. */
static inline void pit_id_table_insert(struct pit_id_table *table, uint32_t hash, uint32_t slot)
{
    if (__builtin_expect(table->count > table->mask / 2 && table->mask + 1 < table->entries_max, 0))
        pit_id_table_double(table);
    for (uint32_t i = 0; __builtin_expect(table->old_entries != NULL, 0) && i < PIT_ID_TABLE_MOVES; i++)
        pit_id_table_move(table);
    pit_id_entries_put(table->entries, table->mask, pit_id_entry(hash, slot));
    table->count++;
}

/* Takes an order out. It must be in the table. */
static inline void pit_id_table_remove(struct pit_id_table *table, uint32_t hash, uint32_t slot)
{
    const uint64_t entry = pit_id_entry(hash, slot);
    uint64_t *entries = table->entries;
    uint32_t mask = table->mask, at = hash & mask;
    while (entries[at] && entries[at] != entry)
        at = (at + 1) & mask;
    if (__builtin_expect(!entries[at], 0)) {
        PIT_CHECK(table->old_entries);
        entries = table->old_entries;
        mask = table->old_mask;
        for (at = hash & mask; entries[at] != entry; at = (at + 1) & mask)
            PIT_HOT_CHECK(entries[at]);
    }
    pit_id_entries_clear(entries, mask, at);
    table->count--;
}

/* Candidates for a hash: calls same(context, slot) until it says true; returns that slot, or 0. Compilers inline same.
 */
static inline __attribute__((always_inline)) uint32_t
pit_id_table_find(const struct pit_id_table *table, uint32_t hash, bool (*same)(const void *context, uint32_t slot),
                  const void *context)
{
    for (uint32_t at = hash & table->mask; table->entries[at]; at = (at + 1) & table->mask)
        if (table->entries[at] >> 32 == hash && same(context, (uint32_t)table->entries[at]))
            return (uint32_t)table->entries[at];
    if (__builtin_expect(!table->old_entries, 1))
        return 0;
    for (uint32_t at = hash & table->old_mask; table->old_entries[at]; at = (at + 1) & table->old_mask)
        if (table->old_entries[at] >> 32 == hash && same(context, (uint32_t)table->old_entries[at]))
            return (uint32_t)table->old_entries[at];
    return 0;
}

/* The order that probably lives under the hash, or 0: a hint, without looking at the order. */
static inline uint32_t pit_id_table_guess(const struct pit_id_table *table, uint32_t hash)
{
    for (uint32_t at = hash & table->mask; table->entries[at]; at = (at + 1) & table->mask)
        if (table->entries[at] >> 32 == hash)
            return (uint32_t)table->entries[at];
    return 0;
}

/* Brings the place where a hash would stand into the cache. */
static inline void pit_id_table_prefetch(const struct pit_id_table *table, uint32_t hash)
{
    __builtin_prefetch(&table->entries[hash & table->mask]);
}

#endif
