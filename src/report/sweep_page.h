/* The page about a sweep: one job on several clusters. */
#ifndef SM_REPORT_SWEEP_PAGE_H
#define SM_REPORT_SWEEP_PAGE_H

#include "report/page.h"

#include <jansson.h>

/* A sweep's results: its head, and the row of each configuration that was run. */
typedef struct sm_sweep {
    json_t *head, *rows;
} sm_sweep;

/* Whether the file at path begins as the results of a sweep do. */
bool sm_is_sweep(const char *path);

/* SM_ERR_CORRUPT names file and line. Freed by the caller in any case. */
sm_status sm_sweep_read(sm_sweep *sweep, const char *path);
void sm_sweep_free(sm_sweep *sweep);

/* One sentence for each finding; the one to act on first. */
sm_status sm_sweep_words(const sm_sweep *sweep, void (*tell)(void *user, const char *sentence),
                         void *user);

void sm_sweep_page(sm_page *page, const sm_sweep *sweep, const char *title);

#endif
