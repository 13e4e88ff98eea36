/* How fast the journal writes and reads: bench_journal [DIRECTORY]. A measurement, not a test.
 *
 *   closed loop   one group commit after another, each of so many commands: time until durable
 *   open loop     the journaler fills blocks as fast as it can while the disk thread writes
 *   reader        everything that was written, checked and walked
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <dirent.h>

#include "journal/writer.h"
#include "ring/check.h"
#include "ring/sequence.h"

#define SEGMENT_BYTES (UINT64_C(256) << 20)
#define CLOSED_NS UINT64_C(700000000)
#define OPEN_COMMANDS UINT64_C(12000000)
#define ROUNDS_MAX 100000u

static char directory[256];
static struct pit_sequence stop;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void *disk_thread(void *argument)
{
    while (pit_sequence_load(&stop) == 0)
        if (!pit_journal_disk_work(argument))
            sched_yield();
    return NULL;
}

static void *preparer_thread(void *argument)
{
    while (pit_sequence_load(&stop) == 0)
        if (!pit_journal_prepare_work(argument))
            usleep(1000);
    return NULL;
}

static struct pit_journal *journal_open(enum pit_journal_sync sync)
{
    struct pit_journal_options options = {.directory = directory, .segment_bytes = SEGMENT_BYTES, .sync = sync};
    struct pit_journal_end nothing = {0};
    struct pit_journal *journal;
    struct pit_error error;
    if (pit_journal_open(&journal, pit_disk_machine(), &options, &nothing, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    return journal;
}

static void directory_clear(void)
{
    DIR *list = opendir(directory);
    const struct dirent *entry;
    char path[1024];
    while (list && (entry = readdir(list))) {
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    if (list)
        closedir(list);
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static void check(struct pit_journal *journal)
{
    struct pit_error error;
    if (!pit_journal_failed(journal, &error))
        return;
    fprintf(stderr, "%s\n", error.text);
    exit(1);
}

static void closed_loop(uint32_t batch, enum pit_journal_sync sync)
{
    static uint64_t took_ns[ROUNDS_MAX];
    struct pit_journal *journal = journal_open(sync);
    struct pit_command command = {.sequence = 1, .kind = PIT_COMMAND_NEW};
    uint32_t rounds = 0;
    uint64_t total = 0;
    while (pit_journal_prepare_work(journal))
        ;
    while (total < CLOSED_NS && rounds < ROUNDS_MAX) {
        uint64_t began = now_ns();
        for (uint32_t i = 0; i < batch; i++, command.sequence++)
            PIT_CHECK(pit_journal_append(journal, &command));
        PIT_CHECK(pit_journal_commit(journal) && pit_journal_disk_work(journal));
        check(journal);
        took_ns[rounds] = now_ns() - began;
        total += took_ns[rounds++];
        while (pit_journal_prepare_work(journal))
            ; /* not in the time: on a machine with cores to spare it runs beside */
    }
    struct pit_journal_statistics statistics = pit_journal_statistics(journal);
    qsort(took_ns, rounds, sizeof *took_ns, compare);
    printf("  %8u %8lu KiB %9.0f %9.0f %11.3f %9.0f\n", batch, statistics.bytes / statistics.blocks / 1024,
           (double)took_ns[rounds / 2] / 1e3, (double)took_ns[rounds * 99UL / 100] / 1e3,
           (double)statistics.commands * 1e3 / (double)total, (double)statistics.bytes * 1e3 / (double)total);
    pit_journal_close(journal);
    directory_clear();
}

static void open_loop(enum pit_journal_sync sync, uint64_t commands)
{
    struct pit_journal *journal = journal_open(sync);
    struct pit_command command = {.sequence = 1, .kind = PIT_COMMAND_NEW};
    pthread_t threads[2];
    pit_sequence_store(&stop, 0);
    pthread_create(&threads[0], NULL, disk_thread, journal);
    pthread_create(&threads[1], NULL, preparer_thread, journal);
    uint64_t began = now_ns();
    while (pit_journal_durable(journal) < commands) {
        uint32_t copied = 0;
        while (command.sequence <= commands && copied < 512 && pit_journal_append(journal, &command)) {
            command.sequence++;
            copied++;
        }
        if (!pit_journal_commit(journal) && copied == 0)
            sched_yield();
        check(journal);
    }
    double seconds = (double)(now_ns() - began) / 1e9;
    pit_sequence_store(&stop, 1);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    struct pit_journal_statistics statistics = pit_journal_statistics(journal);
    printf("  %.2f M commands/s, %.0f MB/s, %lu KiB a block, %.0f us a write, longest %.1f ms (%s)\n",
           (double)commands / seconds / 1e6, (double)statistics.bytes / seconds / 1e6,
           statistics.bytes / statistics.blocks / 1024,
           (double)statistics.write_ns_total / (double)statistics.blocks / 1e3, (double)statistics.write_ns_max / 1e6,
           pit_journal_method(journal));
    pit_journal_close(journal);
}

static void read_all(void)
{
    struct pit_journal_reader *reader;
    struct pit_journal_record record;
    struct pit_error error;
    uint64_t commands = 0;
    uint64_t sum = 0;
    uint64_t began = now_ns();
    int result = pit_journal_reader_open(&reader, pit_disk_machine(), directory, &error);
    while (result >= 0 && (result = pit_journal_reader_next(reader, &record, &error)) == 1) {
        const struct pit_command *command;
        uint32_t at = 0;
        while ((command = pit_journal_record_command(&record, &at))) {
            sum += command->sequence;
            commands++;
        }
    }
    if (result < 0) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    double seconds = (double)(now_ns() - began) / 1e9;
    printf("  %.2f M commands/s (%lu commands, sum %lx)\n", (double)commands / seconds / 1e6, commands, sum);
    pit_journal_reader_close(reader);
}

int main(int argc, char **argv)
{
    const char *parent = argc > 1 ? argv[1] : getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/pit-bench-journal-XXXXXX", parent ? parent : "/tmp");
    if (!mkdtemp(directory)) {
        perror(directory);
        return 1;
    }
    printf("closed loop, O_DIRECT where possible: commands a commit, block, p50 us, p99 us, M commands/s, MB/s\n");
    for (uint32_t batch = 1; batch <= 16000; batch = batch == 1 ? 62 : batch == 62 ? 1000 : batch * 4)
        closed_loop(batch, PIT_JOURNAL_SYNC_AUTO);
    printf("closed loop, fdatasync\n");
    for (uint32_t batch = 62; batch <= 16000; batch = batch == 62 ? 1000 : batch * 16)
        closed_loop(batch, PIT_JOURNAL_SYNC_DATA);
    printf("open loop, %lu commands of 64 bytes\n", OPEN_COMMANDS);
    open_loop(PIT_JOURNAL_SYNC_DATA, OPEN_COMMANDS / 4);
    directory_clear();
    open_loop(PIT_JOURNAL_SYNC_AUTO, OPEN_COMMANDS);
    printf("reader: from the disk's or the kernel's cache, then again\n");
    read_all();
    read_all();
    directory_clear();
    rmdir(directory);
    return 0;
}
