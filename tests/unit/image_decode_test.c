/* Decoding: windows, damage, limits. */
#include "image/decode_jpeg.h"

#include "image_samples.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static sm_jpeg_decoder *new_decoder(uint64_t max_pixels, uint64_t max_memory)
{
    sm_jpeg_limits limits = {max_pixels, max_memory};
    sm_jpeg_decoder *decoder;
    assert_int_equal(sm_jpeg_decoder_new(&decoder, &limits), SM_OK);
    return decoder;
}

static bool same_pixels(const uint8_t *rgbx, const uint8_t *rgb, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(rgbx + 4 * i, rgb + 3 * i, 3) != 0) return false;
    return true;
}

/* Decodes a window and compares it with the same place of the whole picture. */
static bool window_is_exact(sm_jpeg_decoder *decoder, sm_picture_info *info, const uint8_t *data,
                            size_t len, unsigned eighths, const sm_window *w, const uint8_t *whole,
                            uint32_t width)
{
    sm_jpeg_header header;
    sm_strip strip;
    uint32_t rows = 0;
    bool same = true;
    *info = (sm_picture_info){0};
    assert_int_equal(sm_jpeg_open(decoder, &header, info, data, len), SM_OK);
    assert_int_equal(sm_jpeg_start(decoder, info, eighths, w), SM_OK);
    do {
        assert_int_equal(sm_jpeg_read(decoder, &strip, info), SM_OK);
        assert_true(strip.first_column <= w->left);
        for (uint32_t i = 0; i < strip.rows; i++) {
            uint32_t y = strip.first_row + i;
            if (y < w->top || y >= w->bottom) continue;
            const uint8_t *got = strip.pixels + strip.stride * i;
            const uint8_t *want = whole + ((size_t)y * width + w->left) * 3;
            if (!same_pixels(got + (size_t)(w->left - strip.first_column) * 4, want,
                             w->right - w->left))
                same = false;
            rows++;
        }
    } while (strip.rows > 0);
    assert_int_equal(rows, w->bottom - w->top);
    sm_jpeg_finish(decoder, info);
    return same;
}

static sm_window random_window(uint32_t *random, uint32_t width, uint32_t height)
{
    sm_window w;
    w.left = sample_random(random) % width;
    w.right = w.left + 1 + sample_random(random) % (width - w.left);
    w.top = sample_random(random) % height;
    w.bottom = w.top + 1 + sample_random(random) % (height - w.top);
    return w;
}

/* Windows of a file whose first len bytes are there; as many warnings as the whole has. */
static void check_windows_of(sm_jpeg_decoder *decoder, const sample *s, const uint8_t *data,
                             size_t len, int count)
{
    uint32_t random = s->width ^ s->height << 8;
    for (unsigned eighths = 1; eighths <= 8; eighths *= 2) {
        uint32_t width, height;
        long warnings;
        uint8_t *whole = sample_decode(&width, &height, &warnings, data, len, eighths);
        for (int i = 0; i < count; i++) {
            sm_picture_info info;
            sm_window w = random_window(&random, width, height);
            if (!window_is_exact(decoder, &info, data, len, eighths, &w, whole, width) ||
                info.warnings != warnings)
                fail_msg("%u x %u, %d x %d%s, eighths %u, columns %u to %u, rows %u to %u: "
                         "not the same as the whole's, or %u warnings for %ld",
                         s->width, s->height, s->sampling[0][0], s->sampling[0][1],
                         s->progressive ? " progressive" : "", eighths, w.left, w.right, w.top,
                         w.bottom, info.warnings, warnings);
        }
        free(whole);
    }
}

static void check_windows(sm_jpeg_decoder *decoder, const sample *s, int count)
{
    size_t len;
    uint8_t *data = sample_jpeg(&len, s);
    check_windows_of(decoder, s, data, len, count);
    free(data);
}

/* Ten blocks at most, and every factor divides the largest: libjpeg scales by whole numbers. */
static bool is_possible(const sample *s)
{
    int blocks = 0;
    for (int c = 0; c < 3; c++) {
        const int *own = s->sampling[c];
        blocks += own[0] * own[1];
        for (int other = 0; other < 3; other++)
            for (int axis = 0; axis < 2; axis++)
                if (s->sampling[other][axis] > own[axis] && s->sampling[other][axis] % own[axis])
                    return false;
    }
    return blocks <= 10;
}

static const uint32_t sizes[][2] = {{1, 1},   {2, 3},    {7, 8},     {16, 17},  {33, 15},
                                    {64, 64}, {129, 95}, {320, 240}, {41, 333}, {500, 31}};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Every kind of file that cameras and programs write. */
static void test_window_is_exact(void **state)
{
    (void)state;
    static const int samplings[][2] = {{1, 1}, {2, 1}, {2, 2}, {1, 2},
                                       {4, 1}, {4, 2}, {2, 4}, {1, 4}};
    sm_jpeg_decoder *decoder = new_decoder(1000000, 0);
    for (size_t i = 0; i < SIZES; i++) {
        for (size_t k = 0; k < sizeof samplings / sizeof *samplings; k++) {
            for (int form = 0; form < 5; form++) {
                sample s = {.width = sizes[i][0],
                            .height = sizes[i][1],
                            .sampling = {{samplings[k][0], samplings[k][1]}},
                            .progressive = form == 1,
                            .restart = form == 2 ? 3 : 0,
                            .components = form == 3 ? 1 : 3,
                            .arithmetic = form == 4};
                check_windows(decoder, &s, 5);
            }
        }
    }
    sm_jpeg_decoder_free(decoder);
}

/* Components sampled in any way, as hardly anybody does it. */
static void test_window_is_exact_for_odd_samplings(void **state)
{
    (void)state;
    uint32_t random = 1;
    sm_jpeg_decoder *decoder = new_decoder(1000000, 0);
    for (int i = 0; i < 300; i++) {
        sample s = {.width = 1 + sample_random(&random) % 150,
                    .height = 1 + sample_random(&random) % 150,
                    .progressive = i % 3 == 0};
        int most = i % 4 == 0 ? 4 : 2;
        for (int k = 0; k < 6; k++)
            s.sampling[k / 2][k % 2] = 1 + (int)(sample_random(&random) % (uint32_t)most);
        if (is_possible(&s)) check_windows(decoder, &s, 4);
    }
    sm_jpeg_decoder_free(decoder);
}

/* What is there of a damaged picture is the same, too, wherever the window lies. */
static void test_window_of_damaged_picture_is_exact(void **state)
{
    (void)state;
    sm_jpeg_decoder *decoder = new_decoder(1000000, 0);
    for (int form = 0; form < 6; form++) {
        sample s = {.width = 200,
                    .height = 170,
                    .sampling = {{form % 3 == 0 ? 1 : 2, form % 3 == 2 ? 2 : 1}},
                    .progressive = form >= 3};
        size_t len;
        uint8_t *data = sample_jpeg(&len, &s);
        memcpy(data + len / 2, "\x12\x34\x56", 3);
        check_windows_of(decoder, &s, data, len, 5);
        for (size_t at = len - 20; at > len / 2; at -= len / 9) { /* ever shorter */
            memcpy(data + at, "\xff\xd9", 2);
            check_windows_of(decoder, &s, data, at + 2, 5);
        }
        free(data);
    }
    sm_jpeg_decoder_free(decoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window_is_exact),
        cmocka_unit_test(test_window_is_exact_for_odd_samplings),
        cmocka_unit_test(test_window_of_damaged_picture_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
