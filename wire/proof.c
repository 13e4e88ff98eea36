/* wire/proof.c - how a client proves that it knows its account's key, without sending it. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "ring/check.h"
#include "wire/message.h"

void pit_wire_proof(const uint8_t *key, size_t key_bytes, const uint8_t nonce[PIT_WIRE_NONCE_BYTES], uint32_t account,
                    uint8_t proof[PIT_WIRE_PROOF_BYTES])
{
    static const uint8_t none[1];
    uint8_t text[PIT_WIRE_NONCE_BYTES + sizeof account];
    uint32_t account_big_endian = __builtin_bswap32(account);
    memcpy(text, nonce, PIT_WIRE_NONCE_BYTES);
    memcpy(text + PIT_WIRE_NONCE_BYTES, &account_big_endian, sizeof account);
    PIT_CHECK(key_bytes <= INT32_MAX);
    unsigned int bytes = 0;
    /* Fails only without memory or without a working library: nobody may log on then. */
    PIT_CHECK(HMAC(EVP_sha256(), key_bytes ? key : none, (int)key_bytes, text, sizeof text, proof, &bytes) != NULL);
    PIT_CHECK(bytes == PIT_WIRE_PROOF_BYTES);
}

int pit_wire_proof_equal(const uint8_t a[PIT_WIRE_PROOF_BYTES], const uint8_t b[PIT_WIRE_PROOF_BYTES])
{
    return CRYPTO_memcmp(a, b, PIT_WIRE_PROOF_BYTES) == 0;
}
