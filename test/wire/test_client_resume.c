/* test/wire/test_client_resume.c - a client that resumes, against servers that the test plays: they die, they send it
 * elsewhere, they have done what it asks for, or have not. The servers are threads, each with a script; the client is
 * the test's thread. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "book/event.h"
#include "pitline/client.h"
#include "ring/sequence.h"
#include "test/wire/server.h"

#define WAIT_NS UINT64_C(20000000000)

static struct server servers[2];
static struct pit_client *client;
static char directory[64], addresses[2][96], both[200];

static int begin(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/pit-resume-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    client = NULL;
    for (uint32_t i = 0; i < 2; i++) {
        snprintf(addresses[i], sizeof addresses[i], "unix:%s/%u.sock", directory, i);
        server_listen(&servers[i], addresses[i]);
    }
    snprintf(both, sizeof both, "%s,%s", addresses[0], addresses[1]);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pit_client_close(client);
    for (uint32_t i = 0; i < 2; i++)
        server_close(&servers[i]);
    return rmdir(directory);
}

/* Servers. */

static pthread_t thread;

static void *run_script(void *argument)
{
    (*(void (**)(void))argument)();
    return NULL;
}

static void play(void (**script)(void))
{
    assert_int_equal(pthread_create(&thread, NULL, run_script, script), 0);
}

static void played(void)
{
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* A session up to RESUMED. */
static void admit(struct server *server, uint32_t last)
{
    struct pit_message message;
    const struct pit_message resumed = {.kind = PIT_MESSAGE_RESUMED, .request = last, .window = 256};
    server->used = 0;
    server_log_on(server, 2);
    PIT_CHECK(server_read(server, &message) && message.kind == PIT_MESSAGE_RESUME);
    server_send(server, &resumed);
}

static void part(struct server *server, enum pit_reason reason, const char *text)
{
    struct pit_message bye = {.kind = PIT_MESSAGE_BYE, .reason = reason};
    snprintf(bye.text, sizeof bye.text, "%s", text);
    server_send(server, &bye);
    server_close_connection(server);
}

static struct pit_message request_of(struct server *server, uint32_t request)
{
    struct pit_message message;
    PIT_CHECK(server_read(server, &message));
    PIT_CHECK(message.kind >= PIT_MESSAGE_NEW && message.kind <= PIT_MESSAGE_STATE && message.request == request);
    return message;
}

static void report(struct server *server, enum pit_message_kind kind, uint32_t request, uint8_t flags)
{
    const struct pit_message message = {.kind = kind,
                                        .request = request,
                                        .sequence = 100 + request,
                                        .order_id = 100 + request,
                                        .flags = flags,
                                        .quantity = 5,
                                        .leaves = 2};
    server_send(server, &message);
}

static void result(struct server *server, uint32_t request, uint8_t outcome, enum pit_reason reason)
{
    const struct pit_message message = {.kind = PIT_MESSAGE_RESULT,
                                        .request = request,
                                        .sequence = 100 + request,
                                        .symbol = 1,
                                        .order_id = 100 + request,
                                        .outcome = outcome,
                                        .reason = reason,
                                        .traded = 3,
                                        .open = 4};
    server_send(server, &message);
}

/* The client. */

static int open_with(const char *list, uint32_t give_up_ms, struct pit_error *error)
{
    const struct pit_client_options options = {.address = list, .account = 5, .resume = true, .give_up_ms = give_up_ms};
    return pit_client_open(&client, &options, error);
}

static void opened(const char *list)
{
    struct pit_error error = {0};
    if (open_with(list, 0, &error) < 0)
        fail_msg("%s", error.text);
}

static uint32_t order(uint64_t client_id)
{
    const struct pit_order order = {.symbol = 1, .client_id = client_id, .price = 100, .quantity = 5};
    return pit_client_new(client, &order);
}

static struct pit_report expect(enum pit_report_kind kind, uint32_t request)
{
    struct pit_report report = {0};
    const int code = pit_client_poll(client, &report, WAIT_NS);
    if (code != 1)
        fail_msg("poll returned %d: %s", code, pit_client_error(client));
    assert_int_equal(report.kind, kind);
    assert_int_equal(report.request, request);
    return report;
}

static void expect_resumed(const char *address)
{
    assert_string_equal(expect(PIT_REPORT_RESUMED, 0).text, address);
}

static void expect_end(int code, const char *says)
{
    struct pit_report report;
    assert_int_equal(pit_client_poll(client, &report, WAIT_NS), code);
    if (!strstr(pit_client_error(client), says))
        fail_msg("expected \"%s\" in \"%s\"", says, pit_client_error(client));
    assert_int_equal(order(1), 0);
    assert_true(pit_client_flush(client) < 0);
}

/* 8 was answered, 9 in part, 10 was done without a word, 11 was refused without a word, 12 never arrived. */
static void play_break(void)
{
    struct server *server = &servers[0];
    admit(server, 7);
    for (uint32_t request = 8; request <= 11; request++)
        request_of(server, request);
    report(server, PIT_MESSAGE_ACCEPTED, 8, PIT_EVENT_RESTS | PIT_EVENT_LAST);
    report(server, PIT_MESSAGE_ACCEPTED, 9, 0);
    server_close_connection(server);

    admit(server, 10);
    for (uint32_t request = 9; request <= 12; request++) {
        const struct pit_message message = request_of(server, request);
        PIT_CHECK(message.client_id == 1000 + request && message.quantity == 5);
    }
    result(server, 9, PIT_MESSAGE_ACCEPTED, PIT_REASON_NONE);
    result(server, 10, PIT_MESSAGE_CANCELLED, PIT_REASON_REQUESTED);
    result(server, 11, PIT_MESSAGE_REJECTED, PIT_REASON_NOT_TAKEN);
    result(server, 9, PIT_MESSAGE_ACCEPTED, PIT_REASON_NONE); /* nobody asked */
    report(server, PIT_MESSAGE_TRADE, 0, 0);
    report(server, PIT_MESSAGE_ACCEPTED, 12, PIT_EVENT_RESTS | PIT_EVENT_LAST);
    request_of(server, 13);
    report(server, PIT_MESSAGE_REJECTED, 13, PIT_EVENT_LAST);
}

static void unanswered_requests_are_sent_again_and_answered_once(void **state)
{
    (void)state;
    void (*script)(void) = play_break;
    play(&script);
    opened(addresses[0]);
    for (uint32_t request = 8; request <= 11; request++)
        assert_int_equal(order(1000 + request), request);
    assert_true(pit_client_flush(client) >= 0);
    assert_false(expect(PIT_REPORT_ACCEPTED, 8).repeated);
    assert_false(expect(PIT_REPORT_ACCEPTED, 9).last);
    assert_int_equal(order(1012), 12); /* on a connection that is gone, or about to be noticed so */
    expect_resumed(addresses[0]);
    struct pit_report got = expect(PIT_REPORT_ACCEPTED, 9);
    assert_true(got.repeated && got.last);
    assert_int_equal(got.client_id, 1009);
    assert_int_equal(got.order_id, 109);
    assert_int_equal(got.sequence, 109);
    assert_int_equal(got.symbol, 1);
    assert_int_equal(got.traded, 3);
    assert_int_equal(got.leaves, 4);
    got = expect(PIT_REPORT_CANCELLED, 10);
    assert_true(got.repeated && got.reason == PIT_REASON_REQUESTED);
    got = expect(PIT_REPORT_REJECTED, 11);
    assert_true(got.repeated && got.reason == PIT_REASON_NOT_TAKEN && got.rejected_kind == PIT_MESSAGE_NEW);
    expect(PIT_REPORT_TRADE, 0);
    assert_false(expect(PIT_REPORT_ACCEPTED, 12).repeated);
    assert_int_equal(order(1013), 13);
    expect(PIT_REPORT_REJECTED, 13);
    assert_int_equal(pit_client_symbols(client), 2);
    played();
}

static void play_not_kept(void)
{
    admit(&servers[0], 0);
    request_of(&servers[0], 1);
    server_close_connection(&servers[0]);
    admit(&servers[0], 1);
    request_of(&servers[0], 1);
    result(&servers[0], 1, 0, PIT_REASON_NOT_KEPT);
}

static void what_the_server_does_not_know_is_unknown(void **state)
{
    (void)state;
    void (*script)(void) = play_not_kept;
    play(&script);
    opened(addresses[0]);
    assert_int_equal(order(1), 1);
    expect_resumed(addresses[0]);
    const struct pit_report got = expect(PIT_REPORT_UNKNOWN, 1);
    assert_true(got.last && got.reason == PIT_REASON_NOT_KEPT);
    played();
}

/* The first server does not lead, and says who does; later the second does not lead any more, and does not know. */
static void play_redirects(void)
{
    struct pit_message message;
    server_accept(&servers[0]);
    server_challenge(&servers[0], 0, PIT_WIRE_VERSION);
    PIT_CHECK(server_read(&servers[0], &message) && message.kind == PIT_MESSAGE_LOGON);
    part(&servers[0], PIT_REASON_NOT_LEADER, addresses[1]);
    admit(&servers[1], 0);
    request_of(&servers[1], 1);
    part(&servers[1], PIT_REASON_NOT_LEADER, "");
    admit(&servers[0], 0);
    request_of(&servers[0], 1);
    report(&servers[0], PIT_MESSAGE_ACCEPTED, 1, PIT_EVENT_LAST);
}

static void redirects_are_followed(void **state)
{
    (void)state;
    void (*script)(void) = play_redirects;
    play(&script);
    opened(addresses[0]); /* the second one it only hears of */
    assert_int_equal(order(1), 1);
    expect_resumed(addresses[0]);
    expect(PIT_REPORT_ACCEPTED, 1);
    played();
}

/* A session up to RESUME, which gets a goodbye. */
static void refuse_to_resume(struct server *server, enum pit_reason reason, const char *text)
{
    struct pit_message message;
    server->used = 0;
    server_log_on(server, 1);
    PIT_CHECK(server_read(server, &message) && message.kind == PIT_MESSAGE_RESUME);
    part(server, reason, text);
}

static void play_goodbye_for_resumed(void)
{
    refuse_to_resume(&servers[0], PIT_REASON_NOT_LEADER, addresses[1]);
    refuse_to_resume(&servers[1], PIT_REASON_REQUESTED, "the account has logged on again");
}

static void goodbye_in_place_of_resumed_is_heard(void **state)
{
    (void)state;
    struct pit_error error = {0};
    void (*script)(void) = play_goodbye_for_resumed;
    play(&script);
    assert_int_equal(open_with(addresses[0], 0, &error), -EACCES);
    assert_non_null(strstr(error.text, addresses[1]));
    assert_non_null(strstr(error.text, "the account has logged on again"));
    played();
}

/* The first server sends everybody to itself, whoever leads. */
static void play_wrong_redirects(void)
{
    for (uint32_t times = 0;; times++) {
        struct pit_message message;
        struct pollfd look[2] = {{.fd = servers[0].listener, .events = POLLIN},
                                 {.fd = servers[1].listener, .events = POLLIN}};
        PIT_CHECK(times < 20 && poll(look, 2, SERVER_WAIT_MS) > 0);
        if (look[1].revents)
            break;
        server_accept(&servers[0]);
        servers[0].used = 0;
        server_challenge(&servers[0], 0, PIT_WIRE_VERSION);
        PIT_CHECK(server_read(&servers[0], &message) && message.kind == PIT_MESSAGE_LOGON);
        part(&servers[0], PIT_REASON_NOT_LEADER, addresses[0]);
    }
    admit(&servers[1], 0);
}

static void redirects_that_lead_nowhere_are_left(void **state)
{
    (void)state;
    void (*script)(void) = play_wrong_redirects;
    play(&script);
    opened(both);
    played();
}

static void play_second_only(void)
{
    server_close_connection(&servers[0]);
    admit(&servers[1], 3);
    request_of(&servers[1], 4);
    report(&servers[1], PIT_MESSAGE_ACCEPTED, 4, PIT_EVENT_LAST);
}

static void every_address_has_its_turn(void **state)
{
    (void)state;
    char list[300];
    void (*script)(void) = play_second_only;
    snprintf(list, sizeof list, "unix:%s/nobody.sock,%s", directory, addresses[1]);
    play(&script);
    opened(list);
    assert_int_equal(order(1), 4);
    expect(PIT_REPORT_ACCEPTED, 4);
    played();
}

/* Reports of resting orders, and a server that asks for a sign of life, before RESUMED. */
static void play_early_reports(void)
{
    struct pit_message message;
    const struct pit_message ask = {.kind = PIT_MESSAGE_HEARTBEAT, .token = 0};
    const struct pit_message resumed = {.kind = PIT_MESSAGE_RESUMED, .request = 41, .window = 256};
    server_log_on(&servers[0], 1);
    report(&servers[0], PIT_MESSAGE_TRADE, 0, 0);
    PIT_CHECK(server_read(&servers[0], &message) && message.kind == PIT_MESSAGE_RESUME);
    server_send(&servers[0], &ask);
    report(&servers[0], PIT_MESSAGE_TRADE, 0, 0);
    server_send(&servers[0], &resumed);
    report(&servers[0], PIT_MESSAGE_TRADE, 0, 0);
    uint32_t lives = 0;
    while (server_read(&servers[0], &message) && message.kind == PIT_MESSAGE_HEARTBEAT && message.token == 0)
        lives++;
    PIT_CHECK(lives == 1 && message.kind == PIT_MESSAGE_NEW);
    report(&servers[0], PIT_MESSAGE_ACCEPTED, 42, PIT_EVENT_LAST);
}

static void reports_before_resumed_are_not_lost(void **state)
{
    (void)state;
    void (*script)(void) = play_early_reports;
    play(&script);
    opened(addresses[0]);
    for (uint32_t i = 0; i < 3; i++)
        expect(PIT_REPORT_TRADE, 0);
    assert_int_equal(order(1), 42);
    expect(PIT_REPORT_ACCEPTED, 42);
    played();
}

/* Answers the first half, and all when asked again. */
static void play_window(void)
{
    admit(&servers[0], 0);
    for (uint32_t request = 1; request <= 256; request++)
        request_of(&servers[0], request);
    report(&servers[0], PIT_MESSAGE_ACCEPTED, 2, PIT_EVENT_LAST);
    server_close_connection(&servers[0]);
    admit(&servers[0], 256);
    for (uint32_t request = 1; request <= 256; request++)
        if (request != 2) {
            request_of(&servers[0], request);
            result(&servers[0], request, PIT_MESSAGE_ACCEPTED, PIT_REASON_NONE);
        }
}

static void as_many_are_kept_as_the_server_keeps_results(void **state)
{
    (void)state;
    void (*script)(void) = play_window;
    play(&script);
    opened(addresses[0]);
    for (uint32_t request = 1; request <= 256; request++)
        assert_int_equal(order(request), request);
    assert_int_equal(order(257), 0);
    expect(PIT_REPORT_ACCEPTED, 2);
    assert_int_equal(order(257), 0); /* 1 is still there */
    expect_resumed(addresses[0]);
    expect(PIT_REPORT_ACCEPTED, 1);
    assert_int_equal(order(257), 257);
    assert_int_equal(order(258), 258);
    assert_int_equal(order(259), 0);
    for (uint32_t request = 3; request <= 256; request++)
        expect(PIT_REPORT_ACCEPTED, request);
    played();
}

static void play_dies(void)
{
    admit(&servers[0], 0);
    request_of(&servers[0], 1);
    request_of(&servers[0], 2);
    server_close_connection(&servers[0]);
    servers[0].network->close(servers[0].network->context, servers[0].listener);
}

static void giving_up_leaves_unknown_requests(void **state)
{
    (void)state;
    struct pit_error error = {0};
    void (*script)(void) = play_dies;
    play(&script);
    assert_int_equal(open_with(addresses[0], 60, &error), 0);
    assert_int_equal(order(71), 1);
    assert_int_equal(order(72), 2);
    pit_client_flush(client);
    played();
    assert_int_equal(order(73), 3);
    for (uint32_t request = 1; request <= 3; request++) {
        const struct pit_report got = expect(PIT_REPORT_UNKNOWN, request);
        assert_true(got.last && got.reason == PIT_REASON_NONE && got.client_id == 70 + request);
    }
    expect_end(-ETIMEDOUT, "no server took the session back in time");
    pit_decoder_destroy(servers[0].decoder);
    server_listen(&servers[0], addresses[0]); /* for the end */
}

static void play_elsewhere(void)
{
    admit(&servers[0], 0);
    request_of(&servers[0], 1);
    part(&servers[0], PIT_REASON_REQUESTED, "the account has logged on again");
}

static void account_that_is_used_elsewhere_is_left_to_them(void **state)
{
    (void)state;
    void (*script)(void) = play_elsewhere;
    play(&script);
    opened(addresses[0]);
    assert_int_equal(order(1), 1);
    expect(PIT_REPORT_UNKNOWN, 1);
    expect_end(-ECONNABORTED, "the account is used elsewhere");
    played();
}

static void play_stranger(void)
{
    admit(&servers[0], 4);
    request_of(&servers[0], 5);
    server_close_connection(&servers[0]);
    admit(&servers[0], 9);
}

static void requests_of_somebody_else_are_noticed(void **state)
{
    (void)state;
    void (*script)(void) = play_stranger;
    play(&script);
    opened(addresses[0]);
    assert_int_equal(order(1), 5);
    expect(PIT_REPORT_UNKNOWN, 5);
    expect_end(-ESTALE, "somebody else has sent requests");
    played();
}

/* Nothing is unanswered: then it does not matter. */
static void play_visitor(void)
{
    admit(&servers[0], 4);
    server_close_connection(&servers[0]);
    admit(&servers[0], 9);
    request_of(&servers[0], 10);
    report(&servers[0], PIT_MESSAGE_ACCEPTED, 10, PIT_EVENT_LAST);
}

static void requests_of_somebody_else_are_no_harm_to_who_has_none(void **state)
{
    (void)state;
    void (*script)(void) = play_visitor;
    play(&script);
    opened(addresses[0]);
    expect_resumed(addresses[0]);
    assert_int_equal(order(1), 10);
    expect(PIT_REPORT_ACCEPTED, 10);
    played();
}

static void play_round(void)
{
    admit(&servers[0], UINT32_MAX - 2);
    request_of(&servers[0], UINT32_MAX - 1);
    request_of(&servers[0], UINT32_MAX);
    request_of(&servers[0], 1);
    report(&servers[0], PIT_MESSAGE_ACCEPTED, UINT32_MAX - 1, PIT_EVENT_LAST);
    server_close_connection(&servers[0]);
    admit(&servers[0], UINT32_MAX);
    request_of(&servers[0], UINT32_MAX);
    request_of(&servers[0], 1);
    request_of(&servers[0], 2);
    result(&servers[0], UINT32_MAX, PIT_MESSAGE_ACCEPTED, PIT_REASON_NONE);
    report(&servers[0], PIT_MESSAGE_ACCEPTED, 1, PIT_EVENT_LAST);
    report(&servers[0], PIT_MESSAGE_ACCEPTED, 2, PIT_EVENT_LAST);
}

static void numbers_go_round(void **state)
{
    (void)state;
    void (*script)(void) = play_round;
    play(&script);
    opened(addresses[0]);
    assert_int_equal(order(1), UINT32_MAX - 1);
    assert_int_equal(order(2), UINT32_MAX);
    assert_int_equal(order(3), 1);
    expect(PIT_REPORT_ACCEPTED, UINT32_MAX - 1);
    assert_int_equal(order(4), 2);
    expect_resumed(addresses[0]);
    assert_true(expect(PIT_REPORT_ACCEPTED, UINT32_MAX).repeated);
    expect(PIT_REPORT_ACCEPTED, 1);
    expect(PIT_REPORT_ACCEPTED, 2);
    played();
}

/* A server that is there and says nothing more: it is asked for a sign of life, and then left. */
static void play_silence(void)
{
    struct pit_message message;
    admit(&servers[0], 0);
    request_of(&servers[0], 1);
    PIT_CHECK(server_read(&servers[0], &message) && message.kind == PIT_MESSAGE_HEARTBEAT && message.token != 0);
    admit(&servers[1], 1);
    request_of(&servers[1], 1);
    result(&servers[1], 1, PIT_MESSAGE_ACCEPTED, PIT_REASON_NONE);
    PIT_CHECK(!server_read(&servers[0], &message));
}

static void silent_server_is_left(void **state)
{
    (void)state;
    void (*script)(void) = play_silence;
    play(&script);
    server_heartbeat_ms = 10;
    opened(both);
    assert_int_equal(order(1), 1);
    expect_resumed(addresses[1]);
    assert_true(expect(PIT_REPORT_ACCEPTED, 1).repeated);
    server_heartbeat_ms = 1000;
    played();
}

/* A server whose own heartbeat is slow: who waits for an answer does not wait for that. */
static void play_slow_heartbeat(void)
{
    struct pit_message message;
    admit(&servers[0], 0);
    request_of(&servers[0], 1);
    PIT_CHECK(server_read(&servers[0], &message) && message.kind == PIT_MESSAGE_HEARTBEAT && message.token != 0);
    server_send(&servers[0], &message); /* the same comes back */
    report(&servers[0], PIT_MESSAGE_ACCEPTED, 1, PIT_EVENT_LAST);
}

static void server_with_a_slow_heartbeat_is_asked_all_the_same(void **state)
{
    (void)state;
    void (*script)(void) = play_slow_heartbeat;
    server_heartbeat_ms = 60000;
    play(&script);
    opened(addresses[0]);
    assert_int_equal(order(1), 1);
    assert_false(expect(PIT_REPORT_ACCEPTED, 1).repeated);
    server_heartbeat_ms = 1000;
    played();
}

/* Sessions that end as soon as they stand, until it is over; then one that serves. */
static uint64_t over;
static uint32_t sessions;
static bool sends_back; /* it says that it leads no more, and that it is who leads */

static void play_ends_at_once(void)
{
    for (bool last = false; !last; sessions++) {
        last = pit_word_load_acquire(&over);
        admit(&servers[0], 0);
        if (last)
            request_of(&servers[0], 1);
        if (last)
            report(&servers[0], PIT_MESSAGE_ACCEPTED, 1, PIT_EVENT_LAST);
        else if (sends_back)
            part(&servers[0], PIT_REASON_NOT_LEADER, addresses[0]);
        else
            server_close_connection(&servers[0]);
    }
}

/* So many sessions there are in a quarter of a second, as far as they have been counted. */
static void end_at_once(bool sent_back, uint32_t most)
{
    void (*script)(void) = play_ends_at_once;
    struct pit_report report = {0};
    struct timespec now;
    over = sessions = 0;
    sends_back = sent_back;
    play(&script);
    opened(addresses[0]);
    assert_int_equal(order(1), 1);
    clock_gettime(CLOCK_MONOTONIC, &now);
    const int64_t until_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000 + 250;
    while (now.tv_sec * 1000 + now.tv_nsec / 1000000 < until_ms) {
        const int code = pit_client_poll(client, &report, 1000000);
        assert_true(code == 0 || (code == 1 && report.kind == PIT_REPORT_RESUMED));
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    pit_word_store_release(&over, 1);
    do
        assert_int_equal(pit_client_poll(client, &report, WAIT_NS), 1);
    while (report.kind == PIT_REPORT_RESUMED);
    assert_true(report.kind == PIT_REPORT_ACCEPTED && report.request == 1);
    played();
    print_message("# %u sessions\n", sessions);
    assert_true(sessions <= most);
}

/* After 2, 4, 8, 16, 32 ms, and then 50 each: ten at most. */
static void sessions_that_end_at_once_are_not_sought_all_the_time(void **state)
{
    (void)state;
    end_at_once(false, 14);
}

/* Four times at once, then after a pause. */
static void nor_are_those_that_send_back_to_themselves(void **state)
{
    (void)state;
    end_at_once(true, 70);
}

static void play_logout(void)
{
    struct pit_message message;
    admit(&servers[0], 0);
    request_of(&servers[0], 1);
    server_close_connection(&servers[0]);
    admit(&servers[0], 0);
    request_of(&servers[0], 1);
    PIT_CHECK(server_read(&servers[0], &message) && message.kind == PIT_MESSAGE_LOGOUT);
    report(&servers[0], PIT_MESSAGE_ACCEPTED, 1, PIT_EVENT_LAST);
    part(&servers[0], PIT_REASON_REQUESTED, "logged out");
}

static void logout_waits_for_the_answers(void **state)
{
    (void)state;
    void (*script)(void) = play_logout;
    play(&script);
    opened(addresses[0]);
    assert_int_equal(order(1), 1);
    pit_client_flush(client);
    struct pit_report report;
    while (pit_client_socket(client) >= 0 && pit_client_poll(client, &report, 1000000) == 0)
        continue; /* until the first connection is gone */
    pit_client_logout(client);
    assert_int_equal(order(2), 0);
    if (report.kind != PIT_REPORT_RESUMED)
        expect_resumed(addresses[0]);
    expect(PIT_REPORT_ACCEPTED, 1);
    assert_string_equal(expect(PIT_REPORT_BYE, 0).text, "logged out");
    expect_end(-EPIPE, "logged out");
    played();
}

static void play_refusal(void)
{
    struct pit_message message;
    server_accept(&servers[0]);
    server_challenge(&servers[0], 0, PIT_WIRE_VERSION);
    PIT_CHECK(server_read(&servers[0], &message) && message.kind == PIT_MESSAGE_LOGON);
    part(&servers[0], PIT_REASON_NOT_PERMITTED, "unknown account or wrong proof");
}

static void opening_says_what_is_wrong(void **state)
{
    (void)state;
    struct pit_error error = {0};
    char many[2000] = "";
    void (*script)(void) = play_refusal;
    play(&script);
    assert_int_equal(open_with(both, 0, &error), -EACCES);
    assert_non_null(strstr(error.text, "unknown account or wrong proof"));
    played();
    assert_int_equal(open_with("", 0, &error), -EINVAL);
    assert_int_equal(open_with("unix:/tmp/x,nonsense", 0, &error), -EINVAL);
    assert_non_null(strstr(error.text, "nonsense"));
    for (uint32_t i = 0; i < 17; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "unix:/tmp/%u,", i);
    assert_int_equal(open_with(many, 0, &error), -EINVAL);
    assert_non_null(strstr(error.text, "more than 16 addresses"));
    char nobody[128];
    snprintf(nobody, sizeof nobody, "unix:%s/nobody.sock", directory);
    const struct pit_client_options options = {.address = nobody, .account = 5, .resume = true, .timeout_ms = 30};
    assert_int_equal(pit_client_open(&client, &options, &error), -ETIMEDOUT);
    assert_non_null(strstr(error.text, "nobody.sock"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unanswered_requests_are_sent_again_and_answered_once, begin, end),
        cmocka_unit_test_setup_teardown(what_the_server_does_not_know_is_unknown, begin, end),
        cmocka_unit_test_setup_teardown(redirects_are_followed, begin, end),
        cmocka_unit_test_setup_teardown(redirects_that_lead_nowhere_are_left, begin, end),
        cmocka_unit_test_setup_teardown(goodbye_in_place_of_resumed_is_heard, begin, end),
        cmocka_unit_test_setup_teardown(every_address_has_its_turn, begin, end),
        cmocka_unit_test_setup_teardown(reports_before_resumed_are_not_lost, begin, end),
        cmocka_unit_test_setup_teardown(as_many_are_kept_as_the_server_keeps_results, begin, end),
        cmocka_unit_test_setup_teardown(giving_up_leaves_unknown_requests, begin, end),
        cmocka_unit_test_setup_teardown(account_that_is_used_elsewhere_is_left_to_them, begin, end),
        cmocka_unit_test_setup_teardown(requests_of_somebody_else_are_noticed, begin, end),
        cmocka_unit_test_setup_teardown(requests_of_somebody_else_are_no_harm_to_who_has_none, begin, end),
        cmocka_unit_test_setup_teardown(numbers_go_round, begin, end),
        cmocka_unit_test_setup_teardown(silent_server_is_left, begin, end),
        cmocka_unit_test_setup_teardown(server_with_a_slow_heartbeat_is_asked_all_the_same, begin, end),
        cmocka_unit_test_setup_teardown(sessions_that_end_at_once_are_not_sought_all_the_time, begin, end),
        cmocka_unit_test_setup_teardown(nor_are_those_that_send_back_to_themselves, begin, end),
        cmocka_unit_test_setup_teardown(logout_waits_for_the_answers, begin, end),
        cmocka_unit_test_setup_teardown(opening_says_what_is_wrong, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
