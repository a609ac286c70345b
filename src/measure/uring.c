/* Readers as entries of io_uring: a thread has several under way at once. The next request of a
 * reader is on its way before what it brought is looked through, so that the device never waits. */
#include "measure/reading.h"

#ifdef SM_HAVE_URING

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>

enum { BATCH = 64 };

/* A slot with the request that it waits for. */
typedef struct entry {
    sm_slot *slot;
    sm_ask ask;
} entry;

bool sm_uring_works(void)
{
    struct io_uring ring;
    if (io_uring_queue_init(2, &ring, 0) != 0) return false;
    io_uring_queue_exit(&ring);
    return true;
}

/* Puts the slot's next request into the ring; false: it wants nothing more. */
static bool ask_next(struct io_uring *ring, entry *e)
{
    sm_slot_next(e->slot, &e->ask);
    if (e->ask.kind == SM_ASK_NOTHING) return false;
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring); /* there are as many as slots */
    if (e->ask.kind == SM_ASK_OPEN)
        io_uring_prep_openat(sqe, AT_FDCWD, e->ask.path, e->ask.flags, 0);
    else
        io_uring_prep_read(sqe, e->ask.fd, e->ask.data, (unsigned)e->ask.len, e->ask.offset);
    io_uring_sqe_set_data(sqe, e);
    return true;
}

static void drive_ring(struct io_uring *ring, entry *entries, size_t count)
{
    size_t busy = 0;
    for (size_t i = 0; i < count; i++) busy += ask_next(ring, &entries[i]);
    while (busy > 0) {
        const int sent = io_uring_submit_and_wait(ring, 1);
        if (sent < 0 && sent != -EINTR) {
            /* What is under way still writes into our buffers: it must be waited for. */
            sm_reading_fail(entries->slot->reading, sm_fail_errno(-sent, "io_uring failed"));
        }
        struct io_uring_cqe *done[BATCH];
        const unsigned n = io_uring_peek_batch_cqe(ring, done, BATCH);
        entry *came[BATCH];
        for (unsigned i = 0; i < n; i++) {
            came[i] = io_uring_cqe_get_data(done[i]);
            sm_slot_done(came[i]->slot, &came[i]->ask, done[i]->res);
            busy -= !ask_next(ring, came[i]);
        }
        io_uring_cq_advance(ring, n);
        if (n > 0) io_uring_submit(ring);
        for (unsigned i = 0; i < n; i++) sm_slot_digest(came[i]->slot);
    }
}

void sm_uring_drive(sm_slot *slots, size_t count)
{
    struct io_uring ring;
    sm_reading *reading = slots->reading;
    entry *entries = calloc(count, sizeof *entries);
    if (entries == NULL) {
        sm_reading_fail(reading, sm_fail_memory(count * sizeof *entries));
        return;
    }
    for (size_t i = 0; i < count; i++) entries[i].slot = &slots[i];
    const int error = io_uring_queue_init((unsigned)count, &ring, 0);
    if (error == 0) {
        drive_ring(&ring, entries, count);
        io_uring_queue_exit(&ring);
    } else {
        sm_reading_fail(reading, sm_fail_errno(-error, "cannot use io_uring"));
    }
    free(entries);
}

#else

bool sm_uring_works(void)
{
    return false;
}

void sm_uring_drive(sm_slot *slots, size_t count)
{
    (void)count;
    sm_reading_fail(slots->reading, sm_fail(SM_ERR_INTERNAL, "this build has no io_uring"));
}

#endif
