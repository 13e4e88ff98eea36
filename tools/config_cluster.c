/* tools/config_cluster.c - the cluster of a configuration: which nodes there are, which of them this one is, and the
 * key by which they know each other. */
#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "stages/peers.h"
#include "tools/config_parts.h"
#include "wire/address.h"

#define ELECTION_MS_MIN 50u
#define ELECTION_MS_MAX 60000u

_Static_assert(PIT_CONFIG_KEY_BYTES_MAX >= PIT_PEERS_KEY_BYTES_MAX, "room for the key");

static bool said(const struct pit_config_build *build)
{
    const struct pit_config_cluster *text = &build->text->cluster;
    return pit_config_has(build->file, "cluster") || text->name || text->node || text->key_file || text->nodes_count;
}

/* Every message between the nodes says the cluster's id: a node of another one is a stranger. */
static int read_name(const struct pit_config_build *build, struct pit_cluster_config *cluster)
{
    const char *name = build->text->cluster.name;
    if (!name)
        return pit_config_fault(build->file, "cluster.name", -EINVAL, build->error,
                                "a cluster needs a name, the same on every node and in no other cluster");
    if (!pit_config_name_good(name))
        return pit_config_fault(build->file, "cluster.name", -EINVAL, build->error,
                                "'%s' is no name: letters, digits, '.', '_', '-', at most 64, not starting with '.'",
                                name);
    uint8_t hash[SHA256_DIGEST_LENGTH];
    SHA256((const uint8_t *)name, strlen(name), hash);
    memcpy(cluster->id, hash, sizeof cluster->id);
    return 0;
}

/* One that can be connected to from elsewhere. */
static int check_address(const struct pit_config_build *build, const char *path, const char *text)
{
    struct pit_error why = {0};
    struct pit_address address;
    if (!text)
        return pit_config_fault(build->file, path, -EINVAL, build->error,
                                "a node needs address, where the other nodes reach it, and clients, where clients do");
    if (strlen(text) >= PIT_PEERS_ADDRESS_BYTES)
        return pit_config_fault(build->file, path, -EINVAL, build->error, "an address has at most %u bytes",
                                PIT_PEERS_ADDRESS_BYTES - 1);
    if (pit_address_parse(&address, text, &why) < 0)
        return pit_config_fault(build->file, path, -EINVAL, build->error, "%.700s", why.text);
    if (pit_address_port(&address) == 0)
        return pit_config_fault(build->file, path, -EINVAL, build->error,
                                "'%s': others need to know the port: 1 to 65535", text);
    bool nowhere = (address.any.sa_family == AF_INET && address.v4.sin_addr.s_addr == INADDR_ANY) ||
                   (address.any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&address.v6.sin6_addr));
    if (nowhere)
        return pit_config_fault(build->file, path, -EINVAL, build->error,
                                "'%s' is no address that others can connect to: give the machine's own", text);
    return 0;
}

/* No address stands for two things. Of the addresses before it in the list. */
static int check_doubled(const struct pit_config_build *build, const char *path, uint32_t number, bool clients)
{
    const struct pit_config_node *nodes = build->text->cluster.nodes;
    const char *text = clients ? nodes[number].clients : nodes[number].address;
    for (uint32_t i = 0; i <= number; i++) {
        bool own = i == number;
        bool again = (!own || clients) && strcmp(nodes[i].address, text) == 0;
        if (!again && (own || strcmp(nodes[i].clients, text) != 0))
            continue;
        return pit_config_fault(build->file, path, -EINVAL, build->error, "'%s' is an address of node %u already", text,
                                i + 1);
    }
    return 0;
}

static int read_nodes(const struct pit_config_build *build, struct pit_cluster_config *cluster)
{
    const struct pit_config_cluster *text = &build->text->cluster;
    if (text->nodes_count != 3 && text->nodes_count != PIT_CLUSTER_NODES_MAX)
        return pit_config_fault(build->file, "cluster.nodes", -EINVAL, build->error,
                                "%u nodes; a cluster has 3 or %u: the majority of 3 can lose 1, of %u it can lose 2",
                                text->nodes_count, PIT_CLUSTER_NODES_MAX, PIT_CLUSTER_NODES_MAX);
    for (uint32_t i = 0; i < text->nodes_count; i++) {
        char path[64];
        for (int clients = 0; clients <= 1; clients++) {
            snprintf(path, sizeof path, "cluster.nodes[%u].%s", i, clients ? "clients" : "address");
            int code = check_address(build, path, clients ? text->nodes[i].clients : text->nodes[i].address);
            if (code == 0)
                code = check_doubled(build, path, i, clients);
            if (code)
                return code;
        }
        cluster->of[i + 1] =
            (struct pit_cluster_node){.address = text->nodes[i].address, .clients = text->nodes[i].clients};
    }
    cluster->nodes = text->nodes_count;
    if (text->node < 1 || text->node > text->nodes_count)
        return pit_config_fault(build->file, "cluster.node", -EINVAL, build->error,
                                "%u is none of the nodes: say which of them this one is, 1 to %u", text->node,
                                text->nodes_count);
    cluster->node = text->node;
    return 0;
}

static int read_key(const struct pit_config_build *build, struct pit_cluster_config *cluster)
{
    const char *name = build->text->cluster.key_file;
    if (!name)
        return pit_config_fault(build->file, "cluster.key_file", -EINVAL, build->error,
                                "a cluster needs a file with its key, the same on every node: openssl rand -hex 32");
    uint8_t *key = build->config->cluster_key = calloc(1, PIT_CONFIG_KEY_BYTES_MAX);
    if (!key)
        return pit_error_set(build->error, -ENOMEM, "no memory for the cluster's key");
    cluster->key = key;
    return pit_config_key_file(build, "cluster.key_file", name, PIT_PEER_KEY_BYTES_MIN, PIT_PEERS_KEY_BYTES_MAX, key,
                               &cluster->key_bytes);
}

/* Three heartbeats may be lost before an election begins. */
static int read_times(const struct pit_config_build *build, struct pit_cluster_config *cluster)
{
    const struct pit_config_cluster *text = &build->text->cluster;
    int code = pit_config_number32(build, "cluster.election_ms", text->election_ms, PIT_CLUSTER_ELECTION_MS,
                                   ELECTION_MS_MIN, ELECTION_MS_MAX, &cluster->election_ms);
    if (code)
        return code;
    uint32_t most = cluster->election_ms / 3;
    uint32_t usual = PIT_CLUSTER_HEARTBEAT_MS < most ? PIT_CLUSTER_HEARTBEAT_MS : most;
    return pit_config_number32(build, "cluster.heartbeat_ms", text->heartbeat_ms, usual, 1, most,
                               &cluster->heartbeat_ms);
}

int pit_config_cluster(struct pit_config_build *build)
{
    const struct pit_config_cluster *text = &build->text->cluster;
    struct pit_cluster_config *cluster = &build->config->cluster;
    if (!said(build)) {
        if (text->begin || text->rejoin)
            return pit_error_set(build->error, -EINVAL,
                                 "--%s is for a node of a cluster, and the configuration has no cluster",
                                 text->begin ? "begin" : "rejoin");
        return 0;
    }
    static int (*const steps[])(const struct pit_config_build *, struct pit_cluster_config *) = {read_name, read_nodes,
                                                                                                 read_key, read_times};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        int code = steps[i](build, cluster);
        if (code)
            return code;
    }
    cluster->begin = text->begin;
    cluster->rejoin = text->rejoin;
    build->config->pipeline.cluster = *cluster; /* its stages are others: pit_config_threads asks for them */
    return 0;
}
