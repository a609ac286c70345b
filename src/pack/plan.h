/*
 * The plan: which input goes into which shard, in which order. The same inputs and options give the
 * same plan on every machine, and each shard a fingerprint by which it is known again.
 */
#ifndef SM_PACK_PLAN_H
#define SM_PACK_PLAN_H

#include "core/hash.h"
#include "core/json.h"
#include "pack/inputs.h"
#include "pack/options.h"

enum { SM_SHARD_NAME_MAX = 2 * SM_NAME_MAX + 64, SM_MAX_SHARDS_A_SPLIT = 99999 };

typedef struct sm_shard {
    uint16_t split;
    uint32_t index;      /* in its split */
    size_t first, count; /* its inputs: a range of inputs->items */
    char fingerprint[SM_FINGERPRINT_SIZE];
} sm_shard;

typedef struct sm_split {
    char name[SM_NAME_MAX];
    size_t inputs;
    uint32_t shards; /* 0 when it has no inputs */
} sm_split;

/* Bytes of a record: the mean, and what it hardly exceeds (three standard errors more). */
typedef struct sm_sample {
    double mean, bound;
} sm_sample;

typedef struct sm_plan {
    const sm_pack_options *options;
    sm_inputs *inputs; /* put in the order of the shards */
    char name[SM_NAME_MAX];
    json_t *options_json;
    sm_split splits[SM_MAX_SPLITS];
    size_t split_count;
    sm_shard *shards; /* split after split */
    size_t shard_count;
    sm_sample sample;
    char classes[SM_FINGERPRINT_SIZE];
    char fingerprint[SM_FINGERPRINT_SIZE];
} sm_plan;

/* Makes the plan; inputs and options are borrowed for its life. Freed by the caller in any case. */
sm_status sm_plan_make(sm_plan *plan, sm_inputs *inputs, const char *src,
                       const sm_pack_options *options);

/* As much of the same plan on another machine as a single shard needs: its options, name, splits
 * and classes. Freed by the caller in any case. */
sm_status sm_plan_restore(sm_plan *plan, sm_inputs *inputs, const sm_pack_options *options,
                          const char *const *splits, size_t count);
void sm_plan_free(sm_plan *plan);

/* NAME-SPLIT.tfrecord-00000-of-00016: file number index of shards. */
sm_status sm_plan_shard_name(char name[SM_SHARD_NAME_MAX], const sm_plan *plan, size_t split,
                             uint32_t index, uint32_t shards);

/* The fingerprint of a shard that holds the inputs from first on. */
sm_status sm_plan_fingerprint(char fingerprint[SM_FINGERPRINT_SIZE], const sm_plan *plan,
                              const sm_shard *shard, uint32_t shards);

/* What a record will take, told from a sample of the inputs that is the same on every machine. */
sm_status sm_plan_sample(sm_sample *sample, const sm_inputs *inputs,
                         const sm_pack_options *options);

#endif
