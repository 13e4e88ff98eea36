/* The publisher and the reader library over real files: what readers see, event by event and image by image. */
#include "follower.h"
#include "support.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

static struct pit_md *open_reader(const struct rig *rig)
{
    struct pit_md *md;
    struct pit_error error;
    if (pit_md_open(&md, rig->name, &error) != 0)
        fail_msg("%s", error.text);
    return md;
}

static void finish(struct rig *rig)
{
    char name[64];
    memcpy(name, rig->name, sizeof name);
    rig_end(rig);
    rig_remove(name);
}

static void expect_event(struct pit_md *md, enum pit_md_event_kind kind, uint64_t order_id, enum pit_side side,
                         int64_t price, uint64_t quantity, uint64_t leaves, bool last)
{
    struct pit_md_event event;
    assert_int_equal(pit_md_next(md, &event), 1);
    assert_int_equal(event.kind, kind);
    assert_int_equal(event.order_id, order_id);
    assert_int_equal(event.side, side);
    assert_int_equal(event.price, price);
    assert_int_equal(event.quantity, quantity);
    assert_int_equal(event.leaves, leaves);
    assert_int_equal(event.last, last);
    assert_int_equal(event.zero, 0);
    assert_int_equal(event.sequence, pit_md_position(md) - 1);
}

static void expect_nothing(struct pit_md *md)
{
    struct pit_md_event event;
    assert_int_equal(pit_md_next(md, &event), 0);
}

static void reader_sees_every_change_of_the_book_in_order(void **state)
{
    (void)state;
    struct rig *rig = rig_begin(&(struct rig_options){0});
    struct pit_md *md = open_reader(rig);
    struct pit_command command = {.account = RIG_ACCOUNT};
    rig_define(rig, 0, "BTCUSD");
    uint64_t first = rig_order(rig, 0, PIT_SIDE_BUY, 100, 5);
    uint64_t second = rig_order(rig, 0, PIT_SIDE_BUY, 99, 7);
    rig_order(rig, 0, PIT_SIDE_SELL, 100, 2);
    command =
        (struct pit_command){.kind = PIT_COMMAND_REDUCE, .account = RIG_ACCOUNT, .order_id = second, .quantity = 3};
    rig_command(rig, command);
    command = (struct pit_command){
        .kind = PIT_COMMAND_REPLACE, .account = RIG_ACCOUNT, .order_id = second, .price = 99, .quantity = 1};
    rig_command(rig, command); /* keeps its place */
    command.quantity = 6;
    command.price = 98;
    rig_command(rig, command); /* moves */
    uint64_t third = rig_order(rig, 0, PIT_SIDE_SELL, 101, 4);
    command = (struct pit_command){
        .kind = PIT_COMMAND_REPLACE, .account = RIG_ACCOUNT, .order_id = third, .price = 100, .quantity = 9};
    rig_command(rig, command); /* moves into the other side: trades, then rests */
    rig_cancel(rig, 0, second);
    rig_command(rig, (struct pit_command){.kind = PIT_COMMAND_STATE, .quantity = PIT_STATE_HALTED});
    rig_settle(rig);

    expect_event(md, PIT_MD_SYMBOL, 0, 0, 0, 0, 0, true);
    expect_event(md, PIT_MD_ADD, first, PIT_SIDE_BUY, 100, 5, 0, true);
    expect_event(md, PIT_MD_ADD, second, PIT_SIDE_BUY, 99, 7, 0, true);
    expect_event(md, PIT_MD_TRADE, first, PIT_SIDE_SELL, 100, 2, 3, true);
    expect_event(md, PIT_MD_CHANGE, second, PIT_SIDE_BUY, 99, 4, 7, true);
    expect_event(md, PIT_MD_CHANGE, second, PIT_SIDE_BUY, 99, 1, 4, true);
    expect_event(md, PIT_MD_REMOVE, second, PIT_SIDE_BUY, 99, 1, 0, false);
    expect_event(md, PIT_MD_ADD, second, PIT_SIDE_BUY, 98, 6, 0, true);
    expect_event(md, PIT_MD_ADD, third, PIT_SIDE_SELL, 101, 4, 0, true);
    expect_event(md, PIT_MD_REMOVE, third, PIT_SIDE_SELL, 101, 4, 0, false);
    expect_event(md, PIT_MD_TRADE, first, PIT_SIDE_SELL, 100, 3, 0, false);
    expect_event(md, PIT_MD_ADD, third, PIT_SIDE_SELL, 100, 6, 0, true);
    expect_event(md, PIT_MD_REMOVE, second, PIT_SIDE_BUY, 98, 6, 0, true);
    expect_event(md, PIT_MD_STATE, 0, 0, 0, PIT_STATE_HALTED, 0, true);
    expect_nothing(md);

    struct pit_md_depth depth;
    assert_int_equal(pit_md_depth(md, 0, &depth), 0);
    rig_expect_depth(rig, 0, &depth);
    assert_int_equal(depth.event_sequence, pit_md_position(md) - 1);
    assert_int_equal(depth.trades, 2);
    assert_int_equal(depth.last_price, 100);
    assert_int_equal(depth.last_quantity, 3);
    assert_int_equal(depth.state, PIT_STATE_HALTED);
    pit_md_close(md);
    finish(rig);
}

static void what_never_rests_is_not_published_and_the_trade_before_it_is_the_last(void **state)
{
    (void)state;
    struct rig *rig = rig_begin(&(struct rig_options){0});
    rig_define(rig, 0, "BTCUSD");
    uint64_t maker = rig_order(rig, 0, PIT_SIDE_BUY, 100, 5);
    rig_settle(rig);
    struct pit_md *md = open_reader(rig); /* starts after these */
    struct pit_command command = {.kind = PIT_COMMAND_NEW,
                                  .side = PIT_SIDE_SELL,
                                  .tif = PIT_TIF_FOK,
                                  .account = RIG_ACCOUNT,
                                  .price = 100,
                                  .quantity = 9};
    rig_command(rig, command); /* cannot be filled: nothing happened */
    command.tif = PIT_TIF_IOC;
    command.quantity = 0;
    rig_command(rig, command);  /* refused */
    rig_cancel(rig, 0, 999999); /* refused */
    command.quantity = 9;
    rig_command(rig, command); /* trades 5, the rest may not rest */
    rig_settle(rig);
    expect_event(md, PIT_MD_TRADE, maker, PIT_SIDE_SELL, 100, 5, 0, true);
    expect_nothing(md);
    pit_md_close(md);
    finish(rig);
}

static void a_price_band_change_is_not_a_new_symbol(void **state)
{
    (void)state;
    struct rig *rig = rig_begin(&(struct rig_options){0});
    struct pit_md *md = open_reader(rig);
    assert_int_equal(pit_md_symbols(md), 0);
    assert_int_equal(pit_md_find(md, "BTCUSD"), -ENOENT);
    rig_define(rig, 0, "BTCUSD");
    struct pit_command command = {
        .kind = PIT_COMMAND_SYMBOL, .flags = PIT_COMMAND_WIDE, .definition = rig_definition("BTCUSD", 4096)};
    command.definition.price_max = 500;
    rig_command(rig, command);
    rig_settle(rig);
    expect_event(md, PIT_MD_SYMBOL, 0, 0, 0, 0, 0, true);
    expect_nothing(md);
    struct pit_md_symbol symbol;
    assert_int_equal(pit_md_symbols(md), 1);
    assert_int_equal(pit_md_symbol(md, 0, &symbol), 0);
    assert_string_equal(symbol.name, "BTCUSD");
    assert_int_equal(symbol.tick_mantissa, 1);
    assert_int_equal(symbol.tick_decimals, 2);
    assert_int_equal(symbol.lot_mantissa, 1);
    assert_int_equal(symbol.lot_decimals, 4);
    assert_int_equal(pit_md_find(md, "BTCUSD"), 0);
    assert_int_equal(pit_md_symbol(md, 1, &symbol), -ENOENT);
    struct pit_md_depth depth;
    assert_int_equal(pit_md_depth(md, 1, &depth), -ENOENT);
    pit_md_close(md);
    finish(rig);
}

static void the_last_level_shown_follows_its_book(void **state)
{
    (void)state;
    struct rig *rig = rig_begin(&(struct rig_options){0});
    rig_define(rig, 0, "BTCUSD");
    for (int64_t away = 1; away <= (int64_t)PIT_MD_LEVELS + 2; away++) {
        rig_order(rig, 0, PIT_SIDE_BUY, 1000 - away, 5);
        rig_order(rig, 0, PIT_SIDE_SELL, 1000 + away, 5);
    }
    rig_settle(rig);
    struct pit_md *md = open_reader(rig);
    const int64_t last = PIT_MD_LEVELS;
    uint64_t bid = rig_order(rig, 0, PIT_SIDE_BUY, 1000 - last, 2);
    uint64_t ask = rig_order(rig, 0, PIT_SIDE_SELL, 1000 + last, 3);
    rig_settle(rig);
    struct pit_md_depth depth;
    for (int gone = 0; gone < 2; gone++) {
        assert_int_equal(pit_md_depth(md, 0, &depth), 0);
        rig_expect_depth(rig, 0, &depth);
        assert_int_equal(depth.bid[PIT_MD_LEVELS - 1].quantity, gone ? 5 : 7);
        assert_int_equal(depth.ask[PIT_MD_LEVELS - 1].quantity, gone ? 5 : 8);
        rig_cancel(rig, 0, bid);
        rig_cancel(rig, 0, ask);
        rig_settle(rig);
    }
    pit_md_close(md);
    finish(rig);
}

static void symbols_beyond_the_limit_are_counted_and_cost_the_others_nothing(void **state)
{
    (void)state;
    struct rig *rig = rig_begin(&(struct rig_options){.symbols_max = 2});
    struct pit_md *md = open_reader(rig);
    rig_define(rig, 1, "B");
    rig_define(rig, 2, "C");
    rig_order(rig, 2, PIT_SIDE_BUY, 100, 5);
    uint64_t order = rig_order(rig, 1, PIT_SIDE_BUY, 100, 5);
    rig_settle(rig);
    expect_event(md, PIT_MD_SYMBOL, 0, 0, 0, 0, 0, true);
    expect_event(md, PIT_MD_ADD, order, PIT_SIDE_BUY, 100, 5, 0, true);
    expect_nothing(md);
    assert_int_equal(pit_publisher_counters(rig->publisher)->dropped, 2);
    assert_int_equal(pit_md_symbols(md), 2);
    struct pit_md_symbol symbol;
    assert_int_equal(pit_md_symbol(md, 0, &symbol), -ENOENT); /* not defined yet, though a later one is */
    pit_md_close(md);
    finish(rig);
}

static void recovered_books_are_in_the_first_images(void **state)
{
    (void)state;
    struct rig *rig = rig_begin(&(struct rig_options){.hidden = true});
    struct pit_symbol_definition definition = rig_definition("OLD", 2);
    struct pit_publisher_past past = {.state = PIT_STATE_HALTED, .trades = 7, .last_price = 55, .last_quantity = 3};
    struct pit_resting_order order = {.order_id = 1, .price = 50, .quantity = 2, .side = PIT_SIDE_BUY};
    struct pit_error error;
    assert_int_equal(pit_publisher_load_order(rig->publisher, 0, &order, &error), -ENOENT);
    assert_int_equal(pit_publisher_load_symbol(rig->publisher, 0, &definition, &past, &error), 0);
    assert_int_equal(pit_publisher_load_symbol(rig->publisher, 0, &definition, &past, &error), -EEXIST);
    assert_int_equal(pit_publisher_load_symbol(rig->publisher, RIG_SYMBOLS_MAX, &definition, &past, &error), -ERANGE);
    assert_int_equal(pit_publisher_load_order(rig->publisher, 0, &order, &error), 0);
    assert_int_equal(pit_publisher_load_order(rig->publisher, 0, &order, &error), 0);
    order.price = 60;
    order.side = PIT_SIDE_SELL;
    assert_int_equal(pit_publisher_load_order(rig->publisher, 0, &order, &error), 0);
    order.price = 61;
    assert_int_equal(pit_publisher_load_order(rig->publisher, 0, &order, &error), -ENOSPC);
    struct pit_md *md;
    assert_int_equal(pit_md_open(&md, rig->name, &error), -ENOENT); /* out of sight until all is loaded */
    assert_int_equal(rig->agent.init(rig->agent.state, &error), 0);
    rig->shown = true;
    md = open_reader(rig);
    struct pit_md_depth depth;
    assert_int_equal(pit_md_depth(md, 0, &depth), 0);
    assert_int_equal(depth.event_sequence, 0);
    assert_int_equal(depth.bids, 1);
    assert_int_equal(depth.bid[0].price, 50);
    assert_int_equal(depth.bid[0].quantity, 4);
    assert_int_equal(depth.bid[0].orders, 2);
    assert_int_equal(depth.asks, 1);
    assert_int_equal(depth.ask[0].price, 60);
    assert_int_equal(depth.state, PIT_STATE_HALTED);
    assert_int_equal(depth.trades, 7);
    assert_int_equal(depth.last_price, 55);
    assert_int_equal(depth.last_quantity, 3);
    pit_md_close(md);
    finish(rig);
}

static void define_symbols(struct rig *rig, uint32_t symbols)
{
    for (uint32_t i = 0; i < symbols; i++) {
        char name[16];
        snprintf(name, sizeof name, "S%u", i);
        rig_define(rig, i, name);
    }
    rig_settle(rig);
}

/* Every image is the book at the end of a command: the events up to its event_sequence, and no other. */
static void images_are_the_events_up_to_their_sequence(void **state)
{
    (void)state;
    uint64_t seed = rig_seed();
    struct rig *rig = rig_begin(&(struct rig_options){.matchers = 3});
    struct follower follower;
    struct pit_md *md = open_reader(rig);
    define_symbols(rig, 4);
    pit_md_seek_oldest(md);
    follower_begin(&follower, md, 4);
    struct rig_flow flow[4];
    uint64_t last_of[4] = {0};
    for (uint32_t i = 0; i < 4; i++)
        flow[i] = (struct rig_flow){.random = seed + i, .spread = 7};
    uint64_t compared = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t symbol = (uint32_t)(rig_random(&seed) % 4);
        rig_flow_step(rig, &flow[symbol], symbol);
        last_of[symbol]++;
        if (rig_random(&seed) % 8)
            continue;
        rig->now_ns += rig_random(&seed) % 2 ? 1000 : 200000; /* images now, or only when idle */
        rig->agent.do_work(rig->agent.state);
        follower_read(&follower, UINT64_MAX);
        for (uint32_t s = 0; s < 4; s++) {
            struct pit_md_depth image;
            assert_int_equal(pit_md_depth(md, s, &image), 0);
            assert_true(image.event_sequence < pit_md_position(md));
            if (image.bids && image.asks)
                assert_true(image.bid[0].price < image.ask[0].price);
        }
        if (rig_random(&seed) % 4)
            continue;
        rig_settle(rig);
        follower_read(&follower, UINT64_MAX);
        for (uint32_t s = 0; s < 4; s++) {
            struct pit_md_depth image;
            assert_int_equal(pit_md_depth(md, s, &image), 0);
            rig_expect_depth(rig, s, &image);
            compared++;
        }
    }
    assert_true(compared > 1000 && last_of[3] > 1000);
    rig_settle(rig);
    follower_read(&follower, UINT64_MAX);
    assert_int_equal(follower.laps, 0);
    follower_end(&follower, rig);
    pit_md_close(md);
    finish(rig);
}

static void a_lapped_reader_knows_how_much_it_lost_and_is_exact_again_from_the_images(void **state)
{
    (void)state;
    uint64_t seed = rig_seed();
    struct rig *rig = rig_begin(&(struct rig_options){.matchers = 2});
    struct follower follower;
    struct pit_md *md = open_reader(rig);
    define_symbols(rig, 3);
    pit_md_seek_oldest(md);
    follower_begin(&follower, md, 3);
    struct rig_flow flow[3];
    for (uint32_t i = 0; i < 3; i++)
        flow[i] = (struct rig_flow){.random = seed + i, .spread = 6};
    for (uint32_t i = 0; i < 60000; i++) {
        uint32_t symbol = (uint32_t)(rig_random(&seed) % 3);
        rig_flow_step(rig, &flow[symbol], symbol);
        if (i % 64 == 0)
            rig->agent.do_work(rig->agent.state);
        if (i % 8191 == 0 || i % 20000 > 19000)
            follower_read(&follower, UINT64_MAX);
    }
    rig_settle(rig);
    follower_read(&follower, UINT64_MAX);
    assert_true(follower.laps >= 2);
    follower_end(&follower, rig);
    pit_md_close(md);
    finish(rig);
}

static struct {
    struct rig *rig;
    struct pit_agent agent;
    struct pit_md *md;
    struct pit_md_depth before;
    uint32_t looks;
    uint32_t refusals;
    bool armed;
} sweep;

static uint32_t look_while_working(void *agent_state)
{
    sweep.rig->now_ns += 1000000; /* time enough for images */
    uint32_t done = sweep.agent.do_work(agent_state);
    if (!sweep.armed)
        return done;
    struct pit_md_depth now;
    struct pit_md_event event;
    int result = pit_md_depth(sweep.md, 0, &now);
    if (result == 0) /* still the book before the sweep */
        assert_memory_equal(&now, &sweep.before, sizeof now);
    else
        assert_int_equal(result, -EAGAIN);
    sweep.looks++;
    sweep.refusals += result != 0;
    if (pit_md_next(sweep.md, &event) < 0) /* lapped: from now on the image before the sweep is too old */
        assert_int_equal(pit_md_depth(sweep.md, 0, &now), -EAGAIN);
    return done;
}

static void no_image_is_written_in_the_midst_of_a_command(void **state)
{
    (void)state;
    struct rig *rig = rig_begin(&(struct rig_options){0});
    define_symbols(rig, 1);
    for (int i = 0; i < 15000; i++) {
        rig_order(rig, 0, PIT_SIDE_SELL, 1000 + i % 100, 1);
        if (i % 1000 == 0)
            rig_settle(rig);
    }
    rig_settle(rig);
    struct pit_md *md = open_reader(rig);
    sweep.rig = rig;
    sweep.agent = rig->agent;
    sweep.md = md;
    sweep.armed = true;
    assert_int_equal(pit_md_depth(md, 0, &sweep.before), 0);
    rig->agent.do_work = look_while_working;
    rig_order(rig, 0, PIT_SIDE_BUY, 2000, 14000); /* more trades than either ring has slots */
    sweep.armed = false;
    rig_settle(rig);
    assert_true(sweep.looks > 5 && sweep.refusals > 0);
    struct pit_md_depth depth;
    assert_int_equal(pit_md_depth(md, 0, &depth), 0);
    rig_expect_depth(rig, 0, &depth);
    assert_int_equal(depth.trades, 14000);
    pit_md_close(md);
    finish(rig);
}

static uint64_t machine_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void status_tells_running_silent_and_stopped_apart(void **state)
{
    (void)state;
    struct rig *rig = rig_begin(&(struct rig_options){0});
    char name[64];
    memcpy(name, rig->name, sizeof name);
    struct pit_md *md = open_reader(rig);
    rig->now_ns = machine_ns() + UINT64_C(3600000000000);
    rig->agent.do_work(rig->agent.state);
    assert_int_equal(pit_md_status(md), PIT_MD_RUNNING);
    rig->now_ns = machine_ns() - (PIT_MD_SILENT_MS + 1) * UINT64_C(1000000);
    rig->agent.do_work(rig->agent.state); /* a sign of life that long ago */
    assert_int_equal(pit_md_status(md), PIT_MD_SILENT);
    rig_define(rig, 0, "LATE");
    rig_order(rig, 0, PIT_SIDE_BUY, 100, 5);
    rig_end(rig);
    assert_int_equal(pit_md_status(md), PIT_MD_STOPPED);
    /* What was in the rings at the end was published first. */
    struct pit_md_event event;
    assert_int_equal(pit_md_next(md, &event), 1);
    assert_int_equal(pit_md_next(md, &event), 1);
    assert_int_equal(event.kind, PIT_MD_ADD);
    struct pit_md_depth depth;
    assert_int_equal(pit_md_depth(md, 0, &depth), 0);
    assert_int_equal(depth.bids, 1);
    pit_md_close(md);
    /* Nothing is left for those who come later. */
    struct pit_error error;
    char path[PIT_MD_PATH_BYTES];
    assert_int_equal(pit_md_open(&md, name, &error), -ENOENT);
    assert_int_equal(access(pit_md_directory(path, name), F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader_sees_every_change_of_the_book_in_order),
        cmocka_unit_test(what_never_rests_is_not_published_and_the_trade_before_it_is_the_last),
        cmocka_unit_test(a_price_band_change_is_not_a_new_symbol),
        cmocka_unit_test(the_last_level_shown_follows_its_book),
        cmocka_unit_test(symbols_beyond_the_limit_are_counted_and_cost_the_others_nothing),
        cmocka_unit_test(recovered_books_are_in_the_first_images),
        cmocka_unit_test(images_are_the_events_up_to_their_sequence),
        cmocka_unit_test(a_lapped_reader_knows_how_much_it_lost_and_is_exact_again_from_the_images),
        cmocka_unit_test(no_image_is_written_in_the_midst_of_a_command),
        cmocka_unit_test(status_tells_running_silent_and_stopped_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
