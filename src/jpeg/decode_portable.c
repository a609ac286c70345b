/* The decoder's inner loops in plain C: the reference for all others. */
#include "jpeg/dct.h"
#include "jpeg/decode_scan.h"

#include <stdlib.h>

/* ---- Inverse DCT ----------------------------------------------------------------------------- */

/*
 * Columns first, then rows, as libjpeg does it; in 16 bits where vector code has 16: sums wrap, and
 * what a pass stores is saturated. Of sound pictures no number is that large, but the results must
 * be equal for all others too. A block is tame when the magnitudes of its coefficients add up to so
 * little that none can be: a pass makes four times the sum of its input at most 1.39 times as
 * large, and 4 * 1.39 * TAME_MAX fits 16 bits.
 */
enum { TAME_MAX = 5800 };

SMJ_INLINE int32_t wrap(int32_t value)
{
    return (int16_t)(uint16_t)(uint32_t)value;
}

/* Products and sums wrap at 32 bits. */
SMJ_INLINE uint32_t times(int32_t a, int32_t b)
{
    return (uint32_t)a * (uint32_t)b;
}

/* Rounded, without the lowest bits. */
SMJ_INLINE int32_t drop(uint32_t value, int bits, bool tame)
{
    const int32_t v = (int32_t)(value + (1u << (bits - 1))) >> bits;
    if (tame) return v;
    return v < INT16_MIN ? INT16_MIN : v > INT16_MAX ? INT16_MAX : v;
}

/* Eight values, step apart; results lose `bits` bits. The inverse of encode_portable.c's dct_1d. */
SMJ_INLINE void idct_8(int32_t *v, size_t step, int bits, bool tame)
{
    const int32_t x0 = v[0], x1 = v[step], x2 = v[2 * step], x3 = v[3 * step];
    const int32_t x4 = v[4 * step], x5 = v[5 * step], x6 = v[6 * step], x7 = v[7 * step];

    const uint32_t turn = times(x2 + x6, SMJ_F0541);
    const uint32_t even2 = turn - times(x6, SMJ_F1847), even3 = turn + times(x2, SMJ_F0765);
    const uint32_t sum = times(wrap(x0 + x4), 1 << SMJ_FIXED_BITS);
    const uint32_t dif = times(wrap(x0 - x4), 1 << SMJ_FIXED_BITS);
    const uint32_t e0 = sum + even3, e3 = sum - even3, e1 = dif + even2, e2 = dif - even2;

    const int32_t z3 = wrap(x7 + x3), z4 = wrap(x5 + x1);
    const uint32_t both = times(z3 + z4, SMJ_F1175);
    const uint32_t a3 = both - times(z3, SMJ_F1961), a4 = both - times(z4, SMJ_F0390);
    const uint32_t z1 = times(x7 + x1, SMJ_F0899), z2 = times(x5 + x3, SMJ_F2562);
    const uint32_t o0 = times(x7, SMJ_F0298) - z1 + a3, o1 = times(x5, SMJ_F2053) - z2 + a4;
    const uint32_t o2 = times(x3, SMJ_F3072) - z2 + a3, o3 = times(x1, SMJ_F1501) - z1 + a4;

    v[0] = drop(e0 + o3, bits, tame);
    v[7 * step] = drop(e0 - o3, bits, tame);
    v[step] = drop(e1 + o2, bits, tame);
    v[6 * step] = drop(e1 - o2, bits, tame);
    v[2 * step] = drop(e2 + o1, bits, tame);
    v[5 * step] = drop(e2 - o1, bits, tame);
    v[3 * step] = drop(e3 + o0, bits, tame);
    v[4 * step] = drop(e3 - o0, bits, tame);
}

/* Four values from the eight but the fifth: libjpeg's jpeg_idct_4x4. */
SMJ_INLINE void idct_4(int32_t *v, size_t step, int bits, bool tame)
{
    const int32_t x1 = v[step], x2 = v[2 * step], x3 = v[3 * step];
    const int32_t x5 = v[5 * step], x6 = v[6 * step], x7 = v[7 * step];
    const uint32_t first = times(v[0], 1 << (SMJ_FIXED_BITS + 1));
    const uint32_t even = times(x2, SMJ_F1847) - times(x6, SMJ_F0765);
    const uint32_t e0 = first + even, e1 = first - even;
    const uint32_t o0 =
        times(x5, SMJ_F1451) - times(x7, SMJ_F0211) + times(x1, SMJ_F1061) - times(x3, SMJ_F2172);
    const uint32_t o1 =
        times(x3, SMJ_F0899) - times(x5, SMJ_F0601) + times(x1, SMJ_F2562) - times(x7, SMJ_F0509);
    v[0] = drop(e0 + o1, bits + 1, tame);
    v[step] = drop(e1 + o0, bits + 1, tame);
    v[2 * step] = drop(e1 - o0, bits + 1, tame);
    v[3 * step] = drop(e0 - o1, bits + 1, tame);
}

/* Two values from the first and the odd ones: jpeg_idct_2x2. */
SMJ_INLINE void idct_2(int32_t *v, size_t step, int bits, bool tame)
{
    const uint32_t first = times(v[0], 1 << (SMJ_FIXED_BITS + 2));
    const uint32_t odd = times(v[5 * step], SMJ_F0850) - times(v[7 * step], SMJ_F0720) +
                         times(v[step], SMJ_F3624) - times(v[3 * step], SMJ_F1272);
    v[0] = drop(first + odd, bits + 2, tame);
    v[step] = drop(first - odd, bits + 2, tame);
}

enum {
    FIRST_BITS = SMJ_FIXED_BITS - SMJ_PASS_BITS,
    SECOND_BITS = SMJ_FIXED_BITS + SMJ_PASS_BITS + 3
};

/* Returns whether the block is tame. */
SMJ_INLINE bool dequantise(int32_t v[SMJ_BLOCK], int16_t *block, const uint16_t *quant)
{
    int32_t sum = 0;
    for (size_t k = 0; k < SMJ_BLOCK; k++) {
        v[k] = wrap(block[k] * (int32_t)quant[k]);
        sum += abs(v[k]);
    }
    memset(block, 0, SMJ_BLOCK * sizeof *block);
    return sum <= TAME_MAX;
}

/* A column of nothing but its first coefficient becomes that, whole: where the columns are high
 * frequencies, that is most of them. */
SMJ_INLINE void columns(int32_t *v, size_t size, bool tame)
{
    for (size_t x = 0; x < 8; x++, v++) {
        if (tame && (v[8] | v[16] | v[24] | v[32] | v[40] | v[48] | v[56]) == 0)
            for (size_t y = size; y-- > 0;) v[8 * y] = v[0] * (1 << SMJ_PASS_BITS);
        else if (size == 8)
            idct_8(v, 8, FIRST_BITS, tame);
        else if (size == 4)
            idct_4(v, 8, FIRST_BITS, tame);
        else
            idct_2(v, 8, FIRST_BITS, tame);
    }
}

SMJ_INLINE uint8_t sample(int32_t value)
{
    value += 128;
    /* negative numbers have all of the higher bits */
    return (uint8_t)((value & ~255) == 0 ? value : ~value >> 31);
}

SMJ_INLINE void rows(uint8_t *out, size_t stride, int32_t *v, size_t size, bool tame)
{
    for (size_t y = 0; y < size; y++, v += 8, out += stride) {
        if (size == 8) idct_8(v, 1, SECOND_BITS, tame);
        if (size == 4) idct_4(v, 1, SECOND_BITS, tame);
        if (size == 2) idct_2(v, 1, SECOND_BITS, tame);
        for (size_t x = 0; x < size; x++) out[x] = sample(v[x]);
    }
}

/* Inlined with a constant size. */
SMJ_INLINE void transform_block(int16_t *from, uint8_t *out, const smj_job *job, size_t size)
{
    int32_t v[SMJ_BLOCK];
    const bool tame = dequantise(v, from, job->quant);
    if (tame) {
        columns(v, size, true);
        rows(out, job->stride, v, size, true);
    } else {
        columns(v, size, false);
        rows(out, job->stride, v, size, false);
    }
}

SMJ_INLINE void transform_sized(const smj_job *job, size_t size)
{
    transform_block(job->blocks[0], job->out[0], job, size);
    if (job->blocks[1] != job->blocks[0]) transform_block(job->blocks[1], job->out[1], job, size);
}

static void transform(const smj_job *job)
{
    if (job->size == 8)
        transform_sized(job, 8);
    else if (job->size == 4)
        transform_sized(job, 4);
    else
        transform_sized(job, 2);
}

static void run(smj_run *r)
{
    smj_run_with(r, transform);
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

static uint8_t *unstuff(uint8_t *to, uint8_t *to_end, const uint8_t **from, const uint8_t *end)
{
    return smj_unstuff_bytes(to, to_end, from, end);
}

/* ---- Chroma and colour ----------------------------------------------------------------------- */

/* Loops that compilers make vector code of: each output by itself, in 16 bits where that is enough,
 * and nothing that may overlap. */
static size_t round_up(size_t count)
{
    return (count + SMJ_UPSAMPLE_GROUP - 1) / SMJ_UPSAMPLE_GROUP * SMJ_UPSAMPLE_GROUP;
}

/* Halves go down and up in turn, not to drift to one side. */
static void upsample_x(uint8_t *restrict out, const uint8_t *restrict in, size_t count)
{
    count = round_up(count);
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = (uint8_t)((3 * in[i] + in[(ptrdiff_t)i - 1] + 1) >> 2);
        out[2 * i + 1] = (uint8_t)((3 * in[i] + in[i + 1] + 2) >> 2);
    }
}

static void upsample_y(uint8_t *restrict out, const uint8_t *near, const uint8_t *far, bool upper,
                       size_t count)
{
    const int half = upper ? 1 : 2;
    count = round_up(count);
    for (size_t i = 0; i < count; i++) out[i] = (uint8_t)((3 * near[i] + far[i] + half) >> 2);
}

static void upsample_xy(uint8_t *restrict out, const uint8_t *near, const uint8_t *far,
                        size_t count)
{
    count = round_up(count);
    for (size_t i = 0; i < count; i++) {
        const ptrdiff_t k = (ptrdiff_t)i;
        const int now = 3 * (3 * near[k] + far[k]);
        out[2 * i] = (uint8_t)((now + 3 * near[k - 1] + far[k - 1] + 8) >> 4);
        out[2 * i + 1] = (uint8_t)((now + 3 * near[k + 1] + far[k + 1] + 7) >> 4);
    }
}

SMJ_INLINE uint8_t clamp(int16_t value)
{
    const int16_t low = value < 0 ? 0 : value;
    return (uint8_t)(low > 255 ? 255 : low);
}

/* The sum of two products, rounded to whole numbers from 2^16. */
SMJ_INLINE int16_t part(int16_t a, int16_t by_a, int16_t b, int16_t by_b)
{
    return (int16_t)(((int32_t)a * by_a + (int32_t)b * by_b + 32768) >> 16);
}

/* ITU-R BT.601 as JFIF has it, in 16-bit fixed point; green's two parts are rounded together.
 * 1.402 = 1 + 0.402, 1.772 = 2 - 0.228 and 0.71414 = 1 - 0.28586: factors fit 16 bits. */
static void convert_group(uint8_t *restrict rgbx, const uint8_t *restrict y,
                          const uint8_t *restrict cb, const uint8_t *restrict cr)
{
    uint8_t red[SMJ_UPSAMPLE_GROUP], green[SMJ_UPSAMPLE_GROUP], blue[SMJ_UPSAMPLE_GROUP];
    for (size_t i = 0; i < SMJ_UPSAMPLE_GROUP; i++) {
        const int16_t b = (int16_t)(cb[i] - 128), r = (int16_t)(cr[i] - 128);
        red[i] = clamp((int16_t)(y[i] + r + part(r, 91881 - 65536, 0, 0)));
        green[i] = clamp((int16_t)(y[i] - r + part(b, -22554, r, 65536 - 46802)));
        blue[i] = clamp((int16_t)(y[i] + 2 * b + part(b, 116130 - 2 * 65536, 0, 0)));
    }
    for (size_t i = 0; i < SMJ_UPSAMPLE_GROUP; i++) {
        rgbx[4 * i] = red[i];
        rgbx[4 * i + 1] = green[i];
        rgbx[4 * i + 2] = blue[i];
        rgbx[4 * i + 3] = 255;
    }
}

static void convert(uint8_t *rgbx, const uint8_t *y, const uint8_t *cb, const uint8_t *cr,
                    size_t count)
{
    count = round_up(count);
    for (size_t i = 0; i < count && cb != NULL; i += SMJ_UPSAMPLE_GROUP)
        convert_group(rgbx + 4 * i, y + i, cb + i, cr + i);
    for (size_t i = 0; i < count && cb == NULL; i++, rgbx += 4) {
        rgbx[0] = rgbx[1] = rgbx[2] = y[i];
        rgbx[3] = 255;
    }
}

const smj_decode_kernels smj_decode_portable = {"portable", unstuff,     run,    upsample_x,
                                                upsample_y, upsample_xy, convert};
