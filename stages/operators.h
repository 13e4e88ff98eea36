/* stages/operators.h - a node's answers to its operators: from the questions of stages/operator_message.h to functions
 * of the node, and back.
 *
 * Thread:   one, that of the peers.
 * Progress: nothing blocks: a question is answered at once. What takes time is begun; who asked looks again.
 * Trust:    an operator has proved the cluster's key. What it asks is checked all the same.
 */
#ifndef PIT_STAGES_OPERATORS_H
#define PIT_STAGES_OPERATORS_H

#include "stages/cluster.h"
#include "stages/operator_message.h"
#include "stages/peers.h"

/* The node's own. */
struct pit_operator_handler {
    void *context;
    void (*figures)(void *context, struct pit_cluster_figures *figures);
    /* Begins to hand leadership to a node, 1 .. nodes, not this one. 0; or with error's text: -EPERM: this node does
     * not lead; others: why not now. */
    int (*transfer)(void *context, uint32_t node, struct pit_error *error);
    /* *newest: sequence of the newest snapshot, 0 = none. begin: asks for one more. 0; or with error's text. */
    int (*snapshot)(void *context, bool begin, uint64_t *newest, struct pit_error *error);
};

struct pit_operators {
    struct pit_operator_handler handler;
    struct pit_peers *peers; /* set when they are open, before their first work */
    const char *name;        /* of the pipeline */
    const char *version;     /* of the program */
    struct pit_clock clock;  /* monotonic_ns is used */
    uint64_t started_ns;     /* of it */
};

/* For struct pit_peers_options: asked, with the operators as its argument. */
void pit_operators_asked(void *operators, uint64_t token, const void *bytes, size_t count);

#endif
