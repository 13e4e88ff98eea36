/* test/wire/test_message.c - every kind of message survives the wire, as msgpack-c understands it too; everything else
 * is refused with its reason. */
#include <errno.h>
#include <msgpack.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "test/wire/sample.h"

static uint64_t seed;

static int make_decoder(void **state)
{
    *state = pit_decoder_create();
    return *state ? 0 : -1;
}

static int free_decoder(void **state)
{
    pit_decoder_destroy(*state);
    return 0;
}

/* A frame being put together by hand. */
struct frame {
    uint8_t bytes[1024];
    size_t used;
};

static int frame_write(void *context, const char *bytes, size_t count)
{
    struct frame *frame = context;
    assert_true(frame->used + count <= sizeof frame->bytes);
    memcpy(frame->bytes + frame->used, bytes, count);
    frame->used += count;
    return 0;
}

static void frame_begin(struct frame *frame, msgpack_packer *packer)
{
    frame->used = PIT_WIRE_LENGTH_BYTES;
    msgpack_packer_init(packer, frame, frame_write);
}

static void frame_end(struct frame *frame)
{
    uint32_t length = (uint32_t)(frame->used - PIT_WIRE_LENGTH_BYTES);
    for (uint32_t i = 0; i < PIT_WIRE_LENGTH_BYTES; i++)
        frame->bytes[i] = (uint8_t)(length >> (24 - 8 * i));
}

static void pack_field(msgpack_packer *packer, const struct pit_field *field, const uint8_t *at)
{
    uint32_t u32;
    uint64_t u64;
    switch ((enum pit_field_type)field->type) {
    case PIT_FIELD_U8:
    case PIT_FIELD_FLAGS:
        msgpack_pack_uint64(packer, *at);
        break;
    case PIT_FIELD_U32:
        memcpy(&u32, at, sizeof u32);
        msgpack_pack_uint64(packer, u32);
        break;
    case PIT_FIELD_U64:
        memcpy(&u64, at, sizeof u64);
        msgpack_pack_uint64(packer, u64);
        break;
    case PIT_FIELD_I64:
        memcpy(&u64, at, sizeof u64);
        msgpack_pack_int64(packer, (int64_t)u64);
        break;
    case PIT_FIELD_TEXT:
    case PIT_FIELD_WORD:
        msgpack_pack_str(packer, strlen((const char *)at));
        msgpack_pack_str_body(packer, at, strlen((const char *)at));
        break;
    case PIT_FIELD_BYTES:
        msgpack_pack_bin(packer, (size_t)field->max);
        msgpack_pack_bin_body(packer, at, (size_t)field->max);
        break;
    }
}

/* The message with its element `place` (0 = the kind) replaced by what odd packs; odd NULL: as it is. */
static void frame_build(struct frame *frame, const struct pit_message *message, uint32_t place,
                        void (*odd)(msgpack_packer *packer, const void *argument), const void *argument)
{
    const struct pit_shape *shape = &pit_shapes[message->kind];
    msgpack_packer packer;
    frame_begin(frame, &packer);
    msgpack_pack_array(&packer, shape->count + 1u);
    for (uint32_t i = 0; i <= shape->count; i++) {
        if (odd && i == place)
            odd(&packer, argument);
        else if (i == 0)
            msgpack_pack_uint32(&packer, message->kind);
        else
            pack_field(&packer, &shape->fields[i - 1], (const uint8_t *)message + shape->fields[i - 1].offset);
    }
    frame_end(frame);
}

static void check_round_trip(struct pit_decoder *decoder, const struct pit_message *message)
{
    uint8_t bytes[PIT_WIRE_FRAME_BYTES_MAX];
    struct pit_message back;
    struct pit_error error = {0};
    size_t used = pit_message_encode(message, bytes, sizeof bytes);
    assert_int_not_equal(used, 0);
    assert_int_equal(pit_frame_find(bytes, used), used);
    memset(&back, 0xa5, sizeof back);
    if (pit_message_decode(decoder, bytes, used, &back, &error) != 0)
        fail_msg("%s", error.text);
    const char *difference = sample_difference(message, &back);
    if (difference)
        fail_msg("%s: %s changed on the way", pit_message_kind_name(message->kind), difference);
    struct frame frame; /* the same bytes as msgpack-c packs on its own */
    frame_build(&frame, message, 0, NULL, NULL);
    assert_int_equal(frame.used, used);
    assert_memory_equal(frame.bytes, bytes, used);
}

static void message_of_every_kind_survives_the_wire(void **state)
{
    uint64_t random = seed;
    uint32_t kinds = 0;
    for (uint32_t kind = 0; kind < PIT_SHAPES; kind++) {
        if (!pit_shapes[kind].known)
            continue;
        kinds++;
        for (uint32_t round = 0; round < 500; round++) {
            enum sample_corner corner = round < SAMPLE_ANY ? (enum sample_corner)round : SAMPLE_ANY;
            struct pit_message message = sample_message((enum pit_message_kind)kind, corner, &random);
            check_round_trip(*state, &message);
        }
    }
    assert_int_equal(kinds, 24);
}

static void message_needs_its_room_and_no_more(void **state)
{
    (void)state;
    uint64_t random = seed;
    for (uint32_t kind = 0; kind < PIT_SHAPES; kind++) {
        if (!pit_shapes[kind].known)
            continue;
        struct pit_message message = sample_message((enum pit_message_kind)kind, SAMPLE_MOST, &random);
        uint8_t bytes[PIT_WIRE_FRAME_BYTES_MAX + 1];
        size_t used = pit_message_encode(&message, bytes, PIT_WIRE_FRAME_BYTES_MAX);
        assert_in_range(used, PIT_WIRE_LENGTH_BYTES + 1, PIT_WIRE_FRAME_BYTES_MAX);
        for (size_t room = 0; room < used; room++) {
            bytes[room] = 0x5a;
            assert_int_equal(pit_message_encode(&message, bytes, room), 0);
            assert_int_equal(bytes[room], 0x5a);
        }
        assert_int_equal(pit_message_encode(&message, bytes, used), used);
    }
}

static void message_encoding_drops_flags_that_do_not_travel(void **state)
{
    uint64_t random = seed;
    struct pit_message message = sample_message(PIT_MESSAGE_TRADE, SAMPLE_ANY, &random), back;
    message.flags = 0xff;
    uint8_t bytes[PIT_WIRE_FRAME_BYTES_MAX];
    size_t used = pit_message_encode(&message, bytes, sizeof bytes);
    assert_int_equal(pit_message_decode(*state, bytes, used, &back, NULL), 0);
    assert_int_equal(back.flags, PIT_REPORT_FLAGS);
}

struct width {
    int64_t value;
    uint32_t form;
};

static void pack_width(msgpack_packer *packer, const void *argument)
{
    const struct width *width = argument;
    switch (width->form) {
    case 0:
        msgpack_pack_fix_uint8(packer, (uint8_t)width->value);
        break;
    case 1:
        msgpack_pack_fix_uint16(packer, (uint16_t)width->value);
        break;
    case 2:
        msgpack_pack_fix_uint32(packer, (uint32_t)width->value);
        break;
    case 3:
        msgpack_pack_fix_uint64(packer, (uint64_t)width->value);
        break;
    case 4:
        msgpack_pack_fix_int8(packer, (int8_t)width->value);
        break;
    case 5:
        msgpack_pack_fix_int16(packer, (int16_t)width->value);
        break;
    case 6:
        msgpack_pack_fix_int32(packer, (int32_t)width->value);
        break;
    default:
        msgpack_pack_fix_int64(packer, width->value);
        break;
    }
}

/* Encoders of other languages choose wider integers than need be, and signed ones for positive numbers. */
static void message_integers_may_have_any_width_that_holds_them(void **state)
{
    static const struct {
        int64_t value;
        uint32_t forms; /* bit: a form of pack_width that can hold it */
    } cases[] = {
        {0, 0xff},
        {1, 0xff},
        {127, 0xff},
        {128, 0xef},
        {255, 0xef},
        {256, 0xee},
        {32768, 0xce},
        {65536, 0xcc},
        {INT64_C(1) << 31, 0x8c},
        {INT64_C(1) << 32, 0x88},
        {PIT_PRICE_MAX, 0x88},
        {-1, 0xf0},
        {-32, 0xf0},
        {-33, 0xf0},
        {-128, 0xf0},
        {-129, 0xe0},
        {-32769, 0xc0},
        {-(INT64_C(1) << 31) - 1, 0x80},
        {PIT_PRICE_MIN, 0x80},
    };
    uint64_t random = seed;
    struct pit_message message = sample_message(PIT_MESSAGE_NEW, SAMPLE_ANY, &random), back;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (uint32_t form = 0; form < 8; form++) {
            if (!(cases[i].forms >> form & 1u))
                continue;
            struct frame frame;
            frame_build(&frame, &message, 7, pack_width, &(struct width){cases[i].value, form});
            assert_int_equal(pit_message_decode(*state, frame.bytes, frame.used, &back, NULL), 0);
            assert_true(back.price == cases[i].value);
        }
    }
}

/* Lengths too: array 16 and 32, str 8, 16 and 32, bin 16 and 32. */
static void message_lengths_may_have_any_width(void **state)
{
    static const char *const arrays[] = {"\x94", "\xdc\x00\x04", "\xdd\x00\x00\x00\x04"};
    static const size_t array_bytes[] = {1, 3, 5};
    static const char *const strings[] = {"\xa2", "\xd9\x02", "\xda\x00\x02", "\xdb\x00\x00\x00\x02"};
    static const size_t string_bytes[] = {1, 2, 3, 5};
    for (uint32_t a = 0; a < 3; a++) {
        for (uint32_t s = 0; s < 4; s++) {
            struct frame frame = {.used = PIT_WIRE_LENGTH_BYTES};
            struct pit_message back;
            frame_write(&frame, arrays[a], array_bytes[a]);
            frame_write(&frame, "\x01\x01\x05", 3); /* logon, version 1, account 5 */
            frame_write(&frame, strings[s], string_bytes[s]);
            frame_write(&frame, "me", 2);
            frame_end(&frame);
            assert_int_equal(pit_message_decode(*state, frame.bytes, frame.used, &back, NULL), 0);
            assert_int_equal(back.account, 5);
            assert_string_equal(back.name, "me");
        }
    }
    static const char *const binaries[] = {"\xc4\x20", "\xc5\x00\x20", "\xc6\x00\x00\x00\x20"};
    for (uint32_t b = 0; b < 3; b++) {
        struct frame frame = {.used = PIT_WIRE_LENGTH_BYTES};
        struct pit_message back;
        frame_write(&frame, "\x92\x02", 2);
        frame_write(&frame, binaries[b], string_bytes[b + 1]);
        frame_write(&frame, "0123456789abcdef0123456789ABCDEF", 32);
        frame_end(&frame);
        assert_int_equal(pit_message_decode(*state, frame.bytes, frame.used, &back, NULL), 0);
        assert_memory_equal(back.proof, "0123456789abcdef0123456789ABCDEF", 32);
    }
}

static void pack_nil(msgpack_packer *packer, const void *argument)
{
    (void)argument;
    msgpack_pack_nil(packer);
}
static void pack_true(msgpack_packer *packer, const void *argument)
{
    (void)argument;
    msgpack_pack_true(packer);
}
static void pack_float(msgpack_packer *packer, const void *argument)
{
    (void)argument;
    msgpack_pack_double(packer, 1.0);
}
static void pack_array(msgpack_packer *packer, const void *argument)
{
    (void)argument;
    msgpack_pack_array(packer, 0);
}
static void pack_map(msgpack_packer *packer, const void *argument)
{
    (void)argument;
    msgpack_pack_map(packer, 0);
}
static void pack_extension(msgpack_packer *packer, const void *argument)
{
    (void)argument;
    msgpack_pack_timestamp(packer, &(msgpack_timestamp){0});
}
static void pack_unsigned(msgpack_packer *packer, const void *argument)
{
    msgpack_pack_uint64(packer, *(const uint64_t *)argument);
}
static void pack_signed(msgpack_packer *packer, const void *argument)
{
    msgpack_pack_int64(packer, *(const int64_t *)argument);
}
static void pack_string(msgpack_packer *packer, const void *argument)
{
    msgpack_pack_str(packer, strlen(argument));
    msgpack_pack_str_body(packer, argument, strlen(argument));
}
static void pack_binary(msgpack_packer *packer, const void *argument)
{
    msgpack_pack_bin(packer, strlen(argument));
    msgpack_pack_bin_body(packer, argument, strlen(argument));
}

/* Decodes a frame that must be refused, and that with a text that has `says` in it. */
static void check_refused(struct pit_decoder *decoder, const struct frame *frame, int code, const char *says)
{
    struct pit_message back;
    struct pit_error error = {0};
    int result = pit_message_decode(decoder, frame->bytes, frame->used, &back, &error);
    if (result != code)
        fail_msg("expected %d and \"%s\", got %d and \"%s\"", code, says, result, error.text);
    if (!strstr(error.text, says))
        fail_msg("expected \"%s\" in \"%s\"", says, error.text);
    assert_int_equal(pit_message_decode(decoder, frame->bytes, frame->used, &back, NULL), code);
}

static void message_refuses_elements_that_no_message_has(void **state)
{
    static const struct {
        void (*pack)(msgpack_packer *packer, const void *argument);
        const char *says;
    } odd[] = {{pack_nil, "has type nil"},     {pack_true, "has type true"}, {pack_float, "has type float"},
               {pack_array, "has type array"}, {pack_map, "has type map"},   {pack_extension, "has type extension"}};
    uint64_t random = seed;
    for (uint32_t kind = 0; kind < PIT_SHAPES; kind++) {
        if (!pit_shapes[kind].known)
            continue;
        struct pit_message message = sample_message((enum pit_message_kind)kind, SAMPLE_ANY, &random);
        for (uint32_t place = 0; place <= pit_shapes[kind].count; place++) {
            for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
                struct frame frame;
                frame_build(&frame, &message, place, odd[i].pack, NULL);
                check_refused(*state, &frame, -EPROTO, odd[i].says);
            }
        }
    }
}

/* Every field of every kind with a wrong type: the stream is not this protocol. */
static void message_refuses_fields_of_the_wrong_type(void **state)
{
    uint64_t random = seed, one = 1;
    for (uint32_t kind = 0; kind < PIT_SHAPES; kind++) {
        struct pit_message message = sample_message((enum pit_message_kind)kind, SAMPLE_ANY, &random);
        for (uint32_t i = 0; i < pit_shapes[kind].count; i++) {
            const struct pit_field *field = &pit_shapes[kind].fields[i];
            bool text = field->type == PIT_FIELD_TEXT || field->type == PIT_FIELD_WORD;
            struct frame frame;
            char says[64];
            snprintf(says, sizeof says, "%s: %s is ", pit_message_kind_name(kind), field->name);
            if (!text) {
                frame_build(&frame, &message, i + 1, pack_string, "1");
                check_refused(*state, &frame, -EPROTO, says);
            }
            if (field->type != PIT_FIELD_BYTES) {
                frame_build(&frame, &message, i + 1, pack_binary, "1");
                check_refused(*state, &frame, -EPROTO, says);
            }
            if (text || field->type == PIT_FIELD_BYTES) {
                frame_build(&frame, &message, i + 1, pack_unsigned, &one);
                check_refused(*state, &frame, -EPROTO, says);
            }
        }
    }
}

static int range_code(uint32_t kind, uint32_t field)
{
    return pit_shapes[kind].request && field > 0 ? -ERANGE : -EPROTO;
}

/* Every integer of every kind, one below its least and one above its most. */
static void message_refuses_integers_out_of_range(void **state)
{
    uint64_t random = seed;
    for (uint32_t kind = 0; kind < PIT_SHAPES; kind++) {
        struct pit_message message = sample_message((enum pit_message_kind)kind, SAMPLE_ANY, &random);
        for (uint32_t i = 0; i < pit_shapes[kind].count; i++) {
            const struct pit_field *field = &pit_shapes[kind].fields[i];
            if (field->type >= PIT_FIELD_TEXT)
                continue;
            struct frame frame;
            char says[64];
            int64_t below = field->min - 1;
            uint64_t above = field->max + 1;
            snprintf(says, sizeof says, "%s: %s is %lld", pit_message_kind_name(kind), field->name, (long long)below);
            frame_build(&frame, &message, i + 1, pack_signed, &below);
            check_refused(*state, &frame, range_code(kind, i), says);
            if (above == 0)
                continue;
            snprintf(says, sizeof says, "%s: %s is %llu", pit_message_kind_name(kind), field->name,
                     (unsigned long long)above);
            frame_build(&frame, &message, i + 1, pack_unsigned, &above);
            check_refused(*state, &frame, range_code(kind, i), says);
        }
    }
    /* REPLACE: a bit below the one that may be set. */
    struct pit_message message = sample_message(PIT_MESSAGE_REPLACE, SAMPLE_LEAST, &random);
    struct frame frame;
    frame_build(&frame, &message, 5, pack_unsigned, &(uint64_t){1});
    check_refused(*state, &frame, -ERANGE, "replace: flags is 1, may have no other bits than 0x02");
}

static void message_refuses_texts_out_of_range(void **state)
{
    static const struct {
        enum pit_message_kind kind;
        uint32_t place;
        const char *text;
    } cases[] = {
        {PIT_MESSAGE_LOGON, 3, "a name of thirty-two characters."},
        {PIT_MESSAGE_LOGON, 3, "line\nbreak"},
        {PIT_MESSAGE_LOGON, 3, "\x7f"},
        {PIT_MESSAGE_LOGON, 3, "gr\xc3\xbc\xc3\x9f"},
        {PIT_MESSAGE_SYMBOL, 2, ""},
        {PIT_MESSAGE_SYMBOL, 2, "BTC USD"},
        {PIT_MESSAGE_SYMBOL, 2, "0123456789abcdef"},
        {PIT_MESSAGE_BYE, 2,
         "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
         "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
    };
    uint64_t random = seed;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pit_message message = sample_message(cases[i].kind, SAMPLE_ANY, &random);
        struct frame frame;
        frame_build(&frame, &message, cases[i].place, pack_string, cases[i].text);
        check_refused(*state, &frame, -EPROTO, "printable ASCII characters");
    }
    struct pit_message message = sample_message(PIT_MESSAGE_PROOF, SAMPLE_ANY, &random);
    struct frame frame;
    frame_build(&frame, &message, 1, pack_binary, "31 bytes are one byte too few..");
    check_refused(*state, &frame, -EPROTO, "proof: proof is a binary of 31 bytes, must be a binary of 32 bytes");
}

/* What a server needs to answer with REJECTED. */
static void message_out_of_range_still_tells_its_request(void **state)
{
    struct pit_message message = {.kind = PIT_MESSAGE_NEW,
                                  .request = 77,
                                  .symbol = 3,
                                  .client_id = 9,
                                  .side = PIT_SIDE_SELL,
                                  .price = 5,
                                  .quantity = 6},
                       back;
    struct frame frame;
    struct pit_error error;
    frame_build(&frame, &message, 7, pack_signed, &(int64_t){INT64_MAX});
    assert_int_equal(pit_message_decode(*state, frame.bytes, frame.used, &back, &error), -ERANGE);
    assert_string_equal(error.text, "new: price is 9223372036854775807, must be an integer "
                                    "-2305843009213693951 .. 2305843009213693951");
    message.price = 0;
    assert_null(sample_difference(&message, &back));
}

static void message_refuses_wrong_counts_and_kinds(void **state)
{
    static const struct {
        const char *bytes;
        size_t count;
        const char *says;
    } cases[] = {
        {"\x91\x03", 2, "new: 1 elements, must be 9"},
        {"\x93\x08\x00\x00", 4, "heartbeat: 3 elements, must be 2"},
        {"\x91\x08", 2, "heartbeat: 1 elements, must be 2"},
        {"\x92\x09\x00", 3, "logout: 2 elements, must be 1"},
        {"\x91\x00", 2, "0 is no kind of message"},
        {"\x91\x0b", 2, "11 is no kind of message"},
        {"\x91\x2e", 2, "46 is no kind of message"},
        {"\x91\xff", 2, "-1 is no kind of message"},
        {"\x91\xcf\x80\x00\x00\x00\x00\x00\x00\x09", 10, "is no kind of message"},
        {"\x91\xa1\x09", 3, "must be the kind of message"},
        {"\x90", 1, "an array of 0 elements"},
        {"\x09", 1, "not an array: the frame starts with type integer (0x09)"},
        {"\x80", 1, "not an array: the frame starts with type map"},
        {"\xdf\xff\xff\xff\xff", 5, "not an array"},
        {"\xdc\x00", 2, "not an array"},
        {"\xdd\xff\xff\xff\xff", 5, "an array of 4294967295 elements"},
        {"\xdc\x00\x19\x00", 4, "an array of 25 elements, must be 1 .. 24"},
        {"\x92\x08", 2, "the frame ends after 1 of 2 elements"},
        {"\x91\x09\x00", 3, "1 bytes follow the array"},
        {"\x92\x08\xcf\x00\x00\x00\x00\x00\x00\x00", 10, "element 1 (integer, 0xcf) goes beyond the end"},
        {"\x92\x02\xc6\xff\xff\xff\xff", 7, "element 1 (binary, 0xc6) goes beyond the end"},
        {"\x92\x02\xc4", 3, "element 1 (binary, 0xc4) goes beyond the end"},
        {"\x94\x01\x01\x05\xa3me", 7, "element 3 (string, 0xa3) goes beyond the end"},
        {"\x92\x08\xc1", 3, "element 1 has type (unused)"},
        {"\x92\x08\xdf\xff\xff\xff\xff", 7, "element 1 has type map"},
        {"\x92\x08\xdd\xff\xff\xff\xff", 7, "element 1 has type array"},
        {"\x92\x08\xc9\xff\xff\xff\xff", 7, "element 1 has type extension"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct frame frame = {.used = PIT_WIRE_LENGTH_BYTES};
        frame_write(&frame, cases[i].bytes, cases[i].count);
        frame_end(&frame);
        check_refused(*state, &frame, -EPROTO, cases[i].says);
    }
    struct frame empty = {.used = PIT_WIRE_LENGTH_BYTES};
    check_refused(*state, &empty, -EPROTO, "a frame of 4 bytes");
    struct frame large = {.used = PIT_WIRE_FRAME_BYTES_MAX + 1};
    check_refused(*state, &large, -EPROTO, "a frame of 261 bytes");
}

static void frame_is_found_only_when_whole(void **state)
{
    (void)state;
    uint64_t random = seed;
    for (uint32_t kind = 0; kind < PIT_SHAPES; kind++) {
        if (!pit_shapes[kind].known)
            continue;
        struct pit_message message = sample_message((enum pit_message_kind)kind, SAMPLE_ANY, &random);
        uint8_t bytes[2 * PIT_WIRE_FRAME_BYTES_MAX];
        size_t used = pit_message_encode(&message, bytes, sizeof bytes);
        for (size_t count = 0; count < used; count++)
            assert_int_equal(pit_frame_find(bytes, count), 0);
        for (size_t count = used; count < sizeof bytes; count++)
            assert_int_equal(pit_frame_find(bytes, count), used);
    }
    static const uint8_t lengths[][4] = {{0, 0, 0, 0}, {0, 0, 1, 1}, {0xff, 0xff, 0xff, 0xff}, {0x80, 0, 0, 1}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pit_frame_find(lengths[i], 3), 0);
        assert_int_equal(pit_frame_find(lengths[i], 4), -EMSGSIZE);
    }
    static const uint8_t largest[4] = {0, 0, 1, 0};
    assert_int_equal(pit_frame_find(largest, 4), 0);
}

int main(void)
{
    seed = sample_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(message_of_every_kind_survives_the_wire, make_decoder, free_decoder),
        cmocka_unit_test(message_needs_its_room_and_no_more),
        cmocka_unit_test_setup_teardown(message_encoding_drops_flags_that_do_not_travel, make_decoder, free_decoder),
        cmocka_unit_test_setup_teardown(message_integers_may_have_any_width_that_holds_them, make_decoder,
                                        free_decoder),
        cmocka_unit_test_setup_teardown(message_lengths_may_have_any_width, make_decoder, free_decoder),
        cmocka_unit_test_setup_teardown(message_refuses_elements_that_no_message_has, make_decoder, free_decoder),
        cmocka_unit_test_setup_teardown(message_refuses_fields_of_the_wrong_type, make_decoder, free_decoder),
        cmocka_unit_test_setup_teardown(message_refuses_integers_out_of_range, make_decoder, free_decoder),
        cmocka_unit_test_setup_teardown(message_refuses_texts_out_of_range, make_decoder, free_decoder),
        cmocka_unit_test_setup_teardown(message_out_of_range_still_tells_its_request, make_decoder, free_decoder),
        cmocka_unit_test_setup_teardown(message_refuses_wrong_counts_and_kinds, make_decoder, free_decoder),
        cmocka_unit_test(frame_is_found_only_when_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
