/* tools/moment.c - see moment.h. Without the C library's calendar: it takes the 30th of February for the 2nd of March.
 */
#include "tools/moment.h"

#include <stdbool.h>
#include <stddef.h>

#define NS_PER_SECOND UINT64_C(1000000000)
#define YEAR_MAX 2500u /* nanoseconds since 1970 reach to 2554 */

static const char expected[] = "a sequence (from 1 on), a time in UTC like 2026-11-21T09:30:00.123456789Z or the "
                               "beginning of one (2026-11-21, 2026-11-21T09:30), or @ and nanoseconds since 1970";

/* Takes exactly so many digits. */
static bool take(const char **at, uint32_t digits, uint32_t least, uint32_t most, uint32_t *value)
{
    *value = 0;
    for (uint32_t i = 0; i < digits; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        *value = *value * 10 + (uint32_t)(**at - '0');
    }
    return *value >= least && *value <= most;
}

static bool take_character(const char **at, char wanted)
{
    if (**at != wanted)
        return false;
    (*at)++;
    return true;
}

static bool leap(uint32_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970 to a date; month and day from 1. */
static uint64_t days(uint32_t year, uint32_t month, uint32_t day)
{
    static const uint32_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    uint64_t total = before[month - 1] + day - 1 + (month > 2 && leap(year));
    for (uint32_t y = 1970; y < year; y++)
        total += 365 + leap(y);
    return total;
}

static bool take_date(const char **at, uint64_t *seconds)
{
    static const uint32_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint32_t year, month, day;
    if (!take(at, 4, 1970, YEAR_MAX, &year) || !take_character(at, '-') || !take(at, 2, 1, 12, &month) ||
        !take_character(at, '-') || !take(at, 2, 1, 31, &day))
        return false;
    if (day > lengths[month - 1] + (month == 2 && leap(year)))
        return false;
    *seconds = days(year, month, day) * 86400;
    return true;
}

/* A point and one to nine digits. */
static bool take_fraction(const char **at, uint64_t *ns)
{
    uint64_t unit = NS_PER_SECOND;
    *ns = 0;
    while (**at >= '0' && **at <= '9' && unit > 1) {
        unit /= 10;
        *ns += unit * (uint64_t)(*(*at)++ - '0');
    }
    return unit < NS_PER_SECOND;
}

static bool take_time_of_day(const char **at, uint64_t *seconds, uint64_t *ns)
{
    uint32_t hour, minute, second = 0;
    if (!take(at, 2, 0, 23, &hour) || !take_character(at, ':') || !take(at, 2, 0, 59, &minute))
        return false;
    if (take_character(at, ':')) {
        if (!take(at, 2, 0, 59, &second))
            return false;
        if (take_character(at, '.') && !take_fraction(at, ns))
            return false;
    }
    *seconds += hour * 3600 + minute * 60 + second;
    return true;
}

static bool parse_time(const char *text, uint64_t *time_ns)
{
    const char *at = text;
    uint64_t seconds;
    uint64_t ns = 0;
    if (!take_date(&at, &seconds))
        return false;
    if ((take_character(&at, 'T') || take_character(&at, ' ')) && !take_time_of_day(&at, &seconds, &ns))
        return false;
    take_character(&at, 'Z');
    *time_ns = seconds * NS_PER_SECOND + ns;
    return *at == 0 && *time_ns > 0;
}

static bool parse_number(const char *text, uint64_t *value)
{
    *value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        const uint64_t digit = (uint64_t)(*at - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    return at != text && *at == 0 && *value > 0;
}

const char *pit_moment_parse(const char *text, struct pit_moment *moment)
{
    *moment = (struct pit_moment){0};
    if (parse_number(text, &moment->sequence))
        return NULL;
    moment->sequence = 0;
    if (*text == '@' ? parse_number(text + 1, &moment->time_ns) : parse_time(text, &moment->time_ns))
        return NULL;
    moment->time_ns = 0;
    return expected;
}
