/* journal/snapshot.h - the state of all books at a sequence, as a file: so that a start need not apply every command
 * since the first.
 *
 *   DIR/snapshot-00000000000001000000.pit   the state after command 1,000,000
 *   DIR/snapshot.tmp                        one being written; left behind by a crash it means nothing
 *   DIR/snapshot.lock                       held while one is written
 *
 *   file:   | "PTLNSNP1" | chunk HEAD | chunk BODY | ... | chunk DONE |
 *   chunk:  | kind | bytes | number | crc | payload: MessagePack |
 *
 * docs/snapshot-format.md has every byte. A snapshot is a shortcut, never the only copy: the journal says the same, and
 * whatever is wrong with one, the next older or the journal from its first command takes its place.
 *
 * One thread at a time for each call; other processes may read and write the directory. Memory is bounded by a chunk,
 * whatever the state: nothing is held but what goes into the markets.
 */
#ifndef PIT_JOURNAL_SNAPSHOT_H
#define PIT_JOURNAL_SNAPSHOT_H

#include <stdbool.h>

#include "book/market.h"
#include "journal/disk.h"
#include "journal/results.h"
#include "pitline/error.h"

#define PIT_SNAPSHOT_VERSION 2u
#define PIT_SNAPSHOT_VERSION_MIN 1u /* still read; it has no results */
#define PIT_SNAPSHOT_NAME_BYTES 40u /* "snapshot-00000000000000000001.pit" and its closing zero */

/* What a snapshot stands for. */
struct pit_snapshot_header {
    uint8_t journal_id[16];
    uint64_t sequence; /* of the last command that is in it, 1 .. */
    uint64_t block;    /* of the journal, that holds this command; 0 = not known: it may be the one before the first */
    uint64_t time_ns;  /* of this command */
    uint64_t command;  /* pit_snapshot_command_digest of it */
    uint64_t created_ns;
    uint64_t symbols;
    uint64_t orders;
    uint64_t bytes; /* of the file; not in it */
    /* Of the results; not in the head, but at the end. */
    uint64_t accounts;
    uint64_t results;
    uint64_t results_digest;
};

/* A symbol's trades so far: not the book's, but what the publisher tells those who come late. */
struct pit_snapshot_past {
    uint64_t trades;
    int64_t last_price;
    uint64_t last_quantity;
};

/* Over all bytes of a command. A journal in which this sequence has another command is not the snapshot's. */
uint64_t pit_snapshot_command_digest(const struct pit_command *command);

/* The name of a snapshot's file, and back (0: not a snapshot's name). */
void pit_snapshot_name(char name[PIT_SNAPSHOT_NAME_BYTES], uint64_t sequence);
uint64_t pit_snapshot_sequence(const char *name);

/* The id of the journal in directory. 0; -ENOENT: there is none; others. */
int pit_snapshot_journal_id(const struct pit_disk *disk, const char *directory, uint8_t journal_id[16],
                            struct pit_error *error);

/* Writes the state of the markets (each symbol in one of them) under a temporary name, makes it durable, makes the
 * journal durable as far as it was read, and gives it its name. header: created_ns, symbols, orders and what comes
 * after them are filled in, the rest is given. past: by symbol, PIT_SYMBOLS_MAX of them; NULL = no trades. results: of
 * the commands up to there; NULL = none. 0; -EWOULDBLOCK: another process is writing one; others: nothing under a
 * snapshot's name has changed. */
int pit_snapshot_write(const struct pit_disk *disk, const char *directory, struct pit_market *const *markets,
                       uint32_t markets_count, const struct pit_snapshot_past *past, const struct pit_results *results,
                       struct pit_snapshot_header *header, struct pit_error *error);

/* Reads the whole snapshot of a sequence and checks all that can be seen without books: every checksum, every field's
 * range, order and counts. 0; -ENOENT; -EBADMSG: damaged, error says what and where; -EPROTONOSUPPORT: another version;
 * others: the disk's. */
int pit_snapshot_check(const struct pit_disk *disk, const char *directory, uint64_t sequence,
                       struct pit_snapshot_header *header, struct pit_error *error);

/* Where the state goes. */
struct pit_snapshot_target {
    struct pit_market *const *markets; /* without symbols */
    uint32_t markets_count;
    /* Which of them keeps a symbol; NULL: the first. Called once for each, in rising order. */
    uint32_t (*assign)(void *context, uint32_t symbol, const struct pit_symbol_definition *definition);
    void *assign_context;
    /* How many bytes a book may still have; NULL: any number. */
    size_t (*room)(void *context);
    void *room_context;
    struct pit_snapshot_past *past; /* PIT_SYMBOLS_MAX of them, zero; NULL = not wanted */
    struct pit_results *results;    /* empty; NULL = not wanted */
};

/* Checks a snapshot, puts it into the markets, and compares the digests with those written down. Errors as above;
 * and -ENOMEM: no room for a book. After an error the markets may hold anything and are of no use. */
int pit_snapshot_load(const struct pit_disk *disk, const char *directory, uint64_t sequence,
                      const struct pit_snapshot_target *target, struct pit_snapshot_header *header,
                      struct pit_error *error);

/* Finds the newest good snapshot of this journal with a sequence of at most at_most. Those that are not good are told
 * to warn (NULL: nobody) with what is wrong, and passed over. 0; -ENOENT: there is none; others. */
int pit_snapshot_newest(const struct pit_disk *disk, const char *directory, const uint8_t journal_id[16],
                        uint64_t at_most, void (*warn)(void *context, const char *text), void *warn_context,
                        struct pit_snapshot_header *header, struct pit_error *error);

/* Whether each snapshot there can be read by this program, be it good or damaged (which a sector that cannot be read is
 * too): none is merely not understood, or not for us to read. 0; -EPROTONOSUPPORT: one is of another version; others:
 * the disk's. */
int pit_snapshot_readable(const struct pit_disk *disk, const char *directory, struct pit_error *error);

/* Of the snapshots up to the sequence newest, removes all but the keep last (at least 1). *oldest: the sequence of the
 * first of those that stay, 0 = there are fewer than keep; *removed: how many. Later ones, which are of a journal that
 * was cut since, or not this one's, are left alone and do not count. */
int pit_snapshot_prune_below(const struct pit_disk *disk, const char *directory, uint64_t newest, uint64_t keep,
                             uint64_t *oldest, uint64_t *removed, struct pit_error *error);

/* Removes all but the keep newest (at least 1). *removed: how many. */
int pit_snapshot_prune(const struct pit_disk *disk, const char *directory, uint64_t keep, uint64_t *removed,
                       struct pit_error *error);

#endif
