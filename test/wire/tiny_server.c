/* test/wire/tiny_server.c - serves one client at the address given: every new order rests, every cancel works. Ends
 * with the client's logout or end of stream. */
#include <stdio.h>

#include "book/event.h"
#include "test/wire/server.h"

static void answer(struct server *server, const struct pit_message *request, enum pit_message_kind kind, uint8_t flags)
{
    static uint64_t sequence;
    struct pit_message report = *request;
    report.kind = kind;
    report.sequence = ++sequence;
    report.order_id = kind == PIT_MESSAGE_ACCEPTED ? sequence : request->order_id;
    report.flags = (uint8_t)(flags | PIT_EVENT_LAST);
    report.reason = PIT_REASON_REQUESTED;
    server_send(server, &report);
}

int main(int argc, char **argv)
{
    static struct server server;
    static struct pit_message message;
    if (argc != 2)
        return 2;
    server_listen(&server, argv[1]);
    printf("%s\n", server.address);
    fflush(stdout);
    server_log_on(&server, 1);
    while (server_read(&server, &message) && message.kind != PIT_MESSAGE_LOGOUT) {
        if (message.kind == PIT_MESSAGE_NEW)
            answer(&server, &message, PIT_MESSAGE_ACCEPTED, PIT_EVENT_RESTS);
        else if (message.kind == PIT_MESSAGE_CANCEL)
            answer(&server, &message, PIT_MESSAGE_CANCELLED, 0);
    }
    const struct pit_message bye = {.kind = PIT_MESSAGE_BYE, .reason = PIT_REASON_REQUESTED, .text = "logged out"};
    server_send(&server, &bye);
    server_close(&server);
    return 0;
}
