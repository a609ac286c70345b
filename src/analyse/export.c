/* The analysis as JSON, the trials as CSV. */
#include "analyse/analyse.h"

#include <math.h>
#include <string.h>

/* ---- JSON: null stands for what is not told. Want of memory makes NULL of what is being made, and
 * so in the end of the whole. */

/* Puts value, which it takes over, at the end of *list; *list is NULL when that fails. */
static void push(json_t **list, json_t *value)
{
    if (*list != NULL && json_array_append_new(*list, value) == 0) return;
    if (*list == NULL) json_decref(value);
    json_decref(*list);
    *list = NULL;
}

static void set(json_t **object, const char *key, json_t *value)
{
    if (*object != NULL && json_object_set_new(*object, key, value) == 0) return;
    if (*object == NULL) json_decref(value);
    json_decref(*object);
    *object = NULL;
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *whole(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *text(const char *value)
{
    return value == NULL ? json_null() : sm_json_text(value);
}

static json_t *interval(const sm_estimate *e)
{
    return json_pack("{s:o, s:o, s:o}", "value", number(e->value), "low", number(e->low), "high",
                     number(e->high));
}

static json_t *summary_json(const sm_summary *s)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "n", whole(s->n), "mean", number(s->mean), "sd",
                     number(s->sd), "low", number(s->low), "high", number(s->high));
}

static json_t *setting(const sm_measured *t)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "source",
                     text(t->source), "format", text(t->format), "order", text(t->order), "cache",
                     text(t->cache), "batch_size", whole(t->batch_size), "batches",
                     whole(t->batches), "readers", whole(t->readers), "read_size",
                     whole(t->read_size), "decode", (int)t->decode, "step_ms", number(t->step_ms));
}

static json_t *cell_json(const sm_cell *c)
{
    return json_pack("{s:o, s:o, s:o, s:{s:o, s:o, s:o, s:o}, s:o, s:o, s:o, s:o}", "setting",
                     setting(c->first), "images_per_s", summary_json(&c->rate), "bytes_per_s",
                     summary_json(&c->bandwidth), "latency_s", "p50", number(c->p50), "p95",
                     number(c->p95), "p99", number(c->p99), "max", number(c->max), "cpu",
                     number(c->cpu), "first_batch_s", number(c->first_batch_s), "stall",
                     number(c->stall), "p_best", number(c->p_best));
}

static json_t *condition_json(const sm_analysis *a, const sm_condition *c)
{
    return json_pack("{s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "cache", text(c->like->cache),
                     "decode", (int)c->like->decode, "step_ms", number(c->like->step_ms),
                     "settings", whole(c->cells), "best", cell_json(&a->cells[c->best]), "thrifty",
                     cell_json(&a->cells[c->thrifty]), "log_sd", number(c->spread), "df",
                     number(c->df));
}

static json_t *versus_json(const sm_versus *v)
{
    return json_pack("{s:o, s:b, s:o, s:o, s:o, s:o, s:o}", "cache", text(v->like->cache), "decode",
                     (int)v->like->decode, "readers", whole(v->readers), "blocks", whole(v->blocks),
                     "files_images_per_s", number(v->files), "shards_images_per_s",
                     number(v->shards), "ratio", interval(&v->ratio));
}

static json_t *latency_json(const sm_latency *l)
{
    json_t *ceiling = l->has_ceiling ? interval(&l->ceiling) : json_null();
    json_t *requests = l->has_request_ceiling ? interval(&l->request_ceiling) : json_null();
    json_t *per_byte = l->is_line ? interval(&l->b) : json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "storage",
                     text(l->storage), "cache", text(l->cache), "order", text(l->order), "trials",
                     whole(l->trials), "seconds_a_read", interval(&l->a), "seconds_a_byte",
                     per_byte, "ceiling_bytes_per_s", ceiling, "ceiling_reads_per_s", requests,
                     "median_bytes_a_read", number(l->size), "typical_error",
                     number(l->typical_error), "cpu_at_ceiling", number(l->busy));
}

static json_t *terms_json(const sm_regression *r)
{
    json_t *terms = json_array();
    for (size_t i = 0; i < r->term_count; i++)
        if (r->terms[i].dropped != NULL)
            push(&terms, json_pack("{s:o, s:o}", "name", text(r->terms[i].name), "dropped",
                                   text(r->terms[i].dropped)));
    const sm_ols *f = &r->fit;
    for (size_t j = 0; r->fitted && j < f->k; j++)
        push(&terms, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
                               text(r->terms[r->columns[f->kept[j]]].name), "coefficient",
                               number(f->beta[j]), "se", number(f->se[j]), "t", number(f->t[j]),
                               "p", number(f->p[j]), "low", number(f->low[j]), "high",
                               number(f->high[j]), "se_hc3", number(f->hc3[j])));
    return terms;
}

static json_t *largest_cook(const sm_analysis *a, const sm_ols *f)
{
    size_t at = 0;
    for (size_t i = 1; i < f->n; i++)
        if (f->cook[i] > f->cook[at] || isnan(f->cook[at])) at = i;
    return json_pack("{s:o, s:o, s:o, s:o}", "distance", number(f->cook[at]), "leverage",
                     number(f->leverage[at]), "file", text(a->table->files[a->order[at]->file]),
                     "line", whole(a->order[at]->line));
}

static json_t *model_json(const sm_analysis *a, sm_model model)
{
    const sm_regression *r = &a->models[model];
    const sm_ols *f = &r->fit;
    json_t *o = json_pack("{s:s, s:b, s:o}", "model", sm_model_name(model), "chosen",
                          (int)model == a->chosen, "terms", terms_json(r));
    if (!r->fitted) {
        set(&o, "not_fitted", text(r->reason));
        return o;
    }
    const struct {
        const char *key;
        double value;
    } numbers[] = {
        {"df", f->df},
        {"sigma", f->sigma},
        {"r2", f->r2},
        {"adjusted_r2", f->adjusted_r2},
        {"f", f->f},
        {"f_p", f->f_p},
        {"log_likelihood", f->log_likelihood},
        {"aic", f->aic},
        {"bic", f->bic},
        {"aicc", r->aicc},
        {"skew", f->skew},
        {"kurtosis", f->kurtosis},
        {"jarque_bera", f->jarque_bera},
        {"jarque_bera_p", f->jarque_bera_p},
        {"breusch_pagan", f->breusch_pagan},
        {"breusch_pagan_p", f->breusch_pagan_p},
    };
    set(&o, "n", whole(f->n));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        set(&o, numbers[i].key, number(numbers[i].value));
    set(&o, "largest_cook", largest_cook(a, f));
    return o;
}

static json_t *left_out_json(const sm_results *table)
{
    json_t *out = json_array();
    for (size_t i = 0; i < table->count; i++) {
        const sm_measured *t = &table->trials[i];
        if (t->left_out == SM_COUNTS) continue;
        push(&out, json_pack("{s:o, s:o, s:o, s:o, s:o}", "file", text(table->files[t->file]),
                             "line", whole(t->line), "trial", whole(t->number), "why",
                             text(sm_left_out_name(t->left_out)), "error", text(t->error)));
    }
    return out;
}

static json_t *sentences(const sm_buf *words)
{
    json_t *list = json_array();
    const char *at = (const char *)words->data;
    for (size_t left = words->len; left > 0;) {
        size_t len = (size_t)((const char *)memchr(at, '\n', left) - at);
        push(&list, json_stringn(at, len));
        at += len + 1;
        left -= len + 1;
    }
    return list;
}

sm_status sm_analysis_json(sm_buf *json, const sm_analysis *a)
{
    json_t *cells = json_array(), *conditions = json_array(), *models = json_array();
    json_t *latencies = json_array(), *versus = json_array(), *overlaps = json_array();
    for (size_t i = 0; i < a->cell_count; i++) push(&cells, cell_json(&a->cells[i]));
    for (size_t i = 0; i < a->condition_count; i++)
        push(&conditions, condition_json(a, &a->conditions[i]));
    for (int m = 0; m < SM_MODEL_COUNT; m++) push(&models, model_json(a, (sm_model)m));
    for (size_t i = 0; i < a->latency_count; i++) push(&latencies, latency_json(&a->latencies[i]));
    for (size_t i = 0; i < a->versus_count; i++) push(&versus, versus_json(&a->versus[i]));
    for (size_t i = 0; i < a->overlap_count; i++)
        push(&overlaps,
             json_pack("{s:o, s:o, s:o, s:o}", "at_once", whole(i), "seconds",
                       number(a->overlaps[i].seconds), "images", number(a->overlaps[i].images),
                       "bytes", number(a->overlaps[i].bytes)));
    json_t *root = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "schema",
                             "shardmill.analysis/1", "sentences", sentences(&a->words), "trials",
                             whole(a->table->count), "used", whole(a->used), "left_out",
                             left_out_json(a->table), "cells", cells, "conditions", conditions,
                             "files_against_shards", versus, "latency", latencies, "executors",
                             overlaps, "regressions", models);
    if (root == NULL) return sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON");
    sm_status status = sm_json_append(json, root, true);
    json_decref(root);
    return status;
}

/* ---- CSV */

static sm_status csv_text(sm_buf *csv, const char *value)
{
    if (value == NULL) value = "";
    if (strpbrk(value, ",\"\r\n") == NULL) return sm_buf_append_str(csv, value);
    sm_status status = sm_buf_append_str(csv, "\"");
    for (; status == SM_OK && *value != '\0'; value++)
        status = sm_buf_append(csv, *value == '"' ? "\"\"" : value, *value == '"' ? 2 : 1);
    return status == SM_OK ? sm_buf_append_str(csv, "\"") : status;
}

static sm_status csv_marks(sm_buf *csv, const sm_measured *t)
{
    sm_buf marks;
    sm_buf_init(&marks, SIZE_MAX / 2);
    sm_status status = SM_OK;
    for (size_t i = 0; status == SM_OK && i < t->mark_count; i++)
        status = sm_buf_printf(&marks, "%s%s", i > 0 ? " " : "", t->marks[i]);
    if (status == SM_OK && t->mark_count > 0) status = csv_text(csv, (const char *)marks.data);
    sm_buf_free(&marks);
    return status;
}

static sm_status csv_row(sm_buf *csv, const sm_results *table, const sm_measured *t)
{
    const char *texts[] = {
        table->files[t->file], t->source, t->format, t->order, t->cache, t->host, t->executor};
    const uint64_t wholes[] = {t->line,    t->number,    t->batch_size, t->batches,
                               t->readers, t->read_size, t->repeat};
    const double numbers[] = {t->step_ms,      t->images,           t->bytes,
                              t->seconds,      sm_measured_rate(t), sm_measured_bandwidth(t),
                              t->reads,        t->first_byte_s,     t->first_batch_s,
                              t->stall_s,      t->latency_mean,     t->latency_p50,
                              t->latency_p95,  t->latency_p99,      t->latency_max,
                              t->cpu_user_s,   t->cpu_system_s,     t->device_bytes,
                              t->socket_bytes, t->resident_before,  t->resident_after,
                              t->retries,      t->start_s,          t->end_s};
    sm_status status = SM_OK;
    for (size_t i = 0; status == SM_OK && i < sizeof texts / sizeof *texts; i++) {
        status = csv_text(csv, texts[i]);
        if (status == SM_OK) status = sm_buf_append_str(csv, ",");
    }
    for (size_t i = 0; status == SM_OK && i < sizeof wholes / sizeof *wholes; i++)
        status = sm_buf_printf(csv, "%llu,", (unsigned long long)wholes[i]);
    if (status == SM_OK) status = sm_buf_append_str(csv, t->decode ? "true," : "false,");
    for (size_t i = 0; status == SM_OK && i < sizeof numbers / sizeof *numbers; i++)
        status = isnan(numbers[i]) ? sm_buf_append_str(csv, ",")
                                   : sm_buf_printf(csv, "%.17g,", numbers[i]);
    if (status == SM_OK) status = csv_marks(csv, t);
    if (status == SM_OK)
        status = sm_buf_printf(csv, ",%s,",
                               t->left_out == SM_COUNTS ? "" : sm_left_out_name(t->left_out));
    if (status == SM_OK) status = csv_text(csv, t->error);
    return status == SM_OK ? sm_buf_append_str(csv, "\r\n") : status;
}

sm_status sm_trials_csv(sm_buf *csv, const sm_results *table)
{
    sm_status status = sm_buf_append_str(
        csv, "file,source,format,order,cache,host,executor,line,trial,batch_size,batches,readers,"
             "read_size,repeat,decode,step_ms,images,bytes,seconds,images_per_s,bytes_per_s,reads,"
             "first_byte_s,first_batch_s,stall_s,latency_mean_s,latency_p50_s,latency_p95_s,"
             "latency_p99_s,latency_max_s,cpu_user_s,cpu_system_s,device_bytes,socket_bytes,"
             "resident_before,resident_after,retries,start_s,end_s,marks,left_out,error\r\n");
    for (size_t i = 0; status == SM_OK && i < table->count; i++)
        status = csv_row(csv, table, &table->trials[i]);
    return status;
}
