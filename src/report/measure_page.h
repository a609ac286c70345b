/* The page about measurements. */
#ifndef SM_REPORT_MEASURE_PAGE_H
#define SM_REPORT_MEASURE_PAGE_H

#include "analyse/analyse.h"
#include "report/page.h"

/* title: anybody's text. */
void sm_measure_page(sm_page *page, const sm_analysis *analysis, const char *title);

/* Its sections. */
void sm_grid_sections(sm_page *page, const sm_analysis *a);      /* measure_grid.c */
void sm_latency_sections(sm_page *page, const sm_analysis *a);   /* measure_latency.c */
void sm_regression_section(sm_page *page, const sm_analysis *a); /* measure_regression.c */
void sm_evidence_sections(sm_page *page, const sm_analysis *a);  /* measure_evidence.c */

/* The fastest cell of each format and source under the first condition, the fastest first; how
 * many. */
enum { SM_LINES_MAX = 8, SM_COLOUR_SHARDS = 0, SM_COLOUR_FILES = 1, SM_COLOUR_OTHER = 7 };
size_t sm_lines_of(const sm_analysis *a, const sm_cell *lines[SM_LINES_MAX]);
/* The colour of one of them: image files have the same in every chart, and so have shards. */
unsigned sm_line_colour(const sm_cell *const *lines, size_t line);
/* "TFRecord shards", or with the source where a format has several. */
void sm_line_name(char name[SM_NAME_LEN], const sm_analysis *a, const sm_measured *t);

#endif
