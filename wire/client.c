/* wire/client.c - the order-entry client of pitline/client.h: one non-blocking socket between two buffers.
 *
 *   pit_client_new ...  -> | out: frames waiting | -> send          one send for many messages
 *   pit_client_poll     <- | in: bytes received  | <- receive       one receive for many reports
 */
#include "wire/client_parts.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "book/event.h"

uint64_t pit_entry_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * PIT_ENTRY_SECOND_NS + (uint64_t)now.tv_nsec;
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
    if (client->ended || (client->unsendable && !client->resumption)) /* one that resumes will find another */
        return client->ended ? client->ended : client->unsendable;
    return (int64_t)(client->out_end - client->out_start);
}

/* Makes room for one frame in out. */
static bool room_made(struct pit_client *client)
{
    if (PIT_ENTRY_BUFFER_BYTES - client->out_end >= PIT_WIRE_FRAME_BYTES_MAX)
        return true;
    if (pit_client_flush(client) < 0)
        return false;
    size_t waiting = client->out_end - client->out_start;
    if (PIT_ENTRY_BUFFER_BYTES - waiting < PIT_WIRE_FRAME_BYTES_MAX)
        return false;
    memmove(client->out, client->out + client->out_start, waiting);
    client->out_start = 0;
    client->out_end = waiting;
    return true;
}

bool pit_entry_put(struct pit_client *client, const struct pit_message *message)
{
    if (client->ended || client->unsendable || client->socket < 0 || !room_made(client))
        return false;
    client->out_end +=
        pit_message_encode(message, client->out + client->out_end, PIT_ENTRY_BUFFER_BYTES - client->out_end);
    return true;
}

bool pit_entry_put_frame(struct pit_client *client, const uint8_t *frame, size_t bytes)
{
    if (client->ended || client->unsendable || client->socket < 0 || !room_made(client))
        return false;
    memcpy(client->out + client->out_end, frame, bytes);
    client->out_end += bytes;
    return true;
}

/* Puts a message under the next request number. */
static uint32_t put_request(struct pit_client *client, struct pit_message *message)
{
    if (client->resumption)
        return pit_entry_resume_request(client, message);
    message->request = pit_request_next(client->request); /* 0 stands for "not an answer" in reports */
    if (!pit_entry_put(client, message))
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
    return client->state >= PIT_ENTRY_RESUMED && pit_entry_put(client, &message);
}

void pit_client_logout(struct pit_client *client)
{
    struct pit_message message;
    message.kind = PIT_MESSAGE_LOGOUT;
    if (client->resumption) {
        pit_entry_resume_logout(client);
        return;
    }
    if (!pit_entry_put(client, &message)) /* it cannot be said: let the server see the end of the stream */
        client->network->shutdown(client->network->context, client->socket);
    pit_client_flush(client);
}

int pit_entry_take(struct pit_client *client, struct pit_message *message)
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
    int64_t count = client->network->receive(client->network->context, client->socket, client->in + rest,
                                             PIT_ENTRY_BUFFER_BYTES - rest);
    if (count > 0) {
        client->in_end += (size_t)count;
        client->heard = true;
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

int pit_entry_exchange(struct pit_client *client)
{
    if (client->heartbeat_due)
        client->heartbeat_due = !pit_client_heartbeat(client, 0);
    pit_client_flush(client);
    return receive(client);
}

void pit_entry_wait(const struct pit_client *client, uint64_t wait_ns)
{
    struct pollfd look = {.fd = client->socket, .events = POLLIN};
    if (client->out_start < client->out_end && !client->unsendable)
        look.events |= POLLOUT;
    struct timespec timeout = {(time_t)(wait_ns / PIT_ENTRY_SECOND_NS), (long)(wait_ns % PIT_ENTRY_SECOND_NS)};
    ppoll(&look, 1, &timeout, NULL);
}

int pit_entry_next(struct pit_client *client, struct pit_message *message, uint64_t wait_ns, uint64_t *deadline)
{
    for (;;) {
        if (client->ended)
            return client->ended;
        int result = pit_entry_take(client, message);
        if (result)
            return result;
        result = pit_entry_exchange(client);
        if (result < 0)
            return result;
        if (result)
            continue;
        if (wait_ns == 0)
            return 0;
        uint64_t now = pit_entry_now_ns();
        if (*deadline == 0)
            *deadline = now + wait_ns < now ? UINT64_MAX : now + wait_ns;
        if (now >= *deadline)
            return 0;
        pit_entry_wait(client, *deadline - now);
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

bool pit_entry_report(struct pit_client *client, const struct pit_message *message, struct pit_report *report)
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
    if (client->resumption)
        return pit_entry_resume_poll(client, report, wait_ns);
    do {
        result = pit_entry_next(client, &message, wait_ns, &deadline);
    } while (result == 1 && !pit_entry_report(client, &message, report));
    return result;
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
