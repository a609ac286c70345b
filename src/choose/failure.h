/* Where runs fail for want of memory: hypotheses of their own, reweighted by what was seen. */
#ifndef SM_CHOOSE_FAILURE_H
#define SM_CHOOSE_FAILURE_H

#include <shardmill_choose.h>

/*
 * Writes the probability that a run fails, for every candidate:
 *
 *   .02 + .96 / (1 + exp(-(ln want - rho ln n - ln m + k ln v) / .15))
 *
 * averaged over draws of (want, rho, k), half of which say that memory never fails, each weighted
 * by how well it foretold the trials (docs/choosing.md, equation 5). RUNNING trials say nothing.
 */
sm_status sm_failure_probability(double *fails, const sm_candidate *candidates, size_t count,
                                 const sm_trial *trials, size_t trial_count, uint64_t seed);

#endif
