/* Learning from earlier searches: hypotheses that explain other jobs. */
#ifndef SM_CHOOSE_HISTORY_H
#define SM_CHOOSE_HISTORY_H

#include "choose/posterior.h"

/*
 * Replaces half of the hypotheses by such as explain the jobs of past, equally many for each; the
 * other half stays as drawn, so that a job unlike all before is met as without history (at half the
 * draws). Families are told apart by name. options say what the objective counts.
 */
sm_status sm_hypotheses_learn(sm_hypotheses *hypotheses, const sm_candidate *candidates,
                              const sm_past_trial *past, size_t count,
                              const sm_choose_options *options);

#endif
