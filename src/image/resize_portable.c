/* The resizer's inner loops in plain C: the reference for all others. */
#include "image/resize_kernels.h"

static int32_t clip(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

static void along_x(int16_t *out, const uint8_t *rgbx, const sm_taps *taps, uint32_t first_column)
{
    int drop = taps->shift - SM_RESIZE_FRACTION;
    int32_t half = (int32_t)1 << (drop - 1);
    for (uint32_t i = 0; i < taps->axis.count; i++) {
        const uint8_t *from = rgbx + (size_t)(taps->starts[i] - first_column) * 4;
        const int16_t *weights = taps->weights + (size_t)i * taps->width;
        uint32_t used = taps->ends[i] - taps->starts[i];
        int32_t sum[4] = {half, half, half, half}; /* of four, which compilers make one vector */
        for (uint32_t t = 0; t < used; t++, from += 4)
            for (int c = 0; c < 4; c++) sum[c] += weights[t] * from[c];
        for (int c = 0; c < 3; c++) *out++ = (int16_t)clip(sum[c] >> drop, INT16_MIN, INT16_MAX);
    }
}

/* Blocks whose sums stay in the first cache, and loops without any branch. */
static void along_y(uint8_t *out, const int16_t *const *rows, const int16_t *weights, uint32_t taps,
                    int shift, size_t count)
{
    enum { BLOCK = 128 };
    int drop = shift + SM_RESIZE_FRACTION;
    int32_t half = (int32_t)1 << (drop - 1);
    for (size_t first = 0; first < count; first += BLOCK) {
        size_t size = count - first < BLOCK ? count - first : BLOCK;
        int32_t sums[BLOCK];
        for (size_t i = 0; i < size; i++) sums[i] = half;
        for (uint32_t t = 0; t < taps; t++) {
            const int16_t *row = rows[t] + first;
            int32_t weight = weights[t];
            for (size_t i = 0; i < size; i++) sums[i] += weight * row[i];
        }
        for (size_t i = 0; i < size; i++) out[first + i] = (uint8_t)clip(sums[i] >> drop, 0, 255);
    }
}

const sm_resize_kernels sm_resize_portable = {along_x, along_y, false};
