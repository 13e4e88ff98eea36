/* tools/load_itch.c - `pitline load --itch FILE`: a NASDAQ day over the wire. See tools/load_itch.h. */
#include "tools/load_itch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct load_itch {
    struct pit_load *load;
    struct pit_itch_file *file;
    struct pit_itch_orders *orders;
    bool *wanted; /* by the pipeline's symbol id; NULL = all */
};

static int itch_next(void *context, struct pit_load_request *request, struct pit_error *error)
{
    struct load_itch *state = context;
    struct pit_itch_message message;
    for (;;) {
        int code = pit_itch_next(state->file, &message, error);
        if (code <= 0)
            return code;
        code = pit_itch_orders_take(state->orders, &message, request);
        if (code < 0)
            return pit_error_set(error, code, "no memory for so many live orders");
        if (code > 0)
            return 1;
    }
}

static void itch_print(const struct load_itch *state)
{
    const struct pit_itch_counts *counts = pit_itch_orders_counts(state->orders);
    uint64_t used = 0, missing = 0;
    for (const char *type = "AFECXDUR"; *type; type++)
        used += counts->types[(unsigned char)*type];
    printf("itch        %" PRIu64 " messages:", counts->messages);
    for (int type = 0; type < 256; type++) {
        if (counts->types[type] > 0)
            printf(" %c %" PRIu64, type > 32 && type < 127 ? type : '?', counts->types[type]);
    }
    printf("\nskipped     %" PRIu64 " of other types, %" PRIu64 " orders of stocks the pipeline does not have, %" PRIu64
           " about orders not sent, %" PRIu64 " with no whole number of ticks or lots\n",
           counts->messages - used, counts->skipped_symbol, counts->skipped_order, counts->skipped_inexact);
    const char *name;
    bool found;
    for (int32_t at = -1; (at = pit_itch_orders_stock(state->orders, at, &name, &found)) >= 0;)
        missing += !found;
    if (missing > 0)
        printf("missing     %" PRIu64 " symbols with orders; --list-symbols prints what pitline run would need\n",
               missing);
}

static const struct pit_client_symbol *itch_find(void *context, const char *stock)
{
    struct load_itch *state = context;
    const struct pit_client_symbol *symbol = pit_client_find(state->load->sessions[0].client, stock);
    return symbol && state->wanted && !state->wanted[symbol->symbol] ? NULL : symbol;
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

static int itch_prepare(struct load_itch *state, struct pit_error *error)
{
    const struct pit_itch_orders_options options = {.id_base = state->load->options->id_base,
                                                    .sessions = state->load->options->accounts,
                                                    .find = itch_find,
                                                    .context = state};
    int code = itch_choose(state, error);
    if (code == 0)
        code = pit_itch_orders_create(&state->orders, &options, error);
    return code == 0 ? pit_itch_open(&state->file, state->load->options->itch, error) : code;
}

int pit_load_itch(struct pit_load *load)
{
    struct load_itch state = {.load = load};
    struct pit_load_source source = {.state = &state, .next = itch_next};
    struct pit_error error = {0};
    int status = 1;
    if (itch_prepare(&state, &error) == 0) {
        status = pit_load_finish(load, &source);
        itch_print(&state);
    } else {
        fprintf(stderr, "pitline load: %s\n", error.text);
    }
    pit_itch_close(state.file);
    pit_itch_orders_destroy(state.orders);
    free(state.wanted);
    return status;
}

static const struct pit_client_symbol *itch_find_none(void *context, const char *stock)
{
    (void)context;
    (void)stock;
    return NULL;
}

int pit_load_itch_symbols(const char *path, FILE *out)
{
    const struct pit_itch_orders_options options = {.sessions = 1, .find = itch_find_none};
    struct pit_itch_orders *orders = NULL;
    struct pit_itch_file *file = NULL;
    struct pit_itch_message message;
    struct pit_load_request request;
    struct pit_error error = {0};
    int code = pit_itch_orders_create(&orders, &options, &error);
    if (code == 0)
        code = pit_itch_open(&file, path, &error);
    while (code == 0 && (code = pit_itch_next(file, &message, &error)) == 1)
        code = pit_itch_orders_take(orders, &message, &request);
    const char *name;
    bool found;
    for (int32_t at = -1; orders && (at = pit_itch_orders_stock(orders, at, &name, &found)) >= 0;)
        fprintf(out, "--symbol %s,0.0001,1\n", name);
    if (code != 0)
        fprintf(stderr, "pitline load: %s\n", error.text);
    pit_itch_close(file);
    pit_itch_orders_destroy(orders);
    return code == 0 ? 0 : 1;
}
