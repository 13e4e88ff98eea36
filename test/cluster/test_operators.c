/* test/cluster/test_operators.c - who asks a node of a cluster, over real sockets: those with the key are answered,
 * and whatever else comes costs a counter. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "test/journal/fixture.h"

#include "ring/sequence.h"
#include "stages/operator.h"
#include "stages/operators.h"

static char directory[256];
static char addresses[4][300];
static uint64_t random_state;
static uint64_t ahead_ns; /* of the node's clock; changed while it does not run */

static const uint8_t key[32] = "a key that nobody else has, 32 b";
static const uint8_t other_key[32] = "a key that somebody else has, 32";

/* The node. */

static struct pit_peers *peers;
static struct pit_operators operators;
static struct pit_cluster_figures figures;
static uint32_t transferred, begun;
static uint64_t last_token;
static uint64_t heard_nodes;

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
    (void)argument, (void)from, (void)bytes, (void)count;
    heard_nodes++;
}

static void tell_figures(void *context, struct pit_cluster_figures *told)
{
    (void)context;
    *told = figures;
}

static int transfer(void *context, uint32_t node, struct pit_error *error)
{
    (void)context;
    transferred = node;
    return node == 3 ? pit_error_set(error, -EHOSTUNREACH, "node 3 is too far behind") : 0;
}

static int snapshot(void *context, bool begin, uint64_t *newest, struct pit_error *error)
{
    (void)context, (void)error;
    begun += begin;
    *newest = 70 + begun;
    return 0;
}

static struct pit_peers_options options(void)
{
    struct pit_peers_options options = {
        .node = 1,
        .nodes = 3,
        .cluster = "cluster of tests",
        .key = key,
        .key_bytes = sizeof key,
        .queue_bytes = PIT_PEERS_QUEUE_BYTES_MIN,
        .reconnect_ms = 3600000, /* nobody else is there */
        .prove_ms = 60000,
        .stall_ms = 60000,
        .network = pit_network_machine(),
        .clock = {.monotonic_ns = monotonic_ns},
        .random = random_bytes,
        .received = received,
        .asked = pit_operators_asked,
        .asked_argument = &operators,
    };
    for (uint32_t i = 1; i <= 3; i++)
        options.addresses[i] = addresses[i];
    return options;
}

static void open_node(const struct pit_peers_options *how)
{
    struct pit_error error;
    operators = (struct pit_operators){
        .handler = {.figures = tell_figures, .transfer = transfer, .snapshot = snapshot},
        .name = "a node of tests",
        .version = "9.9",
        .clock = how->clock,
        .started_ns = monotonic_ns(NULL),
    };
    if (pit_peers_open(&peers, how, &error) != 0)
        fail_msg("%s", error.text);
    operators.peers = peers;
}

/* A thread for it where the other side blocks. */

static pthread_t thread;
static uint64_t leave;

static void *run_node(void *argument)
{
    while (!pit_word_load_acquire(&leave))
        if (pit_peers_work(peers) == 0)
            pit_peers_park(peers, 1000000);
    pit_peers_work(peers); /* who hung up in the midst of its last turn */
    return argument;
}

static void start_node(void)
{
    pit_word_store_release(&leave, 0);
    assert_int_equal(pthread_create(&thread, NULL, run_node, NULL), 0);
}

static void stop_node(void)
{
    pit_word_store_release(&leave, 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static struct pit_cluster_config cluster_of(const uint8_t *its_key)
{
    struct pit_cluster_config cluster = {.nodes = 3, .key = its_key, .key_bytes = sizeof key};
    memcpy(cluster.id, options().cluster, sizeof cluster.id);
    for (uint32_t node = 1; node <= 3; node++)
        cluster.of[node].address = addresses[node];
    return cluster;
}

static struct pit_operator *join(void)
{
    struct pit_error error = {0};
    struct pit_operator *link;
    struct pit_cluster_config cluster = cluster_of(key);
    if (pit_operator_connect(&link, &cluster, 1, 20000, &error) != 0)
        fail_msg("%s", error.text);
    return link;
}

static int set_up(void **state)
{
    (void)state;
    random_state = fixture_seed() | 1;
    ahead_ns = 0;
    peers = NULL;
    transferred = begun = 0;
    last_token = heard_nodes = 0;
    figures = (struct pit_cluster_figures){
        .role = PIT_CLUSTER_LEADER,
        .ready = true,
        .node = 1,
        .nodes = 3,
        .rejoining = true,
        .leader = 1,
        .term = 7,
        .last = 102,
        .durable = 101,
        .committed = 100,
        .sequence = 99,
        .digest_sequence = 64,
        .digest_events = 0x0123456789abcdef,
        .elections = 3,
        .memory_bytes = 4096,
        .peers = {[2] = {.reached = true, .matched = 98, .heard_ns = 1}},
    };
    fixture_directory_make(directory);
    for (uint32_t node = 1; node <= 3; node++)
        snprintf(addresses[node], sizeof addresses[node], "unix:%s/%u", directory, node);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (peers)
        pit_peers_close(peers);
    fixture_directory_remove(directory);
    return 0;
}

static void who_has_the_key_is_answered(void **state)
{
    (void)state;
    struct pit_peers_options how = options();
    struct pit_error error = {0};
    open_node(&how);
    start_node();
    struct pit_operator *link = join(), *other = join();
    for (int i = 0; i < 50; i++) {
        struct pit_operator_status status = {0};
        assert_int_equal(pit_operator_status(i % 2 ? link : other, &status, &error), 0);
        assert_int_equal(status.node, 1);
        assert_int_equal(status.nodes, 3);
        assert_int_equal(status.role, PIT_CLUSTER_LEADER);
        assert_true(status.ready && status.rejoining && status.leader == 1 && status.term == 7);
        assert_true(status.last == 102 && status.durable == 101 && status.committed == 100 && status.sequence == 99);
        assert_true(status.digest_sequence == 64 && status.digest_events == 0x0123456789abcdef);
        assert_true(status.elections == 3 && status.memory_bytes == 4096 && status.uptime_ns > 0);
        assert_true(status.peers[2].reached && status.peers[2].matched == 98);
        assert_true(status.peers[2].heard_ago_ns < PIT_OPERATOR_NEVER);
        assert_true(!status.peers[3].reached && status.peers[3].heard_ago_ns == PIT_OPERATOR_NEVER);
        assert_string_equal(status.version, "9.9");
        assert_string_equal(status.name, "a node of tests");
    }
    uint64_t newest = 0;
    assert_int_equal(pit_operator_snapshot(link, false, &newest, &error), 0);
    assert_int_equal(newest, 70);
    assert_int_equal(pit_operator_snapshot(link, true, &newest, &error), 0);
    assert_int_equal(newest, 71);
    assert_int_equal(pit_operator_transfer(link, 2, &error), 0);
    pit_operator_close(link);
    pit_operator_close(other);
    stop_node();
    assert_int_equal(transferred, 2);
    assert_int_equal(begun, 1);
    struct pit_peers_counters counters = pit_peers_counters(peers);
    assert_true(counters.operators == 2 && counters.questions == 53 && counters.answers == 53);
    assert_true(counters.bad_questions == 0 && counters.strangers == 0 && counters.accepted == 0);
}

static void what_a_node_cannot_do_it_says(void **state)
{
    (void)state;
    struct pit_peers_options how = options();
    struct pit_error error = {0};
    open_node(&how);
    start_node();
    struct pit_operator *link = join();
    assert_int_equal(pit_operator_transfer(link, 4, &error), -EINVAL);
    assert_non_null(strstr(error.text, "there is no node 4: they are 1 to 3"));
    assert_int_equal(pit_operator_transfer(link, 0, &error), -EINVAL);
    assert_int_equal(pit_operator_transfer(link, 1, &error), -EALREADY);
    assert_int_equal(pit_operator_transfer(link, 3, &error), -EHOSTUNREACH);
    assert_non_null(strstr(error.text, "too far behind"));
    stop_node();
    assert_int_equal(transferred, 3);
    figures.role = PIT_CLUSTER_FOLLOWER;
    start_node();
    assert_int_equal(pit_operator_transfer(link, 2, &error), -EPERM);
    assert_non_null(strstr(error.text, "does not lead"));
    pit_operator_close(link);
    stop_node();
    assert_int_equal(transferred, 3);
}

static void who_is_not_of_the_cluster_gets_nothing(void **state)
{
    (void)state;
    struct pit_peers_options how = options();
    struct pit_error error = {0};
    struct pit_operator *link;
    struct pit_cluster_config cluster = cluster_of(key);
    int code = pit_operator_connect(&link, &cluster, 1, 20000, &error);
    assert_true(code == -ENOENT || code == -ECONNREFUSED);
    open_node(&how);
    assert_int_equal(pit_operator_connect(&link, &cluster, 1, 50, &error), -ETIMEDOUT); /* it does not run */
    start_node();
    cluster = cluster_of(other_key);
    assert_int_equal(pit_operator_connect(&link, &cluster, 1, 20000, &error), -EACCES);
    assert_non_null(strstr(error.text, "another key"));
    cluster = cluster_of(key);
    cluster.id[3] ^= 1;
    assert_int_equal(pit_operator_connect(&link, &cluster, 1, 20000, &error), -EACCES);
    cluster = cluster_of(key);
    cluster.of[2].address = addresses[1]; /* node 1 is not node 2 */
    assert_int_equal(pit_operator_connect(&link, &cluster, 2, 20000, &error), -EACCES);
    stop_node();
    struct pit_peers_counters counters = pit_peers_counters(peers);
    assert_int_equal(counters.operators, 0);
    assert_int_equal(counters.strangers, 4);
    pit_peers_close(peers);
    how.asked = NULL; /* a node that takes no questions */
    open_node(&how);
    start_node();
    cluster = cluster_of(key);
    assert_int_equal(pit_operator_connect(&link, &cluster, 1, 20000, &error), -EACCES);
    stop_node();
}

static void answer_junk(void *argument, uint64_t token, const void *bytes, size_t count)
{
    (void)argument, (void)bytes, (void)count;
    uint8_t junk[PIT_PEERS_ANSWER_BYTES_MAX] = {0};
    size_t length = 1 + fixture_random(&random_state) % sizeof junk;
    if (fixture_random(&random_state) % 2)
        length =
            fixture_random(&random_state) % 2 ? sizeof(struct pit_operator_status) : sizeof(struct pit_operator_answer);
    random_bytes(NULL, junk, length);
    uint32_t kind = PIT_OPERATOR_STATUS;
    if (fixture_random(&random_state) % 2)
        memcpy(junk, &kind, length < sizeof kind ? length : sizeof kind);
    pit_peers_answer(peers, token, junk, length);
}

static void what_is_no_answer_is_not_believed(void **state)
{
    (void)state;
    struct pit_peers_options how = options();
    struct pit_error error = {0};
    how.asked = answer_junk;
    open_node(&how);
    start_node();
    for (int i = 0; i < 300; i++) {
        struct pit_operator *link = join();
        struct pit_operator_status status;
        /* Bytes at random may be a node's refusal, never its figures. */
        assert_true(pit_operator_status(link, &status, &error) < 0);
        pit_operator_close(link);
    }
    stop_node();
}

/* Plays an operator by hand; the node takes its turns in between. */

struct raw {
    int handle;
    uint64_t number;
};

static void raw_write(const struct raw *raw, const void *bytes, size_t count)
{
    const struct pit_network *network = pit_network_machine();
    for (size_t at = 0; at < count; pit_peers_work(peers)) {
        int64_t moved = network->send(NULL, raw->handle, (const uint8_t *)bytes + at, count - at);
        if (moved < 0 && moved != -EAGAIN)
            return; /* hung up on */
        at += moved > 0 ? (size_t)moved : 0;
    }
}

/* Bytes read; fewer than count: it was hung up on. */
static size_t raw_read(const struct raw *raw, void *bytes, size_t count)
{
    const struct pit_network *network = pit_network_machine();
    size_t at = 0;
    for (int turns = 0; at < count && turns < 1000000; turns++) {
        int64_t got = network->receive(NULL, raw->handle, (uint8_t *)bytes + at, count - at);
        if (got == 0 || (got < 0 && got != -EAGAIN))
            break;
        at += got > 0 ? (size_t)got : 0;
        pit_peers_work(peers);
    }
    return at;
}

static struct raw raw_join(void)
{
    struct pit_error error;
    struct raw raw = {.handle = pit_network_machine()->connect(NULL, addresses[1], &error)};
    struct pit_peer_hello hello = {.magic = PIT_PEER_HELLO_MAGIC, .version = PIT_PEER_VERSION, .to = 1};
    struct pit_peer_challenge challenge;
    uint8_t proof[PIT_PEER_PROOF_BYTES];
    assert_true(raw.handle >= 0);
    memcpy(hello.cluster, options().cluster, sizeof hello.cluster);
    random_bytes(NULL, hello.nonce, sizeof hello.nonce);
    raw_write(&raw, &hello, sizeof hello);
    assert_int_equal(raw_read(&raw, &challenge, sizeof challenge), sizeof challenge);
    pit_peer_prove(key, sizeof key, PIT_PEER_CONNECTS, &hello, challenge.nonce, proof);
    uint64_t before = pit_peers_counters(peers).operators;
    raw_write(&raw, proof, sizeof proof);
    while (pit_peers_counters(peers).operators == before)
        pit_peers_work(peers);
    return raw;
}

static bool raw_hung_up(const struct raw *raw)
{
    uint8_t byte;
    pit_peers_work(peers);
    int64_t got = pit_network_machine()->receive(NULL, raw->handle, &byte, 1);
    return got == 0 || (got < 0 && got != -EAGAIN);
}

static void raw_hang_up(struct raw *raw)
{
    pit_network_machine()->close(NULL, raw->handle);
    for (int i = 0; i < 10; i++)
        pit_peers_work(peers);
}

/* A question of count bytes as frames say it; returns its length. */
static size_t raw_frame(struct raw *raw, uint8_t *bytes, const void *question, uint32_t count)
{
    struct pit_peer_frame frame = {
        .magic = PIT_PEER_FRAME_MAGIC,
        .cluster = pit_peer_cluster_half(options().cluster),
        .number = ++raw->number,
        .bytes = count,
        .to = 1,
    };
    memcpy(bytes, &frame, sizeof frame);
    memcpy(bytes + sizeof frame, question, count);
    pit_peer_frame_seal(bytes);
    return sizeof frame + count;
}

static size_t raw_status_question(struct raw *raw, uint8_t *bytes)
{
    struct pit_operator_question question = {.kind = PIT_OPERATOR_STATUS};
    return raw_frame(raw, bytes, &question, sizeof question);
}

static void hostile_operators_cost_a_counter(void **state)
{
    (void)state;
    struct pit_peers_options how = options();
    open_node(&how);
    uint64_t answered = 0;
    for (int round = 0; round < 1000; round++) {
        struct raw raw = raw_join();
        uint8_t bytes[600], junk[300];
        size_t count = raw_status_question(&raw, bytes);
        random_bytes(NULL, junk, sizeof junk);
        switch (round % 6) {
        case 0: /* a byte is another one */
            bytes[fixture_random(&random_state) % count] ^= (uint8_t)(1 + fixture_random(&random_state) % 255);
            raw_write(&raw, bytes, count);
            break;
        case 1: /* it stops in the midst */
            raw_write(&raw, bytes, fixture_random(&random_state) % count);
            break;
        case 2:
            raw_write(&raw, junk, sizeof junk);
            break;
        case 3: /* a frame as it must be, and no question in it */
            raw.number = 0;
            raw_write(&raw, bytes, raw_frame(&raw, bytes, junk, 1 + (uint32_t)fixture_random(&random_state) % 256));
            break;
        case 4: /* too long, if by a byte */
            raw.number = 0;
            raw_write(&raw, bytes, raw_frame(&raw, bytes, junk, PIT_PEERS_QUESTION_BYTES_MAX + 1));
            break;
        default: { /* all is well, and then it is not */
            struct pit_operator_status status;
            raw_write(&raw, bytes, count);
            raw_write(&raw, junk, sizeof junk);
            uint8_t answer[sizeof(struct pit_peer_frame) + sizeof status];
            answered += raw_read(&raw, answer, sizeof answer) == sizeof answer;
            break;
        }
        }
        raw_hang_up(&raw);
    }
    struct pit_peers_counters counters = pit_peers_counters(peers);
    assert_true(answered > 100 && counters.bad_questions > 500 && counters.operators == 1000);
    assert_true(counters.accepted == 0 && heard_nodes == 0 && transferred <= 3);
    start_node();
    struct pit_operator *link = join();
    struct pit_operator_status status;
    assert_int_equal(pit_operator_status(link, &status, NULL), 0);
    pit_operator_close(link);
    stop_node();
}

static void an_operator_never_speaks_for_a_node(void **state)
{
    (void)state;
    struct pit_peers_options how = options();
    open_node(&how);
    struct raw raw = raw_join();
    uint8_t bytes[600];
    size_t count = raw_status_question(&raw, bytes);
    struct pit_peer_frame frame;
    memcpy(&frame, bytes, sizeof frame);
    frame.from = 2;
    memcpy(bytes, &frame, sizeof frame);
    pit_peer_frame_seal(bytes);
    raw_write(&raw, bytes, count);
    while (!raw_hung_up(&raw))
        ;
    assert_int_equal(pit_peers_counters(peers).bad_questions, 1);
    assert_int_equal(pit_peers_counters(peers).received, 0);
    assert_int_equal(heard_nodes, 0);
    raw_hang_up(&raw);
}

static void half_a_question_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    struct pit_peers_options how = options();
    open_node(&how);
    struct raw raw = raw_join();
    uint8_t bytes[600];
    size_t count = raw_status_question(&raw, bytes);
    raw_write(&raw, bytes, count - 3);
    assert_false(raw_hung_up(&raw));
    ahead_ns = (uint64_t)PIT_PEERS_OPERATOR_MS * 1000000;
    while (!raw_hung_up(&raw))
        ;
    assert_int_equal(pit_peers_counters(peers).sent_away, 1);
    assert_int_equal(pit_peers_counters(peers).questions, 0);
    raw_hang_up(&raw);
}

static void one_operator_more_ends_the_most_silent(void **state)
{
    (void)state;
    struct pit_peers_options how = options();
    open_node(&how);
    struct raw crowd[PIT_PEERS_OPERATORS_MAX], more;
    uint8_t bytes[600], answer[sizeof(struct pit_peer_frame) + sizeof(struct pit_operator_status)];
    for (uint32_t i = 0; i < PIT_PEERS_OPERATORS_MAX; i++) {
        crowd[i] = raw_join();
        ahead_ns += 1000;
    }
    raw_write(&crowd[0], bytes, raw_status_question(&crowd[0], bytes));
    assert_int_equal(raw_read(&crowd[0], answer, sizeof answer), sizeof answer);
    more = raw_join();
    assert_int_equal(pit_peers_counters(peers).sent_away, 1);
    for (uint32_t i = 0; i < PIT_PEERS_OPERATORS_MAX; i++)
        assert_int_equal(raw_hung_up(&crowd[i]), i == 1);
    raw_write(&more, bytes, raw_status_question(&more, bytes));
    assert_int_equal(raw_read(&more, answer, sizeof answer), sizeof answer);
    for (uint32_t i = 0; i < PIT_PEERS_OPERATORS_MAX; i++)
        raw_hang_up(&crowd[i]);
    raw_hang_up(&more);
}

static void who_takes_no_answers_is_asked_for_no_more(void **state)
{
    (void)state;
    struct pit_peers_options how = options();
    open_node(&how);
    struct raw raw = raw_join();
    const struct pit_network *network = pit_network_machine();
    uint8_t bytes[600];
    uint64_t sent = 0;
    for (int refused = 0; refused < 100;) { /* until nothing more is read, and the socket is full */
        size_t count = raw_status_question(&raw, bytes);
        int64_t moved = network->send(NULL, raw.handle, bytes, count);
        pit_peers_work(peers);
        if (moved >= 0 && moved < (int64_t)count)
            break;
        raw.number -= moved < 0;
        refused += moved < 0;
        sent += moved >= 0;
        assert_true(sent < 1000000 && (moved >= 0 || moved == -EAGAIN));
    }
    struct pit_peers_counters counters = pit_peers_counters(peers);
    assert_true(counters.questions < sent && counters.answers == counters.questions && counters.answers_lost == 0);
    ahead_ns = (uint64_t)PIT_PEERS_OPERATOR_MS * 1000000;
    pit_peers_work(peers);
    assert_int_equal(pit_peers_counters(peers).sent_away, 1);
    raw_hang_up(&raw);
}

static void keep_token(void *argument, uint64_t token, const void *bytes, size_t count)
{
    (void)argument, (void)bytes, (void)count;
    last_token = token;
}

static void an_answer_is_for_who_asked_and_nobody_else(void **state)
{
    (void)state;
    struct pit_peers_options how = options();
    how.asked = keep_token;
    open_node(&how);
    struct raw raw = raw_join(), other = raw_join();
    uint8_t bytes[600], text[PIT_PEERS_ANSWER_BYTES_MAX] = "an answer";
    raw_write(&raw, bytes, raw_status_question(&raw, bytes));
    while (last_token == 0)
        pit_peers_work(peers);
    uint64_t token = last_token;
    uint32_t taken = 0; /* as many as there is room for, when none is sent */
    while (pit_peers_answer(peers, token, text, sizeof text))
        taken++;
    assert_int_equal(taken, PIT_PEERS_ANSWERS_BYTES / (sizeof(struct pit_peer_frame) + sizeof text));
    for (uint32_t i = 0; i < taken; i++) {
        assert_int_equal(raw_read(&raw, bytes, sizeof(struct pit_peer_frame)), sizeof(struct pit_peer_frame));
        assert_int_equal(raw_read(&raw, text, sizeof text), sizeof text);
    }
    assert_string_equal(text, "an answer");
    raw_hang_up(&raw);
    raw = raw_join(); /* in the same place */
    assert_false(pit_peers_answer(peers, token, text, sizeof text));
    assert_int_equal(pit_peers_counters(peers).answers_lost, 2);
    assert_false(raw_hung_up(&raw) || raw_hung_up(&other));
    raw_hang_up(&raw);
    raw_hang_up(&other);
}

int main(void)
{
#define EACH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(who_has_the_key_is_answered),
        EACH(what_a_node_cannot_do_it_says),
        EACH(who_is_not_of_the_cluster_gets_nothing),
        EACH(what_is_no_answer_is_not_believed),
        EACH(hostile_operators_cost_a_counter),
        EACH(an_operator_never_speaks_for_a_node),
        EACH(half_a_question_is_not_waited_for_for_ever),
        EACH(one_operator_more_ends_the_most_silent),
        EACH(who_takes_no_answers_is_asked_for_no_more),
        EACH(an_answer_is_for_who_asked_and_nobody_else),
    };
    return cmocka_run_group_tests_name("operators", tests, NULL, NULL);
}
