/* Some tens of neighbouring inputs of one shard on their way through the pipeline. */
#ifndef SM_PACK_CHUNK_H
#define SM_PACK_CHUNK_H

#include "image/image.h"
#include "pack/pipeline.h"
#include "pack/record.h"
#include "shard/gzip.h"

#include <pthread.h>

enum {
    SM_CHUNK_PICTURES = 32,
    SM_CHUNK_BYTES = 4 << 20 /* of files; one larger file still is a chunk of its own */
};

/* How one input fared. */
typedef struct sm_outcome {
    sm_stage stage;
    sm_reason reason; /* SM_REASON_NONE: it became a record */
    unsigned warnings;
    char message[256];
    size_t begin, len; /* its file, in sm_chunk.files */
} sm_outcome;

typedef struct sm_chunk {
    uint64_t serial; /* 0, 1, 2, … over the whole run */
    size_t job;
    size_t first; /* its inputs: a range of inputs->items */
    uint32_t count;
    bool ends_shard;
    uint64_t budget; /* bytes of memory it holds of the pipeline's */
    sm_buf files;    /* the files' bytes, one behind the other */
    sm_buf records;  /* framed, in order */
    uint32_t record_count;
    uint64_t example_bytes; /* of the Examples in records */
    uint64_t bytes_in;
    uint64_t read_ns, decode_ns, resize_ns, encode_ns;
    sm_outcome outcomes[SM_CHUNK_PICTURES];
} sm_chunk;

/* Reads the chunk's files; one that cannot be had is an outcome, not an error. full_path is the
 * caller's to reuse. budget: bytes; a larger file is not read. */
sm_status sm_chunk_read(sm_chunk *chunk, const sm_inputs *inputs, sm_buf *full_path,
                        uint64_t budget);

/*
 * The decoder for pictures that need more memory than a thread's own may take: one at a time, so
 * that what can be packed does not depend on the number of threads.
 */
typedef struct sm_large {
    pthread_mutex_t lock;
    sm_picture *picture;
} sm_large;

/* Makes records of the files. image is the caller's to reuse. An error is not the pictures'. */
sm_status sm_chunk_convert(sm_chunk *chunk, const sm_inputs *inputs, sm_picture *picture,
                           sm_large *large, sm_recorder *recorder, sm_buf *image);

/*
 * Replaces the records by a gzip member of them; plain is the caller's to reuse. A file of several
 * members is a gzip file (RFC 1952, 2.2), so chunks can be compressed side by side.
 */
sm_status sm_chunk_compress(sm_chunk *chunk, sm_gzip *gzip, sm_buf *plain);

#endif
