/* test/journal/fixture.h - writes and reads small journals for the tests. One thread. */
#ifndef PIT_TEST_JOURNAL_FIXTURE_H
#define PIT_TEST_JOURNAL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "journal/writer.h"

#include "ring/sequence.h"

/* Every byte where that is quick; under a sanitizer, which makes a reader's buffers dear, every STEPth. */
#if defined(__SANITIZE_ADDRESS__) || defined(PIT_UNDER_TSAN)
#define STEP 29
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STEP 29
#endif
#endif
#ifndef STEP
#define STEP 1
#endif

#define DIRECTORY "journal"
#define SEGMENT_BYTES PIT_JOURNAL_SEGMENT_BYTES_MIN

/* The command every test expects at a sequence: its fields follow from the sequence and salt. */
struct pit_command fixture_command(uint64_t sequence, uint64_t salt);

/* Reads everything in the directory, checking each command against fixture_command, and returns what the reader's last
 * next returned. found->sequence etc. as at the end; *digests (may be NULL) counts digest records. */
int fixture_read(const struct pit_disk *disk, const char *directory, uint64_t salt, struct pit_journal_end *found,
                 uint64_t *digests, struct pit_error *error);

/* Opens for writing after what is in the directory. */
struct pit_journal *fixture_open(const struct pit_disk *disk, const char *directory, uint64_t segment_bytes,
                                 enum pit_journal_sync sync);

/* Appends commands from *sequence on and writes them as one block. */
void fixture_block(struct pit_journal *journal, uint64_t *sequence, uint32_t commands, uint64_t salt);

/* Recovery of DIRECTORY up to sequence from, some more commands, and everything reads back. */
void fixture_goes_on(const struct pit_disk *disk, uint64_t salt, uint64_t from);

/* PIT_SEED or one of its own; printed. */
uint64_t fixture_seed(void);

/* xorshift. */
uint64_t fixture_random(uint64_t *state);

/* A fresh directory under TMPDIR or /tmp, and its removal with the files in it. */
void fixture_directory_make(char path[256]);
void fixture_directory_remove(const char *path);

#endif
