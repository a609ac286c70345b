/* Google Cloud Storage: gs://bucket/object, over its JSON API. */
#include "io/gs.h"

#include "io/store.h"
#include "io/sum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARALLEL = 32, BATCH = 128 };

/* ---- Looking */

sm_status sm_gs_stat_object(sm_file_info *info, const char *url)
{
    sm_gs_call call;
    sm_http_reply reply;
    json_t *json = NULL;
    sm_http_reply_init(&reply);
    sm_status status =
        sm_gs_call_init(&call, "GET", url, SM_GS_OBJECT, "look at", "storage.objects.get");
    if (status == SM_OK) status = sm_gs_call_param(&call, "fields", SM_GS_FIELDS);
    if (status == SM_OK) status = sm_gs_call_perform(&call, &reply);
    if (status == SM_OK) status = sm_gs_json(&json, &call, &reply);
    if (status == SM_OK) status = sm_gs_info_of_json(info, json);
    json_decref(json);
    sm_http_reply_free(&reply);
    sm_gs_call_free(&call);
    return status;
}

static sm_status gs_stat(sm_file_info *info, const char *url)
{
    sm_gs_place place = {0};
    sm_status status = sm_gs_place_of(&place, url);
    if (status != SM_OK) return status;
    const size_t len = strlen(place.key);
    const bool folder = len == 0 || place.key[len - 1] == '/';
    sm_gs_place_free(&place);
    if (folder) return sm_gs_stat_folder(info, url);
    status = sm_gs_stat_object(info, url);
    return status == SM_ERR_NOT_FOUND ? sm_gs_stat_folder(info, url) : status;
}

/* ---- Reading */

/* A call for an object's bytes, as they are stored: Google would else unpack those that are kept
 * with Content-Encoding gzip, and their checksum would not fit. */
static sm_status init_read(sm_gs_call *call, const char *url, const char *generation)
{
    sm_status status =
        sm_gs_call_init(call, "GET", url, SM_GS_OBJECT, "read", "storage.objects.get");
    if (status == SM_OK) status = sm_gs_call_param(call, "alt", "media");
    if (status == SM_OK && *generation != '\0')
        status = sm_gs_call_param(call, "ifGenerationMatch", generation);
    return status == SM_OK ? sm_http_add_header(&call->request, "Accept-Encoding", "gzip") : status;
}

static sm_status fail_changed(const char *url)
{
    return sm_fail(SM_ERR_CORRUPT, "'%s' changed while it was read", url);
}

static sm_status gs_read_part(const char *url, const sm_file_part *part, sm_file_info *info)
{
    sm_gs_call call;
    sm_http_reply reply;
    if (part->length == 0) return SM_OK;
    sm_http_reply_init(&reply);
    sm_status status = init_read(&call, url, info->tag);
    sm_http_want_part(&call.request, part);
    if (status == SM_OK) status = sm_gs_call_perform(&call, &reply);
    const bool known = *info->tag != '\0';
    if (status != SM_OK && reply.status == 416)
        status = SM_OK; /* behind the end: nothing */
    else if (known && (reply.status == 412 || reply.status == 404 ||
                       (status == SM_OK && *reply.generation != '\0' &&
                        strcmp(reply.generation, info->tag) != 0)))
        status = fail_changed(url);
    else if (status == SM_OK && !known)
        sm_gs_info_of_reply(info, &reply);
    sm_http_reply_free(&reply);
    sm_gs_call_free(&call);
    return status;
}

/* One of many reads. */
typedef struct one_read {
    sm_gs_call call;
    size_t start; /* in the fetch's buffer */
} one_read;

static sm_status check_read(const sm_http_request *request, const sm_http_reply *reply)
{
    const one_read *read = request->user;
    sm_sum sum;
    sm_sum_of_checksums(&sum, reply->checksums);
    return sm_sum_check(&sum, request->into->data + read->start, request->into->len - read->start);
}

static void settle(sm_fetch *fetch, const one_read *read, sm_status status,
                   const sm_http_reply *reply)
{
    fetch->host_down = reply->host_down;
    if (status != SM_OK) sm_fail(status, "%s", reply->error);
    if (status == SM_OK) status = sm_gs_call_judge(&read->call, reply);
    if (status == SM_OK) {
        sm_gs_info_of_reply(&fetch->info, reply);
        fetch->info.size = fetch->buf->len - read->start;
    }
    fetch->status = status;
    if (status != SM_OK) snprintf(fetch->error, sizeof fetch->error, "%s", sm_last_error());
}

/* What so many reads take, side by side. */
typedef struct batch {
    one_read reads[BATCH];
    sm_http_request *requests[BATCH];
    sm_http_reply replies[BATCH];
    sm_status statuses[BATCH];
} batch;

static void set_failed(sm_fetch *fetch, sm_status status)
{
    fetch->status = status;
    snprintf(fetch->error, sizeof fetch->error, "%s", sm_last_error());
}

static void fetch_some(sm_http *http, batch *b, sm_fetch *fetches, size_t count)
{
    size_t asked = 0;
    for (size_t i = 0; i < count; i++) {
        one_read *read = &b->reads[i];
        sm_http_request *request = &read->call.request;
        sm_status status = init_read(&read->call, fetches[i].url, "");
        if (status == SM_OK) status = sm_gs_call_bill(&read->call);
        read->start = fetches[i].buf->len;
        request->into = fetches[i].buf;
        request->expected = fetches[i].expected;
        request->check = check_read;
        request->user = read;
        fetches[i].status = status;
        if (status != SM_OK) {
            set_failed(&fetches[i], status);
            continue;
        }
        sm_http_reply_init(&b->replies[asked]);
        b->requests[asked++] = request;
    }
    sm_http_perform_many(http, b->requests, b->replies, b->statuses, asked, PARALLEL);
    for (size_t i = 0, done = 0; i < count; i++) {
        if (fetches[i].status == SM_OK) {
            settle(&fetches[i], &b->reads[i], b->statuses[done], &b->replies[done]);
            sm_http_reply_free(&b->replies[done++]);
        }
        sm_gs_call_free(&b->reads[i].call);
    }
}

static void gs_fetch_many(sm_fetch *fetches, size_t count)
{
    sm_http *http = NULL;
    batch *b = malloc(sizeof *b);
    sm_status status = b == NULL ? sm_fail_memory(sizeof *b) : sm_http_mine(&http);
    for (size_t i = 0; status != SM_OK && i < count; i++) set_failed(&fetches[i], status);
    for (size_t at = 0; b != NULL && status == SM_OK && at < count; at += BATCH)
        fetch_some(http, b, fetches + at, count - at < BATCH ? count - at : BATCH);
    free(b);
}

/* ---- Removing and copying */

sm_status sm_gs_remove_generation(const char *url, const char *generation)
{
    sm_gs_call call;
    sm_http_reply reply;
    sm_http_reply_init(&reply);
    sm_status status =
        sm_gs_call_init(&call, "DELETE", url, SM_GS_OBJECT, "remove", "storage.objects.delete");
    if (status == SM_OK && generation != NULL)
        status = sm_gs_call_param(&call, "ifGenerationMatch", generation);
    if (status == SM_OK) status = sm_gs_call_perform(&call, &reply);
    /* Not there is fine; the bucket's absence will be told by whoever writes into it. */
    if (reply.status == 404) status = SM_OK;
    sm_http_reply_free(&reply);
    sm_gs_call_free(&call);
    return status;
}

static sm_status gs_remove(const char *url)
{
    return sm_gs_remove_generation(url, NULL);
}

/* One step of a rewrite; *token (the caller's) is NULL when it is done. */
static sm_status rewrite(const char *from, const sm_gs_place *to, char **token)
{
    sm_gs_call call;
    sm_http_reply reply;
    json_t *json = NULL;
    sm_http_reply_init(&reply);
    sm_status status = sm_gs_call_init(&call, "POST", from, SM_GS_OBJECT, "copy",
                                       "storage.objects.get and storage.objects.create");
    if (status == SM_OK) status = sm_gs_call_path(&call, "rewriteTo");
    if (status == SM_OK) status = sm_gs_call_path(&call, "b");
    if (status == SM_OK) status = sm_gs_call_path(&call, to->bucket);
    if (status == SM_OK) status = sm_gs_call_path(&call, "o");
    if (status == SM_OK) status = sm_gs_call_path(&call, to->key);
    if (status == SM_OK && *token != NULL) status = sm_gs_call_param(&call, "rewriteToken", *token);
    call.request.idempotent = true;
    if (status == SM_OK) status = sm_gs_call_perform(&call, &reply);
    if (status == SM_OK) status = sm_gs_json(&json, &call, &reply);
    if (status == SM_OK) {
        const char *next = json_string_value(json_object_get(json, "rewriteToken"));
        const bool done = !json_is_false(json_object_get(json, "done"));
        free(*token);
        *token = done || next == NULL ? NULL : strdup(next);
        if (!done && *token == NULL)
            status =
                sm_fail(SM_ERR_IO, "cannot copy '%s': the server did not say how to go on", from);
    }
    json_decref(json);
    sm_http_reply_free(&reply);
    sm_gs_call_free(&call);
    return status;
}

static sm_status gs_copy(const char *from, const char *to)
{
    sm_gs_place place = {0};
    char *token = NULL;
    sm_status status = sm_gs_place_of(&place, to);
    if (status != SM_OK) return status;
    do {
        status = rewrite(from, &place, &token);
    } while (status == SM_OK && token != NULL);
    sm_gs_place_free(&place);
    free(token);
    return status;
}

const sm_store sm_store_gs = {.scheme = "gs",
                              .stat = gs_stat,
                              .read_part = gs_read_part,
                              .pours = true,
                              .fetch_many = gs_fetch_many,
                              .list = sm_gs_list,
                              .sink_open = sm_gs_sink_open,
                              .sink_write = sm_gs_sink_write,
                              .sink_commit = sm_gs_sink_commit,
                              .sink_abandon = sm_gs_sink_abandon,
                              .remove = gs_remove,
                              .copy = gs_copy};
