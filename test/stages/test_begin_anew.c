/* test/stages/test_begin_anew.c - three pipelines that are one cluster, one of which has lost what it needs: the
 * others' log is gone, or its own. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "journal/block.h"
#include "journal/snapshot.h"
#include "journal/snapshot_format.h"
#include "test/stages/three_pipelines.h"

#define TRADES 250000u /* more than the engine keeps in memory */

static struct three_pipelines three;
static char said[1u << 16]; /* by node */
static size_t said_bytes;

static void say(void *context, const char *line)
{
    (void)context;
    const size_t bytes = strlen(line);
    if (said_bytes + bytes + 2 > sizeof said)
        return;
    memcpy(said + said_bytes, line, bytes);
    said_bytes += bytes;
    said[said_bytes++] = '\n';
    said[said_bytes] = 0;
}

static int prepare(void **state)
{
    (void)state;
    three_prepare(&three);
    for (uint32_t node = 1; node <= THREE_NODES; node++) {
        three.config[node].snapshots =
            (struct pit_snapshots_plan){.every = 10000, .keep = 2, .old_segments = PIT_OLD_SEGMENTS_REMOVE};
        three.config[node].notes.say = say;
    }
    said_bytes = 0;
    said[0] = 0;
    return 0;
}

static int tidy(void **state)
{
    (void)state;
    three_remove(&three);
    return 0;
}

static bool there(uint32_t node, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", three.directories[node], name);
    return access(path, F_OK) == 0;
}

static void nap(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static void pass_warnings_on(void)
{
    char text[PIT_SNAPSHOTS_WARNING_BYTES];
    for (uint32_t node = 1; node <= THREE_NODES; node++)
        if (three.pipelines[node] && pit_pipeline_warning(three.pipelines[node], text))
            print_message("# node %u: %s\n", node, text);
}

/* So much that it can neither be in an engine's memory, nor come out of files that are open still. */
static bool beginning_is_gone(void)
{
    struct pit_pipeline_figures figures;
    for (uint32_t node = 1; node <= THREE_NODES; node++) {
        if (!three.pipelines[node])
            continue;
        pit_pipeline_look(three.pipelines[node], &figures);
        if (figures.snapshots.segments < 3)
            return false;
    }
    return true;
}

/* Trades with whoever leads, until no running node has the beginning of its log any more. */
static void trade_until_the_beginning_is_gone(void)
{
    three_trade(&three, TRADES, 2);
    for (uint32_t waited = 0; !beginning_is_gone(); waited += 20) {
        if (waited > 4 * THREE_PATIENCE_MS)
            fail_msg("no segment is removed");
        three_trade(&three, 10, waited);
        pass_warnings_on();
        nap(20); /* for the agents that write snapshots: they give way to everybody */
    }
}

static uint64_t sequence_of(uint32_t node)
{
    struct pit_cluster_figures figures;
    pit_pipeline_cluster(three.pipelines[node], &figures);
    return figures.sequence;
}

static bool rejoins(uint32_t node)
{
    struct pit_cluster_figures figures;
    pit_pipeline_cluster(three.pipelines[node], &figures);
    return figures.rejoining;
}

/* What pitline run does when a node says that it is to begin anew. False: it does not. */
static bool begin_anew(uint32_t node)
{
    struct pit_error error = {0};
    if (!pit_pipeline_failed(three.pipelines[node], &error))
        return false;
    if (error.code != -ESTALE)
        fail_msg("node %u: %s", node, error.text);
    struct pit_cluster_figures figures;
    pit_pipeline_cluster(three.pipelines[node], &figures);
    assert_true(figures.receives > 0 && figures.receives == figures.receives_of);
    pit_pipeline_stop(three.pipelines[node], THREE_PATIENCE_MS, &error);
    pit_pipeline_destroy(three.pipelines[node]);
    three.pipelines[node] = NULL;
    three_start(&three, node);
    return true;
}

/* Waits until a node has come to where the leader is, and takes part. Returns how often it began anew. */
static uint32_t catch_up(uint32_t node)
{
    uint32_t began = 0;
    uint32_t leader = three_leader(&three);
    for (uint32_t waited = 0; sequence_of(node) < sequence_of(leader) || rejoins(node); waited++) {
        if (waited > THREE_PATIENCE_MS)
            fail_msg("node %u is at %lu, the leader at %lu", node, sequence_of(node), sequence_of(leader));
        began += begin_anew(node);
        pass_warnings_on();
        nap(1);
    }
    return began;
}

static void assert_equal_digests(void)
{
    uint64_t sequence = three_settle(&three);
    struct pit_digest digests[THREE_NODES + 1];
    for (uint32_t node = 1; node <= THREE_NODES; node++)
        digests[node] = three_stop(&three, node);
    assert_true(digests[1].events_count >= sequence);
    for (uint32_t node = 2; node <= THREE_NODES; node++)
        assert_memory_equal(&digests[node], &digests[1], sizeof digests[1]);
}

/* Says of each snapshot of a node that it is of another version. Returns how many there are. */
static uint32_t set_snapshots_version(uint32_t node, uint8_t version)
{
    DIR *directory = opendir(three.directories[node]);
    assert_non_null(directory);
    uint32_t count = 0;
    for (const struct dirent *entry; (entry = readdir(directory));) {
        uint8_t bytes[PIT_SNAPSHOT_MAGIC_BYTES + 4096];
        struct pit_snapshot_chunk head;
        char path[512];
        if (pit_snapshot_sequence(entry->d_name) == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", three.directories[node], entry->d_name);
        FILE *file = fopen(path, "r+");
        assert_non_null(file);
        assert_true(fread(bytes, 1, sizeof bytes, file) > PIT_SNAPSHOT_MAGIC_BYTES + sizeof head);
        uint8_t *chunk = bytes + PIT_SNAPSHOT_MAGIC_BYTES;
        memcpy(&head, chunk, sizeof head);
        chunk[sizeof head + 1] = version; /* the array's second byte: its first element */
        head.crc = pit_journal_crc_without(chunk, sizeof head + head.bytes, offsetof(struct pit_snapshot_chunk, crc));
        memcpy(chunk, &head, sizeof head);
        assert_int_equal(fseek(file, 0, SEEK_SET), 0);
        assert_int_equal(fwrite(bytes, PIT_SNAPSHOT_MAGIC_BYTES + sizeof head + head.bytes, 1, file), 1);
        assert_int_equal(fclose(file), 0);
        count++;
    }
    closedir(directory);
    return count;
}

/* The log of a node that does not run begins after an entry, and the snapshots that stand for what is before are of a
 * later program: nothing is damaged. */
static void refuse_snapshots_of_another_version(uint32_t node)
{
    struct pit_pipeline *pipeline = NULL;
    struct pit_error error = {0};
    assert_true(set_snapshots_version(node, PIT_SNAPSHOT_VERSION + 1) > 0);
    assert_int_equal(pit_pipeline_create(&pipeline, &three.config[node], &error), -EPROTONOSUPPORT);
    assert_non_null(strstr(error.text, "use the pitline that wrote it"));
    assert_false(there(node, "damaged-1"));
    assert_false(there(node, "rejoin"));
    set_snapshots_version(node, PIT_SNAPSHOT_VERSION);
    three_start(&three, node);
    assert_false(rejoins(node));
}

static uint32_t follower(void)
{
    return three_leader(&three) % THREE_NODES + 1;
}

static void a_node_whose_missing_log_is_gone_begins_with_a_snapshot(void **state)
{
    (void)state;
    three_start_all(&three);
    uint32_t away = follower();
    three_trade(&three, 3000, 1);
    three_stop(&three, away);
    trade_until_the_beginning_is_gone();
    three_start(&three, away);
    assert_true(catch_up(away) > 0);
    if (!strstr(said, "begins with another node's snapshot of sequence"))
        fail_msg("%s", said);
    assert_true(there(away, "replaced-1"));
    three_trade(&three, 2000, 100);
    assert_equal_digests();
    refuse_snapshots_of_another_version(away);
}

/* So that a leader has to be elected with the node that came back. */
static void stop_the_leader_and_trade(void)
{
    three_stop(&three, three_leader(&three));
    three_leader(&three);
    three_trade(&three, 2000, 100);
}

static void a_node_that_lost_its_disk_rejoins(void **state)
{
    (void)state;
    three_start_all(&three);
    uint32_t lost = follower();
    three_trade(&three, 3000, 1);
    three_stop(&three, lost);
    three_forget(&three, lost);
    three_trade(&three, 3000, 2);
    three.config[lost].cluster.rejoin = true;
    three_start(&three, lost);
    three.config[lost].cluster.rejoin = false; /* said once: its log remembers */
    catch_up(lost);
    stop_the_leader_and_trade();
    for (uint32_t node = 1; node <= THREE_NODES; node++)
        if (!three.pipelines[node])
            three_start(&three, node);
    assert_equal_digests();
}

/* Changes a bit in the midst of the first segment. */
static void flip_a_bit(uint32_t node)
{
    char path[256];
    snprintf(path, sizeof path, "%s/00000000000000000001.journal", three.directories[node]);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 64 << 10, SEEK_SET), 0);
    const int byte = fgetc(file);
    assert_int_equal(fseek(file, 64 << 10, SEEK_SET), 0);
    fputc(byte ^ 1, file);
    fclose(file);
}

static void a_node_whose_log_is_damaged_puts_it_aside_and_rejoins(void **state)
{
    (void)state;
    for (uint32_t node = 1; node <= THREE_NODES; node++)
        three.config[node].snapshots = (struct pit_snapshots_plan){0};
    three_start_all(&three);
    uint32_t hurt = follower();
    three_trade(&three, 3000, 1);
    three_settle(&three); /* so that it has it all */
    three_stop(&three, hurt);
    flip_a_bit(hurt);
    three_trade(&three, 3000, 2);
    three_start(&three, hurt);
    if (!strstr(said, "WARNING: the log is damaged") || !strstr(said, "damaged-1, and nothing of it is deleted"))
        fail_msg("%s", said);
    assert_true(there(hurt, "damaged-1/00000000000000000001.journal"));
    assert_false(there(hurt, "rejoin"));
    catch_up(hurt);
    stop_the_leader_and_trade();
    for (uint32_t node = 1; node <= THREE_NODES; node++)
        if (!three.pipelines[node])
            three_start(&three, node);
    assert_equal_digests();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_node_whose_missing_log_is_gone_begins_with_a_snapshot, prepare, tidy),
        cmocka_unit_test_setup_teardown(a_node_that_lost_its_disk_rejoins, prepare, tidy),
        cmocka_unit_test_setup_teardown(a_node_whose_log_is_damaged_puts_it_aside_and_rejoins, prepare, tidy),
    };
    return cmocka_run_group_tests_name("begin_anew", tests, NULL, NULL);
}
