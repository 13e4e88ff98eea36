#include "test/cluster/log_run.h"

#include <errno.h>

#include "book/market.h"

void run_init(struct run *run, uint64_t random)
{
    memset(run, 0, sizeof *run);
    run->random = random | 1;
    run->memory = run->memories;
    memory_disk_init(run->memory, run->random);
}

void run_free(struct run *run)
{
    memory_disk_free(run->memory);
}

void run_give_way(void *context)
{
    struct run *run = context;
    if (run->others_write)
        return;
    pit_journal_disk_work(pit_log_journal(run->log));
    pit_journal_prepare_work(pit_log_journal(run->log));
}

struct pit_log_options run_options(struct run *run)
{
    return (struct pit_log_options){
        .directory = DIRECTORY,
        .segment_bytes = SEGMENT_BYTES,
        .keep_bytes = PIT_LOG_KEEP_ALL,
        .wait = run_give_way,
        .wait_context = run,
    };
}

static void apply(struct model *model, const struct step *step)
{
    switch (step->what) {
    case APPEND:
        model->last = step->index;
        model->terms[step->index] = step->term;
        model->salts[step->index] = step->salt;
        model->sequences[step->index] = step->sequence;
        break;
    case TRUNCATE:
        model->last = step->index - 1;
        break;
    case VOTE:
        model->term = step->term;
        model->vote = step->salt;
        break;
    }
}

int run_take_entry(void *argument, const struct pit_log_entry *entry)
{
    struct model *model = argument;
    uint64_t salt = entry->kind == PIT_LOG_BARRIER ? 0 : 1;
    uint64_t sequence = model->sequences[entry->index - 1];
    if (model->last)
        assert_int_equal(entry->index, model->last + 1);
    for (uint32_t at = 0; entry->kind == PIT_LOG_COMMANDS && at < entry->bytes;) {
        const struct pit_command *command =
            (const struct pit_command *)(const void *)((const uint8_t *)entry->payload + at);
        if (at == 0) {
            salt = command->order_id ^ command->sequence;
            sequence = command->sequence - 1;
        }
        const struct pit_command expected = fixture_command(++sequence, salt);
        assert_true(pit_command_bytes(&expected) <= entry->bytes - at);
        assert_memory_equal(command, &expected, pit_command_bytes(&expected));
        at += pit_command_bytes(&expected);
    }
    apply(model, &(struct step){APPEND, entry->index, entry->term, salt, sequence});
    return 0;
}

/* Does what was found, from after base on, agree with what a log might hold? */
static bool agrees(const struct model *found, const struct pit_log_base *base, const struct model *with)
{
    uint64_t last = found->last > base->index ? found->last : base->index;
    size_t from = base->index + 1, bytes = (last - base->index) * sizeof *found->terms;
    return found->term == with->term && found->vote == with->vote && last == with->last &&
           (base->index == 0 || base->term == with->terms[base->index]) &&
           !memcmp(found->terms + from, with->terms + from, bytes) &&
           !memcmp(found->salts + from, with->salts + from, bytes);
}

/* The state recovered is one that the steps led through, and not one before what was durable. That is now the start. */
static void settle_start(struct run *run, const struct model *found, const struct pit_log_base *base)
{
    struct model *model = &run->now;
    *model = run->at_start;
    for (uint64_t i = 0;; i++) {
        if (i >= run->durable && agrees(found, base, model)) {
            run->at_start = *model;
            return;
        }
        if (i == run->steps_count)
            break;
        apply(model, &run->steps[i]);
    }
    fail_msg("%lu steps, %lu of them durable, led to term %lu, %lu entries; recovered are term %lu, %lu entries after "
             "%lu",
             run->steps_count, run->durable, model->term, model->last, found->term, found->last, base->index);
}

void run_open(struct run *run)
{
    static const uint64_t keeps[] = {0, 20000, 5000000, PIT_LOG_KEEP_ALL};
    static struct model found;
    struct pit_error error = {0};
    struct pit_log_options how = run_options(run);
    struct pit_log_base base;
    memset(&found, 0, sizeof found);
    how.keep_bytes = keeps[fixture_random(&run->random) % 4];
    if (pit_log_open(&run->log, &run->memory->disk, &how, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(pit_log_load(run->log, &found.term, &found.vote, &base, run_take_entry, &found), 0);
    settle_start(run, &found, &base);
    assert_true(base.index <= run->committed);
    if (how.keep_bytes == PIT_LOG_KEEP_ALL)
        assert_int_equal(base.index, 0);
    uint32_t bytes;
    const uint64_t *members = pit_log_members(run->log, &bytes);
    if (run->at_start.last)
        assert_true(members && bytes == 32 && members[0] == 3 && members[3] == 3);
    run->steps_count = run->ticket = run->durable = run->digests = run->digest_sequence = 0;
    memset(run->step_of_ticket, 0, sizeof run->step_of_ticket);
    if (run->committed > run->at_start.last)
        run->committed = run->at_start.last;
}

void run_begin(struct run *run)
{
    static const uint64_t members[] = {3, 1, 2, 3};
    struct pit_log_entry first = {1, 1, PIT_LOG_MEMBERS, sizeof members, members};
    assert_int_equal(pit_log_begin(run->log, 1, 0, &first), 0);
    run->at_start = run->now = (struct model){.term = 1, .last = 1, .terms[1] = 1, .salts[1] = 1};
}

static void remember(struct run *run, struct step step)
{
    PIT_CHECK(run->steps_count < STEPS_MAX && step.index <= ENTRIES_MAX);
    run->steps[run->steps_count++] = step;
    apply(&run->now, &step);
}

/* Commands from a sequence on; *sequence: the last of them. */
static void *commands(struct run *run, uint64_t count, uint64_t salt, uint64_t *sequence, uint32_t *bytes)
{
    uint8_t *payload = malloc(count * sizeof(struct pit_command));
    PIT_CHECK(payload && run->payloads_count < STEPS_MAX);
    run->payloads[run->payloads_count++] = payload;
    *bytes = 0;
    for (uint64_t k = 0; k < count; k++) {
        struct pit_command command = fixture_command(++*sequence, salt);
        memcpy(payload + *bytes, &command, pit_command_bytes(&command));
        *bytes += pit_command_bytes(&command);
    }
    return payload;
}

static int add_entries(struct run *run, uint64_t count)
{
    struct pit_log_entry entries[16];
    static const uint64_t zero;
    for (uint64_t i = 0; i < count; i++) {
        const struct model *now = &run->now;
        uint64_t index = now->last + 1, sequence = now->sequences[now->last];
        uint64_t lines = 1 + fixture_random(&run->random) % 40;
        if (run->large && fixture_random(&run->random) % 4 == 0)
            lines *= 50;
        bool barrier = fixture_random(&run->random) % 8 == 0;
        uint64_t salt = barrier ? 0 : fixture_random(&run->random) | 2;
        entries[i] = (struct pit_log_entry){index, now->term, PIT_LOG_BARRIER, 8, &zero};
        if (!barrier) {
            entries[i].kind = PIT_LOG_COMMANDS;
            entries[i].payload = commands(run, lines, salt, &sequence, &entries[i].bytes);
        }
        remember(run, (struct step){APPEND, index, now->term, salt, sequence});
    }
    run->step_of_ticket[++run->ticket] = run->steps_count;
    return pit_log_append(run->log, run->ticket, entries, (uint32_t)count);
}

static int cut_entries(struct run *run)
{
    uint64_t index = run->committed + 1 + fixture_random(&run->random) % (run->now.last - run->committed);
    remember(run, (struct step){TRUNCATE, index, 0, 0, 0});
    run->step_of_ticket[++run->ticket] = run->steps_count;
    return pit_log_truncate(run->log, run->ticket, index);
}

static int change_vote(struct run *run)
{
    const struct model *now = &run->now;
    bool again = now->vote == 0 && fixture_random(&run->random) % 2;
    uint64_t term = again ? now->term : now->term + 1 + fixture_random(&run->random) % 3;
    uint64_t vote = fixture_random(&run->random) % 4;
    remember(run, (struct step){VOTE, 0, term, vote, 0});
    int code = pit_log_keep_vote(run->log, term, vote);
    if (code == 0)
        run->durable = run->steps_count; /* and with it everything before */
    return code;
}

static void commit_some(struct run *run)
{
    if (run->now.last > run->committed)
        run->committed += fixture_random(&run->random) % (run->now.last - run->committed + 1);
    pit_log_committed(run->log, run->committed);
}

/* Of any command that may be known to be committed. */
static void add_digest(struct run *run)
{
    uint64_t sequence = run->now.sequences[run->committed];
    const struct pit_digest digest = {.events = sequence * 7, .events_count = sequence + 1, .state = 2, .orders = 3};
    if (sequence && pit_log_append_digest(run->log, sequence, &digest, sequence % 2)) {
        run->digests++;
        run->digest_sequence = sequence;
    }
}

bool run_go_on(struct run *run, uint64_t steps)
{
    run->now = run->at_start;
    for (uint64_t i = 0; i < run->steps_count; i++)
        apply(&run->now, &run->steps[i]);
    for (uint64_t i = 0; i < steps; i++) {
        uint64_t dice = fixture_random(&run->random) % 10;
        int code = 0;
        if (dice < 6)
            code = add_entries(run, 1 + fixture_random(&run->random) % 10);
        else if (dice < 7 && run->now.last > run->committed)
            code = cut_entries(run);
        else if (dice < 8)
            code = change_vote(run);
        else if (dice < 9)
            commit_some(run);
        else if (run->digests_wanted && fixture_random(&run->random) % 2)
            add_digest(run);
        else
            run_give_way(run);
        int64_t durable = code < 0 ? code : pit_log_durable(run->log);
        if (durable < 0)
            return false;
        assert_true((uint64_t)durable <= run->ticket);
        uint64_t steps_durable = run->step_of_ticket[durable];
        run->durable = steps_durable > run->durable ? steps_durable : run->durable;
    }
    return true;
}

void run_settle(struct run *run)
{
    while (pit_log_durable(run->log) >= 0 && !pit_journal_idle(pit_log_journal(run->log)))
        run_give_way(run);
    assert_int_equal(pit_log_durable(run->log), run->ticket);
    run->durable = run->steps_count;
}

void run_stop(struct run *run)
{
    pit_log_close(run->log);
    for (uint64_t i = 0; i < run->payloads_count; i++)
        free(run->payloads[i]);
    run->payloads_count = 0;
}

void run_crash(struct run *run)
{
    bool cache = run->memory->cache;
    struct memory_disk *after = &run->memories[run->memory == run->memories];
    if (cache)
        memory_disk_crash(after, run->memory);
    else
        memory_disk_copy(after, run->memory);
    run_stop(run);
    memory_disk_free(run->memory);
    run->memory = after;
    run->memory->cache = cache;
    run->memory->torn = true;
}
