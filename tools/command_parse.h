/* tools/command_parse.h - a line of JSON as pitline journal cat prints it, back into a command.
 *
 * Every line that journal cat prints gives the command it was printed from, byte for byte. Lines written by hand may
 * say less: a price as decimal or in ticks, a symbol by name or by id, and what a kind does not need may be left out.
 * What stands there twice (price and ticks) must agree. One thread.
 */
#ifndef PIT_TOOLS_COMMAND_PARSE_H
#define PIT_TOOLS_COMMAND_PARSE_H

#include "book/market.h"
#include "pitline/error.h"
#include "tools/json_object.h"

/* What is known of symbols where the command is to be applied. */
struct pit_command_symbols {
    /* The definition of a symbol, or NULL. */
    const struct pit_symbol_definition *(*find)(void *context, uint32_t symbol);
    /* The id of a name, or -1. */
    int64_t (*named)(void *context, const char *name);
    void *context;
};

/* The books of a market as that. */
struct pit_command_symbols pit_command_symbols_of(struct pit_market *market);

struct pit_command_line {
    struct pit_command command; /* sequence and time_ns: 0 where they were not given */
    struct pit_json_object object;
};

/* 0, or -EINVAL: error->text says "column N: ..." and names the field and what is expected of it. */
int pit_command_parse(struct pit_command_line *line, const struct pit_command_symbols *symbols, const char *text,
                      size_t bytes, struct pit_error *error);

#endif
