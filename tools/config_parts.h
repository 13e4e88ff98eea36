/* tools/config_parts.h - the inside of pit_config_build, shared by config.c, config_symbols.c, config_accounts.c,
 * config_snapshots.c and config_threads.c. */
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

/* The steps with files of their own. */
int pit_config_accounts(struct pit_config_build *build);
int pit_config_symbols(struct pit_config_build *build);
int pit_config_snapshots(struct pit_config_build *build);
int pit_config_threads(struct pit_config_build *build);

#endif
