/* tools/arguments.h - what the subcommands' argument parsers share. One thread. */
#ifndef PIT_TOOLS_ARGUMENTS_H
#define PIT_TOOLS_ARGUMENTS_H

#include <argp.h>
#include <stdint.h>

/* The whole number that text says, from least to most; anything else ends the program as argp does, naming the
 * option. */
uint64_t pit_argument_number(struct argp_state *state, const char *option, const char *text, uint64_t least,
                             uint64_t most);

/* For a tool that takes one directory and no other argument: the answer to a key that is none of its options. The
 * directory is text of the command line. */
error_t pit_argument_directory(struct argp_state *state, int key, char *text, const char **directory);

#endif
