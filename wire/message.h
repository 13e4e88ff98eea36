/* wire/message.h - the client protocol: framed msgpack arrays. docs/wire.md is the specification.
 *
 *   frame:   | length: 4 bytes, big-endian, of what follows | one msgpack array |
 *   message: [kind, field, field, ...] - integers, strings and binaries only, never nested
 *
 * Encoding and decoding work in the caller's buffers and allocate nothing per message. Any thread may encode; a decoder
 * belongs to one thread.
 *
 * Logging on:   server  CHALLENGE                        at once, on connecting
 *               client  LOGON, and PROOF if the challenge has PIT_CHALLENGE_PROOF
 *               server  WELCOME, then WELCOME.symbols times SYMBOL, then anything
 * A refusal at any point is BYE and the end of the stream. A wrong proof and an unknown account get the same BYE.
 *
 * Heartbeats:   token 0 asks for or gives a sign of life: the client answers the server's 0 with a 0; the server does
 *               not answer a 0. A client's other tokens come back from the server, and the client does not answer them.
 */
#ifndef PIT_WIRE_MESSAGE_H
#define PIT_WIRE_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "pitline/error.h"
#include "pitline/types.h"

#define PIT_WIRE_VERSION 1u
#define PIT_WIRE_LENGTH_BYTES 4u
#define PIT_WIRE_MESSAGE_BYTES_MAX 256u /* of one message, without the length */
#define PIT_WIRE_FRAME_BYTES_MAX (PIT_WIRE_LENGTH_BYTES + PIT_WIRE_MESSAGE_BYTES_MAX)
#define PIT_WIRE_NONCE_BYTES 32u
#define PIT_WIRE_PROOF_BYTES 32u
#define PIT_WIRE_KEY_BYTES_MIN 16u
#define PIT_WIRE_KEY_BYTES_MAX 64u
#define PIT_WIRE_NAME_BYTES 32u
#define PIT_WIRE_TEXT_BYTES 128u
#define PIT_WIRE_ELEMENTS_MAX 24u /* of one message's array */

/* CHALLENGE: flags */
#define PIT_CHALLENGE_PROOF                                                                                            \
    0x01u /* the server has keys: PROOF must follow LOGON; without it PROOF must not be sent                           \
           */

/* Reports: the flags that travel (PIT_EVENT_RESTS, PIT_EVENT_LAST, PIT_EVENT_KEPT); encoding drops all others. */
#define PIT_REPORT_FLAGS 0x07u

/* Behind each kind its fields in order. REPORT stands for: request, sequence, time_ns, symbol, order_id, client_id,
 * flags. The side in a report is that of the reader's own order. */
enum pit_message_kind {
    /* from the client */
    PIT_MESSAGE_LOGON = 1,     /* version, account, name */
    PIT_MESSAGE_PROOF = 2,     /* proof: HMAC-SHA256(key, server nonce | account) */
    PIT_MESSAGE_NEW = 3,       /* request, symbol, client_id, side, tif, flags, price, quantity */
    PIT_MESSAGE_CANCEL = 4,    /* request, symbol, order_id, client_id */
    PIT_MESSAGE_REDUCE = 5,    /* request, symbol, order_id, client_id, quantity to take off */
    PIT_MESSAGE_REPLACE = 6,   /* request, symbol, order_id, client_id, flags, price, quantity */
    PIT_MESSAGE_STATE = 7,     /* request, symbol, state: operators only */
    PIT_MESSAGE_HEARTBEAT = 8, /* either way: token */
    PIT_MESSAGE_LOGOUT = 9,    /* reports of everything sent before still come; then the server closes */
    PIT_MESSAGE_RESUME = 10,   /* once, before the first request: from here on requests rise, and none is done twice */
    /* from the server */
    PIT_MESSAGE_CHALLENGE = 32, /* version, nonce, flags (PIT_CHALLENGE_PROOF) */
    PIT_MESSAGE_WELCOME = 33,   /* account, symbols: how many SYMBOL follow, heartbeat_ms, rate, name of the server */
    PIT_MESSAGE_SYMBOL = 34,    /* symbol, name, tick_mantissa, tick_decimals, lot_mantissa, lot_decimals, price_min,
                                   price_max, quantity_max */
    PIT_MESSAGE_ACCEPTED = 35,  /* REPORT, side, price, quantity */
    PIT_MESSAGE_REJECTED = 36,  /* REPORT, rejected_kind, reason */
    PIT_MESSAGE_TRADE = 37,     /* REPORT, number, liquidity, side, price, quantity, leaves */
    PIT_MESSAGE_RESTED = 38,    /* REPORT, side, price, quantity */
    PIT_MESSAGE_CANCELLED = 39, /* REPORT, side, reason, price, quantity */
    PIT_MESSAGE_REDUCED = 40,   /* REPORT, side, price, quantity, quantity_old */
    PIT_MESSAGE_REPLACED = 41,  /* REPORT, side, price, quantity, price_old, quantity_old */
    PIT_MESSAGE_STATE_CHANGED = 42, /* REPORT, state */
    PIT_MESSAGE_BYE = 43,           /* reason, text: the server closes after it */
    PIT_MESSAGE_RESUMED = 44,       /* request: the account's last, 0 = none; window: results kept */
    PIT_MESSAGE_RESULT = 45,        /* request, sequence, symbol, order_id, outcome, reason, traded, open */
};

/* One decoded message: the kind says which fields hold. */
struct pit_message {
    enum pit_message_kind kind;
    uint32_t request;
    uint32_t symbol;
    uint32_t account;
    uint64_t order_id;
    uint64_t client_id;
    int64_t price;
    uint64_t quantity;
    enum pit_side side;
    enum pit_tif tif;
    uint8_t flags; /* PIT_COMMAND_MARKET, PIT_COMMAND_POST_ONLY; reports: PIT_EVENT_RESTS, LAST, KEPT */
    enum pit_trading_state state;
    enum pit_reason reason;
    uint8_t rejected_kind; /* REJECTED: the message kind that was refused */
    uint8_t liquidity;     /* TRADE: 0 = you were the resting side, 1 = the aggressor */
    uint64_t time_ns;      /* reports */
    uint64_t sequence;     /* reports: of the command that caused it, 0 = it never entered the pipeline */
    uint64_t leaves;       /* TRADE: open after it */
    int64_t price_old;     /* REPLACED */
    uint64_t quantity_old; /* REPLACED, REDUCED */
    uint32_t number;       /* TRADE: (sequence, number) names the trade for ever */
    uint64_t token;        /* HEARTBEAT */
    uint64_t traded;       /* RESULT: lots */
    uint64_t open;         /* RESULT: lots that rest after the command */
    uint32_t window;       /* RESUMED */
    uint8_t outcome;       /* RESULT: the kind of the first report; 0 = not known */
    uint32_t version;
    uint32_t symbols;             /* WELCOME */
    uint32_t heartbeat_ms;        /* WELCOME */
    uint32_t rate;                /* WELCOME: messages a second, 0 = no limit */
    int64_t price_min, price_max; /* SYMBOL */
    uint64_t quantity_max;
    uint32_t tick_mantissa, lot_mantissa;
    uint8_t tick_decimals, lot_decimals;
    char name[PIT_WIRE_NAME_BYTES]; /* zero-ended: client, server or symbol name */
    char text[PIT_WIRE_TEXT_BYTES]; /* BYE */
    uint8_t nonce[PIT_WIRE_NONCE_BYTES];
    uint8_t proof[PIT_WIRE_PROOF_BYTES];
};

/* Encodes with its length in front into bytes[room]. Returns the bytes used, or 0 when room is too small (never with
 * PIT_WIRE_FRAME_BYTES_MAX). kind must be one of the above. Numbers out of their ranges travel as they are, and the
 * other side refuses them; texts are zero-ended or as long as their array. */
size_t pit_message_encode(const struct pit_message *message, uint8_t *bytes, size_t room);

/* Looks for one whole frame at the start of bytes[count]. Returns its length with the 4 length bytes; 0 = more bytes
 * are needed; -EMSGSIZE = the length says more than PIT_WIRE_MESSAGE_BYTES_MAX or nothing at all. */
int64_t pit_frame_find(const uint8_t *bytes, size_t count);

struct pit_decoder; /* what decoding reuses; one thread */

/* NULL when there is no memory. */
struct pit_decoder *pit_decoder_create(void);
void pit_decoder_destroy(struct pit_decoder *decoder);

/* Decodes the frame found at bytes (frame_bytes from pit_frame_find). Any bytes are safe. Only the fields of the kind
 * hold afterwards. error (may be NULL) names the message, the field and the value.
 * 0.
 * -EPROTO: not a message of this protocol; nothing in *message holds. The session cannot go on.
 * -ERANGE: a request (NEW .. STATE) of the right shape with a field out of its range: kind and request hold, so it can
 *          be answered with REJECTED and PIT_REASON_BAD_REQUEST; fields in range hold too, those out of range are 0. */
int pit_message_decode(struct pit_decoder *decoder, const uint8_t *bytes, size_t frame_bytes,
                       struct pit_message *message, struct pit_error *error);

/* HMAC-SHA256 over nonce | account (4 bytes, big-endian). key_bytes: PIT_WIRE_KEY_BYTES_MIN .. MAX where an operator
 * chose the key, but any works. */
void pit_wire_proof(const uint8_t *key, size_t key_bytes, const uint8_t nonce[PIT_WIRE_NONCE_BYTES], uint32_t account,
                    uint8_t proof[PIT_WIRE_PROOF_BYTES]);

/* Compares in constant time. */
int pit_wire_proof_equal(const uint8_t a[PIT_WIRE_PROOF_BYTES], const uint8_t b[PIT_WIRE_PROOF_BYTES]);

#endif
