/* tools/check.c - pitline check: is a configuration right? */
#include <argp.h>
#include <string.h>

#include "tools/config.h"
#include "tools/tools.h"

static const struct argp_option options[] = {
    {"config", 'c', "FILE", 0, "The configuration to look at", 0},
    {0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    const char **path = state->input;
    switch (key) {
    case 'c':
    case ARGP_KEY_ARG:
        if (*path)
            argp_error(state, "one configuration at a time");
        *path = text;
        return 0;
    case ARGP_KEY_END:
        if (!*path)
            argp_error(state, "which configuration? Give -c FILE");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[FILE]",
    .doc = "Says whether a configuration is right, or what is wrong in which line and column.\v"
           "Exit status: 0 = it is right, 2 = it is not.",
};

static bool listens_on(const struct pit_pipeline_config *pipeline, const char *address)
{
    for (uint32_t i = 0; i < pipeline->addresses_count; i++)
        if (strcmp(pipeline->addresses[i], address) == 0)
            return true;
    return false;
}

static void print_cluster(const struct pit_config *config, const char *name)
{
    const struct pit_cluster_config *cluster = &config->cluster;
    printf("  node %u of %u of the cluster %s, id ", cluster->node, cluster->nodes, name);
    for (size_t i = 0; i < sizeof cluster->id; i++)
        printf("%02x", cluster->id[i]);
    printf("; an election after %u ms without a heartbeat, one each %u ms\n", cluster->election_ms,
           cluster->heartbeat_ms);
    for (uint32_t node = 1; node <= cluster->nodes; node++)
        printf("    %u%s nodes %s, clients %s\n", node, node == cluster->node ? " (this one)" : "",
               cluster->of[node].address, cluster->of[node].clients);
    const char *clients = cluster->of[cluster->node].clients;
    if (!listens_on(&config->pipeline, clients))
        printf("  note: clients are told to come to %s, which is not among the addresses it listens on: something has "
               "to lead them here\n",
               clients);
    if (config->pipeline.sync == PIT_JOURNAL_SYNC_NEVER)
        printf("  note: with sync: never a node that loses power forgets what it has acknowledged to the others\n");
}

static void print_summary(const char *path, const struct pit_config *config, const struct pit_config_text *text)
{
    const struct pit_pipeline_config *pipeline = &config->pipeline;
    struct pit_topology topology;
    printf("%s: OK\n", path);
    printf("  name %s, data %s\n", pipeline->name, pipeline->directory);
    printf("  listens on");
    for (uint32_t i = 0; i < pipeline->addresses_count; i++)
        printf(" %s", pipeline->addresses[i]);
    printf("; %u accounts%s\n", pipeline->accounts_count,
           pipeline->accounts_count > 0 && pipeline->accounts[0].key_bytes > 0 ? " with keys" : ", no keys");
    char rings[PIT_PIPELINE_RINGS_BYTES];
    printf("  rings %s\n", pit_pipeline_describe_rings(pipeline, rings));
    if (config->cluster.nodes > 0)
        print_cluster(config, text->cluster.name);
    const struct pit_snapshots_plan *snapshots = &pipeline->snapshots;
    if (snapshots->every || snapshots->seconds) {
        printf("  snapshots");
        if (snapshots->every)
            printf(" each %llu commands", (unsigned long long)snapshots->every);
        if (snapshots->seconds)
            printf("%s each %llu s", snapshots->every ? ", and" : "", (unsigned long long)snapshots->seconds);
        static const char *const old[] = {"stay", "are compressed", "are removed"};
        printf("; the newest %u stay, segments before them %s\n", snapshots->keep, old[snapshots->old_segments]);
    } else {
        printf("  no snapshots: a start replays the journal from the last that pitline snapshot wrote, or the whole\n");
    }
    printf("  %u symbols on %u matchers:", pipeline->symbols_count, pipeline->matchers);
    for (uint32_t i = 0; i < pipeline->symbols_count && i < 16; i++)
        printf(" %s", pipeline->symbols[i].definition.name);
    printf("%s%s\n", pipeline->symbols_count > 16 ? " ..." : "",
           pipeline->symbols_suggested ? " (none configured: these are for a new journal)" : "");
    if (pit_pipeline_topology(pipeline, &topology, NULL) == 0) {
        printf("  threads on this machine: %s, %u threads\n", pit_threads_mode_name(topology.mode),
               topology.threads_count);
        for (uint32_t i = 0; i < topology.notes_count; i++)
            printf("  note: %s\n", topology.notes[i]);
    }
}

int pit_tool_check(int argc, char **argv)
{
    const char *path = NULL;
    argp_parse(&argp, argc, argv, 0, NULL, &path);
    struct pit_error error = {0};
    struct pit_config_file *file = NULL;
    struct pit_config config;
    if (pit_config_read(&file, path, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        return 2;
    }
    int status = 0;
    if (pit_config_build(&config, pit_config_text(file), file, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        status = 2;
    } else {
        print_summary(path, &config, pit_config_text(file));
        pit_config_clear(&config);
    }
    pit_config_release(file);
    return status;
}
