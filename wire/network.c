/* wire/network.c - the machine's own network: handles are file descriptors, pollers are epoll sets. */
#include "wire/network.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "wire/address.h"

#define BACKLOG 1024
#define EVENTS_MAX 256 /* of one look at a poller */

static int refused(struct pit_error *error, const char *address, const char *what, int number)
{
    return pit_error_set(error, -number, "address \"%s\": %s: %s", address, what, strerror(number));
}

static int open_socket(const struct pit_address *address)
{
    int family = address->any.sa_family;
    int handle = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (handle < 0)
        return -errno;
    int on = 1;
    if (family != AF_UNIX)
        setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return handle;
}

/* The socket file exists. True when no server listens on it any more and it has been removed. */
static bool stale_removed(const struct pit_address *address)
{
    struct stat status;
    if (lstat(address->local.sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return false;
    int probe = open_socket(address);
    if (probe < 0)
        return false;
    bool stale = connect(probe, &address->any, address->bytes) < 0 && errno == ECONNREFUSED;
    close(probe);
    return stale && unlink(address->local.sun_path) == 0;
}

/* What stands at a Unix address that is no socket; NULL where it is one, or nothing. */
static const char *obstacle(const struct pit_address *address)
{
    struct stat status;
    if (address->any.sa_family != AF_UNIX || lstat(address->local.sun_path, &status) < 0 || S_ISSOCK(status.st_mode))
        return NULL;
    return S_ISDIR(status.st_mode)   ? "a directory"
           : S_ISLNK(status.st_mode) ? "a symbolic link"
           : S_ISREG(status.st_mode) ? "a file"
                                     : "something that is no socket";
}

static int bind_failed(struct pit_error *error, const struct pit_address *address, const char *text, int number)
{
    const char *hint = "", *there = number == EADDRINUSE ? obstacle(address) : NULL;
    if (there)
        return pit_error_set(error, -number,
                             "address \"%s\": bind: %s is there, and no socket: move it away or choose another path",
                             text, there);
    if (number == EADDRINUSE)
        hint = ": another process listens there: stop it or choose another address";
    else if (number == ENOENT)
        hint = ": make its directory first";
    else if (number == EACCES)
        hint = ": this user may not: choose another port or path";
    return pit_error_set(error, -number, "address \"%s\": bind: %s%s", text, strerror(number), hint);
}

static int machine_listen(void *context, const char *text, struct pit_error *error)
{
    (void)context;
    struct pit_address address;
    int result = pit_address_parse(&address, text, error);
    if (result < 0)
        return result;
    int handle = open_socket(&address);
    if (handle < 0)
        return refused(error, text, "socket", -handle);
    int on = 1;
    if (address.any.sa_family != AF_UNIX)
        setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address.any.sa_family == AF_INET6)
        setsockopt(handle, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    int bound = bind(handle, &address.any, address.bytes);
    if (bound < 0 && errno == EADDRINUSE && address.any.sa_family == AF_UNIX) {
        if (stale_removed(&address))
            bound = bind(handle, &address.any, address.bytes);
        else
            errno = EADDRINUSE;
    }
    if (bound < 0)
        result = bind_failed(error, &address, text, errno);
    else if (listen(handle, BACKLOG) < 0)
        result = refused(error, text, "listen", errno);
    if (result < 0)
        close(handle);
    return result < 0 ? result : handle;
}

static int machine_accept(void *context, int listener, char *peer, size_t peer_bytes)
{
    (void)context;
    struct pit_address address;
    int handle;
    do { /* a connection that was gone again before it was taken does not count */
        address.bytes = sizeof address.local;
        handle = accept4(listener, &address.any, &address.bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (handle < 0 && (errno == ECONNABORTED || errno == EINTR));
    if (handle < 0)
        return -errno;
    int on = 1;
    if (address.any.sa_family != AF_UNIX)
        setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    pit_address_format(&address, peer, peer_bytes);
    return handle;
}

static int machine_connect(void *context, const char *text, struct pit_error *error)
{
    (void)context;
    struct pit_address address;
    int result = pit_address_parse(&address, text, error);
    if (result < 0)
        return result;
    if (pit_address_port(&address) == 0)
        return pit_error_set(error, -EINVAL, "address \"%s\": the port must be 1 .. 65535 to connect to", text);
    int handle = open_socket(&address);
    if (handle < 0)
        return refused(error, text, "socket", -handle);
    if (connect(handle, &address.any, address.bytes) < 0 && errno != EINPROGRESS && errno != EINTR) {
        result = pit_error_set(error, -errno, "address \"%s\": connect: %s%s", text, strerror(errno),
                               errno == ECONNREFUSED || errno == ENOENT ? ": no server listens there" : "");
        close(handle);
        return result;
    }
    return handle;
}

static int64_t machine_receive(void *context, int handle, void *bytes, size_t count)
{
    (void)context;
    ssize_t moved;
    do {
        moved = recv(handle, bytes, count, 0);
    } while (moved < 0 && errno == EINTR);
    return moved < 0 ? -errno : moved;
}

static int64_t machine_send(void *context, int handle, const void *bytes, size_t count)
{
    (void)context;
    ssize_t moved;
    do { /* a peer that is gone is an error to report, not a signal */
        moved = send(handle, bytes, count, MSG_NOSIGNAL);
    } while (moved < 0 && errno == EINTR);
    return moved < 0 ? -errno : moved;
}

/* Of a Unix socket nothing is ever unacknowledged. */
static void machine_limit(void *context, int handle, uint32_t milliseconds)
{
    (void)context;
    setsockopt(handle, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds);
}

static void machine_shutdown(void *context, int handle)
{
    (void)context;
    shutdown(handle, SHUT_RDWR);
}

/* The socket file of a listener goes with it. */
static void unlink_listener(int handle)
{
    struct pit_address address;
    int listening = 0;
    socklen_t bytes = sizeof listening;
    if (getsockopt(handle, SOL_SOCKET, SO_ACCEPTCONN, &listening, &bytes) < 0 || !listening)
        return;
    memset(&address, 0, sizeof address);
    address.bytes = sizeof address.local;
    if (getsockname(handle, &address.any, &address.bytes) == 0 && address.any.sa_family == AF_UNIX &&
        address.local.sun_path[0])
        unlink(address.local.sun_path);
}

static void machine_close(void *context, int handle)
{
    (void)context;
    unlink_listener(handle);
    close(handle);
}

static int machine_poller_create(void *context)
{
    (void)context;
    int poller = epoll_create1(EPOLL_CLOEXEC);
    return poller < 0 ? -errno : poller;
}

static int machine_poller_add(void *context, int poller, int handle)
{
    (void)context;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = handle};
    return epoll_ctl(poller, EPOLL_CTL_ADD, handle, &event) < 0 ? -errno : 0;
}

static void machine_poller_remove(void *context, int poller, int handle)
{
    (void)context;
    epoll_ctl(poller, EPOLL_CTL_DEL, handle, NULL);
}

/* To the nanosecond where the kernel can, else to the millisecond above. */
static int wait_events(int poller, struct epoll_event *events, int max, uint64_t timeout_ns)
{
    if (timeout_ns) {
        struct timespec timeout = {(time_t)(timeout_ns / UINT64_C(1000000000)), (long)(timeout_ns % 1000000000)};
        int count = epoll_pwait2(poller, events, max, &timeout, NULL);
        if (count >= 0 || errno != ENOSYS)
            return count;
    }
    uint64_t timeout_ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    return epoll_wait(poller, events, max, timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms);
}

static int machine_poll(void *context, int poller, struct pit_network_ready *ready, int max, uint64_t timeout_ns)
{
    (void)context;
    struct epoll_event events[EVENTS_MAX];
    int count = wait_events(poller, events, max < EVENTS_MAX ? max : EVENTS_MAX, timeout_ns);
    if (count < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++)
        ready[i] = (struct pit_network_ready){.handle = events[i].data.fd, .readable = true};
    return count;
}

const struct pit_network *pit_network_machine(void)
{
    static const struct pit_network machine = {
        .listen = machine_listen,
        .accept = machine_accept,
        .connect = machine_connect,
        .receive = machine_receive,
        .send = machine_send,
        .limit = machine_limit,
        .shutdown = machine_shutdown,
        .close = machine_close,
        .poller_create = machine_poller_create,
        .poller_add = machine_poller_add,
        .poller_remove = machine_poller_remove,
        .poll = machine_poll,
    };
    return &machine;
}

int pit_network_machine_bound(int handle, char *text, size_t bytes)
{
    struct pit_address address;
    memset(&address, 0, sizeof address);
    address.bytes = sizeof address.local;
    if (getsockname(handle, &address.any, &address.bytes) < 0)
        return -errno;
    pit_address_format(&address, text, bytes);
    return 0;
}
