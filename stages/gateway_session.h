/* stages/gateway_session.h - what the files of the gateway share; nobody else includes it.
 *
 *   gateway.c           the agent: listeners, turns, time limits, shutdown
 *   gateway_session.c   one session: its notes to egress, receiving, closing
 *   gateway_logon.c     from CHALLENGE to the last SYMBOL
 *   gateway_commands.c  from frames to commands in the input ring
 *   gateway_node.c      what a node of a cluster does besides
 */
#ifndef PIT_STAGES_GATEWAY_SESSION_H
#define PIT_STAGES_GATEWAY_SESSION_H

#include "stages/accounts.h"
#include "stages/gateway.h"

#define PIT_GATEWAY_NOTES_SPARE 4u /* room in the session ring that one message may need, with its close */
#define PIT_GATEWAY_READY_MAX 256u
#define PIT_GATEWAY_HOST_BYTES 64u /* more than an address in numbers takes; of a Unix socket the beginning counts */
#define PIT_GATEWAY_HANDLES_MAX 65536u

enum pit_gateway_state {
    PIT_GATEWAY_FREE = 0,
    PIT_GATEWAY_LOGON,     /* challenged; waits for LOGON */
    PIT_GATEWAY_PROOF,     /* waits for PROOF */
    PIT_GATEWAY_TAKING,    /* proved; an older session of the account has to end first */
    PIT_GATEWAY_WELCOMING, /* is being told the symbols */
    PIT_GATEWAY_LIVE,
    PIT_GATEWAY_CLOSING, /* CLOSE waits for room in the session ring */
    PIT_GATEWAY_ENDING,  /* CLOSE is published; egress has not finished yet. What is received goes nowhere */
};

struct pit_gateway_session {
    enum pit_gateway_state state;
    int socket;
    uint32_t account;
    bool operates;
    bool spare;    /* not counted: one too many, or closing without ever having logged on */
    bool watched;  /* in the poller */
    bool active;   /* in the list of those that get a turn */
    bool readable; /* the socket may have something */
    bool at_end;   /* the stream has ended or broken */
    bool paused;   /* not read until its reports are */
    bool refusing; /* shutting down: commands are still answered */
    bool resumes;  /* its requests rise, and none is done twice */
    bool waits;    /* for egress to say which the account's last request was */
    uint32_t read; /* buffer[read .. write) is received and not yet parsed */
    uint32_t write;
    uint8_t *buffer;
    uint64_t opened;    /* in the order of connecting */
    uint64_t opened_ns; /* monotonic */
    uint64_t heard_ns;  /* monotonic: the last bytes; WELCOMING: when it last took some of the list */
    uint64_t rate_ns;   /* monotonic: when the bucket will be full again */
    uint32_t asked;     /* signs of life asked for since heard_ns */
    uint32_t waits_for; /* TAKING: the session that has to end first, or PIT_ACCOUNTS_NONE */
    uint32_t welcomed;  /* WELCOMING: symbols told */
    uint64_t welcome_note;
    uint64_t accepted;     /* commands of the session in the input ring */
    uint64_t last_command; /* the last of them */
    uint64_t epoch;        /* in a cluster: of its logon */
    uint64_t proof;        /* TAKING, in a cluster: the proof it waits for; 0 = it is there, */
    uint64_t proved;       /* with this sequence */
    uint32_t resumed;      /* resumes: the account's last request when it logged on */
    uint32_t taken;        /* likewise, and of the commands taken since */
    uint64_t close_note;
    char host[PIT_GATEWAY_HOST_BYTES]; /* that it comes from */
    uint32_t farewell_bytes;
    uint8_t farewell[PIT_WIRE_FRAME_BYTES_MAX];
    uint8_t nonce[PIT_WIRE_NONCE_BYTES];
};

struct pit_gateway {
    const struct pit_network *network;
    const struct pit_clock *clock;
    const struct pit_control *control;
    struct pit_ring *input;
    struct pit_ring *notes;
    const struct pit_session_board *board;
    const struct pit_sequence *intake_word; /* NULL = always everything */
    const struct pit_node_board *node;      /* NULL = no cluster */
    struct pit_intake_board *intake_board;
    const uint64_t *covered; /* by egress */
    char clients[PIT_CLUSTER_NODES_MAX + 1][PIT_WIRE_TEXT_BYTES];
    uint64_t epoch; /* the node board's, as last seen; 0 = this node does not lead */
    struct pit_gateway_limits limits;
    void (*random)(void *context, void *bytes, size_t count);
    void *random_context;
    char name[PIT_WIRE_NAME_BYTES];

    struct pit_symbol_definition *symbols;
    uint32_t symbols_count;
    struct pit_command *startup;
    uint32_t startup_count;
    uint32_t startup_done;
    struct pit_gateway_account *accounts;
    bool keyed;
    struct pit_accounts account_places; /* account -> place in accounts */
    struct pit_accounts claims;         /* account -> the session that speaks, or is about to speak, for it */

    int listeners[PIT_GATEWAY_ADDRESSES_MAX];
    uint32_t listeners_count;
    bool deaf; /* the listeners are not in the poller: the machine has no handle or memory for one more connection */
    int poller;
    int idle_poller;   /* watches nothing: to sleep on while sockets are left unread on purpose */
    uint32_t *handles; /* handle -> 1 + session number; 0 = no session's */

    struct pit_gateway_session *sessions;
    uint8_t *buffers;
    uint32_t sessions_count; /* with the spare ones */
    uint32_t normal_count;   /* open, without the spare ones */
    uint32_t *free_numbers;
    uint32_t free_count;
    uint32_t *active; /* sessions that get a turn in the next do_work */
    uint32_t active_count;
    uint32_t *turns; /* those of this do_work */
    uint32_t turn_first;

    struct pit_network_ready ready[PIT_GATEWAY_READY_MAX];
    int ready_count;
    struct pit_decoder *decoder;
    struct pit_message message; /* in the making, or just decoded */
    struct pit_message answer;

    uint64_t now_ns;        /* monotonic, of this turn */
    uint64_t time_ns;       /* UTC, of the last command; never falls */
    bool time_fresh;        /* time_ns was taken in the session's turn */
    uint64_t stalled_ns;    /* monotonic: since when the input ring has no room; 0 = it has */
    uint64_t scanned_ns;    /* monotonic: the last look at time limits */
    bool held;              /* sockets were left unread in this do_work for want of room in a ring */
    bool draining;          /* the phase is DRAIN */
    enum pit_intake intake; /* of this do_work */
    uint64_t batch_first;   /* commands claimed and not yet published */
    uint32_t batch_count;
    struct pit_session_note *open_note; /* SEND or REPEAT, being filled */
    uint64_t open_sequence;
    uint32_t done; /* work of this do_work */

    struct pit_gateway_counters counters;
    /* For the controller. */
    uint64_t started;
    uint64_t intake_last;
    uint64_t intake_closed;
    uint64_t drained;
};

static inline void pit_gateway_count(uint64_t *counter, uint64_t more)
{
    pit_word_store_relaxed(counter, *counter + more);
}

static inline uint32_t pit_gateway_number(const struct pit_gateway *gateway, const struct pit_gateway_session *session)
{
    return (uint32_t)(session - gateway->sessions);
}

static inline const struct pit_session_board *pit_gateway_board(const struct pit_gateway *gateway,
                                                                const struct pit_gateway_session *session)
{
    return &gateway->board[pit_gateway_number(gateway, session)];
}

/* Gives a session a turn in the next do_work. */
void pit_gateway_activate(struct pit_gateway *gateway, struct pit_gateway_session *session);

/* ---- gateway_session.c ---- */

/* True when the session ring has room for one more message's worth of notes; otherwise the turn ends. */
bool pit_gateway_may_say(struct pit_gateway *gateway);

/* Adds a message to the session's SEND note. Assumes pit_gateway_may_say. */
void pit_gateway_say(struct pit_gateway *gateway, struct pit_gateway_session *session,
                     const struct pit_message *message);

/* Adds a request to the session's REPEAT note. Assumes pit_gateway_may_say. */
void pit_gateway_repeat(struct pit_gateway *gateway, struct pit_gateway_session *session, uint32_t request);

/* Publishes the SEND or REPEAT note that is being filled. */
void pit_gateway_say_now(struct pit_gateway *gateway);

/* Publishes a note without data. Assumes pit_gateway_may_say. Returns its sequence. */
uint64_t pit_gateway_note(struct pit_gateway *gateway, struct pit_gateway_session *session,
                          enum pit_session_note_kind kind);

/* Takes a free session number for a connection and tells egress. Assumes pit_gateway_may_say and that one is free. */
struct pit_gateway_session *pit_gateway_open(struct pit_gateway *gateway, int socket, bool spare);

/* Closes a session behind the reports of its commands; text (NULL = say nothing) goes into the BYE. */
void pit_gateway_close(struct pit_gateway *gateway, struct pit_gateway_session *session, enum pit_reason reason,
                       const char *text);

/* Closes a session for a message that no client may send. */
void pit_gateway_close_malformed(struct pit_gateway *gateway, struct pit_gateway_session *session, const char *text);

/* One session's turn. Returns true when it wants another without waiting for its socket. */
bool pit_gateway_turn(struct pit_gateway *gateway, struct pit_gateway_session *session);

/* Closes the socket and frees the number. */
void pit_gateway_release(struct pit_gateway *gateway, struct pit_gateway_session *session);

/* ---- gateway_node.c ---- */

/* In a cluster: looks whether this node leads. When it no longer does, every session that has logged on is closed. */
void pit_gateway_follow_node(struct pit_gateway *gateway);

/* In a cluster: closes a session with the address of the node that leads. */
void pit_gateway_redirect(struct pit_gateway *gateway, struct pit_gateway_session *session);

/* Asks the node to prove, for a session that logs on, that it leads: one that others have replaced may not know it yet.
 */
void pit_gateway_ask_proof(struct pit_gateway *gateway, struct pit_gateway_session *session);

/* True when the proof is there, and egress has told all that was committed up to then. Without a cluster: true. */
bool pit_gateway_proved(const struct pit_gateway *gateway, struct pit_gateway_session *session);

/* ---- gateway_logon.c ---- */

void pit_gateway_challenge(struct pit_gateway *gateway, struct pit_gateway_session *session);

/* A message before the session is live. */
void pit_gateway_logon(struct pit_gateway *gateway, struct pit_gateway_session *session,
                       const struct pit_message *message);

/* TAKING and WELCOMING: goes on as far as egress has come. */
void pit_gateway_welcome(struct pit_gateway *gateway, struct pit_gateway_session *session);

/* ---- gateway_commands.c ---- */

/* Parses what the session has received, at most turn_messages. Returns true when there may be more to parse. */
bool pit_gateway_parse(struct pit_gateway *gateway, struct pit_gateway_session *session);

/* Unanswered requests of a session. */
uint64_t pit_gateway_requests(const struct pit_gateway *gateway, const struct pit_gateway_session *session);

/* True when the input ring has room for a command. Once it was full it has to have room for many, so that the readers'
 * cursors are not fetched for every single slot. */
bool pit_gateway_may_enter(struct pit_gateway *gateway);

/* Publishes the commands claimed so far. */
void pit_gateway_publish(struct pit_gateway *gateway);

/* Puts start-up commands into the input ring as far as there is room. */
void pit_gateway_start(struct pit_gateway *gateway);

#endif
