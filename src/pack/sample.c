/* What a record will take, told from a few of the pictures. */
#include "core/hash.h"
#include "core/machine.h"
#include "core/status.h"
#include "io/io.h"
#include "pack/plan.h"
#include "pack/record.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SAMPLE = 64,
    GLANCE = 12, /* so many tell whether all fits into one shard; then it needs no closer look */
    MOST_THREADS = 4,          /* more would have too little to do */
    DECODER_LIMIT = 512 << 20, /* a picture that needs more is not tried */
    FILE_LIMIT = 64 << 20
};
static const uint64_t sample_seed = 0x73616d706c65; /* none that a user's shuffle would take */

typedef struct candidate {
    uint64_t key;
    size_t input;
} candidate;

/* Keeps the SAMPLE inputs with the smallest keys, in rising order. */
static size_t choose_sample(candidate chosen[SAMPLE], const sm_inputs *inputs)
{
    size_t count = 0;
    for (size_t i = 0; i < inputs->count; i++) {
        const char *path = sm_inputs_text(inputs, inputs->items[i].path);
        uint64_t key = sm_hash_key(path, strlen(path), sample_seed);
        if (count == SAMPLE && key >= chosen[SAMPLE - 1].key) continue;
        size_t at = count < SAMPLE ? count++ : SAMPLE - 1;
        for (; at > 0 && chosen[at - 1].key > key; at--) chosen[at] = chosen[at - 1];
        chosen[at] = (candidate){key, i};
    }
    return count;
}

/* The size of one input's record; 0 when it makes none. */
static sm_status record_size(size_t *size, sm_picture *picture, sm_recorder *recorder,
                             const sm_inputs *inputs, const sm_input *input, sm_buf work[3])
{
    sm_buf *file = &work[0], *image = &work[1], *record = &work[2];
    sm_status status = sm_inputs_full_path(record, inputs, sm_inputs_text(inputs, input->path));
    if (status != SM_OK) return status;
    sm_buf_clear(file);
    sm_buf_clear(image);
    *size = 0;
    sm_picture_info info;
    if (sm_io_read_file(file, (const char *)record->data, NULL) != SM_OK) return SM_OK;
    if (sm_picture_convert(picture, &info, image, file->data, file->len) != SM_OK) return SM_OK;
    sm_buf_clear(record);
    status = sm_recorder_append(recorder, record, input, &info, image->data, image->len);
    if (status == SM_OK) *size = record->len;
    return status;
}

/* The chosen inputs' records, measured by several threads. */
typedef struct trial {
    const sm_inputs *inputs;
    const sm_pack_options *options;
    const candidate *chosen;
    size_t end;
    atomic_size_t next;   /* of the chosen, to be measured */
    size_t sizes[SAMPLE]; /* of the records; 0: it makes none */
    pthread_mutex_t lock;
    sm_status status; /* the first error */
    char error[SM_ERROR_MAX];
} trial;

static sm_status measure_some(trial *t, sm_picture *picture, sm_recorder *recorder)
{
    sm_buf work[3];
    for (size_t i = 0; i < 3; i++) sm_buf_init(&work[i], FILE_LIMIT);
    sm_status status = SM_OK;
    for (size_t i; status == SM_OK && (i = atomic_fetch_add(&t->next, 1)) < t->end;)
        status = record_size(&t->sizes[i], picture, recorder, t->inputs,
                             &t->inputs->items[t->chosen[i].input], work);
    for (size_t i = 0; i < 3; i++) sm_buf_free(&work[i]);
    return status;
}

static void *measure_in_thread(void *arg)
{
    trial *t = arg;
    sm_picture *picture = NULL;
    sm_recorder *recorder = NULL;
    sm_picture_options options = t->options->picture;
    options.max_memory = DECODER_LIMIT;
    sm_status status = sm_picture_new(&picture, &options);
    if (status == SM_OK) status = sm_recorder_new(&recorder, t->inputs, t->options->schema);
    if (status == SM_OK) status = measure_some(t, picture, recorder);
    sm_recorder_free(recorder);
    sm_picture_free(picture);
    if (status == SM_OK) return NULL;
    pthread_mutex_lock(&t->lock);
    if (t->status == SM_OK) snprintf(t->error, sizeof t->error, "%s", sm_last_error());
    t->status = status;
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* Measures the chosen up to number end that are not measured yet. This thread does it, and others
 * help, as many as there can be. */
static sm_status measure(trial *t, size_t end)
{
    pthread_t threads[MOST_THREADS];
    size_t wanted = t->options->threads > 0 ? t->options->threads : sm_machine_threads();
    size_t started = 0;
    t->end = end;
    if (wanted > MOST_THREADS) wanted = MOST_THREADS;
    while (started + 1 < wanted && started + 1 < end &&
           pthread_create(&threads[started], NULL, measure_in_thread, t) == 0)
        started++;
    measure_in_thread(t);
    for (size_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
    atomic_store(&t->next, end); /* those who found nothing more counted on */
    return t->status == SM_OK ? SM_OK : sm_fail(t->status, "%s", t->error);
}

static sm_sample conclude(const trial *t)
{
    double taken = 0, sum = 0, squares = 0;
    for (size_t i = 0; i < t->end; i++) {
        const double size = (double)t->sizes[i];
        sum += size;
        squares += size * size;
        taken += t->sizes[i] > 0;
    }
    if (taken == 0) return (sm_sample){0};
    double mean = sum / taken;
    double variance = fmax(squares / taken - mean * mean, 0);
    /* A sample of the whole set has no error. */
    double left_out = fmax(1 - taken / (double)t->inputs->count, 0);
    return (sm_sample){.mean = mean, .bound = mean + 3 * sqrt(left_out * variance / taken)};
}

/* With --encode-format keep, sizes are known: the files' own. */
static double mean_file_size(const sm_inputs *inputs)
{
    enum { FRAME = 128 }; /* TFRecord's and the Example's own bytes, and a name */
    double sum = 0;
    for (size_t i = 0; i < inputs->count; i++) sum += (double)inputs->items[i].size;
    return sum / (double)inputs->count + FRAME;
}

/* Whether all fits into one shard even if every picture were as large as its pixels. */
static bool surely_one_shard(const sm_inputs *inputs, const sm_pack_options *options)
{
    enum { BESIDE = 4096 }; /* names, columns and framing of a record */
    const sm_picture_options *picture = &options->picture;
    bool fixed =
        picture->resize_mode == SM_RESIZE_CENTER_CROP || picture->resize_mode == SM_RESIZE_BORDER;
    double pixels = 3.0 * picture->width * picture->height;
    double one_hot = (double)sizeof(float) * (double)inputs->classes.count;
    double record = pixels + one_hot + BESIDE;
    return fixed && (double)inputs->count * record < options->max_shard_size_mb * 1e6;
}

sm_status sm_plan_sample(sm_sample *sample, const sm_inputs *inputs, const sm_pack_options *options)
{
    *sample = (sm_sample){0};
    if (options->picture.encode_format == SM_ENCODE_KEEP) {
        sample->mean = sample->bound = mean_file_size(inputs);
        return SM_OK;
    }
    if (!options->dry_run && surely_one_shard(inputs, options)) return SM_OK;
    candidate chosen[SAMPLE];
    size_t count = choose_sample(chosen, inputs), first = count < GLANCE ? count : GLANCE;
    trial t = {.inputs = inputs, .options = options, .chosen = chosen};
    pthread_mutex_init(&t.lock, NULL);
    sm_status status = measure(&t, first);
    if (status == SM_OK) *sample = conclude(&t);
    bool one_shard = (double)inputs->count * sample->bound < options->max_shard_size_mb * 1e6;
    bool enough = one_shard && !options->dry_run; /* a dry run tells the mean */
    if (status == SM_OK && !enough) {
        status = measure(&t, count);
        *sample = conclude(&t);
    }
    pthread_mutex_destroy(&t.lock);
    return status;
}
