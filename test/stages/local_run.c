#include "local_run.h"

#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

static char directory[64];
static struct pit_snapshot_past trades[PIT_SYMBOLS_MAX]; /* of the last replay */
static struct pit_results *results;                      /* likewise */
static struct pit_pipeline_symbol symbols[LOCAL_SYMBOLS];

int local_run_directory_make(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/pitline-test-XXXXXX");
    for (uint32_t i = 0; i < LOCAL_SYMBOLS; i++) {
        symbols[i].matcher = PIT_MATCHER_ROUND_ROBIN;
        symbols[i].definition = (struct pit_symbol_definition){.price_min = 1,
                                                               .price_max = 1000000,
                                                               .quantity_max = 1000000,
                                                               .orders_max = 65536,
                                                               .levels_max = 1024,
                                                               .tick_mantissa = 1,
                                                               .lot_mantissa = 1};
        snprintf(symbols[i].definition.name, sizeof symbols[i].definition.name, "S%u", (uint8_t)i);
    }
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

int local_run_directory_remove(void **state)
{
    (void)state;
    return nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *local_run_path(const char *name, const char *file)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s/%s", directory, name, file);
    return path;
}

static void copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    char bytes[1 << 16];
    size_t got;
    assert_true(in && out);
    while ((got = fread(bytes, 1, sizeof bytes, in)) > 0)
        assert_int_equal(fwrite(bytes, 1, got, out), got);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

void local_run_copy(const char *from, const char *to)
{
    char path[512];
    snprintf(path, sizeof path, "%s", local_run_path(from, ""));
    assert_int_equal(mkdir(local_run_path(to, ""), 0700), 0);
    DIR *entries = opendir(path);
    assert_non_null(entries);
    for (const struct dirent *entry; (entry = readdir(entries));) {
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "lock") == 0)
            continue;
        snprintf(path, sizeof path, "%s", local_run_path(from, entry->d_name));
        copy_file(path, local_run_path(to, entry->d_name));
    }
    closedir(entries);
}

/* New orders and cancels around one price. */
static bool fill(void *context, struct pit_command *command)
{
    struct local_run *run = context;
    if (run->left == 0)
        return false;
    if (run->left != UINT32_MAX)
        run->left--;
    run->seed = run->seed * 6364136223846793005u + 1442695040888963407u;
    uint64_t dice = run->seed >> 33;
    bool cancel = dice % 10 < 3 && run->client_id > 20;
    command->order_id = 0; /* all but sequence, which readers are looking at, and time */
    command->client_id = cancel ? run->client_id - dice / 64 % 20 : ++run->client_id;
    command->price = cancel ? 0 : 95 + (int64_t)(dice / 4 % 11);
    command->quantity = cancel ? 0 : 1 + dice / 128 % 9;
    command->account = 1;
    command->request = (uint32_t)run->client_id;
    command->kind = cancel ? PIT_COMMAND_CANCEL : PIT_COMMAND_NEW;
    command->side = cancel ? 0 : (uint8_t)(dice / 2 % 2);
    command->tif = PIT_TIF_GTC;
    command->flags = 0;
    command->symbol = (uint32_t)(command->client_id % LOCAL_SYMBOLS);
    return true;
}

static void take(void *context, const struct pit_event *event)
{
    (void)context;
    (void)event;
}

static void keep(void *context, const char *line)
{
    struct local_run *run = context;
    size_t used = strlen(run->said);
    snprintf(run->said + used, sizeof run->said - used, "%s\n", line);
}

void local_run_prepare(struct local_run *run, const char *name, uint32_t commands)
{
    memset(run, 0, sizeof *run);
    run->seed = 11;
    run->left = commands;
    run->ends = (struct pit_local_ends){.fill = fill, .take = take, .context = run};
    snprintf(run->data, sizeof run->data, "%s/%s", directory, name);
    run->config = (struct pit_pipeline_config){.name = "test",
                                               .directory = run->data,
                                               .symbols = symbols,
                                               .symbols_count = LOCAL_SYMBOLS,
                                               .ends = &run->ends,
                                               .threads = PIT_THREADS_SHARED,
                                               .input_slots = 4096,
                                               .output_slots = 1024,
                                               .segment_bytes = 4 << 20,
                                               .sync = PIT_JOURNAL_SYNC_NEVER,
                                               .notes = {.say = keep, .context = run}};
}

void local_run_start(struct local_run *run)
{
    struct pit_error error = {0};
    if (pit_pipeline_create(&run->pipeline, &run->config, &error) != 0 ||
        pit_pipeline_start(run->pipeline, &error) != 0)
        fail_msg("%s", error.text);
}

void local_run_answered(const struct local_run *run, uint64_t commands)
{
    struct pit_pipeline_figures figures;
    struct pit_error error = {0};
    do {
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
        pit_pipeline_look(run->pipeline, &figures);
        if (pit_pipeline_failed(run->pipeline, &error))
            fail_msg("%s", error.text);
    } while (figures.answered < commands);
}

struct pit_digest local_run_stop(struct local_run *run)
{
    struct pit_error error = {0};
    if (pit_pipeline_stop(run->pipeline, 60000, &error) != 0)
        fail_msg("%s", error.text);
    struct pit_digest digest = pit_pipeline_digest(run->pipeline);
    pit_pipeline_destroy(run->pipeline);
    return digest;
}

struct pit_digest local_run_whole(const char *name, uint32_t commands, uint64_t seed)
{
    struct local_run run;
    local_run_prepare(&run, name, commands);
    run.seed = seed;
    run.client_id = seed; /* of runs after each other: no id twice */
    local_run_start(&run);
    local_run_answered(&run, commands);
    return local_run_stop(&run);
}

static void *reserve(void *context, size_t bytes, size_t alignment)
{
    (void)context;
    (void)alignment; /* a page is more than any asks for */
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

static bool count_trade(void *context, const struct pit_command *command, const struct pit_event *event)
{
    pit_results_add(results, context, event, command->sequence);
    if (event->kind == PIT_EVENT_TRADE) {
        trades[event->symbol].trades++;
        trades[event->symbol].last_price = event->price;
        trades[event->symbol].last_quantity = event->quantity;
    }
    return true;
}

struct pit_digest local_run_replay(const char *name, uint64_t until, struct pit_replay_result *result,
                                   struct pit_market **market)
{
    const struct pit_reserve memory = {.reserve = reserve};
    struct pit_result progress = {0};
    struct pit_market *own = pit_market_create(&memory);
    struct pit_replay_options options = {.markets = &own,
                                         .markets_count = 1,
                                         .until = until,
                                         .verify = true,
                                         .event = count_trade,
                                         .event_context = &progress};
    struct pit_error error = {0};
    if (results)
        pit_results_clear(results);
    else
        assert_int_equal(pit_results_create(&results, 0, NULL), 0);
    memset(trades, 0, sizeof trades);
    if (pit_replay(pit_disk_machine(), local_run_path(name, ""), &options, result, &error) != 0)
        fail_msg("%s", error.text);
    if (market)
        *market = own;
    return pit_market_full_digest(own);
}

void local_run_snapshot(const char *name, uint64_t sequence, bool spoil)
{
    struct pit_replay_result result;
    struct pit_market *market;
    struct pit_error error = {0};
    local_run_replay(name, sequence, &result, &market);
    if (spoil)
        pit_market_restore_strangers(market, 1, 0);
    struct pit_snapshot_header header = {.sequence = sequence,
                                         .block = result.last_block,
                                         .time_ns = result.last_time_ns,
                                         .command = result.last_command};
    const char *data = local_run_path(name, "");
    if (pit_snapshot_journal_id(pit_disk_machine(), data, header.journal_id, &error) ||
        pit_snapshot_write(pit_disk_machine(), data, &market, 1, trades, results, &header, &error))
        fail_msg("%s", error.text);
}
