/* book/resting_order.h - an order that rests, as everybody sees it. */
#ifndef PIT_BOOK_RESTING_ORDER_H
#define PIT_BOOK_RESTING_ORDER_H

#include <stdint.h>

/* The first four fields lie side by side as they do in a command and in an event, and are copied as one block. */
struct pit_resting_order {
    uint64_t order_id;  /* = sequence of the command that created it */
    uint64_t client_id; /* 0 = none */
    int64_t price;
    uint64_t quantity; /* open lots */
    uint32_t account;
    uint8_t side; /* enum pit_side */
    uint8_t zero[3];
};
_Static_assert(sizeof(struct pit_resting_order) == 40, "no hidden padding");

#endif
