#include "pack/pipeline.h"

#include "core/machine.h"
#include "core/queue.h"
#include "core/status.h"
#include "pack/chunk.h"
#include "pack/writer.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    READERS = 4, /* of files: enough to keep a disk busy, cheap when nothing is to wait for */
    STORE_READERS_MAX = 24,
    KEPT_BYTES = 2 * SM_CHUNK_BYTES, /* buffers grow by doubling */
    LAST_PICTURES = 4,               /* in a shard's last chunks */
    PROGRESS_NS = 100000000
};

typedef struct pipeline {
    sm_run *run;
    const sm_job *jobs;
    size_t job_count;

    sm_chunk *chunks;
    size_t chunk_count, reader_count;
    sm_queue work, done;
    uint64_t budget; /* bytes of files that may be in memory */
    uint64_t keep;   /* bytes of buffers that a chunk without files may have */
    sm_large large;

    /* What is taken next, and what is left to take it with. */
    pthread_mutex_t lock;
    pthread_cond_t freed;      /* a chunk, or bytes of the budget */
    pthread_cond_t readers;    /* sleep until they are to read, or there is nothing more to read */
    atomic_bool is_read_ahead; /* readers read; before that, converters do */
    sm_chunk **free_chunks;
    size_t free_count;
    uint64_t budget_left;
    size_t next_job, next_input; /* the latter counted within the job's shard */
    uint64_t next_serial;

    atomic_bool stop;
    atomic_int readers_left, converters_left;

    /* The first error, from whichever thread. */
    sm_status status;
    char error[SM_ERROR_MAX];
} pipeline;

static void stop_with(pipeline *p, sm_status status)
{
    pthread_mutex_lock(&p->lock);
    if (p->status == SM_OK) {
        p->status = status;
        snprintf(p->error, sizeof p->error, "%s", sm_last_error());
    }
    atomic_store(&p->stop, true);
    pthread_cond_broadcast(&p->freed);
    pthread_cond_broadcast(&p->readers);
    pthread_mutex_unlock(&p->lock);
    sm_queue_close(&p->work);
    sm_queue_close(&p->done);
}

/* Whether threads should leave off; asks the caller's is_cancelled. */
static bool should_stop(pipeline *p)
{
    if (atomic_load_explicit(&p->stop, memory_order_relaxed)) return true;
    const sm_pack_options *options = p->run->plan->options;
    if (options->is_cancelled == NULL || !options->is_cancelled(options->user)) return false;
    stop_with(p, sm_fail(SM_ERR_CANCELLED, "stopped on request"));
    return true;
}

/* ---- Taking chunks */

/* How many pictures the next chunk may have: fewer towards the shard's end, so that all threads are
 * busy until it. Known from the shard alone, because gzip's members are chunks. */
static uint32_t most_pictures(size_t left)
{
    size_t part = left / 8;
    return part >= SM_CHUNK_PICTURES ? SM_CHUNK_PICTURES
           : part > LAST_PICTURES    ? (uint32_t)part
                                     : LAST_PICTURES;
}

/* Sets the range of the next chunk, and what it costs. Under the lock. */
static void cut_next(const pipeline *p, sm_chunk *chunk)
{
    const sm_shard *shard = p->jobs[p->next_job].shard;
    const sm_input *items = p->run->plan->inputs->items + shard->first + p->next_input;
    size_t left = shard->count - p->next_input;
    uint32_t most = most_pictures(left);
    chunk->job = p->next_job;
    chunk->first = shard->first + p->next_input;
    chunk->count = 0;
    chunk->budget = 0;
    while (chunk->count < left && chunk->count < most) {
        uint64_t size = items[chunk->count].size;
        if (size > p->budget) size = 0; /* it will not be read */
        if (chunk->count > 0 && (chunk->budget + size > SM_CHUNK_BYTES)) break;
        chunk->budget += size;
        chunk->count++;
    }
    chunk->ends_shard = chunk->count == left;
}

/* Takes the next chunk to read; waits until there is one and memory for it. NULL at the end, or
 * when reading has become the business of others: converters' before is_read_ahead, readers' then.
 */
static sm_chunk *take_next(pipeline *p, bool is_reader)
{
    sm_chunk *chunk = NULL;
    pthread_mutex_lock(&p->lock);
    while (!atomic_load(&p->stop) && p->next_job < p->job_count &&
           atomic_load(&p->is_read_ahead) == is_reader) {
        if (p->free_count > 0) {
            chunk = p->free_chunks[p->free_count - 1];
            cut_next(p, chunk);
            if (chunk->budget <= p->budget_left) break;
            chunk = NULL;
        }
        pthread_cond_wait(&p->freed, &p->lock);
    }
    if (chunk != NULL) {
        p->free_count--;
        p->budget_left -= chunk->budget;
        chunk->serial = p->next_serial++;
        p->next_input += chunk->count;
        chunk->is_read = false;
        if (chunk->ends_shard) {
            p->next_job++;
            p->next_input = 0;
        }
        if (p->next_job == p->job_count) pthread_cond_broadcast(&p->readers);
    }
    pthread_mutex_unlock(&p->lock);
    return chunk;
}

static void give_back(pipeline *p, sm_chunk *chunk, uint64_t bytes)
{
    pthread_mutex_lock(&p->lock);
    p->budget_left += bytes;
    if (chunk != NULL) p->free_chunks[p->free_count++] = chunk;
    pthread_cond_broadcast(&p->freed);
    pthread_mutex_unlock(&p->lock);
}

/* ---- Readers */

static void sleep_until_wanted(pipeline *p)
{
    pthread_mutex_lock(&p->lock);
    while (!atomic_load(&p->is_read_ahead) && !atomic_load(&p->stop) && p->next_job < p->job_count)
        pthread_cond_wait(&p->readers, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static void *read_files(void *arg)
{
    pipeline *p = arg;
    sleep_until_wanted(p);
    sm_chunk_reader reader;
    sm_chunk_reader_init(&reader);
    for (sm_chunk *chunk; !should_stop(p) && (chunk = take_next(p, true)) != NULL;) {
        sm_status status = sm_chunk_read(chunk, &reader, p->run);
        if (status != SM_OK) {
            stop_with(p, status);
            break;
        }
        if (!sm_queue_push(&p->work, chunk)) break;
    }
    sm_chunk_reader_free(&reader);
    if (atomic_fetch_sub(&p->readers_left, 1) == 1) sm_queue_close(&p->work);
    return NULL;
}

/* ---- Converters */

/* The next chunk: one that is read, or, while the readers sleep, one to read. NULL at the end. */
static sm_chunk *next_to_convert(pipeline *p)
{
    sm_chunk *chunk = take_next(p, false);
    return chunk != NULL ? chunk : sm_queue_pop(&p->work);
}

static void wake_readers(pipeline *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->is_read_ahead, true);
    pthread_cond_broadcast(&p->readers);
    pthread_cond_broadcast(&p->freed);
    pthread_mutex_unlock(&p->lock);
}

/* Whether reading the chunk has held up who converted it: it often had to wait, and that took time.
 */
static bool was_held_up(const sm_chunk *chunk, uint64_t waits)
{
    return waits > chunk->count / 8 + 1 &&
           chunk->read_ns > (chunk->decode_ns + chunk->resize_ns + chunk->encode_ns) / 8;
}

static sm_status convert_chunk(pipeline *p, sm_chunk *chunk, sm_bench *bench)
{
    uint64_t before = 0, after = UINT64_MAX; /* where the system does not tell */
    sm_thread_waits(&before);
    sm_status status = sm_chunk_convert(chunk, bench, &p->large);
    sm_thread_waits(&after);
    if (!chunk->is_read && was_held_up(chunk, after - before)) wake_readers(p);
    return status == SM_OK ? sm_chunk_compress(chunk, bench) : status;
}

static void *convert(void *arg)
{
    pipeline *p = arg;
    sm_bench bench;
    sm_status status = sm_bench_init(&bench, p->run);
    for (sm_chunk *chunk; status == SM_OK && !should_stop(p);) {
        chunk = next_to_convert(p);
        if (chunk == NULL) break;
        status = convert_chunk(p, chunk, &bench);
        if (status != SM_OK) break;
        sm_chunk_let_go(chunk, p->keep);
        give_back(p, NULL, chunk->budget);
        if (!sm_queue_push(&p->done, chunk)) break;
    }
    if (status != SM_OK) stop_with(p, status);
    sm_bench_free(&bench);
    if (atomic_fetch_sub(&p->converters_left, 1) == 1) sm_queue_close(&p->done);
    return NULL;
}

/* ---- The writer, in the caller's thread */

typedef struct meter {
    sm_progress progress;
    uint64_t begin_ns, last_ns;
} meter;

static void show_progress(meter *m, const sm_run *run, const sm_writer *writer, bool last)
{
    const sm_pack_options *options = run->plan->options;
    uint64_t now = sm_clock_ns();
    if (options->on_progress == NULL || (!last && now - m->last_ns < PROGRESS_NS)) return;
    m->last_ns = now;
    m->progress.inputs_done = run->pictures;
    m->progress.bytes_in = run->bytes_in;
    m->progress.failures = writer->failures;
    m->progress.seconds = (double)(now - m->begin_ns) / 1e9;
    options->on_progress(options->user, &m->progress);
}

/* Puts chunks that come in any order into that of their serials. */
static sm_status write_in_order(pipeline *p, sm_writer *writer, meter *m)
{
    sm_chunk **waiting = calloc(p->chunk_count, sizeof *waiting);
    if (waiting == NULL) return sm_fail_memory(p->chunk_count * sizeof *waiting);
    uint64_t next = 0;
    sm_status status = SM_OK;
    for (sm_chunk *chunk; status == SM_OK && (chunk = sm_queue_pop(&p->done)) != NULL;) {
        /* No two chunks in flight share a slot: there are only chunk_count of them. */
        waiting[chunk->serial % p->chunk_count] = chunk;
        while (status == SM_OK && (chunk = waiting[next % p->chunk_count]) != NULL) {
            waiting[next++ % p->chunk_count] = NULL;
            m->progress.bytes_out += chunk->records.len;
            status = sm_writer_put(writer, chunk);
            give_back(p, chunk, 0);
            show_progress(m, p->run, writer, false);
        }
    }
    free(waiting);
    return status;
}

/* ---- The whole */

/* Objects' readers have a chunk of them under way each, and wait for its last: most of the time,
 * most of its connections do nothing. So many keep a converter busy through some tens of
 * milliseconds a request; at most, they fit into the 1,024 files that a process may have open. */
static size_t store_readers(const sm_run *run)
{
    const size_t wanted = READERS * ((size_t)run->threads + 1);
    return wanted < STORE_READERS_MAX ? wanted : STORE_READERS_MAX;
}

/* Files of a store are read ahead from the first, side by side. Inputs of both kinds are rare, and
 * found out by the waiting. */
static sm_status judge_first_input(pipeline *p)
{
    p->reader_count = READERS;
    const sm_inputs *inputs = p->run->plan->inputs;
    const sm_shard *shard = p->jobs[0].shard;
    if (shard->count == 0) return SM_OK;
    sm_buf path;
    sm_buf_init(&path, SM_PATH_LIMIT);
    sm_status status = sm_inputs_full_path(
        &path, inputs, sm_inputs_text(inputs, inputs->items[shard->first].path));
    if (status == SM_OK && sm_io_is_remote((const char *)path.data)) {
        atomic_store(&p->is_read_ahead, true);
        p->reader_count = store_readers(p->run);
    }
    sm_buf_free(&path);
    return status;
}

static sm_status init_pipeline(pipeline *p, sm_run *run, const sm_job *jobs, size_t count)
{
    *p = (pipeline){.run = run, .jobs = jobs, .job_count = count};
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->freed, NULL);
    pthread_cond_init(&p->readers, NULL);
    p->budget = p->budget_left = sm_run_third(run);
    pthread_mutex_init(&p->large.lock, NULL);
    sm_picture_options options = run->plan->options->picture;
    options.max_memory = sm_run_third(run);
    sm_status status = sm_picture_new(&p->large.picture, &options);
    if (status == SM_OK) status = judge_first_input(p);
    if (status != SM_OK) return status;
    p->chunk_count = 2 * (size_t)run->threads + p->reader_count;
    p->keep = p->budget / p->chunk_count;
    if (p->keep > KEPT_BYTES) p->keep = KEPT_BYTES;
    p->chunks = calloc(p->chunk_count, sizeof *p->chunks);
    p->free_chunks = calloc(p->chunk_count, sizeof(sm_chunk *));
    if (p->chunks == NULL || p->free_chunks == NULL)
        return sm_fail_memory(p->chunk_count * sizeof *p->chunks);
    for (size_t i = 0; i < p->chunk_count; i++) {
        for (size_t k = 0; k < SM_CHUNK_PICTURES; k++) sm_buf_init(&p->chunks[i].files[k], 0);
        sm_buf_init(&p->chunks[i].records, SIZE_MAX / 2);
        p->free_chunks[p->free_count++] = &p->chunks[i];
    }
    status = sm_queue_init(&p->work, p->chunk_count);
    return status == SM_OK ? sm_queue_init(&p->done, p->chunk_count) : status;
}

static void destroy_pipeline(pipeline *p)
{
    for (size_t i = 0; p->chunks != NULL && i < p->chunk_count; i++) {
        for (size_t k = 0; k < SM_CHUNK_PICTURES; k++) sm_buf_free(&p->chunks[i].files[k]);
        sm_buf_free(&p->chunks[i].records);
    }
    free(p->chunks);
    free(p->free_chunks);
    sm_queue_destroy(&p->work);
    sm_queue_destroy(&p->done);
    sm_picture_free(p->large.picture);
    pthread_mutex_destroy(&p->large.lock);
    pthread_cond_destroy(&p->readers);
    pthread_cond_destroy(&p->freed);
    pthread_mutex_destroy(&p->lock);
}

/* Starts up to count threads, and counts those that there are in *left beforehand, so that the last
 * to leave knows that it is. */
static sm_status start(pthread_t *threads, size_t *started, size_t count, atomic_int *left,
                       void *(*body)(void *), pipeline *p)
{
    atomic_store(left, (int)count);
    for (size_t i = 0; i < count; i++) {
        int error = pthread_create(&threads[*started], NULL, body, p);
        if (error != 0) return sm_fail_errno(error, "cannot start a thread");
        (*started)++;
    }
    return SM_OK;
}

static sm_status run_threads(pipeline *p, sm_writer *writer)
{
    pthread_t *threads = calloc((size_t)p->run->threads + p->reader_count, sizeof *threads);
    if (threads == NULL) return sm_fail_memory(sizeof *threads);
    size_t started = 0;
    meter m = {.begin_ns = sm_clock_ns()};
    for (size_t i = 0; i < p->job_count; i++) {
        const sm_shard *shard = p->jobs[i].shard;
        m.progress.inputs_total += shard->count;
        for (size_t k = 0; k < shard->count; k++)
            m.progress.bytes_in_total += p->run->plan->inputs->items[shard->first + k].size;
    }
    sm_status status = start(threads, &started, p->reader_count, &p->readers_left, read_files, p);
    if (status == SM_OK)
        status = start(threads, &started, p->run->threads, &p->converters_left, convert, p);
    if (status == SM_OK) status = write_in_order(p, writer, &m);
    if (status != SM_OK) stop_with(p, status);
    for (size_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
    free(threads);
    show_progress(&m, p->run, writer, true);
    return p->status == SM_OK ? SM_OK : sm_fail(p->status, "%s", p->error);
}

sm_status sm_pipeline_run(sm_run *run, const sm_job *jobs, size_t count)
{
    if (count == 0) return SM_OK;
    pipeline p;
    sm_writer writer;
    sm_status status = init_pipeline(&p, run, jobs, count);
    if (status == SM_OK) {
        sm_writer_init(&writer, run, jobs);
        status = run_threads(&p, &writer);
        sm_writer_free(&writer);
    }
    destroy_pipeline(&p);
    return status;
}
