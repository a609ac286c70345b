#include "jpeg/quantise.h"

/* Row by row through a block: the cells (v, u) of each rising or falling diagonal in turn. */
const uint8_t smj_zigzag[SMJ_BLOCK] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48,
    41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
    30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
};

/* T.81, tables K.1 (luminance) and K.2 (chrominance). */
static const uint8_t examples[2][SMJ_BLOCK] = {
    {
        16, 11, 10, 16, 24,  40,  51,  61,  12, 12, 14, 19, 26,  58,  60,  55,
        14, 13, 16, 24, 40,  57,  69,  56,  14, 17, 22, 29, 51,  87,  80,  62,
        18, 22, 37, 56, 68,  109, 103, 77,  24, 35, 55, 64, 81,  104, 113, 92,
        49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
    },
    {
        17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99,
        99, 99, 47, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
        99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    },
};

/* The scale that libjpeg gave the word "quality": 50 leaves the examples as they are. */
static uint32_t step_of(uint32_t example, int quality)
{
    uint32_t percent = (uint32_t)(quality < 50 ? 5000 / quality : 200 - 2 * quality);
    uint32_t step = (example * percent + 50) / 100;
    return step < 1 ? 1 : step > 255 ? 255 : step; /* baseline: 8 bits */
}

static void set_divisor(smj_quantiser *q, int place, uint32_t step)
{
    uint32_t d = 8 * step, k = 0;
    while (d >> (k + 1) != 0) k++;
    if ((d & (d - 1)) == 0) k--;
    q->half[place] = (uint16_t)(d / 2);
    q->reciprocal[place] = (uint16_t)((((uint32_t)1 << (16 + k)) + d - 1) / d);
    q->scale[place] = (uint16_t)((uint32_t)1 << (16 - k));
}

void smj_quantiser_set(smj_quantiser *quantiser, int quality, int chroma)
{
    for (int i = 0; i < SMJ_BLOCK; i++) {
        uint32_t step = step_of(examples[chroma != 0][i], quality);
        int place = i / 8 * SMJ_PAIR_ROW + i % 8;
        set_divisor(quantiser, place, step);
        set_divisor(quantiser, place + 8, step);
        quantiser->steps[i] = (uint8_t)step;
    }
}
