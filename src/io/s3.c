/* The store of s3:// URLs: AWS's, and servers that speak its language. */
#include "io/s3.h"

#include "io/s3_xml.h"
#include "io/sum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARALLEL = 32, /* small objects fetched at once */
    URL_MAX = 16 << 10,
};

/* The store's own checksum beside the ETag, which tells nothing of objects that are encrypted or
 * were joined from parts. Not of a part that is read: it might be that part's. */
static sm_status ask_for_checksum(sm_s3_call *call)
{
    return sm_http_add_header(&call->request, "x-amz-checksum-mode", "ENABLED");
}

/* ---- One object */

/* An answer to HEAD carries no reason; one to GET does. */
static sm_status ask_why(const char *url)
{
    sm_s3_call call;
    sm_http_reply reply;
    sm_status status = sm_s3_call_init(&call, "GET", url, "look at", "s3:GetObject", NULL, 0);
    if (status != SM_OK) return status;
    sm_http_reply_init(&reply);
    call.request.ranged = true;
    call.request.length = 1;
    status = sm_s3_call_perform(&call, &reply);
    if (reply.status == 416) status = SM_OK; /* it is empty: that was not the reason */
    sm_http_reply_free(&reply);
    sm_s3_call_free(&call);
    return status;
}

static sm_status ask_about(sm_file_info *info, const char *url, bool is_second)
{
    sm_s3_call call;
    sm_http_reply reply;
    sm_status status = sm_s3_call_init(&call, "HEAD", url, "look at", "s3:GetObject", NULL, 0);
    if (status != SM_OK) return status;
    sm_http_reply_init(&reply);
    status = ask_for_checksum(&call);
    if (status == SM_OK) status = sm_s3_call_perform(&call, &reply);
    if (status == SM_OK) sm_s3_info_of(info, &reply, call.place.bucket);
    bool is_dumb = status != SM_OK && (reply.status == 400 || reply.status == 403);
    sm_http_reply_free(&reply);
    sm_s3_call_free(&call);
    if (!is_dumb) return status;
    sm_status why = ask_why(url);
    if (why != SM_OK) return why;
    /* That answer taught the region. */
    return is_second ? status : ask_about(info, url, true);
}

sm_status sm_s3_stat_object(sm_file_info *info, const char *url)
{
    return ask_about(info, url, false);
}

static sm_status s3_stat(sm_file_info *info, const char *url)
{
    sm_s3_place place;
    sm_status status = sm_s3_place_of(&place, url);
    if (status != SM_OK) return status;
    bool is_folder = place.key[0] == '\0' || place.key[strlen(place.key) - 1] == '/';
    sm_s3_place_free(&place);
    if (is_folder) return sm_s3_stat_folder(info, url);
    status = sm_s3_stat_object(info, url);
    return status == SM_ERR_NOT_FOUND ? sm_s3_stat_folder(info, url) : status;
}

/* ---- Reading */

/* What of a range lies behind the object's end: nothing, if the object is still the same. */
static sm_status read_past_the_end(const char *url, uint64_t offset, sm_file_info *info)
{
    sm_file_info now;
    sm_status status = sm_s3_stat_object(&now, url);
    if (status != SM_OK) return status;
    if (offset < now.size || (info->tag[0] != '\0' && strcmp(info->tag, now.tag) != 0))
        return sm_fail(SM_ERR_CORRUPT, "'%s' changed while it was read", url);
    *info = now;
    return SM_OK;
}

static sm_status s3_read_part(const char *url, const sm_file_part *part, sm_file_info *info)
{
    if (part->length == 0) return SM_OK;
    sm_s3_call call;
    sm_http_reply reply;
    sm_status status = sm_s3_call_init(&call, "GET", url, "read", "s3:GetObject", NULL, 0);
    if (status != SM_OK) return status;
    sm_http_reply_init(&reply);
    sm_http_want_part(&call.request, part);
    if (info->tag[0] != '\0') status = sm_http_add_header(&call.request, "If-Match", info->tag);
    if (status == SM_OK) status = sm_s3_call_perform(&call, &reply);
    int answer = reply.status;
    if (status == SM_OK && info->tag[0] == '\0') sm_s3_info_of(info, &reply, call.place.bucket);
    sm_http_reply_free(&reply);
    sm_s3_call_free(&call);
    if (answer == 412)
        return sm_fail(SM_ERR_CORRUPT,
                       "'%s' changed while it was read: its ETag is not %s any more", url,
                       info->tag);
    return answer == 416 ? read_past_the_end(url, part->offset, info) : status;
}

/* ---- Reading many */

typedef struct one_fetch {
    sm_s3_call call;
    sm_fetch *fetch;
    size_t start; /* what its buffer held before */
    bool is_open; /* the call wants to be performed, or was */
} one_fetch;

static sm_status check_fetch(const sm_http_request *request, const sm_http_reply *reply)
{
    one_fetch *one = request->user;
    const sm_buf *buf = one->fetch->buf;
    sm_s3_info_of(&one->fetch->info, reply, one->call.place.bucket);
    return sm_sum_check(&one->fetch->info.sum, buf->data + one->start, buf->len - one->start);
}

static void fail_fetch(one_fetch *one, sm_status status, const char *line)
{
    one->fetch->status = status;
    one->fetch->buf->len = one->start;
    snprintf(one->fetch->error, sizeof one->fetch->error, "%s", line);
}

static void open_fetch(one_fetch *one, sm_fetch *fetch)
{
    *one = (one_fetch){.fetch = fetch, .start = fetch->buf->len};
    sm_status status =
        sm_s3_call_init(&one->call, "GET", fetch->url, "read", "s3:GetObject", NULL, 0);
    if (status != SM_OK) {
        fail_fetch(one, status, sm_last_error());
        return;
    }
    one->is_open = true;
    one->call.request.into = fetch->buf;
    one->call.request.expected = fetch->expected;
    one->call.request.check = check_fetch;
    one->call.request.user = one;
    status = ask_for_checksum(&one->call);
    if (status != SM_OK) fail_fetch(one, status, sm_last_error());
}

/* What one round of requests needs. */
typedef struct fetch_round {
    sm_http_request **requests;
    sm_http_reply *replies;
    sm_status *statuses;
    one_fetch **fetches;
    size_t count;
} fetch_round;

static void settle(one_fetch *one, sm_status status, sm_http_reply *reply, bool *again)
{
    *again = false;
    one->fetch->host_down = reply->host_down;
    if (status != SM_OK) {
        fail_fetch(one, status, reply->error);
        return;
    }
    status = sm_s3_call_judge(&one->call, reply, again);
    if (status != SM_OK)
        fail_fetch(one, status, sm_last_error());
    else
        one->fetch->status = SM_OK;
}

/* Performs the round; what wants another one (its bucket is in another region) stays in it. */
static void perform_round(sm_http *http, fetch_round *round)
{
    for (size_t i = 0; i < round->count; i++) {
        round->requests[i] = &round->fetches[i]->call.request;
        sm_http_reply_init(&round->replies[i]);
    }
    sm_http_perform_many(http, round->requests, round->replies, round->statuses, round->count,
                         PARALLEL);
    size_t kept = 0;
    for (size_t i = 0; i < round->count; i++) {
        bool again;
        settle(round->fetches[i], round->statuses[i], &round->replies[i], &again);
        sm_http_reply_free(&round->replies[i]);
        if (again) round->fetches[kept++] = round->fetches[i];
    }
    round->count = kept;
}

static void fail_all(sm_fetch *fetches, size_t count, sm_status status)
{
    for (size_t i = 0; i < count; i++) {
        fetches[i].status = status;
        snprintf(fetches[i].error, sizeof fetches[i].error, "%s", sm_last_error());
    }
}

static void fetch_all(sm_http *http, fetch_round *round, one_fetch *all, sm_fetch *fetches,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        open_fetch(&all[i], &fetches[i]);
        if (all[i].is_open) round->fetches[round->count++] = &all[i];
    }
    while (round->count > 0) perform_round(http, round);
    for (size_t i = 0; i < count; i++)
        if (all[i].is_open) sm_s3_call_free(&all[i].call);
}

static void s3_fetch_many(sm_fetch *fetches, size_t count)
{
    sm_http *http = NULL;
    one_fetch *all = calloc(count, sizeof *all);
    fetch_round round = {.requests = calloc(count, sizeof(void *)),
                         .replies = calloc(count, sizeof *round.replies),
                         .statuses = calloc(count, sizeof *round.statuses),
                         .fetches = calloc(count, sizeof(void *))};
    sm_status status = sm_http_mine(&http);
    if (all == NULL || round.requests == NULL || round.replies == NULL || round.statuses == NULL ||
        round.fetches == NULL)
        fail_all(fetches, count, sm_fail_memory(count * sizeof *all));
    else if (status != SM_OK)
        fail_all(fetches, count, status);
    else
        fetch_all(http, &round, all, fetches, count);
    free(all);
    free(round.requests);
    free(round.replies);
    free(round.statuses);
    free(round.fetches);
}

/* ---- Removing and copying */

static sm_status s3_remove(const char *url)
{
    sm_s3_call call;
    sm_http_reply reply;
    sm_status status = sm_s3_call_init(&call, "DELETE", url, "remove", "s3:DeleteObject", NULL, 0);
    if (status != SM_OK) return status;
    sm_http_reply_init(&reply);
    status = sm_s3_call_perform(&call, &reply);
    if (status == SM_ERR_NOT_FOUND && strcmp(call.code, "NoSuchBucket") != 0) status = SM_OK;
    sm_http_reply_free(&reply);
    sm_s3_call_free(&call);
    return status;
}

/* "/bucket/key" of url, encoded. */
static sm_status copy_source(sm_buf *source, const char *url)
{
    sm_s3_place place;
    sm_status status = sm_s3_place_of(&place, url);
    if (status != SM_OK) return status;
    status = sm_buf_printf(source, "/%s/", place.bucket);
    if (status == SM_OK) status = sm_http_append_encoded(source, place.key, true);
    sm_s3_place_free(&place);
    return status;
}

static sm_status s3_copy(const char *from, const char *to)
{
    sm_s3_call call;
    sm_http_reply reply;
    sm_buf source;
    sm_buf_init(&source, URL_MAX);
    sm_status status =
        sm_s3_call_init(&call, "PUT", to, "copy to", "s3:PutObject and s3:GetObject", NULL, 0);
    if (status != SM_OK) return status;
    sm_http_reply_init(&reply);
    status = copy_source(&source, from);
    if (status == SM_OK)
        status = sm_http_add_header(&call.request, "x-amz-copy-source", (const char *)source.data);
    call.request.check = sm_s3_check_late_error; /* a copy that takes long is answered first */
    if (status == SM_OK) status = sm_s3_call_perform(&call, &reply);
    if (status == SM_OK) status = sm_s3_call_judge_late(&call, &reply);
    sm_http_reply_free(&reply);
    sm_s3_call_free(&call);
    sm_buf_free(&source);
    return status;
}

const sm_store sm_store_s3 = {
    .scheme = "s3",
    .stat = s3_stat,
    .read_part = s3_read_part,
    .pours = true,
    .fetch_many = s3_fetch_many,
    .list = sm_s3_list,
    .sink_open = sm_s3_sink_open,
    .sink_write = sm_s3_sink_write,
    .sink_commit = sm_s3_sink_commit,
    .sink_abandon = sm_s3_sink_abandon,
    .remove = s3_remove,
    .copy = s3_copy,
};
