/* book/report.h - writes events into the sink, every byte of them. For the files of book/ only.
 *
 * An event answers a command and has a subject: the order it happened to, as it is after the event (or the lots and
 * price the event is about).
 */
#ifndef PIT_BOOK_REPORT_H
#define PIT_BOOK_REPORT_H

#include <string.h>

#include "book/block.h"
#include "book/book.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "event words are put together from their fields");

/* Writes a word of an event in one piece. The digest reads whole words right after they are written, and a load that
 * spans several smaller stores waits until they have left the store buffer. */
static inline void pit_report_word(void *word, uint64_t value)
{
    memcpy(word, &value, sizeof value);
}

/* Sequence and time, and account and symbol, lie side by side in a command and in an event: all that happens to the
 * account's own order has them as they came. */
_Static_assert(offsetof(struct pit_command, sequence) == 0 && offsetof(struct pit_command, time_ns) == 8 &&
                   offsetof(struct pit_event, sequence) == 0 && offsetof(struct pit_event, time_ns) == 8,
               "sequence and time are half a block everywhere");
_Static_assert(offsetof(struct pit_command, symbol) == offsetof(struct pit_command, account) + 4 &&
                   offsetof(struct pit_event, symbol) == offsetof(struct pit_event, account) + 4,
               "account and symbol are one word everywhere");

static inline void pit_report_rest(struct pit_event *event, const struct pit_command *command, uint8_t side,
                                   enum pit_event_kind kind, enum pit_reason reason, uint32_t flags)
{
    pit_half_block_copy(&event->sequence, &command->sequence);
    memcpy(&event->account, &command->account, sizeof(uint64_t));
    pit_report_word(&event->request, command->request | (uint64_t)kind << 32 | (uint64_t)side << 40 |
                                         (uint64_t)reason << 48 | (uint64_t)flags << 56);
}

/* subject: an order of the command's account. */
static inline struct pit_event *pit_report(struct pit_event_sink *sink, const struct pit_command *command,
                                           const struct pit_resting_order *subject, enum pit_event_kind kind,
                                           enum pit_reason reason, uint32_t flags)
{
    struct pit_event *event = flags & PIT_EVENT_WIDE ? pit_event_sink_claim_wide(sink) : pit_event_sink_claim(sink);
    event->order_id = subject->order_id;
    event->client_id = subject->client_id;
    event->price = subject->price;
    event->quantity = subject->quantity;
    pit_report_rest(event, command, subject->side, kind, reason, flags);
    return event;
}

/* The same of an order in memory, copied as a block. */
static inline struct pit_event *pit_report_block(struct pit_event_sink *sink, const struct pit_command *command,
                                                 const struct pit_resting_order *subject, enum pit_event_kind kind,
                                                 enum pit_reason reason, uint32_t flags)
{
    struct pit_event *event = pit_event_sink_claim(sink);
    pit_block_copy(&event->order_id, &subject->order_id);
    pit_report_rest(event, command, subject->side, kind, reason, flags);
    return event;
}

/* REDUCED and REPLACED: with what was before. */
static inline void pit_report_change(struct pit_event_sink *sink, const struct pit_command *command,
                                     const struct pit_resting_order *subject, enum pit_event_kind kind, uint32_t flags,
                                     uint64_t quantity_old, int64_t price_old)
{
    struct pit_event *event = pit_report(sink, command, subject, kind, PIT_REASON_NONE, flags | PIT_EVENT_WIDE);
    event->command = command->sequence;
    event->leaves = 0;
    event->quantity_old = quantity_old;
    event->price_old = price_old;
    event->taker_leaves = 0;
    pit_report_word(&event->taker_account, 0);
    event->zero[0] = 0;
    event->zero[1] = 0;
}

/* The taker has given `quantity` lots to the maker already: both show what is left. */
static inline void pit_report_trade(struct pit_event_sink *sink, const struct pit_command *command,
                                    const struct pit_resting_order *maker, const struct pit_resting_order *taker,
                                    uint64_t quantity, uint32_t number)
{
    const uint32_t done = taker->quantity ? 0 : PIT_EVENT_TAKER_DONE | PIT_EVENT_LAST;
    struct pit_event *event = pit_event_sink_claim_wide(sink);
    event->order_id = maker->order_id;
    event->client_id = maker->client_id;
    event->price = maker->price;
    event->quantity = quantity;
    pit_report_rest(event, command, taker->side, PIT_EVENT_TRADE, PIT_REASON_NONE, done | PIT_EVENT_WIDE);
    pit_report_word(&event->account, maker->account | (uint64_t)command->symbol << 32);
    event->command = command->sequence;
    event->leaves = maker->quantity;
    event->taker_order_id = taker->order_id;
    event->taker_client_id = taker->client_id;
    event->taker_leaves = taker->quantity;
    pit_report_word(&event->taker_account, taker->account | (uint64_t)number << 32);
    event->zero[0] = 0;
    event->zero[1] = 0;
}

/* The command as it came, and why not. */
static inline void pit_report_rejected(struct pit_event_sink *sink, const struct pit_command *command,
                                       enum pit_reason reason)
{
    const struct pit_resting_order subject = {
        .order_id = command->order_id,
        .client_id = command->client_id,
        .price = command->price,
        .quantity = command->quantity,
        .account = command->account,
        .side = command->kind, /* see pit_event_rejected_kind */
    };
    pit_report(sink, command, &subject, PIT_EVENT_REJECTED, reason, PIT_EVENT_LAST);
}

#endif
