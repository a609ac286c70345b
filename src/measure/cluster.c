/*
 * Trials on other machines: each becomes one line for each member, which an engine brings to a
 * worker (sm_measure_task), and whose row it brings back.
 *
 *   {"type":"task","version":1,"kind":"trial","id":N,"group":N,"members":8,"member":0,…}
 *
 * Lines of one group belong together: an engine that can starts them at one moment ("start_at"),
 * and runs one group at a time.
 */
#include "core/json.h"
#include "measure/trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TASK_VERSION = 1 };

typedef struct cluster {
    sm_measure_row *rows;
    bool *came;
    const sm_measure_trial *trials;
    const char *const *sources;
    size_t count, members, done;
    const sm_measure_options *options;
    double started_s;
    sm_buf line;
} cluster;

/* The trial of task number id: as planned, with a number of its own. */
static sm_measure_trial trial_of(const cluster *c, size_t id)
{
    sm_measure_trial trial = c->trials[id / c->members];
    trial.member = (uint32_t)(id % c->members);
    trial.index = (uint32_t)id;
    return trial;
}

static sm_status give_line(void *user, const char **line, size_t id)
{
    cluster *c = user;
    const sm_measure_trial trial = trial_of(c, id);
    json_t *task =
        json_pack("{s:s, s:i, s:s, s:I, s:I}", "type", "task", "version", TASK_VERSION, "kind",
                  "trial", "id", (json_int_t)id, "group", (json_int_t)(id / c->members));
    sm_buf_clear(&c->line);
    sm_status status = task == NULL
                           ? sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON")
                           : sm_trial_json(task, &trial, c->sources[id / c->members], c->started_s);
    if (status == SM_OK) status = sm_json_dump(&c->line, task, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (status == SM_OK) status = sm_buf_append(&c->line, "", 1);
    json_decref(task);
    *line = (const char *)c->line.data;
    return status;
}

/* A worker that could not even try. */
static void fail_row(sm_measure_row *row, const json_t *result)
{
    const char *message = json_string_value(json_object_get(result, "message"));
    row->status = SM_ERR_IO;
    snprintf(row->error, sizeof row->error, "%.500s",
             message == NULL ? "the worker failed for no reason given" : message);
}

static sm_status take_result(void *user, const char *line, size_t len)
{
    cluster *c = user;
    uint64_t id = 0;
    json_t *result = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    sm_status status =
        result == NULL ? sm_fail(SM_ERR_FORMAT, "what a worker answered is no JSON") : SM_OK;
    if (status == SM_OK) status = sm_json_get_u64(&id, result, "id");
    if (status == SM_OK && id >= c->count * c->members)
        status = sm_fail(SM_ERR_FORMAT, "a worker answered what nobody asked");
    if (status == SM_OK && !c->came[id]) {
        sm_measure_row *row = &c->rows[id];
        *row = (sm_measure_row){.trial = trial_of(c, id)};
        const json_t *told = json_object_get(result, "row");
        if (told == NULL)
            fail_row(row, result);
        else
            status = sm_row_of_json(row, told);
        c->came[id] = status == SM_OK;
        c->done += status == SM_OK;
        if (status == SM_OK && c->options->on_row != NULL)
            c->options->on_row(c->options->user, row, c->done, c->count * c->members);
    }
    json_decref(result);
    return status;
}

/* Trials that no answer came of leave no row. */
static size_t close_ranks(cluster *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->count * c->members; i++) {
        if (!c->came[i]) continue;
        if (kept != i) c->rows[kept] = c->rows[i];
        kept++;
    }
    return kept;
}

sm_status sm_cluster_run(sm_measure_row *rows, size_t *row_count, const sm_measure_trial *trials,
                         const char *const *sources, size_t count,
                         const sm_measure_options *options, double started_s)
{
    cluster c = {.rows = rows,
                 .trials = trials,
                 .sources = sources,
                 .count = count,
                 .members = options->members > 0 ? options->members : 1,
                 .options = options,
                 .started_s = started_s};
    const size_t all = c.count * c.members;
    c.came = calloc(all, sizeof *c.came);
    if (c.came == NULL) return sm_fail_memory(all);
    sm_buf_init(&c.line, 1 << 20);
    const sm_tasks tasks = {.count = all,
                            .line = give_line,
                            .result = take_result,
                            .user = &c,
                            .is_cancelled = options->is_cancelled,
                            .cancel_user = options->user};
    sm_status status = options->cluster->run(options->cluster, &tasks);
    *row_count = close_ranks(&c);
    if (status == SM_OK && *row_count < all)
        status = sm_fail(SM_ERR_IO, "of %zu trials %zu were not answered", all, all - *row_count);
    sm_buf_free(&c.line);
    free(c.came);
    return status;
}
