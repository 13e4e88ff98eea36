/* tools/replay_arguments.h - what pitline replay is asked for. One thread. */
#ifndef PIT_TOOLS_REPLAY_ARGUMENTS_H
#define PIT_TOOLS_REPLAY_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/moment.h"
#include "tools/order_life.h"

struct pit_replay_arguments {
    const char *directory;
    bool verify;
    struct pit_moment until;
    bool from_snapshot;
    uint64_t snapshot; /* the one wanted, 0 = the newest */
    const char *book;
    uint64_t depth;
    bool order_given;
    struct pit_order_name order;
    bool json;
    const char *events;
    bool step;
    const char *what_if;
    bool go_on;
    uint64_t go_on_from;
    struct pit_moment go_on_until;
    uint64_t differences;
    bool differences_given;
    uint64_t memory_mib;
};

/* Fills in what the arguments say, and the defaults of the rest. 0; wrong ones end the program with status 2. */
int pit_replay_arguments_parse(struct pit_replay_arguments *arguments, int argc, char **argv);

#endif
