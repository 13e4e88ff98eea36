/* stages/local.c - see local.h. */
#include "stages/local.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TURN_COMMANDS 256u
#define TURN_LINES 512u

struct pit_local {
    /* the source's */
    struct pit_local_ends ends;
    struct pit_ring *input;
    const struct pit_clock *clock;
    const struct pit_control *control;
    struct pit_command *startup;
    uint32_t startup_count;
    uint32_t startup_done;
    uint64_t time_ns;
    const struct pit_node_board *node;
    struct pit_intake_board *intake_board;
    uint64_t epoch; /* the node board's, as last seen */
    bool closed;
    struct pit_sequence started; /* 1: the start-up commands are in the ring */
    struct pit_sequence intake;  /* one past the last sequence, 0 = still open */
    /* the sink's */
    struct pit_ring_reader outputs[PIT_LOCAL_OUTPUTS_MAX];
    uint32_t outputs_count;
    struct pit_local_counters counters;
    struct pit_histogram latency;
};

static void count(uint64_t *counter, uint64_t more)
{
    pit_word_store_relaxed(counter, *counter + more);
}

/* The next command into slot: of the start-up ones, or the function's. */
static bool next_command(struct pit_local *local, struct pit_command *slot)
{
    if (local->startup_done == local->startup_count)
        return local->ends.fill && local->ends.fill(local->ends.context, slot);
    const struct pit_command *command = &local->startup[local->startup_done++];
    size_t skip = sizeof slot->sequence; /* the ring's; readers are looking at it */
    memcpy((uint8_t *)slot + skip, (const uint8_t *)command + skip, pit_command_bytes(command) - skip);
    return true;
}

static void announce(struct pit_local *local)
{
    if (local->startup_done == local->startup_count && pit_sequence_load(&local->started) == 0)
        pit_sequence_store(&local->started, 1);
}

/* In a cluster: whether the node leads. What is taken from here on belongs to the epoch that is seen here. */
static bool leads(struct pit_local *local)
{
    uint64_t epoch = pit_word_load_acquire(&local->node->leads);
    if (epoch != local->epoch && epoch != 0) {
        pit_word_store_release(&local->intake_board->first, pit_ring_published(local->input) + 1);
        pit_word_store_release(&local->intake_board->epoch, epoch);
    }
    local->epoch = epoch;
    return epoch != 0;
}

static void close_intake(struct pit_local *local)
{
    uint64_t end = pit_ring_published(local->input) + 1;
    local->closed = true;
    if (local->node)
        pit_word_store_release(&local->intake_board->end, end);
    pit_sequence_store(&local->intake, end);
}

static uint32_t source_work(void *state)
{
    struct pit_local *local = state;
    if (local->closed)
        return 0;
    if (pit_control_phase(local->control) != PIT_PHASE_RUN) {
        close_intake(local);
        return 1;
    }
    announce(local);
    if (local->node && !leads(local))
        return 0;
    uint32_t room = pit_ring_room(local->input, TURN_COMMANDS);
    if (room == 0) {
        count(&local->counters.stalls, 1);
        return 0;
    }
    uint64_t now = local->clock->utc_ns(local->clock->context);
    if (now > local->time_ns)
        local->time_ns = now;
    uint64_t first = pit_ring_published(local->input) + 1;
    uint32_t filled = 0;
    for (; filled < room; filled++) {
        struct pit_command *slot = pit_ring_slot(local->input, first + filled);
        if (!next_command(local, slot))
            break;
        slot->time_ns = local->time_ns;
    }
    if (filled > 0) {
        first = pit_ring_claim(local->input, filled);
        pit_ring_publish(local->input, first, filled);
        count(&local->counters.commands, filled);
    }
    announce(local);
    return filled;
}

static void sink_event(struct pit_local *local, const struct pit_event *event, uint64_t now)
{
    if (local->ends.take)
        local->ends.take(local->ends.context, event);
    if (event->kind == PIT_EVENT_TRADE)
        count(&local->counters.trades, 1);
    else if (event->kind == PIT_EVENT_REJECTED)
        count(&local->counters.rejects, 1);
    if (!(event->flags & PIT_EVENT_LAST))
        return;
    count(&local->counters.answered, 1);
    pit_histogram_record(&local->latency, now > event->time_ns ? now - event->time_ns : 0);
}

static uint32_t sink_work(void *state)
{
    struct pit_local *local = state;
    uint32_t worked = 0;
    for (uint32_t i = 0; i < local->outputs_count; i++) {
        struct pit_ring_reader *reader = &local->outputs[i];
        uint32_t ready = pit_ring_poll_run(reader, TURN_LINES);
        if (ready == 0)
            continue;
        uint64_t now = local->clock->utc_ns(local->clock->context);
        uint32_t events = 0, done = 0;
        for (; done < ready; events++) {
            const struct pit_event *event = pit_ring_slot(reader->ring, reader->next + done);
            sink_event(local, event, now);
            done += pit_event_lines(event);
        }
        pit_ring_release_run(reader, done);
        count(&local->counters.events, events);
        worked += events;
    }
    return worked;
}

int pit_local_create(struct pit_local **created, const struct pit_local_config *config, struct pit_error *error)
{
    if (config->outputs_count < 1 || config->outputs_count > PIT_LOCAL_OUTPUTS_MAX)
        return pit_error_set(error, -EINVAL, "%u output rings; there can be 1 to %u", config->outputs_count,
                             PIT_LOCAL_OUTPUTS_MAX);
    struct pit_local *local = aligned_alloc(PIT_SEQUENCE_BYTES, sizeof *local);
    struct pit_command *startup = calloc(config->startup_count ? config->startup_count : 1, sizeof *startup);
    if (!local || !startup) {
        free(local);
        free(startup);
        return pit_error_set(error, -ENOMEM, "no memory for the source and the sink");
    }
    memset(local, 0, sizeof *local);
    if (config->startup_count > 0)
        memcpy(startup, config->startup, config->startup_count * sizeof *startup);
    local->ends = config->ends;
    local->input = config->input;
    local->clock = config->clock;
    local->control = config->control;
    local->startup = startup;
    local->startup_count = config->startup_count;
    local->time_ns = config->time_ns_min;
    local->node = config->node;
    local->intake_board = config->intake;
    for (uint32_t i = 0; i < config->outputs_count; i++) {
        if (!pit_ring_reader_add(config->outputs[i], &local->outputs[i])) {
            pit_local_destroy(local);
            return pit_error_set(error, -EINVAL, "output ring %u has too many readers", i);
        }
        local->outputs_count++;
    }
    *created = local;
    return 0;
}

static int source_handle(void *state)
{
    const struct pit_local *local = state;
    return local->ends.handle(local->ends.context);
}

struct pit_agent pit_local_source_agent(struct pit_local *local)
{
    return (struct pit_agent){
        .name = "source", .state = local, .do_work = source_work, .handle = local->ends.handle ? source_handle : NULL};
}

struct pit_agent pit_local_sink_agent(struct pit_local *local)
{
    return (struct pit_agent){.name = "sink", .state = local, .do_work = sink_work};
}

void pit_local_destroy(struct pit_local *local)
{
    if (!local)
        return;
    free(local->startup);
    free(local);
}

const struct pit_local_counters *pit_local_counters(const struct pit_local *local)
{
    return &local->counters;
}

const struct pit_histogram *pit_local_latency(const struct pit_local *local)
{
    return &local->latency;
}

bool pit_local_started(const struct pit_local *local)
{
    return pit_sequence_load(&local->started) == 1;
}

bool pit_local_intake_closed(const struct pit_local *local, uint64_t *last)
{
    uint64_t end = pit_sequence_load(&local->intake);
    if (end == 0)
        return false;
    *last = end - 1;
    return true;
}
