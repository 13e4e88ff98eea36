/* test/book/reference.h - a matcher so plain that it can be checked by reading: one array, searched from end to end.
 *
 * It shares no code with book/: only the headers that say what a command means and what an event holds.
 */
#ifndef PIT_TEST_BOOK_REFERENCE_H
#define PIT_TEST_BOOK_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "book/command.h"
#include "book/event.h"

#define REFERENCE_ORDERS 2048u
#define REFERENCE_EVENTS 4096u

struct reference_order {
    uint64_t order_id;
    uint64_t client_id;
    uint64_t quantity;
    uint64_t arrival; /* lower = older at its price */
    int64_t price;
    uint32_t account;
    uint8_t side;
    bool live;
};

struct reference {
    struct pit_symbol_definition definition;
    uint64_t state;
    uint64_t arrivals;
    struct reference_order order[REFERENCE_ORDERS];
    struct pit_event event[REFERENCE_EVENTS]; /* of the last command */
    uint32_t events;
};

/* definition->orders_max must be at most REFERENCE_ORDERS. */
void reference_open(struct reference *reference, const struct pit_symbol_definition *definition);

/* Applies one command; its events are in event[0 .. events - 1] afterwards. */
void reference_apply(struct reference *reference, const struct pit_command *command);

uint32_t reference_orders(const struct reference *reference);
uint32_t reference_levels(const struct reference *reference);

/* The order that would trade first on a side, or NULL. */
const struct reference_order *reference_best(const struct reference *reference, uint8_t side);

#endif
