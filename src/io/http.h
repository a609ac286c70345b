/*
 * HTTP for the stores: requests over kept connections, many at once, tried again when that can
 * help. http.c and its two parts, http_setup.c and http_receive.c, are all that knows libcurl.
 *
 * A client belongs to one thread at a time. TLS is verified always. Plain http is refused but for
 * loopback addresses and hosts of SHARDMILL_ALLOW_HTTP (a comma-separated list; ".internal" is all
 * of a domain), so that no credential crosses a network in the clear.
 *
 * Environment: SHARDMILL_RETRY_SECONDS (300) how long faults are tried again without progress;
 * SHARDMILL_STALL_SECONDS (30) of under 1 kB/s make a stall; proxies, CURL_CA_BUNDLE, SSL_CERT_FILE
 * and SSL_CERT_DIR as curl has them.
 */
#ifndef SM_IO_HTTP_H
#define SM_IO_HTTP_H

#include "core/buf.h"
#include "core/status.h"
#include "io/io.h"

typedef struct sm_http sm_http;
typedef struct sm_http_request sm_http_request;

enum { SM_HTTP_TAG_MAX = 128, SM_HTTP_REGION_MAX = 64, SM_HTTP_ERROR_MAX = 512 };

/* What came back. Text fields are "" where the reply has no such header. */
typedef struct sm_http_reply {
    int status;  /* 200, 404, …; 0: no reply came */
    sm_buf body; /* of the reply, up to its max (64 MiB); of an error, its first 64 KiB */
    uint64_t content_length;    /* UINT64_MAX: not told */
    uint64_t total_length;      /* of the whole object, from Content-Range; else content_length */
    char etag[SM_HTTP_TAG_MAX]; /* as sent, with its quotes */
    char generation[SM_HTTP_TAG_MAX]; /* x-goog-generation */
    /* x-goog-hash and x-amz-checksum-*, joined by ",": "crc32c=n03x6A==,md5=…" */
    char checksums[2 * SM_HTTP_TAG_MAX];
    char region[SM_HTTP_REGION_MAX]; /* x-amz-bucket-region */
    char encryption[32];             /* x-amz-server-side-encryption */
    char last_modified[64];
    char range[64]; /* of a resumable upload's 308 */
    char content_range[80];
    char *location;          /* NULL: none; freed with the reply */
    uint64_t retry_after_ms; /* of Retry-After; 0: none */
    unsigned attempts;       /* 1: the first one sufficed */
    /* It was tried again until the deadline, and all that while its host gave nobody a good answer.
     */
    bool host_down;
    char error[SM_HTTP_ERROR_MAX]; /* the line, when the request's status is not SM_OK */
} sm_http_reply;

/*
 * Signs request anew before each attempt: adds headers with sm_http_add_header (taken away again
 * behind the attempt). Credentials never enter url or any message. To ask for a token it needs a
 * client of its own (sm_http_new): this one is at work.
 */
typedef sm_status sm_http_authorize(sm_http_request *request, void *user);

/* Asked at most once a request, at a 400, 401 or 403: true when the credentials that it used were
 * stale and the next authorize brings others, so that trying again makes sense. */
typedef bool sm_http_refused(const sm_http_reply *reply, void *user);

/* Looks at a whole 2xx reply; anything but SM_OK (with a line) is taken for damage on the way: the
 * request is tried again, three times at most. */
typedef sm_status sm_http_check(const sm_http_request *request, const sm_http_reply *reply);

struct sm_http_request {
    const char *method; /* "GET", "HEAD", "PUT", "POST", "DELETE" */
    sm_buf url;         /* whole and percent-encoded, with a NUL that does not count */
    const char *label;  /* borrowed: what messages call it; NULL: url without its query */
    sm_buf headers;     /* "Name: value" lines, each with its NUL */
    const void *data;   /* the body to send, borrowed; NULL: none */
    size_t len;

    /*
     * Of a GET. offset and length choose a range; length 0: to the end. The reply's body goes to
     * `into` (appended, up to its cap), or to the reply's own body when that is NULL. A read into
     * `into` that is cut off goes on at its byte, with If-Match and the generation that the first
     * part had; an object that changed meanwhile is SM_ERR_CORRUPT. So does one whose body goes to
     * `take`, which needs a range of a known length, and has no `check`.
     */
    bool ranged;
    uint64_t offset, length;
    sm_buf *into;
    uint64_t expected; /* bytes that are likely to come into it; 0: not known */
    sm_take_fn *take;
    void *take_user;

    /* Safe to send twice. True for GET, HEAD, PUT, DELETE; a POST says so itself. */
    bool idempotent;
    bool clears; /* may be begun also when all waiting is to end, as every DELETE */
    bool once;   /* no second attempt, whatever happens: the caller has its own way of going on */
    /* With once: the caller's tries, by which the host is judged to be down; NULL: it is not. */
    const struct sm_backoff *tries;
    /* Follows redirects of GET and HEAD (5 at most); what authorize signs only within its host,
     * since no other may see it. Else a 3xx is the reply. */
    bool follow;
    /* A cloud's metadata server on the local link: plain http is fine, no proxy, one second to
     * connect, and no second attempt when it cannot be reached. */
    bool metadata;

    sm_http_authorize *authorize; /* NULL: nothing to sign */
    sm_http_refused *refused;     /* NULL: a refusal is final */
    void *authorize_user;         /* of both */
    sm_http_check *check;         /* NULL: none */
    void *user;                   /* the caller's */
};

void sm_http_want_part(sm_http_request *request, const sm_file_part *part);

void sm_http_request_init(sm_http_request *request, const char *method);
void sm_http_request_free(sm_http_request *request);
/* SM_ERR_USAGE for a value with a line break. */
sm_status sm_http_add_header(sm_http_request *request, const char *name, const char *value);
void sm_http_reply_init(sm_http_reply *reply);
void sm_http_reply_free(sm_http_reply *reply);

sm_status sm_http_new(sm_http **http);
void sm_http_free(sm_http *http); /* NULL is fine */

/* This thread's client. When the thread ends, its kept connections go to the next that asks. */
sm_status sm_http_mine(sm_http **http);

/*
 * Performs one request, to the URL as it is written ('.', '..' and '//' in its path too). 408, 429
 * (Retry-After), 5xx, resets, stalls and bodies that end early are tried again with exponential
 * backoff and jitter until a deadline without progress; a host that was never reached is given up
 * within 6 seconds. SM_OK: a reply came, whatever its status; the caller judges it with
 * sm_http_judge. SM_ERR_IO, SM_ERR_LIMIT (into is full), SM_ERR_CORRUPT (the object changed while
 * it was read): the line names the label.
 */
sm_status sm_http_perform(sm_http *http, sm_http_request *request, sm_http_reply *reply);

/* The same for many at once, at most `parallel` in flight; statuses[i] and replies[i].error tell of
 * each. */
void sm_http_perform_many(sm_http *http, sm_http_request *const *requests, sm_http_reply *replies,
                          sm_status *statuses, size_t count, size_t parallel);

/* SM_OK for 2xx; else the status that fits (401/403 ACCESS, 404 NOT_FOUND, 412 CONFLICT, …) with a
 * line of what was tried ("read") on which URL, and the server's words; identity says who asked
 * ("the service account x", "anonymous"), permission what is needed ("storage.objects.get"), either
 * NULL.
 */
sm_status sm_http_judge(const sm_http_reply *reply, const char *what, const char *url,
                        const char *identity, const char *permission);

/* Appends text percent-encoded (RFC 3986 unreserved characters stay; '/' too when keep_slash), with
 * a NUL that does not count. */
sm_status sm_http_append_encoded(sm_buf *buf, const char *text, bool keep_slash);

#endif
