/* tools/config_snapshots.c - the snapshots of a configuration: when, how many stay, and what becomes of the journal
 * before them. */
#include <errno.h>

#include "tools/config_parts.h"

#define SECONDS_MAX UINT64_C(31536000) /* a year */
#define KEEP_MAX 1000u

#define KEEP_MIN_REMOVING 2u

static const struct pit_config_word words[] = {{"keep", PIT_OLD_SEGMENTS_KEEP},
                                               {"compress", PIT_OLD_SEGMENTS_COMPRESS},
                                               {"remove", PIT_OLD_SEGMENTS_REMOVE},
                                               {NULL, 0}};

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
    code = pit_config_number32(build, "snapshots.keep", snapshots->keep, PIT_SNAPSHOTS_KEEP_DEFAULT, 1, KEEP_MAX,
                               &plan->keep);
    int old_segments = 0;
    if (code == 0)
        code = pit_config_choice(build, "snapshots.old_segments", snapshots->old_segments, words, &old_segments);
    plan->old_segments = (enum pit_old_segments)old_segments;
    if (code == 0 && plan->old_segments == PIT_OLD_SEGMENTS_REMOVE && plan->keep < KEEP_MIN_REMOVING)
        code = pit_config_fault(build->file, "snapshots.keep", -EINVAL, build->error,
                                "old_segments: remove leaves no other way to the state than a snapshot, and one may be "
                                "damaged: keep at least %u",
                                KEEP_MIN_REMOVING);
    if (code == 0 && plan->old_segments != PIT_OLD_SEGMENTS_KEEP && plan->every == 0 && plan->seconds == 0)
        code = pit_config_fault(build->file, "snapshots.old_segments", -EINVAL, build->error,
                                "segments grow old when the pipeline writes snapshots: say every or seconds");
    return code;
}
