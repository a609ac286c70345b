/* What a job needs, put into the staging folder of the bucket. */
#ifndef SM_DATAPROC_STAGING_H
#define SM_DATAPROC_STAGING_H

#include "core/buf.h"

#include <shardmill.h>

/*
 * Puts bytes (or, with data NULL, the file at path) under STAGING/shardmill/HASH/name, unless they
 * lie there already: the hash is that of the content, so what did not change is not sent again.
 * *url is the caller's, by sm_buf_free.
 */
sm_status sm_stage_file(sm_buf *url, const char *staging, const char *name, const char *path);
sm_status sm_stage_bytes(sm_buf *url, const char *staging, const char *name, const void *data,
                         size_t len);

/* Writes the tasks' lines to STAGING/shardmill/jobs/JOB/tasks.jsonl. */
sm_status sm_stage_tasks(sm_buf *url, const char *staging, const char *job, const sm_tasks *tasks);

#endif
