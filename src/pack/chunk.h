/* Some tens of neighbouring inputs of one shard on their way through the pipeline. */
#ifndef SM_PACK_CHUNK_H
#define SM_PACK_CHUNK_H

#include "image/image.h"
#include "io/io.h"
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
} sm_outcome;

typedef struct sm_chunk {
    uint64_t serial; /* 0, 1, 2, … over the whole run */
    size_t job;
    size_t first; /* its inputs: a range of inputs->items */
    uint32_t count;
    bool ends_shard;
    bool is_read;                    /* files holds the files; otherwise who converts reads them */
    uint64_t budget;                 /* bytes of memory it holds of the pipeline's */
    sm_buf files[SM_CHUNK_PICTURES]; /* each input's bytes */
    sm_buf records;                  /* framed, in order */
    uint32_t record_count;
    uint64_t example_bytes; /* of the Examples in records */
    uint64_t bytes_in;
    uint64_t read_ns, decode_ns, resize_ns, encode_ns;
    sm_outcome outcomes[SM_CHUNK_PICTURES];
} sm_chunk;

/* One reader's tools. */
typedef struct sm_chunk_reader {
    sm_buf path, paths;
    sm_fetch fetches[SM_CHUNK_PICTURES];
    uint32_t which[SM_CHUNK_PICTURES];
    size_t count;
} sm_chunk_reader;

void sm_chunk_reader_init(sm_chunk_reader *reader);
void sm_chunk_reader_free(sm_chunk_reader *reader);

/* Reads the chunk's files, those of a bucket side by side; one that cannot be had is an outcome,
 * not an error. A file of more than a third of run's memory is not read, nor is one of
 * run->crashes. */
sm_status sm_chunk_read(sm_chunk *chunk, sm_chunk_reader *reader, const sm_run *run);

/* Frees the files, which are not needed any more, but for `keep` bytes of buffers for the next
 * ones: new memory is memory that the kernel clears first, which costs as much as receiving into
 * it. */
void sm_chunk_let_go(sm_chunk *chunk, uint64_t keep);

/*
 * The decoder for pictures that need more memory than a thread's own may take: one at a time, so
 * that what can be packed does not depend on the number of threads.
 */
typedef struct sm_large {
    pthread_mutex_t lock;
    sm_picture *picture;
} sm_large;

/* One converting thread's tools. */
typedef struct sm_bench {
    const sm_run *run;
    sm_buf path, file; /* for reading by itself */
    sm_picture *picture;
    sm_recorder *recorder;
    sm_gzip *gzip; /* NULL without compression */
    sm_buf image, plain;
    sm_watch_slot *slot; /* tells which input it is on; NULL: nobody watches */
} sm_bench;

/* A bench for one of run's threads, which outlives it; freed by the caller in any case. */
sm_status sm_bench_init(sm_bench *bench, const sm_run *run);
void sm_bench_free(sm_bench *bench);

/* Makes records of the files, reading each first when the chunk is not read. An error is not the
 * pictures'. */
sm_status sm_chunk_convert(sm_chunk *chunk, sm_bench *bench, sm_large *large);

/*
 * Replaces the records by a gzip member of them, when the bench has compression. A file of several
 * members is a gzip file (RFC 1952, 2.2), so chunks can be compressed side by side.
 */
sm_status sm_chunk_compress(sm_chunk *chunk, sm_bench *bench);

#endif
