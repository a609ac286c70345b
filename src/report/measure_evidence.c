/* Where the bytes came from, what was left out, who ran when. */
#include "report/chart.h"
#include "report/measure_page.h"

#include "analyse/show.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXECUTORS_MAX = 64, SPANS_MAX = 4000, LISTED_MAX = 200 };

/* ---- Executors, and how they overlap */

static size_t executor_of(const char *names[EXECUTORS_MAX], size_t *count, const char *name)
{
    size_t at = 0;
    while (at < *count && names[at] != name) at++;
    if (at == *count && *count < EXECUTORS_MAX) names[(*count)++] = name;
    return at;
}

static void put_overlaps(sm_page *p, const sm_analysis *a)
{
    static const char *const headings[] = {"#Trials at once", "#Seconds", "#Share",
                                           "#Images/s together", "#Bytes/s together"};
    char text[SM_SHOW_MAX];
    double all = 0;
    for (size_t k = 0; k < a->overlap_count; k++) all += a->overlaps[k].seconds;
    sm_table_begin(p, "Trials at once", headings, 5);
    for (size_t k = 0; k < a->overlap_count; k++) {
        const sm_overlap *o = &a->overlaps[k];
        if (!(o->seconds > 0)) continue;
        sm_putf(p, "<tr><td class=\"n\">%zu</td>", k);
        sm_cell_number(p, sm_show_seconds(text, o->seconds));
        sm_cell_number(p, sm_show_percent(text, o->seconds / all));
        sm_cell_number(p, sm_show(text, o->images / o->seconds));
        sm_cell_number(p, sm_show_bytes(text, o->bytes / o->seconds));
        sm_put(p, "</tr>\n");
    }
    sm_table_end(p);
}

static void put_concurrency(sm_page *p, const sm_analysis *a)
{
    const char *names[EXECUTORS_MAX];
    size_t rows = 0, count = 0, passed_over = 0;
    sm_span *spans = calloc(SPANS_MAX, sizeof *spans);
    if (spans == NULL) {
        if (p->status == SM_OK) p->status = sm_fail_memory(SPANS_MAX * sizeof *spans);
        return;
    }
    double first = INFINITY;
    for (size_t i = 0; i < a->table->count; i++) {
        const sm_measured *t = &a->table->trials[i];
        if (!sm_is_placed(t) || t->run != a->overlap_run) continue;
        size_t row = executor_of(names, &rows, t->executor);
        if (row >= EXECUTORS_MAX || count == SPANS_MAX) {
            passed_over++;
            continue;
        }
        unsigned colour = t->left_out != SM_COUNTS ? SM_COLOUR_OTHER
                          : sm_is_files(t)         ? SM_COLOUR_FILES
                                                   : SM_COLOUR_SHARDS;
        spans[count++] = (sm_span){row, t->start_s, t->end_s, colour};
        first = fmin(first, t->start_s);
    }
    for (size_t i = 0; i < count; i++) {
        spans[i].begin -= first;
        spans[i].end -= first;
    }
    if (count > 0) {
        sm_put(
            p,
            "<section id=\"concurrency\"><h2>Who read when</h2>\n<p class=\"note\">Trials of the "
            "executors along time: image files orange, shards blue, those that do not count "
            "grey. Clocks are the machines\u2019 own.</p>\n<figure>\n");
        sm_timeline_draw(p, "Trials of the executors along time", names, rows, spans, count);
        sm_put(p, "</figure>\n");
        put_overlaps(p, a);
        if (passed_over > 0)
            sm_putf(p, "<p class=\"note\">%zu more trials are not drawn.</p>\n", passed_over);
        sm_put(p, "</section>\n");
    }
    free(spans);
}

/* ---- Runs and sources */

static void put_value(sm_page *p, const json_t *value, sm_show_fn *show)
{
    char text[SM_SHOW_MAX];
    if (json_is_number(value))
        sm_cell_number(p, show(text, json_number_value(value)));
    else
        sm_cell_text(p, json_string_value(value));
}

static const char *show_whole(char text[SM_SHOW_MAX], double value)
{
    snprintf(text, SM_SHOW_MAX, "%.0f", value);
    return text;
}

static void put_runs(sm_page *p, const sm_analysis *a)
{
    static const char *const headings[] = {"Started", "Host",    "#CPUs",   "#Memory",
                                           "#Seed",   "Version", "Command", "cgroup"};
    static const char *const keys[] = {"started", "host",    "cpus",   "memory",
                                       "seed",    "version", "command"};
    sm_put(p, "<h3>Runs</h3>\n");
    sm_table_begin(p, "Runs", headings, 8);
    for (size_t i = 0; i < a->table->run_count && i < LISTED_MAX; i++) {
        const json_t *run = a->table->runs[i].header;
        sm_put(p, "<tr>");
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            put_value(p, json_object_get(run, keys[k]), k == 3 ? sm_show_bytes : show_whole);
        sm_buf limits;
        sm_buf_init(&limits, 1 << 16);
        const json_t *cgroup = json_object_get(run, "cgroup");
        sm_put(p, "<td><code>");
        if (cgroup != NULL && !json_is_null(cgroup) &&
            sm_json_append(&limits, cgroup, false) == SM_OK && limits.len > 0) {
            limits.data[limits.len - 1] = '\0'; /* its newline */
            sm_text_cut(p, (const char *)limits.data, 160);
        }
        sm_put(p, "</code></td></tr>\n");
        sm_buf_free(&limits);
    }
    sm_table_end(p);
}

static void put_sources(sm_page *p, const sm_analysis *a)
{
    static const char *const headings[] = {"Source", "Format", "#Objects",   "#Images",
                                           "#Bytes", "Mount",  "File system"};
    sm_put(p, "<h3>Sources</h3>\n");
    sm_table_begin(p, "Sources", headings, 7);
    for (size_t i = 0, listed = 0; i < a->table->run_count; i++) {
        size_t k;
        json_t *s;
        json_array_foreach(json_object_get(a->table->runs[i].header, "sources"), k, s)
        {
            if (listed++ == LISTED_MAX) break;
            sm_put(p, "<tr>");
            put_value(p, json_object_get(s, "source"), sm_show);
            put_value(p, json_object_get(s, "format"), sm_show);
            put_value(p, json_object_get(s, "objects"), sm_show);
            put_value(p, json_object_get(s, "images"), sm_show);
            put_value(p, json_object_get(s, "bytes"), sm_show_bytes);
            put_value(p, json_object_get(s, "mount"), sm_show);
            put_value(p, json_object_get(s, "filesystem"), sm_show);
            sm_put(p, "</tr>\n");
        }
    }
    sm_table_end(p);
}

/* ---- Where the bytes came from */

typedef struct origin {
    const sm_measured *like;
    size_t trials, counted;
    double bytes, device, socket, device_of, socket_of, before, after, retries, cpu, seconds;
    size_t before_count, after_count;
} origin;

static void add_origin(origin *o, const sm_measured *t)
{
    o->trials++;
    o->counted += t->left_out == SM_COUNTS ? 1 : 0;
    if (t->error != NULL) return;
    o->bytes += t->bytes;
    o->seconds += t->seconds;
    o->cpu += t->cpu_user_s + t->cpu_system_s;
    if (!isnan(t->retries)) o->retries += t->retries;
    if (!isnan(t->device_bytes)) {
        o->device += t->device_bytes;
        o->device_of += t->bytes;
    }
    if (!isnan(t->socket_bytes)) {
        o->socket += t->socket_bytes;
        o->socket_of += t->bytes;
    }
    if (!isnan(t->resident_before)) {
        o->before += t->resident_before;
        o->before_count++;
    }
    if (!isnan(t->resident_after)) {
        o->after += t->resident_after;
        o->after_count++;
    }
}

static void put_origin(sm_page *p, const origin *o)
{
    char text[SM_SHOW_MAX];
    sm_put(p, "<tr>");
    sm_cell_text(p, o->like->source);
    sm_cell_text(p, o->like->cache);
    sm_putf(p, "<td class=\"n\">%zu of %zu</td>", o->counted, o->trials);
    sm_cell_number(p, sm_show_bytes(text, o->bytes));
    sm_cell_number(p, sm_show_percent(text, o->device_of > 0 ? o->device / o->device_of : NAN));
    sm_cell_number(p, sm_show_percent(text, o->socket_of > 0 ? o->socket / o->socket_of : NAN));
    sm_cell_number(
        p, sm_show_percent(text, o->before_count > 0 ? o->before / (double)o->before_count : NAN));
    sm_cell_number(
        p, sm_show_percent(text, o->after_count > 0 ? o->after / (double)o->after_count : NAN));
    sm_cell_number(p, sm_show(text, o->retries));
    sm_cell_number(p, sm_show(text, o->cpu / o->seconds));
    sm_put(p, "</tr>\n");
}

static void put_origins(sm_page *p, const sm_analysis *a)
{
    static const char *const headings[] = {"Source",
                                           "Cache",
                                           "#Trials that count",
                                           "#Bytes read",
                                           "#From the device",
                                           "#From the socket",
                                           "#Cached before",
                                           "#Cached after",
                                           "#Retries",
                                           "#Cores busy"};
    origin *origins = calloc(LISTED_MAX, sizeof *origins);
    size_t count = 0;
    if (origins == NULL) {
        if (p->status == SM_OK) p->status = sm_fail_memory(LISTED_MAX * sizeof *origins);
        return;
    }
    for (size_t i = 0; i < a->table->count; i++) {
        const sm_measured *t = &a->table->trials[i];
        size_t at = 0;
        while (at < count &&
               (origins[at].like->source != t->source || origins[at].like->cache != t->cache))
            at++;
        if (at == LISTED_MAX) continue;
        if (at == count) origins[count++].like = t;
        add_origin(&origins[at], t);
    }
    sm_put(
        p,
        "<h3>Where the bytes came from</h3>\n<p class=\"note\">Of all trials, also those that do "
        "not count. What came from the device or the socket is a share of the bytes that were "
        "read: near 100% is storage, near 0% is memory.</p>\n");
    sm_table_begin(p, "Where the bytes came from", headings, 10);
    for (size_t i = 0; i < count; i++) put_origin(p, &origins[i]);
    sm_table_end(p);
    free(origins);
}

/* ---- Marks, and trials that do not count */

static bool is_noted(const sm_measured *t)
{
    return t->left_out != SM_COUNTS || t->mark_count > 0;
}

static void put_noted(sm_page *p, const sm_analysis *a)
{
    static const char *const headings[] = {"#Trial", "Setting", "#Images/s", "Counts?",
                                           "Marks, error"};
    char text[SM_SHOW_MAX];
    size_t listed = 0, all = 0;
    for (size_t i = 0; i < a->table->count; i++) all += is_noted(&a->table->trials[i]) ? 1 : 0;
    sm_put(p, "<h3>Trials with a mark</h3>\n");
    if (all == 0) {
        sm_put(p, "<p>None: every trial counts, and nothing was remarkable.</p>\n");
        return;
    }
    sm_table_begin(p, "Trials with a mark", headings, 5);
    for (size_t i = 0; i < a->table->count && listed < LISTED_MAX; i++) {
        const sm_measured *t = &a->table->trials[i];
        if (!is_noted(t)) continue;
        listed++;
        sm_buf words;
        sm_buf_init(&words, 1 << 16);
        sm_status status = sm_setting_words(&words, a, t);
        if (status == SM_OK) status = sm_buf_append_str(&words, "; ");
        if (status == SM_OK) status = sm_condition_words(&words, t);
        if (p->status == SM_OK) p->status = status;
        sm_putf(p, "<tr><td class=\"n\">%llu</td>", (unsigned long long)t->number);
        if (status == SM_OK) sm_cell_text(p, (const char *)words.data);
        sm_buf_free(&words);
        sm_cell_number(p, sm_show(text, t->error == NULL ? sm_measured_rate(t) : NAN));
        sm_putf(p, "<td>%s</td><td><bdi>",
                t->left_out == SM_COUNTS ? "yes" : sm_left_out_name(t->left_out));
        for (size_t k = 0; k < t->mark_count; k++) {
            if (k > 0) sm_put(p, ", ");
            sm_text_cut(p, t->marks[k], 80);
        }
        if (t->error != NULL) sm_text_cut(p, t->error, 300);
        sm_put(p, "</bdi></td></tr>\n");
    }
    sm_table_end(p);
    if (listed < all)
        sm_putf(p, "<p class=\"note\">The first %zu of %zu; the CSV export has all.</p>\n", listed,
                all);
}

void sm_evidence_sections(sm_page *p, const sm_analysis *a)
{
    put_concurrency(p, a);
    sm_put(p, "<section id=\"evidence\"><h2>Evidence</h2>\n");
    put_origins(p, a);
    put_noted(p, a);
    put_sources(p, a);
    put_runs(p, a);
    sm_put(p, "</section>\n");
}
