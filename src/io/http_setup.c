/* Setting up an attempt: everything that libcurl must know of it. */
#include "core/machine.h"
#include "io/http_transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
    STALL_SPEED = 1000, /* bytes a second */
    CONNECT_MS = 20000,
    METADATA_CONNECT_MS = 1000,
    METADATA_MS = 5000,
    LATE_MS = 3000,
    SMALL_BUFFER = 64 << 10,
    LARGE_BUFFER = 512 << 10, /* of reads and writes of a MiB and more */
    LARGE = 1 << 20
};

static const uint64_t NS_PER_MS = 1000000;

static bool add_line(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer != NULL) *list = longer;
    return longer != NULL;
}

/* Takes a list apart whose lines may hold a token. */
static void free_headers(sm_transfer *t)
{
    for (struct curl_slist *line = t->headers; line != NULL; line = line->next)
        explicit_bzero(line->data, strlen(line->data));
    curl_slist_free_all(t->headers);
    t->headers = NULL;
}

static sm_status set_headers(sm_transfer *t)
{
    const sm_buf *lines = &t->request->headers;
    bool good = add_line(&t->headers, "Expect:"), typed = false;
    for (size_t at = 0; good && at < lines->len;) {
        const char *line = (const char *)lines->data + at;
        typed = typed || strncasecmp(line, "content-type:", 13) == 0;
        good = add_line(&t->headers, line);
        at += strlen(line) + 1;
    }
    if (good && !typed) good = add_line(&t->headers, "Content-Type:");
    /* A weak tag does not promise the same bytes, and If-Match never holds for one. */
    if (good && t->got > 0 && *t->etag != '\0' && strncmp(t->etag, "W/", 2) != 0) {
        char line[SM_HTTP_TAG_MAX + 16];
        snprintf(line, sizeof line, "If-Match: %s", t->etag);
        good = add_line(&t->headers, line);
    }
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    return good ? SM_OK : sm_fail_memory(lines->len);
}

static void set_method(sm_transfer *t)
{
    const sm_http_request *request = t->request;
    CURL *easy = t->easy;
    if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (strcmp(request->method, "PUT") == 0 || strcmp(request->method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->data == NULL ? "" : request->data);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         request->data == NULL ? 0 : (curl_off_t)request->len);
        if (request->len >= LARGE)
            curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)LARGE_BUFFER);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    } else if (!sm_transfer_is_get(t)) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    }
    if (!sm_transfer_is_get(t) || (!request->ranged && t->got == 0)) return;
    char range[64];
    const uint64_t from = request->ranged ? request->offset : 0;
    if (request->length > 0)
        snprintf(range, sizeof range, "%llu-%llu", (unsigned long long)(from + t->got),
                 (unsigned long long)(from + request->length - 1));
    else
        snprintf(range, sizeof range, "%llu-", (unsigned long long)(from + t->got));
    curl_easy_setopt(easy, CURLOPT_RANGE, range);
}

#ifdef SM_FIND_CA_BUNDLE
/* A portable build's libcurl knows no system's certificates: where systems keep them. */
static const char *system_bundle(void)
{
    static const char *const places[] = {
        "/etc/ssl/certs/ca-certificates.crt", /* Debian, Ubuntu, Alpine, Arch */
        "/etc/pki/tls/certs/ca-bundle.crt",   /* Red Hat, Rocky, Amazon */
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/ca-bundle.pem", /* SUSE */
        "/etc/ssl/cert.pem",
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], R_OK) == 0) return places[i];
    return NULL;
}
#else
static const char *system_bundle(void)
{
    return NULL; /* libcurl was built for this system */
}
#endif

static void set_trust(sm_transfer *t)
{
    const char *bundle = getenv("CURL_CA_BUNDLE");
    if (bundle == NULL || *bundle == '\0') bundle = getenv("SSL_CERT_FILE");
    if (bundle == NULL || *bundle == '\0') bundle = system_bundle();
    if (bundle != NULL && *bundle != '\0') curl_easy_setopt(t->easy, CURLOPT_CAINFO, bundle);
    const char *folder = getenv("SSL_CERT_DIR");
    if (folder != NULL && *folder != '\0') curl_easy_setopt(t->easy, CURLOPT_CAPATH, folder);
    curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, t->parts.tls ? "https" : "http");
    if (t->request->metadata || sm_is_loopback(t->parts.host))
        curl_easy_setopt(t->easy, CURLOPT_NOPROXY, "*");
}

static void set_times(sm_transfer *t)
{
    long connect = CONNECT_MS;
    if (t->request->metadata) {
        connect = METADATA_CONNECT_MS;
        curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)METADATA_MS);
    } else if (!sm_transfer_reached(t)) {
        const uint64_t passed = (sm_clock_ns() - t->backoff.since_ns) / NS_PER_MS;
        connect = passed + 1000 < SM_FIRST_CONTACT_MS ? (long)(SM_FIRST_CONTACT_MS - passed) : 1000;
    }
    if (t->late) curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)LATE_MS);
    curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, connect);
    curl_easy_setopt(t->easy, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_SPEED);
    curl_easy_setopt(t->easy, CURLOPT_LOW_SPEED_TIME, (long)sm_stall_seconds());
}

/* libcurl sends a request again by itself when a kept connection ends without an answer. That
 * counts as another attempt, for the first one may have been carried out; and not every request
 * may. */
static int on_send(void *user, char *peer, char *local, int peer_port, int local_port)
{
    (void)peer, (void)local, (void)peer_port, (void)local_port;
    sm_transfer *t = user;
    if (++t->sends == 1) return CURL_PREREQFUNC_OK;
    if (t->request->once || !t->request->idempotent) return CURL_PREREQFUNC_ABORT;
    t->reply->attempts++;
    return CURL_PREREQFUNC_OK;
}

static void set_rest(sm_transfer *t)
{
    CURL *easy = t->easy;
    const bool large = t->request->length >= LARGE || t->request->expected >= LARGE ||
                       (t->request->ranged && sm_transfer_is_get(t));
    curl_easy_setopt(easy, CURLOPT_URL, (const char *)t->url.data);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_send);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, t);
    t->sends = 0;
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->words);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "shardmill/" SM_VERSION);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, sm_transfer_on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, sm_transfer_on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)(large ? LARGE_BUFFER : SMALL_BUFFER));
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    /* Rather a stream of a connection that is being made than another connection. */
    if (t->parts.tls) curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
}

void sm_transfer_strip(sm_transfer *t)
{
    free_headers(t);
    sm_http_request *request = t->request;
    sm_buf *lines = &request->headers;
    if (lines->len > t->headers_len)
        explicit_bzero(lines->data + t->headers_len, lines->len - t->headers_len);
    lines->len = t->headers_len;
}

sm_status sm_transfer_set_up(sm_transfer *t)
{
    sm_http_request *request = t->request;
    sm_status status = sm_http_url_parse(&t->parts, (const char *)t->url.data);
    if (status == SM_OK && !request->metadata) status = sm_http_url_allowed(&t->parts);
    if (status == SM_OK && request->authorize != NULL)
        status = request->authorize(request, request->authorize_user);
    if (status == SM_OK) status = set_headers(t);
    if (status != SM_OK) return status;
    set_rest(t);
    set_method(t);
    set_trust(t);
    set_times(t);
    return SM_OK;
}
