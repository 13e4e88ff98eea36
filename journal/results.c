/* journal/results.c - see results.h. */
#include "journal/results.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "ring/check.h"

#define HEADER_BYTES 128u

_Static_assert((PIT_RESULTS_WINDOW & (PIT_RESULTS_WINDOW - 1)) == 0, "places are taken by masking");

struct account {
    uint32_t account;
    uint32_t last;     /* request of its last command */
    uint64_t sequence; /* of that command */
};

/* One mapping: | this | index | accounts | windows |. An index entry is 1 + the account's place, 0 = free; at most half
 * are taken. */
struct pit_results {
    uint32_t accounts_max;
    uint32_t count;
    uint32_t highest; /* with all places taken: that of the highest account */
    uint32_t mask;    /* of the index */
    uint32_t shift;
    uint32_t *index;
    struct account *accounts;
    struct pit_result *windows;
    size_t bytes;
};
_Static_assert(sizeof(struct pit_results) <= HEADER_BYTES, "the index begins behind it");

int pit_results_create(struct pit_results **created, uint32_t accounts_max, struct pit_error *error)
{
    uint32_t bits = 4;
    if (accounts_max == 0)
        accounts_max = PIT_RESULTS_ACCOUNTS_MAX;
    while ((UINT64_C(1) << bits) < UINT64_C(2) * accounts_max)
        bits++;
    const size_t index = (sizeof(uint32_t) << bits) + 64, accounts = accounts_max * sizeof(struct account) + 64;
    const size_t bytes =
        HEADER_BYTES + index + accounts + (size_t)accounts_max * PIT_RESULTS_WINDOW * sizeof(struct pit_result);
    uint8_t *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (block == MAP_FAILED)
        return pit_error_set(error, -ENOMEM,
                             "no address space for the results of requests: %zu bytes for %u accounts; see ulimit -v",
                             bytes, accounts_max);
    struct pit_results *results = (struct pit_results *)(void *)block;
    *results = (struct pit_results){.accounts_max = accounts_max,
                                    .mask = (1u << bits) - 1,
                                    .shift = 32 - bits,
                                    .index = (uint32_t *)(void *)(block + HEADER_BYTES),
                                    .accounts = (struct account *)(void *)(block + HEADER_BYTES + index),
                                    .windows = (struct pit_result *)(void *)(block + HEADER_BYTES + index + accounts),
                                    .bytes = bytes};
    *created = results;
    return 0;
}

void pit_results_destroy(struct pit_results *results)
{
    if (results)
        munmap(results, results->bytes);
}

void pit_results_clear(struct pit_results *results)
{
    const struct pit_results kept = *results;
    PIT_CHECK(madvise(results, results->bytes, MADV_DONTNEED) == 0); /* private and anonymous: zero from here on */
    *results = kept;
    results->count = results->highest = 0;
}

/* The index. */

static inline uint32_t home_of(const struct pit_results *results, uint32_t account)
{
    return (account * 0x9e3779b1u) >> results->shift;
}

/* Where the account stands in the index, or the free entry at which it would. */
static inline uint32_t entry_of(const struct pit_results *results, uint32_t account)
{
    uint32_t entry = home_of(results, account);
    while (results->index[entry] && results->accounts[results->index[entry] - 1].account != account)
        entry = (entry + 1) & results->mask;
    return entry;
}

/* Takes an entry out. Those that follow move up into the hole unless that would put them before their home. */
static void entry_free(struct pit_results *results, uint32_t hole)
{
    uint32_t *index = results->index;
    for (uint32_t entry = (hole + 1) & results->mask; index[entry]; entry = (entry + 1) & results->mask) {
        const uint32_t home = home_of(results, results->accounts[index[entry] - 1].account);
        if (((entry - home) & results->mask) >= ((entry - hole) & results->mask)) {
            index[hole] = index[entry];
            hole = entry;
        }
    }
    index[hole] = 0;
}

static inline struct pit_result *window_of(const struct pit_results *results, uint32_t place)
{
    return results->windows + (size_t)place * PIT_RESULTS_WINDOW;
}

static void find_highest(struct pit_results *results)
{
    results->highest = 0;
    for (uint32_t place = 1; place < results->count; place++)
        if (results->accounts[place].account > results->accounts[results->highest].account)
            results->highest = place;
}

/* A place for an account that has none, or UINT32_MAX: as many lower ones are kept as there is room for. */
static uint32_t place_new(struct pit_results *results, uint32_t account)
{
    uint32_t place = results->count;
    if (place == results->accounts_max) {
        place = results->highest;
        if (account > results->accounts[place].account)
            return UINT32_MAX;
        entry_free(results, entry_of(results, results->accounts[place].account));
        memset(window_of(results, place), 0, PIT_RESULTS_WINDOW * sizeof(struct pit_result));
    } else {
        results->count++;
    }
    results->accounts[place] = (struct account){.account = account};
    results->index[entry_of(results, account)] = place + 1;
    if (results->count == results->accounts_max)
        find_highest(results);
    return place;
}

void pit_results_keep(struct pit_results *results, uint32_t account, const struct pit_result *result)
{
    uint32_t place = results->index[entry_of(results, account)] - 1;
    if (place == UINT32_MAX && (place = place_new(results, account)) == UINT32_MAX)
        return;
    struct account *of = &results->accounts[place];
    struct pit_result *slot = &window_of(results, place)[result->request & (PIT_RESULTS_WINDOW - 1)];
    if (result->sequence > of->sequence) {
        of->sequence = result->sequence;
        of->last = result->request;
    }
    if (result->sequence > slot->sequence)
        *slot = *result;
}

void pit_results_add(struct pit_results *results, struct pit_result *progress, const struct pit_event *event,
                     uint64_t command)
{
    const uint32_t account = event->kind == PIT_EVENT_TRADE ? event->taker_account : event->account;
    if (account == 0 || event->request == 0)
        return;
    if (progress->kind == 0)
        *progress = (struct pit_result){.sequence = command,
                                        .order_id = event->order_id,
                                        .request = event->request,
                                        .symbol = event->symbol,
                                        .kind = event->kind};
    switch (event->kind) {
    case PIT_EVENT_TRADE:
        progress->traded += event->quantity;
        progress->open = event->taker_leaves;
        break;
    case PIT_EVENT_REJECTED:
    case PIT_EVENT_CANCELLED:
        progress->reason = event->reason;
        progress->open = 0;
        break;
    case PIT_EVENT_STATE:
        break;
    default: /* ACCEPTED, REPLACED: before it trades, if it does; RESTED, REDUCED */
        progress->open = event->quantity;
    }
    if (event->flags & PIT_EVENT_LAST) {
        pit_results_keep(results, account, progress);
        progress->kind = 0;
    }
}

uint32_t pit_results_last(const struct pit_results *results, uint32_t account)
{
    const uint32_t place = results->index[entry_of(results, account)];
    return place ? results->accounts[place - 1].last : 0;
}

bool pit_results_admits(const struct pit_results *results, uint32_t account)
{
    return results->count < results->accounts_max || results->index[entry_of(results, account)] ||
           account < results->accounts[results->highest].account;
}

enum pit_results_known pit_results_find(const struct pit_results *results, uint32_t account, uint32_t request,
                                        const struct pit_result **result)
{
    const uint32_t place = results->index[entry_of(results, account)];
    if (place == 0)
        return PIT_RESULTS_NOT_KEPT;
    const struct pit_result *slot = &window_of(results, place - 1)[request & (PIT_RESULTS_WINDOW - 1)];
    if (slot->sequence && slot->request == request) {
        *result = slot;
        return PIT_RESULTS_FOUND;
    }
    /* The last of all that came to this place is in it. One before the request: the request never came. */
    return slot->sequence && pit_request_after(slot->request, request) ? PIT_RESULTS_NOT_KEPT : PIT_RESULTS_NOT_TAKEN;
}

uint32_t pit_results_accounts(const struct pit_results *results)
{
    return results->count;
}

uint32_t pit_results_of(const struct pit_results *results, uint32_t order, const struct pit_result **window,
                        uint32_t *count)
{
    *window = window_of(results, order);
    *count = 0;
    for (uint32_t i = 0; i < PIT_RESULTS_WINDOW; i++)
        *count += (*window)[i].sequence != 0;
    return results->accounts[order].account;
}

uint64_t pit_results_count(const struct pit_results *results)
{
    uint64_t all = 0;
    for (uint32_t place = 0; place < results->count; place++) {
        const struct pit_result *window;
        uint32_t count;
        pit_results_of(results, place, &window, &count);
        all += count;
    }
    return all;
}

uint64_t pit_results_digest(const struct pit_results *results)
{
    uint64_t digest = 0;
    for (uint32_t place = 0; place < results->count; place++) {
        const struct pit_result *window = window_of(results, place);
        for (uint32_t i = 0; i < PIT_RESULTS_WINDOW; i++)
            if (window[i].sequence)
                digest += XXH3_64bits_withSeed(&window[i], sizeof window[i], results->accounts[place].account);
    }
    return digest;
}

static int compare_accounts(const void *a, const void *b, void *context)
{
    const struct pit_results *results = context;
    const uint32_t one = results->accounts[*(const uint32_t *)a].account;
    const uint32_t other = results->accounts[*(const uint32_t *)b].account;
    return (one > other) - (one < other);
}

void pit_results_order(const struct pit_results *results, uint32_t *order)
{
    for (uint32_t place = 0; place < results->count; place++)
        order[place] = place;
    qsort_r(order, results->count, sizeof *order, compare_accounts, (void *)(uintptr_t)results);
}
