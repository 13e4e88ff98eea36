/* tools/journal_tools.h - the parts of pitline journal, and what they share.
 *
 * None of them writes to the journal's directory or takes its lock. One thread. */
#ifndef PIT_TOOLS_JOURNAL_TOOLS_H
#define PIT_TOOLS_JOURNAL_TOOLS_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "book/command.h"
#include "journal/reader.h"
#include "tools/json.h"

#define PIT_JOURNAL_TIME_BYTES 40u

/* Each parses its own arguments and returns the exit status. */
int pit_journal_tool_ls(int argc, char **argv);
int pit_journal_tool_cat(int argc, char **argv);
int pit_journal_tool_verify(int argc, char **argv);
int pit_journal_tool_diff(int argc, char **argv);

/* Nanoseconds since 1970 as "2026-11-21T09:30:00.123456789Z". Returns text. */
char *pit_journal_time(char text[PIT_JOURNAL_TIME_BYTES], uint64_t time_ns);

/* Writes out what stdout holds. 0; -EPIPE: nobody reads any more, which is no fault; other negative errno: said on
 * standard error. broken: errno of a write that failed before, 0 = none. */
int pit_journal_tool_flush(const char *tool, int broken);

/* A pipe whose reader has gone shows in the next write, as -EPIPE, in place of ending the program with a signal. */
void pit_journal_tool_ignore_pipe(void);

/* The definitions in force, by symbol id; all zero where there is none. */
struct pit_journal_symbols {
    struct pit_symbol_definition *definitions; /* PIT_SYMBOLS_MAX of them */
};

/* 0 or -ENOMEM. */
int pit_journal_symbols_begin(struct pit_journal_symbols *symbols);
void pit_journal_symbols_end(struct pit_journal_symbols *symbols);

/* Takes a SYMBOL command's definition over if a book would; does nothing with other commands. */
void pit_journal_symbols_see(struct pit_journal_symbols *symbols, const struct pit_command *command);

/* The symbol's, or NULL. */
const struct pit_symbol_definition *pit_journal_symbols_find(const struct pit_journal_symbols *symbols,
                                                             uint32_t symbol);

/* Where a journal begins. */
struct pit_journal_beginning {
    uint64_t block, sequence; /* the first there are */
    uint64_t snapshot;        /* a good snapshot of this sequence stands for what was removed before; 0 = nothing was */
};

/* Opens a journal at its first segment. When that is not the first of all, and a good snapshot stands for what is
 * missing, reading begins with what is there, and symbols (may be NULL) gets the definitions of that snapshot. Without
 * one it is damage, which the first read tells. Errors as pit_journal_reader_open. */
int pit_journal_tool_open(struct pit_journal_reader **reader, const char *directory,
                          struct pit_journal_symbols *symbols, struct pit_journal_beginning *beginning,
                          struct pit_error *error);

/* A command taken apart: the fields that its kind uses, and any other that is not zero, so that two commands whose
 * fields are the same are the same. Prices and quantities stand there twice: as decimal text where the symbol is known,
 * and as ticks and lots. */
#define PIT_JOURNAL_FIELDS_MAX 48u
#define PIT_JOURNAL_FIELD_BYTES 160u

struct pit_journal_field {
    const char *name;
    bool quoted; /* in JSON: a text; otherwise a number, true or false */
    char value[PIT_JOURNAL_FIELD_BYTES];
};

struct pit_journal_fields {
    uint32_t count;
    struct pit_journal_field fields[PIT_JOURNAL_FIELDS_MAX];
};

/* Fills json with them. */
void pit_journal_fields_json(struct pit_json *json, const struct pit_journal_fields *fields);

/* definition: of the command's symbol, or NULL. */
void pit_journal_command_fields(struct pit_journal_fields *fields, const struct pit_command *command,
                                const struct pit_symbol_definition *definition);

#endif
