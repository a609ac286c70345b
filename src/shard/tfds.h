/*
 * The metadata files of TensorFlow Datasets, as `tfds.builder_from_directory` reads them: names of
 * files, dataset_info.json, features.json. Format: the public documentation "Format-specific
 * dataset builders / external TFRecord" and the files TFDS 4.9 itself writes: features.json is the
 * same byte for byte; dataset_info.json lacks only what describes a builder's source code.
 *
 * A class label LABEL has its classes' names in a third file, LABEL.labels.txt: one name a line, in
 * the order of their numbers. TFDS strips white space around names and drops empty lines, so a name
 * that is empty, begins or ends with white space, or has a newline, cannot be written there.
 *
 * TFDS does not read compressed shards: with gzip the metadata name the files rightly, but only
 * tf.data.TFRecordDataset(files, compression_type="GZIP") reads them.
 */
#ifndef SM_SHARD_TFDS_H
#define SM_SHARD_TFDS_H

#include "core/buf.h"

/* NAME-SPLIT.tfrecord-00003-of-00016, with ".gz" behind it when gzip. Five digits, or as many as
 * shards needs. SM_ERR_LIMIT when cap is too small. */
sm_status sm_tfds_shard_name(char *text, size_t cap, const char *name, const char *split,
                             uint32_t shard, uint32_t shards, sm_compression compression);

/* Whether name is a TFDS dataset or split name: [a-zA-Z][a-zA-Z0-9_]*, shorter than SM_NAME_MAX.
 * TFDS takes the split name "all" for every split together; see sm_tfds_is_split. */
bool sm_tfds_is_name(const char *name);

/* A name, and not "all". */
bool sm_tfds_is_split(const char *name);

/* Whether version is "MAJOR.MINOR.PATCH" without leading zeros, as TFDS wants it. */
bool sm_tfds_is_version(const char *version);

typedef struct sm_tfds_split {
    const char *name;
    uint64_t bytes;                /* of its Examples: framing and compression do not count */
    const uint64_t *shard_lengths; /* records in each shard */
    size_t shards;
} sm_tfds_split;

typedef struct sm_tfds_info {
    const char *name, *version;
    const char *description; /* NULL: none */
    const sm_tfds_split *splits;
    size_t split_count;
    sm_compression compression;
} sm_tfds_info;

/* Appends dataset_info.json. On failure json is as it was. */
sm_status sm_tfds_dataset_info(sm_buf *json, const sm_tfds_info *info);

/* What a feature is, for features.json. */
typedef enum sm_tfds_kind {
    SM_TFDS_IMAGE,       /* of three channels; height, width; 0: varies */
    SM_TFDS_CLASS_LABEL, /* length classes */
    SM_TFDS_TEXT,
    SM_TFDS_BYTES,  /* a string tensor of any bytes, shape () */
    SM_TFDS_INT64,  /* shape () when length is 0, else (length) */
    SM_TFDS_FLOAT32 /* the same */
} sm_tfds_kind;

typedef struct sm_tfds_feature {
    const char *name;
    sm_tfds_kind kind;
    uint32_t height, width; /* of an image */
    size_t length;          /* of a tensor; classes of a label */
} sm_tfds_feature;

/* Appends features.json, sorted by name as TFDS does. On failure json is as it was. */
sm_status sm_tfds_features(sm_buf *json, const sm_tfds_feature *features, size_t count);

#endif
