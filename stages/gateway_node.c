/* stages/gateway_node.c - what the gateway of a cluster's node does besides: only the node that leads has clients. */
#include "stages/gateway_session.h"

static bool is_in(const struct pit_gateway_session *session)
{
    return session->state == PIT_GATEWAY_TAKING || session->state == PIT_GATEWAY_WELCOMING ||
           session->state == PIT_GATEWAY_LIVE;
}

void pit_gateway_redirect(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    uint64_t leader = pit_word_load_relaxed(&gateway->node->leader);
    pit_gateway_count(&gateway->counters.redirected, 1);
    pit_gateway_close(gateway, session, PIT_REASON_NOT_LEADER,
                      leader <= PIT_CLUSTER_NODES_MAX ? gateway->clients[leader] : "");
}

void pit_gateway_follow_node(struct pit_gateway *gateway)
{
    uint64_t epoch = pit_word_load_acquire(&gateway->node->leads);
    if (epoch == gateway->epoch)
        return;
    for (uint32_t i = 0; i < gateway->sessions_count && gateway->epoch; i++)
        if (is_in(&gateway->sessions[i]))
            pit_gateway_redirect(gateway, &gateway->sessions[i]);
    gateway->epoch = epoch;
    gateway->done++;
    if (epoch == 0)
        return;
    pit_word_store_release(&gateway->intake_board->first, pit_ring_published(gateway->input) + 1);
    pit_word_store_release(&gateway->intake_board->epoch, epoch);
}

void pit_gateway_ask_proof(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    if (!gateway->node)
        return;
    session->proof = gateway->intake_board->asked + 1;
    pit_word_store_release(&gateway->intake_board->asked, session->proof);
}

bool pit_gateway_proved(const struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    const struct pit_node_board *node = gateway->node;
    if (!node)
        return true;
    if (session->proof && pit_word_load_acquire(&node->proved) >= session->proof) {
        session->proof = 0;
        session->proved = pit_word_load_relaxed(&node->proved_sequence); /* later proofs are not waited for */
    }
    return session->proof == 0 && pit_word_load_acquire(gateway->covered) >= session->proved;
}
