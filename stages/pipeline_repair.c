/* stages/pipeline_repair.c - what a node of a cluster does when its log is not all there: it takes what came from
 * others, or puts aside what it cannot read and gets everything from them.
 *
 * Only damage, found by checksums and by records that contradict each other, is put aside, and only in a cluster. A
 * directory that another process uses, may not be read, or is of another version or of a single pipeline stays. So does
 * a log whose beginning is gone, with a snapshot that stands for it and cannot be read for such a reason: the same may
 * be so on all nodes.
 */
#include <errno.h>

#include "journal/snapshot.h"
#include "replay/install.h"
#include "replay/rejoin.h"
#include "stages/pipeline_parts.h"

static void tell(const struct pit_pipeline *pipeline, const struct pit_install_outcome *outcome,
                 const struct pit_error *error)
{
    char aside[64] = "";
    if (outcome->replaced)
        snprintf(aside, sizeof aside, "; what was there is in replaced-%u, and may be deleted", outcome->replaced);
    if (outcome->sequence)
        pit_pipeline_say(pipeline, "cluster: begins with another node's snapshot of sequence %llu%s",
                         (unsigned long long)outcome->sequence, aside);
    else if (outcome->bad)
        pit_pipeline_say(pipeline, "cluster: warning: %s", error->text);
    else if (outcome->dropped)
        pit_pipeline_say(pipeline,
                         "cluster: another node's snapshot is not used: this log has that entry (%llu) itself",
                         (unsigned long long)outcome->index);
}

/* A node that has come to another result than the others does not begin again by itself: the next result might be
 * another one, too, and it would vote and lead. *differs: it does, and is to get everything from the others. */
static int check_agreement(struct pit_pipeline *pipeline, bool *differs, struct pit_error *error)
{
    const char *directory = pipeline->config.directory;
    char where[PIT_REJOIN_TEXT_BYTES];
    const int code = pit_rejoin_differed(pipeline->disk, directory, where, error);
    *differs = code > 0;
    if (code <= 0 || pipeline->config.cluster.rejoin)
        return code < 0 ? code : 0;
    return pit_error_set(error, -ENOTRECOVERABLE,
                         "node %u does not start: %s/differs says that %s. Find out why (pitline journal diff), then "
                         "start it with --rejoin: that puts its log aside",
                         pipeline->config.cluster.node, directory, where[0] ? where : "it differs from the others");
}

/* An earlier start was stopped while it put a damaged log aside: what is left of that is no log to go by. */
static int go_on_setting_aside(struct pit_pipeline *pipeline, struct pit_error *error)
{
    uint32_t number;
    int code = pit_rejoin_marked(pipeline->disk, pipeline->config.directory, error);
    if (code <= 0)
        return code;
    pipeline->rejoins = true;
    pipeline->config.cluster.begin = false;
    pipeline->config.cluster.rejoin = true;
    code = pit_rejoin_set_aside(pipeline->disk, pipeline->config.directory, &number, error);
    if (code == 0 && number)
        pit_pipeline_say(pipeline,
                         "cluster: this node's log was put aside, to %s/damaged-%u: it gets everything from "
                         "the others again, and does not vote until then",
                         pipeline->config.directory, number);
    return code;
}

int pit_pipeline_install(struct pit_pipeline *pipeline, struct pit_error *error)
{
    const struct pit_pipeline_config *config = &pipeline->config;
    struct pit_install_outcome outcome;
    bool differs;
    int code = check_agreement(pipeline, &differs, error);
    if (code == 0)
        code = go_on_setting_aside(pipeline, error);
    if (code)
        return code;
    code = pit_install_finish(pipeline->disk, config->directory, config->segment_bytes, &outcome, error);
    if (code == 0)
        tell(pipeline, &outcome, error);
    if (code == 0 && differs) /* only now: what is being installed would go aside by halves */
        code = pit_rejoin_forgive(pipeline->disk, config->directory, error);
    return code == 0 && differs ? go_on_setting_aside(pipeline, error) : code;
}

int pit_pipeline_rejoined(struct pit_pipeline *pipeline, struct pit_error *error)
{
    return pipeline->rejoins ? pit_rejoin_done(pipeline->disk, pipeline->config.directory, error) : 0;
}

int pit_pipeline_set_log_aside(struct pit_pipeline *pipeline, struct pit_error *error)
{
    const char *directory = pipeline->config.directory;
    const struct pit_error damage = *error;
    struct pit_error unread;
    uint32_t number;
    int code = pit_snapshot_readable(pipeline->disk, directory, &unread);
    if (code)
        return pit_error_set(error, code, "%.400s. Before that: %.400s", unread.text, damage.text);
    code = pit_rejoin_set_aside(pipeline->disk, directory, &number, error);
    if (code)
        return code;
    pit_pipeline_say(pipeline, "cluster: WARNING: the log is damaged: %s", damage.text);
    pit_pipeline_say(pipeline,
                     "cluster: WARNING: it was put aside, to %s/damaged-%u, and nothing of it is deleted. This node "
                     "gets everything from the others again; until then it does not vote. See to the disk",
                     directory, number);
    return pit_error_set(error, -ESTALE, "the log in %s was put aside, to damaged-%u", directory, number);
}
