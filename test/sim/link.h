/* test/sim/link.h - how simulated clients reach their servers: a table of functions, which each simulated network has.
 */
#ifndef PIT_TEST_SIM_LINK_H
#define PIT_TEST_SIM_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/message.h"

struct sim_link {
    void *context;
    /* A handle, or -1: nobody listens. */
    int (*connect)(void *context, uint32_t client);
    void (*write)(void *context, int handle, const void *bytes, size_t count);
    /* Takes at most max of what has come. */
    size_t (*take)(void *context, int handle, void *bytes, size_t max);
    /* How much has come. */
    size_t (*waiting)(void *context, int handle);
    /* True when nothing will come any more. */
    bool (*ended)(void *context, int handle);
    /* The client is away without a word; the handle is void. */
    void (*leave)(void *context, int handle);
    /* The client takes nothing for now, or does again. */
    void (*deaf)(void *context, int handle, bool deaf);
    /* The server has said BYE. NULL: of one that shuts down it means that it has told all there is. */
    void (*farewell)(void *context, uint32_t client, const struct pit_message *bye);
};

#endif
