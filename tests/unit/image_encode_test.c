/* Encoding: what goes in comes out again, and the caller's buffer stays whole. */
#include "image/encode_jpeg.h"

#include "image_samples.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint8_t *make_rgb(uint32_t width, uint32_t height)
{
    uint8_t *rgb = malloc((size_t)width * height * 3);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            for (uint32_t c = 0; c < 3; c++)
                rgb[((size_t)y * width + x) * 3 + c] =
                    (uint8_t)(127.0 + 100.0 * sin(x / 9.0 + c) * cos(y / 13.0));
    return rgb;
}

static double mean_difference(const uint8_t *a, const uint8_t *b, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) sum += abs(a[i] - b[i]);
    return sum / (double)count;
}

static void test_round_trip(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1}, {192, 192}, {17, 33}, {256, 3}};
    for (int chroma = SM_CHROMA_444; chroma <= SM_CHROMA_420; chroma++) {
        sm_jpeg_encoder *encoder;
        assert_int_equal(sm_jpeg_encoder_new(&encoder, 95, (sm_chroma)chroma), SM_OK);
        sm_buf out;
        sm_buf_init(&out, 1 << 24);
        assert_int_equal(sm_buf_append_str(&out, "before"), SM_OK);
        for (size_t i = 0; i < 4; i++) {
            uint32_t w = sizes[i][0], h = sizes[i][1], got_w, got_h;
            uint8_t *rgb = make_rgb(w, h);
            sm_picture_info info = {0};
            size_t before = out.len;
            long warnings;
            assert_int_equal(sm_jpeg_encode(encoder, &info, &out, rgb, w, h), SM_OK);
            uint8_t *again =
                sample_decode(&got_w, &got_h, &warnings, out.data + before, out.len - before, 8);
            assert_int_equal(got_w, w);
            assert_int_equal(got_h, h);
            assert_int_equal(warnings, 0);
            assert_true(mean_difference(rgb, again, (size_t)w * h * 3) < 1.5);
            free(again);
            free(rgb);
        }
        assert_memory_equal(out.data, "before", 6);
        sm_buf_free(&out);
        sm_jpeg_encoder_free(encoder);
    }
}

/* A picture's bytes do not depend on those encoded before it. */
static void test_same_picture_same_bytes(void **state)
{
    (void)state;
    sm_jpeg_encoder *encoder;
    sm_buf out;
    sm_picture_info info = {0};
    uint8_t *rgb = make_rgb(100, 90);
    sm_buf_init(&out, 1 << 24);
    assert_int_equal(sm_jpeg_encoder_new(&encoder, 80, SM_CHROMA_420), SM_OK);
    assert_int_equal(sm_jpeg_encode(encoder, &info, &out, rgb, 100, 90), SM_OK);
    size_t first = out.len;
    assert_int_equal(sm_jpeg_encode(encoder, &info, &out, rgb, 50, 60), SM_OK);
    size_t second = out.len;
    assert_int_equal(sm_jpeg_encode(encoder, &info, &out, rgb, 100, 90), SM_OK);
    assert_int_equal(out.len - second, first);
    assert_memory_equal(out.data, out.data + second, first);
    sm_jpeg_encoder_free(encoder);
    sm_buf_free(&out);
    free(rgb);
}

static void test_failures_leave_the_buffer(void **state)
{
    (void)state;
    sm_jpeg_encoder *encoder;
    sm_buf out;
    uint8_t *rgb = make_rgb(192, 192);
    assert_int_equal(sm_jpeg_encoder_new(&encoder, 95, SM_CHROMA_444), SM_OK);
    for (size_t room = 6; room < 3000; room += 100) { /* also where the header fits */
        sm_picture_info info = {0};
        sm_buf_init(&out, room);
        assert_int_equal(sm_buf_append_str(&out, "before"), SM_OK);
        assert_int_equal(sm_jpeg_encode(encoder, &info, &out, rgb, 192, 192), SM_ERR_LIMIT);
        assert_int_equal(info.stage, SM_STAGE_ENCODE);
        assert_int_equal(info.reason, SM_FAIL_ENCODE);
        assert_true(strlen(info.message) > 0);
        assert_int_equal(out.len, 6);
        assert_memory_equal(out.data, "before", 6);
        sm_buf_free(&out);
    }
    sm_picture_info info = {0};
    sm_buf_init(&out, 1 << 24);
    assert_int_equal(sm_jpeg_encode(encoder, &info, &out, rgb, 65501, 1), SM_ERR_LIMIT);
    assert_int_equal(info.reason, SM_FAIL_ENCODE);
    assert_int_equal(sm_jpeg_encode(encoder, &info, &out, rgb, 192, 192), SM_OK);
    sm_buf_free(&out);
    sm_jpeg_encoder_free(encoder);
    free(rgb);
}

/* Noise at quality 100 takes more than the room that is taken at first. */
static void test_buffer_grows(void **state)
{
    (void)state;
    sm_jpeg_encoder *encoder;
    sm_buf out;
    sm_picture_info info = {0};
    uint32_t random = 1, width, height;
    long warnings;
    uint8_t *rgb = malloc(192 * 192 * 3);
    for (size_t i = 0; i < 192 * 192 * 3; i++) rgb[i] = (uint8_t)sample_random(&random);
    sm_buf_init(&out, 1 << 24);
    assert_int_equal(sm_jpeg_encoder_new(&encoder, 100, SM_CHROMA_444), SM_OK);
    assert_int_equal(sm_jpeg_encode(encoder, &info, &out, rgb, 192, 192), SM_OK);
    assert_true(out.len > 192 * 192 * 2);
    uint8_t *again = sample_decode(&width, &height, &warnings, out.data, out.len, 8);
    assert_int_equal(warnings, 0);
    assert_true(mean_difference(rgb, again, 192 * 192 * 3) < 1.5);
    free(again);
    sm_jpeg_encoder_free(encoder);
    sm_buf_free(&out);
    free(rgb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_same_picture_same_bytes),
        cmocka_unit_test(test_failures_leave_the_buffer),
        cmocka_unit_test(test_buffer_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
