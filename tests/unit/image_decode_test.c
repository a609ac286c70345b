/* Decoding: windows, damage, limits. */
#include "image/decode_jpeg.h"

#include "image_samples.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* All is tried twice: with our own decoder, and with libjpeg-turbo alone. */
static sm_decoder_choice choice;

static int with_our_own(void **state)
{
    (void)state;
    choice = SM_DECODER_AUTO;
    return 0;
}

static int with_turbo(void **state)
{
    (void)state;
    choice = SM_DECODER_TURBO;
    return 0;
}

static sm_jpeg_decoder *new_decoder(uint64_t max_pixels, uint64_t max_memory)
{
    sm_jpeg_limits limits = {max_pixels, max_memory};
    sm_jpeg_decoder *decoder;
    assert_int_equal(sm_jpeg_decoder_new(&decoder, &limits, choice), SM_OK);
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
again:
    assert_int_equal(sm_jpeg_start(decoder, info, eighths, w), SM_OK);
    do {
        assert_int_equal(sm_jpeg_read(decoder, &strip, info), SM_OK);
        assert_true(strip.rows == 0 || strip.first_column <= w->left);
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
    if (!sm_jpeg_is_refused(decoder)) sm_jpeg_finish(decoder, info);
    if (sm_jpeg_is_refused(decoder)) {
        assert_int_equal(choice, SM_DECODER_AUTO);
        assert_int_equal(sm_jpeg_open_again(decoder, info), SM_OK);
        same = true;
        rows = 0;
        goto again;
    }
    assert_int_equal(rows, w->bottom - w->top);
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

/* ---- Planes ---------------------------------------------------------------------------------- */

/* The planes of a picture, one behind another, row by row. */
static sm_buf planes_of(sm_plane planes[SM_PLANES_MAX], unsigned *count, const sample *s,
                        const uint8_t *data, size_t len, unsigned eighths)
{
    sm_buf out[SM_PLANES_MAX];
    sm_window windows[SM_PLANES_MAX];
    sm_strip strips[SM_PLANES_MAX] = {{.rows = 1}};
    sm_jpeg_header header;
    sm_picture_info info = {0};
    sm_jpeg_decoder *decoder = new_decoder(1000000, 0);
    assert_int_equal(sm_jpeg_open(decoder, &header, &info, data, len), SM_OK);
    *count = sm_jpeg_planes(decoder, planes, eighths);
    for (unsigned i = 0; i < *count; i++) {
        windows[i] = (sm_window){0, 0, (s->width * planes[i].across + 15) / 16,
                                 (s->height * planes[i].down + 15) / 16};
        sm_buf_init(&out[i], 1 << 20);
    }
    if (*count > 0) assert_int_equal(sm_jpeg_start_planes(decoder, &info, eighths, windows), SM_OK);
    while (*count > 0 && strips[0].rows > 0) {
        assert_int_equal(sm_jpeg_read_planes(decoder, strips, &info), SM_OK);
        for (unsigned i = 0; i < *count; i++)
            for (uint32_t y = 0; y < strips[i].rows; y++)
                assert_int_equal(sm_buf_append(&out[i], strips[i].pixels + strips[i].stride * y,
                                               windows[i].right),
                                 SM_OK);
    }
    for (unsigned i = 0; i < *count; i++) {
        assert_int_equal(out[i].len, (size_t)windows[i].right * windows[i].bottom);
        if (i > 0) assert_int_equal(sm_buf_append(&out[0], out[i].data, out[i].len), SM_OK);
        if (i > 0) sm_buf_free(&out[i]);
    }
    sm_jpeg_finish(decoder, &info);
    assert_false(sm_jpeg_is_refused(decoder));
    sm_jpeg_decoder_free(decoder);
    if (*count == 0) sm_buf_init(&out[0], 1);
    return out[0];
}

/* What becomes of a picture must not depend on who decodes it. */
static void test_planes_are_the_same_from_both(void **state)
{
    (void)state;
    uint32_t random = 1;
    int with_planes = 0;
    const sm_decoder_choice before = choice;
    for (int i = 0; i < 300; i++) {
        sample s = {.width = 1 + sample_random(&random) % 150,
                    .height = 1 + sample_random(&random) % 150,
                    .progressive = i % 5 == 0,
                    .components = i % 7 == 0 ? 1 : 3};
        const uint32_t most = i % 4 == 0 ? 4 : 2;
        for (int k = 0; k < 6; k++)
            s.sampling[k / 2][k % 2] = 1 + (int)(sample_random(&random) % most);
        if (!is_possible(&s)) continue;
        size_t len;
        uint8_t *data = sample_jpeg(&len, &s);
        for (unsigned eighths = 1; eighths <= 8; eighths *= 2) {
            sm_plane planes[2][SM_PLANES_MAX];
            unsigned counts[2];
            choice = SM_DECODER_AUTO;
            sm_buf own = planes_of(planes[0], &counts[0], &s, data, len, eighths);
            choice = SM_DECODER_TURBO;
            sm_buf turbo = planes_of(planes[1], &counts[1], &s, data, len, eighths);
            assert_int_equal(counts[0], counts[1]);
            assert_int_equal(own.len, turbo.len);
            if (own.len > 0) assert_memory_equal(own.data, turbo.data, own.len);
            for (unsigned c = 0; c < counts[0]; c++)
                assert_true(planes[0][c].across == planes[1][c].across &&
                            planes[0][c].down == planes[1][c].down);
            with_planes += counts[0] > 0;
            sm_buf_free(&own);
            sm_buf_free(&turbo);
        }
        free(data);
    }
    choice = before;
    assert_true(with_planes > 300);
}

/* ---- Damage ---------------------------------------------------------------------------------- */

/* Decodes all of a file; false when that fails. The pixels are summed up, so that they are read. */
static bool decodes(sm_jpeg_decoder *decoder, sm_picture_info *info, const uint8_t *data,
                    size_t len)
{
    sm_jpeg_header header;
    *info = (sm_picture_info){0};
    if (sm_jpeg_open(decoder, &header, info, data, len) != SM_OK) return false;
    sm_window w = {0, 0, header.width, header.height};
again:
    if (sm_jpeg_start(decoder, info, 8, &w) != SM_OK) return false;
    sm_strip strip;
    do {
        if (sm_jpeg_read(decoder, &strip, info) != SM_OK) return false;
    } while (strip.rows > 0);
    if (!sm_jpeg_is_refused(decoder)) sm_jpeg_finish(decoder, info);
    if (sm_jpeg_is_refused(decoder)) {
        if (sm_jpeg_open_again(decoder, info) != SM_OK) return false;
        goto again;
    }
    return true;
}

static void test_missing_end_marker_is_good(void **state)
{
    (void)state;
    sm_jpeg_decoder *decoder = new_decoder(1000000, 0);
    for (int form = 0; form < 5; form++) {
        sample s = {.width = 123,
                    .height = 77,
                    .progressive = form == 1,
                    .arithmetic = form == 2,
                    .separate = form == 3,
                    .restart = form == 4 ? 5 : 0};
        size_t len;
        uint8_t *data = sample_jpeg(&len, &s);
        for (size_t missing = 0; missing <= 2; missing++) {
            sm_picture_info info;
            assert_true(decodes(decoder, &info, data, len - missing));
            assert_int_equal(info.warnings, 0);
            assert_string_equal(info.message, "");
        }
        free(data);
    }
    sm_jpeg_decoder_free(decoder);
}

static void test_missing_data_warns(void **state)
{
    (void)state;
    sm_jpeg_decoder *decoder = new_decoder(1000000, 0);
    for (int form = 0; form < 4; form++) {
        sample s = {.width = 200,
                    .height = 150,
                    .progressive = form == 1,
                    .separate = form == 2,
                    .restart = form == 3 ? 5 : 0};
        size_t len;
        uint8_t *data = sample_jpeg(&len, &s);
        size_t scan = sample_find(data, len, 0, 0xda) + 14;
        for (size_t at = scan; at < len - 4; at += len / 40) {
            sm_picture_info info;
            uint8_t *cut = malloc(at); /* of its own, so that a read behind it is found */
            memcpy(cut, data, at);
            if (decodes(decoder, &info, cut, at)) {
                assert_true(info.warnings > 0);
                assert_non_null(strstr(info.message, "premature end"));
            } else {
                assert_int_equal(info.reason, SM_FAIL_CORRUPT);
            }
            free(cut);
        }
        free(data);
    }
    sm_jpeg_decoder_free(decoder);
}

static void test_missing_scans_warn(void **state)
{
    (void)state;
    sm_jpeg_decoder *decoder = new_decoder(1000000, 0);
    for (int form = 0; form < 2; form++) {
        sample s = {.width = 80, .height = 60, .progressive = form == 0, .separate = form == 1};
        size_t len;
        uint8_t *data = sample_jpeg(&len, &s);
        size_t at = sample_find(data, len, 0, 0xda);
        for (int scan = 1;; scan++) {
            at = sample_find(data, len, at + 2, form == 0 ? 0xc4 : 0xda);
            if (at == SIZE_MAX) break;
            sm_picture_info info;
            assert_true(decodes(decoder, &info, data, at));
            assert_int_equal(info.warnings, 1);
            assert_string_equal(info.message, "premature end of file: scans are missing");
        }
        free(data);
    }
    sm_jpeg_decoder_free(decoder);
}

static void test_cut_header_fails(void **state)
{
    (void)state;
    sm_jpeg_decoder *decoder = new_decoder(1000000, 0);
    sample s = {.width = 80, .height = 60, .orientation = 6};
    size_t len;
    uint8_t *data = sample_jpeg(&len, &s);
    size_t scan = sample_find(data, len, 0, 0xda);
    for (size_t at = 1; at < scan + 12; at++) {
        sm_picture_info info;
        uint8_t *cut = malloc(at);
        memcpy(cut, data, at);
        assert_false(decodes(decoder, &info, cut, at));
        assert_int_equal(info.reason, SM_FAIL_CORRUPT);
        assert_int_equal(info.stage, SM_STAGE_DECODE);
        assert_string_equal(info.message, sm_last_error());
        free(cut);
    }
    free(data);
    sm_jpeg_decoder_free(decoder);
}

/* The decoder must not help a broken file out with the tables of the one before. */
static void test_pictures_do_not_mix(void **state)
{
    (void)state;
    sm_jpeg_decoder *decoder = new_decoder(1000000, 0);
    sample s = {.width = 80, .height = 60};
    size_t len;
    uint8_t *data = sample_jpeg(&len, &s);
    uint8_t *broken = malloc(len);
    memcpy(broken, data, len);
    for (size_t at = 0; (at = sample_find(broken, len, at, 0xdb)) != SIZE_MAX;)
        broken[at + 1] = 0xfe; /* quantisation tables become comments */
    for (int i = 0; i < 3; i++) {
        sm_picture_info info;
        assert_true(decodes(decoder, &info, data, len));
        assert_false(decodes(decoder, &info, broken, len));
        assert_int_equal(info.reason, SM_FAIL_CORRUPT);
    }
    free(broken);
    free(data);
    sm_jpeg_decoder_free(decoder);
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static void set_size(uint8_t *data, size_t len, uint8_t frame, unsigned width, unsigned height)
{
    uint8_t *at = data + sample_find(data, len, 0, frame);
    at[5] = (uint8_t)(height >> 8);
    at[6] = (uint8_t)height;
    at[7] = (uint8_t)(width >> 8);
    at[8] = (uint8_t)width;
}

static void test_claimed_sizes_are_refused(void **state)
{
    (void)state;
    static const struct {
        unsigned width, height;
        sm_reason reason;
    } claims[] = {
        {1000, 1001, SM_FAIL_TOO_MANY_PIXELS},
        {65500, 65500, SM_FAIL_TOO_MANY_PIXELS},
        {65535, 65535, SM_FAIL_TOO_MANY_PIXELS},
        {0, 0, SM_FAIL_CORRUPT},
        {100, 0, SM_FAIL_CORRUPT},
        {0, 100, SM_FAIL_CORRUPT},
        {1000, 1000, SM_REASON_NONE},
    };
    sm_jpeg_decoder *decoder = new_decoder(1000000, 0);
    sample s = {.width = 80, .height = 60};
    size_t len;
    uint8_t *data = sample_jpeg(&len, &s);
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        sm_picture_info info;
        set_size(data, len, 0xc0, claims[i].width, claims[i].height);
        decodes(decoder, &info, data, len);
        assert_int_equal(info.reason, claims[i].reason);
    }
    free(data);
    sm_jpeg_decoder_free(decoder);
}

/* A progressive picture needs all of its coefficients at once, another does not. */
static void test_memory_is_limited(void **state)
{
    (void)state;
    sm_jpeg_decoder *decoder = new_decoder(10000000, 2000000);
    for (int progressive = 0; progressive < 2; progressive++) {
        sample s = {.width = 1000, .height = 1000, .progressive = progressive == 1};
        size_t len;
        uint8_t *data = sample_jpeg(&len, &s);
        sm_picture_info info;
        decodes(decoder, &info, data, len);
        assert_int_equal(info.reason, progressive == 1 ? SM_FAIL_OUT_OF_MEMORY : SM_REASON_NONE);
        free(data);
    }
    sm_jpeg_decoder_free(decoder);
}

static void test_endless_scans_are_refused(void **state)
{
    (void)state;
    sm_jpeg_decoder *decoder = new_decoder(10000000, 0);
    sample s = {.width = 16, .height = 16, .progressive = true};
    size_t len, last = 0;
    uint8_t *data = sample_jpeg(&len, &s);
    for (size_t at = 0; (at = sample_find(data, len, at + 1, 0xda)) != SIZE_MAX;) last = at;
    size_t scan = len - 2 - last;
    uint8_t *bomb = malloc(len + 600 * scan);
    memcpy(bomb, data, len);
    for (size_t i = 0; i < 600; i++) memcpy(bomb + len - 2 + i * scan, data + last, scan);

    sm_picture_info info;
    assert_false(decodes(decoder, &info, bomb, len - 2 + 600 * scan));
    assert_int_equal(info.reason, SM_FAIL_CORRUPT);
    assert_string_equal(info.message, "more than 500 scans in a picture of this size");
    assert_true(decodes(decoder, &info, bomb, len - 2 + 400 * scan));
    free(bomb);
    free(data);
    sm_jpeg_decoder_free(decoder);
}

static void test_unsupported_kinds_are_told(void **state)
{
    (void)state;
    sm_jpeg_decoder *decoder = new_decoder(10000000, 0);
    sample s = {.width = 16, .height = 16};
    size_t len;
    uint8_t *data = sample_jpeg(&len, &s);
    size_t frame = sample_find(data, len, 0, 0xc0);
    sm_picture_info info;
    data[frame + 4] = 12; /* bits a sample */
    assert_false(decodes(decoder, &info, data, len));
    assert_int_equal(info.reason, SM_FAIL_UNSUPPORTED);
    data[frame + 4] = 8;
    data[frame + 1] = 0xc3; /* lossless */
    assert_false(decodes(decoder, &info, data, len));
    assert_int_equal(info.reason, SM_FAIL_UNSUPPORTED);
    data[frame + 1] = 0xc0;
    assert_true(decodes(decoder, &info, data, len));
    free(data);
    sm_jpeg_decoder_free(decoder);
}

/* ---- Colours --------------------------------------------------------------------------------- */

static void test_inks_become_light(void **state)
{
    (void)state;
    sm_jpeg_decoder *decoder = new_decoder(10000000, 0);
    for (int adobe = 0; adobe < 2; adobe++) {
        sample s = {.width = 40, .height = 16, .components = 4};
        size_t len;
        uint8_t *data = sample_jpeg(&len, &s);
        if (adobe == 0) data[sample_find(data, len, 0, 0xee) + 1] = 0xed; /* another's segment */
        uint32_t width, height;
        long warnings;
        uint8_t *inks = sample_decode(&width, &height, &warnings, data, len, 8);

        sm_picture_info info = {0};
        sm_jpeg_header header;
        sm_strip strip;
        sm_window w = {0, 0, 40, 16};
        assert_int_equal(sm_jpeg_open(decoder, &header, &info, data, len), SM_OK);
        assert_int_equal(sm_jpeg_start(decoder, &info, 8, &w), SM_OK);
        assert_int_equal(sm_jpeg_read(decoder, &strip, &info), SM_OK);
        assert_int_equal(strip.rows, 16);
        for (size_t i = 0; i < 40 * 16; i++) {
            int flip = adobe == 0 ? 255 : 0;
            for (size_t c = 0; c < 3; c++)
                assert_int_equal(strip.pixels[4 * i + c],
                                 (inks[4 * i + c] ^ flip) * (inks[4 * i + 3] ^ flip) / 255);
        }
        sm_jpeg_finish(decoder, &info);
        free(inks);
        free(data);
    }
    sm_jpeg_decoder_free(decoder);
}

static void test_orientation_is_read(void **state)
{
    (void)state;
    sm_jpeg_decoder *decoder = new_decoder(10000000, 0);
    for (int orientation = 0; orientation <= 9; orientation++) {
        sample s = {.width = 16, .height = 16, .orientation = orientation};
        size_t len;
        uint8_t *data = sample_jpeg(&len, &s);
        sm_picture_info info = {0};
        sm_jpeg_header header;
        assert_int_equal(sm_jpeg_open(decoder, &header, &info, data, len), SM_OK);
        assert_int_equal(header.orientation,
                         orientation >= 1 && orientation <= 8 ? orientation : 1);
        sm_jpeg_abandon(decoder);
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
        cmocka_unit_test(test_planes_are_the_same_from_both),
        cmocka_unit_test(test_missing_end_marker_is_good),
        cmocka_unit_test(test_missing_data_warns),
        cmocka_unit_test(test_missing_scans_warn),
        cmocka_unit_test(test_cut_header_fails),
        cmocka_unit_test(test_pictures_do_not_mix),
        cmocka_unit_test(test_claimed_sizes_are_refused),
        cmocka_unit_test(test_memory_is_limited),
        cmocka_unit_test(test_endless_scans_are_refused),
        cmocka_unit_test(test_unsupported_kinds_are_told),
        cmocka_unit_test(test_inks_become_light),
        cmocka_unit_test(test_orientation_is_read),
    };
    const int failed = cmocka_run_group_tests(tests, with_our_own, NULL);
    return failed + cmocka_run_group_tests(tests, with_turbo, NULL);
}
