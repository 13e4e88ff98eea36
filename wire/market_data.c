/* wire/market_data.c - the reader of a pipeline's shared memory.
 *
 * The files are another process's: every number that steers this code is checked when the files are opened and kept in
 * private memory from then on; what is read later is data only.
 */
#include "pitline/market_data.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ring/sequence.h"
#include "wire/market_data_layout.h"

#define DEPTH_TRIES 64

struct md_file {
    const uint8_t *bytes;
    size_t count;
    dev_t device;
    ino_t inode;
};

struct pit_md {
    char events_path[PIT_MD_PATH_BYTES];
    struct md_file events_file;
    struct md_file depth_file;
    const struct pit_md_events_header *events;
    const struct pit_md_depth_header *depth;
    const struct pit_md_symbol_entry *entries;
    const struct pit_md_image *images;
    uint64_t slots;
    uint32_t symbols_max;
    uint64_t imaged_min; /* images before this one lack events that the reader skipped */
    struct pit_broadcast_reader reader;
};

bool pit_md_name_valid(const char *name)
{
    size_t length = strnlen(name, PIT_MD_NAME_MAX + 1);
    if (length == 0 || length > PIT_MD_NAME_MAX || name[0] == '.')
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

char *pit_md_directory(char path[PIT_MD_PATH_BYTES], const char *name)
{
    snprintf(path, PIT_MD_PATH_BYTES, PIT_MD_ROOT "/" PIT_MD_DIRECTORY_PREFIX "%.*s", (int)PIT_MD_NAME_MAX, name);
    return path;
}

/* Maps one file of the directory: a regular file of the directory's owner that not everybody can write. */
static int map_file(struct md_file *file, int directory, uid_t owner, const char *path, const char *name,
                    struct pit_error *error)
{
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        int code = errno == ELOOP ? -EPROTO : -errno;
        return pit_error_set(error, code, "cannot open %s/%s: %s", path, name, strerror(errno));
    }
    struct stat is;
    int result = 0;
    if (fstat(fd, &is) != 0)
        result = pit_error_set(error, -errno, "cannot look at %s/%s: %s", path, name, strerror(errno));
    else if (!S_ISREG(is.st_mode) || is.st_uid != owner || (is.st_mode & S_IWOTH))
        result =
            pit_error_set(error, -EPROTO,
                          "%s/%s is not a pipeline's: it must be a plain file of the directory's owner that others "
                          "cannot write",
                          path, name);
    else if (is.st_size < (off_t)PIT_MD_HEADER_BYTES)
        result = pit_error_set(error, -EPROTO, "%s/%s has %lld bytes: too few for a header of %u", path, name,
                               (long long)is.st_size, PIT_MD_HEADER_BYTES);
    if (result == 0) {
        void *bytes = mmap(NULL, (size_t)is.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (bytes == MAP_FAILED)
            result = pit_error_set(error, -errno, "cannot map %s/%s: %s", path, name, strerror(errno));
        else
            *file = (struct md_file){bytes, (size_t)is.st_size, is.st_dev, is.st_ino};
    }
    close(fd);
    return result;
}

static int check_start(const char *path, const char *file, uint64_t magic, uint64_t magic_right, uint32_t version,
                       uint32_t header_bytes, struct pit_error *error)
{
    if (magic != magic_right)
        return pit_error_set(error, -EPROTO, "%s/%s is not market data of pitline: its magic is %016llx", path, file,
                             (unsigned long long)magic);
    if (version != PIT_MD_VERSION || header_bytes != PIT_MD_HEADER_BYTES)
        return pit_error_set(error, -EPROTO,
                             "%s/%s has layout version %u (header of %u bytes), this reader knows %u (%u): use the "
                             "reader that came with the pipeline",
                             path, file, version, header_bytes, PIT_MD_VERSION, PIT_MD_HEADER_BYTES);
    return 0;
}

static int check_events(struct pit_md *md, const char *path, struct pit_error *error)
{
    struct pit_md_events_header header;
    memcpy(&header, md->events_file.bytes, sizeof header);
    int result = check_start(path, PIT_MD_EVENTS_FILE, header.magic, PIT_MD_EVENTS_MAGIC, header.version,
                             header.header_bytes, error);
    if (result != 0)
        return result;
    bool power = header.slots != 0 && (header.slots & (header.slots - 1)) == 0;
    if (!power || header.slots < PIT_MD_SLOTS_MIN || header.slots > PIT_MD_SLOTS_MAX ||
        header.slot_bytes != PIT_BROADCAST_SLOT_BYTES || md->events_file.count != pit_md_events_bytes(header.slots))
        return pit_error_set(
            error, -EPROTO, "%s/" PIT_MD_EVENTS_FILE " has %zu bytes, which does not fit %llu slots of %llu", path,
            md->events_file.count, (unsigned long long)header.slots, (unsigned long long)header.slot_bytes);
    md->slots = header.slots;
    md->events = (const struct pit_md_events_header *)md->events_file.bytes;
    return 0;
}

static int check_depth(struct pit_md *md, const char *path, struct pit_error *error)
{
    struct pit_md_depth_header header;
    memcpy(&header, md->depth_file.bytes, sizeof header);
    int result = check_start(path, PIT_MD_DEPTH_FILE, header.magic, PIT_MD_DEPTH_MAGIC, header.version,
                             header.header_bytes, error);
    if (result != 0)
        return result;
    if (header.symbols_max == 0 || header.symbols_max > PIT_SYMBOLS_MAX ||
        header.entry_bytes != sizeof(struct pit_md_symbol_entry) || header.image_bytes != sizeof(struct pit_md_image) ||
        header.levels != PIT_MD_LEVELS || header.entries_offset != PIT_MD_HEADER_BYTES ||
        header.images_offset != pit_md_images_offset(header.symbols_max) ||
        md->depth_file.count != pit_md_depth_file_bytes(header.symbols_max))
        return pit_error_set(error, -EPROTO, "%s/" PIT_MD_DEPTH_FILE " has %zu bytes, which does not fit its header",
                             path, md->depth_file.count);
    md->symbols_max = (uint32_t)header.symbols_max;
    md->depth = (const struct pit_md_depth_header *)md->depth_file.bytes;
    md->entries = (const struct pit_md_symbol_entry *)(md->depth_file.bytes + PIT_MD_HEADER_BYTES);
    md->images = (const struct pit_md_image *)(md->depth_file.bytes + header.images_offset);
    return 0;
}

static int map_and_check(struct pit_md *md, int directory, const char *path, struct pit_error *error)
{
    struct stat is;
    if (fstat(directory, &is) != 0)
        return pit_error_set(error, -errno, "cannot look at %s: %s", path, strerror(errno));
    int result = map_file(&md->events_file, directory, is.st_uid, path, PIT_MD_EVENTS_FILE, error);
    if (result == 0)
        result = map_file(&md->depth_file, directory, is.st_uid, path, PIT_MD_DEPTH_FILE, error);
    if (result == 0)
        result = check_events(md, path, error);
    if (result == 0)
        result = check_depth(md, path, error);
    if (result != 0)
        return result;
    if (md->events->instance != md->depth->instance || pit_word_load_acquire(&md->events->status) == PIT_MD_REPLACED)
        return pit_error_set(error, -ENOENT, "the pipeline of %s is just being replaced by a newer one", path);
    return 0;
}

int pit_md_open(struct pit_md **md, const char *name, struct pit_error *error)
{
    *md = NULL;
    if (!pit_md_name_valid(name))
        return pit_error_set(error, -EINVAL,
                             "\"%.80s\" cannot be a pipeline's name: 1 to %u letters, digits, '.', '_' or '-', not "
                             "starting with '.'",
                             name, PIT_MD_NAME_MAX);
    char path[PIT_MD_PATH_BYTES];
    pit_md_directory(path, name);
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0) {
        int code = errno == ELOOP || errno == ENOTDIR ? -EPROTO : -errno;
        return pit_error_set(error, code, "cannot open %s: %s", path, strerror(errno));
    }
    struct pit_md *made = calloc(1, sizeof *made);
    int result = made ? map_and_check(made, directory, path, error)
                      : pit_error_set(error, -ENOMEM, "no memory for a market data reader");
    close(directory);
    if (result != 0) {
        pit_md_close(made);
        return result;
    }
    snprintf(made->events_path, sizeof made->events_path, "%.*s/" PIT_MD_EVENTS_FILE,
             (int)(sizeof made->events_path - sizeof "/" PIT_MD_EVENTS_FILE), path);
    pit_md_seek_newest(made);
    *md = made;
    return 0;
}

void pit_md_close(struct pit_md *md)
{
    if (!md)
        return;
    if (md->events_file.bytes)
        munmap((void *)(uintptr_t)md->events_file.bytes, md->events_file.count);
    if (md->depth_file.bytes)
        munmap((void *)(uintptr_t)md->depth_file.bytes, md->depth_file.count);
    free(md);
}

int64_t pit_md_next(struct pit_md *md, struct pit_md_event *event)
{
    uint64_t words[PIT_BROADCAST_WORDS];
    uint64_t lost = 0;
    switch (pit_broadcast_read(&md->reader, words, &lost)) {
    case PIT_BROADCAST_READ:
        pit_md_event_unpack(words, md->reader.next - 1, event);
        return 1;
    case PIT_BROADCAST_LAPPED:
        md->imaged_min = md->reader.next - 1;
        return lost > 0 && lost <= INT64_MAX ? -(int64_t)lost : -1;
    case PIT_BROADCAST_EMPTY:
    default:
        return 0;
    }
}

static void seek(struct pit_md *md, uint64_t next)
{
    pit_broadcast_reader_init(
        &md->reader, (const struct pit_broadcast_slot *)(md->events_file.bytes + PIT_MD_HEADER_BYTES), md->slots, next);
    md->imaged_min = next - 1;
}

void pit_md_seek_newest(struct pit_md *md)
{
    seek(md, pit_word_load_acquire(&md->events->published) + 1);
}

void pit_md_seek_oldest(struct pit_md *md)
{
    uint64_t published = pit_word_load_acquire(&md->events->published);
    uint64_t kept = md->slots - md->slots / 8; /* a head start on the writer */
    seek(md, published > kept ? published - kept + 1 : 1);
}

uint64_t pit_md_position(const struct pit_md *md)
{
    return md->reader.next;
}

uint32_t pit_md_symbols(const struct pit_md *md)
{
    uint64_t symbols = pit_word_load_acquire(&md->depth->symbols);
    return symbols < md->symbols_max ? (uint32_t)symbols : md->symbols_max;
}

/* A name goes to terminals and files: only what a symbol's name may hold comes through. */
static void copy_name(char to[PIT_SYMBOL_NAME_BYTES], const char from[PIT_SYMBOL_NAME_BYTES])
{
    uint32_t i = 0;
    for (; i < PIT_SYMBOL_NAME_BYTES - 1 && from[i]; i++)
        to[i] = from[i] > ' ' && from[i] <= '~' ? from[i] : '?';
    memset(to + i, 0, PIT_SYMBOL_NAME_BYTES - i);
}

int pit_md_symbol(const struct pit_md *md, uint32_t symbol, struct pit_md_symbol *definition)
{
    if (symbol >= md->symbols_max || pit_word_load_acquire(&md->entries[symbol].defined) != 1)
        return -ENOENT;
    const struct pit_md_symbol_entry *entry = &md->entries[symbol];
    copy_name(definition->name, entry->name);
    definition->tick_mantissa = entry->tick_mantissa;
    definition->lot_mantissa = entry->lot_mantissa;
    definition->tick_decimals = entry->tick_decimals <= PIT_DECIMALS_MAX ? entry->tick_decimals : PIT_DECIMALS_MAX;
    definition->lot_decimals = entry->lot_decimals <= PIT_DECIMALS_MAX ? entry->lot_decimals : PIT_DECIMALS_MAX;
    return 0;
}

int64_t pit_md_find(const struct pit_md *md, const char *name)
{
    struct pit_md_symbol definition;
    uint32_t symbols = pit_md_symbols(md);
    for (uint32_t symbol = 0; symbol < symbols; symbol++)
        if (pit_md_symbol(md, symbol, &definition) == 0 && strncmp(definition.name, name, sizeof definition.name) == 0)
            return symbol;
    return -ENOENT;
}

int pit_md_depth(const struct pit_md *md, uint32_t symbol, struct pit_md_depth *depth)
{
    if (symbol >= md->symbols_max || pit_word_load_acquire(&md->entries[symbol].defined) != 1)
        return -ENOENT;
    if (pit_word_load_acquire(&md->depth->imaged) < md->imaged_min)
        return -EAGAIN;
    const struct pit_md_image *image = &md->images[symbol];
    uint64_t words[PIT_MD_IMAGE_WORDS];
    for (int i = 0; i < DEPTH_TRIES; i++) {
        if (pit_image_read(&image->version, image->words, words, PIT_MD_IMAGE_WORDS) == 0)
            continue;
        memcpy(depth, words, sizeof *depth);
        depth->bids = depth->bids <= PIT_MD_LEVELS ? depth->bids : PIT_MD_LEVELS;
        depth->asks = depth->asks <= PIT_MD_LEVELS ? depth->asks : PIT_MD_LEVELS;
        return 0;
    }
    return -EAGAIN;
}

/* Whether the name leads to another file now. When it leads nowhere, nothing has taken this one's place. */
static bool replaced(const struct pit_md *md)
{
    struct stat is;
    if (pit_word_load_acquire(&md->events->status) == PIT_MD_REPLACED)
        return true;
    return stat(md->events_path, &is) == 0 &&
           (is.st_ino != md->events_file.inode || is.st_dev != md->events_file.device);
}

enum pit_md_status pit_md_status(const struct pit_md *md)
{
    if (replaced(md))
        return PIT_MD_REPLACED;
    if (pit_word_load_acquire(&md->events->status) == PIT_MD_STOPPED)
        return PIT_MD_STOPPED;
    uint64_t heard_ns = pit_word_load_acquire(&md->events->heartbeat_ns);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    if (now_ns > heard_ns && now_ns - heard_ns > PIT_MD_SILENT_MS * UINT64_C(1000000))
        return PIT_MD_SILENT;
    return PIT_MD_RUNNING;
}
