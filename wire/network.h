/* wire/network.h - the network as the stages and the client see it: a table of functions, so that a simulation can
 * stand in for it. Stream sockets, non-blocking. Handles are small non-negative numbers.
 *
 * Addresses are text: "tcp:127.0.0.1:7001", "tcp:[::1]:7001", "unix:/run/pitline/demo.sock".
 */
#ifndef PIT_WIRE_NETWORK_H
#define PIT_WIRE_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pitline/error.h"

/* What poll reports of one handle. */
struct pit_network_ready {
    int handle;
    bool readable; /* or at its end, or broken: a read tells */
};

struct pit_network {
    void *context;
    /* A listening handle. backlog is the kernel's queue. */
    int (*listen)(void *context, const char *address, struct pit_error *error);
    /* A connection from a listening handle, or -EAGAIN. peer gets text for logs. */
    int (*accept)(void *context, int listener, char *peer, size_t peer_bytes);
    int (*connect)(void *context, const char *address, struct pit_error *error);
    /* Bytes moved; 0 from receive = end of stream; -EAGAIN = not now; other negative errno = broken. */
    int64_t (*receive)(void *context, int handle, void *bytes, size_t count);
    int64_t (*send)(void *context, int handle, const void *bytes, size_t count);
    void (*shutdown)(void *context, int handle); /* both ways: the other users of the handle meet the end of stream */
    void (*close)(void *context, int handle);
    /* Watch or forget a handle for poll (one set per poller, made by poller_create). */
    int (*poller_create)(void *context);
    int (*poller_add)(void *context, int poller, int handle);
    void (*poller_remove)(void *context, int poller, int handle);
    /* Waits at most timeout_ns (0 = just look); returns how many of ready[max] it filled. */
    int (*poll)(void *context, int poller, struct pit_network_ready *ready, int max, uint64_t timeout_ns);
};

const struct pit_network *pit_network_machine(void);

/* True for loopback TCP and Unix addresses: those that may be open without keys. Checks the form; error says what is
 * wrong with a bad one (then *local is untouched). */
int pit_network_address_local(const char *address, bool *local, struct pit_error *error);

#endif
