/* test/wire/test_names.c - every number has one name, no two the same, and no other number has one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "test/wire/sample.h"

static const char *side_name(uint32_t number)
{
    return pit_side_name((enum pit_side)number);
}
static const char *tif_name(uint32_t number)
{
    return pit_tif_name((enum pit_tif)number);
}
static const char *state_name(uint32_t number)
{
    return pit_trading_state_name((enum pit_trading_state)number);
}
static const char *reason_name(uint32_t number)
{
    return pit_reason_name((enum pit_reason)number);
}

/* named: how many of 0 .. 999 have a name. */
static void check_names(const char *(*name)(uint32_t number), uint32_t named)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        const char *word = name(i);
        if (strcmp(word, "?") == 0)
            continue;
        found++;
        assert_int_equal(strspn(word, "abcdefghijklmnopqrstuvwxyz_"), strlen(word));
        for (uint32_t j = 0; j < i; j++)
            assert_string_not_equal(word, name(j));
    }
    assert_int_equal(found, named);
    assert_string_equal(name(UINT32_MAX), "?");
    assert_string_equal(name(UINT32_C(1) << 31), "?");
}

static void names_are_one_for_each_number(void **state)
{
    (void)state;
    check_names(side_name, 2);
    check_names(tif_name, 3);
    check_names(state_name, 2);
    check_names(reason_name, 29);
    check_names(pit_message_kind_name, 24);
}

static void names_are_the_fields_own_words(void **state)
{
    (void)state;
    assert_string_equal(pit_side_name(PIT_SIDE_SELL), "sell");
    assert_string_equal(pit_tif_name(PIT_TIF_FOK), "fok");
    assert_string_equal(pit_trading_state_name(PIT_STATE_HALTED), "halted");
    assert_string_equal(pit_reason_name(PIT_REASON_UNKNOWN_ORDER), "unknown_order");
    assert_string_equal(pit_message_kind_name(PIT_MESSAGE_STATE_CHANGED), "state_changed");
}

static void names_exist_for_every_message(void **state)
{
    (void)state;
    for (uint32_t kind = 0; kind < PIT_SHAPES; kind++)
        assert_int_equal(pit_shapes[kind].known, strcmp(pit_message_kind_name(kind), "?") != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_one_for_each_number),
        cmocka_unit_test(names_are_the_fields_own_words),
        cmocka_unit_test(names_exist_for_every_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
