/* tools/config_key.c - keys: hexadecimal in the configuration, or in a file that others may not read. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/config_parts.h"

static int hex_digit(char character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    if (character >= 'a' && character <= 'f')
        return character - 'a' + 10;
    return character >= 'A' && character <= 'F' ? character - 'A' + 10 : -1;
}

int pit_config_key(const struct pit_config_build *build, const char *path, const char *text, size_t min, size_t max,
                   uint8_t *key, size_t *bytes)
{
    size_t length = strlen(text);
    bool good = length % 2 == 0 && length / 2 >= min && length / 2 <= max;
    for (size_t i = 0; good && i < length / 2; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        good = high >= 0 && low >= 0;
        if (good)
            key[i] = (uint8_t)(high << 4 | low);
    }
    if (!good)
        return pit_config_fault(build->file, path, -EINVAL, build->error,
                                "not a key: %zu to %zu hexadecimal digits, two a byte (openssl rand -hex 32)", min * 2,
                                max * 2);
    *bytes = length / 2;
    return 0;
}

int pit_config_key_file(const struct pit_config_build *build, const char *path, const char *name, size_t min,
                        size_t max, uint8_t *key, size_t *bytes)
{
    FILE *stream = fopen(name, "re");
    if (!stream)
        return pit_config_fault(build->file, path, -errno, build->error, "%s: cannot be read: %s", name,
                                strerror(errno));
    struct stat status;
    char text[PIT_CONFIG_KEY_BYTES_MAX * 2 + 3];
    size_t length = fread(text, 1, sizeof text - 1, stream);
    bool open_to_all = fstat(fileno(stream), &status) == 0 && (status.st_mode & S_IRWXO);
    fclose(stream);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    text[length] = 0;
    int code = open_to_all ? pit_config_fault(build->file, path, -EINVAL, build->error,
                                              "%s: everybody on this machine may read it: chmod o= it", name)
                           : pit_config_key(build, path, text, min, max, key, bytes);
    explicit_bzero(text, sizeof text);
    return code;
}
