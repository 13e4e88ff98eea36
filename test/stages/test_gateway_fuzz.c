/* test/stages/test_gateway_fuzz.c - hostile clients: whatever they send, nothing falls over, no command that makes no
 * sense enters the input ring, and an honest client beside them gets all its answers.
 */
#include "rig.h"

#include <string.h>

#define HOSTILE 6u
#define ROUNDS 3000u
#define CHUNK_BYTES 600u
#define HONEST 3141592653u /* an account that no mutation hits upon */

static const struct pit_gateway_account accounts[] = {{.account = 1, .operates = true}};

static struct pit_message random_message(uint64_t *random)
{
    static const enum pit_message_kind kinds[] = {
        PIT_MESSAGE_LOGON,  PIT_MESSAGE_NEW,     PIT_MESSAGE_NEW,   PIT_MESSAGE_NEW,       PIT_MESSAGE_CANCEL,
        PIT_MESSAGE_REDUCE, PIT_MESSAGE_REPLACE, PIT_MESSAGE_STATE, PIT_MESSAGE_HEARTBEAT, PIT_MESSAGE_LOGOUT};
    uint64_t a = rig_random(random), b = rig_random(random);
    return (struct pit_message){.kind = kinds[a % 10],
                                .version = PIT_WIRE_VERSION,
                                .account = 1 + (uint32_t)(a >> 8) % 4,
                                .name = "fuzz",
                                .request = (uint32_t)(a >> 16),
                                .symbol = (uint32_t)(a >> 20) % (RIG_SYMBOLS + 1),
                                .order_id = b >> (b % 64),
                                .client_id = a >> (b % 63),
                                .side = (enum pit_side)(a >> 40 & 1),
                                .tif = (enum pit_tif)((a >> 41) % 3),
                                .flags = a >> 44 & 3,
                                .price = (int64_t)(b >> 3) >> (a % 60),
                                .quantity = (b >> 2) >> (a % 60),
                                .token = b};
}

/* A burst: whole messages, of which some get a few bytes changed, cut out or put in. */
static void attack(struct rig *rig, int client, uint64_t *random)
{
    uint8_t bytes[CHUNK_BYTES + 2 * PIT_WIRE_FRAME_BYTES_MAX];
    size_t count = 0;
    if (rig_random(random) % 8 == 0) {
        for (; count < 64; count++)
            bytes[count] = (uint8_t)(rig_random(random) >> 30);
    }
    while (count < CHUNK_BYTES) {
        struct pit_message message = random_message(random);
        size_t size = pit_message_encode(&message, bytes + count, PIT_WIRE_FRAME_BYTES_MAX);
        assert_true(size > 0);
        if (rig_random(random) % 16 == 0)
            bytes[count + rig_random(random) % size] = (uint8_t)(rig_random(random) >> 20);
        if (rig_random(random) % 64 == 0)
            size -= rig_random(random) % size;
        count += size;
    }
    fake_write(rig->fake, client, bytes, count);
    if (rig_random(random) % 32 == 0)
        fake_finish(rig->fake, client);
}

static void check_command(const struct pit_command *command)
{
    assert_int_not_equal(command->account, 0); /* without keys any other may log on */
    assert_true(command->symbol < RIG_SYMBOLS);
    assert_true(command->kind >= PIT_COMMAND_NEW && command->kind <= PIT_COMMAND_STATE);
    assert_int_not_equal(command->kind, PIT_COMMAND_SYMBOL);
    assert_true(command->side <= PIT_SIDE_SELL && command->tif <= PIT_TIF_FOK);
    assert_true(command->price >= PIT_PRICE_MIN && command->price <= PIT_PRICE_MAX);
    assert_true(command->quantity <= PIT_QUANTITY_MAX);
    uint8_t flags = command->kind == PIT_COMMAND_NEW       ? PIT_COMMAND_MARKET | PIT_COMMAND_POST_ONLY
                    : command->kind == PIT_COMMAND_REPLACE ? PIT_COMMAND_POST_ONLY
                                                           : 0;
    assert_int_equal(command->flags & ~flags, 0);
    if (command->kind != PIT_COMMAND_NEW) {
        assert_int_equal(command->side, 0);
        assert_int_equal(command->tif, 0);
    } else {
        assert_int_equal(command->order_id, 0);
    }
    if (command->kind == PIT_COMMAND_STATE) {
        assert_int_equal(command->account, 1);
        assert_true(command->quantity <= PIT_STATE_HALTED);
        assert_int_equal(command->order_id | command->client_id, 0);
    }
    if (command->kind == PIT_COMMAND_CANCEL)
        assert_int_equal(command->quantity, 0);
    if (command->kind == PIT_COMMAND_CANCEL || command->kind == PIT_COMMAND_REDUCE ||
        command->kind == PIT_COMMAND_STATE || (command->flags & PIT_COMMAND_MARKET))
        assert_int_equal(command->price, 0);
}

/* Looks at every command before the matcher answers it. */
static void match_checked(struct rig *rig, uint32_t max)
{
    uint32_t ready = pit_ring_poll(&rig->commands, max);
    for (uint32_t i = 0; i < ready; i++)
        check_command(pit_ring_slot(rig->input, rig->commands.next + i));
    rig_match(rig, ready);
}

static void clear(struct rig *rig, int client)
{
    struct fake_pipe *pipe = &rig->fake->handles[client].to_client;
    pipe->read = pipe->write;
}

static void gateway_stands_hostile_clients(void **state)
{
    (void)state;
    uint64_t random = rig_seed();
    for (uint32_t run = 0; run < 12; run++) {
        struct rig *rig = rig_create(&(struct rig_options){.input_slots = 64,
                                                           .session_slots = 16u << run % 3,
                                                           .outbox_bytes = 16384,
                                                           .close_ms = 50,
                                                           .accounts = accounts,
                                                           .accounts_count = 1,
                                                           .limits = {.sessions_max = HOSTILE,
                                                                      .receive_bytes = 4096,
                                                                      .turn_messages = 16,
                                                                      .requests_max = 100,
                                                                      .rate_max = run % 4 == 1 ? 2000 : 0,
                                                                      .heartbeat_ms = run % 4 == 2 ? 40 : 0,
                                                                      .logon_ms = 30}});
        int honest = rig_logon(rig, HONEST), hostile[HOSTILE] = {0};
        uint32_t asked = 0, answered = 0;
        for (uint32_t round = 0; round < ROUNDS / 12; round++) {
            for (uint32_t i = 0; i < HOSTILE; i++) {
                if (hostile[i] && rig_closed(rig, hostile[i]))
                    hostile[i] = 0;
                if (!hostile[i] && rig->fake->next < FAKE_HANDLES - 1) {
                    hostile[i] = fake_connect(rig->fake);
                    struct pit_message logon = rig_message(PIT_MESSAGE_LOGON);
                    logon.account = 1 + (uint32_t)(rig_random(&random) >> 10) % 4;
                    if (rig_random(&random) % 8)
                        fake_send(rig->fake, hostile[i], &logon);
                }
                if (!hostile[i])
                    continue;
                rig->fake->handles[hostile[i]].takes = rig_random(&random) % 4 ? SIZE_MAX : rig_random(&random) % 3000;
                if (rig_random(&random) % 64 == 0)
                    rig->fake->handles[hostile[i]].broken = true;
                if (!rig->fake->handles[hostile[i]].finished)
                    attack(rig, hostile[i], &random);
                clear(rig, hostile[i]);
            }
            struct pit_message order = rig_new(asked + 1, asked % RIG_SYMBOLS);
            asked++;
            fake_send(rig->fake, honest, &order);
            for (uint32_t turn = (uint32_t)rig_random(&random) % 6; turn > 0; turn--) {
                rig_gateway(rig);
                if (rig_random(&random) % 2)
                    rig_egress(rig);
            }
            match_checked(rig, 64);
            rig_sleep_ms(rig, rig_random(&random) % 4);
        }
        for (uint32_t i = 0; i < 200; i++) {
            rig_gateway(rig);
            match_checked(rig, 64);
            rig_egress(rig);
        }
        struct pit_message report;
        while (fake_receive(rig->fake, honest, &report)) {
            if (report.kind == PIT_MESSAGE_HEARTBEAT)
                continue;
            assert_true(report.kind == PIT_MESSAGE_ACCEPTED || report.kind == PIT_MESSAGE_REJECTED);
            assert_int_equal(report.request, ++answered);
        }
        assert_int_equal(answered, asked);
        rig_phase(rig, PIT_PHASE_DRAIN);
        for (uint32_t i = 0; i < 400 && !pit_gateway_drained(rig->gateway); i++) {
            rig_gateway(rig);
            match_checked(rig, 64);
            rig_egress(rig);
            rig_sleep_ms(rig, 1);
        }
        assert_true(pit_gateway_drained(rig->gateway));
        assert_int_equal(pit_egress_counters(rig->egress)->sessions, 0);
        assert_int_equal(pit_egress_counters(rig->egress)->backlog_bytes, 0);
        rig_destroy(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gateway_stands_hostile_clients)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
