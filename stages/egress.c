/* stages/egress.c - see egress.h. */
#include "stages/egress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "book/event.h"
#include "ring/check.h"
#include "stages/accounts.h"
#include "wire/message.h"

#define NS_PER_MS UINT64_C(1000000)
#define EVENTS_BATCH 512u         /* of one output ring in one do_work */
#define CLOCK_EVERY 64u           /* events told between two looks at the clock */
#define RETRY_NS UINT64_C(200000) /* between two tries to send to a socket that takes nothing */

enum session_state { SESSION_FREE = 0, SESSION_OPEN, SESSION_CLOSING };

struct session {
    enum session_state state;
    int socket;
    uint32_t account; /* 0 before LOGON */
    bool broken;      /* nothing is sent any more */
    bool pending;     /* in the list of those with bytes to send */
    bool parted;      /* the farewell is in the outbox */
    uint64_t head;    /* bytes sent; outbox[head & mask .. tail & mask) is unsent */
    uint64_t tail;
    uint64_t retry_ns; /* monotonic: not before */
    uint64_t answered;
    uint64_t close_command;
    uint64_t close_note;
    uint64_t deadline_ns;
    uint8_t *outbox;
    uint32_t farewell_bytes;
    uint8_t farewell[PIT_WIRE_FRAME_BYTES_MAX];
};

/* One matcher. seen and target are a look at it: once reader.next is past target, everything of commands up to seen has
 * been read. */
struct source {
    struct pit_ring_reader reader;
    const struct pit_sequence *cursor;
    uint64_t seen;
    uint64_t target;
    uint64_t covered;
    uint64_t command; /* in the midst of this one's events; 0 = unknown */
    uint32_t ready;   /* events found by this turn's poll */
};

struct pit_egress {
    const struct pit_network *network;
    const struct pit_clock *clock;
    struct pit_ring_reader notes;
    struct source *sources;
    uint32_t sources_count;
    uint32_t sessions_count;
    struct session *sessions;
    struct pit_session_board *board;
    uint8_t *outboxes;
    uint32_t outbox_mask;
    uint64_t close_ns;
    struct pit_accounts accounts; /* to session numbers */
    uint32_t *pending;            /* sessions with bytes to send */
    uint32_t pending_count;
    uint32_t *closing;
    uint32_t closing_count;
    uint64_t now_ns;            /* monotonic, of this turn */
    struct pit_message message; /* the report in the making */
    struct pit_egress_counters counters;
    struct pit_histogram latency;
};

static void count(uint64_t *counter, uint64_t more)
{
    pit_word_store_relaxed(counter, *counter + more);
}

static void count_down(uint64_t *counter, uint64_t less)
{
    pit_word_store_relaxed(counter, *counter - less);
}

static uint32_t number_of(const struct pit_egress *egress, const struct session *session)
{
    return (uint32_t)(session - egress->sessions);
}

/* Tells the gateway when a client stops reading, and when it goes on. */
static void show_backlog(struct pit_egress *egress, struct session *session)
{
    uint64_t *word = &egress->board[number_of(egress, session)].backlog;
    uint64_t backlog = session->tail - session->head > egress->outbox_mask / 2;
    if (*word != backlog)
        pit_word_store_relaxed(word, backlog);
}

/* Throws away what a session has not taken. */
static void drop(struct pit_egress *egress, struct session *session)
{
    count_down(&egress->counters.backlog_bytes, session->tail - session->head);
    session->head = session->tail;
}

/* Nothing can be sent to this session any more. It stays until the gateway closes it. */
static void break_session(struct pit_egress *egress, struct session *session)
{
    egress->network->shutdown(egress->network->context, session->socket);
    session->broken = true;
    drop(egress, session);
    show_backlog(egress, session);
    pit_word_store_relaxed(&egress->board[number_of(egress, session)].broken, 1);
}

static void added(struct pit_egress *egress, struct session *session, uint64_t bytes)
{
    session->tail += bytes;
    count(&egress->counters.backlog_bytes, bytes);
    if (!session->pending) {
        session->pending = true;
        egress->pending[egress->pending_count++] = number_of(egress, session);
    }
    show_backlog(egress, session);
}

/* Copies whole frames into the outbox. A session whose outbox has no room for them is too slow. */
static bool append(struct pit_egress *egress, struct session *session, const uint8_t *bytes, uint64_t size)
{
    uint64_t mask = egress->outbox_mask;
    if (session->broken)
        return false;
    if (mask + 1 - (session->tail - session->head) < size) {
        count(&egress->counters.sessions_slow, 1);
        break_session(egress, session);
        return false;
    }
    uint64_t place = session->tail & mask;
    uint64_t straight = mask + 1 - place < size ? mask + 1 - place : size;
    memcpy(session->outbox + place, bytes, straight);
    memcpy(session->outbox, bytes + straight, size - straight);
    added(egress, session, size);
    return true;
}

/* Encodes egress->message for a session: into the outbox where it stands, unless that is near its end. */
static void report(struct pit_egress *egress, struct session *session)
{
    uint64_t mask = egress->outbox_mask;
    uint64_t place = session->tail & mask;
    bool told = false;
    if (!session->broken && mask + 1 - place >= PIT_WIRE_FRAME_BYTES_MAX &&
        mask + 1 - (session->tail - session->head) >= PIT_WIRE_FRAME_BYTES_MAX) {
        added(egress, session, pit_message_encode(&egress->message, session->outbox + place, PIT_WIRE_FRAME_BYTES_MAX));
        told = true;
    } else if (!session->broken) {
        uint8_t frame[PIT_WIRE_FRAME_BYTES_MAX];
        size_t size = pit_message_encode(&egress->message, frame, sizeof frame);
        told = append(egress, session, frame, size);
    }
    count(told ? &egress->counters.reports : &egress->counters.reports_lost, 1);
}

/* The session of an account, or NULL. */
static struct session *session_of(struct pit_egress *egress, uint32_t account)
{
    uint32_t number = pit_accounts_find(&egress->accounts, account);
    if (number == PIT_ACCOUNTS_NONE) {
        count(&egress->counters.reports_homeless, 1);
        return NULL;
    }
    return &egress->sessions[number];
}

/* What all reports of an event have in common, from the view of the order in its subject fields. */
static void fill_report(struct pit_egress *egress, const struct pit_event *event, uint64_t command)
{
    struct pit_message *message = &egress->message;
    message->request = event->request;
    message->sequence = command;
    message->time_ns = event->time_ns;
    message->symbol = event->symbol;
    message->order_id = event->order_id;
    message->client_id = event->client_id;
    message->flags = event->flags & PIT_REPORT_FLAGS;
    message->side = (enum pit_side)event->side;
    message->price = event->price;
    message->quantity = event->quantity;
}

static void tell_trade(struct pit_egress *egress, const struct pit_event *event)
{
    struct pit_message *message = &egress->message;
    count(&egress->counters.trades, 1);
    fill_report(egress, event, event->command);
    message->kind = PIT_MESSAGE_TRADE;
    message->number = event->number;
    struct session *session = session_of(egress, event->account);
    if (session) {
        message->request = 0; /* the maker asked for nothing now */
        message->flags = 0;
        message->side = event->side == PIT_SIDE_BUY ? PIT_SIDE_SELL : PIT_SIDE_BUY;
        message->liquidity = 0;
        message->leaves = event->leaves;
        report(egress, session);
    }
    session = session_of(egress, event->taker_account);
    if (session) {
        message->request = event->request;
        message->flags = event->flags & PIT_EVENT_LAST;
        message->side = (enum pit_side)event->side;
        message->liquidity = 1;
        message->leaves = event->taker_leaves;
        message->order_id = event->taker_order_id;
        message->client_id = event->taker_client_id;
        report(egress, session);
    }
}

/* The message kind of a refused command; the two enumerations differ by the kinds before NEW. */
static uint8_t refused_kind(uint8_t command_kind)
{
    switch (command_kind) {
    case PIT_COMMAND_NEW:
        return PIT_MESSAGE_NEW;
    case PIT_COMMAND_CANCEL:
        return PIT_MESSAGE_CANCEL;
    case PIT_COMMAND_REDUCE:
        return PIT_MESSAGE_REDUCE;
    case PIT_COMMAND_REPLACE:
        return PIT_MESSAGE_REPLACE;
    case PIT_COMMAND_STATE:
        return PIT_MESSAGE_STATE;
    default:
        return 0;
    }
}

/* Tells one event that concerns only the account that sent the command. */
static void tell_requester(struct pit_egress *egress, const struct pit_event *event, uint64_t command)
{
    struct pit_message *message = &egress->message;
    struct session *session = session_of(egress, event->account);
    if (!session)
        return;
    fill_report(egress, event, command);
    switch (event->kind) {
    case PIT_EVENT_ACCEPTED:
        message->kind = PIT_MESSAGE_ACCEPTED;
        break;
    case PIT_EVENT_REJECTED:
        message->kind = PIT_MESSAGE_REJECTED;
        message->rejected_kind = refused_kind(pit_event_rejected_kind(event));
        message->reason = (enum pit_reason)event->reason;
        break;
    case PIT_EVENT_RESTED:
        message->kind = PIT_MESSAGE_RESTED;
        break;
    case PIT_EVENT_CANCELLED:
        message->kind = PIT_MESSAGE_CANCELLED;
        message->reason = (enum pit_reason)event->reason;
        break;
    case PIT_EVENT_REDUCED:
        message->kind = PIT_MESSAGE_REDUCED;
        message->quantity_old = event->quantity_old;
        break;
    case PIT_EVENT_REPLACED:
        message->kind = PIT_MESSAGE_REPLACED;
        message->quantity_old = event->quantity_old;
        message->price_old = event->price_old;
        break;
    case PIT_EVENT_STATE:
        message->kind = PIT_MESSAGE_STATE_CHANGED;
        message->state = (enum pit_trading_state)event->quantity;
        break;
    default:
        PIT_CHECK(false); /* a matcher wrote something that no book does */
    }
    report(egress, session);
}

/* The command that caused an event: it stands in line 1, also in that of a narrow answer that ends its command
 * (book/event.h); the id of a new order is its command's; the events of one command follow each other. */
static uint64_t command_of(struct source *source, const struct pit_event *event)
{
    switch (event->kind) {
    case PIT_EVENT_DEFINED:
        return 0;
    case PIT_EVENT_ACCEPTED:
        source->command = event->order_id;
        break;
    case PIT_EVENT_CANCELLED:
    case PIT_EVENT_REJECTED:
    case PIT_EVENT_STATE:
        if (event->flags & PIT_EVENT_LAST)
            source->command = event->command;
        break;
    default:
        if (event->flags & PIT_EVENT_WIDE)
            source->command = event->command;
    }
    return source->command;
}

/* A request has got its last report. */
static void answered(struct pit_egress *egress, uint32_t account)
{
    uint32_t number = pit_accounts_find(&egress->accounts, account);
    if (number != PIT_ACCOUNTS_NONE)
        pit_word_store_relaxed(&egress->board[number].answered, ++egress->sessions[number].answered);
}

static void tell(struct pit_egress *egress, struct source *source, const struct pit_event *event, uint64_t utc_ns)
{
    uint64_t command = command_of(source, event);
    bool trade = event->kind == PIT_EVENT_TRADE;
    if (trade)
        tell_trade(egress, event);
    else if (event->kind != PIT_EVENT_DEFINED)
        tell_requester(egress, event, command);
    if (event->kind == PIT_EVENT_REJECTED)
        count(&egress->counters.rejects, 1);
    if (!(event->flags & PIT_EVENT_LAST))
        return;
    source->command = 0;
    count(&egress->counters.commands, 1);
    if (event->kind == PIT_EVENT_DEFINED)
        return;
    answered(egress, trade ? event->taker_account : event->account);
    pit_histogram_record(&egress->latency, utc_ns > event->time_ns ? utc_ns - event->time_ns : 0);
}

/* Finds what each matcher has published. This happens before the notes are heard: whoever's command caused one of these
 * events had its LOGON published before. */
static void look(struct pit_egress *egress)
{
    for (uint32_t i = 0; i < egress->sources_count; i++) {
        struct source *source = &egress->sources[i];
        if (source->reader.next > source->target) { /* the last look is used up */
            source->seen = pit_sequence_load(source->cursor);
            source->target = pit_ring_published(source->reader.ring);
        }
        source->ready = pit_ring_poll(&source->reader, EVENTS_BATCH);
    }
}

static uint32_t tell_all(struct pit_egress *egress)
{
    uint32_t done = 0;
    uint64_t covered = UINT64_MAX;
    for (uint32_t i = 0; i < egress->sources_count; i++) {
        struct source *source = &egress->sources[i];
        uint64_t utc_ns = 0;
        for (uint32_t n = 0; n < source->ready; n++) {
            if (n % CLOCK_EVERY == 0)
                utc_ns = egress->clock->utc_ns(egress->clock->context);
            tell(egress, source, pit_ring_slot(source->reader.ring, source->reader.next + n), utc_ns);
        }
        if (source->ready)
            pit_ring_release(&source->reader, source->ready);
        if (source->reader.next > source->target)
            source->covered = source->seen;
        if (source->covered < covered)
            covered = source->covered;
        done += source->ready;
    }
    count(&egress->counters.events, done);
    if (covered != egress->counters.covered)
        pit_word_store_release(&egress->counters.covered, covered); /* after the reports and the backlog's count */
    return done;
}

static void open_session(struct pit_egress *egress, struct session *session, const struct pit_session_note *note)
{
    PIT_CHECK(session->state == SESSION_FREE);
    uint8_t *outbox = session->outbox;
    *session = (struct session){.state = SESSION_OPEN, .socket = note->socket, .outbox = outbox};
    count(&egress->counters.sessions, 1);
}

static void start_closing(struct pit_egress *egress, struct session *session, const struct pit_session_note *note)
{
    PIT_CHECK(session->state == SESSION_OPEN && note->bytes <= sizeof session->farewell);
    session->state = SESSION_CLOSING;
    session->close_command = note->command;
    session->close_note = note->sequence;
    session->deadline_ns = egress->clock->monotonic_ns(egress->clock->context) + egress->close_ns;
    session->farewell_bytes = note->bytes;
    memcpy(session->farewell, note->data, note->bytes);
    egress->closing[egress->closing_count++] = number_of(egress, session);
}

static void hear(struct pit_egress *egress, const struct pit_session_note *note)
{
    PIT_CHECK(note->session < egress->sessions_count && note->bytes <= sizeof note->data);
    struct session *session = &egress->sessions[note->session];
    switch (note->kind) {
    case PIT_SESSION_OPEN:
        open_session(egress, session, note);
        break;
    case PIT_SESSION_LOGON:
        PIT_CHECK(session->state == SESSION_OPEN && note->account != 0);
        session->account = note->account;
        pit_accounts_set(&egress->accounts, note->account, note->session);
        break;
    case PIT_SESSION_SEND:
        if (session->state != SESSION_FREE && !session->parted) /* nothing follows a farewell */
            append(egress, session, note->data, note->bytes);
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

/* Puts the farewell behind the last report of those closing sessions that have them all, or whose time is up. */
static void part(struct pit_egress *egress)
{
    for (uint32_t i = 0; i < egress->closing_count; i++) {
        struct session *session = &egress->sessions[egress->closing[i]];
        bool whole = session->close_command <= egress->counters.covered;
        if (session->parted || (!whole && egress->now_ns < session->deadline_ns))
            continue;
        session->parted = true;
        if (!whole)
            count(&egress->counters.sessions_late, 1);
        if (session->farewell_bytes)
            append(egress, session, session->farewell, session->farewell_bytes);
    }
}

static void end_session(struct pit_egress *egress, struct session *session)
{
    struct pit_session_board *board = &egress->board[number_of(egress, session)];
    pit_accounts_remove(&egress->accounts, session->account, number_of(egress, session));
    session->state = SESSION_FREE;
    count_down(&egress->counters.sessions, 1);
    pit_word_store_relaxed(&board->answered, 0);
    pit_word_store_relaxed(&board->backlog, 0);
    pit_word_store_relaxed(&board->broken, 0);
    pit_word_store_release(&board->ended, session->close_note); /* the socket is the gateway's to close from here on */
}

/* Ends the closing sessions that have been sent everything. One whose time is up loses the rest, and ends in the next
 * turn, when it is no longer in the list of those with bytes to send. */
static uint32_t end(struct pit_egress *egress)
{
    uint32_t done = 0;
    for (uint32_t i = 0; i < egress->closing_count;) {
        struct session *session = &egress->sessions[egress->closing[i]];
        if (session->parted && !session->pending) {
            end_session(egress, session);
            egress->closing[i] = egress->closing[--egress->closing_count];
            done++;
            continue;
        }
        if (session->parted && egress->now_ns >= session->deadline_ns && session->tail != session->head) {
            count(&egress->counters.sessions_late, 1);
            drop(egress, session);
            done++;
        }
        i++;
    }
    return done;
}

/* Sends what one session has. Returns false when there is more to send later. */
static bool send_outbox(struct pit_egress *egress, struct session *session)
{
    const struct pit_network *network = egress->network;
    while (session->head != session->tail) {
        uint64_t place = session->head & egress->outbox_mask;
        uint64_t straight = egress->outbox_mask + 1 - place;
        uint64_t unsent = session->tail - session->head;
        size_t size = unsent < straight ? unsent : straight;
        int64_t sent = network->send(network->context, session->socket, session->outbox + place, size);
        if (sent == -EAGAIN || sent == 0) {
            count(&egress->counters.sends_blocked, 1);
            session->retry_ns = egress->now_ns + RETRY_NS;
            return false;
        }
        if (sent < 0) {
            count(&egress->counters.sessions_broken, 1);
            break_session(egress, session);
            return true;
        }
        session->head += (uint64_t)sent;
        count(&egress->counters.sends, 1);
        count(&egress->counters.bytes_sent, (uint64_t)sent);
        count_down(&egress->counters.backlog_bytes, (uint64_t)sent);
    }
    return true;
}

static uint32_t flush(struct pit_egress *egress)
{
    uint64_t bytes = egress->counters.bytes_sent;
    for (uint32_t i = 0; i < egress->pending_count;) {
        struct session *session = &egress->sessions[egress->pending[i]];
        bool due = session->head == session->tail || egress->now_ns >= session->retry_ns ||
                   (session->state == SESSION_CLOSING && egress->now_ns >= session->deadline_ns);
        if (due && send_outbox(egress, session)) {
            session->pending = false;
            egress->pending[i] = egress->pending[--egress->pending_count];
        } else {
            i++;
        }
        show_backlog(egress, session);
    }
    return egress->counters.bytes_sent != bytes;
}

static uint32_t do_work(void *state)
{
    struct pit_egress *egress = state;
    look(egress);
    uint32_t done = hear_all(egress);
    done += tell_all(egress);
    if (egress->pending_count || egress->closing_count) {
        egress->now_ns = egress->clock->monotonic_ns(egress->clock->context);
        part(egress);
        done += flush(egress);
        done += end(egress);
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
        struct source *source = &egress->sources[i];
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
