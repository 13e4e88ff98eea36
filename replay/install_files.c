/* replay/install_files.c - names in a directory, and files that go from one to another. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/block.h"
#include "journal/compressed.h"
#include "journal/snapshot.h"
#include "replay/install_parts.h"

static void collect(void *context, const char *name)
{
    struct pit_install_names *names = context;
    if (strlen(name) >= PIT_INSTALL_NAME_BYTES || !names->wanted(name))
        return;
    if (names->count == names->room) {
        const uint32_t room = names->room ? 2 * names->room : 64;
        void *more = realloc(names->at, room * sizeof *names->at);
        if (!more) {
            names->no_memory = true;
            return;
        }
        names->at = more;
        names->room = room;
    }
    strcpy(names->at[names->count++], name);
}

int pit_install_list(const struct pit_disk *disk, const char *directory, bool (*wanted)(const char *name),
                     struct pit_install_names *names)
{
    *names = (struct pit_install_names){.wanted = wanted};
    const int code = disk->list(disk->context, directory, collect, names);
    return names->no_memory ? -ENOMEM : code;
}

bool pit_install_of_journal(const char *name)
{
    return pit_journal_segment_number(name) || pit_compressed_number(name) || pit_snapshot_sequence(name);
}

/* The number behind the start of a name that has it, else 0. */
static uint32_t number_of(const char *name, const char *start)
{
    unsigned number;
    const size_t length = strlen(start);
    return strncmp(name, start, length) == 0 && sscanf(name + length, "%9u", &number) == 1 ? number : 0;
}

struct search {
    const char *start;
    uint32_t highest;
};

static void see(void *context, const char *name)
{
    struct search *search = context;
    const uint32_t number = number_of(name, search->start);
    search->highest = number > search->highest ? number : search->highest;
}

int pit_install_next_number(const struct pit_disk *disk, const char *directory, const char *start, uint32_t *number)
{
    struct search search = {.start = start};
    const int code = disk->list(disk->context, directory, see, &search);
    *number = search.highest + 1;
    return code;
}

int pit_install_move(const struct pit_disk *disk, const char *from, const char *to,
                     const struct pit_install_names *names)
{
    char old[PIT_JOURNAL_PATH_BYTES], new[PIT_JOURNAL_PATH_BYTES];
    int code = 0;
    for (uint32_t i = 0; i < names->count && code == 0; i++) {
        if (!pit_journal_path(old, from, names->at[i]) || !pit_journal_path(new, to, names->at[i]))
            return -ENAMETOOLONG;
        code = disk->rename(disk->context, old, new);
    }
    if (code == 0)
        code = disk->sync_directory(disk->context, to); /* they are there before they are not here */
    return code ? code : disk->sync_directory(disk->context, from);
}

int pit_install_move_aside(const struct pit_disk *disk, const char *directory, const char *start, uint32_t number,
                           uint32_t *moved)
{
    char aside[PIT_JOURNAL_PATH_BYTES], name[PIT_INSTALL_NAME_BYTES];
    struct pit_install_names names;
    snprintf(name, sizeof name, "%s%u", start, number);
    if (!pit_journal_path(aside, directory, name))
        return -ENAMETOOLONG;
    int code = pit_install_list(disk, directory, pit_install_of_journal, &names);
    *moved = names.count;
    if (code == 0 && names.count > 0) {
        code = disk->make_directory(disk->context, aside);
        if (code == 0)
            code = disk->sync_directory(disk->context, directory);
        if (code == 0)
            code = pit_install_move(disk, directory, aside, &names);
    }
    free(names.at);
    return code;
}
