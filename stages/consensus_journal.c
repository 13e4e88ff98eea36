#include "stages/consensus_journal.h"

#include <errno.h>

#include "ring/check.h"

_Static_assert((int)PIT_LOG_COMMANDS == (int)PIT_CONSENSUS_COMMANDS &&
                   (int)PIT_LOG_BARRIER == (int)PIT_CONSENSUS_BARRIER &&
                   (int)PIT_LOG_MEMBERS == (int)PIT_CONSENSUS_MEMBERS,
               "kinds of entries have the same numbers");
_Static_assert(PIT_LOG_REJOINING == PIT_CONSENSUS_REJOINING, "votes have the same numbers");
_Static_assert(PIT_LOG_ENTRY_BYTES_MAX == PIT_CONSENSUS_ENTRY_BYTES_MAX, "an entry fits into the journal");

struct each {
    int (*each)(void *argument, const struct pit_consensus_entry *entry);
    void *argument;
    const struct pit_log_base *from;
    struct pit_consensus_base *base;
};

static struct pit_consensus_entry ours(const struct pit_log_entry *entry)
{
    return (struct pit_consensus_entry){
        .index = entry->index,
        .term = entry->term,
        .kind = entry->kind,
        .bytes = entry->bytes,
        .payload = entry->payload,
    };
}

static int told(void *argument, const struct pit_log_entry *entry)
{
    const struct each *each = argument;
    const struct pit_consensus_entry told = ours(entry);
    *each->base = (struct pit_consensus_base){.index = each->from->index, .term = each->from->term};
    return each->each(each->argument, &told);
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

static int load(void *context, uint64_t *term, uint64_t *vote, struct pit_consensus_base *base,
                int (*each)(void *argument, const struct pit_consensus_entry *entry), void *argument,
                struct pit_error *error)
{
    (void)error;
    struct pit_log_base from = {0};
    struct each caller = {.each = each, .argument = argument, .from = &from, .base = base};
    int code = pit_log_load(context, term, vote, &from, told, &caller);
    *base = (struct pit_consensus_base){.index = from.index, .term = from.term};
    return code;
}

static int begin(void *context, uint64_t term, uint64_t vote, const struct pit_consensus_entry *first)
{
    struct pit_log_entry entry = theirs(first);
    return pit_log_begin(context, term, vote, &entry);
}

static int keep_vote(void *context, uint64_t term, uint64_t vote)
{
    return pit_log_keep_vote(context, term, vote);
}

static int append(void *context, uint64_t ticket, const struct pit_consensus_entry *entries, uint32_t count)
{
    struct pit_log_entry given[PIT_CONSENSUS_ENTRIES_MAX];
    PIT_CHECK(count <= PIT_CONSENSUS_ENTRIES_MAX);
    for (uint32_t i = 0; i < count; i++)
        given[i] = theirs(&entries[i]);
    return pit_log_append(context, ticket, given, count);
}

static int truncate_log(void *context, uint64_t ticket, uint64_t index)
{
    return pit_log_truncate(context, ticket, index);
}

static int64_t durable(void *context)
{
    return pit_log_durable(context);
}

static int32_t read_entries(void *context, uint64_t index, struct pit_consensus_entry *entries, uint32_t max,
                            uint64_t *before_term)
{
    struct pit_log_entry got[PIT_CONSENSUS_ENTRIES_MAX];
    if (max > PIT_CONSENSUS_ENTRIES_MAX)
        max = PIT_CONSENSUS_ENTRIES_MAX;
    const int count = pit_log_read(context, index, got, max, before_term);
    for (int i = 0; i < count; i++)
        entries[i] = ours(&got[i]);
    if (count == -EBADMSG)
        return -ENODATA;                               /* whoever needs what is damaged here gets a snapshot */
    return count < 0 && count != -ENODATA ? 0 : count; /* what cannot be read now is tried again */
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
        .read = read_entries,
    };
}
