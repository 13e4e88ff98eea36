/* stages/egress_outbox.c - one session of egress: its outbox, sending, closing. */
#include "stages/egress_session.h"

#include <errno.h>
#include <string.h>

#define RETRY_NS UINT64_C(200000) /* between two tries to send to a socket that takes nothing */

/* Tells the gateway when a client stops reading, and when it goes on. */
static void show_backlog(struct pit_egress *egress, struct pit_egress_session *session)
{
    uint64_t *word = &egress->board[pit_egress_number(egress, session)].backlog;
    uint64_t backlog = session->tail - session->head > egress->outbox_mask / 2;
    if (*word != backlog)
        pit_word_store_relaxed(word, backlog);
}

/* Throws away what a session has not taken. */
static void drop(struct pit_egress *egress, struct pit_egress_session *session)
{
    pit_egress_count_down(&egress->counters.backlog_bytes, session->tail - session->head);
    session->head = session->tail;
}

/* Nothing can be sent to the session any more. It stays until the gateway closes it. */
static void break_session(struct pit_egress *egress, struct pit_egress_session *session)
{
    egress->network->shutdown(egress->network->context, session->socket);
    session->broken = true;
    drop(egress, session);
    show_backlog(egress, session);
    pit_word_store_relaxed(&egress->board[pit_egress_number(egress, session)].broken, 1);
}

void pit_egress_added(struct pit_egress *egress, struct pit_egress_session *session, uint64_t bytes)
{
    session->tail += bytes;
    pit_egress_count(&egress->counters.backlog_bytes, bytes);
    if (!session->pending) {
        session->pending = true;
        egress->pending[egress->pending_count++] = pit_egress_number(egress, session);
    }
    show_backlog(egress, session);
}

/* Sends what one session has. Returns false when there is more to send later. */
static bool send_outbox(struct pit_egress *egress, struct pit_egress_session *session)
{
    const struct pit_network *network = egress->network;
    while (session->head != session->tail) {
        uint64_t place = session->head & egress->outbox_mask;
        uint64_t straight = egress->outbox_mask + 1 - place;
        uint64_t unsent = session->tail - session->head;
        size_t size = unsent < straight ? unsent : straight;
        int64_t sent = network->send(network->context, session->socket, session->outbox + place, size);
        if (sent == -EAGAIN || sent == 0) {
            pit_egress_count(&egress->counters.sends_blocked, 1);
            session->retry_ns = egress->now_ns + RETRY_NS;
            return false;
        }
        if (sent < 0) {
            pit_egress_count(&egress->counters.sessions_broken, 1);
            break_session(egress, session);
            return true;
        }
        session->head += (uint64_t)sent;
        pit_egress_count(&egress->counters.sends, 1);
        pit_egress_count(&egress->counters.bytes_sent, (uint64_t)sent);
        pit_egress_count_down(&egress->counters.backlog_bytes, (uint64_t)sent);
    }
    return true;
}

bool pit_egress_append(struct pit_egress *egress, struct pit_egress_session *session, const uint8_t *bytes,
                       uint64_t size)
{
    uint64_t mask = egress->outbox_mask;
    if (mask + 1 - (session->tail - session->head) < size)
        send_outbox(egress, session); /* what one turn has to say may be more than has room: it is not slow yet */
    if (session->broken)
        return false;
    if (mask + 1 - (session->tail - session->head) < size) {
        pit_egress_count(&egress->counters.sessions_slow, 1);
        break_session(egress, session);
        return false;
    }
    uint64_t place = session->tail & mask;
    uint64_t straight = mask + 1 - place < size ? mask + 1 - place : size;
    memcpy(session->outbox + place, bytes, straight);
    memcpy(session->outbox, bytes + straight, size - straight);
    pit_egress_added(egress, session, size);
    return true;
}

/* All reports of the session's commands are in the outbox, or will never come. */
static bool has_all(const struct pit_egress *egress, const struct pit_egress_session *session)
{
    if (!egress->node)
        return session->close_command <= egress->counters.covered;
    return session->answered >= session->close_command ||
           pit_word_load_acquire(&egress->node->leads) != session->close_epoch;
}

void pit_egress_part(struct pit_egress *egress)
{
    for (uint32_t i = 0; i < egress->closing_count; i++) {
        struct pit_egress_session *session = &egress->sessions[egress->closing[i]];
        if (session->parted || !has_all(egress, session))
            continue;
        session->parted = true;
        session->deadline_ns = egress->now_ns + egress->close_ns;
        /* Trades of its orders go on: they have nobody to tell. */
        pit_accounts_remove(&egress->accounts, session->account, pit_egress_number(egress, session));
        if (session->farewell_bytes)
            pit_egress_append(egress, session, session->farewell, session->farewell_bytes);
    }
}

static void end_session(struct pit_egress *egress, struct pit_egress_session *session)
{
    struct pit_session_board *board = &egress->board[pit_egress_number(egress, session)];
    session->state = PIT_EGRESS_FREE;
    pit_egress_count(&egress->counters.sessions_late, session->late);
    pit_egress_count_down(&egress->counters.sessions, 1);
    pit_word_store_relaxed(&board->answered, 0);
    pit_word_store_relaxed(&board->backlog, 0);
    pit_word_store_relaxed(&board->broken, 0);
    pit_word_store_relaxed(&board->resumed, 0);
    pit_word_store_release(&board->ended, session->close_note); /* the socket is the gateway's to close from here on */
}

/* Ends the closing sessions that have been sent everything. One whose time is up loses the rest, and ends in the next
 * turn, when it is no longer in the list of those with bytes to send. */
uint32_t pit_egress_end(struct pit_egress *egress)
{
    uint32_t done = 0;
    for (uint32_t i = 0; i < egress->closing_count;) {
        struct pit_egress_session *session = &egress->sessions[egress->closing[i]];
        if (session->parted && !session->pending) {
            end_session(egress, session);
            egress->closing[i] = egress->closing[--egress->closing_count];
            done++;
            continue;
        }
        if (session->parted && egress->now_ns >= session->deadline_ns && session->tail != session->head) {
            session->late = true;
            drop(egress, session);
            done++;
        }
        i++;
    }
    return done;
}

uint32_t pit_egress_flush(struct pit_egress *egress)
{
    uint64_t bytes = egress->counters.bytes_sent;
    for (uint32_t i = 0; i < egress->pending_count;) {
        struct pit_egress_session *session = &egress->sessions[egress->pending[i]];
        bool due = session->head == session->tail || egress->now_ns >= session->retry_ns ||
                   (session->state == PIT_EGRESS_CLOSING && egress->now_ns >= session->deadline_ns);
        if (due && send_outbox(egress, session)) {
            session->pending = false;
            egress->pending[i] = egress->pending[--egress->pending_count];
        } else {
            i++;
        }
        show_backlog(egress, session);
    }
    return egress->counters.bytes_sent != bytes;
}
