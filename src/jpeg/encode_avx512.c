/*
 * The encoder's inner loops for AVX-512. The arithmetic is encode_portable.c's. What vectors of
 * twice the size do not give, three extensions do: bytes or 16-bit numbers of two vectors in any
 * order (VBMI), the marked ones of a vector moved together (VBMI2), products added up (VNNI).
 * Machines without these have their AVX2 twins: they are those that lower their clock for such
 * vectors.
 */
#include "jpeg/cpu.h"
#include "jpeg/dct.h"
#include "jpeg/encode_pack.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX512                                                                                    \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512cd,avx512vbmi,avx512vbmi2,avx512vnni," \
                          "bmi,bmi2,popcnt")))
#define AVX512_INLINE AVX512 static inline __attribute__((always_inline))

AVX512_INLINE __m256i load_half(const void *from)
{
    return _mm256_loadu_si256((const __m256i *)from);
}

AVX512_INLINE void store_half(void *to, __m256i v)
{
    _mm256_storeu_si256((__m256i *)to, v);
}

/* Two 16-bit factors, for all pairs of a vector. */
AVX512_INLINE __m512i pair(int low, int high)
{
    return _mm512_set1_epi32((int32_t)((uint32_t)(uint16_t)high << 16 | (uint16_t)low));
}

/* ---- Colour ---------------------------------------------------------------------------------- */

typedef struct sixteens {
    __m512i y, cb, cr; /* sixteen samples each: the third byte of 32 bits; chroma inverted */
} sixteens;

/* Two neighbouring bytes of each pixel as 16-bit numbers: from red on, or from green on. */
AVX512_INLINE __m512i spread(__m512i pixels, int first)
{
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i red = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(0x00030003));
    const __m512i from = _mm512_add_epi8(red, _mm512_set1_epi32((first + 1) << 16 | first));
    return _mm512_maskz_permutexvar_epi8(0x5555555555555555, from, pixels);
}

/*
 * Sums of products of pairs: (red, green) and (green, blue). A factor must fit 16 bits, so green's
 * part in luma is split over both pairs, and chroma is computed negated, where its factor 32768 is
 * -32768; as -x - 1 is x inverted, what is left of that is to invert the outcome.
 */
AVX512_INLINE sixteens convert_sixteen(const uint8_t *rgb, bool grey)
{
    const __m512i pixels = _mm512_maskz_loadu_epi8(((uint64_t)1 << 48) - 1, rgb);
    const __m512i rg = spread(pixels, 0), gb = spread(pixels, 1);
    const __m512i luma_half = _mm512_set1_epi32((1 << 15) - (128 << 16));
    const __m512i chroma_half = _mm512_set1_epi32(-(1 << 15));
    sixteens out = {luma_half, chroma_half, chroma_half};
    out.y = _mm512_dpwssd_epi32(out.y, rg, pair(19595, 38470 / 2));
    out.y = _mm512_dpwssd_epi32(out.y, gb, pair(38470 / 2, 7471));
    if (grey) return out;
    out.cb = _mm512_dpwssd_epi32(out.cb, rg, pair(11059, 21709));
    out.cb = _mm512_dpwssd_epi32(out.cb, gb, pair(0, -32768));
    out.cr = _mm512_dpwssd_epi32(out.cr, rg, pair(-32768, 27439));
    out.cr = _mm512_dpwssd_epi32(out.cr, gb, pair(0, 5329));
    return out;
}

/* The third bytes of a's 32-bit numbers, then of b's. */
AVX512_INLINE __m256i third_bytes(__m512i a, __m512i b)
{
    const __m256i lanes =
        _mm256_setr_epi8(2, 6, 10, 14, 18, 22, 26, 30, 34, 38, 42, 46, 50, 54, 58, 62, 66, 70, 74,
                         78, 82, 86, 90, 94, 98, 102, 106, 110, 114, 118, 122, 126);
    return _mm512_castsi512_si256(_mm512_permutex2var_epi8(a, _mm512_castsi256_si512(lanes), b));
}

AVX512_INLINE void convert_group(int8_t *y, int8_t *cb, int8_t *cr, const uint8_t *rgb, bool grey)
{
    const __m256i ones = _mm256_set1_epi8(-1);
    const sixteens a = convert_sixteen(rgb, grey), b = convert_sixteen(rgb + 48, grey);
    store_half(y, third_bytes(a.y, b.y));
    if (grey) return;
    store_half(cb, _mm256_xor_si256(third_bytes(a.cb, b.cb), ones));
    store_half(cr, _mm256_xor_si256(third_bytes(a.cr, b.cr), ones));
}

AVX512 static void convert(int8_t *y, int8_t *cb, int8_t *cr, const uint8_t *rgb, size_t groups)
{
    for (size_t i = 0; i < groups; i++, rgb += 3 * SMJ_GROUP) {
        const size_t at = i * SMJ_GROUP;
        if (cb == NULL)
            convert_group(y + at, NULL, NULL, rgb, true);
        else
            convert_group(y + at, cb + at, cr + at, rgb, false);
    }
}

/* ---- Chroma ---------------------------------------------------------------------------------- */

/* Sums of neighbours, 16 bits wide, of at most 32 pairs. */
AVX512_INLINE __m512i sum_neighbours(const int8_t *from, size_t pairs)
{
    const __mmask64 wanted = pairs >= 32 ? UINT64_MAX : ((uint64_t)1 << 2 * pairs) - 1;
    return _mm512_maddubs_epi16(_mm512_set1_epi8(1), _mm512_maskz_loadu_epi8(wanted, from));
}

AVX512_INLINE void store_bytes(int8_t *to, __m512i words, size_t count)
{
    const __mmask32 wanted = count >= 32 ? UINT32_MAX : ((uint32_t)1 << count) - 1;
    _mm256_mask_storeu_epi8(to, wanted, _mm512_cvtepi16_epi8(words));
}

AVX512 static void halve_x(int8_t *to, const int8_t *from, size_t count)
{
    for (size_t i = 0; i < count; i += 32) {
        const __m512i sums = sum_neighbours(from + 2 * i, count - i);
        store_bytes(to + i, _mm512_srai_epi16(_mm512_add_epi16(sums, pair(0, 1)), 1), count - i);
    }
}

AVX512 static void halve_xy(int8_t *to, const int8_t *upper, const int8_t *lower, size_t count)
{
    for (size_t i = 0; i < count; i += 32) {
        const __m512i sums = _mm512_add_epi16(sum_neighbours(upper + 2 * i, count - i),
                                              sum_neighbours(lower + 2 * i, count - i));
        store_bytes(to + i, _mm512_srai_epi16(_mm512_add_epi16(sums, pair(1, 2)), 2), count - i);
    }
}

/* ---- Forward DCT ----------------------------------------------------------------------------- */

/* Four neighbouring blocks: quarter b of v[i] is row i of block b. */
typedef struct four_blocks {
    __m512i v[8];
} four_blocks;

/* In all blocks rows become columns. */
AVX512_INLINE void transpose(four_blocks *b)
{
    __m512i *v = b->v, t[8], u[8];
    for (int i = 0; i < 4; i++) { /* rows 0 1, 2 3, 4 5, 6 7: two rows' cells in turn */
        t[2 * i] = _mm512_unpacklo_epi16(v[2 * i], v[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi16(v[2 * i], v[2 * i + 1]);
    }
    for (int i = 0; i < 8; i += 4) { /* four rows' */
        u[i] = _mm512_unpacklo_epi32(t[i], t[i + 2]);
        u[i + 1] = _mm512_unpackhi_epi32(t[i], t[i + 2]);
        u[i + 2] = _mm512_unpacklo_epi32(t[i + 1], t[i + 3]);
        u[i + 3] = _mm512_unpackhi_epi32(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) { /* all eight */
        v[2 * i] = _mm512_unpacklo_epi64(u[i], u[i + 4]);
        v[2 * i + 1] = _mm512_unpackhi_epi64(u[i], u[i + 4]);
    }
}

typedef struct products {
    __m512i low, high; /* first and second fours of each quarter, 32 bits wide */
} products;

/* To sums: a's numbers times the low factor, plus b's times the high one. */
AVX512_INLINE products add_products(products sums, __m512i a, __m512i b, __m512i factors)
{
    return (products){_mm512_dpwssd_epi32(sums.low, _mm512_unpacklo_epi16(a, b), factors),
                      _mm512_dpwssd_epi32(sums.high, _mm512_unpackhi_epi16(a, b), factors)};
}

/* Without the lowest bits. */
AVX512_INLINE __m512i drop(products a, int bits)
{
    const __m128i count = _mm_cvtsi32_si128(bits);
    return _mm512_packs_epi32(_mm512_sra_epi32(a.low, count), _mm512_sra_epi32(a.high, count));
}

/*
 * Along the vectors' index. Sums and differences fit 16 bits in both passes. A rotation, which
 * takes three multiplications in encode_portable.c, is one instruction for each result here, with
 * factors that are sums of those. Sums begin with what rounds them.
 */
AVX512_INLINE void dct_1d(four_blocks *b, bool first)
{
    __m512i *v = b->v;
    const int bits = first ? SMJ_FIXED_BITS - SMJ_PASS_BITS : SMJ_FIXED_BITS + SMJ_PASS_BITS;
    const __m512i round = _mm512_set1_epi32(1 << (bits - 1));
    const products half = {round, round};
    const __m512i sum0 = _mm512_add_epi16(v[0], v[7]), dif0 = _mm512_sub_epi16(v[0], v[7]);
    const __m512i sum1 = _mm512_add_epi16(v[1], v[6]), dif1 = _mm512_sub_epi16(v[1], v[6]);
    const __m512i sum2 = _mm512_add_epi16(v[2], v[5]), dif2 = _mm512_sub_epi16(v[2], v[5]);
    const __m512i sum3 = _mm512_add_epi16(v[3], v[4]), dif3 = _mm512_sub_epi16(v[3], v[4]);

    const __m512i even0 = _mm512_add_epi16(sum0, sum3), even3 = _mm512_sub_epi16(sum0, sum3);
    const __m512i even1 = _mm512_add_epi16(sum1, sum2), even2 = _mm512_sub_epi16(sum1, sum2);
    v[0] = _mm512_add_epi16(even0, even1);
    v[4] = _mm512_sub_epi16(even0, even1);
    for (int i = 0; i < 8; i += 4) {
        const __m512i small = _mm512_set1_epi16(1 << (SMJ_PASS_BITS - 1));
        v[i] = first ? _mm512_slli_epi16(v[i], SMJ_PASS_BITS)
                     : _mm512_srai_epi16(_mm512_add_epi16(v[i], small), SMJ_PASS_BITS);
    }
    v[2] = drop(add_products(half, even2, even3, pair(SMJ_F0541, SMJ_F0541 + SMJ_F0765)), bits);
    v[6] = drop(add_products(half, even2, even3, pair(SMJ_F0541 - SMJ_F1847, SMJ_F0541)), bits);

    const __m512i odd3 = _mm512_add_epi16(dif3, dif1), odd4 = _mm512_add_epi16(dif2, dif0);
    const products z3 = add_products(half, odd3, odd4, pair(SMJ_F1175 - SMJ_F1961, SMJ_F1175));
    const products z4 = add_products(half, odd3, odd4, pair(SMJ_F1175, SMJ_F1175 - SMJ_F0390));
    v[7] = drop(add_products(z3, dif3, dif0, pair(SMJ_F0298 - SMJ_F0899, -SMJ_F0899)), bits);
    v[1] = drop(add_products(z4, dif3, dif0, pair(-SMJ_F0899, SMJ_F1501 - SMJ_F0899)), bits);
    v[5] = drop(add_products(z4, dif2, dif1, pair(SMJ_F2053 - SMJ_F2562, -SMJ_F2562)), bits);
    v[3] = drop(add_products(z3, dif2, dif1, pair(-SMJ_F2562, SMJ_F3072 - SMJ_F2562)), bits);
}

/* A row of the table for each of two blocks, twice. */
AVX512_INLINE __m512i load_twice(const uint16_t *row)
{
    return _mm512_broadcast_i64x4(load_half(row));
}

AVX512_INLINE void quantise(four_blocks *b, const smj_quantiser *q)
{
    for (int i = 0; i < 8; i++) {
        const int at = i * SMJ_PAIR_ROW;
        __m512i x = _mm512_add_epi16(_mm512_abs_epi16(b->v[i]), load_twice(q->half + at));
        x = _mm512_mulhi_epu16(x, load_twice(q->reciprocal + at));
        x = _mm512_mulhi_epu16(x, load_twice(q->scale + at));
        const __mmask32 negative = _mm512_movepi16_mask(b->v[i]);
        b->v[i] = _mm512_mask_sub_epi16(x, negative, _mm512_setzero_si512(), x);
    }
}

/* Of four rows of four blocks each: to[b] has the four rows of block b. */
AVX512_INLINE void gather_rows(__m512i to[4], const __m512i rows[4])
{
    const __m512i low01 = _mm512_shuffle_i64x2(rows[0], rows[1], _MM_SHUFFLE(1, 0, 1, 0));
    const __m512i low23 = _mm512_shuffle_i64x2(rows[2], rows[3], _MM_SHUFFLE(1, 0, 1, 0));
    const __m512i high01 = _mm512_shuffle_i64x2(rows[0], rows[1], _MM_SHUFFLE(3, 2, 3, 2));
    const __m512i high23 = _mm512_shuffle_i64x2(rows[2], rows[3], _MM_SHUFFLE(3, 2, 3, 2));
    to[0] = _mm512_shuffle_i64x2(low01, low23, _MM_SHUFFLE(2, 0, 2, 0));
    to[1] = _mm512_shuffle_i64x2(low01, low23, _MM_SHUFFLE(3, 1, 3, 1));
    to[2] = _mm512_shuffle_i64x2(high01, high23, _MM_SHUFFLE(2, 0, 2, 0));
    to[3] = _mm512_shuffle_i64x2(high01, high23, _MM_SHUFFLE(3, 1, 3, 1));
}

/* The first count blocks in zigzag order, and marks on what is not zero. */
AVX512_INLINE void store_blocks(int16_t (*coefs)[SMJ_BLOCK], uint64_t *marks, const four_blocks *b,
                                size_t count)
{
    const __m512i order_low = _mm512_cvtepu8_epi16(load_half(smj_zigzag));
    const __m512i order_high = _mm512_cvtepu8_epi16(load_half(smj_zigzag + 32));
    __m512i upper[4], lower[4]; /* rows 0 to 3 of each block, and 4 to 7 */
    gather_rows(upper, b->v);
    gather_rows(lower, b->v + 4);
    for (size_t i = 0; i < count; i++) {
        const __m512i low = _mm512_permutex2var_epi16(upper[i], order_low, lower[i]);
        const __m512i high = _mm512_permutex2var_epi16(upper[i], order_high, lower[i]);
        _mm512_store_si512(coefs[i], low);
        _mm512_store_si512(coefs[i] + 32, high);
        marks[i] =
            (uint64_t)_mm512_test_epi16_mask(high, high) << 32 | _mm512_test_epi16_mask(low, low);
    }
}

/* Two or four neighbouring blocks. */
AVX512_INLINE void transform_blocks(smj_blocks *to, size_t first, size_t count, const int8_t *from,
                                    size_t stride, const smj_quantiser *quantiser)
{
    const __mmask32 wanted = count == 4 ? UINT32_MAX : UINT16_MAX;
    four_blocks b;
    for (size_t row = 0; row < 8; row++)
        b.v[row] = _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(wanted, from + row * stride));
    transpose(&b);
    dct_1d(&b, true);
    transpose(&b);
    dct_1d(&b, false);
    quantise(&b, quantiser);
    store_blocks(to->coefs + first, to->marks + first, &b, count);
}

AVX512 static void transform(smj_blocks *to, size_t first, size_t pairs, const int8_t *from,
                             size_t stride, const smj_quantiser *quantiser,
                             const smj_shuffles *shuffles)
{
    (void)shuffles; /* the order of the scan is all that is needed */
    const size_t end = first + 2 * pairs;
    for (; first + 4 <= end; first += 4, from += 32)
        transform_blocks(to, first, 4, from, stride, quantiser);
    if (first < end) transform_blocks(to, first, 2, from, stride, quantiser);
}

/* ---- Tokens and bits ------------------------------------------------------------------------- */

/*
 * In two steps without a branch that depends on the picture: first the marked coefficients of all
 * blocks are moved together, then their tokens are made in sixteens.
 */
enum {
    MARKED_MAX = SMJ_SCAN_BLOCKS * SMJ_BLOCK,
    CHROMA_FLAG = SMJ_BLOCK, /* beside a place in zigzag order */
    MARKED_SLACK = SMJ_BLOCK /* a block writes as many, however few are marked */
};

typedef struct marked {
    int16_t values[MARKED_MAX + MARKED_SLACK];
    uint8_t places[1 + MARKED_MAX + MARKED_SLACK]; /* from 1 on: each has one before */
} marked;

/* Adds a block's marked coefficients to count others; returns the new count. */
AVX512_INLINE size_t move_marked(marked *to, size_t count, const int16_t coefs[SMJ_BLOCK],
                                 uint64_t marks, __m512i places)
{
    const __m512i low = _mm512_load_si512(coefs), high = _mm512_load_si512(coefs + 32);
    const __mmask32 in_low = (uint32_t)marks, in_high = (uint32_t)(marks >> 32);
    int16_t *values = to->values + count;
    /* what a vector has behind its marked ones is no matter: it is written over, or left unused */
    _mm512_storeu_si512(to->places + 1 + count, _mm512_mask_compress_epi8(places, marks, places));
    _mm512_storeu_si512(values, _mm512_mask_compress_epi16(low, in_low, low));
    _mm512_storeu_si512(values + __builtin_popcount(in_low),
                        _mm512_mask_compress_epi16(high, in_high, high));
    return count + (size_t)__builtin_popcountll(marks);
}

/* The tokens of sixteen values, given their places and those of the values before them. */
AVX512_INLINE __m512i make_sixteen(__m512i values, __m512i places, __m512i before)
{
    /* the low bits of the value, or of one less when it is negative: as many as the size category
     * says */
    const __m512i unused = _mm512_lzcnt_epi32(_mm512_abs_epi32(values));
    const __m512i category = _mm512_sub_epi32(_mm512_set1_epi32(32), unused);
    const __m512i bits = _mm512_srlv_epi32(_mm512_set1_epi32(-1), unused);
    const __m512i more =
        _mm512_and_si512(_mm512_add_epi32(values, _mm512_srai_epi32(values, 31)), bits);

    /* ((places - before - 1) << 4) + (SMJ_AC_LUMA << 8); a DC value has neither run nor AC table */
    const __m512i ac = _mm512_add_epi32(_mm512_slli_epi32(_mm512_sub_epi32(places, before), 4),
                                        _mm512_set1_epi32(SMJ_AC_LUMA * SMJ_SYMBOLS - (1 << 4)));
    const __mmask16 is_ac = _mm512_test_epi32_mask(places, _mm512_set1_epi32(SMJ_BLOCK - 1));
    const __mmask16 chroma = _mm512_test_epi32_mask(places, _mm512_set1_epi32(CHROMA_FLAG));
    __m512i ids = _mm512_mask_add_epi32(category, is_ac, category, ac);
    ids = _mm512_mask_add_epi32(ids, chroma, ids, _mm512_set1_epi32(SMJ_CHROMA * SMJ_SYMBOLS));
    return _mm512_or_si512(ids, _mm512_slli_epi32(more, 16));
}

AVX512_INLINE __m512i load_places(const uint8_t *from)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)from));
}

AVX512 static uint32_t *tokens(uint32_t *to, const smj_blocks *blocks, const uint8_t *order,
                               size_t count, const smj_shuffles *shuffles)
{
    (void)shuffles; /* VBMI2 needs none */
    uint8_t numbers[SMJ_BLOCK];
    for (int i = 0; i < SMJ_BLOCK; i++) numbers[i] = (uint8_t)i;
    const __m512i luma = _mm512_loadu_si512(numbers);
    const __m512i chroma = _mm512_or_si512(luma, _mm512_set1_epi8(CHROMA_FLAG));
    marked m;
    size_t total = 0;
    m.places[0] = 0;
    for (size_t i = 0; i < count; i++)
        total = move_marked(&m, total, blocks->coefs[order[i]], blocks->marks[order[i]],
                            order[i] < SMJ_PLANE_BLOCKS ? luma : chroma);
    for (size_t i = 0; i < total; i += 16)
        _mm512_storeu_si512(to + i,
                            make_sixteen(_mm512_cvtepi16_epi32(load_half(m.values + i)),
                                         load_places(m.places + 1 + i), load_places(m.places + i)));
    return to + total;
}

AVX512 static uint8_t *pack(uint8_t *to, smj_bits *held, const uint32_t *from, size_t count,
                            const smj_code codes[SMJ_SYMBOL_IDS])
{
    return smj_pack_tokens(to, held, from, count, codes);
}

AVX512 static uint8_t *stuff(uint8_t *to, const uint8_t *from, size_t count)
{
    const uint8_t *end = from + count;
    while (from < end) {
        const __m256i bytes = load_half(from);
        const uint32_t full = _mm256_cmpeq_epi8_mask(bytes, _mm256_set1_epi8(-1));
        store_half(to, bytes);
        /* up to the first 0xff, and all when there is none */
        const uint32_t plain = full == 0 ? 32 : (uint32_t)__builtin_ctz(full) + 1;
        if (plain > (size_t)(end - from)) return to + (end - from);
        from += plain;
        to += plain;
        if (full != 0) *to++ = 0;
    }
    return to;
}

static const smj_kernels avx512 = {"avx512",  convert, halve_x, halve_xy,
                                   transform, tokens,  pack,    stuff};

const smj_kernels *smj_kernels_avx512(void)
{
    return smj_cpu_has_avx512() ? &avx512 : NULL;
}

#else

const smj_kernels *smj_kernels_avx512(void)
{
    return NULL;
}

#endif
