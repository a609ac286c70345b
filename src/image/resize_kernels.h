/* The two inner loops of the resizer. Every implementation gives the same bytes. */
#ifndef SM_IMAGE_RESIZE_KERNELS_H
#define SM_IMAGE_RESIZE_KERNELS_H

#include "image/taps.h"

enum {
    SM_RESIZE_FRACTION = 6,  /* bits behind the point between the two passes */
    SM_RESIZE_X_SHIFT = 20,  /* weights have at most this many bits: 255 * 2^20 * 2 fits 32 bits */
    SM_RESIZE_Y_SHIFT = 15,  /* the same for samples of 8 + SM_RESIZE_FRACTION bits */
    SM_RESIZE_ROW_SLACK = 32 /* samples that a kernel may write behind a row */
};

typedef struct sm_resize_kernels {
    /*
     * One row along x: rgbx holds 4-byte pixels, the first being column first_column of the
     * picture; out gets taps->axis.count pixels of 3 samples with SM_RESIZE_FRACTION bits behind
     * the point. May read SM_ROW_PADDING behind the last pixel and write SM_RESIZE_ROW_SLACK.
     */
    void (*along_x)(int16_t *out, const uint8_t *rgbx, const sm_taps *taps, uint32_t first_column);

    /* One row along y: count samples, each from the same place in `taps` rows; writes no more. */
    void (*along_y)(uint8_t *out, const int16_t *const *rows, const int16_t *weights, uint32_t taps,
                    int shift, size_t count);

    bool spread; /* along_x reads taps->spread */
} sm_resize_kernels;

extern const sm_resize_kernels sm_resize_portable;

/* NULL when this machine lacks AVX2, or is of another kind. */
const sm_resize_kernels *sm_resize_avx2(void);

#endif
