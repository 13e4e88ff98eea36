/* test/stages/test_topology.c - which threads a request becomes, for any machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stages/topology.h"

/* Five stages and the journal's two agents that block; CPUs 0 .. cpus - 1. */
static struct pit_topology_request request_for(enum pit_threads_mode mode, uint32_t cpus)
{
    static const char *const names[] = {"gateway", "journaler",    "matcher-0",   "matcher-1",
                                        "egress",  "journal-disk", "journal-next"};
    struct pit_topology_request request = {.mode = mode, .pin = true};
    for (uint32_t i = 0; i < 7; i++) {
        strcpy(request.agents[i].name, names[i]);
        request.agents[i].blocks = i >= 5;
    }
    request.agents_count = 7;
    CPU_ZERO(&request.cpus);
    for (uint32_t cpu = 0; cpu < cpus; cpu++)
        CPU_SET(cpu, &request.cpus);
    return request;
}

static struct pit_topology plan(const struct pit_topology_request *request)
{
    struct pit_topology topology;
    struct pit_error error = {0};
    if (pit_topology_plan(&topology, request, &error) != 0)
        fail_msg("%s", error.text);
    return topology;
}

static void refused(const struct pit_topology_request *request, const char *words)
{
    struct pit_topology topology;
    struct pit_error error = {0};
    assert_int_equal(pit_topology_plan(&topology, request, &error), -22);
    if (!strstr(error.text, words))
        fail_msg("expected ... %s ..., got %s", words, error.text);
}

/* What holds for every plan: each agent on one thread, blocking ones alone, no two spinners on one CPU. */
static void check_rules(const struct pit_topology *topology, const struct pit_topology_request *request)
{
    uint32_t placed[PIT_AGENTS_MAX] = {0};
    cpu_set_t spun;
    CPU_ZERO(&spun);
    uint32_t spinning = 0;
    for (uint32_t t = 0; t < topology->threads_count; t++) {
        const struct pit_topology_thread *thread = &topology->threads[t];
        cpu_set_t outside;
        CPU_AND(&outside, &thread->cpus, &request->cpus);
        assert_true(CPU_EQUAL(&outside, &thread->cpus));
        assert_true(CPU_COUNT(&thread->cpus) > 0);
        for (uint32_t i = 0; i < thread->agents_count; i++) {
            placed[thread->agents[i]]++;
            if (request->agents[thread->agents[i]].blocks) {
                assert_int_equal(thread->agents_count, 1);
                assert_int_equal(thread->wait, PIT_WAIT_SLEEP);
            }
        }
        if (thread->wait != PIT_WAIT_SPIN)
            continue;
        spinning++;
        if (thread->pinned) {
            CPU_AND(&outside, &thread->cpus, &spun);
            assert_int_equal(CPU_COUNT(&outside), 0);
            CPU_OR(&spun, &spun, &thread->cpus);
        }
    }
    assert_true(spinning <= (uint32_t)CPU_COUNT(&request->cpus));
    for (uint32_t a = 0; a < request->agents_count; a++)
        assert_int_equal(placed[a], 1);
}

static void topology_auto_shares_on_few_cpus(void **state)
{
    (void)state;
    for (uint32_t cpus = 1; cpus <= 5; cpus++) {
        struct pit_topology_request request = request_for(PIT_THREADS_AUTO, cpus);
        struct pit_topology topology = plan(&request);
        check_rules(&topology, &request);
        assert_int_equal(topology.mode, PIT_THREADS_SHARED);
        assert_int_equal(topology.threads_count, 3);
        assert_int_equal(topology.threads[0].agents_count, 5);
        assert_int_equal(topology.threads[0].wait, PIT_WAIT_SLEEP);
        assert_int_equal(topology.notes_count, 1);
    }
}

static void topology_auto_spins_where_every_stage_has_a_cpu_and_one_is_left(void **state)
{
    (void)state;
    for (uint32_t cpus = 6; cpus <= 64; cpus++) {
        struct pit_topology_request request = request_for(PIT_THREADS_AUTO, cpus);
        struct pit_topology topology = plan(&request);
        check_rules(&topology, &request);
        assert_int_equal(topology.mode, PIT_THREADS_DEDICATED);
        assert_int_equal(topology.threads_count, 7);
        assert_int_equal(topology.notes_count, 0);
        for (uint32_t t = 0; t < 5; t++) {
            assert_int_equal(topology.threads[t].wait, PIT_WAIT_SPIN);
            assert_true(topology.threads[t].pinned);
            assert_true(CPU_ISSET(t, &topology.threads[t].cpus));
        }
        /* whoever does not spin keeps off the spinners' CPUs */
        assert_int_equal(CPU_COUNT(&topology.threads[5].cpus), cpus - 5);
    }
}

static void topology_dedicated_sleeps_and_says_so_on_few_cpus(void **state)
{
    (void)state;
    struct pit_topology_request request = request_for(PIT_THREADS_DEDICATED, 2);
    struct pit_topology topology = plan(&request);
    check_rules(&topology, &request);
    assert_int_equal(topology.threads_count, 7);
    for (uint32_t t = 0; t < 7; t++)
        assert_int_equal(topology.threads[t].wait, PIT_WAIT_SLEEP);
    assert_int_equal(topology.notes_count, 1);
}

static void topology_makes_too_many_spinners_sleep(void **state)
{
    (void)state;
    struct pit_topology_request request = request_for(PIT_THREADS_DEDICATED, 4);
    request.wait = PIT_WAIT_SPIN;
    struct pit_topology topology = plan(&request);
    check_rules(&topology, &request);
    assert_int_equal(topology.threads[0].wait, PIT_WAIT_SLEEP);
    assert_non_null(strstr(topology.notes[0], "5 threads would spin on 4 CPUs"));
}

static void topology_shared_spins_only_when_asked(void **state)
{
    (void)state;
    struct pit_topology_request request = request_for(PIT_THREADS_SHARED, 64);
    struct pit_topology topology = plan(&request);
    assert_int_equal(topology.threads[0].wait, PIT_WAIT_SLEEP);
    request.wait = PIT_WAIT_SPIN;
    topology = plan(&request);
    check_rules(&topology, &request);
    assert_int_equal(topology.threads[0].wait, PIT_WAIT_SPIN);
    assert_int_equal(CPU_COUNT(&topology.threads[0].cpus), 1);
}

static void topology_pins_nothing_when_told_so(void **state)
{
    (void)state;
    struct pit_topology_request request = request_for(PIT_THREADS_DEDICATED, 16);
    request.pin = false;
    struct pit_topology topology = plan(&request);
    check_rules(&topology, &request);
    for (uint32_t t = 0; t < 7; t++)
        assert_false(topology.threads[t].pinned);
}

static struct pit_topology_group group_of(const char *name, const char *first, const char *second, int32_t cpu,
                                          enum pit_wait_kind wait)
{
    struct pit_topology_group group = {.cpu = cpu, .wait = wait};
    strcpy(group.name, name);
    strcpy(group.agents[0], first);
    group.agents_count = 1;
    if (second) {
        strcpy(group.agents[1], second);
        group.agents_count = 2;
    }
    return group;
}

static void topology_follows_groups(void **state)
{
    (void)state;
    const struct pit_topology_group groups[] = {
        group_of("io", "gateway", "egress", 3, PIT_WAIT_SPIN),
        group_of("", "journaler", "matcher", PIT_CPU_ANY, PIT_WAIT_YIELD),
        group_of("", "matcher-1", NULL, 1, PIT_WAIT_SPIN),
        group_of("disk", "journal-disk", NULL, 2, PIT_WAIT_CHOOSE),
    };
    struct pit_topology_request request = request_for(PIT_THREADS_GROUPS, 4);
    request.groups = groups;
    request.groups_count = 4;
    request.priority = 10;
    struct pit_topology topology = plan(&request);
    check_rules(&topology, &request);
    assert_int_equal(topology.threads_count, 5);
    assert_string_equal(topology.threads[0].name, "io");
    assert_true(CPU_ISSET(3, &topology.threads[0].cpus));
    assert_string_equal(topology.threads[1].name, "journaler");
    assert_int_equal(topology.threads[1].agents_count, 2); /* "matcher": those not named elsewhere */
    assert_int_equal(topology.threads[1].wait, PIT_WAIT_YIELD);
    assert_false(CPU_ISSET(3, &topology.threads[1].cpus));
    assert_int_equal(topology.threads[2].wait, PIT_WAIT_SPIN);
    assert_int_equal(topology.threads[3].wait, PIT_WAIT_SLEEP);
    assert_int_equal(topology.threads[3].priority, 0);
    assert_int_equal(topology.threads[0].priority, 10);
    assert_int_equal(pit_topology_thread_of(&topology, 3), 2);
    assert_int_equal(pit_topology_thread_of(&topology, 6), 4);
    char text[256];
    assert_string_equal(pit_topology_describe(&topology, &request, 0, text, sizeof text),
                        "io: gateway egress (spins; pinned to CPU 3)");
}

static void topology_refuses_two_spinners_on_one_cpu(void **state)
{
    (void)state;
    struct pit_topology_group groups[] = {
        group_of("a", "gateway", "egress", 1, PIT_WAIT_SPIN),
        group_of("b", "journaler", "matcher", 1, PIT_WAIT_SPIN),
    };
    struct pit_topology_request request = request_for(PIT_THREADS_GROUPS, 4);
    request.groups = groups;
    request.groups_count = 2;
    refused(&request, "'b' would spin on CPU 1, where another thread spins");
    groups[1].wait = PIT_WAIT_SLEEP;
    struct pit_topology topology = plan(&request);
    check_rules(&topology, &request);
}

static void topology_refuses_groups_that_do_not_fit(void **state)
{
    (void)state;
    struct pit_topology_group groups[3] = {
        group_of("a", "gateway", "egress", PIT_CPU_ANY, PIT_WAIT_SLEEP),
        group_of("b", "journaler", "matcher", 9, PIT_WAIT_SLEEP),
        group_of("c", "egress", NULL, PIT_CPU_ANY, PIT_WAIT_SLEEP),
    };
    struct pit_topology_request request = request_for(PIT_THREADS_GROUPS, 4);
    request.groups = groups;
    request.groups_count = 2;
    refused(&request, "wants CPU 9");
    groups[1].cpu = PIT_CPU_ANY;
    plan(&request);
    request.groups_count = 1;
    refused(&request, "'journaler' is in no group");
    request.groups_count = 3;
    refused(&request, "'egress' stands in two groups");
    groups[2] = group_of("c", "publisher", NULL, PIT_CPU_ANY, PIT_WAIT_SLEEP);
    refused(&request, "no stage 'publisher'");
    groups[2] = group_of("c", "journal-disk", "journal-next", PIT_CPU_ANY, PIT_WAIT_SLEEP);
    refused(&request, "waits for the disk");
}

static void topology_refuses_no_cpus(void **state)
{
    (void)state;
    struct pit_topology_request request = request_for(PIT_THREADS_AUTO, 0);
    refused(&request, "none of the configured CPUs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topology_auto_shares_on_few_cpus),
        cmocka_unit_test(topology_auto_spins_where_every_stage_has_a_cpu_and_one_is_left),
        cmocka_unit_test(topology_dedicated_sleeps_and_says_so_on_few_cpus),
        cmocka_unit_test(topology_makes_too_many_spinners_sleep),
        cmocka_unit_test(topology_shared_spins_only_when_asked),
        cmocka_unit_test(topology_pins_nothing_when_told_so),
        cmocka_unit_test(topology_follows_groups),
        cmocka_unit_test(topology_refuses_two_spinners_on_one_cpu),
        cmocka_unit_test(topology_refuses_groups_that_do_not_fit),
        cmocka_unit_test(topology_refuses_no_cpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
