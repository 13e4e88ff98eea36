/* tools/journal.c - pitline journal: which look at a journal, and what they share. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/journal_tools.h"
#include "tools/tools.h"

struct part {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static const struct part parts[] = {
    {"ls", pit_journal_tool_ls, "its segments: sequences, times, bytes, state"},
    {"cat", pit_journal_tool_cat, "its commands, each as a line of JSON"},
    {"verify", pit_journal_tool_verify, "read all of it, and say where it is damaged"},
    {"diff", pit_journal_tool_diff, "the first command in which two journals differ"},
    {NULL, NULL, NULL},
};

static int usage(FILE *out, int status)
{
    fprintf(out, "Usage: pitline journal WHAT [OPTION...] DIR\n\n");
    for (const struct part *part = parts; part->name; part++)
        fprintf(out, "  %-8s %s\n", part->name, part->summary);
    fprintf(out, "\npitline journal WHAT --help tells its options. The journal is only read, and may be in use.\n");
    return status;
}

int pit_tool_journal(int argc, char **argv)
{
    static char name[64]; /* argp keeps a pointer to it */
    if (argc < 2)
        return usage(stderr, 2);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0)
        return usage(stdout, 0);
    for (const struct part *part = parts; part->name; part++) {
        if (strcmp(part->name, argv[1]) != 0)
            continue;
        snprintf(name, sizeof name, "pitline journal %s", part->name);
        argv[1] = name;
        argp_err_exit_status = 2;
        return part->run(argc - 1, argv + 1);
    }
    fprintf(stderr, "pitline journal: '%s' is nothing that can be done with one\n\n", argv[1]);
    return usage(stderr, 2);
}

char *pit_journal_time(char text[PIT_JOURNAL_TIME_BYTES], uint64_t time_ns)
{
    time_t seconds = (time_t)(time_ns / 1000000000u);
    struct tm parts_of_it;
    if (!gmtime_r(&seconds, &parts_of_it))
        memset(&parts_of_it, 0, sizeof parts_of_it);
    size_t at = strftime(text, PIT_JOURNAL_TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &parts_of_it);
    snprintf(text + at, PIT_JOURNAL_TIME_BYTES - at, ".%09uZ", (unsigned)(time_ns % 1000000000u));
    return text;
}

void pit_journal_tool_ignore_pipe(void)
{
    struct sigaction action = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &action, NULL);
}

int pit_journal_tool_flush(const char *tool, int broken)
{
    errno = 0;
    if (fflush(stdout) != 0 && !broken)
        broken = errno;
    if (!broken && ferror(stdout))
        broken = EIO;
    if (broken && broken != EPIPE)
        fprintf(stderr, "%s: cannot write: %s\n", tool, strerror(broken));
    return -broken;
}
