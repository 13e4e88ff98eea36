#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/stages/three_pipelines.h"

static const uint8_t key[] = "a key of some length, for three nodes";

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void prepare_node(struct three_pipelines *three, uint32_t node)
{
    snprintf(three->directories[node], sizeof three->directories[node], "%s/%u", three->root, node);
    snprintf(three->addresses[node], sizeof three->addresses[node], "unix:%s/node%u", three->root, node);
    snprintf(three->clients[node], sizeof three->clients[node], "unix:%s/clients%u", three->root, node);
    three->listen[node] = three->clients[node];
    three->config[node] = (struct pit_pipeline_config){
        .name = "three",
        .directory = three->directories[node],
        .symbols = three->symbols,
        .symbols_count = THREE_SYMBOLS,
        .addresses = &three->listen[node],
        .addresses_count = 1,
        .threads = PIT_THREADS_SHARED,
        .input_slots = 4096,
        .output_slots = 4096,
        .segment_bytes = 4 << 20,
        .cluster = {.node = node,
                    .nodes = THREE_NODES,
                    .id = "three pipelines",
                    .key = key,
                    .key_bytes = sizeof key,
                    .election_ms = 150,
                    .heartbeat_ms = 30,
                    .begin = true},
    };
}

void three_prepare(struct three_pipelines *three)
{
    memset(three, 0, sizeof *three);
    strcpy(three->root, "/tmp/pitline-three-XXXXXX");
    assert_non_null(mkdtemp(three->root));
    for (uint32_t i = 0; i < THREE_SYMBOLS; i++) {
        three->symbols[i].matcher = PIT_MATCHER_ROUND_ROBIN;
        three->symbols[i].definition = (struct pit_symbol_definition){.price_min = 1,
                                                                      .price_max = 1000000,
                                                                      .quantity_max = 1000000,
                                                                      .orders_max = 65536,
                                                                      .levels_max = 1024,
                                                                      .tick_mantissa = 1,
                                                                      .lot_mantissa = 1};
        snprintf(three->symbols[i].definition.name, sizeof three->symbols[i].definition.name, "S%u", (uint8_t)i);
    }
    for (uint32_t node = 1; node <= THREE_NODES; node++)
        prepare_node(three, node);
    for (uint32_t node = 1; node <= THREE_NODES; node++)
        for (uint32_t other = 1; other <= THREE_NODES; other++)
            three->config[node].cluster.of[other] =
                (struct pit_cluster_node){.address = three->addresses[other], .clients = three->clients[other]};
}

void three_remove(struct three_pipelines *three)
{
    for (uint32_t node = 1; node <= THREE_NODES; node++)
        if (three->pipelines[node])
            pit_pipeline_destroy(three->pipelines[node]);
    nftw(three->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void three_start(struct three_pipelines *three, uint32_t node)
{
    struct pit_error error = {0};
    if (pit_pipeline_create(&three->pipelines[node], &three->config[node], &error) != 0 ||
        pit_pipeline_start(three->pipelines[node], &error) != 0)
        fail_msg("node %u: %s", node, error.text);
    three->config[node].cluster.begin = false;
}

void three_start_all(struct three_pipelines *three)
{
    for (uint32_t node = 1; node <= THREE_NODES; node++)
        three_start(three, node);
}

struct pit_digest three_stop(struct three_pipelines *three, uint32_t node)
{
    struct pit_error error = {0};
    if (pit_pipeline_stop(three->pipelines[node], THREE_PATIENCE_MS, &error) != 0)
        fail_msg("node %u: %s", node, error.text);
    struct pit_digest digest = pit_pipeline_digest(three->pipelines[node]);
    pit_pipeline_destroy(three->pipelines[node]);
    three->pipelines[node] = NULL;
    return digest;
}

void three_forget(struct three_pipelines *three, uint32_t node)
{
    assert_int_equal(nftw(three->directories[node], remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void check_alive(const struct three_pipelines *three)
{
    struct pit_error error = {0};
    for (uint32_t node = 1; node <= THREE_NODES; node++)
        if (three->pipelines[node] && pit_pipeline_failed(three->pipelines[node], &error))
            fail_msg("node %u: %s", node, error.text);
}

uint32_t three_leader(struct three_pipelines *three)
{
    struct pit_cluster_figures figures;
    for (uint32_t waited = 0; waited < THREE_PATIENCE_MS; waited++, nap()) {
        check_alive(three);
        for (uint32_t node = 1; node <= THREE_NODES; node++)
            if (three->pipelines[node] && pit_pipeline_cluster(three->pipelines[node], &figures) && figures.ready)
                return node;
    }
    fail_msg("nobody leads");
    return 0;
}

uint64_t three_settle(struct three_pipelines *three)
{
    uint64_t seen = 0;
    for (uint32_t waited = 0, calm = 0; waited < THREE_PATIENCE_MS; waited++, nap()) {
        uint64_t least = UINT64_MAX, most = 0;
        check_alive(three);
        for (uint32_t node = 1; node <= THREE_NODES; node++) {
            struct pit_pipeline_figures figures;
            struct pit_cluster_figures cluster;
            if (!three->pipelines[node])
                continue;
            pit_pipeline_cluster(three->pipelines[node], &cluster);
            pit_pipeline_look(three->pipelines[node], &figures);
            uint64_t matched = pit_pipeline_last(three->pipelines[node]) - figures.input_used;
            least = matched < least ? matched : least;
            most = cluster.sequence > most ? cluster.sequence : most;
        }
        calm = least == most && most == seen ? calm + 1 : 0;
        seen = most;
        if (calm == 100)
            return most;
    }
    fail_msg("the nodes do not come to the same");
    return 0;
}

struct pit_client *three_client(struct three_pipelines *three)
{
    struct pit_client *client = NULL;
    struct pit_error error = {0};
    for (uint32_t tries = 0; tries < THREE_PATIENCE_MS; tries++, nap()) {
        struct pit_client_options options = {.address = three->clients[three_leader(three)], .account = 1};
        if (pit_client_open(&client, &options, &error) == 0)
            return client;
    }
    fail_msg("no client is let on: %s", error.text);
    return NULL;
}

static uint32_t take_reports(struct pit_client *client, uint64_t wait_ns, bool *ended)
{
    struct pit_report report;
    uint32_t lasts = 0;
    int code;
    while ((code = pit_client_poll(client, &report, wait_ns)) == 1) {
        lasts += report.last && report.request != 0;
        wait_ns = 0;
    }
    *ended = code < 0;
    return lasts;
}

/* One order; false: there is no room for it now. */
static bool send_order(struct pit_client *client, uint64_t *seed)
{
    uint64_t next = *seed * 6364136223846793005u + 1442695040888963407u;
    uint64_t dice = next >> 33;
    struct pit_order order = {.symbol = (uint32_t)(dice % THREE_SYMBOLS),
                              .side = dice / 4 % 2 ? PIT_SIDE_BUY : PIT_SIDE_SELL,
                              .price = 95 + (int64_t)(dice / 8 % 11),
                              .quantity = 1 + dice / 128 % 9};
    if (pit_client_new(client, &order) == 0)
        return false;
    *seed = next;
    return true;
}

/* Until so many are answered, or the connection ends. Returns how many are. */
static uint32_t trade_once(struct pit_client *client, uint32_t count, uint64_t *seed)
{
    uint32_t sent = 0, answered = 0;
    bool ended = false;
    for (uint32_t waited = 0; answered < count && !ended && waited < THREE_PATIENCE_MS;) {
        for (uint32_t n = 0; n < 256 && sent < count && send_order(client, seed); n++)
            sent++;
        uint32_t got = take_reports(client, 1000000, &ended);
        answered += got;
        waited = got ? 0 : waited + 1;
    }
    return answered;
}

void three_trade(struct three_pipelines *three, uint32_t count, uint64_t seed)
{
    uint32_t answered = 0;
    for (uint32_t tries = 0; answered < count && tries < 100; tries++) {
        struct pit_client *client = three_client(three);
        answered += trade_once(client, count - answered, &seed);
        pit_client_close(client);
    }
    assert_int_equal(answered, count);
}
