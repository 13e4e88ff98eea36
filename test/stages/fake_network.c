/* test/stages/fake_network.c - see fake_network.h. */
#include "fake_network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ring/check.h"

static void pipe_put(struct fake_pipe *pipe, const void *bytes, size_t count)
{
    if (pipe->write + count > pipe->room) {
        pipe->room = (pipe->write + count) * 2;
        pipe->bytes = realloc(pipe->bytes, pipe->room);
        PIT_CHECK(pipe->bytes);
    }
    if (count)
        memcpy(pipe->bytes + pipe->write, bytes, count);
    pipe->write += count;
}

static struct fake_handle *at(struct fake_network *fake, int handle)
{
    PIT_CHECK(handle > 0 && handle < FAKE_HANDLES && fake->handles[handle].used && !fake->handles[handle].closed);
    return &fake->handles[handle];
}

static int new_handle(struct fake_network *fake)
{
    PIT_CHECK(fake->next < FAKE_HANDLES);
    int handle = fake->next++;
    fake->handles[handle] = (struct fake_handle){.used = true, .takes = SIZE_MAX};
    return handle;
}

static int fake_listen(void *context, const char *address, struct pit_error *error)
{
    struct fake_network *fake = context;
    if (fake->fail_listen)
        return pit_error_set(error, -fake->fail_listen, "%s: told to fail", address);
    int handle = new_handle(fake);
    fake->handles[handle].listener = true;
    return handle;
}

static int fake_accept(void *context, int listener, char *peer, size_t peer_bytes)
{
    struct fake_network *fake = context;
    at(fake, listener);
    fake->accepts++;
    for (int i = 1; i < fake->next; i++) {
        if (fake->handles[i].waiting && fake->handles[i].of == listener) {
            if (fake->fail_accept)
                return -fake->fail_accept;
            fake->handles[i].waiting = false;
            if (fake->handles[i].host)
                snprintf(peer, peer_bytes, "tcp:10.0.0.%d:%d", fake->handles[i].host, 1000 + i);
            else
                snprintf(peer, peer_bytes, "client %d", i);
            return i;
        }
    }
    return -EAGAIN;
}

static int fake_connect_out(void *context, const char *address, struct pit_error *error)
{
    (void)context;
    return pit_error_set(error, -EOPNOTSUPP, "%s: stages do not connect", address);
}

static int64_t fake_receive_bytes(void *context, int handle, void *bytes, size_t count)
{
    struct fake_network *fake = context;
    struct fake_handle *connection = at(fake, handle);
    struct fake_pipe *pipe = &connection->to_server;
    PIT_CHECK(count > 0);
    size_t left = pipe->write - pipe->read;
    if (left == 0)
        return connection->shut || connection->finished ? 0 : -EAGAIN;
    if (left > count)
        left = count;
    memcpy(bytes, pipe->bytes + pipe->read, left);
    pipe->read += left;
    return (int64_t)left;
}

static int64_t fake_send_bytes(void *context, int handle, const void *bytes, size_t count)
{
    struct fake_network *fake = context;
    struct fake_handle *connection = at(fake, handle);
    if (connection->broken || connection->shut)
        return -EPIPE;
    if (connection->takes == 0)
        return -EAGAIN;
    size_t moved = count < connection->takes ? count : connection->takes;
    if (connection->takes != SIZE_MAX)
        connection->takes -= moved;
    pipe_put(&connection->to_client, bytes, moved);
    return (int64_t)moved;
}

static void fake_shutdown(void *context, int handle)
{
    at(context, handle)->shut = true;
}

static void fake_close(void *context, int handle)
{
    at(context, handle)->closed = true;
}

/* A poller is a handle; watchers of a connection are kept as bits. */
static int fake_poller_create(void *context)
{
    return new_handle(context);
}

static int fake_poller_add(void *context, int poller, int handle)
{
    struct fake_network *fake = context;
    PIT_CHECK(poller < 31 && !(at(fake, handle)->watchers & (1 << poller)));
    at(fake, handle)->watchers |= 1 << poller;
    return 0;
}

static void fake_poller_remove(void *context, int poller, int handle)
{
    struct fake_network *fake = context;
    PIT_CHECK(at(fake, handle)->watchers & (1 << poller));
    at(fake, handle)->watchers &= ~(1 << poller);
}

static bool readable(struct fake_network *fake, int handle)
{
    const struct fake_handle *it = &fake->handles[handle];
    if (!it->listener)
        return it->to_server.write > it->to_server.read || it->finished || it->shut;
    for (int i = 1; i < fake->next; i++)
        if (fake->handles[i].waiting && fake->handles[i].of == handle)
            return true;
    return false;
}

static int fake_poll(void *context, int poller, struct pit_network_ready *ready, int max, uint64_t timeout_ns)
{
    struct fake_network *fake = context;
    int count = 0;
    (void)timeout_ns; /* time does not pass here */
    at(fake, poller);
    for (int i = 1; i < fake->next && count < max; i++)
        if (!fake->handles[i].closed && (fake->handles[i].watchers & (1 << poller)) && readable(fake, i))
            ready[count++] = (struct pit_network_ready){.handle = i, .readable = true};
    return count;
}

struct fake_network *fake_network_create(void)
{
    struct fake_network *fake = calloc(1, sizeof *fake);
    PIT_CHECK(fake);
    fake->next = 1;
    fake->decoder = pit_decoder_create();
    PIT_CHECK(fake->decoder);
    fake->table = (struct pit_network){
        .context = fake,
        .listen = fake_listen,
        .accept = fake_accept,
        .connect = fake_connect_out,
        .receive = fake_receive_bytes,
        .send = fake_send_bytes,
        .shutdown = fake_shutdown,
        .close = fake_close,
        .poller_create = fake_poller_create,
        .poller_add = fake_poller_add,
        .poller_remove = fake_poller_remove,
        .poll = fake_poll,
    };
    return fake;
}

void fake_network_destroy(struct fake_network *fake)
{
    for (int i = 0; i < fake->next; i++) {
        free(fake->handles[i].to_server.bytes);
        free(fake->handles[i].to_client.bytes);
    }
    pit_decoder_destroy(fake->decoder);
    free(fake);
}

int fake_connect(struct fake_network *fake)
{
    int listener = 0;
    for (int i = fake->next - 1; i > 0; i--)
        if (fake->handles[i].listener)
            listener = i;
    int handle = new_handle(fake);
    fake->handles[handle].waiting = true;
    fake->handles[handle].of = listener;
    return handle;
}

void fake_write(struct fake_network *fake, int handle, const void *bytes, size_t count)
{
    pipe_put(&fake->handles[handle].to_server, bytes, count);
}

void fake_send(struct fake_network *fake, int handle, const struct pit_message *message)
{
    uint8_t frame[PIT_WIRE_FRAME_BYTES_MAX];
    size_t count = pit_message_encode(message, frame, sizeof frame);
    PIT_CHECK(count);
    fake_write(fake, handle, frame, count);
}

void fake_finish(struct fake_network *fake, int handle)
{
    fake->handles[handle].finished = true;
}

bool fake_receive(struct fake_network *fake, int handle, struct pit_message *message)
{
    struct fake_pipe *pipe = &fake->handles[handle].to_client;
    struct pit_error error;
    if (pipe->read == pipe->write)
        return false;
    int64_t size = pit_frame_find(pipe->bytes + pipe->read, pipe->write - pipe->read);
    PIT_CHECK(size >= 0);
    if (size == 0)
        return false;
    PIT_CHECK(pit_message_decode(fake->decoder, pipe->bytes + pipe->read, (size_t)size, message, &error) == 0);
    pipe->read += (size_t)size;
    return true;
}

size_t fake_unread(const struct fake_network *fake, int handle)
{
    return fake->handles[handle].to_client.write - fake->handles[handle].to_client.read;
}
