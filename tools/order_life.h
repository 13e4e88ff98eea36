/* tools/order_life.h - the life of one order, told as a replay goes by: how it came, what it traded, how it was
 * changed, how it ended or where it stands.
 *
 * An order is named by the exchange's id, or by account and client id: of the latter there may be many, one after the
 * other and in several symbols, and all are told. Each event is printed when it happens, so memory does not grow with
 * a life's length; kept is only what is known of those that live (by client id: one in a symbol at most). One thread.
 */
#ifndef PIT_TOOLS_ORDER_LIFE_H
#define PIT_TOOLS_ORDER_LIFE_H

#include <stdio.h>

#include "book/market.h"
#include "pitline/error.h"
#include "tools/json.h"

struct pit_order_name {
    uint64_t order_id; /* 0: by account and client_id */
    uint32_t account;
    uint64_t client_id;
};

/* "ACCOUNT:ID". False: it is not. */
bool pit_order_name_parse(const char *text, struct pit_order_name *name);

struct pit_order_life;

/* json: lines of JSON, otherwise lines for people. NULL: no memory. */
struct pit_order_life *pit_order_life_create(const struct pit_order_name *name, bool json, FILE *file);
void pit_order_life_destroy(struct pit_order_life *life);

/* Before the first command after sequence `from` with time from_ns (0: the first of all): the order may rest in the
 * market already, as a snapshot has it. Forgets what was told before. */
void pit_order_life_begin(struct pit_order_life *life, const struct pit_market *market, uint64_t from,
                          uint64_t from_ns);

/* Each event, with the command that caused it. */
void pit_order_life_event(struct pit_order_life *life, const struct pit_command *command,
                          const struct pit_event *event);

/* After the last command, `sequence`: where those that live stand. 0; -ENOENT: there is no such order, why says why;
 * -ENOMEM: there are more than could be told. */
int pit_order_life_end(struct pit_order_life *life, uint64_t sequence, struct pit_error *why);

#endif
