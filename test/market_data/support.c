/* test/market_data/support.c - see support.h. */
#include "support.h"

#include <time.h>
#include <unistd.h>

#define RING_SLOTS 4096u

static uint64_t clock_utc(void *context)
{
    (void)context;
    return UINT64_C(1700000000000000000);
}

static uint64_t clock_monotonic(void *context)
{
    return ((struct rig *)context)->now_ns;
}

static void *zeroed(size_t bytes, size_t alignment)
{
    void *memory = NULL;
    assert_int_equal(posix_memalign(&memory, alignment < 128 ? 128 : alignment, bytes), 0);
    return memset(memory, 0, bytes);
}

static void *reserve(void *context, size_t bytes, size_t alignment)
{
    struct rig *rig = context;
    assert_true(rig->blocks_count < RIG_BLOCKS_MAX);
    return rig->blocks[rig->blocks_count++] = zeroed(bytes, alignment);
}

/* Shows the events that are to be published. */
static void watch(struct rig_matcher *matcher)
{
    const struct rig *rig = matcher->rig;
    uint64_t slot = matcher->published;
    while (rig->watch && slot < matcher->sink.next) {
        const struct pit_event *event = pit_event_sink_at(&matcher->sink, slot);
        rig->watch(rig->watch_context, event);
        slot += pit_event_sink_step(&matcher->sink, event);
    }
}

static void ring_publish(struct rig_matcher *matcher)
{
    uint64_t ready = matcher->sink.next - matcher->published;
    if (ready == 0)
        return;
    watch(matcher);
    assert_true(pit_ring_claim(matcher->ring, (uint32_t)ready) == matcher->published);
    pit_ring_publish_run(matcher->ring, matcher->published, (uint32_t)ready);
    matcher->published += ready;
}

static void make_room(struct pit_event_sink *sink)
{
    struct rig_matcher *matcher = sink->context;
    pit_market_fold(matcher->market, sink);
    ring_publish(matcher);
    uint32_t room;
    while ((room = pit_ring_room(matcher->ring, RING_SLOTS)) < pit_event_sink_most(sink))
        matcher->rig->agent.do_work(matcher->rig->agent.state);
    sink->limit = sink->next + room;
}

static struct rig *begin(uint32_t matchers)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->now_ns = 1000000000;
    rig->time_ns = UINT64_C(1700000000000000000);
    rig->clock = (struct pit_clock){rig, clock_utc, clock_monotonic};
    rig->matchers_count = matchers;
    for (uint32_t i = 0; i < matchers; i++) {
        struct rig_matcher *matcher = &rig->matchers[i];
        matcher->rig = rig;
        matcher->market = pit_market_create(&(struct pit_reserve){reserve, rig});
        matcher->ring_memory = zeroed(pit_ring_bytes(RING_SLOTS, PIT_EVENT_LINE_BYTES), 128);
        matcher->ring = pit_ring_create(matcher->ring_memory, RING_SLOTS, PIT_EVENT_LINE_BYTES, 1);
        matcher->published = 1;
        matcher->sink = (struct pit_event_sink){
            .slots = pit_ring_slot(matcher->ring, 0),
            .mask = RING_SLOTS - 1,
            .next = 1,
            .limit = 1,
            .folded = 1,
            .lines = 1,
            .make_room = make_room,
            .context = matcher,
        };
    }
    return rig;
}

struct pit_publisher_config rig_config(struct rig *rig, const struct rig_options *options, struct pit_ring **rings)
{
    for (uint32_t i = 0; i < rig->matchers_count; i++)
        rings[i] = rig->matchers[i].ring;
    return (struct pit_publisher_config){
        .name = rig->name,
        .readable_by = options->readable_by ? options->readable_by : PIT_READABLE_BY_WORLD,
        .event_slots = options->event_slots ? options->event_slots : PIT_PUBLISHER_EVENT_SLOTS_MIN,
        .symbols_max = options->symbols_max ? options->symbols_max : RIG_SYMBOLS_MAX,
        .clock = &rig->clock,
        .rings = rings,
        .rings_count = rig->matchers_count,
        .memory = {reserve, rig},
    };
}

/* What a failed test has left. */
static char names[256][64];
static uint32_t names_count;

static void remove_all(void)
{
    for (uint32_t i = 0; i < names_count; i++)
        rig_remove(names[i]);
}

static void remember(const char *name)
{
    if (names_count == 0)
        atexit(remove_all);
    if (names_count < sizeof names / sizeof *names)
        memcpy(names[names_count++], name, sizeof names[0]);
}

struct rig *rig_begin(const struct rig_options *options)
{
    static uint32_t number;
    struct rig *rig = begin(options->matchers ? options->matchers : 1);
    if (options->name)
        snprintf(rig->name, sizeof rig->name, "%.60s", options->name);
    else
        snprintf(rig->name, sizeof rig->name, "test-%ld-%u", (long)getpid(), ++number);
    remember(rig->name);
    struct pit_ring *rings[RIG_MATCHERS_MAX];
    struct pit_publisher_config config = rig_config(rig, options, rings);
    struct pit_error error;
    if (pit_publisher_create(&rig->publisher, &config, &error) != 0)
        fail_msg("%s", error.text);
    rig->agent = pit_publisher_agent(rig->publisher);
    if (!options->hidden) {
        if (rig->agent.init(rig->agent.state, &error) != 0)
            fail_msg("%s", error.text);
        rig->shown = true;
    }
    return rig;
}

struct rig *rig_books(void)
{
    struct rig *rig = begin(1);
    rig->matchers[0].sink.limit = UINT64_MAX; /* nobody reads: a command finds all slots free */
    return rig;
}

void rig_kill(struct rig *rig)
{
    pit_publisher_destroy(rig->publisher);
    for (uint32_t i = 0; i < rig->matchers_count; i++)
        free(rig->matchers[i].ring_memory);
    for (uint32_t i = 0; i < rig->blocks_count; i++)
        free(rig->blocks[i]);
    free(rig);
}

void rig_end(struct rig *rig)
{
    if (rig->shown)
        rig->agent.close(rig->agent.state);
    rig_kill(rig);
}

void rig_remove(const char *name)
{
    static const char *const files[] = {"events", "depth", "lock", "events.new", "depth.new"};
    char path[PIT_MD_PATH_BYTES + 16];
    char directory[PIT_MD_PATH_BYTES];
    pit_md_directory(directory, name);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        unlink(path);
    }
    rmdir(directory);
}

struct pit_symbol_definition rig_definition(const char *name, uint32_t levels_max)
{
    struct pit_symbol_definition definition = {
        .price_min = 1,
        .price_max = 1000000,
        .quantity_max = 1000000000,
        .orders_max = 20000,
        .levels_max = levels_max,
        .tick_mantissa = 1,
        .lot_mantissa = 1,
        .tick_decimals = 2,
        .lot_decimals = 4,
    };
    strncpy(definition.name, name, sizeof definition.name - 1);
    return definition;
}

uint64_t rig_command(struct rig *rig, struct pit_command command)
{
    struct rig_matcher *matcher = &rig->matchers[command.symbol % rig->matchers_count];
    command.sequence = ++rig->sequence;
    command.time_ns = rig->time_ns += 1000;
    if (command.kind == PIT_COMMAND_NEW && command.client_id == 0)
        command.client_id = RIG_CLIENT_ID(command.sequence);
    pit_market_apply(matcher->market, &command, &matcher->sink);
    if (rig->publisher) {
        ring_publish(matcher);
    } else {
        watch(matcher);
        matcher->published = matcher->sink.next;
    }
    return command.sequence;
}

uint64_t rig_define(struct rig *rig, uint32_t symbol, const char *name)
{
    return rig_command(rig, (struct pit_command){.symbol = symbol,
                                                 .kind = PIT_COMMAND_SYMBOL,
                                                 .flags = PIT_COMMAND_WIDE,
                                                 .definition = rig_definition(name, 4096)});
}

uint64_t rig_order(struct rig *rig, uint32_t symbol, enum pit_side side, int64_t price, uint64_t quantity)
{
    return rig_command(rig, (struct pit_command){.symbol = symbol,
                                                 .kind = PIT_COMMAND_NEW,
                                                 .side = (uint8_t)side,
                                                 .tif = PIT_TIF_GTC,
                                                 .account = RIG_ACCOUNT,
                                                 .price = price,
                                                 .quantity = quantity});
}

uint64_t rig_cancel(struct rig *rig, uint32_t symbol, uint64_t order_id)
{
    return rig_command(rig,
                       (struct pit_command){
                           .symbol = symbol, .kind = PIT_COMMAND_CANCEL, .account = RIG_ACCOUNT, .order_id = order_id});
}

void rig_settle(struct rig *rig)
{
    for (;;) {
        rig->now_ns += 1000000;
        if (rig->agent.do_work(rig->agent.state) == 0)
            return;
    }
}

struct pit_book *rig_book(const struct rig *rig, uint32_t symbol)
{
    return pit_market_book(rig->matchers[symbol % rig->matchers_count].market, symbol);
}

uint64_t rig_seed(void)
{
    const char *given = getenv("PIT_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec;
    print_message("# PIT_SEED=%" PRIu64 "\n", seed);
    return seed;
}

uint64_t rig_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t below(struct rig_flow *flow, uint64_t limit)
{
    return rig_random(&flow->random) % limit;
}

void rig_flow_step(struct rig *rig, struct rig_flow *flow, uint32_t symbol)
{
    uint8_t side = (uint8_t)below(flow, 2);
    int64_t middle = side == PIT_SIDE_BUY ? 1000 - flow->spread / 2 : 1000 + flow->spread / 2; /* some cross */
    struct pit_command command = {
        .symbol = symbol,
        .account = RIG_ACCOUNT,
        .side = side,
        .price = middle + (int64_t)below(flow, (uint64_t)(2 * flow->spread + 1)) - flow->spread,
        .quantity = 1 + below(flow, 50),
        .order_id = flow->recent[below(flow, 256)],
    };
    uint64_t choice = below(flow, 100);
    if (choice < 55) {
        command.kind = PIT_COMMAND_NEW;
        uint64_t manner = below(flow, 10);
        command.tif = manner == 0 ? PIT_TIF_IOC : manner == 1 ? PIT_TIF_FOK : PIT_TIF_GTC;
        if (manner < 2 && below(flow, 3) == 0)
            command.flags = PIT_COMMAND_MARKET;
        if (manner == 2)
            command.flags = PIT_COMMAND_POST_ONLY;
        if (below(flow, 50) == 0)
            command.quantity *= 40; /* a sweep */
    } else if (choice < 68) {
        command.kind = PIT_COMMAND_CANCEL;
    } else if (choice < 78) {
        command.kind = PIT_COMMAND_REDUCE;
    } else if (choice < 98) {
        command.kind = PIT_COMMAND_REPLACE;
    } else {
        command.kind = PIT_COMMAND_STATE;
        command.quantity = below(flow, 4) == 0 ? PIT_STATE_HALTED : PIT_STATE_OPEN;
    }
    if (choice < 55)
        command.order_id = 0;
    uint64_t sequence = rig_command(rig, command);
    if (command.kind == PIT_COMMAND_NEW)
        flow->recent[flow->recent_next++ & 255] = sequence;
}

struct collected {
    struct pit_md_level *levels;
    uint32_t max;
    uint32_t count;
    int64_t price;
};

static bool collect(void *context, const struct pit_resting_order *order)
{
    struct collected *collected = context;
    if (collected->count == 0 || order->price != collected->price) {
        collected->price = order->price;
        if (collected->count++ < collected->max)
            collected->levels[collected->count - 1] = (struct pit_md_level){.price = order->price};
    }
    if (collected->count <= collected->max) {
        collected->levels[collected->count - 1].quantity += order->quantity;
        collected->levels[collected->count - 1].orders++;
    }
    return true;
}

uint32_t rig_levels(const struct pit_book *book, enum pit_side side, struct pit_md_level *levels, uint32_t max)
{
    struct collected collected = {.levels = levels, .max = max};
    pit_book_walk(book, side, collect, &collected);
    return collected.count;
}

static void expect_side(const struct pit_book *book, enum pit_side side, const struct pit_md_level *shown,
                        uint64_t count)
{
    struct pit_md_level levels[PIT_MD_LEVELS];
    uint32_t right = rig_levels(book, side, levels, PIT_MD_LEVELS);
    assert_int_equal(count, right < PIT_MD_LEVELS ? right : PIT_MD_LEVELS);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(shown[i].price, levels[i].price);
        assert_int_equal(shown[i].quantity, levels[i].quantity);
        assert_int_equal(shown[i].orders, levels[i].orders);
    }
}

void rig_expect_depth(const struct rig *rig, uint32_t symbol, const struct pit_md_depth *depth)
{
    const struct pit_book *book = rig_book(rig, symbol);
    assert_non_null(book);
    expect_side(book, PIT_SIDE_BUY, depth->bid, depth->bids);
    expect_side(book, PIT_SIDE_SELL, depth->ask, depth->asks);
    assert_int_equal(depth->state, pit_book_state(book));
}
