/*
 * shardmill measure: how fast storage feeds pictures and shards back, and where the bytes came
 * from.
 *
 * A measurement is a grid of trials. A trial reads batch_size x batches pictures of one source with
 * some number of readers, times it, and keeps the evidence: what the device or the socket gave,
 * what lay in the page cache before and after, CPU time, latency of every read. It only reads.
 *
 * Included by shardmill.h.
 */
#ifndef SHARDMILL_MEASURE_H
#define SHARDMILL_MEASURE_H

#include "shardmill.h"

#ifdef __cplusplus
extern "C" {
#endif

/* auto: told from the names (and of a single file from its content). */
typedef enum sm_measure_format {
    SM_MEASURE_AUTO,
    SM_MEASURE_FILES,      /* one picture a file */
    SM_MEASURE_TFRECORD,   /* shards of records, plain */
    SM_MEASURE_WEBDATASET, /* shards that are tar files; their members that are pictures count */
    SM_MEASURE_FORMATS
} sm_measure_format;

/* sequential: by name. shuffled: picture files, or whole shards (not the records within). Both
 * begin at a place drawn from the seed, so that trials do not all meet the same files. */
typedef enum sm_measure_order {
    SM_MEASURE_SEQUENTIAL,
    SM_MEASURE_SHUFFLED,
    SM_MEASURE_ORDERS
} sm_measure_order;

/*
 * cold    what the page cache holds of these files is dropped before (of a store: nothing is kept
 * on this side; what the server keeps nobody knows) warm    what the trial reads is read once
 * before, untimed direct  around the page cache, by O_DIRECT; local files alone
 */
typedef enum sm_measure_cache {
    SM_MEASURE_COLD,
    SM_MEASURE_WARM,
    SM_MEASURE_DIRECT,
    SM_MEASURE_CACHES
} sm_measure_cache;

/* Of local files. auto: io_uring when cold or direct, threads when warm, where reading is copying.
 */
typedef enum sm_measure_engine {
    SM_MEASURE_ENGINE_AUTO,
    SM_MEASURE_URING,
    SM_MEASURE_THREADS,
    SM_MEASURE_ENGINES
} sm_measure_engine;

/* "files", "shuffled", "cold", "uring", …: the words of the results. NULL past the last. */
SM_API const char *sm_measure_format_name(int format);
SM_API const char *sm_measure_order_name(int order);
SM_API const char *sm_measure_cache_name(int cache);
SM_API const char *sm_measure_engine_name(int engine);

/* What a trial does. */
typedef struct sm_measure_trial {
    const char *source; /* as given by the caller */
    sm_measure_format format;
    sm_measure_order order;
    sm_measure_cache cache;
    sm_measure_engine engine;
    uint32_t batch_size, batches, readers;
    uint64_t read_size; /* bytes asked for at once; 0: whole files or shards */
    uint32_t cell;      /* which combination of the grid; its repeats share it */
    uint32_t repeat;    /* 0-based */
    uint32_t index;     /* in the order of execution */
    uint64_t seed;
    double seconds; /* stop after so many; 0: no limit */
    bool one_round; /* stop when every file or shard was read once, also when more was asked for */
    /* of trials on other machines */
    uint32_t members, member; /* how many start together, and which of them; 0: none do */
    double start_at;          /* when to begin, seconds since 1970; 0: at once */
    /* --decode */
    bool decode;
    uint32_t image_size; /* of the square that pictures are decoded to */
    double step_ms;      /* of pretended compute a batch */
} sm_measure_trial;

/* What must be known of a row before it is believed. */
enum {
    SM_MARK_SERVED_FROM_CACHE = 1,  /* cold or direct, but the bytes did not come from a device */
    SM_MARK_SERVED_FROM_DEVICE = 2, /* warm, but a tenth or more came from the device */
    SM_MARK_WARM_UP = 4,            /* the cell's first trial, an outlier: something warmed up */
    SM_MARK_OUTLIER = 8,            /* far from the cell's median */
    SM_MARK_SHORT = 16,             /* ended by seconds, before all that was to be read was */
    SM_MARK_WRAPPED = 32,           /* went more than once around the source */
    SM_MARK_IDLE_READERS = 64,      /* fewer shards than readers: some had nothing to do */
    SM_MARK_CACHE_UNKNOWN = 128,    /* the file system does not tell where its bytes come from */
    SM_MARKS = 8
};

/* The word for mark number i ("served-from-cache" is 0's); NULL past the last. */
SM_API const char *sm_measure_mark_name(int i);

/* What came of it. Where a value could not be had, -1. */
typedef struct sm_measure_row {
    sm_measure_trial trial;
    sm_status status; /* not SM_OK: error tells why, and nothing below was measured */
    char error[512];
    uint64_t images; /* read whole, in full or (when short) begun batches */
    uint64_t bytes;  /* that reads gave: of shards also what lay beside the pictures */
    double rounds;   /* bytes in units of the source's */
    double seconds, first_byte_s, first_batch_s;
    uint64_t reads; /* requests; the first of a file holds its opening */
    double latency_mean, latency_p50, latency_p95, latency_p99, latency_max; /* seconds a read */
    double cpu_user_s, cpu_system_s;
    int64_t device_bytes; /* that the kernel fetched for this process */
    int64_t socket_bytes; /* of bodies and headers that came, without TLS and TCP */
    double resident_before, resident_after; /* share of what was read that the page cache held */
    uint64_t retries;
    double stall_s;     /* that the consumer waited for batches, the first left out */
    double blocked_s;   /* that full batches waited for the consumer, nothing else could be done */
    uint64_t undecoded; /* pictures that failed to decode; others took their places */
    sm_measure_engine engine;    /* that was used; AUTO: a store's */
    char host[65], executor[65]; /* "": not told */
    double start_s, end_s;       /* since the run began, by the wall clock */
    uint32_t marks;
} sm_measure_row;

/* What is known of a source. */
typedef struct sm_measure_source {
    char *source;
    sm_measure_format format;
    uint64_t objects, bytes;
    int64_t images;                  /* -1: not known without reading all */
    char filesystem[32], mount[256]; /* "": a store */
} sm_measure_source;

typedef struct sm_measure_result {
    sm_measure_source *sources;
    size_t source_count;
    sm_measure_row *rows; /* in the order of execution */
    size_t row_count;
    size_t planned; /* trials; more than rows when it was stopped */
    char started[32];
} sm_measure_result;

enum { SM_MEASURE_VALUES_MAX = 32, SM_MEASURE_READERS_MAX = 1024 };

/* One axis of the grid. */
typedef struct sm_measure_values {
    uint64_t items[SM_MEASURE_VALUES_MAX];
    size_t count;
} sm_measure_values;

typedef struct sm_measure_options {
    sm_measure_values batch_sizes; /* 32 */
    sm_measure_values batches;     /* 16 */
    sm_measure_values readers;     /* 1, 8 */
    /* SM_MEASURE_READ_SIZE_AUTO: whole picture files, 1 MiB of shards */
    sm_measure_values read_sizes;
    sm_measure_values orders; /* shuffled */
    sm_measure_values caches; /* cold; what a store cannot do is left out for it */
    uint32_t repeat;          /* 3 */
    sm_measure_format format; /* of every source */
    sm_measure_engine engine;
    double seconds; /* a trial's limit; 0: none */
    bool quick;     /* limits each trial to one round, and so that all take under 45 s */
    uint64_t seed;  /* of the order of trials and of shuffling */
    bool decode;
    uint32_t image_size; /* 224 */
    double step_ms;
    struct sm_engine *cluster; /* carries trials out elsewhere; NULL: this process does */
    uint32_t members;          /* executors that start each trial together; 0: one at a time */
    const char *output;        /* JSON Lines; NULL: none. The only thing that is ever written */
    const char *command;       /* for the results; NULL: none */

    /* Behind each trial, from the calling thread; may be NULL. */
    void (*on_row)(void *user, const sm_measure_row *row, size_t done, size_t planned);
    bool (*is_cancelled)(void *user); /* from any thread; may be NULL */
    void *user;
} sm_measure_options;

#define SM_MEASURE_READ_SIZE_AUTO UINT64_MAX

SM_API void sm_measure_options_init(sm_measure_options *options);

/*
 * Measures. SM_OK when every trial was run; a trial that failed is a row with an error. When it was
 * stopped (SM_ERR_CANCELLED) the rows so far are there, and written. *result is the caller's to
 * free in any case.
 */
SM_API sm_status sm_measure(sm_measure_result *result, const char *const *sources, size_t count,
                            const sm_measure_options *options);
SM_API void sm_measure_result_free(sm_measure_result *result);

/*
 * One trial as text, for those who send trials to other machines: task is a JSON object with the
 * fields of sm_measure_trial by the names that the results have, and "started", when the run began,
 * and "start_at", when reading is to begin (both in seconds since 1970; 0: now). *row is the line
 * of results, without its newline, the caller's to free(). What is wrong with a trial is told in
 * its row; another status than SM_OK means that task is none.
 */
SM_API sm_status sm_measure_task(char **row, const char *task);

#ifdef __cplusplus
}
#endif
#endif
