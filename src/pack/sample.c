/* What a record will take, told from a few of the pictures. */
#include "core/hash.h"
#include "core/status.h"
#include "io/io.h"
#include "pack/plan.h"
#include "pack/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SAMPLE = 64,
    GLANCE = 12, /* so many tell whether all fits into one shard; then it needs no closer look */
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

typedef struct sums {
    double taken, sum, squares;
} sums;

/* Adds up what the chosen inputs from number first on take. */
static sm_status measure(sums *total, const candidate *chosen, size_t first, size_t end,
                         const sm_inputs *inputs, sm_picture *picture, sm_recorder *recorder)
{
    sm_buf work[3];
    for (size_t i = 0; i < 3; i++) sm_buf_init(&work[i], FILE_LIMIT);
    sm_status status = SM_OK;
    for (size_t i = first; status == SM_OK && i < end; i++) {
        size_t size;
        status =
            record_size(&size, picture, recorder, inputs, &inputs->items[chosen[i].input], work);
        if (status != SM_OK || size == 0) continue;
        total->sum += (double)size;
        total->squares += (double)size * (double)size;
        total->taken++;
    }
    for (size_t i = 0; i < 3; i++) sm_buf_free(&work[i]);
    return status;
}

static sm_sample conclude(const sums *total, const sm_inputs *inputs)
{
    if (total->taken == 0) return (sm_sample){0};
    double mean = total->sum / total->taken;
    double variance = fmax(total->squares / total->taken - mean * mean, 0);
    /* A sample of the whole set has no error. */
    double left_out = fmax(1 - total->taken / (double)inputs->count, 0);
    return (sm_sample){.mean = mean, .bound = mean + 3 * sqrt(left_out * variance / total->taken)};
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
    sums total = {0};
    sm_picture *picture = NULL;
    sm_recorder *recorder = NULL;
    sm_status status = sm_picture_new(&picture, &options->picture);
    if (status == SM_OK) status = sm_recorder_new(&recorder, inputs, options->schema);
    if (status == SM_OK) status = measure(&total, chosen, 0, first, inputs, picture, recorder);
    if (status == SM_OK) *sample = conclude(&total, inputs);
    bool one_shard = (double)inputs->count * sample->bound < options->max_shard_size_mb * 1e6;
    bool enough = one_shard && !options->dry_run; /* a dry run tells the mean */
    if (status == SM_OK && !enough) {
        status = measure(&total, chosen, first, count, inputs, picture, recorder);
        *sample = conclude(&total, inputs);
    }
    sm_recorder_free(recorder);
    sm_picture_free(picture);
    return status;
}
