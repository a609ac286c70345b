#include "analyse/analyse.h"
#include "io/io.h"
#include "report/measure_page.h"
#include "report/sweep_page.h"

#include <stdlib.h>
#include <string.h>

enum { EXPORT_MAX = 1 << 30, SENTENCE_MAX = 8192 };

void sm_report_options_init(sm_report_options *options)
{
    *options = (sm_report_options){0};
}

static sm_status write_page(const sm_analysis *a, const sm_report_options *options)
{
    sm_page page;
    sm_page_init(&page);
    sm_measure_page(&page, a, options->title);
    sm_status status = page.status;
    if (status == SM_OK) status = sm_io_write_file(options->html, page.out.data, page.out.len);
    sm_page_free(&page);
    return status;
}

static sm_status write_csv(const sm_analysis *a, const char *path)
{
    sm_buf csv;
    sm_buf_init(&csv, EXPORT_MAX);
    sm_status status = sm_trials_csv(&csv, a->table);
    if (status == SM_OK) status = sm_io_write_file(path, csv.data, csv.len);
    sm_buf_free(&csv);
    return status;
}

static sm_status write_json(const sm_analysis *a, const char *path)
{
    sm_buf json;
    sm_buf_init(&json, EXPORT_MAX);
    sm_status status = sm_analysis_json(&json, a);
    if (status == SM_OK) status = sm_io_write_file(path, json.data, json.len);
    sm_buf_free(&json);
    return status;
}

static void tell(const sm_analysis *a, const sm_report_options *options)
{
    const char *at = (const char *)a->words.data;
    for (size_t left = a->words.len; left > 0;) {
        char sentence[SENTENCE_MAX];
        size_t len = (size_t)((const char *)memchr(at, '\n', left) - at);
        size_t kept = len < sizeof sentence ? len : sizeof sentence - 1;
        memcpy(sentence, at, kept);
        sentence[kept] = '\0';
        options->on_sentence(options->user, sentence);
        at += len + 1;
        left -= len + 1;
    }
}

static sm_status deliver(sm_report_summary *summary, const sm_analysis *a,
                         const sm_report_options *options)
{
    sm_status status = SM_OK;
    if (options->csv != NULL) status = write_csv(a, options->csv);
    if (status == SM_OK && options->json != NULL) status = write_json(a, options->json);
    if (status == SM_OK && options->html != NULL) status = write_page(a, options);
    if (status == SM_OK && options->on_sentence != NULL) tell(a, options);
    if (status == SM_OK && summary != NULL)
        *summary = (sm_report_summary){.runs = a->table->run_count,
                                       .trials = a->table->count,
                                       .used = a->used,
                                       .settings = a->cell_count};
    return status;
}

/* The results of a sweep: sentences and a page. */
static sm_status report_sweep(sm_report_summary *summary, const char *path,
                              const sm_report_options *options)
{
    sm_sweep sweep;
    sm_page page;
    sm_page_init(&page);
    sm_status status = sm_sweep_read(&sweep, path);
    if (status == SM_OK && (options->csv != NULL || options->json != NULL))
        status = sm_fail(SM_ERR_USAGE,
                         "--csv and --json are of measurements; '%s' is of a sweep, "
                         "and JSON Lines already",
                         path);
    if (status == SM_OK && options->html != NULL) {
        sm_sweep_page(&page, &sweep, options->title);
        status = page.status;
        if (status == SM_OK) status = sm_io_write_file(options->html, page.out.data, page.out.len);
    }
    if (status == SM_OK && options->on_sentence != NULL)
        status = sm_sweep_words(&sweep, options->on_sentence, options->user);
    if (status == SM_OK && summary != NULL)
        *summary = (sm_report_summary){.runs = 1, .settings = json_array_size(sweep.rows)};
    sm_page_free(&page);
    sm_sweep_free(&sweep);
    return status;
}

sm_status sm_report(sm_report_summary *summary, const char *const *results, size_t count,
                    const sm_report_options *options)
{
    if (count == 0) return sm_fail(SM_ERR_USAGE, "no results to report on");
    if (count == 1 && sm_is_sweep(results[0])) return report_sweep(summary, results[0], options);
    sm_results table;
    sm_analysis analysis = {0};
    sm_status status = sm_results_read(&table, results, count);
    if (status == SM_OK) status = sm_analyse(&analysis, &table);
    if (status == SM_OK) status = deliver(summary, &analysis, options);
    sm_analysis_free(&analysis);
    sm_results_free(&table);
    return status;
}
