/* book/inspect.c - looks at a book without changing it: what it is, who stands in it, whether it is sound. */
#include "book/state.h"

const struct pit_symbol_definition *pit_book_definition(const struct pit_book *book)
{
    return &book->definition;
}

enum pit_trading_state pit_book_state(const struct pit_book *book)
{
    return book->state;
}

uint32_t pit_book_orders(const struct pit_book *book)
{
    return book->pool.count;
}

uint32_t pit_book_levels(const struct pit_book *book)
{
    return pit_book_levels_now(book);
}

bool pit_book_best(const struct pit_book *book, enum pit_side side, int64_t *price)
{
    if (book->best[side] == PIT_RANK_NONE)
        return false;
    *price = pit_rank((uint8_t)side, book->best[side]);
    return true;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

/* From both ends at once: a step waits for an order that may be far from the cache, and two such waits take no longer
 * than one. */
static uint64_t level_quantity(const struct pit_level *level, const struct pit_order *order)
{
    uint32_t older = level->head, younger = level->tail;
    uint64_t quantity = 0;
    while (older != younger) {
        quantity = sum(quantity, sum(order[older].is.quantity, order[younger].is.quantity));
        if (order[older].next == younger)
            return quantity;
        older = order[older].next;
        younger = order[younger].prev;
    }
    return sum(quantity, order[older].is.quantity);
}

uint64_t pit_book_depth(const struct pit_book *book, enum pit_side side, int64_t price)
{
    if (price < PIT_PRICE_MIN || price > PIT_PRICE_MAX)
        return 0;
    const struct pit_level *level = pit_ladder_find(&book->ladder[side], pit_rank((uint8_t)side, price));
    if (!level)
        return 0;
    return level_quantity(level, book->pool.order);
}

void pit_book_walk(const struct pit_book *book, enum pit_side side,
                   bool (*visit)(void *context, const struct pit_resting_order *order), void *context)
{
    const struct pit_ladder *ladder = &book->ladder[side];
    for (int64_t rank = book->best[side]; rank != PIT_RANK_NONE; rank = pit_ladder_below(ladder, rank)) {
        for (uint32_t slot = pit_ladder_level(ladder, rank)->head; slot; slot = book->pool.order[slot].next) {
            const struct pit_resting_order order = book->pool.order[slot].is;
            if (!visit(context, &order))
                return;
        }
    }
}

struct tally {
    uint32_t levels;
    uint32_t orders;
    uint32_t in_table[2]; /* by enum pit_id_kind */
    uint32_t newcomers[2];
};

/* One order: in range, and found by its ids. */
static const char *check_order(const struct pit_book *book, uint32_t slot, enum pit_side side, int64_t price)
{
    const struct pit_resting_order *order = &book->pool.order[slot].is;
    if (slot > book->pool.touched)
        return "book: a queue leads to a slot that was never in use";
    if (order->side != side || order->price != price)
        return "book: an order stands in a queue that is not its own";
    if (order->quantity == 0 || order->quantity > book->definition.quantity_max || order->account == 0)
        return "book: an order has a quantity or an account that it could not have come with";
    if (pit_book_find_order_id(book, order->order_id) != slot)
        return "book: an order is not found by its order id";
    const uint32_t hash = pit_book_client_hash(book, order->client_id, order->account);
    if (order->client_id && pit_book_find_client_id(book, order->client_id, order->account, hash) != slot)
        return "book: an order is not found by its client id";
    return NULL;
}

static void count_seat(const struct pit_book *book, enum pit_id_kind kind, uint32_t slot, struct tally *tally)
{
    const uint32_t seat = book->pool.order[slot].seat[kind];
    if (pit_seat_in_table(seat))
        tally->in_table[kind]++;
    else if (seat != PIT_ID_SEAT_NONE)
        tally->newcomers[kind] += book->newcomers[kind].slot[seat - PIT_ID_SEAT_NEWCOMER] == slot;
}

/* Every newcomer's place is its own, and nobody else is in one. */
static bool newcomers_good(const struct pit_book *book, enum pit_id_kind kind, const struct tally *tally)
{
    uint32_t places = 0;
    for (uint32_t place = 0; place <= PIT_NEWCOMERS; place++)
        places += book->newcomers[kind].slot[place] != 0;
    return places == tally->newcomers[kind];
}

static const char *check_queue(const struct pit_book *book, enum pit_side side, int64_t rank, struct tally *tally)
{
    const struct pit_level *level = pit_ladder_find(&book->ladder[side], rank);
    if (!level)
        return "book: a price is in use and nobody stands there";
    uint32_t before = 0;
    for (uint32_t slot = level->head; slot; before = slot, slot = book->pool.order[slot].next) {
        const char *wrong = check_order(book, slot, side, pit_rank((uint8_t)side, rank));
        if (wrong)
            return wrong;
        if (book->pool.order[slot].prev != before)
            return "book: a queue's links disagree";
        if (++tally->orders > book->pool.count)
            return "book: more orders stand in line than are counted";
        count_seat(book, PIT_BY_ORDER_ID, slot, tally);
        count_seat(book, PIT_BY_CLIENT_ID, slot, tally);
    }
    tally->levels++;
    return level->tail == before ? NULL : "book: a queue does not end at its tail";
}

static const char *check_side(const struct pit_book *book, enum pit_side side, struct tally *tally)
{
    const struct pit_ladder *ladder = &book->ladder[side];
    const char *wrong = pit_ladder_check(ladder);
    if (!wrong && book->best[side] != pit_ladder_below(ladder, INT64_MAX / 2))
        wrong = "book: the best price is not the best one";
    if (!wrong && book->second[side] != PIT_RANK_UNKNOWN &&
        book->second[side] != pit_ladder_below(ladder, book->best[side]))
        wrong = "book: the second price is not the second one";
    for (int64_t rank = book->best[side]; !wrong && rank != PIT_RANK_NONE; rank = pit_ladder_below(ladder, rank))
        wrong = check_queue(book, side, rank, tally);
    return wrong;
}

const char *pit_book_check(const struct pit_book *book)
{
    struct tally tally = {0};
    const char *wrong = NULL;
    if (book->best[PIT_SIDE_BUY] + book->best[PIT_SIDE_SELL] >= 0)
        wrong = "book: it is crossed";
    if (!wrong)
        wrong = check_side(book, PIT_SIDE_BUY, &tally);
    if (!wrong)
        wrong = check_side(book, PIT_SIDE_SELL, &tally);
    if (wrong)
        return wrong;
    if (tally.orders != book->pool.count || tally.levels != pit_book_levels_now(book))
        return "book: orders or prices are in use that no best price leads to";
    if (tally.in_table[PIT_BY_ORDER_ID] != book->by_order_id.count ||
        tally.in_table[PIT_BY_CLIENT_ID] != book->by_client_id.count)
        return "book: an id table holds an order that does not rest";
    if (!newcomers_good(book, PIT_BY_ORDER_ID, &tally) || !newcomers_good(book, PIT_BY_CLIENT_ID, &tally))
        return "book: a newcomer's place holds an order that does not rest";
    uint32_t free_slots = 0;
    for (uint32_t slot = book->pool.free; slot; slot = book->pool.order[slot].next)
        if (slot > book->pool.touched || ++free_slots > book->pool.touched)
            return "book: the list of free orders is damaged";
    return free_slots + book->pool.count == book->pool.touched ? NULL : "book: an order slot is lost";
}
