/* test/wire/test_fuzz.c - hostile bytes: decoding agrees with msgpack-c on what a frame says, never reads beyond it
 * (exact-size buffers, for AddressSanitizer) and never allocates (the link wraps the allocator). */
#include <errno.h>
#include <msgpack.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "test/wire/sample.h"

#define FRAMES 200000u

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *block, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes);

static uint64_t allocations;

void *__wrap_malloc(size_t bytes)
{
    allocations++;
    return __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    allocations++;
    return __real_calloc(count, bytes);
}

void *__wrap_realloc(void *block, size_t bytes)
{
    allocations++;
    return __real_realloc(block, bytes);
}

static bool text_printable(const struct pit_field *field, const msgpack_object_str *text)
{
    for (uint32_t i = 0; i < text->size; i++) {
        char character = text->ptr[i];
        if (character < (field->type == PIT_FIELD_WORD ? '!' : ' ') || character > '~')
            return false;
    }
    return text->size >= (uint64_t)field->min && text->size <= field->max;
}

/* What a field's element deserves: 0, -EPROTO, -ERANGE. */
static int judge_field(const struct pit_field *field, const msgpack_object *object)
{
    bool integer = object->type == MSGPACK_OBJECT_POSITIVE_INTEGER || object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER;
    bool negative = object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER;
    switch ((enum pit_field_type)field->type) {
    case PIT_FIELD_TEXT:
    case PIT_FIELD_WORD:
        if (object->type != MSGPACK_OBJECT_STR)
            return -EPROTO;
        return text_printable(field, &object->via.str) ? 0 : -ERANGE;
    case PIT_FIELD_BYTES:
        if (object->type != MSGPACK_OBJECT_BIN)
            return -EPROTO;
        return object->via.bin.size == field->max ? 0 : -ERANGE;
    case PIT_FIELD_I64:
        if (!integer)
            return -EPROTO;
        return (negative ? object->via.i64 < field->min : object->via.u64 > field->max) ? -ERANGE : 0;
    case PIT_FIELD_FLAGS:
        if (!integer)
            return -EPROTO;
        return negative || (object->via.u64 | field->max) != field->max ? -ERANGE : 0;
    default:
        if (!integer)
            return -EPROTO;
        return negative || object->via.u64 < (uint64_t)field->min || object->via.u64 > field->max ? -ERANGE : 0;
    }
}

/* What the frame deserves, by msgpack-c's own decoding. */
static int judge(msgpack_zone *zone, const uint8_t *bytes, size_t count)
{
    msgpack_object object;
    size_t used = 0;
    msgpack_zone_clear(zone);
    if (msgpack_unpack((const char *)bytes, count, &used, zone, &object) != MSGPACK_UNPACK_SUCCESS || used != count)
        return -EPROTO;
    if (object.type != MSGPACK_OBJECT_ARRAY || object.via.array.size == 0)
        return -EPROTO;
    const msgpack_object *elements = object.via.array.ptr;
    if (elements[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER || elements[0].via.u64 >= PIT_SHAPES)
        return -EPROTO;
    const struct pit_shape *shape = &pit_shapes[elements[0].via.u64];
    if (!shape->known || object.via.array.size != shape->count + 1u)
        return -EPROTO;
    int result = 0;
    for (uint32_t i = 0; i < shape->count; i++) {
        int code = judge_field(&shape->fields[i], &elements[i + 1]);
        if (code == -EPROTO || (code && (i == 0 || !shape->request)))
            return -EPROTO;
        result = code ? code : result;
    }
    return result;
}

/* msgpack-c would believe these and allocate: keep them away from it. */
static bool has_long_container(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] >= 0xdc && bytes[i] <= 0xdf)
            return true;
    return false;
}

struct fuzz {
    struct pit_decoder *decoder;
    msgpack_zone zone;
    uint64_t random;
    uint64_t accepted, out_of_range, refused, judged;
};

static void try_frame(struct fuzz *fuzz, const uint8_t *bytes, size_t count)
{
    uint8_t *exact = malloc(count ? count : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, count);
    struct pit_message message;
    struct pit_error error;
    uint64_t before = allocations;
    int64_t found = pit_frame_find(exact, count);
    int result = pit_message_decode(fuzz->decoder, exact, count, &message, &error);
    assert_int_equal(allocations, before);
    assert_true(found <= (int64_t)count);
    assert_true(result == 0 || result == -EPROTO || result == -ERANGE);
    fuzz->accepted += result == 0;
    fuzz->out_of_range += result == -ERANGE;
    fuzz->refused += result == -EPROTO;
    if (result < 0)
        assert_int_equal(error.code, result);
    if (count > PIT_WIRE_LENGTH_BYTES && count <= PIT_WIRE_FRAME_BYTES_MAX &&
        !has_long_container(exact + 4, count - 4)) {
        fuzz->judged++;
        assert_int_equal(result, judge(&fuzz->zone, exact + 4, count - 4));
    }
    if (result == 0) { /* what was understood encodes to what is understood alike */
        uint8_t again[PIT_WIRE_FRAME_BYTES_MAX];
        struct pit_message back;
        size_t used = pit_message_encode(&message, again, sizeof again);
        assert_int_equal(pit_message_decode(fuzz->decoder, again, used, &back, NULL), 0);
        assert_null(sample_difference(&message, &back));
    }
    free(exact);
}

static size_t valid_frame(struct fuzz *fuzz, uint8_t *bytes)
{
    uint32_t kind;
    do {
        kind = (uint32_t)(sample_random(&fuzz->random) % PIT_SHAPES);
    } while (!pit_shapes[kind].known);
    struct pit_message message =
        sample_message((enum pit_message_kind)kind, (enum sample_corner)(sample_random(&fuzz->random) % SAMPLE_CORNERS),
                       &fuzz->random);
    return pit_message_encode(&message, bytes, PIT_WIRE_FRAME_BYTES_MAX);
}

/* One small wound: a byte changed, a bit turned, a byte put in or taken out, the end cut off. */
static size_t mutate(struct fuzz *fuzz, uint8_t *bytes, size_t count)
{
    static const uint8_t tags[] = {0x00, 0x7f, 0x80, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xc4, 0xc5,
                                   0xc6, 0xc7, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3,
                                   0xd4, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff};
    size_t place = PIT_WIRE_LENGTH_BYTES + sample_random(&fuzz->random) % (count - PIT_WIRE_LENGTH_BYTES);
    uint8_t byte = (uint8_t)sample_random(&fuzz->random);
    switch (sample_random(&fuzz->random) % 6) {
    case 0:
        bytes[place] = byte;
        return count;
    case 1:
        bytes[place] ^= (uint8_t)(1u << (byte & 7u));
        return count;
    case 2:
        bytes[place] = tags[byte % sizeof tags];
        return count;
    case 3:
        memmove(bytes + place + 1, bytes + place, count - place);
        bytes[place] = byte;
        return count + 1;
    case 4:
        memmove(bytes + place, bytes + place + 1, count - place - 1);
        return count - 1;
    default:
        return place;
    }
}

static int fuzz_begin(void **state)
{
    static struct fuzz fuzz;
    fuzz = (struct fuzz){.decoder = pit_decoder_create(), .random = sample_seed()};
    msgpack_zone_init(&fuzz.zone, 8192);
    *state = &fuzz;
    return fuzz.decoder ? 0 : -1;
}

static int fuzz_end(void **state)
{
    struct fuzz *fuzz = *state;
    pit_decoder_destroy(fuzz->decoder);
    msgpack_zone_destroy(&fuzz->zone);
    return 0;
}

static void decoding_random_bytes_is_safe(void **state)
{
    struct fuzz *fuzz = *state;
    for (uint32_t round = 0; round < FRAMES; round++) {
        uint8_t bytes[PIT_WIRE_FRAME_BYTES_MAX + 40];
        size_t count = sample_random(&fuzz->random) % (sample_random(&fuzz->random) & 1u ? 20 : sizeof bytes);
        for (size_t i = 0; i < count; i++)
            bytes[i] = (uint8_t)sample_random(&fuzz->random);
        if (count > PIT_WIRE_LENGTH_BYTES && sample_random(&fuzz->random) & 1u) /* get past the first look */
            bytes[PIT_WIRE_LENGTH_BYTES] = (uint8_t)(0x90u | (bytes[PIT_WIRE_LENGTH_BYTES] & 0x0fu));
        try_frame(fuzz, bytes, count);
    }
    assert_true(fuzz->refused > 0 && fuzz->judged > 0);
}

static void decoding_mutated_frames_is_safe_and_agrees_with_msgpack_c(void **state)
{
    struct fuzz *fuzz = *state;
    for (uint32_t round = 0; round < FRAMES; round++) {
        uint8_t bytes[PIT_WIRE_FRAME_BYTES_MAX + 8];
        size_t count = valid_frame(fuzz, bytes);
        for (uint64_t wounds = sample_random(&fuzz->random) % 4; wounds > 0 && count > PIT_WIRE_LENGTH_BYTES; wounds--)
            count = mutate(fuzz, bytes, count);
        try_frame(fuzz, bytes, count);
    }
    /* All three answers must have been seen, or the wounds were not what they should be. */
    assert_true(fuzz->accepted > FRAMES / 8 && fuzz->out_of_range > FRAMES / 1000 && fuzz->refused > FRAMES / 8);
    assert_true(fuzz->judged > FRAMES / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(decoding_random_bytes_is_safe, fuzz_begin, fuzz_end),
        cmocka_unit_test_setup_teardown(decoding_mutated_frames_is_safe_and_agrees_with_msgpack_c, fuzz_begin,
                                        fuzz_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
