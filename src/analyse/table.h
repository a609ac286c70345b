/* The results of `shardmill measure`, read back: JSON Lines of the schema shardmill.measure/1. */
#ifndef SM_ANALYSE_TABLE_H
#define SM_ANALYSE_TABLE_H

#include "core/json.h"
#include "core/status.h"

enum { SM_TRIALS_MAX = 200000, SM_RUNS_MAX = 1000, SM_MARKS_MAX = 8 };

/* Why a trial does not count. */
typedef enum sm_left_out {
    SM_COUNTS,
    SM_LEFT_FAILED,  /* it has an "error" */
    SM_LEFT_CACHE,   /* marked served-from-cache: it did not read what it says */
    SM_LEFT_WARM_UP, /* marked warm-up */
    SM_LEFT_OUTLIER, /* marked outlier */
    SM_LEFT_COUNT
} sm_left_out;

/* Texts are interned: the same text is the same pointer, for the life of the table. Numbers that
 * the row does not tell are not-a-number. */
typedef struct sm_measured {
    const char *source, *format, *order, *cache;
    const char *host, *executor, *error; /* NULL: not told */
    const char *marks[SM_MARKS_MAX];
    size_t mark_count;
    size_t run, file, line; /* indices of run and file; line from 1 */
    uint64_t number;        /* the row's "trial" */
    uint64_t batch_size, batches, readers, read_size, repeat; /* read_size 0: whole files */
    bool decode;
    double step_ms;
    double images, bytes, seconds, reads;
    double first_byte_s, first_batch_s, stall_s;
    double latency_mean, latency_p50, latency_p95, latency_p99, latency_max; /* seconds a read */
    double cpu_user_s, cpu_system_s;
    double device_bytes, socket_bytes, resident_before, resident_after, retries;
    double start_s, end_s;
    sm_left_out left_out;
} sm_measured;

typedef struct sm_run {
    json_t *header; /* the "kind":"run" row */
    size_t file;
} sm_run;

typedef struct sm_results {
    sm_measured *trials;
    size_t count, cap;
    sm_run *runs;
    size_t run_count, run_cap;
    const char **files; /* borrowed from the caller */
    size_t file_count;
    json_t *texts; /* the interned texts, as keys */
} sm_results;

/* Reads several files as one table. What is wrong is told with file and line. The paths must
 * outlive the table; free it in any case. */
sm_status sm_results_read(sm_results *table, const char *const *paths, size_t count);
void sm_results_free(sm_results *table);

/* "served from cache": for people. Never NULL. */
const char *sm_left_out_name(sm_left_out why);

/* Images and bytes a second. */
double sm_measured_rate(const sm_measured *trial);
double sm_measured_bandwidth(const sm_measured *trial);

#endif
