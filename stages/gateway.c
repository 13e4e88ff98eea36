/* stages/gateway.c - see gateway.h. */
#include "stages/gateway_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "ring/check.h"

#define NS_PER_MS UINT64_C(1000000)
#define SCAN_NS (UINT64_C(10) * NS_PER_MS) /* between two looks at time limits */
#define HELD_NS UINT64_C(100000)           /* longest sleep while waiting for another stage */
#define ACCEPTS_AT_ONCE 16u
#define SILENT_INTERVALS 3u

void pit_gateway_activate(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    if (session->active)
        return;
    session->active = true;
    gateway->active[gateway->active_count++] = pit_gateway_number(gateway, session);
}

/* Hears, or does not hear, of connections that wait. */
static void listen_to(struct pit_gateway *gateway, bool on)
{
    const struct pit_network *network = gateway->network;
    gateway->deaf = !on;
    for (uint32_t i = 0; i < gateway->listeners_count; i++) {
        if (!on)
            network->poller_remove(network->context, gateway->poller, gateway->listeners[i]);
        else if (network->poller_add(network->context, gateway->poller, gateway->listeners[i]) < 0)
            gateway->deaf = true;
    }
}

static bool unproven(const struct pit_gateway_session *session)
{
    return session->state == PIT_GATEWAY_LOGON || session->state == PIT_GATEWAY_PROOF;
}

/* Every place is taken: the oldest session that has not logged on, if there is one, gives its place back, so that those
 * who never log on cannot keep others out. One of the same host goes first: whoever connects again and again, faster
 * than others log on, takes its own places. */
static void make_room(struct pit_gateway *gateway, const char *host)
{
    struct pit_gateway_session *oldest = NULL;
    bool its_own = false;
    for (uint32_t i = 0; i < gateway->sessions_count; i++) {
        struct pit_gateway_session *session = &gateway->sessions[i];
        if (!unproven(session))
            continue;
        const bool same = strcmp(session->host, host) == 0;
        if (!oldest || (same && !its_own) || (same == its_own && session->opened < oldest->opened))
            oldest = session;
        its_own |= same;
    }
    if (!oldest)
        return;
    pit_gateway_count(&gateway->counters.sessions_displaced, 1);
    pit_gateway_close(gateway, oldest, PIT_REASON_OVERLOADED, "too many sessions: one not logged on makes room");
}

/* Takes one connection. Returns false when there is none, or none can be taken now. */
static bool take_connection(struct pit_gateway *gateway, int listener)
{
    const struct pit_network *network = gateway->network;
    char peer[PIT_GATEWAY_HOST_BYTES], host[PIT_GATEWAY_HOST_BYTES];
    if (!pit_gateway_may_say(gateway))
        return false;
    if (gateway->free_count ==
        0) { /* not even a number left to refuse it with: it waits until closing ones have ended */
        gateway->held = true;
        return false;
    }
    int socket = network->accept(network->context, listener, peer, sizeof peer);
    if (socket < 0 && socket != -EAGAIN) { /* it goes on waiting: not to spin on it, the next look is in a while */
        pit_gateway_count(&gateway->counters.accepts_failed, 1);
        if (!gateway->deaf)
            listen_to(gateway, false);
    }
    if (socket < 0)
        return false;
    pit_network_address_host(peer, host, sizeof host);
    if (gateway->normal_count >= gateway->limits.sessions_max)
        make_room(gateway, host);
    bool spare = gateway->normal_count >= gateway->limits.sessions_max;
    if (spare)
        pit_gateway_count(&gateway->counters.sessions_refused, 1);
    else
        pit_gateway_count(&gateway->counters.sessions_opened, 1);
    gateway->done++;
    if ((uint32_t)socket >= PIT_GATEWAY_HANDLES_MAX) {
        network->close(network->context, socket); /* it could not be watched */
        return true;
    }
    struct pit_gateway_session *session = pit_gateway_open(gateway, socket, spare);
    memcpy(session->host, host, sizeof host);
    if (spare) {
        pit_gateway_close(gateway, session, PIT_REASON_OVERLOADED, "too many sessions");
    } else {
        pit_gateway_challenge(gateway, session);
        pit_gateway_say_now(gateway);
    }
    return true;
}

static bool is_listener(const struct pit_gateway *gateway, int handle)
{
    for (uint32_t i = 0; i < gateway->listeners_count; i++)
        if (gateway->listeners[i] == handle)
            return true;
    return false;
}

static void look_at_sockets(struct pit_gateway *gateway)
{
    const struct pit_network *network = gateway->network;
    if (gateway->ready_count == 0)
        gateway->ready_count =
            network->poll(network->context, gateway->poller, gateway->ready, (int)PIT_GATEWAY_READY_MAX, 0);
    for (int i = 0; i < gateway->ready_count; i++) {
        int handle = gateway->ready[i].handle;
        uint32_t number = (uint32_t)handle < PIT_GATEWAY_HANDLES_MAX ? gateway->handles[handle] : 0;
        if (number) {
            gateway->sessions[number - 1].readable = true;
            pit_gateway_activate(gateway, &gateway->sessions[number - 1]);
        } else if (is_listener(gateway, handle)) {
            for (uint32_t n = 0; n < ACCEPTS_AT_ONCE && take_connection(gateway, handle); n++)
                continue;
        }
    }
    gateway->ready_count = 0;
}

/* One turn for each active session; who is first changes, so that no session always finds the rings empty. */
static void take_turns(struct pit_gateway *gateway)
{
    uint32_t count = gateway->active_count;
    uint32_t *turns = gateway->active;
    gateway->active = gateway->turns;
    gateway->turns = turns;
    gateway->active_count = 0;
    for (uint32_t i = 0; i < count; i++)
        gateway->sessions[turns[i]].active = false;
    for (uint32_t i = 0; i < count; i++) {
        struct pit_gateway_session *session = &gateway->sessions[turns[(gateway->turn_first + i) % count]];
        if (pit_gateway_turn(gateway, session))
            pit_gateway_activate(gateway, session);
    }
    gateway->turn_first++;
}

static void scan_heartbeat(struct pit_gateway *gateway, struct pit_gateway_session *session)
{
    uint64_t interval_ns = gateway->limits.heartbeat_ms * NS_PER_MS;
    if (gateway->stalled_ns)
        session->heard_ns = gateway->now_ns; /* it may have spoken: nobody listened */
    uint64_t silent_ns = gateway->now_ns - session->heard_ns;
    if (interval_ns == 0 || silent_ns < interval_ns)
        return;
    if (silent_ns >= SILENT_INTERVALS * interval_ns) {
        pit_gateway_count(&gateway->counters.sessions_silent, 1);
        pit_gateway_close(gateway, session, PIT_REASON_NONE, "silent for three heartbeat intervals");
    } else if (silent_ns / interval_ns > session->asked && pit_gateway_may_say(gateway)) {
        gateway->answer.kind = PIT_MESSAGE_HEARTBEAT;
        gateway->answer.token = 0;
        session->asked++;
        pit_gateway_say(gateway, session, &gateway->answer);
        pit_gateway_say_now(gateway);
    }
}

/* Time limits, now and then. */
static void scan(struct pit_gateway *gateway)
{
    if (gateway->now_ns - gateway->scanned_ns < SCAN_NS)
        return;
    gateway->scanned_ns = gateway->now_ns;
    if (gateway->deaf)
        listen_to(gateway, true);
    if (gateway->stalled_ns)
        pit_gateway_may_enter(gateway); /* there may be room again, and nobody with a command to notice */
    for (uint32_t i = 0; i < gateway->sessions_count; i++) {
        struct pit_gateway_session *session = &gateway->sessions[i];
        switch (session->state) {
        case PIT_GATEWAY_LOGON:
        case PIT_GATEWAY_PROOF:
            if (gateway->now_ns - session->opened_ns < gateway->limits.logon_ms * NS_PER_MS)
                break;
            pit_gateway_count(&gateway->counters.logons_late, 1);
            pit_gateway_close(gateway, session, PIT_REASON_NOT_PERMITTED, "no logon within the time limit");
            break;
        case PIT_GATEWAY_WELCOMING:
            if (gateway->now_ns - session->heard_ns < gateway->limits.logon_ms * NS_PER_MS)
                break;
            pit_gateway_count(&gateway->counters.logons_late, 1);
            pit_gateway_close(gateway, session, PIT_REASON_NOT_PERMITTED, "the list of symbols is not read");
            break;
        case PIT_GATEWAY_LIVE:
            if (session->paused)
                pit_gateway_activate(gateway, session);
            scan_heartbeat(gateway, session);
            break;
        default:
            break;
        }
    }
}

static void stop_listening(struct pit_gateway *gateway)
{
    const struct pit_network *network = gateway->network;
    for (uint32_t i = 0; i < gateway->listeners_count; i++) {
        if (!gateway->deaf)
            network->poller_remove(network->context, gateway->poller, gateway->listeners[i]);
        network->close(network->context, gateway->listeners[i]);
    }
    gateway->listeners_count = 0;
    gateway->deaf = false;
}

/* The phase is DRAIN: nothing more enters the input ring, and every session gets a turn in which it is closed. */
static void drain(struct pit_gateway *gateway)
{
    gateway->draining = true;
    gateway->ready_count = 0;
    stop_listening(gateway);
    gateway->intake_last = pit_ring_published(gateway->input);
    pit_word_store_release(&gateway->intake_closed, 1);
    if (gateway->node)
        pit_word_store_release(&gateway->intake_board->end, gateway->intake_last + 1);
    for (uint32_t i = 0; i < gateway->sessions_count; i++)
        if (gateway->sessions[i].state != PIT_GATEWAY_FREE)
            pit_gateway_activate(gateway, &gateway->sessions[i]);
    gateway->done++;
}

static uint32_t do_work(void *state)
{
    struct pit_gateway *gateway = state;
    gateway->now_ns = gateway->clock->monotonic_ns(gateway->clock->context);
    gateway->done = 0;
    gateway->held = false;
    if (gateway->intake_word)
        gateway->intake = (enum pit_intake)pit_sequence_load(gateway->intake_word);
    if (gateway->node)
        pit_gateway_follow_node(gateway);
    if (!gateway->draining) {
        if (pit_control_phase(gateway->control) != PIT_PHASE_RUN)
            drain(gateway);
        else if (!gateway->started)
            pit_gateway_start(gateway);
    }
    look_at_sockets(gateway);
    if (gateway->active_count)
        take_turns(gateway);
    scan(gateway);
    if (gateway->draining && !gateway->drained && gateway->free_count == gateway->sessions_count)
        pit_word_store_release(&gateway->drained, 1);
    return gateway->done;
}

/* Sleeps on the sockets; what it finds there is the next do_work's. */
static void park(void *state, uint64_t timeout_ns)
{
    struct pit_gateway *gateway = state;
    const struct pit_network *network = gateway->network;
    uint64_t limit_ns = gateway->active_count || gateway->held ? HELD_NS : SCAN_NS;
    if (gateway->free_count < gateway->sessions_count && timeout_ns > limit_ns)
        timeout_ns = limit_ns;
    int poller = gateway->held ? gateway->idle_poller : gateway->poller;
    int ready = network->poll(network->context, poller, gateway->ready, (int)PIT_GATEWAY_READY_MAX, timeout_ns);
    gateway->ready_count = gateway->held || ready < 0 ? 0 : ready;
}

static int watch_handle(void *state, int handle)
{
    struct pit_gateway *gateway = state;
    const struct pit_network *network = gateway->network;
    int code = network->poller_add(network->context, gateway->poller, handle);
    return code < 0 ? code : network->poller_add(network->context, gateway->idle_poller, handle);
}

static void machine_random(void *context, void *bytes, size_t count)
{
    (void)context;
    uint8_t *to = bytes;
    while (count) {
        ssize_t got = getrandom(to, count, 0);
        PIT_CHECK(got > 0 || errno == EINTR); /* without randomness there is no challenge */
        if (got > 0) {
            to += got;
            count -= (size_t)got;
        }
    }
}

static void set_default(uint32_t *limit, uint32_t value)
{
    if (*limit == 0)
        *limit = value;
}

static int check_limits(struct pit_gateway_limits *limits, struct pit_error *error)
{
    set_default(&limits->sessions_max, 64);
    set_default(&limits->receive_bytes, 64u << 10);
    set_default(&limits->turn_messages, 256);
    set_default(&limits->requests_max, 8192);
    set_default(&limits->logon_ms, 5000);
    set_default(&limits->overload_ms, 100);
    if (limits->sessions_max > PIT_SESSIONS_MAX)
        return pit_error_set(error, -EINVAL, "sessions_max is %u; it can be 1 to %u", limits->sessions_max,
                             PIT_SESSIONS_MAX);
    if (limits->receive_bytes < PIT_GATEWAY_RECEIVE_BYTES_MIN || limits->receive_bytes > PIT_GATEWAY_RECEIVE_BYTES_MAX)
        return pit_error_set(error, -EINVAL, "receive_bytes is %u; it can be %u to %u", limits->receive_bytes,
                             PIT_GATEWAY_RECEIVE_BYTES_MIN, PIT_GATEWAY_RECEIVE_BYTES_MAX);
    if (limits->turn_messages > PIT_GATEWAY_TURN_MESSAGES_MAX)
        return pit_error_set(error, -EINVAL, "turn_messages is %u; it can be 1 to %u", limits->turn_messages,
                             PIT_GATEWAY_TURN_MESSAGES_MAX);
    return 0;
}

static int check_accounts(const struct pit_gateway_config *config, bool *keyed, struct pit_error *error)
{
    if (config->accounts_count > PIT_GATEWAY_ACCOUNTS_MAX)
        return pit_error_set(error, -EINVAL, "%u accounts; there can be %u", config->accounts_count,
                             PIT_GATEWAY_ACCOUNTS_MAX);
    for (uint32_t i = 0; i < config->accounts_count; i++) {
        const struct pit_gateway_account *account = &config->accounts[i];
        if (account->account == 0)
            return pit_error_set(error, -EINVAL, "account 0 is the exchange's own; clients have 1 and up");
        if (account->key_bytes &&
            (account->key_bytes < PIT_WIRE_KEY_BYTES_MIN || account->key_bytes > PIT_WIRE_KEY_BYTES_MAX))
            return pit_error_set(error, -EINVAL, "the key of account %u has %u bytes; it can have %u to %u",
                                 account->account, account->key_bytes, PIT_WIRE_KEY_BYTES_MIN, PIT_WIRE_KEY_BYTES_MAX);
        if (!account->key_bytes != !config->accounts[0].key_bytes)
            return pit_error_set(error, -EINVAL,
                                 "account %u has %s key but account %u has %s: give keys to all accounts or to none",
                                 account->account, account->key_bytes ? "a" : "no", config->accounts[0].account,
                                 account->key_bytes ? "none" : "one");
    }
    *keyed = config->accounts_count && config->accounts[0].key_bytes;
    return 0;
}

static int check_addresses(const struct pit_gateway_config *config, bool keyed, struct pit_error *error)
{
    if (config->addresses_count < 1 || config->addresses_count > PIT_GATEWAY_ADDRESSES_MAX)
        return pit_error_set(error, -EINVAL, "%u listen addresses; there can be 1 to %u", config->addresses_count,
                             PIT_GATEWAY_ADDRESSES_MAX);
    for (uint32_t i = 0; i < config->addresses_count; i++) {
        bool local = false;
        int code = pit_network_address_local(config->addresses[i], &local, error);
        if (code)
            return code;
        if (!local && !keyed)
            return pit_error_set(error, -EINVAL,
                                 "%s can be reached from other machines, but no account has a key: configure keys, or "
                                 "listen on loopback or a unix socket",
                                 config->addresses[i]);
    }
    return 0;
}

static int check_symbols(const struct pit_gateway_config *config, struct pit_error *error)
{
    if (config->symbols_count > PIT_SYMBOLS_MAX || config->startup_count > PIT_SYMBOLS_MAX)
        return pit_error_set(error, -EINVAL, "%u symbols, %u to define; there can be %u", config->symbols_count,
                             config->startup_count, PIT_SYMBOLS_MAX);
    for (uint32_t i = 0; i < config->startup_count; i++)
        if (config->startup[i].kind != PIT_COMMAND_SYMBOL || !(config->startup[i].flags & PIT_COMMAND_WIDE) ||
            config->startup[i].symbol >= config->symbols_count)
            return pit_error_set(error, -EINVAL, "start-up command %u does not define one of the %u symbols", i,
                                 config->symbols_count);
    if (pit_ring_slots(config->sessions) < 4 * PIT_GATEWAY_NOTES_SPARE)
        return pit_error_set(error, -EINVAL, "the session ring has %u slots; it needs %u",
                             pit_ring_slots(config->sessions), 4 * PIT_GATEWAY_NOTES_SPARE);
    return 0;
}

static void *copy(const void *from, size_t count, size_t bytes)
{
    void *to = calloc(count + 1, bytes); /* never of nothing */
    if (to && count)
        memcpy(to, from, count * bytes);
    return to;
}

static int allocate(struct pit_gateway *gateway, const struct pit_gateway_config *config)
{
    size_t sessions = gateway->sessions_count;
    gateway->symbols = copy(config->symbols, config->symbols_count, sizeof *gateway->symbols);
    gateway->startup = copy(config->startup, config->startup_count, sizeof *gateway->startup);
    gateway->accounts = copy(config->accounts, config->accounts_count, sizeof *gateway->accounts);
    gateway->sessions = calloc(sessions, sizeof *gateway->sessions);
    gateway->buffers = calloc(sessions, gateway->limits.receive_bytes);
    gateway->free_numbers = calloc(sessions, sizeof *gateway->free_numbers);
    gateway->active = calloc(sessions, sizeof *gateway->active);
    gateway->turns = calloc(sessions, sizeof *gateway->turns);
    gateway->handles = calloc(PIT_GATEWAY_HANDLES_MAX, sizeof *gateway->handles);
    gateway->decoder = pit_decoder_create();
    if (!gateway->symbols || !gateway->startup || !gateway->accounts || !gateway->sessions || !gateway->buffers ||
        !gateway->free_numbers || !gateway->active || !gateway->turns || !gateway->handles || !gateway->decoder ||
        pit_accounts_create(&gateway->account_places, config->accounts_count) ||
        pit_accounts_create(&gateway->claims, (uint32_t)sessions))
        return -ENOMEM;
    for (uint32_t i = 0; i < sessions; i++) {
        gateway->sessions[i].buffer = gateway->buffers + (size_t)i * gateway->limits.receive_bytes;
        gateway->sessions[i].waits_for = PIT_ACCOUNTS_NONE;
        gateway->free_numbers[i] = (uint32_t)sessions - 1 - i; /* the lowest is taken first */
    }
    gateway->free_count = (uint32_t)sessions;
    for (uint32_t i = 0; i < config->accounts_count; i++)
        pit_accounts_set(&gateway->account_places, config->accounts[i].account, i);
    return 0;
}

static int open_listeners(struct pit_gateway *gateway, const struct pit_gateway_config *config, struct pit_error *error)
{
    const struct pit_network *network = gateway->network;
    gateway->poller = network->poller_create(network->context);
    gateway->idle_poller = network->poller_create(network->context);
    if (gateway->poller < 0 || gateway->idle_poller < 0)
        return pit_error_set(error, gateway->poller < 0 ? gateway->poller : gateway->idle_poller,
                             "no poller to watch sockets with");
    for (uint32_t i = 0; i < config->addresses_count; i++) {
        int listener = network->listen(network->context, config->addresses[i], error);
        if (listener < 0)
            return listener;
        gateway->listeners[gateway->listeners_count++] = listener;
        int code = network->poller_add(network->context, gateway->poller, listener);
        if (code < 0)
            return pit_error_set(error, code, "%s cannot be watched for connections", config->addresses[i]);
    }
    return 0;
}

static int fill(struct pit_gateway *gateway, const struct pit_gateway_config *config, struct pit_error *error)
{
    gateway->network = config->network;
    gateway->clock = config->clock;
    gateway->control = config->control;
    gateway->input = config->input;
    gateway->notes = config->sessions;
    gateway->board = config->board;
    gateway->intake_word = config->intake;
    if (config->cluster) {
        gateway->node = config->cluster->node;
        gateway->intake_board = config->cluster->intake;
        gateway->covered = config->cluster->covered;
        for (uint32_t node = 1; node <= PIT_CLUSTER_NODES_MAX; node++)
            if (config->cluster->clients[node])
                strncpy(gateway->clients[node], config->cluster->clients[node], sizeof gateway->clients[node] - 1);
    }
    gateway->random = config->random ? config->random : machine_random;
    gateway->random_context = config->random_context;
    gateway->symbols_count = config->symbols_count;
    gateway->startup_count = config->startup_count;
    gateway->sessions_count = gateway->limits.sessions_max + PIT_SESSIONS_SPARE;
    gateway->time_ns = config->time_ns_min;
    gateway->poller = gateway->idle_poller = -1;
    if (config->name)
        strncpy(gateway->name, config->name, sizeof gateway->name - 1);
    if (allocate(gateway, config))
        return pit_error_set(error, -ENOMEM,
                             "no memory for the gateway: %u sessions with buffers of %u bytes; lower sessions_max or "
                             "receive_bytes",
                             gateway->sessions_count, gateway->limits.receive_bytes);
    return open_listeners(gateway, config, error);
}

int pit_gateway_create(struct pit_gateway **created, const struct pit_gateway_config *config, struct pit_error *error)
{
    struct pit_gateway_limits limits = config->limits;
    bool keyed = false;
    int code = check_limits(&limits, error);
    if (!code)
        code = check_accounts(config, &keyed, error);
    if (!code)
        code = check_addresses(config, keyed, error);
    if (!code)
        code = check_symbols(config, error);
    if (code)
        return code;
    struct pit_gateway *gateway = calloc(1, sizeof *gateway);
    if (!gateway)
        return pit_error_set(error, -ENOMEM, "no memory for the gateway");
    gateway->limits = limits;
    gateway->keyed = keyed;
    code = fill(gateway, config, error);
    if (code) {
        pit_gateway_destroy(gateway);
        return code;
    }
    *created = gateway;
    return 0;
}

struct pit_agent pit_gateway_agent(struct pit_gateway *gateway)
{
    return (struct pit_agent){
        .name = "gateway", .state = gateway, .do_work = do_work, .park = park, .watch = watch_handle};
}

void pit_gateway_destroy(struct pit_gateway *gateway)
{
    if (!gateway)
        return;
    const struct pit_network *network = gateway->network;
    if (network) {
        for (uint32_t i = 0; gateway->sessions && i < gateway->sessions_count; i++)
            if (gateway->sessions[i].state != PIT_GATEWAY_FREE)
                network->close(network->context, gateway->sessions[i].socket);
        for (uint32_t i = 0; i < gateway->listeners_count; i++)
            network->close(network->context, gateway->listeners[i]);
        if (gateway->poller >= 0)
            network->close(network->context, gateway->poller);
        if (gateway->idle_poller >= 0)
            network->close(network->context, gateway->idle_poller);
    }
    pit_accounts_destroy(&gateway->claims);
    pit_accounts_destroy(&gateway->account_places);
    pit_decoder_destroy(gateway->decoder);
    free(gateway->handles);
    free(gateway->turns);
    free(gateway->active);
    free(gateway->free_numbers);
    free(gateway->buffers);
    free(gateway->sessions);
    free(gateway->accounts);
    free(gateway->startup);
    free(gateway->symbols);
    free(gateway);
}

const struct pit_gateway_counters *pit_gateway_counters(const struct pit_gateway *gateway)
{
    return &gateway->counters;
}

bool pit_gateway_started(const struct pit_gateway *gateway)
{
    return pit_word_load_acquire(&gateway->started) != 0;
}

bool pit_gateway_intake_closed(const struct pit_gateway *gateway, uint64_t *last)
{
    if (!pit_word_load_acquire(&gateway->intake_closed))
        return false;
    *last = gateway->intake_last;
    return true;
}

bool pit_gateway_drained(const struct pit_gateway *gateway)
{
    return pit_word_load_acquire(&gateway->drained) != 0;
}
