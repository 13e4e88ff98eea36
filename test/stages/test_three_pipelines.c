/* test/stages/test_three_pipelines.c - three pipelines that are one cluster: clients, redirects, takeover, coming
 * back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "journal/format.h"
#include "memory/arena.h"
#include "replay/replay.h"
#include "test/stages/three_pipelines.h"

#define FAR_BEHIND 160000u /* orders: more than the engine keeps in memory (PIT_CONSENSUS_MEMORY_BYTES) */

static struct three_pipelines three;

static int prepare(void **state)
{
    (void)state;
    three_prepare(&three);
    return 0;
}

static int tidy(void **state)
{
    (void)state;
    three_remove(&three);
    return 0;
}

static uint32_t other_than(uint32_t node)
{
    return node % THREE_NODES + 1;
}

/* What a verified replay of a node's directory comes to. */
static struct pit_digest replay(uint32_t node, struct pit_replay_result *result)
{
    struct pit_arena *arena = NULL;
    struct pit_error error = {0};
    struct pit_arena_options options = {.name = "replay", .node = PIT_ARENA_NODE_ANY};
    assert_int_equal(pit_arena_create(&arena, &options, &error), 0);
    struct pit_reserve reserve = pit_arena_reserve(arena);
    struct pit_market *market = pit_market_create(&reserve);
    struct pit_replay_options replay_options = {.markets = &market, .markets_count = 1, .verify = true};
    memset(result, 0, sizeof *result);
    if (pit_replay(pit_disk_machine(), three.directories[node], &replay_options, result, &error) != 0)
        fail_msg("node %u: %s", node, error.text);
    struct pit_digest digest = pit_market_full_digest(market);
    pit_arena_destroy(arena);
    return digest;
}

static void assert_equal_digests(void)
{
    uint64_t sequence = three_settle(&three);
    struct pit_digest digests[THREE_NODES + 1];
    for (uint32_t node = 1; node <= THREE_NODES; node++)
        digests[node] = three_stop(&three, node);
    assert_true(sequence > THREE_SYMBOLS);
    assert_true(digests[1].events_count >= sequence);
    for (uint32_t node = 1; node <= THREE_NODES; node++) {
        struct pit_replay_result result;
        struct pit_digest replayed = replay(node, &result);
        assert_memory_equal(&digests[node], &digests[1], sizeof digests[1]);
        assert_memory_equal(&replayed, &digests[1], sizeof digests[1]);
        assert_int_equal(result.last_sequence, sequence);
        assert_true(result.digests_compared >= 1 + sequence / PIT_JOURNAL_DIGEST_EVERY);
    }
}

static void cluster_matches_the_same_on_every_node(void **state)
{
    (void)state;
    three_start_all(&three);
    struct pit_client *client = three_client(&three);
    assert_int_equal(pit_client_symbols(client), THREE_SYMBOLS);
    pit_client_close(client);
    three_trade(&three, 20000, 1); /* across a digest */
    struct pit_cluster_figures figures;
    pit_pipeline_cluster(three.pipelines[three_leader(&three)], &figures);
    assert_int_equal(figures.leader, figures.node);
    assert_true(figures.sequence >= 20000 + THREE_SYMBOLS);
    assert_equal_digests();
}

/* Whether all nodes but the one that leads now send a client to that. */
static bool all_redirect(uint32_t leader)
{
    bool all = true;
    for (uint32_t node = 1; node <= THREE_NODES; node++) {
        struct pit_client *client = NULL;
        struct pit_error error = {0};
        struct pit_client_options options = {.address = three.clients[node], .account = 1};
        if (node == leader)
            continue;
        int code = pit_client_open(&client, &options, &error);
        all &= code != 0 && strstr(error.text, three.clients[leader]) != NULL;
        if (code == 0)
            pit_client_close(client);
    }
    return all;
}

static void followers_tell_clients_who_leads(void **state)
{
    (void)state;
    three_start_all(&three);
    bool all = false;
    for (uint32_t tries = 0; tries < 1000 && !all; tries++) /* they learn it a moment after the leader does */
        all = all_redirect(three_leader(&three));
    assert_true(all);
}

static void follower_that_was_away_comes_to_the_same(void **state)
{
    (void)state;
    three_start_all(&three);
    uint32_t leader = three_leader(&three);
    three_trade(&three, 2000, 1);
    uint32_t away = other_than(leader);
    three_stop(&three, away);
    three_trade(&three, 3000, 2);
    three_start(&three, away);
    three_trade(&three, 2000, 3);
    assert_equal_digests();
}

static void follower_far_behind_is_served_from_the_disk(void **state)
{
    (void)state;
    three_start_all(&three);
    uint32_t leader = three_leader(&three);
    uint32_t away = other_than(leader);
    three_stop(&three, away);
    three_trade(&three, FAR_BEHIND, 1);
    three_start(&three, away);
    three_trade(&three, 1000, 2);
    assert_equal_digests();
}

static void node_that_has_lost_its_disk_comes_back(void **state)
{
    (void)state;
    three_start_all(&three);
    uint32_t leader = three_leader(&three);
    three_trade(&three, 3000, 1);
    uint32_t away = other_than(leader);
    three_stop(&three, away);
    three_forget(&three, away);
    three.config[away].cluster.rejoin = true;
    three_start(&three, away);
    three_trade(&three, 2000, 2);
    assert_equal_digests();
}

static void another_node_takes_over_when_the_leader_stops(void **state)
{
    (void)state;
    three_start_all(&three);
    uint32_t leader = three_leader(&three);
    three_trade(&three, 2000, 1);
    three_stop(&three, leader);
    uint32_t next = three_leader(&three);
    assert_int_not_equal(next, leader);
    three_trade(&three, 2000, 2);
    three_start(&three, leader);
    three_trade(&three, 2000, 3);
    assert_equal_digests();
}

static void whole_cluster_starts_again_where_it_stopped(void **state)
{
    (void)state;
    three_start_all(&three);
    three_trade(&three, 3000, 1);
    uint64_t sequence = three_settle(&three);
    struct pit_digest before = three_stop(&three, 1);
    three_stop(&three, 2);
    three_stop(&three, 3);
    three_start_all(&three);
    for (uint32_t node = 1; node <= THREE_NODES; node++) {
        const struct pit_pipeline_recovered *recovered = pit_pipeline_recovered(three.pipelines[node]);
        assert_int_equal(recovered->last_sequence, sequence);
        assert_int_equal(recovered->symbols, THREE_SYMBOLS);
    }
    three_leader(&three);
    assert_int_equal(three_settle(&three), sequence); /* the symbols are there: nobody proposes them again */
    for (uint32_t node = 1; node <= THREE_NODES; node++) {
        struct pit_digest after = three_stop(&three, node);
        assert_memory_equal(&after, &before, sizeof before);
    }
}

static void node_refuses_the_directory_of_a_single_pipeline_and_the_other_way_round(void **state)
{
    (void)state;
    struct pit_error error = {0};
    struct pit_pipeline *pipeline = NULL;
    three_start_all(&three);
    three_leader(&three);
    three_settle(&three);
    three_stop(&three, 1);
    struct pit_pipeline_config single = three.config[1];
    single.cluster = (struct pit_cluster_config){0};
    assert_int_equal(pit_pipeline_create(&pipeline, &single, &error), -EINVAL);
    assert_non_null(strstr(error.text, "is the log of a cluster's node"));

    char directory[112];
    snprintf(directory, sizeof directory, "%s/single", three.root);
    single.directory = directory;
    assert_int_equal(pit_pipeline_create(&pipeline, &single, &error), 0);
    assert_int_equal(pit_pipeline_start(pipeline, &error), 0);
    assert_int_equal(pit_pipeline_stop(pipeline, THREE_PATIENCE_MS, &error), 0);
    pit_pipeline_destroy(pipeline);
    struct pit_pipeline_config node = three.config[1];
    node.directory = directory;
    assert_int_equal(pit_pipeline_create(&pipeline, &node, &error), -EINVAL);
    assert_non_null(strstr(error.text, "without a cluster"));
}

static void node_without_a_log_is_refused_unless_the_cluster_is_new(void **state)
{
    (void)state;
    struct pit_error error = {0};
    struct pit_pipeline *pipeline = NULL;
    three.config[1].cluster.begin = false;
    assert_int_equal(pit_pipeline_create(&pipeline, &three.config[1], &error), -ENODATA);
}

static void node_with_other_symbols_stops(void **state)
{
    (void)state;
    struct pit_pipeline_symbol others[THREE_SYMBOLS];
    memcpy(others, three.symbols, sizeof others);
    strcpy(others[1].definition.name, "OTHER");
    three.config[3].symbols = others;
    three_start(&three, 1);
    three_start(&three, 2);
    three_leader(&three);
    three_start(&three, 3);
    struct pit_error error = {0};
    for (uint32_t waited = 0; waited < THREE_PATIENCE_MS && !pit_pipeline_failed(three.pipelines[3], &error); waited++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_non_null(strstr(error.text, "all nodes need the same symbols"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(cluster_matches_the_same_on_every_node, prepare, tidy),
        cmocka_unit_test_setup_teardown(followers_tell_clients_who_leads, prepare, tidy),
        cmocka_unit_test_setup_teardown(follower_that_was_away_comes_to_the_same, prepare, tidy),
        cmocka_unit_test_setup_teardown(follower_far_behind_is_served_from_the_disk, prepare, tidy),
        cmocka_unit_test_setup_teardown(node_that_has_lost_its_disk_comes_back, prepare, tidy),
        cmocka_unit_test_setup_teardown(another_node_takes_over_when_the_leader_stops, prepare, tidy),
        cmocka_unit_test_setup_teardown(whole_cluster_starts_again_where_it_stopped, prepare, tidy),
        cmocka_unit_test_setup_teardown(node_refuses_the_directory_of_a_single_pipeline_and_the_other_way_round,
                                        prepare, tidy),
        cmocka_unit_test_setup_teardown(node_without_a_log_is_refused_unless_the_cluster_is_new, prepare, tidy),
        cmocka_unit_test_setup_teardown(node_with_other_symbols_stops, prepare, tidy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
