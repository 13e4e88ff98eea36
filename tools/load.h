/* tools/load.h - what the parts of `pitline load` share: the requests a source makes, and the engine that sends them.
 *
 * A source (a recorded file, an ITCH file, a synthetic flow) makes requests one after the other. The engine gives each
 * to one of its sessions, keeps at most a window of them unanswered in each, paces them if asked, reads what comes
 * back, keeps the counts and times, and tells the source of every report. Requests leave in the order the source made
 * them; the pipeline may see those of different sessions in another order.
 *
 * One thread.
 */
#ifndef PIT_TOOLS_LOAD_H
#define PIT_TOOLS_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "pitline/client.h"
#include "pitline/error.h"
#include "stages/histogram.h"
#include "tools/flow.h"
#include "wire/message.h"

#define PIT_LOAD_ACCOUNTS_MAX 256u
#define PIT_LOAD_WINDOW_MAX 65536u
#define PIT_LOAD_REASONS 64u

struct pit_load_options {
    const char *address; /* with resume: several, with commas between */
    uint32_t account;    /* of the first session; the others follow */
    uint32_t accounts;   /* sessions */
    const char *key;     /* hexadecimal, for every account; NULL = none */
    const char *key_file;
    const char *bitstamp, *itch, *flow; /* one of them */
    uint64_t seed;
    uint64_t count;      /* requests; 0 = no limit */
    uint64_t rate;       /* requests a second over all sessions; 0 = as fast as the window allows */
    const char *symbols; /* a number, or names between commas; NULL = the source's own choice */
    uint32_t window;     /* unanswered requests a session */
    const char *acks;    /* file; NULL = none */
    uint64_t id_base;    /* client ids are this and more */
    bool id_base_given;  /* otherwise it comes from the time */
    bool resume;         /* the sessions outlive their connections */
    uint32_t give_up_ms; /* resume: without a server, until what is unanswered is unknown */
    bool quiet;          /* no progress lines */
    bool list_symbols;   /* only print what --itch needs */
};

struct pit_load_request {
    uint64_t client_id;
    int64_t price;
    uint64_t quantity;
    uint32_t session; /* 0 .. accounts - 1 */
    uint32_t symbol;  /* the pipeline's id */
    uint8_t kind;     /* enum pit_flow_kind */
    uint8_t side;
    uint8_t tif;
    bool market;
    bool post_only;
};

struct pit_load_session {
    struct pit_client *client;
    uint64_t *sent_ns; /* by request number & sent_mask: when it was sent (or should have been), 0 = answered */
    uint32_t sent_mask;
    uint32_t account;
    uint32_t last;        /* request number of the last one sent */
    uint32_t answered_to; /* this one and all before it have their last report */
    uint32_t unanswered;
    bool gone;         /* the connection ended */
    char goodbye[160]; /* why, as far as is known */
};

struct pit_load_source {
    void *state;
    /* The next request. 1 = made; 0 = there are no more; negative = broken, error says how: what was made before is
     * still sent and answered, then load ends with that error. */
    int (*next)(void *state, struct pit_load_request *request, struct pit_error *error);
    /* The last request made got this number in its session. May be NULL. */
    void (*sent)(void *state, uint32_t session, uint32_t number);
    /* A report came; session->answered_to already counts it. May be NULL. */
    void (*report)(void *state, const struct pit_load_session *session, const struct pit_report *report);
};

struct pit_load_counts {
    uint64_t sent, answered;
    uint64_t sent_kinds[5]; /* by enum pit_flow_kind */
    uint64_t accepted, cancelled, reduced, replaced, rested;
    uint64_t trades_aggressor, trades_resting; /* reports: both sides of one trade may be ours */
    uint64_t rejected;
    uint64_t reasons[PIT_LOAD_REASONS]; /* of rejects, by enum pit_reason */
    uint64_t unknown;                   /* unanswered when a connection ended, or nobody knows */
    uint64_t resumed;                   /* connections that took another's place */
    uint64_t repeated;                  /* requests answered by what the server had kept */
    uint64_t doubled;                   /* last reports of requests that had theirs already: never */
};

struct pit_load {
    const struct pit_load_options *options;
    const struct pit_load_source *source;
    struct pit_load_session *sessions;
    FILE *acks;
    struct pit_load_counts counts;
    struct pit_histogram histogram; /* of the time to the last report of each request */
    uint64_t started_ns, ended_ns;  /* monotonic: first request, last answer */
    uint64_t waits_ns;              /* since when an answer is waited for: the last one, or the request before none */
    uint64_t longest_wait_ns;
};

/* Opens the sessions. */
int pit_load_open(struct pit_load *load, const struct pit_load_options *options, struct pit_error *error);

/* Sends everything the source makes and waits for the answers. 0; -EPIPE: a connection ended (counts.unknown says how
 * many requests have an unknown fate); another error of the source. SIGINT and SIGTERM end the sending early. */
int pit_load_run(struct pit_load *load, const struct pit_load_source *source, struct pit_error *error);

/* What came back, for people. */
void pit_load_print(const struct pit_load *load, FILE *file);

/* Says goodbye and closes. */
void pit_load_close(struct pit_load *load);

/* The symbols a source uses: those named by --symbols, or the first so many, or all the pipeline has. *symbols is to be
 * freed. */
int pit_load_symbols(const struct pit_load *load, const struct pit_client_symbol ***symbols, uint32_t *count,
                     struct pit_error *error);

/* tools/load_acks.c: one JSON line for a report that acknowledges something (see pit_load_acknowledges). */
bool pit_load_acknowledges(const struct pit_report *report);
void pit_load_acknowledge(FILE *file, uint32_t account, const struct pit_client_symbol *symbol,
                          const struct pit_report *report);

/* tools/load_keys.c: the key of an account from options->key or key_file. Returns its length (0 = there is none), or a
 * negative errno. */
int pit_load_key(const struct pit_load_options *options, uint32_t account, uint8_t key[PIT_WIRE_KEY_BYTES_MAX],
                 struct pit_error *error);

/* The sources. Each opens what it needs, runs it over load (whose sessions are open), prints what came back, and
 * returns the exit status. */
int pit_load_flow(struct pit_load *load);
int pit_load_bitstamp(struct pit_load *load);
int pit_load_itch(struct pit_load *load);

/* pitline load --itch FILE --list-symbols */
int pit_load_itch_symbols(const char *path, FILE *file);

/* The end of every source: runs, prints, says what went wrong. Returns the exit status. */
int pit_load_finish(struct pit_load *load, const struct pit_load_source *source);

#endif
