/* One request on its way through all its attempts: what http.c, http_setup.c and http_receive.c
 * share. */
#ifndef SM_IO_HTTP_TRANSFER_H
#define SM_IO_HTTP_TRANSFER_H

#include "io/http.h"
#include "io/http_reply.h"
#include "io/http_retry.h"
#include "io/http_url.h"

#include <curl/curl.h>

enum {
    SM_FIRST_CONTACT_MS = 6000, /* for a host that never answered: is there a network at all? */
};

typedef struct sm_transfer {
    sm_http_request *request;
    sm_http_reply *reply;
    size_t index;
    sm_status status; /* not SM_OK: over, with reply->error */

    CURL *easy; /* NULL: waits until wake_ns */
    uint64_t wake_ns;
    struct curl_slist *headers;
    sm_buf url; /* the request's, or where a redirect led */
    sm_http_url parts;
    size_t headers_len; /* of the request without what authorize adds */
    sm_backoff backoff;
    char words[CURL_ERROR_SIZE];

    size_t start;                                            /* of the body in request->into */
    uint64_t got;                                            /* bytes of it, of all attempts */
    char etag[SM_HTTP_TAG_MAX], generation[SM_HTTP_TAG_MAX]; /* of the object's first part */
    uint64_t total;

    unsigned redirects, damages;
    unsigned sends; /* of this attempt: libcurl repeats what a kept connection swallowed */
    bool late;      /* begun when all was to end: one try, and a short one */
    bool was_refused;
    bool looked_at; /* the headers of this attempt */
    bool cut_by_us; /* all that was wanted has come */
} sm_transfer;

/* http_setup.c: signs the request and sets its easy handle up for the next attempt. */
sm_status sm_transfer_set_up(sm_transfer *t);
/* Takes away what that added to the request, and wipes it. */
void sm_transfer_strip(sm_transfer *t);

/* http_receive.c: curl's callbacks; user is the transfer. */
size_t sm_transfer_on_header(char *line, size_t size, size_t count, void *user);
size_t sm_transfer_on_body(char *data, size_t size, size_t count, void *user);
void sm_transfer_forget_body(sm_transfer *t);
/* Whether a body that is cut off is read on at its byte. */
bool sm_transfer_goes_on(const sm_transfer *t);
bool sm_transfer_is_get(const sm_transfer *t);
bool sm_transfer_is_good(const sm_transfer *t); /* 2xx */

/* A part of a body came: the first behind sm_io_await_byte is remembered. */
void sm_transfer_note_body(void);

/* Ends it for good: with this thread's error line, or with one that names the transfer. */
void sm_transfer_fail_as_told(sm_transfer *t, sm_status status);
void sm_transfer_fail(sm_transfer *t, sm_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void sm_transfer_fail_changed(sm_transfer *t);

/* Whether the transfer's host has answered this process once. */
bool sm_transfer_reached(const sm_transfer *t);

#endif
