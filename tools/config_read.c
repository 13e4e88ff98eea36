/* tools/config_read.c - reads a configuration file: its places with libyaml, its text with libcyaml. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/config_file.h"

#define FILE_BYTES_MAX (16u << 20)
#define WORDS_BYTES 300u

static int syntax_error(const struct pit_config_file *file, const yaml_parser_t *parser, struct pit_error *error)
{
    const yaml_mark_t *mark = &parser->problem_mark;
    size_t line = parser->error == YAML_READER_ERROR ? 1 : mark->line + 1;
    size_t column = parser->error == YAML_READER_ERROR ? 1 : mark->column + 1;
    return pit_error_set(error, -EINVAL, "%.200s:%zu:%zu: not YAML: %s%s%s", file->path, line, column,
                         parser->problem ? parser->problem : "cannot be read", parser->context ? " " : "",
                         parser->context ? parser->context : "");
}

/* Loads the document for its places; refuses what follows it. */
static int load_places(struct pit_config_file *file, const uint8_t *bytes, size_t count, struct pit_error *error)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return pit_error_set(error, -ENOMEM, "%s: no memory to read it", file->path);
    yaml_parser_set_input_string(&parser, bytes, count);
    int code = 0;
    if (!yaml_parser_load(&parser, &file->document)) {
        code = syntax_error(file, &parser, error);
    } else {
        file->document_loaded = true;
        yaml_document_t second;
        if (!yaml_parser_load(&parser, &second)) {
            code = syntax_error(file, &parser, error);
        } else {
            yaml_node_t *root = yaml_document_get_root_node(&second);
            if (root)
                code = pit_error_set(error, -EINVAL, "%.200s:%zu:%zu: a second document; a configuration is one",
                                     file->path, root->start_mark.line + 1, root->start_mark.column + 1);
            yaml_document_delete(&second);
        }
    }
    yaml_parser_delete(&parser);
    return code;
}

/* libcyaml's log: the first line says what is wrong, the first with a place says where. */
__attribute__((format(printf, 3, 0))) static void hear(cyaml_log_t level, void *context, const char *format,
                                                       va_list arguments)
{
    struct pit_config_file *file = context;
    char line[sizeof file->complaint];
    (void)level;
    vsnprintf(line, sizeof line, format, arguments);
    line[strcspn(line, "\n")] = 0;
    const char *place = strstr(line, "(line: ");
    if (place && file->line == 0)
        sscanf(place, "(line: %u, column: %u)", &file->line, &file->column);
    else if (!place && file->complaint[0] == 0)
        memcpy(file->complaint, strncmp(line, "Load: ", 6) == 0 ? line + 6 : line, sizeof line - 6);
}

/* What libcyaml says about a value, in the words of somebody who writes one. Returns what, or text. */
static const char *in_plain_words(const char *what, char text[WORDS_BYTES])
{
    static const struct {
        const char *begins, *words;
    } known[] = {
        {"Expecting SEQUENCE", "a list is wanted here: an entry a line, each after '- '"},
        {"Expecting MAPPING", "keys are wanted here: one a line, like 'key: value'"},
        {"Expecting STRING", "a single value is wanted here"},
        {"Invalid UINT value: ", "is not a whole number that can stand here"},
        {"Invalid INT value: ", "is not a whole number that can stand here"},
        {"Invalid uint64_t value: ", "is not a whole number that can stand here"},
        {"Invalid ENUM value: ", "is neither true nor false"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t length = strlen(known[i].begins);
        if (strncmp(what, known[i].begins, length) != 0)
            continue;
        if (known[i].begins[length - 1] != ' ')
            return known[i].words;
        snprintf(text, WORDS_BYTES, "%.200s %s", what + length, known[i].words);
        return text;
    }
    return what;
}

/* libcyaml tells the place before an unexpected or doubled key: looks for the key itself. */
static int complain(struct pit_config_file *file, cyaml_err_t code, struct pit_error *error)
{
    const char *what = file->complaint[0] ? file->complaint : cyaml_strerror(code);
    const char *unexpected = "Unexpected key: ", *doubled = "Mapping field already seen: ";
    const char *key = NULL;
    unsigned line = file->line ? file->line : 1, column = file->column ? file->column : 1;
    if (strncmp(what, unexpected, strlen(unexpected)) == 0)
        key = what + strlen(unexpected);
    else if (strncmp(what, doubled, strlen(doubled)) == 0)
        key = what + strlen(doubled);
    char words[WORDS_BYTES];
    if (!key)
        return pit_error_set(error, -EINVAL, "%.200s:%u:%u: %s", file->path, line, column, in_plain_words(what, words));
    unsigned key_line = line, key_column = column;
    pit_config_find_key(file, key, line, column, &key_line, &key_column);
    return pit_error_set(error, -EINVAL, "%.200s:%u:%u: %s '%s'%s", file->path, key_line, key_column,
                         what[0] == 'U' ? "there is no key" : "a second", key,
                         what[0] == 'U' ? " here; see docs/pitline.example.yaml" : "");
}

static int load_text(struct pit_config_file *file, const uint8_t *bytes, size_t count, struct pit_error *error)
{
    cyaml_config_t config = {.log_fn = hear,
                             .log_ctx = file,
                             .mem_fn = cyaml_mem,
                             .log_level = CYAML_LOG_WARNING,
                             .flags = CYAML_CFG_DEFAULT};
    cyaml_err_t code = cyaml_load_data(bytes, count, &config, &pit_config_schema, (cyaml_data_t **)&file->text, NULL);
    return code == CYAML_OK ? 0 : complain(file, code, error);
}

/* The whole file, so that a pipe does as well. */
static int slurp(const char *path, uint8_t **bytes, size_t *count, struct pit_error *error)
{
    FILE *stream = fopen(path, "re");
    if (!stream)
        return pit_error_set(error, -errno, "%s: cannot be read: %s", path, strerror(errno));
    *bytes = malloc(FILE_BYTES_MAX);
    *count = *bytes ? fread(*bytes, 1, FILE_BYTES_MAX, stream) : 0;
    int code = 0;
    if (ferror(stream))
        code = pit_error_set(error, -EIO, "%s: cannot be read: %s", path, strerror(errno));
    else if (!*bytes || *count == FILE_BYTES_MAX)
        code = pit_error_set(error, -EFBIG, "%s: more than %u MiB is no configuration", path, FILE_BYTES_MAX >> 20);
    fclose(stream);
    return code;
}

int pit_config_read(struct pit_config_file **read, const char *path, struct pit_error *error)
{
    struct pit_config_file *file = calloc(1, sizeof *file);
    if (!file || !(file->path = strdup(path))) {
        free(file);
        return pit_error_set(error, -ENOMEM, "%s: no memory to read it", path);
    }
    uint8_t *bytes = NULL;
    size_t count = 0;
    int code = slurp(path, &bytes, &count, error);
    if (code == 0)
        code = load_places(file, bytes, count, error);
    if (code == 0)
        code = load_text(file, bytes, count, error);
    free(bytes);
    if (code) {
        pit_config_release(file);
        return code;
    }
    *read = file;
    return 0;
}

struct pit_config_text *pit_config_text(struct pit_config_file *file)
{
    return file->text ? file->text : &file->none;
}

void pit_config_release(struct pit_config_file *file)
{
    if (!file)
        return;
    cyaml_config_t config = {.mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR};
    if (file->text)
        cyaml_free(&config, &pit_config_schema, file->text, 0);
    if (file->document_loaded)
        yaml_document_delete(&file->document);
    free(file->path);
    free(file);
}
