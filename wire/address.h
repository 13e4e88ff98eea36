/* wire/address.h - the text of an address into what the kernel wants. Pure functions, any thread. */
#ifndef PIT_WIRE_ADDRESS_H
#define PIT_WIRE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "pitline/error.h"

struct pit_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    };
    socklen_t bytes;
};

/* 0; -EINVAL: not an address, error says what is wrong and shows good ones. */
int pit_address_parse(struct pit_address *address, const char *text, struct pit_error *error);

/* True for loopback TCP and for Unix sockets. */
bool pit_address_local(const struct pit_address *address);

/* The port of a TCP address, or -1. */
int32_t pit_address_port(const struct pit_address *address);

/* The other way: "tcp:127.0.0.1:7001". An unnamed Unix socket (a client's) gives "unix:". */
void pit_address_format(const struct pit_address *address, char *text, size_t bytes);

#endif
