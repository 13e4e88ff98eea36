/* test/stages/test_recovery.c - a start from a snapshot and the journal after it is the start from the whole journal.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "journal/block.h"
#include "journal/disk_layer.h"
#include "journal/snapshot.h"
#include "local_run.h"
#include "stages/pipeline_parts.h"

#define COMMANDS 90000u /* two segments and a bit */
#define LAST (COMMANDS + LOCAL_SYMBOLS)

static int make(void **state)
{
    if (local_run_directory_make(state))
        return -1;
    local_run_whole("whole", COMMANDS, 0);
    return 0;
}

/* What a start must have, whatever it began with. */
struct past {
    struct pit_digest digest;
    struct pit_journal_end end;
    uint64_t last_time_ns, last_sequence, orders;
    uint64_t results, results_digest;
    uint32_t request;
    uint32_t definitions_count;
    uint8_t owners[LOCAL_SYMBOLS];
    struct pit_symbol_definition definitions[LOCAL_SYMBOLS];
    struct pit_publisher_past past[LOCAL_SYMBOLS];
};

/* Starts nothing: looks at what create recovered. Returns the snapshot it began with. */
static uint64_t recover(const char *name, uint32_t matchers, struct local_run *run, struct past *past)
{
    struct pit_error error = {0};
    local_run_prepare(run, name, 0);
    run->config.matchers = matchers;
    if (pit_pipeline_create(&run->pipeline, &run->config, &error))
        fail_msg("%s", error.text);
    const struct pit_pipeline *pipeline = run->pipeline;
    memset(past, 0, sizeof *past);
    past->digest = pit_pipeline_digest(pipeline);
    past->end = pipeline->end;
    past->last_time_ns = pipeline->last_time_ns;
    past->last_sequence = pipeline->recovered.last_sequence;
    past->orders = pipeline->recovered.orders;
    past->results = pit_results_count(pipeline->results);
    past->results_digest = pit_results_digest(pipeline->results);
    past->request = pit_results_last(pipeline->results, 1);
    past->definitions_count = pipeline->definitions_count;
    memcpy(past->owners, pipeline->owners, sizeof past->owners);
    memcpy(past->definitions, pipeline->definitions, sizeof past->definitions);
    memcpy(past->past, pipeline->past, sizeof past->past);
    const uint64_t snapshot = pipeline->recovered.snapshot, commands = pipeline->recovered.commands;
    assert_int_equal(snapshot + commands, past->last_sequence);
    pit_pipeline_destroy(run->pipeline);
    return snapshot;
}

static void assert_past_equal(const struct past *part, const struct past *whole)
{
    assert_memory_equal(&part->digest, &whole->digest, sizeof whole->digest);
    assert_int_equal(part->end.blocks, whole->end.blocks);
    assert_int_equal(part->end.sequence, whole->end.sequence);
    assert_int_equal(part->end.time_ns, whole->end.time_ns);
    assert_int_equal(part->end.offset, whole->end.offset);
    assert_int_equal(part->end.block_offset, whole->end.block_offset);
    assert_int_equal(part->end.segment_first_block, whole->end.segment_first_block);
    assert_int_equal(part->end.segments, whole->end.segments);
    assert_int_equal(part->end.crc, whole->end.crc);
    assert_memory_equal(part->end.journal_id, whole->end.journal_id, sizeof whole->end.journal_id);
    assert_memory_equal(part->owners, whole->owners, sizeof whole->owners);
    assert_memory_equal(part->definitions, whole->definitions, sizeof whole->definitions);
    for (uint32_t symbol = 0; symbol < LOCAL_SYMBOLS; symbol++) {
        assert_int_equal(part->past[symbol].trades, whole->past[symbol].trades);
        assert_int_equal(part->past[symbol].last_price, whole->past[symbol].last_price);
        assert_int_equal(part->past[symbol].last_quantity, whole->past[symbol].last_quantity);
    }
    assert_int_equal(part->results, whole->results);
    assert_true(part->results_digest == whole->results_digest);
    assert_int_equal(part->request, whole->request);
    assert_int_equal(part->definitions_count, whole->definitions_count);
    assert_int_equal(part->last_time_ns, whole->last_time_ns);
    assert_int_equal(part->orders, whole->orders);
}

static void start_from_any_snapshot_has_the_past_of_the_whole(void **state)
{
    (void)state;
    static const uint64_t at[] = {1, LOCAL_SYMBOLS, 100, 16384, 32768, 50000, 65535, 70000, LAST - 1, LAST};
    struct local_run run;
    for (uint32_t matchers = 1; matchers <= 2; matchers++) {
        char name[32];
        struct past whole, part;
        snprintf(name, sizeof name, "any-%u", matchers);
        local_run_copy("whole", name);
        assert_int_equal(recover(name, matchers, &run, &whole), 0);
        assert_true(whole.orders > 10 && whole.past[0].trades > 1000 && whole.results == PIT_RESULTS_WINDOW);
        for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
            local_run_snapshot(name, at[i], false);
            assert_int_equal(recover(name, matchers, &run, &part), at[i]);
            assert_past_equal(&part, &whole);
        }
    }
}

static void run_from_a_snapshot_goes_on_as_the_whole(void **state)
{
    (void)state;
    local_run_copy("whole", "on-whole");
    local_run_copy("whole", "on-part");
    local_run_snapshot("on-part", 60000, false);
    struct pit_digest whole = local_run_whole("on-whole", 20000, 500000);
    struct pit_digest part = local_run_whole("on-part", 20000, 500000);
    assert_memory_equal(&part, &whole, sizeof whole);
    struct pit_replay_result result;
    struct pit_digest replayed = local_run_replay("on-part", 0, &result, NULL);
    assert_memory_equal(&replayed, &whole, sizeof whole);
    assert_int_equal(result.commands, LAST + 20000);
    assert_true(result.digests_compared >= 7); /* six on the way, and at each clean stop */
}

static void flip(const char *path, long offset)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_true(fputc(byte ^ 1, file) != EOF);
    assert_int_equal(fclose(file), 0);
}

static void bad_snapshots_are_passed_over_with_a_warning(void **state)
{
    (void)state;
    struct local_run run;
    struct past whole, part;
    char file[PIT_SNAPSHOT_NAME_BYTES];
    local_run_copy("whole", "bad");
    recover("bad", 1, &run, &whole);
    local_run_snapshot("bad", 20000, false);
    local_run_snapshot("bad", 40000, false);
    local_run_snapshot("bad", 60000, true); /* whole in itself, and not the live run's state */
    assert_int_equal(recover("bad", 1, &run, &part), 40000);
    assert_non_null(strstr(run.said, "warning: the digest at sequence 65536 differs"));
    assert_past_equal(&part, &whole);
    pit_snapshot_name(file, 40000);
    flip(local_run_path("bad", file), 1000);
    assert_int_equal(recover("bad", 1, &run, &part), 20000);
    assert_non_null(strstr(run.said, "a chunk's checksum is wrong"));
    assert_past_equal(&part, &whole);
    pit_snapshot_name(file, 20000);
    assert_int_equal(truncate(local_run_path("bad", file), 3000), 0);
    assert_int_equal(recover("bad", 1, &run, &part), 0);
    assert_past_equal(&part, &whole);
}

static void snapshot_of_another_journal_or_ahead_of_this_one_is_passed_over(void **state)
{
    (void)state;
    struct local_run run;
    struct past past;
    char from[512], file[PIT_SNAPSHOT_NAME_BYTES];
    local_run_whole("short", 3000, 7);
    local_run_whole("short", 2000, 5000); /* another run: no block has commands of both */
    local_run_whole("other", 3000, 9);
    local_run_snapshot("other", 2000, false);
    pit_snapshot_name(file, 2000);
    snprintf(from, sizeof from, "%s", local_run_path("other", file));
    assert_int_equal(rename(from, local_run_path("short", file)), 0);
    assert_int_equal(recover("short", 1, &run, &past), 0);
    assert_non_null(strstr(run.said, "is of another journal"));
    assert_int_equal(unlink(local_run_path("short", file)), 0);

    local_run_copy("short", "cut");
    local_run_snapshot("cut", 1000, false);
    local_run_snapshot("cut", 5000, false);
    char segment[PIT_JOURNAL_NAME_BYTES];
    pit_journal_segment_name(segment, 1);
    struct pit_replay_result result;
    local_run_replay("cut", 3000, &result, NULL);
    /* cut on purpose, as an operator does who gives up what is behind */
    struct pit_journal_reader *reader;
    struct pit_journal_record record;
    struct pit_error error = {0};
    assert_int_equal(pit_journal_reader_open(&reader, pit_disk_machine(), local_run_path("cut", ""), &error), 0);
    uint64_t offset = 0, total;
    while (pit_journal_reader_next(reader, &record, &error) == 1 && record.block <= result.last_block)
        pit_journal_reader_progress(reader, &offset, &total);
    pit_journal_reader_close(reader);
    assert_int_equal(truncate(local_run_path("cut", segment), (off_t)offset), 0);
    assert_int_equal(recover("cut", 1, &run, &past), 1000);
    assert_true(past.last_sequence >= 3000 && past.last_sequence < 5000);
    assert_non_null(strstr(run.said, "it ends at sequence"));
    assert_non_null(strstr(run.said, "shorter than it was made"));
}

/* A disk on which snapshots cannot be read, so many times. */
struct refusing {
    struct pit_disk_layer layer; /* first */
    uint32_t times;
    int file; /* the last that was opened, if it is a snapshot */
};

static int refusing_open(void *context, const char *path, uint32_t flags)
{
    struct refusing *refusing = context;
    const struct pit_disk *under = refusing->layer.under;
    const int file = under->open(under->context, path, flags);
    refusing->file = pit_snapshot_sequence(strrchr(path, '/') + 1) ? file : -1;
    return file;
}

static int64_t refusing_read(void *context, int file, void *bytes, size_t count, uint64_t offset)
{
    struct refusing *refusing = context;
    const struct pit_disk *under = refusing->layer.under;
    if (file != refusing->file || refusing->times == 0)
        return under->read(under->context, file, bytes, count, offset);
    refusing->times--;
    return -EIO;
}

/* A read that fails is no damage: a node of a cluster that took it for that would put a good log aside. */
static void snapshot_that_stands_for_the_beginning_is_read_twice(void **state)
{
    (void)state;
    struct local_run run;
    struct pit_error error = {0};
    struct refusing refusing = {.file = -1, .times = UINT32_MAX};
    char segment[PIT_JOURNAL_NAME_BYTES];
    local_run_copy("whole", "unread");
    local_run_snapshot("unread", LAST, false);
    pit_disk_layer_init(&refusing.layer, pit_disk_machine());
    refusing.layer.disk.open = refusing_open;
    refusing.layer.disk.read = refusing_read;
    local_run_prepare(&run, "unread", 0);
    run.config.disk = &refusing.layer.disk;
    if (pit_pipeline_create(&run.pipeline, &run.config, &error)) /* the whole journal is there */
        fail_msg("%s", error.text);
    pit_pipeline_destroy(run.pipeline);
    pit_journal_segment_name(segment, 1);
    assert_int_equal(unlink(local_run_path("unread", segment)), 0);
    assert_int_equal(pit_pipeline_create(&run.pipeline, &run.config, &error), -EIO);
    assert_non_null(strstr(error.text, "cannot read a snapshot in "));
    assert_non_null(strstr(error.text, "Input/output error. See to the disk, and start again"));
    assert_non_null(strstr(error.text, "the first segment, 00000000000000000001.journal, is missing"));
    refusing.times = 1;
    if (pit_pipeline_create(&run.pipeline, &run.config, &error))
        fail_msg("%s", error.text);
    pit_pipeline_destroy(run.pipeline);
}

static void journal_without_its_beginning_starts_from_a_snapshot_or_not_at_all(void **state)
{
    (void)state;
    struct local_run run;
    struct past whole, part;
    struct pit_error error = {0};
    char segment[PIT_JOURNAL_NAME_BYTES], file[PIT_SNAPSHOT_NAME_BYTES];
    recover("whole", 1, &run, &whole);
    local_run_copy("whole", "rest");
    local_run_snapshot("rest", 20000, false);
    local_run_snapshot("rest", LAST, false);
    pit_journal_segment_name(segment, 1);
    assert_int_equal(unlink(local_run_path("rest", segment)), 0);
    assert_int_equal(recover("rest", 1, &run, &part), LAST);
    assert_memory_equal(&part.digest, &whole.digest, sizeof whole.digest);
    assert_memory_equal(&part.end.offset, &whole.end.offset, sizeof whole.end.offset);
    struct pit_digest on = local_run_whole("rest", 1000, 500000);
    assert_true(on.events_count > whole.digest.events_count);

    /* the older one stands before what is there */
    pit_snapshot_name(file, LAST);
    flip(local_run_path("rest", file), 1000);
    local_run_prepare(&run, "rest", 0);
    assert_int_equal(pit_pipeline_create(&run.pipeline, &run.config, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "the first segment, 00000000000000000001.journal, is missing"));
    assert_non_null(strstr(error.text, "begin with one"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_from_any_snapshot_has_the_past_of_the_whole),
        cmocka_unit_test(run_from_a_snapshot_goes_on_as_the_whole),
        cmocka_unit_test(bad_snapshots_are_passed_over_with_a_warning),
        cmocka_unit_test(snapshot_of_another_journal_or_ahead_of_this_one_is_passed_over),
        cmocka_unit_test(snapshot_that_stands_for_the_beginning_is_read_twice),
        cmocka_unit_test(journal_without_its_beginning_starts_from_a_snapshot_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, make, local_run_directory_remove);
}
