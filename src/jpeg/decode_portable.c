/* The decoder's inner loops in plain C: the reference for all others. */
#include "jpeg/dct.h"
#include "jpeg/decode_scan.h"

/* ---- Inverse DCT ----------------------------------------------------------------------------- */

/*
 * Columns first, then rows, as libjpeg does it, in 16 bits where vector code has 16: sums wrap and
 * what a pass stores is saturated. Of pictures that an encoder made no number is that large, but
 * the results must be equal for all others too.
 */
static int16_t wrap(int32_t value)
{
    return (int16_t)(uint16_t)(uint32_t)value;
}

static int16_t drop(int32_t value, int bits)
{
    const int32_t v = (int32_t)((uint32_t)value + (1u << (bits - 1))) >> bits;
    return (int16_t)(v < INT16_MIN ? INT16_MIN : v > INT16_MAX ? INT16_MAX : v);
}

static uint8_t sample(int16_t value)
{
    const int v = value + 128;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* Products and sums wrap at 32 bits. */
static int32_t times(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a * (uint32_t)b);
}

static int32_t plus(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static int32_t minus(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a - (uint32_t)b);
}

/* Eight values, step apart; results lose `bits` bits. The inverse of encode_portable.c's dct_1d. */
SMJ_INLINE void idct_8(int16_t *v, size_t step, int bits)
{
    const int32_t x0 = v[0], x1 = v[step], x2 = v[2 * step], x3 = v[3 * step];
    const int32_t x4 = v[4 * step], x5 = v[5 * step], x6 = v[6 * step], x7 = v[7 * step];

    const int32_t turn = times(plus(x2, x6), SMJ_F0541);
    const int32_t even2 = minus(turn, times(x6, SMJ_F1847));
    const int32_t even3 = plus(turn, times(x2, SMJ_F0765));
    const int32_t sum = times(wrap(x0 + x4), 1 << SMJ_FIXED_BITS);
    const int32_t dif = times(wrap(x0 - x4), 1 << SMJ_FIXED_BITS);
    const int32_t e0 = plus(sum, even3), e3 = minus(sum, even3);
    const int32_t e1 = plus(dif, even2), e2 = minus(dif, even2);

    const int32_t z3 = wrap(x7 + x3), z4 = wrap(x5 + x1);
    const int32_t both = times(z3 + z4, SMJ_F1175);
    const int32_t a3 = minus(both, times(z3, SMJ_F1961)), a4 = minus(both, times(z4, SMJ_F0390));
    const int32_t z1 = times(x7 + x1, SMJ_F0899), z2 = times(x5 + x3, SMJ_F2562);
    const int32_t o0 = plus(minus(times(x7, SMJ_F0298), z1), a3);
    const int32_t o1 = plus(minus(times(x5, SMJ_F2053), z2), a4);
    const int32_t o2 = plus(minus(times(x3, SMJ_F3072), z2), a3);
    const int32_t o3 = plus(minus(times(x1, SMJ_F1501), z1), a4);

    v[0] = drop(plus(e0, o3), bits);
    v[7 * step] = drop(minus(e0, o3), bits);
    v[step] = drop(plus(e1, o2), bits);
    v[6 * step] = drop(minus(e1, o2), bits);
    v[2 * step] = drop(plus(e2, o1), bits);
    v[5 * step] = drop(minus(e2, o1), bits);
    v[3 * step] = drop(plus(e3, o0), bits);
    v[4 * step] = drop(minus(e3, o0), bits);
}

/* Four values from the eight but the fifth: libjpeg's jpeg_idct_4x4. */
SMJ_INLINE void idct_4(int16_t *v, size_t step, int bits)
{
    const int32_t x1 = v[step], x2 = v[2 * step], x3 = v[3 * step];
    const int32_t x5 = v[5 * step], x6 = v[6 * step], x7 = v[7 * step];
    const int32_t first = times(v[0], 1 << (SMJ_FIXED_BITS + 1));
    const int32_t even = minus(times(x2, SMJ_F1847), times(x6, SMJ_F0765));
    const int32_t e0 = plus(first, even), e1 = minus(first, even);
    const int32_t o0 = plus(minus(times(x5, SMJ_F1451), times(x7, SMJ_F0211)),
                            minus(times(x1, SMJ_F1061), times(x3, SMJ_F2172)));
    const int32_t o1 = plus(minus(times(x3, SMJ_F0899), times(x5, SMJ_F0601)),
                            minus(times(x1, SMJ_F2562), times(x7, SMJ_F0509)));
    v[0] = drop(plus(e0, o1), bits + 1);
    v[step] = drop(plus(e1, o0), bits + 1);
    v[2 * step] = drop(minus(e1, o0), bits + 1);
    v[3 * step] = drop(minus(e0, o1), bits + 1);
}

/* Two values from the first and the odd ones: jpeg_idct_2x2. */
SMJ_INLINE void idct_2(int16_t *v, size_t step, int bits)
{
    const int32_t first = times(v[0], 1 << (SMJ_FIXED_BITS + 2));
    const int32_t odd =
        plus(minus(times(v[5 * step], SMJ_F0850), times(v[7 * step], SMJ_F0720)),
             minus(times(v[step], SMJ_F3624), times(v[3 * step], SMJ_F1272)));
    v[0] = drop(plus(first, odd), bits + 2);
    v[step] = drop(minus(first, odd), bits + 2);
}

enum {
    FIRST_BITS = SMJ_FIXED_BITS - SMJ_PASS_BITS,
    SECOND_BITS = SMJ_FIXED_BITS + SMJ_PASS_BITS + 3
};

static void dequantise(int16_t *v, int16_t *block, const uint16_t *quant)
{
    for (size_t k = 0; k < SMJ_BLOCK; k++) {
        v[k] = (int16_t)(uint16_t)((uint32_t)(uint16_t)block[k] * quant[k]);
        block[k] = 0;
    }
}

static bool is_flat(const int16_t *v)
{
    int16_t any = 0;
    for (size_t k = 8; k < SMJ_BLOCK; k++) any |= v[k];
    return any == 0;
}

static void columns_8(int16_t v[SMJ_BLOCK])
{
    if (is_flat(v)) { /* what the rotations would come to as well */
        for (size_t x = 0; x < 8; x++) v[x] = drop(times(v[x], 1 << SMJ_PASS_BITS) * 2, 1);
        for (size_t y = 1; y < 8; y++) memcpy(v + 8 * y, v, 8 * sizeof *v);
        return;
    }
    for (size_t x = 0; x < 8; x++) idct_8(v + x, 8, FIRST_BITS);
}

static void transform_block(int16_t *block, uint8_t *out, const smj_job *job)
{
    int16_t v[SMJ_BLOCK];
    const size_t size = job->size;
    dequantise(v, block, job->quant);
    if (size == 8) {
        columns_8(v);
        for (size_t y = 0; y < 8; y++) idct_8(v + 8 * y, 1, SECOND_BITS);
    } else if (size == 4) {
        for (size_t x = 0; x < 8; x++) idct_4(v + x, 8, FIRST_BITS);
        for (size_t y = 0; y < 4; y++) idct_4(v + 8 * y, 1, SECOND_BITS);
    } else {
        for (size_t x = 0; x < 8; x++) idct_2(v + x, 8, FIRST_BITS);
        for (size_t y = 0; y < 2; y++) idct_2(v + 8 * y, 1, SECOND_BITS);
    }
    for (size_t y = 0; y < size; y++, out += job->stride)
        for (size_t x = 0; x < size; x++) out[x] = sample(v[8 * y + x]);
}

static void transform(const smj_job *job)
{
    transform_block(job->blocks[0], job->out[0], job);
    if (job->blocks[1] != job->blocks[0]) transform_block(job->blocks[1], job->out[1], job);
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

static size_t round_up(size_t count)
{
    return (count + SMJ_UPSAMPLE_GROUP - 1) / SMJ_UPSAMPLE_GROUP * SMJ_UPSAMPLE_GROUP;
}

/* Halves go down and up in turn, not to drift to one side. */
static void upsample_x(uint8_t *out, const uint8_t *in, size_t count)
{
    count = round_up(count);
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = (uint8_t)((3 * in[i] + in[(ptrdiff_t)i - 1] + 1) >> 2);
        out[2 * i + 1] = (uint8_t)((3 * in[i] + in[i + 1] + 2) >> 2);
    }
}

static void upsample_y(uint8_t *out, const uint8_t *near, const uint8_t *far, bool upper,
                       size_t count)
{
    count = round_up(count);
    for (size_t i = 0; i < count; i++)
        out[i] = (uint8_t)((3 * near[i] + far[i] + (upper ? 1 : 2)) >> 2);
}

static void upsample_xy(uint8_t *out, const uint8_t *near, const uint8_t *far, size_t count)
{
    count = round_up(count);
    int before = 3 * near[-1] + far[-1], now = 3 * near[0] + far[0];
    for (size_t i = 0; i < count; i++) {
        const int after = 3 * near[i + 1] + far[i + 1];
        out[2 * i] = (uint8_t)((3 * now + before + 8) >> 4);
        out[2 * i + 1] = (uint8_t)((3 * now + after + 7) >> 4);
        before = now;
        now = after;
    }
}

static uint8_t clamp(int value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* ITU-R BT.601 as JFIF has it, in 16-bit fixed point; green's two parts are rounded together. */
static void convert(uint8_t *rgbx, const uint8_t *y, const uint8_t *cb, const uint8_t *cr,
                    size_t count)
{
    count = round_up(count);
    for (size_t i = 0; i < count; i++, rgbx += 4) {
        const int luma = y[i];
        const int blue = cb == NULL ? 0 : cb[i] - 128, red = cb == NULL ? 0 : cr[i] - 128;
        rgbx[0] = clamp(luma + ((91881 * red + 32768) >> 16));
        rgbx[1] = clamp(luma + ((-22554 * blue - 46802 * red + 32768) >> 16));
        rgbx[2] = clamp(luma + ((116130 * blue + 32768) >> 16));
        rgbx[3] = 255;
    }
}

const smj_decode_kernels smj_decode_portable = {"portable", unstuff,     run,    upsample_x,
                                                upsample_y, upsample_xy, convert};
