/* stages/symbol_names.h - a bounded map from the names of symbols to small numbers, for the start: with thousands of
 * symbols nobody compares every name with every other.
 *
 * Memory: allocated once by pit_symbol_names_create, at most half full; open addressing. One thread.
 */
#ifndef PIT_STAGES_SYMBOL_NAMES_H
#define PIT_STAGES_SYMBOL_NAMES_H

#include <stdint.h>

#include "pitline/types.h"

#define PIT_SYMBOL_NAMES_NONE UINT32_MAX

struct pit_symbol_names_entry {
    char name[PIT_SYMBOL_NAME_BYTES]; /* empty = free */
    uint32_t number;
};

struct pit_symbol_names {
    struct pit_symbol_names_entry *entries;
    uint32_t mask;
    uint32_t count;
    uint32_t capacity;
};

/* Room for capacity names. 0 or -ENOMEM. */
int pit_symbol_names_create(struct pit_symbol_names *names, uint32_t capacity);
void pit_symbol_names_destroy(struct pit_symbol_names *names);

/* The number of a name (ended by a zero, or by PIT_SYMBOL_NAME_BYTES), or PIT_SYMBOL_NAMES_NONE. */
uint32_t pit_symbol_names_find(const struct pit_symbol_names *names, const char *name);

/* Gives a name that is not empty a number, unless it has one. Returns PIT_SYMBOL_NAMES_NONE when it had none, else the
 * number that it keeps. Traps beyond the capacity. */
uint32_t pit_symbol_names_add(struct pit_symbol_names *names, const char *name, uint32_t number);

#endif
