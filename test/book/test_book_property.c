/* test/book/test_book_property.c - random flows through the book and through the plain matcher: the same events, byte
 * for byte. PIT_SEED repeats a run. */
#include "test/book/reference.h"
#include "test/book/support.h"

/* How a flow looks: each shape brings out other corners. */
struct shape {
    const char *name;
    uint32_t commands;
    uint32_t orders_max;
    uint32_t levels_max;
    uint32_t accounts;
    uint32_t client_ids; /* drawn from 1 .. this; few: many duplicates */
    int64_t price_min;
    int64_t price_max; /* prices are drawn from this band and a little around it */
    int64_t stride;    /* between neighbouring prices */
    uint64_t quantity_max;
    uint32_t new_percent;    /* of all commands */
    uint32_t cancel_percent; /* of the rest; 15 are reduces, the others replaces */
    uint32_t lean_percent;   /* prices that are mirrored away from the other side */
    uint32_t wild_percent;   /* commands with some field out of its range */
};

static const struct shape shapes[] = {
    {"crowded, few prices", 36000, 40, 30, 3, 30, 100, 110, 1, 20, 50, 20, 80, 5},
    {"limits always reached", 36000, 12, 5, 2, 30, 1, 60, 1, 9, 70, 10, 90, 3},
    {"always full", 36000, 16, 14, 2, 30, 1, 20, 1, 9, 60, 3, 90, 3},
    {"wide and thin", 18000, 300, 200, 4, 100000, -4000, 4000, 1, 100, 55, 10, 70, 1},
    {"far prices", 18000, 200, 150, 4, 500, -60, 60, PIT_PRICE_MAX / 64, PIT_QUANTITY_MAX, 60, 10, 90, 2},
    {"the ends of all prices", 18000, 40, 3, 4, 500, -1, 1, PIT_PRICE_MAX, PIT_QUANTITY_MAX, 60, 10, 70, 2},
    {"sparse prices", 18000, 200, 150, 4, 500, -60, 60, 4099, 50, 60, 10, 80, 2},
    {"deep queues", 9000, 1200, 60, 5, 100000, 1, 60, 1, 50, 80, 5, 97, 1},
    {"aggressive", 36000, 100, 50, 3, 50, 1000, 1020, 1, 200, 60, 5, 30, 1},
};

struct flow {
    const struct shape *shape;
    uint64_t random;
    uint64_t sequence;
    uint64_t known[64]; /* some order ids of the past */
    uint32_t known_next;
};

static int64_t flow_price(struct flow *flow)
{
    const struct shape *shape = flow->shape;
    const uint64_t span = (uint64_t)(shape->price_max - shape->price_min) + 1;
    /* One price in fifty lies outside the band. */
    if (random_below(&flow->random, 50) == 0)
        return (shape->price_max + 1) * shape->stride;
    return (shape->price_min + (int64_t)random_below(&flow->random, span)) * shape->stride;
}

/* Mirrors most prices into the half of the band where their side does not trade, so that books fill. */
static void flow_lean(struct flow *flow, struct pit_command *command, uint8_t side)
{
    const int64_t twice_middle = (flow->shape->price_min + flow->shape->price_max) * flow->shape->stride;
    const bool upper = command->price > twice_middle / 2;
    if (upper == (side == PIT_SIDE_BUY) && random_below(&flow->random, 100) < flow->shape->lean_percent)
        command->price = twice_middle - command->price;
}

static struct pit_command flow_command(struct flow *flow, const struct reference *reference)
{
    const struct shape *shape = flow->shape;
    struct pit_command command = {
        .sequence = ++flow->sequence,
        .time_ns = flow->sequence * 3,
        .account = 1 + (uint32_t)random_below(&flow->random, shape->accounts),
        .symbol = 7,
        .request = (uint32_t)random_next(&flow->random),
        .price = flow_price(flow),
        .quantity = 1 + random_below(&flow->random, shape->quantity_max),
    };
    if (random_below(&flow->random, 3) == 0)
        command.client_id = 1 + random_below(&flow->random, shape->client_ids);

    const uint64_t dice = random_below(&flow->random, 1000);
    if (dice < 8) {
        command.kind = PIT_COMMAND_STATE;
        command.quantity = random_below(&flow->random, 12) == 0 ? PIT_STATE_HALTED : PIT_STATE_OPEN;
    } else if (dice < 10) {
        command.kind = PIT_COMMAND_SYMBOL;
        command.flags = PIT_COMMAND_WIDE;
        command.definition = reference->definition;
        command.definition.price_max = (shape->price_max - (int64_t)random_below(&flow->random, 4)) * shape->stride;
        if (random_below(&flow->random, 4) == 0)
            command.definition.tick_decimals ^= 1;
    } else if (dice < 10 + shape->new_percent * 10 || reference_orders(reference) == 0) {
        static const uint8_t tifs[] = {PIT_TIF_GTC, PIT_TIF_GTC, PIT_TIF_GTC, PIT_TIF_GTC, PIT_TIF_IOC, PIT_TIF_FOK};
        command.kind = PIT_COMMAND_NEW;
        command.side = (uint8_t)random_below(&flow->random, 2);
        flow_lean(flow, &command, command.side);
        command.tif = tifs[random_below(&flow->random, 6)];
        if (command.tif == PIT_TIF_GTC && random_below(&flow->random, 4) == 0)
            command.flags = PIT_COMMAND_POST_ONLY;
        if (command.tif != PIT_TIF_GTC && random_below(&flow->random, 4) == 0)
            command.flags = PIT_COMMAND_MARKET;
        flow->known[flow->known_next++ % 64] = command.sequence;
    } else {
        const uint32_t kind = (uint32_t)random_below(&flow->random, 100);
        command.kind = PIT_COMMAND_REPLACE;
        if (kind < shape->cancel_percent)
            command.kind = PIT_COMMAND_CANCEL;
        else if (kind < shape->cancel_percent + 15)
            command.kind = PIT_COMMAND_REDUCE;
        else if (random_below(&flow->random, 4) == 0)
            command.flags = PIT_COMMAND_POST_ONLY;
        /* A live order, by one of its ids, from its owner mostly; or any old id. */
        const struct reference_order *order = &reference->order[random_below(&flow->random, shape->orders_max)];
        while (!order->live && order > reference->order)
            order--;
        if (order->live && random_below(&flow->random, 20)) {
            const bool by_name = order->client_id && random_below(&flow->random, 2);
            command.order_id = by_name ? 0 : order->order_id;
            command.client_id = by_name ? order->client_id : 0;
            if (random_below(&flow->random, 10))
                command.account = order->account;
            flow_lean(flow, &command, order->side);
            if (random_below(&flow->random, 4) == 0)
                command.price = order->price;
        } else {
            command.order_id = flow->known[random_below(&flow->random, 64)];
        }
    }
    if (random_below(&flow->random, 100) < shape->wild_percent) {
        uint8_t *bytes = (uint8_t *)&command;
        const size_t at = 8 + random_below(&flow->random, 56);
        if (at < offsetof(struct pit_command, symbol) || at >= offsetof(struct pit_command, request))
            bytes[at] = (uint8_t)random_next(&flow->random);
    }
    return command;
}

static void compare(struct desk *desk, const struct reference *reference, const struct shape *shape)
{
    bool same = desk->events == reference->events;
    for (uint32_t i = 0; same && i < desk->events; i++)
        same = event_same(&reference->event[i], &desk->event[i]);
    if (!same) {
        for (uint32_t i = 0; i < reference->events; i++)
            event_print("plain", &reference->event[i]);
        for (uint32_t i = 0; i < desk->events; i++)
            event_print("book", &desk->event[i]);
        fail_msg("%s: the book and the plain matcher differ", shape->name);
    }
}

static void compare_books(struct desk *desk, const struct reference *reference)
{
    desk_sound(desk);
    assert_int_equal(pit_book_orders(desk->book), reference_orders(reference));
    assert_int_equal(pit_book_levels(desk->book), reference_levels(reference));
    for (uint8_t side = BUY; side <= SELL; side++) {
        const struct reference_order *best = reference_best(reference, side);
        int64_t price;
        assert_int_equal(pit_book_best(desk->book, side, &price), best != NULL);
        if (best)
            assert_true(price == best->price);
    }
}

static void run_shape(const struct shape *shape, uint64_t seed, uint32_t *seen)
{
    struct pit_symbol_definition definition = desk_definition(shape->orders_max, shape->levels_max);
    definition.price_min = shape->price_min * shape->stride;
    definition.price_max = shape->price_max * shape->stride;
    definition.quantity_max = shape->quantity_max;
    struct desk *desk = desk_open_secret(&definition, seed); /* any will do: it decides nothing */
    struct reference *reference = malloc(sizeof *reference);
    assert_non_null(reference);
    reference_open(reference, &definition);
    struct flow flow = {.shape = shape, .random = seed};
    for (uint32_t i = 0; i < shape->commands; i++) {
        const struct pit_command command = flow_command(&flow, reference);
        pit_book_prefetch(desk->book, &command);
        desk->sequence = command.sequence;
        desk_apply(desk, &command);
        reference_apply(reference, &command);
        compare(desk, reference, shape);
        for (uint32_t event = 0; event < desk->events; event++) {
            seen[desk->event[event].kind]++;
            if (desk->event[event].reason)
                seen[16 + desk->event[event].reason]++;
        }
        if (i % 64 == 0)
            compare_books(desk, reference);
    }
    compare_books(desk, reference);
    free(reference);
    desk_close(desk);
}

static void book_gives_the_events_of_a_plain_matcher(void **state)
{
    (void)state;
    const uint64_t seed = seed_choose("book_gives_the_events_of_a_plain_matcher");
    uint32_t seen[64] = {0};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        run_shape(&shapes[i], seed + i, seen);
    /* The flows met everything a book can say. */
    for (uint32_t kind = PIT_EVENT_ACCEPTED; kind <= PIT_EVENT_STATE; kind++)
        if (!seen[kind])
            fail_msg("no event of kind %u", kind);
    for (uint32_t reason = PIT_REASON_REQUESTED; reason <= PIT_REASON_BAD_ACCOUNT; reason++) {
        if (reason > PIT_REASON_FOK_UNFILLABLE && reason <= PIT_REASON_UNKNOWN_SYMBOL)
            continue;
        if (reason == PIT_REASON_BAD_KIND || reason == PIT_REASON_BAD_STATE || reason == PIT_REASON_BAD_ACCOUNT)
            continue; /* only a wild byte brings these about: not in every run */
        if (!seen[16 + reason])
            fail_msg("no event with reason %u", reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(book_gives_the_events_of_a_plain_matcher)};
    return cmocka_run_group_tests_name("book property", tests, NULL, NULL);
}
