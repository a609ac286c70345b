/* Requests to S3: signed, sent to the region where the bucket is, and judged. */
#include "core/array.h"
#include "io/s3.h"
#include "io/s3_xml.h"
#include "io/sum.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { URL_MAX = 64 << 10, REGIONS_MAX = 1024 };

/* ---- What this process has learned */

typedef struct bucket_region {
    char *bucket;
    char region[SM_HTTP_REGION_MAX];
} bucket_region;

static struct {
    pthread_mutex_t lock;
    bool has_endpoint;
    sm_s3_endpoint endpoint; /* never changed once read */
    bucket_region *regions;  /* of buckets that said so */
    size_t count, cap;
} known = {.lock = PTHREAD_MUTEX_INITIALIZER};

static sm_status the_endpoint(const sm_s3_endpoint **endpoint)
{
    pthread_mutex_lock(&known.lock);
    sm_status status = known.has_endpoint ? SM_OK : sm_s3_endpoint_read(&known.endpoint);
    known.has_endpoint = status == SM_OK;
    pthread_mutex_unlock(&known.lock);
    *endpoint = &known.endpoint;
    return status;
}

static bucket_region *find_region(const char *bucket)
{
    for (size_t i = 0; i < known.count; i++)
        if (strcmp(known.regions[i].bucket, bucket) == 0) return &known.regions[i];
    return NULL;
}

static void region_of(char region[SM_HTTP_REGION_MAX], const sm_s3_endpoint *endpoint,
                      const char *bucket)
{
    pthread_mutex_lock(&known.lock);
    const bucket_region *learned = find_region(bucket);
    const char *name = learned != NULL            ? learned->region
                       : endpoint->region != NULL ? endpoint->region
                                                  : "us-east-1";
    snprintf(region, SM_HTTP_REGION_MAX, "%s", name);
    pthread_mutex_unlock(&known.lock);
}

/* Without memory it is not remembered, and learned again. */
static void learn_region(const char *bucket, const char *region)
{
    pthread_mutex_lock(&known.lock);
    bucket_region *entry = find_region(bucket);
    if (entry == NULL && known.count < REGIONS_MAX &&
        sm_array_grow(&known.regions, &known.cap, known.count, sizeof *known.regions) == SM_OK) {
        char *copy = strdup(bucket);
        if (copy != NULL) {
            entry = &known.regions[known.count++];
            entry->bucket = copy;
        }
    }
    if (entry != NULL) snprintf(entry->region, sizeof entry->region, "%s", region);
    pthread_mutex_unlock(&known.lock);
}

/* ---- Signing */

static sm_status sign(sm_http_request *request, void *user)
{
    sm_s3_call *call = user;
    sm_aws_keys_drop(call->keys);
    call->keys = NULL;
    sm_status status = sm_aws_keys_take(&call->keys);
    if (status != SM_OK || call->keys->key == NULL) return status;
    /* TLS guards the body already; a write's Content-MD5 lets the store check it. */
    bool hashed = call->sign_body || request->len == 0;
    if (hashed && call->sha256[0] == '\0')
        status = sm_aws_sha256(call->sha256, request->data, request->len);
    if (status != SM_OK) return status;
    return sm_aws_sign(request, call->keys, "s3", call->region,
                       hashed ? call->sha256 : "UNSIGNED-PAYLOAD", (int64_t)time(NULL));
}

/* ---- Errors */

enum { CODE, MESSAGE, REGION, ERROR_FIELDS };

static void name_error_fields(sm_xml_field fields[ERROR_FIELDS])
{
    static const char *const names[ERROR_FIELDS] = {"Code", "Message", "Region"};
    for (int i = 0; i < ERROR_FIELDS; i++) fields[i] = (sm_xml_field){.name = names[i]};
}

static void read_error(sm_xml_field fields[ERROR_FIELDS], const sm_http_reply *reply)
{
    name_error_fields(fields);
    /* An answer that is no XML, such as a proxy's, is shown as it is. */
    if (reply->body.len > 0)
        (void)sm_xml_find(fields, ERROR_FIELDS, NULL, reply->body.data, reply->body.len);
}

static bool is_one_of(const char *code, const char *const *codes)
{
    for (; *codes != NULL; codes++)
        if (strcmp(code, *codes) == 0) return true;
    return false;
}

static bool refused(const sm_http_reply *reply, void *user)
{
    static const char *const stale[] = {"ExpiredToken", "ExpiredTokenException", "RequestExpired",
                                        "TokenRefreshRequired", NULL};
    sm_s3_call *call = user;
    if (call->keys == NULL || call->keys->token == NULL) return false;
    sm_xml_field fields[ERROR_FIELDS];
    read_error(fields, reply);
    /* An answer to HEAD has no body that could tell: 400 is what S3 says to an ended token. */
    bool is_stale = fields[CODE].value != NULL ? is_one_of(fields[CODE].value, stale)
                                               : reply->body.len == 0 && reply->status == 400;
    sm_xml_free(fields, ERROR_FIELDS);
    return is_stale && sm_aws_keys_renew(call->keys);
}

/* What the code says where the HTTP status says too little. */
static sm_status status_of_code(const char *code, sm_status otherwise)
{
    static const char *const access[] = {"ExpiredToken",         "ExpiredTokenException",
                                         "InvalidToken",         "RequestExpired",
                                         "TokenRefreshRequired", "AuthorizationHeaderMalformed",
                                         "XAdminUserNotFound",   NULL};
    static const char *const full[] = {"QuotaExceeded",     "QuotaExceededException",
                                       "XMinioStorageFull", "InsufficientCapacity",
                                       "NotEnoughSpace",    NULL};
    static const char *const damaged[] = {"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch",
                                          NULL};
    if (is_one_of(code, access)) return SM_ERR_ACCESS;
    if (is_one_of(code, full)) return SM_ERR_NO_SPACE;
    return is_one_of(code, damaged) ? SM_ERR_CORRUPT : otherwise;
}

/* What to do about it, for the codes whose message does not say. */
static const char *advice_of(const char *code, const char *permission)
{
    if (strcmp(code, "AccessDenied") == 0 && strcmp(permission, "s3:GetObject") == 0)
        return " (S3 says so also of objects that are not there, unless s3:ListBucket is "
               "permitted)";
    static const char *const advice[][2] = {
        {"InvalidAccessKeyId", "; check AWS_ACCESS_KEY_ID or the profile (AWS_PROFILE)"},
        {"SignatureDoesNotMatch", "; check the secret key"},
        {"ExpiredToken", "; get new credentials"},
        {"NoSuchBucket", "; check the bucket's name, and AWS_ENDPOINT_URL if it is not AWS's"},
        {"RequestTimeTooSkewed", "; set this machine's clock"},
        {"NotImplemented", "; this store lacks what was asked of it"},
    };
    for (size_t i = 0; i < sizeof advice / sizeof *advice; i++)
        if (strcmp(code, advice[i][0]) == 0) return advice[i][1];
    return "";
}

/* Puts "Code: Message" in the place of the answer's XML, for sm_http_judge to show. */
static void put_words(sm_http_reply *reply, const sm_xml_field fields[ERROR_FIELDS],
                      const char *permission)
{
    const char *code = fields[CODE].value;
    const char *message = fields[MESSAGE].value == NULL ? "" : fields[MESSAGE].value;
    size_t len = strlen(message);
    while (len > 0 && message[len - 1] == '.') len--;
    sm_buf_clear(&reply->body);
    /* Without memory the line is without these words. */
    (void)sm_buf_printf(&reply->body, "%s%s%.*s%s", code, len == 0 ? "" : ": ", (int)len, message,
                        advice_of(code, permission));
}

static const char *who(const sm_s3_call *call)
{
    return call->keys == NULL ? NULL : call->keys->who;
}

static sm_status judge_error(sm_s3_call *call, sm_http_reply *reply,
                             const sm_xml_field fields[ERROR_FIELDS])
{
    snprintf(call->code, sizeof call->code, "%s",
             fields[CODE].value == NULL ? "" : fields[CODE].value);
    if (fields[CODE].value != NULL) put_words(reply, fields, call->permission);
    sm_status status = sm_http_judge(reply, call->what, call->url, who(call), call->permission);
    return fields[CODE].value == NULL ? status : status_of_code(fields[CODE].value, status);
}

/* ---- Calls */

static sm_status build(sm_s3_call *call)
{
    const sm_s3_endpoint *endpoint;
    sm_status status = the_endpoint(&endpoint);
    if (status != SM_OK) return status;
    region_of(call->region, endpoint, call->place.bucket);
    sm_buf *url = &call->request.url;
    sm_buf_clear(url);
    status = sm_s3_append_url(url, endpoint, call->region, &call->place);
    if (status == SM_OK) status = sm_buf_printf(url, "%s", call->query);
    if (status == SM_OK && strncmp((const char *)url->data, "http:", 5) == 0)
        call->sign_body = true;
    return status;
}

static sm_status keep_query(sm_s3_call *call, const sm_s3_param *params, size_t count)
{
    sm_buf query;
    sm_buf_init(&query, URL_MAX);
    sm_status status = sm_s3_append_query(&query, params, count);
    if (status == SM_OK) status = sm_buf_append(&query, "", 1);
    if (status == SM_OK)
        call->query = (char *)query.data; /* taken over */
    else
        sm_buf_free(&query);
    return status;
}

sm_status sm_s3_call_init(sm_s3_call *call, const char *method, const char *url, const char *what,
                          const char *permission, const sm_s3_param *params, size_t count)
{
    *call = (sm_s3_call){.url = url, .what = what, .permission = permission};
    sm_http_request_init(&call->request, method);
    call->request.label = url;
    call->request.follow = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    call->request.authorize = sign;
    call->request.refused = refused;
    call->request.authorize_user = call;
    sm_status status = sm_s3_place_of(&call->place, url);
    if (status == SM_OK) status = keep_query(call, params, count);
    if (status == SM_OK) status = build(call);
    if (status != SM_OK) sm_s3_call_free(call);
    return status;
}

void sm_s3_call_free(sm_s3_call *call)
{
    sm_http_request_free(&call->request);
    sm_s3_place_free(&call->place);
    sm_aws_keys_drop(call->keys);
    free(call->query);
    call->query = NULL;
    call->keys = NULL;
}

sm_status sm_s3_call_send(sm_s3_call *call, const void *data, size_t len, sm_sum *md5)
{
    call->request.data = data;
    call->request.len = len;
    sm_summer summer;
    sm_status status = sm_summer_init(&summer, SM_SUM_MD5);
    if (status != SM_OK) return status;
    sm_summer_add(&summer, data, len);
    sm_summer_end(&summer, md5);
    if (md5->kind == SM_SUM_NONE) {
        call->sign_body = true;
        return SM_OK;
    }
    char text[25];
    EVP_EncodeBlock((unsigned char *)text, md5->bytes, 16);
    return sm_http_add_header(&call->request, "Content-MD5", text);
}

/* True when reply tells another region than the one that was asked. */
static bool teaches(const sm_s3_call *call, const sm_http_reply *reply,
                    const sm_xml_field fields[ERROR_FIELDS])
{
    const char *region = reply->region[0] != '\0' ? reply->region : fields[REGION].value;
    if (region == NULL || strlen(region) >= SM_HTTP_REGION_MAX ||
        strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(region) ||
        strcmp(region, call->region) == 0)
        return false;
    learn_region(call->place.bucket, region);
    return true;
}

sm_status sm_s3_call_judge(sm_s3_call *call, sm_http_reply *reply, bool *again)
{
    *again = false;
    if (reply->status >= 200 && reply->status < 300) return SM_OK;
    sm_xml_field fields[ERROR_FIELDS];
    read_error(fields, reply);
    sm_status status = SM_OK;
    bool wrong_region = reply->status == 301 || reply->status == 307 || reply->status == 400;
    if (wrong_region && !call->has_moved && teaches(call, reply, fields)) {
        call->has_moved = *again = true;
        status = build(call);
    } else {
        status = judge_error(call, reply, fields);
    }
    sm_xml_free(fields, ERROR_FIELDS);
    return status;
}

/* The error that a reply of 200 holds; fields are empty when it holds none. */
static sm_status read_late_error(sm_xml_field fields[ERROR_FIELDS], const sm_http_reply *reply)
{
    sm_xml_field root = {.name = "root"};
    name_error_fields(fields);
    sm_status status = sm_xml_find(fields, ERROR_FIELDS, &root, reply->body.data, reply->body.len);
    if (status != SM_OK) return sm_fail_prefix(status, "the store's answer makes no sense");
    if (strcmp(root.value, "Error") != 0) sm_xml_free(fields, ERROR_FIELDS);
    sm_xml_free(&root, 1);
    return SM_OK;
}

sm_status sm_s3_check_late_error(const sm_http_request *request, const sm_http_reply *reply)
{
    static const char *const passing[] = {"InternalError", "SlowDown", "ServiceUnavailable",
                                          "RequestTimeout", NULL};
    (void)request;
    sm_xml_field fields[ERROR_FIELDS];
    sm_status status = read_late_error(fields, reply);
    if (status != SM_OK) return status;
    const char *code = fields[CODE].value;
    if (code != NULL && is_one_of(code, passing))
        status = sm_fail(SM_ERR_IO, "the store answers %s", code);
    sm_xml_free(fields, ERROR_FIELDS);
    return status;
}

sm_status sm_s3_call_judge_late(sm_s3_call *call, sm_http_reply *reply)
{
    static const char *const precondition[] = {"PreconditionFailed", "ConditionalRequestConflict",
                                               NULL};
    sm_xml_field fields[ERROR_FIELDS];
    sm_status status = read_late_error(fields, reply);
    if (status != SM_OK) return sm_fail_prefix(status, "cannot %s '%s'", call->what, call->url);
    const char *code = fields[CODE].value;
    if (code != NULL) {
        bool exists = is_one_of(code, precondition);
        snprintf(call->code, sizeof call->code, "%s", code);
        status = sm_fail(exists ? SM_ERR_CONFLICT : status_of_code(code, SM_ERR_IO),
                         "cannot %s '%s': %s: %s", call->what, call->url, code,
                         fields[MESSAGE].value == NULL ? "no reason given" : fields[MESSAGE].value);
    }
    sm_xml_free(fields, ERROR_FIELDS);
    return status;
}

sm_status sm_s3_call_perform(sm_s3_call *call, sm_http_reply *reply)
{
    sm_http *http;
    sm_status status = sm_http_mine(&http);
    for (bool again = true; status == SM_OK && again;) {
        sm_http_reply_free(reply);
        sm_http_reply_init(reply);
        status = sm_http_perform(http, &call->request, reply);
        if (status == SM_OK) status = sm_s3_call_judge(call, reply, &again);
    }
    return status;
}
