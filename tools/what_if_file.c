/* tools/what_if_file.c - see what_if_file.h. */
#include "tools/what_if_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A line whose sequence was not kept. */
struct renamed {
    uint64_t said;
    uint64_t got;
};

struct pit_what_if_file {
    const char *path;
    FILE *file;
    uint64_t after, below;
    uint64_t time_ns; /* of the command before */
    uint64_t line;
    uint64_t said;           /* the last sequence that a line had, 0 = none yet */
    uint64_t said_line;      /* its line */
    uint64_t next;           /* the next sequence to be given */
    struct renamed *renamed; /* rising */
    size_t renamed_count, renamed_room;
    struct pit_command_line parsed;
    char text[PIT_WHAT_IF_LINE_BYTES_MAX];
};

int pit_what_if_file_open(struct pit_what_if_file **result, const char *path, uint64_t after, uint64_t time_ns,
                          uint64_t below, struct pit_error *error)
{
    struct pit_what_if_file *file = calloc(1, sizeof *file);
    if (!file)
        return pit_error_set(error, -ENOMEM, "no memory to read %s", path);
    file->path = path;
    file->after = after;
    file->below = below;
    file->time_ns = time_ns;
    file->next = PIT_WHAT_IF_SEQUENCE_FIRST;
    file->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!file->file) {
        const int code = -errno;
        free(file);
        return pit_error_set(error, code, "cannot open %s: %s", path, strerror(-code));
    }
    *result = file;
    return 0;
}

void pit_what_if_file_close(struct pit_what_if_file *file)
{
    if (!file)
        return;
    if (file->file != stdin)
        fclose(file->file);
    free(file->renamed);
    free(file);
}

/* The next line that is not empty, its length. 0: there is none. */
static int read_line(struct pit_what_if_file *file, size_t *length, struct pit_error *error)
{
    for (;;) {
        errno = 0;
        if (!fgets(file->text, sizeof file->text, file->file)) {
            if (!ferror(file->file))
                return 0;
            return pit_error_set(error, errno ? -errno : -EIO, "cannot read %s: %s", file->path,
                                 strerror(errno ? errno : EIO));
        }
        file->line++;
        *length = strlen(file->text);
        const bool ended = *length && file->text[*length - 1] == '\n';
        if (!ended && !feof(file->file))
            return pit_error_set(error, -EINVAL, "%s:%lu: the line is longer than %u bytes, or has a zero byte in it",
                                 file->path, file->line, PIT_WHAT_IF_LINE_BYTES_MAX - 2);
        *length -= ended;
        if (strspn(file->text, " \t\r") < *length)
            break;
    }
    if (file->line > PIT_WHAT_IF_LINES_MAX)
        return pit_error_set(error, -E2BIG, "%s: more than %u lines are too many for one what-if", file->path,
                             PIT_WHAT_IF_LINES_MAX);
    return 1;
}

static int rename_line(struct pit_what_if_file *file, uint64_t said, struct pit_command *command,
                       struct pit_error *error)
{
    command->sequence = file->next++;
    if (!said)
        return 0;
    if (file->renamed_count == file->renamed_room) {
        const size_t room = file->renamed_room ? 2 * file->renamed_room : 256;
        struct renamed *more = realloc(file->renamed, room * sizeof *more);
        if (!more)
            return pit_error_set(error, -ENOMEM, "no memory for the sequences in %s", file->path);
        file->renamed = more;
        file->renamed_room = room;
    }
    file->renamed[file->renamed_count++] = (struct renamed){said, command->sequence};
    return 0;
}

/* What an order_id in the file means. */
static uint64_t meant(const struct pit_what_if_file *file, uint64_t order_id)
{
    size_t low = 0, high = file->renamed_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (file->renamed[middle].said < order_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < file->renamed_count && file->renamed[low].said == order_id ? file->renamed[low].got : order_id;
}

static int place(struct pit_what_if_file *file, struct pit_command *command, struct pit_error *error)
{
    const uint64_t said = command->sequence;
    if (said >= PIT_WHAT_IF_SEQUENCE_FIRST)
        return pit_error_set(error, -EINVAL,
                             "%s:%lu: \"sequence\": %lu is kept for commands without one; give one below "
                             "%lu, or none",
                             file->path, file->line, said, PIT_WHAT_IF_SEQUENCE_FIRST);
    if (said && said <= file->said)
        return pit_error_set(
            error, -EINVAL,
            "%s:%lu: \"sequence\": %lu does not come after %lu in line %lu. Put the lines in order, or "
            "leave the field out",
            file->path, file->line, said, file->said, file->said_line);
    command->order_id = meant(file, command->order_id);
    if (command->time_ns < file->time_ns)
        command->time_ns = file->time_ns; /* times never fall */
    file->time_ns = command->time_ns;
    if (said) {
        file->said = said;
        file->said_line = file->line;
    }
    return said > file->after && said < file->below ? 0 : rename_line(file, said, command, error);
}

int pit_what_if_file_next(struct pit_what_if_file *file, const struct pit_command_symbols *symbols,
                          struct pit_command *command, struct pit_error *error)
{
    size_t length = 0;
    struct pit_error wrong;
    int code = read_line(file, &length, error);
    if (code <= 0)
        return code;
    code = pit_command_parse(&file->parsed, symbols, file->text, length, &wrong);
    if (code)
        return pit_error_set(error, code, "%s:%lu: %.900s", file->path, file->line, wrong.text);
    *command = file->parsed.command;
    code = place(file, command, error);
    return code ? code : 1;
}
