#include "pack/record.h"

#include "core/status.h"
#include "shard/example.h"
#include "shard/tfrecord.h"

#include <stdlib.h>
#include <string.h>

struct sm_recorder {
    const sm_inputs *inputs;
    sm_schema schema;
    float *one_hot; /* of as many classes as there are, all 0 between records */
    sm_feature_value features[SM_MAX_FEATURES];
    size_t count;
    /* what the features point to */
    int64_t class_number, size[2], whole[SM_MAX_COLUMNS];
    float real[SM_MAX_COLUMNS];
};

sm_status sm_recorder_new(sm_recorder **recorder, const sm_inputs *inputs, sm_schema schema)
{
    sm_recorder *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    made->inputs = inputs;
    made->schema = schema;
    made->one_hot = calloc(inputs->classes.count + 1, sizeof *made->one_hot);
    if (made->one_hot == NULL) {
        free(made);
        return sm_fail_memory(inputs->classes.count * sizeof *made->one_hot);
    }
    *recorder = made;
    return SM_OK;
}

void sm_recorder_free(sm_recorder *recorder)
{
    if (recorder == NULL) return;
    free(recorder->one_hot);
    free(recorder);
}

static void add_bytes(sm_recorder *r, const char *name, const void *data, size_t len)
{
    r->features[r->count++] = (sm_feature_value){
        .name = name, .kind = SM_FEATURE_BYTES, .count = 1, .as.bytes = {.data = data, .len = len}};
}

static void add_int64(sm_recorder *r, const char *name, const int64_t *values, size_t count)
{
    r->features[r->count++] = (sm_feature_value){
        .name = name, .kind = SM_FEATURE_INT64, .count = count, .as.int64 = values};
}

static void add_floats(sm_recorder *r, const char *name, const float *values, size_t count)
{
    r->features[r->count++] = (sm_feature_value){
        .name = name, .kind = SM_FEATURE_FLOAT, .count = count, .as.floats = values};
}

static void add_columns(sm_recorder *r, const sm_input *input)
{
    const char *value = sm_inputs_text(r->inputs, input->columns);
    for (size_t i = 0; i < r->inputs->column_count; i++) {
        const sm_column *column = &r->inputs->columns[i];
        if (column->type == SM_COLUMN_INT64) {
            r->whole[i] = strtoll(value, NULL, 10);
            add_int64(r, column->name, &r->whole[i], 1);
        } else if (column->type == SM_COLUMN_FLOAT) {
            r->real[i] = (float)strtod(value, NULL);
            add_floats(r, column->name, &r->real[i], 1);
        } else {
            add_bytes(r, column->name, value, strlen(value));
        }
        value += strlen(value) + 1;
    }
}

static void fill_tfds(sm_recorder *r, const sm_input *input)
{
    const char *path = sm_inputs_text(r->inputs, input->path);
    if (r->inputs->labelled) add_int64(r, "label", &r->class_number, 1);
    add_bytes(r, "file_name", path, strlen(path));
}

static void fill_fast_and_lean(sm_recorder *r, const sm_input *input)
{
    const char *label = sm_names_get(&r->inputs->classes, input->class_id);
    r->one_hot[input->class_id] = 1;
    add_int64(r, "class", &r->class_number, 1);
    add_bytes(r, "label", label, strlen(label));
    add_int64(r, "size", r->size, 2);
    add_floats(r, "one_hot_class", r->one_hot, r->inputs->classes.count);
}

sm_status sm_recorder_append(sm_recorder *recorder, sm_buf *out, const sm_input *input,
                             const sm_picture_info *info, const void *image, size_t image_len)
{
    sm_recorder *r = recorder;
    r->count = 0;
    r->class_number = input->class_id;
    r->size[0] = info->height; /* height first, as the course's notebooks have it */
    r->size[1] = info->width;
    add_bytes(r, "image", image, image_len);
    if (r->schema == SM_SCHEMA_FAST_AND_LEAN)
        fill_fast_and_lean(r, input);
    else
        fill_tfds(r, input);
    add_columns(r, input);

    size_t start;
    sm_status status = sm_tfrecord_begin(&start, out);
    if (status == SM_OK) {
        status = sm_example_append(out, r->features, r->count);
        if (status == SM_OK)
            status = sm_tfrecord_end(out, start);
        else
            out->len = start;
    }
    if (r->schema == SM_SCHEMA_FAST_AND_LEAN) r->one_hot[input->class_id] = 0;
    return status;
}

const char *sm_record_class_feature(const sm_inputs *inputs, sm_schema schema)
{
    if (!inputs->labelled) return NULL;
    return schema == SM_SCHEMA_FAST_AND_LEAN ? "class" : "label";
}

size_t sm_record_features(sm_tfds_feature features[SM_MAX_FEATURES], const sm_inputs *inputs,
                          const sm_pack_options *options)
{
    const sm_picture_options *picture = &options->picture;
    const size_t classes = inputs->classes.count;
    bool fixed =
        picture->resize_mode == SM_RESIZE_CENTER_CROP || picture->resize_mode == SM_RESIZE_BORDER;
    size_t count = 0;
    features[count++] = (sm_tfds_feature){.name = "image",
                                          .kind = SM_TFDS_IMAGE,
                                          .height = fixed ? picture->height : 0,
                                          .width = fixed ? picture->width : 0};
    if (inputs->labelled)
        features[count++] =
            (sm_tfds_feature){.name = sm_record_class_feature(inputs, options->schema),
                              .kind = SM_TFDS_CLASS_LABEL,
                              .length = classes};
    if (options->schema == SM_SCHEMA_FAST_AND_LEAN) {
        features[count++] = (sm_tfds_feature){.name = "label", .kind = SM_TFDS_TEXT};
        features[count++] = (sm_tfds_feature){.name = "size", .kind = SM_TFDS_INT64, .length = 2};
        features[count++] =
            (sm_tfds_feature){.name = "one_hot_class", .kind = SM_TFDS_FLOAT32, .length = classes};
    } else {
        features[count++] = (sm_tfds_feature){.name = "file_name", .kind = SM_TFDS_TEXT};
    }
    static const sm_tfds_kind kind_of[] = {[SM_COLUMN_INT64] = SM_TFDS_INT64,
                                           [SM_COLUMN_FLOAT] = SM_TFDS_FLOAT32,
                                           [SM_COLUMN_TEXT] = SM_TFDS_TEXT};
    for (size_t i = 0; i < inputs->column_count; i++)
        features[count++] = (sm_tfds_feature){.name = inputs->columns[i].name,
                                              .kind = kind_of[inputs->columns[i].type]};
    return count;
}
