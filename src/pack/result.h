/*
 * What came of a shard: DST/stats/FILE.json, written after the shard itself. By it a later run
 * knows that the shard is whole, and of which plan; the lists of failures are made from these
 * files.
 */
#ifndef SM_PACK_RESULT_H
#define SM_PACK_RESULT_H

#include "core/json.h"
#include "io/io.h"
#include "pack/names.h"
#include "pack/plan.h"

typedef struct sm_result {
    char file[SM_SHARD_NAME_MAX];
    char fingerprint[SM_FINGERPRINT_SIZE];
    uint64_t inputs, records;
    uint64_t bytes;         /* of the shard's file */
    uint64_t example_bytes; /* of its Examples, without framing and compression */
    uint64_t bytes_in;      /* of the files read */
    json_t *failures;       /* objects: path, label, split, stage, reason, message */
    json_t *warnings;       /* objects: path, label, split, warnings, message */
    json_t *recovered;      /* paths that failed before; only of --retry-failed */
} sm_result;

/* An empty result; its arrays are the caller's to free with sm_result_free. */
sm_status sm_result_init(sm_result *result);
void sm_result_free(sm_result *result);

/* An object that names an input: path, label, split. The caller's. */
sm_status sm_result_describe(json_t **object, const sm_plan *plan, const sm_input *input);

/* Writes it into *sink, for the caller to commit. */
sm_status sm_result_prepare(sm_sink **sink, const sm_result *result, const char *dst);

sm_status sm_result_write(const sm_result *result, const char *dst);

/* Adds the paths that result lists as recovered to names. */
sm_status sm_result_recovered(sm_names *names, const sm_result *result);

/* SM_ERR_NOT_FOUND, or SM_ERR_CORRUPT when the file is none of ours. */
sm_status sm_result_read(sm_result *result, const char *dst, const char *file);

#endif
