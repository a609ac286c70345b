/* What came of a job on one cluster, from the files that it left. */
#include "job.h"

#include "commands.h"
#include "nodes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINE_BYTES = 4 << 20 };

typedef struct outcome {
    double seconds, waited_s, billed_s, cost; /* cost NAN: from the space's price */
    double images, bytes;
    bool is_priced; /* by the engine */
    char error[600];
} outcome;

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void set_number(json_t *row, const char *key, double value)
{
    json_object_set_new(row, key, isfinite(value) ? json_real(value) : json_null());
}

static void set_time(json_t *row, const char *key, double seconds)
{
    char text[32] = "";
    const time_t whole = (time_t)seconds;
    struct tm tm;
    if (gmtime_r(&whole, &tm) != NULL) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    json_object_set_new(row, key, json_string(text));
}

/* Calls fn with each line of a file that is a JSON object. */
static void each_object(const char *folder, const char *name, void (*fn)(void *, const json_t *),
                        void *user)
{
    char path[8192];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    char *line = malloc(LINE_BYTES);
    while (file != NULL && line != NULL && fgets(line, LINE_BYTES, file) != NULL) {
        json_t *object = json_loads(line, 0, NULL);
        if (json_is_object(object)) fn(user, object);
        json_decref(object);
    }
    free(line);
    if (file != NULL) fclose(file);
}

/* ---- What the engine and its machines said */

typedef struct engine_said {
    outcome *o;
    node_set *nodes;
    json_t *monitored; /* machines, as Cloud Monitoring saw them */
    double started;
} engine_said;

/* A machine with its rows in the units of the others: seconds since the start, a share, MB/s. */
static json_t *take_monitored(const json_t *line, double started)
{
    json_t *rows = json_array();
    size_t i, k;
    const json_t *from, *value;
    json_array_foreach(json_object_get(line, "over_time"), i, from)
    {
        json_t *row = json_array();
        json_array_foreach(from, k, value)
        {
            const double number = json_number_value(value);
            json_array_append_new(row, !json_is_number(value) ? json_null()
                                       : k == 0               ? json_real(number - started)
                                       : k == 1               ? json_real(number)
                                                              : json_real(number / 1e6));
        }
        json_array_append_new(rows, row);
    }
    return json_pack("{s:O?, s:o}", "instance", json_object_get(line, "instance"), "over_time",
                     rows);
}

static void take_metrics(void *user, const json_t *line)
{
    engine_said *said = user;
    const char *kind = json_string_value(json_object_get(line, "kind"));
    if (kind == NULL) return;
    if (strcmp(kind, "node") == 0) nodes_add(said->nodes, line);
    if (strcmp(kind, "monitoring") == 0)
        json_array_append_new(said->monitored, take_monitored(line, said->started));
    if (strcmp(kind, "run") != 0) return;
    said->o->waited_s += number(line, "waited_s");
    said->o->billed_s += number(line, "billed_s");
    said->o->is_priced = said->o->billed_s > 0;
    const json_t *cost = json_object_get(line, "cost");
    said->o->cost = json_is_number(cost) ? said->o->cost + json_number_value(cost) : NAN;
}

/* ---- What the job said */

static void take_summary(void *user, const json_t *line)
{
    outcome *o = user;
    o->images = number(line, "images_in");
    o->bytes = number(line, "bytes_in");
    o->seconds = number(line, "seconds");
}

/* measure: a group of members that read together counts as one; the fastest setting is told. */
typedef struct trials {
    double first_s, last_s;         /* of all */
    double images, bytes, longest;  /* of the present group */
    double best_images, best_bytes; /* a second */
    uint64_t good;
} trials;

static void end_group(trials *t)
{
    if (t->longest > 0 && t->images / t->longest > t->best_images) {
        t->best_images = t->images / t->longest;
        t->best_bytes = t->bytes / t->longest;
    }
    t->images = t->bytes = t->longest = 0;
}

static void take_trial(void *user, const json_t *line)
{
    trials *t = user;
    const char *kind = json_string_value(json_object_get(line, "kind"));
    if (kind == NULL || strcmp(kind, "trial") != 0 || json_object_get(line, "error") != NULL)
        return;
    if (number(line, "member") <= 0) end_group(t);
    t->images += number(line, "images");
    t->bytes += number(line, "bytes");
    t->longest = fmax(t->longest, number(line, "seconds"));
    t->first_s = t->good == 0 ? number(line, "start_s") : fmin(t->first_s, number(line, "start_s"));
    t->last_s = fmax(t->last_s, number(line, "end_s"));
    t->good++;
}

/* ---- Why it failed */

static void take_error(void *user, const char *line)
{
    char *error = user;
    const size_t len = strcspn(line, "\r\n");
    json_t *event = json_loadb(line, len, 0, NULL);
    const char *word = json_string_value(json_object_get(event, "event"));
    const char *message = json_string_value(json_object_get(event, "message"));
    if (word != NULL && strcmp(word, "error") == 0 && message != NULL)
        snprintf(error, sizeof((outcome *)0)->error, "%s", message);
    else if (!json_is_object(event) && len > 0)
        snprintf(error, sizeof((outcome *)0)->error, "%.*s", (int)(len < 500 ? len : 500), line);
    json_decref(event);
}

/* The last thing that the log says which is no progress. */
static void find_error(outcome *o, const char *folder, const job_end *end)
{
    char path[8192], line[4096];
    snprintf(o->error, sizeof o->error, "it ended with code %d", end->code);
    snprintf(path, sizeof path, "%s/log", folder);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) take_error(o->error, line);
    if (file != NULL) fclose(file);
    if (strcmp(end->failed, "up") == 0) {
        char said[sizeof o->error];
        memcpy(said, o->error, sizeof said);
        snprintf(o->error, sizeof o->error, "--up gave no cluster: %.500s",
                 end->code == 0 ? "it printed no master" : said);
    }
}

/* ---- The row */

static json_t *describe_cluster(const sm_candidate *c)
{
    char name[JOB_NAME_MAX];
    job_name(name, c);
    json_t *row =
        json_pack("{s:s, s:s, s:s, s:s, s:s}", "schema", "shardmill.sweep/1", "kind",
                  "configuration", "name", name, "instance", c->instance, "family", c->family);
    set_number(row, "nodes", c->nodes);
    set_number(row, "vcpus", c->vcpus);
    set_number(row, "memory_gb", c->memory_gb);
    set_number(row, "price", c->price);
    return row;
}

static void read_job(outcome *o, const cluster_job *j, const char *folder)
{
    trials t = {0};
    if (j->cmd == &pack_command) {
        each_object(folder, "summary.json", take_summary, o);
        o->seconds -= o->waited_s;
        return;
    }
    each_object(folder, "measure.jsonl", take_trial, &t);
    end_group(&t);
    o->seconds = t.last_s - t.first_s;
    o->images = t.best_images * o->seconds;
    o->bytes = t.best_bytes * o->seconds;
}

json_t *job_describe(const cluster_job *j, const sm_candidate *c, const char *folder,
                     const job_end *end)
{
    node_set nodes = {0};
    outcome o = {0};
    engine_said said = {
        .o = &o, .nodes = &nodes, .monitored = json_array(), .started = end->started};
    json_t *row = describe_cluster(c);
    each_object(folder, "metrics.jsonl", take_metrics, &said);
    if (end->failed != NULL) {
        find_error(&o, folder, end);
        o.seconds = fmax(end->wall_s - o.waited_s, 0);
    } else {
        read_job(&o, j, folder);
    }
    if (!o.is_priced) o.cost = o.seconds * c->nodes * c->price / 3600;
    json_object_set_new(row, "status", json_string(end->failed == NULL ? "ok" : "failed"));
    json_object_set_new(row, "exit", json_integer(end->code));
    if (end->failed != NULL) {
        json_t *text = json_string(o.error);
        json_object_set_new(row, "error", text != NULL ? text : json_string("(not UTF-8)"));
    }
    set_time(row, "started", end->started);
    set_number(row, "wall_s", end->wall_s);
    set_number(row, "seconds", o.seconds);
    set_number(row, "waited_s", o.waited_s);
    set_number(row, "billed_s", o.billed_s);
    set_number(row, "cost", o.cost);
    json_object_set_new(row, "priced_by", json_string(o.is_priced ? "engine" : "space"));
    if (end->failed == NULL) {
        set_number(row, "images_per_s", o.seconds > 0 ? o.images / o.seconds : NAN);
        set_number(row, "mb_per_s", o.seconds > 0 ? o.bytes / o.seconds / 1e6 : NAN);
    }
    nodes_describe(row, &nodes, end->started);
    if (json_array_size(said.monitored) > 0) json_object_set(row, "monitored", said.monitored);
    json_decref(said.monitored);
    nodes_free(&nodes);
    return row;
}
