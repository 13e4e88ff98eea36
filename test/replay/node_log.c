/* test/replay/node_log.c - see node_log.h. */
#include "node_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/log_image.h"
#include "journal/snapshot.h"
#include "replay/replay.h"

static const uint64_t members[] = {3, 1, 2, 3};

static uint64_t dice(struct node_log *node, uint64_t sides)
{
    node->random ^= node->random << 13;
    node->random ^= node->random >> 7;
    node->random ^= node->random << 17;
    return node->random % sides;
}

static void give_way(void *context)
{
    struct node_log *node = context;
    pit_journal_prepare_work(pit_log_journal(node->log));
    pit_journal_disk_work(pit_log_journal(node->log));
}

void node_log_begin(struct node_log *node, const struct pit_disk *disk, const char *directory, uint64_t seed)
{
    struct pit_error error = {0};
    *node = (struct node_log){
        .disk = disk, .directory = directory, .random = seed | 1, .term = 1, .index = 1, .lines = NODE_LOG_LINES};
    node->live = (struct live){.reserve = live_reserve()};
    struct pit_event *slots = node->live.reserve.reserve(NULL, LIVE_SINK_SLOTS * sizeof *slots, 128);
    node->live.sink = (struct pit_event_sink){
        .slots = slots, .mask = LIVE_SINK_SLOTS - 1, .next = 1, .limit = LIVE_SINK_SLOTS, .folded = 1};
    node->live.market = pit_market_create(&node->live.reserve);
    node->counted = 1;
    assert_int_equal(pit_results_create(&node->results, 0, &error), 0);
    node->past_counted = 1;
    const struct pit_log_options options = {
        .directory = directory, .segment_bytes = NODE_LOG_SEGMENT, .wait = give_way, .wait_context = node};
    if (pit_log_open(&node->log, disk, &options, &error) != 0)
        fail_msg("%s", error.text);
    const struct pit_log_entry first = {
        .index = 1, .term = 1, .kind = PIT_LOG_MEMBERS, .bytes = sizeof members, .payload = members};
    assert_int_equal(pit_log_begin(node->log, 1, 0, &first), 0);
}

static struct pit_command definition(uint32_t symbol)
{
    struct pit_command command = {.kind = PIT_COMMAND_SYMBOL, .symbol = symbol, .flags = PIT_COMMAND_WIDE};
    command.definition = (struct pit_symbol_definition){.price_min = 1,
                                                        .price_max = 100000,
                                                        .quantity_max = 1000000,
                                                        .orders_max = 1u << 20,
                                                        .levels_max = 512,
                                                        .tick_mantissa = 1,
                                                        .lot_mantissa = 1};
    snprintf(command.definition.name, sizeof command.definition.name, "SYM%u", symbol);
    return command;
}

static struct pit_command order(struct node_log *node)
{
    struct pit_command command = {.kind = PIT_COMMAND_NEW,
                                  .symbol = (uint32_t)dice(node, LIVE_SYMBOLS),
                                  .account = 1 + (uint32_t)dice(node, 5),
                                  .request = 1 + (uint32_t)node->live.sequence,
                                  .side = (uint8_t)dice(node, 2),
                                  .price = 1000 + (int64_t)dice(node, 40),
                                  .quantity = 1 + dice(node, 50)};
    if (node->rests)
        command.client_id = dice(node, UINT64_C(1) << 60);
    if (node->rests && command.side == PIT_SIDE_SELL)
        command.price += 100;
    return command;
}

static void count_trades(struct node_log *node)
{
    for (; node->past_counted != node->live.sink.next; node->past_counted++) {
        const struct pit_event *event = &node->live.sink.slots[node->past_counted & node->live.sink.mask];
        if (event->kind == PIT_EVENT_TRADE)
            node->past[event->symbol].trades++;
    }
}

/* Commands, applied, in memory that stays until the log is closed. */
static struct pit_log_entry batch(struct node_log *node)
{
    const uint32_t commands = 1 + (uint32_t)dice(node, node->lines - LIVE_SYMBOLS);
    uint8_t *payload = aligned_alloc(64, (size_t)node->lines * 64);
    assert_non_null(payload);
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < commands; i++) {
        struct pit_command command =
            node->live.sequence < LIVE_SYMBOLS ? definition((uint32_t)node->live.sequence) : order(node);
        command.sequence = ++node->live.sequence;
        command.time_ns = 1000 * command.sequence;
        pit_market_apply(node->live.market, &command, &node->live.sink);
        for (; node->counted != node->live.sink.next; node->counted++)
            pit_results_add(node->results, &node->progress,
                            &node->live.sink.slots[node->counted & node->live.sink.mask], command.sequence);
        count_trades(node);
        memcpy(payload + bytes, &command, pit_command_bytes(&command));
        bytes += (uint32_t)pit_command_bytes(&command);
    }
    node->payloads[node->payloads_count++] = payload;
    return (struct pit_log_entry){.kind = PIT_LOG_COMMANDS, .bytes = bytes, .payload = payload};
}

static void settle(struct node_log *node)
{
    while (pit_log_durable(node->log) < (int64_t)node->ticket) {
        assert_false(pit_log_failed(node->log, NULL));
        give_way(node);
    }
}

void node_log_run_open(struct node_log *node, uint32_t entries)
{
    static const uint64_t zero;
    for (uint32_t i = 0; i < entries; i++) {
        assert_true(node->payloads_count < NODE_LOG_ENTRIES_MAX);
        struct pit_log_entry entry = {.kind = PIT_LOG_BARRIER, .bytes = sizeof zero, .payload = &zero};
        if (dice(node, 6) == 0)
            assert_int_equal(pit_log_keep_vote(node->log, ++node->term, 1 + dice(node, 3)), 0);
        else
            entry = batch(node);
        entry.index = ++node->index;
        entry.term = node->term;
        assert_int_equal(pit_log_append(node->log, ++node->ticket, &entry, 1), 0);
        settle(node);
    }
}

void node_log_run(struct node_log *node, uint32_t entries)
{
    node_log_run_open(node, entries);
    pit_log_committed(node->log, node->index);
    assert_int_equal(pit_log_keep_vote(node->log, ++node->term, 1), 0); /* and with it what is committed */
}

/* Where the last command stands. */
static struct pit_snapshot_header last_command(const struct node_log *node)
{
    struct pit_snapshot_header header = {.sequence = node->live.sequence};
    struct pit_log_image image = {0};
    struct pit_journal_end end;
    struct pit_error error = {0};
    if (pit_log_image_open(&image, node->disk, node->directory, PIT_LOG_KEEP_ALL, &end, &error) != 0)
        fail_msg("%s", error.text);
    for (const struct pit_log_held *held; (held = pit_log_image_first(&image)); pit_log_image_drop_first(&image)) {
        const struct pit_journal_record record = {
            .kind = PIT_JOURNAL_COMMANDS, .payload = held->entry.payload, .bytes = held->entry.bytes};
        const struct pit_command *command;
        uint32_t at = 0;
        while (held->count && (command = pit_journal_record_command(&record, &at))) {
            header.block = held->block;
            header.time_ns = command->time_ns;
            header.command = pit_snapshot_command_digest(command);
        }
    }
    pit_log_image_free(&image);
    assert_int_equal(pit_snapshot_journal_id(node->disk, node->directory, header.journal_id, NULL), 0);
    return header;
}

void node_log_snapshot(struct node_log *node)
{
    struct pit_snapshot_header header = last_command(node);
    struct pit_error error = {0};
    if (pit_snapshot_write(node->disk, node->directory, &node->live.market, 1, node->past, node->results, &header,
                           &error) != 0)
        fail_msg("%s", error.text);
}

void node_log_end(struct node_log *node)
{
    pit_log_close(node->log);
    for (uint32_t i = 0; i < node->payloads_count; i++)
        free(node->payloads[i]);
    pit_results_destroy(node->results);
    live_end(&node->live);
}

static void find_log(const struct pit_disk *disk, const char *directory, struct node_log_found *found)
{
    struct pit_log_image image = {0};
    struct pit_journal_end end;
    struct pit_error error = {0};
    if (pit_log_image_open(&image, disk, directory, PIT_LOG_KEEP_ALL, &end, &error) != 0)
        fail_msg("%s", error.text);
    found->term = image.term;
    found->vote = image.vote;
    found->base = image.taken;
    found->base_term = image.taken_term;
    found->last = image.last;
    found->committed = image.committed;
    pit_log_image_free(&image);
}

struct node_log_found node_log_find(const struct pit_disk *disk, const char *directory)
{
    static struct pit_snapshot_past past[PIT_SYMBOLS_MAX];
    memset(past, 0, sizeof past);
    const struct pit_reserve reserve = live_reserve();
    struct node_log_found found = {0};
    struct pit_market *market = pit_market_create(&reserve);
    struct pit_snapshot_header header = {0};
    struct pit_error error = {0};
    uint8_t journal_id[16];
    find_log(disk, directory, &found);
    assert_int_equal(pit_snapshot_journal_id(disk, directory, journal_id, &error), 0);
    int code = pit_snapshot_newest(disk, directory, journal_id, UINT64_MAX, NULL, NULL, &header, &error);
    if (code == 0) {
        const struct pit_snapshot_target target = {.markets = &market, .markets_count = 1, .past = past};
        code = pit_snapshot_load(disk, directory, header.sequence, &target, &header, &error);
    } else if (code == -ENOENT) {
        header = (struct pit_snapshot_header){0};
        code = 0;
    }
    struct pit_replay_result result;
    const struct pit_replay_options options = {.markets = &market,
                                               .markets_count = 1,
                                               .from = header.sequence,
                                               .from_command = header.command,
                                               .from_block = header.block,
                                               .verify = true};
    if (code == 0)
        code = pit_replay(disk, directory, &options, &result, &error);
    if (code != 0)
        fail_msg("%d: %s", code, error.text);
    found.snapshot = header.sequence;
    found.results = header.results;
    found.results_digest = header.results_digest;
    for (uint32_t symbol = 0; symbol < PIT_SYMBOLS_MAX; symbol++)
        found.trades += past[symbol].trades;
    found.sequence = result.last_sequence;
    found.digest = pit_market_full_digest(market);
    return found;
}
