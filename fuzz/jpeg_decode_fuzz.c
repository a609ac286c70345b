/*
 * Our JPEG decoder beside libjpeg-turbo: whatever ours calls sound, libjpeg-turbo decodes without a
 * word, and to the same pixels.
 *
 * Bytes that begin as a JPEG file are one. Others describe one: what libjpeg-turbo shall write, and
 * what is then changed in it, so that headers and scans of every kind are reached at once.
 */
#include "fuzz.h"
#include "jpeg/decode.h"

#include <setjmp.h>
#include <stdbool.h>
#include <string.h>

#include <jpeglib.h>

enum { PIXELS_MAX = 1 << 18, SIDE_MAX = 80, WIDER = 8, EDIT_SIZE = 4 };

typedef struct bytes {
    const uint8_t *data;
    size_t len;
} bytes;

static uint8_t take(bytes *from)
{
    if (from->len == 0) return 0;
    from->len--;
    return *from->data++;
}

/* ---- libjpeg-turbo --------------------------------------------------------------------------- */

typedef struct errors {
    struct jpeg_error_mgr base;
    jmp_buf escape;
    bool warned;
} errors;

static void on_error(j_common_ptr cinfo)
{
    longjmp(((errors *)cinfo->err)->escape, 1);
}

static void on_message(j_common_ptr cinfo, int level)
{
    if (level < 0) ((errors *)cinfo->err)->warned = true;
}

static void set_errors(errors *e)
{
    jpeg_std_error(&e->base);
    e->base.error_exit = on_error;
    e->base.emit_message = on_message;
    e->warned = false;
}

/* A picture's file. Samples are slopes, noise or extremes. */
static uint8_t *make_file(size_t *len, bytes *from)
{
    struct jpeg_compress_struct cinfo;
    errors e;
    unsigned char *data = NULL;
    unsigned long size = 0;
    set_errors(&e);
    cinfo.err = &e.base;
    if (setjmp(e.escape) != 0) { /* more than ten blocks in an MCU */
        jpeg_destroy_compress(&cinfo);
        free(data);
        return NULL;
    }
    jpeg_create_compress(&cinfo);
    jpeg_mem_dest(&cinfo, &data, &size);
    cinfo.image_width = 1U + take(from) % SIDE_MAX;
    if (take(from) % 4 == 0) cinfo.image_width *= WIDER; /* units end before their rows */
    cinfo.image_height = 1U + take(from) % SIDE_MAX;
    const uint8_t kind = take(from);
    cinfo.input_components = kind & 1 ? 1 : 3;
    cinfo.in_color_space = kind & 1 ? JCS_GRAYSCALE : JCS_YCbCr;
    jpeg_set_defaults(&cinfo);
    jpeg_set_quality(&cinfo, 1 + take(from) % 100, kind & 2 ? TRUE : FALSE);
    const uint8_t factors = take(from);
    for (int i = 0; i < cinfo.num_components; i++) {
        cinfo.comp_info[i].h_samp_factor = 1 + (factors >> (2 * i) & 1);
        cinfo.comp_info[i].v_samp_factor = 1 + (factors >> (2 * i + 1) & 1);
    }
    cinfo.optimize_coding = kind & 4 ? TRUE : FALSE;
    cinfo.restart_interval = kind & 8 ? take(from) : 0;
    if (kind & 16 && kind & 32) jpeg_simple_progression(&cinfo);
    const unsigned roughness = kind >> 6;
    jpeg_start_compress(&cinfo, TRUE);
    uint8_t row[SIDE_MAX * WIDER * 3], *rows = row;
    uint32_t random = 1;
    while (cinfo.next_scanline < cinfo.image_height) {
        for (unsigned i = 0; i < cinfo.image_width * 3; i++) {
            random = random * 1664525 + 1013904223;
            row[i] = (uint8_t)(roughness == 3 ? (random >> 31) * 255
                                              : i + 2 * cinfo.next_scanline +
                                                    (random >> 24 & (15U << roughness)));
        }
        jpeg_write_scanlines(&cinfo, &rows, 1);
    }
    jpeg_finish_compress(&cinfo);
    jpeg_destroy_compress(&cinfo);
    *len = size;
    return data;
}

static void edit(uint8_t *data, size_t *len, bytes *from)
{
    while (from->len >= EDIT_SIZE && *len > 2) {
        const size_t place = (size_t)take(from) | (size_t)take(from) << 8;
        const uint8_t how = take(from), value = take(from);
        uint8_t *at = data + place % *len;
        switch (how % 5) {
        case 0: *at = value; break;
        case 1: *at ^= (uint8_t)(1U << value % 8); break;
        case 2: /* one byte fewer */
            memmove(at, at + 1, (size_t)(data + *len - at) - 1);
            (*len)--;
            break;
        case 3: /* one more in place of the last */
            memmove(at + 1, at, (size_t)(data + *len - at) - 1);
            *at = value;
            break;
        default:
            if (value == 0) *len = (size_t)(at - data) + 1;
            break;
        }
    }
}

/* False: an error. */
static bool decode_theirs(uint8_t *rgbx, bool *warned, const uint8_t *data, size_t len,
                          unsigned eighths)
{
    struct jpeg_decompress_struct cinfo;
    errors e;
    set_errors(&e);
    cinfo.err = &e.base;
    if (setjmp(e.escape) != 0) {
        jpeg_destroy_decompress(&cinfo);
        return false;
    }
    jpeg_create_decompress(&cinfo);
    jpeg_mem_src(&cinfo, data, len);
    jpeg_read_header(&cinfo, TRUE);
    cinfo.out_color_space = JCS_EXT_RGBX;
    cinfo.scale_num = eighths;
    cinfo.scale_denom = 8;
    jpeg_start_decompress(&cinfo);
    FUZZ_CHECK((size_t)cinfo.output_width * cinfo.output_height <= PIXELS_MAX);
    while (cinfo.output_scanline < cinfo.output_height) {
        uint8_t *row = rgbx + (size_t)cinfo.output_scanline * cinfo.output_width * 4;
        jpeg_read_scanlines(&cinfo, &row, 1);
    }
    jpeg_finish_decompress(&cinfo);
    jpeg_destroy_decompress(&cinfo);
    *warned = e.warned;
    return true;
}

/* ---- Ours ------------------------------------------------------------------------------------ */

static smj_decoder *decoders[2];
static uint8_t *pixels[3]; /* of both kinds of kernels, and of libjpeg-turbo */

/* The window's pixels, without gaps. */
static smj_status decode_ours(int kind, const uint8_t *data, size_t len, unsigned eighths,
                              const smj_window *w)
{
    smj_header header;
    smj_plane rows;
    smj_decoder *d = decoders[kind];
    uint8_t *to = pixels[kind];
    const size_t width = (size_t)(w->right - w->left) * 4;
    smj_status status = smj_decode_open(d, &header, data, len);
    if (status == SMJ_OK) status = smj_decode_start_rgb(d, eighths, w);
    uint32_t y = w->top;
    while (status == SMJ_OK && (status = smj_decode_read_rgb(d, &rows)) == SMJ_OK &&
           rows.rows > 0) {
        FUZZ_CHECK(rows.first_row == y && rows.first_column == w->left);
        for (uint32_t i = 0; i < rows.rows; i++, y++, to += width)
            memcpy(to, rows.samples + rows.stride * i, width);
    }
    FUZZ_CHECK(status != SMJ_OK || y == w->bottom);
    return status == SMJ_OK ? smj_decode_finish(d) : status;
}

static smj_window choose_window(bytes *from, uint32_t width, uint32_t height)
{
    smj_window w = {0, 0, width, height};
    if (take(from) % 2 == 0) return w;
    w.left = take(from) % width;
    w.top = take(from) % height;
    w.right = w.left + 1 + take(from) % (width - w.left);
    w.bottom = w.top + 1 + take(from) % (height - w.top);
    return w;
}

static void compare(const uint8_t *data, size_t len, unsigned eighths, bytes *choices)
{
    smj_header header;
    if (smj_decode_open(decoders[0], &header, data, len) != SMJ_OK) return;
    const uint32_t width = (header.width * eighths + 7) / 8;
    const uint32_t height = (header.height * eighths + 7) / 8;
    if ((size_t)header.width * header.height > PIXELS_MAX) return;
    const smj_window w = choose_window(choices, width, height);
    const smj_status status = decode_ours(0, data, len, eighths, &w);
    FUZZ_CHECK(status == SMJ_OK || status == SMJ_NOT_MINE);
    FUZZ_CHECK(decode_ours(1, data, len, eighths, &w) == status);
    if (status != SMJ_OK) return;
    const size_t line = (size_t)(w.right - w.left) * 4;
    FUZZ_CHECK(memcmp(pixels[0], pixels[1], line * (w.bottom - w.top)) == 0);

    bool warned;
    FUZZ_CHECK(decode_theirs(pixels[2], &warned, data, len, eighths));
    FUZZ_CHECK(!warned);
    for (uint32_t y = w.top; y < w.bottom; y++)
        FUZZ_CHECK(memcmp(pixels[0] + line * (y - w.top),
                          pixels[2] + ((size_t)y * width + w.left) * 4, line) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (decoders[0] == NULL) {
        decoders[0] = smj_decoder_new(SMJ_KERNELS_BEST);
        decoders[1] = smj_decoder_new(SMJ_KERNELS_PORTABLE);
        for (int i = 0; i < 3; i++) pixels[i] = malloc((size_t)PIXELS_MAX * 4);
        FUZZ_CHECK(decoders[0] != NULL && decoders[1] != NULL && pixels[0] != NULL &&
                   pixels[1] != NULL && pixels[2] != NULL);
    }
    bytes from = {data, size};
    if (size >= 2 && data[0] == 0xff && data[1] == 0xd8) {
        bytes none = {data, 0};
        for (unsigned eighths = 8; eighths >= 1; eighths /= 2) compare(data, size, eighths, &none);
        return 0;
    }
    const unsigned eighths = 8U >> take(&from) % 4;
    bytes choices = {from.data, from.len < 5 ? from.len : 5};
    from.data += choices.len;
    from.len -= choices.len;
    size_t len;
    uint8_t *file = make_file(&len, &from);
    if (file == NULL) return 0;
    edit(file, &len, &from);
    /* exactly as long as the file, so that a sanitizer sees the first byte too far */
    uint8_t *exact = malloc(len);
    FUZZ_CHECK(exact != NULL);
    memcpy(exact, file, len);
    compare(exact, len, eighths, &choices);
    free(exact);
    free(file);
    return 0;
}
