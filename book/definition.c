/* book/definition.c - what a symbol may be. */
#include <string.h>

#include "book/book.h"

static bool definition_text_good(const char name[PIT_SYMBOL_NAME_BYTES])
{
    uint32_t length = 0;
    while (length < PIT_SYMBOL_NAME_BYTES && name[length] > ' ' && name[length] <= '~')
        length++;
    if (length == 0)
        return false;
    for (uint32_t i = length; i < PIT_SYMBOL_NAME_BYTES; i++)
        if (name[i] != 0)
            return false;
    return length < PIT_SYMBOL_NAME_BYTES;
}

bool pit_symbol_definition_valid(const struct pit_symbol_definition *definition)
{
    static const uint8_t zero[sizeof definition->zero];
    return definition_text_good(definition->name) && definition->price_min >= PIT_PRICE_MIN &&
           definition->price_min <= definition->price_max && definition->price_max <= PIT_PRICE_MAX &&
           definition->quantity_max >= 1 && definition->quantity_max <= PIT_QUANTITY_MAX &&
           definition->orders_max >= 1 && definition->orders_max <= PIT_ORDERS_MAX && definition->levels_max >= 1 &&
           definition->levels_max <= PIT_LEVELS_MAX && definition->tick_mantissa >= 1 &&
           definition->lot_mantissa >= 1 && definition->tick_decimals <= PIT_DECIMALS_MAX &&
           definition->lot_decimals <= PIT_DECIMALS_MAX && memcmp(definition->zero, zero, sizeof zero) == 0;
}
