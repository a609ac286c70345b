/*
 * shardmill: the cluster to rent, from a few trial runs.
 *
 * A chooser is told the candidates once, and the outcome of each trial as it comes; it says which
 * candidate to try next, and when trying more no longer pays. It runs nothing itself. The method
 * and its equations: docs/choosing.md. Included by shardmill.h; plain C99 and C++.
 */
#ifndef SHARDMILL_CHOOSE_H
#define SHARDMILL_CHOOSE_H

#include "shardmill.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- What there is to choose from ------------------------------------------------------------ */

enum {
    SM_CHOOSE_MAX_CANDIDATES = 4096,
    SM_CHOOSE_MAX_FAMILIES = 256,
    SM_CHOOSE_MAX_TRIALS = 256,
    SM_CHOOSE_NAME_MAX = 64 /* bytes of a name, with its NUL */
};

/* One cluster that could be rented: nodes machines of one instance type. */
typedef struct sm_candidate {
    char instance[SM_CHOOSE_NAME_MAX]; /* "c4.large" */
    char family[SM_CHOOSE_NAME_MAX];   /* "c4": machines that share disk, network and processor */
    double nodes;                      /* machines: 1 to 1e6, a whole number */
    double vcpus;                      /* of a machine: over 0 */
    double memory_gb;                  /* of a machine: over 0 */
    double price;                      /* of a machine, per hour, in any currency: over 0 */
    double speed;                      /* of a core, 1 = 2.5 GHz; 0: not known */
} sm_candidate;

typedef struct sm_space {
    sm_candidate *candidates;
    size_t count;
} sm_space;

/*
 * Reads candidates from a TOML file ([[instance]] tables with node counts; docs/choosing.md), or
 * from a CSV file with a header line: family, nodes, vcpus, mem_gb, price_per_hour, and instance or
 * size, in any order; speed may be there; other columns are let be. SM_ERR_FORMAT names the line.
 */
SM_API sm_status sm_space_read(sm_space *space, const char *path);
SM_API void sm_space_free(sm_space *space); /* a zeroed space is fine */

/* ---- How to choose --------------------------------------------------------------------------- */

typedef enum sm_choose_method {
    SM_CHOOSE_PHYSICAL,   /* ours: averaged physical hypotheses and a stopping rule in money */
    SM_CHOOSE_CHERRYPICK, /* Gaussian process, expected improvement (NSDI 2017) */
    SM_CHOOSE_ERNEST,     /* non-negative least squares on scale features (NSDI 2016) */
    SM_CHOOSE_RANDOM      /* ten at random */
} sm_choose_method;

typedef enum sm_choose_objective {
    SM_CHOOSE_COST, /* money a run, where limit > 0: among runs of at most limit seconds */
    SM_CHOOSE_TIME  /* seconds a run, where limit > 0: among runs of at most limit money */
} sm_choose_objective;

typedef struct sm_choose_options {
    sm_choose_method method;
    sm_choose_objective objective;
    double limit;        /* the deadline in seconds, or the budget of a run in money; 0: none */
    double recurrences;  /* how often the job will run on what is chosen; default 80 */
    uint64_t seed;       /* the same seed and trials, the same search */
    uint32_t max_trials; /* stop after so many; 0: when it no longer pays */
    double ei_stop;      /* cherrypick: stop when EI is below this share of the best; 0.1 */
    uint32_t min_trials; /* cherrypick: but not before so many; 6 */
} sm_choose_options;

SM_API void sm_choose_options_init(sm_choose_options *options);

/* "physical" and so on; NULL past the last. */
SM_API const char *sm_choose_method_name(int method);
SM_API const char *sm_choose_objective_name(int objective);

typedef enum sm_trial_outcome {
    SM_TRIAL_OK,
    SM_TRIAL_FAILED, /* seconds and cost are what it burnt until it failed or was stopped */
    SM_TRIAL_RUNNING /* somebody is at it: guessed at until it is told */
} sm_trial_outcome;

typedef struct sm_trial {
    uint32_t candidate; /* index */
    sm_trial_outcome outcome;
    double seconds;
    double cost;
} sm_trial;

/* A trial of another job, on any machines: what sm_chooser_learn takes. */
typedef struct sm_past_trial {
    char job[SM_CHOOSE_NAME_MAX];
    sm_candidate where;
    sm_trial_outcome outcome;
    double seconds;
    double cost;
} sm_past_trial;

/* ---- The chooser ----------------------------------------------------------------------------- */

typedef struct sm_chooser sm_chooser;

/* Copies the candidates. SM_ERR_USAGE says which candidate or option makes no sense, and why. */
SM_API sm_status sm_chooser_new(sm_chooser **chooser, const sm_candidate *candidates, size_t count,
                                const sm_choose_options *options);
SM_API void sm_chooser_free(sm_chooser *chooser); /* NULL is fine */

/* Learns from trials of other jobs, before the first trial of this one. */
SM_API sm_status sm_chooser_learn(sm_chooser *chooser, const sm_past_trial *trials, size_t count);

/* Tells the outcome of a trial; one that was RUNNING may be told again, another may not. */
SM_API sm_status sm_chooser_tell(sm_chooser *chooser, const sm_trial *trial);

typedef enum sm_advice_kind { SM_ADVICE_TRY, SM_ADVICE_STOP } sm_advice_kind;

/* Why: what the numbers of an advice mean. */
typedef enum sm_advice_reason {
    SM_WHY_FIRST,       /* on average over what jobs are like, near the best */
    SM_WHY_NO_SUCCESS,  /* nothing has run yet: the cheapest that is likely to */
    SM_WHY_GAIN,        /* the expected saving over the recurrences exceeds the trial's cost */
    SM_WHY_LOOK_AHEAD,  /* alone it does not pay, but with what it tells about the others */
    SM_WHY_INSURANCE,   /* machines of this family were never tried near the best's size */
    SM_WHY_DESIGN,      /* a point of the method's initial design */
    SM_WHY_MODEL,       /* the method's model prefers it */
    SM_WHY_NOT_WORTH,   /* stop: no trial is worth its cost */
    SM_WHY_EXHAUSTED,   /* stop: all were tried */
    SM_WHY_MAX_TRIALS,  /* stop: as many as were allowed */
    SM_WHY_NOT_FEASIBLE /* stop: it is not likely that any meets the limit */
} sm_advice_reason;

typedef struct sm_advice {
    sm_advice_kind kind;
    sm_advice_reason reason;
    uint32_t candidate; /* to try, or the answer; UINT32_MAX: nothing succeeded */
    double gain;        /* of the trial: expected saving over the recurrences less its cost */
    double saving;      /* the expected saving of one recurrence */
    double trial_cost;  /* what the trial is expected to take, in the objective's unit */
} sm_advice;

/* What to do next. explore: give a next trial also where stopping is advised (SM_ADVICE_TRY until
 * all were tried). Deterministic: the same trials told in the same order give the same advice. */
SM_API sm_status sm_chooser_advise(sm_advice *advice, sm_chooser *chooser, bool explore);

/* What is believed of a candidate. Intervals hold with 80%. */
typedef struct sm_belief {
    double cost, cost_low, cost_high; /* money: mean, 10th and 90th percentile */
    double seconds, seconds_low, seconds_high;
    double fails;   /* probability that a run there fails */
    double is_best; /* probability that none is better */
    double gain;    /* of trying it next, as in sm_advice; NAN when tried or not known */
} sm_belief;

/* One belief a candidate, in their order. SM_ERR_USAGE for methods without beliefs. */
SM_API sm_status sm_chooser_beliefs(sm_belief *beliefs, sm_chooser *chooser);

/* The trials told, in order; valid until the next tell. */
SM_API const sm_trial *sm_chooser_trials(size_t *count, const sm_chooser *chooser);

/* The best successful trial within the limit, or UINT32_MAX. */
SM_API uint32_t sm_chooser_best(const sm_chooser *chooser);

/* ---- Recorded tables ------------------------------------------------------------------------- */

/* Rows of a CSV file: the columns of sm_space_read, and workload, status (ok or another word),
 * runtime_s, cost (0 or missing: from the price). */
typedef struct sm_table {
    sm_past_trial *rows;
    size_t count;
} sm_table;

SM_API sm_status sm_table_read(sm_table *table, const char *path);
SM_API void sm_table_free(sm_table *table);

/* ---- Searches as files ----------------------------------------------------------------------- */

/* A search that can be stopped and gone on with: everything that a chooser was told. */
typedef struct sm_search {
    sm_space space;
    sm_choose_options options;
    char history[4096]; /* path of a table to learn from, or "" */
    sm_trial *trials;
    size_t trial_count, trial_cap;
} sm_search;

/* Versioned JSON, written whole or not at all. SM_ERR_FORMAT: of another version, or no state;
 * SM_ERR_CORRUPT: damaged, or cut off. */
SM_API sm_status sm_search_read(sm_search *search, const char *path);
SM_API sm_status sm_search_write(const sm_search *search, const char *path);
SM_API sm_status sm_search_add(sm_search *search, const sm_trial *trial); /* or replaces RUNNING */
SM_API void sm_search_free(sm_search *search);

/* A chooser that was told all of search. */
SM_API sm_status sm_search_chooser(sm_chooser **chooser, const sm_search *search);

#ifdef __cplusplus
}
#endif
#endif
