/* test/ring/test_wait.c - the ladder, and bells that never lose a wake-up.
 *
 * Where a wake-up must end a sleep the time limit is ten minutes: a lost one shows as a test that hangs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ring/sequence.h"
#include "ring/wait.h"

#define FOREVER_NS (UINT64_C(600) * 1000000000u)

static _Alignas(PIT_BELL_BYTES) uint8_t bell_memory[2][PIT_BELL_BYTES];

static void spinning_and_yielding_never_sleep(void **state)
{
    (void)state;
    const enum pit_wait_kind kinds[] = {PIT_WAIT_SPIN, PIT_WAIT_YIELD};
    for (int k = 0; k < 2; k++) {
        struct pit_wait wait;
        pit_wait_init(&wait, kinds[k], NULL);
        for (int i = 0; i < 2000; i++) {
            pit_wait_listen(&wait);
            assert_false(pit_wait_would_sleep(&wait));
            assert_false(pit_wait_idle(&wait));
        }
    }
}

static void ladder_goes_down_step_by_step_and_work_resets_it(void **state)
{
    (void)state;
    struct pit_wait wait;
    pit_wait_init(&wait, PIT_WAIT_SLEEP, pit_bell_create(bell_memory[0]));
    wait.spins = 5;
    wait.yields = 7;
    wait.sleep_ns_max = 100000;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 12; i++) {
            assert_false(pit_wait_would_sleep(&wait));
            assert_false(pit_wait_idle(&wait));
        }
        assert_true(pit_wait_would_sleep(&wait));
        assert_true(pit_wait_idle(&wait)); /* nobody rings: the limit ends it */
        assert_true(pit_wait_idle(&wait));
        pit_wait_reset(&wait);
    }
}

static void ring_before_the_sleep_ends_it_at_once(void **state)
{
    (void)state;
    struct pit_bell *bell = pit_bell_create(bell_memory[0]);
    struct pit_wait wait;
    pit_wait_init(&wait, PIT_WAIT_SLEEP, bell);
    wait.spins = 0;
    wait.yields = 0;
    wait.sleep_ns_max = FOREVER_NS;
    pit_wait_listen(&wait);
    pit_bell_ring(bell); /* after listening, while it looks for work */
    assert_true(pit_wait_idle(&wait));
}

struct side {
    struct pit_bell *mine;
    struct pit_bell *other;
    struct pit_sequence *in;
    struct pit_sequence *out;
    uint64_t rounds;
};

static void sleeper_init(struct pit_wait *wait, struct pit_bell *bell)
{
    pit_wait_init(wait, PIT_WAIT_SLEEP, bell);
    wait->spins = 0;
    wait->yields = 0;
    wait->sleep_ns_max = FOREVER_NS;
}

/* Sleeps until in has reached value. */
static void await(struct pit_wait *wait, const struct pit_sequence *in, uint64_t value)
{
    for (;;) {
        pit_wait_listen(wait);
        if (pit_sequence_load(in) >= value)
            return;
        pit_wait_idle(wait);
    }
}

static void *answer_main(void *argument)
{
    struct side *side = argument;
    struct pit_wait wait;
    sleeper_init(&wait, side->mine);
    for (uint64_t round = 1; round <= side->rounds; round++) {
        await(&wait, side->in, round);
        pit_sequence_store(side->out, round);
        pit_bell_ring(side->other);
    }
    return NULL;
}

static void two_sleepers_wake_each_other_every_time(void **state)
{
    (void)state;
    static struct pit_sequence ping;
    static struct pit_sequence pong;
    struct side side = {.in = &ping, .out = &pong, .rounds = 5000};
    side.mine = pit_bell_create(bell_memory[0]);
    side.other = pit_bell_create(bell_memory[1]);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, answer_main, &side), 0);
    struct pit_wait wait;
    sleeper_init(&wait, side.other);
    for (uint64_t round = 1; round <= side.rounds; round++) {
        pit_sequence_store(&ping, round);
        pit_bell_ring(side.mine);
        await(&wait, &pong, round);
    }
    pthread_join(thread, NULL);
    assert_int_equal(pit_sequence_load(&pong), side.rounds);
}

#define RINGERS 3u
#define RINGS 20000u

struct ringer {
    struct pit_bell *bell;
    struct pit_sequence *count;
};

static void *ringer_main(void *argument)
{
    struct ringer *ringer = argument;
    for (uint64_t i = 1; i <= RINGS; i++) {
        pit_sequence_store(ringer->count, i);
        pit_bell_ring(ringer->bell);
    }
    return NULL;
}

static void sleeper_hears_every_one_of_many_ringers(void **state)
{
    (void)state;
    static struct pit_sequence counts[RINGERS];
    struct pit_bell *bell = pit_bell_create(bell_memory[0]);
    struct ringer ringers[RINGERS];
    pthread_t threads[RINGERS];
    for (uint32_t i = 0; i < RINGERS; i++) {
        ringers[i] = (struct ringer){.bell = bell, .count = &counts[i]};
        assert_int_equal(pthread_create(&threads[i], NULL, ringer_main, &ringers[i]), 0);
    }
    struct pit_wait wait;
    sleeper_init(&wait, bell);
    for (uint64_t seen = 0; seen < RINGERS * RINGS;) {
        pit_wait_listen(&wait);
        uint64_t now = 0;
        for (uint32_t i = 0; i < RINGERS; i++)
            now += pit_sequence_load(&counts[i]);
        assert_true(now >= seen);
        if (now == seen)
            pit_wait_idle(&wait);
        seen = now;
    }
    for (uint32_t i = 0; i < RINGERS; i++)
        pthread_join(threads[i], NULL);
}

static void bell_writes_to_its_handle_while_the_owner_dozes_and_only_then(void **state)
{
    (void)state;
    struct pit_bell *bell = pit_bell_create(bell_memory[0]);
    struct pit_wait wait;
    eventfd_t rings;
    int handle = eventfd(0, EFD_NONBLOCK);
    assert_true(handle >= 0);
    pit_bell_attach(bell, handle);
    pit_wait_init(&wait, PIT_WAIT_SLEEP, bell);
    pit_bell_ring(bell);
    assert_int_not_equal(eventfd_read(handle, &rings), 0); /* nobody dozes */
    assert_false(pit_wait_doze(&wait));                    /* it has rung since the owner listened */
    pit_wait_listen(&wait);
    assert_true(pit_wait_doze(&wait));
    pit_bell_ring(bell);
    pit_bell_ring(bell);
    assert_int_equal(eventfd_read(handle, &rings), 0);
    assert_int_equal(rings, 2);
    pit_bell_ring(bell);
    pit_wait_wake(&wait); /* takes what is there */
    assert_int_not_equal(eventfd_read(handle, &rings), 0);
    close(handle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spinning_and_yielding_never_sleep),
        cmocka_unit_test(ladder_goes_down_step_by_step_and_work_resets_it),
        cmocka_unit_test(ring_before_the_sleep_ends_it_at_once),
        cmocka_unit_test(two_sleepers_wake_each_other_every_time),
        cmocka_unit_test(sleeper_hears_every_one_of_many_ringers),
        cmocka_unit_test(bell_writes_to_its_handle_while_the_owner_dozes_and_only_then),
    };
    return cmocka_run_group_tests_name("wait", tests, NULL, NULL);
}
