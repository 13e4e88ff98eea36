/* tools/json.h - JSON lines, fast: one object a line, its members in the order they are added.
 *
 *   pit_json_begin(&json);
 *   pit_json_text(&json, "event", "trade");
 *   pit_json_unsigned(&json, "sequence", 17);
 *   pit_json_end(&json, file);
 *
 * One thread. Names are given by the program and written as they are; texts are escaped. A line that does not fit is
 * cut nowhere: members that have no room are left out whole, which PIT_JSON_LINE_BYTES makes impossible for the lines
 * written here.
 */
#ifndef PIT_TOOLS_JSON_H
#define PIT_TOOLS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PIT_JSON_LINE_BYTES 8192u

struct pit_json {
    size_t used;
    char line[PIT_JSON_LINE_BYTES];
};

void pit_json_begin(struct pit_json *json);
void pit_json_text(struct pit_json *json, const char *name, const char *text);
void pit_json_unsigned(struct pit_json *json, const char *name, uint64_t value);
void pit_json_signed(struct pit_json *json, const char *name, int64_t value);
void pit_json_bool(struct pit_json *json, const char *name, bool value);

/* A value that is JSON already: an array, say. */
void pit_json_value(struct pit_json *json, const char *name, const char *value);

/* Closes the object and writes the line. 0, or -EIO when the file takes no more (errno says why). */
int pit_json_end(struct pit_json *json, FILE *file);

#endif
