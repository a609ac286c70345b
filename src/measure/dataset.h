/* A source, listed: its files or shards, and where they lie. */
#ifndef SM_MEASURE_DATASET_H
#define SM_MEASURE_DATASET_H

#include "core/buf.h"
#include "core/status.h"

#include <shardmill_measure.h>

typedef struct sm_object {
    size_t path; /* offset of its URL in text */
    uint64_t size;
} sm_object;

typedef struct sm_dataset {
    const char *source; /* borrowed */
    bool is_remote;
    sm_measure_format format;
    sm_buf text;
    sm_object *objects; /* by path */
    size_t count;
    uint64_t bytes, largest;
    char filesystem[32], mount[256]; /* "": a store */
    /* Whether the kernel counts what this file system fetches as this process's reads. */
    bool counts_device;
    /* Pictures of each shard that has been read to its end, else UINT64_MAX; NULL: picture files.
     */
    uint64_t *images;
} sm_dataset;

/* SM_ERR_NOT_FOUND when there is nothing of the format. */
sm_status sm_dataset_open(sm_dataset *dataset, const char *source, sm_measure_format format);
void sm_dataset_close(sm_dataset *dataset);

/* All pictures; -1: some shard has not been read to its end yet. */
int64_t sm_dataset_images(const sm_dataset *dataset);

const char *sm_dataset_path(const sm_dataset *dataset, size_t object);

#endif
