/* stages/transfer_out.c - what the node that leads does: offers its newest snapshot, and sends what is asked for. */
#include "stages/transfer_parts.h"

#include <errno.h>
#include <string.h>

#include "journal/block.h"
#include "ring/check.h"

static uint64_t later(const struct pit_transfer *transfer, uint32_t ms)
{
    return pit_transfer_now(transfer) + ms * UINT64_C(1000000);
}

/* The log from a block on stays for now; 0: no more. */
static void hold(struct pit_transfer *transfer, uint64_t block)
{
    transfer->out.held_ns = block ? later(transfer, PIT_TRANSFER_HOLD_MS) : 0;
    if (transfer->options.hold)
        pit_sequence_store(transfer->options.hold, block);
}

/* Serves nobody any more. The node that was served is left alone for a while. */
static void leave(struct pit_transfer *transfer, uint32_t rest_ms)
{
    struct pit_transfer_out *out = &transfer->out;
    out->rest_ns[out->to] = later(transfer, rest_ms);
    if (out->state != PIT_TRANSFER_OUT_NONE)
        transfer->closes = true;
    out->state = PIT_TRANSFER_OUT_NONE;
    out->wanted = false;
    pit_word_store_relaxed(&transfer->figures.to, 0);
    pit_word_store_relaxed(&transfer->figures.sending, 0);
    pit_word_store_relaxed(&transfer->figures.whole, 0);
}

static bool needs(const struct pit_transfer *transfer, uint32_t node)
{
    return transfer->place.leads && (transfer->place.needs >> node & 1u);
}

/* The next node that needs a snapshot, after the one that was served last; 0: none. */
static uint32_t choose(const struct pit_transfer *transfer)
{
    const struct pit_transfer_out *out = &transfer->out;
    const uint32_t nodes = transfer->options.nodes;
    const uint64_t now_ns = pit_transfer_now(transfer);
    for (uint32_t i = 1; i <= nodes; i++) {
        const uint32_t node = (out->to + i - 1) % nodes + 1;
        if (node != transfer->options.node && needs(transfer, node) && now_ns >= out->rest_ns[node])
            return node;
    }
    return 0;
}

static uint32_t begin(struct pit_transfer *transfer)
{
    struct pit_transfer_out *out = &transfer->out;
    const uint32_t node = choose(transfer);
    if (node == 0 || pit_transfer_now(transfer) < out->retry_ns || !pit_transfer_idle(transfer) ||
        transfer->in.state != PIT_TRANSFER_IN_NONE)
        return 0;
    out->to = node;
    out->state = PIT_TRANSFER_OUT_OPENS;
    pit_transfer_post(transfer, PIT_TRANSFER_JOB_SOURCE);
    return 1;
}

static void opened(struct pit_transfer *transfer)
{
    struct pit_transfer_out *out = &transfer->out;
    const struct pit_transfer_job *job = &transfer->job;
    if (job->code == 0) {
        out->state = PIT_TRANSFER_OUT_SERVES;
        out->offer = job->offer;
        out->wanted = false;
        out->offered_ns = 0;
        out->offset = out->first = UINT64_MAX;
        out->opened_ns = out->heard_ns = pit_transfer_now(transfer);
        out->told = false;
        hold(transfer, job->block);
        pit_word_store_relaxed(&transfer->figures.to, out->to);
        pit_word_store_relaxed(&transfer->figures.sending, 0);
        pit_word_store_relaxed(&transfer->figures.whole, out->offer.bytes);
        return;
    }
    if (!out->told && job->code != -ECANCELED)
        pit_transfer_warn(transfer,
                          "cluster: warning: node %u needs log that this node has no more, and there is no snapshot to "
                          "send it: %.900s. It is tried again; see snapshots: in the configuration",
                          out->to, job->error.text);
    out->told = true;
    out->retry_ns = later(transfer, PIT_TRANSFER_RETRY_MS);
    leave(transfer, 0);
}

static void send_chunk(struct pit_transfer *transfer)
{
    struct pit_transfer_out *out = &transfer->out;
    const struct pit_transfer_job *job = &transfer->job;
    const struct pit_consensus_network *network = &transfer->options.network;
    const size_t bytes = sizeof(struct pit_transfer_message) + job->bytes;
    if (!out->wanted || out->offset != job->offset)
        return; /* it has asked for something else meanwhile */
    struct pit_transfer_message message = {
        .kind = PIT_TRANSFER_CHUNK, .offer = out->offer, .offset = job->offset, .bytes = job->bytes};
    memcpy(transfer->packet, &message, sizeof message);
    message.crc = pit_journal_crc_without(transfer->packet, bytes, offsetof(struct pit_transfer_message, crc));
    memcpy(transfer->packet, &message, sizeof message);
    const struct iovec piece = {.iov_base = transfer->packet, .iov_len = bytes};
    out->wanted = false; /* if it cannot be sent now it is asked for again */
    if (network->send(network->context, out->to, &piece, 1, bytes)) {
        out->held_ns = later(transfer, PIT_TRANSFER_HOLD_MS);
        pit_transfer_count(&transfer->figures.sent, job->bytes);
        pit_word_store_relaxed(&transfer->figures.sending, job->offset + job->bytes);
    }
}

void pit_transfer_out_done(struct pit_transfer *transfer, enum pit_transfer_job_kind kind)
{
    struct pit_transfer_out *out = &transfer->out;
    const struct pit_transfer_job *job = &transfer->job;
    if (kind == PIT_TRANSFER_JOB_SOURCE) {
        opened(transfer);
    } else if (job->code == 0) {
        send_chunk(transfer);
    } else {
        pit_transfer_warn(transfer, "cluster: warning: a snapshot cannot be sent to node %u: %.900s. It is tried again",
                          out->to, job->error.text);
        out->retry_ns = later(transfer, PIT_TRANSFER_RETRY_MS);
        leave(transfer, 0);
    }
}

void pit_transfer_out_hear(struct pit_transfer *transfer, uint32_t from, const struct pit_transfer_message *message)
{
    struct pit_transfer_out *out = &transfer->out;
    if (out->state != PIT_TRANSFER_OUT_SERVES || from != out->to)
        return;
    if (!pit_install_offer_same(&message->offer, &out->offer)) {
        out->offered_ns = 0; /* it is to know what there is now */
        return;
    }
    out->heard_ns = pit_transfer_now(transfer);
    if (message->kind == PIT_TRANSFER_ASK) {
        out->wanted = message->offset < out->offer.bytes; /* else its disk is busy */
        out->offset = out->wanted ? message->offset : out->offset;
        out->first = out->offset < out->first ? out->offset : out->first;
        return;
    }
    if (message->kind == PIT_TRANSFER_DONE)
        pit_transfer_count(&transfer->figures.served, 1);
    leave(transfer, PIT_TRANSFER_RETRY_MS);
}

static bool too_slow(const struct pit_transfer *transfer)
{
    const struct pit_transfer_out *out = &transfer->out;
    const uint64_t ms = PIT_TRANSFER_HOLD_MS + (out->offset - out->first) / PIT_TRANSFER_BYTES_MS_MIN;
    return pit_transfer_now(transfer) - out->opened_ns >= ms * UINT64_C(1000000);
}

/* Sends what is asked for, or says again what there is. */
static uint32_t serve(struct pit_transfer *transfer)
{
    struct pit_transfer_out *out = &transfer->out;
    if (too_slow(transfer)) {
        pit_transfer_warn(
            transfer,
            "cluster: warning: node %u takes less than %u bytes a millisecond of the snapshot of sequence "
            "%lu: it is given up for now, and offered the newest one again. See to its disk, and the network",
            out->to, PIT_TRANSFER_BYTES_MS_MIN, out->offer.sequence);
        hold(transfer, 0);
        leave(transfer, PIT_TRANSFER_RETRY_MS);
        return 1;
    }
    if (out->wanted && pit_transfer_idle(transfer)) {
        transfer->job.offset = out->offset;
        pit_transfer_post(transfer, PIT_TRANSFER_JOB_READ);
        return 1;
    }
    if (pit_transfer_since(transfer, out->heard_ns, PIT_TRANSFER_SILENCE_MS)) {
        leave(transfer, PIT_TRANSFER_RETRY_MS); /* another may have its turn, and a newer snapshot */
        return 1;
    }
    /* Who waits for a chunk that takes long to read asks less often than that, and hears an offer in between: we are
     * there. */
    const bool asks = pit_transfer_now(transfer) - out->heard_ns < PIT_TRANSFER_OFFER_MS * UINT64_C(1000000);
    if (out->offered_ns != 0 && (asks || !pit_transfer_since(transfer, out->offered_ns, PIT_TRANSFER_OFFER_MS)))
        return 0;
    out->offered_ns = pit_transfer_now(transfer);
    pit_transfer_say(transfer, out->to, PIT_TRANSFER_OFFER, &out->offer, 0);
    return 1;
}

uint32_t pit_transfer_out_work(struct pit_transfer *transfer)
{
    struct pit_transfer_out *out = &transfer->out;
    if (out->state != PIT_TRANSFER_OUT_NONE && !needs(transfer, out->to)) {
        leave(transfer, 0);
        return 1;
    }
    if (out->held_ns && (!transfer->place.leads || pit_transfer_now(transfer) >= out->held_ns))
        hold(transfer, 0);
    switch (out->state) {
    case PIT_TRANSFER_OUT_NONE:
        return begin(transfer);
    case PIT_TRANSFER_OUT_OPENS:
        return 0; /* pit_transfer_out_done goes on */
    case PIT_TRANSFER_OUT_SERVES:
        return serve(transfer);
    }
    return 0;
}
