/* stages/runner.c - see runner.h. */
#include "stages/runner.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ring/check.h"

/* The first sleep in a park is short and each further one without work twice as long: what other threads finish (a
 * block on disk) cannot end a park, and is expected soon after the last work or not at all. */
#define PARK_NS_MIN 50000u
#define PARK_NS_MAX 10000000u
#define TIMER_SLACK_NS 1000u /* the kernel's own is 50 us, as long as a disk write */
#define POLL_NS 200000u      /* the controller's, while threads start and end */
#define NOTES_MAX 3u
#define WAKING_SPINS 4u /* idle turns before a thread sleeps that is woken well */

enum thread_state { THREAD_STARTING = 0, THREAD_READY = 1, THREAD_FAILED = 2, THREAD_ENDED = 3 };
enum go { GO_WAIT = 0, GO_RUN = 1, GO_BACK = 2 };

struct placed {
    struct pit_agent agent;
    uint32_t thread;
    struct pit_bell *bells[PIT_THREADS_MAX]; /* to ring after work */
    uint32_t bells_count;
};

struct relief {
    struct pit_runner *runner;
    uint32_t agents[PIT_AGENTS_MAX]; /* on the same thread */
    uint32_t agents_count;
    struct pit_bell *bells[PIT_THREADS_MAX]; /* of the other threads */
    uint32_t bells_count;
    bool spins;
};

struct thread {
    _Alignas(PIT_SEQUENCE_BYTES) struct pit_runner_counters counters;
    struct pit_sequence state; /* enum thread_state, written by the thread */
    struct pit_runner *runner;
    const struct pit_topology_thread *plan;
    struct pit_bell *bell;
    int wake; /* eventfd that the bell writes to while the thread is parked; -1 = none */
    pthread_t handle;
    bool started;
    bool joined;
    struct pit_error error; /* with THREAD_FAILED */
    char notes[NOTES_MAX][192];
    uint32_t notes_count;
};

struct pit_runner {
    struct pit_topology topology;
    const struct pit_control *control;
    struct pit_sequence go; /* enum go, written by the controller */
    struct thread threads[PIT_THREADS_MAX];
    struct placed agents[PIT_AGENTS_MAX];
    struct relief reliefs[PIT_AGENTS_MAX];
    _Alignas(PIT_BELL_BYTES) uint8_t bells[PIT_THREADS_MAX][PIT_BELL_BYTES];
};

static void count(uint64_t *counter)
{
    pit_word_store_relaxed(counter, pit_word_load_relaxed(counter) + 1);
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
}

int pit_runner_create(struct pit_runner **created, const struct pit_topology *topology,
                      const struct pit_control *control, struct pit_error *error)
{
    struct pit_runner *runner = aligned_alloc(PIT_SEQUENCE_BYTES, sizeof *runner);
    if (!runner)
        return pit_error_set(error, -ENOMEM, "no memory for the runner");
    memset(runner, 0, sizeof *runner);
    runner->topology = *topology;
    runner->control = control;
    for (uint32_t t = 0; t < topology->threads_count; t++) {
        struct thread *thread = &runner->threads[t];
        thread->runner = runner;
        thread->plan = &runner->topology.threads[t];
        thread->bell = pit_bell_create(runner->bells[t]);
        thread->wake = -1;
        for (uint32_t i = 0; i < thread->plan->agents_count; i++)
            runner->agents[thread->plan->agents[i]].thread = t;
    }
    *created = runner;
    return 0;
}

struct pit_bell *pit_runner_bell(struct pit_runner *runner, uint32_t agent)
{
    return runner->threads[runner->agents[agent].thread].bell;
}

void pit_runner_place(struct pit_runner *runner, uint32_t agent, const struct pit_agent *what)
{
    runner->agents[agent].agent = *what;
}

const struct pit_agent *pit_runner_agent(const struct pit_runner *runner, uint32_t agent)
{
    return &runner->agents[agent].agent;
}

static void add_bell(struct pit_bell **bells, uint32_t *bells_count, struct pit_bell *bell)
{
    for (uint32_t i = 0; i < *bells_count; i++)
        if (bells[i] == bell)
            return;
    bells[(*bells_count)++] = bell;
}

/* True when somebody has to wake the thread of reader for the sake of the thread of agent. */
static bool needs_bell(const struct pit_runner *runner, uint32_t agent, uint32_t reader)
{
    uint32_t thread = runner->agents[reader].thread;
    return thread != runner->agents[agent].thread && runner->topology.threads[thread].wait == PIT_WAIT_SLEEP;
}

void pit_runner_feeds(struct pit_runner *runner, uint32_t agent, uint32_t reader)
{
    struct placed *from = &runner->agents[agent];
    if (needs_bell(runner, agent, reader))
        add_bell(from->bells, &from->bells_count, pit_runner_bell(runner, reader));
}

/* One turn of waiting for readers: they work, here or on their own threads. */
static void relieve(void *context)
{
    struct relief *relief = context;
    uint32_t worked = 0;
    for (uint32_t i = 0; i < relief->agents_count; i++) {
        const struct pit_agent *agent = &relief->runner->agents[relief->agents[i]].agent;
        worked += agent->do_work(agent->state);
    }
    for (uint32_t i = 0; i < relief->bells_count; i++)
        pit_bell_ring(relief->bells[i]);
    if (worked)
        return;
    if (relief->spins)
        pit_spin_pause();
    else
        sched_yield();
}

struct pit_relief pit_runner_relief(struct pit_runner *runner, uint32_t agent, const uint32_t *readers,
                                    uint32_t readers_count)
{
    struct relief *relief = &runner->reliefs[agent];
    uint32_t thread = runner->agents[agent].thread;
    *relief = (struct relief){.runner = runner, .spins = runner->topology.threads[thread].wait == PIT_WAIT_SPIN};
    for (uint32_t i = 0; i < readers_count; i++) {
        if (runner->agents[readers[i]].thread == thread)
            relief->agents[relief->agents_count++] = readers[i];
        else if (needs_bell(runner, agent, readers[i]))
            add_bell(relief->bells, &relief->bells_count, pit_runner_bell(runner, readers[i]));
    }
    return (struct pit_relief){.relieve = relieve, .context = relief};
}

__attribute__((format(printf, 2, 3))) static void note(struct thread *thread, const char *format, ...)
{
    PIT_CHECK(thread->notes_count < NOTES_MAX);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(thread->notes[thread->notes_count++], sizeof thread->notes[0], format, arguments);
    va_end(arguments);
}

/* The calling thread gets a CPU, and the disk, when nobody else wants them. Asking for less is never refused. */
static void give_way(void)
{
    const struct sched_param parameters = {.sched_priority = 0};
    pthread_setschedparam(pthread_self(), SCHED_IDLE, &parameters);
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

/* Name, CPUs, scheduler: what the machine refuses is noted, and the thread does without. */
static void dress(struct thread *thread)
{
    const struct pit_topology_thread *plan = thread->plan;
    pthread_setname_np(pthread_self(), plan->name);
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
    int refused = pthread_setaffinity_np(pthread_self(), sizeof plan->cpus, &plan->cpus);
    if (plan->background)
        give_way();
    if (refused && plan->pinned)
        note(thread, "no pinning: thread '%s' was refused its CPU (%s)", plan->name, strerror(refused));
    if (plan->priority == 0)
        return;
    struct sched_param parameters = {.sched_priority = plan->priority};
    refused = pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters);
    if (refused)
        note(thread,
             "no SCHED_FIFO: thread '%s' runs under the ordinary scheduler (%s; it takes CAP_SYS_NICE or "
             "LimitRTPRIO)",
             plan->name, strerror(refused));
}

/* Calls every agent once. Returns how much they did. */
static uint32_t turn(struct thread *thread)
{
    uint32_t worked = 0;
    for (uint32_t i = 0; i < thread->plan->agents_count; i++) {
        struct placed *placed = &thread->runner->agents[thread->plan->agents[i]];
        uint32_t did = placed->agent.do_work(placed->agent.state);
        for (uint32_t b = 0; did && b < placed->bells_count; b++)
            pit_bell_ring(placed->bells[b]);
        worked += did;
    }
    return worked;
}

static const struct pit_agent *parking_agent(const struct thread *thread)
{
    for (uint32_t i = 0; i < thread->plan->agents_count; i++) {
        const struct pit_agent *agent = &thread->runner->agents[thread->plan->agents[i]].agent;
        if (agent->park)
            return agent;
    }
    return NULL;
}

static bool wakes(const struct thread *thread)
{
    for (uint32_t i = 0; i < thread->plan->agents_count; i++)
        if (thread->runner->agents[thread->plan->agents[i]].agent.wakes)
            return true;
    return false;
}

/* Sleeps in an agent's park. */
static void park(struct thread *thread, const struct pit_agent *parking, struct pit_wait *wait, uint64_t park_ns)
{
    count(&thread->counters.sleeps);
    if (thread->wake < 0) {
        parking->park(parking->state, park_ns);
    } else if (pit_wait_doze(wait)) {
        parking->park(parking->state, PARK_NS_MAX);
        pit_wait_wake(wait);
    }
}

static void work(struct thread *thread)
{
    const struct pit_agent *parking = parking_agent(thread);
    uint64_t park_ns = PARK_NS_MIN;
    struct pit_wait wait;
    pit_wait_init(&wait, thread->plan->wait, thread->bell);
    if (wakes(thread)) {
        wait.spins = WAKING_SPINS;
        wait.yields = 0;
    }
    while (pit_control_phase(thread->runner->control) != PIT_PHASE_STOP) {
        pit_wait_listen(&wait);
        count(&thread->counters.turns);
        if (turn(thread)) {
            count(&thread->counters.turns_worked);
            pit_wait_reset(&wait);
            park_ns = PARK_NS_MIN;
        } else if (parking && pit_wait_would_sleep(&wait)) {
            park(thread, parking, &wait, park_ns);
            park_ns = park_ns * 2 > PARK_NS_MAX ? PARK_NS_MAX : park_ns * 2;
        } else if (pit_wait_idle(&wait)) {
            count(&thread->counters.sleeps);
        }
    }
}

/* Runs the inits; returns how many succeeded. */
static uint32_t init_agents(struct thread *thread)
{
    for (uint32_t i = 0; i < thread->plan->agents_count; i++) {
        const struct pit_agent *agent = &thread->runner->agents[thread->plan->agents[i]].agent;
        if (agent->init && agent->init(agent->state, &thread->error) != 0)
            return i;
    }
    return thread->plan->agents_count;
}

/* Where an agent wants to be woken: whatever the thread sleeps on is what all its agents would sleep on, and the bell.
 * What the machine refuses, it does without. */
static void prepare_wake(struct thread *thread)
{
    const struct pit_agent *parking = parking_agent(thread);
    if (!wakes(thread) || !parking || !parking->watch || thread->plan->wait != PIT_WAIT_SLEEP)
        return;
    thread->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (thread->wake < 0 || parking->watch(parking->state, thread->wake) < 0) {
        note(thread, "thread '%s' cannot be woken out of its sleep by others: it looks for itself", thread->plan->name);
        if (thread->wake >= 0)
            close(thread->wake);
        thread->wake = -1;
        return;
    }
    for (uint32_t i = 0; i < thread->plan->agents_count; i++) {
        const struct pit_agent *agent = &thread->runner->agents[thread->plan->agents[i]].agent;
        if (agent != parking && agent->handle)
            parking->watch(parking->state, agent->handle(agent->state));
    }
    pit_bell_attach(thread->bell, thread->wake);
}

static void *thread_main(void *argument)
{
    struct thread *thread = argument;
    dress(thread);
    uint32_t ready = init_agents(thread);
    bool all = ready == thread->plan->agents_count;
    if (all)
        prepare_wake(thread);
    pit_sequence_store(&thread->state, all ? THREAD_READY : THREAD_FAILED);
    uint64_t go;
    while ((go = pit_sequence_load(&thread->runner->go)) == GO_WAIT)
        nap();
    if (go == GO_RUN)
        work(thread);
    while (ready-- > 0) {
        const struct pit_agent *agent = &thread->runner->agents[thread->plan->agents[ready]].agent;
        if (agent->close)
            agent->close(agent->state);
    }
    pit_sequence_store(&thread->state, THREAD_ENDED);
    return NULL;
}

static int start_threads(struct pit_runner *runner, struct pit_error *error)
{
    for (uint32_t t = 0; t < runner->topology.threads_count; t++) {
        struct thread *thread = &runner->threads[t];
        int code = pthread_create(&thread->handle, NULL, thread_main, thread);
        if (code)
            return pit_error_set(error, -code, "cannot start thread '%s': %s", thread->plan->name, strerror(code));
        thread->started = true;
    }
    return 0;
}

/* Waits for every init; returns the first error. */
static int await_ready(struct pit_runner *runner, struct pit_error *error)
{
    int code = 0;
    for (uint32_t t = 0; t < runner->topology.threads_count; t++) {
        struct thread *thread = &runner->threads[t];
        while (pit_sequence_load(&thread->state) == THREAD_STARTING)
            nap();
        if (pit_sequence_load(&thread->state) == THREAD_FAILED && code == 0) {
            code = thread->error.code ? thread->error.code : -EIO;
            if (error)
                *error = thread->error;
        }
    }
    return code;
}

int pit_runner_start(struct pit_runner *runner, const struct pit_notes *notes, struct pit_error *error)
{
    int code = start_threads(runner, error);
    if (code == 0)
        code = await_ready(runner, error);
    for (uint32_t t = 0; t < runner->topology.threads_count && code == 0 && notes && notes->say; t++)
        for (uint32_t i = 0; i < runner->threads[t].notes_count; i++)
            notes->say(notes->context, runner->threads[t].notes[i]);
    pit_sequence_store(&runner->go, code == 0 ? GO_RUN : GO_BACK);
    for (uint32_t t = 0; t < runner->topology.threads_count && code; t++) {
        if (!runner->threads[t].started)
            continue;
        pthread_join(runner->threads[t].handle, NULL);
        runner->threads[t].joined = true;
    }
    return code;
}

static bool thread_left(const struct thread *thread)
{
    return !thread->started || thread->joined || pit_sequence_load(&thread->state) == THREAD_ENDED;
}

int pit_runner_join(struct pit_runner *runner, uint32_t timeout_ms, struct pit_error *error)
{
    uint64_t naps = (uint64_t)timeout_ms * 1000000u / POLL_NS + 1;
    for (uint32_t t = 0; t < runner->topology.threads_count; t++) {
        struct thread *thread = &runner->threads[t];
        pit_bell_ring(thread->bell);
        for (; naps > 0 && !thread_left(thread); naps--)
            nap();
        if (!thread_left(thread))
            return pit_error_set(error, -ETIMEDOUT, "thread '%s' does not come back from the kernel",
                                 thread->plan->name);
        if (thread->started && !thread->joined)
            pthread_join(thread->handle, NULL);
        thread->joined = true;
    }
    return 0;
}

const struct pit_runner_counters *pit_runner_counters(const struct pit_runner *runner, uint32_t thread)
{
    return &runner->threads[thread].counters;
}

void pit_runner_destroy(struct pit_runner *runner)
{
    for (uint32_t t = 0; runner && t < runner->topology.threads_count; t++)
        if (runner->threads[t].wake >= 0)
            close(runner->threads[t].wake);
    free(runner);
}
