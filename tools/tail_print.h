/* tools/tail_print.h - market data as lines for people or as JSON lines, and the depth ladder.
 *
 * One thread. Everything goes to standard output through stdio; whoever calls flushes and looks for errors.
 */
#ifndef PIT_TOOLS_TAIL_PRINT_H
#define PIT_TOOLS_TAIL_PRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "pitline/market_data.h"

enum pit_tail_format {
    PIT_TAIL_TEXT = 1,
    PIT_TAIL_JSON = 2,
};

/* One event. in_depth: the depth printed last for its symbol holds it already. */
void pit_tail_print_event(enum pit_tail_format format, const struct pit_md_event *event,
                          const struct pit_md_symbol *symbol, bool in_depth);

/* The best levels of a book: one line. */
void pit_tail_print_depth(enum pit_tail_format format, const struct pit_md_depth *depth,
                          const struct pit_md_symbol *symbol, uint32_t levels);

/* Now reading this run of the pipeline, the next event being that. JSON only. */
void pit_tail_print_open(const char *name, uint64_t position);

void pit_tail_print_lapped(enum pit_tail_format format, uint64_t lost);

/* A ladder of lines 2 + levels. each_end closes every line: "\n", or with what a terminal needs to redraw in place. */
void pit_tail_print_ladder(const struct pit_md_depth *depth, const struct pit_md_symbol *symbol, uint32_t levels,
                           const char *each_end);

#endif
