/* The grid: heat maps, throughput by readers and by batch size, files against shards. */
#include "report/chart.h"
#include "report/measure_page.h"

#include "analyse/show.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DOTS_MAX = 64, SIDE_MAX = 24 };

/* ---- Heat maps: readers up, what else varies across */

typedef enum across { ACROSS_BATCH_SIZE, ACROSS_READ_SIZE, ACROSS_BATCHES } across;

static uint64_t value_across(const sm_measured *t, across what)
{
    return what == ACROSS_BATCH_SIZE  ? t->batch_size
           : what == ACROSS_READ_SIZE ? t->read_size
                                      : t->batches;
}

static size_t place_of(const double *values, size_t count, double value)
{
    size_t at = 0;
    while (at < count && values[at] != value) at++;
    return at;
}

/* Adds value to those there, in order; the count does not pass SIDE_MAX. */
static size_t add_value(double values[SIDE_MAX], size_t count, double value)
{
    if (place_of(values, count, value) < count || count == SIDE_MAX) return count;
    size_t at = count;
    for (; at > 0 && values[at - 1] > value; at--) values[at] = values[at - 1];
    values[at] = value;
    return count + 1;
}

typedef struct map {
    double x[SIDE_MAX], y[SIDE_MAX];
    size_t columns, rows;
    double means[SIDE_MAX * SIDE_MAX];
} map;

static bool on_line(const sm_cell *cell, const sm_cell *line)
{
    return cell->first->format == line->first->format && cell->first->source == line->first->source;
}

static void fill_map(map *m, const sm_analysis *a, const sm_cell *line, across what)
{
    const sm_condition *c = &a->conditions[0];
    size_t counts[SIDE_MAX * SIDE_MAX] = {0};
    *m = (map){0};
    for (size_t i = c->begin; i < c->begin + c->cells; i++) {
        if (!on_line(&a->cells[i], line)) continue;
        m->columns = add_value(m->x, m->columns, (double)value_across(a->cells[i].first, what));
        m->rows = add_value(m->y, m->rows, (double)a->cells[i].first->readers);
    }
    for (size_t i = c->begin; i < c->begin + c->cells; i++) {
        const sm_cell *cell = &a->cells[i];
        if (!on_line(cell, line)) continue;
        size_t x = place_of(m->x, m->columns, (double)value_across(cell->first, what));
        size_t y = place_of(m->y, m->rows, (double)cell->first->readers);
        if (x == m->columns || y == m->rows) continue;
        m->means[y * m->columns + x] += cell->rate.mean;
        counts[y * m->columns + x]++;
    }
    for (size_t k = 0; k < m->columns * m->rows; k++)
        m->means[k] = counts[k] > 0 ? m->means[k] / (double)counts[k] : NAN;
}

static void put_heat(sm_page *p, const sm_analysis *a, const sm_cell *const *lines, size_t count)
{
    static const char *const labels[] = {"batch size", "bytes a read", "batches"};
    const across what = a->varies.batch_size || !(a->varies.read_size || a->varies.batches)
                            ? ACROSS_BATCH_SIZE
                        : a->varies.read_size ? ACROSS_READ_SIZE
                                              : ACROSS_BATCHES;
    double low = INFINITY, high = 0;
    map *maps = calloc(count, sizeof *maps);
    if (maps == NULL) {
        if (p->status == SM_OK) p->status = sm_fail_memory(count * sizeof *maps);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        fill_map(&maps[i], a, lines[i], what);
        for (size_t k = 0; k < maps[i].columns * maps[i].rows; k++) {
            low = fmin(low, maps[i].means[k]);
            high = fmax(high, maps[i].means[k]);
        }
    }
    sm_put(
        p,
        "<section id=\"heat\"><h2>The grid</h2>\n<p class=\"note\">Images a second; the mean over "
        "the other settings. All maps share one scale of colour, which is logarithmic where the "
        "fastest is more than ten times the slowest.</p>\n<div class=\"maps\">\n");
    const bool logs = low > 0 && high > 10 * low;
    for (size_t i = 0; i < count; i++) {
        char name[SM_NAME_LEN];
        sm_line_name(name, a, lines[i]->first);
        sm_put(p, "<figure><h3><bdi>");
        sm_text_cut(p, name, 90);
        sm_put(p, "</bdi></h3>\n");
        sm_heat_draw(p, &(sm_heat){.title = "Images a second over the grid",
                                   .x_label = labels[what],
                                   .y_label = "readers",
                                   .x = maps[i].x,
                                   .y = maps[i].y,
                                   .columns = maps[i].columns,
                                   .rows = maps[i].rows,
                                   .values = maps[i].means,
                                   .low = low,
                                   .high = high,
                                   .log = logs,
                                   .show_x = what == ACROSS_READ_SIZE ? sm_show_size : sm_show,
                                   .show_y = sm_show,
                                   .show = sm_show});
        sm_put(p, "</figure>\n");
    }
    sm_put(p, "</div>\n</section>\n");
    free(maps);
}

/* ---- Throughput by one setting, the others held */

typedef enum free_setting { FREE_READERS, FREE_BATCH_SIZE } free_setting;

/* Whether all settings but the free one are those of the line's best cell. */
static bool is_held(const sm_measured *t, const sm_measured *best, free_setting free)
{
    return t->order == best->order && t->read_size == best->read_size &&
           t->batches == best->batches && (free == FREE_READERS || t->readers == best->readers) &&
           (free == FREE_BATCH_SIZE || t->batch_size == best->batch_size);
}

static size_t gather(sm_dot dots[DOTS_MAX], const sm_analysis *a, const sm_cell *line,
                     free_setting free)
{
    const sm_condition *c = &a->conditions[0];
    size_t count = 0;
    for (size_t i = c->begin; i < c->begin + c->cells && count < DOTS_MAX; i++) {
        const sm_cell *cell = &a->cells[i];
        if (!on_line(cell, line) || !is_held(cell->first, line->first, free)) continue;
        dots[count++] = (sm_dot){
            (double)(free == FREE_READERS ? cell->first->readers : cell->first->batch_size),
            cell->rate.mean,
            /* no rate is below 0, whatever t says of few trials */
            cell->rate.low < 0 ? 0 : cell->rate.low, cell->rate.high};
    }
    return count;
}

static void put_dots_table(sm_page *p, const sm_series *series, size_t count, const char *caption,
                           const char *heading)
{
    const char *const headings[] = {"Read", heading, "#Images/s", "#95% interval"};
    char text[SM_SHOW_MAX], high[SM_SHOW_MAX], line[2 * SM_SHOW_MAX + 8];
    sm_table_begin(p, caption, headings, 4);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < series[i].count; k++) {
            const sm_dot *dot = &series[i].dots[k];
            sm_put(p, "<tr>");
            sm_cell_text(p, series[i].name);
            sm_cell_number(p, sm_show(text, dot->x));
            sm_cell_number(p, sm_show(text, dot->y));
            snprintf(line, sizeof line, "%s to %s", sm_show(text, fmax(0, dot->low)),
                     sm_show(high, dot->high));
            sm_cell_number(p, isnan(dot->low) ? "\u2013" : line);
            sm_put(p, "</tr>\n");
        }
    sm_table_end(p);
}

static bool wide_range(const sm_series *series, size_t count)
{
    double low = INFINITY, high = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < series[i].count; k++) {
            low = fmin(low, series[i].dots[k].y);
            high = fmax(high, series[i].dots[k].y);
        }
    return low > 0 && high > 20 * low;
}

/* A chart of series over readers or batch sizes, its table beside it. */
static void put_lines(sm_page *p, const sm_series *series, size_t count, const char *title,
                      const char *label, const char *heading)
{
    sm_put(p, "<div class=\"pair\"><figure>\n");
    sm_chart_draw(
        p, &(sm_chart){.title = title,
                       .description = "Lines of mean images a second with 95% intervals; "
                                      "the numbers are in the table beside it.",
                       .x = {.label = label, .log = true, .ticks_at_values = true, .show = sm_show},
                       .y = {.label = "images a second",
                             .log = wide_range(series, count),
                             .from_zero = true,
                             .show = sm_show},
                       .series = series,
                       .count = count});
    sm_put(p, "</figure>\n<div>");
    put_dots_table(p, series, count, title, heading);
    sm_put(p, "</div></div>\n");
}

static void put_held(sm_page *p, const sm_analysis *a, const sm_cell *const *lines, size_t count,
                     free_setting free)
{
    sm_dot dots[SM_LINES_MAX][DOTS_MAX];
    char names[SM_LINES_MAX][SM_NAME_LEN];
    sm_series series[SM_LINES_MAX];
    bool varies = false;
    for (size_t i = 0; i < count; i++) {
        sm_line_name(names[i], a, lines[i]->first);
        size_t found = gather(dots[i], a, lines[i], free);
        series[i] = (sm_series){names[i], SM_SERIES_LINE, sm_line_colour(lines, i), dots[i], found};
        varies = varies || found > 1;
    }
    const char *what = free == FREE_READERS ? "readers" : "batch size";
    sm_putf(p, "<section id=\"%s\"><h2>Throughput by %s</h2>\n",
            free == FREE_READERS ? "by-readers" : "by-batch-size", what);
    if (!varies) {
        sm_putf(p, "<p>One value was measured; give several to see what it does.</p></section>\n");
        return;
    }
    sm_put(p, "<p class=\"note\">All else is as in the fastest setting of each line. Bars are 95% "
              "intervals.</p>\n");
    put_lines(p, series, count,
              free == FREE_READERS ? "Throughput by readers" : "Throughput by batch size", what,
              free == FREE_READERS ? "#Readers" : "#Batch size");
    sm_put(p, "</section>\n");
}

/* ---- Files against shards */

static void put_versus_table(sm_page *p, const sm_versus *versus, size_t count)
{
    static const char *const headings[] = {"#Readers", "#Files", "#Shards", "#Shards / files",
                                           "#95% interval"};
    char text[SM_SHOW_MAX], high[SM_SHOW_MAX], line[2 * SM_SHOW_MAX + 8];
    sm_table_begin(p, "Image files against shards", headings, 5);
    for (size_t i = 0; i < count; i++) {
        const sm_versus *v = &versus[i];
        sm_put(p, "<tr>");
        sm_cell_number(p, sm_show(text, (double)v->readers));
        sm_cell_number(p, sm_show(text, v->files));
        sm_cell_number(p, sm_show(text, v->shards));
        sm_cell_number(p, sm_show(text, v->ratio.value));
        snprintf(line, sizeof line, "%s to %s", sm_show(text, v->ratio.low),
                 sm_show(high, v->ratio.high));
        sm_cell_number(p, isnan(v->ratio.low) ? "\u2013" : line);
        sm_put(p, "</tr>\n");
    }
    sm_table_end(p);
}

static void put_versus(sm_page *p, const sm_analysis *a)
{
    sm_dot files[DOTS_MAX], shards[DOTS_MAX];
    size_t count = 0;
    sm_put(p, "<section id=\"versus\"><h2>Image files against shards</h2>\n");
    if (a->versus_count == 0) {
        sm_put(p, "<p>Nothing to compare: wanted are image files and shards, measured at equal "
                  "settings (<code>shardmill measure PHOTOS SHARDS</code>).</p></section>\n");
        return;
    }
    for (; count < a->versus_count && count < DOTS_MAX &&
           sm_same_condition(a->versus[count].like, a->versus[0].like);
         count++) {
        const sm_versus *v = &a->versus[count];
        files[count] = (sm_dot){(double)v->readers, v->files, NAN, NAN};
        shards[count] = (sm_dot){(double)v->readers, v->shards, NAN, NAN};
    }
    const sm_series series[] = {{"shards", SM_SERIES_LINE, SM_COLOUR_SHARDS, shards, count},
                                {"image files", SM_SERIES_LINE, SM_COLOUR_FILES, files, count}};
    sm_put(p, "<p class=\"note\">Images a second, geometric means over the settings that both were "
              "measured at, each at "
              "its best size of reads; the interval is of the ratio.</p>\n"
              "<div class=\"pair\"><figure>\n");
    sm_chart_draw(
        p, &(sm_chart){
               .title = "Image files against shards, by readers",
               .description = "Two lines; the numbers are in the table beside it.",
               .x = {.label = "readers", .log = true, .ticks_at_values = true, .show = sm_show},
               .y = {.label = "images a second",
                     .log = wide_range(series, 2),
                     .from_zero = true,
                     .show = sm_show},
               .series = series,
               .count = 2});
    sm_put(p, "</figure>\n<div>");
    put_versus_table(p, a->versus, count);
    sm_put(p, "</div></div></section>\n");
}

void sm_grid_sections(sm_page *p, const sm_analysis *a)
{
    const sm_cell *lines[SM_LINES_MAX];
    const size_t count = sm_lines_of(a, lines);
    if (count == 0) return;
    if (a->varies.readers || a->varies.batch_size || a->varies.read_size || a->varies.batches)
        put_heat(p, a, lines, count);
    put_held(p, a, lines, count, FREE_READERS);
    put_held(p, a, lines, count, FREE_BATCH_SIZE);
    put_versus(p, a);
}
