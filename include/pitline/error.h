/* pitline/error.h - what went wrong, for people.
 *
 * Cold paths return 0 or a negative errno and fill a struct pit_error: what, where, which value, what to do.
 */
#ifndef PITLINE_ERROR_H
#define PITLINE_ERROR_H

#include <stdarg.h>
#include <stdio.h>

#define PIT_ERROR_TEXT_BYTES 1024

struct pit_error {
    int code; /* negative errno, 0 = none */
    char text[PIT_ERROR_TEXT_BYTES];
};

/* Fills error (which may be NULL) and returns code, so that a caller can `return pit_error_set(...)`. */
__attribute__((format(printf, 3, 4))) static inline int pit_error_set(struct pit_error *error, int code,
                                                                      const char *format, ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        error->code = code;
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
    return code;
}

#endif
