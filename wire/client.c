/* wire/client.c - the order-entry client of pitline/client.h: one non-blocking socket between two buffers.
 *
 *   pit_client_new ...  -> | out: frames waiting | -> send          one send for many messages
 *   pit_client_poll     <- | in: bytes received  | <- receive       one receive for many reports
 */
#include "pitline/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "book/event.h"
#include "wire/message.h"
#include "wire/network.h"

#define BUFFER_BYTES (256u * 1024u)
#define TIMEOUT_MS 5000u
#define SECOND_NS UINT64_C(1000000000)

struct pit_client {
    const struct pit_network *network;
    int socket;
    int ended;          /* 0, or the negative errno why nothing more comes */
    int unsendable;     /* 0, or the negative errno why nothing more goes: what has arrived is still read */
    bool heartbeat_due; /* an answer that found no room */
    uint32_t request;   /* the last one given out */
    uint32_t symbols_count;
    struct pit_client_symbol *symbols;
    struct pit_decoder *decoder;
    size_t in_start, in_end; /* received and not yet read */
    size_t out_start, out_end;
    struct pit_error error;
    char bye[PIT_WIRE_TEXT_BYTES];
    uint8_t in[BUFFER_BYTES];
    uint8_t out[BUFFER_BYTES];
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

int64_t pit_client_flush(struct pit_client *client)
{
    while (client->out_start < client->out_end && !client->unsendable) {
        int64_t sent = client->network->send(client->network->context, client->socket, client->out + client->out_start,
                                             client->out_end - client->out_start);
        if (sent == -EAGAIN)
            break;
        if (sent < 0)
            client->unsendable = (int)sent;
        else
            client->out_start += (size_t)sent;
    }
    if (client->out_start == client->out_end)
        client->out_start = client->out_end = 0;
    if (client->ended || client->unsendable)
        return client->ended ? client->ended : client->unsendable;
    return (int64_t)(client->out_end - client->out_start);
}

/* Makes room for one frame in out. */
static bool room_made(struct pit_client *client)
{
    if (BUFFER_BYTES - client->out_end >= PIT_WIRE_FRAME_BYTES_MAX)
        return true;
    if (pit_client_flush(client) < 0)
        return false;
    size_t waiting = client->out_end - client->out_start;
    if (BUFFER_BYTES - waiting < PIT_WIRE_FRAME_BYTES_MAX)
        return false;
    memmove(client->out, client->out + client->out_start, waiting);
    client->out_start = 0;
    client->out_end = waiting;
    return true;
}

static bool put(struct pit_client *client, const struct pit_message *message)
{
    if (client->ended || client->unsendable || !room_made(client))
        return false;
    client->out_end += pit_message_encode(message, client->out + client->out_end, BUFFER_BYTES - client->out_end);
    return true;
}

/* Puts a message under the next request number. */
static uint32_t put_request(struct pit_client *client, struct pit_message *message)
{
    uint32_t request = client->request + 1;
    message->request = request ? request : 1; /* 0 stands for "not an answer" in reports */
    if (!put(client, message))
        return 0;
    client->request = message->request;
    return message->request;
}

uint32_t pit_client_new(struct pit_client *client, const struct pit_order *order)
{
    struct pit_message message;
    message.kind = PIT_MESSAGE_NEW;
    message.symbol = order->symbol;
    message.client_id = order->client_id;
    message.side = order->side;
    message.tif = order->tif;
    message.flags =
        (uint8_t)((order->market ? PIT_COMMAND_MARKET : 0u) | (order->post_only ? PIT_COMMAND_POST_ONLY : 0u));
    message.price = order->price;
    message.quantity = order->quantity;
    return put_request(client, &message);
}

uint32_t pit_client_cancel(struct pit_client *client, uint32_t symbol, uint64_t order_id, uint64_t client_id)
{
    struct pit_message message;
    message.kind = PIT_MESSAGE_CANCEL;
    message.symbol = symbol;
    message.order_id = order_id;
    message.client_id = client_id;
    return put_request(client, &message);
}

uint32_t pit_client_reduce(struct pit_client *client, uint32_t symbol, uint64_t order_id, uint64_t client_id,
                           uint64_t quantity)
{
    struct pit_message message;
    message.kind = PIT_MESSAGE_REDUCE;
    message.symbol = symbol;
    message.order_id = order_id;
    message.client_id = client_id;
    message.quantity = quantity;
    return put_request(client, &message);
}

uint32_t pit_client_replace(struct pit_client *client, uint32_t symbol, uint64_t order_id, uint64_t client_id,
                            int64_t price, uint64_t quantity, bool post_only)
{
    struct pit_message message;
    message.kind = PIT_MESSAGE_REPLACE;
    message.symbol = symbol;
    message.order_id = order_id;
    message.client_id = client_id;
    message.flags = post_only ? PIT_COMMAND_POST_ONLY : 0;
    message.price = price;
    message.quantity = quantity;
    return put_request(client, &message);
}

uint32_t pit_client_state(struct pit_client *client, uint32_t symbol, enum pit_trading_state state)
{
    struct pit_message message;
    message.kind = PIT_MESSAGE_STATE;
    message.symbol = symbol;
    message.state = state;
    return put_request(client, &message);
}

uint32_t pit_client_heartbeat(struct pit_client *client, uint64_t token)
{
    struct pit_message message;
    message.kind = PIT_MESSAGE_HEARTBEAT;
    message.token = token;
    return put(client, &message);
}

void pit_client_logout(struct pit_client *client)
{
    struct pit_message message;
    message.kind = PIT_MESSAGE_LOGOUT;
    if (!put(client, &message)) /* it cannot be said: let the server see the end of the stream */
        client->network->shutdown(client->network->context, client->socket);
    pit_client_flush(client);
}

/* The next whole message among the bytes received: 1, 0 = none, -EPROTO. */
static int take(struct pit_client *client, struct pit_message *message)
{
    const uint8_t *bytes = client->in + client->in_start;
    int64_t found = pit_frame_find(bytes, client->in_end - client->in_start);
    if (found == 0)
        return 0;
    if (found < 0) {
        client->ended =
            pit_error_set(&client->error, -EPROTO, "the server announces a message of %u bytes, 1 .. %u are possible",
                          (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3],
                          PIT_WIRE_MESSAGE_BYTES_MAX);
        return client->ended;
    }
    struct pit_error error;
    if (pit_message_decode(client->decoder, bytes, (size_t)found, message, &error) < 0) {
        client->ended = pit_error_set(&client->error, -EPROTO, "what the server sent is no message: %s", error.text);
        return client->ended;
    }
    client->in_start += (size_t)found;
    return 1;
}

/* Receives what is there: 1 = something came, 0 = nothing now, negative = nothing more comes. */
static int receive(struct pit_client *client)
{
    size_t rest = client->in_end - client->in_start; /* less than a frame */
    memmove(client->in, client->in + client->in_start, rest);
    client->in_start = 0;
    client->in_end = rest;
    int64_t count =
        client->network->receive(client->network->context, client->socket, client->in + rest, BUFFER_BYTES - rest);
    if (count > 0) {
        client->in_end += (size_t)count;
        return 1;
    }
    if (count == -EAGAIN && !client->unsendable)
        return 0;
    if (count == -EAGAIN)
        count = client->unsendable;
    if (count == 0)
        client->ended = pit_error_set(&client->error, -EPIPE, "the server closed the connection%s",
                                      rest ? " in the midst of a message" : "");
    else
        client->ended = pit_error_set(&client->error, (int)count, "the connection broke: %s%s", strerror((int)-count),
                                      count == -ECONNREFUSED ? ": no server listens there" : "");
    return client->ended;
}

/* Waits until there is something to receive, or room to send what waits. */
static void wait_socket(const struct pit_client *client, uint64_t wait_ns)
{
    struct pollfd look = {.fd = client->socket, .events = POLLIN};
    if (client->out_start < client->out_end && !client->unsendable)
        look.events |= POLLOUT;
    struct timespec timeout = {(time_t)(wait_ns / SECOND_NS), (long)(wait_ns % SECOND_NS)};
    ppoll(&look, 1, &timeout, NULL);
}

/* The next message, waiting for one if need be; results as of pit_client_poll. *deadline starts at 0 and is set from
 * wait_ns when the waiting begins: the clock is read only then. */
static int next(struct pit_client *client, struct pit_message *message, uint64_t wait_ns, uint64_t *deadline)
{
    for (;;) {
        if (client->ended)
            return client->ended;
        int result = take(client, message);
        if (result)
            return result;
        if (client->heartbeat_due)
            client->heartbeat_due = !pit_client_heartbeat(client, 0);
        pit_client_flush(client);
        result = receive(client);
        if (result < 0)
            return result;
        if (result)
            continue;
        if (wait_ns == 0)
            return 0;
        uint64_t now = now_ns();
        if (*deadline == 0)
            *deadline = now + wait_ns < now ? UINT64_MAX : now + wait_ns;
        if (now >= *deadline)
            return 0;
        wait_socket(client, *deadline - now);
    }
}

_Static_assert(PIT_MESSAGE_ACCEPTED - PIT_REPORT_ACCEPTED == PIT_MESSAGE_STATE_CHANGED - PIT_REPORT_STATE,
               "reports and their messages are numbered alike");

static void report_fill(struct pit_report *report, const struct pit_message *message)
{
    *report = (struct pit_report){
        .kind = (uint8_t)(message->kind - PIT_MESSAGE_ACCEPTED + PIT_REPORT_ACCEPTED),
        .side = (uint8_t)message->side,
        .reason = (uint8_t)message->reason,
        .rests = message->flags & PIT_EVENT_RESTS,
        .kept = message->flags & PIT_EVENT_KEPT,
        .aggressor = message->liquidity == 1,
        .last = message->flags & PIT_EVENT_LAST,
        .rejected_kind = message->rejected_kind,
        .request = message->request,
        .symbol = message->symbol,
        .number = message->number,
        .sequence = message->sequence,
        .time_ns = message->time_ns,
        .order_id = message->order_id,
        .client_id = message->client_id,
        .price = message->price,
        .quantity = message->quantity,
        .leaves = message->leaves,
        .price_old = message->price_old,
        .quantity_old = message->quantity_old,
        .state = (uint8_t)message->state,
    };
}

/* True when the message is for the user; false when it was dealt with here. */
static bool reported(struct pit_client *client, const struct pit_message *message, struct pit_report *report)
{
    if (message->kind >= PIT_MESSAGE_ACCEPTED && message->kind <= PIT_MESSAGE_STATE_CHANGED) {
        report_fill(report, message);
        return true;
    }
    if (message->kind == PIT_MESSAGE_HEARTBEAT && message->token == 0) {
        client->heartbeat_due = !pit_client_heartbeat(client, 0);
        return false;
    }
    if (message->kind == PIT_MESSAGE_HEARTBEAT) {
        *report = (struct pit_report){.kind = PIT_REPORT_HEARTBEAT, .token = message->token};
        return true;
    }
    if (message->kind == PIT_MESSAGE_BYE) {
        memcpy(client->bye, message->text, sizeof client->bye);
        *report = (struct pit_report){.kind = PIT_REPORT_BYE, .reason = (uint8_t)message->reason, .text = client->bye};
        return true;
    }
    client->ended = pit_error_set(&client->error, -EPROTO, "the server sent a %s message, which does not belong here",
                                  pit_message_kind_name(message->kind));
    return false;
}

int pit_client_poll(struct pit_client *client, struct pit_report *report, uint64_t wait_ns)
{
    struct pit_message message;
    uint64_t deadline = 0;
    int result;
    do {
        result = next(client, &message, wait_ns, &deadline);
    } while (result == 1 && !reported(client, &message, report));
    return result;
}

/* Logging on: the next message, which must be of the kind. */
static int expect(struct pit_client *client, struct pit_message *message, enum pit_message_kind kind, uint64_t deadline)
{
    int result = next(client, message, UINT64_MAX, &deadline);
    if (result == 0)
        return pit_error_set(&client->error, -ETIMEDOUT, "no answer in time: waiting for the server's %s",
                             pit_message_kind_name(kind));
    if (result < 0)
        return result;
    if (message->kind == kind)
        return 0;
    if (message->kind == PIT_MESSAGE_BYE)
        return pit_error_set(&client->error, -EACCES, "the server refused: %s (%s)", message->text,
                             pit_reason_name(message->reason));
    return pit_error_set(&client->error, -EPROTO, "the server sent a %s message where a %s belongs",
                         pit_message_kind_name(message->kind), pit_message_kind_name(kind));
}

static int prove(struct pit_client *client, const struct pit_client_options *options,
                 const struct pit_message *challenge)
{
    struct pit_message message;
    if (challenge->version != PIT_WIRE_VERSION)
        return pit_error_set(&client->error, -EPROTONOSUPPORT, "the server speaks version %u, this client version %u",
                             challenge->version, PIT_WIRE_VERSION);
    message.kind = PIT_MESSAGE_LOGON;
    message.version = PIT_WIRE_VERSION;
    message.account = options->account;
    snprintf(message.name, sizeof message.name, "%s", options->name ? options->name : "");
    put(client, &message);
    if (!(challenge->flags & PIT_CHALLENGE_PROOF))
        return 0;
    if (!options->key)
        return pit_error_set(&client->error, -EACCES, "the server asks for the key of account %u: give one",
                             options->account);
    message.kind = PIT_MESSAGE_PROOF;
    pit_wire_proof(options->key, options->key_bytes, challenge->nonce, options->account, message.proof);
    put(client, &message);
    return 0;
}

static int read_symbols(struct pit_client *client, uint32_t count, uint64_t deadline)
{
    client->symbols = calloc(count ? count : 1, sizeof *client->symbols);
    if (!client->symbols)
        return pit_error_set(&client->error, -ENOMEM, "no memory for %u symbols", count);
    for (uint32_t i = 0; i < count; i++) {
        struct pit_message message;
        int result = expect(client, &message, PIT_MESSAGE_SYMBOL, deadline);
        if (result < 0)
            return result;
        struct pit_client_symbol *symbol = &client->symbols[i];
        *symbol = (struct pit_client_symbol){
            .symbol = message.symbol,
            .tick_mantissa = message.tick_mantissa,
            .lot_mantissa = message.lot_mantissa,
            .tick_decimals = message.tick_decimals,
            .lot_decimals = message.lot_decimals,
            .price_min = message.price_min,
            .price_max = message.price_max,
            .quantity_max = message.quantity_max,
        };
        snprintf(symbol->name, sizeof symbol->name, "%.*s", (int)sizeof symbol->name - 1, message.name);
        client->symbols_count++;
    }
    return 0;
}

static int log_on(struct pit_client *client, const struct pit_client_options *options, uint64_t deadline)
{
    struct pit_message message;
    int result = expect(client, &message, PIT_MESSAGE_CHALLENGE, deadline);
    if (result == 0)
        result = prove(client, options, &message);
    if (result == 0)
        result = expect(client, &message, PIT_MESSAGE_WELCOME, deadline);
    if (result == 0)
        result = read_symbols(client, message.symbols, deadline);
    return result;
}

/* A Unix server whose queue is full says -EAGAIN: it is alive, try until the deadline. */
static int connect_until(struct pit_client *client, const char *address, uint64_t deadline)
{
    for (;;) {
        client->socket = client->network->connect(client->network->context, address, &client->error);
        if (client->socket != -EAGAIN || now_ns() >= deadline)
            return client->socket < 0 ? client->socket : 0;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

static int check_options(const struct pit_client_options *options, struct pit_error *error)
{
    if (!options->address)
        return pit_error_set(error, -EINVAL, "no address to connect to");
    if (options->account == 0)
        return pit_error_set(error, -EINVAL, "account 0 is the exchange itself: accounts start at 1");
    if (options->name && strlen(options->name) >= PIT_WIRE_NAME_BYTES)
        return pit_error_set(error, -EINVAL, "the client's name \"%s\" has more than %u characters", options->name,
                             PIT_WIRE_NAME_BYTES - 1);
    return 0;
}

int pit_client_open(struct pit_client **client, const struct pit_client_options *options, struct pit_error *error)
{
    int result = check_options(options, error);
    if (result < 0)
        return result;
    struct pit_client *opened = calloc(1, sizeof *opened);
    struct pit_decoder *decoder = opened ? pit_decoder_create() : NULL;
    if (!decoder) {
        free(opened);
        return pit_error_set(error, -ENOMEM, "no memory for a client");
    }
    opened->network = pit_network_machine();
    opened->decoder = decoder;
    uint32_t timeout_ms = options->timeout_ms ? options->timeout_ms : TIMEOUT_MS;
    uint64_t deadline = now_ns() + timeout_ms * UINT64_C(1000000);
    result = connect_until(opened, options->address, deadline);
    if (result == 0) {
        result = log_on(opened, options, deadline);
        if (result < 0)
            pit_error_set(error, result, "logging on at %s: %s", options->address, opened->error.text);
    } else if (error) {
        *error = opened->error;
    }
    if (result < 0) {
        pit_client_close(opened);
        return result;
    }
    *client = opened;
    return 0;
}

void pit_client_close(struct pit_client *client)
{
    if (!client)
        return;
    if (client->socket >= 0) {
        pit_client_flush(client);
        client->network->close(client->network->context, client->socket);
    }
    pit_decoder_destroy(client->decoder);
    free(client->symbols);
    free(client);
}

uint32_t pit_client_symbols(const struct pit_client *client)
{
    return client->symbols_count;
}

const struct pit_client_symbol *pit_client_symbol(const struct pit_client *client, uint32_t place)
{
    return place < client->symbols_count ? &client->symbols[place] : NULL;
}

const struct pit_client_symbol *pit_client_find(const struct pit_client *client, const char *name)
{
    for (uint32_t i = 0; i < client->symbols_count; i++)
        if (strcmp(client->symbols[i].name, name) == 0)
            return &client->symbols[i];
    return NULL;
}

const char *pit_client_error(const struct pit_client *client)
{
    return client->ended ? client->error.text : "";
}

int pit_client_socket(const struct pit_client *client)
{
    return client->socket;
}
