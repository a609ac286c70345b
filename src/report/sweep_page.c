#include "report/sweep_page.h"

#include "analyse/show.h"
#include "report/chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 16, DOTS_MAX = 90, CHARTED_MAX = 24 };

static double number(const json_t *row, const char *a, const char *b)
{
    const json_t *found = json_object_get(row, a);
    if (b != NULL) found = json_object_get(found, b);
    return json_is_number(found) ? json_number_value(found) : NAN;
}

static const char *text_in(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text == NULL ? "" : text;
}

static bool is_good(const json_t *row)
{
    return strcmp(text_in(row, "status"), "ok") == 0;
}

/* ---- Figures, each with a bar */

typedef enum unit { UNIT_SECONDS, UNIT_MONEY, UNIT_RATE, UNIT_MB_S, UNIT_SHARE } unit;

static const struct column {
    const char *heading, *a, *b;
    unit unit;
} columns[] = {
    {"Time", "seconds", NULL, UNIT_SECONDS},
    {"Cost", "cost", NULL, UNIT_MONEY},
    {"Images/s", "images_per_s", NULL, UNIT_RATE},
    {"Input", "mb_per_s", NULL, UNIT_MB_S},
    {"Network in", "cluster", "received_mb_per_s", UNIT_MB_S},
    {"Network out", "cluster", "sent_mb_per_s", UNIT_MB_S},
    {"Disk read", "cluster", "disk_read_mb_per_s", UNIT_MB_S},
    {"Disk written", "cluster", "disk_written_mb_per_s", UNIT_MB_S},
    {"CPU", "cluster", "cpu", UNIT_SHARE},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static const char *show(char text[SM_SHOW_MAX], double value, unit u)
{
    char bytes[SM_SHOW_MAX];
    switch (u) {
    case UNIT_SECONDS: return sm_show_seconds(text, value);
    case UNIT_SHARE: return sm_show_percent(text, value);
    case UNIT_MB_S:
        snprintf(text, SM_SHOW_MAX, "%.30s/s", sm_show_bytes(bytes, 1e6 * value));
        return text;
    default: return sm_show(text, value);
    }
}

/* A number over a bar as long as its share of the column's most. */
static void put_figure(sm_page *p, double value, double most, const struct column *c)
{
    enum { LONG = 90, TALL = 7 };
    char text[SM_SHOW_MAX];
    if (!isfinite(value)) {
        sm_cell_number(p, "\u2013");
        return;
    }
    sm_put(p, "<td class=\"n\">");
    sm_text(p, show(text, value, c->unit));
    if (most > 0)
        sm_putf(p,
                "<svg viewBox=\"0 0 %d %d\" aria-hidden=\"true\"><g class=\"s0\"><rect "
                "class=\"fill\" x=\"0\" y=\"1\" width=\"%.1f\" height=\"%d\"/></g></svg>",
                LONG, TALL, fmax(0.5, fmin(1, value / most) * LONG), TALL - 2);
    sm_put(p, "</td>");
}

static void put_table(sm_page *p, const sm_sweep *sweep)
{
    const char *headings[COLUMNS + 2];
    char names[COLUMNS][32];
    double most[COLUMNS] = {0};
    const json_t *row;
    size_t i;
    headings[0] = "Configuration";
    headings[COLUMNS + 1] = "Outcome";
    for (size_t k = 0; k < COLUMNS; k++) {
        snprintf(names[k], sizeof names[k], "#%s", columns[k].heading);
        headings[k + 1] = names[k];
        json_array_foreach(sweep->rows, i, row)
        {
            const double value = number(row, columns[k].a, columns[k].b);
            if (is_good(row) && value > most[k]) most[k] = value;
        }
    }
    sm_put(p, "<section id=\"configurations\"><h2>Configurations</h2>\n<p class=\"note\">Input is "
              "what the job read, over its whole time. Network, disks and CPU are of all machines "
              "together, on average from the first task to the last, as their own counters have "
              "them. On Dataproc, time leaves out the cluster\u2019s coming and going, and cost "
              "does not.</p>\n");
    sm_table_begin(p, "Configurations", headings, COLUMNS + 2);
    json_array_foreach(sweep->rows, i, row)
    {
        sm_put(p, "<tr>");
        sm_cell_text(p, text_in(row, "name"));
        for (size_t k = 0; k < COLUMNS; k++)
            put_figure(p, number(row, columns[k].a, columns[k].b), most[k], &columns[k]);
        sm_cell_text(p, is_good(row) ? "done" : text_in(row, "error"));
        sm_put(p, "</tr>\n");
    }
    sm_table_end(p);
    sm_put(p, "</section>\n");
}

/* ---- Time against cost */

static void put_trade(sm_page *p, const sm_sweep *sweep)
{
    sm_series series[CHARTED_MAX];
    sm_dot dots[CHARTED_MAX];
    size_t count = 0, i;
    const json_t *row;
    json_array_foreach(sweep->rows, i, row)
    {
        if (!is_good(row) || count == CHARTED_MAX) continue;
        dots[count] = (sm_dot){number(row, "seconds", NULL), number(row, "cost", NULL), NAN, NAN};
        series[count] = (sm_series){.name = text_in(row, "name"),
                                    .kind = SM_SERIES_DOTS,
                                    .colour = (unsigned)(count % 8),
                                    .dots = &dots[count],
                                    .count = 1};
        count++;
    }
    if (count < 2) return;
    sm_put(p, "<section id=\"trade\"><h2>Time against cost</h2>\n<figure>\n");
    sm_chart_draw(p, &(sm_chart){.title = "Time against cost of a run",
                                 .description = "A mark for each configuration: how long a run "
                                                "took, and what it cost.",
                                 .x = {.label = "seconds", .from_zero = true, .show = sm_show},
                                 .y = {.label = "cost", .from_zero = true, .show = sm_show},
                                 .series = series,
                                 .count = count});
    sm_put(p, "</figure>\n</section>\n");
}

/* ---- Machines over time */

typedef struct lines {
    sm_series series[LINES_MAX];
    sm_dot dots[LINES_MAX][DOTS_MAX];
    char names[LINES_MAX][SM_SHOW_MAX + 64];
    size_t count;
} lines;

enum { AT_TIME, AT_CPU, AT_RECEIVED, AT_SENT, AT_READ, AT_WRITTEN, AT_MEMORY, FIELDS };

static double field(const json_t *point, size_t k)
{
    const json_t *value = json_array_get(point, k);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* What a machine did, as field has it, and with `also` (0: nothing) another field added to it. */
static void add_line(lines *l, const json_t *machine, size_t what, size_t also, double scale)
{
    const json_t *points = json_object_get(machine, "over_time");
    const size_t all = json_array_size(points), drawn = all < DOTS_MAX ? all : DOTS_MAX;
    if (l->count == LINES_MAX || all == 0) return;
    const size_t at = l->count++;
    for (size_t i = 0; i < drawn; i++) {
        const json_t *point = json_array_get(points, i * all / drawn);
        const double value = field(point, what) + (also > 0 ? field(point, also) : 0);
        l->dots[at][i] = (sm_dot){field(point, AT_TIME), scale * value, NAN, NAN};
    }
    snprintf(l->names[at], sizeof l->names[at], "%.60s %.20s", text_in(machine, "host"),
             text_in(machine, "address"));
    l->series[at] = (sm_series){.name = l->names[at],
                                .kind = SM_SERIES_LINE,
                                .colour = (unsigned)(at % 8),
                                .dots = l->dots[at],
                                .count = drawn};
}

static void put_lines(sm_page *p, lines *l, const json_t *row, size_t what, size_t also,
                      double scale, const char *title, const char *label)
{
    const json_t *machine;
    size_t i;
    l->count = 0;
    json_array_foreach(json_object_get(row, "machines"), i, machine)
        add_line(l, machine, what, also, scale);
    if (l->count == 0) return;
    sm_putf(p, "<figure><h4>%s</h4>\n", title);
    sm_chart_draw(p, &(sm_chart){.title = title,
                                 .description = "A line for each machine, over the seconds since "
                                                "the job began.",
                                 .x = {.label = "seconds since the job began", .show = sm_show},
                                 .y = {.label = label, .from_zero = true, .show = sm_show},
                                 .series = l->series,
                                 .count = l->count});
    sm_put(p, "</figure>\n");
}

static void put_machines(sm_page *p, const sm_sweep *sweep)
{
    const json_t *row;
    size_t i, shown = 0;
    lines *l = calloc(1, sizeof *l);
    if (l == NULL) {
        if (p->status == SM_OK) p->status = sm_fail_memory(sizeof *l);
        return;
    }
    sm_putf(
        p,
        "<section id=\"machines\"><h2>Each machine over time</h2>\n<p class=\"note\">Sampled by "
        "the workers while tasks ran; at most %d machines of a configuration. Containers of "
        "one machine share its CPU, and its disks unless SHARDMILL_DISKS names some; they have "
        "networks of their own.</p>\n",
        LINES_MAX);
    json_array_foreach(sweep->rows, i, row)
    {
        if (json_array_size(json_object_get(row, "machines")) == 0) continue;
        if (shown++ == CHARTED_MAX) break;
        sm_put(p, "<h3><bdi>");
        sm_text_cut(p, text_in(row, "name"), 90);
        sm_put(p, "</bdi></h3>\n<div class=\"maps\">\n");
        put_lines(p, l, row, AT_CPU, 0, 100, "CPU", "% of its cores busy");
        put_lines(p, l, row, AT_RECEIVED, 0, 1, "Network in", "MB/s received");
        put_lines(p, l, row, AT_SENT, 0, 1, "Network out", "MB/s sent");
        put_lines(p, l, row, AT_READ, AT_WRITTEN, 1, "Disks", "MB/s read and written");
        sm_put(p, "</div>\n");
    }
    sm_put(p, "</section>\n");
    free(l);
}

/* ---- The page */

typedef struct telling {
    sm_page *page;
    size_t count;
} telling;

static void put_sentence(void *user, const char *sentence)
{
    telling *t = user;
    sm_put(t->page, t->count == 0   ? "<p class=\"act\" id=\"act\">"
                    : t->count == 1 ? "<ul class=\"found\">\n<li>"
                                    : "<li>");
    sm_text(t->page, sentence);
    sm_put(t->page, t->count == 0 ? "</p>\n" : "</li>\n");
    t->count++;
}

void sm_sweep_page(sm_page *p, const sm_sweep *sweep, const char *title)
{
    telling t = {.page = p};
    if (title == NULL) title = "One job on several clusters";
    sm_page_begin(p, title);
    sm_put(p, "<header><p class=\"over\">shardmill sweep \u00b7 ");
    sm_text_cut(p, text_in(sweep->head, "started"), 40);
    sm_put(p, "</p>\n<h1>");
    sm_text_cut(p, title, 200);
    sm_put(p, "</h1>\n<p class=\"note\"><code>");
    sm_text_cut(p, text_in(sweep->head, "command"), 600);
    sm_put(p, "</code></p></header>\n");
    const sm_status status = sm_sweep_words(sweep, put_sentence, &t);
    if (t.count > 1) sm_put(p, "</ul>\n");
    if (p->status == SM_OK) p->status = status;
    put_table(p, sweep);
    put_trade(p, sweep);
    put_machines(p, sweep);
    sm_page_end(p);
}
