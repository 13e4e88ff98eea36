/* tools/what_if_file.h - the commands of a what-if: lines as pitline journal cat prints them, each made a command that
 * can be injected after a sequence.
 *
 * An order's id is the sequence of the command that made it, so each injected command needs a sequence that no other
 * has. A line's own is kept where nothing else in the what-if has it: above the fork, and below the command with which
 * the journal goes on. Every other line gets the next one from PIT_WHAT_IF_SEQUENCE_FIRST on; an order_id that is the
 * sequence of an earlier line in the file means that line's order, whatever sequence it got. One thread.
 */
#ifndef PIT_TOOLS_WHAT_IF_FILE_H
#define PIT_TOOLS_WHAT_IF_FILE_H

#include <stdio.h>

#include "tools/command_parse.h"

#define PIT_WHAT_IF_SEQUENCE_FIRST UINT64_C(1000000000000000001)
#define PIT_WHAT_IF_LINES_MAX 10000000u
#define PIT_WHAT_IF_LINE_BYTES_MAX 8192u

struct pit_what_if_file;

/* path: "-" = standard input. after: the sequence of the fork, with its time. below: the sequence with which the
 * journal goes on, UINT64_MAX: it does not. 0, or a negative errno. */
int pit_what_if_file_open(struct pit_what_if_file **file, const char *path, uint64_t after, uint64_t time_ns,
                          uint64_t below, struct pit_error *error);

/* The next command. 1; 0: there are no more; negative: error says file, line, column or field, and what is expected. */
int pit_what_if_file_next(struct pit_what_if_file *file, const struct pit_command_symbols *symbols,
                          struct pit_command *command, struct pit_error *error);

void pit_what_if_file_close(struct pit_what_if_file *file);

#endif
