/*
 * exp, log and the normal distribution for inner loops: branch-free, so that compilers make vectors
 * of them; accurate to a few parts in ten million, which is far below what a trial can tell.
 */
#ifndef SM_CHOOSE_FASTMATH_H
#define SM_CHOOSE_FASTMATH_H

#include <stdint.h>
#include <string.h>

static inline float sm_float_of_bits(int32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline int32_t sm_bits_of_float(float value)
{
    int32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* e^x for x cut to [-87, 87]: 2^k * e^r with |r| <= ln(2)/2 and e^r by its series. */
static inline float sm_expf(float x)
{
    x = x < -87.0f ? -87.0f : x;
    x = x > 87.0f ? 87.0f : x;
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number */
    float k = (x * 1.44269504f + magic) - magic;
    float r = (x - k * 0.693359375f) + k * 2.12194440e-4f;
    float p = 1.0f + r * (1.0f + r * (0.5f + r * (0.166666667f +
                                                  r * (0.0416666667f +
                                                       r * (8.3333333e-3f + r * 1.3888889e-3f)))));
    return p * sm_float_of_bits(((int32_t)k + 127) * (1 << 23));
}

/* ln x for normal x > 0: ln(m) + k ln 2 with m in [sqrt(1/2), sqrt(2)), ln(m) = 2 atanh(...). */
static inline float sm_logf(float x)
{
    int32_t bits = sm_bits_of_float(x) - 0x3f3504f3;
    float k = (float)(bits >> 23);
    float m = sm_float_of_bits((bits & 0x7fffff) + 0x3f3504f3);
    float s = (m - 1.0f) / (m + 1.0f), q = s * s;
    float p = s * (2.0f + q * (0.666666667f + q * (0.4f + q * (0.285714286f + q * 0.2222222f))));
    return p + k * 0.693147181f;
}

/* The normal distribution function (Abramowitz and Stegun 7.1.26 for erf). */
static inline float sm_normal_cdf(float z)
{
    float a = (z < 0 ? -z : z) * 0.707106781f;
    a = a > 9.0f ? 9.0f : a;
    float t = 1.0f / (1.0f + 0.3275911f * a);
    float p =
        t * (0.254829592f +
             t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
    float tail = 0.5f * p * sm_expf(-a * a);
    return z < 0 ? tail : 1.0f - tail;
}

#endif
