/* tools/config.h - from a configuration file and arguments to a struct pit_pipeline_config.
 *
 * In two steps, so that arguments can override a file: the text as it was written (struct pit_config_text; everything
 * optional, NULL or 0 = not said), then its meaning, checked (struct pit_config). docs/pitline.example.yaml documents
 * every key.
 *
 * An error about a file says FILE:LINE:COLUMN first. One thread.
 */
#ifndef PIT_TOOLS_CONFIG_H
#define PIT_TOOLS_CONFIG_H

#include <stdbool.h>

#include "stages/cluster.h"
#include "stages/pipeline.h"

struct pit_config_account {
    uint32_t account;
    char *key; /* hexadecimal */
    char *key_file;
    bool operates;
};

struct pit_config_symbol {
    char *name;
    char *tick, *lot;            /* decimals */
    char *price_min, *price_max; /* decimals, whole ticks */
    char *quantity_max;          /* a decimal, whole lots */
    uint32_t orders_max, levels_max;
    int32_t *matcher;
};

struct pit_config_group {
    char *name;
    char **stages;
    uint32_t stages_count;
    int32_t *cpu;
    char *wait;
};

struct pit_config_threads {
    char *mode;
    char *wait;
    bool *pin;
    uint32_t *cpus;
    uint32_t cpus_count;
    uint32_t priority;
    struct pit_config_group *groups;
    uint32_t groups_count;
};

struct pit_config_rings {
    uint32_t input, output, sessions, market_data;
};

struct pit_config_memory {
    bool *huge_pages;
    bool *prefault;
};

struct pit_config_journal {
    char *segment;
    char *reserve;
    char *cancel_reserve;
    char *sync;
};

struct pit_config_snapshots {
    uint64_t every, seconds;
    uint32_t keep;
    char *old_segments;
};

struct pit_config_market_data {
    bool *publish;
    char *readable_by;
};

struct pit_config_limits {
    uint32_t sessions, rate, requests, turn_messages, receive_bytes, outbox_bytes;
    uint32_t logon_ms, *heartbeat_ms, overload_ms, close_ms, drain_ms;
};

struct pit_config_node {
    char *address;
    char *clients;
};

struct pit_config_cluster {
    char *name;
    uint32_t node;
    char *key_file;
    struct pit_config_node *nodes;
    uint32_t nodes_count;
    uint32_t election_ms, heartbeat_ms;
    bool begin, rejoin; /* of the command line alone */
};

struct pit_config_text {
    char *name;
    char *data;
    char **listen;
    uint32_t listen_count;
    struct pit_config_account *accounts;
    uint32_t accounts_count;
    struct pit_config_symbol *symbols;
    uint32_t symbols_count;
    uint32_t matchers;
    struct pit_config_threads threads;
    struct pit_config_rings rings;
    struct pit_config_memory memory;
    struct pit_config_journal journal;
    struct pit_config_snapshots snapshots;
    uint64_t snapshot_every; /* an older name of snapshots.every */
    struct pit_config_market_data market_data;
    uint32_t statistics_ms;
    struct pit_config_limits limits;
    struct pit_config_cluster cluster;
};

/* A file that was read: its text, and where everything stands in it. */
struct pit_config_file;

/* Reads and parses a file. Syntax, unknown keys, doubled keys and values of the wrong type are errors. 0; -EINVAL, or
 * why it cannot be read. */
int pit_config_read(struct pit_config_file **file, const char *path, struct pit_error *error);
struct pit_config_text *pit_config_text(struct pit_config_file *file);
void pit_config_release(struct pit_config_file *file);

/* The meaning of a text. */
struct pit_config {
    struct pit_pipeline_config pipeline; /* points into the rest, and into the text */
    struct pit_cluster_config cluster;   /* likewise; nodes is 0 without a cluster */
    uint32_t statistics_ms;
    uint32_t drain_ms;
    /* storage */
    char *name, *data;
    char **addresses; /* the default ones, pipeline.addresses_count of them; NULL where the text has its own */
    struct pit_gateway_account *accounts;
    struct pit_pipeline_symbol *symbols;
    struct pit_topology_group *groups;
    uint8_t *cluster_key;
};

/* Checks a text and fills config. file: where the text was read from, for the places of errors; NULL = from arguments
 * alone. The text must live as long as config. 0 or -EINVAL (or what reading a key file gave). */
int pit_config_build(struct pit_config *config, const struct pit_config_text *text, const struct pit_config_file *file,
                     struct pit_error *error);

/* The same for its cluster alone: for those who ask a cluster, and need nothing else of the file. Without a cluster
 * nodes stays 0. */
int pit_config_build_cluster(struct pit_config *config, const struct pit_config_text *text,
                             const struct pit_config_file *file, struct pit_error *error);
void pit_config_clear(struct pit_config *config);

/* Parses "64MiB", "4096", "1GiB". 0 or -EINVAL. */
int pit_config_bytes(const char *text, uint64_t *bytes);

/* Parses a decimal greater than zero as mantissa / 10^decimals, as short as it can be. 0 or -EINVAL. */
int pit_config_unit(const char *text, uint32_t *mantissa, uint8_t *decimals);

/* Fills error with "FILE:LINE:COLUMN: path: what is wrong"; path is like "symbols[2].tick" (entries from 0), and where
 * the file does not have it, its nearest parent's place is told. Returns code. file may be NULL. (config_place.c) */
__attribute__((format(printf, 5, 6))) int pit_config_fault(const struct pit_config_file *file, const char *path,
                                                           int code, struct pit_error *error, const char *format, ...);

/* True when the file says something at path. (config_place.c) */
bool pit_config_has(const struct pit_config_file *file, const char *path);

#endif
