/* write_sample DIRECTORY: writes a journal of two segments there and prints its last sequence. */
#include "fixture.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    struct pit_journal *journal = fixture_open(pit_disk_machine(), argv[1], SEGMENT_BYTES, PIT_JOURNAL_SYNC_NEVER);
    struct pit_digest digest = {1, 2, 3, 4};
    uint64_t sequence = 1;
    for (uint32_t i = 0; i < 25; i++) {
        fixture_block(journal, &sequence, i * 97 % 3000 + 1, 9);
        if (i % 5 == 0 && !pit_journal_append_digest(journal, sequence - 1, &digest, false))
            return 1;
    }
    for (uint32_t i = 0; i < 5; i++)
        fixture_block(journal, &sequence, 8000, 9);
    pit_journal_close(journal);
    printf("%lu\n", sequence - 1);
    return 0;
}
