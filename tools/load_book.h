/* tools/load_book.h - a book rebuilt from one session's reports: what its own orders must look like if the reports are
 * true. When that session is the only one, this is the whole book, and after the last report of a request it is the
 * book as it was after that request.
 *
 * One symbol, one thread. Grows as needed; for a client, not for the pipeline.
 */
#ifndef PIT_TOOLS_LOAD_BOOK_H
#define PIT_TOOLS_LOAD_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "pitline/client.h"

struct pit_load_book;

/* NULL: no memory. */
struct pit_load_book *pit_load_book_create(void);
void pit_load_book_destroy(struct pit_load_book *book);

/* Takes a report in. 0; -ENOMEM; -EPROTO: it contradicts the ones before (a trade of more than rests, leaves that do
 * not add up, a second order of one id, a crossed level) and the book can no longer be trusted. */
int pit_load_book_apply(struct pit_load_book *book, const struct pit_report *report);

/* Best price of a side, false when it is empty. */
bool pit_load_book_best(const struct pit_load_book *book, enum pit_side side, int64_t *price);

/* Quantity that rests at a price of a side; 0 = no order there. */
uint64_t pit_load_book_quantity(const struct pit_load_book *book, enum pit_side side, int64_t price);

/* Resting orders. */
uint32_t pit_load_book_orders(const struct pit_load_book *book);

#endif
