/* A cluster's life: asked for, waited for, deleted. */
#ifndef SM_DATAPROC_CLUSTER_H
#define SM_DATAPROC_CLUSTER_H

#include "dataproc/ledger.h"
#include "dataproc/service.h"

#include <shardmill.h>

#define SM_DATAPROC_LABEL "shardmill" /* on every cluster of ours: its value is "run" */

typedef struct sm_cluster {
    const sm_dataproc *service;
    const sm_dataproc_options *options;
    sm_ledger_entry entry; /* of one that we make */
    bool made;             /* it may be there by our doing, and is ours to delete */
    uint64_t since_ns;     /* when it was asked for */
} sm_cluster;

/* Called now and then while something is waited for; anything but SM_OK ends the waiting. */
typedef sm_status sm_cluster_tick(void *user);

/* Checks that an existing cluster runs; or makes one and waits until it does. When it fails, what
 * there may be of it is for sm_cluster_end. */
sm_status sm_cluster_begin(sm_cluster *cluster, const sm_dataproc *service,
                           const sm_dataproc_options *options, sm_cluster_tick *tick, void *user);

/* Deletes what sm_cluster_begin made, unless it is to be kept, and waits until it is gone. When all
 * waiting is to end it is asked for, and not waited for. */
sm_status sm_cluster_end(sm_cluster *cluster);

/* Asks for the deletion of a cluster; SM_OK too when there is none. Waits for its end. */
sm_status sm_cluster_delete(const sm_dataproc *service, const char *name);

/* The cluster as the service has it; the caller's. */
sm_status sm_cluster_get(json_t **answer, const sm_dataproc *service, const char *name);

#endif
