/*
 * Writing tf.train.Example (tensorflow/core/example/{example,feature}.proto). Reading is in the
 * public header: sm_example_next and its like.
 */
#ifndef SM_SHARD_EXAMPLE_H
#define SM_SHARD_EXAMPLE_H

#include "core/buf.h"

/* A value to write: kind says which member counts. Nothing is copied or owned. */
typedef struct sm_feature_value {
    const char *name;
    sm_feature_kind kind;
    size_t count; /* values; for SM_FEATURE_BYTES 1 */
    union {
        struct {
            const void *data;
            size_t len;
        } bytes;
        const int64_t *int64;
        const float *floats;
    } as;
} sm_feature_value;

/* Appends one Example, features in the order given: the same input gives the same bytes. */
sm_status sm_example_append(sm_buf *buf, const sm_feature_value *features, size_t count);

#endif
