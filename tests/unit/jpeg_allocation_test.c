/* The JPEG encoder and decoder when memory runs out: each allocation fails in turn. */
#include "failing_malloc.h"
#include "jpeg/decode.h"
#include "jpeg/jpeg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
        allocations_left = nth;
        const smj_status status = encode(encoder, &untouched, &untouched_len, WIDTH, HEIGHT);
        const bool failed = allocations_left <= 0;
        allocations_left = NEVER_FAILS;
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
    largest_allocation = 0;
    assert_int_equal(encode(encoder, &data, &len, WIDTH, HEIGHT), SMJ_OK);
    assert_in_range(largest_allocation, len, 2 * len);
    smj_encoder_free(encoder);

    encoder = smj_encoder_new(SMJ_KERNELS_PORTABLE);
    assert_non_null(encoder);
    memset(rgb, 99, sizeof rgb);
    largest_allocation = 0;
    assert_int_equal(encode(encoder, &data, &len, WIDTH, HEIGHT), SMJ_OK);
    assert_in_range(largest_allocation, len, 64 * 1024);
    smj_encoder_free(encoder);
}

/* All rows of a picture's middle, as planes or as pixels; how many rows of luma or pixels came. */
static smj_status decode(smj_decoder *decoder, const uint8_t *data, size_t len, bool as_rgb,
                         uint32_t *rows)
{
    smj_header header;
    smj_plane planes[3] = {0};
    const smj_window window = {WIDTH / 4, HEIGHT / 4, 3 * WIDTH / 4, 3 * HEIGHT / 4};
    const smj_window windows[3] = {window, window, window};
    smj_status status = smj_decode_open(decoder, &header, data, len);
    if (status == SMJ_OK)
        status = as_rgb ? smj_decode_start_rgb(decoder, 8, &window)
                        : smj_decode_start_planes(decoder, 8, windows);
    *rows = 0;
    do {
        if (status == SMJ_OK)
            status = as_rgb ? smj_decode_read_rgb(decoder, planes)
                            : smj_decode_read_planes(decoder, planes);
        *rows += planes[0].rows;
    } while (status == SMJ_OK && planes[0].rows > 0);
    return status == SMJ_OK ? smj_decode_finish(decoder) : status;
}

static void each_allocation_of_a_decoder_fails(void **state)
{
    (void)state;
    const uint8_t *data;
    size_t len;
    uint32_t rows;
    smj_encoder *encoder = smj_encoder_new(SMJ_KERNELS_BEST);
    assert_non_null(encoder);
    assert_int_equal(encode(encoder, &data, &len, WIDTH, HEIGHT), SMJ_OK);
    for (int as_rgb = 0; as_rgb < 2; as_rgb++) {
        int failures = 0;
        for (int nth = 1;; nth++) {
            allocations_left = nth;
            smj_decoder *decoder = smj_decoder_new(SMJ_KERNELS_BEST);
            const smj_status status =
                decoder != NULL ? decode(decoder, data, len, as_rgb, &rows) : SMJ_ERR_MEMORY;
            const bool failed = allocations_left <= 0;
            allocations_left = NEVER_FAILS;
            assert_int_equal(status, failed ? SMJ_ERR_MEMORY : SMJ_OK);
            /* the decoder goes on as if nothing had been */
            if (decoder != NULL)
                assert_int_equal(decode(decoder, data, len, as_rgb, &rows), SMJ_OK);
            if (decoder != NULL) assert_true(rows >= HEIGHT / 2);
            smj_decoder_free(decoder);
            if (!failed) break;
            failures++;
        }
        assert_true(failures >= 4);
    }
    smj_encoder_free(encoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_growth_fails),
        cmocka_unit_test(memory_in_measure),
        cmocka_unit_test(each_allocation_of_a_decoder_fails),
    };
    fill();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
