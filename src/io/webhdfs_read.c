/*
 * Reading files of HDFS, many side by side. Each goes through the name node (what is it, and who
 * has it) to a data node; when that one fails, the name node is asked again, and may name another.
 */
#include "io/http_retry.h"
#include "io/webhdfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PARALLEL = 16 };

typedef enum read_step { STEP_LOOK, STEP_LOCATE, STEP_READ, STEP_LOOK_AGAIN, STEP_DONE } read_step;

typedef struct hdfs_read {
    sm_fetch *fetch;
    uint64_t offset, len; /* the range; len UINT64_MAX: to the end */
    bool is_range;        /* checks at the end that it was one file all along */
    size_t start;         /* what the buffer held before */
    read_step step;
    char *location; /* of the data node */
    sm_backoff backoff;
    sm_http_request request;
    sm_http_reply reply;
} hdfs_read;

static void fail_read(hdfs_read *read, sm_status status)
{
    read->fetch->status = status;
    read->fetch->host_down = read->reply.host_down;
    read->fetch->buf->len = read->start;
    read->step = STEP_DONE;
    snprintf(read->fetch->error, sizeof read->fetch->error, "%s", sm_last_error());
}

static uint64_t bytes_due(const hdfs_read *read)
{
    uint64_t size = read->fetch->info.size;
    uint64_t behind = size > read->offset ? size - read->offset : 0;
    return read->len < behind ? read->len : behind;
}

/* ---- One step: its request, and what its reply means */

static sm_status prepare(hdfs_read *read)
{
    char op[96];
    const char *url = read->fetch->url;
    sm_http_request_init(&read->request, "GET");
    sm_http_reply_init(&read->reply);
    if (read->step == STEP_LOOK || read->step == STEP_LOOK_AGAIN)
        return sm_hdfs_request(&read->request, url, "GETFILESTATUS");
    read->request.into = read->fetch->buf;
    if (read->step == STEP_LOCATE) {
        snprintf(op, sizeof op, "OPEN&offset=%llu&length=%llu", (unsigned long long)read->offset,
                 (unsigned long long)bytes_due(read));
        return sm_hdfs_request(&read->request, url, op);
    }
    read->request.expected = bytes_due(read);
    read->request.label = url;
    read->request.once = true; /* the name node may know a better one */
    read->request.tries = &read->backoff;
    return sm_buf_printf(&read->request.url, "%s", read->location);
}

static void looked(hdfs_read *read)
{
    json_t *json = NULL;
    sm_file_info info;
    const char *url = read->fetch->url;
    sm_status status = sm_hdfs_json(&json, &read->reply, url);
    if (status == SM_OK) status = sm_hdfs_info_of(&info, json_object_get(json, "FileStatus"), url);
    json_decref(json);
    if (status == SM_OK && info.kind != SM_FILE_REGULAR)
        status = sm_fail(SM_ERR_FORMAT, "'%s' is a folder, not a file", url);
    const char *known = read->fetch->info.tag;
    if (status == SM_OK && known[0] != '\0' && strcmp(known, info.tag) != 0)
        status = sm_fail(SM_ERR_CORRUPT,
                         "'%s': changed while it was read; run again when nobody writes it", url);
    if (status == SM_OK) read->fetch->info = info;
    const sm_buf *buf = read->fetch->buf;
    if (status == SM_OK && bytes_due(read) > buf->max - read->start)
        status = sm_fail(SM_ERR_LIMIT, "'%s' has %llu bytes, more than the limit of %zu", url,
                         (unsigned long long)info.size, buf->max - read->start);
    if (status != SM_OK)
        fail_read(read, status);
    else if (read->step == STEP_LOOK_AGAIN || bytes_due(read) == 0)
        read->step = STEP_DONE;
    else
        read->step = STEP_LOCATE;
}

/* The bytes are there, if they are all there. */
static bool arrived(hdfs_read *read)
{
    if (read->fetch->buf->len - read->start != bytes_due(read)) return false;
    read->step = read->is_range ? STEP_LOOK_AGAIN : STEP_DONE;
    return true;
}

/* Goes back to the name node after a while, or gives up. */
static void try_again(hdfs_read *read, sm_status status, uint64_t *wait_ns)
{
    uint64_t wait;
    if (!sm_backoff_next(&read->backoff, read->reply.retry_after_ms, &wait)) {
        fail_read(read, status);
        return;
    }
    if (wait > *wait_ns) *wait_ns = wait;
    read->fetch->buf->len = read->start;
    read->step = STEP_LOCATE;
}

static void located(hdfs_read *read, uint64_t *wait_ns)
{
    const char *url = read->fetch->url;
    free(read->location);
    read->location = sm_hdfs_location(&read->reply);
    if (read->location != NULL) {
        read->step = STEP_READ;
        read->fetch->buf->len = read->start;
    } else if (!arrived(read)) { /* a gateway sends the bytes themselves */
        try_again(read, sm_fail(SM_ERR_IO, "'%s': too few or too many bytes came", url), wait_ns);
    }
}

static void was_read(hdfs_read *read, sm_status status, uint64_t *wait_ns)
{
    const char *url = read->fetch->url;
    if (status == SM_OK && sm_is_passing_status(read->reply.status))
        status = SM_ERR_IO;
    else if (status == SM_OK)
        status = sm_hdfs_judge(&read->reply, "read", url, NULL);
    if (status == SM_OK && arrived(read)) return;
    if (status == SM_OK)
        status = sm_fail(SM_ERR_IO, "'%s': the data node sent too few or too many bytes", url);
    else if (sm_is_passing_status(read->reply.status))
        status = sm_hdfs_judge(&read->reply, "read", url, NULL);
    if (status == SM_ERR_IO)
        try_again(read, status, wait_ns);
    else
        fail_read(read, status);
}

static void take_reply(hdfs_read *read, sm_status status, uint64_t *wait_ns)
{
    if (status != SM_OK) sm_fail(status, "%s", read->reply.error);
    if (read->step == STEP_READ) {
        was_read(read, status, wait_ns);
        return;
    }
    if (status == SM_OK && !(read->step == STEP_LOCATE && read->reply.status == 307))
        status = sm_hdfs_judge(&read->reply, "read", read->fetch->url, NULL);
    if (status != SM_OK)
        fail_read(read, status);
    else if (read->step == STEP_LOCATE)
        located(read, wait_ns);
    else
        looked(read);
}

/* ---- Rounds of steps */

typedef struct read_round {
    sm_http_request **requests;
    sm_http_reply *replies;
    sm_status *statuses;
    hdfs_read **reads;
    size_t count;
} read_round;

/* Every read that is not done takes a step, side by side. False when all are done. */
static bool take_steps(sm_http *http, read_round *round, hdfs_read *reads, size_t count)
{
    round->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (reads[i].step == STEP_DONE) continue;
        sm_status status = prepare(&reads[i]);
        if (status != SM_OK) {
            fail_read(&reads[i], status);
            sm_http_request_free(&reads[i].request);
            continue;
        }
        round->reads[round->count] = &reads[i];
        round->replies[round->count] = reads[i].reply;
        round->requests[round->count++] = &reads[i].request;
    }
    if (round->count == 0) return false;
    sm_http_perform_many(http, round->requests, round->replies, round->statuses, round->count,
                         PARALLEL);
    uint64_t wait_ns = 0;
    for (size_t i = 0; i < round->count; i++) {
        hdfs_read *read = round->reads[i];
        read->reply = round->replies[i];
        take_reply(read, round->statuses[i], &wait_ns);
        sm_http_reply_free(&read->reply);
        sm_http_request_free(&read->request);
    }
    sm_pause(wait_ns);
    return true;
}

static sm_status perform_reads(hdfs_read *reads, size_t count)
{
    read_round round = {.requests = calloc(count, sizeof(void *)),
                        .replies = calloc(count, sizeof *round.replies),
                        .statuses = calloc(count, sizeof *round.statuses),
                        .reads = calloc(count, sizeof(void *))};
    sm_http *http = NULL;
    sm_status status = sm_http_mine(&http);
    if (round.requests == NULL || round.replies == NULL || round.statuses == NULL ||
        round.reads == NULL)
        status = sm_fail_memory(count * sizeof *round.replies);
    else if (status == SM_OK)
        while (take_steps(http, &round, reads, count)) continue;
    for (size_t i = 0; i < count; i++) free(reads[i].location);
    free(round.requests);
    free(round.replies);
    free(round.statuses);
    free(round.reads);
    return status;
}

static void begin_read(hdfs_read *read, sm_fetch *fetch, uint64_t offset, uint64_t len)
{
    *read = (hdfs_read){
        .fetch = fetch, .offset = offset, .len = len, .start = fetch->buf->len, .step = STEP_LOOK};
    fetch->status = SM_OK;
    sm_backoff_init(&read->backoff);
}

sm_status sm_hdfs_read_part(const char *url, const sm_file_part *part, sm_file_info *info)
{
    if (part->length == 0) return SM_OK;
    sm_fetch fetch = {.url = url, .buf = part->into};
    memcpy(fetch.info.tag, info->tag, sizeof fetch.info.tag);
    hdfs_read read;
    begin_read(&read, &fetch, part->offset, part->length);
    read.is_range = true;
    sm_status status = perform_reads(&read, 1);
    if (status != SM_OK) return status;
    if (fetch.status != SM_OK) return sm_fail(fetch.status, "%s", fetch.error);
    *info = fetch.info;
    return SM_OK;
}

void sm_hdfs_fetch_many(sm_fetch *fetches, size_t count)
{
    hdfs_read *reads = calloc(count, sizeof *reads);
    sm_status status;
    for (size_t i = 0; i < count && reads != NULL; i++) {
        fetches[i].info.tag[0] = '\0';
        begin_read(&reads[i], &fetches[i], 0, UINT64_MAX);
    }
    if (reads == NULL)
        status = sm_fail_memory(count * sizeof *reads);
    else
        status = perform_reads(reads, count);
    for (size_t i = 0; i < count && status != SM_OK; i++) {
        fetches[i].status = status;
        snprintf(fetches[i].error, sizeof fetches[i].error, "%s", sm_last_error());
    }
    free(reads);
}
