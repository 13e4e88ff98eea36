/* book/price_index.c - the radix tree of the price index.
 *
 * A branch is one u32: empty, a node, or a slot. A node covers 64 << shift neighbouring keys (shift is a multiple of
 * 6); its tag is the first of them with the shift in the low bits, which are zero otherwise, so that one comparison
 * tells whether a key belongs under it. A node has two branches at least: when one is left, it takes the node's place.
 */
#include "book/price_index.h"

#include "ring/check.h"

#define BRANCH_EMPTY 0u         /* node 0 is never used */
#define BRANCH_SLOT 0x80000000u /* the rest is a slot; without it, a node */
#define SHIFT_BITS 0x3fu        /* of a tag */
#define TAG_FREE UINT64_MAX

struct pit_price_node {
    uint64_t tag;        /* first key covered | shift; TAG_FREE for a free node */
    uint64_t in_use;     /* one bit a branch */
    uint32_t branch[64]; /* of a free node: [0] is the next free one */
};
_Static_assert(sizeof(struct pit_price_node) % 16 == 0, "tag and in_use never straddle a cache line");

static inline size_t lines(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

/* Prices in their order as unsigned numbers. */
static inline uint64_t key_of(int64_t price)
{
    return (uint64_t)price ^ (UINT64_C(1) << 63);
}

static inline uint32_t node_shift(const struct pit_price_node *node)
{
    return node->tag & SHIFT_BITS;
}

static inline uint32_t node_place(const struct pit_price_node *node, uint64_t key)
{
    return (uint32_t)(key >> node_shift(node)) & 63u;
}

static inline bool node_covers(const struct pit_price_node *node, uint64_t key)
{
    return ((key ^ node->tag) >> node_shift(node)) >> 6 == 0;
}

/* The node of shift 0 for key when it is remembered, otherwise NULL. A stale memory shows in the tag. */
static inline struct pit_price_node *near_node(const struct pit_price_index *index, uint64_t key)
{
    struct pit_price_node *node = &index->nodes[index->near[(key >> 6) % PIT_PRICE_INDEX_NEAR]];
    return node->tag == (key & ~UINT64_C(63)) ? node : NULL;
}

static inline void near_remember(struct pit_price_index *index, uint32_t node)
{
    uint64_t tag = index->nodes[node].tag;
    if ((tag & SHIFT_BITS) == 0)
        index->near[(tag >> 6) % PIT_PRICE_INDEX_NEAR] = node;
}

size_t pit_price_index_bytes(uint32_t levels_max)
{
    return lines(sizeof(struct pit_price_index)) + lines(sizeof(int64_t) * levels_max) +
           lines(sizeof(struct pit_price_node) * levels_max);
}

struct pit_price_index *pit_price_index_create(void *memory, uint32_t levels_max)
{
    PIT_CHECK(levels_max >= 1 && levels_max <= PIT_LEVELS_MAX);
    struct pit_price_index *index = memory;
    uint8_t *at = (uint8_t *)memory + lines(sizeof *index);
    /* n prices make at most n - 1 nodes; node 0 stands for none. It is written here, so it lies next to the header. */
    index->nodes = (struct pit_price_node *)at;
    index->price = (int64_t *)(at + lines(sizeof(struct pit_price_node) * levels_max));
    index->nodes[0].tag = TAG_FREE;
    index->nodes_touched = 1;
    index->levels_max = levels_max;
    return index;
}

/* Level slots and nodes: reused last-in-first-out, fresh ones from the untouched rest. */

static uint32_t slot_claim(struct pit_price_index *index, int64_t price)
{
    uint32_t slot = index->slot_free;
    if (slot) {
        slot--;
        index->slot_free = (uint32_t)index->price[slot];
    } else {
        slot = index->slots_touched++;
    }
    index->price[slot] = price;
    index->count++;
    return slot;
}

static void slot_release(struct pit_price_index *index, uint32_t slot)
{
    index->price[slot] = index->slot_free;
    index->slot_free = slot + 1;
    index->count--;
}

static uint32_t node_claim(struct pit_price_index *index)
{
    uint32_t node = index->node_free;
    if (node) {
        index->node_free = index->nodes[node].branch[0];
        return node;
    }
    PIT_HOT_CHECK(index->nodes_touched < index->levels_max);
    return index->nodes_touched++;
}

static void node_release(struct pit_price_index *index, uint32_t node)
{
    index->nodes[node].tag = TAG_FREE;
    index->nodes[node].branch[0] = index->node_free;
    index->node_free = node;
}

/* Puts a node in place of *branch that holds both what stands there (some key of it is `standing`) and the slot. */
static void branch_split(struct pit_price_index *index, uint32_t *branch, uint64_t standing, uint64_t key,
                         uint32_t slot)
{
    uint32_t id = node_claim(index);
    struct pit_price_node *node = &index->nodes[id];
    uint32_t highest = 63u - (uint32_t)__builtin_clzll(standing ^ key);
    uint32_t shift = highest / 6 * 6;
    node->tag = (shift == 60 ? 0 : key >> (shift + 6) << (shift + 6)) | shift;
    uint32_t old_place = node_place(node, standing), new_place = node_place(node, key);
    node->in_use = UINT64_C(1) << old_place | UINT64_C(1) << new_place;
    node->branch[old_place] = *branch;
    node->branch[new_place] = slot | BRANCH_SLOT;
    *branch = id;
    near_remember(index, id);
}

uint32_t pit_price_index_find(const struct pit_price_index *index, int64_t price)
{
    uint64_t key = key_of(price);
    const struct pit_price_node *node = near_node(index, key);
    if (node)
        return node->in_use >> (key & 63) & 1 ? node->branch[key & 63] & ~BRANCH_SLOT : PIT_LEVEL_NONE;

    uint32_t branch = index->root;
    while (!(branch & BRANCH_SLOT)) {
        if (branch == BRANCH_EMPTY)
            return PIT_LEVEL_NONE;
        node = &index->nodes[branch];
        uint32_t place = node_place(node, key);
        if (!node_covers(node, key) || !(node->in_use >> place & 1))
            return PIT_LEVEL_NONE;
        branch = node->branch[place];
    }
    uint32_t slot = branch & ~BRANCH_SLOT;
    return index->price[slot] == price ? slot : PIT_LEVEL_NONE;
}

/* Adds a price that is not in use. */
static uint32_t price_add(struct pit_price_index *index, int64_t price)
{
    uint64_t key = key_of(price);
    uint32_t slot = slot_claim(index, price);
    uint32_t *branch = &index->root;
    while (*branch != BRANCH_EMPTY) {
        if (*branch & BRANCH_SLOT) {
            branch_split(index, branch, key_of(index->price[*branch & ~BRANCH_SLOT]), key, slot);
            return slot;
        }
        struct pit_price_node *node = &index->nodes[*branch];
        if (!node_covers(node, key)) {
            branch_split(index, branch, node->tag, key, slot);
            return slot;
        }
        near_remember(index, *branch);
        uint32_t place = node_place(node, key);
        branch = &node->branch[place];
        if (!(node->in_use >> place & 1)) {
            node->in_use |= UINT64_C(1) << place;
            break;
        }
    }
    *branch = slot | BRANCH_SLOT;
    return slot;
}

uint32_t pit_price_index_take(struct pit_price_index *index, int64_t price, bool *added)
{
    uint32_t slot = pit_price_index_find(index, price);
    bool add = slot == PIT_LEVEL_NONE && index->count < index->levels_max;
    if (added)
        *added = add;
    if (!add)
        return slot;

    uint64_t key = key_of(price);
    struct pit_price_node *node = near_node(index, key);
    if (!node)
        return price_add(index, price);
    slot = slot_claim(index, price);
    node->in_use |= UINT64_C(1) << (key & 63);
    node->branch[key & 63] = slot | BRANCH_SLOT;
    return slot;
}

/* Takes a price in use out of the tree, and its node too when only one other branch is left there. */
static void price_remove(struct pit_price_index *index, uint64_t key)
{
    uint32_t *to_node = NULL, *branch = &index->root;
    while (!(*branch & BRANCH_SLOT)) {
        PIT_HOT_CHECK(*branch != BRANCH_EMPTY);
        to_node = branch;
        struct pit_price_node *node = &index->nodes[*branch];
        branch = &node->branch[node_place(node, key)];
    }
    if (!to_node) {
        index->root = BRANCH_EMPTY;
        return;
    }
    uint32_t id = *to_node;
    struct pit_price_node *node = &index->nodes[id];
    node->in_use &= ~(UINT64_C(1) << node_place(node, key));
    if ((node->in_use & (node->in_use - 1)) == 0) {
        *to_node = node->branch[__builtin_ctzll(node->in_use)];
        node_release(index, id);
    }
}

void pit_price_index_drop(struct pit_price_index *index, uint32_t slot)
{
    uint64_t key = key_of(index->price[slot]);
    struct pit_price_node *node = near_node(index, key);
    uint64_t left = node ? node->in_use & ~(UINT64_C(1) << (key & 63)) : 0;
    if (left & (left - 1)) /* two or more */
        node->in_use = left;
    else
        price_remove(index, key);
    slot_release(index, slot);
}

static uint32_t branch_lowest(const struct pit_price_index *index, uint32_t branch)
{
    if (branch == BRANCH_EMPTY)
        return PIT_LEVEL_NONE;
    while (!(branch & BRANCH_SLOT)) {
        const struct pit_price_node *node = &index->nodes[branch];
        branch = node->branch[__builtin_ctzll(node->in_use)];
    }
    return branch & ~BRANCH_SLOT;
}

static uint32_t branch_highest(const struct pit_price_index *index, uint32_t branch)
{
    if (branch == BRANCH_EMPTY)
        return PIT_LEVEL_NONE;
    while (!(branch & BRANCH_SLOT)) {
        const struct pit_price_node *node = &index->nodes[branch];
        branch = node->branch[63 - __builtin_clzll(node->in_use)];
    }
    return branch & ~BRANCH_SLOT;
}

/* Bits of a node above (below) a place. */
static inline uint64_t places_above(uint32_t place)
{
    return ~UINT64_C(1) << place;
}

static inline uint64_t places_below(uint32_t place)
{
    return (UINT64_C(1) << place) - 1;
}

/* Both searches go down towards the key and remember the nearest branch they pass on the far side of it: where the
 * path ends, the answer is the near end of that branch. */

uint32_t pit_price_index_above(const struct pit_price_index *index, int64_t price)
{
    uint64_t key = key_of(price);
    const struct pit_price_node *node = near_node(index, key);
    uint64_t further = node ? node->in_use & places_above(key & 63) : 0;
    if (further)
        return node->branch[__builtin_ctzll(further)] & ~BRANCH_SLOT;

    uint32_t passed = BRANCH_EMPTY, branch = index->root;
    while (!(branch & BRANCH_SLOT)) {
        if (branch == BRANCH_EMPTY)
            return PIT_LEVEL_NONE;
        node = &index->nodes[branch];
        if (!node_covers(node, key))
            return branch_lowest(index, node->tag > key ? branch : passed);
        uint32_t place = node_place(node, key);
        further = node->in_use & places_above(place);
        if (further)
            passed = node->branch[__builtin_ctzll(further)];
        if (!(node->in_use >> place & 1))
            return branch_lowest(index, passed);
        branch = node->branch[place];
    }
    return branch_lowest(index, index->price[branch & ~BRANCH_SLOT] > price ? branch : passed);
}

uint32_t pit_price_index_below(const struct pit_price_index *index, int64_t price)
{
    uint64_t key = key_of(price);
    const struct pit_price_node *node = near_node(index, key);
    uint64_t further = node ? node->in_use & places_below(key & 63) : 0;
    if (further)
        return node->branch[63 - __builtin_clzll(further)] & ~BRANCH_SLOT;

    uint32_t passed = BRANCH_EMPTY, branch = index->root;
    while (!(branch & BRANCH_SLOT)) {
        if (branch == BRANCH_EMPTY)
            return PIT_LEVEL_NONE;
        node = &index->nodes[branch];
        if (!node_covers(node, key))
            return branch_highest(index, node->tag < key ? branch : passed);
        uint32_t place = node_place(node, key);
        further = node->in_use & places_below(place);
        if (further)
            passed = node->branch[63 - __builtin_clzll(further)];
        if (!(node->in_use >> place & 1))
            return branch_highest(index, passed);
        branch = node->branch[place];
    }
    return branch_highest(index, index->price[branch & ~BRANCH_SLOT] < price ? branch : passed);
}

void pit_price_index_prefetch(const struct pit_price_index *index, int64_t price)
{
    uint64_t key = key_of(price);
    const struct pit_price_node *node = &index->nodes[index->near[(key >> 6) % PIT_PRICE_INDEX_NEAR]];
    __builtin_prefetch(node);
    __builtin_prefetch(&node->branch[key & 63]);
}

/* Counts the slots under a branch; index->levels_max + 1 when something is wrong there. */
static uint32_t branch_check(const struct pit_price_index *index, uint32_t branch, uint32_t steps)
{
    const uint32_t wrong = index->levels_max + 1;
    if (branch & BRANCH_SLOT)
        return (branch & ~BRANCH_SLOT) < index->slots_touched ? 1 : wrong;
    const struct pit_price_node *node = &index->nodes[branch];
    if (branch == BRANCH_EMPTY || branch >= index->nodes_touched || steps > 10 || node_shift(node) % 6 != 0 ||
        (node->in_use & (node->in_use - 1)) == 0)
        return wrong;
    uint32_t slots = 0;
    for (uint32_t place = 0; place < 64; place++) {
        if (!(node->in_use >> place & 1))
            continue;
        uint32_t below = branch_check(index, node->branch[place], steps + 1);
        if (below == wrong)
            return wrong;
        int64_t price = index->price[branch_lowest(index, node->branch[place])];
        if (!node_covers(node, key_of(price)) || node_place(node, key_of(price)) != place)
            return wrong;
        if (!(node->branch[place] & BRANCH_SLOT) && node_shift(&index->nodes[node->branch[place]]) >= node_shift(node))
            return wrong;
        slots += below;
    }
    return slots;
}

const char *pit_price_index_check(const struct pit_price_index *index)
{
    uint32_t free_slots = 0, free_nodes = 0;
    for (uint32_t slot = index->slot_free; slot; slot = (uint32_t)index->price[slot - 1])
        if (slot > index->slots_touched || ++free_slots > index->slots_touched)
            return "price index: the list of free slots is damaged";
    for (uint32_t node = index->node_free; node; node = index->nodes[node].branch[0])
        if (node >= index->nodes_touched || ++free_nodes >= index->nodes_touched)
            return "price index: the list of free nodes is damaged";
    if (index->slots_touched - free_slots != index->count || index->count > index->levels_max)
        return "price index: its count is not the number of slots in use";
    uint32_t found = index->root == BRANCH_EMPTY ? 0 : branch_check(index, index->root, 0);
    if (found != index->count)
        return "price index: the tree does not hold every slot in use";
    for (uint32_t slot = branch_lowest(index, index->root), before = PIT_LEVEL_NONE; slot != PIT_LEVEL_NONE;
         before = slot, slot = pit_price_index_above(index, index->price[slot])) {
        if (before != PIT_LEVEL_NONE && index->price[before] >= index->price[slot])
            return "price index: prices are out of order";
        if (pit_price_index_below(index, index->price[slot]) != before ||
            pit_price_index_find(index, index->price[slot]) != slot)
            return "price index: a price is not found where it is";
    }
    return NULL;
}
