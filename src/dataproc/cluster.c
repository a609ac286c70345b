#include "dataproc/cluster.h"

#include "core/json.h"
#include "core/machine.h"
#include "core/status.h"
#include "io/http_retry.h"

#include <stdio.h>
#include <string.h>

/* Dataproc takes 7,500 looks a minute and region (cloud.google.com/dataproc/quotas). */
static const uint64_t FIRST_LOOK_NS = 250 * 1000000ull, LONGEST_LOOK_NS = 1000 * 1000000ull;

/* ---- What is asked for */

static sm_status set_text(json_t *object, const char *key, const char *text)
{
    return text == NULL ? SM_OK : sm_json_set(object, key, json_string(text));
}

/* Sets object[key] to a new object, which is borrowed. */
static json_t *child(json_t *object, const char *key)
{
    json_t *made = json_object();
    return json_object_set_new(object, key, made) == 0 ? made : NULL;
}

/* Secondary workers have the type of the workers. */
static const char SPOT_GROUP[] = "secondaryWorkerConfig";

static sm_status describe_machines(json_t *config, const char *key, const char *type,
                                   uint32_t count, const sm_dataproc_options *options)
{
    json_t *group = child(config, key), *disk;
    if (group == NULL) return sm_fail_memory(0);
    sm_status status = sm_json_set(group, "numInstances", json_integer(count));
    if (status == SM_OK) status = set_text(group, "machineTypeUri", type);
    if (status == SM_OK && strcmp(key, SPOT_GROUP) == 0)
        status = set_text(group, "preemptibility", "SPOT");
    if (status != SM_OK || (options->disk_type == NULL && options->disk_gb == 0)) return status;
    disk = child(group, "diskConfig");
    if (disk == NULL) return sm_fail_memory(0);
    status = set_text(disk, "bootDiskType", options->disk_type);
    if (status == SM_OK && options->disk_gb > 0)
        status = sm_json_set(disk, "bootDiskSizeGb", json_integer(options->disk_gb));
    return status;
}

static sm_status describe_network(json_t *config, const sm_dataproc_options *options)
{
    json_t *gce = child(config, "gceClusterConfig"), *scopes = json_array();
    if (gce == NULL || scopes == NULL) {
        json_decref(scopes);
        return sm_fail_memory(0);
    }
    sm_status status = set_text(gce, "serviceAccount", options->service_account);
    if (status == SM_OK) status = set_text(gce, "subnetworkUri", options->subnet);
    json_array_append_new(scopes, json_string("https://www.googleapis.com/auth/cloud-platform"));
    sm_status added = sm_json_set(gce, "serviceAccountScopes", scopes);
    return status == SM_OK ? added : status;
}

static sm_status describe_software(json_t *config, const sm_dataproc_options *options)
{
    json_t *software = child(config, "softwareConfig"), *properties;
    if (software == NULL) return sm_fail_memory(0);
    sm_status status = set_text(software, "imageVersion", options->image_version);
    if (status != SM_OK || options->workers > 0) return status;
    properties = child(software, "properties");
    if (properties == NULL) return sm_fail_memory(0);
    return set_text(properties, "dataproc:dataproc.allow.zero.workers", "true");
}

/* Seconds as the JSON of a protobuf Duration. */
static sm_status set_duration(json_t *object, const char *key, uint32_t seconds)
{
    char text[24];
    snprintf(text, sizeof text, "%us", seconds);
    return seconds == 0 ? SM_OK : set_text(object, key, text);
}

static sm_status describe_config(json_t *config, const sm_dataproc_options *options)
{
    const char *staging = options->staging + strlen("gs://");
    const char *master =
        options->master_type == NULL ? options->machine_type : options->master_type;
    json_t *life = child(config, "lifecycleConfig");
    if (life == NULL) return sm_fail_memory(0);
    sm_status status =
        sm_json_set(config, "configBucket", json_stringn(staging, strcspn(staging, "/")));
    if (status == SM_OK) status = set_duration(life, "idleDeleteTtl", options->max_idle_s);
    if (status == SM_OK) status = set_duration(life, "autoDeleteTtl", options->max_age_s);
    if (status == SM_OK) status = describe_machines(config, "masterConfig", master, 1, options);
    if (status == SM_OK && options->workers > 0)
        status = describe_machines(config, "workerConfig", options->machine_type, options->workers,
                                   options);
    if (status == SM_OK && options->spot > 0)
        status = describe_machines(config, SPOT_GROUP, NULL, options->spot, options);
    if (status == SM_OK) status = describe_network(config, options);
    return status == SM_OK ? describe_software(config, options) : status;
}

static sm_status describe_labels(json_t *object, const sm_dataproc_options *options)
{
    json_t *labels = child(object, "labels");
    if (labels == NULL) return sm_fail_memory(0);
    sm_status status = SM_OK;
    for (size_t i = 0; status == SM_OK && i < options->label_count; i++) {
        char key[SM_CLUSTER_NAME_MAX];
        const char *text = options->labels[i], *equals = strchr(text, '=');
        if (equals == NULL || (size_t)(equals - text) >= sizeof key)
            return sm_fail(SM_ERR_USAGE, "'%s' is no label: KEY=VALUE", text);
        snprintf(key, sizeof key, "%.*s", (int)(equals - text), text);
        status = set_text(labels, key, equals + 1);
    }
    return status == SM_OK ? set_text(labels, SM_DATAPROC_LABEL, "run") : status;
}

static sm_status describe(json_t **object, const sm_cluster *cluster)
{
    json_t *made = json_object(), *config = made == NULL ? NULL : child(made, "config");
    sm_status status = config == NULL ? sm_fail_memory(0) : SM_OK;
    if (status == SM_OK) status = set_text(made, "projectId", cluster->options->project);
    if (status == SM_OK) status = set_text(made, "clusterName", cluster->entry.cluster);
    if (status == SM_OK) status = describe_labels(made, cluster->options);
    if (status == SM_OK) status = describe_config(config, cluster->options);
    if (status == SM_OK)
        *object = made;
    else
        json_decref(made);
    return status;
}

/* ---- Waiting */

/* Sleeps longer and longer; false when all waiting is to end. */
static bool look_later(uint64_t *wait_ns)
{
    bool goes_on = sm_pause(*wait_ns);
    *wait_ns = *wait_ns * 3 / 2 < LONGEST_LOOK_NS ? *wait_ns * 3 / 2 : LONGEST_LOOK_NS;
    return goes_on;
}

/* Whether the operation has ended; its error is the status. */
static sm_status look_at_operation(bool *done, const sm_dataproc *service, const char *operation,
                                   const char *what, const char *subject)
{
    json_t *answer;
    sm_status status =
        sm_dataproc_ask(&answer, service,
                        &(sm_dataproc_call){.method = "GET",
                                            .path = operation,
                                            .named = true,
                                            .what = what,
                                            .subject = subject,
                                            .permission = "dataproc.operations.get"});
    if (status != SM_OK) return status;
    const char *error = sm_dataproc_text(answer, "error", "message");
    *done = json_is_true(json_object_get(answer, "done"));
    if (*done && json_object_get(answer, "error") != NULL)
        status = sm_fail(SM_ERR_IO, "cannot %s '%s': %s", what, subject,
                         error == NULL ? "the service gives no reason" : error);
    json_decref(answer);
    return status;
}

static sm_status wait_for(const sm_dataproc *service, const char *operation, const char *what,
                          const char *subject, sm_cluster_tick *tick, void *user)
{
    sm_status status = SM_OK;
    uint64_t wait = FIRST_LOOK_NS;
    for (bool done = false; status == SM_OK && !done;) {
        if (!look_later(&wait)) return sm_fail(SM_ERR_CANCELLED, "stopped on request");
        if (tick != NULL) status = tick(user);
        if (status == SM_OK) status = look_at_operation(&done, service, operation, what, subject);
    }
    return status;
}

/* ---- Making */

static sm_status create(sm_cluster *cluster, sm_cluster_tick *tick, void *user)
{
    static const char what[] = "create the cluster";
    const char *name = cluster->entry.cluster;
    char request[SM_UUID_SIZE];
    json_t *body = NULL, *answer = NULL;
    sm_status status = describe(&body, cluster);
    if (status == SM_OK) status = sm_dataproc_uuid(request);
    if (status == SM_OK) status = sm_ledger_open(&cluster->entry);
    if (status == SM_OK) {
        cluster->made = true; /* whatever the answer: it may get there */
        cluster->since_ns = sm_clock_ns();
        status = sm_dataproc_ask(&answer, cluster->service,
                                 &(sm_dataproc_call){.method = "POST",
                                                     .path = "clusters",
                                                     .request_id = request,
                                                     .body = body,
                                                     .what = what,
                                                     .subject = name,
                                                     .permission = "dataproc.clusters.create"});
        /* Another's cluster of that name is not ours to delete. */
        if (status == SM_ERR_CONFLICT) cluster->made = false;
    }
    const char *operation = sm_dataproc_text(answer, "name", NULL);
    if (status == SM_OK && operation == NULL)
        status =
            sm_fail(SM_ERR_FORMAT, "cannot %s '%s': the answer names no operation", what, name);
    if (status == SM_OK) status = wait_for(cluster->service, operation, what, name, tick, user);
    json_decref(answer);
    json_decref(body);
    return status;
}

sm_status sm_cluster_get(json_t **answer, const sm_dataproc *service, const char *name)
{
    char path[SM_CLUSTER_NAME_MAX + 16];
    snprintf(path, sizeof path, "clusters/%s", name);
    return sm_dataproc_ask(answer, service,
                           &(sm_dataproc_call){.method = "GET",
                                               .path = path,
                                               .what = "look at the cluster",
                                               .subject = name,
                                               .permission = "dataproc.clusters.get"});
}

static sm_status check_running(const sm_cluster *cluster)
{
    json_t *answer;
    sm_status status = sm_cluster_get(&answer, cluster->service, cluster->options->cluster);
    if (status != SM_OK) return status;
    const char *state = sm_dataproc_text(answer, "status", "state");
    if (state == NULL || (strcmp(state, "RUNNING") != 0 && strcmp(state, "UPDATING") != 0))
        status =
            sm_fail(SM_ERR_USAGE, "the cluster '%s' is %s: start it, or make one with --create",
                    cluster->options->cluster, state == NULL ? "in no known state" : state);
    json_decref(answer);
    return status;
}

static sm_status name_entry(sm_cluster *cluster)
{
    const sm_dataproc_options *o = cluster->options;
    sm_ledger_entry *entry = &cluster->entry;
    char uuid[SM_UUID_SIZE];
    sm_status status = sm_dataproc_uuid(uuid);
    snprintf(entry->project, sizeof entry->project, "%s", o->project);
    snprintf(entry->region, sizeof entry->region, "%s", o->region);
    if (o->cluster != NULL)
        snprintf(entry->cluster, sizeof entry->cluster, "%s", o->cluster);
    else
        snprintf(entry->cluster, sizeof entry->cluster, "shardmill-%.8s", uuid);
    return status;
}

sm_status sm_cluster_begin(sm_cluster *cluster, const sm_dataproc *service,
                           const sm_dataproc_options *options, sm_cluster_tick *tick, void *user)
{
    *cluster = (sm_cluster){
        .service = service, .options = options, .entry.lock = -1, .since_ns = sm_clock_ns()};
    sm_status status = name_entry(cluster);
    if (status != SM_OK) return status;
    return options->create ? create(cluster, tick, user) : check_running(cluster);
}

/* ---- Deleting */

static bool is_gone(const sm_dataproc *service, const char *name)
{
    json_t *answer = NULL;
    bool gone = sm_cluster_get(&answer, service, name) == SM_ERR_NOT_FOUND;
    json_decref(answer);
    return gone;
}

sm_status sm_cluster_delete(const sm_dataproc *service, const char *name)
{
    char path[SM_CLUSTER_NAME_MAX + 16], request[SM_UUID_SIZE];
    json_t *answer = NULL;
    snprintf(path, sizeof path, "clusters/%s", name);
    sm_status status = sm_dataproc_uuid(request);
    if (status == SM_OK)
        status = sm_dataproc_ask(&answer, service,
                                 &(sm_dataproc_call){.method = "DELETE",
                                                     .path = path,
                                                     .request_id = request,
                                                     .what = "delete the cluster",
                                                     .subject = name,
                                                     .permission = "dataproc.clusters.delete"});
    if (status == SM_ERR_NOT_FOUND) return SM_OK;
    const char *operation = sm_dataproc_text(answer, "name", NULL);
    if (status == SM_OK && operation != NULL)
        status = wait_for(service, operation, "delete the cluster", name, NULL, NULL);
    json_decref(answer);
    /* It may have been deleted by another hand, or be on its way already. */
    return status != SM_OK && status != SM_ERR_CANCELLED && is_gone(service, name) ? SM_OK : status;
}

sm_status sm_cluster_end(sm_cluster *cluster)
{
    if (!cluster->made) {
        if (cluster->entry.lock >= 0) sm_ledger_remove(&cluster->entry);
        return SM_OK;
    }
    sm_status status = SM_OK;
    if (!cluster->options->keep)
        status = sm_cluster_delete(cluster->service, cluster->entry.cluster);
    if (status == SM_OK)
        sm_ledger_remove(&cluster->entry);
    else
        sm_ledger_close(&cluster->entry);
    cluster->made = false;
    return status;
}
