/* What a record will take, told from a few of the pictures. */
#include "core/hash.h"
#include "core/status.h"
#include "io/io.h"
#include "pack/plan.h"
#include "pack/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE = 64, FILE_LIMIT = 64 << 20 };
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

/* The mean of what the chosen inputs take, and three standard errors more. */
static sm_status measure(double *record_bytes, const candidate *chosen, size_t count,
                         const sm_inputs *inputs, sm_picture *picture, sm_recorder *recorder)
{
    sm_buf work[3];
    for (size_t i = 0; i < 3; i++) sm_buf_init(&work[i], FILE_LIMIT);
    double sum = 0, squares = 0, taken = 0;
    sm_status status = SM_OK;
    for (size_t i = 0; status == SM_OK && i < count; i++) {
        size_t size;
        status =
            record_size(&size, picture, recorder, inputs, &inputs->items[chosen[i].input], work);
        if (status != SM_OK || size == 0) continue;
        sum += (double)size;
        squares += (double)size * (double)size;
        taken++;
    }
    for (size_t i = 0; i < 3; i++) sm_buf_free(&work[i]);
    if (status != SM_OK || taken == 0) return status;

    double mean = sum / taken, variance = fmax(squares / taken - mean * mean, 0);
    /* A sample of the whole set has no error. */
    double left_out = 1 - taken / (double)inputs->count;
    *record_bytes = mean + 3 * sqrt(fmax(left_out, 0) * variance / taken);
    return SM_OK;
}

/* With --encode-format keep, sizes are known: the files' own. */
static double mean_file_size(const sm_inputs *inputs)
{
    enum { FRAME = 128 }; /* TFRecord's and the Example's own bytes, and a name */
    double sum = 0;
    for (size_t i = 0; i < inputs->count; i++) sum += (double)inputs->items[i].size;
    return sum / (double)inputs->count + FRAME;
}

sm_status sm_plan_sample(double *record_bytes, const sm_inputs *inputs,
                         const sm_pack_options *options)
{
    *record_bytes = 0;
    if (options->picture.encode_format == SM_ENCODE_KEEP) {
        *record_bytes = mean_file_size(inputs);
        return SM_OK;
    }
    candidate chosen[SAMPLE];
    size_t count = choose_sample(chosen, inputs);
    sm_picture *picture = NULL;
    sm_recorder *recorder = NULL;
    sm_status status = sm_picture_new(&picture, &options->picture);
    if (status == SM_OK) status = sm_recorder_new(&recorder, inputs, options->schema);
    if (status == SM_OK) status = measure(record_bytes, chosen, count, inputs, picture, recorder);
    sm_recorder_free(recorder);
    sm_picture_free(picture);
    return status;
}
