/* test/stages/rig.h - gateway and egress between a network in memory and a matcher that the test plays. One thread;
 * time passes only when the test says so.
 */
#ifndef PIT_TEST_RIG_H
#define PIT_TEST_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "book/event.h"
#include "fake_network.h"
#include "stages/egress.h"
#include "stages/gateway.h"

#define RIG_SYMBOLS 3u
#define RIG_UTC_NS UINT64_C(1700000000000000000)

struct rig_options {
    uint32_t input_slots;   /* 0 = 1024 */
    uint32_t session_slots; /* 0 = 64 */
    uint64_t first;         /* of the input ring; 0 = 1 */
    uint64_t time_ns_min;
    uint32_t startup; /* how many of the symbols are defined by start-up commands */
    const struct pit_gateway_account *accounts;
    uint32_t accounts_count;
    struct pit_gateway_limits limits;
    uint32_t outbox_bytes;
    uint32_t close_ms;
    uint32_t results_accounts; /* accounts of which results are kept; 0 = as always */
    const char *address;       /* NULL = loopback */
    bool node;                 /* of a cluster: the input ring is the intake ring, and nobody leads at first */
};

struct rig {
    struct fake_network *fake;
    struct pit_clock clock;
    uint64_t utc_ns;
    uint64_t monotonic_ns;
    struct pit_control control;
    struct pit_sequence intake;                   /* the journaler's, for the test to set */
    _Alignas(64) struct pit_node_board node;      /* the replicator's, for the test to set */
    _Alignas(64) struct pit_intake_board intakes; /* the gateway's */
    void *memory[3];
    struct pit_ring *input, *sessions, *output;
    struct pit_ring_reader commands; /* the matcher's */
    struct pit_results *results;
    struct pit_egress *egress;
    struct pit_gateway *gateway;
    struct pit_agent gateway_agent, egress_agent;
    struct pit_symbol_definition symbols[RIG_SYMBOLS];
    uint64_t nonce;
};

/* rig.c: rig_create fails the test when a stage cannot be made; rig_try returns what pit_gateway_create did. */
struct rig *rig_create(const struct rig_options *options);
int rig_try(struct rig **rig, const struct rig_options *options, struct pit_error *error);
void rig_destroy(struct rig *rig);

/* Gateway and egress take turns until neither has anything to do. */
void rig_settle(struct rig *rig);
void rig_gateway(struct rig *rig); /* one turn each */
void rig_egress(struct rig *rig);

void rig_sleep_ms(struct rig *rig, uint64_t ms);
void rig_phase(struct rig *rig, enum pit_phase phase);

/* The matcher: answers the next command (CANCEL: cancelled; others: accepted and resting), at most max of them; returns
 * how many there were. Nothing is matched unless the test calls this. */
uint32_t rig_match(struct rig *rig, uint32_t max);

/* The next command in the input ring, taken out without an answer; false when there is none. */
bool rig_take(struct rig *rig, struct pit_command *command);

/* Publishes one event on the output ring. */
void rig_event(struct rig *rig, const struct pit_event *event);

/* A connected client: after the challenge has been read. */
int rig_connect(struct rig *rig);

/* Logged on, WELCOME and symbols read. */
int rig_logon(struct rig *rig, uint32_t account);

/* The next message to a client; fails the test when there is none or it is not of that kind. */
struct pit_message rig_expect(struct rig *rig, int handle, enum pit_message_kind kind);
void rig_expect_nothing(struct rig *rig, int handle);
void rig_expect_bye(struct rig *rig, int handle, enum pit_reason reason);
bool rig_closed(const struct rig *rig, int handle);

struct pit_message rig_new(uint32_t request, uint32_t symbol);
struct pit_message rig_message(enum pit_message_kind kind);

uint64_t rig_seed(void); /* PIT_SEED or one of its own; printed */
uint64_t rig_random(uint64_t *state);

#endif
