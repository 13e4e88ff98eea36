/* test/stages/bench_sessions.c - what sessions cost: orders over a real socket through gateway and egress, answered by
 * a matcher that accepts everything. One thread is the server, one the client; no journal, no book.
 *
 *   bench_sessions [ORDERS [ADDRESS]]      500000 and a unix socket in /tmp when not given
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "book/event.h"
#include "pitline/client.h"
#include "ring/check.h"
#include "stages/egress.h"
#include "stages/gateway.h"

#define SLOTS 65536u
#define IN_FLIGHT_MAX 4096u

struct bench {
    struct pit_control control;
    struct pit_ring *input, *sessions, *output;
    struct pit_ring_reader commands;
    struct pit_results *results;
    struct pit_egress *egress;
    struct pit_gateway *gateway;
    char address[64];
    uint64_t orders;
};

static struct pit_ring *make_ring(uint32_t slots, uint32_t slot_bytes)
{
    void *memory = aligned_alloc(PIT_SEQUENCE_BYTES, pit_ring_bytes(slots, slot_bytes));
    PIT_CHECK(memory);
    return pit_ring_create(memory, slots, slot_bytes, 1);
}

static uint32_t match(struct bench *bench)
{
    uint32_t ready = pit_ring_poll(&bench->commands, 256);
    ready = pit_ring_room(bench->output, ready);
    if (ready == 0)
        return 0;
    uint64_t first = pit_ring_claim(bench->output, ready);
    for (uint32_t i = 0; i < ready; i++) {
        const struct pit_command *command = pit_ring_slot(bench->input, bench->commands.next + i);
        struct pit_event *event = pit_ring_slot(bench->output, first + i);
        event->sequence = command->sequence;
        event->time_ns = command->time_ns;
        event->order_id = command->sequence;
        event->client_id = command->client_id;
        event->price = command->price;
        event->quantity = command->quantity;
        event->account = command->account;
        event->symbol = command->symbol;
        event->request = command->request;
        event->kind = PIT_EVENT_ACCEPTED;
        event->side = command->side;
        event->reason = 0;
        event->flags = PIT_EVENT_RESTS | PIT_EVENT_LAST;
    }
    pit_ring_publish_run(bench->output, first, ready);
    pit_ring_release(&bench->commands, ready);
    return ready;
}

static void *serve(void *argument)
{
    struct bench *bench = argument;
    struct pit_agent gateway = pit_gateway_agent(bench->gateway), egress = pit_egress_agent(bench->egress);
    while (!pit_gateway_drained(bench->gateway)) {
        uint32_t done = gateway.do_work(gateway.state);
        done += match(bench);
        done += egress.do_work(egress.state);
        if (!done)
            sched_yield();
    }
    return NULL;
}

static void make_server(struct bench *bench)
{
    struct pit_error error;
    struct pit_symbol_definition symbol = {.name = "BENCH",
                                           .price_min = 1,
                                           .price_max = 1000000,
                                           .quantity_max = 1000000,
                                           .orders_max = 1,
                                           .levels_max = 1,
                                           .tick_mantissa = 1,
                                           .lot_mantissa = 1};
    const char *address = bench->address;
    pit_sequence_store(&bench->control.phase, PIT_PHASE_RUN);
    bench->input = make_ring(SLOTS, sizeof(struct pit_command));
    bench->output = make_ring(SLOTS, PIT_EVENT_LINE_BYTES);
    bench->sessions = make_ring(1024, sizeof(struct pit_session_note));
    PIT_CHECK(pit_ring_reader_add(bench->input, &bench->commands));
    struct pit_egress_source source = {bench->output, bench->commands.cursor};
    PIT_CHECK(pit_results_create(&bench->results, 0, &error) == 0);
    struct pit_egress_config egress = {.network = pit_network_machine(),
                                       .clock = pit_clock_machine(),
                                       .sessions = bench->sessions,
                                       .sources = &source,
                                       .sources_count = 1,
                                       .sessions_max = 4,
                                       .results = bench->results};
    PIT_CHECK(pit_egress_create(&bench->egress, &egress, &error) == 0);
    struct pit_gateway_config gateway = {.network = pit_network_machine(),
                                         .clock = pit_clock_machine(),
                                         .control = &bench->control,
                                         .input = bench->input,
                                         .sessions = bench->sessions,
                                         .board = pit_egress_board(bench->egress),
                                         .name = "bench",
                                         .addresses = &address,
                                         .addresses_count = 1,
                                         .symbols = &symbol,
                                         .symbols_count = 1,
                                         .limits = {.sessions_max = 4}};
    if (pit_gateway_create(&bench->gateway, &gateway, &error)) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
}

/* Sends orders and takes reports until every order is answered. */
static void drive(struct bench *bench, struct pit_client *client)
{
    struct pit_order order = {
        .client_id = 1, .side = PIT_SIDE_BUY, .tif = PIT_TIF_GTC, .price = 12345, .quantity = 100};
    uint64_t sent = 0, answered = 0;
    struct pit_report report;
    while (answered < bench->orders) {
        for (uint32_t i = 0; i < 256 && sent < bench->orders && sent - answered < IN_FLIGHT_MAX; i++) {
            order.client_id = sent + 1;
            order.price = 10000 + (int64_t)(sent * 7919 % 5000);
            if (!pit_client_new(client, &order))
                break;
            sent++;
        }
        if (pit_client_flush(client) < 0)
            exit(1);
        int got;
        while ((got = pit_client_poll(client, &report,
                                      sent == bench->orders || sent - answered >= IN_FLIGHT_MAX ? 1000000 : 0)) == 1)
            answered += report.last;
        if (got < 0) {
            fprintf(stderr, "the connection broke: %d\n", got);
            exit(1);
        }
    }
}

int main(int argc, char **argv)
{
    static struct bench bench;
    struct pit_error error;
    pthread_t thread;
    bench.orders = argc > 1 ? strtoull(argv[1], NULL, 0) : 500000;
    if (argc > 2)
        snprintf(bench.address, sizeof bench.address, "%s", argv[2]);
    else
        snprintf(bench.address, sizeof bench.address, "unix:/tmp/pitline-bench-%d.sock", (int)getpid());
    make_server(&bench);
    PIT_CHECK(pthread_create(&thread, NULL, serve, &bench) == 0);
    struct pit_client *client;
    struct pit_client_options options = {.address = bench.address, .account = 1};
    if (pit_client_open(&client, &options, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    uint64_t start_ns = pit_clock_machine()->monotonic_ns(NULL);
    drive(&bench, client);
    uint64_t ns = pit_clock_machine()->monotonic_ns(NULL) - start_ns;
    pit_sequence_store(&bench.control.phase, PIT_PHASE_DRAIN);
    pthread_join(thread, NULL);
    pit_client_close(client);
    static struct pit_histogram latency;
    pit_histogram_snapshot(&latency, pit_egress_latency(bench.egress));
    struct pit_histogram_summary summary = pit_histogram_summarise(&latency);
    const struct pit_egress_counters *counters = pit_egress_counters(bench.egress);
    printf("%s: %llu orders, %.0f orders/s; gateway in to report out p50 %llu ns, p99 %llu ns; %llu sends\n",
           bench.address, (unsigned long long)bench.orders, (double)bench.orders * 1e9 / (double)ns,
           (unsigned long long)summary.p50_ns, (unsigned long long)summary.p99_ns, (unsigned long long)counters->sends);
    pit_gateway_destroy(bench.gateway);
    pit_egress_destroy(bench.egress);
    pit_results_destroy(bench.results);
    free(bench.input);
    free(bench.output);
    free(bench.sessions);
    return 0;
}
