/* test/sim/market_files.h - the market data of the pipeline that runs, as a reader in another process would see it. */
#ifndef PIT_TEST_SIM_MARKET_FILES_H
#define PIT_TEST_SIM_MARKET_FILES_H

#include "stages/market_files.h"

/* NULL while none is shown. */
const struct pit_market_files *sim_market_files(void);

#endif
