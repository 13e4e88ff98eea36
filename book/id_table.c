/* book/id_table.c - an id table starts and doubles. What every command needs is inline in id_table.h. */
#include "book/id_table.h"

static uint32_t buckets_now(uint32_t shift)
{
    return pit_id_mask(shift) + 1;
}

static uint32_t buckets_in_block(const struct pit_id_table *table)
{
    return table->buckets_max + table->buckets_max / 2;
}

/* The count at which an insert must call pit_id_table_care. */
static void set_care(struct pit_id_table *table)
{
    if (table->old != PIT_ID_NO_TABLE)
        table->count_care = 0;
    else if (buckets_now(table->shift) == table->buckets_max)
        table->count_care = UINT32_MAX;
    else
        table->count_care = PIT_ID_TABLE_FILL * buckets_now(table->shift);
}

/* Tables lie in two areas of the block by turns: the largest, and all as many doublings away from it, in the first. */
void pit_id_table_create(struct pit_id_table *table, void *memory, uint32_t orders_max, enum pit_id_kind kind,
                         struct pit_order *orders, uint64_t secret)
{
    uint32_t buckets = pit_id_table_buckets_max(orders_max);
    bool odd = false;
    const uint64_t turned = secret << 32 | secret >> 32;
    *table = (struct pit_id_table){
        .tags = memory,
        .orders = orders,
        .kind = kind,
        .buckets_max = buckets,
        .salt = UINT64_C(0xe7037ed1a0b428db) ^ secret,
        .factor = {(UINT64_C(0x9e3779b97f4a7c15) ^ secret * UINT64_C(0xd6e8feb86659fd93)) | 1,
                   (UINT64_C(0x9fb21c651e98df25) ^ turned) | 1},
        .old = PIT_ID_NO_TABLE,
    };
    table->slots = (struct pit_id_slots *)(table->tags + buckets_in_block(table));
    while (buckets > PIT_ID_TABLE_START) {
        buckets /= 2;
        odd = !odd;
    }
    table->first = odd ? table->buckets_max : 0;
    table->shift = 32 - (uint32_t)__builtin_ctz(buckets);
    set_care(table);
}

static void start_doubling(struct pit_id_table *table)
{
    table->old = table->first;
    table->old_shift = table->shift;
    table->old_step = 0;
    table->old_empty = false;
    table->first = table->old == 0 ? table->buckets_max : 0; /* all tags are zero: its last table was emptied */
    table->shift--;
}

/* Moves the orders of a bucket of the old table into the new one. */
static void move_bucket(struct pit_id_table *table, uint32_t bucket)
{
    uint64_t *tags = &table->tags[bucket];
    while (*tags & PIT_ID_TAG_USED) {
        const uint32_t place = pit_id_tag_place(*tags & PIT_ID_TAG_USED), slot = table->slots[bucket].slot[place];
        *tags &= ~(UINT64_C(0xff) << 8 * place);
        pit_id_table_put(table, pit_id_hash_of(table, slot), slot, &table->orders[slot].seat[table->kind]);
    }
}

/* Clears the count of those who passed a bucket. A search goes by it until the whole old table is empty. */
static void clear_passed(struct pit_id_table *table, uint32_t bucket)
{
    table->tags[bucket] = 0;
}

/* One bucket: first the orders of all of them move, then the counts of all are cleared. */
static void go_on_doubling(struct pit_id_table *table)
{
    const uint32_t bucket = table->old + table->old_step++;
    if (!table->old_empty)
        move_bucket(table, bucket);
    else
        clear_passed(table, bucket);
    if (table->old_step != buckets_now(table->old_shift))
        return;
    if (table->old_empty)
        table->old = PIT_ID_NO_TABLE;
    table->old_empty = true;
    table->old_step = 0;
}

_Static_assert(PIT_ID_TABLE_STEPS *PIT_ID_TABLE_FILL >= 2, "a doubling is over before the next one starts");

void pit_id_table_care(struct pit_id_table *table)
{
    /* Out of B buckets a doubling takes 2 B steps, B / 4 inserts. It starts with 3 B orders, the next one with 6 B: at
     * least 3 B inserts lie between. */
    if (table->old == PIT_ID_NO_TABLE)
        start_doubling(table);
    for (uint32_t step = 0; step < PIT_ID_TABLE_STEPS && table->old != PIT_ID_NO_TABLE; step++)
        go_on_doubling(table);
    set_care(table);
}

/* The bucket behind one of a table. */
static uint32_t behind(uint32_t first, uint32_t shift, uint32_t bucket)
{
    return first + ((bucket - first + 1) & pit_id_mask(shift));
}

void pit_id_table_unpass(struct pit_id_table *table, uint32_t slot)
{
    const uint32_t stands = (table->orders[slot].seat[table->kind] & ~PIT_ID_SEAT_BEHIND) / 8;
    const bool in_old = table->old != PIT_ID_NO_TABLE && stands - table->old <= pit_id_mask(table->old_shift);
    const uint32_t first = in_old ? table->old : table->first, shift = in_old ? table->old_shift : table->shift;
    for (uint32_t at = first + (pit_id_hash_of(table, slot) >> shift); at != stands; at = behind(first, shift, at))
        if (table->tags[at] >> 48 != PIT_ID_PASSED_MAX)
            table->tags[at] -= PIT_ID_PASSED_ONE;
}

uint32_t pit_id_table_pass(struct pit_id_table *table, uint32_t hash)
{
    uint32_t at = pit_id_bucket(table, hash);
    for (; (~table->tags[at] & PIT_ID_TAG_USED) == 0; at = behind(table->first, table->shift, at))
        if (table->tags[at] >> 48 != PIT_ID_PASSED_MAX)
            table->tags[at] += PIT_ID_PASSED_ONE;
    return at;
}

static uint32_t find_in(const struct pit_id_table *table, uint32_t first, uint32_t shift, uint32_t hash,
                        bool (*same)(const void *context, uint32_t slot), const void *context)
{
    uint32_t at = first + (hash >> shift);
    for (uint32_t steps = 0;; at = behind(first, shift, at), steps++) {
        for (uint64_t marks = pit_id_tags_like(table->tags[at], hash); marks; marks &= marks - 1) {
            const uint32_t slot = table->slots[at].slot[pit_id_tag_place(marks)];
            if (same(context, slot))
                return slot;
        }
        if (table->tags[at] <= PIT_ID_TAG_BITS || steps == pit_id_mask(shift))
            return 0;
    }
}

uint32_t pit_id_table_find(const struct pit_id_table *table, uint32_t hash,
                           bool (*same)(const void *context, uint32_t slot), const void *context)
{
    uint32_t slot = find_in(table, table->first, table->shift, hash, same, context);
    if (!slot && table->old != PIT_ID_NO_TABLE)
        slot = find_in(table, table->old, table->old_shift, hash, same, context);
    return slot;
}
