/* Compresses or removes the segments of a journal before a block, as a pipeline does: retire DIR compress|remove BLOCK
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/retention.h"

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: retire DIR compress|remove BLOCK\n");
        return 2;
    }
    const enum pit_old_segments what =
        strcmp(argv[2], "remove") == 0 ? PIT_OLD_SEGMENTS_REMOVE : PIT_OLD_SEGMENTS_COMPRESS;
    struct pit_error error = {0};
    int code, segments = 0;
    while ((code = pit_retention_step(pit_disk_machine(), argv[1], what, strtoull(argv[3], NULL, 10), &error)) == 1)
        segments++;
    if (code < 0) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    printf("%d\n", segments);
    return 0;
}
