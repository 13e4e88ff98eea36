/* stages/peer_frame.h - what nodes of a cluster say to each other on a stream, as bytes. Pure functions, any thread.
 *
 * A connection carries messages one way, from the node that connected to the one that accepted:
 *
 *   connects: HELLO      cluster, from, to, nonce                       ─▶
 *             ◀─ CHALLENGE  nonce, proof that the acceptor has the key     :accepts
 *             PROOF      proof that the connector has it                ─▶
 *             FRAME | message, FRAME | message, ...                     ─▶
 *
 * Both proofs are HMAC-SHA256 with the cluster's key over a label of the side, the whole HELLO and the acceptor's
 * nonce: what one side proves cannot be said again by the other, elsewhere, or another time. Integers are
 * little-endian.
 */
#ifndef PIT_STAGES_PEER_FRAME_H
#define PIT_STAGES_PEER_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PIT_PEER_CLUSTER_BYTES 16u
#define PIT_PEER_NONCE_BYTES 32u
#define PIT_PEER_PROOF_BYTES 32u
#define PIT_PEER_KEY_BYTES_MIN 16u
#define PIT_PEER_VERSION 1u
#define PIT_PEER_OPERATOR 0u /* as from: no node, but somebody who asks one. Answers come on the same connection */
#define PIT_PEER_HELLO_MAGIC UINT64_C(0x31524545504c5450) /* "PTLPEER1" */
#define PIT_PEER_FRAME_MAGIC 0x4d524650u                  /* "PFRM" */

struct pit_peer_hello {
    uint64_t magic;
    uint32_t version;
    uint32_t zero;
    uint8_t cluster[PIT_PEER_CLUSTER_BYTES];
    uint32_t from;
    uint32_t to;
    uint8_t nonce[PIT_PEER_NONCE_BYTES];
};
_Static_assert(sizeof(struct pit_peer_hello) == 72, "no holes");

struct pit_peer_challenge {
    uint8_t nonce[PIT_PEER_NONCE_BYTES];
    uint8_t proof[PIT_PEER_PROOF_BYTES];
};

struct pit_peer_frame {
    uint32_t magic;
    uint32_t crc;     /* CRC-32C of header and message with this field zero */
    uint64_t cluster; /* first half of the id */
    uint64_t number;  /* 1, 2, 3, ... on this connection */
    uint64_t term;    /* the sender's */
    uint32_t bytes;   /* of the message */
    uint8_t from, to;
    uint16_t zero;
};
_Static_assert(sizeof(struct pit_peer_frame) == 40, "no holes");

enum pit_peer_side { PIT_PEER_CONNECTS = 1, PIT_PEER_ACCEPTS = 2 };

/* A side's proof. key: PIT_PEER_KEY_BYTES_MIN bytes or more. */
void pit_peer_prove(const uint8_t *key, size_t key_bytes, enum pit_peer_side side, const struct pit_peer_hello *hello,
                    const uint8_t nonce[PIT_PEER_NONCE_BYTES], uint8_t proof[PIT_PEER_PROOF_BYTES]);

/* In a time that does not tell where they differ. */
bool pit_peer_proof_equal(const uint8_t a[PIT_PEER_PROOF_BYTES], const uint8_t b[PIT_PEER_PROOF_BYTES]);

static inline uint64_t pit_peer_cluster_half(const uint8_t cluster[PIT_PEER_CLUSTER_BYTES])
{
    uint64_t half;
    __builtin_memcpy(&half, cluster, sizeof half);
    return half;
}

/* Sets crc. bytes: header and message, one after the other. */
void pit_peer_frame_seal(uint8_t *bytes);

/* What every byte of a header must be but term and crc; whole: header->bytes of message follow it. */
bool pit_peer_frame_fits(const struct pit_peer_frame *header, const struct pit_peer_frame *expected,
                         uint32_t bytes_max);
bool pit_peer_frame_whole(const uint8_t *bytes);

#endif
