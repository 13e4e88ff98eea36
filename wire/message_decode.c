/* wire/message_decode.c - frames into messages. Whatever the bytes are, nothing outside them is read, nothing is
 * allocated, and the work is bounded by the frame's length.
 *
 * Two steps: the walk takes the array apart into elements, accepting only what every message has (one flat array of
 * integers, strings and binaries that fills the frame); then the kind's table of fields says what each element must be.
 *
 * msgpack-c's own unpacking is not used here. It needs the walk in front of it all the same, since it believes the
 * length of an array or map before it has seen the elements; behind the walk it would find out again what the walk has
 * just seen, for 100 ns a message against the 20 to 50 ns of everything here. Tests hold the two against each other.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "wire/fields.h"

enum element_type { ELEMENT_POSITIVE, ELEMENT_NEGATIVE, ELEMENT_STRING, ELEMENT_BINARY };

struct element {
    uint64_t value;       /* integers: the value, as int64_t if negative; else the length */
    const uint8_t *bytes; /* strings and binaries */
    enum element_type type;
};

struct pit_decoder {
    struct element elements[PIT_WIRE_ELEMENTS_MAX];
    uint32_t count;
};

struct pit_decoder *pit_decoder_create(void)
{
    return calloc(1, sizeof(struct pit_decoder));
}

void pit_decoder_destroy(struct pit_decoder *decoder)
{
    free(decoder);
}

int64_t pit_frame_find(const uint8_t *bytes, size_t count)
{
    if (count < PIT_WIRE_LENGTH_BYTES)
        return 0;
    uint32_t length;
    memcpy(&length, bytes, sizeof length);
    length = __builtin_bswap32(length);
    if (length == 0 || length > PIT_WIRE_MESSAGE_BYTES_MAX)
        return -EMSGSIZE;
    size_t frame_bytes = PIT_WIRE_LENGTH_BYTES + length;
    return count >= frame_bytes ? (int64_t)frame_bytes : 0;
}

/* A big-endian integer of 1, 2, 4 or 8 bytes. */
static inline uint64_t big_endian(const uint8_t *bytes, uint32_t width)
{
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    switch (width) {
    case 1:
        return bytes[0];
    case 2:
        memcpy(&u16, bytes, sizeof u16);
        return __builtin_bswap16(u16);
    case 4:
        memcpy(&u32, bytes, sizeof u32);
        return __builtin_bswap32(u32);
    default:
        memcpy(&u64, bytes, sizeof u64);
        return __builtin_bswap64(u64);
    }
}

static inline void element_signed(struct element *element, int64_t value)
{
    element->type = value < 0 ? ELEMENT_NEGATIVE : ELEMENT_POSITIVE;
    element->value = (uint64_t)value;
}

static int64_t sign_extended(uint64_t value, uint32_t width)
{
    uint32_t shift = 64 - 8 * width;
    return (int64_t)(value << shift) >> shift;
}

/* Reads one element of at most `left` bytes (>= 1). Returns the bytes it takes; 0 = not an element of a message, or it
 * does not end within left. */
static inline size_t element_read(struct element *element, const uint8_t *bytes, size_t left)
{
    uint8_t tag = bytes[0];
    size_t used;
    if (tag <= 0x7f || tag >= 0xe0) { /* small integers */
        element_signed(element, (int8_t)tag);
        return 1;
    }
    if (tag >= 0xcc && tag <= 0xd3) { /* uint 8, 16, 32, 64, int 8, 16, 32, 64 */
        uint32_t width = 1u << (tag & 3u);
        used = 1 + width;
        if (left < used)
            return 0;
        element->type = ELEMENT_POSITIVE;
        element->value = big_endian(bytes + 1, width);
        if (tag >= 0xd0)
            element_signed(element, sign_extended(element->value, width));
        return used;
    }
    size_t head = 1;
    if (tag >= 0xa0 && tag <= 0xbf) { /* short string */
        element->type = ELEMENT_STRING;
        element->value = tag & 0x1fu;
    } else if ((tag >= 0xc4 && tag <= 0xc6) || (tag >= 0xd9 && tag <= 0xdb)) { /* binary, string of length 8, 16, 32 */
        bool binary = tag <= 0xc6;
        uint32_t width = 1u << (tag - (binary ? 0xc4 : 0xd9));
        head += width;
        if (left < head)
            return 0;
        element->type = binary ? ELEMENT_BINARY : ELEMENT_STRING;
        element->value = big_endian(bytes + 1, width);
    } else {
        return 0;
    }
    if (element->value > left - head)
        return 0;
    element->bytes = bytes + head;
    return head + (size_t)element->value;
}

/* What an element starts with, for people. */
static const char *tag_name(uint8_t tag)
{
    if (tag >= 0x80 && tag <= 0x8f)
        return "map";
    if (tag >= 0x90 && tag <= 0x9f)
        return "array";
    static const char *const names[32] = {
        "nil",       "(unused)",  "false",   "true",    "binary",    "binary",    "binary",    "extension",
        "extension", "extension", "float",   "float",   "integer",   "integer",   "integer",   "integer",
        "integer",   "integer",   "integer", "integer", "extension", "extension", "extension", "extension",
        "extension", "string",    "string",  "string",  "array",     "array",     "map",       "map"};
    if (tag >= 0xc0 && tag <= 0xdf)
        return names[tag - 0xc0];
    return tag >= 0xa0 && tag <= 0xbf ? "string" : "integer";
}

static int refuse_element(struct pit_error *error, uint32_t place, const uint8_t *bytes)
{
    static const char *const allowed[] = {"integer", "string", "binary"};
    for (uint32_t i = 0; i < 3; i++)
        if (strcmp(tag_name(bytes[0]), allowed[i]) == 0)
            return pit_error_set(error, -EPROTO, "element %u (%s, 0x%02x) goes beyond the end of the frame", place,
                                 allowed[i], bytes[0]);
    return pit_error_set(error, -EPROTO, "element %u has type %s (0x%02x): send integers, strings and binaries only",
                         place, tag_name(bytes[0]), bytes[0]);
}

/* The array's header. Returns its bytes, 0 = not an array. */
static size_t array_read(const uint8_t *bytes, size_t left, uint64_t *count)
{
    if ((bytes[0] & 0xf0) == 0x90) {
        *count = bytes[0] & 0x0fu;
        return 1;
    }
    uint32_t width = bytes[0] == 0xdc ? 2 : 4;
    if ((bytes[0] != 0xdc && bytes[0] != 0xdd) || left < 1 + width)
        return 0;
    *count = big_endian(bytes + 1, width);
    return 1 + width;
}

/* Takes the array apart into decoder->elements. left >= 1. */
static int walk(struct pit_decoder *decoder, const uint8_t *bytes, size_t left, struct pit_error *error)
{
    uint64_t count = 0;
    size_t used = array_read(bytes, left, &count);
    if (used == 0)
        return pit_error_set(error, -EPROTO, "not an array: the frame starts with type %s (0x%02x)", tag_name(bytes[0]),
                             bytes[0]);
    if (count == 0 || count > PIT_WIRE_ELEMENTS_MAX)
        return pit_error_set(error, -EPROTO, "an array of %" PRIu64 " elements, must be 1 .. %u", count,
                             PIT_WIRE_ELEMENTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        bytes += used;
        left -= used;
        if (left == 0)
            return pit_error_set(error, -EPROTO, "the frame ends after %u of %" PRIu64 " elements", i, count);
        used = element_read(&decoder->elements[i], bytes, left);
        if (__builtin_expect(used == 0, 0))
            return refuse_element(error, i, bytes);
    }
    if (left != used)
        return pit_error_set(error, -EPROTO, "%zu bytes follow the array in its frame", left - used);
    decoder->count = (uint32_t)count;
    return 0;
}

static inline void store_u32(uint8_t *to, uint32_t value)
{
    memcpy(to, &value, sizeof value);
}

static inline void store_u64(uint8_t *to, uint64_t value)
{
    memcpy(to, &value, sizeof value);
}

static bool text_good(const struct pit_field *field, const struct element *element)
{
    if (element->value < (uint64_t)field->min || element->value > field->max)
        return false;
    for (uint64_t i = 0; i < element->value; i++) {
        uint8_t character = element->bytes[i];
        if (character < 0x20 || character > 0x7e || (character == ' ' && field->type == PIT_FIELD_WORD))
            return false;
    }
    return true;
}

/* Puts an element where its field belongs. 0; -EPROTO: wrong type; -ERANGE: right type, wrong value. */
static inline int field_store(const struct pit_field *field, const struct element *element, uint8_t *to)
{
    uint64_t value = element->value;
    switch ((enum pit_field_type)field->type) {
    case PIT_FIELD_U8:
    case PIT_FIELD_FLAGS:
    case PIT_FIELD_U32:
    case PIT_FIELD_U64:
        if (element->type != ELEMENT_POSITIVE)
            return element->type == ELEMENT_NEGATIVE ? -ERANGE : -EPROTO;
        if (value > field->max || value < (uint64_t)field->min)
            return -ERANGE;
        if (field->type == PIT_FIELD_U64) {
            store_u64(to, value);
        } else if (field->type == PIT_FIELD_U32) {
            store_u32(to, (uint32_t)value);
        } else {
            if (field->type == PIT_FIELD_FLAGS && (value & ~field->max))
                return -ERANGE;
            *to = (uint8_t)value;
        }
        return 0;
    case PIT_FIELD_I64:
        if (element->type == ELEMENT_POSITIVE ? value > field->max
                                              : (int64_t)value < field->min || element->type != ELEMENT_NEGATIVE)
            return element->type <= ELEMENT_NEGATIVE ? -ERANGE : -EPROTO;
        store_u64(to, value);
        return 0;
    case PIT_FIELD_TEXT:
    case PIT_FIELD_WORD:
        if (element->type != ELEMENT_STRING)
            return -EPROTO;
        if (!text_good(field, element))
            return -ERANGE;
        memcpy(to, element->bytes, value);
        to[value] = 0;
        return 0;
    case PIT_FIELD_BYTES:
        if (element->type != ELEMENT_BINARY)
            return -EPROTO;
        if (value != field->max)
            return -ERANGE;
        memcpy(to, element->bytes, value);
        return 0;
    }
    __builtin_unreachable();
}

/* Fills error for a field that field_store refused. */
static int refuse_field(struct pit_error *error, int code, uint32_t kind, const struct pit_field *field,
                        const struct element *element)
{
    static const char *const words[] = {"an integer", "an integer", "a string", "a binary"};
    const char *message = pit_message_kind_name(kind);
    char is[48];
    if (element->type == ELEMENT_POSITIVE)
        snprintf(is, sizeof is, "%" PRIu64, element->value);
    else if (element->type == ELEMENT_NEGATIVE)
        snprintf(is, sizeof is, "%" PRId64, (int64_t)element->value);
    else
        snprintf(is, sizeof is, "%s of %" PRIu64 " bytes", words[element->type], element->value);
    switch ((enum pit_field_type)field->type) {
    case PIT_FIELD_TEXT:
    case PIT_FIELD_WORD:
        return pit_error_set(
            error, code, "%s: %s is %s, must be a string of %" PRId64 " .. %" PRIu64 " printable ASCII characters%s",
            message, field->name, is, field->min, field->max, field->type == PIT_FIELD_WORD ? " without blanks" : "");
    case PIT_FIELD_BYTES:
        return pit_error_set(error, code, "%s: %s is %s, must be a binary of %" PRIu64 " bytes", message, field->name,
                             is, field->max);
    case PIT_FIELD_FLAGS:
        return pit_error_set(error, code, "%s: %s is %s, may have no other bits than 0x%02" PRIx64, message,
                             field->name, is, field->max);
    default:
        return pit_error_set(error, code, "%s: %s is %s, must be an integer %" PRId64 " .. %" PRIu64, message,
                             field->name, is, field->min, field->max);
    }
}

/* The kind's shape, or NULL with error set. */
static const struct pit_shape *shape_find(const struct pit_decoder *decoder, struct pit_error *error)
{
    const struct element *kind = &decoder->elements[0];
    if (kind->type != ELEMENT_POSITIVE || kind->value >= PIT_SHAPES || !pit_shapes[kind->value].known) {
        if (kind->type <= ELEMENT_NEGATIVE)
            pit_error_set(error, -EPROTO, "%" PRId64 " is no kind of message", (int64_t)kind->value);
        else
            pit_error_set(error, -EPROTO, "the first element is not an integer: it must be the kind of message");
        return NULL;
    }
    const struct pit_shape *shape = &pit_shapes[kind->value];
    if (decoder->count != shape->count + 1u) {
        pit_error_set(error, -EPROTO, "%s: %u elements, must be %u", pit_message_kind_name((uint32_t)kind->value),
                      decoder->count, shape->count + 1u);
        return NULL;
    }
    return shape;
}

int pit_message_decode(struct pit_decoder *decoder, const uint8_t *bytes, size_t frame_bytes,
                       struct pit_message *message, struct pit_error *error)
{
    if (frame_bytes <= PIT_WIRE_LENGTH_BYTES || frame_bytes > PIT_WIRE_FRAME_BYTES_MAX)
        return pit_error_set(error, -EPROTO, "a frame of %zu bytes, must be %u .. %u", frame_bytes,
                             PIT_WIRE_LENGTH_BYTES + 1, PIT_WIRE_FRAME_BYTES_MAX);
    if (walk(decoder, bytes + PIT_WIRE_LENGTH_BYTES, frame_bytes - PIT_WIRE_LENGTH_BYTES, error) < 0)
        return -EPROTO;
    const struct pit_shape *shape = shape_find(decoder, error);
    if (!shape)
        return -EPROTO;
    memset(message, 0, offsetof(struct pit_message, name));
    uint32_t kind = (uint32_t)decoder->elements[0].value;
    int result = 0;
    for (uint32_t i = 0; i < shape->count; i++) {
        const struct pit_field *field = &shape->fields[i];
        const struct element *element = &decoder->elements[i + 1];
        int code = field_store(field, element, (uint8_t *)message + field->offset);
        if (__builtin_expect(code == 0, 1))
            continue;
        if (code == -EPROTO || !shape->request || i == 0) /* no way to answer without knowing the request */
            return refuse_field(error, -EPROTO, kind, field, element);
        if (result == 0) /* name the first, go through the rest */
            result = refuse_field(error, -ERANGE, kind, field, element);
    }
    message->kind = (enum pit_message_kind)kind;
    return result;
}
