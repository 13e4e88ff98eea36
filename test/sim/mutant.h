/* test/sim/mutant.h - bugs planted on purpose: which of them is on. mutants.py has the list. */
#ifndef PIT_TEST_SIM_MUTANT_H
#define PIT_TEST_SIM_MUTANT_H

#include <stdbool.h>

struct sim_mutant_name {
    const char *name; /* NULL: the end */
    const char *what;
    bool single, cluster; /* where it is to be caught */
};

/* Empty in a program that is made of the shipped files. */
extern const struct sim_mutant_name sim_mutant_names[];

/* At most one is on. False: there is none of that name. NULL: none. */
bool sim_mutant_choose(const char *name);

bool sim_mutant(const char *name);

#endif
