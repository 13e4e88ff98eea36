/* tools/travel_step.c - pitline replay --step: a journal gone through forward and back, by commands on standard input.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/happening.h"
#include "tools/order_life.h"
#include "tools/replay_print.h"
#include "tools/travel.h"

#define TOOL "pitline replay"
#define LINE_BYTES 256u
#define WORDS_MAX 3u

struct step {
    const struct pit_travel_options *options;
    struct pit_walk *walk;
    struct pit_happening_printer printer;
    struct pit_json json;
    uint64_t event_command; /* sequence of the last event's command, and the event's number in it */
    uint32_t event_number;
    bool prompt;
    bool placed; /* the command in progress has told the place */
    bool failed; /* some command was wrong */
    bool over;
};

/* words: the command and its arguments; NULL where there is none. 0; negative: nothing more can be done. */
typedef int step_command(struct step *step, char *const words[WORDS_MAX], struct pit_error *error);

/* A command that cannot be done is told; the next one is read. */
__attribute__((format(printf, 2, 3))) static int refuse(struct step *step, const char *format, ...)
{
    char text[PIT_ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    step->failed = true;
    if (step->options->json) {
        pit_json_begin(&step->json);
        pit_json_text(&step->json, "error", text);
        pit_json_end(&step->json, stdout);
    } else {
        fflush(stdout);
        fprintf(stderr, "%s\n", text);
    }
    return 0;
}

static const struct pit_symbol_definition *definition_of(const struct step *step, uint32_t symbol)
{
    const struct pit_book *book = pit_market_book(pit_walk_market(step->walk), symbol);
    return book ? pit_book_definition(book) : NULL;
}

static uint64_t resting_orders(const struct pit_market *market)
{
    uint64_t orders = 0;
    for (uint32_t symbol = 0; symbol < pit_market_symbols(market); symbol++) {
        const struct pit_book *book = pit_market_book(market, symbol);
        orders += book ? pit_book_orders(book) : 0;
    }
    return orders;
}

/* whole: also the digest of the state, for which every order is looked at. */
static void tell_place(struct step *step, bool whole)
{
    const struct pit_market *market = pit_walk_market(step->walk);
    const struct pit_digest digest = pit_market_event_digest(market);
    const uint64_t sequence = pit_walk_sequence(step->walk);
    char text[PIT_JOURNAL_TIME_BYTES];
    step->placed = true;
    if (!step->options->json) {
        if (sequence)
            printf("at %lu of %s, %lu orders rest\n", sequence, pit_journal_time(text, pit_walk_time_ns(step->walk)),
                   resting_orders(market));
        else
            printf("at the beginning, before the first command\n");
        return;
    }
    pit_json_begin(&step->json);
    pit_json_unsigned(&step->json, "at", sequence);
    pit_json_unsigned(&step->json, "time_ns", pit_walk_time_ns(step->walk));
    pit_json_unsigned(&step->json, "resting", resting_orders(market));
    pit_json_unsigned(&step->json, "events", digest.events_count);
    snprintf(text, sizeof text, "%016lx", digest.events);
    pit_json_text(&step->json, "events_digest", text);
    if (whole) {
        snprintf(text, sizeof text, "%016lx", pit_market_full_digest(market).state);
        pit_json_text(&step->json, "state_digest", text);
    }
    pit_json_end(&step->json, stdout);
}

/* The commands. */

static void print_event(void *context, const struct pit_command *command, const struct pit_event *event)
{
    struct step *step = context;
    step->event_number = command->sequence == step->event_command ? step->event_number + 1 : 0;
    step->event_command = command->sequence;
    if (step->event_number == 0)
        pit_happening_command(&step->printer, command, definition_of(step, command->symbol));
    pit_happening_event(&step->printer, command->sequence, step->event_number, event,
                        definition_of(step, event->symbol), "    ");
}

/* How many: 1 where nothing is said. False: told what is wrong. */
static bool count_of(struct step *step, const char *word, uint64_t *count)
{
    char *end;
    *count = 1;
    if (!word)
        return true;
    errno = 0;
    *count = strtoull(word, &end, 10);
    if (*word >= '0' && *word <= '9' && *end == 0 && !errno)
        return true;
    refuse(step, "'%s' is not a number of commands", word);
    return false;
}

static int do_next(struct step *step, char *const words[WORDS_MAX], struct pit_error *error)
{
    uint64_t count;
    int code = 1;
    if (!count_of(step, words[1], &count))
        return 0;
    pit_walk_listen(step->walk, print_event, step);
    for (; count && code == 1; count--)
        code = pit_walk_next(step->walk, error);
    pit_walk_listen(step->walk, NULL, NULL);
    if (code == 0)
        refuse(step, "the journal ends here");
    if (code >= 0)
        tell_place(step, false);
    return code < 0 ? code : 0;
}

static int move_to(struct step *step, const struct pit_moment *moment, struct pit_error *error)
{
    const int code = pit_travel_to(step->walk, moment, error);
    if (code == -ERANGE)
        return refuse(step, "%s", error->text);
    if (code < 0)
        return code;
    if (code == 1 && moment->sequence != UINT64_MAX)
        refuse(step, "the journal ends before that");
    tell_place(step, false);
    return 0;
}

static int do_back(struct step *step, char *const words[WORDS_MAX], struct pit_error *error)
{
    uint64_t count;
    const uint64_t here = pit_walk_sequence(step->walk);
    if (!count_of(step, words[1], &count))
        return 0;
    const struct pit_moment moment = {.sequence = count < here ? here - count : 0};
    return move_to(step, &moment, error);
}

static int do_goto(struct step *step, char *const words[WORDS_MAX], struct pit_error *error)
{
    struct pit_moment moment = {0};
    const char *word = words[1] ? words[1] : "";
    if (strcmp(word, "end") == 0)
        moment.sequence = UINT64_MAX;
    else if (strcmp(word, "begin") != 0 && strcmp(word, "0") != 0 && pit_moment_parse(word, &moment))
        return refuse(step, "goto where? begin, end, a sequence, or a time like 2026-11-21T09:30:00.123456789Z");
    return move_to(step, &moment, error);
}

static int do_where(struct step *step, char *const words[WORDS_MAX], struct pit_error *error)
{
    (void)words;
    (void)error;
    tell_place(step, true);
    if (step->options->json)
        return 0;
    const struct pit_walk_statistics statistics = pit_walk_statistics(step->walk);
    const struct pit_digest digest = pit_market_full_digest(pit_walk_market(step->walk));
    printf("symbols: ");
    pit_symbols_print(stdout, pit_walk_market(step->walk));
    printf("events-digest %016lx state-digest %016lx\n", digest.events, digest.state);
    printf("kept to step back from: %lu states, %.1f MiB, at least %lu commands apart\n", statistics.checkpoints,
           (double)statistics.checkpoint_bytes / (1 << 20), statistics.distance);
    return 0;
}

static int do_book(struct step *step, char *const words[WORDS_MAX], struct pit_error *error)
{
    (void)error;
    uint64_t depth = step->options->depth;
    if (!words[1])
        return refuse(step, "the book of which symbol?");
    if (words[2] && !count_of(step, words[2], &depth))
        return 0;
    const struct pit_book *book = pit_travel_book(pit_walk_market(step->walk), words[1]);
    if (!book)
        return refuse(step, "there is no symbol '%s' at this point", words[1]);
    const uint64_t sequence = pit_walk_sequence(step->walk);
    if (step->options->json)
        pit_book_json_print(stdout, &step->json, book, sequence, depth, NULL);
    else
        pit_book_print(stdout, book, sequence, pit_walk_time_ns(step->walk), depth);
    return 0;
}

static void tell_life(void *context, const struct pit_command *command, const struct pit_event *event)
{
    pit_order_life_event(context, command, event);
}

/* Goes to where its life may begin, and comes back telling it. */
static int tell_order(struct step *step, const struct pit_order_name *name, struct pit_error *error)
{
    const uint64_t here = pit_walk_sequence(step->walk);
    const uint64_t before = name->order_id && name->order_id <= here ? name->order_id - 1 : name->order_id ? here : 0;
    struct pit_order_life *life = pit_order_life_create(name, step->options->json, stdout);
    if (!life)
        return pit_error_set(error, -ENOMEM, "no memory");
    int code = pit_walk_to(step->walk, before, error);
    if (code == -ERANGE) {
        pit_order_life_destroy(life);
        return refuse(step, "%s", error->text);
    }
    if (code >= 0) {
        pit_order_life_begin(life, pit_walk_market(step->walk), before, pit_walk_time_ns(step->walk));
        pit_walk_listen(step->walk, tell_life, life);
        while (code >= 0 && pit_walk_sequence(step->walk) < here)
            code = pit_walk_next(step->walk, error);
        pit_walk_listen(step->walk, NULL, NULL);
    }
    struct pit_error why;
    if (code >= 0 && pit_order_life_end(life, here, &why))
        refuse(step, "%s", why.text);
    pit_order_life_destroy(life);
    return code < 0 ? code : 0;
}

static int do_order(struct step *step, char *const words[WORDS_MAX], struct pit_error *error)
{
    struct pit_order_name name = {0};
    char *end = NULL;
    errno = 0;
    if (words[1] && strchr(words[1], ':')) {
        if (!pit_order_name_parse(words[1], &name))
            return refuse(step, "'%s' is not an account and a client id, like 7:1001", words[1]);
        return tell_order(step, &name, error);
    }
    name.order_id = words[1] && *words[1] >= '0' && *words[1] <= '9' ? strtoull(words[1], &end, 10) : 0;
    if (!name.order_id || *end || errno)
        return refuse(step, "which order? Its exchange id, or ACCOUNT:ID with a client id");
    return tell_order(step, &name, error);
}

static int do_quit(struct step *step, char *const words[WORDS_MAX], struct pit_error *error)
{
    (void)words;
    (void)error;
    step->over = true;
    return 0;
}

static step_command do_help;

static const struct {
    const char *name;
    const char *arguments;
    const char *summary;
    step_command *run;
} commands[] = {
    {"next", "[N]", "apply the next command, or N of them, and print them with their events", do_next},
    {"back", "[N]", "go back by one command, or by N", do_back},
    {"goto", "SEQ|TIME|begin|end", "go to after a command", do_goto},
    {"book", "SYMBOL [LEVELS]", "print a book", do_book},
    {"order", "ID|ACCOUNT:ID", "tell the life of an order up to here, by exchange or client id", do_order},
    {"where", "", "tell the place, and what is kept to step back from", do_where},
    {"help", "", "print this", do_help},
    {"quit", "", "end; so does the end of the input", do_quit},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static int do_help(struct step *step, char *const words[WORDS_MAX], struct pit_error *error)
{
    (void)words;
    (void)error;
    FILE *file = step->options->json ? stderr : stdout;
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(file, "%-6s %-19s %s\n", commands[i].name, commands[i].arguments, commands[i].summary);
    fputs("A command may be shortened (n, b 10); an empty line repeats the last one on a terminal.\n", file);
    return 0;
}

/* By its name or the beginning of it; the first in the list is meant. */
static int run_line(struct step *step, char *line, struct pit_error *error)
{
    char *words[WORDS_MAX] = {0};
    char *rest = line;
    for (uint32_t i = 0; i < WORDS_MAX; i++)
        words[i] = strtok_r(i ? NULL : line, " \t\r\n", &rest);
    if (!words[0])
        return 0;
    if (strtok_r(NULL, " \t\r\n", &rest))
        return refuse(step, "that are too many words; 'help' lists the commands");
    for (size_t i = 0; i < COMMANDS; i++)
        if (strncmp(commands[i].name, words[0], strlen(words[0])) == 0)
            return commands[i].run(step, words, error);
    return refuse(step, "there is no command '%s'; 'help' lists them", words[0]);
}

static int run(struct step *step, struct pit_error *error)
{
    char line[LINE_BYTES], last[LINE_BYTES] = "";
    int code = 0;
    tell_place(step, false);
    while (code == 0 && !step->over) {
        if (step->prompt)
            printf("> ");
        if (fflush(stdout) != 0)
            return pit_error_set(error, -errno, "cannot write: %s", strerror(errno));
        if (!fgets(line, sizeof line, stdin))
            break;
        if (!strchr(line, '\n') && !feof(stdin)) {
            for (int byte = 0; byte != '\n' && byte != EOF;)
                byte = getchar();
            refuse(step, "that line is too long");
            if (step->options->json)
                tell_place(step, false);
            continue;
        }
        if (step->prompt && line[strspn(line, " \t\n")] == 0)
            strcpy(line, last);
        strcpy(last, line);
        const bool blank = line[strspn(line, " \t\r\n")] == 0;
        step->placed = false;
        code = run_line(step, line, error);
        if (step->options->json && code == 0 && !step->placed && !step->over && !blank)
            tell_place(step, false); /* an answer ends with the place: who reads it sees that it is whole */
    }
    return code;
}

int pit_travel_step(const struct pit_travel_options *options)
{
    struct pit_error error = {0};
    static struct step step; /* zeroed; large */
    step.options = options;
    step.printer = (struct pit_happening_printer){.json = options->json, .file = stdout};
    step.prompt = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    int code = pit_travel_open(&step.walk, options, &error);
    if (code == 1)
        refuse(&step, "the journal ends before that");
    if (code >= 0)
        code = run(&step, &error);
    if (code < 0)
        fprintf(stderr, TOOL ": %s%s\n", error.text, code == -ERANGE ? ": say with --until where to begin" : "");
    pit_walk_close(step.walk);
    return code < 0 || fflush(stdout) != 0 || (step.failed && !step.prompt) ? 1 : 0;
}
