/* replay/install_finish.c - what was received takes the place of what is there, in steps that can be done again.
 *
 *   install.whole   make DIR/install/ anew; write down where the old files go; rename to install.ready
 *   install.ready   old files to DIR/replaced-N/; rename to install.place
 *   install.place   DIR/install/'s files into DIR; remove
 *
 * Before each rename everything that the step did is durable.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/block.h"
#include "journal/compressed.h"
#include "journal/log_image.h"
#include "journal/snapshot.h"
#include "replay/install_parts.h"

#define REPLACED "replaced-"

static bool any(const char *name)
{
    return strchr(name, '/') == NULL;
}

static bool there(const struct pit_disk *disk, const char *directory, const char *name, int *code)
{
    const int file = pit_install_open_file(disk, directory, name, PIT_DISK_READ);
    if (file >= 0)
        disk->close(disk->context, file);
    else if (file != -ENOENT)
        *code = file;
    return file >= 0;
}

static int empty(const struct pit_disk *disk, const char *directory)
{
    struct pit_install_names names;
    int code = pit_install_list(disk, directory, any, &names);
    for (uint32_t i = 0; i < names.count && code == 0; i++)
        code = pit_install_remove(disk, directory, names.at[i]);
    free(names.at);
    return code ? code : disk->sync_directory(disk->context, directory);
}

static int failed(const char *directory, int code, struct pit_error *error)
{
    return pit_error_set(
        error, code,
        "cannot install the snapshot that was received in %s: %s. Nothing is lost: see to the disk, and "
        "start again",
        directory, strerror(-code));
}

/* The last step. */
static int place(const struct pit_disk *disk, const char *directory)
{
    char made[PIT_JOURNAL_PATH_BYTES];
    struct pit_install_names names;
    if (!pit_journal_path(made, directory, PIT_INSTALL_DIRECTORY))
        return -ENAMETOOLONG;
    int code = pit_install_list(disk, made, pit_install_of_journal, &names);
    if (code == 0)
        code = pit_install_move(disk, made, directory, &names);
    free(names.at);
    if (code == 0)
        code = empty(disk, made);
    if (code == 0)
        code = pit_install_remove(disk, directory, PIT_INSTALL_PLACE);
    return code ? code : disk->sync_directory(disk->context, directory);
}

/* The step before. */
static int put_aside(const struct pit_disk *disk, const char *directory, uint32_t number, uint32_t *replaced)
{
    uint32_t moved;
    const int code = pit_install_move_aside(disk, directory, REPLACED, number, &moved);
    if (code)
        return code;
    *replaced = moved ? number : 0;
    return pit_install_rename(disk, directory, PIT_INSTALL_READY, PIT_INSTALL_PLACE);
}

/* What the log that is there says. */
struct old {
    uint64_t term, vote; /* a node that has no log has lost one: it rejoins */
    bool has_entry;      /* the one that was received is in it */
};

static int look_at_old(const struct pit_disk *disk, const char *directory, const struct pit_install_offer *offer,
                       struct old *old, struct pit_error *error)
{
    struct pit_log_image image = {0};
    struct pit_journal_end end;
    int code = pit_log_image_open(&image, disk, directory, 1, &end, error);
    if (code == 0) {
        old->term = image.term;
        old->vote = image.vote;
        old->has_entry =
            offer->index <= image.committed ||
            (offer->index <= image.last && pit_log_image_at(&image, offer->index)->entry.term == offer->term);
    }
    pit_log_image_free(&image);
    return code == -ENOENT ? 0 : code; /* there is none */
}

/* Where the old files are to go, written down before anything is moved. */
static int choose_number(const struct pit_disk *disk, const char *directory, int file, struct pit_install_page *page)
{
    int code = pit_install_next_number(disk, directory, REPLACED, &page->replaced);
    if (code == 0)
        code = pit_install_page_write(disk, file, page);
    return code ? code : disk->sync(disk->context, file);
}

/* An error that the stream is to blame for, and not this machine. */
static bool of_stream(int code)
{
    return code == -EBADMSG || code == -EINVAL || code == -EILSEQ || code == -ESTALE || code == -EPROTONOSUPPORT;
}

static int make_directory(const struct pit_disk *disk, const char *directory)
{
    char made[PIT_JOURNAL_PATH_BYTES];
    if (!pit_journal_path(made, directory, PIT_INSTALL_DIRECTORY))
        return -ENAMETOOLONG;
    int code = disk->make_directory(disk->context, made);
    if (code == 0)
        code = disk->sync_directory(disk->context, directory);
    return code ? code : empty(disk, made);
}

/* A complete stream that is not to be used is removed. */
static int drop(const struct pit_disk *disk, const char *directory)
{
    const int code = pit_install_remove(disk, directory, PIT_INSTALL_WHOLE);
    return code ? code : disk->sync_directory(disk->context, directory);
}

/* The first step, with the file open. *used: it is ready. */
static int prepare(const struct pit_disk *disk, const char *directory, int file, uint64_t segment_bytes,
                   struct pit_install_outcome *outcome, bool *used, struct pit_error *error)
{
    struct pit_install_page page;
    struct old old = {.vote = PIT_LOG_REJOINING};
    int code = pit_install_page_read(disk, file, &page);
    if (code == -EBADMSG) {
        outcome->bad = true;
        pit_error_set(error, code, "%s/" PIT_INSTALL_WHOLE " is damaged", directory);
        return 0;
    }
    if (code)
        return failed(directory, code, error);
    outcome->index = page.offer.index;
    code = look_at_old(disk, directory, &page.offer, &old, error);
    if (code)
        return code;
    outcome->dropped = old.has_entry;
    if (old.has_entry)
        return 0;
    if (page.offer.term > old.term)
        old = (struct old){.term = page.offer.term, .vote = old.vote == PIT_LOG_REJOINING ? old.vote : 0};
    code = make_directory(disk, directory);
    if (code)
        return failed(directory, code, error);
    code = pit_install_build(disk, directory, file, &page.offer, old.term, old.vote, segment_bytes, error);
    outcome->bad = of_stream(code);
    if (code)
        return outcome->bad ? 0 : code;
    code = choose_number(disk, directory, file, &page);
    if (code)
        return failed(directory, code, error);
    *used = true;
    return 0;
}

static int begin(const struct pit_disk *disk, const char *directory, uint64_t segment_bytes,
                 struct pit_install_outcome *outcome, struct pit_error *error)
{
    bool used = false;
    const int file = pit_install_open_file(disk, directory, PIT_INSTALL_WHOLE, PIT_DISK_READ | PIT_DISK_WRITE);
    if (file < 0)
        return failed(directory, file, error);
    int code = prepare(disk, directory, file, segment_bytes, outcome, &used, error);
    disk->close(disk->context, file);
    if (code)
        return code;
    code = used ? pit_install_rename(disk, directory, PIT_INSTALL_WHOLE, PIT_INSTALL_READY) : drop(disk, directory);
    return code ? failed(directory, code, error) : 0;
}

/* What a page says that is on its way. */
static int read_page(const struct pit_disk *disk, const char *directory, const char *name,
                     struct pit_install_page *page)
{
    const int file = pit_install_open_file(disk, directory, name, PIT_DISK_READ);
    if (file < 0)
        return file;
    const int code = pit_install_page_read(disk, file, page);
    disk->close(disk->context, file);
    return code;
}

static int go_on(const struct pit_disk *disk, const char *directory, struct pit_install_outcome *outcome)
{
    struct pit_install_page page;
    int code = 0;
    if (there(disk, directory, PIT_INSTALL_READY, &code)) {
        code = read_page(disk, directory, PIT_INSTALL_READY, &page);
        if (code == 0)
            code = put_aside(disk, directory, page.replaced, &outcome->replaced);
    }
    if (code == 0 && there(disk, directory, PIT_INSTALL_PLACE, &code)) {
        code = read_page(disk, directory, PIT_INSTALL_PLACE, &page);
        if (code == 0)
            code = place(disk, directory);
        if (code == 0) {
            outcome->sequence = page.offer.sequence;
            outcome->index = page.offer.index;
        }
    }
    return code;
}

int pit_install_finish(const struct pit_disk *disk, const char *directory, uint64_t segment_bytes,
                       struct pit_install_outcome *outcome, struct pit_error *error)
{
    *outcome = (struct pit_install_outcome){0};
    int code = go_on(disk, directory, outcome); /* one that was begun earlier */
    const bool whole = code == 0 && there(disk, directory, PIT_INSTALL_WHOLE, &code);
    if (code)
        return failed(directory, code, error);
    if (!whole)
        return 0;
    code = begin(disk, directory, segment_bytes, outcome, error);
    if (code || outcome->dropped || outcome->bad)
        return code;
    code = go_on(disk, directory, outcome);
    return code ? failed(directory, code, error) : 0;
}
