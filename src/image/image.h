/*
 * Pixels: sniff, decode, orient, resize, encode. This room knows no file and no network.
 *
 * An sm_picture is one thread's workshop: it owns the decoder, the resizer, the encoder and their
 * buffers, and is used for one picture after another without taking memory anew.
 */
#ifndef SM_IMAGE_IMAGE_H
#define SM_IMAGE_IMAGE_H

#include "core/buf.h"
#include "core/status.h"

typedef enum sm_image_format {
    SM_FORMAT_UNKNOWN,
    SM_FORMAT_JPEG, /* the only one decoded so far; the others are told by name in the error */
    SM_FORMAT_PNG,
    SM_FORMAT_GIF,
    SM_FORMAT_WEBP,
    SM_FORMAT_BMP,
    SM_FORMAT_TIFF,
    SM_FORMAT_HEIF, /* and AVIF */
    SM_FORMAT_JPEG2000,
    SM_FORMAT_JPEGXL
} sm_image_format;

enum { SM_SNIFF_BYTES = 16 }; /* what sm_sniff wants at most */

/* By content. */
sm_image_format sm_sniff(const uint8_t *data, size_t len);
const char *sm_image_format_name(sm_image_format format);

/* Whether the name ends like an image's (.jpg, .PNG, …). */
bool sm_is_image_name(const char *name);

/* How one picture fared. */
typedef struct sm_picture_info {
    /* on failure */
    sm_stage stage;
    sm_reason reason;
    /* the decoder's words: of the failure, or of the first warning; "" when there were none */
    char message[256];
    unsigned warnings;
    /* of the source, after orientation */
    uint32_t source_width, source_height;
    /* of the outcome; of kept bytes: as stored, before any orientation */
    uint32_t width, height;
    uint64_t decode_ns, resize_ns, encode_ns; /* wall clock */
} sm_picture_info;

typedef struct sm_picture sm_picture;

/* options are copied. SM_ERR_USAGE when they contradict each other or leave their ranges. */
sm_status sm_picture_new(sm_picture **picture, const sm_picture_options *options);
void sm_picture_free(sm_picture *picture); /* NULL is fine */

/*
 * The whole way: data (a file's bytes) becomes the encoded bytes appended to out. Anything but
 * SM_OK is a failure of this picture alone, told in info, and the workshop goes on; out is then
 * unchanged.
 */
sm_status sm_picture_convert(sm_picture *picture, sm_picture_info *info, sm_buf *out,
                             const uint8_t *data, size_t len);

/*
 * Decoded, oriented and resized, but not encoded: *rgb has info->height rows of info->width pixels
 * of 3 bytes, without gaps; it belongs to the workshop and lives until its next call.
 */
sm_status sm_picture_pixels(sm_picture *picture, sm_picture_info *info, const uint8_t **rgb,
                            const uint8_t *data, size_t len);

/* Reads the header alone: source size, the outcome's size, and failures. */
sm_status sm_picture_probe(sm_picture *picture, sm_picture_info *info, const uint8_t *data,
                           size_t len);

#endif
