/* wire/fields.h - the shape of every message: one table that encoding, decoding and the tests all go by.
 *
 * Constant data; any thread reads it.
 */
#ifndef PIT_WIRE_FIELDS_H
#define PIT_WIRE_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/message.h"

enum pit_field_type {
    PIT_FIELD_U8,    /* integer min .. max, stored in 8 bits */
    PIT_FIELD_FLAGS, /* integer with no other bits than those of max, stored in 8 bits */
    PIT_FIELD_U32,   /* integer min .. max in 32 bits; enums too */
    PIT_FIELD_U64,   /* likewise in 64 bits */
    PIT_FIELD_I64,   /* integer min .. max, either may be negative */
    PIT_FIELD_TEXT,  /* string of min .. max printable ASCII characters, stored with a closing zero */
    PIT_FIELD_WORD,  /* likewise, without blanks */
    PIT_FIELD_BYTES, /* binary of exactly max bytes */
};

struct pit_field {
    const char *name;
    int64_t min;     /* of the value; TEXT, WORD: of the length */
    uint64_t max;    /* likewise; BYTES: the length */
    uint16_t offset; /* in struct pit_message */
    uint8_t type;    /* enum pit_field_type */
};

#define PIT_SHAPES (PIT_MESSAGE_RESULT + 1u)

struct pit_shape {
    const struct pit_field *fields; /* in the order of the wire */
    uint8_t count;                  /* without the kind; 0 and fields NULL: no such message */
    bool known;
    bool request; /* the first field is a request that can be answered with REJECTED */
};

/* By message kind. */
extern const struct pit_shape pit_shapes[PIT_SHAPES];

#endif
