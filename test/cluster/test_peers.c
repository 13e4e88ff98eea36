/* test/cluster/test_peers.c - the links between nodes, over real sockets: messages get through to those who have the
 * key, and whatever else comes costs a counter. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "test/journal/fixture.h"

#include "ring/check.h"
#include "stages/peers.h"

#define NODES 3u

struct seat {
    struct pit_peers *peers;
    uint64_t received[NODES + 1]; /* messages from each */
    uint64_t bytes[NODES + 1];
    uint64_t last[NODES + 1]; /* first word of the last one */
    bool rising;              /* that word was always higher than the one before */
    uint64_t lost[NODES + 1]; /* connections from each */
};

static char directory[256];
static char addresses[NODES + 1][300];
static struct seat seats[NODES + 1];
static uint64_t random_state;
static uint64_t ahead_ns; /* of the clock */

static const uint8_t key[32] = "a key that nobody else has, 32 b";
static const uint8_t other_key[32] = "a key that somebody else has, 32";

static int random_bytes(void *argument, void *bytes, size_t count)
{
    (void)argument;
    for (size_t i = 0; i < count; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)(fixture_random(&random_state) >> 20);
    return 0;
}

static uint64_t monotonic_ns(void *context)
{
    (void)context;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec + ahead_ns;
}

static void received(void *argument, uint32_t from, const void *bytes, size_t count)
{
    struct seat *seat = argument;
    uint64_t word;
    assert_true(count >= sizeof word);
    memcpy(&word, bytes, sizeof word);
    for (size_t at = 8; at < count; at++)
        assert_int_equal(((const uint8_t *)bytes)[at], (uint8_t)(word + at));
    seat->rising = seat->rising && word > seat->last[from];
    seat->last[from] = word;
    seat->received[from]++;
    seat->bytes[from] += count;
}

static void lost(void *argument, uint32_t from)
{
    struct seat *seat = argument;
    seat->lost[from]++;
}

static struct pit_peers_options options(uint32_t node)
{
    struct pit_peers_options options = {
        .node = node,
        .nodes = NODES,
        .cluster = "cluster of tests",
        .key = key,
        .key_bytes = sizeof key,
        .queue_bytes = PIT_PEERS_QUEUE_BYTES_MIN,
        .reconnect_ms = 1,
        .prove_ms = 60000,
        .stall_ms = 60000,
        .network = pit_network_machine(),
        .clock = {.monotonic_ns = monotonic_ns},
        .random = random_bytes,
        .received = received,
        .received_argument = &seats[node],
        .lost = lost,
        .lost_argument = &seats[node],
    };
    for (uint32_t i = 1; i <= NODES; i++)
        options.addresses[i] = addresses[i];
    return options;
}

static void sit(uint32_t node, const struct pit_peers_options *how)
{
    struct pit_error error;
    seats[node] = (struct seat){.rising = true};
    if (pit_peers_open(&seats[node].peers, how, &error) != 0)
        fail_msg("%s", error.text);
}

static void leave(uint32_t node)
{
    pit_peers_close(seats[node].peers);
    seats[node].peers = NULL;
}

static void turn(void)
{
    uint32_t done = 0;
    for (uint32_t node = 1; node <= NODES; node++)
        done += seats[node].peers ? pit_peers_work(seats[node].peers) : 0;
    if (done == 0)
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

#define UNTIL(condition)                                                                                               \
    do {                                                                                                               \
        for (int turns = 0; !(condition); turns++) {                                                                   \
            if (turns == 100000)                                                                                       \
                fail_msg("never: %s", #condition);                                                                     \
            turn();                                                                                                    \
        }                                                                                                              \
    } while (0)

static bool say(uint32_t from, uint32_t to, uint64_t word, size_t bytes)
{
    static uint8_t text[PIT_CONSENSUS_MESSAGE_BYTES_MAX];
    memcpy(text, &word, sizeof word);
    for (size_t at = 8; at < bytes; at++)
        text[at] = (uint8_t)(word + at);
    struct iovec pieces[2] = {{text, bytes / 2}, {text + bytes / 2, bytes - bytes / 2}};
    struct pit_consensus_network network = pit_peers_network(seats[from].peers);
    return network.send(network.context, to, pieces, 2, bytes);
}

static bool all_reach(void)
{
    for (uint32_t a = 1; a <= NODES; a++)
        for (uint32_t b = 1; b <= NODES; b++)
            if (a != b && (!seats[a].peers || !pit_peers_reaches(seats[a].peers, b)))
                return false;
    return true;
}

static int set_up(void **state)
{
    (void)state;
    random_state = fixture_seed() | 1;
    ahead_ns = 0;
    memset(seats, 0, sizeof seats);
    fixture_directory_make(directory);
    for (uint32_t node = 1; node <= NODES; node++)
        snprintf(addresses[node], sizeof addresses[node], "unix:%s/%u", directory, node);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (uint32_t node = 1; node <= NODES; node++)
        if (seats[node].peers)
            leave(node);
    fixture_directory_remove(directory);
    return 0;
}

static void sit_all(void)
{
    for (uint32_t node = 1; node <= NODES; node++) {
        struct pit_peers_options how = options(node);
        sit(node, &how);
    }
    UNTIL(all_reach());
}

static void messages_of_all_sizes_get_through_in_order(void **state)
{
    (void)state;
    sit_all();
    uint64_t word = 0, bytes = 0, count = 0;
    for (int i = 0; i < 300; i++) {
        size_t size = i % 100 == 99 ? PIT_CONSENSUS_MESSAGE_BYTES_MAX : 8 + fixture_random(&random_state) % 5000;
        if (say(1, 2, ++word, size)) {
            bytes += size;
            count++;
        }
        if (i % 3 == 0)
            turn();
    }
    say(2, 1, ++word, 100);
    say(3, 1, ++word, 100);
    UNTIL(seats[2].received[1] == count && seats[1].received[2] == 1 && seats[1].received[3] == 1);
    assert_int_equal(seats[2].bytes[1], bytes);
    assert_true(seats[2].rising && count > 100);
    assert_int_equal(pit_peers_counters(seats[2].peers).bad_frames, 0);
}

static void a_full_queue_loses_messages_and_nothing_else(void **state)
{
    (void)state;
    sit_all();
    uint64_t word = 0, taken = 0;
    while (say(1, 2, ++word, 1 << 20))
        taken++;
    assert_true(taken >= 4 && taken < 100);
    assert_int_equal(pit_peers_counters(seats[1].peers).lost, 1);
    UNTIL(seats[2].received[1] == taken);
    assert_true(say(1, 2, ++word, 1 << 20));
    UNTIL(seats[2].received[1] == taken + 1);
}

static void a_node_that_comes_back_is_reached_again(void **state)
{
    (void)state;
    sit_all();
    for (uint64_t round = 1; round <= 3; round++) {
        leave(2);
        UNTIL(!pit_peers_reaches(seats[1].peers, 2) && !pit_peers_reaches(seats[3].peers, 2));
        assert_false(say(1, 2, round, 100));
        struct pit_peers_options how = options(2);
        sit(2, &how);
        UNTIL(all_reach());
        assert_true(say(1, 2, round, 100));
        UNTIL(seats[2].received[1] == 1);
        assert_int_equal(seats[2].last[1], round);
    }
}

static void that_a_node_has_ended_is_told_after_what_it_said(void **state)
{
    (void)state;
    sit_all();
    assert_true(say(2, 1, 1, 100) && say(2, 3, 1, 100));
    UNTIL(seats[1].received[2] == 1 && seats[3].received[2] == 1);
    uint64_t said = 1;
    while (say(2, 1, said + 1, 100000) && said < 20)
        said++;
    leave(2); /* what it has sent may be cut short, never what comes before */
    UNTIL(seats[1].lost[2] == 1 && seats[3].lost[2] == 1);
    uint64_t heard = seats[1].received[2];
    assert_in_range(heard, 1, said);
    struct pit_peers_options how = options(2);
    sit(2, &how);
    UNTIL(all_reach());
    assert_true(say(2, 1, said + 1, 100));
    UNTIL(seats[1].received[2] == heard + 1);
    assert_true(seats[1].rising);
    assert_int_equal(seats[1].lost[2], 1);
    assert_int_equal(seats[1].lost[3] + seats[3].lost[1] + seats[2].lost[1] + seats[2].lost[3], 0);
}

static void who_has_another_key_or_cluster_is_nobody(void **state)
{
    (void)state;
    for (uint32_t node = 1; node <= NODES; node++) {
        struct pit_peers_options how = options(node);
        if (node == 2)
            how.key = other_key;
        if (node == 3)
            how.cluster[0] ^= 1;
        sit(node, &how);
    }
    /* 1 and 2 meet, and find that they do not know each other; 3 is not even answered. */
    UNTIL(pit_peers_counters(seats[1].peers).impostors > 3 && pit_peers_counters(seats[2].peers).impostors > 3 &&
          pit_peers_counters(seats[1].peers).strangers > 3 && pit_peers_counters(seats[3].peers).strangers > 3);
    for (uint32_t node = 1; node <= NODES; node++) {
        struct pit_peers_counters counters = pit_peers_counters(seats[node].peers);
        assert_int_equal(counters.accepted, 0);
        assert_int_equal(counters.connected, 0);
        assert_int_equal(counters.received, 0);
    }
}

/* Plays a node against node 1 by hand. */

struct raw {
    int handle;
    struct pit_peer_hello hello;
    uint8_t proof[PIT_PEER_PROOF_BYTES];
};

static void raw_write(const struct raw *raw, const void *bytes, size_t count)
{
    const struct pit_network *network = pit_network_machine();
    for (size_t at = 0; at < count; turn()) {
        int64_t moved = network->send(NULL, raw->handle, (const uint8_t *)bytes + at, count - at);
        if (moved < 0 && moved != -EAGAIN)
            return; /* hung up on */
        at += moved > 0 ? (size_t)moved : 0;
    }
}

static struct raw raw_connect(uint32_t as)
{
    struct pit_error error;
    struct raw raw = {.hello = {.magic = PIT_PEER_HELLO_MAGIC, .version = PIT_PEER_VERSION, .from = as, .to = 1}};
    memcpy(raw.hello.cluster, options(1).cluster, sizeof raw.hello.cluster);
    random_bytes(NULL, raw.hello.nonce, sizeof raw.hello.nonce);
    raw.handle = pit_network_machine()->connect(NULL, addresses[1], &error);
    assert_true(raw.handle >= 0);
    return raw;
}

/* Reads the challenge and knows the proof. False: it was hung up on. */
static bool raw_learn(struct raw *raw)
{
    struct pit_peer_challenge challenge;
    size_t filled = 0;
    while (filled < sizeof challenge) {
        int64_t got = pit_network_machine()->receive(NULL, raw->handle, (uint8_t *)&challenge + filled,
                                                     sizeof challenge - filled);
        if (got == 0 || (got < 0 && got != -EAGAIN))
            return false;
        filled += got > 0 ? (size_t)got : 0;
        turn();
    }
    pit_peer_prove(key, sizeof key, PIT_PEER_CONNECTS, &raw->hello, challenge.nonce, raw->proof);
    uint8_t theirs[PIT_PEER_PROOF_BYTES];
    pit_peer_prove(key, sizeof key, PIT_PEER_ACCEPTS, &raw->hello, challenge.nonce, theirs);
    assert_true(pit_peer_proof_equal(theirs, challenge.proof));
    return true;
}

static size_t raw_frame(uint8_t *bytes, uint32_t from, uint64_t number, uint64_t word, uint32_t count)
{
    struct pit_peer_frame frame = {
        .magic = PIT_PEER_FRAME_MAGIC,
        .cluster = pit_peer_cluster_half(options(1).cluster),
        .number = number,
        .bytes = count,
        .from = (uint8_t)from,
        .to = 1,
    };
    memcpy(bytes, &frame, sizeof frame);
    memcpy(bytes + sizeof frame, &word, sizeof word);
    for (size_t at = 8; at < count; at++)
        bytes[sizeof frame + at] = (uint8_t)(word + at);
    pit_peer_frame_seal(bytes);
    return sizeof frame + count;
}

static void raw_hang_up(struct raw *raw)
{
    pit_network_machine()->close(NULL, raw->handle);
}

static struct pit_peers_counters sit_alone(uint32_t prove_ms)
{
    struct pit_peers_options how = options(1);
    how.reconnect_ms = 3600000; /* nobody else is there */
    how.prove_ms = prove_ms;
    sit(1, &how);
    return pit_peers_counters(seats[1].peers);
}

static void a_proof_is_good_once_and_in_one_direction(void **state)
{
    (void)state;
    sit_alone(60000);
    struct raw raw = raw_connect(2), again = raw_connect(2);
    raw_write(&raw, &raw.hello, sizeof raw.hello);
    assert_true(raw_learn(&raw));
    again.hello = raw.hello; /* word for word */
    raw_write(&again, &again.hello, sizeof again.hello);
    assert_true(raw_learn(&again));
    raw_write(&again, raw.proof, sizeof raw.proof);
    UNTIL(pit_peers_counters(seats[1].peers).strangers == 1);
    raw_write(&raw, raw.proof, sizeof raw.proof);
    UNTIL(pit_peers_counters(seats[1].peers).accepted == 1);
    raw_hang_up(&raw);
    raw_hang_up(&again);
}

/* A whole conversation with one byte of it changed, or cut short, or with anything in it: nothing is heard that was not
 * said, and the node goes on. */
static void hostile_bytes_cost_a_counter(void **state)
{
    (void)state;
    sit_alone(60000);
    uint8_t frames[3 * 400];
    uint64_t heard = 0;
    for (uint64_t round = 0; round < 200 / STEP + 100; round++) {
        struct raw raw = raw_connect(2);
        uint64_t before = seats[1].received[2];
        size_t count = raw_frame(frames, 2, 1, 10 * round + 1, 200);
        count += raw_frame(frames + count, 2, 2, 10 * round + 2, 100 + (uint32_t)(round % 200));
        uint64_t kind = fixture_random(&random_state) % 6;
        size_t at = fixture_random(&random_state) % (kind < 2 ? sizeof raw.hello : count);
        uint8_t flip = (uint8_t)(1u << fixture_random(&random_state) % 8);
        uint8_t junk[512];
        random_bytes(NULL, junk, sizeof junk);
        if (kind == 0) {
            raw_write(&raw, junk, 1 + fixture_random(&random_state) % sizeof junk);
        } else {
            struct pit_peer_hello said = raw.hello;
            if (kind == 1)
                ((uint8_t *)&said)[at] ^= flip;
            raw_write(&raw, &said, sizeof said);
            /* A changed nonce is another one: only then does the acceptor go on, and the proof does not fit. */
            if (kind != 1 && raw_learn(&raw)) {
                if (kind == 2)
                    raw.proof[at % sizeof raw.proof] ^= flip;
                if (kind == 3)
                    frames[at] ^= flip;
                raw_write(&raw, raw.proof, sizeof raw.proof);
                raw_write(&raw, frames, kind == 4 ? at : count);
                if (kind == 5)
                    raw_write(&raw, junk, sizeof junk);
            }
        }
        raw_hang_up(&raw);
        for (int i = 0; i < 20; i++)
            turn();
        heard += seats[1].received[2] - before;
        assert_true(seats[1].received[2] - before <= 2);
    }
    assert_true(heard > 10);
    assert_true(seats[1].rising);
    struct pit_peers_counters counters = pit_peers_counters(seats[1].peers);
    assert_true(counters.strangers > 0 && counters.bad_frames > 0);
    /* And it still hears who has something to say. */
    struct raw raw = raw_connect(3);
    raw_write(&raw, &raw.hello, sizeof raw.hello);
    assert_true(raw_learn(&raw));
    raw_write(&raw, raw.proof, sizeof raw.proof);
    raw_write(&raw, frames, raw_frame(frames, 3, 1, 7, 64));
    UNTIL(seats[1].received[3] == 1);
    raw_hang_up(&raw);
}

static void a_node_speaks_for_itself_alone(void **state)
{
    (void)state;
    sit_alone(60000);
    struct raw raw = raw_connect(2);
    uint8_t frame[200];
    raw_write(&raw, &raw.hello, sizeof raw.hello);
    assert_true(raw_learn(&raw));
    raw_write(&raw, raw.proof, sizeof raw.proof);
    raw_write(&raw, frame, raw_frame(frame, 3, 1, 1, 64));
    UNTIL(pit_peers_counters(seats[1].peers).bad_frames == 1);
    assert_int_equal(seats[1].received[2] + seats[1].received[3], 0);
    raw_hang_up(&raw);
}

static void strangers_who_wait_make_room_for_others(void **state)
{
    (void)state;
    sit_alone(60000);
    struct raw crowd[40];
    for (size_t i = 0; i < 40; i++) {
        crowd[i] = raw_connect(2);
        turn();
    }
    UNTIL(pit_peers_counters(seats[1].peers).strangers == 40 - PIT_PEERS_STRANGERS_HOST);
    struct raw raw = raw_connect(3);
    raw_write(&raw, &raw.hello, sizeof raw.hello);
    assert_true(raw_learn(&raw));
    raw_write(&raw, raw.proof, sizeof raw.proof);
    UNTIL(pit_peers_counters(seats[1].peers).accepted == 1);
    ahead_ns = UINT64_C(61) * 1000000000; /* and nobody waits for ever */
    UNTIL(pit_peers_counters(seats[1].peers).strangers == 40);
    for (size_t i = 0; i < 40; i++)
        raw_hang_up(&crowd[i]);
    raw_hang_up(&raw);
}

/* From the node's own host, but they do not know the cluster. */
static void who_has_said_hello_stays_before_those_who_have_not(void **state)
{
    (void)state;
    sit_alone(60000);
    struct raw crowd[100], raw = raw_connect(2);
    raw_write(&raw, &raw.hello, sizeof raw.hello);
    assert_true(raw_learn(&raw));
    for (size_t i = 0; i < 100; i++) {
        crowd[i] = raw_connect(3);
        turn();
    }
    UNTIL(pit_peers_counters(seats[1].peers).strangers > 50);
    raw_write(&raw, raw.proof, sizeof raw.proof);
    UNTIL(pit_peers_counters(seats[1].peers).accepted == 1);
    for (size_t i = 0; i < 100; i++)
        raw_hang_up(&crowd[i]);
    raw_hang_up(&raw);
}

/* From 127.0.0.host to node 1. */
static struct raw connect_from(uint32_t host, uint32_t as)
{
    struct raw raw = {.hello = {.magic = PIT_PEER_HELLO_MAGIC, .version = PIT_PEER_VERSION, .from = as, .to = 1}};
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(0x7f000000u + host)}}, to;
    socklen_t bytes = sizeof to;
    memcpy(raw.hello.cluster, options(1).cluster, sizeof raw.hello.cluster);
    random_bytes(NULL, raw.hello.nonce, sizeof raw.hello.nonce);
    raw.handle = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(raw.handle >= 0);
    assert_int_equal(getsockname(pit_peers_listener(seats[1].peers), (struct sockaddr *)&to, &bytes), 0);
    assert_int_equal(bind(raw.handle, (struct sockaddr *)&from, sizeof from), 0);
    assert_true(connect(raw.handle, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS);
    return raw;
}

/* Strangers of many hosts, who know the cluster's id and each say a right HELLO, take places between a node's HELLO and
 * its proof, and before it comes at all. */
static void strangers_of_other_hosts_keep_no_node_out(void **state)
{
    (void)state;
    struct raw crowd[4 * PIT_PEERS_STRANGERS_MAX];
    const uint32_t count = sizeof crowd / sizeof *crowd;
    struct pit_peers_options how = options(1);
    how.reconnect_ms = 3600000; /* nobody else is there */
    how.addresses[1] = "tcp:127.0.0.1:0";
    how.addresses[2] = "tcp:127.0.0.2:9";
    how.addresses[3] = "tcp:127.0.0.3:9";
    sit(1, &how);
    for (uint32_t node = 2; node <= NODES; node++) {
        struct raw raw = {.handle = -1};
        for (uint32_t i = 0; i < count; i++) {
            if (i == count / 2)
                raw = connect_from(node, node);
            if (i == count / 2)
                raw_write(&raw, &raw.hello, sizeof raw.hello);
            crowd[i] = connect_from(10 + i % 40, node);
            raw_write(&crowd[i], &crowd[i].hello, sizeof crowd[i].hello);
        }
        assert_true(raw_learn(&raw));
        raw_write(&raw, raw.proof, sizeof raw.proof);
        UNTIL(pit_peers_counters(seats[1].peers).accepted == node - 1);
        for (uint32_t i = 0; i < count; i++)
            raw_hang_up(&crowd[i]);
        UNTIL(pit_peers_counters(seats[1].peers).strangers == (node - 1) * count);
        raw_hang_up(&raw);
    }
}

static int no_handle_left(void *context, int listener, char *peer, size_t peer_bytes)
{
    (void)context;
    (void)listener;
    snprintf(peer, peer_bytes, "nobody");
    return -EMFILE;
}

static uint64_t standing_ns(void *context)
{
    (void)context;
    return 1 + ahead_ns;
}

/* The connection waits, and nothing spins on it: the listener wakes nobody until it is time to try again. */
static void a_connection_there_is_no_handle_for_waits(void **state)
{
    (void)state;
    struct pit_network network = *pit_network_machine();
    struct pit_peers_options how = options(1);
    how.reconnect_ms = 3600000; /* nobody else is there */
    how.network = &network;
    how.clock.monotonic_ns = standing_ns;
    network.accept = no_handle_left;
    sit(1, &how);
    struct raw raw = raw_connect(2);
    struct pit_network_ready ready[4];
    for (uint64_t round = 1; round <= 3; round++) {
        for (uint32_t i = 0; i < 100; i++)
            pit_peers_work(seats[1].peers);
        assert_int_equal(pit_peers_counters(seats[1].peers).accepts_failed, round);
        assert_int_equal(network.poll(NULL, pit_peers_poller(seats[1].peers), ready, 4, 0), 0);
        ahead_ns += 20000000;
    }
    network.accept = pit_network_machine()->accept;
    raw_write(&raw, &raw.hello, sizeof raw.hello);
    assert_true(raw_learn(&raw));
    raw_write(&raw, raw.proof, sizeof raw.proof);
    UNTIL(pit_peers_counters(seats[1].peers).accepted == 1);
    assert_int_equal(pit_peers_counters(seats[1].peers).accepts_failed, 3);
    raw_hang_up(&raw);
    leave(1); /* its network is this function's */
}

static void a_node_that_takes_nothing_is_given_up(void **state)
{
    (void)state;
    sit_all();
    uint64_t word = 0;
    while (say(1, 2, ++word, 1 << 20))
        ;
    ahead_ns = UINT64_C(61) * 1000000000; /* and node 2 has read nothing of it */
    pit_peers_work(seats[1].peers);
    assert_int_equal(pit_peers_counters(seats[1].peers).stalled, 1);
    assert_false(pit_peers_reaches(seats[1].peers, 2));
    UNTIL(all_reach());
    assert_true(say(1, 2, ++word, 100));
    UNTIL(seats[2].last[1] == word);
}

static void options_that_cannot_work_are_refused(void **state)
{
    (void)state;
    struct pit_peers *peers;
    struct pit_error error;
    struct pit_peers_options how = options(1);
    how.key_bytes = 15;
    assert_int_equal(pit_peers_open(&peers, &how, &error), -EINVAL);
    assert_string_equal(error.text, "the cluster's key has 15 bytes; it must have 16 to 1024");
    how = options(1);
    how.queue_bytes = 1;
    assert_int_equal(pit_peers_open(&peers, &how, &error), -EINVAL);
    how = options(1);
    how.addresses[2] = "nowhere";
    assert_int_equal(pit_peers_open(&peers, &how, &error), -EINVAL);
    how = options(1);
    how.nodes = 1;
    assert_int_equal(pit_peers_open(&peers, &how, &error), -EINVAL);
}

int main(void)
{
#define EACH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(messages_of_all_sizes_get_through_in_order),
        EACH(a_full_queue_loses_messages_and_nothing_else),
        EACH(a_node_that_comes_back_is_reached_again),
        EACH(that_a_node_has_ended_is_told_after_what_it_said),
        EACH(who_has_another_key_or_cluster_is_nobody),
        EACH(a_proof_is_good_once_and_in_one_direction),
        EACH(hostile_bytes_cost_a_counter),
        EACH(a_node_speaks_for_itself_alone),
        EACH(strangers_who_wait_make_room_for_others),
        EACH(who_has_said_hello_stays_before_those_who_have_not),
        EACH(strangers_of_other_hosts_keep_no_node_out),
        EACH(a_connection_there_is_no_handle_for_waits),
        EACH(a_node_that_takes_nothing_is_given_up),
        EACH(options_that_cannot_work_are_refused),
    };
    return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
