#include "pack/writer.h"

#include "core/machine.h"
#include "core/status.h"

#include <string.h>

void sm_writer_init(sm_writer *writer, sm_run *run, const sm_job *jobs)
{
    *writer = (sm_writer){.run = run, .jobs = jobs, .failures = run->failures};
}

void sm_writer_free(sm_writer *writer)
{
    sm_sink_abandon(writer->sink);
    sm_result_free(&writer->result);
    *writer = (sm_writer){0};
}

static sm_status shard_path(sm_buf *path, const sm_writer *writer, const sm_job *job)
{
    sm_buf_init(path, SM_PATH_LIMIT);
    return sm_buf_printf(path, "%s/%s", writer->run->dst, job->file);
}

static sm_status begin_shard(sm_writer *writer, const sm_job *job)
{
    sm_status status = sm_result_init(&writer->result);
    if (status != SM_OK) return status;
    memcpy(writer->result.file, job->file, sizeof job->file);
    memcpy(writer->result.fingerprint, job->shard->fingerprint, SM_FINGERPRINT_SIZE);
    sm_buf path;
    status = shard_path(&path, writer, job);
    if (status == SM_OK) status = sm_sink_open(&writer->sink, (const char *)path.data);
    sm_buf_free(&path);
    return status;
}

static sm_status list_failure(sm_writer *writer, const sm_input *input, const sm_outcome *outcome)
{
    json_t *object;
    sm_status status = sm_result_describe(&object, writer->run->plan, input);
    if (status != SM_OK) return status;
    status = sm_json_set(object, "stage", json_string(sm_stage_name(outcome->stage)));
    if (status == SM_OK)
        status = sm_json_set(object, "reason", json_string(sm_reason_name(outcome->reason)));
    if (status == SM_OK) status = sm_json_set(object, "message", sm_json_text(outcome->message));
    if (status == SM_OK && json_array_append(writer->result.failures, object) != 0)
        status = sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON");
    json_decref(object);
    return status;
}

static sm_status list_warning(sm_writer *writer, const sm_input *input, const sm_outcome *outcome)
{
    json_t *object;
    sm_status status = sm_result_describe(&object, writer->run->plan, input);
    if (status != SM_OK) return status;
    status = sm_json_set(object, "warnings", json_integer(outcome->warnings));
    if (status == SM_OK) status = sm_json_set(object, "message", sm_json_text(outcome->message));
    if (status == SM_OK && json_array_append(writer->result.warnings, object) != 0)
        status = sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON");
    json_decref(object);
    return status;
}

static sm_status list_recovered(sm_writer *writer, const sm_input *input)
{
    json_t *object = json_object();
    if (object == NULL) return sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON");
    sm_status status =
        sm_json_set_path(object, "path", sm_inputs_text(writer->run->plan->inputs, input->path));
    if (status == SM_OK && json_array_append(writer->result.recovered, object) != 0)
        status = sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON");
    json_decref(object);
    return status;
}

static sm_status list_outcomes(sm_writer *writer, const sm_chunk *chunk)
{
    sm_status status = SM_OK;
    for (uint32_t i = 0; status == SM_OK && i < chunk->count; i++) {
        const sm_outcome *outcome = &chunk->outcomes[i];
        const sm_input *input = &writer->run->plan->inputs->items[chunk->first + i];
        if (outcome->reason != SM_REASON_NONE) {
            writer->failures++;
            writer->run->by_reason[outcome->reason]++;
            status = list_failure(writer, input, outcome);
        } else {
            if (outcome->warnings > 0) {
                writer->run->warnings++;
                status = list_warning(writer, input, outcome);
            }
            if (status == SM_OK && writer->run->retry) status = list_recovered(writer, input);
        }
    }
    return status;
}

/* Publishes the shard, then its result: where there is a result, the shard is whole. */
static sm_status publish_shard(sm_writer *writer)
{
    sm_sink *sinks[2] = {writer->sink};
    sm_status status = sm_result_prepare(&sinks[1], &writer->result, writer->run->dst);
    if (status == SM_OK)
        status = sm_sink_commit_many(sinks, 2);
    else
        sm_sink_abandon(sinks[0]);
    return status;
}

static sm_status end_shard(sm_writer *writer)
{
    sm_status status = SM_OK;
    if (writer->result.records > 0 || !writer->run->retry)
        status = publish_shard(writer);
    else
        sm_sink_abandon(writer->sink);
    writer->sink = NULL;
    sm_result_free(&writer->result);
    return status;
}

static void add_up(sm_run *run, const sm_chunk *chunk)
{
    run->pictures += chunk->count;
    run->records += chunk->record_count;
    run->bytes_out += chunk->records.len;
    run->bytes_in += chunk->bytes_in;
    run->read_ns += chunk->read_ns;
    run->decode_ns += chunk->decode_ns;
    run->resize_ns += chunk->resize_ns;
    run->encode_ns += chunk->encode_ns;
}

sm_status sm_writer_put(sm_writer *writer, const sm_chunk *chunk)
{
    uint64_t begin = sm_clock_ns();
    sm_status status = SM_OK;
    if (writer->sink == NULL) status = begin_shard(writer, &writer->jobs[chunk->job]);
    if (status == SM_OK)
        status = sm_sink_write(writer->sink, chunk->records.data, chunk->records.len);
    if (status == SM_OK) status = list_outcomes(writer, chunk);
    if (status != SM_OK) return status;

    writer->result.bytes += chunk->records.len;
    writer->result.example_bytes += chunk->example_bytes;
    writer->result.inputs += chunk->count;
    writer->result.records += chunk->record_count;
    writer->result.bytes_in += chunk->bytes_in;
    add_up(writer->run, chunk);
    if (writer->failures > writer->run->failures_limit)
        return sm_fail(SM_ERR_FAILURES, "%llu pictures failed, more than --max-failures allows",
                       (unsigned long long)writer->failures);
    if (chunk->ends_shard) status = end_shard(writer);
    writer->run->write_ns += sm_clock_ns() - begin;
    return status;
}
