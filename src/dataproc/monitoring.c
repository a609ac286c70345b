#include "dataproc/monitoring.h"

#include "core/json.h"
#include "core/status.h"
#include "io/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { URL_MAX = 8192, ROWS_MAX = 600, LEAST_PERIOD_S = 60, PAGES_MAX = 64, MACHINES_MAX = 4096 };

/* In the order of a row: behind its time. Rates are bytes a second. */
static const struct {
    const char *type, *aligner;
} METRICS[] = {{"cpu/utilization", "ALIGN_MEAN"},
               {"network/received_bytes_count", "ALIGN_RATE"},
               {"network/sent_bytes_count", "ALIGN_RATE"},
               {"disk/read_bytes_count", "ALIGN_RATE"},
               {"disk/write_bytes_count", "ALIGN_RATE"}};
enum { METRIC_COUNT = sizeof METRICS / sizeof *METRICS };

/* Periods end at the end of the time that is asked for, and are counted from its beginning. */
typedef struct grid {
    int64_t end, period;
    size_t rows;
} grid;

static grid make_grid(const sm_monitored *what)
{
    const int64_t span = what->to > what->from ? what->to - what->from : 1;
    const int64_t minutes = span / ROWS_MAX / LEAST_PERIOD_S + 1;
    const int64_t period = minutes * LEAST_PERIOD_S;
    return (grid){what->to, period, (size_t)((span + period - 1) / period)};
}

/* ---- The request */

static sm_status add(sm_buf *url, const char *name, const char *value)
{
    sm_status status = sm_buf_printf(url, "&%s=", name);
    return status == SM_OK ? sm_http_append_encoded(url, value, false) : status;
}

static sm_status add_time(sm_buf *url, const char *name, int64_t seconds)
{
    char text[32] = "";
    const time_t whole = (time_t)seconds;
    struct tm tm;
    if (gmtime_r(&whole, &tm) != NULL) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return add(url, name, text);
}

/* Dataproc calls its machines CLUSTER-m, CLUSTER-w-0, CLUSTER-sw-x1y2. */
static sm_status add_filter(sm_buf *url, const char *cluster, const char *type)
{
    char filter[512];
    snprintf(filter, sizeof filter,
             "metric.type = \"compute.googleapis.com/instance/%s\" AND "
             "metric.labels.instance_name = "
             "monitoring.regex.full_match(\"%s-(m|w|sw)(-[a-z0-9]+)?\")",
             type, cluster);
    return add(url, "filter", filter);
}

static sm_status make_url(sm_buf *url, const sm_monitored *what, const grid *g, size_t metric,
                          const char *page)
{
    char period[32];
    const char *endpoint = getenv("SHARDMILL_MONITORING_ENDPOINT");
    const bool elsewhere = endpoint != NULL && *endpoint != '\0';
    snprintf(period, sizeof period, "%llds", (long long)g->period);
    sm_status status =
        sm_buf_printf(url, "%s/v3/projects/%s/timeSeries?view=FULL",
                      elsewhere ? endpoint : "https://monitoring.googleapis.com", what->project);
    if (status == SM_OK) status = add_filter(url, what->cluster, METRICS[metric].type);
    if (status == SM_OK)
        status = add_time(url, "interval.startTime", g->end - (int64_t)g->rows * g->period);
    if (status == SM_OK) status = add_time(url, "interval.endTime", g->end);
    if (status == SM_OK) status = add(url, "aggregation.alignmentPeriod", period);
    if (status == SM_OK) status = add(url, "aggregation.perSeriesAligner", METRICS[metric].aligner);
    if (status == SM_OK) status = add(url, "aggregation.crossSeriesReducer", "REDUCE_SUM");
    if (status == SM_OK)
        status = add(url, "aggregation.groupByFields", "metric.labels.instance_name");
    return status == SM_OK && *page != '\0' ? add(url, "pageToken", page) : status;
}

/* ---- The answer */

/* "2026-08-20T04:22:00.5Z"; -1 for what is none. */
static int64_t read_time(const char *text)
{
    struct tm tm = {0};
    const char *end = text == NULL ? NULL : strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    return end == NULL ? -1 : (int64_t)timegm(&tm);
}

/* The rows of a machine, with nothing in them when it is new; borrowed. NULL: no room. */
static json_t *rows_of(json_t *machines, const char *name, const grid *g)
{
    json_t *rows = json_object_get(machines, name);
    if (rows != NULL || json_object_size(machines) >= MACHINES_MAX) return rows;
    rows = json_array();
    for (size_t i = 0; i < g->rows; i++) {
        json_t *row =
            json_pack("[I]", (json_int_t)(g->end - (int64_t)(g->rows - 1 - i) * g->period));
        for (size_t k = 0; k < METRIC_COUNT; k++) json_array_append_new(row, json_null());
        json_array_append_new(rows, row);
    }
    return json_object_set_new(machines, name, rows) == 0 ? rows : NULL;
}

static void take_point(json_t *rows, const json_t *point, const grid *g, size_t metric)
{
    const int64_t end =
        read_time(sm_dataproc_text(json_object_get(point, "interval"), "endTime", NULL));
    const json_t *value = json_object_get(json_object_get(point, "value"), "doubleValue");
    const int64_t ago = (g->end - end + g->period / 2) / g->period;
    if (!json_is_number(value) || end < 0 || end > g->end || ago >= (int64_t)g->rows) return;
    json_t *row = json_array_get(rows, g->rows - 1 - (size_t)ago);
    json_array_set_new(row, 1 + metric, json_real(json_number_value(value)));
}

static void take_page(json_t *machines, const json_t *page, const grid *g, size_t metric)
{
    size_t i, k;
    const json_t *series, *point;
    json_array_foreach(json_object_get(page, "timeSeries"), i, series)
    {
        const json_t *labels = json_object_get(json_object_get(series, "metric"), "labels");
        const char *name = sm_dataproc_text(labels, "instance_name", NULL);
        json_t *rows = name == NULL ? NULL : rows_of(machines, name, g);
        json_array_foreach(json_object_get(series, "points"), k, point)
            take_point(rows, point, g, metric);
    }
}

static sm_status read_metric(json_t *machines, const sm_dataproc *service, const sm_monitored *what,
                             const grid *g, size_t metric)
{
    char token[1024] = "";
    sm_status status = SM_OK;
    bool more = true;
    for (int pages = 0; status == SM_OK && more && pages < PAGES_MAX; pages++) {
        sm_buf url;
        json_t *page = NULL;
        sm_buf_init(&url, URL_MAX);
        status = make_url(&url, what, g, metric, token);
        if (status == SM_OK)
            status =
                sm_dataproc_ask(&page, service,
                                &(sm_dataproc_call){.method = "GET",
                                                    .url = (const char *)url.data,
                                                    .once = true,
                                                    .what = "read Cloud Monitoring's series of",
                                                    .subject = what->cluster,
                                                    .permission = "monitoring.timeSeries.list"});
        if (status == SM_OK) take_page(machines, page, g, metric);
        const char *next = sm_dataproc_text(page, "nextPageToken", NULL);
        more = next != NULL && *next != '\0' && strlen(next) < sizeof token;
        if (more) snprintf(token, sizeof token, "%s", next);
        json_decref(page);
        sm_buf_free(&url);
    }
    return status;
}

static bool is_empty(const json_t *row)
{
    for (size_t k = 1; k <= METRIC_COUNT; k++)
        if (!json_is_null(json_array_get(row, k))) return false;
    return true;
}

static void drop_empty_rows(json_t *machines)
{
    const char *name;
    json_t *rows;
    json_object_foreach(machines, name, rows)
    {
        for (size_t i = json_array_size(rows); i > 0; i--)
            if (is_empty(json_array_get(rows, i - 1))) json_array_remove(rows, i - 1);
    }
}

sm_status sm_monitoring_read(json_t **machines, const sm_dataproc *service,
                             const sm_monitored *what)
{
    const grid g = make_grid(what);
    json_t *made = json_object();
    sm_status status = made == NULL ? sm_fail_memory(0) : SM_OK;
    for (size_t k = 0; status == SM_OK && k < METRIC_COUNT; k++)
        status = read_metric(made, service, what, &g, k);
    if (status == SM_OK) {
        drop_empty_rows(made);
        *machines = made;
    } else {
        json_decref(made);
    }
    return status;
}
