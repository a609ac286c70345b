/*
 * JPEG to strips of pixels, through libjpeg-turbo: open, start, read until there are no more rows,
 * finish. When open, start or read fails, info says why, and the decoder is ready for the next
 * picture.
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

sm_status sm_jpeg_decoder_new(sm_jpeg_decoder **decoder, const sm_jpeg_limits *limits);
void sm_jpeg_decoder_free(sm_jpeg_decoder *decoder); /* NULL is fine */

typedef struct sm_jpeg_header {
    uint32_t width, height;
    int orientation; /* 1 to 8 */
} sm_jpeg_header;

/* Reads data, which must stay until the picture's end, up to the first scan. */
sm_status sm_jpeg_open(sm_jpeg_decoder *decoder, sm_jpeg_header *header, sm_picture_info *info,
                       const uint8_t *data, size_t len);

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

/* Reads what is left of the file, so that damage behind the window is told too, as warnings. */
void sm_jpeg_finish(sm_jpeg_decoder *decoder, sm_picture_info *info);

/* Lets go of the picture without reading on. */
void sm_jpeg_abandon(sm_jpeg_decoder *decoder);

#endif
