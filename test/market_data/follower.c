/* test/market_data/follower.c - see follower.h. */
#include "follower.h"

#include <errno.h>

static void add_level(struct pit_depth *depth, enum pit_side side, const struct pit_md_level *level)
{
    for (uint64_t i = 0; i < level->orders; i++) {
        struct pit_md_event event = {.kind = PIT_MD_ADD,
                                     .side = (uint8_t)side,
                                     .price = level->price,
                                     .quantity = i == 0 ? level->quantity - (level->orders - 1) : 1};
        assert_true(pit_depth_apply(depth, &event));
    }
}

/* False: not possible yet. */
static bool follower_load(struct follower *follower, uint32_t symbol)
{
    struct pit_md_depth image;
    int result = pit_md_depth(follower->md, symbol, &image);
    if (result != 0) {
        assert_int_equal(result, -EAGAIN);
        return false;
    }
    assert_true(image.bids < PIT_MD_LEVELS && image.asks < PIT_MD_LEVELS);
    if (image.bids && image.asks)
        assert_true(image.bid[0].price < image.ask[0].price);
    const struct pit_symbol_definition definition = rig_definition("ANY", 64);
    memset(follower->memory[symbol], 0, pit_depth_bytes(&definition));
    follower->depth[symbol] = pit_depth_create(follower->memory[symbol], &definition);
    for (uint64_t i = 0; i < image.bids; i++)
        add_level(follower->depth[symbol], PIT_SIDE_BUY, &image.bid[i]);
    for (uint64_t i = 0; i < image.asks; i++)
        add_level(follower->depth[symbol], PIT_SIDE_SELL, &image.ask[i]);
    follower->from[symbol] = image.event_sequence;
    follower->known[symbol] = true;
    return true;
}

void follower_begin(struct follower *follower, struct pit_md *md, uint32_t symbols)
{
    *follower = (struct follower){.md = md, .symbols = symbols};
    const struct pit_symbol_definition definition = rig_definition("ANY", 64);
    for (uint32_t i = 0; i < symbols; i++)
        if (posix_memalign(&follower->memory[i], 128, pit_depth_bytes(&definition)) != 0)
            fail();
}

void follower_read(struct follower *follower, uint64_t max)
{
    struct pit_md_event event;
    for (uint64_t read = 0; read < max; read++) {
        for (uint32_t i = 0; i < follower->symbols; i++)
            if (!follower->known[i] && !follower_load(follower, i))
                return;
        int64_t result = pit_md_next(follower->md, &event);
        if (result == 0)
            return;
        if (result < 0) {
            follower->lost += (uint64_t)-result;
            follower->laps++;
            memset(follower->known, 0, sizeof follower->known);
            continue;
        }
        follower->seen++;
        if (event.sequence > follower->from[event.symbol])
            assert_true(pit_depth_apply(follower->depth[event.symbol], &event));
    }
}

void follower_end(struct follower *follower, const struct rig *rig)
{
    for (uint32_t symbol = 0; symbol < follower->symbols; symbol++) {
        struct pit_md_depth image;
        assert_int_equal(pit_md_depth(follower->md, symbol, &image), 0);
        rig_expect_depth(rig, symbol, &image);
        struct pit_md_depth own = {.state = image.state};
        own.bids = pit_depth_best(follower->depth[symbol], PIT_SIDE_BUY, own.bid, PIT_MD_LEVELS);
        own.asks = pit_depth_best(follower->depth[symbol], PIT_SIDE_SELL, own.ask, PIT_MD_LEVELS);
        rig_expect_depth(rig, symbol, &own);
        free(follower->memory[symbol]);
    }
    assert_int_equal(follower->seen + follower->lost, pit_publisher_counters(rig->publisher)->published);
    assert_int_equal(pit_publisher_counters(rig->publisher)->mismatched, 0);
    assert_int_equal(pit_publisher_counters(rig->publisher)->dropped, 0);
}
