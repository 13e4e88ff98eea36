/* stages/topology.c - see topology.h. */
#include "stages/topology.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define CPUS_MAX ((int)CPU_SETSIZE)

static void copy_name(char to[PIT_AGENT_NAME_BYTES], const char *from)
{
    size_t length = strnlen(from, PIT_AGENT_NAME_BYTES - 1);
    memcpy(to, from, length);
    to[length] = 0;
}

__attribute__((format(printf, 2, 3))) static void note(struct pit_topology *topology, const char *format, ...)
{
    if (topology->notes_count == sizeof topology->notes / sizeof topology->notes[0])
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(topology->notes[topology->notes_count++], sizeof topology->notes[0], format, arguments);
    va_end(arguments);
}

static uint32_t stages_count(const struct pit_topology_request *request)
{
    uint32_t stages = 0;
    for (uint32_t i = 0; i < request->agents_count; i++)
        stages += !request->agents[i].blocks;
    return stages;
}

static struct pit_topology_thread *add_thread(struct pit_topology *topology, const char *name, bool blocks)
{
    struct pit_topology_thread *thread = &topology->threads[topology->threads_count++];
    copy_name(thread->name, name);
    thread->blocks = blocks;
    return thread;
}

static void add_agent(struct pit_topology_thread *thread, uint32_t agent)
{
    thread->agents[thread->agents_count++] = agent;
}

static void plan_shared(struct pit_topology *topology, const struct pit_topology_request *request)
{
    struct pit_topology_thread *thread = add_thread(topology, "pitline", false);
    for (uint32_t i = 0; i < request->agents_count; i++)
        if (!request->agents[i].blocks)
            add_agent(thread, i);
}

static void plan_dedicated(struct pit_topology *topology, const struct pit_topology_request *request)
{
    for (uint32_t i = 0; i < request->agents_count; i++)
        if (!request->agents[i].blocks)
            add_agent(add_thread(topology, request->agents[i].name, false), i);
}

static bool named_exactly(const struct pit_topology_request *request, const char *agent)
{
    for (uint32_t g = 0; g < request->groups_count; g++)
        for (uint32_t i = 0; i < request->groups[g].agents_count; i++)
            if (strcmp(request->groups[g].agents[i], agent) == 0)
                return true;
    return false;
}

/* True when the name in a group stands for the agent. */
static bool name_matches(const struct pit_topology_request *request, const char *name, const char *agent)
{
    if (strcmp(name, agent) == 0)
        return true;
    return strcmp(name, "matcher") == 0 && strncmp(agent, "matcher-", 8) == 0 && !named_exactly(request, agent);
}

/* Adds to a thread every agent that one name of a group stands for. */
static int add_named(struct pit_topology_thread *thread, const struct pit_topology_request *request, const char *name,
                     bool taken[PIT_AGENTS_MAX], struct pit_error *error)
{
    bool found = strcmp(name, "matcher") == 0; /* fine even when each matcher is named elsewhere */
    for (uint32_t a = 0; a < request->agents_count; a++) {
        if (!name_matches(request, name, request->agents[a].name))
            continue;
        if (taken[a])
            return pit_error_set(error, -EINVAL, "threads: '%s' stands in two groups; name it in one", name);
        taken[a] = true;
        found = true;
        add_agent(thread, a);
        thread->blocks |= request->agents[a].blocks;
    }
    if (found)
        return 0;
    char known[PIT_AGENTS_MAX * (PIT_AGENT_NAME_BYTES + 2)] = "";
    for (uint32_t a = 0; a < request->agents_count; a++) {
        strcat(known, a ? ", " : "");
        strcat(known, request->agents[a].name);
    }
    return pit_error_set(error, -EINVAL, "threads: there is no stage '%s'; there are: %s", name, known);
}

static int plan_groups(struct pit_topology *topology, const struct pit_topology_request *request,
                       struct pit_error *error)
{
    bool taken[PIT_AGENTS_MAX] = {false};
    if (request->groups_count > PIT_THREADS_MAX)
        return pit_error_set(error, -EINVAL, "threads: %u groups; there can be %u", request->groups_count,
                             PIT_THREADS_MAX);
    for (uint32_t g = 0; g < request->groups_count; g++) {
        const struct pit_topology_group *group = &request->groups[g];
        if (group->agents_count == 0)
            return pit_error_set(error, -EINVAL, "threads: group %u has no stages", g + 1);
        struct pit_topology_thread *thread =
            add_thread(topology, group->name[0] ? group->name : group->agents[0], false);
        for (uint32_t i = 0; i < group->agents_count; i++) {
            int code = add_named(thread, request, group->agents[i], taken, error);
            if (code)
                return code;
        }
        if (thread->blocks && thread->agents_count > 1)
            return pit_error_set(error, -EINVAL,
                                 "threads: group '%s' has a stage that waits for the disk; give it a group of its own, "
                                 "or leave it out: it then gets a thread by itself",
                                 thread->name);
        if (thread->agents_count == 0)
            topology->threads_count--; /* "matcher", and every matcher is named elsewhere */
    }
    for (uint32_t a = 0; a < request->agents_count; a++)
        if (!taken[a] && !request->agents[a].blocks)
            return pit_error_set(error, -EINVAL, "threads: stage '%s' is in no group; add it to one",
                                 request->agents[a].name);
    return 0;
}

/* Agents that block and that no group has named get a thread each. */
static void add_blocking(struct pit_topology *topology, const struct pit_topology_request *request)
{
    bool placed[PIT_AGENTS_MAX] = {false};
    for (uint32_t t = 0; t < topology->threads_count; t++)
        for (uint32_t i = 0; i < topology->threads[t].agents_count; i++)
            placed[topology->threads[t].agents[i]] = true;
    for (uint32_t a = 0; a < request->agents_count; a++)
        if (!placed[a])
            add_agent(add_thread(topology, request->agents[a].name, true), a);
}

static void mark_background(struct pit_topology *topology, const struct pit_topology_request *request)
{
    for (uint32_t t = 0; t < topology->threads_count; t++)
        for (uint32_t i = 0; i < topology->threads[t].agents_count; i++)
            topology->threads[t].background |= request->agents[topology->threads[t].agents[i]].background;
}

static const struct pit_topology_group *group_of(const struct pit_topology *topology, uint32_t thread,
                                                 const struct pit_topology_request *request)
{
    if (topology->mode != PIT_THREADS_GROUPS || topology->threads[thread].agents_count == 0)
        return NULL;
    const char *agent = request->agents[topology->threads[thread].agents[0]].name;
    for (uint32_t g = 0; g < request->groups_count; g++)
        for (uint32_t i = 0; i < request->groups[g].agents_count; i++)
            if (name_matches(request, request->groups[g].agents[i], agent))
                return &request->groups[g];
    return NULL;
}

static uint32_t spinners(const struct pit_topology *topology)
{
    uint32_t count = 0;
    for (uint32_t t = 0; t < topology->threads_count; t++)
        count += topology->threads[t].wait == PIT_WAIT_SPIN;
    return count;
}

/* How each thread waits: as its group says, as the request says, or the best the CPUs allow. */
static void choose_waits(struct pit_topology *topology, const struct pit_topology_request *request, uint32_t cpus)
{
    bool room = topology->mode == PIT_THREADS_DEDICATED && stages_count(request) < cpus;
    for (uint32_t t = 0; t < topology->threads_count; t++) {
        struct pit_topology_thread *thread = &topology->threads[t];
        const struct pit_topology_group *group = group_of(topology, t, request);
        thread->wait = room ? PIT_WAIT_SPIN : PIT_WAIT_SLEEP;
        if (thread->blocks)
            thread->wait = PIT_WAIT_SLEEP;
        else if (request->wait != PIT_WAIT_CHOOSE)
            thread->wait = request->wait;
        if (group && group->wait != PIT_WAIT_CHOOSE && !thread->blocks)
            thread->wait = group->wait;
        thread->priority = thread->blocks ? 0 : request->priority;
    }
    uint32_t spinning = spinners(topology);
    if (spinning > cpus) {
        note(topology, "%u threads would spin on %u CPUs: they sleep when idle instead", spinning, cpus);
        for (uint32_t t = 0; t < topology->threads_count; t++)
            if (topology->threads[t].wait == PIT_WAIT_SPIN)
                topology->threads[t].wait = PIT_WAIT_SLEEP;
    } else if (topology->mode == PIT_THREADS_DEDICATED && !room && request->wait == PIT_WAIT_CHOOSE) {
        note(topology, "%u stages on threads of their own and %u CPUs: the threads sleep when idle instead of spinning",
             stages_count(request), cpus);
    }
}

static void pin_thread(struct pit_topology_thread *thread, int cpu)
{
    CPU_ZERO(&thread->cpus);
    CPU_SET((size_t)cpu, &thread->cpus);
    thread->pinned = true;
}

/* Pins what the groups name; refuses what cannot be. */
static int pin_named(struct pit_topology *topology, const struct pit_topology_request *request, cpu_set_t *spun,
                     struct pit_error *error)
{
    for (uint32_t t = 0; t < topology->threads_count; t++) {
        struct pit_topology_thread *thread = &topology->threads[t];
        const struct pit_topology_group *group = group_of(topology, t, request);
        if (!group || group->cpu == PIT_CPU_ANY)
            continue;
        if (group->cpu < 0 || group->cpu >= CPUS_MAX || !CPU_ISSET((size_t)group->cpu, &request->cpus))
            return pit_error_set(error, -EINVAL,
                                 "threads: '%s' wants CPU %d, which this process may not use (see "
                                 "taskset -p, cgroups); choose another",
                                 thread->name, group->cpu);
        pin_thread(thread, group->cpu);
        if (thread->wait != PIT_WAIT_SPIN)
            continue;
        if (CPU_ISSET((size_t)group->cpu, spun))
            return pit_error_set(error, -EINVAL,
                                 "threads: '%s' would spin on CPU %d, where another thread spins; give "
                                 "it another CPU, or let it wait by 'sleep' or 'yield'",
                                 thread->name, group->cpu);
        CPU_SET((size_t)group->cpu, spun);
    }
    return 0;
}

static int free_cpu(const cpu_set_t *allowed, const cpu_set_t *spun)
{
    for (int cpu = 0; cpu < CPUS_MAX; cpu++)
        if (CPU_ISSET((size_t)cpu, allowed) && !CPU_ISSET((size_t)cpu, spun))
            return cpu;
    return PIT_CPU_ANY;
}

/* Gives every spinner a CPU of its own, and keeps the others off those CPUs as long as any are left for them. */
static void pin_rest(struct pit_topology *topology, const struct pit_topology_request *request, cpu_set_t *spun)
{
    for (uint32_t t = 0; t < topology->threads_count && request->pin; t++) {
        struct pit_topology_thread *thread = &topology->threads[t];
        int cpu = free_cpu(&request->cpus, spun);
        if (thread->pinned || thread->wait != PIT_WAIT_SPIN || cpu == PIT_CPU_ANY)
            continue;
        pin_thread(thread, cpu);
        CPU_SET((size_t)cpu, spun);
    }
    cpu_set_t rest = request->cpus;
    for (size_t cpu = 0; cpu < (size_t)CPUS_MAX; cpu++)
        if (CPU_ISSET(cpu, spun))
            CPU_CLR(cpu, &rest);
    if (CPU_COUNT(&rest) == 0)
        rest = request->cpus;
    for (uint32_t t = 0; t < topology->threads_count; t++)
        if (!topology->threads[t].pinned)
            topology->threads[t].cpus = rest;
}

int pit_topology_plan(struct pit_topology *topology, const struct pit_topology_request *request,
                      struct pit_error *error)
{
    memset(topology, 0, sizeof *topology);
    uint32_t cpus = (uint32_t)CPU_COUNT(&request->cpus);
    if (cpus == 0)
        return pit_error_set(error, -EINVAL,
                             "threads: none of the configured CPUs may be used by this process (see "
                             "taskset -p, cgroups)");
    if (request->agents_count == 0 || request->agents_count > PIT_AGENTS_MAX)
        return pit_error_set(error, -EINVAL, "threads: %u stages; there can be 1 to %u", request->agents_count,
                             PIT_AGENTS_MAX);
    topology->mode = request->mode;
    if (request->mode == PIT_THREADS_AUTO)
        topology->mode = stages_count(request) < cpus ? PIT_THREADS_DEDICATED : PIT_THREADS_SHARED;
    int code = 0;
    if (topology->mode == PIT_THREADS_SHARED)
        plan_shared(topology, request);
    else if (topology->mode == PIT_THREADS_DEDICATED)
        plan_dedicated(topology, request);
    else
        code = plan_groups(topology, request, error);
    if (code)
        return code;
    if (request->mode == PIT_THREADS_AUTO && topology->mode == PIT_THREADS_SHARED)
        note(topology, "%u CPUs for %u stages: the stages share one thread", cpus, stages_count(request));
    add_blocking(topology, request);
    mark_background(topology, request);
    choose_waits(topology, request, cpus);
    cpu_set_t spun;
    CPU_ZERO(&spun);
    code = pin_named(topology, request, &spun, error);
    if (code == 0)
        pin_rest(topology, request, &spun);
    return code;
}

uint32_t pit_topology_thread_of(const struct pit_topology *topology, uint32_t agent)
{
    for (uint32_t t = 0; t < topology->threads_count; t++)
        for (uint32_t i = 0; i < topology->threads[t].agents_count; i++)
            if (topology->threads[t].agents[i] == agent)
                return t;
    return UINT32_MAX;
}

const char *pit_threads_mode_name(enum pit_threads_mode mode)
{
    static const char *const names[] = {"auto", "shared", "dedicated", "groups"};
    return (size_t)mode < sizeof names / sizeof names[0] ? names[mode] : "?";
}

const char *pit_wait_kind_name(enum pit_wait_kind wait)
{
    static const char *const names[] = {"choose", "spin", "yield", "sleep"};
    return (size_t)wait < sizeof names / sizeof names[0] ? names[wait] : "?";
}

/* Writes a set of CPUs as "0-3,8". */
static size_t describe_cpus(const cpu_set_t *cpus, char *text, size_t text_bytes)
{
    size_t used = 0;
    for (int cpu = 0; cpu < CPUS_MAX && used < text_bytes; cpu++) {
        if (!CPU_ISSET((size_t)cpu, cpus))
            continue;
        int last = cpu;
        while (last + 1 < CPUS_MAX && CPU_ISSET((size_t)last + 1, cpus))
            last++;
        const char *comma = used ? "," : "";
        int wrote = last == cpu ? snprintf(text + used, text_bytes - used, "%s%d", comma, cpu)
                                : snprintf(text + used, text_bytes - used, "%s%d-%d", comma, cpu, last);
        used += (size_t)wrote;
        cpu = last;
    }
    return used < text_bytes ? used : text_bytes - 1;
}

char *pit_topology_describe(const struct pit_topology *topology, const struct pit_topology_request *request,
                            uint32_t thread, char *text, size_t text_bytes)
{
    const struct pit_topology_thread *one = &topology->threads[thread];
    char cpus[128] = "";
    describe_cpus(&one->cpus, cpus, sizeof cpus);
    size_t used = (size_t)snprintf(text, text_bytes, "%s:", one->name);
    for (uint32_t i = 0; i < one->agents_count && used < text_bytes; i++)
        used += (size_t)snprintf(text + used, text_bytes - used, " %s", request->agents[one->agents[i]].name);
    if (used < text_bytes)
        snprintf(text + used, text_bytes - used, " (%ss; %s %s%s)",
                 one->wait == PIT_WAIT_SPIN ? "spin" : pit_wait_kind_name(one->wait),
                 one->pinned ? "pinned to CPU" : "CPUs", cpus, one->background ? "; gives way to all others" : "");
    return text;
}
