/* stages/recovery.c - what a pipeline does with the past: puts the newest good snapshot and the journal after it into
 * the matchers' markets, and settles which symbols there will be.
 *
 * A snapshot is a shortcut. One that is damaged, not of this journal, or does not lead to the digests that the live run
 * journaled after it, is passed over with a warning; the next older one takes its place, and at last the whole journal.
 *
 * Symbol ids are dense in order of first definition. A symbol of the journal keeps its id and all of its definition but
 * the price band; a symbol of the configuration that the journal does not know gets the next id.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "journal/disk_layer.h"
#include "journal/snapshot.h"
#include "pitline/market_data.h"
#include "stages/pipeline_parts.h"

#define PROGRESS_EVERY 20000u

struct recovery {
    struct pit_disk_layer disk; /* first: of snapshots; notes what cannot be read */
    int unread;                 /* errno of that, 0 = all could be */
    struct pit_pipeline *pipeline;
    uint64_t begun_ns;
    struct pit_snapshot_header from; /* the snapshot begun with; sequence 0 = none */
    struct pit_result progress;      /* of the command that is applied */
    bool given_up;
};

static uint64_t now_ns(void)
{
    const struct pit_clock *clock = pit_clock_machine();
    return clock->monotonic_ns(clock->context);
}

static const struct pit_pipeline_symbol *configured(const struct pit_pipeline *pipeline, const char *name)
{
    uint32_t place = pit_symbol_names_find(&pipeline->configured, name);
    return place == PIT_SYMBOL_NAMES_NONE ? NULL : &pipeline->config.symbols[place];
}

/* Which matcher keeps a symbol: the configured one, or by its id. */
static void assign_owner(struct pit_pipeline *pipeline, uint32_t symbol, const char *name)
{
    const struct pit_pipeline_symbol *known = configured(pipeline, name);
    pipeline->owners[symbol] =
        (uint8_t)(known && known->matcher != PIT_MATCHER_ROUND_ROBIN ? (uint32_t)known->matcher
                                                                     : symbol % pipeline->config.matchers);
}

static void on_defining(void *context, const struct pit_command *command)
{
    struct recovery *recovery = context;
    if ((command->flags & PIT_COMMAND_WIDE) && command->symbol == recovery->pipeline->definitions_count) {
        assign_owner(recovery->pipeline, command->symbol, command->definition.name);
        recovery->pipeline->definitions_count++;
    }
}

static uint32_t on_assign(void *context, uint32_t symbol)
{
    const struct recovery *recovery = context;
    return pit_matcher_of(recovery->pipeline->owners, recovery->pipeline->definitions_count,
                          recovery->pipeline->config.matchers, symbol);
}

static bool on_event(void *context, const struct pit_command *command, const struct pit_event *event)
{
    struct recovery *recovery = context;
    pit_results_add(recovery->pipeline->results, &recovery->progress, event, command->sequence);
    if (event->kind == PIT_EVENT_TRADE && event->symbol < PIT_SYMBOLS_MAX) {
        struct pit_publisher_past *past = &recovery->pipeline->past[event->symbol];
        past->trades++;
        past->last_price = event->price;
        past->last_quantity = event->quantity;
    }
    return !recovery->given_up;
}

static void on_progress(void *context, uint64_t bytes_done, uint64_t bytes_total, uint64_t commands)
{
    struct recovery *recovery = context;
    const struct pit_pipeline_config *config = &recovery->pipeline->config;
    if (config->progress && !config->progress(config->progress_context, bytes_done, bytes_total, commands))
        recovery->given_up = true; /* the next event ends it */
}

/* Snapshots. */

static int64_t read_noted(void *context, int file, void *bytes, size_t count, uint64_t offset)
{
    struct recovery *recovery = context;
    const struct pit_disk *under = recovery->disk.under;
    const int64_t got = under->read(under->context, file, bytes, count, offset);
    if (got < 0)
        recovery->unread = (int)got;
    return got;
}

static void on_bad_snapshot(void *context, const char *text)
{
    const struct recovery *recovery = context;
    pit_pipeline_say(recovery->pipeline,
                     "warning: %s. Going on with an older snapshot, or with the journal from its beginning", text);
}

static uint32_t on_restoring(void *context, uint32_t symbol, const struct pit_symbol_definition *definition)
{
    const struct recovery *recovery = context;
    struct pit_pipeline *pipeline = recovery->pipeline;
    if (symbol == pipeline->definitions_count) {
        assign_owner(pipeline, symbol, definition->name);
        pipeline->definitions_count++;
    }
    return on_assign(context, symbol);
}

/* What any of the matchers' arenas can still give. */
static size_t room(void *context)
{
    const struct recovery *recovery = context;
    size_t least = SIZE_MAX;
    for (uint32_t k = 0; k < recovery->pipeline->config.matchers; k++) {
        size_t one = pit_arena_room(recovery->pipeline->matchers[k].memory.arena);
        least = one < least ? one : least;
    }
    return least;
}

static void collect_markets(const struct pit_pipeline *pipeline, struct pit_market *markets[PIT_MATCHERS_MAX])
{
    for (uint32_t k = 0; k < pipeline->config.matchers; k++)
        markets[k] = pipeline->matchers[k].market;
}

/* Puts the snapshot of a sequence into the markets. */
static int load(struct recovery *recovery, uint64_t sequence, struct pit_error *error)
{
    struct pit_pipeline *pipeline = recovery->pipeline;
    struct pit_market *markets[PIT_MATCHERS_MAX];
    struct pit_snapshot_past *past = calloc(PIT_SYMBOLS_MAX, sizeof *past);
    if (!past)
        return pit_error_set(error, -ENOMEM, "no memory for recovery");
    collect_markets(pipeline, markets);
    const struct pit_snapshot_target target = {.markets = markets,
                                               .markets_count = pipeline->config.matchers,
                                               .assign = on_restoring,
                                               .assign_context = recovery,
                                               .room = room,
                                               .room_context = recovery,
                                               .past = past,
                                               .results = pipeline->results};
    int code =
        pit_snapshot_load(&recovery->disk.disk, pipeline->config.directory, sequence, &target, &recovery->from, error);
    for (uint32_t symbol = 0; symbol < PIT_SYMBOLS_MAX; symbol++)
        pipeline->past[symbol] = (struct pit_publisher_past){.trades = past[symbol].trades,
                                                             .last_price = past[symbol].last_price,
                                                             .last_quantity = past[symbol].last_quantity};
    free(past);
    return code;
}

/* Forgets what was put into the markets. */
static int renew(struct recovery *recovery, struct pit_error *error)
{
    struct pit_pipeline *pipeline = recovery->pipeline;
    recovery->from = (struct pit_snapshot_header){0};
    recovery->progress = (struct pit_result){0};
    pit_results_clear(pipeline->results);
    pipeline->definitions_count = 0;
    memset(pipeline->past, 0, PIT_SYMBOLS_MAX * sizeof *pipeline->past);
    for (uint32_t k = 0; k < pipeline->config.matchers; k++) {
        pit_arena_destroy(pipeline->matchers[k].memory.arena);
        pipeline->matchers[k].memory = (struct pit_books_memory){0};
    }
    return pit_pipeline_markets(pipeline, error);
}

/* Puts the newest good snapshot of at most that sequence into the markets; none where there is none. */
static int load_newest(struct recovery *recovery, uint64_t at_most, struct pit_error *error)
{
    const struct pit_disk *disk = &recovery->disk.disk;
    const char *directory = recovery->pipeline->config.directory;
    uint8_t journal_id[16];
    if (pit_snapshot_journal_id(disk, directory, journal_id, error) != 0)
        return 0; /* no journal, or one whose reading tells what is wrong with it */
    for (;;) {
        struct pit_snapshot_header found;
        int code = pit_snapshot_newest(disk, directory, journal_id, at_most, on_bad_snapshot, recovery, &found, error);
        if (code == -ENOENT)
            return 0;
        if (code == 0)
            code = load(recovery, found.sequence, error);
        if (code == 0 || code == -ENOMEM)
            return code;
        on_bad_snapshot(recovery, error->text);
        at_most = found.sequence - 1;
        code = renew(recovery, error);
        if (code)
            return code;
    }
}

/* The journal, after the snapshot in the markets if there is one. With one the digests that the live run journaled
 * after it are compared: they tell whether the snapshot was the live run's state. */
static int replay_tail(struct recovery *recovery, struct pit_replay_result *result, struct pit_error *error)
{
    const struct pit_pipeline *pipeline = recovery->pipeline;
    struct pit_market *markets[PIT_MATCHERS_MAX];
    collect_markets(pipeline, markets);
    struct pit_replay_options options = {
        .markets = markets,
        .markets_count = pipeline->config.matchers,
        .assign = on_assign,
        .assign_context = recovery,
        .defining = on_defining,
        .defining_context = recovery,
        .from = recovery->from.sequence,
        .from_command = recovery->from.command,
        .from_block = recovery->from.block,
        .from_time_ns = recovery->from.time_ns,
        .verify = recovery->from.sequence != 0,
        .event = on_event,
        .event_context = recovery,
        .progress = on_progress,
        .progress_context = recovery,
        .progress_every = PROGRESS_EVERY,
    };
    return pit_replay(pipeline->disk, pipeline->config.directory, &options, result, error);
}

/* What is wrong without a snapshot may be right with it. */
static int unreadable(const struct recovery *recovery, struct pit_error *error)
{
    const struct pit_error without = *error;
    return pit_error_set(error, recovery->unread,
                         "cannot read a snapshot in %s: %s. See to the disk, and start again; nothing was changed. "
                         "Without the snapshot: %.700s",
                         recovery->pipeline->config.directory, strerror(-recovery->unread), without.text);
}

static int replay(struct pit_pipeline *pipeline, struct pit_error *error)
{
    struct recovery recovery = {.pipeline = pipeline, .begun_ns = now_ns()};
    pit_disk_layer_init(&recovery.disk, pipeline->disk);
    recovery.disk.disk.read = read_noted;
    struct pit_replay_result result = {0};
    uint64_t at_most = UINT64_MAX;
    bool again = false;
    for (;;) {
        int code = load_newest(&recovery, at_most, error);
        if (code == 0)
            code = replay_tail(&recovery, &result, error);
        if (code == 0 || code == -ENOENT)
            break;
        if (code == -EBADMSG && recovery.unread && !again) {
            again = true; /* a journal lacks its beginning, perhaps for a snapshot that could not be read just now */
            at_most = UINT64_MAX;
            recovery.unread = 0;
            code = renew(&recovery, error);
            if (code)
                return code;
            continue;
        }
        if (code == -EBADMSG && recovery.unread)
            return unreadable(&recovery, error);
        if (recovery.from.sequence == 0 || (code != -ESTALE && code != -EILSEQ))
            return code;
        on_bad_snapshot(&recovery, error->text);
        at_most = recovery.from.sequence - 1;
        code = renew(&recovery, error);
        if (code)
            return code;
    }
    if (result.stopped)
        return pit_error_set(error, -ECANCELED, "told to stop while recovering the journal in %s: it is as it was",
                             pipeline->config.directory);
    pipeline->end = result.end;
    pipeline->last_time_ns = result.end.time_ns;
    pipeline->recovered = (struct pit_pipeline_recovered){.commands = result.commands,
                                                          .snapshot = recovery.from.sequence,
                                                          .snapshot_ns = recovery.from.created_ns,
                                                          .last_sequence = result.end.sequence,
                                                          .ns = now_ns() - recovery.begun_ns,
                                                          .torn_bytes = result.end.torn_bytes,
                                                          .missing_bytes = result.end.missing_bytes};
    return 0;
}

/* Takes the definitions of the recovered books over. */
static int collect_definitions(struct pit_pipeline *pipeline, struct pit_error *error)
{
    uint32_t room = pipeline->definitions_count + pipeline->config.symbols_count;
    pipeline->definitions = calloc(room ? room : 1, sizeof *pipeline->definitions);
    pipeline->startup =
        calloc(pipeline->config.symbols_count ? pipeline->config.symbols_count : 1, sizeof *pipeline->startup);
    if (!pipeline->definitions || !pipeline->startup)
        return pit_error_set(error, -ENOMEM, "no memory for %u symbols", room);
    for (uint32_t symbol = 0; symbol < pipeline->definitions_count; symbol++) {
        const struct pit_book *book = pit_market_book(pipeline->matchers[pipeline->owners[symbol]].market, symbol);
        if (!book)
            return pit_error_set(error, -EINVAL,
                                 "the journal in %s defines symbol %u in a way that was refused: it was not written by "
                                 "pitline run; look with pitline replay",
                                 pipeline->config.directory, symbol);
        pipeline->definitions[symbol] = *pit_book_definition(book);
        pipeline->recovered.orders += pit_book_orders(book);
    }
    pipeline->recovered.symbols = pipeline->definitions_count;
    return 0;
}

static int differs(const struct pit_pipeline *pipeline, const char *symbol, const char *what, uint64_t journal,
                   uint64_t configuration, struct pit_error *error)
{
    return pit_error_set(error, -EINVAL,
                         "symbol %s: %s is %llu in the journal in %s and %llu in the configuration; of a symbol that "
                         "exists only the price band may change: set it back, or use another data directory",
                         symbol, what, (unsigned long long)journal, pipeline->config.directory,
                         (unsigned long long)configuration);
}

/* Of a symbol that exists, only the price band may be configured anew. */
static int check_same(const struct pit_pipeline *pipeline, const struct pit_symbol_definition *journal,
                      const struct pit_symbol_definition *wanted, struct pit_error *error)
{
    char was[PIT_DECIMAL_BYTES], is[PIT_DECIMAL_BYTES];
    const char *what = NULL;
    if (journal->tick_mantissa != wanted->tick_mantissa || journal->tick_decimals != wanted->tick_decimals) {
        what = "tick size";
        pit_decimal_format(was, 1, journal->tick_mantissa, journal->tick_decimals);
        pit_decimal_format(is, 1, wanted->tick_mantissa, wanted->tick_decimals);
    } else if (journal->lot_mantissa != wanted->lot_mantissa || journal->lot_decimals != wanted->lot_decimals) {
        what = "lot size";
        pit_decimal_format(was, 1, journal->lot_mantissa, journal->lot_decimals);
        pit_decimal_format(is, 1, wanted->lot_mantissa, wanted->lot_decimals);
    }
    if (what)
        return pit_error_set(error, -EINVAL,
                             "symbol %s: %s is %s in the journal in %s and %s in the configuration; of a symbol that "
                             "exists only the price band may change: set it back, or use another data directory",
                             wanted->name, what, was, pipeline->config.directory, is);
    if (journal->quantity_max != wanted->quantity_max)
        return differs(pipeline, wanted->name, "quantity_max", journal->quantity_max, wanted->quantity_max, error);
    if (journal->orders_max != wanted->orders_max)
        return differs(pipeline, wanted->name, "orders_max", journal->orders_max, wanted->orders_max, error);
    if (journal->levels_max != wanted->levels_max)
        return differs(pipeline, wanted->name, "levels_max", journal->levels_max, wanted->levels_max, error);
    return 0;
}

static void add_startup(struct pit_pipeline *pipeline, uint32_t symbol, const struct pit_symbol_definition *definition)
{
    pipeline->definitions[symbol] = *definition;
    pipeline->startup[pipeline->startup_count++] = (struct pit_command){
        .symbol = symbol, .kind = PIT_COMMAND_SYMBOL, .flags = PIT_COMMAND_WIDE, .definition = *definition};
}

/* Settles one configured symbol: as it is, with another band, or new. ids: of the journal's symbols, by name. */
static int settle(struct pit_pipeline *pipeline, const struct pit_pipeline_symbol *wanted,
                  const struct pit_symbol_names *ids, struct pit_error *error)
{
    const struct pit_symbol_definition *definition = &wanted->definition;
    uint32_t symbol = pit_symbol_names_find(ids, definition->name);
    if (symbol != PIT_SYMBOL_NAMES_NONE) {
        const struct pit_symbol_definition *known = &pipeline->definitions[symbol];
        int code = check_same(pipeline, known, definition, error);
        if (code == 0 && (known->price_min != definition->price_min || known->price_max != definition->price_max))
            add_startup(pipeline, symbol, definition);
        return code;
    }
    if (pipeline->definitions_count == PIT_SYMBOLS_MAX)
        return pit_error_set(error, -EINVAL, "symbol %s: there are %u symbols already, the most there can be",
                             definition->name, PIT_SYMBOLS_MAX);
    symbol = pipeline->definitions_count++;
    assign_owner(pipeline, symbol, definition->name);
    add_startup(pipeline, symbol, definition);
    return 0;
}

static int settle_all(struct pit_pipeline *pipeline, struct pit_error *error)
{
    const struct pit_pipeline_config *config = &pipeline->config;
    uint32_t known = pipeline->definitions_count;
    if (known > 0 && config->symbols_suggested)
        return 0;
    struct pit_symbol_names ids;
    if (pit_symbol_names_create(&ids, known) != 0)
        return pit_error_set(error, -ENOMEM, "no memory for the names of %u symbols", known);
    for (uint32_t symbol = 0; symbol < known; symbol++)
        pit_symbol_names_add(&ids, pipeline->definitions[symbol].name, symbol);
    int code = 0;
    for (uint32_t i = 0; i < config->symbols_count && code == 0; i++)
        code = settle(pipeline, &config->symbols[i], &ids, error);
    pit_symbol_names_destroy(&ids);
    if (code)
        return code;
    uint32_t strangers = 0;
    for (uint32_t symbol = 0; symbol < known; symbol++)
        strangers += configured(pipeline, pipeline->definitions[symbol].name) == NULL;
    if (strangers > 0)
        pit_pipeline_say(pipeline, "symbols: %u of the journal are not in the configuration; they stay as they are",
                         strangers);
    if (pipeline->definitions_count == 0)
        return pit_error_set(error, -EINVAL, "there is no symbol: configure one (symbols:, or --symbol NAME)");
    return 0;
}

static void tell(const struct pit_pipeline *pipeline)
{
    const struct pit_pipeline_recovered *recovered = &pipeline->recovered;
    const char *directory = pipeline->config.directory;
    if (pipeline->end.segments == 0 || (pit_pipeline_clustered(pipeline) && pipeline->end.sequence == 0)) {
        pit_pipeline_say(pipeline, "journal: a new one in %s", directory);
        return;
    }
    char snapshot[64] = "";
    if (recovered->snapshot)
        snprintf(snapshot, sizeof snapshot, " after the snapshot of sequence %llu",
                 (unsigned long long)recovered->snapshot);
    pit_pipeline_say(pipeline, "journal: recovered %llu commands%s from %s in %.2f s: %u symbols, %llu resting orders",
                     (unsigned long long)recovered->commands, snapshot, directory, (double)recovered->ns / 1e9,
                     recovered->symbols, (unsigned long long)recovered->orders);
    if (recovered->torn_bytes > 0)
        pit_pipeline_say(
            pipeline,
            "journal: cut off an unfinished write of %llu bytes after sequence %llu; nothing in it had been "
            "acknowledged",
            (unsigned long long)recovered->torn_bytes, (unsigned long long)recovered->last_sequence);
    if (recovered->missing_bytes > 0)
        pit_pipeline_say(
            pipeline,
            "journal: the last segment's file is %llu bytes shorter than it was made. Unless it was cut on "
            "purpose, commands after sequence %llu are missing: stop, and look for a copy",
            (unsigned long long)recovered->missing_bytes, (unsigned long long)recovered->last_sequence);
}

static int name_configured(struct pit_pipeline *pipeline)
{
    const struct pit_pipeline_config *config = &pipeline->config;
    if (pit_symbol_names_create(&pipeline->configured, config->symbols_count) != 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < config->symbols_count; i++)
        pit_symbol_names_add(&pipeline->configured, config->symbols[i].definition.name, i);
    return 0;
}

/* What is there goes into the markets. Nothing is changed but what a node of a cluster has to put in its place. */
static int read_past(struct pit_pipeline *pipeline, struct pit_error *error)
{
    bool clustered = pit_pipeline_clustered(pipeline);
    int code = clustered ? pit_pipeline_install(pipeline, error) : 0;
    if (code == 0)
        code = pit_pipeline_check_directory(pipeline, error);
    if (code == 0)
        code = pit_results_create(&pipeline->results, 0, error);
    if (code == 0)
        code = pit_pipeline_markets(pipeline, error);
    if (code == 0)
        code = replay(pipeline, error);
    if (code == 0 && clustered)
        code = pit_pipeline_open_log(pipeline, error);
    return code == -EBADMSG && clustered ? pit_pipeline_set_log_aside(pipeline, error) : code;
}

static int recover(struct pit_pipeline *pipeline, struct pit_error *error)
{
    pipeline->past = calloc(PIT_SYMBOLS_MAX, sizeof *pipeline->past);
    if (!pipeline->past || name_configured(pipeline) != 0)
        return pit_error_set(error, -ENOMEM, "no memory for recovery");
    pipeline->lock = pit_journal_lock(pipeline->disk, pipeline->config.directory, error);
    if (pipeline->lock < 0)
        return pipeline->lock;
    int code = read_past(pipeline, error);
    if (code == 0)
        code = collect_definitions(pipeline, error);
    if (code)
        return code;
    tell(pipeline);
    return settle_all(pipeline, error);
}

int pit_pipeline_recover(struct pit_pipeline *pipeline, struct pit_error *error)
{
    int code = recover(pipeline, error);
    pit_symbol_names_destroy(&pipeline->configured);
    return code;
}
