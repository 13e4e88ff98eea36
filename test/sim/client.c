/* test/sim/client.c - see client.h. */
#include "client.h"

#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "ring/check.h"

#define INBOUND_BYTES (1u << 16)

void sim_client_key(uint32_t account, uint8_t key[SIM_KEY_BYTES])
{
    for (uint32_t i = 0; i < SIM_KEY_BYTES; i++)
        key[i] = (uint8_t)(account * 31 + i);
}

void sim_clients_open(struct sim_clients *clients, const struct sim_plan *plan, const struct sim_link *link,
                      struct sim_model *model, struct sim_trace *trace)
{
    memset(clients, 0, sizeof *clients);
    clients->count = plan->clients;
    clients->burst_max = plan->burst_max;
    clients->link = *link;
    clients->model = model;
    clients->trace = trace;
    clients->decoder = pit_decoder_create();
    PIT_CHECK(clients->decoder);
    for (uint32_t i = 0; i < clients->count; i++) {
        struct sim_client *client = &clients->client[i];
        client->account = i + 1;
        client->keyed = plan->keyed;
        client->resumes = plan->resumes;
        client->handle = -1;
        client->inbound = malloc(INBOUND_BYTES);
        client->symbols = plan->symbols;
        PIT_CHECK(client->inbound);
    }
}

void sim_clients_close(struct sim_clients *clients)
{
    for (uint32_t i = 0; i < clients->count; i++)
        free(clients->client[i].inbound);
    pit_decoder_destroy(clients->decoder);
}

static void send(struct sim_clients *clients, struct sim_client *client, const struct pit_message *message)
{
    uint8_t frame[PIT_WIRE_FRAME_BYTES_MAX];
    size_t count = pit_message_encode(message, frame, sizeof frame);
    PIT_CHECK(count);
    clients->link.write(clients->link.context, client->handle, frame, count);
}

static void leave(struct sim_clients *clients, struct sim_client *client)
{
    if (client->handle >= 0)
        clients->link.leave(clients->link.context, client->handle);
    client->handle = -1;
    client->live = false;
    client->inbound_count = 0;
}

static void connect_anew(struct sim_clients *clients, struct sim_client *client)
{
    leave(clients, client);
    client->handle = clients->link.connect(clients->link.context, client->account - 1);
    if (client->handle < 0)
        return;
    client->deaf_until = 0;
    sim_model_session(clients->model, client->account);
    struct pit_message logon = {
        .kind = PIT_MESSAGE_LOGON, .version = PIT_WIRE_VERSION, .account = client->account, .name = "sim"};
    send(clients, client, &logon);
}

/* Requests. */

static void remember(struct sim_client *client, uint64_t order_id, uint64_t client_id, uint32_t symbol)
{
    uint32_t place = client->orders++ % SIM_REMEMBERED;
    client->order[place].order_id = order_id;
    client->order[place].client_id = client_id;
    client->order[place].symbol = symbol;
}

static void make_new(struct sim_client *client, struct pit_message *message, uint64_t *random)
{
    uint64_t dice = sim_below(random, 100);
    message->kind = PIT_MESSAGE_NEW;
    message->symbol = (uint32_t)sim_below(random, client->symbols);
    message->client_id = sim_chance(random, 70) ? ++client->client_ids : 0;
    if (sim_chance(random, 3))
        message->client_id = 1; /* now and then one that is in use */
    message->side = (enum pit_side)sim_below(random, 2);
    message->tif = dice < 80 ? PIT_TIF_GTC : dice < 92 ? PIT_TIF_IOC : PIT_TIF_FOK;
    message->price = 995 + (int64_t)sim_below(random, 11);
    message->quantity = 1 + sim_below(random, 20);
    if (message->tif != PIT_TIF_GTC && sim_chance(random, 30))
        message->flags = PIT_COMMAND_MARKET;
    else if (message->tif == PIT_TIF_GTC && sim_chance(random, 10))
        message->flags = PIT_COMMAND_POST_ONLY;
    if (sim_chance(random, 2))
        message->price = 5000; /* outside the band */
    if (sim_chance(random, 1))
        message->symbol = SIM_SYMBOLS_ROOM; /* there is none */
    if (message->client_id)
        remember(client, 0, message->client_id, message->symbol);
}

/* Cancel, reduce or replace: of an order it knows by one of its ids, which may be gone by now. */
static void make_change(const struct sim_client *client, struct pit_message *message, uint64_t *random)
{
    uint64_t dice = sim_below(random, 100);
    uint32_t known = client->orders < SIM_REMEMBERED ? client->orders : SIM_REMEMBERED;
    uint32_t place = (uint32_t)sim_below(random, known);
    message->kind = dice < 45 ? PIT_MESSAGE_CANCEL : dice < 70 ? PIT_MESSAGE_REDUCE : PIT_MESSAGE_REPLACE;
    message->symbol = client->order[place].symbol;
    message->order_id = client->order[place].order_id;
    message->client_id = client->order[place].client_id;
    if (message->kind != PIT_MESSAGE_CANCEL)
        message->quantity = 1 + sim_below(random, 15);
    if (message->kind == PIT_MESSAGE_REPLACE) {
        message->price = 995 + (int64_t)sim_below(random, 11);
        message->flags = sim_chance(random, 15) ? PIT_COMMAND_POST_ONLY : 0;
    }
}

/* Sends a request once more, as it was. */
static void repeat(struct sim_clients *clients, struct sim_client *client, uint32_t request)
{
    struct sim_request *again = &clients->model->account[client->account - 1].request[request - 1];
    again->sent++;
    send(clients, client, &again->message);
    sim_trace_note(clients->trace, "again", client->account, request, 0);
}

/* Everything that has no answer. */
static void ask_again(struct sim_clients *clients, struct sim_client *client)
{
    uint32_t request = 0;
    while ((request = sim_model_unanswered(clients->model, client->account, request)))
        repeat(clients, client, request);
}

static void send_orders(struct sim_clients *clients, struct sim_client *client, uint64_t random)
{
    uint64_t count = 1 + sim_below(&random, clients->burst_max);
    for (uint64_t i = 0; i < count; i++) {
        struct pit_message message = {0};
        uint64_t dice = sim_below(&random, 100);
        if (dice < 2 && client->account == 1) { /* the operator's */
            message.kind = PIT_MESSAGE_STATE;
            message.symbol = (uint32_t)sim_below(&random, client->symbols);
            message.state = sim_chance(&random, 30) ? PIT_STATE_HALTED : PIT_STATE_OPEN;
        } else if (dice < 65 || client->orders == 0) {
            make_new(client, &message, &random);
        } else {
            make_change(client, &message, &random);
        }
        sim_model_sent(clients->model, client->account, &message);
        send(clients, client, &message);
    }
    sim_trace_note(clients->trace, "orders", client->account, count, 0);
    if (client->resumes && sim_chance(&random, 10)) /* without need */
        repeat(clients, client, 1 + (uint32_t)sim_below(&random, clients->model->account[client->account - 1].count));
}

void sim_client_act(struct sim_clients *clients, const struct sim_action *action)
{
    if (action->client >= clients->count)
        return;
    struct sim_client *client = &clients->client[action->client];
    uint64_t random = action->seed;
    if (action->kind == SIM_CONNECT || client->handle < 0) {
        connect_anew(clients, client);
        return;
    }
    switch (action->kind) {
    case SIM_ORDERS:
        if (client->live)
            send_orders(clients, client, random);
        break;
    case SIM_VANISH:
        sim_trace_note(clients->trace, "vanish", client->account, 0, 0);
        leave(clients, client);
        break;
    case SIM_LOGOUT:
        if (client->live)
            send(clients, client, &(struct pit_message){.kind = PIT_MESSAGE_LOGOUT});
        client->live = false; /* asks for nothing more */
        break;
    case SIM_DEAF:
        client->deaf_until = action->step + sim_below(&random, 2000);
        clients->link.deaf(clients->link.context, client->handle, true);
        break;
    default: {
        uint64_t garbage[4];
        for (uint32_t i = 0; i < 4; i++)
            garbage[i] = sim_random(&random);
        clients->link.write(clients->link.context, client->handle, garbage, 1 + sim_below(&random, sizeof garbage));
        client->live = false;
    }
    }
}

/* What has come. */

static void prove(struct sim_clients *clients, struct sim_client *client, const struct pit_message *challenge)
{
    uint8_t key[SIM_KEY_BYTES];
    struct pit_message proof = {.kind = PIT_MESSAGE_PROOF};
    if (!(challenge->flags & PIT_CHALLENGE_PROOF))
        return;
    sim_client_key(client->account, key);
    pit_wire_proof(key, sizeof key, challenge->nonce, client->account, proof.proof);
    send(clients, client, &proof);
}

static void take_report(struct sim_clients *clients, struct sim_client *client, const struct pit_message *message)
{
    sim_trace_note(clients->trace, "report", client->account, message->kind, message->sequence);
    if (message->kind == PIT_MESSAGE_ACCEPTED && (message->flags & 1u)) /* it rests: known by its own id from now on */
        remember(client, message->order_id, 0, message->symbol);
    sim_model_report(clients->model, client->account, message);
}

static void take(struct sim_clients *clients, struct sim_client *client, const struct pit_message *message)
{
    switch (message->kind) {
    case PIT_MESSAGE_CHALLENGE:
        prove(clients, client, message);
        break;
    case PIT_MESSAGE_WELCOME:
        if (message->account != client->account)
            sim_violation(clients->model, "account %u is welcomed as %u", client->account, message->account);
        if (client->resumes)
            send(clients, client, &(struct pit_message){.kind = PIT_MESSAGE_RESUME});
        else
            client->live = true;
        break;
    case PIT_MESSAGE_RESUMED:
        sim_model_resumed(clients->model, client->account, message);
        client->live = true;
        ask_again(clients, client);
        break;
    case PIT_MESSAGE_RESULT:
        sim_trace_note(clients->trace, "result", client->account, message->request, message->sequence);
        sim_model_result(clients->model, client->account, message);
        break;
    case PIT_MESSAGE_SYMBOL:
        break;
    case PIT_MESSAGE_HEARTBEAT:
        if (message->token == 0)
            send(clients, client, message);
        break;
    case PIT_MESSAGE_BYE:
        if (clients->link.farewell)
            clients->link.farewell(clients->link.context, client->account - 1, message);
        else if (client->live && message->reason == PIT_REASON_SHUTTING_DOWN)
            sim_model_told_all(clients->model, client->account);
        client->live = false;
        break;
    default:
        take_report(clients, client, message);
    }
}

void sim_client_read(struct sim_clients *clients, uint32_t number, uint64_t step, size_t max)
{
    struct sim_client *client = &clients->client[number];
    if (client->handle < 0)
        return;
    const struct sim_link *link = &clients->link;
    link->deaf(link->context, client->handle, client->deaf_until > step);
    size_t room = INBOUND_BYTES - client->inbound_count;
    client->inbound_count +=
        link->take(link->context, client->handle, client->inbound + client->inbound_count, max < room ? max : room);
    size_t at = 0;
    struct pit_message message;
    struct pit_error error;
    for (;;) {
        int64_t size = pit_frame_find(client->inbound + at, client->inbound_count - at);
        if (size == 0)
            break;
        if (size < 0 ||
            pit_message_decode(clients->decoder, client->inbound + at, (size_t)size, &message, &error) != 0) {
            sim_violation(clients->model, "account %u gets what is no message", client->account);
            return;
        }
        at += (size_t)size;
        take(clients, client, &message);
    }
    memmove(client->inbound, client->inbound + at, client->inbound_count - at);
    client->inbound_count -= at;
    if (link->ended(link->context, client->handle))
        leave(clients, client);
}

/* Everything that was sent to it. */
static void read_all(struct sim_clients *clients, uint32_t number)
{
    struct sim_client *client = &clients->client[number];
    while (client->handle >= 0) {
        if (clients->link.waiting(clients->link.context, client->handle) == 0)
            break;
        sim_client_read(clients, number, UINT64_MAX, SIZE_MAX);
        if (clients->model->violation[0])
            break;
    }
}

void sim_clients_cut_off(struct sim_clients *clients)
{
    for (uint32_t i = 0; i < clients->count; i++) {
        read_all(clients, i);
        leave(clients, &clients->client[i]);
    }
}
