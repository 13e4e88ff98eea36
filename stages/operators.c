/* stages/operators.c - see operators.h. */
#include "stages/operators.h"

#include <errno.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "answers are little-endian");
_Static_assert(sizeof(struct pit_operator_question) <= PIT_PEERS_QUESTION_BYTES_MAX, "a question fits");
_Static_assert(sizeof(struct pit_operator_status) <= PIT_PEERS_ANSWER_BYTES_MAX, "an answer fits");

/* The rest of an answer is zeros already. */
static void copy_text(char *to, size_t bytes, const char *from)
{
    size_t length = strnlen(from, bytes - 1);
    memcpy(to, from, length);
}

static void answer_status(struct pit_operators *operators, uint64_t token)
{
    struct pit_cluster_figures figures;
    memset(&figures, 0, sizeof figures);
    operators->handler.figures(operators->handler.context, &figures);
    uint64_t now_ns = operators->clock.monotonic_ns(operators->clock.context);
    struct pit_operator_status status = {
        .kind = PIT_OPERATOR_STATUS,
        .node = figures.node,
        .nodes = figures.nodes,
        .role = (uint32_t)figures.role,
        .ready = figures.ready,
        .leader = figures.leader,
        .rejoining = figures.rejoining,
        .uptime_ns = now_ns - operators->started_ns,
        .term = figures.term,
        .last = figures.last,
        .durable = figures.durable,
        .committed = figures.committed,
        .sequence = figures.sequence,
        .digest_sequence = figures.digest_sequence,
        .digest_events = figures.digest_events,
        .elections = figures.elections,
        .memory_bytes = figures.memory_bytes,
        .receives = figures.receives,
        .receives_of = figures.receives_of,
        .sends_to = figures.sends_to,
        .sends = figures.sends,
        .sends_of = figures.sends_of,
    };
    for (uint32_t node = 1; node <= PIT_CLUSTER_NODES_MAX; node++) {
        const struct pit_cluster_peer_figures *peer = &figures.peers[node];
        uint64_t heard_ns = peer->heard_ns < now_ns ? peer->heard_ns : now_ns;
        status.peers[node] =
            (struct pit_operator_peer){.matched = peer->matched,
                                       .heard_ago_ns = peer->heard_ns ? now_ns - heard_ns : PIT_OPERATOR_NEVER,
                                       .reached = peer->reached};
    }
    copy_text(status.version, sizeof status.version, operators->version);
    copy_text(status.name, sizeof status.name, operators->name);
    pit_peers_answer(operators->peers, token, &status, sizeof status);
}

static void answer(struct pit_operators *operators, uint64_t token, uint32_t kind, int code, uint64_t sequence,
                   const struct pit_error *error)
{
    struct pit_operator_answer answer = {.kind = kind, .code = code, .sequence = sequence};
    if (code < 0)
        copy_text(answer.text, sizeof answer.text, error->text);
    pit_peers_answer(operators->peers, token, &answer, sizeof answer);
}

static int transfer(const struct pit_operators *operators, const struct pit_operator_question *question,
                    struct pit_error *error)
{
    struct pit_cluster_figures figures;
    memset(&figures, 0, sizeof figures);
    operators->handler.figures(operators->handler.context, &figures);
    if (question->node < 1 || question->node > figures.nodes)
        return pit_error_set(error, -EINVAL, "there is no node %u: they are 1 to %u", question->node, figures.nodes);
    if (figures.role != PIT_CLUSTER_LEADER)
        return pit_error_set(error, -EPERM, "node %u does not lead: only the leader hands over", figures.node);
    if (question->node == figures.node)
        return pit_error_set(error, -EALREADY, "node %u leads already", figures.node);
    return operators->handler.transfer(operators->handler.context, question->node, error);
}

void pit_operators_asked(void *argument, uint64_t token, const void *bytes, size_t count)
{
    struct pit_operators *operators = argument;
    struct pit_operator_question question = {0};
    struct pit_error error = {0};
    uint64_t sequence = 0;
    int code;
    memcpy(&question, bytes, count < sizeof question ? count : sizeof question);
    if (count != sizeof question || question.zero != 0 || question.look > 1) {
        code = pit_error_set(&error, -EINVAL, "that is no question: %zu bytes", count);
    } else if (question.kind == PIT_OPERATOR_STATUS) {
        answer_status(operators, token);
        return;
    } else if (question.kind == PIT_OPERATOR_TRANSFER) {
        code = transfer(operators, &question, &error);
    } else if (question.kind == PIT_OPERATOR_SNAPSHOT) {
        code = operators->handler.snapshot(operators->handler.context, !question.look, &sequence, &error);
    } else {
        code = pit_error_set(&error, -ENOSYS, "this node knows no question %u: it is of version %s", question.kind,
                             operators->version);
    }
    answer(operators, token, question.kind, code, sequence, &error);
}
