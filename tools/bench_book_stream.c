/* tools/bench_book_stream.c - a flow's commands, made ready in memory, and what each of them does. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tools/bench_book.h"
#include "tools/flow.h"

#define ACCOUNTS 100u
#define ORDERS_SPARE 1024u
#define BOOK_BYTES_ORDER 384u         /* more than a resting order takes of a book, */
#define BOOK_BYTES_SYMBOL (64u << 10) /* more than an empty book takes, */
#define FLOW_BYTES_ORDER 128u         /* and more than one takes of a flow: to tell what a run would need */

const char *pit_bench_kind_name(enum pit_bench_kind kind)
{
    static const char *const names[] = {"new", "cancel", "reduce", "replace", "aggressor", "refused", "other"};
    return names[kind];
}

/* As many prices as the band has or orders can be at. */
static uint32_t levels_max(const struct pit_flow_band *band, uint32_t orders_max)
{
    const uint32_t most = orders_max < PIT_LEVELS_MAX ? orders_max : PIT_LEVELS_MAX;
    const uint64_t prices = (uint64_t)(band->price_max - band->price_min) + 1;
    return prices < most ? (uint32_t)prices : most;
}

static void define(struct pit_command *command, uint64_t sequence, uint32_t symbol, uint32_t orders_max,
                   const struct pit_flow_band *band)
{
    *command = (struct pit_command){.sequence = sequence,
                                    .symbol = symbol,
                                    .kind = PIT_COMMAND_SYMBOL,
                                    .flags = PIT_COMMAND_WIDE,
                                    .definition = {
                                        .price_min = band->price_min,
                                        .price_max = band->price_max,
                                        .quantity_max = band->quantity_max,
                                        .orders_max = orders_max,
                                        .levels_max = levels_max(band, orders_max),
                                        .tick_mantissa = 1,
                                        .lot_mantissa = 1,
                                    }};
    snprintf(command->definition.name, sizeof command->definition.name, "B%u", symbol);
}

static void translate(struct pit_command *command, uint64_t sequence, const struct pit_flow_operation *operation)
{
    *command = (struct pit_command){
        .sequence = sequence,
        .time_ns = sequence,
        .price = operation->price,
        .quantity = operation->quantity,
        .account = operation->account + 1,
        .symbol = operation->symbol,
        .request = (uint32_t)sequence,
        .kind = operation->kind,
        .side = operation->side,
        .tif = operation->tif,
        .flags = (uint8_t)((operation->market ? PIT_COMMAND_MARKET : 0u) |
                           (operation->post_only ? PIT_COMMAND_POST_ONLY : 0u)),
    };
}

static int no_memory(const struct pit_bench_stream *stream, uint64_t bytes, uint64_t available, struct pit_error *error)
{
    return pit_error_set(error, -ENOMEM,
                         "%s: %llu commands take about %.1f GiB and %.1f are to be had: ask for less (--count, "
                         "--resting, --symbols)",
                         stream->flow, (unsigned long long)stream->total, (double)bytes / (1 << 30),
                         (double)available / (1 << 30));
}

/* Refuses what the machine has no memory for, before the kernel ends this process for it. */
static int allocate(struct pit_bench_stream *stream, uint64_t resting, struct pit_error *error)
{
    const uint64_t commands = (stream->total + PIT_BENCH_AHEAD) * sizeof(struct pit_command);
    const uint64_t books = resting * BOOK_BYTES_ORDER + (uint64_t)stream->symbols * BOOK_BYTES_SYMBOL;
    const uint64_t flow = resting * FLOW_BYTES_ORDER + (stream->total + stream->symbols) * sizeof(uint64_t);
    const uint64_t bytes = commands + stream->total + (books > flow ? books : flow);
    const uint64_t available = pit_bench_memory_available();
    if (bytes > available)
        return no_memory(stream, bytes, available, error);
    stream->kinds = calloc(stream->total, 1);
    void *block = mmap(NULL, commands, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stream->commands = block == MAP_FAILED ? NULL : block;
    return stream->commands && stream->kinds ? 0 : no_memory(stream, bytes, available, error);
}

static int fill_in(struct pit_bench_stream *stream, struct pit_flow *flow, const struct pit_flow_band *band,
                   struct pit_error *error)
{
    const uint64_t resting = pit_flow_filling(flow);
    int code = allocate(stream, resting, error);
    if (code)
        return code;
    uint64_t *order_id = calloc(stream->total + 2 * (uint64_t)stream->symbols, sizeof *order_id); /* by number */
    if (!order_id)
        return no_memory(stream, stream->total * sizeof *order_id, pit_bench_memory_available(), error);
    /* A quarter more than should rest in each: the numbers wander. */
    const uint32_t orders_max = ORDERS_SPARE + (uint32_t)(resting / stream->symbols / 4 * 5);
    for (uint64_t i = 0; i < stream->total; i++) {
        const uint64_t sequence = i + 1;
        struct pit_command *command = &stream->commands[i];
        if (i < stream->symbols) {
            define(command, sequence, (uint32_t)i, orders_max, band);
            continue;
        }
        struct pit_flow_operation operation;
        pit_flow_next(flow, &operation);
        translate(command, sequence, &operation);
        if (operation.kind == PIT_FLOW_NEW)
            order_id[operation.order] = sequence;
        if (stream->client_ids)
            command->client_id = pit_flow_id(flow, operation.order);
        else if (operation.kind != PIT_FLOW_NEW)
            command->order_id = order_id[operation.order];
    }
    free(order_id);
    return 0;
}

/* What the events from first on say that the command did. */
static enum pit_bench_kind kind_of(const struct pit_command *command, const struct pit_event_sink *sink, uint64_t first)
{
    if (sink->slots[first & sink->mask].kind == PIT_EVENT_REJECTED)
        return PIT_BENCH_REFUSED;
    const bool trades = sink->next - first > 1 && sink->slots[(first + 1) & sink->mask].kind == PIT_EVENT_TRADE;
    switch (command->kind) {
    case PIT_COMMAND_NEW:
        return trades ? PIT_BENCH_AGGRESSOR : PIT_BENCH_NEW;
    case PIT_COMMAND_REPLACE:
        return trades ? PIT_BENCH_AGGRESSOR : PIT_BENCH_REPLACE;
    case PIT_COMMAND_CANCEL:
        return PIT_BENCH_CANCEL;
    case PIT_COMMAND_REDUCE:
        return PIT_BENCH_REDUCE;
    default:
        return PIT_BENCH_OTHER;
    }
}

/* Applies everything once. A command that is refused shows that flow and book disagree, or a limit was met: the figures
 * would mislead. */
static int classify(struct pit_bench_stream *stream, bool huge, struct pit_error *error)
{
    struct pit_bench_market market;
    int code = pit_bench_market_open(&market, stream, huge, error);
    if (code)
        return code;
    for (uint64_t i = 0; i < stream->total; i++) {
        const uint64_t first = market.sink.next;
        pit_market_apply(market.market, &stream->commands[i], &market.sink);
        const enum pit_bench_kind kind = kind_of(&stream->commands[i], &market.sink, first);
        stream->kinds[i] = (uint8_t)kind;
        stream->counts[kind] += i >= stream->filling || kind == PIT_BENCH_REFUSED;
    }
    code = pit_bench_market_touched(&market, &stream->pages, error);
    stream->digest = pit_market_full_digest(market.market);
    stream->levels = 0;
    for (uint32_t symbol = 0; symbol < stream->symbols; symbol++)
        stream->levels += pit_book_levels(pit_market_book(market.market, symbol));
    pit_bench_market_close(&market);
    return code;
}

int pit_bench_stream_make(struct pit_bench_stream *stream, const struct pit_bench_options *options, const char *flow,
                          bool client_ids, struct pit_error *error)
{
    const struct pit_flow_options flow_options = {.name = flow,
                                                  .seed = options->seed,
                                                  .symbols = (uint32_t)options->symbols,
                                                  .accounts = ACCOUNTS,
                                                  .resting = (uint32_t)options->resting,
                                                  .levels = (uint32_t)options->levels,
                                                  .period = options->count,
                                                  .in_turn = true};
    *stream = (struct pit_bench_stream){.flow = flow, .client_ids = client_ids, .symbols = (uint32_t)options->symbols};
    struct pit_flow_band band;
    struct pit_flow *made = NULL;
    int code = pit_flow_band(&flow_options, &band, error);
    if (!code)
        code = pit_flow_create(&made, &flow_options, error);
    if (code)
        return code;
    stream->filling = stream->symbols + pit_flow_filling(made);
    stream->total = stream->filling + options->count;
    code = fill_in(stream, made, &band, error);
    pit_flow_destroy(made);
    return code ? code : classify(stream, options->huge, error);
}

void pit_bench_stream_free(struct pit_bench_stream *stream)
{
    if (stream->commands)
        munmap(stream->commands, (stream->total + PIT_BENCH_AHEAD) * sizeof(struct pit_command));
    free(stream->pages.bits);
    free(stream->kinds);
    *stream = (struct pit_bench_stream){0};
}
