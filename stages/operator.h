/* stages/operator.h - who asks a node of a cluster how it is doing, or to do something: the other end of
 * stages/operators.h, for tools.
 *
 * Thread:   one. Blocks, within time limits.
 * Trust:    nothing is asked before the node has proved that it has the cluster's key, as it demands of us.
 */
#ifndef PIT_STAGES_OPERATOR_H
#define PIT_STAGES_OPERATOR_H

#include "stages/cluster.h"
#include "stages/operator_message.h"
#include "wire/network.h"

struct pit_operator;

/* Connects to a node, 1 .. nodes, and proves the key; of cluster the addresses, id and key are used, and copied.
 * timeout_ms is the limit of this call and of each question. 0, or with error's text: -ETIMEDOUT; -EACCES: the node has
 * another key or is of another cluster, or takes us for such; -ECONNREFUSED and other errors of the network. */
int pit_operator_connect(struct pit_operator **link, const struct pit_cluster_config *cluster, uint32_t node,
                         uint32_t timeout_ms, struct pit_error *error);
void pit_operator_close(struct pit_operator *link);

/* Ask. 0, or with error's text: -ETIMEDOUT; -EPROTO: that was no answer; -ECONNRESET and other errors of the network;
 * or what the node says, with its code (stages/operators.h). After an error that is not the node's: close. */
int pit_operator_status(struct pit_operator *link, struct pit_operator_status *status, struct pit_error *error);
int pit_operator_transfer(struct pit_operator *link, uint32_t node, struct pit_error *error);
int pit_operator_snapshot(struct pit_operator *link, bool begin, uint64_t *newest, struct pit_error *error);

#endif
