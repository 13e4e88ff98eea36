/* test/stages/test_gateway_space.c - what the gateway answers while the disk is full. */
#include "rig.h"

static struct pit_message request_of(enum pit_message_kind kind, uint32_t request)
{
    if (kind == PIT_MESSAGE_NEW)
        return rig_new(request, 0);
    struct pit_message message = {.kind = kind, .request = request};
    if (kind == PIT_MESSAGE_STATE)
        message.state = PIT_STATE_HALTED;
    else
        message.order_id = 77;
    if (kind == PIT_MESSAGE_REDUCE || kind == PIT_MESSAGE_REPLACE)
        message.quantity = 5;
    if (kind == PIT_MESSAGE_REPLACE)
        message.price = 100;
    return message;
}

static const enum pit_message_kind kinds[] = {PIT_MESSAGE_NEW, PIT_MESSAGE_CANCEL, PIT_MESSAGE_REDUCE,
                                              PIT_MESSAGE_REPLACE, PIT_MESSAGE_STATE};
#define KINDS (sizeof kinds / sizeof kinds[0])

static const struct pit_gateway_account operator_account = {.account = 1, .operates = true};

static struct rig *make_rig(uint32_t input_slots)
{
    return rig_create(&(struct rig_options){.input_slots = input_slots,
                                            .accounts = &operator_account,
                                            .accounts_count = 1,
                                            .limits = {.overload_ms = 100}});
}

/* Sends a request of each kind and says which were refused for the full disk: a bit for each. */
static unsigned refused(struct rig *rig, int client)
{
    static uint32_t request = 1;
    unsigned bits = 0;
    for (uint32_t i = 0; i < KINDS; i++, request++) {
        struct pit_message message = request_of(kinds[i], request);
        struct pit_command command;
        fake_send(rig->fake, client, &message);
        rig_settle(rig);
        if (rig_take(rig, &command)) {
            assert_int_equal(command.request, request);
            rig_expect_nothing(rig, client);
            continue;
        }
        struct pit_message answer = rig_expect(rig, client, PIT_MESSAGE_REJECTED);
        assert_int_equal(answer.reason, PIT_REASON_DISK_FULL);
        assert_int_equal(answer.request, request);
        assert_int_equal(answer.rejected_kind, kinds[i]);
        assert_int_equal(answer.sequence, 0);
        bits |= 1u << i;
    }
    return bits;
}

static void gateway_takes_cancels_while_the_rest_of_the_journal_is_kept_for_them(void **state)
{
    (void)state;
    struct rig *rig = make_rig(0);
    int client = rig_logon(rig, 1);
    assert_int_equal(refused(rig, client), 0);
    pit_sequence_store(&rig->intake, PIT_INTAKE_CANCELS);
    assert_int_equal(refused(rig, client), 1u << 0 | 1u << 3); /* NEW and REPLACE */
    assert_int_equal(pit_gateway_counters(rig->gateway)->rejected_disk_full, 2);
    pit_sequence_store(&rig->intake, PIT_INTAKE_NONE);
    assert_int_equal(refused(rig, client), (1u << KINDS) - 1);
    assert_int_equal(pit_gateway_counters(rig->gateway)->rejected_disk_full, 2 + KINDS);
    pit_sequence_store(&rig->intake, PIT_INTAKE_CANCELS);
    assert_int_equal(refused(rig, client), 1u << 0 | 1u << 3);
    pit_sequence_store(&rig->intake, PIT_INTAKE_ALL);
    assert_int_equal(refused(rig, client), 0);
    rig_destroy(rig);
}

/* Nobody has to wait for overload_ms to hear that there is no room, and a ring that is full hinders no answer. */
static void gateway_answers_at_once_though_the_input_ring_is_full(void **state)
{
    (void)state;
    struct rig *rig = make_rig(16);
    int client = rig_logon(rig, 1);
    for (uint32_t i = 1; i <= 20; i++) {
        struct pit_message order = rig_new(i, 0);
        fake_send(rig->fake, client, &order);
    }
    rig_settle(rig);
    rig_expect_nothing(rig, client);
    pit_sequence_store(&rig->intake, PIT_INTAKE_NONE);
    rig_sleep_ms(rig, 1);
    rig_settle(rig);
    for (uint32_t i = 17; i <= 20; i++) {
        struct pit_message answer = rig_expect(rig, client, PIT_MESSAGE_REJECTED);
        assert_int_equal(answer.reason, PIT_REASON_DISK_FULL);
        assert_int_equal(answer.request, i);
    }
    /* What was taken before is answered when there is space again. */
    pit_sequence_store(&rig->intake, PIT_INTAKE_ALL);
    assert_int_equal(rig_match(rig, 100), 16);
    rig_settle(rig);
    for (uint32_t i = 1; i <= 16; i++)
        assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_ACCEPTED).request, i);
    rig_expect_nothing(rig, client);
    rig_destroy(rig);
}

static void gateway_keeps_other_refusals_and_signs_of_life_while_the_disk_is_full(void **state)
{
    (void)state;
    struct rig *rig = make_rig(0);
    int client = rig_logon(rig, 1);
    pit_sequence_store(&rig->intake, PIT_INTAKE_NONE);
    struct pit_message order = rig_new(1, RIG_SYMBOLS);
    fake_send(rig->fake, client, &order);
    struct pit_message beat = {.kind = PIT_MESSAGE_HEARTBEAT, .token = 9};
    fake_send(rig->fake, client, &beat);
    rig_settle(rig);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_REJECTED).reason, PIT_REASON_UNKNOWN_SYMBOL);
    assert_int_equal(rig_expect(rig, client, PIT_MESSAGE_HEARTBEAT).token, 9);
    int late = rig_logon(rig, 1); /* a session can be opened, and takes the account over */
    rig_expect_bye(rig, client, PIT_REASON_REQUESTED);
    rig_phase(rig, PIT_PHASE_DRAIN);
    order = rig_new(2, 0);
    fake_send(rig->fake, late, &order);
    rig_settle(rig);
    assert_int_equal(rig_expect(rig, late, PIT_MESSAGE_REJECTED).reason, PIT_REASON_SHUTTING_DOWN);
    rig_expect_bye(rig, late, PIT_REASON_SHUTTING_DOWN);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gateway_takes_cancels_while_the_rest_of_the_journal_is_kept_for_them),
        cmocka_unit_test(gateway_answers_at_once_though_the_input_ring_is_full),
        cmocka_unit_test(gateway_keeps_other_refusals_and_signs_of_life_while_the_disk_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
