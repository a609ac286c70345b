/*
 * The metadata files of TensorFlow Datasets, as `tfds.builder_from_directory` reads them: names of
 * files, dataset_info.json, features.json. Format: the public documentation "Format-specific
 * dataset builders / external TFRecord" and the files TFDS itself writes.
 */
#ifndef SM_SHARD_TFDS_H
#define SM_SHARD_TFDS_H

#include "core/buf.h"

/* NAME-SPLIT.tfrecord-00003-of-00016, with ".gz" behind it when gzip. */
sm_status sm_tfds_shard_name(char *text, size_t cap, const char *name, const char *split,
                             uint32_t shard, uint32_t shards, sm_compression compression);

/* Whether name is a TFDS dataset or split name: [a-zA-Z][a-zA-Z0-9_]*, shorter than SM_NAME_MAX. */
bool sm_tfds_is_name(const char *name);

typedef struct sm_tfds_split {
    const char *name;
    uint64_t bytes;                /* of its shards' files */
    const uint64_t *shard_lengths; /* records in each shard */
    size_t shards;
} sm_tfds_split;

typedef struct sm_tfds_info {
    const char *name, *version, *description;
    const sm_tfds_split *splits;
    size_t split_count;
} sm_tfds_info;

/* Appends dataset_info.json. */
sm_status sm_tfds_dataset_info(sm_buf *json, const sm_tfds_info *info);

/* What a feature is, for features.json. */
typedef enum sm_tfds_kind {
    SM_TFDS_IMAGE,       /* height, width; 0: varies */
    SM_TFDS_CLASS_LABEL, /* classes */
    SM_TFDS_TEXT,
    SM_TFDS_BYTES, /* a string tensor of any bytes */
    SM_TFDS_INT64, /* shape () when length is 0, else (length) */
    SM_TFDS_FLOAT32
} sm_tfds_kind;

typedef struct sm_tfds_feature {
    const char *name;
    sm_tfds_kind kind;
    uint32_t height, width; /* of an image */
    size_t length;          /* of a tensor; classes of a label */
} sm_tfds_feature;

/* Appends features.json. */
sm_status sm_tfds_features(sm_buf *json, const sm_tfds_feature *features, size_t count);

#endif
