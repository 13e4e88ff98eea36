/* tools/past.c - see past.h. */
#include "tools/past.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int pit_past_begin(struct pit_past *past, struct pit_error *error)
{
    const struct pit_arena_options options = {.name = past->tool, .node = PIT_ARENA_NODE_ANY};
    const int code = pit_arena_create(&past->arena, &options, error);
    if (code)
        return code;
    const struct pit_reserve reserve = pit_arena_reserve(past->arena);
    past->market = pit_market_create(&reserve);
    past->past = calloc(PIT_SYMBOLS_MAX, sizeof *past->past);
    if (past->past)
        return 0;
    pit_past_end(past);
    return pit_error_set(error, -ENOMEM, "no memory for %u symbols", PIT_SYMBOLS_MAX);
}

void pit_past_end(struct pit_past *past)
{
    free(past->past);
    pit_arena_destroy(past->arena);
    past->past = NULL;
    past->market = NULL;
    past->arena = NULL;
}

static void warn(void *context, const char *text)
{
    const struct pit_past *past = context;
    fprintf(stderr, "%s: warning: %s. Going on with an older one, or from the beginning\n", past->tool, text);
}

static size_t room(void *context)
{
    const struct pit_past *past = context;
    return pit_arena_room(past->arena);
}

/* Puts a snapshot into the market. */
static int load(struct pit_past *past, const char *directory, uint64_t sequence, struct pit_error *error)
{
    const struct pit_snapshot_target target = {.markets = &past->market,
                                               .markets_count = 1,
                                               .room = room,
                                               .room_context = past,
                                               .past = past->past,
                                               .results = past->results};
    return pit_snapshot_load(pit_disk_machine(), directory, sequence, &target, &past->from, error);
}

/* What was put in is of no use: begins anew. */
static int renew(struct pit_past *past, struct pit_error *error)
{
    pit_past_end(past);
    past->from = (struct pit_snapshot_header){0};
    if (past->results)
        pit_results_clear(past->results);
    return pit_past_begin(past, error);
}

static int load_wanted(struct pit_past *past, const char *directory, const uint8_t journal_id[16], uint64_t at_most,
                       uint64_t at_most_ns, struct pit_error *error)
{
    if (past->wanted > at_most)
        return pit_error_set(error, -EINVAL, "the snapshot of sequence %lu is later than sequence %lu", past->wanted,
                             at_most);
    const int code = load(past, directory, past->wanted, error);
    if (code == 0 && past->from.time_ns > at_most_ns)
        return pit_error_set(error, -EINVAL, "the snapshot of sequence %lu is later than the time asked for",
                             past->wanted);
    if (code == 0 && memcmp(past->from.journal_id, journal_id, sizeof past->from.journal_id) != 0)
        return pit_error_set(error, -ESTALE, "the snapshot of sequence %lu in %s is of another journal", past->wanted,
                             directory);
    return code;
}

/* The newest that can be had; 0 also when there is none. */
static int load_newest(struct pit_past *past, const char *directory, const uint8_t journal_id[16], uint64_t at_most,
                       uint64_t at_most_ns, struct pit_error *error)
{
    for (;;) {
        struct pit_snapshot_header found;
        int code = pit_snapshot_newest(pit_disk_machine(), directory, journal_id, at_most, warn, past, &found, error);
        if (code == -ENOENT)
            return 0;
        if (code == 0 && found.time_ns > at_most_ns) {
            at_most = found.sequence - 1;
            continue;
        }
        if (code == 0)
            code = load(past, directory, found.sequence, error);
        if (code == 0 || found.sequence == 0)
            return code;
        warn(past, error->text);
        at_most = found.sequence - 1;
        code = renew(past, error);
        if (code)
            return code;
    }
}

int pit_past_replay(struct pit_past *past, const char *directory, struct pit_replay_options *options,
                    struct pit_replay_result *result, struct pit_error *error)
{
    uint64_t at_most = options->until ? options->until : UINT64_MAX;
    const uint64_t at_most_ns = options->until_ns ? options->until_ns : UINT64_MAX;
    *result = (struct pit_replay_result){0};
    for (;;) {
        uint8_t journal_id[16];
        int code = 0;
        if (past->from_snapshot)
            code = pit_snapshot_journal_id(pit_disk_machine(), directory, journal_id, error);
        if (code == 0 && past->from_snapshot)
            code = past->wanted ? load_wanted(past, directory, journal_id, at_most, at_most_ns, error)
                                : load_newest(past, directory, journal_id, at_most, at_most_ns, error);
        if (code)
            return code;
        options->markets = &past->market;
        options->markets_count = 1;
        options->from = past->from.sequence;
        options->from_command = past->from.command;
        options->from_block = past->from.block;
        options->from_time_ns = past->from.time_ns;
        if (past->begun)
            past->begun(past->begun_context);
        code = pit_replay(pit_disk_machine(), directory, options, result, error);
        if (code != -ESTALE || past->wanted)
            return code;
        warn(past, error->text);
        at_most = past->from.sequence - 1;
        code = renew(past, error);
        if (code)
            return code;
    }
}
