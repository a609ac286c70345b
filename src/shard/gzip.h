/*
 * gzip (RFC 1952) for shards: level 6, no name and no time in the header, so that the same data
 * give the same bytes (with the same zlib).
 */
#ifndef SM_SHARD_GZIP_H
#define SM_SHARD_GZIP_H

#include "core/buf.h"

typedef struct sm_gzip sm_gzip;

sm_status sm_gzip_open(sm_gzip **gzip);

/* Takes data in, and appends to out what is compressed by now: much data may give no bytes yet. */
sm_status sm_gzip_write(sm_gzip *gzip, sm_buf *out, const void *data, size_t len);

/* Appends the rest and the trailer. gzip is then ready for another file. */
sm_status sm_gzip_finish(sm_gzip *gzip, sm_buf *out);

/* Forgets what was written since the last finish: for a file that was given up. After a failure
 * only this and sm_gzip_free may be called. */
void sm_gzip_reset(sm_gzip *gzip);

void sm_gzip_free(sm_gzip *gzip); /* NULL is fine */

#endif
