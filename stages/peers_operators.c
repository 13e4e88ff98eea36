/* stages/peers_operators.c - the connections of operators: questions come in, answers go out. */
#include <errno.h>
#include <string.h>

#include "stages/peers_parts.h"

#define TURN_MAX 8u /* questions of one operator in one turn */

/* place | serial << 8: of a connection, and never of a later one in the same place (for 2^32 connections). */
static uint64_t token_of(const struct pit_peers *peers, const struct pit_peers_operator *asker)
{
    return (uint64_t)asker->serial << 8 | (uint64_t)(asker - peers->operators);
}

static void send_away(struct pit_peers *peers, struct pit_peers_operator *asker)
{
    pit_peers_hang_up(peers, &asker->handle);
    peers->counters.sent_away++;
}

void pit_peers_operators_take(struct pit_peers *peers, int handle)
{
    struct pit_peers_operator *place = &peers->operators[0];
    for (uint32_t i = 0; i < PIT_PEERS_OPERATORS_MAX && place->handle >= 0; i++) {
        struct pit_peers_operator *asker = &peers->operators[i];
        if (asker->handle < 0 || asker->since_ns < place->since_ns)
            place = asker;
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
    struct pit_peers_operator *asker = &peers->operators[token & 0xff];
    if (asker->handle < 0 || token != token_of(peers, asker) ||
        sizeof frame + count > sizeof asker->answers - asker->count) {
        peers->counters.answers_lost++;
        return false;
    }
    memmove(asker->answers, asker->answers + asker->first, asker->count);
    asker->first = 0;
    frame = pit_peers_frame(peers, peers->options.node, PIT_PEER_OPERATOR, ++asker->said);
    frame.term = peers->term;
    frame.bytes = (uint32_t)count;
    uint8_t *at = asker->answers + asker->count;
    memcpy(at, &frame, sizeof frame);
    memcpy(at + sizeof frame, bytes, count);
    pit_peer_frame_seal(at);
    asker->count += sizeof frame + count;
    peers->counters.answers++;
    return true;
}

/* False: the connection is gone. */
static bool flush(struct pit_peers *peers, struct pit_peers_operator *asker, uint32_t *done)
{
    const struct pit_network *network = peers->options.network;
    while (asker->count > 0) {
        int64_t moved = network->send(network->context, asker->handle, asker->answers + asker->first, asker->count);
        if (moved == -EAGAIN)
            break;
        if (moved <= 0)
            return false;
        asker->first += (size_t)moved;
        asker->count -= (size_t)moved;
        asker->since_ns = pit_peers_now_ns(peers);
        ++*done;
    }
    return true;
}

/* Hands out the question, when it is whole. False: it is none. */
static bool take_question(struct pit_peers *peers, struct pit_peers_operator *asker)
{
    struct pit_peer_frame frame;
    struct pit_peer_frame expected = pit_peers_frame(peers, PIT_PEER_OPERATOR, peers->options.node, asker->heard + 1);
    if (asker->filled < sizeof frame)
        return true;
    memcpy(&frame, asker->question, sizeof frame);
    if (!pit_peer_frame_fits(&frame, &expected, PIT_PEERS_QUESTION_BYTES_MAX))
        return false;
    if (asker->filled < sizeof frame + frame.bytes)
        return true;
    if (!pit_peer_frame_whole(asker->question))
        return false;
    asker->heard++;
    asker->filled = 0;
    peers->counters.questions++;
    peers->options.asked(peers->options.asked_argument, token_of(peers, asker), asker->question + sizeof frame,
                         frame.bytes);
    return true;
}

/* How much the question lacks: its header first, then what that says. */
static size_t lacking(const struct pit_peers_operator *asker)
{
    struct pit_peer_frame frame;
    if (asker->filled < sizeof frame)
        return sizeof frame - asker->filled;
    memcpy(&frame, asker->question, sizeof frame);
    return sizeof frame + frame.bytes - asker->filled;
}

/* Who does not take its answers is not asked for more questions. False: the connection is gone, or wrong. */
static bool hear(struct pit_peers *peers, struct pit_peers_operator *asker, uint32_t *done)
{
    const struct pit_network *network = peers->options.network;
    uint64_t until = asker->heard + TURN_MAX;
    while (asker->heard < until && asker->count == 0) {
        int64_t got =
            network->receive(network->context, asker->handle, asker->question + asker->filled, lacking(asker));
        if (got == -EAGAIN)
            return true;
        if (got <= 0)
            return false;
        asker->filled += (size_t)got;
        asker->since_ns = pit_peers_now_ns(peers);
        ++*done;
        if (!take_question(peers, asker)) {
            peers->counters.bad_questions++;
            return false;
        }
        if (!flush(peers, asker, done))
            return false;
    }
    return true;
}

uint32_t pit_peers_operators_work(struct pit_peers *peers)
{
    uint32_t done = 0;
    for (uint32_t i = 0; i < PIT_PEERS_OPERATORS_MAX; i++) {
        struct pit_peers_operator *asker = &peers->operators[i];
        if (asker->handle < 0)
            continue;
        if (!flush(peers, asker, &done) || !hear(peers, asker, &done))
            pit_peers_hang_up(peers, &asker->handle);
        else if (pit_peers_over(peers, asker->since_ns, peers->options.operator_ms))
            send_away(peers, asker);
    }
    return done;
}
