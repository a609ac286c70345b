/*
 * Dataproc's REST API, v1 (cloud.google.com/dataproc/docs/reference/rest): clusters, jobs, and the
 * operations that changing a cluster is. Every call that changes something carries a requestId, so
 * that the service takes one that is sent again, because its answer was lost, for the same.
 *
 * Environment: SHARDMILL_DATAPROC_ENDPOINT another address of the service (a private endpoint).
 */
#ifndef SM_DATAPROC_SERVICE_H
#define SM_DATAPROC_SERVICE_H

#include "core/buf.h"

#include <jansson.h>

enum { SM_UUID_SIZE = 37 };

typedef struct sm_dataproc {
    char *address; /* "https://…" */
    char *place;   /* "projects/P/regions/R" */
} sm_dataproc;

/* SM_ERR_USAGE for names that no project or region has. Freed by the caller in any case. */
sm_status sm_dataproc_init(sm_dataproc *service, const char *project, const char *region);
void sm_dataproc_free(sm_dataproc *service);

/* A random UUID (RFC 9562, version 4): for a requestId, or a name. */
sm_status sm_dataproc_uuid(char uuid[SM_UUID_SIZE]);

/* What can be asked of it. The words are borrowed. */
typedef struct sm_dataproc_call {
    const char *method;     /* "GET" */
    const char *path;       /* behind the place: "clusters/NAME"; a whole name with `named` */
    const char *url;        /* instead of path: of another service of Google's; NULL: none */
    bool named;             /* path is an operation's name */
    const char *request_id; /* NULL: none, or in body */
    const char *filter, *page_token; /* of a list; NULL: none */
    const json_t *body;              /* NULL: none */
    bool once;                       /* no second attempt */
    bool clears;            /* goes out also when all waiting is to end, as every DELETE does */
    const char *what;       /* "create the cluster": what messages say was tried */
    const char *subject;    /* its name */
    const char *permission; /* "dataproc.clusters.create" */
} sm_dataproc_call;

/* SM_OK for a 2xx; *answer (may be NULL) is the caller's. SM_ERR_NOT_FOUND, SM_ERR_CONFLICT (there
 * already), SM_ERR_ACCESS, SM_ERR_USAGE (what the service will never take: quota, a bad type),
 * SM_ERR_IO. */
sm_status sm_dataproc_ask(json_t **answer, const sm_dataproc *service,
                          const sm_dataproc_call *call);

/* The text at object.a.b, NULL when there is none; b may be NULL. */
const char *sm_dataproc_text(const json_t *object, const char *a, const char *b);

#endif
