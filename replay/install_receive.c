/* replay/install_receive.c - a stream comes in, and is there after a stop of either side.
 *
 * All before each multiple of PIT_INSTALL_SYNC_BYTES is durable before anything after it is written. So a file that
 * reaches beyond such a multiple is good up to there, whatever stopped the machine; what came later is asked for again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/block.h"
#include "replay/install_parts.h"
#include "ring/check.h"

#define VERIFY_BYTES ((size_t)1 << 20) /* in one go */

struct pit_install {
    const struct pit_disk *disk;
    char directory[PIT_JOURNAL_PATH_BYTES];
    struct pit_install_offer offer;
    int file;
    uint64_t offset;   /* so much of the stream is there */
    uint64_t verified; /* and so much of it is in the hash */
    XXH3_state_t hash;
    uint8_t buffer[VERIFY_BYTES];
};

/* What the files have in common. */

int pit_install_read(const struct pit_disk *disk, int file, void *bytes, size_t count, uint64_t offset)
{
    const int64_t got = disk->read(disk->context, file, bytes, count, offset);
    if (got < 0)
        return (int)got;
    return (size_t)got == count ? 0 : -EBADMSG;
}

int pit_install_page_read(const struct pit_disk *disk, int file, struct pit_install_page *page)
{
    const int code = pit_install_read(disk, file, page, sizeof *page, 0);
    if (code)
        return code;
    const bool good =
        page->magic == PIT_INSTALL_MAGIC &&
        page->crc == pit_journal_crc_without(page, sizeof *page, offsetof(struct pit_install_page, crc)) &&
        page->offer.bytes > 0 && page->offer.bytes <= PIT_INSTALL_BYTES_MAX;
    return good ? 0 : -EBADMSG;
}

int pit_install_page_write(const struct pit_disk *disk, int file, struct pit_install_page *page)
{
    uint8_t bytes[PIT_INSTALL_PAGE_BYTES] = {0};
    page->magic = PIT_INSTALL_MAGIC;
    page->crc = pit_journal_crc_without(page, sizeof *page, offsetof(struct pit_install_page, crc));
    memcpy(bytes, page, sizeof *page);
    return disk->write(disk->context, file, bytes, sizeof bytes, 0);
}

int pit_install_open_file(const struct pit_disk *disk, const char *directory, const char *name, uint32_t flags)
{
    char path[PIT_JOURNAL_PATH_BYTES];
    return pit_journal_path(path, directory, name) ? disk->open(disk->context, path, flags) : -ENAMETOOLONG;
}

int pit_install_rename(const struct pit_disk *disk, const char *directory, const char *from, const char *to)
{
    char old[PIT_JOURNAL_PATH_BYTES], new[PIT_JOURNAL_PATH_BYTES];
    if (!pit_journal_path(old, directory, from) || !pit_journal_path(new, directory, to))
        return -ENAMETOOLONG;
    const int code = disk->rename(disk->context, old, new);
    return code ? code : disk->sync_directory(disk->context, directory);
}

int pit_install_remove(const struct pit_disk *disk, const char *directory, const char *name)
{
    char path[PIT_JOURNAL_PATH_BYTES];
    const int code = pit_journal_path(path, directory, name) ? disk->unlink(disk->context, path) : -ENAMETOOLONG;
    return code == -ENOENT ? 0 : code;
}

/* Receiving. */

static int failed(const struct pit_install *install, const char *what, int code, struct pit_error *error)
{
    return pit_error_set(error, code, "cannot %s %s/" PIT_INSTALL_PART ": %s", what, install->directory,
                         strerror(-code));
}

/* Whether the file is of this stream, and how much of that is certainly there. */
static bool goes_on(struct pit_install *install)
{
    const struct pit_disk *disk = install->disk;
    struct pit_install_page page;
    const int64_t size = disk->size(disk->context, install->file);
    if (pit_install_page_read(disk, install->file, &page) != 0 || !pit_install_offer_same(&page.offer, &install->offer))
        return false;
    const uint64_t there = size > PIT_INSTALL_PAGE_BYTES ? (uint64_t)size - PIT_INSTALL_PAGE_BYTES : 0;
    install->offset = there ? (there - 1) / PIT_INSTALL_SYNC_BYTES * PIT_INSTALL_SYNC_BYTES : 0;
    return install->offset < install->offer.bytes;
}

static int begin(struct pit_install *install)
{
    const struct pit_disk *disk = install->disk;
    struct pit_install_page page = {.offer = install->offer};
    install->offset = 0;
    int code = pit_install_remove(disk, install->directory, PIT_INSTALL_PART);
    if (code == 0)
        code = install->file = pit_install_open_file(disk, install->directory, PIT_INSTALL_PART,
                                                     PIT_DISK_READ | PIT_DISK_WRITE | PIT_DISK_CREATE);
    if (code < 0)
        return code;
    code = pit_install_page_write(disk, install->file, &page);
    if (code == 0)
        code = disk->sync(disk->context, install->file);
    return code ? code : disk->sync_directory(disk->context, install->directory);
}

int pit_install_open(struct pit_install **opened, const struct pit_disk *disk, const char *directory,
                     const struct pit_install_offer *offer, struct pit_error *error)
{
    if (offer->bytes == 0 || offer->bytes > PIT_INSTALL_BYTES_MAX)
        return pit_error_set(error, -EINVAL, "a snapshot of %lu bytes is offered", offer->bytes);
    if (strlen(directory) >= PIT_JOURNAL_PATH_BYTES)
        return pit_error_set(error, -ENAMETOOLONG, "the directory's name is too long: %s", directory);
    struct pit_install *install = aligned_alloc(64, (sizeof *install + 63) / 64 * 64);
    if (!install)
        return pit_error_set(error, -ENOMEM, "no memory to receive a snapshot");
    memset(install, 0, offsetof(struct pit_install, buffer));
    install->disk = disk;
    install->offer = *offer;
    strcpy(install->directory, directory);
    XXH3_64bits_reset(&install->hash);
    install->file = pit_install_open_file(disk, directory, PIT_INSTALL_PART, PIT_DISK_READ | PIT_DISK_WRITE);
    int code = install->file < 0 && install->file != -ENOENT ? install->file : 0;
    if (code == 0 && (install->file < 0 || !goes_on(install))) {
        if (install->file >= 0)
            disk->close(disk->context, install->file);
        install->file = -1;
        code = begin(install);
    }
    if (code) {
        failed(install, "begin", code, error);
        pit_install_close(install);
        return code;
    }
    *opened = install;
    return 0;
}

uint64_t pit_install_offset(const struct pit_install *install)
{
    return install->offset;
}

int pit_install_put(struct pit_install *install, const void *bytes, size_t count, struct pit_error *error)
{
    const struct pit_disk *disk = install->disk;
    const uint8_t *from = bytes;
    PIT_CHECK(count <= install->offer.bytes - install->offset);
    while (count > 0) {
        const uint64_t room = PIT_INSTALL_SYNC_BYTES - install->offset % PIT_INSTALL_SYNC_BYTES;
        const size_t piece = count < room ? count : (size_t)room;
        int code = disk->write(disk->context, install->file, from, piece, PIT_INSTALL_PAGE_BYTES + install->offset);
        if (code == 0 && piece == room)
            code = disk->sync(disk->context, install->file);
        if (code)
            return failed(install, "write", code, error);
        install->offset += piece;
        from += piece;
        count -= piece;
    }
    return 0;
}

bool pit_install_right(const struct pit_install_offer *offer, uint64_t hash)
{
    return hash == offer->hash;
}

int pit_install_check(const struct pit_disk *disk, int file, const struct pit_install_offer *offer, XXH3_state_t *hash,
                      uint64_t from)
{
    uint8_t *bytes = malloc(VERIFY_BYTES);
    if (!bytes)
        return -ENOMEM;
    int code = 0;
    for (uint64_t at = from; at < offer->bytes && code == 0; at += VERIFY_BYTES) {
        const uint64_t left = offer->bytes - at;
        const size_t piece = left < VERIFY_BYTES ? (size_t)left : VERIFY_BYTES;
        code = pit_install_read(disk, file, bytes, piece, PIT_INSTALL_PAGE_BYTES + at);
        if (code == 0)
            XXH3_64bits_update(hash, bytes, piece);
    }
    free(bytes);
    return code == 0 && !pit_install_right(offer, XXH3_64bits_digest(hash)) ? -EBADMSG : code;
}

/* All of it was looked at. */
static int settle(struct pit_install *install, struct pit_error *error)
{
    const struct pit_disk *disk = install->disk;
    if (!pit_install_right(&install->offer, XXH3_64bits_digest(&install->hash))) {
        pit_install_remove(disk, install->directory, PIT_INSTALL_PART);
        return pit_error_set(error, -EBADMSG,
                             "the snapshot of sequence %lu that was received is damaged: its hash is not the one that "
                             "was offered. It was thrown away",
                             install->offer.sequence);
    }
    int code = disk->sync(disk->context, install->file);
    if (code == 0)
        code = pit_install_remove(disk, install->directory, PIT_INSTALL_WHOLE);
    if (code == 0)
        code = pit_install_rename(disk, install->directory, PIT_INSTALL_PART, PIT_INSTALL_WHOLE);
    return code ? failed(install, "make durable", code, error) : 0;
}

int pit_install_verify(struct pit_install *install, struct pit_error *error)
{
    const uint64_t left = install->offer.bytes - install->verified;
    const size_t piece = left < VERIFY_BYTES ? (size_t)left : VERIFY_BYTES;
    PIT_CHECK(install->offset == install->offer.bytes);
    if (piece == 0)
        return settle(install, error);
    const int code = pit_install_read(install->disk, install->file, install->buffer, piece,
                                      PIT_INSTALL_PAGE_BYTES + install->verified);
    if (code)
        return failed(install, "read", code, error);
    XXH3_64bits_update(&install->hash, install->buffer, piece);
    install->verified += piece;
    return 1;
}

void pit_install_close(struct pit_install *install)
{
    if (!install)
        return;
    if (install->file >= 0)
        install->disk->close(install->disk->context, install->file);
    free(install);
}
