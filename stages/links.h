/* stages/links.h - the slots of the rings between stages, other than commands and events.
 *
 *   gateway ══ session ring ══▶ egress       who is connected, and what the gateway itself has to say to them
 *   matcher ══ digest ring  ══▶ journaler    the event digest each PIT_JOURNAL_DIGEST_EVERY commands
 *   journaler ── intake ──▶ gateway          what there is room for while the disk is full
 *
 * On a node of a cluster the replicator stands in the journaler's place, and besides:
 *   replicator ── node board ──▶ gateway, egress    whether this node leads, and when it has proved it
 *   gateway ── intake board ──▶ replicator          what of the intake ring was taken while it led; whether it is to
 *                                                   prove that it leads
 *
 * The gateway reads sockets, egress writes them. A session ends in this order: the gateway (end of stream, protocol
 * error, shutdown) publishes CLOSE; egress sends what is left and then the note's data, forgets the session and says so
 * on the board; the gateway sees that and closes the socket. Only then is the session's number used again. When egress
 * cannot send (a slow or gone client) it shuts the socket down and says so on the board, and the gateway publishes
 * CLOSE.
 */
#ifndef PIT_STAGES_LINKS_H
#define PIT_STAGES_LINKS_H

#include <stdint.h>

#define PIT_SESSIONS_MAX 4096u
#define PIT_SESSIONS_SPARE 16u /* session numbers above sessions_max, for those told that there are too many */
#define PIT_SESSION_BYTES_MAX 960u
#define PIT_SESSION_SLOTS_MAX 65536u /* of the session ring: 64 MiB */

enum pit_session_note_kind {
    PIT_SESSION_OPEN = 1,   /* a connection: session, socket */
    PIT_SESSION_LOGON = 2,  /* it speaks for account from now on; an older session of the account was closed before */
    PIT_SESSION_SEND = 3,   /* bytes: whole frames to send as they are */
    PIT_SESSION_CLOSE = 4,  /* after every report of commands up to `command` (in a cluster: of the first `command`
                               requests of the session, or when this node no longer leads in `epoch`), for which the
                               client has a time limit; data: the farewell, at most one frame */
    PIT_SESSION_RESUME = 5, /* its requests rise from here on: RESUMED goes out, the board says after which */
    PIT_SESSION_REPEAT = 6, /* data: numbers (32 bits each) of requests that are not to be done again: a RESULT each */
};

/* No results are kept of the account. */
#define PIT_SESSION_NOT_RESUMED UINT64_MAX

struct pit_session_note {
    uint64_t sequence; /* the ring's */
    uint32_t kind;     /* enum pit_session_note_kind */
    uint32_t session;  /* 0 .. sessions_max + PIT_SESSIONS_SPARE - 1, reused */
    int32_t socket;
    uint32_t account;
    uint64_t command; /* CLOSE: the last command accepted from the session; in a cluster how many were accepted */
    uint32_t bytes;   /* of data */
    uint32_t zero;
    uint64_t epoch; /* CLOSE in a cluster: the node board's when the session logged on */
    uint64_t zeros[2];
    uint8_t data[PIT_SESSION_BYTES_MAX];
};
_Static_assert(sizeof(struct pit_session_note) == 1024, "a session note is sixteen cache lines");

/* What egress tells the gateway about one session: words, written by egress, read by the gateway. They are zero when a
 * session opens. */
struct pit_session_board {
    uint64_t ended;    /* sequence of the last CLOSE note of this number that egress is done with */
    uint64_t answered; /* requests whose last report is in the outbox */
    uint64_t backlog;  /* 1 = more than half of the outbox is unsent: take no more requests for now */
    uint64_t broken;   /* 1 = nothing can be sent any more: close it */
    uint64_t resumed;  /* RESUME is heard: 1 + the account's last request; or PIT_SESSION_NOT_RESUMED */
    uint64_t zero[3];
};
_Static_assert(sizeof(struct pit_session_board) == 64, "a session's board is one cache line");

/* What the journaler tells the gateway there is room for: a word of its own, of the journaler. */
enum pit_intake {
    PIT_INTAKE_ALL = 0,
    PIT_INTAKE_CANCELS = 1, /* the disk is full, and the rest of the journal is kept for cancels, reduces and states */
    PIT_INTAKE_NONE = 2,    /* and there is no rest */
};

/* How a node stands in its cluster: words, written by the replicator alone. An epoch is one time of leading: they are
 * numbered 1, 2, ... since the start of the process. */
struct pit_node_board {
    uint64_t leads;           /* the epoch, while this node leads and takes commands; 0 = it does not */
    uint64_t leader;          /* the node that leads as far as is known; 0 = nobody knows */
    uint64_t proved;          /* the intake board's asked: since that was written this node has led, */
    uint64_t proved_sequence; /* and what was committed before ended here; written before proved */
    uint64_t zero[4];
};
_Static_assert(sizeof(struct pit_node_board) == 64, "a node's board is one cache line");

/* Which commands in the intake ring are whose: words, written by whoever writes that ring. What was published before
 * its writer had seen the present epoch is never proposed. */
struct pit_intake_board {
    uint64_t first; /* number in the intake ring of the epoch's first command; written before epoch */
    uint64_t epoch; /* the last one seen */
    uint64_t end;   /* in PIT_PHASE_DRAIN: one past the last number there will ever be; 0 = not known yet */
    uint64_t asked; /* rises when the node is to prove that it leads */
    uint64_t zero[4];
};
_Static_assert(sizeof(struct pit_intake_board) == 64, "an intake board is one cache line");

struct pit_digest_note {
    uint64_t sequence; /* the ring's */
    uint64_t command;  /* every command up to here is in the digest */
    uint64_t events;
    uint64_t events_count;
    uint64_t state; /* with full */
    uint64_t orders;
    uint64_t full;
    uint64_t zero;
};
_Static_assert(sizeof(struct pit_digest_note) == 64, "a digest note is one cache line");

#endif
