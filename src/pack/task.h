/*
 * Task lines and result lines, and what happens between them on a worker.
 *
 *   {"type":"task","version":1,"kind":"pack","id":7,"header":URL,"inputs":URL,"offset":N,"length":N,
 *    "count":230,"split":0,"index":7,"shards":16,"file":NAME,"fingerprint":HEX,"retry":false}
 *   {"type":"task","version":1,"kind":"list","id":8,"url":URL,"out":URL}
 *   {"type":"task","version":1,"kind":"probe","id":9}
 *   {"type":"task","version":1,"kind":"trial","id":3,…}      what sm_worker_options.trial takes
 *
 *   {"type":"result","version":1,"id":7,"status":"ok",…}
 *   {"type":"result","version":1,"id":7,"status":"error","error":"io","message":…,"final":false}
 *
 * A result that is final would be the same anywhere; any other is worth another attempt.
 */
#ifndef SM_PACK_TASK_H
#define SM_PACK_TASK_H

#include "core/json.h"
#include "core/status.h"
#include "pack/task_files.h"

enum {
    SM_TASK_VERSION = 1,
    SM_TASK_LINE_MAX = 1 << 20,
    /* ASCII alone: what carries the lines (a JVM, a shell) may have any locale. */
    SM_TASK_LINE_STYLE = JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII
};

typedef enum sm_task_kind { SM_TASK_PACK, SM_TASK_LIST, SM_TASK_PROBE, SM_TASK_TRIAL } sm_task_kind;

typedef struct sm_task {
    sm_task_kind kind;
    uint64_t id;
    char *url, *other; /* pack: header and inputs; list: what to list, and where to put it */
    char *line;        /* trial: the task itself */
    sm_task_place place;
    uint64_t count;
    uint16_t split;
    uint32_t index, shards;
    char file[SM_SHARD_NAME_MAX];
    char fingerprint[SM_FINGERPRINT_SIZE];
    bool retry;
} sm_task;

/* Reads a task line. On failure task->id is what could be told of it, 0 else. Freed by the caller
 * in any case. */
sm_status sm_task_read(sm_task *task, const char *line, size_t len);
void sm_task_free(sm_task *task);

/* Appends the line of a pack, without a line end. */
sm_status sm_task_write(sm_buf *line, const sm_task *task);

/* How a task may use this machine, and who watches over it. */
typedef struct sm_task_means {
    uint32_t threads;
    uint64_t memory; /* bytes; 0: what the coordinator was given, else a share of the machine's */
    sm_watch *watch;
    const sm_crash *crashes;
    size_t crash_count;
    sm_status (*trial)(char **row, const char *task); /* NULL: there are none */
    bool (*is_cancelled)(void *user);
    void *user;
} sm_task_means;

/* Carries a task out in this process, and appends its result line: also that of a failure. */
sm_status sm_task_run(sm_buf *line, const sm_task *task, const sm_task_means *means);

/* Converts one of the task's inputs, writing nothing: whoever calls this wants to see whether the
 * process lives through it. Its path is appended to name before it is tried. */
sm_status sm_task_try(const sm_task *task, const sm_task_means *means, uint32_t input,
                      sm_status (*tell)(void *user, const char *path), void *user);

/* Appends the result line of a task that failed with status, for the reason in message. */
sm_status sm_task_failed(sm_buf *line, uint64_t id, sm_status status, const char *message);

/* A result line, as the coordinator takes it. */
typedef struct sm_task_result {
    uint64_t id;
    bool good, final;
    char fingerprint[SM_FINGERPRINT_SIZE]; /* of a good pack */
    uint64_t inputs, records, failures, bytes_in, bytes_out;
    uint64_t read_ns, decode_ns, resize_ns, encode_ns, write_ns;
    sm_status status; /* of a failure */
    char message[SM_ERROR_MAX];
} sm_task_result;

sm_status sm_task_result_read(sm_task_result *result, const char *line, size_t len);

#endif
