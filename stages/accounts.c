/* stages/accounts.c - see accounts.h. */
#include "stages/accounts.h"

#include <errno.h>
#include <stdlib.h>

#include "ring/check.h"

int pit_accounts_create(struct pit_accounts *accounts, uint32_t capacity)
{
    uint32_t bits = 4;
    while ((UINT64_C(1) << bits) < UINT64_C(3) * capacity)
        bits++;
    accounts->entries = calloc((size_t)1 << bits, sizeof *accounts->entries);
    if (!accounts->entries)
        return -ENOMEM;
    accounts->mask = (1u << bits) - 1;
    accounts->shift = 32 - bits;
    accounts->count = 0;
    accounts->capacity = capacity;
    return 0;
}

void pit_accounts_destroy(struct pit_accounts *accounts)
{
    free(accounts->entries);
    accounts->entries = NULL;
}

static uint32_t place_of(const struct pit_accounts *accounts, uint32_t account)
{
    uint32_t place = pit_accounts_home(accounts, account);
    while (accounts->entries[place].account != 0 && accounts->entries[place].account != account)
        place = (place + 1) & accounts->mask;
    return place;
}

void pit_accounts_set(struct pit_accounts *accounts, uint32_t account, uint32_t value)
{
    PIT_CHECK(account != 0);
    struct pit_accounts_entry *entry = &accounts->entries[place_of(accounts, account)];
    if (entry->account == 0) {
        PIT_CHECK(accounts->count < accounts->capacity);
        accounts->count++;
    }
    entry->account = account;
    entry->value = value;
}

void pit_accounts_remove(struct pit_accounts *accounts, uint32_t account, uint32_t value)
{
    uint32_t hole = place_of(accounts, account);
    struct pit_accounts_entry *entries = accounts->entries;
    if (account == 0 || entries[hole].account != account || entries[hole].value != value)
        return;
    accounts->count--;
    /* Those that follow move up into the hole unless that would put them before their home. */
    uint32_t place = hole;
    for (;;) {
        place = (place + 1) & accounts->mask;
        if (entries[place].account == 0)
            break;
        uint32_t home = pit_accounts_home(accounts, entries[place].account);
        if (((place - home) & accounts->mask) >= ((place - hole) & accounts->mask)) {
            entries[hole] = entries[place];
            hole = place;
        }
    }
    entries[hole] = (struct pit_accounts_entry){0};
}
