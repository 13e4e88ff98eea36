/* tools/bench_book.h - what the parts of `pitline bench book` share.
 *
 *   bench_book.c              options, and which measurement
 *   bench_book_stream.c       a flow's commands, made ready in memory, and what each of them does
 *   bench_book_market.c       an empty market to apply them to, and the memory it touches
 *   bench_book_throughput.c   how many a second
 *   bench_book_latency.c      how long each kind takes
 *   bench_book_counters.c     what the processor counts meanwhile
 *   bench_book_callgrind.c    instructions of each kind, exactly
 *   bench_book_constant.c     how long each kind takes in larger and larger books
 *   bench_book_report.c       tables for people, JSON for machines, from the same rows
 *
 * One thread.
 */
#ifndef PIT_TOOLS_BENCH_BOOK_H
#define PIT_TOOLS_BENCH_BOOK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "book/market.h"
#include "pitline/error.h"
#include "tools/bench.h"

#define PIT_BENCH_RUNS_MAX 101u
#define PIT_BENCH_FLOWS_MAX 16u
#define PIT_BENCH_AHEAD 8u /* commands: how far a matcher looks ahead */

struct pit_bench_options {
    const char *flows[PIT_BENCH_FLOWS_MAX]; /* NULL after the last */
    const char *ids;                        /* "exchange", "client"; NULL = both in turn */
    uint64_t count;
    uint64_t runs;
    uint64_t symbols;
    uint64_t resting; /* 0 = the flow's own */
    uint64_t levels;  /* 0 = the flow's own */
    uint64_t seed;
    bool huge;
    bool latency, instructions, constant_time; /* none of them: throughput */
    bool json;
    bool under_callgrind; /* this process is the one that callgrind watches */
};

/* Whether flows whose orders are named by the client's (by the exchange's) ids are to be measured. */
bool pit_bench_ids_wanted(const struct pit_bench_options *options, bool client_ids);

/* What a command does, as far as its cost goes. */
enum pit_bench_kind {
    PIT_BENCH_NEW = 0, /* enters without trading */
    PIT_BENCH_CANCEL,
    PIT_BENCH_REDUCE,
    PIT_BENCH_REPLACE,   /* without trading */
    PIT_BENCH_AGGRESSOR, /* a new order or a replace that trades */
    PIT_BENCH_KINDS,
    PIT_BENCH_REFUSED = PIT_BENCH_KINDS,
    PIT_BENCH_OTHER, /* defines a symbol */
    PIT_BENCH_KINDS_ALL,
};

/* "new", "cancel", ... */
const char *pit_bench_kind_name(enum pit_bench_kind kind);

/* Pages of a market's memory, a bit each. */
struct pit_bench_pages {
    uint8_t *bits;
    size_t count;   /* bits */
    uint64_t bytes; /* in the pages whose bit is set */
};

/* The commands of a flow. */
struct pit_bench_stream {
    const char *flow;
    bool client_ids;
    uint32_t symbols;
    struct pit_command *commands; /* total, and PIT_BENCH_AHEAD of no kind */
    uint8_t *kinds;               /* of each command, enum pit_bench_kind */
    uint64_t filling;             /* commands at the start that are not timed */
    uint64_t total;
    uint64_t counts[PIT_BENCH_KINDS_ALL]; /* of those that are timed; refused: of all */
    struct pit_digest digest;             /* after the last */
    uint64_t levels;                      /* prices in use then, over all symbols */
    struct pit_bench_pages pages;         /* that they touch */
};

/* Makes the commands and finds out what each does. 0; -EINVAL: no such flow; -ENOMEM (error says what it would take).
 * The stream is to be freed whatever comes back. */
int pit_bench_stream_make(struct pit_bench_stream *stream, const struct pit_bench_options *options, const char *flow,
                          bool client_ids, struct pit_error *error);
void pit_bench_stream_free(struct pit_bench_stream *stream);

/* An empty market; the memory that the stream's commands will touch is there already, as far as that is known. */
struct pit_bench_market {
    struct pit_market *market;
    struct pit_event_sink sink; /* its readers are always done */
    uint8_t *start;             /* address space, touched only as the books fill */
    size_t bytes;
    size_t used;
};

int pit_bench_market_open(struct pit_bench_market *market, const struct pit_bench_stream *stream, bool huge,
                          struct pit_error *error);
void pit_bench_market_close(struct pit_bench_market *market);

/* Applies the commands from first on and before end, as they come or looking ahead. */
void pit_bench_market_apply(struct pit_bench_market *market, const struct pit_command *first,
                            const struct pit_command *end, bool ahead);

/* Which pages of memory the market has touched so far. 0 or a negative errno; pages->bits is to be freed. */
int pit_bench_market_touched(const struct pit_bench_market *market, struct pit_bench_pages *pages,
                             struct pit_error *error);

/* Bytes of memory this process could still take, as the kernel and its control group see it. */
uint64_t pit_bench_memory_available(void);

/* Each measures one flow and adds its rows to the report. 0 or a negative errno with error set. */
struct pit_bench_report;
int pit_bench_throughput(struct pit_bench_report *report, const struct pit_bench_options *options,
                         const struct pit_bench_stream *stream, struct pit_error *error);
int pit_bench_latency(struct pit_bench_report *report, const struct pit_bench_options *options,
                      const struct pit_bench_stream *stream, struct pit_error *error);
int pit_bench_counters(struct pit_bench_report *report, const struct pit_bench_options *options,
                       const struct pit_bench_stream *stream, struct pit_error *error);
int pit_bench_callgrind(struct pit_bench_report *report, const struct pit_bench_options *options,
                        const struct pit_bench_stream *stream, struct pit_error *error);

/* In the process that callgrind watches: applies every command in a function named after its kind. */
int pit_bench_under_callgrind(struct pit_bench_report *report, const struct pit_bench_options *options,
                              const struct pit_bench_stream *stream, struct pit_error *error);

/* The tables over resting orders and over price levels. */
int pit_bench_constant_time(struct pit_bench_report *report, const struct pit_bench_options *options,
                            struct pit_error *error);

/* A column of a table: the key of a row and how it is shown. */
struct pit_bench_column {
    const char *key;
    const char *title;
    int width;    /* below 0: to the left */
    int decimals; /* of a real number */
};

/* JSON to stdout at the end, or text at once. NULL: no memory. */
struct pit_bench_report *pit_bench_report_create(const struct pit_bench_options *options);

/* Starts a table; what explains it in a line or two, for people. Columns end with a key of NULL. */
void pit_bench_report_table(struct pit_bench_report *report, const char *name, const struct pit_bench_column *columns,
                            const char *what);

/* Adds a row, which the report then owns. What a row has not is shown as a dash; a null as "not counted". */
void pit_bench_report_row(struct pit_bench_report *report, json_t *row);

/* Says something beside the tables: text for people, "notes" in JSON. */
void pit_bench_report_note(struct pit_bench_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds a value to the top of the JSON. */
void pit_bench_report_value(struct pit_bench_report *report, const char *key, json_t *value);

/* Writes what is to be written at the end, and frees. missing: why it is not all that was wanted, or NULL; "missing" in
 * JSON. */
void pit_bench_report_finish(struct pit_bench_report *report, const char *missing);

#endif
