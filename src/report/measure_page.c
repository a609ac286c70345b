#include "report/measure_page.h"

#include "analyse/show.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t insert_line(const sm_cell *lines[SM_LINES_MAX], size_t count, const sm_cell *line)
{
    size_t at = count < SM_LINES_MAX ? count : SM_LINES_MAX - 1;
    if (count == SM_LINES_MAX && lines[at]->rate.mean >= line->rate.mean) return count;
    for (; at > 0 && lines[at - 1]->rate.mean < line->rate.mean; at--) lines[at] = lines[at - 1];
    lines[at] = line;
    return count < SM_LINES_MAX ? count + 1 : count;
}

size_t sm_lines_of(const sm_analysis *a, const sm_cell *lines[SM_LINES_MAX])
{
    size_t count = 0;
    if (a->condition_count == 0) return 0;
    const sm_condition *c = &a->conditions[0];
    const size_t end = c->begin + c->cells;
    for (size_t i = c->begin; i < end;) {
        const sm_cell *best = &a->cells[i];
        const sm_measured *like = best->first;
        for (; i < end && a->cells[i].first->format == like->format &&
               a->cells[i].first->source == like->source;
             i++)
            if (a->cells[i].rate.mean > best->rate.mean) best = &a->cells[i];
        count = insert_line(lines, count, best);
    }
    return count;
}

unsigned sm_line_colour(const sm_cell *const *lines, size_t line)
{
    static const unsigned of_files[] = {SM_COLOUR_FILES, 3, 6},
                          of_shards[] = {SM_COLOUR_SHARDS, 2, 4, 5};
    const bool files = sm_is_files(lines[line]->first);
    size_t before = 0;
    for (size_t i = 0; i < line; i++) before += sm_is_files(lines[i]->first) == files ? 1 : 0;
    return files ? of_files[before % 3] : of_shards[before % 4];
}

void sm_line_name(char name[SM_NAME_LEN], const sm_analysis *a, const sm_measured *t)
{
    const char *format = sm_format_words(t->format);
    if (a->varies.source)
        snprintf(name, SM_NAME_LEN, "%.40s of %.110s", format, t->source);
    else
        snprintf(name, SM_NAME_LEN, "%.150s", format);
}

/* ---- Top */

static void put_sentence(sm_page *p, const char *at, size_t len)
{
    char sentence[4096];
    size_t kept = len < sizeof sentence ? len : sizeof sentence - 1;
    memcpy(sentence, at, kept);
    sentence[kept] = '\0';
    sm_text(p, sentence);
}

static void put_words(sm_page *p, const sm_analysis *a)
{
    const char *at = (const char *)a->words.data;
    size_t left = a->words.len;
    for (size_t i = 0; left > 0; i++) {
        size_t len = (size_t)((const char *)memchr(at, '\n', left) - at);
        sm_put(p, i == 0   ? "<p class=\"act\" id=\"act\">"
                  : i == 1 ? "<ul class=\"found\">\n<li>"
                           : "<li>");
        put_sentence(p, at, len);
        sm_put(p, i == 0 ? "</p>\n" : "</li>\n");
        at += len + 1;
        left -= len + 1;
        if (left == 0 && i > 0) sm_put(p, "</ul>\n");
    }
}

static void put_figure(sm_page *p, const char *number, const char *what)
{
    sm_putf(p, "<div><b>%s</b><span>%s</span></div>\n", number, what);
}

static void put_figures(sm_page *p, const sm_analysis *a)
{
    char text[SM_SHOW_MAX], more[128];
    if (a->condition_count == 0) return;
    const sm_cell *best = &a->cells[a->conditions[0].best];
    sm_put(p, "<div class=\"figures\">\n");
    put_figure(p, sm_show(text, best->rate.mean), "images/s at the best setting");
    snprintf(more, sizeof more, "%s/s", sm_show_bytes(text, best->bandwidth.mean));
    put_figure(p, more, "of data there");
    if (!isnan(best->p_best))
        put_figure(p, sm_show_percent(text, best->p_best), "probability that it is the best");
    if (a->versus_count > 0) {
        const sm_versus *v = &a->versus[0];
        char readers[SM_SHOW_MAX];
        snprintf(more, sizeof more, "shards against files, %s reader%s",
                 sm_show(readers, (double)v->readers), v->readers == 1 ? "" : "s");
        snprintf(readers, sizeof readers, "%.30s \u00d7", sm_show(text, v->ratio.value));
        put_figure(p, readers, more);
    }
    snprintf(more, sizeof more, "of %zu trials count, %zu settings", a->table->count,
             a->cell_count);
    put_figure(p, sm_show(text, (double)a->used), more);
    sm_put(p, "</div>\n");
}

/* ---- Every setting */

static void put_setting_row(sm_page *p, const sm_analysis *a, const sm_cell *cell, bool is_best)
{
    char text[SM_SHOW_MAX], low[SM_SHOW_MAX], line[2 * SM_SHOW_MAX + 8];
    sm_buf words;
    sm_buf_init(&words, 1 << 16);
    if (p->status == SM_OK) p->status = sm_setting_words(&words, a, cell->first);
    if (p->status == SM_OK && a->condition_count > 1) p->status = sm_buf_append_str(&words, "; ");
    if (p->status == SM_OK && a->condition_count > 1)
        p->status = sm_condition_words(&words, cell->first);
    sm_put(p, is_best ? "<tr class=\"best\">" : "<tr>");
    if (p->status == SM_OK) sm_cell_text(p, (const char *)words.data);
    sm_buf_free(&words);
    snprintf(line, sizeof line, "%zu", cell->rate.n);
    sm_cell_number(p, line);
    sm_cell_number(p, sm_show(text, cell->rate.mean));
    sm_cell_number(p, sm_show(text, cell->rate.sd));
    snprintf(line, sizeof line, "%s to %s", sm_show(low, fmax(0, cell->rate.low)),
             sm_show(text, cell->rate.high));
    sm_cell_number(p, isnan(cell->rate.low) ? "\u2013" : line);
    sm_cell_number(p, sm_show_bytes(text, cell->bandwidth.mean));
    sm_cell_number(p, sm_show_percent(text, cell->p_best));
    sm_put(p, "</tr>\n");
}

static int by_rate_falling(const void *x, const void *y)
{
    const sm_cell *a = *(const sm_cell *const *)x, *b = *(const sm_cell *const *)y;
    if (a->rate.mean != b->rate.mean) return a->rate.mean < b->rate.mean ? 1 : -1;
    return (a->begin > b->begin) - (a->begin < b->begin);
}

static void put_settings(sm_page *p, const sm_analysis *a)
{
    enum { ROWS_MAX = 400 };
    static const char *const headings[] = {"Setting",       "#Trials",  "#Images/s", "#Std. dev.",
                                           "#95% interval", "#Bytes/s", "#P(best)"};
    if (a->cell_count == 0) return;
    const sm_cell **order = calloc(a->cell_count, sizeof *order);
    if (order == NULL) {
        if (p->status == SM_OK) p->status = sm_fail_memory(a->cell_count * sizeof *order);
        return;
    }
    for (size_t i = 0; i < a->cell_count; i++) order[i] = &a->cells[i];
    qsort(order, a->cell_count, sizeof *order, by_rate_falling);
    sm_put(
        p,
        "<section id=\"settings\"><h2>Every setting</h2>\n<p class=\"note\">The fastest first. "
        "Means over the trials "
        "that count, with Student\u2019s t intervals; P(best) is the probability to be the fastest "
        "under the same conditions, with the spread pooled over all settings.</p>\n");
    sm_table_begin(p, "Every setting", headings, 7);
    size_t rows = a->cell_count < ROWS_MAX ? a->cell_count : ROWS_MAX;
    for (size_t i = 0; i < rows; i++) {
        bool is_best = false;
        for (size_t c = 0; c < a->condition_count; c++)
            is_best = is_best || &a->cells[a->conditions[c].best] == order[i];
        put_setting_row(p, a, order[i], is_best);
    }
    sm_table_end(p);
    free(order);
    if (rows < a->cell_count)
        sm_putf(p,
                "<p class=\"note\">The first %zu of %zu; the CSV and JSON exports have all.</p>\n",
                rows, a->cell_count);
    sm_put(p, "</section>\n");
}

/* ---- The page */

void sm_measure_page(sm_page *p, const sm_analysis *a, const char *title)
{
    const json_t *run = a->table->runs[0].header;
    if (title == NULL) title = "How fast storage feeds pictures";
    sm_page_begin(p, title);
    sm_put(p, "<header><p class=\"over\">shardmill measure");
    const char *host = json_string_value(json_object_get(run, "host"));
    const char *started = json_string_value(json_object_get(run, "started"));
    if (host != NULL) {
        sm_put(p, " \u00b7 <bdi>");
        sm_text_cut(p, host, 60);
        sm_put(p, "</bdi>");
    }
    if (started != NULL) {
        sm_put(p, " \u00b7 ");
        sm_text_cut(p, started, 40);
    }
    sm_put(p, "</p>\n<h1>");
    sm_text_cut(p, title, 200);
    sm_put(p, "</h1></header>\n");
    put_words(p, a);
    put_figures(p, a);
    sm_grid_sections(p, a);
    sm_latency_sections(p, a);
    sm_regression_section(p, a);
    sm_evidence_sections(p, a);
    put_settings(p, a);
    sm_page_end(p);
}
