#include "image/decode_jpeg.h"
#include "image/encode_jpeg.h"
#include "image/geometry.h"
#include "image/orient.h"
#include "image/outcome.h"
#include "image/resize.h"

#include "core/machine.h"

#include <stdlib.h>
#include <string.h>

enum {
    SIDE_MAX = 16384, /* of a target */
    PIXEL_SIZE = 3
};

/* A buffer of pixels this much larger than the next picture needs is given back. */
static const size_t spare_bytes_max = 32 << 20;

typedef struct pixels {
    uint8_t *data;
    size_t cap;
} pixels;

struct sm_picture {
    sm_picture_options options;
    sm_jpeg_decoder *decoder;
    sm_resizer *resizer;
    sm_jpeg_encoder *encoder; /* NULL when nothing is encoded */
    pixels cut;               /* resized, as stored */
    pixels turned;            /* upright and padded, where that differs */
};

/* ---- The workshop ---------------------------------------------------------------------------- */

static sm_status check_options(const sm_picture_options *o)
{
    if (o->resize_mode > SM_RESIZE_NO || o->filter > SM_FILTER_BILINEAR ||
        o->decode > SM_DECODE_EXACT || o->encode_format > SM_ENCODE_KEEP ||
        o->chroma > SM_CHROMA_420)
        return sm_fail(SM_ERR_USAGE, "a picture option has a value that does not exist");
    if (o->resize_mode != SM_RESIZE_NO &&
        (o->width < 1 || o->width > SIDE_MAX || o->height < 1 || o->height > SIDE_MAX))
        return sm_fail(SM_ERR_USAGE, "cannot resize to %u x %u: sides are 1 to %d pixels", o->width,
                       o->height, SIDE_MAX);
    if (o->encode_quality < 1 || o->encode_quality > 100)
        return sm_fail(SM_ERR_USAGE, "the quality %d is not between 1 and 100", o->encode_quality);
    if (o->encode_format == SM_ENCODE_KEEP && o->resize_mode != SM_RESIZE_NO)
        return sm_fail(
            SM_ERR_USAGE,
            "--encode-format keep keeps the files' own bytes, which needs --resize-mode no");
    if (o->max_pixels < 1)
        return sm_fail(SM_ERR_USAGE, "pictures of 0 pixels at most: none would be left");
    return SM_OK;
}

sm_status sm_picture_new(sm_picture **picture, const sm_picture_options *options)
{
    sm_status status = check_options(options);
    if (status != SM_OK) return status;
    sm_picture *p = calloc(1, sizeof *p);
    if (p == NULL) return sm_fail_memory(sizeof *p);
    p->options = *options;

    sm_jpeg_limits limits = {options->max_pixels, options->max_memory};
    status = sm_jpeg_decoder_new(&p->decoder, &limits);
    if (status == SM_OK) status = sm_resizer_new(&p->resizer, false);
    if (status == SM_OK && options->encode_format == SM_ENCODE_JPEG)
        status = sm_jpeg_encoder_new(&p->encoder, options->encode_quality, options->chroma);
    if (status == SM_OK)
        *picture = p;
    else
        sm_picture_free(p);
    return status;
}

void sm_picture_free(sm_picture *picture)
{
    if (picture == NULL) return;
    sm_jpeg_decoder_free(picture->decoder);
    sm_resizer_free(picture->resizer);
    sm_jpeg_encoder_free(picture->encoder);
    free(picture->cut.data);
    free(picture->turned.data);
    free(picture);
}

/* Nanoseconds since *since, which becomes now. */
static uint64_t lap(uint64_t *since)
{
    uint64_t before = *since;
    *since = sm_clock_ns();
    return *since - before;
}

/* ---- Header and geometry --------------------------------------------------------------------- */

static sm_status check_format(sm_picture_info *info, const uint8_t *data, size_t len)
{
    if (len == 0)
        return sm_picture_fail(info, SM_STAGE_SNIFF, SM_FAIL_EMPTY_FILE, "the file is empty");
    sm_image_format format = sm_sniff(data, len);
    if (format == SM_FORMAT_JPEG) return SM_OK;
    if (format == SM_FORMAT_UNKNOWN)
        return sm_picture_fail(info, SM_STAGE_SNIFF, SM_FAIL_NOT_AN_IMAGE,
                               "its content is of no image format");
    return sm_picture_fail(info, SM_STAGE_SNIFF, SM_FAIL_UNSUPPORTED,
                           "%s is not decoded, only JPEG", sm_image_format_name(format));
}

/* Opens the picture and plans it. */
static sm_status open_picture(sm_picture *p, sm_geometry *geometry, sm_picture_info *info,
                              const uint8_t *data, size_t len)
{
    *info = (sm_picture_info){.stage = SM_STAGE_SNIFF};
    sm_status status = check_format(info, data, len);
    if (status != SM_OK) return status;

    sm_jpeg_header header;
    status = sm_jpeg_open(p->decoder, &header, info, data, len);
    if (status != SM_OK) return status;

    int orientation = p->options.orient ? header.orientation : 1;
    bool swap = sm_orientation_swaps(orientation);
    info->source_width = swap ? header.height : header.width;
    info->source_height = swap ? header.width : header.height;
    sm_geometry_plan(geometry, &p->options, header.width, header.height, orientation);
    info->width = geometry->width;
    info->height = geometry->height;
    return SM_OK;
}

static bool needs_turning(const sm_geometry *g)
{
    return g->orientation != 1 || g->width != g->cut_width || g->height != g->cut_height;
}

/* An outcome may be far larger than its source: 60000 x 3 pixels, 3 of which shall become 192. */
static sm_status check_outcome(const sm_picture *p, const sm_geometry *g, sm_picture_info *info)
{
    uint64_t count = (uint64_t)g->width * g->height;
    if (g->width > SM_JPEG_SIDE_MAX || g->height > SM_JPEG_SIDE_MAX)
        return sm_picture_fail(info, SM_STAGE_ENCODE, SM_FAIL_ENCODE,
                               "%u x %u pixels do not fit a JPEG, whose sides have at most %d",
                               g->width, g->height, SM_JPEG_SIDE_MAX);
    if (count > p->options.max_pixels)
        return sm_picture_fail(info, SM_STAGE_RESIZE, SM_FAIL_TOO_MANY_PIXELS,
                               "would become %u x %u, more pixels than --max-pixels allows",
                               g->width, g->height);
    uint64_t bytes = count * PIXEL_SIZE * (needs_turning(g) ? 2 : 1);
    if (p->options.max_memory > 0 && bytes > p->options.max_memory)
        return sm_picture_fail(info, SM_STAGE_RESIZE, SM_FAIL_OUT_OF_MEMORY,
                               "would become %u x %u, more than a decoder's share of memory holds",
                               g->width, g->height);
    return SM_OK;
}

/* The smallest scale of the decoder that still leaves twice the target. Two taps of a picture
 * scaled down are not those of the picture itself (35 dB apart on photographs), so bilinear gets it
 * whole. */
static unsigned decode_scale(const sm_geometry *g, const sm_picture_options *options)
{
    bool whole = options->decode == SM_DECODE_EXACT || options->filter == SM_FILTER_BILINEAR;
    unsigned eighths = whole ? 8 : 1;
    while (eighths < 8 && ((uint64_t)g->source_width * eighths < (uint64_t)g->resized_width * 16 ||
                           (uint64_t)g->source_height * eighths < (uint64_t)g->resized_height * 16))
        eighths *= 2;
    return eighths;
}

/* ---- Pixels ---------------------------------------------------------------------------------- */

static sm_status take_pixels(pixels *to, sm_picture_info *info, uint32_t width, uint32_t height)
{
    size_t bytes = (size_t)width * height * PIXEL_SIZE; /* within --max-pixels, so no overflow */
    if (bytes <= to->cap && to->cap - bytes <= spare_bytes_max) return SM_OK;
    free(to->data);
    to->cap = 0;
    to->data = malloc(bytes);
    if (to->data == NULL)
        return sm_picture_fail_status(info, SM_STAGE_RESIZE, sm_fail_memory(bytes));
    to->cap = bytes;
    return SM_OK;
}

/* Decodes the picture that is open into p->cut. */
static sm_status fill_cut(sm_picture *p, const sm_geometry *g, sm_picture_info *info)
{
    uint64_t clock = sm_clock_ns();
    unsigned eighths = decode_scale(g, &p->options);
    sm_window window;
    sm_status status = sm_resizer_begin(p->resizer, &window, g, p->options.filter, eighths,
                                        p->cut.data, (size_t)g->cut_width * PIXEL_SIZE);
    if (status != SM_OK) return sm_picture_fail_status(info, SM_STAGE_RESIZE, status);
    info->resize_ns += lap(&clock);

    status = sm_jpeg_start(p->decoder, info, eighths, &window);
    if (status != SM_OK) return status;
    while (!sm_resizer_is_done(p->resizer)) {
        sm_strip strip;
        status = sm_jpeg_read(p->decoder, &strip, info);
        if (status != SM_OK) return status;
        info->decode_ns += lap(&clock);
        if (strip.rows == 0) /* a bug of ours: better a failure than a loop */
            return sm_picture_fail(info, SM_STAGE_RESIZE, SM_FAIL_CORRUPT,
                                   "the decoder gave fewer rows than the resizer needs");
        sm_resizer_push(p->resizer, &strip);
        info->resize_ns += lap(&clock);
    }
    sm_jpeg_finish(p->decoder, info);
    info->decode_ns += lap(&clock);
    return SM_OK;
}

/* Turns p->cut upright and puts it where it belongs, on white. */
static void fill_turned(sm_picture *p, const sm_geometry *g)
{
    size_t stride = (size_t)g->width * PIXEL_SIZE;
    bool swap = sm_orientation_swaps(g->orientation);
    bool padded = g->width != (swap ? g->cut_height : g->cut_width) ||
                  g->height != (swap ? g->cut_width : g->cut_height);
    if (padded) memset(p->turned.data, 255, stride * g->height);
    sm_orient(p->turned.data + stride * g->pad_y + (size_t)g->pad_x * PIXEL_SIZE, stride,
              p->cut.data, g->cut_width, g->cut_height, g->orientation);
}

/* From the open picture to the outcome's pixels. */
static sm_status make_pixels(sm_picture *p, const sm_geometry *g, sm_picture_info *info,
                             const uint8_t **rgb)
{
    sm_status status = check_outcome(p, g, info);
    if (status == SM_OK) status = take_pixels(&p->cut, info, g->cut_width, g->cut_height);
    if (status == SM_OK && needs_turning(g))
        status = take_pixels(&p->turned, info, g->width, g->height);
    if (status == SM_OK) status = fill_cut(p, g, info);
    if (status != SM_OK) return status;
    if (p->options.strict && info->warnings > 0) {
        info->stage = SM_STAGE_DECODE;
        info->reason = SM_FAIL_WARNINGS;
        return sm_fail(SM_ERR_CORRUPT, "%s", info->message);
    }
    if (!needs_turning(g)) {
        *rgb = p->cut.data;
        return SM_OK;
    }
    uint64_t clock = sm_clock_ns();
    fill_turned(p, g);
    info->resize_ns += lap(&clock);
    *rgb = p->turned.data;
    return SM_OK;
}

sm_status sm_picture_pixels(sm_picture *picture, sm_picture_info *info, const uint8_t **rgb,
                            const uint8_t *data, size_t len)
{
    sm_geometry geometry;
    uint64_t clock = sm_clock_ns();
    sm_status status = open_picture(picture, &geometry, info, data, len);
    info->decode_ns = lap(&clock);
    if (status == SM_OK) status = make_pixels(picture, &geometry, info, rgb);
    sm_jpeg_abandon(picture->decoder);
    return status;
}

sm_status sm_picture_probe(sm_picture *picture, sm_picture_info *info, const uint8_t *data,
                           size_t len)
{
    sm_geometry geometry;
    sm_status status = open_picture(picture, &geometry, info, data, len);
    sm_jpeg_abandon(picture->decoder);
    return status;
}

/* ---- The whole way --------------------------------------------------------------------------- */

static sm_status keep_bytes(sm_picture *p, sm_picture_info *info, sm_buf *out, const uint8_t *data,
                            size_t len)
{
    sm_geometry geometry;
    sm_status status = open_picture(p, &geometry, info, data, len);
    sm_jpeg_abandon(p->decoder);
    if (status != SM_OK) return status;
    info->width = geometry.source_width; /* still as stored */
    info->height = geometry.source_height;
    status = sm_buf_append(out, data, len);
    return status == SM_OK ? SM_OK : sm_picture_fail_status(info, SM_STAGE_ENCODE, status);
}

sm_status sm_picture_convert(sm_picture *picture, sm_picture_info *info, sm_buf *out,
                             const uint8_t *data, size_t len)
{
    if (picture->options.encode_format == SM_ENCODE_KEEP)
        return keep_bytes(picture, info, out, data, len);

    const uint8_t *rgb = NULL;
    sm_status status = sm_picture_pixels(picture, info, &rgb, data, len);
    if (status != SM_OK) return status;
    uint64_t clock = sm_clock_ns();
    status = sm_jpeg_encode(picture->encoder, info, out, rgb, info->width, info->height);
    info->encode_ns = lap(&clock);
    return status;
}
