/* tools/config_accounts.c - the accounts of a configuration and their keys. */
#include <errno.h>
#include <stdlib.h>

#include "tools/config_parts.h"

/* From text, or from the file that text names. The text itself is never shown. */
static int read_key(const struct pit_config_build *build, const char *path, const char *text, bool file,
                    struct pit_gateway_account *account)
{
    size_t bytes = 0;
    int code = (file ? pit_config_key_file : pit_config_key)(build, path, text, PIT_WIRE_KEY_BYTES_MIN,
                                                             PIT_WIRE_KEY_BYTES_MAX, account->key, &bytes);
    account->key_bytes = (uint8_t)bytes;
    return code;
}

static int read_account(const struct pit_config_build *build, uint32_t number, struct pit_gateway_account *account)
{
    const struct pit_config_account *text = &build->text->accounts[number];
    char path[64];
    snprintf(path, sizeof path, "accounts[%u].account", number);
    if (text->account == 0)
        return pit_config_fault(build->file, path, -EINVAL, build->error, "an account needs a number, 1 or more");
    for (uint32_t i = 0; i < number; i++)
        if (build->text->accounts[i].account == text->account)
            return pit_config_fault(build->file, path, -EINVAL, build->error, "a second account %u", text->account);
    account->account = text->account;
    account->operates = text->operates;
    if (text->key && text->key_file) {
        snprintf(path, sizeof path, "accounts[%u].key_file", number);
        return pit_config_fault(build->file, path, -EINVAL, build->error, "key or key_file, not both");
    }
    snprintf(path, sizeof path, "accounts[%u].%s", number, text->key ? "key" : "key_file");
    if (text->key)
        return read_key(build, path, text->key, false, account);
    return text->key_file ? read_key(build, path, text->key_file, true, account) : 0;
}

/* With one key, everybody needs one. */
static int check_keys(const struct pit_config_build *build)
{
    const struct pit_gateway_account *accounts = build->config->accounts;
    for (uint32_t i = 1; i < build->config->pipeline.accounts_count; i++) {
        if ((accounts[i].key_bytes > 0) == (accounts[0].key_bytes > 0))
            continue;
        char path[64];
        snprintf(path, sizeof path, "accounts[%u]", i);
        return pit_config_fault(build->file, path, -EINVAL, build->error,
                                "either every account has a key or none has: account %u %s one, account %u %s",
                                accounts[0].account, accounts[0].key_bytes > 0 ? "has" : "has not", accounts[i].account,
                                accounts[i].key_bytes > 0 ? "has" : "has not");
    }
    return 0;
}

int pit_config_accounts(struct pit_config_build *build)
{
    struct pit_pipeline_config *pipeline = &build->config->pipeline;
    uint32_t count = build->text->accounts_count;
    if (count == 0)
        return 0;
    if (count > PIT_GATEWAY_ACCOUNTS_MAX)
        return pit_config_fault(build->file, "accounts", -EINVAL, build->error, "%u accounts; there can be %u", count,
                                PIT_GATEWAY_ACCOUNTS_MAX);
    build->config->accounts = calloc(count, sizeof *build->config->accounts);
    if (!build->config->accounts)
        return pit_error_set(build->error, -ENOMEM, "no memory for %u accounts", count);
    pipeline->accounts = build->config->accounts;
    pipeline->accounts_count = count;
    for (uint32_t i = 0; i < count; i++) {
        int code = read_account(build, i, &build->config->accounts[i]);
        if (code)
            return code;
    }
    return check_keys(build);
}
