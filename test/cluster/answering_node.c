/* test/cluster/answering_node.c - a node that answers operators, and nothing else: what it says of itself are
 * arguments.
 *
 *   answering_node CONFIG NAME=VALUE...      role term committed sequence digest_sequence digest leader ready rejoining
 *                                            receives receives_of sends_to sends sends_of
 *
 * Asked to hand over, it leads no more and tells the others who does. Asked for a snapshot, it has one when it is asked
 * the next time; with stuck=1 neither. Runs until SIGTERM.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "stages/operators.h"
#include "tools/config.h"

struct node {
    struct pit_cluster_figures figures;
    struct pit_peers *peers;
    uint64_t snapshot; /* sequence of the newest */
    bool wanted;       /* one more */
    bool stuck;
};

static volatile sig_atomic_t leave;

static void on_signal(int number)
{
    (void)number;
    leave = 1;
}

static int random_bytes(void *argument, void *bytes, size_t count)
{
    (void)argument;
    return getrandom(bytes, count, 0) == (ssize_t)count ? 0 : -EIO;
}

/* Node `to` leads from now on. */
static void follow(struct node *node, uint32_t to)
{
    struct pit_cluster_figures *figures = &node->figures;
    figures->leader = to;
    figures->role = to == figures->node ? PIT_CLUSTER_LEADER : PIT_CLUSTER_FOLLOWER;
    figures->ready = to == figures->node;
    figures->term++;
    figures->elections += figures->ready;
}

static void received(void *argument, uint32_t from, const void *bytes, size_t count)
{
    uint32_t to;
    (void)from;
    if (count != sizeof to)
        return;
    memcpy(&to, bytes, sizeof to);
    follow(argument, to);
}

static void tell_figures(void *context, struct pit_cluster_figures *figures)
{
    struct node *node = context;
    *figures = node->figures;
    for (uint32_t other = 1; other <= figures->nodes; other++)
        if (other != figures->node)
            figures->peers[other].reached = pit_peers_reaches(node->peers, other);
}

static int transfer(void *context, uint32_t to, struct pit_error *error)
{
    struct node *node = context;
    if (!pit_peers_reaches(node->peers, to))
        return pit_error_set(error, -EHOSTUNREACH, "node %u is not reached", to);
    if (node->stuck)
        return 0;
    struct pit_consensus_network network = pit_peers_network(node->peers);
    struct iovec piece = {&to, sizeof to};
    for (uint32_t other = 1; other <= node->figures.nodes; other++)
        if (other != node->figures.node)
            network.send(network.context, other, &piece, 1, sizeof to);
    follow(node, to);
    return 0;
}

static int snapshot(void *context, bool begin, uint64_t *newest, struct pit_error *error)
{
    struct node *node = context;
    (void)error;
    if (node->wanted && !node->stuck)
        node->snapshot = node->figures.sequence;
    node->wanted = begin;
    *newest = node->snapshot;
    return 0;
}

static bool say(struct node *node, char *text)
{
    char *value = strchr(text, '=');
    if (!value)
        return false;
    *value++ = 0;
    uint64_t number = strtoull(value, NULL, strcmp(text, "digest") == 0 ? 16 : 10);
    struct pit_cluster_figures *figures = &node->figures;
    const struct {
        const char *name;
        uint64_t *value;
    } words[] = {
        {"term", &figures->term},
        {"committed", &figures->committed},
        {"sequence", &figures->sequence},
        {"digest_sequence", &figures->digest_sequence},
        {"digest", &figures->digest_events},
        {"receives", &figures->receives},
        {"receives_of", &figures->receives_of},
        {"sends_to", &figures->sends_to},
        {"sends", &figures->sends},
        {"sends_of", &figures->sends_of},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i].name, text) == 0) {
            *words[i].value = number;
            return true;
        }
    if (strcmp(text, "role") == 0)
        figures->role = (enum pit_cluster_role)number;
    else if (strcmp(text, "leader") == 0)
        figures->leader = (uint32_t)number;
    else if (strcmp(text, "ready") == 0)
        figures->ready = number;
    else if (strcmp(text, "rejoining") == 0)
        figures->rejoining = number;
    else if (strcmp(text, "stuck") == 0)
        node->stuck = number;
    else
        return false;
    return true;
}

static int open_peers(struct node *node, struct pit_operators *operators, const struct pit_cluster_config *cluster)
{
    struct pit_error error;
    struct pit_peers_options how = {
        .node = cluster->node,
        .nodes = cluster->nodes,
        .key = cluster->key,
        .key_bytes = cluster->key_bytes,
        .queue_bytes = PIT_PEERS_QUEUE_BYTES_MIN,
        .reconnect_ms = 10,
        .prove_ms = 5000,
        .stall_ms = 5000,
        .network = pit_network_machine(),
        .clock = *pit_clock_machine(),
        .random = random_bytes,
        .received = received,
        .received_argument = node,
        .asked = pit_operators_asked,
        .asked_argument = operators,
    };
    memcpy(how.cluster, cluster->id, sizeof how.cluster);
    for (uint32_t i = 1; i <= cluster->nodes; i++)
        how.addresses[i] = cluster->of[i].address;
    int code = pit_peers_open(&node->peers, &how, &error);
    if (code)
        fprintf(stderr, "answering_node: %s\n", error.text);
    return code;
}

int main(int argc, char **argv)
{
    struct pit_error error;
    struct pit_config_file *file;
    struct pit_config config;
    struct node node = {0};
    signal(SIGTERM, on_signal);
    if (argc < 2 || pit_config_read(&file, argv[1], &error) < 0 ||
        pit_config_build_cluster(&config, pit_config_text(file), file, &error) < 0) {
        fprintf(stderr, "answering_node: %s\n", argc < 2 ? "which configuration?" : error.text);
        return 2;
    }
    node.figures = (struct pit_cluster_figures){
        .role = PIT_CLUSTER_FOLLOWER, .node = config.cluster.node, .nodes = config.cluster.nodes};
    for (int i = 2; i < argc; i++)
        if (!say(&node, argv[i]))
            return 2;
    struct pit_operators operators = {
        .handler = {.context = &node, .figures = tell_figures, .transfer = transfer, .snapshot = snapshot},
        .name = "answers",
        .version = PIT_VERSION,
        .clock = *pit_clock_machine(),
        .started_ns = pit_clock_machine()->monotonic_ns(NULL),
    };
    if (open_peers(&node, &operators, &config.cluster) < 0)
        return 1;
    operators.peers = node.peers;
    printf("ready\n");
    fflush(stdout);
    while (!leave)
        if (pit_peers_work(node.peers) == 0)
            pit_peers_park(node.peers, 1000000);
    pit_peers_close(node.peers);
    pit_config_clear(&config);
    pit_config_release(file);
    return 0;
}
