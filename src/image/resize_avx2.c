/* The resizer's inner loops for AVX2. */
#include "image/resize_kernels.h"

#include "jpeg/cpu.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))
/* Compiled anew into each caller, so that a constant argument unrolls the loop that it bounds. */
#define AVX2_INLINE AVX2 static inline __attribute__((always_inline))

AVX2_INLINE __m256i load(const void *from)
{
    return _mm256_loadu_si256((const __m256i *)from);
}

AVX2_INLINE void store(void *to, __m256i v)
{
    _mm256_storeu_si256((__m256i *)to, v);
}

AVX2_INLINE __m128i load_half(const void *from)
{
    return _mm_loadu_si128((const __m128i *)from);
}

/* Sixteen bytes in each half. Two loads and a blend are what machines do most of in a cycle. */
AVX2_INLINE __m256i load_halves(const uint8_t *low, const uint8_t *high)
{
    return _mm256_blend_epi32(_mm256_broadcastsi128_si256(load_half(low)),
                              _mm256_broadcastsi128_si256(load_half(high)), 0xf0);
}

/* ---- Along x --------------------------------------------------------------------------------- */

/* A group's eight outputs need no more than sixteen samples: one load. Otherwise each half of a
 * vector gets sixteen for four of them. */
AVX2_INLINE bool is_tight(const sm_taps *taps)
{
    return taps->reach <= 16;
}

/*
 * A group of eight outputs, four in each half of a vector: its head says where in the half's
 * samples each of the four finds its first and its second, as 16-bit numbers; of each two taps the
 * weights follow, output by output. A place past the sixteenth sample is one of weight 0, and
 * shuffles take it as one before.
 */
AVX2 static void arrange(sm_taps *taps)
{
    enum { ZERO = 0x80 }; /* stays one when a tap's number is added */
    const size_t width = taps->width;
    const bool tight = is_tight(taps);
    uint8_t *to = taps->groups;
    for (uint32_t first = 0; first < taps->axis.count; first += SM_TAPS_GROUP) {
        const uint32_t *starts = taps->starts + first;
        for (uint32_t i = 0; i < SM_TAPS_GROUP; i++) {
            const uint8_t from = (uint8_t)(starts[i] - starts[tight ? 0 : i / 4 * 4]);
            const uint8_t shuffle[4] = {from, ZERO, (uint8_t)(from + 1), ZERO};
            memcpy(to + 4 * i, shuffle, sizeof shuffle);
        }
        to += SM_TAPS_GROUP_HEAD;
        for (uint32_t t = 0; t < width; t += 2)
            for (uint32_t i = 0; i < SM_TAPS_GROUP; i++, to += 2 * sizeof *taps->weights)
                memcpy(to, taps->weights + (first + i) * width + t, 2 * sizeof *taps->weights);
    }
}

/* Sums of 32 bits, of the upper row and the lower one. */
typedef struct sums {
    __m256i upper, lower;
} sums;

AVX2_INLINE __m256i weighted(__m256i samples, __m256i shuffle, __m256i weights)
{
    return _mm256_madd_epi16(_mm256_shuffle_epi8(samples, shuffle), weights);
}

AVX2_INLINE __m256i load_samples(const uint8_t *row, size_t low, size_t high, bool tight)
{
    return tight ? _mm256_broadcastsi128_si256(load_half(row + low))
                 : load_halves(row + low, row + high);
}

/* A group's eight outputs; four begin at low, the others at high. */
AVX2_INLINE sums sum_near(const uint8_t *upper, const uint8_t *lower, size_t low, size_t high,
                          const uint8_t *group, uint32_t width, bool tight, __m256i half)
{
    const __m256i first = load(group), second = _mm256_add_epi8(first, _mm256_set1_epi8(2));
    const uint8_t *weights = group + SM_TAPS_GROUP_HEAD;
    sums s = {half, half};
    for (uint32_t t = 0; t < width; t += 4, weights += 64) {
        const __m256i a = load_samples(upper, low + t, high + t, tight);
        const __m256i b = load_samples(lower, low + t, high + t, tight);
        s.upper = _mm256_add_epi32(s.upper, weighted(a, first, load(weights)));
        s.lower = _mm256_add_epi32(s.lower, weighted(b, first, load(weights)));
        if (t + 2 == width) break;
        s.upper = _mm256_add_epi32(s.upper, weighted(a, second, load(weights + 32)));
        s.lower = _mm256_add_epi32(s.lower, weighted(b, second, load(weights + 32)));
    }
    return s;
}

/* The samples of a pair side by side: 16 bits of the upper one's sum, 16 of the lower one's. Above
 * the bits that are kept a sum has nothing but its sign. */
AVX2_INLINE __m256i pair_up(__m256i upper, __m256i lower, __m128i drop, __m128i lift)
{
    return _mm256_blend_epi16(_mm256_srl_epi32(upper, drop), _mm256_sll_epi32(lower, lift), 0xaa);
}

AVX2_INLINE void outputs_near(int16_t *pair, const uint8_t *upper, const uint8_t *lower,
                              uint32_t first_column, const sm_taps *taps, uint32_t width,
                              bool tight)
{
    const int drop = taps->shift - SM_RESIZE_FRACTION;
    const __m256i half = _mm256_set1_epi32((int32_t)1 << (drop - 1));
    const __m128i by = _mm_cvtsi32_si128(drop), lift = _mm_cvtsi32_si128(16 - drop);
    const size_t size = SM_TAPS_GROUP_HEAD + SM_TAPS_GROUP * sizeof(int16_t) * (size_t)width;
    const uint32_t *starts = taps->starts, *end = starts + taps->axis.count;
    const uint8_t *group = taps->groups;
    for (; starts < end; starts += SM_TAPS_GROUP, group += size, pair += 2 * SM_TAPS_GROUP) {
        const sums s = sum_near(upper, lower, starts[0] - first_column, starts[4] - first_column,
                                group, width, tight, half);
        store(pair, pair_up(s.upper, s.lower, by, lift));
    }
}

/* Four sums of one output: of the upper row in the low half, of the lower one in the high half. */
AVX2_INLINE __m256i sum_far(const uint8_t *upper, const uint8_t *lower, const int16_t *weights,
                            uint32_t width)
{
    __m256i sum = _mm256_setzero_si256();
    for (uint32_t t = 0; t < width; t += 8) {
        const __m128i samples = _mm_unpacklo_epi64(_mm_loadl_epi64((const void *)(upper + t)),
                                                   _mm_loadl_epi64((const void *)(lower + t)));
        sum = _mm256_add_epi32(
            sum, _mm256_madd_epi16(_mm256_cvtepu8_epi16(samples),
                                   _mm256_broadcastsi128_si256(load_half(weights + t))));
    }
    return sum;
}

AVX2_INLINE void outputs_far(int16_t *pair, const uint8_t *upper, const uint8_t *lower,
                             uint32_t first_column, const sm_taps *taps)
{
    const int drop = taps->shift - SM_RESIZE_FRACTION;
    const __m256i half = _mm256_set1_epi32((int32_t)1 << (drop - 1));
    const __m128i by = _mm_cvtsi32_si128(drop), lift = _mm_cvtsi32_si128(16 - drop);
    const uint32_t width = taps->width;
    for (uint32_t i = 0; i < taps->axis.count; i += 4, pair += 8) {
        __m256i s[4];
        for (uint32_t k = 0; k < 4; k++) {
            const size_t from = taps->starts[i + k] - first_column;
            s[k] =
                sum_far(upper + from, lower + from, taps->weights + (size_t)(i + k) * width, width);
        }
        const __m256i four = _mm256_add_epi32(
            half, _mm256_hadd_epi32(_mm256_hadd_epi32(s[0], s[1]), _mm256_hadd_epi32(s[2], s[3])));
        const __m256i swapped = _mm256_permute2x128_si256(four, four, 1);
        _mm_storeu_si128((__m128i *)(void *)pair,
                         _mm256_castsi256_si128(pair_up(four, swapped, by, lift)));
    }
}

AVX2 static void along_x(int16_t *pair, const uint8_t *upper, const uint8_t *lower,
                         uint32_t first_column, const sm_taps *taps)
{
    if (!taps->near) {
        outputs_far(pair, upper, lower, first_column, taps);
        return;
    }
    const bool tight = is_tight(taps);
    if (taps->width == 2 && tight)
        outputs_near(pair, upper, lower, first_column, taps, 2, true);
    else if (taps->width == 4 && tight)
        outputs_near(pair, upper, lower, first_column, taps, 4, true);
    else if (taps->width == 4)
        outputs_near(pair, upper, lower, first_column, taps, 4, false);
    else
        outputs_near(pair, upper, lower, first_column, taps, taps->width, tight);
}

/* ---- Along y --------------------------------------------------------------------------------- */

/* Adds 32 samples of a pair of rows, each row with its weight. */
AVX2_INLINE void add_pair(__m256i s[4], const int16_t *pair, __m256i weights)
{
    for (size_t k = 0; k < 4; k++)
        s[k] = _mm256_add_epi32(s[k], _mm256_madd_epi16(load(pair + 16 * k), weights));
}

/* A pair's two weights, for all pairs of a vector. */
AVX2_INLINE __m256i both_weights(const int16_t *weights)
{
    int32_t both;
    memcpy(&both, weights, sizeof both);
    return _mm256_set1_epi32(both);
}

AVX2_INLINE void store_samples(uint8_t *out, const __m256i s[4], __m128i drop)
{
    /* packing works within halves: each leaves four of s[0], four of s[1], and so on */
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i low =
        _mm256_packs_epi32(_mm256_sra_epi32(s[0], drop), _mm256_sra_epi32(s[1], drop));
    const __m256i high =
        _mm256_packs_epi32(_mm256_sra_epi32(s[2], drop), _mm256_sra_epi32(s[3], drop));
    store(out, _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order));
}

/* For up to FEW pairs: what does not change within a row stays in registers. */
enum { FEW = 3 };

AVX2_INLINE void samples_of_few(uint8_t *out, const int16_t *const *pairs, const int16_t *weights,
                                uint32_t pair_count, __m256i half, __m128i drop, size_t count)
{
    const int16_t *from[FEW] = {NULL};
    __m256i by[FEW];
    for (uint32_t p = 0; p < pair_count; p++) {
        from[p] = pairs[p];
        by[p] = both_weights(weights + 2 * (size_t)p);
    }
    for (size_t i = 0; i < count; i += SM_RESIZE_BLOCK) {
        __m256i s[4] = {half, half, half, half};
        for (uint32_t p = 0; p < pair_count; p++) add_pair(s, from[p] + 2 * i, by[p]);
        store_samples(out + i, s, drop);
    }
}

AVX2 static void along_y(uint8_t *out, const int16_t *const *pairs, const int16_t *weights,
                         uint32_t pair_count, int shift, size_t count)
{
    const __m256i half = _mm256_set1_epi32((int32_t)1 << (shift + SM_RESIZE_FRACTION - 1));
    const __m128i drop = _mm_cvtsi32_si128(shift + SM_RESIZE_FRACTION);
    switch (pair_count) {
    case 1: samples_of_few(out, pairs, weights, 1, half, drop, count); return;
    case 2: samples_of_few(out, pairs, weights, 2, half, drop, count); return;
    case FEW: samples_of_few(out, pairs, weights, FEW, half, drop, count); return;
    default: break;
    }
    for (size_t i = 0; i < count; i += SM_RESIZE_BLOCK) {
        __m256i s[4] = {half, half, half, half};
        for (uint32_t p = 0; p < pair_count; p++)
            add_pair(s, pairs[p] + 2 * i, both_weights(weights + 2 * (size_t)p));
        store_samples(out + i, s, drop);
    }
}

/* ---- Pixels and planes ----------------------------------------------------------------------- */

/* Eight pixels of 4 bytes: 8 red ones, 8 green ones, 8 blue ones, 8 of the fourth. */
AVX2_INLINE __m256i split_eight(const uint8_t *rgbx)
{
    const __m256i by_colour =
        _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0, 4, 8, 12, 1, 5, 9,
                         13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    return _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(load(rgbx), by_colour), order);
}

AVX2 static void split(uint8_t *const planes[3], const uint8_t *rgbx, size_t count)
{
    uint8_t *const red = planes[0], *const green = planes[1], *const blue = planes[2];
    size_t i = 0;
    for (; i + SM_RESIZE_BLOCK <= count; i += SM_RESIZE_BLOCK, rgbx += 4 * SM_RESIZE_BLOCK) {
        const __m256i a = split_eight(rgbx), b = split_eight(rgbx + 32);
        const __m256i c = split_eight(rgbx + 64), d = split_eight(rgbx + 96);
        /* red and blue of sixteen; green of sixteen */
        const __m256i rb = _mm256_unpacklo_epi64(a, b), rb2 = _mm256_unpacklo_epi64(c, d);
        const __m256i g = _mm256_unpackhi_epi64(a, b), g2 = _mm256_unpackhi_epi64(c, d);
        store(red + i, _mm256_permute2x128_si256(rb, rb2, 0x20));
        store(green + i, _mm256_permute2x128_si256(g, g2, 0x20));
        store(blue + i, _mm256_permute2x128_si256(rb, rb2, 0x31));
    }
    for (; i < count; i += 8, rgbx += 32) {
        const __m256i eight = split_eight(rgbx);
        const __m128i rg = _mm256_castsi256_si128(eight);
        _mm_storel_epi64((__m128i *)(void *)(red + i), rg);
        _mm_storel_epi64((__m128i *)(void *)(green + i), _mm_unpackhi_epi64(rg, rg));
        _mm_storel_epi64((__m128i *)(void *)(blue + i), _mm256_extracti128_si256(eight, 1));
    }
}

/* Which of sixteen numbers each of 48 bytes takes where three planes take turns: the first plane
 * reads from 2 on, the second from 1, the third from 0. */
#define Z -1
static const int8_t turns[2 + 48] = {Z, Z,  0, Z, Z,  1, Z, Z,  2, Z, Z,  3, Z, Z,  4, Z,  Z,
                                     5, Z,  Z, 6, Z,  Z, 7, Z,  Z, 8, Z,  Z, 9, Z,  Z, 10, Z,
                                     Z, 11, Z, Z, 12, Z, Z, 13, Z, Z, 14, Z, Z, 15, Z, Z};
#undef Z

/* Of each half's sixteen pixels the bytes from 16 * part on. */
AVX2_INLINE __m256i join_part(const __m256i colours[3], int part)
{
    __m256i bytes = _mm256_setzero_si256();
    for (int c = 0; c < 3; c++) {
        const __m128i from = load_half(turns + 2 - c + 16 * part);
        bytes = _mm256_or_si256(bytes,
                                _mm256_shuffle_epi8(colours[c], _mm256_broadcastsi128_si256(from)));
    }
    return bytes;
}

AVX2_INLINE void join_block(uint8_t *rgb, const uint8_t *const planes[3], size_t i)
{
    const __m256i colours[3] = {load(planes[0] + i), load(planes[1] + i), load(planes[2] + i)};
    const __m256i a = join_part(colours, 0), b = join_part(colours, 1), c = join_part(colours, 2);
    store(rgb, _mm256_permute2x128_si256(a, b, 0x20));
    store(rgb + 32, _mm256_blend_epi32(c, a, 0xf0));
    store(rgb + 64, _mm256_permute2x128_si256(b, c, 0x31));
}

AVX2 static void join(uint8_t *rgb, const uint8_t *const planes[3], size_t count)
{
    size_t i = 0;
    for (; i + SM_RESIZE_BLOCK <= count; i += SM_RESIZE_BLOCK) join_block(rgb + 3 * i, planes, i);
    if (i < count) {
        uint8_t rest[3 * SM_RESIZE_BLOCK];
        join_block(rest, planes, i);
        memcpy(rgb + 3 * i, rest, 3 * (count - i));
    }
}

static const sm_resize_kernels avx2 = {"avx2", arrange, along_x, along_y, split, join};

const sm_resize_kernels *sm_resize_avx2(void)
{
    return smj_cpu_has_avx2() ? &avx2 : NULL;
}

#else

const sm_resize_kernels *sm_resize_avx2(void)
{
    return NULL;
}

#endif
