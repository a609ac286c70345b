/* shardmill choose --protocol */
#include "choose.h"

#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 1024 };

typedef struct job {
    sm_choose_options options;
    sm_candidate *candidates;
    size_t count;
    sm_past_trial *past;
    size_t past_count, past_cap;
    sm_chooser *chooser;
    bool stopped; /* an answer was given */
} job;

static void end_job(job *j)
{
    sm_chooser_free(j->chooser);
    free(j->candidates);
    free(j->past);
    *j = (job){.options = j->options};
}

static bool begin_job(job *j, const char *line)
{
    unsigned long long seed;
    size_t count;
    end_job(j);
    if (sscanf(line, "job %*s %llu %zu", &seed, &count) != 2 || count > SM_CHOOSE_MAX_CANDIDATES)
        return false;
    j->options.seed = seed;
    j->candidates = calloc(count + 1, sizeof *j->candidates);
    j->count = count;
    return j->candidates != NULL;
}

/* FAMILY SIZE NODES VCPUS MEM_GB PRICE */
static bool read_candidate(sm_candidate *c, const char *text, int *used)
{
    char size[SM_CHOOSE_NAME_MAX];
    if (sscanf(text, "%63s %63s %lf %lf %lf %lf%n", c->family, size, &c->nodes, &c->vcpus,
               &c->memory_gb, &c->price, used) != 6)
        return false;
    return snprintf(c->instance, sizeof c->instance, "%.30s.%.30s", c->family, size) > 0;
}

static bool add_candidate(job *j, const char *line)
{
    size_t index;
    int used, rest;
    return sscanf(line, "cfg %zu %n", &index, &used) == 1 && index < j->count &&
           read_candidate(&j->candidates[index], line + used, &rest);
}

static bool begin_history(job *j, const char *line)
{
    size_t count;
    if (sscanf(line, "hist %zu", &count) != 1 || count > 1000000) return false;
    free(j->past);
    j->past = calloc(count + 1, sizeof *j->past);
    j->past_count = 0;
    j->past_cap = j->past == NULL ? 0 : count;
    return j->past != NULL;
}

static bool add_past(job *j, const char *line)
{
    if (j->past_count == j->past_cap) return false;
    sm_past_trial *t = &j->past[j->past_count];
    char outcome[16];
    int used, rest;
    if (sscanf(line, "h %63s %n", t->job, &used) != 1 ||
        !read_candidate(&t->where, line + used, &rest) ||
        sscanf(line + used + rest, "%15s %lf %lf", outcome, &t->seconds, &t->cost) != 3)
        return false;
    t->outcome = strcmp(outcome, "ok") == 0 ? SM_TRIAL_OK : SM_TRIAL_FAILED;
    j->past_count++;
    return true;
}

static bool add_trial(job *j, const char *line)
{
    sm_trial t;
    char outcome[16];
    if (j->chooser == NULL ||
        sscanf(line, "ran %u %15s %lf %lf", &t.candidate, outcome, &t.seconds, &t.cost) != 4)
        return false;
    t.outcome = strcmp(outcome, "ok") == 0 ? SM_TRIAL_OK : SM_TRIAL_FAILED;
    return sm_chooser_tell(j->chooser, &t) == SM_OK;
}

static bool answer(job *j)
{
    sm_advice advice;
    if (sm_chooser_advise(&advice, j->chooser, j->stopped) != SM_OK) return false;
    if (advice.kind == SM_ADVICE_STOP) j->stopped = true;
    size_t count;
    uint32_t index = advice.candidate;
    if (index == UINT32_MAX) /* nothing succeeded: any that was tried */
        index = sm_chooser_trials(&count, j->chooser)[0].candidate;
    printf("%s %u\n", advice.kind == SM_ADVICE_TRY ? "try" : "stop", index);
    return fflush(stdout) == 0;
}

static bool start(job *j)
{
    if (j->chooser != NULL) return false;
    sm_status status = sm_chooser_new(&j->chooser, j->candidates, j->count, &j->options);
    if (status == SM_OK && j->past_count > 0)
        status = sm_chooser_learn(j->chooser, j->past, j->past_count);
    return status == SM_OK && answer(j);
}

static bool take_line(job *j, const char *line)
{
    char word[8] = "";
    sscanf(line, "%7s", word);
    if (strcmp(word, "job") == 0) return begin_job(j, line);
    if (strcmp(word, "cfg") == 0) return add_candidate(j, line);
    if (strcmp(word, "hist") == 0) return begin_history(j, line);
    if (strcmp(word, "h") == 0) return add_past(j, line);
    if (strcmp(word, "go") == 0) return start(j);
    if (strcmp(word, "ran") == 0) return add_trial(j, line) && answer(j);
    if (strcmp(word, "more") == 0) return j->chooser != NULL && answer(j);
    return strcmp(word, "end") == 0;
}

bool run_protocol(const sm_choose_options *options, const char **wrong)
{
    static char line[LINE_MAX_BYTES];
    job j = {.options = *options};
    bool good = true;
    while (good && fgets(line, sizeof line, stdin) != NULL) good = take_line(&j, line);
    end_job(&j);
    if (!good) *wrong = line;
    return good;
}
