/* Requests to the JSON API of Google Cloud Storage. */
#include "core/json.h"
#include "io/credentials_google.h"
#include "io/gs.h"
#include "io/http_url.h"
#include "io/sum.h"
#include "io/times.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_MAX = 1024, BUCKET_MAX = 222 };

static const char SCHEME[] = "gs://";

/* ---- Places */

static sm_status refuse(const char *url, const char *reason)
{
    return sm_fail(SM_ERR_USAGE, "'%s': %s", url, reason);
}

static sm_status check_key(const char *url, const char *key)
{
    const size_t len = strlen(key);
    if (len > KEY_MAX) return refuse(url, "an object's name has at most 1024 bytes");
    if (key[strcspn(key, "\r\n")] != '\0')
        return refuse(url, "an object's name has no line breaks");
    if (strcmp(key, ".") == 0 || strcmp(key, "..") == 0)
        return refuse(url, "no object can be called so");
    json_t *text = json_stringn(key, len);
    if (text == NULL) return refuse(url, "an object's name is UTF-8: rename the file");
    json_decref(text);
    return SM_OK;
}

sm_status sm_gs_place_of(sm_gs_place *place, const char *url)
{
    if (strncmp(url, SCHEME, strlen(SCHEME)) != 0) return refuse(url, "it is no gs:// URL");
    char *bucket = strdup(url + strlen(SCHEME));
    if (bucket == NULL) return sm_fail_memory(strlen(url));
    char *key = strchr(bucket, '/');
    const size_t len = strcspn(bucket, "/");
    if (key != NULL) *key = '\0';
    sm_status status = SM_OK;
    if (len < 3 || len > BUCKET_MAX ||
        bucket[strspn(bucket,
                      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")] != '\0')
        status = refuse(url, "a bucket's name has 3 to 222 letters, digits, '-', '_' "
                             "and '.'");
    else if (key != NULL)
        status = check_key(url, key + 1);
    if (status != SM_OK) {
        free(bucket);
        return status;
    }
    *place = (sm_gs_place){.bucket = bucket, .key = key == NULL ? bucket + len : key + 1};
    return SM_OK;
}

void sm_gs_place_free(sm_gs_place *place)
{
    free(place->bucket);
    *place = (sm_gs_place){0};
}

/* ---- Calls */

/* An emulator asks for no credentials; NULL: there is none. */
static const char *emulator(void)
{
    const char *host = getenv("STORAGE_EMULATOR_HOST");
    return host == NULL || *host == '\0' ? NULL : host;
}

static sm_status append_endpoint(sm_buf *url)
{
    const char *host = emulator();
    if (host == NULL) host = getenv("SHARDMILL_GS_ENDPOINT");
    if (host == NULL || *host == '\0') host = "https://storage.googleapis.com";
    size_t len = strlen(host);
    while (len > 0 && host[len - 1] == '/') len--;
    sm_status status = SM_OK;
    if (strstr(host, "://") == NULL) status = sm_buf_append_str(url, "http://");
    return status == SM_OK ? sm_buf_append(url, host, len) : status;
}

sm_status sm_gs_call_path(sm_gs_call *call, const char *segment)
{
    sm_status status = sm_buf_append(&call->request.url, "/", 1);
    return status == SM_OK ? sm_http_append_encoded(&call->request.url, segment, false) : status;
}

sm_status sm_gs_call_param(sm_gs_call *call, const char *name, const char *value)
{
    sm_buf *url = &call->request.url;
    const bool first = memchr(url->data, '?', url->len) == NULL;
    sm_status status = sm_buf_printf(url, "%s%s=", first ? "?" : "&", name);
    return status == SM_OK ? sm_http_append_encoded(url, value, false) : status;
}

sm_status sm_gs_call_bill(sm_gs_call *call)
{
    const char *project = getenv("SHARDMILL_BILLING_PROJECT");
    const sm_buf *url = &call->request.url;
    if (project == NULL || *project == '\0') return SM_OK;
    if (memmem(url->data, url->len, "userProject=", 12) != NULL) return SM_OK;
    return sm_gs_call_param(call, "userProject", project);
}

sm_status sm_gs_call_init(sm_gs_call *call, const char *method, const char *url,
                          sm_gs_target target, const char *what, const char *permission)
{
    *call = (sm_gs_call){.url = url, .what = what, .permission = permission};
    sm_http_request_init(&call->request, method);
    call->request.label = url;
    call->request.follow = strcmp(method, "GET") == 0;
    if (emulator() == NULL) {
        call->request.authorize = sm_google_authorize;
        call->request.refused = sm_google_refused;
    }
    sm_gs_place place = {0};
    sm_status status = sm_gs_place_of(&place, url);
    if (status != SM_OK || place.key == NULL) return status;
    if (target == SM_GS_OBJECT && *place.key == '\0')
        status = refuse(url, "it names a bucket, not an object in it");
    sm_buf *to = &call->request.url;
    if (status == SM_OK) status = append_endpoint(to);
    if (status == SM_OK)
        status = sm_buf_append_str(to, target == SM_GS_UPLOAD ? "/upload/storage/v1/b"
                                                              : "/storage/v1/b");
    if (status == SM_OK) status = sm_gs_call_path(call, place.bucket);
    if (status == SM_OK) status = sm_gs_call_path(call, "o");
    if (status == SM_OK && target == SM_GS_OBJECT) status = sm_gs_call_path(call, place.key);
    sm_gs_place_free(&place);
    return status;
}

void sm_gs_call_free(sm_gs_call *call)
{
    sm_http_request_free(&call->request);
}

sm_status sm_gs_call_judge(const sm_gs_call *call, const sm_http_reply *reply)
{
    char identity[SM_IDENTITY_MAX] = "anonymous";
    if (call->request.authorize != NULL) sm_google_identity(identity);
    sm_status status = sm_http_judge(reply, call->what, call->url, identity, call->permission);
    if (status == SM_ERR_ACCESS && strcmp(identity, "anonymous") == 0)
        return sm_fail(status,
                       "%s; to be somebody, set GOOGLE_APPLICATION_CREDENTIALS or run 'gcloud auth "
                       "application-default login'",
                       sm_last_error());
    return status;
}

sm_status sm_gs_call_perform(sm_gs_call *call, sm_http_reply *reply)
{
    sm_http *http;
    sm_status status = sm_http_mine(&http);
    if (status == SM_OK) status = sm_gs_call_bill(call);
    if (status == SM_OK) status = sm_http_perform(http, &call->request, reply);
    return status == SM_OK ? sm_gs_call_judge(call, reply) : status;
}

/* ---- Answers */

sm_status sm_gs_json(json_t **json, const sm_gs_call *call, const sm_http_reply *reply)
{
    json_error_t error;
    json_t *read = json_loadb((const char *)reply->body.data, reply->body.len, 0, &error);
    if (json_is_object(read)) {
        *json = read;
        return SM_OK;
    }
    json_decref(read);
    return sm_fail(SM_ERR_FORMAT, "cannot %s '%s': the server's answer is no JSON object",
                   call->what, call->url);
}

static bool read_u64(uint64_t *value, const char *text)
{
    char *end;
    if (text == NULL || *text < '0' || *text > '9') return false;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0;
}

static void set_generation(sm_file_info *info, const char *text)
{
    char *end;
    const size_t len = strlen(text);
    info->version = strtoull(text, &end, 10);
    if (len < sizeof info->tag && *end == '\0') memcpy(info->tag, text, len + 1);
}

sm_status sm_gs_info_of_fields(sm_file_info *info, const sm_gs_fields *fields)
{
    sm_file_info read = {.kind = SM_FILE_REGULAR};
    const char *crc = fields->crc32c;
    if (!read_u64(&read.size, fields->size))
        return sm_fail(SM_ERR_FORMAT, "the server's answer has no size of the object");
    if (fields->generation != NULL) set_generation(&read, fields->generation);
    if (fields->updated != NULL)
        (void)sm_time_of_rfc3339(&read.mtime_ns, fields->updated); /* or stays 0 */
    if (crc != NULL) (void)sm_sum_of_base64(&read.sum, SM_SUM_CRC32C, crc, strlen(crc));
    *info = read;
    return SM_OK;
}

sm_status sm_gs_info_of_json(sm_file_info *info, const json_t *object)
{
    const json_t *size = json_object_get(object, "size");
    char digits[24]; /* some servers write a number */
    snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(size));
    const sm_gs_fields fields = {.size = json_is_integer(size) ? digits : json_string_value(size),
                                 .generation =
                                     json_string_value(json_object_get(object, "generation")),
                                 .updated = json_string_value(json_object_get(object, "updated")),
                                 .crc32c = json_string_value(json_object_get(object, "crc32c"))};
    return sm_gs_info_of_fields(info, &fields);
}

void sm_gs_info_of_reply(sm_file_info *info, const sm_http_reply *reply)
{
    *info = (sm_file_info){.kind = SM_FILE_REGULAR, .size = reply->total_length};
    set_generation(info, reply->generation);
    (void)sm_time_of_http(&info->mtime_ns, reply->last_modified); /* or stays 0 */
    sm_sum_of_checksums(&info->sum, reply->checksums);
}
