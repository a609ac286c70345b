/* A span of the picture: from pixels to quantised blocks, edges included. */
#ifndef SMJ_SPAN_H
#define SMJ_SPAN_H

#include "jpeg/encode_kernels.h"

/* Pixels of 3 bytes, or planes of samples: then rgb is NULL. */
typedef struct smj_picture {
    const uint8_t *rgb;
    const uint8_t *planes[SMJ_COMPONENTS];
    size_t stride; /* bytes from one row to the next, of the pixels or of each plane */
    uint32_t width, height;
} smj_picture;

/* How the blocks of an MCU follow one another: luma_rows x luma_cols of luma, then one of each
 * chroma component, unless there is only luma. */
typedef struct smj_layout {
    uint32_t luma_cols, luma_rows, components;
} smj_layout;

/* The outcome is count blocks, in the order of the scan; the rest is scratch. */
typedef struct smj_span {
    smj_blocks blocks;
    uint8_t order[SMJ_SCAN_BLOCKS];
    size_t count;
    _Alignas(64) int8_t full[SMJ_COMPONENTS][SMJ_SPAN_ROWS * SMJ_SPAN];
    _Alignas(64) int8_t halved[SMJ_COMPONENTS - 1][SMJ_SPAN_ROWS / 2 * SMJ_SPAN / 2];
} smj_span;

/*
 * Fills the span from the pixels at (x, y), whose multiples of SMJ_SPAN and of the MCU's height
 * they are, ready for tokens: DC values have given way to differences, and what gets a token is
 * marked. predicted holds the DC values before the span, and then those behind it.
 *
 * What lies outside the picture is made up as libjpeg does it, for equal coefficients: the last
 * pixel of a row goes on; below the last row the samples go on, after chroma was halved; blocks
 * that lie outside altogether have the DC value of the block before and nothing else.
 */
void smj_span_make(smj_span *span, int predicted[SMJ_COMPONENTS], const smj_picture *picture,
                   uint32_t x, uint32_t y, const smj_layout *layout,
                   const smj_quantiser quantisers[2], const smj_kernels *kernels,
                   const smj_shuffles *shuffles);

#endif
