#include "image/colour.h"

static uint8_t clamp(int value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

void sm_colour_to_rgb(uint8_t *rgb, const uint8_t *y, const uint8_t *cb, const uint8_t *cr,
                      size_t count)
{
    for (size_t i = 0; i < count; i++, rgb += 3) { /* factors times 2^16 */
        const int luma = y[i], blue = cb[i] - 128, red = cr[i] - 128;
        rgb[0] = clamp(luma + ((91881 * red + 32768) >> 16));
        rgb[1] = clamp(luma + ((-22554 * blue - 46802 * red + 32768) >> 16));
        rgb[2] = clamp(luma + ((116130 * blue + 32768) >> 16));
    }
}
