/* stages/gateway.h - the stage that terminates sessions: from client sockets to the input ring (on a node of a cluster:
 * to the intake ring).
 *
 * Thread:   one; the only writer of the input ring and of the session ring, the only reader of client sockets. It never
 *           writes to a socket: what it has to say goes as notes through the session ring to egress (stages/links.h).
 * Memory:   everything is allocated by pit_gateway_create: receive_bytes a session.
 * Progress: do_work never blocks; the agent's park sleeps until a socket has something.
 *
 * Whatever comes out of a socket is validated as hostile. A command that enters the input ring has a known symbol, an
 * account that proved itself, enums and numbers in their ranges, and zeros in every field its kind does not use;
 * whether it makes sense is the book's business. It is stamped with its sequence and the time (UTC, never falling).
 * Before any session's command come the start-up commands of the configuration.
 *
 * A session: accepted - CHALLENGE - LOGON (- PROOF) - WELCOME and the symbols - commands - LOGOUT, end of stream,
 * refusal or shutdown - BYE. One session an account: a new one closes the older one and waits until egress has finished
 * with it, so that answers to the older one's requests never reach the new one.
 *
 * Limits and their answers:
 *   sessions_max     the oldest session that has not logged on makes room, of those of the new one's host if there are
 *                    any: BYE overloaded, close. One that has logged on never does: when all have, the new one gets
 *                    BYE overloaded, close
 *   logon_ms         BYE not_permitted, close
 *   rate_max         REJECTED throttled for requests; HEARTBEAT and LOGOUT count but are never refused
 *   frame size       BYE bad_request, close (a malformed message likewise)
 *   heartbeat_ms     a session silent for three intervals: BYE, close
 *   requests_max     unanswered requests of a session, and egress's backlog for it: the gateway stops reading from it
 *   turn_messages    a session's messages in one do_work; the others have their turn before it goes on
 *   intake           the disk is full: REJECTED disk_full at once, for NEW and REPLACE while the rest of the journal is
 *                    kept for cancels, for every request when there is none
 *   overload_ms      the input ring has no room: the gateway stops parsing, and the sockets push back; once that has
 *                    lasted so long, REJECTED overloaded until there is room
 *
 * Refusals of the gateway are REJECTED messages with sequence 0.
 *
 * In a cluster only the node that leads has clients. On the others LOGON is answered with BYE not_leader, whose text is
 * the address of the node that leads, or empty where that is not known; when a node ceases to lead, all its sessions
 * get that. One that leads lets a client on when it has proved since the LOGON that it does, for it may have been
 * replaced and not know it, and when egress has told everything that was committed before; that takes as long as orders
 * do.
 *
 * After RESUME a client's requests rise. One that does not come after the last one taken of its account is not done and
 * not refused: egress answers it from the results it keeps (REPEAT). Egress knows of everything that the account sent
 * on earlier connections, because a logon waits for the end of the one before it; what came on the same connection is
 * waited for. A request that the gateway refuses is not taken.
 *
 * Shutdown, when the phase is PIT_PHASE_DRAIN: the listeners are closed, no more commands enter (commands that are read
 * still are answered REJECTED shutting_down), the intake is closed, every session is closed with BYE shutting_down
 * behind the reports of everything in the input ring. When egress has ended them all, the gateway is drained.
 */
#ifndef PIT_STAGES_GATEWAY_H
#define PIT_STAGES_GATEWAY_H

#include <stdbool.h>

#include "book/command.h"
#include "ring/ring.h"
#include "stages/agent.h"
#include "stages/clock.h"
#include "stages/cluster.h"
#include "stages/links.h"
#include "wire/message.h"
#include "wire/network.h"

#define PIT_GATEWAY_ADDRESSES_MAX 16u
#define PIT_GATEWAY_ACCOUNTS_MAX 65536u
#define PIT_GATEWAY_RECEIVE_BYTES_MIN (1u << 12)
#define PIT_GATEWAY_RECEIVE_BYTES_MAX (1u << 24)
#define PIT_GATEWAY_TURN_MESSAGES_MAX 4096u

struct pit_gateway;

/* An account with a key, or (where nobody has a key) just with rights. */
struct pit_gateway_account {
    uint32_t account;  /* 1 .. */
    bool operates;     /* may send STATE */
    uint8_t key_bytes; /* 0, or PIT_WIRE_KEY_BYTES_MIN .. MAX: all accounts of a configuration have keys or none */
    uint8_t key[PIT_WIRE_KEY_BYTES_MAX];
};

struct pit_gateway_limits {
    uint32_t sessions_max;  /* 1 .. PIT_SESSIONS_MAX; 0 = 64 */
    uint32_t rate_max;      /* messages a second of one session, after a burst of as many; 0 = no limit */
    uint32_t receive_bytes; /* buffer of one session; 0 = 64 KiB */
    uint32_t turn_messages; /* of one session in one do_work; 0 = 256 */
    uint32_t requests_max;  /* unanswered requests of one session; 0 = 8192 */
    uint32_t logon_ms;      /* from connecting to the proof; 0 = 5000 */
    uint32_t heartbeat_ms;  /* told to the client; 0 = none expected */
    uint32_t overload_ms;   /* of no room in the input ring before commands are refused; 0 = 100 */
};

/* What the gateway of a cluster's node has besides. */
struct pit_gateway_cluster {
    const struct pit_node_board *node;
    struct pit_intake_board *intake;                /* written by the gateway */
    const uint64_t *covered;                        /* of pit_egress_counters */
    const char *clients[PIT_CLUSTER_NODES_MAX + 1]; /* from 1 on: where clients reach each node; copied. At most 127
                                                       characters */
};

struct pit_gateway_config {
    const struct pit_network *network;
    const struct pit_clock *clock;
    const struct pit_control *control;
    struct pit_ring *input; /* slots: struct pit_command; its first sequence follows the recovered journal's last */
    const struct pit_gateway_cluster *cluster; /* NULL = none; else input is the intake ring, its first number is 1 */
    struct pit_ring *sessions; /* slots: struct pit_session_note; at least 16 slots, its first sequence is 1 */
    const struct pit_session_board *board;      /* pit_egress_board */
    const struct pit_sequence *intake;          /* enum pit_intake, the journaler's; NULL = always everything */
    const char *name;                           /* of the server, in WELCOME */
    const char *const *addresses;               /* where to listen */
    uint32_t addresses_count;                   /* 1 .. PIT_GATEWAY_ADDRESSES_MAX */
    const struct pit_gateway_account *accounts; /* copied */
    uint32_t accounts_count; /* 0 .. PIT_GATEWAY_ACCOUNTS_MAX; without keys any account >= 1 may log on */
    /* Every symbol, by id, those that the start-up commands define included; copied. */
    const struct pit_symbol_definition *symbols;
    uint32_t symbols_count;
    /* SYMBOL commands that go first: kind, symbol, flags, definition; account, sequence and time are stamped here.
     * Copied. */
    const struct pit_command *startup;
    uint32_t startup_count;
    uint64_t time_ns_min; /* no command gets an earlier time: the recovered journal's last time_ns, or 0 */
    struct pit_gateway_limits limits;
    /* Fills bytes with randomness nobody can foresee, for the challenge. NULL = the machine's. */
    void (*random)(void *context, void *bytes, size_t count);
    void *random_context;
};

/* Written by the gateway, read by anybody with pit_word_load_relaxed. */
struct pit_gateway_counters {
    uint64_t commands;           /* put into the input ring, start-up commands included */
    uint64_t messages;           /* decoded */
    uint64_t bytes;              /* received */
    uint64_t sessions;           /* open now, closing ones included */
    uint64_t sessions_opened;    /* since the start */
    uint64_t sessions_refused;   /* sessions_max, all of them logged on */
    uint64_t sessions_displaced; /* not logged on: closed to make room for a newer one */
    uint64_t accepts_failed;     /* for want of file descriptors or memory; tried again and again */
    uint64_t logons;
    uint64_t logons_failed;     /* unknown account or wrong proof */
    uint64_t logons_late;       /* closed for logon_ms */
    uint64_t sessions_silent;   /* closed for heartbeat_ms */
    uint64_t sessions_replaced; /* closed because the account logged on again */
    uint64_t redirected;        /* told BYE not_leader */
    uint64_t malformed;         /* messages that closed their session, oversized ones included */
    uint64_t resumed;           /* sessions that sent RESUME */
    uint64_t repeats;           /* requests of such a session that were not done again */
    uint64_t rejected_throttled;
    uint64_t rejected_overloaded;
    uint64_t rejected_disk_full;
    uint64_t rejected_not_permitted;
    uint64_t rejected_unknown_symbol;
    uint64_t rejected_bad_request;
    uint64_t rejected_shutting_down;
    uint64_t stalls;     /* times the input ring had no room */
    uint64_t stalled_ns; /* how long in all */
    uint64_t notes_full; /* turns cut short because the session ring had no room */
    uint64_t paused;     /* times a session was not read for its unanswered requests or unread reports */
};

/* Checks everything, allocates, opens the listeners. 0, -EINVAL (a field out of its range; an address that is not local
 * although no keys are configured: error says which), -ENOMEM, or what listening gave (-EADDRINUSE, -EACCES ...). */
int pit_gateway_create(struct pit_gateway **gateway, const struct pit_gateway_config *config, struct pit_error *error);
struct pit_agent pit_gateway_agent(struct pit_gateway *gateway);

/* Closes every socket that is still open. */
void pit_gateway_destroy(struct pit_gateway *gateway);

const struct pit_gateway_counters *pit_gateway_counters(const struct pit_gateway *gateway);

/* Any thread: true when the start-up commands are all in the input ring. */
bool pit_gateway_started(const struct pit_gateway *gateway);

/* Any thread: true once the phase DRAIN has been seen and no further command will enter the input ring; *last is then
 * the last sequence in it (the ring's first - 1 when it never held any). */
bool pit_gateway_intake_closed(const struct pit_gateway *gateway, uint64_t *last);

/* Any thread: true when the intake is closed and every session has got its reports (or its time limit) and is closed.
 * The controller then sets PIT_PHASE_STOP. */
bool pit_gateway_drained(const struct pit_gateway *gateway);

#endif
