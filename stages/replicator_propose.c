/* stages/replicator_propose.c - the replicator's way from the intake ring to proposals. */
#include <errno.h>
#include <string.h>

#include "stages/replicator_parts.h"

static bool may_propose(const struct pit_replicator *replicator)
{
    return replicator->in_flight < PIT_REPLICATOR_FLIGHT && pit_replicator_backlog(replicator) == 0;
}

/* Stamps a command and adds it to the batch. */
static void add(struct pit_replicator *replicator, const void *command, uint32_t bytes, uint64_t sequence,
                uint64_t *time_ns, uint32_t filled)
{
    struct pit_command *copy = (struct pit_command *)(void *)(replicator->batch + filled);
    memcpy(copy, command, bytes);
    if (copy->time_ns < *time_ns)
        copy->time_ns = *time_ns;
    *time_ns = copy->time_ns;
    copy->sequence = sequence;
}

/* Proposes the batch of so many commands. False: not now. */
static bool propose(struct pit_replicator *replicator, uint32_t bytes, uint32_t commands, uint64_t time_ns)
{
    replicator->in_flight++;
    int code = pit_consensus_propose(replicator->consensus, replicator->batch, bytes, replicator->tag + 1);
    if (code != 0) {
        replicator->in_flight--;
        return false; /* too much is under way, or it leads no more, or has stopped: the next turn sees which */
    }
    replicator->tag++;
    replicator->proposed_sequence += commands;
    replicator->proposed_time_ns = time_ns;
    pit_replicator_count(&replicator->counters.proposed, commands);
    return true;
}

bool pit_replicator_define(struct pit_replicator *replicator)
{
    uint64_t utc_ns = replicator->clock.utc_ns(replicator->clock.context);
    while (replicator->defining < replicator->symbols_count) {
        if (!may_propose(replicator))
            return false;
        uint32_t filled = 0, count = 0, symbol = replicator->defining;
        uint64_t time_ns = replicator->proposed_time_ns;
        for (; symbol < replicator->symbols_count; symbol++) {
            if (replicator->defined[symbol])
                continue;
            const struct pit_command command = {
                .time_ns = utc_ns,
                .symbol = symbol,
                .kind = PIT_COMMAND_SYMBOL,
                .flags = PIT_COMMAND_WIDE,
                .definition = replicator->symbols[symbol],
            };
            if (filled + sizeof command > replicator->batch_max)
                break;
            add(replicator, &command, sizeof command, replicator->proposed_sequence + ++count, &time_ns, filled);
            filled += (uint32_t)sizeof command;
        }
        if (count > 0 && !propose(replicator, filled, count, time_ns))
            return false;
        replicator->defining = symbol;
    }
    return true;
}

/* How many of the commands that are ready were put there before this epoch: those are nobody's. */
static uint32_t stale(const struct pit_replicator *replicator, uint32_t ready)
{
    const struct pit_intake_board *board = replicator->config.intake_board;
    /* Looked at after the ring: whoever published what is ready had written the board before. */
    if (replicator->part != PIT_REPLICATOR_LEADS || pit_word_load_acquire(&board->epoch) != replicator->epoch)
        return ready;
    uint64_t first = pit_word_load_relaxed(&board->first);
    if (first <= replicator->intake.next)
        return 0;
    uint64_t count = first - replicator->intake.next;
    return count < ready ? (uint32_t)count : ready;
}

uint32_t pit_replicator_take(struct pit_replicator *replicator)
{
    struct pit_ring_reader *intake = &replicator->intake;
    uint32_t done = 0;
    for (;;) {
        if (replicator->part == PIT_REPLICATOR_LEADS && !may_propose(replicator))
            return done;
        uint32_t ready = pit_ring_poll(intake, replicator->batch_max / PIT_REPLICATOR_LINE_BYTES);
        uint32_t dropped = stale(replicator, ready);
        pit_ring_release(intake, dropped);
        pit_replicator_count(&replicator->counters.dropped, dropped);
        done += dropped;
        ready -= dropped;
        const uint32_t batches = replicator->in_flight - (replicator->proof != 0);
        if (ready == 0 || (batches > 0 && ready < PIT_REPLICATOR_ENOUGH_BYTES / PIT_REPLICATOR_LINE_BYTES))
            return done;
        uint32_t filled = 0, count = 0;
        uint64_t time_ns = replicator->proposed_time_ns;
        while (count < ready) {
            const struct pit_command *command = pit_ring_slot(intake->ring, intake->next + count);
            uint32_t bytes = pit_command_bytes(command);
            if (filled + bytes > replicator->batch_max)
                break;
            count++;
            add(replicator, command, bytes, replicator->proposed_sequence + count, &time_ns, filled);
            filled += bytes;
        }
        if (!propose(replicator, filled, count, time_ns))
            return done;
        pit_ring_release(intake, count);
        done += count;
    }
}

uint32_t pit_replicator_prove(struct pit_replicator *replicator)
{
    const uint64_t asked = pit_word_load_acquire(&replicator->config.intake_board->asked);
    if (replicator->part != PIT_REPLICATOR_LEADS || replicator->proof || asked == replicator->proving ||
        replicator->in_flight == PIT_REPLICATOR_FLIGHT ||
        (replicator->proof_ns && replicator->now_ns - replicator->proof_ns < PIT_REPLICATOR_PROOF_NS))
        return 0;
    const uint64_t before = replicator->proving;
    replicator->in_flight++;
    replicator->proof = replicator->tag + 1;
    replicator->proving = asked;
    if (pit_consensus_confirm(replicator->consensus, replicator->proof) != 0) {
        replicator->in_flight--;
        replicator->proof = 0;
        replicator->proving = before;
        return 0; /* as in propose */
    }
    replicator->tag++;
    replicator->proof_ns = replicator->now_ns;
    return 1;
}

static void end_proof(struct pit_replicator *replicator, bool proved)
{
    struct pit_node_board *board = replicator->config.board;
    replicator->proof = 0;
    if (proved) {
        pit_word_store_relaxed(&board->proved_sequence, replicator->sequence);
        pit_word_store_release(&board->proved, replicator->proving);
    } else {
        replicator->proving = board->proved;
    }
}

void pit_replicator_answered(void *context, uint64_t tag, enum pit_consensus_outcome outcome, uint64_t index)
{
    struct pit_replicator *replicator = context;
    (void)index;
    PIT_CHECK(replicator->in_flight > 0);
    replicator->in_flight--;
    if (tag == replicator->proof) {
        end_proof(replicator, outcome == PIT_CONSENSUS_COMMITTED && !replicator->stopped);
        return;
    }
    if (outcome != PIT_CONSENSUS_COMMITTED)
        pit_replicator_count(&replicator->counters.unknown, 1);
}
