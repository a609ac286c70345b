#include "choose/gain.h"

#include "choose/fastmath.h"
#include "choose/linear.h"
#include "choose/rng.h"
#include "core/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NOISE_VARIANCE 0.0016 /* of ln(objective) between two runs of the same thing */

/* Sums over the particles, for every candidate. */
typedef struct sums {
    float *saving, *cost, *allowed;
} sums;

/*
 * E[(b - C) 1{C <= u}] for lognormal C with u = min(b, what the limit allows):
 * b Phi(t) - e^(m + s^2/2) Phi(t - s) with t = (ln u - m) / s.
 */
static void add_particle(const sums *to, const float *mean, const float *deviation,
                         const float *cap, size_t n, float log_best)
{
    float *restrict saving = to->saving, *restrict cost = to->cost, *restrict allowed = to->allowed;
    float best = sm_expf(log_best);
    for (size_t i = 0; i < n; i++) {
        float s = deviation[i], expected = sm_expf(mean[i] + 0.5f * s * s);
        float upper = cap[i] < log_best ? cap[i] : log_best;
        float t = (upper - mean[i]) / s;
        saving[i] += best * sm_normal_cdf(t) - expected * sm_normal_cdf(t - s);
        cost[i] += expected;
    }
    for (size_t i = 0; i < n; i++) allowed[i] += sm_normal_cdf((cap[i] - mean[i]) / deviation[i]);
}

sm_status sm_gain_now(sm_worth *worth, size_t count, const sm_gain_question *q)
{
    const sm_posterior *post = q->posterior;
    const sm_features *f = post->features;
    float *block = calloc(3 * f->count, sizeof *block);
    if (block == NULL) return sm_fail_memory(3 * f->count * sizeof *block);
    sums all = {block, block + f->count, block + 2 * f->count};
    float log_best = isfinite(q->best) ? (float)log(q->best) : 80;
    for (size_t m = 0; m < post->count; m++)
        add_particle(&all, post->mean + m * f->count, post->deviation[post->scale[m]], f->cap,
                     f->count, log_best);
    double share = 1 / (double)post->count;
    for (size_t j = 0; j < count; j++) {
        uint32_t i = worth[j].candidate;
        double succeeds = 1 - q->fails[i];
        worth[j].cost = (double)all.cost[i] * share;
        worth[j].saving = fmax((double)all.saving[i] * share, 0) * succeeds;
        worth[j].gain = q->recurrences * worth[j].saving - worth[j].cost;
        worth[j].allowed = succeeds * (double)all.allowed[i] * share;
        if (!isfinite(q->best)) { /* the cheapest that is likely to run, and within the limit */
            double good = fmax(worth[j].allowed, 1e-6);
            worth[j].saving = NAN;
            worth[j].gain = -worth[j].cost * (1 + 2 * (1 - good) / good);
        }
    }
    free(block);
    return SM_OK;
}

/* ---- One step ahead */

enum { PATHS = 256, OUTCOMES = 12, FIRST = 24, SECOND = 48 };

typedef struct paths {
    size_t width; /* candidates of the second trial */
    uint32_t particle[PATHS];
    float value[PATHS][SECOND]; /* objective if chosen: INFINITY-like where not allowed */
    float cost[PATHS][SECOND];  /* what the trial takes */
} paths;

static int by_gain(const void *a, const void *b)
{
    const sm_worth *x = a, *y = b;
    if (x->gain != y->gain) return x->gain > y->gain ? -1 : 1;
    return x->candidate < y->candidate ? -1 : x->candidate > y->candidate;
}

/* Joint draws of ln(objective) at the candidates: a particle each, and its scale's residual. */
static sm_status draw_paths(paths *p, const sm_worth *worth, size_t width,
                            const sm_gain_question *q, sm_rng *rng)
{
    const sm_posterior *post = q->posterior;
    size_t n = post->features->count;
    uint32_t at[SECOND];
    double cov[SECOND * SECOND], normal[SECOND];
    size_t factored = SM_SCALES;
    p->width = width;
    for (size_t j = 0; j < width; j++) at[j] = worth[j].candidate;
    for (size_t k = 0; k < PATHS; k++) {
        size_t m = (2 * k + 1) * post->count / (2 * PATHS), s = post->scale[m];
        p->particle[k] = (uint32_t)m;
        if (s != factored) { /* particles come in the order of their scales */
            sm_status status = sm_posterior_covariance(cov, post, s, at, width);
            if (status != SM_OK) return status;
            for (size_t j = 0; j < width; j++) cov[j * width + j] += 1e-7;
            if (!sm_cholesky(cov, width))
                return sm_fail(SM_ERR_INTERNAL, "a posterior covariance has no factor");
            factored = s;
        }
        for (size_t j = 0; j < width; j++) normal[j] = sm_rng_normal(rng);
        for (size_t j = 0; j < width; j++) {
            double value = (double)post->mean[m * n + at[j]];
            for (size_t i = 0; i <= j; i++) value += cov[j * width + i] * normal[i];
            p->cost[k][j] = sm_expf((float)value);
            p->value[k][j] = (float)value <= post->features->cap[at[j]] ? p->cost[k][j] : 1e30f;
        }
    }
    return SM_OK;
}

/* The best expected net gain of a second trial, under weights of the paths, when best is known. */
static double second_gain(const paths *p, const float *weight, float best, size_t first,
                          const sm_worth *worth, const sm_gain_question *q)
{
    float least[SECOND] = {0}, cost[SECOND] = {0};
    for (size_t k = 0; k < PATHS; k++) {
        float w = weight[k];
        if (w < 1e-7f) continue;
        for (size_t j = 0; j < p->width; j++) {
            least[j] += w * (p->value[k][j] < best ? p->value[k][j] : best);
            cost[j] += w * p->cost[k][j];
        }
    }
    double most = 0;
    for (size_t j = 0; j < p->width; j++) {
        double succeeds = 1 - q->fails[worth[j].candidate];
        double gain = q->recurrences * succeeds * (double)(best - least[j]) - (double)cost[j];
        if (j != first && gain > most) most = gain;
    }
    return most;
}

static sm_status add_ahead(sm_worth *worth, size_t t, const paths *p, const uint32_t *order,
                           const double *z, const sm_worth *all, const sm_gain_question *q)
{
    const sm_posterior *post = q->posterior;
    size_t n = post->features->count;
    uint32_t i = worth->candidate;
    float mean[PATHS], variance[PATHS], weight[PATHS];
    uint32_t sorted[PATHS];
    for (size_t k = 0; k < PATHS; k++) {
        uint32_t m = p->particle[k];
        float s = post->deviation[post->scale[m]][i];
        mean[k] = post->mean[m * n + i];
        variance[k] = s * s + (float)NOISE_VARIANCE;
        size_t at = k; /* insertion: the paths in the order of what they foretell here */
        while (at > 0 && mean[sorted[at - 1]] > mean[k]) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = (uint32_t)k;
    }
    double added = 0;
    for (size_t o = 0; o < OUTCOMES; o++) {
        uint32_t k = sorted[(2 * o + 1) * PATHS / (2 * OUTCOMES)];
        float y = mean[k] + (float)z[order[o]] * post->deviation[post->scale[p->particle[k]]][i];
        float total = 0;
        for (size_t l = 0; l < PATHS; l++) {
            float d = y - mean[l];
            weight[l] = sm_expf(-0.5f * d * d / variance[l]) / sqrtf(variance[l]);
            total += weight[l];
        }
        if (!(total > 0)) continue;
        for (size_t l = 0; l < PATHS; l++) weight[l] /= total;
        float best = (float)q->best, seen = sm_expf(y);
        if (y <= post->features->cap[i] && seen < best) best = seen;
        added += second_gain(p, weight, best, t, all, q) / OUTCOMES;
    }
    worth->gain += added;
    return SM_OK;
}

sm_status sm_gain_ahead(sm_worth *worth, size_t count, const sm_gain_question *q)
{
    qsort(worth, count, sizeof *worth, by_gain);
    paths *p = malloc(sizeof *p);
    if (p == NULL) return sm_fail_memory(sizeof *p);
    sm_rng rng;
    sm_rng_init(&rng, q->seed, 3);
    sm_status status = draw_paths(p, worth, count < SECOND ? count : SECOND, q, &rng);
    uint32_t order[OUTCOMES];
    double z[OUTCOMES];
    for (size_t o = 0; o < OUTCOMES; o++) {
        order[o] = (uint32_t)o;
        z[o] = sm_normal_quantile(((double)o + 0.5) / OUTCOMES);
    }
    sm_rng_permute(&rng, order, OUTCOMES);
    sm_worth *all = malloc(SECOND * sizeof *all);
    if (all == NULL) status = sm_fail_memory(SECOND * sizeof *all);
    if (status == SM_OK) memcpy(all, worth, p->width * sizeof *all);
    for (size_t t = 0; t < count && status == SM_OK; t++) {
        if (t < FIRST && t < p->width)
            status = add_ahead(&worth[t], t, p, order, z, all, q);
        else
            worth[t].gain = -INFINITY;
    }
    free(all);
    free(p);
    return status;
}
