/* journal/results.h - what became of each account's latest requests: so that one which is sent again is answered, not
 * done again (docs/wire.md, "Exactly once").
 *
 * The table is a pure function of the commands and their events, and holds, whatever the order in which events of
 * different symbols come in, the same: of two results for one place the later command's stays.
 *
 *   account ─▶ | last: request and sequence | window: the result of request n in place n % PIT_RESULTS_WINDOW |
 *
 * Kept are results of commands with an account and a request other than 0. Both limits are part of the format of
 * snapshots, and the same everywhere: PIT_RESULTS_WINDOW requests an account, and of PIT_RESULTS_ACCOUNTS_MAX accounts,
 * namely those with the lowest numbers. (An account that had to go never comes back: so many lower ones are there.)
 *
 * Owner:    one thread.
 * Memory:   address space for every account, taken once by create; an account that sends touches 12 KiB of it.
 * Progress: adding and finding take a short, bounded number of steps; only with all accounts taken does a new one,
 * lower than the highest, look through them.
 */
#ifndef PIT_JOURNAL_RESULTS_H
#define PIT_JOURNAL_RESULTS_H

#include <stdbool.h>
#include <stddef.h>

#include "book/event.h"
#include "pitline/error.h"

#define PIT_RESULTS_WINDOW 256u /* a power of two */
#define PIT_RESULTS_ACCOUNTS_MAX 65536u

/* What one command came to. Zeros fill it: it is compared and digested as bytes. */
struct pit_result {
    uint64_t sequence; /* of the command */
    uint64_t order_id; /* of its first event; 0 with STATE, or where a refused request named none */
    uint64_t traded;   /* lots that its order traded as the incoming one */
    uint64_t open;     /* lots of it that rest after the command; 0: it is gone, or was refused */
    uint32_t request;
    uint32_t symbol;
    uint8_t kind; /* enum pit_event_kind of the first event: ACCEPTED, REJECTED, CANCELLED, REDUCED, REPLACED, STATE */
    uint8_t reason; /* enum pit_reason: why it was refused, or why (the rest of) the order left; 0 = neither */
    uint8_t zero[6];
};
_Static_assert(sizeof(struct pit_result) == 48, "a result has no holes");

struct pit_results;

/* What is known of a request. */
enum pit_results_known {
    PIT_RESULTS_FOUND = 1,
    PIT_RESULTS_NOT_TAKEN = 2, /* no command had this number, if the account's numbers have always risen */
    PIT_RESULTS_NOT_KEPT = 3,  /* too long ago, or nothing is kept of the account: it may have been done */
};

/* Reserves everything. accounts_max: 0 = PIT_RESULTS_ACCOUNTS_MAX, which is the only one that a pipeline uses; less in
 * tests. 0; -ENOMEM. */
int pit_results_create(struct pit_results **results, uint32_t accounts_max, struct pit_error *error);
void pit_results_destroy(struct pit_results *results);

/* Forgets all. */
void pit_results_clear(struct pit_results *results);

/* Takes the next event of a command in; its last one puts the result into the table. The events of one command come one
 * after another, each with the sequence of that command; *progress, zero at first, is for them alone: where several
 * threads' events are read in turns, each has its own. */
void pit_results_add(struct pit_results *results, struct pit_result *progress, const struct pit_event *event,
                     uint64_t command);

/* Puts a whole result into the table, unless its place holds a later one. */
void pit_results_keep(struct pit_results *results, uint32_t account, const struct pit_result *result);

/* The request number of the account's last command, 0 = none is known. */
uint32_t pit_results_last(const struct pit_results *results, uint32_t account);

/* Whether anything is, or would be, kept of the account. */
bool pit_results_admits(const struct pit_results *results, uint32_t account);

/* What is known of a request that is not after the account's last. *result only with FOUND; valid until the next add.
 */
enum pit_results_known pit_results_find(const struct pit_results *results, uint32_t account, uint32_t request,
                                        const struct pit_result **result);

/* For snapshots. */

/* Accounts of which something is kept, and results of all of them. */
uint32_t pit_results_accounts(const struct pit_results *results);
uint64_t pit_results_count(const struct pit_results *results);

/* A sum of hashes over every account's results: equal tables have equal ones. */
uint64_t pit_results_digest(const struct pit_results *results);

/* The accounts in rising order: the place-th (0 .. accounts - 1), its number of results, and these by their places in
 * the window: window[0 .. PIT_RESULTS_WINDOW - 1], sequence 0 = nothing there. order: room for as many numbers as there
 * are accounts, filled by pit_results_order. */
void pit_results_order(const struct pit_results *results, uint32_t *order);
uint32_t pit_results_of(const struct pit_results *results, uint32_t order, const struct pit_result **window,
                        uint32_t *count);

#endif
