/* tools/cluster_print.c - the view of a cluster, for people and for programs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cluster_view.h"
#include "tools/json.h"

#define MIB 1048576.0

static void print_head(const struct pit_cluster_view *view, const char *name)
{
    printf("cluster %s, %u nodes: ", name, view->cluster->nodes);
    if (view->leader)
        printf("node %u leads in term %" PRIu64 ", clients go to %s\n", view->leader,
               view->of[view->leader].status.term, view->cluster->of[view->leader].clients);
    else
        printf("nobody who was asked leads and takes commands\n");
}

static void print_row(const struct pit_cluster_view *view, uint32_t node, int width)
{
    const struct pit_cluster_answer *answer = &view->of[node];
    const struct pit_operator_status *status = &answer->status;
    printf("%4u  %-*s  ", node, width, view->cluster->of[node].address);
    if (!answer->reached) {
        printf("does not answer\n");
        return;
    }
    char digest[48] = "-";
    if (status->digest_sequence)
        snprintf(digest, sizeof digest, "%016" PRIx64 " at %" PRIu64, status->digest_events, status->digest_sequence);
    printf("%-17s  %6" PRIu64 "  %12" PRIu64 "  %8" PRIu64 "  %12" PRIu64 "  %s\n", pit_cluster_role_name(status),
           status->term, status->committed, answer->behind, status->sequence, digest);
}

/* What is not as it should be with a node, a line each. */
static void print_trouble(const struct pit_cluster_view *view, uint32_t node)
{
    const struct pit_cluster_answer *answer = &view->of[node];
    const struct pit_operator_status *leader = view->leader ? &view->of[view->leader].status : NULL;
    if (!answer->reached) {
        printf("node %u: %s\n", node, answer->error.text);
        return;
    }
    if (answer->differs_from)
        printf("node %u: its digest at sequence %" PRIu64 " is another than that of node %u\n", node,
               answer->status.digest_sequence, answer->differs_from);
    if (leader && node != view->leader && answer->status.leader != view->leader) {
        if (answer->status.leader)
            printf("node %u: it follows node %u\n", node, answer->status.leader);
        else
            printf("node %u: it does not know who leads\n", node);
    }
    if (leader && node != view->leader && !leader->peers[node].reached)
        printf("node %u: node %u, which leads, does not reach it\n", node, view->leader);
}

/* A snapshot that is on its way, as the node says that has asked for it, or gives it. */
static void print_transfer(const struct pit_cluster_view *view, uint32_t node)
{
    const struct pit_operator_status *status = &view->of[node].status;
    if (!view->of[node].reached)
        return;
    if (status->receives_of)
        printf("node %u: it receives a snapshot, %.1f of %.1f MiB\n", node, (double)status->receives / MIB,
               (double)status->receives_of / MIB);
    if (status->sends_to)
        printf("node %u: it sends a snapshot to node %" PRIu64 ", %.1f of %.1f MiB\n", node, status->sends_to,
               (double)status->sends / MIB, (double)status->sends_of / MIB);
}

void pit_cluster_view_print(const struct pit_cluster_view *view, const char *name)
{
    int width = (int)strlen("address");
    for (uint32_t node = 1; node <= view->cluster->nodes; node++)
        if (view->of[node].asked && (int)strlen(view->cluster->of[node].address) > width)
            width = (int)strlen(view->cluster->of[node].address);
    print_head(view, name);
    printf("node  %-*s  %-17s  %6s  %12s  %8s  %12s  %s\n", width, "address", "role", "term", "committed", "behind",
           "sequence", "digest");
    for (uint32_t node = 1; node <= view->cluster->nodes; node++)
        if (view->of[node].asked)
            print_row(view, node, width);
    for (uint32_t node = 1; node <= view->cluster->nodes; node++)
        if (view->of[node].asked)
            print_trouble(view, node);
    for (uint32_t node = 1; node <= view->cluster->nodes; node++)
        if (view->of[node].asked)
            print_transfer(view, node);
}

/* An object as a value of another: its line without the end of it. */
static char *object_text(struct pit_json *json)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream)
        return NULL;
    int code = pit_json_end(json, stream);
    fclose(stream);
    if (code || bytes == 0) {
        free(text);
        return NULL;
    }
    text[bytes - 1] = 0;
    return text;
}

/* Adds an object to a list in text, and frees it. False: there is no memory. */
static bool add(char *list, size_t bytes, char *object)
{
    size_t used = strlen(list);
    if (!object)
        return false;
    snprintf(list + used, bytes - used, "%s%s", used > 1 ? "," : "", object);
    free(object);
    return true;
}

static bool add_peers(struct pit_json *json, const struct pit_cluster_view *view, uint32_t node)
{
    static char list[1024];
    static struct pit_json peer;
    strcpy(list, "[");
    for (uint32_t other = 1; other <= view->cluster->nodes; other++) {
        const struct pit_operator_peer *of = &view->of[node].status.peers[other];
        if (other == node)
            continue;
        pit_json_begin(&peer);
        pit_json_unsigned(&peer, "node", other);
        pit_json_bool(&peer, "reached", of->reached);
        pit_json_unsigned(&peer, "matched", of->matched);
        if (of->heard_ago_ns != PIT_OPERATOR_NEVER)
            pit_json_unsigned(&peer, "heard_ago_ms", of->heard_ago_ns / 1000000);
        if (!add(list, sizeof list, object_text(&peer)))
            return false;
    }
    strcat(list, "]");
    pit_json_value(json, "peers", list);
    return true;
}

static bool describe(struct pit_json *json, const struct pit_cluster_view *view, uint32_t node)
{
    const struct pit_cluster_answer *answer = &view->of[node];
    const struct pit_operator_status *status = &answer->status;
    char digest[20];
    pit_json_begin(json);
    pit_json_unsigned(json, "node", node);
    pit_json_text(json, "address", view->cluster->of[node].address);
    pit_json_text(json, "clients", view->cluster->of[node].clients);
    pit_json_bool(json, "reachable", answer->reached);
    if (!answer->reached) {
        char why[160];
        snprintf(why, sizeof why, "%.*s", (int)sizeof why - 1, answer->error.text);
        pit_json_text(json, "error", why);
        return true;
    }
    static const char *const roles[] = {"unknown", "follower", "candidate", "leader", "stopped"};
    pit_json_text(json, "role", roles[status->role <= PIT_CLUSTER_STOPPED ? status->role : 0]);
    pit_json_bool(json, "ready", status->ready);
    pit_json_bool(json, "rejoining", status->rejoining);
    pit_json_unsigned(json, "leader", status->leader);
    pit_json_unsigned(json, "term", status->term);
    pit_json_unsigned(json, "last", status->last);
    pit_json_unsigned(json, "durable", status->durable);
    pit_json_unsigned(json, "committed", status->committed);
    pit_json_unsigned(json, "behind", answer->behind);
    pit_json_unsigned(json, "sequence", status->sequence);
    pit_json_unsigned(json, "digest_sequence", status->digest_sequence);
    snprintf(digest, sizeof digest, "%016" PRIx64, status->digest_events);
    pit_json_text(json, "digest", digest);
    pit_json_unsigned(json, "elections", status->elections);
    pit_json_unsigned(json, "memory_bytes", status->memory_bytes);
    pit_json_unsigned(json, "uptime_ms", status->uptime_ns / 1000000);
    if (status->receives_of) {
        pit_json_unsigned(json, "receives", status->receives);
        pit_json_unsigned(json, "receives_of", status->receives_of);
    }
    if (status->sends_to) {
        pit_json_unsigned(json, "sends_to", status->sends_to);
        pit_json_unsigned(json, "sends", status->sends);
        pit_json_unsigned(json, "sends_of", status->sends_of);
    }
    pit_json_text(json, "version", status->version);
    pit_json_text(json, "name", status->name);
    return add_peers(json, view, node);
}

void pit_cluster_view_print_json(const struct pit_cluster_view *view, const char *name)
{
    static const char *const states[] = {
        [PIT_CLUSTER_OK] = "ok", [PIT_CLUSTER_DEGRADED] = "degraded", [PIT_CLUSTER_LEADERLESS] = "no leader"};
    static char list[PIT_JSON_LINE_BYTES - 512];
    static struct pit_json json;
    strcpy(list, "[");
    bool whole = true;
    for (uint32_t node = 1; whole && node <= view->cluster->nodes; node++)
        if (view->of[node].asked)
            whole = describe(&json, view, node) && add(list, sizeof list, object_text(&json));
    if (!whole) {
        fprintf(stderr, "pitline cluster: no memory for the answer\n");
        return;
    }
    strcat(list, "]");
    pit_json_begin(&json);
    pit_json_text(&json, "cluster", name);
    pit_json_text(&json, "state", states[view->state]);
    pit_json_unsigned(&json, "leader", view->leader);
    if (view->leader)
        pit_json_text(&json, "clients", view->cluster->of[view->leader].clients);
    pit_json_value(&json, "nodes", list);
    pit_json_end(&json, stdout);
}
