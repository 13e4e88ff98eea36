/* stages/public_event.h - what the public may see of an event: no account, no client id, nothing of refused commands.
 *
 * A pure function; any thread.
 */
#ifndef PIT_STAGES_PUBLIC_EVENT_H
#define PIT_STAGES_PUBLIC_EVENT_H

#include <stdint.h>

#include "book/event.h"
#include "pitline/market_data.h"

#define PIT_PUBLIC_EVENTS_MAX 2u

/* Turns one event into the changes of the visible book it stands for: 0, 1 or 2 of them (a replace that lost its place
 * is a removal and an addition). Their sequence and last are left 0: last belongs to the last public event of a
 * command, which may come from an earlier event than the one with PIT_EVENT_LAST. */
uint32_t pit_public_events(const struct pit_event *event, struct pit_md_event out[PIT_PUBLIC_EVENTS_MAX]);

#endif
