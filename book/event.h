/* book/event.h - what comes out of a book: events, as they stand in an output ring.
 *
 * Line 0 says what happened to one order; line 1 is there only with PIT_EVENT_WIDE and must not be read without.
 * The sequence and the time are the command's (to who listens to a replay, the sequence is the event's number:
 * replay/replay.h); everything after the time is a pure function of the commands, and what the digests cover.
 *
 * One command gives, in this order:
 *   NEW      REJECTED | ACCEPTED, TRADE*, then RESTED if a part rests after trading, CANCELLED if a part may not rest.
 *            An order that rests whole without trading is one event: ACCEPTED with PIT_EVENT_RESTS.
 *   CANCEL   REJECTED | CANCELLED
 *   REDUCE   REJECTED | REDUCED | CANCELLED
 *   REPLACE  REJECTED | REPLACED, TRADE*, then RESTED if it lost its place, traded, and a part rests.
 *            REPLACED with PIT_EVENT_RESTS: the order now rests whole at the new price and quantity.
 *            REPLACED without: it left the book at price_old and entered as an aggressor.
 *   SYMBOL   DEFINED | REJECTED
 *   STATE    STATE | REJECTED
 * The last event of a command carries PIT_EVENT_LAST.
 *
 * In an output ring a slot is one line: an event takes one slot, a wide one two. Line 1 lies behind line 0 also where
 * the ring begins again: a ring has a line more than it has slots (ring/ring.h). In a plain array an event is one
 * element.
 */
#ifndef PIT_BOOK_EVENT_H
#define PIT_BOOK_EVENT_H

#include "book/command.h"

enum pit_event_kind {
    PIT_EVENT_ACCEPTED = 1,  /* order_id given; price, quantity as ordered (price 0 with a market order) */
    PIT_EVENT_REJECTED = 2,  /* reason; order_id, client_id, price, quantity as in the command; the refused command's
                                kind: pit_event_rejected_kind */
    PIT_EVENT_TRADE = 3,     /* wide: subject = the resting (maker) order, taker_* = the aggressor; price is the
                                maker's; quantity traded; leaves, taker_leaves what is left of each; side = the taker's */
    PIT_EVENT_RESTED = 4,    /* quantity lots of the order now rest at price */
    PIT_EVENT_CANCELLED = 5, /* quantity lots left the book or were never allowed into it (reason) */
    PIT_EVENT_REDUCED = 6,   /* wide: quantity = what is left; quantity_old before */
    PIT_EVENT_REPLACED = 7,  /* wide: price, quantity new; price_old, quantity_old before */
    PIT_EVENT_DEFINED = 8,   /* wide: line 1 is the symbol definition */
    PIT_EVENT_STATE = 9,     /* quantity = the new enum pit_trading_state */
};

/* flags */
#define PIT_EVENT_RESTS 0x01u      /* the order's whole open quantity rests at price from now on */
#define PIT_EVENT_LAST 0x02u       /* the last event of its command */
#define PIT_EVENT_KEPT 0x04u       /* REPLACED: kept its place in the queue */
#define PIT_EVENT_TAKER_DONE 0x08u /* TRADE: the taker has nothing left */
#define PIT_EVENT_WIDE 0x80u       /* line 1 is written */
#define PIT_EVENT_LINE_BYTES 64u

struct pit_event {
    uint64_t sequence; /* of the command that caused this */
    uint64_t time_ns;  /* the command's */
    uint64_t order_id; /* = sequence of the command that created the order */
    uint64_t client_id;
    int64_t price;
    uint64_t quantity;
    uint32_t account;
    uint32_t symbol;
    uint32_t request; /* of the command that caused this */
    uint8_t kind;     /* enum pit_event_kind */
    uint8_t side;     /* enum pit_side; TRADE: the taker's */
    uint8_t reason;   /* enum pit_reason */
    uint8_t flags;
    union {
        struct {
            uint64_t command; /* = sequence, for the digests */
            uint64_t leaves;  /* TRADE: left of the maker */
            union {
                uint64_t taker_order_id; /* TRADE */
                uint64_t quantity_old;   /* REDUCED, REPLACED: open quantity before */
            };
            union {
                uint64_t taker_client_id; /* TRADE */
                int64_t price_old;        /* REPLACED */
            };
            uint64_t taker_leaves;  /* TRADE */
            uint32_t taker_account; /* TRADE */
            uint32_t number;        /* TRADE: 0, 1, ... within its command: (command, number) names it for ever */
            uint64_t zero[2];
        };
        struct pit_symbol_definition definition; /* DEFINED */
    };
};
_Static_assert(sizeof(struct pit_event) == 128, "an event is two cache lines");
_Static_assert(offsetof(struct pit_event, command) == 64, "line 1 starts on its own cache line");

/* REJECTED: the refused command's kind stands in side's place. */
static inline uint8_t pit_event_rejected_kind(const struct pit_event *event)
{
    return event->side;
}

/* How many lines an event has. */
static inline uint32_t pit_event_lines(const struct pit_event *event)
{
    return event->flags & PIT_EVENT_WIDE ? 2 : 1;
}

/* Where a book writes its events: a window onto the slots of an output ring, or onto an array, a power of two of them.
 * The book claims an event, fills it, and only then claims the next; so when make_room is called every event before
 * next is complete.
 *
 *   output ring   | line 0 | line 0 | line 1 | line 0 | ...      a slot is a line: the next begins 64 bytes on
 *                     0        1   (wide)        3
 *   array         | line 0   (line 1) | line 0   line 1 | ...    a slot is an event: 128 bytes
 *                     0                   1   (wide)
 *
 * `slots` has the array's type: only the owner of an array may index it; all others ask pit_event_sink_at. */
struct pit_event_sink {
    struct pit_event *slots;                        /* slot 0: of the array, or, if it is a ring's, line 0 of all */
    uint64_t mask;                                  /* slots - 1 */
    uint64_t next;                                  /* the next event's slot */
    uint64_t limit;                                 /* the first slot that may not be written yet */
    uint64_t folded;                                /* events before this slot are in the digests (see market.h) */
    uint64_t lines;                                 /* 1: slots are lines of an output ring; 0: elements of an array */
    void (*make_room)(struct pit_event_sink *sink); /* must return with an event's slots free; called rarely */
    void *context;                                  /* make_room's */
};

/* Slots that an event may take. */
static inline uint64_t pit_event_sink_most(const struct pit_event_sink *sink)
{
    return 1 + sink->lines;
}

/* The event that begins in a slot. */
static inline struct pit_event *pit_event_sink_at(const struct pit_event_sink *sink, uint64_t slot)
{
    return (struct pit_event *)((uint8_t *)sink->slots +
                                ((slot & sink->mask) * sizeof(struct pit_event) >> sink->lines));
}

/* The slots it takes. */
static inline uint64_t pit_event_sink_step(const struct pit_event_sink *sink, const struct pit_event *event)
{
    return event->flags & PIT_EVENT_WIDE ? pit_event_sink_most(sink) : 1;
}

/* A line of a ring was last read on another core. It is asked for, to be written, so many lines before it is needed: a
 * core retires its stores in order, and behind one whose line is far away all the others would wait. */
#define PIT_EVENT_SINK_AHEAD 32u

static inline void pit_event_sink_ask(const struct pit_event *event, uint32_t line)
{
    /* Near the end of the ring these are lines behind it, which are asked for in vain. */
    __builtin_prefetch((const void *)((uintptr_t)event + (PIT_EVENT_SINK_AHEAD + line) * PIT_EVENT_LINE_BYTES), 1);
}

static inline struct pit_event *pit_event_sink_claim(struct pit_event_sink *sink)
{
    if (__builtin_expect(sink->next == sink->limit, 0))
        sink->make_room(sink);
    struct pit_event *event = pit_event_sink_at(sink, sink->next++);
    pit_event_sink_ask(event, 0);
    return event;
}

static inline struct pit_event *pit_event_sink_claim_wide(struct pit_event_sink *sink)
{
    if (__builtin_expect(sink->limit - sink->next <= sink->lines, 0))
        sink->make_room(sink);
    struct pit_event *event = pit_event_sink_at(sink, sink->next);
    sink->next += pit_event_sink_most(sink);
    pit_event_sink_ask(event, 0);
    pit_event_sink_ask(event, 1);
    return event;
}

#endif
