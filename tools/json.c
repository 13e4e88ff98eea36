/* tools/json.c - see json.h. */
#include "tools/json.h"

#include <errno.h>
#include <string.h>

#define ESCAPE_BYTES 6u  /* \u00xx */
#define NUMBER_BYTES 20u /* of the longest 64-bit number, with its sign */

static void put(struct pit_json *json, const char *bytes, size_t count)
{
    memcpy(json->line + json->used, bytes, count);
    json->used += count;
}

/* Opens a member whose value takes at most value_bytes. False: there is no room for it. */
static bool member(struct pit_json *json, const char *name, size_t value_bytes)
{
    size_t name_bytes = strlen(name);
    if (json->used + name_bytes + value_bytes + 8 > sizeof json->line)
        return false;
    if (json->used > 1)
        json->line[json->used++] = ',';
    json->line[json->used++] = '"';
    put(json, name, name_bytes);
    put(json, "\":", 2);
    return true;
}

void pit_json_begin(struct pit_json *json)
{
    json->line[0] = '{';
    json->used = 1;
}

static void put_escaped(struct pit_json *json, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    if (byte == '"' || byte == '\\') {
        json->line[json->used++] = '\\';
        json->line[json->used++] = (char)byte;
    } else if (byte < 0x20 || byte > 0x7e) { /* bytes beyond ASCII stand for themselves as Latin-1 */
        put(json, "\\u00", 4);
        json->line[json->used++] = hex[byte >> 4];
        json->line[json->used++] = hex[byte & 15];
    } else {
        json->line[json->used++] = (char)byte;
    }
}

void pit_json_text(struct pit_json *json, const char *name, const char *text)
{
    size_t bytes = strlen(text);
    if (!member(json, name, bytes * ESCAPE_BYTES + 2))
        return;
    json->line[json->used++] = '"';
    for (size_t i = 0; i < bytes; i++)
        put_escaped(json, (uint8_t)text[i]);
    json->line[json->used++] = '"';
}

static void put_number(struct pit_json *json, uint64_t value)
{
    char digits[NUMBER_BYTES];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    put(json, digits + at, sizeof digits - at);
}

void pit_json_unsigned(struct pit_json *json, const char *name, uint64_t value)
{
    if (member(json, name, NUMBER_BYTES))
        put_number(json, value);
}

void pit_json_signed(struct pit_json *json, const char *name, int64_t value)
{
    if (!member(json, name, NUMBER_BYTES))
        return;
    if (value < 0)
        json->line[json->used++] = '-';
    put_number(json, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void pit_json_bool(struct pit_json *json, const char *name, bool value)
{
    if (member(json, name, 5))
        put(json, value ? "true" : "false", value ? 4 : 5);
}

void pit_json_value(struct pit_json *json, const char *name, const char *value)
{
    size_t bytes = strlen(value);
    if (member(json, name, bytes))
        put(json, value, bytes);
}

int pit_json_end(struct pit_json *json, FILE *file)
{
    put(json, "}\n", 2);
    return fwrite_unlocked(json->line, 1, json->used, file) == json->used ? 0 : -EIO;
}
