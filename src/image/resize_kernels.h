/*
 * The inner loops of the resizer. Every implementation gives the same bytes.
 *
 * Samples are of 8 bits and lie in planes: rows of one component. They are resized along x two rows
 * at a time, an even one and the one below it; such a pair is what is summed up along y. How the
 * samples of a pair lie is an implementation's own affair.
 */
#ifndef SM_IMAGE_RESIZE_KERNELS_H
#define SM_IMAGE_RESIZE_KERNELS_H

#include "image/taps.h"

enum {
    SM_RESIZE_FRACTION = 6,   /* bits behind the point between the two passes */
    SM_RESIZE_X_SHIFT = 20,   /* weights have at most this many bits: 255 * 2^20 * 2 fits 32 bits */
    SM_RESIZE_Y_SHIFT = 15,   /* the same for samples of 8 + SM_RESIZE_FRACTION bits */
    SM_RESIZE_BLOCK = 32,     /* samples: rows of pairs are a multiple of it */
    SM_RESIZE_PAIR = 2,       /* 16-bit numbers of a pair for each sample */
    SM_RESIZE_READ_AHEAD = 64 /* bytes behind a row's last sample that a kernel may read */
};

/*
 * No sum of an output's weights without their signs reaches 2: of Lanczos's three lobes it is 1.6
 * at most, at an end of the source. So what is between the passes, 255 * 2^SM_RESIZE_FRACTION * 2
 * at most, fits 16 bits with a sign.
 */
typedef struct sm_resize_kernels {
    const char *name;

    sm_taps_arrange *arrange; /* for the tables of along_x; NULL: not wanted */

    /* Two rows along x; their first samples are column first_column of the component. Writes
     * taps->axis.count samples, rounded up to a multiple of SM_RESIZE_BLOCK at most. */
    void (*along_x)(int16_t *pair, const uint8_t *upper, const uint8_t *lower,
                    uint32_t first_column, const sm_taps *taps);

    /* One row along y: count samples (a multiple of SM_RESIZE_BLOCK), each from the same place in
     * all pairs; weights has two for each pair. */
    void (*along_y)(uint8_t *out, const int16_t *const *pairs, const int16_t *weights,
                    uint32_t pair_count, int shift, size_t count);

    /* count pixels of 4 bytes to three planes, each of which is rounded up to SM_RESIZE_BLOCK. */
    void (*split)(uint8_t *const planes[3], const uint8_t *rgbx, size_t count);

    /* The way back, to 3 bytes a pixel. Writes not one more; reads up to SM_RESIZE_BLOCK. */
    void (*join)(uint8_t *rgb, const uint8_t *const planes[3], size_t count);
} sm_resize_kernels;

extern const sm_resize_kernels sm_resize_portable;

/* NULL when this machine lacks the instructions, or is of another kind. */
const sm_resize_kernels *sm_resize_avx2(void);
const sm_resize_kernels *sm_resize_neon(void);

#endif
