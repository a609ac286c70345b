#include "io/http_url.h"

#include "io/http.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

sm_status sm_http_append_encoded(sm_buf *buf, const char *text, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = strlen(text);
    if (len > SIZE_MAX / 4) return sm_fail_memory(len);
    sm_status status = sm_buf_reserve(buf, 3 * len + 1);
    if (status != SM_OK) return status;
    for (; *text != '\0'; text++) {
        const uint8_t byte = (uint8_t)*text;
        if (is_unreserved(*text) || (keep_slash && *text == '/')) {
            buf->data[buf->len++] = byte;
        } else {
            buf->data[buf->len++] = '%';
            buf->data[buf->len++] = (uint8_t)digits[byte >> 4];
            buf->data[buf->len++] = (uint8_t)digits[byte & 15];
        }
    }
    buf->data[buf->len] = '\0';
    return SM_OK;
}

sm_status sm_http_url_label(sm_buf *buf, const char *url)
{
    sm_status status = sm_buf_append(buf, url, strcspn(url, "?#"));
    if (status == SM_OK) status = sm_buf_append(buf, "", 1);
    if (status == SM_OK) buf->len--;
    return status;
}

static sm_status refuse(const char *url, const char *reason)
{
    return sm_fail(SM_ERR_USAGE, "'%.*s' is no URL that can be asked: %s", (int)strcspn(url, "?#@"),
                   url, reason);
}

/* The port behind the host, "" or ":8080". */
static bool read_port(unsigned *port, const char *text, size_t len)
{
    if (len == 0) return true;
    unsigned value = 0;
    if (text[0] != ':' || len < 2 || len > 6) return false;
    for (size_t i = 1; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *port = value;
    return value > 0 && value < 65536;
}

sm_status sm_http_url_parse(sm_http_url *parts, const char *url)
{
    sm_http_url found = {.tls = strncasecmp(url, "https://", 8) == 0};
    if (!found.tls && strncasecmp(url, "http://", 7) != 0)
        return refuse(url, "it begins with neither https:// nor http://");
    for (const char *c = url; *c != '\0'; c++)
        if ((uint8_t)*c <= ' ' || *c == 127 || *c == '\\')
            return refuse(url, "it has characters that must be percent-encoded");
    const char *host = url + (found.tls ? 8 : 7);
    const size_t len = strcspn(host, "/?#");
    if (memchr(host, '@', len) != NULL) return refuse(url, "credentials do not belong into URLs");

    const char *end = host[0] == '[' ? memchr(host, ']', len) : memchr(host, ':', len);
    if (host[0] == '[' && end == NULL) return refuse(url, "its address lacks a ']'");
    size_t host_len = end == NULL ? len : (size_t)(end - host) + (host[0] == '[');
    if (host_len == 0 || host_len >= SM_HOST_MAX) return refuse(url, "it has no host");
    for (size_t i = 0; i < host_len; i++)
        found.host[i] = (char)(host[i] >= 'A' && host[i] <= 'Z' ? host[i] | 32 : host[i]);
    found.port = found.tls ? 443 : 80;
    if (!read_port(&found.port, host + host_len, len - host_len))
        return refuse(url, "its port is none");
    *parts = found;
    return SM_OK;
}

bool sm_is_loopback(const char *host)
{
    struct in_addr v4;
    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0) return true;
    return inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

/* Whether the comma-separated list has host. */
static bool list_has(const char *list, const char *host)
{
    const size_t len = strlen(host);
    while (*list != '\0') {
        list += strspn(list, ", ");
        size_t word = strcspn(list, ", ");
        if (word == len && strncasecmp(list, host, len) == 0) return true;
        /* ".cluster.internal": a cluster's data nodes are many. */
        if (*list == '.' && word < len && strncasecmp(list, host + len - word, word) == 0)
            return true;
        list += word;
    }
    return false;
}

sm_status sm_http_url_allowed(const sm_http_url *parts)
{
    const char *allowed = getenv("SHARDMILL_ALLOW_HTTP");
    if (parts->tls || sm_is_loopback(parts->host)) return SM_OK;
    if (allowed != NULL && list_has(allowed, parts->host)) return SM_OK;
    return sm_fail(SM_ERR_ACCESS,
                   "'http://%s' is refused: plain http shows data and credentials to the network; "
                   "use https, or allow it with SHARDMILL_ALLOW_HTTP=%s",
                   parts->host, parts->host);
}
