/* See tools/load.h. The engine: sessions, window, pace, answers. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "stages/clock.h"
#include "tools/load.h"

#define LOAD_TURN 256u /* requests between two looks at what came back */
#define LOAD_SECOND_NS UINT64_C(1000000000)
#define LOAD_TRY_NS UINT64_C(1000000)
#define LOAD_SILENCE_NS (60 * LOAD_SECOND_NS) /* no answer for so long: the pipeline hangs */

static uint64_t load_now(void)
{
    const struct pit_clock *clock = pit_clock_machine();
    return clock->monotonic_ns(clock->context);
}

static int load_open_session(struct pit_load_session *session, const struct pit_load_options *options,
                             struct pit_error *error)
{
    uint8_t key[PIT_WIRE_KEY_BYTES_MAX];
    int key_bytes = pit_load_key(options, session->account, key, error);
    if (key_bytes < 0)
        return key_bytes;
    uint32_t slots = 64;
    while (slots < options->window * 2)
        slots *= 2;
    session->sent_ns = calloc(slots, sizeof *session->sent_ns);
    if (!session->sent_ns)
        return pit_error_set(error, -ENOMEM, "no memory for a window of %u requests", options->window);
    session->sent_mask = slots - 1;
    struct pit_client_options client = {.address = options->address,
                                        .account = session->account,
                                        .key = key_bytes > 0 ? key : NULL,
                                        .key_bytes = (size_t)key_bytes,
                                        .name = "pitline load",
                                        .resume = options->resume,
                                        .give_up_ms = options->give_up_ms};
    int code = pit_client_open(&session->client, &client, error);
    explicit_bzero(key, sizeof key);
    return code;
}

int pit_load_open(struct pit_load *load, const struct pit_load_options *options, struct pit_error *error)
{
    memset(load, 0, sizeof *load);
    load->options = options;
    load->sessions = calloc(options->accounts, sizeof *load->sessions);
    if (!load->sessions)
        return pit_error_set(error, -ENOMEM, "no memory for %u sessions", options->accounts);
    for (uint32_t i = 0; i < options->accounts; i++) {
        load->sessions[i].account = options->account + i;
        int code = load_open_session(&load->sessions[i], options, error);
        if (code != 0)
            return code;
    }
    if (options->acks) {
        load->acks = fopen(options->acks, "a");
        if (!load->acks)
            return pit_error_set(error, -errno, "%s: cannot append acknowledgements to it: %s", options->acks,
                                 strerror(errno));
    }
    return 0;
}

/* The connection of a session is no more: what it has not answered has an unknown fate. */
static void load_lost(struct pit_load *load, struct pit_load_session *session, int code)
{
    if (session->gone)
        return;
    session->gone = true;
    load->counts.unknown += session->unanswered;
    if (!session->goodbye[0])
        snprintf(session->goodbye, sizeof session->goodbye, "%s",
                 load->options->resume ? pit_client_error(session->client)
                 : code == -EPIPE      ? "the server closed the connection"
                                       : strerror(-code));
}

static bool load_any_gone(const struct pit_load *load)
{
    for (uint32_t i = 0; i < load->options->accounts; i++) {
        if (load->sessions[i].gone)
            return true;
    }
    return false;
}

/* A request has its last report; known: of what became of it. */
static void load_answered(struct pit_load *load, struct pit_load_session *session, uint32_t request, bool known,
                          uint64_t now_ns)
{
    uint64_t *sent = &session->sent_ns[request & session->sent_mask];
    if (request - session->answered_to - 1 > session->last - session->answered_to - 1 || *sent == 0) {
        load->counts.doubled++; /* not one of ours that is unanswered */
        return;
    }
    if (known) {
        pit_histogram_record(&load->histogram, now_ns > *sent ? now_ns - *sent : 0);
        load->counts.answered++;
        if (now_ns > load->waits_ns && now_ns - load->waits_ns > load->longest_wait_ns)
            load->longest_wait_ns = now_ns - load->waits_ns;
        load->waits_ns = now_ns;
    } else {
        load->counts.unknown++;
    }
    *sent = 0;
    session->unanswered--;
    while (session->answered_to != session->last &&
           session->sent_ns[(session->answered_to + 1) & session->sent_mask] == 0)
        session->answered_to++;
}

static void load_count(struct pit_load_counts *counts, const struct pit_report *report)
{
    counts->repeated += report->repeated && report->kind != PIT_REPORT_UNKNOWN;
    switch ((enum pit_report_kind)report->kind) {
    case PIT_REPORT_ACCEPTED:
        counts->accepted++;
        break;
    case PIT_REPORT_REJECTED:
        counts->rejected++;
        counts->reasons[report->reason < PIT_LOAD_REASONS ? report->reason : 0]++;
        break;
    case PIT_REPORT_TRADE:
        counts->trades_aggressor += report->aggressor;
        counts->trades_resting += !report->aggressor;
        break;
    case PIT_REPORT_RESTED:
        counts->rested++;
        break;
    case PIT_REPORT_CANCELLED:
        counts->cancelled++;
        break;
    case PIT_REPORT_REDUCED:
        counts->reduced++;
        break;
    case PIT_REPORT_REPLACED:
        counts->replaced++;
        break;
    case PIT_REPORT_STATE:
    case PIT_REPORT_HEARTBEAT:
    case PIT_REPORT_BYE:
    case PIT_REPORT_UNKNOWN:
        break;
    case PIT_REPORT_RESUMED:
        counts->resumed++;
        break;
    }
}

static void load_take(struct pit_load *load, struct pit_load_session *session, const struct pit_report *report,
                      uint64_t now_ns)
{
    if (report->kind == PIT_REPORT_BYE) {
        snprintf(session->goodbye, sizeof session->goodbye, "the server said goodbye: %s",
                 report->text ? report->text : "");
        return;
    }
    if (load->acks && pit_load_acknowledges(report))
        pit_load_acknowledge(load->acks, session->account, pit_client_symbol(session->client, report->symbol), report);
    load_count(&load->counts, report);
    if (report->request != 0 && (report->last || report->kind == PIT_REPORT_REJECTED))
        load_answered(load, session, report->request, report->kind != PIT_REPORT_UNKNOWN, now_ns);
    if (load->source->report)
        load->source->report(load->source->state, session, report);
}

/* Reads what has come to every session. Returns how many reports. */
static uint32_t load_drain(struct pit_load *load)
{
    uint32_t taken = 0;
    uint64_t now_ns = load_now();
    for (uint32_t i = 0; i < load->options->accounts; i++) {
        struct pit_load_session *session = &load->sessions[i];
        /* Bounded, so that the other sessions, and the sending, have their turn. */
        for (uint32_t most = 4096; most > 0 && !session->gone; most--) {
            struct pit_report report;
            int got = pit_client_poll(session->client, &report, 0);
            if (got < 0)
                load_lost(load, session, got);
            if (got <= 0)
                break;
            if ((taken++ & 63u) == 63u)
                now_ns = load_now();
            load_take(load, session, &report, now_ns);
        }
    }
    if (load->acks && taken > 0)
        fflush(load->acks);
    return taken;
}

/* Sleeps until a session has something, at most timeout_ns. */
static void load_sleep(struct pit_load *load, uint64_t timeout_ns)
{
    struct pollfd sockets[PIT_LOAD_ACCOUNTS_MAX];
    nfds_t count = 0;
    for (uint32_t i = 0; i < load->options->accounts; i++) {
        if (load->sessions[i].gone)
            continue;
        sockets[count] = (struct pollfd){.fd = pit_client_socket(load->sessions[i].client), .events = POLLIN};
        if (sockets[count++].fd < 0 && timeout_ns > LOAD_TRY_NS)
            timeout_ns = LOAD_TRY_NS; /* it looks for a server */
    }
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / LOAD_SECOND_NS),
                               .tv_nsec = (long)(timeout_ns % LOAD_SECOND_NS)};
    ppoll(sockets, count, &timeout, NULL);
}

/* Sends one request. Returns false when there is no room for it now. */
static bool load_send(struct pit_load *load, const struct pit_load_request *request, uint64_t sent_ns)
{
    struct pit_load_session *session = &load->sessions[request->session];
    if (session->gone || session->unanswered >= load->options->window ||
        session->last - session->answered_to > session->sent_mask)
        return false;
    uint32_t number = 0;
    switch ((enum pit_flow_kind)request->kind) {
    case PIT_FLOW_NEW: {
        struct pit_order order = {.symbol = request->symbol,
                                  .client_id = request->client_id,
                                  .side = (enum pit_side)request->side,
                                  .tif = (enum pit_tif)request->tif,
                                  .market = request->market,
                                  .post_only = request->post_only,
                                  .price = request->price,
                                  .quantity = request->quantity};
        number = pit_client_new(session->client, &order);
        break;
    }
    case PIT_FLOW_CANCEL:
        number = pit_client_cancel(session->client, request->symbol, 0, request->client_id);
        break;
    case PIT_FLOW_REDUCE:
        number = pit_client_reduce(session->client, request->symbol, 0, request->client_id, request->quantity);
        break;
    case PIT_FLOW_REPLACE:
        number = pit_client_replace(session->client, request->symbol, 0, request->client_id, request->price,
                                    request->quantity, request->post_only);
        break;
    }
    if (number == 0)
        return false;
    if (load->counts.sent == 0)
        load->started_ns = load_now();
    if (load->counts.sent == load->counts.answered + load->counts.unknown)
        load->waits_ns = load_now();
    if (session->unanswered == 0)
        session->answered_to = number - 1; /* the first one's number is the server's to say */
    session->last = number;
    session->unanswered++;
    session->sent_ns[number & session->sent_mask] = sent_ns ? sent_ns : 1;
    load->counts.sent++;
    load->counts.sent_kinds[request->kind]++;
    if (load->source->sent)
        load->source->sent(load->source->state, request->session, number);
    return true;
}

/* What one run keeps while it goes on. */
struct load_progress {
    struct pit_load_request request; /* made, not yet sent */
    bool made;
    bool ended;       /* the source makes no more */
    bool interrupted; /* SIGINT or SIGTERM came */
    sigset_t signals; /* those two, held back while it runs */
    int failed;       /* the source's error */
    uint64_t pace_start_ns;
    uint64_t shown_ns, heard_ns;
    uint64_t shown_answered;
    struct pit_histogram shown; /* the histogram when progress was last shown */
};

/* When the next request is due; without --rate, always. */
static uint64_t load_due(const struct pit_load *load, const struct load_progress *progress)
{
    if (load->options->rate == 0)
        return 0;
    unsigned __int128 offset = (unsigned __int128)load->counts.sent * LOAD_SECOND_NS / load->options->rate;
    return progress->pace_start_ns + (uint64_t)offset;
}

/* Sends up to LOAD_TURN requests. Returns how many. */
static uint32_t load_send_turn(struct pit_load *load, struct load_progress *progress, struct pit_error *error)
{
    uint32_t sent = 0;
    uint64_t now_ns = load_now();
    while (sent < LOAD_TURN && !progress->ended) {
        uint64_t due_ns = load_due(load, progress);
        if (due_ns > now_ns)
            break;
        if (!progress->made) {
            bool enough = load->options->count != 0 && load->counts.sent >= load->options->count;
            int made = enough || progress->interrupted
                           ? 0
                           : load->source->next(load->source->state, &progress->request, error);
            if (made < 0)
                progress->failed = made;
            if (made <= 0) {
                progress->ended = true;
                break;
            }
            progress->made = true;
        }
        /* With a pace the time runs from when it was due: a late request is the pipeline's delay, too. */
        if (!load_send(load, &progress->request, due_ns ? due_ns : now_ns))
            break;
        progress->made = false;
        if ((++sent & 31u) == 0)
            now_ns = load_now();
    }
    return sent;
}

static void load_show(struct pit_load *load, struct load_progress *progress, uint64_t now_ns)
{
    if (now_ns - progress->shown_ns < LOAD_SECOND_NS)
        return;
    struct pit_histogram lately;
    pit_histogram_difference(&lately, &load->histogram, &progress->shown);
    struct pit_histogram_summary summary = pit_histogram_summarise(&lately);
    double seconds = (double)(now_ns - progress->shown_ns) / 1e9;
    const struct pit_load_counts *counts = &load->counts;
    if (!load->options->quiet)
        fprintf(stderr,
                "%6.1f s  %10" PRIu64 " sent  %9.0f answered/s  %" PRIu64 " trades  %" PRIu64
                " rejects  round trip p50 %.0f us  p99 %.0f us\n",
                load->started_ns ? (double)(now_ns - load->started_ns) / 1e9 : 0.0, counts->sent,
                (double)(counts->answered - progress->shown_answered) / seconds, counts->trades_aggressor,
                counts->rejected, (double)summary.p50_ns / 1e3, (double)summary.p99_ns / 1e3);
    progress->shown = load->histogram;
    progress->shown_ns = now_ns;
    progress->shown_answered = counts->answered;
}

static uint64_t load_unanswered(const struct pit_load *load)
{
    uint64_t unanswered = 0;
    for (uint32_t i = 0; i < load->options->accounts; i++)
        unanswered += load->sessions[i].gone ? 0 : load->sessions[i].unanswered;
    return unanswered;
}

/* Looks for SIGINT and SIGTERM, which are held back. After the first one they act as usual: a second one kills. */
static void load_watch_signals(struct load_progress *progress)
{
    struct timespec none = {0};
    if (!progress->interrupted && sigtimedwait(&progress->signals, NULL, &none) > 0) {
        progress->interrupted = true;
        pthread_sigmask(SIG_UNBLOCK, &progress->signals, NULL);
    }
}

/* A session that resumes may be without a server for as long as it does not give up. */
static uint64_t load_silence(const struct pit_load_options *options)
{
    return LOAD_SILENCE_NS + options->give_up_ms * UINT64_C(1000000);
}

static int load_loop(struct pit_load *load, struct load_progress *progress, struct pit_error *error)
{
    for (;;) {
        load_watch_signals(progress);
        uint32_t sent = load_send_turn(load, progress, error);
        uint32_t taken = load_drain(load); /* it flushes first */
        uint64_t now_ns = load_now();
        load_show(load, progress, now_ns);
        if (taken > 0 || load_unanswered(load) == 0)
            progress->heard_ns = now_ns;
        bool gone = load_any_gone(load);
        if (gone) /* nothing more is sent, but what the other sessions are owed may still come */
            progress->ended = true;
        if (progress->ended && load_unanswered(load) == 0)
            return gone ? -EPIPE : progress->failed;
        if (now_ns - progress->heard_ns > load_silence(load->options))
            return -ETIMEDOUT;
        if (sent == 0 && taken == 0) {
            uint64_t due_ns = progress->ended ? 0 : load_due(load, progress);
            uint64_t wait_ns = due_ns > now_ns ? due_ns - now_ns : 20000000;
            load_sleep(load, wait_ns < 20000000 ? wait_ns : 20000000);
        }
    }
}

/* Says why a run ended before its time, and counts what nobody knows. */
static void load_explain(struct pit_load *load, int code, struct pit_error *error)
{
    const char *why = "no answer for more than a minute";
    for (uint32_t i = load->options->accounts; i-- > 0;) {
        struct pit_load_session *session = &load->sessions[i];
        if (session->gone)
            why = session->goodbye;
        else if (code == -ETIMEDOUT)
            load->counts.unknown += session->unanswered;
    }
    if (load->counts.unknown > 0)
        pit_error_set(error, code, "%s: %s; what became of %" PRIu64 " requests is unknown", load->options->address,
                      why, load->counts.unknown);
    else
        pit_error_set(error, code, "%s: %s; everything that was sent is answered", load->options->address, why);
}

int pit_load_run(struct pit_load *load, const struct pit_load_source *source, struct pit_error *error)
{
    struct load_progress *progress = calloc(1, sizeof *progress);
    if (!progress)
        return pit_error_set(error, -ENOMEM, "no memory");
    sigset_t before;
    sigemptyset(&progress->signals);
    sigaddset(&progress->signals, SIGINT);
    sigaddset(&progress->signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &progress->signals, &before);
    load->source = source;
    progress->pace_start_ns = progress->shown_ns = progress->heard_ns = load_now();
    int code = load_loop(load, progress, error);
    load->ended_ns = load_now();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code == -EPIPE || code == -ETIMEDOUT)
        load_explain(load, code, error);
    else if (code == 0 && load->options->resume && (load->counts.unknown || load->counts.doubled))
        code =
            pit_error_set(error, -ENODATA, "%" PRIu64 " requests have an unknown fate, %" PRIu64 " were answered twice",
                          load->counts.unknown, load->counts.doubled);
    free(progress);
    return code;
}

int pit_load_finish(struct pit_load *load, const struct pit_load_source *source)
{
    struct pit_error error = {0};
    int code = pit_load_run(load, source, &error);
    pit_load_print(load, stdout);
    if (code != 0)
        fprintf(stderr, "pitline load: %s\n", error.text);
    return code == 0 ? 0 : 1;
}

void pit_load_close(struct pit_load *load)
{
    for (uint32_t i = 0; load->sessions && i < load->options->accounts; i++) {
        struct pit_load_session *session = &load->sessions[i];
        if (session->client && !session->gone) {
            /* The server closes when it has seen the goodbye; not for longer than a second. */
            struct pit_report report;
            uint64_t limit_ns = load_now() + LOAD_SECOND_NS;
            pit_client_logout(session->client);
            while (pit_client_poll(session->client, &report, LOAD_SECOND_NS / 10) >= 0 && load_now() < limit_ns)
                ;
        }
        pit_client_close(session->client);
        free(session->sent_ns);
    }
    free(load->sessions);
    if (load->acks)
        fclose(load->acks);
}

int pit_load_symbols(const struct pit_load *load, const struct pit_client_symbol ***symbols, uint32_t *count,
                     struct pit_error *error)
{
    const struct pit_client *client = load->sessions[0].client;
    const char *wanted = load->options->symbols;
    uint32_t all = pit_client_symbols(client);
    const struct pit_client_symbol **list = calloc(all + 1, sizeof(*list));
    char *names = strdup(wanted ? wanted : "");
    uint32_t found = 0;
    int code = 0;
    char *end = NULL;
    unsigned long number = wanted ? strtoul(wanted, &end, 10) : all;
    if (!list || !names) {
        code = pit_error_set(error, -ENOMEM, "no memory for %u symbols", all);
    } else if (!wanted || *end == 0) { /* all, or the first so many */
        if (number == 0 || number > all)
            code = pit_error_set(error, -EINVAL, "--symbols %lu: the pipeline has %u", number, all);
        for (; code == 0 && found < number; found++)
            list[found] = pit_client_symbol(client, found);
    } else {
        char *rest = names;
        for (char *name = strsep(&rest, ","); name && code == 0; name = strsep(&rest, ",")) {
            const struct pit_client_symbol *symbol = pit_client_find(client, name);
            if (!symbol)
                code = pit_error_set(error, -ENOENT, "the pipeline has no symbol '%s'", name);
            else if (found == all)
                code = pit_error_set(error, -EINVAL, "--symbols %s: a symbol stands there twice", wanted);
            else
                list[found++] = symbol;
        }
    }
    free(names);
    if (code != 0) {
        free(list);
        return code;
    }
    *symbols = list;
    *count = found;
    return 0;
}
