/* tools/what_if.c - pitline replay --what-if: the state at a point, twice: once it goes on as the journal says, once
 * with other commands; and how the two differ. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/what_if_file.h"
#include "tools/what_if_parts.h"

#define TOOL "pitline replay"

/* Events. */

/* Of all but the place in the stream of events. */
static uint64_t hash_event(uint64_t hash, const struct pit_event *event)
{
    uint64_t words[sizeof *event / 8];
    const size_t count = event->flags & PIT_EVENT_WIDE ? 16 : 8;
    memcpy(words, event, count * 8);
    for (size_t i = 1; i < count; i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hash;
}

static void take_event(struct pit_what_if *what_if, int world, const struct pit_event *event)
{
    struct pit_what_if_outcome *outcome = &what_if->outcomes[world];
    outcome->hash = hash_event(outcome->hash, event);
    if (outcome->count < PIT_WHAT_IF_EVENTS_KEPT)
        outcome->events[outcome->count] = *event;
    outcome->count++;
    if (event->symbol >= PIT_SYMBOLS_MAX)
        return;
    struct pit_what_if_sums *sums = &what_if->sums[world][event->symbol];
    if (event->kind == PIT_EVENT_TRADE) {
        sums->trades++;
        sums->lots += event->quantity;
        sums->last_price = event->price;
    }
    sums->rejects += event->kind == PIT_EVENT_REJECTED;
}

static void journal_event(void *context, const struct pit_command *command, const struct pit_event *event)
{
    (void)command;
    take_event(context, PIT_WORLD_JOURNAL, event);
}

static void deliver(struct pit_what_if *what_if)
{
    for (; what_if->delivered != what_if->sink.next; what_if->delivered++)
        take_event(what_if, PIT_WORLD_WHAT_IF, &what_if->slots[what_if->delivered & (PIT_WHAT_IF_SINK_SLOTS - 1)]);
}

static void make_room(struct pit_event_sink *sink)
{
    struct pit_what_if *what_if = sink->context;
    pit_market_fold(what_if->market, sink);
    deliver(what_if);
    sink->limit = sink->next + PIT_WHAT_IF_SINK_SLOTS;
}

static void forget_outcomes(struct pit_what_if *what_if)
{
    for (int world = 0; world < PIT_WORLDS; world++) {
        what_if->outcomes[world].count = 0;
        what_if->outcomes[world].hash = 0;
    }
}

static void apply_to_fork(struct pit_what_if *what_if, const struct pit_command *command)
{
    pit_market_apply(what_if->market, command, &what_if->sink);
    deliver(what_if);
}

/* The fork. */

static size_t room(void *context)
{
    return pit_arena_room(context);
}

static int fork_here(struct pit_what_if *what_if, struct pit_error *error)
{
    const struct pit_arena_options options = {.name = "what-if", .node = PIT_ARENA_NODE_ANY};
    int code = pit_arena_create(&what_if->arena, &options, error);
    if (code)
        return code;
    const struct pit_reserve reserve = pit_arena_reserve(what_if->arena);
    what_if->market = pit_walk_fork(what_if->walk, &reserve, room, what_if->arena, error);
    if (!what_if->market)
        return -ENOMEM;
    for (int world = 0; world < PIT_WORLDS; world++) {
        what_if->sums[world] = calloc(PIT_SYMBOLS_MAX, sizeof *what_if->sums[world]);
        if (!what_if->sums[world])
            return pit_error_set(error, -ENOMEM, "no memory for %u symbols", PIT_SYMBOLS_MAX);
    }
    what_if->fork = pit_walk_sequence(what_if->walk);
    what_if->delivered = 1;
    what_if->sink = (struct pit_event_sink){.slots = what_if->slots,
                                            .mask = PIT_WHAT_IF_SINK_SLOTS - 1,
                                            .next = 1,
                                            .limit = 1 + PIT_WHAT_IF_SINK_SLOTS,
                                            .folded = 1,
                                            .make_room = make_room,
                                            .context = what_if};
    return 0;
}

static int inject(struct pit_what_if *what_if, uint64_t below, struct pit_error *error)
{
    const struct pit_command_symbols symbols = pit_command_symbols_of(what_if->market);
    struct pit_what_if_file *file = NULL;
    struct pit_command command;
    int code = pit_what_if_file_open(&file, what_if->options->what_if, what_if->fork, pit_walk_time_ns(what_if->walk),
                                     below, error);
    while (code >= 0 && (code = pit_what_if_file_next(file, &symbols, &command, error)) == 1) {
        forget_outcomes(what_if);
        apply_to_fork(what_if, &command);
        what_if->injected++;
        what_if->printer.extra = "what_if";
        pit_happening_command(&what_if->printer, &command, pit_what_if_definition(what_if->market, command.symbol));
        pit_what_if_print_outcome(what_if, PIT_WORLD_WHAT_IF, &command, "    ");
    }
    pit_what_if_file_close(file);
    return code;
}

static void compare(struct pit_what_if *what_if, const struct pit_command *command)
{
    const struct pit_what_if_outcome *outcomes = what_if->outcomes;
    what_if->went_on++;
    if (outcomes[PIT_WORLD_JOURNAL].count == outcomes[PIT_WORLD_WHAT_IF].count &&
        outcomes[PIT_WORLD_JOURNAL].hash == outcomes[PIT_WORLD_WHAT_IF].hash)
        return;
    what_if->different++;
    if (!what_if->first_different)
        what_if->first_different = command->sequence;
    if (what_if->different <= what_if->options->differences)
        pit_what_if_print_difference(what_if, command);
}

static bool wanted(const struct pit_moment *until, const struct pit_command *command)
{
    return (!until->sequence || command->sequence <= until->sequence) &&
           (!until->time_ns || command->time_ns <= until->time_ns);
}

/* The rest of the journal, in both. */
static int go_on(struct pit_what_if *what_if, uint64_t from, struct pit_error *error)
{
    const struct pit_command *next;
    int code;
    pit_walk_listen(what_if->walk, journal_event, what_if);
    while ((code = pit_walk_peek(what_if->walk, &next, error)) == 1 && wanted(&what_if->options->go_on_until, next)) {
        struct pit_command command; /* the second line only where there is one */
        memcpy(&command, next, pit_command_bytes(next));
        forget_outcomes(what_if);
        code = pit_walk_next(what_if->walk, error);
        if (code <= 0)
            break;
        if (command.sequence < from) {
            what_if->left_out++;
            continue;
        }
        apply_to_fork(what_if, &command);
        compare(what_if, &command);
    }
    return code < 0 ? code : 0;
}

static int run(struct pit_what_if *what_if, struct pit_error *error)
{
    const struct pit_travel_options *options = what_if->options;
    int code = fork_here(what_if, error);
    if (code)
        return code;
    if (options->go_on && options->go_on_from && options->go_on_from <= what_if->fork)
        return pit_error_set(error, -EINVAL, "the journal cannot go on with sequence %lu: the fork is after %lu",
                             options->go_on_from, what_if->fork);
    const uint64_t from = options->go_on_from ? options->go_on_from : what_if->fork + 1;
    if (!options->json)
        fprintf(what_if->printer.file, "fork      after sequence %lu\n\n", what_if->fork);
    code = inject(what_if, options->go_on ? from : UINT64_MAX, error);
    if (code == 0 && options->go_on)
        code = go_on(what_if, from, error);
    return code;
}

int pit_travel_what_if(const struct pit_travel_options *options)
{
    struct pit_error error = {0};
    struct pit_what_if *what_if = aligned_alloc(128, (sizeof *what_if + 127) / 128 * 128);
    if (!what_if) {
        fprintf(stderr, TOOL ": no memory\n");
        return 1;
    }
    memset(what_if, 0, sizeof *what_if);
    what_if->options = options;
    what_if->printer = (struct pit_happening_printer){.json = options->json, .file = stdout, .extra_name = "in"};
    int code = pit_travel_open(&what_if->walk, options, &error);
    if (code == 1 && options->until.sequence && options->until.sequence != UINT64_MAX)
        code = pit_error_set(&error, -ENODATA, "the journal ends at sequence %lu, before %lu",
                             pit_walk_sequence(what_if->walk), options->until.sequence);
    if (code >= 0)
        code = run(what_if, &error);
    int status = 1;
    if (code == 0)
        status = pit_what_if_tell(what_if);
    else
        fprintf(stderr, TOOL ": %s\n", error.text);
    fflush(stdout);
    pit_walk_close(what_if->walk);
    pit_arena_destroy(what_if->arena);
    for (int world = 0; world < PIT_WORLDS; world++)
        free(what_if->sums[world]);
    free(what_if);
    return status;
}
