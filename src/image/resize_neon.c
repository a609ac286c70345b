/* The resizer's inner loops for NEON, which every 64-bit ARM machine has. */
#include "image/resize_kernels.h"

#if defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

#include <arm_neon.h>
#include <string.h>

/* Sixteen sums: of eight outputs, upper row and lower row. */
typedef struct sums {
    int32x4_t upper[2], lower[2];
} sums;

/* ---- Along x --------------------------------------------------------------------------------- */

/* A group of eight outputs: its head says where in 32 samples each finds its first; of each tap the
 * eight weights follow. */
static void arrange(sm_taps *taps)
{
    const size_t width = taps->width;
    uint8_t *to = taps->groups;
    for (uint32_t first = 0; first < taps->axis.count; first += SM_TAPS_GROUP) {
        const uint32_t *starts = taps->starts + first;
        for (uint32_t i = 0; i < SM_TAPS_GROUP; i++) to[i] = (uint8_t)(starts[i] - starts[0]);
        to += SM_TAPS_GROUP_HEAD;
        for (uint32_t t = 0; t < width; t++)
            for (uint32_t i = 0; i < SM_TAPS_GROUP; i++, to += sizeof *taps->weights)
                memcpy(to, taps->weights + (first + i) * width + t, sizeof *taps->weights);
    }
}

static inline void add_tap(int32x4_t to[2], uint8x16x2_t samples, uint8x8_t from, int16x8_t weights)
{
    const int16x8_t eight = vreinterpretq_s16_u16(vmovl_u8(vqtbl2_u8(samples, from)));
    to[0] = vmlal_s16(to[0], vget_low_s16(eight), vget_low_s16(weights));
    to[1] = vmlal_high_s16(to[1], eight, weights);
}

/* Eight samples of 16 bits: the sums without their lowest bits. */
static inline int16x8_t dropped(const int32x4_t from[2], int32x4_t by)
{
    return vcombine_s16(vmovn_s32(vshlq_s32(from[0], by)), vmovn_s32(vshlq_s32(from[1], by)));
}

/* Of a pair, eight samples of the upper row take turns with eight of the lower one. */
static inline void store_sums(int16_t *pair, const sums *s, int32x4_t by)
{
    vst1q_s16(pair, dropped(s->upper, by));
    vst1q_s16(pair + 8, dropped(s->lower, by));
}

static void outputs_near(int16_t *pair, const uint8_t *upper, const uint8_t *lower,
                         uint32_t first_column, const sm_taps *taps)
{
    const int drop = taps->shift - SM_RESIZE_FRACTION;
    const int32x4_t half = vdupq_n_s32((int32_t)1 << (drop - 1)), by = vdupq_n_s32(-drop);
    const uint8_t *group = taps->groups;
    for (uint32_t i = 0; i < taps->axis.count; i += SM_TAPS_GROUP, pair += 2 * SM_TAPS_GROUP) {
        const size_t at = taps->starts[i] - first_column;
        const uint8x8_t first = vld1_u8(group);
        const uint8_t *weights = group + SM_TAPS_GROUP_HEAD;
        sums s = {{half, half}, {half, half}};
        /* the eighth output begins 29 samples behind the first at most (SM_TAPS_NEAR allows no
         * more), so that two taps of each are among 32 */
        for (uint32_t t = 0; t < taps->width; t += 2) {
            const uint8x16x2_t a = vld1q_u8_x2(upper + at + t), b = vld1q_u8_x2(lower + at + t);
            for (uint8_t k = 0; k < 2; k++, weights += 16) {
                const uint8x8_t from = vadd_u8(first, vdup_n_u8(k));
                const int16x8_t by_eight = vreinterpretq_s16_u8(vld1q_u8(weights));
                add_tap(s.upper, a, from, by_eight);
                add_tap(s.lower, b, from, by_eight);
            }
        }
        store_sums(pair, &s, by);
        group += sm_taps_group_size(taps);
    }
}

static inline int32_t sum_far(const uint8_t *samples, const int16_t *weights, uint32_t width)
{
    int32x4_t sum = vdupq_n_s32(0);
    for (uint32_t t = 0; t < width; t += 8) {
        const int16x8_t eight = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(samples + t)));
        const int16x8_t by = vld1q_s16(weights + t);
        sum = vmlal_s16(sum, vget_low_s16(eight), vget_low_s16(by));
        sum = vmlal_high_s16(sum, eight, by);
    }
    return vaddvq_s32(sum);
}

static void outputs_far(int16_t *pair, const uint8_t *upper, const uint8_t *lower,
                        uint32_t first_column, const sm_taps *taps)
{
    const int drop = taps->shift - SM_RESIZE_FRACTION;
    const int32_t half = (int32_t)1 << (drop - 1);
    const uint32_t width = taps->width;
    for (uint32_t i = 0; i < taps->axis.count; i += SM_TAPS_GROUP, pair += 2 * SM_TAPS_GROUP) {
        for (uint32_t k = 0; k < SM_TAPS_GROUP; k++) {
            const size_t from = taps->starts[i + k] - first_column;
            const int16_t *weights = taps->weights + (size_t)(i + k) * width;
            pair[k] = (int16_t)((sum_far(upper + from, weights, width) + half) >> drop);
            pair[k + 8] = (int16_t)((sum_far(lower + from, weights, width) + half) >> drop);
        }
    }
}

static void along_x(int16_t *pair, const uint8_t *upper, const uint8_t *lower,
                    uint32_t first_column, const sm_taps *taps)
{
    if (taps->near)
        outputs_near(pair, upper, lower, first_column, taps);
    else
        outputs_far(pair, upper, lower, first_column, taps);
}

/* ---- Along y --------------------------------------------------------------------------------- */

static inline void add_row(int32x4_t to[2], const int16_t *row, int16_t weight)
{
    const int16x8_t eight = vld1q_s16(row);
    to[0] = vmlal_n_s16(to[0], vget_low_s16(eight), weight);
    to[1] = vmlal_high_n_s16(to[1], eight, weight);
}

static void along_y(uint8_t *out, const int16_t *const *pairs, const int16_t *weights,
                    uint32_t pair_count, int shift, size_t count)
{
    const int drop = shift + SM_RESIZE_FRACTION;
    const int32x4_t half = vdupq_n_s32((int32_t)1 << (drop - 1)), by = vdupq_n_s32(-drop);
    for (size_t i = 0; i < count; i += 8) {
        int32x4_t to[2] = {half, half};
        for (uint32_t p = 0; p < pair_count; p++) {
            add_row(to, pairs[p] + 2 * i, weights[2 * p]);
            add_row(to, pairs[p] + 2 * i + 8, weights[2 * p + 1]);
        }
        const int16x8_t words =
            vcombine_s16(vqmovn_s32(vshlq_s32(to[0], by)), vqmovn_s32(vshlq_s32(to[1], by)));
        vst1_u8(out + i, vqmovun_s16(words));
    }
}

/* ---- Pixels and planes ----------------------------------------------------------------------- */

static void split(uint8_t *const planes[3], const uint8_t *rgbx, size_t count)
{
    for (size_t i = 0; i < count; i += 16) {
        const uint8x16x4_t pixels = vld4q_u8(rgbx + 4 * i);
        for (int c = 0; c < 3; c++) vst1q_u8(planes[c] + i, pixels.val[c]);
    }
}

static inline void join_block(uint8_t *rgb, const uint8_t *const planes[3], size_t i)
{
    const uint8x16x3_t pixels = {
        {vld1q_u8(planes[0] + i), vld1q_u8(planes[1] + i), vld1q_u8(planes[2] + i)}};
    vst3q_u8(rgb, pixels);
}

static void join(uint8_t *rgb, const uint8_t *const planes[3], size_t count)
{
    enum { BLOCK = 16 };
    size_t i = 0;
    for (; i + BLOCK <= count; i += BLOCK) join_block(rgb + 3 * i, planes, i);
    if (i < count) {
        uint8_t rest[3 * BLOCK];
        join_block(rest, planes, i);
        memcpy(rgb + 3 * i, rest, 3 * (count - i));
    }
}

static const sm_resize_kernels neon = {"neon", arrange, along_x, along_y, split, join};

const sm_resize_kernels *sm_resize_neon(void)
{
    return &neon;
}

#else

const sm_resize_kernels *sm_resize_neon(void)
{
    return NULL;
}

#endif
