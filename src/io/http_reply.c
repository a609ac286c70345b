#include "io/http_reply.h"

#include "core/json.h"
#include "io/http_retry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { URL_MAX = 64 << 10, HEADERS_MAX = 256 << 10 };

void sm_http_want_part(sm_http_request *request, const sm_file_part *part)
{
    request->ranged = true;
    request->offset = part->offset;
    request->length = part->length;
    request->into = part->into;
    request->take = part->take;
    request->take_user = part->take_user;
}

void sm_http_request_init(sm_http_request *request, const char *method)
{
    *request = (sm_http_request){.method = method, .idempotent = strcmp(method, "POST") != 0};
    sm_buf_init(&request->url, URL_MAX);
    sm_buf_init(&request->headers, HEADERS_MAX);
}

void sm_http_request_free(sm_http_request *request)
{
    sm_buf_free(&request->url);
    /* It may hold a token. */
    if (request->headers.data != NULL) explicit_bzero(request->headers.data, request->headers.cap);
    sm_buf_free(&request->headers);
}

sm_status sm_http_add_header(sm_http_request *request, const char *name, const char *value)
{
    if (value[strcspn(value, "\r\n")] != '\0')
        return sm_fail(SM_ERR_USAGE, "the value of the header %s has a line break", name);
    const size_t before = request->headers.len;
    sm_status status = sm_buf_append_str(&request->headers, name);
    if (status == SM_OK) status = sm_buf_append(&request->headers, ": ", 2);
    if (status == SM_OK) status = sm_buf_append(&request->headers, value, strlen(value) + 1);
    if (status != SM_OK) request->headers.len = before;
    return status;
}

void sm_http_reply_init(sm_http_reply *reply)
{
    *reply = (sm_http_reply){.content_length = UINT64_MAX, .total_length = UINT64_MAX};
    sm_buf_init(&reply->body, SM_HTTP_BODY_MAX);
}

void sm_http_reply_free(sm_http_reply *reply)
{
    sm_buf_free(&reply->body);
    free(reply->location);
    reply->location = NULL;
}

void sm_http_reply_begin(sm_http_reply *reply)
{
    sm_http_reply clean = {.content_length = UINT64_MAX,
                           .total_length = UINT64_MAX,
                           .body = reply->body,
                           .attempts = reply->attempts};
    free(reply->location);
    *reply = clean;
}

/* ---- Header lines */

static bool read_u64(uint64_t *value, const char *text)
{
    if (*text < '0' || *text > '9') return false;
    uint64_t number = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (number > (UINT64_MAX - 9) / 10) return false;
        number = number * 10 + (uint64_t)(*text - '0');
    }
    *value = number;
    return true;
}

uint64_t sm_http_range_start(const char *content_range)
{
    uint64_t start;
    if (strncasecmp(content_range, "bytes ", 6) != 0) return UINT64_MAX;
    return read_u64(&start, content_range + 6) ? start : UINT64_MAX;
}

static void set_text(char *to, size_t cap, const char *value)
{
    size_t len = strlen(value);
    /* A tag that does not fit is worse than none: two could look the same. */
    if (len < cap) memcpy(to, value, len + 1);
}

static void add_checksum(sm_http_reply *reply, const char *kind, const char *value)
{
    const size_t cap = sizeof reply->checksums, used = strlen(reply->checksums);
    const size_t more = strlen(kind) + strlen(value) + (used > 0);
    if (more < cap - used)
        snprintf(reply->checksums + used, cap - used, "%s%s%s", used > 0 ? "," : "", kind, value);
}

static void take_content_range(sm_http_reply *reply, const char *value)
{
    const char *slash = strchr(value, '/');
    uint64_t total;
    set_text(reply->content_range, sizeof reply->content_range, value);
    if (slash != NULL && read_u64(&total, slash + 1)) reply->total_length = total;
}

static void take_header(sm_http_reply *reply, const char *name, const char *value)
{
    const struct {
        const char *name;
        char *text;
        size_t cap;
    } texts[] = {
        {"etag", reply->etag, sizeof reply->etag},
        {"x-goog-generation", reply->generation, sizeof reply->generation},
        {"x-amz-bucket-region", reply->region, sizeof reply->region},
        {"x-amz-server-side-encryption", reply->encryption, sizeof reply->encryption},
        {"last-modified", reply->last_modified, sizeof reply->last_modified},
        {"range", reply->range, sizeof reply->range},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcasecmp(name, texts[i].name) == 0) set_text(texts[i].text, texts[i].cap, value);

    if (strcasecmp(name, "content-length") == 0) {
        read_u64(&reply->content_length, value);
        if (reply->total_length == UINT64_MAX) reply->total_length = reply->content_length;
    } else if (strcasecmp(name, "content-range") == 0) {
        take_content_range(reply, value);
    } else if (strcasecmp(name, "x-goog-hash") == 0) {
        add_checksum(reply, "", value);
    } else if (strncasecmp(name, "x-amz-checksum-", 15) == 0) {
        char kind[32];
        size_t len = strlen(name + 15);
        if (len + 2 > sizeof kind || strcasecmp(name, "x-amz-checksum-type") == 0) return;
        for (size_t i = 0; i < len; i++) kind[i] = (char)(name[15 + i] | 32);
        memcpy(kind + len, "=", 2);
        add_checksum(reply, kind, value);
    } else if (strcasecmp(name, "location") == 0) {
        free(reply->location);
        reply->location = strdup(value);
    } else if (strcasecmp(name, "retry-after") == 0) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        reply->retry_after_ms =
            sm_retry_after_ms(value, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
    }
}

void sm_http_reply_line(sm_http_reply *reply, const char *line, size_t len)
{
    enum { LONGEST = 8 << 10 };
    char copy[LONGEST];
    while (len > 0 && strchr(" \t\r\n", line[len - 1]) != NULL) len--;
    if (len >= sizeof copy || memchr(line, '\0', len) != NULL) return;
    memcpy(copy, line, len);
    copy[len] = '\0';
    char *colon = strchr(copy, ':');
    if (colon == NULL) return;
    *colon = '\0';
    take_header(reply, copy, colon + 1 + strspn(colon + 1, " \t"));
}

/* ---- Errors in the server's words */

/* Copies text up to cap, what cannot be printed as a space; UTF-8 stays. */
static void copy_words(char *words, size_t cap, const char *text, size_t len)
{
    size_t used = 0;
    for (size_t i = 0; i < len && used + 1 < cap; i++) {
        const uint8_t c = (uint8_t)text[i];
        const bool space = c <= ' ' || c == 127;
        if (space && (used == 0 || words[used - 1] == ' ')) continue;
        words[used++] = space ? ' ' : text[i];
    }
    while (used > 0 && words[used - 1] == ' ') used--;
    words[used] = '\0';
}

/* The string at object.first, or at object.first.second. */
static const char *json_words(const json_t *object, const char *first, const char *second)
{
    const json_t *found = json_object_get(object, first);
    if (json_is_string(found)) return json_string_value(found);
    return json_string_value(json_object_get(found, second));
}

static bool words_of_json(char *words, size_t cap, const char *text, size_t len)
{
    json_t *root = json_loadb(text, len, 0, NULL);
    if (root == NULL) return false;
    const char *found = json_words(root, "error_description", "");
    if (found == NULL) found = json_words(root, "error", "message");
    if (found == NULL) found = json_words(root, "RemoteException", "message");
    if (found == NULL) found = json_words(root, "message", "");
    if (found != NULL) copy_words(words, cap, found, strlen(found));
    json_decref(root);
    return true;
}

/* What stands between <name> and </name>; NULL: nothing. */
static const char *xml_text(size_t *len, const char *text, size_t text_len, const char *open,
                            const char *close)
{
    const char *start = memmem(text, text_len, open, strlen(open));
    if (start == NULL) return NULL;
    start += strlen(open);
    const char *end = memmem(start, text_len - (size_t)(start - text), close, strlen(close));
    if (end == NULL) return NULL;
    *len = (size_t)(end - start);
    return start;
}

static void words_of_xml(char *words, size_t cap, const char *text, size_t len)
{
    size_t code_len = 0, message_len = 0;
    const char *code = xml_text(&code_len, text, len, "<Code>", "</Code>");
    const char *message = xml_text(&message_len, text, len, "<Message>", "</Message>");
    if (code == NULL && message == NULL)
        code = xml_text(&code_len, text, len, "<title>", "</title>"); /* a page for people */
    if (code != NULL) copy_words(words, cap, code, code_len);
    size_t used = strlen(words);
    if (message == NULL || message_len == 0 || used + 3 > cap) return;
    if (used > 0) {
        memcpy(words + used, ": ", 3);
        used += 2;
    }
    copy_words(words + used, cap - used, message, message_len);
}

void sm_http_words(char *words, size_t cap, const sm_buf *body)
{
    const char *text = (const char *)body->data;
    size_t len = body->len;
    words[0] = '\0';
    while (len > 0 && strchr(" \t\r\n", *text) != NULL) text++, len--;
    if (len == 0 || memchr(text, '\0', len) != NULL) return;
    if (*text == '{' && words_of_json(words, cap, text, len)) return;
    if (*text == '<') {
        words_of_xml(words, cap, text, len);
        return;
    }
    const char *end = memchr(text, '\n', len);
    copy_words(words, cap, text, end == NULL ? len : (size_t)(end - text));
}

static sm_status status_of_reply(int status, const char *words)
{
    if (strncmp(words, "QuotaExceeded", 13) == 0 || status == 507) return SM_ERR_NO_SPACE;
    switch (status) {
    case 401:
    case 403:
    case 407: return SM_ERR_ACCESS;
    case 404:
    case 410: return SM_ERR_NOT_FOUND;
    case 409:
    case 412: return SM_ERR_CONFLICT;
    case 413: return SM_ERR_LIMIT;
    default: return SM_ERR_IO;
    }
}

sm_status sm_http_judge(const sm_http_reply *reply, const char *what, const char *url,
                        const char *identity, const char *permission)
{
    char words[300], who[320] = "", times[48] = "";
    if (reply->status >= 200 && reply->status < 300) return SM_OK;
    sm_http_words(words, sizeof words, &reply->body);
    const sm_status status = status_of_reply(reply->status, words);
    const char *reason = status == SM_ERR_ACCESS      ? "not permitted"
                         : status == SM_ERR_NOT_FOUND ? "there is no such thing"
                         : reply->status == 412       ? "it is not what it was, or there already"
                         : status == SM_ERR_CONFLICT  ? "in conflict with what is there"
                         : status == SM_ERR_NO_SPACE  ? "no space is left"
                         : status == SM_ERR_LIMIT     ? "too large"
                         : reply->status == 429       ? "the server has too much to do"
                         : reply->status >= 500       ? "the server failed"
                         : reply->status >= 300 && reply->status < 400
                             ? "the server points elsewhere"
                             : "the server refused";
    if (status == SM_ERR_ACCESS && identity != NULL)
        snprintf(who, sizeof who, "; asked as %s%s%s", identity,
                 permission == NULL ? "" : ", which needs ", permission == NULL ? "" : permission);
    if (reply->attempts > 1 && sm_is_passing_status(reply->status))
        snprintf(times, sizeof times, ", %u times", reply->attempts);
    return sm_fail(status, "cannot %s '%s': %s (HTTP %d%s)%s%s%s", what, url, reason, reply->status,
                   times, *words == '\0' ? "" : ": ", words, who);
}
