/* What http.c asks about URLs before it touches the network. */
#ifndef SM_IO_HTTP_URL_H
#define SM_IO_HTTP_URL_H

#include "core/buf.h"
#include "core/status.h"

enum { SM_HOST_MAX = 256 };

typedef struct sm_http_url {
    bool tls;               /* https */
    char host[SM_HOST_MAX]; /* lower case; of IPv6 with its brackets */
    unsigned port;          /* also when the URL leaves it out */
} sm_http_url;

/* SM_ERR_USAGE for what is no http or https URL, or one with a user name, white space or control
 * characters. */
sm_status sm_http_url_parse(sm_http_url *parts, const char *url);

/* A loopback address, or localhost. */
bool sm_is_loopback(const char *host);

/* SM_ERR_ACCESS when credentials must not go there: plain http to a host that is neither loopback
 * nor in SHARDMILL_ALLOW_HTTP. */
sm_status sm_http_url_allowed(const sm_http_url *parts);

/* Appends url without its query, for messages; a NUL behind it that does not count. */
sm_status sm_http_url_label(sm_buf *buf, const char *url);

#endif
