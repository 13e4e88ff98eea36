/* stages/egress_session.h - what the files of egress share; nobody else includes it.
 *
 *   egress.c          the agent: output rings, notes of the gateway, what is covered
 *   egress_reports.c  from events to reports, and what is known of requests that come again
 *   egress_outbox.c   one session: its outbox, sending, closing
 */
#ifndef PIT_STAGES_EGRESS_SESSION_H
#define PIT_STAGES_EGRESS_SESSION_H

#include "book/event.h"
#include "stages/accounts.h"
#include "stages/egress.h"
#include "wire/message.h"

enum pit_egress_state { PIT_EGRESS_FREE = 0, PIT_EGRESS_OPEN, PIT_EGRESS_CLOSING };

struct pit_egress_session {
    enum pit_egress_state state;
    int socket;
    uint32_t account; /* 0 before LOGON */
    bool broken;      /* nothing is sent any more */
    bool pending;     /* in the list of those with bytes to send */
    bool parted;      /* the farewell is in the outbox */
    bool late;        /* its time was up before it had everything */
    uint64_t head;    /* bytes sent; outbox[head & mask .. tail & mask) is unsent */
    uint64_t tail;
    uint64_t retry_ns; /* monotonic: not before */
    uint64_t answered;
    uint64_t close_command;
    uint64_t close_epoch;
    uint64_t close_note;
    uint64_t deadline_ns; /* monotonic: for the client to take everything; UINT64_MAX before parted */
    uint8_t *outbox;
    uint32_t farewell_bytes;
    uint8_t farewell[PIT_WIRE_FRAME_BYTES_MAX];
};

/* One matcher. seen and target are a look at it: once reader.next is past target, everything of commands up to seen has
 * been read. */
struct pit_egress_matcher {
    struct pit_ring_reader reader;
    const struct pit_sequence *cursor;
    uint64_t seen;
    uint64_t target;
    uint64_t covered;
    uint32_t ready;             /* lines found by this turn's poll */
    struct pit_result progress; /* of the command it is in the midst of */
};

struct pit_egress {
    const struct pit_network *network;
    const struct pit_clock *clock;
    const struct pit_node_board *node; /* NULL = no cluster */
    struct pit_ring_reader notes;
    struct pit_egress_matcher *sources;
    uint32_t sources_count;
    uint32_t sessions_count;
    struct pit_egress_session *sessions;
    struct pit_session_board *board;
    uint8_t *outboxes;
    uint32_t outbox_mask;
    uint64_t close_ns;
    struct pit_accounts accounts; /* to session numbers */
    struct pit_results *results;
    uint32_t *pending; /* sessions with bytes to send */
    uint32_t pending_count;
    uint32_t *closing;
    uint32_t closing_count;
    uint64_t now_ns;            /* monotonic, of this turn */
    struct pit_message message; /* the report in the making */
    struct pit_egress_counters counters;
    struct pit_histogram latency;
};

static inline void pit_egress_count(uint64_t *counter, uint64_t more)
{
    pit_word_store_relaxed(counter, *counter + more);
}

static inline void pit_egress_count_down(uint64_t *counter, uint64_t less)
{
    pit_word_store_relaxed(counter, *counter - less);
}

static inline uint32_t pit_egress_number(const struct pit_egress *egress, const struct pit_egress_session *session)
{
    return (uint32_t)(session - egress->sessions);
}

/* ---- egress_reports.c ---- */

/* Tells one event of a matcher to whom it concerns. utc_ns is about now, for the latency. */
void pit_egress_tell(struct pit_egress *egress, struct pit_egress_matcher *matcher, const struct pit_event *event,
                     uint64_t utc_ns);

/* RESUMED, and the account's last request on the board. */
void pit_egress_resume(struct pit_egress *egress, struct pit_egress_session *session);

/* A RESULT for a request that is not done again. */
void pit_egress_repeat(struct pit_egress *egress, struct pit_egress_session *session, uint32_t request);

/* ---- egress_outbox.c ---- */

/* Copies whole frames into the outbox. A session whose outbox has no room for them is too slow: it is shut down. */
bool pit_egress_append(struct pit_egress *egress, struct pit_egress_session *session, const uint8_t *bytes,
                       uint64_t size);

/* bytes more stand in the outbox. */
void pit_egress_added(struct pit_egress *egress, struct pit_egress_session *session, uint64_t bytes);

/* Puts the farewell behind the last report of those closing sessions that have them all. However long a slow disk makes
 * that take: a session of the same account that waits for this one must not get its reports. The time limit, for the
 * client to read them, begins here. */
void pit_egress_part(struct pit_egress *egress);

/* Sends, once a session. Returns whether anything was sent. */
uint32_t pit_egress_flush(struct pit_egress *egress);

/* Ends the closing sessions that have been sent everything, or whose time is up. Returns how much it did. */
uint32_t pit_egress_end(struct pit_egress *egress);

#endif
