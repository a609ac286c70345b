/*
 * What workers elsewhere need to know of a plan: DST/_tasks/FINGERPRINT/header.json, which all
 * tasks share, and files that hold the shards' inputs, some MiB each, so that a task line need only
 * say where in which file its own are. The shard's fingerprint is over all of it, so what was read
 * is checked against it.
 */
#ifndef SM_PACK_TASK_FILES_H
#define SM_PACK_TASK_FILES_H

#include "pack/pipeline.h"

#define SM_TASKS_FOLDER "_tasks"

/* Where a shard's inputs stand. */
typedef struct sm_task_place {
    uint32_t file; /* number of the file */
    uint64_t offset, length;
} sm_task_place;

typedef struct sm_task_files {
    char *folder;          /* absolute */
    sm_task_place *places; /* of each job */
} sm_task_files;

/* Writes them below run->dst, for the jobs given. Freed by the caller in any case. */
sm_status sm_task_files_write(sm_task_files *files, const sm_run *run, const sm_job *jobs,
                              size_t count);
void sm_task_files_free(sm_task_files *files);

sm_status sm_task_files_header(sm_buf *url, const sm_task_files *files);
sm_status sm_task_files_inputs(sm_buf *url, const sm_task_files *files, uint32_t file);

/* Removes what an engine's run left in dst. */
sm_status sm_task_files_remove(const char *dst);

/* The other side: as much of a plan as one shard needs. */
typedef struct sm_task_plan {
    json_t *header;
    sm_pack_options options; /* its strings are header's */
    sm_inputs inputs;
    sm_plan plan;
    char *dst;
    uint64_t memory; /* bytes that the coordinator was given; 0: none */
} sm_task_plan;

/* Reads a header. Freed by the caller in any case. */
sm_status sm_task_plan_read(sm_task_plan *task, const char *header);

/* Reads the inputs of one shard, count of them, all of split. */
sm_status sm_task_plan_inputs(sm_task_plan *task, const char *file, sm_task_place place,
                              size_t count, uint16_t split);
void sm_task_plan_free(sm_task_plan *task);

#endif
