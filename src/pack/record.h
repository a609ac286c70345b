/* One picture as one record: which features a schema has, and their bytes. */
#ifndef SM_PACK_RECORD_H
#define SM_PACK_RECORD_H

#include "image/image.h"
#include "pack/inputs.h"
#include "shard/tfds.h"

enum { SM_MAX_FEATURES = SM_MAX_COLUMNS + 8 };

/* One thread's writer of records. */
typedef struct sm_recorder sm_recorder;

sm_status sm_recorder_new(sm_recorder **recorder, const sm_inputs *inputs, sm_schema schema);
void sm_recorder_free(sm_recorder *recorder); /* NULL is fine */

/* Appends the TFRecord of input, whose encoded picture is image. On failure out is unchanged. */
sm_status sm_recorder_append(sm_recorder *recorder, sm_buf *out, const sm_input *input,
                             const sm_picture_info *info, const void *image, size_t image_len);

/* The features of all records, for features.json; returns how many. */
size_t sm_record_features(sm_tfds_feature features[SM_MAX_FEATURES], const sm_inputs *inputs,
                          const sm_pack_options *options);

/* The feature that holds the class's number; NULL when records have none. */
const char *sm_record_class_feature(const sm_inputs *inputs, sm_schema schema);

#endif
