/* test/stages/test_accounts.c - the map of accounts against a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "stages/accounts.h"

#define CAPACITY 40u
#define KEYS 60u

/* Accounts that collide: neighbours and equal low bits. */
static uint32_t key(uint32_t i)
{
    return i % 2 ? 1 + i : i << 26 | 1;
}

static void accounts_agree_with_an_array(void **state)
{
    (void)state;
    const char *text = getenv("PIT_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
    print_message("# PIT_SEED=%llu\n", (unsigned long long)seed);
    uint64_t random = seed | 1;
    uint32_t model[KEYS], count = 0;
    struct pit_accounts accounts;
    assert_int_equal(pit_accounts_create(&accounts, CAPACITY), 0);
    for (uint32_t i = 0; i < KEYS; i++)
        model[i] = PIT_ACCOUNTS_NONE;
    for (uint32_t step = 0; step < 200000; step++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        uint32_t i = (uint32_t)(random >> 20) % KEYS, value = (uint32_t)(random >> 40) % 3;
        if ((random & 1) && (model[i] != PIT_ACCOUNTS_NONE || count < CAPACITY)) {
            count += model[i] == PIT_ACCOUNTS_NONE;
            model[i] = value;
            pit_accounts_set(&accounts, key(i), value);
        } else {
            if (model[i] == value) {
                model[i] = PIT_ACCOUNTS_NONE;
                count--;
            }
            pit_accounts_remove(&accounts, key(i), value);
        }
        i = step % KEYS;
        assert_int_equal(pit_accounts_find(&accounts, key(i)), model[i]);
        assert_int_equal(accounts.count, count);
    }
    assert_int_equal(pit_accounts_find(&accounts, 0), PIT_ACCOUNTS_NONE);
    pit_accounts_destroy(&accounts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(accounts_agree_with_an_array)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
