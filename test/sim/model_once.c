/* test/sim/model_once.c - exactly once: what became of each request, and what a client that asks again is told. See
 * model.h. */
#include <inttypes.h>

#include "model.h"

#define KEPT 256u /* results of an account: docs/wire.md */

static uint8_t answer_kind(uint8_t event_kind)
{
    static const uint8_t kinds[] = {
        [PIT_EVENT_ACCEPTED] = PIT_MESSAGE_ACCEPTED,   [PIT_EVENT_REJECTED] = PIT_MESSAGE_REJECTED,
        [PIT_EVENT_CANCELLED] = PIT_MESSAGE_CANCELLED, [PIT_EVENT_REDUCED] = PIT_MESSAGE_REDUCED,
        [PIT_EVENT_REPLACED] = PIT_MESSAGE_REPLACED,   [PIT_EVENT_STATE] = PIT_MESSAGE_STATE_CHANGED,
    };
    return kinds[event_kind];
}

/* What rests of an order now. */
static uint64_t open_of(const struct reference *book, uint64_t order_id)
{
    for (uint32_t i = 0; i < REFERENCE_ORDERS; i++)
        if (book->order[i].live && book->order[i].order_id == order_id)
            return book->order[i].quantity;
    return 0;
}

void sim_model_outcome(struct sim_model *model, const struct pit_command *command, const struct reference *book)
{
    if (command->account == 0 || command->request == 0 || book->events == 0)
        return;
    const struct pit_event *first = &book->event[0];
    struct sim_outcome outcome = {.kind = answer_kind(first->kind), .order_id = first->order_id};
    for (uint32_t i = 0; i < book->events; i++) {
        const struct pit_event *event = &book->event[i];
        if (event->kind == PIT_EVENT_TRADE)
            outcome.traded += event->quantity;
        if (event->kind == PIT_EVENT_CANCELLED || event->kind == PIT_EVENT_REJECTED)
            outcome.reason = event->reason;
    }
    if (first->kind != PIT_EVENT_REJECTED && first->kind != PIT_EVENT_STATE)
        outcome.open = open_of(book, first->order_id);
    model->account[command->account - 1].request[command->request - 1].outcome = outcome;
}

/* No command had this number: then a later one of the account must have entered. */
static bool was_passed_over(const struct sim_account *of, uint32_t request)
{
    return of->request[request - 1].sequence == 0 && request < of->entered;
}

void sim_model_result(struct sim_model *model, uint32_t account, const struct pit_message *message)
{
    struct sim_account *of = &model->account[account - 1];
    if (message->request == 0 || message->request > of->count) {
        sim_violation(model, "account %u is told what became of request %u, of %u", account, message->request,
                      of->count);
        return;
    }
    struct sim_request *request = &of->request[message->request - 1];
    const struct sim_outcome *outcome = &request->outcome;
    request->answered = true;
    model->repeated++;
    if (message->sequence)
        sim_model_seen(model, message->sequence);
    if (message->outcome == 0 && message->reason == PIT_REASON_NOT_KEPT) {
        if (of->entered < message->request + KEPT)
            sim_violation(model, "account %u: what became of request %u is not known any more, at request %u", account,
                          message->request, of->entered);
    } else if (message->outcome == PIT_MESSAGE_REJECTED && message->reason == PIT_REASON_NOT_TAKEN) {
        if (!was_passed_over(of, message->request))
            sim_violation(model,
                          "account %u: request %u is called passed over; it is command %" PRIu64
                          ", and request %u has entered",
                          account, message->request, request->sequence, of->entered);
    } else if (request->sequence == 0 || message->sequence != request->sequence ||
               message->symbol != request->message.symbol || message->outcome != outcome->kind ||
               message->order_id != outcome->order_id || (uint8_t)message->reason != outcome->reason ||
               message->traded != outcome->traded || message->open != outcome->open) {
        sim_violation(model,
                      "account %u: request %u was command %" PRIu64 ", kind %u, reason %u, %" PRIu64 " traded, %" PRIu64
                      " open; the client is told command %" PRIu64 ", kind %u, reason %u, %" PRIu64 ", %" PRIu64,
                      account, message->request, request->sequence, outcome->kind, outcome->reason, outcome->traded,
                      outcome->open, message->sequence, message->outcome, message->reason, message->traded,
                      message->open);
    }
}

void sim_model_resumed(struct sim_model *model, uint32_t account, const struct pit_message *message)
{
    const struct sim_account *of = &model->account[account - 1];
    uint32_t last = 0; /* that entered and was answered */
    for (uint32_t request = 1; request <= of->entered; request++)
        if (of->request[request - 1].answered && of->request[request - 1].sequence)
            last = request;
    if (message->request < last || message->request > of->entered)
        sim_violation(model, "account %u is told that its last request was %u; %u was answered, %u has entered",
                      account, message->request, last, of->entered);
}

static void compare_kept(struct sim_model *model, const struct pit_results *results, uint32_t account, uint32_t request,
                         const char *who)
{
    const struct sim_request *asked = &model->account[account - 1].request[request - 1];
    const struct sim_outcome *outcome = &asked->outcome;
    const struct pit_result *kept;
    enum pit_results_known known = pit_results_find(results, account, request, &kept);
    if (known == PIT_RESULTS_FOUND && kept->sequence == asked->sequence && kept->symbol == asked->message.symbol &&
        answer_kind(kept->kind) == outcome->kind && kept->order_id == outcome->order_id &&
        kept->reason == outcome->reason && kept->traded == outcome->traded && kept->open == outcome->open)
        return;
    sim_violation(model, "%s does not keep what became of request %u of account %u, which was command %" PRIu64, who,
                  request, account, asked->sequence);
}

void sim_model_kept(struct sim_model *model, const struct pit_results *results, const char *who)
{
    for (uint32_t account = 1; account <= model->accounts; account++) {
        const struct sim_account *of = &model->account[account - 1];
        uint32_t last = pit_results_last(results, account), entered = of->entered;
        while (entered && of->request[entered - 1].sequence == 0)
            entered--; /* it was never acknowledged, and is lost */
        if (last != entered)
            sim_violation(model, "%s takes request %u of account %u for its last; %u has entered", who, last, account,
                          entered);
        for (uint32_t back = 0; back < KEPT && back < entered; back++)
            if (of->request[entered - 1 - back].sequence)
                compare_kept(model, results, account, entered - back, who);
    }
}

uint32_t sim_model_unanswered(const struct sim_model *model, uint32_t account, uint32_t after)
{
    const struct sim_account *of = &model->account[account - 1];
    uint32_t oldest = of->count >= KEPT ? of->count - KEPT + 1 : 0;
    for (uint32_t at = after > oldest ? after : oldest; at < of->count; at++)
        if (!of->request[at].answered)
            return at + 1;
    return 0;
}
