#include "image/decode_turbo.h"

#include "image/exif.h"
#include "image/outcome.h"

#include <limits.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

enum {
    STRIP_ROWS = 16,
    PIXEL_SIZE = 4,
    /* What a window is widened by: upsampling looks at the neighbours, and treats the first and
     * last column as if the picture ended there. */
    MARGIN = 8,
    /* Encoders write some 10 scans; a file can hold thousands, each as costly as the first. */
    MIN_SCAN_LIMIT = 64,
    MAX_SCAN_LIMIT = 500
};

static const uint64_t scan_pixels_limit = 8000000000; /* a few seconds' work */

struct sm_turbo {
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    sm_picture_info *info; /* of the picture at hand */
    sm_jpeg_limits limits;

    bool open;         /* cinfo is created */
    bool in_header;    /* the first scan has not been reached */
    bool past_end;     /* the data ended before the picture did */
    bool in_tail;      /* every row has been read */
    sm_status failure; /* of the call that has just escaped */
    int orientation;   /* of the first Exif segment; 0: none so far */
    int scan_limit;
    sm_window window; /* with its margin */
    uint8_t *rows;    /* a strip, or one of each plane */
    size_t rows_cap;  /* bytes */
    uint32_t mcu_row; /* of planes: the next to read */
};

/* libjpeg hands these back wherever it calls us. */
static sm_turbo *decoder_of(j_common_ptr cinfo)
{
    return cinfo->client_data;
}

/* ---- Errors and warnings --------------------------------------------------------------------- */

static sm_reason reason_of(int code)
{
    switch (code) {
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_CCIR601_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_SOF_UNSUPPORTED: return SM_FAIL_UNSUPPORTED;
    case JERR_IMAGE_TOO_BIG:
    case JERR_WIDTH_OVERFLOW: return SM_FAIL_TOO_MANY_PIXELS;
    case JERR_NO_BACKING_STORE:
    case JERR_OUT_OF_MEMORY: return SM_FAIL_OUT_OF_MEMORY;
    case JERR_NO_SOI: return SM_FAIL_NOT_AN_IMAGE;
    default: return SM_FAIL_CORRUPT;
    }
}

static void on_error(j_common_ptr cinfo)
{
    sm_turbo *d = decoder_of(cinfo);
    char words[JMSG_LENGTH_MAX];
    cinfo->err->format_message(cinfo, words);
    if (d->in_tail) /* the picture is whole already, so this is worth no more than a warning */
        sm_picture_warn(d->info, "%s", words);
    else
        d->failure =
            sm_picture_fail(d->info, SM_STAGE_DECODE, reason_of(cinfo->err->msg_code), "%s", words);
    longjmp(d->escape, 1);
}

static void on_message(j_common_ptr cinfo, int level)
{
    if (level >= 0) return; /* traces */
    char words[JMSG_LENGTH_MAX];
    cinfo->err->format_message(cinfo, words);
    sm_picture_warn(decoder_of(cinfo)->info, "%s", words);
}

static void close_picture(sm_turbo *d)
{
    /* Not only aborted: the next picture must not find this one's tables. */
    if (d->open) jpeg_destroy_decompress(&d->cinfo);
    d->open = false;
    d->info = NULL;
}

static sm_status give_up(sm_turbo *d, sm_status status)
{
    close_picture(d);
    return status;
}

/* ---- The source: the whole file lies in memory ----------------------------------------------- */

static void do_nothing(j_decompress_ptr cinfo)
{
    (void)cinfo;
}

/*
 * Called when the data is at its end. A missing end marker alone harms nothing, so one is supplied
 * without a word: where picture data is missing as well, the decoder notices and warns.
 */
static boolean supply_end(j_decompress_ptr cinfo)
{
    static const JOCTET end_of_image[] = {0xff, JPEG_EOI};
    sm_turbo *d = decoder_of((j_common_ptr)cinfo);
    if (d->in_header) ERREXIT(cinfo, JERR_INPUT_EOF);
    d->past_end = true;
    cinfo->src->next_input_byte = end_of_image;
    cinfo->src->bytes_in_buffer = sizeof end_of_image;
    return TRUE;
}

static void skip(j_decompress_ptr cinfo, long count)
{
    struct jpeg_source_mgr *source = cinfo->src;
    if (count <= 0) return;
    if ((size_t)count > source->bytes_in_buffer) {
        supply_end(cinfo);
        return;
    }
    source->next_input_byte += count;
    source->bytes_in_buffer -= (size_t)count;
}

/* Looks for the orientation in place, instead of having libjpeg keep a copy of the segment. */
static boolean on_app1(j_decompress_ptr cinfo)
{
    sm_turbo *d = decoder_of((j_common_ptr)cinfo);
    struct jpeg_source_mgr *source = cinfo->src;
    if (source->bytes_in_buffer < 2) {
        supply_end(cinfo);
        return TRUE;
    }
    const JOCTET *data = source->next_input_byte;
    size_t len = (size_t)data[0] << 8 | data[1];
    if (len >= 2 && len <= source->bytes_in_buffer && d->orientation == 0)
        d->orientation = sm_exif_orientation(data + 2, len - 2);
    skip(cinfo, len < 2 ? 2 : (long)len);
    return TRUE;
}

/* ---- Opening --------------------------------------------------------------------------------- */

/* Called now and then while the scans of a picture are read that has many. */
static void on_progress(j_common_ptr cinfo)
{
    sm_turbo *d = decoder_of(cinfo);
    if (d->cinfo.input_scan_number <= d->scan_limit) return;
    d->failure = sm_picture_fail(d->info, SM_STAGE_DECODE, SM_FAIL_CORRUPT,
                                 "more than %d scans in a picture of this size", d->scan_limit);
    longjmp(d->escape, 1);
}

sm_status sm_turbo_new(sm_turbo **decoder, const sm_jpeg_limits *limits)
{
    sm_turbo *d = calloc(1, sizeof *d);
    if (d == NULL) return sm_fail_memory(sizeof *d);
    d->limits = *limits;
    d->cinfo.err = jpeg_std_error(&d->errors);
    d->errors.error_exit = on_error;
    d->errors.emit_message = on_message;
    d->source.init_source = do_nothing;
    d->source.fill_input_buffer = supply_end;
    d->source.skip_input_data = skip;
    d->source.resync_to_restart = jpeg_resync_to_restart;
    d->source.term_source = do_nothing;
    d->progress.progress_monitor = on_progress;
    *decoder = d;
    return SM_OK;
}

void sm_turbo_free(sm_turbo *decoder)
{
    if (decoder == NULL) return;
    close_picture(decoder);
    free(decoder->rows);
    free(decoder);
}

/* What a picture of many scans takes: all of its coefficients. */
static uint64_t coefficient_bytes(const struct jpeg_decompress_struct *cinfo)
{
    uint64_t mcu_width = (uint64_t)cinfo->max_h_samp_factor * DCTSIZE;
    uint64_t mcu_height = (uint64_t)cinfo->max_v_samp_factor * DCTSIZE;
    uint64_t mcus = ((cinfo->image_width + mcu_width - 1) / mcu_width) *
                    ((cinfo->image_height + mcu_height - 1) / mcu_height);
    uint64_t blocks = 0;
    for (int i = 0; i < cinfo->num_components; i++) {
        const jpeg_component_info *component = &cinfo->comp_info[i];
        blocks += (uint64_t)component->h_samp_factor * (uint64_t)component->v_samp_factor;
    }
    return mcus * blocks * sizeof(JBLOCK);
}

static sm_status check_size(sm_turbo *d)
{
    const struct jpeg_decompress_struct *cinfo = &d->cinfo;
    uint64_t pixels = (uint64_t)cinfo->image_width * cinfo->image_height;
    if (pixels > d->limits.max_pixels)
        return give_up(d, sm_picture_fail(d->info, SM_STAGE_DECODE, SM_FAIL_TOO_MANY_PIXELS,
                                          "%u x %u pixels are more than --max-pixels allows",
                                          cinfo->image_width, cinfo->image_height));
    uint64_t bytes = jpeg_has_multiple_scans(&d->cinfo) ? coefficient_bytes(cinfo) : 0;
    if (d->limits.max_memory > 0 && bytes > d->limits.max_memory)
        return give_up(d, sm_picture_fail(d->info, SM_STAGE_DECODE, SM_FAIL_OUT_OF_MEMORY,
                                          "its scans take %llu MB, a decoder may have %llu MB",
                                          (unsigned long long)(bytes / 1000000),
                                          (unsigned long long)(d->limits.max_memory / 1000000)));
    uint64_t scans = scan_pixels_limit / pixels;
    d->scan_limit = scans > MAX_SCAN_LIMIT   ? MAX_SCAN_LIMIT
                    : scans < MIN_SCAN_LIMIT ? MIN_SCAN_LIMIT
                                             : (int)scans;
    return SM_OK;
}

/* libjpeg takes the limit from the environment unless told; and at the limit it would turn to
 * temporary files where it was built with them. check_size keeps below it. */
static long memory_limit(uint64_t max_memory)
{
    return max_memory == 0 || max_memory > LONG_MAX / 2 ? LONG_MAX : (long)max_memory * 2;
}

sm_status sm_turbo_open(sm_turbo *decoder, sm_jpeg_header *header, sm_picture_info *info,
                        const uint8_t *data, size_t len)
{
    sm_turbo *d = decoder;
    close_picture(d);
    d->info = info;
    d->in_header = true;
    d->past_end = false;
    d->in_tail = false;
    d->orientation = 0;
    d->source.next_input_byte = data;
    d->source.bytes_in_buffer = len;
    d->cinfo.client_data = d;
    if (setjmp(d->escape) != 0) return give_up(d, d->failure);

    d->open = true;
    jpeg_create_decompress(&d->cinfo);
    d->cinfo.mem->max_memory_to_use = memory_limit(d->limits.max_memory);
    d->cinfo.src = &d->source;
    d->cinfo.progress = &d->progress;
    jpeg_set_marker_processor(&d->cinfo, JPEG_APP0 + 1, on_app1);
    jpeg_read_header(&d->cinfo, TRUE);
    d->in_header = false;

    header->width = d->cinfo.image_width;
    header->height = d->cinfo.image_height;
    header->orientation = d->orientation == 0 ? 1 : d->orientation;
    return check_size(d);
}

/* ---- Decoding -------------------------------------------------------------------------------- */

/* Whether some coefficients of a progressive picture are not known to their last bit. */
static bool is_coarse(const struct jpeg_decompress_struct *cinfo)
{
    if (cinfo->coef_bits == NULL) return false;
    for (int i = 0; i < cinfo->num_components; i++)
        for (int k = 0; k < DCTSIZE2; k++)
            if (cinfo->coef_bits[i][k] != 0) return true;
    return false;
}

/*
 * Whether libjpeg-turbo can be trusted to leave out columns and rows. With components sampled more
 * than twice as densely as others, its 2.1 loses columns when it also scales, and reads past the
 * last row when it skips some. A coarse picture is smoothed from blocks far around.
 */
static bool can_leave_out(const struct jpeg_decompress_struct *cinfo)
{
    return cinfo->max_h_samp_factor <= 2 && cinfo->max_v_samp_factor <= 2 && !is_coarse(cinfo);
}

/* Widens the window by what its pixels depend on, or to the whole of what lies above and beside. */
static void place_window(sm_turbo *d, const sm_window *wanted)
{
    const struct jpeg_decompress_struct *cinfo = &d->cinfo;
    sm_window *w = &d->window;
    *w = (sm_window){0, 0, cinfo->output_width, wanted->bottom};
    if (!can_leave_out(cinfo)) return;
    if (wanted->left > MARGIN) w->left = wanted->left - MARGIN;
    if (wanted->top > MARGIN) w->top = wanted->top - MARGIN;
    if (w->right - wanted->right > MARGIN) w->right = wanted->right + MARGIN;
}

static sm_status take_rows(sm_turbo *d, size_t bytes)
{
    if (bytes <= d->rows_cap) return SM_OK;
    free(d->rows);
    d->rows_cap = 0;
    d->rows = calloc(bytes, 1);
    if (d->rows == NULL) {
        return give_up(d, sm_picture_fail_status(d->info, SM_STAGE_DECODE, sm_fail_memory(bytes)));
    }
    d->rows_cap = bytes;
    return SM_OK;
}

/* A component that no scan brought, or a progressive one that stayed coarse because the file ends:
 * libjpeg fills in what is missing without a word. */
static void warn_of_missing_scans(sm_turbo *d)
{
    const struct jpeg_decompress_struct *cinfo = &d->cinfo;
    bool missing = d->past_end && is_coarse(cinfo);
    for (int i = 0; i < cinfo->num_components; i++)
        if (cinfo->comp_info[i].quant_table == NULL) missing = true;
    if (missing) sm_picture_warn(d->info, "premature end of file: scans are missing");
}

sm_status sm_turbo_start(sm_turbo *decoder, sm_picture_info *info, unsigned eighths,
                         const sm_window *window)
{
    sm_turbo *d = decoder;
    struct jpeg_decompress_struct *cinfo = &d->cinfo;
    d->info = info;
    if (setjmp(d->escape) != 0) return give_up(d, d->failure);

    bool four_inks = cinfo->jpeg_color_space == JCS_CMYK || cinfo->jpeg_color_space == JCS_YCCK;
    cinfo->out_color_space = four_inks ? JCS_CMYK : JCS_EXT_RGBX;
    cinfo->dct_method = JDCT_ISLOW;
    cinfo->scale_num = eighths;
    cinfo->scale_denom = 8;
    jpeg_start_decompress(cinfo);
    if (jpeg_has_multiple_scans(cinfo)) warn_of_missing_scans(d);

    place_window(d, window);
    JDIMENSION left = d->window.left, width = d->window.right - d->window.left;
    if (width < cinfo->output_width) jpeg_crop_scanline(cinfo, &left, &width);
    d->window.left = left;
    if (d->window.top > 0) jpeg_skip_scanlines(cinfo, d->window.top);
    return take_rows(d, (size_t)cinfo->output_width * PIXEL_SIZE * STRIP_ROWS + SM_ROW_PADDING);
}

/* Inks to light, in place, as TensorFlow and Pillow do it. Adobe's files hold inks inverted. */
static void inks_to_rgb(uint8_t *pixels, size_t count, bool inverted)
{
    uint8_t flip = inverted ? 0 : 255;
    for (size_t i = 0; i < count; i++, pixels += PIXEL_SIZE) {
        unsigned black = pixels[3] ^ flip;
        for (int c = 0; c < 3; c++)
            pixels[c] = (uint8_t)((unsigned)(pixels[c] ^ flip) * black / 255);
    }
}

sm_status sm_turbo_read(sm_turbo *decoder, sm_strip *strip, sm_picture_info *info)
{
    sm_turbo *d = decoder;
    struct jpeg_decompress_struct *cinfo = &d->cinfo;
    d->info = info;
    if (setjmp(d->escape) != 0) return give_up(d, d->failure);

    size_t stride = (size_t)cinfo->output_width * PIXEL_SIZE;
    JSAMPROW rows[STRIP_ROWS];
    for (size_t i = 0; i < STRIP_ROWS; i++) rows[i] = d->rows + stride * i;

    *strip = (sm_strip){.pixels = d->rows,
                        .stride = stride,
                        .first_column = d->window.left,
                        .first_row = cinfo->output_scanline};
    while (strip->rows < STRIP_ROWS && cinfo->output_scanline < d->window.bottom)
        strip->rows += jpeg_read_scanlines(cinfo, rows + strip->rows, STRIP_ROWS - strip->rows);
    if (cinfo->out_color_space == JCS_CMYK)
        inks_to_rgb(d->rows, (size_t)strip->rows * cinfo->output_width, cinfo->saw_Adobe_marker);
    return SM_OK;
}

/* ---- Planes ---------------------------------------------------------------------------------- */

/* Samples that a block of a component becomes, along an axis: libjpeg scales those down less that
 * have fewer. */
static unsigned block_size(const struct jpeg_decompress_struct *cinfo, int component,
                           unsigned eighths)
{
    const jpeg_component_info *c = &cinfo->comp_info[component];
    unsigned size = eighths;
    while (size < DCTSIZE &&
           (unsigned)cinfo->max_h_samp_factor * eighths % ((unsigned)c->h_samp_factor * size * 2) ==
               0 &&
           (unsigned)cinfo->max_v_samp_factor * eighths % ((unsigned)c->v_samp_factor * size * 2) ==
               0)
        size *= 2;
    return size;
}

unsigned sm_turbo_planes(const sm_turbo *decoder, sm_plane planes[SM_PLANES_MAX], unsigned eighths)
{
    const struct jpeg_decompress_struct *cinfo = &decoder->cinfo;
    if (cinfo->jpeg_color_space != JCS_YCbCr && cinfo->jpeg_color_space != JCS_GRAYSCALE) return 0;
    const unsigned count = (unsigned)cinfo->num_components;
    for (unsigned i = 0; i < count; i++) {
        const jpeg_component_info *c = &cinfo->comp_info[i];
        const unsigned size = block_size(cinfo, (int)i, eighths);
        const unsigned across = 2 * (unsigned)c->h_samp_factor * size;
        const unsigned down = 2 * (unsigned)c->v_samp_factor * size;
        if (across % (unsigned)cinfo->max_h_samp_factor != 0 ||
            down % (unsigned)cinfo->max_v_samp_factor != 0)
            return 0;
        planes[i].across = across / (unsigned)cinfo->max_h_samp_factor;
        planes[i].down = down / (unsigned)cinfo->max_v_samp_factor;
    }
    return count;
}

typedef struct plane_place {
    size_t begin, stride; /* in d->rows */
    unsigned rows;        /* of a row of MCUs */
} plane_place;

static plane_place place_plane(const sm_turbo *d, int component)
{
    plane_place place = {0};
    for (int i = 0; i <= component; i++) {
        const jpeg_component_info *c = &d->cinfo.comp_info[i];
        const unsigned size = block_size(&d->cinfo, i, d->cinfo.scale_num);
        place.begin += place.stride * place.rows;
        place.stride = (size_t)c->width_in_blocks * size + SM_ROW_PADDING;
        place.rows = (unsigned)c->v_samp_factor * size;
    }
    return place;
}

static sm_status take_planes(sm_turbo *d)
{
    const plane_place last = place_plane(d, d->cinfo.num_components - 1);
    return take_rows(d, last.begin + last.stride * last.rows);
}

sm_status sm_turbo_start_planes(sm_turbo *decoder, sm_picture_info *info, unsigned eighths)
{
    sm_turbo *d = decoder;
    struct jpeg_decompress_struct *cinfo = &d->cinfo;
    d->info = info;
    if (setjmp(d->escape) != 0) return give_up(d, d->failure);

    cinfo->raw_data_out = TRUE;
    cinfo->out_color_space = cinfo->jpeg_color_space;
    cinfo->dct_method = JDCT_ISLOW;
    cinfo->scale_num = eighths;
    cinfo->scale_denom = DCTSIZE;
    jpeg_start_decompress(cinfo);
    if (jpeg_has_multiple_scans(cinfo)) warn_of_missing_scans(d);
    d->mcu_row = 0;
    return take_planes(d);
}

/* The next row of MCUs. */
static void read_planes(sm_turbo *d, sm_strip *strips)
{
    struct jpeg_decompress_struct *cinfo = &d->cinfo;
    JSAMPROW rows[SM_PLANES_MAX][MAX_SAMP_FACTOR * DCTSIZE];
    JSAMPARRAY planes[SM_PLANES_MAX];
    unsigned lines = (unsigned)cinfo->max_v_samp_factor * cinfo->scale_num;
    for (int i = 0; i < cinfo->num_components; i++) {
        const plane_place place = place_plane(d, i);
        uint8_t *first = d->rows + place.begin;
        for (unsigned y = 0; y < place.rows; y++) rows[i][y] = first + place.stride * y;
        planes[i] = rows[i];
        const uint32_t row = d->mcu_row * place.rows;
        const uint32_t height = cinfo->comp_info[i].downsampled_height;
        strips[i] = (sm_strip){.pixels = first, .stride = place.stride, .first_row = row};
        if (row < height) strips[i].rows = height - row < place.rows ? height - row : place.rows;
    }
    if (cinfo->output_scanline >= cinfo->output_height) return; /* rows are 0 */
    jpeg_read_raw_data(cinfo, planes, lines);
    d->mcu_row++;
}

sm_status sm_turbo_read_planes(sm_turbo *decoder, sm_strip *strips, sm_picture_info *info)
{
    decoder->info = info;
    if (setjmp(decoder->escape) != 0) return give_up(decoder, decoder->failure);
    read_planes(decoder, strips);
    return SM_OK;
}

/* ---- The end --------------------------------------------------------------------------------- */

static void read_tail(sm_turbo *d)
{
    struct jpeg_decompress_struct *cinfo = &d->cinfo;
    if (setjmp(d->escape) != 0) return;
    if (jpeg_has_multiple_scans(cinfo)) return; /* everything has been read before the first row */

    if (cinfo->raw_data_out) {
        sm_strip strips[SM_PLANES_MAX];
        while (cinfo->output_scanline < cinfo->output_height) read_planes(d, strips);
        jpeg_finish_decompress(cinfo);
        return;
    }
    JDIMENSION left = cinfo->output_height - cinfo->output_scanline;
    if (left > 1 && can_leave_out(cinfo))
        jpeg_skip_scanlines(cinfo, left - 1); /* skipping the last as well would read nothing */
    JSAMPROW row = d->rows;
    while (cinfo->output_scanline < cinfo->output_height) jpeg_read_scanlines(cinfo, &row, 1);
    jpeg_finish_decompress(cinfo);
}

void sm_turbo_finish(sm_turbo *decoder, sm_picture_info *info)
{
    decoder->info = info;
    decoder->in_tail = true;
    read_tail(decoder);
    close_picture(decoder);
}

void sm_turbo_abandon(sm_turbo *decoder)
{
    close_picture(decoder);
}
