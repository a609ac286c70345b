/* The encoder's inner loops for NEON, which every 64-bit ARM machine has. */
#include "jpeg/dct.h"
#include "jpeg/encode_pack.h"

#if defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

#include <arm_neon.h>

/* ---- Colour and chroma ----------------------------------------------------------------------- */

/* Eight samples 0 to 255: the high halves of the sums. */
static inline uint8x8_t high_halves(uint32x4_t low, uint32x4_t high)
{
    return vmovn_u16(vcombine_u16(vshrn_n_u32(low, 16), vshrn_n_u32(high, 16)));
}

/* Four sums each; chroma's are never negative with the 128 that JFIF adds. */
static inline uint32x4_t luma_sum(uint16x4_t r, uint16x4_t g, uint16x4_t b)
{
    const uint32x4_t sum = vmlal_n_u16(vdupq_n_u32(1 << 15), r, 19595);
    return vmlal_n_u16(vmlal_n_u16(sum, g, 38470), b, 7471);
}

static inline uint32x4_t blue_sum(uint16x4_t r, uint16x4_t g, uint16x4_t b)
{
    const uint32x4_t sum = vdupq_n_u32((128 << 16) + (1 << 15) - 1);
    return vmlsl_n_u16(vmlsl_n_u16(vmlal_n_u16(sum, b, 32768), r, 11059), g, 21709);
}

static inline uint32x4_t red_sum(uint16x4_t r, uint16x4_t g, uint16x4_t b)
{
    const uint32x4_t sum = vdupq_n_u32((128 << 16) + (1 << 15) - 1);
    return vmlsl_n_u16(vmlsl_n_u16(vmlal_n_u16(sum, r, 32768), g, 27439), b, 5329);
}

static void convert(int8_t *y, int8_t *cb, int8_t *cr, const uint8_t *rgb, size_t groups)
{
    const uint8x8_t level = vdup_n_u8(128); /* flipping the high bit takes 128 away */
    for (size_t i = 0; i < groups * SMJ_GROUP; i += 8) {
        const uint8x8x3_t pixels = vld3_u8(rgb + 3 * i);
        const uint16x8_t r = vmovl_u8(pixels.val[0]), g = vmovl_u8(pixels.val[1]);
        const uint16x8_t b = vmovl_u8(pixels.val[2]);
        const uint16x4_t r0 = vget_low_u16(r), g0 = vget_low_u16(g), b0 = vget_low_u16(b);
        const uint16x4_t r1 = vget_high_u16(r), g1 = vget_high_u16(g), b1 = vget_high_u16(b);
        uint8x8_t out = high_halves(luma_sum(r0, g0, b0), luma_sum(r1, g1, b1));
        vst1_s8(y + i, vreinterpret_s8_u8(veor_u8(out, level)));
        if (cb == NULL) continue;
        out = high_halves(blue_sum(r0, g0, b0), blue_sum(r1, g1, b1));
        vst1_s8(cb + i, vreinterpret_s8_u8(veor_u8(out, level)));
        out = high_halves(red_sum(r0, g0, b0), red_sum(r1, g1, b1));
        vst1_s8(cr + i, vreinterpret_s8_u8(veor_u8(out, level)));
    }
}

/* Two 16-bit numbers in turn. */
static inline int16x8_t in_turn(int16_t even, int16_t odd)
{
    return vzip1q_s16(vdupq_n_s16(even), vdupq_n_s16(odd));
}

static void halve_x(int8_t *to, const int8_t *from, size_t count)
{
    for (size_t i = 0; i < count; i += 8) {
        const int16x8_t sums = vpadalq_s8(in_turn(0, 1), vld1q_s8(from + 2 * i));
        vst1_s8(to + i, vshrn_n_s16(sums, 1));
    }
}

static void halve_xy(int8_t *to, const int8_t *upper, const int8_t *lower, size_t count)
{
    for (size_t i = 0; i < count; i += 8) {
        const int16x8_t sums = vpadalq_s8(in_turn(1, 2), vld1q_s8(upper + 2 * i));
        vst1_s8(to + i, vshrn_n_s16(vpadalq_s8(sums, vld1q_s8(lower + 2 * i)), 2));
    }
}

/* ---- Forward DCT ----------------------------------------------------------------------------- */

typedef struct block {
    int16x8_t v[8]; /* rows, or columns */
} block;

static inline int16x8_t even_pairs(int16x8_t a, int16x8_t b)
{
    return vreinterpretq_s16_s32(vtrn1q_s32(vreinterpretq_s32_s16(a), vreinterpretq_s32_s16(b)));
}

static inline int16x8_t odd_pairs(int16x8_t a, int16x8_t b)
{
    return vreinterpretq_s16_s32(vtrn2q_s32(vreinterpretq_s32_s16(a), vreinterpretq_s32_s16(b)));
}

static inline int16x8_t low_halves(int16x8_t a, int16x8_t b)
{
    return vcombine_s16(vget_low_s16(a), vget_low_s16(b));
}

static inline int16x8_t high_halves_of(int16x8_t a, int16x8_t b)
{
    return vcombine_s16(vget_high_s16(a), vget_high_s16(b));
}

/* Swaps single cells of neighbouring rows, pairs of rows two apart, and halves of rows four apart.
 */
static inline void transpose(block *b)
{
    int16x8_t *v = b->v, t[8], u[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = vtrn1q_s16(v[i], v[i + 1]);
        t[i + 1] = vtrn2q_s16(v[i], v[i + 1]);
    }
    for (int i = 0; i < 8; i += i % 2 == 0 ? 1 : 3) {
        u[i] = even_pairs(t[i], t[i + 2]);
        u[i + 2] = odd_pairs(t[i], t[i + 2]);
    }
    for (int i = 0; i < 4; i++) {
        v[i] = low_halves(u[i], u[i + 4]);
        v[i + 4] = high_halves_of(u[i], u[i + 4]);
    }
}

typedef struct products {
    int32x4_t low, high;
} products;

static inline products multiply(int16x8_t a, int16x8_t b, int16_t by_a, int16_t by_b)
{
    return (products){vmlal_n_s16(vmull_n_s16(vget_low_s16(a), by_a), vget_low_s16(b), by_b),
                      vmlal_n_s16(vmull_n_s16(vget_high_s16(a), by_a), vget_high_s16(b), by_b)};
}

static inline products sum(products a, products b)
{
    return (products){vaddq_s32(a.low, b.low), vaddq_s32(a.high, b.high)};
}

/* Rounded, without the bits that the pass drops. */
static inline int16x8_t drop(products a, bool first)
{
    return first ? vcombine_s16(vrshrn_n_s32(a.low, SMJ_FIXED_BITS - SMJ_PASS_BITS),
                                vrshrn_n_s32(a.high, SMJ_FIXED_BITS - SMJ_PASS_BITS))
                 : vcombine_s16(vrshrn_n_s32(a.low, SMJ_FIXED_BITS + SMJ_PASS_BITS),
                                vrshrn_n_s32(a.high, SMJ_FIXED_BITS + SMJ_PASS_BITS));
}

/* As in encode_avx2.c, with the same sums of factors. */
static inline void dct_1d(block *b, bool first)
{
    int16x8_t *v = b->v;
    const int16x8_t sum0 = vaddq_s16(v[0], v[7]), dif0 = vsubq_s16(v[0], v[7]);
    const int16x8_t sum1 = vaddq_s16(v[1], v[6]), dif1 = vsubq_s16(v[1], v[6]);
    const int16x8_t sum2 = vaddq_s16(v[2], v[5]), dif2 = vsubq_s16(v[2], v[5]);
    const int16x8_t sum3 = vaddq_s16(v[3], v[4]), dif3 = vsubq_s16(v[3], v[4]);

    const int16x8_t even0 = vaddq_s16(sum0, sum3), even3 = vsubq_s16(sum0, sum3);
    const int16x8_t even1 = vaddq_s16(sum1, sum2), even2 = vsubq_s16(sum1, sum2);
    v[0] = vaddq_s16(even0, even1);
    v[4] = vsubq_s16(even0, even1);
    for (int i = 0; i < 8; i += 4)
        v[i] = first ? vshlq_n_s16(v[i], SMJ_PASS_BITS) : vrshrq_n_s16(v[i], SMJ_PASS_BITS);
    v[2] = drop(multiply(even2, even3, SMJ_F0541, SMJ_F0541 + SMJ_F0765), first);
    v[6] = drop(multiply(even2, even3, SMJ_F0541 - SMJ_F1847, SMJ_F0541), first);

    const int16x8_t odd3 = vaddq_s16(dif3, dif1), odd4 = vaddq_s16(dif2, dif0);
    const products z3 = multiply(odd3, odd4, SMJ_F1175 - SMJ_F1961, SMJ_F1175);
    const products z4 = multiply(odd3, odd4, SMJ_F1175, SMJ_F1175 - SMJ_F0390);
    v[7] = drop(sum(multiply(dif3, dif0, SMJ_F0298 - SMJ_F0899, -SMJ_F0899), z3), first);
    v[1] = drop(sum(multiply(dif3, dif0, -SMJ_F0899, SMJ_F1501 - SMJ_F0899), z4), first);
    v[5] = drop(sum(multiply(dif2, dif1, SMJ_F2053 - SMJ_F2562, -SMJ_F2562), z4), first);
    v[3] = drop(sum(multiply(dif2, dif1, -SMJ_F2562, SMJ_F3072 - SMJ_F2562), z3), first);
}

/* The high 16 bits of products. */
static inline uint16x8_t multiply_high(uint16x8_t a, uint16x8_t b)
{
    return vcombine_u16(vshrn_n_u32(vmull_u16(vget_low_u16(a), vget_low_u16(b)), 16),
                        vshrn_n_u32(vmull_u16(vget_high_u16(a), vget_high_u16(b)), 16));
}

static inline void quantise(block *b, const smj_quantiser *q)
{
    for (int i = 0; i < 8; i++) {
        const int at = i * SMJ_PAIR_ROW;
        const int16x8_t sign = vshrq_n_s16(b->v[i], 15);
        uint16x8_t x = vreinterpretq_u16_s16(vabsq_s16(b->v[i]));
        x = vaddq_u16(x, vld1q_u16(q->half + at));
        x = multiply_high(x, vld1q_u16(q->reciprocal + at));
        x = multiply_high(x, vld1q_u16(q->scale + at));
        b->v[i] = vsubq_s16(veorq_s16(vreinterpretq_s16_u16(x), sign), sign);
    }
}

/* The scan's order as bytes of a block: for each eight coefficients, where their bytes are. */
typedef struct byte_order {
    uint8x16_t v[8];
} byte_order;

static inline byte_order scan_order(void)
{
    byte_order order;
    for (int i = 0; i < 8; i++) {
        const uint8x8_t first = vshl_n_u8(vld1_u8(smj_zigzag + 8 * i), 1);
        const uint8x8_t second = vadd_u8(first, vdup_n_u8(1));
        order.v[i] = vcombine_u8(vzip1_u8(first, second), vzip2_u8(first, second));
    }
    return order;
}

static inline uint8x16x4_t as_bytes(const int16x8_t *rows)
{
    return (uint8x16x4_t){{vreinterpretq_u8_s16(rows[0]), vreinterpretq_u8_s16(rows[1]),
                           vreinterpretq_u8_s16(rows[2]), vreinterpretq_u8_s16(rows[3])}};
}

/* Stores a block in the scan's order; returns marks on what is not zero. */
static inline uint64_t store_block(int16_t coefs[SMJ_BLOCK], const block *b,
                                   const byte_order *order)
{
    const uint8x16x4_t upper = as_bytes(b->v), lower = as_bytes(b->v + 4);
    const uint8x16_t weights = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201u));
    uint8x16_t marks[4];
    for (int i = 0; i < 4; i++) {
        uint16x8_t nonzero[2];
        for (int half = 0; half < 2; half++) {
            /* an index beyond the table's 64 bytes gives 0 (tbl), or what was there (tbx) */
            const uint8x16_t from = order->v[2 * i + half];
            uint8x16_t bytes = vqtbl4q_u8(upper, from);
            bytes = vqtbx4q_u8(bytes, lower, vsubq_u8(from, vdupq_n_u8(64)));
            const int16x8_t words = vreinterpretq_s16_u8(bytes);
            vst1q_s16(coefs + 16 * i + 8 * half, words);
            nonzero[half] = vtstq_s16(words, words);
        }
        marks[i] = vuzp1q_u8(vreinterpretq_u8_u16(nonzero[0]), vreinterpretq_u8_u16(nonzero[1]));
        marks[i] = vandq_u8(marks[i], weights);
    }
    /* three rounds of adding neighbours join eight bytes, of one bit each, to one */
    uint8x16_t joined = vpaddq_u8(vpaddq_u8(marks[0], marks[1]), vpaddq_u8(marks[2], marks[3]));
    joined = vpaddq_u8(joined, joined);
    return vgetq_lane_u64(vreinterpretq_u64_u8(joined), 0);
}

static void transform(smj_blocks *to, size_t first, size_t pairs, const int8_t *from, size_t stride,
                      const smj_quantiser *quantiser, const smj_shuffles *shuffles)
{
    (void)shuffles;
    const byte_order order = scan_order();
    for (size_t i = first; i < first + 2 * pairs; i++, from += 8) {
        block b;
        for (size_t row = 0; row < 8; row++) b.v[row] = vmovl_s8(vld1_s8(from + row * stride));
        transpose(&b);
        dct_1d(&b, true);
        transpose(&b);
        dct_1d(&b, false);
        quantise(&b, quantiser);
        to->marks[i] = store_block(to->coefs[i], &b, &order);
    }
}

/* ---- Tokens and bits ------------------------------------------------------------------------- */

/* In two steps, as in encode_avx2.c: marked coefficients are moved together, then become tokens. */
enum {
    MARKED_MAX = SMJ_SCAN_BLOCKS * SMJ_BLOCK,
    CHROMA_FLAG = SMJ_BLOCK /* beside a place in zigzag order */
};

typedef struct marked {
    int16_t values[MARKED_MAX + SMJ_TOKENS_SLACK];
    uint8_t places[1 + MARKED_MAX + SMJ_TOKENS_SLACK]; /* from 1 on: each has one before */
} marked;

static inline size_t move_marked(marked *to, size_t count, const int16_t coefs[SMJ_BLOCK],
                                 uint64_t marks, int flag, const smj_shuffles *shuffles)
{
    uint64_t counts = vget_lane_u64(vreinterpret_u64_u8(vcnt_u8(vcreate_u8(marks))), 0);
    uint8x8_t first = vdup_n_u8((uint8_t)flag);
    for (int eight = 0; eight < SMJ_BLOCK; eight += 8, marks >>= 8, counts >>= 8) {
        const uint8_t now = (uint8_t)marks;
        const uint8x16_t values = vreinterpretq_u8_s16(vld1q_s16(coefs + eight));
        const uint8x16_t shuffle = vreinterpretq_u8_s8(vld1q_s8(shuffles->marked[now]));
        vst1q_s16(to->values + count, vreinterpretq_s16_u8(vqtbl1q_u8(values, shuffle)));
        vst1_u8(to->places + 1 + count, vadd_u8(vld1_u8(shuffles->indices[now]), first));
        first = vadd_u8(first, vdup_n_u8(8));
        count += counts & 0xff;
    }
    return count;
}

/* The tokens of eight values, given their places and those of the values before them. */
static inline void make_eight(uint32_t *to, int16x8_t values, uint16x8_t places, uint16x8_t before)
{
    const uint16x8_t sizes =
        vsubq_u16(vdupq_n_u16(16), vreinterpretq_u16_s16(vclzq_s16(vabsq_s16(values))));
    const uint16x8_t bits =
        vsubq_u16(vshlq_u16(vdupq_n_u16(1), vreinterpretq_s16_u16(sizes)), vdupq_n_u16(1));
    /* the low bits of the value, or of one less when it is negative */
    const int16x8_t lowered = vaddq_s16(values, vshrq_n_s16(values, 15));

    /* ((places - before - 1) << 4) + (SMJ_AC_LUMA << 8); a DC value has neither run nor AC table */
    const uint16x8_t ac = vaddq_u16(vshlq_n_u16(vsubq_u16(places, before), 4),
                                    vdupq_n_u16(SMJ_AC_LUMA * SMJ_SYMBOLS - (1 << 4)));
    const uint16x8_t not_dc = vtstq_u16(places, vdupq_n_u16(SMJ_BLOCK - 1));
    const uint16x8_t chroma = vandq_u16(places, vdupq_n_u16(CHROMA_FLAG));
    const uint16x8_t ids = vmlaq_n_u16(vaddq_u16(sizes, vandq_u16(not_dc, ac)), chroma,
                                       SMJ_CHROMA * SMJ_SYMBOLS / CHROMA_FLAG);
    const uint16x8_t more = vandq_u16(vreinterpretq_u16_s16(lowered), bits);
    vst1q_u32(to, vreinterpretq_u32_u16(vzip1q_u16(ids, more)));
    vst1q_u32(to + 4, vreinterpretq_u32_u16(vzip2q_u16(ids, more)));
}

static uint32_t *tokens(uint32_t *to, const smj_blocks *blocks, const uint8_t *order, size_t count,
                        const smj_shuffles *shuffles)
{
    marked m;
    size_t total = 0;
    m.places[0] = 0;
    for (size_t i = 0; i < count; i++)
        total = move_marked(&m, total, blocks->coefs[order[i]], blocks->marks[order[i]],
                            order[i] < SMJ_PLANE_BLOCKS ? 0 : CHROMA_FLAG, shuffles);
    for (size_t i = 0; i < total; i += 8)
        make_eight(to + i, vld1q_s16(m.values + i), vmovl_u8(vld1_u8(m.places + 1 + i)),
                   vmovl_u8(vld1_u8(m.places + i)));
    return to + total;
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

static const smj_kernels neon = {"neon",    convert, halve_x, halve_xy,
                                 transform, tokens,  pack,    stuff};

const smj_kernels *smj_kernels_neon(void)
{
    return &neon;
}

#else

const smj_kernels *smj_kernels_neon(void)
{
    return NULL;
}

#endif
