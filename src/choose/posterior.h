/*
 * What is believed after some trials: particles, each a hypothesis with a scale of residuals, whose
 * predictions are corrected by what it left unexplained (docs/choosing.md, equations 2 to 4).
 */
#ifndef SM_CHOOSE_POSTERIOR_H
#define SM_CHOOSE_POSTERIOR_H

#include "choose/hypothesis.h"

/* How far hypotheses may be off: variance of a smooth residual, and of a family's offset. */
typedef struct sm_scale {
    double residual, family;
    double prior;
} sm_scale;

enum { SM_SCALES = 9, SM_PARTICLES = 800 };
extern const sm_scale sm_scales[SM_SCALES];

/* What a trial says of ln(objective). */
typedef struct sm_observation {
    uint32_t candidate;
    double value;
    double variance;
} sm_observation;

typedef struct sm_hypotheses {
    const sm_features *features;
    size_t count, latents;
    uint64_t seed;
    float *z;            /* [count][latents] */
    float *shape;        /* [column][count]: ln(objective) at the candidates seen so far */
    uint32_t *column_at; /* [column]: its candidate */
    size_t columns, column_cap;
} sm_hypotheses;

/* Draws of the prior for these candidates, which are borrowed. */
sm_status sm_hypotheses_new(sm_hypotheses **hypotheses, const sm_features *features, uint64_t seed);
void sm_hypotheses_free(sm_hypotheses *hypotheses);

/* Mean over the prior of min(objective / best of the hypothesis, most), for every candidate. */
sm_status sm_hypotheses_badness(float *mean, const sm_hypotheses *hypotheses, float most);

typedef struct sm_posterior {
    const sm_features *features;
    size_t observed; /* observations */
    uint32_t *at;    /* their candidates */
    float *kernel;   /* [observed][candidates]: Matern kernel to every candidate */
    double
        *factor[SM_SCALES]; /* Cholesky factor of the observations' covariance; NULL: no particle */
    float *deviation[SM_SCALES]; /* [candidates], where factor is not NULL */
    size_t count;                /* particles, of equal weight, in the order of their scales */
    uint8_t *scale;              /* [particle] */
    float *mean;                 /* [particle][candidate]: of ln(objective) */
} sm_posterior;

/* Weighs hypotheses by the observations, at least one. Free it whatever comes. */
sm_status sm_posterior_make(sm_posterior *posterior, sm_hypotheses *hypotheses,
                            const sm_observation *observations, size_t count);
void sm_posterior_free(sm_posterior *posterior);

/* Correlation of the residuals of two candidates (Matern 5/2). */
double sm_kernel(const sm_features *features, size_t a, size_t b);

/* l := the Cholesky factor of the observations' covariance under a scale, with their variances. */
sm_status sm_factor_observations(double *l, const sm_features *features, const sm_scale *scale,
                                 const sm_observation *observations, size_t count);

/* Covariance of what scale leaves unknown at two candidates, given the observations. */
sm_status sm_posterior_covariance(double *covariance, const sm_posterior *posterior, size_t scale,
                                  const uint32_t *candidates, size_t count);

#endif
