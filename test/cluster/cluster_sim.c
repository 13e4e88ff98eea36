/* test/cluster/cluster_sim.c - runs seeds of the whole-cluster simulation.
 *
 *   cluster_sim [--from SEED] [--seeds N] [--nodes 3|5] [--twice] [--tell] [--journals] [--without CHECK] [--expect
 * CHECK,...]
 *
 * Without --nodes odd seeds have 3 nodes and even ones 5. --twice runs each seed twice and compares all that happened.
 * --tell prints what happens. --journals keeps logs in real journals, on disks in memory. --without passes over what
 * one check finds. --expect turns the exit status around: it is 0 as soon as a seed violates one of these checks (the
 * word before the colon), and 1 if none does: for builds that lack a guard.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "test/cluster/world.h"

struct totals {
    uint64_t runs, happened, delivered, acknowledged, unknown, crashes, elections, installed, rejoined, reread, handed,
        ahead, trace;
};

static void add(struct totals *totals, const struct world *world)
{
    totals->runs++;
    totals->happened += world->happened;
    totals->delivered += world->delivered;
    totals->acknowledged += world->acknowledged;
    totals->unknown += world->unknown;
    totals->crashes += world->crashes;
    totals->elections += world->elections;
    totals->installed += world->installed;
    totals->rejoined += world->rejoined;
    totals->reread += world->reread;
    totals->handed += world->handed;
    totals->ahead += world->ahead;
    totals->trace = totals->trace * 31 + world->trace;
}

/* True: as it should be. */
static bool run(struct world *world, uint64_t seed, uint32_t nodes, bool twice, struct totals *totals)
{
    world_begin(world, seed, nodes);
    world_live(world);
    uint64_t trace = world->trace;
    add(totals, world);
    world_end(world);
    if (!twice || world->violation[0])
        return world->violation[0] == 0;
    world_begin(world, seed, nodes);
    world_live(world);
    world_end(world);
    if (world->trace != trace)
        world_violation(world, "repeat: a second run went another way");
    return world->violation[0] == 0;
}

static bool expected(const char *list, const char *violation)
{
    const char *check = strstr(violation, "ms: ");
    if (!check)
        return false;
    check += 4;
    size_t bytes = strcspn(check, ":");
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',') {
        if (strcspn(at, ",") == bytes && memcmp(at, check, bytes) == 0)
            return true;
    }
    return false;
}

int main(int count, char **arguments)
{
    uint64_t from = 1, seeds = 200;
    uint32_t nodes = 0;
    bool twice = false;
    const char *expect = NULL;
    static struct world world;
    for (int i = 1; i < count; i++) {
        const char *name = arguments[i], *value = i + 1 < count ? arguments[i + 1] : "";
        if (!strcmp(name, "--from"))
            from = strtoull(value, NULL, 10), i++;
        else if (!strcmp(name, "--seeds"))
            seeds = strtoull(value, NULL, 10), i++;
        else if (!strcmp(name, "--nodes"))
            nodes = (uint32_t)strtoul(value, NULL, 10), i++;
        else if (!strcmp(name, "--expect"))
            expect = value, i++;
        else if (!strcmp(name, "--without"))
            world.passed_over = value, i++;
        else if (!strcmp(name, "--journals"))
            world.journals = true;
        else if (!strcmp(name, "--twice"))
            twice = true;
        else if (!strcmp(name, "--tell"))
            world.telling = true;
        else
            return fprintf(stderr, "cluster_sim: unknown argument %s\n", name), 2;
    }
    if (nodes != 0 && nodes != 3 && nodes != 5)
        return fprintf(stderr, "cluster_sim: a cluster has 3 or 5 nodes, not %u\n", nodes), 2;
    struct totals totals = {0};
    uint64_t failed = 0;
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        if (run(&world, seed, nodes ? nodes : seed % 2 ? 3 : 5, twice, &totals))
            continue;
        printf("seed %lu: %s\n", seed, world.violation);
        failed++;
        if (expect && expected(expect, world.violation)) {
            printf("found after %lu seeds\n", totals.runs);
            break;
        }
        if (!expect && failed == 20)
            break;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%s, seeds %lu to %lu: %lu runs, %lu violations; %lu events, %lu entries done, %lu proposals acknowledged, "
           "%lu unknown, %lu crashes, %lu elections, %lu entries reread, %lu states installed, %lu logs lost, %lu "
           "times handed over, %lu appends committed ahead of the leader's disk; digest "
           "of all of it %016lx; %.1f s\n",
           pit_consensus_engine(), from, from + totals.runs - 1, totals.runs, failed, totals.happened, totals.delivered,
           totals.acknowledged, totals.unknown, totals.crashes, totals.elections, totals.reread, totals.installed,
           totals.rejoined, totals.handed, totals.ahead, totals.trace,
           (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
    world_free(&world);
    if (expect)
        return failed && expected(expect, world.violation) ? 0 : 1;
    return failed ? 1 : 0;
}
