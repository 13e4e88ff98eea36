/* test/sim/mutant_none.c - a simulation of the files as they are shipped has no mutants. */
#include "mutant.h"

const struct sim_mutant_name sim_mutant_names[] = {{0}};
