/* tools/bench_book_report.c - tables for people, JSON for machines, from the same rows. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench_book.h"

struct pit_bench_report {
    json_t *root;
    json_t *rows; /* of the table in progress */
    json_t *notes;
    const struct pit_bench_column *columns;
    bool json;
};

/* The machine's line without its end. */
static json_t *machine(void)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);
    if (!file)
        return json_null();
    pit_bench_machine(file);
    fclose(file);
    text[strcspn(text, "\n")] = 0;
    json_t *value = json_string(strncmp(text, "machine: ", 9) == 0 ? text + 9 : text);
    free(text);
    return value ? value : json_null();
}

static void report_free(struct pit_bench_report *report)
{
    json_decref(report->root);
    json_decref(report->notes);
    free(report);
}

struct pit_bench_report *pit_bench_report_create(const struct pit_bench_options *options)
{
    struct pit_bench_report *report = calloc(1, sizeof *report);
    if (!report)
        return NULL;
    report->json = options->json;
    report->notes = json_array();
    report->root = json_pack("{s:o, s:I, s:I, s:I, s:I, s:b}", "machine", machine(), "count",
                             (json_int_t)options->count, "runs", (json_int_t)options->runs, "symbols",
                             (json_int_t)options->symbols, "seed", (json_int_t)options->seed, "huge", options->huge);
    if (!report->root || !report->notes) {
        report_free(report);
        return NULL;
    }
    if (!report->json) {
        pit_bench_machine(stdout);
        printf("%llu commands a run, %llu symbol%s in turn, seed %llu%s\n", (unsigned long long)options->count,
               (unsigned long long)options->symbols, options->symbols == 1 ? "" : "s",
               (unsigned long long)options->seed, options->huge ? ", huge pages where the kernel has them" : "");
    }
    return report;
}

void pit_bench_report_table(struct pit_bench_report *report, const char *name, const struct pit_bench_column *columns,
                            const char *what)
{
    report->columns = columns;
    report->rows = json_object_get(report->root, name);
    const bool begun = report->rows != NULL;
    if (!begun) {
        json_object_set_new(report->root, name, json_array());
        report->rows = json_object_get(report->root, name);
    }
    if (report->json || begun)
        return;
    printf("\n%s\n", what);
    for (; columns->key; columns++)
        printf("%*s%s", columns->width, columns->title, columns[1].key ? " " : "\n");
    fflush(stdout);
}

static void cell(const struct pit_bench_column *column, const json_t *value)
{
    if (!value)
        printf("%*s", column->width, "-");
    else if (json_is_null(value))
        printf("%*s", column->width, "not counted");
    else if (json_is_string(value))
        printf("%*s", column->width, json_string_value(value));
    else if (json_is_real(value))
        printf("%*.*f", column->width, column->decimals, json_real_value(value));
    else
        printf("%*lld", column->width, (long long)json_integer_value(value));
}

void pit_bench_report_row(struct pit_bench_report *report, json_t *row)
{
    json_array_append_new(report->rows, row);
    if (report->json)
        return;
    for (const struct pit_bench_column *column = report->columns; column->key; column++) {
        cell(column, json_object_get(row, column->key));
        printf("%s", column[1].key ? " " : "\n");
    }
    fflush(stdout);
}

void pit_bench_report_note(struct pit_bench_report *report, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_array_append_new(report->notes, json_string(text));
    if (!report->json) {
        printf("%s\n", text);
        fflush(stdout);
    }
}

void pit_bench_report_value(struct pit_bench_report *report, const char *key, json_t *value)
{
    json_object_set_new(report->root, key, value);
}

void pit_bench_report_finish(struct pit_bench_report *report, const char *missing)
{
    json_object_set(report->root, "notes", report->notes);
    if (missing)
        json_object_set_new(report->root, "missing", json_string(missing));
    if (report->json) {
        json_dumpf(report->root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        printf("\n");
    }
    report_free(report);
}
