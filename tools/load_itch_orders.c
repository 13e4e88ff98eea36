/* tools/load_itch_orders.c - from ITCH messages to requests. See tools/load_itch.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/load_itch.h"

#define ITCH_LOCATES 65536u
#define ITCH_SLOTS_MIN (1u << 16)

struct itch_order {
    uint64_t reference; /* 0 = the slot is free */
    uint64_t client_id;
    uint32_t price; /* in 1/10000 */
    uint32_t shares;
    uint32_t session;
    uint16_t locate;
    char side;
};

enum itch_stock_state { ITCH_STOCK_UNSEEN = 0, ITCH_STOCK_MISSING, ITCH_STOCK_KNOWN };

struct itch_stock {
    const struct pit_client_symbol *symbol;
    char name[PIT_ITCH_STOCK_BYTES];
    uint8_t state; /* enum itch_stock_state */
    bool has_orders;
};

struct pit_itch_orders {
    struct pit_itch_orders_options options;
    struct itch_stock *stocks; /* by locate */
    struct itch_order *slots;
    uint64_t mask;
    uint64_t live;
    struct pit_itch_counts counts;
};

static uint64_t itch_slot(const struct pit_itch_orders *orders, uint64_t reference)
{
    uint64_t slot = (reference * UINT64_C(0x9e3779b97f4a7c15)) >> 20 & orders->mask;
    while (orders->slots[slot].reference != 0 && orders->slots[slot].reference != reference)
        slot = (slot + 1) & orders->mask;
    return slot;
}

static int itch_add(struct pit_itch_orders *orders, const struct itch_order *order)
{
    if ((orders->live + 1) * 2 > orders->mask) {
        struct itch_order *old = orders->slots;
        uint64_t count = orders->mask + 1;
        struct itch_order *slots = calloc(count * 2, sizeof *slots);
        if (!slots)
            return -ENOMEM;
        orders->slots = slots;
        orders->mask = count * 2 - 1;
        for (uint64_t i = 0; i < count; i++) {
            if (old[i].reference != 0)
                orders->slots[itch_slot(orders, old[i].reference)] = old[i];
        }
        free(old);
    }
    struct itch_order *slot = &orders->slots[itch_slot(orders, order->reference)];
    orders->live += slot->reference == 0;
    *slot = *order;
    return 0;
}

static void itch_forget(struct pit_itch_orders *orders, struct itch_order *order)
{
    uint64_t hole = (uint64_t)(order - orders->slots);
    orders->slots[hole].reference = 0;
    orders->live--;
    for (uint64_t at = (hole + 1) & orders->mask; orders->slots[at].reference != 0; at = (at + 1) & orders->mask) {
        uint64_t home = (orders->slots[at].reference * UINT64_C(0x9e3779b97f4a7c15)) >> 20 & orders->mask;
        if (((at - home) & orders->mask) >= ((at - hole) & orders->mask)) {
            orders->slots[hole] = orders->slots[at];
            orders->slots[at].reference = 0;
            hole = at;
        }
    }
}

/* value / 10^from as a whole number of mantissa / 10^decimals; false when it is none. */
static bool itch_convert(uint32_t value, uint32_t from, uint32_t mantissa, uint32_t decimals, uint64_t *units)
{
    unsigned __int128 scaled = value, divisor = mantissa;
    for (; from < decimals; from++)
        scaled *= 10;
    for (; from > decimals; from--)
        divisor *= 10;
    if (divisor == 0 || scaled % divisor != 0 || scaled / divisor > INT64_MAX)
        return false;
    *units = (uint64_t)(scaled / divisor);
    return true;
}

static bool itch_price(const struct pit_client_symbol *symbol, uint32_t price, int64_t *ticks)
{
    uint64_t units;
    if (!itch_convert(price, PIT_ITCH_PRICE_DECIMALS, symbol->tick_mantissa, symbol->tick_decimals, &units))
        return false;
    *ticks = (int64_t)units;
    return true;
}

static bool itch_shares(const struct pit_client_symbol *symbol, uint32_t shares, uint64_t *lots)
{
    return itch_convert(shares, 0, symbol->lot_mantissa, symbol->lot_decimals, lots);
}

/* Learns what the pipeline calls a stock. */
static struct itch_stock *itch_stock_learn(struct pit_itch_orders *orders, const struct pit_itch_message *message)
{
    struct itch_stock *stock = &orders->stocks[message->locate];
    if (stock->state != ITCH_STOCK_UNSEEN)
        return stock;
    memcpy(stock->name, message->stock, sizeof stock->name);
    stock->symbol = orders->options.find(orders->options.context, stock->name);
    stock->state = stock->symbol ? ITCH_STOCK_KNOWN : ITCH_STOCK_MISSING;
    return stock;
}

static int itch_order_added(struct pit_itch_orders *orders, const struct pit_itch_message *message,
                            struct pit_load_request *request)
{
    struct itch_stock *stock = itch_stock_learn(orders, message);
    stock->has_orders = true;
    if (stock->state != ITCH_STOCK_KNOWN) {
        orders->counts.skipped_symbol++;
        return 0;
    }
    struct itch_order order = {.reference = message->reference,
                               .client_id = orders->options.id_base + message->reference,
                               .price = message->price,
                               .shares = message->shares,
                               .session = (uint32_t)(message->reference % orders->options.sessions),
                               .locate = message->locate,
                               .side = message->side};
    *request = (struct pit_load_request){.kind = PIT_FLOW_NEW,
                                         .client_id = order.client_id,
                                         .session = order.session,
                                         .symbol = stock->symbol->symbol,
                                         .side = message->side == 'B' ? PIT_SIDE_BUY : PIT_SIDE_SELL,
                                         .tif = PIT_TIF_GTC};
    if (order.reference == 0 || !itch_price(stock->symbol, message->price, &request->price) ||
        !itch_shares(stock->symbol, message->shares, &request->quantity)) {
        orders->counts.skipped_inexact++;
        return 0;
    }
    return itch_add(orders, &order) == 0 ? 1 : -ENOMEM;
}

/* E and C: somebody traded with the order. */
static int itch_executed(struct pit_itch_orders *orders, const struct pit_itch_message *message,
                         struct itch_order *order, const struct pit_client_symbol *symbol,
                         struct pit_load_request *request)
{
    uint32_t price = order->price;
    if (message->type == 'C' && (order->side == 'B' ? message->price < price : message->price > price))
        price = message->price;
    *request = (struct pit_load_request){.kind = PIT_FLOW_NEW,
                                         .session = (order->session + 1) % orders->options.sessions,
                                         .symbol = symbol->symbol,
                                         .side = order->side == 'B' ? PIT_SIDE_SELL : PIT_SIDE_BUY,
                                         .tif = PIT_TIF_IOC};
    bool exact = itch_price(symbol, price, &request->price) && itch_shares(symbol, message->shares, &request->quantity);
    order->shares -= message->shares < order->shares ? message->shares : order->shares;
    if (order->shares == 0)
        itch_forget(orders, order);
    orders->counts.skipped_inexact += !exact;
    return exact;
}

static int itch_replaced(struct pit_itch_orders *orders, const struct pit_itch_message *message,
                         struct itch_order *order, const struct pit_client_symbol *symbol,
                         struct pit_load_request *request)
{
    struct itch_order after = *order;
    after.reference = message->reference_new;
    after.price = message->price;
    after.shares = message->shares;
    if (after.reference == 0 || !itch_price(symbol, message->price, &request->price) ||
        !itch_shares(symbol, message->shares, &request->quantity)) {
        orders->counts.skipped_inexact++;
        return 0;
    }
    itch_forget(orders, order);
    return itch_add(orders, &after) == 0 ? 1 : -ENOMEM;
}

/* The messages about an order that was added before. */
static int itch_about(struct pit_itch_orders *orders, const struct pit_itch_message *message,
                      struct pit_load_request *request)
{
    struct itch_order *order = &orders->slots[itch_slot(orders, message->reference)];
    if (message->reference == 0 || order->reference == 0) {
        orders->counts.skipped_order++;
        return 0;
    }
    const struct pit_client_symbol *symbol = orders->stocks[order->locate].symbol;
    *request = (struct pit_load_request){
        .client_id = order->client_id, .session = order->session, .symbol = symbol->symbol, .kind = PIT_FLOW_CANCEL};
    switch (message->type) {
    case 'D':
        itch_forget(orders, order);
        return 1;
    case 'X':
        request->kind = PIT_FLOW_REDUCE;
        if (!itch_shares(symbol, message->shares, &request->quantity)) {
            orders->counts.skipped_inexact++;
            return 0;
        }
        order->shares -= message->shares < order->shares ? message->shares : order->shares;
        if (order->shares == 0)
            itch_forget(orders, order);
        return 1;
    case 'U':
        request->kind = PIT_FLOW_REPLACE;
        return itch_replaced(orders, message, order, symbol, request);
    default:
        return itch_executed(orders, message, order, symbol, request);
    }
}

int pit_itch_orders_take(struct pit_itch_orders *orders, const struct pit_itch_message *message,
                         struct pit_load_request *request)
{
    orders->counts.messages++;
    orders->counts.types[(unsigned char)message->type]++;
    switch (message->type) {
    case 'R':
        itch_stock_learn(orders, message);
        return 0;
    case 'A':
    case 'F':
        return itch_order_added(orders, message, request);
    case 'E':
    case 'C':
    case 'X':
    case 'D':
    case 'U':
        return itch_about(orders, message, request);
    default:
        return 0;
    }
}

int pit_itch_orders_create(struct pit_itch_orders **orders, const struct pit_itch_orders_options *options,
                           struct pit_error *error)
{
    struct pit_itch_orders *made = calloc(1, sizeof *made);
    if (made) {
        made->options = *options;
        made->stocks = calloc(ITCH_LOCATES, sizeof *made->stocks);
        made->slots = calloc(ITCH_SLOTS_MIN, sizeof *made->slots);
        made->mask = ITCH_SLOTS_MIN - 1;
    }
    if (!made || !made->stocks || !made->slots) {
        pit_itch_orders_destroy(made);
        return pit_error_set(error, -ENOMEM, "no memory for %u stocks", ITCH_LOCATES);
    }
    *orders = made;
    return 0;
}

void pit_itch_orders_destroy(struct pit_itch_orders *orders)
{
    if (!orders)
        return;
    free(orders->slots);
    free(orders->stocks);
    free(orders);
}

const struct pit_itch_counts *pit_itch_orders_counts(const struct pit_itch_orders *orders)
{
    return &orders->counts;
}

int32_t pit_itch_orders_stock(const struct pit_itch_orders *orders, int32_t locate, const char **name, bool *found)
{
    while (++locate < (int32_t)ITCH_LOCATES) {
        if (orders->stocks[locate].has_orders) {
            *name = orders->stocks[locate].name;
            *found = orders->stocks[locate].state == ITCH_STOCK_KNOWN;
            return locate;
        }
    }
    return -1;
}
