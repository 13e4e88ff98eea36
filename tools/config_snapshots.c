/* tools/config_snapshots.c - the snapshots of a configuration: when, and how many stay. */
#include <errno.h>

#include "tools/config_parts.h"

#define SECONDS_MAX UINT64_C(31536000) /* a year */
#define KEEP_MAX 1000u

int pit_config_snapshots(struct pit_config_build *build)
{
    const struct pit_config_text *text = build->text;
    const struct pit_config_snapshots *snapshots = &text->snapshots;
    struct pit_snapshots_plan *plan = &build->config->pipeline.snapshots;
    if (snapshots->every && text->snapshot_every)
        return pit_config_fault(build->file, "snapshot_every", -EINVAL, build->error,
                                "the same as snapshots.every: say one of the two");
    plan->every = snapshots->every ? snapshots->every : text->snapshot_every;
    int code = pit_config_number(build, "snapshots.seconds", snapshots->seconds, 0, 0, SECONDS_MAX, &plan->seconds);
    if (code)
        return code;
    return pit_config_number32(build, "snapshots.keep", snapshots->keep, PIT_SNAPSHOTS_KEEP_DEFAULT, 1, KEEP_MAX,
                               &plan->keep);
}
