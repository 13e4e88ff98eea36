/* test/stages/rig.c - see rig.h. */
#include "rig.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ring/check.h"

static uint64_t utc_ns(void *context)
{
    return ((struct rig *)context)->utc_ns;
}

static uint64_t monotonic_ns(void *context)
{
    return ((struct rig *)context)->monotonic_ns;
}

/* Not random at all: tests know what to expect. */
static void fill_nonce(void *context, void *bytes, size_t count)
{
    struct rig *rig = context;
    rig->nonce++;
    memset(bytes, (int)(rig->nonce & 0xff), count);
}

static struct pit_ring *make_ring(struct rig *rig, uint32_t place, uint32_t slots, uint32_t slot_bytes, uint64_t first)
{
    size_t bytes = pit_ring_bytes(slots, slot_bytes);
    PIT_CHECK(bytes);
    rig->memory[place] = aligned_alloc(PIT_SEQUENCE_BYTES, bytes);
    PIT_CHECK(rig->memory[place]);
    struct pit_ring *ring = pit_ring_create(rig->memory[place], slots, slot_bytes, first);
    PIT_CHECK(ring);
    return ring;
}

static void make_symbols(struct rig *rig)
{
    for (uint32_t i = 0; i < RIG_SYMBOLS; i++) {
        rig->symbols[i] = (struct pit_symbol_definition){.price_min = 1,
                                                         .price_max = 1000000,
                                                         .quantity_max = 1000000,
                                                         .orders_max = 1000,
                                                         .levels_max = 1000,
                                                         .tick_mantissa = 1,
                                                         .tick_decimals = 2,
                                                         .lot_mantissa = 1};
        snprintf(rig->symbols[i].name, sizeof rig->symbols[i].name, "SYM%u", i);
    }
}

static int make_gateway(struct rig *rig, const struct rig_options *options, struct pit_error *error)
{
    const char *address = options->address ? options->address : "tcp:127.0.0.1:7001";
    struct pit_command startup[RIG_SYMBOLS];
    memset(startup, 0, sizeof startup);
    for (uint32_t i = 0; i < options->startup; i++) {
        startup[i].kind = PIT_COMMAND_SYMBOL;
        startup[i].flags = PIT_COMMAND_WIDE;
        startup[i].symbol = RIG_SYMBOLS - options->startup + i;
        startup[i].definition = rig->symbols[startup[i].symbol];
    }
    struct pit_gateway_cluster cluster = {
        .node = &rig->node,
        .intake = &rig->intakes,
        .covered = &pit_egress_counters(rig->egress)->covered,
        .clients = {NULL, "unix:/first", "unix:/second", "unix:/third"},
    };
    struct pit_gateway_config config = {
        .cluster = options->node ? &cluster : NULL,
        .network = &rig->fake->table,
        .clock = &rig->clock,
        .control = &rig->control,
        .input = rig->input,
        .sessions = rig->sessions,
        .board = pit_egress_board(rig->egress),
        .intake = &rig->intake,
        .name = "rig",
        .addresses = &address,
        .addresses_count = 1,
        .accounts = options->accounts,
        .accounts_count = options->accounts_count,
        .symbols = rig->symbols,
        .symbols_count = RIG_SYMBOLS,
        .startup = startup,
        .startup_count = options->startup,
        .time_ns_min = options->time_ns_min,
        .limits = options->limits,
        .random = fill_nonce,
        .random_context = rig,
    };
    return pit_gateway_create(&rig->gateway, &config, error);
}

int rig_try(struct rig **created, const struct rig_options *options, struct pit_error *error)
{
    struct rig *rig = aligned_alloc(PIT_SEQUENCE_BYTES, (sizeof *rig + 127) / 128 * 128);
    PIT_CHECK(rig);
    memset(rig, 0, sizeof *rig);
    rig->fake = fake_network_create();
    rig->clock = (struct pit_clock){.context = rig, .utc_ns = utc_ns, .monotonic_ns = monotonic_ns};
    rig->utc_ns = RIG_UTC_NS;
    rig->monotonic_ns = UINT64_C(1000000000);
    pit_sequence_store(&rig->control.phase, PIT_PHASE_RUN);
    uint64_t first = options->first ? options->first : 1;
    rig->input =
        make_ring(rig, 0, options->input_slots ? options->input_slots : 1024, sizeof(struct pit_command), first);
    rig->sessions =
        make_ring(rig, 1, options->session_slots ? options->session_slots : 64, sizeof(struct pit_session_note), 1);
    rig->output = make_ring(rig, 2, 4096, PIT_EVENT_LINE_BYTES, 1);
    PIT_CHECK(pit_ring_reader_add(rig->input, &rig->commands));
    make_symbols(rig);
    struct pit_egress_source source = {.output = rig->output, .cursor = rig->commands.cursor};
    PIT_CHECK(pit_results_create(&rig->results, options->results_accounts, error) == 0);
    struct pit_egress_config config = {
        .network = &rig->fake->table,
        .clock = &rig->clock,
        .sessions = rig->sessions,
        .sources = &source,
        .sources_count = 1,
        .sessions_max = options->limits.sessions_max ? options->limits.sessions_max : 64,
        .outbox_bytes = options->outbox_bytes,
        .close_ms = options->close_ms,
        .node = options->node ? &rig->node : NULL,
        .results = rig->results,
    };
    PIT_CHECK(pit_egress_create(&rig->egress, &config, error) == 0);
    int code = make_gateway(rig, options, error);
    if (code) {
        rig_destroy(rig);
        return code;
    }
    rig->gateway_agent = pit_gateway_agent(rig->gateway);
    rig->egress_agent = pit_egress_agent(rig->egress);
    *created = rig;
    return 0;
}

struct rig *rig_create(const struct rig_options *options)
{
    struct rig *rig = NULL;
    struct pit_error error = {0};
    if (rig_try(&rig, options, &error))
        fail_msg("%s", error.text);
    return rig;
}

void rig_destroy(struct rig *rig)
{
    pit_gateway_destroy(rig->gateway);
    pit_egress_destroy(rig->egress);
    pit_results_destroy(rig->results);
    fake_network_destroy(rig->fake);
    for (uint32_t i = 0; i < 3; i++)
        free(rig->memory[i]);
    free(rig);
}

void rig_gateway(struct rig *rig)
{
    rig->gateway_agent.do_work(rig->gateway);
}

void rig_egress(struct rig *rig)
{
    rig->egress_agent.do_work(rig->egress);
}

void rig_settle(struct rig *rig)
{
    uint32_t idle = 0;
    for (uint32_t turn = 0; idle < 3; turn++) {
        uint32_t done = rig->gateway_agent.do_work(rig->gateway);
        done += rig->egress_agent.do_work(rig->egress);
        idle = done ? 0 : idle + 1;
        if (turn > 100000)
            fail_msg("the stages do not come to rest");
    }
}

void rig_sleep_ms(struct rig *rig, uint64_t ms)
{
    rig->monotonic_ns += ms * 1000000;
    rig->utc_ns += ms * 1000000;
}

void rig_phase(struct rig *rig, enum pit_phase phase)
{
    pit_sequence_store(&rig->control.phase, phase);
}

void rig_event(struct rig *rig, const struct pit_event *event)
{
    const uint32_t lines = pit_event_lines(event);
    const uint64_t slot = pit_ring_claim(rig->output, lines);
    PIT_CHECK(slot != PIT_SEQUENCE_NONE);
    memcpy(pit_ring_slot(rig->output, slot), event, lines * PIT_EVENT_LINE_BYTES);
    pit_ring_publish_run(rig->output, slot, lines);
}

uint32_t rig_match(struct rig *rig, uint32_t max)
{
    uint32_t ready = pit_ring_poll(&rig->commands, max);
    for (uint32_t i = 0; i < ready; i++) {
        const struct pit_command *command = pit_ring_slot(rig->input, rig->commands.next);
        struct pit_event event = {.sequence = command->sequence,
                                  .time_ns = command->time_ns,
                                  .order_id = command->order_id ? command->order_id : command->sequence,
                                  .client_id = command->client_id,
                                  .price = command->price,
                                  .quantity = command->quantity,
                                  .account = command->account,
                                  .symbol = command->symbol,
                                  .request = command->request,
                                  .side = command->side,
                                  .kind = PIT_EVENT_ACCEPTED,
                                  .flags = PIT_EVENT_LAST | PIT_EVENT_RESTS};
        if (command->kind == PIT_COMMAND_CANCEL) {
            event.kind = PIT_EVENT_CANCELLED;
            event.reason = PIT_REASON_REQUESTED;
            event.flags = PIT_EVENT_LAST;
        } else if (command->kind == PIT_COMMAND_SYMBOL) {
            event.kind = PIT_EVENT_DEFINED;
            event.flags = PIT_EVENT_LAST | PIT_EVENT_WIDE;
            event.definition = command->definition;
        } else if (command->kind == PIT_COMMAND_STATE) {
            event.kind = PIT_EVENT_STATE;
            event.flags = PIT_EVENT_LAST;
        }
        rig_event(rig, &event);
        pit_ring_release(&rig->commands, 1);
    }
    return ready;
}

bool rig_take(struct rig *rig, struct pit_command *command)
{
    if (pit_ring_poll(&rig->commands, 1) == 0)
        return false;
    memcpy(command, pit_ring_slot(rig->input, rig->commands.next), sizeof *command);
    pit_ring_release(&rig->commands, 1);
    return true;
}

int rig_connect(struct rig *rig)
{
    int handle = fake_connect(rig->fake);
    rig_settle(rig);
    struct pit_message challenge = rig_expect(rig, handle, PIT_MESSAGE_CHALLENGE);
    assert_int_equal(challenge.version, PIT_WIRE_VERSION);
    return handle;
}

int rig_logon(struct rig *rig, uint32_t account)
{
    int handle = rig_connect(rig);
    struct pit_message logon = rig_message(PIT_MESSAGE_LOGON);
    logon.account = account;
    fake_send(rig->fake, handle, &logon);
    rig_settle(rig);
    struct pit_message welcome = rig_expect(rig, handle, PIT_MESSAGE_WELCOME);
    assert_int_equal(welcome.account, account);
    assert_int_equal(welcome.symbols, RIG_SYMBOLS);
    for (uint32_t i = 0; i < RIG_SYMBOLS; i++) {
        struct pit_message symbol = rig_expect(rig, handle, PIT_MESSAGE_SYMBOL);
        assert_int_equal(symbol.symbol, i);
        assert_string_equal(symbol.name, rig->symbols[i].name);
    }
    return handle;
}

struct pit_message rig_expect(struct rig *rig, int handle, enum pit_message_kind kind)
{
    struct pit_message message = {0};
    if (!fake_receive(rig->fake, handle, &message))
        fail_msg("nothing came where a message of kind %d was expected", kind);
    if (message.kind != kind)
        fail_msg("a message of kind %d (%s) came where kind %d was expected", message.kind,
                 message.kind == PIT_MESSAGE_BYE ? message.text : "", kind);
    return message;
}

void rig_expect_nothing(struct rig *rig, int handle)
{
    assert_int_equal(fake_unread(rig->fake, handle), 0);
}

void rig_expect_bye(struct rig *rig, int handle, enum pit_reason reason)
{
    struct pit_message bye = rig_expect(rig, handle, PIT_MESSAGE_BYE);
    assert_int_equal(bye.reason, reason);
    rig_expect_nothing(rig, handle);
    assert_true(rig_closed(rig, handle));
}

bool rig_closed(const struct rig *rig, int handle)
{
    return rig->fake->handles[handle].closed;
}

struct pit_message rig_message(enum pit_message_kind kind)
{
    return (struct pit_message){.kind = kind, .version = PIT_WIRE_VERSION, .account = 1, .name = "test"};
}

struct pit_message rig_new(uint32_t request, uint32_t symbol)
{
    return (struct pit_message){.kind = PIT_MESSAGE_NEW,
                                .request = request,
                                .symbol = symbol,
                                .client_id = 1000 + request,
                                .side = PIT_SIDE_SELL,
                                .tif = PIT_TIF_GTC,
                                .flags = PIT_COMMAND_POST_ONLY,
                                .price = 500,
                                .quantity = 7};
}

uint64_t rig_seed(void)
{
    const char *text = getenv("PIT_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL) * 0x9e3779b97f4a7c15u;
    print_message("# PIT_SEED=%llu\n", (unsigned long long)seed);
    return seed ? seed : 1;
}

uint64_t rig_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}
