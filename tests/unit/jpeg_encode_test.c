/* The JPEG encoder against libjpeg-turbo: equal coefficients, no longer scans, no warnings. */
#include "jpeg/jpeg.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jpeglib.h>

static const smj_sampling samplings[] = {SMJ_444, SMJ_422, SMJ_420, SMJ_GREY};
static const char *const sampling_names[] = {"4:4:4", "4:2:2", "4:2:0", "grey"};
enum { SAMPLINGS = 4, COMPONENTS_MAX = 3 };

/* ---- Pictures -------------------------------------------------------------------------------- */

typedef enum kind {
    NOISE,      /* every sample by chance */
    EXTREMES,   /* the same, 0 and 255 alone */
    FLAT,       /* one colour */
    CHECKS,     /* black and white fields of a random size */
    POINTS,     /* black with a few bright pixels */
    STRIPES,    /* lines, along either axis: the largest AC coefficients */
    WAVES,      /* a single high frequency in each block: long runs of zeros */
    PHOTOGRAPH, /* smooth areas, edges and a little noise */
    KINDS
} kind;

static uint32_t random_below(uint32_t *state, uint32_t limit)
{
    *state = *state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)*state * limit >> 32);
}

static uint8_t clip(double value)
{
    return value < 0 ? 0 : value > 255 ? 255 : (uint8_t)value;
}

static void photograph(uint8_t *rgb, size_t stride, uint32_t width, uint32_t height,
                       uint32_t *state)
{
    const double slope = random_below(state, 1000) / 500.0 - 1;
    const double edge = random_below(state, width + height);
    const double period = 3 + random_below(state, 40);
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            const double light = 120 + 80 * sin(x / period) * cos(y / period * slope);
            const double shade = x + slope * y > edge ? 60 : 0;
            for (uint32_t c = 0; c < 3; c++)
                rgb[y * stride + 3 * x + c] =
                    clip(light + shade * (c + 1) / 2 + random_below(state, 12));
        }
    }
}

static uint8_t pattern(kind k, uint32_t x, uint32_t y, uint32_t c, const uint32_t *chosen,
                       uint32_t *state)
{
    switch (k) {
    case NOISE: return (uint8_t)random_below(state, 256);
    case EXTREMES: return random_below(state, 2) ? 255 : 0;
    case FLAT: return (uint8_t)(chosen[c] % 256);
    case CHECKS: return (x / (1 + chosen[0] % 9) + y / (1 + chosen[1] % 9)) % 2 ? 255 : 0;
    case POINTS: return random_below(state, 97) == 0 ? 255 : 0;
    case STRIPES: return (chosen[0] % 2 ? x : y) % (1 + chosen[1] % 8) == 0 ? 255 : 0;
    default:
        return clip(128 + 127 * cos((2 * (x % 8) + 1) * (chosen[0] % 8) * M_PI / 16) *
                              cos((2 * (y % 8) + 1) * (chosen[1] % 8) * M_PI / 16));
    }
}

static uint8_t *new_picture(kind k, uint32_t width, uint32_t height, size_t stride, uint32_t seed)
{
    uint32_t state = seed * 2654435761u + (uint32_t)k;
    const uint32_t chosen[] = {random_below(&state, 1 << 20), random_below(&state, 1 << 20),
                               random_below(&state, 1 << 20)};
    /* exactly as long as the encoder may read, so that the sanitizer sees one byte more */
    uint8_t *rgb = malloc(stride * (height - 1) + (size_t)width * 3);
    assert_non_null(rgb);
    if (k == PHOTOGRAPH) {
        photograph(rgb, stride, width, height, &state);
        return rgb;
    }
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            for (uint32_t c = 0; c < 3; c++)
                rgb[y * stride + 3 * x + c] = pattern(k, x, y, c, chosen, &state);
    return rgb;
}

/* ---- The oracle ------------------------------------------------------------------------------ */

static uint8_t *libjpeg_encode(unsigned long *len, const uint8_t *rgb, size_t stride,
                               uint32_t width, uint32_t height, const smj_options *options)
{
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors;
    uint8_t *data = NULL;
    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_compress(&cinfo);
    jpeg_mem_dest(&cinfo, &data, len);
    cinfo.image_width = width;
    cinfo.image_height = height;
    cinfo.input_components = 3;
    cinfo.in_color_space = JCS_RGB;
    jpeg_set_defaults(&cinfo);
    jpeg_set_quality(&cinfo, options->quality, TRUE);
    cinfo.dct_method = JDCT_ISLOW;
    cinfo.optimize_coding = TRUE;
    if (options->sampling == SMJ_GREY) {
        jpeg_set_colorspace(&cinfo, JCS_GRAYSCALE);
    } else {
        cinfo.comp_info[0].h_samp_factor = options->sampling == SMJ_444 ? 1 : 2;
        cinfo.comp_info[0].v_samp_factor = options->sampling == SMJ_420 ? 2 : 1;
    }
    jpeg_start_compress(&cinfo, TRUE);
    while (cinfo.next_scanline < height) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(rgb + stride * cinfo.next_scanline);
        jpeg_write_scanlines(&cinfo, &row, 1);
    }
    jpeg_finish_compress(&cinfo);
    jpeg_destroy_compress(&cinfo);
    return data;
}

typedef struct opened {
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    jvirt_barray_ptr *coefs;
} opened;

static void silent(j_common_ptr cinfo)
{
    (void)cinfo;
}

static void open_file(opened *o, const uint8_t *data, size_t len)
{
    o->cinfo.err = jpeg_std_error(&o->errors);
    o->errors.output_message = silent; /* warnings are counted */
    jpeg_create_decompress(&o->cinfo);
    jpeg_mem_src(&o->cinfo, data, (unsigned long)len);
    jpeg_read_header(&o->cinfo, TRUE);
    o->coefs = jpeg_read_coefficients(&o->cinfo);
}

static void close_file(opened *o)
{
    jpeg_finish_decompress(&o->cinfo);
    assert_int_equal(o->errors.num_warnings, 0);
    jpeg_destroy_decompress(&o->cinfo);
}

static bool same_component(opened *a, opened *b, int c)
{
    const jpeg_component_info *x = &a->cinfo.comp_info[c], *y = &b->cinfo.comp_info[c];
    assert_int_equal(x->component_id, y->component_id);
    assert_int_equal(x->h_samp_factor, y->h_samp_factor);
    assert_int_equal(x->v_samp_factor, y->v_samp_factor);
    assert_memory_equal(x->quant_table->quantval, y->quant_table->quantval,
                        sizeof x->quant_table->quantval);
    for (JDIMENSION row = 0; row < x->height_in_blocks; row++) {
        JBLOCKARRAY p =
            a->cinfo.mem->access_virt_barray((j_common_ptr)&a->cinfo, a->coefs[c], row, 1, FALSE);
        JBLOCKARRAY q =
            b->cinfo.mem->access_virt_barray((j_common_ptr)&b->cinfo, b->coefs[c], row, 1, FALSE);
        if (memcmp(p[0], q[0], x->width_in_blocks * sizeof(JBLOCK)) != 0) return false;
    }
    return true;
}

static bool same_coefficients(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    opened x, y;
    bool same = true;
    open_file(&x, a, a_len);
    open_file(&y, b, b_len);
    assert_int_equal(x.cinfo.image_width, y.cinfo.image_width);
    assert_int_equal(x.cinfo.image_height, y.cinfo.image_height);
    assert_int_equal(x.cinfo.num_components, y.cinfo.num_components);
    assert_int_equal(x.cinfo.saw_JFIF_marker, y.cinfo.saw_JFIF_marker);
    for (int c = 0; c < x.cinfo.num_components; c++) same = same && same_component(&x, &y, c);
    close_file(&x);
    close_file(&y);
    return same;
}

/* Bytes without those stuffed in, whose number is a matter of luck. */
static size_t unstuffed(const uint8_t *data, size_t len)
{
    size_t count = len;
    for (size_t i = 0; i + 1 < len; i++) count -= data[i] == 0xff && data[i + 1] == 0;
    return count;
}

/* ---- One picture, all checks ----------------------------------------------------------------- */

typedef struct encoders {
    smj_encoder *best, *no_avx512, *portable;
} encoders;

static int set_up(void **state)
{
    encoders *b = malloc(sizeof *b);
    assert_non_null(b);
    b->best = smj_encoder_new(SMJ_KERNELS_BEST);
    b->no_avx512 = smj_encoder_new(SMJ_KERNELS_NO_AVX512);
    b->portable = smj_encoder_new(SMJ_KERNELS_PORTABLE);
    assert_non_null(b->best);
    assert_non_null(b->no_avx512);
    assert_non_null(b->portable);
    assert_string_equal(smj_encoder_kernels(b->portable), "portable");
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    encoders *b = *state;
    smj_encoder_free(b->best);
    smj_encoder_free(b->no_avx512);
    smj_encoder_free(b->portable);
    free(b);
    return 0;
}

/* JFIF's formulas as libjpeg rounds them; the caller frees the first plane, and so all. */
static void make_planes(const uint8_t *planes[3], const uint8_t *rgb, size_t stride, size_t width,
                        size_t height)
{
    uint8_t *to = malloc(width * height * 3);
    assert_non_null(to);
    for (size_t c = 0; c < 3; c++) planes[c] = to + width * height * c;
    for (size_t y = 0; y < height; y++) {
        for (size_t x = 0; x < width; x++, to++) {
            const uint8_t *p = rgb + y * stride + 3 * x;
            const int r = p[0], g = p[1], b = p[2], chroma = (128 << 16) + 32767;
            to[0] = (uint8_t)((19595 * r + 38470 * g + 7471 * b + 32768) >> 16);
            to[width * height] = (uint8_t)((-11059 * r - 21709 * g + 32768 * b + chroma) >> 16);
            to[width * height * 2] = (uint8_t)((32768 * r - 27439 * g - 5329 * b + chroma) >> 16);
        }
    }
}

static bool planes_give(smj_encoder *encoder, const uint8_t *data, size_t len, const uint8_t *rgb,
                        size_t stride, uint32_t width, uint32_t height, const smj_options *options)
{
    const uint8_t *planes[3], *twin;
    size_t twin_len;
    make_planes(planes, rgb, stride, width, height);
    const uint8_t *const grey[3] = {planes[0], NULL, NULL};
    assert_int_equal(smj_encode_planes(encoder, &twin, &twin_len,
                                       options->sampling == SMJ_GREY ? grey : planes, width, width,
                                       height, options),
                     SMJ_OK);
    free((void *)(uintptr_t)planes[0]);
    return len == twin_len && memcmp(data, twin, len) == 0;
}

/* Whether another encoder gives these bytes. */
static bool gives(smj_encoder *encoder, const uint8_t *data, size_t len, const uint8_t *rgb,
                  size_t stride, uint32_t width, uint32_t height, const smj_options *options)
{
    const uint8_t *twin;
    size_t twin_len;
    assert_int_equal(smj_encode(encoder, &twin, &twin_len, rgb, stride, width, height, options),
                     SMJ_OK);
    return len == twin_len && memcmp(data, twin, len) == 0;
}

static void check_pixels(encoders *b, const uint8_t *rgb, size_t stride, uint32_t width,
                         uint32_t height, const smj_options *options, const char *what)
{
    const uint8_t *data;
    size_t len;
    unsigned long oracle_len = 0;
    assert_int_equal(smj_encode(b->best, &data, &len, rgb, stride, width, height, options), SMJ_OK);
    uint8_t *oracle = libjpeg_encode(&oracle_len, rgb, stride, width, height, options);
    const char *fault = NULL;
    if (!gives(b->no_avx512, data, len, rgb, stride, width, height, options))
        fault = "without AVX-512 other bytes";
    if (!gives(b->portable, data, len, rgb, stride, width, height, options))
        fault = "portable code gives other bytes";
    if (!planes_give(b->portable, data, len, rgb, stride, width, height, options))
        fault = "planes give other bytes";
    if (!same_coefficients(data, len, oracle, oracle_len)) fault = "other coefficients";
    if (unstuffed(data, len) > unstuffed(oracle, oracle_len)) fault = "longer";
    if (len > smj_encode_bound(width, height, options->sampling)) fault = "above the bound";
    if (fault != NULL)
        fail_msg("%s, %u x %u, quality %d, %s: %s (%zu bytes, %lu of libjpeg)", what, width, height,
                 options->quality, sampling_names[options->sampling], fault, len, oracle_len);
    free(oracle);
}

static void check(encoders *b, kind k, uint32_t width, uint32_t height, smj_sampling sampling,
                  int quality, uint32_t seed)
{
    static const char *const names[] = {"noise",  "extremes", "flat",  "checks",
                                        "points", "stripes",  "waves", "photograph"};
    const size_t stride = (size_t)width * 3 + seed % 5;
    const smj_options options = {quality, sampling};
    uint8_t *rgb = new_picture(k, width, height, stride, seed);
    check_pixels(b, rgb, stride, width, height, &options, names[k]);
    free(rgb);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void every_edge(void **state)
{
    uint32_t seed = 1;
    for (uint32_t w = 0; w < 16; w++)
        for (uint32_t h = 0; h < 16; h++)
            for (int s = 0; s < SAMPLINGS; s++, seed++) {
                const uint32_t width = w + 1 + 16 * (seed % 4),
                               height = h + 1 + 16 * (seed / 4 % 4);
                check(*state, seed % 2 ? PHOTOGRAPH : NOISE, width, height, samplings[s],
                      (int)(seed % 100) + 1, seed);
            }
}

static void every_small_size(void **state)
{
    for (uint32_t width = 1; width <= 18; width++)
        for (uint32_t height = 1; height <= 18; height++)
            for (int s = 0; s < SAMPLINGS; s++)
                check(*state, NOISE, width, height, samplings[s], 90, width * 19 + height);
}

static void span_edges(void **state)
{
    for (uint32_t width = 240; width <= 290; width += width == 264 ? 19 : 1)
        for (int s = 0; s < SAMPLINGS; s++)
            check(*state, PHOTOGRAPH, width, 33, samplings[s], 85, width);
    for (int s = 0; s < SAMPLINGS; s++) {
        check(*state, PHOTOGRAPH, 511, 20, samplings[s], 95, 1);
        check(*state, PHOTOGRAPH, 512, 20, samplings[s], 95, 2);
        check(*state, PHOTOGRAPH, 513, 20, samplings[s], 95, 3);
    }
}

static void every_quality(void **state)
{
    for (int quality = 1; quality <= 100; quality++)
        for (int k = 0; k < KINDS; k++)
            check(*state, (kind)k, 40 + (uint32_t)quality % 9, 35, samplings[(k + quality) % 4],
                  quality, (uint32_t)(quality * KINDS + k));
}

static void every_kind(void **state)
{
    static const int qualities[] = {5, 50, 75, 95, 100};
    for (int k = 0; k < KINDS; k++)
        for (int s = 0; s < SAMPLINGS; s++)
            for (uint32_t i = 0; i < 15; i++)
                check(*state, (kind)k, 61, 50, samplings[s], qualities[i % 5], i);
}

/* All zeros but the last coefficient, and coefficients of the greatest size, in one picture. */
static void runs_and_sizes(void **state)
{
    for (uint32_t u = 0; u < 8; u++) {
        for (uint32_t v = 0; v < 8; v++) {
            uint8_t rgb[8 * 24 * 3];
            for (uint32_t y = 0; y < 8; y++)
                for (uint32_t x = 0; x < 24; x++) {
                    const double wave =
                        cos((2 * (x % 8) + 1) * u * M_PI / 16) * cos((2 * y + 1) * v * M_PI / 16);
                    /* as strong as it gets, its opposite, and weak */
                    const double value = x < 8    ? (wave < 0 ? 0 : 255)
                                         : x < 16 ? (wave < 0 ? 255 : 0)
                                                  : 128 + 4 * wave;
                    memset(rgb + (y * 24 + x) * 3, clip(value), 3);
                }
            for (int quality = 60; quality <= 100; quality += 20) {
                const smj_options options = {quality, SMJ_444};
                check_pixels(*state, rgb, sizeof rgb / 8, 24, 8, &options, "waves");
            }
        }
    }
}

/* More tokens than are kept: the rest is made again. */
static void large_pictures(void **state)
{
    check(*state, NOISE, 700, 613, SMJ_444, 95, 1);
    check(*state, PHOTOGRAPH, 1500, 1101, SMJ_420, 98, 2);
    check(*state, NOISE, 1201, 901, SMJ_GREY, 90, 3);
}

/* Long and thin: thousands of spans, and libjpeg's largest sides. */
static void long_pictures(void **state)
{
    check(*state, PHOTOGRAPH, 3, 50000, SMJ_444, 80, 1);
    check(*state, PHOTOGRAPH, 65500, 2, SMJ_420, 80, 2);
    check(*state, PHOTOGRAPH, 1, 65500, SMJ_422, 80, 3);
}

/* What no decoder of libjpeg's takes, but a frame header holds. */
static void largest_sides(void **state)
{
    encoders *b = *state;
    const smj_options options = {50, SMJ_420};
    uint8_t *rgb = new_picture(NOISE, SMJ_SIDE_MAX, 1, (size_t)SMJ_SIDE_MAX * 3, 7);
    for (int turn = 0; turn < 2; turn++) {
        const uint8_t *data, *twin;
        size_t len, twin_len;
        const uint32_t width = turn == 0 ? SMJ_SIDE_MAX : 1;
        const uint32_t height = turn == 0 ? 1 : SMJ_SIDE_MAX;
        const size_t stride = (size_t)width * 3;
        assert_int_equal(smj_encode(b->best, &data, &len, rgb, stride, width, height, &options),
                         SMJ_OK);
        assert_int_equal(
            smj_encode(b->portable, &twin, &twin_len, rgb, stride, width, height, &options),
            SMJ_OK);
        assert_int_equal(len, twin_len);
        assert_memory_equal(data, twin, len);
        assert_int_equal(data[len - 2], 0xff);
        assert_int_equal(data[len - 1], 0xd9);
    }
    free(rgb);
}

/* What an encoder did before does not show in what it does next. */
static void reuse(void **state)
{
    encoders *b = *state;
    const smj_options options = {92, SMJ_420};
    uint8_t *rgb = new_picture(PHOTOGRAPH, 100, 75, 300, 5);
    const uint8_t *data;
    size_t len, first_len = 0;
    uint8_t *first = NULL;
    for (int turn = 0; turn < 8; turn++) {
        check(b, (kind)turn, 33 + 60 * (uint32_t)turn, 47, samplings[turn % 4], 10 + 12 * turn, 3);
        assert_int_equal(smj_encode(b->best, &data, &len, rgb, 300, 100, 75, &options), SMJ_OK);
        if (turn == 0) {
            first = malloc(len);
            assert_non_null(first);
            memcpy(first, data, len);
            first_len = len;
        }
        assert_int_equal(len, first_len);
        assert_memory_equal(data, first, len);
    }
    free(first);
    free(rgb);
}

static void refusals(void **state)
{
    encoders *b = *state;
    static const uint8_t rgb[16 * 16 * 3];
    const smj_options good = {75, SMJ_444};
    const smj_options bad[] = {
        {0, SMJ_444}, {101, SMJ_444}, {-1, SMJ_444}, {75, (smj_sampling)4}, {75, (smj_sampling)-1}};
    const uint8_t *data = rgb;
    size_t len = 17;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(smj_encode(b->best, &data, &len, rgb, 48, 16, 16, &bad[i]),
                         SMJ_ERR_ARGUMENT);
    static const struct {
        size_t stride;
        uint32_t width, height;
    } sizes[] = {
        {48, 0, 16}, {48, 16, 0}, {47, 16, 16}, {(size_t)1 << 30, 65536, 1}, {3, 1, 65536}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_int_equal(smj_encode(b->best, &data, &len, rgb, sizes[i].stride, sizes[i].width,
                                    sizes[i].height, &good),
                         SMJ_ERR_ARGUMENT);
    assert_ptr_equal(data, rgb);
    assert_int_equal(len, 17);
    assert_int_equal(smj_encode_bound(0, 1, SMJ_444), 0);
    assert_int_equal(smj_encode_bound(1, 65536, SMJ_444), 0);
    assert_int_equal(smj_encode_bound(1, 1, (smj_sampling)9), 0);
    assert_true(smj_encode_bound(65535, 65535, SMJ_444) > (size_t)65535 * 65535);
    assert_string_equal(smj_status_text(SMJ_OK), "no error");
    smj_encoder_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_edge),     cmocka_unit_test(every_small_size),
        cmocka_unit_test(span_edges),     cmocka_unit_test(every_quality),
        cmocka_unit_test(every_kind),     cmocka_unit_test(runs_and_sizes),
        cmocka_unit_test(large_pictures), cmocka_unit_test(long_pictures),
        cmocka_unit_test(largest_sides),  cmocka_unit_test(reuse),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
