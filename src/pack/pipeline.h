/*
 * Inputs into shards, by threads on this machine:
 *
 *     readers --work--> converters --done--> the caller's thread, which writes in order
 *
 * As long as reading never makes a converter wait (files of this machine that are in memory
 * already), converters take and read chunks themselves, and the readers sleep: each file is then
 * read into the cache of the core that needs it, and one thread keeps one core busy, not two.
 *
 * The unit between them is a chunk, some tens of pictures, so that no lock is taken per picture.
 * The number of chunks, and the bytes of files in them, are bounded: that is all the memory there
 * is beside the decoders'. Chunks are numbered as the plan has them and written in that order, so
 * the bytes do not depend on how many threads there are.
 */
#ifndef SM_PACK_PIPELINE_H
#define SM_PACK_PIPELINE_H

#include "pack/plan.h"
#include "pack/watch.h"

/* A shard to pack. */
typedef struct sm_job {
    const sm_shard *shard;
    uint32_t shards; /* of its split: in its name and its fingerprint */
    char file[SM_SHARD_NAME_MAX];
} sm_job;

typedef struct sm_run {
    const sm_plan *plan;
    const char *dst;
    uint32_t threads;
    uint64_t memory;         /* bytes */
    bool retry;              /* what makes a record now is listed as recovered */
    uint64_t failures;       /* before this run; --max-failures counts from here */
    uint64_t failures_limit; /* more than so many stop it; UINT64_MAX: never */
    sm_watch *watch;         /* NULL: nobody watches over this process */
    const sm_crash *crashes; /* inputs that are failures without being tried */
    size_t crash_count;
    /* What was done, also when it failed. */
    uint64_t pictures, records, warnings, bytes_in, bytes_out;
    uint64_t by_reason[SM_REASON_COUNT]; /* failures */
    uint64_t read_ns, decode_ns, resize_ns, encode_ns, write_ns;
} sm_run;

/* Memory is cut into thirds: files in flight, the threads' decoders, one large decoder. */
static inline uint64_t sm_run_third(const sm_run *run)
{
    return run->memory / 3;
}

/* Packs the jobs in their order. Each shard is published when it is whole, and then its result;
 * a shard of which no picture makes a record is published empty, unless run->retry. */
sm_status sm_pipeline_run(sm_run *run, const sm_job *jobs, size_t count);

#endif
