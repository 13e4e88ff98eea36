/* tools/happening.h - what happened, a line each: a command, and the events it caused. For people, or as JSON: then a
 * command is as pitline journal cat prints it, and an event as pitline replay --events. One thread.
 */
#ifndef PIT_TOOLS_HAPPENING_H
#define PIT_TOOLS_HAPPENING_H

#include <stdio.h>

#include "book/market.h"
#include "tools/journal_tools.h"
#include "tools/json.h"

struct pit_happening_printer {
    bool json;
    FILE *file;
    const char *extra_name; /* JSON: a member more in each line, a text; NULL = none */
    const char *extra;
    struct pit_json line;
    struct pit_journal_fields fields;
};

/* definition: of the command's (event's) symbol, NULL where there is none. */
void pit_happening_command(struct pit_happening_printer *printer, const struct pit_command *command,
                           const struct pit_symbol_definition *definition);

/* sequence: of the command that caused it; index: its place among that command's events, from 0. indent: blanks before
 * a line for people. */
void pit_happening_event(struct pit_happening_printer *printer, uint64_t sequence, uint32_t index,
                         const struct pit_event *event, const struct pit_symbol_definition *definition,
                         const char *indent);

#endif
