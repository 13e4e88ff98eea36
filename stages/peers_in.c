/* stages/peers_in.c - the connections from other nodes: what is heard, and from whom. */
#include <errno.h>
#include <string.h>

#include "stages/peers_parts.h"

#define READS_MAX 8 /* of one connection in one turn */

/* Strangers. */

static void send_away(struct pit_peers *peers, struct pit_peers_stranger *stranger)
{
    pit_peers_hang_up(peers, &stranger->handle);
    peers->counters.strangers++;
}

/* A place for one more: a free one, or that of the stranger who has been here longest. */
static struct pit_peers_stranger *make_place(struct pit_peers *peers)
{
    struct pit_peers_stranger *oldest = &peers->strangers[0];
    for (uint32_t i = 0; i < PIT_PEERS_STRANGERS_MAX; i++) {
        struct pit_peers_stranger *stranger = &peers->strangers[i];
        if (stranger->handle < 0)
            return stranger;
        if (stranger->since_ns < oldest->since_ns)
            oldest = stranger;
    }
    send_away(peers, oldest);
    return oldest;
}

uint32_t pit_peers_in_accept(struct pit_peers *peers)
{
    const struct pit_network *network = peers->options.network;
    uint32_t done = 0;
    for (; done < PIT_PEERS_STRANGERS_MAX; done++) {
        char text[PIT_PEERS_ADDRESS_BYTES];
        int handle = network->accept(network->context, peers->listener, text, sizeof text);
        if (handle < 0)
            break;
        struct pit_peers_stranger *stranger = make_place(peers);
        *stranger = (struct pit_peers_stranger){.handle = handle, .since_ns = pit_peers_now_ns(peers)};
        if (network->poller_add(network->context, peers->poller, handle) < 0)
            send_away(peers, stranger);
    }
    return done;
}

/* A node that may be here, or an operator where those are heard. */
static bool from_fits(const struct pit_peers *peers, uint32_t from)
{
    if (from == PIT_PEER_OPERATOR)
        return peers->options.asked != NULL;
    return from <= peers->options.nodes && from != peers->options.node;
}

static bool hello_fits(const struct pit_peers *peers, const struct pit_peer_hello *hello)
{
    return hello->magic == PIT_PEER_HELLO_MAGIC && hello->version == PIT_PEER_VERSION && hello->zero == 0 &&
           memcmp(hello->cluster, peers->options.cluster, sizeof hello->cluster) == 0 &&
           from_fits(peers, hello->from) && hello->to == peers->options.node;
}

/* Its HELLO is here. False: it is not one of us, or does not listen. */
static bool challenge(struct pit_peers *peers, struct pit_peers_stranger *stranger)
{
    const struct pit_network *network = peers->options.network;
    struct pit_peer_hello hello;
    memcpy(&hello, stranger->bytes, sizeof hello);
    struct pit_peer_challenge *ours = &stranger->challenge;
    if (!hello_fits(peers, &hello) ||
        peers->options.random(peers->options.random_argument, ours->nonce, sizeof ours->nonce) < 0)
        return false;
    pit_peer_prove(peers->key, peers->options.key_bytes, PIT_PEER_ACCEPTS, &hello, ours->nonce, ours->proof);
    stranger->challenged = true;
    /* The first bytes on a new connection: there is room for them. */
    return network->send(network->context, stranger->handle, ours, sizeof *ours) == sizeof *ours;
}

/* All of its bytes are here. True: it is a node, and its connection has taken the place of an older one; or it is an
 * operator. */
static bool recognise(struct pit_peers *peers, struct pit_peers_stranger *stranger)
{
    struct pit_peer_hello hello;
    uint8_t proof[PIT_PEER_PROOF_BYTES];
    memcpy(&hello, stranger->bytes, sizeof hello);
    pit_peer_prove(peers->key, peers->options.key_bytes, PIT_PEER_CONNECTS, &hello, stranger->challenge.nonce, proof);
    if (!pit_peer_proof_equal(proof, stranger->bytes + sizeof hello))
        return false;
    if (hello.from == PIT_PEER_OPERATOR) {
        pit_peers_operators_take(peers, stranger->handle);
        stranger->handle = -1;
        return true;
    }
    struct pit_peers_in *in = &peers->in[hello.from];
    pit_peers_hang_up(peers, &in->handle);
    in->handle = stranger->handle;
    in->number = 0;
    in->filled = 0;
    in->ready = true;
    stranger->handle = -1;
    peers->counters.accepted++;
    return true;
}

/* Reads exactly what a handshake has: what follows it is for the node's own buffer. */
static uint32_t hear_stranger(struct pit_peers *peers, struct pit_peers_stranger *stranger)
{
    const struct pit_network *network = peers->options.network;
    size_t whole = stranger->challenged ? sizeof stranger->bytes : sizeof(struct pit_peer_hello);
    int64_t got = network->receive(network->context, stranger->handle, stranger->bytes + stranger->filled,
                                   whole - stranger->filled);
    if (got == -EAGAIN) {
        if (pit_peers_over(peers, stranger->since_ns, peers->options.prove_ms))
            send_away(peers, stranger);
        return 0;
    }
    if (got <= 0) {
        send_away(peers, stranger);
        return 0;
    }
    stranger->filled += (uint32_t)got;
    if (stranger->filled < whole)
        return 1;
    if (!(stranger->challenged ? recognise(peers, stranger) : challenge(peers, stranger)))
        send_away(peers, stranger);
    return 1;
}

/* Nodes. */

/* Hands out the frames that are whole. False: it is none. */
static bool take_frames(struct pit_peers *peers, uint32_t node, uint32_t *done)
{
    struct pit_peers_in *in = &peers->in[node];
    int handle = in->handle;
    size_t at = 0;
    while (in->filled - at >= sizeof(struct pit_peer_frame)) {
        struct pit_peer_frame frame, expected = pit_peers_frame(peers, node, peers->options.node, in->number + 1);
        memcpy(&frame, in->buffer + at, sizeof frame);
        if (!pit_peer_frame_fits(&frame, &expected, PIT_CONSENSUS_MESSAGE_BYTES_MAX))
            return false;
        if (in->filled - at < sizeof frame + frame.bytes)
            break;
        if (!pit_peer_frame_whole(in->buffer + at))
            return false;
        in->number++;
        peers->counters.received++;
        peers->options.received(peers->options.received_argument, node, in->buffer + at + sizeof frame, frame.bytes);
        PIT_CHECK(in->handle == handle);
        at += sizeof frame + frame.bytes;
        ++*done;
    }
    memmove(in->buffer, in->buffer + at, in->filled - at);
    in->filled -= at;
    return true;
}

static uint32_t hear_node(struct pit_peers *peers, uint32_t node)
{
    const struct pit_network *network = peers->options.network;
    struct pit_peers_in *in = &peers->in[node];
    uint32_t done = 0;
    for (int i = 0; i < READS_MAX; i++) {
        int64_t got = network->receive(network->context, in->handle, in->buffer + in->filled,
                                       PIT_PEERS_BUFFER_BYTES - in->filled);
        if (got == -EAGAIN)
            break;
        bool good = got > 0;
        if (good) {
            in->filled += (size_t)got;
            good = take_frames(peers, node, &done);
            peers->counters.bad_frames += !good;
        }
        if (!good) {
            pit_peers_hang_up(peers, &in->handle);
            break;
        }
    }
    return done;
}

uint32_t pit_peers_in_work(struct pit_peers *peers)
{
    uint32_t done = 0;
    for (uint32_t i = 0; i < PIT_PEERS_STRANGERS_MAX; i++) {
        if (peers->others_ready && peers->strangers[i].handle >= 0)
            done += hear_stranger(peers, &peers->strangers[i]);
    }
    for (uint32_t node = 1; node <= peers->options.nodes; node++) {
        if (peers->in[node].ready && peers->in[node].handle >= 0)
            done += hear_node(peers, node);
    }
    return done;
}
