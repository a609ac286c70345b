/* The engine: stages what is needed, has a cluster, runs the job, and leaves nothing behind. */
#include "core/machine.h"
#include "core/status.h"
#include "dataproc/cluster.h"
#include "dataproc/job.h"
#include "dataproc/monitoring.h"
#include "dataproc/prices.h"
#include "dataproc/staging.h"
#include "engine/driver.h"
#include "io/credentials_google.h"
#include "io/http_retry.h"
#include "io/io.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LOOK_MS = 500, WORD_SECONDS = 15, MIN_AGE_S = 600 };
static const uint64_t NS_PER_MS = 1000000, NS_PER_S = 1000000000;

typedef struct dataproc_engine {
    sm_engine engine;
    sm_dataproc_options options;
} dataproc_engine;

typedef struct dataproc_run {
    const sm_dataproc_options *options;
    const sm_tasks *tasks;
    sm_dataproc service;
    sm_cluster cluster;
    sm_dataproc_job job;
    sm_price price;
    int64_t begun;                 /* seconds since 1970 */
    uint64_t said_ns;              /* when the last line for people was */
    uint64_t waited_ns;            /* for the cluster to come, and to go */
    const char *doing;             /* "creating the cluster" */
    sm_buf driver, program, lines; /* URLs of what is staged */
} dataproc_run;

static void say(const dataproc_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(const dataproc_run *run, const char *format, ...)
{
    char line[512];
    va_list args;
    if (run->options->on_message == NULL) return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    run->options->on_message(run->options->user, line);
}

/* ---- What it costs */

static double cost_so_far(const dataproc_run *run)
{
    const double hours = (double)(sm_clock_ns() - run->cluster.since_ns) / (double)NS_PER_S / 3600;
    return run->options->create ? run->price.hour * hours : 0;
}

static void say_how_far(dataproc_run *run)
{
    const uint64_t now = sm_clock_ns(), seconds = (now - run->cluster.since_ns) / NS_PER_S;
    run->said_ns = now;
    if (run->options->create && !isnan(run->price.hour))
        say(run, "%s '%s': %llu s, $%.4f so far", run->doing, run->cluster.entry.cluster,
            (unsigned long long)seconds, cost_so_far(run));
    else
        say(run, "%s '%s': %llu s", run->doing, run->cluster.entry.cluster,
            (unsigned long long)seconds);
}

static sm_status tick(void *user)
{
    dataproc_run *run = user;
    const sm_tasks *tasks = run->tasks;
    if (tasks->is_cancelled != NULL && tasks->is_cancelled(tasks->cancel_user))
        return sm_fail(SM_ERR_CANCELLED, "stopped on request");
    if (run->options->max_cost > 0 && cost_so_far(run) > run->options->max_cost)
        return sm_fail(SM_ERR_LIMIT, "the cluster has cost $%.4f, more than --max-cost allows",
                       cost_so_far(run));
    if (sm_clock_ns() - run->said_ns > WORD_SECONDS * NS_PER_S) say_how_far(run);
    return SM_OK;
}

/* ---- The steps */

static sm_status stage(dataproc_run *run)
{
    const sm_dataproc_options *o = run->options;
    sm_status status = sm_stage_bytes(&run->driver, o->staging, "shardmill_driver.py",
                                      sm_spark_driver, sm_spark_driver_len);
    if (status == SM_OK && sm_spark_is_bundle(o->worker))
        status = sm_stage_file(&run->program, o->staging, "shardmill-worker.tgz", o->worker);
    else if (status == SM_OK)
        status = sm_stage_file(&run->program, o->staging, "shardmill",
                               o->worker == NULL ? "/proc/self/exe" : o->worker);
    if (status == SM_OK) status = sm_stage_tasks(&run->lines, o->staging, run->job.id, run->tasks);
    return status;
}

static sm_status submit(dataproc_run *run)
{
    const sm_dataproc_options *o = run->options;
    const bool archive = sm_spark_is_bundle(o->worker);
    const char *program = (const char *)run->program.data;
    char archive_url[SM_PATH_LIMIT + 32];
    snprintf(archive_url, sizeof archive_url, "%s#shardmill-worker", program);
    const char *const files[] = {(const char *)run->lines.data, archive ? NULL : program, NULL};
    const char *const args[] = {"--print", "tasks.jsonl",
                                archive ? "shardmill-worker/bin/shardmill" : "shardmill", NULL};
    return sm_dataproc_job_submit(&run->job,
                                  &(sm_dataproc_job_spec){.cluster = run->cluster.entry.cluster,
                                                          .main = (const char *)run->driver.data,
                                                          .files = files,
                                                          .archive = archive ? archive_url : NULL,
                                                          .args = args,
                                                          .conf = o->conf,
                                                          .conf_count = o->conf_count});
}

static sm_status follow(dataproc_run *run)
{
    sm_status status = SM_OK;
    while (status == SM_OK && !run->job.ended) {
        if (!sm_pause(LOOK_MS * NS_PER_MS)) return sm_fail(SM_ERR_CANCELLED, "stopped on request");
        status = tick(run);
        if (status == SM_OK) status = sm_dataproc_job_look(&run->job, run->tasks);
    }
    return status == SM_OK ? sm_dataproc_job_outcome(&run->job) : status;
}

/* Clears away; of several errors the first is told. */
static sm_status clear_away(dataproc_run *run, sm_status status)
{
    char line[SM_ERROR_MAX];
    snprintf(line, sizeof line, "%s", sm_last_error());
    sm_status cleared = SM_OK;
    /* The job of a cluster that is deleted ends with it. */
    if (!run->options->create || run->options->keep) cleared = sm_dataproc_job_cancel(&run->job);
    if (run->lines.len > 0) sm_io_remove((const char *)run->lines.data);
    run->doing = "deleting the cluster";
    if (run->cluster.made && !run->options->keep) say_how_far(run);
    const uint64_t begin_ns = sm_clock_ns();
    const sm_status ended = sm_cluster_end(&run->cluster);
    run->waited_ns += sm_clock_ns() - begin_ns;
    if (ended == SM_ERR_CANCELLED)
        say(run,
            "the cluster's deletion was asked for, and not waited for: 'shardmill dataproc gc' "
            "tells whether it is gone");
    else if (ended != SM_OK)
        cleared = sm_fail_prefix(ended,
                                 "the cluster '%s' may still be there ('shardmill dataproc "
                                 "gc' deletes it)",
                                 run->cluster.entry.cluster);
    return status == SM_OK ? cleared : sm_fail(status, "%s", line);
}

static sm_status work(dataproc_run *run)
{
    run->doing = run->options->create ? "creating the cluster" : "looking at the cluster";
    sm_status status = sm_price_cluster(&run->price, run->options);
    if (status == SM_OK && run->options->max_cost > 0 && isnan(run->price.hour))
        status = sm_fail(SM_ERR_USAGE, "the list of prices does not have these machines: without "
                                       "a price there is no --max-cost (see --prices)");
    if (status == SM_OK) status = stage(run);
    if (status == SM_OK && run->options->create && !isnan(run->price.hour))
        say(run, "such a cluster costs about $%.3f an hour (list prices of %s)", run->price.hour,
            run->price.date);
    const uint64_t begin_ns = sm_clock_ns();
    if (status == SM_OK)
        status = sm_cluster_begin(&run->cluster, &run->service, run->options, tick, run);
    run->waited_ns += sm_clock_ns() - begin_ns;
    run->doing = "running on the cluster";
    if (status == SM_OK) say_how_far(run);
    if (status == SM_OK) status = submit(run);
    return status == SM_OK ? follow(run) : status;
}

/* ---- What Cloud Monitoring saw */

static void tell_machine(const dataproc_run *run, const char *name, json_t *rows)
{
    json_t *line =
        json_pack("{s:s, s:s, s:O}", "kind", "monitoring", "instance", name, "over_time", rows);
    char *text = json_dumps(line, JSON_COMPACT);
    if (text != NULL) run->options->on_machine(run->options->user, text);
    free(text);
    json_decref(line);
}

/* A supplement: that it cannot be had is no error. */
static void tell_machines(const dataproc_run *run)
{
    const char *name;
    json_t *machines = NULL, *rows;
    if (run->options->on_machine == NULL) return;
    const sm_monitored what = {.project = run->options->project,
                               .cluster = run->cluster.entry.cluster,
                               .from = run->begun,
                               .to = (int64_t)time(NULL)};
    if (sm_monitoring_read(&machines, &run->service, &what) != SM_OK)
        say(run, "without Cloud Monitoring's view of the machines: %s", sm_last_error());
    json_object_foreach(machines, name, rows) tell_machine(run, name, rows);
    json_decref(machines);
}

static sm_engine_usage usage_of(const dataproc_run *run, bool made)
{
    const uint64_t there_ns = made ? sm_clock_ns() - run->cluster.since_ns : 0;
    return (sm_engine_usage){.waited_s = (double)run->waited_ns / (double)NS_PER_S,
                             .billed_s = (double)there_ns / (double)NS_PER_S,
                             .cost = made ? cost_so_far(run) : 0};
}

static sm_status run_dataproc(sm_engine *engine, const sm_tasks *tasks)
{
    const dataproc_engine *self = (const dataproc_engine *)engine;
    dataproc_run run = {.options = &self->options,
                        .tasks = tasks,
                        .begun = (int64_t)time(NULL),
                        .cluster = {.service = &run.service,
                                    .options = &self->options,
                                    .entry.lock = -1,
                                    .since_ns = sm_clock_ns()}};
    sm_google_want_cloud_platform();
    sm_status status = sm_dataproc_init(&run.service, self->options.project, self->options.region);
    if (status == SM_OK) status = sm_dataproc_job_init(&run.job, &run.service);
    if (status == SM_OK) {
        status = work(&run);
        const bool made = run.cluster.made;
        status = clear_away(&run, status);
        engine->usage = usage_of(&run, made);
        if (status == SM_OK) tell_machines(&run);
    }
    sm_dataproc_job_free(&run.job);
    sm_buf_free(&run.driver);
    sm_buf_free(&run.program);
    sm_buf_free(&run.lines);
    sm_dataproc_free(&run.service);
    return status;
}

static void free_dataproc(sm_engine *engine)
{
    free(engine);
}

/* ---- The options */

SM_API void sm_dataproc_options_init(sm_dataproc_options *options)
{
    *options = (sm_dataproc_options){.machine_type = "e2-standard-4",
                                     .workers = 2,
                                     .max_idle_s = 30 * 60,
                                     .max_age_s = 8 * 3600};
}

/* As the service wants it: lower-case letters, digits and '-', a letter first, at most 51. */
static bool is_cluster_name(const char *name)
{
    const size_t len = strlen(name);
    return len > 0 && len <= 51 && name[0] >= 'a' && name[0] <= 'z' && name[len - 1] != '-' &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static sm_status check(const sm_dataproc_options *o)
{
    if (o->project == NULL || o->region == NULL)
        return sm_fail(SM_ERR_USAGE, "--engine dataproc needs --project and --region");
    if (o->staging == NULL || strncmp(o->staging, "gs://", 5) != 0)
        return sm_fail(SM_ERR_USAGE, "--engine dataproc needs a bucket to stage files in: "
                                     "--staging gs://BUCKET, or a DST in one");
    if (o->cluster == NULL && !o->create)
        return sm_fail(SM_ERR_USAGE, "--engine dataproc needs --cluster NAME, or --create");
    if (o->cluster != NULL && !is_cluster_name(o->cluster))
        return sm_fail(SM_ERR_USAGE, "'%s' is no cluster's name: at most 51 of a-z, 0-9 and '-'",
                       o->cluster);
    if (o->create && o->workers == 1)
        return sm_fail(SM_ERR_USAGE, "a cluster has no workers (one machine does all) or at least "
                                     "2: --workers");
    if (o->spot > 0 && (!o->create || o->workers == 0))
        return sm_fail(SM_ERR_USAGE, "--spot machines stand beside the workers of a cluster that "
                                     "--create makes: --workers 2 or more");
    if (o->create && (o->max_age_s < MIN_AGE_S || o->max_idle_s < MIN_AGE_S))
        return sm_fail(SM_ERR_USAGE, "--max-age and --max-idle are at least %d seconds", MIN_AGE_S);
    if (o->keep && !o->create) return sm_fail(SM_ERR_USAGE, "--keep goes with --create");
    return SM_OK;
}

SM_API sm_status sm_engine_dataproc(sm_engine **engine, const sm_dataproc_options *options)
{
    sm_status status = check(options);
    if (status != SM_OK) return status;
    dataproc_engine *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    made->engine = (sm_engine){.name = "dataproc", .run = run_dataproc, .free = free_dataproc};
    made->options = *options;
    *engine = &made->engine;
    return SM_OK;
}
