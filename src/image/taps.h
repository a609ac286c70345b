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

enum {
    SM_TAPS_GROUP = 8,       /* outputs that kernels make at a time */
    SM_TAPS_GROUP_HEAD = 32, /* bytes of a group for what is not a weight; see sm_taps_arrange */
    /* Four neighbouring outputs begin at most this many samples apart where outputs lie near. */
    SM_TAPS_NEAR = 12
};

/*
 * Output i is the sum over t < width of weights[i * width + t] * source[starts[i] + t], divided by
 * 2^shift. The weights of one output add up to exactly 2^shift. Around an output's taps may stand
 * weights of 0. Where the source has fewer samples than width, some of these lie past its end: read
 * them from padding, or not at all.
 */
typedef struct sm_taps {
    sm_axis axis;       /* what the rest was made for; count 0: for nothing yet */
    uint32_t width;     /* taps of one output: a multiple of 2, and of 8 where outputs lie far */
    bool near;          /* outputs lie near one another */
    uint32_t reach;     /* most samples from the first to the last that a whole group needs */
    int shift;          /* at most the max_shift that was asked for */
    uint32_t begin;     /* the first source sample that is needed */
    uint32_t end;       /* and the one behind the last */
    uint32_t *starts;   /* for each output, up to a multiple of SM_TAPS_GROUP; never falling */
    uint32_t *ends;     /* behind the last tap with a weight; never falling */
    int16_t *weights;   /* 32-byte aligned */
    uint8_t *groups;    /* the same as a kernel wants them, 32-byte aligned; see sm_taps_arrange */
    size_t outputs_cap; /* entries owned of starts and ends */
    size_t weights_cap; /* entries owned of weights */
    size_t groups_cap;  /* bytes */
} sm_taps;

/*
 * Fills taps->groups, where outputs lie near: for each SM_TAPS_GROUP outputs sm_taps_group_size
 * bytes, of which SM_TAPS_GROUP_HEAD are for shuffles or the like and the rest for the weights.
 */
typedef void sm_taps_arrange(sm_taps *taps);

static inline size_t sm_taps_group_size(const sm_taps *taps)
{
    return SM_TAPS_GROUP_HEAD + SM_TAPS_GROUP * sizeof(int16_t) * (size_t)taps->width;
}

/* What a table is made for. */
typedef struct sm_taps_use {
    int max_shift;            /* weights have at most this many bits */
    uint32_t align;           /* 1 or 2: what starts are multiples of */
    sm_taps_arrange *arrange; /* NULL: groups are not wanted */
} sm_taps_use;

/* Makes the table of an axis, in the memory that it has if it is enough. */
sm_status sm_taps_make(sm_taps *taps, const sm_axis *axis, const sm_taps_use *use);
void sm_taps_free(sm_taps *taps);

/* Bytes that a table owns. */
size_t sm_taps_memory(const sm_taps *taps);

#endif
