/* test/journal/test_results.c - the table of results is a function of the commands and their events, and a snapshot
 * gives it back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "journal/results.h"

static uint64_t seed;

static uint64_t chance(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static struct pit_results *table(uint32_t accounts_max)
{
    struct pit_results *results = NULL;
    struct pit_error error = {0};
    if (pit_results_create(&results, accounts_max, &error))
        fail_msg("%s", error.text);
    return results;
}

/* One command's events, at most four. */
struct answer {
    uint64_t command;
    uint32_t count;
    struct pit_event events[4];
};

static struct pit_event event_of(uint8_t kind, uint32_t account, uint32_t request, uint64_t order_id, uint64_t quantity)
{
    return (struct pit_event){
        .kind = kind, .account = account, .request = request, .order_id = order_id, .quantity = quantity, .symbol = 3};
}

static struct pit_event trade(uint32_t maker, uint32_t taker, uint32_t request, uint64_t quantity, uint64_t leaves)
{
    struct pit_event event = event_of(PIT_EVENT_TRADE, maker, request, 1, quantity);
    event.flags = PIT_EVENT_WIDE;
    event.taker_account = taker;
    event.taker_leaves = leaves;
    return event;
}

static void add(struct pit_results *results, struct answer *answer)
{
    struct pit_result progress = {0};
    answer->events[answer->count - 1].flags |= PIT_EVENT_LAST;
    for (uint32_t i = 0; i < answer->count; i++)
        pit_results_add(results, &progress, &answer->events[i], answer->command);
}

static const struct pit_result *found(const struct pit_results *results, uint32_t account, uint32_t request)
{
    const struct pit_result *result = NULL;
    assert_int_equal(pit_results_find(results, account, request, &result), PIT_RESULTS_FOUND);
    assert_int_equal(result->request, request);
    return result;
}

static void result_says_what_the_events_came_to(void **state)
{
    (void)state;
    struct pit_results *results = table(4);
    struct answer answers[] = {
        {10, 1, {event_of(PIT_EVENT_ACCEPTED, 7, 1, 10, 500)}},
        {11, 3, {event_of(PIT_EVENT_ACCEPTED, 7, 2, 11, 500), trade(9, 7, 2, 200, 300), trade(9, 7, 2, 300, 0)}},
        {12,
         3,
         {event_of(PIT_EVENT_ACCEPTED, 7, 3, 12, 500), trade(9, 7, 3, 200, 300),
          event_of(PIT_EVENT_RESTED, 7, 3, 12, 300)}},
        {13,
         3,
         {event_of(PIT_EVENT_ACCEPTED, 7, 4, 13, 500), trade(7, 7, 4, 100, 400),
          event_of(PIT_EVENT_CANCELLED, 7, 4, 13, 400)}},
        {14, 1, {event_of(PIT_EVENT_REJECTED, 7, 5, 0, 500)}},
        {15, 1, {event_of(PIT_EVENT_CANCELLED, 7, 6, 10, 500)}},
        {16, 1, {event_of(PIT_EVENT_REDUCED, 7, 7, 12, 250)}},
        {17, 2, {event_of(PIT_EVENT_REPLACED, 7, 8, 12, 800), trade(9, 7, 8, 100, 700)}},
        {18, 1, {event_of(PIT_EVENT_STATE, 7, 9, 0, 1)}},
    };
    answers[3].events[2].reason = PIT_REASON_IOC_REMAINDER;
    answers[4].events[0].reason = PIT_REASON_UNKNOWN_ORDER;
    answers[5].events[0].reason = PIT_REASON_REQUESTED;
    static const struct pit_result wanted[] = {
        {10, 10, 0, 500, 1, 3, PIT_EVENT_ACCEPTED, 0, {0}},
        {11, 11, 500, 0, 2, 3, PIT_EVENT_ACCEPTED, 0, {0}},
        {12, 12, 200, 300, 3, 3, PIT_EVENT_ACCEPTED, 0, {0}},
        {13, 13, 100, 0, 4, 3, PIT_EVENT_ACCEPTED, PIT_REASON_IOC_REMAINDER, {0}},
        {14, 0, 0, 0, 5, 3, PIT_EVENT_REJECTED, PIT_REASON_UNKNOWN_ORDER, {0}},
        {15, 10, 0, 0, 6, 3, PIT_EVENT_CANCELLED, PIT_REASON_REQUESTED, {0}},
        {16, 12, 0, 250, 7, 3, PIT_EVENT_REDUCED, 0, {0}},
        {17, 12, 100, 700, 8, 3, PIT_EVENT_REPLACED, 0, {0}},
        {18, 0, 0, 0, 9, 3, PIT_EVENT_STATE, 0, {0}},
    };
    for (uint32_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        add(results, &answers[i]);
        assert_memory_equal(found(results, 7, i + 1), &wanted[i], sizeof wanted[i]);
        assert_int_equal(pit_results_last(results, 7), i + 1);
    }
    assert_int_equal(pit_results_accounts(results), 1); /* who only rested has asked for nothing */
    assert_int_equal(pit_results_last(results, 9), 0);
    pit_results_destroy(results);
}

static void result_is_kept_of_requests_of_accounts_only(void **state)
{
    (void)state;
    struct pit_results *results = table(4);
    struct answer nobodys[] = {{1, 1, {event_of(PIT_EVENT_DEFINED, 0, 1, 0, 0)}},
                               {2, 1, {event_of(PIT_EVENT_ACCEPTED, 7, 0, 2, 5)}}};
    add(results, &nobodys[0]);
    add(results, &nobodys[1]);
    assert_int_equal(pit_results_accounts(results), 0);
    const struct pit_result *result = NULL;
    assert_int_equal(pit_results_find(results, 7, 1, &result), PIT_RESULTS_NOT_KEPT);
    pit_results_destroy(results);
}

static void keep(struct pit_results *results, uint32_t account, uint32_t request, uint64_t sequence)
{
    const struct pit_result result = {
        .request = request, .sequence = sequence, .kind = PIT_EVENT_ACCEPTED, .order_id = sequence};
    pit_results_keep(results, account, &result);
}

static void window_holds_the_latest_and_knows_what_it_has_lost(void **state)
{
    (void)state;
    struct pit_results *results = table(4);
    const struct pit_result *result = NULL;
    for (uint32_t request = 1; request <= 1000; request++)
        if (request != 990)
            keep(results, 7, request, request + 5);
    for (uint32_t request = 1; request <= 1000; request++) {
        const enum pit_results_known known = pit_results_find(results, 7, request, &result);
        /* The place of 990 holds 734 still. */
        const bool kept = (request > 1000 - PIT_RESULTS_WINDOW || request == 734) && request != 990;
        assert_int_equal(known, kept             ? PIT_RESULTS_FOUND
                                : request == 990 ? PIT_RESULTS_NOT_TAKEN
                                                 : PIT_RESULTS_NOT_KEPT);
        if (kept)
            assert_int_equal(result->sequence, request + 5);
    }
    pit_results_clear(results);
    assert_int_equal(pit_results_accounts(results), 0);
    assert_int_equal(pit_results_digest(results), 0);
    assert_int_equal(pit_results_find(results, 7, 1000, &result), PIT_RESULTS_NOT_KEPT);
    keep(results, 7, 1000, 1);
    assert_int_equal(found(results, 7, 1000)->sequence, 1);
    pit_results_destroy(results);
}

static void numbers_go_round(void **state)
{
    (void)state;
    struct pit_results *results = table(4);
    const struct pit_result *result = NULL;
    uint32_t request = UINT32_MAX - 300;
    for (uint64_t sequence = 1; sequence <= 600; sequence++) {
        keep(results, 7, request, sequence);
        assert_int_equal(pit_results_last(results, 7), request);
        request = pit_request_next(request);
    }
    assert_int_equal(request, 300); /* one was left out */
    assert_int_equal(pit_results_find(results, 7, UINT32_MAX - 300, &result), PIT_RESULTS_NOT_KEPT);
    assert_int_equal(found(results, 7, 44)->sequence, 345);
    assert_int_equal(pit_results_find(results, 7, 43, &result), PIT_RESULTS_NOT_KEPT);

    assert_true(pit_request_after(1, 0) && pit_request_after(UINT32_MAX, 0));
    assert_true(pit_request_after(1, UINT32_MAX) && !pit_request_after(UINT32_MAX, 1));
    assert_true(pit_request_after(UINT32_C(1) << 31, 1) && !pit_request_after((UINT32_C(1) << 31) + 1, 1));
    assert_true(!pit_request_after(5, 5));
    pit_results_destroy(results);
}

/* Numbers may do anything when no session has promised anything: the later command's stays, and is the last. */
static void later_command_wins_whatever_its_number(void **state)
{
    (void)state;
    struct pit_results *results = table(4);
    keep(results, 7, 500, 1);
    keep(results, 7, 3, 2);
    keep(results, 7, 3, 9);
    keep(results, 7, 3, 4);
    keep(results, 7, 3 + PIT_RESULTS_WINDOW, 5);
    assert_int_equal(pit_results_last(results, 7), 3);
    assert_int_equal(found(results, 7, 3)->sequence, 9);
    pit_results_destroy(results);
}

#define COMMANDS 4000u
#define MATCHERS 3u

/* The same commands in any interleaving of the matchers, which each keep their own order, give the same table; with
 * more accounts than there is room for, too. */
static void interleaving_changes_nothing(void **state)
{
    (void)state;
    uint64_t random = seed;
    struct answer *answers = calloc(COMMANDS, sizeof *answers);
    uint8_t *owner = malloc(COMMANDS);
    assert_non_null(answers);
    assert_non_null(owner);
    for (uint32_t round = 0; round < 30; round++) {
        const uint32_t accounts_max = 1 + (uint32_t)(chance(&random) % 20);
        for (uint32_t i = 0; i < COMMANDS; i++) {
            const uint32_t account = 1 + (uint32_t)(chance(&random) % 25),
                           request = 1 + (uint32_t)(chance(&random) % 700);
            answers[i] = (struct answer){
                i + 1,
                2,
                {event_of(PIT_EVENT_ACCEPTED, account, request, i + 1, 10), trade(1, account, request, 4, 6)}};
            owner[i] = (uint8_t)(chance(&random) % MATCHERS);
        }
        struct pit_results *one = table(accounts_max), *other = table(accounts_max);
        for (uint32_t i = 0; i < COMMANDS; i++)
            add(one, &answers[i]);
        uint32_t at[MATCHERS] = {0};
        for (uint32_t left = COMMANDS; left > 0;) {
            const uint32_t matcher = (uint32_t)(chance(&random) % MATCHERS);
            for (uint64_t turn = chance(&random) % 400; turn > 0; turn--) {
                while (at[matcher] < COMMANDS && owner[at[matcher]] != matcher)
                    at[matcher]++;
                if (at[matcher] == COMMANDS)
                    break;
                add(other, &answers[at[matcher]++]);
                left--;
            }
        }
        assert_int_equal(pit_results_accounts(one), pit_results_accounts(other));
        assert_int_equal(pit_results_count(one), pit_results_count(other));
        assert_true(pit_results_digest(one) == pit_results_digest(other));
        for (uint32_t account = 1; account <= 25; account++) {
            assert_int_equal(pit_results_last(one, account), pit_results_last(other, account));
            assert_int_equal(pit_results_admits(one, account), account <= accounts_max);
        }
        pit_results_destroy(one);
        pit_results_destroy(other);
    }
    free(owner);
    free(answers);
}

/* Room for 300 of 3000 accounts that come in any order: the lowest stay, whole. */
static void lowest_accounts_stay(void **state)
{
    (void)state;
    uint64_t random = seed;
    struct pit_results *results = table(300);
    uint32_t accounts[3000], order[300];
    for (uint32_t i = 0; i < 3000; i++)
        accounts[i] = 5 + 1431655 * i;
    for (uint32_t i = 2999; i > 0; i--) {
        const uint32_t with = (uint32_t)(chance(&random) % (i + 1)), one = accounts[i];
        accounts[i] = accounts[with];
        accounts[with] = one;
    }
    for (uint32_t request = 1; request <= 3; request++)
        for (uint32_t i = 0; i < 3000; i++)
            keep(results, accounts[i], request, 3000 * request + i);
    assert_int_equal(pit_results_accounts(results), 300);
    assert_int_equal(pit_results_count(results), 900);
    pit_results_order(results, order);
    for (uint32_t i = 0; i < 300; i++) {
        const struct pit_result *window;
        uint32_t count;
        assert_int_equal(pit_results_of(results, order[i], &window, &count), 5 + 1431655 * i);
        assert_int_equal(count, 3);
        assert_int_equal(pit_results_last(results, 5 + 1431655 * i), 3);
    }
    pit_results_destroy(results);
}

static void table_holds_as_many_accounts_as_it_says(void **state)
{
    (void)state;
    struct pit_results *results = table(0);
    for (uint32_t account = PIT_RESULTS_ACCOUNTS_MAX + 2; account > 0; account--)
        keep(results, account, 1, account);
    assert_int_equal(pit_results_accounts(results), PIT_RESULTS_ACCOUNTS_MAX);
    assert_int_equal(pit_results_last(results, PIT_RESULTS_ACCOUNTS_MAX), 1);
    assert_int_equal(pit_results_last(results, PIT_RESULTS_ACCOUNTS_MAX + 1), 0);
    assert_false(pit_results_admits(results, PIT_RESULTS_ACCOUNTS_MAX + 1));
    pit_results_destroy(results);
}

int main(void)
{
    const char *text = getenv("PIT_SEED");
    seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
    printf("# PIT_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(result_says_what_the_events_came_to),
        cmocka_unit_test(result_is_kept_of_requests_of_accounts_only),
        cmocka_unit_test(window_holds_the_latest_and_knows_what_it_has_lost),
        cmocka_unit_test(numbers_go_round),
        cmocka_unit_test(later_command_wins_whatever_its_number),
        cmocka_unit_test(interleaving_changes_nothing),
        cmocka_unit_test(lowest_accounts_stay),
        cmocka_unit_test(table_holds_as_many_accounts_as_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
