/* stages/matcher.c - see matcher.h. */
#include "stages/matcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/format.h"
#include "ring/check.h"
#include "stages/links.h"

#define PREFETCH_AHEAD 8u

/* Where events go once the pipeline is told to stop while the output ring is full: nobody will read them, but the
 * command in progress has to end before do_work can return. */
#define ABANDONED_SLOTS 64u

struct pit_matcher {
    struct pit_event_sink sink;
    struct pit_ring_reader input;
    struct pit_barrier barrier;
    struct pit_market *market;
    const struct pit_command *commands; /* slot 0 of the input ring */
    uint64_t commands_mask;
    const uint8_t *owners;
    uint32_t owners_count;
    uint32_t number;
    uint32_t matchers;
    struct pit_ring *output;
    uint64_t published;     /* slots before this one are visible to the readers */
    uint32_t room_want;     /* how many slots are asked for at once */
    uint32_t room_min;      /* how many must be free before a full ring is written to again */
    uint64_t events_before; /* this run */
    bool abandoned;
    bool finished;
    struct pit_ring *digests;
    struct pit_relief relief;
    const struct pit_control *control;
    char name[16];
    struct pit_matcher_counters counters;
    struct pit_event *abandoned_slots;
};

static void count(uint64_t *counter, uint64_t more)
{
    pit_word_store_relaxed(counter, pit_word_load_relaxed(counter) + more);
}

/* Makes every complete event visible. */
static void publish(struct pit_matcher *matcher)
{
    uint64_t ready = matcher->sink.next - matcher->published;
    if (ready == 0 || matcher->abandoned)
        return;
    uint64_t first = pit_ring_claim(matcher->output, (uint32_t)ready);
    PIT_CHECK(first == matcher->published); /* room was seen before the slots were written */
    pit_ring_publish_run(matcher->output, first, (uint32_t)ready);
    matcher->published += ready;
    const uint64_t events = pit_market_event_digest(matcher->market).events_count - matcher->events_before;
    pit_word_store_relaxed(&matcher->counters.events, events);
}

/* From here on events go nowhere. */
static void abandon(struct pit_matcher *matcher)
{
    matcher->abandoned = true;
    matcher->sink.slots = matcher->abandoned_slots;
    matcher->sink.mask = ABANDONED_SLOTS - 1;
}

/* The sink's make_room. Room is looked for in large steps, so that the readers' cursors, which are on other cores'
 * lines, are read seldom; and a ring that was full is written to again only when a good part of it is free. */
static void make_room(struct pit_event_sink *sink)
{
    struct pit_matcher *matcher = sink->context;
    pit_market_fold(matcher->market, sink);
    publish(matcher);
    uint32_t room = matcher->abandoned ? 0 : pit_ring_room(matcher->output, matcher->room_want);
    if (room < matcher->room_min && !matcher->abandoned) {
        count(&matcher->counters.output_full, 1);
        do {
            if (pit_control_phase(matcher->control) == PIT_PHASE_STOP) {
                abandon(matcher);
                break;
            }
            matcher->relief.relieve(matcher->relief.context);
            room = pit_ring_room(matcher->output, matcher->room_want);
        } while (room < matcher->room_min);
    }
    sink->limit = sink->next + (matcher->abandoned ? ABANDONED_SLOTS : room);
}

/* Hands the digest of everything up to command over. False: the digest ring is full. */
static bool note_digest(struct pit_matcher *matcher, uint64_t command, bool full)
{
    uint64_t sequence = pit_ring_claim(matcher->digests, 1);
    if (sequence == PIT_SEQUENCE_NONE)
        return false;
    struct pit_digest digest =
        full ? pit_market_full_digest(matcher->market) : pit_market_event_digest(matcher->market);
    struct pit_digest_note *note = pit_ring_slot(matcher->digests, sequence);
    note->command = command;
    note->events = digest.events;
    note->events_count = digest.events_count;
    note->state = digest.state;
    note->orders = digest.orders;
    note->full = full;
    note->zero = 0;
    pit_ring_publish(matcher->digests, sequence, 1);
    count(&matcher->counters.digests, 1);
    return true;
}

static bool own(const struct pit_matcher *matcher, const struct pit_command *command)
{
    return matcher->matchers == 1 || pit_matcher_of(matcher->owners, matcher->owners_count, matcher->matchers,
                                                    command->symbol) == matcher->number;
}

/* Matches the commands from the next one up to and including last. Returns how many were its own. */
static uint32_t match(struct pit_matcher *matcher, uint64_t last)
{
    const struct pit_command *commands = matcher->commands;
    uint64_t mask = matcher->commands_mask;
    uint32_t own_count = 0;
    for (uint64_t sequence = matcher->input.next; sequence <= last; sequence++) {
        if (sequence + PREFETCH_AHEAD <= last) {
            const struct pit_command *coming = &commands[(sequence + PREFETCH_AHEAD) & mask];
            if (own(matcher, coming))
                pit_market_prefetch(matcher->market, coming);
        }
        const struct pit_command *command = &commands[sequence & mask];
        PIT_HOT_CHECK(command->sequence == sequence);
        if (own(matcher, command)) {
            pit_market_apply(matcher->market, command, &matcher->sink);
            own_count++;
        }
    }
    return own_count;
}

/* The last sequence of this turn: not past the barrier, a batch, or the next digest. */
static uint64_t turn_end(uint64_t next, uint64_t reached)
{
    uint64_t last = next + PIT_MATCHER_BATCH - 1;
    uint64_t digest = (next + PIT_JOURNAL_DIGEST_EVERY - 1) / PIT_JOURNAL_DIGEST_EVERY * PIT_JOURNAL_DIGEST_EVERY;
    if (last > reached)
        last = reached;
    return last > digest ? digest : last;
}

/* Nothing more will come: hands the full digest over, once. */
static uint32_t finish(struct pit_matcher *matcher)
{
    uint64_t end = pit_control_intake_end(matcher->control);
    if (matcher->finished || end == 0 || matcher->input.next != end || !note_digest(matcher, end - 1, true))
        return 0;
    matcher->finished = true;
    pit_word_store_release(&matcher->counters.finished, 1);
    return 1;
}

static uint32_t do_work(void *state)
{
    struct pit_matcher *matcher = state;
    uint64_t next = matcher->input.next;
    uint64_t reached = pit_barrier_reached(&matcher->barrier, next);
    if (reached < next)
        return finish(matcher);
    uint64_t last = turn_end(next, reached);
    bool at_digest = last % PIT_JOURNAL_DIGEST_EVERY == 0;
    if (at_digest && pit_ring_room(matcher->digests, 1) == 0)
        return 0; /* the journaler is behind with the notes: wait before the sequence that needs one */
    uint32_t own_count = match(matcher, last);
    publish(matcher);
    if (at_digest)
        PIT_CHECK(note_digest(matcher, last, false));
    uint32_t done = (uint32_t)(last - next + 1);
    pit_ring_release(&matcher->input, done);
    count(&matcher->counters.commands, own_count);
    count(&matcher->counters.turns, 1);
    return done;
}

static int check_config(const struct pit_matcher_config *config, struct pit_error *error)
{
    if (config->matchers < 1 || config->matchers > PIT_MATCHERS_MAX || config->number >= config->matchers)
        return pit_error_set(error, -EINVAL, "matcher %u of %u: there can be 1 to %u matchers", config->number,
                             config->matchers, PIT_MATCHERS_MAX);
    for (uint32_t symbol = 0; symbol < config->owners_count; symbol++)
        if (config->owners[symbol] >= config->matchers)
            return pit_error_set(error, -EINVAL, "symbol %u is given to matcher %u, but there are %u matchers", symbol,
                                 config->owners[symbol], config->matchers);
    return 0;
}

int pit_matcher_create(struct pit_matcher **created, const struct pit_matcher_config *config, struct pit_error *error)
{
    int code = check_config(config, error);
    if (code)
        return code;
    struct pit_matcher *matcher = aligned_alloc(128, (sizeof *matcher + 127) / 128 * 128);
    const size_t abandoned_bytes = (ABANDONED_SLOTS + 2) * PIT_EVENT_LINE_BYTES; /* as a ring, with its overhang */
    struct pit_event *abandoned_slots = aligned_alloc(128, abandoned_bytes);
    if (!matcher || !abandoned_slots) {
        free(matcher);
        free(abandoned_slots);
        return pit_error_set(error, -ENOMEM, "no memory for matcher %u", config->number);
    }
    memset(abandoned_slots, 0, abandoned_bytes);
    uint32_t slots = pit_ring_slots(config->output);
    uint64_t first = pit_ring_published(config->output) + 1;
    *matcher = (struct pit_matcher){
        .sink = {.slots = pit_ring_slot(config->output, 0),
                 .mask = slots - 1,
                 .next = first,
                 .limit = first, /* the first event looks for room */
                 .folded = first,
                 .lines = 1,
                 .make_room = make_room,
                 .context = matcher},
        .input = config->input,
        .barrier = config->barrier,
        .market = config->market,
        .commands = pit_ring_slot(config->input.ring, 0),
        .commands_mask = pit_ring_slots(config->input.ring) - 1,
        .owners = config->owners,
        .owners_count = config->owners_count,
        .number = config->number,
        .matchers = config->matchers,
        .output = config->output,
        .published = first,
        .events_before = pit_market_event_digest(config->market).events_count,
        .room_want = slots / 2,
        .room_min = slots / 8 > 2 ? slots / 8 : 2,
        .digests = config->digests,
        .relief = config->relief,
        .control = config->control,
        .abandoned_slots = abandoned_slots,
    };
    strncpy(matcher->name, config->name, sizeof matcher->name - 1);
    *created = matcher;
    return 0;
}

struct pit_agent pit_matcher_agent(struct pit_matcher *matcher)
{
    return (struct pit_agent){.name = matcher->name, .state = matcher, .do_work = do_work};
}

const struct pit_matcher_counters *pit_matcher_counters(const struct pit_matcher *matcher)
{
    return &matcher->counters;
}

void pit_matcher_destroy(struct pit_matcher *matcher)
{
    if (!matcher)
        return;
    free(matcher->abandoned_slots);
    free(matcher);
}
