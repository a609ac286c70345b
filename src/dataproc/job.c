#include "dataproc/job.h"

#include "core/json.h"
#include "core/status.h"
#include "engine/protocol.h"
#include "io/io.h"

#include <stdio.h>
#include <string.h>

enum {
    LINE_MAX_BYTES = 1 << 20,
    MARK_LEN = 12, /* of what stands before a piece of a result (python/shardmill/_driver.py) */
    PIECE_MAX = 64 << 20, /* of output at one look */
    TAIL_MAX = 1 << 16,
    DETAILS_MAX = 1 << 16
};

sm_status sm_dataproc_job_init(sm_dataproc_job *job, const sm_dataproc *service)
{
    *job = (sm_dataproc_job){.service = service};
    sm_buf_init(&job->details, DETAILS_MAX);
    sm_buf_init(&job->output, SM_PATH_LIMIT);
    sm_buf_init(&job->text, PIECE_MAX + LINE_MAX_BYTES);
    sm_buf_init(&job->result, SM_PROTOCOL_LINE_MAX);
    sm_buf_init(&job->tail, 2 * TAIL_MAX);
    return sm_dataproc_uuid(job->id);
}

void sm_dataproc_job_free(sm_dataproc_job *job)
{
    sm_buf_free(&job->details);
    sm_buf_free(&job->output);
    sm_buf_free(&job->text);
    sm_buf_free(&job->result);
    sm_buf_free(&job->tail);
}

/* ---- Submitting */

static json_t *texts(const char *const *items)
{
    json_t *array = json_array();
    for (size_t i = 0; array != NULL && items[i] != NULL; i++)
        json_array_append_new(array, json_string(items[i]));
    return array;
}

static sm_status properties(json_t **object, const sm_dataproc_job_spec *spec)
{
    json_t *made = json_object();
    sm_status status = made == NULL ? sm_fail_memory(0) : SM_OK;
    for (size_t i = 0; status == SM_OK && i < spec->conf_count; i++) {
        const char *text = spec->conf[i], *equals = strchr(text, '=');
        char key[256];
        if (equals == NULL || (size_t)(equals - text) >= sizeof key)
            status = sm_fail(SM_ERR_USAGE, "'%s' is no property: KEY=VALUE", text);
        if (status != SM_OK) break;
        snprintf(key, sizeof key, "%.*s", (int)(equals - text), text);
        status = sm_json_set(made, key, json_string(equals + 1));
    }
    if (status != SM_OK) {
        json_decref(made);
        made = NULL;
    }
    *object = made;
    return status;
}

static sm_status describe(json_t **body, const sm_dataproc_job *job,
                          const sm_dataproc_job_spec *spec, const char *request)
{
    json_t *conf;
    sm_status status = properties(&conf, spec);
    if (status != SM_OK) return status;
    const char *const archives[] = {spec->archive, NULL};
    *body = json_pack("{s:s, s:{s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s, s:o, s:o, s:o, s:o}}}",
                      "requestId", request, "job", "reference", "jobId", job->id, "placement",
                      "clusterName", spec->cluster, "labels", "shardmill", "run", "pysparkJob",
                      "mainPythonFileUri", spec->main, "args", texts(spec->args), "fileUris",
                      texts(spec->files), "archiveUris", texts(archives), "properties", conf);
    return *body == NULL ? sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON") : SM_OK;
}

sm_status sm_dataproc_job_submit(sm_dataproc_job *job, const sm_dataproc_job_spec *spec)
{
    char request[SM_UUID_SIZE];
    json_t *body = NULL;
    sm_status status = sm_dataproc_uuid(request);
    if (status == SM_OK) status = describe(&body, job, spec, request);
    if (status != SM_OK) return status;
    job->submitted = true; /* whatever the answer: it may have got there */
    status = sm_dataproc_ask(NULL, job->service,
                             &(sm_dataproc_call){.method = "POST",
                                                 .path = "jobs:submit",
                                                 .body = body,
                                                 .what = "submit a job to the cluster",
                                                 .subject = spec->cluster,
                                                 .permission = "dataproc.jobs.create"});
    json_decref(body);
    return status;
}

/* ---- Following */

static sm_status keep_text(sm_buf *to, const char *text)
{
    sm_buf_clear(to);
    return sm_buf_printf(to, "%s", text == NULL ? "" : text);
}

static sm_status look_at_state(sm_dataproc_job *job)
{
    char path[SM_UUID_SIZE + 16];
    snprintf(path, sizeof path, "jobs/%s", job->id);
    json_t *answer;
    sm_status status = sm_dataproc_ask(&answer, job->service,
                                       &(sm_dataproc_call){.method = "GET",
                                                           .path = path,
                                                           .what = "look at the job",
                                                           .subject = job->id,
                                                           .permission = "dataproc.jobs.get"});
    if (status != SM_OK) return status;
    const char *state = sm_dataproc_text(answer, "status", "state");
    snprintf(job->state, sizeof job->state, "%s", state == NULL ? "" : state);
    status = keep_text(&job->details, sm_dataproc_text(answer, "status", "details"));
    if (status == SM_OK)
        status = keep_text(&job->output, sm_dataproc_text(answer, "driverOutputResourceUri", NULL));
    job->ended = strcmp(job->state, "DONE") == 0 || strcmp(job->state, "ERROR") == 0 ||
                 strcmp(job->state, "CANCELLED") == 0;
    json_decref(answer);
    return status;
}

/* A line that is no result: the last ones are kept. */
static sm_status keep_line(sm_dataproc_job *job, const char *line, size_t len)
{
    if (len > TAIL_MAX / 2) return SM_OK;
    sm_buf *tail = &job->tail;
    if (tail->len + len + 1 > TAIL_MAX) {
        const size_t drop = tail->len / 2;
        memmove(tail->data, tail->data + drop, tail->len - drop);
        tail->len -= drop;
    }
    sm_status status = sm_buf_append(tail, line, len);
    return status == SM_OK ? sm_buf_append(tail, "\n", 1) : status;
}

/* "@shardmill+ TEXT" is a piece of a result, and "@shardmill. TEXT" its last: *last tells which. */
static bool is_result(const char *line, size_t len, bool *last)
{
    static const char mark[] = "@shardmill";
    const size_t mark_len = sizeof mark - 1;
    if (len < MARK_LEN || memcmp(line, mark, mark_len) != 0) return false;
    *last = line[mark_len] == '.';
    return (*last || line[mark_len] == '+') && line[mark_len + 1] == ' ';
}

static sm_status take_line(sm_dataproc_job *job, const sm_tasks *tasks, const char *line,
                           size_t len)
{
    bool last;
    if (!is_result(line, len, &last)) return keep_line(job, line, len);
    sm_status status = sm_buf_append(&job->result, line + MARK_LEN, len - MARK_LEN);
    if (status != SM_OK || !last) return status;
    status = tasks->result(tasks->user, (const char *)job->result.data, job->result.len);
    sm_buf_clear(&job->result);
    return status;
}

static sm_status take_lines(sm_dataproc_job *job, const sm_tasks *tasks, bool ended)
{
    sm_buf *text = &job->text;
    size_t at = 0;
    sm_status status = SM_OK;
    while (status == SM_OK && at < text->len) {
        const char *line = (const char *)text->data + at;
        const char *end = memchr(line, '\n', text->len - at);
        if (end == NULL && !ended) break;
        const size_t len = end == NULL ? text->len - at : (size_t)(end - line);
        status = take_line(job, tasks, line, len);
        at += end == NULL ? len : len + 1;
    }
    if (at > 0) memmove(text->data, text->data + at, text->len - at);
    text->len -= at;
    if (status == SM_OK && text->len > LINE_MAX_BYTES) text->len = 0; /* no line of ours */
    return status;
}

/* Appends what is new in the piece of output that is read now; *grew tells whether there was any.
 */
static sm_status read_piece(sm_dataproc_job *job, uint32_t piece, uint64_t from, bool *there,
                            uint64_t *grew)
{
    char url[SM_PATH_LIMIT];
    snprintf(url, sizeof url, "%s.%09u", (const char *)job->output.data, piece);
    sm_file_info info;
    *there = false;
    *grew = 0;
    sm_status status = sm_io_stat(&info, url);
    if (status == SM_ERR_NOT_FOUND) return SM_OK;
    *there = status == SM_OK;
    if (status != SM_OK || info.size <= from) return status;
    const uint64_t len = info.size - from < PIECE_MAX ? info.size - from : PIECE_MAX;
    const size_t before = job->text.len;
    status = sm_io_read_range(&job->text, url, from, len);
    *grew = job->text.len - before;
    return status;
}

static sm_status read_on(sm_dataproc_job *job, const sm_tasks *tasks, bool *there)
{
    uint64_t grew;
    sm_status status = SM_OK;
    do {
        status = read_piece(job, job->piece, job->read, there, &grew);
        job->read += grew;
        if (status == SM_OK) status = take_lines(job, tasks, false);
    } while (status == SM_OK && grew > 0);
    return status;
}

/* A piece grows until there is a next one; so it is read once more when the next is seen. */
static sm_status read_output(sm_dataproc_job *job, const sm_tasks *tasks)
{
    sm_status status = SM_OK;
    for (bool more = job->output.len > 0; status == SM_OK && more;) {
        bool there, next_there = false;
        uint64_t grew;
        status = read_on(job, tasks, &there);
        if (status == SM_OK && there)
            status = read_piece(job, job->piece + 1, UINT64_MAX, &next_there, &grew);
        if (status == SM_OK && next_there) status = read_on(job, tasks, &there);
        more = status == SM_OK && next_there;
        if (!more) break;
        job->piece++;
        job->read = 0;
    }
    return status;
}

sm_status sm_dataproc_job_look(sm_dataproc_job *job, const sm_tasks *tasks)
{
    sm_status status = look_at_state(job);
    if (status == SM_OK) status = read_output(job, tasks);
    if (status == SM_OK && job->ended) status = take_lines(job, tasks, true);
    return status;
}

/* ---- The end */

/* The last line of the output that says what went wrong. */
static void find_reason(char *reason, size_t cap, const sm_buf *tail)
{
    static const char *const marks[] = {"shardmill: ", "Error", "Exception"};
    *reason = '\0';
    for (size_t k = 0; *reason == '\0' && k < sizeof marks / sizeof *marks; k++) {
        for (size_t at = 0; at < tail->len;) {
            const char *line = (const char *)tail->data + at;
            const char *end = memchr(line, '\n', tail->len - at);
            const size_t len = end == NULL ? tail->len - at : (size_t)(end - line);
            if (memmem(line, len, marks[k], strlen(marks[k])) != NULL)
                snprintf(reason, cap, ": %.*s", (int)(len < 400 ? len : 400), line);
            at += len + 1;
        }
    }
}

sm_status sm_dataproc_job_outcome(const sm_dataproc_job *job)
{
    char reason[512];
    if (strcmp(job->state, "DONE") == 0) return SM_OK;
    find_reason(reason, sizeof reason, &job->tail);
    return sm_fail(SM_ERR_IO, "the job %s is %s%s; its output is %s.*", job->id, job->state, reason,
                   (const char *)job->output.data);
}

sm_status sm_dataproc_job_cancel(sm_dataproc_job *job)
{
    char path[SM_UUID_SIZE + 16];
    if (!job->submitted || job->ended) return SM_OK;
    snprintf(path, sizeof path, "jobs/%s:cancel", job->id);
    job->ended = true;
    sm_status status = sm_dataproc_ask(NULL, job->service,
                                       &(sm_dataproc_call){.method = "POST",
                                                           .path = path,
                                                           .clears = true,
                                                           .what = "cancel the job",
                                                           .subject = job->id,
                                                           .permission = "dataproc.jobs.cancel"});
    return status == SM_ERR_NOT_FOUND ? SM_OK : status;
}
