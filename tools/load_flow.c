/* tools/load_flow.c - `pitline load --flow NAME`: a synthetic flow (tools/flow.h) over the wire. */
#include <errno.h>
#include <stdlib.h>

#include "tools/load.h"

struct load_flow {
    struct pit_load *load;
    struct pit_flow *flow;
    const struct pit_client_symbol **symbols;
    int64_t *shifts; /* of each symbol: added to the flow's prices so that they lie in its band */
    uint32_t symbols_count;
    uint64_t id_base;
};

static int load_flow_next(void *state, struct pit_load_request *request, struct pit_error *error)
{
    struct load_flow *source = state;
    struct pit_flow_operation operation;
    (void)error;
    pit_flow_next(source->flow, &operation);
    *request = (struct pit_load_request){
        .client_id = source->id_base + pit_flow_id(source->flow, operation.order),
        .price = operation.market ? 0 : operation.price + source->shifts[operation.symbol],
        .quantity = operation.quantity,
        .session = operation.account,
        .symbol = source->symbols[operation.symbol]->symbol,
        .kind = operation.kind,
        .side = operation.side,
        .tif = operation.tif,
        .market = operation.market,
        .post_only = operation.post_only,
    };
    return 1;
}

/* Tells the flow which of its orders are gone. */
static void load_flow_report(void *state, const struct pit_load_session *session, const struct pit_report *report)
{
    struct load_flow *source = state;
    bool gone = false;
    (void)session;
    if (report->repeated && report->kind != PIT_REPORT_REJECTED)
        gone = report->kind != PIT_REPORT_UNKNOWN && report->leaves == 0;
    else if (report->kind == PIT_REPORT_TRADE)
        gone = report->leaves == 0;
    else if (report->kind == PIT_REPORT_CANCELLED)
        gone = true;
    else if (report->kind == PIT_REPORT_REJECTED)
        gone = report->rejected_kind == PIT_MESSAGE_NEW || report->reason == PIT_REASON_UNKNOWN_ORDER;
    if (gone)
        pit_flow_gone(source->flow, pit_flow_order(source->flow, report->client_id - source->id_base));
}

/* Finds for each symbol how far the flow's prices must be shifted to lie in its band. */
static int load_flow_shifts(struct load_flow *source, const struct pit_flow_band *band, struct pit_error *error)
{
    for (uint32_t i = 0; i < source->symbols_count; i++) {
        const struct pit_client_symbol *symbol = source->symbols[i];
        int64_t room = symbol->price_max - symbol->price_min - (band->price_max - band->price_min);
        if (room < 0)
            return pit_error_set(error, -EINVAL,
                                 "%s: its price band holds fewer than the %lld prices a flow uses; give it a wider one",
                                 symbol->name, (long long)(band->price_max - band->price_min + 1));
        if (symbol->quantity_max < band->quantity_max)
            return pit_error_set(error, -EINVAL, "%s: its largest quantity is below the %llu lots a flow uses",
                                 symbol->name, (unsigned long long)band->quantity_max);
        if (symbol->price_min > band->price_min || symbol->price_max < band->price_max)
            source->shifts[i] = symbol->price_min + room / 2 - band->price_min;
    }
    return 0;
}

static int load_flow_prepare(struct load_flow *source, struct pit_error *error)
{
    const struct pit_load_options *options = source->load->options;
    int code = pit_load_symbols(source->load, &source->symbols, &source->symbols_count, error);
    if (code != 0)
        return code;
    source->shifts = calloc(source->symbols_count, sizeof *source->shifts);
    if (!source->shifts)
        return pit_error_set(error, -ENOMEM, "no memory for %u symbols", source->symbols_count);
    struct pit_flow_options flow = {.name = options->flow,
                                    .seed = options->seed,
                                    .symbols = source->symbols_count,
                                    .accounts = options->accounts,
                                    .feedback = true};
    struct pit_flow_band band;
    code = pit_flow_band(&flow, &band, error);
    if (code == 0)
        code = load_flow_shifts(source, &band, error);
    return code == 0 ? pit_flow_create(&source->flow, &flow, error) : code;
}

int pit_load_flow(struct pit_load *load)
{
    struct load_flow state = {.load = load, .id_base = load->options->id_base};
    struct pit_load_source source = {.state = &state, .next = load_flow_next, .report = load_flow_report};
    struct pit_error error = {0};
    int status;
    if (load_flow_prepare(&state, &error) == 0) {
        status = pit_load_finish(load, &source);
    } else {
        fprintf(stderr, "pitline load: %s\n", error.text);
        status = 1;
    }
    pit_flow_destroy(state.flow);
    free(state.shifts);
    free(state.symbols);
    return status;
}
