/*
 * Charts as SVG within the page: drawn here, once, so that the page needs no script, prints as it
 * looks, and opens wherever HTML does. Colours come from the page's style. Names of series are
 * anybody's text; titles, labels and descriptions are ours.
 */
#ifndef SM_REPORT_CHART_H
#define SM_REPORT_CHART_H

#include "report/page.h"

typedef const char *sm_show_fn(char text[40], double value);

typedef struct sm_dot {
    double x, y;
    double low, high; /* of y's interval; not-a-number: none */
} sm_dot;

typedef enum sm_series_kind {
    SM_SERIES_LINE,  /* dots joined, with their intervals */
    SM_SERIES_DOTS,  /* dots alone */
    SM_SERIES_MODEL, /* a dashed line alone */
} sm_series_kind;

typedef struct sm_series {
    const char *name;
    sm_series_kind kind;
    unsigned colour; /* 0 to 7; also its shape */
    const sm_dot *dots;
    size_t count;
} sm_series;

typedef struct sm_axis {
    const char *label;
    bool log;             /* only where every value is above 0 */
    bool from_zero;       /* of a linear axis */
    bool ticks_at_values; /* of x: a tick at each value, when they are few */
    sm_show_fn *show;
} sm_axis;

typedef struct sm_chart {
    const char *title, *description; /* for those who cannot see it */
    sm_axis x, y;
    bool zero_line; /* y = 0 stands out */
    const sm_series *series;
    size_t count;
} sm_chart;

/* Dots that are not finite, or not above 0 on a log axis, are left out; of a series of more than
 * SM_DOTS_MAX dots that are not joined, evenly taken ones are drawn. */
enum { SM_DOTS_MAX = 2000 };
void sm_chart_draw(sm_page *page, const sm_chart *chart);

/* A map of colour: values[row * columns + column], not-a-number where nothing was measured. low and
 * high are the ends of the scale, so that several maps can share one. */
typedef struct sm_heat {
    const char *title, *x_label, *y_label;
    const double *x, *y; /* the values of columns and rows */
    size_t columns, rows;
    const double *values;
    double low, high;
    bool log;
    sm_show_fn *show_x, *show_y, *show;
} sm_heat;
void sm_heat_draw(sm_page *page, const sm_heat *heat);

/* A strip in a table: dots at up to four values on a log scale from low to high. */
void sm_strip_draw(sm_page *page, unsigned colour, const double *values, size_t count, double low,
                   double high);

/* Bars along time, one row each. */
typedef struct sm_span {
    size_t row;
    double begin, end; /* seconds */
    unsigned colour;
} sm_span;
void sm_timeline_draw(sm_page *page, const char *title, const char *const *rows, size_t row_count,
                      const sm_span *spans, size_t count);

#endif
