/* test/stages/fake_network.h - stream sockets in memory, driven by the test. One thread.
 *
 * The stages use the table; the test plays the clients with the functions below. Handles are never used twice.
 */
#ifndef PIT_TEST_FAKE_NETWORK_H
#define PIT_TEST_FAKE_NETWORK_H

#include "wire/message.h"
#include "wire/network.h"

#define FAKE_HANDLES 512
#define FAKE_LISTENERS 8

/* One direction of a connection. */
struct fake_pipe {
    uint8_t *bytes;
    size_t read, write, room;
};

struct fake_handle {
    bool listener;
    bool used;
    bool waiting;  /* connected, not accepted yet */
    bool finished; /* the client sends no more */
    bool broken;   /* sending to the client fails */
    bool shut;     /* the server shut it down */
    bool closed;   /* the server closed it */
    int of;        /* the listener */
    int host;      /* 1 .. 255: the client's; 0 = one of its own */
    int watchers;  /* pollers it is in */
    size_t takes;  /* bytes that the client's side takes before send says -EAGAIN */
    struct fake_pipe to_server, to_client;
};

struct fake_network {
    struct pit_network table;
    struct fake_handle handles[FAKE_HANDLES];
    int next;
    int fail_listen; /* errno that listen returns, 0 = none */
    int fail_accept; /* likewise, while a connection waits */
    int accepts;     /* how often it was asked */
    struct pit_decoder *decoder;
};

struct fake_network *fake_network_create(void);
void fake_network_destroy(struct fake_network *fake);

/* A client connects to the listener opened first; returns the handle of the connection. */
int fake_connect(struct fake_network *fake);

void fake_write(struct fake_network *fake, int handle, const void *bytes, size_t count);
void fake_send(struct fake_network *fake, int handle, const struct pit_message *message);
void fake_finish(struct fake_network *fake, int handle);

/* The next message the server sent; false when there is no whole one. Reports cannot be decoded by
 * pit_message_decode's client side alone: both ways speak the same format. */
bool fake_receive(struct fake_network *fake, int handle, struct pit_message *message);

/* Bytes sent by the server and not yet taken with fake_receive. */
size_t fake_unread(const struct fake_network *fake, int handle);

#endif
