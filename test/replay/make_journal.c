/* test/replay/make_journal.c - writes the journal of a small random run into DIR/journal, for tests of the tool.
 *
 *   make_journal DIR COMMANDS [SPOIL]     SPOIL: the sequence whose digest is journaled wrong
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "live.h"

int main(int argc, char **argv)
{
    static struct live live;
    if (argc < 3 || chdir(argv[1])) {
        fprintf(stderr, "usage: make_journal DIR COMMANDS [SPOIL]\n");
        return 2;
    }
    int lock = pit_journal_lock(pit_disk_machine(), "journal", NULL); /* makes the directory */
    if (lock < 0)
        return 1;
    live_begin(&live, pit_disk_machine(), 7);
    live.digest_spoil = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    live_run(&live, strtoull(argv[2], NULL, 10) - live.sequence);
    live_stop(&live, false);
    live_end(&live);
    pit_journal_unlock(pit_disk_machine(), lock);
    return 0;
}
