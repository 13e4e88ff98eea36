/* wire/client_logon.c - from an address to a session: one step for each message of the server, for those who wait for
 * it and for those who do not. */
#include "wire/client_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static enum pit_message_kind awaited(const struct pit_client *client)
{
    switch (client->state) {
    case PIT_ENTRY_CHALLENGE:
        return PIT_MESSAGE_CHALLENGE;
    case PIT_ENTRY_WELCOME:
        return PIT_MESSAGE_WELCOME;
    case PIT_ENTRY_SYMBOLS:
        return PIT_MESSAGE_SYMBOL;
    default:
        return PIT_MESSAGE_RESUMED;
    }
}

void pit_entry_drop(struct pit_client *client)
{
    if (client->socket >= 0)
        client->network->close(client->network->context, client->socket);
    client->socket = -1;
    client->state = PIT_ENTRY_DOWN;
    client->unsendable = 0;
    client->heartbeat_due = client->heard = false;
    client->in_start = client->in_end = client->out_start = client->out_end = 0;
}

int pit_entry_connect(struct pit_client *client, const char *address)
{
    client->socket = client->network->connect(client->network->context, address, &client->error);
    if (client->socket < 0)
        return client->socket;
    client->state = PIT_ENTRY_CHALLENGE;
    client->bye_reason = PIT_REASON_NOT_PERMITTED; /* until a BYE says otherwise */
    return 0;
}

static int prove(struct pit_client *client, const struct pit_message *challenge)
{
    struct pit_message message;
    if (challenge->version != PIT_WIRE_VERSION)
        return pit_error_set(&client->error, -EPROTONOSUPPORT, "the server speaks version %u, this client version %u",
                             challenge->version, PIT_WIRE_VERSION);
    message.kind = PIT_MESSAGE_LOGON;
    message.version = PIT_WIRE_VERSION;
    message.account = client->account;
    memcpy(message.name, client->name, sizeof message.name);
    pit_entry_put(client, &message);
    client->state = PIT_ENTRY_WELCOME;
    if (!(challenge->flags & PIT_CHALLENGE_PROOF))
        return 0;
    if (!client->keyed)
        return pit_error_set(&client->error, -EACCES, "the server asks for the key of account %u: give one",
                             client->account);
    message.kind = PIT_MESSAGE_PROOF;
    pit_wire_proof(client->key, client->key_bytes, challenge->nonce, client->account, message.proof);
    pit_entry_put(client, &message);
    return 0;
}

/* The list of symbols has been read. */
static void settle(struct pit_client *client)
{
    const struct pit_message resume = {.kind = PIT_MESSAGE_RESUME};
    client->symbols_count = client->symbols_read;
    client->state = PIT_ENTRY_LIVE;
    if (!client->resumption)
        return;
    client->state = PIT_ENTRY_RESUMED;
    pit_entry_put(client, &resume);
}

static int begin_symbols(struct pit_client *client, const struct pit_message *welcome)
{
    /* Of one that will read the list again, it stays where it is, however long it gets. */
    const uint32_t room = client->resumption ? PIT_SYMBOLS_MAX : welcome->symbols ? welcome->symbols : 1;
    if (!client->symbols)
        client->symbols = calloc(room, sizeof *client->symbols);
    if (!client->symbols)
        return pit_error_set(&client->error, -ENOMEM, "no memory for %u symbols", room);
    client->symbols_read = 0;
    client->symbols_coming = welcome->symbols;
    client->heartbeat_ms = welcome->heartbeat_ms;
    client->state = PIT_ENTRY_SYMBOLS;
    if (client->symbols_coming == 0)
        settle(client);
    return 0;
}

static void add_symbol(struct pit_client *client, const struct pit_message *message)
{
    struct pit_client_symbol *symbol = &client->symbols[client->symbols_read++];
    *symbol = (struct pit_client_symbol){
        .symbol = message->symbol,
        .tick_mantissa = message->tick_mantissa,
        .lot_mantissa = message->lot_mantissa,
        .tick_decimals = message->tick_decimals,
        .lot_decimals = message->lot_decimals,
        .price_min = message->price_min,
        .price_max = message->price_max,
        .quantity_max = message->quantity_max,
    };
    snprintf(symbol->name, sizeof symbol->name, "%.*s", (int)sizeof symbol->name - 1, message->name);
    if (client->symbols_read == client->symbols_coming)
        settle(client);
}

int pit_entry_logon(struct pit_client *client, const struct pit_message *message)
{
    if (message->kind == PIT_MESSAGE_BYE) {
        client->bye_reason = (uint8_t)message->reason;
        memcpy(client->bye, message->text, sizeof client->bye);
        return pit_error_set(&client->error, -EACCES, "the server refused: %s (%s)", message->text,
                             pit_reason_name(message->reason));
    }
    if (message->kind != awaited(client))
        return pit_error_set(&client->error, -EPROTO, "the server sent a %s message where a %s belongs",
                             pit_message_kind_name(message->kind), pit_message_kind_name(awaited(client)));
    if (message->kind == PIT_MESSAGE_CHALLENGE)
        return prove(client, message);
    if (message->kind == PIT_MESSAGE_WELCOME)
        return begin_symbols(client, message);
    add_symbol(client, message);
    return 0;
}

/* A Unix server whose queue is full says -EAGAIN: it is alive, try until the deadline. */
static int connect_until(struct pit_client *client, const char *address, uint64_t deadline)
{
    for (;;) {
        int result = pit_entry_connect(client, address);
        if (result != -EAGAIN || pit_entry_now_ns() >= deadline)
            return result;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* One connection: connects, and waits until the session stands. */
static int open_once(struct pit_client *client, const char *address, uint64_t deadline, struct pit_error *error)
{
    int result = connect_until(client, address, deadline);
    if (result < 0) {
        if (error)
            *error = client->error;
        return result;
    }
    while (result == 0 && client->state != PIT_ENTRY_LIVE) {
        struct pit_message message;
        const int got = pit_entry_next(client, &message, UINT64_MAX, &deadline);
        if (got == 0)
            result = pit_error_set(&client->error, -ETIMEDOUT, "no answer in time: waiting for the server's %s",
                                   pit_message_kind_name(awaited(client)));
        else
            result = got < 0 ? got : pit_entry_logon(client, &message);
    }
    return result < 0 ? pit_error_set(error, result, "logging on at %s: %s", address, client->error.text) : 0;
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
    if (options->key && options->key_bytes > PIT_WIRE_KEY_BYTES_MAX)
        return pit_error_set(error, -EINVAL, "a key of %zu bytes: it can have %u to %u", options->key_bytes,
                             PIT_WIRE_KEY_BYTES_MIN, PIT_WIRE_KEY_BYTES_MAX);
    return 0;
}

static struct pit_client *create(const struct pit_client_options *options)
{
    struct pit_client *client = calloc(1, sizeof *client);
    if (!client)
        return NULL;
    client->decoder = pit_decoder_create();
    if (!client->decoder) {
        free(client);
        return NULL;
    }
    client->network = pit_network_machine();
    client->socket = -1;
    client->account = options->account;
    client->timeout_ns = (options->timeout_ms ? options->timeout_ms : PIT_ENTRY_TIMEOUT_MS) * UINT64_C(1000000);
    snprintf(client->name, sizeof client->name, "%s", options->name ? options->name : "");
    if (options->key) {
        client->keyed = true;
        client->key_bytes = options->key_bytes;
        memcpy(client->key, options->key, options->key_bytes);
    }
    return client;
}

int pit_client_open(struct pit_client **opened, const struct pit_client_options *options, struct pit_error *error)
{
    int result = check_options(options, error);
    if (result < 0)
        return result;
    struct pit_client *client = create(options);
    if (!client)
        return pit_error_set(error, -ENOMEM, "no memory for a client");
    const uint64_t deadline = pit_entry_now_ns() + client->timeout_ns;
    if (options->resume) {
        result = pit_entry_resume_begin(client, options, error);
        if (result == 0)
            result = pit_entry_resume_open(client, deadline, error);
    } else {
        result = open_once(client, options->address, deadline, error);
    }
    if (result < 0) {
        pit_client_close(client);
        return result;
    }
    *opened = client;
    return 0;
}

void pit_client_close(struct pit_client *client)
{
    if (!client)
        return;
    if (client->socket >= 0)
        pit_client_flush(client);
    pit_entry_drop(client);
    pit_decoder_destroy(client->decoder);
    free(client->resumption);
    free(client->symbols);
    free(client);
}
