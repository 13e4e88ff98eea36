/* wire/decimal.c - ticks and lots as decimal text and back, exact: 128-bit integers, no floating point.
 *
 * |value| <= 2^63 and mantissa < 2^32, so a product has at most 96 bits, 29 digits.
 */
#include <errno.h>
#include <string.h>

#include "pitline/market_data.h"

char *pit_decimal_format(char text[PIT_DECIMAL_BYTES], int64_t value, uint32_t mantissa, uint8_t decimals)
{
    if (decimals > PIT_DECIMALS_MAX) { /* no definition says so */
        memcpy(text, "?", 2);
        return text;
    }
    unsigned __int128 units = (unsigned __int128)(value < 0 ? 0 - (uint64_t)value : (uint64_t)value) * mantissa;
    char *at = text + PIT_DECIMAL_BYTES;
    *--at = 0;
    uint32_t digits = 0;
    do { /* from the last digit to the first, at least one before the point */
        *--at = (char)('0' + (int)(units % 10));
        units /= 10;
        if (++digits == decimals)
            *--at = '.';
    } while (units || digits <= decimals);
    if (value < 0 && mantissa > 0)
        *--at = '-';
    memmove(text, at, (size_t)(text + PIT_DECIMAL_BYTES - at));
    return text;
}

int pit_decimal_parse(const char *text, uint32_t mantissa, uint8_t decimals, int64_t *value)
{
    if (mantissa == 0 || decimals > PIT_DECIMALS_MAX)
        return -EINVAL;
    const unsigned __int128 limit = (unsigned __int128)1 << 120;
    const char *at = text;
    bool negative = *at == '-', large = false, fraction_left = false;
    if (*at == '-' || *at == '+')
        at++;
    unsigned __int128 units = 0; /* of 10^-decimals */
    uint32_t digits = 0, places = 0;
    bool point = false;
    for (;; at++) {
        if (*at == '.' && !point) {
            point = true;
            continue;
        }
        if (*at < '0' || *at > '9')
            break;
        digits++;
        if (point && places == decimals) { /* finer than the unit: only zeros are exact */
            fraction_left |= *at != '0';
            continue;
        }
        places += point;
        units = units * 10 + (unsigned __int128)(*at - '0');
        large |= units > limit;
        if (large)
            units = 0;
    }
    if (*at || digits == 0)
        return -EINVAL;
    for (; places < decimals && !large; places++) {
        units *= 10;
        large |= units > limit;
    }
    unsigned __int128 most = (unsigned __int128)INT64_MAX + negative;
    if (large || fraction_left || units % mantissa || units / mantissa > most)
        return -ERANGE;
    uint64_t magnitude = (uint64_t)(units / mantissa);
    *value = (int64_t)(negative ? 0 - magnitude : magnitude);
    return 0;
}
