#include "core/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 8192 };

typedef uint32_t crc_function(uint32_t crc, const void *data, size_t len);

static crc_function *const both[] = {sm_crc32c, sm_crc32c_portable};

static void fill(uint8_t *data, size_t len)
{
    uint32_t state = 1;
    for (size_t i = 0; i < len; i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = (uint8_t)(state >> 24);
    }
}

/* RFC 3720, appendix B.4. */
static void gives_the_known_values(void **state)
{
    (void)state;
    uint8_t zeros[32] = {0}, ones[32], rising[32], falling[32];
    memset(ones, 0xff, sizeof ones);
    for (uint8_t i = 0; i < 32; i++) {
        rising[i] = i;
        falling[i] = (uint8_t)(31 - i);
    }
    for (int f = 0; f < 2; f++) {
        assert_int_equal(both[f](0, zeros, 32), 0x8a9136aau);
        assert_int_equal(both[f](0, ones, 32), 0x62a8ab43u);
        assert_int_equal(both[f](0, rising, 32), 0x46dd794eu);
        assert_int_equal(both[f](0, falling, 32), 0x113fdb5cu);
        assert_int_equal(both[f](0, "123456789", 9), 0xe3069283u);
        assert_int_equal(both[f](0, NULL, 0), 0);
    }
}

/* One bit at a time, straight from the polynomial: neither table nor instruction. */
static uint32_t crc_by_bits(uint32_t crc, const uint8_t *data, size_t len)
{
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static void agrees_at_every_length_and_alignment(void **state)
{
    (void)state;
    uint8_t *data = malloc(MOST + 16);
    assert_non_null(data);
    fill(data, MOST + 16);
    for (size_t align = 0; align < 16; align++) {
        uint32_t expected = 0;
        for (size_t len = 0; len <= 400; len++) {
            assert_int_equal(sm_crc32c(0, data + align, len), expected);
            assert_int_equal(sm_crc32c_portable(0, data + align, len), expected);
            expected = crc_by_bits(expected, data + align + len, 1);
        }
    }
    /* the interleaved streams, and what is left behind them */
    uint32_t expected = 0;
    for (size_t len = 0; len <= MOST; len++) {
        size_t align = len % 8;
        if (len % 97 == 0 || len % 3072 < 20 || len % 3072 > 3060) {
            expected = crc_by_bits(0, data + align, len);
            assert_int_equal(sm_crc32c(0, data + align, len), expected);
            assert_int_equal(sm_crc32c_portable(0, data + align, len), expected);
        }
    }
    free(data);
}

static void goes_on_from_a_value(void **state)
{
    (void)state;
    uint8_t *data = malloc(MOST);
    assert_non_null(data);
    fill(data, MOST);
    for (int f = 0; f < 2; f++) {
        uint32_t whole = both[f](0, data, MOST);
        for (size_t cut = 0; cut <= MOST; cut += 111)
            assert_int_equal(both[f](both[f](0, data, cut), data + cut, MOST - cut), whole);
    }
    free(data);
}

/* The checksum of a length of 0, as TensorFlow writes it in front of an empty record. */
static void masks_as_tensorflow(void **state)
{
    (void)state;
    static const uint8_t zero[8];
    assert_int_equal(sm_crc32c_mask(sm_crc32c(0, zero, 8)), 0x07980329u);
    assert_int_equal(sm_crc32c_mask(0), 0xa282ead8u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_known_values),
        cmocka_unit_test(agrees_at_every_length_and_alignment),
        cmocka_unit_test(goes_on_from_a_value),
        cmocka_unit_test(masks_as_tensorflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
