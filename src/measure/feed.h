/*
 * A training loop's view: pictures are decoded by as many threads as there are cores, collected
 * into batches of one size, and taken by a consumer that "computes" for a while with each.
 */
#ifndef SM_MEASURE_FEED_H
#define SM_MEASURE_FEED_H

#include "core/status.h"

typedef struct sm_feed sm_feed;

typedef struct sm_feed_options {
    uint32_t batch_size, batches, image_size;
    double step_ms;
} sm_feed_options;

/* What was delivered; times are sm_clock_ns(), 0: never. */
typedef struct sm_feed_result {
    uint64_t images, undecoded;
    bool is_finished;                /* ended by sm_feed_finish() */
    uint64_t first_batch_ns, end_ns; /* the last batch's delivery */
    double stall_s, blocked_s;       /* as in sm_measure_row */
} sm_feed_result;

/* Starts its threads. */
sm_status sm_feed_new(sm_feed **feed, const sm_feed_options *options);
/* From any thread; copies data, and waits while there is enough to do. SM_ERR_CANCELLED: over. */
sm_status sm_feed_push(sm_feed *feed, const uint8_t *data, size_t len);
/* No more pictures come: waits until those that came are delivered, a last batch that is not full
 * too. */
void sm_feed_finish(sm_feed *feed);
/* Whether all batches have been delivered, or it was stopped. */
bool sm_feed_is_over(sm_feed *feed);
void sm_feed_stop(sm_feed *feed);
/* Stops, waits for the threads, and frees. Fails when too many pictures could not be decoded, or
 * none could. */
sm_status sm_feed_end(sm_feed *feed, sm_feed_result *result);

#endif
