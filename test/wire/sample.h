/* test/wire/sample.h - messages to test with: every kind, every field at its ends or anywhere in between. */
#ifndef PIT_TEST_WIRE_SAMPLE_H
#define PIT_TEST_WIRE_SAMPLE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire/fields.h"

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static inline uint64_t sample_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* PIT_SEED, or the clock; printed so that a failure can be had again. */
static inline uint64_t sample_seed(void)
{
    const char *text = getenv("PIT_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
    printf("# PIT_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

enum sample_corner { SAMPLE_LEAST, SAMPLE_MOST, SAMPLE_ANY, SAMPLE_CORNERS };

/* A value of the field: integers as such (I64 as its bits), texts and binaries as a length. */
static inline uint64_t sample_value(const struct pit_field *field, enum sample_corner corner, uint64_t *state)
{
    uint64_t least = (uint64_t)field->min, most = field->max;
    if (corner != SAMPLE_ANY)
        return corner == SAMPLE_LEAST ? least : most;
    if (field->type == PIT_FIELD_FLAGS)
        return sample_random(state) & most;
    uint64_t span = most - least, pick = sample_random(state);
    pick >>= sample_random(state) & 63u; /* all lengths of integers */
    return least + (span == UINT64_MAX ? pick : pick % (span + 1));
}

static inline void sample_fill(const struct pit_field *field, enum sample_corner corner, uint64_t *state, uint8_t *to)
{
    uint64_t value = sample_value(field, corner, state);
    uint32_t low = (uint32_t)value;
    switch ((enum pit_field_type)field->type) {
    case PIT_FIELD_U8:
    case PIT_FIELD_FLAGS:
        *to = (uint8_t)value;
        break;
    case PIT_FIELD_U32:
        memcpy(to, &low, sizeof low);
        break;
    case PIT_FIELD_U64:
    case PIT_FIELD_I64:
        memcpy(to, &value, sizeof value);
        break;
    case PIT_FIELD_TEXT:
    case PIT_FIELD_WORD:
        for (uint64_t i = 0; i < value; i++)
            to[i] = (uint8_t)('!' + sample_random(state) % 94);
        to[value] = 0;
        break;
    case PIT_FIELD_BYTES:
        for (uint64_t i = 0; i < field->max; i++)
            to[i] = (uint8_t)sample_random(state);
        break;
    }
}

static inline struct pit_message sample_message(enum pit_message_kind kind, enum sample_corner corner, uint64_t *state)
{
    struct pit_message message;
    memset(&message, 0, sizeof message);
    message.kind = kind;
    const struct pit_shape *shape = &pit_shapes[kind];
    for (uint32_t i = 0; i < shape->count; i++)
        sample_fill(&shape->fields[i], corner, state, (uint8_t *)&message + shape->fields[i].offset);
    return message;
}

/* Bytes a field has in struct pit_message, as far as they count. */
static inline size_t sample_field_bytes(const struct pit_field *field, const uint8_t *at)
{
    switch ((enum pit_field_type)field->type) {
    case PIT_FIELD_U8:
    case PIT_FIELD_FLAGS:
        return 1;
    case PIT_FIELD_U32:
        return 4;
    case PIT_FIELD_U64:
    case PIT_FIELD_I64:
        return 8;
    case PIT_FIELD_TEXT:
    case PIT_FIELD_WORD:
        return strlen((const char *)at) + 1;
    case PIT_FIELD_BYTES:
        break;
    }
    return (size_t)field->max;
}

/* The first field that differs, or NULL. */
static inline const char *sample_difference(const struct pit_message *a, const struct pit_message *b)
{
    if (a->kind != b->kind)
        return "kind";
    const struct pit_shape *shape = &pit_shapes[a->kind];
    for (uint32_t i = 0; i < shape->count; i++) {
        const uint8_t *left = (const uint8_t *)a + shape->fields[i].offset;
        const uint8_t *right = (const uint8_t *)b + shape->fields[i].offset;
        if (memcmp(left, right, sample_field_bytes(&shape->fields[i], left)) != 0)
            return shape->fields[i].name;
    }
    return NULL;
}

#endif
