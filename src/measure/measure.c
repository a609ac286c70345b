/* The whole of a measurement: the grid, its trials in a random order, what stands out, the results.
 */
#include "core/json.h"
#include "io/io.h"
#include "measure/outliers.h"
#include "measure/trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TRIALS_MAX = 1 << 20, SHARD_READ = 1 << 20, STORE_READ = 8 << 20 };

static const double quick_seconds = 45;

typedef struct measuring {
    const sm_measure_options *options;
    sm_measure_result *result;
    sm_dataset *datasets; /* of result->sources */
    sm_measure_trial *trials;
    size_t *dataset_of; /* of each trial */
    size_t count;
    double started_s;
} measuring;

SM_API void sm_measure_options_init(sm_measure_options *options)
{
    *options =
        (sm_measure_options){.batch_sizes = {.items = {32}, .count = 1},
                             .batches = {.items = {16}, .count = 1},
                             .readers = {.items = {1, 8}, .count = 2},
                             .read_sizes = {.items = {SM_MEASURE_READ_SIZE_AUTO}, .count = 1},
                             .orders = {.items = {SM_MEASURE_SHUFFLED}, .count = 1},
                             .caches = {.items = {SM_MEASURE_COLD}, .count = 1},
                             .repeat = 3,
                             .image_size = 224};
}

/* ---- Text without secrets */

/* A copy of text in which the URLs of web servers have lost their user names and queries, where
 * keys may stand. NULL: no memory. */
static char *redacted(const char *text)
{
    char *copy = strdup(text);
    char *to = copy;
    for (const char *at = text; copy != NULL && *at != '\0';) {
        const size_t scheme = strncmp(at, "https://", 8) == 0  ? 8
                              : strncmp(at, "http://", 7) == 0 ? 7
                                                               : 0;
        if (scheme == 0) {
            *to++ = *at++;
            continue;
        }
        const size_t len = strcspn(at, " "), host = strcspn(at + scheme, "/? ");
        const char *user = memchr(at + scheme, '@', host), *end = at + len;
        const char *query = memchr(at, '?', len);
        memcpy(to, at, scheme);
        to += scheme;
        const char *from = user == NULL ? at + scheme : user + 1;
        const size_t kept = (size_t)((query == NULL ? end : query) - from);
        memcpy(to, from, kept);
        to += kept;
        at = end;
    }
    if (copy != NULL) *to = '\0';
    return copy;
}

/* An error may name the URL that it is about. */
static void redact_error(sm_measure_row *row)
{
    char *copy = redacted(row->error);
    snprintf(row->error, sizeof row->error, "%s", copy == NULL ? "it failed" : copy);
    free(copy);
}

/* ---- The grid */

static size_t grid_size(const sm_measure_options *o)
{
    const size_t axes[] = {o->batch_sizes.count, o->batches.count, o->readers.count,
                           o->read_sizes.count,  o->orders.count,  o->caches.count};
    size_t size = o->repeat;
    for (size_t i = 0; i < sizeof axes / sizeof *axes; i++)
        size = size > TRIALS_MAX ? size : size * axes[i];
    return size;
}

/* Combination number i of the axes, the last one changing fastest. */
static sm_measure_trial combination(const sm_measure_options *o, size_t i)
{
    const sm_measure_values *axes[] = {&o->caches,  &o->orders,  &o->read_sizes,
                                       &o->readers, &o->batches, &o->batch_sizes};
    enum { AXES = 6 };
    uint64_t values[AXES];
    for (size_t a = 0; a < AXES; a++) {
        values[a] = axes[a]->items[i % axes[a]->count];
        i /= axes[a]->count;
    }
    return (sm_measure_trial){.cache = (sm_measure_cache)values[0],
                              .order = (sm_measure_order)values[1],
                              .read_size = values[2],
                              .readers = (uint32_t)values[3],
                              .batches = (uint32_t)values[4],
                              .batch_size = (uint32_t)values[5],
                              .engine = o->engine,
                              .seed = o->seed,
                              .seconds = o->seconds,
                              .decode = o->decode,
                              .image_size = o->image_size,
                              .step_ms = o->step_ms};
}

static sm_status check_trial(const sm_measure_trial *t)
{
    if (t->batch_size < 1 || t->batches < 1 || t->readers < 1 ||
        t->readers > SM_MEASURE_READERS_MAX)
        return sm_fail(SM_ERR_USAGE,
                       "batch sizes, batches and readers are counted from 1 on, and "
                       "there are at most %d readers",
                       SM_MEASURE_READERS_MAX);
    if (t->cache == SM_MEASURE_DIRECT && t->read_size % 4096 != 0)
        return sm_fail(SM_ERR_USAGE,
                       "--read-size %llu: direct reads are of multiples of 4096 bytes",
                       (unsigned long long)t->read_size);
    return SM_OK;
}

static uint64_t default_read_size(const sm_dataset *d)
{
    return d->format == SM_MEASURE_FILES ? 0 : d->is_remote ? STORE_READ : SHARD_READ;
}

static sm_status add_cell(measuring *m, size_t source, size_t number, uint32_t *cell)
{
    const sm_dataset *d = &m->datasets[source];
    sm_measure_trial t = combination(m->options, number);
    if (t.cache == SM_MEASURE_DIRECT && d->is_remote) return SM_OK;
    if (t.read_size == SM_MEASURE_READ_SIZE_AUTO) t.read_size = default_read_size(d);
    sm_status status = check_trial(&t);
    if (status != SM_OK) return status;
    t.source = m->result->sources[source].source;
    t.format = d->format;
    t.cell = (*cell)++;
    for (uint32_t repeat = 0; repeat < m->options->repeat; repeat++) {
        t.repeat = repeat;
        m->trials[m->count] = t;
        m->dataset_of[m->count++] = source;
    }
    return SM_OK;
}

/* Fisher and Yates; each trial then knows its place. */
static void randomise(measuring *m)
{
    uint64_t random = m->options->seed;
    for (size_t i = m->count; i > 1; i--) {
        const size_t j = (size_t)(sm_random_next(&random) % i);
        const sm_measure_trial trial = m->trials[i - 1];
        const size_t dataset = m->dataset_of[i - 1];
        m->trials[i - 1] = m->trials[j];
        m->dataset_of[i - 1] = m->dataset_of[j];
        m->trials[j] = trial;
        m->dataset_of[j] = dataset;
    }
    for (size_t i = 0; i < m->count; i++) {
        sm_measure_trial *t = &m->trials[i];
        const double quick = quick_seconds / (double)m->count;
        t->index = (uint32_t)i;
        t->members = m->options->members;
        t->one_round = m->options->quick;
        if (m->options->quick && (t->seconds <= 0 || t->seconds > quick)) t->seconds = quick;
    }
}

static sm_status plan(measuring *m, size_t sources)
{
    const size_t size = grid_size(m->options);
    if (size == 0 || size > TRIALS_MAX / sources)
        return sm_fail(SM_ERR_USAGE, "the grid has %s trials (at most %d)",
                       size == 0 ? "no" : "too many", TRIALS_MAX);
    m->trials = calloc(size * sources, sizeof *m->trials);
    m->dataset_of = calloc(size * sources, sizeof *m->dataset_of);
    const size_t members = m->options->members > 0 ? m->options->members : 1;
    if (members > TRIALS_MAX / sources / size)
        return sm_fail(SM_ERR_USAGE, "%zu members of each trial are too many", members);
    m->result->rows = calloc(size * sources * members, sizeof *m->result->rows);
    if (m->trials == NULL || m->dataset_of == NULL || m->result->rows == NULL)
        return sm_fail_memory(size * sources * sizeof *m->result->rows);
    uint32_t cell = 0;
    sm_status status = SM_OK;
    for (size_t s = 0; s < sources; s++)
        for (size_t i = 0; i < size / m->options->repeat && status == SM_OK; i++)
            status = add_cell(m, s, i, &cell);
    if (status == SM_OK && m->count == 0)
        status = sm_fail(SM_ERR_USAGE, "a store cannot be read directly: --cache cold, or warm");
    m->result->planned = m->count * members;
    if (status == SM_OK) randomise(m);
    return status;
}

/* ---- Results */

static sm_status write_line(sm_sink *sink, json_t *object)
{
    sm_buf line;
    sm_buf_init(&line, SIZE_MAX / 2);
    sm_status status = object == NULL ? sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON")
                                      : sm_json_append(&line, object, false);
    if (status == SM_OK) status = sm_sink_write(sink, line.data, line.len);
    sm_buf_free(&line);
    json_decref(object);
    return status;
}

static sm_status write_results(sm_sink *sink, const measuring *m)
{
    sm_measure_options options = *m->options;
    char *command = options.command == NULL ? NULL : redacted(options.command);
    options.command = command;
    sm_status status = write_line(sink, sm_run_json(m->result, &options));
    free(command);
    for (size_t i = 0; i < m->result->row_count && status == SM_OK; i++)
        status = write_line(sink, sm_row_json(&m->result->rows[i]));
    if (status == SM_OK) return sm_sink_commit(sink);
    sm_sink_abandon(sink);
    return status;
}

/* ---- All of it */

static sm_status open_sources(measuring *m, const char *const *sources, size_t count)
{
    m->result->sources = calloc(count, sizeof *m->result->sources);
    m->datasets = calloc(count, sizeof *m->datasets);
    if (m->result->sources == NULL || m->datasets == NULL)
        return sm_fail_memory(count * sizeof *m->datasets);
    for (size_t i = 0; i < count; i++) {
        sm_measure_source *s = &m->result->sources[i];
        sm_dataset *d = &m->datasets[i];
        sm_status status = sm_dataset_open(d, sources[i], m->options->format);
        if (status != SM_OK) return status;
        m->result->source_count++;
        s->source = redacted(sources[i]);
        if (s->source == NULL) return sm_fail_memory(strlen(sources[i]));
        s->format = d->format;
        s->objects = d->count;
        s->bytes = d->bytes;
        memcpy(s->filesystem, d->filesystem, sizeof s->filesystem);
        memcpy(s->mount, d->mount, sizeof s->mount);
    }
    return SM_OK;
}

static sm_status run_trials(measuring *m)
{
    const sm_measure_options *o = m->options;
    sm_measure_result *result = m->result;
    for (size_t i = 0; i < m->count; i++) {
        sm_measure_row *row = &result->rows[i];
        if (o->is_cancelled != NULL && o->is_cancelled(o->user))
            return sm_fail(SM_ERR_CANCELLED, "stopped");
        sm_trial_run(row, &m->trials[i], &m->datasets[m->dataset_of[i]], m->started_s,
                     o->is_cancelled, o->user);
        redact_error(row);
        if (row->status == SM_ERR_CANCELLED) return sm_fail(SM_ERR_CANCELLED, "stopped");
        result->row_count++;
        if (o->on_row != NULL) o->on_row(o->user, row, result->row_count, m->count);
    }
    return SM_OK;
}

/* The same, somewhere else. */
static sm_status run_elsewhere(measuring *m, const char *const *sources)
{
    const char **real = calloc(m->count, sizeof *real);
    if (real == NULL) return sm_fail_memory(m->count * sizeof *real);
    for (size_t i = 0; i < m->count; i++) real[i] = sources[m->dataset_of[i]];
    sm_status status = sm_cluster_run(m->result->rows, &m->result->row_count, m->trials, real,
                                      m->count, m->options, m->started_s);
    for (size_t i = 0; i < m->result->row_count; i++) redact_error(&m->result->rows[i]);
    free(real);
    return status;
}

static void note_start(measuring *m)
{
    struct tm tm;
    m->started_s = sm_wall_clock();
    const time_t seconds = (time_t)m->started_s;
    if (gmtime_r(&seconds, &tm) != NULL)
        strftime(m->result->started, sizeof m->result->started, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

SM_API sm_status sm_measure(sm_measure_result *result, const char *const *sources, size_t count,
                            const sm_measure_options *options)
{
    measuring m = {.options = options, .result = result};
    sm_sink *sink = NULL;
    *result = (sm_measure_result){0};
    if (count == 0) return sm_fail(SM_ERR_USAGE, "nothing to measure");
    note_start(&m);
    sm_status status = open_sources(&m, sources, count);
    if (status == SM_OK) status = plan(&m, count);
    /* Before hours are spent on what could not be kept. */
    if (status == SM_OK && options->output != NULL) status = sm_sink_open(&sink, options->output);
    if (status == SM_OK)
        status = options->cluster == NULL ? run_trials(&m) : run_elsewhere(&m, sources);
    const bool is_told = status == SM_OK || status == SM_ERR_CANCELLED;
    for (size_t i = 0; i < result->source_count; i++)
        result->sources[i].images = sm_dataset_images(&m.datasets[i]);
    if (is_told) {
        sm_status kept = sm_mark_outliers(result);
        if (kept == SM_OK && sink != NULL) {
            kept = write_results(sink, &m);
            sink = NULL;
        }
        if (kept != SM_OK)
            status = kept;
        else if (status == SM_ERR_CANCELLED)
            sm_fail(status, "stopped after %zu of %zu trials", result->row_count, result->planned);
    }
    sm_sink_abandon(sink);
    for (size_t i = 0; m.datasets != NULL && i < count; i++) sm_dataset_close(&m.datasets[i]);
    free(m.datasets);
    free(m.trials);
    free(m.dataset_of);
    return status;
}

SM_API void sm_measure_result_free(sm_measure_result *result)
{
    for (size_t i = 0; i < result->source_count; i++) free(result->sources[i].source);
    free(result->sources);
    free(result->rows);
    *result = (sm_measure_result){0};
}

SM_API sm_status sm_measure_task(char **row, const char *task)
{
    double started = 0;
    json_error_t error;
    sm_measure_trial trial;
    sm_measure_row outcome = {.device_bytes = -1, .socket_bytes = -1};
    sm_dataset dataset;
    json_t *read = json_loads(task, JSON_REJECT_DUPLICATES, &error);
    if (read == NULL) return sm_fail(SM_ERR_CORRUPT, "the task is no JSON: %s", error.text);
    sm_status status = sm_trial_of_json(&trial, &started, read);
    if (status == SM_OK) status = check_trial(&trial);
    char *source = status == SM_OK ? redacted(trial.source) : NULL;
    if (status == SM_OK && source == NULL) status = sm_fail_memory(strlen(trial.source));
    json_t *told = NULL;
    if (status == SM_OK) {
        sm_status opened = sm_dataset_open(&dataset, trial.source, trial.format);
        trial.source = source;
        if (opened == SM_OK) {
            sm_trial_run(&outcome, &trial, &dataset, started, NULL, NULL);
            sm_dataset_close(&dataset);
        } else {
            outcome.trial = trial;
            outcome.status = opened;
            snprintf(outcome.error, sizeof outcome.error, "%.511s", sm_last_error());
        }
        redact_error(&outcome);
        told = sm_row_json(&outcome);
        *row = told == NULL ? NULL : json_dumps(told, JSON_COMPACT | JSON_PRESERVE_ORDER);
        if (*row == NULL) status = sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON");
    }
    json_decref(told);
    json_decref(read);
    free(source);
    return status;
}
