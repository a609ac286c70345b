/* HTML in a buffer. The first failure sticks, and is told at the end, so that pages read as pages.
 */
#ifndef SM_REPORT_PAGE_H
#define SM_REPORT_PAGE_H

#include "core/buf.h"
#include "core/status.h"

typedef struct sm_page {
    sm_buf out;
    sm_status status;
    unsigned ids; /* given out for labels */
} sm_page;

void sm_page_init(sm_page *page);
void sm_page_free(sm_page *page);

/* Markup of ours. What is formatted in must be numbers or our own words. */
void sm_put(sm_page *page, const char *markup);
void sm_putf(sm_page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Anybody's text, escaped for content and for quoted attributes; what is no UTF-8, or a control
 * character, becomes U+FFFD. NULL is a dash. */
void sm_text(sm_page *page, const char *text);
/* The same, cut in its middle to most characters. */
void sm_text_cut(sm_page *page, const char *text, size_t most);

/* The whole document around a body. title is anybody's text. */
void sm_page_begin(sm_page *page, const char *title);
void sm_page_end(sm_page *page);

/* ---- Tables. A column whose heading begins with '#' holds numbers. */
void sm_table_begin(sm_page *page, const char *caption, const char *const *headings, size_t count);
void sm_table_end(sm_page *page);
void sm_cell_text(sm_page *page, const char *text);   /* anybody's */
void sm_cell_number(sm_page *page, const char *text); /* ours */

#endif
