#include "journal/space.h"

#include <errno.h>

bool pit_journal_lacks_space(int code)
{
    return code == -ENOSPC || code == -EDQUOT;
}

uint64_t pit_journal_free_bytes(const struct pit_journal_files *files)
{
    const struct pit_disk *disk = files->disk;
    int64_t bytes = disk->free_bytes ? disk->free_bytes(disk->context, files->directory) : -ENOSYS;
    return bytes < 0 ? UINT64_MAX : (uint64_t)bytes;
}

bool pit_journal_alarm_raise(struct pit_journal_alarm *alarm, const struct pit_journal_files *files, uint64_t wanted)
{
    bool news = alarm->on.value == 0;
    pit_word_store_relaxed(&alarm->free, pit_journal_free_bytes(files));
    pit_word_store_relaxed(&alarm->wanted, wanted);
    if (news)
        pit_word_store_relaxed(&alarm->times, alarm->times + 1);
    alarm->retry_ns = files->disk->monotonic_ns(files->disk->context) + PIT_JOURNAL_RETRY_NS;
    pit_sequence_store(&alarm->on, 1);
    return news;
}

bool pit_journal_alarm_waits(const struct pit_journal_alarm *alarm, const struct pit_journal_files *files)
{
    return alarm->on.value != 0 && files->disk->monotonic_ns(files->disk->context) < alarm->retry_ns;
}

bool pit_journal_alarm_clear(struct pit_journal_alarm *alarm, const struct pit_journal_files *files)
{
    if (alarm->on.value == 0)
        return false;
    pit_word_store_relaxed(&alarm->free, pit_journal_free_bytes(files));
    pit_sequence_store(&alarm->on, 0);
    return true;
}

bool pit_journal_alarm_on(const struct pit_journal_alarm *alarm)
{
    return pit_sequence_load(&alarm->on) != 0;
}
