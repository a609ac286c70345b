/*
 * A decoder for the JPEG files that most files are: baseline or extended Huffman, 8 bits, grey or
 * YCbCr, sampling factors of 1 and 2, restart markers. The samples and pixels are those of
 * libjpeg-turbo (JDCT_ISLOW, fancy upsampling, no merged upsampling) to the last bit, in half the
 * time or less. Needs a C library and nothing else.
 *
 * It is meant to stand in front of libjpeg-turbo, not in its place. Whatever is out of the ordinary
 * (progressive, arithmetic, 12 bits, four components, RGB, and every stream that breaks a rule or
 * makes libjpeg-turbo warn) is SMJ_NOT_MINE, without a reason: decode such a file with
 * libjpeg-turbo and believe what that says. A stream may prove unsound at its last byte, so
 * nothing made of what was read is worth anything until smj_decode_finish says SMJ_OK.
 *
 *     smj_header header;
 *     smj_plane rows;
 *     smj_window all = {0, 0, 0, 0};
 *     smj_status status = smj_decode_open(decoder, &header, data, len);
 *     all.right = header.width, all.bottom = header.height;
 *     if (status == SMJ_OK) status = smj_decode_start_rgb(decoder, 8, &all);
 *     while (status == SMJ_OK && (status = smj_decode_read_rgb(decoder, &rows)) == SMJ_OK &&
 *            rows.rows > 0)
 *         use(&rows);
 *     if (status == SMJ_OK) status = smj_decode_finish(decoder);
 *     if (status == SMJ_NOT_MINE) forget what was used, and let libjpeg-turbo decode
 *
 * One decoder serves one thread at a time. The same file gives the same results on every machine.
 */
#ifndef SMJ_DECODE_H
#define SMJ_DECODE_H

#include "jpeg/jpeg.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct smj_decoder smj_decoder;

/* A decoder with its tables (0.2 MB); buffers that depend on pictures' widths come as needed, at
 * most 4 MB in all. NULL: no memory. */
smj_decoder *smj_decoder_new(smj_kernels_choice choice);
void smj_decoder_free(smj_decoder *decoder); /* NULL is fine */

/* "avx2", "neon" or "portable": the inner loops in use. */
const char *smj_decoder_kernels(const smj_decoder *decoder);

/* Bytes that the decoder owns. */
size_t smj_decoder_memory(const smj_decoder *decoder);

typedef struct smj_header {
    uint32_t width, height; /* 1 to 65535 */
    int components;         /* 1: grey; 3: Y, Cb and Cr */
} smj_header;

/* Reads data up to the scan. It must stay until the picture's end. Nothing is taken that depends
 * on the size the file tells, so refusing a size can wait until now. */
smj_status smj_decode_open(smj_decoder *decoder, smj_header *header, const uint8_t *data,
                           size_t len);

/* A component's plane at a scale of eighths / 8, which is 1, 2, 4 or 8. Chroma that has fewer
 * samples than luma is scaled down less, as libjpeg does it, so it often has as many. */
typedef struct smj_shape {
    uint32_t width, height; /* samples */
    unsigned across, down;  /* samples for 16 columns, and for 16 rows, of the picture */
} smj_shape;

smj_shape smj_decode_shape(const smj_decoder *decoder, int component, unsigned eighths);

/* Left to right - 1, top to bottom - 1 in a picture or plane. Not empty, nor outside. */
typedef struct smj_window {
    uint32_t left, top, right, bottom;
} smj_window;

/* Some rows. Behind the last sample of each lie SMJ_ROW_SLACK readable bytes more. They live until
 * the next call. */
typedef struct smj_plane {
    const uint8_t *samples; /* of first_column in first_row */
    size_t stride;          /* bytes from one row to the next */
    uint32_t first_column, first_row, rows;
} smj_plane;

enum { SMJ_ROW_SLACK = 64 };

/*
 * Begins to decode planes, one window for each component; only what lies in these is sure to come.
 * Read gives some rows of each plane, those that follow, at times none; and of all planes none,
 * once there are no more. SMJ_NOT_MINE, SMJ_ERR_MEMORY or SMJ_ERR_ARGUMENT end the picture.
 */
smj_status smj_decode_start_planes(smj_decoder *decoder, unsigned eighths,
                                   const smj_window *windows);
smj_status smj_decode_read_planes(smj_decoder *decoder, smj_plane planes[3]);

/* The same for pixels of 4 bytes: red, green, blue and 255. */
smj_status smj_decode_start_rgb(smj_decoder *decoder, unsigned eighths, const smj_window *window);
smj_status smj_decode_read_rgb(smj_decoder *decoder, smj_plane *pixels);

/* Walks what is left of the scan, whatever was read of the picture. SMJ_OK: the file is sound. */
smj_status smj_decode_finish(smj_decoder *decoder);

/* A segment of a file's header: its marker's second byte, and what follows the length. */
typedef struct smj_segment {
    uint8_t marker;
    const uint8_t *data;
    size_t len;
} smj_segment;

/* The segment at *at (2 for the first of a file), which becomes the next one's place. False: there
 * is none, for the header is over or broken. */
bool smj_next_segment(smj_segment *segment, size_t *at, const uint8_t *data, size_t len);

#ifdef __cplusplus
}
#endif

#endif
