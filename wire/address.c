/* wire/address.c - "tcp:HOST:PORT", "tcp:[V6HOST]:PORT", "unix:PATH". */
#include "wire/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "wire/network.h"

#define EXAMPLES "write tcp:127.0.0.1:7400, tcp:[::1]:7400 or unix:/run/pitline/NAME.sock"

/* 0 .. 65535, or -1. */
static int32_t port_parse(const char *text)
{
    int32_t port = 0;
    if (!*text || strlen(text) > 5)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        port = port * 10 + (*text - '0');
    }
    return port <= UINT16_MAX ? port : -1;
}

static int parse_tcp(struct pit_address *address, const char *text, const char *all, struct pit_error *error)
{
    char host[64];
    bool bracketed = *text == '[';
    const char *start = bracketed ? text + 1 : text;
    const char *end = bracketed ? strstr(start, "]:") : strrchr(start, ':');
    if (!end)
        return pit_error_set(error, -EINVAL, "address \"%s\": no port: " EXAMPLES, all);
    size_t host_bytes = (size_t)(end - start);
    int32_t port = port_parse(end + (bracketed ? 2 : 1));
    if (port < 0)
        return pit_error_set(error, -EINVAL, "address \"%s\": the port is not a number 0 .. 65535", all);
    if (host_bytes == 0 || host_bytes >= sizeof host)
        return pit_error_set(error, -EINVAL, "address \"%s\": no host: " EXAMPLES, all);
    memcpy(host, start, host_bytes);
    host[host_bytes] = 0;
    if (bracketed) {
        address->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
        address->bytes = sizeof address->v6;
        if (inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1)
            return 0;
    } else {
        address->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        address->bytes = sizeof address->v4;
        if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &address->v4.sin_addr) == 1)
            return 0;
    }
    return pit_error_set(error, -EINVAL, "address \"%s\": the host is not an IP address in numbers: " EXAMPLES, all);
}

int pit_address_parse(struct pit_address *address, const char *text, struct pit_error *error)
{
    *address = (struct pit_address){0};
    if (strncmp(text, "tcp:", 4) == 0)
        return parse_tcp(address, text + 4, text, error);
    if (strncmp(text, "unix:", 5) != 0)
        return pit_error_set(error, -EINVAL, "address \"%s\": neither tcp nor unix: " EXAMPLES, text);
    const char *path = text + 5;
    size_t bytes = strlen(path);
    if (bytes == 0 || bytes >= sizeof address->local.sun_path)
        return pit_error_set(error, -EINVAL, "address \"%s\": the path has %zu characters, must have 1 .. %zu", text,
                             bytes, sizeof address->local.sun_path - 1);
    address->local.sun_family = AF_UNIX;
    memcpy(address->local.sun_path, path, bytes + 1);
    address->bytes = sizeof address->local;
    return 0;
}

bool pit_address_local(const struct pit_address *address)
{
    switch (address->any.sa_family) {
    case AF_INET:
        return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
    case AF_INET6:
        return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
    default:
        return address->any.sa_family == AF_UNIX;
    }
}

int32_t pit_address_port(const struct pit_address *address)
{
    switch (address->any.sa_family) {
    case AF_INET:
        return ntohs(address->v4.sin_port);
    case AF_INET6:
        return ntohs(address->v6.sin6_port);
    default:
        return -1;
    }
}

void pit_address_format(const struct pit_address *address, char *text, size_t bytes)
{
    char host[INET6_ADDRSTRLEN] = "?";
    switch (address->any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof host);
        snprintf(text, bytes, "tcp:%s:%d", host, pit_address_port(address));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof host);
        snprintf(text, bytes, "tcp:[%s]:%d", host, pit_address_port(address));
        break;
    case AF_UNIX:
        /* The kernel says how much of the path it filled in: nothing for a socket that was never bound. */
        snprintf(text, bytes, "unix:%.*s",
                 address->bytes > sizeof(sa_family_t) ? (int)(address->bytes - sizeof(sa_family_t)) : 0,
                 address->local.sun_path);
        break;
    default:
        snprintf(text, bytes, "?");
    }
}

void pit_network_address_host(const char *address, char *host, size_t host_bytes)
{
    struct pit_address parsed;
    if (pit_address_parse(&parsed, address, NULL) != 0 || pit_address_port(&parsed) < 0) {
        snprintf(host, host_bytes, "%s", address);
        return;
    }
    if (parsed.any.sa_family == AF_INET)
        parsed.v4.sin_port = 0;
    else
        parsed.v6.sin6_port = 0;
    pit_address_format(&parsed, host, host_bytes);
}

int pit_network_address_local(const char *address, bool *local, struct pit_error *error)
{
    struct pit_address parsed;
    int result = pit_address_parse(&parsed, address, error);
    if (result == 0)
        *local = pit_address_local(&parsed);
    return result;
}
