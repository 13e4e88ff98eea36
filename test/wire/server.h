/* test/wire/server.h - the server's side of one connection, for tests: blocking, one thread at a time.
 *
 * It runs where cmocka's asserts must not (another thread, another program), so what goes wrong is a trap.
 */
#ifndef PIT_TEST_WIRE_SERVER_H
#define PIT_TEST_WIRE_SERVER_H

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "ring/check.h"
#include "wire/message.h"
#include "wire/network.h"

#define SERVER_WAIT_MS 20000

struct server {
    const struct pit_network *network;
    struct pit_decoder *decoder;
    int listener;
    int handle;
    char address[128]; /* where it listens */
    uint8_t in[1 << 16];
    size_t used; /* of in */
};

static inline void server_listen(struct server *server, const char *address)
{
    memset(server, 0, sizeof *server);
    server->network = pit_network_machine();
    server->decoder = pit_decoder_create();
    PIT_CHECK(server->decoder != NULL);
    server->handle = -1;
    server->listener = server->network->listen(server->network->context, address, NULL);
    PIT_CHECK(server->listener >= 0);
    PIT_CHECK(pit_network_machine_bound(server->listener, server->address, sizeof server->address) == 0);
}

static inline void server_wait(int handle, short events)
{
    struct pollfd look = {.fd = handle, .events = events};
    PIT_CHECK(poll(&look, 1, SERVER_WAIT_MS) == 1);
}

static inline void server_accept(struct server *server)
{
    char peer[128];
    server_wait(server->listener, POLLIN);
    server->handle = server->network->accept(server->network->context, server->listener, peer, sizeof peer);
    PIT_CHECK(server->handle >= 0);
}

static inline void server_send_bytes(struct server *server, const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    while (count > 0) {
        int64_t sent = server->network->send(server->network->context, server->handle, at, count);
        if (sent == -EAGAIN) {
            server_wait(server->handle, POLLOUT);
            continue;
        }
        PIT_CHECK(sent > 0);
        at += sent;
        count -= (size_t)sent;
    }
}

static inline void server_send(struct server *server, const struct pit_message *message)
{
    uint8_t bytes[PIT_WIRE_FRAME_BYTES_MAX];
    size_t used = pit_message_encode(message, bytes, sizeof bytes);
    PIT_CHECK(used > 0);
    server_send_bytes(server, bytes, used);
}

/* Reads what is there. False: nothing now (-EAGAIN) or the end; *ended tells. */
static inline bool server_receive(struct server *server, bool *ended)
{
    int64_t count = server->network->receive(server->network->context, server->handle, server->in + server->used,
                                             sizeof server->in - server->used);
    *ended = count == 0 || count == -ECONNRESET;
    PIT_CHECK(count >= 0 || count == -EAGAIN || *ended);
    if (count > 0)
        server->used += (size_t)count;
    return count > 0;
}

/* The next message if it has come already. */
static inline bool server_look(struct server *server, struct pit_message *message)
{
    bool ended;
    int64_t found;
    while ((found = pit_frame_find(server->in, server->used)) == 0)
        if (!server_receive(server, &ended))
            return false;
    PIT_CHECK(found > 0);
    PIT_CHECK(pit_message_decode(server->decoder, server->in, (size_t)found, message, NULL) == 0);
    server->used -= (size_t)found;
    memmove(server->in, server->in + found, server->used);
    return true;
}

/* The next message, waiting for it. False: the client closed. */
static inline bool server_read(struct server *server, struct pit_message *message)
{
    while (!server_look(server, message)) {
        bool ended;
        server_wait(server->handle, POLLIN);
        if (!server_receive(server, &ended) && ended)
            return false;
    }
    return true;
}

static inline void server_close_connection(struct server *server)
{
    if (server->handle >= 0)
        server->network->close(server->network->context, server->handle);
    server->handle = -1;
}

static inline void server_close(struct server *server)
{
    server_close_connection(server);
    server->network->close(server->network->context, server->listener);
    pit_decoder_destroy(server->decoder);
}

static inline void server_challenge(struct server *server, uint8_t flags, uint32_t version)
{
    struct pit_message message = {.kind = PIT_MESSAGE_CHALLENGE, .version = version, .flags = flags};
    for (uint32_t i = 0; i < PIT_WIRE_NONCE_BYTES; i++)
        message.nonce[i] = (uint8_t)(i * 7);
    server_send(server, &message);
}

static uint32_t server_heartbeat_ms = 1000; /* that WELCOME says */

/* WELCOME and n symbols "SYM0", "SYM1" ... with tick 0.01. */
static inline void server_welcome(struct server *server, uint32_t account, uint32_t symbols)
{
    struct pit_message welcome = {.kind = PIT_MESSAGE_WELCOME,
                                  .account = account,
                                  .symbols = symbols,
                                  .heartbeat_ms = server_heartbeat_ms,
                                  .name = "test"};
    server_send(server, &welcome);
    for (uint32_t i = 0; i < symbols; i++) {
        struct pit_message symbol = {.kind = PIT_MESSAGE_SYMBOL,
                                     .symbol = i,
                                     .tick_mantissa = 1,
                                     .tick_decimals = 2,
                                     .lot_mantissa = 1,
                                     .price_min = 1,
                                     .price_max = 1000000 + (int64_t)i,
                                     .quantity_max = 1000};
        snprintf(symbol.name, sizeof symbol.name, "SYM%u", i);
        server_send(server, &symbol);
    }
}

/* The whole logon of a client without key. */
static inline void server_log_on(struct server *server, uint32_t symbols)
{
    struct pit_message message;
    server_accept(server);
    server_challenge(server, 0, PIT_WIRE_VERSION);
    PIT_CHECK(server_read(server, &message) && message.kind == PIT_MESSAGE_LOGON);
    server_welcome(server, message.account, symbols);
}

#endif
