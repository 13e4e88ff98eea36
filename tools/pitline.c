/* tools/pitline.c - the pitline command: finds the subcommand and hands over. */
#include <argp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tools.h"

struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static const struct subcommand subcommands[] = {
    {"run", pit_tool_run, "run a pipeline (--demo: a demonstration that proves itself)"},
    {"load", pit_tool_load, "send order flow to a running pipeline and report what comes back"},
    {"tail", pit_tool_tail, "show market data as it is published"},
    {"replay", pit_tool_replay, "rebuild the state from a journal, verify it, look at any moment"},
    {"snapshot", pit_tool_snapshot, "write the state down, so that a replay need not begin at the beginning"},
    {"journal", pit_tool_journal, "look at a journal: list, print, verify, compare"},
    {"cluster", pit_tool_cluster, "how a cluster is doing, who leads it, and let another lead"},
    {"halt", pit_tool_halt, "halt trading in a symbol"},
    {"resume", pit_tool_resume, "resume trading in a symbol"},
    {"check", pit_tool_check, "check a configuration"},
    {"bench", pit_tool_bench, "measure on this machine"},
};
#define SUBCOMMANDS (sizeof subcommands / sizeof subcommands[0])

static void print_help(FILE *file)
{
    fprintf(file, "Usage: pitline COMMAND [OPTION...]\n\nThe core of an exchange.\n\n");
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        fprintf(file, "  %-9s %s\n", subcommands[i].name, subcommands[i].summary);
    fprintf(file, "\npitline COMMAND --help tells a command's options; pitline --version the version.\n"
                  "To begin with: pitline run --demo\n");
}

/* How many letters lie between two words (Levenshtein); long words are far from everything. */
static size_t distance(const char *a, const char *b)
{
    size_t row[32];
    size_t width = strlen(b);
    if (width >= sizeof row / sizeof row[0])
        return SIZE_MAX;
    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = change < least ? change : least;
        }
    }
    return row[width];
}

static int unknown(const char *name)
{
    const struct subcommand *nearest = &subcommands[0];
    for (size_t i = 1; i < SUBCOMMANDS; i++)
        if (distance(name, subcommands[i].name) < distance(name, nearest->name))
            nearest = &subcommands[i];
    fprintf(stderr, "pitline: there is no command '%s'", name);
    if (distance(name, nearest->name) <= 2)
        fprintf(stderr, "; did you mean '%s'?", nearest->name);
    fprintf(stderr, "\npitline --help lists them\n");
    return 2;
}

int main(int argc, char **argv)
{
    static char name[64]; /* argp keeps a pointer to it */
    argp_err_exit_status = 2;
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "-?") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("pitline %s\n", PIT_VERSION);
        return 0;
    }
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        if (strcmp(argv[1], subcommands[i].name) != 0)
            continue;
        snprintf(name, sizeof name, "pitline %s", subcommands[i].name);
        argv[1] = name;
        return subcommands[i].run(argc - 1, argv + 1);
    }
    return unknown(argv[1]);
}
