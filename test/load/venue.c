/* See test/load/venue.h. */
#include "test/load/venue.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "ring/check.h"

#define VENUE_SLOTS 65536u
#define VENUE_BLOCKS 128u

struct venue {
    struct pit_market *market;
    struct pit_event_sink sink;
    struct pit_event *slots;
    uint64_t sequence;
    struct {
        void *at;
        size_t bytes;
    } blocks[VENUE_BLOCKS];
    uint32_t blocks_count;
};

static void *venue_reserve(void *context, size_t bytes, size_t alignment)
{
    struct venue *venue = context;
    PIT_CHECK(alignment <= 4096 && venue->blocks_count < VENUE_BLOCKS);
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    PIT_CHECK(at != MAP_FAILED);
    venue->blocks[venue->blocks_count].at = at;
    venue->blocks[venue->blocks_count++].bytes = bytes;
    return at;
}

/* No command of these tests gives as many events as there are slots. */
static void venue_full(struct pit_event_sink *sink)
{
    (void)sink;
    PIT_CHECK(false);
}

static void venue_command(struct venue *venue, struct pit_command *command)
{
    command->sequence = ++venue->sequence;
    command->time_ns = command->sequence;
    venue->sink = (struct pit_event_sink){
        .slots = venue->slots, .mask = VENUE_SLOTS - 1, .limit = VENUE_SLOTS, .make_room = venue_full};
    pit_market_apply(venue->market, command, &venue->sink);
}

struct venue *venue_open(uint32_t symbols, uint32_t orders_max)
{
    return venue_open_band(symbols, orders_max, 1, 1000000, 65536);
}

struct venue *venue_open_band(uint32_t symbols, uint32_t orders_max, int64_t price_min, int64_t price_max,
                              uint32_t levels_max)
{
    struct venue *venue = calloc(1, sizeof *venue);
    PIT_CHECK(venue);
    venue->slots = calloc(VENUE_SLOTS, sizeof *venue->slots);
    PIT_CHECK(venue->slots);
    const struct pit_reserve memory = {.reserve = venue_reserve, .context = venue};
    venue->market = pit_market_create(&memory);
    for (uint32_t symbol = 0; symbol < symbols; symbol++) {
        struct pit_command command = {.kind = PIT_COMMAND_SYMBOL,
                                      .symbol = symbol,
                                      .flags = PIT_COMMAND_WIDE,
                                      .definition = {.price_min = price_min,
                                                     .price_max = price_max,
                                                     .quantity_max = PIT_QUANTITY_MAX,
                                                     .orders_max = orders_max,
                                                     .levels_max = levels_max,
                                                     .tick_mantissa = 1,
                                                     .lot_mantissa = 1,
                                                     .tick_decimals = 2,
                                                     .lot_decimals = 8}};
        snprintf(command.definition.name, sizeof command.definition.name, "S%u", symbol);
        venue_command(venue, &command);
        PIT_CHECK(venue->sink.next == 1 && venue->slots[0].kind == PIT_EVENT_DEFINED);
    }
    return venue;
}

void venue_close(struct venue *venue)
{
    for (uint32_t i = 0; i < venue->blocks_count; i++)
        munmap(venue->blocks[i].at, venue->blocks[i].bytes);
    free(venue->slots);
    free(venue);
}

const struct pit_book *venue_book(const struct venue *venue, uint32_t symbol)
{
    return pit_market_book(venue->market, symbol);
}

static uint8_t venue_report_kind(uint8_t event)
{
    switch ((enum pit_event_kind)event) {
    case PIT_EVENT_ACCEPTED:
        return PIT_REPORT_ACCEPTED;
    case PIT_EVENT_REJECTED:
        return PIT_REPORT_REJECTED;
    case PIT_EVENT_TRADE:
        return PIT_REPORT_TRADE;
    case PIT_EVENT_RESTED:
        return PIT_REPORT_RESTED;
    case PIT_EVENT_CANCELLED:
        return PIT_REPORT_CANCELLED;
    case PIT_EVENT_REDUCED:
        return PIT_REPORT_REDUCED;
    case PIT_EVENT_REPLACED:
        return PIT_REPORT_REPLACED;
    case PIT_EVENT_STATE:
        return PIT_REPORT_STATE;
    case PIT_EVENT_DEFINED:
        break;
    }
    return 0;
}

static struct pit_report venue_report(const struct venue *venue, const struct pit_event *event)
{
    const bool wide = event->flags & PIT_EVENT_WIDE;
    struct pit_report report = {.kind = venue_report_kind(event->kind),
                                .side = event->side,
                                .reason = event->reason,
                                .rests = event->flags & PIT_EVENT_RESTS,
                                .kept = event->flags & PIT_EVENT_KEPT,
                                .last = event->flags & PIT_EVENT_LAST,
                                .request = event->request,
                                .symbol = event->symbol,
                                .sequence = venue->sequence,
                                .time_ns = event->time_ns,
                                .order_id = event->order_id,
                                .client_id = event->client_id,
                                .price = event->price,
                                .quantity = event->quantity};
    if (event->kind == PIT_EVENT_REJECTED)
        report.rejected_kind = pit_event_rejected_kind(event);
    if (wide && event->kind == PIT_EVENT_REPLACED)
        report.price_old = event->price_old;
    if (wide && (event->kind == PIT_EVENT_REPLACED || event->kind == PIT_EVENT_REDUCED))
        report.quantity_old = event->quantity_old;
    return report;
}

/* Both sides of a trade hear of it: the resting one, then the aggressor. */
static void venue_trade(const struct venue *venue, const struct pit_event *event,
                        void (*take)(void *context, uint32_t session, const struct pit_report *report), void *context)
{
    struct pit_report report = venue_report(venue, event);
    report.number = event->number;
    report.side = event->side ^ 1u;
    report.leaves = event->leaves;
    report.last = report.last && event->account != event->taker_account ? report.last : false;
    take(context, event->account - 1, &report);
    report.side = event->side;
    report.aggressor = true;
    report.order_id = event->taker_order_id;
    report.client_id = event->taker_client_id;
    report.leaves = event->taker_leaves;
    report.last = event->flags & PIT_EVENT_LAST;
    take(context, event->taker_account - 1, &report);
}

void venue_apply(struct venue *venue, const struct pit_load_request *request,
                 void (*take)(void *context, uint32_t session, const struct pit_report *report), void *context)
{
    struct pit_command command = {.kind = request->kind,
                                  .symbol = request->symbol,
                                  .client_id = request->client_id,
                                  .account = request->session + 1,
                                  .request = 1,
                                  .side = request->side,
                                  .tif = request->tif,
                                  .price = request->price,
                                  .quantity = request->quantity};
    if (request->market)
        command.flags |= PIT_COMMAND_MARKET;
    if (request->post_only)
        command.flags |= PIT_COMMAND_POST_ONLY;
    venue_command(venue, &command);
    for (uint64_t i = 0; i < venue->sink.next; i++) {
        const struct pit_event *event = &venue->slots[i];
        if (event->kind == PIT_EVENT_TRADE) {
            venue_trade(venue, event, take, context);
        } else {
            struct pit_report report = venue_report(venue, event);
            take(context, event->account - 1, &report);
        }
    }
}

uint64_t venue_seed(const char *test)
{
    const char *given = getenv("PIT_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 20;
    fprintf(stderr, "# %s: PIT_SEED=%" PRIu64 "\n", test, seed);
    return seed;
}
