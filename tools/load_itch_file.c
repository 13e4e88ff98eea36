/* See tools/load_itch.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tools/load_itch.h"

#define ITCH_BUFFER_BYTES (1u << 18)
#define ITCH_MESSAGE_BYTES_MAX 64u /* the longest type has 50 */

struct pit_itch_file {
    gzFile gz;
    char *path;
    uint64_t offset; /* of the unpacked file: where the next message's length stands */
};

uint32_t pit_itch_message_bytes(char type)
{
    switch (type) {
    case 'S': /* system event */
    case 'W': /* market-wide circuit breaker status */
        return 12;
    case 'R': /* stock directory */
        return 39;
    case 'H': /* stock trading action */
        return 25;
    case 'Y': /* Reg SHO restriction */
    case 'N': /* retail price improvement */
        return 20;
    case 'L': /* market participant position */
        return 26;
    case 'V': /* market-wide circuit breaker levels */
    case 'J': /* limit up - limit down auction collar */
    case 'U': /* order replace */
        return 35;
    case 'K': /* IPO quoting period */
        return 28;
    case 'h': /* operational halt */
        return 21;
    case 'A': /* add order */
    case 'C': /* order executed with price */
        return 36;
    case 'F': /* add order with attribution */
    case 'Q': /* cross trade */
        return 40;
    case 'E': /* order executed */
        return 31;
    case 'X': /* order cancel (of some shares) */
        return 23;
    case 'D': /* order delete */
    case 'B': /* broken trade */
        return 19;
    case 'P': /* trade with a hidden order */
        return 44;
    case 'I': /* net order imbalance */
        return 50;
    case 'O': /* direct listing price discovery */
        return 48;
    default:
        return 0;
    }
}

static uint64_t itch_integer(const uint8_t *bytes, uint32_t count)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void itch_stock(char stock[PIT_ITCH_STOCK_BYTES], const uint8_t *bytes)
{
    memcpy(stock, bytes, PIT_ITCH_STOCK_BYTES - 1);
    stock[PIT_ITCH_STOCK_BYTES - 1] = 0;
    for (uint32_t i = PIT_ITCH_STOCK_BYTES - 1; i > 0 && (stock[i - 1] == ' ' || stock[i - 1] == 0); i--)
        stock[i - 1] = 0;
}

int pit_itch_open(struct pit_itch_file **file, const char *path, struct pit_error *error)
{
    struct pit_itch_file *opened = calloc(1, sizeof *opened);
    if (opened)
        opened->path = strdup(path);
    if (!opened || !opened->path) {
        free(opened);
        return pit_error_set(error, -ENOMEM, "%s: no memory to read it", path);
    }
    errno = 0;
    opened->gz = gzopen(path, "rb"); /* reads plain files as they are */
    if (!opened->gz) {
        int code = errno ? -errno : -ENOMEM;
        pit_itch_close(opened);
        return pit_error_set(error, code, "%s: %s", path, strerror(-code));
    }
    gzbuffer(opened->gz, ITCH_BUFFER_BYTES);
    *file = opened;
    return 0;
}

void pit_itch_close(struct pit_itch_file *file)
{
    if (!file)
        return;
    if (file->gz)
        gzclose(file->gz);
    free(file->path);
    free(file);
}

/* Reads count bytes. Returns how many came, or a negative errno. */
static int itch_read(struct pit_itch_file *file, uint8_t *bytes, uint32_t count, struct pit_error *error)
{
    int got = gzread(file->gz, bytes, count);
    if (got == (int)count)
        return got;
    int problem = Z_OK;
    const char *text = gzerror(file->gz, &problem);
    if (problem == Z_ERRNO)
        text = strerror(errno);
    if (got < 0 || (problem != Z_OK && problem != Z_STREAM_END))
        return pit_error_set(error, -EIO, "%s: %s after byte %" PRIu64 " of its content", file->path,
                             problem == Z_BUF_ERROR ? "the .gz file is cut off" : text, file->offset);
    return got;
}

static void itch_decode(const uint8_t *bytes, struct pit_itch_message *message)
{
    message->type = (char)bytes[0];
    message->locate = (uint16_t)itch_integer(bytes + 1, 2);
    switch (message->type) {
    case 'R':
        itch_stock(message->stock, bytes + 11);
        break;
    case 'A':
    case 'F':
        message->reference = itch_integer(bytes + 11, 8);
        message->side = (char)bytes[19];
        message->shares = (uint32_t)itch_integer(bytes + 20, 4);
        itch_stock(message->stock, bytes + 24);
        message->price = (uint32_t)itch_integer(bytes + 32, 4);
        break;
    case 'E':
    case 'C':
    case 'X':
        message->reference = itch_integer(bytes + 11, 8);
        message->shares = (uint32_t)itch_integer(bytes + 19, 4);
        if (message->type == 'C')
            message->price = (uint32_t)itch_integer(bytes + 32, 4);
        break;
    case 'D':
        message->reference = itch_integer(bytes + 11, 8);
        break;
    case 'U':
        message->reference = itch_integer(bytes + 11, 8);
        message->reference_new = itch_integer(bytes + 19, 8);
        message->shares = (uint32_t)itch_integer(bytes + 27, 4);
        message->price = (uint32_t)itch_integer(bytes + 31, 4);
        break;
    default:
        break;
    }
}

int pit_itch_next(struct pit_itch_file *file, struct pit_itch_message *message, struct pit_error *error)
{
    uint8_t length[2], bytes[ITCH_MESSAGE_BYTES_MAX];
    int got = itch_read(file, length, sizeof length, error);
    if (got <= 0)
        return got;
    uint32_t count = (uint32_t)itch_integer(length, 2);
    if (got < (int)sizeof length)
        return pit_error_set(error, -EPROTO, "%s: cut off at byte %" PRIu64 ", in the length of a message", file->path,
                             file->offset);
    if (count == 0) /* the end of the session */
        return 0;
    if (count > ITCH_MESSAGE_BYTES_MAX)
        return pit_error_set(error, -EPROTO,
                             "%s: byte %" PRIu64 ": a message of %u bytes; no type of ITCH 5.0 is as long", file->path,
                             file->offset, count);
    got = itch_read(file, bytes, count, error);
    if (got < 0)
        return got;
    if ((uint32_t)got < count)
        return pit_error_set(error, -EPROTO, "%s: cut off at byte %" PRIu64 ", %d of %u bytes into a message",
                             file->path, file->offset, got, count);
    uint32_t wanted = pit_itch_message_bytes((char)bytes[0]);
    if ((wanted != 0 && wanted != count) || count < 3)
        return pit_error_set(
            error, -EPROTO, "%s: byte %" PRIu64 ": a message of type '%c' has %u bytes, not %u; is this ITCH 5.0?",
            file->path, file->offset, bytes[0] >= 32 && bytes[0] < 127 ? bytes[0] : '?', wanted, count);
    memset(message, 0, sizeof *message);
    itch_decode(bytes, message);
    if ((message->type == 'A' || message->type == 'F') && message->side != 'B' && message->side != 'S')
        return pit_error_set(error, -EPROTO, "%s: byte %" PRIu64 ": an order of neither side", file->path,
                             file->offset);
    file->offset += sizeof length + count;
    return 1;
}
