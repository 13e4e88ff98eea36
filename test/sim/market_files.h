/* test/sim/market_files.h - the market data of the pipelines that run, as a reader in another process would see it. */
#ifndef PIT_TEST_SIM_MARKET_FILES_H
#define PIT_TEST_SIM_MARKET_FILES_H

#include "stages/market_files.h"

#define SIM_MARKET_FILES_MAX 8u /* pipelines at a time */

/* That of the pipeline of this name. NULL while none is shown. */
const struct pit_market_files *sim_market_files(const char *name);

#endif
