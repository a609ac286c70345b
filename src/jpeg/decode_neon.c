/*
 * The decoder's inner loops for NEON, which every 64-bit ARM machine has. The arithmetic is
 * decode_portable.c's, eight numbers at a time.
 */
#include "jpeg/dct.h"
#include "jpeg/decode_scan.h"

#if defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

#include <arm_neon.h>

/* ---- Inverse DCT ----------------------------------------------------------------------------- */

/* v[i] is row i; after the first pass and a change of rows and columns, column i. */
typedef struct block {
    int16x8_t v[8];
} block;

static inline void load_block(block *b, int16_t *from, const uint16_t *quant)
{
    for (int i = 0; i < 8; i++) {
        b->v[i] =
            vmulq_s16(vld1q_s16(from + 8 * i), vreinterpretq_s16_u16(vld1q_u16(quant + 8 * i)));
        vst1q_s16(from + 8 * i, vdupq_n_s16(0));
    }
}

static inline void transpose(block *b)
{
    int16x8_t *v = b->v;
    int16x8x2_t pairs[4];
    for (int i = 0; i < 4; i++) pairs[i] = vtrnq_s16(v[2 * i], v[2 * i + 1]);
    for (int i = 0; i < 2; i++) { /* rows 0 and 1, then 1's columns */
        const int32x4x2_t left = vtrnq_s32(vreinterpretq_s32_s16(pairs[0].val[i]),
                                           vreinterpretq_s32_s16(pairs[1].val[i]));
        const int32x4x2_t right = vtrnq_s32(vreinterpretq_s32_s16(pairs[2].val[i]),
                                            vreinterpretq_s32_s16(pairs[3].val[i]));
        for (int k = 0; k < 2; k++) {
            const int64x2_t l = vreinterpretq_s64_s32(left.val[k]);
            const int64x2_t r = vreinterpretq_s64_s32(right.val[k]);
            v[i + 2 * k] = vreinterpretq_s16_s64(vzip1q_s64(l, r));
            v[i + 2 * k + 4] = vreinterpretq_s16_s64(vzip2q_s64(l, r));
        }
    }
}

typedef struct wide {
    int32x4_t low, high; /* first and second fours, 32 bits wide */
} wide;

static inline wide times(int16x8_t a, int16_t factor)
{
    return (wide){vmull_n_s16(vget_low_s16(a), factor), vmull_n_s16(vget_high_s16(a), factor)};
}

/* sum + a * factor */
static inline wide plus_times(wide sum, int16x8_t a, int16_t factor)
{
    return (wide){vmlal_n_s16(sum.low, vget_low_s16(a), factor),
                  vmlal_n_s16(sum.high, vget_high_s16(a), factor)};
}

static inline wide plus(wide a, wide b)
{
    return (wide){vaddq_s32(a.low, b.low), vaddq_s32(a.high, b.high)};
}

static inline wide minus(wide a, wide b)
{
    return (wide){vsubq_s32(a.low, b.low), vsubq_s32(a.high, b.high)};
}

/* Times 2^bits: the number of bits is a constant wherever this is compiled into. */
SMJ_INLINE wide widen(int16x8_t a, int bits)
{
    const int32x4_t by = vdupq_n_s32(bits);
    return (wide){vshlq_s32(vmovl_s16(vget_low_s16(a)), by),
                  vshlq_s32(vmovl_s16(vget_high_s16(a)), by)};
}

/* Rounded, without the lowest bits, saturated. The sum with one half may wrap, as it does
 * elsewhere, so that no rounding shift will do. */
SMJ_INLINE int16x8_t drop(wide a, int bits)
{
    const int32x4_t half = vdupq_n_s32(1 << (bits - 1)), by = vdupq_n_s32(-bits);
    return vcombine_s16(vqmovn_s32(vshlq_s32(vaddq_s32(a.low, half), by)),
                        vqmovn_s32(vshlq_s32(vaddq_s32(a.high, half), by)));
}

/* Along the vectors' index. */
SMJ_INLINE void idct_8(block *b, int bits)
{
    int16x8_t *v = b->v;
    const wide even2 = plus_times(times(v[2], SMJ_F0541), v[6], SMJ_F0541 - SMJ_F1847);
    const wide even3 = plus_times(times(v[2], SMJ_F0541 + SMJ_F0765), v[6], SMJ_F0541);
    const wide first = widen(vaddq_s16(v[0], v[4]), SMJ_FIXED_BITS);
    const wide second = widen(vsubq_s16(v[0], v[4]), SMJ_FIXED_BITS);
    const wide e0 = plus(first, even3), e3 = minus(first, even3);
    const wide e1 = plus(second, even2), e2 = minus(second, even2);

    const int16x8_t z3 = vaddq_s16(v[7], v[3]), z4 = vaddq_s16(v[5], v[1]);
    const wide a3 = plus_times(times(z3, SMJ_F1175 - SMJ_F1961), z4, SMJ_F1175);
    const wide a4 = plus_times(times(z3, SMJ_F1175), z4, SMJ_F1175 - SMJ_F0390);
    const wide o0 = plus_times(plus_times(a3, v[7], SMJ_F0298 - SMJ_F0899), v[1], -SMJ_F0899);
    const wide o3 = plus_times(plus_times(a4, v[7], -SMJ_F0899), v[1], SMJ_F1501 - SMJ_F0899);
    const wide o1 = plus_times(plus_times(a4, v[5], SMJ_F2053 - SMJ_F2562), v[3], -SMJ_F2562);
    const wide o2 = plus_times(plus_times(a3, v[5], -SMJ_F2562), v[3], SMJ_F3072 - SMJ_F2562);

    v[0] = drop(plus(e0, o3), bits);
    v[7] = drop(minus(e0, o3), bits);
    v[1] = drop(plus(e1, o2), bits);
    v[6] = drop(minus(e1, o2), bits);
    v[2] = drop(plus(e2, o1), bits);
    v[5] = drop(minus(e2, o1), bits);
    v[3] = drop(plus(e3, o0), bits);
    v[4] = drop(minus(e3, o0), bits);
}

SMJ_INLINE void idct_4(block *b, int bits)
{
    int16x8_t *v = b->v;
    const wide first = widen(v[0], SMJ_FIXED_BITS + 1);
    const wide even = plus_times(times(v[2], SMJ_F1847), v[6], -SMJ_F0765);
    const wide o0 = plus_times(
        plus_times(plus_times(times(v[5], SMJ_F1451), v[7], -SMJ_F0211), v[1], SMJ_F1061), v[3],
        -SMJ_F2172);
    const wide o1 = plus_times(
        plus_times(plus_times(times(v[3], SMJ_F0899), v[5], -SMJ_F0601), v[1], SMJ_F2562), v[7],
        -SMJ_F0509);
    const wide e0 = plus(first, even), e1 = minus(first, even);
    v[0] = drop(plus(e0, o1), bits + 1);
    v[1] = drop(plus(e1, o0), bits + 1);
    v[2] = drop(minus(e1, o0), bits + 1);
    v[3] = drop(minus(e0, o1), bits + 1);
}

SMJ_INLINE void idct_2(block *b, int bits)
{
    int16x8_t *v = b->v;
    const wide first = widen(v[0], SMJ_FIXED_BITS + 2);
    const wide odd = plus_times(
        plus_times(plus_times(times(v[5], SMJ_F0850), v[7], -SMJ_F0720), v[1], SMJ_F3624), v[3],
        -SMJ_F1272);
    v[0] = drop(plus(first, odd), bits + 2);
    v[1] = drop(minus(first, odd), bits + 2);
}

enum {
    FIRST_BITS = SMJ_FIXED_BITS - SMJ_PASS_BITS,
    SECOND_BITS = SMJ_FIXED_BITS + SMJ_PASS_BITS + 3
};

/* A row of samples, of which `size` are stored. */
SMJ_INLINE void store_row(uint8_t *to, int16x8_t row, size_t size)
{
    const uint8x8_t bytes =
        veor_u8(vreinterpret_u8_s8(vqmovn_s16(row)), vdup_n_u8(128)); /* adds 128 */
    if (size == 8) {
        vst1_u8(to, bytes);
        return;
    }
    uint8_t all[8];
    vst1_u8(all, bytes);
    memcpy(to, all, size);
}

/* Inlined with a constant size. */
SMJ_INLINE void transform_block(int16_t *from, uint8_t *to, const smj_job *job, size_t size)
{
    block b;
    load_block(&b, from, job->quant);
    for (int pass = 0; pass < 2; pass++) {
        const int bits = pass == 0 ? FIRST_BITS : SECOND_BITS;
        if (size == 8) idct_8(&b, bits);
        if (size == 4) idct_4(&b, bits);
        if (size == 2) idct_2(&b, bits);
        for (size_t i = size; i < 8; i++) b.v[i] = vdupq_n_s16(0);
        transpose(&b);
    }
    for (size_t y = 0; y < size; y++) store_row(to + job->stride * y, b.v[y], size);
}

SMJ_INLINE void transform_sized(const smj_job *job, size_t size)
{
    transform_block(job->blocks[0], job->out[0], job, size);
    if (job->blocks[1] != job->blocks[0]) transform_block(job->blocks[1], job->out[1], job, size);
}

SMJ_INLINE void transform(const smj_job *job)
{
    transform_sized(job, 8);
}

static void transform_scaled(const smj_job *job)
{
    if (job->size == 8)
        transform_sized(job, 8);
    else if (job->size == 4)
        transform_sized(job, 4);
    else
        transform_sized(job, 2);
}

static void run_whole(smj_run *r)
{
    smj_run_with(r, transform);
}

static void run_scaled(smj_run *r)
{
    smj_run_with(r, transform_scaled);
}

static void run(smj_run *r)
{
    (r->scaled ? run_scaled : run_whole)(r);
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

static uint8_t *unstuff(uint8_t *to, uint8_t *to_end, const uint8_t **from, const uint8_t *end)
{
    return smj_unstuff_bytes(to, to_end, from, end);
}

/* ---- Chroma and colour ----------------------------------------------------------------------- */

static inline uint16x8_t load_eight(const uint8_t *from)
{
    return vmovl_u8(vld1_u8(from));
}

/* 3 * near + far */
static inline uint16x8_t blend(const uint8_t *near, const uint8_t *far)
{
    return vmlal_u8(load_eight(far), vld1_u8(near), vdup_n_u8(3));
}

static void upsample_x(uint8_t *out, const uint8_t *in, size_t count)
{
    for (size_t i = 0; i < count; i += 8) {
        const uint16x8_t before = blend(in + i, in + i - 1), after = blend(in + i, in + i + 1);
        const uint8x8x2_t both = {{vshrn_n_u16(vaddq_u16(before, vdupq_n_u16(1)), 2),
                                   vshrn_n_u16(vaddq_u16(after, vdupq_n_u16(2)), 2)}};
        vst2_u8(out + 2 * i, both);
    }
}

static void upsample_y(uint8_t *out, const uint8_t *near, const uint8_t *far, bool upper,
                       size_t count)
{
    const uint16x8_t half = vdupq_n_u16(upper ? 1 : 2);
    for (size_t i = 0; i < count; i += 8)
        vst1_u8(out + i, vshrn_n_u16(vaddq_u16(blend(near + i, far + i), half), 2));
}

static void upsample_xy(uint8_t *out, const uint8_t *near, const uint8_t *far, size_t count)
{
    for (size_t i = 0; i < count; i += 8) {
        const uint16x8_t now = vmulq_n_u16(blend(near + i, far + i), 3);
        const uint16x8_t before = vaddq_u16(now, blend(near + i - 1, far + i - 1));
        const uint16x8_t after = vaddq_u16(now, blend(near + i + 1, far + i + 1));
        const uint8x8x2_t both = {{vshrn_n_u16(vaddq_u16(before, vdupq_n_u16(8)), 4),
                                   vshrn_n_u16(vaddq_u16(after, vdupq_n_u16(7)), 4)}};
        vst2_u8(out + 2 * i, both);
    }
}

/* Rounded to whole numbers from 2^16. */
static inline int16x8_t round_sum(wide a)
{
    return vcombine_s16(vrshrn_n_s32(a.low, 16), vrshrn_n_s32(a.high, 16));
}

/* 1.402 = 1 + 0.402, 1.772 = 2 - 0.228 and 0.71414 = 1 - 0.28586: factors must fit 16 bits. */
static inline uint8x8x4_t colours_of(const uint8_t *y, const uint8_t *cb, const uint8_t *cr)
{
    const int16x8_t luma = vreinterpretq_s16_u16(load_eight(y)), level = vdupq_n_s16(128);
    const int16x8_t b = vsubq_s16(vreinterpretq_s16_u16(load_eight(cb)), level);
    const int16x8_t r = vsubq_s16(vreinterpretq_s16_u16(load_eight(cr)), level);
    const int16x8_t red = vaddq_s16(r, round_sum(times(r, 91881 - 65536)));
    const int16x8_t green = vsubq_s16(round_sum(plus_times(times(b, -22554), r, 65536 - 46802)), r);
    const int16x8_t blue = vaddq_s16(vaddq_s16(b, b), round_sum(times(b, 116130 - 2 * 65536)));
    return (uint8x8x4_t){{vqmovun_s16(vaddq_s16(luma, red)), vqmovun_s16(vaddq_s16(luma, green)),
                          vqmovun_s16(vaddq_s16(luma, blue)), vdup_n_u8(255)}};
}

static void convert(uint8_t *rgbx, const uint8_t *y, const uint8_t *cb, const uint8_t *cr,
                    size_t count)
{
    for (size_t i = 0; i < count; i += 8) {
        const uint8x8_t grey = vld1_u8(y + i);
        const uint8x8x4_t pixels = cb == NULL ? (uint8x8x4_t){{grey, grey, grey, vdup_n_u8(255)}}
                                              : colours_of(y + i, cb + i, cr + i);
        vst4_u8(rgbx + 4 * i, pixels);
    }
}

static const smj_decode_kernels neon = {"neon",     unstuff,     run,    upsample_x,
                                        upsample_y, upsample_xy, convert};

const smj_decode_kernels *smj_decode_neon(void)
{
    return &neon;
}

#else

const smj_decode_kernels *smj_decode_neon(void)
{
    return NULL;
}

#endif
