/* test/load/test_itch.c - reading ITCH 5.0 files, written here byte by byte, and the requests they become. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "test/load/venue.h"
#include "tools/load_itch.h"

/* A file being written. */
struct sample {
    uint8_t bytes[8192];
    size_t count;
};

static void put(struct sample *sample, uint64_t value, uint32_t bytes)
{
    assert_true(sample->count + bytes <= sizeof sample->bytes);
    for (uint32_t i = 0; i < bytes; i++)
        sample->bytes[sample->count++] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

static void put_text(struct sample *sample, const char *text, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        put(sample, *text ? (uint8_t)*text++ : ' ', 1);
}

/* Length, type, stock locate, tracking number, time: what every message begins with. */
static void put_head(struct sample *sample, char type, uint16_t locate)
{
    put(sample, pit_itch_message_bytes(type), 2);
    put(sample, (uint8_t)type, 1);
    put(sample, locate, 2);
    put(sample, 0, 2);
    put(sample, UINT64_C(34200000000000), 6);
}

static void put_filler(struct sample *sample, char type, uint16_t locate)
{
    put_head(sample, type, locate);
    for (uint32_t i = 11; i < pit_itch_message_bytes(type); i++)
        put(sample, 0xee, 1);
}

static void put_directory(struct sample *sample, uint16_t locate, const char *stock)
{
    put_head(sample, 'R', locate);
    put_text(sample, stock, 8);
    put_text(sample, "", 20);
}

static void put_add(struct sample *sample, char type, uint16_t locate, uint64_t reference, char side, uint32_t shares,
                    const char *stock, uint32_t price)
{
    put_head(sample, type, locate);
    put(sample, reference, 8);
    put(sample, (uint8_t)side, 1);
    put(sample, shares, 4);
    put_text(sample, stock, 8);
    put(sample, price, 4);
    if (type == 'F')
        put_text(sample, "NSDQ", 4);
}

static void put_executed(struct sample *sample, char type, uint16_t locate, uint64_t reference, uint32_t shares,
                         uint32_t price)
{
    put_head(sample, type, locate);
    put(sample, reference, 8);
    put(sample, shares, 4);
    put(sample, 99, 8); /* match number */
    if (type == 'C') {
        put_text(sample, "Y", 1);
        put(sample, price, 4);
    }
}

static void put_reduce(struct sample *sample, uint16_t locate, uint64_t reference, uint32_t shares)
{
    put_head(sample, 'X', locate);
    put(sample, reference, 8);
    put(sample, shares, 4);
}

static void put_delete(struct sample *sample, uint16_t locate, uint64_t reference)
{
    put_head(sample, 'D', locate);
    put(sample, reference, 8);
}

static void put_replace(struct sample *sample, uint16_t locate, uint64_t reference, uint64_t reference_new,
                        uint32_t shares, uint32_t price)
{
    put_head(sample, 'U', locate);
    put(sample, reference, 8);
    put(sample, reference_new, 8);
    put(sample, shares, 4);
    put(sample, price, 4);
}

/* AAPL trades in 0.0001 and single shares, CENT in 0.01 and lots of 100; others are unknown. */
static const struct pit_client_symbol symbols[] = {
    {.symbol = 3, .name = "AAPL", .tick_mantissa = 1, .tick_decimals = 4, .lot_mantissa = 1},
    {.symbol = 5, .name = "CENT", .tick_mantissa = 1, .tick_decimals = 2, .lot_mantissa = 100},
};

static const struct pit_client_symbol *find(void *context, const char *stock)
{
    (void)context;
    for (uint32_t i = 0; i < 2; i++) {
        if (strcmp(symbols[i].name, stock) == 0)
            return &symbols[i];
    }
    return NULL;
}

/* A sample read back. */
struct reading {
    char path[64];
    struct pit_itch_file *file;
    struct pit_itch_orders *orders;
    struct pit_load_request requests[64];
    uint32_t count;
    int ended; /* what pit_itch_next said at last */
    struct pit_error error;
};

static struct reading *reading_of(const void *bytes, size_t count, uint32_t sessions)
{
    struct reading *reading = calloc(1, sizeof *reading);
    assert_non_null(reading);
    snprintf(reading->path, sizeof reading->path, "/tmp/pitline-load-test-XXXXXX");
    int file = mkstemp(reading->path);
    assert_true(file >= 0);
    assert_int_equal(write(file, bytes, count), count);
    close(file);
    struct pit_itch_orders_options options = {.id_base = 1000000, .sessions = sessions, .find = find};
    struct pit_itch_message message;
    assert_int_equal(pit_itch_orders_create(&reading->orders, &options, &reading->error), 0);
    assert_int_equal(pit_itch_open(&reading->file, reading->path, &reading->error), 0);
    while ((reading->ended = pit_itch_next(reading->file, &message, &reading->error)) == 1) {
        int made = pit_itch_orders_take(reading->orders, &message, &reading->requests[reading->count]);
        assert_true(made == 0 || made == 1);
        reading->count += (uint32_t)made;
        assert_true(reading->count < 64);
    }
    return reading;
}

static void reading_close(struct reading *reading)
{
    pit_itch_close(reading->file);
    pit_itch_orders_destroy(reading->orders);
    unlink(reading->path);
    free(reading);
}

static void assert_request(const struct pit_load_request *request, enum pit_flow_kind kind, uint64_t client_id,
                           int64_t price, uint64_t quantity)
{
    assert_int_equal(request->kind, kind);
    assert_int_equal(request->client_id, client_id);
    assert_int_equal(request->price, price);
    assert_int_equal(request->quantity, quantity);
}

static void assert_aggressor(const struct pit_load_request *request, enum pit_side side, int64_t price,
                             uint64_t quantity)
{
    assert_request(request, PIT_FLOW_NEW, 0, price, quantity);
    assert_int_equal(request->side, side);
    assert_int_equal(request->tif, PIT_TIF_IOC);
}

/* A small day: every type that matters once or more, and all the others. */
static struct sample day(void)
{
    struct sample sample = {0};
    put_filler(&sample, 'S', 0);
    put_directory(&sample, 1, "AAPL");
    put_directory(&sample, 2, "ZZZZ");
    for (const char *type = "HYLVWKJhPQBINO"; *type; type++)
        put_filler(&sample, *type, 1);
    put_add(&sample, 'A', 1, 11, 'B', 300, "AAPL", 1500100);
    put_add(&sample, 'F', 1, 12, 'S', 200, "AAPL", 1500300);
    put_add(&sample, 'A', 2, 13, 'S', 200, "ZZZZ", 10000);
    put_reduce(&sample, 1, 11, 100);
    put_executed(&sample, 'E', 1, 11, 50, 0);
    put_replace(&sample, 1, 12, 14, 250, 1500200);
    put_executed(&sample, 'C', 1, 14, 100, 1500250);
    put_executed(&sample, 'C', 1, 14, 50, 1500150);
    put_delete(&sample, 1, 12); /* replaced: no such order any more */
    put_delete(&sample, 2, 13);
    put_delete(&sample, 1, 14);
    put_executed(&sample, 'E', 1, 11, 150, 0);
    put_delete(&sample, 1, 11); /* executed wholly before */
    return sample;
}

static void assert_day(const struct reading *reading)
{
    const struct pit_load_request *requests = reading->requests;
    assert_int_equal(reading->ended, 0);
    assert_int_equal(reading->count, 9);
    assert_request(&requests[0], PIT_FLOW_NEW, 1000011, 1500100, 300);
    assert_int_equal(requests[0].side, PIT_SIDE_BUY);
    assert_int_equal(requests[0].tif, PIT_TIF_GTC);
    assert_int_equal(requests[0].symbol, 3);
    assert_request(&requests[1], PIT_FLOW_NEW, 1000012, 1500300, 200);
    assert_int_equal(requests[1].side, PIT_SIDE_SELL);
    assert_request(&requests[2], PIT_FLOW_REDUCE, 1000011, 0, 100);
    assert_aggressor(&requests[3], PIT_SIDE_SELL, 1500100, 50);
    assert_request(&requests[4], PIT_FLOW_REPLACE, 1000012, 1500200, 250);
    assert_aggressor(&requests[5], PIT_SIDE_BUY, 1500250, 100); /* above the resting price: as executed */
    assert_aggressor(&requests[6], PIT_SIDE_BUY, 1500200, 50);  /* below it: the resting price, else no trade */
    assert_request(&requests[7], PIT_FLOW_CANCEL, 1000012, 0, 0);
    assert_aggressor(&requests[8], PIT_SIDE_SELL, 1500100, 150);
    const struct pit_itch_counts *counts = pit_itch_orders_counts(reading->orders);
    assert_int_equal(counts->messages, 30);
    assert_int_equal(counts->types['P'], 1);
    assert_int_equal(counts->types['D'], 4);
    assert_int_equal(counts->skipped_symbol, 1);
    assert_int_equal(counts->skipped_order, 3);
    assert_int_equal(counts->skipped_inexact, 0);
}

static void day_becomes_orders(void **state)
{
    (void)state;
    struct sample sample = day();
    struct reading *reading = reading_of(sample.bytes, sample.count, 1);
    assert_day(reading);
    const char *name;
    bool found;
    int32_t at = pit_itch_orders_stock(reading->orders, -1, &name, &found);
    assert_int_equal(at, 1);
    assert_string_equal(name, "AAPL");
    assert_true(found);
    at = pit_itch_orders_stock(reading->orders, at, &name, &found);
    assert_int_equal(at, 2);
    assert_string_equal(name, "ZZZZ");
    assert_false(found);
    assert_int_equal(pit_itch_orders_stock(reading->orders, at, &name, &found), -1);
    reading_close(reading);
}

static size_t packed_day(uint8_t *packed, size_t room)
{
    struct sample sample = day();
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = sample.bytes;
    stream.avail_in = (uInt)sample.count;
    stream.next_out = packed;
    stream.avail_out = (uInt)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t count = stream.total_out;
    deflateEnd(&stream);
    return count;
}

static void gzip_is_unpacked_and_a_short_one_noticed(void **state)
{
    (void)state;
    uint8_t packed[8192];
    size_t count = packed_day(packed, sizeof packed);
    struct reading *reading = reading_of(packed, count, 1);
    assert_day(reading);
    reading_close(reading);
    reading = reading_of(packed, count - 30, 1);
    assert_int_equal(reading->ended, -EIO);
    assert_non_null(strstr(reading->error.text, "cut off"));
    assert_true(reading->count > 0); /* what was read before still counts */
    reading_close(reading);
    packed[count / 2] ^= 0xff;
    reading = reading_of(packed, count, 1);
    assert_true(reading->ended < 0);
    reading_close(reading);
}

static void cut_anywhere_is_an_end_or_an_error_with_its_place(void **state)
{
    (void)state;
    struct sample sample = day();
    size_t whole = 0, next = 0;
    for (size_t count = 0; count < sample.count; count++) {
        if (count == next) { /* a message begins here */
            whole = count;
            next = count + 2 + ((size_t)sample.bytes[count] << 8 | sample.bytes[count + 1]);
        }
        struct reading *reading = reading_of(sample.bytes, count, 1);
        if (count == whole) {
            assert_int_equal(reading->ended, 0);
        } else {
            char place[32];
            snprintf(place, sizeof place, "byte %zu,", whole);
            assert_int_equal(reading->ended, -EPROTO);
            if (!strstr(reading->error.text, place))
                fail_msg("cut at %zu: '%s' does not say '%s'", count, reading->error.text, place);
        }
        reading_close(reading);
    }
}

static void refused(const struct sample *sample, const char *saying)
{
    struct reading *reading = reading_of(sample->bytes, sample->count, 1);
    assert_int_equal(reading->ended, -EPROTO);
    if (!strstr(reading->error.text, saying))
        fail_msg("'%s' does not say '%s'", reading->error.text, saying);
    reading_close(reading);
}

static void malformed_messages_are_refused_with_their_place(void **state)
{
    (void)state;
    struct sample sample = {0};
    put_directory(&sample, 1, "AAPL");
    struct sample longer = sample, shorter = sample, huge = sample, side = sample, tiny = sample;
    put(&longer, 20, 2);
    put_text(&longer, "D", 20);
    refused(&longer, "byte 41: a message of type 'D' has 19 bytes, not 20");
    put(&shorter, 18, 2);
    put_text(&shorter, "D", 18);
    refused(&shorter, "byte 41");
    put(&huge, 60000, 2);
    put_text(&huge, "", 100);
    refused(&huge, "60000 bytes");
    put_add(&side, 'A', 1, 5, 'Q', 1, "AAPL", 1);
    refused(&side, "neither side");
    put(&tiny, 1, 2);
    put_text(&tiny, "?", 1);
    refused(&tiny, "byte 41");
}

static void unknown_types_are_counted_and_a_zero_length_ends(void **state)
{
    (void)state;
    struct sample sample = {0};
    put(&sample, 13, 2);
    put_text(&sample, "z", 13);
    put_add(&sample, 'A', 1, 5, 'B', 1, "AAPL", 1); /* without a directory message: its own stock field tells */
    put(&sample, 0, 2);
    put_text(&sample, "behind the end", 14);
    struct reading *reading = reading_of(sample.bytes, sample.count, 1);
    assert_int_equal(reading->ended, 0);
    assert_int_equal(reading->count, 1);
    assert_int_equal(reading->requests[0].symbol, 3);
    assert_int_equal(pit_itch_orders_counts(reading->orders)->types['z'], 1);
    reading_close(reading);
}

static void prices_and_shares_between_ticks_and_lots_are_skipped(void **state)
{
    (void)state;
    struct sample sample = {0};
    put_directory(&sample, 1, "CENT");
    put_add(&sample, 'A', 1, 1, 'B', 300, "CENT", 100100); /* 10.01, 3 lots */
    put_add(&sample, 'A', 1, 2, 'B', 300, "CENT", 100150); /* half a cent */
    put_add(&sample, 'A', 1, 3, 'B', 350, "CENT", 100100); /* half a lot */
    put_replace(&sample, 1, 1, 4, 300, 100101);            /* refused: the order stays as it was */
    put_executed(&sample, 'E', 1, 1, 100, 0);
    struct reading *reading = reading_of(sample.bytes, sample.count, 1);
    assert_int_equal(reading->count, 2);
    assert_request(&reading->requests[0], PIT_FLOW_NEW, 1000001, 1001, 3);
    assert_aggressor(&reading->requests[1], PIT_SIDE_SELL, 1001, 1);
    assert_int_equal(pit_itch_orders_counts(reading->orders)->skipped_inexact, 3);
    reading_close(reading);
}

static void sessions_own_orders_and_others_aggress(void **state)
{
    (void)state;
    struct sample sample = day();
    struct reading *reading = reading_of(sample.bytes, sample.count, 4);
    const struct pit_load_request *requests = reading->requests;
    assert_int_equal(requests[0].session, 11 % 4);
    assert_int_equal(requests[1].session, 12 % 4);
    assert_int_equal(requests[2].session, 11 % 4);
    assert_int_equal(requests[3].session, (11 + 1) % 4);
    assert_int_equal(requests[4].session, 12 % 4);
    assert_int_equal(requests[7].session, 12 % 4); /* the new reference is still the old order */
    reading_close(reading);
}

static void any_bytes_are_safe(void **state)
{
    (void)state;
    uint64_t random = venue_seed("any bytes");
    for (uint32_t turn = 0; turn < 400; turn++) {
        struct sample sample = day();
        for (uint32_t i = 0; i < 1 + turn % 8; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            sample.bytes[(random >> 33) % sample.count] = (uint8_t)(random >> 20);
        }
        struct reading *reading = reading_of(sample.bytes, sample.count, 2);
        assert_true(reading->ended <= 0);
        reading_close(reading);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(day_becomes_orders),
        cmocka_unit_test(gzip_is_unpacked_and_a_short_one_noticed),
        cmocka_unit_test(cut_anywhere_is_an_end_or_an_error_with_its_place),
        cmocka_unit_test(malformed_messages_are_refused_with_their_place),
        cmocka_unit_test(unknown_types_are_counted_and_a_zero_length_ends),
        cmocka_unit_test(prices_and_shares_between_ticks_and_lots_are_skipped),
        cmocka_unit_test(sessions_own_orders_and_others_aggress),
        cmocka_unit_test(any_bytes_are_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
