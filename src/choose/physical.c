/* Our method: averaged physical hypotheses, and a stopping rule in money (docs/choosing.md). */
#include "choose/chooser.h"
#include "choose/failure.h"
#include "choose/gain.h"
#include "choose/history.h"
#include "choose/rng.h"
#include "core/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NOISE_VARIANCE   0.0016 /* of ln(objective) of a run that succeeded */
#define FAILURE_VARIANCE 0.5    /* of one that failed: only a hint */
#define AHEAD_BELOW      0.01 /* look ahead when the gain is below this share of all recurrences */
#define FAMILY_DOUBT     0.4  /* deviation of ln(objective): how far an unseen family may be off */
#define NEAR             1.1  /* doublings of cores: the next size or count is near */
#define HOPELESS         0.02 /* stop when no candidate keeps the limit with more probability */
#define FIRST_MOST       5.0f /* the first run counts nothing as worse than so many times the best */

typedef struct physical {
    sm_hypotheses *hypotheses;
    double *fails;          /* [candidate] */
    sm_posterior posterior; /* after the trials of version */
    sm_worth *worth;        /* of the untried candidates */
    size_t worth_count;
    double best; /* INFINITY: none yet */
    bool looked_ahead;
    uint64_t version; /* of the chooser, when posterior and worth were made; 0: never */
} physical;

static void destroy(void *model)
{
    physical *p = model;
    sm_posterior_free(&p->posterior);
    sm_hypotheses_free(p->hypotheses);
    free(p->fails);
    free(p->worth);
    free(p);
}

static sm_status create(void **model, const sm_chooser *c)
{
    physical *p = calloc(1, sizeof *p);
    if (p == NULL) return sm_fail_memory(sizeof *p);
    p->fails = calloc(c->count, sizeof *p->fails);
    p->worth = calloc(c->count, sizeof *p->worth);
    sm_status status = p->fails == NULL || p->worth == NULL
                           ? sm_fail_memory(c->count * sizeof *p->worth)
                           : sm_hypotheses_new(&p->hypotheses, &c->features, c->options.seed);
    if (status == SM_OK)
        *model = p;
    else
        destroy(p);
    return status;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* What a failed run enters as: 1.7 times the median of those that succeeded. */
static double failure_value(const sm_chooser *c)
{
    double values[SM_CHOOSE_MAX_TRIALS];
    size_t n = 0;
    for (size_t t = 0; t < c->trial_count; t++)
        if (c->trials[t].outcome == SM_TRIAL_OK) values[n++] = sm_trial_value(c, &c->trials[t]);
    if (n == 0) return 0;
    qsort(values, n, sizeof *values, by_value);
    return 1.7 * (n % 2 == 1 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]));
}

/* ln of what is expected at a candidate. */
static double expected_log(const sm_posterior *post, uint32_t candidate)
{
    double sum = 0;
    for (size_t m = 0; m < post->count; m++)
        sum += (double)post->mean[m * post->features->count + candidate];
    return sum / (double)post->count;
}

/* The finished trials as observations; then those that still run, each at what is expected of it
 * (the "kriging believer" of Ginsbourger, Le Riche and Carraro, 2010). */
static sm_status observe(physical *p, const sm_chooser *c)
{
    sm_observation obs[SM_CHOOSE_MAX_TRIALS];
    size_t n = 0;
    double failed = failure_value(c);
    p->best = INFINITY;
    for (size_t t = 0; t < c->trial_count; t++) {
        const sm_trial *trial = &c->trials[t];
        if (trial->outcome == SM_TRIAL_RUNNING) continue;
        bool ok = trial->outcome == SM_TRIAL_OK;
        double value = sm_trial_value(c, trial);
        obs[n++] = (sm_observation){.candidate = trial->candidate,
                                    .value = log(ok ? value : fmax(failed, value)),
                                    .variance = ok ? NOISE_VARIANCE : FAILURE_VARIANCE};
        if (sm_trial_allowed(c, trial) && value < p->best) p->best = value;
    }
    sm_posterior_free(&p->posterior);
    sm_status status = sm_posterior_make(&p->posterior, p->hypotheses, obs, n);
    for (size_t t = 0; t < c->trial_count && status == SM_OK; t++) {
        if (c->trials[t].outcome != SM_TRIAL_RUNNING) continue;
        uint32_t i = c->trials[t].candidate;
        double cap = (double)c->features.cap[i], believed = expected_log(&p->posterior, i);
        if (n == 0) believed = isfinite(cap) ? cap : 0; /* of any size: all is relative to it */
        obs[n++] = (sm_observation){.candidate = i, .value = believed, .variance = NOISE_VARIANCE};
        sm_posterior_free(&p->posterior);
        status = sm_posterior_make(&p->posterior, p->hypotheses, obs, n);
        if (believed <= cap) p->best = fmin(p->best, exp(believed));
    }
    return status;
}

static sm_status update(physical *p, const sm_chooser *c)
{
    if (p->version == c->version + 1) return SM_OK;
    sm_status status = sm_failure_probability(p->fails, c->candidates, c->count, c->trials,
                                              c->trial_count, c->options.seed);
    if (status == SM_OK) status = observe(p, c);
    if (status != SM_OK) return status;
    p->worth_count = 0;
    for (size_t i = 0; i < c->count; i++)
        if (c->trial_of[i] < 0) p->worth[p->worth_count++] = (sm_worth){.candidate = (uint32_t)i};
    sm_gain_question q = {.posterior = &p->posterior,
                          .fails = p->fails,
                          .best = p->best,
                          .recurrences = c->options.recurrences,
                          .seed = c->options.seed};
    status = sm_gain_now(p->worth, p->worth_count, &q);
    if (status != SM_OK) return status;
    p->looked_ahead = false;
    double most = -INFINITY;
    for (size_t j = 0; j < p->worth_count; j++) most = fmax(most, p->worth[j].gain);
    if (isfinite(p->best) && most <= AHEAD_BELOW * q.recurrences * p->best && p->worth_count > 0) {
        status = sm_gain_ahead(p->worth, p->worth_count, &q);
        p->looked_ahead = true;
    }
    if (status == SM_OK) p->version = c->version + 1;
    return status;
}

static sm_status advise_first(sm_advice *advice, physical *p, const sm_chooser *c)
{
    float *badness = malloc(c->count * sizeof *badness);
    if (badness == NULL) return sm_fail_memory(c->count * sizeof *badness);
    sm_status status = sm_hypotheses_badness(badness, p->hypotheses, FIRST_MOST);
    if (status == SM_OK)
        status =
            sm_failure_probability(p->fails, c->candidates, c->count, NULL, 0, c->options.seed);
    double least = INFINITY;
    for (size_t i = 0; i < c->count && status == SM_OK; i++)
        if ((double)badness[i] * (1 + p->fails[i]) < least) {
            least = (double)badness[i] * (1 + p->fails[i]);
            advice->candidate = (uint32_t)i;
        }
    free(badness);
    advice->kind = SM_ADVICE_TRY;
    advice->reason = SM_WHY_FIRST;
    return status;
}

static double normal_cdf(double z)
{
    return 0.5 * erfc(-z / sqrt(2));
}

/* The net gain of a trial, if its family were off by e^N(0, FAMILY_DOUBT^2) for a reason of which
 * no hypothesis knows. */
static double doubtful_gain(double mean, double fails, const physical *p, const sm_chooser *c)
{
    double s = FAMILY_DOUBT, z = (log(p->best) - mean) / s;
    double expected = exp(mean + 0.5 * s * s);
    double saving = p->best * normal_cdf(z) - expected * normal_cdf(z - s);
    return c->options.recurrences * saving * (1 - fails) - exp(mean);
}

/* Insurance against families that surprise: one without a run near the winner's size, its member
 * nearest to the winner, where doubt alone makes the trial pay. NULL when there is none. */
static const sm_worth *insurance(const physical *p, const sm_chooser *c)
{
    uint32_t winner = sm_chooser_best(c);
    const sm_features *f = &c->features;
    if (winner == UINT32_MAX) return NULL;
    const sm_worth *near[SM_CHOOSE_MAX_FAMILIES] = {NULL};
    double distance[SM_CHOOSE_MAX_FAMILIES];
    bool covered[SM_CHOOSE_MAX_FAMILIES] = {false};
    double doubling = log(2);
    for (size_t i = 0; i < c->count; i++)
        if (c->trial_of[i] >= 0 &&
            fabs((double)(f->log_width[i] - f->log_width[winner])) <= NEAR * doubling)
            covered[f->family[i]] = true;
    for (size_t j = 0; j < p->worth_count; j++) {
        uint32_t i = p->worth[j].candidate, family = f->family[i];
        double far = fabs((double)(f->log_share[i] - f->log_share[winner])) +
                     fabs((double)(f->log_slim[i] - f->log_slim[winner]));
        double wide = fabs((double)(f->log_width[i] - f->log_width[winner]));
        if (covered[family] || family == f->family[winner] || wide > NEAR * doubling) continue;
        if (near[family] == NULL || far < distance[family]) {
            near[family] = &p->worth[j];
            distance[family] = far;
        }
    }
    const sm_worth *chosen = NULL;
    double most = 0;
    for (size_t k = 0; k < f->families; k++) {
        if (near[k] == NULL) continue;
        uint32_t i = near[k]->candidate;
        double gain = doubtful_gain(expected_log(&p->posterior, i), p->fails[i], p, c);
        if (gain > most) {
            most = gain;
            chosen = near[k];
        }
    }
    return chosen;
}

/* Whether runs succeed, but it is not likely that any other keeps the limit. */
static bool is_hopeless(const physical *p, const sm_chooser *c)
{
    bool succeeds = false;
    double most = 0;
    for (size_t t = 0; t < c->trial_count; t++) succeeds |= c->trials[t].outcome == SM_TRIAL_OK;
    for (size_t j = 0; j < p->worth_count; j++) most = fmax(most, p->worth[j].allowed);
    return succeeds && most < HOPELESS;
}

static void take(sm_advice *advice, const sm_worth *worth, sm_advice_reason reason)
{
    advice->kind = SM_ADVICE_TRY;
    advice->reason = reason;
    advice->candidate = worth->candidate;
    advice->gain = worth->gain;
    advice->saving = worth->saving;
    advice->trial_cost = worth->cost;
}

static sm_status advise(sm_advice *advice, void *model, const sm_chooser *c, bool explore)
{
    physical *p = model;
    if (c->trial_count == 0) return advise_first(advice, p, c);
    sm_status status = update(p, c);
    if (status != SM_OK) return status;
    const sm_worth *most = &p->worth[0];
    for (size_t j = 1; j < p->worth_count; j++)
        if (p->worth[j].gain > most->gain) most = &p->worth[j];
    if (!isfinite(p->best)) {
        take(advice, most, SM_WHY_NO_SUCCESS);
        if (!explore && is_hopeless(p, c)) {
            advice->kind = SM_ADVICE_STOP;
            advice->reason = SM_WHY_NOT_FEASIBLE;
        }
        return SM_OK;
    }
    take(advice, most, p->looked_ahead ? SM_WHY_LOOK_AHEAD : SM_WHY_GAIN);
    if (explore || c->trial_count < 2 || most->gain >= 0) return SM_OK;
    const sm_worth *insured = insurance(p, c);
    if (insured != NULL) {
        take(advice, insured, SM_WHY_INSURANCE);
    } else {
        advice->kind = SM_ADVICE_STOP;
        advice->reason = SM_WHY_NOT_WORTH;
    }
    return SM_OK;
}

static sm_status learn(void *model, const sm_chooser *c, const sm_past_trial *past, size_t count)
{
    physical *p = model;
    return sm_hypotheses_learn(p->hypotheses, c->candidates, past, count, &c->options);
}

/* ---- Beliefs */

/* Particles with a residual each: draws of ln(objective), one row a candidate. */
static void draw_beliefs(float *draws, const physical *p, const sm_chooser *c)
{
    const sm_posterior *post = &p->posterior;
    sm_rng rng;
    sm_rng_init(&rng, c->options.seed, 7);
    for (size_t i = 0; i < c->count; i++)
        for (size_t m = 0; m < post->count; m++)
            draws[i * post->count + m] =
                post->mean[m * c->count + i] +
                post->deviation[post->scale[m]][i] * (float)sm_rng_normal(&rng);
}

/* In how many particles each candidate is the best that the limit allows. */
static void count_wins(sm_belief *beliefs, const float *draws, size_t particles,
                       const sm_chooser *c)
{
    for (size_t m = 0; m < particles; m++) {
        size_t best = c->count;
        float least = INFINITY;
        for (size_t i = 0; i < c->count; i++) {
            float value = draws[i * particles + m];
            bool failed =
                c->trial_of[i] >= 0 && c->trials[c->trial_of[i]].outcome == SM_TRIAL_FAILED;
            if (failed || value > c->features.cap[i] || value >= least) continue;
            least = value;
            best = i;
        }
        if (best < c->count) beliefs[best].is_best += 1 / (double)particles;
    }
}

static int by_float(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static void describe(sm_belief *b, float *draws, size_t n, double offset, double rate)
{
    double mean = 0;
    qsort(draws, n, sizeof *draws, by_float);
    for (size_t m = n / 100; m < n - n / 100; m++) /* a few absurd draws say nothing */
        mean += exp((double)draws[m] - offset) / (double)(n - 2 * (n / 100));
    b->seconds = mean;
    b->seconds_low = exp((double)draws[n / 10] - offset);
    b->seconds_high = exp((double)draws[n - 1 - n / 10] - offset);
    b->cost = b->seconds * rate;
    b->cost_low = b->seconds_low * rate;
    b->cost_high = b->seconds_high * rate;
}

static sm_status believe(sm_belief *beliefs, void *model, const sm_chooser *c)
{
    physical *p = model;
    sm_status status = c->trial_count == 0
                           ? sm_fail(SM_ERR_USAGE, "nothing is believed before the first trial")
                           : update(p, c);
    if (status != SM_OK) return status;
    size_t n = p->posterior.count;
    float *draws = malloc(c->count * n * sizeof *draws);
    if (draws == NULL) return sm_fail_memory(c->count * n * sizeof *draws);
    memset(beliefs, 0, c->count * sizeof *beliefs);
    draw_beliefs(draws, p, c);
    count_wins(beliefs, draws, n, c);
    for (size_t i = 0; i < c->count; i++) {
        describe(&beliefs[i], draws + i * n, n, (double)c->features.offset[i],
                 exp(sm_candidate_log_rate(&c->candidates[i])));
        beliefs[i].fails = p->fails[i];
        beliefs[i].gain = NAN;
    }
    for (size_t j = 0; j < p->worth_count; j++)
        if (isfinite(p->worth[j].gain)) beliefs[p->worth[j].candidate].gain = p->worth[j].gain;
    free(draws);
    return SM_OK;
}

const method sm_method_physical = {.name = "physical",
                                   .create = create,
                                   .destroy = destroy,
                                   .advise = advise,
                                   .beliefs = believe,
                                   .learn = learn};
