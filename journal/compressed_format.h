/* journal/compressed_format.h - the bytes of a compressed segment's seek table: zstd's "seekable format", in a frame
 * that every zstd reader skips. Integers are little-endian. For the files that read and write it.
 */
#ifndef PIT_JOURNAL_COMPRESSED_FORMAT_H
#define PIT_JOURNAL_COMPRESSED_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define PIT_COMPRESSED_SKIP_MAGIC 0x184D2A5Eu
#define PIT_COMPRESSED_FOOTER_MAGIC 0x8F92EAB1u
#define PIT_COMPRESSED_DESCRIPTOR 0x80u /* entries have checksums */

/* table:  | skip | entry | entry | ... | footer | */
struct pit_compressed_skip {
    uint32_t magic;
    uint32_t bytes; /* of entries and footer */
};

struct pit_compressed_entry {
    uint32_t packed;   /* bytes of the frame in the file */
    uint32_t bytes;    /* of the segment in it */
    uint32_t checksum; /* of those */
};

struct pit_compressed_footer {
    uint32_t frames;
    uint8_t descriptor;
    uint32_t magic;
} __attribute__((packed));
_Static_assert(sizeof(struct pit_compressed_footer) == 9, "the footer has 9 bytes");

/* The low half of XXH64. */
static inline uint32_t pit_compressed_checksum(const void *bytes, size_t count)
{
    return (uint32_t)XXH64(bytes, count, 0);
}

#endif
