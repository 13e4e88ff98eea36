/* tools/adapter/driven_book.c - memory of the book, and what is rare. */
#include "tools/adapter/driven_book.h"

#include <stdio.h>
#include <stdlib.h>

static const struct pit_symbol_definition symbol = {
    .name = "BENCHMARK",
    .price_min = PIT_PRICE_MIN,
    .price_max = PIT_PRICE_MAX,
    .quantity_max = UINT32_MAX,
    .orders_max = 1u << 21,
    .levels_max = 1u << 20,
    .tick_mantissa = 5, /* 0.005 */
    .tick_decimals = 3,
    .lot_mantissa = 1,
};

static void give_up(const char *why)
{
    fprintf(stderr, "pitline adapter: %s\n", why);
    abort();
}

struct pit_driven_book pit_driven_book_open(uint64_t nonce)
{
    struct pit_driven_book book = {0};
    const struct pit_arena_options options = {
        .name = "book", .node = PIT_ARENA_NODE_ANY, .huge = true, .prefault_bytes_max = SIZE_MAX};
    struct pit_error error = {0};
    if (pit_arena_create(&book.arena, &options, &error))
        give_up(error.text);
    book.book = pit_book_create(pit_driven_book_take(&book, pit_book_bytes(&symbol)), 0, &symbol, nonce);
    return book;
}

void pit_driven_book_close(struct pit_driven_book *book)
{
    pit_arena_destroy(book->arena);
}

void *pit_driven_book_take(struct pit_driven_book *book, size_t bytes)
{
    void *memory = pit_arena_take(book->arena, bytes, 128);
    if (!memory)
        give_up("no memory");
    return memory;
}

void pit_driven_requeue(struct pit_driven_book *book, const struct pit_command *replace, uint8_t side,
                        struct pit_event_sink *sink)
{
    struct pit_command again = {0};
    memcpy(&again, replace, offsetof(struct pit_command, definition));
    again.request = PIT_BENCH_REQUEUE;
    again.kind = PIT_COMMAND_CANCEL;
    pit_book_apply(book->book, &again, sink);
    again.sequence++;
    again.kind = PIT_COMMAND_NEW;
    again.side = side;
    pit_book_apply(book->book, &again, sink);
}
