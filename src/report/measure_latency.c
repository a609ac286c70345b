/* Latency: percentiles by setting, the model of it, and what a training loop sees. */
#include "report/chart.h"
#include "report/measure_page.h"

#include "analyse/show.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 60, CURVE = 60 };

/* The cells by readers of each line, all else as in its fastest: what the charts above show. */
static size_t gather_cells(const sm_cell *found[ROWS_MAX], unsigned colours[ROWS_MAX],
                           const sm_analysis *a)
{
    const sm_cell *lines[SM_LINES_MAX];
    const size_t line_count = sm_lines_of(a, lines);
    size_t count = 0;
    for (size_t l = 0; l < line_count; l++) {
        const sm_condition *c = &a->conditions[0];
        const sm_measured *best = lines[l]->first;
        for (size_t i = c->begin; i < c->begin + c->cells && count < ROWS_MAX; i++) {
            const sm_measured *t = a->cells[i].first;
            if (t->format != best->format || t->source != best->source || t->order != best->order ||
                t->read_size != best->read_size || t->batches != best->batches ||
                t->batch_size != best->batch_size)
                continue;
            colours[count] = sm_line_colour(lines, l);
            found[count++] = &a->cells[i];
        }
    }
    return count;
}

static void put_percentiles(sm_page *p, const sm_analysis *a)
{
    static const char *const headings[] = {
        "Read", "#Readers", "#p50", "#p95", "#p99", "#max", "p50 (large), p95, p99, max"};
    const sm_cell *cells[ROWS_MAX];
    unsigned colours[ROWS_MAX];
    const size_t count = gather_cells(cells, colours, a);
    double low = INFINITY, high = 0;
    for (size_t i = 0; i < count; i++) {
        low = cells[i]->p50 > 0 ? fmin(low, cells[i]->p50) : low;
        high = fmax(high, fmax(cells[i]->p99, cells[i]->max));
    }
    sm_put(p, "<section id=\"latency\"><h2>Latency of a read</h2>\n");
    if (!(high > 0) || !isfinite(low)) {
        sm_put(p, "<p>The results tell of no latencies.</p></section>\n");
        return;
    }
    sm_put(
        p,
        "<p class=\"note\">Percentiles of seconds a read, means over the trials of a setting; the "
        "strips share one logarithmic scale.</p>\n");
    sm_table_begin(p, "Latency percentiles", headings, 7);
    for (size_t i = 0; i < count; i++) {
        const sm_cell *c = cells[i];
        const double values[] = {c->p50, c->p95, c->p99, c->max};
        char name[SM_NAME_LEN], text[SM_SHOW_MAX];
        sm_line_name(name, a, c->first);
        sm_put(p, "<tr>");
        sm_cell_text(p, name);
        sm_cell_number(p, sm_show(text, (double)c->first->readers));
        for (size_t k = 0; k < 4; k++) sm_cell_number(p, sm_show_seconds(text, values[k]));
        sm_put(p, "<td class=\"strip\">");
        sm_strip_draw(p, colours[i], values, 4, low / 1.2, high * 1.2);
        sm_put(p, "</td></tr>\n");
    }
    sm_table_end(p);
    sm_put(p, "</section>\n");
}

/* ---- The model */

static void show_interval(char line[3 * SM_SHOW_MAX], const sm_estimate *e, sm_show_fn *show,
                          const char *unit)
{
    char value[SM_SHOW_MAX], low[SM_SHOW_MAX], high[SM_SHOW_MAX];
    if (isnan(e->low) || !isfinite(e->high))
        snprintf(line, 3 * SM_SHOW_MAX, "%s%s", show(value, e->value), isnan(e->value) ? "" : unit);
    else
        snprintf(line, 3 * SM_SHOW_MAX, "%s%s (%s to %s)", show(value, e->value), unit,
                 show(low, e->low), show(high, e->high));
}

static void put_model_table(sm_page *p, const sm_latency *l)
{
    static const char *const headings[] = {"What", "#Value (95% interval)"};
    char line[3 * SM_SHOW_MAX], text[SM_SHOW_MAX];
    const bool has_bandwidth = l->is_line && l->b.value > 0;
    const sm_estimate bandwidth = {1 / l->b.value, 1 / l->b.high,
                                   l->b.low > 0 ? 1 / l->b.low : INFINITY};
    sm_table_begin(p, "Model of latency", headings, 2);
    sm_put(p, "<tr><td>a: latency of a read</td>");
    show_interval(line, &l->a, sm_show_seconds, "");
    sm_cell_number(p, line);
    sm_put(p, "</tr>\n<tr><td>b: seconds a byte</td>");
    show_interval(line, &l->b, sm_show, "");
    sm_cell_number(p, l->is_line ? line : "one size of reads");
    sm_put(p, "</tr>\n<tr><td>1 / b: bandwidth of one stream</td>");
    show_interval(line, &bandwidth, sm_show_bytes, "/s");
    sm_cell_number(p, has_bandwidth ? line : "\u2013");
    if (l->has_request_ceiling) {
        sm_put(p, "</tr>\n<tr><td>Ceiling of requests, all readers together</td>");
        show_interval(line, &l->request_ceiling, sm_show, "/s");
        sm_cell_number(p, line);
    }
    sm_put(p, l->has_ceiling ? "</tr>\n<tr><td>Ceiling of all readers together</td>"
                             : "</tr>\n<tr><td>No ceiling of bytes met; the most seen</td>");
    show_interval(line, &l->ceiling, sm_show_bytes, "/s");
    sm_cell_number(p, line);
    if (l->has_ceiling || l->has_request_ceiling) {
        sm_put(p, "</tr>\n<tr><td>Processors busy at the ceiling</td>");
        sm_cell_number(p, sm_show_percent(text, l->busy));
    }
    sm_put(p, "</tr>\n<tr><td>Median error of the model</td>");
    sm_cell_number(p, sm_show_percent(text, l->typical_error));
    sm_put(p, "</tr>\n<tr><td>Trials</td>");
    sm_cell_number(p, sm_show(text, (double)l->trials));
    sm_put(p, "</tr>\n");
    sm_table_end(p);
}

/* Latency against size when sizes differ, else bandwidth against readers. */
static void put_model_chart(sm_page *p, const sm_analysis *a, const sm_latency *l)
{
    const sm_point *points = a->points + l->begin;
    sm_dot *alone = calloc(l->trials, sizeof *alone), *capped = calloc(l->trials, sizeof *capped);
    sm_dot curve[CURVE];
    if (alone == NULL || capped == NULL) {
        if (p->status == SM_OK) p->status = sm_fail_memory(l->trials * sizeof *alone);
        free(alone);
        free(capped);
        return;
    }
    size_t alones = 0, cappeds = 0;
    double low = INFINITY, high = 0;
    for (size_t i = 0; i < l->trials; i++) {
        const sm_point *q = &points[i];
        const sm_dot dot = l->is_line ? (sm_dot){q->size, q->latency, NAN, NAN}
                                      : (sm_dot){q->readers, q->bandwidth, NAN, NAN};
        if (q->bound != SM_BOUND_ALONE)
            capped[cappeds++] = dot;
        else
            alone[alones++] = dot;
        low = fmin(low, dot.x);
        high = fmax(high, dot.x);
    }
    for (size_t i = 0; i < CURVE; i++) {
        double x = low * pow(high / low, (double)i / (CURVE - 1));
        curve[i] = (sm_dot){x,
                            l->is_line ? l->a.value + l->b.value * x
                                       : x * l->size / sm_latency_at(l, l->size, x),
                            NAN, NAN};
    }
    const sm_series series[] = {{"model", SM_SERIES_MODEL, 7, curve, CURVE},
                                {"trials", SM_SERIES_DOTS, 0, alone, alones},
                                {"trials at a shared ceiling", SM_SERIES_DOTS, 1, capped, cappeds}};
    sm_chart_draw(
        p, &(sm_chart){.title = l->is_line ? "Seconds a read by its bytes" : "Bandwidth by readers",
                       .description = "A dot for each trial, and the model as a dashed line.",
                       .x = {.label = l->is_line ? "bytes a read" : "readers",
                             .log = true,
                             .ticks_at_values = !l->is_line,
                             .show = l->is_line ? sm_show_bytes : sm_show},
                       .y = {.label = l->is_line ? "seconds a read" : "bytes a second, all readers",
                             .log = true,
                             .show = l->is_line ? sm_show_seconds : sm_show_bytes},
                       .series = series,
                       .count = cappeds > 0 ? 3 : 2});
    free(alone);
    free(capped);
}

static void put_models(sm_page *p, const sm_analysis *a)
{
    enum { MODELS_MAX = 6 };
    sm_put(p, "<section id=\"model\"><h2>Why: latency and bandwidth</h2>\n");
    if (a->latency_count == 0) {
        sm_put(p, "<p>Too few trials with latencies for a model.</p></section>\n");
        return;
    }
    sm_put(
        p,
        "<p class=\"note\">A read takes a + b \u00b7 bytes in its own stream; when all readers "
        "together would pass a ceiling, of bytes or of requests, they share it: seconds a read = "
        "max(a + b \u00b7 bytes, readers \u00b7 bytes / ceiling, readers / ceiling of requests). "
        "Huber\u2019s robust fit of relative errors.</p>\n");
    for (size_t i = 0; i < a->latency_count && i < MODELS_MAX; i++) {
        const sm_latency *l = &a->latencies[i];
        sm_put(p, "<h3><bdi>");
        sm_text_cut(p, l->storage, 80);
        sm_put(p, "</bdi>, ");
        sm_text_cut(p, l->cache, 20);
        sm_put(p, ", ");
        sm_text_cut(p, l->order, 20);
        sm_put(p, "</h3>\n<div class=\"pair\"><figure>\n");
        put_model_chart(p, a, l);
        sm_put(p, "</figure>\n<div>");
        put_model_table(p, l);
        sm_put(p, "</div></div>\n");
    }
    sm_put(p, "</section>\n");
}

/* ---- A training loop's view */

static void put_training(sm_page *p, const sm_analysis *a)
{
    static const char *const headings[] = {"Setting", "#Images/s", "#First batch", "#Waiting",
                                           "#Accelerators kept busy"};
    bool any = false;
    for (size_t i = 0; i < a->condition_count; i++) any = any || a->conditions[i].like->decode;
    if (!any) return;
    sm_put(
        p,
        "<section id=\"training\"><h2>What a training loop sees</h2>\n<p class=\"note\">The best "
        "setting under each condition with decoding: the share of the time it waits for batches, "
        "and how many accelerators that take a step per batch it would feed.</p>\n");
    sm_table_begin(p, "What a training loop sees", headings, 5);
    for (size_t i = 0; i < a->condition_count; i++) {
        const sm_condition *c = &a->conditions[i];
        const sm_cell *best = &a->cells[c->best];
        char text[SM_SHOW_MAX];
        if (!c->like->decode) continue;
        sm_buf words;
        sm_buf_init(&words, 1 << 16);
        sm_status status = sm_setting_words(&words, a, best->first);
        if (status == SM_OK) status = sm_buf_append_str(&words, "; ");
        if (status == SM_OK) status = sm_condition_words(&words, c->like);
        if (p->status == SM_OK) p->status = status;
        sm_put(p, "<tr>");
        if (status == SM_OK) sm_cell_text(p, (const char *)words.data);
        sm_buf_free(&words);
        sm_cell_number(p, sm_show(text, best->rate.mean));
        sm_cell_number(p, sm_show_seconds(text, best->first_batch_s));
        sm_cell_number(p, sm_show_percent(text, best->stall));
        double wanted = c->like->step_ms > 0
                            ? (double)best->first->batch_size / (c->like->step_ms / 1000)
                            : NAN;
        sm_cell_number(p, sm_show(text, best->rate.mean / wanted));
        sm_put(p, "</tr>\n");
    }
    sm_table_end(p);
    sm_put(p, "</section>\n");
}

void sm_latency_sections(sm_page *p, const sm_analysis *a)
{
    if (a->used == 0) return;
    put_percentiles(p, a);
    put_models(p, a);
    put_training(p, a);
}
