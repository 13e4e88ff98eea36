/* journal/format.h - the journal's bytes on disk. docs/journal-format.md says the same in prose.
 *
 *   DIR/lock                             held while a process uses the directory
 *   DIR/00000000000000000001.journal     a segment, named by the number of its first block
 *   DIR/next.segment                     the segment being zeroed for later
 *   DIR/urgent.segment                   one zeroed at the last moment, because the next was not ready
 *
 *   segment:  | header 4 KiB | block | block | ... | zeros |
 *   block:    | header 64 | record | record | ... | zeros to a multiple of 4 KiB |
 *   record:   | header 64 | payload, padded with zeros to a multiple of 64 |
 *
 * A block is one group commit, one write. It carries the CRC-32C of itself and of the block before, so the blocks form
 * a chain from the first to the last across segments. A record is one batch: in a cluster, one entry of the consensus
 * log, for which index and term are kept. Integers are little-endian.
 */
#ifndef PIT_JOURNAL_FORMAT_H
#define PIT_JOURNAL_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define PIT_JOURNAL_VERSION 1u
#define PIT_JOURNAL_PAGE_BYTES 4096u
#define PIT_JOURNAL_BLOCK_BYTES_MAX (1u << 20)
#define PIT_JOURNAL_SEGMENT_BYTES_MIN (UINT64_C(4) << 20)    /* that can be configured */
#define PIT_JOURNAL_SEGMENT_BYTES_LEAST (UINT64_C(64) << 10) /* that is written and read, with shorter blocks */
#define PIT_JOURNAL_SEGMENT_BYTES_MAX (UINT64_C(16) << 30)
#define PIT_JOURNAL_SEGMENT_MAGIC UINT64_C(0x314745534e4c5450) /* "PTLNSEG1" */
#define PIT_JOURNAL_BLOCK_MAGIC 0x4b4c4250u                    /* "PBLK" */

/* No block of a segment is longer: two of them have room in it. */
static inline uint32_t pit_journal_block_max(uint64_t segment_bytes)
{
    return segment_bytes / 2 < PIT_JOURNAL_BLOCK_BYTES_MAX ? (uint32_t)(segment_bytes / 2)
                                                           : PIT_JOURNAL_BLOCK_BYTES_MAX;
}

/* Matchers hand their event digest over each time the sequence is a multiple of this. Part of the format. */
#define PIT_JOURNAL_DIGEST_EVERY UINT64_C(16384)

struct pit_journal_segment_header {
    uint64_t magic;
    uint32_t version;
    uint32_t crc;            /* CRC-32C of the 4 KiB page with this field zero */
    uint8_t journal_id[16];  /* random; the same in every segment and block of one journal */
    uint64_t segment_bytes;  /* size of the file */
    uint64_t first_block;    /* number of the first block here; the first of all is 1 */
    uint64_t first_sequence; /* sequence of the first command here or after */
    uint64_t created_ns;     /* UTC, for people */
    uint32_t previous_crc;   /* crc of the block before the first one here, 0 at the very start */
    uint32_t zero;
};

struct pit_journal_block_header {
    uint32_t magic;
    uint32_t crc;            /* CRC-32C of the whole block (bytes) with this field zero */
    uint32_t previous_crc;   /* crc of the block before */
    uint32_t bytes;          /* of the block, a multiple of 4 KiB */
    uint64_t number;         /* 1, 2, ... over all segments */
    uint64_t first_sequence; /* of the first command in it (or the next one, when it has none) */
    uint32_t commands;       /* how many it has */
    uint32_t used;           /* bytes used, this header included; the rest is zero */
    uint64_t journal_id;     /* first half of the segment's */
    uint64_t zero[2];
};
_Static_assert(sizeof(struct pit_journal_block_header) == 64, "a block header is one cache line");

enum pit_journal_record_kind {
    PIT_JOURNAL_COMMANDS = 1, /* payload: commands, 64 or 128 bytes each (PIT_COMMAND_WIDE), sequences rising by one */
    PIT_JOURNAL_DIGEST = 2,   /* payload: struct pit_journal_digest */
    /* In the log of a cluster alone (journal/log.h), which has no PIT_JOURNAL_COMMANDS. Without a payload where none is
     * said. */
    PIT_JOURNAL_LOG_ENTRY = 3,      /* index, term; payload: a batch of commands */
    PIT_JOURNAL_LOG_BARRIER = 4,    /* index, term */
    PIT_JOURNAL_LOG_MEMBERS = 5,    /* index, term; payload: the engine's, who the nodes are */
    PIT_JOURNAL_LOG_TRUNCATION = 6, /* entries from index on are void; term: of the entry before */
    PIT_JOURNAL_LOG_VOTE = 7,       /* term; index: the node voted for in it, 0 = none */
    PIT_JOURNAL_LOG_COMMITTED = 8,  /* index: entries up to it were known to be committed */
    PIT_JOURNAL_LOG_ANCHOR = 9,     /* index, term: of the last entry before; payload: struct pit_journal_log_anchor */
};

struct pit_journal_record_header {
    uint32_t kind;
    uint32_t bytes; /* payload without padding */
    uint32_t count; /* commands in it */
    uint32_t zero;
    uint64_t first_sequence; /* of the first command in it, or else to come */
    uint64_t index;          /* place in a cluster's log; on a single node 0 */
    uint64_t term;           /* on a single node 0 */
    uint64_t reserved[3];
};
_Static_assert(sizeof(struct pit_journal_record_header) == 64, "a record header is one cache line");

static inline int pit_journal_record_of_log(uint32_t kind)
{
    return kind >= PIT_JOURNAL_LOG_ENTRY && kind <= PIT_JOURNAL_LOG_ANCHOR;
}

/* The first record of each segment of a cluster's log: everything that the records before it come to, so that nobody
 * has to read them. The members entry's payload follows it, once there is one. */
struct pit_journal_log_anchor {
    uint64_t next_sequence; /* of the first command to come, 1 .. */
    uint64_t vote_term;
    uint64_t vote;
    uint64_t committed;          /* entries up to this index were known to be committed */
    uint64_t committed_sequence; /* of the last command in them, 0 = none */
    uint64_t members_bytes;
    uint64_t zero[2];
};
_Static_assert(sizeof(struct pit_journal_log_anchor) == 64, "an anchor is one cache line");

/* What the live run had computed when every matcher had done sequence (struct pit_digest; book/market.h). */
struct pit_journal_digest {
    uint64_t sequence;
    uint64_t events;
    uint64_t events_count;
    uint64_t state; /* with orders: only in the record written at a clean stop, where full is 1 */
    uint64_t orders;
    uint64_t full;
    uint64_t zero[2];
};
_Static_assert(sizeof(struct pit_journal_digest) == 64, "a digest is one cache line");

#endif
