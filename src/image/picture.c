#include "image/colour.h"
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
    pixels planes;            /* resized, as stored: Y, Cb and Cr, or */
    pixels cut;               /* pixels */
    pixels turned;            /* upright and padded, where that differs */
};

/* ---- The workshop ---------------------------------------------------------------------------- */

static sm_status check_options(const sm_picture_options *o)
{
    if (o->resize_mode > SM_RESIZE_NO || o->filter > SM_FILTER_BILINEAR ||
        o->decode > SM_DECODE_EXACT || o->encode_format > SM_ENCODE_KEEP ||
        o->chroma > SM_CHROMA_420 || o->jpeg_decoder > SM_DECODER_TURBO)
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
    status = sm_jpeg_decoder_new(&p->decoder, &limits, options->jpeg_decoder);
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
    free(picture->planes.data);
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
static sm_status check_outcome(const sm_picture *p, const sm_geometry *g, sm_picture_info *info,
                               unsigned copies)
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
    uint64_t bytes = count * PIXEL_SIZE * copies;
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

/* How the picture at hand is made. */
typedef struct way {
    unsigned eighths;
    unsigned planes; /* 0: pixels */
    uint8_t *out[SM_PLANES_MAX];
} way;

/*
 * With --decode fast a picture stays what most are, planes of brightness and colour, until it is
 * encoded as such: what colour has fewer samples of is not made more first, and nothing is
 * converted twice. It depends on the picture and the options alone.
 */
static void find_way(way *w, const sm_picture *p, const sm_geometry *g)
{
    sm_plane planes[SM_PLANES_MAX];
    w->eighths = decode_scale(g, &p->options);
    w->planes =
        p->options.decode == SM_DECODE_FAST ? sm_jpeg_planes(p->decoder, planes, w->eighths) : 0;
}

static sm_status begin_pixels(sm_picture *p, const way *w, const sm_geometry *g,
                              sm_picture_info *info)
{
    sm_window window;
    sm_status status = sm_resizer_begin(p->resizer, &window, g, p->options.filter, w->eighths,
                                        p->cut.data, (size_t)g->cut_width * PIXEL_SIZE);
    if (status != SM_OK) return sm_picture_fail_status(info, SM_STAGE_RESIZE, status);
    return sm_jpeg_start(p->decoder, info, w->eighths, &window);
}

static sm_status begin_planes(sm_picture *p, const way *w, const sm_geometry *g,
                              sm_picture_info *info)
{
    sm_plane planes[SM_PLANES_MAX];
    sm_window windows[SM_PLANES_MAX];
    sm_jpeg_planes(p->decoder, planes, w->eighths);
    for (unsigned i = 0; i < w->planes; i++) {
        planes[i].out = w->out[i];
        planes[i].stride = g->cut_width;
    }
    sm_status status =
        sm_resizer_begin_planes(p->resizer, windows, g, p->options.filter, planes, w->planes);
    if (status != SM_OK) return sm_picture_fail_status(info, SM_STAGE_RESIZE, status);
    return sm_jpeg_start_planes(p->decoder, info, w->eighths, windows);
}

/* Decodes the picture that is open, unless the decoder refuses it. */
static sm_status fill_once(sm_picture *p, const way *w, const sm_geometry *g, sm_picture_info *info)
{
    uint64_t clock = sm_clock_ns();
    sm_status status = (w->planes > 0 ? begin_planes : begin_pixels)(p, w, g, info);
    while (status == SM_OK && !sm_resizer_is_done(p->resizer)) {
        sm_strip strips[SM_PLANES_MAX];
        status = (w->planes > 0 ? sm_jpeg_read_planes : sm_jpeg_read)(p->decoder, strips, info);
        if (status != SM_OK || sm_jpeg_is_refused(p->decoder)) return status;
        info->decode_ns += lap(&clock);
        if (strips[0].rows == 0) /* a bug of ours: better a failure than a loop */
            return sm_picture_fail(info, SM_STAGE_RESIZE, SM_FAIL_CORRUPT,
                                   "the decoder gave fewer rows than the resizer needs");
        if (w->planes == 0) sm_resizer_push(p->resizer, &strips[0]);
        for (unsigned i = 0; i < w->planes; i++) sm_resizer_push_plane(p->resizer, i, &strips[i]);
        info->resize_ns += lap(&clock);
    }
    if (status != SM_OK) return status;
    sm_jpeg_finish(p->decoder, info);
    info->decode_ns += lap(&clock);
    return SM_OK;
}

static sm_status fill(sm_picture *p, const way *w, const sm_geometry *g, sm_picture_info *info)
{
    sm_status status = fill_once(p, w, g, info);
    if (status != SM_OK || !sm_jpeg_is_refused(p->decoder)) return status;
    status = sm_jpeg_open_again(p->decoder, info);
    return status == SM_OK ? fill_once(p, w, g, info) : status;
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

static sm_status take_planes(sm_picture *p, way *w, const sm_geometry *g, sm_picture_info *info)
{
    sm_status status = take_pixels(&p->planes, info, g->cut_width, g->cut_height);
    const size_t count = (size_t)g->cut_width * g->cut_height;
    if (status != SM_OK) return status;
    for (unsigned i = 0; i < SM_PLANES_MAX; i++) w->out[i] = p->planes.data + count * i;
    if (w->planes == 1) memset(w->out[1], 128, 2 * count); /* no colour */
    return SM_OK;
}

/* From the open picture to what is encoded: planes where the way has them and the outcome is as
 * they lie, or *rgb. want_rgb: planes will not do. */
static sm_status make_outcome(sm_picture *p, way *w, const sm_geometry *g, sm_picture_info *info,
                              const uint8_t **rgb, bool want_rgb)
{
    find_way(w, p, g);
    const bool turned = needs_turning(g), to_rgb = want_rgb || w->planes == 0 || turned;
    const unsigned copies = (w->planes > 0 ? 1U : 0) + (to_rgb ? 1U : 0) + (turned ? 1U : 0);
    sm_status status = check_outcome(p, g, info, copies);
    if (status == SM_OK && w->planes > 0) status = take_planes(p, w, g, info);
    if (status == SM_OK && to_rgb) status = take_pixels(&p->cut, info, g->cut_width, g->cut_height);
    if (status == SM_OK && turned) status = take_pixels(&p->turned, info, g->width, g->height);
    if (status == SM_OK) status = fill(p, w, g, info);
    if (status != SM_OK) return status;
    if (p->options.strict && info->warnings > 0) {
        info->stage = SM_STAGE_DECODE;
        info->reason = SM_FAIL_WARNINGS;
        return sm_fail(SM_ERR_CORRUPT, "%s", info->message);
    }
    uint64_t clock = sm_clock_ns();
    *rgb = to_rgb ? p->cut.data : NULL;
    if (to_rgb && w->planes > 0)
        sm_colour_to_rgb(p->cut.data, w->out[0], w->out[1], w->out[2],
                         (size_t)g->cut_width * g->cut_height);
    if (turned) {
        fill_turned(p, g);
        *rgb = p->turned.data;
    }
    info->resize_ns += lap(&clock);
    return SM_OK;
}

sm_status sm_picture_pixels(sm_picture *picture, sm_picture_info *info, const uint8_t **rgb,
                            const uint8_t *data, size_t len)
{
    way w;
    sm_geometry geometry;
    uint64_t clock = sm_clock_ns();
    sm_status status = open_picture(picture, &geometry, info, data, len);
    info->decode_ns = lap(&clock);
    if (status == SM_OK) status = make_outcome(picture, &w, &geometry, info, rgb, true);
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

    way w;
    sm_geometry geometry;
    const uint8_t *rgb = NULL;
    uint64_t clock = sm_clock_ns();
    sm_status status = open_picture(picture, &geometry, info, data, len);
    info->decode_ns = lap(&clock);
    if (status == SM_OK) status = make_outcome(picture, &w, &geometry, info, &rgb, false);
    sm_jpeg_abandon(picture->decoder);
    if (status != SM_OK) return status;
    clock = sm_clock_ns();
    if (rgb != NULL) {
        status = sm_jpeg_encode(picture->encoder, info, out, rgb, info->width, info->height);
    } else {
        const uint8_t *const planes[] = {w.out[0], w.out[1], w.out[2]};
        status =
            sm_jpeg_encode_planes(picture->encoder, info, out, planes, info->width, info->height);
    }
    info->encode_ns = lap(&clock);
    return status;
}
