/* tools/bench.c - pitline bench: which measurement, and what they share. */
#include "tools/bench.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "tools/tools.h"

struct part {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static const struct part parts[] = {
    {"book", pit_bench_book, "matching in memory: commands in, events out, one core"},
    {"pipeline", pit_bench_pipeline, "all stages in one process, with a journal"},
    {NULL, NULL, NULL},
};

static int usage(FILE *out, int status)
{
    fprintf(out, "Usage: pitline bench WHAT [OPTION...]\n\n");
    for (const struct part *part = parts; part->name; part++)
        fprintf(out, "  %-10s %s\n", part->name, part->summary);
    fprintf(out, "\npitline bench WHAT --help tells its options.\n");
    return status;
}

int pit_tool_bench(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr, 2);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0)
        return usage(stdout, 0);
    for (const struct part *part = parts; part->name; part++) {
        if (strcmp(part->name, argv[1]) != 0)
            continue;
        char name[64];
        snprintf(name, sizeof name, "pitline bench %s", part->name);
        argv[1] = name;
        return part->run(argc - 1, argv + 1);
    }
    fprintf(stderr, "pitline bench: '%s' is nothing that can be measured\n\n", argv[1]);
    return usage(stderr, 2);
}

/* The processor's name as the kernel has it, or its architecture. */
static void processor_name(char *text, size_t bytes, const struct utsname *system)
{
    snprintf(text, bytes, "%s", system->machine);
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];
    while (file && fgets(line, sizeof line, file)) {
        const char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !value)
            continue;
        snprintf(text, bytes, "%.*s", (int)strcspn(value + 2, "\n"), value + 2);
        break;
    }
    if (file)
        fclose(file);
}

void pit_bench_machine(FILE *out)
{
    struct utsname system;
    if (uname(&system) != 0)
        memset(&system, 0, sizeof system);
    char processor[128];
    processor_name(processor, sizeof processor, &system);
    cpu_set_t cpus;
    const int allowed = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 0;
#ifdef __OPTIMIZE__
    const char *build = "optimised";
#else
    const char *build = "not optimised: figures mean little";
#endif
#ifdef __clang__
    const char *compiler = "clang " __clang_version__;
#else
    const char *compiler = "gcc " __VERSION__;
#endif
    fprintf(out, "machine: %s, %d CPU%s to use, %s %s; %s, %s\n", processor, allowed, allowed == 1 ? "" : "s",
            system.sysname, system.release, compiler, build);
}

uint64_t pit_bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

double pit_bench_median(double *values, uint32_t count)
{
    qsort(values, count, sizeof *values, compare);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}
