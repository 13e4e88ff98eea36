/* tools/config_file.h - the inside of struct pit_config_file, for config_read.c and config_place.c. */
#ifndef PIT_TOOLS_CONFIG_FILE_H
#define PIT_TOOLS_CONFIG_FILE_H

#include <cyaml/cyaml.h>
#include <yaml.h>

#include "tools/config.h"

struct pit_config_file {
    char *path;
    struct pit_config_text *text; /* libcyaml's; NULL = an empty file */
    struct pit_config_text none;
    yaml_document_t document; /* for the places */
    bool document_loaded;
    /* libcyaml's first complaint */
    char complaint[256];
    unsigned line, column; /* its place; 0 = not said */
};

/* The schema of the whole file. (config_schema.c) */
extern const cyaml_schema_value_t pit_config_schema;

/* The place of the first key of that name after a place, both counted from 1. False: there is none. (config_place.c) */
bool pit_config_find_key(const struct pit_config_file *file, const char *key, unsigned after_line,
                         unsigned after_column, unsigned *line, unsigned *column);

#endif
