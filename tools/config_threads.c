/* tools/config_threads.c - the threads of a configuration. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/config_parts.h"

static const struct pit_config_word waits[] = {
    {"auto", 0}, {"spin", PIT_WAIT_SPIN}, {"yield", PIT_WAIT_YIELD}, {"sleep", PIT_WAIT_SLEEP}, {NULL, 0}};

static int copy_name(const struct pit_config_build *build, const char *path, const char *said,
                     char name[PIT_AGENT_NAME_BYTES])
{
    if (strlen(said) >= PIT_AGENT_NAME_BYTES)
        return pit_config_fault(build->file, path, -EINVAL, build->error, "'%s' is longer than %u characters", said,
                                PIT_AGENT_NAME_BYTES - 1);
    strcpy(name, said);
    return 0;
}

static int read_group(const struct pit_config_build *build, uint32_t number, struct pit_topology_group *group)
{
    const struct pit_config_group *text = &build->text->threads.groups[number];
    char path[96];
    snprintf(path, sizeof path, "threads.groups[%u].name", number);
    int code = copy_name(build, path, text->name ? text->name : "", group->name);
    snprintf(path, sizeof path, "threads.groups[%u].stages", number);
    if (code == 0 && (text->stages_count == 0 || text->stages_count > PIT_AGENTS_MAX))
        code = pit_config_fault(build->file, path, -EINVAL, build->error, "a group has 1 to %u stages", PIT_AGENTS_MAX);
    for (uint32_t i = 0; i < text->stages_count && code == 0; i++) {
        snprintf(path, sizeof path, "threads.groups[%u].stages[%u]", number, i);
        code = copy_name(build, path, text->stages[i], group->agents[i]);
        group->agents_count++;
    }
    int wait = 0;
    snprintf(path, sizeof path, "threads.groups[%u].wait", number);
    if (code == 0)
        code = pit_config_choice(build, path, text->wait, waits, &wait);
    group->wait = (enum pit_wait_kind)wait;
    group->cpu = text->cpu ? *text->cpu : PIT_CPU_ANY;
    snprintf(path, sizeof path, "threads.groups[%u].cpu", number);
    if (code == 0 && text->cpu && (*text->cpu < 0 || *text->cpu >= (int32_t)CPU_SETSIZE))
        code = pit_config_fault(build->file, path, -EINVAL, build->error, "there is no CPU %d", *text->cpu);
    return code;
}

static int read_groups(struct pit_config_build *build)
{
    uint32_t count = build->text->threads.groups_count;
    struct pit_pipeline_config *pipeline = &build->config->pipeline;
    bool wanted = pipeline->threads == PIT_THREADS_GROUPS;
    if (wanted != (count > 0))
        return pit_config_fault(build->file, wanted ? "threads.mode" : "threads.groups", -EINVAL, build->error,
                                wanted ? "mode 'groups' needs groups" : "groups are for mode 'groups'");
    if (count == 0)
        return 0;
    if (count > PIT_THREADS_MAX)
        return pit_config_fault(build->file, "threads.groups", -EINVAL, build->error, "%u groups; there can be %u",
                                count, PIT_THREADS_MAX);
    build->config->groups = calloc(count, sizeof *build->config->groups);
    if (!build->config->groups)
        return pit_error_set(build->error, -ENOMEM, "no memory for the configuration");
    for (uint32_t i = 0; i < count; i++) {
        int code = read_group(build, i, &build->config->groups[i]);
        if (code)
            return code;
    }
    pipeline->groups = build->config->groups;
    pipeline->groups_count = count;
    return 0;
}

static int read_cpus(struct pit_config_build *build)
{
    const struct pit_config_threads *threads = &build->text->threads;
    for (uint32_t i = 0; i < threads->cpus_count; i++) {
        char path[64];
        snprintf(path, sizeof path, "threads.cpus[%u]", i);
        if (threads->cpus[i] >= CPU_SETSIZE)
            return pit_config_fault(build->file, path, -EINVAL, build->error, "there is no CPU %u", threads->cpus[i]);
        CPU_SET(threads->cpus[i], &build->config->pipeline.cpus);
    }
    return 0;
}

/* Asks for the plan that the pipeline will make, to find what it would refuse. */
static int try_plan(struct pit_config_build *build)
{
    struct pit_topology topology;
    struct pit_error why = {0};
    int code = pit_pipeline_topology(&build->config->pipeline, &topology, &why);
    const char *text = strncmp(why.text, "threads: ", 9) == 0 ? why.text + 9 : why.text; /* the place says it already */
    return code == 0 ? 0 : pit_config_fault(build->file, "threads", code, build->error, "%.700s", text);
}

int pit_config_threads(struct pit_config_build *build)
{
    static const struct pit_config_word modes[] = {{"auto", PIT_THREADS_AUTO},
                                                   {"shared", PIT_THREADS_SHARED},
                                                   {"dedicated", PIT_THREADS_DEDICATED},
                                                   {"groups", PIT_THREADS_GROUPS},
                                                   {NULL, 0}};
    const struct pit_config_threads *threads = &build->text->threads;
    struct pit_pipeline_config *pipeline = &build->config->pipeline;
    int mode = 0, wait = 0;
    uint32_t priority = 0;
    int code = pit_config_choice(build, "threads.mode", threads->mode, modes, &mode);
    if (code == 0)
        code = pit_config_choice(build, "threads.wait", threads->wait, waits, &wait);
    if (code == 0)
        code = pit_config_number32(build, "threads.priority", threads->priority, 0, 0, 99, &priority);
    if (code)
        return code;
    pipeline->threads = (enum pit_threads_mode)mode;
    pipeline->wait = (enum pit_wait_kind)wait;
    pipeline->priority = (int)priority;
    pipeline->pin = !threads->pin || *threads->pin;
    code = read_cpus(build);
    if (code == 0)
        code = read_groups(build);
    return code ? code : try_plan(build);
}
