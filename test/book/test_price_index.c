/* test/book/test_price_index.c - the price index against a plain set of prices. */
#include "book/price_index.h"

#include "test/book/support.h"

#define SET_MAX 3000u

/* Prices in use with their slots, in no order. */
struct set {
    uint32_t count;
    int64_t price[SET_MAX];
    uint32_t slot[SET_MAX];
};

static uint32_t set_find(const struct set *set, int64_t price)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (set->price[i] == price)
            return set->slot[i];
    return PIT_LEVEL_NONE;
}

static uint32_t set_above(const struct set *set, int64_t price)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < set->count; i++)
        if (set->price[i] > price && (best == UINT32_MAX || set->price[i] < set->price[best]))
            best = i;
    return best == UINT32_MAX ? PIT_LEVEL_NONE : set->slot[best];
}

static uint32_t set_below(const struct set *set, int64_t price)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < set->count; i++)
        if (set->price[i] < price && (best == UINT32_MAX || set->price[i] > set->price[best]))
            best = i;
    return best == UINT32_MAX ? PIT_LEVEL_NONE : set->slot[best];
}

static void sound(const struct pit_price_index *index)
{
    const char *wrong = pit_price_index_check(index);
    if (wrong)
        fail_msg("%s", wrong);
}

static struct pit_price_index *open_index(uint32_t levels_max)
{
    return pit_price_index_create(zeroed(pit_price_index_bytes(levels_max)), levels_max);
}

static void empty_index_finds_nothing(void **state)
{
    (void)state;
    struct pit_price_index *index = open_index(1);
    assert_int_equal(pit_price_index_find(index, 0), PIT_LEVEL_NONE);
    assert_int_equal(pit_price_index_above(index, INT64_MIN), PIT_LEVEL_NONE);
    assert_int_equal(pit_price_index_below(index, INT64_MAX), PIT_LEVEL_NONE);
    assert_int_equal(pit_price_index_count(index), 0);
    sound(index);
    free(index);
}

static void one_price_is_the_next_from_both_sides(void **state)
{
    (void)state;
    const int64_t prices[] = {PIT_PRICE_MIN, -1, 0, 1, 63, 64, PIT_PRICE_MAX};
    struct pit_price_index *index = open_index(1);
    for (size_t i = 0; i < sizeof prices / sizeof prices[0]; i++) {
        bool added;
        uint32_t slot = pit_price_index_take(index, prices[i], &added);
        assert_int_equal(slot, 0);
        assert_true(added);
        assert_int_equal(pit_price_index_take(index, prices[i], &added), slot);
        assert_false(added);
        assert_int_equal(pit_price_index_take(index, prices[i] + 1, &added), PIT_LEVEL_NONE);
        assert_false(added);
        assert_true(pit_price_index_price(index, slot) == prices[i]);
        assert_int_equal(pit_price_index_above(index, prices[i] - 1), slot);
        assert_int_equal(pit_price_index_below(index, prices[i] + 1), slot);
        assert_int_equal(pit_price_index_above(index, prices[i]), PIT_LEVEL_NONE);
        assert_int_equal(pit_price_index_below(index, prices[i]), PIT_LEVEL_NONE);
        sound(index);
        pit_price_index_drop(index, slot);
        assert_int_equal(pit_price_index_find(index, prices[i]), PIT_LEVEL_NONE);
    }
    free(index);
}

/* How prices are drawn: every bit width, so that nodes of every height come and go. */
static int64_t draw(uint64_t *random, uint32_t shape, uint32_t levels_max)
{
    switch (shape) {
    case 0: /* dense */
        return (int64_t)random_below(random, 2 * levels_max);
    case 1: /* all widths, both signs */ {
        const int64_t price = (int64_t)(random_next(random) >> (3 + random_below(random, 58)));
        return random_below(random, 2) ? price : -price;
    }
    case 2: /* clusters far apart */
        return ((int64_t)random_below(random, 16) - 8) * (PIT_PRICE_MAX / 8) + (int64_t)random_below(random, 40);
    default: /* the same few bits at every height: long shared paths */
        return (int64_t)(UINT64_C(1) << random_below(random, 61)) + (int64_t)random_below(random, 3);
    }
}

static void compare(const struct pit_price_index *index, const struct set *set, int64_t price)
{
    assert_int_equal(pit_price_index_find(index, price), set_find(set, price));
    assert_int_equal(pit_price_index_above(index, price), set_above(set, price));
    assert_int_equal(pit_price_index_below(index, price), set_below(set, price));
    assert_int_equal(pit_price_index_count(index), set->count);
}

static void run(uint32_t shape, uint32_t levels_max, uint32_t steps, uint64_t *random)
{
    struct pit_price_index *index = open_index(levels_max);
    struct set *set = calloc(1, sizeof *set);
    assert_non_null(set);
    bool filling = true;
    for (uint32_t step = 0; step < steps; step++) {
        /* Fills to the limit, empties to nothing, and so on, with some of the other on the way. */
        if (set->count == levels_max || set->count == 0)
            filling = set->count == 0 || random_below(random, 10) == 0;
        const int64_t price = draw(random, shape, levels_max);
        if (set->count == 0 || random_below(random, 10) < (filling ? 8 : 3)) {
            const uint32_t known = set_find(set, price);
            bool added;
            const uint32_t slot = pit_price_index_take(index, price, &added);
            assert_int_equal(added, known == PIT_LEVEL_NONE && set->count < levels_max);
            if (added) {
                assert_true(slot < levels_max);
                for (uint32_t i = 0; i < set->count; i++)
                    assert_int_not_equal(set->slot[i], slot);
                set->price[set->count] = price;
                set->slot[set->count++] = slot;
            } else {
                assert_int_equal(slot, known);
            }
        } else {
            const uint32_t gone = (uint32_t)random_below(random, set->count);
            pit_price_index_drop(index, set->slot[gone]);
            const int64_t gone_price = set->price[gone];
            set->count--;
            set->price[gone] = set->price[set->count];
            set->slot[gone] = set->slot[set->count];
            compare(index, set, gone_price);
        }
        pit_price_index_prefetch(index, price);
        compare(index, set, price);
        compare(index, set, price + 1);
        if (step % 512 == 0)
            sound(index);
    }
    sound(index);
    free(set);
    free(index);
}

static void index_agrees_with_a_plain_set(void **state)
{
    (void)state;
    uint64_t random = seed_choose("index_agrees_with_a_plain_set");
    for (uint32_t shape = 0; shape < 4; shape++) {
        run(shape, 1, 300, &random);
        run(shape, 2, 2000, &random);
        run(shape, 7, 6000, &random);
        run(shape, 100, 12000, &random);
        run(shape, 1000, 8000, &random);
    }
}

static void levels_max_prices_fit_wherever_they_are(void **state)
{
    (void)state;
    uint64_t random = seed_choose("levels_max_prices_fit_wherever_they_are");
    enum { LEVELS = 5000 };
    for (uint32_t shape = 0; shape < 3; shape++) {
        struct pit_price_index *index = open_index(LEVELS);
        for (uint32_t round = 0; round < 3; round++) {
            uint32_t tries = 0;
            while (pit_price_index_count(index) < (shape == 2 ? 16 * 40 : LEVELS) && tries++ < 100 * LEVELS)
                assert_int_not_equal(pit_price_index_take(index, draw(&random, shape, LEVELS), NULL), PIT_LEVEL_NONE);
            sound(index);
            /* Empties from both ends. */
            for (;;) {
                uint32_t slot = random_below(&random, 2) ? pit_price_index_above(index, INT64_MIN)
                                                         : pit_price_index_below(index, INT64_MAX);
                if (slot == PIT_LEVEL_NONE)
                    break;
                pit_price_index_drop(index, slot);
            }
            assert_int_equal(pit_price_index_count(index), 0);
            sound(index);
        }
        free(index);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_index_finds_nothing),
        cmocka_unit_test(one_price_is_the_next_from_both_sides),
        cmocka_unit_test(index_agrees_with_a_plain_set),
        cmocka_unit_test(levels_max_prices_fit_wherever_they_are),
    };
    return cmocka_run_group_tests_name("price index", tests, NULL, NULL);
}
