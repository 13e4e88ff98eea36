/* test/wire/test_docs.c - docs/wire.md says what the code does: every field with its type and range, every reason, and
 * example frames that decode to what stands beside them and encode to the same bytes. */
#include <ctype.h>
#include <jansson.h>
#include <msgpack.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "test/wire/sample.h"

static char *page;

static int read_page(void **state)
{
    (void)state;
    FILE *file = fopen(PIT_WIRE_DOCUMENT, "r");
    if (!file)
        return -1;
    fseek(file, 0, SEEK_END);
    size_t bytes = (size_t)ftell(file);
    rewind(file);
    page = calloc(1, bytes + 1);
    size_t got = page ? fread(page, 1, bytes, file) : 0;
    fclose(file);
    return got == bytes ? 0 : -1;
}

static int free_page(void **state)
{
    (void)state;
    free(page);
    return 0;
}

/* The section under a heading, zero-ended; the caller frees it. */
static char *section_of(const char *heading)
{
    char line[80];
    snprintf(line, sizeof line, "\n### %s\n", heading);
    const char *start = strstr(page, line);
    if (!start)
        fail_msg("no section \"%s\"", heading);
    start += strlen(line);
    const char *end = strstr(start, "\n## "), *next = strstr(start, "\n### ");
    if (!end || (next && next < end))
        end = next;
    return strndup(start, end ? (size_t)(end - start) : strlen(start));
}

static char *section_of_kind(uint32_t kind)
{
    char heading[64];
    snprintf(heading, sizeof heading, "%s (%u)", pit_message_kind_name(kind), kind);
    for (char *at = heading; *at; at++)
        *at = (char)toupper((unsigned char)*at);
    return section_of(heading);
}

/* The start of a field's row. */
static void row_of(const struct pit_field *field, uint32_t place, char *row, size_t bytes)
{
    int used = snprintf(row, bytes, "\n| %u | `%s` | ", place, field->name);
    row += used;
    bytes -= (size_t)used;
    switch ((enum pit_field_type)field->type) {
    case PIT_FIELD_FLAGS:
        snprintf(row, bytes, "integer | bits of %llu | ", (unsigned long long)field->max);
        break;
    case PIT_FIELD_TEXT:
    case PIT_FIELD_WORD:
        snprintf(row, bytes, "string | %lld .. %llu printable ASCII characters%s | ", (long long)field->min,
                 (unsigned long long)field->max, field->type == PIT_FIELD_WORD ? ", no blank" : "");
        break;
    case PIT_FIELD_BYTES:
        snprintf(row, bytes, "binary | %llu bytes | ", (unsigned long long)field->max);
        break;
    default:
        snprintf(row, bytes, "integer | %lld .. %llu | ", (long long)field->min, (unsigned long long)field->max);
    }
}

static bool is_report(uint32_t kind)
{
    return kind >= PIT_MESSAGE_ACCEPTED && kind <= PIT_MESSAGE_STATE_CHANGED;
}

#define REPORT_FIELDS 7u /* that every report starts with */

/* Rows first .. last of the kind stand in the section, in order, and none after them. */
static void check_rows(const char *section, uint32_t kind, uint32_t first, uint32_t last)
{
    const char *at = section;
    char row[256];
    for (uint32_t place = first; place <= last; place++) {
        row_of(&pit_shapes[kind].fields[place - 1], place, row, sizeof row);
        at = strstr(at, row);
        if (!at)
            fail_msg("%s: this row is missing or out of order: %s", pit_message_kind_name(kind), row + 1);
    }
    snprintf(row, sizeof row, "\n| %u | `", last + 1);
    assert_null(strstr(section, row));
}

static void document_lists_every_field_with_its_range(void **state)
{
    (void)state;
    char *common = section_of("Fields of every report");
    for (uint32_t kind = 0; kind < PIT_SHAPES; kind++) {
        if (!pit_shapes[kind].known)
            continue;
        char *section = section_of_kind(kind);
        if (is_report(kind))
            check_rows(common, kind, 1, REPORT_FIELDS);
        check_rows(section, kind, is_report(kind) ? REPORT_FIELDS + 1 : 1, pit_shapes[kind].count);
        free(section);
    }
    free(common);
}

static void document_lists_every_reason(void **state)
{
    (void)state;
    uint32_t listed = 0, rows = 0;
    for (uint32_t reason = 0; reason < 1000; reason++) {
        char row[64];
        snprintf(row, sizeof row, "\n| %u | `%s` | ", reason, pit_reason_name((enum pit_reason)reason));
        if (strcmp(pit_reason_name((enum pit_reason)reason), "?") != 0) {
            if (!strstr(page, row))
                fail_msg("no row for reason %u", reason);
            listed++;
        }
    }
    const char *at = strstr(page, "\n## Reasons");
    const char *end = at ? strstr(at, "\n## Limits") : NULL;
    assert_non_null(end);
    for (at = strstr(at, "\n| "); at && at < end; at = strstr(at + 1, "\n| "))
        rows++;
    assert_int_equal(rows, listed + 1); /* with the table's head */
}

/* An element of the JSON array is what msgpack-c finds in the frame. */
static void check_element(const json_t *json, const msgpack_object *object)
{
    char hex[2 * 64 + 1];
    switch (object->type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        assert_true(json_is_integer(json));
        assert_true(json_integer_value(json) == object->via.i64);
        break;
    case MSGPACK_OBJECT_STR:
        assert_true(json_is_string(json));
        assert_int_equal(json_string_length(json), object->via.str.size);
        assert_memory_equal(json_string_value(json), object->via.str.ptr, object->via.str.size);
        break;
    case MSGPACK_OBJECT_BIN:
        assert_true(json_is_string(json));
        assert_in_range(object->via.bin.size, 1, 64);
        for (uint32_t i = 0; i < object->via.bin.size; i++)
            snprintf(hex + (size_t)2 * i, 3, "%02x", (uint8_t)object->via.bin.ptr[i]);
        assert_memory_equal(json_string_value(json), "0x", 2);
        assert_string_equal(json_string_value(json) + 2, hex);
        break;
    default:
        fail_msg("an element of type %d", object->type);
    }
}

/* `name [json]`, a line, then hex over some lines, up to the closing fence. Returns the kind. */
static uint32_t check_example(const char *example, const char *end)
{
    uint8_t bytes[PIT_WIRE_FRAME_BYTES_MAX], again[PIT_WIRE_FRAME_BYTES_MAX];
    size_t count = 0, offset = 0;
    const char *line_end = strchr(example, '\n'), *array = strchr(example, '[');
    assert_true(line_end && array && array < line_end);
    for (const char *at = line_end + 1; at < end; at += 3) {
        unsigned int byte;
        assert_true(count < sizeof bytes);
        assert_int_equal(sscanf(at, "%2x", &byte), 1);
        bytes[count++] = (uint8_t)byte;
    }
    struct pit_decoder *decoder = pit_decoder_create();
    struct pit_message message;
    struct pit_error error = {0};
    assert_int_equal(pit_frame_find(bytes, count), count);
    if (pit_message_decode(decoder, bytes, count, &message, &error) < 0)
        fail_msg("%s", error.text);
    pit_decoder_destroy(decoder);
    assert_int_equal(pit_message_encode(&message, again, sizeof again), count);
    assert_memory_equal(again, bytes, count);

    const char *name = pit_message_kind_name(message.kind);
    assert_memory_equal(example, name, strlen(name));
    json_t *json = json_loadb(array, (size_t)(line_end - array), 0, NULL);
    msgpack_zone zone;
    msgpack_object object;
    msgpack_zone_init(&zone, 2048);
    assert_int_equal(msgpack_unpack((const char *)bytes + PIT_WIRE_LENGTH_BYTES, count - PIT_WIRE_LENGTH_BYTES, &offset,
                                    &zone, &object),
                     MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(json_array_size(json), object.via.array.size);
    for (uint32_t i = 0; i < object.via.array.size; i++)
        check_element(json_array_get(json, i), &object.via.array.ptr[i]);
    msgpack_zone_destroy(&zone);
    json_decref(json);
    return message.kind;
}

static void document_examples_are_real_frames(void **state)
{
    (void)state;
    static const char fence[] = "\n```frame\n";
    bool shown[PIT_SHAPES] = {false};
    for (const char *at = strstr(page, fence); at; at = strstr(at, fence)) {
        at += strlen(fence);
        const char *end = strstr(at, "\n```");
        assert_non_null(end);
        shown[check_example(at, end)] = true;
    }
    for (uint32_t kind = 0; kind < PIT_SHAPES; kind++)
        assert_int_equal(shown[kind], pit_shapes[kind].known);
}

static void document_shows_the_right_proof(void **state)
{
    (void)state;
    uint8_t nonce[PIT_WIRE_NONCE_BYTES], proof[PIT_WIRE_PROOF_BYTES];
    char hex[2 * PIT_WIRE_PROOF_BYTES + 3] = "`";
    for (uint32_t i = 0; i < sizeof nonce; i++)
        nonce[i] = (uint8_t)i;
    pit_wire_proof((const uint8_t *)"sixteen byte key", 16, nonce, 7, proof);
    for (uint32_t i = 0; i < sizeof proof; i++)
        snprintf(hex + 1 + (size_t)2 * i, 3, "%02x", proof[i]);
    strcat(hex, "`");
    assert_non_null(strstr(page, hex));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(document_lists_every_field_with_its_range),
        cmocka_unit_test(document_lists_every_reason),
        cmocka_unit_test(document_examples_are_real_frames),
        cmocka_unit_test(document_shows_the_right_proof),
    };
    return cmocka_run_group_tests(tests, read_page, free_page);
}
