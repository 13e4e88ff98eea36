/* A block whose checksum is right may still lie: every statement in it is held against the others. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "journal/block.h"

#define COMMANDS 5u
#define FIRST 1000u

/* A good block: COMMANDS narrow commands, the last one wide, in one record, then a digest. */
struct sample {
    _Alignas(PIT_JOURNAL_PAGE_BYTES) uint8_t bytes[2 * PIT_JOURNAL_PAGE_BYTES];
    struct pit_journal_block_header *block;
    struct pit_journal_record_header *record;
    struct pit_command *command; /* the first */
    struct pit_journal_record_header *digest;
    struct pit_journal_place place;
};

static void sample_make(struct sample *sample)
{
    memset(sample, 0xee, sizeof *sample); /* what seal leaves alone shows */
    sample->block = (struct pit_journal_block_header *)sample->bytes;
    sample->record = (struct pit_journal_record_header *)(sample->block + 1);
    sample->command = (struct pit_command *)(sample->record + 1);
    const uint32_t payload = COMMANDS * 64 + 64;
    sample->digest = (struct pit_journal_record_header *)((uint8_t *)sample->command + payload);
    sample->place =
        (struct pit_journal_place){.journal_id = 77, .number = 12, .sequence = FIRST, .previous_crc = 0xc0ffee};
    *sample->block = (struct pit_journal_block_header){
        .magic = PIT_JOURNAL_BLOCK_MAGIC,
        .previous_crc = sample->place.previous_crc,
        .number = sample->place.number,
        .first_sequence = FIRST,
        .commands = COMMANDS,
        .used = (uint32_t)(3 * 64 + payload + sizeof(struct pit_journal_digest)),
        .journal_id = sample->place.journal_id,
    };
    *sample->record = (struct pit_journal_record_header){
        .kind = PIT_JOURNAL_COMMANDS, .bytes = payload, .count = COMMANDS, .first_sequence = FIRST};
    for (uint32_t i = 0; i < COMMANDS; i++) {
        struct pit_command command = fixture_command(FIRST + i, 1);
        command.flags = i == COMMANDS - 1 ? PIT_COMMAND_WIDE : 0;
        memcpy((uint8_t *)sample->command + i * 64, &command, pit_command_bytes(&command));
    }
    *sample->digest = (struct pit_journal_record_header){
        .kind = PIT_JOURNAL_DIGEST, .bytes = sizeof(struct pit_journal_digest), .first_sequence = FIRST + COMMANDS};
    memset(sample->digest + 1, 1, sizeof(struct pit_journal_digest));
}

static const char *sample_check(struct sample *sample)
{
    uint64_t time_ns = 0;
    uint32_t bytes = pit_journal_block_seal(sample->bytes);
    const char *wrong = pit_journal_block_check(sample->bytes, bytes, &sample->place, &time_ns);
    if (!wrong)
        assert_int_equal(time_ns, fixture_command(FIRST + COMMANDS - 1, 1).time_ns);
    return wrong;
}

static void a_good_block_is_good_and_ends_in_zeros(void **state)
{
    (void)state;
    struct sample *sample = aligned_alloc(PIT_JOURNAL_PAGE_BYTES, sizeof *sample);
    assert_non_null(sample);
    sample_make(sample);
    assert_null(sample_check(sample));
    assert_int_equal(sample->block->bytes, PIT_JOURNAL_PAGE_BYTES);
    assert_true(pit_journal_zero(sample->bytes + sample->block->used, sample->block->bytes - sample->block->used));
    free(sample);
}

/* Spoils one thing; the checksum is made right again. */
#define EXPECT_LIE(spoil, says)                                                                                        \
    do {                                                                                                               \
        sample_make(sample);                                                                                           \
        spoil;                                                                                                         \
        const char *wrong = sample_check(sample);                                                                      \
        if (!wrong || !strstr(wrong, says))                                                                            \
            fail_msg("%s: expected \"%s\", not \"%s\"", #spoil, says, wrong ? wrong : "good");                         \
    } while (0)

static void a_block_that_does_not_belong_here_is_told(void **state)
{
    (void)state;
    struct sample *sample = aligned_alloc(PIT_JOURNAL_PAGE_BYTES, sizeof *sample);
    assert_non_null(sample);
    EXPECT_LIE(sample->block->magic++, "PBLK");
    EXPECT_LIE(sample->block->journal_id++, "another journal");
    EXPECT_LIE(sample->block->number++, "a block's number");
    EXPECT_LIE(sample->block->number--, "a block's number");
    EXPECT_LIE(sample->block->previous_crc++, "chain of checksums");
    EXPECT_LIE((sample->block->first_sequence++, sample->record->first_sequence++), "a block's first sequence");
    free(sample);
}

static void a_block_that_contradicts_itself_is_told(void **state)
{
    (void)state;
    struct sample *sample = aligned_alloc(PIT_JOURNAL_PAGE_BYTES, sizeof *sample);
    assert_non_null(sample);
    struct pit_journal_record_header *const *record = &sample->record;
    EXPECT_LIE(sample->block->commands++, "the block's count");
    EXPECT_LIE(sample->block->commands--, "the block's count");
    EXPECT_LIE(sample->block->used += 32, "used bytes");
    EXPECT_LIE(sample->block->used -= 64, "a record reaches beyond");
    EXPECT_LIE((*record)->bytes = UINT32_MAX, "a record reaches beyond");
    EXPECT_LIE((*record)->bytes = UINT32_MAX - 63, "a record reaches beyond");
    EXPECT_LIE((*record)->bytes = sample->block->used, "a record reaches beyond");
    EXPECT_LIE((*record)->bytes -= 64, "a command reaches beyond"); /* half of the wide one */
    EXPECT_LIE((*record)->bytes -= 96, "a command reaches beyond");
    EXPECT_LIE((*record)->bytes = 0, "count of commands");
    EXPECT_LIE((*record)->count++, "a record's count");
    EXPECT_LIE((*record)->first_sequence++, "a record's first sequence");
    EXPECT_LIE((*record)->kind = 3, "of a cluster's log");
    EXPECT_LIE((*record)->kind = 10, "does not know");
    EXPECT_LIE((*record)->kind = 0, "does not know");
    EXPECT_LIE(((struct pit_command *)((uint8_t *)sample->command + 64))->sequence++, "a command's sequence");
    EXPECT_LIE(sample->digest->bytes--, "a digest record");
    EXPECT_LIE(sample->digest->kind = 10, "does not know");
    free(sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_block_is_good_and_ends_in_zeros),
        cmocka_unit_test(a_block_that_does_not_belong_here_is_told),
        cmocka_unit_test(a_block_that_contradicts_itself_is_told),
    };
    return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
