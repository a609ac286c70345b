#include "engines.h"

#include "metrics.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *engine_name(int kind)
{
    static const char *const names[] = {[ENGINE_LOCAL] = "local",
                                        [ENGINE_LINES] = "lines",
                                        [ENGINE_SPARK] = "spark",
                                        [ENGINE_DATAPROC] = "dataproc"};
    return kind >= 0 && kind < (int)(sizeof names / sizeof *names) ? names[kind] : NULL;
}

static bool read_engine(void *target, const char *text, const char **want)
{
    *want = "one of local|lines|spark|dataproc";
    for (int i = 0; engine_name(i) != NULL; i++) {
        if (strcmp(text, engine_name(i)) != 0) continue;
        *(int *)target = i;
        return true;
    }
    return false;
}

/* Adds KEY=VALUE to items. */
static bool add_pair(const char **items, size_t *count, size_t most, const char *text)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || *count == most) return false;
    items[(*count)++] = text;
    return true;
}

static bool read_conf(void *target, const char *text, const char **want)
{
    engine_call *call = target;
    *want = "KEY=VALUE, as spark-submit takes it, or one of too many";
    return add_pair(call->conf, &call->conf_count, CONF_MAX, text);
}

static bool read_label(void *target, const char *text, const char **want)
{
    engine_call *call = target;
    *want = "KEY=VALUE, or one of too many";
    return add_pair(call->labels, &call->dataproc.label_count, LABELS_MAX, text);
}

/* Opens it at once: a long run should not end with what it cannot write. */
static bool open_metrics(void *target, const char *text, const char **want)
{
    FILE *file = fopen(text, "we");
    *want = "a file that can be written";
    *(FILE **)target = file;
    return file != NULL;
}

static bool read_deploy_mode(void *target, const char *text, const char **want)
{
    *want = "one of client|cluster";
    *(const char **)target = text;
    return strcmp(text, "client") == 0 || strcmp(text, "cluster") == 0;
}

/* "90", "90s", "45m", "8h", "2d" into seconds. */
static bool read_span(void *target, const char *text, const char **want)
{
    static const struct {
        const char *unit;
        unsigned long seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    char *end;
    *want = "a time such as 30m or 8h, at most 14d";
    errno = 0;
    const unsigned long number = strtoul(text, &end, 10);
    if (errno != 0 || *text < '0' || *text > '9') return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].unit) != 0) continue;
        *(uint32_t *)target = (uint32_t)(number * units[i].seconds);
        return number <= 14ul * 86400 / units[i].seconds;
    }
    return false;
}

static bool read_dollars(void *target, const char *text, const char **want)
{
    char *end;
    *want = "an amount of US dollars such as 2.50";
    *(double *)target = strtod(text, &end);
    return *text >= '0' && *text <= '9' && *end == '\0' && *(double *)target > 0;
}

#define HEADING(text)                        \
    {                                        \
        .kind = OPTION_HEADING, .help = text \
    }
#define TEXT(n, m, v, h)                                                                          \
    {                                                                                             \
        .name = n, .kind = OPTION_TEXT, .offset = offsetof(engine_call, m), .value = v, .help = h \
    }
#define ON(n, m, h)                                                                 \
    {                                                                               \
        .name = n, .kind = OPTION_ON, .offset = offsetof(engine_call, m), .help = h \
    }
#define CUSTOM(n, o, v, f, h)                                                           \
    {                                                                                   \
        .name = n, .kind = OPTION_CUSTOM, .offset = o, .value = v, .read = f, .help = h \
    }
#define NUMBER(n, m, lo, hi, h)                                                          \
    {                                                                                    \
        .name = n, .kind = OPTION_U32, .offset = offsetof(engine_call, m), .value = "N", \
        .min = lo, .max = hi, .help = h                                                  \
    }

const option_row engine_rows[] = {
    HEADING("Where it is done"),
    CUSTOM("engine", offsetof(engine_call, kind), "local|lines|spark|dataproc", read_engine,
           "local: threads of this process; spark: a cluster's executors; dataproc: a cluster of "
           "Google Cloud's; lines: tasks on standard output, results on standard input, for xargs, "
           "queues and notebooks (see 'shardmill worker --help')"),
    CUSTOM("conf", 0, "KEY=VALUE", read_conf, "a setting of Spark's; may be given many times"),
    TEXT("worker", worker, "FILE",
         "the program for the executors, or a .tgz that holds it as bin/shardmill (this program)"),
    CUSTOM("metrics", offsetof(engine_call, metrics), "FILE", open_metrics,
           "CPU, disk, network and memory of each machine over time, as JSON Lines"),
    HEADING("With --engine spark"),
    TEXT("master", spark.master, "URL",
         "of Spark: local[2], spark://host:7077, yarn, k8s://… (spark-submit's own setting)"),
    NUMBER("executor-cores", spark.executor_cores, 1, 4096,
           "cores of an executor, all of which one task then uses (one core a task)"),
    CUSTOM("deploy-mode", offsetof(engine_call, spark.deploy_mode), "client|cluster",
           read_deploy_mode, "where Spark's driver runs: here, or in the cluster (client)"),
    HEADING("With --engine dataproc"),
    TEXT("project", dataproc.project, "ID", "that is billed"),
    TEXT("region", dataproc.region, "NAME", "of the cluster, such as europe-west1"),
    TEXT("cluster", dataproc.cluster, "NAME", "an existing one; with --create the new one's name"),
    TEXT("staging", dataproc.staging, "gs://BUCKET",
         "where program and tasks are put for the cluster (the bucket of DST)"),
    ON("create", dataproc.create,
       "make a cluster, and delete it in the end, however that comes about"),
    ON("keep", dataproc.keep, "do not delete it"),
    TEXT("machine-type", dataproc.machine_type, "TYPE", "of the workers (e2-standard-4)"),
    TEXT("master-type", dataproc.master_type, "TYPE", "of the master (as the workers)"),
    NUMBER("workers", dataproc.workers, 0, 1000, "how many; 0: one machine is all (2)"),
    NUMBER("spot", dataproc.spot, 0, 1000,
           "spot machines beside the workers: cheap, and may be taken away, when others do their "
           "tasks (0)"),
    TEXT("disk-type", dataproc.disk_type, "TYPE", "pd-standard, pd-balanced or pd-ssd"),
    NUMBER("disk-size", dataproc.disk_gb, 10, 65536, "GB of each machine's disk"),
    TEXT("image-version", dataproc.image_version, "V", "such as 2.2 (the service's own choice)"),
    CUSTOM("max-idle", offsetof(engine_call, dataproc.max_idle_s), "TIME", read_span,
           "idle so long, the cluster is deleted by the service, whatever becomes of us (30m)"),
    CUSTOM("max-age", offsetof(engine_call, dataproc.max_age_s), "TIME", read_span,
           "so old, too (8h)"),
    CUSTOM("max-cost", offsetof(engine_call, dataproc.max_cost), "DOLLARS", read_dollars,
           "give up when the cluster has cost more"),
    TEXT("prices", dataproc.prices, "FILE", "a list of prices instead of the one built in"),
    CUSTOM("label", 0, "KEY=VALUE", read_label, "on the cluster; may be given many times"),
    TEXT("service-account", dataproc.service_account, "EMAIL", "that the machines act as"),
    TEXT("subnet", dataproc.subnet, "NAME", "that the machines are in"),
    {0},
};

void engine_call_init(engine_call *call)
{
    *call = (engine_call){0};
    sm_dataproc_options_init(&call->dataproc);
}

const char *engine_call_fault(const engine_call *call)
{
    if (call->metrics != NULL && call->kind == ENGINE_LOCAL)
        return "--metrics wants an --engine: it tells what other machines do";
    return NULL;
}

static sm_status open_lines(sm_engine **engine, engine_call *call)
{
    int out = dup(STDOUT_FILENO);
    fflush(stdout);
    call->lines = out < 0 ? NULL : fdopen(out, "w");
    if (call->lines == NULL || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return SM_ERR_IO;
    signal(SIGPIPE, SIG_IGN); /* a reader that has all tasks need not wait for the last line */
    return sm_engine_lines(engine, STDIN_FILENO, out);
}

static void on_message(void *user, const char *line)
{
    const engine_call *call = user;
    screen_note(call->screen, line);
}

static void on_machine(void *user, const char *json)
{
    const engine_call *call = user;
    metrics_add(call->metrics, json);
}

static sm_status open_dataproc(sm_engine **engine, engine_call *call, const char *dst, screen *s)
{
    sm_dataproc_options *options = &call->dataproc;
    options->conf = call->conf;
    options->conf_count = call->conf_count;
    options->labels = call->labels;
    options->worker = call->worker;
    options->on_message = on_message;
    options->on_machine = call->metrics == NULL ? NULL : on_machine;
    options->user = call;
    call->screen = s;
    if (options->staging == NULL) options->staging = dst;
    return sm_engine_dataproc(engine, options);
}

/* Spark starts a barrier only where it may not take executors away meanwhile (Dataproc and YARN
 * have it do so); what the user said behind that holds. */
static void want_executors(engine_call *call)
{
    if (call->together < 2 || call->conf_count + 2 > CONF_MAX) return;
    snprintf(call->instances, sizeof call->instances, "spark.executor.instances=%u",
             call->together);
    memmove(call->conf + 2, call->conf, call->conf_count * sizeof *call->conf);
    call->conf[0] = "spark.dynamicAllocation.enabled=false";
    call->conf[1] = call->instances;
    call->conf_count += 2;
}

static sm_status make_engine(sm_engine **engine, engine_call *call, const char *dst, screen *s)
{
    call->spark.conf = call->conf;
    call->spark.conf_count = call->conf_count;
    call->spark.worker = call->worker;
    switch ((engine_kind)call->kind) {
    case ENGINE_LINES: return open_lines(engine, call);
    case ENGINE_SPARK: return sm_engine_spark(engine, &call->spark);
    case ENGINE_DATAPROC: return open_dataproc(engine, call, dst, s);
    case ENGINE_LOCAL: break;
    }
    return SM_OK;
}

sm_status open_engine(sm_engine **engine, engine_call *call, const char *dst, screen *s)
{
    *engine = NULL;
    if (call->kind == ENGINE_DATAPROC) want_executors(call);
    sm_status status = make_engine(engine, call, dst, s);
    if (status == SM_OK && *engine != NULL && call->metrics != NULL)
        status = metrics_wrap(engine, call->metrics);
    return status;
}
