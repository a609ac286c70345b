/* The JPEG encoder when memory runs out: each growth of the file fails in turn. */
#include "jpeg/jpeg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The linker sends the room's calls here (tests/CMakeLists.txt). */
static int calls_until_failure; /* 0: none fails */
static size_t largest;

void *__real_realloc(void *old, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);

void *__wrap_realloc(void *old, size_t bytes)
{
    if (calls_until_failure > 0 && --calls_until_failure == 0) return NULL;
    if (bytes > largest) largest = bytes;
    return __real_realloc(old, bytes);
}

enum { WIDTH = 900, HEIGHT = 700, SMALL = 16 };

static uint8_t rgb[HEIGHT * WIDTH * 3];

static void fill(void)
{
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof rgb; i++) {
        state = state * 1664525u + 1013904223u;
        rgb[i] = (uint8_t)(state >> 24);
    }
}

static smj_status encode(smj_encoder *encoder, const uint8_t **data, size_t *len, uint32_t width,
                         uint32_t height)
{
    const smj_options options = {95, SMJ_444};
    return smj_encode(encoder, data, len, rgb, (size_t)WIDTH * 3, width, height, &options);
}

static void each_growth_fails(void **state)
{
    (void)state;
    const uint8_t *data = NULL;
    size_t len = 0, small_len;
    int failures = 0;
    for (int nth = 1;; nth++) {
        smj_encoder *encoder = smj_encoder_new(SMJ_KERNELS_BEST);
        assert_non_null(encoder);
        const uint8_t *untouched = rgb;
        size_t untouched_len = 17;
        calls_until_failure = nth;
        const smj_status status = encode(encoder, &untouched, &untouched_len, WIDTH, HEIGHT);
        const bool failed = calls_until_failure == 0;
        calls_until_failure = 0;
        assert_int_equal(status, failed ? SMJ_ERR_MEMORY : SMJ_OK);
        if (failed) {
            failures++;
            assert_ptr_equal(untouched, rgb);
            assert_int_equal(untouched_len, 17);
        }
        /* the encoder goes on as if nothing had been */
        assert_int_equal(encode(encoder, &data, &small_len, SMALL, SMALL), SMJ_OK);
        assert_int_equal(encode(encoder, &data, &len, WIDTH, HEIGHT), SMJ_OK);
        assert_int_equal(data[len - 1], 0xd9);
        smj_encoder_free(encoder);
        if (!failed) {
            assert_int_equal(untouched_len, len);
            break;
        }
    }
    assert_true(failures > 3);
}

/* The file's memory grows with the file: no picture's size alone makes it large. */
static void memory_in_measure(void **state)
{
    (void)state;
    const uint8_t *data;
    size_t len;
    smj_encoder *encoder = smj_encoder_new(SMJ_KERNELS_BEST);
    assert_non_null(encoder);
    largest = 0;
    assert_int_equal(encode(encoder, &data, &len, WIDTH, HEIGHT), SMJ_OK);
    assert_in_range(largest, len, 2 * len);
    smj_encoder_free(encoder);

    encoder = smj_encoder_new(SMJ_KERNELS_PORTABLE);
    assert_non_null(encoder);
    memset(rgb, 99, sizeof rgb);
    largest = 0;
    assert_int_equal(encode(encoder, &data, &len, WIDTH, HEIGHT), SMJ_OK);
    assert_in_range(largest, len, 64 * 1024);
    smj_encoder_free(encoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_growth_fails),
        cmocka_unit_test(memory_in_measure),
    };
    fill();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
