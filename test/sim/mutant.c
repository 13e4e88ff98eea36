/* test/sim/mutant.c - see mutant.h. */
#include "mutant.h"

#include <string.h>

static const char *chosen;

bool sim_mutant_choose(const char *name)
{
    chosen = name;
    for (const struct sim_mutant_name *mutant = sim_mutant_names; mutant->name; mutant++)
        if (name && strcmp(mutant->name, name) == 0)
            return true;
    return name == NULL;
}

bool sim_mutant(const char *name)
{
    return chosen && strcmp(chosen, name) == 0;
}
