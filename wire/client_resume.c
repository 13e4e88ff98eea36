/* wire/client_resume.c - a client that resumes: requests are kept until they are answered, and when the connection is
 * lost it looks for one that takes them again.
 *
 *         lost, BYE               logged on                 RESUMED: what is unanswered is sent again
 *   LIVE ──────────▶ DOWN ──────────────────────▶ RESUMED ─────────────────────────────────────────▶ LIVE
 *                     │  ▲  the next address, or the one that was told
 *                     │  └──┘ after a while
 *                     ▼ no progress for give_up_ms
 *                    ended: UNKNOWN for each
 *
 * The unanswered requests span fewer numbers than the server keeps results, so that it can always say what became of
 * them (docs/wire.md, "Exactly once").
 */
#include "wire/client_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring/check.h"

#define NS_PER_MS UINT64_C(1000000)
#define WINDOW_MAX 256u /* requests kept; a power of two */
#define FRAME_BYTES 64u /* more than any request takes */
#define ADDRESSES_MAX 16u
#define ADDRESS_BYTES 128u
#define GIVE_UP_MS 30000u
#define ATTEMPT_NS (1000 * NS_PER_MS) /* for an address to answer, where there are several */
#define PAUSE_NS (2 * NS_PER_MS)      /* after the first round of all addresses; it doubles with each */
#define PAUSE_NS_MAX (50 * NS_PER_MS)
#define REDIRECTS_MAX 4u             /* followed at once; then it is the next address's turn */
#define SILENT_MS 1000u              /* of the server: then it is asked, unless its heartbeat is shorter still */
#define SILENT_INTERVALS 2u          /* without an answer to a sign of life that was asked for: lost */
#define OWN_TOKEN (UINT64_MAX - 719) /* of the sign of life that is asked for here */

struct kept {
    uint64_t client_id;
    uint32_t request;
    bool answered;
    uint8_t kind; /* enum pit_message_kind */
    uint8_t bytes;
    uint8_t frame[FRAME_BYTES];
};

struct pit_resumption {
    char addresses[ADDRESSES_MAX][ADDRESS_BYTES];
    uint32_t addresses_count;
    uint32_t at;                  /* the next to try */
    uint32_t tried;               /* the last of them that was */
    char redirect[ADDRESS_BYTES]; /* to try before; empty = none */
    char address[ADDRESS_BYTES];  /* tried last */
    uint32_t redirects;           /* these two since a session served: */
    uint32_t attempts;            /* one that stands may end at once, again and again */
    uint64_t retry_ns;            /* DOWN: not before */
    uint64_t attempt_ns;          /* logging on: not after */
    uint64_t give_up_ns;          /* how long */
    uint64_t since_ns;            /* nothing was answered since the connection was lost; 0 = it stands, or there was */
    uint64_t heard_ns;            /* LIVE */
    uint64_t asked_ns;            /* when a sign of life was asked for since then, 0 = it was not */
    bool stood;                   /* a session has stood before */
    bool leaving;                 /* logged out */
    bool dead;                    /* given up: client->ended says why, once all that is unanswered has been told */
    bool resumed;                 /* a report is due that says so */
    uint32_t window;
    uint32_t oldest; /* the first that may be unanswered; after client->request: none is */
    struct kept kept[WINDOW_MAX];
};

/* What is kept. */

static struct kept *place_of(struct pit_resumption *resumption, uint32_t request)
{
    return &resumption->kept[request % WINDOW_MAX];
}

static bool none_unanswered(const struct pit_client *client)
{
    return client->resumption->oldest == pit_request_next(client->request);
}

/* The unanswered request of that number, or NULL. */
static struct kept *unanswered(const struct pit_client *client, uint32_t request)
{
    struct kept *kept = place_of(client->resumption, request);
    return request && kept->request == request && !kept->answered ? kept : NULL;
}

static void answered(struct pit_client *client, struct kept *kept)
{
    struct pit_resumption *resumption = client->resumption;
    kept->answered = true;
    resumption->since_ns = 0;
    while (!none_unanswered(client) && place_of(resumption, resumption->oldest)->answered)
        resumption->oldest = pit_request_next(resumption->oldest);
}

uint32_t pit_entry_resume_request(struct pit_client *client, struct pit_message *message)
{
    struct pit_resumption *resumption = client->resumption;
    const uint32_t request = pit_request_next(client->request);
    if (resumption->dead || resumption->leaving || request - resumption->oldest >= resumption->window)
        return 0;
    struct kept *kept = place_of(resumption, request);
    uint8_t frame[PIT_WIRE_FRAME_BYTES_MAX];
    message->request = request;
    const size_t bytes = pit_message_encode(message, frame, sizeof frame);
    PIT_CHECK(bytes <= FRAME_BYTES);
    if (client->state == PIT_ENTRY_LIVE && !pit_entry_put_frame(client, frame, bytes) && !client->unsendable)
        return 0; /* the server does not read: neither is it kept */
    *kept = (struct kept){
        .client_id = message->client_id, .request = request, .kind = (uint8_t)message->kind, .bytes = (uint8_t)bytes};
    memcpy(kept->frame, frame, bytes);
    client->request = request;
    return request;
}

/* The way back. */

static uint64_t pause_ns(const struct pit_resumption *resumption)
{
    const uint32_t rounds = resumption->attempts / resumption->addresses_count;
    if (resumption->attempts % resumption->addresses_count != 0 || rounds == 0 || resumption->redirect[0])
        return 0;
    const uint64_t pause = PAUSE_NS << (rounds < 10 ? rounds - 1 : 9);
    return pause < PAUSE_NS_MAX ? pause : PAUSE_NS_MAX;
}

/* Nothing more will be tried. */
static void give_up(struct pit_client *client, int code, const char *why)
{
    struct pit_error last = client->error;
    pit_entry_drop(client);
    client->resumption->dead = true;
    client->ended = pit_error_set(&client->error, code, "%s%s%s", why, last.text[0] ? ": " : "", last.text);
}

/* The connection is gone; client->error says why. */
static void lost(struct pit_client *client)
{
    struct pit_resumption *resumption = client->resumption;
    const uint64_t now = pit_entry_now_ns();
    if (resumption->leaving && none_unanswered(client)) {
        const int code = client->ended ? client->ended : -EPIPE;
        give_up(client, code, "logged out");
        return;
    }
    if (client->state == PIT_ENTRY_LIVE) /* who served until now may do so again */
        resumption->at = resumption->tried;
    pit_entry_drop(client);
    client->ended = 0;
    if (resumption->since_ns == 0)
        resumption->since_ns = now;
    resumption->retry_ns = now + pause_ns(resumption);
}

/* BYE not_leader says where to go. Where nodes send it to and fro, an address of its own is tried in between. */
static void follow(struct pit_client *client, const struct pit_message *bye)
{
    struct pit_resumption *resumption = client->resumption;
    bool local;
    if (bye->reason != PIT_REASON_NOT_LEADER || !bye->text[0] ||
        pit_network_address_local(bye->text, &local, NULL) != 0)
        return;
    if (resumption->redirects == REDIRECTS_MAX) {
        resumption->redirects = 0;
        return;
    }
    snprintf(resumption->redirect, sizeof resumption->redirect, "%.*s", (int)sizeof resumption->redirect - 1,
             bye->text);
    resumption->redirects++;
}

static void try_next(struct pit_client *client, uint64_t now)
{
    struct pit_resumption *resumption = client->resumption;
    if (resumption->redirect[0]) {
        memcpy(resumption->address, resumption->redirect, sizeof resumption->address);
        resumption->redirect[0] = 0;
    } else {
        resumption->tried = resumption->at;
        memcpy(resumption->address, resumption->addresses[resumption->at], sizeof resumption->address);
        resumption->at = (resumption->at + 1) % resumption->addresses_count;
    }
    resumption->attempts++;
    const bool several = resumption->addresses_count > 1 && client->timeout_ns > ATTEMPT_NS;
    resumption->attempt_ns = now + (several ? ATTEMPT_NS : client->timeout_ns);
    if (pit_entry_connect(client, resumption->address) < 0)
        lost(client);
}

/* The session stands: what is unanswered is sent again, in order. */
static void stand(struct pit_client *client, const struct pit_message *message)
{
    struct pit_resumption *resumption = client->resumption;
    const bool later = message->request && pit_request_after(message->request, client->request);
    if (later && !none_unanswered(client)) {
        client->error.text[0] = 0;
        give_up(client, -ESTALE, "somebody else has sent requests for the account: nobody knows what became of these");
        return;
    }
    if (later || !resumption->stood) {
        client->request = message->request;
        resumption->oldest = pit_request_next(client->request);
    }
    resumption->window = message->window < WINDOW_MAX ? message->window : WINDOW_MAX;
    client->state = PIT_ENTRY_LIVE;
    resumption->resumed = resumption->stood;
    resumption->stood = true;
    resumption->heard_ns = pit_entry_now_ns();
    resumption->asked_ns = 0;
    if (none_unanswered(client))
        resumption->since_ns = 0;
    for (uint32_t request = resumption->oldest; request != pit_request_next(client->request);
         request = pit_request_next(request)) {
        const struct kept *kept = place_of(resumption, request);
        if (!kept->answered)
            pit_entry_put_frame(client, kept->frame, kept->bytes);
    }
    if (resumption->leaving)
        pit_entry_resume_logout(client);
}

void pit_entry_resume_logout(struct pit_client *client)
{
    const struct pit_message message = {.kind = PIT_MESSAGE_LOGOUT};
    client->resumption->leaving = true;
    if (client->state != PIT_ENTRY_LIVE && none_unanswered(client)) {
        client->error.text[0] = 0;
        give_up(client, -EPIPE, "logged out");
        return;
    }
    if (client->state == PIT_ENTRY_LIVE && !pit_entry_put(client, &message))
        client->network->shutdown(client->network->context, client->socket);
    pit_client_flush(client);
}

/* What the clock brings. Returns true when something has happened; *wake_ns is when it will be time to look again. */
static bool tick(struct pit_client *client, uint64_t *wake_ns)
{
    struct pit_resumption *resumption = client->resumption;
    const uint64_t now = pit_entry_now_ns();
    if (client->state == PIT_ENTRY_LIVE) {
        const bool shorter = client->heartbeat_ms > 0 && client->heartbeat_ms < SILENT_MS;
        const uint64_t interval_ns = (shorter ? client->heartbeat_ms : SILENT_MS) * NS_PER_MS;
        const struct pit_message ask = {.kind = PIT_MESSAGE_HEARTBEAT, .token = OWN_TOKEN};
        if (client->heard) {
            resumption->heard_ns = now;
            resumption->asked_ns = 0;
            client->heard = false;
        }
        if (resumption->asked_ns && now - resumption->asked_ns >= SILENT_INTERVALS * interval_ns) {
            pit_error_set(&client->error, -ETIMEDOUT, "the server is silent");
            lost(client);
            return true;
        }
        if (!resumption->asked_ns && now - resumption->heard_ns >= interval_ns && pit_entry_put(client, &ask)) {
            resumption->asked_ns = now;
            pit_client_flush(client);
        }
        *wake_ns = resumption->asked_ns ? resumption->asked_ns + SILENT_INTERVALS * interval_ns
                                        : resumption->heard_ns + interval_ns;
        return false;
    }
    const uint64_t end_ns = resumption->since_ns ? resumption->since_ns + resumption->give_up_ns : UINT64_MAX;
    if (now >= end_ns) {
        give_up(client, -ETIMEDOUT, "no server took the session back in time");
        return true;
    }
    *wake_ns = client->state == PIT_ENTRY_DOWN ? resumption->retry_ns : resumption->attempt_ns;
    if (now >= *wake_ns) {
        if (client->state == PIT_ENTRY_DOWN) {
            try_next(client, now);
        } else {
            pit_error_set(&client->error, -ETIMEDOUT, "%s does not answer", resumption->address);
            lost(client);
        }
        return true;
    }
    *wake_ns = *wake_ns < end_ns ? *wake_ns : end_ns;
    return false;
}

/* Reports. */

static void fill_result(const struct pit_message *message, const struct kept *kept, struct pit_report *report)
{
    *report = (struct pit_report){.kind = PIT_REPORT_UNKNOWN,
                                  .reason = (uint8_t)message->reason,
                                  .last = true,
                                  .repeated = true,
                                  .request = message->request,
                                  .symbol = message->symbol,
                                  .sequence = message->sequence,
                                  .order_id = message->order_id,
                                  .client_id = kept->client_id,
                                  .leaves = message->open,
                                  .traded = message->traded};
    if (message->outcome >= PIT_MESSAGE_ACCEPTED && message->outcome <= PIT_MESSAGE_STATE_CHANGED)
        report->kind = (uint8_t)(message->outcome - PIT_MESSAGE_ACCEPTED + PIT_REPORT_ACCEPTED);
    if (report->kind == PIT_REPORT_REJECTED)
        report->rejected_kind = kept->kind;
}

/* BYE: true when the user is told. */
static bool parted(struct pit_client *client, const struct pit_message *message, struct pit_report *report)
{
    struct pit_resumption *resumption = client->resumption;
    pit_error_set(&client->error, -EPIPE, "the server said goodbye: %s (%s)", message->text,
                  pit_reason_name(message->reason));
    if (resumption->leaving && none_unanswered(client))
        return pit_entry_report(client, message, report);
    if (message->reason == PIT_REASON_NOT_LEADER)
        resumption->tried = (resumption->tried + 1) % resumption->addresses_count;
    follow(client, message);
    if (message->reason == PIT_REASON_REQUESTED && !resumption->leaving)
        give_up(client, -ECONNABORTED, "the account is used elsewhere");
    else
        lost(client);
    return false;
}

/* One message of a session: true when it is a report for the user. */
static bool heard(struct pit_client *client, const struct pit_message *message, struct pit_report *report)
{
    struct kept *kept;
    if (client->state == PIT_ENTRY_LIVE && message->kind != PIT_MESSAGE_BYE)
        client->resumption->attempts = client->resumption->redirects = 0;
    switch (message->kind) {
    case PIT_MESSAGE_RESUMED:
        if (client->state == PIT_ENTRY_RESUMED) {
            stand(client, message);
            return false;
        }
        break;
    case PIT_MESSAGE_BYE:
        return parted(client, message, report);
    case PIT_MESSAGE_HEARTBEAT:
        if (message->token == OWN_TOKEN)
            return false;
        break;
    case PIT_MESSAGE_RESULT:
        kept = unanswered(client, message->request);
        if (!kept)
            return false;
        fill_result(message, kept, report);
        answered(client, kept);
        return true;
    default:
        break;
    }
    if (!pit_entry_report(client, message, report))
        return false;
    if (report->request == 0 || report->kind == PIT_REPORT_HEARTBEAT)
        return true;
    kept = unanswered(client, report->request);
    if (kept && report->last)
        answered(client, kept);
    return kept != NULL;
}

/* The next unanswered request of a client that has given up. */
static bool tell_unknown(struct pit_client *client, struct pit_report *report)
{
    struct pit_resumption *resumption = client->resumption;
    if (none_unanswered(client))
        return false;
    struct kept *kept = place_of(resumption, resumption->oldest);
    *report = (struct pit_report){
        .kind = PIT_REPORT_UNKNOWN, .last = true, .request = kept->request, .client_id = kept->client_id};
    answered(client, kept);
    return true;
}

/* One message while logging on: 0 or a negative errno. */
static int logged_on(struct pit_client *client, const struct pit_message *message)
{
    const int result = pit_entry_logon(client, message);
    if (result < 0 && message->kind == PIT_MESSAGE_BYE)
        follow(client, message);
    if (result == 0 && message->kind == PIT_MESSAGE_CHALLENGE) /* it is there: now it gets its time */
        client->resumption->attempt_ns = pit_entry_now_ns() + client->timeout_ns;
    return result;
}

/* Takes one message, or what comes from the socket. 1 = a report, 0 = nothing now, -EAGAIN = look again. */
static int go_on(struct pit_client *client, struct pit_report *report)
{
    struct pit_message message;
    if (client->state == PIT_ENTRY_DOWN)
        return 0;
    int result = pit_entry_take(client, &message);
    if (result == 0) {
        result = pit_entry_exchange(client);
        if (result == 0)
            return 0;
    } else if (result == 1 && client->state >= PIT_ENTRY_RESUMED) {
        if (heard(client, &message, report))
            return 1;
        result = client->resumption->dead ? 0 : client->ended;
    } else if (result == 1) {
        result = logged_on(client, &message);
    }
    if (result < 0)
        lost(client);
    return -EAGAIN;
}

int pit_entry_resume_poll(struct pit_client *client, struct pit_report *report, uint64_t wait_ns)
{
    struct pit_resumption *resumption = client->resumption;
    uint64_t deadline = 0, wake_ns = 0;
    for (;;) {
        if (resumption->dead)
            return tell_unknown(client, report) ? 1 : client->ended;
        if (resumption->resumed) {
            resumption->resumed = false;
            *report = (struct pit_report){.kind = PIT_REPORT_RESUMED, .text = resumption->address};
            return 1;
        }
        const int result = go_on(client, report);
        if (result == 1)
            return 1;
        if (result < 0 || tick(client, &wake_ns))
            continue;
        if (wait_ns == 0)
            return 0;
        const uint64_t now = pit_entry_now_ns();
        if (deadline == 0)
            deadline = now + wait_ns < now ? UINT64_MAX : now + wait_ns;
        if (now >= deadline)
            return 0;
        const uint64_t until = wake_ns < deadline ? wake_ns : deadline;
        pit_entry_wait(client, until > now ? until - now : 0);
    }
}

/* Opening. */

static int read_addresses(struct pit_resumption *resumption, const char *list, struct pit_error *error)
{
    while (*list) {
        const size_t length = strcspn(list, ",");
        bool local;
        if (resumption->addresses_count == ADDRESSES_MAX)
            return pit_error_set(error, -EINVAL, "more than %u addresses to connect to", ADDRESSES_MAX);
        if (length >= ADDRESS_BYTES)
            return pit_error_set(error, -EINVAL, "an address of %zu characters: it can have %u", length,
                                 ADDRESS_BYTES - 1);
        char *address = resumption->addresses[resumption->addresses_count++];
        memcpy(address, list, length);
        const int code = pit_network_address_local(address, &local, error);
        if (code)
            return code;
        list += length + (list[length] == ',');
    }
    return resumption->addresses_count ? 0 : pit_error_set(error, -EINVAL, "no address to connect to");
}

int pit_entry_resume_begin(struct pit_client *client, const struct pit_client_options *options, struct pit_error *error)
{
    client->resumption = calloc(1, sizeof *client->resumption);
    if (!client->resumption)
        return pit_error_set(error, -ENOMEM, "no memory for a client");
    client->resumption->give_up_ns = (options->give_up_ms ? options->give_up_ms : GIVE_UP_MS) * NS_PER_MS;
    client->resumption->oldest = pit_request_next(client->request);
    return read_addresses(client->resumption, options->address, error);
}

/* Reports of resting orders may come before RESUMED, and are the first poll's: it is taken out from among them. 0, or a
 * negative errno: BYE came in its place. */
static int find_resumed(struct pit_client *client)
{
    size_t at = client->in_start;
    for (;;) {
        struct pit_message message;
        const int64_t found = pit_frame_find(client->in + at, client->in_end - at);
        if (found <= 0 || pit_message_decode(client->decoder, client->in + at, (size_t)found, &message, NULL) < 0)
            return 0; /* what is bad is found when it is read */
        if (message.kind == PIT_MESSAGE_BYE)
            return logged_on(client, &message);
        if (message.kind == PIT_MESSAGE_RESUMED) {
            const size_t end = at + (size_t)found;
            memmove(client->in + at, client->in + end, client->in_end - end);
            client->in_end -= (size_t)found;
            stand(client, &message);
            return 0;
        }
        at += (size_t)found;
    }
}

/* A refusal that will be the same wherever and whenever it is tried. */
static bool final(const struct pit_client *client, int code)
{
    const bool soon = client->bye_reason == PIT_REASON_NOT_LEADER || client->bye_reason == PIT_REASON_OVERLOADED ||
                      client->bye_reason == PIT_REASON_SHUTTING_DOWN || client->bye_reason == PIT_REASON_NONE;
    return code == -EPROTO || code == -EPROTONOSUPPORT || code == -ENOMEM || (code == -EACCES && !soon);
}

int pit_entry_resume_open(struct pit_client *client, uint64_t deadline_ns, struct pit_error *error)
{
    struct pit_resumption *resumption = client->resumption;
    for (;;) {
        uint64_t wake_ns = 0;
        int result = 0;
        struct pit_message message;
        if (client->state == PIT_ENTRY_RESUMED) {
            result = find_resumed(client);
            if (client->state == PIT_ENTRY_LIVE)
                return 0;
            if (result == 0)
                result = pit_entry_exchange(client);
        } else if (client->state != PIT_ENTRY_DOWN) {
            result = pit_entry_take(client, &message);
            if (result == 0)
                result = pit_entry_exchange(client);
            else if (result == 1)
                result = logged_on(client, &message) < 0 ? client->error.code : 1;
        }
        if (result < 0 && final(client, result))
            return pit_error_set(error, result, "logging on at %s: %s", resumption->address, client->error.text);
        if (result < 0)
            lost(client);
        const uint64_t now = pit_entry_now_ns();
        if (now >= deadline_ns)
            return pit_error_set(error, -ETIMEDOUT, "no server took the logon in time; %s: %s", resumption->address,
                                 client->error.text[0] ? client->error.text : "no answer");
        if (result == 0 && !tick(client, &wake_ns))
            pit_entry_wait(client, wake_ns < deadline_ns ? wake_ns - now : deadline_ns - now);
    }
}
