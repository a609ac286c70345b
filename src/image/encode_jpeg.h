/* Pixels to JPEG, through the jpeg room's encoder. */
#ifndef SM_IMAGE_ENCODE_JPEG_H
#define SM_IMAGE_ENCODE_JPEG_H

#include "image/image.h"

enum {
    SM_JPEG_SIDE_MAX = 65500
}; /* pixels; libjpeg, which most readers are made with, takes no more */

typedef struct sm_jpeg_encoder sm_jpeg_encoder;

/* quality is 1 to 100. */
sm_status sm_jpeg_encoder_new(sm_jpeg_encoder **encoder, int quality, sm_chroma chroma);
void sm_jpeg_encoder_free(sm_jpeg_encoder *encoder); /* NULL is fine */

/* Appends width x height pixels of 3 bytes to out. On failure info says why, out is unchanged. */
sm_status sm_jpeg_encode(sm_jpeg_encoder *encoder, sm_picture_info *info, sm_buf *out,
                         const uint8_t *rgb, uint32_t width, uint32_t height);

/* The same of JFIF's YCbCr: planes of width x height samples, chroma's too. */
sm_status sm_jpeg_encode_planes(sm_jpeg_encoder *encoder, sm_picture_info *info, sm_buf *out,
                                const uint8_t *const planes[3], uint32_t width, uint32_t height);

#endif
