/* stages/public_event.c - from the matcher's events to public ones. */
#include "stages/public_event.h"

static struct pit_md_event begin(const struct pit_event *event, enum pit_md_event_kind kind)
{
    return (struct pit_md_event){
        .time_ns = event->time_ns,
        .order_id = event->order_id,
        .price = event->price,
        .quantity = event->quantity,
        .symbol = event->symbol,
        .kind = (uint8_t)kind,
        .side = event->side,
    };
}

static uint32_t replaced(const struct pit_event *event, struct pit_md_event out[PIT_PUBLIC_EVENTS_MAX])
{
    if (event->flags & PIT_EVENT_KEPT) {
        out[0] = begin(event, PIT_MD_CHANGE);
        out[0].leaves = event->quantity_old;
        return 1;
    }
    out[0] = begin(event, PIT_MD_REMOVE);
    out[0].price = event->price_old;
    out[0].quantity = event->quantity_old;
    if (!(event->flags & PIT_EVENT_RESTS))
        return 1;
    out[1] = begin(event, PIT_MD_ADD);
    return 2;
}

uint32_t pit_public_events(const struct pit_event *event, struct pit_md_event out[PIT_PUBLIC_EVENTS_MAX])
{
    switch ((enum pit_event_kind)event->kind) {
    case PIT_EVENT_ACCEPTED:
        if (!(event->flags & PIT_EVENT_RESTS))
            return 0;
        out[0] = begin(event, PIT_MD_ADD);
        return 1;
    case PIT_EVENT_RESTED:
        out[0] = begin(event, PIT_MD_ADD);
        return 1;
    case PIT_EVENT_TRADE:
        out[0] = begin(event, PIT_MD_TRADE);
        out[0].leaves = event->leaves;
        return 1;
    case PIT_EVENT_CANCELLED:
        if (event->reason != PIT_REASON_REQUESTED)
            return 0; /* what may not rest was never in the book */
        out[0] = begin(event, PIT_MD_REMOVE);
        return 1;
    case PIT_EVENT_REDUCED:
        out[0] = begin(event, PIT_MD_CHANGE);
        out[0].leaves = event->quantity_old;
        return 1;
    case PIT_EVENT_REPLACED:
        return replaced(event, out);
    case PIT_EVENT_STATE:
        out[0] = begin(event, PIT_MD_STATE);
        out[0].order_id = 0;
        out[0].price = 0;
        out[0].side = 0;
        return 1;
    case PIT_EVENT_DEFINED:
        out[0] = begin(event, PIT_MD_SYMBOL);
        out[0].order_id = 0;
        out[0].price = 0;
        out[0].quantity = 0;
        out[0].side = 0;
        return 1;
    case PIT_EVENT_REJECTED:
    default:
        return 0;
    }
}
