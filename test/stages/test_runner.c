/* test/stages/test_runner.c - threads start, take turns, wake each other, and end. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "stages/runner.h"

/* An agent that counts what happens to it, and passes on to the next what the one before it did. */
struct counter {
    const uint64_t *upstream; /* words; NULL: makes its own work, up to target */
    uint64_t target;
    uint64_t done; /* word, written by the agent's thread */
    uint64_t inits, closes, turns_before_init, parks;
    char thread[PIT_AGENT_NAME_BYTES];
    int init_code;
};

static int counter_init(void *state, struct pit_error *error)
{
    struct counter *counter = state;
    counter->inits++;
    pthread_getname_np(pthread_self(), counter->thread, sizeof counter->thread);
    return counter->init_code ? pit_error_set(error, counter->init_code, "this one does not start") : 0;
}

static uint32_t counter_work(void *state)
{
    struct counter *counter = state;
    counter->turns_before_init += counter->inits == 0;
    uint64_t available = counter->upstream ? pit_word_load_acquire(counter->upstream) : counter->target;
    uint64_t done = pit_word_load_relaxed(&counter->done);
    if (done == available)
        return 0;
    pit_word_store_release(&counter->done, done + 1);
    return 1;
}

static void counter_close(void *state)
{
    ((struct counter *)state)->closes++;
}

static void counter_park(void *state, uint64_t timeout_ns)
{
    ((struct counter *)state)->parks++;
    nanosleep(&(struct timespec){.tv_nsec = (long)timeout_ns}, NULL);
}

struct rig {
    struct pit_control control;
    struct pit_topology_request request;
    struct pit_topology topology;
    struct pit_runner *runner;
    struct counter counters[4];
};

static void rig_make(struct rig *rig, enum pit_threads_mode mode, enum pit_wait_kind wait)
{
    static const char *const names[] = {"first", "second", "third", "fourth"};
    struct pit_error error = {0};
    memset(rig, 0, sizeof *rig);
    pit_sequence_store(&rig->control.phase, PIT_PHASE_RUN);
    rig->request.mode = mode;
    rig->request.wait = wait;
    rig->request.agents_count = 4;
    assert_int_equal(sched_getaffinity(0, sizeof rig->request.cpus, &rig->request.cpus), 0);
    for (uint32_t i = 0; i < 4; i++)
        strcpy(rig->request.agents[i].name, names[i]);
    rig->request.agents[3].blocks = true;
    if (pit_topology_plan(&rig->topology, &rig->request, &error) != 0 ||
        pit_runner_create(&rig->runner, &rig->topology, &rig->control, &error) != 0)
        fail_msg("%s", error.text);
    for (uint32_t i = 0; i < 4; i++) {
        rig->counters[i].target = 10000;
        rig->counters[i].upstream = i ? &rig->counters[i - 1].done : NULL;
        struct pit_agent agent = {.name = names[i],
                                  .state = &rig->counters[i],
                                  .init = counter_init,
                                  .do_work = counter_work,
                                  .close = counter_close};
        pit_runner_place(rig->runner, i, &agent);
        if (i > 0)
            pit_runner_feeds(rig->runner, i - 1, i);
    }
}

static void rig_run_to_the_end(struct rig *rig)
{
    struct pit_error error = {0};
    if (pit_runner_start(rig->runner, NULL, &error) != 0)
        fail_msg("%s", error.text);
    while (pit_word_load_acquire(&rig->counters[3].done) < 10000)
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    pit_sequence_store(&rig->control.phase, PIT_PHASE_STOP);
    assert_int_equal(pit_runner_join(rig->runner, 60000, &error), 0);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(rig->counters[i].inits, 1);
        assert_int_equal(rig->counters[i].closes, 1);
        assert_int_equal(rig->counters[i].turns_before_init, 0);
        assert_int_equal(rig->counters[i].done, 10000);
    }
    pit_runner_destroy(rig->runner);
}

static void runner_takes_turns_on_one_thread(void **state)
{
    (void)state;
    struct rig rig;
    rig_make(&rig, PIT_THREADS_SHARED, PIT_WAIT_SLEEP);
    rig_run_to_the_end(&rig);
    assert_string_equal(rig.counters[0].thread, "pitline");
    assert_string_equal(rig.counters[2].thread, "pitline");
    assert_string_equal(rig.counters[3].thread, "fourth");
}

static void runner_wakes_sleeping_threads(void **state)
{
    (void)state;
    struct rig rig;
    rig_make(&rig, PIT_THREADS_DEDICATED, PIT_WAIT_SLEEP);
    rig_run_to_the_end(&rig);
    assert_string_equal(rig.counters[0].thread, "first");
    assert_string_equal(rig.counters[1].thread, "second");
}

static void runner_runs_yielding_threads(void **state)
{
    (void)state;
    struct rig rig;
    rig_make(&rig, PIT_THREADS_DEDICATED, PIT_WAIT_YIELD);
    rig_run_to_the_end(&rig);
}

static void runner_start_fails_with_the_first_init_that_fails_and_leaves_no_thread(void **state)
{
    (void)state;
    struct rig rig;
    struct pit_error error = {0};
    rig_make(&rig, PIT_THREADS_DEDICATED, PIT_WAIT_SLEEP);
    rig.counters[2].init_code = -5;
    assert_int_equal(pit_runner_start(rig.runner, NULL, &error), -5);
    assert_string_equal(error.text, "this one does not start");
    assert_int_equal(pit_runner_join(rig.runner, 1000, &error), 0);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(rig.counters[i].done, 0);
        assert_int_equal(rig.counters[i].closes, i != 2); /* only what was opened is closed */
    }
    pit_runner_destroy(rig.runner);
}

static void runner_parks_an_idle_thread_in_its_agent(void **state)
{
    (void)state;
    struct rig rig;
    struct pit_error error = {0};
    rig_make(&rig, PIT_THREADS_SHARED, PIT_WAIT_SLEEP);
    struct pit_agent agent = {.name = "first",
                              .state = &rig.counters[0],
                              .init = counter_init,
                              .do_work = counter_work,
                              .park = counter_park};
    rig.counters[0].target = 0;
    pit_runner_place(rig.runner, 0, &agent);
    assert_int_equal(pit_runner_start(rig.runner, NULL, &error), 0);
    while (pit_word_load_relaxed(&pit_runner_counters(rig.runner, 0)->sleeps) < 3)
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    pit_sequence_store(&rig.control.phase, PIT_PHASE_STOP);
    assert_int_equal(pit_runner_join(rig.runner, 60000, &error), 0);
    assert_true(rig.counters[0].parks >= 3);
    pit_runner_destroy(rig.runner);
}

static void runner_relief_runs_readers_of_the_same_thread_only(void **state)
{
    (void)state;
    struct rig rig;
    rig_make(&rig, PIT_THREADS_SHARED, PIT_WAIT_SLEEP);
    const uint32_t readers[] = {1, 3}; /* second shares the thread, fourth does not */
    struct pit_relief relief = pit_runner_relief(rig.runner, 0, readers, 2);
    rig.counters[0].done = 5;
    rig.counters[2].done = 5;
    for (uint32_t i = 0; i < 10; i++)
        relief.relieve(relief.context);
    assert_int_equal(rig.counters[1].done, 5);
    assert_int_equal(rig.counters[3].done, 0);
    pit_runner_destroy(rig.runner);
}

static void say(void *context, const char *line)
{
    if (strstr(line, "no SCHED_FIFO"))
        (*(uint32_t *)context)++;
}

static void runner_says_what_the_machine_refused_and_runs_all_the_same(void **state)
{
    (void)state;
    struct rig rig;
    struct pit_error error = {0};
    uint32_t told = 0;
    rig_make(&rig, PIT_THREADS_SHARED, PIT_WAIT_SLEEP);
    pit_runner_destroy(rig.runner);
    rig.topology.threads[0].priority = 1000; /* no machine grants that */
    assert_int_equal(pit_runner_create(&rig.runner, &rig.topology, &rig.control, &error), 0);
    for (uint32_t i = 0; i < 4; i++) {
        struct pit_agent agent = {.name = "any", .state = &rig.counters[i], .do_work = counter_work};
        pit_runner_place(rig.runner, i, &agent);
    }
    struct pit_notes notes = {.say = say, .context = &told};
    assert_int_equal(pit_runner_start(rig.runner, &notes, &error), 0);
    assert_int_equal(told, 1);
    pit_sequence_store(&rig.control.phase, PIT_PHASE_STOP);
    assert_int_equal(pit_runner_join(rig.runner, 60000, &error), 0);
    pit_runner_destroy(rig.runner);
}

/* Two agents on threads of their own that hand a number to each other and sleep, without end, on handles between. */
struct dozer {
    struct dozer *other;
    uint64_t number; /* word */
    int handles[4];
    uint32_t handles_count;
};

#define HANDS 2000u

static uint32_t dozer_work(void *state)
{
    struct dozer *dozer = state;
    uint64_t own = pit_word_load_relaxed(&dozer->number), other = pit_word_load_acquire(&dozer->other->number);
    if (own >= HANDS || other < own)
        return 0;
    pit_word_store_release(&dozer->number, other + 1);
    return 1;
}

static void dozer_park(void *state, uint64_t timeout_ns)
{
    const struct dozer *dozer = state;
    struct pollfd handles[4] = {0};
    (void)timeout_ns; /* who is not woken sleeps for ever */
    for (uint32_t i = 0; i < dozer->handles_count; i++)
        handles[i] = (struct pollfd){.fd = dozer->handles[i], .events = POLLIN};
    poll(handles, dozer->handles_count, -1);
}

static int dozer_watch(void *state, int handle)
{
    struct dozer *dozer = state;
    dozer->handles[dozer->handles_count++] = handle;
    return 0;
}

static void runner_wakes_a_thread_that_sleeps_on_handles(void **state)
{
    (void)state;
    struct pit_control control;
    struct pit_topology_request request = {.mode = PIT_THREADS_DEDICATED, .wait = PIT_WAIT_SLEEP, .agents_count = 2};
    struct pit_topology topology;
    struct pit_runner *runner = NULL;
    struct pit_error error = {0};
    struct dozer dozers[2] = {{.other = &dozers[1]}, {.other = &dozers[0]}};
    pit_sequence_store(&control.phase, PIT_PHASE_RUN);
    assert_int_equal(sched_getaffinity(0, sizeof request.cpus, &request.cpus), 0);
    strcpy(request.agents[0].name, "one");
    strcpy(request.agents[1].name, "two");
    assert_int_equal(pit_topology_plan(&topology, &request, &error), 0);
    assert_int_equal(pit_runner_create(&runner, &topology, &control, &error), 0);
    for (uint32_t i = 0; i < 2; i++) {
        struct pit_agent agent = {.name = request.agents[i].name,
                                  .state = &dozers[i],
                                  .do_work = dozer_work,
                                  .park = dozer_park,
                                  .watch = dozer_watch,
                                  .wakes = true};
        pit_runner_place(runner, i, &agent);
        pit_runner_feeds(runner, i, 1 - i);
    }
    assert_int_equal(pit_runner_start(runner, NULL, &error), 0);
    while (pit_word_load_acquire(&dozers[0].number) < HANDS || pit_word_load_acquire(&dozers[1].number) < HANDS)
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    assert_int_equal(dozers[0].handles_count, 1);
    pit_sequence_store(&control.phase, PIT_PHASE_STOP);
    assert_int_equal(pit_runner_join(runner, 60000, &error), 0);
    pit_runner_destroy(runner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runner_takes_turns_on_one_thread),
        cmocka_unit_test(runner_wakes_sleeping_threads),
        cmocka_unit_test(runner_runs_yielding_threads),
        cmocka_unit_test(runner_start_fails_with_the_first_init_that_fails_and_leaves_no_thread),
        cmocka_unit_test(runner_parks_an_idle_thread_in_its_agent),
        cmocka_unit_test(runner_wakes_a_thread_that_sleeps_on_handles),
        cmocka_unit_test(runner_relief_runs_readers_of_the_same_thread_only),
        cmocka_unit_test(runner_says_what_the_machine_refused_and_runs_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
