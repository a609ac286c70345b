#include "choose/history.h"

#include "choose/linear.h"
#include "core/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    JOBS_MAX = 32,      /* the last ones are taken */
    RUNS_MAX = 24,      /* of a job, evenly from all */
    RUNS_MIN = 3,       /* fewer say nothing of a shape */
    EFFECTIVE_MIN = 40, /* draws that must bear a job's weight: a flatter likelihood, else */
    MOVES = 12
};

#define NOISE_VARIANCE 0.0016
static const sm_scale scale = {.residual = 0.02, .family = 0.03, .prior = 1};

/* One job's runs, on features of their own: the families of the present search come first. */
typedef struct job {
    sm_features features;
    sm_observation runs[RUNS_MAX];
    size_t count, latents;
    double factor[RUNS_MAX * RUNS_MAX];
    double power; /* of the likelihood */
} job;

static bool take_run(const sm_past_trial *t)
{
    return t->outcome == SM_TRIAL_OK && t->seconds > 0 && t->cost > 0;
}

/* Candidates: one of each present family, so that the numbers of families agree; then the runs'. */
static sm_status make_job(job *j, const sm_hypotheses *h, const sm_candidate *candidates,
                          const sm_past_trial *past, size_t count, const sm_choose_options *options)
{
    const sm_features *f = h->features;
    size_t good = 0, families = f->families, at = 0;
    for (size_t t = 0; t < count; t++) good += take_run(&past[t]);
    j->count = good < RUNS_MAX ? good : RUNS_MAX;
    sm_candidate *all = calloc(families + j->count, sizeof *all);
    if (all == NULL) return sm_fail_memory((families + j->count) * sizeof *all);
    for (size_t i = f->count; i-- > 0;) all[f->family[i]] = candidates[i];
    for (size_t t = 0, seen = 0; t < count; t++) {
        if (!take_run(&past[t])) continue;
        if (at < j->count && seen * j->count / good >= at) {
            bool money = options->objective == SM_CHOOSE_COST;
            all[families + at] = past[t].where;
            j->runs[at] = (sm_observation){.candidate = (uint32_t)(families + at),
                                           .value = log(money ? past[t].cost : past[t].seconds),
                                           .variance = NOISE_VARIANCE};
            at++;
        }
        seen++;
    }
    j->count = at;
    sm_status status = sm_features_new(&j->features, all, families + at, options);
    free(all);
    if (status != SM_OK) return status;
    j->latents = sm_latent_count(&j->features);
    status = sm_factor_observations(j->factor, &j->features, &scale, j->runs, j->count);
    return status;
}

static double log_likelihood(const job *j, const float *z, float *shape)
{
    double rest[RUNS_MAX], sum = 0;
    sm_hypothesis_shape(shape, z, &j->features);
    for (size_t k = 0; k < j->count; k++)
        rest[k] = j->runs[k].value - (double)shape[j->runs[k].candidate];
    sm_solve_lower(j->factor, j->count, rest);
    for (size_t k = 0; k < j->count; k++) sum += rest[k] * rest[k];
    return -0.5 * sum;
}

/* The power of the likelihood under which enough draws keep weight; weights are written. */
static double temper(double *weight, const double *log_weight, size_t count)
{
    double low = 0, high = 1, highest = -INFINITY;
    for (size_t p = 0; p < count; p++) highest = fmax(highest, log_weight[p]);
    for (int step = 0; step < 16; step++) {
        double power = step == 0 ? 1 : 0.5 * (low + high), sum = 0, squares = 0;
        for (size_t p = 0; p < count; p++) {
            weight[p] = exp(power * (log_weight[p] - highest));
            sum += weight[p];
            squares += weight[p] * weight[p];
        }
        bool enough = sum * sum / squares >= EFFECTIVE_MIN;
        if (enough && step == 0) return 1;
        if (enough)
            low = power;
        else
            high = power;
    }
    return low;
}

/*
 * Metropolis steps that keep prior x likelihood^power (preconditioned Crank-Nicolson on some of the
 * latents: Cotter, Roberts, Stuart and White, Statistical Science 28, 2013), so that few survivors
 * become many.
 */
static void move(float *z, float *proposal, float *shape, const job *j, sm_rng *rng)
{
    double present = log_likelihood(j, z, shape);
    for (int step = 0; step < MOVES; step++) {
        double part = 0.1 + 0.6 * sm_rng_uniform(rng), fresh = sm_rng_uniform(rng);
        double keep = sqrt(1 - fresh * fresh);
        for (size_t i = 0; i < j->latents; i++) {
            proposal[i] = z[i];
            if (sm_rng_uniform(rng) < part)
                proposal[i] = (float)(keep * (double)z[i] + fresh * sm_rng_normal(rng));
        }
        double there = log_likelihood(j, proposal, shape);
        if (log(sm_rng_uniform(rng)) < j->power * (there - present)) {
            memcpy(z, proposal, j->latents * sizeof *z);
            present = there;
        }
    }
}

/* Fills slots of the hypotheses with draws of what explains the job. */
static sm_status learn_job(sm_hypotheses *h, size_t begin, size_t end, job *j, sm_rng *rng)
{
    size_t count = h->count / 2; /* the half that stays is what is weighed */
    float *extended = malloc((count + 2) * j->latents * sizeof *extended);
    float *shape = malloc(j->features.count * sizeof *shape);
    double *log_weight = malloc(count * sizeof *log_weight);
    double *weight = malloc(count * sizeof *weight);
    sm_status status = SM_OK;
    if (extended == NULL || shape == NULL || log_weight == NULL || weight == NULL) {
        status = sm_fail_memory(count * j->latents * sizeof *extended);
    } else {
        for (size_t p = 0; p < count; p++) { /* the families that only the past has: any */
            float *z = extended + p * j->latents;
            memcpy(z, h->z + p * h->latents, h->latents * sizeof *z);
            for (size_t i = h->latents; i < j->latents; i++) z[i] = (float)sm_rng_normal(rng);
            log_weight[p] = log_likelihood(j, z, shape);
        }
        j->power = temper(weight, log_weight, count);
        double total = 0, passed = 0;
        for (size_t p = 0; p < count; p++) total += weight[p];
        size_t at = 0;
        float *z = extended + count * j->latents;
        for (size_t slot = begin; slot < end; slot++) {
            double want = ((double)(slot - begin) + 0.5) / (double)(end - begin) * total;
            while (at + 1 < count && passed + weight[at] < want) passed += weight[at++];
            memcpy(z, extended + at * j->latents, j->latents * sizeof *z);
            move(z, z + j->latents, shape, j, rng);
            memcpy(h->z + slot * h->latents, z, h->latents * sizeof *z);
        }
    }
    free(extended);
    free(shape);
    free(log_weight);
    free(weight);
    return status;
}

static int by_job(const void *a, const void *b)
{
    const sm_past_trial *const *x = a, *const *y = b;
    int order = strcmp((*x)->job, (*y)->job);
    if (order != 0) return order;
    return *x < *y ? -1 : *x > *y;
}

typedef struct span {
    size_t begin, count; /* of the sorted trials */
} span;

/* The jobs with enough runs, at most JOBS_MAX; sorted holds the trials job by job. */
static size_t find_jobs(span spans[JOBS_MAX], const sm_past_trial *sorted, size_t count)
{
    size_t jobs = 0;
    for (size_t begin = 0, end; begin < count; begin = end) {
        size_t good = 0;
        for (end = begin; end < count && strcmp(sorted[end].job, sorted[begin].job) == 0; end++)
            good += take_run(&sorted[end]);
        if (good >= RUNS_MIN) spans[jobs++ % JOBS_MAX] = (span){begin, end - begin};
    }
    return jobs < JOBS_MAX ? jobs : JOBS_MAX;
}

sm_status sm_hypotheses_learn(sm_hypotheses *h, const sm_candidate *candidates,
                              const sm_past_trial *past, size_t count,
                              const sm_choose_options *options)
{
    if (count == 0) return SM_OK;
    const sm_past_trial **order = malloc(count * sizeof *order);
    sm_past_trial *sorted = malloc(count * sizeof *sorted);
    job *j = malloc(sizeof *j);
    span spans[JOBS_MAX];
    sm_status status = order == NULL || sorted == NULL || j == NULL
                           ? sm_fail_memory(count * sizeof *sorted)
                           : SM_OK;
    size_t jobs = 0, half = h->count / 2;
    if (status == SM_OK) {
        for (size_t t = 0; t < count; t++) order[t] = &past[t];
        qsort(order, count, sizeof *order, by_job);
        for (size_t t = 0; t < count; t++) sorted[t] = *order[t];
        jobs = find_jobs(spans, sorted, count);
    }
    sm_rng rng;
    sm_rng_init(&rng, h->seed, 8);
    for (size_t k = 0; k < jobs && status == SM_OK; k++) {
        *j = (job){0};
        status = make_job(j, h, candidates, sorted + spans[k].begin, spans[k].count, options);
        if (status == SM_OK)
            status = learn_job(h, half + k * (h->count - half) / jobs,
                               half + (k + 1) * (h->count - half) / jobs, j, &rng);
        sm_features_free(&j->features);
    }
    h->columns = 0; /* of other hypotheses */
    free(order);
    free(sorted);
    free(j);
    return status;
}
