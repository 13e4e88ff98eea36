/* test/book/test_market.c - many books, their digests, and bytes that nobody meant. */
#include "book/market.h"

#include <sys/mman.h>

#include "ring/check.h"
#include "test/book/support.h"

/* Where markets get their memory: mapped, so that even the largest book costs only what it touches. */
struct source {
    struct {
        void *at;
        size_t bytes;
    } block[64];
    uint32_t blocks;
};

static void *source_reserve(void *context, size_t bytes, size_t alignment)
{
    struct source *source = context;
    assert_true(alignment <= 4096);
    assert_true(source->blocks < 64);
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(at != MAP_FAILED);
    source->block[source->blocks].at = at;
    source->block[source->blocks++].bytes = bytes;
    return at;
}

/* A market with an output ring of its own. Whatever leaves the ring must have been folded. */
struct stall {
    struct source source;
    struct pit_market *market;
    struct pit_event_sink sink;
    struct pit_event slots[1024];
    uint32_t rooms_made;
};

static void stall_make_room(struct pit_event_sink *sink)
{
    struct stall *stall = sink->context;
    pit_market_fold(stall->market, sink);
    assert_int_equal(sink->folded, sink->next);
    memset(stall->slots, 0x5a, sizeof stall->slots);
    sink->limit = sink->next + sink->mask + 1;
    stall->rooms_made++;
}

static struct stall *stall_open(uint32_t slots)
{
    struct stall *stall = calloc(1, sizeof *stall);
    assert_non_null(stall);
    const struct pit_reserve memory = {.reserve = source_reserve, .context = &stall->source};
    stall->market = pit_market_create(&memory);
    stall->sink = (struct pit_event_sink){.slots = stall->slots,
                                          .mask = slots - 1,
                                          .next = 1,
                                          .limit = 1,
                                          .folded = 1,
                                          .make_room = stall_make_room,
                                          .context = stall};
    return stall;
}

/* As stall_open, but the ring's slots are lines. */
static struct stall *stall_open_lines(uint32_t slots)
{
    struct stall *stall = stall_open(slots);
    assert_true(slots * sizeof stall->slots[0] < sizeof stall->slots); /* with the overhang */
    stall->sink.lines = 1;
    return stall;
}

static void stall_close(struct stall *stall)
{
    for (uint32_t i = 0; i < stall->source.blocks; i++)
        munmap(stall->source.block[i].at, stall->source.block[i].bytes);
    free(stall);
}

static const struct pit_event *stall_last(const struct stall *stall)
{
    return &stall->slots[(stall->sink.next - 1) & stall->sink.mask];
}

static void stall_sound(const struct stall *stall)
{
    for (uint32_t symbol = 0; symbol < pit_market_symbols(stall->market); symbol++) {
        const struct pit_book *book = pit_market_book(stall->market, symbol);
        const char *wrong = book ? pit_book_check(book) : NULL;
        if (wrong)
            fail_msg("symbol %u: %s", symbol, wrong);
    }
}

static struct pit_command define(uint64_t sequence, uint32_t symbol)
{
    struct pit_command command = {.sequence = sequence,
                                  .time_ns = 10 * sequence,
                                  .symbol = symbol,
                                  .kind = PIT_COMMAND_SYMBOL,
                                  .flags = PIT_COMMAND_WIDE,
                                  .definition = desk_definition(500, 100)};
    command.definition.name[3] = (char)('A' + symbol % 26);
    return command;
}

#define FLOW_SYMBOLS 5u
#define FLOW_UNKNOWN 2u /* symbols FLOW_SYMBOLS .. are never defined */

/* A flow that depends on nothing but (seed, sequence): news, cancels and replaces of what was new lately. */
static struct pit_command flow_command(uint64_t seed, uint64_t sequence)
{
    if (sequence <= FLOW_SYMBOLS)
        return define(sequence, (uint32_t)sequence - 1);
    uint64_t random = seed ^ sequence * UINT64_C(0x2545f4914f6cdd1d);
    struct pit_command command = {
        .sequence = sequence,
        .time_ns = 10 * sequence,
        .symbol = (uint32_t)random_below(&random, FLOW_SYMBOLS + FLOW_UNKNOWN),
        .request = (uint32_t)sequence,
        .account = 1 + (uint32_t)random_below(&random, 3),
        .kind = PIT_COMMAND_NEW,
        .side = (uint8_t)random_below(&random, 2),
        .price = 400 + (int64_t)random_below(&random, 100),
        .quantity = 1 + random_below(&random, 50),
    };
    command.price += command.side == SELL ? 60 : 0;
    const uint64_t dice = random_below(&random, 100);
    if (dice < 10) {
        command.tif = (uint8_t)(1 + random_below(&random, 2));
        command.price = command.side == SELL ? 400 : 600;
        command.quantity *= 4;
    } else if (dice < 50) {
        command.client_id = sequence;
    } else if (dice < 98) {
        command.kind = dice < 70 ? PIT_COMMAND_REPLACE : dice < 80 ? PIT_COMMAND_REDUCE : PIT_COMMAND_CANCEL;
        /* Aims at a command of the past and at its symbol and account, whatever it was. */
        const uint64_t back = 1 + random_below(&random, sequence < 400 ? sequence - 1 : 400);
        const uint64_t aim = sequence - back;
        if (aim > FLOW_SYMBOLS) {
            uint64_t past = seed ^ aim * UINT64_C(0x2545f4914f6cdd1d);
            command.symbol = (uint32_t)random_below(&past, FLOW_SYMBOLS + FLOW_UNKNOWN);
            command.account = 1 + (uint32_t)random_below(&past, 3);
        }
        command.order_id = aim;
    } else {
        command.kind = PIT_COMMAND_STATE;
        command.quantity = dice == 99 && random_below(&random, 4) == 0 ? PIT_STATE_HALTED : PIT_STATE_OPEN;
    }
    return command;
}

static void stall_run(struct stall *stall, uint64_t seed, uint64_t commands, uint32_t part, uint32_t parts)
{
    for (uint64_t sequence = 1; sequence <= commands; sequence++) {
        const struct pit_command command = flow_command(seed, sequence);
        if (command.symbol % parts != part)
            continue;
        pit_market_prefetch(stall->market, &command);
        pit_market_apply(stall->market, &command, &stall->sink);
        assert_int_equal(stall->sink.folded, stall->sink.next);
    }
}

static void assert_digest_equal(struct pit_digest a, struct pit_digest b)
{
    assert_true(a.events == b.events);
    assert_int_equal(a.events_count, b.events_count);
    assert_true(a.state == b.state);
    assert_int_equal(a.orders, b.orders);
}

static void digest_does_not_depend_on_how_symbols_are_spread(void **state)
{
    (void)state;
    const uint64_t seed = seed_choose("digest_does_not_depend_on_how_symbols_are_spread");
    struct stall *whole = stall_open(1024);
    stall_run(whole, seed, 20000, 0, 1);
    stall_sound(whole);
    const struct pit_digest wanted = pit_market_full_digest(whole->market);
    assert_true(wanted.events_count > 20000);
    assert_true(wanted.orders > 0);
    for (uint32_t parts = 2; parts <= 4; parts++) {
        struct pit_digest sum = {0};
        for (uint32_t part = 0; part < parts; part++) {
            struct stall *stall = stall_open(1024);
            stall_run(stall, seed, 20000, part, parts);
            const struct pit_digest digest = pit_market_full_digest(stall->market);
            pit_digest_add(&sum, &digest);
            stall_close(stall);
        }
        assert_digest_equal(sum, wanted);
    }
    const struct pit_digest events = pit_market_event_digest(whole->market);
    assert_true(events.events == wanted.events && events.state == 0 && events.orders == 0);
    stall_close(whole);
}

static void digest_does_not_depend_on_the_ring(void **state)
{
    (void)state;
    const uint64_t seed = seed_choose("digest_does_not_depend_on_the_ring");
    struct stall *large = stall_open(1024), *small = stall_open(1);
    stall_run(large, seed, 10000, 0, 1);
    stall_run(small, seed, 10000, 0, 1);
    assert_true(small->rooms_made > large->rooms_made);
    assert_digest_equal(pit_market_full_digest(large->market), pit_market_full_digest(small->market));
    for (uint32_t slots = 2; slots <= 512; slots *= 4) {
        struct stall *lines = stall_open_lines(slots);
        stall_run(lines, seed, 10000, 0, 1);
        assert_true(lines->rooms_made > large->rooms_made);
        assert_digest_equal(pit_market_full_digest(large->market), pit_market_full_digest(lines->market));
        stall_close(lines);
    }
    stall_close(large);
    stall_close(small);
}

/* An event of two lines that begins in the last slot goes on behind it, and the first slot is left out. */
static void wide_event_is_not_torn_at_the_end_of_the_ring(void **state)
{
    (void)state;
    struct stall *stall = stall_open_lines(4);
    stall->sink.next = stall->sink.limit = stall->sink.folded = 3;
    const struct pit_command command = define(1, 0);
    pit_market_apply(stall->market, &command, &stall->sink);
    assert_int_equal(stall->sink.next, 5);
    const struct pit_event *event = pit_event_sink_at(&stall->sink, 3);
    assert_ptr_equal(event, (const uint8_t *)stall->slots + 3 * PIT_EVENT_LINE_BYTES);
    assert_int_equal(event->kind, PIT_EVENT_DEFINED);
    assert_memory_equal(&event->definition, &command.definition, sizeof command.definition);
    for (uint32_t i = 0; i < PIT_EVENT_LINE_BYTES; i++)
        assert_int_equal(((const uint8_t *)stall->slots)[i], 0x5a);
    stall_close(stall);
}

static void digest_notices_every_field_of_an_event_but_its_time(void **state)
{
    (void)state;
    /* Line 0 through an order that rests, line 1 through one that is replaced. */
    for (uint32_t variant = 0; variant < 8; variant++) {
        struct stall *stall[2] = {stall_open(16), stall_open(16)};
        for (int i = 0; i < 2; i++) {
            struct pit_command command = define(1, 0);
            pit_market_apply(stall[i]->market, &command, &stall[i]->sink);
            command = order(BUY, 100, 10);
            command.sequence = 2;
            if (i == 1 && variant < 7) {
                command.time_ns += variant == 0;
                command.request += variant == 1;
                command.client_id += variant == 2;
                command.price += variant == 3;
                command.quantity += variant == 4;
                command.account += variant == 5;
                command.side = variant == 6 ? SELL : BUY;
            }
            pit_market_apply(stall[i]->market, &command, &stall[i]->sink);
            command = replace(2, 101, 9);
            command.sequence = i == 1 && variant == 7 ? 4 : 3; /* shows in line 1 only */
            if (variant == 7)
                pit_market_apply(stall[i]->market, &command, &stall[i]->sink);
        }
        const struct pit_digest a = pit_market_event_digest(stall[0]->market);
        const struct pit_digest b = pit_market_event_digest(stall[1]->market);
        assert_true((a.events != b.events) == (variant != 0)); /* 0: the same command at another time */
        assert_int_equal(a.events_count, b.events_count);
        stall_close(stall[0]);
        stall_close(stall[1]);
    }
}

static void state_digest_is_of_what_rests_not_of_how_it_came(void **state)
{
    (void)state;
    struct stall *straight = stall_open(16), *detour = stall_open(16);
    struct pit_command command = define(1, 0);
    pit_market_apply(straight->market, &command, &straight->sink);
    pit_market_apply(detour->market, &command, &detour->sink);
    command = order(BUY, 100, 10);
    command.sequence = 2;
    pit_market_apply(straight->market, &command, &straight->sink);
    command.quantity = 30;
    pit_market_apply(detour->market, &command, &detour->sink);
    assert_true(pit_market_full_digest(straight->market).state != pit_market_full_digest(detour->market).state);
    command = reduce(2, 20);
    command.sequence = 3;
    pit_market_apply(detour->market, &command, &detour->sink);
    assert_true(pit_market_full_digest(straight->market).state == pit_market_full_digest(detour->market).state);
    assert_true(pit_market_event_digest(straight->market).events != pit_market_event_digest(detour->market).events);
    command = (struct pit_command){.sequence = 4, .kind = PIT_COMMAND_STATE, .quantity = PIT_STATE_HALTED};
    pit_market_apply(detour->market, &command, &detour->sink);
    assert_true(pit_market_full_digest(straight->market).state != pit_market_full_digest(detour->market).state);
    stall_close(straight);
    stall_close(detour);
}

/* The same numbers on every machine, compiler and optimisation level. They change only when what a book says changes:
 * then journals of before no longer verify, which is a reason to think twice. */
static void fixed_flow_gives_the_fixed_digest(void **state)
{
    (void)state;
    struct stall *stall = stall_open(256);
    stall_run(stall, 42, 50000, 0, 1);
    const struct pit_digest digest = pit_market_full_digest(stall->market);
    fprintf(stderr, "# events %016" PRIx64 " of %" PRIu64 ", state %016" PRIx64 " of %" PRIu64 "\n", digest.events,
            digest.events_count, digest.state, digest.orders);
    assert_digest_equal(digest, (struct pit_digest){
                                    .events = UINT64_C(0xbe2e6d49b958c992),
                                    .events_count = 66050,
                                    .state = UINT64_C(0x226f11c945440faf),
                                    .orders = 199,
                                });
    stall_close(stall);
}

static void unknown_symbol_is_rejected(void **state)
{
    (void)state;
    struct stall *stall = stall_open(16);
    struct pit_command command = order(BUY, 100, 10);
    const uint32_t symbols[] = {0, 1, 3, PIT_SYMBOLS_MAX - 1, PIT_SYMBOLS_MAX, UINT32_MAX};
    struct pit_command two = define(1, 2);
    pit_market_apply(stall->market, &two, &stall->sink);
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        command.symbol = symbols[i];
        pit_market_prefetch(stall->market, &command);
        pit_market_apply(stall->market, &command, &stall->sink);
        assert_int_equal(stall_last(stall)->kind, PIT_EVENT_REJECTED);
        assert_int_equal(stall_last(stall)->reason, PIT_REASON_UNKNOWN_SYMBOL);
        assert_int_equal(stall_last(stall)->symbol, symbols[i]);
        assert_null(pit_market_book(stall->market, symbols[i]));
    }
    assert_int_equal(pit_market_symbols(stall->market), 3);
    assert_non_null(pit_market_book(stall->market, 2));
    stall_close(stall);
}

static void symbol_is_defined_once_and_its_band_changed_later(void **state)
{
    (void)state;
    struct stall *stall = stall_open(16);
    struct pit_command command = define(1, 3);
    const struct pit_symbol_definition good = command.definition;
    command.definition.levels_max = 0;
    pit_market_apply(stall->market, &command, &stall->sink);
    assert_int_equal(stall_last(stall)->reason, PIT_REASON_BAD_DEFINITION);
    assert_int_equal(pit_market_symbols(stall->market), 0);

    command.definition = good;
    command.flags = 0;
    pit_market_apply(stall->market, &command, &stall->sink);
    assert_int_equal(stall_last(stall)->reason, PIT_REASON_BAD_FLAGS);

    command.flags = PIT_COMMAND_WIDE;
    pit_market_apply(stall->market, &command, &stall->sink);
    assert_int_equal(stall_last(stall)->kind, PIT_EVENT_DEFINED);
    assert_int_equal(stall_last(stall)->flags, PIT_EVENT_WIDE | PIT_EVENT_LAST);
    assert_memory_equal(&stall_last(stall)->definition, &good, sizeof good);
    const struct pit_book *book = pit_market_book(stall->market, 3);
    assert_non_null(book);

    command.definition.price_max += 5;
    pit_market_apply(stall->market, &command, &stall->sink);
    assert_int_equal(stall_last(stall)->kind, PIT_EVENT_DEFINED);
    assert_ptr_equal(pit_market_book(stall->market, 3), book);
    command.definition.orders_max += 5;
    pit_market_apply(stall->market, &command, &stall->sink);
    assert_int_equal(stall_last(stall)->reason, PIT_REASON_BAD_DEFINITION);

    command = define(9, PIT_SYMBOLS_MAX);
    pit_market_apply(stall->market, &command, &stall->sink);
    assert_int_equal(stall_last(stall)->reason, PIT_REASON_UNKNOWN_SYMBOL);
    stall_close(stall);
}

/* A book with the largest limits costs address space, not memory: it is touched only as it fills. */
static void largest_book_starts_at_once(void **state)
{
    (void)state;
    struct stall *stall = stall_open(16);
    struct pit_command command = define(1, 0);
    command.definition.orders_max = 1u << 24;
    command.definition.levels_max = 1u << 20;
    pit_market_apply(stall->market, &command, &stall->sink);
    assert_int_equal(stall_last(stall)->kind, PIT_EVENT_DEFINED);
    command = order(BUY, 100, 10);
    command.sequence = 2;
    pit_market_apply(stall->market, &command, &stall->sink);
    assert_int_equal(stall_last(stall)->kind, PIT_EVENT_ACCEPTED);

    const size_t bytes = stall->source.block[1].bytes, pages = (bytes + 4095) / 4096;
    unsigned char *resident = malloc(pages);
    assert_non_null(resident);
    assert_int_equal(mincore(stall->source.block[1].at, bytes, resident), 0);
    size_t touched = 0;
    for (size_t i = 0; i < pages; i++)
        touched += resident[i] & 1;
    free(resident);
    assert_true(bytes > (size_t)900 << 20);
    assert_true(touched < 64 || touched > pages / 100); /* unless the kernel gave huge pages */
    stall_sound(stall);
    stall_close(stall);
}

/* Events of one command: the last one and only the last one says so, and all are of known kinds. */
static void check_events(const struct stall *stall, uint64_t from)
{
    assert_true(stall->sink.next > from);
    for (uint64_t i = from; i < stall->sink.next; i++) {
        const struct pit_event *event = &stall->slots[i & stall->sink.mask];
        assert_int_equal((event->flags & PIT_EVENT_LAST) != 0, i + 1 == stall->sink.next);
        assert_in_range(event->kind, PIT_EVENT_ACCEPTED, PIT_EVENT_STATE);
    }
}

/* Gives every book its band back and opens it, so that what follows has something to work on. */
static void stall_recover(struct stall *stall)
{
    for (uint32_t symbol = 0; symbol < pit_market_symbols(stall->market); symbol++) {
        const struct pit_book *book = pit_market_book(stall->market, symbol);
        if (!book)
            continue;
        struct pit_command command = {.symbol = symbol, .kind = PIT_COMMAND_SYMBOL, .flags = PIT_COMMAND_WIDE};
        command.definition = *pit_book_definition(book);
        command.definition.price_min = 1;
        command.definition.price_max = 1000;
        pit_market_apply(stall->market, &command, &stall->sink);
        command = (struct pit_command){.symbol = symbol, .kind = PIT_COMMAND_STATE, .quantity = PIT_STATE_OPEN};
        pit_market_apply(stall->market, &command, &stall->sink);
    }
}

static void any_bytes_are_safe(void **state)
{
    (void)state;
    uint64_t random = seed_choose("any_bytes_are_safe");
    struct stall *stall = stall_open(1024);
    uint64_t accepted = 0;
    for (uint64_t i = 1; i <= 60000; i++) {
        struct pit_command command = flow_command(7, i);
        uint8_t *bytes = (uint8_t *)&command;
        const uint64_t dice = i <= FLOW_SYMBOLS ? 9 : random_below(&random, 10);
        if (dice < 4) { /* something sensible with some bytes gone wrong */
            for (uint64_t flips = 1 + random_below(&random, 4); flips; flips--)
                bytes[random_below(&random, sizeof command)] = (uint8_t)random_next(&random);
        } else if (dice < 6) { /* nothing sensible at all, but in reach of a book */
            for (size_t at = 0; at < sizeof command; at++)
                bytes[at] = (uint8_t)random_next(&random);
            command.kind &= 7;
            command.side &= 1;
            command.tif &= 3;
            command.flags &= PIT_COMMAND_WIDE | PIT_COMMAND_MARKET | PIT_COMMAND_POST_ONLY;
        }
        if (command.symbol >= 12)
            command.symbol %= 12; /* few books, so that their memory fits anywhere */
        const uint64_t from = stall->sink.next;
        stall->sink.limit = from + stall->sink.mask + 1; /* the events of one command stay to be looked at */
        pit_market_prefetch(stall->market, &command);
        pit_market_apply(stall->market, &command, &stall->sink);
        check_events(stall, from);
        accepted += stall->slots[from & stall->sink.mask].kind != PIT_EVENT_REJECTED;
        if (i % 100 == 0)
            stall_recover(stall);
        if (i % 2000 == 0)
            stall_sound(stall);
    }
    assert_true(accepted > 5000);
    stall_sound(stall);
    stall_close(stall);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_symbol_is_rejected),
        cmocka_unit_test(symbol_is_defined_once_and_its_band_changed_later),
        cmocka_unit_test(largest_book_starts_at_once),
        cmocka_unit_test(digest_does_not_depend_on_how_symbols_are_spread),
        cmocka_unit_test(digest_does_not_depend_on_the_ring),
        cmocka_unit_test(wide_event_is_not_torn_at_the_end_of_the_ring),
        cmocka_unit_test(digest_notices_every_field_of_an_event_but_its_time),
        cmocka_unit_test(state_digest_is_of_what_rests_not_of_how_it_came),
        cmocka_unit_test(fixed_flow_gives_the_fixed_digest),
        cmocka_unit_test(any_bytes_are_safe),
    };
    return cmocka_run_group_tests_name("market", tests, NULL, NULL);
}
