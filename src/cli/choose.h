/* The parts of `shardmill choose`. */
#ifndef SM_CLI_CHOOSE_H
#define SM_CLI_CHOOSE_H

#include "job.h"
#include "screen.h"

typedef struct choose_call {
    sm_choose_options options;
    double deadline, budget; /* 0: none */
    double cost;             /* told; 0: from the price */
    double timeout;          /* seconds; 0: none */
    uint32_t parallel;
    double sample; /* the share of the pictures that a trial takes; 0: all */
    engine_call engine;
    cluster_job job; /* with which trials are ours; cmd NULL: none */
    const char *run, *state, *history, *replay, *workload;
    bool explain, json, protocol;
} choose_call;

/* ---- choose_protocol.c */

/*
 * Searches over the line protocol of recorded tables, on stdin and stdout, until its end:
 *
 *   > job NAME SEED N, N lines `cfg INDEX FAMILY SIZE NODES VCPUS MEM_GB PRICE`, `hist M`, M lines
 *     `h JOB FAMILY SIZE NODES VCPUS MEM_GB PRICE ok|failed SECONDS COST`, go
 *   < try INDEX              > ran INDEX ok|failed SECONDS COST
 *   < stop INDEX             > more (explore further) or end
 *
 * False when something failed, or a line is none of the protocol's; *wrong is the line.
 */
bool run_protocol(const sm_choose_options *options, const char **wrong);

/* ---- choose_state.c: the file of a search */

typedef struct state_lock {
    char path[4200];
    int fd;
} state_lock;

/* Locks the search in path, waiting up to some seconds for who is at it. The lock goes with the
 * process. */
sm_status lock_state(state_lock *lock, const char *path, double seconds);
void unlock_state(const state_lock *lock);

/* A new search of the space in that file, or the one in --state. */
sm_status open_search(sm_search *search, const char *space, const choose_call *call, bool *resumed);

/* ---- choose_print.c: what people, or programs, see of a search */

/* Keeps choose's own line of what went wrong, and returns status. */
sm_status choose_fail(sm_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* That line on stderr; the library's where choose itself has none. */
void print_failure(bool json);

/* "c4.large x 4" */
const char *show_candidate(char text[SM_CHOOSE_NAME_MAX + 16], const sm_candidate *candidate);

void print_trial(const sm_search *search, const sm_trial *trial, size_t number, bool json);
/* What to do next, and why. */
void print_advice(const sm_search *search, const sm_advice *advice, bool json);
/* What is believed of the candidates: the best few for people, all as JSON. */
sm_status print_beliefs(sm_chooser *chooser, const sm_search *search, bool json);
/* The answer, what the search took, time against cost, and what it would take to be surer. */
sm_status print_answer(sm_chooser *chooser, const sm_search *search, const sm_advice *advice,
                       bool explain, bool json);

/* ---- choose_run.c */

/* Runs trials by call->run until choosing more does not pay; the search's file is kept up to date.
 * SM_ERR_CANCELLED on a signal. */
sm_status run_trials(sm_chooser *chooser, sm_search *search, const choose_call *call);

#endif
