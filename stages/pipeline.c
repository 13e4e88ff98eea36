/* stages/pipeline.c - see pipeline.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stages/pipeline_parts.h"

#define STARTUP_MS 10000u
#define JOIN_MS 10000u
#define MIB 1048576.0

void pit_pipeline_say(const struct pit_pipeline *pipeline, const char *format, ...)
{
    if (!pipeline->config.notes.say)
        return;
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    pipeline->config.notes.say(pipeline->config.notes.context, line);
}

static void set_defaults(struct pit_pipeline_config *config)
{
    if (!config->disk)
        config->disk = pit_disk_machine();
    if (!config->clock)
        config->clock = pit_clock_machine();
    if (!config->network)
        config->network = pit_network_machine();
    if (config->matchers == 0)
        config->matchers = 1;
    if (config->input_slots == 0)
        config->input_slots = 65536;
    if (config->output_slots == 0)
        config->output_slots = 65536;
    if (config->session_slots == 0)
        config->session_slots = 1024;
    if (config->event_slots == 0)
        config->event_slots = 65536;
    if (config->limits.sessions_max == 0)
        config->limits.sessions_max = 64;
    if (config->segment_bytes == 0)
        config->segment_bytes = UINT64_C(64) << 20;
    if (config->readable_by == 0)
        config->readable_by = PIT_READABLE_BY_WORLD;
}

static int check_symbols(const struct pit_pipeline_config *config, struct pit_error *error)
{
    if (config->symbols_count > PIT_SYMBOLS_MAX)
        return pit_error_set(error, -EINVAL, "%u symbols; there can be %u", config->symbols_count, PIT_SYMBOLS_MAX);
    for (uint32_t i = 0; i < config->symbols_count; i++) {
        const struct pit_pipeline_symbol *symbol = &config->symbols[i];
        if (!pit_symbol_definition_valid(&symbol->definition))
            return pit_error_set(error, -EINVAL, "symbol %u (%.15s): a value of its definition is out of range", i + 1,
                                 symbol->definition.name);
        if (symbol->matcher != PIT_MATCHER_ROUND_ROBIN &&
            (symbol->matcher < 0 || (uint32_t)symbol->matcher >= config->matchers))
            return pit_error_set(error, -EINVAL, "symbol %s: matcher %d; the matchers are 0 to %u",
                                 symbol->definition.name, symbol->matcher, config->matchers - 1);
    }
    return 0;
}

static int check_names(const struct pit_pipeline_config *config, struct pit_error *error)
{
    struct pit_symbol_names names;
    if (pit_symbol_names_create(&names, config->symbols_count) != 0)
        return pit_error_set(error, -ENOMEM, "no memory for the names of %u symbols", config->symbols_count);
    int code = 0;
    for (uint32_t i = 0; i < config->symbols_count && code == 0; i++)
        if (pit_symbol_names_add(&names, config->symbols[i].definition.name, i) != PIT_SYMBOL_NAMES_NONE)
            code = pit_error_set(error, -EINVAL, "symbol %s stands twice in the configuration",
                                 config->symbols[i].definition.name);
    pit_symbol_names_destroy(&names);
    return code;
}

static int check_config(const struct pit_pipeline_config *config, struct pit_error *error)
{
    if (!config->name || !config->directory)
        return pit_error_set(error, -EINVAL, "a pipeline needs a name and a data directory");
    if (config->matchers > PIT_MATCHERS_MAX)
        return pit_error_set(error, -EINVAL, "%u matchers; there can be 1 to %u", config->matchers, PIT_MATCHERS_MAX);
    if (config->segment_bytes < PIT_JOURNAL_SEGMENT_BYTES_LEAST ||
        config->segment_bytes > PIT_JOURNAL_SEGMENT_BYTES_MAX)
        return pit_error_set(error, -EINVAL, "journal segments of %llu bytes; they can have 64 KiB to 16 GiB",
                             (unsigned long long)config->segment_bytes);
    if (config->cancels_bytes > config->segment_bytes / 2)
        return pit_error_set(error, -EINVAL, "%llu bytes kept for cancels; it can be half a segment, %llu, at most",
                             (unsigned long long)config->cancels_bytes, (unsigned long long)config->segment_bytes / 2);
    int code = pit_pipeline_check_cluster(config, error);
    if (code == 0)
        code = check_symbols(config, error);
    return code ? code : check_names(config, error);
}

static int create(struct pit_pipeline **created, const struct pit_pipeline_config *config, struct pit_error *error)
{
    struct pit_pipeline_config whole = *config;
    set_defaults(&whole);
    int code = check_config(&whole, error);
    if (code)
        return code;
    struct pit_pipeline *pipeline = aligned_alloc(PIT_SEQUENCE_BYTES, sizeof *pipeline);
    if (!pipeline)
        return pit_error_set(error, -ENOMEM, "no memory for the pipeline");
    memset(pipeline, 0, sizeof *pipeline);
    pipeline->config = whole;
    pipeline->disk = whole.disk;
    pipeline->lock = -1;
    pit_sequence_store(&pipeline->control.phase, PIT_PHASE_RUN);
    code = pit_pipeline_plan(pipeline, error);
    if (code == 0)
        code = pit_pipeline_recover(pipeline, error);
    if (code == 0)
        code = pit_pipeline_build(pipeline, error);
    if (code) {
        pit_pipeline_destroy(pipeline);
        return code;
    }
    *created = pipeline;
    return 0;
}

int pit_pipeline_create(struct pit_pipeline **created, const struct pit_pipeline_config *config,
                        struct pit_error *error)
{
    struct pit_error unread = {0};
    if (!error)
        error = &unread;
    int code = create(created, config, error);
    if (code == -ESTALE) /* a damaged log was put aside: without it now */
        code = create(created, config, error);
    return code;
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
}

static uint64_t now_ms(void)
{
    const struct pit_clock *clock = pit_clock_machine();
    return clock->monotonic_ns(clock->context) / 1000000u;
}

static bool startup_done(const struct pit_pipeline *pipeline)
{
    return pipeline->local ? pit_local_started(pipeline->local) : pit_gateway_started(pipeline->gateway);
}

int pit_pipeline_start(struct pit_pipeline *pipeline, struct pit_error *error)
{
    pit_sequence_store(&pipeline->threads_run, 1);
    int code = pit_runner_start(pipeline->runner, &pipeline->config.notes, error);
    if (code)
        return code;
    pipeline->running = true;
    uint64_t limit = now_ms() + STARTUP_MS;
    while (!startup_done(pipeline) && !pit_pipeline_failed(pipeline, NULL)) {
        if (now_ms() > limit)
            return pit_error_set(error, -ETIMEDOUT, "the symbols did not get into the pipeline in %u s",
                                 STARTUP_MS / 1000);
        nap();
    }
    return pit_pipeline_failed(pipeline, error) ? (error ? error->code : -EIO) : 0;
}

bool pit_pipeline_failed(const struct pit_pipeline *pipeline, struct pit_error *error)
{
    return pipeline->replicator ? pit_replicator_failed(pipeline->replicator, error)
                                : pit_journaler_failed(pipeline->journaler, error);
}

static bool intake_closed(const struct pit_pipeline *pipeline, uint64_t *last)
{
    return pipeline->local ? pit_local_intake_closed(pipeline->local, last)
                           : pit_gateway_intake_closed(pipeline->gateway, last);
}

/* NULL when all that was accepted is done with; else who is not finished. */
static const char *unfinished(const struct pit_pipeline *pipeline, uint64_t last)
{
    for (uint32_t k = 0; k < pipeline->config.matchers; k++)
        if (pit_word_load_acquire(&pit_matcher_counters(pipeline->matchers[k].stage)->finished) == 0)
            return "a matcher still had commands to match";
    if (pipeline->replicator ? !pit_replicator_drained(pipeline->replicator)
                             : !pit_journaler_drained(pipeline->journaler, last))
        return "the journal did not have the final digest";
    for (uint32_t k = 0; k < pipeline->config.matchers; k++)
        if (pit_ring_slowest(pipeline->matchers[k].output) != pit_ring_published(pipeline->matchers[k].output))
            return "events were not yet reported and published";
    if (pipeline->egress && !pit_egress_flushed(pipeline->egress, last))
        return "reports were not yet sent";
    if (pipeline->gateway && !pit_gateway_drained(pipeline->gateway))
        return "sessions were not yet closed";
    return NULL;
}

static int drained_too_long(const struct pit_pipeline *pipeline, uint32_t drain_ms, const char *waits_for,
                            struct pit_error *error)
{
    struct pit_journal_space space = pit_pipeline_space(pipeline);
    char text[PIT_PIPELINE_SPACE_BYTES];
    if (!space.alarm)
        return pit_error_set(error, -ETIMEDOUT,
                             "stopped after %u ms of draining: %s. What was acknowledged is in the journal", drain_ms,
                             waits_for);
    return pit_error_set(error, -ENOSPC,
                         "stopped after %u ms of draining: the disk is full (%s), and %s. What was acknowledged is in "
                         "the journal; free some space there, then start again",
                         drain_ms, pit_pipeline_describe_space(pipeline, &space, text), waits_for);
}

void pit_pipeline_drain(struct pit_pipeline *pipeline)
{
    pit_sequence_store(&pipeline->control.phase, PIT_PHASE_DRAIN);
}

const char *pit_pipeline_undrained(struct pit_pipeline *pipeline)
{
    uint64_t last = 0;
    if (!intake_closed(pipeline, &last))
        return "the intake was not closed";
    if (pipeline->replicator && !pit_replicator_finished(pipeline->replicator, &last))
        return "the nodes had not agreed on all that was accepted";
    if (pit_control_intake_end(&pipeline->control) == 0)
        pit_sequence_store(&pipeline->control.intake_end, last + 1);
    return unfinished(pipeline, last);
}

static int drain(struct pit_pipeline *pipeline, uint32_t drain_ms, struct pit_error *error)
{
    uint64_t limit = now_ms() + drain_ms;
    const char *waits_for = "";
    pit_pipeline_drain(pipeline);
    for (; waits_for; nap()) {
        if (pit_pipeline_failed(pipeline, error))
            return error->code ? error->code : -EIO;
        waits_for = pit_pipeline_undrained(pipeline);
        if (waits_for && now_ms() > limit)
            return drained_too_long(pipeline, drain_ms, waits_for, error);
    }
    return 0;
}

uint32_t pit_pipeline_agents(const struct pit_pipeline *pipeline)
{
    return pipeline->request.agents_count;
}

const struct pit_agent *pit_pipeline_agent(const struct pit_pipeline *pipeline, uint32_t number)
{
    return pit_runner_agent(pipeline->runner, number);
}

int pit_pipeline_stop(struct pit_pipeline *pipeline, uint32_t drain_ms, struct pit_error *error)
{
    struct pit_error unread = {0};
    if (!error)
        error = &unread;
    if (!pipeline->running)
        return 0;
    int code = drain(pipeline, drain_ms ? drain_ms : PIT_PIPELINE_DRAIN_MS, error);
    pit_sequence_store(&pipeline->control.phase, PIT_PHASE_STOP);
    int join = pit_runner_join(pipeline->runner, JOIN_MS, code ? NULL : error);
    pipeline->running = false;
    pipeline->stuck = join != 0;
    return code ? code : join;
}

void pit_pipeline_destroy(struct pit_pipeline *pipeline)
{
    if (!pipeline)
        return;
    if (pipeline->running)
        pit_pipeline_stop(pipeline, 1, NULL);
    if (pipeline->stuck)
        return; /* a thread still uses it; the process is about to end */
    pit_gateway_destroy(pipeline->gateway);
    pit_egress_destroy(pipeline->egress);
    pit_local_destroy(pipeline->local);
    pit_publisher_destroy(pipeline->publisher);
    pit_snapshots_destroy(pipeline->snapshots);
    for (uint32_t k = 0; k < pipeline->config.matchers; k++)
        pit_matcher_destroy(pipeline->matchers[k].stage);
    pit_journaler_destroy(pipeline->journaler);
    pit_replicator_destroy(pipeline->replicator);
    if (pipeline->log)
        pit_log_close(pipeline->log);
    else if (pipeline->journal)
        pit_journal_close(pipeline->journal);
    if (pipeline->lock >= 0)
        pit_journal_unlock(pipeline->disk, pipeline->lock);
    pit_runner_destroy(pipeline->runner);
    pit_pipeline_free_memory(pipeline);
    pit_results_destroy(pipeline->results);
    free(pipeline->past);
    free(pipeline->definitions);
    free(pipeline->startup);
    free(pipeline);
}

const struct pit_pipeline_recovered *pit_pipeline_recovered(const struct pit_pipeline *pipeline)
{
    return &pipeline->recovered;
}

bool pit_pipeline_warning(struct pit_pipeline *pipeline, char text[PIT_SNAPSHOTS_WARNING_BYTES])
{
    _Static_assert(PIT_TRANSFER_WARNING_BYTES == PIT_SNAPSHOTS_WARNING_BYTES, "any warning has room");
    if (pipeline->replicator && pit_transfer_warning(pit_replicator_transfer(pipeline->replicator), text))
        return true;
    return pipeline->snapshots && pit_snapshots_warning(pipeline->snapshots, text);
}

uint64_t pit_pipeline_last(const struct pit_pipeline *pipeline)
{
    return pit_ring_published(pipeline->input);
}

struct pit_digest pit_pipeline_digest(const struct pit_pipeline *pipeline)
{
    struct pit_digest whole = {0};
    for (uint32_t k = 0; k < pipeline->config.matchers; k++) {
        struct pit_digest part = pit_market_full_digest(pipeline->matchers[k].market);
        pit_digest_add(&whole, &part);
    }
    return whole;
}

static uint64_t used(const struct pit_ring *ring)
{
    const uint64_t slowest = pit_ring_slowest(ring); /* first: it only rises, and so this is at most a ring full */
    return pit_ring_behind(ring, slowest);
}

static uint64_t read_word(const uint64_t *word)
{
    return pit_word_load_relaxed(word);
}

static void look_front(const struct pit_pipeline *pipeline, struct pit_pipeline_figures *figures)
{
    if (pipeline->local) {
        const struct pit_local_counters *local = pit_local_counters(pipeline->local);
        figures->answered = read_word(&local->answered);
        figures->events = read_word(&local->events);
        figures->trades = read_word(&local->trades);
        figures->rejects = read_word(&local->rejects);
        pit_histogram_snapshot(&figures->latency, pit_local_latency(pipeline->local));
        return;
    }
    const struct pit_egress_counters *egress = pit_egress_counters(pipeline->egress);
    const struct pit_gateway_counters *gateway = pit_gateway_counters(pipeline->gateway);
    figures->answered = read_word(&egress->commands);
    figures->events = read_word(&egress->events);
    figures->trades = read_word(&egress->trades);
    figures->rejects = read_word(&egress->rejects);
    figures->rejects_early = read_word(&gateway->rejected_throttled) + read_word(&gateway->rejected_overloaded) +
                             read_word(&gateway->rejected_not_permitted) +
                             read_word(&gateway->rejected_unknown_symbol) + read_word(&gateway->rejected_bad_request) +
                             read_word(&gateway->rejected_shutting_down) + read_word(&gateway->rejected_disk_full);
    figures->sessions = read_word(&gateway->sessions);
    pit_histogram_snapshot(&figures->latency, pit_egress_latency(pipeline->egress));
}

void pit_pipeline_look(const struct pit_pipeline *pipeline, struct pit_pipeline_figures *figures)
{
    memset(figures, 0, sizeof *figures);
    look_front(pipeline, figures);
    figures->commands = pit_ring_published(pipeline->input) - pipeline->end.sequence;
    figures->input_used = used(pipeline->input);
    figures->input_slots = pit_ring_slots(pipeline->input);
    figures->matched_min = UINT64_MAX;
    for (uint32_t k = 0; k < pipeline->config.matchers; k++) {
        uint64_t output_used = used(pipeline->matchers[k].output);
        uint64_t matched = read_word(&pit_matcher_counters(pipeline->matchers[k].stage)->commands);
        figures->output_slots = pit_ring_slots(pipeline->matchers[k].output);
        figures->output_used = output_used > figures->output_used ? output_used : figures->output_used;
        figures->matched_max = matched > figures->matched_max ? matched : figures->matched_max;
        figures->matched_min = matched < figures->matched_min ? matched : figures->matched_min;
    }
    figures->journal = pit_journal_statistics(pipeline->journal);
    figures->space = pit_journal_space(pipeline->journal);
    if (pipeline->snapshots)
        figures->snapshots = pit_snapshots_figures(pipeline->snapshots);
}

struct pit_journal_space pit_pipeline_space(const struct pit_pipeline *pipeline)
{
    return pit_journal_space(pipeline->journal);
}

char *pit_pipeline_describe_space(const struct pit_pipeline *pipeline, const struct pit_journal_space *space,
                                  char text[PIT_PIPELINE_SPACE_BYTES])
{
    int used = space->free == UINT64_MAX
                   ? snprintf(text, PIT_PIPELINE_SPACE_BYTES, "an unknown number of bytes is")
                   : snprintf(text, PIT_PIPELINE_SPACE_BYTES, "%.1f MiB are", (double)space->free / MIB);
    snprintf(text + used, PIT_PIPELINE_SPACE_BYTES - (size_t)used, " free in %.80s's file system, %.1f MiB are wanted",
             pipeline->config.directory, (double)space->wanted / MIB);
    return text;
}
