/* The process or the machine stops at any write of a run over several segments: whatever was durable is recovered, in
 * order, once, and the journal goes on. */
#include "fixture.h"

#include <errno.h>

#include "memory_disk.h"

#define SALT 11

/* The k-th write fails and leaves some of its pages; then the process is gone, or (cut) the machine, and with it what
 * was not synced. Whatever was durable is recovered. Returns false when the run ended before its k-th write. */
static bool crash_at_write(uint64_t k, uint64_t seed, bool cut, enum pit_journal_sync sync)
{
    struct memory_disk memory;
    struct pit_journal_options options = {.directory = DIRECTORY, .segment_bytes = SEGMENT_BYTES, .sync = sync};
    struct pit_journal_end end = {0};
    struct pit_journal *journal = NULL;
    struct pit_error error = {0};
    uint64_t sequence = 1;
    uint64_t durable = 0;
    memory_disk_init(&memory, seed);
    memory.cache = cut;
    memory.fail_write_in = k;
    memory.fail_write_code = -EIO;
    memory.torn = true;
    if (pit_journal_open(&journal, &memory.disk, &options, &end, &error) == 0) {
        for (int i = 0; i < 12 && !pit_journal_failed(journal, NULL); i++) {
            for (int c = 0; c < 12000; c++) {
                struct pit_command command = fixture_command(sequence, SALT);
                sequence += pit_journal_append(journal, &command);
            }
            pit_journal_commit(journal);
            for (int p = 0; p < i % 3; p++)
                pit_journal_prepare_work(journal);
            pit_journal_disk_work(journal);
            durable = pit_journal_durable(journal);
        }
    }
    bool failed = memory.fail_write_in == 0;
    struct memory_disk crashed;
    if (cut)
        memory_disk_crash(&crashed, &memory);
    else
        memory_disk_copy(&crashed, &memory);
    pit_journal_close(journal);
    memory_disk_free(&memory);
    int result = fixture_read(&crashed.disk, DIRECTORY, SALT, &end, NULL, &error);
    if (result < 0 && result != -ENOENT)
        fail_msg("crash at write %lu: %s", k, error.text);
    if (end.sequence < durable)
        fail_msg("crash at write %lu: %lu was durable, %lu is recovered", k, durable, end.sequence);
    assert_true(end.sequence < sequence);
    fixture_goes_on(&crashed.disk, SALT, end.sequence);
    memory_disk_free(&crashed);
    return failed;
}

static void crash_at_every_write(bool cut, enum pit_journal_sync sync)
{
    uint64_t seed = fixture_seed();
    uint64_t k = 1;
    while (crash_at_write(k, fixture_random(&seed), cut, sync))
        k += 1 + STEP / 8;
    assert_true(k > 20);
}

static void a_process_gone_at_any_write_loses_nothing_durable(void **state)
{
    (void)state;
    crash_at_every_write(false, PIT_JOURNAL_SYNC_AUTO);
}

static void power_lost_at_any_write_loses_nothing_durable(void **state)
{
    (void)state;
    crash_at_every_write(true, PIT_JOURNAL_SYNC_AUTO);
}

static void power_lost_at_any_write_loses_nothing_durable_with_fdatasync(void **state)
{
    (void)state;
    crash_at_every_write(true, PIT_JOURNAL_SYNC_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_gone_at_any_write_loses_nothing_durable),
        cmocka_unit_test(power_lost_at_any_write_loses_nothing_durable),
        cmocka_unit_test(power_lost_at_any_write_loses_nothing_durable_with_fdatasync),
    };
    return cmocka_run_group_tests_name("crash", tests, NULL, NULL);
}
