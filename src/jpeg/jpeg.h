/*
 * A baseline JPEG encoder: RGB pixels or YCbCr planes to a JFIF file with Huffman tables made for
 * that picture.
 *
 * The coefficients are those of libjpeg-turbo at the same quality and sampling (JDCT_ISLOW), so a
 * decoder shows the same pixels; the file is as small as jpegtran -optimize would make it, and
 * takes less time than libjpeg-turbo with its standard tables. Needs a C library and nothing else.
 *
 *     smj_encoder *encoder = smj_encoder_new(SMJ_KERNELS_BEST);
 *     const smj_options options = {.quality = 95, .sampling = SMJ_444};
 *     const uint8_t *data;
 *     size_t len;
 *     if (smj_encode(encoder, &data, &len, rgb, (size_t)width * 3, width, height, &options) ==
 * SMJ_OK) fwrite(data, 1, len, file); smj_encoder_free(encoder);
 *
 * Functions keep no state but the encoder's: one encoder serves one thread at a time, any number of
 * encoders work side by side. The same pixels and options give the same bytes on every machine.
 */
#ifndef SMJ_JPEG_H
#define SMJ_JPEG_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SMJ_SIDE_MAX = 65535 }; /* pixels: a frame header holds 16 bits for a side */

typedef enum smj_status {
    SMJ_OK = 0,
    SMJ_ERR_ARGUMENT, /* a size, stride, quality or sampling that makes no sense */
    SMJ_ERR_MEMORY,   /* memory for the file could not be had */
    SMJ_NOT_MINE      /* not a file for this decoder: see decode.h */
} smj_status;

/* How much of the colour is kept: one chroma sample for each pixel, for two side by side, for a
 * square of four, or none at all (a grey file of one component). */
typedef enum smj_sampling { SMJ_444, SMJ_422, SMJ_420, SMJ_GREY } smj_sampling;

typedef struct smj_options {
    int quality; /* 1 to 100, scaled as libjpeg does it */
    smj_sampling sampling;
} smj_options;

/* Which inner loops an encoder uses: the machine's best, the best without AVX-512, or plain C. All
 * give the same bytes; the last two are for tests and figures. */
typedef enum smj_kernels_choice {
    SMJ_KERNELS_BEST,
    SMJ_KERNELS_NO_AVX512,
    SMJ_KERNELS_PORTABLE
} smj_kernels_choice;

typedef struct smj_encoder smj_encoder;

/* An encoder with all its scratch memory (2.2 MB, whatever the pictures' sizes; pages that
 * small pictures do not need are never touched). NULL: no memory. */
smj_encoder *smj_encoder_new(smj_kernels_choice choice);
void smj_encoder_free(smj_encoder *encoder); /* NULL is fine */

/* "avx512", "avx2", "neon" or "portable": the inner loops in use. */
const char *smj_encoder_kernels(const smj_encoder *encoder);

/*
 * Encodes width x height pixels of 3 bytes (red, green, blue), whose rows begin stride bytes apart.
 * *data, with *len bytes, belongs to the encoder and is valid until its next call. On failure
 * *data and *len are unchanged, and the encoder can be used for other pictures.
 */
smj_status smj_encode(smj_encoder *encoder, const uint8_t **data, size_t *len, const uint8_t *rgb,
                      size_t stride, uint32_t width, uint32_t height, const smj_options *options);

/*
 * The same from the samples of JFIF's YCbCr, so that nothing is converted: planes of width x height
 * samples each, also of chroma, of which the options say how much is kept. Planes of chroma may be
 * NULL for SMJ_GREY.
 */
smj_status smj_encode_planes(smj_encoder *encoder, const uint8_t **data, size_t *len,
                             const uint8_t *const planes[3], size_t stride, uint32_t width,
                             uint32_t height, const smj_options *options);

/* No file of this size is longer. 0: the arguments make no sense, or size_t cannot hold it. */
size_t smj_encode_bound(uint32_t width, uint32_t height, smj_sampling sampling);

/* A few words for a status, for people. Never NULL. */
const char *smj_status_text(smj_status status);

#ifdef __cplusplus
}
#endif

#endif
