/* AWS Signature 4. libcurl has one, but it differs from release to release in what it signs. */
#include "io/aws.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    HEADERS_MAX = 24,
    TEXT_MAX = 256 << 10,
    STAMP = sizeof "20300131T235959Z",
    DAY = 8, /* of its characters */
};

static void put_hex(char *text, const uint8_t digest[SM_AWS_SHA256])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < SM_AWS_SHA256; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    text[2 * SM_AWS_SHA256] = '\0';
}

sm_status sm_aws_sha256(char text[SM_AWS_SHA256_TEXT], const void *data, size_t len)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    if (EVP_Digest(len == 0 ? "" : data, len, digest, NULL, EVP_sha256(), NULL) != 1)
        return sm_fail(SM_ERR_INTERNAL, "OpenSSL cannot make a SHA-256");
    put_hex(text, digest);
    return SM_OK;
}

/* ---- The canonical request */

/* Where the parts of url lie. */
typedef struct url_parts {
    const char *host, *path, *query; /* query behind its '?', or at the end */
    size_t host_len, path_len;
} url_parts;

static void split_url(url_parts *parts, const char *url)
{
    bool tls = strncmp(url, "https:", 6) == 0;
    const char *host = strstr(url, "//");
    parts->host = host == NULL ? url : host + 2;
    parts->host_len = strcspn(parts->host, "/?");
    parts->path = parts->host + parts->host_len;
    parts->path_len = strcspn(parts->path, "?");
    parts->query = parts->path + parts->path_len;
    if (*parts->query == '?') parts->query++;
    /* A scheme's own port is not sent in the Host header. */
    const char *port = tls ? ":443" : ":80";
    size_t len = strlen(port);
    if (parts->host_len > len && strncmp(parts->path - len, port, len) == 0) parts->host_len -= len;
}

/* What must be signed: headers that others add, such as Range, may change on the way. */
static bool is_signed(const char *line)
{
    return strncasecmp(line, "x-amz-", 6) == 0 || strncasecmp(line, "content-md5:", 12) == 0 ||
           strncasecmp(line, "content-type:", 13) == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

/* The lines to sign, sorted. "host" is not among them; it lies behind the content-* ones. */
static sm_status pick_headers(const char *picked[HEADERS_MAX], size_t *count,
                              const sm_http_request *request)
{
    *count = 0;
    for (size_t at = 0; at < request->headers.len;) {
        const char *line = (const char *)request->headers.data + at;
        at += strlen(line) + 1;
        if (!is_signed(line)) continue;
        if (*count == HEADERS_MAX) return sm_fail(SM_ERR_INTERNAL, "too many headers to sign");
        picked[(*count)++] = line;
    }
    qsort(picked, *count, sizeof *picked, by_name);
    return SM_OK;
}

static sm_status append_lower(sm_buf *buf, const char *text, size_t len)
{
    sm_status status = sm_buf_reserve(buf, len);
    for (size_t i = 0; i < len && status == SM_OK; i++)
        buf->data[buf->len++] = (uint8_t)tolower((unsigned char)text[i]);
    return status;
}

/* "name:value\n" to lines, and "name;" to names. */
static sm_status append_header(sm_buf *lines, sm_buf *names, const char *line)
{
    size_t name_len = strcspn(line, ":");
    const char *value = line + name_len + (line[name_len] == ':');
    value += strspn(value, " ");
    sm_status status = append_lower(lines, line, name_len);
    if (status == SM_OK) status = sm_buf_printf(lines, ":%s\n", value);
    if (status == SM_OK && names->len > 0) status = sm_buf_append_str(names, ";");
    return status == SM_OK ? append_lower(names, line, name_len) : status;
}

static sm_status append_host(sm_buf *lines, sm_buf *names, const url_parts *parts)
{
    sm_status status = sm_buf_printf(lines, "host:%.*s\n", (int)parts->host_len, parts->host);
    if (status == SM_OK) status = sm_buf_append_str(names, names->len > 0 ? ";host" : "host");
    return status;
}

static sm_status append_headers(sm_buf *lines, sm_buf *names, const sm_http_request *request,
                                const url_parts *parts)
{
    const char *picked[HEADERS_MAX];
    size_t count;
    bool has_host = false;
    sm_status status = pick_headers(picked, &count, request);
    for (size_t i = 0; i < count && status == SM_OK; i++) {
        if (!has_host && strncasecmp(picked[i], "x-", 2) == 0) {
            status = append_host(lines, names, parts);
            has_host = true;
        }
        if (status == SM_OK) status = append_header(lines, names, picked[i]);
    }
    if (status == SM_OK && !has_host) status = append_host(lines, names, parts);
    return status == SM_OK ? sm_buf_append(names, "", 1) : status;
}

/* Its hash, and the names of the headers that it holds. */
static sm_status hash_request(char text[SM_AWS_SHA256_TEXT], sm_buf *names,
                              const sm_http_request *request, const char *sha256)
{
    url_parts parts;
    split_url(&parts, (const char *)request->url.data);
    sm_buf canonical;
    sm_buf_init(&canonical, TEXT_MAX);
    sm_status status =
        sm_buf_printf(&canonical, "%s\n%s%.*s\n%s\n", request->method,
                      parts.path_len == 0 ? "/" : "", (int)parts.path_len, parts.path, parts.query);
    if (status == SM_OK) status = append_headers(&canonical, names, request, &parts);
    if (status == SM_OK)
        status = sm_buf_printf(&canonical, "\n%s\n%s", (const char *)names->data, sha256);
    if (status == SM_OK) status = sm_aws_sha256(text, canonical.data, canonical.len);
    if (canonical.data != NULL) explicit_bzero(canonical.data, canonical.cap); /* holds the token */
    sm_buf_free(&canonical);
    return status;
}

/* ---- The signature */

static bool mac(uint8_t out[SM_AWS_SHA256], const void *key, size_t key_len, const char *text)
{
    unsigned len = 0;
    return HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)text, strlen(text), out, &len) !=
               NULL &&
           len == SM_AWS_SHA256;
}

/* What a scope's requests are signed with, made of the secret by four HMACs. */
static sm_status make_signing_key(uint8_t key[SM_AWS_SHA256], const char *secret, const char *day,
                                  const char *region, const char *service)
{
    uint8_t other[SM_AWS_SHA256];
    char *first;
    if (asprintf(&first, "AWS4%s", secret) < 0) return sm_fail_memory(strlen(secret));
    const bool good =
        mac(other, first, strlen(first), day) && mac(key, other, sizeof other, region) &&
        mac(other, key, SM_AWS_SHA256, service) && mac(key, other, sizeof other, "aws4_request");
    explicit_bzero(first, strlen(first));
    explicit_bzero(other, sizeof other);
    free(first);
    return good ? SM_OK : sm_fail(SM_ERR_INTERNAL, "OpenSSL cannot make an HMAC");
}

/* The key of scope: the one that keys have, or a new one, which they keep. */
static sm_status take_signing_key(uint8_t key[SM_AWS_SHA256], sm_aws_keys *keys, const char *scope,
                                  const char *region, const char *service)
{
    sm_status status = SM_OK;
    pthread_mutex_lock(&keys->lock);
    if (strcmp(keys->scope, scope) != 0) {
        char day[DAY + 1];
        snprintf(day, sizeof day, "%.*s", DAY, scope);
        status = make_signing_key(keys->signing, keys->secret, day, region, service);
        snprintf(keys->scope, sizeof keys->scope, "%s", status == SM_OK ? scope : "");
    }
    memcpy(key, keys->signing, SM_AWS_SHA256);
    pthread_mutex_unlock(&keys->lock);
    return status;
}

static sm_status sign_text(char signature[SM_AWS_SHA256_TEXT], const uint8_t key[SM_AWS_SHA256],
                           const char *text)
{
    uint8_t digest[SM_AWS_SHA256];
    if (!mac(digest, key, SM_AWS_SHA256, text))
        return sm_fail(SM_ERR_INTERNAL, "OpenSSL cannot make an HMAC");
    put_hex(signature, digest);
    return SM_OK;
}

static sm_status add_authorization(sm_http_request *request, const sm_aws_keys *keys,
                                   const char *scope, const char *names, const char *signature)
{
    char *value;
    if (asprintf(&value, "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
                 keys->key, scope, names, signature) < 0)
        return sm_fail_memory(strlen(names));
    sm_status status = sm_http_add_header(request, "Authorization", value);
    explicit_bzero(value, strlen(value));
    free(value);
    return status;
}

sm_status sm_aws_sign(sm_http_request *request, sm_aws_keys *keys, const char *service,
                      const char *region, const char *sha256, int64_t now)
{
    char stamp[STAMP], scope[sizeof keys->scope], hash[SM_AWS_SHA256_TEXT],
        signature[SM_AWS_SHA256_TEXT];
    struct tm tm;
    time_t seconds = (time_t)now;
    gmtime_r(&seconds, &tm);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
    snprintf(scope, sizeof scope, "%.*s/%s/%s/aws4_request", DAY, stamp, region, service);
    sm_status status = sm_http_add_header(request, "x-amz-date", stamp);
    if (status == SM_OK) status = sm_http_add_header(request, "x-amz-content-sha256", sha256);
    if (status == SM_OK && keys->token != NULL)
        status = sm_http_add_header(request, "x-amz-security-token", keys->token);
    if (status != SM_OK) return status;

    sm_buf names;
    sm_buf_init(&names, TEXT_MAX);
    status = hash_request(hash, &names, request, sha256);
    if (status == SM_OK) {
        uint8_t key[SM_AWS_SHA256];
        char text[sizeof scope + STAMP + 2 * SM_AWS_SHA256_TEXT];
        snprintf(text, sizeof text, "AWS4-HMAC-SHA256\n%s\n%s\n%s", stamp, scope, hash);
        status = take_signing_key(key, keys, scope, region, service);
        if (status == SM_OK) status = sign_text(signature, key, text);
        explicit_bzero(key, sizeof key);
    }
    if (status == SM_OK)
        status = add_authorization(request, keys, scope, (const char *)names.data, signature);
    sm_buf_free(&names);
    return status;
}
