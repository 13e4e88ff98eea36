/* test/wire/test_network.c - the machine's network over loopback and Unix sockets. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "wire/network.h"

#define WAIT_NS UINT64_C(5000000000)

static const struct pit_network *net;
static char directory[64], unix_path[80], unix_address[96];

static int make_directory(void **state)
{
    (void)state;
    net = pit_network_machine();
    strcpy(directory, "/tmp/pit-network-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(unix_path, sizeof unix_path, "%s/it.sock", directory);
    snprintf(unix_address, sizeof unix_address, "unix:%s", unix_path);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(unix_path);
    return rmdir(directory);
}

/* A connected pair over a listener at the address; the poller says when there is somebody to accept. */
static void check_conversation(const char *address, const char *peer_prefix)
{
    struct pit_error error = {0};
    char bound[160], peer[160];
    int listener = net->listen(net->context, address, &error);
    if (listener < 0)
        fail_msg("%s", error.text);
    assert_int_equal(pit_network_machine_bound(listener, bound, sizeof bound), 0);
    assert_int_equal(net->accept(net->context, listener, peer, sizeof peer), -EAGAIN);
    int poller = net->poller_create(net->context);
    assert_int_equal(net->poller_add(net->context, poller, listener), 0);
    struct pit_network_ready ready[4];
    assert_int_equal(net->poll(net->context, poller, ready, 4, 0), 0);
    assert_int_equal(net->poll(net->context, poller, ready, 4, 1000), 0);

    int client = net->connect(net->context, bound, &error);
    assert_true(client >= 0);
    assert_int_equal(net->poll(net->context, poller, ready, 4, WAIT_NS), 1);
    assert_int_equal(ready[0].handle, listener);
    assert_true(ready[0].readable);
    int server = net->accept(net->context, listener, peer, sizeof peer);
    assert_true(server >= 0);
    assert_memory_equal(peer, peer_prefix, strlen(peer_prefix));
    net->poller_remove(net->context, poller, listener);
    assert_int_equal(net->poller_add(net->context, poller, server), 0);

    char bytes[16];
    assert_int_equal(net->receive(net->context, server, bytes, sizeof bytes), -EAGAIN);
    assert_int_equal(net->send(net->context, client, "four", 4), 4);
    assert_int_equal(net->poll(net->context, poller, ready, 4, WAIT_NS), 1);
    assert_int_equal(ready[0].handle, server);
    assert_int_equal(net->receive(net->context, server, bytes, sizeof bytes), 4);
    assert_memory_equal(bytes, "four", 4);

    net->close(net->context, client);
    assert_int_equal(net->poll(net->context, poller, ready, 4, WAIT_NS), 1);
    assert_int_equal(net->receive(net->context, server, bytes, sizeof bytes), 0);
    net->poller_remove(net->context, poller, server);
    assert_int_equal(net->poll(net->context, poller, ready, 4, 0), 0);
    net->close(net->context, server);
    net->close(net->context, listener);
    net->close(net->context, poller);
}

static void network_talks_over_tcp(void **state)
{
    (void)state;
    check_conversation("tcp:127.0.0.1:0", "tcp:127.0.0.1:");
    check_conversation("tcp:localhost:0", "tcp:127.0.0.1:");
}

static void network_talks_over_tcp_version_6(void **state)
{
    (void)state;
    struct pit_error error = {0};
    int probe = net->listen(net->context, "tcp:[::1]:0", &error);
    if (probe == -EAFNOSUPPORT || probe == -EADDRNOTAVAIL)
        skip(); /* the machine has no IPv6 */
    net->close(net->context, probe);
    check_conversation("tcp:[::1]:0", "tcp:[::1]:");
}

static void network_talks_over_unix_sockets(void **state)
{
    (void)state;
    check_conversation(unix_address, "unix:");
    struct stat status;
    assert_int_equal(stat(unix_path, &status), -1); /* the file went with its listener */
}

static void network_sends_small_messages_at_once(void **state)
{
    (void)state;
    char bound[64], peer[64];
    int listener = net->listen(net->context, "tcp:127.0.0.1:0", NULL);
    assert_int_equal(pit_network_machine_bound(listener, bound, sizeof bound), 0);
    int client = net->connect(net->context, bound, NULL), server;
    while ((server = net->accept(net->context, listener, peer, sizeof peer)) == -EAGAIN)
        continue;
    const int ends[2] = {client, server};
    for (uint32_t i = 0; i < 2; i++) {
        int on = 0;
        socklen_t bytes = sizeof on;
        assert_int_equal(getsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &on, &bytes), 0);
        assert_int_not_equal(on, 0);
        net->close(net->context, ends[i]);
    }
    net->close(net->context, listener);
}

static void network_gives_up_what_is_not_acknowledged(void **state)
{
    (void)state;
    char bound[64];
    int listener = net->listen(net->context, "tcp:127.0.0.1:0", NULL);
    assert_int_equal(pit_network_machine_bound(listener, bound, sizeof bound), 0);
    int client = net->connect(net->context, bound, NULL);
    unsigned int milliseconds = 0;
    socklen_t bytes = sizeof milliseconds;
    net->limit(net->context, client, 1234);
    assert_int_equal(getsockopt(client, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, &bytes), 0);
    assert_int_equal(milliseconds, 1234);
    net->close(net->context, client);
    net->close(net->context, listener);
}

static void network_send_never_blocks_and_never_signals(void **state)
{
    (void)state;
    static char bytes[1 << 20];
    char peer[128];
    int listener = net->listen(net->context, unix_address, NULL);
    int client = net->connect(net->context, unix_address, NULL);
    int server = net->accept(net->context, listener, peer, sizeof peer);
    int64_t sent = 0;
    for (uint32_t round = 0; round < 1000 && sent >= 0; round++)
        sent = net->send(net->context, client, bytes, sizeof bytes);
    assert_int_equal(sent, -EAGAIN);
    net->shutdown(net->context, server);
    assert_true(net->send(net->context, client, bytes, 1) == -EPIPE);
    net->close(net->context, client);
    net->close(net->context, server);
    net->close(net->context, listener);
}

static void network_shutdown_ends_the_other_users_stream(void **state)
{
    (void)state;
    char peer[128], byte;
    int listener = net->listen(net->context, unix_address, NULL);
    int client = net->connect(net->context, unix_address, NULL);
    int server = net->accept(net->context, listener, peer, sizeof peer);
    assert_int_equal(net->receive(net->context, server, &byte, 1), -EAGAIN);
    net->shutdown(net->context, server);
    assert_int_equal(net->receive(net->context, server, &byte, 1), 0);
    assert_int_equal(net->receive(net->context, client, &byte, 1), 0);
    net->close(net->context, client);
    net->close(net->context, server);
    net->close(net->context, listener);
}

static void network_replaces_the_socket_file_of_a_dead_server(void **state)
{
    (void)state;
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, unix_path);
    assert_int_equal(bind(dead, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(dead, 1), 0);
    close(dead); /* as a kill would: the file stays */
    check_conversation(unix_address, "unix:");
}

static void network_refuses_the_address_of_a_live_server(void **state)
{
    (void)state;
    struct pit_error error = {0};
    char bound[64];
    int unix_live = net->listen(net->context, unix_address, NULL);
    assert_int_equal(net->listen(net->context, unix_address, &error), -EADDRINUSE);
    assert_non_null(strstr(error.text, unix_address));
    assert_non_null(strstr(error.text, "another process listens there"));
    int client = net->connect(net->context, unix_address, &error); /* and it still lives */
    assert_true(client >= 0);
    net->close(net->context, client);
    net->close(net->context, unix_live);

    int tcp_live = net->listen(net->context, "tcp:127.0.0.1:0", NULL);
    assert_int_equal(pit_network_machine_bound(tcp_live, bound, sizeof bound), 0);
    assert_int_equal(net->listen(net->context, bound, &error), -EADDRINUSE);
    net->close(net->context, tcp_live);
}

static void network_never_removes_a_file_that_is_no_socket(void **state)
{
    (void)state;
    struct pit_error error = {0};
    FILE *file = fopen(unix_path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(net->listen(net->context, unix_address, &error), -EADDRINUSE);
    struct stat status;
    assert_int_equal(stat(unix_path, &status), 0);
    assert_non_null(strstr(error.text, "a file is there"));
    assert_null(strstr(error.text, "another process"));
    unlink(unix_path);
}

static void network_says_what_stands_in_the_way(void **state)
{
    (void)state;
    struct pit_error error = {0};
    assert_int_equal(mkdir(unix_path, 0700), 0);
    assert_int_equal(net->listen(net->context, unix_address, &error), -EADDRINUSE);
    assert_non_null(strstr(error.text, "a directory is there"));
    assert_non_null(strstr(error.text, unix_path));
    rmdir(unix_path);
    assert_int_equal(symlink("nowhere", unix_path), 0);
    assert_int_equal(net->listen(net->context, unix_address, &error), -EADDRINUSE);
    assert_non_null(strstr(error.text, "a symbolic link is there"));
    unlink(unix_path);
}

static void network_says_where_nobody_listens(void **state)
{
    (void)state;
    struct pit_error error = {0};
    assert_int_equal(net->connect(net->context, unix_address, &error), -ENOENT);
    assert_non_null(strstr(error.text, "no server listens there"));
    char bound[64], byte;
    int listener = net->listen(net->context, "tcp:127.0.0.1:0", NULL);
    assert_int_equal(pit_network_machine_bound(listener, bound, sizeof bound), 0);
    net->close(net->context, listener);
    int64_t result = net->connect(net->context, bound, &error);
    if (result >= 0) { /* still connecting: the first receive that does not say "not now" tells */
        int handle = (int)result;
        do {
            result = net->receive(net->context, handle, &byte, 1);
        } while (result == -EAGAIN);
        net->close(net->context, handle);
    }
    assert_int_equal(result, -ECONNREFUSED);
}

static void network_refuses_bad_addresses(void **state)
{
    (void)state;
    char long_path[5 + 108 + 1] = "unix:"; /* one more than fits with the closing zero */
    memset(long_path + 5, 'x', 108);
    long_path[5 + 108] = 0;
    const char *const bad[] = {
        "",
        "127.0.0.1:7001",
        "tcp:",
        "tcp:127.0.0.1",
        "tcp:127.0.0.1:",
        "tcp:127.0.0.1:65536",
        "tcp:127.0.0.1:7o01",
        "tcp:127.0.0.1:-1",
        "tcp:127.0.0.1:070001",
        "tcp::7001",
        "tcp:[::1]",
        "tcp:[::1:7001",
        "tcp:::1:7001",
        "tcp:[127.0.0.1]:7001",
        "tcp:example.org:7001",
        "tcp:300.0.0.1:7001",
        "tcp:127.1:7001",
        "unix:",
        "udp:127.0.0.1:1",
        long_path,
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct pit_error error = {0};
        bool local = true;
        if (pit_network_address_local(bad[i], &local, &error) != -EINVAL)
            fail_msg("%s was taken for an address", bad[i]);
        assert_non_null(strstr(error.text, bad[i]));
        assert_true(local);
        assert_int_equal(net->listen(net->context, bad[i], &error), -EINVAL);
        assert_int_equal(net->connect(net->context, bad[i], &error), -EINVAL);
    }
    assert_int_equal(net->connect(net->context, "tcp:127.0.0.1:0", NULL), -EINVAL);
}

static void network_knows_local_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        bool local;
    } cases[] = {{"tcp:127.0.0.1:7001", true},  {"tcp:127.255.0.9:1", true},   {"tcp:localhost:7001", true},
                 {"tcp:[::1]:7001", true},      {"unix:/run/x.sock", true},    {"unix:x", true},
                 {"tcp:0.0.0.0:7001", false},   {"tcp:[::]:7001", false},      {"tcp:10.0.0.1:65535", false},
                 {"tcp:128.0.0.1:7001", false}, {"tcp:[fe80::1]:7001", false}, {"tcp:[::ffff:127.0.0.1]:1", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool local = !cases[i].local;
        assert_int_equal(pit_network_address_local(cases[i].address, &local, NULL), 0);
        assert_int_equal(local, cases[i].local);
    }
}

static void network_knows_hosts(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"tcp:127.0.0.1:7001", "tcp:localhost:9"},
                                           {"tcp:10.0.0.1:7001", "tcp:10.0.0.1:1"},
                                           {"tcp:[0:0::1]:7001", "tcp:[::1]:65535"},
                                           {"unix:", "unix:"},
                                           {"machine 3", "machine 3"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
            char one[64], other[64];
            pit_network_address_host(cases[i][0], one, sizeof one);
            pit_network_address_host(cases[k][1], other, sizeof other);
            assert_int_equal(strcmp(one, other) == 0, i == k);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(network_talks_over_tcp),
        TEST(network_talks_over_tcp_version_6),
        TEST(network_talks_over_unix_sockets),
        TEST(network_sends_small_messages_at_once),
        TEST(network_gives_up_what_is_not_acknowledged),
        TEST(network_send_never_blocks_and_never_signals),
        TEST(network_shutdown_ends_the_other_users_stream),
        TEST(network_replaces_the_socket_file_of_a_dead_server),
        TEST(network_refuses_the_address_of_a_live_server),
        TEST(network_never_removes_a_file_that_is_no_socket),
        TEST(network_says_what_stands_in_the_way),
        TEST(network_says_where_nobody_listens),
        TEST(network_refuses_bad_addresses),
        TEST(network_knows_local_addresses),
        TEST(network_knows_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
