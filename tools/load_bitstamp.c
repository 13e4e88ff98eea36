/* tools/load_bitstamp.c - `pitline load --bitstamp FILE`: a recorded feed over the wire, its outcome compared.
 *
 * One session, so its reports come in the order of the book's commands: the book rebuilt from them, looked at right
 * after the last report of the request before a recorded book, is the book to compare - without ever stopping the flow.
 */
#include "tools/load_bitstamp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/load.h"
#include "tools/load_book.h"

struct load_bitstamp {
    struct pit_bitstamp feed;
    struct pit_load *load;
    const struct pit_client_symbol *symbol;
    struct pit_load_book *book;
    size_t next;     /* step to make */
    size_t check;    /* the first step of which it is not known whether it is a comparison still due */
    uint32_t *after; /* of each BOOK step made: the request it comes after */
    uint32_t last;   /* number of the last request sent */
    size_t books_agree, bids_agree, asks_agree;
    size_t cancels_found;
    struct pit_bitstamp_trade *trades; /* that we made */
    size_t trades_count, trades_room;
    int broken; /* the reports contradicted each other */
};

/* Compares every recorded book whose requests before it are all answered. */
static void compare_books(struct load_bitstamp *state, uint32_t answered_to)
{
    for (; state->check < state->next; state->check++) {
        const struct pit_bitstamp_step *step = &state->feed.steps[state->check];
        if (step->kind != PIT_BITSTAMP_BOOK)
            continue;
        if (state->after[state->check] > answered_to)
            return;
        int64_t bid = 0, ask = 0;
        bool bid_empty = !pit_load_book_best(state->book, PIT_SIDE_BUY, &bid);
        bool ask_empty = !pit_load_book_best(state->book, PIT_SIDE_SELL, &ask);
        bool bid_agrees = bid_empty == step->bid_empty && (bid_empty || bid == step->bid);
        bool ask_agrees = ask_empty == step->ask_empty && (ask_empty || ask == step->ask);
        state->bids_agree += bid_agrees;
        state->asks_agree += ask_agrees;
        state->books_agree += bid_agrees && ask_agrees;
    }
}

static int bitstamp_next(void *context, struct pit_load_request *request, struct pit_error *error)
{
    struct load_bitstamp *state = context;
    if (state->broken)
        return pit_error_set(error, state->broken,
                             state->broken == -EPROTO
                                 ? "the reports contradict each other: the book they give is impossible"
                                 : "no memory for the book");
    while (state->next < state->feed.steps_count && state->feed.steps[state->next].kind == PIT_BITSTAMP_BOOK)
        state->after[state->next++] = state->last;
    compare_books(state, state->load->sessions[0].answered_to);
    if (state->next == state->feed.steps_count)
        return 0;
    const struct pit_bitstamp_step *step = &state->feed.steps[state->next++];
    *request = (struct pit_load_request){.client_id = state->load->options->id_base + step->id,
                                         .symbol = state->symbol->symbol,
                                         .kind = step->kind == PIT_BITSTAMP_NEW ? PIT_FLOW_NEW : PIT_FLOW_CANCEL};
    if (step->kind == PIT_BITSTAMP_NEW) {
        request->side = step->side;
        request->market = step->market;
        request->tif = step->market ? PIT_TIF_IOC : PIT_TIF_GTC;
        request->price = step->price;
        request->quantity = step->quantity;
    }
    return 1;
}

static void bitstamp_sent(void *context, uint32_t session, uint32_t number)
{
    struct load_bitstamp *state = context;
    (void)session;
    state->last = number;
}

static int note_trade(struct load_bitstamp *state, const struct pit_report *report)
{
    if (state->trades_count == state->trades_room) {
        size_t room = state->trades_room ? state->trades_room * 2 : 1024;
        struct pit_bitstamp_trade *grown = realloc(state->trades, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        state->trades = grown;
        state->trades_room = room;
    }
    state->trades[state->trades_count++] =
        (struct pit_bitstamp_trade){.price = report->price, .quantity = report->quantity};
    return 0;
}

static void bitstamp_report(void *context, const struct pit_load_session *session, const struct pit_report *report)
{
    struct load_bitstamp *state = context;
    if (state->broken || report->symbol != state->symbol->symbol)
        return;
    if (report->kind == PIT_REPORT_TRADE && report->aggressor)
        state->broken = note_trade(state, report);
    else if (report->kind == PIT_REPORT_CANCELLED && report->reason == PIT_REASON_REQUESTED)
        state->cancels_found++;
    int code = pit_load_book_apply(state->book, report);
    state->broken = state->broken ? state->broken : code;
    compare_books(state, session->answered_to);
}

static void bitstamp_print(struct load_bitstamp *state)
{
    const struct pit_bitstamp *feed = &state->feed;
    pit_bitstamp_trades_sort(state->trades, state->trades_count);
    size_t agree = pit_bitstamp_trades_agree(feed->trades, feed->trades_count, state->trades, state->trades_count);
    printf("recorded    %zu lines: %zu creates (%zu sent as market orders), %zu cancels, %zu trades, %zu books\n",
           feed->lines, feed->creates, feed->markets, feed->cancels, feed->trades_count, feed->books);
    printf("opening     %zu orders rested first, %zu of them of unknown size with one lot\n", feed->opening,
           feed->opening_unsized);
    printf("cancels     %zu of %zu found their order resting\n", state->cancels_found, feed->cancels);
    printf("traded      %zu times; best bids agree in %zu books, best asks in %zu\n", state->trades_count,
           state->bids_agree, state->asks_agree);
    printf("%zu of %zu trades, %zu of %zu books\n", agree, feed->trades_count, state->books_agree, feed->books);
}

/* The symbol: the one named, else BTCUSD, else the only one there is. */
static const struct pit_client_symbol *bitstamp_symbol(const struct pit_load *load, struct pit_error *error)
{
    const struct pit_client *client = load->sessions[0].client;
    const char *name = load->options->symbols ? load->options->symbols : "BTCUSD";
    const struct pit_client_symbol *symbol = pit_client_find(client, name);
    if (!symbol && !load->options->symbols && pit_client_symbols(client) == 1)
        symbol = pit_client_symbol(client, 0);
    if (!symbol)
        pit_error_set(error, -ENOENT, "the pipeline has no symbol '%s'; say which one with --symbols", name);
    return symbol;
}

static int bitstamp_prepare(struct load_bitstamp *state, struct pit_error *error)
{
    state->symbol = bitstamp_symbol(state->load, error);
    if (!state->symbol)
        return -ENOENT;
    struct pit_bitstamp_units units = {.tick_mantissa = state->symbol->tick_mantissa,
                                       .tick_decimals = state->symbol->tick_decimals,
                                       .lot_mantissa = state->symbol->lot_mantissa,
                                       .lot_decimals = state->symbol->lot_decimals};
    int code = pit_bitstamp_read(&state->feed, state->load->options->bitstamp, &units, error);
    if (code != 0)
        return code;
    state->book = pit_load_book_create();
    state->after = calloc(state->feed.steps_count + 1, sizeof *state->after);
    if (!state->book || !state->after)
        return pit_error_set(error, -ENOMEM, "no memory to compare %zu steps", state->feed.steps_count);
    return 0;
}

int pit_load_bitstamp(struct pit_load *load)
{
    struct load_bitstamp state = {.load = load};
    struct pit_load_source source = {
        .state = &state, .next = bitstamp_next, .sent = bitstamp_sent, .report = bitstamp_report};
    struct pit_error error = {0};
    int status = 1;
    if (bitstamp_prepare(&state, &error) == 0) {
        status = pit_load_finish(load, &source);
        bitstamp_print(&state);
    } else {
        fprintf(stderr, "pitline load: %s\n", error.text);
    }
    pit_bitstamp_free(&state.feed);
    pit_load_book_destroy(state.book);
    free(state.trades);
    free(state.after);
    return status;
}
