/* See tools/load_book.h. Orders stand in an open-addressing table by order id, levels in one array a side, sorted from
 * the worst price to the best: most changes are near its end. */
#include "tools/load_book.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BOOK_SLOTS_MIN 1024u

struct book_order {
    uint64_t order_id; /* 0 = the slot is free */
    int64_t price;
    uint64_t quantity;
    uint8_t side;
};

struct book_level {
    int64_t price;
    uint64_t quantity;
    uint32_t orders;
};

struct book_side {
    struct book_level *levels;
    uint32_t count, room;
};

struct pit_load_book {
    struct book_order *slots;
    uint32_t mask;
    uint32_t orders;
    struct book_side sides[2];
};

struct pit_load_book *pit_load_book_create(void)
{
    struct pit_load_book *book = calloc(1, sizeof *book);
    if (!book)
        return NULL;
    book->slots = calloc(BOOK_SLOTS_MIN, sizeof *book->slots);
    book->mask = BOOK_SLOTS_MIN - 1;
    if (!book->slots) {
        free(book);
        return NULL;
    }
    return book;
}

void pit_load_book_destroy(struct pit_load_book *book)
{
    if (!book)
        return;
    free(book->sides[0].levels);
    free(book->sides[1].levels);
    free(book->slots);
    free(book);
}

static uint32_t book_home(const struct pit_load_book *book, uint64_t order_id)
{
    return (uint32_t)((order_id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & book->mask;
}

static uint32_t book_slot(const struct pit_load_book *book, uint64_t order_id)
{
    uint32_t slot = book_home(book, order_id);
    while (book->slots[slot].order_id != 0 && book->slots[slot].order_id != order_id)
        slot = (slot + 1) & book->mask;
    return slot;
}

static int book_grow(struct pit_load_book *book)
{
    struct book_order *old = book->slots;
    uint32_t count = book->mask + 1;
    struct book_order *slots = calloc((size_t)count * 2, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    book->slots = slots;
    book->mask = count * 2 - 1;
    for (uint32_t i = 0; i < count; i++) {
        if (old[i].order_id != 0)
            book->slots[book_slot(book, old[i].order_id)] = old[i];
    }
    free(old);
    return 0;
}

/* Linear probing without tombstones: later entries of the run move into the hole when their way crosses it. */
static void book_forget(struct pit_load_book *book, uint32_t hole)
{
    book->slots[hole].order_id = 0;
    for (uint32_t at = (hole + 1) & book->mask; book->slots[at].order_id != 0; at = (at + 1) & book->mask) {
        uint32_t home = book_home(book, book->slots[at].order_id);
        if (((at - home) & book->mask) >= ((at - hole) & book->mask)) {
            book->slots[hole] = book->slots[at];
            book->slots[at].order_id = 0;
            hole = at;
        }
    }
    book->orders--;
}

/* Where price stands or would stand among the levels of a side. */
static uint32_t book_level_place(const struct pit_load_book *book, enum pit_side side, int64_t price)
{
    const struct book_side *levels = &book->sides[side];
    uint32_t low = 0, high = levels->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int64_t there = levels->levels[middle].price;
        if (side == PIT_SIDE_BUY ? there < price : there > price)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool book_level_is(const struct pit_load_book *book, enum pit_side side, uint32_t place, int64_t price)
{
    return place < book->sides[side].count && book->sides[side].levels[place].price == price;
}

static int book_level_add(struct pit_load_book *book, enum pit_side side, int64_t price, uint64_t quantity)
{
    struct book_side *levels = &book->sides[side];
    uint32_t place = book_level_place(book, side, price);
    if (!book_level_is(book, side, place, price)) {
        if (levels->count == levels->room) {
            uint32_t room = levels->room ? levels->room * 2 : 256;
            struct book_level *grown = realloc(levels->levels, room * sizeof *grown);
            if (!grown)
                return -ENOMEM;
            levels->levels = grown;
            levels->room = room;
        }
        memmove(&levels->levels[place + 1], &levels->levels[place], (levels->count - place) * sizeof *levels->levels);
        levels->levels[place] = (struct book_level){.price = price};
        levels->count++;
    }
    levels->levels[place].quantity += quantity;
    levels->levels[place].orders++;
    return 0;
}

static void book_level_take(struct pit_load_book *book, enum pit_side side, int64_t price, uint64_t quantity, bool last)
{
    struct book_side *levels = &book->sides[side];
    uint32_t place = book_level_place(book, side, price);
    levels->levels[place].quantity -= quantity;
    levels->levels[place].orders -= last;
    if (levels->levels[place].orders == 0) {
        levels->count--;
        memmove(&levels->levels[place], &levels->levels[place + 1], (levels->count - place) * sizeof *levels->levels);
    }
}

static int book_add(struct pit_load_book *book, const struct pit_report *report)
{
    if (report->order_id == 0 || report->quantity == 0 || report->side > PIT_SIDE_SELL)
        return -EPROTO;
    if ((book->orders + 1) * 2 > book->mask && book_grow(book) != 0)
        return -ENOMEM;
    uint32_t slot = book_slot(book, report->order_id);
    int64_t other;
    enum pit_side side = (enum pit_side)report->side;
    if (book->slots[slot].order_id != 0)
        return -EPROTO;
    if (pit_load_book_best(book, side == PIT_SIDE_BUY ? PIT_SIDE_SELL : PIT_SIDE_BUY, &other) &&
        (side == PIT_SIDE_BUY ? report->price >= other : report->price <= other))
        return -EPROTO;
    if (book_level_add(book, side, report->price, report->quantity) != 0)
        return -ENOMEM;
    book->slots[slot] = (struct book_order){
        .order_id = report->order_id, .price = report->price, .quantity = report->quantity, .side = report->side};
    book->orders++;
    return 0;
}

/* Takes quantity off the order in slot, and the order out when nothing is left. */
static void book_take(struct pit_load_book *book, uint32_t slot, uint64_t quantity)
{
    struct book_order *order = &book->slots[slot];
    bool last = order->quantity == quantity;
    book_level_take(book, (enum pit_side)order->side, order->price, quantity, last);
    order->quantity -= quantity;
    if (last)
        book_forget(book, slot);
}

static int book_replaced(struct pit_load_book *book, uint32_t slot, const struct pit_report *report)
{
    const struct book_order *order = &book->slots[slot];
    if (order->order_id == 0 || order->price != report->price_old || order->quantity != report->quantity_old)
        return -EPROTO;
    if (report->rests && report->kept) {
        if (report->quantity > order->quantity || report->price != order->price)
            return -EPROTO;
        if (report->quantity < order->quantity)
            book_take(book, slot, order->quantity - report->quantity);
        return 0;
    }
    book_take(book, slot, order->quantity);
    return report->rests ? book_add(book, report) : 0;
}

int pit_load_book_apply(struct pit_load_book *book, const struct pit_report *report)
{
    uint32_t slot = book_slot(book, report->order_id);
    const struct book_order *order = &book->slots[slot];
    bool known = report->order_id != 0 && order->order_id != 0;
    switch ((enum pit_report_kind)report->kind) {
    case PIT_REPORT_ACCEPTED:
        return report->rests ? book_add(book, report) : 0;
    case PIT_REPORT_RESTED:
        return book_add(book, report);
    case PIT_REPORT_TRADE:
        if (report->aggressor)
            return 0;
        if (!known || report->quantity == 0 || report->price != order->price || report->quantity > order->quantity ||
            order->quantity - report->quantity != report->leaves)
            return -EPROTO;
        book_take(book, slot, report->quantity);
        return 0;
    case PIT_REPORT_CANCELLED:
        if (known && report->quantity != order->quantity)
            return -EPROTO;
        if (known)
            book_take(book, slot, order->quantity);
        return 0;
    case PIT_REPORT_REDUCED:
        if (!known || report->quantity == 0 || report->quantity > order->quantity)
            return -EPROTO;
        if (report->quantity < order->quantity)
            book_take(book, slot, order->quantity - report->quantity);
        return 0;
    case PIT_REPORT_REPLACED:
        return book_replaced(book, slot, report);
    case PIT_REPORT_REJECTED:
    case PIT_REPORT_STATE:
    case PIT_REPORT_HEARTBEAT:
    case PIT_REPORT_BYE:
    case PIT_REPORT_UNKNOWN:
    case PIT_REPORT_RESUMED:
        return 0;
    }
    return 0;
}

bool pit_load_book_best(const struct pit_load_book *book, enum pit_side side, int64_t *price)
{
    const struct book_side *levels = &book->sides[side];
    if (levels->count == 0)
        return false;
    *price = levels->levels[levels->count - 1].price;
    return true;
}

uint64_t pit_load_book_quantity(const struct pit_load_book *book, enum pit_side side, int64_t price)
{
    uint32_t place = book_level_place(book, side, price);
    return book_level_is(book, side, place, price) ? book->sides[side].levels[place].quantity : 0;
}

uint32_t pit_load_book_orders(const struct pit_load_book *book)
{
    return book->orders;
}
