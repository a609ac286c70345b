/*
 * The resizer: rows go in as they are decoded, rows come out as soon as what they are made of is
 * there. A picture never lies in memory whole, only the few rows that the next output needs.
 *
 * A picture comes as pixels, or as up to three planes: components in memory of their own, each with
 * its own number of samples. A plane is resized from its own size, so that chroma of half the
 * width is neither widened first nor more work than it is.
 */
#ifndef SM_IMAGE_RESIZE_H
#define SM_IMAGE_RESIZE_H

#include "image/geometry.h"
#include "image/taps.h"

enum {
    SM_ROW_PADDING = 64, /* readable bytes that must lie behind the last pixel of a row */
    SM_PLANES_MAX = 3
};

/* Rows of a decoded picture: 4 bytes a pixel, red, green, blue and one that nobody reads; or rows
 * of a plane, a byte a sample. Columns and rows count in the picture, or plane, as decoded. */
typedef struct sm_strip {
    const uint8_t *pixels;
    size_t stride;         /* bytes from one row to the next */
    uint32_t first_column; /* where in the decoded picture the strip lies */
    uint32_t first_row;
    uint32_t rows;
} sm_strip;

/* The part of the decoded picture that is needed: left to right - 1, top to bottom - 1. */
typedef struct sm_window {
    uint32_t left, top, right, bottom;
} sm_window;

/*
 * A component that has across samples for 16 columns of the picture and down for 16 rows, over the
 * whole of it: 16 where it is of full size, 8 where it is subsampled by two or was decoded at half
 * its size. Its number of samples is the picture's times across / 16, rounded up; a sample lies in
 * the middle of the pixels that it stands for, as JFIF has it.
 */
typedef struct sm_plane {
    unsigned across, down; /* 1 to 16 */
    uint8_t *out;          /* what it becomes: a byte a sample */
    size_t stride;         /* bytes from one row of that to the next */
} sm_plane;

typedef struct sm_resizer sm_resizer;

/* portable: never use instructions that not every machine of this kind has; for tests. */
sm_status sm_resizer_new(sm_resizer **resizer, bool portable);
void sm_resizer_free(sm_resizer *resizer); /* NULL is fine */

/*
 * Begins a picture, decoded at eighths / 8 of its size. Rows of 3-byte pixels will be written to
 * out, stride bytes apart: the cut of the geometry. *window tells what must be pushed.
 */
sm_status sm_resizer_begin(sm_resizer *resizer, sm_window *window, const sm_geometry *geometry,
                           sm_filter filter, unsigned eighths, uint8_t *out, size_t stride);

/* Takes the strip's rows, which follow those of the last call. Those outside of the window are
 * passed over; the strip's columns must cover it. */
void sm_resizer_push(sm_resizer *resizer, const sm_strip *strip);

/*
 * The same for a picture of count planes. Each becomes the cut of the geometry in full: as many
 * samples as the cut has pixels. windows[i] tells what must be pushed of planes[i].
 */
sm_status sm_resizer_begin_planes(sm_resizer *resizer, sm_window windows[],
                                  const sm_geometry *geometry, sm_filter filter,
                                  const sm_plane planes[], unsigned count);

/* Rows of one plane, which follow those of its last call. Planes go on independently. */
void sm_resizer_push_plane(sm_resizer *resizer, unsigned plane, const sm_strip *strip);

/* Whether every row of the outcome, of all planes, has been written. */
bool sm_resizer_is_done(const sm_resizer *resizer);

/* Bytes that the resizer owns. */
size_t sm_resizer_memory(const sm_resizer *resizer);

#endif
