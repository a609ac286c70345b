/*
 * One of our own jobs (pack, measure) on one cluster of a space: the cluster comes, the job runs on
 * it, the cluster goes, and what came of it is a row. sweep runs every candidate so, choose its
 * trials.
 */
#ifndef SM_CLI_JOB_H
#define SM_CLI_JOB_H

#include "background.h"
#include "engines.h"

#include <jansson.h>

enum {
    JOB_WORDS_MAX = 512,
    JOB_NAME_MAX = SM_CHOOSE_NAME_MAX + 16,
    JOB_PATIENCE_S = 300 /* that one may take to end, and its cluster to be deleted */
};

typedef struct cluster_job {
    const command *cmd;                /* pack_command or measure_command */
    const char *words[JOB_WORDS_MAX];  /* of its command line, behind its name */
    int count, src, dst;               /* src, dst: which of them; -1: none */
    const char *engine[JOB_WORDS_MAX]; /* words on the engine that were given apart */
    int engine_count;
    int kind;              /* an engine_kind */
    const char *up, *down; /* commands that bring a cluster, and take it away; NULL: none */
    const char *list;      /* a sample of pack's pictures; NULL: all */
    const char *folder;    /* has a folder for the files of each candidate */
    const sm_space *space;
} cluster_job;

/*
 * Takes apart the words of `shardmill CMD [options and engine's options] … -- JOB…`: *argc is cut
 * to what stands before the "--". False, and the usage error is printed, when there is no such job.
 */
bool job_read(cluster_job *j, const command *cmd, int *argc, char **argv);
/* The same once CMD's own options are read: whether the job can be run on the clusters of a space.
 */
bool job_check(const cluster_job *j, const command *cmd);

/* vCPUs that a candidate's cluster takes of a quota: on Dataproc its master and spot machines, too.
 */
double job_vcpus(const cluster_job *j, const sm_candidate *candidate);

/* "e2-standard-4-x2": the folder of a candidate, and where in DST its shards go. */
void job_name(char name[JOB_NAME_MAX], const sm_candidate *candidate);

/*
 * Runs the job on a candidate, as a background_work of a cluster_job *: FOLDER/NAME/ then has
 * row.json, the log of all that was started, and the job's own results. The last line of its output
 * is
 * {"seconds":…,"cost":…}. The exit code is 0 when the job succeeded.
 */
int job_run(void *user, uint32_t candidate);

/* The row that job_run left, the caller's; NULL when it came to none. */
json_t *job_row(const cluster_job *j, uint32_t candidate);

/* Writes about share of the files below src to list, a line each, always the same ones. Whether all
 * was written, ferror tells. */
sm_status job_sample(uint64_t *pictures, const char *src, double share, FILE *list);

/* ---- job_row.c */

/* How the parts of a run ended. */
typedef struct job_end {
    const char *failed; /* what did: "up", "job"; NULL: nothing */
    int code;           /* of what failed, or of the job */
    double started;     /* seconds since 1970 */
    double wall_s;      /* of the job alone */
} job_end;

/* What came of a candidate, by the files in folder. NULL: no memory. */
json_t *job_describe(const cluster_job *j, const sm_candidate *candidate, const char *folder,
                     const job_end *end);

#endif
