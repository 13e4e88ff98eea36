/* tools/travel.c - what --what-if and --step share; see travel.h. */
#include "tools/travel.h"

#include <stdio.h>
#include <string.h>

static void warn(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "pitline replay: warning: %s. Going on with an older one, or from the beginning\n", text);
}

int pit_travel_to(struct pit_walk *walk, const struct pit_moment *moment, struct pit_error *error)
{
    return moment->time_ns ? pit_walk_to_time(walk, moment->time_ns, error)
                           : pit_walk_to(walk, moment->sequence, error);
}

int pit_travel_open(struct pit_walk **walk, const struct pit_travel_options *options, struct pit_error *error)
{
    const struct pit_walk_options walk_options = {.disk = pit_disk_machine(),
                                                  .directory = options->directory,
                                                  .snapshots = options->snapshots,
                                                  .snapshot_worth = options->snapshot_worth,
                                                  .checkpoint_bytes_max = options->checkpoint_bytes_max,
                                                  .warn = warn};
    *walk = NULL;
    int code = pit_walk_open(walk, &walk_options, error);
    if (code == 0)
        code = pit_travel_to(*walk, &options->until, error);
    if (code < 0) {
        pit_walk_close(*walk);
        *walk = NULL;
    }
    return code;
}

const struct pit_book *pit_travel_book(const struct pit_market *market, const char *name)
{
    for (uint32_t symbol = 0; symbol < pit_market_symbols(market); symbol++) {
        const struct pit_book *book = pit_market_book(market, symbol);
        if (book && strncmp(pit_book_definition(book)->name, name, PIT_SYMBOL_NAME_BYTES) == 0)
            return book;
    }
    return NULL;
}
