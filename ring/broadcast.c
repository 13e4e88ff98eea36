/* ring/broadcast.c - a seqlock per slot, and one over an array of words. */
#include "ring/broadcast.h"

#include "ring/check.h"
#include "ring/sequence.h"

static void check_count(uint64_t count)
{
    PIT_CHECK(count >= 2 && (count & (count - 1)) == 0);
}

void pit_broadcast_writer_init(struct pit_broadcast_writer *writer, struct pit_broadcast_slot *slots, uint64_t count)
{
    check_count(count);
    *writer = (struct pit_broadcast_writer){.slots = slots, .mask = count - 1, .next = 1};
}

uint64_t pit_broadcast_write(struct pit_broadcast_writer *writer, const uint64_t words[PIT_BROADCAST_WORDS])
{
    uint64_t sequence = writer->next++;
    struct pit_broadcast_slot *slot = &writer->slots[sequence & writer->mask];
    pit_word_store_relaxed(&slot->sequence, 0);
    pit_words_store(slot->words, words, PIT_BROADCAST_WORDS); /* not seen before the 0 */
    pit_word_store_release(&slot->sequence, sequence);        /* not seen before the words */
    return sequence;
}

void pit_broadcast_reader_init(struct pit_broadcast_reader *reader, const struct pit_broadcast_slot *slots,
                               uint64_t count, uint64_t next)
{
    check_count(count);
    *reader = (struct pit_broadcast_reader){.slots = slots, .mask = count - 1, .next = next};
}

/* The newest entry at some moment of this call, known to be at least from: the slots from from's on hold this lap's
 * entries up to the newest, then the lap's before, so a binary search finds the border. It ends whatever the memory
 * holds. */
static uint64_t find_newest(const struct pit_broadcast_reader *reader, uint64_t from)
{
    uint64_t low = 0;             /* from + low is there */
    uint64_t high = reader->mask; /* from + high + 1 is not, or would be in from's own slot */
    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;
        uint64_t sequence = pit_word_load_acquire(&reader->slots[(from + middle) & reader->mask].sequence);
        if (sequence >= from + middle)
            low = middle;
        else
            high = middle - 1;
    }
    return from + low;
}

/* The writer is known to have reached at_least. Moves on to the oldest entry that is not about to be overwritten: an
 * eighth of the ring is left as a head start. */
static enum pit_broadcast_result lapped(struct pit_broadcast_reader *reader, uint64_t at_least, uint64_t *lost)
{
    uint64_t count = reader->mask + 1;
    uint64_t margin = count / 8 ? count / 8 : 1;
    uint64_t next = find_newest(reader, at_least) + 1 - count + margin;
    *lost = next - reader->next;
    reader->next = next;
    return PIT_BROADCAST_LAPPED;
}

enum pit_broadcast_result pit_broadcast_read(struct pit_broadcast_reader *reader, uint64_t words[PIT_BROADCAST_WORDS],
                                             uint64_t *lost)
{
    uint64_t expected = reader->next;
    const struct pit_broadcast_slot *slot = &reader->slots[expected & reader->mask];
    uint64_t before = pit_word_load_acquire(&slot->sequence);
    if (before < expected)
        return PIT_BROADCAST_EMPTY;
    if (before > expected)
        return lapped(reader, before, lost);
    pit_words_load(words, slot->words, PIT_BROADCAST_WORDS);
    if (pit_word_load_relaxed(&slot->sequence) != expected)
        return lapped(reader, expected + reader->mask, lost); /* the entry a lap later is being written */
    reader->next = expected + 1;
    return PIT_BROADCAST_READ;
}

void pit_image_write(uint64_t *version, uint64_t *words, const uint64_t *from, uint32_t count)
{
    uint64_t changing = pit_word_load_relaxed(version) | 1;
    pit_word_store_relaxed(version, changing);
    pit_words_store(words, from, count);
    pit_word_store_release(version, changing + 1);
}

uint64_t pit_image_read(const uint64_t *version, const uint64_t *words, uint64_t *to, uint32_t count)
{
    uint64_t before = pit_word_load_acquire(version);
    if (before & 1)
        return 0;
    pit_words_load(to, words, count);
    return pit_word_load_relaxed(version) == before ? before : 0;
}
