/* stages/peers_out.c - the connections to other nodes: what is sent. */
#include <errno.h>
#include <string.h>

#include "stages/peers_parts.h"

static void give_up(struct pit_peers *peers, struct pit_peers_out *out)
{
    pit_peers_hang_up(peers, &out->handle);
    out->retry_ns = pit_peers_now_ns(peers) + (uint64_t)peers->options.reconnect_ms * 1000000;
    out->first = out->count = 0;
}

/* The queue lies in one piece, since a frame's checksum is over one. Moved to the beginning when the end is reached. */

static void straighten(struct pit_peers *peers, struct pit_peers_out *out, uint64_t need)
{
    PIT_CHECK(out->count + need <= peers->options.queue_bytes);
    if (out->count > 0 && out->first + out->count + need <= peers->options.queue_bytes)
        return;
    memmove(out->queue, out->queue + out->first, out->count);
    out->first = 0;
}

static void put(struct pit_peers_out *out, const void *bytes, size_t count)
{
    memcpy(out->queue + out->first + out->count, bytes, count);
    out->count += count;
}

/* Sends what waits. False: the connection is gone. */
static bool flush(struct pit_peers *peers, struct pit_peers_out *out, uint32_t *done)
{
    const struct pit_network *network = peers->options.network;
    while (out->count > 0) {
        int64_t moved = network->send(network->context, out->handle, out->queue + out->first, out->count);
        if (moved == -EAGAIN)
            break;
        if (moved <= 0)
            return false;
        out->first += (uint64_t)moved;
        out->count -= (uint64_t)moved;
        out->since_ns = pit_peers_now_ns(peers);
        ++*done;
    }
    return true;
}

bool pit_peers_out_send(void *context, uint32_t node, const struct iovec *pieces, uint32_t count, size_t bytes)
{
    struct pit_peers *peers = context;
    struct pit_peers_out *out = &peers->out[node];
    size_t need = sizeof(struct pit_peer_frame) + bytes;
    PIT_CHECK(node >= 1 && node <= peers->options.nodes && node != peers->options.node);
    PIT_CHECK(bytes > 0 && bytes <= PIT_CONSENSUS_MESSAGE_BYTES_MAX);
    if (!pit_peers_reaches(peers, node) || need > peers->options.queue_bytes - out->count) {
        peers->counters.lost++;
        return false;
    }
    straighten(peers, out, need);
    if (out->count == 0)
        out->since_ns = pit_peers_now_ns(peers); /* from now on something waits */
    uint64_t at = out->first + out->count;
    struct pit_peer_frame frame = pit_peers_frame(peers, peers->options.node, node, ++out->number);
    frame.term = peers->term;
    frame.bytes = (uint32_t)bytes;
    put(out, &frame, sizeof frame);
    for (uint32_t i = 0; i < count; i++)
        put(out, pieces[i].iov_base, pieces[i].iov_len);
    pit_peer_frame_seal(out->queue + at);
    peers->counters.sent++;
    uint32_t done = 0;
    if (!flush(peers, out, &done))
        give_up(peers, out);
    return true;
}

/* Connecting. */

static bool greet(struct pit_peers *peers, uint32_t node)
{
    const struct pit_network *network = peers->options.network;
    struct pit_peers_out *out = &peers->out[node];
    out->hello = (struct pit_peer_hello){
        .magic = PIT_PEER_HELLO_MAGIC,
        .version = PIT_PEER_VERSION,
        .from = peers->options.node,
        .to = node,
    };
    memcpy(out->hello.cluster, peers->options.cluster, sizeof out->hello.cluster);
    if (peers->options.random(peers->options.random_argument, out->hello.nonce, sizeof out->hello.nonce) < 0)
        return false;
    struct pit_error error;
    out->handle = network->connect(network->context, peers->addresses[node], &error);
    if (out->handle < 0)
        return false;
    if (network->poller_add(network->context, peers->poller, out->handle) < 0)
        return false;
    if (network->limit)
        network->limit(network->context, out->handle, peers->options.stall_ms);
    out->state = PIT_PEERS_GREETS;
    out->since_ns = pit_peers_now_ns(peers);
    out->challenge_filled = 0;
    out->number = 0;
    out->first = out->count = 0;
    put(out, &out->hello, sizeof out->hello);
    return true;
}

/* The acceptor has answered: is it one of us? */
static bool answer(struct pit_peers *peers, struct pit_peers_out *out)
{
    uint8_t proof[PIT_PEER_PROOF_BYTES];
    pit_peer_prove(peers->key, peers->options.key_bytes, PIT_PEER_ACCEPTS, &out->hello, out->challenge.nonce, proof);
    if (!pit_peer_proof_equal(proof, out->challenge.proof)) {
        peers->counters.impostors++;
        return false;
    }
    pit_peer_prove(peers->key, peers->options.key_bytes, PIT_PEER_CONNECTS, &out->hello, out->challenge.nonce, proof);
    put(out, proof, sizeof proof);
    out->state = PIT_PEERS_TALKS;
    out->since_ns = pit_peers_now_ns(peers);
    peers->counters.connected++;
    return true;
}

/* The acceptor says its challenge and nothing else. False: the connection is gone, or wrong. */
static bool hear(struct pit_peers *peers, struct pit_peers_out *out)
{
    const struct pit_network *network = peers->options.network;
    uint8_t *at = (uint8_t *)&out->challenge + out->challenge_filled;
    size_t left = sizeof out->challenge - out->challenge_filled;
    uint8_t more;
    int64_t got = left ? network->receive(network->context, out->handle, at, left)
                       : network->receive(network->context, out->handle, &more, 1);
    if (got == -EAGAIN)
        return true;
    if (got <= 0 || left == 0)
        return false;
    out->challenge_filled += (uint32_t)got;
    return out->challenge_filled < sizeof out->challenge || answer(peers, out);
}

uint32_t pit_peers_out_work(struct pit_peers *peers, uint32_t node)
{
    struct pit_peers_out *out = &peers->out[node];
    uint32_t done = 0;
    if (out->handle < 0) {
        if (pit_peers_now_ns(peers) < out->retry_ns)
            return 0;
        if (!greet(peers, node)) {
            give_up(peers, out);
            return 0;
        }
        done++;
    }
    bool talked = out->state == PIT_PEERS_TALKS;
    bool good = (!out->ready || hear(peers, out)) && flush(peers, out, &done);
    done += !talked && out->state == PIT_PEERS_TALKS;
    uint32_t limit_ms = out->state == PIT_PEERS_TALKS ? peers->options.stall_ms : peers->options.prove_ms;
    bool waits = out->state == PIT_PEERS_GREETS || out->count > 0;
    if (good && waits && pit_peers_over(peers, out->since_ns, limit_ms)) {
        peers->counters.stalled++;
        good = false;
    }
    if (!good)
        give_up(peers, out);
    return done;
}
