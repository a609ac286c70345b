#include "choose/failure.h"

#include "choose/fastmath.h"
#include "choose/rng.h"
#include "core/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWS = 1500 };

typedef struct failure {
    float want;  /* ln of the GB that must be had; -INFINITY: memory never fails */
    float nodes; /* 1: all nodes' memory counts together; 0: each node needs it all */
    float cores; /* each core wants its share */
} failure;

/* ln of what a failure depends on. */
typedef struct machine {
    float nodes, memory, cores;
} machine;

static float probability(const failure *f, const machine *m)
{
    float z = f->want - f->nodes * m->nodes - m->memory + f->cores * m->cores;
    return 0.02f + 0.96f / (1 + sm_expf(z * (-1 / 0.15f)));
}

static machine describe(const sm_candidate *c)
{
    return (machine){(float)log(c->nodes), (float)log(c->memory_gb), (float)log(c->vcpus)};
}

static failure draw(sm_rng *rng)
{
    failure f;
    f.nodes = (float)sm_rng_uniform(rng);
    float cores = (float)sm_rng_uniform(rng);
    f.cores = sm_rng_uniform(rng) < 0.6 ? cores : 0;
    f.want = (float)(log(0.5) + sm_rng_uniform(rng) * (log(500) - log(0.5)));
    if (sm_rng_uniform(rng) < 0.5) f.want = -INFINITY;
    return f;
}

/* ln of the probability that a draw gives to the outcomes of the trials. */
static double log_likelihood(const failure *f, const sm_candidate *candidates,
                             const sm_trial *trials, size_t count)
{
    double sum = 0;
    for (size_t t = 0; t < count; t++) {
        if (trials[t].outcome == SM_TRIAL_RUNNING) continue;
        machine m = describe(&candidates[trials[t].candidate]);
        double p = (double)probability(f, &m);
        sum += log(trials[t].outcome == SM_TRIAL_OK ? 1 - p : p);
    }
    return sum;
}

sm_status sm_failure_probability(double *fails, const sm_candidate *candidates, size_t count,
                                 const sm_trial *trials, size_t trial_count, uint64_t seed)
{
    failure draws[DRAWS];
    double weight[DRAWS], total = 0, highest = -INFINITY, rest = 0;
    machine *machines = malloc(count * sizeof *machines);
    if (machines == NULL) return sm_fail_memory(count * sizeof *machines);
    for (size_t i = 0; i < count; i++) machines[i] = describe(&candidates[i]);
    sm_rng rng;
    sm_rng_init(&rng, seed, 2);
    for (size_t q = 0; q < DRAWS; q++) {
        draws[q] = draw(&rng);
        weight[q] = log_likelihood(&draws[q], candidates, trials, trial_count);
        highest = fmax(highest, weight[q]);
    }
    for (size_t q = 0; q < DRAWS; q++) total += weight[q] = exp(weight[q] - highest);
    memset(fails, 0, count * sizeof *fails);
    for (size_t q = 0; q < DRAWS; q++) {
        if (isinf(draws[q].want)) { /* the same everywhere */
            rest += weight[q] / total * 0.02;
            continue;
        }
        for (size_t i = 0; i < count && weight[q] > 1e-4; i++)
            fails[i] += weight[q] / total * (double)probability(&draws[q], &machines[i]);
    }
    for (size_t i = 0; i < count; i++) fails[i] += rest;
    free(machines);
    return SM_OK;
}
