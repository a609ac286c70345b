/* The resizer's inner loops in plain C: the reference for all others. */
#include "image/resize_kernels.h"

static int32_t clip(int32_t value)
{
    return value < 0 ? 0 : value > 255 ? 255 : value;
}

/* Inlined with a constant width, or with the number of taps that each output has. */
static inline void outputs(int16_t *pair, const uint8_t *upper, const uint8_t *lower,
                           uint32_t first_column, const sm_taps *taps, uint32_t width)
{
    const int drop = taps->shift - SM_RESIZE_FRACTION;
    const int32_t half = (int32_t)1 << (drop - 1);
    const int16_t *weights = taps->weights;
    for (uint32_t i = 0; i < taps->axis.count; i++, pair += 2, weights += taps->width) {
        const uint32_t start = taps->starts[i];
        const uint32_t used = width > 0 ? width : taps->ends[i] - start;
        const uint8_t *a = upper + (start - first_column), *b = lower + (start - first_column);
        int32_t sum_a = half, sum_b = half;
        for (uint32_t t = 0; t < used; t++) {
            sum_a += weights[t] * a[t];
            sum_b += weights[t] * b[t];
        }
        pair[0] = (int16_t)(sum_a >> drop);
        pair[1] = (int16_t)(sum_b >> drop);
    }
}

/* The two samples of a pair lie side by side. */
static void along_x(int16_t *pair, const uint8_t *upper, const uint8_t *lower,
                    uint32_t first_column, const sm_taps *taps)
{
    switch (taps->width) {
    case 2: outputs(pair, upper, lower, first_column, taps, 2); break;
    case 4: outputs(pair, upper, lower, first_column, taps, 4); break;
    default: outputs(pair, upper, lower, first_column, taps, 0); break;
    }
}

/* Block by block, for sums that stay in the first cache, and loops without any branch. */
static void along_y(uint8_t *out, const int16_t *const *pairs, const int16_t *weights,
                    uint32_t pair_count, int shift, size_t count)
{
    enum { BLOCK = 4 * SM_RESIZE_BLOCK };
    const int drop = shift + SM_RESIZE_FRACTION;
    const int32_t half = (int32_t)1 << (drop - 1);
    for (size_t first = 0; first < count; first += BLOCK) {
        const size_t size = count - first < BLOCK ? count - first : BLOCK;
        int32_t sums[BLOCK];
        for (size_t i = 0; i < size; i++) sums[i] = half;
        for (uint32_t p = 0; p < pair_count; p++) {
            const int16_t *pair = pairs[p] + 2 * first;
            const int32_t upper = weights[2 * p], lower = weights[2 * p + 1];
            for (size_t i = 0; i < size; i++)
                sums[i] += upper * pair[2 * i] + lower * pair[2 * i + 1];
        }
        for (size_t i = 0; i < size; i++) out[first + i] = (uint8_t)clip(sums[i] >> drop);
    }
}

/* restrict: bytes may lie anywhere, and a compiler would look each plane up again for every one. */
static void split(uint8_t *const planes[3], const uint8_t *rgbx, size_t count)
{
    uint8_t *restrict const red = planes[0];
    uint8_t *restrict const green = planes[1];
    uint8_t *restrict const blue = planes[2];
    for (size_t i = 0; i < count; i++) {
        red[i] = rgbx[4 * i];
        green[i] = rgbx[4 * i + 1];
        blue[i] = rgbx[4 * i + 2];
    }
}

static void join(uint8_t *rgb, const uint8_t *const planes[3], size_t count)
{
    uint8_t *restrict const to = rgb;
    const uint8_t *const red = planes[0], *const green = planes[1], *const blue = planes[2];
    for (size_t i = 0; i < count; i++) {
        to[3 * i] = red[i];
        to[3 * i + 1] = green[i];
        to[3 * i + 2] = blue[i];
    }
}

const sm_resize_kernels sm_resize_portable = {"portable", NULL, along_x, along_y, split, join};
