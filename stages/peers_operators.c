/* stages/peers_operators.c - the connections of operators: questions come in, answers go out. */
#include <errno.h>
#include <string.h>

#include "stages/peers_parts.h"

#define TURN_MAX 8u /* questions of one operator in one turn */

/* place | serial << 8: of a connection, and never of a later one in the same place (for 2^32 connections). */
static uint64_t token_of(const struct pit_peers *peers, const struct pit_peers_operator *operator)
{
    return (uint64_t) operator->serial << 8 |(uint64_t)(operator- peers->operators);
}

static void send_away(struct pit_peers *peers, struct pit_peers_operator *operator)
{
    pit_peers_hang_up(peers, &operator->handle);
    peers->counters.sent_away++;
}

void pit_peers_operators_take(struct pit_peers *peers, int handle)
{
    struct pit_peers_operator *place = &peers->operators[0];
    for (uint32_t i = 0; i < PIT_PEERS_OPERATORS_MAX && place->handle >= 0; i++) {
        struct pit_peers_operator *operator= & peers->operators[i];
        if (operator->handle<0 || operator->since_ns<place->since_ns)
            place = operator;
    }
    if (place->handle >= 0)
        send_away(peers, place);
    place->handle = handle;
    place->serial = ++peers->operators_serial;
    place->since_ns = pit_peers_now_ns(peers);
    place->heard = place->said = 0;
    place->filled = 0;
    place->first = place->count = 0;
    peers->counters.operators++;
}

bool pit_peers_answer(struct pit_peers *peers, uint64_t token, const void *bytes, size_t count)
{
    struct pit_peer_frame frame;
    PIT_CHECK(count > 0 && count <= PIT_PEERS_ANSWER_BYTES_MAX && (token & 0xff) < PIT_PEERS_OPERATORS_MAX);
    struct pit_peers_operator *operator= & peers->operators[token & 0xff];
    if (operator->handle<0 || token != token_of(peers, operator) ||
        sizeof frame + count > sizeof operator->answers - operator->count) {
        peers->counters.answers_lost++;
        return false;
    }
    memmove(operator->answers, operator->answers + operator->first, operator->count);
    operator->first = 0;
    frame = pit_peers_frame(peers, peers->options.node, PIT_PEER_OPERATOR, ++operator->said);
    frame.term = peers->term;
    frame.bytes = (uint32_t)count;
    uint8_t *at = operator->answers + operator->count;
    memcpy(at, &frame, sizeof frame);
    memcpy(at + sizeof frame, bytes, count);
    pit_peer_frame_seal(at);
    operator->count += sizeof frame + count;
    peers->counters.answers++;
    return true;
}

/* False: the connection is gone. */
static bool flush(struct pit_peers *peers, struct pit_peers_operator *operator, uint32_t * done)
{
    const struct pit_network *network = peers->options.network;
    while (operator->count> 0) {
        int64_t moved =
            network->send(network->context, operator->handle, operator->answers + operator->first, operator->count);
        if (moved == -EAGAIN)
            break;
        if (moved <= 0)
            return false;
        operator->first +=(size_t) moved;
        operator->count -=(size_t) moved;
        operator->since_ns = pit_peers_now_ns(peers);
        ++*done;
    }
    return true;
}

/* Hands out the question, when it is whole. False: it is none. */
static bool take_question(struct pit_peers *peers, struct pit_peers_operator *operator)
{
    struct pit_peer_frame frame;
    struct pit_peer_frame expected =
        pit_peers_frame(peers, PIT_PEER_OPERATOR, peers->options.node, operator->heard + 1);
    if (operator->filled<sizeof frame)
        return true;
    memcpy(&frame, operator->question, sizeof frame);
    if (!pit_peer_frame_fits(&frame, &expected, PIT_PEERS_QUESTION_BYTES_MAX))
        return false;
    if (operator->filled<sizeof frame + frame.bytes)
        return true;
    if (!pit_peer_frame_whole(operator->question))
        return false;
    operator->heard++;
    operator->filled = 0;
    peers->counters.questions++;
    peers->options.asked(peers->options.asked_argument, token_of(peers, operator), operator->question + sizeof frame,
                         frame.bytes);
    return true;
}

/* How much the question lacks: its header first, then what that says. */
static size_t lacking(const struct pit_peers_operator *operator)
{
    struct pit_peer_frame frame;
    if (operator->filled<sizeof frame)
        return sizeof frame - operator->filled;
    memcpy(&frame, operator->question, sizeof frame);
    return sizeof frame + frame.bytes - operator->filled;
}

/* Who does not take its answers is not asked for more questions. False: the connection is gone, or wrong. */
static bool hear(struct pit_peers *peers, struct pit_peers_operator *operator, uint32_t * done)
{
    const struct pit_network *network = peers->options.network;
    uint64_t until = operator->heard + TURN_MAX;
    while (operator->heard<until && operator->count == 0) {
        int64_t got = network->receive(network->context, operator->handle, operator->question + operator->filled,
                                       lacking(operator));
        if (got == -EAGAIN)
            return true;
        if (got <= 0)
            return false;
        operator->filled +=(size_t) got;
        operator->since_ns = pit_peers_now_ns(peers);
        ++*done;
        if (!take_question(peers, operator)) {
            peers->counters.bad_questions++;
            return false;
        }
        if (!flush(peers, operator, done))
            return false;
    }
    return true;
}

uint32_t pit_peers_operators_work(struct pit_peers *peers)
{
    uint32_t done = 0;
    for (uint32_t i = 0; i < PIT_PEERS_OPERATORS_MAX; i++) {
        struct pit_peers_operator *operator= & peers->operators[i];
        if (operator->handle<0)
            continue;
        if (!flush(peers, operator, & done) || !hear(peers, operator, & done))
            pit_peers_hang_up(peers, &operator->handle);
        else if (pit_peers_over(peers, operator->since_ns, peers->options.operator_ms))
            send_away(peers, operator);
    }
    return done;
}
