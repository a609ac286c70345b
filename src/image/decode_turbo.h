/*
 * JPEG to strips of pixels, through libjpeg-turbo: open, start, read until there are no more rows,
 * finish. When open, start or read fails, info says why, and the decoder is ready for the next
 * picture.
 */
#ifndef SM_IMAGE_DECODE_TURBO_H
#define SM_IMAGE_DECODE_TURBO_H

#include "image/decode_jpeg.h"

typedef struct sm_turbo sm_turbo;

sm_status sm_turbo_new(sm_turbo **decoder, const sm_jpeg_limits *limits);
void sm_turbo_free(sm_turbo *decoder); /* NULL is fine */

/* Reads data, which must stay until the picture's end, up to the first scan. */
sm_status sm_turbo_open(sm_turbo *decoder, sm_jpeg_header *header, sm_picture_info *info,
                        const uint8_t *data, size_t len);

/*
 * Begins to decode at eighths / 8 of the size (8, 4, 2 or 1). The window counts in the picture of
 * that size, rounded up; only what it covers is sure to come out, and that exactly as from a decode
 * of the whole.
 */
sm_status sm_turbo_start(sm_turbo *decoder, sm_picture_info *info, unsigned eighths,
                         const sm_window *window);

/* The next rows, from the window's top or a little above on; strip->rows is 0 behind its bottom.
 * The pixels live until the next call. */
sm_status sm_turbo_read(sm_turbo *decoder, sm_strip *strip, sm_picture_info *info);

/* How an open picture comes as planes at a scale: see sm_jpeg_planes. */
unsigned sm_turbo_planes(const sm_turbo *decoder, sm_plane planes[SM_PLANES_MAX], unsigned eighths);

/* The same of planes, which come whole. */
sm_status sm_turbo_start_planes(sm_turbo *decoder, sm_picture_info *info, unsigned eighths);
sm_status sm_turbo_read_planes(sm_turbo *decoder, sm_strip *strips, sm_picture_info *info);

/* Reads what is left of the file, so that damage behind the window is told too, as warnings. */
void sm_turbo_finish(sm_turbo *decoder, sm_picture_info *info);

/* Lets go of the picture without reading on. */
void sm_turbo_abandon(sm_turbo *decoder);

#endif
