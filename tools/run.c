/* tools/run.c - pitline run: starts a pipeline, says how it is doing, stops it cleanly. */
#include "tools/run.h"

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "tools/arguments.h"
#include "tools/tools.h"

#define ARGUMENTS_MAX 64u
#define WATCH_NS 100000000u
#define PROGRESS_NS 1000000000u
#define FILES_OWN 192u   /* files that a pipeline has open besides its sessions, with some to spare */
#define STATUS_DIFFERS 3 /* exit status: tools/packaging/pitline.service.in knows it */
#define DEMO_SECONDS 10u
#define DEMO_SECONDS_MAX 86400u

enum {
    KEY_DATA = 256,
    KEY_LISTEN,
    KEY_SYMBOL,
    KEY_THREADS,
    KEY_MATCHERS,
    KEY_DEMO,
    KEY_SYNC,
    KEY_SNAPSHOT_EVERY,
    KEY_BEGIN,
    KEY_REJOIN
};

static const struct argp_option options[] = {
    {"config", 'c', "FILE", 0, "Configuration (YAML); the options below override it", 0},
    {"name", 'n', "NAME", 0, "Name of the pipeline and of its market data [pitline]", 0},
    {"data", KEY_DATA, "DIR", 0, "Directory of the journal; made if need be, recovered if not empty [./pitline-data]",
     0},
    {"listen", KEY_LISTEN, "ADDRESS", 0,
     "unix:PATH or tcp:HOST:PORT; may be given several times [unix:/tmp/pitline-NAME.sock and tcp:127.0.0.1:7400]", 0},
    {"symbol", KEY_SYMBOL, "NAME[,TICK[,LOT]]", 0,
     "A symbol with its tick and lot size, like BTCUSD,0.01,0.00000001; may be given several times [a few, for a new "
     "journal]",
     0},
    {"threads", KEY_THREADS, "MODE", 0, "shared: all stages on one thread; dedicated: a thread each; auto [auto]", 0},
    {"matchers", KEY_MATCHERS, "N", 0, "Matchers; each symbol is on exactly one [1]", 0},
    {"sync", KEY_SYNC, "POLICY", 0,
     "auto: O_DIRECT|O_DSYNC where the file system allows it, else fdatasync; data: fdatasync; never: nothing is "
     "durable, for benches only [auto]",
     0},
    {"snapshot-every", KEY_SNAPSHOT_EVERY, "N", 0, "Write a snapshot each N commands, for quick starts; 0: none [0]",
     0},
    {"begin", KEY_BEGIN, NULL, 0,
     "For a node of a cluster that has never run: its directory may be empty. Once, on every node", 0},
    {"rejoin", KEY_REJOIN, NULL, 0,
     "For a node of a cluster that has lost its data, or has come to another result than the others: its directory may "
     "be empty, or what it has come to is put aside, and it does not vote before it has everything from the others",
     0},
    {"demo", KEY_DEMO, "SECONDS", OPTION_ARG_OPTIONAL,
     "Run a demonstration on a temporary directory, with order flow of its own, and prove it by replay [10]", 0},
    {"quiet", 'q', NULL, 0, "No status lines", 0},
    {0},
};

struct arguments {
    const char *config;
    char *name, *data, *threads, *sync;
    char *listen[PIT_GATEWAY_ADDRESSES_MAX];
    uint32_t listen_count;
    struct pit_config_symbol symbols[ARGUMENTS_MAX];
    uint32_t symbols_count;
    uint32_t matchers;
    uint64_t snapshot_every;
    bool snapshot_every_given;
    uint32_t demo_seconds;
    bool demo, quiet, begin, rejoin;
};

/* NAME[,TICK[,LOT]]; the argument is cut at its commas. */
static void parse_symbol(struct argp_state *state, struct arguments *arguments, char *text)
{
    if (arguments->symbols_count == ARGUMENTS_MAX)
        argp_error(state, "more than %u symbols: put them into a configuration file", ARGUMENTS_MAX);
    struct pit_config_symbol *symbol = &arguments->symbols[arguments->symbols_count++];
    symbol->name = strsep(&text, ",");
    symbol->tick = strsep(&text, ",");
    symbol->lot = strsep(&text, ",");
    if (text)
        argp_error(state, "--symbol takes NAME[,TICK[,LOT]]; '%s' is too much", text);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'c':
        arguments->config = text;
        return 0;
    case 'n':
        arguments->name = text;
        return 0;
    case KEY_DATA:
        arguments->data = text;
        return 0;
    case KEY_LISTEN:
        if (arguments->listen_count == PIT_GATEWAY_ADDRESSES_MAX)
            argp_error(state, "more than %u addresses", PIT_GATEWAY_ADDRESSES_MAX);
        arguments->listen[arguments->listen_count++] = text;
        return 0;
    case KEY_SYMBOL:
        parse_symbol(state, arguments, text);
        return 0;
    case KEY_THREADS:
        arguments->threads = text;
        return 0;
    case KEY_MATCHERS:
        arguments->matchers = (uint32_t)pit_argument_number(state, "matchers", text, 1, PIT_MATCHERS_MAX);
        return 0;
    case KEY_SYNC:
        arguments->sync = text;
        return 0;
    case KEY_SNAPSHOT_EVERY:
        arguments->snapshot_every = pit_argument_number(state, "snapshot-every", text, 0, UINT64_MAX);
        arguments->snapshot_every_given = true;
        return 0;
    case KEY_BEGIN:
        arguments->begin = true;
        return 0;
    case KEY_REJOIN:
        arguments->rejoin = true;
        return 0;
    case KEY_DEMO:
        arguments->demo = true;
        arguments->demo_seconds =
            text ? (uint32_t)pit_argument_number(state, "demo", text, 1, DEMO_SECONDS_MAX) : DEMO_SECONDS;
        return 0;
    case 'q':
        arguments->quiet = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one argument too many", text);
        return 0;
    case ARGP_KEY_END:
        if (arguments->demo &&
            (arguments->config || arguments->data || arguments->listen_count || arguments->symbols_count))
            argp_error(state, "--demo brings its own directory, addresses and symbols: leave out --config, --data, "
                              "--listen and --symbol");
        if (arguments->begin && arguments->rejoin)
            argp_error(state, "--begin is for a new cluster, --rejoin for a node of one that there is: not both");
        if (arguments->demo && (arguments->begin || arguments->rejoin))
            argp_error(state, "--demo is no cluster: leave out --begin and --rejoin");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .doc = "Runs a pipeline until SIGINT or SIGTERM, then finishes everything accepted and stops.\v"
           "When it takes orders it prints a line that starts with \"ready:\".\n\n"
           "Exit status: 0 = stopped cleanly, 1 = it could not start or go on, 2 = the arguments or the configuration "
           "are wrong, 3 = this node of a cluster has come to another result than the others.",
};

void pit_run_hold_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a journal at the limit of a file's size says so itself */
}

int pit_run_await_signal(uint64_t ns)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    struct timespec limit = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    int number = sigtimedwait(&set, NULL, &limit);
    return number > 0 ? number : 0;
}

static void say(void *context, const char *line)
{
    (void)context;
    printf("%s\n", line);
}

const struct pit_notes pit_run_notes = {.say = say};

bool pit_run_progress(void *context, uint64_t bytes_done, uint64_t bytes_total, uint64_t commands)
{
    uint64_t *told_ns = context, now = pit_status_now_ns();
    if (*told_ns == 0)
        *told_ns = now;
    if (pit_run_await_signal(0))
        return false;
    if (now - *told_ns < PROGRESS_NS)
        return true;
    *told_ns = now;
    printf("journal: recovering, %3.0f %%, %.1f million commands\n",
           bytes_total ? 100.0 * (double)bytes_done / (double)bytes_total : 100.0, (double)commands / 1e6);
    return true;
}

static void tell_cluster(struct pit_status *status)
{
    char line[PIT_STATUS_CLUSTER_BYTES];
    char links[PIT_STATUS_LINKS_BYTES];
    if (pit_status_cluster(status, line))
        printf("%s\n", line);
    if (pit_status_links(status, links))
        printf("%s\n", links);
}

static void tell_alarm(struct pit_status *status)
{
    char line[PIT_STATUS_ALARM_BYTES];
    if (!pit_status_alarm(status, line))
        return;
    fflush(stdout);
    fprintf(stderr, "pitline run: %s\n", line);
}

int pit_run_watch(struct pit_pipeline *pipeline, struct pit_status *status, const struct pit_config *config, bool quiet,
                  uint32_t seconds, bool (*alive)(void *context), void *context, struct pit_error *error)
{
    uint64_t interval_ns = (uint64_t)config->statistics_ms * 1000000u;
    uint64_t next_ns = status->started_ns + interval_ns;
    uint64_t end_ns = seconds ? status->started_ns + (uint64_t)seconds * 1000000000u : UINT64_MAX;
    for (;;) {
        uint64_t now = pit_status_now_ns();
        uint64_t until = next_ns < end_ns ? next_ns : end_ns;
        uint64_t wait = until > now ? until - now : 0;
        int number = pit_run_await_signal(wait > WATCH_NS ? WATCH_NS : wait);
        if (number)
            return number;
        if (pit_pipeline_failed(pipeline, error))
            return error->code ? error->code : -EIO;
        tell_alarm(status);
        tell_cluster(status);
        now = pit_status_now_ns();
        char line[PIT_STATUS_BYTES], warning[PIT_SNAPSHOTS_WARNING_BYTES];
        if (pit_pipeline_warning(pipeline, warning))
            printf("%s\n", warning);
        if (now >= next_ns) {
            if (pit_status_line(status, line) && !quiet)
                printf("%s\n", line);
            for (; next_ns <= now; next_ns += interval_ns)
                ;
        }
        if (now >= end_ns || (alive && !alive(context)))
            return 0;
    }
}

static void print_ready(const struct pit_config *config)
{
    printf("ready: %s takes orders on", config->pipeline.name);
    for (uint32_t i = 0; i < config->pipeline.addresses_count; i++)
        printf(" %s", config->pipeline.addresses[i]);
    printf("%s\n", config->cluster.nodes > 0 ? " while it leads" : "");
}

static int complain(const struct pit_error *error, int status)
{
    fflush(stdout);
    fprintf(stderr, "pitline run: %s\n", error->text);
    return status;
}

/* It could not start or go on. What starts it again by itself is to know where that must not be. */
static int give_up(const struct pit_error *error)
{
    return complain(error, error->code == -ENOTRECOVERABLE ? STATUS_DIFFERS : 1);
}

static int stop(struct pit_pipeline *pipeline, const struct pit_config *config, struct pit_status *status, int watched,
                struct pit_error *error)
{
    tell_alarm(status);
    if (watched > 0)
        printf("stopping on %s: finishing everything accepted\n", strsignal(watched));
    int code = pit_pipeline_stop(pipeline, config->drain_ms, watched < 0 ? NULL : error);
    tell_alarm(status);
    if (code || watched < 0)
        return give_up(error);
    char line[PIT_STATUS_BYTES];
    struct pit_digest digest = pit_pipeline_digest(pipeline);
    pit_status_whole(status, line);
    printf("whole run: %s\n", line);
    printf("stopped: last sequence %llu, events-digest %016llx state-digest %016llx resting orders %llu\n",
           (unsigned long long)pit_pipeline_last(pipeline), (unsigned long long)digest.events,
           (unsigned long long)digest.state, (unsigned long long)digest.orders);
    return 0;
}

/* A session is an open file, and what a login shell allows is less than the sessions a configuration may have. */
static void allow_files(uint32_t sessions)
{
    struct rlimit limit;
    rlim_t want = sessions + PIT_SESSIONS_SPARE + FILES_OWN;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want)
        return;
    limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < want)
        printf("sessions: %u of them need %llu open files, and this process may have %llu (ulimit -Hn, LimitNOFILE=): "
               "those beyond have to wait\n",
               sessions, (unsigned long long)want, (unsigned long long)limit.rlim_cur);
}

/* One life of a pipeline. *again: it is to begin anew. */
static int live(const struct pit_config *config, const struct pit_pipeline_config *whole, bool quiet, bool *again)
{
    struct pit_error error = {0};
    struct pit_pipeline *pipeline = NULL;
    *again = false;
    int created = pit_pipeline_create(&pipeline, whole, &error);
    if (created == -ECANCELED)
        printf("stopped: %s\n", error.text);
    if (created != 0)
        return created == -ECANCELED ? 0 : give_up(&error);
    int status = 0;
    if (pit_pipeline_start(pipeline, &error) != 0) {
        status = give_up(&error);
    } else {
        struct pit_status watched;
        print_ready(config);
        pit_status_init(&watched, pipeline);
        int code = pit_run_watch(pipeline, &watched, config, quiet, 0, NULL, NULL, &error);
        *again = code == -ESTALE;
        if (*again) {
            printf("cluster: %s\n", error.text);
            pit_pipeline_stop(pipeline, 0, NULL);
        } else {
            status = stop(pipeline, config, &watched, code, &error);
        }
    }
    pit_pipeline_destroy(pipeline);
    return status;
}

static int run(const struct pit_config *config, bool quiet)
{
    uint64_t told_ns = 0;
    struct pit_pipeline_config whole = config->pipeline;
    whole.notes = pit_run_notes;
    whole.progress = pit_run_progress;
    whole.progress_context = &told_ns;
    allow_files(whole.limits.sessions_max);
    for (;;) {
        bool again;
        int status = live(config, &whole, quiet, &again);
        if (!again)
            return status;
        whole.cluster.begin = false;
    }
}

/* Puts what the command line said over what the file said. */
static void override(struct pit_config_text *text, struct arguments *arguments)
{
    if (arguments->name)
        text->name = arguments->name;
    if (arguments->data)
        text->data = arguments->data;
    if (arguments->listen_count > 0) {
        text->listen = arguments->listen;
        text->listen_count = arguments->listen_count;
    }
    if (arguments->symbols_count > 0) {
        text->symbols = arguments->symbols;
        text->symbols_count = arguments->symbols_count;
    }
    if (arguments->threads) {
        text->threads.mode = arguments->threads;
        text->threads.groups_count = 0;
    }
    if (arguments->matchers)
        text->matchers = arguments->matchers;
    if (arguments->sync)
        text->journal.sync = arguments->sync;
    if (arguments->snapshot_every_given) {
        text->snapshots.every = arguments->snapshot_every;
        text->snapshot_every = 0;
    }
    text->cluster.begin = arguments->begin;
    text->cluster.rejoin = arguments->rejoin;
}

/* Nobody asked for the default port: where it is taken, by a second pipeline say, the Unix socket has to do. */
static void leave_taken_port(struct pit_config *config)
{
    const struct pit_network *network = pit_network_machine();
    struct pit_error error;
    int handle = network->listen(network->context, config->addresses[1], &error);
    if (handle >= 0)
        network->close(network->context, handle);
    if (handle != -EADDRINUSE)
        return;
    printf("listen: %s is taken; this pipeline has its Unix socket only (--listen gives it another port)\n",
           config->addresses[1]);
    free(config->addresses[1]);
    config->pipeline.addresses_count = 1;
}

int pit_tool_run(int argc, char **argv)
{
    struct arguments arguments = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    setvbuf(stdout, NULL, _IOLBF, 0);
    pit_run_hold_signals();
    if (arguments.demo) {
        struct pit_demo_options demo = {.seconds = arguments.demo_seconds,
                                        .threads = arguments.threads,
                                        .matchers = arguments.matchers,
                                        .sync = arguments.sync,
                                        .name = arguments.name};
        return pit_demo(&demo);
    }
    struct pit_error error = {0};
    struct pit_config_file *file = NULL;
    if (arguments.config && pit_config_read(&file, arguments.config, &error) != 0)
        return complain(&error, 2);
    struct pit_config_text text = file ? *pit_config_text(file) : (struct pit_config_text){0};
    override(&text, &arguments);
    struct pit_config config;
    int status;
    if (pit_config_build(&config, &text, file, &error) != 0) {
        status = complain(&error, 2);
    } else {
        if (config.addresses)
            leave_taken_port(&config);
        status = run(&config, arguments.quiet);
        pit_config_clear(&config);
    }
    pit_config_release(file);
    return status;
}
