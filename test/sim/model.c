/* test/sim/model.c - see model.h. */
#include "model.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "ring/check.h"

void sim_model_open(struct sim_model *model, uint32_t accounts)
{
    memset(model, 0, sizeof *model);
    model->accounts = accounts;
}

void sim_model_close(struct sim_model *model)
{
    free(model->command);
    for (uint32_t i = 0; i < SIM_CLIENTS_MAX; i++) {
        free(model->account[i].request);
        for (uint32_t s = 0; s < SIM_SYMBOLS_ROOM; s++)
            free(model->account[i].reports[s].report);
    }
    for (uint32_t s = 0; s < SIM_SYMBOLS_ROOM; s++)
        free(model->book[s]);
}

void sim_violation(struct sim_model *model, const char *format, ...)
{
    if (model->violation[0])
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(model->violation, sizeof model->violation, format, arguments);
    va_end(arguments);
}

/* Room for one more of a growing array. */
static void *grow(void *array, uint64_t count, uint64_t *room, size_t bytes)
{
    if (count < *room)
        return array;
    *room = *room ? *room * 2 : 64;
    array = realloc(array, *room * bytes);
    PIT_CHECK(array);
    return array;
}

/* What was sent, and what entered. */

void sim_model_sent(struct sim_model *model, uint32_t account, struct pit_message *message)
{
    struct sim_account *of = &model->account[account - 1];
    uint64_t room = of->room;
    of->request = grow(of->request, of->count, &room, sizeof *of->request);
    of->room = (uint32_t)room;
    message->request = of->count + 1;
    of->request[of->count++] = (struct sim_request){.message = *message, .sent = 1};
}

static uint8_t command_kind(enum pit_message_kind kind)
{
    switch (kind) {
    case PIT_MESSAGE_NEW:
        return PIT_COMMAND_NEW;
    case PIT_MESSAGE_CANCEL:
        return PIT_COMMAND_CANCEL;
    case PIT_MESSAGE_REDUCE:
        return PIT_COMMAND_REDUCE;
    case PIT_MESSAGE_REPLACE:
        return PIT_COMMAND_REPLACE;
    default:
        return PIT_COMMAND_STATE;
    }
}

/* Is it the command that its client asked for? docs/wire.md has the fields of each kind. */
static bool is_asked_for(const struct pit_command *command, const struct pit_message *message)
{
    bool new = message->kind == PIT_MESSAGE_NEW, replace = message->kind == PIT_MESSAGE_REPLACE;
    bool names_order = message->kind == PIT_MESSAGE_CANCEL || message->kind == PIT_MESSAGE_REDUCE || replace;
    bool market = new && message->flags &PIT_COMMAND_MARKET;
    uint64_t quantity = message->kind == PIT_MESSAGE_STATE    ? (uint64_t)message->state
                        : message->kind == PIT_MESSAGE_CANCEL ? 0
                                                              : message->quantity;
    return command->kind == command_kind(message->kind) && command->symbol == message->symbol &&
           command->order_id == (names_order ? message->order_id : 0) &&
           command->client_id == (message->kind != PIT_MESSAGE_STATE ? message->client_id : 0) &&
           command->price == ((new && !market) || replace ? message->price : 0) && command->quantity == quantity &&
           command->side == (new ? (uint8_t)message->side : 0) && command->tif == (new ? (uint8_t)message->tif : 0) &&
           command->flags == (new || replace ? message->flags : 0);
}

void sim_model_entered(struct sim_model *model, const struct pit_command *command)
{
    uint64_t sequence = command->sequence;
    if (sequence != model->count + 1) {
        sim_violation(model, "command %" PRIu64 " entered the input ring; %" PRIu64 " was to come", sequence,
                      model->count + 1);
        return;
    }
    if (model->count && command->time_ns < model->command[model->count - 1].command.time_ns)
        sim_violation(model, "command %" PRIu64 " is earlier than the one before", sequence);
    if (command->account > model->accounts)
        sim_violation(model, "command %" PRIu64 " is of account %u, which does not exist", sequence, command->account);
    if (command->account && !model->violation[0]) {
        struct sim_account *of = &model->account[command->account - 1];
        if (command->request <= of->entered || command->request > of->count) {
            sim_violation(model, "command %" PRIu64 ": request %u of account %u enters after request %u; %u were sent",
                          sequence, command->request, command->account, of->entered, of->count);
            return;
        }
        of->entered = command->request;
        of->request[command->request - 1].sequence = sequence;
        if (!is_asked_for(command, &of->request[command->request - 1].message))
            sim_violation(model, "command %" PRIu64 " is not what request %u of account %u asked for", sequence,
                          command->request, command->account);
    }
    model->command = grow(model->command, model->count, &model->room, sizeof *model->command);
    struct sim_command *entry = &model->command[model->count++];
    memset(entry, 0, sizeof *entry);
    memcpy(&entry->command, command, pit_command_bytes(command));
}

/* What is to come of it. */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < count; i += 8) {
        uint64_t word = 0;
        memcpy(&word, at + i, count - i < 8 ? count - i : 8);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hash;
}

uint64_t sim_event_hash(uint64_t hash, const struct pit_event *event)
{
    const uint8_t *line0 = (const uint8_t *)event + offsetof(struct pit_event, order_id);
    hash = hash_bytes(hash, line0, offsetof(struct pit_event, command) - offsetof(struct pit_event, order_id));
    if (event->flags & PIT_EVENT_WIDE)
        hash = hash_bytes(hash, &event->command, sizeof *event - offsetof(struct pit_event, command));
    return hash | 1; /* never 0 */
}

static uint64_t report_hash(const struct pit_message *message)
{
    uint64_t words[20] = {message->kind,   message->request,  message->sequence,  message->time_ns,
                          message->symbol, message->order_id, message->client_id, message->flags};
    uint32_t n = 8;
    if (message->kind == PIT_MESSAGE_REJECTED) {
        words[n++] = message->rejected_kind;
        words[n++] = message->reason;
    } else if (message->kind == PIT_MESSAGE_STATE_CHANGED) {
        words[n++] = message->state;
    } else {
        words[n++] = message->side;
        words[n++] = (uint64_t)message->price;
        words[n++] = message->quantity;
    }
    if (message->kind == PIT_MESSAGE_TRADE) {
        words[n++] = message->number;
        words[n++] = message->liquidity;
        words[n++] = message->leaves;
    } else if (message->kind == PIT_MESSAGE_CANCELLED) {
        words[n++] = message->reason;
    } else if (message->kind == PIT_MESSAGE_REDUCED) {
        words[n++] = message->quantity_old;
    } else if (message->kind == PIT_MESSAGE_REPLACED) {
        words[n++] = message->quantity_old;
        words[n++] = (uint64_t)message->price_old;
    }
    return hash_bytes(1, words, n * sizeof *words);
}

static void expect(struct sim_model *model, uint32_t account, const struct pit_message *message)
{
    if (account == 0 || account > model->accounts)
        return;
    struct sim_reports *reports = &model->account[account - 1].reports[message->symbol];
    uint64_t room = reports->room;
    reports->report = grow(reports->report, reports->count, &room, sizeof *reports->report);
    reports->room = (uint32_t)room;
    reports->report[reports->count++] =
        (struct sim_report){.sequence = message->sequence, .hash = report_hash(message), .request = message->request};
}

static enum pit_message_kind report_kind(uint8_t event_kind)
{
    static const enum pit_message_kind kinds[] = {
        [PIT_EVENT_ACCEPTED] = PIT_MESSAGE_ACCEPTED,   [PIT_EVENT_REJECTED] = PIT_MESSAGE_REJECTED,
        [PIT_EVENT_TRADE] = PIT_MESSAGE_TRADE,         [PIT_EVENT_RESTED] = PIT_MESSAGE_RESTED,
        [PIT_EVENT_CANCELLED] = PIT_MESSAGE_CANCELLED, [PIT_EVENT_REDUCED] = PIT_MESSAGE_REDUCED,
        [PIT_EVENT_REPLACED] = PIT_MESSAGE_REPLACED,   [PIT_EVENT_STATE] = PIT_MESSAGE_STATE_CHANGED,
    };
    return kinds[event_kind];
}

static enum pit_message_kind request_kind(uint8_t command_kind)
{
    static const enum pit_message_kind kinds[] = {
        [PIT_COMMAND_NEW] = PIT_MESSAGE_NEW,
        [PIT_COMMAND_CANCEL] = PIT_MESSAGE_CANCEL,
        [PIT_COMMAND_REDUCE] = PIT_MESSAGE_REDUCE,
        [PIT_COMMAND_REPLACE] = PIT_MESSAGE_REPLACE,
        [PIT_COMMAND_SYMBOL] = 0,
        [PIT_COMMAND_STATE] = PIT_MESSAGE_STATE,
    };
    return kinds[command_kind];
}

/* Who is told what of an event: docs/wire.md. */
static void expect_event(struct sim_model *model, const struct pit_command *command, const struct pit_event *event)
{
    if (event->kind == PIT_EVENT_DEFINED)
        return;
    struct pit_message message = {
        .kind = report_kind(event->kind),
        .request = event->request,
        .sequence = command->sequence,
        .time_ns = command->time_ns,
        .symbol = event->symbol,
        .order_id = event->order_id,
        .client_id = event->client_id,
        .flags = event->flags & PIT_REPORT_FLAGS,
        .side = (enum pit_side)event->side,
        .price = event->price,
        .quantity = event->quantity,
        .reason = (enum pit_reason)event->reason,
        .state = (enum pit_trading_state)event->quantity,
        .number = event->number,
        .leaves = event->leaves,
        .quantity_old = event->quantity_old,
        .price_old = event->price_old,
    };
    if (event->kind == PIT_EVENT_REJECTED)
        message.rejected_kind = (uint8_t)request_kind(pit_event_rejected_kind(event));
    if (event->kind != PIT_EVENT_TRADE) {
        expect(model, event->account, &message);
        return;
    }
    model->trades[event->symbol]++;
    message.request = 0;
    message.flags = 0;
    message.side = event->side == PIT_SIDE_BUY ? PIT_SIDE_SELL : PIT_SIDE_BUY;
    expect(model, event->account, &message);
    message.request = event->request;
    message.flags = event->flags & PIT_EVENT_LAST;
    message.side = (enum pit_side)event->side;
    message.liquidity = 1;
    message.leaves = event->taker_leaves;
    message.order_id = event->taker_order_id;
    message.client_id = event->taker_client_id;
    expect(model, event->taker_account, &message);
}

static void define(struct sim_model *model, struct sim_command *entry)
{
    const struct pit_command *command = &entry->command;
    struct reference *book = malloc(sizeof *book);
    PIT_CHECK(book);
    reference_open(book, &command->definition);
    model->book[command->symbol] = book;
    struct pit_event event = {.kind = PIT_EVENT_DEFINED,
                              .symbol = command->symbol,
                              .request = command->request,
                              .account = command->account,
                              .flags = PIT_EVENT_WIDE | PIT_EVENT_LAST,
                              .definition = command->definition};
    entry->events = sim_event_hash(1, &event);
}

static void apply(struct sim_model *model, struct sim_command *entry)
{
    const struct pit_command *command = &entry->command;
    PIT_CHECK(command->symbol < SIM_SYMBOLS_ROOM);
    struct reference *book = model->book[command->symbol];
    if (!book) {
        define(model, entry);
        return;
    }
    reference_apply(book, command);
    sim_model_outcome(model, command, book);
    uint64_t hash = 1;
    for (uint32_t i = 0; i < book->events; i++) {
        hash = sim_event_hash(hash, &book->event[i]);
        expect_event(model, command, &book->event[i]);
    }
    entry->events = hash;
}

static void lead_on(struct sim_model *model, uint64_t sequence)
{
    while (model->applied < sequence)
        apply(model, &model->command[model->applied++]);
}

/* What was seen. */

void sim_model_seen(struct sim_model *model, uint64_t sequence)
{
    if (sequence > model->count) {
        sim_violation(model, "something was seen of command %" PRIu64 "; only %" PRIu64 " have entered", sequence,
                      model->count);
        return;
    }
    if (sequence > model->acknowledged)
        model->acknowledged = sequence;
    lead_on(model, sequence);
}

void sim_model_session(struct sim_model *model, uint32_t account)
{
    struct sim_account *of = &model->account[account - 1];
    of->session_requests = of->count + 1;
    for (uint32_t s = 0; s < SIM_SYMBOLS_ROOM; s++)
        of->reports[s].beginning = true;
}

static void check_refused(struct sim_model *model, uint32_t account, struct sim_request *request)
{
    const bool entered = request->sequence != 0;
    if (++request->refused + entered > request->sent)
        sim_violation(
            model,
            "account %u: request %u was sent %u times, refused by the gateway %u times, and entered as command "
            "%" PRIu64,
            account, request->message.request, request->sent, request->refused, request->sequence);
    else if (!entered)
        request->answered = true;
}

/* The gateway refused a request: it must have been sent, and not have entered, but for once that it was sent. */
static void check_refusal(struct sim_model *model, uint32_t account, const struct pit_message *message)
{
    struct sim_account *of = &model->account[account - 1];
    if (message->kind != PIT_MESSAGE_REJECTED || message->request == 0 || message->request > of->count)
        sim_violation(model, "account %u is told of no command, request %u", account, message->request);
    else
        check_refused(model, account, &of->request[message->request - 1]);
}

void sim_model_report(struct sim_model *model, uint32_t account, const struct pit_message *message)
{
    if (message->sequence == 0) {
        check_refusal(model, account, message);
        return;
    }
    sim_model_seen(model, message->sequence);
    if (model->violation[0] || message->symbol >= SIM_SYMBOLS_ROOM) {
        sim_violation(model, "account %u is told of symbol %u, which does not exist", account, message->symbol);
        return;
    }
    struct sim_reports *reports = &model->account[account - 1].reports[message->symbol];
    uint64_t hash = report_hash(message);
    uint32_t at = reports->next;
    while (reports->beginning && at < reports->count &&
           (reports->report[at].sequence < message->sequence ||
            (reports->report[at].sequence == message->sequence && reports->report[at].hash != hash)))
        at++;
    if (at >= reports->count || reports->report[at].hash != hash) {
        sim_violation(model,
                      "account %u, symbol %u: a report of kind %u for command %" PRIu64 " (order %" PRIu64 ", quantity "
                      "%" PRIu64 ", price %" PRId64 ") came where one for command %" PRIu64 " was to come",
                      account, message->symbol, message->kind, message->sequence, message->order_id, message->quantity,
                      message->price, at < reports->count ? reports->report[at].sequence : 0);
        return;
    }
    reports->next = at + 1;
    reports->beginning = false;
    model->told++;
    if (message->request && message->flags & PIT_EVENT_LAST)
        model->account[account - 1].request[message->request - 1].answered = true;
}

void sim_model_told_all(struct sim_model *model, uint32_t account)
{
    const struct sim_account *of = &model->account[account - 1];
    lead_on(model, model->count);
    for (uint32_t s = 0; s < SIM_SYMBOLS_ROOM; s++) {
        const struct sim_reports *reports = &of->reports[s];
        for (uint32_t at = reports->next; at < reports->count; at++)
            if (!reports->beginning || reports->report[at].request >= of->session_requests)
                sim_violation(model, "account %u, symbol %u: a report for command %" PRIu64 " never came", account, s,
                              reports->report[at].sequence);
    }
}

/* A disk that lied took commands of which something had been seen: the plain matcher begins again. */
static void take_back(struct sim_model *model)
{
    for (uint32_t s = 0; s < SIM_SYMBOLS_ROOM; s++) {
        free(model->book[s]);
        model->book[s] = NULL;
        model->trades[s] = 0;
        for (uint32_t a = 0; a < model->accounts; a++)
            model->account[a].reports[s].count = 0;
    }
    model->applied = 0;
    lead_on(model, model->count);
    for (uint32_t a = 0; a < model->accounts; a++)
        for (uint32_t s = 0; s < SIM_SYMBOLS_ROOM; s++)
            if (model->account[a].reports[s].next > model->account[a].reports[s].count)
                model->account[a].reports[s].next = model->account[a].reports[s].count;
}

void sim_model_recovered(struct sim_model *model, uint64_t sequence, uint64_t mercy)
{
    uint64_t must = model->acknowledged < mercy ? model->acknowledged : mercy;
    if (sequence < must)
        sim_violation(model, "commands up to %" PRIu64 " were acknowledged; only %" PRIu64 " are recovered", must,
                      sequence);
    if (sequence > model->count)
        sim_violation(model, "%" PRIu64 " commands are recovered; only %" PRIu64 " have entered", sequence,
                      model->count);
    if (model->violation[0])
        return;
    for (uint64_t lost = sequence; lost < model->count; lost++) {
        const struct pit_command *command = &model->command[lost].command;
        if (command->account)
            model->account[command->account - 1].request[command->request - 1].sequence = 0;
    }
    model->count = sequence;
    if (model->acknowledged > sequence)
        model->acknowledged = sequence;
    if (model->applied > sequence)
        take_back(model);
    else
        lead_on(model, sequence);
}
