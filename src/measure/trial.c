#include "measure/trial.h"

#include "core/machine.h"
#include "measure/evidence.h"
#include "measure/reading.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What a trial has in hand from its beginning to its end. */
typedef struct bench {
    const sm_measure_trial *trial;
    sm_dataset *dataset;
    size_t *order, first;
    sm_cancelled_fn *is_cancelled;
    void *user;
} bench;

double sm_wall_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

uint64_t sm_random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static sm_status make_order(bench *b)
{
    const size_t count = b->dataset->count;
    uint64_t random = b->trial->seed ^ ((uint64_t)b->trial->index << 32);
    b->order = malloc(count * sizeof *b->order);
    if (b->order == NULL) return sm_fail_memory(count * sizeof *b->order);
    for (size_t i = 0; i < count; i++) b->order[i] = i;
    if (b->trial->order == SM_MEASURE_SHUFFLED)
        for (size_t i = count - 1; i > 0; i--) {
            const size_t j = (size_t)(sm_random_next(&random) % (i + 1));
            const size_t kept = b->order[i];
            b->order[i] = b->order[j];
            b->order[j] = kept;
        }
    b->first = (size_t)(sm_random_next(&random) % count);
    return SM_OK;
}

/* ---- Reading once */

/* Reads as the trial says; timed or not. The reading is the caller's to free. */
static sm_status read_once(sm_reading *r, sm_feed_result *fed, const bench *b, bool timed)
{
    const sm_measure_trial *t = b->trial;
    *fed = (sm_feed_result){0};
    r->dataset = b->dataset;
    r->trial = t;
    r->order = b->order;
    r->first = b->first;
    r->is_cancelled = b->is_cancelled;
    r->user = b->user;
    sm_status status = SM_OK;
    if (timed && t->decode) {
        const sm_feed_options options = {.batch_size = t->batch_size,
                                         .batches = t->batches,
                                         .image_size = t->image_size,
                                         .step_ms = t->step_ms};
        status = sm_feed_new(&r->feed, &options);
    }
    if (status == SM_OK) status = sm_reading_run(r);
    if (r->feed != NULL) {
        sm_status end = sm_feed_end(r->feed, fed);
        if (status == SM_OK) status = end;
        r->feed = NULL;
    }
    return status;
}

/* The part of the source that is looked at for residency: files that are asked for, or shards as
 * far as they were read (reach; NULL: whole). */
static sm_part part_of(const bench *b, const uint64_t *reach)
{
    const uint64_t wanted = (uint64_t)b->trial->batch_size * b->trial->batches;
    const bool some = b->dataset->format == SM_MEASURE_FILES && wanted < b->dataset->count;
    return (sm_part){.dataset = b->dataset,
                     .order = b->order,
                     .first = b->first,
                     .count = some ? (size_t)wanted : b->dataset->count,
                     .reach = b->dataset->format == SM_MEASURE_FILES ? NULL : reach};
}

/* Makes the page cache what the trial says, and looks whether it is. */
static sm_status prepare(sm_measure_row *row, const bench *b)
{
    sm_reading warm = {0};
    sm_feed_result unused;
    sm_status status = SM_OK;
    sm_part part = part_of(b, NULL);
    if (b->trial->cache == SM_MEASURE_COLD && !b->dataset->is_remote)
        status = sm_evidence_drop(&part);
    if (b->trial->cache == SM_MEASURE_WARM) {
        status = read_once(&warm, &unused, b, false);
        part = part_of(b, warm.reach);
    }
    if (status == SM_OK && !b->dataset->is_remote)
        row->resident_before = sm_evidence_resident(&part);
    sm_reading_free(&warm);
    return status;
}

/* ---- What came of it */

static double between(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (double)(to_ns - from_ns) / 1e9 : 0;
}

static void fill_times(sm_measure_row *row, sm_reading *r, const sm_feed_result *fed)
{
    const sm_measure_trial *t = &row->trial;
    const uint64_t wanted = (uint64_t)t->batch_size * t->batches;
    uint64_t end = atomic_load(&r->end_ns), first_batch = atomic_load(&r->first_batch_ns);
    uint64_t first_byte = atomic_load(&r->first_byte_ns);
    row->images = atomic_load(&r->images);
    if (t->decode) {
        row->images = fed->images;
        first_batch = fed->first_batch_ns;
        if (fed->images == wanted || fed->is_finished) end = fed->end_ns;
        row->stall_s = fed->stall_s;
        row->blocked_s = fed->blocked_s;
        row->undecoded = fed->undecoded;
    }
    if (row->images > wanted) row->images = wanted;
    if (r->dataset->is_remote) {
        sm_traffic traffic;
        sm_io_traffic(&traffic);
        if (traffic.first_byte_ns != 0) first_byte = traffic.first_byte_ns;
    }
    row->seconds = between(r->start_ns, end);
    row->first_byte_s = first_byte == 0 ? -1 : between(r->start_ns, first_byte);
    row->first_batch_s = first_batch == 0 ? -1 : between(r->start_ns, first_batch);
    if (row->images < wanted && !(t->one_round && !atomic_load(&r->is_short)))
        row->marks |= SM_MARK_SHORT;
}

static void fill_reads(sm_measure_row *row, sm_reading *r)
{
    row->engine = r->engine;
    row->bytes = atomic_load(&r->bytes);
    row->rounds = r->dataset->bytes == 0 ? 0 : (double)row->bytes / (double)r->dataset->bytes;
    row->reads = r->latency.count;
    row->latency_mean = sm_latency_mean(&r->latency);
    row->latency_p50 = sm_latency_quantile(&r->latency, 0.5);
    row->latency_p95 = sm_latency_quantile(&r->latency, 0.95);
    row->latency_p99 = sm_latency_quantile(&r->latency, 0.99);
    row->latency_max = (double)r->latency.max_ns / 1e9;
    if (row->rounds > 1) row->marks |= SM_MARK_WRAPPED;
    if (r->dataset->format != SM_MEASURE_FILES && row->trial.readers > r->dataset->count)
        row->marks |= SM_MARK_IDLE_READERS;
}

static void fill_counters(sm_measure_row *row, const sm_dataset *dataset, const sm_counters *before,
                          const sm_counters *after)
{
    row->cpu_user_s = after->user_s - before->user_s;
    row->cpu_system_s = after->system_s - before->system_s;
    row->retries = after->retries - before->retries;
    if (dataset->is_remote)
        row->socket_bytes = (int64_t)(after->socket_bytes - before->socket_bytes);
    else if (dataset->counts_device && before->device_bytes >= 0)
        row->device_bytes = after->device_bytes - before->device_bytes;
}

/* Holds what was meant (cold, direct, warm) against the evidence. */
static void judge(sm_measure_row *row, const sm_dataset *dataset)
{
    const double bytes = (double)row->bytes, device = (double)row->device_bytes;
    const bool is_warm = row->trial.cache == SM_MEASURE_WARM;
    const bool is_cold = row->trial.cache == SM_MEASURE_COLD;
    if (dataset->is_remote || row->bytes == 0) return;
    if (row->device_bytes < 0) row->marks |= SM_MARK_CACHE_UNKNOWN;
    if (is_cold && row->resident_before > 0.05) row->marks |= SM_MARK_SERVED_FROM_CACHE;
    if (!is_warm && row->device_bytes >= 0 && device < 0.9 * bytes)
        row->marks |= SM_MARK_SERVED_FROM_CACHE;
    if (is_warm && device > 0.1 * bytes) row->marks |= SM_MARK_SERVED_FROM_DEVICE;
}

/* Waits for the moment that all members begin at. */
static sm_status await_start(const sm_measure_trial *trial)
{
    const double wait = trial->start_at - sm_wall_clock();
    const double most = 600;
    if (trial->start_at <= 0 || wait <= 0) return SM_OK;
    if (wait > most)
        return sm_fail(SM_ERR_USAGE, "a trial that is to begin in %.0f s: are the clocks set?",
                       wait);
    const struct timespec time = {.tv_sec = (time_t)trial->start_at,
                                  .tv_nsec = (long)(fmod(trial->start_at, 1) * 1e9)};
    while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &time, NULL) == EINTR) continue;
    return SM_OK;
}

static sm_status run(sm_measure_row *row, bench *b, double started_s)
{
    sm_counters before, after;
    sm_feed_result fed;
    sm_reading r = {0};
    sm_status status = make_order(b);
    if (status == SM_OK) status = prepare(row, b);
    if (status == SM_OK) status = await_start(b->trial);
    if (status != SM_OK) return status;
    sm_counters_take(&before);
    row->start_s = sm_wall_clock() - started_s;
    status = read_once(&r, &fed, b, true);
    sm_counters_take(&after);
    if (status == SM_OK) {
        fill_times(row, &r, &fed);
        row->end_s = row->start_s + row->seconds; /* requests under way then came to nothing */
        fill_reads(row, &r);
        fill_counters(row, b->dataset, &before, &after);
        const sm_part part = part_of(b, r.reach);
        if (!b->dataset->is_remote) row->resident_after = sm_evidence_resident(&part);
        judge(row, b->dataset);
    }
    sm_reading_free(&r);
    return status;
}

void sm_trial_run(sm_measure_row *row, const sm_measure_trial *trial, sm_dataset *dataset,
                  double started_s, sm_cancelled_fn *is_cancelled, void *user)
{
    bench b = {.trial = trial, .dataset = dataset, .is_cancelled = is_cancelled, .user = user};
    *row = (sm_measure_row){.trial = *trial,
                            .device_bytes = -1,
                            .socket_bytes = -1,
                            .resident_before = -1,
                            .resident_after = -1,
                            .first_byte_s = -1,
                            .first_batch_s = -1};
    row->trial.format = dataset->format;
    if (gethostname(row->host, sizeof row->host - 1) != 0) row->host[0] = '\0';
    row->status = run(row, &b, started_s);
    if (row->status != SM_OK)
        memcpy(row->error, sm_last_error(), strnlen(sm_last_error(), sizeof row->error - 1));
    free(b.order);
}
