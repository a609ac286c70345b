/* One trial: what is prepared before, what is timed, what is looked at behind it. */
#ifndef SM_MEASURE_TRIAL_H
#define SM_MEASURE_TRIAL_H

#include "measure/dataset.h"

#include <jansson.h>

typedef bool sm_cancelled_fn(void *user);

/* Runs trial on dataset and fills row, in any case; started_s: when the run began, seconds since
 * 1970. A failure is told in the row. */
void sm_trial_run(sm_measure_row *row, const sm_measure_trial *trial, sm_dataset *dataset,
                  double started_s, sm_cancelled_fn *is_cancelled, void *user);

/* Seconds since 1970. */
double sm_wall_clock(void);

/* SplitMix64 (Steele, Lea, Flood 2014): the next number of a sequence. */
uint64_t sm_random_next(uint64_t *state);

/* ---- row.c: as JSON */

/* A row of the results; NULL without memory. */
json_t *sm_row_json(const sm_measure_row *row);
/* The first line of the results. */
json_t *sm_run_json(const sm_measure_result *result, const sm_measure_options *options);
/* Reads a task. The trial's source points into task. */
sm_status sm_trial_of_json(sm_measure_trial *trial, double *started_s, const json_t *task);
/* Sets the fields of a task that carries trial out. */
sm_status sm_trial_json(json_t *task, const sm_measure_trial *trial, const char *source,
                        double started_s);
/* Fills what came of row->trial from a row of the results. */
sm_status sm_row_of_json(sm_measure_row *row, const json_t *object);

/* ---- cluster.c */

/* Has options->cluster carry out count trials, each on as many members as it names; sources are
 * their real names. Fills rows[i * members + k]; *row_count is how many there are. */
sm_status sm_cluster_run(sm_measure_row *rows, size_t *row_count, const sm_measure_trial *trials,
                         const char *const *sources, size_t count,
                         const sm_measure_options *options, double started_s);

#endif
