/* A job: submitted, followed through its output, cancelled. */
#ifndef SM_DATAPROC_JOB_H
#define SM_DATAPROC_JOB_H

#include "dataproc/service.h"

#include <shardmill.h>

typedef struct sm_dataproc_job {
    const sm_dataproc *service;
    char id[SM_UUID_SIZE];
    char state[32]; /* "RUNNING" */
    bool submitted, ended;
    sm_buf details; /* what the service says of a failure, with a NUL that does not count */
    sm_buf output;  /* where the driver's output goes: objects URL.000000000, …; "" at first */
    sm_buf text;    /* output that was read, up to the last whole line */
    sm_buf result;  /* pieces of one that has not come whole */
    sm_buf tail;    /* of the lines that are no results: what went wrong stands there */
    uint32_t piece; /* of the output, that is read now */
    uint64_t read;  /* bytes of that piece */
} sm_dataproc_job;

/* Names it. Freed by the caller in any case. */
sm_status sm_dataproc_job_init(sm_dataproc_job *job, const sm_dataproc *service);
void sm_dataproc_job_free(sm_dataproc_job *job);

typedef struct sm_dataproc_job_spec {
    const char *cluster;
    const char *main, *const *files, *archive; /* URLs; files ends with NULL; archive may be NULL */
    const char *const *args;                   /* ends with NULL */
    const char *const *conf;                   /* "key=value" */
    size_t conf_count;
} sm_dataproc_job_spec;

sm_status sm_dataproc_job_submit(sm_dataproc_job *job, const sm_dataproc_job_spec *spec);

/* Asks for the state, and reads what came of the output: result lines go to tasks. */
sm_status sm_dataproc_job_look(sm_dataproc_job *job, const sm_tasks *tasks);

/* SM_OK when it ended well; else SM_ERR_IO with what the service and the output say. */
sm_status sm_dataproc_job_outcome(const sm_dataproc_job *job);

/* Ends it, if it was submitted and has not ended; also when all waiting is to end. */
sm_status sm_dataproc_job_cancel(sm_dataproc_job *job);

#endif
