/* See tools/flow_ledger.h. */
#include "tools/flow_ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t power_of_two(uint64_t least)
{
    uint32_t power = 64;
    while (power < least)
        power *= 2;
    return power;
}

static int feedback_create(struct flow_ledger *ledger, uint64_t age)
{
    const uint32_t table = power_of_two((uint64_t)ledger->entries_count * 4);
    const uint32_t presumed = power_of_two(ledger->entries_count);
    ledger->table = malloc(table * sizeof *ledger->table);
    ledger->presumed = calloc(presumed, sizeof *ledger->presumed);
    if (!ledger->table || !ledger->presumed)
        return -ENOMEM;
    memset(ledger->table, 0xff, table * sizeof *ledger->table);
    ledger->table_mask = table - 1;
    ledger->presumed_mask = presumed - 1;
    ledger->presumed_age = age;
    return 0;
}

int flow_ledger_create(struct flow_ledger *ledger, uint32_t orders, uint32_t young, bool feedback, uint64_t age)
{
    *ledger = (struct flow_ledger){.entries_count = orders,
                                   .free = FLOW_ENTRY_NONE,
                                   .roots = {FLOW_ENTRY_NONE, FLOW_ENTRY_NONE},
                                   .list_room = {orders, young}};
    ledger->entries = calloc(orders, sizeof *ledger->entries);
    for (uint32_t list = 0; list < FLOW_LISTS; list++) {
        ledger->lists[list] = calloc(ledger->list_room[list] + 1u, sizeof *ledger->lists[list]);
        if (!ledger->lists[list])
            return -ENOMEM;
    }
    if (!ledger->entries)
        return -ENOMEM;
    return feedback ? feedback_create(ledger, age) : 0;
}

void flow_ledger_destroy(struct flow_ledger *ledger)
{
    free(ledger->presumed);
    free(ledger->table);
    for (uint32_t list = 0; list < FLOW_LISTS; list++)
        free(ledger->lists[list]);
    free(ledger->entries);
}

/* The heaps. A node's previous is its left neighbour or, of a first child, its parent. */

static bool goes_before(const struct flow_entry *a, const struct flow_entry *b)
{
    if (a->price != b->price)
        return a->side == PIT_SIDE_BUY ? a->price > b->price : a->price < b->price;
    return a->arrival < b->arrival;
}

static uint32_t heap_meld(struct flow_ledger *ledger, uint32_t a, uint32_t b)
{
    struct flow_entry *entries = ledger->entries;
    if (a == FLOW_ENTRY_NONE || b == FLOW_ENTRY_NONE)
        return a == FLOW_ENTRY_NONE ? b : a;
    const bool first = goes_before(&entries[a], &entries[b]);
    const uint32_t parent = first ? a : b, child = first ? b : a;
    entries[child].next = entries[parent].child;
    entries[child].previous = parent;
    if (entries[child].next != FLOW_ENTRY_NONE)
        entries[entries[child].next].previous = child;
    entries[parent].child = child;
    entries[parent].next = entries[parent].previous = FLOW_ENTRY_NONE;
    return parent;
}

/* Two by two from the left, then all into one from the right. */
static uint32_t heap_meld_children(struct flow_ledger *ledger, uint32_t first)
{
    struct flow_entry *entries = ledger->entries;
    uint32_t pairs = FLOW_ENTRY_NONE;
    while (first != FLOW_ENTRY_NONE) {
        const uint32_t second = entries[first].next;
        const uint32_t rest = second == FLOW_ENTRY_NONE ? FLOW_ENTRY_NONE : entries[second].next;
        const uint32_t pair = heap_meld(ledger, first, second);
        entries[pair].next = pairs;
        pairs = pair;
        first = rest;
    }
    uint32_t root = FLOW_ENTRY_NONE;
    while (pairs != FLOW_ENTRY_NONE) {
        const uint32_t next = entries[pairs].next;
        root = heap_meld(ledger, root, pairs);
        pairs = next;
    }
    if (root != FLOW_ENTRY_NONE)
        entries[root].next = entries[root].previous = FLOW_ENTRY_NONE;
    return root;
}

static void heap_insert(struct flow_ledger *ledger, uint32_t index)
{
    struct flow_entry *entry = &ledger->entries[index];
    entry->child = entry->next = entry->previous = FLOW_ENTRY_NONE;
    ledger->roots[entry->side] = heap_meld(ledger, ledger->roots[entry->side], index);
    ledger->counts[entry->side]++;
}

static void heap_remove(struct flow_ledger *ledger, uint32_t index)
{
    struct flow_entry *entries = ledger->entries;
    const struct flow_entry *entry = &entries[index];
    uint32_t *root = &ledger->roots[entry->side];
    ledger->counts[entry->side]--;
    if (*root == index) {
        *root = heap_meld_children(ledger, entry->child);
        return;
    }
    if (entries[entry->previous].child == index)
        entries[entry->previous].child = entry->next;
    else
        entries[entry->previous].next = entry->next;
    if (entry->next != FLOW_ENTRY_NONE)
        entries[entry->next].previous = entry->previous;
    *root = heap_meld(ledger, *root, heap_meld_children(ledger, entry->child));
}

static void list_add(struct flow_ledger *ledger, uint32_t index)
{
    struct flow_entry *entry = &ledger->entries[index];
    entry->place = ledger->list_counts[entry->list]++;
    ledger->lists[entry->list][entry->place] = index;
}

static void list_remove(struct flow_ledger *ledger, uint32_t index)
{
    const struct flow_entry *entry = &ledger->entries[index];
    const uint32_t last = ledger->lists[entry->list][--ledger->list_counts[entry->list]];
    ledger->lists[entry->list][entry->place] = last;
    ledger->entries[last].place = entry->place;
}

static uint32_t table_place(const struct flow_ledger *ledger, uint64_t number)
{
    uint32_t place = (uint32_t)number & ledger->table_mask;
    while (ledger->table[place] != FLOW_ENTRY_NONE && ledger->entries[ledger->table[place]].number != number)
        place = (place + 1) & ledger->table_mask;
    return place;
}

/* What follows the hole moves into it when its own way to its place crosses it. */
static void table_remove(struct flow_ledger *ledger, uint64_t number)
{
    const uint32_t mask = ledger->table_mask;
    uint32_t hole = table_place(ledger, number);
    ledger->table[hole] = FLOW_ENTRY_NONE;
    for (uint32_t at = (hole + 1) & mask; ledger->table[at] != FLOW_ENTRY_NONE; at = (at + 1) & mask) {
        const uint32_t home = (uint32_t)ledger->entries[ledger->table[at]].number & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            ledger->table[hole] = ledger->table[at];
            ledger->table[at] = FLOW_ENTRY_NONE;
            hole = at;
        }
    }
}

static void release(struct flow_ledger *ledger, uint32_t index)
{
    struct flow_entry *entry = &ledger->entries[index];
    if (ledger->table)
        table_remove(ledger, entry->number);
    entry->state = FLOW_ENTRY_FREE;
    entry->next = ledger->free;
    ledger->free = index;
}

uint32_t flow_ledger_rest(struct flow_ledger *ledger, const struct flow_entry *order)
{
    const uint32_t index = ledger->free == FLOW_ENTRY_NONE ? ledger->entries_used++ : ledger->free;
    struct flow_entry *entry = &ledger->entries[index];
    if (index == ledger->free)
        ledger->free = entry->next;
    *entry = *order;
    entry->state = FLOW_ENTRY_LIVE;
    entry->arrival = ++ledger->arrivals;
    if (ledger->table)
        ledger->table[table_place(ledger, entry->number)] = index;
    heap_insert(ledger, index);
    list_add(ledger, index);
    return index;
}

void flow_ledger_remove(struct flow_ledger *ledger, uint32_t index)
{
    heap_remove(ledger, index);
    list_remove(ledger, index);
    release(ledger, index);
}

/* Forgets the front of the queue as far as it was confirmed. */
static void presumed_trim(struct flow_ledger *ledger, uint32_t most)
{
    for (; most > 0 && ledger->presumed_first < ledger->presumed_end; most--) {
        const struct flow_ledger_presumed *first = &ledger->presumed[ledger->presumed_first & ledger->presumed_mask];
        const struct flow_entry *entry = &ledger->entries[first->entry];
        if (entry->state == FLOW_ENTRY_PRESUMED && entry->number == first->number)
            return;
        ledger->presumed_first++;
    }
}

/* Takes the oldest of the presumed as filled after all. */
static void presumed_drop(struct flow_ledger *ledger)
{
    const struct flow_ledger_presumed oldest = ledger->presumed[ledger->presumed_first++ & ledger->presumed_mask];
    const struct flow_entry *entry = &ledger->entries[oldest.entry];
    if (entry->state == FLOW_ENTRY_PRESUMED && entry->number == oldest.number)
        release(ledger, oldest.entry);
}

/* Takes a filled order, which is in no heap any more, out of its list. */
static void fill(struct flow_ledger *ledger, uint32_t index)
{
    struct flow_entry *entry = &ledger->entries[index];
    list_remove(ledger, index);
    if (ledger->filled)
        ledger->filled(ledger->context, entry);
    if (!ledger->table) {
        release(ledger, index);
        return;
    }
    presumed_trim(ledger, 4);
    if (ledger->presumed_end - ledger->presumed_first > ledger->presumed_mask)
        presumed_drop(ledger);
    entry->state = FLOW_ENTRY_PRESUMED;
    ledger->presumed[ledger->presumed_end++ & ledger->presumed_mask] =
        (struct flow_ledger_presumed){.number = entry->number, .since = ledger->operations, .entry = index};
}

uint32_t flow_ledger_match(struct flow_ledger *ledger, uint8_t side, int64_t limit, uint32_t quantity)
{
    while (quantity > 0) {
        const uint32_t index = ledger->roots[side ^ 1u];
        if (index == FLOW_ENTRY_NONE)
            break;
        struct flow_entry *entry = &ledger->entries[index];
        if (side == PIT_SIDE_BUY ? entry->price > limit : entry->price < limit)
            break;
        if (entry->quantity > quantity) {
            entry->quantity -= quantity;
            return 0;
        }
        quantity -= entry->quantity;
        heap_remove(ledger, index);
        fill(ledger, index);
    }
    return quantity;
}

uint32_t flow_ledger_move(struct flow_ledger *ledger, uint32_t index, int64_t price, uint32_t quantity)
{
    struct flow_entry *entry = &ledger->entries[index];
    heap_remove(ledger, index);
    entry->price = price;
    entry->arrival = ++ledger->arrivals;
    entry->quantity = flow_ledger_match(ledger, entry->side, price, quantity);
    if (entry->quantity > 0)
        heap_insert(ledger, index);
    else
        fill(ledger, index);
    return entry->quantity;
}

void flow_ledger_settle(struct flow_ledger *ledger, uint32_t index)
{
    list_remove(ledger, index);
    ledger->entries[index].list = FLOW_LIST_STANDING;
    list_add(ledger, index);
}

void flow_ledger_gone(struct flow_ledger *ledger, uint64_t number)
{
    if (!ledger->table)
        return;
    const uint32_t index = ledger->table[table_place(ledger, number)];
    if (index == FLOW_ENTRY_NONE)
        return;
    if (ledger->entries[index].state == FLOW_ENTRY_LIVE)
        flow_ledger_remove(ledger, index);
    else
        release(ledger, index);
}

uint32_t flow_ledger_overdue(struct flow_ledger *ledger)
{
    if (!ledger->table)
        return FLOW_ENTRY_NONE;
    const uint64_t waiting = ledger->presumed_end - ledger->presumed_first;
    const bool pressed = flow_ledger_full(ledger) || waiting > ledger->presumed_mask / 2;
    presumed_trim(ledger, pressed ? UINT32_MAX : 8);
    if (ledger->presumed_first == ledger->presumed_end)
        return FLOW_ENTRY_NONE;
    const struct flow_ledger_presumed first = ledger->presumed[ledger->presumed_first & ledger->presumed_mask];
    if (first.since + ledger->presumed_age >= ledger->operations && !pressed)
        return FLOW_ENTRY_NONE;
    ledger->presumed_first++;
    if (ledger->entries[first.entry].state != FLOW_ENTRY_PRESUMED ||
        ledger->entries[first.entry].number != first.number)
        return FLOW_ENTRY_NONE;
    release(ledger, first.entry);
    return first.entry;
}
