/* tools/journal_rest.c - opens a journal for the tools that print it: also one whose beginning was removed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "journal/snapshot.h"
#include "memory/arena.h"
#include "tools/journal_tools.h"

/* The newest good snapshot, if it stands for what is before the journal's beginning. 0: it does; -ENOENT: there is
 * none.
 */
static int find_snapshot(const char *directory, const struct pit_journal_beginning *beginning,
                         struct pit_snapshot_header *header, struct pit_error *error)
{
    const struct pit_disk *disk = pit_disk_machine();
    uint8_t journal_id[16];
    int code = pit_snapshot_journal_id(disk, directory, journal_id, error);
    if (code == 0)
        code = pit_snapshot_newest(disk, directory, journal_id, UINT64_MAX, NULL, NULL, header, error);
    if (code)
        return code;
    bool stands = header->block ? header->block >= beginning->block : header->sequence + 1 >= beginning->sequence;
    return stands ? 0 : -ENOENT;
}

static size_t room(void *context)
{
    return pit_arena_room(context);
}

/* Symbols defined in what was removed: as the snapshot has them. */
static int take_definitions(const char *directory, uint64_t sequence, struct pit_journal_symbols *symbols,
                            struct pit_error *error)
{
    struct pit_arena *arena = NULL;
    const struct pit_arena_options options = {.name = "snapshot", .node = PIT_ARENA_NODE_ANY};
    int code = pit_arena_create(&arena, &options, error);
    if (code)
        return code;
    const struct pit_reserve reserve = pit_arena_reserve(arena);
    struct pit_market *market = pit_market_create(&reserve);
    struct pit_snapshot_header header;
    const struct pit_snapshot_target target = {
        .markets = &market, .markets_count = 1, .room = room, .room_context = arena};
    code = pit_snapshot_load(pit_disk_machine(), directory, sequence, &target, &header, error);
    for (uint32_t symbol = 0; code == 0 && symbol < pit_market_symbols(market); symbol++) {
        const struct pit_book *book = pit_market_book(market, symbol);
        if (book)
            symbols->definitions[symbol] = *pit_book_definition(book);
    }
    pit_arena_destroy(arena);
    return code;
}

int pit_journal_tool_open(struct pit_journal_reader **reader, const char *directory,
                          struct pit_journal_symbols *symbols, struct pit_journal_beginning *beginning,
                          struct pit_error *error)
{
    const struct pit_disk *disk = pit_disk_machine();
    *beginning = (struct pit_journal_beginning){.block = 1, .sequence = 1};
    int code = pit_journal_reader_open_at(reader, disk, directory, PIT_JOURNAL_FROM_THERE, error);
    if (code)
        return code;
    struct pit_snapshot_header header;
    pit_journal_reader_beginning(*reader, &beginning->block, &beginning->sequence);
    if (beginning->block == 1 && beginning->sequence == 1)
        return 0;
    code = find_snapshot(directory, beginning, &header, error);
    if (code == 0 && symbols)
        code = take_definitions(directory, header.sequence, symbols, error);
    if (code == 0) {
        beginning->snapshot = header.sequence;
        return 0;
    }
    pit_journal_reader_close(*reader); /* reading from the first block on says what is missing */
    *reader = NULL;
    *beginning = (struct pit_journal_beginning){.block = 1, .sequence = 1};
    return pit_journal_reader_open(reader, disk, directory, error);
}
