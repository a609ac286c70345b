/*
 * Google Cloud Dataproc as an engine: makes a cluster or takes one, runs the tasks there, and
 * leaves nothing behind. docs/dataproc.md tells how to use it.
 */
#ifndef SHARDMILL_DATAPROC_H
#define SHARDMILL_DATAPROC_H

#include "shardmill_engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The options of a cluster; text that is NULL is as the service has it, unless said otherwise. */
typedef struct sm_dataproc_options {
    const char *project, *region; /* both needed */
    const char *cluster;          /* an existing one; with create the new one's, NULL: made up */
    const char *staging;          /* gs://BUCKET[/FOLDER] for programs and output; needed */
    const char *worker; /* the program, or a .tgz that holds it as bin/shardmill; NULL: this one */
    const char *const *conf; /* Spark's properties, "key=value" each */
    size_t conf_count;

    bool create, keep;                      /* make the cluster; and leave it there */
    const char *machine_type, *master_type; /* "e2-standard-4"; master_type NULL: as the workers */
    uint32_t workers;                       /* 0: a cluster of one machine, else at least 2 */
    uint32_t spot; /* spot machines beside the workers (secondary workers): cheap, and may be taken
                      away at any time, when others do their tasks again */
    const char *disk_type;     /* "pd-standard", "pd-balanced", "pd-ssd" */
    uint32_t disk_gb;          /* of each machine's boot disk; 0: as the service has it */
    const char *image_version; /* "2.2" */
    const char *service_account, *subnet;
    const char *const *labels; /* "key=value" each */
    size_t label_count;
    uint32_t max_idle_s; /* seconds after which the service deletes the cluster by itself when it
                            has nothing to do, */
    uint32_t max_age_s;  /* and in any case; at least 600 */

    double max_cost;    /* US dollars after which the run is given up; 0: no limit */
    const char *prices; /* a file of prices (docs/dataproc.md); NULL: those that are built in */

    /* A line for people: what is being waited for, what it cost so far. May be NULL. */
    void (*on_message)(void *user, const char *line);
    /*
     * What Cloud Monitoring saw of a machine while the run lasted, when it may be read and has it
     * already: {"kind":"monitoring","instance":NAME,"over_time":[[TIME,CPU,RECEIVED,SENT,READ,
     * WRITTEN],…]}, each for the time up to TIME (seconds since 1970), CPU as a share, the others
     * bytes a second; null is what it does not have. NULL: it is not asked.
     */
    void (*on_machine)(void *user, const char *json);
    void *user;
} sm_dataproc_options;

/* With what every cluster should have: two workers, e2-standard-4, 30 minutes idle, 8 hours. */
SM_API void sm_dataproc_options_init(sm_dataproc_options *options);

/*
 * An engine that runs tasks as a PySpark job of Dataproc. The tasks' DST and SRC must be where the
 * cluster reaches them. A cluster that was created is deleted when the run ends, however it ends.
 * options is copied, its texts are borrowed. SM_ERR_USAGE for options that make no sense.
 */
SM_API sm_status sm_engine_dataproc(sm_engine **engine, const sm_dataproc_options *options);

/* What sm_dataproc_gc found: a cluster of ours. */
typedef struct sm_dataproc_leftover {
    const char *cluster, *project, *region;
    const char *state; /* "RUNNING"; "GONE" when only its ledger entry was left */
    bool in_use;       /* a run on this machine uses it: left alone */
    bool foreign;      /* of another machine: left alone unless all */
    sm_status status;  /* of deleting it */
    const char *error;
} sm_dataproc_leftover;

typedef struct sm_dataproc_gc_options {
    const char *project, *region; /* NULL: those of this machine's ledger alone */
    bool all;                     /* also those that other machines made */
    bool dry_run;
    void (*on_cluster)(void *user, const sm_dataproc_leftover *leftover);
    void *user;
} sm_dataproc_gc_options;

/* Deletes clusters that runs of ours left behind: those in the ledger of this machine whose run has
 * ended, and with a project those with our label. SM_OK when none is left. */
SM_API sm_status sm_dataproc_gc(const sm_dataproc_gc_options *options);

#ifdef __cplusplus
}
#endif
#endif
