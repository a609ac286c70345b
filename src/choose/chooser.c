#include "choose/chooser.h"

#include "core/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const method *const methods[] = {
    [SM_CHOOSE_PHYSICAL] = &sm_method_physical,
    [SM_CHOOSE_CHERRYPICK] = &sm_method_cherrypick,
    [SM_CHOOSE_ERNEST] = &sm_method_ernest,
    [SM_CHOOSE_RANDOM] = &sm_method_random,
};
enum { METHODS = sizeof methods / sizeof *methods };

const char *sm_choose_method_name(int number)
{
    return number >= 0 && number < METHODS ? methods[number]->name : NULL;
}

const char *sm_choose_objective_name(int objective)
{
    static const char *const names[] = {[SM_CHOOSE_COST] = "cost", [SM_CHOOSE_TIME] = "time"};
    return objective >= 0 && objective <= SM_CHOOSE_TIME ? names[objective] : NULL;
}

void sm_choose_options_init(sm_choose_options *options)
{
    *options = (sm_choose_options){.recurrences = 80, .ei_stop = 0.1, .min_trials = 6};
}

static sm_status check_options(const sm_choose_options *o)
{
    if ((int)o->method < 0 || (int)o->method >= METHODS)
        return sm_fail(SM_ERR_USAGE, "there is no method number %d", (int)o->method);
    if ((int)o->objective < 0 || (int)o->objective > SM_CHOOSE_TIME)
        return sm_fail(SM_ERR_USAGE, "there is no objective number %d", (int)o->objective);
    if (!isfinite(o->limit) || o->limit < 0 || o->limit > 1e15)
        return sm_fail(SM_ERR_USAGE, "a limit of %g makes no sense", o->limit);
    if (!isfinite(o->recurrences) || o->recurrences < 1 || o->recurrences > 1e9)
        return sm_fail(SM_ERR_USAGE, "recurrences are %g; wanted is 1 to 1e9", o->recurrences);
    if (!isfinite(o->ei_stop) || o->ei_stop < 0 || o->ei_stop > 1)
        return sm_fail(SM_ERR_USAGE, "the EI to stop at is %g; wanted is 0 to 1", o->ei_stop);
    return SM_OK;
}

sm_status sm_chooser_new(sm_chooser **chooser, const sm_candidate *candidates, size_t count,
                         const sm_choose_options *options)
{
    sm_status status = check_options(options);
    if (status != SM_OK) return status;
    if (count == 0) return sm_fail(SM_ERR_USAGE, "there is no candidate to choose from");
    if (count > SM_CHOOSE_MAX_CANDIDATES)
        return sm_fail(SM_ERR_LIMIT, "%zu candidates are more than %d", count,
                       SM_CHOOSE_MAX_CANDIDATES);
    sm_chooser *c = calloc(1, sizeof *c);
    if (c == NULL) return sm_fail_memory(sizeof *c);
    c->options = *options;
    c->count = count;
    c->method = methods[options->method];
    c->candidates = malloc(count * sizeof *c->candidates);
    c->trial_of = malloc(count * sizeof *c->trial_of);
    if (c->candidates == NULL || c->trial_of == NULL)
        status = sm_fail_memory(count * sizeof *c->candidates);
    if (status == SM_OK) {
        memcpy(c->candidates, candidates, count * sizeof *candidates);
        for (size_t i = 0; i < count; i++) c->trial_of[i] = -1;
        status = sm_features_new(&c->features, c->candidates, count, options);
    }
    if (status == SM_OK) status = c->method->create(&c->model, c);
    if (status == SM_OK)
        *chooser = c;
    else
        sm_chooser_free(c);
    return status;
}

void sm_chooser_free(sm_chooser *c)
{
    if (c == NULL) return;
    if (c->model != NULL) c->method->destroy(c->model);
    sm_features_free(&c->features);
    free(c->candidates);
    free(c->trial_of);
    free(c);
}

sm_status sm_chooser_learn(sm_chooser *c, const sm_past_trial *trials, size_t count)
{
    if (c->trial_count > 0) return sm_fail(SM_ERR_USAGE, "history comes before the first trial");
    for (size_t i = 0; i < count; i++) {
        sm_status status = sm_candidate_check(&trials[i].where, i);
        if (status != SM_OK) return sm_fail_prefix(status, "history");
    }
    return c->method->learn == NULL ? SM_OK : c->method->learn(c->model, c, trials, count);
}

static bool is_amount(double value)
{
    return isfinite(value) && value > 0 && value < 1e15;
}

static sm_status check_trial(const sm_chooser *c, const sm_trial *t)
{
    if (t->candidate >= c->count)
        return sm_fail(SM_ERR_USAGE, "there is no candidate %u; the last is %zu", t->candidate,
                       c->count - 1);
    const char *name = c->candidates[t->candidate].instance;
    if ((int)t->outcome < 0 || (int)t->outcome > SM_TRIAL_RUNNING)
        return sm_fail(SM_ERR_USAGE, "there is no outcome number %d", (int)t->outcome);
    if (t->outcome != SM_TRIAL_RUNNING && !is_amount(t->seconds))
        return sm_fail(SM_ERR_USAGE, "candidate %u (%s): a trial of %g seconds makes no sense",
                       t->candidate, name, t->seconds);
    if (t->outcome != SM_TRIAL_RUNNING && !is_amount(t->cost))
        return sm_fail(SM_ERR_USAGE, "candidate %u (%s): a trial that costs %g makes no sense",
                       t->candidate, name, t->cost);
    int32_t told = c->trial_of[t->candidate];
    if (told >= 0 && c->trials[told].outcome != SM_TRIAL_RUNNING)
        return sm_fail(SM_ERR_CONFLICT, "candidate %u (%s) was told before", t->candidate, name);
    if (told < 0 && c->trial_count == SM_CHOOSE_MAX_TRIALS)
        return sm_fail(SM_ERR_LIMIT, "more than %d trials", SM_CHOOSE_MAX_TRIALS);
    return SM_OK;
}

sm_status sm_chooser_tell(sm_chooser *c, const sm_trial *trial)
{
    sm_status status = check_trial(c, trial);
    if (status != SM_OK) return status;
    if (c->trial_of[trial->candidate] < 0)
        c->trial_of[trial->candidate] = (int32_t)c->trial_count++;
    c->trials[c->trial_of[trial->candidate]] = *trial;
    c->version++;
    return SM_OK;
}

const sm_trial *sm_chooser_trials(size_t *count, const sm_chooser *c)
{
    *count = c->trial_count;
    return c->trials;
}

double sm_trial_value(const sm_chooser *c, const sm_trial *t)
{
    return c->options.objective == SM_CHOOSE_COST ? t->cost : t->seconds;
}

bool sm_trial_allowed(const sm_chooser *c, const sm_trial *t)
{
    double other = c->options.objective == SM_CHOOSE_COST ? t->seconds : t->cost;
    return t->outcome == SM_TRIAL_OK && (c->options.limit <= 0 || other <= c->options.limit);
}

uint32_t sm_chooser_best(const sm_chooser *c)
{
    uint32_t best = UINT32_MAX;
    double least = INFINITY;
    for (size_t t = 0; t < c->trial_count; t++)
        if (sm_trial_allowed(c, &c->trials[t]) && sm_trial_value(c, &c->trials[t]) < least) {
            least = sm_trial_value(c, &c->trials[t]);
            best = c->trials[t].candidate;
        }
    return best;
}

static sm_status stop(sm_advice *advice, const sm_chooser *c, sm_advice_reason reason)
{
    *advice = (sm_advice){
        .kind = SM_ADVICE_STOP, .reason = reason, .candidate = sm_chooser_best(c), .gain = NAN};
    return SM_OK;
}

sm_status sm_chooser_advise(sm_advice *advice, sm_chooser *c, bool explore)
{
    if (c->trial_count == c->count) return stop(advice, c, SM_WHY_EXHAUSTED);
    if (c->trial_count == SM_CHOOSE_MAX_TRIALS) return stop(advice, c, SM_WHY_MAX_TRIALS);
    if (!explore && c->options.max_trials > 0 && c->trial_count >= c->options.max_trials)
        return stop(advice, c, SM_WHY_MAX_TRIALS);
    sm_advice found = {.gain = NAN, .saving = NAN, .trial_cost = NAN};
    sm_status status = c->method->advise(&found, c->model, c, explore);
    if (status != SM_OK) return status;
    if (found.kind == SM_ADVICE_STOP) found.candidate = sm_chooser_best(c);
    *advice = found;
    return SM_OK;
}

sm_status sm_chooser_beliefs(sm_belief *beliefs, sm_chooser *c)
{
    if (c->method->beliefs == NULL)
        return sm_fail(SM_ERR_USAGE, "the method '%s' has no beliefs to tell", c->method->name);
    return c->method->beliefs(beliefs, c->model, c);
}
