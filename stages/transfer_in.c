/* stages/transfer_in.c - what a node that is behind does: asks for the stream it was offered, a chunk at a time. */
#include "stages/transfer_parts.h"

#include <errno.h>
#include <string.h>

#include "ring/check.h"

static void show(struct pit_transfer *transfer)
{
    const struct pit_transfer_in *in = &transfer->in;
    const bool receives = in->state != PIT_TRANSFER_IN_NONE;
    pit_word_store_relaxed(&transfer->figures.offset, receives ? in->offset : 0);
    pit_word_store_relaxed(&transfer->figures.bytes, receives ? in->offer.bytes : 0);
}

/* Receives nothing any more; what is there stays on the disk. */
static void leave(struct pit_transfer *transfer, uint32_t rest_ms)
{
    struct pit_transfer_in *in = &transfer->in;
    in->state = PIT_TRANSFER_IN_NONE;
    in->retry_ns = pit_transfer_now(transfer) + rest_ms * UINT64_C(1000000);
    transfer->closes = true;
    show(transfer);
}

static void ask(struct pit_transfer *transfer)
{
    struct pit_transfer_in *in = &transfer->in;
    in->state = PIT_TRANSFER_IN_ASKS;
    in->asked_ns = pit_transfer_now(transfer);
    pit_transfer_say(transfer, in->from, PIT_TRANSFER_ASK, &in->offer, in->offset);
}

/* The disk is busy: whoever sends is to know that this node is there, and that nothing is wanted now. */
static uint32_t wait_for_disk(struct pit_transfer *transfer)
{
    struct pit_transfer_in *in = &transfer->in;
    if (!pit_transfer_since(transfer, in->asked_ns, PIT_TRANSFER_ASK_MS) ||
        pit_transfer_since(transfer, transfer->posted_ns, PIT_TRANSFER_BUSY_MS))
        return 0; /* pit_transfer_in_done goes on */
    in->asked_ns = pit_transfer_now(transfer);
    pit_transfer_say(transfer, in->from, PIT_TRANSFER_ASK, &in->offer, in->offer.bytes);
    return 1;
}

/* Says to whoever offered it that it is not wanted. */
static void fail(struct pit_transfer *transfer)
{
    struct pit_transfer_in *in = &transfer->in;
    pit_transfer_warn(transfer,
                      "cluster: warning: node %u's snapshot of sequence %lu is not taken: %.900s. It is tried "
                      "again",
                      in->from, in->offer.sequence, transfer->job.error.text);
    pit_transfer_say(transfer, in->from, PIT_TRANSFER_REFUSED, &in->offer, 0);
    leave(transfer, PIT_TRANSFER_RETRY_MS);
}

/* Nothing is being received: what was offered is. */
static void begin(struct pit_transfer *transfer, uint32_t from, const struct pit_install_offer *offer)
{
    struct pit_transfer_in *in = &transfer->in;
    if (!pit_transfer_idle(transfer) || transfer->out.state != PIT_TRANSFER_OUT_NONE ||
        pit_transfer_now(transfer) < in->retry_ns)
        return; /* it will be offered again */
    in->state = PIT_TRANSFER_IN_BEGINS;
    in->from = from;
    in->offer = *offer;
    in->offset = 0;
    in->asked_ns = in->heard_ns = pit_transfer_now(transfer);
    transfer->job.offer = *offer;
    pit_transfer_post(transfer, PIT_TRANSFER_JOB_BEGIN);
    show(transfer);
}

static void hear_offer(struct pit_transfer *transfer, uint32_t from, const struct pit_install_offer *offer)
{
    struct pit_transfer_in *in = &transfer->in;
    const bool same = pit_install_offer_same(offer, &in->offer);
    if (transfer->place.leads)
        return;
    if (in->state == PIT_TRANSFER_IN_INSTALLED) {
        if (same)
            pit_transfer_say(transfer, from, PIT_TRANSFER_DONE, offer, 0);
    } else if (offer->index <= transfer->place.committed) {
        pit_transfer_say(transfer, from, PIT_TRANSFER_REFUSED, offer, 0); /* the log has that already */
    } else if (in->state == PIT_TRANSFER_IN_NONE) {
        begin(transfer, from, offer);
    } else if (same) {
        in->from = from; /* whoever it is: it is the same stream */
        in->heard_ns = pit_transfer_now(transfer);
    } else if (in->from == from && in->state == PIT_TRANSFER_IN_ASKS) {
        leave(transfer, 0); /* what it had offered before is gone there: the new one, when it is offered again */
    }
}

static void hear_chunk(struct pit_transfer *transfer, uint32_t from, const struct pit_transfer_message *message,
                       const void *bytes)
{
    struct pit_transfer_in *in = &transfer->in;
    if (in->state != PIT_TRANSFER_IN_ASKS || from != in->from || message->offset != in->offset ||
        !pit_install_offer_same(&message->offer, &in->offer) || !pit_transfer_idle(transfer))
        return; /* late, or twice */
    in->heard_ns = pit_transfer_now(transfer);
    in->state = PIT_TRANSFER_IN_PUTS;
    transfer->job.bytes = message->bytes;
    memcpy(pit_transfer_chunk(transfer), bytes, message->bytes);
    pit_transfer_post(transfer, PIT_TRANSFER_JOB_PUT);
    pit_transfer_count(&transfer->figures.received, message->bytes);
}

void pit_transfer_in_hear(struct pit_transfer *transfer, uint32_t from, const struct pit_transfer_message *message,
                          const void *bytes)
{
    if (message->kind == PIT_TRANSFER_OFFER)
        hear_offer(transfer, from, &message->offer);
    else
        hear_chunk(transfer, from, message, bytes);
}

static void installed(struct pit_transfer *transfer)
{
    struct pit_transfer_in *in = &transfer->in;
    in->state = PIT_TRANSFER_IN_INSTALLED;
    pit_transfer_count(&transfer->figures.installed, 1);
    pit_sequence_store(&transfer->installed, 1);
    pit_transfer_say(transfer, in->from, PIT_TRANSFER_DONE, &in->offer, 0);
}

void pit_transfer_in_done(struct pit_transfer *transfer, enum pit_transfer_job_kind kind)
{
    struct pit_transfer_in *in = &transfer->in;
    const struct pit_transfer_job *job = &transfer->job;
    if (job->code < 0) {
        fail(transfer);
        return;
    }
    if (kind == PIT_TRANSFER_JOB_VERIFY && job->code == 0) {
        installed(transfer);
        return;
    }
    if (kind != PIT_TRANSFER_JOB_VERIFY)
        in->offset = job->offset;
    show(transfer);
    if (in->offset < in->offer.bytes) {
        in->heard_ns = pit_transfer_now(transfer);
        ask(transfer);
        return;
    }
    in->state = PIT_TRANSFER_IN_VERIFIES;
    pit_transfer_post(transfer, PIT_TRANSFER_JOB_VERIFY);
}

uint32_t pit_transfer_in_work(struct pit_transfer *transfer)
{
    struct pit_transfer_in *in = &transfer->in;
    if (in->state == PIT_TRANSFER_IN_NONE || in->state == PIT_TRANSFER_IN_INSTALLED)
        return 0;
    if (transfer->place.leads || in->offer.index <= transfer->place.committed) {
        leave(transfer, 0); /* the log has come to it meanwhile */
        return 1;
    }
    if (in->state != PIT_TRANSFER_IN_ASKS)
        return wait_for_disk(transfer);
    if (pit_transfer_since(transfer, in->heard_ns, PIT_TRANSFER_SILENCE_MS)) {
        leave(transfer, 0); /* somebody else may offer it */
        return 1;
    }
    if (!pit_transfer_since(transfer, in->asked_ns, PIT_TRANSFER_ASK_MS))
        return 0;
    ask(transfer);
    return 1;
}
