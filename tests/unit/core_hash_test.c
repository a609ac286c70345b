#include "core/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Digests pinned from another implementation (Python's xxhash): fingerprints of sets packed long
 * ago, their splits and their order, all rest on them. */

static void expect_digest(const sm_hash *hash, const char *expected)
{
    char hex[SM_FINGERPRINT_SIZE];
    sm_hash_hex(hash, hex);
    assert_string_equal(hex, expected);
}

static void gives_pinned_digests(void **state)
{
    (void)state;
    enum { LEN = 100000 };
    sm_hash *hash;
    assert_int_equal(sm_hash_new(&hash), SM_OK);
    expect_digest(hash, "99aa06d3014798d86001c324468d497f");

    sm_hash_str(hash, "abc");
    sm_hash_u64(hash, 0x0102030405060708u);
    sm_hash_bytes(hash, "bytes", 5);
    expect_digest(hash, "bfda94175fe0de95c364e2005823a055");
    expect_digest(hash, "bfda94175fe0de95c364e2005823a055"); /* looking changes nothing */

    uint8_t *data = malloc(LEN);
    assert_non_null(data);
    for (size_t i = 0; i < LEN; i++) data[i] = (uint8_t)(i * 7);
    sm_hash_reset(hash);
    sm_hash_bytes(hash, data, LEN);
    expect_digest(hash, "4fb78cd2670dad5801271d2740e5fca3");
    sm_hash_reset(hash);
    for (size_t at = 0; at < LEN; at += 50) sm_hash_bytes(hash, data + at, 50);
    expect_digest(hash, "4fb78cd2670dad5801271d2740e5fca3");
    free(data);
    sm_hash_free(hash);
    sm_hash_free(NULL);
}

static void tells_where_a_text_ends(void **state)
{
    (void)state;
    sm_hash *hash;
    char first[SM_FINGERPRINT_SIZE], second[SM_FINGERPRINT_SIZE];
    assert_int_equal(sm_hash_new(&hash), SM_OK);
    sm_hash_str(hash, "a");
    sm_hash_str(hash, "bc");
    sm_hash_hex(hash, first);
    sm_hash_reset(hash);
    sm_hash_str(hash, "ab");
    sm_hash_str(hash, "c");
    sm_hash_hex(hash, second);
    assert_string_not_equal(first, second);
    sm_hash_free(hash);
}

static void gives_pinned_keys(void **state)
{
    (void)state;
    assert_true(sm_hash_key("", 0, 0) == 0x2d06800538d394c2u);
    assert_true(sm_hash_key("daisy/1.jpg", 11, 0) == 0x9fbcd177b8c4b7acu);
    assert_true(sm_hash_key("daisy/1.jpg", 11, 42) == 0xabc2320e4829c309u);
    assert_true(sm_hash_key("daisy/2.jpg", 11, 0) == 0x7ffc6cf6c23cd874u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_pinned_digests),
        cmocka_unit_test(tells_where_a_text_ends),
        cmocka_unit_test(gives_pinned_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
