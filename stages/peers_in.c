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

/* Which of two goes first: one that has not said HELLO as a node does, or the older. */
static bool goes_before(const struct pit_peers_stranger *one, const struct pit_peers_stranger *other)
{
    if (!other || one->challenged != other->challenged)
        return !other || other->challenged;
    return one->since_ns < other->since_ns;
}

static bool of_node(const struct pit_peers *peers, const char *host)
{
    bool any = false;
    for (uint32_t node = 1; node <= peers->options.nodes && !any; node++)
        any = node != peers->options.node && strcmp(peers->hosts[node], host) == 0;
    return any;
}

/* A place for one more from a host: of its own when it has as many as a host may have; a free one; or one of a host
 * that is no node's. (There is one: all the others' hosts cannot have every place.) */
static struct pit_peers_stranger *make_place(struct pit_peers *peers, const char *host)
{
    struct pit_peers_stranger *unused = NULL, *own = NULL, *nobodys = NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < PIT_PEERS_STRANGERS_MAX; i++) {
        struct pit_peers_stranger *stranger = &peers->strangers[i];
        if (stranger->handle < 0) {
            unused = stranger;
        } else if (strcmp(stranger->host, host) == 0) {
            count++;
            own = goes_before(stranger, own) ? stranger : own;
        } else if (!of_node(peers, stranger->host)) {
            nobodys = goes_before(stranger, nobodys) ? stranger : nobodys;
        }
    }
    struct pit_peers_stranger *place = count == PIT_PEERS_STRANGERS_HOST ? own : unused ? unused : nobodys;
    PIT_CHECK(place);
    if (place->handle >= 0)
        send_away(peers, place);
    return place;
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

/* What has come with it is heard at once: a node's HELLO, before others take its place. */
uint32_t pit_peers_in_accept(struct pit_peers *peers)
{
    const struct pit_network *network = peers->options.network;
    uint32_t done = 0;
    for (; done < PIT_PEERS_STRANGERS_HOST && !peers->deaf; done++) {
        char text[PIT_PEERS_ADDRESS_BYTES], host[PIT_PEERS_ADDRESS_BYTES];
        int handle = network->accept(network->context, peers->listener, text, sizeof text);
        if (handle < 0 && handle != -EAGAIN) { /* it goes on waiting: not to spin on it */
            peers->counters.accepts_failed++;
            pit_peers_listen(peers, false);
        }
        if (handle < 0)
            break;
        pit_network_address_host(text, host, sizeof host);
        struct pit_peers_stranger *stranger = make_place(peers, host);
        *stranger = (struct pit_peers_stranger){.handle = handle, .since_ns = pit_peers_now_ns(peers)};
        memcpy(stranger->host, host, sizeof host);
        if (network->poller_add(network->context, peers->poller, handle) < 0)
            send_away(peers, stranger);
        else
            hear_stranger(peers, stranger);
    }
    return done;
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
            if (got <= 0 && peers->options.lost)
                peers->options.lost(peers->options.lost_argument, node);
            break;
        }
    }
    return done;
}

uint32_t pit_peers_in_work(struct pit_peers *peers)
{
    uint32_t done = 0;
    for (uint32_t i = 0; i < PIT_PEERS_STRANGERS_MAX; i++) {
        if (peers->strangers[i].ready && peers->strangers[i].handle >= 0)
            done += hear_stranger(peers, &peers->strangers[i]);
    }
    for (uint32_t node = 1; node <= peers->options.nodes; node++) {
        if (peers->in[node].ready && peers->in[node].handle >= 0)
            done += hear_node(peers, node);
    }
    return done;
}
