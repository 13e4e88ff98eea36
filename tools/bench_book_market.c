/* tools/bench_book_market.c - an empty market on memory of its own, and how much of it is touched.
 *
 * What is timed elsewhere is pit_bench_market_apply: what a matcher does with a batch of durable commands. Look ahead,
 * apply, digest, write the events into a ring of slots.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring/check.h"
#include "tools/bench_book.h"

#define EVENT_SLOTS 16384u
#define MARKET_BYTES ((size_t)2 << 20) /* of a market without its books; more than it takes */
#define PAGES_A_LOOK 65536u

static void *block_reserve(void *context, size_t bytes, size_t alignment)
{
    struct pit_bench_market *market = context;
    const size_t at = (market->used + alignment - 1) & ~(alignment - 1);
    PIT_CHECK(at + bytes <= market->bytes);
    market->used = at + bytes;
    return market->start + at;
}

/* The ring's readers are always done: what is folded may be overwritten. */
static void make_room(struct pit_event_sink *sink)
{
    pit_market_fold(sink->context, sink);
    sink->limit = sink->next + sink->mask + 1;
}

static int sink_open(struct pit_bench_market *market)
{
    const size_t bytes = EVENT_SLOTS * sizeof(struct pit_event);
    struct pit_event *slots = aligned_alloc(128, bytes);
    if (!slots)
        return -ENOMEM;
    memset(slots, 0, bytes);
    market->sink = (struct pit_event_sink){.slots = slots,
                                           .mask = EVENT_SLOTS - 1,
                                           .next = 1,
                                           .limit = 1 + EVENT_SLOTS,
                                           .folded = 1,
                                           .make_room = make_room,
                                           .context = market->market};
    return 0;
}

/* The kernel gives the memory now, not while something is timed. */
static void touch(struct pit_bench_market *market, const struct pit_bench_pages *pages)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < pages->count; i += 8) {
        for (size_t bit = 0; pages->bits[i / 8] >> bit; bit++) {
            if (pages->bits[i / 8] >> bit & 1u)
                market->start[(i + bit) * page] = 0;
        }
    }
}

int pit_bench_market_open(struct pit_bench_market *market, const struct pit_bench_stream *stream, bool huge,
                          struct pit_error *error)
{
    const size_t book_bytes = pit_book_bytes(&stream->commands[0].definition) + 128;
    *market = (struct pit_bench_market){.bytes = MARKET_BYTES + stream->symbols * book_bytes};
    void *block = mmap(NULL, market->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (block == MAP_FAILED)
        return pit_error_set(error, -ENOMEM,
                             "no address space for %zu bytes of books: ask for fewer symbols (--symbols)",
                             market->bytes);
    market->start = block;
    madvise(block, market->bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    touch(market, &stream->pages);
    const struct pit_reserve memory = {.reserve = block_reserve, .context = market};
    market->market = pit_market_create(&memory);
    if (sink_open(market) == 0)
        return 0;
    munmap(block, market->bytes);
    return pit_error_set(error, -ENOMEM, "no memory for a ring of events");
}

void pit_bench_market_close(struct pit_bench_market *market)
{
    free(market->sink.slots);
    munmap(market->start, market->bytes);
}

void pit_bench_market_apply(struct pit_bench_market *market, const struct pit_command *first,
                            const struct pit_command *end, bool ahead)
{
    struct pit_market *books = market->market;
    struct pit_event_sink *sink = &market->sink;
    if (!ahead) {
        for (; first != end; first++)
            pit_market_apply(books, first, sink);
        return;
    }
    for (; first != end; first++) {
        pit_market_prefetch(books, first + PIT_BENCH_AHEAD); /* past the end: zeros, of no kind */
        pit_market_apply(books, first, sink);
    }
}

int pit_bench_market_touched(const struct pit_bench_market *market, struct pit_bench_pages *pages,
                             struct pit_error *error)
{
    static unsigned char resident[PAGES_A_LOOK];
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), count = (market->used + page - 1) / page;
    *pages = (struct pit_bench_pages){.bits = calloc(count / 8 + 1, 1), .count = count};
    if (!pages->bits)
        return pit_error_set(error, -ENOMEM, "no memory for a map of %zu pages", count);
    for (size_t first = 0; first < count; first += PAGES_A_LOOK) {
        const size_t look = count - first < PAGES_A_LOOK ? count - first : PAGES_A_LOOK;
        if (mincore(market->start + first * page, look * page, resident) != 0)
            return pit_error_set(error, -errno, "mincore: %s", strerror(errno));
        for (size_t i = first; i < first + look; i++) {
            pages->bits[i / 8] |= (uint8_t)((resident[i - first] & 1u) << i % 8);
            pages->bytes += resident[i - first] & 1u ? page : 0;
        }
    }
    return 0;
}

/* A number in a file of the kernel after a word ("" = at the start), or otherwise. */
static uint64_t number_in(const char *path, const char *word, uint64_t otherwise)
{
    char line[128];
    FILE *file = fopen(path, "re");
    uint64_t number = otherwise;
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, word, strlen(word)) == 0 && sscanf(line + strlen(word), "%lu", &number) == 1)
            break;
    }
    if (file)
        fclose(file);
    return number;
}

uint64_t pit_bench_memory_available(void)
{
    const uint64_t kib = number_in("/proc/meminfo", "MemAvailable:", UINT64_MAX >> 10);
    const uint64_t limit = number_in("/sys/fs/cgroup/memory.max", "", UINT64_MAX);
    const uint64_t taken = number_in("/sys/fs/cgroup/memory.current", "", 0);
    const uint64_t left = limit > taken ? limit - taken : 0;
    return kib * 1024 < left ? kib * 1024 : left;
}
