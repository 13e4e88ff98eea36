#include "stages/consensus_journal.h"

#include <errno.h>

#include "ring/check.h"

_Static_assert((int)PIT_LOG_COMMANDS == (int)PIT_CONSENSUS_COMMANDS &&
                   (int)PIT_LOG_BARRIER == (int)PIT_CONSENSUS_BARRIER &&
                   (int)PIT_LOG_MEMBERS == (int)PIT_CONSENSUS_MEMBERS,
               "kinds of entries have the same numbers");
_Static_assert(PIT_LOG_ENTRY_BYTES_MAX == PIT_CONSENSUS_ENTRY_BYTES_MAX, "an entry fits into the journal");

struct each {
    int (*each)(void *argument, const struct pit_consensus_entry *entry);
    void *argument;
};

static int told(void *argument, const struct pit_log_entry *entry)
{
    const struct each *each = argument;
    struct pit_consensus_entry ours = {
        .index = entry->index,
        .term = entry->term,
        .kind = entry->kind,
        .bytes = entry->bytes,
        .payload = entry->payload,
    };
    return each->each(each->argument, &ours);
}

static struct pit_log_entry theirs(const struct pit_consensus_entry *entry)
{
    return (struct pit_log_entry){
        .index = entry->index,
        .term = entry->term,
        .kind = entry->kind,
        .bytes = entry->bytes,
        .payload = entry->payload,
    };
}

static int load(void *context, uint64_t *term, uint64_t *vote,
                int (*each)(void *argument, const struct pit_consensus_entry *entry), void *argument,
                struct pit_error *error)
{
    (void)error;
    struct each ours = {.each = each, .argument = argument};
    struct pit_log_base base;
    int code = pit_log_load(context, term, vote, &base, told, &ours);
    return code == 0 && base.index ? -ENODATA : code; /* the log was opened with PIT_LOG_KEEP_ALL */
}

static int begin(void *context, uint64_t term, const struct pit_consensus_entry *first)
{
    struct pit_log_entry entry = theirs(first);
    return pit_log_begin(context, term, &entry);
}

static int keep_vote(void *context, uint64_t term, uint64_t vote)
{
    return pit_log_keep_vote(context, term, vote);
}

static int append(void *context, uint64_t ticket, const struct pit_consensus_entry *entries, uint32_t count)
{
    struct pit_log_entry ours[PIT_CONSENSUS_ENTRIES_MAX];
    PIT_CHECK(count <= PIT_CONSENSUS_ENTRIES_MAX);
    for (uint32_t i = 0; i < count; i++)
        ours[i] = theirs(&entries[i]);
    return pit_log_append(context, ticket, ours, count);
}

static int truncate_log(void *context, uint64_t ticket, uint64_t index)
{
    return pit_log_truncate(context, ticket, index);
}

static int64_t durable(void *context)
{
    return pit_log_durable(context);
}

struct pit_consensus_storage pit_consensus_journal(struct pit_log *log)
{
    return (struct pit_consensus_storage){
        .context = log,
        .load = load,
        .begin = begin,
        .keep_vote = keep_vote,
        .append = append,
        .truncate = truncate_log,
        .durable = durable,
    };
}
