/* stages/operator.c - see operator.h. */
#include "stages/operator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "stages/clock.h"
#include "stages/peers.h"

#define LOOK_NS 2000000u /* a connection that is being made tells nobody when it is */

struct pit_operator {
    int handle, poller; /* -1: none */
    uint32_t node, timeout_ms;
    char address[PIT_PEERS_ADDRESS_BYTES];
    uint64_t cluster; /* half */
    uint64_t asked;   /* frames */
    uint64_t until_ns;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void limit(struct pit_operator *link)
{
    link->until_ns = now_ns() + (uint64_t)link->timeout_ms * 1000000;
}

/* Moves bytes with one of the network's functions until all have, or the time is up. */
static int move(struct pit_operator *link, bool send, void *bytes, size_t count, struct pit_error *error)
{
    const struct pit_network *network = pit_network_machine();
    for (size_t at = 0; at < count;) {
        uint8_t *from = (uint8_t *)bytes + at;
        int64_t moved = send ? network->send(network->context, link->handle, from, count - at)
                             : network->receive(network->context, link->handle, from, count - at);
        if (moved > 0) {
            at += (size_t)moved;
            continue;
        }
        if (moved == 0)
            return pit_error_set(error, -ECONNRESET, "node %u at %s hung up", link->node, link->address);
        if (moved != -EAGAIN)
            return pit_error_set(error, (int)moved, "node %u at %s: %s", link->node, link->address,
                                 strerror((int)-moved));
        if (now_ns() >= link->until_ns)
            return pit_error_set(error, -ETIMEDOUT, "node %u at %s does not answer within %u ms", link->node,
                                 link->address, link->timeout_ms);
        struct pit_network_ready ready;
        network->poll(network->context, link->poller, &ready, 1, LOOK_NS);
    }
    return 0;
}

static int prove(struct pit_operator *link, const struct pit_cluster_config *cluster, struct pit_error *error)
{
    struct pit_peer_hello hello = {
        .magic = PIT_PEER_HELLO_MAGIC, .version = PIT_PEER_VERSION, .from = PIT_PEER_OPERATOR, .to = link->node};
    struct pit_peer_challenge challenge;
    uint8_t proof[PIT_PEER_PROOF_BYTES];
    memcpy(hello.cluster, cluster->id, sizeof hello.cluster);
    if (getrandom(hello.nonce, sizeof hello.nonce, 0) != sizeof hello.nonce)
        return pit_error_set(error, -errno, "no random numbers: %s", strerror(errno));
    int code = move(link, true, &hello, sizeof hello, error);
    if (code == 0)
        code = move(link, false, &challenge, sizeof challenge, error);
    if (code == -ECONNRESET)
        return pit_error_set(error, -EACCES,
                             "node %u at %s does not know us: it is of another cluster, has another number, or takes "
                             "no questions",
                             link->node, link->address);
    if (code)
        return code;
    pit_peer_prove(cluster->key, cluster->key_bytes, PIT_PEER_ACCEPTS, &hello, challenge.nonce, proof);
    if (!pit_peer_proof_equal(proof, challenge.proof))
        return pit_error_set(error, -EACCES, "node %u at %s has another key than this configuration", link->node,
                             link->address);
    pit_peer_prove(cluster->key, cluster->key_bytes, PIT_PEER_CONNECTS, &hello, challenge.nonce, proof);
    return move(link, true, proof, sizeof proof, error);
}

int pit_operator_connect(struct pit_operator **connected, const struct pit_cluster_config *cluster, uint32_t node,
                         uint32_t timeout_ms, struct pit_error *error)
{
    const struct pit_network *network = pit_network_machine();
    struct pit_operator *link = calloc(1, sizeof *link);
    if (!link)
        return pit_error_set(error, -ENOMEM, "no memory for a connection");
    link->node = node;
    link->timeout_ms = timeout_ms;
    link->cluster = pit_peer_cluster_half(cluster->id);
    snprintf(link->address, sizeof link->address, "%s", cluster->of[node].address);
    limit(link);
    link->handle = network->connect(network->context, link->address, error);
    link->poller = link->handle < 0 ? -1 : network->poller_create(network->context);
    int code = link->handle < 0 ? link->handle : 0;
    if (code == 0 && link->poller >= 0)
        code = network->poller_add(network->context, link->poller, link->handle);
    if (code == 0 && link->poller < 0)
        code = link->poller;
    if (code < 0 && link->handle >= 0)
        pit_error_set(error, code, "cannot watch a socket: %s", strerror(-code));
    if (code == 0)
        code = prove(link, cluster, error);
    if (code) {
        pit_operator_close(link);
        return code;
    }
    *connected = link;
    return 0;
}

void pit_operator_close(struct pit_operator *link)
{
    const struct pit_network *network = pit_network_machine();
    if (link->poller >= 0)
        network->close(network->context, link->poller);
    if (link->handle >= 0)
        network->close(network->context, link->handle);
    free(link);
}

static int send_question(struct pit_operator *link, const struct pit_operator_question *question,
                         struct pit_error *error)
{
    uint8_t bytes[sizeof(struct pit_peer_frame) + sizeof *question];
    struct pit_peer_frame frame = {
        .magic = PIT_PEER_FRAME_MAGIC,
        .cluster = link->cluster,
        .number = ++link->asked,
        .bytes = sizeof *question,
        .from = PIT_PEER_OPERATOR,
        .to = (uint8_t)link->node,
    };
    memcpy(bytes, &frame, sizeof frame);
    memcpy(bytes + sizeof frame, question, sizeof *question);
    pit_peer_frame_seal(bytes);
    return move(link, true, bytes, sizeof bytes, error);
}

static int no_answer(const struct pit_operator *link, struct pit_error *error)
{
    return pit_error_set(error, -EPROTO, "node %u at %s: what came is no answer; is it of another version?", link->node,
                         link->address);
}

/* Asks, and gets an answer of a length that the question can have: *count bytes into answer, at most max. */
static int ask(struct pit_operator *link, const struct pit_operator_question *question, void *answer, size_t max,
               size_t *count, struct pit_error *error)
{
    uint8_t bytes[sizeof(struct pit_peer_frame) + PIT_PEERS_ANSWER_BYTES_MAX];
    struct pit_peer_frame frame, expected;
    limit(link);
    int code = send_question(link, question, error);
    if (code == 0)
        code = move(link, false, bytes, sizeof frame, error);
    if (code)
        return code;
    memcpy(&frame, bytes, sizeof frame);
    expected = (struct pit_peer_frame){
        .cluster = link->cluster,
        .number = link->asked,
        .from = (uint8_t)link->node,
        .to = PIT_PEER_OPERATOR,
    };
    if (!pit_peer_frame_fits(&frame, &expected, (uint32_t)max))
        return no_answer(link, error);
    code = move(link, false, bytes + sizeof frame, frame.bytes, error);
    if (code)
        return code;
    uint32_t kind;
    if (!pit_peer_frame_whole(bytes) || frame.bytes < sizeof kind)
        return no_answer(link, error);
    memcpy(&kind, bytes + sizeof frame, sizeof kind);
    if (kind != question->kind)
        return no_answer(link, error);
    memcpy(answer, bytes + sizeof frame, frame.bytes);
    *count = frame.bytes;
    return 0;
}

/* The node's own words about what it was asked. */
static int judge(const struct pit_operator *link, const struct pit_operator_answer *answer, struct pit_error *error)
{
    if (answer->code == 0)
        return 0;
    int code = answer->code < 0 && answer->code > -4096 ? answer->code : -EPROTO;
    return pit_error_set(error, code, "node %u at %s: %.*s", link->node, link->address, (int)sizeof answer->text,
                         answer->text);
}

int pit_operator_status(struct pit_operator *link, struct pit_operator_status *status, struct pit_error *error)
{
    struct pit_operator_question question = {.kind = PIT_OPERATOR_STATUS};
    union {
        struct pit_operator_status status;
        struct pit_operator_answer answer;
    } got;
    size_t count = 0;
    int code = ask(link, &question, &got, sizeof got, &count, error);
    if (code)
        return code;
    if (count == sizeof got.answer)
        return judge(link, &got.answer, error);
    if (count != sizeof got.status || got.status.node != link->node || got.status.nodes > PIT_CLUSTER_NODES_MAX ||
        got.status.leader > got.status.nodes)
        return no_answer(link, error);
    *status = got.status;
    status->version[sizeof status->version - 1] = 0;
    status->name[sizeof status->name - 1] = 0;
    return 0;
}

int pit_operator_transfer(struct pit_operator *link, uint32_t node, struct pit_error *error)
{
    struct pit_operator_question question = {.kind = PIT_OPERATOR_TRANSFER, .node = node};
    struct pit_operator_answer answer;
    size_t count = 0;
    int code = ask(link, &question, &answer, sizeof answer, &count, error);
    if (code)
        return code;
    return count == sizeof answer ? judge(link, &answer, error) : no_answer(link, error);
}

int pit_operator_snapshot(struct pit_operator *link, bool begin, uint64_t *newest, struct pit_error *error)
{
    struct pit_operator_question question = {.kind = PIT_OPERATOR_SNAPSHOT, .look = !begin};
    struct pit_operator_answer answer;
    size_t count = 0;
    int code = ask(link, &question, &answer, sizeof answer, &count, error);
    if (code)
        return code;
    if (count != sizeof answer)
        return no_answer(link, error);
    *newest = answer.sequence;
    return judge(link, &answer, error);
}
