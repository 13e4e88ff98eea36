/* wire/market_data_layout.h - the bytes of a pipeline's market data in shared memory; docs/market-data.md explains them
 * to readers in any language.
 *
 *   /dev/shm/pitline-NAME/            made by the publisher, 0700 / 0750 / 0755
 *     lock      0600, the pid as text; the living pipeline of that name holds it with flock
 *     events    | header: one page | slot 0 | slot 1 | ...                      pit_broadcast slots, 64 bytes each
 *     depth     | header: one page | symbol entries, 64 bytes each | images, 1088 bytes each | both by symbol id
 *
 * Writer:   the publisher's thread; the first line of each header is complete before a reader can open the file.
 * Readers:  any number, in any process, with read-only mappings.
 * All integers are in the machine's order (little-endian on every machine pitline runs on). Fields marked "word" change
 * while readers look: they are 8-byte words, read and written whole, through ring/sequence.h.
 */
#ifndef PIT_WIRE_MARKET_DATA_LAYOUT_H
#define PIT_WIRE_MARKET_DATA_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "pitline/market_data.h"
#include "ring/broadcast.h"

#define PIT_MD_ROOT "/dev/shm"
#define PIT_MD_DIRECTORY_PREFIX "pitline-"
#define PIT_MD_EVENTS_FILE "events"
#define PIT_MD_DEPTH_FILE "depth"
#define PIT_MD_LOCK_FILE "lock"
#define PIT_MD_NAME_MAX 64u
#define PIT_MD_PATH_BYTES 128u

#define PIT_MD_HEADER_BYTES 4096u
#define PIT_MD_EVENTS_MAGIC UINT64_C(0x31544e5645544950) /* "PITEVNT1" */
#define PIT_MD_DEPTH_MAGIC UINT64_C(0x3148545044544950)  /* "PITDPTH1" */
#define PIT_MD_SLOTS_MIN 64u
#define PIT_MD_SLOTS_MAX (1u << 24)

struct pit_md_events_header {
    /* line 0: fixed from the first moment on */
    uint64_t magic;
    uint32_t version;
    uint32_t header_bytes;
    uint64_t instance; /* a random number of this run: the same in both files */
    uint64_t slots;    /* a power of two */
    uint64_t slot_bytes;
    uint64_t pid;
    uint64_t started_ns; /* UTC, nanoseconds since 1970 */
    uint64_t zero0;
    /* line 1 */
    uint64_t published; /* word: the newest event's sequence; at most a few hundred events behind */
    uint64_t zero1[7];
    /* line 2 */
    uint64_t status;       /* word: PIT_MD_RUNNING, PIT_MD_STOPPED or PIT_MD_REPLACED */
    uint64_t heartbeat_ns; /* word: CLOCK_MONOTONIC of the last sign of life */
    uint64_t zero2[6];
    /* lines 3, 4 */
    char name[PIT_MD_NAME_MAX + 64u]; /* zero-filled; fixed */
};
_Static_assert(offsetof(struct pit_md_events_header, published) == 64, "words have their own lines");
_Static_assert(offsetof(struct pit_md_events_header, status) == 128, "words have their own lines");
_Static_assert(offsetof(struct pit_md_events_header, name) == 192, "the name follows");
_Static_assert(sizeof(struct pit_md_events_header) == 320, "the rest of the page is zero");

struct pit_md_depth_header {
    /* lines 0, 1: fixed from the first moment on */
    uint64_t magic;
    uint32_t version;
    uint32_t header_bytes;
    uint64_t instance;
    uint64_t symbols_max;
    uint64_t entry_bytes;
    uint64_t image_bytes;
    uint64_t levels;         /* of each side in an image */
    uint64_t entries_offset; /* bytes from the start of the file */
    uint64_t images_offset;
    uint64_t zero0[7];
    /* line 2 */
    uint64_t symbols; /* word: one more than the largest symbol id defined */
    uint64_t imaged;  /* word: every event up to this sequence is in the images */
    uint64_t zero1[6];
};
_Static_assert(offsetof(struct pit_md_depth_header, symbols) == 128, "words have their own lines");
_Static_assert(sizeof(struct pit_md_depth_header) == 192, "the rest of the page is zero");

/* One symbol's definition. defined is stored last; nothing changes after that. */
struct pit_md_symbol_entry {
    uint64_t defined; /* word: 1 once the rest is whole */
    char name[PIT_SYMBOL_NAME_BYTES];
    uint32_t tick_mantissa;
    uint32_t lot_mantissa;
    uint8_t tick_decimals;
    uint8_t lot_decimals;
    uint8_t zero[30];
};
_Static_assert(sizeof(struct pit_md_symbol_entry) == 64, "an entry is one cache line");

/* One symbol's depth image: words are a struct pit_md_depth behind a seqlock (pit_image_write, pit_image_read). */
#define PIT_MD_IMAGE_WORDS 128u

struct pit_md_image {
    uint64_t version; /* word: even = whole, odd = being changed, 0 = never written */
    uint64_t zero[7];
    uint64_t words[PIT_MD_IMAGE_WORDS];
};
_Static_assert(sizeof(struct pit_md_depth) == PIT_MD_IMAGE_WORDS * sizeof(uint64_t), "an image is a depth");
_Static_assert(sizeof(struct pit_md_image) == 1088, "an image is seventeen cache lines");

/* Bytes of the two files. */
static inline uint64_t pit_md_events_bytes(uint64_t slots)
{
    return PIT_MD_HEADER_BYTES + slots * PIT_BROADCAST_SLOT_BYTES;
}

static inline uint64_t pit_md_images_offset(uint64_t symbols_max)
{
    return PIT_MD_HEADER_BYTES + symbols_max * sizeof(struct pit_md_symbol_entry);
}

static inline uint64_t pit_md_depth_file_bytes(uint64_t symbols_max)
{
    return pit_md_images_offset(symbols_max) + symbols_max * sizeof(struct pit_md_image);
}

/* An event as the payload of a slot: everything of a struct pit_md_event but its sequence, then a zero word. */
#define PIT_MD_EVENT_WORDS 6u
_Static_assert(sizeof(struct pit_md_event) == (1 + PIT_MD_EVENT_WORDS) * sizeof(uint64_t), "an event fits a slot");
_Static_assert(PIT_MD_EVENT_WORDS <= PIT_BROADCAST_WORDS, "an event fits a slot");

static inline void pit_md_event_pack(const struct pit_md_event *event, uint64_t words[PIT_BROADCAST_WORDS])
{
    memcpy(words, (const char *)event + offsetof(struct pit_md_event, time_ns), PIT_MD_EVENT_WORDS * sizeof(uint64_t));
    words[PIT_MD_EVENT_WORDS] = 0;
}

static inline void pit_md_event_unpack(const uint64_t words[PIT_BROADCAST_WORDS], uint64_t sequence,
                                       struct pit_md_event *event)
{
    event->sequence = sequence;
    memcpy((char *)event + offsetof(struct pit_md_event, time_ns), words, PIT_MD_EVENT_WORDS * sizeof(uint64_t));
}

/* True for 1 .. PIT_MD_NAME_MAX letters, digits, '.', '_', '-', not starting with '.'. */
bool pit_md_name_valid(const char *name);

/* The directory of a valid name. Returns path. */
char *pit_md_directory(char path[PIT_MD_PATH_BYTES], const char *name);

#endif
