/* stages/replicator_digests.c - what the matchers of the nodes have come to at marked sequences: added up, told to the
 * others, compared. Nodes that have done the same commands and differ are not the same machine any more. */
#include <errno.h>
#include <string.h>

#include "journal/format.h"
#include "replay/rejoin.h"
#include "stages/replicator_parts.h"

/* How long a follower that differs from its leader waits for the others to tell which of the two is wrong. */
#define DOUBT_NS UINT64_C(1000000000)

static struct pit_node_digest *place(struct pit_node_digest *digests, uint64_t sequence)
{
    return &digests[sequence / PIT_JOURNAL_DIGEST_EVERY % PIT_REPLICATOR_DIGESTS];
}

/* A node's digest at a sequence, or NULL where it has not told any. */
static const struct pit_node_digest *told(struct pit_replicator *replicator, uint32_t node, uint64_t sequence)
{
    const struct pit_node_digest *digest = place(replicator->theirs[node], sequence);
    return digest->sequence == sequence ? digest : NULL;
}

static bool same(const struct pit_node_digest *a, const struct pit_node_digest *b)
{
    return a->events == b->events && a->events_count == b->events_count;
}

/* How many nodes, this one not counted, have told exactly this. */
static uint32_t agree_with(struct pit_replicator *replicator, const struct pit_node_digest *digest)
{
    uint32_t count = 0;
    for (uint32_t node = 1; node <= replicator->nodes; node++) {
        const struct pit_node_digest *theirs = told(replicator, node, digest->sequence);
        count += theirs && same(theirs, digest);
    }
    return count;
}

#define WHERE                                                                                                          \
    "this node has come to another result than %s (node %u) somewhere in the %llu commands up to sequence %llu"

/* The others agree on another result: it is this node that is wrong. That is noted in the directory before anybody can
 * know: another start would vote and lead as if nothing were. It blocks, and nothing else is to be done here any more.
 */
static void wrong(struct pit_replicator *replicator, uint64_t sequence, uint32_t node)
{
    struct pit_error unwritten;
    char where[PIT_REJOIN_TEXT_BYTES];
    snprintf(where, sizeof where, WHERE, "most of the others", node, (unsigned long long)PIT_JOURNAL_DIGEST_EVERY,
             (unsigned long long)sequence);
    pit_word_store_release(&replicator->config.board->leads, 0);
    if (pit_rejoin_differs(replicator->config.disk, replicator->config.directory, where, &unwritten) == 0)
        pit_replicator_fail(replicator, -ENOTRECOVERABLE,
                            "%s, and takes no further part in the cluster. Find out why (pitline journal diff), then "
                            "start it with --rejoin: that puts its log aside",
                            where);
    else
        pit_replicator_fail(replicator, -ENOTRECOVERABLE,
                            "%s, and must take no further part in the cluster, which cannot be noted there: %.300s. Do "
                            "not start it as it is: move its data directory away, and start it with --rejoin",
                            where, unwritten.text);
}

/* Compares what is known for a sequence. */
static void compare(struct pit_replicator *replicator, uint64_t sequence)
{
    const struct pit_node_digest *own = place(replicator->own, sequence);
    uint32_t majority = replicator->nodes / 2 + 1;
    if (own->sequence != sequence)
        return;
    for (uint32_t node = 1; node <= replicator->nodes; node++) {
        const struct pit_node_digest *theirs = told(replicator, node, sequence);
        if (theirs && !same(theirs, own) && agree_with(replicator, theirs) >= majority) {
            wrong(replicator, sequence, node);
            return;
        }
    }
    uint32_t leader = (uint32_t)replicator->config.board->leader;
    const struct pit_node_digest *leaders =
        leader && leader != replicator->node ? told(replicator, leader, sequence) : NULL;
    if (!leaders || same(leaders, own))
        return;
    if (1 + agree_with(replicator, own) >= majority) { /* if anybody, the leader is wrong, and it will find that out */
        if (replicator->doubt.sequence == sequence)
            replicator->doubt.sequence = 0;
    } else if (replicator->doubt.sequence == 0) {
        replicator->doubt = *own;
        replicator->doubt_leader = leader;
        replicator->doubt_ns = replicator->clock.monotonic_ns(replicator->clock.context);
    }
}

/* A follower that differs from its leader, and nobody has told who of the two is wrong: it is the follower that goes.
 * It may come back, for it may be the one that is right: with a third node the two who agree go on. (The digests that
 * are kept may have made room for later ones by then.) */
static void doubt(struct pit_replicator *replicator)
{
    const uint64_t sequence = replicator->doubt.sequence;
    if (sequence == 0 || replicator->stopped ||
        replicator->clock.monotonic_ns(replicator->clock.context) - replicator->doubt_ns < DOUBT_NS)
        return;
    uint32_t leader = replicator->doubt_leader;
    bool alone = 1 + agree_with(replicator, &replicator->doubt) < replicator->nodes / 2 + 1;
    if (alone && leader == (uint32_t)replicator->config.board->leader)
        pit_replicator_fail(
            replicator, -EPROTO,
            WHERE ", and nobody has told which of the two is wrong: it stops. See that the other nodes run, "
                  "and start it again: those who agree go on",
            "its leader", leader, (unsigned long long)PIT_JOURNAL_DIGEST_EVERY, (unsigned long long)sequence);
    replicator->doubt.sequence = 0;
}

static void tell(struct pit_replicator *replicator, const struct pit_node_digest *digest)
{
    struct pit_node_message head = {.kind = PIT_NODE_MESSAGE_DIGEST};
    struct iovec pieces[] = {{.iov_base = &head, .iov_len = sizeof head},
                             {.iov_base = (void *)(uintptr_t)digest, .iov_len = sizeof *digest}};
    const struct pit_consensus_network links = pit_peers_network(replicator->peers);
    for (uint32_t node = 1; node <= replicator->nodes; node++)
        if (node != replicator->node)
            links.send(links.context, node, pieces, 2, sizeof head + sizeof *digest); /* if lost, the next one tells */
}

/* Writes the digest that was added up last into the log. False: not now. */
static bool keep(struct pit_replicator *replicator)
{
    const struct pit_replicator_sum *sum = &replicator->sum;
    if (replicator->summed && !pit_log_append_digest(replicator->config.log, sum->sequence, &sum->digest, sum->full))
        return false;
    replicator->final_digest |= replicator->summed && sum->full;
    replicator->summed = false;
    return true;
}

/* When every matcher has handed over its digest for a command, adds them up. False: not yet. */
static bool add(struct pit_replicator *replicator)
{
    if (!keep(replicator))
        return false;
    const struct pit_digest_note *first = NULL;
    struct pit_digest whole = {0};
    for (uint32_t i = 0; i < replicator->config.matchers; i++) {
        struct pit_ring_reader *reader = &replicator->digests[i];
        if (pit_ring_poll(reader, 1) == 0)
            return false;
        const struct pit_digest_note *note = pit_ring_slot(reader->ring, reader->next);
        const struct pit_digest part = {note->events, note->events_count, note->state, note->orders};
        pit_digest_add(&whole, &part);
        first = first ? first : note;
        if (first->command != note->command || first->full != note->full) {
            pit_replicator_fail(
                replicator, -EPROTO,
                "matcher 0 hands over its digest for command %llu, matcher %u for command %llu. This is "
                "a fault in pitline: please report it",
                (unsigned long long)first->command, i, (unsigned long long)note->command);
            return false;
        }
    }
    struct pit_node_digest digest = {
        .sequence = first->command, .events = whole.events, .events_count = whole.events_count};
    bool full = first->full != 0;
    replicator->sum = (struct pit_replicator_sum){.sequence = first->command, .digest = whole, .full = full};
    replicator->summed = true;
    for (uint32_t i = 0; i < replicator->config.matchers; i++)
        pit_ring_release(&replicator->digests[i], 1);
    pit_replicator_count(&replicator->counters.digests, 1);
    if (full)
        return true;
    *place(replicator->own, digest.sequence) = digest;
    replicator->newest = digest;
    pit_replicator_count(&replicator->counters.compared, agree_with(replicator, &digest));
    tell(replicator, &digest);
    compare(replicator, digest.sequence);
    return true;
}

uint32_t pit_replicator_add_digests(struct pit_replicator *replicator)
{
    uint32_t done = 0;
    while (!replicator->stopped && add(replicator))
        done++;
    doubt(replicator);
    return done;
}

void pit_replicator_hear_digest(struct pit_replicator *replicator, uint32_t from, const void *body, size_t bytes)
{
    struct pit_node_digest digest;
    if (bytes != sizeof digest)
        return;
    memcpy(&digest, body, sizeof digest);
    if (digest.sequence == 0 || digest.sequence % PIT_JOURNAL_DIGEST_EVERY != 0)
        return;
    /* What it says last counts, whatever it has said before: links keep the order. */
    *place(replicator->theirs[from], digest.sequence) = digest;
    const struct pit_node_digest *own = place(replicator->own, digest.sequence);
    if (own->sequence == digest.sequence && same(own, &digest))
        pit_replicator_count(&replicator->counters.compared, 1);
    compare(replicator, digest.sequence);
}
