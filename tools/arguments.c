/* tools/arguments.c - see arguments.h. */
#include "tools/arguments.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

uint64_t pit_argument_number(struct argp_state *state, const char *option, const char *text, uint64_t least,
                             uint64_t most)
{
    char *end;
    errno = 0;
    const uint64_t value = strtoull(text, &end, 10);
    if (errno || *text < '0' || *text > '9' || *end || value < least || value > most)
        argp_error(state, "--%s: '%s' is not a whole number from %" PRIu64 " to %" PRIu64, option, text, least, most);
    return value;
}

error_t pit_argument_directory(struct argp_state *state, int key, char *text, const char **directory)
{
    switch (key) {
    case ARGP_KEY_ARG:
        if (*directory)
            argp_error(state, "one directory, not also '%s'", text);
        *directory = text;
        return 0;
    case ARGP_KEY_END:
        if (!*directory)
            argp_error(state, "which directory?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}
