/* Depth against the book itself: what public events alone say must be what the book holds, at every command. */
#include "support.h"

#include "book/price_index.h"
#include "stages/depth.h"
#include "stages/public_event.h"

#define LEVELS 4096u

struct mirror {
    struct pit_depth *depth;
    uint64_t changes;
    bool in_command; /* an event came without LAST */
};

static struct pit_depth *depth_begin(uint32_t levels_max)
{
    const struct pit_symbol_definition definition = rig_definition("TEST", levels_max);
    void *memory = NULL;
    assert_int_equal(posix_memalign(&memory, 128, pit_depth_bytes(&definition)), 0);
    memset(memory, 0, pit_depth_bytes(&definition));
    return pit_depth_create(memory, &definition);
}

static void mirror_event(void *context, const struct pit_event *event)
{
    struct mirror *mirror = context;
    struct pit_md_event changes[PIT_PUBLIC_EVENTS_MAX];
    uint32_t count = pit_public_events(event, changes);
    for (uint32_t i = 0; i < count; i++) {
        if (!pit_depth_apply(mirror->depth, &changes[i]))
            fail_msg("event %u of order %" PRIu64 " does not fit: kind %u, price %" PRId64 ", quantity %" PRIu64,
                     event->kind, event->order_id, changes[i].kind, changes[i].price, changes[i].quantity);
        mirror->changes++;
    }
    mirror->in_command = !(event->flags & PIT_EVENT_LAST);
}

static void expect_same(const struct pit_depth *depth, const struct pit_book *book)
{
    static struct pit_md_level right[LEVELS], shown[LEVELS];
    for (enum pit_side side = PIT_SIDE_BUY; side <= PIT_SIDE_SELL; side++) {
        uint32_t count = rig_levels(book, side, right, LEVELS);
        assert_int_equal(pit_depth_best(depth, side, shown, LEVELS), count);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(shown[i].price, right[i].price);
            assert_int_equal(shown[i].quantity, right[i].quantity);
            assert_int_equal(shown[i].orders, right[i].orders);
        }
    }
    assert_int_equal(pit_depth_levels(depth), pit_book_levels(book));
}

static void follow(uint64_t seed, int64_t spread, uint32_t levels_max, uint32_t commands)
{
    struct rig *rig = rig_books();
    struct mirror mirror = {.depth = depth_begin(levels_max)};
    rig->watch = mirror_event;
    rig->watch_context = &mirror;
    rig_command(rig, (struct pit_command){.kind = PIT_COMMAND_SYMBOL,
                                          .flags = PIT_COMMAND_WIDE,
                                          .definition = rig_definition("TEST", levels_max)});
    struct rig_flow flow = {.random = seed, .spread = spread};
    for (uint32_t i = 0; i < commands; i++) {
        rig_flow_step(rig, &flow, 0);
        assert_false(mirror.in_command);
        expect_same(mirror.depth, rig_book(rig, 0));
    }
    assert_true(mirror.changes > commands / 20);
    free(mirror.depth);
    rig_kill(rig);
}

static void depth_equals_the_book_after_every_command(void **state)
{
    (void)state;
    uint64_t seed = rig_seed();
    follow(seed, 5, 4096, 10000);
    follow(seed + 1, 200, 4096, 10000);
}

static void depth_equals_the_book_when_levels_run_out(void **state)
{
    (void)state;
    follow(rig_seed(), 40, 12, 10000);
}

static const struct pit_md_event add_buy = {.kind = PIT_MD_ADD, .side = PIT_SIDE_BUY, .price = 10, .quantity = 5};

static struct pit_md_event with_kind(enum pit_md_event_kind kind, enum pit_side side, int64_t price, uint64_t quantity,
                                     uint64_t leaves)
{
    return (struct pit_md_event){
        .kind = (uint8_t)kind, .side = (uint8_t)side, .price = price, .quantity = quantity, .leaves = leaves};
}

static void depth_refuses_what_does_not_fit(void **state)
{
    (void)state;
    struct pit_depth *depth = depth_begin(2);
    struct pit_md_event event;
    assert_true(pit_depth_apply(depth, &add_buy));
    const struct pit_md_event wrong[] = {
        with_kind(PIT_MD_REMOVE, PIT_SIDE_BUY, 11, 5, 0),  with_kind(PIT_MD_REMOVE, PIT_SIDE_BUY, 10, 6, 0),
        with_kind(PIT_MD_REMOVE, PIT_SIDE_BUY, 10, 4, 0), /* the last order leaves, but a lot would stay */
        with_kind(PIT_MD_REMOVE, PIT_SIDE_SELL, 10, 5, 0), with_kind(PIT_MD_TRADE, PIT_SIDE_BUY, 10, 5, 0),
        with_kind(PIT_MD_TRADE, PIT_SIDE_SELL, 10, 5, 1), /* all lots leave, but the order would stay */
        with_kind(PIT_MD_CHANGE, PIT_SIDE_BUY, 10, 1, 6),  with_kind(PIT_MD_CHANGE, PIT_SIDE_BUY, 9, 1, 5),
        with_kind(PIT_MD_ADD, PIT_SIDE_SELL, 10, 5, 0),    with_kind(PIT_MD_ADD, 2, 12, 5, 0),
        with_kind(PIT_MD_ADD, PIT_SIDE_SELL, 12, 0, 0),    with_kind(0, PIT_SIDE_BUY, 10, 5, 0),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(pit_depth_apply(depth, &wrong[i]));
    event = with_kind(PIT_MD_ADD, PIT_SIDE_SELL, 20, 1, 0);
    assert_true(pit_depth_apply(depth, &event));
    event = with_kind(PIT_MD_ADD, PIT_SIDE_SELL, 21, 1, 0);
    assert_false(pit_depth_apply(depth, &event)); /* a third level */
    struct pit_md_level level;
    assert_int_equal(pit_depth_best(depth, PIT_SIDE_BUY, &level, 1), 1);
    assert_int_equal(level.quantity, 5);
    assert_int_equal(level.orders, 1);
    free(depth);
}

static void depth_caps_a_total_beyond_64_bits_and_recovers(void **state)
{
    (void)state;
    struct pit_depth *depth = depth_begin(2);
    struct pit_md_event event = with_kind(PIT_MD_ADD, PIT_SIDE_BUY, 10, PIT_QUANTITY_MAX, 0);
    struct pit_md_level level;
    for (int i = 0; i < 5; i++)
        assert_true(pit_depth_apply(depth, &event));
    pit_depth_best(depth, PIT_SIDE_BUY, &level, 1);
    assert_true(level.quantity == UINT64_MAX);
    event.kind = PIT_MD_REMOVE;
    for (int i = 0; i < 3; i++)
        assert_true(pit_depth_apply(depth, &event));
    pit_depth_best(depth, PIT_SIDE_BUY, &level, 1);
    assert_true(level.quantity == 2 * PIT_QUANTITY_MAX);
    free(depth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(depth_equals_the_book_after_every_command),
        cmocka_unit_test(depth_equals_the_book_when_levels_run_out),
        cmocka_unit_test(depth_refuses_what_does_not_fit),
        cmocka_unit_test(depth_caps_a_total_beyond_64_bits_and_recovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
