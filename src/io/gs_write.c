/*
 * Writing an object of Google Cloud Storage. What fits into one piece is one request at commit,
 * which carries the checksum for the store to check. What is larger goes up in pieces of one
 * resumable upload while it is made, by a thread of its own; what the store then says of the whole
 * is checked.
 */
#include "core/crc32c.h"
#include "core/json.h"
#include "core/queue.h"
#include "io/gs.h"
#include "io/http_retry.h"
#include "io/sum.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    HEAD = 4096,        /* bytes around the object in a request that holds it all, as a rule */
    HEAD_MAX = 64 << 10 /* and at most: its name, each byte of which JSON may make six */
};

static const char WHAT[] = "write", PERMISSION[] = "storage.objects.create";

typedef struct piece {
    uint64_t offset;
    bool is_last;
    sm_buf data;
} piece;

typedef struct gs_sink {
    char *url;
    sm_gs_place place;
    bool only_new;
    size_t piece; /* bytes of one, but the last */
    sm_buf data;  /* what has not been handed to the sender */
    uint64_t size;
    uint32_t crc;
    /* Of a resumable upload. */
    char *session; /* its URL, which is as good as a key; NULL: none was begun */
    sm_queue queue;
    pthread_t sender;
    bool has_sender;
    pthread_mutex_t lock; /* guards what follows */
    sm_status status;     /* of the sender's first failure */
    char error[SM_ERROR_MAX];
    sm_file_info made; /* what the store says of the whole; kind REGULAR when it has */
    bool is_made;
} gs_sink;

static void free_sink(gs_sink *sink)
{
    if (sink->session != NULL) explicit_bzero(sink->session, strlen(sink->session));
    free(sink->session);
    sm_buf_free(&sink->data);
    sm_queue_destroy(&sink->queue);
    pthread_mutex_destroy(&sink->lock);
    sm_gs_place_free(&sink->place);
    free(sink->url);
    free(sink);
}

sm_status sm_gs_sink_open(void **sink, const char *url, bool only_new)
{
    gs_sink *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    pthread_mutex_init(&made->lock, NULL);
    made->piece = sm_upload_piece(0);
    sm_buf_init(&made->data, made->piece);
    made->only_new = only_new;
    made->url = strdup(url);
    sm_status status =
        made->url == NULL ? sm_fail_memory(strlen(url)) : sm_gs_place_of(&made->place, url);
    if (status == SM_OK && *made->place.key == '\0')
        status = sm_fail(SM_ERR_USAGE, "cannot write '%s': it names a bucket, not an object", url);
    if (status == SM_OK)
        *sink = made;
    else
        free_sink(made);
    return status;
}

/* ---- What the store says of what was written */

static sm_status read_made(sm_file_info *made, const sm_gs_call *call, const sm_http_reply *reply)
{
    json_t *json;
    sm_status status = sm_gs_json(&json, call, reply);
    if (status != SM_OK) return status;
    status = sm_gs_info_of_json(made, json);
    json_decref(json);
    return status;
}

static bool is_ours(const gs_sink *sink, const sm_file_info *info)
{
    sm_sum sum = {.kind = SM_SUM_CRC32C};
    for (int i = 0; i < 4; i++) sum.bytes[i] = (uint8_t)(sink->crc >> (24 - 8 * i));
    return info->size == sink->size && sm_sum_agrees(&sum, &info->sum);
}

static sm_status check_made(const gs_sink *sink, const sm_file_info *made)
{
    if (is_ours(sink, made)) return SM_OK;
    if (*made->tag != '\0') (void)sm_gs_remove_generation(sink->url, made->tag);
    return sm_fail(SM_ERR_CORRUPT,
                   "cannot write '%s': the store's checksum is not that of what was sent; the "
                   "damaged object was removed",
                   sink->url);
}

/* After a try whose answer was lost, "there already" may mean: by us. */
static bool was_made_by_us(const gs_sink *sink)
{
    sm_file_info info;
    return sm_gs_stat_object(&info, sink->url) == SM_OK && info.sum.kind == SM_SUM_CRC32C &&
           is_ours(sink, &info);
}

static sm_status fail_there_already(const gs_sink *sink)
{
    return sm_fail(SM_ERR_CONFLICT, "cannot write '%s': there is such an object already",
                   sink->url);
}

/* ---- One request */

static sm_status add_metadata(sm_buf *body, const gs_sink *sink)
{
    char crc[9];
    sm_sum_crc32c_base64(crc, sink->crc);
    json_t *json = json_pack("{s:s, s:s, s:s}", "name", sink->place.key, "contentType",
                             "application/octet-stream", "crc32c", crc);
    sm_status status = json == NULL ? sm_fail_memory(1) : sm_json_append(body, json, false);
    json_decref(json);
    return status;
}

static sm_status make_body(sm_buf *body, const char *boundary, const gs_sink *sink)
{
    sm_status status = sm_buf_reserve(body, sink->data.len + HEAD);
    if (status == SM_OK)
        status = sm_buf_printf(
            body, "--%s\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n", boundary);
    if (status == SM_OK) status = add_metadata(body, sink);
    if (status == SM_OK)
        status = sm_buf_printf(body, "\r\n--%s\r\nContent-Type: application/octet-stream\r\n\r\n",
                               boundary);
    if (status == SM_OK) status = sm_buf_append(body, sink->data.data, sink->data.len);
    if (status == SM_OK) status = sm_buf_printf(body, "\r\n--%s--\r\n", boundary);
    return status;
}

static sm_status init_upload(sm_gs_call *call, const gs_sink *sink, const char *type)
{
    sm_status status = sm_gs_call_init(call, "POST", sink->url, SM_GS_UPLOAD, WHAT, PERMISSION);
    /* Twice the same bytes, or an upload that nobody goes on with: no harm. */
    call->request.idempotent = true;
    if (status == SM_OK) status = sm_gs_call_param(call, "uploadType", type);
    if (status == SM_OK && sink->only_new)
        status = sm_gs_call_param(call, "ifGenerationMatch", "0");
    return status;
}

static sm_status put_at_once(gs_sink *sink)
{
    char boundary[48], type[96];
    uint64_t random[2];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return sm_fail(SM_ERR_IO, "cannot write '%s': there are no random numbers", sink->url);
    snprintf(boundary, sizeof boundary, "shardmill%016llx%016llx", (unsigned long long)random[0],
             (unsigned long long)random[1]);
    snprintf(type, sizeof type, "multipart/related; boundary=%s", boundary);

    sm_gs_call call;
    sm_http_reply reply;
    sm_buf body;
    sm_file_info made;
    sm_buf_init(&body, sink->data.len + HEAD_MAX);
    sm_http_reply_init(&reply);
    sm_status status = init_upload(&call, sink, "multipart");
    if (status == SM_OK) status = sm_http_add_header(&call.request, "Content-Type", type);
    if (status == SM_OK) status = make_body(&body, boundary, sink);
    call.request.data = body.data;
    call.request.len = body.len;
    if (status == SM_OK) status = sm_gs_call_perform(&call, &reply);
    if (reply.status == 412)
        status = reply.attempts > 1 && was_made_by_us(sink) ? SM_OK : fail_there_already(sink);
    else if (status == SM_OK && (status = read_made(&made, &call, &reply)) == SM_OK)
        status = check_made(sink, &made);
    sm_buf_free(&body);
    sm_http_reply_free(&reply);
    sm_gs_call_free(&call);
    return status;
}

/* ---- A resumable upload */

static sm_status begin_session(gs_sink *sink)
{
    static const char nothing[] = "{}";
    sm_gs_call call;
    sm_http_reply reply;
    sm_http_reply_init(&reply);
    sm_status status = init_upload(&call, sink, "resumable");
    if (status == SM_OK) status = sm_gs_call_param(&call, "name", sink->place.key);
    if (status == SM_OK)
        status = sm_http_add_header(&call.request, "Content-Type", "application/json");
    if (status == SM_OK)
        status =
            sm_http_add_header(&call.request, "X-Upload-Content-Type", "application/octet-stream");
    call.request.data = nothing;
    call.request.len = strlen(nothing);
    if (status == SM_OK) status = sm_gs_call_perform(&call, &reply);
    if (reply.status == 412)
        status = fail_there_already(sink);
    else if (status == SM_OK && reply.location == NULL)
        status = sm_fail(SM_ERR_FORMAT, "cannot write '%s': the server told no upload's address",
                         sink->url);
    if (status == SM_OK) {
        sink->session = reply.location;
        reply.location = NULL;
    }
    sm_http_reply_free(&reply);
    sm_gs_call_free(&call);
    return status;
}

/* A request to the session: its bytes of a piece, or with none the question how far it is. Without
 * retries of its own: between two tries comes that question. */
static sm_status put_to_session(const gs_sink *sink, const char *range, const void *data,
                                size_t len, sm_http_reply *reply)
{
    sm_http *http;
    sm_http_request request;
    sm_http_request_init(&request, "PUT");
    request.label = sink->url;
    request.once = true;
    request.data = data;
    request.len = len;
    sm_status status = sm_http_mine(&http);
    if (status == SM_OK) status = sm_buf_printf(&request.url, "%s", sink->session);
    if (status == SM_OK) status = sm_http_add_header(&request, "Content-Range", range);
    if (status == SM_OK) status = sm_http_perform(http, &request, reply);
    sm_http_request_free(&request);
    return status;
}

/* "bytes 0-7/8", "bytes 0-7" and a star for a total that is not known yet, or a star and the total
 * for the question. */
static void write_range(char *text, size_t cap, const piece *p, size_t from, bool question)
{
    char total[24] = "*";
    const unsigned long long start = p->offset + from, end = p->offset + p->data.len;
    if (p->is_last) snprintf(total, sizeof total, "%llu", end);
    if (question)
        snprintf(text, cap, "bytes */%s", total);
    else
        snprintf(text, cap, "bytes %llu-%llu/%s", start, end - 1, total);
}

/* How many bytes the store has, of a 308's Range ("bytes=0-1048575"). */
static uint64_t bytes_kept(const sm_http_reply *reply)
{
    const char *dash = strchr(reply->range, '-');
    return dash == NULL ? 0 : strtoull(dash + 1, NULL, 10) + 1;
}

/* What a reply to the session means. *from moves to what the store has of the piece; *is_done: it
 * has all of it, and of the last one has made the object. */
static sm_status take_answer(gs_sink *sink, const piece *p, const sm_http_reply *reply,
                             size_t *from, bool *is_done)
{
    const sm_gs_call call = {.url = sink->url, .what = WHAT, .permission = PERMISSION};
    if (reply->status == 308) {
        const uint64_t kept = bytes_kept(reply);
        if (kept < p->offset || kept > p->offset + p->data.len)
            return sm_fail(SM_ERR_IO,
                           "cannot write '%s': the store has lost a part of the upload; run again",
                           sink->url);
        *from = (size_t)(kept - p->offset);
        *is_done = !p->is_last && *from == p->data.len;
        return SM_OK;
    }
    if (reply->status == 200 || reply->status == 201) {
        sm_status status = read_made(&sink->made, &call, reply);
        if (!p->is_last) {
            /* What is not whole must not be seen. */
            if (status == SM_OK) (void)sm_gs_remove_generation(sink->url, sink->made.tag);
            return sm_fail(SM_ERR_IO,
                           "cannot write '%s': the store ended the upload early; run again",
                           sink->url);
        }
        sink->is_made = *is_done = status == SM_OK;
        return status;
    }
    if (reply->status == 412) return fail_there_already(sink);
    if (reply->status == 404 || reply->status == 410)
        return sm_fail(SM_ERR_IO, "cannot write '%s': the store has ended the upload; run again",
                       sink->url);
    return sm_gs_call_judge(&call, reply);
}

/* Sends a piece until the store has it: after each fault asks how far it came, and goes on there.
 */
static sm_status send_piece(gs_sink *sink, const piece *p)
{
    sm_backoff backoff;
    size_t from = 0;
    bool question = false, is_done = false;
    sm_status status = SM_OK;
    sm_backoff_init(&backoff);
    while (status == SM_OK && !is_done) {
        char range[80];
        sm_http_reply reply;
        const size_t before = from;
        sm_http_reply_init(&reply);
        write_range(range, sizeof range, p, from, question);
        status = put_to_session(sink, range, question ? NULL : p->data.data + from,
                                question ? 0 : p->data.len - from, &reply);
        const bool fault = status == SM_ERR_IO || sm_is_passing_status(reply.status);
        if (fault && sm_backoff_sleep(&backoff, reply.retry_after_ms)) {
            status = SM_OK;
            question = true;
        } else if (status == SM_OK) {
            status = take_answer(sink, p, &reply, &from, &is_done);
            /* The last byte is there and the object is not: the store wants to be asked again. */
            question = from == p->data.len;
            if (from > before)
                sm_backoff_progress(&backoff);
            else if (status == SM_OK && !is_done && !sm_backoff_sleep(&backoff, 0))
                status = sm_fail(SM_ERR_IO, "cannot write '%s': the store takes no more bytes",
                                 sink->url);
        }
        sm_http_reply_free(&reply);
    }
    return status;
}

static void free_piece(piece *p)
{
    sm_buf_free(&p->data);
    free(p);
}

static sm_status sender_status(gs_sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    sm_status status = sink->status == SM_OK ? SM_OK : sm_fail(sink->status, "%s", sink->error);
    pthread_mutex_unlock(&sink->lock);
    return status;
}

static void *send_pieces(void *user)
{
    gs_sink *sink = user;
    for (piece *p; (p = sm_queue_pop(&sink->queue)) != NULL; free_piece(p)) {
        if (sender_status(sink) != SM_OK) continue;
        sm_status status = send_piece(sink, p);
        if (status == SM_OK) continue;
        pthread_mutex_lock(&sink->lock);
        sink->status = status;
        snprintf(sink->error, sizeof sink->error, "%s", sm_last_error());
        pthread_mutex_unlock(&sink->lock);
    }
    return NULL;
}

static sm_status begin_upload(gs_sink *sink)
{
    sm_status status = sm_queue_init(&sink->queue, 1);
    if (status == SM_OK) status = begin_session(sink);
    if (status != SM_OK) return status;
    int error = pthread_create(&sink->sender, NULL, send_pieces, sink);
    if (error != 0) return sm_fail_errno(error, "cannot start a thread");
    sink->has_sender = true;
    return SM_OK;
}

/* Hands what is gathered to the sender; waits while it has two. */
static sm_status hand_over(gs_sink *sink, bool is_last)
{
    sm_status status = sink->has_sender ? sender_status(sink) : begin_upload(sink);
    if (status != SM_OK) return status;
    piece *p = malloc(sizeof *p);
    if (p == NULL) return sm_fail_memory(sizeof *p);
    *p = (piece){.offset = sink->size - sink->data.len, .is_last = is_last, .data = sink->data};
    sm_buf_init(&sink->data, sink->piece);
    if (sm_queue_push(&sink->queue, p)) return SM_OK;
    free_piece(p);
    return sm_fail(SM_ERR_INTERNAL, "the queue of pieces was closed");
}

static void end_sender(gs_sink *sink)
{
    if (!sink->has_sender) return;
    sm_queue_close(&sink->queue);
    pthread_join(sink->sender, NULL);
    sink->has_sender = false;
}

sm_status sm_gs_sink_write(void *opaque, const void *data, size_t len)
{
    gs_sink *sink = opaque;
    const uint8_t *next = data;
    while (len > 0) {
        /* Only when more comes: the last piece must not be empty. */
        if (sink->data.len == sink->piece) {
            sm_status status = hand_over(sink, false);
            if (status != SM_OK) return status;
        }
        const size_t room = sink->piece - sink->data.len, n = len < room ? len : room;
        sm_status status = sm_buf_append(&sink->data, next, n);
        if (status != SM_OK) return status;
        sink->crc = sm_crc32c(sink->crc, next, n);
        sink->size += n;
        next += n;
        len -= n;
    }
    return SM_OK;
}

/* Tells the store to forget the session. What it does not hear, it forgets after a week. */
static void end_session(const gs_sink *sink)
{
    if (sink->session == NULL || sink->is_made) return;
    char line[SM_ERROR_MAX];
    snprintf(line, sizeof line, "%s", sm_last_error());
    sm_http *http;
    sm_http_request request;
    sm_http_reply reply;
    sm_http_request_init(&request, "DELETE");
    sm_http_reply_init(&reply);
    request.once = true;
    if (sm_http_mine(&http) == SM_OK && sm_buf_printf(&request.url, "%s", sink->session) == SM_OK)
        (void)sm_http_perform(http, &request, &reply);
    sm_http_reply_free(&reply);
    sm_http_request_free(&request);
    sm_fail(SM_OK, "%s", line); /* the reason for ending stays this thread's error */
}

sm_status sm_gs_sink_commit(void *opaque)
{
    gs_sink *sink = opaque;
    sm_status status;
    if (sink->session == NULL) {
        status = put_at_once(sink);
    } else {
        status = hand_over(sink, true);
        end_sender(sink);
        if (status == SM_OK) status = sender_status(sink);
        if (status == SM_ERR_CONFLICT && was_made_by_us(sink))
            status = SM_OK;
        else if (status == SM_OK)
            status = check_made(sink, &sink->made);
        if (status != SM_OK) end_session(sink);
    }
    free_sink(sink);
    return status;
}

void sm_gs_sink_abandon(void *opaque)
{
    gs_sink *sink = opaque;
    if (sink == NULL) return;
    if (sink->has_sender) {
        /* What waits need not go up; the piece on its way does. */
        pthread_mutex_lock(&sink->lock);
        sink->status = sink->status == SM_OK ? SM_ERR_CANCELLED : sink->status;
        pthread_mutex_unlock(&sink->lock);
        sm_queue_close(&sink->queue);
    }
    end_sender(sink);
    end_session(sink);
    free_sink(sink);
}
