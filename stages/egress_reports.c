/* stages/egress_reports.c - egress's way from events to reports. */
#include "stages/egress_session.h"

#include "ring/check.h"

/* Encodes egress->message for a session: into the outbox where it stands, unless that is near its end. */
static void report(struct pit_egress *egress, struct pit_egress_session *session)
{
    uint64_t mask = egress->outbox_mask;
    uint64_t place = session->tail & mask;
    bool told = false;
    if (!session->broken && mask + 1 - place >= PIT_WIRE_FRAME_BYTES_MAX &&
        mask + 1 - (session->tail - session->head) >= PIT_WIRE_FRAME_BYTES_MAX) {
        pit_egress_added(egress, session,
                         pit_message_encode(&egress->message, session->outbox + place, PIT_WIRE_FRAME_BYTES_MAX));
        told = true;
    } else if (!session->broken) {
        uint8_t frame[PIT_WIRE_FRAME_BYTES_MAX];
        size_t size = pit_message_encode(&egress->message, frame, sizeof frame);
        told = pit_egress_append(egress, session, frame, size);
    }
    pit_egress_count(told ? &egress->counters.reports : &egress->counters.reports_lost, 1);
}

/* The session of an account, or NULL. */
static struct pit_egress_session *session_of(struct pit_egress *egress, uint32_t account)
{
    uint32_t number = pit_accounts_find(&egress->accounts, account);
    if (number == PIT_ACCOUNTS_NONE) {
        pit_egress_count(&egress->counters.reports_homeless, 1);
        return NULL;
    }
    return &egress->sessions[number];
}

/* What all reports of an event have in common, from the view of the order in its subject fields. */
static void fill_report(struct pit_egress *egress, const struct pit_event *event)
{
    struct pit_message *message = &egress->message;
    message->request = event->request;
    message->sequence = event->sequence;
    message->time_ns = event->time_ns;
    message->symbol = event->symbol;
    message->order_id = event->order_id;
    message->client_id = event->client_id;
    message->flags = event->flags & PIT_REPORT_FLAGS;
    message->side = (enum pit_side)event->side;
    message->price = event->price;
    message->quantity = event->quantity;
}

static void tell_trade(struct pit_egress *egress, const struct pit_event *event)
{
    struct pit_message *message = &egress->message;
    pit_egress_count(&egress->counters.trades, 1);
    fill_report(egress, event);
    message->kind = PIT_MESSAGE_TRADE;
    message->number = event->number;
    struct pit_egress_session *session = session_of(egress, event->account);
    if (session) {
        message->request = 0; /* the maker asked for nothing now */
        message->flags = 0;
        message->side = event->side == PIT_SIDE_BUY ? PIT_SIDE_SELL : PIT_SIDE_BUY;
        message->liquidity = 0;
        message->leaves = event->leaves;
        report(egress, session);
    }
    session = session_of(egress, event->taker_account);
    if (session) {
        message->request = event->request;
        message->flags = event->flags & PIT_EVENT_LAST;
        message->side = (enum pit_side)event->side;
        message->liquidity = 1;
        message->leaves = event->taker_leaves;
        message->order_id = event->taker_order_id;
        message->client_id = event->taker_client_id;
        report(egress, session);
    }
}

/* The message kind of a refused command; the two enumerations differ by the kinds before NEW. */
static uint8_t refused_kind(uint8_t command_kind)
{
    switch (command_kind) {
    case PIT_COMMAND_NEW:
        return PIT_MESSAGE_NEW;
    case PIT_COMMAND_CANCEL:
        return PIT_MESSAGE_CANCEL;
    case PIT_COMMAND_REDUCE:
        return PIT_MESSAGE_REDUCE;
    case PIT_COMMAND_REPLACE:
        return PIT_MESSAGE_REPLACE;
    case PIT_COMMAND_STATE:
        return PIT_MESSAGE_STATE;
    default:
        return 0;
    }
}

/* Tells one event that concerns only the account that sent the command. */
static void tell_requester(struct pit_egress *egress, const struct pit_event *event)
{
    struct pit_message *message = &egress->message;
    struct pit_egress_session *session = session_of(egress, event->account);
    if (!session)
        return;
    fill_report(egress, event);
    switch (event->kind) {
    case PIT_EVENT_ACCEPTED:
        message->kind = PIT_MESSAGE_ACCEPTED;
        break;
    case PIT_EVENT_REJECTED:
        message->kind = PIT_MESSAGE_REJECTED;
        message->rejected_kind = refused_kind(pit_event_rejected_kind(event));
        message->reason = (enum pit_reason)event->reason;
        break;
    case PIT_EVENT_RESTED:
        message->kind = PIT_MESSAGE_RESTED;
        break;
    case PIT_EVENT_CANCELLED:
        message->kind = PIT_MESSAGE_CANCELLED;
        message->reason = (enum pit_reason)event->reason;
        break;
    case PIT_EVENT_REDUCED:
        message->kind = PIT_MESSAGE_REDUCED;
        message->quantity_old = event->quantity_old;
        break;
    case PIT_EVENT_REPLACED:
        message->kind = PIT_MESSAGE_REPLACED;
        message->quantity_old = event->quantity_old;
        message->price_old = event->price_old;
        break;
    case PIT_EVENT_STATE:
        message->kind = PIT_MESSAGE_STATE_CHANGED;
        message->state = (enum pit_trading_state)event->quantity;
        break;
    default:
        PIT_CHECK(false); /* a matcher wrote something that no book does */
    }
    report(egress, session);
}

/* A request has got its last report. */
static void answered(struct pit_egress *egress, uint32_t account)
{
    uint32_t number = pit_accounts_find(&egress->accounts, account);
    if (number != PIT_ACCOUNTS_NONE)
        pit_word_store_relaxed(&egress->board[number].answered, ++egress->sessions[number].answered);
}

static enum pit_message_kind outcome_of(uint8_t event_kind)
{
    switch (event_kind) {
    case PIT_EVENT_ACCEPTED:
        return PIT_MESSAGE_ACCEPTED;
    case PIT_EVENT_REJECTED:
        return PIT_MESSAGE_REJECTED;
    case PIT_EVENT_CANCELLED:
        return PIT_MESSAGE_CANCELLED;
    case PIT_EVENT_REDUCED:
        return PIT_MESSAGE_REDUCED;
    case PIT_EVENT_REPLACED:
        return PIT_MESSAGE_REPLACED;
    default:
        return PIT_MESSAGE_STATE_CHANGED;
    }
}

void pit_egress_resume(struct pit_egress *egress, struct pit_egress_session *session)
{
    uint64_t *resumed = &egress->board[pit_egress_number(egress, session)].resumed;
    if (!pit_results_admits(egress->results, session->account)) {
        pit_word_store_relaxed(resumed, PIT_SESSION_NOT_RESUMED);
        return;
    }
    egress->message.kind = PIT_MESSAGE_RESUMED;
    egress->message.request = pit_results_last(egress->results, session->account);
    egress->message.window = PIT_RESULTS_WINDOW;
    report(egress, session);
    pit_word_store_relaxed(resumed, UINT64_C(1) + egress->message.request);
}

void pit_egress_repeat(struct pit_egress *egress, struct pit_egress_session *session, uint32_t request)
{
    struct pit_message *message = &egress->message;
    const struct pit_result nothing = {.request = request}, *result = &nothing;
    const enum pit_results_known known = pit_results_find(egress->results, session->account, request, &result);
    pit_egress_count(&egress->counters.repeats, 1);
    message->kind = PIT_MESSAGE_RESULT;
    message->request = request;
    message->sequence = result->sequence;
    message->symbol = result->symbol;
    message->order_id = result->order_id;
    message->traded = result->traded;
    message->open = result->open;
    message->outcome = (uint8_t)(known == PIT_RESULTS_FOUND       ? outcome_of(result->kind)
                                 : known == PIT_RESULTS_NOT_TAKEN ? PIT_MESSAGE_REJECTED
                                                                  : 0);
    message->reason = known == PIT_RESULTS_FOUND       ? (enum pit_reason)result->reason
                      : known == PIT_RESULTS_NOT_TAKEN ? PIT_REASON_NOT_TAKEN
                                                       : PIT_REASON_NOT_KEPT;
    report(egress, session);
}

void pit_egress_tell(struct pit_egress *egress, struct pit_egress_matcher *source, const struct pit_event *event,
                     uint64_t utc_ns)
{
    bool trade = event->kind == PIT_EVENT_TRADE;
    pit_results_add(egress->results, &source->progress, event, event->sequence);
    if (trade)
        tell_trade(egress, event);
    else if (event->kind != PIT_EVENT_DEFINED)
        tell_requester(egress, event);
    if (event->kind == PIT_EVENT_REJECTED)
        pit_egress_count(&egress->counters.rejects, 1);
    if (!(event->flags & PIT_EVENT_LAST))
        return;
    pit_egress_count(&egress->counters.commands, 1);
    if (event->kind == PIT_EVENT_DEFINED)
        return;
    answered(egress, trade ? event->taker_account : event->account);
    pit_histogram_record(&egress->latency, utc_ns > event->time_ns ? utc_ns - event->time_ns : 0);
}
