/*
 * Reports: what measurements say, as sentences, as a page, and as data. Included by shardmill.h.
 */
#ifndef SHARDMILL_REPORT_H
#define SHARDMILL_REPORT_H

#include "shardmill.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sm_report_options {
    const char *title; /* of the page; NULL: one of our own */
    /* Files or URLs to write; NULL: not wanted. Each is whole under its name, or absent. */
    const char *html; /* one page that opens anywhere: no script, nothing loaded */
    const char *csv;  /* a row a trial (RFC 4180) */
    const char *json; /* the analysis, schema shardmill.analysis/1 */
    /* One call for each finding, the one to act on first; may be NULL. */
    void (*on_sentence)(void *user, const char *sentence);
    void *user;
} sm_report_options;

typedef struct sm_report_summary {
    uint64_t runs, trials;
    uint64_t used;     /* trials that count; the others failed or are marked as untrue */
    uint64_t settings; /* different ones among these */
} sm_report_summary;

SM_API void sm_report_options_init(sm_report_options *options);

/*
 * Analyses the results of one or several measurements (files or URLs, JSON Lines of the schema
 * shardmill.measure/1) as one table, and writes what options ask for. SM_ERR_CORRUPT and
 * SM_ERR_FORMAT name file and line. summary may be NULL. The results of one sweep
 * (shardmill.sweep/1) are told alike; for them there is no csv and json.
 */
SM_API sm_status sm_report(sm_report_summary *summary, const char *const *results, size_t count,
                           const sm_report_options *options);

#ifdef __cplusplus
}
#endif
#endif
