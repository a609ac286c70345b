#include "image/decode_jpeg.h"

#include "image/decode_turbo.h"
#include "image/exif.h"
#include "image/outcome.h"

#include "jpeg/decode.h"

#include <stdlib.h>

_Static_assert((int)SMJ_ROW_SLACK >= (int)SM_ROW_PADDING, "the resizer reads further");

struct sm_jpeg_decoder {
    smj_decoder *own; /* NULL: libjpeg-turbo decodes everything */
    sm_turbo *turbo;
    uint64_t max_pixels;
    const uint8_t *data; /* the picture at hand */
    size_t len;
    bool is_own; /* decodes it */
    bool refused;
    int components;
};

sm_status sm_jpeg_decoder_new(sm_jpeg_decoder **decoder, const sm_jpeg_limits *limits,
                              sm_decoder_choice choice)
{
    sm_jpeg_decoder *d = calloc(1, sizeof *d);
    if (d == NULL) return sm_fail_memory(sizeof *d);
    d->max_pixels = limits->max_pixels;
    sm_status status = sm_turbo_new(&d->turbo, limits);
    if (status == SM_OK && choice == SM_DECODER_AUTO) {
        d->own = smj_decoder_new(SMJ_KERNELS_BEST);
        if (d->own == NULL) status = sm_fail(SM_ERR_MEMORY, "cannot get memory for a JPEG decoder");
    }
    if (status == SM_OK)
        *decoder = d;
    else
        sm_jpeg_decoder_free(d);
    return status;
}

void sm_jpeg_decoder_free(sm_jpeg_decoder *decoder)
{
    if (decoder == NULL) return;
    smj_decoder_free(decoder->own);
    sm_turbo_free(decoder->turbo);
    free(decoder);
}

/* ---- Opening --------------------------------------------------------------------------------- */

static int find_orientation(const uint8_t *data, size_t len)
{
    enum { APP1 = 0xe1, SOS = 0xda };
    smj_segment segment;
    size_t at = 2;
    int orientation = 0;
    while (orientation == 0 && smj_next_segment(&segment, &at, data, len) && segment.marker != SOS)
        if (segment.marker == APP1) orientation = sm_exif_orientation(segment.data, segment.len);
    return orientation == 0 ? 1 : orientation;
}

sm_status sm_jpeg_open(sm_jpeg_decoder *decoder, sm_jpeg_header *header, sm_picture_info *info,
                       const uint8_t *data, size_t len)
{
    sm_jpeg_decoder *d = decoder;
    smj_header own;
    d->data = data;
    d->len = len;
    d->refused = false;
    sm_turbo_abandon(d->turbo);
    d->is_own = d->own != NULL && smj_decode_open(d->own, &own, data, len) == SMJ_OK &&
                (uint64_t)own.width * own.height <= d->max_pixels;
    if (!d->is_own) return sm_turbo_open(d->turbo, header, info, data, len);
    d->components = own.components;
    *header = (sm_jpeg_header){own.width, own.height, find_orientation(data, len)};
    return SM_OK;
}

bool sm_jpeg_is_refused(const sm_jpeg_decoder *decoder)
{
    return decoder->refused;
}

sm_status sm_jpeg_open_again(sm_jpeg_decoder *decoder, sm_picture_info *info)
{
    sm_jpeg_header header;
    decoder->refused = false;
    decoder->is_own = false;
    return sm_turbo_open(decoder->turbo, &header, info, decoder->data, decoder->len);
}

/* What our decoder has said, as this room says it. */
static sm_status own_status(sm_jpeg_decoder *d, sm_picture_info *info, smj_status status)
{
    switch (status) {
    case SMJ_OK: return SM_OK;
    case SMJ_NOT_MINE: d->refused = true; return SM_OK;
    case SMJ_ERR_MEMORY:
        return sm_picture_fail(info, SM_STAGE_DECODE, SM_FAIL_OUT_OF_MEMORY,
                               "cannot get memory for rows");
    case SMJ_ERR_ARGUMENT: break;
    }
    return sm_picture_fail(info, SM_STAGE_DECODE, SM_FAIL_CORRUPT,
                           "the decoder was asked for what the picture does not have");
}

/* ---- Pixels ---------------------------------------------------------------------------------- */

static smj_window own_window(const sm_window *w)
{
    return (smj_window){w->left, w->top, w->right, w->bottom};
}

static sm_strip strip_of(const smj_plane *p)
{
    return (sm_strip){p->samples, p->stride, p->first_column, p->first_row, p->rows};
}

sm_status sm_jpeg_start(sm_jpeg_decoder *decoder, sm_picture_info *info, unsigned eighths,
                        const sm_window *window)
{
    if (!decoder->is_own) return sm_turbo_start(decoder->turbo, info, eighths, window);
    const smj_window own = own_window(window);
    return own_status(decoder, info, smj_decode_start_rgb(decoder->own, eighths, &own));
}

sm_status sm_jpeg_read(sm_jpeg_decoder *decoder, sm_strip *strip, sm_picture_info *info)
{
    if (!decoder->is_own) return sm_turbo_read(decoder->turbo, strip, info);
    smj_plane pixels = {.rows = 0};
    const smj_status status =
        decoder->refused ? SMJ_NOT_MINE : smj_decode_read_rgb(decoder->own, &pixels);
    *strip = strip_of(&pixels);
    return own_status(decoder, info, status);
}

/* ---- Planes ---------------------------------------------------------------------------------- */

unsigned sm_jpeg_planes(const sm_jpeg_decoder *decoder, sm_plane planes[SM_PLANES_MAX],
                        unsigned eighths)
{
    if (!decoder->is_own) return sm_turbo_planes(decoder->turbo, planes, eighths);
    for (int i = 0; i < decoder->components; i++) {
        const smj_shape shape = smj_decode_shape(decoder->own, i, eighths);
        planes[i].across = shape.across;
        planes[i].down = shape.down;
    }
    return (unsigned)decoder->components;
}

sm_status sm_jpeg_start_planes(sm_jpeg_decoder *decoder, sm_picture_info *info, unsigned eighths,
                               const sm_window *windows)
{
    if (!decoder->is_own) return sm_turbo_start_planes(decoder->turbo, info, eighths);
    smj_window own[SM_PLANES_MAX];
    for (int i = 0; i < decoder->components; i++) own[i] = own_window(&windows[i]);
    return own_status(decoder, info, smj_decode_start_planes(decoder->own, eighths, own));
}

sm_status sm_jpeg_read_planes(sm_jpeg_decoder *decoder, sm_strip *strips, sm_picture_info *info)
{
    if (!decoder->is_own) return sm_turbo_read_planes(decoder->turbo, strips, info);
    smj_plane planes[SM_PLANES_MAX] = {{.rows = 0}};
    const smj_status status =
        decoder->refused ? SMJ_NOT_MINE : smj_decode_read_planes(decoder->own, planes);
    for (int i = 0; i < decoder->components; i++) strips[i] = strip_of(&planes[i]);
    return own_status(decoder, info, status);
}

/* ---- The end --------------------------------------------------------------------------------- */

void sm_jpeg_finish(sm_jpeg_decoder *decoder, sm_picture_info *info)
{
    if (!decoder->is_own)
        sm_turbo_finish(decoder->turbo, info);
    else if (smj_decode_finish(decoder->own) != SMJ_OK)
        decoder->refused = true;
}

void sm_jpeg_abandon(sm_jpeg_decoder *decoder)
{
    sm_turbo_abandon(decoder->turbo);
}
