/* What one reader does. */
#include "core/machine.h"
#include "image/image.h"
#include "measure/reading.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_files(const sm_slot *slot)
{
    return slot->reading->dataset->format == SM_MEASURE_FILES;
}

static bool is_direct(const sm_slot *slot)
{
    return slot->reading->trial->cache == SM_MEASURE_DIRECT;
}

/* Whether a picture file's parts must lie together in the end. */
static bool keeps_whole(const sm_slot *slot)
{
    return is_files(slot) && slot->reading->feed != NULL;
}

sm_status sm_slot_init(sm_slot *slot, sm_reading *reading)
{
    *slot = (sm_slot){.reading = reading, .fd = -1};
    sm_scan_init(&slot->scan);
    for (int i = 0; i < 2; i++) {
        sm_buf_init(&slot->parts[i], reading->block);
        if (reading->dataset->is_remote) {
            sm_status status = sm_buf_reserve(&slot->parts[i], reading->block);
            if (status != SM_OK) return status;
        } else {
            slot->buffers[i] = aligned_alloc(SM_DIRECT_UNIT, reading->block);
            if (slot->buffers[i] == NULL) return sm_fail_memory(reading->block);
            memset(slot->buffers[i], 0, reading->block); /* no page faults while time runs */
        }
    }
    return SM_OK;
}

void sm_slot_free(sm_slot *slot)
{
    if (slot->fd >= 0) close(slot->fd);
    for (int i = 0; i < 2; i++) {
        free(slot->buffers[i]);
        sm_buf_free(&slot->parts[i]);
    }
    sm_scan_free(&slot->scan);
}

/* ---- What to ask for next */

static bool is_time_up(sm_reading *r, uint64_t now)
{
    const bool cancelled = r->is_cancelled != NULL && r->is_cancelled(r->user);
    const bool late = r->deadline_ns != 0 && now >= r->deadline_ns;
    if (late) atomic_store(&r->is_short, true);
    if (cancelled) {
        sm_reading_fail(r, sm_fail(SM_ERR_CANCELLED, "stopped"));
    } else if (late) {
        sm_reading_stop(r);
    }
    return late || cancelled;
}

/* Whether the shards that were begun hold all that is wanted. Until each has been looked through
 * nobody knows what they hold; then the first round ends here, and sm_reading_run() begins the
 * next: a shard that is read twice while another still waits would be counted for it. */
static bool is_enough_begun(sm_reading *r, uint64_t ticket)
{
    const uint64_t rounds = ticket / r->dataset->count;
    if (rounds == 0) return false;
    pthread_mutex_lock(&r->lock);
    const int64_t known = sm_dataset_images(r->dataset);
    pthread_mutex_unlock(&r->lock);
    if (known < 0) return true;
    if (known == 0) {
        sm_reading_fail(r, sm_fail(SM_ERR_NOT_FOUND, "there are no pictures in the shards of '%s'",
                                   r->dataset->source));
        return true;
    }
    return r->feed == NULL && rounds * (uint64_t)known >= r->wanted;
}

/* Takes the next object; false: there is none for this reader, now. */
static bool take_object(sm_slot *slot)
{
    sm_reading *r = slot->reading;
    unsigned long long ticket = atomic_load(&r->tickets);
    do {
        if (r->trial->one_round && ticket >= r->dataset->count) return false;
        if (is_files(slot) && r->feed == NULL && ticket >= r->wanted) return false;
        if (!is_files(slot) && is_enough_begun(r, ticket)) return false;
    } while (!atomic_compare_exchange_weak(&r->tickets, &ticket, ticket + 1));
    slot->object = r->order[(r->first + ticket) % r->dataset->count];
    slot->size = r->dataset->objects[slot->object].size;
    slot->offset = 0;
    slot->info = (sm_file_info){0};
    return true;
}

static void ask_for_part(sm_slot *slot, sm_ask *ask)
{
    sm_reading *r = slot->reading;
    uint64_t len = slot->size - slot->offset;
    if (r->trial->read_size > 0 && r->trial->read_size < len) len = r->trial->read_size;
    if (is_direct(slot)) len = (len + SM_DIRECT_UNIT - 1) / SM_DIRECT_UNIT * SM_DIRECT_UNIT;
    *ask = (sm_ask){.kind = r->dataset->is_remote ? SM_ASK_FETCH : SM_ASK_READ,
                    .path = sm_dataset_path(r->dataset, slot->object),
                    .fd = slot->fd,
                    .len = (size_t)len,
                    .offset = slot->offset};
    if (!r->dataset->is_remote)
        ask->data = slot->buffers[slot->filling] + (keeps_whole(slot) ? slot->offset : 0);
    slot->state = SM_SLOT_READING;
}

void sm_slot_next(sm_slot *slot, sm_ask *ask)
{
    sm_reading *r = slot->reading;
    const uint64_t now = sm_clock_ns();
    *ask = (sm_ask){.kind = SM_ASK_NOTHING};
    if (atomic_load(&r->over) || is_time_up(r, now)) return;
    if (slot->state == SM_SLOT_OPENING) {
        ask_for_part(slot, ask); /* asked_ns stays: the first part's time holds the opening */
        return;
    }
    slot->asked_ns = now;
    if (slot->state == SM_SLOT_IDLE) {
        if (!take_object(slot)) return;
        if (!r->dataset->is_remote) {
            /* Not blocking, so that what became a FIFO cannot hold us up. */
            *ask = (sm_ask){.kind = SM_ASK_OPEN,
                            .path = sm_dataset_path(r->dataset, slot->object),
                            .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK |
                                     (is_direct(slot) ? O_DIRECT : 0)};
            slot->state = SM_SLOT_OPENING;
            return;
        }
    }
    ask_for_part(slot, ask);
}

/* ---- What has come */

static void fail_errno(sm_slot *slot, int error, const sm_ask *ask)
{
    sm_status status;
    if (ask->kind == SM_ASK_OPEN && error == EINVAL && is_direct(slot))
        status = sm_fail(SM_ERR_USAGE,
                         "cannot open '%s' for direct reading: its file system has "
                         "none; leave --cache direct out",
                         ask->path);
    else
        status = sm_fail_errno(error, "cannot %s '%s'", ask->kind == SM_ASK_OPEN ? "open" : "read",
                               ask->path);
    sm_reading_fail(slot->reading, status);
}

static void finish_object(sm_slot *slot)
{
    if (slot->fd >= 0) close(slot->fd);
    slot->fd = -1;
    slot->state = SM_SLOT_IDLE;
}

static void note_read(sm_slot *slot, uint64_t bytes)
{
    sm_reading *r = slot->reading;
    const uint64_t now = sm_clock_ns();
    unsigned long long none = 0;
    if (atomic_load(&r->over)) return;
    sm_latency_add(&slot->latency, now - slot->asked_ns);
    atomic_fetch_add(&r->bytes, bytes);
    if (atomic_load(&r->first_byte_ns) == 0)
        atomic_compare_exchange_strong(&r->first_byte_ns, &none, now);
}

/* How far shards were read: what their residency is told of. */
static void note_reach(sm_slot *slot)
{
    sm_reading *r = slot->reading;
    if (is_files(slot)) return;
    pthread_mutex_lock(&r->lock);
    if (r->reach[slot->object] < slot->offset) r->reach[slot->object] = slot->offset;
    pthread_mutex_unlock(&r->lock);
}

/* What was read is whole (a picture file) or a part (of a shard) that can be looked through. */
static void hand_on(sm_slot *slot, const sm_ask *ask, size_t len)
{
    const bool is_last = slot->offset >= slot->size;
    if (is_files(slot) && !is_last) return; /* counted, or looked at, when it is whole */
    const uint8_t *data = slot->reading->dataset->is_remote ? slot->parts[slot->filling].data
                                                            : slot->buffers[slot->filling];
    slot->block = (sm_block){.data = data,
                             .len = keeps_whole(slot) ? (size_t)slot->size : len,
                             .object = slot->object,
                             .is_there = true,
                             .is_first = ask->offset == 0,
                             .is_last = is_last};
    slot->filling = 1 - slot->filling;
    if (slot->reading->dataset->is_remote) sm_buf_clear(&slot->parts[slot->filling]);
}

static void take_bytes(sm_slot *slot, const sm_ask *ask, uint64_t got)
{
    const uint64_t left = slot->size - slot->offset;
    if (got > left) got = left; /* it grew since it was listed */
    slot->offset += got;
    const bool cut = got == 0 || (slot->offset < slot->size && is_direct(slot) &&
                                  slot->offset % SM_DIRECT_UNIT != 0);
    if (cut && slot->size > 0) {
        sm_reading_fail(slot->reading,
                        sm_fail(SM_ERR_IO, "'%s' is shorter than when it was listed", ask->path));
        return;
    }
    note_read(slot, got);
    note_reach(slot);
    hand_on(slot, ask, (size_t)got);
    if (slot->offset >= slot->size) finish_object(slot);
}

void sm_slot_done(sm_slot *slot, const sm_ask *ask, int64_t result)
{
    if (result < 0 && ask->kind == SM_ASK_FETCH) {
        sm_reading_fail(slot->reading, SM_ERR_IO);
    } else if (result < 0) {
        fail_errno(slot, (int)-result, ask);
    } else if (ask->kind == SM_ASK_OPEN) {
        slot->fd = (int)result;
        if (slot->size == 0) take_bytes(slot, ask, 0); /* nothing to be read is soon read */
    } else {
        take_bytes(slot, ask, (uint64_t)result);
    }
}

/* ---- What it holds */

/* The picture within a tf.train.Example: the first value of bytes that is one. What has none goes
 * on as it is, and fails to decode. */
static void find_picture(const uint8_t **data, size_t *len)
{
    sm_feature feature;
    size_t at = 0, bytes_len;
    const uint8_t *bytes;
    while (sm_example_next(&feature, &at, *data, *len) == SM_OK && feature.name != NULL) {
        if (feature.kind != SM_FEATURE_BYTES || feature.count == 0) continue;
        if (sm_feature_bytes(&bytes, &bytes_len, &feature, 0) != SM_OK) return;
        if (sm_sniff(bytes, bytes_len) == SM_FORMAT_UNKNOWN) continue;
        *data = bytes;
        *len = bytes_len;
        return;
    }
}

static sm_status give(void *user, const uint8_t *data, size_t len)
{
    sm_slot *slot = user;
    sm_reading *r = slot->reading;
    slot->images++;
    if (r->feed != NULL && r->dataset->format == SM_MEASURE_TFRECORD) find_picture(&data, &len);
    if (r->feed != NULL) return sm_feed_push(r->feed, data, len);
    const uint64_t number = atomic_fetch_add(&r->images, 1) + 1;
    if (number == r->trial->batch_size) atomic_store(&r->first_batch_ns, sm_clock_ns());
    if (number < r->wanted) return SM_OK;
    if (number == r->wanted) sm_reading_stop(r);
    /* What is at hand up to the shard's end is looked through, to learn how many it holds. */
    return slot->is_last ? SM_OK : SM_ERR_CANCELLED;
}

static sm_status scan_block(sm_slot *slot, const sm_block *block)
{
    sm_reading *r = slot->reading;
    slot->is_last = block->is_last;
    if (block->is_first) {
        slot->images = 0;
        sm_scan_begin(&slot->scan, r->dataset->format, sm_dataset_path(r->dataset, block->object));
    }
    sm_status status = sm_scan_feed(&slot->scan, block->data, block->len, give, slot);
    if (status != SM_OK || !block->is_last) return status;
    status = sm_scan_end(&slot->scan);
    pthread_mutex_lock(&r->lock);
    if (status == SM_OK) r->dataset->images[block->object] = slot->images;
    pthread_mutex_unlock(&r->lock);
    return status;
}

void sm_slot_digest(sm_slot *slot)
{
    sm_reading *r = slot->reading;
    const sm_block block = slot->block;
    slot->block.is_there = false;
    if (!block.is_there || atomic_load(&r->over)) return;
    sm_status status;
    if (is_files(slot)) {
        status = give(slot, block.data, block.len);
    } else {
        status = scan_block(slot, &block);
    }
    if (status == SM_ERR_CANCELLED)
        sm_reading_stop(r);
    else if (status != SM_OK)
        sm_reading_fail(r, status);
}
