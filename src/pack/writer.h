/* The end of the pipeline: chunks, in their order, into published shards. */
#ifndef SM_PACK_WRITER_H
#define SM_PACK_WRITER_H

#include "io/io.h"
#include "pack/chunk.h"
#include "pack/result.h"

typedef struct sm_writer {
    sm_run *run;
    const sm_job *jobs;
    sm_sink *sink;     /* the shard being written; NULL between shards */
    sm_result result;  /* of that shard */
    uint64_t failures; /* of all chunks so far */
} sm_writer;

void sm_writer_init(sm_writer *writer, sm_run *run, const sm_job *jobs);

/* Gives up the shard that is being written, if any. */
void sm_writer_free(sm_writer *writer);

/* Writes the next chunk; publishes the shard when it is its last. SM_ERR_FAILURES when there are
 * more failures than the run allows. */
sm_status sm_writer_put(sm_writer *writer, const sm_chunk *chunk);

#endif
