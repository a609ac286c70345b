/* Readers as threads, and what all readers share. */
#include "measure/reading.h"

#include "core/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void sm_reading_stop(sm_reading *reading)
{
    unsigned long long none = 0;
    atomic_compare_exchange_strong(&reading->end_ns, &none, sm_clock_ns());
    atomic_store(&reading->over, true);
    if (reading->feed != NULL) sm_feed_stop(reading->feed);
}

void sm_reading_fail(sm_reading *reading, sm_status status)
{
    pthread_mutex_lock(&reading->lock);
    if (reading->status == SM_OK) {
        reading->status = status;
        memcpy(reading->error, sm_last_error(),
               strnlen(sm_last_error(), sizeof reading->error - 1));
    }
    pthread_mutex_unlock(&reading->lock);
    sm_reading_stop(reading);
}

void sm_reading_await_start(sm_reading *reading)
{
    pthread_mutex_lock(&reading->lock);
    reading->ready++;
    pthread_cond_broadcast(&reading->changed);
    while (!reading->go) pthread_cond_wait(&reading->changed, &reading->lock);
    pthread_mutex_unlock(&reading->lock);
}

/* ---- A reader that is a thread */

static int64_t fetch(sm_slot *slot, const sm_ask *ask)
{
    sm_buf *part = &slot->parts[slot->filling];
    const size_t before = part->len;
    if (ask->offset == 0 && ask->len == slot->size) {
        sm_fetch one = {.url = ask->path, .buf = part, .expected = slot->size};
        sm_io_fetch_many(&one, 1);
        if (one.status != SM_OK) {
            sm_fail(one.status, "%s", one.error);
            return -1;
        }
    } else if (sm_io_read_part(part, ask->path, ask->offset, ask->len, &slot->info) != SM_OK) {
        return -1;
    }
    return (int64_t)(part->len - before);
}

static int64_t perform(sm_slot *slot, const sm_ask *ask)
{
    if (ask->kind == SM_ASK_FETCH) return fetch(slot, ask);
    for (;;) {
        const int64_t result = ask->kind == SM_ASK_OPEN
                                   ? open(ask->path, ask->flags)
                                   : pread(ask->fd, ask->data, ask->len, (off_t)ask->offset);
        if (result >= 0 || errno != EINTR) return result >= 0 ? result : -errno;
    }
}

static void drive_one(sm_slot *slot)
{
    sm_ask ask;
    for (sm_slot_next(slot, &ask); ask.kind != SM_ASK_NOTHING; sm_slot_next(slot, &ask)) {
        sm_slot_done(slot, &ask, perform(slot, &ask));
        sm_slot_digest(slot);
    }
}

/* ---- All of them */

/* Slots that one thread drives. */
typedef struct driver {
    pthread_t thread;
    sm_slot *slots;
    size_t count;
} driver;

static void *drive(void *user)
{
    const driver *d = user;
    sm_reading *r = d->slots->reading;
    sm_reading_await_start(r);
    if (r->engine == SM_MEASURE_URING)
        sm_uring_drive(d->slots, d->count);
    else
        drive_one(d->slots);
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < d->count; i++) {
        sm_latency_merge(&r->latency, &d->slots[i].latency);
        d->slots[i].latency = (sm_latency){0};
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

static void start_clock(sm_reading *r, size_t threads)
{
    pthread_mutex_lock(&r->lock);
    while (r->ready < threads) pthread_cond_wait(&r->changed, &r->lock);
    if (r->dataset->is_remote) sm_io_await_byte();
    r->start_ns = sm_clock_ns();
    if (r->trial->seconds > 0) r->deadline_ns = r->start_ns + (uint64_t)(r->trial->seconds * 1e9);
    r->go = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

/* Until the readers have nothing left to do. */
static sm_status run_drivers(sm_reading *r, sm_slot *slots, driver *drivers, size_t threads)
{
    const size_t readers = r->trial->readers;
    size_t started = 0, at = 0;
    while (started < threads) {
        driver *d = &drivers[started];
        d->slots = slots + at;
        d->count = readers / threads + (started < readers % threads);
        if (pthread_create(&d->thread, NULL, drive, d) != 0) break;
        at += d->count;
        started++;
    }
    if (started < threads)
        sm_reading_fail(r, sm_fail(SM_ERR_MEMORY, "cannot start %zu threads", threads));
    if (!r->go) start_clock(r, started);
    for (size_t i = 0; i < started; i++) pthread_join(drivers[i].thread, NULL);
    return r->status;
}

/* Rounds of the source, until all pictures are there. The first of shards whose pictures nobody has
 * counted ends alone; then they are known. */
static sm_status run_rounds(sm_reading *r, sm_slot *slots, driver *drivers, size_t threads)
{
    for (;;) {
        const unsigned long long begun = atomic_load(&r->tickets);
        sm_status status = run_drivers(r, slots, drivers, threads);
        if (status != SM_OK || atomic_load(&r->over)) return status;
        if (r->trial->one_round) {
            if (r->feed != NULL) sm_feed_finish(r->feed);
            sm_reading_stop(r);
            return SM_OK;
        }
        if (atomic_load(&r->tickets) == begun)
            return sm_fail(SM_ERR_IO, "'%s' lost pictures while it was read", r->dataset->source);
    }
}

static sm_status choose_engine(sm_reading *r)
{
    const sm_measure_engine asked = r->trial->engine;
    r->engine = SM_MEASURE_THREADS;
    if (r->dataset->is_remote) {
        r->engine = SM_MEASURE_ENGINE_AUTO;
    } else if (asked == SM_MEASURE_URING ||
               (asked == SM_MEASURE_ENGINE_AUTO && r->trial->cache != SM_MEASURE_WARM)) {
        if (sm_uring_works())
            r->engine = SM_MEASURE_URING;
        else if (asked == SM_MEASURE_URING)
            return sm_fail(SM_ERR_USAGE, "there is no io_uring here (or it is forbidden): leave "
                                         "--io uring out");
    }
    return SM_OK;
}

static uint64_t round_up(uint64_t bytes)
{
    return (bytes + SM_DIRECT_UNIT - 1) / SM_DIRECT_UNIT * SM_DIRECT_UNIT;
}

/* The buffers' size; two a reader must fit into half of the memory. */
static sm_status choose_block(sm_reading *r)
{
    const sm_measure_trial *t = r->trial;
    const bool whole = t->read_size == 0 || r->dataset->largest < t->read_size ||
                       (r->dataset->format == SM_MEASURE_FILES && r->feed != NULL);
    const uint64_t block = round_up(whole ? r->dataset->largest : t->read_size);
    const uint64_t most = sm_machine_memory() / 4 / t->readers;
    if (block > most || block > SIZE_MAX / 2)
        return sm_fail(SM_ERR_LIMIT,
                       "%u readers of %" PRIu64 " bytes at once take more than half of the memory: "
                       "take fewer --readers, or a --read-size",
                       t->readers, block);
    r->block = (size_t)(block > 0 ? block : SM_DIRECT_UNIT);
    return SM_OK;
}

sm_status sm_reading_run(sm_reading *r)
{
    const size_t readers = r->trial->readers;
    r->wanted = (uint64_t)r->trial->batch_size * r->trial->batches;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    sm_status status = choose_engine(r);
    if (status == SM_OK) status = choose_block(r);
    const size_t cores = sm_machine_threads();
    const size_t threads = r->engine != SM_MEASURE_URING || readers < cores ? readers : cores;
    sm_slot *slots = calloc(readers, sizeof *slots);
    driver *drivers = calloc(threads, sizeof *drivers);
    r->reach = calloc(r->dataset->count, sizeof *r->reach);
    if (status == SM_OK && (slots == NULL || drivers == NULL || r->reach == NULL))
        status = sm_fail_memory(readers * sizeof *slots);
    size_t made = 0;
    while (status == SM_OK && made < readers) status = sm_slot_init(&slots[made++], r);
    if (status == SM_OK) {
        status = run_rounds(r, slots, drivers, threads);
        if (r->status != SM_OK) sm_fail(r->status, "%s", r->error);
    }
    for (size_t i = 0; i < made; i++) sm_slot_free(&slots[i]);
    free(slots);
    free(drivers);
    return status;
}

void sm_reading_free(sm_reading *reading)
{
    free(reading->reach);
    reading->reach = NULL;
}
