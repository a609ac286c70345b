#include "choose/rng.h"

#include <math.h>

/* SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). */
uint64_t sm_rng_next(sm_rng *rng)
{
    uint64_t z = (rng->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void sm_rng_init(sm_rng *rng, uint64_t seed, uint64_t stream)
{
    rng->state = seed;
    uint64_t mixed = sm_rng_next(rng);
    rng->state = mixed ^ (stream * 0xd1342543de82ef95u);
    sm_rng_next(rng);
}

double sm_rng_uniform(sm_rng *rng)
{
    return ((double)(sm_rng_next(rng) >> 11) + 0.5) * 0x1p-53;
}

double sm_rng_normal(sm_rng *rng)
{
    return sm_normal_quantile(sm_rng_uniform(rng));
}

size_t sm_rng_below(sm_rng *rng, size_t n)
{
    return (size_t)(sm_rng_uniform(rng) * (double)n);
}

void sm_rng_permute(sm_rng *rng, uint32_t *items, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = sm_rng_below(rng, i);
        uint32_t item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}

/* Wichura's AS 241 (Applied Statistics 37, 1988), PPND7: seven digits. */
double sm_normal_quantile(double p)
{
    double q = p - 0.5;
    if (fabs(q) <= 0.425) {
        double r = 0.180625 - q * q;
        return q * (((59.10937472 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179) /
               (((67.1875636 * r + 78.757757664) * r + 17.895169469) * r + 1);
    }
    double r = sqrt(-log(q < 0 ? p : 1 - p));
    double x;
    if (r <= 5) {
        r -= 1.6;
        x = (((0.17023821103 * r + 1.3067284816) * r + 2.75681539) * r + 1.4234372777) /
            ((0.12021132975 * r + 0.7370016425) * r + 1);
    } else {
        r -= 5;
        x = (((0.017337203997 * r + 0.42868294337) * r + 3.081226386) * r + 6.657905115) /
            ((0.012258202635 * r + 0.24197894225) * r + 1);
    }
    return q < 0 ? -x : x;
}
