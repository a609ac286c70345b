#include "image/orient.h"

/* Where in the outcome the stored picture's first pixel lies, and which way its axes run there. */
typedef struct way {
    int from_right, from_bottom; /* the first pixel's corner */
    int swapped;                 /* stored rows become columns */
} way;

static const way ways[] = {
    {0, 0, 0}, {1, 0, 0}, {1, 1, 0}, {0, 1, 0}, {0, 0, 1}, {1, 0, 1}, {1, 1, 1}, {0, 1, 1},
};

void sm_orient(uint8_t *out, size_t stride, const uint8_t *rgb, uint32_t width, uint32_t height,
               int orientation)
{
    way w = ways[orientation - 1];
    ptrdiff_t right = w.from_right ? -3 : 3;
    ptrdiff_t down = w.from_bottom ? -(ptrdiff_t)stride : (ptrdiff_t)stride;
    size_t across = (size_t)(w.swapped ? height : width) - 1;
    size_t below = (size_t)(w.swapped ? width : height) - 1;
    ptrdiff_t start = (w.from_right ? 3 * (ptrdiff_t)across : 0) +
                      (w.from_bottom ? (ptrdiff_t)stride * (ptrdiff_t)below : 0);
    ptrdiff_t step_x = w.swapped ? down : right, step_y = w.swapped ? right : down;
    for (uint32_t y = 0; y < height; y++) {
        ptrdiff_t at = start + step_y * (ptrdiff_t)y;
        for (uint32_t x = 0; x < width; x++, at += step_x, rgb += 3) {
            out[at] = rgb[0];
            out[at + 1] = rgb[1];
            out[at + 2] = rgb[2];
        }
    }
}
