/* tools/config_accounts.c - the accounts of a configuration and their keys. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/config_parts.h"

#define KEY_TEXT_BYTES (PIT_WIRE_KEY_BYTES_MAX * 2 + 2)

static int hex_digit(char character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    if (character >= 'a' && character <= 'f')
        return character - 'a' + 10;
    return character >= 'A' && character <= 'F' ? character - 'A' + 10 : -1;
}

/* Reads hexadecimal into the account's key. The text itself is never shown. */
static int parse_key(const struct pit_config_build *build, const char *path, const char *text,
                     struct pit_gateway_account *account)
{
    size_t length = strlen(text);
    bool good = length % 2 == 0 && length / 2 >= PIT_WIRE_KEY_BYTES_MIN && length / 2 <= PIT_WIRE_KEY_BYTES_MAX;
    for (size_t i = 0; good && i < length / 2; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        good = high >= 0 && low >= 0;
        if (good)
            account->key[i] = (uint8_t)(high << 4 | low);
    }
    if (!good)
        return pit_config_fault(build->file, path, -EINVAL, build->error,
                                "not a key: %u to %u hexadecimal digits, two a byte (openssl rand -hex 32)",
                                PIT_WIRE_KEY_BYTES_MIN * 2, PIT_WIRE_KEY_BYTES_MAX * 2);
    account->key_bytes = (uint8_t)(length / 2);
    return 0;
}

static int read_key_file(const struct pit_config_build *build, const char *path, const char *name,
                         struct pit_gateway_account *account)
{
    FILE *stream = fopen(name, "re");
    if (!stream)
        return pit_config_fault(build->file, path, -errno, build->error, "%s: cannot be read: %s", name,
                                strerror(errno));
    struct stat status;
    char text[KEY_TEXT_BYTES + 1];
    size_t length = fread(text, 1, KEY_TEXT_BYTES, stream);
    bool open_to_all = fstat(fileno(stream), &status) == 0 && (status.st_mode & S_IRWXO);
    fclose(stream);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    text[length] = 0;
    int code = open_to_all ? pit_config_fault(build->file, path, -EINVAL, build->error,
                                              "%s: everybody on this machine may read it: chmod o= it", name)
                           : parse_key(build, path, text, account);
    explicit_bzero(text, sizeof text);
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
        return parse_key(build, path, text->key, account);
    return text->key_file ? read_key_file(build, path, text->key_file, account) : 0;
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
