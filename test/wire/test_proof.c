/* test/wire/test_proof.c - the proof is HMAC-SHA256 over nonce | account: held against RFC 2104's definition written
 * out here, which is itself held against RFC 4231's vectors, and against a value from another implementation. */
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "test/wire/sample.h"

/* RFC 2104, section 2, with SHA-256 (64-byte blocks). text_bytes <= 256. */
static void hmac_by_definition(const uint8_t *key, size_t key_bytes, const uint8_t *text, size_t text_bytes,
                               uint8_t out[SHA256_DIGEST_LENGTH])
{
    uint8_t block[SHA256_CBLOCK] = {0}, inner[SHA256_CBLOCK + 256], outer[SHA256_CBLOCK + SHA256_DIGEST_LENGTH];
    if (key_bytes > sizeof block)
        SHA256(key, key_bytes, block);
    else
        memcpy(block, key, key_bytes);
    for (size_t i = 0; i < sizeof block; i++) {
        inner[i] = block[i] ^ 0x36;
        outer[i] = block[i] ^ 0x5c;
    }
    memcpy(inner + sizeof block, text, text_bytes);
    SHA256(inner, sizeof block + text_bytes, outer + sizeof block);
    SHA256(outer, sizeof outer, out);
}

static void unhex(const char *hex, uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned int byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        bytes[i] = (uint8_t)byte;
    }
}

static void hmac_definition_gives_the_rfc_4231_vectors(void **state)
{
    (void)state;
    uint8_t key[131], data[50], out[32], expected[32];
    memset(key, 0x0b, 20); /* test case 1 */
    hmac_by_definition(key, 20, (const uint8_t *)"Hi There", 8, out);
    unhex("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", expected, 32);
    assert_memory_equal(out, expected, 32);
    hmac_by_definition((const uint8_t *)"Jefe", 4, (const uint8_t *)"what do ya want for nothing?", 28, out); /* 2 */
    unhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", expected, 32);
    assert_memory_equal(out, expected, 32);
    memset(key, 0xaa, sizeof key); /* 3 */
    memset(data, 0xdd, sizeof data);
    hmac_by_definition(key, 20, data, sizeof data, out);
    unhex("773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe", expected, 32);
    assert_memory_equal(out, expected, 32);
    hmac_by_definition(key, 131, (const uint8_t *)"Test Using Larger Than Block-Size Key - Hash Key First", 54,
                       out); /* 6 */
    unhex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", expected, 32);
    assert_memory_equal(out, expected, 32);
}

static void proof_is_hmac_over_nonce_and_account(void **state)
{
    (void)state;
    uint64_t random = sample_seed();
    for (uint32_t round = 0; round < 200; round++) {
        uint8_t key[100], text[36], proof[32], expected[32];
        size_t key_bytes = sample_random(&random) % (sizeof key + 1);
        for (size_t i = 0; i < sizeof key; i++)
            key[i] = (uint8_t)sample_random(&random);
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = (uint8_t)sample_random(&random);
        uint32_t account = (uint32_t)text[32] << 24 | (uint32_t)text[33] << 16 | (uint32_t)text[34] << 8 | text[35];
        pit_wire_proof(key, key_bytes, text, account, proof);
        hmac_by_definition(key, key_bytes, text, sizeof text, expected);
        assert_memory_equal(proof, expected, sizeof proof);
    }
}

/* python3: hmac.new(b"sixteen byte key", bytes(range(32)) + (7).to_bytes(4, "big"), "sha256") */
static void proof_equals_another_implementations(void **state)
{
    (void)state;
    uint8_t nonce[32], proof[32], expected[32];
    for (size_t i = 0; i < sizeof nonce; i++)
        nonce[i] = (uint8_t)i;
    pit_wire_proof((const uint8_t *)"sixteen byte key", 16, nonce, 7, proof);
    unhex("51e4e72d8040360126b3dca6f3014373b1f801cbe7421357dc93ddb22d450e8a", expected, 32);
    assert_memory_equal(proof, expected, sizeof proof);
}

static void proof_equal_sees_every_bit(void **state)
{
    (void)state;
    uint8_t a[32] = {1, 2, 3}, b[32] = {1, 2, 3};
    assert_true(pit_wire_proof_equal(a, b));
    for (uint32_t bit = 0; bit < 256; bit++) {
        b[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_false(pit_wire_proof_equal(a, b));
        b[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hmac_definition_gives_the_rfc_4231_vectors),
        cmocka_unit_test(proof_is_hmac_over_nonce_and_account),
        cmocka_unit_test(proof_equals_another_implementations),
        cmocka_unit_test(proof_equal_sees_every_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
