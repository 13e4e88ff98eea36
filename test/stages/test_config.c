/* test/stages/test_config.c - configurations, right and wrong: what is wrong is said with line and column. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/config.h"

static char path[64];

static void write_file(const char *content)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, strlen(content), file), strlen(content));
    assert_int_equal(fclose(file), 0);
}

static int make_path(void **state)
{
    (void)state;
    strcpy(path, "/tmp/pitline-config-XXXXXX");
    int file = mkstemp(path);
    return file < 0 ? -1 : close(file);
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

struct loaded {
    struct pit_config_file *file;
    struct pit_config config;
};

static struct loaded load(const char *content)
{
    struct loaded loaded = {0};
    struct pit_error error = {0};
    write_file(content);
    int code = pit_config_read(&loaded.file, path, &error);
    if (code == 0)
        code = pit_config_build(&loaded.config, pit_config_text(loaded.file), loaded.file, &error);
    if (code)
        fail_msg("%s", error.text);
    return loaded;
}

static void unload(struct loaded *loaded)
{
    pit_config_clear(&loaded->config);
    pit_config_release(loaded->file);
}

/* The content is refused, at that place, with these words. */
static void refused(const char *content, unsigned line, unsigned column, const char *words)
{
    struct pit_error error = {0};
    struct pit_config_file *file = NULL;
    struct pit_config config;
    char place[128];
    write_file(content);
    int code = pit_config_read(&file, path, &error);
    if (code == 0) {
        code = pit_config_build(&config, pit_config_text(file), file, &error);
        if (code == 0)
            pit_config_clear(&config);
    }
    pit_config_release(file);
    if (code == 0)
        fail_msg("accepted: %s", content);
    snprintf(place, sizeof place, "%s:%u:%u: ", path, line, column);
    if (strncmp(error.text, place, strlen(place)) != 0 || !strstr(error.text, words))
        fail_msg("expected %s... %s ..., got %s", place, words, error.text);
}

static void config_of_an_empty_file_has_every_default(void **state)
{
    (void)state;
    struct loaded loaded = load("");
    const struct pit_pipeline_config *pipeline = &loaded.config.pipeline;
    assert_string_equal(pipeline->name, "pitline");
    assert_string_equal(pipeline->directory, "./pitline-data");
    assert_int_equal(pipeline->addresses_count, 2);
    assert_string_equal(pipeline->addresses[0], "unix:/tmp/pitline-pitline.sock");
    assert_string_equal(pipeline->addresses[1], "tcp:127.0.0.1:7400");
    assert_true(pipeline->symbols_suggested);
    assert_true(pipeline->symbols_count > 0);
    assert_int_equal(pipeline->matchers, 1);
    assert_int_equal(pipeline->segment_bytes, 64 << 20);
    assert_int_equal(pipeline->reserve_bytes, 64 << 20);
    assert_int_equal(pipeline->cancels_bytes, 16 << 20);
    assert_true(pipeline->market_data);
    assert_true(pipeline->pin);
    assert_int_equal(pipeline->limits.heartbeat_ms, 30000);
    assert_int_equal(loaded.config.statistics_ms, 1000);
    unload(&loaded);
}

static void config_turns_decimals_into_ticks_and_lots(void **state)
{
    (void)state;
    struct loaded loaded = load("symbols:\n"
                                "  - name: BTCUSD\n"
                                "    tick: \"0.250\"\n"
                                "    lot: \"0.00000001\"\n"
                                "    price_min: \"-1.5\"\n"
                                "    price_max: \"100\"\n"
                                "    quantity_max: \"2\"\n"
                                "    matcher: 1\n"
                                "matchers: 2\n");
    const struct pit_pipeline_symbol *symbol = &loaded.config.pipeline.symbols[0];
    assert_int_equal(loaded.config.pipeline.symbols_count, 1);
    assert_false(loaded.config.pipeline.symbols_suggested);
    assert_string_equal(symbol->definition.name, "BTCUSD");
    assert_int_equal(symbol->definition.tick_mantissa, 25);
    assert_int_equal(symbol->definition.tick_decimals, 2);
    assert_int_equal(symbol->definition.lot_mantissa, 1);
    assert_int_equal(symbol->definition.lot_decimals, 8);
    assert_int_equal(symbol->definition.price_min, -6);
    assert_int_equal(symbol->definition.price_max, 400);
    assert_int_equal(symbol->definition.quantity_max, 200000000);
    assert_int_equal(symbol->matcher, 1);
    unload(&loaded);
}

static void config_says_all_about_threads_journal_and_limits(void **state)
{
    (void)state;
    struct loaded loaded = load("threads: {mode: groups, wait: yield, pin: false, priority: 7, groups: [{name: all, "
                                "stages: [gateway, journaler, matcher, egress, publisher], wait: sleep}]}\n"
                                "journal: {segment: 8MiB, reserve: 1GiB, cancel_reserve: 0, sync: data}\n"
                                "rings: {input: 2048, output: 4096, sessions: 32, market_data: 8192}\n"
                                "memory: {huge_pages: false, prefault: true}\n"
                                "market_data: {readable_by: group}\n"
                                "limits: {rate: 5, heartbeat_ms: 0, drain_ms: 77}\n"
                                "statistics_ms: 250\n"
                                "snapshots: {every: 1000000, seconds: 600, keep: 5, old_segments: compress}\n");
    const struct pit_pipeline_config *pipeline = &loaded.config.pipeline;
    assert_int_equal(pipeline->threads, PIT_THREADS_GROUPS);
    assert_int_equal(pipeline->wait, PIT_WAIT_YIELD);
    assert_false(pipeline->pin);
    assert_int_equal(pipeline->priority, 7);
    assert_int_equal(pipeline->groups_count, 1);
    assert_string_equal(pipeline->groups[0].agents[2], "matcher");
    assert_int_equal(pipeline->groups[0].wait, PIT_WAIT_SLEEP);
    assert_int_equal(pipeline->groups[0].cpu, PIT_CPU_ANY);
    assert_int_equal(pipeline->segment_bytes, 8 << 20);
    assert_int_equal(pipeline->reserve_bytes, 1 << 30);
    assert_int_equal(pipeline->cancels_bytes, 0);
    assert_int_equal(pipeline->sync, PIT_JOURNAL_SYNC_DATA);
    assert_int_equal(pipeline->input_slots, 2048);
    assert_int_equal(pipeline->output_slots, 4096);
    assert_int_equal(pipeline->session_slots, 32);
    assert_int_equal(pipeline->event_slots, 8192);
    assert_false(pipeline->huge_pages);
    assert_int_equal(pipeline->prefault, PIT_PREFAULT_ALL);
    assert_int_equal(pipeline->readable_by, PIT_READABLE_BY_GROUP);
    assert_int_equal(pipeline->limits.rate_max, 5);
    assert_int_equal(pipeline->limits.heartbeat_ms, 0);
    assert_int_equal(loaded.config.drain_ms, 77);
    assert_int_equal(loaded.config.statistics_ms, 250);
    assert_int_equal(pipeline->snapshots.every, 1000000);
    assert_int_equal(pipeline->snapshots.seconds, 600);
    assert_int_equal(pipeline->snapshots.keep, 5);
    assert_int_equal(pipeline->snapshots.old_segments, PIT_OLD_SEGMENTS_COMPRESS);
    unload(&loaded);
    loaded = load("snapshot_every: 5000\n");
    assert_int_equal(loaded.config.pipeline.snapshots.every, 5000);
    assert_int_equal(loaded.config.pipeline.snapshots.seconds, 0);
    assert_int_equal(loaded.config.pipeline.snapshots.keep, PIT_SNAPSHOTS_KEEP_DEFAULT);
    unload(&loaded);
}

static void config_tells_what_its_rings_take(void **state)
{
    (void)state;
    char text[PIT_PIPELINE_RINGS_BYTES];
    struct loaded loaded = load("rings: {input: 65536, output: 131072, sessions: 1024, market_data: 65536}\n");
    /* 8 MiB of commands, 8 MiB of events, 1 MiB of notes, 4 MiB of market data, and less than one of the rest */
    assert_string_equal(pit_pipeline_describe_rings(&loaded.config.pipeline, text), "21 MiB");
    loaded.config.pipeline.input_slots = loaded.config.pipeline.output_slots = PIT_RING_SLOTS_MAX;
    loaded.config.pipeline.matchers = 100000; /* more than any machine has */
    assert_non_null(strstr(pit_pipeline_describe_rings(&loaded.config.pipeline, text), "make them smaller"));
    unload(&loaded);
}

static void config_refuses_what_is_not_yaml(void **state)
{
    (void)state;
    refused("name: [a\nsymbols: {\n", 2, 8, "not YAML");
    refused("name: x\n\tdata: y\n", 2, 1, "not YAML");
    refused("name: x\n---\nname: y\n", 3, 1, "a second document");
}

static void config_refuses_unknown_and_doubled_keys_where_they_stand(void **state)
{
    (void)state;
    refused("name: x\nnmae: y\n", 2, 1, "'nmae'");
    refused("symbols:\n  - name: A\n  - name: B\n    tik: \"1\"\n", 4, 5, "'tik'");
    refused("limits:\n  rate: 1\n  name: 3\n", 3, 3, "'name'");
    refused("name: x\ndata: d\nname: y\n", 3, 1, "a second 'name'");
}

static void config_refuses_values_of_the_wrong_type(void **state)
{
    (void)state;
    refused("name: x\nmatchers: two\n", 2, 11, "'two' is not a whole number");
    refused("matchers: -1\n", 1, 11, "'-1' is not a whole number");
    refused("listen: unix:/tmp/x\n", 1, 9, "a list is wanted");
    refused("limits: 3\n", 1, 9, "keys are wanted");
    refused("name: [a]\n", 1, 7, "a single value is wanted");
    refused("threads:\n  pin: perhaps\n", 2, 8, "perhaps is neither true nor false");
    refused("rings:\n  input: 99999999999\n", 2, 10, "99999999999");
}

static void config_refuses_values_out_of_range_where_they_stand(void **state)
{
    (void)state;
    refused("name: a/b\n", 1, 7, "is no name");
    refused("matchers: 8\n", 1, 11, "out of range");
    refused("matchers: 0\n", 1, 11, "out of range");
    refused("rings:\n  output: 5000\n", 2, 11, "4096 or 8192");
    refused("rings:\n  sessions: 131072\n", 2, 13, "131072 is out of range: 16 to 65536");
    refused("journal:\n  segment: 64 MB\n", 2, 12, "no size");
    refused("journal:\n  segment: 1MiB\n", 2, 12, "out of range");
    refused("journal:\n  reserve: much\n", 2, 12, "no size");
    refused("journal:\n  reserve: 1025GiB\n", 2, 12, "out of range: 0 to 1099511627776");
    refused("journal:\n  segment: 8MiB\n  cancel_reserve: 5MiB\n", 3, 19, "out of range: 0 to 4194304");
    refused("journal:\n  sync: always\n", 2, 9, "none of: auto, data, never");
    refused("limits:\n  sessions: 5000\n", 2, 13, "out of range");
    refused("statistics_ms: 0\n", 1, 16, "out of range");
    refused("snapshots:\n  keep: 0\n", 2, 9, "0 is out of range: 1 to 1000");
    refused("snapshots:\n  seconds: 99999999\n", 2, 12, "out of range");
    refused("snapshots:\n  every: 5\n  old_segments: burn\n", 3, 17, "none of: keep, compress, remove");
    refused("snapshots:\n  old_segments: compress\n", 2, 17, "say every or seconds");
    refused("snapshots: {every: 5, keep: 1, old_segments: remove}\n", 1, 29, "keep at least 2");
    refused("snapshots: {every: 5}\nsnapshot_every: 5\n", 2, 17, "say one of the two");
    refused("limits:\n  outbox_bytes: 65536\n", 2, 17, "at least 1048576, or requests of at most 512");
    refused("limits:\n  requests: 8193\n", 2, 13, "at least 1048704");
    struct loaded loaded = load("limits: {outbox_bytes: 65536, requests: 512}\n");
    unload(&loaded);
}

static void config_refuses_symbols_that_make_no_sense(void **state)
{
    (void)state;
    refused("symbols:\n  - tick: \"1\"\n", 2, 5, "needs a name");
    refused("symbols:\n  - name: A B\n", 2, 11, "without blanks");
    refused("symbols:\n  - name: ABCDEFGHIJKLMNOP\n", 2, 11, "1 to 15");
    refused("symbols:\n  - name: A\n    tick: \"0\"\n", 3, 11, "no tick size");
    refused("symbols:\n  - name: A\n    lot: 1e3\n", 3, 10, "no lot size");
    refused("symbols:\n  - name: A\n    tick: \"0.05\"\n    price_max: \"1.01\"\n", 4, 16, "whole number of ticks");
    refused("symbols:\n  - name: A\n    price_min: \"2\"\n    price_max: \"1\"\n", 4, 16, "empty");
    refused("symbols:\n  - name: A\n  - name: B\n  - name: A\n", 4, 11, "a second symbol");
    refused("symbols:\n  - name: A\n    matcher: 1\n", 3, 14, "matchers are 0 to 0");
    refused("symbols:\n  - name: A\n    orders_max: 0\n", 3, 17, "out of range");
}

static void config_refuses_an_open_listener_without_keys(void **state)
{
    (void)state;
    refused("listen:\n  - unix:/tmp/x\n  - tcp:0.0.0.0:7400\n", 3, 5, "can be reached from other machines");
    refused("listen:\n  - nonsense\n", 2, 5, "nonsense");
    refused("listen: []\n", 1, 9, "there can be 1 to");
    struct loaded loaded = load("listen: [\"tcp:0.0.0.0:7400\"]\n"
                                "accounts:\n  - account: 1\n    key: 00112233445566778899aabbccddeeff\n");
    assert_int_equal(loaded.config.pipeline.accounts_count, 1);
    assert_int_equal(loaded.config.pipeline.accounts[0].key_bytes, 16);
    assert_int_equal(loaded.config.pipeline.accounts[0].key[15], 0xff);
    unload(&loaded);
}

static void config_refuses_bad_accounts_and_never_shows_a_key(void **state)
{
    (void)state;
    const char *short_key = "accounts:\n  - account: 1\n    key: 5ec2e7\n";
    refused(short_key, 3, 10, "not a key");
    struct pit_error error = {0};
    struct pit_config_file *file = NULL;
    struct pit_config config;
    write_file(short_key);
    assert_int_equal(pit_config_read(&file, path, &error), 0);
    assert_true(pit_config_build(&config, pit_config_text(file), file, &error) != 0);
    assert_null(strstr(error.text, "5ec2e7"));
    pit_config_release(file);
    refused("accounts:\n  - operates: true\n", 2, 5, "needs a number");
    refused("accounts:\n  - account: 1\n  - account: 1\n", 3, 14, "a second account");
    refused("accounts:\n  - account: 1\n    key: 00112233445566778899aabbccddeeff\n  - account: 2\n", 4, 5,
            "either every account has a key or none");
    refused("accounts:\n  - account: 1\n    key_file: /nonexistent/key\n", 3, 15, "cannot be read");
}

static void config_reads_keys_from_files_that_others_cannot_read(void **state)
{
    (void)state;
    char key_path[] = "/tmp/pitline-key-XXXXXX", content[256];
    int file = mkstemp(key_path);
    assert_true(file >= 0);
    const char *key = "00112233445566778899aabbccddeeff\n";
    assert_int_equal(write(file, key, strlen(key)), strlen(key));
    snprintf(content, sizeof content, "accounts:\n  - account: 1\n    key_file: %s\n", key_path);
    struct loaded loaded = load(content);
    assert_int_equal(loaded.config.pipeline.accounts[0].key_bytes, 16);
    unload(&loaded);
    assert_int_equal(fchmod(file, 0644), 0);
    refused(content, 3, 15, "chmod o=");
    close(file);
    unlink(key_path);
}

static char key_path[32];

static void make_key(const char *key)
{
    strcpy(key_path, "/tmp/pitline-key-XXXXXX");
    int file = mkstemp(key_path);
    assert_true(file >= 0);
    assert_int_equal(write(file, key, strlen(key)), strlen(key));
    close(file);
}

#define CLUSTER                                                                                                        \
    "symbols: [{name: A}]\n"                                                                                           \
    "cluster:\n"                                                                                                       \
    "  name: exchange\n"                                                                                               \
    "  node: 2\n"                                                                                                      \
    "  key_file: KEY\n"                                                                                                \
    "  election_ms: 900\n"                                                                                             \
    "  heartbeat_ms: 300\n"                                                                                            \
    "  nodes:\n"                                                                                                       \
    "    - {address: \"tcp:10.0.0.1:7500\", clients: \"tcp:10.0.0.1:7400\"}\n"                                         \
    "    - {address: \"tcp:10.0.0.2:7500\", clients: \"tcp:10.0.0.2:7400\"}\n"                                         \
    "    - {address: \"tcp:10.0.0.3:7500\", clients: \"tcp:10.0.0.3:7400\"}\n"

/* A right cluster with one thing changed; kept until the next call. */
static const char *cluster_with(const char *old, const char *new)
{
    static char text[2048];
    char rest[2048];
    snprintf(text, sizeof text, "%s", CLUSTER);
    const char *const swaps[][2] = {{"KEY", key_path}, {old, new}};
    for (size_t i = 0; i < 2; i++) {
        char *at = strstr(text, swaps[i][0]);
        assert_non_null(at);
        strcpy(rest, at + strlen(swaps[i][0]));
        snprintf(at, sizeof text - (size_t)(at - text), "%s%s", swaps[i][1], rest);
    }
    return text;
}

static void config_knows_the_stages_of_a_cluster(void **state)
{
    (void)state;
    static const char groups[] = "threads:\n"
                                 "  mode: groups\n"
                                 "  groups:\n"
                                 "    - stages: [gateway, egress, publisher]\n"
                                 "    - stages: [replicator, matcher]\n"
                                 "cluster:\n";
    make_key("00112233445566778899aabbccddeeff");
    struct loaded loaded = load(cluster_with("cluster:\n", groups));
    assert_int_equal(loaded.config.pipeline.cluster.node, 2);
    assert_int_equal(loaded.config.pipeline.groups_count, 2);
    unload(&loaded);
    unlink(key_path);
}

static void config_says_all_about_a_cluster(void **state)
{
    (void)state;
    make_key("00112233445566778899aabbccddeeff\n");
    struct loaded loaded = load(cluster_with("exchange", "exchange"));
    const struct pit_cluster_config *cluster = &loaded.config.cluster;
    assert_int_equal(cluster->node, 2);
    assert_int_equal(cluster->nodes, 3);
    assert_string_equal(cluster->of[3].address, "tcp:10.0.0.3:7500");
    assert_string_equal(cluster->of[1].clients, "tcp:10.0.0.1:7400");
    assert_int_equal(cluster->key_bytes, 16);
    assert_int_equal(cluster->key[15], 0xff);
    assert_int_equal(cluster->election_ms, 900);
    assert_int_equal(cluster->heartbeat_ms, 300);
    assert_false(cluster->begin || cluster->rejoin);
    /* printf exchange | sha256sum */
    static const uint8_t id[16] = {0xab, 0x27, 0xb7, 0x29, 0xd9, 0xcc, 0x4c, 0xb1,
                                   0xc0, 0x09, 0x60, 0x70, 0x04, 0x46, 0x92, 0x41};
    assert_memory_equal(cluster->id, id, sizeof id);
    unload(&loaded);
    loaded = load(cluster_with("  election_ms: 900\n  heartbeat_ms: 300\n", ""));
    assert_int_equal(loaded.config.cluster.election_ms, PIT_CLUSTER_ELECTION_MS);
    assert_int_equal(loaded.config.cluster.heartbeat_ms, PIT_CLUSTER_HEARTBEAT_MS);
    unload(&loaded);
    loaded = load(cluster_with("  election_ms: 900\n  heartbeat_ms: 300\n", "  election_ms: 90\n"));
    assert_int_equal(loaded.config.cluster.heartbeat_ms, 30);
    unload(&loaded);
    loaded = load("name: alone\n");
    assert_int_equal(loaded.config.cluster.nodes, 0);
    unload(&loaded);
    unlink(key_path);
}

static void config_refuses_clusters_that_cannot_be(void **state)
{
    (void)state;
    make_key("00112233445566778899aabbccddeeff\n");
    static const struct {
        const char *old, *new;
        unsigned line, column;
        const char *words;
    } bad[] = {
        {"  name: exchange\n", "", 3, 3, "needs a name"},
        {"exchange", "an exchange", 3, 9, "is no name"},
        {"node: 2", "node: 0", 4, 9, "1 to 3"},
        {"node: 2", "node: 4", 4, 9, "1 to 3"},
        {"  node: 2\n", "", 3, 3, "which of them this one is"},
        {"    - {address: \"tcp:10.0.0.1:7500\", clients: \"tcp:10.0.0.1:7400\"}\n", "", 9, 5, "2 nodes"},
        {"    - {", "    - {address: \"unix:/a\", clients: \"unix:/b\"}\n    - {", 9, 5, "4 nodes"},
        {"tcp:10.0.0.3:7500", "tcp:10.0.0.1:7500", 11, 17, "an address of node 1 already"},
        {"tcp:10.0.0.3:7400", "tcp:10.0.0.2:7500", 11, 47, "an address of node 2 already"},
        {"tcp:10.0.0.3:7400", "tcp:10.0.0.3:7500", 11, 47, "an address of node 3 already"},
        {"tcp:10.0.0.2:7500", "10.0.0.2:7500", 10, 17, "10.0.0.2:7500"},
        {"tcp:10.0.0.2:7500", "tcp:10.0.0.2:0", 10, 17, "1 to 65535"},
        {"tcp:10.0.0.2:7500", "tcp:0.0.0.0:7500", 10, 17, "the machine's own"},
        {"tcp:10.0.0.2:7400", "tcp:[::]:7400", 10, 47, "the machine's own"},
        {", clients: \"tcp:10.0.0.2:7400\"", "", 10, 7, "clients, where clients do"},
        {"election_ms: 900", "election_ms: 49", 6, 16, "50 to 60000"},
        {"heartbeat_ms: 300", "heartbeat_ms: 301", 7, 17, "1 to 300"},
        {"node: 2", "node: two", 4, 9, "whole number"},
        {"node: 2", "nodule: 2", 4, 3, "there is no key 'nodule'"},
        {"symbols: [{name: A}]\n", "name: x\n", 1, 1, "list them, alike on every node"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(cluster_with(bad[i].old, bad[i].new), bad[i].line, bad[i].column, bad[i].words);
    refused(cluster_with(key_path, "/nonexistent/key"), 5, 13, "cannot be read");
    assert_int_equal(chmod(key_path, 0644), 0);
    refused(cluster_with("node", "node"), 5, 13, "chmod o=");
    unlink(key_path);
    make_key("00112233445566778899aabbccddee\n");
    refused(cluster_with("node", "node"), 5, 13, "not a key: 32 to 2048 hexadecimal digits");
    unlink(key_path);
}

static void config_begins_and_rejoins_clusters_only(void **state)
{
    (void)state;
    struct pit_error error = {0};
    struct pit_config config;
    struct pit_config_text text = {.cluster = {.rejoin = true}};
    assert_int_equal(pit_config_build(&config, &text, NULL, &error), -EINVAL);
    assert_non_null(strstr(error.text, "--rejoin is for a node of a cluster"));
    make_key("00112233445566778899aabbccddeeff\n");
    struct pit_config_file *file = NULL;
    write_file(cluster_with("node", "node"));
    assert_int_equal(pit_config_read(&file, path, &error), 0);
    text = *pit_config_text(file);
    text.cluster.begin = true;
    assert_int_equal(pit_config_build(&config, &text, file, &error), 0);
    assert_true(config.cluster.begin && !config.cluster.rejoin);
    pit_config_clear(&config);
    pit_config_release(file);
    unlink(key_path);
}

static void config_of_a_cluster_can_be_read_alone(void **state)
{
    (void)state;
    make_key("00112233445566778899aabbccddeeff\n");
    struct pit_error error = {0};
    struct pit_config config;
    struct pit_config_file *file = NULL;
    write_file(cluster_with("symbols: [{name: A}]\n", "matchers: 0\n"));
    assert_int_equal(pit_config_read(&file, path, &error), 0);
    assert_int_equal(pit_config_build(&config, pit_config_text(file), file, &error), -EINVAL);
    assert_int_equal(pit_config_build_cluster(&config, pit_config_text(file), file, &error), 0);
    assert_int_equal(config.cluster.nodes, 3);
    pit_config_clear(&config);
    pit_config_release(file);
    unlink(key_path);
}

static void config_refuses_threads_that_cannot_be(void **state)
{
    (void)state;
    refused("threads:\n  mode: many\n", 2, 9, "none of: auto, shared");
    refused("threads:\n  mode: groups\n", 2, 9, "needs groups");
    refused("threads:\n  groups: [{stages: [gateway]}]\n", 2, 11, "mode 'groups'");
    refused("threads:\n  mode: groups\n  groups:\n    - stages: []\n", 4, 15, "1 to 16 stages");
    refused("threads:\n  mode: groups\n  groups:\n    - stages: [gateway]\n", 2, 3, "in no group");
    refused("threads:\n  mode: groups\n  groups:\n    - stages: [gatewya]\n", 2, 3, "no stage 'gatewya'");
}

static void config_units_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t mantissa;
        uint8_t decimals;
    } good[] = {{"1", 1, 0},        {"0.01", 1, 2}, {"10", 10, 0},
                {"0.250", 25, 2},   {"1.0", 1, 0},  {"0.000000000001", 1, 12},
                {"100.5", 1005, 1}, {".5", 5, 1},   {"10.0500", 1005, 2}};
    static const char *const bad[] = {"", "0", "0.0", "-1", "1e3", "1.2.3", "0.0000000000001", "4294967296", "x", "1 "};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint32_t mantissa = 0;
        uint8_t decimals = 99;
        assert_int_equal(pit_config_unit(good[i].text, &mantissa, &decimals), 0);
        assert_int_equal(mantissa, good[i].mantissa);
        assert_int_equal(decimals, good[i].decimals);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint32_t mantissa;
        uint8_t decimals;
        assert_true(pit_config_unit(bad[i], &mantissa, &decimals) != 0);
    }
}

static void config_sizes_have_binary_units(void **state)
{
    (void)state;
    uint64_t bytes = 0;
    assert_int_equal(pit_config_bytes("64MiB", &bytes), 0);
    assert_int_equal(bytes, 64 << 20);
    assert_int_equal(pit_config_bytes("1 GiB", &bytes), 0);
    assert_int_equal(bytes, 1 << 30);
    assert_int_equal(pit_config_bytes("4096", &bytes), 0);
    assert_int_equal(bytes, 4096);
    assert_true(pit_config_bytes("64MB", &bytes) != 0);
    assert_true(pit_config_bytes("-1", &bytes) != 0);
    assert_true(pit_config_bytes("99999999999GiB", &bytes) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_of_an_empty_file_has_every_default),
        cmocka_unit_test(config_turns_decimals_into_ticks_and_lots),
        cmocka_unit_test(config_says_all_about_threads_journal_and_limits),
        cmocka_unit_test(config_tells_what_its_rings_take),
        cmocka_unit_test(config_refuses_what_is_not_yaml),
        cmocka_unit_test(config_refuses_unknown_and_doubled_keys_where_they_stand),
        cmocka_unit_test(config_refuses_values_of_the_wrong_type),
        cmocka_unit_test(config_refuses_values_out_of_range_where_they_stand),
        cmocka_unit_test(config_refuses_symbols_that_make_no_sense),
        cmocka_unit_test(config_refuses_an_open_listener_without_keys),
        cmocka_unit_test(config_refuses_bad_accounts_and_never_shows_a_key),
        cmocka_unit_test(config_reads_keys_from_files_that_others_cannot_read),
        cmocka_unit_test(config_knows_the_stages_of_a_cluster),
        cmocka_unit_test(config_says_all_about_a_cluster),
        cmocka_unit_test(config_refuses_clusters_that_cannot_be),
        cmocka_unit_test(config_begins_and_rejoins_clusters_only),
        cmocka_unit_test(config_of_a_cluster_can_be_read_alone),
        cmocka_unit_test(config_refuses_threads_that_cannot_be),
        cmocka_unit_test(config_units_are_exact),
        cmocka_unit_test(config_sizes_have_binary_units),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
