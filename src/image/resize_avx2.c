/* The resizer's inner loops for AVX2: two pixels, or sixteen samples, at a time. */
#include "image/resize_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))
/* Compiled anew into each caller, so that a constant argument unrolls the loop that it bounds. */
#define AVX2_INLINE AVX2 static inline __attribute__((always_inline))

/* Two groups of four pixels, one in each half. */
AVX2_INLINE __m256i load_pixels(const uint8_t *low, const uint8_t *high)
{
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)low);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)high);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
}

/* Sums of two neighbouring outputs: four 32-bit sums of one in each half. */
AVX2_INLINE __m256i sum_pair(const uint8_t *low, const uint8_t *high, const int16_t *spread,
                             uint32_t width, __m256i half)
{
    /* R0 R1 G0 G1 B0 B1 X0 X1 as 16 bits each, of pixels 0 and 1, then of 2 and 3 */
    const __m256i first = _mm256_setr_epi8(0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, 3, -1, 7, -1,
                                           0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, 3, -1, 7, -1);
    const __m256i second =
        _mm256_setr_epi8(8, -1, 12, -1, 9, -1, 13, -1, 10, -1, 14, -1, 11, -1, 15, -1, 8, -1, 12,
                         -1, 9, -1, 13, -1, 10, -1, 14, -1, 11, -1, 15, -1);
    __m256i sum = half;
    for (uint32_t t = 0; t < width; t += SM_TAPS_STEP) {
        __m256i pixels = load_pixels(low + 4 * (size_t)t, high + 4 * (size_t)t);
        const __m256i *weights = (const __m256i *)(const void *)(spread + 8 * (size_t)t);
        sum = _mm256_add_epi32(
            sum, _mm256_madd_epi16(_mm256_shuffle_epi8(pixels, first), _mm256_load_si256(weights)));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_shuffle_epi8(pixels, second),
                                                      _mm256_load_si256(weights + 1)));
    }
    return sum;
}

/* Four outputs (two pairs) become 12 samples; 16 are written. */
AVX2_INLINE void store_four(int16_t *out, __m256i pair0, __m256i pair1)
{
    /* pack works within halves: outputs 0 and 2, then 1 and 3 */
    __m256i packed = _mm256_packs_epi32(pair0, pair1);
    const __m256i drop_x = _mm256_setr_epi8(0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, -1, -1, -1, -1,
                                            0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, -1, -1, -1, -1);
    __m256i ordered = _mm256_permute4x64_epi64(packed, 0xd8); /* 0 1, then 2 3 */
    __m256i samples = _mm256_shuffle_epi8(ordered, drop_x);
    _mm_storeu_si128((__m128i *)(void *)out, _mm256_castsi256_si128(samples));
    _mm_storeu_si128((__m128i *)(void *)(out + 6), _mm256_extracti128_si256(samples, 1));
}

AVX2_INLINE void outputs(int16_t *out, const uint8_t *rgbx, const sm_taps *taps,
                         uint32_t first_column, uint32_t width)
{
    const uint32_t *starts = taps->starts;
    const int16_t *spread = taps->spread;
    const size_t pair = 8 * (size_t)width;
    const uint32_t count = taps->axis.count;
    const int drop = taps->shift - SM_RESIZE_FRACTION;
    const __m256i half = _mm256_set1_epi32((int32_t)1 << (drop - 1));
    const __m128i shift = _mm_cvtsi32_si128(drop);
    for (uint32_t i = 0; i < count; i += SM_TAPS_STEP, out += 12, spread += 2 * pair) {
        const uint8_t *from[SM_TAPS_STEP];
        for (uint32_t k = 0; k < SM_TAPS_STEP; k++)
            from[k] = rgbx + (size_t)(starts[i + k] - first_column) * 4;
        __m256i a = sum_pair(from[0], from[1], spread, width, half);
        __m256i b = sum_pair(from[2], from[3], spread + pair, width, half);
        store_four(out, _mm256_sra_epi32(a, shift), _mm256_sra_epi32(b, shift));
    }
}

AVX2 static void along_x(int16_t *out, const uint8_t *rgbx, const sm_taps *taps,
                         uint32_t first_column)
{
    switch (taps->width) {
    case 4: outputs(out, rgbx, taps, first_column, 4); break;
    case 8: outputs(out, rgbx, taps, first_column, 8); break;
    default: outputs(out, rgbx, taps, first_column, taps->width); break;
    }
}

/* Sixteen samples of two rows, each row with its weight, added to sums of 32 bits. */
AVX2_INLINE void add_rows(__m256i sums[2], const int16_t *a, const int16_t *b, __m256i weights)
{
    __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)a);
    __m256i y = _mm256_loadu_si256((const __m256i *)(const void *)b);
    sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(_mm256_unpacklo_epi16(x, y), weights));
    sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(_mm256_unpackhi_epi16(x, y), weights));
}

/* The low half of the result holds the sixteen bytes from sample i on. */
AVX2_INLINE __m128i sixteen(const int16_t *const *rows, const int16_t *weights, uint32_t taps,
                            __m256i half, __m128i shift, size_t i)
{
    __m256i sums[2] = {half, half};
    for (uint32_t t = 0; t < taps; t += 2) {
        int32_t pair;
        memcpy(&pair, weights + t, sizeof pair);
        add_rows(sums, rows[t] + i, rows[t + 1] + i, _mm256_set1_epi32(pair));
    }
    /* unpack and pack both work within halves, so the samples are in order again */
    __m256i words =
        _mm256_packs_epi32(_mm256_sra_epi32(sums[0], shift), _mm256_sra_epi32(sums[1], shift));
    return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

AVX2_INLINE void samples(uint8_t *out, const int16_t *const *rows, const int16_t *weights,
                         uint32_t taps, int shift, size_t count)
{
    const int drop = shift + SM_RESIZE_FRACTION;
    const __m256i half = _mm256_set1_epi32((int32_t)1 << (drop - 1));
    const __m128i by = _mm_cvtsi32_si128(drop);
    size_t i = 0;
    for (; i + 16 <= count; i += 16)
        _mm_storeu_si128((__m128i *)(void *)(out + i), sixteen(rows, weights, taps, half, by, i));
    if (i < count) { /* the rows have slack behind their end, out has none */
        uint8_t rest[16];
        _mm_storeu_si128((__m128i *)(void *)rest, sixteen(rows, weights, taps, half, by, i));
        memcpy(out + i, rest, count - i);
    }
}

AVX2 static void along_y(uint8_t *out, const int16_t *const *rows, const int16_t *weights,
                         uint32_t taps, int shift, size_t count)
{
    switch (taps) {
    case 2: samples(out, rows, weights, 2, shift, count); break;
    case 4: samples(out, rows, weights, 4, shift, count); break;
    case 6: samples(out, rows, weights, 6, shift, count); break;
    default: samples(out, rows, weights, taps, shift, count); break;
    }
}

static const sm_resize_kernels avx2 = {along_x, along_y, true};

const sm_resize_kernels *sm_resize_avx2(void)
{
    return __builtin_cpu_supports("avx2") ? &avx2 : NULL;
}

#else

const sm_resize_kernels *sm_resize_avx2(void)
{
    return NULL;
}

#endif
