/* stages/publisher.c - the publisher: from output rings to the event ring and the depth images.
 *
 * An image is written only between two commands of its symbol. Writing one costs as much as a dozen events, so that a
 * busy publisher writes the changed ones every IMAGE_INTERVAL_NS, and an idle one at once. They are written in passes
 * over the queue of changed symbols; when a pass ends, `imaged` tells the readers how far all images go.
 */
#include "stages/publisher.h"

#include <errno.h>
#include <stdlib.h>

#include "ring/broadcast.h"
#include "ring/check.h"
#include "stages/depth.h"
#include "stages/market_files.h"
#include "stages/public_event.h"

#define IMAGE_INTERVAL_NS UINT64_C(100000)
#define IMAGES_AT_ONCE 32u
#define HEARTBEAT_INTERVAL_NS UINT64_C(100000000)

/* One matcher's output. */
struct source {
    struct pit_ring_reader reader;
    bool held; /* the newest public event of the command in progress: held back until it is known to be its last or not
                */
    struct pit_md_event event;
};

struct symbol {
    struct pit_depth *depth; /* NULL: not defined */
    uint64_t unseen;         /* sequence of the first event that is not in the image; 0: the image is up to date */
    bool open;               /* in the midst of a command */
    bool stale[2];           /* by side: the image's levels have changed */
    struct pit_md_depth image;
};

struct pit_publisher {
    struct pit_publisher_counters counters;
    struct pit_clock clock;
    struct pit_reserve memory;
    struct pit_market_files files;
    struct pit_broadcast_writer writer;
    uint64_t published;
    uint64_t heartbeat_ns;
    uint64_t pass_next_ns; /* a busy publisher starts no pass before */
    uint64_t pass_floor;   /* what `imaged` will be after the pass */
    uint32_t pass_left;    /* symbols left in it */
    uint32_t rings_count;
    uint32_t symbols_max;
    uint32_t queue_first;
    uint32_t queue_count;
    uint32_t *queue; /* symbols_max places, a ring: changed symbols, each once */
    struct symbol *symbols;
    struct source sources[PIT_PUBLISHER_RINGS_MAX];
};

static void count(uint64_t *counter, uint64_t n)
{
    pit_word_store_relaxed(counter, *counter + n);
}

/* Images. */

static void write_image(struct pit_publisher *publisher, uint32_t id)
{
    struct symbol *symbol = &publisher->symbols[id];
    struct pit_md_depth *image = &symbol->image;
    if (symbol->stale[PIT_SIDE_BUY])
        image->bids = pit_depth_best(symbol->depth, PIT_SIDE_BUY, image->bid, PIT_MD_LEVELS);
    if (symbol->stale[PIT_SIDE_SELL])
        image->asks = pit_depth_best(symbol->depth, PIT_SIDE_SELL, image->ask, PIT_MD_LEVELS);
    symbol->stale[PIT_SIDE_BUY] = symbol->stale[PIT_SIDE_SELL] = false;
    symbol->unseen = 0;
    uint64_t words[PIT_MD_IMAGE_WORDS];
    memcpy(words, image, sizeof words);
    struct pit_md_image *shared = &publisher->files.images[id];
    pit_image_write(&shared->version, shared->words, words, PIT_MD_IMAGE_WORDS);
    count(&publisher->counters.images, 1);
}

static void enqueue(struct pit_publisher *publisher, uint32_t id)
{
    PIT_CHECK(publisher->queue_count < publisher->symbols_max);
    uint32_t place = publisher->queue_first + publisher->queue_count++;
    publisher->queue[place < publisher->symbols_max ? place : place - publisher->symbols_max] = id;
}

static uint32_t dequeue(struct pit_publisher *publisher)
{
    uint32_t id = publisher->queue[publisher->queue_first++];
    if (publisher->queue_first == publisher->symbols_max)
        publisher->queue_first = 0;
    publisher->queue_count--;
    return id;
}

static void set_imaged(struct pit_publisher *publisher, uint64_t sequence)
{
    if (publisher->files.depth->imaged < sequence)
        pit_word_store_release(&publisher->files.depth->imaged, sequence);
}

/* Goes on with the pass, or starts one. Returns how many images it wrote. */
static uint32_t write_images(struct pit_publisher *publisher, uint64_t now_ns, bool idle)
{
    if (publisher->pass_left == 0) {
        if (publisher->queue_count == 0 || (!idle && now_ns < publisher->pass_next_ns))
            return 0;
        publisher->pass_left = publisher->queue_count;
        publisher->pass_floor = publisher->published;
        publisher->pass_next_ns = now_ns + IMAGE_INTERVAL_NS;
    }
    uint32_t written = 0;
    for (uint32_t looked = 0; looked < IMAGES_AT_ONCE && publisher->pass_left > 0; looked++, publisher->pass_left--) {
        uint32_t id = dequeue(publisher);
        const struct symbol *symbol = &publisher->symbols[id];
        if (!symbol->open) {
            write_image(publisher, id);
            written++;
            continue;
        }
        enqueue(publisher, id);
        if (symbol->unseen <= publisher->pass_floor)
            publisher->pass_floor = symbol->unseen - 1;
    }
    if (publisher->pass_left == 0)
        set_imaged(publisher, publisher->pass_floor);
    return written;
}

/* Events. */

/* Whether the image's levels of a side can look different after a change at price: not when all of them are better. */
static bool shows(const struct pit_md_level *levels, uint64_t filled, enum pit_side side, int64_t price)
{
    if (filled < PIT_MD_LEVELS)
        return true;
    int64_t worst = levels[PIT_MD_LEVELS - 1].price;
    return side == PIT_SIDE_BUY ? price >= worst : price <= worst;
}

static void apply_change(struct pit_publisher *publisher, struct symbol *symbol, const struct pit_md_event *event)
{
    struct pit_md_depth *image = &symbol->image;
    if (!pit_depth_apply(symbol->depth, event)) {
        count(&publisher->counters.mismatched, 1);
        PIT_HOT_CHECK(false);
        return;
    }
    bool trade = event->kind == PIT_MD_TRADE;
    bool buy = (event->side == PIT_SIDE_BUY) != trade; /* which side rested */
    if (trade) {
        image->trades++;
        image->last_price = event->price;
        image->last_quantity = event->quantity;
        count(&publisher->counters.trades, 1);
    }
    if (buy && shows(image->bid, image->bids, PIT_SIDE_BUY, event->price))
        symbol->stale[PIT_SIDE_BUY] = true;
    if (!buy && shows(image->ask, image->asks, PIT_SIDE_SELL, event->price))
        symbol->stale[PIT_SIDE_SELL] = true;
}

static void publish(struct pit_publisher *publisher, const struct pit_md_event *event)
{
    uint64_t words[PIT_BROADCAST_WORDS];
    pit_md_event_pack(event, words);
    uint64_t sequence = pit_broadcast_write(&publisher->writer, words);
    count(&publisher->counters.published, 1);
    struct symbol *symbol = &publisher->symbols[event->symbol];
    if (event->kind == PIT_MD_STATE)
        symbol->image.state = event->quantity;
    else if (event->kind != PIT_MD_SYMBOL)
        apply_change(publisher, symbol, event);
    symbol->image.event_sequence = sequence;
    symbol->image.time_ns = event->time_ns;
    symbol->open = !event->last;
    if (symbol->unseen == 0) {
        symbol->unseen = sequence;
        enqueue(publisher, event->symbol);
    }
    publisher->published = sequence;
}

/* Makes a symbol known: its levels, its image, then its entry, so that nobody finds one without the other. */
static void define(struct pit_publisher *publisher, uint32_t id, const struct pit_symbol_definition *definition,
                   const struct pit_publisher_past *past)
{
    struct symbol *symbol = &publisher->symbols[id];
    void *memory = publisher->memory.reserve(publisher->memory.context, pit_depth_bytes(definition), 128);
    symbol->depth = pit_depth_create(memory, definition);
    symbol->image.state = (uint64_t)past->state;
    symbol->image.trades = past->trades;
    symbol->image.last_price = past->last_price;
    symbol->image.last_quantity = past->last_quantity;
    write_image(publisher, id);
    struct pit_md_symbol_entry *entry = &publisher->files.entries[id];
    memcpy(entry->name, definition->name, sizeof entry->name);
    entry->tick_mantissa = definition->tick_mantissa;
    entry->lot_mantissa = definition->lot_mantissa;
    entry->tick_decimals = definition->tick_decimals;
    entry->lot_decimals = definition->lot_decimals;
    pit_word_store_release(&entry->defined, 1);
    if (publisher->files.depth->symbols <= id)
        pit_word_store_release(&publisher->files.depth->symbols, (uint64_t)id + 1);
    count(&publisher->counters.symbols, 1);
}

/* Whether the event is to be published; defines its symbol if that is what it does. */
static bool wanted(struct pit_publisher *publisher, const struct pit_event *event)
{
    static const struct pit_publisher_past none = {.state = PIT_STATE_OPEN};
    uint32_t id = event->symbol;
    bool known = id < publisher->symbols_max && publisher->symbols[id].depth;
    if (event->kind != PIT_EVENT_DEFINED && known)
        return true;
    if (event->kind == PIT_EVENT_DEFINED && known)
        return false; /* only its price band can have changed, and that is not published */
    if (event->kind == PIT_EVENT_DEFINED && id < publisher->symbols_max &&
        pit_symbol_definition_valid(&event->definition)) {
        define(publisher, id, &event->definition, &none);
        return true;
    }
    count(&publisher->counters.dropped, 1);
    return false;
}

static void take(struct pit_publisher *publisher, struct source *source, const struct pit_event *event)
{
    struct pit_md_event changes[PIT_PUBLIC_EVENTS_MAX];
    uint32_t changes_count = pit_public_events(event, changes);
    if (changes_count > 0 && !wanted(publisher, event))
        changes_count = 0;
    for (uint32_t i = 0; i < changes_count; i++) {
        if (source->held)
            publish(publisher, &source->event);
        source->event = changes[i];
        source->held = true;
    }
    if ((event->flags & PIT_EVENT_LAST) && source->held) {
        source->event.last = 1;
        publish(publisher, &source->event);
        source->held = false;
    }
}

static uint32_t take_batches(struct pit_publisher *publisher)
{
    uint32_t taken = 0;
    for (uint32_t i = 0; i < publisher->rings_count; i++) {
        struct source *source = &publisher->sources[i];
        const uint32_t ready = pit_ring_poll_run(&source->reader, PIT_PUBLISHER_BATCH);
        if (ready == 0)
            continue;
        uint32_t done = 0;
        for (; done < ready; taken++) {
            const struct pit_event *event = pit_ring_slot(source->reader.ring, source->reader.next + done);
            take(publisher, source, event);
            done += pit_event_lines(event);
        }
        pit_ring_release_run(&source->reader, done);
        pit_word_store_release(&publisher->files.events->published, publisher->published);
    }
    if (taken > 0)
        count(&publisher->counters.events, taken);
    return taken;
}

/* The agent. */

static void beat(struct pit_publisher *publisher, uint64_t now_ns)
{
    publisher->heartbeat_ns = now_ns;
    pit_word_store_release(&publisher->files.events->heartbeat_ns, now_ns);
}

static uint64_t monotonic_ns(const struct pit_publisher *publisher)
{
    return publisher->clock.monotonic_ns(publisher->clock.context);
}

static int agent_init(void *state, struct pit_error *error)
{
    struct pit_publisher *publisher = state;
    for (uint32_t id = 0; id < publisher->symbols_max; id++)
        if (publisher->symbols[id].depth)
            write_image(publisher, id);
    beat(publisher, monotonic_ns(publisher));
    return pit_market_files_show(&publisher->files, error);
}

static uint32_t agent_do_work(void *state)
{
    struct pit_publisher *publisher = state;
    uint32_t taken = take_batches(publisher);
    uint64_t now_ns = monotonic_ns(publisher);
    uint32_t images = write_images(publisher, now_ns, taken == 0);
    if (now_ns - publisher->heartbeat_ns >= HEARTBEAT_INTERVAL_NS)
        beat(publisher, now_ns);
    return taken + images;
}

static void agent_close(void *state)
{
    struct pit_publisher *publisher = state;
    /* The matchers have ended before: what their rings hold is all there is. */
    while (take_batches(publisher) > 0)
        ;
    while (write_images(publisher, monotonic_ns(publisher), true) > 0 || publisher->pass_left > 0)
        ;
    beat(publisher, monotonic_ns(publisher));
    pit_word_store_release(&publisher->files.events->status, PIT_MD_STOPPED);
    pit_market_files_remove(&publisher->files);
}

struct pit_agent pit_publisher_agent(struct pit_publisher *publisher)
{
    return (struct pit_agent){
        .name = "publisher",
        .state = publisher,
        .init = agent_init,
        .do_work = agent_do_work,
        .close = agent_close,
    };
}

/* Before the threads. */

static int check_config(const struct pit_publisher_config *config, struct pit_error *error)
{
    uint32_t slots = config->event_slots;
    if (!config->name || !pit_md_name_valid(config->name))
        return pit_error_set(error, -EINVAL,
                             "name: \"%.80s\" cannot be a pipeline's name: use 1 to %u letters, digits, '.', '_' or "
                             "'-', not starting with '.'",
                             config->name ? config->name : "", PIT_MD_NAME_MAX);
    if (slots < PIT_PUBLISHER_EVENT_SLOTS_MIN || slots > PIT_PUBLISHER_EVENT_SLOTS_MAX || (slots & (slots - 1)) != 0)
        return pit_error_set(error, -EINVAL, "market data: %u event slots: must be a power of two from %u to %u", slots,
                             PIT_PUBLISHER_EVENT_SLOTS_MIN, PIT_PUBLISHER_EVENT_SLOTS_MAX);
    if (config->symbols_max == 0 || config->symbols_max > PIT_SYMBOLS_MAX)
        return pit_error_set(error, -EINVAL, "market data: %u symbols: must be from 1 to %u", config->symbols_max,
                             PIT_SYMBOLS_MAX);
    if (config->rings_count == 0 || config->rings_count > PIT_PUBLISHER_RINGS_MAX)
        return pit_error_set(error, -EINVAL, "market data: %u output rings: must be from 1 to %u", config->rings_count,
                             PIT_PUBLISHER_RINGS_MAX);
    if (config->readable_by < PIT_READABLE_BY_OWNER || config->readable_by > PIT_READABLE_BY_WORLD)
        return pit_error_set(error, -EINVAL, "market data: readable by %d: must be owner, group or world",
                             (int)config->readable_by);
    return 0;
}

int pit_publisher_create(struct pit_publisher **publisher, const struct pit_publisher_config *config,
                         struct pit_error *error)
{
    *publisher = NULL;
    int result = check_config(config, error);
    if (result != 0)
        return result;
    struct pit_publisher *made = calloc(1, sizeof *made);
    if (!made)
        return pit_error_set(error, -ENOMEM, "no memory for the publisher");
    result = pit_market_files_create(&made->files, config, error);
    if (result != 0) {
        free(made);
        return result;
    }
    made->clock = *config->clock;
    made->memory = config->memory;
    made->symbols_max = config->symbols_max;
    made->rings_count = config->rings_count;
    made->symbols = calloc(config->symbols_max, sizeof *made->symbols);
    made->queue = calloc(config->symbols_max, sizeof *made->queue);
    if (!made->symbols || !made->queue) {
        pit_publisher_destroy(made);
        return pit_error_set(error, -ENOMEM, "no memory for %u symbols' depth", config->symbols_max);
    }
    pit_broadcast_writer_init(&made->writer, made->files.slots, config->event_slots);
    for (uint32_t i = 0; i < config->rings_count; i++)
        if (!pit_ring_reader_add(config->rings[i], &made->sources[i].reader)) {
            pit_publisher_destroy(made);
            return pit_error_set(error, -EINVAL, "output ring %u has %u readers already", i, PIT_RING_READERS_MAX);
        }
    *publisher = made;
    return 0;
}

int pit_publisher_load_symbol(struct pit_publisher *publisher, uint32_t symbol,
                              const struct pit_symbol_definition *definition, const struct pit_publisher_past *past,
                              struct pit_error *error)
{
    static const struct pit_publisher_past none = {.state = PIT_STATE_OPEN};
    if (symbol >= publisher->symbols_max)
        return pit_error_set(error, -ERANGE,
                             "market data has room for %u symbols, and there is a symbol %u: allow for more",
                             publisher->symbols_max, symbol);
    if (!pit_symbol_definition_valid(definition))
        return pit_error_set(error, -EINVAL, "symbol %u: its definition is not valid", symbol);
    if (publisher->symbols[symbol].depth)
        return pit_error_set(error, -EEXIST, "symbol %u is loaded already", symbol);
    define(publisher, symbol, definition, past ? past : &none);
    return 0;
}

int pit_publisher_load_order(struct pit_publisher *publisher, uint32_t symbol, const struct pit_resting_order *order,
                             struct pit_error *error)
{
    if (symbol >= publisher->symbols_max || !publisher->symbols[symbol].depth)
        return pit_error_set(error, -ENOENT, "an order of symbol %u, which is not loaded", symbol);
    struct symbol *loaded = &publisher->symbols[symbol];
    struct pit_md_event event = {
        .order_id = order->order_id,
        .price = order->price,
        .quantity = order->quantity,
        .symbol = symbol,
        .kind = PIT_MD_ADD,
        .side = order->side,
    };
    if (!pit_depth_apply(loaded->depth, &event))
        return pit_error_set(error, -ENOSPC, "order %llu at %lld does not fit the %u levels of symbol %u",
                             (unsigned long long)order->order_id, (long long)order->price,
                             pit_depth_levels(loaded->depth), symbol);
    loaded->stale[PIT_SIDE_BUY] = loaded->stale[PIT_SIDE_SELL] = true;
    return 0;
}

const struct pit_publisher_counters *pit_publisher_counters(const struct pit_publisher *publisher)
{
    return &publisher->counters;
}

void pit_publisher_destroy(struct pit_publisher *publisher)
{
    if (!publisher)
        return;
    pit_market_files_destroy(&publisher->files);
    free(publisher->symbols);
    free(publisher->queue);
    free(publisher);
}
