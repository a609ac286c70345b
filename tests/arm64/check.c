/*
 * Compares the NEON kernels with the portable ones, which other tests hold against libjpeg-turbo
 * and the formulas. Needs a C library alone, so that it can be compiled for ARM anywhere and run
 * under qemu; see check.sh.
 */
#include "image/resize.h"
#include "image/resize_kernels.h"
#include "jpeg/jpeg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t seed = 1;

static uint32_t below(uint32_t limit)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * limit >> 32);
}

static void stop(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void *take(size_t size)
{
    void *made = malloc(size);
    if (made == NULL) stop("out of memory");
    return made;
}

/* Noise, black and white, or slopes with a little noise. */
static uint8_t *random_bytes(size_t size)
{
    const uint32_t kind = below(3), step = 1 + below(5);
    uint8_t *bytes = take(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = kind == 0   ? (uint8_t)below(256)
                   : kind == 1 ? (uint8_t)(below(2) * 255)
                               : (uint8_t)(i * step / 8 + below(8));
    return bytes;
}

/* ---- The encoder ----------------------------------------------------------------------------- */

static void check_encoder(smj_encoder *best, smj_encoder *portable, uint32_t most)
{
    const uint32_t width = 1 + below(most), height = 1 + below(most);
    const smj_options options = {1 + (int)below(100), (smj_sampling)below(4)};
    uint8_t *pixels = random_bytes((size_t)width * height * 3);
    const uint8_t *planes[3], *a, *b;
    size_t a_len, b_len, size = (size_t)width * height;
    for (int i = 0; i < 3; i++) planes[i] = pixels + size * (size_t)i;
    for (int form = 0; form < 2; form++) {
        if (form == 0 && (smj_encode(best, &a, &a_len, pixels, (size_t)width * 3, width, height,
                                     &options) != SMJ_OK ||
                          smj_encode(portable, &b, &b_len, pixels, (size_t)width * 3, width, height,
                                     &options) != SMJ_OK))
            stop("encoding failed");
        if (form == 1 && (smj_encode_planes(best, &a, &a_len, planes, width, width, height,
                                            &options) != SMJ_OK ||
                          smj_encode_planes(portable, &b, &b_len, planes, width, width, height,
                                            &options) != SMJ_OK))
            stop("encoding failed");
        if (a_len != b_len || memcmp(a, b, a_len) != 0) {
            fprintf(stderr, "%u x %u, quality %d, sampling %d: ", width, height, options.quality,
                    (int)options.sampling);
            stop("the encoder gives other bytes");
        }
    }
    free(pixels);
}

static void check_encoders(void)
{
    smj_encoder *best = smj_encoder_new(SMJ_KERNELS_BEST);
    smj_encoder *portable = smj_encoder_new(SMJ_KERNELS_PORTABLE);
    if (best == NULL || portable == NULL) stop("out of memory");
    if (strcmp(smj_encoder_kernels(best), "neon") != 0) stop("the encoder does not use NEON");
    for (int i = 0; i < 400; i++) check_encoder(best, portable, i % 20 == 0 ? 600 : 70);
    smj_encoder_free(best);
    smj_encoder_free(portable);
}

/* ---- The resizer ----------------------------------------------------------------------------- */

static sm_geometry random_geometry(uint32_t most)
{
    sm_geometry g = {.source_width = 1 + below(most),
                     .source_height = 1 + below(most),
                     .resized_width = 1 + below(most / 2),
                     .resized_height = 1 + below(most / 2)};
    g.cut_x = below(g.resized_width);
    g.cut_y = below(g.resized_height);
    g.cut_width = 1 + below(g.resized_width - g.cut_x);
    g.cut_height = 1 + below(g.resized_height - g.cut_y);
    return g;
}

static uint8_t *resize_pixels(sm_resizer *resizer, const sm_geometry *g, sm_filter filter,
                              const uint8_t *rgbx)
{
    const size_t stride = (size_t)g->source_width * 4;
    uint8_t *out = take((size_t)g->cut_width * g->cut_height * 3);
    sm_window w;
    if (sm_resizer_begin(resizer, &w, g, filter, 8, out, (size_t)g->cut_width * 3) != SM_OK)
        stop("out of memory");
    for (uint32_t row = 0, rows; row < g->source_height; row += rows) {
        rows = 1 + below(g->source_height - row);
        const sm_strip strip = {rgbx + stride * row, stride, 0, row, rows};
        sm_resizer_push(resizer, &strip);
    }
    if (!sm_resizer_is_done(resizer)) stop("rows are missing");
    return out;
}

/* Luma, and chroma of half the width or height or both. */
static uint8_t *resize_planes(sm_resizer *resizer, const sm_geometry *g, sm_filter filter,
                              const uint8_t *samples, const unsigned sixteenths[2])
{
    const size_t size = (size_t)g->cut_width * g->cut_height;
    uint8_t *out = take(size * 2);
    const sm_plane planes[2] = {{16, 16, out, g->cut_width},
                                {sixteenths[0], sixteenths[1], out + size, g->cut_width}};
    sm_window w[2];
    if (sm_resizer_begin_planes(resizer, w, g, filter, planes, 2) != SM_OK) stop("out of memory");
    for (unsigned i = 0; i < 2; i++) {
        const uint32_t columns = (g->source_width * planes[i].across + 15) / 16;
        const uint32_t end = (g->source_height * planes[i].down + 15) / 16;
        for (uint32_t row = 0, rows; row < end; row += rows) {
            rows = 1 + below(end - row);
            const sm_strip strip = {samples + (size_t)columns * row, columns, 0, row, rows};
            sm_resizer_push_plane(resizer, i, &strip);
        }
    }
    if (!sm_resizer_is_done(resizer)) stop("rows are missing");
    return out;
}

static void check_resizer(sm_resizer *best, sm_resizer *portable, uint32_t most)
{
    const sm_geometry g = random_geometry(most);
    const sm_filter filter = (sm_filter)below(4);
    const unsigned sixteenths[2] = {8u << below(2), 8u << below(2)};
    const size_t size = (size_t)g.cut_width * g.cut_height;
    uint8_t *source = random_bytes((size_t)g.source_width * g.source_height * 4 + SM_ROW_PADDING);
    for (int form = 0; form < 2; form++) {
        uint8_t *a = form == 0 ? resize_pixels(best, &g, filter, source)
                               : resize_planes(best, &g, filter, source, sixteenths);
        uint8_t *b = form == 0 ? resize_pixels(portable, &g, filter, source)
                               : resize_planes(portable, &g, filter, source, sixteenths);
        if (memcmp(a, b, size * (form == 0 ? 3 : 2)) != 0) {
            fprintf(stderr, "%u x %u to %u x %u, filter %d: ", g.source_width, g.source_height,
                    g.resized_width, g.resized_height, (int)filter);
            stop("the resizer gives other bytes");
        }
        free(a);
        free(b);
    }
    free(source);
}

static void check_resizers(void)
{
    sm_resizer *best, *portable;
    if (sm_resizer_new(&best, false) != SM_OK || sm_resizer_new(&portable, true) != SM_OK)
        stop("out of memory");
    if (sm_resize_neon() == NULL) stop("the resizer does not use NEON");
    for (int i = 0; i < 400; i++) check_resizer(best, portable, i % 20 == 0 ? 1200 : 120);
    sm_resizer_free(best);
    sm_resizer_free(portable);
}

int main(void)
{
    check_encoders();
    check_resizers();
    puts("NEON and portable kernels agree");
    return 0;
}
