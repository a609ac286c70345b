#include "core/crc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 4096 };

static uint64_t crc32(uint64_t crc, const void *data, size_t len)
{
    return sm_crc32((uint32_t)crc, data, len);
}

static uint64_t crc32_portable(uint64_t crc, const void *data, size_t len)
{
    return sm_crc32_portable((uint32_t)crc, data, len);
}

static const struct {
    uint64_t (*function)(uint64_t crc, const void *data, size_t len);
    uint64_t polynomial, ones;
    uint64_t of_digits, of_zeros; /* of "123456789", and of 32 bytes of zero */
} all[] = {
    {crc32, 0xedb88320u, 0xffffffffu, 0xcbf43926u, 0x190a55adu},
    {crc32_portable, 0xedb88320u, 0xffffffffu, 0xcbf43926u, 0x190a55adu},
    /* The specification's: of 4 KiB of zeros 6482d367eb22b64e, below. */
    {sm_crc64nvme, 0x9a6c9329ac4bc9b5u, UINT64_MAX, 0xae8b14860a799888u, 0xcf3473434d4ecf3bu},
    {sm_crc64nvme_portable, 0x9a6c9329ac4bc9b5u, UINT64_MAX, 0xae8b14860a799888u,
     0xcf3473434d4ecf3bu},
};

enum { COUNT = sizeof all / sizeof *all };

static void fill(uint8_t *data, size_t len)
{
    uint32_t state = 1;
    for (size_t i = 0; i < len; i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = (uint8_t)(state >> 24);
    }
}

static void gives_the_known_values(void **state)
{
    (void)state;
    static const uint8_t zeros[4096];
    for (int f = 0; f < COUNT; f++) {
        assert_true(all[f].function(0, "123456789", 9) == all[f].of_digits);
        assert_true(all[f].function(0, zeros, 32) == all[f].of_zeros);
        assert_true(all[f].function(0, zeros, 0) == 0);
    }
    assert_true(sm_crc64nvme(0, zeros, 4096) == 0x6482d367eb22b64eu);
    assert_true(sm_crc64nvme_portable(0, zeros, 4096) == 0x6482d367eb22b64eu);
}

/* One bit at a time, straight from the polynomial: neither table nor instruction. */
static uint64_t crc_by_bits(int f, uint64_t crc, const uint8_t *data, size_t len)
{
    crc ^= all[f].ones;
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? all[f].polynomial : 0);
    }
    return crc ^ all[f].ones;
}

/* In memory of its own size, so that a sanitizer sees a read beyond. */
static void agrees_at_every_length_and_alignment(void **state)
{
    (void)state;
    uint8_t *data = malloc(MOST);
    assert_non_null(data);
    fill(data, MOST);
    for (int f = 0; f < COUNT; f++) {
        uint64_t expected = 0;
        for (size_t len = 0; len < 1200; len++) {
            size_t align = len % 16;
            uint8_t *own = malloc(len + align + 1);
            assert_non_null(own);
            memcpy(own + align, data, len);
            assert_true(all[f].function(0, own + align, len) == expected);
            expected = crc_by_bits(f, expected, data + len, 1);
            free(own);
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
    for (int f = 0; f < COUNT; f++) {
        uint64_t whole = crc_by_bits(f, 0, data, MOST);
        for (size_t cut = 0; cut <= MOST; cut += 111) {
            uint64_t first = all[f].function(0, data, cut);
            assert_true(all[f].function(first, data + cut, MOST - cut) == whole);
        }
    }
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_known_values),
        cmocka_unit_test(agrees_at_every_length_and_alignment),
        cmocka_unit_test(goes_on_from_a_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
