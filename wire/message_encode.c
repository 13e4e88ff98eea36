/* wire/message_encode.c - messages into frames, with msgpack-c's packer writing straight into the caller's buffer. */
#include <msgpack.h>
#include <string.h>

#include "ring/check.h"
#include "wire/fields.h"

/* Where the packer writes. */
struct window {
    uint8_t *at;
    uint8_t *end;
};

static inline int window_write(void *context, const char *bytes, size_t count)
{
    struct window *window = context;
    if (__builtin_expect(count > (size_t)(window->end - window->at), 0))
        return -1;
    memcpy(window->at, bytes, count);
    window->at += count;
    return 0;
}

static inline uint32_t load_u32(const uint8_t *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline uint64_t load_u64(const uint8_t *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

static int pack_text(msgpack_packer *packer, const char *text, size_t bytes_max)
{
    size_t bytes = strnlen(text, bytes_max);
    return msgpack_pack_str(packer, bytes) | msgpack_pack_str_body(packer, text, bytes);
}

static inline int pack_field(msgpack_packer *packer, const struct pit_field *field, const uint8_t *from)
{
    switch ((enum pit_field_type)field->type) {
    case PIT_FIELD_U8:
        return msgpack_pack_uint8(packer, *from);
    case PIT_FIELD_FLAGS:
        return msgpack_pack_uint8(packer, (uint8_t)(*from & field->max));
    case PIT_FIELD_U32:
        return msgpack_pack_uint32(packer, load_u32(from));
    case PIT_FIELD_U64:
        return msgpack_pack_uint64(packer, load_u64(from));
    case PIT_FIELD_I64:
        return msgpack_pack_int64(packer, (int64_t)load_u64(from));
    case PIT_FIELD_TEXT:
    case PIT_FIELD_WORD:
        return pack_text(packer, (const char *)from, (size_t)field->max);
    case PIT_FIELD_BYTES:
        return msgpack_pack_bin(packer, (size_t)field->max) | msgpack_pack_bin_body(packer, from, (size_t)field->max);
    }
    __builtin_unreachable();
}

size_t pit_message_encode(const struct pit_message *message, uint8_t *bytes, size_t room)
{
    PIT_CHECK((uint32_t)message->kind < PIT_SHAPES && pit_shapes[message->kind].known);
    const struct pit_shape *shape = &pit_shapes[message->kind];
    if (room <= PIT_WIRE_LENGTH_BYTES)
        return 0;
    struct window window = {bytes + PIT_WIRE_LENGTH_BYTES, bytes + room};
    msgpack_packer packer = {&window, window_write};
    int failed = msgpack_pack_array(&packer, shape->count + 1u) | msgpack_pack_uint8(&packer, (uint8_t)message->kind);
    for (uint32_t i = 0; i < shape->count; i++)
        failed |= pack_field(&packer, &shape->fields[i], (const uint8_t *)message + shape->fields[i].offset);
    if (__builtin_expect(failed, 0))
        return 0;
    size_t used = (size_t)(window.at - bytes);
    PIT_HOT_CHECK(used <= PIT_WIRE_FRAME_BYTES_MAX);
    uint32_t length = __builtin_bswap32((uint32_t)(used - PIT_WIRE_LENGTH_BYTES));
    memcpy(bytes, &length, sizeof length);
    return used;
}
