#include "choose/failure.h"

#include "choose/rng.h"
#include "core/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWS = 1500 };

typedef struct failure {
    bool happens;
    double want;  /* ln of the GB that must be had */
    double nodes; /* 1: all nodes' memory counts together; 0: each node needs it all */
    double cores; /* each core wants its share */
} failure;

static double probability(const failure *f, const sm_candidate *c)
{
    if (!f->happens) return 0.02;
    double z = f->want - f->nodes * log(c->nodes) - log(c->memory_gb) + f->cores * log(c->vcpus);
    return 0.02 + 0.96 / (1 + exp(-fmin(fmax(z / 0.15, -40), 40)));
}

static failure draw(sm_rng *rng)
{
    failure f;
    f.nodes = sm_rng_uniform(rng);
    double cores = sm_rng_uniform(rng);
    f.cores = sm_rng_uniform(rng) < 0.6 ? cores : 0;
    f.want = log(0.5) + sm_rng_uniform(rng) * (log(500) - log(0.5));
    f.happens = sm_rng_uniform(rng) < 0.5;
    return f;
}

sm_status sm_failure_probability(double *fails, const sm_candidate *candidates, size_t count,
                                 const sm_trial *trials, size_t trial_count, uint64_t seed)
{
    failure draws[DRAWS];
    double weight[DRAWS], total = 0, highest = -INFINITY;
    sm_rng rng;
    sm_rng_init(&rng, seed, 2);
    for (size_t q = 0; q < DRAWS; q++) {
        draws[q] = draw(&rng);
        weight[q] = 0;
        for (size_t t = 0; t < trial_count; t++) {
            if (trials[t].outcome == SM_TRIAL_RUNNING) continue;
            double p = probability(&draws[q], &candidates[trials[t].candidate]);
            weight[q] += log(trials[t].outcome == SM_TRIAL_OK ? 1 - p : p);
        }
        highest = fmax(highest, weight[q]);
    }
    for (size_t q = 0; q < DRAWS; q++) total += weight[q] = exp(weight[q] - highest);
    memset(fails, 0, count * sizeof *fails);
    for (size_t q = 0; q < DRAWS; q++)
        for (size_t i = 0; i < count && weight[q] > 1e-4; i++)
            fails[i] += weight[q] / total * probability(&draws[q], &candidates[i]);
    return SM_OK;
}
