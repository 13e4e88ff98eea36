/* test/stages/test_symbol_names.c - the map from symbols' names to numbers, against a list that is searched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "stages/symbol_names.h"

#define NAMES 3000u

static void make_name(char name[PIT_SYMBOL_NAME_BYTES], uint32_t number)
{
    memset(name, 0, PIT_SYMBOL_NAME_BYTES);
    snprintf(name, PIT_SYMBOL_NAME_BYTES, "%s%u", number % 3 ? "S" : "LONGNAME-", number);
}

static void symbol_names_keep_the_first_number_of_each_name(void **state)
{
    (void)state;
    struct pit_symbol_names names;
    char name[PIT_SYMBOL_NAME_BYTES];
    assert_int_equal(pit_symbol_names_create(&names, NAMES), 0);
    for (uint32_t i = 0; i < NAMES; i++) {
        make_name(name, i);
        assert_int_equal(pit_symbol_names_find(&names, name), PIT_SYMBOL_NAMES_NONE);
        assert_int_equal(pit_symbol_names_add(&names, name, i), PIT_SYMBOL_NAMES_NONE);
    }
    for (uint32_t i = 0; i < NAMES; i++) {
        make_name(name, i);
        assert_int_equal(pit_symbol_names_add(&names, name, NAMES + i), i);
        assert_int_equal(pit_symbol_names_find(&names, name), i);
    }
    pit_symbol_names_destroy(&names);
}

static void symbol_names_may_fill_their_field(void **state)
{
    (void)state;
    struct pit_symbol_names names;
    char name[PIT_SYMBOL_NAME_BYTES + 1] = "ABCDEFGHIJKLMNOP"; /* no zero within the field */
    assert_int_equal(pit_symbol_names_create(&names, 2), 0);
    assert_int_equal(pit_symbol_names_add(&names, name, 7), PIT_SYMBOL_NAMES_NONE);
    assert_int_equal(pit_symbol_names_find(&names, name), 7);
    assert_int_equal(pit_symbol_names_find(&names, "ABCDEFGHIJKLMNO"), PIT_SYMBOL_NAMES_NONE);
    assert_int_equal(pit_symbol_names_find(&names, ""), PIT_SYMBOL_NAMES_NONE);
    pit_symbol_names_destroy(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(symbol_names_keep_the_first_number_of_each_name),
        cmocka_unit_test(symbol_names_may_fill_their_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
