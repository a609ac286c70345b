/*
 * Finds the pictures in a shard whose bytes come block after block: records of a TFRecord file
 * (both checksums checked), or members of a tar file that are pictures by their content. What lies
 * in a block whole is given in place; what straddles two is put together.
 */
#ifndef SM_MEASURE_SCAN_H
#define SM_MEASURE_SCAN_H

#include "core/buf.h"
#include "core/status.h"

#include <shardmill_measure.h>

/* A record's data, or a member's. Anything but SM_OK ends the feeding with that status. */
typedef sm_status sm_scan_fn(void *user, const uint8_t *data, size_t len);

typedef struct sm_scan {
    sm_measure_format format;
    const char *path; /* borrowed, for messages */
    sm_buf carry;     /* the beginning of an element whose rest is still to come */
    uint64_t offset;  /* in the shard, of what is scanned next */
    bool at_end;      /* behind the mark that ends a tar file */
} sm_scan;

void sm_scan_init(sm_scan *scan);
void sm_scan_free(sm_scan *scan);

/* Begins a shard. */
void sm_scan_begin(sm_scan *scan, sm_measure_format format, const char *path);
/* SM_ERR_CORRUPT names path and offset. */
sm_status sm_scan_feed(sm_scan *scan, const uint8_t *data, size_t len, sm_scan_fn *fn, void *user);
/* All has been fed: SM_ERR_CORRUPT when the shard ends within an element. */
sm_status sm_scan_end(const sm_scan *scan);

#endif
