/*
 * Writing an object of S3. What fits into one part is one PUT at commit; what is larger goes up in
 * parts while it is made, by a few threads of its own, and is joined at commit.
 */
#include "core/array.h"
#include "core/queue.h"
#include "io/s3.h"
#include "io/s3_xml.h"
#include "io/sum.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PART_LEAST = 5 << 20, /* S3's, but for the last */
    PARTS_OF_FIRST_SIZE = 2000,
    PARTS_OF_A_SIZE = 800, /* then */
    PARTS_MAX = 10000,
    UPLOADERS = 3,
    LIST_MAX = 4 << 20, /* bytes of the list of parts */
    ETAG_MAX = 80,      /* of an object in our words: an MD5, "-", a number */
};

/* A part on its way. */
typedef struct s3_part {
    unsigned number; /* from 1 */
    sm_buf data;
} s3_part;

/* A part that the store has. */
typedef struct part_done {
    char etag[SM_HTTP_TAG_MAX];
    sm_sum md5;
} part_done;

typedef struct s3_sink {
    char *url;
    bool only_new;
    size_t first; /* bytes of the first parts */
    sm_buf data;  /* of the part that is being filled */
    /* Of an upload in parts. */
    char *upload;   /* its id; NULL: none was begun */
    unsigned parts; /* handed to the uploaders */
    sm_queue queue;
    pthread_t threads[UPLOADERS];
    unsigned thread_count;
    pthread_mutex_t lock; /* guards what follows */
    part_done *done;      /* by number - 1 */
    size_t done_cap;
    sm_status status; /* the first failure of an uploader */
    char error[SM_ERROR_MAX];
    atomic_bool stopped; /* what still waits need not go up */
} s3_sink;

size_t sm_s3_part_size(size_t first, unsigned number)
{
    const size_t most = (size_t)5 << 30; /* S3's */
    size_t size = first;
    for (unsigned at = PARTS_OF_FIRST_SIZE; at < number && size < most; at += PARTS_OF_A_SIZE)
        size *= 2;
    return size < most ? size : most;
}

sm_status sm_s3_sink_open(void **sink, const char *url, bool only_new)
{
    sm_s3_place place;
    sm_status status = sm_s3_place_of(&place, url);
    if (status != SM_OK) return status;
    size_t len = strlen(place.key);
    bool is_folder = len == 0 || place.key[len - 1] == '/';
    sm_s3_place_free(&place);
    if (is_folder) return sm_fail(SM_ERR_USAGE, "cannot write '%s': it names no object", url);
    s3_sink *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    made->url = strdup(url);
    if (made->url == NULL) {
        free(made);
        return sm_fail_memory(strlen(url));
    }
    made->only_new = only_new;
    made->first = sm_upload_piece(PART_LEAST);
    sm_buf_init(&made->data, made->first);
    pthread_mutex_init(&made->lock, NULL);
    *sink = made;
    return SM_OK;
}

static void free_sink(s3_sink *sink)
{
    sm_buf_free(&sink->data);
    sm_queue_destroy(&sink->queue);
    pthread_mutex_destroy(&sink->lock);
    free(sink->done);
    free(sink->upload);
    free(sink->url);
    free(sink);
}

/* ---- The uploaders */

static void free_part(s3_part *part)
{
    sm_buf_free(&part->data);
    free(part);
}

/* The store has checked the body by its Content-MD5; its ETag shows that it kept that body. */
static sm_status check_etag(const s3_sink *sink, const sm_s3_call *call, const sm_http_reply *reply,
                            const sm_sum *md5)
{
    sm_sum told;
    sm_s3_md5_of(&told, reply, call->place.bucket);
    if (sm_sum_agrees(&told, md5)) return SM_OK;
    return sm_fail(SM_ERR_CORRUPT,
                   "cannot write '%s': the store's ETag %s is not the MD5 of what "
                   "was sent",
                   sink->url, reply->etag);
}

static sm_status put_part(const s3_sink *sink, const s3_part *part, part_done *done)
{
    char number[16];
    snprintf(number, sizeof number, "%u", part->number);
    const sm_s3_param params[] = {{"partNumber", number}, {"uploadId", sink->upload}};
    sm_s3_call call;
    sm_http_reply reply;
    sm_status status = sm_s3_call_init(&call, "PUT", sink->url, "write", "s3:PutObject", params, 2);
    if (status != SM_OK) return status;
    sm_http_reply_init(&reply);
    status = sm_s3_call_send(&call, part->data.data, part->data.len, &done->md5);
    if (status == SM_OK) status = sm_s3_call_perform(&call, &reply);
    if (status == SM_OK) status = check_etag(sink, &call, &reply, &done->md5);
    if (status == SM_OK && (reply.etag[0] == '\0' || strpbrk(reply.etag, "<&") != NULL))
        status =
            sm_fail(SM_ERR_FORMAT, "cannot write '%s': the store gave a part no ETag", sink->url);
    memcpy(done->etag, reply.etag, sizeof done->etag);
    sm_http_reply_free(&reply);
    sm_s3_call_free(&call);
    return status;
}

static void settle_part(s3_sink *sink, const s3_part *part, const part_done *done, sm_status status)
{
    pthread_mutex_lock(&sink->lock);
    if (status == SM_OK) {
        sink->done[part->number - 1] = *done;
    } else if (sink->status == SM_OK) {
        sink->status = status;
        snprintf(sink->error, sizeof sink->error, "%s", sm_last_error());
        atomic_store(&sink->stopped, true);
    }
    pthread_mutex_unlock(&sink->lock);
}

static void *upload_parts(void *user)
{
    s3_sink *sink = user;
    for (s3_part *part; (part = sm_queue_pop(&sink->queue)) != NULL; free_part(part)) {
        if (atomic_load(&sink->stopped)) continue;
        part_done done = {0};
        sm_status status = put_part(sink, part, &done);
        settle_part(sink, part, &done, status);
    }
    return NULL;
}

/* Another one while there are more parts than threads. One is enough to go on with. */
static sm_status start_uploader(s3_sink *sink)
{
    if (sink->thread_count == UPLOADERS) return SM_OK;
    int error = pthread_create(&sink->threads[sink->thread_count], NULL, upload_parts, sink);
    if (error == 0) sink->thread_count++;
    return sink->thread_count > 0 ? SM_OK : sm_fail_errno(error, "cannot start a thread");
}

static void end_uploaders(s3_sink *sink)
{
    if (sink->upload == NULL) return;
    sm_queue_close(&sink->queue);
    for (unsigned i = 0; i < sink->thread_count; i++) pthread_join(sink->threads[i], NULL);
    sink->thread_count = 0;
    for (s3_part *left; (left = sm_queue_pop(&sink->queue)) != NULL;) free_part(left);
}

static sm_status uploaders_status(s3_sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    sm_status status = sink->status == SM_OK ? SM_OK : sm_fail(sink->status, "%s", sink->error);
    pthread_mutex_unlock(&sink->lock);
    return status;
}

/* ---- An upload in parts */

static sm_status read_upload_id(s3_sink *sink, const sm_http_reply *reply)
{
    sm_xml_field field = {.name = "UploadId"};
    sm_status status = sm_xml_find(&field, 1, NULL, reply->body.data, reply->body.len);
    if (status == SM_OK && (field.value == NULL || field.value[0] == '\0'))
        status = sm_fail(SM_ERR_FORMAT, "it has no upload id");
    if (status != SM_OK) {
        sm_xml_free(&field, 1);
        return sm_fail_prefix(status, "cannot write '%s': the store's answer makes no sense",
                              sink->url);
    }
    sink->upload = field.value; /* taken over */
    return SM_OK;
}

static sm_status begin_upload(s3_sink *sink)
{
    const sm_s3_param params[] = {{"uploads", ""}};
    sm_status status = sm_queue_init(&sink->queue, 1);
    if (status != SM_OK) return status;
    sm_s3_call call;
    sm_http_reply reply;
    status = sm_s3_call_init(&call, "POST", sink->url, "write", "s3:PutObject", params, 1);
    if (status != SM_OK) return status;
    sm_http_reply_init(&reply);
    /* Begun twice, one of them stays empty; the bucket's lifecycle rule clears it away. */
    call.request.idempotent = true;
    status = sm_http_add_header(&call.request, "Content-Type", "application/octet-stream");
    if (status == SM_OK) status = sm_s3_call_perform(&call, &reply);
    if (status == SM_OK) status = read_upload_id(sink, &reply);
    sm_http_reply_free(&reply);
    sm_s3_call_free(&call);
    return status;
}

static sm_status make_room(s3_sink *sink)
{
    sm_status status = SM_OK;
    pthread_mutex_lock(&sink->lock);
    while (status == SM_OK && sink->done_cap < sink->parts)
        status = sm_array_grow(&sink->done, &sink->done_cap, sink->done_cap, sizeof *sink->done);
    pthread_mutex_unlock(&sink->lock);
    return status;
}

/* Hands the part that is full to the uploaders; waits while they all have one. */
static sm_status send_part(s3_sink *sink)
{
    sm_status status = sink->upload == NULL ? begin_upload(sink) : uploaders_status(sink);
    if (status != SM_OK) return status;
    if (sink->parts == PARTS_MAX)
        return sm_fail(SM_ERR_LIMIT, "cannot write '%s': S3 takes %d parts at most", sink->url,
                       PARTS_MAX);
    s3_part *full = calloc(1, sizeof *full);
    if (full == NULL) return sm_fail_memory(sizeof *full);
    full->number = ++sink->parts;
    full->data = sink->data;
    sm_buf_init(&sink->data, sm_s3_part_size(sink->first, sink->parts + 1));
    status = make_room(sink);
    if (status == SM_OK) status = start_uploader(sink);
    if (status == SM_OK && !sm_queue_push(&sink->queue, full))
        status = sm_fail(SM_ERR_INTERNAL, "the queue of parts was closed");
    if (status != SM_OK) free_part(full);
    return status;
}

sm_status sm_s3_sink_write(void *opaque, const void *data, size_t len)
{
    s3_sink *sink = opaque;
    const uint8_t *next = data;
    while (len > 0) {
        size_t room = sink->data.max - sink->data.len;
        size_t n = len < room ? len : room;
        sm_status status = sm_buf_append(&sink->data, next, n);
        if (status == SM_OK && n == room) status = send_part(sink);
        if (status != SM_OK) return status;
        next += n;
        len -= n;
    }
    return SM_OK;
}

/* Tells the store to forget the parts. What it does not hear, the bucket's lifecycle rule does. */
static void abort_upload(const s3_sink *sink)
{
    if (sink->upload == NULL) return;
    char line[SM_ERROR_MAX];
    snprintf(line, sizeof line, "%s", sm_last_error());
    const sm_s3_param params[] = {{"uploadId", sink->upload}};
    sm_s3_call call;
    sm_http_reply reply;
    if (sm_s3_call_init(&call, "DELETE", sink->url, "forget the parts of",
                        "s3:AbortMultipartUpload", params, 1) == SM_OK) {
        sm_http_reply_init(&reply);
        (void)sm_s3_call_perform(&call, &reply);
        sm_http_reply_free(&reply);
        sm_s3_call_free(&call);
    }
    sm_fail(SM_OK, "%s", line); /* the reason for aborting stays this thread's error */
}

/* ---- Commit */

/* The ETag of an object whose MD5 is known; of one joined from parts, the MD5 of their MD5s. */
static void etag_of_md5(char etag[ETAG_MAX], const uint8_t md5[16], size_t parts)
{
    int at = snprintf(etag, ETAG_MAX, "\"");
    for (int i = 0; i < 16; i++) at += snprintf(etag + at, (size_t)(ETAG_MAX - at), "%02x", md5[i]);
    if (parts > 0) at += snprintf(etag + at, (size_t)(ETAG_MAX - at), "-%zu", parts);
    snprintf(etag + at, (size_t)(ETAG_MAX - at), "\"");
}

/* "" on machines that forbid MD5. */
static sm_status etag_of_parts(char etag[ETAG_MAX], const s3_sink *sink)
{
    sm_summer summer;
    sm_sum sum;
    etag[0] = '\0';
    sm_status status = sm_summer_init(&summer, SM_SUM_MD5);
    if (status != SM_OK) return status;
    for (size_t i = 0; i < sink->parts; i++) sm_summer_add(&summer, sink->done[i].md5.bytes, 16);
    sm_summer_end(&summer, &sum);
    if (sum.kind == SM_SUM_MD5) etag_of_md5(etag, sum.bytes, sink->parts);
    return SM_OK;
}

/* After a try whose answer was lost: whether the object there is the one that we sent. */
static bool is_ours(const s3_sink *sink, const char *etag)
{
    sm_file_info info;
    return etag[0] != '\0' && sm_s3_stat_object(&info, sink->url) == SM_OK &&
           strcmp(info.tag, etag) == 0;
}

static sm_status perform_commit(const s3_sink *sink, sm_s3_call *call, sm_http_reply *reply,
                                const char *etag)
{
    sm_status status = SM_OK;
    if (sink->only_new) status = sm_http_add_header(&call->request, "If-None-Match", "*");
    if (status == SM_OK) status = sm_s3_call_perform(call, reply);
    bool lost = reply->attempts > 1 && (reply->status == 412 || reply->status == 404);
    return lost && is_ours(sink, etag) ? SM_OK : status;
}

static sm_status put_whole(const s3_sink *sink)
{
    sm_s3_call call;
    sm_http_reply reply;
    sm_sum md5;
    char etag[ETAG_MAX] = "";
    sm_status status = sm_s3_call_init(&call, "PUT", sink->url, "write", "s3:PutObject", NULL, 0);
    if (status != SM_OK) return status;
    sm_http_reply_init(&reply);
    status = sm_s3_call_send(&call, sink->data.len == 0 ? "" : (const void *)sink->data.data,
                             sink->data.len, &md5);
    if (status == SM_OK && md5.kind == SM_SUM_MD5) etag_of_md5(etag, md5.bytes, 0);
    if (status == SM_OK)
        status = sm_http_add_header(&call.request, "Content-Type", "application/octet-stream");
    if (status == SM_OK) status = perform_commit(sink, &call, &reply, etag);
    if (status == SM_OK && reply.status < 300) status = check_etag(sink, &call, &reply, &md5);
    sm_http_reply_free(&reply);
    sm_s3_call_free(&call);
    return status;
}

static sm_status list_parts(sm_buf *list, const s3_sink *sink)
{
    sm_status status = sm_buf_append_str(
        list, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (size_t i = 0; i < sink->parts && status == SM_OK; i++)
        status = sm_buf_printf(list, "<Part><PartNumber>%zu</PartNumber><ETag>%s</ETag></Part>",
                               i + 1, sink->done[i].etag);
    return status == SM_OK ? sm_buf_append_str(list, "</CompleteMultipartUpload>") : status;
}

/* An ETag of the joined object's own kind must be the one of our parts, in their order. */
static sm_status check_joined(const s3_sink *sink, const sm_http_reply *reply, const char *etag)
{
    sm_xml_field field = {.name = "ETag"};
    sm_status status = sm_xml_find(&field, 1, NULL, reply->body.data, reply->body.len);
    if (status != SM_OK || field.value == NULL) return status;
    const char *dash = strchr(field.value, '-');
    const char *ours = strchr(etag, '-');
    size_t len = strcspn(field.value, "\"") == 0 ? 33 : 32; /* with the quote before it, or not */
    bool comparable = ours != NULL && dash == field.value + len && reply->encryption[0] == '\0';
    if (comparable && strncmp(field.value + len - 32, etag + 1, 32) != 0)
        status = sm_fail(SM_ERR_CORRUPT,
                         "cannot write '%s': the store's ETag %s is not that of the "
                         "parts that were sent",
                         sink->url, field.value);
    sm_xml_free(&field, 1);
    return status;
}

static sm_status complete_upload(const s3_sink *sink)
{
    const sm_s3_param params[] = {{"uploadId", sink->upload}};
    sm_s3_call call;
    sm_http_reply reply;
    sm_sum md5;
    sm_buf list;
    char etag[ETAG_MAX];
    sm_status status =
        sm_s3_call_init(&call, "POST", sink->url, "write", "s3:PutObject", params, 1);
    if (status != SM_OK) return status;
    sm_http_reply_init(&reply);
    sm_buf_init(&list, LIST_MAX);
    status = etag_of_parts(etag, sink);
    if (status == SM_OK) status = list_parts(&list, sink);
    if (status == SM_OK) status = sm_s3_call_send(&call, list.data, list.len, &md5);
    if (status == SM_OK) status = sm_http_add_header(&call.request, "Content-Type", "text/xml");
    call.request.idempotent = true;
    call.request.check = sm_s3_check_late_error;
    if (status == SM_OK) status = perform_commit(sink, &call, &reply, etag);
    if (status == SM_OK && reply.status < 300) status = sm_s3_call_judge_late(&call, &reply);
    if (status == SM_OK && reply.status < 300) status = check_joined(sink, &reply, etag);
    sm_buf_free(&list);
    sm_http_reply_free(&reply);
    sm_s3_call_free(&call);
    return status;
}

sm_status sm_s3_sink_commit(void *opaque)
{
    s3_sink *sink = opaque;
    sm_status status;
    if (sink->upload == NULL) {
        status = put_whole(sink);
    } else {
        status = sink->data.len > 0 ? send_part(sink) : SM_OK;
        end_uploaders(sink);
        if (status == SM_OK) status = uploaders_status(sink);
        if (status == SM_OK) status = complete_upload(sink);
        if (status != SM_OK) abort_upload(sink);
    }
    free_sink(sink);
    return status;
}

void sm_s3_sink_abandon(void *opaque)
{
    s3_sink *sink = opaque;
    if (sink == NULL) return;
    atomic_store(&sink->stopped, true);
    end_uploaders(sink);
    abort_upload(sink);
    free_sink(sink);
}
