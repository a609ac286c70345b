/* Checking a packed set: what verify.c (records) and verify_set.c (metadata) share. */
#ifndef SM_PACK_VERIFY_H
#define SM_PACK_VERIFY_H

#include <shardmill.h>

#include "core/status.h"

#include <pthread.h>
#include <stdatomic.h>

/* A shard to check. */
typedef struct sm_check_task {
    char *path;
    uint64_t records; /* as the metadata have it; UINT64_MAX: not known */
    uint64_t bytes;   /* as its result has it; UINT64_MAX: not known */
} sm_check_task;

typedef struct sm_checking {
    const sm_verify_options *options;
    sm_check_task *tasks;
    size_t count, cap;
    bool keeps; /* the set has the files' own bytes: what warned when it was packed warns again */
    atomic_size_t next;
    pthread_mutex_t lock; /* of what follows, and of on_problem */
    sm_verify_summary sums;
    sm_status status; /* an error that is not the set's */
    char error[SM_ERROR_MAX];
} sm_checking;

/* Tells of a problem; offset UINT64_MAX when it is not a record's. */
void sm_check_report(sm_checking *checking, const char *file, uint64_t offset, const char *message);

/* Adds a shard to check. */
sm_status sm_check_add(sm_checking *checking, const char *path, uint64_t records, uint64_t bytes);

/* Checks what the set in dst says of itself, and adds its shards. */
sm_status sm_check_set(sm_checking *checking, const char *dst);

#endif
