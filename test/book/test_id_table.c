/* test/book/test_id_table.c - the id table against a plain array, with hashes that collide on purpose. */
#include "book/id_table.h"

#include "test/book/support.h"

#define ORDERS 3000u

struct desk_table {
    struct pit_id_table table;
    struct pit_order order[ORDERS + 1]; /* by slot; the order id is its hash */
    bool in[ORDERS + 1];
};

struct key {
    uint32_t slot;
};

static bool same(const void *context, uint32_t slot)
{
    return slot == ((const struct key *)context)->slot;
}

static void check_slot(const struct desk_table *desk, uint32_t slot)
{
    const struct key key = {.slot = slot};
    assert_int_equal(pit_id_table_find(&desk->table, (uint32_t)desk->order[slot].is.order_id, same, &key),
                     desk->in[slot] ? slot : 0);
}

/* In the block of a table. */
#define BUCKETS(orders_max) (pit_id_table_bytes(orders_max) / (sizeof(uint64_t) + sizeof(struct pit_id_slots)))

/* With these factors an id up to UINT32_MAX is its own hash. */
static void let_ids_be_hashes(struct pit_id_table *table)
{
    table->salt = 0;
    table->factor[0] = UINT64_C(1) << 32;
    table->factor[1] = 0;
}

/* Fills and empties a table of orders_max, hashes drawn from so many bits. */
static void run(uint32_t orders_max, uint32_t hash_bits, uint32_t steps, uint64_t *random)
{
    struct desk_table *desk = calloc(1, sizeof *desk);
    assert_non_null(desk);
    void *memory = zeroed(pit_id_table_bytes(orders_max));
    pit_id_table_create(&desk->table, memory, orders_max, PIT_BY_ORDER_ID, desk->order, 0);
    let_ids_be_hashes(&desk->table);
    uint32_t count = 0;
    bool filling = true;
    for (uint32_t step = 0; step < steps; step++) {
        if (count == 0 || count == orders_max)
            filling = count == 0;
        const uint32_t slot = 1 + (uint32_t)random_below(random, orders_max);
        if (desk->in[slot]) {
            if (filling && random_below(random, 8))
                continue;
            pit_id_table_remove(&desk->table, slot, desk->order[slot].seat[PIT_BY_ORDER_ID]);
            count--;
        } else {
            if (!filling && random_below(random, 8))
                continue;
            uint32_t hash = (uint32_t)(random_next(random) >> (64 - hash_bits)) << (32 - hash_bits);
            /* All ones: the run wraps around the end of every table. */
            if (random_below(random, 4) == 0)
                hash = UINT32_MAX;
            desk->order[slot].is.order_id = hash;
            assert_int_equal(pit_id_hash_of(&desk->table, slot), hash);
            pit_id_table_insert(&desk->table, hash, slot, &desk->order[slot].seat[PIT_BY_ORDER_ID]);
            count++;
        }
        desk->in[slot] ^= true;
        assert_int_equal(desk->table.count, count);
        check_slot(desk, slot);
        check_slot(desk, 1 + (uint32_t)random_below(random, orders_max));
        if (step % 1000 == 0)
            for (uint32_t i = 1; i <= orders_max; i++)
                check_slot(desk, i);
    }
    for (uint32_t i = 1; i <= orders_max; i++) {
        check_slot(desk, i);
        if (desk->in[i])
            pit_id_table_remove(&desk->table, i, desk->order[i].seat[PIT_BY_ORDER_ID]);
        desk->in[i] = false;
    }
    /* No trace is left, once a doubling that was under way is over: every tag is as zero as it was given. */
    while (desk->table.old != PIT_ID_NO_TABLE)
        pit_id_table_care(&desk->table);
    for (size_t i = 0; i < BUCKETS(orders_max); i++)
        assert_int_equal(desk->table.tags[i], 0);
    free(memory);
    free(desk);
}

static void table_finds_what_is_in_it_and_nothing_else(void **state)
{
    (void)state;
    uint64_t random = seed_choose("table_finds_what_is_in_it_and_nothing_else");
    for (int round = 0; round < 3; round++) {
        run(1, 32, 200, &random);
        run(2, 32, 200, &random);
        run(3, 1, 500, &random);
        run(127, 4, 4000, &random);
        run(129, 32, 8000, &random);
        run(ORDERS, 32, 30000, &random);
        run(300, 6, 8000, &random);
    }
}

static void doubling_keeps_every_order_findable(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    struct pit_id_table table;
    void *memory = zeroed(pit_id_table_bytes(MANY));
    struct pit_order *orders = zeroed((MANY + 1) * sizeof *orders);
    pit_id_table_create(&table, memory, MANY, PIT_BY_CLIENT_ID, orders, 0);
    const uint32_t start = pit_id_mask(table.shift) + 1;
    for (uint32_t slot = 1; slot <= MANY; slot++) {
        orders[slot] = (struct pit_order){.is = {.client_id = slot, .account = 3}};
        pit_id_table_insert(&table, pit_id_hash(&table, slot, 3), slot, &orders[slot].seat[PIT_BY_CLIENT_ID]);
        for (uint32_t back = 0; back < 20 && back < slot; back++) {
            const struct key key = {.slot = slot - back * (slot / 20)};
            assert_int_equal(pit_id_table_find(&table, pit_id_hash(&table, key.slot, 3), same, &key), key.slot);
        }
    }
    assert_int_equal(start, PIT_ID_TABLE_START);
    assert_int_equal(pit_id_mask(table.shift) + 1, table.buckets_max);
    free(orders);
    free(memory);
}

static void insert_hash(struct desk_table *desk, uint32_t slot, uint32_t hash)
{
    desk->order[slot].is.order_id = hash;
    pit_id_table_insert(&desk->table, hash, slot, &desk->order[slot].seat[PIT_BY_ORDER_ID]);
    desk->in[slot] = true;
}

static void insert_anywhere(struct desk_table *desk, uint32_t slot)
{
    insert_hash(desk, slot, slot * UINT32_C(0x9e3779b1));
}

static void remove_slot(struct desk_table *desk, uint32_t slot)
{
    pit_id_table_remove(&desk->table, slot, desk->order[slot].seat[PIT_BY_ORDER_ID]);
    desk->in[slot] = false;
}

static void check_slots(const struct desk_table *desk, uint32_t count)
{
    for (uint32_t slot = 1; slot <= count; slot++)
        check_slot(desk, slot);
}

static struct desk_table *open_table(uint32_t orders_max)
{
    struct desk_table *desk = calloc(1, sizeof *desk);
    assert_non_null(desk);
    pit_id_table_create(&desk->table, zeroed(pit_id_table_bytes(orders_max)), orders_max, PIT_BY_ORDER_ID, desk->order,
                        0);
    let_ids_be_hashes(&desk->table);
    return desk;
}

static void close_table(struct desk_table *desk)
{
    free(desk->table.tags);
    free(desk);
}

static uint64_t passed(const struct desk_table *desk, uint32_t bucket)
{
    return desk->table.tags[desk->table.first + bucket] >> 48;
}

/* Twenty orders of one bucket fill four; the last bucket's go on in the first. Nobody is lost, whoever leaves first. */
static void orders_behind_their_bucket_are_counted_where_they_went_past(void **state)
{
    (void)state;
    const uint32_t last = PIT_ID_TABLE_START - 1;
    const uint32_t homes[] = {0, 5, last - 1, last};
    for (uint32_t i = 0; i < 8; i++) {
        struct desk_table *desk = open_table(ORDERS);
        const uint32_t home = homes[i / 2], hash = home << (32 - 6) | 0x2a;
        for (uint32_t slot = 1; slot <= 20; slot++)
            insert_hash(desk, slot, hash);
        assert_int_equal(passed(desk, home), 14);
        assert_int_equal(passed(desk, (home + 1) & last), 8);
        assert_int_equal(passed(desk, (home + 2) & last), 2);
        assert_int_equal(passed(desk, (home + 3) & last), 0);
        assert_true(desk->order[20].seat[PIT_BY_ORDER_ID] & PIT_ID_SEAT_BEHIND);
        check_slots(desk, 30);
        for (uint32_t n = 1; n <= 20; n++) {
            remove_slot(desk, i % 2 ? n : 21 - n);
            check_slots(desk, 30);
        }
        for (uint32_t bucket = 0; bucket <= last; bucket++)
            assert_int_equal(desk->table.tags[desk->table.first + bucket], 0);
        close_table(desk);
    }
}

/* A doubling is under way; those behind leave the table that is being emptied, some before and some after their turn.
 */
static void orders_behind_their_bucket_may_leave_during_a_doubling(void **state)
{
    (void)state;
    enum { BEHIND = 60, FILL = PIT_ID_TABLE_START * PIT_ID_TABLE_FILL };
    const uint32_t homes[] = {0, 30, PIT_ID_TABLE_START - 1};
    for (uint32_t i = 0; i < 9; i++) {
        struct desk_table *desk = open_table(ORDERS);
        uint32_t slot = 0;
        while (slot < BEHIND)
            insert_hash(desk, ++slot, homes[i / 3] << (32 - 6) | 0x15);
        while (slot < FILL)
            insert_anywhere(desk, ++slot);
        assert_int_equal(desk->table.old, PIT_ID_NO_TABLE);
        uint32_t gone = 0;
        do {
            insert_anywhere(desk, ++slot);
            if (gone < BEHIND)
                remove_slot(desk, i % 3 == 0 ? ++gone : i % 3 == 1 ? BEHIND - gone++ : ++gone * 7 % 61);
            check_slots(desk, slot + 1);
        } while (desk->table.old != PIT_ID_NO_TABLE);
        while (gone < BEHIND)
            remove_slot(desk, i % 3 == 0 ? ++gone : i % 3 == 1 ? BEHIND - gone++ : ++gone * 7 % 61);
        check_slots(desk, slot + 1);
        for (uint32_t left = 1; left <= slot; left++)
            if (desk->in[left])
                remove_slot(desk, left);
        for (size_t bucket = 0; bucket < BUCKETS(ORDERS); bucket++)
            assert_int_equal(desk->table.tags[bucket], 0);
        close_table(desk);
    }
}

/* More went past than can be counted: then searches go on from there for good. */
static void bucket_that_counted_to_the_end_is_always_gone_past(void **state)
{
    (void)state;
    struct desk_table *desk = open_table(ORDERS);
    desk->table.tags[desk->table.first + 9] += (PIT_ID_PASSED_MAX - 2) * PIT_ID_PASSED_ONE;
    for (uint32_t slot = 1; slot <= 10; slot++)
        insert_hash(desk, slot, 9u << 26 | slot);
    assert_int_equal(passed(desk, 9), PIT_ID_PASSED_MAX);
    check_slots(desk, 20);
    for (uint32_t slot = 10; slot > 7; slot--)
        remove_slot(desk, slot);
    assert_int_equal(passed(desk, 9), PIT_ID_PASSED_MAX);
    check_slots(desk, 20);
    insert_hash(desk, 8, 9u << 26 | 8);
    for (uint32_t slot = 1; slot <= 8; slot++) {
        remove_slot(desk, slot);
        check_slots(desk, 20);
    }
    close_table(desk);
}

/* How many buckets are gone past to reach every id, all together. */
static uint64_t steps_to_find(uint64_t secret, const uint64_t *ids, uint32_t count)
{
    struct pit_id_table table;
    void *memory = zeroed(pit_id_table_bytes(count));
    struct pit_order *orders = zeroed((count + 1) * sizeof *orders);
    uint64_t steps = 0;
    pit_id_table_create(&table, memory, count, PIT_BY_CLIENT_ID, orders, secret);
    for (uint32_t slot = 1; slot <= count; slot++) {
        orders[slot] = (struct pit_order){.is = {.client_id = ids[slot - 1], .account = 3}};
        pit_id_table_insert(&table, pit_id_hash(&table, ids[slot - 1], 3), slot, &orders[slot].seat[PIT_BY_CLIENT_ID]);
    }
    while (table.old != PIT_ID_NO_TABLE)
        pit_id_table_care(&table);
    for (uint32_t at = 0; at <= pit_id_mask(table.shift); at++)
        steps += table.tags[table.first + at] >> 48;
    free(orders);
    free(memory);
    return steps;
}

/* Ids that all stand at one place when the secret is known are as good as any when it is another. */
static void ids_chosen_for_one_secret_do_not_crowd_under_another(void **state)
{
    (void)state;
    enum { MANY = 2000 };
    struct pit_id_table known;
    uint64_t block[1024] = {0};
    pit_id_table_create(&known, block, 1, PIT_BY_CLIENT_ID, NULL, 0);
    uint64_t *ids = calloc(MANY, sizeof *ids);
    assert_non_null(ids);
    uint64_t random = seed_choose("ids_chosen_for_one_secret_do_not_crowd_under_another");
    for (uint64_t found = 0, id = 1; found < MANY; id++)
        if (pit_id_hash(&known, id, 3) >> 22 < 2)
            ids[found++] = id;
    assert_true(steps_to_find(0, ids, MANY) > MANY * UINT64_C(100));
    for (int i = 0; i < 50; i++)
        assert_true(steps_to_find(random_next(&random), ids, MANY) < MANY);
    free(ids);
}

struct hashed {
    uint32_t hash;
    uint64_t number;
};

static int compare_hashed(const void *a, const void *b)
{
    const struct hashed *x = a, *y = b;
    return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : 0;
}

enum { BY_ACCOUNT, BY_CLIENT_ID, BY_ORDER_ID };

/* Two accounts, client ids or order ids with the same hash. */
static void find_twins(int what, uint64_t *one, uint64_t *other)
{
    enum { MANY = 400000 };
    uint64_t random = 1; /* numbers in a row have no two hashes alike */
    struct pit_id_table table;
    uint64_t block[1024] = {0};
    pit_id_table_create(&table, block, 1, PIT_BY_CLIENT_ID, NULL, 0);
    struct hashed *all = calloc(MANY, sizeof *all);
    assert_non_null(all);
    for (uint32_t i = 0; i < MANY; i++) {
        const uint64_t number = random_next(&random) >> (what == BY_ACCOUNT ? 33 : 2);
        all[i] = (struct hashed){what == BY_ACCOUNT     ? pit_id_hash(&table, 5, (uint32_t)number)
                                 : what == BY_CLIENT_ID ? pit_id_hash(&table, number, 1)
                                                        : pit_id_hash(&table, number, 0),
                                 number};
    }
    qsort(all, MANY, sizeof *all, compare_hashed);
    uint32_t at = 1;
    while (at < MANY && (all[at].hash != all[at - 1].hash || all[at].number == all[at - 1].number))
        at++;
    assert_true(at < MANY);
    *one = all[at - 1].number;
    *other = all[at].number;
    free(all);
}

/* What the table finds by a hash is held against the id itself. */
static void orders_whose_ids_hash_alike_are_told_apart(void **state)
{
    (void)state;
    for (int what = BY_ACCOUNT; what <= BY_ORDER_ID; what++) {
        uint64_t one, other;
        find_twins(what, &one, &other);
        struct pit_symbol_definition definition = desk_definition(8, 8);
        struct desk *desk = desk_open(&definition);
        struct pit_command command = order(PIT_SIDE_BUY, 100, 1);
        command.account = what == BY_ACCOUNT ? (uint32_t)one : 1;
        command.client_id = what == BY_ACCOUNT ? 5 : what == BY_CLIENT_ID ? one : 0;
        command.sequence = what == BY_ORDER_ID ? one : 1;
        desk_apply(desk, &command);
        assert_int_equal(pit_book_orders(desk->book), 1);

        struct pit_command wrong = {.sequence = UINT64_MAX, .account = command.account, .kind = PIT_COMMAND_CANCEL};
        wrong.client_id = command.client_id;
        if (what == BY_ACCOUNT)
            wrong.account = (uint32_t)other;
        else if (what == BY_CLIENT_ID)
            wrong.client_id = other;
        else
            wrong.order_id = other;
        desk_apply(desk, &wrong);
        assert_int_equal(desk->event[0].reason, PIT_REASON_UNKNOWN_ORDER);

        command.sequence = what == BY_ORDER_ID ? other : 2; /* the twin may rest beside it */
        command.account = wrong.account;
        command.client_id = wrong.client_id;
        desk_apply(desk, &command);
        assert_int_equal(pit_book_orders(desk->book), 2);
        assert_null(pit_book_check(desk->book));
        desk_close(desk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_finds_what_is_in_it_and_nothing_else),
        cmocka_unit_test(doubling_keeps_every_order_findable),
        cmocka_unit_test(orders_behind_their_bucket_are_counted_where_they_went_past),
        cmocka_unit_test(orders_behind_their_bucket_may_leave_during_a_doubling),
        cmocka_unit_test(bucket_that_counted_to_the_end_is_always_gone_past),
        cmocka_unit_test(orders_whose_ids_hash_alike_are_told_apart),
        cmocka_unit_test(ids_chosen_for_one_secret_do_not_crowd_under_another),
    };
    return cmocka_run_group_tests_name("id table", tests, NULL, NULL);
}
