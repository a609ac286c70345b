/* Carrying a task out in this process. */
#include "pack/task.h"

#include "core/machine.h"
#include "core/status.h"
#include "io/io.h"
#include "pack/chunk.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Packing a shard */

typedef struct packing {
    sm_task_plan plan;
    sm_shard shard;
    sm_job job;
    sm_run run;
} packing;

/* The threads' share of half of what there is; not so little that large pictures would fail. */
static uint64_t share_of_memory(uint32_t threads)
{
    const uint64_t half = sm_machine_memory() / 2, least = (uint64_t)1 << 30;
    const uint32_t cores = sm_machine_threads();
    uint64_t share = threads < cores ? half / cores * threads : half;
    if (share < least) share = least;
    return share < half ? share : half;
}

/* All that was read must be what the coordinator planned: that is what the fingerprint is over. */
static sm_status check_shard(const packing *p, const sm_task *task)
{
    char found[SM_FINGERPRINT_SIZE], file[SM_SHARD_NAME_MAX];
    sm_status status = sm_plan_fingerprint(found, &p->plan.plan, &p->shard, task->shards);
    if (status == SM_OK)
        status = sm_plan_shard_name(file, &p->plan.plan, task->split, task->index, task->shards);
    if (status != SM_OK) return status;
    if (strcmp(found, task->fingerprint) != 0 || strcmp(file, task->file) != 0)
        return sm_fail(SM_ERR_CORRUPT,
                       "'%s' is not what was planned: its files below " SM_TASKS_FOLDER
                       " were changed, or another version of shardmill made them than " SM_VERSION,
                       task->file);
    return SM_OK;
}

static sm_status prepare(packing *p, const sm_task *task, const sm_task_means *means)
{
    *p = (packing){0};
    sm_status status = sm_task_plan_read(&p->plan, task->url);
    if (status == SM_OK)
        status = sm_task_plan_inputs(&p->plan, task->other, task->place, (size_t)task->count,
                                     task->split);
    if (status != SM_OK) return status;
    p->plan.options.is_cancelled = means->is_cancelled;
    p->plan.options.user = means->user;
    p->shard =
        (sm_shard){.split = task->split, .index = task->index, .count = p->plan.inputs.count};
    memcpy(p->shard.fingerprint, task->fingerprint, sizeof p->shard.fingerprint);
    p->job.shard = &p->shard;
    memcpy(p->job.file, task->file, sizeof p->job.file);
    p->run = (sm_run){.plan = &p->plan.plan,
                      .dst = p->plan.dst,
                      .threads = means->threads,
                      .memory = means->memory,
                      .retry = task->retry,
                      .failures_limit = UINT64_MAX,
                      .watch = means->watch,
                      .crashes = means->crashes,
                      .crash_count = means->crash_count};
    if (p->run.memory == 0) p->run.memory = p->plan.memory;
    if (p->run.memory == 0) p->run.memory = share_of_memory(means->threads);
    return check_shard(p, task);
}

static json_t *describe_stages(const sm_run *run)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f}", "read", (double)run->read_ns / 1e9, "decode",
                     (double)run->decode_ns / 1e9, "resize", (double)run->resize_ns / 1e9, "encode",
                     (double)run->encode_ns / 1e9, "write", (double)run->write_ns / 1e9);
}

static sm_status describe_reasons(json_t **object, const sm_run *run)
{
    json_t *made = json_object();
    sm_status status = made == NULL ? sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON") : SM_OK;
    for (int i = 0; status == SM_OK && i < SM_REASON_COUNT; i++)
        if (run->by_reason[i] > 0)
            status = sm_json_set(made, sm_reason_name((sm_reason)i),
                                 json_integer((json_int_t)run->by_reason[i]));
    *object = made;
    return status;
}

static sm_status describe(sm_buf *line, const sm_task *task, const sm_run *run, double seconds)
{
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {{"inputs", run->pictures},
                   {"records", run->records},
                   {"failures", run->pictures - run->records},
                   {"warnings", run->warnings},
                   {"bytes", run->bytes_out},
                   {"bytes_in", run->bytes_in},
                   {"threads", run->threads}};
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    json_t *reasons = NULL;
    json_t *object = json_pack("{s:s, s:i, s:I, s:s, s:s, s:s}", "type", "result", "version",
                               SM_TASK_VERSION, "id", (json_int_t)task->id, "status", "ok", "file",
                               task->file, "fingerprint", task->fingerprint);
    sm_status status =
        object == NULL ? sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON") : SM_OK;
    for (size_t i = 0; status == SM_OK && i < sizeof numbers / sizeof *numbers; i++)
        status = sm_json_set(object, numbers[i].key, json_integer((json_int_t)numbers[i].value));
    if (status == SM_OK) status = describe_reasons(&reasons, run);
    if (status == SM_OK) status = sm_json_set(object, "reasons", json_incref(reasons));
    if (status == SM_OK) status = sm_json_set(object, "host", sm_json_text(host));
    if (status == SM_OK) status = sm_json_set(object, "seconds", json_real(seconds));
    if (status == SM_OK) status = sm_json_set(object, "stage_seconds", describe_stages(run));
    if (status == SM_OK)
        status = sm_json_dump(line, object, SM_TASK_LINE_STYLE | JSON_REAL_PRECISION(6));
    json_decref(reasons);
    json_decref(object);
    return status;
}

static sm_status pack(sm_buf *line, const sm_task *task, const sm_task_means *means)
{
    const uint64_t begin = sm_clock_ns();
    packing p;
    sm_status status = prepare(&p, task, means);
    if (status == SM_OK) status = sm_pipeline_run(&p.run, &p.job, 1);
    if (status == SM_OK)
        status = describe(line, task, &p.run, (double)(sm_clock_ns() - begin) / 1e9);
    sm_task_plan_free(&p.plan);
    return status;
}

static sm_status convert_alone(const packing *p, uint32_t input)
{
    sm_chunk chunk = {.first = input, .count = 1};
    sm_bench bench;
    sm_large large = {.lock = PTHREAD_MUTEX_INITIALIZER};
    sm_picture_options options = p->plan.options.picture;
    options.max_memory = sm_run_third(&p->run);
    sm_buf_init(&chunk.records, SIZE_MAX / 2);
    sm_status status = sm_bench_init(&bench, &p->run);
    if (status == SM_OK) status = sm_picture_new(&large.picture, &options);
    if (status == SM_OK) status = sm_chunk_convert(&chunk, &bench, &large);
    sm_picture_free(large.picture);
    sm_bench_free(&bench);
    sm_buf_free(&chunk.records);
    return status;
}

sm_status sm_task_try(const sm_task *task, const sm_task_means *means, uint32_t input,
                      sm_status (*tell)(void *user, const char *path), void *user)
{
    packing p;
    sm_status status = prepare(&p, task, means);
    if (status == SM_OK && input >= p.plan.inputs.count)
        status = sm_fail(SM_ERR_INTERNAL, "the task has no input %lu", (unsigned long)input);
    if (status == SM_OK)
        status = tell(user, sm_inputs_text(&p.plan.inputs, p.plan.inputs.items[input].path));
    if (status == SM_OK) status = convert_alone(&p, input);
    sm_task_plan_free(&p.plan);
    return status;
}

/* ---- Other tasks */

static sm_status probe(sm_buf *line, const sm_task *task)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    json_t *object = json_pack(
        "{s:s, s:i, s:I, s:s, s:s, s:s, s:i, s:I}", "type", "result", "version", SM_TASK_VERSION,
        "id", (json_int_t)task->id, "status", "ok", "shardmill", SM_VERSION, "host", host, "cores",
        (int)sm_machine_threads(), "memory", (json_int_t)sm_machine_memory());
    sm_status status =
        object == NULL ? sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON") : SM_OK;
    if (status == SM_OK) status = sm_json_dump(line, object, SM_TASK_LINE_STYLE);
    json_decref(object);
    return status;
}

typedef struct listing {
    sm_sink *sink;
    uint64_t files, bytes;
    sm_buf entry;
} listing;

/* "SIZE MTIME", the name relative to the url: a NUL behind each, for names are any bytes. */
static sm_status list_file(void *user, const sm_listed *file)
{
    listing *l = user;
    sm_buf_clear(&l->entry);
    sm_status status = sm_buf_printf(&l->entry, "%llu %lld", (unsigned long long)file->size,
                                     (long long)file->mtime_ns);
    if (status == SM_OK) status = sm_buf_append(&l->entry, "", 1);
    if (status == SM_OK) status = sm_buf_append(&l->entry, file->name, strlen(file->name) + 1);
    if (status == SM_OK) status = sm_sink_write(l->sink, l->entry.data, l->entry.len);
    l->files++;
    l->bytes += file->size;
    return status;
}

static sm_status list(sm_buf *line, const sm_task *task)
{
    listing l = {0};
    sm_buf_init(&l.entry, 2 * SM_PATH_LIMIT);
    sm_status status = sm_sink_open(&l.sink, task->other);
    if (status == SM_OK) status = sm_list_files(task->url, list_file, &l);
    if (status == SM_OK) {
        status = sm_sink_commit(l.sink);
        l.sink = NULL;
    }
    sm_sink_abandon(l.sink);
    sm_buf_free(&l.entry);
    json_t *object = NULL;
    if (status == SM_OK &&
        (object = json_pack("{s:s, s:i, s:I, s:s, s:I, s:I}", "type", "result", "version",
                            SM_TASK_VERSION, "id", (json_int_t)task->id, "status", "ok", "files",
                            (json_int_t)l.files, "bytes", (json_int_t)l.bytes)) == NULL)
        status = sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON");
    if (status == SM_OK) status = sm_json_dump(line, object, SM_TASK_LINE_STYLE);
    json_decref(object);
    return status;
}

/* The row is JSON already. */
static sm_status trial(sm_buf *line, const sm_task *task, const sm_task_means *means)
{
    char *row = NULL;
    if (means->trial == NULL) return sm_fail(SM_ERR_USAGE, "this worker measures nothing");
    sm_status status = means->trial(&row, task->line);
    if (status == SM_OK)
        status = sm_buf_printf(line,
                               "{\"type\":\"result\",\"version\":%d,\"id\":%llu,"
                               "\"status\":\"ok\",\"row\":%s}",
                               SM_TASK_VERSION, (unsigned long long)task->id, row);
    free(row);
    return status;
}

sm_status sm_task_run(sm_buf *line, const sm_task *task, const sm_task_means *means)
{
    const size_t begin = line->len;
    sm_status status = SM_OK;
    switch (task->kind) {
    case SM_TASK_PACK: status = pack(line, task, means); break;
    case SM_TASK_LIST: status = list(line, task); break;
    case SM_TASK_PROBE: status = probe(line, task); break;
    case SM_TASK_TRIAL: status = trial(line, task, means); break;
    }
    if (status == SM_OK) return SM_OK;
    char message[SM_ERROR_MAX];
    snprintf(message, sizeof message, "%s", sm_last_error());
    line->len = begin;
    return sm_task_failed(line, task->id, status, message);
}
