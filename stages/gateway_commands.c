/* stages/gateway_commands.c - the gateway's way from frames to commands in the input ring. */
#include "stages/gateway_session.h"

#include <errno.h>
#include <string.h>

#include "book/event.h"
#include "ring/check.h"

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

uint64_t pit_gateway_requests(const struct pit_gateway *gateway, const struct pit_gateway_session *session)
{
    uint64_t answered = pit_word_load_relaxed(&pit_gateway_board(gateway, session)->answered);
    return answered < session->accepted ? session->accepted - answered : 0;
}

bool pit_gateway_may_enter(struct pit_gateway *gateway)
{
    uint32_t want = 1;
    if (gateway->stalled_ns)
        want = pit_ring_slots(gateway->input) / 8 ? pit_ring_slots(gateway->input) / 8 : 1;
    if (pit_ring_room(gateway->input, want) < want) {
        if (!gateway->stalled_ns) {
            gateway->stalled_ns = gateway->now_ns | 1;
            pit_gateway_count(&gateway->counters.stalls, 1);
        }
        return false;
    }
    if (gateway->stalled_ns) {
        if (gateway->now_ns > gateway->stalled_ns)
            pit_gateway_count(&gateway->counters.stalled_ns, gateway->now_ns - gateway->stalled_ns);
        gateway->stalled_ns = 0;
    }
    return true;
}

static bool overloaded(const struct pit_gateway *gateway)
{
    return gateway->stalled_ns && gateway->now_ns >= gateway->stalled_ns &&
           gateway->now_ns - gateway->stalled_ns >= gateway->limits.overload_ms * NS_PER_MS;
}

void pit_gateway_publish(struct pit_gateway *gateway)
{
    if (gateway->batch_count == 0)
        return;
    pit_ring_publish(gateway->input, gateway->batch_first, gateway->batch_count);
    pit_gateway_count(&gateway->counters.commands, gateway->batch_count);
    gateway->done += gateway->batch_count;
    gateway->batch_count = 0;
}

/* Claims a slot behind those of the batch. Assumes that there is room. The slot's first word is the ring's. */
static struct pit_command *claim_command(struct pit_gateway *gateway, uint64_t *sequence)
{
    *sequence = pit_ring_claim(gateway->input, 1);
    PIT_CHECK(*sequence != PIT_SEQUENCE_NONE);
    if (gateway->batch_count++ == 0)
        gateway->batch_first = *sequence;
    if (!gateway->time_fresh) {
        uint64_t utc_ns = gateway->clock->utc_ns(gateway->clock->context);
        if (utc_ns > gateway->time_ns)
            gateway->time_ns = utc_ns;
        gateway->time_fresh = true;
    }
    return pit_ring_slot(gateway->input, *sequence);
}

void pit_gateway_start(struct pit_gateway *gateway)
{
    gateway->time_fresh = false;
    while (gateway->startup_done < gateway->startup_count && pit_ring_room(gateway->input, 1)) {
        uint64_t sequence;
        const struct pit_command *from = &gateway->startup[gateway->startup_done++];
        struct pit_command *command = claim_command(gateway, &sequence);
        command->time_ns = gateway->time_ns;
        memcpy((uint8_t *)command + offsetof(struct pit_command, order_id),
               (const uint8_t *)from + offsetof(struct pit_command, order_id),
               sizeof *command - offsetof(struct pit_command, order_id));
    }
    pit_gateway_publish(gateway);
    if (gateway->startup_done == gateway->startup_count)
        pit_word_store_release(&gateway->started, 1);
}

static bool is_request(const struct pit_message *message)
{
    return message->kind >= PIT_MESSAGE_NEW && message->kind <= PIT_MESSAGE_STATE;
}

static void reject(struct pit_gateway *gateway, struct pit_gateway_session *session, const struct pit_message *message,
                   enum pit_reason reason)
{
    struct pit_message *answer = &gateway->answer;
    bool request = is_request(message);
    answer->kind = PIT_MESSAGE_REJECTED;
    answer->request = request ? message->request : 0;
    answer->sequence = 0;
    answer->time_ns = 0;
    answer->symbol = request ? message->symbol : 0;
    bool names_order = message->kind == PIT_MESSAGE_CANCEL || message->kind == PIT_MESSAGE_REDUCE ||
                       message->kind == PIT_MESSAGE_REPLACE;
    answer->order_id = names_order ? message->order_id : 0;
    answer->client_id = names_order || message->kind == PIT_MESSAGE_NEW ? message->client_id : 0;
    answer->flags = PIT_EVENT_LAST;
    answer->rejected_kind = (uint8_t)message->kind;
    answer->reason = reason;
    pit_gateway_say(gateway, session, answer);
    uint64_t *counter = reason == PIT_REASON_THROTTLED        ? &gateway->counters.rejected_throttled
                        : reason == PIT_REASON_OVERLOADED     ? &gateway->counters.rejected_overloaded
                        : reason == PIT_REASON_DISK_FULL      ? &gateway->counters.rejected_disk_full
                        : reason == PIT_REASON_NOT_PERMITTED  ? &gateway->counters.rejected_not_permitted
                        : reason == PIT_REASON_UNKNOWN_SYMBOL ? &gateway->counters.rejected_unknown_symbol
                        : reason == PIT_REASON_SHUTTING_DOWN  ? &gateway->counters.rejected_shutting_down
                                                              : &gateway->counters.rejected_bad_request;
    pit_gateway_count(counter, 1);
}

/* A bucket of rate_max messages, filled continuously, kept as the time at which it will be full again. A message takes
 * one out if there is one. */
static bool throttled(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    if (gateway->limits.rate_max == 0)
        return false;
    uint64_t cost_ns = NS_PER_S / gateway->limits.rate_max;
    uint64_t full_ns = session->rate_ns > gateway->now_ns ? session->rate_ns : gateway->now_ns;
    if (full_ns - gateway->now_ns + cost_ns > NS_PER_S)
        return true;
    session->rate_ns = full_ns + cost_ns;
    return false;
}

static bool price_in_range(int64_t price)
{
    return price >= PIT_PRICE_MIN && price <= PIT_PRICE_MAX;
}

/* What no book should have to look at. Whether a request makes sense is the book's to say. */
static enum pit_reason check(const struct pit_gateway *gateway, const struct pit_gateway_session *session,
                             const struct pit_message *message)
{
    unsigned flags = 0;
    bool good = true;
    switch (message->kind) {
    case PIT_MESSAGE_NEW:
        flags = PIT_COMMAND_MARKET | PIT_COMMAND_POST_ONLY;
        good = (unsigned)message->side <= PIT_SIDE_SELL && (unsigned)message->tif <= PIT_TIF_FOK &&
               price_in_range(message->price) && message->quantity <= PIT_QUANTITY_MAX;
        break;
    case PIT_MESSAGE_REPLACE:
        flags = PIT_COMMAND_POST_ONLY;
        good = price_in_range(message->price) && message->quantity <= PIT_QUANTITY_MAX;
        break;
    case PIT_MESSAGE_REDUCE:
        return message->quantity > PIT_QUANTITY_MAX        ? PIT_REASON_BAD_REQUEST
               : message->symbol >= gateway->symbols_count ? PIT_REASON_UNKNOWN_SYMBOL
                                                           : PIT_REASON_NONE;
    case PIT_MESSAGE_STATE:
        if (!session->operates)
            return PIT_REASON_NOT_PERMITTED;
        return (unsigned)message->state > PIT_STATE_HALTED ? PIT_REASON_BAD_REQUEST
               : message->symbol >= gateway->symbols_count ? PIT_REASON_UNKNOWN_SYMBOL
                                                           : PIT_REASON_NONE;
    default: /* CANCEL */
        return message->symbol >= gateway->symbols_count ? PIT_REASON_UNKNOWN_SYMBOL : PIT_REASON_NONE;
    }
    if (!good || (message->flags & ~flags))
        return PIT_REASON_BAD_REQUEST;
    return message->symbol >= gateway->symbols_count ? PIT_REASON_UNKNOWN_SYMBOL : PIT_REASON_NONE;
}

/* Fills line 0 but for its first word; what the kind does not use is zero, because the journal keeps the bytes. */
static void fill_command(struct pit_command *command, const struct pit_message *message)
{
    bool names_order = message->kind != PIT_MESSAGE_NEW && message->kind != PIT_MESSAGE_STATE;
    command->order_id = names_order ? message->order_id : 0;
    command->client_id = message->kind != PIT_MESSAGE_STATE ? message->client_id : 0;
    command->price = 0;
    command->quantity = 0;
    command->symbol = message->symbol;
    command->request = message->request;
    command->side = 0;
    command->tif = 0;
    command->flags = 0;
    switch (message->kind) {
    case PIT_MESSAGE_NEW:
        command->kind = PIT_COMMAND_NEW;
        command->side = (uint8_t)message->side;
        command->tif = (uint8_t)message->tif;
        command->flags = message->flags;
        command->price = message->flags & PIT_COMMAND_MARKET ? 0 : message->price;
        command->quantity = message->quantity;
        break;
    case PIT_MESSAGE_CANCEL:
        command->kind = PIT_COMMAND_CANCEL;
        break;
    case PIT_MESSAGE_REDUCE:
        command->kind = PIT_COMMAND_REDUCE;
        command->quantity = message->quantity;
        break;
    case PIT_MESSAGE_REPLACE:
        command->kind = PIT_COMMAND_REPLACE;
        command->flags = message->flags;
        command->price = message->price;
        command->quantity = message->quantity;
        break;
    default:
        command->kind = PIT_COMMAND_STATE;
        command->quantity = (uint64_t)message->state;
    }
}

/* What a full disk refuses: first what a halted symbol refuses too, then everything. */
static bool journal_refuses(const struct pit_gateway *gateway, const struct pit_message *message)
{
    if (gateway->intake == PIT_INTAKE_CANCELS)
        return message->kind == PIT_MESSAGE_NEW || message->kind == PIT_MESSAGE_REPLACE;
    return gateway->intake == PIT_INTAKE_NONE;
}

/* A request of a live session. Assumes room in the input ring unless the pipeline is overloaded or shutting down, or
 * takes nothing. */
static void handle_request(struct pit_gateway *gateway, struct pit_gateway_session *session,
                           const struct pit_message *message)
{
    enum pit_reason reason = check(gateway, session, message);
    if (reason == PIT_REASON_NONE && gateway->draining)
        reason = PIT_REASON_SHUTTING_DOWN;
    if (reason == PIT_REASON_NONE && journal_refuses(gateway, message))
        reason = PIT_REASON_DISK_FULL;
    if (reason == PIT_REASON_NONE && gateway->stalled_ns)
        reason = PIT_REASON_OVERLOADED;
    if (reason != PIT_REASON_NONE) {
        reject(gateway, session, message, reason);
        return;
    }
    uint64_t sequence;
    struct pit_command *command = claim_command(gateway, &sequence);
    fill_command(command, message);
    command->time_ns = gateway->time_ns;
    command->account = session->account;
    session->last_command = sequence;
    session->taken = message->request;
    session->accepted++;
}

/* A request that a resuming session has sent before, or passed over: it is not done now, whatever it says. */
static bool repeats(const struct pit_gateway_session *session, const struct pit_message *message)
{
    return session->resumes && is_request(message) && !pit_request_after(message->request, session->taken);
}

/* The answer to a request of the same connection may still be on its way: it is to be kept before it is asked for. */
static bool comes_too_soon(const struct pit_gateway *gateway, const struct pit_gateway_session *session,
                           const struct pit_message *message)
{
    return session->state == PIT_GATEWAY_LIVE && repeats(session, message) &&
           pit_request_after(message->request, session->resumed) && pit_gateway_requests(gateway, session) > 0;
}

static void resume(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    if (session->resumes || session->accepted) {
        pit_gateway_close_malformed(gateway, session, "resume comes once, before the first request");
        return;
    }
    pit_gateway_count(&gateway->counters.resumed, 1);
    session->resumes = session->waits = true;
    pit_gateway_note(gateway, session, PIT_SESSION_RESUME);
}

/* Whether egress has said by now which the account's last request was. */
static bool resumed(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    const uint64_t word = pit_word_load_relaxed(&pit_gateway_board(gateway, session)->resumed);
    if (word == 0)
        return false;
    session->waits = false;
    if (word == PIT_SESSION_NOT_RESUMED)
        pit_gateway_close(gateway, session, PIT_REASON_OVERLOADED, "results of too many accounts are kept");
    else
        session->resumed = session->taken = (uint32_t)(word - 1);
    return true;
}

static void handle_live(struct pit_gateway *gateway, struct pit_gateway_session *session,
                        const struct pit_message *message)
{
    switch (message->kind) {
    case PIT_MESSAGE_NEW:
    case PIT_MESSAGE_CANCEL:
    case PIT_MESSAGE_REDUCE:
    case PIT_MESSAGE_REPLACE:
    case PIT_MESSAGE_STATE:
        handle_request(gateway, session, message);
        break;
    case PIT_MESSAGE_HEARTBEAT:
        if (message->token) { /* a sign of life wants no answer */
            gateway->answer.kind = PIT_MESSAGE_HEARTBEAT;
            gateway->answer.token = message->token;
            pit_gateway_say(gateway, session, &gateway->answer);
        }
        break;
    case PIT_MESSAGE_RESUME:
        resume(gateway, session);
        break;
    case PIT_MESSAGE_LOGOUT:
        pit_gateway_close(gateway, session, PIT_REASON_REQUESTED, "logged out");
        break;
    default:
        pit_gateway_close_malformed(gateway, session, "not a message for a client that is logged on");
    }
}

/* One decoded message. code is the decoder's. */
static void handle(struct pit_gateway *gateway, struct pit_gateway_session *session, int code,
                   const struct pit_message *message, const struct pit_error *error)
{
    pit_gateway_count(&gateway->counters.messages, 1);
    if (code && code != -ERANGE) {
        if (session->state == PIT_GATEWAY_ENDING)
            session->refusing = false;
        else
            pit_gateway_close_malformed(gateway, session, error->text);
    } else if (session->state == PIT_GATEWAY_ENDING) {
        if (is_request(message) && !repeats(session, message))
            reject(gateway, session, message, PIT_REASON_SHUTTING_DOWN);
    } else if (session->state != PIT_GATEWAY_LIVE) {
        pit_gateway_logon(gateway, session, message);
    } else if (throttled(gateway, session) && is_request(message) && !repeats(session, message)) {
        /* signs of life, goodbyes and repeats count, no more */
        reject(gateway, session, message, PIT_REASON_THROTTLED);
    } else if (repeats(session, message)) {
        pit_gateway_count(&gateway->counters.repeats, 1);
        pit_gateway_repeat(gateway, session, message->request);
    } else if (code) {
        reject(gateway, session, message, PIT_REASON_BAD_REQUEST);
    } else {
        handle_live(gateway, session, message);
    }
}

/* Whether the session's next frame may be taken now. A session that is live waits for room in the input ring, until
 * that has lasted too long, and is given accepted_max commands in all. */
static bool may_parse(struct pit_gateway *gateway, const struct pit_gateway_session *session, uint64_t accepted_max)
{
    if (!pit_gateway_may_say(gateway))
        return false;
    if (session->state != PIT_GATEWAY_LIVE || gateway->draining || gateway->intake == PIT_INTAKE_NONE)
        return true;
    if (!pit_gateway_may_enter(gateway) && !overloaded(gateway)) {
        gateway->held = true;
        return false;
    }
    return session->accepted < accepted_max;
}

static bool parses(const struct pit_gateway_session *session)
{
    return session->state == PIT_GATEWAY_LIVE || session->state == PIT_GATEWAY_LOGON ||
           session->state == PIT_GATEWAY_PROOF || (session->state == PIT_GATEWAY_ENDING && session->refusing);
}

bool pit_gateway_parse(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    struct pit_error error;
    uint32_t left = gateway->limits.turn_messages;
    /* Egress writes what this looks at all the time: once a turn is enough. */
    uint64_t accepted_max = session->accepted - pit_gateway_requests(gateway, session) + gateway->limits.requests_max;
    bool more = true;
    if (session->waits && session->state == PIT_GATEWAY_LIVE && !resumed(gateway, session))
        return true;
    while (left && parses(session) && !session->waits) {
        uint8_t *bytes = session->buffer + session->read;
        int64_t size = pit_frame_find(bytes, session->write - session->read);
        if (size == 0) {
            more = false;
            break;
        }
        if (!may_parse(gateway, session, accepted_max))
            break;
        if (size < 0) {
            if (session->state == PIT_GATEWAY_ENDING)
                session->refusing = false;
            else
                pit_gateway_close_malformed(gateway, session, "a frame of 0 bytes or more than 256");
            break;
        }
        int code = pit_message_decode(gateway->decoder, bytes, (size_t)size, &gateway->message, &error);
        if ((code == 0 || code == -ERANGE) && comes_too_soon(gateway, session, &gateway->message))
            break;
        session->read += (uint32_t)size;
        left--;
        gateway->done++;
        handle(gateway, session, code, &gateway->message, &error);
    }
    pit_gateway_publish(gateway);
    pit_gateway_say_now(gateway);
    return more;
}
