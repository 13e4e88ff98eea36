/* tools/load_keys.c - the keys that load and the operator commands prove. See tools/load.h. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/load.h"

static int load_key_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit = (char)tolower((unsigned char)digit);
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Hexadecimal text up to a blank or its end. Returns the bytes, or -EINVAL. */
static int load_key_parse(const char *text, uint8_t key[PIT_WIRE_KEY_BYTES_MAX])
{
    uint32_t bytes = 0;
    for (; *text && !isspace((unsigned char)*text); text += 2, bytes++) {
        int high = load_key_digit(text[0]);
        int low = high < 0 ? -1 : load_key_digit(text[1]);
        if (low < 0 || bytes == PIT_WIRE_KEY_BYTES_MAX)
            return -EINVAL;
        key[bytes] = (uint8_t)(high * 16 + low);
    }
    return bytes < PIT_WIRE_KEY_BYTES_MIN ? -EINVAL : (int)bytes;
}

/* A file of lines `ACCOUNT KEY`, or `KEY` for every account; '#' starts a comment. */
static int load_key_file(const char *path, uint32_t account, uint8_t key[PIT_WIRE_KEY_BYTES_MAX],
                         struct pit_error *error)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return pit_error_set(error, -errno, "%s: cannot read keys from it: %s", path, strerror(errno));
    char *line = NULL;
    size_t room = 0;
    uint32_t number = 0;
    int found = 0;
    while (found == 0 && getline(&line, &room, file) >= 0) {
        number++;
        line[strcspn(line, "#\n")] = 0;
        char *at = line + strspn(line, " \t");
        char *blank = at + strcspn(at, " \t");
        char *second = blank + strspn(blank, " \t");
        if (*at == 0)
            continue;
        if (*second) { /* two words: the first says whose key it is */
            char *end;
            unsigned long whose = strtoul(at, &end, 10);
            if (end != blank) {
                found = pit_error_set(error, -EINVAL, "%s:%u: '%.*s' is no account number", path, number,
                                      (int)(blank - at), at);
                break;
            }
            if (whose != account)
                continue;
            at = second;
        }
        found = load_key_parse(at, key);
        if (found < 0)
            pit_error_set(error, -EINVAL, "%s:%u: a key is %u to %u bytes in hexadecimal", path, number,
                          PIT_WIRE_KEY_BYTES_MIN, PIT_WIRE_KEY_BYTES_MAX);
    }
    free(line);
    fclose(file);
    if (found == 0)
        return pit_error_set(error, -ENOENT, "%s: there is no key for account %u in it", path, account);
    return found;
}

int pit_load_key(const struct pit_load_options *options, uint32_t account, uint8_t key[PIT_WIRE_KEY_BYTES_MAX],
                 struct pit_error *error)
{
    if (options->key) {
        int bytes = load_key_parse(options->key, key);
        if (bytes < 0)
            pit_error_set(error, -EINVAL, "--key: a key is %u to %u bytes in hexadecimal", PIT_WIRE_KEY_BYTES_MIN,
                          PIT_WIRE_KEY_BYTES_MAX);
        return bytes;
    }
    return options->key_file ? load_key_file(options->key_file, account, key, error) : 0;
}
