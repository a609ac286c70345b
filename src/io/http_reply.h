/* Filling a reply from the header lines that arrive; what http.c does not do itself. */
#ifndef SM_IO_HTTP_REPLY_H
#define SM_IO_HTTP_REPLY_H

#include "io/http.h"

enum { SM_HTTP_BODY_MAX = 64 << 20, SM_HTTP_ERROR_BODY_MAX = 64 << 10 };

/* Forgets all that a former attempt left in the header fields; body, attempts and error stay. */
void sm_http_reply_begin(sm_http_reply *reply);

/* One header line, as it came from the network, with no NUL behind it. */
void sm_http_reply_line(sm_http_reply *reply, const char *line, size_t len);

/* The first byte that Content-Range tells; UINT64_MAX: none. Filled by sm_http_reply_line. */
uint64_t sm_http_range_start(const char *content_range);

/* The server's words about an error: of JSON, XML, or the first line of text; "" when it has none
 * that can be shown. */
void sm_http_words(char *words, size_t cap, const sm_buf *body);

#endif
