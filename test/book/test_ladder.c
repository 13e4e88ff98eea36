/* test/book/test_ladder.c - the ladder against a plain sorted set of ranks. PIT_SEED repeats a run. */
#include "book/ladder.h"

#include "test/book/support.h"

/* Ranks in use, in order, each with what was put there. */
struct entry {
    int64_t rank;
    struct pit_level level;
};

struct plain_set {
    struct entry *entry;
    uint32_t count;
};

#define ORDERS (1u << 20)

/* A ladder and the plain set that it must agree with. */
struct rig {
    struct pit_ladder ladder;
    void *memory;
    struct plain_set set;
    uint32_t levels_max;
    struct pit_order *order; /* by slot */
    uint32_t orders;         /* put somewhere so far: heads and tails are seldom the same twice */
    uint32_t moved;          /* levels that changed places in the last take */
};

static struct rig *rig_open(uint32_t levels_max)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->memory = zeroed(pit_ladder_bytes(levels_max));
    rig->levels_max = levels_max;
    rig->set.entry = calloc(levels_max, sizeof *rig->set.entry);
    rig->order = calloc(ORDERS + 1, sizeof *rig->order);
    assert_true(rig->set.entry && rig->order);
    pit_ladder_create(&rig->ladder, rig->memory, levels_max);
    return rig;
}

static void rig_close(struct rig *rig)
{
    free(rig->order);
    free(rig->set.entry);
    free(rig->memory);
    free(rig);
}

/* How many ranks in use are below this one. */
static uint32_t set_place(const struct plain_set *set, int64_t rank)
{
    uint32_t from = 0, to = set->count;
    while (from < to) {
        const uint32_t middle = from + (to - from) / 2;
        if (set->entry[middle].rank < rank)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static struct entry *set_find(const struct plain_set *set, int64_t rank)
{
    const uint32_t place = set_place(set, rank);
    return place < set->count && set->entry[place].rank == rank ? &set->entry[place] : NULL;
}

static int64_t set_below(const struct plain_set *set, int64_t rank)
{
    const uint32_t place = set_place(set, rank);
    return place ? set->entry[place - 1].rank : PIT_RANK_NONE;
}

static int64_t set_best(const struct plain_set *set)
{
    return set->count ? set->entry[set->count - 1].rank : PIT_RANK_NONE;
}

static int64_t window_end(const struct rig *rig)
{
    return rig->ladder.low + (int64_t)rig->ladder.span;
}

static void rig_sound(const struct rig *rig)
{
    const char *wrong = pit_ladder_check(&rig->ladder);
    if (wrong)
        fail_msg("%u levels: %s", rig->set.count, wrong);
}

static void check_rank(const struct rig *rig, int64_t rank)
{
    const struct entry *entry = set_find(&rig->set, rank);
    const struct pit_level *level = pit_ladder_find(&rig->ladder, rank);
    assert_int_equal(level != NULL, entry != NULL);
    if (entry) {
        assert_ptr_equal(pit_ladder_level(&rig->ladder, rank), level);
        assert_int_equal(level->head, entry->level.head);
        assert_int_equal(level->tail, entry->level.tail);
    }
    assert_true(pit_ladder_below(&rig->ladder, rank) == set_below(&rig->set, rank));
}

/* Around a rank, around the window's ends, and at the best. */
static void check_step(const struct rig *rig, int64_t rank)
{
    for (int64_t beside = -1; beside <= 1; beside++) {
        check_rank(rig, rank + beside);
        check_rank(rig, rig->ladder.low + beside);
        check_rank(rig, window_end(rig) + beside);
    }
    assert_true(pit_ladder_below(&rig->ladder, INT64_MAX / 2) == set_best(&rig->set));
    assert_int_equal(rig->ladder.count, rig->set.count);
    const uint32_t near = set_place(&rig->set, window_end(rig)) - set_place(&rig->set, rig->ladder.low);
    assert_int_equal(pit_price_index_count(rig->ladder.index), rig->set.count - near);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* How many levels in [from, to) are not in the window. */
static uint32_t outside(const struct rig *rig, uint32_t from, uint32_t to)
{
    const uint32_t low = set_place(&rig->set, rig->ladder.low), end = set_place(&rig->set, window_end(rig));
    const uint32_t inside_to = smaller(to, end), inside_from = from > low ? from : low;
    return to - from - (inside_to > inside_from ? inside_to - inside_from : 0);
}

/* Puts an order at a rank, which must be in use or have room. */
static void rig_take(struct rig *rig, int64_t rank)
{
    const uint32_t low_before = set_place(&rig->set, rig->ladder.low);
    const uint32_t end_before = set_place(&rig->set, window_end(rig));
    struct entry *entry = set_find(&rig->set, rank);
    const bool alone = rank > set_best(&rig->set);
    const int64_t best = alone ? rank : set_best(&rig->set);
    pit_ladder_prefetch(&rig->ladder, rank);
    const uint32_t slot = 1 + rig->orders++ % ORDERS;
    const uint32_t older = pit_ladder_enter(&rig->ladder, rank, best, rig->order, slot, alone);
    assert_int_equal(older, entry ? entry->level.tail : 0);
    if (older)
        assert_int_equal(rig->order[older].next, slot);

    const uint32_t low = set_place(&rig->set, rig->ladder.low), end = set_place(&rig->set, window_end(rig));
    const uint32_t left = outside(rig, low_before, end_before);
    rig->moved = left + (end - low) - (end_before - low_before - left);
    assert_true(rig->moved <= PIT_LADDER_STEP);

    if (entry) {
        entry->level.tail = slot;
        return;
    }
    assert_true(rig->set.count < rig->levels_max);
    const uint32_t place = set_place(&rig->set, rank);
    memmove(&rig->set.entry[place + 1], &rig->set.entry[place], (rig->set.count - place) * sizeof rig->set.entry[0]);
    rig->set.entry[place] = (struct entry){.rank = rank, .level = {.head = slot, .tail = slot}};
    rig->set.count++;
}

/* The last order of a rank in use leaves. */
static void rig_drop(struct rig *rig, uint32_t place)
{
    const int64_t rank = rig->set.entry[place].rank;
    *pit_ladder_level(&rig->ladder, rank) = (struct pit_level){0};
    pit_ladder_drop(&rig->ladder, rank);
    rig->set.count--;
    memmove(&rig->set.entry[place], &rig->set.entry[place + 1], (rig->set.count - place) * sizeof rig->set.entry[0]);
}

/* Drops all, in any order, and looks for traces. */
static void rig_empty(struct rig *rig, uint64_t *random)
{
    while (rig->set.count) {
        const uint32_t place = (uint32_t)random_below(random, rig->set.count);
        const int64_t rank = rig->set.entry[place].rank;
        rig_drop(rig, place);
        check_rank(rig, rank);
    }
    rig_sound(rig);
    assert_int_equal(rig->ladder.blocks, 0);
    assert_int_equal(rig->ladder.count, 0);
    assert_true(pit_ladder_below(&rig->ladder, INT64_MAX / 2) == PIT_RANK_NONE);
}

static void empty_ladder_has_no_price(void **state)
{
    (void)state;
    struct rig *rig = rig_open(1);
    const int64_t ranks[] = {PIT_PRICE_MIN, -1, 0, 1, PIT_PRICE_MAX};
    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        check_step(rig, ranks[i]);
    rig_sound(rig);
    rig_close(rig);
}

static void ranks_of_sells_are_their_prices_turned_round(void **state)
{
    (void)state;
    const int64_t prices[] = {PIT_PRICE_MIN, -5, 0, 5, PIT_PRICE_MAX};
    for (size_t i = 0; i < sizeof prices / sizeof prices[0]; i++) {
        assert_true(pit_rank(PIT_SIDE_BUY, prices[i]) == prices[i]);
        assert_true(pit_rank(PIT_SIDE_SELL, prices[i]) == -prices[i]);
        assert_true(pit_rank(PIT_SIDE_SELL, pit_rank(PIT_SIDE_SELL, prices[i])) == prices[i]);
        assert_true(pit_rank(PIT_SIDE_SELL, prices[i]) > PIT_RANK_NONE);
    }
    /* A hint meets such prices too. */
    struct rig *rig = rig_open(1);
    pit_ladder_prefetch(&rig->ladder, pit_rank(PIT_SIDE_SELL, INT64_MIN));
    pit_ladder_prefetch(&rig->ladder, pit_rank(PIT_SIDE_BUY, INT64_MIN));
    pit_ladder_prefetch(&rig->ladder, pit_rank(PIT_SIDE_SELL, INT64_MAX));
    rig_close(rig);
}

static void one_price_may_be_anywhere(void **state)
{
    (void)state;
    const int64_t ranks[] = {PIT_PRICE_MIN, PIT_PRICE_MIN + 1, -4097, -4096, -1, 0, 1, 63, 64, 4095, 4096, 65535,
                             65536,         PIT_PRICE_MAX};
    const size_t count = sizeof ranks / sizeof ranks[0];
    for (size_t first = 0; first < count; first++) {
        struct rig *rig = rig_open(1);
        for (size_t i = 0; i < 2 * count; i++) {
            const int64_t rank = ranks[(first + i) % count];
            rig_take(rig, rank);
            check_step(rig, rank);
            rig_sound(rig);
            rig_drop(rig, 0);
            check_step(rig, rank);
            rig_sound(rig);
        }
        rig_close(rig);
    }
}

/* Both at the ends of the window, inside and just outside, all in use and each gone in turn. */
static void ends_of_the_window_are_ranks_like_others(void **state)
{
    (void)state;
    const int64_t markets[] = {0, 1, -1, 2048, -100000, 4096 * 77 + 2047, PIT_PRICE_MAX - 5000, PIT_PRICE_MIN + 5000};
    for (size_t i = 0; i < sizeof markets / sizeof markets[0]; i++) {
        struct rig *rig = rig_open(i % 2 ? 64 : 9);
        rig_take(rig, markets[i]);
        const int64_t low = rig->ladder.low, end = window_end(rig);
        assert_int_equal(end - low, rig->ladder.mask + 1);
        const int64_t ranks[] = {low - 2, low - 1, low, low + 1, end - 2, end - 1, end, end + 1};
        for (uint32_t pass = 0; pass < 2; pass++) {
            for (uint32_t at = 0; at < 8; at++) {
                rig_take(rig, ranks[pass ? 7 - at : at]);
                check_step(rig, ranks[at]);
                rig_sound(rig);
            }
            for (uint32_t at = 0; at < 8; at++) {
                rig_drop(rig, set_place(&rig->set, ranks[at]));
                check_step(rig, ranks[at]);
                rig_sound(rig);
                rig_take(rig, ranks[at]);
                check_step(rig, ranks[at]);
            }
            while (rig->set.count > 1)
                rig_drop(rig, rig->set.entry[0].rank == markets[i]);
        }
        rig_close(rig);
    }
}

/* Levels on both sides of the array's end, and one everywhere in turn: the way down goes on at its other end. */
static void way_down_goes_around_the_end_of_the_array(void **state)
{
    (void)state;
    for (int64_t market = -3; market <= 3; market++) {
        struct rig *rig = rig_open(PIT_LADDER_RUNGS_SPARE);
        rig_take(rig, market * 4096 + 17);
        const int64_t wrap = (rig->ladder.low + 4095) & ~INT64_C(4095); /* this rank is rung 0 */
        assert_true(wrap > rig->ladder.low && wrap < window_end(rig));
        const int64_t around[] = {-65, -64, -63, -1, 0, 1, 63, 64, 65};
        for (uint32_t at = 0; at < 9; at++)
            rig_take(rig, wrap + around[at]);
        for (uint32_t at = 0; at < 9; at++) {
            check_step(rig, wrap + around[at]);
            rig_drop(rig, set_place(&rig->set, wrap + around[at]));
            check_step(rig, wrap + around[at]);
            check_step(rig, rig->ladder.low);
            check_step(rig, window_end(rig));
            rig_sound(rig);
        }
        for (int64_t rank = rig->ladder.low; rank < window_end(rig); rank++) {
            rig_take(rig, rank);
            check_rank(rig, rank + 1);
            check_rank(rig, window_end(rig));
            check_rank(rig, rig->ladder.low);
            if (rank != market * 4096 + 17)
                rig_drop(rig, set_place(&rig->set, rank));
        }
        rig_close(rig);
    }
}

enum { DENSE, SPARSE, WHOLE_RANGE, WANDERING, JUMPING, AT_THE_ENDS, SHAPES };

static int64_t within_range(int64_t rank)
{
    if (rank < PIT_PRICE_MIN)
        return PIT_PRICE_MIN;
    return rank > PIT_PRICE_MAX ? PIT_PRICE_MAX : rank;
}

static int64_t any_rank(uint64_t *random)
{
    const uint64_t ends = random_below(random, 16);
    if (ends < 2)
        return (ends ? PIT_PRICE_MAX : PIT_PRICE_MIN) + (ends ? -1 : 1) * (int64_t)random_below(random, 3);
    const int64_t rank = (int64_t)(random_next(random) >> (3 + random_below(random, 60)));
    return within_range(random_below(random, 2) ? rank : -rank);
}

/* Mostly a little below the market, sometimes above it, sometimes far below. */
static int64_t near_rank(int64_t market, uint64_t *random)
{
    const uint64_t dice = random_below(random, 10);
    const int64_t distance = (int64_t)random_below(random, dice < 7 ? 50 : dice < 9 ? 2000 : 20000);
    return market - (random_below(random, 8) ? distance : -distance / 8);
}

static int64_t draw(uint32_t shape, int64_t *market, const struct rig *rig, uint64_t *random)
{
    switch (shape) {
    case DENSE:
        return near_rank(1000, random);
    case SPARSE:
        return *market + (int64_t)random_below(random, 4000000) - 2000000;
    case WHOLE_RANGE:
        return any_rank(random);
    case WANDERING:
        *market += (int64_t)random_below(random, 200) - 85;
        return near_rank(*market, random);
    case JUMPING: /* between three places and new ones, with a stay at each */
        if (random_below(random, 300) == 0)
            *market = random_below(random, 4) ? ((int64_t)random_below(random, 3) - 1) * (PIT_PRICE_MAX / 2)
                                              : any_rank(random) / 2;
        return near_rank(*market, random);
    default:
        if (random_below(random, 200) == 0)
            *market = any_rank(random) / 2;
        if (random_below(random, 8) == 0)
            return near_rank(*market, random);
        return within_range((random_below(random, 2) ? rig->ladder.low : window_end(rig)) +
                            (int64_t)random_below(random, 5) - 2);
    }
}

/* Fills to `most` levels, empties to nothing, and so on, with some of the other on the way. */
static void run(uint32_t shape, uint32_t levels_max, uint32_t most, uint32_t steps, uint64_t *random)
{
    struct rig *rig = rig_open(levels_max);
    int64_t market = shape == WANDERING ? -5000 : 0;
    bool filling = true;
    for (uint32_t step = 0; step < steps; step++) {
        if (rig->set.count == most || rig->set.count == 0)
            filling = rig->set.count == 0 || random_below(random, 10) == 0;
        const int64_t rank = draw(shape, &market, rig, random);
        const bool fits = rig->set.count < levels_max || set_find(&rig->set, rank);
        if (rig->set.count == 0 || (fits && random_below(random, 10) < (filling ? 8 : 3))) {
            rig_take(rig, rank);
        } else {
            /* The best goes as often as any other. */
            uint32_t place = (uint32_t)random_below(random, rig->set.count);
            if (random_below(random, 2))
                place = rig->set.count - 1;
            const int64_t gone = rig->set.entry[place].rank;
            rig_drop(rig, place);
            check_step(rig, gone);
        }
        check_step(rig, rank);
        if (step % 1024 == 0)
            rig_sound(rig);
    }
    rig_sound(rig);
    for (uint32_t place = 0; place < rig->set.count; place++)
        check_rank(rig, rig->set.entry[place].rank);
    rig_empty(rig, random);
    rig_close(rig);
}

static void ladder_agrees_with_a_plain_set(void **state)
{
    (void)state;
    uint64_t random = seed_choose("ladder_agrees_with_a_plain_set");
    for (uint32_t shape = 0; shape < SHAPES; shape++) {
        run(shape, 1, 1, 1000, &random);
        run(shape, 2, 2, 3000, &random);
        run(shape, 5, 5, 5000, &random);
        run(shape, 64, 64, 20000, &random);
        run(shape, 4096, 300, 20000, &random);
        run(shape, 4096, 4096, 20000, &random);
        run(shape, 100000, 2000, 10000, &random);
    }
}

/* More levels than the largest array has rungs: side by side, and then with gaps. */
static void every_level_fits_where_not_all_are_near(void **state)
{
    (void)state;
    uint64_t random = seed_choose("every_level_fits_where_not_all_are_near");
    enum { LEVELS = PIT_LADDER_RUNGS_MAX + 5000 };
    for (int64_t gap = 1; gap <= 3; gap += 2) {
        struct rig *rig = rig_open(LEVELS);
        for (int64_t i = 0; i < LEVELS; i++) {
            rig_take(rig, i * gap - 100000);
            if (i % 97 == 0)
                check_step(rig, i * gap - 100000);
        }
        rig_sound(rig);
        assert_true(pit_price_index_count(rig->ladder.index) >= 5000);
        for (uint32_t i = 0; i < LEVELS; i++)
            check_rank(rig, rig->set.entry[i].rank);
        /* The best ones go, the market follows down, and back up. */
        for (uint32_t i = 0; i < 40000; i++) {
            const int64_t best = set_best(&rig->set);
            rig_drop(rig, rig->set.count - 1);
            check_rank(rig, best);
            if (i % 16 == 0)
                rig_take(rig, rig->set.entry[random_below(&random, rig->set.count)].rank);
        }
        rig_sound(rig);
        for (int64_t i = 0; i < LEVELS; i++)
            if (set_find(&rig->set, i * gap - 100000) == NULL) {
                rig_take(rig, i * gap - 100000);
                if (i % 97 == 0)
                    check_step(rig, i * gap - 100000);
            }
        rig_sound(rig);
        assert_int_equal(rig->set.count, LEVELS);
        while (rig->set.count > 100)
            rig_drop(rig, rig->set.count - 1);
        rig_empty(rig, &random);
        rig_close(rig);
    }
}

/* The best goes far away, and all others are left behind: the window leaves them, a few at a time, and comes. */
static void window_leaves_levels_behind_a_few_at_a_time(void **state)
{
    (void)state;
    enum { LEVELS = PIT_LADDER_RUNGS_SPARE, AWAY = 1000000 };
    struct rig *rig = rig_open(LEVELS);
    for (int64_t rank = 0; rank < LEVELS - 1; rank++)
        rig_take(rig, -rank);
    const uint32_t near = rig->set.count - pit_price_index_count(rig->ladder.index);
    assert_true(near > LEVELS / 4);
    uint32_t takes = 0, moved = 0;
    for (; takes < LEVELS && !pit_ladder_near(&rig->ladder, AWAY); takes++) {
        rig_take(rig, AWAY);
        check_step(rig, AWAY);
        moved += rig->moved;
    }
    rig_sound(rig);
    assert_int_equal(moved, near + 1); /* the best one came */
    assert_int_equal(takes, near / PIT_LADDER_STEP + 1);

    /* And back, once it is gone. */
    rig_drop(rig, rig->set.count - 1);
    for (int64_t rank = 0; rank < LEVELS / 4; rank++) {
        rig_take(rig, -rank);
        assert_true(pit_ladder_near(&rig->ladder, -rank));
    }
    rig_sound(rig);
    rig_close(rig);
}

/* The best prices fall a little while the window comes to a market far away, and rise again: wherever in a take the
 * window was by then, the best is in it soon. */
static void window_that_comes_to_a_market_gets_there(void **state)
{
    (void)state;
    enum { LEFT_BEHIND = 2000, AWAY = 1000000, FELL = 50 };
    for (uint32_t more = 0; more < PIT_LADDER_STEP; more++) {
        struct rig *rig = rig_open(PIT_LADDER_RUNGS_SPARE);
        for (int64_t rank = 0; rank < LEFT_BEHIND + more; rank++)
            rig_take(rig, -rank);
        for (int64_t i = 0; i < 200; i++) {
            rig_take(rig, AWAY - i);
            if (i == LEFT_BEHIND / PIT_LADDER_STEP + 3)
                while (set_best(&rig->set) > AWAY - FELL)
                    rig_drop(rig, rig->set.count - 1);
        }
        for (int64_t i = 0; i < 400; i++) {
            rig_take(rig, AWAY + i);
            rig_take(rig, AWAY - 2 * FELL + i);
        }
        rig_sound(rig);
        assert_true(pit_ladder_near(&rig->ladder, set_best(&rig->set)));
        rig_close(rig);
    }
}

/* Wherever a market stays, its best prices are soon in the window, whatever happened while the window came. */
static void window_reaches_a_market_that_stays(void **state)
{
    (void)state;
    uint64_t random = seed_choose("window_reaches_a_market_that_stays");
    struct rig *rig = rig_open(PIT_LADDER_RUNGS_SPARE);
    for (uint32_t stay = 0; stay < 200; stay++) {
        const int64_t middle = ((int64_t)random_below(&random, 2000) - 1000) * 100000;
        while (rig->set.count && set_best(&rig->set) > middle)
            rig_drop(rig, rig->set.count - 1);
        uint32_t far = 0;
        for (uint32_t step = 0; step < 1200; step++) {
            const int64_t best = middle + (int64_t)random_below(&random, 1000);
            while (rig->set.count && set_best(&rig->set) > best)
                rig_drop(rig, rig->set.count - 1);
            while (rig->set.count + 1 >= rig->levels_max)
                rig_drop(rig, 0);
            rig_take(rig, best);
            far += step >= 600 && !pit_ladder_near(&rig->ladder, best);
            rig_take(rig, best - (int64_t)random_below(&random, 500));
        }
        if (far)
            fail_msg("stay %u at %" PRId64 ": %u times the best price was not in the window", stay, middle, far);
        rig_sound(rig);
    }
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_ladder_has_no_price),
        cmocka_unit_test(ranks_of_sells_are_their_prices_turned_round),
        cmocka_unit_test(one_price_may_be_anywhere),
        cmocka_unit_test(ends_of_the_window_are_ranks_like_others),
        cmocka_unit_test(way_down_goes_around_the_end_of_the_array),
        cmocka_unit_test(ladder_agrees_with_a_plain_set),
        cmocka_unit_test(every_level_fits_where_not_all_are_near),
        cmocka_unit_test(window_leaves_levels_behind_a_few_at_a_time),
        cmocka_unit_test(window_that_comes_to_a_market_gets_there),
        cmocka_unit_test(window_reaches_a_market_that_stays),
    };
    return cmocka_run_group_tests_name("ladder", tests, NULL, NULL);
}
