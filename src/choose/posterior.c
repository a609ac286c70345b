#include "choose/posterior.h"

#include "choose/fastmath.h"
#include "choose/linear.h"
#include "core/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWS = 6000, BLOCK = 256, STRIDE = 8 }; /* every eighth will do for the first trial */

#define SIZE_VARIANCE 100.0 /* of ln of the job's size: it is not known at all */
#define KERNEL_LENGTH 0.55
#define SCALE_FLOOR   0.2 /* share of the prior that scales keep: few trials say little of them */

/* Every pair of three deviations of the residual (6%, 13%, 26%) and three of a family's offset (0,
 * 17%, 39%). */
const sm_scale sm_scales[SM_SCALES] = {
    {.004, 0, .5},   {.004, .03, .3}, {.004, .15, .2}, {.017, 0, .5},   {.017, .03, .3},
    {.017, .15, .2}, {.068, 0, .5},   {.068, .03, .3}, {.068, .15, .2},
};

sm_status sm_hypotheses_new(sm_hypotheses **hypotheses, const sm_features *features, uint64_t seed)
{
    sm_hypotheses *h = calloc(1, sizeof *h);
    if (h == NULL) return sm_fail_memory(sizeof *h);
    h->features = features;
    h->latents = sm_latent_count(features);
    h->count = DRAWS;
    h->seed = seed;
    h->z = malloc(h->count * h->latents * sizeof *h->z);
    if (h->z == NULL) {
        sm_hypotheses_free(h);
        return sm_fail_memory(DRAWS * sm_latent_count(features) * sizeof(float));
    }
    sm_rng rng;
    sm_rng_init(&rng, seed, 1);
    for (size_t p = 0; p < h->count; p++) sm_hypothesis_draw(h->z + p * h->latents, features, &rng);
    *hypotheses = h;
    return SM_OK;
}

void sm_hypotheses_free(sm_hypotheses *h)
{
    if (h == NULL) return;
    free(h->z);
    free(h->shape);
    free(h->column_at);
    free(h);
}

sm_status sm_hypotheses_badness(float *mean, const sm_hypotheses *h, float most)
{
    size_t n = h->features->count;
    float *shape = malloc(n * sizeof *shape);
    if (shape == NULL) return sm_fail_memory(n * sizeof *shape);
    memset(mean, 0, n * sizeof *mean);
    for (size_t p = 0; p < h->count; p += STRIDE) {
        float best = INFINITY;
        sm_hypothesis_shape(shape, h->z + p * h->latents, h->features);
        for (size_t i = 0; i < n; i++) best = shape[i] < best ? shape[i] : best;
        for (size_t i = 0; i < n; i++) {
            float ratio = sm_expf(shape[i] - best);
            mean[i] += (ratio < most ? ratio : most) / (DRAWS / STRIDE);
        }
    }
    free(shape);
    return SM_OK;
}

/* The shapes of all hypotheses at a candidate, computed once. */
static sm_status find_column(const float **column, sm_hypotheses *h, uint32_t candidate)
{
    size_t k = 0;
    while (k < h->columns && h->column_at[k] != candidate) k++;
    if (k == h->columns) {
        if (k == h->column_cap) {
            size_t cap = h->column_cap * 2 + 16;
            float *shape = realloc(h->shape, cap * h->count * sizeof *shape);
            if (shape != NULL) h->shape = shape;
            uint32_t *at = realloc(h->column_at, cap * sizeof *at);
            if (at != NULL) h->column_at = at;
            if (shape == NULL || at == NULL) return sm_fail_memory(cap * h->count * sizeof *shape);
            h->column_cap = cap;
        }
        sm_features one;
        sm_status status = sm_features_pick(&one, h->features, &candidate, 1);
        if (status != SM_OK) return status;
        for (size_t p = 0; p < h->count; p++)
            sm_hypothesis_shape(h->shape + k * h->count + p, h->z + p * h->latents, &one);
        sm_features_free(&one);
        h->column_at[h->columns++] = candidate;
    }
    *column = h->shape + k * h->count;
    return SM_OK;
}

double sm_kernel(const sm_features *f, size_t a, size_t b)
{
    double square = 0;
    for (int k = 0; k < 3; k++) {
        double d = (double)f->place[k][a] - (double)f->place[k][b];
        square += d * d;
    }
    double r = sqrt(5 * square) / KERNEL_LENGTH;
    return (1 + r + r * r / 3) * exp(-r);
}

static double covariance(const sm_features *f, const sm_scale *scale, size_t a, size_t b,
                         double kernel)
{
    return SIZE_VARIANCE + scale->residual * kernel +
           (f->family[a] == f->family[b] ? scale->family : 0);
}

sm_status sm_factor_observations(double *l, const sm_features *f, const sm_scale *scale,
                                 const sm_observation *obs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            size_t a = obs[i].candidate, b = obs[j].candidate;
            l[i * n + j] =
                covariance(f, scale, a, b, sm_kernel(f, a, b)) + (i == j ? obs[i].variance : 0);
        }
    return sm_cholesky(l, n) ? SM_OK : sm_fail(SM_ERR_INTERNAL, "a covariance has no factor");
}

/* ln of the likelihood of every hypothesis under one scale: y - S whitened by L. */
static void weigh(double *log_weight, const sm_hypotheses *h, const float *const *columns,
                  const sm_observation *obs, size_t n, const double *l)
{
    double constant = -sm_half_log_det(l, n);
    float white[SM_CHOOSE_MAX_TRIALS][BLOCK];
    for (size_t begin = 0; begin < h->count; begin += BLOCK) {
        size_t width = begin + BLOCK < h->count ? BLOCK : h->count - begin;
        float square[BLOCK] = {0};
        for (size_t i = 0; i < n; i++) {
            float *row = white[i];
            float y = (float)obs[i].value, inverse = (float)(1 / l[i * n + i]);
            for (size_t p = 0; p < width; p++) row[p] = y - columns[i][begin + p];
            for (size_t k = 0; k < i; k++) {
                float factor = (float)l[i * n + k];
                const float *other = white[k];
                for (size_t p = 0; p < width; p++) row[p] -= factor * other[p];
            }
            for (size_t p = 0; p < width; p++) {
                row[p] *= inverse;
                square[p] += row[p] * row[p];
            }
        }
        for (size_t p = 0; p < width; p++)
            log_weight[begin + p] = constant - 0.5 * (double)square[p];
    }
}

/* Turns log weights into weights whose marginals over the scales keep a share of their prior. */
static void normalise(double *weight, size_t count)
{
    double highest[SM_SCALES], sum[SM_SCALES], all = 0, top = -INFINITY, prior = 0;
    for (size_t s = 0; s < SM_SCALES; s++) {
        double *w = weight + s * count;
        highest[s] = -INFINITY;
        sum[s] = 0;
        for (size_t p = 0; p < count; p++) highest[s] = fmax(highest[s], w[p]);
        for (size_t p = 0; p < count; p++) {
            w[p] = exp(w[p] - highest[s]);
            sum[s] += w[p];
        }
        top = fmax(top, highest[s]);
        prior += sm_scales[s].prior;
    }
    double mass[SM_SCALES];
    for (size_t s = 0; s < SM_SCALES; s++) {
        mass[s] = sum[s] * exp(highest[s] - top) * sm_scales[s].prior;
        all += mass[s];
    }
    for (size_t s = 0; s < SM_SCALES; s++) {
        double share = (1 - SCALE_FLOOR) * mass[s] / all + SCALE_FLOOR * sm_scales[s].prior / prior;
        for (size_t p = 0; p < count; p++) weight[s * count + p] *= share / sum[s];
    }
}

/* Systematic resampling: indices into the weights, ascending. */
static void resample(uint32_t *chosen, size_t wanted, const double *weight, size_t count)
{
    double total = 0, passed = 0;
    for (size_t i = 0; i < count; i++) total += weight[i];
    size_t at = 0;
    for (size_t m = 0; m < wanted; m++) {
        double want = ((double)m + 0.5) / (double)wanted * total;
        while (at + 1 < count && passed + weight[at] < want) passed += weight[at++];
        chosen[m] = (uint32_t)at;
    }
}

/* ---- Predictions */

static sm_status predict_deviation(sm_posterior *post, size_t s)
{
    const sm_features *f = post->features;
    size_t n = post->observed;
    double *column = malloc((n + 1) * sizeof *column);
    post->deviation[s] = malloc(f->count * sizeof *post->deviation[s]);
    if (column == NULL || post->deviation[s] == NULL) {
        free(column);
        return sm_fail_memory(f->count * sizeof *post->deviation[s]);
    }
    for (size_t i = 0; i < f->count; i++) {
        double known = 0;
        for (size_t k = 0; k < n; k++)
            column[k] = covariance(f, &sm_scales[s], i, post->at[k],
                                   (double)post->kernel[k * f->count + i]);
        sm_solve_lower(post->factor[s], n, column);
        for (size_t k = 0; k < n; k++) known += column[k] * column[k];
        double all = SIZE_VARIANCE + sm_scales[s].residual + sm_scales[s].family;
        post->deviation[s][i] = (float)sqrt(fmax(all - known, 1e-8));
    }
    free(column);
    return SM_OK;
}

/* Mean of ln(objective) everywhere: the shape of z, and what kriging makes of rest = y - S, which
 * is overwritten. */
static void predict_mean(float *mean, const sm_posterior *post, size_t s, const float *z,
                         double *rest)
{
    const sm_features *f = post->features;
    size_t n = post->observed;
    sm_solve_lower(post->factor[s], n, rest);
    sm_solve_lower_transposed(post->factor[s], n, rest); /* K^-1 (y - S) */
    double common = 0;
    float family[SM_CHOOSE_MAX_FAMILIES] = {0};
    for (size_t k = 0; k < n; k++) {
        common += SIZE_VARIANCE * rest[k];
        family[f->family[post->at[k]]] += (float)(sm_scales[s].family * rest[k]);
    }
    sm_hypothesis_shape(mean, z, f);
    for (size_t i = 0; i < f->count; i++) mean[i] += (float)common + family[f->family[i]];
    for (size_t k = 0; k < n; k++) {
        const float *kernel = post->kernel + k * f->count;
        float factor = (float)(sm_scales[s].residual * rest[k]);
        for (size_t i = 0; i < f->count; i++) mean[i] += factor * kernel[i];
    }
}

static sm_status predict(sm_posterior *post, const sm_hypotheses *h, const float *const *columns,
                         const sm_observation *obs, const uint32_t *chosen)
{
    size_t n = post->observed, width = post->features->count;
    double rest[SM_CHOOSE_MAX_TRIALS];
    for (size_t m = 0; m < post->count; m++) {
        size_t s = chosen[m] / h->count, p = chosen[m] % h->count;
        float *mean = post->mean + m * width;
        post->scale[m] = (uint8_t)s;
        if (m > 0 && chosen[m] == chosen[m - 1]) { /* drawn again */
            memcpy(mean, mean - width, width * sizeof *mean);
            continue;
        }
        if (post->deviation[s] == NULL) {
            sm_status status = predict_deviation(post, s);
            if (status != SM_OK) return status;
        }
        for (size_t k = 0; k < n; k++) rest[k] = obs[k].value - (double)columns[k][p];
        predict_mean(mean, post, s, h->z + p * h->latents, rest);
    }
    return SM_OK;
}

static sm_status take_posterior(sm_posterior *post, const sm_features *f, size_t n)
{
    *post = (sm_posterior){.features = f, .observed = n, .count = SM_PARTICLES};
    post->at = malloc((n + 1) * sizeof *post->at);
    post->kernel = malloc((n + 1) * f->count * sizeof *post->kernel);
    post->scale = malloc(SM_PARTICLES * sizeof *post->scale);
    post->mean = malloc(SM_PARTICLES * f->count * sizeof *post->mean);
    bool whole =
        post->at != NULL && post->kernel != NULL && post->scale != NULL && post->mean != NULL;
    for (size_t s = 0; s < SM_SCALES; s++) {
        post->factor[s] = calloc((n + 1) * (n + 1), sizeof *post->factor[s]);
        whole &= post->factor[s] != NULL;
    }
    return whole ? SM_OK : sm_fail_memory(SM_PARTICLES * f->count * sizeof *post->mean);
}

sm_status sm_posterior_make(sm_posterior *post, sm_hypotheses *h, const sm_observation *obs,
                            size_t n)
{
    const sm_features *f = h->features;
    const float *columns[SM_CHOOSE_MAX_TRIALS] = {NULL};
    sm_status status = take_posterior(post, f, n);
    double *weight = malloc(SM_SCALES * h->count * sizeof *weight);
    uint32_t *chosen = malloc(SM_PARTICLES * sizeof *chosen);
    if (status == SM_OK && (weight == NULL || chosen == NULL))
        status = sm_fail_memory(SM_SCALES * h->count * sizeof *weight);
    for (size_t k = 0; k < n && status == SM_OK; k++) {
        post->at[k] = obs[k].candidate;
        for (size_t i = 0; i < f->count; i++)
            post->kernel[k * f->count + i] = (float)sm_kernel(f, obs[k].candidate, i);
        status = find_column(&columns[k], h, obs[k].candidate);
    }
    /* a column may have moved while later ones were added */
    for (size_t k = 0; k < n && status == SM_OK; k++)
        status = find_column(&columns[k], h, obs[k].candidate);
    for (size_t s = 0; s < SM_SCALES && status == SM_OK; s++) {
        status = sm_factor_observations(post->factor[s], f, &sm_scales[s], obs, n);
        if (status == SM_OK) weigh(weight + s * h->count, h, columns, obs, n, post->factor[s]);
    }
    if (status == SM_OK) {
        normalise(weight, h->count);
        resample(chosen, post->count, weight, SM_SCALES * h->count);
        status = predict(post, h, columns, obs, chosen);
    }
    free(weight);
    free(chosen);
    return status;
}

void sm_posterior_free(sm_posterior *post)
{
    free(post->at);
    free(post->kernel);
    free(post->scale);
    free(post->mean);
    for (size_t s = 0; s < SM_SCALES; s++) {
        free(post->factor[s]);
        free(post->deviation[s]);
    }
    *post = (sm_posterior){0};
}

sm_status sm_posterior_covariance(double *cov, const sm_posterior *post, size_t s,
                                  const uint32_t *candidates, size_t count)
{
    const sm_features *f = post->features;
    size_t n = post->observed;
    double *white = malloc((count * n + 1) * sizeof *white);
    if (white == NULL) return sm_fail_memory((count * n + 1) * sizeof *white);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < n; k++)
            white[i * n + k] = covariance(f, &sm_scales[s], candidates[i], post->at[k],
                                          (double)post->kernel[k * f->count + candidates[i]]);
        sm_solve_lower(post->factor[s], n, white + i * n);
        for (size_t j = 0; j <= i; j++) {
            double c = covariance(f, &sm_scales[s], candidates[i], candidates[j],
                                  sm_kernel(f, candidates[i], candidates[j]));
            for (size_t k = 0; k < n; k++) c -= white[i * n + k] * white[j * n + k];
            cov[i * count + j] = cov[j * count + i] = c;
        }
    }
    free(white);
    return SM_OK;
}
