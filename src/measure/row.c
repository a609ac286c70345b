/* Results and tasks as JSON. */
#include "core/json.h"
#include "core/machine.h"
#include "measure/trial.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char SCHEMA[] = "shardmill.measure/1";

/* ---- Words */

static const char *word_of(const char *const *words, int count, int i)
{
    return i >= 0 && i < count ? words[i] : NULL;
}

static const char *const formats[] = {"auto", "files", "tfrecord", "webdataset"};
static const char *const orders[] = {"sequential", "shuffled"};
static const char *const caches[] = {"cold", "warm", "direct"};
static const char *const engines[] = {"auto", "uring", "threads"};
static const char *const marks[SM_MARKS] = {
    "served-from-cache", "served-from-device", "warm-up",      "outlier", "short",
    "wrapped",           "idle-readers",       "cache-unknown"};

SM_API const char *sm_measure_format_name(int format)
{
    return word_of(formats, SM_MEASURE_FORMATS, format);
}

SM_API const char *sm_measure_order_name(int order)
{
    return word_of(orders, SM_MEASURE_ORDERS, order);
}

SM_API const char *sm_measure_cache_name(int cache)
{
    return word_of(caches, SM_MEASURE_CACHES, cache);
}

SM_API const char *sm_measure_engine_name(int engine)
{
    return word_of(engines, SM_MEASURE_ENGINES, engine);
}

SM_API const char *sm_measure_mark_name(int i)
{
    return word_of(marks, SM_MARKS, i);
}

/* ---- Rows */

static json_t *known(double value)
{
    return value < 0 ? json_null() : json_real(value);
}

static json_t *known_bytes(int64_t value)
{
    return value < 0 ? json_null() : json_integer(value);
}

static json_t *whole(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static sm_status set_marks(json_t *object, uint32_t set)
{
    json_t *list = json_array();
    for (int i = 0; list != NULL && i < SM_MARKS; i++)
        if ((set & 1u << i) != 0) json_array_append_new(list, json_string(marks[i]));
    return sm_json_set(object, "marks", list);
}

/* Any failure to set is one of memory; it is told once, at the end. */
static bool set(json_t *object, const char *key, json_t *value)
{
    return sm_json_set(object, key, value) == SM_OK;
}

static bool set_trial(json_t *o, const sm_measure_trial *t)
{
    return set(o, "trial", whole(t->index)) && set(o, "source", sm_json_text(t->source)) &&
           set(o, "format", json_string(formats[t->format])) &&
           set(o, "batch_size", whole(t->batch_size)) && set(o, "batches", whole(t->batches)) &&
           set(o, "readers", whole(t->readers)) && set(o, "read_size", whole(t->read_size)) &&
           set(o, "order", json_string(orders[t->order])) &&
           set(o, "cache", json_string(caches[t->cache])) && set(o, "repeat", whole(t->repeat)) &&
           set(o, "decode", json_boolean(t->decode)) && set(o, "step_ms", json_real(t->step_ms)) &&
           set(o, "image_size", t->decode ? whole(t->image_size) : json_null()) &&
           (t->members == 0 ||
            (set(o, "members", whole(t->members)) && set(o, "member", whole(t->member))));
}

static bool set_latency(json_t *object, const sm_measure_row *r)
{
    json_t *l = json_object();
    const bool good =
        set(l, "mean", json_real(r->latency_mean)) && set(l, "p50", json_real(r->latency_p50)) &&
        set(l, "p95", json_real(r->latency_p95)) && set(l, "p99", json_real(r->latency_p99)) &&
        set(l, "max", json_real(r->latency_max));
    return set(object, "latency_s", l) && good;
}

static bool set_outcome(json_t *o, const sm_measure_row *r)
{
    const char *engine = r->engine == SM_MEASURE_ENGINE_AUTO ? "store" : engines[r->engine];
    return set(o, "images", whole(r->images)) && set(o, "bytes", whole(r->bytes)) &&
           set(o, "rounds", json_real(r->rounds)) && set(o, "seconds", json_real(r->seconds)) &&
           set(o, "first_byte_s", known(r->first_byte_s)) &&
           set(o, "first_batch_s", known(r->first_batch_s)) && set(o, "reads", whole(r->reads)) &&
           set_latency(o, r) && set(o, "cpu_user_s", json_real(r->cpu_user_s)) &&
           set(o, "cpu_system_s", json_real(r->cpu_system_s)) &&
           set(o, "device_bytes", known_bytes(r->device_bytes)) &&
           set(o, "socket_bytes", known_bytes(r->socket_bytes)) &&
           set(o, "resident_before", known(r->resident_before)) &&
           set(o, "resident_after", known(r->resident_after)) &&
           set(o, "retries", whole(r->retries)) && set(o, "stall_s", json_real(r->stall_s)) &&
           set(o, "blocked_s", json_real(r->blocked_s)) &&
           set(o, "undecoded", whole(r->undecoded)) && set(o, "engine", json_string(engine));
}

json_t *sm_row_json(const sm_measure_row *row)
{
    json_t *o = json_object();
    bool good = set(o, "schema", json_string(SCHEMA)) && set(o, "kind", json_string("trial")) &&
                set_trial(o, &row->trial);
    if (row->status != SM_OK)
        good = good && set(o, "error", sm_json_text(row->error)) &&
               set(o, "status", json_string(sm_status_name(row->status)));
    else
        good = good && set_outcome(o, row);
    good = good && set(o, "host", sm_json_text(row->host)) &&
           set(o, "executor", *row->executor == '\0' ? json_null() : sm_json_text(row->executor)) &&
           set(o, "start_s", json_real(row->start_s)) && set(o, "end_s", json_real(row->end_s)) &&
           set_marks(o, row->marks) == SM_OK;
    if (good) return o;
    json_decref(o);
    return NULL;
}

/* ---- The run */

static json_t *source_json(const sm_measure_source *s)
{
    json_t *o = json_object();
    const bool local = *s->filesystem != '\0';
    const bool good =
        set(o, "source", sm_json_text(s->source)) &&
        set(o, "format", json_string(formats[s->format])) && set(o, "objects", whole(s->objects)) &&
        set(o, "images", known_bytes(s->images)) && set(o, "bytes", whole(s->bytes)) &&
        set(o, "filesystem", local ? sm_json_text(s->filesystem) : json_null()) &&
        set(o, "mount", local ? sm_json_text(s->mount) : json_null());
    if (good) return o;
    json_decref(o);
    return NULL;
}

/* What the machine has, and what the control groups leave of it (null: all). */
static bool set_machine(json_t *o)
{
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    const uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    const uint32_t usable = sm_machine_threads();
    const uint64_t limit = sm_machine_memory();
    json_t *group = json_object();
    const bool good = set(group, "cpus", usable < (uint32_t)cpus ? whole(usable) : json_null()) &&
                      set(group, "memory", limit < memory ? whole(limit) : json_null());
    return set(o, "cpus", json_integer(cpus)) && set(o, "memory", whole(memory)) &&
           set(o, "cgroup", group) && good;
}

json_t *sm_run_json(const sm_measure_result *result, const sm_measure_options *options)
{
    char host[65] = "";
    if (gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
    json_t *o = json_object(), *list = json_array();
    for (size_t i = 0; i < result->source_count; i++)
        json_array_append_new(list, source_json(&result->sources[i]));
    const bool good =
        set(o, "schema", json_string(SCHEMA)) && set(o, "kind", json_string("run")) &&
        set(o, "version", json_string(sm_version())) &&
        set(o, "started", json_string(result->started)) && set(o, "host", sm_json_text(host)) &&
        set(o, "seed", whole(options->seed)) &&
        set(o, "command",
            options->command == NULL ? json_null() : sm_json_text(options->command)) &&
        set_machine(o) && set(o, "planned", whole(result->planned));
    if (set(o, "sources", list) && good) return o;
    json_decref(o);
    return NULL;
}

/* ---- Tasks */

static sm_status get_number(uint64_t *value, const json_t *task, const char *key, uint64_t least,
                            uint64_t most)
{
    sm_status status = sm_json_get_u64(value, task, key);
    if (status == SM_OK && (*value < least || *value > most))
        status = sm_fail(SM_ERR_CORRUPT, "'%s' is out of its range", key);
    return status;
}

static sm_status get_u32(uint32_t *value, const json_t *task, const char *key, uint32_t least,
                         uint32_t most)
{
    uint64_t number = 0;
    sm_status status = get_number(&number, task, key, least, most);
    if (status == SM_OK) *value = (uint32_t)number;
    return status;
}

/* A word; what is not there keeps its value. */
static sm_status get_word(int *value, const json_t *task, const char *key, const char *const *words,
                          int count)
{
    const json_t *found = json_object_get(task, key);
    const char *text = json_string_value(found);
    if (found == NULL) return SM_OK;
    for (int i = 0; text != NULL && i < count; i++)
        if (strcmp(text, words[i]) == 0) {
            *value = i;
            return SM_OK;
        }
    return sm_fail(SM_ERR_CORRUPT, "'%s' is no word that is known there", key);
}

static sm_status get_real(double *value, const json_t *task, const char *key, double most)
{
    const json_t *found = json_object_get(task, key);
    if (found == NULL || json_is_null(found)) return SM_OK;
    const double number = json_number_value(found);
    if (!json_is_number(found) || !(number >= 0 && number <= most))
        return sm_fail(SM_ERR_CORRUPT, "'%s' is no number from 0 on", key);
    *value = number;
    return SM_OK;
}

sm_status sm_trial_of_json(sm_measure_trial *trial, double *started_s, const json_t *task)
{
    enum { MOST = 1 << 20, SIDE_MAX = 16384 };
    const double latest = 1e12; /* of times */
    double started = sm_wall_clock();
    sm_measure_trial t = {.source = json_string_value(json_object_get(task, "source")),
                          .one_round = json_is_true(json_object_get(task, "one_round")),
                          .decode = json_is_true(json_object_get(task, "decode")),
                          .image_size = 224};
    int format = SM_MEASURE_AUTO, order = SM_MEASURE_SHUFFLED, cache = SM_MEASURE_COLD;
    int engine = SM_MEASURE_ENGINE_AUTO;
    if (t.source == NULL) return sm_fail(SM_ERR_CORRUPT, "there is no 'source'");
    sm_status status = get_u32(&t.batch_size, task, "batch_size", 1, MOST);
    if (status == SM_OK) status = get_u32(&t.batches, task, "batches", 1, UINT32_MAX);
    if (status == SM_OK) status = get_u32(&t.readers, task, "readers", 1, SM_MEASURE_READERS_MAX);
    if (status == SM_OK) status = get_number(&t.read_size, task, "read_size", 0, 1u << 30);
    if (status == SM_OK) status = get_u32(&t.repeat, task, "repeat", 0, MOST);
    if (status == SM_OK) status = get_u32(&t.index, task, "trial", 0, UINT32_MAX);
    if (status == SM_OK) status = get_number(&t.seed, task, "seed", 0, INT64_MAX);
    if (status == SM_OK) status = get_real(&t.seconds, task, "limit_s", 1e9);
    if (status == SM_OK) status = get_real(&t.step_ms, task, "step_ms", 1e9);
    if (status == SM_OK) status = get_real(&started, task, "started", latest);
    if (status == SM_OK) status = get_real(&t.start_at, task, "start_at", latest);
    if (status == SM_OK && json_object_get(task, "members") != NULL)
        status = get_u32(&t.members, task, "members", 1, MOST);
    if (status == SM_OK && t.members > 0)
        status = get_u32(&t.member, task, "member", 0, t.members - 1);
    if (status == SM_OK && t.decode)
        status = get_u32(&t.image_size, task, "image_size", 1, SIDE_MAX);
    if (status == SM_OK) status = get_word(&format, task, "format", formats, SM_MEASURE_FORMATS);
    if (status == SM_OK) status = get_word(&order, task, "order", orders, SM_MEASURE_ORDERS);
    if (status == SM_OK) status = get_word(&cache, task, "cache", caches, SM_MEASURE_CACHES);
    if (status == SM_OK) status = get_word(&engine, task, "io", engines, SM_MEASURE_ENGINES);
    t.format = (sm_measure_format)format;
    t.order = (sm_measure_order)order;
    t.cache = (sm_measure_cache)cache;
    t.engine = (sm_measure_engine)engine;
    if (status != SM_OK) return status;
    *trial = t;
    *started_s = started;
    return SM_OK;
}

sm_status sm_trial_json(json_t *task, const sm_measure_trial *trial, const char *source,
                        double started_s)
{
    sm_measure_trial real = *trial;
    real.source = source;
    const bool good = set_trial(task, &real) && set(task, "seed", whole(trial->seed)) &&
                      set(task, "limit_s", json_real(trial->seconds)) &&
                      set(task, "one_round", json_boolean(trial->one_round)) &&
                      set(task, "io", json_string(engines[trial->engine])) &&
                      set(task, "started", json_real(started_s));
    return good ? SM_OK : SM_ERR_MEMORY;
}

/* ---- Rows that come back: from outside, so that what has no sense becomes nothing. */

static double real_of(const json_t *object, const char *key)
{
    const json_t *found = json_object_get(object, key);
    return json_is_number(found) && json_number_value(found) >= 0 ? json_number_value(found) : -1;
}

static double sum_of(const json_t *object, const char *key)
{
    const double value = real_of(object, key);
    return value < 0 ? 0 : value;
}

static uint64_t count_of(const json_t *object, const char *key)
{
    const json_int_t value = json_integer_value(json_object_get(object, key));
    return value < 0 ? 0 : (uint64_t)value;
}

static int64_t bytes_of(const json_t *object, const char *key)
{
    const json_t *found = json_object_get(object, key);
    return json_is_integer(found) ? json_integer_value(found) : -1;
}

static void copy_text(char *text, size_t cap, const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    snprintf(text, cap, "%.*s", (int)cap - 1, value == NULL ? "" : value);
}

static uint32_t marks_of(const json_t *object)
{
    uint32_t found = 0;
    size_t i;
    json_t *mark;
    json_array_foreach(json_object_get(object, "marks"), i, mark)
    {
        const char *word = json_string_value(mark);
        for (int bit = 0; word != NULL && bit < SM_MARKS; bit++)
            if (strcmp(word, marks[bit]) == 0) found |= 1u << bit;
    }
    return found;
}

static sm_measure_engine engine_of(const json_t *object)
{
    int engine = SM_MEASURE_ENGINE_AUTO; /* "store", and what is not known */
    (void)get_word(&engine, object, "engine", engines, SM_MEASURE_ENGINES);
    return (sm_measure_engine)engine;
}

static void read_outcome(sm_measure_row *r, const json_t *o)
{
    const json_t *latency = json_object_get(o, "latency_s");
    r->images = count_of(o, "images");
    r->bytes = count_of(o, "bytes");
    r->rounds = sum_of(o, "rounds");
    r->seconds = sum_of(o, "seconds");
    r->first_byte_s = real_of(o, "first_byte_s");
    r->first_batch_s = real_of(o, "first_batch_s");
    r->reads = count_of(o, "reads");
    r->latency_mean = sum_of(latency, "mean");
    r->latency_p50 = sum_of(latency, "p50");
    r->latency_p95 = sum_of(latency, "p95");
    r->latency_p99 = sum_of(latency, "p99");
    r->latency_max = sum_of(latency, "max");
    r->cpu_user_s = sum_of(o, "cpu_user_s");
    r->cpu_system_s = sum_of(o, "cpu_system_s");
    r->device_bytes = bytes_of(o, "device_bytes");
    r->socket_bytes = bytes_of(o, "socket_bytes");
    r->resident_before = real_of(o, "resident_before");
    r->resident_after = real_of(o, "resident_after");
    r->retries = count_of(o, "retries");
    r->stall_s = sum_of(o, "stall_s");
    r->blocked_s = sum_of(o, "blocked_s");
    r->undecoded = count_of(o, "undecoded");
    r->engine = engine_of(o);
}

sm_status sm_row_of_json(sm_measure_row *row, const json_t *object)
{
    const char *schema = json_string_value(json_object_get(object, "schema"));
    if (schema == NULL || strcmp(schema, SCHEMA) != 0)
        return sm_fail(SM_ERR_FORMAT, "what a worker sent is no row of \"%s\"", SCHEMA);
    sm_measure_row read = {.trial = row->trial};
    copy_text(read.host, sizeof read.host, object, "host");
    copy_text(read.executor, sizeof read.executor, object, "executor");
    copy_text(read.error, sizeof read.error, object, "error");
    read.status = *read.error == '\0' ? SM_OK : SM_ERR_IO;
    for (int i = SM_OK; *read.error != '\0' && i <= SM_ERR_INTERNAL; i++) {
        const char *word = json_string_value(json_object_get(object, "status"));
        if (word != NULL && strcmp(word, sm_status_name((sm_status)i)) == 0 && i != SM_OK)
            read.status = (sm_status)i;
    }
    read.marks = marks_of(object);
    read.start_s = sum_of(object, "start_s");
    read.end_s = sum_of(object, "end_s");
    read_outcome(&read, object);
    *row = read;
    return SM_OK;
}
