/* test/sim/main.c - the commands pitline-sim, and pitline-sim-mutants for runs with a mutant. See docs/simulation.md.
 */
#include <argp.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "apart.h"
#include "mutant.h"
#include "random.h"

#define MINIMISE_RUNS_MAX 3000u
#define PROGRESS_EVERY 1000u /* seeds */
#define EXIT_VIOLATION 1

struct arguments {
    uint64_t from, to;
    uint64_t steps;
    uint32_t nodes;     /* 0: a single node */
    const char *mutant; /* NULL: none */
    bool all_mutants;
    bool trace;
    bool minimise;
    char **values; /* as given */
};

enum key { KEY_MUTANTS = 256 };

static const struct argp_option options[] = {
    {"seed", 's', "N", 0, "Run this seed, and say what happened", 0},
    {"seeds", 'S', "FROM..TO", 0, "Run all of these; stop at the first that fails", 0},
    {"cluster", 'c', "NODES", 0, "A cluster of 3 or 5 nodes, instead of a single one", 0},
    {"steps", 'n', "N", 0, "How many turns a run has (1 to 1000000), instead of what the seed says", 0},
    {"trace", 't', NULL, 0, "Print everything that happens, with --minimise in the small run", 0},
    {"minimise", 'm', NULL, 0, "When a seed fails, look for a smaller run that fails too", 0},
    {"mutant", 'M', "NAME", 0, "With this bug planted in pitline; 'list' tells which there are", 0},
    {"mutants", KEY_MUTANTS, NULL, 0, "Each mutant must fail within the range of seeds", 0},
    {0},
};

static const char about[] =
    "Runs pitline's own stages in a simulated world, where processes and machines stop, disks fail and clients vanish "
    "as a seed says, and checks that nothing acknowledged is ever lost."
    "\v"
    "Exit status: 0 when the contract held, 1 when it was violated (with --mutants: when one was not caught), 64 when "
    "the arguments make no sense. docs/simulation.md tells more.";

static uint64_t number(struct argp_state *state, const char *text, char **end)
{
    uint64_t value = strtoull(text, end, 10);
    if (*end == text || text[0] == '-')
        argp_error(state, "'%s' is no number", text);
    return value;
}

static void parse_range(struct arguments *arguments, const char *text, struct argp_state *state)
{
    char *end;
    arguments->from = number(state, text, &end);
    if (strncmp(end, "..", 2) != 0)
        argp_error(state, "'%s' is no range of seeds; write FROM..TO, like 1..200", text);
    arguments->to = number(state, end + 2, &end);
    if (*end || arguments->to < arguments->from || arguments->to == UINT64_MAX)
        argp_error(state, "'%s' is no range of seeds; write FROM..TO, like 1..200", text);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    char *end = NULL;
    switch (key) {
    case 's':
        arguments->from = arguments->to = number(state, text, &end);
        break;
    case 'S':
        parse_range(arguments, text, state);
        break;
    case 'n':
        arguments->steps = number(state, text, &end);
        if (arguments->steps < 1 || arguments->steps > SIM_STEPS_MAX)
            argp_error(state, "%s steps; there can be 1 to %u", text, SIM_STEPS_MAX);
        break;
    case 'c':
        arguments->nodes = (uint32_t)number(state, text, &end);
        if (arguments->nodes != 3 && arguments->nodes != PIT_CLUSTER_NODES_MAX)
            argp_error(state, "a cluster of %s nodes; it has 3 or %u", text, PIT_CLUSTER_NODES_MAX);
        break;
    case 't':
        arguments->trace = true;
        break;
    case 'm':
        arguments->minimise = true;
        break;
    case 'M':
        arguments->mutant = text;
        break;
    case KEY_MUTANTS:
        arguments->all_mutants = true;
        break;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one argument too many", text);
        break;
    case ARGP_KEY_END:
        if (arguments->to == 0 && !(arguments->mutant && strcmp(arguments->mutant, "list") == 0))
            argp_error(state, "which seeds? --seed N or --seeds FROM..TO");
        if (arguments->trace && arguments->from != arguments->to)
            argp_error(state, "a trace is of one seed: --seed N --trace");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    if (end && *end)
        argp_error(state, "'%s' is no number", text);
    return 0;
}

/* Runs of the files as they are shipped are this program's, runs with a mutant another's: it lies beside this one. */
static int run_the_other(const struct arguments *arguments)
{
    char path[PATH_MAX + 16];
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
    if (length > 0) {
        strcpy(path + length, "-mutants");
        execv(path, arguments->values);
    }
    fprintf(stderr, "pitline-sim: mutants are in the program pitline-sim-mutants, and it is not beside this one\n");
    return EXIT_VIOLATION;
}

static void add(struct sim_figures *sum, const struct sim_figures *one)
{
    sum->steps += one->steps;
    sum->starts += one->starts;
    sum->refused += one->refused;
    sum->commands += one->commands;
    sum->acknowledged += one->acknowledged;
    sum->faults += one->faults;
    sum->crashes += one->crashes;
    sum->clean_stops += one->clean_stops;
    sum->segments += one->segments;
    sum->elections += one->elections;
    sum->redirects += one->redirects;
    sum->repeats += one->repeats;
    sum->failures += one->failures;
    sum->snapshots += one->snapshots;
    sum->old_segments += one->old_segments;
    sum->transfers += one->transfers;
    sum->installs += one->installs;
    sum->repairs += one->repairs;
    sum->damaged += one->damaged;
}

static void print_figures(const struct sim_figures *figures)
{
    printf("%" PRIu64 " steps, %" PRIu64 " commands (%" PRIu64 " acknowledged), %" PRIu64 " segments; %" PRIu64
           " crashes, %" PRIu64 " clean stops, %" PRIu64 " starts (%" PRIu64 " of them refused), %" PRIu64
           " faults of the disk; %" PRIu64 " snapshots, %" PRIu64 " old segments removed or compressed\n",
           figures->steps, figures->commands, figures->acknowledged, figures->segments, figures->crashes,
           figures->clean_stops, figures->starts, figures->refused, figures->faults, figures->snapshots,
           figures->old_segments);
    if (figures->elections)
        printf("of the clusters: %" PRIu64 " elections, %" PRIu64 " clients sent to another node, %" PRIu64
               " requests answered again, %" PRIu64 " nodes that failed by themselves\n",
               figures->elections, figures->redirects, figures->repeats, figures->failures);
    if (figures->elections)
        printf("of their logs: %" PRIu64 " damaged and put aside; %" PRIu64 " snapshots sent to another node, %" PRIu64
               " installed there, %" PRIu64 " of them after damage or loss\n",
               figures->damaged, figures->transfers, figures->installs, figures->repairs);
}

static void tell_failure(const struct arguments *arguments, struct sim_plan *plan, struct sim_result *result)
{
    printf("seed %" PRIu64 " FAILS at step %" PRIu64 ": %s\n", plan->seed, result->steps, result->violation);
    if (arguments->minimise) {
        uint32_t runs = sim_minimise(plan, MINIMISE_RUNS_MAX, result);
        printf("after %u runs, this is as small as it gets, and it fails at step %" PRIu64 ": %s\n", runs,
               result->steps, result->violation);
        sim_plan_print(plan, stdout);
        if (arguments->trace)
            sim_run_apart(plan, true, result);
        return;
    }
    sim_plan_print(plan, stdout);
    printf("again: pitline-sim --seed %" PRIu64, plan->seed);
    if (plan->nodes)
        printf(" --cluster %u", plan->nodes);
    printf("%s%s --trace    smaller: --minimise\n", arguments->mutant ? " --mutant " : "",
           arguments->mutant ? arguments->mutant : "");
}

/* What has come of a range of seeds so far. */
struct course {
    const struct arguments *arguments;
    struct sim_figures sum;
    struct sim_result last;
    uint64_t hash;   /* of all their hashes */
    uint64_t failed; /* seed; 0: none */
    bool quiet;
};

static bool take(void *context, uint64_t seed, const struct sim_result *result)
{
    struct course *course = context;
    uint64_t done = seed - course->arguments->from + 1;
    course->last = *result;
    if (result->violation[0]) {
        course->failed = seed;
        return false;
    }
    course->hash =
        course->arguments->from == course->arguments->to ? result->hash : sim_mix(course->hash, result->hash);
    add(&course->sum, &result->figures);
    if (!course->quiet && done % PROGRESS_EVERY == 0 && seed != course->arguments->to) {
        printf("%" PRIu64 " seeds clean\n", done);
        fflush(stdout);
    }
    return true;
}

static int run_seeds(const struct arguments *arguments, struct sim_plan *plan)
{
    struct course course = {.arguments = arguments};
    if (arguments->trace && !arguments->minimise) {
        sim_plan_make(plan, arguments->from, arguments->nodes, arguments->steps);
        sim_run_apart(plan, true, &course.last);
        take(&course, arguments->from, &course.last);
    } else {
        sim_run_seeds(arguments->from, arguments->to, arguments->nodes, arguments->steps, take, &course);
    }
    if (course.failed) {
        sim_plan_make(plan, course.failed, arguments->nodes, arguments->steps);
        tell_failure(arguments, plan, &course.last);
        return EXIT_VIOLATION;
    }
    if (arguments->from == arguments->to)
        printf("seed %" PRIu64 " is clean; hash %016" PRIx64 ": ", arguments->from, course.hash);
    else
        printf("seeds %" PRIu64 " to %" PRIu64 " are clean; hash %016" PRIx64 ": ", arguments->from, arguments->to,
               course.hash);
    print_figures(&course.sum);
    return 0;
}

/* Every mutant has to be caught. */
static int hunt(const struct arguments *arguments)
{
    uint32_t missed = 0;
    for (const struct sim_mutant_name *mutant = sim_mutant_names; mutant->name; mutant++) {
        struct course course = {.arguments = arguments, .quiet = true};
        if (!(arguments->nodes ? mutant->cluster : mutant->single))
            continue;
        sim_mutant_choose(mutant->name);
        sim_run_seeds(arguments->from, arguments->to, arguments->nodes, arguments->steps, take, &course);
        if (course.failed)
            printf("%s: caught by seed %" PRIu64 ": %.160s\n", mutant->name, course.failed, course.last.violation);
        else
            printf("%s: NOT CAUGHT by seeds %" PRIu64 " to %" PRIu64 " (%s)\n", mutant->name, arguments->from,
                   arguments->to, mutant->what);
        fflush(stdout);
        missed += course.failed == 0;
    }
    return missed ? EXIT_VIOLATION : 0;
}

static int list_mutants(void)
{
    for (const struct sim_mutant_name *mutant = sim_mutant_names; mutant->name; mutant++)
        printf("%-30s %s%s\n", mutant->name, mutant->what, mutant->single ? "" : " (in a cluster)");
    return 0;
}

int main(int count, char **values)
{
    struct arguments arguments = {.values = values};
    struct argp argp = {.options = options, .parser = parse, .doc = about};
    argp_parse(&argp, count, values, 0, NULL, &arguments);
    if ((arguments.mutant || arguments.all_mutants) && !sim_mutant_names[0].name)
        return run_the_other(&arguments);
    if (arguments.mutant && strcmp(arguments.mutant, "list") == 0)
        return list_mutants();
    if (!sim_mutant_choose(arguments.mutant)) {
        fprintf(stderr, "pitline-sim: there is no mutant '%s'; --mutant list tells which there are\n",
                arguments.mutant);
        return EX_USAGE;
    }
    /* The same large blocks are asked for again and again: not from the kernel each time. */
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    struct sim_plan *plan = malloc(sizeof *plan);
    if (!plan)
        return EXIT_VIOLATION;
    int code = arguments.all_mutants ? hunt(&arguments) : run_seeds(&arguments, plan);
    free(plan);
    return code;
}
