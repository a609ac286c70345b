#include "analyse/table.h"

#include "core/array.h"
#include "io/io.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA "shardmill.measure/1"

enum { FILE_LIMIT = 512 << 20, LINE_LIMIT = 1 << 20, TEXTS_MAX = 20000 };

static const double most = 9007199254740992.0; /* 2^53: whole numbers up to here are exact */

typedef struct reading {
    sm_results *table;
    const char *path;
    size_t file, line;
    const json_t *row;
} reading;

static sm_status bad(const reading *r, const char *what, const char *key)
{
    return sm_fail(SM_ERR_CORRUPT, "'%s' line %zu: %s '%s'", r->path, r->line, what, key);
}

/* ---- Fields */

/* The same pointer for the same text. */
static sm_status intern(const char **text, sm_results *table, const char *value)
{
    if (json_object_get(table->texts, value) == NULL) {
        if (json_object_size(table->texts) >= TEXTS_MAX)
            return sm_fail(SM_ERR_LIMIT, "more than %d different names and messages", TEXTS_MAX);
        sm_status status = sm_json_set(table->texts, value, json_string_nocheck(value));
        if (status != SM_OK) return status;
    }
    *text = json_string_value(json_object_get(table->texts, value));
    return SM_OK;
}

/* A text; fallback (or NULL) where the row has none, and "" is none. */
static sm_status read_text(const reading *r, const char **text, const char *key,
                           const char *fallback, bool wanted)
{
    const json_t *value = json_object_get(r->row, key);
    const bool absent = value == NULL || json_is_null(value);
    char digits[24];
    const char *found = absent ? "" : json_string_value(value);
    if (json_is_integer(value)) { /* as an executor's number */
        snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(value));
        found = digits;
    }
    if (found == NULL) return bad(r, "not a text:", key);
    if (*found == '\0' && wanted) return bad(r, "there is no", key);
    if (*found == '\0') found = fallback;
    *text = NULL;
    return found == NULL ? SM_OK : intern(text, r->table, found);
}

static sm_status read_whole(const reading *r, uint64_t *number, const char *key, bool wanted)
{
    const json_t *value = json_object_get(r->row, key);
    *number = 0;
    if (value == NULL || json_is_null(value)) return wanted ? bad(r, "there is no", key) : SM_OK;
    json_int_t found = json_integer_value(value);
    if (!json_is_integer(value) || found < 0 || (double)found > most)
        return bad(r, "not a whole number from 0 to 2^53:", key);
    *number = (uint64_t)found;
    return SM_OK;
}

static sm_status read_number_of(const reading *r, double *number, const json_t *object,
                                const char *key)
{
    const json_t *value = json_object_get(object, key);
    *number = NAN;
    if (value == NULL || json_is_null(value)) return SM_OK;
    double found = json_number_value(value);
    if (!json_is_number(value) || !(found >= 0 && found <= most))
        return bad(r, "not a number from 0 to 2^53:", key);
    *number = found;
    return SM_OK;
}

/* Every optional number of a row. */
static sm_status read_numbers(const reading *r, sm_measured *t)
{
    const struct {
        const char *key;
        double *number;
    } numbers[] = {
        {"images", &t->images},
        {"bytes", &t->bytes},
        {"seconds", &t->seconds},
        {"reads", &t->reads},
        {"first_byte_s", &t->first_byte_s},
        {"first_batch_s", &t->first_batch_s},
        {"stall_s", &t->stall_s},
        {"step_ms", &t->step_ms},
        {"cpu_user_s", &t->cpu_user_s},
        {"cpu_system_s", &t->cpu_system_s},
        {"device_bytes", &t->device_bytes},
        {"socket_bytes", &t->socket_bytes},
        {"resident_before", &t->resident_before},
        {"resident_after", &t->resident_after},
        {"retries", &t->retries},
        {"start_s", &t->start_s},
        {"end_s", &t->end_s},
    };
    const struct {
        const char *key;
        double *number;
    } latencies[] = {
        {"mean", &t->latency_mean}, {"p50", &t->latency_p50}, {"p95", &t->latency_p95},
        {"p99", &t->latency_p99},   {"max", &t->latency_max},
    };
    sm_status status = SM_OK;
    for (size_t i = 0; status == SM_OK && i < sizeof numbers / sizeof *numbers; i++)
        status = read_number_of(r, numbers[i].number, r->row, numbers[i].key);
    const json_t *latency = json_object_get(r->row, "latency_s");
    for (size_t i = 0; status == SM_OK && i < sizeof latencies / sizeof *latencies; i++)
        status = read_number_of(r, latencies[i].number, latency, latencies[i].key);
    return status;
}

static sm_status read_marks(const reading *r, sm_measured *t)
{
    const json_t *marks = json_object_get(r->row, "marks");
    if (marks != NULL && !json_is_null(marks) && !json_is_array(marks))
        return bad(r, "not a list:", "marks");
    size_t count = json_array_size(marks);
    if (count > SM_MARKS_MAX) return bad(r, "too many of", "marks");
    for (size_t i = 0; i < count; i++) {
        const char *mark = json_string_value(json_array_get(marks, i));
        if (mark == NULL) return bad(r, "not a list of texts:", "marks");
        sm_status status = intern(&t->marks[t->mark_count], r->table, mark);
        if (status != SM_OK) return status;
        t->mark_count++;
    }
    return SM_OK;
}

/* ---- Rows */

static const struct {
    const char *mark;
    sm_left_out why;
} excluding[] = {{"served-from-cache", SM_LEFT_CACHE},
                 {"warm-up", SM_LEFT_WARM_UP},
                 {"outlier", SM_LEFT_OUTLIER}};

static sm_left_out judge(const sm_measured *t)
{
    if (t->error != NULL) return SM_LEFT_FAILED;
    for (size_t e = 0; e < sizeof excluding / sizeof *excluding; e++)
        for (size_t i = 0; i < t->mark_count; i++)
            if (strcmp(t->marks[i], excluding[e].mark) == 0) return excluding[e].why;
    return SM_COUNTS;
}

/* What every number that follows rests on. */
static sm_status check_trial(const reading *r, const sm_measured *t)
{
    if (t->error != NULL) return SM_OK;
    if (isnan(t->images)) return bad(r, "there is no", "images");
    if (isnan(t->bytes)) return bad(r, "there is no", "bytes");
    if (isnan(t->seconds)) return bad(r, "there is no", "seconds");
    if (t->seconds < 1e-9) return bad(r, "no time passed by", "seconds");
    if (t->batch_size == 0) return bad(r, "0 is no", "batch_size");
    if (t->readers == 0) return bad(r, "0 is no", "readers");
    return SM_OK;
}

static sm_status add_trial(const reading *r)
{
    sm_results *table = r->table;
    if (table->run_count == 0 || table->runs[table->run_count - 1].file != r->file)
        return sm_fail(SM_ERR_CORRUPT,
                       "'%s' line %zu: a trial before the line that tells of its run", r->path,
                       r->line);
    if (table->count >= SM_TRIALS_MAX)
        return sm_fail(SM_ERR_LIMIT, "more than %d trials", SM_TRIALS_MAX);
    sm_status status =
        sm_array_grow(&table->trials, &table->cap, table->count, sizeof(sm_measured));
    if (status != SM_OK) return status;

    sm_measured *t = &table->trials[table->count];
    *t = (sm_measured){.run = table->run_count - 1, .file = r->file, .line = r->line};
    t->decode = json_is_true(json_object_get(r->row, "decode"));
    status = read_text(r, &t->error, "error", NULL, false);
    if (status == SM_OK) status = read_text(r, &t->source, "source", NULL, true);
    if (status == SM_OK) status = read_text(r, &t->format, "format", NULL, true);
    if (status == SM_OK) status = read_text(r, &t->order, "order", "sequential", false);
    if (status == SM_OK) status = read_text(r, &t->cache, "cache", "unknown", false);
    if (status == SM_OK) status = read_text(r, &t->host, "host", NULL, false);
    if (status == SM_OK) status = read_text(r, &t->executor, "executor", NULL, false);
    if (status == SM_OK) status = read_whole(r, &t->number, "trial", false);
    if (status == SM_OK) status = read_whole(r, &t->batch_size, "batch_size", true);
    if (status == SM_OK) status = read_whole(r, &t->batches, "batches", true);
    if (status == SM_OK) status = read_whole(r, &t->readers, "readers", true);
    if (status == SM_OK) status = read_whole(r, &t->read_size, "read_size", false);
    if (status == SM_OK) status = read_whole(r, &t->repeat, "repeat", true);
    if (status == SM_OK) status = read_numbers(r, t);
    if (status == SM_OK) status = read_marks(r, t);
    if (status == SM_OK) status = check_trial(r, t);
    if (status != SM_OK) return status;
    if (isnan(t->step_ms)) t->step_ms = 0; /* a key of cells, so that it must compare */
    t->left_out = judge(t);
    table->count++;
    return SM_OK;
}

static sm_status add_run(const reading *r, json_t *row)
{
    sm_results *table = r->table;
    if (table->run_count >= SM_RUNS_MAX)
        return sm_fail(SM_ERR_LIMIT, "more than %d runs", SM_RUNS_MAX);
    sm_status status =
        sm_array_grow(&table->runs, &table->run_cap, table->run_count, sizeof(sm_run));
    if (status == SM_OK)
        table->runs[table->run_count++] = (sm_run){.header = json_incref(row), .file = r->file};
    return status;
}

static sm_status add_row(reading *r, json_t *row)
{
    const char *schema = json_string_value(json_object_get(row, "schema"));
    const char *kind = json_string_value(json_object_get(row, "kind"));
    if (schema == NULL || kind == NULL)
        return sm_fail(SM_ERR_FORMAT,
                       "'%s' line %zu: no 'schema' and 'kind': these are no results of "
                       "'shardmill measure'",
                       r->path, r->line);
    if (strcmp(schema, SCHEMA) != 0)
        return sm_fail(SM_ERR_FORMAT,
                       "'%s' line %zu: schema '%.80s' is not " SCHEMA ", which this version reads",
                       r->path, r->line, schema);
    r->row = row;
    if (strcmp(kind, "run") == 0) return add_run(r, row);
    if (strcmp(kind, "trial") == 0) return add_trial(r);
    return SM_OK; /* a kind of row that came later */
}

static sm_status read_line(reading *r, const char *text, size_t len)
{
    if (len > 0 && text[len - 1] == '\r') len--;
    if (len == 0) return SM_OK;
    if (len > LINE_LIMIT)
        return sm_fail(SM_ERR_LIMIT, "'%s' line %zu is longer than %d bytes", r->path, r->line,
                       LINE_LIMIT);
    json_error_t error;
    json_t *row = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (row == NULL)
        return sm_fail(SM_ERR_CORRUPT, "'%s' line %zu is no JSON: %s", r->path, r->line,
                       error.text);
    sm_status status = json_is_object(row) ? add_row(r, row)
                                           : sm_fail(SM_ERR_CORRUPT, "'%s' line %zu: not an object",
                                                     r->path, r->line);
    json_decref(row);
    return status;
}

static sm_status read_path(sm_results *table, size_t file)
{
    sm_buf text;
    sm_buf_init(&text, FILE_LIMIT);
    reading r = {.table = table, .path = table->files[file], .file = file};
    sm_status status = sm_io_read_file(&text, r.path, NULL);
    const char *at = (const char *)text.data;
    for (size_t left = text.len; status == SM_OK && left > 0;) {
        const char *end = memchr(at, '\n', left);
        size_t len = end == NULL ? left : (size_t)(end - at);
        r.line++;
        status = read_line(&r, at, len);
        if (end == NULL) break;
        at += len + 1;
        left -= len + 1;
    }
    sm_buf_free(&text);
    if (status == SM_OK &&
        (table->run_count == 0 || table->runs[table->run_count - 1].file != file))
        status = sm_fail(SM_ERR_FORMAT, "'%s' is empty: no results of 'shardmill measure'", r.path);
    return status;
}

sm_status sm_results_read(sm_results *table, const char *const *paths, size_t count)
{
    *table = (sm_results){.texts = json_object(), .files = calloc(count + 1, sizeof(char *))};
    if (table->texts == NULL || table->files == NULL) return sm_fail_memory(count);
    sm_status status = SM_OK;
    for (size_t i = 0; status == SM_OK && i < count; i++) {
        table->files[table->file_count++] = paths[i];
        status = read_path(table, i);
    }
    return status;
}

void sm_results_free(sm_results *table)
{
    for (size_t i = 0; i < table->run_count; i++) json_decref(table->runs[i].header);
    free(table->runs);
    free(table->trials);
    free(table->files);
    json_decref(table->texts);
    *table = (sm_results){0};
}

const char *sm_left_out_name(sm_left_out why)
{
    switch (why) {
    case SM_LEFT_FAILED: return "failed";
    case SM_LEFT_CACHE: return "served from cache";
    case SM_LEFT_WARM_UP: return "warm-up";
    case SM_LEFT_OUTLIER: return "outlier";
    case SM_COUNTS:
    case SM_LEFT_COUNT: break;
    }
    return "counts";
}

double sm_measured_rate(const sm_measured *trial)
{
    return trial->images / trial->seconds;
}

double sm_measured_bandwidth(const sm_measured *trial)
{
    return trial->bytes / trial->seconds;
}
