/* tools/adapter/interface.h - what a public matching-engine benchmark calls, and what it hands over
 * (docs/benchmark.md).
 *
 * The benchmark loads a shared library and calls the engine_ functions below from one thread. Reports leave through an
 * outlet, a table of functions: the benchmark's own queue, or the one that engine_get_transport() describes. A second
 * thread takes them out of it. The names of the functions and the layouts are the benchmark's; the rest is ours.
 */
#ifndef PIT_TOOLS_ADAPTER_INTERFACE_H
#define PIT_TOOLS_ADAPTER_INTERFACE_H

#include <stddef.h>
#include <stdint.h>

enum pit_bench_message_kind {
    PIT_BENCH_MESSAGE_NEW = 0,
    PIT_BENCH_MESSAGE_CANCEL = 1,
    PIT_BENCH_MESSAGE_MODIFY = 2,
};

struct pit_bench_new {
    uint64_t id;     /* the order's; it may come again once the order is gone */
    uint64_t number; /* of the message, rising */
    int64_t price;   /* ticks */
    uint32_t quantity;
    uint8_t side; /* as enum pit_side */
    uint8_t ioc;  /* 1: what does not trade at once is cancelled */
    uint8_t zero[2];
};

struct pit_bench_cancel {
    uint64_t id;
    uint64_t number;
};

/* The order leaves and enters anew behind everybody at its price, whatever changed. */
struct pit_bench_modify {
    uint64_t id;
    uint64_t number;
    int64_t price;
    uint32_t quantity;
    uint8_t side; /* of the order, as before */
    uint8_t zero[3];
};

/* Any of the three, as it comes in a batch. */
struct pit_bench_message {
    uint8_t kind; /* enum pit_bench_message_kind */
    uint8_t zero[7];
    union {
        struct pit_bench_new order;
        struct pit_bench_cancel cancel;
        struct pit_bench_modify modify;
    };
};

enum pit_bench_report_kind {
    PIT_BENCH_ORDERED = 0,
    PIT_BENCH_TRADED = 1,
    PIT_BENCH_CANCELLED = 2, /* on request, or what an IOC order had left */
    PIT_BENCH_MODIFIED = 3,
    PIT_BENCH_CANCEL_REFUSED = 4, /* no such order rests */
    PIT_BENCH_MODIFY_REFUSED = 5,
};

struct pit_bench_report {
    uint8_t kind; /* enum pit_bench_report_kind */
    uint8_t side; /* of the order; TRADED: of the taker */
    uint8_t zero[6];
    uint64_t number; /* of the message that caused it */
    uint64_t id;     /* of the order; TRADED: of the taker */
    int64_t price;   /* TRADED: the maker's */
    uint32_t quantity;
    uint32_t zero_too;
    uint64_t maker_id; /* TRADED */
    uint64_t taker_id; /* TRADED */
    uint64_t zero_end;
};

/* How reports travel to the second thread. */
struct pit_bench_outlet {
    void *(*create)(uint32_t reports_min); /* with room for at least so many; NULL: no memory */
    int (*push)(void *outlet, const struct pit_bench_report *report);                /* 1, or 0: full */
    uint32_t (*drain)(void *outlet, struct pit_bench_report *reports, uint32_t max); /* second thread; 0: none now */
    void (*flush)(void *outlet); /* lets the second thread see all there is */
    void (*destroy)(void *outlet);
};

_Static_assert(sizeof(struct pit_bench_new) == 32 && offsetof(struct pit_bench_new, ioc) == 29, "as the benchmark's");
_Static_assert(sizeof(struct pit_bench_cancel) == 16, "as the benchmark's");
_Static_assert(sizeof(struct pit_bench_modify) == 32 && offsetof(struct pit_bench_modify, side) == 28,
               "as the benchmark's");
_Static_assert(sizeof(struct pit_bench_message) == 40 && offsetof(struct pit_bench_message, order) == 8,
               "as the benchmark's");
_Static_assert(sizeof(struct pit_bench_report) == 64 && offsetof(struct pit_bench_report, taker_id) == 48,
               "as the benchmark's");

/* nonce: a random number. outlet and handle: where reports go. */
void engine_init(uint64_t nonce, const struct pit_bench_outlet *outlet, void *handle);
void engine_shutdown(void);

/* Called for every message, in order, before the first of the functions below: a message may be translated here, and
 * nothing else. kind: enum pit_bench_message_kind. message: struct pit_bench_new, _cancel or _modify. */
void engine_prebuild(uint8_t kind, const void *message);

void engine_on_new_order(const struct pit_bench_new *order);
void engine_on_cancel(const struct pit_bench_cancel *cancel);
void engine_on_modify(const struct pit_bench_modify *modify);

/* The same for some messages in a row, each carried out, and its reports handed over, before the next one is looked at:
 * a benchmark that knows this function calls it in place of the three above. Only where the outlet is our own ring. */
void engine_on_batch(const struct pit_bench_message *messages, uint32_t count);

/* Returns when everything is matched and every report is in the outlet. */
void engine_flush(void);

int64_t engine_query_best_bid(void); /* INT64_MIN: none */
int64_t engine_query_best_ask(void); /* INT64_MAX: none */
uint64_t engine_query_depth_at(int64_t price, uint8_t side);

/* The outlet the engine brings along; the benchmark uses its own where there is no such function. */
const struct pit_bench_outlet *engine_get_transport(void);

#endif
