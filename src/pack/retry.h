/* --retry-failed: what failed is tried again, and what now succeeds becomes an additional shard. */
#ifndef SM_PACK_RETRY_H
#define SM_PACK_RETRY_H

#include "pack/pipeline.h"

/*
 * Works on the finished set that plan makes, in dst. plan->inputs is cut down to what failed. The
 * other shards stay as they are but for the number of shards in their names.
 */
sm_status sm_retry(const sm_plan *plan, const char *dst, sm_run *run, sm_pack_summary *summary);

#endif
