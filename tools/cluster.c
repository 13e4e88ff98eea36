/* tools/cluster.c - pitline cluster: how a cluster is doing, who leads it, and what an operator may ask of it.
 *
 * Everything is asked of the nodes that the configuration names, over the port on which they know each other.
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/arguments.h"
#include "tools/cluster_view.h"
#include "tools/config.h"
#include "tools/tools.h"

#define CONFIG_DEFAULT "/etc/pitline/pitline.yaml"
#define TIMEOUT_MS_DEFAULT 2000u
#define WAIT_SECONDS_MAX 86400u
#define TRANSFER_SECONDS 10u
#define SNAPSHOT_SECONDS 60u
#define BEHIND_DEFAULT 1000u
#define AGAIN_NS 20000000L

enum { DONE = 0, NOT_DONE = 1, WRONG = 2, LEADERLESS = 3 };

struct arguments {
    const char *what; /* "pitline cluster status" */
    const char *config;
    uint32_t node;
    uint32_t target; /* transfer */
    uint32_t timeout_ms;
    uint64_t wait_seconds;
    uint64_t behind_max;
    bool json;
};

struct tool {
    struct arguments arguments;
    struct pit_config_file *file;
    struct pit_config config;
    const struct pit_cluster_config *cluster;
    const char *name; /* of the cluster */
    uint64_t until_ns;
    struct pit_cluster_view view;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* False: the time is up. Otherwise it was waited a little. */
static bool again(const struct tool *tool)
{
    if (now_ns() >= tool->until_ns)
        return false;
    nanosleep(&(struct timespec){.tv_nsec = AGAIN_NS}, NULL);
    return true;
}

static int complain(const struct tool *tool, const struct pit_error *error, int status)
{
    fprintf(stderr, "%s: %s\n", tool->arguments.what, error->text);
    return status;
}

static void look(struct tool *tool, uint32_t only)
{
    const struct pit_cluster_asking asking = {.cluster = tool->cluster,
                                              .only = only,
                                              .timeout_ms = tool->arguments.timeout_ms,
                                              .behind_max = tool->arguments.behind_max};
    pit_cluster_view_take(&tool->view, &asking);
}

static int no_leader(const struct tool *tool)
{
    const struct pit_cluster_view *view = &tool->view;
    fprintf(stderr, "%s: no node that was asked leads and takes commands\n", tool->arguments.what);
    for (uint32_t node = 1; node <= tool->cluster->nodes; node++)
        if (view->of[node].asked && !view->of[node].reached)
            fprintf(stderr, "%s: %s\n", tool->arguments.what, view->of[node].error.text);
    return LEADERLESS;
}

/* One node alone: whether it is there, and knows who leads. */
static int state_of_one(const struct tool *tool)
{
    const struct pit_cluster_answer *answer = &tool->view.of[tool->arguments.node];
    if (!answer->reached || answer->status.role == PIT_CLUSTER_STOPPED)
        return NOT_DONE;
    return answer->status.leader ? DONE : LEADERLESS;
}

static int status(struct tool *tool)
{
    static const int of_state[] = {
        [PIT_CLUSTER_OK] = DONE, [PIT_CLUSTER_DEGRADED] = NOT_DONE, [PIT_CLUSTER_LEADERLESS] = LEADERLESS};
    int code;
    do {
        look(tool, tool->arguments.node);
        code = tool->arguments.node ? state_of_one(tool) : of_state[tool->view.state];
    } while (code != DONE && again(tool));
    (tool->arguments.json ? pit_cluster_view_print_json : pit_cluster_view_print)(&tool->view, tool->name);
    return code;
}

/* The node that leads; where one alone was asked, that may be another one that it follows. 0: none is known. */
static uint32_t known_leader(const struct tool *tool)
{
    const uint32_t asked = tool->arguments.node, followed = tool->view.of[asked].status.leader;
    if (tool->view.leader || asked == 0 || !tool->view.of[asked].reached)
        return tool->view.leader;
    return followed != asked && followed <= tool->cluster->nodes ? followed : 0;
}

static int leader(struct tool *tool)
{
    do
        look(tool, tool->arguments.node);
    while (!known_leader(tool) && again(tool));
    if (!known_leader(tool))
        return no_leader(tool);
    printf("%s\n", tool->cluster->of[known_leader(tool)].clients);
    return DONE;
}

static int connect_to(struct tool *tool, uint32_t node, struct pit_operator **link, struct pit_error *error)
{
    return pit_operator_connect(link, tool->cluster, node, tool->arguments.timeout_ms, error);
}

static int ask_to_transfer(struct tool *tool, struct pit_error *error)
{
    struct pit_operator *link;
    int code = connect_to(tool, tool->view.leader, &link, error);
    if (code)
        return code;
    code = pit_operator_transfer(link, tool->arguments.target, error);
    pit_operator_close(link);
    return code;
}

static int transfer(struct tool *tool)
{
    uint32_t target = tool->arguments.target;
    struct pit_error error = {0};
    if (target > tool->cluster->nodes) {
        pit_error_set(&error, -EINVAL, "there is no node %u: the configuration has %u", target, tool->cluster->nodes);
        return complain(tool, &error, WRONG);
    }
    look(tool, 0);
    if (!tool->view.leader)
        return no_leader(tool);
    if (tool->view.leader != target && ask_to_transfer(tool, &error) != 0)
        return complain(tool, &error, NOT_DONE);
    while (tool->view.leader != target && again(tool))
        look(tool, 0);
    if (tool->view.leader != target) {
        pit_error_set(&error, -ETIMEDOUT,
                      "node %u does not lead after %" PRIu64 " s; pitline cluster status tells more", target,
                      tool->arguments.wait_seconds);
        return complain(tool, &error, NOT_DONE);
    }
    printf("node %u leads in term %" PRIu64 ", clients go to %s\n", target, tool->view.of[target].status.term,
           tool->cluster->of[target].clients);
    return DONE;
}

/* Until there is a snapshot of at least what the node had done when it was asked. */
static int await_snapshot(struct tool *tool, struct pit_operator *link, struct pit_error *error)
{
    struct pit_operator_status status;
    uint64_t newest = 0;
    int code = pit_operator_status(link, &status, error);
    if (code == 0 && status.sequence == 0)
        return pit_error_set(error, -ENODATA, "node %u has no command yet", status.node);
    if (code == 0)
        code = pit_operator_snapshot(link, false, &newest, error);
    bool begin = true; /* again whenever one was written that was under way already */
    while (code == 0 && newest < status.sequence) {
        uint64_t before = newest;
        code = pit_operator_snapshot(link, begin, &newest, error);
        begin = newest != before;
        if (code == 0 && newest < status.sequence && !again(tool))
            return pit_error_set(error, -ETIMEDOUT,
                                 "node %u has no snapshot of sequence %" PRIu64 " after %" PRIu64
                                 " s; the newest is of sequence %" PRIu64,
                                 status.node, status.sequence, tool->arguments.wait_seconds, newest);
    }
    if (code == 0)
        printf("node %u has a snapshot of sequence %" PRIu64 "\n", status.node, newest);
    return code;
}

static int snapshot(struct tool *tool)
{
    struct pit_error error = {0};
    struct pit_operator *link;
    uint32_t node = tool->arguments.node ? tool->arguments.node : tool->cluster->node;
    int code = connect_to(tool, node, &link, &error);
    if (code == 0) {
        code = await_snapshot(tool, link, &error);
        pit_operator_close(link);
    }
    return code ? complain(tool, &error, NOT_DONE) : DONE;
}

/* The arguments. */

enum { KEY_NODE = 256, KEY_TIMEOUT, KEY_BEHIND };

#define OPTION_CONFIG                                                                                                  \
    {                                                                                                                  \
        "config", 'c', "FILE", 0, "The configuration that names the nodes and their key [" CONFIG_DEFAULT "]", 0       \
    }
#define OPTION_TIMEOUT                                                                                                 \
    {                                                                                                                  \
        "timeout", KEY_TIMEOUT, "MS", 0, "How long a node may take to answer [2000]", 0                                \
    }

static const struct argp_option status_options[] = {
    OPTION_CONFIG,
    OPTION_TIMEOUT,
    {"node", KEY_NODE, "N", 0, "Ask this node alone", 0},
    {"behind", KEY_BEHIND, "N", 0, "A node is level while it lacks at most N entries of the log [1000]", 0},
    {"wait", 'w', "SECONDS", 0, "Ask again for so long, until all is well [0]", 0},
    {"json", 'j', NULL, 0, "One JSON object instead of a table", 0},
    {0},
};

static const struct argp_option leader_options[] = {
    OPTION_CONFIG,
    OPTION_TIMEOUT,
    {"node", KEY_NODE, "N", 0, "Ask this node alone", 0},
    {"wait", 'w', "SECONDS", 0, "Ask again for so long, until there is one [0]", 0},
    {0},
};

static const struct argp_option transfer_options[] = {
    OPTION_CONFIG,
    OPTION_TIMEOUT,
    {"wait", 'w', "SECONDS", 0, "How long it may take [10]", 0},
    {0},
};

static const struct argp_option snapshot_options[] = {
    OPTION_CONFIG,
    OPTION_TIMEOUT,
    {"node", KEY_NODE, "N", 0, "The node that is to write it [the configuration's own]", 0},
    {"wait", 'w', "SECONDS", 0, "How long it may take [60]", 0},
    {0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'c':
        arguments->config = text;
        return 0;
    case KEY_NODE:
        arguments->node = (uint32_t)pit_argument_number(state, "node", text, 1, PIT_CLUSTER_NODES_MAX);
        return 0;
    case KEY_TIMEOUT:
        arguments->timeout_ms = (uint32_t)pit_argument_number(state, "timeout", text, 1, 60000);
        return 0;
    case KEY_BEHIND:
        arguments->behind_max = pit_argument_number(state, "behind", text, 0, UINT64_MAX);
        return 0;
    case 'w':
        arguments->wait_seconds = pit_argument_number(state, "wait", text, 0, WAIT_SECONDS_MAX);
        return 0;
    case 'j':
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one argument too many", text);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_transfer(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (arguments->target)
            return parse(key, text, state);
        arguments->target = (uint32_t)pit_argument_number(state, "N", text, 1, PIT_CLUSTER_NODES_MAX);
        return 0;
    case ARGP_KEY_END:
        if (!arguments->target)
            argp_error(state, "to which node? Give its number");
        return 0;
    default:
        return parse(key, text, state);
    }
}

struct part {
    const char *name;
    const char *summary;
    int (*run)(struct tool *tool);
    uint64_t wait_seconds;
    struct argp argp;
};

static const struct part parts[] = {
    {"status",
     "how each node is doing",
     status,
     0,
     {.options = status_options,
      .parser = parse,
      .doc = "Asks every node of a cluster how it is doing.\v"
             "Exit status: 0 = a leader takes commands, every node answers, follows it, and is level; 1 = a leader "
             "takes commands, and something else is not so; 3 = no leader; 2 = the arguments or the configuration are "
             "wrong. With --node: 0 = it answers and knows who leads, 1 = it does not answer or has stopped, 3 = it "
             "knows no leader."}},
    {"leader",
     "the address to which clients go now",
     leader,
     0,
     {.options = leader_options,
      .parser = parse,
      .doc = "Prints the address of the node that takes commands now, for clients; with --node of that node if it "
             "leads, else of the one that it follows.\v"
             "Exit status: 0 = there is one, 3 = there is none, 2 = the arguments or the configuration are wrong."}},
    {"transfer",
     "let another node lead",
     transfer,
     TRANSFER_SECONDS,
     {.options = transfer_options,
      .parser = parse_transfer,
      .args_doc = "N",
      .doc = "Asks the leader to hand over to node N, and waits until that one takes commands.\v"
             "Exit status: 0 = node N leads, 1 = it does not, and why, 3 = there was no leader, 2 = the arguments or "
             "the configuration are wrong."}},
    {"snapshot",
     "let a node write a snapshot now",
     snapshot,
     SNAPSHOT_SECONDS,
     {.options = snapshot_options,
      .parser = parse,
      .doc = "Asks a node to write a snapshot, and waits until there is one of all that the node had done when it was "
             "asked.\v"
             "Exit status: 0 = there is one, 1 = there is none, and why, 2 = the arguments or the configuration are "
             "wrong."}},
};
#define PARTS (sizeof parts / sizeof parts[0])

static int usage(FILE *out, int code)
{
    fprintf(out, "Usage: pitline cluster WHAT [OPTION...]\n\n");
    for (size_t i = 0; i < PARTS; i++)
        fprintf(out, "  %-9s %s\n", parts[i].name, parts[i].summary);
    fprintf(out, "\npitline cluster WHAT --help tells its options.\n");
    return code;
}

/* The cluster of the configuration, or a complaint. */
static int open_cluster(struct tool *tool)
{
    struct pit_error error = {0};
    if (pit_config_read(&tool->file, tool->arguments.config, &error) != 0)
        return complain(tool, &error, WRONG);
    const struct pit_config_text *text = pit_config_text(tool->file);
    if (pit_config_build_cluster(&tool->config, text, tool->file, &error) != 0)
        return complain(tool, &error, WRONG);
    tool->cluster = &tool->config.cluster;
    tool->name = text->cluster.name;
    if (tool->cluster->nodes == 0)
        pit_error_set(&error, -EINVAL, "%s has no cluster: it is of a single node", tool->arguments.config);
    else if (tool->arguments.node > tool->cluster->nodes)
        pit_error_set(&error, -EINVAL, "--node: there is no node %u: the configuration has %u", tool->arguments.node,
                      tool->cluster->nodes);
    return error.code ? complain(tool, &error, WRONG) : 0;
}

static int run(const struct part *part, int argc, char **argv)
{
    static struct tool tool; /* zeroed; large */
    tool.arguments = (struct arguments){.what = argv[0],
                                        .config = CONFIG_DEFAULT,
                                        .timeout_ms = TIMEOUT_MS_DEFAULT,
                                        .wait_seconds = part->wait_seconds,
                                        .behind_max = BEHIND_DEFAULT};
    argp_parse(&part->argp, argc, argv, 0, NULL, &tool.arguments);
    int code = open_cluster(&tool);
    tool.until_ns = now_ns() + tool.arguments.wait_seconds * 1000000000u;
    if (code == 0)
        code = part->run(&tool);
    if (tool.cluster)
        pit_config_clear(&tool.config);
    pit_config_release(tool.file);
    return fflush(stdout) == 0 ? code : NOT_DONE;
}

int pit_tool_cluster(int argc, char **argv)
{
    static char name[64]; /* argp keeps a pointer to it */
    if (argc < 2)
        return usage(stderr, WRONG);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0)
        return usage(stdout, 0);
    for (size_t i = 0; i < PARTS; i++) {
        if (strcmp(parts[i].name, argv[1]) != 0)
            continue;
        snprintf(name, sizeof name, "pitline cluster %s", parts[i].name);
        argv[1] = name;
        argp_err_exit_status = WRONG;
        return run(&parts[i], argc - 1, argv + 1);
    }
    fprintf(stderr, "pitline cluster: '%s' is nothing that can be asked of one\n\n", argv[1]);
    return usage(stderr, WRONG);
}
