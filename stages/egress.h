/* stages/egress.h - the stage that sends: from the matchers' output rings to the sockets of the accounts.
 *
 * Thread:   one; the only one that writes to client sockets. It reads the session ring and every output ring as a
 *           gating reader, and writes the session board (stages/links.h) that the gateway reads.
 * Memory:   everything is allocated by pit_egress_create: outbox_bytes a session.
 * Progress: do_work never blocks. A session that does not take its reports costs only itself: when its outbox
 *           overflows, its socket taking no more, or its socket breaks it is shut down; the others do not notice.
 *
 * Reports go by account to the one live session of it. A TRADE is told to the maker's account (request 0) and then to
 * the taker's; every other event to the account that sent the command. DEFINED events concern no client. The last
 * report of a request carries PIT_EVENT_LAST. What concerns an account without a session is dropped and counted.
 *
 * Of every command's events it keeps the result (journal/results.h) before it says that the request is answered. RESUME
 * asks for the account's last request, REPEAT for results.
 *
 * Closing: after a CLOSE note the session's reports of commands up to note.command are sent, then the note's data (the
 * farewell), then the board says ended. It knows that it has them all when every matcher's cursor on the input ring had
 * reached the command and everything published to the matcher's output ring before that look at the cursor is read. In
 * a cluster, where the note cannot say which sequences the session's commands got, it counts: the session has all when
 * as many of its requests are answered as were accepted. When the node leads no more, nobody knows what comes of the
 * rest, and the farewell goes at once.
 */
#ifndef PIT_STAGES_EGRESS_H
#define PIT_STAGES_EGRESS_H

#include "journal/results.h"
#include "ring/ring.h"
#include "stages/agent.h"
#include "stages/clock.h"
#include "stages/histogram.h"
#include "stages/links.h"
#include "wire/network.h"

#define PIT_EGRESS_MATCHERS_MAX 64u
#define PIT_EGRESS_OUTBOX_BYTES_MIN (1u << 12)
#define PIT_EGRESS_OUTBOX_BYTES_MAX (1u << 28)

struct pit_egress;

/* One matcher as egress sees it. */
struct pit_egress_source {
    struct pit_ring *output;           /* of lines of struct pit_event; egress adds itself as a gating reader */
    const struct pit_sequence *cursor; /* the matcher's cursor on the input ring: it has published the events of every
                                          command up to here */
};

struct pit_egress_config {
    const struct pit_network *network;
    const struct pit_clock *clock;
    struct pit_ring *sessions; /* slots: struct pit_session_note; egress adds itself as a gating reader */
    const struct pit_egress_source *sources;
    uint32_t sources_count;
    uint32_t sessions_max;             /* the same as the gateway's, 1 .. PIT_SESSIONS_MAX */
    uint32_t outbox_bytes;             /* of one session, rounded up to a power of two; 0 = 1 MiB */
    uint32_t close_ms;                 /* how long a closing session may take to read its last reports; 0 = 2000 */
    const struct pit_node_board *node; /* of a cluster's node; NULL = no cluster */
    struct pit_results *results;       /* of every command that was recovered; egress's own while it runs */
};

/* Written by egress, read by anybody with pit_word_load_relaxed. */
struct pit_egress_counters {
    uint64_t events;           /* read from the output rings */
    uint64_t commands;         /* whose last event was read */
    uint64_t trades;           /* TRADE events read */
    uint64_t rejects;          /* REJECTED events read */
    uint64_t reports;          /* encoded into an outbox */
    uint64_t repeats;          /* requests that came again: answered from what is kept, or that it is not */
    uint64_t reports_homeless; /* dropped: the account had no session */
    uint64_t reports_lost;     /* dropped: the session's connection was broken or too slow */
    uint64_t bytes_sent;       /* to sockets */
    uint64_t sends;            /* calls that moved bytes */
    uint64_t sends_blocked;    /* calls that the socket refused for now */
    uint64_t sessions;         /* open or closing now */
    uint64_t sessions_slow;    /* shut down because the outbox overflowed */
    uint64_t sessions_broken;  /* shut down because sending failed */
    uint64_t sessions_late;    /* closed by the time limit, with reports unsent */
    uint64_t backlog_bytes;    /* in all outboxes now */
    uint64_t covered;          /* every report of commands up to here is in an outbox or sent */
};

/* Allocates everything. 0, -EINVAL (a field out of its range, a ring with too many readers), -ENOMEM. Must run before
 * any of the rings is written. */
int pit_egress_create(struct pit_egress **egress, const struct pit_egress_config *config, struct pit_error *error);
struct pit_agent pit_egress_agent(struct pit_egress *egress);
void pit_egress_destroy(struct pit_egress *egress);

/* The board the gateway needs in its configuration; valid as long as the egress. */
const struct pit_session_board *pit_egress_board(const struct pit_egress *egress);

const struct pit_egress_counters *pit_egress_counters(const struct pit_egress *egress);

/* From the time_ns of a command to its last report standing in the outbox, one value a command; live: take snapshots.
 * The clock is read once a batch. */
const struct pit_histogram *pit_egress_latency(const struct pit_egress *egress);

/* Any thread: true when every event of commands up to command is read and every outbox is empty. For the controller
 * while it drains (then it becomes true within close_ms of the gateway's closing the sessions, slow clients or not). */
bool pit_egress_flushed(const struct pit_egress *egress, uint64_t command);

#endif
