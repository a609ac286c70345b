#include "pack/chunk.h"

#include "core/machine.h"
#include "core/status.h"
#include "io/io.h"
#include "shard/tfrecord.h"

#include <stdio.h>
#include <string.h>

enum {
    KEPT_BYTES = 512 << 10 /* a larger buffer is not kept: its place may not need it again */
};

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

/* Whether the file may be read at all; if not, that is its outcome. */
static bool fits(sm_outcome *outcome, const sm_input *input, uint64_t budget)
{
    if (input->size <= budget) return true;
    char message[128];
    snprintf(message, sizeof message, "%llu bytes are more than --memory leaves for files (%llu)",
             (unsigned long long)input->size, (unsigned long long)budget);
    fail_read(outcome, SM_FAIL_FILE_TOO_LARGE, message);
    return false;
}

/* Whether the input is known to kill who converts it; if so, that is its outcome. */
static bool crashes(sm_outcome *outcome, const sm_run *run, size_t input)
{
    for (size_t i = 0; i < run->crash_count; i++) {
        if (run->crashes[i].input != input) continue;
        outcome->stage = SM_STAGE_DECODE;
        outcome->reason = SM_FAIL_CRASHED;
        snprintf(outcome->message, sizeof outcome->message,
                 "converting it ended the process by %s: please report it",
                 sm_signal_name(run->crashes[i].signal));
        return true;
    }
    return false;
}

/* Whether the chunk's input number i is to be read; if not, its outcome says why. */
static bool is_wanted(sm_chunk *chunk, uint32_t i, const sm_run *run)
{
    sm_outcome *outcome = &chunk->outcomes[i];
    *outcome = (sm_outcome){0};
    return fits(outcome, &run->plan->inputs->items[chunk->first + i], sm_run_third(run)) &&
           !crashes(outcome, run, chunk->first + i);
}

/* Lists what there is to read; reader->fetches[k] is for the chunk's input number reader->which[k].
 */
static sm_status list_fetches(sm_chunk *chunk, sm_chunk_reader *reader, const sm_run *run)
{
    const sm_inputs *inputs = run->plan->inputs;
    size_t starts[SM_CHUNK_PICTURES];
    sm_status status = SM_OK;
    reader->count = 0;
    sm_buf_clear(&reader->paths);
    for (uint32_t i = 0; status == SM_OK && i < chunk->count; i++) {
        const sm_input *input = &inputs->items[chunk->first + i];
        sm_buf_clear(&chunk->files[i]);
        if (!is_wanted(chunk, i, run)) continue;
        status = sm_inputs_full_path(&reader->path, inputs, sm_inputs_text(inputs, input->path));
        starts[reader->count] = reader->paths.len;
        if (status == SM_OK)
            status = sm_buf_append(&reader->paths, reader->path.data, reader->path.len + 1);
        chunk->files[i].max = (size_t)input->size + 2;
        reader->fetches[reader->count] =
            (sm_fetch){.buf = &chunk->files[i], .expected = input->size};
        reader->which[reader->count++] = i;
    }
    for (size_t k = 0; status == SM_OK && k < reader->count; k++)
        reader->fetches[k].url = (const char *)reader->paths.data + starts[k];
    return status;
}

/* What became of one file. It is an error of the run, not the file's outcome, when the run is to
 * stop or its store is down. */
static sm_status judge(sm_outcome *outcome, const sm_fetch *fetch, const sm_input *input)
{
    if (fetch->status == SM_ERR_CANCELLED) return sm_fail(SM_ERR_CANCELLED, "stopped on request");
    if (fetch->host_down)
        return sm_fail(SM_ERR_IO, "%s; it gave no good answer for too long", fetch->error);
    if (fetch->status != SM_OK) {
        fail_read(outcome, reason_of(fetch->status), fetch->error);
    } else if (fetch->info.size != input->size || fetch->info.version != input->version) {
        sm_buf_clear(fetch->buf);
        fail_read(outcome, SM_FAIL_CHANGED, "the file changed since it was listed");
    }
    return SM_OK;
}

void sm_chunk_reader_init(sm_chunk_reader *reader)
{
    *reader = (sm_chunk_reader){0};
    sm_buf_init(&reader->path, SM_PATH_LIMIT);
    sm_buf_init(&reader->paths, SIZE_MAX / 2);
}

void sm_chunk_reader_free(sm_chunk_reader *reader)
{
    sm_buf_free(&reader->path);
    sm_buf_free(&reader->paths);
}

sm_status sm_chunk_read(sm_chunk *chunk, sm_chunk_reader *reader, const sm_run *run)
{
    const sm_inputs *inputs = run->plan->inputs;
    uint64_t begin = sm_clock_ns();
    sm_status status = list_fetches(chunk, reader, run);
    if (status != SM_OK) return status;
    sm_io_fetch_many(reader->fetches, reader->count);
    chunk->bytes_in = 0;
    for (size_t k = 0; k < reader->count; k++) {
        uint32_t i = reader->which[k];
        status = judge(&chunk->outcomes[i], &reader->fetches[k], &inputs->items[chunk->first + i]);
        if (status != SM_OK) return status;
        chunk->bytes_in += chunk->files[i].len;
    }
    chunk->read_ns = sm_clock_ns() - begin;
    chunk->is_read = true;
    return SM_OK;
}

void sm_chunk_let_go(sm_chunk *chunk, uint64_t keep)
{
    for (uint32_t i = 0; i < SM_CHUNK_PICTURES; i++) {
        sm_buf *file = &chunk->files[i];
        if (file->cap > keep)
            sm_buf_free(file);
        else
            keep -= file->cap;
    }
}

sm_status sm_bench_init(sm_bench *bench, const sm_run *run)
{
    const sm_plan *plan = run->plan;
    sm_picture_options options = plan->options->picture;
    options.max_memory = sm_run_third(run) / run->threads;
    *bench = (sm_bench){.run = run};
    sm_buf_init(&bench->path, SM_PATH_LIMIT);
    sm_buf_init(&bench->file, 0);
    sm_buf_init(&bench->image, SIZE_MAX / 2);
    sm_buf_init(&bench->plain, SIZE_MAX / 2);
    if (run->watch != NULL) {
        uint32_t number = atomic_fetch_add(&run->watch->threads, 1);
        if (number < SM_WATCH_THREADS) bench->slot = &run->watch->slots[number];
    }
    sm_status status = sm_picture_new(&bench->picture, &options);
    if (status == SM_OK)
        status = sm_recorder_new(&bench->recorder, plan->inputs, plan->options->schema);
    if (status == SM_OK && plan->options->compression == SM_COMPRESSION_GZIP)
        status = sm_gzip_open(&bench->gzip);
    return status;
}

void sm_bench_free(sm_bench *bench)
{
    sm_gzip_free(bench->gzip);
    sm_recorder_free(bench->recorder);
    sm_picture_free(bench->picture);
    sm_buf_free(&bench->path);
    sm_buf_free(&bench->file);
    sm_buf_free(&bench->image);
    sm_buf_free(&bench->plain);
}

static sm_status convert_one(sm_picture_info *info, sm_buf *image, sm_picture *picture,
                             sm_large *large, const uint8_t *data, size_t len)
{
    sm_buf_clear(image);
    sm_status status = sm_picture_convert(picture, info, image, data, len);
    if (status == SM_OK || info->reason != SM_FAIL_OUT_OF_MEMORY) return status;
    pthread_mutex_lock(&large->lock);
    status = sm_picture_convert(large->picture, info, image, data, len);
    pthread_mutex_unlock(&large->lock);
    return status;
}

static void tell(const sm_bench *bench, size_t slot)
{
    if (bench->slot != NULL)
        atomic_store_explicit(bench->slot, (uint32_t)slot, memory_order_relaxed);
}

/* Reads the chunk's input number i, right before it is needed: it is then still in the core's
 * cache. */
static sm_status read_one(sm_chunk *chunk, uint32_t i, sm_bench *bench)
{
    const sm_inputs *inputs = bench->run->plan->inputs;
    const sm_input *input = &inputs->items[chunk->first + i];
    uint64_t begin = sm_clock_ns();
    sm_buf *file = &bench->file;
    if (file->cap > KEPT_BYTES) sm_buf_free(file);
    sm_buf_clear(file);
    file->max = (size_t)input->size + 2;
    sm_status status =
        sm_inputs_full_path(&bench->path, inputs, sm_inputs_text(inputs, input->path));
    if (status != SM_OK) return status;
    sm_fetch fetch = {.url = (const char *)bench->path.data, .buf = file, .expected = input->size};
    sm_io_fetch_many(&fetch, 1);
    status = judge(&chunk->outcomes[i], &fetch, input);
    if (status != SM_OK) return status;
    chunk->bytes_in += file->len;
    chunk->read_ns += sm_clock_ns() - begin;
    return SM_OK;
}

sm_status sm_chunk_convert(sm_chunk *chunk, sm_bench *bench, sm_large *large)
{
    const sm_run *run = bench->run;
    sm_buf *image = &bench->image;
    sm_buf_clear(&chunk->records);
    chunk->record_count = 0;
    chunk->decode_ns = chunk->resize_ns = chunk->encode_ns = 0;
    if (!chunk->is_read) chunk->bytes_in = chunk->read_ns = 0;
    for (uint32_t i = 0; i < chunk->count; i++) {
        sm_outcome *outcome = &chunk->outcomes[i];
        const sm_buf *file = chunk->is_read ? &chunk->files[i] : &bench->file;
        sm_status status = SM_OK;
        if (!chunk->is_read && is_wanted(chunk, i, run)) status = read_one(chunk, i, bench);
        if (status != SM_OK) return status;
        if (outcome->reason != SM_REASON_NONE) continue;
        const sm_input *input = &run->plan->inputs->items[chunk->first + i];
        sm_picture_info info;
        tell(bench, chunk->first + i + 1);
        status = convert_one(&info, image, bench->picture, large, file->data, file->len);
        tell(bench, 0);
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
        status = sm_recorder_append(bench->recorder, &chunk->records, input, &info, image->data,
                                    image->len);
        if (status != SM_OK) return status;
        chunk->record_count++;
    }
    chunk->example_bytes = chunk->records.len - (uint64_t)chunk->record_count *
                                                    (SM_TFRECORD_HEADER + SM_TFRECORD_FOOTER);
    return SM_OK;
}

sm_status sm_chunk_compress(sm_chunk *chunk, sm_bench *bench)
{
    /* No member for nothing, but a file must have one. */
    if (bench->gzip == NULL || (chunk->records.len == 0 && !chunk->ends_shard)) return SM_OK;
    sm_buf *plain = &bench->plain;
    sm_buf records = chunk->records;
    chunk->records = *plain;
    *plain = records;
    sm_buf_clear(&chunk->records);
    sm_status status = sm_gzip_write(bench->gzip, &chunk->records, plain->data, plain->len);
    return status == SM_OK ? sm_gzip_finish(bench->gzip, &chunk->records) : status;
}
