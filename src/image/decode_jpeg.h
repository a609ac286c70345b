/*
 * JPEG to strips of pixels or planes: open, start, read until there are no more rows, finish. When
 * open, start or read fails, info says why, and the decoder is ready for the next picture.
 *
 * The jpeg room's decoder takes what it can, libjpeg-turbo all the rest. A file may turn out at its
 * very end not to be for the former: then read gives no rows, or finish comes to an end, with
 * sm_jpeg_is_refused, and the picture must be made once more, from sm_jpeg_open_again on. The
 * samples are the same whichever decodes.
 */
#ifndef SM_IMAGE_DECODE_JPEG_H
#define SM_IMAGE_DECODE_JPEG_H

#include "image/image.h"
#include "image/resize.h"

typedef struct sm_jpeg_decoder sm_jpeg_decoder;

typedef struct sm_jpeg_limits {
    uint64_t max_pixels;
    uint64_t max_memory; /* 0: none */
} sm_jpeg_limits;

sm_status sm_jpeg_decoder_new(sm_jpeg_decoder **decoder, const sm_jpeg_limits *limits,
                              sm_decoder_choice choice);
void sm_jpeg_decoder_free(sm_jpeg_decoder *decoder); /* NULL is fine */

typedef struct sm_jpeg_header {
    uint32_t width, height;
    int orientation; /* 1 to 8 */
} sm_jpeg_header;

/* Reads data, which must stay until the picture's end, up to the first scan. */
sm_status sm_jpeg_open(sm_jpeg_decoder *decoder, sm_jpeg_header *header, sm_picture_info *info,
                       const uint8_t *data, size_t len);

/* Whether the picture at hand must be made once more; and the way to it. */
bool sm_jpeg_is_refused(const sm_jpeg_decoder *decoder);
sm_status sm_jpeg_open_again(sm_jpeg_decoder *decoder, sm_picture_info *info);

/*
 * Begins to decode at eighths / 8 of the size (8, 4, 2 or 1). The window counts in the picture of
 * that size, rounded up; only what it covers is sure to come out, and that exactly as from a decode
 * of the whole.
 */
sm_status sm_jpeg_start(sm_jpeg_decoder *decoder, sm_picture_info *info, unsigned eighths,
                        const sm_window *window);

/* The next rows, from the window's top or a little above on; strip->rows is 0 behind its bottom.
 * The pixels live until the next call. */
sm_status sm_jpeg_read(sm_jpeg_decoder *decoder, sm_strip *strip, sm_picture_info *info);

/* How many planes of YCbCr, or of grey, the picture has at a scale, and the shape of each; 0: it
 * comes as pixels only. That depends on the picture alone, not on who decodes it. */
unsigned sm_jpeg_planes(const sm_jpeg_decoder *decoder, sm_plane planes[SM_PLANES_MAX],
                        unsigned eighths);

/* The same for planes, with a window and a strip for each. There are no more rows when the strip of
 * the first plane has none. */
sm_status sm_jpeg_start_planes(sm_jpeg_decoder *decoder, sm_picture_info *info, unsigned eighths,
                               const sm_window *windows);
sm_status sm_jpeg_read_planes(sm_jpeg_decoder *decoder, sm_strip *strips, sm_picture_info *info);

/* Reads what is left of the file, so that damage behind the window is told too, as warnings. */
void sm_jpeg_finish(sm_jpeg_decoder *decoder, sm_picture_info *info);

/* Lets go of the picture without reading on. */
void sm_jpeg_abandon(sm_jpeg_decoder *decoder);

#endif
