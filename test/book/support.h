/* test/book/support.h - a book on a desk: commands in, events out, every byte of them looked at. */
#ifndef PIT_TEST_BOOK_SUPPORT_H
#define PIT_TEST_BOOK_SUPPORT_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "book/book.h"

#define DESK_EVENTS 4096u

struct desk {
    struct pit_book *book;
    struct pit_event_sink sink;
    struct pit_event event[DESK_EVENTS]; /* of the last command, from 0 */
    uint32_t events;
    uint64_t sequence; /* of the last command */
};

static void desk_full(struct pit_event_sink *sink)
{
    (void)sink;
    fail_msg("one command gave more than %u events", DESK_EVENTS);
}

static inline struct pit_symbol_definition desk_definition(uint32_t orders_max, uint32_t levels_max)
{
    return (struct pit_symbol_definition){
        .name = "TEST",
        .price_min = 1,
        .price_max = 1000,
        .quantity_max = 1000,
        .orders_max = orders_max,
        .levels_max = levels_max,
        .tick_mantissa = 1,
        .lot_mantissa = 1,
        .tick_decimals = 2,
        .lot_decimals = 0,
    };
}

static inline void *zeroed(size_t bytes)
{
    void *memory = aligned_alloc(128, (bytes + 127) / 128 * 128);
    assert_non_null(memory);
    return memset(memory, 0, bytes);
}

static inline struct desk *desk_open_secret(const struct pit_symbol_definition *definition, uint64_t secret)
{
    struct desk *desk = calloc(1, sizeof *desk);
    assert_non_null(desk);
    desk->book = pit_book_create(zeroed(pit_book_bytes(definition)), 7, definition, secret);
    return desk;
}

static inline struct desk *desk_open(const struct pit_symbol_definition *definition)
{
    return desk_open_secret(definition, 0);
}

static inline void desk_close(struct desk *desk)
{
    free(desk->book);
    free(desk);
}

/* Applies a command as it stands. The slots hold rubbish before, so that a byte that is not written shows. */
static inline uint32_t desk_apply(struct desk *desk, const struct pit_command *command)
{
    const uint32_t dirty = desk->events + 64 < DESK_EVENTS ? desk->events + 64 : DESK_EVENTS;
    memset(desk->event, 0xa5, dirty * sizeof desk->event[0]);
    desk->sink = (struct pit_event_sink){
        .slots = desk->event, .mask = DESK_EVENTS - 1, .limit = DESK_EVENTS, .make_room = desk_full};
    pit_book_apply(desk->book, command, &desk->sink);
    desk->events = (uint32_t)desk->sink.next;
    return desk->events;
}

/* Applies a command under the next sequence; request and time follow from it. Returns the sequence. */
static inline uint64_t desk_send(struct desk *desk, struct pit_command command)
{
    command.sequence = ++desk->sequence;
    command.time_ns = 1000000 + command.sequence;
    command.request = (uint32_t)(5000 + command.sequence);
    command.symbol = 7;
    desk_apply(desk, &command);
    return command.sequence;
}

static inline void event_print(const char *which, const struct pit_event *event)
{
    fprintf(stderr,
            "# %-8s kind %u side %u reason %u flags %02x order %" PRIu64 " client %" PRIu64 " price %" PRId64
            " quantity %" PRIu64 " account %u symbol %u request %u time %" PRIu64 "\n",
            which, event->kind, event->side, event->reason, event->flags, event->order_id, event->client_id,
            event->price, event->quantity, event->account, event->symbol, event->request, event->time_ns);
    if (event->flags & PIT_EVENT_WIDE)
        fprintf(stderr,
                "#          command %" PRIu64 " leaves %" PRIu64 " taker order/quantity old %" PRIu64
                " taker client/price old %" PRId64 " taker leaves %" PRIu64 " taker account %u number %u\n",
                event->command, event->leaves, event->quantity_old, event->price_old, event->taker_leaves,
                event->taker_account, event->number);
}

/* True when two events agree in every byte that counts: line 1 only when wide. */
static inline bool event_same(const struct pit_event *a, const struct pit_event *b)
{
    return memcmp(a, b, pit_event_lines(a) * PIT_EVENT_LINE_BYTES) == 0;
}

/* The last command gave exactly these events. What follows from the command itself is filled in here: sequence,
 * symbol, request, time, command of the wide ones (but for DEFINED). */
#define desk_expect(desk, ...)                                                                                         \
    desk_expect_events(desk, (struct pit_event[]){__VA_ARGS__},                                                        \
                       sizeof((struct pit_event[]){__VA_ARGS__}) / sizeof(struct pit_event), __LINE__)

static inline void desk_expect_events(struct desk *desk, struct pit_event *wanted, size_t count, int line)
{
    if (desk->events != count)
        fail_msg("line %d: %u events instead of %zu", line, desk->events, count);
    for (uint32_t i = 0; i < count; i++) {
        wanted[i].sequence = desk->sequence;
        wanted[i].symbol = 7;
        wanted[i].request = (uint32_t)(5000 + desk->sequence);
        wanted[i].time_ns = 1000000 + desk->sequence;
        if ((wanted[i].flags & PIT_EVENT_WIDE) && wanted[i].kind != PIT_EVENT_DEFINED)
            wanted[i].command = desk->sequence;
        if (!event_same(&wanted[i], &desk->event[i])) {
            event_print("wanted", &wanted[i]);
            event_print("got", &desk->event[i]);
            fail_msg("line %d: event %u is not the one wanted", line, i);
        }
    }
}

/* The last command was refused, for that reason, and the answer repeats it. */
#define desk_expect_rejected(desk, sent, why) desk_expect_rejected_at(desk, sent, why, __LINE__)

static inline void desk_expect_rejected_at(struct desk *desk, struct pit_command sent, enum pit_reason reason, int line)
{
    struct pit_event wanted = {
        .order_id = sent.order_id,
        .client_id = sent.client_id,
        .price = sent.price,
        .quantity = sent.quantity,
        .account = sent.account,
        .kind = PIT_EVENT_REJECTED,
        .side = sent.kind,
        .reason = (uint8_t)reason,
        .flags = PIT_EVENT_LAST,
    };
    desk_expect_events(desk, &wanted, 1, line);
}

static inline void desk_sound(struct desk *desk)
{
    const char *wrong = pit_book_check(desk->book);
    if (wrong)
        fail_msg("after command %" PRIu64 ": %s", desk->sequence, wrong);
}

#define BUY PIT_SIDE_BUY
#define SELL PIT_SIDE_SELL

/* A good-till-cancelled limit order of account 1. */
static inline struct pit_command order(enum pit_side side, int64_t price, uint64_t quantity)
{
    return (struct pit_command){
        .kind = PIT_COMMAND_NEW, .side = (uint8_t)side, .price = price, .quantity = quantity, .account = 1};
}

static inline struct pit_command cancel(uint64_t order_id)
{
    return (struct pit_command){.kind = PIT_COMMAND_CANCEL, .order_id = order_id, .account = 1};
}

static inline struct pit_command reduce(uint64_t order_id, uint64_t quantity)
{
    return (struct pit_command){.kind = PIT_COMMAND_REDUCE, .order_id = order_id, .quantity = quantity, .account = 1};
}

static inline struct pit_command replace(uint64_t order_id, int64_t price, uint64_t quantity)
{
    return (struct pit_command){
        .kind = PIT_COMMAND_REPLACE, .order_id = order_id, .price = price, .quantity = quantity, .account = 1};
}

/* The same command, but ... */
static inline struct pit_command by(uint32_t account, struct pit_command command)
{
    command.account = account;
    return command;
}

static inline struct pit_command named(uint64_t client_id, struct pit_command command)
{
    command.client_id = client_id;
    return command;
}

static inline struct pit_command tif(enum pit_tif time_in_force, struct pit_command command)
{
    command.tif = (uint8_t)time_in_force;
    return command;
}

static inline struct pit_command flagged(uint8_t flags, struct pit_command command)
{
    command.flags = flags;
    return command;
}

/* Seeds and numbers for random tests: PIT_SEED, or something new each time; always printed. */
static inline uint64_t seed_choose(const char *test)
{
    const char *given = getenv("PIT_SEED");
    uint64_t seed = 0;
    if (given) {
        seed = strtoull(given, NULL, 0);
    } else {
        FILE *random = fopen("/dev/urandom", "rb");
        assert_non_null(random);
        assert_int_equal(fread(&seed, sizeof seed, 1, random), 1);
        fclose(random);
    }
    fprintf(stderr, "# %s: PIT_SEED=%" PRIu64 "\n", test, seed);
    return seed;
}

static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline uint64_t random_below(uint64_t *state, uint64_t limit)
{
    return random_next(state) % limit;
}

#endif
