/* pitline/client.h - order entry from C. docs/wire.md is the protocol underneath.
 *
 * A client is one session for one account, on a non-blocking socket; it belongs to one thread. Orders are written into
 * a buffer and leave with pit_client_flush (or when the buffer is full); reports are read with pit_client_poll.
 *
 * With options.resume it outlives its connections, the server's death and restart, and the change of leader in a
 * cluster: it keeps what is unanswered, looks for a server that takes it back (docs/wire.md, "Exactly once"), and sends
 * it again. Each request is done at most once and gets one last report; if that comes of another connection than the
 * request's own it is marked (repeated), and stands for all reports of the request. Only when nobody takes the client
 * back for give_up_ms, what is still unanswered becomes UNKNOWN. A server that has been silent for a second is asked
 * for a sign of life, and is lost when two more go by without one: of a machine without power nobody else tells. All of
 * that happens in pit_client_poll, and nothing of it blocks. An account that resumes is used by one client at a time,
 * and by none that does not resume.
 */
#ifndef PITLINE_CLIENT_H
#define PITLINE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pitline/error.h"
#include "pitline/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pit_client;

struct pit_client_options {
    const char *address; /* "tcp:HOST:PORT" or "unix:PATH"; with resume also up to 16 of them, with commas between */
    uint32_t account;    /* 1 .. */
    const uint8_t *key;  /* NULL where the server has no keys */
    size_t key_bytes;
    const char *name;    /* of the client, for the server's log; may be NULL */
    uint32_t timeout_ms; /* of connecting and logging on; 0 = 5000 */
    bool resume;
    uint32_t give_up_ms; /* resume: without an answer and a session; 0 = 30000 */
};

struct pit_client_symbol {
    uint32_t symbol;
    char name[PIT_SYMBOL_NAME_BYTES];
    uint32_t tick_mantissa, lot_mantissa;
    uint8_t tick_decimals, lot_decimals;
    int64_t price_min, price_max;
    uint64_t quantity_max;
};

enum pit_report_kind {
    PIT_REPORT_ACCEPTED = 1,
    PIT_REPORT_REJECTED = 2,
    PIT_REPORT_TRADE = 3,
    PIT_REPORT_RESTED = 4,
    PIT_REPORT_CANCELLED = 5,
    PIT_REPORT_REDUCED = 6,
    PIT_REPORT_REPLACED = 7,
    PIT_REPORT_STATE = 8,
    PIT_REPORT_HEARTBEAT = 9,
    PIT_REPORT_BYE = 10, /* the server is about to close; text says why */
    /* With resume only. */
    PIT_REPORT_UNKNOWN = 11, /* whether the request was done: the client has given up, or (reason not_kept) the server
                                does not know any more */
    PIT_REPORT_RESUMED = 12, /* the connection had been lost, and there is another, to the address in text; trades of
                                resting orders in between have not been told. No answer to any request */
};

struct pit_report {
    uint8_t kind; /* enum pit_report_kind */
    uint8_t side;
    uint8_t reason;        /* enum pit_reason: REJECTED, CANCELLED */
    bool rests;            /* ACCEPTED, REPLACED: the whole open quantity rests at price */
    bool kept;             /* REPLACED: kept its place in the queue */
    bool aggressor;        /* TRADE: your order was the incoming one */
    bool last;             /* the last report of its request: everything that request caused for you has come */
    uint8_t rejected_kind; /* REJECTED: PIT_MESSAGE_ number of what was refused */
    uint32_t request;      /* of your message that this answers; 0: somebody else's order met your resting one */
    uint32_t symbol;
    uint32_t number;
    uint64_t sequence; /* of the command that caused it; 0: refused before it entered the pipeline */
    uint64_t time_ns;
    uint64_t order_id;
    uint64_t client_id;
    int64_t price;
    uint64_t quantity;
    uint64_t leaves;
    int64_t price_old;
    uint64_t quantity_old;
    uint64_t token;   /* HEARTBEAT: the one you sent */
    uint8_t state;    /* STATE: enum pit_trading_state */
    const char *text; /* BYE, RESUMED; valid until the next poll */
    bool repeated;    /* with resume: of a request that was sent again, and stands for all of its reports. kind is that
                         of the first; reason also of what was left of an order and cancelled (ACCEPTED), or not_taken
                         (REJECTED): it was refused before it entered the pipeline, and the refusal lost */
    uint64_t traded;  /* repeated: lots that its order traded at once; leaves: lots of it that rested then. Prices and
                         quantities are 0 */
};

/* Connects, proves the key if the server asks for it, reads the symbols. Blocks for at most timeout_ms. 0, or with
 * error's text: -EINVAL: an option; -ENOMEM; -EACCES: the server refused the logon; -ETIMEDOUT; -EPROTO: what answers
 * there is no pitline; -EPROTONOSUPPORT: of another version; others: the connection's errno. With resume it tries each
 * address again and again, and follows those that know who leads, as long as timeout_ms lasts. */
int pit_client_open(struct pit_client **client, const struct pit_client_options *options, struct pit_error *error);
void pit_client_close(struct pit_client *client);

/* What pit_client_symbol and pit_client_find return is valid until the client is closed. */
uint32_t pit_client_symbols(const struct pit_client *client);
const struct pit_client_symbol *pit_client_symbol(const struct pit_client *client, uint32_t place); /* 0 .. symbols-1 */
const struct pit_client_symbol *pit_client_find(const struct pit_client *client, const char *name);

struct pit_order {
    uint32_t symbol;
    uint64_t client_id;
    enum pit_side side;
    enum pit_tif tif;
    bool market;
    bool post_only;
    int64_t price;
    uint64_t quantity;
};

/* Each of these returns the request number (1 ..) its reports will carry, or 0 when the buffer is full and the socket
 * takes no more: poll, then try again. With resume it is also 0 when 255 numbers lie between this and the oldest
 * unanswered, and for good after logout or giving up; without a connection the request is kept, and sent later. */
uint32_t pit_client_new(struct pit_client *client, const struct pit_order *order);
uint32_t pit_client_cancel(struct pit_client *client, uint32_t symbol, uint64_t order_id, uint64_t client_id);
uint32_t pit_client_reduce(struct pit_client *client, uint32_t symbol, uint64_t order_id, uint64_t client_id,
                           uint64_t quantity);
uint32_t pit_client_replace(struct pit_client *client, uint32_t symbol, uint64_t order_id, uint64_t client_id,
                            int64_t price, uint64_t quantity, bool post_only);
uint32_t pit_client_state(struct pit_client *client, uint32_t symbol, enum pit_trading_state state);

/* A heartbeat has no request number: 1 = it is on its way, 0 as above, or there is no connection now. A token other
 * than 0 comes back in a report. */
uint32_t pit_client_heartbeat(struct pit_client *client, uint64_t token);

/* Says goodbye: the server still sends the reports of everything before, then closes (poll then returns -EPIPE). */
void pit_client_logout(struct pit_client *client);

/* Sends what is buffered. Returns bytes still waiting, or a negative errno when the connection is gone (with resume:
 * for good). */
int64_t pit_client_flush(struct pit_client *client);

/* The next report: 1 = filled, 0 = none now; -EPIPE = the server closed; other negative errno = the connection broke
 * (-EPROTO: the server sent what is no message). It flushes before it looks for new bytes, and answers the server's
 * heartbeats by itself. wait_ns: how long to wait for a report at most. With resume: -ETIMEDOUT = it has given up;
 * -ECONNABORTED, -ESTALE = the account is used by somebody else; each after UNKNOWN for all that was unanswered. */
int pit_client_poll(struct pit_client *client, struct pit_report *report, uint64_t wait_ns);

/* Why the connection is gone, for people; "" while it is not. Valid until the client is closed. */
const char *pit_client_error(const struct pit_client *client);

/* For poll and epoll in a program with its own loop. With resume it may change with every pit_client_poll, is -1 while
 * there is no connection, and poll is to be called every 50 ms or so even when nothing comes. */

int pit_client_socket(const struct pit_client *client);

#ifdef __cplusplus
}
#endif

#endif
