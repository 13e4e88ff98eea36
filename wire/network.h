/* wire/network.h - the network as the stages and the client see it: a table of functions, so that a simulation can
 * stand in for it. Stream sockets, non-blocking. Handles are small non-negative numbers.
 *
 * Addresses are text: "tcp:127.0.0.1:7001", "tcp:[::1]:7001", "tcp:localhost:7001" (127.0.0.1),
 * "unix:/run/pitline/demo.sock". Hosts are numbers: nothing here asks a name server. Port 0 listens on any free port.
 *
 * Thread rules of the machine's network: different threads may use different handles; receive and send of one handle
 * may be two threads; close comes last. A poller belongs to one thread.
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
    /* A listening handle, or a negative errno. The socket file of a dead server is replaced, that of a live one is
     * refused (-EADDRINUSE). Closing the handle removes the file. */
    int (*listen)(void *context, const char *address, struct pit_error *error);
    /* A connection from a listening handle, or -EAGAIN. peer gets text for logs. */
    int (*accept)(void *context, int listener, char *peer, size_t peer_bytes);
    /* A handle at once, or a negative errno. It may still be connecting: receive and send say -EAGAIN until it is done
     * and the errno if it fails. */
    int (*connect)(void *context, const char *address, struct pit_error *error);
    /* Bytes moved; 0 from receive = end of stream; -EAGAIN = not now; other negative errno = broken. */
    int64_t (*receive)(void *context, int handle, void *bytes, size_t count);
    int64_t (*send)(void *context, int handle, const void *bytes, size_t count);
    /* A connection breaks when the other side has not acknowledged for so long what was sent. Without this the kernel
     * goes on for a quarter of an hour, trying ever more seldom: after a cut of a minute, a minute goes by before it
     * notices that it is over. NULL: this network has no such thing. */
    void (*limit)(void *context, int handle, uint32_t milliseconds);
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

/* Where a machine handle is bound, as an address: tells the port where 0 was asked for. 0, or a negative errno. */
int pit_network_machine_bound(int handle, char *address, size_t bytes);

/* True for loopback TCP and Unix addresses: those that may be open without keys. Checks the form; error says what is
 * wrong with a bad one (then *local is untouched). */
int pit_network_address_local(const char *address, bool *local, struct pit_error *error);

/* An address, or what accept says of a connection, without its port: equal for all of one host. Of what is no TCP
 * address the text as it is. */
void pit_network_address_host(const char *address, char *host, size_t host_bytes);

#endif
