/* test/wire/bench_message.c - what encoding and decoding cost, kind by kind: ns a message, best of several rounds. */
#include <errno.h>
#include <time.h>

#include "ring/check.h"
#include "test/wire/sample.h"

#define MESSAGES 1024u
#define ROUNDS 200u

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Numbers as they look in a running market: sequences and ids in the millions, UTC time, prices of some ten thousand.
 */
static struct pit_message usual_message(enum pit_message_kind kind, uint64_t *state)
{
    struct pit_message message = sample_message(kind, SAMPLE_LEAST, state);
    message.request = (uint32_t)(1000000 + sample_random(state) % 1000000);
    message.symbol = (uint32_t)(sample_random(state) % 64);
    message.sequence = 10000000 + sample_random(state) % 1000000;
    message.time_ns = UINT64_C(1700000000000000000) + sample_random(state) % 1000000000;
    message.order_id = 10000000 + sample_random(state) % 1000000;
    message.client_id = 5000000 + sample_random(state) % 1000000;
    message.price = message.price_old = (int64_t)(90000 + sample_random(state) % 20000);
    message.quantity = message.quantity_old = message.leaves = 1 + sample_random(state) % 1000;
    message.side = (enum pit_side)(sample_random(state) & 1u);
    return message;
}

static void measure(enum pit_message_kind kind)
{
    static struct pit_message messages[MESSAGES];
    static uint8_t bytes[MESSAGES * PIT_WIRE_FRAME_BYTES_MAX];
    static size_t starts[MESSAGES + 1];
    struct pit_decoder *decoder = pit_decoder_create();
    PIT_CHECK(decoder != NULL);
    uint64_t state = 1;
    for (uint32_t i = 0; i < MESSAGES; i++)
        messages[i] = usual_message(kind, &state);
    double encode_ns = 1e9, decode_ns = 1e9;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (uint32_t i = 0; i < MESSAGES; i++)
            starts[i + 1] = starts[i] + pit_message_encode(&messages[i], bytes + starts[i], PIT_WIRE_FRAME_BYTES_MAX);
        double middle = now_ns();
        struct pit_message message;
        for (uint32_t i = 0; i < MESSAGES; i++) {
            int64_t found = pit_frame_find(bytes + starts[i], starts[MESSAGES] - starts[i]);
            PIT_CHECK(pit_message_decode(decoder, bytes + starts[i], (size_t)found, &message, NULL) == 0);
        }
        double end = now_ns();
        encode_ns = middle - start < encode_ns ? middle - start : encode_ns;
        decode_ns = end - middle < decode_ns ? end - middle : decode_ns;
    }
    printf("%-14s %5.1f bytes   encode %6.1f ns   decode %6.1f ns\n", pit_message_kind_name(kind),
           (double)starts[MESSAGES] / MESSAGES, encode_ns / MESSAGES, decode_ns / MESSAGES);
    pit_decoder_destroy(decoder);
}

int main(void)
{
    static const enum pit_message_kind kinds[] = {PIT_MESSAGE_NEW,      PIT_MESSAGE_CANCEL, PIT_MESSAGE_REPLACE,
                                                  PIT_MESSAGE_ACCEPTED, PIT_MESSAGE_TRADE,  PIT_MESSAGE_CANCELLED,
                                                  PIT_MESSAGE_REPLACED};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        measure(kinds[i]);
    return 0;
}
