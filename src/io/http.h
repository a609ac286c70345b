/*
 * HTTP for the stores: requests over kept connections, many at once, tried again when that can help.
 * http.c is the one file that knows libcurl.
 *
 * A client belongs to one thread. TLS is verified always. Plain http is refused but for loopback
 * addresses and hosts of SHARDMILL_ALLOW_HTTP (a comma-separated list), so that no credential crosses
 * a network in the clear.
 */
#ifndef SM_IO_HTTP_H
#define SM_IO_HTTP_H

#include "core/buf.h"
#include "core/status.h"

typedef struct sm_http sm_http;
typedef struct sm_http_request sm_http_request;

enum { SM_HTTP_TAG_MAX = 128, SM_HTTP_REGION_MAX = 64 };

/* What came back. Text fields are "" where the reply has no such header. */
typedef struct sm_http_reply {
    int status;               /* 200, 404, …; 0: no reply came */
    sm_buf body;              /* of the reply; of an error, its first 64 KiB */
    uint64_t content_length;  /* UINT64_MAX: not told */
    uint64_t total_length;    /* of the whole object, from Content-Range; else content_length */
    char etag[SM_HTTP_TAG_MAX];       /* as sent, with its quotes */
    char generation[SM_HTTP_TAG_MAX]; /* x-goog-generation */
    char checksums[SM_HTTP_TAG_MAX];  /* x-goog-hash, all of them, joined by ", " */
    char region[SM_HTTP_REGION_MAX];  /* x-amz-bucket-region */
    char encryption[SM_HTTP_TAG_MAX]; /* x-amz-server-side-encryption */
    char last_modified[64];
    char range[64];           /* of a resumable upload's 308 */
    char *location;           /* NULL: none; freed with the reply */
    unsigned attempts;        /* 1: the first one sufficed */
} sm_http_reply;

/* Signs request anew before each attempt: adds headers with sm_http_add_header, or sets the fields
 * of AWS. Credentials never enter url or any message. */
typedef sm_status sm_http_authorize(sm_http_request *request, void *user);

struct sm_http_request {
    const char *method; /* "GET", "HEAD", "PUT", "POST", "DELETE" */
    sm_buf url;         /* whole and percent-encoded, with a NUL that does not count */
    sm_buf headers;     /* "Name: value" lines, each with its NUL */
    const void *data;   /* the body to send, borrowed; NULL: none */
    size_t len;

    /* Of a GET. offset and length choose a range; length 0: to the end. The reply's body goes to
     * `into` (appended, up to its cap), or to the reply's own body when that is NULL. A read that is
     * cut off goes on at its byte, with If-Match or the generation that the first part had. */
    bool ranged;
    uint64_t offset, length;
    sm_buf *into;

    /* Safe to send twice. True for GET, HEAD, PUT, DELETE; a POST says so itself. */
    bool idempotent;

    sm_http_authorize *authorize; /* NULL: nothing to sign */
    void *authorize_user;
    /* AWS Signature 4, when authorize sets them: borrowed strings, good until the request is done.
     * aws_service NULL: "s3". */
    const char *aws_service, *aws_region, *aws_key, *aws_secret;

    /* A metadata service: asked once, without a second try, and given up when it does not answer
     * within so many milliseconds; plain http is fine to link-local addresses too. 0: not one. */
    unsigned metadata_ms;

    void *user; /* the caller's */
};

void sm_http_request_init(sm_http_request *request, const char *method);
void sm_http_request_free(sm_http_request *request);
sm_status sm_http_add_header(sm_http_request *request, const char *name, const char *value);
void sm_http_reply_init(sm_http_reply *reply);
void sm_http_reply_free(sm_http_reply *reply);

sm_status sm_http_new(sm_http **http);
void sm_http_free(sm_http *http); /* NULL is fine */

/* This thread's client, made at its first use and freed when the thread ends. */
sm_status sm_http_mine(sm_http **http);

/*
 * Performs one request, to the URL as it is written ('.', '..' and '//' in its path too); a redirect
 * is a reply like any other. authorize begins each time with the headers that the caller gave. 408, 429 (Retry-After), 5xx, resets, stalls (under 1 kB/s for 30 s) and bodies
 * that end early are tried again with exponential backoff and jitter until a deadline of 5 minutes
 * without progress (SHARDMILL_RETRY_SECONDS). SM_OK: a reply came, whatever its status; the caller
 * judges it with sm_http_judge. SM_ERR_IO, SM_ERR_LIMIT (into is full), SM_ERR_CORRUPT (the object
 * changed while it was read): the line names the URL without its query.
 */
sm_status sm_http_perform(sm_http *http, const sm_http_request *request, sm_http_reply *reply);

/* The same for many at once, at most `parallel` in flight; statuses[i] tells of each. */
void sm_http_perform_many(sm_http *http, sm_http_request *const *requests, sm_http_reply *replies,
                          sm_status *statuses, size_t count, size_t parallel);

/* SM_OK for 2xx; else the status that fits (401/403 ACCESS, 404 NOT_FOUND, 412 CONFLICT, …) with a
 * line of what was tried on which URL, and the server's words; identity says who asked ("the service
 * account x", "anonymous"), permission what is needed ("storage.objects.get"), either NULL. */
sm_status sm_http_judge(const sm_http_reply *reply, const char *what, const char *url,
                        const char *identity, const char *permission);

/* Appends text percent-encoded (RFC 3986 unreserved characters stay; '/' too when keep_slash). */
sm_status sm_http_append_encoded(sm_buf *buf, const char *text, bool keep_slash);

#endif
