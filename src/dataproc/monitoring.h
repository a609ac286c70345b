/*
 * What Cloud Monitoring has of a cluster's machines (cloud.google.com/monitoring/api/ref_v3,
 * projects.timeSeries.list): a supplement to what our own workers sample. It has values by the
 * minute, some minutes late (docs: up to four), and keeps them when the machines are gone.
 *
 * Environment: SHARDMILL_MONITORING_ENDPOINT another address of the service.
 */
#ifndef SM_DATAPROC_MONITORING_H
#define SM_DATAPROC_MONITORING_H

#include "dataproc/service.h"

typedef struct sm_monitored {
    const char *project, *cluster;
    int64_t from, to; /* seconds since 1970 */
} sm_monitored;

/*
 * *machines, the caller's, is an object a machine by its name, each an array of rows by time, as
 * options.on_machine has them. A service that is not there or says no is an error at once: nothing
 * is tried again for it.
 */
sm_status sm_monitoring_read(json_t **machines, const sm_dataproc *service,
                             const sm_monitored *what);

#endif
