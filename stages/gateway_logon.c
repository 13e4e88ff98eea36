/* stages/gateway_logon.c - the gateway's sessions from CHALLENGE to the last SYMBOL. */
#include "stages/gateway_session.h"

#include <string.h>

#define SYMBOLS_AT_ONCE 32u /* told before looking whether egress keeps up */

void pit_gateway_challenge(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    struct pit_message *message = &gateway->answer;
    gateway->random(gateway->random_context, session->nonce, sizeof session->nonce);
    message->kind = PIT_MESSAGE_CHALLENGE;
    message->version = PIT_WIRE_VERSION;
    message->flags = gateway->keyed ? PIT_CHALLENGE_PROOF : 0;
    memcpy(message->nonce, session->nonce, sizeof message->nonce);
    pit_gateway_say(gateway, session, message);
}

/* The account has shown that it is who it says. An older session of it is closed, and waited for. */
static void admit(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    uint32_t older = pit_accounts_find(&gateway->claims, session->account);
    uint32_t place = pit_accounts_find(&gateway->account_places, session->account);
    session->operates = place != PIT_ACCOUNTS_NONE && gateway->accounts[place].operates;
    session->state = PIT_GATEWAY_TAKING;
    pit_gateway_ask_proof(gateway, session);
    session->epoch = gateway->epoch;
    session->waits_for = older;
    pit_accounts_set(&gateway->claims, session->account, pit_gateway_number(gateway, session));
    pit_gateway_count(&gateway->counters.logons, 1);
    if (older == PIT_ACCOUNTS_NONE)
        return;
    struct pit_gateway_session *other = &gateway->sessions[older];
    if (other->state == PIT_GATEWAY_TAKING) {
        session->waits_for = other->waits_for; /* it never spoke: the one before it is to be waited for */
        other->waits_for = PIT_ACCOUNTS_NONE;
    }
    if (other->state != PIT_GATEWAY_CLOSING && other->state != PIT_GATEWAY_ENDING) {
        pit_gateway_count(&gateway->counters.sessions_replaced, 1);
        pit_gateway_close(gateway, other, PIT_REASON_REQUESTED, "the account has logged on again");
    }
}

static void refuse(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    pit_gateway_count(&gateway->counters.logons_failed, 1);
    session->account = 0;
    pit_gateway_close(gateway, session, PIT_REASON_NOT_PERMITTED, "unknown account or wrong proof");
}

/* An unknown account takes the same steps as a wrong proof. */
static void prove(struct pit_gateway *gateway, struct pit_gateway_session *session, const struct pit_message *message)
{
    static const struct pit_gateway_account nobody = {.key_bytes = PIT_WIRE_KEY_BYTES_MIN};
    uint32_t place = pit_accounts_find(&gateway->account_places, session->account);
    const struct pit_gateway_account *account = place == PIT_ACCOUNTS_NONE ? &nobody : &gateway->accounts[place];
    uint8_t proof[PIT_WIRE_PROOF_BYTES];
    pit_wire_proof(account->key, account->key_bytes, session->nonce, session->account, proof);
    int equal = pit_wire_proof_equal(proof, message->proof);
    if (equal && place != PIT_ACCOUNTS_NONE)
        admit(gateway, session);
    else
        refuse(gateway, session);
}

void pit_gateway_logon(struct pit_gateway *gateway, struct pit_gateway_session *session,
                       const struct pit_message *message)
{
    if (gateway->node && gateway->epoch == 0) {
        pit_gateway_redirect(gateway, session);
        return;
    }
    if (session->state == PIT_GATEWAY_PROOF && message->kind == PIT_MESSAGE_PROOF) {
        prove(gateway, session, message);
    } else if (session->state != PIT_GATEWAY_LOGON || message->kind != PIT_MESSAGE_LOGON) {
        pit_gateway_close_malformed(gateway, session,
                                    session->state == PIT_GATEWAY_LOGON ? "log on first" : "the proof must follow");
    } else if (message->version != PIT_WIRE_VERSION) {
        pit_gateway_close_malformed(gateway, session, "this server speaks version 1 of the protocol");
    } else if (message->account == 0) {
        refuse(gateway, session);
    } else {
        session->account = message->account;
        if (gateway->keyed)
            session->state = PIT_GATEWAY_PROOF;
        else
            admit(gateway, session);
    }
}

static void say_welcome(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    struct pit_message *message = &gateway->answer;
    message->kind = PIT_MESSAGE_WELCOME;
    message->account = session->account;
    message->symbols = gateway->symbols_count;
    message->heartbeat_ms = gateway->limits.heartbeat_ms;
    message->rate = gateway->limits.rate_max;
    memcpy(message->name, gateway->name, sizeof message->name);
    pit_gateway_say(gateway, session, message);
}

static void say_symbol(struct pit_gateway *gateway, struct pit_gateway_session *session, uint32_t symbol)
{
    const struct pit_symbol_definition *definition = &gateway->symbols[symbol];
    struct pit_message *message = &gateway->answer;
    message->kind = PIT_MESSAGE_SYMBOL;
    message->symbol = symbol;
    memset(message->name, 0, sizeof message->name);
    memcpy(message->name, definition->name, sizeof definition->name);
    message->tick_mantissa = definition->tick_mantissa;
    message->tick_decimals = definition->tick_decimals;
    message->lot_mantissa = definition->lot_mantissa;
    message->lot_decimals = definition->lot_decimals;
    message->price_min = definition->price_min;
    message->price_max = definition->price_max;
    message->quantity_max = definition->quantity_max;
    pit_gateway_say(gateway, session, message);
}

void pit_gateway_welcome(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    if (session->waits_for != PIT_ACCOUNTS_NONE || !pit_gateway_proved(gateway, session) ||
        !pit_gateway_may_say(gateway))
        return;
    const struct pit_session_board *board = pit_gateway_board(gateway, session);
    if (pit_word_load_relaxed(&board->broken)) {
        pit_gateway_close(gateway, session, PIT_REASON_NONE, NULL);
        return;
    }
    if (session->state == PIT_GATEWAY_TAKING) {
        session->state = PIT_GATEWAY_WELCOMING;
        session->heard_ns = gateway->now_ns;
        say_welcome(gateway, session);
        pit_gateway_say_now(gateway);
        session->welcome_note = gateway->open_sequence;
    }
    /* A long list goes in pieces: the next when egress has taken the last, and the client what was before. */
    if (pit_ring_slowest(gateway->notes) < session->welcome_note || pit_word_load_relaxed(&board->backlog))
        return;
    session->heard_ns = gateway->now_ns;
    for (uint32_t i = 0; i < SYMBOLS_AT_ONCE && session->welcomed < gateway->symbols_count; i++) {
        if (!pit_gateway_may_say(gateway))
            break;
        say_symbol(gateway, session, session->welcomed++);
    }
    pit_gateway_say_now(gateway);
    session->welcome_note = gateway->open_sequence;
    if (session->welcomed < gateway->symbols_count || !pit_gateway_may_say(gateway))
        return;
    pit_gateway_note(gateway, session, PIT_SESSION_LOGON); /* reports may come from here on */
    session->state = PIT_GATEWAY_LIVE;
    session->heard_ns = gateway->now_ns;
}
