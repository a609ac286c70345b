#include "measure/feed.h"

#include "core/machine.h"
#include "core/queue.h"
#include "image/image.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { READY_MAX = 3, DECODERS_MAX = 64, PIXEL_SIZE = 3 };

/* What a training loop's batches may take at most. */
static const uint64_t batch_bytes_max = 2ull << 30;

typedef struct raw {
    size_t len;
    uint8_t data[];
} raw;

struct sm_feed {
    sm_feed_options options;
    size_t picture_bytes;
    sm_queue queue; /* of raw, to be decoded */
    pthread_t consumer, decoders[DECODERS_MAX];
    bool has_consumer;
    size_t decoder_count;
    atomic_bool over;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t room, full;
    uint8_t *batches[READY_MAX];
    uint64_t places;            /* given to decoders so far */
    uint32_t filled[READY_MAX]; /* pictures that are in place */
    uint32_t full_count;        /* batches that wait for the consumer */
    uint64_t consumed;          /* batches */
    uint64_t full_since_ns;
    sm_feed_result result;
    char problem[256]; /* of the last picture that did not decode */
    sm_status status;
};

/* ---- Decoders */

/* Waits for a place in a batch; false: over. */
static bool take_place(sm_feed *f, uint64_t *place)
{
    pthread_mutex_lock(&f->lock);
    while (f->places / f->options.batch_size >= f->consumed + READY_MAX && !atomic_load(&f->over))
        pthread_cond_wait(&f->room, &f->lock);
    *place = f->places++;
    pthread_mutex_unlock(&f->lock);
    return !atomic_load(&f->over);
}

static void put_in_place(sm_feed *f, const uint8_t *rgb)
{
    uint64_t place;
    if (!take_place(f, &place)) return;
    const size_t batch = (size_t)(place / f->options.batch_size % READY_MAX);
    memcpy(f->batches[batch] + place % f->options.batch_size * f->picture_bytes, rgb,
           f->picture_bytes);
    pthread_mutex_lock(&f->lock);
    if (++f->filled[batch] == f->options.batch_size) {
        if (++f->full_count == READY_MAX) f->full_since_ns = sm_clock_ns();
        pthread_cond_signal(&f->full);
    }
    pthread_mutex_unlock(&f->lock);
}

static void note_undecoded(sm_feed *f)
{
    pthread_mutex_lock(&f->lock);
    const uint64_t wanted = (uint64_t)f->options.batch_size * f->options.batches;
    snprintf(f->problem, sizeof f->problem, "%.255s", sm_last_error());
    const bool too_many = ++f->result.undecoded > wanted;
    if (too_many) f->status = SM_ERR_CORRUPT;
    pthread_mutex_unlock(&f->lock);
    if (too_many) sm_feed_stop(f);
}

static void *decode(void *user)
{
    sm_feed *f = user;
    const uint32_t side = f->options.image_size;
    const sm_picture_options options = {.width = side,
                                        .height = side,
                                        .encode_quality = 95,
                                        .orient = true,
                                        .max_pixels = 178000000};
    sm_picture *picture = NULL;
    if (sm_picture_new(&picture, &options) != SM_OK) {
        pthread_mutex_lock(&f->lock);
        f->status = SM_ERR_MEMORY;
        snprintf(f->problem, sizeof f->problem, "%.255s", sm_last_error());
        pthread_mutex_unlock(&f->lock);
        sm_feed_stop(f);
    }
    for (raw *item; (item = sm_queue_pop(&f->queue)) != NULL; free(item)) {
        sm_picture_info info;
        const uint8_t *rgb;
        if (atomic_load(&f->over) || picture == NULL) continue;
        if (sm_picture_pixels(picture, &info, &rgb, item->data, item->len) == SM_OK)
            put_in_place(f, rgb);
        else
            note_undecoded(f);
    }
    sm_picture_free(picture);
    return NULL;
}

/* ---- The consumer */

static void compute(double ms)
{
    const uint64_t until = sm_clock_ns() + (uint64_t)(ms * 1e6);
    const struct timespec time = {.tv_sec = (time_t)(until / 1000000000u),
                                  .tv_nsec = (long)(until % 1000000000u)};
    if (ms > 0) clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

/* Waits for batch number b; false: over. */
static bool take_batch(sm_feed *f, uint32_t b)
{
    const uint64_t asked = sm_clock_ns();
    pthread_mutex_lock(&f->lock);
    const uint32_t *filled = &f->filled[b % READY_MAX];
    while (*filled < f->options.batch_size && !atomic_load(&f->over) && !f->result.is_finished)
        pthread_cond_wait(&f->full, &f->lock);
    const bool got = *filled == f->options.batch_size || (f->result.is_finished && *filled > 0);
    const uint64_t now = sm_clock_ns();
    if (got) {
        if (b == 0)
            f->result.first_batch_ns = now;
        else
            f->result.stall_s += (double)(now - asked) / 1e9;
        f->result.images += *filled;
        f->result.end_ns = now;
    }
    pthread_mutex_unlock(&f->lock);
    return got;
}

static void give_back(sm_feed *f, uint32_t b)
{
    pthread_mutex_lock(&f->lock);
    if (f->full_count-- == READY_MAX)
        f->result.blocked_s += (double)(sm_clock_ns() - f->full_since_ns) / 1e9;
    f->filled[b % READY_MAX] = 0;
    f->consumed++;
    pthread_cond_broadcast(&f->room);
    pthread_mutex_unlock(&f->lock);
}

static void *consume(void *user)
{
    sm_feed *f = user;
    for (uint32_t b = 0; b < f->options.batches && take_batch(f, b); b++) {
        const bool last = b + 1 == f->options.batches;
        if (!last) compute(f->options.step_ms);
        give_back(f, b);
    }
    sm_feed_stop(f);
    return NULL;
}

/* ---- Its life */

sm_status sm_feed_push(sm_feed *feed, const uint8_t *data, size_t len)
{
    raw *item = malloc(sizeof *item + len);
    if (item == NULL) return sm_fail_memory(len);
    item->len = len;
    memcpy(item->data, data, len);
    if (sm_queue_push(&feed->queue, item)) return SM_OK;
    free(item);
    return sm_fail(SM_ERR_CANCELLED, "all batches are there");
}

static void join_decoders(sm_feed *f)
{
    for (size_t i = 0; i < f->decoder_count; i++) pthread_join(f->decoders[i], NULL);
    f->decoder_count = 0;
}

void sm_feed_finish(sm_feed *feed)
{
    sm_queue_close(&feed->queue);
    join_decoders(feed);
    pthread_mutex_lock(&feed->lock);
    feed->result.is_finished = true;
    if (feed->places % feed->options.batch_size != 0) feed->full_count++;
    pthread_cond_broadcast(&feed->full);
    pthread_mutex_unlock(&feed->lock);
    pthread_join(feed->consumer, NULL);
    feed->has_consumer = false;
}

bool sm_feed_is_over(sm_feed *feed)
{
    return atomic_load(&feed->over);
}

void sm_feed_stop(sm_feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    atomic_store(&feed->over, true);
    pthread_cond_broadcast(&feed->room);
    pthread_cond_broadcast(&feed->full);
    pthread_mutex_unlock(&feed->lock);
    sm_queue_close(&feed->queue);
}

static sm_status start(sm_feed *f)
{
    const size_t decoders = sm_machine_threads();
    const uint64_t bytes = (uint64_t)f->picture_bytes * f->options.batch_size;
    if (bytes > batch_bytes_max / READY_MAX)
        return sm_fail(SM_ERR_LIMIT,
                       "batches of %u decoded pictures are too large: take fewer, or "
                       "a smaller --image-size",
                       f->options.batch_size);
    for (size_t i = 0; i < READY_MAX; i++) {
        f->batches[i] = malloc((size_t)bytes);
        if (f->batches[i] == NULL) return sm_fail_memory((size_t)bytes);
    }
    sm_status status = sm_queue_init(&f->queue, 4 * decoders);
    if (status != SM_OK) return status;
    while (f->decoder_count < decoders && f->decoder_count < DECODERS_MAX &&
           pthread_create(&f->decoders[f->decoder_count], NULL, decode, f) == 0)
        f->decoder_count++;
    f->has_consumer = pthread_create(&f->consumer, NULL, consume, f) == 0;
    return f->decoder_count > 0 && f->has_consumer
               ? SM_OK
               : sm_fail(SM_ERR_MEMORY, "cannot start a thread");
}

sm_status sm_feed_new(sm_feed **feed, const sm_feed_options *options)
{
    sm_feed *f = calloc(1, sizeof *f);
    if (f == NULL) return sm_fail_memory(sizeof *f);
    f->options = *options;
    f->picture_bytes = (size_t)options->image_size * options->image_size * PIXEL_SIZE;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->room, NULL);
    pthread_cond_init(&f->full, NULL);
    sm_status status = start(f);
    if (status == SM_OK) {
        *feed = f;
        return SM_OK;
    }
    sm_feed_result unused;
    (void)sm_feed_end(f, &unused);
    return status;
}

sm_status sm_feed_end(sm_feed *feed, sm_feed_result *result)
{
    /* A queue that could not be made has nobody who waits at it. */
    if (feed->queue.items != NULL) sm_feed_stop(feed);
    join_decoders(feed);
    if (feed->has_consumer) pthread_join(feed->consumer, NULL);
    *result = feed->result;
    sm_status status = feed->status;
    if (status != SM_OK)
        status = sm_fail(status, "more pictures failed to decode than were asked for; the last: %s",
                         feed->problem);
    else if (result->is_finished && result->images == 0 && result->undecoded > 0)
        status =
            sm_fail(SM_ERR_CORRUPT, "no picture could be decoded; the last: %s", feed->problem);
    sm_queue_destroy(&feed->queue);
    for (size_t i = 0; i < READY_MAX; i++) free(feed->batches[i]);
    pthread_mutex_destroy(&feed->lock);
    pthread_cond_destroy(&feed->room);
    pthread_cond_destroy(&feed->full);
    free(feed);
    return status;
}
