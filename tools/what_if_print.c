/* tools/what_if_print.c - what turned out otherwise, for people or as JSON; see what_if_parts.h. */
#include <stdio.h>
#include <string.h>

#include "pitline/market_data.h"
#include "tools/replay_print.h"
#include "tools/what_if_parts.h"

#define TOOL "pitline replay"

const struct pit_symbol_definition *pit_what_if_definition(const struct pit_market *market, uint32_t symbol)
{
    const struct pit_book *book = pit_market_book(market, symbol);
    return book ? pit_book_definition(book) : NULL;
}

static FILE *report_of(const struct pit_what_if *what_if)
{
    return what_if->printer.file;
}

void pit_what_if_print_outcome(struct pit_what_if *what_if, int world, const struct pit_command *command,
                               const char *indent)
{
    static const char *const names[PIT_WORLDS] = {"journal", "what_if"};
    const struct pit_what_if_outcome *outcome = &what_if->outcomes[world];
    const struct pit_market *market = world == PIT_WORLD_JOURNAL ? pit_walk_market(what_if->walk) : what_if->market;
    const uint32_t kept = outcome->count < PIT_WHAT_IF_EVENTS_KEPT ? (uint32_t)outcome->count : PIT_WHAT_IF_EVENTS_KEPT;
    what_if->printer.extra = names[world];
    for (uint32_t i = 0; i < kept; i++)
        pit_happening_event(&what_if->printer, command->sequence, i, &outcome->events[i],
                            pit_what_if_definition(market, command->symbol), indent);
    if (outcome->count > kept && !what_if->options->json)
        fprintf(report_of(what_if), "%s... and %lu more\n", indent, outcome->count - kept);
}

void pit_what_if_print_difference(struct pit_what_if *what_if, const struct pit_command *command)
{
    struct pit_happening_printer *printer = &what_if->printer;
    if (what_if->different == 1 && !what_if->options->json)
        fputs("\nother outcomes\n", printer->file);
    printer->extra = "difference";
    pit_happening_command(printer, command, pit_what_if_definition(what_if->market, command->symbol));
    pit_what_if_print_outcome(what_if, PIT_WORLD_JOURNAL, command, "    journal  ");
    pit_what_if_print_outcome(what_if, PIT_WORLD_WHAT_IF, command, "    what-if  ");
}

static void print_sums(struct pit_what_if *what_if, uint32_t symbol)
{
    const struct pit_what_if_sums *sums[PIT_WORLDS] = {&what_if->sums[PIT_WORLD_JOURNAL][symbol],
                                                       &what_if->sums[PIT_WORLD_WHAT_IF][symbol]};
    const struct pit_symbol_definition *definition = pit_what_if_definition(what_if->market, symbol);
    char lots[PIT_WORLDS][PIT_DECIMAL_BYTES], last[PIT_WORLDS][PIT_DECIMAL_BYTES];
    if (!definition || memcmp(sums[PIT_WORLD_JOURNAL], sums[PIT_WORLD_WHAT_IF], sizeof *sums[0]) == 0)
        return;
    for (int world = 0; world < PIT_WORLDS; world++) {
        if (sums[world]->lots <= INT64_MAX)
            pit_decimal_format(lots[world], (int64_t)sums[world]->lots, definition->lot_mantissa,
                               definition->lot_decimals);
        else
            snprintf(lots[world], sizeof lots[world], "%lu lots", sums[world]->lots);
        if (sums[world]->trades)
            pit_decimal_format(last[world], sums[world]->last_price, definition->tick_mantissa,
                               definition->tick_decimals);
        else
            strcpy(last[world], "none");
    }
    if (!what_if->options->json) {
        fprintf(report_of(what_if),
                "%-9s trades %lu -> %lu, traded %s -> %s, last price %s -> %s, rejects %lu -> %lu\n", definition->name,
                sums[PIT_WORLD_JOURNAL]->trades, sums[PIT_WORLD_WHAT_IF]->trades, lots[PIT_WORLD_JOURNAL],
                lots[PIT_WORLD_WHAT_IF], last[PIT_WORLD_JOURNAL], last[PIT_WORLD_WHAT_IF],
                sums[PIT_WORLD_JOURNAL]->rejects, sums[PIT_WORLD_WHAT_IF]->rejects);
        return;
    }
    for (int world = 0; world < PIT_WORLDS; world++) {
        pit_json_begin(&what_if->json);
        pit_json_text(&what_if->json, "since_fork", definition->name);
        pit_json_unsigned(&what_if->json, "trades", sums[world]->trades);
        pit_json_text(&what_if->json, "traded", lots[world]);
        pit_json_text(&what_if->json, "last_price", last[world]);
        pit_json_unsigned(&what_if->json, "rejects", sums[world]->rejects);
        pit_json_text(&what_if->json, "in", world == PIT_WORLD_JOURNAL ? "journal" : "what_if");
        pit_json_end(&what_if->json, report_of(what_if));
    }
}

static bool print_book(struct pit_what_if *what_if, int world, const struct pit_market *market)
{
    const struct pit_travel_options *options = what_if->options;
    const struct pit_book *book = pit_travel_book(market, options->book);
    const uint64_t sequence = pit_walk_sequence(what_if->walk);
    FILE *file = report_of(what_if);
    if (!book && world == PIT_WORLD_JOURNAL)
        return true; /* perhaps the what-if defines it */
    if (!book) {
        fprintf(stderr, TOOL ": no symbol '%s' at sequence %lu; known: ", options->book, sequence);
        pit_symbols_print(stderr, market);
        return false;
    }
    if (options->json) {
        pit_book_json_print(file, &what_if->json, book, sequence, options->depth,
                            world == PIT_WORLD_JOURNAL ? "journal" : "what_if");
    } else {
        fprintf(file, "\n%s", world == PIT_WORLD_JOURNAL ? "journal:" : "what-if:");
        pit_book_print(file, book, sequence, pit_walk_time_ns(what_if->walk), options->depth);
    }
    return true;
}

static void print_digest(struct pit_what_if *what_if, int world, const struct pit_market *market)
{
    const struct pit_digest digest = pit_market_full_digest(market);
    char hex[17];
    if (!what_if->options->json) {
        fprintf(report_of(what_if), "%s  events-digest %016lx state-digest %016lx resting %lu\n",
                world == PIT_WORLD_JOURNAL ? "journal" : "what-if", digest.events, digest.state, digest.orders);
        return;
    }
    pit_json_begin(&what_if->json);
    pit_json_text(&what_if->json, "result", world == PIT_WORLD_JOURNAL ? "journal" : "what_if");
    pit_json_unsigned(&what_if->json, "fork", what_if->fork);
    pit_json_unsigned(&what_if->json, "sequence", pit_walk_sequence(what_if->walk));
    pit_json_unsigned(&what_if->json, "injected", what_if->injected);
    pit_json_unsigned(&what_if->json, "left_out", what_if->left_out);
    pit_json_unsigned(&what_if->json, "went_on", what_if->went_on);
    pit_json_unsigned(&what_if->json, "different", what_if->different);
    pit_json_unsigned(&what_if->json, "first_different", what_if->first_different);
    pit_json_unsigned(&what_if->json, "events", digest.events_count);
    pit_json_unsigned(&what_if->json, "resting", digest.orders);
    snprintf(hex, sizeof hex, "%016lx", digest.events);
    pit_json_text(&what_if->json, "events_digest", hex);
    snprintf(hex, sizeof hex, "%016lx", digest.state);
    pit_json_text(&what_if->json, "state_digest", hex);
    pit_json_end(&what_if->json, report_of(what_if));
}

static void print_counts(const struct pit_what_if *what_if)
{
    FILE *file = report_of(what_if);
    fprintf(file, "\nwhat-if   %lu command%s injected after sequence %lu", what_if->injected,
            what_if->injected == 1 ? "" : "s", what_if->fork);
    if (what_if->options->go_on) {
        fprintf(file,
                ", %lu of the journal left out\nthe rest  %lu commands up to sequence %lu, %lu with another outcome",
                what_if->left_out, what_if->went_on, pit_walk_sequence(what_if->walk), what_if->different);
        if (what_if->first_different)
            fprintf(file, ", the first is sequence %lu", what_if->first_different);
        if (what_if->different > what_if->options->differences)
            fprintf(file, "; %lu printed", what_if->options->differences);
    }
    fputc('\n', file);
}

int pit_what_if_tell(struct pit_what_if *what_if)
{
    const struct pit_market *journal = pit_walk_market(what_if->walk);
    bool found = true;
    if (!what_if->options->json)
        print_counts(what_if);
    for (uint32_t symbol = 0; symbol < pit_market_symbols(what_if->market); symbol++)
        print_sums(what_if, symbol);
    if (what_if->options->book)
        found =
            print_book(what_if, PIT_WORLD_JOURNAL, journal) && print_book(what_if, PIT_WORLD_WHAT_IF, what_if->market);
    print_digest(what_if, PIT_WORLD_JOURNAL, journal);
    print_digest(what_if, PIT_WORLD_WHAT_IF, what_if->market);
    return fflush(report_of(what_if)) == 0 && found ? 0 : 1;
}
