#include "pack/tasks.h"

#include "core/machine.h"
#include "core/status.h"
#include "io/io.h"
#include "pack/result.h"
#include "pack/task.h"

#include <stdlib.h>
#include <string.h>

typedef enum job_state { JOB_OPEN, JOB_FAILED, JOB_DONE } job_state;

typedef struct coordinating {
    sm_run *run;
    const sm_job *jobs;
    size_t count;
    sm_task_files files;
    uint8_t *states; /* a job_state each */
    sm_buf url, other, line;
    uint64_t failures;
    sm_progress progress;
    uint64_t begin_ns;
    sm_status status; /* of the last job that failed */
    char message[SM_ERROR_MAX];
} coordinating;

static const char *first_picture(const coordinating *c, size_t job)
{
    const sm_inputs *inputs = c->run->plan->inputs;
    return sm_inputs_text(inputs, inputs->items[c->jobs[job].shard->first].path);
}

static sm_status give_line(void *user, const char **line, size_t i)
{
    coordinating *c = user;
    const sm_job *job = &c->jobs[i];
    const sm_task_place *place = &c->files.places[i];
    sm_task task = {.kind = SM_TASK_PACK,
                    .id = i,
                    .place = *place,
                    .count = job->shard->count,
                    .split = job->shard->split,
                    .index = job->shard->index,
                    .shards = job->shards,
                    .retry = c->run->retry};
    memcpy(task.file, job->file, sizeof task.file);
    memcpy(task.fingerprint, job->shard->fingerprint, sizeof task.fingerprint);
    sm_buf_clear(&c->line);
    sm_status status = sm_task_files_header(&c->url, &c->files);
    if (status == SM_OK) status = sm_task_files_inputs(&c->other, &c->files, place->file);
    if (status != SM_OK) return status;
    task.url = (char *)c->url.data; /* borrowed: task is not freed */
    task.other = (char *)c->other.data;
    status = sm_task_write(&c->line, &task);
    if (status == SM_OK) status = sm_buf_append(&c->line, "", 1);
    if (status == SM_OK) *line = (const char *)c->line.data;
    return status;
}

static void add_up(coordinating *c, const sm_task_result *result)
{
    sm_run *run = c->run;
    run->pictures += result->inputs;
    run->records += result->records;
    run->bytes_in += result->bytes_in;
    run->bytes_out += result->bytes_out;
    run->read_ns += result->read_ns;
    run->decode_ns += result->decode_ns;
    run->resize_ns += result->resize_ns;
    run->encode_ns += result->encode_ns;
    run->write_ns += result->write_ns;
    c->failures += result->failures;
}

static void show_progress(coordinating *c)
{
    const sm_pack_options *options = c->run->plan->options;
    if (options->on_progress == NULL) return;
    c->progress.inputs_done = c->run->pictures;
    c->progress.failures = c->failures;
    c->progress.bytes_in = c->run->bytes_in;
    c->progress.bytes_out = c->run->bytes_out;
    c->progress.seconds = (double)(sm_clock_ns() - c->begin_ns) / 1e9;
    options->on_progress(options->user, &c->progress);
}

static sm_status take_failure(coordinating *c, const sm_task_result *result)
{
    const size_t job = (size_t)result->id;
    if (c->states[job] == JOB_DONE) return SM_OK; /* another attempt was luckier */
    c->states[job] = JOB_FAILED;
    c->status = result->status == SM_OK ? SM_ERR_IO : result->status;
    snprintf(c->message, sizeof c->message,
             "'%.200s', of which the first picture is '%.200s': %.500s", c->jobs[job].file,
             first_picture(c, job), result->message);
    return result->final ? sm_fail(c->status, "%s", c->message) : SM_OK;
}

/* Counts a shard as packed; only once, for a second attempt makes the same bytes. */
static sm_status take_good(coordinating *c, const sm_task_result *result)
{
    if (c->states[result->id] == JOB_DONE) return SM_OK;
    c->states[result->id] = JOB_DONE;
    add_up(c, result);
    show_progress(c);
    if (c->failures + c->run->failures > c->run->failures_limit)
        return sm_fail(SM_ERR_FAILURES, "%llu pictures failed, more than --max-failures allows",
                       (unsigned long long)(c->failures + c->run->failures));
    return SM_OK;
}

static sm_status find_result(void *user, size_t i, bool *found)
{
    coordinating *c = user;
    sm_result kept;
    *found = false;
    if (sm_result_read(&kept, c->run->dst, c->jobs[i].file) != SM_OK) return SM_OK;
    sm_task_result result = {.id = i,
                             .inputs = kept.inputs,
                             .records = kept.records,
                             .failures = kept.inputs - kept.records,
                             .bytes_in = kept.bytes_in,
                             .bytes_out = kept.bytes};
    *found = strcmp(kept.fingerprint, c->jobs[i].shard->fingerprint) == 0;
    sm_result_free(&kept);
    return *found ? take_good(c, &result) : SM_OK;
}

static sm_status take_result(void *user, const char *line, size_t len)
{
    coordinating *c = user;
    sm_task_result result;
    if (len > SM_TASK_LINE_MAX)
        return sm_fail(SM_ERR_LIMIT, "a result line is longer than %d bytes", SM_TASK_LINE_MAX);
    sm_status status = sm_task_result_read(&result, line, len);
    if (status != SM_OK) return status;
    if (result.id >= c->count)
        return sm_fail(SM_ERR_CORRUPT, "there is a result of task %llu, but no such task",
                       (unsigned long long)result.id);
    if (!result.good) return take_failure(c, &result);
    const sm_shard *shard = c->jobs[result.id].shard;
    if (strcmp(result.fingerprint, shard->fingerprint) != 0 || result.inputs != shard->count ||
        result.records + result.failures != result.inputs)
        return sm_fail(SM_ERR_CORRUPT, "the result of '%s' is not of this plan",
                       c->jobs[result.id].file);
    return take_good(c, &result);
}

/* Whether every shard was answered for. */
static sm_status check_all(const coordinating *c)
{
    size_t missing = 0, first = 0;
    for (size_t i = c->count; i > 0; i--)
        if (c->states[i - 1] != JOB_DONE) missing++, first = i - 1;
    if (missing == 0) return SM_OK;
    if (c->status != SM_OK)
        return sm_fail(c->status, "%zu of %zu shards could not be packed: %s", missing, c->count,
                       c->message);
    return sm_fail(SM_ERR_IO,
                   "%zu of %zu shards were not answered for, '%s' first (its first picture is "
                   "'%s')",
                   missing, c->count, c->jobs[first].file, first_picture(c, first));
}

static sm_status coordinate(coordinating *c)
{
    const sm_plan *plan = c->run->plan;
    sm_engine *engine = plan->options->engine;
    sm_status status = sm_task_files_write(&c->files, c->run, c->jobs, c->count);
    if (status != SM_OK) return status;
    for (size_t i = 0; i < c->count; i++) {
        const sm_shard *shard = c->jobs[i].shard;
        c->progress.inputs_total += shard->count;
        for (size_t k = 0; k < shard->count; k++)
            c->progress.bytes_in_total += plan->inputs->items[shard->first + k].size;
    }
    const sm_tasks tasks = {.count = c->count,
                            .pictures = c->progress.inputs_total,
                            .line = give_line,
                            .result = take_result,
                            .find = find_result,
                            .is_cancelled = plan->options->is_cancelled,
                            .cancel_user = plan->options->user,
                            .user = c};
    show_progress(c);
    status = engine->run(engine, &tasks);
    return status == SM_OK ? check_all(c) : status;
}

sm_status sm_tasks_clear(const char *dst)
{
    sm_buf stats;
    sm_buf_init(&stats, SM_PATH_LIMIT);
    sm_status status = sm_buf_printf(&stats, "%s/stats", dst);
    if (status == SM_OK) status = sm_io_remove_leftovers(dst);
    if (status == SM_OK) status = sm_io_remove_leftovers((const char *)stats.data);
    if (status == SM_OK) status = sm_task_files_remove(dst);
    sm_buf_free(&stats);
    return status;
}

sm_status sm_run_jobs(sm_run *run, const sm_job *jobs, size_t count)
{
    if (count == 0) return SM_OK;
    if (run->plan->options->engine == NULL) return sm_pipeline_run(run, jobs, count);
    coordinating c = {.run = run, .jobs = jobs, .count = count, .begin_ns = sm_clock_ns()};
    sm_buf_init(&c.url, SM_PATH_LIMIT);
    sm_buf_init(&c.other, SM_PATH_LIMIT);
    sm_buf_init(&c.line, SM_TASK_LINE_MAX);
    c.states = calloc(count, sizeof *c.states);
    sm_status status = c.states == NULL ? sm_fail_memory(count) : coordinate(&c);
    if (status == SM_OK) status = sm_tasks_clear(run->dst);
    sm_task_files_free(&c.files);
    sm_buf_free(&c.url);
    sm_buf_free(&c.other);
    sm_buf_free(&c.line);
    free(c.states);
    return status;
}
