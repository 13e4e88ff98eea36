#include "stages/peer_frame.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "journal/block.h"
#include "ring/check.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "frames are little-endian");

#define LABEL_BYTES 24

void pit_peer_prove(const uint8_t *key, size_t key_bytes, enum pit_peer_side side, const struct pit_peer_hello *hello,
                    const uint8_t nonce[PIT_PEER_NONCE_BYTES], uint8_t proof[PIT_PEER_PROOF_BYTES])
{
    static const char labels[][LABEL_BYTES] = {
        [PIT_PEER_CONNECTS] = "pitline peer connects",
        [PIT_PEER_ACCEPTS] = "pitline peer accepts",
    };
    uint8_t text[LABEL_BYTES + sizeof *hello + PIT_PEER_NONCE_BYTES];
    memcpy(text, labels[side], LABEL_BYTES);
    memcpy(text + LABEL_BYTES, hello, sizeof *hello);
    memcpy(text + LABEL_BYTES + sizeof *hello, nonce, PIT_PEER_NONCE_BYTES);
    PIT_CHECK(key_bytes >= PIT_PEER_KEY_BYTES_MIN && key_bytes <= INT32_MAX);
    unsigned int bytes = 0;
    /* Fails only without memory or without a working library: nobody may talk to anybody then. */
    PIT_CHECK(HMAC(EVP_sha256(), key, (int)key_bytes, text, sizeof text, proof, &bytes) != NULL);
    PIT_CHECK(bytes == PIT_PEER_PROOF_BYTES);
}

bool pit_peer_proof_equal(const uint8_t a[PIT_PEER_PROOF_BYTES], const uint8_t b[PIT_PEER_PROOF_BYTES])
{
    return CRYPTO_memcmp(a, b, PIT_PEER_PROOF_BYTES) == 0;
}

static uint32_t crc_of(const uint8_t *bytes, uint32_t message)
{
    return pit_journal_crc_without(bytes, sizeof(struct pit_peer_frame) + message,
                                   offsetof(struct pit_peer_frame, crc));
}

void pit_peer_frame_seal(uint8_t *bytes)
{
    struct pit_peer_frame header;
    memcpy(&header, bytes, sizeof header);
    header.crc = crc_of(bytes, header.bytes);
    memcpy(bytes, &header, sizeof header);
}

bool pit_peer_frame_fits(const struct pit_peer_frame *header, const struct pit_peer_frame *expected, uint32_t bytes_max)
{
    return header->magic == PIT_PEER_FRAME_MAGIC && header->cluster == expected->cluster &&
           header->number == expected->number && header->from == expected->from && header->to == expected->to &&
           header->zero == 0 && header->bytes > 0 && header->bytes <= bytes_max;
}

bool pit_peer_frame_whole(const uint8_t *bytes)
{
    struct pit_peer_frame header;
    memcpy(&header, bytes, sizeof header);
    return header.crc == crc_of(bytes, header.bytes);
}
