/*
 * Ernest (Venkataraman et al., NSDI 2016): for each instance type, time over the number of nodes
 * is a + b/n + c log n + d n with weights of at least 0, fitted to runs at three sizes. Then the
 * three that the fits like best are run.
 */
#include "choose/chooser.h"
#include "choose/linear.h"
#include "choose/rng.h"
#include "core/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FEATURES = 4, LAST_RUNS = 3 };

typedef struct ernest {
    uint32_t *type; /* [candidate]: number of its instance type */
    size_t types;
    uint32_t *plan; /* candidates to run first */
    size_t planned;
    uint64_t seed;
} ernest;

static void destroy(void *model)
{
    ernest *e = model;
    free(e->type);
    free(e->plan);
    free(e);
}

static void number_types(ernest *e, const sm_chooser *c)
{
    for (size_t i = 0; i < c->count; i++) {
        size_t j = 0;
        while (j < i && strcmp(c->candidates[j].instance, c->candidates[i].instance) != 0) j++;
        e->type[i] = j < i ? e->type[j] : (uint32_t)e->types++;
    }
}

/* The candidate of a type with exactly rank others of fewer nodes (or of as many, before it). */
static uint32_t by_rank(const ernest *e, const sm_chooser *c, uint32_t type, size_t rank)
{
    for (size_t i = 0; i < c->count; i++) {
        size_t smaller = 0;
        if (e->type[i] != type) continue;
        for (size_t j = 0; j < c->count; j++)
            smaller +=
                e->type[j] == type && (c->candidates[j].nodes < c->candidates[i].nodes ||
                                       (c->candidates[j].nodes == c->candidates[i].nodes && j < i));
        if (smaller == rank) return (uint32_t)i;
    }
    return 0;
}

static void add_to_plan(ernest *e, uint32_t candidate)
{
    for (size_t i = 0; i < e->planned; i++)
        if (e->plan[i] == candidate) return;
    e->plan[e->planned++] = candidate;
}

static sm_status create(void **model, const sm_chooser *c)
{
    ernest *e = calloc(1, sizeof *e);
    if (e == NULL) return sm_fail_memory(sizeof *e);
    e->type = calloc(c->count, sizeof *e->type);
    e->plan = calloc(c->count, sizeof *e->plan);
    if (e->type == NULL || e->plan == NULL) {
        destroy(e);
        return sm_fail_memory(c->count * sizeof *e->plan);
    }
    number_types(e, c);
    for (uint32_t t = 0; t < e->types; t++) {
        size_t sizes = 0;
        for (size_t i = 0; i < c->count; i++) sizes += e->type[i] == t;
        add_to_plan(e, by_rank(e, c, t, 0));
        add_to_plan(e, by_rank(e, c, t, sizes / 2));
        add_to_plan(e, by_rank(e, c, t, sizes - 1));
    }
    sm_rng rng;
    sm_rng_init(&rng, c->options.seed, 5);
    sm_rng_permute(&rng, e->plan, e->planned);
    *model = e;
    return SM_OK;
}

static void features(double row[FEATURES], double nodes)
{
    double all[FEATURES] = {1, 1 / nodes, log(nodes), nodes};
    memcpy(row, all, sizeof all);
}

/* Fits the type's weights to relative errors; false with fewer than two successful runs. */
static bool fit(double weights[FEATURES], const ernest *e, const sm_chooser *c, uint32_t type)
{
    double a[SM_CHOOSE_MAX_TRIALS * FEATURES], b[SM_CHOOSE_MAX_TRIALS];
    size_t rows = 0;
    for (size_t t = 0; t < c->trial_count; t++) {
        const sm_trial *trial = &c->trials[t];
        if (e->type[trial->candidate] != type || trial->outcome != SM_TRIAL_OK) continue;
        features(a + rows * FEATURES, c->candidates[trial->candidate].nodes);
        for (size_t k = 0; k < FEATURES; k++) a[rows * FEATURES + k] /= trial->seconds;
        b[rows++] = 1;
    }
    if (rows < 2) return false;
    sm_nnls(weights, a, b, rows, FEATURES);
    return true;
}

/* The untried candidate with the least predicted objective within the limit; UINT32_MAX: none. */
static uint32_t predicted_best(const ernest *e, const sm_chooser *c)
{
    uint32_t best = UINT32_MAX;
    double least = INFINITY;
    for (uint32_t t = 0; t < e->types; t++) {
        double weights[FEATURES], row[FEATURES];
        if (!fit(weights, e, c, t)) continue;
        for (size_t i = 0; i < c->count; i++) {
            if (e->type[i] != t || c->trial_of[i] >= 0) continue;
            double seconds = 0;
            features(row, c->candidates[i].nodes);
            for (size_t k = 0; k < FEATURES; k++) seconds += weights[k] * row[k];
            double value = seconds * exp((double)c->features.offset[i]);
            if (!(log(value) <= (double)c->features.cap[i])) continue;
            if (value < least) {
                least = value;
                best = (uint32_t)i;
            }
        }
    }
    return best;
}

static sm_status advise(sm_advice *advice, void *model, const sm_chooser *c, bool explore)
{
    const ernest *e = model;
    advice->kind = SM_ADVICE_TRY;
    for (size_t k = 0; k < e->planned; k++)
        if (c->trial_of[e->plan[k]] < 0) {
            advice->reason = SM_WHY_DESIGN;
            advice->candidate = e->plan[k];
            return SM_OK;
        }
    advice->candidate = predicted_best(e, c);
    advice->reason = SM_WHY_MODEL;
    bool done = c->trial_count >= e->planned + LAST_RUNS || advice->candidate == UINT32_MAX;
    if (done && !explore) {
        advice->kind = SM_ADVICE_STOP;
        advice->reason = SM_WHY_NOT_WORTH;
    } else if (advice->candidate == UINT32_MAX) {
        for (size_t i = 0; i < c->count; i++)
            if (c->trial_of[i] < 0) advice->candidate = (uint32_t)i;
    }
    return SM_OK;
}

const method sm_method_ernest = {
    .name = "ernest", .create = create, .destroy = destroy, .advise = advise};
