/* tools/config_schema.c - which keys a configuration file may have, and of what types. */
#include "tools/config_file.h"

#define TEXT(key, type, member)                                                                                        \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member, 0, 4096)
#define NUMBER(key, type, member) CYAML_FIELD_UINT(key, CYAML_FLAG_OPTIONAL, type, member)
#define NUMBER_OR_NOT(key, type, member)                                                                               \
    CYAML_FIELD_INT_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member)
/* libcyaml takes any word for true where it expects a boolean: a strict choice of words instead. */
#define YES_OR_NOT(key, type, member)                                                                                  \
    CYAML_FIELD_ENUM_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, type, member, words,       \
                         CYAML_ARRAY_LEN(words))
#define LIST(key, type, member, entry)                                                                                 \
    CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member, entry, 0, CYAML_UNLIMITED)
#define PART(key, type, member, fields) CYAML_FIELD_MAPPING(key, CYAML_FLAG_OPTIONAL, type, member, fields)

static const cyaml_strval_t words[] = {{"true", 1}, {"false", 0}, {"yes", 1}, {"no", 0}, {"on", 1}, {"off", 0}};

static const cyaml_schema_value_t string_entry = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, 4096)};
static const cyaml_schema_value_t number_entry = {CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, uint32_t)};

static const cyaml_schema_field_t account_fields[] = {
    NUMBER("account", struct pit_config_account, account),
    TEXT("key", struct pit_config_account, key),
    TEXT("key_file", struct pit_config_account, key_file),
    CYAML_FIELD_ENUM("operates", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct pit_config_account, operates, words,
                     CYAML_ARRAY_LEN(words)),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t account_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct pit_config_account, account_fields)};

static const cyaml_schema_field_t symbol_fields[] = {
    TEXT("name", struct pit_config_symbol, name),
    TEXT("tick", struct pit_config_symbol, tick),
    TEXT("lot", struct pit_config_symbol, lot),
    TEXT("price_min", struct pit_config_symbol, price_min),
    TEXT("price_max", struct pit_config_symbol, price_max),
    TEXT("quantity_max", struct pit_config_symbol, quantity_max),
    NUMBER("orders_max", struct pit_config_symbol, orders_max),
    NUMBER("levels_max", struct pit_config_symbol, levels_max),
    NUMBER_OR_NOT("matcher", struct pit_config_symbol, matcher),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t symbol_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct pit_config_symbol, symbol_fields)};

static const cyaml_schema_field_t group_fields[] = {
    TEXT("name", struct pit_config_group, name),
    LIST("stages", struct pit_config_group, stages, &string_entry),
    NUMBER_OR_NOT("cpu", struct pit_config_group, cpu),
    TEXT("wait", struct pit_config_group, wait),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t group_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct pit_config_group, group_fields)};

static const cyaml_schema_field_t threads_fields[] = {
    TEXT("mode", struct pit_config_threads, mode),
    TEXT("wait", struct pit_config_threads, wait),
    YES_OR_NOT("pin", struct pit_config_threads, pin),
    LIST("cpus", struct pit_config_threads, cpus, &number_entry),
    NUMBER("priority", struct pit_config_threads, priority),
    LIST("groups", struct pit_config_threads, groups, &group_entry),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t rings_fields[] = {
    NUMBER("input", struct pit_config_rings, input),
    NUMBER("output", struct pit_config_rings, output),
    NUMBER("sessions", struct pit_config_rings, sessions),
    NUMBER("market_data", struct pit_config_rings, market_data),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t memory_fields[] = {
    YES_OR_NOT("huge_pages", struct pit_config_memory, huge_pages),
    YES_OR_NOT("prefault", struct pit_config_memory, prefault),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t journal_fields[] = {
    TEXT("segment", struct pit_config_journal, segment),
    TEXT("reserve", struct pit_config_journal, reserve),
    TEXT("cancel_reserve", struct pit_config_journal, cancel_reserve),
    TEXT("sync", struct pit_config_journal, sync),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t snapshots_fields[] = {
    NUMBER("every", struct pit_config_snapshots, every),
    NUMBER("seconds", struct pit_config_snapshots, seconds),
    NUMBER("keep", struct pit_config_snapshots, keep),
    TEXT("old_segments", struct pit_config_snapshots, old_segments),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t market_data_fields[] = {
    YES_OR_NOT("publish", struct pit_config_market_data, publish),
    TEXT("readable_by", struct pit_config_market_data, readable_by),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t limits_fields[] = {
    NUMBER("sessions", struct pit_config_limits, sessions),
    NUMBER("rate", struct pit_config_limits, rate),
    NUMBER("requests", struct pit_config_limits, requests),
    NUMBER("turn_messages", struct pit_config_limits, turn_messages),
    NUMBER("receive_bytes", struct pit_config_limits, receive_bytes),
    NUMBER("outbox_bytes", struct pit_config_limits, outbox_bytes),
    NUMBER("logon_ms", struct pit_config_limits, logon_ms),
    CYAML_FIELD_UINT_PTR("heartbeat_ms", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct pit_config_limits,
                         heartbeat_ms),
    NUMBER("overload_ms", struct pit_config_limits, overload_ms),
    NUMBER("close_ms", struct pit_config_limits, close_ms),
    NUMBER("drain_ms", struct pit_config_limits, drain_ms),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t node_fields[] = {
    TEXT("address", struct pit_config_node, address),
    TEXT("clients", struct pit_config_node, clients),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t node_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct pit_config_node, node_fields)};

static const cyaml_schema_field_t cluster_fields[] = {
    TEXT("name", struct pit_config_cluster, name),
    NUMBER("node", struct pit_config_cluster, node),
    TEXT("key_file", struct pit_config_cluster, key_file),
    LIST("nodes", struct pit_config_cluster, nodes, &node_entry),
    NUMBER("election_ms", struct pit_config_cluster, election_ms),
    NUMBER("heartbeat_ms", struct pit_config_cluster, heartbeat_ms),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t top_fields[] = {
    TEXT("name", struct pit_config_text, name),
    TEXT("data", struct pit_config_text, data),
    LIST("listen", struct pit_config_text, listen, &string_entry),
    LIST("accounts", struct pit_config_text, accounts, &account_entry),
    LIST("symbols", struct pit_config_text, symbols, &symbol_entry),
    NUMBER("matchers", struct pit_config_text, matchers),
    PART("threads", struct pit_config_text, threads, threads_fields),
    PART("rings", struct pit_config_text, rings, rings_fields),
    PART("memory", struct pit_config_text, memory, memory_fields),
    PART("journal", struct pit_config_text, journal, journal_fields),
    PART("snapshots", struct pit_config_text, snapshots, snapshots_fields),
    NUMBER("snapshot_every", struct pit_config_text, snapshot_every),
    PART("market_data", struct pit_config_text, market_data, market_data_fields),
    NUMBER("statistics_ms", struct pit_config_text, statistics_ms),
    PART("limits", struct pit_config_text, limits, limits_fields),
    PART("cluster", struct pit_config_text, cluster, cluster_fields),
    CYAML_FIELD_END,
};

const cyaml_schema_value_t pit_config_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct pit_config_text, top_fields)};
