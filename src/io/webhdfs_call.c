/* WebHDFS: URLs, requests to the name node, and what it answers. */
#include "core/hash.h"
#include "io/http_url.h"
#include "io/webhdfs.h"

#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_TEXT_MAX = 64 << 10, USER_MAX = 256, DEFAULT_PORT = 9870 };

/* ---- Places */

static sm_status bad_url(const char *url)
{
    return sm_fail(SM_ERR_USAGE,
                   "'%s' is no URL of HDFS: it should be hdfs://namenode/path or "
                   "webhdfs://namenode:port/path",
                   url);
}

/* The port of HTTP behind hdfs://, whose own port is another protocol's. */
static sm_status hdfs_port(unsigned *port)
{
    const char *told = getenv("SHARDMILL_WEBHDFS_PORT");
    *port = DEFAULT_PORT;
    if (told == NULL || *told == '\0') return SM_OK;
    char *end;
    unsigned long value = strtoul(told, &end, 10);
    if (*told < '0' || *told > '9' || *end != '\0' || value == 0 || value > 65535)
        return sm_fail(SM_ERR_USAGE, "SHARDMILL_WEBHDFS_PORT should be a port, such as 9870");
    *port = (unsigned)value;
    return SM_OK;
}

/* "host" or "host:port" into an origin. */
static sm_status set_origin(sm_hdfs_place *place, const char *url, const char *host, size_t len)
{
    const char *scheme = strncmp(url, "swebhdfs:", 9) == 0 ? "https" : "http";
    bool is_rpc = strncmp(url, "hdfs:", 5) == 0;
    size_t name = len;
    while (name > 0 && host[name - 1] >= '0' && host[name - 1] <= '9') name--;
    bool has_port = name > 1 && name < len && host[name - 1] == ':' && host[0] != ':';
    if (has_port)
        name--;
    else
        name = len;
    unsigned port;
    sm_status status = hdfs_port(&port);
    if (status != SM_OK) return status;
    int made = has_port && !is_rpc
                   ? asprintf(&place->origin, "%s://%.*s", scheme, (int)len, host)
                   : asprintf(&place->origin, "%s://%.*s:%u", scheme, (int)name, host, port);
    if (made < 0) {
        place->origin = NULL;
        return sm_fail_memory(len);
    }
    sm_http_url parts;
    return sm_http_url_parse(&parts, place->origin) == SM_OK ? SM_OK : bad_url(url);
}

sm_status sm_hdfs_place_of(sm_hdfs_place *place, const char *url)
{
    *place = (sm_hdfs_place){0};
    const char *host = strstr(url, "://");
    size_t len = host == NULL ? 0 : strcspn(host + 3, "/");
    if (len == 0) return bad_url(url);
    host += 3;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)host[i]) && strchr(".-_:[]", host[i]) == NULL)
            return bad_url(url);
    sm_status status = set_origin(place, url, host, len);
    if (status == SM_OK) place->path = strdup(host[len] == '\0' ? "/" : host + len);
    if (place->path == NULL) {
        sm_hdfs_place_free(place);
        return status != SM_OK ? status : sm_fail_memory(strlen(url));
    }
    size_t end = strlen(place->path);
    while (end > 1 && place->path[end - 1] == '/') place->path[--end] = '\0';
    return SM_OK;
}

void sm_hdfs_place_free(sm_hdfs_place *place)
{
    free(place->origin);
    free(place->path);
    *place = (sm_hdfs_place){0};
}

/* ---- Requests */

static void user_name(char name[USER_MAX])
{
    const char *told = getenv("HADOOP_USER_NAME");
    char buffer[4096];
    struct passwd entry, *found = NULL;
    if (told == NULL || *told == '\0') {
        if (getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found) == 0 && found != NULL)
            told = entry.pw_name;
        else
            told = "nobody";
    }
    snprintf(name, USER_MAX, "%s", told);
}

sm_status sm_hdfs_request(sm_http_request *request, const char *url, const char *op)
{
    sm_hdfs_place place;
    sm_status status = sm_hdfs_place_of(&place, url);
    if (status != SM_OK) return status;
    char user[USER_MAX];
    user_name(user);
    sm_buf_clear(&request->url);
    status = sm_buf_printf(&request->url, "%s/webhdfs/v1", place.origin);
    if (status == SM_OK) status = sm_http_append_encoded(&request->url, place.path, true);
    if (status == SM_OK) status = sm_buf_printf(&request->url, "?op=%s&user.name=", op);
    if (status == SM_OK) status = sm_http_append_encoded(&request->url, user, false);
    request->label = url;
    sm_hdfs_place_free(&place);
    return status;
}

sm_status sm_hdfs_ask(sm_http_reply *reply, const char *method, const char *url, const char *what,
                      const char *op)
{
    sm_http *http;
    sm_http_request request;
    sm_http_request_init(&request, method);
    /* Twice is as good as once: what POST asks for here is only where to send the bytes. */
    request.idempotent = true;
    sm_status status = sm_http_mine(&http);
    if (status == SM_OK) status = sm_hdfs_request(&request, url, op);
    if (status == SM_OK) status = sm_http_perform(http, &request, reply);
    sm_http_request_free(&request);
    if (status != SM_OK || reply->status == 307) return status;
    return sm_hdfs_judge(reply, what, url, NULL);
}

/* ---- Answers */

static sm_status status_of_exception(const char *exception, sm_status otherwise)
{
    static const struct {
        const char *exception;
        sm_status status;
    } known[] = {
        {"FileNotFoundException", SM_ERR_NOT_FOUND},
        {"AccessControlException", SM_ERR_ACCESS},
        {"SecurityException", SM_ERR_ACCESS},
        {"FileAlreadyExistsException", SM_ERR_CONFLICT},
        {"ParentNotDirectoryException", SM_ERR_CONFLICT},
        {"NSQuotaExceededException", SM_ERR_NO_SPACE},
        {"DSQuotaExceededException", SM_ERR_NO_SPACE},
        {"QuotaExceededException", SM_ERR_NO_SPACE},
        {"StandbyException", SM_ERR_IO},
        {"SafeModeException", SM_ERR_IO},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(exception, known[i].exception) == 0) return known[i].status;
    return otherwise;
}

/* Puts "AccessControlException: Permission denied" in the place of the answer's JSON. */
static void put_words(sm_http_reply *reply, char name[SM_HDFS_EXCEPTION_MAX])
{
    json_t *json = json_loadb((const char *)reply->body.data, reply->body.len, 0, NULL);
    const json_t *remote = json_object_get(json, "RemoteException");
    const char *exception = json_string_value(json_object_get(remote, "exception"));
    const char *message = json_string_value(json_object_get(remote, "message"));
    if (exception != NULL) {
        snprintf(name, SM_HDFS_EXCEPTION_MAX, "%s", exception);
        sm_buf_clear(&reply->body);
        /* Without memory the line is without these words; behind the first line is a trace. */
        (void)sm_buf_printf(&reply->body, "%s: %.*s", exception,
                            message == NULL ? 0 : (int)strcspn(message, "\r\n"),
                            message == NULL ? "" : message);
    }
    json_decref(json);
}

sm_status sm_hdfs_judge(sm_http_reply *reply, const char *what, const char *url,
                        char exception[SM_HDFS_EXCEPTION_MAX])
{
    char name[SM_HDFS_EXCEPTION_MAX] = "", who[USER_MAX + 16], user[USER_MAX];
    bool good = reply->status >= 200 && reply->status < 300;
    if (!good) put_words(reply, name);
    if (exception != NULL) snprintf(exception, SM_HDFS_EXCEPTION_MAX, "%s", name);
    user_name(user);
    snprintf(who, sizeof who, "the user %s", user);
    sm_status status = sm_http_judge(reply, what, url, who, NULL);
    const sm_status meant = good ? status : status_of_exception(name, status);
    if (meant == status) return status;
    /* The exception says more than the HTTP status, which is 403 for much that is no matter of
     * permission. */
    return sm_fail(meant, "cannot %s '%s': %.*s", what, url, (int)reply->body.len,
                   (const char *)reply->body.data);
}

sm_status sm_hdfs_json(json_t **json, const sm_http_reply *reply, const char *url)
{
    json_error_t error;
    *json = json_loadb((const char *)reply->body.data, reply->body.len, 0, &error);
    if (*json != NULL) return SM_OK;
    return sm_fail(SM_ERR_FORMAT, "'%s': what answers there is not WebHDFS: %s", url, error.text);
}

bool sm_hdfs_said_yes(const sm_http_reply *reply)
{
    if (reply->body.len == 0) return true;
    json_t *json = json_loadb((const char *)reply->body.data, reply->body.len, 0, NULL);
    bool yes = json_is_true(json_object_get(json, "boolean"));
    json_decref(json);
    return yes;
}

char *sm_hdfs_location(const sm_http_reply *reply)
{
    if (reply->status == 307) return reply->location == NULL ? NULL : strdup(reply->location);
    json_t *json = json_loadb((const char *)reply->body.data, reply->body.len, 0, NULL);
    const char *text = json_string_value(json_object_get(json, "Location"));
    char *location = text == NULL ? NULL : strdup(text);
    json_decref(json);
    return location;
}

sm_status sm_hdfs_info_of(sm_file_info *info, const json_t *status, const char *url)
{
    uint64_t length, mtime_ms, inode = 0;
    const char *type = json_string_value(json_object_get(status, "type"));
    sm_status read = sm_json_get_u64(&length, status, "length");
    if (read == SM_OK) read = sm_json_get_u64(&mtime_ms, status, "modificationTime");
    if (read != SM_OK || type == NULL || mtime_ms > INT64_MAX / 1000000)
        return sm_fail(SM_ERR_FORMAT, "'%s': the name node told no type, length or time", url);
    (void)sm_json_get_u64(&inode, status, "fileId"); /* gateways do not tell it */
    *info = (sm_file_info){.size = length, .mtime_ns = (int64_t)mtime_ms * 1000000};
    info->kind = strcmp(type, "FILE") == 0        ? SM_FILE_REGULAR
                 : strcmp(type, "DIRECTORY") == 0 ? SM_FILE_FOLDER
                                                  : SM_FILE_SPECIAL;
    if (info->kind != SM_FILE_REGULAR) return SM_OK;
    int len = snprintf(info->tag, sizeof info->tag, "%llu-%llu-%llu", (unsigned long long)inode,
                       (unsigned long long)mtime_ms, (unsigned long long)length);
    info->version = sm_hash_key(info->tag, (size_t)len, 0);
    return SM_OK;
}

sm_status sm_hdfs_stat(sm_file_info *info, const char *url)
{
    sm_http_reply reply;
    json_t *json = NULL;
    sm_http_reply_init(&reply);
    sm_status status = sm_hdfs_ask(&reply, "GET", url, "look at", "GETFILESTATUS");
    if (status == SM_OK) status = sm_hdfs_json(&json, &reply, url);
    if (status == SM_OK) status = sm_hdfs_info_of(info, json_object_get(json, "FileStatus"), url);
    json_decref(json);
    sm_http_reply_free(&reply);
    return status;
}
