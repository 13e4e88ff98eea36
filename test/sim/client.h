/* test/sim/client.h - the simulated clients: they log on, send requests, read reports, vanish and come back. */
#ifndef PIT_TEST_SIM_CLIENT_H
#define PIT_TEST_SIM_CLIENT_H

#include "link.h"
#include "model.h"
#include "trace.h"

#define SIM_KEY_BYTES 32u
#define SIM_REMEMBERED 32u

struct sim_client {
    uint32_t account;
    bool keyed;
    int handle;   /* -1: away */
    bool resumes; /* asks again for what is unanswered */
    bool live;    /* WELCOME has come, and RESUMED if it resumes */
    uint64_t deaf_until;
    uint8_t *inbound;
    size_t inbound_count;
    uint32_t symbols;
    uint64_t client_ids; /* used so far */
    struct {
        uint64_t order_id;
        uint64_t client_id;
        uint32_t symbol;
    } order[SIM_REMEMBERED]; /* some that it has sent; the latest overwrite the oldest */
    uint32_t orders;
};

struct sim_clients {
    struct sim_client client[SIM_CLIENTS_MAX];
    uint32_t count;
    uint32_t burst_max;
    struct sim_link link;
    struct sim_model *model;
    struct sim_trace *trace;
    struct pit_decoder *decoder;
};

void sim_clients_open(struct sim_clients *clients, const struct sim_plan *plan, const struct sim_link *link,
                      struct sim_model *model, struct sim_trace *trace);
void sim_clients_close(struct sim_clients *clients);

/* The key of an account. */
void sim_client_key(uint32_t account, uint8_t key[SIM_KEY_BYTES]);

void sim_client_act(struct sim_clients *clients, const struct sim_action *action);

/* Reads at most max bytes of what has come, and says to the model what is in them. */
void sim_client_read(struct sim_clients *clients, uint32_t number, uint64_t step, size_t max);

/* The process they talk to has stopped: they read what was on its way, and are away. */
void sim_clients_cut_off(struct sim_clients *clients);

#endif
