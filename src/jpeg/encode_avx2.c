/*
 * The encoder's inner loops for AVX2 (with BMI2, whose shifts by a variable are cheap; every
 * machine with the one has the other). The arithmetic is encode_portable.c's, sixteen numbers at a
 * time.
 */
#include "jpeg/cpu.h"
#include "jpeg/dct.h"
#include "jpeg/encode_pack.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2        __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define AVX2_INLINE AVX2 static inline __attribute__((always_inline))

AVX2_INLINE __m256i load(const void *from)
{
    return _mm256_loadu_si256((const __m256i *)from);
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

/* ---- Colour ---------------------------------------------------------------------------------- */

/* Four pixels at low and four at high, one four in each half. */
AVX2_INLINE __m256i load_fours(const uint8_t *low, const uint8_t *high)
{
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)low);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)high);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
}

/* 0, or 4 when the loads began 4 bytes early. */
AVX2_INLINE __m256i spread(__m256i pixels, int early, int first)
{
    const __m128i rg = _mm_setr_epi8(0, -1, 1, -1, 3, -1, 4, -1, 6, -1, 7, -1, 9, -1, 10, -1);
    /* what is -1 stays negative, and so gives 0 */
    const __m128i by = _mm_set1_epi16((int16_t)(early + first));
    return _mm256_shuffle_epi8(pixels, _mm256_broadcastsi128_si256(_mm_add_epi16(rg, by)));
}

typedef struct fours {
    __m256i y, cb, cr; /* eight samples each, 32 bits wide */
} fours;

/*
 * Sums of products of pairs: (red, green) and (green, blue). A factor must fit 16 bits, so green's
 * part in luma is split over both pairs, and chroma is computed negated, where its factor 32768 is
 * -32768.
 */
AVX2_INLINE fours convert_eight(const uint8_t *low, const uint8_t *high, int early, bool grey)
{
    const __m256i pixels = load_fours(low, high);
    const __m256i rg = spread(pixels, early, 0), gb = spread(pixels, early, 1);
    const __m256i luma_half = _mm256_set1_epi32((1 << 15) - (128 << 16));
    const __m256i chroma_half = _mm256_set1_epi32((1 << 15) - 1);
    fours out = {luma_half, chroma_half, chroma_half};
    out.y = _mm256_add_epi32(out.y, _mm256_madd_epi16(rg, pair(19595, 38470 / 2)));
    out.y = _mm256_add_epi32(out.y, _mm256_madd_epi16(gb, pair(38470 / 2, 7471)));
    out.y = _mm256_srai_epi32(out.y, 16);
    if (grey) return out;
    out.cb = _mm256_sub_epi32(out.cb, _mm256_madd_epi16(rg, pair(11059, 21709)));
    out.cb = _mm256_sub_epi32(out.cb, _mm256_madd_epi16(gb, pair(0, -32768)));
    out.cb = _mm256_srai_epi32(out.cb, 16);
    out.cr = _mm256_sub_epi32(out.cr, _mm256_madd_epi16(rg, pair(-32768, 27439)));
    out.cr = _mm256_sub_epi32(out.cr, _mm256_madd_epi16(gb, pair(0, 5329)));
    out.cr = _mm256_srai_epi32(out.cr, 16);
    return out;
}

/* 32 samples in order from four eights: packing works within halves, and so do the eights. */
AVX2_INLINE __m256i pack_eights(__m256i a, __m256i b, __m256i c, __m256i d)
{
    return _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
}

AVX2_INLINE void convert_group(int8_t *y, int8_t *cb, int8_t *cr, const uint8_t *rgb, bool grey)
{
    /* Pixels 0-3 and 16-19, 4-7 and 20-23, and so on. Each load takes 16 bytes for 12; the last of
     * a row of pixels begins early, not to read behind the end. */
    const fours a = convert_eight(rgb, rgb + 48, 0, grey);
    const fours b = convert_eight(rgb + 12, rgb + 60, 0, grey);
    const fours c = convert_eight(rgb + 24, rgb + 72, 0, grey);
    const fours d = convert_eight(rgb + 36 - 4, rgb + 84 - 4, 4, grey);
    store(y, pack_eights(a.y, b.y, c.y, d.y));
    if (grey) return;
    store(cb, pack_eights(a.cb, b.cb, c.cb, d.cb));
    store(cr, pack_eights(a.cr, b.cr, c.cr, d.cr));
}

AVX2 static void convert(int8_t *y, int8_t *cb, int8_t *cr, const uint8_t *rgb, size_t groups)
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

/* Sums of neighbours, 16 bits wide. */
AVX2_INLINE __m256i sum_neighbours(const int8_t *from)
{
    return _mm256_maddubs_epi16(_mm256_set1_epi8(1), load(from));
}

AVX2_INLINE void store_sixteen(int8_t *to, __m256i words)
{
    const __m128i bytes =
        _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((__m128i *)(void *)to, bytes);
}

AVX2 static void halve_x(int8_t *to, const int8_t *from, size_t count)
{
    for (size_t i = 0; i < count; i += 16) {
        const __m256i sums = _mm256_add_epi16(sum_neighbours(from + 2 * i), pair(0, 1));
        store_sixteen(to + i, _mm256_srai_epi16(sums, 1));
    }
}

AVX2 static void halve_xy(int8_t *to, const int8_t *upper, const int8_t *lower, size_t count)
{
    for (size_t i = 0; i < count; i += 16) {
        const __m256i sums =
            _mm256_add_epi16(sum_neighbours(upper + 2 * i), sum_neighbours(lower + 2 * i));
        store_sixteen(to + i, _mm256_srai_epi16(_mm256_add_epi16(sums, pair(1, 2)), 2));
    }
}

/* ---- Forward DCT ----------------------------------------------------------------------------- */

/* Two neighbouring blocks: v[i] is row i of the left one in the low half, of the right one in the
 * high half. */
typedef struct block_pair {
    __m256i v[8];
} block_pair;

/* Both blocks change rows and columns. */
AVX2_INLINE void transpose(block_pair *b)
{
    __m256i *v = b->v, t[8], u[8];
    for (int i = 0; i < 4; i++) { /* rows 0 1, 2 3, 4 5, 6 7: two rows' cells in turn */
        t[2 * i] = _mm256_unpacklo_epi16(v[2 * i], v[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_epi16(v[2 * i], v[2 * i + 1]);
    }
    for (int i = 0; i < 8; i += 4) { /* four rows' */
        u[i] = _mm256_unpacklo_epi32(t[i], t[i + 2]);
        u[i + 1] = _mm256_unpackhi_epi32(t[i], t[i + 2]);
        u[i + 2] = _mm256_unpacklo_epi32(t[i + 1], t[i + 3]);
        u[i + 3] = _mm256_unpackhi_epi32(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) { /* all eight */
        v[2 * i] = _mm256_unpacklo_epi64(u[i], u[i + 4]);
        v[2 * i + 1] = _mm256_unpackhi_epi64(u[i], u[i + 4]);
    }
}

typedef struct products {
    __m256i low, high; /* first and second fours of each half, 32 bits wide */
} products;

/* a's numbers times the low factor, plus b's times the high one. */
AVX2_INLINE products multiply(__m256i a, __m256i b, __m256i factors)
{
    return (products){_mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), factors),
                      _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), factors)};
}

AVX2_INLINE products sum(products a, products b)
{
    return (products){_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
}

/* Rounded, without the lowest bits. */
AVX2_INLINE __m256i drop(products a, int bits)
{
    const __m256i half = _mm256_set1_epi32(1 << (bits - 1));
    return _mm256_packs_epi32(_mm256_srai_epi32(_mm256_add_epi32(a.low, half), bits),
                              _mm256_srai_epi32(_mm256_add_epi32(a.high, half), bits));
}

/*
 * Along the vectors' index. Sums and differences fit 16 bits in both passes. A rotation, which
 * takes three multiplications in encode_portable.c, is one instruction for each result here, with
 * factors that are sums of those.
 */
AVX2_INLINE void dct_1d(block_pair *b, bool first)
{
    __m256i *v = b->v;
    const int bits = first ? SMJ_FIXED_BITS - SMJ_PASS_BITS : SMJ_FIXED_BITS + SMJ_PASS_BITS;
    const __m256i sum0 = _mm256_add_epi16(v[0], v[7]), dif0 = _mm256_sub_epi16(v[0], v[7]);
    const __m256i sum1 = _mm256_add_epi16(v[1], v[6]), dif1 = _mm256_sub_epi16(v[1], v[6]);
    const __m256i sum2 = _mm256_add_epi16(v[2], v[5]), dif2 = _mm256_sub_epi16(v[2], v[5]);
    const __m256i sum3 = _mm256_add_epi16(v[3], v[4]), dif3 = _mm256_sub_epi16(v[3], v[4]);

    const __m256i even0 = _mm256_add_epi16(sum0, sum3), even3 = _mm256_sub_epi16(sum0, sum3);
    const __m256i even1 = _mm256_add_epi16(sum1, sum2), even2 = _mm256_sub_epi16(sum1, sum2);
    v[0] = _mm256_add_epi16(even0, even1);
    v[4] = _mm256_sub_epi16(even0, even1);
    for (int i = 0; i < 8; i += 4) {
        const __m256i half = _mm256_set1_epi16(1 << (SMJ_PASS_BITS - 1));
        v[i] = first ? _mm256_slli_epi16(v[i], SMJ_PASS_BITS)
                     : _mm256_srai_epi16(_mm256_add_epi16(v[i], half), SMJ_PASS_BITS);
    }
    v[2] = drop(multiply(even2, even3, pair(SMJ_F0541, SMJ_F0541 + SMJ_F0765)), bits);
    v[6] = drop(multiply(even2, even3, pair(SMJ_F0541 - SMJ_F1847, SMJ_F0541)), bits);

    const __m256i odd3 = _mm256_add_epi16(dif3, dif1), odd4 = _mm256_add_epi16(dif2, dif0);
    const products z3 = multiply(odd3, odd4, pair(SMJ_F1175 - SMJ_F1961, SMJ_F1175));
    const products z4 = multiply(odd3, odd4, pair(SMJ_F1175, SMJ_F1175 - SMJ_F0390));
    v[7] = drop(sum(multiply(dif3, dif0, pair(SMJ_F0298 - SMJ_F0899, -SMJ_F0899)), z3), bits);
    v[1] = drop(sum(multiply(dif3, dif0, pair(-SMJ_F0899, SMJ_F1501 - SMJ_F0899)), z4), bits);
    v[5] = drop(sum(multiply(dif2, dif1, pair(SMJ_F2053 - SMJ_F2562, -SMJ_F2562)), z4), bits);
    v[3] = drop(sum(multiply(dif2, dif1, pair(-SMJ_F2562, SMJ_F3072 - SMJ_F2562)), z3), bits);
}

AVX2_INLINE void quantise(block_pair *b, const smj_quantiser *q)
{
    for (int i = 0; i < 8; i++) {
        const int at = i * SMJ_PAIR_ROW;
        __m256i x = _mm256_add_epi16(_mm256_abs_epi16(b->v[i]), load(q->half + at));
        x = _mm256_mulhi_epu16(x, load(q->reciprocal + at));
        x = _mm256_mulhi_epu16(x, load(q->scale + at));
        b->v[i] = _mm256_sign_epi16(x, b->v[i]);
    }
}

/* Eight of zigzag order, which come from rows first to last. */
AVX2_INLINE __m256i zigzag_eight(const block_pair *b, const smj_shuffles *shuffles, int eight,
                                 int first, int last)
{
    __m256i out = _mm256_shuffle_epi8(b->v[first], load(shuffles->zigzag[eight][first]));
    for (int row = first + 1; row <= last; row++)
        out = _mm256_or_si256(out,
                              _mm256_shuffle_epi8(b->v[row], load(shuffles->zigzag[eight][row])));
    return out;
}

AVX2_INLINE void zigzag(block_pair *to, const block_pair *b, const smj_shuffles *shuffles)
{
    to->v[0] = zigzag_eight(b, shuffles, 0, 0, 2);
    to->v[1] = zigzag_eight(b, shuffles, 1, 0, 4);
    to->v[2] = zigzag_eight(b, shuffles, 2, 1, 6);
    to->v[3] = zigzag_eight(b, shuffles, 3, 0, 3);
    to->v[4] = zigzag_eight(b, shuffles, 4, 4, 7);
    to->v[5] = zigzag_eight(b, shuffles, 5, 1, 6);
    to->v[6] = zigzag_eight(b, shuffles, 6, 3, 7);
    to->v[7] = zigzag_eight(b, shuffles, 7, 5, 7);
}

/* The left block, then the right one, and marks on what is not zero. */
AVX2_INLINE void store_blocks(int16_t coefs[2][SMJ_BLOCK], uint64_t marks[2], const block_pair *b)
{
    uint64_t left = 0, right = 0;
    for (int i = 6; i >= 0; i -= 2) {
        const __m256i low = b->v[i], high = b->v[i + 1];
        store(coefs[0] + 8 * i, _mm256_permute2x128_si256(low, high, 0x20));
        store(coefs[1] + 8 * i, _mm256_permute2x128_si256(low, high, 0x31));
        /* one byte each: saturation keeps what is not zero so */
        const __m256i zero =
            _mm256_cmpeq_epi8(_mm256_packs_epi16(low, high), _mm256_setzero_si256());
        const uint32_t nonzero = ~(uint32_t)_mm256_movemask_epi8(zero);
        left = left << 16 | (nonzero & 0xffff);
        right = right << 16 | nonzero >> 16;
    }
    marks[0] = left;
    marks[1] = right;
}

AVX2 static void transform(smj_blocks *to, size_t first, size_t pairs, const int8_t *from,
                           size_t stride, const smj_quantiser *quantiser,
                           const smj_shuffles *shuffles)
{
    for (size_t i = first; i < first + 2 * pairs; i += 2, from += 16) {
        block_pair b, ordered;
        for (size_t row = 0; row < 8; row++)
            b.v[row] = _mm256_cvtepi8_epi16(
                _mm_loadu_si128((const __m128i *)(const void *)(from + row * stride)));
        transpose(&b);
        dct_1d(&b, true);
        transpose(&b);
        dct_1d(&b, false);
        quantise(&b, quantiser);
        zigzag(&ordered, &b, shuffles);
        store_blocks(to->coefs + i, to->marks + i, &ordered);
    }
}

/* ---- Tokens and bits ------------------------------------------------------------------------- */

/*
 * How many tokens a block has is hard to foretell, and a loop over them is mispredicted at its end
 * nearly every time. So they are made in two steps without a branch that depends on the picture:
 * first the marked coefficients of all blocks are moved together, then their tokens are made in
 * sixteens.
 */
enum {
    MARKED_MAX = SMJ_SCAN_BLOCKS * SMJ_BLOCK,
    CHROMA_FLAG = SMJ_BLOCK /* beside a place in zigzag order */
};

typedef struct marked {
    int16_t values[MARKED_MAX + SMJ_TOKENS_SLACK];
    uint8_t places[1 + MARKED_MAX + SMJ_TOKENS_SLACK]; /* from 1 on: each has one before */
} marked;

/* Adds a block's marked coefficients to count others; returns the new count. */
AVX2_INLINE size_t move_marked(marked *to, size_t count, const int16_t coefs[SMJ_BLOCK],
                               uint64_t marks, int flag, const smj_shuffles *shuffles)
{
    __m128i first = _mm_set1_epi8((char)flag);
    for (int eight = 0; eight < SMJ_BLOCK; eight += 8, marks >>= 8) {
        const uint8_t now = (uint8_t)marks;
        const __m128i values = _mm_load_si128((const __m128i *)(const void *)(coefs + eight));
        const __m128i shuffle =
            _mm_load_si128((const __m128i *)(const void *)shuffles->marked[now]);
        const __m128i places =
            _mm_loadl_epi64((const __m128i *)(const void *)shuffles->indices[now]);
        _mm_storeu_si128((__m128i *)(void *)(to->values + count),
                         _mm_shuffle_epi8(values, shuffle));
        _mm_storel_epi64((__m128i *)(void *)(to->places + 1 + count), _mm_add_epi8(places, first));
        first = _mm_add_epi8(first, _mm_set1_epi8(8));
        count += (size_t)__builtin_popcount(now);
    }
    return count;
}

/* The number of bits set in each 16-bit number. */
AVX2_INLINE __m256i count_bits(__m256i v)
{
    const __m256i of_four =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m256i four = _mm256_set1_epi8(15);
    const __m256i low = _mm256_shuffle_epi8(of_four, _mm256_and_si256(v, four));
    const __m256i high =
        _mm256_shuffle_epi8(of_four, _mm256_and_si256(_mm256_srli_epi16(v, 4), four));
    return _mm256_maddubs_epi16(_mm256_add_epi8(low, high), _mm256_set1_epi8(1));
}

/* The tokens of sixteen values, given their places and those of the values before them. */
AVX2_INLINE void make_sixteen(uint32_t *to, __m256i values, __m256i places, __m256i before)
{
    /* all bits up to the highest of the magnitude: as many as the size category says */
    __m256i bits = _mm256_abs_epi16(values);
    bits = _mm256_or_si256(bits, _mm256_srli_epi16(bits, 1));
    bits = _mm256_or_si256(bits, _mm256_srli_epi16(bits, 2));
    bits = _mm256_or_si256(bits, _mm256_srli_epi16(bits, 4));
    bits = _mm256_or_si256(bits, _mm256_srli_epi16(bits, 8));
    /* the low bits of the value, or of one less when it is negative */
    const __m256i more =
        _mm256_and_si256(_mm256_add_epi16(values, _mm256_srai_epi16(values, 15)), bits);

    /* ((places - before - 1) << 4) + (SMJ_AC_LUMA << 8); a DC value has neither run nor AC table */
    const __m256i ac = _mm256_add_epi16(_mm256_slli_epi16(_mm256_sub_epi16(places, before), 4),
                                        _mm256_set1_epi16(SMJ_AC_LUMA * SMJ_SYMBOLS - (1 << 4)));
    const __m256i is_dc = _mm256_cmpeq_epi16(
        _mm256_and_si256(places, _mm256_set1_epi16(SMJ_BLOCK - 1)), _mm256_setzero_si256());
    const __m256i chroma = _mm256_and_si256(places, _mm256_set1_epi16(CHROMA_FLAG));
    __m256i ids = _mm256_add_epi16(count_bits(bits), _mm256_andnot_si256(is_dc, ac));
    ids = _mm256_add_epi16(
        ids, _mm256_mullo_epi16(chroma, _mm256_set1_epi16(SMJ_CHROMA * SMJ_SYMBOLS / CHROMA_FLAG)));

    const __m256i low = _mm256_unpacklo_epi16(ids, more), high = _mm256_unpackhi_epi16(ids, more);
    store(to, _mm256_permute2x128_si256(low, high, 0x20));
    store(to + 8, _mm256_permute2x128_si256(low, high, 0x31));
}

AVX2_INLINE __m256i load_places(const uint8_t *from)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)from));
}

AVX2 static uint32_t *tokens(uint32_t *to, const smj_blocks *blocks, const uint8_t *order,
                             size_t count, const smj_shuffles *shuffles)
{
    marked m;
    size_t total = 0;
    m.places[0] = 0;
    for (size_t i = 0; i < count; i++)
        total = move_marked(&m, total, blocks->coefs[order[i]], blocks->marks[order[i]],
                            order[i] < SMJ_PLANE_BLOCKS ? 0 : CHROMA_FLAG, shuffles);
    for (size_t i = 0; i < total; i += 16)
        make_sixteen(to + i, load(m.values + i), load_places(m.places + 1 + i),
                     load_places(m.places + i));
    return to + total;
}

AVX2 static uint8_t *pack(uint8_t *to, smj_bits *held, const uint32_t *from, size_t count,
                          const smj_code codes[SMJ_SYMBOL_IDS])
{
    return smj_pack_tokens(to, held, from, count, codes);
}

AVX2 static uint8_t *stuff(uint8_t *to, const uint8_t *from, size_t count)
{
    const uint8_t *end = from + count;
    while (from < end) {
        const __m256i bytes = load(from);
        const uint32_t full =
            (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(-1)));
        store(to, bytes);
        /* up to the first 0xff, and all when there is none */
        const uint32_t plain = full == 0 ? 32 : (uint32_t)__builtin_ctz(full) + 1;
        if (plain > (size_t)(end - from)) return to + (end - from);
        from += plain;
        to += plain;
        if (full != 0) *to++ = 0;
    }
    return to;
}

static const smj_kernels avx2 = {"avx2",    convert, halve_x, halve_xy,
                                 transform, tokens,  pack,    stuff};

const smj_kernels *smj_kernels_avx2(void)
{
    return smj_cpu_has_avx2() ? &avx2 : NULL;
}

#else

const smj_kernels *smj_kernels_avx2(void)
{
    return NULL;
}

#endif
