/* tools/json_object.h - one line that is one flat JSON object, taken apart: members whose values are texts, whole
 * numbers, true or false. Numbers keep all of their 64 bits. What is wrong is told with the column, from 1.
 *
 * One thread; nothing is allocated. */
#ifndef PIT_TOOLS_JSON_OBJECT_H
#define PIT_TOOLS_JSON_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PIT_JSON_MEMBERS_MAX 64u
#define PIT_JSON_NAME_BYTES 32u
#define PIT_JSON_VALUE_BYTES 160u /* the longest text there is in a command, and its closing zero */

enum pit_json_type { PIT_JSON_TEXT, PIT_JSON_NUMBER, PIT_JSON_BOOL };

struct pit_json_member {
    char name[PIT_JSON_NAME_BYTES];
    enum pit_json_type type;
    uint32_t column;                 /* of the value */
    bool negative;                   /* NUMBER: below zero */
    uint64_t number;                 /* NUMBER: its amount; BOOL: 0 or 1 */
    char text[PIT_JSON_VALUE_BYTES]; /* TEXT; of the others what stood there */
};

struct pit_json_object {
    uint32_t count;
    struct pit_json_member members[PIT_JSON_MEMBERS_MAX];
    uint32_t wrong_column;
};

/* NULL, or what is wrong at wrong_column. */
const char *pit_json_object_parse(struct pit_json_object *object, const char *line, size_t bytes);

#endif
