/* test/book/test_restore.c - a market put together from the parts of another goes on as that one does. */
#include <sys/mman.h>

#include "book/market.h"
#include "test/book/support.h"
#include "tools/flow.h"

struct side_by_side {
    struct pit_market *market;
    struct pit_event_sink sink;
    struct pit_event slots[1024];
    struct {
        void *at;
        size_t bytes;
    } block[64];
    uint32_t blocks;
};

static void *take(void *context, size_t bytes, size_t alignment)
{
    struct side_by_side *one = context;
    assert_true(alignment <= 4096 && one->blocks < 64);
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(at != MAP_FAILED);
    one->block[one->blocks].at = at;
    one->block[one->blocks++].bytes = bytes;
    return at;
}

static void make_room(struct pit_event_sink *sink)
{
    struct side_by_side *one = sink->context;
    pit_market_fold(one->market, sink);
    sink->limit = sink->next + sink->mask + 1;
}

static struct side_by_side *side_open(uint64_t secret)
{
    struct side_by_side *one = calloc(1, sizeof *one);
    assert_non_null(one);
    const struct pit_reserve memory = {.reserve = take, .context = one};
    one->market = pit_market_create(&memory);
    pit_market_keep_secret(one->market, secret);
    one->sink = (struct pit_event_sink){
        .slots = one->slots, .mask = 1023, .next = 1, .limit = 1, .folded = 1, .make_room = make_room, .context = one};
    return one;
}

static void side_close(struct side_by_side *one)
{
    for (uint32_t i = 0; i < one->blocks; i++)
        munmap(one->block[i].at, one->block[i].bytes);
    free(one);
}

static void side_sound(const struct side_by_side *one)
{
    for (uint32_t symbol = 0; symbol < pit_market_symbols(one->market); symbol++) {
        const struct pit_book *book = pit_market_book(one->market, symbol);
        const char *wrong = book ? pit_book_check(book) : NULL;
        if (wrong)
            fail_msg("symbol %u: %s", symbol, wrong);
    }
}

struct copying {
    struct side_by_side *to;
    uint32_t symbol;
};

static bool copy_order(void *context, const struct pit_resting_order *order)
{
    const struct copying *copying = context;
    assert_true(pit_market_restore_order(copying->to->market, copying->symbol, order));
    return true;
}

/* A new market made of the parts of another. */
static struct side_by_side *side_copy(const struct side_by_side *from, uint64_t secret)
{
    struct side_by_side *to = side_open(secret);
    for (uint32_t symbol = 0; symbol < pit_market_symbols(from->market); symbol++) {
        const struct pit_book *book = pit_market_book(from->market, symbol);
        if (!book)
            continue;
        assert_true(pit_market_restore_symbol(to->market, symbol, pit_book_definition(book),
                                              (uint8_t)pit_book_state(book),
                                              pit_market_symbol_events(from->market, symbol)));
        struct copying copying = {.to = to, .symbol = symbol};
        pit_book_walk(book, PIT_SIDE_BUY, copy_order, &copying);
        pit_book_walk(book, PIT_SIDE_SELL, copy_order, &copying);
    }
    pit_market_restore_strangers(to->market, pit_market_stranger_events(from->market),
                                 pit_market_event_digest(from->market).events_count);
    side_sound(to);
    return to;
}

static void same_digest(const struct pit_digest *a, const struct pit_digest *b, uint64_t sequence)
{
    if (memcmp(a, b, sizeof *a) != 0)
        fail_msg("they differ after command %" PRIu64, sequence);
}

/* One command to two markets: the same events, byte for byte, and the same digest. */
static void apply_to_both(struct side_by_side *a, struct side_by_side *b, const struct pit_command *command)
{
    const uint64_t first[2] = {a->sink.next, b->sink.next};
    pit_market_apply(a->market, command, &a->sink);
    pit_market_apply(b->market, command, &b->sink);
    const uint64_t events = a->sink.next - first[0];
    assert_int_equal(b->sink.next - first[1], events);
    for (uint64_t i = events > 1024 ? events - 1024 : 0; i < events; i++) {
        const struct pit_event *one = &a->slots[(first[0] + i) & 1023], *other = &b->slots[(first[1] + i) & 1023];
        if (!event_same(one, other)) {
            event_print("original", one);
            event_print("restored", other);
            fail_msg("command %" PRIu64 ": event %" PRIu64 " differs", command->sequence, i);
        }
    }
    const struct pit_digest one = pit_market_event_digest(a->market), other = pit_market_event_digest(b->market);
    same_digest(&one, &other, command->sequence);
}

static void same_state(const struct side_by_side *a, const struct side_by_side *b, uint64_t sequence)
{
    const struct pit_digest one = pit_market_full_digest(a->market), other = pit_market_full_digest(b->market);
    same_digest(&one, &other, sequence);
}

/* The flows that markets are loaded with. */

#define FLOW_SYMBOLS 3u
#define FLOW_COMMANDS 12000u

struct stream {
    struct pit_flow *flow;
    struct pit_flow_band band;
    uint64_t sequence;
    bool client_ids;
    uint64_t order_id[FLOW_COMMANDS * 2]; /* by number in the flow */
};

static struct pit_command stream_next(struct stream *stream)
{
    const uint64_t sequence = ++stream->sequence;
    struct pit_command command = {.sequence = sequence, .time_ns = sequence, .request = (uint32_t)sequence};
    if (sequence <= FLOW_SYMBOLS) {
        command.symbol = (uint32_t)sequence - 1;
        command.kind = PIT_COMMAND_SYMBOL;
        command.flags = PIT_COMMAND_WIDE;
        command.definition = desk_definition(8000, 8000);
        command.definition.price_min = stream->band.price_min;
        command.definition.price_max = stream->band.price_max;
        command.definition.quantity_max = stream->band.quantity_max;
        return command;
    }
    struct pit_flow_operation operation;
    pit_flow_next(stream->flow, &operation);
    assert_true(operation.order < FLOW_COMMANDS * 2);
    command.symbol = operation.symbol;
    command.account = operation.account + 1;
    command.kind = operation.kind;
    command.side = operation.side;
    command.tif = operation.tif;
    command.flags =
        (uint8_t)((operation.market ? PIT_COMMAND_MARKET : 0u) | (operation.post_only ? PIT_COMMAND_POST_ONLY : 0u));
    command.price = operation.price;
    command.quantity = operation.quantity;
    if (operation.kind == PIT_FLOW_NEW)
        stream->order_id[operation.order] = sequence;
    if (stream->client_ids)
        command.client_id = operation.order;
    else if (operation.kind != PIT_FLOW_NEW)
        command.order_id = stream->order_id[operation.order];
    return command;
}

static void restored_at(const char *name, uint64_t seed, uint64_t at, bool client_ids)
{
    struct stream *stream = calloc(1, sizeof *stream);
    assert_non_null(stream);
    struct pit_error error = {0};
    const struct pit_flow_options options = {
        .name = name, .seed = seed, .symbols = FLOW_SYMBOLS, .accounts = 7, .resting = 1500, .in_turn = true};
    if (pit_flow_create(&stream->flow, &options, &error) || pit_flow_band(&options, &stream->band, &error))
        fail_msg("%s: %s", name, error.text);
    stream->client_ids = client_ids;
    struct side_by_side *original = side_open(seed);
    while (stream->sequence < at) {
        const struct pit_command command = stream_next(stream);
        pit_market_apply(original->market, &command, &original->sink);
    }
    struct side_by_side *restored = side_copy(original, seed + 1);
    same_state(original, restored, at);
    while (stream->sequence < FLOW_COMMANDS) {
        const struct pit_command command = stream_next(stream);
        apply_to_both(original, restored, &command);
    }
    same_state(original, restored, stream->sequence);
    side_sound(restored);
    side_close(original);
    side_close(restored);
    pit_flow_destroy(stream->flow);
    free(stream);
}

static void restored_market_goes_on_as_the_original_in_every_flow(void **state)
{
    (void)state;
    uint64_t random = seed_choose("restored_market_goes_on_as_the_original_in_every_flow");
    for (uint32_t i = 0; pit_flow_names[i]; i++) {
        restored_at(pit_flow_names[i], random_next(&random), 2000 + random_below(&random, 8000), false);
        restored_at(pit_flow_names[i], random_next(&random), 2000 + random_below(&random, 8000), true);
    }
}

/* Commands about small books, whose limits are always reached: bands that move, halts, ids used twice, symbols nobody
 * defined. */
static struct pit_command rough_command(uint64_t *random, uint64_t sequence)
{
    struct pit_command command = {
        .sequence = sequence,
        .time_ns = 10 * sequence,
        .symbol = (uint32_t)random_below(random, 5),
        .request = (uint32_t)sequence,
        .account = 1 + (uint32_t)random_below(random, 3),
        .kind = (uint8_t)(1 + random_below(random, 4)),
        .side = (uint8_t)random_below(random, 2),
        .price = 90 + (int64_t)random_below(random, 22),
        .quantity = 1 + random_below(random, 30),
        .tif = random_below(random, 8) ? PIT_TIF_GTC : (uint8_t)(1 + random_below(random, 2)),
        .client_id = random_below(random, 3) ? 0 : 1 + random_below(random, 20),
    };
    if (command.kind != PIT_COMMAND_NEW && random_below(random, 2))
        command.order_id = sequence > 200 ? sequence - random_below(random, 200) : 1 + random_below(random, 200);
    if (sequence <= 4 || random_below(random, 50) == 0) {
        command.kind = PIT_COMMAND_SYMBOL;
        command.flags = PIT_COMMAND_WIDE;
        command.symbol = (uint32_t)(sequence <= 4 ? sequence - 1 : random_below(random, 4));
        command.definition = desk_definition(30 + 10 * command.symbol, 9 + command.symbol);
        command.definition.price_min = sequence <= 4 ? 1 : 80 + (int64_t)random_below(random, 15);
        command.definition.price_max = sequence <= 4 ? 200 : 100 + (int64_t)random_below(random, 15);
    } else if (random_below(random, 60) == 0) {
        command.kind = PIT_COMMAND_STATE;
        command.quantity = random_below(random, 3) == 0 ? PIT_STATE_HALTED : PIT_STATE_OPEN;
    } else if (random_below(random, 40) == 0) {
        ((uint8_t *)&command)[8 + random_below(random, 56)] ^= (uint8_t)(1u << random_below(random, 8));
        command.flags &= (uint8_t)~PIT_COMMAND_WIDE;
        command.symbol %= 5;
    }
    return command;
}

static void restored_market_goes_on_where_every_limit_is_reached(void **state)
{
    (void)state;
    uint64_t random = seed_choose("restored_market_goes_on_where_every_limit_is_reached");
    for (uint32_t round = 0; round < 60; round++) {
        struct side_by_side *original = side_open(0);
        uint64_t sequence = 0;
        const uint64_t at = random_below(&random, 1500);
        while (sequence < at) {
            const struct pit_command command = rough_command(&random, ++sequence);
            pit_market_apply(original->market, &command, &original->sink);
        }
        struct side_by_side *restored = side_copy(original, round);
        same_state(original, restored, sequence);
        while (sequence < at + 1000) {
            const struct pit_command command = rough_command(&random, ++sequence);
            apply_to_both(original, restored, &command);
            if (sequence % 100 == 0)
                same_state(original, restored, sequence);
        }
        side_sound(restored);
        side_close(original);
        side_close(restored);
    }
}

/* What is refused. */

static struct pit_resting_order good_order(void)
{
    return (struct pit_resting_order){
        .order_id = 10, .client_id = 3, .price = 100, .quantity = 5, .account = 1, .side = PIT_SIDE_BUY};
}

static void fields_out_of_range_are_refused(void **state)
{
    (void)state;
    const struct pit_symbol_definition definition = desk_definition(10, 10);
    struct desk *desk = desk_open(&definition);
    const struct pit_resting_order good = good_order();
    struct pit_resting_order bad[12];
    for (uint32_t i = 0; i < 12; i++)
        bad[i] = good;
    bad[0].order_id = 0;
    bad[1].account = 0;
    bad[2].side = 2;
    bad[3].side = 255;
    bad[4].price = PIT_PRICE_MAX + 1;
    bad[5].price = PIT_PRICE_MIN - 1;
    bad[6].price = INT64_MIN;
    bad[7].price = INT64_MAX;
    bad[8].quantity = 0;
    bad[9].quantity = definition.quantity_max + 1;
    bad[10].quantity = UINT64_MAX;
    bad[11].quantity = UINT64_C(1) << 63;
    for (uint32_t i = 0; i < 12; i++)
        if (pit_book_restore_order(desk->book, &bad[i]))
            fail_msg("bad order %u was taken", i);
    assert_int_equal(pit_book_orders(desk->book), 0);
    assert_true(pit_book_restore_order(desk->book, &good));
    for (uint32_t word = PIT_STATE_HALTED + 1; word < 256; word++)
        assert_false(pit_book_restore_state(desk->book, (uint8_t)word));
    assert_true(pit_book_restore_state(desk->book, PIT_STATE_HALTED));
    assert_int_equal(pit_book_state(desk->book), PIT_STATE_HALTED);
    desk_sound(desk);
    desk_close(desk);
}

static void price_outside_the_band_is_taken_for_the_band_may_have_changed(void **state)
{
    (void)state;
    const struct pit_symbol_definition definition = desk_definition(10, 10);
    struct desk *desk = desk_open(&definition);
    struct pit_resting_order order = good_order();
    order.price = definition.price_max + 100;
    order.side = PIT_SIDE_SELL;
    assert_true(pit_book_restore_order(desk->book, &order));
    desk_sound(desk);
    desk_close(desk);
}

static void ids_used_twice_are_refused(void **state)
{
    (void)state;
    const struct pit_symbol_definition definition = desk_definition(300, 300);
    struct desk *desk = desk_open(&definition);
    for (uint64_t i = 1; i <= 200; i++) {
        struct pit_resting_order order = good_order();
        order.order_id = 1000 - i; /* falling: an older order may well stand behind a younger one */
        order.client_id = i % 2 ? i : 0;
        order.price = 900 - (int64_t)(i / 3);
        assert_true(pit_book_restore_order(desk->book, &order));
    }
    for (uint64_t i = 1; i <= 200; i++) {
        struct pit_resting_order order = good_order();
        order.order_id = 1000 - i;
        order.client_id = 5000;
        assert_false(pit_book_restore_order(desk->book, &order));
        order.order_id = 5000;
        order.client_id = i;
        if (i % 2)
            assert_false(pit_book_restore_order(desk->book, &order));
    }
    struct pit_resting_order other = good_order();
    other.order_id = 2000;
    other.client_id = 1;
    other.account = 2; /* somebody else's client id is another one */
    assert_true(pit_book_restore_order(desk->book, &other));
    assert_int_equal(pit_book_orders(desk->book), 201);
    desk_sound(desk);
    desk_close(desk);
}

static void crossed_or_overfull_book_is_refused(void **state)
{
    (void)state;
    const struct pit_symbol_definition definition = desk_definition(6, 3);
    struct desk *desk = desk_open(&definition);
    struct pit_resting_order order = good_order();
    order.client_id = 0;
    for (uint64_t i = 0; i < 3; i++) {
        order.order_id = 1 + i;
        order.price = 100 - (int64_t)i;
        assert_true(pit_book_restore_order(desk->book, &order));
    }
    order.order_id = 50;
    order.side = PIT_SIDE_SELL;
    order.price = 100;
    assert_false(pit_book_restore_order(desk->book, &order)); /* locked */
    order.price = 50;
    assert_false(pit_book_restore_order(desk->book, &order)); /* crossed */
    order.price = 101;
    assert_false(pit_book_restore_order(desk->book, &order)); /* a fourth price */
    order.side = PIT_SIDE_BUY;
    assert_false(pit_book_restore_order(desk->book, &order));
    for (uint64_t i = 0; i < 3; i++) {
        order.order_id = 60 + i;
        order.price = 100 - (int64_t)i;
        assert_true(pit_book_restore_order(desk->book, &order));
    }
    order.order_id = 70;
    assert_false(pit_book_restore_order(desk->book, &order)); /* a seventh order */
    assert_int_equal(pit_book_orders(desk->book), 6);
    desk_sound(desk);
    desk_close(desk);
}

static void symbols_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct side_by_side *one = side_open(0);
    const struct pit_symbol_definition good = desk_definition(10, 10);
    struct pit_symbol_definition bad = good;
    const struct pit_resting_order order = good_order();
    bad.levels_max = 0;
    assert_false(pit_market_restore_symbol(one->market, 4, &bad, PIT_STATE_OPEN, 1));
    assert_false(pit_market_restore_symbol(one->market, PIT_SYMBOLS_MAX, &good, PIT_STATE_OPEN, 1));
    assert_false(pit_market_restore_symbol(one->market, UINT32_MAX, &good, PIT_STATE_OPEN, 1));
    assert_false(pit_market_restore_symbol(one->market, 4, &good, PIT_STATE_HALTED + 1, 1));
    assert_false(pit_market_restore_order(one->market, 4, &order));
    assert_int_equal(pit_market_symbols(one->market), 0);
    assert_true(pit_market_restore_symbol(one->market, 4, &good, PIT_STATE_HALTED, 77));
    assert_false(pit_market_restore_symbol(one->market, 4, &good, PIT_STATE_OPEN, 77));
    assert_int_equal(pit_market_symbol_events(one->market, 4), 77);
    assert_int_equal(pit_market_symbol_events(one->market, 3), 0);
    assert_int_equal(pit_market_symbol_events(one->market, UINT32_MAX), 0);
    assert_int_equal(pit_market_stranger_events(one->market), 0);
    assert_false(pit_market_restore_order(one->market, 3, &order));
    assert_false(pit_market_restore_order(one->market, UINT32_MAX, &order));
    assert_true(pit_market_restore_order(one->market, 4, &order));
    side_sound(one);
    side_close(one);
}

static void any_bytes_for_an_order_are_safe(void **state)
{
    (void)state;
    uint64_t random = seed_choose("any_bytes_for_an_order_are_safe");
    const struct pit_symbol_definition definition = desk_definition(60, 20);
    uint32_t taken = 0;
    for (uint32_t round = 0; round < 100; round++) {
        struct desk *desk = desk_open(&definition);
        for (uint32_t i = 0; i < 400; i++) {
            struct pit_resting_order order = {
                .order_id = random_below(&random, 100),
                .client_id = random_below(&random, 40),
                .price = 490 + (int64_t)random_below(&random, 20),
                .quantity = random_below(&random, 1010),
                .account = (uint32_t)random_below(&random, 4),
                .side = (uint8_t)random_below(&random, 3),
            };
            if (random_below(&random, 4) == 0)
                ((uint8_t *)&order)[random_below(&random, sizeof order)] = (uint8_t)random_next(&random);
            taken += pit_book_restore_order(desk->book, &order);
        }
        desk_sound(desk);
        desk_close(desk);
    }
    assert_true(taken > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restored_market_goes_on_as_the_original_in_every_flow),
        cmocka_unit_test(restored_market_goes_on_where_every_limit_is_reached),
        cmocka_unit_test(fields_out_of_range_are_refused),
        cmocka_unit_test(price_outside_the_band_is_taken_for_the_band_may_have_changed),
        cmocka_unit_test(ids_used_twice_are_refused),
        cmocka_unit_test(crossed_or_overfull_book_is_refused),
        cmocka_unit_test(symbols_that_cannot_be_are_refused),
        cmocka_unit_test(any_bytes_for_an_order_are_safe),
    };
    return cmocka_run_group_tests_name("restore", tests, NULL, NULL);
}
