/*
 * The decoder's inner loops for AVX2 (with BMI2, whose shifts by a variable are cheap). The
 * arithmetic is decode_portable.c's, sixteen numbers at a time.
 */
#include "jpeg/cpu.h"
#include "jpeg/dct.h"
#include "jpeg/decode_scan.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2        __attribute__((target("avx2,bmi,bmi2")))
#define AVX2_INLINE AVX2 static inline __attribute__((always_inline))

AVX2_INLINE __m256i load(const void *from)
{
    return _mm256_loadu_si256((const __m256i *)from);
}

AVX2_INLINE __m128i load_half(const void *from)
{
    return _mm_loadu_si128((const __m128i *)from);
}

AVX2_INLINE void store(void *to, __m256i v)
{
    _mm256_storeu_si256((__m256i *)to, v);
}

/* Two 16-bit factors, for all pairs of a vector. */
AVX2_INLINE __m256i pair(int low, int high)
{
    return _mm256_set1_epi32((int32_t)((uint32_t)(uint16_t)high << 16 | (uint16_t)low));
}

/* ---- Inverse DCT ----------------------------------------------------------------------------- */

/* Two blocks: v[i] is row i of the first in the low half, of the second in the high half. */
typedef struct block_pair {
    __m256i v[8];
} block_pair;

AVX2_INLINE void load_blocks(block_pair *b, const smj_job *job)
{
    for (int i = 0; i < 8; i++) {
        const __m256i coefs =
            _mm256_inserti128_si256(_mm256_castsi128_si256(load_half(job->blocks[0] + 8 * i)),
                                    load_half(job->blocks[1] + 8 * i), 1);
        b->v[i] =
            _mm256_mullo_epi16(coefs, _mm256_broadcastsi128_si256(load_half(job->quant + 8 * i)));
    }
    for (int i = 0; i < 4; i++) {
        store(job->blocks[0] + 16 * i, _mm256_setzero_si256());
        store(job->blocks[1] + 16 * i, _mm256_setzero_si256());
    }
}

/* Both blocks change rows and columns. */
AVX2_INLINE void transpose(block_pair *b)
{
    __m256i *v = b->v, t[8], u[8];
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_epi16(v[2 * i], v[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_epi16(v[2 * i], v[2 * i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        u[i] = _mm256_unpacklo_epi32(t[i], t[i + 2]);
        u[i + 1] = _mm256_unpackhi_epi32(t[i], t[i + 2]);
        u[i + 2] = _mm256_unpacklo_epi32(t[i + 1], t[i + 3]);
        u[i + 3] = _mm256_unpackhi_epi32(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        v[2 * i] = _mm256_unpacklo_epi64(u[i], u[i + 4]);
        v[2 * i + 1] = _mm256_unpackhi_epi64(u[i], u[i + 4]);
    }
}

typedef struct wide {
    __m256i low, high; /* first and second fours of each half, 32 bits wide */
} wide;

/* a's numbers times the low factor, plus b's times the high one. */
AVX2_INLINE wide multiply(__m256i a, __m256i b, __m256i factors)
{
    return (wide){_mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), factors),
                  _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), factors)};
}

/* Times 2^bits. */
AVX2_INLINE wide widen(__m256i a, int bits)
{
    const __m256i zero = _mm256_setzero_si256();
    return (wide){_mm256_srai_epi32(_mm256_unpacklo_epi16(zero, a), 16 - bits),
                  _mm256_srai_epi32(_mm256_unpackhi_epi16(zero, a), 16 - bits)};
}

AVX2_INLINE wide sum(wide a, wide b)
{
    return (wide){_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
}

AVX2_INLINE wide difference(wide a, wide b)
{
    return (wide){_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high)};
}

/* Adds one half of what the lowest `bits` bits can be. */
AVX2_INLINE wide add_half(wide a, int bits)
{
    const __m256i half = _mm256_set1_epi32(1 << (bits - 1));
    return (wide){_mm256_add_epi32(a.low, half), _mm256_add_epi32(a.high, half)};
}

AVX2_INLINE __m256i drop(wide a, int bits)
{
    return _mm256_packs_epi32(_mm256_srai_epi32(a.low, bits), _mm256_srai_epi32(a.high, bits));
}

/* Along the vectors' index. A rotation is one instruction for each result, with factors that are
 * sums of those in decode_portable.c. */
AVX2_INLINE void idct_8(block_pair *b, int bits)
{
    __m256i *v = b->v;
    const wide even2 = multiply(v[2], v[6], pair(SMJ_F0541, SMJ_F0541 - SMJ_F1847));
    const wide even3 = multiply(v[2], v[6], pair(SMJ_F0541 + SMJ_F0765, SMJ_F0541));
    const wide first = add_half(widen(_mm256_add_epi16(v[0], v[4]), SMJ_FIXED_BITS), bits);
    const wide second = add_half(widen(_mm256_sub_epi16(v[0], v[4]), SMJ_FIXED_BITS), bits);
    const wide e0 = sum(first, even3), e3 = difference(first, even3);
    const wide e1 = sum(second, even2), e2 = difference(second, even2);

    const __m256i z3 = _mm256_add_epi16(v[7], v[3]), z4 = _mm256_add_epi16(v[5], v[1]);
    const wide a3 = multiply(z3, z4, pair(SMJ_F1175 - SMJ_F1961, SMJ_F1175));
    const wide a4 = multiply(z3, z4, pair(SMJ_F1175, SMJ_F1175 - SMJ_F0390));
    const wide o0 = sum(multiply(v[7], v[1], pair(SMJ_F0298 - SMJ_F0899, -SMJ_F0899)), a3);
    const wide o3 = sum(multiply(v[7], v[1], pair(-SMJ_F0899, SMJ_F1501 - SMJ_F0899)), a4);
    const wide o1 = sum(multiply(v[5], v[3], pair(SMJ_F2053 - SMJ_F2562, -SMJ_F2562)), a4);
    const wide o2 = sum(multiply(v[5], v[3], pair(-SMJ_F2562, SMJ_F3072 - SMJ_F2562)), a3);

    v[0] = drop(sum(e0, o3), bits);
    v[7] = drop(difference(e0, o3), bits);
    v[1] = drop(sum(e1, o2), bits);
    v[6] = drop(difference(e1, o2), bits);
    v[2] = drop(sum(e2, o1), bits);
    v[5] = drop(difference(e2, o1), bits);
    v[3] = drop(sum(e3, o0), bits);
    v[4] = drop(difference(e3, o0), bits);
}

AVX2_INLINE void idct_4(block_pair *b, int bits)
{
    __m256i *v = b->v;
    const wide first = add_half(widen(v[0], SMJ_FIXED_BITS + 1), bits + 1);
    const wide even = multiply(v[2], v[6], pair(SMJ_F1847, -SMJ_F0765));
    const wide o0 = sum(multiply(v[5], v[7], pair(SMJ_F1451, -SMJ_F0211)),
                        multiply(v[1], v[3], pair(SMJ_F1061, -SMJ_F2172)));
    const wide o1 = sum(multiply(v[3], v[5], pair(SMJ_F0899, -SMJ_F0601)),
                        multiply(v[1], v[7], pair(SMJ_F2562, -SMJ_F0509)));
    const wide e0 = sum(first, even), e1 = difference(first, even);
    v[0] = drop(sum(e0, o1), bits + 1);
    v[1] = drop(sum(e1, o0), bits + 1);
    v[2] = drop(difference(e1, o0), bits + 1);
    v[3] = drop(difference(e0, o1), bits + 1);
}

AVX2_INLINE void idct_2(block_pair *b, int bits)
{
    __m256i *v = b->v;
    const wide first = add_half(widen(v[0], SMJ_FIXED_BITS + 2), bits + 2);
    const wide odd = sum(multiply(v[5], v[7], pair(SMJ_F0850, -SMJ_F0720)),
                         multiply(v[1], v[3], pair(SMJ_F3624, -SMJ_F1272)));
    v[0] = drop(sum(first, odd), bits + 2);
    v[1] = drop(difference(first, odd), bits + 2);
}

enum {
    FIRST_BITS = SMJ_FIXED_BITS - SMJ_PASS_BITS,
    SECOND_BITS = SMJ_FIXED_BITS + SMJ_PASS_BITS + 3
};

/* Two rows of one block. */
AVX2_INLINE void store_rows(uint8_t *out, size_t stride, __m128i rows, int size)
{
    if (size == 8) {
        _mm_storel_epi64((__m128i *)(void *)out, rows);
        _mm_storeh_pd((double *)(void *)(out + stride), _mm_castsi128_pd(rows));
        return;
    }
    const int32_t upper = _mm_cvtsi128_si32(rows), lower = _mm_extract_epi32(rows, 2);
    memcpy(out, &upper, (size_t)size);
    memcpy(out + stride, &lower, (size_t)size);
}

/* v[i] is column i of both; as bytes, changing rows and columns takes half as much. */
AVX2_INLINE void store_blocks(const smj_job *job, const __m256i v[8], int size)
{
    const __m256i level = _mm256_set1_epi8(-128); /* the same as adding 128 */
    const __m256i a = _mm256_packs_epi16(v[0], v[4]), b = _mm256_packs_epi16(v[1], v[5]);
    const __m256i c = _mm256_packs_epi16(v[2], v[6]), d = _mm256_packs_epi16(v[3], v[7]);
    const __m256i ab0 = _mm256_unpacklo_epi8(a, b), ab4 = _mm256_unpackhi_epi8(a, b);
    const __m256i cd2 = _mm256_unpacklo_epi8(c, d), cd6 = _mm256_unpackhi_epi8(c, d);
    const __m256i left0 = _mm256_unpacklo_epi16(ab0, cd2), left4 = _mm256_unpackhi_epi16(ab0, cd2);
    const __m256i right0 = _mm256_unpacklo_epi16(ab4, cd6);
    const __m256i right4 = _mm256_unpackhi_epi16(ab4, cd6);
    const __m256i rows[4] = {
        _mm256_unpacklo_epi32(left0, right0), _mm256_unpackhi_epi32(left0, right0),
        _mm256_unpacklo_epi32(left4, right4), _mm256_unpackhi_epi32(left4, right4)};
    const size_t stride = job->stride;
    for (size_t i = 0; 2 * i < (size_t)size; i++) {
        const __m256i bytes = _mm256_xor_si256(rows[i], level);
        store_rows(job->out[0] + 2 * i * stride, stride, _mm256_castsi256_si128(bytes), size);
        store_rows(job->out[1] + 2 * i * stride, stride, _mm256_extracti128_si256(bytes, 1), size);
    }
}

/* Inlined with a constant size. */
AVX2_INLINE void transform_sized(const smj_job *job, int size)
{
    block_pair b;
    load_blocks(&b, job);
    for (int pass = 0; pass < 2; pass++) {
        const int bits = pass == 0 ? FIRST_BITS : SECOND_BITS;
        if (size == 8) idct_8(&b, bits);
        if (size == 4) idct_4(&b, bits);
        if (size == 2) idct_2(&b, bits);
        for (int i = size; i < 8; i++) b.v[i] = _mm256_setzero_si256();
        if (pass == 0) transpose(&b);
    }
    store_blocks(job, b.v, size);
}

AVX2_INLINE void transform(const smj_job *job)
{
    transform_sized(job, 8);
}

AVX2 static void transform_scaled(const smj_job *job)
{
    if (job->size == 8)
        transform_sized(job, 8);
    else if (job->size == 4)
        transform_sized(job, 4);
    else
        transform_sized(job, 2);
}

AVX2 static void run_whole(smj_run *r)
{
    smj_run_with(r, transform);
}

AVX2 static void run_scaled(smj_run *r)
{
    smj_run_with(r, transform_scaled);
}

AVX2 static void run(smj_run *r)
{
    (r->scaled ? run_scaled : run_whole)(r);
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

AVX2 static uint8_t *unstuff(uint8_t *to, uint8_t *to_end, const uint8_t **from, const uint8_t *end)
{
    const uint8_t *in = *from;
    uint8_t *const limit = to_end - SMJ_UNSTUFF_SLACK;
    while (end - in >= 32 && to < limit) {
        const __m256i bytes = load(in);
        const uint32_t full =
            (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(-1)));
        store(to, bytes);
        if (full == 0) {
            in += 32;
            to += 32;
            continue;
        }
        const size_t plain = (size_t)__builtin_ctz(full);
        in += plain;
        to += plain;
        if (end - in < 2 || in[1] != 0) break;
        to++; /* the 0xff stands there already */
        in += 2;
    }
    *from = in;
    return smj_unstuff_bytes(to, to_end, from, end); /* the file's last bytes */
}

/* ---- Chroma and colour ----------------------------------------------------------------------- */

/* Bytes from 16-bit numbers of two vectors, in order. */
AVX2_INLINE __m256i pack(__m256i a, __m256i b)
{
    return _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xd8);
}

AVX2_INLINE __m256i load_sixteen(const uint8_t *from)
{
    return _mm256_cvtepu8_epi16(load_half(from));
}

/* 16-bit numbers, of which the even and odd ones are in vectors of their own, as bytes in order. */
AVX2_INLINE __m256i weave(__m256i even, __m256i odd)
{
    return _mm256_or_si256(even, _mm256_slli_epi16(odd, 8));
}

AVX2_INLINE __m256i triple(__m256i v)
{
    return _mm256_add_epi16(v, _mm256_add_epi16(v, v));
}

AVX2 static void upsample_x(uint8_t *out, const uint8_t *in, size_t count)
{
    for (size_t i = 0; i < count; i += 16) {
        const __m256i now = triple(load_sixteen(in + i));
        const __m256i before = load_sixteen(in + i - 1), after = load_sixteen(in + i + 1);
        const __m256i even = _mm256_add_epi16(_mm256_add_epi16(now, before), _mm256_set1_epi16(1));
        const __m256i odd = _mm256_add_epi16(_mm256_add_epi16(now, after), _mm256_set1_epi16(2));
        store(out + 2 * i, weave(_mm256_srli_epi16(even, 2), _mm256_srli_epi16(odd, 2)));
    }
}

AVX2_INLINE __m256i blend(const uint8_t *near, const uint8_t *far)
{
    return _mm256_add_epi16(triple(load_sixteen(near)), load_sixteen(far));
}

AVX2 static void upsample_y(uint8_t *out, const uint8_t *near, const uint8_t *far, bool upper,
                            size_t count)
{
    const __m256i half = _mm256_set1_epi16(upper ? 1 : 2);
    for (size_t i = 0; i < count; i += 32) {
        const __m256i a = _mm256_add_epi16(blend(near + i, far + i), half);
        const __m256i b = _mm256_add_epi16(blend(near + i + 16, far + i + 16), half);
        store(out + i, pack(_mm256_srli_epi16(a, 2), _mm256_srli_epi16(b, 2)));
    }
}

AVX2 static void upsample_xy(uint8_t *out, const uint8_t *near, const uint8_t *far, size_t count)
{
    for (size_t i = 0; i < count; i += 16) {
        const __m256i now = triple(blend(near + i, far + i));
        const __m256i before = blend(near + i - 1, far + i - 1);
        const __m256i after = blend(near + i + 1, far + i + 1);
        const __m256i even = _mm256_add_epi16(_mm256_add_epi16(now, before), _mm256_set1_epi16(8));
        const __m256i odd = _mm256_add_epi16(_mm256_add_epi16(now, after), _mm256_set1_epi16(7));
        store(out + 2 * i, weave(_mm256_srli_epi16(even, 4), _mm256_srli_epi16(odd, 4)));
    }
}

/* Sixteen of red, green and blue, as 16-bit numbers. */
typedef struct colours {
    __m256i red, green, blue;
} colours;

/* 1.402 = 1 + 0.402, 1.772 = 2 - 0.228 and 0.71414 = 1 - 0.28586: factors must fit 16 bits. */
AVX2_INLINE __m256i part(__m256i cb, __m256i cr, __m256i factors)
{
    return drop(add_half(multiply(cb, cr, factors), 16), 16);
}

AVX2_INLINE colours colours_of(const uint8_t *y, const uint8_t *cb, const uint8_t *cr)
{
    const __m256i luma = load_sixteen(y), level = _mm256_set1_epi16(128);
    const __m256i b = _mm256_sub_epi16(load_sixteen(cb), level);
    const __m256i r = _mm256_sub_epi16(load_sixteen(cr), level);
    const __m256i red = _mm256_add_epi16(r, part(b, r, pair(0, 91881 - 65536)));
    const __m256i green = _mm256_sub_epi16(part(b, r, pair(-22554, 65536 - 46802)), r);
    const __m256i blue =
        _mm256_add_epi16(_mm256_add_epi16(b, b), part(b, r, pair(116130 - 2 * 65536, 0)));
    return (colours){_mm256_add_epi16(luma, red), _mm256_add_epi16(luma, green),
                     _mm256_add_epi16(luma, blue)};
}

/* Sixteen pixels. */
AVX2_INLINE void store_pixels(uint8_t *to, const colours *c)
{
    const __m256i rb = _mm256_packus_epi16(c->red, c->blue); /* in each half: eight r, eight b */
    const __m256i gx = _mm256_packus_epi16(c->green, _mm256_set1_epi16(255));
    const __m256i rg = _mm256_unpacklo_epi8(rb, gx), bx = _mm256_unpackhi_epi8(rb, gx);
    const __m256i low = _mm256_unpacklo_epi16(rg, bx), high = _mm256_unpackhi_epi16(rg, bx);
    store(to, _mm256_permute2x128_si256(low, high, 0x20));
    store(to + 32, _mm256_permute2x128_si256(low, high, 0x31));
}

AVX2 static void convert(uint8_t *rgbx, const uint8_t *y, const uint8_t *cb, const uint8_t *cr,
                         size_t count)
{
    for (size_t i = 0; i < count; i += 16) {
        const __m256i luma = load_sixteen(y + i);
        const colours c =
            cb == NULL ? (colours){luma, luma, luma} : colours_of(y + i, cb + i, cr + i);
        store_pixels(rgbx + 4 * i, &c);
    }
}

static const smj_decode_kernels avx2 = {"avx2",     unstuff,     run,    upsample_x,
                                        upsample_y, upsample_xy, convert};

const smj_decode_kernels *smj_decode_avx2(void)
{
    return smj_cpu_has_avx2() ? &avx2 : NULL;
}

#else

const smj_decode_kernels *smj_decode_avx2(void)
{
    return NULL;
}

#endif
