/* stages/gateway_session.c - one session of the gateway: what egress is told of it, receiving, closing. */
#include "stages/gateway_session.h"

#include <errno.h>
#include <string.h>

#include "ring/check.h"

bool pit_gateway_may_say(struct pit_gateway *gateway)
{
    if (pit_ring_room(gateway->notes, PIT_GATEWAY_NOTES_SPARE) >= PIT_GATEWAY_NOTES_SPARE)
        return true;
    pit_gateway_count(&gateway->counters.notes_full, 1);
    gateway->held = true;
    return false;
}

/* Claims a note and fills everything but its data. */
static struct pit_session_note *claim_note(struct pit_gateway *gateway, const struct pit_gateway_session *session,
                                           enum pit_session_note_kind kind, uint64_t *sequence)
{
    *sequence = pit_ring_claim(gateway->notes, 1);
    PIT_CHECK(*sequence != PIT_SEQUENCE_NONE); /* pit_gateway_may_say was asked */
    struct pit_session_note *note = pit_ring_slot(gateway->notes, *sequence);
    note->kind = kind;
    note->session = pit_gateway_number(gateway, session);
    note->socket = session->socket;
    note->account = session->account;
    note->command = session->last_command;
    note->bytes = 0;
    note->zero = 0;
    note->epoch = session->epoch;
    memset(note->zeros, 0, sizeof note->zeros);
    return note;
}

void pit_gateway_say_now(struct pit_gateway *gateway)
{
    if (!gateway->open_note)
        return;
    gateway->open_note = NULL;
    pit_ring_publish(gateway->notes, gateway->open_sequence, 1);
    gateway->done++;
}

void pit_gateway_say(struct pit_gateway *gateway, struct pit_gateway_session *session,
                     const struct pit_message *message)
{
    struct pit_session_note *note = gateway->open_note;
    if (note && note->session == pit_gateway_number(gateway, session) && note->kind == PIT_SESSION_SEND) {
        size_t bytes = pit_message_encode(message, note->data + note->bytes, sizeof note->data - note->bytes);
        note->bytes += (uint32_t)bytes;
        if (bytes)
            return;
    }
    pit_gateway_say_now(gateway);
    note = claim_note(gateway, session, PIT_SESSION_SEND, &gateway->open_sequence);
    note->bytes = (uint32_t)pit_message_encode(message, note->data, sizeof note->data);
    gateway->open_note = note;
}

void pit_gateway_repeat(struct pit_gateway *gateway, struct pit_gateway_session *session, uint32_t request)
{
    struct pit_session_note *note = gateway->open_note;
    if (!note || note->session != pit_gateway_number(gateway, session) || note->kind != PIT_SESSION_REPEAT ||
        note->bytes + sizeof request > sizeof note->data) {
        pit_gateway_say_now(gateway);
        note = claim_note(gateway, session, PIT_SESSION_REPEAT, &gateway->open_sequence);
        gateway->open_note = note;
    }
    memcpy(note->data + note->bytes, &request, sizeof request);
    note->bytes += (uint32_t)sizeof request;
}

uint64_t pit_gateway_note(struct pit_gateway *gateway, struct pit_gateway_session *session,
                          enum pit_session_note_kind kind)
{
    uint64_t sequence;
    pit_gateway_say_now(gateway);
    claim_note(gateway, session, kind, &sequence);
    pit_ring_publish(gateway->notes, sequence, 1);
    gateway->done++;
    return sequence;
}

static void watch(struct pit_gateway *gateway, struct pit_gateway_session *session, bool on)
{
    const struct pit_network *network = gateway->network;
    if (session->watched == on)
        return;
    if (!on)
        network->poller_remove(network->context, gateway->poller, session->socket);
    else if (network->poller_add(network->context, gateway->poller, session->socket) < 0)
        session->at_end = true; /* it could never be heard again */
    session->watched = on;
}

struct pit_gateway_session *pit_gateway_open(struct pit_gateway *gateway, int socket, bool spare)
{
    uint32_t number = gateway->free_numbers[--gateway->free_count];
    struct pit_gateway_session *session = &gateway->sessions[number];
    uint8_t *buffer = session->buffer;
    *session = (struct pit_gateway_session){
        .state = PIT_GATEWAY_LOGON,
        .socket = socket,
        .spare = spare,
        .readable = true,
        .buffer = buffer,
        .opened = gateway->counters.sessions_opened,
        .opened_ns = gateway->now_ns,
        .heard_ns = gateway->now_ns,
        .waits_for = PIT_ACCOUNTS_NONE,
    };
    gateway->normal_count += !spare;
    gateway->handles[socket] = number + 1;
    pit_gateway_count(&gateway->counters.sessions, 1);
    pit_gateway_note(gateway, session, PIT_SESSION_OPEN);
    watch(gateway, session, true);
    pit_gateway_activate(gateway, session);
    return session;
}

void pit_gateway_release(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    uint32_t number = pit_gateway_number(gateway, session);
    watch(gateway, session, false);
    gateway->handles[session->socket] = 0;
    gateway->network->close(gateway->network->context, session->socket);
    pit_accounts_remove(&gateway->claims, session->account, number);
    for (uint32_t i = 0; i < gateway->sessions_count; i++)
        if (gateway->sessions[i].waits_for == number)
            gateway->sessions[i].waits_for = PIT_ACCOUNTS_NONE;
    session->state = PIT_GATEWAY_FREE;
    gateway->normal_count -= !session->spare;
    gateway->free_numbers[gateway->free_count++] = number;
    pit_gateway_count(&gateway->counters.sessions, UINT64_MAX); /* one less */
    gateway->done++;
}

/* Publishes CLOSE when the session ring has room for it. */
static void try_close(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    pit_gateway_say_now(gateway);
    if (pit_ring_room(gateway->notes, 1) == 0) {
        gateway->held = true;
        return;
    }
    struct pit_session_note *note = claim_note(gateway, session, PIT_SESSION_CLOSE, &session->close_note);
    if (gateway->node)
        note->command = session->accepted; /* which sequences those commands get is not known here */
    else if (gateway->draining)            /* it also hears what the last commands of others did to its orders */
        note->command = gateway->intake_last;
    note->bytes = session->farewell_bytes;
    memcpy(note->data, session->farewell, session->farewell_bytes);
    pit_ring_publish(gateway->notes, session->close_note, 1);
    session->state = PIT_GATEWAY_ENDING;
    gateway->done++;
}

void pit_gateway_close(struct pit_gateway *gateway, struct pit_gateway_session *session, enum pit_reason reason,
                       const char *text)
{
    if (!session->spare && (session->state == PIT_GATEWAY_LOGON || session->state == PIT_GATEWAY_PROOF)) {
        session->spare = true; /* its place is free at once: it has no reports to wait for */
        gateway->normal_count--;
    }
    session->state = PIT_GATEWAY_CLOSING;
    session->farewell_bytes = 0;
    if (text) {
        struct pit_message *bye = &gateway->answer;
        bye->kind = PIT_MESSAGE_BYE;
        bye->reason = reason;
        size_t n = 0;
        for (; n < sizeof bye->text - 1 && text[n]; n++)
            bye->text[n] = text[n] < ' ' || text[n] > '~' ? '?' : text[n];
        bye->text[n] = 0;
        session->farewell_bytes = (uint32_t)pit_message_encode(bye, session->farewell, sizeof session->farewell);
    }
    try_close(gateway, session);
    pit_gateway_activate(gateway, session);
}

void pit_gateway_close_malformed(struct pit_gateway *gateway, struct pit_gateway_session *session, const char *text)
{
    pit_gateway_count(&gateway->counters.malformed, 1);
    pit_gateway_close(gateway, session, PIT_REASON_BAD_REQUEST, text);
}

/* Reads once from the socket into what is free of the buffer. */
static void receive(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    if (session->read) {
        memmove(session->buffer, session->buffer + session->read, session->write - session->read);
        session->write -= session->read;
        session->read = 0;
    }
    uint32_t room = gateway->limits.receive_bytes - session->write;
    int64_t got =
        gateway->network->receive(gateway->network->context, session->socket, session->buffer + session->write, room);
    if (got == -EAGAIN) {
        session->readable = false;
    } else if (got <= 0) {
        session->at_end = true;
        session->readable = false;
        watch(gateway, session, false);
        gateway->done++;
    } else {
        session->write += (uint32_t)got;
        session->readable = got == room; /* otherwise the poller tells when there is more */
        session->heard_ns = gateway->now_ns;
        session->asked = 0;
        pit_gateway_count(&gateway->counters.bytes, (uint64_t)got);
        gateway->done++;
    }
}

/* Receives unless a whole frame waits to be parsed already; so the buffer always has room. */
static void receive_more(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    if (session->readable && !session->at_end &&
        pit_frame_find(session->buffer + session->read, session->write - session->read) == 0)
        receive(gateway, session);
}

/* Parses, and closes when the stream has ended and everything before its end is parsed. */
static bool turn_reading(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    enum pit_gateway_state before = session->state;
    receive_more(gateway, session);
    bool more = pit_gateway_parse(gateway, session);
    if (session->state == PIT_GATEWAY_CLOSING || session->state == PIT_GATEWAY_ENDING)
        return true;
    if (session->at_end && !more && session->state == before) {
        pit_gateway_close(gateway, session, PIT_REASON_NONE, NULL);
        return true;
    }
    return more || session->readable || session->at_end || session->state != before;
}

/* A live session is not read while it leaves its reports unread, or has asked for too much that is not answered yet. */
static bool must_pause(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    bool unread = pit_word_load_relaxed(&pit_gateway_board(gateway, session)->backlog) != 0;
    bool pause = unread || pit_gateway_requests(gateway, session) >= gateway->limits.requests_max;
    if (pause && !session->paused)
        pit_gateway_count(&gateway->counters.paused, 1);
    if (!unread && pause)
        session->heard_ns = gateway->now_ns; /* the pipeline keeps it waiting, not the other way round */
    session->paused = pause;
    watch(gateway, session, !pause && !session->at_end);
    return pause;
}

static bool turn_live(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    const struct pit_session_board *board = pit_gateway_board(gateway, session);
    if (pit_word_load_relaxed(&board->broken)) {
        pit_gateway_close(gateway, session, PIT_REASON_NONE, NULL);
        return true;
    }
    if (gateway->draining) {
        session->refusing = true;
        receive_more(gateway, session);
        pit_gateway_parse(gateway, session);
        if (session->state == PIT_GATEWAY_LIVE)
            pit_gateway_close(gateway, session, PIT_REASON_SHUTTING_DOWN, "shutting down");
        return true;
    }
    if (gateway->startup_done < gateway->startup_count) {
        gateway->held = true;
        return true;
    }
    if (must_pause(gateway, session)) /* unread reports take their time: the look at time limits comes back to it */
        return pit_word_load_relaxed(&board->backlog) == 0;
    return turn_reading(gateway, session);
}

/* Waits for egress. What still arrives is taken off the socket, so that closing it loses nothing of what was sent. */
static bool turn_ending(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    if (pit_word_load_acquire(&pit_gateway_board(gateway, session)->ended) == session->close_note) {
        pit_gateway_release(gateway, session);
        return false;
    }
    if (session->refusing) {
        receive_more(gateway, session);
        pit_gateway_parse(gateway, session);
    } else if (session->readable && !session->at_end) {
        session->read = session->write = 0;
        receive(gateway, session);
    }
    return true;
}

bool pit_gateway_turn(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    gateway->time_fresh = false;
    switch (session->state) {
    case PIT_GATEWAY_FREE:
        return false;
    case PIT_GATEWAY_LOGON:
    case PIT_GATEWAY_PROOF:
    case PIT_GATEWAY_TAKING:
    case PIT_GATEWAY_WELCOMING:
        if (gateway->draining) {
            pit_gateway_close(gateway, session, PIT_REASON_SHUTTING_DOWN, "shutting down");
            return true;
        }
        if (session->state == PIT_GATEWAY_LOGON || session->state == PIT_GATEWAY_PROOF)
            return turn_reading(gateway, session);
        watch(gateway, session, false); /* it is read again when it is live */
        session->readable = true;
        pit_gateway_welcome(gateway, session);
        return true;
    case PIT_GATEWAY_LIVE:
        return turn_live(gateway, session);
    case PIT_GATEWAY_CLOSING:
        try_close(gateway, session);
        return true;
    case PIT_GATEWAY_ENDING:
        return turn_ending(gateway, session);
    }
    return false;
}
