/* stages/consensus_raft_codec.c - a message between nodes as bytes, little-endian.
 *
 *   0      4        8 ............ 64
 *   kind   entries  up to 7 words, the rest zero, then for each entry:  term 8 | kind 4 | bytes 4 | payload
 */
#include <errno.h>
#include <string.h>

#include "stages/consensus_raft.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "messages are little-endian");

#define WORDS 7u

struct header {
    uint32_t kind;
    uint32_t entries;
    uint64_t words[WORDS];
};
_Static_assert(sizeof(struct header) == PIT_RAFT_HEADER_BYTES, "a message begins with its header");

struct entry_header {
    uint64_t term;
    uint32_t kind;
    uint32_t bytes;
};
_Static_assert(sizeof(struct entry_header) == PIT_RAFT_ENTRY_HEADER_BYTES, "an entry begins with its header");

enum { VOTE_DISRUPTS = 1, VOTE_PRE = 2 };
enum { RESULT_GRANTED = 1, RESULT_PRE = 2 };

static void fill_header(const struct raft_message *message, struct header *header)
{
    uint64_t *words = header->words;
    header->kind = message->type;
    switch (message->type) {
    case RAFT_IO_APPEND_ENTRIES:
        words[0] = message->append_entries.term;
        words[1] = message->append_entries.prev_log_index;
        words[2] = message->append_entries.prev_log_term;
        words[3] = message->append_entries.leader_commit;
        break;
    case RAFT_IO_APPEND_ENTRIES_RESULT:
        words[0] = message->append_entries_result.term;
        words[1] = message->append_entries_result.rejected;
        words[2] = message->append_entries_result.last_log_index;
        break;
    case RAFT_IO_REQUEST_VOTE:
        words[0] = message->request_vote.term;
        words[1] = message->request_vote.candidate_id;
        words[2] = message->request_vote.last_log_index;
        words[3] = message->request_vote.last_log_term;
        words[4] = (message->request_vote.disrupt_leader ? (uint64_t)VOTE_DISRUPTS : 0) |
                   (message->request_vote.pre_vote ? (uint64_t)VOTE_PRE : 0);
        break;
    case RAFT_IO_REQUEST_VOTE_RESULT:
        words[0] = message->request_vote_result.term;
        words[1] = (message->request_vote_result.vote_granted ? (uint64_t)RESULT_GRANTED : 0) |
                   (message->request_vote_result.pre_vote == raft_tribool_true ? (uint64_t)RESULT_PRE : 0);
        break;
    default: /* nothing that is sent (consensus_raft_network.c) */
        PIT_CHECK(false);
    }
}

uint32_t pit_raft_encode(const struct raft_message *message, uint32_t entries, uint8_t *headers, struct iovec *pieces,
                         size_t *bytes)
{
    struct header header = {.entries = entries};
    fill_header(message, &header);
    memcpy(headers, &header, sizeof header);
    pieces[0] = (struct iovec){.iov_base = headers, .iov_len = sizeof header};
    *bytes = sizeof header;
    uint32_t count = 1;
    for (uint32_t i = 0; i < entries; i++) {
        const struct raft_entry *entry = &message->append_entries.entries[i];
        struct entry_header ours = {.term = entry->term, .kind = entry->type, .bytes = (uint32_t)entry->buf.len};
        uint8_t *place = headers + sizeof header + i * sizeof ours;
        memcpy(place, &ours, sizeof ours);
        pieces[count++] = (struct iovec){.iov_base = place, .iov_len = sizeof ours};
        pieces[count++] = (struct iovec){
            .iov_base = (void *)(uintptr_t)pit_raft_payload(entry),
            .iov_len = entry->buf.len,
        };
        *bytes += sizeof ours + entry->buf.len;
    }
    return count;
}

/* Copies the entries into one batch, as the core wants them. */
static int take_entries(const uint8_t *bytes, size_t count, uint32_t entries, struct raft_append_entries *request)
{
    if (entries > PIT_CONSENSUS_ENTRIES_MAX || count < (size_t)entries * PIT_RAFT_ENTRY_HEADER_BYTES)
        return -EBADMSG;
    uint8_t *batch = raft_malloc(count);
    struct raft_entry *taken = raft_calloc(entries, sizeof *taken);
    if (!batch || !taken)
        goto no_memory;
    memcpy(batch, bytes, count);
    size_t at = 0;
    for (uint32_t i = 0; i < entries; i++) {
        struct entry_header header;
        if (count - at < sizeof header)
            goto bad;
        memcpy(&header, batch + at, sizeof header);
        at += sizeof header;
        if (header.bytes > count - at || header.kind > UINT16_MAX ||
            !pit_raft_payload_fits(header.kind, batch + at, header.bytes))
            goto bad;
        taken[i] = (struct raft_entry){
            .term = header.term,
            .type = (unsigned short)header.kind,
            .buf = {.base = batch + at, .len = header.bytes},
            .batch = batch,
        };
        at += header.bytes;
    }
    if (at != count)
        goto bad;
    request->entries = taken;
    request->n_entries = entries;
    return 0;
bad:
    raft_free(taken);
    raft_free(batch);
    return -EBADMSG;
no_memory:
    raft_free(taken);
    raft_free(batch);
    return -ENOMEM;
}

bool pit_raft_decode_note(const void *bytes, size_t count, struct pit_raft_note *note)
{
    _Static_assert(sizeof *note == PIT_RAFT_HEADER_BYTES, "a note is as long as a header");
    if (count != sizeof *note)
        return false;
    memcpy(note, bytes, sizeof *note);
    static const uint32_t words[] = {
        [PIT_RAFT_NOTE_BEGUN] = 1,
        [PIT_RAFT_NOTE_TOLD] = 4,
        [PIT_RAFT_NOTE_TAKE_OVER] = 2,
    };
    uint32_t used = note->kind < sizeof words / sizeof *words ? words[note->kind] : 0;
    for (uint32_t i = used; i < PIT_RAFT_NOTE_WORDS; i++) {
        if (note->words[i] != 0)
            return false;
    }
    return used > 0 && note->zero == 0;
}

static bool zero_from(const struct header *header, uint32_t word)
{
    for (uint32_t i = word; i < WORDS; i++) {
        if (header->words[i] != 0)
            return false;
    }
    return true;
}

static bool take_header(const struct header *header, struct raft_message *message)
{
    const uint64_t *words = header->words;
    switch (header->kind) {
    case RAFT_IO_APPEND_ENTRIES:
        message->append_entries = (struct raft_append_entries){
            .term = words[0],
            .prev_log_index = words[1],
            .prev_log_term = words[2],
            .leader_commit = words[3],
        };
        return zero_from(header, 4);
    case RAFT_IO_APPEND_ENTRIES_RESULT:
        message->append_entries_result = (struct raft_append_entries_result){
            .term = words[0],
            .rejected = words[1],
            .last_log_index = words[2],
        };
        return zero_from(header, 3);
    case RAFT_IO_REQUEST_VOTE:
        message->request_vote = (struct raft_request_vote){
            .term = words[0],
            .candidate_id = words[1],
            .last_log_index = words[2],
            .last_log_term = words[3],
            .disrupt_leader = words[4] & VOTE_DISRUPTS,
            .pre_vote = words[4] & VOTE_PRE,
        };
        return words[4] <= (VOTE_DISRUPTS | VOTE_PRE) && zero_from(header, 5);
    case RAFT_IO_REQUEST_VOTE_RESULT:
        message->request_vote_result = (struct raft_request_vote_result){
            .term = words[0],
            .vote_granted = words[1] & RESULT_GRANTED,
            .pre_vote = words[1] & RESULT_PRE ? raft_tribool_true : raft_tribool_false,
        };
        return words[1] <= (RESULT_GRANTED | RESULT_PRE) && zero_from(header, 2);
    default:
        return false;
    }
}

int pit_raft_decode(const void *bytes, size_t count, struct raft_message *message)
{
    struct header header;
    if (count < sizeof header || count > PIT_CONSENSUS_MESSAGE_BYTES_MAX)
        return -EBADMSG;
    memcpy(&header, bytes, sizeof header);
    *message = (struct raft_message){.type = (unsigned short)header.kind};
    if (!take_header(&header, message))
        return -EBADMSG;
    const uint8_t *rest = (const uint8_t *)bytes + sizeof header;
    if (header.entries > 0)
        return header.kind == RAFT_IO_APPEND_ENTRIES
                   ? take_entries(rest, count - sizeof header, header.entries, &message->append_entries)
                   : -EBADMSG;
    return count == sizeof header ? 0 : -EBADMSG;
}

void pit_raft_discard(struct raft_message *message)
{
    if (message->type != RAFT_IO_APPEND_ENTRIES || message->append_entries.n_entries == 0)
        return;
    raft_free(message->append_entries.entries[0].batch);
    raft_free(message->append_entries.entries);
}
