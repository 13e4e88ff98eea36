/* wire/client_parts.h - what the files of the order-entry client share; nobody else includes it.
 *
 *   client.c         sending and reading on a connection that stands
 *   client_logon.c   from an address to a session
 *   client_resume.c  a client that resumes: what it keeps, and how it finds its way back
 *
 * One thread a client. (Names that start with pit_client_ are for users.)
 */
#ifndef PIT_WIRE_CLIENT_PARTS_H
#define PIT_WIRE_CLIENT_PARTS_H

#include "pitline/client.h"
#include "wire/message.h"
#include "wire/network.h"

#define PIT_ENTRY_BUFFER_BYTES (256u * 1024u)
#define PIT_ENTRY_TIMEOUT_MS 5000u
#define PIT_ENTRY_SECOND_NS UINT64_C(1000000000)

/* What is awaited of the server. */
enum pit_entry_state {
    PIT_ENTRY_DOWN = 0, /* nothing: there is no connection */
    PIT_ENTRY_CHALLENGE,
    PIT_ENTRY_WELCOME,
    PIT_ENTRY_SYMBOLS,
    PIT_ENTRY_RESUMED, /* reports may come too */
    PIT_ENTRY_LIVE,
};

struct pit_resumption;

struct pit_client {
    const struct pit_network *network;
    int socket; /* -1 = none */
    enum pit_entry_state state;
    int ended;          /* 0, or the negative errno why nothing more comes */
    int unsendable;     /* 0, or the negative errno why nothing more goes: what has arrived is still read */
    bool heartbeat_due; /* an answer that found no room */
    bool heard;         /* something was received since this was last looked at */
    uint32_t request;   /* the last one given out */
    uint32_t heartbeat_ms;
    uint32_t symbols_count;
    uint32_t symbols_read, symbols_coming; /* while logging on */
    struct pit_client_symbol *symbols;
    struct pit_decoder *decoder;
    size_t in_start, in_end; /* received and not yet read */
    size_t out_start, out_end;
    struct pit_error error;
    uint8_t bye_reason;
    char bye[PIT_WIRE_TEXT_BYTES];
    struct pit_resumption *resumption; /* NULL: one connection, and no more */
    /* As configured. */
    uint32_t account;
    bool keyed;
    size_t key_bytes;
    uint8_t key[PIT_WIRE_KEY_BYTES_MAX];
    char name[PIT_WIRE_NAME_BYTES];
    uint64_t timeout_ns;
    uint8_t in[PIT_ENTRY_BUFFER_BYTES];
    uint8_t out[PIT_ENTRY_BUFFER_BYTES];
};

/* ---- client.c ---- */

uint64_t pit_entry_now_ns(void);

/* Puts a message into the buffer. False: it has no room, or the connection does not take any. */
bool pit_entry_put(struct pit_client *client, const struct pit_message *message);

/* The same for a frame that is encoded already. */
bool pit_entry_put_frame(struct pit_client *client, const uint8_t *frame, size_t bytes);

/* The next whole message among the bytes received: 1, 0 = none, -EPROTO (client->ended and error are set). */
int pit_entry_take(struct pit_client *client, struct pit_message *message);

/* Answers a sign of life that is due, sends, and receives what is there: 1 = something came, 0 = nothing now, negative
 * = nothing more comes (client->ended and error are set). */
int pit_entry_exchange(struct pit_client *client);

/* The next message, waiting for one if need be; results as of pit_client_poll. *deadline starts at 0 and is set from
 * wait_ns when the waiting begins: the clock is read only then. */
int pit_entry_next(struct pit_client *client, struct pit_message *message, uint64_t wait_ns, uint64_t *deadline);

/* Waits until there is something to receive, or room to send what waits; without a connection, just so long. */
void pit_entry_wait(const struct pit_client *client, uint64_t wait_ns);

/* True when the message is a report for the user; false when it was dealt with, or does not belong here
 * (client->ended). */
bool pit_entry_report(struct pit_client *client, const struct pit_message *message, struct pit_report *report);

/* ---- client_logon.c ---- */

/* Connects, and awaits the CHALLENGE. 0 or a negative errno with client->error. */
int pit_entry_connect(struct pit_client *client, const char *address);

/* One message while logging on. 0, or a negative errno with client->error: -EACCES: the server refused
 * (client->bye_reason and bye). */
int pit_entry_logon(struct pit_client *client, const struct pit_message *message);

/* Drops the connection with all that is buffered. */
void pit_entry_drop(struct pit_client *client);

/* ---- client_resume.c ---- */

/* Makes the client one that resumes. 0, -EINVAL (an address), -ENOMEM. */
int pit_entry_resume_begin(struct pit_client *client, const struct pit_client_options *options,
                           struct pit_error *error);

/* Tries until the session stands, or it is time; errors as of pit_client_open. */
int pit_entry_resume_open(struct pit_client *client, uint64_t deadline_ns, struct pit_error *error);

/* Keeps a request and sends it when it can. Returns its number, 0 = no room. */
uint32_t pit_entry_resume_request(struct pit_client *client, struct pit_message *message);

void pit_entry_resume_logout(struct pit_client *client);

/* pit_client_poll. */
int pit_entry_resume_poll(struct pit_client *client, struct pit_report *report, uint64_t wait_ns);

#endif
