#!/usr/bin/env python3
"""Bugs planted on purpose, to see whether the simulation finds them.

    mutants.py copy SOURCE OUTPUT   a copy of a source file with the mutants that belong to it, each behind a question
    mutants.py names OUTPUT         C code: the list of all names
    mutants.py sources              which files have mutants

The shipped files know nothing of mutants. Each is given as the text that stands in the file, which must stand there
exactly once, and the text to put in its place; ON(name) is true while that mutant is wanted.
"""
import pathlib
import sys

MUTANTS = {
    "ack-before-sync": (
        "a command counts as durable when its block is handed to the disk, not when it is written", "journal/writer.c",
        "    return journal->durable;\n",
        "    return ON(ack-before-sync) && journal->writing ? journal->writing_last : journal->durable;\n"),
    "segment-end-off-by-one": (
        "a block may reach one page beyond the end of its segment", "journal/writer_disk.c",
        "    return journal->offset + bytes <= journal->segment_bytes;\n",
        "    return journal->offset + bytes <= journal->segment_bytes + (ON(segment-end-off-by-one) ? 4096 : 0);\n"),
    "sync-error-ignored": (
        "a failed fdatasync is taken for a good one", "journal/segment.c",
        "        result = disk->sync(disk->context, file);\n    return result;\n",
        "        result = disk->sync(disk->context, file);\n"
        "    return ON(sync-error-ignored) && result == -EIO ? 0 : result;\n"),
    "write-error-ignored": (
        "a failed write of a block is taken for a good one", "journal/writer_disk.c",
        "    if (result < 0)\n        return result;\n    journal->offset += bytes;\n",
        "    if (result < 0 && !ON(write-error-ignored))\n        return result;\n    journal->offset += bytes;\n"),
    "name-not-synced": (
        "the directory is not synced when a segment gets its number", "journal/segment.c",
        "    return files->method == PIT_JOURNAL_METHOD_NEVER ? 0 : disk->sync_directory(disk->context, files->directory);\n",
        "    return files->method == PIT_JOURNAL_METHOD_NEVER || ON(name-not-synced)\n"
        "               ? 0\n"
        "               : disk->sync_directory(disk->context, files->directory);\n"),
    "last-block-not-written-again": (
        "a start does not make durable the last block that it found", "journal/segment.c",
        "    int result = write_last_again(files, file, name, end, block);\n",
        "    int result = ON(last-block-not-written-again) ? 0 : write_last_again(files, file, name, end, block);\n"),
    "torn-tail-left": (
        "a start leaves in place what an unfinished write has left", "journal/segment.c",
        "        result = zero_rest(files, file, end);\n",
        "        result = ON(torn-tail-left) ? 0 : zero_rest(files, file, end);\n"),
    "skipped-checksum": (
        "a block's checksum is not compared", "journal/block.c",
        "    if (!pit_journal_block_whole(bytes, header->bytes))\n        return \"a block's checksum is wrong\";\n",
        "    if (!ON(skipped-checksum) && !pit_journal_block_whole(bytes, header->bytes))\n"
        "        return \"a block's checksum is wrong\";\n"),
    "damage-taken-for-the-end": (
        "whatever cannot be read is cut off", "journal/reader.c",
        "    if (*found)\n        return damaged_block(reader, wrong, found, missing, error);\n",
        "    if (*found && !ON(damage-taken-for-the-end))\n"
        "        return damaged_block(reader, wrong, found, missing, error);\n"),
    "time-falls": (
        "a command's time follows the clock, also when that is set back", "stages/gateway_commands.c",
        "        if (utc_ns > gateway->time_ns)\n",
        "        if (utc_ns > gateway->time_ns || ON(time-falls))\n"),
    "farewell-too-early": (
        "a session is ended before the reports of its last commands are sent", "stages/egress_outbox.c",
        "return session->close_command <= egress->counters.covered;",
        "return session->close_command <= egress->counters.covered || ON(farewell-too-early);"),
    "grown-order-keeps-its-place": (
        "an order that is replaced by a larger one keeps its place in the queue", "book/book.c",
        "order.quantity <= quantity_old",
        "(order.quantity <= quantity_old || ON(grown-order-keeps-its-place))"),
    "digest-of-one-matcher": (
        "the digest in the journal is that of the first matcher alone", "stages/journaler.c",
        "        pit_digest_add(&whole, &part);\n",
        "        if (i == 0 || !ON(digest-of-one-matcher))\n            pit_digest_add(&whole, &part);\n"),
    "halt-forgotten": (
        "after a start, market data shows every symbol open", "stages/pipeline_build.c",
        "        past->state = pit_book_state(book);\n",
        "        past->state = ON(halt-forgotten) ? PIT_STATE_OPEN : pit_book_state(book);\n"),
    "matched-before-durable": (
        "a matcher does not wait until its commands are durable", "stages/pipeline_build.c",
        "    pit_barrier_add(&config.barrier, &pipeline->durable);\n",
        "    pit_barrier_add(&config.barrier, ON(matched-before-durable) ? &pipeline->input->published\n"
        "                                                                : &pipeline->durable);\n"),
}


# Bugs of a cluster's nodes: a run of a single node knows nothing of them.
CLUSTER_MUTANTS = {
    "no-barrier": (
        "a new leader counts copies of what older leaders wrote", "stages/consensus_raft_guards.c",
        "        return;\n    PIT_CHECK(!consensus->barrier_busy);\n    pit_raft_network_forget(consensus);\n",
        "        return;\n    PIT_CHECK(!consensus->barrier_busy);\n    pit_raft_network_forget(consensus);\n"
        "    if (ON(no-barrier)) {\n"
        "        consensus->barrier_term = consensus->ready_term = raft->current_term;\n"
        "        consensus->barrier_index = 0;\n"
        "        return;\n"
        "    }\n"),
    "acknowledgements-do-not-wait": (
        "a new leader hears acknowledgements before its barrier is on its disk", "stages/consensus_raft_guards.c",
        "    return consensus->barrier_term != consensus->raft.current_term ||\n"
        "           consensus->raft.last_stored < consensus->barrier_index;\n",
        "    return !ON(acknowledgements-do-not-wait) && (consensus->barrier_term != consensus->raft.current_term ||\n"
        "           consensus->raft.last_stored < consensus->barrier_index);\n"),
    "claim-without-bound": (
        "a follower acknowledges what stands in its log and was not compared", "stages/consensus_raft_guards.c",
        "    uint64_t bound = consensus->compared_term == raft->current_term ? consensus->compared : 0;\n",
        "    uint64_t bound = consensus->compared_term == raft->current_term ? consensus->compared : 0;\n"
        "    if (ON(claim-without-bound))\n"
        "        return UINT64_MAX;\n"),
    "counted-too-early": (
        "a leader whose disk is behind commits what one follower fewer than a majority has",
        "stages/consensus_raft_guards.c",
        "    return acknowledged_by(consensus, consensus->options.nodes / 2 + 1);\n",
        "    return acknowledged_by(consensus, consensus->options.nodes / 2 + (ON(counted-too-early) ? 0 : 1));\n"),
    "vote-forgotten": (
        "term and vote are not written", "stages/consensus_journal.c",
        "    return pit_log_keep_vote(context, term, vote);\n",
        "    return ON(vote-forgotten) ? 0 : pit_log_keep_vote(context, term, vote);\n"),
    "log-durable-when-handed-over": (
        "entries of the log count as durable when their block is handed to the disk", "journal/log.c",
        "    return code < 0 ? code : (int64_t)log->durable;\n",
        "    return code < 0 ? code : (int64_t)(ON(log-durable-when-handed-over) ? log->handed : log->durable);\n"),
    "truncation-not-written": (
        "the log does not write down what is void", "stages/consensus_journal.c",
        "    return pit_log_truncate(context, ticket, index);\n",
        "    return ON(truncation-not-written) ? 0 : pit_log_truncate(context, ticket, index);\n"),
    "delivered-before-committed": (
        "a leader matches what it has proposed at once", "stages/replicator_propose.c",
        "    replicator->tag++;\n    replicator->proposed_sequence +=",
        "    if (ON(delivered-before-committed)) {\n"
        "        const struct pit_consensus_entry early = {.payload = replicator->batch, .bytes = bytes};\n"
        "        pit_replicator_committed(replicator, &early);\n"
        "        replicator->config.sequence = replicator->sequence;\n"
        "    }\n"
        "    replicator->tag++;\n    replicator->proposed_sequence +="),
    "stale-commands-proposed": (
        "a leader proposes what came in while it did not lead", "stages/replicator_propose.c",
        "    if (replicator->part != PIT_REPLICATOR_LEADS || pit_word_load_acquire(&board->epoch) != replicator->epoch)\n"
        "        return ready;\n",
        "    if (ON(stale-commands-proposed))\n"
        "        return 0;\n"
        "    if (replicator->part != PIT_REPLICATOR_LEADS || pit_word_load_acquire(&board->epoch) != replicator->epoch)\n"
        "        return ready;\n"),
    "leads-again-too-early": (
        "a leader gives sequences again that it has given, when its handing over came to nothing",
        "stages/replicator.c",
        "state->ready && replicator->in_flight == 0) {\n",
        "state->ready && (replicator->in_flight == 0 || ON(leads-again-too-early))) {\n"),
    "leaders-time-falls": (
        "a new leader's clock may be behind the last one's", "stages/replicator_propose.c",
        "    if (copy->time_ns < *time_ns)\n",
        "    if (copy->time_ns < *time_ns && !ON(leaders-time-falls))\n"),
    "logon-too-early": (
        "a leader lets clients on before all older reports are out", "stages/gateway_node.c",
        "    return session->proof == 0 && pit_word_load_acquire(gateway->covered) >= session->proved;\n",
        "    return session->proof == 0 &&\n"
        "           (ON(logon-too-early) || pit_word_load_acquire(gateway->covered) >= session->proved);\n"),
    "done-twice": (
        "a request that was taken before is taken again", "stages/gateway_commands.c",
        "    return session->resumes && is_request(message) && !pit_request_after(message->request, session->taken);\n",
        "    return session->resumes && is_request(message) && !ON(done-twice) &&\n"
        "           !pit_request_after(message->request, session->taken);\n"),
    "result-of-another": (
        "a result leaves out what was traded", "journal/results.c",
        "        progress->traded += event->quantity;\n",
        "        progress->traded += ON(result-of-another) ? 0 : event->quantity;\n"),
    "commit-not-awaited-by-readers": (
        "readers of a node's journal are told that all of it is committed", "stages/replicator.c",
        "    pit_log_committed(replicator->config.log, committed);\n",
        "    if (ON(commit-not-awaited-by-readers))\n"
        "        committed = pit_consensus_state(replicator->consensus).last;\n"
        "    pit_log_committed(replicator->config.log, committed);\n"),
    "removed-too-far": (
        "of the old segments the one with the oldest snapshot's last command is removed too", "journal/retention.c",
        "    return first < search.last ? remove_segment(",
        "    return first < search.last || (ON(removed-too-far) && first == search.last) ? remove_segment("),
    "removed-without-a-snapshot": (
        "segments are removed up to where the replica is, whatever snapshot there is", "stages/snapshots.c",
        "    snapshots->old = header.block;\n",
        "    snapshots->old = ON(removed-without-a-snapshot) ? UINT64_MAX : header.block;\n"),
    "need-of-a-snapshot-not-told": (
        "a leader does not say which nodes need log that it has no more", "stages/consensus_raft_behind.c",
        "    if (count < 0)\n        consensus->needs_snapshot |= 1u << node;\n",
        "    if (count < 0 && !ON(need-of-a-snapshot-not-told))\n        consensus->needs_snapshot |= 1u << node;\n"),
    "installed-without-results": (
        "a node that begins with another's snapshot knows no results of requests", "replay/install_build.c",
        "&build->market, 1, build->past, build->results,\n",
        "&build->market, 1, build->past, ON(installed-without-results) ? NULL : build->results,\n"),
    "installed-at-another-sequence": (
        "the log of a node that begins with a snapshot takes the entry's last command for its first",
        "replay/install_build.c",
        "pit_log_begin_at(*log, term, vote, base, head->first_sequence,",
        "pit_log_begin_at(*log, term, vote, base,\n"
        "                                ON(installed-at-another-sequence) ? head->sequence : head->first_sequence,"),
    "installed-entry-not-committed": (
        "the entry that a snapshot's log begins with is not marked committed", "replay/install_build.c",
        "    pit_log_committed(*log, head->index);\n",
        "    if (!ON(installed-entry-not-committed))\n        pit_log_committed(*log, head->index);\n"),
    "vote-gone-with-the-log": (
        "a node that begins with a snapshot forgets term and vote", "replay/install_finish.c",
        "    if (page.offer.term > old.term)\n",
        "    if (page.offer.term > old.term || ON(vote-gone-with-the-log))\n"),
    "stream-not-checked": (
        "the hash of what another node has sent is not compared", "replay/install_receive.c",
        "    return hash == offer->hash;\n",
        "    return hash == offer->hash || ON(stream-not-checked);\n"),
    "put-aside-without-a-mark": (
        "a damaged log is put aside, and nothing says that it is gone", "replay/rejoin.c",
        "    uint32_t moved = 0;\n    int code = pit_rejoin_mark(disk, directory, error);\n",
        "    uint32_t moved = 0;\n"
        "    int code = ON(put-aside-without-a-mark) ? 0 : pit_rejoin_mark(disk, directory, error);\n"),
}
ALL_MUTANTS = MUTANTS | CLUSTER_MUTANTS
# Those of a single node that a cluster must show as well.
IN_BOTH = set()

ROOT = pathlib.Path(__file__).resolve().parents[2]


def fits(mutant):
    """A text that stands in its file exactly once, or why not."""
    _, file, before, _ = ALL_MUTANTS[mutant]
    times = (ROOT / file).read_text().count(before)
    return None if times == 1 else (f"its text stands {times} times in {file}, which has changed: adapt it in "
                                    "test/sim/mutants.py")


def copy(source, output):
    """A mutant that does not fit any more is left out: then it is not caught, and its test says why."""
    name = str(pathlib.Path(source).resolve().relative_to(ROOT))
    text = (ROOT / name).read_text()
    for mutant, (_, file, before, after) in ALL_MUTANTS.items():
        if file == name and not fits(mutant):
            text = text.replace(before, after.replace(f"ON({mutant})", f'sim_mutant("{mutant}")'))
    pathlib.Path(output).write_text(f'#include "test/sim/mutant.h"\n#line 1 "{name}"\n{text}')


def where(mutant):
    """Of a single node, of a cluster: whether it is to be caught there."""
    return f'{str(mutant in MUTANTS).lower()}, {str(mutant in CLUSTER_MUTANTS or mutant in IN_BOTH).lower()}'


def names(output):
    lines = [f'    {{"{name}", "{fits(name) or what}", {where(name)}}},' for name, (what, *_) in ALL_MUTANTS.items()]
    pathlib.Path(output).write_text('#include "test/sim/mutant.h"\n\nconst struct sim_mutant_name sim_mutant_names[] = {\n'
                                    + "\n".join(lines) + "\n    {0},\n};\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["copy"] and len(sys.argv) == 4:
        copy(sys.argv[2], sys.argv[3])
    elif sys.argv[1:2] == ["names"] and len(sys.argv) == 3:
        names(sys.argv[2])
    elif sys.argv[1:] == ["sources"]:
        print("\n".join(sorted({file for _, file, *_ in ALL_MUTANTS.values()})))
    else:
        sys.exit(__doc__)
