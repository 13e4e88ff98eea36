/* stages/depth.h - the price levels of one symbol, each with its total quantity and its number of orders.
 *
 * It is fed by public events alone, so anybody who reads the event ring from its start can keep the same picture.
 *
 * Writer:   one thread (the publisher); readers: the same thread.
 * Memory:   the caller's zeroed block of pit_depth_bytes, touched only as prices come into use. Nothing is allocated.
 * Progress: an event costs a bounded number of steps, whatever the depth.
 */
#ifndef PIT_STAGES_DEPTH_H
#define PIT_STAGES_DEPTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "book/command.h"
#include "pitline/market_data.h"

struct pit_depth;

/* Bytes for the levels_max prices of a valid definition; a multiple of 64. */
size_t pit_depth_bytes(const struct pit_symbol_definition *definition);

/* Lays out an empty depth in zeroed memory, aligned to 64. */
struct pit_depth *pit_depth_create(void *memory, const struct pit_symbol_definition *definition);

/* Applies one event. Returns false, and changes nothing, when it does not fit what is there: a removal from a price
 * that is not in use, more quantity than rests, a price of the other side, a new price beyond levels_max. */
bool pit_depth_apply(struct pit_depth *depth, const struct pit_md_event *event);

/* Fills in the best levels of a side, best first, at most max. Returns how many. */
uint32_t pit_depth_best(const struct pit_depth *depth, enum pit_side side, struct pit_md_level *levels, uint32_t max);

/* Prices in use now, of both sides. */
uint32_t pit_depth_levels(const struct pit_depth *depth);

#endif
