/* stages/accounts.h - a bounded map from accounts to small numbers, for one thread.
 *
 * Memory:   allocated once by pit_accounts_create, at most a third full; open addressing, nothing is left behind when
 * an account is taken out. Progress: every call but create takes a short, bounded number of steps.
 */
#ifndef PIT_STAGES_ACCOUNTS_H
#define PIT_STAGES_ACCOUNTS_H

#include <stdint.h>

#define PIT_ACCOUNTS_NONE UINT32_MAX

struct pit_accounts_entry {
    uint32_t account; /* 0 = free */
    uint32_t value;
};

struct pit_accounts {
    struct pit_accounts_entry *entries;
    uint32_t mask;
    uint32_t shift;
    uint32_t count;
    uint32_t capacity;
};

/* Room for capacity accounts. 0 or -ENOMEM. */
int pit_accounts_create(struct pit_accounts *accounts, uint32_t capacity);
void pit_accounts_destroy(struct pit_accounts *accounts);

static inline uint32_t pit_accounts_home(const struct pit_accounts *accounts, uint32_t account)
{
    return (account * 0x9e3779b1u) >> accounts->shift;
}

/* The number of an account (>= 1), or PIT_ACCOUNTS_NONE. */
static inline uint32_t pit_accounts_find(const struct pit_accounts *accounts, uint32_t account)
{
    uint32_t place = pit_accounts_home(accounts, account);
    while (accounts->entries[place].account != 0) {
        if (accounts->entries[place].account == account)
            return accounts->entries[place].value;
        place = (place + 1) & accounts->mask;
    }
    return PIT_ACCOUNTS_NONE;
}

/* Sets the number of an account (>= 1). Traps beyond the capacity. */
void pit_accounts_set(struct pit_accounts *accounts, uint32_t account, uint32_t value);

/* Takes an account out if it stands for value; otherwise does nothing. */
void pit_accounts_remove(struct pit_accounts *accounts, uint32_t account, uint32_t value);

#endif
