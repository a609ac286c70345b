/*
 * CherryPick (Alipourfard et al., NSDI 2017): a Gaussian process over the machines' features, three
 * quasi-random runs, then the greatest expected improvement, weighted by the probability that the
 * limit is kept; stops when that is under 10% of the best and at least six were run. Values are
 * taken by their logarithm, and the kernel's parameters fitted after each run.
 */
#include "choose/chooser.h"
#include "choose/gp.h"
#include "choose/rng.h"
#include "core/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { INITIAL = 3 };

typedef struct cherrypick {
    double *x; /* [candidate][dimension], each dimension in [0, 1] */
    size_t d;
    uint32_t initial[INITIAL];
    size_t initial_count;
    double theta[SM_GP_PARAMETERS];
    bool fitted; /* theta is of an earlier fit */
} cherrypick;

static void destroy(void *model)
{
    cherrypick *p = model;
    free(p->x);
    free(p);
}

/* Core speed, cores, memory a core, nodes, fast local disks; those that differ, scaled to [0, 1].
 */
static void fill_features(cherrypick *p, const sm_chooser *c)
{
    double low[SM_GP_DIMENSIONS] = {0}, high[SM_GP_DIMENSIONS] = {0};
    size_t kept = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < c->count; i++) {
            const sm_candidate *m = &c->candidates[i];
            double raw[SM_GP_DIMENSIONS] = {exp((double)c->features.log_speed[i]), log2(m->vcpus),
                                            log2(m->memory_gb / m->vcpus), m->nodes,
                                            strncmp(m->family, "i", 1) == 0};
            kept = 0;
            for (size_t k = 0; k < SM_GP_DIMENSIONS; k++) {
                if (pass == 0) {
                    low[k] = i == 0 ? raw[k] : fmin(low[k], raw[k]);
                    high[k] = i == 0 ? raw[k] : fmax(high[k], raw[k]);
                } else if (high[k] > low[k]) {
                    p->x[i * SM_GP_DIMENSIONS + kept++] = (raw[k] - low[k]) / (high[k] - low[k]);
                }
            }
        }
    p->d = kept;
    for (size_t i = 0; i < c->count; i++) /* close the gaps */
        memmove(p->x + i * kept, p->x + i * SM_GP_DIMENSIONS, kept * sizeof *p->x);
}

/* The candidates nearest to points of a Latin hypercube of four, as a scrambled Sobol sequence
 * begins. */
static void pick_initial(cherrypick *p, const sm_chooser *c)
{
    uint32_t stratum[SM_GP_DIMENSIONS][INITIAL + 1];
    sm_rng rng;
    sm_rng_init(&rng, c->options.seed, 6);
    for (size_t k = 0; k < SM_GP_DIMENSIONS; k++) {
        for (uint32_t t = 0; t <= INITIAL; t++) stratum[k][t] = t;
        sm_rng_permute(&rng, stratum[k], INITIAL + 1);
    }
    for (size_t t = 0; t < INITIAL && t < c->count; t++) {
        double point[SM_GP_DIMENSIONS], least = INFINITY;
        for (size_t k = 0; k < p->d; k++)
            point[k] = ((double)stratum[k][t] + sm_rng_uniform(&rng)) / (INITIAL + 1);
        uint32_t nearest = 0;
        for (size_t i = 0; i < c->count; i++) {
            double square = 0;
            for (size_t k = 0; k < p->d; k++) square += pow(p->x[i * p->d + k] - point[k], 2);
            for (size_t j = 0; j < p->initial_count; j++)
                if (p->initial[j] == i) square = INFINITY;
            if (square < least) {
                least = square;
                nearest = (uint32_t)i;
            }
        }
        p->initial[p->initial_count++] = nearest;
    }
}

static sm_status create(void **model, const sm_chooser *c)
{
    cherrypick *p = calloc(1, sizeof *p);
    if (p == NULL) return sm_fail_memory(sizeof *p);
    p->x = calloc(c->count * SM_GP_DIMENSIONS, sizeof *p->x);
    if (p->x == NULL) {
        destroy(p);
        return sm_fail_memory(c->count * SM_GP_DIMENSIONS * sizeof *p->x);
    }
    fill_features(p, c);
    pick_initial(p, c);
    *model = p;
    return SM_OK;
}

/* ln of each finished trial; a failure counts as twice the worst success, or what it burnt. */
static size_t observe(double *x, double *y, const cherrypick *p, const sm_chooser *c)
{
    double worst = 0, any = 0;
    size_t n = 0;
    for (size_t t = 0; t < c->trial_count; t++) {
        double value = sm_trial_value(c, &c->trials[t]);
        if (c->trials[t].outcome == SM_TRIAL_OK) worst = fmax(worst, value);
        if (c->trials[t].outcome != SM_TRIAL_RUNNING) any = fmax(any, value);
    }
    for (size_t t = 0; t < c->trial_count; t++) {
        const sm_trial *trial = &c->trials[t];
        double value = sm_trial_value(c, trial);
        if (trial->outcome == SM_TRIAL_RUNNING) continue;
        if (trial->outcome == SM_TRIAL_FAILED) value = fmax(2 * (worst > 0 ? worst : any), value);
        memcpy(x + n * p->d, p->x + trial->candidate * p->d, p->d * sizeof *x);
        y[n++] = log(value);
    }
    return n;
}

static double normal_cdf(double z)
{
    return 0.5 * erfc(-z / sqrt(2));
}

/* EI of ln(objective), times the probability that the limit is kept. */
static double improvement(double mean, double deviation, double best, double cap)
{
    double z = (best - mean) / deviation;
    double ei = (best - mean) * normal_cdf(z) + deviation * exp(-0.5 * z * z) / sqrt(2 * acos(-1));
    return isfinite(cap) ? ei * normal_cdf((cap - mean) / deviation) : ei;
}

static sm_status search(sm_advice *advice, cherrypick *p, const sm_chooser *c, double *ei)
{
    double x[SM_CHOOSE_MAX_TRIALS * SM_GP_DIMENSIONS], y[SM_CHOOSE_MAX_TRIALS];
    size_t n = observe(x, y, p, c);
    sm_gp gp;
    sm_status status = sm_gp_fit(&gp, x, y, n, p->d, p->fitted ? p->theta : NULL);
    if (status == SM_OK) {
        memcpy(p->theta, gp.theta, sizeof p->theta);
        p->fitted = true;
        uint32_t winner = sm_chooser_best(c);
        double best = y[0];
        for (size_t i = 1; i < n; i++) best = fmin(best, y[i]);
        if (winner != UINT32_MAX) best = log(sm_trial_value(c, &c->trials[c->trial_of[winner]]));
        *ei = -INFINITY;
        for (size_t i = 0; i < c->count; i++) {
            double mean, deviation;
            if (c->trial_of[i] >= 0) continue;
            sm_gp_predict(&mean, &deviation, &gp, p->x + i * p->d);
            double here = improvement(mean, deviation, best, (double)c->features.cap[i]);
            if (here > *ei) {
                *ei = here;
                advice->candidate = (uint32_t)i;
            }
        }
    }
    sm_gp_free(&gp);
    return status;
}

static sm_status advise(sm_advice *advice, void *model, const sm_chooser *c, bool explore)
{
    cherrypick *p = model;
    advice->kind = SM_ADVICE_TRY;
    advice->reason = SM_WHY_DESIGN;
    for (size_t k = 0; k < p->initial_count; k++)
        if (c->trial_of[p->initial[k]] < 0) {
            advice->candidate = p->initial[k];
            return SM_OK;
        }
    size_t finished = 0;
    for (size_t t = 0; t < c->trial_count; t++)
        finished += c->trials[t].outcome != SM_TRIAL_RUNNING;
    if (finished < 2) { /* nothing to fit yet: any that is not at work */
        for (size_t i = c->count; i-- > 0;)
            if (c->trial_of[i] < 0) advice->candidate = (uint32_t)i;
        return SM_OK;
    }
    double ei;
    sm_status status = search(advice, p, c, &ei);
    if (status != SM_OK) return status;
    advice->reason = SM_WHY_MODEL;
    if (!explore && c->trial_count >= c->options.min_trials && ei < c->options.ei_stop &&
        sm_chooser_best(c) != UINT32_MAX) {
        advice->kind = SM_ADVICE_STOP;
        advice->reason = SM_WHY_NOT_WORTH;
    }
    return SM_OK;
}

const method sm_method_cherrypick = {
    .name = "cherrypick", .create = create, .destroy = destroy, .advise = advise};
