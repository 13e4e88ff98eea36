/* book/block.h - order id, client id, price and quantity, which lie side by side in a command, in a resting order and
 * in an event, as one block of 32 bytes. For the files of book/ only.
 *
 * A command is fast when it stores little: a core retires one or two stores a cycle, however wide they are. So copies
 * go in halves of 16 bytes. A half that was stored whole can be read back at once. If one of its words has been stored
 * alone since (a trade writes the quantity, a replacement the price too), the read waits until that store has left for
 * the cache. That is rare: the two are seldom so close together.
 */
#ifndef PIT_BOOK_BLOCK_H
#define PIT_BOOK_BLOCK_H

#include <string.h>

#include "book/event.h"
#include "book/resting_order.h"

#define PIT_BLOCK_BYTES 32u

_Static_assert(offsetof(struct pit_command, quantity) + 8 == offsetof(struct pit_command, order_id) + PIT_BLOCK_BYTES &&
                   offsetof(struct pit_event, quantity) + 8 == offsetof(struct pit_event, order_id) + PIT_BLOCK_BYTES &&
                   offsetof(struct pit_resting_order, quantity) + 8 == PIT_BLOCK_BYTES,
               "the four fields are one block everywhere");

/* Half of one, as a compiler copies it: any processor has a register for it. */
typedef uint64_t pit_half_block __attribute__((vector_size(PIT_BLOCK_BYTES / 2)));

static inline void pit_half_block_copy(uint64_t *to, const uint64_t *from)
{
    pit_half_block half;
    memcpy(&half, from, sizeof half);
    memcpy(to, &half, sizeof half);
}

static inline void pit_block_copy(uint64_t *to, const uint64_t *from)
{
    pit_half_block_copy(to, from);
    pit_half_block_copy(to + 2, from + 2);
}

/* With another order id. */
static inline void pit_block_named(uint64_t *to, const uint64_t *from, uint64_t order_id)
{
    const pit_half_block ids = {order_id, from[1]};
    memcpy(to, &ids, sizeof ids);
    pit_half_block_copy(to + 2, from + 2);
}

#endif
