/* The encoder's inner loops in plain C: the reference for all others. */
#include "jpeg/dct.h"
#include "jpeg/encode_pack.h"

#include <stdlib.h>

/* ---- Colour and chroma ----------------------------------------------------------------------- */

/*
 * ITU-R BT.601 as JFIF has it, in 16-bit fixed point as libjpeg rounds it: halves go up for luma
 * and down for chroma. The level shift takes away the 128 that chroma would have, and 128 from
 * luma.
 */
enum { HALF = 1 << 15, LEVEL = 128 << 16 };

static void convert(int8_t *y, int8_t *cb, int8_t *cr, const uint8_t *rgb, size_t groups)
{
    for (size_t i = 0; i < groups * SMJ_GROUP; i++, rgb += 3) {
        const int32_t r = rgb[0], g = rgb[1], b = rgb[2];
        y[i] = (int8_t)((19595 * r + 38470 * g + 7471 * b + HALF - LEVEL) >> 16);
        if (cb == NULL) continue;
        cb[i] = (int8_t)((-11059 * r - 21709 * g + 32768 * b + HALF - 1) >> 16);
        cr[i] = (int8_t)((32768 * r - 27439 * g - 5329 * b + HALF - 1) >> 16);
    }
}

/* The mean, rounded down and up in turn (libjpeg's way not to drift to one side). */
static void halve_x(int8_t *to, const int8_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int odd = (int)(i & 1);
        to[i] = (int8_t)((from[2 * i] + from[2 * i + 1] + odd) >> 1);
    }
}

static void halve_xy(int8_t *to, const int8_t *upper, const int8_t *lower, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int odd = (int)(i & 1);
        int sum = upper[2 * i] + upper[2 * i + 1] + lower[2 * i] + lower[2 * i + 1];
        to[i] = (int8_t)((sum + 1 + odd) >> 2);
    }
}

/* ---- Forward DCT ----------------------------------------------------------------------------- */

static int32_t drop(int32_t value, int bits)
{
    return (value + (1 << (bits - 1))) >> bits;
}

/* Eight values, step apart, in place. Products lose product_shift bits. */
static void dct_1d(int32_t *v, int step, int product_shift, int first)
{
    const int32_t sum0 = v[0] + v[7 * step], dif0 = v[0] - v[7 * step];
    const int32_t sum1 = v[step] + v[6 * step], dif1 = v[step] - v[6 * step];
    const int32_t sum2 = v[2 * step] + v[5 * step], dif2 = v[2 * step] - v[5 * step];
    const int32_t sum3 = v[3 * step] + v[4 * step], dif3 = v[3 * step] - v[4 * step];

    const int32_t even0 = sum0 + sum3, even3 = sum0 - sum3;
    const int32_t even1 = sum1 + sum2, even2 = sum1 - sum2;
    v[0] = first ? (even0 + even1) * (1 << SMJ_PASS_BITS) : drop(even0 + even1, SMJ_PASS_BITS);
    v[4 * step] =
        first ? (even0 - even1) * (1 << SMJ_PASS_BITS) : drop(even0 - even1, SMJ_PASS_BITS);
    const int32_t turn = (even2 + even3) * SMJ_F0541;
    v[2 * step] = drop(turn + even3 * SMJ_F0765, product_shift);
    v[6 * step] = drop(turn - even2 * SMJ_F1847, product_shift);

    const int32_t both = (dif3 + dif1 + dif2 + dif0) * SMJ_F1175;
    const int32_t z1 = (dif3 + dif0) * SMJ_F0899;
    const int32_t z2 = (dif2 + dif1) * SMJ_F2562;
    const int32_t z3 = both - (dif3 + dif1) * SMJ_F1961;
    const int32_t z4 = both - (dif2 + dif0) * SMJ_F0390;
    v[7 * step] = drop(dif3 * SMJ_F0298 - z1 + z3, product_shift);
    v[5 * step] = drop(dif2 * SMJ_F2053 - z2 + z4, product_shift);
    v[3 * step] = drop(dif1 * SMJ_F3072 - z2 + z3, product_shift);
    v[step] = drop(dif0 * SMJ_F1501 - z1 + z4, product_shift);
}

static void dct_2d(int32_t block[SMJ_BLOCK])
{
    for (int row = 0; row < 8; row++) dct_1d(block + 8 * row, 1, SMJ_FIXED_BITS - SMJ_PASS_BITS, 1);
    for (int col = 0; col < 8; col++) dct_1d(block + col, 8, SMJ_FIXED_BITS + SMJ_PASS_BITS, 0);
}

static int16_t divide(int32_t value, const smj_quantiser *q, int place)
{
    uint32_t quotient = (uint32_t)abs(value) + q->half[place];
    quotient = quotient * q->reciprocal[place] >> 16;
    quotient = quotient * q->scale[place] >> 16;
    return (int16_t)(value < 0 ? -(int32_t)quotient : (int32_t)quotient);
}

static uint64_t transform_one(int16_t *coefs, const int8_t *from, size_t stride,
                              const smj_quantiser *quantiser)
{
    int32_t block[SMJ_BLOCK];
    int16_t quotients[SMJ_BLOCK];
    for (size_t y = 0; y < 8; y++)
        for (size_t x = 0; x < 8; x++) block[8 * y + x] = (int32_t)from[y * stride + x];
    dct_2d(block);
    for (int i = 0; i < SMJ_BLOCK; i++)
        quotients[i] = divide(block[i], quantiser, i / 8 * SMJ_PAIR_ROW + i % 8);
    uint64_t nonzero = 0;
    for (int k = 0; k < SMJ_BLOCK; k++) {
        coefs[k] = quotients[smj_zigzag[k]];
        nonzero |= (uint64_t)(coefs[k] != 0) << k;
    }
    return nonzero;
}

static void transform(smj_blocks *to, size_t first, size_t pairs, const int8_t *from, size_t stride,
                      const smj_quantiser *quantiser, const smj_shuffles *shuffles)
{
    (void)shuffles;
    for (size_t i = first; i < first + 2 * pairs; i++, from += 8)
        to->marks[i] = transform_one(to->coefs[i], from, stride, quantiser);
}

/* ---- Tokens and bits ------------------------------------------------------------------------- */

static uint32_t token(int value, uint32_t run, uint32_t table)
{
    const uint32_t size = value == 0 ? 0 : 32 - (uint32_t)__builtin_clz((uint32_t)abs(value));
    /* the low bits of the value, or of one less when it is negative */
    const uint32_t more = (uint32_t)(value - (value < 0)) & ((1u << size) - 1);
    return more << 16 | (table * SMJ_SYMBOLS + (run << 4 | size));
}

static uint32_t *tokens(uint32_t *to, const smj_blocks *blocks, const uint8_t *order, size_t count,
                        const smj_shuffles *shuffles)
{
    (void)shuffles;
    for (size_t i = 0; i < count; i++) {
        const int16_t *coefs = blocks->coefs[order[i]];
        const uint32_t chroma = order[i] < SMJ_PLANE_BLOCKS ? 0 : SMJ_CHROMA;
        *to++ = token(coefs[0], 0, SMJ_DC_LUMA + chroma);
        uint32_t last = 0;
        for (uint64_t left = blocks->marks[order[i]] & ~(uint64_t)1; left != 0; left &= left - 1) {
            const uint32_t k = (uint32_t)__builtin_ctzll(left);
            *to++ = token(coefs[k], k - last - 1, SMJ_AC_LUMA + chroma);
            last = k;
        }
    }
    return to;
}

static uint8_t *pack(uint8_t *to, smj_bits *held, const uint32_t *from, size_t count,
                     const smj_code codes[SMJ_SYMBOL_IDS])
{
    return smj_pack_tokens(to, held, from, count, codes);
}

static uint8_t *stuff(uint8_t *to, const uint8_t *from, size_t count)
{
    return smj_stuff_bytes(to, from, count);
}

const smj_kernels smj_kernels_portable = {"portable", convert, halve_x, halve_xy,
                                          transform,  tokens,  pack,    stuff};
