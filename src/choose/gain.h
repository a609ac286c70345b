/* What a trial is worth: expected improvement over the recurrences, less what the trial takes. */
#ifndef SM_CHOOSE_GAIN_H
#define SM_CHOOSE_GAIN_H

#include "choose/posterior.h"

typedef struct sm_worth {
    uint32_t candidate;
    double allowed; /* probability that it runs, and within the limit */
    double saving;  /* of one recurrence, expected */
    double cost;    /* of the trial, expected */
    double gain;    /* recurrences * saving - cost, and what looking ahead adds */
} sm_worth;

typedef struct sm_gain_question {
    const sm_posterior *posterior;
    const double *fails; /* [candidate] */
    double best;         /* the best value so far; INFINITY: none yet */
    double recurrences;
    uint64_t seed;
} sm_gain_question;

/* Fills candidate (given), saving, cost and gain of each, without looking ahead. */
sm_status sm_gain_now(sm_worth *worth, size_t count, const sm_gain_question *question);

/* Adds to gain what a second trial is worth after the outcome of the first (docs/choosing.md,
 * equation 7), for the most promising; the others' gains become -INFINITY. */
sm_status sm_gain_ahead(sm_worth *worth, size_t count, const sm_gain_question *question);

#endif
