/* The coordinator: jobs as tasks, carried out by an engine. */
#ifndef SM_PACK_TASKS_H
#define SM_PACK_TASKS_H

#include "pack/pipeline.h"

/*
 * Packs the jobs: by sm_pipeline_run or, when the plan's options name an engine, by its workers,
 * and then in any order. What those were given stays in dst when they fail.
 */
sm_status sm_run_jobs(sm_run *run, const sm_job *jobs, size_t count);

/* Removes what workers were given, and what killed runs and killed workers were writing. */
sm_status sm_tasks_clear(const char *dst);

#endif
