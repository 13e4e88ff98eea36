/* tools/status.c - see status.h. */
#include "tools/status.h"

#include <string.h>
#include <time.h>

#define MIB 1048576.0
#define LINKS_NS UINT64_C(60000000000)

uint64_t pit_status_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

char *pit_status_time(char text[PIT_STATUS_TIME_BYTES], uint64_t ns)
{
    if (ns < 10000)
        snprintf(text, PIT_STATUS_TIME_BYTES, "%.1f us", (double)ns / 1e3);
    else if (ns < 1000000)
        snprintf(text, PIT_STATUS_TIME_BYTES, "%.0f us", (double)ns / 1e3);
    else if (ns < 1000000000)
        snprintf(text, PIT_STATUS_TIME_BYTES, "%.1f ms", (double)ns / 1e6);
    else
        snprintf(text, PIT_STATUS_TIME_BYTES, "%.1f s", (double)ns / 1e9);
    return text;
}

void pit_status_init(struct pit_status *status, const struct pit_pipeline *pipeline)
{
    memset(status, 0, sizeof *status);
    status->pipeline = pipeline;
    status->started_ns = status->before_ns = pit_status_now_ns();
    pit_pipeline_look(pipeline, &status->before);
}

static uint64_t age_s(uint64_t utc_ns)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t now_s = (uint64_t)now.tv_sec, then_s = utc_ns / 1000000000u;
    return now_s > then_s ? now_s - then_s : 0;
}

/* The figures between two looks, as a line. */
static void format(const struct pit_pipeline_figures *now, const struct pit_pipeline_figures *before, uint64_t ns,
                   double at, char line[PIT_STATUS_BYTES])
{
    struct pit_histogram latency;
    pit_histogram_difference(&latency, &now->latency, &before->latency);
    struct pit_histogram_summary summary = pit_histogram_summarise(&latency);
    double seconds = (double)ns / 1e9;
    char p50[PIT_STATUS_TIME_BYTES], p99[PIT_STATUS_TIME_BYTES];
    size_t used = (size_t)snprintf(
        line, PIT_STATUS_BYTES,
        "%6.1f s  %8.0f orders/s  %7.0f trades/s  in to out p50 %s p99 %s  rings in %.0f %% out %.0f %%  "
        "journal %.1f MB/s  sessions %llu",
        at, (double)(now->answered - before->answered) / seconds, (double)(now->trades - before->trades) / seconds,
        pit_status_time(p50, summary.p50_ns), pit_status_time(p99, summary.p99_ns),
        100.0 * (double)now->input_used / (double)now->input_slots,
        100.0 * (double)now->output_used / (double)now->output_slots,
        (double)(now->journal.bytes - before->journal.bytes) / 1e6 / seconds, (unsigned long long)now->sessions);
    if (now->snapshots.sequence && used < PIT_STATUS_BYTES)
        used += (size_t)snprintf(line + used, PIT_STATUS_BYTES - used, "  snapshot %llu, %llu s old",
                                 (unsigned long long)now->snapshots.sequence,
                                 (unsigned long long)age_s(now->snapshots.created_ns));
    if (now->snapshots.failed && used < PIT_STATUS_BYTES)
        used += (size_t)snprintf(line + used, PIT_STATUS_BYTES - used, ", %llu failed",
                                 (unsigned long long)now->snapshots.failed);
    uint64_t rejects = now->rejects - before->rejects + now->rejects_early - before->rejects_early;
    if (rejects > 0 && used < PIT_STATUS_BYTES)
        used += (size_t)snprintf(line + used, PIT_STATUS_BYTES - used, "  rejects %llu", (unsigned long long)rejects);
    if (now->space.alarm && used < PIT_STATUS_BYTES)
        snprintf(line + used, PIT_STATUS_BYTES - used, "  DISK FULL: journal has %.1f MiB left",
                 (double)now->space.left / MIB);
}

bool pit_status_alarm(struct pit_status *status, char line[PIT_STATUS_ALARM_BYTES])
{
    struct pit_journal_space space = pit_pipeline_space(status->pipeline);
    char text[PIT_PIPELINE_SPACE_BYTES];
    if (space.alarm == (status->alarm_ns != 0))
        return false;
    pit_pipeline_describe_space(status->pipeline, &space, text);
    uint64_t now_ns = pit_status_now_ns();
    if (space.alarm) {
        status->alarm_ns = now_ns;
        snprintf(line, PIT_STATUS_ALARM_BYTES,
                 "the disk is full: %s. %s (disk_full); the journal has %.1f MiB left. Free some space there: it goes "
                 "on by itself",
                 text,
                 space.waits ? "Everything is rejected"
                             : "Before the journal is at its end new orders are rejected, then everything",
                 (double)space.left / MIB);
    } else {
        snprintf(line, PIT_STATUS_ALARM_BYTES, "the disk has space again after %.1f s: %s. Orders are taken",
                 (double)(now_ns - status->alarm_ns) / 1e9, text);
        status->alarm_ns = 0;
    }
    return true;
}

bool pit_status_cluster(struct pit_status *status, char line[PIT_STATUS_CLUSTER_BYTES])
{
    struct pit_cluster_figures now;
    const struct pit_cluster_figures *told = &status->cluster;
    if (!pit_pipeline_cluster(status->pipeline, &now) || now.role == PIT_CLUSTER_STOPPED)
        return false;
    if (now.role == PIT_CLUSTER_LEADER && !now.ready)
        return false; /* soon */
    if (told->node && now.role == told->role && now.leader == told->leader && now.term == told->term)
        return false;
    if (now.ready)
        snprintf(line, PIT_STATUS_CLUSTER_BYTES,
                 "cluster: node %u of %u leads in term %llu: this one. Orders are taken", now.node, now.nodes,
                 (unsigned long long)now.term);
    else if (now.leader)
        snprintf(line, PIT_STATUS_CLUSTER_BYTES, "cluster: node %u of %u; node %u leads in term %llu", now.node,
                 now.nodes, now.leader, (unsigned long long)now.term);
    else
        snprintf(line, PIT_STATUS_CLUSTER_BYTES, "cluster: node %u of %u; in term %llu nobody is known to lead",
                 now.node, now.nodes, (unsigned long long)now.term);
    status->cluster = now;
    return true;
}

bool pit_status_links(struct pit_status *status, char line[PIT_STATUS_LINKS_BYTES])
{
    struct pit_cluster_figures now;
    const struct pit_cluster_figures *told = &status->links;
    const uint64_t now_ns = pit_status_now_ns();
    if ((status->links_ns && now_ns - status->links_ns < LINKS_NS) || !pit_pipeline_cluster(status->pipeline, &now))
        return false;
    if (now.strangers == told->strangers && now.impostors == told->impostors && now.bad_frames == told->bad_frames &&
        now.accepts_failed == told->accepts_failed)
        return false;
    snprintf(
        line, PIT_STATUS_LINKS_BYTES,
        "cluster: warning: on the nodes' address, since the last such line: %llu connections ended without a proof of "
        "the key, %llu sent bytes that are none of a node's, %llu tries to take one failed (file handles?); %llu "
        "connections "
        "to other nodes met somebody without the key",
        (unsigned long long)(now.strangers - told->strangers), (unsigned long long)(now.bad_frames - told->bad_frames),
        (unsigned long long)(now.accepts_failed - told->accepts_failed),
        (unsigned long long)(now.impostors - told->impostors));
    status->links = now;
    status->links_ns = now_ns;
    return true;
}

static void add_cluster(const struct pit_status *status, char line[PIT_STATUS_BYTES])
{
    struct pit_cluster_figures now;
    size_t used = strlen(line);
    if (!pit_pipeline_cluster(status->pipeline, &now))
        return;
    if (now.ready)
        snprintf(line + used, PIT_STATUS_BYTES - used, "  leads, sequence %llu", (unsigned long long)now.sequence);
    else
        snprintf(line + used, PIT_STATUS_BYTES - used, "  follows node %u, sequence %llu", now.leader,
                 (unsigned long long)now.sequence);
}

bool pit_status_line(struct pit_status *status, char line[PIT_STATUS_BYTES])
{
    struct pit_pipeline_figures now;
    uint64_t now_ns = pit_status_now_ns();
    pit_pipeline_look(status->pipeline, &now);
    bool news = now.commands != status->before.commands || now.answered != status->before.answered ||
                now.sessions != status->before.sessions || now.rejects_early != status->before.rejects_early ||
                now.space.alarm || status->before.space.alarm;
    uint64_t ns = now_ns > status->before_ns ? now_ns - status->before_ns : 1;
    format(&now, &status->before, ns, (double)(now_ns - status->started_ns) / 1e9, line);
    add_cluster(status, line);
    status->before = now;
    status->before_ns = now_ns;
    return news;
}

void pit_status_whole(const struct pit_status *status, char line[PIT_STATUS_BYTES])
{
    struct pit_pipeline_figures now, nothing;
    uint64_t ns = pit_status_now_ns() - status->started_ns;
    memset(&nothing, 0, sizeof nothing);
    pit_pipeline_look(status->pipeline, &now);
    format(&now, &nothing, ns ? ns : 1, (double)ns / 1e9, line);
}
