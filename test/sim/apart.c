/* test/sim/apart.c - see apart.h. */
#include "apart.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster.h"
#include "ring/check.h"

static void run_plan(const struct sim_plan *plan, bool print, struct sim_result *result)
{
    if (plan->nodes)
        cluster_run(plan, print, result);
    else
        sim_run(plan, print, result);
}

/* A process that runs plans, and the end of the pipe on which it says what came of them. */
struct child {
    pid_t pid;
    int from;
};

static void say_result(int to, const struct sim_result *result)
{
    fflush(stdout);
    PIT_CHECK(write(to, result, sizeof *result) == (ssize_t)sizeof *result);
}

/* 0 in the child, which writes to *to. */
static pid_t begin(struct child *child, int *to)
{
    int ends[2];
    fflush(stdout);
    PIT_CHECK(pipe(ends) == 0);
    child->pid = fork();
    PIT_CHECK(child->pid >= 0);
    close(ends[child->pid == 0 ? 0 : 1]);
    child->from = ends[0];
    *to = ends[1];
    return child->pid;
}

/* The next result; false when the child is no more. */
static bool hear(const struct child *child, struct sim_result *result)
{
    memset(result, 0, sizeof *result);
    size_t have = 0;
    for (ssize_t got = 1; have < sizeof *result && got != 0;) {
        got = read(child->from, (char *)result + have, sizeof *result - have);
        PIT_CHECK(got >= 0 || errno == EINTR);
        have += got > 0 ? (size_t)got : 0;
    }
    return have == sizeof *result;
}

/* Returns how it ended, as waitpid says. */
static int end(const struct child *child)
{
    int status = 0;
    close(child->from);
    while (waitpid(child->pid, &status, 0) < 0)
        PIT_CHECK(errno == EINTR);
    return status;
}

/* The result of a run that the child did not come back from. */
static void tell_death(int status, struct sim_result *result)
{
    memset(result, 0, sizeof *result);
    result->steps = SIM_STEPS_MAX; /* nobody knows */
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(result->violation, sizeof result->violation, "it hangs: no end after %u seconds", SIM_SECONDS_MAX);
    else if (WIFSIGNALED(status))
        snprintf(result->violation, sizeof result->violation, "a check of pitline's own fails, or it breaks: %s",
                 strsignal(WTERMSIG(status)));
    else
        snprintf(result->violation, sizeof result->violation, "it breaks: exit status %d", WEXITSTATUS(status));
}

void sim_run_apart(const struct sim_plan *plan, bool print, struct sim_result *result)
{
    struct child child;
    int to;
    if (begin(&child, &to) == 0) {
        alarm(SIM_SECONDS_MAX);
        run_plan(plan, print, result);
        say_result(to, result);
        _exit(0);
    }
    bool heard = hear(&child, result);
    int status = end(&child);
    if (!heard || status != 0)
        tell_death(status, result);
}

static void run_seeds_here(uint64_t from, uint64_t to, uint32_t nodes, uint64_t steps, int tell)
{
    struct sim_plan *plan = malloc(sizeof *plan);
    struct sim_result result;
    PIT_CHECK(plan);
    for (uint64_t seed = from; seed <= to; seed++) {
        alarm(SIM_SECONDS_MAX);
        sim_plan_make(plan, seed, nodes, steps);
        run_plan(plan, false, &result);
        say_result(tell, &result);
        if (result.violation[0])
            break;
    }
    free(plan);
    exit(0); /* not _exit: a sanitizer looks for leaks */
}

void sim_run_seeds(uint64_t from, uint64_t to, uint32_t nodes, uint64_t steps,
                   bool (*each)(void *context, uint64_t seed, const struct sim_result *result), void *context)
{
    struct child child;
    struct sim_result result;
    int tell;
    if (begin(&child, &tell) == 0)
        run_seeds_here(from, to, nodes, steps, tell);
    uint64_t seed = from;
    bool goes_on = true;
    for (; seed <= to && goes_on && hear(&child, &result); seed++)
        goes_on = each(context, seed, &result) && !result.violation[0];
    int status = end(&child);
    if (status == 0 || (seed > to && !goes_on))
        return;
    tell_death(status, &result);
    each(context, seed > to ? to : seed, &result);
}
