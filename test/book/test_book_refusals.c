/* test/book/test_book_refusals.c - every reason for which a book refuses, and its limits. */
#include "test/book/support.h"

static int open_desk(void **state)
{
    const struct pit_symbol_definition definition = desk_definition(4, 3);
    *state = desk_open(&definition);
    return 0;
}

static int close_desk(void **state)
{
    desk_sound(*state);
    desk_close(*state);
    return 0;
}

#define MARKET PIT_COMMAND_MARKET
#define POST_ONLY PIT_COMMAND_POST_ONLY

static void refuses(struct desk *desk, struct pit_command command, enum pit_reason reason)
{
    const uint32_t orders = pit_book_orders(desk->book), levels = pit_book_levels(desk->book);
    desk_send(desk, command);
    desk_expect_rejected(desk, command, reason);
    assert_int_equal(pit_book_orders(desk->book), orders);
    assert_int_equal(pit_book_levels(desk->book), levels);
}

static void takes(struct desk *desk, struct pit_command command)
{
    desk_send(desk, command);
    if (desk->event[0].kind == PIT_EVENT_REJECTED)
        fail_msg("command %u was refused: %u", (unsigned)desk->sequence, desk->event[0].reason);
}

static void unknown_kind_is_rejected(void **state)
{
    for (unsigned kind = 0; kind < 256; kind++) {
        struct pit_command command = order(BUY, 100, 1);
        command.kind = (uint8_t)kind;
        if (kind < PIT_COMMAND_NEW || kind > PIT_COMMAND_STATE)
            refuses(*state, command, PIT_REASON_BAD_KIND);
    }
}

static void account_zero_is_rejected(void **state)
{
    struct desk *desk = *state;
    uint64_t id = desk_send(desk, order(BUY, 100, 10));
    refuses(desk, by(0, order(BUY, 100, 1)), PIT_REASON_BAD_ACCOUNT);
    refuses(desk, by(0, cancel(id)), PIT_REASON_BAD_ACCOUNT);
    refuses(desk, by(0, reduce(id, 1)), PIT_REASON_BAD_ACCOUNT);
    refuses(desk, by(0, replace(id, 100, 1)), PIT_REASON_BAD_ACCOUNT);
}

static void unknown_side_is_rejected(void **state)
{
    struct pit_command command = order(BUY, 100, 1);
    for (unsigned side = 2; side < 256; side++) {
        command.side = (uint8_t)side;
        refuses(*state, command, PIT_REASON_BAD_SIDE);
    }
}

static void time_in_force_that_means_nothing_is_rejected(void **state)
{
    struct pit_command command = order(BUY, 100, 1);
    for (unsigned time_in_force = 3; time_in_force < 256; time_in_force++) {
        command.tif = (uint8_t)time_in_force;
        refuses(*state, command, PIT_REASON_BAD_TIF);
    }
    refuses(*state, flagged(MARKET, order(BUY, 100, 1)), PIT_REASON_BAD_TIF);
}

static void flags_that_mean_nothing_are_rejected(void **state)
{
    struct desk *desk = *state;
    uint64_t id = desk_send(desk, order(BUY, 100, 10));
    for (unsigned bit = 2; bit < 7; bit++) {
        refuses(desk, flagged((uint8_t)(1u << bit), order(BUY, 100, 1)), PIT_REASON_BAD_FLAGS);
        refuses(desk, flagged((uint8_t)(1u << bit), cancel(id)), PIT_REASON_BAD_FLAGS);
        refuses(desk, flagged((uint8_t)(1u << bit), reduce(id, 1)), PIT_REASON_BAD_FLAGS);
        refuses(desk, flagged((uint8_t)(1u << bit), replace(id, 100, 1)), PIT_REASON_BAD_FLAGS);
    }
    refuses(desk, flagged(MARKET | POST_ONLY, order(BUY, 100, 1)), PIT_REASON_BAD_FLAGS);
    refuses(desk, flagged(MARKET | POST_ONLY, tif(PIT_TIF_IOC, order(BUY, 100, 1))), PIT_REASON_BAD_FLAGS);
    refuses(desk, flagged(POST_ONLY, tif(PIT_TIF_IOC, order(BUY, 100, 1))), PIT_REASON_BAD_FLAGS);
    refuses(desk, flagged(POST_ONLY, tif(PIT_TIF_FOK, order(BUY, 100, 1))), PIT_REASON_BAD_FLAGS);
    refuses(desk, flagged(MARKET, cancel(id)), PIT_REASON_BAD_FLAGS);
    refuses(desk, flagged(POST_ONLY, reduce(id, 1)), PIT_REASON_BAD_FLAGS);
    refuses(desk, flagged(MARKET, replace(id, 100, 1)), PIT_REASON_BAD_FLAGS);
    takes(desk, flagged(PIT_COMMAND_WIDE, order(BUY, 100, 1)));
}

static void quantity_out_of_range_is_rejected(void **state)
{
    struct desk *desk = *state;
    refuses(desk, order(BUY, 100, 0), PIT_REASON_BAD_QUANTITY);
    refuses(desk, order(BUY, 100, 1001), PIT_REASON_BAD_QUANTITY);
    refuses(desk, order(BUY, 100, UINT64_MAX), PIT_REASON_BAD_QUANTITY);
    takes(desk, order(BUY, 100, 1000));
    refuses(desk, reduce(desk->sequence, 0), PIT_REASON_BAD_QUANTITY);
    takes(desk, order(BUY, 100, 1));
    refuses(desk, replace(desk->sequence, 100, 0), PIT_REASON_BAD_QUANTITY);
    refuses(desk, replace(desk->sequence, 100, 1001), PIT_REASON_BAD_QUANTITY);
}

static void price_outside_the_band_is_rejected(void **state)
{
    struct desk *desk = *state;
    refuses(desk, order(BUY, 0, 1), PIT_REASON_PRICE_OUT_OF_BAND);
    refuses(desk, order(SELL, 1001, 1), PIT_REASON_PRICE_OUT_OF_BAND);
    refuses(desk, order(SELL, INT64_MIN, 1), PIT_REASON_PRICE_OUT_OF_BAND);
    refuses(desk, order(BUY, INT64_MAX, 1), PIT_REASON_PRICE_OUT_OF_BAND);
    takes(desk, order(BUY, 1, 1));
    refuses(desk, replace(desk->sequence, 0, 1), PIT_REASON_PRICE_OUT_OF_BAND);
    takes(desk, order(SELL, 1000, 1));
    refuses(desk, replace(desk->sequence, 1001, 1), PIT_REASON_PRICE_OUT_OF_BAND);
}

static void order_id_that_is_live_is_rejected(void **state)
{
    struct desk *desk = *state;
    desk_send(desk, order(BUY, 100, 1));
    desk->sequence--;
    refuses(desk, order(BUY, 100, 1), PIT_REASON_DUPLICATE_ID);
}

/* orders_max is 4 here. */
static void full_book_takes_no_order_that_may_rest(void **state)
{
    struct desk *desk = *state;
    for (int i = 0; i < 3; i++)
        takes(desk, order(SELL, 100, 5));
    takes(desk, order(SELL, 101, 5));
    uint64_t last = desk->sequence;
    refuses(desk, order(SELL, 100, 1), PIT_REASON_BOOK_FULL);
    refuses(desk, order(BUY, 100, 1), PIT_REASON_BOOK_FULL);
    takes(desk, tif(PIT_TIF_IOC, order(BUY, 100, 1)));
    takes(desk, replace(last, 102, 9));
    takes(desk, cancel(last));
    takes(desk, order(SELL, 100, 1));
    refuses(desk, order(SELL, 100, 1), PIT_REASON_BOOK_FULL);
}

/* levels_max is 3 here. */
static void order_at_one_price_too_many_is_rejected(void **state)
{
    struct desk *desk = *state;
    takes(desk, order(SELL, 100, 5));
    takes(desk, order(SELL, 300, 5));
    takes(desk, order(BUY, 50, 5));
    refuses(desk, order(SELL, 200, 5), PIT_REASON_LEVELS_FULL);
    refuses(desk, order(BUY, 200, 5), PIT_REASON_LEVELS_FULL);
    takes(desk, tif(PIT_TIF_IOC, order(BUY, 60, 5)));
    takes(desk, order(SELL, 300, 5));
    takes(desk, cancel(desk->sequence));
    takes(desk, tif(PIT_TIF_IOC, order(BUY, 100, 5)));
    takes(desk, order(SELL, 200, 5));
    refuses(desk, order(SELL, 201, 5), PIT_REASON_LEVELS_FULL);
}

static void crossing_order_rests_at_the_price_whose_level_it_emptied(void **state)
{
    struct desk *desk = *state;
    takes(desk, order(SELL, 100, 5));
    takes(desk, order(SELL, 300, 5));
    takes(desk, order(BUY, 50, 5));
    takes(desk, order(BUY, 100, 7));
    assert_int_equal(desk->events, 3);
    assert_int_equal(desk->event[2].kind, PIT_EVENT_RESTED);
    assert_int_equal(pit_book_levels(desk->book), 3);
}

static void replace_needs_a_level_unless_it_frees_one(void **state)
{
    struct desk *desk = *state;
    takes(desk, order(SELL, 100, 5));
    uint64_t alone = desk->sequence;
    takes(desk, order(SELL, 300, 5));
    uint64_t together = desk->sequence;
    takes(desk, order(SELL, 300, 5));
    takes(desk, order(BUY, 50, 5));
    refuses(desk, replace(together, 200, 5), PIT_REASON_LEVELS_FULL);
    refuses(desk, replace(together, 40, 5), PIT_REASON_LEVELS_FULL);
    takes(desk, replace(alone, 200, 5));
    takes(desk, replace(together, 200, 5));
    takes(desk, replace(together, 300, 9));
    takes(desk, replace(together, 300, 10));
    assert_int_equal(pit_book_levels(desk->book), 3);
}

static struct pit_command set_state(uint64_t to)
{
    return (struct pit_command){.kind = PIT_COMMAND_STATE, .quantity = to};
}

static void halted_symbol_takes_only_cancels_and_reduces(void **state)
{
    struct desk *desk = *state;
    uint64_t a = desk_send(desk, order(BUY, 100, 5)), b = desk_send(desk, order(BUY, 100, 5));
    desk_send(desk, set_state(PIT_STATE_HALTED));
    desk_expect(desk, {.kind = PIT_EVENT_STATE, .flags = PIT_EVENT_LAST, .quantity = PIT_STATE_HALTED});
    assert_int_equal(pit_book_state(desk->book), PIT_STATE_HALTED);
    refuses(desk, order(BUY, 100, 5), PIT_REASON_HALTED);
    refuses(desk, tif(PIT_TIF_IOC, order(SELL, 100, 5)), PIT_REASON_HALTED);
    refuses(desk, replace(a, 100, 1), PIT_REASON_HALTED);
    takes(desk, cancel(a));
    takes(desk, reduce(b, 1));
    desk_send(desk, set_state(PIT_STATE_OPEN));
    desk_expect(desk, {.kind = PIT_EVENT_STATE, .flags = PIT_EVENT_LAST, .quantity = PIT_STATE_OPEN});
    takes(desk, replace(b, 100, 1));
}

static void unknown_state_is_rejected(void **state)
{
    refuses(*state, set_state(2), PIT_REASON_BAD_STATE);
    refuses(*state, set_state(UINT64_MAX), PIT_REASON_BAD_STATE);
    refuses(*state, flagged(MARKET, set_state(0)), PIT_REASON_BAD_FLAGS);
}

static struct pit_command define(struct pit_symbol_definition definition)
{
    return (struct pit_command){.kind = PIT_COMMAND_SYMBOL, .flags = PIT_COMMAND_WIDE, .definition = definition};
}

static void band_can_change_and_resting_orders_stay(void **state)
{
    struct desk *desk = *state;
    takes(desk, order(BUY, 100, 5));
    uint64_t id = desk->sequence;
    struct pit_symbol_definition moved = *pit_book_definition(desk->book);
    moved.price_min = -50;
    moved.price_max = 60;
    desk_send(desk, define(moved));
    desk_expect(desk, {.kind = PIT_EVENT_DEFINED, .flags = PIT_EVENT_WIDE | PIT_EVENT_LAST, .definition = moved});
    assert_memory_equal(pit_book_definition(desk->book), &moved, sizeof moved);
    refuses(desk, order(BUY, 61, 5), PIT_REASON_PRICE_OUT_OF_BAND);
    refuses(desk, replace(id, 100, 1), PIT_REASON_PRICE_OUT_OF_BAND);
    takes(desk, tif(PIT_TIF_IOC, order(SELL, -50, 1)));
    assert_int_equal(desk->event[1].price, 100);
    takes(desk, replace(id, 60, 1));
}

static void nothing_but_the_band_can_change(void **state)
{
    struct desk *desk = *state;
    const struct pit_symbol_definition known = *pit_book_definition(desk->book);
    struct pit_symbol_definition changed[8];
    for (int i = 0; i < 8; i++)
        changed[i] = known;
    changed[0].name[0] = 'X';
    changed[1].quantity_max++;
    changed[2].orders_max++;
    changed[3].levels_max++;
    changed[4].tick_mantissa++;
    changed[5].lot_mantissa++;
    changed[6].tick_decimals++;
    changed[7].lot_decimals++;
    for (int i = 0; i < 8; i++)
        refuses(desk, define(changed[i]), PIT_REASON_BAD_DEFINITION);
    struct pit_command narrow = define(known);
    narrow.flags = 0;
    refuses(desk, narrow, PIT_REASON_BAD_FLAGS);
    narrow.flags = PIT_COMMAND_WIDE | MARKET;
    refuses(desk, narrow, PIT_REASON_BAD_FLAGS);
    takes(desk, define(known));
}

static void definition_out_of_range_is_invalid(void **state)
{
    (void)state;
    const struct pit_symbol_definition good = desk_definition(10, 10);
    assert_true(pit_symbol_definition_valid(&good));
    struct pit_symbol_definition bad[20];
    for (int i = 0; i < 20; i++)
        bad[i] = good;
    memset(bad[0].name, 0, sizeof bad[0].name);
    memset(bad[1].name, 'a', sizeof bad[1].name);
    bad[2].name[1] = ' ';
    bad[3].name[1] = '\x7f';
    bad[4].name[8] = 'a'; /* behind the closing zero */
    bad[5].name[1] = (char)0xc3;
    bad[6].price_min = PIT_PRICE_MIN - 1;
    bad[7].price_max = PIT_PRICE_MAX + 1;
    bad[8].price_min = bad[8].price_max + 1;
    bad[9].quantity_max = 0;
    bad[10].quantity_max = PIT_QUANTITY_MAX + 1;
    bad[11].orders_max = 0;
    bad[12].orders_max = PIT_ORDERS_MAX + 1;
    bad[13].levels_max = 0;
    bad[14].levels_max = PIT_LEVELS_MAX + 1;
    bad[15].tick_mantissa = 0;
    bad[16].lot_mantissa = 0;
    bad[17].tick_decimals = PIT_DECIMALS_MAX + 1;
    bad[18].lot_decimals = PIT_DECIMALS_MAX + 1;
    bad[19].zero[5] = 1;
    for (int i = 0; i < 20; i++)
        if (pit_symbol_definition_valid(&bad[i]))
            fail_msg("definition %d passes", i);
}

static void book_of_one_order_and_one_price_works(void **state)
{
    (void)state;
    struct pit_symbol_definition definition = desk_definition(1, 1);
    definition.price_min = PIT_PRICE_MIN;
    definition.price_max = PIT_PRICE_MAX;
    definition.quantity_max = PIT_QUANTITY_MAX;
    struct desk *desk = desk_open(&definition);
    takes(desk, named(1, order(SELL, PIT_PRICE_MAX, PIT_QUANTITY_MAX)));
    refuses(desk, order(SELL, PIT_PRICE_MAX, 1), PIT_REASON_BOOK_FULL);
    takes(desk, named(1, replace(0, PIT_PRICE_MIN, PIT_QUANTITY_MAX)));
    takes(desk, flagged(MARKET, tif(PIT_TIF_FOK, order(BUY, 0, PIT_QUANTITY_MAX))));
    assert_int_equal(desk->event[1].price, PIT_PRICE_MIN);
    assert_int_equal(pit_book_orders(desk->book), 0);
    takes(desk, order(BUY, PIT_PRICE_MIN, 1));
    takes(desk, tif(PIT_TIF_IOC, flagged(MARKET, order(SELL, 0, 1))));
    desk_sound(desk);
    desk_close(desk);
}

/* A hint is given for commands that nobody has looked at. */
static void any_bytes_may_be_hinted_at_and_applied(void **state)
{
    struct desk *desk = *state;
    desk_send(desk, named(5, order(BUY, 100, 1)));
    desk_send(desk, order(SELL, 101, 1));
    const uint8_t fills[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    for (uint32_t fill = 0; fill < 5; fill++) {
        for (uint32_t kind = 0; kind < 256; kind++) {
            struct pit_command command;
            memset(&command, fills[fill], sizeof command);
            command.kind = (uint8_t)kind;
            if (kind % 2)
                command.price = INT64_MIN;
            pit_book_prefetch(desk->book, &command);
            desk_apply(desk, &command);
            assert_true(desk->events >= 1);
            desk_sound(desk);
        }
    }
    for (int64_t side = 0; side < 256; side++) {
        struct pit_command command = order(BUY, INT64_MIN + side / 2, 1);
        command.side = (uint8_t)side;
        pit_book_prefetch(desk->book, &command);
        desk_send(desk, command);
        assert_int_equal(desk->event[0].kind, PIT_EVENT_REJECTED);
    }
}

#define book_test(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        book_test(unknown_kind_is_rejected),
        book_test(account_zero_is_rejected),
        book_test(unknown_side_is_rejected),
        book_test(time_in_force_that_means_nothing_is_rejected),
        book_test(flags_that_mean_nothing_are_rejected),
        book_test(quantity_out_of_range_is_rejected),
        book_test(price_outside_the_band_is_rejected),
        book_test(order_id_that_is_live_is_rejected),
        book_test(full_book_takes_no_order_that_may_rest),
        book_test(order_at_one_price_too_many_is_rejected),
        book_test(crossing_order_rests_at_the_price_whose_level_it_emptied),
        book_test(replace_needs_a_level_unless_it_frees_one),
        book_test(halted_symbol_takes_only_cancels_and_reduces),
        book_test(unknown_state_is_rejected),
        book_test(band_can_change_and_resting_orders_stay),
        book_test(nothing_but_the_band_can_change),
        cmocka_unit_test(definition_out_of_range_is_invalid),
        cmocka_unit_test(book_of_one_order_and_one_price_works),
        book_test(any_bytes_may_be_hinted_at_and_applied),
    };
    return cmocka_run_group_tests_name("book refusals", tests, NULL, NULL);
}
