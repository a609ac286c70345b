/*
 * Reading the objects of a source with some number of readers, each of which has one request under
 * way: the part of a trial that is timed.
 *
 *     slot.c     what one reader does: which object, which bytes of it, what they hold
 *     reading.c  readers as threads, and what they share
 *     uring.c    readers as entries of io_uring, a few threads driving many
 */
#ifndef SM_MEASURE_READING_H
#define SM_MEASURE_READING_H

#include "io/io.h"
#include "measure/dataset.h"
#include "measure/feed.h"
#include "measure/latency.h"
#include "measure/scan.h"

#include <pthread.h>
#include <stdatomic.h>

/* Addresses, lengths and places of direct reads are multiples of this: enough for every device with
 * blocks of 512 or 4096 bytes. */
enum { SM_DIRECT_UNIT = 4096 };

typedef struct sm_reading {
    /* set by the caller */
    sm_dataset *dataset; /* learns how many pictures its shards hold */
    const sm_measure_trial *trial;
    const size_t *order; /* objects, to be read from `first` on, around and around */
    size_t first;
    sm_feed *feed;                    /* where pictures go; NULL: they are counted */
    bool (*is_cancelled)(void *user); /* may be NULL */
    void *user;

    /* the outcome; times are sm_clock_ns() */
    sm_measure_engine engine;
    uint64_t start_ns;
    atomic_ullong images, bytes, first_byte_ns, first_batch_ns, end_ns;
    atomic_ullong tickets; /* objects that were begun */
    atomic_bool is_short;
    sm_latency latency;
    uint64_t *reach; /* of each object, up to which byte it was read; the caller's to free */

    /* inside */
    uint64_t wanted, deadline_ns;
    size_t block; /* bytes of a reader's buffer */
    atomic_bool over;
    pthread_mutex_t lock; /* guards latency, reach, the dataset's counts, and the failure */
    sm_status status;
    char error[512];
    size_t ready; /* threads; guarded by lock */
    bool go;
    pthread_cond_t changed;
} sm_reading;

/* Reads until all pictures are there, time is up, something failed, or it was cancelled. */
sm_status sm_reading_run(sm_reading *reading);
void sm_reading_free(sm_reading *reading);

/* ---- Between the three files */

typedef enum sm_ask_kind {
    SM_ASK_NOTHING, /* this reader has done its part */
    SM_ASK_OPEN,
    SM_ASK_READ, /* of an open file */
    SM_ASK_FETCH /* of a store: a whole object, or a part */
} sm_ask_kind;

/* What a reader wants next. */
typedef struct sm_ask {
    sm_ask_kind kind;
    const char *path;
    int fd, flags;
    uint8_t *data;
    size_t len;
    uint64_t offset;
} sm_ask;

/* Bytes that have come, to be looked through while the next ones are under way. */
typedef struct sm_block {
    const uint8_t *data;
    size_t len;
    size_t object;
    bool is_there, is_first, is_last;
} sm_block;

typedef enum sm_slot_state { SM_SLOT_IDLE, SM_SLOT_OPENING, SM_SLOT_READING } sm_slot_state;

typedef struct sm_slot {
    sm_reading *reading;
    sm_slot_state state;
    size_t object;
    int fd;
    uint64_t offset, size;
    uint64_t asked_ns;
    uint8_t *buffers[2]; /* one is filled while the other is looked through */
    sm_buf parts[2];     /* of stores */
    sm_file_info info;
    int filling;
    uint64_t images; /* of the shard so far */
    bool is_last;    /* what is looked through ends its shard */
    sm_block block;
    sm_scan scan;
    sm_latency latency;
} sm_slot;

sm_status sm_slot_init(sm_slot *slot, sm_reading *reading);
void sm_slot_free(sm_slot *slot);
void sm_slot_next(sm_slot *slot, sm_ask *ask);
/* result: bytes or a file descriptor; negative: -errno, or of a store any (the line is told). */
void sm_slot_done(sm_slot *slot, const sm_ask *ask, int64_t result);
void sm_slot_digest(sm_slot *slot);

void sm_reading_fail(sm_reading *reading, sm_status status); /* with this thread's line */
void sm_reading_stop(sm_reading *reading);
/* Counts this thread as ready, and waits for the start. */
void sm_reading_await_start(sm_reading *reading);

bool sm_uring_works(void);
/* Drives count slots from the calling thread. */
void sm_uring_drive(sm_slot *slots, size_t count);

#endif
