#include "report/chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 640, HEIGHT = 340, LEFT = 80, RIGHT = 16, TOP = 14, BOTTOM = 50 };
enum { TICKS_MAX = 14, TEXT_MAX = 40 };

typedef struct scale {
    double low, high;  /* of values */
    double begin, end; /* of pixels */
    bool log;
    double ticks[TICKS_MAX];
    size_t tick_count;
} scale;

static double place(const scale *s, double value)
{
    double share = s->log ? (log(value) - log(s->low)) / (log(s->high) - log(s->low))
                          : (value - s->low) / (s->high - s->low);
    return s->begin + share * (s->end - s->begin);
}

static bool fits(double value, bool log_axis)
{
    return isfinite(value) && (!log_axis || value > 0);
}

/* ---- Ranges and ticks */

static void widen(scale *s, double value)
{
    if (!fits(value, s->log)) return;
    s->low = fmin(s->low, value);
    s->high = fmax(s->high, value);
}

/* Gives every scale some width, and air at its ends. */
static void finish_range(scale *s, bool from_zero)
{
    if (!(s->low <= s->high)) {
        s->low = s->log ? 1 : 0;
        s->high = s->log ? 10 : 1;
    }
    if (s->log) {
        double air = fmax(1.08, exp(0.04 * (log(s->high) - log(s->low))));
        s->low /= air;
        s->high *= air;
        return;
    }
    if (from_zero) s->low = fmin(0, s->low);
    double air = 0.05 * (s->high - s->low);
    if (!(air > 0)) air = s->high == 0 ? 1 : fabs(s->high) * 0.1;
    s->high += air;
    if (!from_zero || s->low < 0) s->low -= air;
}

static void add_tick(scale *s, double value)
{
    const double slack = 1e-9 * fabs(s->high - s->low);
    if (value >= s->low - slack && value <= s->high + slack && s->tick_count < TICKS_MAX)
        s->ticks[s->tick_count++] = value;
}

/* At 1, 2 or 5 times a power of ten. */
static void linear_ticks(scale *s)
{
    double rough = (s->high - s->low) / 5, power = pow(10, floor(log10(rough)));
    double step = rough / power > 5   ? 10 * power
                  : rough / power > 2 ? 5 * power
                  : rough / power > 1 ? 2 * power
                                      : power;
    const double first = ceil(s->low / step);
    for (int k = 0; k < TICKS_MAX && (first + k) * step <= s->high; k++)
        add_tick(s, (first + k) * step);
}

static void log_ticks(scale *s)
{
    const double decades = log10(s->high) - log10(s->low);
    const int step = decades > 10 ? (int)(decades / 6) : 1;
    for (int k = (int)floor(log10(s->low)); k <= (int)ceil(log10(s->high)); k += step) {
        add_tick(s, pow(10, k));
        if (decades < 1.2 || (decades < 4 && decades >= 1.2)) {
            if (decades < 3) add_tick(s, 2 * pow(10, k));
            add_tick(s, (decades < 3 ? 5 : 3) * pow(10, k));
        }
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A tick at each value of x, if they are few and far enough from each other to be read. */
static bool value_ticks(scale *s, const sm_chart *chart)
{
    double values[TICKS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < chart->count; i++)
        for (size_t k = 0; k < chart->series[i].count; k++) {
            double x = chart->series[i].dots[k].x;
            size_t at = 0;
            while (at < count && values[at] != x) at++;
            if (at < count || !fits(x, s->log)) continue;
            if (count == TICKS_MAX) return false;
            values[count++] = x;
        }
    qsort(values, count, sizeof *values, by_value);
    for (size_t i = 0; i < count; i++)
        if (s->tick_count == 0 || place(s, values[i]) - place(s, s->ticks[s->tick_count - 1]) > 34)
            add_tick(s, values[i]);
    return count > 0;
}

static void find_scales(scale *x, scale *y, const sm_chart *chart)
{
    *x = (scale){INFINITY, -INFINITY, LEFT, WIDTH - RIGHT, chart->x.log, {0}, 0};
    *y = (scale){INFINITY, -INFINITY, HEIGHT - BOTTOM, TOP, chart->y.log, {0}, 0};
    for (size_t i = 0; i < chart->count; i++)
        for (size_t k = 0; k < chart->series[i].count; k++) {
            const sm_dot *dot = &chart->series[i].dots[k];
            if (!fits(dot->x, x->log) || !fits(dot->y, y->log)) continue;
            widen(x, dot->x);
            widen(y, dot->y);
            widen(y, dot->low);
            widen(y, dot->high);
        }
    finish_range(x, chart->x.from_zero);
    finish_range(y, chart->y.from_zero);
    if (!chart->x.ticks_at_values || !value_ticks(x, chart)) {
        if (x->log)
            log_ticks(x);
        else
            linear_ticks(x);
    }
    if (y->log)
        log_ticks(y);
    else
        linear_ticks(y);
}

/* ---- Drawing */

static unsigned begin_svg(sm_page *p, int width, int height, const char *title,
                          const char *description)
{
    unsigned id = ++p->ids;
    sm_putf(p, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"t%u d%u\">\n", width,
            height, id, id);
    sm_putf(p, "<title id=\"t%u\">%s</title>", id, title);
    sm_putf(p, "<desc id=\"d%u\">", id);
    sm_put(p, description);
    sm_put(p, "</desc>\n");
    return id;
}

static void draw_axes(sm_page *p, const scale *x, const scale *y, const sm_chart *chart)
{
    char text[TEXT_MAX];
    for (size_t i = 0; i < y->tick_count; i++) {
        double at = place(y, y->ticks[i]);
        sm_putf(p, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, at, WIDTH - RIGHT);
        sm_putf(p, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", LEFT - 8, at + 4,
                chart->y.show(text, y->ticks[i]));
    }
    for (size_t i = 0; i < x->tick_count; i++) {
        double at = place(x, x->ticks[i]);
        sm_putf(p, "<path class=\"grid\" d=\"M%.1f %dv5\"/>", at, HEIGHT - BOTTOM);
        sm_putf(p, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", at,
                HEIGHT - BOTTOM + 19, chart->x.show(text, x->ticks[i]));
    }
    sm_putf(p, "<path class=\"grid zero\" d=\"M%d %dH%d\"/>", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT);
    if (chart->zero_line && y->low < 0 && y->high > 0)
        sm_putf(p, "<path class=\"grid zero\" d=\"M%d %.1fH%d\"/>", LEFT, place(y, 0),
                WIDTH - RIGHT);
    sm_putf(p, "<text class=\"label\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>",
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, chart->x.label);
    sm_putf(p,
            "<text class=\"label\" transform=\"translate(13 %d) rotate(-90)\" "
            "text-anchor=\"middle\">%s</text>\n",
            (TOP + HEIGHT - BOTTOM) / 2, chart->y.label);
}

/* A circle, square, triangle or diamond. */
static void draw_shape(sm_page *p, unsigned colour, double x, double y, double r)
{
    switch (colour % 4) {
    case 0: sm_putf(p, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\">", x, y, r); break;
    case 1:
        sm_putf(p, "<path class=\"dot\" d=\"M%.1f %.1fh%.1fv%.1fh-%.1fz\">", x - r, y - r, 2 * r,
                2 * r, 2 * r);
        break;
    case 2:
        sm_putf(p, "<path class=\"dot\" d=\"M%.1f %.1fl%.1f %.1fh-%.1fz\">", x, y - 1.2 * r,
                1.2 * r, 2.1 * r, 2.4 * r);
        break;
    default:
        sm_putf(p, "<path class=\"dot\" d=\"M%.1f %.1fl%.1f %.1fl-%.1f %.1fl-%.1f -%.1fz\">", x,
                y - 1.3 * r, 1.3 * r, 1.3 * r, 1.3 * r, 1.3 * r, 1.3 * r, 1.3 * r);
    }
}

static void end_shape(sm_page *p, unsigned colour)
{
    sm_put(p, colour % 4 == 0 ? "</circle>" : "</path>");
}

static void draw_path(sm_page *p, const sm_series *s, const scale *x, const scale *y)
{
    bool begun = false;
    sm_putf(p, "<path class=\"%s\" d=\"", s->kind == SM_SERIES_MODEL ? "model" : "line");
    for (size_t i = 0; i < s->count; i++) {
        if (!fits(s->dots[i].x, x->log) || !fits(s->dots[i].y, y->log)) continue;
        sm_putf(p, "%s%.1f %.1f", begun ? "L" : "M", place(x, s->dots[i].x),
                place(y, s->dots[i].y));
        begun = true;
    }
    sm_put(p, begun ? "\"/>\n" : "M0 0\"/>\n");
}

static double within(double pixel)
{
    return fmin(fmax(pixel, TOP - 4), HEIGHT - BOTTOM);
}

static void draw_dots(sm_page *p, const sm_series *s, const sm_chart *chart, const scale *x,
                      const scale *y)
{
    char at_x[TEXT_MAX], at_y[TEXT_MAX], low[TEXT_MAX], high[TEXT_MAX];
    const double radius = s->kind == SM_SERIES_LINE ? 4.5 : 3.5;
    const size_t drawn =
        s->kind == SM_SERIES_DOTS && s->count > SM_DOTS_MAX ? SM_DOTS_MAX : s->count;
    for (size_t i = 0; i < drawn; i++) {
        const sm_dot *dot = &s->dots[i * s->count / drawn];
        if (!fits(dot->x, x->log) || !fits(dot->y, y->log)) continue;
        const double px = place(x, dot->x), py = place(y, dot->y);
        const bool has_low = fits(dot->low, y->log), has_high = fits(dot->high, y->log);
        if (has_high) { /* a log axis has no place for an interval's end below 0 */
            double bottom = has_low ? within(place(y, dot->low)) : HEIGHT - BOTTOM;
            double top = within(place(y, dot->high));
            sm_putf(p, "<path class=\"bar\" d=\"M%.1f %.1fV%.1fM%.1f %.1fh8%s", px, bottom, top,
                    px - 4, top, has_low ? "" : "\"/>");
            if (has_low) sm_putf(p, "M%.1f %.1fh8\"/>", px - 4, bottom);
        }
        draw_shape(p, s->colour, px, py, radius);
        sm_put(p, "<title>");
        sm_text_cut(p, s->name, 80);
        sm_putf(p, ": %s at %s", chart->y.show(at_y, dot->y), chart->x.show(at_x, dot->x));
        if (isfinite(dot->low) && isfinite(dot->high))
            sm_putf(p, " (%s to %s)", chart->y.show(low, dot->low), chart->y.show(high, dot->high));
        sm_put(p, "</title>");
        end_shape(p, s->colour);
        sm_put(p, "\n");
    }
}

static void draw_legend(sm_page *p, const sm_chart *chart)
{
    sm_put(p, "<ul class=\"legend\">");
    for (size_t i = 0; i < chart->count; i++) {
        const sm_series *s = &chart->series[i];
        sm_putf(p, "<li><svg viewBox=\"0 0 26 12\" aria-hidden=\"true\"><g class=\"s%u\">",
                s->colour % 8);
        if (s->kind != SM_SERIES_DOTS)
            sm_putf(p, "<path class=\"%s\" d=\"M1 6H25\"/>",
                    s->kind == SM_SERIES_MODEL ? "model" : "line");
        if (s->kind != SM_SERIES_MODEL) {
            draw_shape(p, s->colour, 13, 6, 4.5);
            end_shape(p, s->colour);
        }
        sm_put(p, "</g></svg><bdi>");
        sm_text_cut(p, s->name, 70);
        sm_put(p, "</bdi></li>");
    }
    sm_put(p, "</ul>\n");
}

void sm_chart_draw(sm_page *p, const sm_chart *chart)
{
    scale x, y;
    find_scales(&x, &y, chart);
    begin_svg(p, WIDTH, HEIGHT, chart->title, chart->description);
    draw_axes(p, &x, &y, chart);
    for (size_t i = 0; i < chart->count; i++) {
        const sm_series *s = &chart->series[i];
        sm_putf(p, "<g class=\"s%u%s\">", s->colour % 8,
                s->kind == SM_SERIES_DOTS && s->count > 100 ? " faint" : "");
        if (s->kind != SM_SERIES_DOTS) draw_path(p, s, &x, &y);
        if (s->kind != SM_SERIES_MODEL) draw_dots(p, s, chart, &x, &y);
        sm_put(p, "</g>\n");
    }
    sm_put(p, "</svg>\n");
    draw_legend(p, chart);
}

/* ---- Heat maps */

/* Viridis (by van der Walt and Smith, CC0) between five of its stops. */
static void heat_colour(int rgb[3], double share)
{
    static const int stops[5][3] = {
        {68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {253, 231, 37}};
    double at = fmin(fmax(share, 0), 1) * 4;
    int stop = at >= 4 ? 3 : (int)at;
    for (int i = 0; i < 3; i++)
        rgb[i] = (int)lround(stops[stop][i] + (at - stop) * (stops[stop + 1][i] - stops[stop][i]));
}

void sm_heat_draw(sm_page *p, const sm_heat *h)
{
    enum { CELL = 30, HEAD = 8, FOOT = 44, SIDE = 74, ACROSS = 420 };
    const int height = HEAD + (int)h->rows * CELL + FOOT;
    const double width = (ACROSS - SIDE - 4.0) / (double)h->columns;
    const bool narrow = width < 40;
    char text[TEXT_MAX], x_text[TEXT_MAX], y_text[TEXT_MAX];
    begin_svg(p, ACROSS, height, h->title,
              "A cell for each setting, coloured from slow (dark) to fast (light).");
    for (size_t r = 0; r < h->rows; r++) {
        const double top = HEAD + (double)(h->rows - 1 - r) * CELL; /* more is higher */
        sm_putf(p, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", SIDE - 8,
                top + CELL / 2.0 + 4, h->show_y(y_text, h->y[r]));
        for (size_t c = 0; c < h->columns; c++) {
            const double value = h->values[r * h->columns + c], left = SIDE + (double)c * width;
            if (!isfinite(value)) continue;
            int rgb[3];
            double share = !(h->high > h->low) ? 1
                           : h->log            ? log(value / h->low) / log(h->high / h->low)
                                               : (value - h->low) / (h->high - h->low);
            heat_colour(rgb, share);
            const bool dark = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] < 130;
            sm_putf(p,
                    "<rect class=\"heat\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" "
                    "fill=\"#%02x%02x%02x\"><title>",
                    left + 1, top + 1, width - 2, CELL - 2, (unsigned)rgb[0], (unsigned)rgb[1],
                    (unsigned)rgb[2]);
            sm_putf(p, "%s %s, %s %s: %s</title></rect>", h->show_x(x_text, h->x[c]), h->x_label,
                    h->show_y(y_text, h->y[r]), h->y_label, h->show(text, value));
            sm_putf(p,
                    "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" pointer-events=\"none\" "
                    "style=\"fill:%s;font-size:%spx\">%s</text>\n",
                    left + width / 2, top + CELL / 2.0 + 4, dark ? "#fff" : "#000",
                    narrow ? "9" : "12", h->show(text, value));
        }
    }
    for (size_t c = 0; c < h->columns; c++)
        sm_putf(
            p,
            "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" style=\"font-size:%spx\">%s</text>",
            SIDE + ((double)c + 0.5) * width, height - FOOT + 16, narrow ? "9" : "12",
            h->show_x(x_text, h->x[c]));
    sm_putf(p, "<text class=\"label\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>",
            (ACROSS + SIDE) / 2, height - 8, h->x_label);
    sm_putf(p,
            "<text class=\"label\" transform=\"translate(13 %d) rotate(-90)\" "
            "text-anchor=\"middle\">%s</text>\n</svg>\n",
            (height - FOOT + HEAD) / 2, h->y_label);
}

/* ---- Strips */

void sm_strip_draw(sm_page *p, unsigned colour, const double *values, size_t count, double low,
                   double high)
{
    enum { LONG = 180, TALL = 18 };
    const scale s = {low, high, 8, LONG - 8, true, {0}, 0};
    double least = INFINITY, most = 0;
    for (size_t i = 0; i < count; i++)
        if (fits(values[i], true)) {
            least = fmin(least, values[i]);
            most = fmax(most, values[i]);
        }
    sm_putf(p, "<svg viewBox=\"0 0 %d %d\" aria-hidden=\"true\"><g class=\"s%u\">", LONG, TALL,
            colour % 8);
    if (most > 0 && high > low) {
        sm_putf(p, "<path class=\"bar\" d=\"M%.1f 9H%.1f\"/>", place(&s, least), place(&s, most));
        for (size_t i = 0; i < count; i++)
            if (fits(values[i], true))
                sm_putf(p, "<circle class=\"dot\" cx=\"%.1f\" cy=\"9\" r=\"%s\"/>",
                        place(&s, values[i]), i == 0 ? "5" : "3");
    }
    sm_put(p, "</g></svg>");
}

/* ---- Timelines */

void sm_timeline_draw(sm_page *p, const char *title, const char *const *rows, size_t row_count,
                      const sm_span *spans, size_t count)
{
    enum { ROW = 24, SIDE = 130, FOOT = 44, HEAD = 6, ACROSS = 900 };
    const int height = HEAD + (int)row_count * ROW + FOOT;
    scale x = {0, 0, SIDE, ACROSS - 10, false, {0}, 0};
    char text[TEXT_MAX];
    for (size_t i = 0; i < count; i++) x.high = fmax(x.high, spans[i].end);
    if (!(x.high > 0)) x.high = 1;
    linear_ticks(&x);
    begin_svg(p, ACROSS, height, title, "A row for each executor, a bar for each trial.");
    for (size_t i = 0; i < x.tick_count; i++) {
        double at = place(&x, x.ticks[i]);
        sm_putf(p, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>", at, HEAD, height - FOOT);
        snprintf(text, sizeof text, "%.4g", x.ticks[i]);
        sm_putf(p, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", at,
                height - FOOT + 18, text);
    }
    for (size_t r = 0; r < row_count; r++) {
        sm_putf(p, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", SIDE - 8,
                HEAD + (int)r * ROW + 16);
        sm_text_cut(p, rows[r], 18);
        sm_put(p, "</text>\n");
    }
    for (size_t i = 0; i < count; i++) {
        double begin = place(&x, spans[i].begin), end = place(&x, spans[i].end);
        sm_putf(p,
                "<g class=\"s%u\"><rect class=\"fill\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" "
                "height=\"%d\" rx=\"2\"><title>%.3f s to %.3f s</title></rect></g>\n",
                spans[i].colour % 8, begin, HEAD + (int)spans[i].row * ROW + 4,
                fmax(1, end - begin - 1), ROW - 8, spans[i].begin, spans[i].end);
    }
    sm_putf(p, "<text class=\"label\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">seconds</text>",
            (ACROSS + SIDE) / 2, height - 6);
    sm_put(p, "</svg>\n");
}
