/* Finding and deleting what runs of ours left behind. */
#include "core/machine.h"
#include "core/status.h"
#include "dataproc/cluster.h"
#include "io/credentials_google.h"
#include "io/http_retry.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* A request to create may be answered so long after the run that sent it has died. */
enum { YOUNG_SECONDS = 10 };
static const uint64_t LOOK_AGAIN_NS = 500 * 1000000ull;

typedef struct collecting {
    const sm_dataproc_gc_options *options;
    const sm_dataproc *service; /* of the project that is listed */
    sm_status worst;            /* of all deletions */
} collecting;

static void tell(collecting *c, sm_dataproc_leftover *leftover)
{
    leftover->error = leftover->status == SM_OK ? "" : sm_last_error();
    if (leftover->status != SM_OK) c->worst = leftover->status;
    if (c->options->on_cluster != NULL) c->options->on_cluster(c->options->user, leftover);
}

/* The state as the service has it; "GONE". */
static sm_status look(char state[32], const sm_dataproc *service, const char *cluster)
{
    json_t *answer = NULL;
    sm_status status = sm_cluster_get(&answer, service, cluster);
    const char *text = sm_dataproc_text(answer, "status", "state");
    snprintf(state, 32, "%s", status == SM_ERR_NOT_FOUND ? "GONE" : text == NULL ? "" : text);
    json_decref(answer);
    return status == SM_ERR_NOT_FOUND ? SM_OK : status;
}

static bool is_young(int entry)
{
    struct stat st;
    return fstat(entry, &st) == 0 && time(NULL) - st.st_mtime < YOUNG_SECONDS;
}

static sm_status find(char state[32], const sm_dataproc *service, const sm_ledger_entry *entry)
{
    sm_status status = look(state, service, entry->cluster);
    while (status == SM_OK && strcmp(state, "GONE") == 0 && is_young(entry->lock) &&
           sm_pause(LOOK_AGAIN_NS))
        status = look(state, service, entry->cluster);
    return status;
}

/* ---- The ledger */

static sm_status settle_entry(void *user, sm_ledger_entry *entry, bool in_use)
{
    collecting *c = user;
    char state[32] = "";
    sm_dataproc service;
    sm_dataproc_leftover leftover = {.cluster = entry->cluster,
                                     .project = entry->project,
                                     .region = entry->region,
                                     .state = state,
                                     .in_use = in_use};
    const char *project = c->options->project, *region = c->options->region;
    if (project != NULL && strcmp(project, entry->project) != 0) return SM_OK;
    if (region != NULL && strcmp(region, entry->region) != 0) return SM_OK;
    leftover.status = sm_dataproc_init(&service, entry->project, entry->region);
    if (leftover.status == SM_OK) leftover.status = find(state, &service, entry);
    const bool remove = !in_use && !c->options->dry_run;
    if (leftover.status == SM_OK && remove && strcmp(state, "GONE") != 0)
        leftover.status = sm_cluster_delete(&service, entry->cluster);
    tell(c, &leftover);
    if (leftover.status == SM_OK && remove) sm_ledger_remove(entry);
    sm_dataproc_free(&service);
    return leftover.status == SM_ERR_CANCELLED ? leftover.status : SM_OK;
}

/* ---- The project */

static void settle_listed(collecting *c, const json_t *cluster)
{
    const char *name = sm_dataproc_text(cluster, "clusterName", NULL);
    const char *state = sm_dataproc_text(cluster, "status", "state");
    const char *project = c->options->project, *region = c->options->region;
    /* Those of this machine's ledger were seen to. */
    if (name == NULL || sm_ledger_has(project, region, name)) return;
    sm_dataproc_leftover leftover = {.cluster = name,
                                     .project = project,
                                     .region = region,
                                     .state = state == NULL ? "" : state,
                                     .foreign = true};
    const bool deleting = strcmp(leftover.state, "DELETING") == 0;
    if (c->options->all && !c->options->dry_run && !deleting)
        leftover.status = sm_cluster_delete(c->service, name);
    tell(c, &leftover);
}

static sm_status settle_project(collecting *c)
{
    char token[1024] = "";
    sm_status status = SM_OK;
    for (bool more = true; status == SM_OK && more;) {
        json_t *page = NULL;
        size_t i;
        json_t *cluster;
        status = sm_dataproc_ask(&page, c->service,
                                 &(sm_dataproc_call){.method = "GET",
                                                     .path = "clusters",
                                                     .filter = "labels." SM_DATAPROC_LABEL " = run",
                                                     .page_token = *token == '\0' ? NULL : token,
                                                     .what = "list the clusters of",
                                                     .subject = c->options->project,
                                                     .permission = "dataproc.clusters.list"});
        json_array_foreach(json_object_get(page, "clusters"), i, cluster) settle_listed(c, cluster);
        const char *next = sm_dataproc_text(page, "nextPageToken", NULL);
        more = next != NULL && *next != '\0' && strlen(next) < sizeof token;
        if (more) snprintf(token, sizeof token, "%s", next);
        json_decref(page);
    }
    return status;
}

SM_API sm_status sm_dataproc_gc(const sm_dataproc_gc_options *options)
{
    collecting c = {.options = options};
    if ((options->project == NULL) != (options->region == NULL))
        return sm_fail(SM_ERR_USAGE, "--project and --region go together");
    sm_google_want_cloud_platform();
    sm_status status = sm_ledger_each(settle_entry, &c);
    if (status == SM_OK && options->project != NULL) {
        sm_dataproc service;
        status = sm_dataproc_init(&service, options->project, options->region);
        c.service = &service;
        if (status == SM_OK) status = settle_project(&c);
        sm_dataproc_free(&service);
    }
    return status == SM_OK ? c.worst : status;
}
