/* test/replay/live.c - see live.h. */
#include "live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "to_log.h"

static void *reserve(void *context, size_t bytes, size_t alignment)
{
    (void)context;
    (void)alignment; /* a page is more than any asks for */
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        abort();
    return memory;
}

struct pit_reserve live_reserve(void)
{
    return (struct pit_reserve){.reserve = reserve};
}

static void sink_full(struct pit_event_sink *sink)
{
    (void)sink;
    fprintf(stderr, "the run has more events than the test keeps\n");
    abort();
}

static uint64_t random_next(struct live *live)
{
    live->random ^= live->random << 13;
    live->random ^= live->random >> 7;
    live->random ^= live->random << 17;
    return live->random;
}

static void define(struct live *live, uint32_t symbol)
{
    struct pit_command command = {.kind = PIT_COMMAND_SYMBOL, .symbol = symbol, .flags = PIT_COMMAND_WIDE};
    struct pit_symbol_definition *definition = &command.definition;
    snprintf(definition->name, sizeof definition->name, "SYM%u", symbol);
    definition->price_min = 1;
    definition->price_max = 100000;
    definition->quantity_max = 1000000;
    definition->orders_max = 1u << 16;
    definition->levels_max = 4096;
    definition->tick_mantissa = 1;
    definition->tick_decimals = 2;
    definition->lot_mantissa = 1;
    live_command(live, &command);
}

void live_begin(struct live *live, const struct pit_disk *disk, uint64_t seed)
{
    *live = (struct live){.disk = disk, .random = seed * 2 + 1, .reserve = live_reserve()};
    struct pit_event *slots = live->reserve.reserve(NULL, LIVE_SINK_SLOTS * sizeof *slots, 128);
    live->sink = (struct pit_event_sink){.slots = slots,
                                         .mask = LIVE_SINK_SLOTS - 1,
                                         .next = 1,
                                         .limit = LIVE_SINK_SLOTS,
                                         .folded = 1,
                                         .make_room = sink_full};
    live->market = pit_market_create(&live->reserve);
    live->as_log = getenv("PIT_LIVE_AS_LOG") != NULL;
    if (disk && live->as_log)
        pit_journal_unlock(disk, pit_journal_lock(disk, "single", NULL)); /* makes the directory */
    if (disk) {
        struct pit_journal_options options = {.directory = live->as_log ? "single" : "journal",
                                              .segment_bytes = PIT_JOURNAL_SEGMENT_BYTES_MIN,
                                              .sync = PIT_JOURNAL_SYNC_AUTO};
        struct pit_journal_end end = {0};
        struct pit_error error = {0};
        if (pit_journal_open(&live->journal, disk, &options, &end, &error)) {
            fprintf(stderr, "%s\n", error.text);
            abort();
        }
    }
    for (uint32_t symbol = 0; symbol < LIVE_SYMBOLS; symbol++)
        define(live, symbol);
}

static void push(struct live *live)
{
    pit_journal_commit(live->journal);
    pit_journal_disk_work(live->journal);
    pit_journal_prepare_work(live->journal);
    pit_journal_durable(live->journal);
}

static void journal_digest(struct live *live, bool full)
{
    struct pit_digest digest = live->noted;
    if (live->noted_at == live->digest_spoil)
        digest.events ^= 1;
    if (live->noted_at != live->digest_skip)
        while (!pit_journal_append_digest(live->journal, live->noted_at, &digest, full))
            push(live);
    live->noted_at = 0;
}

void live_command(struct live *live, struct pit_command *command)
{
    command->sequence = ++live->sequence;
    command->time_ns = 1000000 * live->sequence;
    pit_market_apply(live->market, command, &live->sink);
    if (!live->journal)
        return;
    while (!pit_journal_append(live->journal, command))
        push(live);
    if (live->sequence % 500 == 0)
        push(live);
    if (live->sequence % PIT_JOURNAL_DIGEST_EVERY == 0) {
        live->noted = pit_market_event_digest(live->market);
        live->noted_at = live->sequence;
    }
    if (live->noted_at && live->sequence == live->noted_at + live->digest_lag)
        journal_digest(live, false);
}

/* Every kind, mostly sensible: prices near each other, ids of orders that may live, symbols that may not exist. */
static struct pit_command random_command(struct live *live)
{
    uint64_t r = random_next(live);
    uint64_t back = random_next(live) % 300 + 1;
    struct pit_command command = {
        .account = (uint32_t)(r % 5 + 1),
        .symbol = (uint32_t)(r >> 8) % (r % 97 == 0 ? LIVE_SYMBOLS + 2 : LIVE_SYMBOLS),
        .request = (uint32_t)live->sequence,
        .side = (r >> 16) & 1,
        .price = (int64_t)((r >> 20) % 60 + 1000),
        .quantity = (r >> 32) % 50 + 1,
        .client_id = (r >> 40) % 3 ? 0 : live->sequence,
    };
    uint64_t what = (r >> 48) % 100;
    if (what < 55) {
        command.kind = PIT_COMMAND_NEW;
        command.tif = what < 45 ? PIT_TIF_GTC : what < 50 ? PIT_TIF_IOC : PIT_TIF_FOK;
        command.flags = what < 4 ? PIT_COMMAND_POST_ONLY : 0;
    } else {
        command.kind = what < 75 ? PIT_COMMAND_CANCEL : what < 85 ? PIT_COMMAND_REDUCE : PIT_COMMAND_REPLACE;
        command.order_id = live->sequence > back ? live->sequence - back : 0;
        command.client_id = 0;
    }
    if (what == 99 && r % 10 == 0) {
        command.kind = PIT_COMMAND_STATE;
        command.account = 0;
        command.quantity = r % 40 == 0; /* halted a quarter of the time */
    }
    return command;
}

void live_run(struct live *live, uint64_t commands)
{
    for (uint64_t i = 0; i < commands; i++) {
        struct pit_command command = random_command(live);
        live_command(live, &command);
    }
}

static void drain(struct live *live)
{
    while (!pit_journal_idle(live->journal) && !pit_journal_failed(live->journal, NULL))
        push(live);
    pit_journal_close(live->journal);
    live->journal = NULL;
    if (live->as_log)
        to_log(live->disk, "single", "journal", live->random, PIT_JOURNAL_SEGMENT_BYTES_MIN);
}

void live_stop(struct live *live, bool spoil_state)
{
    if (live->noted_at)
        journal_digest(live, false);
    live->noted = pit_market_full_digest(live->market);
    live->noted.state ^= spoil_state;
    live->noted_at = live->sequence;
    journal_digest(live, true);
    drain(live);
}

void live_kill(struct live *live)
{
    drain(live);
}

void live_end(struct live *live)
{
    if (live->journal)
        drain(live);
    munmap(live->sink.slots, LIVE_SINK_SLOTS * sizeof *live->sink.slots);
}
