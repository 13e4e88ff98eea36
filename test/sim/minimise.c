/* test/sim/minimise.c - makes a failing plan smaller. See apart.h.
 *
 * A run depends on nothing but its plan, and every fault and action has its own seed; so a plan with some of them left
 * out is a run of the same kind, and whether it fails is found by running it. Ever smaller pieces are left out. */
#include <stdlib.h>
#include <string.h>

#include "apart.h"
#include "ring/check.h"

struct search {
    struct sim_plan *best;
    struct sim_plan *trial;
    struct sim_result *result;
    uint32_t runs, runs_max;
};

/* Is the trial a failure too? Then it is the best from now on. */
static bool fails(struct search *search)
{
    struct sim_result result;
    if (search->runs == search->runs_max)
        return false;
    search->runs++;
    sim_run_apart(search->trial, false, &result);
    if (!result.violation[0])
        return false;
    *search->best = *search->trial;
    *search->result = result;
    return true;
}

static void begin_trial(struct search *search)
{
    *search->trial = *search->best;
}

/* What comes after the failure does not matter. */
static void cut_steps(struct search *search)
{
    begin_trial(search);
    struct sim_plan *trial = search->trial;
    if (search->result->steps < trial->steps)
        trial->steps = search->result->steps ? search->result->steps : 1;
    while (trial->faults_count && trial->faults[trial->faults_count - 1].step > trial->steps)
        trial->faults_count--;
    while (trial->actions_count && trial->actions[trial->actions_count - 1].step > trial->steps)
        trial->actions_count--;
    if (trial->steps < search->best->steps || trial->actions_count < search->best->actions_count ||
        trial->faults_count < search->best->faults_count)
        fails(search);
}

static void remove_faults(struct sim_plan *plan, uint32_t from, uint32_t count)
{
    memmove(&plan->faults[from], &plan->faults[from + count],
            (plan->faults_count - from - count) * sizeof *plan->faults);
    plan->faults_count -= count;
}

static void remove_actions(struct sim_plan *plan, uint32_t from, uint32_t count)
{
    memmove(&plan->actions[from], &plan->actions[from + count],
            (plan->actions_count - from - count) * sizeof *plan->actions);
    plan->actions_count -= count;
}

/* Leaves out pieces of a list: halves, quarters, ..., single ones. */
static void shrink_list(struct search *search, const uint32_t *best_count,
                        void (*remove)(struct sim_plan *plan, uint32_t from, uint32_t count))
{
    for (uint32_t piece = (*best_count + 1) / 2; piece > 0; piece = piece == 1 ? 0 : (piece + 1) / 2) {
        for (uint32_t from = 0; from < *best_count && search->runs < search->runs_max;) {
            uint32_t count = *best_count - from < piece ? *best_count - from : piece;
            begin_trial(search);
            remove(search->trial, from, count);
            if (!fails(search))
                from += count;
        }
    }
}

static void without_client(struct search *search, uint32_t client)
{
    begin_trial(search);
    struct sim_plan *trial = search->trial;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < trial->actions_count; i++)
        if (trial->actions[i].client != client)
            trial->actions[kept++] = trial->actions[i];
    if (kept == trial->actions_count)
        return;
    trial->actions_count = kept;
    fails(search);
}

static void smaller_bursts(struct search *search)
{
    while (search->best->burst_max > 1) {
        begin_trial(search);
        search->trial->burst_max /= 2;
        if (!fails(search))
            break;
    }
}

uint32_t sim_minimise(struct sim_plan *plan, uint32_t runs_max, struct sim_result *result)
{
    struct search search = {
        .best = plan, .trial = malloc(sizeof *search.trial), .result = result, .runs_max = runs_max};
    PIT_CHECK(search.trial);
    uint64_t size_before;
    do {
        size_before = plan->steps + plan->faults_count + plan->actions_count;
        cut_steps(&search);
        shrink_list(&search, &plan->faults_count, remove_faults);
        for (uint32_t client = 0; client < plan->clients; client++)
            without_client(&search, client);
        shrink_list(&search, &plan->actions_count, remove_actions);
        smaller_bursts(&search);
    } while (plan->steps + plan->faults_count + plan->actions_count < size_before && search.runs < runs_max);
    free(search.trial);
    return search.runs;
}
