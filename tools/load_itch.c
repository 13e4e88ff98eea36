/* tools/load_itch.c - `pitline load --itch FILE`: a NASDAQ day over the wire. See tools/load_itch.h for the format.
 *
 *   A F   a limit order, GTC. Its client id is its reference number (plus --id-base), for life
 *   X     reduces it
 *   D     cancels it
 *   U     replaces price and quantity; the new reference number then means the same order here. (There a replaced order
 *         always goes to the end of the queue; here it keeps its place when only the quantity falls.)
 *   E     an aggressing IOC order of the other side for the executed shares, at the resting order's price
 *   C     the same, at the execution price where that goes further into the book than the resting order's: at a price
 *         that does not reach the order it could not trade with it
 *   R     the stock's name
 *   P     trades of hidden orders: ignored, as are all other types; they are counted
 *
 * An order's requests go over one session, chosen by its reference number; aggressors come over the next one.
 */
#include "tools/load_itch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/load.h"

#define ITCH_LOCATES 65536u
#define ITCH_SLOTS_MIN (1u << 16)
#define ITCH_TYPES 256u

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

struct load_itch {
    struct pit_load *load;
    struct pit_itch_file *file;
    struct itch_stock *stocks; /* by locate */
    struct itch_order *slots;
    uint64_t mask;
    uint64_t orders;
    bool *wanted; /* by the pipeline's symbol id; NULL = all */
    uint64_t messages;
    uint64_t types[ITCH_TYPES];
    uint64_t skipped_symbol;  /* of stocks the pipeline does not know */
    uint64_t skipped_order;   /* about orders that were not added here */
    uint64_t skipped_inexact; /* price or shares no whole number of ticks or lots */
};

static uint64_t itch_slot(const struct load_itch *state, uint64_t reference)
{
    uint64_t slot = (reference * UINT64_C(0x9e3779b97f4a7c15)) >> 20 & state->mask;
    while (state->slots[slot].reference != 0 && state->slots[slot].reference != reference)
        slot = (slot + 1) & state->mask;
    return slot;
}

static int itch_add(struct load_itch *state, const struct itch_order *order)
{
    if ((state->orders + 1) * 2 > state->mask) {
        struct itch_order *old = state->slots;
        uint64_t count = state->mask + 1;
        struct itch_order *slots = calloc(count * 2, sizeof *slots);
        if (!slots)
            return -ENOMEM;
        state->slots = slots;
        state->mask = count * 2 - 1;
        for (uint64_t i = 0; i < count; i++) {
            if (old[i].reference != 0)
                state->slots[itch_slot(state, old[i].reference)] = old[i];
        }
        free(old);
    }
    struct itch_order *slot = &state->slots[itch_slot(state, order->reference)];
    state->orders += slot->reference == 0;
    *slot = *order;
    return 0;
}

static void itch_forget(struct load_itch *state, struct itch_order *order)
{
    uint64_t hole = (uint64_t)(order - state->slots);
    state->slots[hole].reference = 0;
    state->orders--;
    for (uint64_t at = (hole + 1) & state->mask; state->slots[at].reference != 0; at = (at + 1) & state->mask) {
        uint64_t home = (state->slots[at].reference * UINT64_C(0x9e3779b97f4a7c15)) >> 20 & state->mask;
        if (((at - home) & state->mask) >= ((at - hole) & state->mask)) {
            state->slots[hole] = state->slots[at];
            state->slots[at].reference = 0;
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
static struct itch_stock *itch_stock_learn(struct load_itch *state, const struct pit_itch_message *message)
{
    struct itch_stock *stock = &state->stocks[message->locate];
    if (stock->state != ITCH_STOCK_UNSEEN)
        return stock;
    memcpy(stock->name, message->stock, sizeof stock->name);
    if (state->load)
        stock->symbol = pit_client_find(state->load->sessions[0].client, stock->name);
    if (stock->symbol && state->wanted && !state->wanted[stock->symbol->symbol])
        stock->symbol = NULL;
    stock->state = stock->symbol ? ITCH_STOCK_KNOWN : ITCH_STOCK_MISSING;
    return stock;
}

static int itch_order_added(struct load_itch *state, const struct pit_itch_message *message,
                            struct pit_load_request *request)
{
    struct itch_stock *stock = itch_stock_learn(state, message);
    stock->has_orders = true;
    if (stock->state != ITCH_STOCK_KNOWN) {
        state->skipped_symbol++;
        return 0;
    }
    struct itch_order order = {.reference = message->reference,
                               .client_id = state->load->options->id_base + message->reference,
                               .price = message->price,
                               .shares = message->shares,
                               .session = (uint32_t)(message->reference % state->load->options->accounts),
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
        state->skipped_inexact++;
        return 0;
    }
    return itch_add(state, &order) == 0 ? 1 : -ENOMEM;
}

/* E and C: somebody traded with the order. */
static int itch_executed(struct load_itch *state, const struct pit_itch_message *message, struct itch_order *order,
                         const struct pit_client_symbol *symbol, struct pit_load_request *request)
{
    uint32_t price = order->price;
    if (message->type == 'C' && (order->side == 'B' ? message->price < price : message->price > price))
        price = message->price;
    *request = (struct pit_load_request){.kind = PIT_FLOW_NEW,
                                         .session = (order->session + 1) % state->load->options->accounts,
                                         .symbol = symbol->symbol,
                                         .side = order->side == 'B' ? PIT_SIDE_SELL : PIT_SIDE_BUY,
                                         .tif = PIT_TIF_IOC};
    bool exact = itch_price(symbol, price, &request->price) && itch_shares(symbol, message->shares, &request->quantity);
    order->shares -= message->shares < order->shares ? message->shares : order->shares;
    if (order->shares == 0)
        itch_forget(state, order);
    state->skipped_inexact += !exact;
    return exact;
}

static int itch_replaced(struct load_itch *state, const struct pit_itch_message *message, struct itch_order *order,
                         const struct pit_client_symbol *symbol, struct pit_load_request *request)
{
    struct itch_order after = *order;
    after.reference = message->reference_new;
    after.price = message->price;
    after.shares = message->shares;
    if (after.reference == 0 || !itch_price(symbol, message->price, &request->price) ||
        !itch_shares(symbol, message->shares, &request->quantity)) {
        state->skipped_inexact++;
        return 0;
    }
    itch_forget(state, order);
    return itch_add(state, &after) == 0 ? 1 : -ENOMEM;
}

/* The messages about an order that was added before. */
static int itch_about(struct load_itch *state, const struct pit_itch_message *message, struct pit_load_request *request)
{
    struct itch_order *order = &state->slots[itch_slot(state, message->reference)];
    if (message->reference == 0 || order->reference == 0) {
        state->skipped_order++;
        return 0;
    }
    const struct pit_client_symbol *symbol = state->stocks[order->locate].symbol;
    *request = (struct pit_load_request){
        .client_id = order->client_id, .session = order->session, .symbol = symbol->symbol, .kind = PIT_FLOW_CANCEL};
    switch (message->type) {
    case 'D':
        itch_forget(state, order);
        return 1;
    case 'X':
        request->kind = PIT_FLOW_REDUCE;
        if (!itch_shares(symbol, message->shares, &request->quantity)) {
            state->skipped_inexact++;
            return 0;
        }
        order->shares -= message->shares < order->shares ? message->shares : order->shares;
        if (order->shares == 0)
            itch_forget(state, order);
        return 1;
    case 'U':
        request->kind = PIT_FLOW_REPLACE;
        return itch_replaced(state, message, order, symbol, request);
    default:
        return itch_executed(state, message, order, symbol, request);
    }
}

static int itch_next(void *context, struct pit_load_request *request, struct pit_error *error)
{
    struct load_itch *state = context;
    struct pit_itch_message message;
    for (;;) {
        int code = pit_itch_next(state->file, &message, error);
        if (code <= 0)
            return code;
        state->messages++;
        state->types[(unsigned char)message.type]++;
        if (message.type == 'R')
            itch_stock_learn(state, &message);
        else if (message.type == 'A' || message.type == 'F')
            code = itch_order_added(state, &message, request);
        else if (strchr("ECXDU", message.type))
            code = itch_about(state, &message, request);
        else
            continue;
        if (code < 0)
            return pit_error_set(error, code, "no memory for %" PRIu64 " live orders", state->orders + 1);
        if (code > 0 && message.type != 'R')
            return 1;
    }
}

static void itch_print(const struct load_itch *state)
{
    uint64_t used = 0, missing = 0;
    for (const char *type = "AFECXDUR"; *type; type++)
        used += state->types[(unsigned char)*type];
    printf("itch        %" PRIu64 " messages:", state->messages);
    for (uint32_t type = 0; type < ITCH_TYPES; type++) {
        if (state->types[type] > 0)
            printf(" %c %" PRIu64, type > 32 && type < 127 ? (int)type : '?', state->types[type]);
    }
    printf("\nskipped     %" PRIu64 " of other types, %" PRIu64 " orders of stocks the pipeline does not have, %" PRIu64
           " about orders not sent, %" PRIu64 " with no whole number of ticks or lots\n",
           state->messages - used, state->skipped_symbol, state->skipped_order, state->skipped_inexact);
    for (uint32_t locate = 0; locate < ITCH_LOCATES; locate++)
        missing += state->stocks[locate].state == ITCH_STOCK_MISSING && state->stocks[locate].has_orders;
    if (missing > 0)
        printf("missing     %" PRIu64 " symbols with orders; --list-symbols prints what pitline run would need\n",
               missing);
}

static int itch_prepare(struct load_itch *state, struct pit_error *error)
{
    state->stocks = calloc(ITCH_LOCATES, sizeof *state->stocks);
    state->slots = calloc(ITCH_SLOTS_MIN, sizeof *state->slots);
    state->mask = ITCH_SLOTS_MIN - 1;
    if (!state->stocks || !state->slots)
        return pit_error_set(error, -ENOMEM, "no memory for the stocks");
    return 0;
}

/* Marks the symbols that --symbols names. */
static int itch_choose(struct load_itch *state, struct pit_error *error)
{
    if (!state->load->options->symbols)
        return 0;
    const struct pit_client_symbol **symbols;
    uint32_t count;
    int code = pit_load_symbols(state->load, &symbols, &count, error);
    if (code != 0)
        return code;
    state->wanted = calloc(PIT_SYMBOLS_MAX, sizeof *state->wanted);
    for (uint32_t i = 0; state->wanted && i < count; i++)
        state->wanted[symbols[i]->symbol] = true;
    free(symbols);
    return state->wanted ? 0 : pit_error_set(error, -ENOMEM, "no memory for the symbols");
}

static void itch_release(struct load_itch *state)
{
    pit_itch_close(state->file);
    free(state->wanted);
    free(state->slots);
    free(state->stocks);
}

int pit_load_itch(struct pit_load *load)
{
    struct load_itch state = {.load = load};
    struct pit_load_source source = {.state = &state, .next = itch_next};
    struct pit_error error = {0};
    int status = 1;
    if (itch_prepare(&state, &error) == 0 && itch_choose(&state, &error) == 0 &&
        pit_itch_open(&state.file, load->options->itch, &error) == 0) {
        status = pit_load_finish(load, &source);
        itch_print(&state);
    } else {
        fprintf(stderr, "pitline load: %s\n", error.text);
    }
    itch_release(&state);
    return status;
}

int pit_load_itch_symbols(const char *path, FILE *file)
{
    struct load_itch state = {0};
    struct pit_error error = {0};
    struct pit_itch_message message;
    int code = itch_prepare(&state, &error);
    if (code == 0)
        code = pit_itch_open(&state.file, path, &error);
    while (code == 0) {
        int got = pit_itch_next(state.file, &message, &error);
        if (got <= 0) {
            code = got;
            break;
        }
        if (message.type == 'R' || message.type == 'A' || message.type == 'F')
            itch_stock_learn(&state, &message);
        if (message.type == 'A' || message.type == 'F')
            state.stocks[message.locate].has_orders = true;
    }
    for (uint32_t locate = 0; state.stocks && locate < ITCH_LOCATES; locate++) {
        if (state.stocks[locate].has_orders)
            fprintf(file, "--symbol %s,0.0001,1\n", state.stocks[locate].name);
    }
    if (code != 0)
        fprintf(stderr, "pitline load: %s\n", error.text);
    itch_release(&state);
    return code == 0 ? 0 : 1;
}
