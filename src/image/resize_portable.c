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
        int32_t sum[3] = {half, half, half};
        for (uint32_t t = 0; t < used; t++)
            for (int c = 0; c < 3; c++) sum[c] += weights[t] * from[4 * t + (uint32_t)c];
        for (int c = 0; c < 3; c++) *out++ = (int16_t)clip(sum[c] >> drop, INT16_MIN, INT16_MAX);
    }
}

static void along_y(uint8_t *out, const int16_t *const *rows, const int16_t *weights, uint32_t taps,
                    int shift, size_t count)
{
    int drop = shift + SM_RESIZE_FRACTION;
    int32_t half = (int32_t)1 << (drop - 1);
    for (size_t i = 0; i < count; i++) {
        int32_t sum = half;
        for (uint32_t t = 0; t < taps; t++) sum += weights[t] * rows[t][i];
        out[i] = (uint8_t)clip(sum >> drop, 0, UINT8_MAX);
    }
}

const sm_resize_kernels sm_resize_portable = {along_x, along_y, false};
