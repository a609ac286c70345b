/*
 * check ENCODER DECODER RESIZER ROUNDS: compares the best kernels with the portable ones, which
 * other tests hold against libjpeg-turbo and the formulas. The best must be those named. Needs a C
 * library alone, so that it can be compiled for other machines and run under an emulator of them;
 * see arm64.sh and avx512.sh.
 */
#include "image/resize.h"
#include "image/resize_kernels.h"
#include "jpeg/decode.h"
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

static void expect(const char *what, const char *kernels, const char *wanted)
{
    if (strcmp(kernels, wanted) == 0) return;
    fprintf(stderr, "the %s uses the %s kernels, not %s\n", what, kernels, wanted);
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

static void check_encoders(const char *wanted, int rounds)
{
    smj_encoder *best = smj_encoder_new(SMJ_KERNELS_BEST);
    smj_encoder *portable = smj_encoder_new(SMJ_KERNELS_PORTABLE);
    if (best == NULL || portable == NULL) stop("out of memory");
    expect("encoder", smj_encoder_kernels(best), wanted);
    for (int i = 0; i < rounds; i++) check_encoder(best, portable, i % 20 == 0 ? 600 : 70);
    smj_encoder_free(best);
    smj_encoder_free(portable);
}

/* ---- The decoder ----------------------------------------------------------------------------- */

/* All pixels, without gaps; what the decoder says of the file. */
static smj_status decode(smj_decoder *d, uint8_t *to, const uint8_t *data, size_t len,
                         unsigned eighths)
{
    smj_header header;
    smj_plane rows = {.rows = 1};
    smj_status status = smj_decode_open(d, &header, data, len);
    if (status != SMJ_OK) return status;
    const smj_window all = {0, 0, (header.width * eighths + 7) / 8,
                            (header.height * eighths + 7) / 8};
    status = smj_decode_start_rgb(d, eighths, &all);
    while (status == SMJ_OK && rows.rows > 0) {
        status = smj_decode_read_rgb(d, &rows);
        for (uint32_t y = 0; status == SMJ_OK && y < rows.rows; y++, to += (size_t)all.right * 4)
            memcpy(to, rows.samples + rows.stride * y, (size_t)all.right * 4);
    }
    return status == SMJ_OK ? smj_decode_finish(d) : status;
}

/* Exchanges width and height, and the factors of luma along them: as many MCUs, one above another
 * where they were side by side. No encoder of ours makes such pictures. */
static void turn_frame(uint8_t *data, size_t len)
{
    for (size_t i = 2; i + 12 < len; i++) {
        if (data[i] != 0xff || data[i + 1] != 0xc0) continue;
        uint8_t *at = data + i + 5;
        const uint8_t size[4] = {at[2], at[3], at[0], at[1]};
        memcpy(at, size, sizeof size);
        at[6] = (uint8_t)(at[6] >> 4 | at[6] << 4);
        return;
    }
}

/* Also of files with a bit flipped in the scan: large and odd coefficients. */
static int check_decoder(smj_decoder *best, smj_decoder *portable, smj_encoder *encoder,
                         uint32_t most)
{
    const uint32_t width = 1 + below(most), height = 1 + below(most);
    const smj_options options = {1 + (int)below(100), (smj_sampling)below(4)};
    const size_t size = (size_t)width * height;
    uint8_t *pixels = random_bytes(size * 3);
    uint8_t *a = take(size * 4), *b = take(size * 4);
    const uint8_t *data;
    size_t len;
    int sound = 0;
    if (smj_encode(encoder, &data, &len, pixels, (size_t)width * 3, width, height, &options) !=
        SMJ_OK)
        stop("encoding failed");
    uint8_t *file = take(len);
    memcpy(file, data, len);
    if (below(2)) turn_frame(file, len);
    for (int turn = 0; turn < 8; turn++) {
        const unsigned eighths = 8u >> turn % 4;
        if (turn >= 4) file[len - 3 - below((uint32_t)len / 3)] ^= (uint8_t)(1 << below(8));
        memset(a, 0, size * 4);
        memset(b, 0, size * 4);
        const smj_status status = decode(best, a, file, len, eighths);
        if (decode(portable, b, file, len, eighths) != status ||
            (status == SMJ_OK && memcmp(a, b, size * 4) != 0)) {
            fprintf(stderr, "%u x %u, quality %d, sampling %d, scale %u / 8: ", width, height,
                    options.quality, (int)options.sampling, eighths);
            stop("the decoder gives other pixels");
        }
        if (turn < 4 && status != SMJ_OK) stop("the decoder refuses a sound file");
        sound += status == SMJ_OK;
    }
    free(file);
    free(b);
    free(a);
    free(pixels);
    return sound;
}

static void check_decoders(const char *wanted, int rounds)
{
    smj_encoder *encoder = smj_encoder_new(SMJ_KERNELS_BEST);
    smj_decoder *best = smj_decoder_new(SMJ_KERNELS_BEST);
    smj_decoder *portable = smj_decoder_new(SMJ_KERNELS_PORTABLE);
    if (encoder == NULL || best == NULL || portable == NULL) stop("out of memory");
    expect("decoder", smj_decoder_kernels(best), wanted);
    int sound = 0;
    for (int i = 0; i < rounds; i++)
        sound += check_decoder(best, portable, encoder, i % 20 == 0 ? 600 : 70);
    if (sound < rounds * 4 + rounds / 10) stop("hardly any damaged file was sound");
    smj_decoder_free(best);
    smj_decoder_free(portable);
    smj_encoder_free(encoder);
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

static const char *best_resizer(void)
{
    const sm_resize_kernels *kernels = sm_resize_avx2();
    if (kernels == NULL) kernels = sm_resize_neon();
    return kernels != NULL ? kernels->name : sm_resize_portable.name;
}

static void check_resizers(const char *wanted, int rounds)
{
    sm_resizer *best, *portable;
    if (sm_resizer_new(&best, false) != SM_OK || sm_resizer_new(&portable, true) != SM_OK)
        stop("out of memory");
    expect("resizer", best_resizer(), wanted);
    for (int i = 0; i < rounds; i++) check_resizer(best, portable, i % 20 == 0 ? 1200 : 120);
    sm_resizer_free(best);
    sm_resizer_free(portable);
}

int main(int argc, char **argv)
{
    const int rounds = argc == 5 ? (int)strtol(argv[4], NULL, 10) : 0;
    if (rounds <= 0) stop("usage: check ENCODER DECODER RESIZER ROUNDS");
    check_encoders(argv[1], rounds);
    check_decoders(argv[2], rounds);
    check_resizers(argv[3], rounds);
    printf("encoder %s, decoder %s, resizer %s: the same as portable, %d times\n", argv[1], argv[2],
           argv[3], rounds);
    return 0;
}
