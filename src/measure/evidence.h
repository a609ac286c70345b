/* Where bytes came from: the page cache, the device, the socket; and what the process spent. */
#ifndef SM_MEASURE_EVIDENCE_H
#define SM_MEASURE_EVIDENCE_H

#include "measure/dataset.h"

/* Counters of this process, to be taken before and after. */
typedef struct sm_counters {
    double user_s, system_s;
    int64_t device_bytes; /* -1: the kernel does not tell */
    uint64_t socket_bytes, retries;
} sm_counters;

void sm_counters_take(sm_counters *counters);

/* Part of a source: count objects from first on in `order`, of each its first reach[object] bytes
 * (NULL: all). */
typedef struct sm_part {
    const sm_dataset *dataset;
    const size_t *order;
    size_t first, count;
    const uint64_t *reach;
} sm_part;

/* Asks the kernel to forget what the page cache holds of the part's files (never of others'). What
 * it keeps all the same, sm_evidence_resident tells. */
sm_status sm_evidence_drop(const sm_part *part);

/* The share of the part's bytes that lie in the page cache, by pages, of at most 65,536 files
 * evenly chosen; -1: cannot be told. By cachestat(), or where there is none by mincore(). */
double sm_evidence_resident(const sm_part *part);

/* Fills in file system, mount and counts_device of the folder or file at path. */
void sm_evidence_place(sm_dataset *dataset, const char *path);

#endif
