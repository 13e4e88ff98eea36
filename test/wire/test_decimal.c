/* test/wire/test_decimal.c - ticks and lots as decimal text, exact both ways over the whole range. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pitline/market_data.h"
#include "test/wire/sample.h"

static const struct {
    const char *text;
    int64_t value;
    uint32_t mantissa;
    uint8_t decimals;
} known[] = {
    {"0", 0, 1, 0},
    {"0.00", 0, 1, 2},
    {"236.47", 23647, 1, 2},
    {"-0.00000001", -1, 1, 8},
    {"0.05", 5, 1, 2},
    {"-1.00", -100, 1, 2},
    {"62.5", 25, 25, 1},
    {"12.25", 49, 25, 2},
    {"9223372036854775807", INT64_MAX, 1, 0},
    {"-9223372036854775808", INT64_MIN, 1, 0},
    {"39614081247908796755622232.065", INT64_MAX, UINT32_MAX, 3},
    {"39614081247908796.755622232065", INT64_MAX, UINT32_MAX, 12},
    {"-39614081247908796.759917199360", INT64_MIN, UINT32_MAX, 12},
    {"-39614081247908796759917199360", INT64_MIN, UINT32_MAX, 0},
    {"0.004294967295", 1, UINT32_MAX, 12},
};

static void decimal_writes_and_reads_known_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char text[PIT_DECIMAL_BYTES];
        int64_t value = 77;
        assert_ptr_equal(pit_decimal_format(text, known[i].value, known[i].mantissa, known[i].decimals), text);
        assert_string_equal(text, known[i].text);
        assert_int_equal(pit_decimal_parse(text, known[i].mantissa, known[i].decimals, &value), 0);
        assert_true(value == known[i].value);
    }
}

static void decimal_reads_the_other_ways_to_write_a_number(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = {{"1", 100},     {"1.", 100},  {".5", 50},
                 {"+2.5", 250},  {"-.01", -1}, {"1.5000000", 150},
                 {"00007", 700}, {"-0", 0},    {"0.000000000000000000000000000000000000000000000000000000", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t value = 77;
        assert_int_equal(pit_decimal_parse(cases[i].text, 1, 2, &value), 0);
        assert_true(value == cases[i].value);
    }
}

static void decimal_refuses_what_is_no_number(void **state)
{
    (void)state;
    static const char *const texts[] = {"",   "-",   "+",   ".",  "-.",  "1..2", "1.2.3", "1e5", " 1",
                                        "1 ", "0x1", "--1", "1-", "1,5", "nan",  "inf",   "\xb2"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int64_t value = 77;
        assert_int_equal(pit_decimal_parse(texts[i], 1, 2, &value), -EINVAL);
        assert_true(value == 77);
    }
    int64_t value = 77;
    assert_int_equal(pit_decimal_parse("1", 0, 2, &value), -EINVAL);
    assert_int_equal(pit_decimal_parse("1", 1, PIT_DECIMALS_MAX + 1, &value), -EINVAL);
    char text[PIT_DECIMAL_BYTES];
    assert_string_equal(pit_decimal_format(text, 1, 1, PIT_DECIMALS_MAX + 1), "?");
    assert_string_equal(pit_decimal_format(text, INT64_MIN, 0, 0), "0");
}

static void decimal_refuses_what_is_no_whole_number_of_units(void **state)
{
    (void)state;
    int64_t value = 77;
    assert_int_equal(pit_decimal_parse("0.001", 1, 2, &value), -ERANGE);
    assert_int_equal(pit_decimal_parse("62.4", 25, 1, &value), -ERANGE);
    assert_int_equal(pit_decimal_parse("9223372036854775808", 1, 0, &value), -ERANGE);
    assert_int_equal(pit_decimal_parse("-9223372036854775809", 1, 0, &value), -ERANGE);
    assert_int_equal(pit_decimal_parse("92233720368547758.08", 1, 2, &value), -ERANGE);
    assert_int_equal(pit_decimal_parse("340282366920938463463374607431768211456", 1, 0, &value), -ERANGE); /* 2^128 */
    assert_int_equal(pit_decimal_parse("340282366920938463463374607431768211457", 1, 12, &value), -ERANGE);
    assert_int_equal(pit_decimal_parse("9999999999999999999999999999999999999999999999999999999999", 1, 12, &value),
                     -ERANGE);
    assert_true(value == 77);
}

static void decimal_round_trip_is_exact_everywhere(void **state)
{
    (void)state;
    uint64_t random = sample_seed();
    for (uint32_t round = 0; round < 100000; round++) {
        int64_t value = (int64_t)(sample_random(&random) >> (sample_random(&random) & 63u));
        value = sample_random(&random) & 1u ? value : (int64_t)(0 - (uint64_t)value);
        uint32_t mantissa = (uint32_t)sample_random(&random) >> (sample_random(&random) & 31u);
        mantissa = mantissa ? mantissa : 1;
        uint8_t decimals = (uint8_t)(sample_random(&random) % (PIT_DECIMALS_MAX + 1));
        char text[PIT_DECIMAL_BYTES];
        int64_t back = ~value;
        pit_decimal_format(text, value, mantissa, decimals);
        assert_int_equal(pit_decimal_parse(text, mantissa, decimals, &back), 0);
        assert_true(back == value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimal_writes_and_reads_known_values),
        cmocka_unit_test(decimal_reads_the_other_ways_to_write_a_number),
        cmocka_unit_test(decimal_refuses_what_is_no_number),
        cmocka_unit_test(decimal_refuses_what_is_no_whole_number_of_units),
        cmocka_unit_test(decimal_round_trip_is_exact_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
