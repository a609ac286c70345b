/*
 * The resizer: rows go in as they are decoded, rows come out as soon as what they are made of is
 * there. A picture never lies in memory whole, only the few rows that the next output needs.
 */
#ifndef SM_IMAGE_RESIZE_H
#define SM_IMAGE_RESIZE_H

#include "image/geometry.h"
#include "image/taps.h"

/* Behind the last pixel of a row that is pushed must lie this many readable bytes. */
enum { SM_ROW_PADDING = 64 };

/* Rows of a decoded picture: 4 bytes a pixel, red, green, blue and one that nobody reads. */
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

/* Whether every row of the outcome has been written. */
bool sm_resizer_is_done(const sm_resizer *resizer);

/* Bytes that the resizer owns. */
size_t sm_resizer_memory(const sm_resizer *resizer);

#endif
