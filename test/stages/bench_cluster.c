/* test/stages/bench_cluster.c - three pipelines that are one cluster, in one process: how many commands a second they
 * agree on, match and answer, and how long one takes.
 *
 *   bench_cluster [COMMANDS [RATE [MODE]]]
 *
 * COMMANDS are made by whoever leads, RATE of them a second (0: as fast as they are taken). MODE of the threads: shared
 * or dedicated. There are no clients: orders come from a function, events go to one. The time is from a command's
 * entering the leader to its last event there. Directories are below TMPDIR.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/stages/three_pipelines.h"

#define LIVE 512u      /* orders in the books at a time */
#define STEP_NS 100000 /* between two looks at how many commands of a rate are due */

struct flow {
    uint64_t left, rate, made, began_ns, now_ns;
    uint64_t client_id;
    bool cancel;
};

static struct flow flow;
static int timers[THREE_NODES + 1]; /* of each node: a timerfd that says when commands of a rate are due */
static struct three_pipelines three;

static uint64_t monotonic_ns(void)
{
    const struct pit_clock *clock = pit_clock_machine();
    return clock->monotonic_ns(clock->context);
}

/* An order, and then the cancel of an older one. */
static bool fill(void *context, struct pit_command *command)
{
    const int *timer = context;
    if (flow.left == 0)
        return false;
    if (flow.began_ns == 0)
        flow.began_ns = flow.now_ns = monotonic_ns();
    if (flow.rate && (double)flow.made > (double)(flow.now_ns - flow.began_ns) * (double)flow.rate / 1e9) {
        uint64_t unread;
        flow.now_ns = monotonic_ns();
        if ((double)flow.made > (double)(flow.now_ns - flow.began_ns) * (double)flow.rate / 1e9)
            return (void)!read(*timer, &unread, sizeof unread), false;
    }
    bool cancel = flow.cancel && flow.client_id > LIVE;
    flow.cancel = !flow.cancel;
    flow.left--;
    flow.made++;
    uint64_t client_id = cancel ? flow.client_id - LIVE : ++flow.client_id;
    uint64_t dice = client_id * UINT64_C(6364136223846793005) >> 33;
    memset((uint8_t *)command + 16, 0, 48);
    command->client_id = client_id;
    command->price = cancel ? 0 : (dice / 2 % 2 ? 101 : 90) + (int64_t)(dice / 4 % 11);
    command->quantity = cancel ? 0 : 1 + dice / 128 % 9;
    command->account = 1;
    command->symbol = (uint32_t)(client_id % THREE_SYMBOLS);
    command->request = (uint32_t)flow.made;
    command->kind = cancel ? PIT_COMMAND_CANCEL : PIT_COMMAND_NEW;
    command->side = cancel ? 0 : (uint8_t)(dice / 2 % 2);
    return true;
}

static int due(void *context)
{
    return *(const int *)context;
}

static uint64_t answered(uint32_t node)
{
    struct pit_pipeline_figures figures;
    pit_pipeline_look(three.pipelines[node], &figures);
    return figures.answered;
}

static void bench(void **state)
{
    (void)state;
    static struct pit_local_ends ends[THREE_NODES + 1];
    const struct timespec step = {.tv_nsec = STEP_NS};
    uint64_t commands = flow.left;
    flow.left = 0;
    for (uint32_t node = 1; node <= THREE_NODES; node++) {
        timers[node] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        assert_true(timers[node] >= 0);
        ends[node] = (struct pit_local_ends){.fill = fill, .handle = due, .context = &timers[node]};
        three.config[node].ends = &ends[node];
        three.config[node].input_slots = three.config[node].output_slots = 65536;
        three.config[node].segment_bytes = 64 << 20;
    }
    three_start_all(&three);
    uint32_t leader = three_leader(&three);
    three_settle(&three);
    struct pit_pipeline_figures before, after;
    pit_pipeline_look(three.pipelines[leader], &before);
    uint64_t enough = answered(leader) + commands, began_ns = monotonic_ns();
    if (flow.rate)
        assert_int_equal(timerfd_settime(timers[leader], 0, &(struct itimerspec){step, step}, NULL), 0);
    __atomic_store_n(&flow.left, commands, __ATOMIC_RELEASE);
    while (answered(leader) < enough)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    uint64_t took_ns = monotonic_ns() - began_ns;
    pit_pipeline_look(three.pipelines[leader], &after);
    struct pit_histogram latency;
    pit_histogram_difference(&latency, &after.latency, &before.latency);
    struct pit_histogram_summary summary = pit_histogram_summarise(&latency);
    uint64_t blocks = after.journal.blocks - before.journal.blocks;
    printf("%llu commands, %s: %.3f M/s; from entering to the last event p50 %.3f ms, p99 %.3f ms; %llu writes\n",
           (unsigned long long)commands, flow.rate ? "at a rate" : "as fast as they are taken",
           (double)commands * 1e3 / (double)took_ns, (double)summary.p50_ns / 1e6, (double)summary.p99_ns / 1e6,
           (unsigned long long)blocks);
    timerfd_settime(timers[leader], 0, &(struct itimerspec){0}, NULL);
    three_settle(&three);
    struct pit_digest first = three_stop(&three, 1);
    for (uint32_t node = 2; node <= THREE_NODES; node++) {
        struct pit_digest other = three_stop(&three, node);
        assert_memory_equal(&other, &first, sizeof first);
    }
}

int main(int count, char **arguments)
{
    flow.left = count > 1 ? strtoull(arguments[1], NULL, 10) : 2000000;
    flow.rate = count > 2 ? strtoull(arguments[2], NULL, 10) : 0;
    three_prepare(&three);
    for (uint32_t node = 1; node <= THREE_NODES && count > 3; node++)
        three.config[node].threads = strcmp(arguments[3], "shared") ? PIT_THREADS_DEDICATED : PIT_THREADS_SHARED;
    const struct CMUnitTest tests[] = {cmocka_unit_test(bench)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    three_remove(&three);
    return failed;
}
