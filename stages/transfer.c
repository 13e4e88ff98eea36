/* stages/transfer.c - the turn of a transfer, its messages, and the disk agent's jobs. */
#include "stages/transfer_parts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "journal/block.h"
#include "ring/check.h"

/* A snapshot is read whole before it is offered: that is not waited for. */
static int64_t read_or_leave(void *context, int file, void *bytes, size_t count, uint64_t offset)
{
    const struct pit_transfer *transfer = context;
    const struct pit_disk *disk = transfer->disk.under;
    const struct pit_control *control = transfer->options.control;
    if (control && pit_control_phase(control) == PIT_PHASE_STOP)
        return -ECANCELED;
    return disk->read(disk->context, file, bytes, count, offset);
}

/* Jobs. */

void pit_transfer_post(struct pit_transfer *transfer, enum pit_transfer_job_kind kind)
{
    PIT_CHECK(pit_transfer_idle(transfer));
    transfer->job.kind = kind;
    transfer->job.code = 0;
    transfer->posted_ns = pit_transfer_now(transfer);
    pit_sequence_store(&transfer->posted, transfer->posted.value + 1);
    if (transfer->options.disk_bell)
        pit_bell_ring(transfer->options.disk_bell);
}

static void close_files(struct pit_transfer *transfer)
{
    pit_install_source_close(transfer->source);
    pit_install_close(transfer->install);
    transfer->source = NULL;
    transfer->install = NULL;
}

static int open_source(struct pit_transfer *transfer)
{
    struct pit_transfer_job *job = &transfer->job;
    close_files(transfer);
    const int code =
        pit_install_source_open(&transfer->source, &transfer->disk.disk, transfer->directory, NULL, NULL, &job->error);
    if (code == 0) {
        job->offer = pit_install_source_offer(transfer->source);
        job->block = pit_install_source_block(transfer->source);
    }
    return code;
}

static int read_chunk(struct pit_transfer *transfer)
{
    struct pit_transfer_job *job = &transfer->job;
    const int64_t got = pit_install_source_read(transfer->source, pit_transfer_chunk(transfer),
                                                transfer->options.chunk_bytes, job->offset);
    if (got < 0)
        return pit_error_set(&job->error, (int)got, "cannot read the snapshot of sequence %lu in %s: %s",
                             job->offer.sequence, transfer->directory, strerror((int)-got));
    job->bytes = (uint32_t)got;
    return 0;
}

static int begin_install(struct pit_transfer *transfer)
{
    struct pit_transfer_job *job = &transfer->job;
    close_files(transfer);
    const int code =
        pit_install_open(&transfer->install, &transfer->disk.disk, transfer->directory, &job->offer, &job->error);
    if (code == 0)
        job->offset = pit_install_offset(transfer->install);
    return code;
}

static int put_chunk(struct pit_transfer *transfer)
{
    struct pit_transfer_job *job = &transfer->job;
    const int code = pit_install_put(transfer->install, pit_transfer_chunk(transfer), job->bytes, &job->error);
    job->offset = pit_install_offset(transfer->install);
    return code;
}

static int do_job(struct pit_transfer *transfer)
{
    switch (transfer->job.kind) {
    case PIT_TRANSFER_JOB_SOURCE:
        return open_source(transfer);
    case PIT_TRANSFER_JOB_READ:
        return read_chunk(transfer);
    case PIT_TRANSFER_JOB_BEGIN:
        return begin_install(transfer);
    case PIT_TRANSFER_JOB_PUT:
        return put_chunk(transfer);
    case PIT_TRANSFER_JOB_VERIFY:
        return pit_install_verify(transfer->install, &transfer->job.error);
    case PIT_TRANSFER_JOB_CLOSE:
        close_files(transfer);
        return 0;
    case PIT_TRANSFER_JOB_NONE:
        break;
    }
    return 0;
}

uint32_t pit_transfer_disk_work(struct pit_transfer *transfer)
{
    const uint64_t posted = pit_sequence_load(&transfer->posted);
    if (posted == transfer->done.value)
        return 0;
    transfer->job.code = do_job(transfer);
    pit_sequence_store(&transfer->done, posted);
    if (transfer->options.bell)
        pit_bell_ring(transfer->options.bell);
    return 1;
}

static uint32_t disk_work(void *state)
{
    return pit_transfer_disk_work(state);
}

struct pit_agent pit_transfer_disk_agent(struct pit_transfer *transfer)
{
    return (struct pit_agent){.name = "transfer", .state = transfer, .do_work = disk_work, .wakes = true};
}

/* What came of the last job. */
static uint32_t take_job_back(struct pit_transfer *transfer)
{
    const enum pit_transfer_job_kind kind = transfer->job.kind;
    if (transfer->posted.value != pit_sequence_load(&transfer->done))
        return 0;
    transfer->job.kind = PIT_TRANSFER_JOB_NONE;
    if (transfer->closes) { /* whoever wanted it has left */
        transfer->closes = false;
        pit_transfer_post(transfer, PIT_TRANSFER_JOB_CLOSE);
    } else if (kind == PIT_TRANSFER_JOB_SOURCE || kind == PIT_TRANSFER_JOB_READ) {
        pit_transfer_out_done(transfer, kind);
    } else if (kind != PIT_TRANSFER_JOB_NONE && kind != PIT_TRANSFER_JOB_CLOSE) {
        pit_transfer_in_done(transfer, kind);
    } else {
        return 0;
    }
    return 1;
}

/* Messages. */

bool pit_transfer_say(struct pit_transfer *transfer, uint32_t to, enum pit_transfer_kind kind,
                      const struct pit_install_offer *offer, uint64_t offset)
{
    struct pit_transfer_message message = {.kind = kind, .offer = *offer, .offset = offset};
    message.crc = pit_journal_crc_without(&message, sizeof message, offsetof(struct pit_transfer_message, crc));
    const struct iovec piece = {.iov_base = &message, .iov_len = sizeof message};
    const struct pit_consensus_network *network = &transfer->options.network;
    return network->send(network->context, to, &piece, 1, sizeof message);
}

/* What is wrong with a message: it is not as a right node sends it. */
static bool bad(const struct pit_transfer *transfer, uint32_t from, const struct pit_transfer_message *message,
                const uint8_t *bytes, size_t count)
{
    if (from < 1 || from > transfer->options.nodes || from == transfer->options.node)
        return true;
    const bool chunk = message->kind == PIT_TRANSFER_CHUNK;
    const struct pit_install_offer *offer = &message->offer;
    if (message->kind < PIT_TRANSFER_OFFER || message->kind > PIT_TRANSFER_REFUSED ||
        message->bytes != count - sizeof *message || (message->bytes > 0) != chunk ||
        message->bytes > PIT_TRANSFER_CHUNK_BYTES)
        return true;
    if (offer->sequence == 0 || offer->index < 2 || offer->term == 0 || offer->bytes == 0 ||
        offer->bytes > PIT_INSTALL_BYTES_MAX || message->offset > offer->bytes ||
        message->bytes > offer->bytes - message->offset)
        return true;
    return message->crc != pit_journal_crc_without(bytes, count, offsetof(struct pit_transfer_message, crc));
}

void pit_transfer_receive(struct pit_transfer *transfer, uint32_t from, const void *bytes, size_t count)
{
    struct pit_transfer_message message;
    if (count >= sizeof message)
        memcpy(&message, bytes, sizeof message);
    if (count < sizeof message || bad(transfer, from, &message, bytes, count)) {
        pit_transfer_count(&transfer->figures.bad, 1);
        return;
    }
    if (message.kind == PIT_TRANSFER_OFFER || message.kind == PIT_TRANSFER_CHUNK)
        pit_transfer_in_hear(transfer, from, &message, (const uint8_t *)bytes + sizeof message);
    else
        pit_transfer_out_hear(transfer, from, &message);
}

/* People. */

void pit_transfer_warn(struct pit_transfer *transfer, const char *format, ...)
{
    va_list arguments;
    if (pit_sequence_load(&transfer->heard) != transfer->warned.value)
        return; /* the last one was not heard yet */
    va_start(arguments, format);
    vsnprintf(transfer->warning, sizeof transfer->warning, format, arguments);
    va_end(arguments);
    pit_sequence_store(&transfer->warned, transfer->warned.value + 1);
}

bool pit_transfer_warning(struct pit_transfer *transfer, char text[PIT_TRANSFER_WARNING_BYTES])
{
    const uint64_t warned = pit_sequence_load(&transfer->warned);
    if (warned == transfer->heard.value)
        return false;
    memcpy(text, transfer->warning, sizeof transfer->warning);
    pit_sequence_store(&transfer->heard, warned);
    return true;
}

bool pit_transfer_installed(const struct pit_transfer *transfer, struct pit_install_offer *offer)
{
    if (pit_sequence_load(&transfer->installed) == 0)
        return false;
    if (offer)
        *offer = transfer->in.offer;
    return true;
}

struct pit_transfer_figures pit_transfer_figures(const struct pit_transfer *transfer)
{
    struct pit_transfer_figures figures;
    uint64_t *to = (uint64_t *)&figures;
    const uint64_t *from = (const uint64_t *)&transfer->figures;
    _Static_assert(sizeof figures % sizeof *to == 0, "words");
    for (size_t i = 0; i < sizeof figures / sizeof *to; i++)
        to[i] = pit_word_load_relaxed(&from[i]);
    return figures;
}

/* The functions of the header. */

int pit_transfer_open(struct pit_transfer **opened, const struct pit_transfer_options *options, struct pit_error *error)
{
    struct pit_transfer *transfer = aligned_alloc(PIT_SEQUENCE_BYTES, sizeof *transfer);
    if (!transfer)
        return pit_error_set(error, -ENOMEM, "no memory for transfers of snapshots");
    memset(transfer, 0, sizeof *transfer);
    transfer->options = *options;
    pit_disk_layer_init(&transfer->disk, options->disk);
    transfer->disk.disk.read = read_or_leave;
    if (options->chunk_bytes == 0 || options->chunk_bytes > PIT_TRANSFER_CHUNK_BYTES)
        transfer->options.chunk_bytes = PIT_TRANSFER_CHUNK_BYTES;
    transfer->directory = strdup(options->directory);
    if (!transfer->directory) {
        free(transfer);
        return pit_error_set(error, -ENOMEM, "no memory for transfers of snapshots");
    }
    *opened = transfer;
    return 0;
}

void pit_transfer_close(struct pit_transfer *transfer)
{
    if (!transfer)
        return;
    close_files(transfer);
    free(transfer->directory);
    free(transfer);
}

uint32_t pit_transfer_work(struct pit_transfer *transfer, const struct pit_transfer_place *place)
{
    transfer->place = *place;
    uint32_t done = take_job_back(transfer);
    done += pit_transfer_in_work(transfer);
    done += pit_transfer_out_work(transfer);
    return done;
}
