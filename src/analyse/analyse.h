/*
 * What a table of trials says: cells, regressions, the model of latency, files against shards, and
 * which setting to use. Everything is computed here; tables, pages and sentences are views of it.
 */
#ifndef SM_ANALYSE_ANALYSE_H
#define SM_ANALYSE_ANALYSE_H

#include "analyse/regress.h"
#include "analyse/stats.h"
#include "analyse/table.h"

/* ---- Cells: trials of equal settings */

typedef struct sm_cell {
    const sm_measured *first;    /* the settings */
    size_t begin, count;         /* its trials: sm_analysis.order[begin] and on */
    sm_summary rate;             /* images a second */
    sm_summary bandwidth;        /* bytes a second */
    double p50, p95, p99, max;   /* seconds a read, means over the trials; max: the largest */
    double cpu;                  /* CPU seconds a second */
    double first_batch_s, stall; /* seconds; share of the time */
    double p_best; /* that its true rate is the highest under its conditions; NaN: not told */
} sm_cell;

/* What is not free to choose: how the cache was, whether pictures were decoded, the step. */
typedef struct sm_condition {
    const sm_measured *like;
    size_t begin, cells; /* sm_analysis.cells[begin] and on */
    size_t best;         /* a cell */
    size_t thrifty;      /* one with fewer readers that is not told apart from best; else best */
    double spread;       /* standard deviation of log rate within cells, pooled; NaN: no repeats */
    double df;           /* of spread */
} sm_condition;

/* ---- Throughput by regression */

typedef enum sm_model { SM_MODEL_PLAIN, SM_MODEL_PRODUCT, SM_MODEL_LOG, SM_MODEL_COUNT } sm_model;

enum { SM_NAME_LEN = 160 };

typedef struct sm_term {
    char name[SM_NAME_LEN];
    const char *dropped; /* why it is not in the fit; NULL: it is */
} sm_term;

typedef struct sm_regression {
    bool fitted;
    char reason[SM_ERROR_MAX]; /* why not */
    sm_term *terms;            /* the intercept first */
    size_t term_count;
    size_t *columns; /* fit.kept[j] is the term columns[fit.kept[j]] */
    sm_ols fit;
    double aicc; /* of images/s, also for the logarithmic model, so that they compare */
} sm_regression;

/* ---- Latency: seconds a read = max(a + b * bytes, readers * bytes / ceiling,
 *                                   readers / request_ceiling) */

typedef struct sm_estimate {
    double value, low, high; /* 95%; NaN: not told */
} sm_estimate;

typedef struct sm_latency {
    char storage[SM_NAME_LEN]; /* where: scheme and bucket, or the mount */
    const char *cache, *order;
    size_t trials;
    bool is_line;  /* read sizes differ enough to tell a from b; else a is the latency at size */
    sm_estimate a; /* seconds until the first byte */
    sm_estimate b; /* seconds a byte: 1 / bandwidth of one stream */
    bool has_ceiling;
    sm_estimate ceiling; /* bytes a second, all readers together; else value is the most seen */
    bool has_request_ceiling;
    sm_estimate request_ceiling; /* reads a second, all readers together; where there is one */
    double size;                 /* median bytes a read */
    double most_readers;
    double typical_error; /* median of |measured / model - 1| */
    double busy;          /* CPU share of the machine at the ceilings; NaN */
    size_t begin;         /* its points: sm_analysis.points[begin] and on, trials of them */
} sm_latency;

/* Which term of the model is the largest. */
typedef enum sm_bound { SM_BOUND_ALONE, SM_BOUND_BYTES, SM_BOUND_REQUESTS, SM_BOUNDS } sm_bound;

typedef struct sm_point {
    double size, readers, latency; /* bytes a read, readers, seconds a read */
    double bandwidth;              /* bytes a second, all readers, as measured */
    double busy;                   /* share of the machine's CPUs; NaN */
    sm_bound bound;
} sm_point;

/* ---- Files against shards, by readers */

typedef struct sm_versus {
    const sm_measured *like; /* conditions */
    uint64_t readers;
    size_t blocks;        /* equal settings measured on both sides */
    double files, shards; /* images a second: geometric means over the blocks */
    sm_estimate ratio;    /* shards / files */
} sm_versus;

/* ---- Executors: overlaps[n] is the time during which n trials were under way at once */

typedef struct sm_overlap {
    double seconds;
    double images, bytes; /* read meanwhile, all together */
} sm_overlap;

/* Which settings are not the same in all cells. */
typedef struct sm_varying {
    bool source, order, read_size, readers, batch_size, batches;
} sm_varying;

typedef struct sm_analysis {
    const sm_results *table;
    size_t used, left[SM_LEFT_COUNT]; /* trials that count; trials that do not, by reason */
    sm_varying varies;
    const sm_measured **order; /* the trials that count, cell by cell */
    sm_cell *cells;
    size_t cell_count;
    sm_condition *conditions; /* the most telling one first: cold, direct, then warm */
    size_t condition_count;
    sm_regression models[SM_MODEL_COUNT];
    int chosen; /* of models; -1: none could be fitted */
    sm_latency *latencies;
    size_t latency_count;
    sm_point *points;
    size_t point_count;
    sm_versus *versus;
    size_t versus_count;
    sm_overlap *overlaps; /* of the run overlap_run, by trials at once */
    size_t overlap_count, overlap_run;
    sm_buf words; /* sentences, each ending in '\n'; the first is the one to act on */
} sm_analysis;

/* table must outlive analysis. Free it in any case. A table without a trial that counts is analysed
 * too, and the words say so. */
sm_status sm_analyse(sm_analysis *analysis, const sm_results *table);
void sm_analysis_free(sm_analysis *analysis);

/* The parts, in their order; each adds to analysis. */
sm_status sm_find_cells(sm_analysis *analysis);
sm_status sm_compare_formats(sm_analysis *analysis);
sm_status sm_fit_throughput(sm_analysis *analysis);
sm_status sm_fit_latency(sm_analysis *analysis);
sm_status sm_find_overlaps(sm_analysis *analysis);
sm_status sm_find_words(sm_analysis *analysis);

bool sm_is_files(const sm_measured *trial);  /* image files, not shards */
bool sm_is_placed(const sm_measured *trial); /* of an executor, with its place in time */
bool sm_same_condition(const sm_measured *a, const sm_measured *b);
const char *sm_model_name(sm_model model);

/* The model's seconds a read. */
double sm_latency_at(const sm_latency *latency, double size, double readers);

/* "TFRecord shards, 8 readers, batches of 64": the settings that vary. */
sm_status sm_setting_words(sm_buf *words, const sm_analysis *analysis, const sm_measured *setting);
/* "cold", "warm, decoded": for people. */
sm_status sm_condition_words(sm_buf *words, const sm_measured *like);
const char *sm_format_words(const char *format);

/* ---- Views */
sm_status sm_analysis_json(sm_buf *json, const sm_analysis *analysis);
/* RFC 4180: a row a trial, also those left out, with the reason. */
sm_status sm_trials_csv(sm_buf *csv, const sm_results *table);

#endif
