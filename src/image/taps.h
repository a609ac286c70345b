/* Which source samples make each sample of a resized line, and with which weights. */
#ifndef SM_IMAGE_TAPS_H
#define SM_IMAGE_TAPS_H

#include "core/status.h"

/* One axis of a resize. */
typedef struct sm_axis {
    double extent;    /* length of the source; a fraction when the decoder has scaled it down */
    uint32_t source;  /* samples that the source has: extent, rounded up */
    uint32_t resized; /* samples that the whole source is resized to */
    uint32_t first;   /* of these, the first that is wanted */
    uint32_t count;   /* and how many from there */
    sm_filter filter;
} sm_axis;

/*
 * Output i is the sum over t < width of weights[i * width + t] * source[starts[i] + t], divided by
 * 2^shift. The weights of one output add up to exactly 2^shift. Around an output's taps may stand
 * weights of 0. Where the source has fewer samples than width, up to SM_TAPS_STEP - 1 of these lie
 * past its end: read them from padding, or not at all.
 */
typedef struct sm_taps {
    sm_axis axis;       /* what the rest was made for; count 0: for nothing yet */
    uint32_t width;     /* taps of one output, a multiple of SM_TAPS_STEP */
    int shift;          /* at most the max_shift that was asked for */
    uint32_t begin;     /* the first source sample that is needed */
    uint32_t end;       /* and the one behind the last */
    uint32_t *starts;   /* for each output, up to a multiple of SM_TAPS_STEP; never falling */
    uint32_t *ends;     /* behind the last tap with a weight; never falling */
    int16_t *weights;   /* 32-byte aligned */
    int16_t *spread;    /* the same as the kernels over pixels want them; see below */
    size_t outputs_cap; /* entries owned of starts and ends */
    size_t weights_cap; /* entries owned of weights */
    size_t spread_cap;
} sm_taps;

enum { SM_TAPS_STEP = 4 };

/*
 * Makes the table of an axis, in the memory that it has if it is enough.
 *
 * spread: also fill that layout: for outputs 2p and 2p+1 and the taps 4g to 4g+3, 32 weights: 8 of
 * output 2p (taps 4g and 4g+1 in turn), 8 of output 2p+1, then both again for taps 4g+2 and 4g+3.
 */
sm_status sm_taps_make(sm_taps *taps, const sm_axis *axis, int max_shift, bool spread);
void sm_taps_free(sm_taps *taps);

#endif
