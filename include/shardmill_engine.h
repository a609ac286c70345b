/*
 * Engines: who packs the shards when it is not this process, and the worker that does it.
 *
 * The coordinator (sm_pack with an engine) puts what the shards are made of into DST/_tasks and
 * gives the engine one line of JSON a shard. The engine takes each line to a worker, on whatever
 * machine, and brings back the line that the worker answers with. It never looks at a picture.
 * docs/engines.md describes the lines.
 */
#ifndef SHARDMILL_ENGINE_H
#define SHARDMILL_ENGINE_H

#include "shardmill.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- What an engine is given ----------------------------------------------------------------- */

typedef struct sm_tasks {
    size_t count;
    uint64_t pictures;
    /* The line of task number i, without a line end; it lives until the next call. */
    sm_status (*line)(void *user, const char **line, size_t i);
    /* Takes a worker's answer (len bytes, no line end). Any order; a shard may come twice. Anything
     * but SM_OK ends the run with that status. */
    sm_status (*result)(void *user, const char *line, size_t len);
    /* Looks in the destination whether task number i has been carried out, for an engine that does
     * not bring the answers back; as if its result had come when it has. */
    sm_status (*find)(void *user, size_t i, bool *found);
    void *user;                       /* of these three */
    bool (*is_cancelled)(void *user); /* to be asked often; may be NULL */
    void *cancel_user;
} sm_tasks;

/* What a run took beside the tasks' own work. */
typedef struct sm_engine_usage {
    double waited_s; /* for a cluster to come, and to go */
    double billed_s; /* that a cluster made for the run was there; 0: none was made */
    double cost;     /* of that, in US dollars; not-a-number: there is no price */
} sm_engine_usage;

typedef struct sm_engine {
    const char *name;
    sm_engine_usage usage; /* of the last run */
    /* Brings every task to a worker and every answer back. SM_OK when no more answers will come;
     * whether all have come is for the caller to see. */
    sm_status (*run)(struct sm_engine *engine, const sm_tasks *tasks);
    void (*free)(struct sm_engine *engine);
} sm_engine;

SM_API void sm_engine_free(sm_engine *engine); /* NULL is fine */

/*
 * For xargs, queues and notebooks: prints {"type":"plan",…}, a line a task, and {"type":"run"} on
 * the file descriptor out, then reads answers from in until its end, or until a line
 * {"type":"error","message":…}, which is the failure of the run.
 */
SM_API sm_status sm_engine_lines(sm_engine **engine, int in, int out);

typedef struct sm_spark_options {
    const char *master;      /* "local[2]", "spark://host:7077", "yarn", "k8s://…" */
    const char *const *conf; /* "key=value" each; a later one of a key holds */
    size_t conf_count;
    uint32_t executor_cores; /* 0: as the cluster has it */
    const char *deploy_mode; /* "client" (NULL) or "cluster" */
    const char *worker;      /* the program, or a .tgz that holds it as bin/shardmill, that
                                executors are to run; NULL: this one */
} sm_spark_options;

/* Apache Spark: starts spark-submit with a driver that pipes the lines through `shardmill worker`
 * on the executors. options is copied. SM_ERR_NOT_FOUND when there is no Spark here. */
SM_API sm_status sm_engine_spark(sm_engine **engine, const sm_spark_options *options);

/* ---- The worker ------------------------------------------------------------------------------ */

typedef struct sm_worker_options {
    uint32_t threads; /* converters a task; 0: SPARK_EXECUTOR_CORES, or every core there is */
    uint64_t memory;  /* bytes a task; 0: its threads' share of half of what there is */
    /* Carries out tasks of kind "trial": sm_measure_task, or NULL where there are none. */
    sm_status (*trial)(char **row, const char *task);
    bool (*is_cancelled)(void *user); /* true when the worker is to stop; may be NULL */
    void *user;
} sm_worker_options;

/*
 * Reads task lines from in until its end, and answers each by one line on out, in their order. A
 * task is carried out by a child process: a picture that kills it (SIGSEGV and the like) becomes a
 * failure of its own, SM_FAIL_CRASHED, and the task goes on. A task that cannot be carried out is
 * an answer too, not an error; errors are of in and out alone. SM_ERR_CANCELLED when nobody reads
 * out any more. To be called from a process without other threads.
 */
SM_API sm_status sm_worker_run(int in, int out, const sm_worker_options *options);

#ifdef __cplusplus
}
#endif
#endif
