/* tools/order_life_print.h - a line for each thing that happens to an order, for people or as JSON. For order_life.c
 * only. One thread.
 *
 * In JSON every line has order_id, what, sequence, time_ns, symbol_id, symbol, account and client_id (a refusal: the
 * account and the ids that the refused command named), and then what belongs to its kind.
 */
#ifndef PIT_TOOLS_ORDER_LIFE_PRINT_H
#define PIT_TOOLS_ORDER_LIFE_PRINT_H

#include <stdbool.h>
#include <stdio.h>

#include "book/command.h"
#include "book/event.h"
#include "tools/json.h"

struct pit_life_printer {
    bool json;
    FILE *file;
    uint64_t sequence; /* of the command in progress */
    uint64_t time_ns;
    struct pit_json line;
};

/* What is known of an order that lives. */
struct pit_life_order {
    uint64_t order_id;
    uint64_t client_id;
    uint32_t account;
    uint32_t symbol;
    int64_t price;      /* ticks; 0 of a market order */
    uint64_t entered;   /* lots; 0 when it was met in a snapshot */
    uint64_t left;      /* lots */
    uint64_t traded;    /* lots, since it was met */
    uint64_t trades;    /* likewise */
    uint64_t reduced;   /* lots */
    uint64_t cancelled; /* lots */
    uint8_t side;
    bool rests;
    bool from_snapshot;
    const struct pit_symbol_definition *definition;
};

const char *pit_life_kind_name(uint8_t kind); /* "cancel" */

/* It rests already, as a snapshot has it. */
void pit_life_print_known(struct pit_life_printer *printer, const struct pit_life_order *order);
void pit_life_print_entered(struct pit_life_printer *printer, const struct pit_life_order *order,
                            const struct pit_command *command, const struct pit_event *event);
void pit_life_print_traded(struct pit_life_printer *printer, const struct pit_life_order *order,
                           const struct pit_event *event, bool taker);

/* RESTED, REDUCED, REPLACED, CANCELLED. */
void pit_life_print_changed(struct pit_life_printer *printer, const struct pit_life_order *order,
                            const struct pit_event *event);

/* order_id: the order it is about, 0 where there is none. definition: of the symbol that the command named, NULL where
 * there is none. */
void pit_life_print_refused(struct pit_life_printer *printer, const struct pit_event *event, uint64_t order_id,
                            const struct pit_symbol_definition *definition);

/* It has nothing left, or rests with so much before it at its price. */
void pit_life_print_ended(struct pit_life_printer *printer, const struct pit_life_order *order);
void pit_life_print_standing(struct pit_life_printer *printer, const struct pit_life_order *order, uint64_t orders,
                             uint64_t quantity);

#endif
