/* book/id_table.h - from an id to the order that lives under it.
 *
 * A hash table of live orders only: it knows nothing of orders long gone. It has buckets of up to six orders each. What
 * tells whether an order may be in one stands apart from the orders: most searches are for ids that nobody has, and
 * eight buckets' tags share a cache line.
 *
 *   bucket   | tags: one byte an order, 0 = free | passed |     | six order slots |
 *
 * A tag is seven bits of the id's hash and a mark that it is in use, so that one word tells which of the six may be
 * meant, and which is free, without a look at any of them; the id itself stands in the order. An order that finds its
 * bucket full goes into one behind, and every bucket it went past counts it in `passed`: a search goes on to the next
 * bucket only where somebody passed. So nearly every operation looks at one bucket and takes no branch that a processor
 * could guess wrong; and a bucket that an order leaves is as if it had never been there. An order knows its place.
 *
 * The table starts small and doubles as orders come to rest, so that a quiet book stays within a few cache lines
 * whatever its limit. Doubling is spread over the following inserts, a few buckets each: there is never a pause. While
 * it lasts an id is in the old table or in the new one. It starts when half of all places are taken, and the largest
 * table has at least twice as many places as the limit has orders: a table is never full.
 *
 * Nothing ever walks the table to decide anything: its order is invisible. So the hash may have a secret in it: without
 * one, a client who knows this file can choose ids that all stand in one run, and every lookup near it becomes linear.
 *
 * Writer:   the owner of the book.
 * Memory:   the caller's zeroed block, 16 to 32 bytes for each order of the limit.
 * Progress: constant number of steps on average; the longest run of full buckets at worst.
 */
#ifndef PIT_BOOK_ID_TABLE_H
#define PIT_BOOK_ID_TABLE_H

#include <stdbool.h>

#include "book/order.h"
#include "pitline/types.h"

#define PIT_ID_BUCKET_ORDERS 6u
#define PIT_ID_TABLE_FILL 3u   /* orders a bucket, over the whole table, at which it doubles; no table has more */
#define PIT_ID_TABLE_STEPS 8u  /* of a doubling, an insert: a search has two tables to look at until it is over */
#define PIT_ID_TABLE_START 64u /* buckets of a fresh table, where the limit does not ask for fewer */

#define PIT_ID_TAG_BITS UINT64_C(0x0000ffffffffffff) /* of all six */
#define PIT_ID_TAG_USED UINT64_C(0x0000808080808080) /* the mark of each */
#define PIT_ID_TAG_EACH UINT64_C(0x0000010101010101)
#define PIT_ID_PASSED_ONE (UINT64_C(1) << 48)
#define PIT_ID_PASSED_MAX UINT64_C(0xffff) /* a count that gets here stays: it may be larger */

struct pit_id_slots {
    uint32_t slot[PIT_ID_BUCKET_ORDERS];
};

/* A seat: where an order stands, so that it leaves without a search: bucket * 8 + place. */
#define PIT_ID_SEAT_BEHIND 0x80000000u /* behind the bucket its hash names */
/* The block has fewer buckets than orders: at most two for each PIT_ID_TABLE_FILL orders, and half as many again. */
_Static_assert(PIT_ORDERS_MAX * 8u <= PIT_ID_SEAT_BEHIND, "every bucket has a number in a seat");

#define PIT_ID_NO_TABLE UINT32_MAX

struct pit_id_table {
    /* By bucket: in the block there is room for two tables. */
    uint64_t *tags; /* and passed, in the highest 16 bits */
    struct pit_id_slots *slots;
    uint32_t first; /* the table's first bucket */
    uint32_t shift; /* a hash's highest bits are its bucket: 32 - log2(buckets) */
    uint32_t count;
    uint32_t count_care; /* the count at which an insert must call pit_id_table_care */
    uint32_t buckets_max;
    struct pit_order *orders;
    enum pit_id_kind kind;
    uint32_t zero;
    uint64_t salt;
    uint64_t factor[2];
    uint32_t old; /* the first bucket of the one being emptied; PIT_ID_NO_TABLE when no doubling is under way */
    uint32_t old_shift;
    uint32_t old_step; /* buckets of it gone over: first to move their orders, */
    bool old_empty;    /* and, when no order is left, once more to clear their counts */
};

/* Two words into 32 bits, the highest mixed best: the upper half of a folded 128-bit product, with a salt and factors
 * that, given a secret, are nobody's guess. */
static inline uint32_t pit_id_hash(const struct pit_id_table *table, uint64_t id, uint32_t owner)
{
    const unsigned __int128 product =
        (unsigned __int128)((id ^ table->salt) + owner * table->factor[1]) * table->factor[0];
    return (uint32_t)(((uint64_t)(product >> 64) ^ (uint64_t)product) >> 32);
}

/* The hash an order has in a table of that kind. */
static inline uint32_t pit_id_hash_of(const struct pit_id_table *table, uint32_t slot)
{
    const struct pit_resting_order *order = &table->orders[slot].is;
    return table->kind == PIT_BY_ORDER_ID ? pit_id_hash(table, order->order_id, 0)
                                          : pit_id_hash(table, order->client_id, order->account);
}

/* Buckets of the largest table for so many orders: a power of two. */
static inline uint32_t pit_id_table_buckets_max(uint32_t orders_max)
{
    uint32_t buckets = 2;
    while (buckets * PIT_ID_TABLE_FILL < orders_max)
        buckets *= 2;
    return buckets;
}

static inline size_t pit_id_table_bytes(uint32_t orders_max)
{
    const size_t buckets = pit_id_table_buckets_max(orders_max);
    return (buckets + buckets / 2) * (sizeof(uint64_t) + sizeof(struct pit_id_slots));
}

static inline uint32_t pit_id_mask(uint32_t shift)
{
    return UINT32_MAX >> shift;
}

/* Lays out an empty table of orders, by one of their ids, in zeroed memory of pit_id_table_bytes, aligned to 64. */
void pit_id_table_create(struct pit_id_table *table, void *memory, uint32_t orders_max, enum pit_id_kind kind,
                         struct pit_order *orders, uint64_t secret);

/* The bucket of a hash. */
static inline uint32_t pit_id_bucket(const struct pit_id_table *table, uint32_t hash)
{
    return table->first + (hash >> table->shift);
}

/* Doubles, or goes on doubling: what an insert has to do now and then. */
void pit_id_table_care(struct pit_id_table *table);

/* The tag of a hash: from its other end than the bucket. */
static inline uint64_t pit_id_tag(uint32_t hash)
{
    return (hash & 0x7fu) | 0x80u;
}

/* The marks of those of the six whose tag is this one. (A tag next to one that is may be marked too when it differs in
 * its lowest bit only: whoever asks compares the order.) */
static inline uint64_t pit_id_tags_like(uint64_t tags, uint32_t hash)
{
    const uint64_t differs = tags ^ pit_id_tag(hash) * PIT_ID_TAG_EACH;
    return (differs - PIT_ID_TAG_EACH) & ~differs & PIT_ID_TAG_USED;
}

static inline uint32_t pit_id_tag_place(uint64_t mark)
{
    return (uint32_t)__builtin_ctzll(mark) / 8;
}

/* The first bucket from an order's own on that has room, when its own has none. */
uint32_t pit_id_table_pass(struct pit_id_table *table, uint32_t hash);

/* Puts an order into the first bucket from its own on that has room. */
static inline void pit_id_table_put(struct pit_id_table *table, uint32_t hash, uint32_t slot, uint32_t *seat)
{
    uint32_t bucket = pit_id_bucket(table, hash), behind = 0;
    uint64_t free = ~table->tags[bucket] & PIT_ID_TAG_USED;
    if (__builtin_expect(!free, 0)) {
        bucket = pit_id_table_pass(table, hash);
        behind = PIT_ID_SEAT_BEHIND;
        free = ~table->tags[bucket] & PIT_ID_TAG_USED;
    }
    const uint32_t place = pit_id_tag_place(free);
    table->tags[bucket] |= pit_id_tag(hash) << 8 * place;
    table->slots[bucket].slot[place] = slot;
    *seat = bucket * 8 | place | behind;
}

/* Adds an order. Its id must not be in the table, and at most orders_max may be. hash: pit_id_hash of its id. seat: the
 * order's, for the kind of id. */
static inline void pit_id_table_insert(struct pit_id_table *table, uint32_t hash, uint32_t slot, uint32_t *seat)
{
    if (__builtin_expect(table->count++ >= table->count_care, 0))
        pit_id_table_care(table);
    pit_id_table_put(table, hash, slot, seat);
}

/* Uncounts an order that leaves a bucket behind its own: in every one it went past. */
void pit_id_table_unpass(struct pit_id_table *table, uint32_t slot);

/* Takes an order out, whose seat this is. It must be in the table. */
static inline void pit_id_table_remove(struct pit_id_table *table, uint32_t slot, uint32_t seat)
{
    if (__builtin_expect(seat & PIT_ID_SEAT_BEHIND, 0)) {
        pit_id_table_unpass(table, slot);
        seat &= ~PIT_ID_SEAT_BEHIND;
    }
    PIT_HOT_CHECK(table->slots[seat / 8].slot[seat % 8] == slot);
    table->tags[seat / 8] &= ~(UINT64_C(0xff) << 8 * (seat % 8));
    table->count--;
}

/* Candidates for a hash in its own bucket: calls same(context, slot) until it says true; returns that slot, or 0.
 * Compilers inline same. */
static inline __attribute__((always_inline)) uint32_t
pit_id_table_look(const struct pit_id_table *table, uint32_t hash, bool (*same)(const void *context, uint32_t slot),
                  const void *context)
{
    const uint32_t bucket = pit_id_bucket(table, hash);
    for (uint64_t marks = pit_id_tags_like(table->tags[bucket], hash); marks; marks &= marks - 1) {
        const uint32_t slot = table->slots[bucket].slot[pit_id_tag_place(marks)];
        if (__builtin_expect(same(context, slot), 1))
            return slot;
    }
    return 0;
}

/* Whether there may be candidates elsewhere: somebody passed the bucket, or a doubling is under way. */
static inline bool pit_id_table_goes_on(const struct pit_id_table *table, uint32_t hash)
{
    return __builtin_expect(table->tags[pit_id_bucket(table, hash)] > PIT_ID_TAG_BITS || table->old != PIT_ID_NO_TABLE,
                            0);
}

/* Candidates for a hash, wherever they are. */
uint32_t pit_id_table_find(const struct pit_id_table *table, uint32_t hash,
                           bool (*same)(const void *context, uint32_t slot), const void *context);

/* The order that probably lives under the hash, or 0: a hint, without looking at the order. */
static inline uint32_t pit_id_table_guess(const struct pit_id_table *table, uint32_t hash)
{
    const uint32_t bucket = pit_id_bucket(table, hash);
    const uint64_t marks = pit_id_tags_like(table->tags[bucket], hash);
    return marks ? table->slots[bucket].slot[pit_id_tag_place(marks)] : 0;
}

/* Brings all that leads to an order into the cache. */
static inline void pit_id_table_prefetch_bucket(const struct pit_id_table *table, uint32_t hash)
{
    const uint32_t bucket = pit_id_bucket(table, hash);
    __builtin_prefetch(&table->tags[bucket]);
    __builtin_prefetch(&table->slots[bucket]);
}

/* Brings what tells whether an id is in the table into the cache. */
static inline void pit_id_table_prefetch(const struct pit_id_table *table, uint32_t hash)
{
    __builtin_prefetch(&table->tags[pit_id_bucket(table, hash)]);
}

#endif
