/* A span of the picture: from pixels to quantised blocks, edges included. */
#ifndef SMJ_SPAN_H
#define SMJ_SPAN_H

#include "jpeg/encode_kernels.h"

typedef struct smj_picture {
    const uint8_t *rgb;
    size_t stride;
    uint32_t width, height;
} smj_picture;

/* Scratch of the work on a span; blocks is its outcome. */
typedef struct smj_span {
    smj_blocks blocks[SMJ_COMPONENTS];
    _Alignas(64) int8_t full[SMJ_COMPONENTS][SMJ_SPAN_ROWS * SMJ_SPAN];
    _Alignas(64) int8_t halved[SMJ_COMPONENTS - 1][SMJ_SPAN_ROWS / 2 * SMJ_SPAN / 2];
} smj_span;

/*
 * Fills span->blocks from the pixels at (x, y), whose multiples of SMJ_SPAN and of the MCU's height
 * they are. Returns the number of MCUs.
 *
 * What lies outside the picture is made up as libjpeg does it, for equal coefficients: the last
 * pixel of a row goes on; below the last row the samples go on, after chroma was halved; blocks
 * that lie outside altogether have the DC value of the block before and nothing else.
 */
size_t smj_span_make(smj_span *span, const smj_picture *picture, uint32_t x, uint32_t y,
                     const smj_layout *layout, const smj_quantiser quantisers[2],
                     const smj_kernels *kernels, const smj_constants *constants);

#endif
