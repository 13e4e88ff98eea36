/* test/replay/test_install.c - a snapshot of one node becomes the beginning of another, wherever that is interrupted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/disk_layer.h"
#include "journal/log_image.h"
#include "node_log.h"
#include "replay/install_parts.h"
#include "replay/rejoin.h"
#include "test/journal/fixture.h"
#include "test/journal/memory_disk.h"

#define HERE "behind"

static struct memory_disk leader_disk;
static struct node_log leader;
static uint8_t *stream;
static struct pit_install_offer offer;
static uint64_t snapshot_sequence, snapshot_trades, leader_seed;
static struct pit_digest snapshot_digest;
static uint64_t snapshot_results, snapshot_results_digest;

static void say(void *context, const char *text)
{
    (void)context;
    print_message("# %s\n", text);
}

/* The leader: a snapshot, and a good deal after it. */
static int begin(void **state)
{
    (void)state;
    memory_disk_init(&leader_disk, fixture_seed());
    leader_seed = leader_disk.random_state;
    node_log_begin(&leader, &leader_disk.disk, "leader", leader_seed);
    node_log_run(&leader, 60);
    node_log_snapshot(&leader);
    snapshot_sequence = leader.live.sequence;
    snapshot_digest = pit_market_full_digest(leader.live.market);
    snapshot_results = pit_results_count(leader.results);
    snapshot_results_digest = pit_results_digest(leader.results);
    assert_true(snapshot_results > 100);
    for (uint32_t symbol = 0; symbol < LIVE_SYMBOLS; symbol++)
        snapshot_trades += leader.past[symbol].trades;
    assert_true(snapshot_trades > 100);
    node_log_run(&leader, 20);
    struct pit_install_source *source;
    struct pit_error error = {0};
    if (pit_install_source_open(&source, &leader_disk.disk, "leader", say, NULL, &error) != 0)
        fail_msg("%s", error.text);
    offer = pit_install_source_offer(source);
    stream = malloc(offer.bytes);
    assert_int_equal(pit_install_source_read(source, stream, offer.bytes, 0), offer.bytes);
    pit_install_source_close(source);
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(stream);
    node_log_end(&leader);
    memory_disk_free(&leader_disk);
    return 0;
}

/* Receives from where it stands, in pieces; 0, or the first error. */
static int receive(const struct pit_disk *disk, const uint8_t *bytes, const struct pit_install_offer *what,
                   size_t piece, struct pit_error *error)
{
    struct pit_install *install;
    int code = pit_install_open(&install, disk, HERE, what, error);
    if (code)
        return code;
    for (uint64_t at; code == 0 && (at = pit_install_offset(install)) < what->bytes;)
        code = pit_install_put(install, bytes + at, what->bytes - at < piece ? what->bytes - at : piece, error);
    if (code == 0)
        while ((code = pit_install_verify(install, error)) == 1)
            ;
    pit_install_close(install);
    return code;
}

static int finish(const struct pit_disk *disk, struct pit_install_outcome *outcome, struct pit_error *error)
{
    return pit_install_finish(disk, HERE, NODE_LOG_SEGMENT, outcome, error);
}

/* A log that was there before: so many entries, the last few of them not known to be committed. */
static void old_log(const struct pit_disk *disk, uint64_t seed, uint64_t term, uint32_t entries, uint32_t open,
                    uint64_t vote_term, uint64_t vote)
{
    static struct node_log old;
    node_log_begin(&old, disk, HERE, seed);
    old.term = term;
    assert_int_equal(pit_log_keep_vote(old.log, term, 1), 0);
    if (entries)
        node_log_run(&old, entries);
    node_log_run_open(&old, open);
    if (vote_term)
        assert_int_equal(pit_log_keep_vote(old.log, vote_term, vote), 0);
    node_log_end(&old);
}

static void check_new(const struct pit_disk *disk, uint64_t term, uint64_t vote)
{
    const struct node_log_found found = node_log_find(disk, HERE);
    assert_int_equal(found.snapshot, snapshot_sequence);
    assert_int_equal(found.sequence, snapshot_sequence);
    assert_memory_equal(&found.digest, &snapshot_digest, sizeof found.digest);
    assert_int_equal(found.results, snapshot_results);
    assert_int_equal(found.results_digest, snapshot_results_digest);
    assert_int_equal(found.trades, snapshot_trades);
    assert_int_equal(found.base, offer.index - 1);
    assert_int_equal(found.last, offer.index);
    assert_int_equal(found.committed, offer.index);
    assert_int_equal(found.term, term);
    assert_int_equal(found.vote, vote);
}

static uint32_t count_in(const struct memory_disk *memory, const char *start)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < MEMORY_FILES_MAX; i++)
        count += memory->files[i].exists && strncmp(memory->files[i].path, start, strlen(start)) == 0;
    return count;
}

static void receive_all(const struct pit_disk *disk, size_t piece)
{
    struct pit_error error = {0};
    if (receive(disk, stream, &offer, piece, &error) != 0)
        fail_msg("%s", error.text);
}

static void finish_all(const struct pit_disk *disk, struct pit_install_outcome *outcome)
{
    struct pit_error error = {0};
    if (finish(disk, outcome, &error) != 0)
        fail_msg("%s", error.text);
}

static void an_empty_node_begins_with_the_snapshot(void **state)
{
    (void)state;
    static struct memory_disk memory;
    struct pit_install_outcome outcome;
    memory_disk_init(&memory, 1);
    finish_all(&memory.disk, &outcome); /* nothing was received */
    assert_int_equal(outcome.sequence, 0);
    receive_all(&memory.disk, 1000);
    finish_all(&memory.disk, &outcome);
    assert_int_equal(outcome.sequence, snapshot_sequence);
    assert_int_equal(outcome.replaced, 0);
    check_new(&memory.disk, offer.term, PIT_LOG_REJOINING); /* it has lost what it had */
    assert_int_equal(count_in(&memory, HERE "/install"), 0);
    finish_all(&memory.disk, &outcome);
    assert_int_equal(outcome.sequence, 0);
    memory_disk_free(&memory);
}

static void an_old_log_goes_aside_and_its_vote_is_kept(void **state)
{
    (void)state;
    static struct memory_disk memory;
    struct pit_install_outcome outcome;
    memory_disk_init(&memory, 1);
    old_log(&memory.disk, 7, 1, 10, 0, offer.term + 5, 2);
    receive_all(&memory.disk, 1u << 20);
    finish_all(&memory.disk, &outcome);
    assert_int_equal(outcome.sequence, snapshot_sequence);
    assert_int_equal(outcome.replaced, 1);
    assert_true(count_in(&memory, HERE "/replaced-1/") >= 1);
    check_new(&memory.disk, offer.term + 5, 2);
    memory_disk_free(&memory);
}

static void a_node_that_rejoins_goes_on_rejoining(void **state)
{
    (void)state;
    static struct memory_disk memory;
    struct pit_install_outcome outcome;
    memory_disk_init(&memory, 1);
    old_log(&memory.disk, 7, 1, 0, 1, 2, PIT_LOG_REJOINING);
    receive_all(&memory.disk, 1u << 20);
    finish_all(&memory.disk, &outcome);
    check_new(&memory.disk, offer.term, PIT_LOG_REJOINING);
    memory_disk_free(&memory);
}

static void entries_that_another_leader_replaced_do_not_keep_it_out(void **state)
{
    (void)state;
    static struct memory_disk memory;
    struct pit_install_outcome outcome;
    memory_disk_init(&memory, 1);
    old_log(&memory.disk, 7, offer.term + 3, 10, 100, 0, 0);
    const struct node_log_found before = node_log_find(&memory.disk, HERE);
    assert_true(before.last > offer.index && before.committed < offer.index);
    receive_all(&memory.disk, 1u << 20);
    finish_all(&memory.disk, &outcome);
    assert_int_equal(outcome.sequence, snapshot_sequence);
    check_new(&memory.disk, before.term, before.vote);
    memory_disk_free(&memory);
}

/* What it has may have been acknowledged: it must not go away. */
static void a_log_that_has_the_entry_stays(void **state)
{
    (void)state;
    static struct memory_disk memory;
    struct pit_install_outcome outcome;
    static struct node_log old;
    memory_disk_init(&memory, 1);
    node_log_begin(&old, &memory.disk, HERE, leader_seed); /* runs as the leader did */
    node_log_run_open(&old, 60);
    node_log_end(&old);
    const struct node_log_found before = node_log_find(&memory.disk, HERE);
    assert_true(before.last >= offer.index && before.committed < offer.index);
    receive_all(&memory.disk, 1u << 20);
    finish_all(&memory.disk, &outcome);
    assert_true(outcome.dropped);
    assert_int_equal(outcome.sequence, 0);
    const struct node_log_found after = node_log_find(&memory.disk, HERE);
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(count_in(&memory, HERE "/install"), 0);
    memory_disk_free(&memory);
}

static void without_a_snapshot_there_is_nothing_to_send(void **state)
{
    (void)state;
    static struct memory_disk memory;
    struct pit_install_source *source;
    struct pit_error error = {0};
    memory_disk_init(&memory, 1);
    old_log(&memory.disk, 3, 1, 20, 0, 0, 0);
    assert_int_equal(pit_install_source_open(&source, &memory.disk, HERE, NULL, NULL, &error), -ENOENT);
    assert_non_null(strstr(error.text, "there is no good snapshot"));
    memory_disk_free(&memory);
}

/* A disk that stops working at a call, so that the machine can be said to have stopped there. */
struct stopping {
    struct pit_disk_layer layer; /* first */
    uint64_t calls, stop_at;     /* 0 = never */
};

static int next_call(struct stopping *stopping)
{
    return ++stopping->calls >= stopping->stop_at && stopping->stop_at ? -EIO : 0;
}

static int stop_write(void *context, int file, const void *bytes, size_t count, uint64_t offset)
{
    struct stopping *stopping = context;
    const struct pit_disk *under = stopping->layer.under;
    return next_call(stopping) ? -EIO : under->write(under->context, file, bytes, count, offset);
}

static int stop_sync(void *context, int file)
{
    struct stopping *stopping = context;
    const struct pit_disk *under = stopping->layer.under;
    return next_call(stopping) ? -EIO : under->sync(under->context, file);
}

static int stop_sync_directory(void *context, const char *path)
{
    struct stopping *stopping = context;
    const struct pit_disk *under = stopping->layer.under;
    return next_call(stopping) ? -EIO : under->sync_directory(under->context, path);
}

static int stop_rename(void *context, const char *from, const char *to)
{
    struct stopping *stopping = context;
    const struct pit_disk *under = stopping->layer.under;
    return next_call(stopping) ? -EIO : under->rename(under->context, from, to);
}

static int stop_unlink(void *context, const char *path)
{
    struct stopping *stopping = context;
    const struct pit_disk *under = stopping->layer.under;
    return next_call(stopping) ? -EIO : under->unlink(under->context, path);
}

static void stopping_init(struct stopping *stopping, const struct pit_disk *under, uint64_t stop_at)
{
    pit_disk_layer_init(&stopping->layer, under);
    stopping->layer.disk.write = stop_write;
    stopping->layer.disk.sync = stop_sync;
    stopping->layer.disk.sync_directory = stop_sync_directory;
    stopping->layer.disk.rename = stop_rename;
    stopping->layer.disk.unlink = stop_unlink;
    stopping->calls = 0;
    stopping->stop_at = stop_at;
}

/* Power is lost at each call of a disk that keeps nothing it was not told to keep; the next start goes on. */
static void wherever_it_is_interrupted_a_later_start_goes_on(void **state)
{
    (void)state;
    static struct memory_disk base, memories[2];
    struct pit_install_outcome outcome;
    struct pit_error error = {0};
    memory_disk_init(&base, fixture_seed());
    base.cache = true;
    old_log(&base.disk, 7, 1, 10, 3, offer.term + 5, 3);
    receive_all(&base.disk, 1u << 20);
    uint64_t stops = 0;
    for (uint64_t at = 1;; at += STEP > 1 ? 5 : 1) {
        struct stopping stopping;
        memory_disk_crash(&memories[0], &base); /* a copy: everything in it is durable */
        memories[0].cache = true;
        stopping_init(&stopping, &memories[0].disk, at);
        const int code = finish(&stopping.layer.disk, &outcome, &error);
        assert_true(code == 0 || stopping.calls >= at);
        memory_disk_crash(&memories[1], &memories[0]);
        finish_all(&memories[1].disk, &outcome);
        assert_false(outcome.bad || outcome.dropped);
        check_new(&memories[1].disk, offer.term + 5, 3);
        assert_true(count_in(&memories[1], HERE "/replaced-1/") >= 1);
        assert_int_equal(count_in(&memories[1], HERE "/replaced-2/"), 0);
        assert_int_equal(count_in(&memories[1], HERE "/install"), 0);
        memory_disk_free(&memories[0]);
        memory_disk_free(&memories[1]);
        stops++;
        if (code == 0 && stopping.calls < at)
            break; /* it came to its end */
    }
    print_message("# %lu places\n", stops);
    assert_true(stops > 10);
    memory_disk_free(&base);
}

/* A stream that is long enough for more than one mark, of nothing in particular. */
static void what_was_received_is_not_asked_for_again(void **state)
{
    (void)state;
    static struct memory_disk memories[2];
    const uint64_t bytes = 2 * PIT_INSTALL_SYNC_BYTES + 12345;
    struct pit_error error = {0};
    uint64_t seed = fixture_seed();
    uint8_t *any = malloc(bytes);
    for (uint64_t i = 0; i < bytes; i += 8)
        memcpy(any + i, &(uint64_t){fixture_random(&seed)}, bytes - i < 8 ? bytes - i : 8);
    struct pit_install_offer what = {.sequence = 1, .index = 2, .term = 1, .bytes = bytes};
    what.hash = XXH3_64bits(any, bytes);
    memory_disk_init(&memories[0], seed);
    memories[0].cache = true;
    struct memory_disk *memory = &memories[0];
    struct pit_install *install;
    uint64_t sure = 0;
    for (uint32_t life = 0; life < 20; life++) {
        assert_int_equal(pit_install_open(&install, &memory->disk, HERE, &what, &error), 0);
        assert_true(pit_install_offset(install) >= sure);
        for (uint64_t i = fixture_random(&seed) % 30; i > 0 && pit_install_offset(install) < bytes; i--) {
            const uint64_t at = pit_install_offset(install), piece = 1 + fixture_random(&seed) % (200u << 10);
            assert_int_equal(pit_install_put(install, any + at, piece < bytes - at ? piece : bytes - at, &error), 0);
        }
        sure = pit_install_offset(install);
        sure = sure ? (sure - 1) / PIT_INSTALL_SYNC_BYTES * PIT_INSTALL_SYNC_BYTES : 0;
        sure = sure < PIT_INSTALL_SYNC_BYTES ? 0 : sure - PIT_INSTALL_SYNC_BYTES; /* the file's size may be lost */
        pit_install_close(install);
        struct memory_disk *after = &memories[memory == memories];
        memory_disk_crash(after, memory);
        after->cache = true;
        memory_disk_free(memory);
        memory = after;
    }
    if (receive(&memory->disk, any, &what, 256u << 10, &error) != 0)
        fail_msg("%s", error.text);
    assert_non_null(memory_disk_file(memory, HERE "/install.whole"));
    assert_null(memory_disk_file(memory, HERE "/install.part"));
    memory_disk_free(memory);
    free(any);
}

static void another_stream_begins_again(void **state)
{
    (void)state;
    static struct memory_disk memory;
    struct pit_error error = {0};
    struct pit_install *install;
    struct pit_install_offer other = offer;
    memory_disk_init(&memory, 1);
    other.sequence++;
    assert_int_equal(pit_install_open(&install, &memory.disk, HERE, &other, &error), 0);
    assert_int_equal(pit_install_put(install, stream, 500, &error), 0);
    pit_install_close(install);
    receive_all(&memory.disk, 1u << 20);
    memory_disk_free(&memory);
}

static void a_stream_with_a_wrong_hash_is_thrown_away(void **state)
{
    (void)state;
    static struct memory_disk memory;
    struct pit_error error = {0};
    struct pit_install_offer other = offer;
    memory_disk_init(&memory, 1);
    other.hash ^= 1;
    assert_int_equal(receive(&memory.disk, stream, &other, 1u << 20, &error), -EBADMSG);
    assert_int_equal(count_in(&memory, HERE "/install"), 0);
    memory_disk_free(&memory);
}

/* It may lie there for a long time before a start uses it. Most of its front has no checksum of its own. */
static void a_stream_that_was_damaged_since_is_thrown_away(void **state)
{
    (void)state;
    static struct memory_disk base, memory;
    struct pit_install_outcome outcome;
    struct pit_error error = {0};
    uint64_t seed = fixture_seed();
    memory_disk_init(&base, 1);
    base.cache = true;
    old_log(&base.disk, 7, 1, 10, 0, 0, 0);
    const struct node_log_found before = node_log_find(&base.disk, HERE);
    receive_all(&base.disk, 1u << 20);
    for (uint32_t round = 0; round < 20; round++) {
        memory_disk_crash(&memory, &base);
        const uint64_t at = 4096 + fixture_random(&seed) % (round % 2 ? 2048 : offer.bytes);
        memory_disk_file(&memory, HERE "/install.whole")->bytes[at] ^= (uint8_t)(1u << fixture_random(&seed) % 8);
        if (finish(&memory.disk, &outcome, &error) != 0)
            fail_msg("byte %lu: %s", at, error.text);
        assert_true(outcome.bad && outcome.sequence == 0);
        const struct node_log_found after = node_log_find(&memory.disk, HERE);
        assert_memory_equal(&before, &after, sizeof before);
        assert_int_equal(count_in(&memory, HERE "/install."), 0);
        memory_disk_free(&memory);
    }
    memory_disk_free(&base);
}

/* A disk on which one read of what was received shows another byte than is there. */
struct misreading {
    struct pit_disk_layer layer; /* first */
    int file;
    uint64_t reads, at, seed;
};

static int misread_open(void *context, const char *path, uint32_t flags)
{
    struct misreading *misreading = context;
    const struct pit_disk *under = misreading->layer.under;
    const int file = under->open(under->context, path, flags);
    if (strstr(path, "install.whole"))
        misreading->file = file;
    else if (file == misreading->file)
        misreading->file = -1; /* that one was closed */
    return file;
}

static int64_t misread(void *context, int file, void *bytes, size_t count, uint64_t offset)
{
    struct misreading *misreading = context;
    const struct pit_disk *under = misreading->layer.under;
    const int64_t got = under->read(under->context, file, bytes, count, offset);
    if (file == misreading->file && got > 0 && ++misreading->reads == misreading->at)
        ((uint8_t *)bytes)[fixture_random(&misreading->seed) % (uint64_t)got] ^= 1;
    return got;
}

/* The log's one entry is the stream's. */
static void check_entry(const struct pit_disk *disk)
{
    struct pit_log_image image = {0};
    struct pit_journal_end end;
    struct pit_error error = {0};
    if (pit_log_image_open(&image, disk, HERE, PIT_LOG_KEEP_ALL, &end, &error) != 0)
        fail_msg("%s", error.text);
    struct pit_install_head head;
    memcpy(&head, stream, sizeof head);
    const struct pit_log_entry *entry = &pit_log_image_first(&image)->entry;
    assert_int_equal(entry->bytes, head.entry_bytes);
    assert_memory_equal(entry->payload, stream + sizeof head + head.members_bytes, head.entry_bytes);
    pit_log_image_free(&image);
}

static void what_is_used_is_what_was_looked_at(void **state)
{
    (void)state;
    static struct memory_disk base, memory;
    struct pit_install_outcome outcome;
    struct pit_error error = {0};
    uint64_t bad = 0, good = 0;
    memory_disk_init(&base, fixture_seed());
    base.cache = true;
    old_log(&base.disk, 7, 1, 10, 0, 0, 0);
    const struct node_log_found before = node_log_find(&base.disk, HERE);
    receive_all(&base.disk, 1u << 20);
    for (uint64_t at = 1; good == 0; at++) {
        memory_disk_crash(&memory, &base);
        struct misreading misreading = {.file = -1, .at = at, .seed = fixture_seed() + at};
        pit_disk_layer_init(&misreading.layer, &memory.disk);
        misreading.layer.disk.open = misread_open;
        misreading.layer.disk.read = misread;
        if (finish(&misreading.layer.disk, &outcome, &error) != 0)
            fail_msg("read %lu: %s", at, error.text);
        if (outcome.bad) {
            const struct node_log_found after = node_log_find(&memory.disk, HERE);
            assert_memory_equal(&before, &after, sizeof before);
            bad++;
        } else {
            check_new(&memory.disk, offer.term, 0);
            check_entry(&memory.disk);
            good += misreading.reads < at;
        }
        memory_disk_free(&memory);
    }
    assert_true(bad > 5);
    memory_disk_free(&base);
}

/* Whoever sends it may be wrong: bytes are changed, and the hash made right again. */
static void a_stream_that_is_none_changes_nothing(void **state)
{
    (void)state;
    static struct memory_disk base, memory;
    struct pit_install_outcome outcome;
    struct pit_error error = {0};
    uint64_t seed = fixture_seed(), bad = 0, rounds = STEP > 1 ? 40 : 400;
    memory_disk_init(&base, 1);
    base.cache = true;
    old_log(&base.disk, 7, 1, 10, 0, 0, 0);
    const struct node_log_found before = node_log_find(&base.disk, HERE);
    uint8_t *spoiled = malloc(offer.bytes);
    for (uint64_t round = 0; round < rounds; round++) {
        struct pit_install_offer what = offer;
        memcpy(spoiled, stream, offer.bytes);
        const uint64_t front = round % 2 ? 64 : offer.bytes;
        const uint64_t at = fixture_random(&seed) % front;
        spoiled[at] ^= (uint8_t)(1u << fixture_random(&seed) % 8);
        if (round % 16 == 0)
            what.bytes = 1 + fixture_random(&seed) % offer.bytes; /* cut short */
        what.hash = XXH3_64bits(spoiled, what.bytes);
        memory_disk_crash(&memory, &base);
        if (receive(&memory.disk, spoiled, &what, 1u << 20, &error) || finish(&memory.disk, &outcome, &error))
            fail_msg("byte %lu: %s", at, error.text);
        assert_true(outcome.bad != (outcome.sequence != 0));
        bad += outcome.bad;
        if (outcome.bad) {
            const struct node_log_found after = node_log_find(&memory.disk, HERE);
            assert_memory_equal(&before, &after, sizeof before);
            assert_int_equal(count_in(&memory, HERE "/install."), 0);
        }
        memory_disk_free(&memory);
    }
    print_message("# %lu of %lu are of no use\n", bad, rounds);
    assert_true(bad > rounds / 2);
    free(spoiled);
    memory_disk_free(&base);
}

/* Whenever something of a damaged log is not in its place, the mark is there. */
static void a_damaged_log_goes_aside_behind_its_mark(void **state)
{
    (void)state;
    static struct memory_disk base, memories[2];
    struct pit_error error = {0};
    uint32_t number;
    memory_disk_init(&base, fixture_seed());
    base.cache = true;
    old_log(&base.disk, 7, 1, 10, 3, 0, 0);
    const uint32_t files = count_in(&base, HERE "/0");
    assert_true(files >= 1);
    assert_int_equal(pit_rejoin_marked(&base.disk, HERE, &error), 0);
    for (uint64_t at = 1;; at++) {
        struct stopping stopping;
        memory_disk_crash(&memories[0], &base);
        memories[0].cache = true;
        stopping_init(&stopping, &memories[0].disk, at);
        const int code = pit_rejoin_set_aside(&stopping.layer.disk, HERE, &number, &error);
        memory_disk_crash(&memories[1], &memories[0]);
        const bool marked = pit_rejoin_marked(&memories[1].disk, HERE, &error) == 1;
        assert_true(marked || count_in(&memories[1], HERE "/0") == files);
        assert_int_equal(pit_rejoin_set_aside(&memories[1].disk, HERE, &number, &error), 0);
        assert_int_equal(count_in(&memories[1], HERE "/0"), 0);
        assert_int_equal(count_in(&memories[1], HERE "/damaged-"), files);
        assert_int_equal(pit_rejoin_done(&memories[1].disk, HERE, &error), 0);
        assert_int_equal(pit_rejoin_marked(&memories[1].disk, HERE, &error), 0);
        memory_disk_free(&memories[0]);
        memory_disk_free(&memories[1]);
        if (code == 0 && stopping.calls < at)
            break;
    }
    memory_disk_free(&base);
}

/* Wherever it is interrupted: a node that was noted to differ is known to, or is known to rejoin. */
static void a_node_that_differs_is_not_forgotten(void **state)
{
    (void)state;
    static struct memory_disk memories[3];
    struct pit_error error = {0};
    char text[PIT_REJOIN_TEXT_BYTES];
    uint64_t calls = 0;
    for (uint64_t at = 1; calls + 1 >= at; at++) {
        struct stopping stopping;
        memory_disk_init(&memories[0], fixture_seed());
        memories[0].cache = true;
        assert_int_equal(memories[0].disk.make_directory(&memories[0], HERE), 0);
        stopping_init(&stopping, &memories[0].disk, at);
        const int noted = pit_rejoin_differs(&stopping.layer.disk, HERE, "it is wrong", &error);
        memory_disk_crash(&memories[1], &memories[0]);
        memories[1].cache = true;
        const int differs = pit_rejoin_differed(&memories[1].disk, HERE, text, &error);
        assert_true(noted < 0 || (differs == 1 && strcmp(text, "it is wrong") == 0));
        assert_int_equal(pit_rejoin_differs(&memories[1].disk, HERE, "it is wrong", &error), 0);
        stopping_init(&stopping, &memories[1].disk, at);
        const int forgiven = pit_rejoin_forgive(&stopping.layer.disk, HERE, &error);
        memory_disk_crash(&memories[2], &memories[1]);
        const bool marked = pit_rejoin_marked(&memories[2].disk, HERE, &error) == 1;
        assert_true(marked || (forgiven < 0 && pit_rejoin_differed(&memories[2].disk, HERE, text, &error) == 1));
        assert_int_equal(pit_rejoin_forgive(&memories[2].disk, HERE, &error), 0);
        assert_int_equal(pit_rejoin_differed(&memories[2].disk, HERE, text, &error), 0);
        calls = stopping.calls;
        for (uint32_t i = 0; i < 3; i++)
            memory_disk_free(&memories[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_node_begins_with_the_snapshot),
        cmocka_unit_test(an_old_log_goes_aside_and_its_vote_is_kept),
        cmocka_unit_test(a_node_that_rejoins_goes_on_rejoining),
        cmocka_unit_test(entries_that_another_leader_replaced_do_not_keep_it_out),
        cmocka_unit_test(a_log_that_has_the_entry_stays),
        cmocka_unit_test(without_a_snapshot_there_is_nothing_to_send),
        cmocka_unit_test(wherever_it_is_interrupted_a_later_start_goes_on),
        cmocka_unit_test(what_was_received_is_not_asked_for_again),
        cmocka_unit_test(another_stream_begins_again),
        cmocka_unit_test(a_stream_with_a_wrong_hash_is_thrown_away),
        cmocka_unit_test(a_stream_that_was_damaged_since_is_thrown_away),
        cmocka_unit_test(what_is_used_is_what_was_looked_at),
        cmocka_unit_test(a_stream_that_is_none_changes_nothing),
        cmocka_unit_test(a_damaged_log_goes_aside_behind_its_mark),
        cmocka_unit_test(a_node_that_differs_is_not_forgotten),
    };
    return cmocka_run_group_tests_name("install", tests, begin, end);
}
