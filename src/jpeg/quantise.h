/* Quantisation tables of a quality, and exact division by them without dividing. */
#ifndef SMJ_QUANTISE_H
#define SMJ_QUANTISE_H

#include <stdint.h>

enum {
    SMJ_BLOCK = 64,   /* coefficients of a block */
    SMJ_PAIR_ROW = 16 /* of them in a row of two blocks side by side */
};

/* smj_zigzag[k] is the place of the k-th coefficient of the scan in its block, row by row (T.81,
 * figure A.6). */
extern const uint8_t smj_zigzag[SMJ_BLOCK];

/*
 * A table as the kernels want it. They divide a magnitude x by d = 8 * step (the forward DCT
 * leaves a factor of 8) and round half away from zero, with two multiplications that keep the high
 * 16 bits:
 *
 *     ((x + half) * reciprocal >> 16) * scale >> 16  =  floor((x + half) / d)
 *
 * with 2^k <= d < 2^(k+1), reciprocal = ceil(2^(16+k) / d), scale = 2^(16-k). The error of the
 * reciprocal is below d / 2^(16+k) each unit of x, so the quotient is exact for all x + half
 * below 2^15. When d is a power of two, its reciprocal would be 2^16; k is then one less.
 *
 * Entries are in block order; each row of eight is there twice, for kernels that work on two
 * neighbouring blocks at once.
 */
typedef struct smj_quantiser {
    uint16_t half[2 * SMJ_BLOCK], reciprocal[2 * SMJ_BLOCK], scale[2 * SMJ_BLOCK];
    uint8_t steps[SMJ_BLOCK]; /* 1 to 255, block order */
} smj_quantiser;

/* quality is 1 to 100; chroma chooses between the standard's two example tables. */
void smj_quantiser_set(smj_quantiser *quantiser, int quality, int chroma);

#endif
