/* The decoder beside libjpeg-turbo: the same samples and pixels, or a refusal. */
#include "jpeg/decode.h"

#include "image_samples.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { KINDS = 2, PLANES = 3 };

static smj_decoder *decoders[KINDS];

static int make_decoders(void **state)
{
    (void)state;
    decoders[0] = smj_decoder_new(SMJ_KERNELS_BEST);
    decoders[1] = smj_decoder_new(SMJ_KERNELS_PORTABLE);
    return decoders[0] != NULL && decoders[1] != NULL ? 0 : -1;
}

static int free_decoders(void **state)
{
    (void)state;
    for (int i = 0; i < KINDS; i++) smj_decoder_free(decoders[i]);
    smj_decoder_free(NULL);
    return 0;
}

/* ---- Pixels ---------------------------------------------------------------------------------- */

typedef struct expected {
    uint8_t *rgb;
    uint32_t width, height;
    long warnings;
} expected;

static bool same_row(const uint8_t *rgbx, const uint8_t *rgb, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(rgbx + 4 * i, rgb + 3 * i, 3) != 0 || rgbx[4 * i + 3] != 255) return false;
    return true;
}

/* Whether all rows of the window came and are as expected; the decoder's last word in *status. */
static bool window_is_exact(smj_status *status, smj_decoder *d, const uint8_t *data, size_t len,
                            unsigned eighths, const smj_window *w, const expected *e)
{
    smj_header header;
    smj_plane rows;
    uint32_t y = w->top;
    bool same = true;
    *status = smj_decode_open(d, &header, data, len);
    if (*status == SMJ_OK) *status = smj_decode_start_rgb(d, eighths, w);
    while (*status == SMJ_OK && (*status = smj_decode_read_rgb(d, &rows)) == SMJ_OK &&
           rows.rows > 0) {
        assert_int_equal(rows.first_row, y);
        assert_int_equal(rows.first_column, w->left);
        for (uint32_t i = 0; i < rows.rows; i++, y++)
            same &= same_row(rows.samples + rows.stride * i,
                             e->rgb + ((size_t)y * e->width + w->left) * 3, w->right - w->left);
    }
    if (*status == SMJ_OK) *status = smj_decode_finish(d);
    return same && y == w->bottom;
}

static smj_window random_window(uint32_t *random, uint32_t width, uint32_t height)
{
    smj_window w;
    w.left = sample_random(random) % width;
    w.right = w.left + 1 + sample_random(random) % (width - w.left);
    w.top = sample_random(random) % height;
    w.bottom = w.top + 1 + sample_random(random) % (height - w.top);
    return w;
}

static void check_pixels(const sample *s, const uint8_t *data, size_t len, int windows)
{
    uint32_t random = s->width + 7 * s->height;
    for (unsigned eighths = 8; eighths >= 1; eighths /= 2) {
        expected e;
        e.rgb = sample_decode(&e.width, &e.height, &e.warnings, data, len, eighths);
        assert_int_equal(e.warnings, 0);
        for (int i = 0; i <= windows; i++) {
            const smj_window whole = {0, 0, e.width, e.height};
            const smj_window w = i == 0 ? whole : random_window(&random, e.width, e.height);
            for (int kind = 0; kind < KINDS; kind++) {
                smj_status status;
                if (!window_is_exact(&status, decoders[kind], data, len, eighths, &w, &e) ||
                    status != SMJ_OK)
                    fail_msg("%s: %u x %u, %dx%d %dx%d %dx%d, quality %d, eighths %u, columns %u "
                             "to %u, rows %u to %u: not libjpeg-turbo's pixels, or status %d",
                             smj_decoder_kernels(decoders[kind]), s->width, s->height,
                             s->sampling[0][0], s->sampling[0][1], s->sampling[1][0],
                             s->sampling[1][1], s->sampling[2][0], s->sampling[2][1], s->quality,
                             eighths, w.left, w.right, w.top, w.bottom, (int)status);
            }
        }
        free(e.rgb);
    }
}

static void check_sample(const sample *s, int windows)
{
    size_t len;
    uint8_t *data = sample_jpeg(&len, s);
    check_pixels(s, data, len, windows);
    free(data);
}

static const uint32_t sizes[][2] = {{1, 1},   {2, 3},    {3, 2},    {5, 9},    {16, 16},
                                    {17, 33}, {129, 95}, {500, 31}, {31, 300}, {320, 241}};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Every combination of factors that ten blocks allow. */
static void test_all_samplings(void **state)
{
    (void)state;
    for (int factors = 0; factors < 64; factors++) {
        sample s = {0};
        int blocks = 0;
        for (int c = 0; c < 3; c++) {
            s.sampling[c][0] = 1 + (factors >> (2 * c) & 1);
            s.sampling[c][1] = 1 + (factors >> (2 * c + 1) & 1);
            blocks += s.sampling[c][0] * s.sampling[c][1];
        }
        for (int i = factors % 2; blocks <= 10 && i < SIZES; i += 2) {
            s.width = sizes[i][0];
            s.height = sizes[i][1];
            check_sample(&s, 2);
        }
    }
}

static void test_common_samplings(void **state)
{
    (void)state;
    static const int luma[][2] = {{1, 1}, {2, 1}, {1, 2}, {2, 2}};
    for (int i = 0; i < SIZES; i++)
        for (int k = 0; k < 4; k++)
            check_sample(&(sample){.width = sizes[i][0],
                                   .height = sizes[i][1],
                                   .sampling = {{luma[k][0], luma[k][1]}}},
                         6);
}

static void test_grey(void **state)
{
    (void)state;
    for (int i = 0; i < SIZES; i++)
        for (int factors = 1; factors <= 2; factors++)
            check_sample(&(sample){.width = sizes[i][0],
                                   .height = sizes[i][1],
                                   .components = 1,
                                   .sampling = {{factors, 3 - factors}}},
                         4);
}

static void test_qualities(void **state)
{
    (void)state;
    for (int quality = 1; quality <= 100; quality += quality < 10 || quality > 90 ? 1 : 7)
        check_sample(&(sample){.width = 91, .height = 50, .sampling = {{2, 2}}, .quality = quality},
                     1);
}

static void test_restarts(void **state)
{
    (void)state;
    for (unsigned restart = 1; restart < 40; restart += restart < 8 ? 1 : 9) {
        check_sample(&(sample){.width = 333, .height = 50, .restart = restart}, 3);
        check_sample(
            &(sample){.width = 333, .height = 50, .sampling = {{2, 2}}, .restart = restart}, 3);
    }
}

/* ---- Planes ---------------------------------------------------------------------------------- */

/* A component of libjpeg-turbo's, as it comes before upsampling; rows of its width in blocks. */
typedef struct raw_plane {
    uint8_t *samples;
    size_t stride;
    uint32_t width, height;
} raw_plane;

static void read_raw(raw_plane planes[PLANES], const uint8_t *data, size_t len, unsigned eighths)
{
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    JSAMPROW rows[PLANES][2 * DCTSIZE];
    JSAMPARRAY arrays[PLANES] = {rows[0], rows[1], rows[2]};
    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&cinfo);
    jpeg_mem_src(&cinfo, data, len);
    jpeg_read_header(&cinfo, TRUE);
    cinfo.raw_data_out = TRUE;
    cinfo.out_color_space = cinfo.jpeg_color_space;
    cinfo.scale_num = eighths;
    cinfo.scale_denom = 8;
    jpeg_start_decompress(&cinfo);
    const unsigned lines = (unsigned)cinfo.max_v_samp_factor * eighths;
    for (int c = 0; c < cinfo.num_components; c++) {
        const jpeg_component_info *info = &cinfo.comp_info[c];
        planes[c].stride = info->width_in_blocks * DCTSIZE;
        planes[c].width = info->downsampled_width;
        planes[c].height = info->downsampled_height;
        planes[c].samples = calloc(planes[c].stride, info->downsampled_height + 2 * DCTSIZE);
    }
    for (uint32_t mcu = 0; cinfo.output_scanline < cinfo.output_height; mcu++) {
        for (int c = 0; c < cinfo.num_components; c++) {
            const jpeg_component_info *info = &cinfo.comp_info[c];
            const uint32_t count = (uint32_t)info->v_samp_factor * (uint32_t)info->DCT_scaled_size;
            for (uint32_t y = 0; y < count; y++)
                rows[c][y] = planes[c].samples + planes[c].stride * (mcu * count + y);
        }
        jpeg_read_raw_data(&cinfo, arrays, lines);
    }
    jpeg_finish_decompress(&cinfo);
    jpeg_destroy_decompress(&cinfo);
}

static void check_planes(const sample *s, smj_decoder *d, unsigned eighths, uint32_t *random)
{
    size_t len;
    uint8_t *data = sample_jpeg(&len, s);
    raw_plane raw[PLANES];
    smj_window windows[PLANES];
    smj_plane planes[PLANES] = {{.rows = 1}};
    uint32_t next[PLANES];
    smj_header header;
    read_raw(raw, data, len, eighths);
    assert_int_equal(smj_decode_open(d, &header, data, len), SMJ_OK);
    for (int c = 0; c < header.components; c++) {
        const smj_shape shape = smj_decode_shape(d, c, eighths);
        assert_int_equal(shape.width, raw[c].width);
        assert_int_equal(shape.height, raw[c].height);
        assert_int_equal(shape.width, (s->width * shape.across + 15) / 16);
        assert_int_equal(shape.height, (s->height * shape.down + 15) / 16);
        windows[c] = random_window(random, shape.width, shape.height);
        next[c] = windows[c].top;
    }
    assert_int_equal(smj_decode_start_planes(d, eighths, windows), SMJ_OK);
    while (planes[0].rows > 0) {
        assert_int_equal(smj_decode_read_planes(d, planes), SMJ_OK);
        for (int c = 0; c < header.components; c++) {
            const smj_window *w = &windows[c];
            const smj_plane *p = &planes[c];
            for (uint32_t i = 0; i < p->rows; i++) {
                const uint32_t y = p->first_row + i;
                assert_true(y < raw[c].height && p->first_column <= w->left);
                if (y != next[c] || y >= w->bottom) continue;
                assert_memory_equal(p->samples + p->stride * i + (w->left - p->first_column),
                                    raw[c].samples + raw[c].stride * y + w->left,
                                    w->right - w->left);
                next[c]++;
            }
        }
    }
    for (int c = 0; c < header.components; c++) {
        assert_int_equal(next[c], windows[c].bottom);
        free(raw[c].samples);
    }
    assert_int_equal(smj_decode_finish(d), SMJ_OK);
    free(data);
}

static void test_planes(void **state)
{
    (void)state;
    uint32_t random = 1;
    static const int luma[][2] = {{1, 1}, {2, 1}, {1, 2}, {2, 2}};
    for (int i = 0; i < SIZES; i++)
        for (int k = 0; k < 5; k++)
            for (unsigned eighths = 1; eighths <= 8; eighths *= 2) {
                const sample s = {.width = sizes[i][0],
                                  .height = sizes[i][1],
                                  .components = k == 4 ? 1 : 3,
                                  .sampling = {{luma[k % 4][0], luma[k % 4][1]}}};
                for (int kind = 0; kind < KINDS; kind++)
                    check_planes(&s, decoders[kind], eighths, &random);
            }
}

/* ---- Refusals -------------------------------------------------------------------------------- */

/* The decoder's last word on a file, all of it wanted. */
static smj_status verdict(smj_decoder *d, const uint8_t *data, size_t len)
{
    smj_header header;
    smj_plane rows = {.rows = 1};
    smj_status status = smj_decode_open(d, &header, data, len);
    if (status != SMJ_OK) return status;
    const smj_window all = {0, 0, header.width, header.height};
    status = smj_decode_start_rgb(d, 8, &all);
    while (status == SMJ_OK && rows.rows > 0) status = smj_decode_read_rgb(d, &rows);
    return status == SMJ_OK ? smj_decode_finish(d) : status;
}

static void test_other_kinds_are_refused(void **state)
{
    (void)state;
    static const sample kinds[] = {{.width = 40, .height = 30, .progressive = true},
                                   {.width = 40, .height = 30, .arithmetic = true},
                                   {.width = 40, .height = 30, .plain_rgb = true},
                                   {.width = 40, .height = 30, .separate = true},
                                   {.width = 40, .height = 30, .components = 4},
                                   {.width = 40, .height = 30, .sampling = {{4, 1}}},
                                   {.width = 40, .height = 30, .sampling = {{1, 3}}}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t len;
        uint8_t *data = sample_jpeg(&len, &kinds[i]);
        for (int kind = 0; kind < KINDS; kind++)
            assert_int_equal(verdict(decoders[kind], data, len), SMJ_NOT_MINE);
        free(data);
    }
}

/* Wherever a file ends before its end, that is found out. */
static void test_truncated(void **state)
{
    (void)state;
    const sample s = {.width = 70, .height = 50, .sampling = {{2, 2}}, .restart = 5};
    size_t len;
    uint8_t *data = sample_jpeg(&len, &s);
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *exact = malloc(cut > 0 ? cut : 1); /* a sanitizer sees the first byte too far */
        memcpy(exact, data, cut);
        for (int kind = 0; kind < KINDS; kind++)
            assert_int_equal(verdict(decoders[kind], exact, cut), SMJ_NOT_MINE);
        free(exact);
    }
    free(data);
}

/* Bytes behind the end are none of the picture's. */
static void test_garbage_behind(void **state)
{
    (void)state;
    const sample s = {.width = 70, .height = 50};
    size_t len;
    uint8_t *data = sample_jpeg(&len, &s);
    data = realloc(data, len + 2);
    data[len] = 0xff;
    data[len + 1] = 0xd9;
    assert_int_equal(verdict(decoders[0], data, len + 2), SMJ_OK);
    free(data);
}

/* Each breaks a rule that libjpeg-turbo warns about or forbids. */
static void test_broken_headers(void **state)
{
    (void)state;
    const sample s = {.width = 70, .height = 50, .restart = 3};
    size_t len;
    uint8_t *data = sample_jpeg(&len, &s);
    const size_t scan = sample_find(data, len, 2, 0xda), frame = sample_find(data, len, 2, 0xc0);
    const size_t codes = sample_find(data, len, 2, 0xc4), app0 = sample_find(data, len, 2, 0xe0);
    const size_t restart = sample_find(data, len, scan, 0xd1);
    const struct {
        size_t at;
        uint8_t value;
    } changes[] = {
        {app0 + 9, 2},       /* JFIF of another major version */
        {frame + 4, 12},     /* bits of a sample */
        {frame + 6, 0},      /* no height */
        {frame + 9, 2},      /* components */
        {frame + 10, 82},    /* a component's number */
        {frame + 11, 0x01},  /* a sampling factor of 0 */
        {frame + 12, 7},     /* a table that is not there */
        {codes + 5, 3},      /* three codes of one bit */
        {codes + 4, 0x02},   /* a table's number: the scan's is then missing */
        {scan + 6, 0x33},    /* the scan's tables */
        {scan + 11, 1},      /* first coefficient */
        {scan + 12, 62},     /* last */
        {scan + 13, 0x10},   /* bits */
        {restart + 1, 0xd2}, /* the wrong one in turn */
        {len - 1, 0xd0},     /* no end */
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const uint8_t before = data[changes[i].at];
        data[changes[i].at] = changes[i].value;
        if (verdict(decoders[0], data, len) != SMJ_NOT_MINE) fail_msg("change %zu was taken", i);
        data[changes[i].at] = before;
    }
    assert_int_equal(verdict(decoders[0], data, len), SMJ_OK);
    free(data);
}

/* Whatever is called sound is what libjpeg-turbo decodes without a word. */
static void test_flipped_bits(void **state)
{
    (void)state;
    uint32_t random = 5;
    int sound = 0, refused = 0;
    for (int i = 0; i < 4000; i++) {
        const sample s = {.width = 48,
                          .height = 40,
                          .components = i % 5 == 4 ? 1 : 3,
                          .sampling = {{1 + i % 2, 1 + i / 2 % 2}},
                          .restart = i % 3 == 0 ? 2 : 0};
        size_t len;
        uint8_t *data = sample_jpeg(&len, &s);
        const size_t scan = sample_find(data, len, 2, 0xda) + 14;
        const size_t at = scan + sample_random(&random) % (len - scan - 2);
        data[at] ^= (uint8_t)(1U << sample_random(&random) % 8);
        const smj_status status = verdict(decoders[0], data, len);
        assert_int_equal(verdict(decoders[1], data, len), status);
        if (status == SMJ_OK) {
            check_pixels(&s, data, len, 0); /* and no warning */
            sound++;
        } else {
            assert_int_equal(status, SMJ_NOT_MINE);
            refused++;
        }
        free(data);
    }
    assert_true(sound > 100 && refused > 100); /* both have been tried */
}

/* From some byte on no code is one, in pictures wide enough that units end before their rows. */
static void test_no_codes_any_more(void **state)
{
    (void)state;
    static const sample kinds[] = {{.width = 400, .height = 16},
                                   {.width = 800, .height = 16, .sampling = {{2, 1}}},
                                   {.width = 800, .height = 32, .sampling = {{2, 2}}},
                                   {.width = 1200, .height = 16, .components = 1}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t len;
        uint8_t *data = sample_jpeg(&len, &kinds[i]);
        const size_t scan = sample_find(data, len, 2, 0xda) + 14;
        /* new ones have nothing left of other pictures that could be taken for theirs */
        smj_decoder *fresh[KINDS] = {smj_decoder_new(SMJ_KERNELS_BEST),
                                     smj_decoder_new(SMJ_KERNELS_PORTABLE)};
        for (size_t at = len - 4; at > scan; at -= at - scan > 37 ? 37 : 1) {
            for (size_t k = at; k + 3 < len; k += 2) { /* 0xff, as it stands in a scan */
                data[k] = 0xff;
                data[k + 1] = 0;
            }
            for (int kind = 0; kind < KINDS; kind++)
                assert_int_equal(verdict(fresh[kind], data, len), SMJ_NOT_MINE);
        }
        for (int kind = 0; kind < KINDS; kind++) smj_decoder_free(fresh[kind]);
        free(data);
    }
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static void test_memory_is_bounded(void **state)
{
    (void)state;
    const sample s = {.width = 65500, .height = 16, .sampling = {{2, 2}}};
    size_t len;
    uint8_t *data = sample_jpeg(&len, &s);
    smj_decoder *d = smj_decoder_new(SMJ_KERNELS_BEST);
    assert_int_equal(verdict(d, data, len), SMJ_OK);
    assert_true(smj_decoder_memory(d) < 4000000);
    smj_decoder_free(d);
    free(data);
}

static void test_arguments(void **state)
{
    (void)state;
    const sample s = {.width = 70, .height = 50};
    const smj_window outside = {0, 0, 71, 50}, empty = {5, 5, 5, 6}, fine = {0, 0, 9, 7};
    smj_window windows[PLANES] = {fine, fine, outside};
    smj_plane planes[PLANES];
    smj_header header;
    size_t len;
    uint8_t *data = sample_jpeg(&len, &s);
    smj_decoder *d = smj_decoder_new(SMJ_KERNELS_BEST);
    assert_int_equal(smj_decode_start_rgb(d, 8, &fine), SMJ_ERR_ARGUMENT); /* nothing is open */
    assert_int_equal(smj_decode_read_rgb(d, planes), SMJ_ERR_ARGUMENT);
    assert_int_equal(smj_decode_finish(d), SMJ_ERR_ARGUMENT);
    assert_int_equal(smj_decode_open(d, &header, data, len), SMJ_OK);
    assert_int_equal(smj_decode_start_rgb(d, 3, &fine), SMJ_ERR_ARGUMENT);
    assert_int_equal(smj_decode_open(d, &header, data, len), SMJ_OK);
    assert_int_equal(smj_decode_start_rgb(d, 8, &outside), SMJ_ERR_ARGUMENT);
    assert_int_equal(smj_decode_open(d, &header, data, len), SMJ_OK);
    assert_int_equal(smj_decode_start_rgb(d, 8, &empty), SMJ_ERR_ARGUMENT);
    assert_int_equal(smj_decode_open(d, &header, data, len), SMJ_OK);
    assert_int_equal(smj_decode_start_planes(d, 8, windows), SMJ_ERR_ARGUMENT);
    assert_int_equal(smj_decode_read_planes(d, planes), SMJ_ERR_ARGUMENT);
    assert_int_equal(verdict(d, data, len), SMJ_OK); /* and on it goes */
    smj_decoder_free(d);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_samplings),
        cmocka_unit_test(test_common_samplings),
        cmocka_unit_test(test_grey),
        cmocka_unit_test(test_qualities),
        cmocka_unit_test(test_restarts),
        cmocka_unit_test(test_planes),
        cmocka_unit_test(test_other_kinds_are_refused),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_garbage_behind),
        cmocka_unit_test(test_broken_headers),
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_no_codes_any_more),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, make_decoders, free_decoders);
}
