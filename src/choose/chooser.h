/* A chooser's inside: what its methods see. */
#ifndef SM_CHOOSE_CHOOSER_H
#define SM_CHOOSE_CHOOSER_H

#include "choose/features.h"

typedef struct method {
    const char *name;
    sm_status (*create)(void **model, const sm_chooser *chooser);
    void (*destroy)(void *model);
    /* Fills kind, reason, candidate and what else is known. chooser has untried candidates, and
     * has not run max_trials. */
    sm_status (*advise)(sm_advice *advice, void *model, const sm_chooser *chooser, bool explore);
    sm_status (*beliefs)(sm_belief *beliefs, void *model, const sm_chooser *chooser); /* or NULL */
    sm_status (*learn)(void *model, const sm_chooser *chooser, const sm_past_trial *trials,
                       size_t count); /* or NULL */
} method;

extern const method sm_method_physical, sm_method_cherrypick, sm_method_ernest, sm_method_random;

struct sm_chooser {
    sm_choose_options options;
    sm_candidate *candidates;
    size_t count;
    sm_features features;
    sm_trial trials[SM_CHOOSE_MAX_TRIALS];
    size_t trial_count;
    int32_t *trial_of; /* [candidate]: its trial, or -1 */
    uint64_t version;  /* counts what was told */
    const method *method;
    void *model;
};

/* What the objective counts of a trial, and whether the limit allows it. */
double sm_trial_value(const sm_chooser *chooser, const sm_trial *trial);
bool sm_trial_allowed(const sm_chooser *chooser, const sm_trial *trial);

#endif
