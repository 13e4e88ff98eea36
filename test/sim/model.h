/* test/sim/model.h - what must be true: every command that entered the pipeline, what has been seen of it outside, what
 * the plain matcher makes of it, and therefore what each client must be told.
 *
 * The model learns commands by looking into the input ring when the gateway has had its turn, and what was acknowledged
 * by reading what clients and market-data readers read. The plain matcher is led on only as far as something was seen
 * of a command outside or recovered, so nothing it did has ever to be taken back.
 */
#ifndef PIT_TEST_SIM_MODEL_H
#define PIT_TEST_SIM_MODEL_H

#include "book/market.h"
#include "journal/results.h"
#include "plan.h"
#include "test/book/reference.h"
#include "wire/message.h"

#define SIM_SYMBOLS_ROOM 16u /* symbols that may come to be in a run */

/* A command that entered, and what came of it. */
struct sim_command {
    struct pit_command command;
    uint64_t events; /* hash of its events; 0: not applied yet */
};

/* A report that a client is to get. */
struct sim_report {
    uint64_t sequence;
    uint64_t hash; /* of all its fields */
    uint32_t request;
};

struct sim_reports {
    struct sim_report *report;
    uint32_t count, room;
    uint32_t next;  /* the first that has not been seen */
    bool beginning; /* nothing has come since the log-on: what came before may be missing */
};

/* What a request came to: for a client that asks again. */
struct sim_outcome {
    uint8_t kind; /* of the first report */
    uint8_t reason;
    uint64_t order_id, traded, open;
};

/* What a client has sent. */
struct sim_request {
    struct pit_message message;
    uint64_t sequence; /* it got; 0: none (yet) */
    uint32_t sent;     /* how often it was sent: each time it enters, is refused, or is lost */
    uint32_t refused;
    bool answered; /* the client has read its last report, or what stands for it */
    struct sim_outcome outcome;
};

struct sim_account {
    struct sim_request *request; /* number n is request[n - 1] */
    uint32_t count, room;
    uint32_t entered;          /* the last of them that entered the pipeline */
    uint32_t session_requests; /* requests before this one were sent in earlier sessions */
    struct sim_reports reports[SIM_SYMBOLS_ROOM];
};

struct sim_model {
    char violation[1024]; /* the first; empty: none */
    struct sim_command *command;
    uint64_t count, room; /* commands that entered; sequence s is command[s - 1] */
    uint64_t applied;     /* by the plain matcher */
    uint64_t acknowledged;
    uint64_t told;                               /* reports that clients have read */
    uint64_t repeated;                           /* results, for requests that were sent again */
    struct sim_account account[SIM_CLIENTS_MAX]; /* account a is account[a - 1] */
    uint32_t accounts;
    struct reference *book[SIM_SYMBOLS_ROOM];
    uint64_t trades[SIM_SYMBOLS_ROOM];
};

void sim_model_open(struct sim_model *model, uint32_t accounts);
void sim_model_close(struct sim_model *model);

/* The contract is broken. Only the first violation is kept. */
__attribute__((format(printf, 2, 3))) void sim_violation(struct sim_model *model, const char *format, ...);

/* A client sends a request: fills its number in. */
void sim_model_sent(struct sim_model *model, uint32_t account, struct pit_message *message);

/* A command has entered the input ring. */
void sim_model_entered(struct sim_model *model, const struct pit_command *command);

/* Something was seen of a command, and so of all before it. */
void sim_model_seen(struct sim_model *model, uint64_t sequence);

/* A client has logged on, or reads a report. */
void sim_model_session(struct sim_model *model, uint32_t account);
void sim_model_report(struct sim_model *model, uint32_t account, const struct pit_message *message);

/* The client has read the farewell of a clean stop: nothing of what came before may be missing. */
void sim_model_told_all(struct sim_model *model, uint32_t account);

/* A start recovered everything up to sequence: what came after never happened. mercy: see sim_disk_mercy. */
void sim_model_recovered(struct sim_model *model, uint64_t sequence, uint64_t mercy);

/* ---- model_once.c ---- */

/* The plain matcher has done a command; its events are in the book. */
void sim_model_outcome(struct sim_model *model, const struct pit_command *command, const struct reference *book);

/* A client reads RESULT, or RESUMED. */
void sim_model_result(struct sim_model *model, uint32_t account, const struct pit_message *message);
void sim_model_resumed(struct sim_model *model, uint32_t account, const struct pit_message *message);

/* What a node keeps, after all commands that entered: each account's last request, and of the latest what they came to.
 */
void sim_model_kept(struct sim_model *model, const struct pit_results *results, const char *who);

/* The first request after one (0: of all) that the client has no answer to, among those whose result is kept; 0:
 * none. */
uint32_t sim_model_unanswered(const struct sim_model *model, uint32_t account, uint32_t after);

/* The hash of one event, all but its sequence and time; continues hash. */
uint64_t sim_event_hash(uint64_t hash, const struct pit_event *event);

#endif
