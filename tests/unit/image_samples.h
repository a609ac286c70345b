/* JPEG files made up on the spot, and what libjpeg alone makes of them. */
#ifndef SM_TESTS_IMAGE_SAMPLES_H
#define SM_TESTS_IMAGE_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

typedef struct sample {
    uint32_t width, height;
    int sampling[3][2]; /* across and down, of each component; 0: 1 */
    int components;     /* 1, 3 or 4; 0: 3 */
    int quality;        /* 0: 90 */
    unsigned restart;   /* blocks between restart markers; 0: none */
    bool progressive;
    bool arithmetic;
    bool plain_rgb;  /* no conversion to YCbCr */
    bool separate;   /* a scan for each component */
    int orientation; /* in an Exif segment; 0: none */
} sample;

/* Deterministic, the same on every machine. */
static inline uint32_t sample_random(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

/* Slopes, edges and some noise, so that every path of a codec has something to do. */
static inline void sample_row(uint8_t *row, const sample *s, uint32_t y, uint32_t *state)
{
    int components = s->components == 0 ? 3 : s->components;
    for (uint32_t x = 0; x < s->width; x++) {
        for (int c = 0; c < components; c++) {
            uint32_t value = c == 0 ? x * 3 + y : c == 1 ? y * 5 + 40 : x + 2 * y;
            if ((x / 13 + y / 9) % 3 == (uint32_t)c) value += 90;
            *row++ = (uint8_t)((value + sample_random(state) % 16) & 255);
        }
    }
}

static inline void sample_exif(struct jpeg_compress_struct *cinfo, int orientation)
{
    uint8_t exif[] = {'E',  'x',  'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1,
                      0x01, 0x12, 0,   3,   0, 0, 0,   1,   0, 0,  0, 0, 0, 0, 0, 0};
    exif[25] = (uint8_t)orientation;
    jpeg_write_marker(cinfo, JPEG_APP0 + 1, exif, sizeof exif);
}

/* The caller frees it. */
static inline uint8_t *sample_jpeg(size_t *len, const sample *s)
{
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors;
    unsigned char *data = NULL;
    unsigned long bytes = 0;
    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_compress(&cinfo);
    jpeg_mem_dest(&cinfo, &data, &bytes);
    cinfo.image_width = s->width;
    cinfo.image_height = s->height;
    cinfo.input_components = s->components == 0 ? 3 : s->components;
    cinfo.in_color_space = s->components == 1   ? JCS_GRAYSCALE
                           : s->components == 4 ? JCS_CMYK
                                                : JCS_RGB;
    jpeg_set_defaults(&cinfo);
    if (s->plain_rgb) jpeg_set_colorspace(&cinfo, JCS_RGB);
    jpeg_set_quality(&cinfo, s->quality == 0 ? 90 : s->quality, TRUE);
    for (int c = 0; c < 3 && c < cinfo.num_components; c++) {
        cinfo.comp_info[c].h_samp_factor = s->sampling[c][0] == 0 ? 1 : s->sampling[c][0];
        cinfo.comp_info[c].v_samp_factor = s->sampling[c][1] == 0 ? 1 : s->sampling[c][1];
    }
    cinfo.restart_interval = s->restart;
    cinfo.arith_code = s->arithmetic;
    if (s->progressive) jpeg_simple_progression(&cinfo);
    static const jpeg_scan_info separate[] = {
        {1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
    if (s->separate) {
        cinfo.scan_info = separate;
        cinfo.num_scans = 3;
    }
    jpeg_start_compress(&cinfo, TRUE);
    if (s->orientation != 0) sample_exif(&cinfo, s->orientation);
    uint8_t *row = malloc((size_t)s->width * 4);
    uint32_t state = s->width * 31 + s->height;
    for (uint32_t y = 0; y < s->height; y++) {
        sample_row(row, s, y, &state);
        jpeg_write_scanlines(&cinfo, &row, 1);
    }
    free(row);
    jpeg_finish_compress(&cinfo);
    jpeg_destroy_compress(&cinfo);
    *len = bytes;
    return data;
}

static inline void sample_message(j_common_ptr cinfo, int level)
{
    if (level < 0) cinfo->err->num_warnings++;
}

/* Decoded whole by libjpeg at eighths / 8 of its size, to 3 bytes a pixel, or 4 when it has as many
 * components; the caller frees it. */
static inline uint8_t *sample_decode(uint32_t *width, uint32_t *height, long *warnings,
                                     const uint8_t *data, size_t len, unsigned eighths)
{
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    cinfo.err = jpeg_std_error(&errors);
    errors.emit_message = sample_message;
    jpeg_create_decompress(&cinfo);
    jpeg_mem_src(&cinfo, data, len);
    jpeg_read_header(&cinfo, TRUE);
    if (cinfo.num_components < 4) cinfo.out_color_space = JCS_RGB;
    cinfo.scale_num = eighths;
    cinfo.scale_denom = 8;
    jpeg_start_decompress(&cinfo);
    *width = cinfo.output_width;
    *height = cinfo.output_height;
    size_t stride = (size_t)*width * (size_t)cinfo.output_components;
    uint8_t *rgb = malloc(stride * *height);
    while (cinfo.output_scanline < cinfo.output_height) {
        JSAMPROW row = rgb + stride * cinfo.output_scanline;
        jpeg_read_scanlines(&cinfo, &row, 1);
    }
    jpeg_finish_decompress(&cinfo);
    *warnings = errors.num_warnings;
    jpeg_destroy_decompress(&cinfo);
    return rgb;
}

/* Where a marker stands from the place `from` on; SIZE_MAX: nowhere. */
static inline size_t sample_find(const uint8_t *data, size_t len, size_t from, uint8_t marker)
{
    for (size_t i = from; i + 1 < len; i++)
        if (data[i] == 0xff && data[i + 1] == marker) return i;
    return SIZE_MAX;
}

#endif
