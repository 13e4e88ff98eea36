/* tools/config_place.c - where things stand in a configuration file: lines and columns from libyaml's marks. */
#include <stdlib.h>
#include <string.h>

#include "tools/config_file.h"

static yaml_node_t *node_of(const struct pit_config_file *file, int index)
{
    return yaml_document_get_node((yaml_document_t *)(uintptr_t)&file->document, index);
}

static bool named(const yaml_node_t *node, const char *name, size_t length)
{
    return node && node->type == YAML_SCALAR_NODE && node->data.scalar.length == length &&
           memcmp(node->data.scalar.value, name, length) == 0;
}

/* The value of a key, and the key itself, in a mapping. */
static yaml_node_t *member(const struct pit_config_file *file, const yaml_node_t *node, const char *name, size_t length,
                           const yaml_node_t **key)
{
    if (node->type != YAML_MAPPING_NODE)
        return NULL;
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
        if (!named(node_of(file, pair->key), name, length))
            continue;
        *key = node_of(file, pair->key);
        return node_of(file, pair->value);
    }
    return NULL;
}

static yaml_node_t *entry(const struct pit_config_file *file, const yaml_node_t *node, unsigned long number)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return NULL;
    yaml_node_item_t *item = node->data.sequence.items.start + number;
    return item < node->data.sequence.items.top ? node_of(file, *item) : NULL;
}

/* Follows a path as far as it goes. *whole: to its end. Returns the last node reached, and in *key the key it stands
 * under, or NULL. */
static const yaml_node_t *follow(const struct pit_config_file *file, const char *path, const yaml_node_t **key,
                                 bool *whole)
{
    const yaml_node_t *node = file->document_loaded ? node_of(file, 1) : NULL;
    *key = NULL;
    *whole = false;
    while (node && *path) {
        yaml_node_t *next;
        if (*path == '[') {
            char *end;
            next = entry(file, node, strtoul(path + 1, &end, 10));
            path = *end == ']' ? end + 1 : end;
        } else {
            path += *path == '.';
            size_t length = strcspn(path, ".[");
            next = member(file, node, path, length, key);
            path += length;
        }
        if (!next)
            return node;
        node = next;
    }
    *whole = node != NULL;
    return node;
}

bool pit_config_has(const struct pit_config_file *file, const char *path)
{
    const yaml_node_t *key;
    bool whole = false;
    return file && follow(file, path, &key, &whole) && whole;
}

int pit_config_fault(const struct pit_config_file *file, const char *path, int code, struct pit_error *error,
                     const char *format, ...)
{
    char what[PIT_ERROR_TEXT_BYTES - 256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (!file)
        return pit_error_set(error, code, "%s: %s", path, what);
    const yaml_node_t *key;
    bool whole;
    const yaml_node_t *node = follow(file, path, &key, &whole);
    size_t line = node ? node->start_mark.line + 1 : 1;
    size_t column = node ? node->start_mark.column + 1 : 1;
    return pit_error_set(error, code, "%.200s:%zu:%zu: %s: %s", file->path, line, column, path, what);
}

bool pit_config_find_key(const struct pit_config_file *file, const char *key, unsigned after_line,
                         unsigned after_column, unsigned *line, unsigned *column)
{
    if (!file->document_loaded)
        return false;
    bool found = false;
    const yaml_node_t *node;
    for (int index = 1; (node = node_of(file, index)) != NULL; index++) {
        if (node->type != YAML_MAPPING_NODE)
            continue;
        for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
            const yaml_node_t *one = node_of(file, pair->key);
            if (!named(one, key, strlen(key)))
                continue;
            unsigned at_line = (unsigned)one->start_mark.line + 1, at_column = (unsigned)one->start_mark.column + 1;
            bool after = at_line > after_line || (at_line == after_line && at_column >= after_column);
            bool nearer = !found || at_line < *line || (at_line == *line && at_column < *column);
            if (!after || !nearer)
                continue;
            *line = at_line;
            *column = at_column;
            found = true;
        }
    }
    return found;
}
