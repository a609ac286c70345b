/* Random numbers that are the same on every machine. */
#ifndef SM_CHOOSE_RNG_H
#define SM_CHOOSE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct sm_rng {
    uint64_t state;
} sm_rng;

/* stream tells apart the uses that one seed has. */
void sm_rng_init(sm_rng *rng, uint64_t seed, uint64_t stream);
uint64_t sm_rng_next(sm_rng *rng);
double sm_rng_uniform(sm_rng *rng); /* in (0, 1) */
double sm_rng_normal(sm_rng *rng);
size_t sm_rng_below(sm_rng *rng, size_t n); /* 0 to n-1; n > 0 */
void sm_rng_permute(sm_rng *rng, uint32_t *items, size_t count);

/* The inverse of the normal distribution function, for p in (0, 1). */
double sm_normal_quantile(double p);

#endif
