/* Files of web servers: http:// and https://, to be read alone. */
#include "core/hash.h"
#include "io/http.h"
#include "io/store.h"
#include "io/sum.h"
#include "io/times.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARALLEL = 16 };

static sm_status init_request(sm_http_request *request, const char *method, const char *url)
{
    sm_http_request_init(request, method);
    request->follow = true;
    return sm_buf_printf(&request->url, "%s", url);
}

static void fill_info(sm_file_info *info, const sm_http_reply *reply)
{
    *info = (sm_file_info){.kind = SM_FILE_REGULAR, .size = reply->total_length};
    (void)sm_time_of_http(&info->mtime_ns, reply->last_modified); /* or stays 0 */
    const size_t len = strlen(reply->etag);
    info->version = len > 0 ? sm_hash_key(reply->etag, len, 0) : (uint64_t)info->mtime_ns;
    if (len < sizeof info->tag && strncmp(reply->etag, "W/", 2) != 0)
        memcpy(info->tag, reply->etag, len + 1);
    sm_sum_of_checksums(&info->sum, reply->checksums);
}

static sm_status web_stat(sm_file_info *info, const char *url)
{
    sm_http *http;
    sm_http_request request;
    sm_http_reply reply;
    sm_http_reply_init(&reply);
    sm_status status = init_request(&request, "HEAD", url);
    if (status == SM_OK) status = sm_http_mine(&http);
    if (status == SM_OK) status = sm_http_perform(http, &request, &reply);
    if (status == SM_OK) status = sm_http_judge(&reply, "look at", url, NULL, NULL);
    if (status == SM_OK && reply.content_length == UINT64_MAX)
        status =
            sm_fail(SM_ERR_IO, "cannot read '%s' in parts: the server does not tell its size", url);
    if (status == SM_OK) fill_info(info, &reply);
    sm_http_reply_free(&reply);
    sm_http_request_free(&request);
    return status;
}

static sm_status web_read_part(const char *url, const sm_file_part *part, sm_file_info *info)
{
    sm_http *http;
    sm_http_request request;
    sm_http_reply reply;
    if (part->length == 0) return SM_OK;
    sm_http_reply_init(&reply);
    sm_status status = init_request(&request, "GET", url);
    sm_http_want_part(&request, part);
    const bool known = *info->tag != '\0';
    if (status == SM_OK && known) status = sm_http_add_header(&request, "If-Match", info->tag);
    if (status == SM_OK) status = sm_http_mine(&http);
    if (status == SM_OK) status = sm_http_perform(http, &request, &reply);
    if (status == SM_OK && reply.status != 416)
        status = sm_http_judge(&reply, "read", url, NULL, NULL);
    if (known && (reply.status == 412 ||
                  (status == SM_OK && *reply.etag != '\0' && strcmp(reply.etag, info->tag) != 0)))
        status = sm_fail(SM_ERR_CORRUPT, "'%s' changed while it was read", url);
    else if (status == SM_OK && !known && reply.status != 416)
        fill_info(info, &reply);
    sm_http_reply_free(&reply);
    sm_http_request_free(&request);
    return status;
}

static void settle(sm_fetch *fetch, sm_status status, const sm_http_reply *reply, size_t start)
{
    fetch->host_down = reply->host_down;
    if (status != SM_OK) sm_fail(status, "%s", reply->error);
    if (status == SM_OK) status = sm_http_judge(reply, "read", fetch->url, NULL, NULL);
    if (status == SM_OK) {
        fill_info(&fetch->info, reply);
        fetch->info.size = fetch->buf->len - start;
    } else {
        snprintf(fetch->error, sizeof fetch->error, "%s", sm_last_error());
    }
    fetch->status = status;
}

static void fetch_some(sm_http *http, sm_fetch *fetches, size_t count)
{
    sm_http_request requests[PARALLEL], *ready[PARALLEL] = {0};
    sm_http_reply replies[PARALLEL];
    sm_status statuses[PARALLEL];
    size_t starts[PARALLEL];
    for (size_t i = 0; i < count; i++) {
        /* A URL without room is no URL, and is told so. */
        (void)init_request(&requests[i], "GET", fetches[i].url);
        sm_http_reply_init(&replies[i]);
        requests[i].into = fetches[i].buf;
        requests[i].expected = fetches[i].expected;
        starts[i] = fetches[i].buf->len;
        ready[i] = &requests[i];
    }
    sm_http_perform_many(http, ready, replies, statuses, count, PARALLEL);
    for (size_t i = 0; i < count; i++) {
        settle(&fetches[i], statuses[i], &replies[i], starts[i]);
        sm_http_reply_free(&replies[i]);
        sm_http_request_free(&requests[i]);
    }
}

static void web_fetch_many(sm_fetch *fetches, size_t count)
{
    sm_http *http;
    sm_status status = sm_http_mine(&http);
    for (size_t at = 0; at < count; at += PARALLEL) {
        if (status == SM_OK) {
            fetch_some(http, fetches + at, count - at < PARALLEL ? count - at : PARALLEL);
        } else {
            for (size_t i = at; i < count && i < at + PARALLEL; i++) {
                fetches[i].status = status;
                snprintf(fetches[i].error, sizeof fetches[i].error, "%s", sm_last_error());
            }
        }
    }
}

const sm_store sm_store_http = {.scheme = "http",
                                .stat = web_stat,
                                .read_part = web_read_part,
                                .pours = true,
                                .fetch_many = web_fetch_many};

const sm_store sm_store_https = {.scheme = "https",
                                 .stat = web_stat,
                                 .read_part = web_read_part,
                                 .pours = true,
                                 .fetch_many = web_fetch_many};
