/* test/stages/test_matcher.c - the matcher between its rings, one turn at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "journal/format.h"
#include "stages/links.h"
#include "stages/matcher.h"

#define INPUT_SLOTS 32768u
#define SYMBOLS 4u

/* Matchers behind one input ring; the test plays gateway, journaler and the readers of the output rings. */
struct rig {
    uint32_t matchers;
    uint32_t output_slots;
    struct pit_control control;
    struct pit_sequence durable;
    struct pit_ring *input;
    void *blocks[64];
    uint32_t blocks_count;
    struct one {
        struct pit_market *market;
        struct pit_matcher *stage;
        struct pit_agent agent;
        struct pit_ring *output, *digests;
        struct pit_ring_reader reader, notes;
        uint32_t reliefs;
        uint64_t events; /* taken by the reader */
        uint64_t lasts;
        uint64_t last; /* command whose last event was read */
        bool never;    /* the reader never reads */
        struct rig *rig;
    } one[PIT_MATCHERS_MAX];
    uint8_t owners[SYMBOLS];
    uint64_t next_order;
};

static void *take(void *context, size_t bytes, size_t alignment)
{
    struct rig *rig = context;
    size_t whole = (bytes + alignment - 1) / alignment * alignment;
    void *block = aligned_alloc(alignment < 128 ? 128 : alignment, (whole + 127) / 128 * 128);
    assert_non_null(block);
    assert_true(rig->blocks_count < 64);
    memset(block, 0, whole);
    rig->blocks[rig->blocks_count++] = block;
    return block;
}

static struct pit_ring *make_ring(struct rig *rig, uint32_t slots, uint32_t slot_bytes)
{
    struct pit_ring *ring = pit_ring_create(take(rig, pit_ring_bytes(slots, slot_bytes), 128), slots, slot_bytes, 1);
    assert_non_null(ring);
    return ring;
}

/* Takes everything that is published. */
static void read_events(struct one *one)
{
    uint32_t ready = pit_ring_poll_run(&one->reader, UINT32_MAX), done = 0;
    while (done < ready) {
        const struct pit_event *event = pit_ring_slot(one->output, one->reader.next + done);
        assert_true(event->sequence > one->last);
        if (event->flags & PIT_EVENT_LAST)
            one->last = event->sequence;
        one->lasts += (event->flags & PIT_EVENT_LAST) != 0;
        one->events++;
        done += pit_event_lines(event);
    }
    assert_int_equal(done, ready);
    pit_ring_release_run(&one->reader, ready);
}

static void relieve(void *context)
{
    struct one *one = context;
    if (++one->reliefs > 100 && one->never)
        pit_sequence_store(&one->rig->control.phase, PIT_PHASE_STOP);
    if (!one->never)
        read_events(one);
}

static struct rig *rig_make(uint32_t matchers, uint32_t output_slots)
{
    struct rig *rig = aligned_alloc(128, (sizeof *rig + 127) / 128 * 128);
    assert_non_null(rig);
    memset(rig, 0, sizeof *rig);
    rig->matchers = matchers;
    rig->output_slots = output_slots;
    pit_sequence_store(&rig->control.phase, PIT_PHASE_RUN);
    rig->input = make_ring(rig, INPUT_SLOTS, sizeof(struct pit_command));
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++)
        rig->owners[symbol] = (uint8_t)(symbol % matchers);
    for (uint32_t k = 0; k < matchers; k++) {
        struct one *one = &rig->one[k];
        struct pit_reserve reserve = {.reserve = take, .context = rig};
        one->rig = rig;
        one->market = pit_market_create(&reserve);
        one->output = make_ring(rig, output_slots, PIT_EVENT_LINE_BYTES);
        one->digests = make_ring(rig, 4, sizeof(struct pit_digest_note));
        assert_true(pit_ring_reader_add(one->output, &one->reader));
        assert_true(pit_ring_reader_add(one->digests, &one->notes));
        struct pit_matcher_config config = {.name = "matcher",
                                            .number = k,
                                            .matchers = matchers,
                                            .owners = rig->owners,
                                            .owners_count = SYMBOLS,
                                            .market = one->market,
                                            .output = one->output,
                                            .digests = one->digests,
                                            .relief = {.relieve = relieve, .context = one},
                                            .control = &rig->control};
        assert_true(pit_ring_reader_add(rig->input, &config.input));
        pit_barrier_init(&config.barrier);
        assert_true(pit_barrier_add(&config.barrier, &rig->durable));
        struct pit_error error = {0};
        if (pit_matcher_create(&one->stage, &config, &error) != 0)
            fail_msg("%s", error.text);
        one->agent = pit_matcher_agent(one->stage);
    }
    return rig;
}

static void rig_free(struct rig *rig)
{
    for (uint32_t k = 0; k < rig->matchers; k++)
        pit_matcher_destroy(rig->one[k].stage);
    for (uint32_t i = 0; i < rig->blocks_count; i++)
        free(rig->blocks[i]);
    free(rig);
}

/* Puts one command into the input ring; it is not durable yet. */
static uint64_t put(struct rig *rig, const struct pit_command *command)
{
    uint64_t sequence = pit_ring_claim(rig->input, 1);
    assert_true(sequence != PIT_SEQUENCE_NONE);
    struct pit_command *slot = pit_ring_slot(rig->input, sequence);
    *slot = *command;
    slot->time_ns = sequence * 1000;
    pit_ring_publish(rig->input, sequence, 1);
    return sequence;
}

static uint64_t put_symbol(struct rig *rig, uint32_t symbol)
{
    struct pit_command command = {.kind = PIT_COMMAND_SYMBOL, .symbol = symbol, .flags = PIT_COMMAND_WIDE};
    command.definition = (struct pit_symbol_definition){.price_min = 1,
                                                        .price_max = 1000000,
                                                        .quantity_max = 1000000,
                                                        .orders_max = 1024,
                                                        .levels_max = 256,
                                                        .tick_mantissa = 1,
                                                        .lot_mantissa = 1};
    snprintf(command.definition.name, sizeof command.definition.name, "S%u", symbol);
    return put(rig, &command);
}

static uint64_t put_order(struct rig *rig, uint32_t symbol, enum pit_side side, int64_t price, uint64_t quantity)
{
    struct pit_command command = {.kind = PIT_COMMAND_NEW,
                                  .symbol = symbol,
                                  .account = 1,
                                  .client_id = ++rig->next_order,
                                  .side = (uint8_t)side,
                                  .price = price,
                                  .quantity = quantity};
    return put(rig, &command);
}

static void make_durable(struct rig *rig, uint64_t sequence)
{
    pit_sequence_store(&rig->durable, sequence);
}

/* Turns until the matcher finds nothing to do. Returns how much it did. */
static uint32_t work(struct one *one)
{
    uint32_t all = 0, did;
    while ((did = one->agent.do_work(one->agent.state)) > 0) {
        all += did;
        read_events(one);
    }
    return all;
}

static bool next_note(struct one *one, struct pit_digest_note *note)
{
    if (pit_ring_poll(&one->notes, 1) == 0)
        return false;
    *note = *(const struct pit_digest_note *)pit_ring_slot(one->digests, one->notes.next);
    pit_ring_release(&one->notes, 1);
    return true;
}

static void matcher_waits_until_commands_are_durable(void **state)
{
    (void)state;
    struct rig *rig = rig_make(1, 256);
    put_symbol(rig, 0);
    uint64_t last = put_order(rig, 0, PIT_SIDE_BUY, 100, 5);
    assert_int_equal(work(&rig->one[0]), 0);
    assert_int_equal(pit_ring_published(rig->one[0].output), 0);
    make_durable(rig, last - 1);
    assert_int_equal(work(&rig->one[0]), 1);
    assert_int_equal(rig->one[0].events, 1);
    make_durable(rig, last);
    assert_int_equal(work(&rig->one[0]), 1);
    assert_int_equal(rig->one[0].events, 2);
    assert_int_equal(pit_ring_slowest(rig->input), last);
    rig_free(rig);
}

static void matcher_publishes_events_before_it_releases_the_command(void **state)
{
    (void)state;
    struct rig *rig = rig_make(1, 256);
    put_symbol(rig, 0);
    make_durable(rig, put_order(rig, 0, PIT_SIDE_BUY, 100, 5));
    assert_int_equal(rig->one[0].agent.do_work(rig->one[0].agent.state), 2);
    assert_int_equal(pit_ring_published(rig->one[0].output), 3);
    assert_int_equal(pit_ring_slowest(rig->input), 2);
    const struct pit_event *event = pit_ring_slot(rig->one[0].output, 3); /* behind a DEFINED of two lines */
    assert_int_equal(event->kind, PIT_EVENT_ACCEPTED);
    assert_int_equal(event->order_id, 2);
    rig_free(rig);
}

static void matcher_takes_the_symbols_it_owns_and_unknown_ones_by_their_number(void **state)
{
    (void)state;
    struct rig *rig = rig_make(2, 256);
    rig->owners[1] = 0; /* configured otherwise than by turns */
    put_symbol(rig, 0);
    put_symbol(rig, 1);
    put_symbol(rig, 2);
    put_symbol(rig, 3);
    put_order(rig, 1, PIT_SIDE_BUY, 100, 5);
    put_order(rig, 4001, PIT_SIDE_BUY, 100, 5);                     /* nobody's: 4001 % 2 */
    make_durable(rig, put_order(rig, 70000, PIT_SIDE_BUY, 100, 5)); /* beyond every symbol */
    assert_int_equal(work(&rig->one[0]), 7);
    assert_int_equal(work(&rig->one[1]), 7);
    assert_non_null(pit_market_book(rig->one[0].market, 0));
    assert_non_null(pit_market_book(rig->one[0].market, 1));
    assert_non_null(pit_market_book(rig->one[0].market, 2));
    assert_null(pit_market_book(rig->one[1].market, 1));
    assert_non_null(pit_market_book(rig->one[1].market, 3));
    assert_int_equal(pit_matcher_counters(rig->one[0].stage)->commands, 5);
    assert_int_equal(pit_matcher_counters(rig->one[1].stage)->commands, 2);
    assert_int_equal(rig->one[0].events, 5);
    assert_int_equal(rig->one[1].events, 2);
    assert_int_equal(pit_ring_slowest(rig->input), 7);
    rig_free(rig);
}

/* A flow over all symbols with resting orders, trades and cancels. */
static uint64_t put_flow(struct rig *rig, uint32_t count, uint64_t seed)
{
    uint64_t last = 0;
    for (uint32_t i = 0; i < count; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint32_t symbol = (uint32_t)(seed >> 33) % SYMBOLS;
        enum pit_side side = (seed >> 40) & 1 ? PIT_SIDE_SELL : PIT_SIDE_BUY;
        last = put_order(rig, symbol, side, 95 + (int64_t)((seed >> 45) % 11), 1 + (seed >> 50) % 9);
    }
    return last;
}

static struct pit_digest digest_of(struct rig *rig)
{
    struct pit_digest whole = {0};
    for (uint32_t k = 0; k < rig->matchers; k++) {
        struct pit_digest part = pit_market_full_digest(rig->one[k].market);
        pit_digest_add(&whole, &part);
    }
    return whole;
}

static struct pit_digest run_flow(uint32_t matchers, uint32_t output_slots)
{
    struct rig *rig = rig_make(matchers, output_slots);
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++)
        put_symbol(rig, symbol);
    uint64_t last = put_flow(rig, 20000, 7);
    make_durable(rig, last);
    for (uint32_t k = 0; k < matchers; k++)
        assert_int_equal(work(&rig->one[k]), last);
    struct pit_digest digest = digest_of(rig);
    rig_free(rig);
    return digest;
}

static void matcher_digests_are_the_same_however_symbols_are_spread(void **state)
{
    (void)state;
    struct pit_digest one = run_flow(1, 1024);
    assert_true(one.events_count > 20000);
    assert_true(one.orders > 0);
    for (uint32_t matchers = 2; matchers <= 4; matchers++) {
        struct pit_digest many = run_flow(matchers, 1024);
        assert_memory_equal(&one, &many, sizeof one);
    }
}

static void matcher_notes_its_digest_at_every_interval_even_without_own_commands(void **state)
{
    (void)state;
    struct rig *rig = rig_make(2, 4096);
    put_symbol(rig, 0);
    uint64_t last = 0;
    while (last < PIT_JOURNAL_DIGEST_EVERY + 10) /* symbol 0 is matcher 0's alone */
        last = put_order(rig, 0, last % 2 ? PIT_SIDE_BUY : PIT_SIDE_SELL, 100, 5);
    make_durable(rig, last);
    for (uint32_t k = 0; k < 2; k++) {
        struct pit_digest_note note;
        assert_int_equal(work(&rig->one[k]), last);
        assert_true(next_note(&rig->one[k], &note));
        assert_int_equal(note.command, PIT_JOURNAL_DIGEST_EVERY);
        assert_int_equal(note.full, 0);
        assert_int_equal(note.events_count > 0, k == 0);
        assert_false(next_note(&rig->one[k], &note));
    }
    rig_free(rig);
}

static void matcher_waits_before_a_digest_that_has_no_room(void **state)
{
    (void)state;
    struct rig *rig = rig_make(1, 4096);
    put_symbol(rig, 0);
    uint64_t last = 1, turned = 0;
    for (uint32_t i = 0; i < 5; i++) { /* the digest ring holds four */
        uint64_t end = (i + 1) * PIT_JOURNAL_DIGEST_EVERY + 1;
        while (last < end)
            last = put_order(rig, 0, last % 2 ? PIT_SIDE_BUY : PIT_SIDE_SELL, 100, 5);
        make_durable(rig, last);
        turned += work(&rig->one[0]);
    }
    assert_true(turned < 5 * PIT_JOURNAL_DIGEST_EVERY);
    assert_true(turned >= 5 * PIT_JOURNAL_DIGEST_EVERY - PIT_MATCHER_BATCH);
    struct pit_digest_note note;
    assert_true(next_note(&rig->one[0], &note));
    turned += work(&rig->one[0]);
    assert_int_equal(turned, last);
    rig_free(rig);
}

static void matcher_ends_with_a_full_digest_once_the_intake_has_ended(void **state)
{
    (void)state;
    struct rig *rig = rig_make(1, 4096);
    struct pit_digest_note note;
    put_symbol(rig, 0);
    uint64_t last = put_order(rig, 0, PIT_SIDE_BUY, 100, 5);
    make_durable(rig, last - 1);
    pit_sequence_store(&rig->control.phase, PIT_PHASE_DRAIN);
    work(&rig->one[0]);
    pit_sequence_store(&rig->control.intake_end, last + 1);
    work(&rig->one[0]);
    assert_false(next_note(&rig->one[0], &note)); /* one command is not durable yet */
    assert_int_equal(pit_matcher_counters(rig->one[0].stage)->finished, 0);
    make_durable(rig, last);
    work(&rig->one[0]);
    assert_true(next_note(&rig->one[0], &note));
    assert_int_equal(note.full, 1);
    assert_int_equal(note.command, last);
    assert_int_equal(note.orders, 1);
    assert_int_equal(note.state, digest_of(rig).state);
    assert_int_equal(pit_matcher_counters(rig->one[0].stage)->finished, 1);
    work(&rig->one[0]);
    assert_false(next_note(&rig->one[0], &note));
    rig_free(rig);
}

/* One order that trades with far more resting orders than the output ring has slots. */
static uint64_t put_sweep(struct rig *rig)
{
    put_symbol(rig, 0);
    for (uint32_t i = 0; i < 500; i++)
        put_order(rig, 0, PIT_SIDE_SELL, 100 + i % 7, 1);
    return put_order(rig, 0, PIT_SIDE_BUY, 200, 500);
}

static void matcher_relieves_readers_when_the_ring_fills_in_the_midst_of_a_command(void **state)
{
    (void)state;
    struct pit_digest expected = {0};
    for (uint32_t slots = 2048; slots >= 8; slots /= 4) {
        struct rig *rig = rig_make(1, slots);
        uint64_t last = put_sweep(rig);
        make_durable(rig, last);
        assert_int_equal(work(&rig->one[0]), last);
        assert_int_equal(rig->one[0].lasts, last);
        assert_int_equal(rig->one[0].events, 1 + 500 + 1 + 500);
        assert_int_equal(rig->one[0].reliefs > 0, slots < 2048);
        struct pit_digest digest = digest_of(rig);
        if (slots == 2048)
            expected = digest;
        assert_memory_equal(&digest, &expected, sizeof digest);
        rig_free(rig);
    }
}

static void matcher_leaves_a_full_ring_when_the_pipeline_is_told_to_stop(void **state)
{
    (void)state;
    struct rig *rig = rig_make(1, 16);
    rig->one[0].never = true;
    make_durable(rig, put_sweep(rig));
    while (pit_control_phase(&rig->control) != PIT_PHASE_STOP)
        rig->one[0].agent.do_work(rig->one[0].agent.state);
    assert_true(rig->one[0].reliefs > 100);
    assert_int_equal(pit_ring_published(rig->one[0].output), 16); /* what a reader may still look at is untouched */
    uint64_t slot = 1;
    for (uint64_t sequence = 1; slot <= 16; sequence++) {
        const struct pit_event *event = pit_ring_slot(rig->one[0].output, slot);
        assert_int_equal(event->sequence, sequence); /* each command had one event so far */
        slot += pit_event_lines(event);
    }
    rig_free(rig);
}

static void matcher_refuses_a_table_that_names_no_matcher(void **state)
{
    (void)state;
    const uint8_t owners[] = {0, 2};
    struct pit_matcher *matcher = NULL;
    struct pit_error error = {0};
    struct pit_matcher_config config = {.name = "m", .number = 0, .matchers = 2, .owners = owners, .owners_count = 2};
    assert_int_equal(pit_matcher_create(&matcher, &config, &error), -22);
    assert_non_null(strstr(error.text, "symbol 1 is given to matcher 2"));
    config.number = 2;
    assert_int_equal(pit_matcher_create(&matcher, &config, &error), -22);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matcher_waits_until_commands_are_durable),
        cmocka_unit_test(matcher_publishes_events_before_it_releases_the_command),
        cmocka_unit_test(matcher_takes_the_symbols_it_owns_and_unknown_ones_by_their_number),
        cmocka_unit_test(matcher_digests_are_the_same_however_symbols_are_spread),
        cmocka_unit_test(matcher_notes_its_digest_at_every_interval_even_without_own_commands),
        cmocka_unit_test(matcher_waits_before_a_digest_that_has_no_room),
        cmocka_unit_test(matcher_ends_with_a_full_digest_once_the_intake_has_ended),
        cmocka_unit_test(matcher_relieves_readers_when_the_ring_fills_in_the_midst_of_a_command),
        cmocka_unit_test(matcher_leaves_a_full_ring_when_the_pipeline_is_told_to_stop),
        cmocka_unit_test(matcher_refuses_a_table_that_names_no_matcher),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
