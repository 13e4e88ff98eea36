/* tools/adapter/outlet.h - where the book's events go: an output ring, as in the pipeline, or the benchmark's queue.
 *
 * Two files implement this: outlet_ring.c and outlet_queue.c. In the ring, events
 * cross to the second thread as the book wrote them and become reports there; the benchmark's queue takes reports.
 *
 * Writer:   the thread that calls the engine.
 */
#ifndef PIT_TOOLS_ADAPTER_OUTLET_H
#define PIT_TOOLS_ADAPTER_OUTLET_H

#include "book/event.h"
#include "tools/adapter/interface.h"

/* The outlet behind what engine_init was given. */
struct pit_outlet *pit_outlet_open(const struct pit_bench_outlet *table, void *handle);
void pit_outlet_close(struct pit_outlet *outlet);

/* Where the book writes. Events are handed over when enough of them have gathered: the sink's make_room does that. */
struct pit_event_sink *pit_outlet_sink(struct pit_outlet *outlet);

/* Hands every event written so far over. */
void pit_outlet_publish(struct pit_outlet *outlet);

#endif
