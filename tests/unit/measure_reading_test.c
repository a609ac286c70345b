/* What readers take, and how a source's pictures come to be known. Readers are driven by hand here,
 * so that what would need an unlucky moment happens each time. */
#include "measure/reading.h"

#include "files.h"
#include "shard/tfrecord.h"

#include <fcntl.h>

enum { SHARDS = 3, PICTURES = 2, READERS = 4 };

/* Shards of so many records each, listed. */
static void make_shards(sm_dataset *dataset, const char *folder, size_t records)
{
    for (size_t i = 0; i < SHARDS; i++) {
        sm_buf buf;
        sm_buf_init(&buf, 1 << 20);
        for (size_t k = 0; k < records; k++) {
            size_t start;
            assert_int_equal(sm_tfrecord_begin(&start, &buf), SM_OK);
            assert_int_equal(sm_buf_append(&buf, "picture", 7), SM_OK);
            assert_int_equal(sm_tfrecord_end(&buf, start), SM_OK);
        }
        put_bytes(in(folder, "a.tfrecord-%05zu-of-00003", i), buf.len > 0 ? buf.data : NULL,
                  buf.len);
        sm_buf_free(&buf);
    }
    assert_int_equal(sm_dataset_open(dataset, folder, SM_MEASURE_TFRECORD), SM_OK);
    assert_int_equal(dataset->count, SHARDS);
}

static const size_t by_name[SHARDS] = {0, 1, 2};

static sm_measure_trial trial_of(uint32_t wanted, uint32_t readers)
{
    return (sm_measure_trial){
        .batch_size = wanted, .batches = 1, .readers = readers, .engine = SM_MEASURE_THREADS};
}

/* ---- By hand */

typedef struct by_hand {
    sm_dataset dataset;
    sm_measure_trial trial;
    sm_reading reading;
    sm_slot slots[READERS];
} by_hand;

static by_hand *begin(const char *folder, size_t records)
{
    by_hand *h = calloc(1, sizeof *h);
    assert_non_null(h);
    make_shards(&h->dataset, folder, records);
    h->trial = trial_of(SHARDS * PICTURES, READERS);
    h->reading = (sm_reading){.dataset = &h->dataset,
                              .trial = &h->trial,
                              .order = by_name,
                              .wanted = SHARDS * PICTURES,
                              .block = SM_DIRECT_UNIT,
                              .reach = calloc(SHARDS, sizeof(uint64_t))};
    assert_non_null(h->reading.reach);
    pthread_mutex_init(&h->reading.lock, NULL);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(sm_slot_init(&h->slots[i], &h->reading), SM_OK);
    return h;
}

static void end(by_hand *h)
{
    for (size_t i = 0; i < READERS; i++) sm_slot_free(&h->slots[i]);
    sm_reading_free(&h->reading);
    sm_dataset_close(&h->dataset);
    free(h);
}

/* Has a reader read its shard, which is not looked through yet. */
static void read_whole(sm_slot *slot)
{
    sm_ask ask;
    sm_slot_next(slot, &ask);
    assert_int_equal(ask.kind, SM_ASK_OPEN);
    sm_slot_done(slot, &ask, open(ask.path, ask.flags));
    if (slot->size == 0) return;
    sm_slot_next(slot, &ask);
    assert_int_equal(ask.kind, SM_ASK_READ);
    sm_slot_done(slot, &ask, pread(ask.fd, ask.data, ask.len, (off_t)ask.offset));
}

static void has_nothing_to_do(sm_slot *slot)
{
    sm_ask ask;
    sm_slot_next(slot, &ask);
    assert_int_equal(ask.kind, SM_ASK_NOTHING);
}

static void no_shard_is_read_again_while_one_waits(void **state)
{
    by_hand *h = begin(*state, PICTURES);
    for (size_t i = 0; i < SHARDS; i++) read_whole(&h->slots[i]);
    has_nothing_to_do(&h->slots[3]);
    for (size_t i = 0; i < 2; i++) sm_slot_digest(&h->slots[i]);
    has_nothing_to_do(&h->slots[0]);
    assert_int_equal(atomic_load(&h->reading.images), 2 * PICTURES);
    assert_int_equal(atomic_load(&h->reading.tickets), SHARDS); /* where the next round begins */
    assert_int_equal(sm_dataset_images(&h->dataset), -1);
    sm_slot_digest(&h->slots[2]);
    assert_int_equal(sm_dataset_images(&h->dataset), SHARDS * PICTURES);
    assert_true(atomic_load(&h->reading.over));
    end(h);
}

static void no_pictures_are_told_when_all_was_looked_through(void **state)
{
    by_hand *h = begin(*state, PICTURES);
    for (size_t i = 0; i < SHARDS; i++) read_whole(&h->slots[i]);
    for (size_t i = 0; i < 3 * READERS; i++) has_nothing_to_do(&h->slots[i % READERS]);
    assert_int_equal(h->reading.status, SM_OK);
    end(h);
}

static void shards_without_pictures_are_told(void **state)
{
    by_hand *h = begin(*state, 0);
    for (size_t i = 0; i < SHARDS; i++) read_whole(&h->slots[i]);
    for (size_t i = 0; i < SHARDS; i++) sm_slot_digest(&h->slots[i]);
    assert_int_equal(sm_dataset_images(&h->dataset), 0);
    has_nothing_to_do(&h->slots[0]);
    assert_int_equal(h->reading.status, SM_ERR_NOT_FOUND);
    end(h);
}

/* ---- By threads */

static void run(sm_reading *reading, sm_dataset *dataset, const sm_measure_trial *trial)
{
    *reading = (sm_reading){.dataset = dataset, .trial = trial, .order = by_name, .first = 1};
    assert_int_equal(sm_reading_run(reading), SM_OK);
    sm_reading_free(reading);
}

static void the_shard_of_the_last_picture_is_counted(void **state)
{
    sm_dataset dataset;
    sm_reading reading;
    make_shards(&dataset, *state, PICTURES);
    const sm_measure_trial all = trial_of(SHARDS * PICTURES, 1);
    run(&reading, &dataset, &all);
    assert_int_equal(atomic_load(&reading.bytes), dataset.bytes);
    assert_int_equal(sm_dataset_images(&dataset), SHARDS * PICTURES);
    sm_dataset_close(&dataset);
}

static void what_is_wanted_beyond_a_round_comes_round(void **state)
{
    sm_dataset dataset;
    sm_reading reading;
    make_shards(&dataset, *state, PICTURES);
    const sm_measure_trial more = trial_of(3 * SHARDS * PICTURES, 2);
    for (int again = 0; again < 2; again++) { /* the second one knows what is there */
        run(&reading, &dataset, &more);
        assert_true(atomic_load(&reading.images) >= 3 * SHARDS * PICTURES);
        assert_int_equal(atomic_load(&reading.bytes), 3 * dataset.bytes);
    }
    sm_dataset_close(&dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_IN_FOLDER(no_shard_is_read_again_while_one_waits),
        TEST_IN_FOLDER(no_pictures_are_told_when_all_was_looked_through),
        TEST_IN_FOLDER(shards_without_pictures_are_told),
        TEST_IN_FOLDER(the_shard_of_the_last_picture_is_counted),
        TEST_IN_FOLDER(what_is_wanted_beyond_a_round_comes_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
