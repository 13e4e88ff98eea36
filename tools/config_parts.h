/* tools/config_parts.h - the inside of pit_config_build, shared by config.c and the steps with files of their own. */
#ifndef PIT_TOOLS_CONFIG_PARTS_H
#define PIT_TOOLS_CONFIG_PARTS_H

#include "stages/egress.h"
#include "tools/config.h"

struct pit_config_build {
    struct pit_config *config;
    const struct pit_config_text *text;
    const struct pit_config_file *file; /* or NULL */
    struct pit_error *error;
};

/* A number that was said, or its default, checked to lie in min .. max. */
int pit_config_number(const struct pit_config_build *build, const char *path, uint64_t said, uint64_t value_default,
                      uint64_t min, uint64_t max, uint64_t *value);
int pit_config_number32(const struct pit_config_build *build, const char *path, uint32_t said, uint32_t value_default,
                        uint32_t min, uint32_t max, uint32_t *value);

/* A word out of a list that NULL ends; the first is the default. */
struct pit_config_word {
    const char *name;
    int value;
};
int pit_config_choice(const struct pit_config_build *build, const char *path, const char *said,
                      const struct pit_config_word *words, int *value);

/* What may name a pipeline or a cluster: letters, digits, '.', '_', '-'; at most 64; not starting with '.'. */
bool pit_config_name_good(const char *name);

/* A key of min .. max bytes (at most PIT_CONFIG_KEY_BYTES_MAX) from hexadecimal, or from a file of it that others may
 * not read. Its text is never shown. (config_key.c) */
#define PIT_CONFIG_KEY_BYTES_MAX 1024u
int pit_config_key(const struct pit_config_build *build, const char *path, const char *text, size_t min, size_t max,
                   uint8_t *key, size_t *bytes);
int pit_config_key_file(const struct pit_config_build *build, const char *path, const char *name, size_t min,
                        size_t max, uint8_t *key, size_t *bytes);

/* The steps with files of their own. */
int pit_config_accounts(struct pit_config_build *build);
int pit_config_cluster(struct pit_config_build *build);
int pit_config_symbols(struct pit_config_build *build);
int pit_config_snapshots(struct pit_config_build *build);
int pit_config_threads(struct pit_config_build *build);

#endif
