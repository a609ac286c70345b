/* The whole way: options, orientation, extremes, failures. */
#include "image/image.h"
#include "image/orient.h"

#include "image_samples.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const sm_picture_options defaults = {
    .width = 192, .height = 192, .encode_quality = 95, .orient = true, .max_pixels = 178000000};

static sm_picture *new_picture(const sm_picture_options *options)
{
    sm_picture *picture;
    assert_int_equal(sm_picture_new(&picture, options), SM_OK);
    return picture;
}

/* The pixels of a sample, as a copy that the caller frees. */
static uint8_t *pixels_of(sm_picture_info *info, const sm_picture_options *options, const sample *s)
{
    size_t len;
    uint8_t *data = sample_jpeg(&len, s);
    const uint8_t *rgb = NULL;
    sm_picture *picture = new_picture(options);
    assert_int_equal(sm_picture_pixels(picture, info, &rgb, data, len), SM_OK);
    size_t bytes = (size_t)info->width * info->height * 3;
    uint8_t *copy = malloc(bytes);
    memcpy(copy, rgb, bytes);
    sm_picture_free(picture);
    free(data);
    return copy;
}

static void test_options_are_checked(void **state)
{
    (void)state;
    sm_picture *picture = NULL;
    for (int i = 0; i < 12; i++) {
        sm_picture_options o = defaults;
        switch (i) {
        case 0: o.width = 0; break;
        case 1: o.height = 16385; break;
        case 2: o.encode_quality = 0; break;
        case 3: o.encode_quality = 101; break;
        case 4: o.encode_format = SM_ENCODE_KEEP; break;
        case 5: o.max_pixels = 0; break;
        case 6: o.filter = (sm_filter)4; break;
        case 7: o.resize_mode = (sm_resize_mode)5; break;
        case 8: o.decode = (sm_decode)2; break;
        case 9: o.chroma = (sm_chroma)3; break;
        case 10: o.encode_format = (sm_encode_format)2; break;
        default: o.height = 0; break;
        }
        assert_int_equal(sm_picture_new(&picture, &o), SM_ERR_USAGE);
        assert_null(picture);
    }
    sm_picture_free(NULL);
}

static void test_convert_gives_a_jpeg(void **state)
{
    (void)state;
    sample s = {.width = 320, .height = 240, .sampling = {{2, 2}}};
    size_t len;
    uint8_t *data = sample_jpeg(&len, &s);
    sm_picture *picture = new_picture(&defaults);
    sm_buf out;
    sm_buf_init(&out, 1 << 24);
    sm_picture_info info;
    size_t first = 0;
    for (int i = 0; i < 3; i++) { /* one after the other, to the same bytes */
        size_t before = out.len;
        assert_int_equal(sm_picture_convert(picture, &info, &out, data, len), SM_OK);
        assert_int_equal(info.reason, SM_REASON_NONE);
        assert_int_equal(info.source_width, 320);
        assert_int_equal(info.source_height, 240);
        assert_int_equal(info.width, 192);
        assert_int_equal(info.height, 192);
        assert_true(info.decode_ns > 0 && info.resize_ns > 0 && info.encode_ns > 0);
        if (i == 0) first = out.len;
        assert_int_equal(out.len - before, first);
        assert_memory_equal(out.data, out.data + before, first);
    }
    uint32_t width, height;
    long warnings;
    uint8_t *rgb = sample_decode(&width, &height, &warnings, out.data, first, 8);
    assert_int_equal(width, 192);
    assert_int_equal(height, 192);
    free(rgb);
    sm_buf_free(&out);
    sm_picture_free(picture);
    free(data);
}

/* Turning the small outcome is the same as cutting the picture that was turned first: the sample's
 * stored pixels are turned, and the two may differ by rounding alone. */
static void test_orientations(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{203, 150}, {150, 203}, {97, 97}};
    for (size_t i = 0; i < 3; i++) {
        for (int orientation = 1; orientation <= 8; orientation++) {
            sample s = {.width = sizes[i][0],
                        .height = sizes[i][1],
                        .orientation = orientation,
                        .quality = 95};
            sm_picture_options o = defaults;
            o.resize_mode = SM_RESIZE_NO;
            o.orient = false;
            sm_picture_info info;
            uint8_t *stored = pixels_of(&info, &o, &s);
            assert_int_equal(info.source_width, s.width);
            o.orient = true;
            uint8_t *upright = pixels_of(&info, &o, &s);
            bool swap = orientation > 4;
            assert_int_equal(info.source_width, swap ? s.height : s.width);
            assert_int_equal(info.width, swap ? s.height : s.width);
            assert_int_equal(info.height, swap ? s.width : s.height);

            /* cut without a change of scale, so that the same pixels must come */
            uint32_t side = s.width < s.height ? s.width : s.height;
            o = defaults;
            o.width = o.height = side;
            sm_picture_info cut_info;
            uint8_t *cut = pixels_of(&cut_info, &o, &s);
            uint32_t left = (info.width - side) / 2, top = (info.height - side) / 2;
            for (uint32_t y = 0; y < side; y++)
                assert_memory_equal(cut + (size_t)y * side * 3,
                                    upright + ((size_t)(top + y) * info.width + left) * 3,
                                    (size_t)side * 3);
            free(cut);
            free(upright);
            free(stored);
        }
    }
}

static void test_orient_moves_the_corners(void **state)
{
    (void)state;
    static const uint8_t rgb[6 * 3] = {0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5};
    static const char *const upright[] = {"012345", "210543", "543210", "345012",
                                          "031425", "304152", "524130", "251403"};
    for (int orientation = 1; orientation <= 8; orientation++) {
        uint8_t out[6 * 3];
        sm_orient(out, orientation > 4 ? 6 : 9, rgb, 3, 2, orientation);
        for (int i = 0; i < 6; i++) assert_int_equal(out[3 * i], upright[orientation - 1][i] - '0');
    }
}

static void test_border_is_white_around(void **state)
{
    (void)state;
    for (int orientation = 1; orientation <= 6; orientation += 5) {
        sample s = {.width = 300, .height = 100, .orientation = orientation};
        sm_picture_options o = defaults;
        o.width = o.height = 90;
        o.resize_mode = SM_RESIZE_BORDER;
        sm_picture_info info;
        uint8_t *rgb = pixels_of(&info, &o, &s);
        assert_int_equal(info.width, 90);
        assert_int_equal(info.height, 90);
        o.resize_mode = SM_RESIZE_KEEP_RATIO_LARGEST;
        sm_picture_info inner_info;
        uint8_t *inner = pixels_of(&inner_info, &o, &s);
        uint32_t left = (90 - inner_info.width) / 2, top = (90 - inner_info.height) / 2;
        assert_int_equal(left, orientation == 1 ? 0 : 30);
        assert_int_equal(top, orientation == 1 ? 30 : 0);
        for (uint32_t i = 0; i < 90 * 90; i++) {
            uint32_t x = i % 90 - left, y = i / 90 - top; /* huge where it is outside */
            bool inside = x < inner_info.width && y < inner_info.height;
            static const uint8_t white[3] = {255, 255, 255};
            const uint8_t *want = inside ? inner + ((size_t)y * inner_info.width + x) * 3 : white;
            assert_memory_equal(rgb + 3 * (size_t)i, want, 3);
        }
        free(inner);
        free(rgb);
    }
}

/* Long and thin: what lies outside of the cut must cost nothing. */
static void test_extreme_shapes(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{60000, 3}, {3, 60000}, {1, 1}, {65500, 1}, {1, 65500}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int filter = SM_FILTER_TRIANGLE; filter <= SM_FILTER_BILINEAR; filter++) {
            sample s = {.width = sizes[i][0], .height = sizes[i][1]};
            sm_picture_options o = defaults;
            o.filter = (sm_filter)filter;
            sm_picture_info info;
            for (int mode = SM_RESIZE_CENTER_CROP; mode <= SM_RESIZE_NO; mode++) {
                if (mode == SM_RESIZE_KEEP_RATIO && s.width != s.height) continue; /* below */
                o.resize_mode = (sm_resize_mode)mode;
                free(pixels_of(&info, &o, &s));
                assert_true(info.resize_ns < 1000000000);
            }
        }
    }
}

static void test_outcomes_too_large_are_told(void **state)
{
    (void)state;
    sample s = {.width = 60000, .height = 3};
    size_t len;
    uint8_t *data = sample_jpeg(&len, &s);
    sm_picture_options o = defaults;
    o.resize_mode = SM_RESIZE_KEEP_RATIO;
    sm_picture *picture = new_picture(&o);
    sm_picture_info info;
    sm_buf out;
    sm_buf_init(&out, 1 << 24);
    assert_int_equal(sm_picture_convert(picture, &info, &out, data, len), SM_ERR_LIMIT);
    assert_int_equal(info.reason, SM_FAIL_ENCODE);
    assert_int_equal(info.source_width, 60000);
    sm_picture_free(picture);

    o.width = 1;
    o.height = 3;
    o.max_pixels = 180000;
    picture = new_picture(&o);
    assert_int_equal(sm_picture_convert(picture, &info, &out, data, len), SM_OK);
    sm_picture_free(picture);

    o = defaults;
    o.width = o.height = 1000;
    o.max_pixels = 180000;
    picture = new_picture(&o);
    assert_int_equal(sm_picture_convert(picture, &info, &out, data, len), SM_ERR_LIMIT);
    assert_int_equal(info.reason, SM_FAIL_TOO_MANY_PIXELS);
    assert_int_equal(info.stage, SM_STAGE_RESIZE);
    sm_picture_free(picture);

    o.max_pixels = 178000000;
    o.max_memory = 2000000;
    picture = new_picture(&o);
    assert_int_equal(sm_picture_convert(picture, &info, &out, data, len), SM_ERR_MEMORY);
    assert_int_equal(info.reason, SM_FAIL_OUT_OF_MEMORY);
    sm_picture_free(picture);
    sm_buf_free(&out);
    free(data);
}

static void test_what_is_no_jpeg_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t len;
        sm_reason reason;
    } cases[] = {{"", 0, SM_FAIL_EMPTY_FILE},
                 {"<html></html>", 13, SM_FAIL_NOT_AN_IMAGE},
                 {"\x89PNG\r\n\x1a\n....", 12, SM_FAIL_UNSUPPORTED},
                 {"\xff\xd8\xff", 3, SM_FAIL_CORRUPT}};
    sm_picture *picture = new_picture(&defaults);
    sm_buf out;
    sm_buf_init(&out, 1 << 24);
    for (size_t i = 0; i < 4; i++) {
        sm_picture_info info;
        const uint8_t *data = (const uint8_t *)cases[i].data, *rgb = NULL;
        assert_int_not_equal(sm_picture_convert(picture, &info, &out, data, cases[i].len), SM_OK);
        assert_int_equal(info.reason, cases[i].reason);
        assert_int_equal(info.stage, i < 3 ? SM_STAGE_SNIFF : SM_STAGE_DECODE);
        assert_true(strlen(info.message) > 0);
        assert_string_equal(info.message, sm_last_error());
        assert_int_not_equal(sm_picture_pixels(picture, &info, &rgb, data, cases[i].len), SM_OK);
        assert_null(rgb);
        assert_int_not_equal(sm_picture_probe(picture, &info, data, cases[i].len), SM_OK);
    }
    assert_int_equal(out.len, 0);
    sm_buf_free(&out);
    sm_picture_free(picture);
}

static void test_strict_refuses_warnings(void **state)
{
    (void)state;
    sample s = {.width = 320, .height = 240};
    size_t len;
    uint8_t *data = sample_jpeg(&len, &s);
    sm_buf out;
    sm_buf_init(&out, 1 << 24);
    for (int strict = 0; strict < 2; strict++) {
        sm_picture_options o = defaults;
        o.strict = strict == 1;
        sm_picture *picture = new_picture(&o);
        sm_picture_info info;
        sm_buf_clear(&out);
        sm_status status = sm_picture_convert(picture, &info, &out, data, len - len / 20);
        assert_int_equal(status, strict == 1 ? SM_ERR_CORRUPT : SM_OK);
        assert_int_equal(info.reason, strict == 1 ? SM_FAIL_WARNINGS : SM_REASON_NONE);
        assert_int_equal(info.warnings, 1);
        assert_non_null(strstr(info.message, "premature end of data"));
        assert_true((out.len == 0) == (strict == 1));
        /* the end marker alone is no loss, and the workshop goes on */
        assert_int_equal(sm_picture_convert(picture, &info, &out, data, len - 2), SM_OK);
        assert_int_equal(info.warnings, 0);
        sm_picture_free(picture);
    }
    sm_buf_free(&out);
    free(data);
}

static void test_kept_bytes(void **state)
{
    (void)state;
    sample s = {.width = 60, .height = 40, .orientation = 6};
    size_t len;
    uint8_t *data = sample_jpeg(&len, &s);
    sm_picture_options o = defaults;
    o.resize_mode = SM_RESIZE_NO;
    o.encode_format = SM_ENCODE_KEEP;
    sm_picture *picture = new_picture(&o);
    sm_picture_info info;
    sm_buf out;
    sm_buf_init(&out, len * 2 - 1);
    assert_int_equal(sm_picture_convert(picture, &info, &out, data, len), SM_OK);
    assert_int_equal(info.source_width, 40);
    assert_int_equal(info.source_height, 60);
    assert_int_equal(info.width, 60); /* the bytes are as they were, so are their pixels */
    assert_int_equal(info.height, 40);
    assert_int_equal(out.len, len);
    assert_memory_equal(out.data, data, len);
    assert_int_equal(sm_picture_convert(picture, &info, &out, data, 50), SM_ERR_CORRUPT);
    assert_int_equal(sm_picture_convert(picture, &info, &out, data, len), SM_ERR_LIMIT);
    assert_int_equal(info.reason, SM_FAIL_ENCODE);
    assert_int_equal(out.len, len);
    sm_buf_free(&out);
    sm_picture_free(picture);
    free(data);
}

static void test_probe(void **state)
{
    (void)state;
    sample s = {.width = 60, .height = 40, .orientation = 6, .progressive = true};
    size_t len;
    uint8_t *data = sample_jpeg(&len, &s);
    sm_picture *picture = new_picture(&defaults);
    sm_picture_info info;
    assert_int_equal(sm_picture_probe(picture, &info, data, len / 3), SM_OK);
    assert_int_equal(info.source_width, 40);
    assert_int_equal(info.source_height, 60);
    assert_int_equal(info.width, 192);
    sm_picture_free(picture);
    free(data);
}

/* The fast decode is close to the exact one. */
static void test_fast_is_close_to_exact(void **state)
{
    (void)state;
    for (uint32_t side = 300; side <= 1700; side += 700) {
        sample s = {.width = side, .height = side * 3 / 4, .sampling = {{2, 2}}};
        sm_picture_options o = defaults;
        sm_picture_info info;
        uint8_t *fast = pixels_of(&info, &o, &s);
        o.decode = SM_DECODE_EXACT;
        uint8_t *exact = pixels_of(&info, &o, &s);
        double sum = 0.0;
        for (size_t i = 0; i < 192 * 192 * 3; i++)
            sum += (fast[i] - exact[i]) * (fast[i] - exact[i]);
        double error = sum / (192 * 192 * 3);
        assert_true(error < 20.0); /* 35 dB; it is a harsh picture */
        free(exact);
        free(fast);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_are_checked),
        cmocka_unit_test(test_convert_gives_a_jpeg),
        cmocka_unit_test(test_orientations),
        cmocka_unit_test(test_orient_moves_the_corners),
        cmocka_unit_test(test_border_is_white_around),
        cmocka_unit_test(test_extreme_shapes),
        cmocka_unit_test(test_outcomes_too_large_are_told),
        cmocka_unit_test(test_what_is_no_jpeg_is_told),
        cmocka_unit_test(test_strict_refuses_warnings),
        cmocka_unit_test(test_kept_bytes),
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_fast_is_close_to_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
