/* The reply as it arrives: is it the part that was asked for, of the object that it was? */
#include "io/http_transfer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TRUSTED_SIZE = 16 << 20 }; /* memory taken at once on a server's word */

void sm_transfer_fail_as_told(sm_transfer *t, sm_status status)
{
    t->status = status;
    snprintf(t->reply->error, sizeof t->reply->error, "%s", sm_last_error());
}

static const char *label_of(const sm_transfer *t, sm_buf *scratch)
{
    if (t->request->label != NULL) return t->request->label;
    sm_buf_init(scratch, SIZE_MAX / 2);
    const bool made = sm_http_url_label(scratch, (const char *)t->url.data) == SM_OK;
    return made ? (const char *)scratch->data : "the server";
}

void sm_transfer_fail(sm_transfer *t, sm_status status, const char *format, ...)
{
    char reason[SM_HTTP_ERROR_MAX];
    sm_buf scratch = {0};
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    sm_transfer_fail_as_told(t, sm_fail(status, "'%s': %s", label_of(t, &scratch), reason));
    sm_buf_free(&scratch);
}

bool sm_transfer_is_get(const sm_transfer *t)
{
    return strcmp(t->request->method, "GET") == 0;
}

bool sm_transfer_goes_on(const sm_transfer *t)
{
    return t->request->into != NULL || t->request->take != NULL;
}

bool sm_transfer_is_good(const sm_transfer *t)
{
    return t->reply->status >= 200 && t->reply->status < 300;
}

void sm_transfer_forget_body(sm_transfer *t)
{
    if (t->request->into != NULL) t->request->into->len = t->start;
    t->got = 0;
}

static bool differs(const char *a, const char *b)
{
    return *a != '\0' && *b != '\0' && strcmp(a, b) != 0;
}

void sm_transfer_fail_changed(sm_transfer *t)
{
    sm_transfer_fail(t, SM_ERR_CORRUPT,
                     "changed while it was read; run again when nobody writes it");
}

/* Whether the parts of a resumed read are of one object; the first part tells what that is. */
static void compare_parts(sm_transfer *t)
{
    sm_http_reply *reply = t->reply;
    if (t->got == 0) {
        memcpy(t->etag, reply->etag, sizeof t->etag);
        memcpy(t->generation, reply->generation, sizeof t->generation);
        t->total = reply->total_length;
    } else if (differs(t->etag, reply->etag) || differs(t->generation, reply->generation) ||
               (t->total != UINT64_MAX && reply->total_length != t->total)) {
        sm_transfer_fail_changed(t);
    }
}

static void check_room(sm_transfer *t, const sm_buf *body)
{
    uint64_t coming = t->reply->content_length;
    if (coming == UINT64_MAX || t->request->length > 0) return;
    if (coming > body->max - body->len)
        sm_transfer_fail(t, SM_ERR_LIMIT, "has %llu bytes, more than the limit of %zu",
                         (unsigned long long)t->reply->total_length, body->max);
}

/* The headers of a reply are there: is what follows the part that was asked for? */
static void look_at_headers(sm_transfer *t)
{
    const sm_http_request *request = t->request;
    sm_http_reply *reply = t->reply;
    const uint64_t from = (request->ranged ? request->offset : 0) + t->got;
    sm_buf *body = request->into != NULL ? request->into : &reply->body;
    t->looked_at = true;
    if (!sm_transfer_is_good(t) || !sm_transfer_is_get(t)) return;

    if (from > 0 && reply->status == 200) {
        /* The whole from its beginning, since the server knows no ranges. */
        if (request->ranged && request->offset > 0) {
            sm_transfer_fail(t, SM_ERR_IO, "the server sends no parts of files");
            return;
        }
        if (request->take != NULL) {
            sm_transfer_fail(t, SM_ERR_CORRUPT, "it was cut off, and the server sends no parts");
            return;
        }
        sm_transfer_forget_body(t);
    } else if (from > 0 && sm_http_range_start(reply->content_range) != from) {
        sm_transfer_fail(t, SM_ERR_IO, "the server sent another part than was asked for");
        return;
    }
    compare_parts(t);
    if (t->status == SM_OK) check_room(t, body);
    if (t->status == SM_OK && request->take == NULL && reply->content_length != UINT64_MAX) {
        uint64_t coming = reply->content_length;
        if (request->length > 0 && coming > request->length) coming = request->length;
        sm_status status =
            sm_buf_reserve(body, (size_t)(coming < TRUSTED_SIZE ? coming : TRUSTED_SIZE));
        if (status != SM_OK) sm_transfer_fail_as_told(t, status);
    }
}

size_t sm_transfer_on_header(char *line, size_t size, size_t count, void *user)
{
    sm_transfer *t = user;
    const size_t len = size * count;
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        sm_http_reply_begin(t->reply);
        t->looked_at = false;
    } else if (len > 2) {
        sm_http_reply_line(t->reply, line, len);
    } else if (!t->looked_at) {
        long code = 0;
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &code);
        t->reply->status = (int)code;
        if (code >= 200) look_at_headers(t);
    }
    return t->status == SM_OK ? len : 0;
}

static size_t on_error_body(sm_transfer *t, const char *data, size_t len)
{
    sm_buf *body = &t->reply->body;
    const size_t room = SM_HTTP_ERROR_BODY_MAX - body->len;
    sm_status status = sm_buf_append(body, data, len < room ? len : room);
    if (status != SM_OK) sm_transfer_fail_as_told(t, status);
    t->cut_by_us = len > room;
    return t->cut_by_us || status != SM_OK ? 0 : len;
}

size_t sm_transfer_on_body(char *data, size_t size, size_t count, void *user)
{
    sm_transfer *t = user;
    const sm_http_request *request = t->request;
    const size_t len = size * count;
    if (!sm_transfer_is_good(t)) return on_error_body(t, data, len);
    sm_transfer_note_body();

    size_t take = len;
    if (request->length > 0 && take > request->length - t->got) {
        take = (size_t)(request->length - t->got);
        t->cut_by_us = true;
    }
    sm_buf *body = request->into != NULL ? request->into : &t->reply->body;
    sm_status status = request->take != NULL ? request->take(request->take_user, data, take)
                                             : sm_buf_append(body, data, take);
    if (status == SM_ERR_LIMIT && request->take == NULL)
        sm_transfer_fail(t, status, "has more bytes than the limit of %zu", body->max);
    else if (status != SM_OK)
        sm_transfer_fail_as_told(t, status);
    t->got += take;
    sm_backoff_progress(&t->backoff);
    return t->cut_by_us || status != SM_OK ? 0 : len;
}
