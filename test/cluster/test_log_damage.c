/* test/cluster/test_log_damage.c - a log with damage in it gives what was in it, or nothing and says where it is
 * damaged: never less, but for what looks exactly like a last write that was not finished. */
#include <errno.h>
#include <stdio.h>

#include "test/cluster/log_run.h"

#include "journal/block.h"
#include "journal/reader.h"

#define PAGE PIT_JOURNAL_PAGE_BYTES
#define BLOCKS_MAX 4096u
#define TEXT_BYTES 512

/* Where a block stands. */
struct spot {
    uint32_t file;
    uint64_t offset, bytes;
};

struct original {
    struct run run;
    struct model *shorter; /* without the last block */
    struct spot spots[BLOCKS_MAX];
    uint32_t count;
};

/* What opening it gives, against a model. 0: it gives just that; 1: something else; or why it does not open. */
static int compare(struct memory_disk *memory, const struct model *with, uint64_t keep_bytes, struct pit_error *error)
{
    static struct model found;
    static struct run opened;
    struct pit_log_base base;
    struct pit_log_options how = run_options(&opened);
    how.keep_bytes = keep_bytes;
    memset(&found, 0, sizeof found);
    int code = pit_log_open(&opened.log, &memory->disk, &how, error);
    if (code)
        return code;
    assert_int_equal(pit_log_load(opened.log, &found.term, &found.vote, &base, run_take_entry, &found), 0);
    pit_log_close(opened.log);
    found.last = found.last ? found.last : base.index;
    bool same = found.term == with->term && found.vote == with->vote && found.last == with->last;
    for (uint64_t i = base.index + 1; same && i <= found.last; i++)
        same = found.terms[i] == with->terms[i] && found.salts[i] == with->salts[i];
    return !same;
}

static void copy(struct memory_disk *to, const struct memory_disk *from)
{
    memory_disk_copy(to, from);
}

/* A log of some length, cleanly stopped, and where its blocks are. */
static void make(struct original *original, uint64_t random, bool large)
{
    static struct memory_disk cut;
    struct run *run = &original->run;
    memset(original, 0, sizeof *original);
    run_init(run, random);
    run->large = large;
    run->digests_wanted = true;
    run_open(run);
    run_begin(run);
    assert_true(run_go_on(run, large ? 150 : 40));
    run_settle(run);
    run_stop(run);
    for (uint32_t k = 0; k < MEMORY_FILES_MAX; k++) {
        const struct memory_file *file = &run->memory->files[k];
        if (!file->exists || !pit_journal_segment_number(file->path + sizeof DIRECTORY))
            continue;
        for (uint64_t at = PAGE; at + PAGE <= file->size;) {
            const struct pit_journal_block_header *header = (const void *)(file->bytes + at);
            if (header->magic != PIT_JOURNAL_BLOCK_MAGIC)
                break;
            assert_true(original->count < BLOCKS_MAX);
            original->spots[original->count++] = (struct spot){k, at, header->bytes};
            at += header->bytes;
        }
    }
    /* The last block is the one with the highest number. */
    uint32_t last = 0;
    for (uint32_t i = 0; i < original->count; i++) {
        const struct spot *a = &original->spots[i], *b = &original->spots[last];
        const struct pit_journal_block_header *one = (const void *)(run->memory->files[a->file].bytes + a->offset);
        const struct pit_journal_block_header *other = (const void *)(run->memory->files[b->file].bytes + b->offset);
        if (one->number > other->number)
            last = i;
    }
    struct spot spot = original->spots[last];
    original->spots[last] = original->spots[original->count - 1];
    original->spots[original->count - 1] = spot;
    copy(&cut, run->memory);
    memset(cut.files[spot.file].bytes + spot.offset, 0, spot.bytes);
    struct run shorter = {.memory = &cut, .random = 1};
    struct pit_log_options how = run_options(&shorter);
    struct pit_log_base base;
    struct pit_error error = {0};
    original->shorter = calloc(1, sizeof *original->shorter);
    if (pit_log_open(&shorter.log, &cut.disk, &how, &error))
        fail_msg("%s", error.text);
    struct model *model = original->shorter;
    assert_int_equal(pit_log_load(shorter.log, &model->term, &model->vote, &base, run_take_entry, model), 0);
    pit_log_close(shorter.log);
    memory_disk_free(&cut);
}

enum what { FLIP, ZERO, CUT, SWAP, COPY, WHATS };

/* Does something to it. Returns whether it may look like a last write that was not finished: zeros, in the last block
 * alone. *text: what was done. */
static bool damage(struct original *original, struct memory_disk *memory, uint64_t *random, char text[TEXT_BYTES])
{
    const struct spot *last = &original->spots[original->count - 1];
    uint32_t place = (uint32_t)(fixture_random(random) % original->count);
    if (fixture_random(random) % 4 == 0)
        place = original->count - 1 - (uint32_t)(fixture_random(random) % (original->count < 3 ? original->count : 3));
    const struct spot *spot = &original->spots[place];
    const struct spot *other = &original->spots[fixture_random(random) % original->count];
    struct memory_file *file = &memory->files[spot->file];
    uint8_t *bytes = file->bytes;
    const uint64_t pages = spot->bytes / PAGE;
    uint64_t at = spot->offset + fixture_random(random) % spot->bytes;
    switch ((enum what)(fixture_random(random) % WHATS)) {
    case FLIP:
        if (fixture_random(random) % 16 == 0)
            at = fixture_random(random) % file->size;
        bytes[at] ^= (uint8_t)(1u << fixture_random(random) % 8);
        snprintf(text, TEXT_BYTES, "a bit flipped at %lu of %s", at, file->path);
        return false;
    case ZERO: {
        uint64_t from = fixture_random(random) % pages, count = 1 + fixture_random(random) % (pages - from);
        if (fixture_random(random) % 16 == 0) { /* the header */
            memset(bytes, 0, PAGE);
            snprintf(text, TEXT_BYTES, "the header of %s zeroed", file->path);
            return false;
        }
        memset(bytes + spot->offset + from * PAGE, 0, count * PAGE);
        snprintf(text, TEXT_BYTES, "%lu pages zeroed from %lu on of %s", count, spot->offset + from * PAGE, file->path);
        return spot == last;
    }
    case CUT:
        at = fixture_random(random) % 4 ? at : at / PAGE * PAGE;
        memory_file_resize(file, at);
        snprintf(text, TEXT_BYTES, "%s cut at %lu", file->path, at);
        return false;
    case SWAP: {
        uint8_t page[PAGE];
        uint8_t *there = memory->files[other->file].bytes + other->offset;
        memcpy(page, bytes + spot->offset, PAGE);
        memcpy(bytes + spot->offset, there, PAGE);
        memcpy(there, page, PAGE);
        snprintf(text, TEXT_BYTES, "pages swapped: %lu and %lu", spot->offset, other->offset);
        return false;
    }
    case COPY:
    default:
        memmove(bytes + spot->offset, memory->files[other->file].bytes + other->offset,
                other->bytes < spot->bytes ? other->bytes : spot->bytes);
        snprintf(text, TEXT_BYTES, "block at %lu over the one at %lu", other->offset, spot->offset);
        return false;
    }
}

static void a_damaged_log_gives_all_or_says_where(void **state)
{
    (void)state;
    static struct original original;
    static struct memory_disk memory;
    uint64_t seed = fixture_seed(), refused = 0, whole = 0, shorter = 0;
    for (uint64_t round = 0; round < 4; round++) {
        bool large = round == 3;
        make(&original, fixture_random(&seed), large);
        struct pit_error none = {0};
        copy(&memory, original.run.memory);
        assert_int_equal(compare(&memory, &original.run.now, PIT_LOG_KEEP_ALL, &none), 0);
        memory_disk_free(&memory);
        for (uint64_t i = 0; i < (large ? 60 : 350) / STEP + 5; i++) {
            char text[TEXT_BYTES];
            struct pit_error error = {0};
            uint64_t keep = fixture_random(&seed) % 2 ? PIT_LOG_KEEP_ALL : 0;
            copy(&memory, original.run.memory);
            bool unfinished = damage(&original, &memory, &seed, text);
            int code = compare(&memory, &original.run.now, keep, &error);
            if (code == 1 && unfinished) {
                memory_disk_free(&memory);
                copy(&memory, original.run.memory);
                const struct spot *last = &original.spots[original.count - 1];
                memset(memory.files[last->file].bytes + last->offset, 0, last->bytes);
                code = compare(&memory, original.shorter, keep, &error);
                assert_int_equal(original.shorter->term, original.run.now.term); /* no vote is forgotten */
                assert_int_equal(original.shorter->vote, original.run.now.vote);
                shorter++;
            } else {
                refused += code < 0;
                whole += code == 0;
            }
            if (code == 1)
                fail_msg("%s: the log is another one", text);
            if (code < 0) {
                assert_int_equal(code, -EBADMSG);
                assert_non_null(strstr(error.text, DIRECTORY));
                assert_null(strstr(error.text, "truncate"));
            }
            memory_disk_free(&memory);
        }
        free(original.shorter);
        run_free(&original.run);
    }
    print_message("# %lu refused, %lu whole, %lu without the last block\n", refused, whole, shorter);
    assert_true(refused > 50 / STEP);
    assert_true(whole > 0 || STEP > 1); /* one in twenty: a short run may have none */
}

/* A vote is not forgotten though the block that it was first written in, or its copy, turns into zeros. */
static void a_vote_stays(void **state)
{
    (void)state;
    static struct original original;
    static struct memory_disk memory;
    uint64_t seed = fixture_seed();
    for (int i = 0; i < 20 / STEP + 2; i++) {
        struct pit_error error = {0};
        make(&original, fixture_random(&seed), false);
        struct run *run = &original.run;
        run->steps_count = run->ticket = run->durable = 0;
        struct pit_log_options how = run_options(run);
        assert_int_equal(pit_log_open(&run->log, &run->memory->disk, &how, &error), 0);
        uint64_t writes = pit_journal_statistics(pit_log_journal(run->log)).bytes;
        assert_int_equal(pit_log_keep_vote(run->log, run->now.term + 5, 2), 0);
        writes = pit_journal_statistics(pit_log_journal(run->log)).bytes - writes;
        assert_int_equal(writes, 2 * PAGE);
        run->now.term += 5;
        run->now.vote = 2;
        run_stop(run);
        const struct spot *last = &original.spots[original.count - 1];
        for (uint64_t block = 0; block < 2; block++) {
            uint64_t at = last->offset + last->bytes + block * PAGE;
            copy(&memory, run->memory);
            if (at + PAGE <= SEGMENT_BYTES)
                memset(memory.files[last->file].bytes + at, 0, PAGE);
            int code = compare(&memory, &run->now, PIT_LOG_KEEP_ALL, &error);
            assert_true(code == 0 || (code == -EBADMSG && block == 0));
            memory_disk_free(&memory);
        }
        free(original.shorter);
        run_free(run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_damaged_log_gives_all_or_says_where),
        cmocka_unit_test(a_vote_stays),
    };
    return cmocka_run_group_tests_name("log_damage", tests, NULL, NULL);
}
