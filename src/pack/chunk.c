#include "pack/chunk.h"

#include "core/machine.h"
#include "core/status.h"
#include "io/io.h"
#include "shard/tfrecord.h"

#include <stdio.h>
#include <string.h>

static void fail_read(sm_outcome *outcome, sm_reason reason, const char *message)
{
    outcome->stage = SM_STAGE_READ;
    outcome->reason = reason;
    snprintf(outcome->message, sizeof outcome->message, "%s", message);
}

static sm_reason reason_of(sm_status status)
{
    switch (status) {
    case SM_ERR_NOT_FOUND: return SM_FAIL_NOT_FOUND;
    case SM_ERR_ACCESS: return SM_FAIL_ACCESS_DENIED;
    case SM_ERR_LIMIT: return SM_FAIL_CHANGED; /* the limit is what the listing said */
    case SM_ERR_MEMORY: return SM_FAIL_OUT_OF_MEMORY;
    default: return SM_FAIL_READ_ERROR;
    }
}

static sm_status read_one(sm_chunk *chunk, sm_outcome *outcome, const sm_inputs *inputs,
                          const sm_input *input, sm_buf *full_path, uint64_t budget)
{
    sm_status status = sm_inputs_full_path(full_path, inputs, sm_inputs_text(inputs, input->path));
    if (status != SM_OK) return status;
    if (input->size > budget) {
        snprintf(outcome->message, sizeof outcome->message,
                 "%llu bytes are more than --memory leaves for files (%llu)",
                 (unsigned long long)input->size, (unsigned long long)budget);
        outcome->stage = SM_STAGE_READ;
        outcome->reason = SM_FAIL_FILE_TOO_LARGE;
        return SM_OK;
    }
    sm_file_info info;
    chunk->files.max = chunk->files.len + (size_t)input->size + 2;
    status = sm_io_read_file(&chunk->files, (const char *)full_path->data, &info);
    if (status != SM_OK) {
        fail_read(outcome, reason_of(status), sm_last_error());
    } else if (info.size != input->size || info.version != input->version) {
        chunk->files.len = outcome->begin;
        fail_read(outcome, SM_FAIL_CHANGED, "the file changed since it was listed");
    } else {
        outcome->len = (size_t)info.size;
    }
    return SM_OK;
}

sm_status sm_chunk_read(sm_chunk *chunk, const sm_inputs *inputs, sm_buf *full_path,
                        uint64_t budget)
{
    uint64_t begin = sm_clock_ns();
    sm_buf_clear(&chunk->files);
    chunk->files.max = SIZE_MAX / 2;
    sm_status status = sm_buf_reserve(&chunk->files, (size_t)chunk->budget + 2);
    if (status != SM_OK) return status;
    chunk->bytes_in = 0;
    for (uint32_t i = 0; i < chunk->count; i++) {
        sm_outcome *outcome = &chunk->outcomes[i];
        *outcome = (sm_outcome){.begin = chunk->files.len};
        status =
            read_one(chunk, outcome, inputs, &inputs->items[chunk->first + i], full_path, budget);
        if (status != SM_OK) return status;
        chunk->bytes_in += outcome->len;
    }
    chunk->read_ns = sm_clock_ns() - begin;
    return SM_OK;
}

sm_status sm_chunk_convert(sm_chunk *chunk, const sm_inputs *inputs, sm_picture *picture,
                           sm_recorder *recorder, sm_buf *image)
{
    sm_buf_clear(&chunk->records);
    chunk->record_count = 0;
    chunk->decode_ns = chunk->resize_ns = chunk->encode_ns = 0;
    for (uint32_t i = 0; i < chunk->count; i++) {
        sm_outcome *outcome = &chunk->outcomes[i];
        if (outcome->reason != SM_REASON_NONE) continue;
        const sm_input *input = &inputs->items[chunk->first + i];
        sm_picture_info info;
        sm_buf_clear(image);
        sm_status status = sm_picture_convert(picture, &info, image,
                                              chunk->files.data + outcome->begin, outcome->len);
        chunk->decode_ns += info.decode_ns;
        chunk->resize_ns += info.resize_ns;
        chunk->encode_ns += info.encode_ns;
        outcome->warnings = info.warnings;
        snprintf(outcome->message, sizeof outcome->message, "%s", info.message);
        if (status != SM_OK) {
            outcome->stage = info.stage;
            outcome->reason = info.reason;
            continue;
        }
        status =
            sm_recorder_append(recorder, &chunk->records, input, &info, image->data, image->len);
        if (status != SM_OK) return status;
        chunk->record_count++;
    }
    chunk->example_bytes = chunk->records.len - (uint64_t)chunk->record_count *
                                                    (SM_TFRECORD_HEADER + SM_TFRECORD_FOOTER);
    return SM_OK;
}

sm_status sm_chunk_compress(sm_chunk *chunk, sm_gzip *gzip, sm_buf *plain)
{
    /* No member for nothing, but a file must have one. */
    if (chunk->records.len == 0 && !chunk->ends_shard) return SM_OK;
    sm_buf records = chunk->records;
    chunk->records = *plain;
    *plain = records;
    sm_buf_clear(&chunk->records);
    sm_status status = sm_gzip_write(gzip, &chunk->records, plain->data, plain->len);
    return status == SM_OK ? sm_gzip_finish(gzip, &chunk->records) : status;
}
