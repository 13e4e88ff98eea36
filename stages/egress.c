/* stages/egress.c - see egress.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ring/check.h"
#include "stages/egress_session.h"

#define NS_PER_MS UINT64_C(1000000)
#define LINES_BATCH 512u /* of events, of one output ring in one do_work */
#define CLOCK_EVERY 64u  /* events told between two looks at the clock */

/* Finds what each matcher has published. This happens before the notes are heard: whoever's command caused one of these
 * events had its LOGON published before. */
static void look(struct pit_egress *egress)
{
    for (uint32_t i = 0; i < egress->sources_count; i++) {
        struct pit_egress_matcher *source = &egress->sources[i];
        if (source->reader.next > source->target) { /* the last look is used up */
            source->seen = pit_sequence_load(source->cursor);
            source->target = pit_ring_published(source->reader.ring);
        }
        source->ready = pit_ring_poll_run(&source->reader, LINES_BATCH);
    }
}

static uint32_t tell_all(struct pit_egress *egress)
{
    uint32_t done = 0;
    uint64_t covered = UINT64_MAX;
    for (uint32_t i = 0; i < egress->sources_count; i++) {
        struct pit_egress_matcher *source = &egress->sources[i];
        uint64_t utc_ns = 0;
        uint32_t events = 0, lines = 0;
        for (; lines < source->ready; events++) {
            if (events % CLOCK_EVERY == 0)
                utc_ns = egress->clock->utc_ns(egress->clock->context);
            const struct pit_event *event = pit_ring_slot(source->reader.ring, source->reader.next + lines);
            pit_egress_tell(egress, source, event, utc_ns);
            lines += pit_event_lines(event);
        }
        if (lines)
            pit_ring_release_run(&source->reader, lines);
        if (source->reader.next > source->target)
            source->covered = source->seen;
        if (source->covered < covered)
            covered = source->covered;
        done += events;
    }
    pit_egress_count(&egress->counters.events, done);
    if (covered != egress->counters.covered)
        pit_word_store_release(&egress->counters.covered, covered); /* after the reports and the backlog's count */
    return done;
}

static void open_session(struct pit_egress *egress, struct pit_egress_session *session,
                         const struct pit_session_note *note)
{
    PIT_CHECK(session->state == PIT_EGRESS_FREE);
    uint8_t *outbox = session->outbox;
    *session = (struct pit_egress_session){.state = PIT_EGRESS_OPEN, .socket = note->socket, .outbox = outbox};
    pit_egress_count(&egress->counters.sessions, 1);
}

static void start_closing(struct pit_egress *egress, struct pit_egress_session *session,
                          const struct pit_session_note *note)
{
    PIT_CHECK(session->state == PIT_EGRESS_OPEN && note->bytes <= sizeof session->farewell);
    session->state = PIT_EGRESS_CLOSING;
    session->close_command = note->command;
    session->close_epoch = note->epoch;
    session->close_note = note->sequence;
    session->deadline_ns = UINT64_MAX;
    session->farewell_bytes = note->bytes;
    memcpy(session->farewell, note->data, note->bytes);
    egress->closing[egress->closing_count++] = pit_egress_number(egress, session);
}

static void hear(struct pit_egress *egress, const struct pit_session_note *note)
{
    PIT_CHECK(note->session < egress->sessions_count && note->bytes <= sizeof note->data);
    struct pit_egress_session *session = &egress->sessions[note->session];
    switch (note->kind) {
    case PIT_SESSION_OPEN:
        open_session(egress, session, note);
        break;
    case PIT_SESSION_LOGON:
        PIT_CHECK(session->state == PIT_EGRESS_OPEN && note->account != 0);
        session->account = note->account;
        pit_accounts_set(&egress->accounts, note->account, note->session);
        break;
    case PIT_SESSION_SEND:
        if (session->state != PIT_EGRESS_FREE && !session->parted) /* nothing follows a farewell */
            pit_egress_append(egress, session, note->data, note->bytes);
        break;
    case PIT_SESSION_RESUME:
        PIT_CHECK(session->account != 0);
        pit_egress_resume(egress, session);
        break;
    case PIT_SESSION_REPEAT:
        for (uint32_t at = 0; at + sizeof(uint32_t) <= note->bytes; at += (uint32_t)sizeof(uint32_t)) {
            uint32_t request;
            memcpy(&request, note->data + at, sizeof request);
            pit_egress_repeat(egress, session, request);
        }
        break;
    case PIT_SESSION_CLOSE:
        start_closing(egress, session, note);
        break;
    default:
        PIT_CHECK(false);
    }
}

static uint32_t hear_all(struct pit_egress *egress)
{
    uint32_t ready = pit_ring_poll(&egress->notes, pit_ring_slots(egress->notes.ring));
    for (uint32_t n = 0; n < ready; n++)
        hear(egress, pit_ring_slot(egress->notes.ring, egress->notes.next + n));
    if (ready)
        pit_ring_release(&egress->notes, ready);
    return ready;
}

static uint32_t do_work(void *state)
{
    struct pit_egress *egress = state;
    look(egress);
    uint32_t done = hear_all(egress);
    done += tell_all(egress);
    if (egress->pending_count || egress->closing_count) {
        egress->now_ns = egress->clock->monotonic_ns(egress->clock->context);
        pit_egress_part(egress);
        done += pit_egress_flush(egress);
        done += pit_egress_end(egress);
    }
    return done;
}

static int check_config(const struct pit_egress_config *config, struct pit_error *error)
{
    if (config->sources_count < 1 || config->sources_count > PIT_EGRESS_MATCHERS_MAX)
        return pit_error_set(error, -EINVAL, "egress: %u matchers; there can be 1 to %u", config->sources_count,
                             PIT_EGRESS_MATCHERS_MAX);
    if (config->sessions_max < 1 || config->sessions_max > PIT_SESSIONS_MAX)
        return pit_error_set(error, -EINVAL, "sessions_max is %u; it can be 1 to %u", config->sessions_max,
                             PIT_SESSIONS_MAX);
    if (config->outbox_bytes &&
        (config->outbox_bytes < PIT_EGRESS_OUTBOX_BYTES_MIN || config->outbox_bytes > PIT_EGRESS_OUTBOX_BYTES_MAX))
        return pit_error_set(error, -EINVAL, "outbox_bytes is %u; it can be %u to %u", config->outbox_bytes,
                             PIT_EGRESS_OUTBOX_BYTES_MIN, PIT_EGRESS_OUTBOX_BYTES_MAX);
    return 0;
}

static int allocate(struct pit_egress *egress, uint32_t outbox_bytes)
{
    size_t sessions = egress->sessions_count;
    egress->sessions = calloc(sessions, sizeof *egress->sessions);
    egress->board = aligned_alloc(PIT_CACHE_LINE_BYTES, sessions * sizeof *egress->board);
    egress->outboxes = calloc(sessions, outbox_bytes);
    egress->pending = calloc(sessions, sizeof *egress->pending);
    egress->closing = calloc(sessions, sizeof *egress->closing);
    egress->sources = calloc(egress->sources_count, sizeof *egress->sources);
    if (!egress->sessions || !egress->board || !egress->outboxes || !egress->pending || !egress->closing ||
        !egress->sources || pit_accounts_create(&egress->accounts, (uint32_t)sessions))
        return -ENOMEM;
    memset(egress->board, 0, sessions * sizeof *egress->board);
    for (size_t i = 0; i < sessions; i++)
        egress->sessions[i].outbox = egress->outboxes + i * outbox_bytes;
    return 0;
}

static int join_rings(struct pit_egress *egress, const struct pit_egress_config *config, struct pit_error *error)
{
    if (!pit_ring_reader_add(config->sessions, &egress->notes))
        return pit_error_set(error, -EINVAL, "egress: the session ring has %u readers already", PIT_RING_READERS_MAX);
    for (uint32_t i = 0; i < config->sources_count; i++) {
        struct pit_egress_matcher *source = &egress->sources[i];
        if (!pit_ring_reader_add(config->sources[i].output, &source->reader))
            return pit_error_set(error, -EINVAL, "egress: output ring %u has %u readers already", i,
                                 PIT_RING_READERS_MAX);
        source->cursor = config->sources[i].cursor;
        source->target = source->reader.next - 1;
    }
    return 0;
}

int pit_egress_create(struct pit_egress **created, const struct pit_egress_config *config, struct pit_error *error)
{
    int code = check_config(config, error);
    if (code)
        return code;
    uint32_t outbox_bytes = config->outbox_bytes ? config->outbox_bytes : 1u << 20;
    uint32_t rounded = PIT_EGRESS_OUTBOX_BYTES_MIN;
    while (rounded < outbox_bytes)
        rounded <<= 1;
    struct pit_egress *egress = calloc(1, sizeof *egress);
    if (!egress)
        return pit_error_set(error, -ENOMEM, "no memory for egress");
    egress->network = config->network;
    egress->clock = config->clock;
    egress->node = config->node;
    egress->results = config->results;
    egress->sources_count = config->sources_count;
    egress->sessions_count = config->sessions_max + PIT_SESSIONS_SPARE;
    egress->outbox_mask = rounded - 1;
    egress->close_ns = (config->close_ms ? config->close_ms : 2000) * NS_PER_MS;
    code = allocate(egress, rounded);
    if (code)
        pit_error_set(error, code,
                      "no memory for egress: %u sessions with outboxes of %u bytes; lower sessions_max or "
                      "outbox_bytes",
                      egress->sessions_count, rounded);
    else
        code = join_rings(egress, config, error);
    if (code) {
        pit_egress_destroy(egress);
        return code;
    }
    *created = egress;
    return 0;
}

struct pit_agent pit_egress_agent(struct pit_egress *egress)
{
    return (struct pit_agent){.name = "egress", .state = egress, .do_work = do_work};
}

void pit_egress_destroy(struct pit_egress *egress)
{
    if (!egress)
        return;
    pit_accounts_destroy(&egress->accounts);
    free(egress->sources);
    free(egress->closing);
    free(egress->pending);
    free(egress->outboxes);
    free(egress->board);
    free(egress->sessions);
    free(egress);
}

const struct pit_session_board *pit_egress_board(const struct pit_egress *egress)
{
    return egress->board;
}

const struct pit_egress_counters *pit_egress_counters(const struct pit_egress *egress)
{
    return &egress->counters;
}

const struct pit_histogram *pit_egress_latency(const struct pit_egress *egress)
{
    return &egress->latency;
}

bool pit_egress_flushed(const struct pit_egress *egress, uint64_t command)
{
    return pit_word_load_acquire(&egress->counters.covered) >= command &&
           pit_word_load_relaxed(&egress->counters.backlog_bytes) == 0;
}
