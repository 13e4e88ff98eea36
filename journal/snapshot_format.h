/* journal/snapshot_format.h - a snapshot's bytes, for the files that write and read them. docs/snapshot-format.md says
 * the same in prose. Integers outside the payloads are little-endian.
 */
#ifndef PIT_JOURNAL_SNAPSHOT_FORMAT_H
#define PIT_JOURNAL_SNAPSHOT_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define PIT_SNAPSHOT_MAGIC "PTLNSNP1"
#define PIT_SNAPSHOT_MAGIC_BYTES 8u
#define PIT_SNAPSHOT_TEMPORARY_NAME "snapshot.tmp"
#define PIT_SNAPSHOT_LOCK_NAME "snapshot.lock"
#define PIT_SNAPSHOT_PAYLOAD_BYTES_MAX (256u << 10)
#define PIT_SNAPSHOT_ITEM_BYTES_MAX 256u /* more than any array in a payload takes */

enum pit_snapshot_chunk_kind {
    PIT_SNAPSHOT_HEAD = 0x44414548, /* "HEAD" */
    PIT_SNAPSHOT_BODY = 0x59444f42, /* "BODY" */
    PIT_SNAPSHOT_DONE = 0x454e4f44, /* "DONE" */
};

struct pit_snapshot_chunk {
    uint32_t kind;
    uint32_t bytes;  /* of the payload, 1 .. PIT_SNAPSHOT_PAYLOAD_BYTES_MAX */
    uint32_t number; /* 0, 1, 2, ... */
    uint32_t crc;    /* CRC-32C of this header, with this field zero, and the payload */
};
_Static_assert(sizeof(struct pit_snapshot_chunk) == 16, "a chunk's header has 16 bytes");

/* How many elements the arrays in the payloads have. */
#define PIT_SNAPSHOT_HEAD_ELEMENTS 9u
#define PIT_SNAPSHOT_SYMBOL_ELEMENTS 17u
#define PIT_SNAPSHOT_ORDER_ELEMENTS 6u
#define PIT_SNAPSHOT_ACCOUNT_ELEMENTS 2u
#define PIT_SNAPSHOT_RESULT_ELEMENTS 8u
#define PIT_SNAPSHOT_DONE_ELEMENTS 12u
#define PIT_SNAPSHOT_DONE_ELEMENTS_1 9u /* of version 1 */

/* What DONE says. */
struct pit_snapshot_totals {
    uint64_t symbols;
    uint64_t orders;
    uint64_t chunks; /* before DONE */
    uint64_t bytes;  /* likewise */
    uint64_t events;
    uint64_t events_count;
    uint64_t state;
    uint64_t strangers; /* digest of the events of unknown symbols */
    uint64_t accounts;  /* with results; this and the two that follow are not in version 1 */
    uint64_t results;
    uint64_t results_digest;
    uint64_t hash; /* XXH3, 64 bits, of all bytes before DONE */
};

#endif
