#include "to_log.h"

#include <stdlib.h>
#include <string.h>

#include "ring/check.h"

#define VOID_COMMANDS 40u

struct writer {
    struct pit_log *log;
    uint64_t random;
    uint64_t index, term, ticket;
    uint64_t sequence; /* of the last command that stays */
    uint8_t batch[PIT_LOG_ENTRY_BYTES_MAX];
    uint32_t bytes, bytes_max; /* in the batch */
};

static uint64_t dice(struct writer *writer, uint64_t sides)
{
    writer->random ^= writer->random << 13;
    writer->random ^= writer->random >> 7;
    writer->random ^= writer->random << 17;
    return (writer->random >> 8) % sides;
}

static void work(void *context)
{
    struct writer *writer = context;
    pit_journal_disk_work(pit_log_journal(writer->log));
    pit_journal_prepare_work(pit_log_journal(writer->log));
}

/* Waits until everything is on the disk: what was asked for may be freed. */
static void settle(struct writer *writer)
{
    while (pit_log_durable(writer->log) < (int64_t)writer->ticket)
        work(writer);
}

static void append(struct writer *writer, uint32_t kind, const void *payload, uint32_t bytes)
{
    const struct pit_log_entry entry = {++writer->index, writer->term, kind, bytes, payload};
    PIT_CHECK(pit_log_append(writer->log, ++writer->ticket, &entry, 1) == 0);
}

/* Commands that never happened: another leader takes them back. */
static void append_void(struct writer *writer)
{
    struct pit_command commands[VOID_COMMANDS];
    uint64_t first = writer->index + 1, count = 1 + dice(writer, 3);
    for (uint64_t i = 0; i < VOID_COMMANDS; i++)
        commands[i] = (struct pit_command){.sequence = writer->sequence + 1 + i,
                                           .time_ns = UINT64_C(1000000) * writer->sequence,
                                           .kind = PIT_COMMAND_CANCEL,
                                           .order_id = i,
                                           .flags = PIT_COMMAND_WIDE,
                                           .line1 = {1}};
    for (uint64_t i = 0; i < count; i++) {
        append(writer, PIT_LOG_COMMANDS, commands, sizeof commands);
        for (uint64_t k = 0; k < VOID_COMMANDS; k++)
            commands[k].sequence += VOID_COMMANDS;
        settle(writer);
    }
    PIT_CHECK(pit_log_keep_vote(writer->log, ++writer->term, dice(writer, 4)) == 0);
    PIT_CHECK(pit_log_truncate(writer->log, ++writer->ticket, first) == 0);
    settle(writer);
    writer->index = first - 1;
}

static void end_batch(struct writer *writer)
{
    static const uint64_t zero;
    if (writer->bytes) {
        if (dice(writer, 16) == 0)
            append_void(writer);
        append(writer, PIT_LOG_COMMANDS, writer->batch, writer->bytes);
        settle(writer);
        uint32_t at = 0;
        while (at < writer->bytes) {
            const struct pit_command *command = (const struct pit_command *)(const void *)(writer->batch + at);
            writer->sequence = command->sequence;
            at += pit_command_bytes(command);
        }
        if (dice(writer, 4) != 0)
            pit_log_committed(writer->log, writer->index);
    }
    if (dice(writer, 8) == 0) {
        append(writer, PIT_LOG_BARRIER, &zero, sizeof zero);
        settle(writer);
    }
    writer->bytes = 0;
    writer->bytes_max = 128 + 64 * (uint32_t)dice(writer, 700);
}

static void copy_digest(struct writer *writer, const struct pit_journal_record *record)
{
    struct pit_journal_digest from;
    memcpy(&from, record->payload, sizeof from);
    const struct pit_digest digest = {
        .events = from.events, .events_count = from.events_count, .state = from.state, .orders = from.orders};
    end_batch(writer);
    pit_log_committed(writer->log, writer->index);
    while (!pit_log_append_digest(writer->log, from.sequence, &digest, from.full != 0))
        work(writer);
}

static void copy_commands(struct writer *writer, const struct pit_journal_record *record)
{
    const struct pit_command *command;
    uint32_t at = 0;
    while ((command = pit_journal_record_command(record, &at))) {
        if (writer->bytes + pit_command_bytes(command) > writer->bytes_max)
            end_batch(writer);
        memcpy(writer->batch + writer->bytes, command, pit_command_bytes(command));
        writer->bytes += pit_command_bytes(command);
    }
}

void to_log(const struct pit_disk *disk, const char *from, const char *to, uint64_t seed, uint64_t segment_bytes)
{
    static struct writer writer;
    static const uint64_t members[] = {3, 1, 2, 3};
    const struct pit_log_entry first = {1, 1, PIT_LOG_MEMBERS, sizeof members, members};
    struct pit_journal_reader *reader;
    struct pit_journal_record record;
    writer = (struct writer){.random = seed | 1, .index = 1, .term = 1};
    const struct pit_log_options options = {.directory = to,
                                            .segment_bytes = segment_bytes,
                                            .locked = true, /* whoever wants it to be */
                                            .wait = work,
                                            .wait_context = &writer};
    PIT_CHECK(disk->make_directory(disk->context, to) == 0);
    PIT_CHECK(pit_log_open(&writer.log, disk, &options, NULL) == 0);
    PIT_CHECK(pit_log_begin(writer.log, 1, 0, &first) == 0);
    PIT_CHECK(pit_journal_reader_open(&reader, disk, from, NULL) == 0);
    end_batch(&writer);
    int more;
    while ((more = pit_journal_reader_next(reader, &record, NULL)) == 1) {
        if (record.kind == PIT_JOURNAL_DIGEST)
            copy_digest(&writer, &record);
        else
            copy_commands(&writer, &record);
    }
    PIT_CHECK(more == 0);
    end_batch(&writer);
    pit_log_committed(writer.log, writer.index);
    while (!pit_log_tell_committed(writer.log))
        work(&writer);
    append_void(&writer); /* and some that nobody has decided on */
    append(&writer, PIT_LOG_COMMANDS, &(struct pit_command){.sequence = writer.sequence + 1, .kind = 2}, 64);
    settle(&writer);
    pit_journal_reader_close(reader);
    pit_log_close(writer.log);
}
