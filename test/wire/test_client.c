/* test/wire/test_client.c - the order-entry client against a server's side that the test plays itself. A thread plays
 * it while the client logs on; after that one thread plays both in turn. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "book/event.h"
#include "pitline/client.h"
#include "test/wire/server.h"

#define WAIT_NS UINT64_C(20000000000)

static struct server server;
static struct pit_client *client;
static char directory[64], address[96];

static int begin(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/pit-client-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(address, sizeof address, "unix:%s/it.sock", directory);
    client = NULL;
    server_listen(&server, address);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pit_client_close(client);
    server_close(&server);
    return rmdir(directory);
}

static void *run_script(void *argument)
{
    (*(void (**)(void))argument)();
    return NULL;
}

/* Opens the client while script plays the server in a thread. */
static int open_against(void (*script)(void), const struct pit_client_options *options, struct pit_error *error)
{
    pthread_t thread;
    int result;
    assert_int_equal(pthread_create(&thread, NULL, run_script, &script), 0);
    result = pit_client_open(&client, options, error);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return result;
}

static void play_logon(void)
{
    server_log_on(&server, 2);
}

static void log_on(void)
{
    struct pit_error error = {0};
    if (open_against(play_logon, &(struct pit_client_options){.address = address, .account = 5}, &error) < 0)
        fail_msg("%s", error.text);
}

static void play_symbols(void)
{
    struct pit_message message;
    server_accept(&server);
    server_challenge(&server, 0, PIT_WIRE_VERSION);
    PIT_CHECK(server_read(&server, &message));
    PIT_CHECK(message.kind == PIT_MESSAGE_LOGON && message.version == PIT_WIRE_VERSION && message.account == 5);
    PIT_CHECK(strcmp(message.name, "a client of tests") == 0);
    server_welcome(&server, 5, 300);
}

static void client_logs_on_and_reads_the_symbols(void **state)
{
    (void)state;
    struct pit_error error = {0};
    const struct pit_client_options options = {.address = address, .account = 5, .name = "a client of tests"};
    assert_int_equal(open_against(play_symbols, &options, &error), 0);
    assert_int_equal(pit_client_symbols(client), 300);
    const struct pit_client_symbol *symbol = pit_client_find(client, "SYM299");
    assert_ptr_equal(symbol, pit_client_symbol(client, 299));
    assert_string_equal(symbol->name, "SYM299");
    assert_int_equal(symbol->symbol, 299);
    assert_int_equal(symbol->tick_mantissa, 1);
    assert_int_equal(symbol->tick_decimals, 2);
    assert_int_equal(symbol->lot_mantissa, 1);
    assert_int_equal(symbol->lot_decimals, 0);
    assert_int_equal(symbol->price_min, 1);
    assert_int_equal(symbol->price_max, 1000299);
    assert_int_equal(symbol->quantity_max, 1000);
    assert_null(pit_client_find(client, "SYM300"));
    assert_null(pit_client_symbol(client, 300));
    assert_string_equal(pit_client_error(client), "");
}

static void play_tcp_logon(void)
{
    server_log_on(&server, 1);
}

static void client_logs_on_over_tcp(void **state)
{
    (void)state;
    struct pit_error error = {0};
    server_close(&server);
    server_listen(&server, "tcp:127.0.0.1:0");
    const struct pit_client_options options = {.address = server.address, .account = 1};
    assert_int_equal(open_against(play_tcp_logon, &options, &error), 0);
    assert_int_equal(pit_client_symbols(client), 1);
}

static const uint8_t key[20] = "a key of the account";

static void play_proof(void)
{
    struct pit_message message;
    uint8_t nonce[PIT_WIRE_NONCE_BYTES], expected[PIT_WIRE_PROOF_BYTES];
    server_accept(&server);
    server_challenge(&server, PIT_CHALLENGE_PROOF, PIT_WIRE_VERSION);
    for (uint32_t i = 0; i < sizeof nonce; i++)
        nonce[i] = (uint8_t)(i * 7);
    PIT_CHECK(server_read(&server, &message) && message.kind == PIT_MESSAGE_LOGON);
    uint32_t account = message.account;
    PIT_CHECK(server_read(&server, &message) && message.kind == PIT_MESSAGE_PROOF);
    pit_wire_proof(key, sizeof key, nonce, account, expected);
    PIT_CHECK(pit_wire_proof_equal(message.proof, expected));
    server_welcome(&server, account, 0);
}

static void client_proves_its_key_when_asked(void **state)
{
    (void)state;
    struct pit_error error = {0};
    const struct pit_client_options options = {.address = address, .account = 6, .key = key, .key_bytes = sizeof key};
    assert_int_equal(open_against(play_proof, &options, &error), 0);
    assert_int_equal(pit_client_symbols(client), 0);
}

static void play_challenge(void)
{
    server_accept(&server);
    server_challenge(&server, PIT_CHALLENGE_PROOF, PIT_WIRE_VERSION);
}

static void client_without_a_key_says_that_one_is_needed(void **state)
{
    (void)state;
    struct pit_error error = {0};
    const struct pit_client_options options = {.address = address, .account = 6};
    assert_int_equal(open_against(play_challenge, &options, &error), -EACCES);
    assert_non_null(strstr(error.text, "asks for the key of account 6"));
}

static void play_refusal(void)
{
    struct pit_message message;
    const struct pit_message bye = {
        .kind = PIT_MESSAGE_BYE, .reason = PIT_REASON_NOT_PERMITTED, .text = "no such pair"};
    server_accept(&server);
    server_challenge(&server, 0, PIT_WIRE_VERSION);
    PIT_CHECK(server_read(&server, &message));
    server_send(&server, &bye);
    server_close_connection(&server);
}

static void client_tells_why_the_server_refused(void **state)
{
    (void)state;
    struct pit_error error = {0};
    const struct pit_client_options options = {.address = address, .account = 6};
    assert_int_equal(open_against(play_refusal, &options, &error), -EACCES);
    assert_non_null(strstr(error.text, "no such pair"));
    assert_non_null(strstr(error.text, "not_permitted"));
    assert_non_null(strstr(error.text, address));
}

static void play_next_version(void)
{
    server_accept(&server);
    server_challenge(&server, 0, PIT_WIRE_VERSION + 1);
}

static void client_refuses_a_server_of_another_version(void **state)
{
    (void)state;
    struct pit_error error = {0};
    const struct pit_client_options options = {.address = address, .account = 6};
    assert_int_equal(open_against(play_next_version, &options, &error), -EPROTONOSUPPORT);
    assert_non_null(strstr(error.text, "version 2"));
}

static void play_something_else(void)
{
    server_accept(&server);
    server_send_bytes(&server, "SSH-2.0-OpenSSH_9.2p1\r\n", 23);
}

static void client_refuses_a_server_of_another_protocol(void **state)
{
    (void)state;
    struct pit_error error = {0};
    const struct pit_client_options options = {.address = address, .account = 6};
    assert_int_equal(open_against(play_something_else, &options, &error), -EPROTO);
    assert_non_null(strstr(error.text, "announces a message of 1397966893 bytes")); /* "SSH-" */
}

static void play_hang_up(void)
{
    server_accept(&server);
    server_close_connection(&server);
}

static void client_opening_ends_with_the_connection(void **state)
{
    (void)state;
    struct pit_error error = {0};
    const struct pit_client_options options = {.address = address, .account = 6};
    assert_int_equal(open_against(play_hang_up, &options, &error), -EPIPE);
    assert_non_null(strstr(error.text, "the server closed the connection"));
}

static void play_silence(void)
{
    server_accept(&server);
}

static void client_opening_gives_up_on_a_silent_server(void **state)
{
    (void)state;
    struct pit_error error = {0};
    const struct pit_client_options options = {.address = address, .account = 6, .timeout_ms = 20};
    assert_int_equal(open_against(play_silence, &options, &error), -ETIMEDOUT);
    assert_non_null(strstr(error.text, "waiting for the server's challenge"));
}

static void client_opening_says_what_is_wrong_with_its_options(void **state)
{
    (void)state;
    struct pit_error error = {0};
    const struct pit_client_options bad[] = {
        {.account = 1},
        {.address = address},
        {.address = address, .account = 1, .name = "a name of thirty-two characters."},
        {.address = "nowhere", .account = 1},
    };
    static const char *const says[] = {"no address", "account 0", "more than 31", "\"nowhere\""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(pit_client_open(&client, &bad[i], &error), -EINVAL);
        assert_non_null(strstr(error.text, says[i]));
    }
    const struct pit_client_options gone = {.address = "unix:/nonexistent/pitline.sock", .account = 1};
    assert_int_equal(pit_client_open(&client, &gone, &error), -ENOENT);
    assert_non_null(strstr(error.text, "no server listens there"));
    assert_null(client);
}

static void client_sends_nothing_before_flush_and_all_of_it_then(void **state)
{
    (void)state;
    struct pit_message message;
    log_on();
    const struct pit_order order = {.symbol = 1,
                                    .client_id = 77,
                                    .side = PIT_SIDE_SELL,
                                    .tif = PIT_TIF_GTC,
                                    .post_only = true,
                                    .price = -5,
                                    .quantity = 10};
    const struct pit_order market = {
        .symbol = 0, .side = PIT_SIDE_BUY, .tif = PIT_TIF_IOC, .market = true, .quantity = 11};
    assert_int_equal(pit_client_new(client, &order), 1);
    assert_int_equal(pit_client_new(client, &market), 2);
    assert_int_equal(pit_client_cancel(client, 1, 0, 77), 3);
    assert_int_equal(pit_client_reduce(client, 1, 99, 0, 4), 4);
    assert_int_equal(pit_client_replace(client, 1, 98, 0, 6, 7, true), 5);
    assert_int_equal(pit_client_state(client, 0, PIT_STATE_HALTED), 6);
    assert_false(server_look(&server, &message));
    assert_int_equal(pit_client_flush(client), 0);

    assert_true(server_look(&server, &message));
    assert_int_equal(message.kind, PIT_MESSAGE_NEW);
    assert_int_equal(message.request, 1);
    assert_int_equal(message.symbol, 1);
    assert_int_equal(message.client_id, 77);
    assert_int_equal(message.side, PIT_SIDE_SELL);
    assert_int_equal(message.tif, PIT_TIF_GTC);
    assert_int_equal(message.flags, PIT_COMMAND_POST_ONLY);
    assert_int_equal(message.price, -5);
    assert_int_equal(message.quantity, 10);
    assert_true(server_look(&server, &message));
    assert_int_equal(message.request, 2);
    assert_int_equal(message.flags, PIT_COMMAND_MARKET);
    assert_int_equal(message.tif, PIT_TIF_IOC);
    assert_true(server_look(&server, &message));
    assert_int_equal(message.kind, PIT_MESSAGE_CANCEL);
    assert_int_equal(message.client_id, 77);
    assert_int_equal(message.order_id, 0);
    assert_true(server_look(&server, &message));
    assert_int_equal(message.kind, PIT_MESSAGE_REDUCE);
    assert_int_equal(message.order_id, 99);
    assert_int_equal(message.quantity, 4);
    assert_true(server_look(&server, &message));
    assert_int_equal(message.kind, PIT_MESSAGE_REPLACE);
    assert_int_equal(message.order_id, 98);
    assert_int_equal(message.price, 6);
    assert_int_equal(message.quantity, 7);
    assert_int_equal(message.flags, PIT_COMMAND_POST_ONLY);
    assert_true(server_look(&server, &message));
    assert_int_equal(message.kind, PIT_MESSAGE_STATE);
    assert_int_equal(message.state, PIT_STATE_HALTED);
    assert_false(server_look(&server, &message));
}

/* A server that does not read fills the socket, then the buffer; nothing is lost or doubled when it reads again. */
static void client_says_when_it_can_take_no_more(void **state)
{
    (void)state;
    struct pit_message message;
    struct pit_report report;
    log_on();
    uint32_t sent = 0, read = 0;
    struct pit_order order = {.symbol = 1, .side = PIT_SIDE_BUY, .price = 100, .quantity = 1};
    for (uint32_t turn = 0; turn < 3; turn++) {
        for (;;) {
            order.client_id = sent + 1;
            uint32_t request = pit_client_new(client, &order);
            if (request == 0)
                break;
            assert_int_equal(request, ++sent);
        }
        assert_true(pit_client_flush(client) > 0);
        assert_int_equal(pit_client_poll(client, &report, 0), 0);
        for (uint32_t i = 0; i < 5000 && server_look(&server, &message); i++) {
            assert_int_equal(message.request, ++read);
            assert_int_equal(message.client_id, read);
        }
    }
    assert_true(sent > 10000);
    while (read < sent) {
        assert_true(pit_client_flush(client) >= 0);
        while (server_look(&server, &message)) {
            assert_int_equal(message.request, ++read);
            assert_int_equal(message.client_id, read);
        }
    }
    assert_int_equal(pit_client_flush(client), 0);
    assert_false(server_look(&server, &message));
}

static struct pit_message every_field(enum pit_message_kind kind)
{
    return (struct pit_message){.kind = kind,
                                .request = 1,
                                .sequence = 2,
                                .time_ns = 3,
                                .symbol = 4,
                                .order_id = 5,
                                .client_id = 6,
                                .side = PIT_SIDE_SELL,
                                .reason = PIT_REASON_HALTED,
                                .rejected_kind = 7,
                                .price = -8,
                                .quantity = 9,
                                .leaves = 10,
                                .price_old = -11,
                                .quantity_old = 12,
                                .number = 13,
                                .liquidity = 1,
                                .state = PIT_STATE_HALTED};
}

static void check_common(const struct pit_report *report, enum pit_report_kind kind)
{
    assert_int_equal(report->kind, kind);
    assert_int_equal(report->request, 1);
    assert_int_equal(report->sequence, 2);
    assert_int_equal(report->time_ns, 3);
    assert_int_equal(report->symbol, 4);
    assert_int_equal(report->order_id, 5);
    assert_int_equal(report->client_id, 6);
}

static void next_report(struct pit_report *report, const struct pit_message *message, enum pit_report_kind kind)
{
    server_send(&server, message);
    memset(report, 0xa5, sizeof *report);
    assert_int_equal(pit_client_poll(client, report, WAIT_NS), 1);
    check_common(report, kind);
}

static void client_reports_carry_every_field(void **state)
{
    (void)state;
    struct pit_report report;
    struct pit_message message;
    log_on();
    message = every_field(PIT_MESSAGE_ACCEPTED);
    message.flags = PIT_EVENT_RESTS | PIT_EVENT_LAST;
    next_report(&report, &message, PIT_REPORT_ACCEPTED);
    assert_true(report.rests && report.last && !report.kept && !report.aggressor);
    assert_int_equal(report.side, PIT_SIDE_SELL);
    assert_int_equal(report.price, -8);
    assert_int_equal(report.quantity, 9);
    message = every_field(PIT_MESSAGE_REJECTED);
    next_report(&report, &message, PIT_REPORT_REJECTED);
    assert_true(!report.rests && !report.last);
    assert_int_equal(report.reason, PIT_REASON_HALTED);
    assert_int_equal(report.rejected_kind, 7);
    message = every_field(PIT_MESSAGE_TRADE);
    next_report(&report, &message, PIT_REPORT_TRADE);
    assert_true(report.aggressor);
    assert_int_equal(report.number, 13);
    assert_int_equal(report.leaves, 10);
    assert_int_equal(report.quantity, 9);
    message.liquidity = 0;
    next_report(&report, &message, PIT_REPORT_TRADE);
    assert_false(report.aggressor);
    message = every_field(PIT_MESSAGE_RESTED);
    next_report(&report, &message, PIT_REPORT_RESTED);
    assert_int_equal(report.quantity, 9);
    message = every_field(PIT_MESSAGE_CANCELLED);
    next_report(&report, &message, PIT_REPORT_CANCELLED);
    assert_int_equal(report.reason, PIT_REASON_HALTED);
    message = every_field(PIT_MESSAGE_REDUCED);
    next_report(&report, &message, PIT_REPORT_REDUCED);
    assert_int_equal(report.quantity_old, 12);
    message = every_field(PIT_MESSAGE_REPLACED);
    message.flags = PIT_EVENT_KEPT;
    next_report(&report, &message, PIT_REPORT_REPLACED);
    assert_true(report.kept && !report.rests && !report.last);
    assert_int_equal(report.price_old, -11);
    assert_int_equal(report.quantity_old, 12);
    message = every_field(PIT_MESSAGE_STATE_CHANGED);
    next_report(&report, &message, PIT_REPORT_STATE);
    assert_int_equal(report.state, PIT_STATE_HALTED);
    assert_int_equal(pit_client_poll(client, &report, 0), 0);
    assert_int_equal(pit_client_poll(client, &report, 1000), 0);
}

static void client_puts_frames_together_from_pieces(void **state)
{
    (void)state;
    struct pit_report report;
    uint8_t bytes[2 * PIT_WIRE_FRAME_BYTES_MAX];
    struct pit_message first = every_field(PIT_MESSAGE_TRADE), second = every_field(PIT_MESSAGE_REDUCED);
    log_on();
    size_t first_bytes = pit_message_encode(&first, bytes, sizeof bytes);
    size_t all = first_bytes + pit_message_encode(&second, bytes + first_bytes, sizeof bytes - first_bytes);
    for (size_t piece = 1; piece <= all; piece++) {
        uint32_t reports = 0;
        for (size_t at = 0; at < all; at += piece) {
            server_send_bytes(&server, bytes + at, piece < all - at ? piece : all - at);
            while (pit_client_poll(client, &report, 0) == 1)
                assert_int_equal(report.kind, ++reports == 1 ? PIT_REPORT_TRADE : PIT_REPORT_REDUCED);
            assert_int_equal(reports, at + piece >= all ? 2 : at + piece >= first_bytes);
        }
    }
}

static void *play_many_reports(void *argument)
{
    struct pit_message message = every_field(PIT_MESSAGE_ACCEPTED);
    server_log_on(&server, 0);
    for (uint32_t i = 0; i < 50000; i++) {
        message.sequence = i;
        server_send(&server, &message);
    }
    return argument;
}

static void client_reads_many_reports_while_they_come(void **state)
{
    (void)state;
    struct pit_report report;
    struct pit_error error;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, play_many_reports, NULL), 0);
    const struct pit_client_options options = {.address = address, .account = 6};
    assert_int_equal(pit_client_open(&client, &options, &error), 0);
    for (uint32_t i = 0; i < 50000; i++) {
        assert_int_equal(pit_client_poll(client, &report, WAIT_NS), 1);
        assert_int_equal(report.sequence, i);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pit_client_poll(client, &report, 0), 0);
}

static void client_answers_the_servers_heartbeat_only(void **state)
{
    (void)state;
    struct pit_report report;
    struct pit_message message, heartbeat = {.kind = PIT_MESSAGE_HEARTBEAT};
    log_on();
    server_send(&server, &heartbeat);
    assert_int_equal(pit_client_poll(client, &report, 0), 0);
    assert_true(server_look(&server, &message));
    assert_int_equal(message.kind, PIT_MESSAGE_HEARTBEAT);
    assert_int_equal(message.token, 0);

    assert_int_equal(pit_client_heartbeat(client, UINT64_MAX), 1);
    assert_int_equal(pit_client_flush(client), 0);
    assert_true(server_look(&server, &message));
    assert_true(message.kind == PIT_MESSAGE_HEARTBEAT && message.token == UINT64_MAX);
    server_send(&server, &message);
    assert_int_equal(pit_client_poll(client, &report, WAIT_NS), 1);
    assert_true(report.kind == PIT_REPORT_HEARTBEAT && report.token == UINT64_MAX);
    assert_int_equal(pit_client_poll(client, &report, 0), 0);
    assert_false(server_look(&server, &message));
    assert_int_equal(pit_client_cancel(client, 0, 1, 0), 1); /* heartbeats take no request numbers */
}

static void client_hands_over_the_servers_goodbye(void **state)
{
    (void)state;
    struct pit_report report;
    struct pit_order order = {.price = 1, .quantity = 1};
    const struct pit_message bye = {.kind = PIT_MESSAGE_BYE, .reason = PIT_REASON_SHUTTING_DOWN, .text = "come again"};
    log_on();
    server_send(&server, &bye);
    server_close_connection(&server);
    assert_int_equal(pit_client_poll(client, &report, WAIT_NS), 1);
    assert_int_equal(report.kind, PIT_REPORT_BYE);
    assert_int_equal(report.reason, PIT_REASON_SHUTTING_DOWN);
    assert_string_equal(report.text, "come again");
    assert_int_equal(pit_client_poll(client, &report, WAIT_NS), -EPIPE);
    assert_int_equal(pit_client_poll(client, &report, WAIT_NS), -EPIPE);
    assert_string_equal(pit_client_error(client), "the server closed the connection");
    assert_int_equal(pit_client_new(client, &order), 0);
    assert_int_equal(pit_client_flush(client), -EPIPE);
}

static void client_gets_its_reports_after_logout(void **state)
{
    (void)state;
    struct pit_report report;
    struct pit_message message, trade = every_field(PIT_MESSAGE_TRADE);
    struct pit_order order = {.price = 1, .quantity = 1};
    log_on();
    assert_int_equal(pit_client_new(client, &order), 1);
    pit_client_logout(client);
    assert_true(server_look(&server, &message) && message.kind == PIT_MESSAGE_NEW);
    assert_true(server_look(&server, &message) && message.kind == PIT_MESSAGE_LOGOUT);
    server_send(&server, &trade);
    server_close_connection(&server);
    assert_int_equal(pit_client_poll(client, &report, WAIT_NS), 1);
    assert_int_equal(report.kind, PIT_REPORT_TRADE);
    assert_int_equal(pit_client_poll(client, &report, WAIT_NS), -EPIPE);
}

/* Reports before the bad bytes still come; after them nothing does. */
static void check_bad_bytes(const void *bytes, size_t count, const char *says)
{
    struct pit_report report;
    struct pit_message trade = every_field(PIT_MESSAGE_TRADE);
    log_on();
    server_send(&server, &trade);
    server_send_bytes(&server, bytes, count);
    server_send(&server, &trade);
    assert_int_equal(pit_client_poll(client, &report, WAIT_NS), 1);
    assert_int_equal(pit_client_poll(client, &report, WAIT_NS), -EPROTO);
    assert_int_equal(pit_client_poll(client, &report, WAIT_NS), -EPROTO);
    if (!strstr(pit_client_error(client), says))
        fail_msg("expected \"%s\" in \"%s\"", says, pit_client_error(client));
}

static void client_refuses_an_oversized_frame(void **state)
{
    (void)state;
    check_bad_bytes("\x00\x00\x01\x01", 4, "announces a message of 257 bytes, 1 .. 256 are possible");
}

static void client_refuses_a_frame_that_is_no_message(void **state)
{
    (void)state;
    check_bad_bytes("\x00\x00\x00\x02\x91\x2e", 6, "what the server sent is no message: 46 is no kind of message");
}

static void client_refuses_a_message_that_is_not_the_servers(void **state)
{
    (void)state;
    check_bad_bytes("\x00\x00\x00\x02\x91\x09", 6, "the server sent a logout message, which does not belong here");
}

static void client_says_when_the_end_cuts_a_message(void **state)
{
    (void)state;
    struct pit_report report;
    log_on();
    server_send_bytes(&server, "\x00\x00\x00\x02\x91", 5);
    server_close_connection(&server);
    assert_int_equal(pit_client_poll(client, &report, WAIT_NS), -EPIPE);
    assert_string_equal(pit_client_error(client), "the server closed the connection in the midst of a message");
}

static void client_reads_what_came_before_the_connection_broke(void **state)
{
    (void)state;
    struct pit_report report;
    struct pit_message trade = every_field(PIT_MESSAGE_TRADE);
    log_on();
    server_send(&server, &trade);
    server_close_connection(&server);
    assert_int_equal(pit_client_cancel(client, 0, 1, 0), 1);
    assert_int_equal(pit_client_flush(client), -EPIPE);
    assert_int_equal(pit_client_cancel(client, 0, 1, 0), 0);
    assert_int_equal(pit_client_poll(client, &report, WAIT_NS), 1);
    assert_int_equal(report.kind, PIT_REPORT_TRADE);
    assert_int_equal(pit_client_poll(client, &report, WAIT_NS), -EPIPE);
}

static void *answer_heartbeat(void *argument)
{
    struct pit_message message;
    PIT_CHECK(server_read(&server, &message) && message.kind == PIT_MESSAGE_HEARTBEAT);
    server_send(&server, &message);
    return argument;
}

static void client_poll_waits_for_an_answer(void **state)
{
    (void)state;
    struct pit_report report;
    pthread_t thread;
    log_on();
    assert_int_equal(pthread_create(&thread, NULL, answer_heartbeat, NULL), 0);
    assert_int_equal(pit_client_heartbeat(client, 42), 1);
    assert_int_equal(pit_client_poll(client, &report, WAIT_NS), 1); /* without a flush: poll does that */
    assert_int_equal(report.token, 42);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(pit_client_socket(client) >= 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(client_logs_on_and_reads_the_symbols),
        TEST(client_logs_on_over_tcp),
        TEST(client_proves_its_key_when_asked),
        TEST(client_without_a_key_says_that_one_is_needed),
        TEST(client_tells_why_the_server_refused),
        TEST(client_refuses_a_server_of_another_version),
        TEST(client_refuses_a_server_of_another_protocol),
        TEST(client_opening_ends_with_the_connection),
        TEST(client_opening_gives_up_on_a_silent_server),
        TEST(client_opening_says_what_is_wrong_with_its_options),
        TEST(client_sends_nothing_before_flush_and_all_of_it_then),
        TEST(client_says_when_it_can_take_no_more),
        TEST(client_reports_carry_every_field),
        TEST(client_puts_frames_together_from_pieces),
        TEST(client_reads_many_reports_while_they_come),
        TEST(client_answers_the_servers_heartbeat_only),
        TEST(client_hands_over_the_servers_goodbye),
        TEST(client_gets_its_reports_after_logout),
        TEST(client_refuses_an_oversized_frame),
        TEST(client_refuses_a_frame_that_is_no_message),
        TEST(client_refuses_a_message_that_is_not_the_servers),
        TEST(client_says_when_the_end_cuts_a_message),
        TEST(client_reads_what_came_before_the_connection_broke),
        TEST(client_poll_waits_for_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
