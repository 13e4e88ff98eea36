/* tools/config.c - what a configuration's text means: defaults, ranges, units. */
#include "tools/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pitline/market_data.h"
#include "tools/config_parts.h"

#define HEARTBEAT_MS_DEFAULT 30000u
#define STATISTICS_MS_DEFAULT 1000u
#define MS_MAX 86400000u
#define RESERVE_BYTES (UINT64_C(64) << 20)
#define RESERVE_BYTES_MAX (UINT64_C(1024) << 30)
#define OUTBOX_BYTES_A_REQUEST 128u /* a report has about 64; the gateway reads on until half of the outbox waits */

int pit_config_bytes(const char *text, uint64_t *bytes)
{
    static const struct {
        const char *name;
        uint32_t shift;
    } units[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
    if (!isdigit((unsigned char)*text))
        return -EINVAL;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].name) != 0)
            continue;
        if (errno || number > UINT64_MAX >> units[i].shift)
            return -EINVAL;
        *bytes = number << units[i].shift;
        return 0;
    }
    return -EINVAL;
}

int pit_config_unit(const char *text, uint32_t *mantissa, uint8_t *decimals)
{
    uint64_t value = 0;
    uint32_t places = 0, digits = 0, zeros = 0;
    bool point = false;
    for (; *text; text++) {
        if (*text == '.' && !point) {
            point = true;
            continue;
        }
        if (!isdigit((unsigned char)*text) || ++digits > 40)
            return -EINVAL;
        if (point && *text == '0') { /* counts only if another digit follows */
            zeros++;
            continue;
        }
        for (places += point ? zeros + 1 : 0; zeros > 0; zeros--)
            value *= 10;
        value = value * 10 + (uint64_t)(*text - '0');
        if (value > UINT32_MAX || places > PIT_DECIMALS_MAX)
            return -EINVAL;
    }
    if (digits == 0 || value == 0)
        return -EINVAL;
    *mantissa = (uint32_t)value;
    *decimals = (uint8_t)places;
    return 0;
}

int pit_config_number(const struct pit_config_build *build, const char *path, uint64_t said, uint64_t value_default,
                      uint64_t min, uint64_t max, uint64_t *value)
{
    bool given = said != 0 || pit_config_has(build->file, path);
    *value = given ? said : value_default;
    if (*value >= min && *value <= max)
        return 0;
    return pit_config_fault(build->file, path, -EINVAL, build->error, "%llu is out of range: %llu to %llu",
                            (unsigned long long)*value, (unsigned long long)min, (unsigned long long)max);
}

int pit_config_number32(const struct pit_config_build *build, const char *path, uint32_t said, uint32_t value_default,
                        uint32_t min, uint32_t max, uint32_t *value)
{
    uint64_t wide = 0;
    int code = pit_config_number(build, path, said, value_default, min, max, &wide);
    *value = (uint32_t)wide;
    return code;
}

int pit_config_choice(const struct pit_config_build *build, const char *path, const char *said,
                      const struct pit_config_word *words, int *value)
{
    if (!said) {
        *value = words[0].value;
        return 0;
    }
    char known[128] = "";
    for (const struct pit_config_word *word = words; word->name; word++) {
        if (strcmp(word->name, said) == 0) {
            *value = word->value;
            return 0;
        }
        strcat(known, word == words ? "" : ", ");
        strcat(known, word->name);
    }
    return pit_config_fault(build->file, path, -EINVAL, build->error, "'%s' is none of: %s", said, known);
}

bool pit_config_name_good(const char *name)
{
    if (name[0] == 0 || name[0] == '.' || strlen(name) > 64)
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && !strchr("._-", *name))
            return false;
    return true;
}

static int build_name(struct pit_config_build *build)
{
    struct pit_config *config = build->config;
    const char *name = build->text->name ? build->text->name : "pitline";
    if (!pit_config_name_good(name))
        return pit_config_fault(build->file, "name", -EINVAL, build->error,
                                "'%s' is no name: letters, digits, '.', '_', '-', at most 64, not starting with '.'",
                                name);
    const char *data = build->text->data;
    if (data && data[0] == 0)
        return pit_config_fault(build->file, "data", -EINVAL, build->error, "the data directory has no name");
    config->name = strdup(name);
    config->data = NULL;
    if (asprintf(&config->data, "%s%s", data ? data : "./", data ? "" : "pitline-data") < 0)
        config->data = NULL;
    if (!config->name || !config->data)
        return pit_error_set(build->error, -ENOMEM, "no memory for the configuration");
    config->pipeline.name = config->name;
    config->pipeline.directory = config->data;
    return 0;
}

/* Where nothing is said: a Unix socket that tools on this machine find by name, and a port for other languages. */
static int default_addresses(struct pit_config_build *build)
{
    struct pit_config *config = build->config;
    config->addresses = calloc(2, sizeof *config->addresses);
    if (!config->addresses || asprintf(&config->addresses[0], "unix:/tmp/pitline-%s.sock", config->name) < 0 ||
        !(config->addresses[1] = strdup("tcp:127.0.0.1:7400")))
        return pit_error_set(build->error, -ENOMEM, "no memory for the configuration");
    config->pipeline.addresses = (const char *const *)config->addresses;
    config->pipeline.addresses_count = 2;
    return 0;
}

static bool has_keys(const struct pit_config *config)
{
    for (uint32_t i = 0; i < config->pipeline.accounts_count; i++)
        if (config->accounts[i].key_bytes > 0)
            return true;
    return false;
}

static int build_addresses(struct pit_config_build *build)
{
    const struct pit_config_text *text = build->text;
    struct pit_config *config = build->config;
    if (text->listen_count == 0 && !pit_config_has(build->file, "listen"))
        return default_addresses(build);
    if (text->listen_count < 1 || text->listen_count > PIT_GATEWAY_ADDRESSES_MAX)
        return pit_config_fault(build->file, "listen", -EINVAL, build->error, "%u addresses; there can be 1 to %u",
                                text->listen_count, PIT_GATEWAY_ADDRESSES_MAX);
    for (uint32_t i = 0; i < text->listen_count; i++) {
        char path[64];
        snprintf(path, sizeof path, "listen[%u]", i);
        struct pit_error why = {0};
        bool local = false;
        if (pit_network_address_local(text->listen[i], &local, &why) != 0)
            return pit_config_fault(build->file, path, -EINVAL, build->error, "%.700s", why.text);
        if (!local && !has_keys(config))
            return pit_config_fault(build->file, path, -EINVAL, build->error,
                                    "'%s' can be reached from other machines, and no account has a key: give accounts "
                                    "keys, or listen on loopback or a Unix socket",
                                    text->listen[i]);
    }
    config->pipeline.addresses = (const char *const *)text->listen;
    config->pipeline.addresses_count = text->listen_count;
    return 0;
}

static int build_rings(struct pit_config_build *build)
{
    const struct pit_config_rings *rings = &build->text->rings;
    struct pit_pipeline_config *pipeline = &build->config->pipeline;
    const struct {
        const char *path;
        uint32_t said, value_default, min, max, *value;
    } all[] = {
        {"rings.input", rings->input, 65536, 1024, PIT_RING_SLOTS_MAX, &pipeline->input_slots},
        {"rings.output", rings->output, 65536, 1024, PIT_RING_SLOTS_MAX, &pipeline->output_slots},
        {"rings.sessions", rings->sessions, 1024, 16, PIT_SESSION_SLOTS_MAX, &pipeline->session_slots},
        {"rings.market_data", rings->market_data, 65536, PIT_PUBLISHER_EVENT_SLOTS_MIN, PIT_PUBLISHER_EVENT_SLOTS_MAX,
         &pipeline->event_slots},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        int code = pit_config_number32(build, all[i].path, all[i].said, all[i].value_default, all[i].min, all[i].max,
                                       all[i].value);
        if (code)
            return code;
        if (*all[i].value & (*all[i].value - 1))
            return pit_config_fault(
                build->file, all[i].path, -EINVAL, build->error, "%u is not a power of two; take %u or %u",
                *all[i].value, 1u << (31 - __builtin_clz(*all[i].value)), 2u << (31 - __builtin_clz(*all[i].value)));
    }
    return 0;
}

/* A size of the journal's that may be 0 and is max at most; *bytes holds the default. */
static int journal_size(struct pit_config_build *build, const char *path, const char *said, uint64_t max,
                        uint64_t *bytes)
{
    if (said && pit_config_bytes(said, bytes) != 0)
        return pit_config_fault(build->file, path, -EINVAL, build->error, "'%s' is no size; write it like 64MiB", said);
    if (*bytes > max)
        return pit_config_fault(build->file, path, -EINVAL, build->error, "%llu bytes is out of range: 0 to %llu",
                                (unsigned long long)*bytes, (unsigned long long)max);
    return 0;
}

static int build_journal(struct pit_config_build *build)
{
    static const struct pit_config_word syncs[] = {
        {"auto", PIT_JOURNAL_SYNC_AUTO}, {"data", PIT_JOURNAL_SYNC_DATA}, {"never", PIT_JOURNAL_SYNC_NEVER}, {NULL, 0}};
    const struct pit_config_journal *journal = &build->text->journal;
    struct pit_pipeline_config *pipeline = &build->config->pipeline;
    uint64_t bytes = UINT64_C(64) << 20;
    if (journal->segment && pit_config_bytes(journal->segment, &bytes) != 0)
        return pit_config_fault(build->file, "journal.segment", -EINVAL, build->error,
                                "'%s' is no size; write it like 64MiB", journal->segment);
    if (bytes < PIT_JOURNAL_SEGMENT_BYTES_MIN || bytes > PIT_JOURNAL_SEGMENT_BYTES_MAX ||
        bytes % PIT_JOURNAL_PAGE_BYTES != 0)
        return pit_config_fault(build->file, "journal.segment", -EINVAL, build->error,
                                "%llu bytes is out of range: 4MiB to 16GiB, a multiple of 4KiB",
                                (unsigned long long)bytes);
    pipeline->segment_bytes = bytes;
    pipeline->reserve_bytes = RESERVE_BYTES;
    pipeline->cancels_bytes = bytes / 4;
    int code = journal_size(build, "journal.reserve", journal->reserve, RESERVE_BYTES_MAX, &pipeline->reserve_bytes);
    if (code == 0)
        code =
            journal_size(build, "journal.cancel_reserve", journal->cancel_reserve, bytes / 2, &pipeline->cancels_bytes);
    int sync = 0;
    if (code == 0)
        code = pit_config_choice(build, "journal.sync", journal->sync, syncs, &sync);
    pipeline->sync = (enum pit_journal_sync)sync;
    return code;
}

static int build_market_data(struct pit_config_build *build)
{
    static const struct pit_config_word readers[] = {{"world", PIT_READABLE_BY_WORLD},
                                                     {"group", PIT_READABLE_BY_GROUP},
                                                     {"owner", PIT_READABLE_BY_OWNER},
                                                     {NULL, 0}};
    const struct pit_config_market_data *market_data = &build->text->market_data;
    int readable_by = 0;
    int code = pit_config_choice(build, "market_data.readable_by", market_data->readable_by, readers, &readable_by);
    build->config->pipeline.readable_by = (enum pit_readable_by)readable_by;
    build->config->pipeline.market_data = !market_data->publish || *market_data->publish;
    return code;
}

static int build_limits(struct pit_config_build *build)
{
    const struct pit_config_limits *limits = &build->text->limits;
    struct pit_pipeline_config *pipeline = &build->config->pipeline;
    uint32_t heartbeat = limits->heartbeat_ms ? *limits->heartbeat_ms : HEARTBEAT_MS_DEFAULT;
    const struct {
        const char *path;
        uint32_t said, value_default, min, max, *value;
    } all[] = {
        {"limits.sessions", limits->sessions, 64, 1, PIT_SESSIONS_MAX, &pipeline->limits.sessions_max},
        {"limits.rate", limits->rate, 0, 0, UINT32_MAX, &pipeline->limits.rate_max},
        {"limits.requests", limits->requests, 8192, 1, PIT_EGRESS_OUTBOX_BYTES_MAX / OUTBOX_BYTES_A_REQUEST,
         &pipeline->limits.requests_max},
        {"limits.turn_messages", limits->turn_messages, 256, 1, PIT_GATEWAY_TURN_MESSAGES_MAX,
         &pipeline->limits.turn_messages},
        {"limits.receive_bytes", limits->receive_bytes, 65536, PIT_GATEWAY_RECEIVE_BYTES_MIN,
         PIT_GATEWAY_RECEIVE_BYTES_MAX, &pipeline->limits.receive_bytes},
        {"limits.outbox_bytes", limits->outbox_bytes, 1u << 20, PIT_EGRESS_OUTBOX_BYTES_MIN,
         PIT_EGRESS_OUTBOX_BYTES_MAX, &pipeline->outbox_bytes},
        {"limits.logon_ms", limits->logon_ms, 5000, 1, MS_MAX, &pipeline->limits.logon_ms},
        {"limits.heartbeat_ms", heartbeat, heartbeat, 0, MS_MAX, &pipeline->limits.heartbeat_ms},
        {"limits.overload_ms", limits->overload_ms, 100, 1, MS_MAX, &pipeline->limits.overload_ms},
        {"limits.close_ms", limits->close_ms, 2000, 1, MS_MAX, &pipeline->close_ms},
        {"limits.drain_ms", limits->drain_ms, PIT_PIPELINE_DRAIN_MS, 1, MS_MAX, &build->config->drain_ms},
        {"statistics_ms", build->text->statistics_ms, STATISTICS_MS_DEFAULT, 10, MS_MAX, &build->config->statistics_ms},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        int code = pit_config_number32(build, all[i].path, all[i].said, all[i].value_default, all[i].min, all[i].max,
                                       all[i].value);
        if (code)
            return code;
    }
    return 0;
}

/* A client may send as many requests as it may have unanswered before it reads a single report: that alone must not cut
 * it off. */
static int check_outbox(struct pit_config_build *build)
{
    const struct pit_pipeline_config *pipeline = &build->config->pipeline;
    uint32_t requests = pipeline->limits.requests_max, bytes = pipeline->outbox_bytes;
    if (bytes / OUTBOX_BYTES_A_REQUEST >= requests)
        return 0;
    const char *path = pit_config_has(build->file, "limits.outbox_bytes") ? "limits.outbox_bytes" : "limits.requests";
    return pit_config_fault(
        build->file, path, -EINVAL, build->error,
        "an outbox of %u bytes is too small for the reports of %u unanswered requests: outbox_bytes "
        "of at least %u, or requests of at most %u",
        bytes, requests, requests * OUTBOX_BYTES_A_REQUEST, bytes / OUTBOX_BYTES_A_REQUEST);
}

static int build_rest(struct pit_config_build *build)
{
    const struct pit_config_memory *memory = &build->text->memory;
    build->config->pipeline.huge_pages = !memory->huge_pages || *memory->huge_pages;
    if (memory->prefault)
        build->config->pipeline.prefault = *memory->prefault ? PIT_PREFAULT_ALL : PIT_PREFAULT_NONE;
    return pit_config_number32(build, "matchers", build->text->matchers, 1, 1, PIT_MATCHERS_MAX,
                               &build->config->pipeline.matchers);
}

/* A list that comes with the program may differ from one of its versions to the next. */
static int cluster_symbols(struct pit_config_build *build)
{
    if (build->config->cluster.nodes == 0 || !build->config->pipeline.symbols_suggested)
        return 0;
    return pit_config_fault(build->file, "symbols", -EINVAL, build->error,
                            "the nodes of a cluster have the same symbols in the same order: list them, alike on "
                            "every node");
}

static int take_steps(struct pit_config_build *build, int (*const *steps)(struct pit_config_build *), size_t count)
{
    memset(build->config, 0, sizeof *build->config);
    for (size_t i = 0; i < count; i++) {
        int code = steps[i](build);
        if (code) {
            pit_config_clear(build->config);
            return code;
        }
    }
    return 0;
}

int pit_config_build(struct pit_config *config, const struct pit_config_text *text, const struct pit_config_file *file,
                     struct pit_error *error)
{
    static int (*const steps[])(struct pit_config_build *) = {
        build_name,           build_rest,         pit_config_accounts, build_addresses,    pit_config_symbols,
        build_rings,          build_journal,      build_market_data,   build_limits,       check_outbox,
        pit_config_snapshots, pit_config_cluster, cluster_symbols,     pit_config_threads,
    };
    struct pit_config_build build = {.config = config, .text = text, .file = file, .error = error};
    return take_steps(&build, steps, sizeof steps / sizeof steps[0]);
}

int pit_config_build_cluster(struct pit_config *config, const struct pit_config_text *text,
                             const struct pit_config_file *file, struct pit_error *error)
{
    static int (*const steps[])(struct pit_config_build *) = {pit_config_cluster};
    struct pit_config_build build = {.config = config, .text = text, .file = file, .error = error};
    return take_steps(&build, steps, 1);
}

void pit_config_clear(struct pit_config *config)
{
    for (uint32_t i = 0; config->addresses && i < config->pipeline.addresses_count; i++)
        free(config->addresses[i]);
    free(config->addresses);
    if (config->accounts)
        explicit_bzero(config->accounts, config->pipeline.accounts_count * sizeof *config->accounts);
    free(config->accounts);
    free(config->symbols);
    free(config->groups);
    if (config->cluster_key)
        explicit_bzero(config->cluster_key, PIT_CONFIG_KEY_BYTES_MAX);
    free(config->cluster_key);
    free(config->name);
    free(config->data);
    memset(config, 0, sizeof *config);
}
