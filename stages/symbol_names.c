/* stages/symbol_names.c - see symbol_names.h. */
#include "stages/symbol_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ring/check.h"

int pit_symbol_names_create(struct pit_symbol_names *names, uint32_t capacity)
{
    size_t places = 16;
    while (places < (size_t)capacity * 2)
        places *= 2;
    PIT_CHECK(places <= UINT32_MAX);
    *names = (struct pit_symbol_names){
        .entries = calloc(places, sizeof *names->entries), .mask = (uint32_t)(places - 1), .capacity = capacity};
    return names->entries ? 0 : -ENOMEM;
}

void pit_symbol_names_destroy(struct pit_symbol_names *names)
{
    free(names->entries);
    names->entries = NULL;
}

/* The entry of a name, or the free one where it belongs. FNV-1a, 64 bits. */
static struct pit_symbol_names_entry *place_of(const struct pit_symbol_names *names, const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < PIT_SYMBOL_NAME_BYTES && name[i]; i++)
        hash = (hash ^ (uint8_t)name[i]) * UINT64_C(0x100000001b3);
    uint32_t place = (uint32_t)(hash ^ hash >> 32) & names->mask;
    while (names->entries[place].name[0] && strncmp(names->entries[place].name, name, PIT_SYMBOL_NAME_BYTES) != 0)
        place = (place + 1) & names->mask;
    return &names->entries[place];
}

uint32_t pit_symbol_names_find(const struct pit_symbol_names *names, const char *name)
{
    const struct pit_symbol_names_entry *entry = place_of(names, name);
    return entry->name[0] ? entry->number : PIT_SYMBOL_NAMES_NONE;
}

uint32_t pit_symbol_names_add(struct pit_symbol_names *names, const char *name, uint32_t number)
{
    struct pit_symbol_names_entry *entry = place_of(names, name);
    if (entry->name[0])
        return entry->number;
    PIT_CHECK(name[0] && names->count < names->capacity);
    names->count++;
    memcpy(entry->name, name, strnlen(name, PIT_SYMBOL_NAME_BYTES));
    entry->number = number;
    return PIT_SYMBOL_NAMES_NONE;
}
