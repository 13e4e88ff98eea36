/* test/sim/check.c - what must hold after a start and after a clean stop. See sim.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "journal/snapshot.h"
#include "market_files.h"
#include "replay/replay.h"
#include "ring/check.h"
#include "sim.h"
#include "stages/pipeline_parts.h"

/* A replay of what stands on disk, by the real code, compared with what entered and with what the plain matcher did. */
struct comparison {
    const struct sim_subject *subject;
    struct pit_snapshot_header from; /* that it begins with; sequence 0: with the first command */
    struct pit_arena *arena;
    struct pit_market *market;
    struct pit_results *results;
    struct pit_result progress;
    uint64_t sequence; /* whose events are being hashed */
    uint64_t hash;
};

static void open_comparison(struct comparison *comparison, const struct sim_subject *subject)
{
    struct pit_arena_options options = {.name = "replay", .node = PIT_ARENA_NODE_ANY};
    *comparison = (struct comparison){.subject = subject};
    PIT_CHECK(pit_arena_create(&comparison->arena, &options, NULL) == 0);
    struct pit_reserve reserve = pit_arena_reserve(comparison->arena);
    comparison->market = pit_market_create(&reserve);
    PIT_CHECK(pit_results_create(&comparison->results, 0, NULL) == 0);
}

static void close_comparison(struct comparison *comparison)
{
    pit_results_destroy(comparison->results);
    pit_arena_destroy(comparison->arena);
}

/* The block that the journal begins with, if its first commands are gone; else 0. */
static uint64_t begins_late(const struct sim_subject *subject)
{
    struct pit_journal_reader *reader;
    uint64_t block, sequence;
    if (pit_journal_reader_open_at(&reader, subject->disk, SIM_DIRECTORY, PIT_JOURNAL_FROM_THERE, NULL) != 0)
        return 0; /* the replay says what is wrong */
    pit_journal_reader_beginning(reader, &block, &sequence);
    pit_journal_reader_close(reader);
    return block > 1 || sequence > 1 ? block : 0;
}

/* Begins with the oldest snapshot that the rest of the journal goes on from. */
static void begin_late(struct comparison *comparison, uint64_t block)
{
    const struct sim_subject *subject = comparison->subject;
    struct pit_snapshot_header found;
    struct pit_error error = {0};
    uint8_t id[16];
    int code = pit_snapshot_journal_id(subject->disk, SIM_DIRECTORY, id, &error);
    for (uint64_t at_most = UINT64_MAX; code == 0; at_most = found.sequence - 1) {
        code = pit_snapshot_newest(subject->disk, SIM_DIRECTORY, id, at_most, NULL, NULL, &found, &error);
        if (code == 0 && found.block >= block)
            comparison->from = found;
    }
    const struct pit_snapshot_target target = {
        .markets = &comparison->market, .markets_count = 1, .results = comparison->results};
    uint64_t sequence = comparison->from.sequence;
    if (sequence == 0)
        sim_violation(subject->model, "the journal begins with block %" PRIu64 ", and no snapshot goes on from there",
                      block);
    else if (pit_snapshot_load(subject->disk, SIM_DIRECTORY, sequence, &target, &comparison->from, &error) != 0)
        sim_violation(subject->model, "the snapshot of sequence %" PRIu64 " is of no use: %.800s", sequence,
                      error.text);
    else if (sequence > subject->model->count)
        sim_violation(subject->model, "there is a snapshot of sequence %" PRIu64 "; %" PRIu64 " have entered", sequence,
                      subject->model->count);
    comparison->sequence = sequence;
}

static void compare_events(struct comparison *comparison)
{
    struct sim_model *model = comparison->subject->model;
    if (comparison->sequence == comparison->from.sequence || comparison->sequence > model->applied)
        return;
    const struct sim_command *entry = &model->command[comparison->sequence - 1];
    if (entry->events != comparison->hash)
        sim_violation(model, "command %" PRIu64 ": the replay's events are not those of the plain matcher",
                      comparison->sequence);
}

static bool on_event(void *context, const struct pit_command *command, const struct pit_event *event)
{
    struct comparison *comparison = context;
    struct sim_model *model = comparison->subject->model;
    if (command->sequence != comparison->sequence) {
        compare_events(comparison);
        if (comparison->subject->learns && command->sequence == model->count + 1) {
            sim_model_entered(model, command);
            sim_model_seen(model, model->count);
        }
        if (command->sequence != comparison->sequence + 1 || command->sequence > model->count) {
            sim_violation(model, "the journal has command %" PRIu64 " after %" PRIu64 "; %" PRIu64 " have entered",
                          command->sequence, comparison->sequence, model->count);
            return false;
        }
        if (memcmp(command, &model->command[command->sequence - 1].command, pit_command_bytes(command)) != 0)
            sim_violation(model, "command %" PRIu64 " in the journal is not the one that entered", command->sequence);
        comparison->sequence = command->sequence;
        comparison->hash = 1;
    }
    comparison->hash = sim_event_hash(comparison->hash, event);
    pit_results_add(comparison->results, &comparison->progress, event, command->sequence);
    return model->violation[0] == 0;
}

/* What a replay came to, against the pipeline that has done as much. */
static void compare_state(const struct comparison *comparison)
{
    const struct sim_subject *subject = comparison->subject;
    struct pit_digest replayed = pit_market_full_digest(comparison->market);
    struct pit_digest live = pit_pipeline_digest(subject->pipeline);
    if (memcmp(&replayed, &live, sizeof live) != 0)
        sim_violation(subject->model,
                      "the digest of the pipeline after command %" PRIu64 " is %" PRIx64 "/%" PRIx64
                      ", that of a replay is %" PRIx64 "/%" PRIx64,
                      comparison->sequence, live.events, live.state, replayed.events, replayed.state);
    if (pit_results_digest(comparison->results) != pit_results_digest(subject->pipeline->results))
        sim_violation(subject->model,
                      "what the pipeline keeps of requests after command %" PRIu64 " is not what a replay comes to",
                      comparison->sequence);
}

uint64_t sim_compare_replay(const struct sim_subject *subject, uint64_t last)
{
    struct comparison comparison;
    struct pit_error error = {0};
    struct pit_replay_result result = {0};
    open_comparison(&comparison, subject);
    uint64_t block = begins_late(subject);
    if (block)
        begin_late(&comparison, block);
    struct pit_replay_options replay = {.markets = &comparison.market,
                                        .markets_count = 1,
                                        .from = comparison.from.sequence,
                                        .from_command = comparison.from.command,
                                        .from_block = comparison.from.block,
                                        .from_time_ns = comparison.from.time_ns,
                                        .verify = true,
                                        .event = on_event,
                                        .event_context = &comparison};
    int code = subject->model->violation[0] ? 0 : pit_replay(subject->disk, SIM_DIRECTORY, &replay, &result, &error);
    if (!subject->model->violation[0])
        compare_events(&comparison);
    if (code < 0 && code != -ENOENT)
        sim_violation(subject->model, "a replay of the journal that was just opened fails: %s", error.text);
    else if (comparison.sequence != last && last != SIM_ALL_THERE_IS)
        sim_violation(subject->model, "the journal ends with command %" PRIu64 "; %" PRIu64 " were recovered",
                      comparison.sequence, last);
    if (last != SIM_ALL_THERE_IS || comparison.sequence == pit_pipeline_last(subject->pipeline))
        compare_state(&comparison);
    close_comparison(&comparison);
    return result.end.segments;
}

/* A book, order by order, against the plain matcher's. */
struct walk {
    struct sim_model *model;
    const struct reference *book;
    struct reference *left; /* a copy, from which each order that was seen is taken */
    uint32_t symbol;
};

static bool on_order(void *context, const struct pit_resting_order *order)
{
    struct walk *walk = context;
    struct reference_order *best = (struct reference_order *)reference_best(walk->left, order->side);
    if (!best || best->order_id != order->order_id || best->client_id != order->client_id ||
        best->price != order->price || best->quantity != order->quantity || best->account != order->account) {
        sim_violation(walk->model,
                      "symbol %u: the book has order %" PRIu64 " (%" PRIu64 " at %" PRId64
                      ") where the plain matcher has order %" PRIu64 " (%" PRIu64 " at %" PRId64 ")",
                      walk->symbol, order->order_id, order->quantity, order->price, best ? best->order_id : 0,
                      best ? best->quantity : 0, best ? best->price : 0);
        return false;
    }
    best->live = false;
    return true;
}

void sim_compare_books(const struct sim_subject *subject)
{
    struct sim_model *model = subject->model;
    struct reference *left = malloc(sizeof *left);
    PIT_CHECK(left);
    for (uint32_t symbol = 0; symbol < SIM_SYMBOLS_ROOM && !model->violation[0]; symbol++) {
        const struct reference *plain = model->book[symbol];
        const struct pit_book *book = NULL;
        for (uint32_t k = 0; k < subject->pipeline->config.matchers && !book; k++)
            book = pit_market_book(subject->pipeline->matchers[k].market, symbol);
        if (!book || !plain) {
            if (book || plain)
                sim_violation(model, "symbol %u is %s", symbol, book ? "there and was never defined" : "lost");
            continue;
        }
        *left = *plain;
        struct walk walk = {.model = model, .book = plain, .left = left, .symbol = symbol};
        pit_book_walk(book, PIT_SIDE_BUY, on_order, &walk);
        pit_book_walk(book, PIT_SIDE_SELL, on_order, &walk);
        if (!model->violation[0] && reference_orders(left) != 0)
            sim_violation(model, "symbol %u: %u orders are not in the book", symbol, reference_orders(left));
        if (pit_book_state(book) != plain->state)
            sim_violation(model, "symbol %u: its trading state is not the plain matcher's", symbol);
        const char *wrong = pit_book_check(book);
        if (wrong)
            sim_violation(model, "symbol %u: %s", symbol, wrong);
    }
    free(left);
}

void sim_compare_results(const struct sim_subject *subject)
{
    const struct pit_pipeline *pipeline = subject->pipeline;
    if (pit_egress_counters(pipeline->egress)->covered >= pit_pipeline_last(pipeline))
        sim_model_kept(subject->model, pipeline->results, pipeline->config.name);
}

/* The best levels of one side. Returns how many. */
static uint32_t plain_levels(struct reference *left, uint8_t side, struct pit_md_level level[PIT_MD_LEVELS])
{
    uint32_t count = 0;
    const struct reference_order *best;
    while ((best = reference_best(left, side))) {
        if (count == 0 || level[count - 1].price != best->price) {
            if (count == PIT_MD_LEVELS)
                break;
            level[count++] = (struct pit_md_level){.price = best->price};
        }
        level[count - 1].quantity += best->quantity;
        level[count - 1].orders++;
        ((struct reference_order *)best)->live = false;
    }
    return count;
}

void sim_compare_depth(const struct sim_subject *subject)
{
    struct sim_model *model = subject->model;
    const struct pit_market_files *files = subject->files;
    struct reference *left = malloc(sizeof *left);
    PIT_CHECK(left);
    for (uint32_t symbol = 0; symbol < SIM_SYMBOLS_ROOM && files; symbol++) {
        if (!model->book[symbol] || symbol >= files->depth->symbols_max || !files->images[symbol].version)
            continue;
        struct pit_md_level bid[PIT_MD_LEVELS] = {0}, ask[PIT_MD_LEVELS] = {0};
        struct pit_md_depth depth;
        memcpy(&depth, files->images[symbol].words, sizeof depth);
        *left = *model->book[symbol];
        uint32_t bids = plain_levels(left, PIT_SIDE_BUY, bid), asks = plain_levels(left, PIT_SIDE_SELL, ask);
        if (depth.bids != bids || depth.asks != asks || memcmp(depth.bid, bid, bids * sizeof *bid) != 0 ||
            memcmp(depth.ask, ask, asks * sizeof *ask) != 0 || depth.state != model->book[symbol]->state ||
            depth.trades != model->trades[symbol])
            sim_violation(model,
                          "symbol %u: the depth image shows %" PRIu64 " bids, %" PRIu64 " asks, %" PRIu64
                          " trades; the plain matcher has %u, %u, %" PRIu64 ", or they differ in a level",
                          symbol, depth.bids, depth.asks, depth.trades, bids, asks, model->trades[symbol]);
    }
    free(left);
}

static struct sim_subject subject_of(struct sim *sim)
{
    return (struct sim_subject){
        .model = &sim->model, .disk = &sim->disk.table, .pipeline = sim->pipeline, .files = sim_market_files(SIM_NAME)};
}

void sim_check_depth(struct sim *sim)
{
    struct sim_subject subject = subject_of(sim);
    sim_compare_depth(&subject);
}

void sim_check_seen(struct sim *sim)
{
    const struct pit_market_files *files = sim_market_files(SIM_NAME);
    for (uint64_t i = 0; files && i < files->events->slots; i++) {
        struct pit_md_event event;
        if (files->slots[i].sequence == 0)
            continue;
        pit_md_event_unpack(files->slots[i].words, files->slots[i].sequence, &event);
        if (event.kind == PIT_MD_ADD) /* an order's id is the sequence of its command */
            sim_model_seen(&sim->model, event.order_id);
    }
}

static void compare_all(struct sim *sim)
{
    struct sim_subject subject = subject_of(sim);
    if (!sim->model.violation[0] && sim->disk.lies_count == 0) { /* what the disk lied about shows at the next start */
        uint64_t segments = sim_compare_replay(&subject, sim->model.count);
        sim->figures.segments = segments > sim->figures.segments ? segments : sim->figures.segments;
    }
    if (!sim->model.violation[0]) {
        sim_compare_books(&subject);
        sim_compare_results(&subject);
    }
}

void sim_check_start(struct sim *sim)
{
    uint64_t sequence = pit_pipeline_recovered(sim->pipeline)->last_sequence;
    sim->disk.quiet = true;
    sim_trace_note(&sim->trace, "recovered", sequence, sim->model.acknowledged, sim->model.count);
    sim_model_recovered(&sim->model, sequence, sim->mercy);
    /* A start from a snapshot does not read the journal before it, and damage there stays. */
    bool snapshot = pit_pipeline_recovered(sim->pipeline)->snapshot != 0, lied = sim->disk.lies_count > 0;
    if (snapshot && !lied)
        sim_disk_heal(&sim->disk);
    sim_disk_forgive(&sim->disk);
    if (snapshot && lied) {
        struct sim_subject subject = subject_of(sim);
        sim_compare_books(&subject);
    } else {
        compare_all(sim);
    }
    sim->disk.quiet = false;
}

void sim_check_stop(struct sim *sim)
{
    sim->disk.quiet = true;
    sim_model_seen(&sim->model, sim->model.count);
    compare_all(sim);
    if (!sim->model.violation[0])
        sim_check_depth(sim);
    sim->disk.quiet = false;
}
